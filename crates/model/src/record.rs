//! One record of the log: a published document, or an event that was refused and is kept.
//!
//! Written once by `hub/publish`, read by `hub/flow`. The events' bodies are stored in the form in which
//! subscribers get them, so a push copies bytes and parses nothing. Records carry their deduplication keys, so the
//! index of keys can be rebuilt from the log: event and key become durable in one step.
//!
//! Format: one version byte, then postcard. A change to these types is a new version; old ones stay readable.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::hashing::{HashAlgorithm, HashMode};
use crate::id::{AccountId, EndpointId};

/// First byte of every record written by this version.
const VERSION: u8 = 1;

/// A 128-bit digest that stands for a publisher's own key (event id or idempotency key) within its endpoint.
pub type Digest16 = [u8; 16];

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Entry<'a> {
    #[serde(borrow)]
    Document(Document<'a>),
    #[serde(borrow)]
    Refused(Refused<'a>),
}

/// What was published together about one person: the unit that is routed, pushed and counted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Document<'a> {
    pub account: AccountId,
    /// The publishing endpoint.
    pub endpoint: EndpointId,
    /// Arrival, microseconds since 1970.
    pub published_at_us: i64,
    /// Which document of its publication this is; the first has 0.
    pub ordinal: u32,
    /// Set on the first document of a publication that carried an `Idempotency-Key`.
    pub idempotency: Option<Idempotency>,
    /// Written by earlier releases, which told persons apart when they published; who it is, is worked out when it is
    /// routed and delivered.
    pub x1_id: Option<[u8; 16]>,
    /// The publisher's provider name.
    #[serde(borrow)]
    pub provider: Cow<'a, str>,
    /// The publishing endpoint's name.
    #[serde(borrow)]
    pub source: Cow<'a, str>,
    #[serde(borrow)]
    pub channel: Cow<'a, str>,
    #[serde(borrow)]
    pub identifiers: Vec<Identifier<'a>>,
    #[serde(borrow)]
    pub events: Vec<Event<'a>>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Identifier<'a> {
    /// As the publisher registered it.
    #[serde(borrow)]
    pub name: Cow<'a, str>,
    #[serde(borrow)]
    pub value: Cow<'a, str>,
    /// Identity type, such as `email`, as registered.
    #[serde(borrow)]
    pub kind: Cow<'a, str>,
    /// How the publisher declared the value.
    pub mode: HashMode,
    pub algorithm: Option<HashAlgorithm>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event<'a> {
    #[serde(borrow)]
    pub code: Cow<'a, str>,
    #[serde(borrow)]
    pub namespace: Cow<'a, str>,
    /// Place among all events of the publication, refused ones included; from 0.
    pub ordinal: u32,
    /// Digest of the publisher's own `eventId`.
    pub key: Option<Digest16>,
    /// When it happened, microseconds since 1970, as the publisher said.
    pub happened_at_us: i64,
    /// `{"code":…,"timestamp":…,"namespace":…,"version":…,"attributes":[…]}` as delivered.
    #[serde(borrow)]
    pub body: Cow<'a, str>,
}

/// An event that broke a rule, of an account that keeps such events.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Refused<'a> {
    pub account: AccountId,
    pub endpoint: EndpointId,
    pub published_at_us: i64,
    /// Place of the record in its publication, counted with the documents.
    pub ordinal: u32,
    pub idempotency: Option<Idempotency>,
    /// A `POST /v1/event` body that holds just this event, as it came.
    #[serde(borrow)]
    pub body: Cow<'a, str>,
    /// JSON array of violations, pointers into `body`.
    #[serde(borrow)]
    pub violations: Cow<'a, str>,
}

/// What a repeated call must be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Idempotency {
    pub key: Digest16,
    /// Digest of the request body: the same key with another body is a conflict.
    pub body: Digest16,
    pub accepted: u32,
    pub quarantined: u32,
}

/// A record that this program cannot read.
#[derive(Debug, thiserror::Error)]
pub enum BadRecord {
    #[error("an empty log record")]
    Empty,
    #[error("a log record of version {0}; this program reads up to {VERSION}: run a newer one")]
    Version(u8),
    #[error("a damaged log record")]
    Damaged(#[source] postcard::Error),
}

impl<'a> Entry<'a> {
    /// The bytes to append.
    pub fn encode(&self) -> Vec<u8> {
        let start = Vec::with_capacity(512);
        let mut bytes = start;
        bytes.push(VERSION);
        postcard::to_extend(self, bytes).expect("postcard writes any of our types to memory")
    }

    /// Borrows from `bytes`; total on any input.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, BadRecord> {
        let (&version, rest) = bytes.split_first().ok_or(BadRecord::Empty)?;
        if version != VERSION {
            return Err(BadRecord::Version(version));
        }
        postcard::from_bytes(rest).map_err(BadRecord::Damaged)
    }

    pub fn account(&self) -> AccountId {
        match self {
            Self::Document(document) => document.account,
            Self::Refused(refused) => refused.account,
        }
    }

    /// Place among the records of its publication, from 0.
    pub fn ordinal(&self) -> u32 {
        match self {
            Self::Document(document) => document.ordinal,
            Self::Refused(refused) => refused.ordinal,
        }
    }

    pub fn idempotency(&self) -> Option<Idempotency> {
        match self {
            Self::Document(document) => document.idempotency,
            Self::Refused(refused) => refused.idempotency,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::option;
    use proptest::prelude::*;

    use super::*;

    fn text() -> impl Strategy<Value = Cow<'static, str>> {
        ".{0,12}".prop_map(Cow::Owned)
    }

    fn identifier() -> impl Strategy<Value = Identifier<'static>> {
        let mode = prop_oneof![
            Just(HashMode::None),
            Just(HashMode::Hashed),
            Just(HashMode::Required),
        ];
        let algorithm = option::of(Just(HashAlgorithm::EmailSha256));
        (text(), text(), text(), mode, algorithm).prop_map(
            |(name, value, kind, mode, algorithm)| Identifier {
                name,
                value,
                kind,
                mode,
                algorithm,
            },
        )
    }

    fn event() -> impl Strategy<Value = Event<'static>> {
        let key = option::of(any::<Digest16>());
        let numbers = (any::<u32>(), any::<i64>());
        (text(), text(), numbers, key, text()).prop_map(
            |(code, namespace, (ordinal, happened_at_us), key, body)| Event {
                code,
                namespace,
                ordinal,
                key,
                happened_at_us,
                body,
            },
        )
    }

    fn idempotency() -> impl Strategy<Value = Option<Idempotency>> {
        let numbers = any::<(Digest16, Digest16, u32, u32)>();
        option::of(
            numbers.prop_map(|(key, body, accepted, quarantined)| Idempotency {
                key,
                body,
                accepted,
                quarantined,
            }),
        )
    }

    fn document() -> impl Strategy<Value = Entry<'static>> {
        let numbers = any::<(i64, i64, i64, u32)>();
        let person = option::of(any::<[u8; 16]>());
        let texts = (text(), text(), text());
        let lists = (vec(identifier(), 0..3), vec(event(), 0..3));
        (numbers, idempotency(), person, texts, lists).prop_map(
            |(numbers, idempotency, x1_id, texts, (identifiers, events))| {
                Entry::Document(Document {
                    account: AccountId(numbers.0),
                    endpoint: EndpointId(numbers.1),
                    published_at_us: numbers.2,
                    ordinal: numbers.3,
                    idempotency,
                    x1_id,
                    provider: texts.0,
                    source: texts.1,
                    channel: texts.2,
                    identifiers,
                    events,
                })
            },
        )
    }

    fn refused() -> impl Strategy<Value = Entry<'static>> {
        let numbers = any::<(i64, i64, i64, u32)>();
        (numbers, idempotency(), text(), text()).prop_map(
            |(numbers, idempotency, body, violations)| {
                Entry::Refused(Refused {
                    account: AccountId(numbers.0),
                    endpoint: EndpointId(numbers.1),
                    published_at_us: numbers.2,
                    ordinal: numbers.3,
                    idempotency,
                    body,
                    violations,
                })
            },
        )
    }

    fn entry() -> impl Strategy<Value = Entry<'static>> {
        prop_oneof![document(), refused()]
    }

    #[test]
    fn fuzz_a_record_is_read_as_it_was_written() {
        fuzzing::run(&entry(), |entry| {
            let bytes = entry.encode();
            prop_assert_eq!(Entry::decode(&bytes).ok(), Some(entry));
            Ok(())
        });
    }

    /// Damage is noticed or harmless: any bytes give a record or an error, and a record that is one.
    #[test]
    fn fuzz_any_bytes_can_be_tried() {
        let damaged = (
            entry(),
            vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        );
        let damaged = damaged.prop_map(|(entry, changes)| {
            let mut bytes = entry.encode();
            for (at, byte) in changes {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            bytes
        });
        let junk = vec(any::<u8>(), 0..200).prop_map(|mut bytes| {
            if let Some(first) = bytes.first_mut() {
                *first = VERSION;
            }
            bytes
        });
        fuzzing::run(&prop_oneof![damaged, junk], |bytes| {
            if let Ok(entry) = Entry::decode(&bytes) {
                let again = entry.encode();
                prop_assert_eq!(Entry::decode(&again).ok(), Some(entry));
            }
            Ok(())
        });
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        let say = |bytes: &[u8]| Entry::decode(bytes).expect_err("not a record").to_string();
        assert_eq!(say(&[]), "an empty log record");
        assert_eq!(
            say(&[9]),
            "a log record of version 9; this program reads up to 1: run a newer one"
        );
        assert_eq!(say(&[VERSION, 7]), "a damaged log record");
    }
}
