//! Signatures of what is pushed, after the Standard Webhooks specification: HMAC-SHA256 over `id.timestamp.body`.
//!
//! The push task signs, with every secret that is valid while one is being rotated; `rialto listen` verifies, and so can any
//! receiver with a library for the standard.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use http::HeaderName;
use jiff::Timestamp;
use sha2::Sha256;

/// Names the message; the same for every attempt, so that a receiver can drop repeats.
pub const ID: HeaderName = HeaderName::from_static("webhook-id");
/// When this attempt was made, in seconds since 1970.
pub const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
/// One or more of `v1,<base64>`, separated by spaces.
pub const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

const PREFIX: &str = "whsec_";
const VERSION: &str = "v1,";
/// What we generate; the standard wants 24 to 64 bytes.
const SECRET_BYTES: usize = 32;
/// Signatures in a header that a receiver looks at; more than any rotation has.
const SIGNATURES_MAX: usize = 16;

/// A secret made ready for signing: parse it once for a destination, not once a push. Prints `***`.
#[derive(Clone)]
pub struct Secret(Hmac<Sha256>);

/// Why a signature was not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    #[error("the secret is not `whsec_` and base64 of at least one byte; copy it again")]
    Secret,
    #[error("`webhook-timestamp` is not a number of seconds since 1970")]
    Timestamp,
    #[error(
        "`webhook-timestamp` is {off_s} seconds from now, more than the {tolerance:?} allowed; check the clocks"
    )]
    Expired { off_s: u64, tolerance: Duration },
    #[error("`webhook-signature` holds no signature of version `v1`")]
    Missing,
    #[error("no signature fits: another secret, or the body was changed on its way")]
    Mismatch,
}

/// A new secret, `whsec_<base64>`, as it is shown to its owner and stored.
///
/// # Panics
/// When the operating system has no randomness, where a weak secret would be worse.
pub fn generate_secret() -> String {
    let mut bytes = [0; SECRET_BYTES];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    format!("{PREFIX}{}", BASE64_STANDARD.encode(bytes))
}

/// The value of `webhook-signature`: one signature for each secret, in their order, separated by spaces.
pub fn sign(secrets: &[Secret], id: &str, timestamp_s: i64, body: &[u8]) -> String {
    let timestamp = timestamp_s.to_string();
    let mut header = String::with_capacity(secrets.len() * 48);
    for secret in secrets {
        if !header.is_empty() {
            header.push(' ');
        }
        header.push_str(VERSION);
        BASE64_STANDARD.encode_string(
            secret.mac(id, &timestamp, body).finalize().into_bytes(),
            &mut header,
        );
    }
    header
}

/// Checks what a receiver got: `id`, `timestamp` and `header` are the three headers as they came, `body` the raw bytes.
///
/// # Errors
/// Says which of them does not fit. Signatures are compared in constant time.
pub fn verify(
    secret: &Secret,
    id: &str,
    timestamp: &str,
    body: &[u8],
    header: &str,
    now: Timestamp,
    tolerance: Duration,
) -> Result<(), SignatureError> {
    let timestamp_s: i64 = timestamp.parse().map_err(|_| SignatureError::Timestamp)?;
    let off_s = now.as_second().abs_diff(timestamp_s);
    if off_s > tolerance.as_secs() {
        return Err(SignatureError::Expired { off_s, tolerance });
    }
    let mac = secret.mac(id, timestamp, body);
    let mut found = false;
    for encoded in header
        .split(' ')
        .filter_map(|one| one.strip_prefix(VERSION))
        .take(SIGNATURES_MAX)
    {
        found = true;
        if let Ok(signature) = BASE64_STANDARD.decode(encoded)
            && mac.clone().verify_slice(&signature).is_ok()
        {
            return Ok(());
        }
    }
    Err(if found {
        SignatureError::Mismatch
    } else {
        SignatureError::Missing
    })
}

impl Secret {
    fn mac(&self, id: &str, timestamp: &str, body: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
            mac.update(part);
        }
        mac
    }
}

impl FromStr for Secret {
    type Err = SignatureError;

    /// Reads `whsec_<base64>`; the prefix may be missing, as in secrets that other systems made.
    fn from_str(text: &str) -> Result<Secret, SignatureError> {
        let encoded = text.strip_prefix(PREFIX).unwrap_or(text);
        let key = BASE64_STANDARD
            .decode(encoded)
            .map_err(|_| SignatureError::Secret)?;
        if key.is_empty() {
            return Err(SignatureError::Secret);
        }
        Hmac::new_from_slice(&key)
            .map(Secret)
            .map_err(|_| SignatureError::Secret)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The vector of the Standard Webhooks libraries.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const MESSAGE: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const SENT_S: i64 = 1_614_265_330;
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const SIGNED: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    fn secret(text: &str) -> Secret {
        text.parse().expect("a secret")
    }

    fn verified(header: &str, body: &[u8], late_s: i64) -> Result<(), SignatureError> {
        let now = Timestamp::from_second(SENT_S + late_s).expect("a time");
        verify(
            &secret(SECRET),
            MESSAGE,
            &SENT_S.to_string(),
            body,
            header,
            now,
            Duration::from_secs(300),
        )
    }

    #[test]
    fn signs_as_the_standard_says() {
        assert_eq!(sign(&[secret(SECRET)], MESSAGE, SENT_S, BODY), SIGNED);
        assert_eq!(
            sign(&[secret(&SECRET[PREFIX.len()..])], MESSAGE, SENT_S, BODY),
            SIGNED,
            "without the prefix"
        );
        assert_eq!(verified(SIGNED, BODY, 0), Ok(()));
    }

    #[test]
    fn a_rotation_signs_with_both_secrets_and_either_verifies() {
        let old = generate_secret();
        let header = sign(&[secret(&old), secret(SECRET)], MESSAGE, SENT_S, BODY);
        assert!(header.ends_with(&format!(" {SIGNED}")), "{header}");
        assert_eq!(verified(&header, BODY, 0), Ok(()));
        let header = sign(&[secret(SECRET), secret(&old)], MESSAGE, SENT_S, BODY);
        assert_eq!(verified(&header, BODY, 0), Ok(()));
    }

    #[test]
    fn what_does_not_fit_is_refused_with_the_reason() {
        assert_eq!(verified(SIGNED, b"{}", 0), Err(SignatureError::Mismatch));
        assert_eq!(verified("v1,AAAA", BODY, 0), Err(SignatureError::Mismatch));
        assert_eq!(
            verified("v1,not base64!", BODY, 0),
            Err(SignatureError::Mismatch)
        );
        assert_eq!(
            verified("v1a,AAAA v2,AAAA", BODY, 0),
            Err(SignatureError::Missing)
        );
        assert_eq!(verified("", BODY, 0), Err(SignatureError::Missing));
        let tolerance = Duration::from_secs(300);
        assert_eq!(verified(SIGNED, BODY, 300), Ok(()));
        assert_eq!(
            verified(SIGNED, BODY, 301),
            Err(SignatureError::Expired {
                off_s: 301,
                tolerance
            })
        );
        assert_eq!(
            verified(SIGNED, BODY, -301),
            Err(SignatureError::Expired {
                off_s: 301,
                tolerance
            })
        );
        let verdict = verify(
            &secret(SECRET),
            MESSAGE,
            "today",
            BODY,
            SIGNED,
            Timestamp::UNIX_EPOCH,
            tolerance,
        );
        assert_eq!(verdict, Err(SignatureError::Timestamp));
    }

    #[test]
    fn secrets_are_strong_distinct_and_never_printed() {
        let one = generate_secret();
        assert_ne!(one, generate_secret());
        let key = BASE64_STANDARD
            .decode(one.strip_prefix("whsec_").expect("the prefix"))
            .expect("base64");
        assert!((24..=64).contains(&key.len()));
        assert_eq!(format!("{:?}", secret(&one)), "Secret(***)");
        for wrong in ["", "whsec_", "whsec_*"] {
            assert_eq!(
                wrong.parse::<Secret>().expect_err(wrong),
                SignatureError::Secret
            );
        }
    }

    #[test]
    fn fuzz_every_message_verifies_and_no_header_breaks_us() {
        let message = any::<(String, Vec<u8>, i64, String)>();
        fuzzing::run(&message, |(id, body, at, header)| {
            let now = Timestamp::UNIX_EPOCH;
            let forever = Duration::from_secs(u64::MAX);
            let signed = sign(&[secret(SECRET)], &id, at, &body);
            prop_assert_eq!(
                verify(
                    &secret(SECRET),
                    &id,
                    &at.to_string(),
                    &body,
                    &signed,
                    now,
                    forever
                ),
                Ok(())
            );
            prop_assert!(
                verify(
                    &secret(SECRET),
                    &id,
                    &at.to_string(),
                    &body,
                    &header,
                    now,
                    forever
                )
                .is_err()
            );
            Ok(())
        });
    }
}
