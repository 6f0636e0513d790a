//! What is read of an issuer's words. The whole flow is tested against a provider in the integration tests.

use serde_json::json;

use super::*;

const ISSUER: &str = "https://id.example";
const NOW: i64 = 1_772_452_800;

fn options() -> OidcOptions {
    OidcOptions {
        issuer: ISSUER.to_owned(),
        client_id: "rialto".to_owned(),
        client_secret: None,
    }
}

fn claims() -> Value {
    json!({
        "iss": ISSUER, "sub": "248289761001", "aud": "rialto", "exp": NOW + 300, "iat": NOW, "nonce": "n",
        "email": "ada@example.com", "email_verified": true, "name": "Ada",
    })
}

fn read(claims: &Value) -> Result<Identity, String> {
    let now = Timestamp::from_second(NOW).expect("a time");
    identity(claims, &options(), "n", now)
}

#[test]
fn claims_become_somebody() {
    let expected = Identity {
        issuer: ISSUER.to_owned(),
        subject: "248289761001".to_owned(),
        email: Some("ada@example.com".to_owned()),
        email_verified: true,
        name: Some("Ada".to_owned()),
    };
    assert_eq!(read(&claims()), Ok(expected));
    for (name, value) in [
        ("aud", json!(["rialto"])),
        ("azp", json!("rialto")),
        ("email_verified", json!("true")),
        ("exp", json!(NOW - 59)),
        ("iat", json!(NOW + 60)),
    ] {
        let mut other = claims();
        other[name] = value;
        assert!(read(&other).is_ok(), "{other}");
    }
    let mut several = claims();
    several["aud"] = json!(["other", "rialto"]);
    several["azp"] = json!("rialto");
    assert!(read(&several).is_ok());
    let mut unproved = claims();
    unproved["email_verified"] = Value::Null;
    assert!(read(&unproved).is_ok_and(|somebody| !somebody.email_verified));
}

#[test]
fn what_was_made_for_others_or_another_time_is_refused() {
    for (name, value, why) in [
        ("iss", json!("https://id.example/"), "another issuer"),
        ("iss", Value::Null, "another issuer"),
        ("aud", json!("other"), "another client"),
        ("aud", json!(["other", "rialto"]), "another client"),
        ("aud", json!([]), "another client"),
        ("aud", Value::Null, "another client"),
        ("azp", json!("other"), "another client"),
        ("exp", json!(NOW - 60), "expired"),
        ("exp", Value::Null, "when it expires"),
        ("exp", json!("soon"), "when it expires"),
        ("iat", json!(NOW + 61), "future"),
        ("nbf", json!(NOW + 61), "future"),
        ("nonce", json!("m"), "another sign-in"),
        ("nonce", Value::Null, "another sign-in"),
        ("sub", Value::Null, "who it is"),
        ("sub", json!(""), "who it is"),
        ("sub", json!("s".repeat(256)), "who it is"),
    ] {
        let mut claims = claims();
        claims[name] = value;
        let refused = read(&claims).expect_err(why);
        assert!(refused.contains(why), "{claims}: {refused}");
    }
}

#[test]
fn an_issuer_speaks_for_itself_and_by_tls() {
    let document = json!({
        "issuer": ISSUER, "authorization_endpoint": "https://id.example/authorize",
        "token_endpoint": "https://token.example/", "jwks_uri": "https://id.example/keys",
    });
    let read = |name: &str, value: Value| {
        let mut document = document.clone();
        document[name] = value;
        read_metadata(&document, ISSUER)
    };
    assert!(read("more", json!(1)).is_ok_and(|metadata| !metadata.is_secret_in_form));
    let methods = "token_endpoint_auth_methods_supported";
    assert!(read(methods, json!(["client_secret_post"])).is_ok_and(|m| m.is_secret_in_form));
    let both = json!(["client_secret_post", "client_secret_basic"]);
    assert!(read(methods, both).is_ok_and(|m| !m.is_secret_in_form));
    for (name, value) in [
        ("issuer", json!("https://id.example/")),
        ("issuer", Value::Null),
        ("token_endpoint", Value::Null),
        ("token_endpoint", json!("http://id.example/token")),
        ("jwks_uri", json!("file:///etc/passwd")),
    ] {
        assert!(read(name, value).is_err(), "{name}");
    }
}

#[test]
fn a_flow_has_a_verifier_of_its_own() {
    let mut random = [7; 96];
    random[64..].fill(9);
    let flow = Flow::new(&random, "https://us.example/back".to_owned());
    assert_eq!(flow.verifier.expose().len(), 43, "RFC 7636 wants 43 to 128");
    assert!(!format!("{flow:?}").contains(flow.verifier.expose()));
    // RFC 7636, appendix B.
    let flow = Flow {
        verifier: Secret::new("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
        ..flow
    };
    assert_eq!(
        flow.challenge(),
        "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    );
}
