//! Keys: who may call. Only a hash of a key is stored; people see its prefix.
//!
//! Three levels (account, endpoint, event-only), two environments. Keys are opaque to clients.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::secret::Secret;

/// What a key lets its bearer do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyLevel {
    /// The whole account: applications, jobs, all endpoints.
    Account,
    /// One endpoint: its registration, event types, events, files.
    Endpoint,
    /// `POST /v1/customEvent` from a browser, nothing else.
    Event,
}

impl KeyLevel {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Endpoint => "endpoint",
            Self::Event => "event",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Account, Self::Endpoint, Self::Event]
            .into_iter()
            .find(|level| level.as_str() == text)
    }
}

/// SHA-256 of a key. Keys are 256 random bits, so a fast hash is enough (nothing to guess).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct KeyHash(pub [u8; 32]);

impl KeyHash {
    pub fn of(key: &str) -> Self {
        Self(Sha256::digest(key.as_bytes()).into())
    }

    /// Lower-case hexadecimal.
    pub fn to_hex(self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// What [`KeyHash::to_hex`] wrote.
    pub fn from_hex(text: &str) -> Option<Self> {
        let is_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if text.len() != 64 || !is_hex {
            return None;
        }
        let mut hash = [0u8; 32];
        for (byte, digits) in hash.iter_mut().zip(text.as_bytes().chunks(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        }
        Some(Self(hash))
    }
}

/// Longest key that is looked up at all, in bytes; longer ones are unknown.
pub const KEY_BYTES_MAX: usize = 512;

/// How many leading characters of a key are kept to be shown.
pub const PREFIX_CHARS: usize = 8;

/// A new key from 256 random bits, with a two-letter level mark.
pub fn compose(level: KeyLevel, random: [u8; 32]) -> Secret {
    let mark = match level {
        KeyLevel::Account => "ra_",
        KeyLevel::Endpoint => "re_",
        KeyLevel::Event => "rv_",
    };
    marked(mark, random)
}

/// Lower-case hex of random bits behind a mark, so that a leaked one is recognised.
pub fn marked(mark: &str, random: [u8; 32]) -> Secret {
    use std::fmt::Write as _;
    let mut text = String::from(mark);
    for byte in random {
        let _ = write!(text, "{byte:02x}");
    }
    Secret::new(text)
}

/// The part of a key that may be shown.
pub fn prefix(key: &str) -> String {
    key.chars().take(PREFIX_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keys_show_their_level_and_nothing_else() {
        let key = compose(KeyLevel::Endpoint, [0xab; 32]);
        assert_eq!(key.expose(), format!("re_{}", "ab".repeat(32)));
        assert_eq!(prefix(key.expose()), "re_ababa");
        assert!(!format!("{key:?}").contains("abab"));
    }

    #[test]
    fn fuzz_a_hash_is_read_as_it_was_written() {
        fuzzing::run(&any::<[u8; 32]>(), |bytes| {
            let hash = KeyHash(bytes);
            prop_assert_eq!(KeyHash::from_hex(&hash.to_hex()), Some(hash));
            Ok(())
        });
    }

    /// Keys come from strangers and hashes from a database that people edit: no text is a surprise.
    #[test]
    fn fuzz_any_text_can_be_a_key() {
        let text = prop_oneof![".{0,80}", "[0-9a-f]{30}[0-9A-F+ ]{4}[0-9a-f]{30}"];
        fuzzing::run(&text, |text| {
            prop_assert!(prefix(&text).chars().count() <= PREFIX_CHARS);
            prop_assert!(text.starts_with(&prefix(&text)));
            prop_assert_eq!(
                KeyHash::from_hex(&KeyHash::of(&text).to_hex()),
                Some(KeyHash::of(&text))
            );
            if let Some(hash) = KeyHash::from_hex(&text) {
                prop_assert_eq!(hash.to_hex(), text.to_ascii_lowercase());
            }
            let level = KeyLevel::parse(&text);
            prop_assert!(level.is_none_or(|level| level.as_str() == text));
            Ok(())
        });
    }
}
