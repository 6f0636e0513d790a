//! Every id its own type, so that one cannot be passed where another is meant.
//!
//! Numeric ids are made by the program, start at 1 and stay below 2^53, because clients print them, paste them
//! and read them with JavaScript. Documents are named by where they rest in the log, so finding one needs no index.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

mod segment;

pub use segment::SegmentId;

/// Largest numeric id: what a double holds exactly.
pub const NUMERIC_ID_MAX: i64 = (1 << 53) - 1;

/// An id that cannot be one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an id: expected {1}")]
pub struct BadId(pub String, pub &'static str);

macro_rules! numeric_ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = BadId;
            fn from_str(text: &str) -> Result<Self, BadId> {
                match text.parse::<i64>() {
                    Ok(n) if (1..=NUMERIC_ID_MAX).contains(&n) => Ok(Self(n)),
                    _ => Err(BadId(text.chars().take(40).collect(), "a whole number from 1 to 2^53-1")),
                }
            }
        }
    )*};
}

numeric_ids! {
    /// A company that builds products which connect to the exchange.
    ProviderId;
    /// A customer of the exchange, in one environment.
    AccountId;
    /// One product connected on behalf of one account.
    EndpointId;
    /// An event type as one endpoint registered it.
    EventTypeId;
    /// A destination's subscription to one event code of one publisher.
    SubscriptionId;
    /// A key's record (never the key).
    KeyId;
    /// An application: a product defined once for many accounts.
    ApplicationId;
    /// A refused event that is kept.
    QuarantineId;
    /// A company on its way from a request to production.
    PartnerId;
    /// A person who uses the exchange.
    UserId;
    /// A sign-in that has not ended.
    SessionId;
    /// A personal access token's record (never the token).
    TokenId;
    /// Something that is to be told to others.
    OutboxId;
    /// A set of identifiers that was seen together.
    FactId;
    /// What an endpoint keeps out of the identity graph.
    IdentityFilterId;
    /// A client id and secret that a provider gave to the operator.
    SupplierKeyId;
    /// Work that is done in steps: one run of a share, a refresh, a privacy request.
    JobId;
    /// That an audience of one endpoint goes to another.
    ShareId;
}

/// A deployment (feature) of an application, within that application: a word or number of its provider's own, or a number
/// that was made for it. One that reads as a number is a number on the wire.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeploymentId(String);

impl DeploymentId {
    /// Longest id, in bytes.
    pub const BYTES_MAX: usize = 64;
    const EXPECTED: &str =
        "a whole number from 1 to 2^53-1, or up to 64 letters, digits, `-`, `_` and `.`";

    /// One that was made, from 1 up.
    pub fn numbered(number: i64) -> Self {
        Self(number.to_string())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As it was given: a number or a string.
    pub fn parse(value: &serde_json::Value) -> Result<Self, BadId> {
        match value {
            serde_json::Value::String(text) => text.trim().parse(),
            // Not a number written as text: `1.5` would be a word.
            serde_json::Value::Number(number) if number.is_i64() => number.to_string().parse(),
            other => Err(BadId(
                other.to_string().chars().take(40).collect(),
                Self::EXPECTED,
            )),
        }
    }

    fn number(&self) -> Option<i64> {
        let number = self.0.parse::<i64>().ok()?;
        ((1..=NUMERIC_ID_MAX).contains(&number) && number.to_string() == self.0).then_some(number)
    }
}

impl fmt::Display for DeploymentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for DeploymentId {
    type Err = BadId;
    fn from_str(text: &str) -> Result<Self, BadId> {
        let id = Self(text.chars().take(Self::BYTES_MAX + 1).collect());
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let is_word = (1..=Self::BYTES_MAX).contains(&text.len())
            && text.bytes().all(is_plain)
            // Those would be parts of a path with a meaning of their own.
            && !matches!(text, "." | "..");
        let looks_negative = text.starts_with('-') && text[1..].bytes().all(|b| b.is_ascii_digit());
        let is_large = text.bytes().all(|b| b.is_ascii_digit()) && id.number().is_none();
        if is_word && !looks_negative && !is_large {
            Ok(id)
        } else {
            Err(BadId(id.0.chars().take(40).collect(), Self::EXPECTED))
        }
    }
}

impl Serialize for DeploymentId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.number() {
            Some(number) => serializer.serialize_i64(number),
            None => serializer.serialize_str(&self.0),
        }
    }
}

impl<'de> Deserialize<'de> for DeploymentId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        Self::parse(&value).map_err(serde::de::Error::custom)
    }
}

/// A person, as far as identity resolution knows one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct X1Id(pub Uuid);

impl FromStr for X1Id {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Self, BadId> {
        let bad = |_| BadId(text.chars().take(40).collect(), "a UUID");
        Uuid::parse_str(text).map(Self).map_err(bad)
    }
}

impl X1Id {
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }

    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }
}

impl fmt::Display for X1Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Names a published document by its position in the log: a version 8 UUID of batch sequence (48 bits),
/// index in the batch (12 bits) and a digest of the account (62 bits), so that ids of other accounts are not guessed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DocumentId(pub Uuid);

impl DocumentId {
    /// The id of the document at `position` (`seq << 12 | index`) of `account`.
    pub fn new(position: u64, account: AccountId) -> Self {
        let mut bytes = [0u8; 16];
        bytes[..6].copy_from_slice(&(position >> 12).to_be_bytes()[2..]);
        bytes[6..8].copy_from_slice(&(position & 0xfff).to_be_bytes()[6..]);
        bytes[8..].copy_from_slice(&Self::check(position, account));
        Self(Uuid::new_v8(bytes))
    }

    /// The position named, if this id was made by [`DocumentId::new`] for this account.
    pub fn position(self, account: AccountId) -> Option<u64> {
        let bytes = self.0.as_bytes();
        let mut seq = [0u8; 8];
        seq[2..].copy_from_slice(&bytes[..6]);
        let index = u64::from(u16::from_be_bytes([bytes[6] & 0x0f, bytes[7]]));
        let position = u64::from_be_bytes(seq) << 12 | index;
        (Self::new(position, account) == self).then_some(position)
    }

    fn check(position: u64, account: AccountId) -> [u8; 8] {
        use sha2::{Digest, Sha256};
        let digest = Sha256::new()
            .chain_update(b"rialto document")
            .chain_update(account.0.to_be_bytes())
            .chain_update(position.to_be_bytes())
            .finalize();
        let mut eight = [0u8; 8];
        eight.copy_from_slice(&digest[..8]);
        eight
    }
}

impl fmt::Display for DocumentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One event: a publication (named by its first document) and the event's ordinal in it, written
/// `<publicationId>.<n>`; without `.n` the first event is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EventRef {
    pub publication: DocumentId,
    pub ordinal: u32,
}

impl fmt::Display for EventRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.publication, self.ordinal)
    }
}

impl FromStr for EventRef {
    type Err = BadId;
    fn from_str(text: &str) -> Result<Self, BadId> {
        let bad = || {
            BadId(
                text.chars().take(60).collect(),
                "<publicationId> or <publicationId>.<n>",
            )
        };
        let (id, ordinal) = text.split_once('.').unwrap_or((text, "0"));
        Ok(Self {
            publication: DocumentId(Uuid::try_parse(id).map_err(|_| bad())?),
            ordinal: ordinal.parse().map_err(|_| bad())?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_id_names_its_position_to_its_own_account_only() {
        for position in [
            0,
            1,
            4095,
            4096,
            (123_456_789 << 12) | 77,
            ((1 << 48) - 1) << 12 | 4095,
        ] {
            let id = DocumentId::new(position, AccountId(7));
            assert_eq!(id.position(AccountId(7)), Some(position));
            assert_eq!(id.position(AccountId(8)), None);
        }
    }

    #[test]
    fn an_event_is_named_by_publication_and_ordinal() {
        let id = DocumentId::new(99, AccountId(1));
        let text = format!("{id}.3");
        assert_eq!(
            text.parse(),
            Ok(EventRef {
                publication: id,
                ordinal: 3
            })
        );
        assert_eq!(
            id.to_string().parse(),
            Ok(EventRef {
                publication: id,
                ordinal: 0
            })
        );
        assert!("x.1".parse::<EventRef>().is_err());
    }

    #[test]
    fn a_deployment_is_named_by_a_number_or_a_word() {
        use serde_json::json;
        for (given, answered) in [
            (json!(7), json!(7)),
            (json!("7"), json!(7)),
            (json!(" email "), json!("email")),
            (json!("v1.2_beta-3"), json!("v1.2_beta-3")),
        ] {
            let id = DeploymentId::parse(&given).expect("an id");
            assert_eq!(serde_json::to_value(&id).expect("JSON"), answered);
            assert_eq!(
                serde_json::from_value::<DeploymentId>(answered).expect("an id"),
                id
            );
        }
        let long = "x".repeat(65);
        for bad in [
            json!(0),
            json!(-1),
            json!(1.5),
            json!(true),
            json!(null),
            json!(""),
            json!("a/b"),
            json!("ü"),
            json!(".."),
            json!("-5"),
            json!("007"),
            json!("9007199254740992"),
            json!(long),
            json!("a b"),
        ] {
            assert!(DeploymentId::parse(&bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn numeric_ids_fit_a_double() {
        assert_eq!("17".parse(), Ok(EndpointId(17)));
        for bad in [
            "0",
            "-1",
            "9007199254740992",
            "",
            "1e3",
            "99999999999999999999",
        ] {
            assert!(bad.parse::<EndpointId>().is_err(), "{bad}");
        }
    }
}
