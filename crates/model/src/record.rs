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
    /// The person, if identified (UUID bytes).
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

    pub fn idempotency(&self) -> Option<Idempotency> {
        match self {
            Self::Document(document) => document.idempotency,
            Self::Refused(refused) => refused.idempotency,
        }
    }
}
