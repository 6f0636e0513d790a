//! Every id its own type, so that one cannot be passed where another is meant.
//!
//! Numeric ids are made by the program, start at 1 and stay below 2^53, because clients print them, paste them
//! and read them with JavaScript. Documents are named by where they rest in the log, so finding one needs no index.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

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
    /// A deployment (feature) of an application.
    DeploymentId;
    /// A refused event that is kept.
    QuarantineId;
    /// A person who uses the exchange.
    UserId;
    /// A sign-in that has not ended.
    SessionId;
    /// A personal access token's record (never the token).
    TokenId;
    /// Something that is to be told to others.
    OutboxId;
    /// A client id and secret that a provider gave to the operator.
    SupplierKeyId;
}

/// A person, as far as identity resolution knows one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct X1Id(pub Uuid);

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
