//! What is signed is believed, and nothing else.

use proptest::prelude::*;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
};
use serde_json::json;

use super::*;

fn encode(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// A key of this process, and what is published of it.
fn ed25519(id: Option<&str>) -> (Ed25519KeyPair, Value) {
    let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("a key");
    let pair = Ed25519KeyPair::from_pkcs8(document.as_ref()).expect("a key");
    let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "kid": id, "x": encode(pair.public_key()) });
    (pair, jwk)
}

fn token(pair: &Ed25519KeyPair, head: &Value, claims: &Value) -> String {
    let signed = format!(
        "{}.{}",
        encode(head.to_string()),
        encode(claims.to_string())
    );
    let signature = encode(pair.sign(signed.as_bytes()));
    format!("{signed}.{signature}")
}

fn keys(jwks: &[&Value]) -> Keys {
    Keys::read(&json!({ "keys": jwks }))
}

/// The example of RFC 8037, appendix A.
#[test]
fn the_rfcs_own_example_is_verified() {
    let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" });
    let token = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.\
                 hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    // The signature is right, and what is signed is no JSON.
    assert_eq!(verify(token, &keys(&[&jwk])), Err(Refused::Malformed));
    let other = token.replace(".RX", ".SX");
    assert_eq!(verify(&other, &keys(&[&jwk])), Err(Refused::Signature));
}

#[test]
fn elliptic_keys_and_edwards_keys_sign() {
    let random = SystemRandom::new();
    let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
    let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).expect("a key");
    let pair = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).expect("a key");
    let point = pair.public_key().as_ref();
    let jwk = json!({ "kty": "EC", "crv": "P-256", "kid": "e", "use": "sig", "alg": "ES256",
                      "x": encode(&point[1..33]), "y": encode(&point[33..]) });
    let claims = json!({ "sub": "ada" });
    let head = json!({ "alg": "ES256", "kid": "e" });
    let signed = format!(
        "{}.{}",
        encode(head.to_string()),
        encode(claims.to_string())
    );
    let signature = pair.sign(&random, signed.as_bytes()).expect("signed");
    let es256 = format!("{signed}.{}", encode(signature));
    let (other, other_jwk) = ed25519(Some("o"));
    let set = keys(&[&jwk, &other_jwk]);
    assert_eq!(verify(&es256, &set), Ok(claims.clone()));
    let eddsa = token(&other, &json!({ "alg": "EdDSA", "kid": "o" }), &claims);
    assert_eq!(verify(&eddsa, &set), Ok(claims.clone()));
    // One key must not be taken for the other, whatever the token says.
    let mixed = token(&other, &json!({ "alg": "EdDSA", "kid": "e" }), &claims);
    assert_eq!(verify(&mixed, &set), Err(Refused::UnknownKey));
}

#[test]
fn what_is_not_signed_by_the_issuer_is_refused() {
    let (pair, jwk) = ed25519(Some("k"));
    let set = keys(&[&jwk]);
    let claims = json!({ "sub": "ada" });
    let head = json!({ "alg": "EdDSA", "kid": "k" });
    let good = token(&pair, &head, &claims);
    assert_eq!(verify(&good, &set), Ok(claims.clone()));

    let part = |n: usize| good.split('.').nth(n).expect("a part").to_owned();
    let forged = encode(json!({ "sub": "eve" }).to_string());
    let unsigned = encode(json!({ "alg": "none" }).to_string());
    let hmac = encode(json!({ "alg": "HS256", "kid": "k" }).to_string());
    for (token, refused) in [
        (
            format!("{}.{forged}.{}", part(0), part(2)),
            Refused::Signature,
        ),
        (format!("{}.{}.", part(0), part(1)), Refused::Signature),
        (format!("{unsigned}.{}.", part(1)), Refused::Algorithm),
        (
            format!("{hmac}.{}.{}", part(1), part(2)),
            Refused::Algorithm,
        ),
        (format!("{}.{}", part(0), part(1)), Refused::Malformed),
        ("a.b.c".to_owned(), Refused::Malformed),
        (String::new(), Refused::Malformed),
        ("x".repeat(TOKEN_BYTES_MAX + 1), Refused::Malformed),
        (
            token(&pair, &json!({ "alg": "EdDSA", "kid": "other" }), &claims),
            Refused::UnknownKey,
        ),
        (
            token(
                &pair,
                &json!({ "alg": "EdDSA", "kid": "k", "crit": ["x"] }),
                &claims,
            ),
            Refused::Malformed,
        ),
        (
            token(&pair, &json!({ "alg": "RS256", "kid": "k" }), &claims),
            Refused::UnknownKey,
        ),
    ] {
        assert_eq!(verify(&token, &set), Err(refused), "{token}");
    }
    let (stranger, _) = ed25519(Some("k"));
    assert_eq!(
        verify(&token(&stranger, &head, &claims), &set),
        Err(Refused::Signature)
    );
}

#[test]
fn a_token_that_names_no_key_needs_the_choice_to_be_clear() {
    let (pair, jwk) = ed25519(Some("k"));
    let (_, second) = ed25519(None);
    let bare = token(&pair, &json!({ "alg": "EdDSA" }), &json!({}));
    assert_eq!(verify(&bare, &keys(&[&jwk])), Ok(json!({})));
    assert_eq!(
        verify(&bare, &keys(&[&jwk, &second])),
        Err(Refused::UnknownKey)
    );
}

#[test]
fn keys_for_other_things_are_left_out() {
    let (_, jwk) = ed25519(Some("k"));
    let mut set = vec![
        json!({}),
        json!({ "kty": "oct", "k": "c2VjcmV0" }),
        json!("key"),
    ];
    for (name, value) in [
        ("use", "enc"),
        ("alg", "ES256"),
        ("crv", "X25519"),
        ("x", "*"),
    ] {
        let mut other = jwk.clone();
        other[name] = json!(value);
        set.push(other);
    }
    assert_eq!(Keys::read(&json!({ "keys": set })), Keys::default());
    assert_eq!(Keys::read(&json!("?")), Keys::default());
    set.push(jwk);
    assert_eq!(Keys::read(&json!({ "keys": set })).0.len(), 1);
}

#[test]
fn fuzz_no_token_of_a_stranger_is_believed_or_breaks_us() {
    let (_, jwk) = ed25519(None);
    let set = keys(&[&jwk]);
    let head = encode(json!({ "alg": "EdDSA" }).to_string());
    let words = prop_oneof![
        ".{0,60}",
        "[A-Za-z0-9_-]{0,40}(\\.[A-Za-z0-9_-]{0,90}){0,3}"
    ];
    fuzzing::run(&words, |text| {
        prop_assert!(verify(&text, &set).is_err());
        let behind = format!("{head}.{text}");
        prop_assert!(verify(&behind, &set).is_err());
        Ok(())
    });
}
