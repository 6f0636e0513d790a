//! Signatures of ID tokens: JWS in its compact form (RFC 7515), by keys of a JWK set (RFC 7517).
//!
//! Three algorithms, by name: RS256, ES256 and EdDSA (Ed25519). Nothing else is looked at: not `none`, and no HMAC, for
//! which the issuer's public key would do as a secret. The key decides which algorithm it is for, not the token.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
    UnparsedPublicKey,
};
use serde_json::Value;

/// Longest token that is looked at, in bytes.
const TOKEN_BYTES_MAX: usize = 64 << 10;
/// Keys that are read of a set.
const KEYS_MAX: usize = 100;

/// Why a token is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("it is not a signed token")]
    Malformed,
    #[error("it is signed with an algorithm that is not taken here: RS256, ES256 and EdDSA are")]
    Algorithm,
    #[error("none of the issuer's keys can have signed it")]
    UnknownKey,
    #[error("its signature is wrong")]
    Signature,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Algorithm {
    Rs256,
    Es256,
    EdDsa,
}

impl Algorithm {
    fn parse(name: &str) -> Option<Self> {
        match name {
            "RS256" => Some(Self::Rs256),
            "ES256" => Some(Self::Es256),
            "EdDSA" => Some(Self::EdDsa),
            _ => None,
        }
    }
}

/// A public key. The parts are numbers, big end first.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Public {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    P256(Vec<u8>),
    Ed25519(Vec<u8>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Key {
    id: Option<String>,
    public: Public,
}

/// Those keys of an issuer that can be used here.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Keys(Vec<Key>);

impl Keys {
    /// Reads a JWK set. What is for encryption, of another kind or not readable is left out, as the RFC has it.
    pub fn read(set: &Value) -> Self {
        let keys = set["keys"].as_array().into_iter().flatten();
        Self(keys.take(KEYS_MAX).filter_map(key).collect())
    }
}

fn key(jwk: &Value) -> Option<Key> {
    let bytes = |name: &str| BASE64_URL_SAFE_NO_PAD.decode(jwk[name].as_str()?).ok();
    if !(jwk["use"].is_null() || jwk["use"] == "sig") {
        return None;
    }
    let (public, algorithm) = match (jwk["kty"].as_str()?, jwk["crv"].as_str()) {
        ("RSA", _) => {
            // Numbers may come with leading zeros, which they do not have.
            let number = |name| Some(bytes(name)?.into_iter().skip_while(|b| *b == 0).collect());
            let (n, e) = (number("n")?, number("e")?);
            (Public::Rsa { n, e }, "RS256")
        }
        ("EC", Some("P-256")) => {
            let point = [vec![4], bytes("x")?, bytes("y")?].concat();
            (Public::P256(point), "ES256")
        }
        ("OKP", Some("Ed25519")) => (Public::Ed25519(bytes("x")?), "EdDSA"),
        _ => return None,
    };
    if !(jwk["alg"].is_null() || jwk["alg"] == algorithm) {
        return None;
    }
    let id = jwk["kid"].as_str().map(str::to_owned);
    Some(Key { id, public })
}

/// What a token says, if one of these keys has signed it.
///
/// # Errors
/// [`Refused`]; [`Refused::UnknownKey`] when newer keys might help.
pub fn verify(token: &str, keys: &Keys) -> Result<Value, Refused> {
    if token.len() > TOKEN_BYTES_MAX {
        return Err(Refused::Malformed);
    }
    let (signed, signature) = token.rsplit_once('.').ok_or(Refused::Malformed)?;
    let (head, payload) = signed.split_once('.').ok_or(Refused::Malformed)?;
    let decoded = |part: &str| BASE64_URL_SAFE_NO_PAD.decode(part);
    let json = |part: &str| {
        let bytes = decoded(part).map_err(|_| Refused::Malformed)?;
        serde_json::from_slice::<Value>(&bytes).map_err(|_| Refused::Malformed)
    };
    let head = json(head)?;
    let algorithm = head["alg"].as_str().and_then(Algorithm::parse);
    let algorithm = algorithm.ok_or(Refused::Algorithm)?;
    // What must be understood is not (RFC 7515 §4.1.11).
    if !head["crit"].is_null() {
        return Err(Refused::Malformed);
    }
    let key = chosen(keys, algorithm, head["kid"].as_str()).ok_or(Refused::UnknownKey)?;
    let signature = decoded(signature).map_err(|_| Refused::Malformed)?;
    if !is_signed(key, signed.as_bytes(), &signature) {
        return Err(Refused::Signature);
    }
    json(payload)
}

/// The key of this name; of a token that names none, the only one that it can be.
fn chosen<'k>(keys: &'k Keys, algorithm: Algorithm, id: Option<&str>) -> Option<&'k Public> {
    let fits = |key: &&Key| {
        matches!(
            (&key.public, algorithm),
            (Public::Rsa { .. }, Algorithm::Rs256)
                | (Public::P256(_), Algorithm::Es256)
                | (Public::Ed25519(_), Algorithm::EdDsa)
        )
    };
    let mut fitting = keys.0.iter().filter(fits);
    match id {
        Some(id) => fitting
            .find(|key| key.id.as_deref() == Some(id))
            .map(|key| &key.public),
        None => {
            let one = fitting.next()?;
            fitting.next().is_none().then_some(&one.public)
        }
    }
}

fn is_signed(key: &Public, message: &[u8], signature: &[u8]) -> bool {
    let verified = match key {
        Public::Rsa { n, e } => {
            RsaPublicKeyComponents { n, e }.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
        }
        Public::P256(point) => {
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature)
        }
        Public::Ed25519(point) => {
            UnparsedPublicKey::new(&ED25519, point).verify(message, signature)
        }
    };
    verified.is_ok()
}

#[cfg(test)]
mod tests;
