//! `POST /v1/event`: all payload forms, read once, into records that are ready for the log.
//!
//! Called by `hub/publish` for every call, so this is the hottest code of the house: the body is walked once, text is
//! borrowed and bytes are copied as they came. What is wrong is reported all at once, each violation with its pointer.
//!
//! ```text
//! bytes ──shape──▶ values that may be of the wrong type ──check──▶ documents (bodies made by render)
//!         forms: which members there are   identify, happened, attributes  └─▶ keep: what was refused (quarantine)
//! ```
//!
//! The forms differ only in where identifiers and channel stand, so all are one thing, a *scope* (`channel`,
//! `identifiers`, `events`): the body is one, and so is each group of an `eventbatch`. Within a scope, identifiers
//! stand either at its own level (one person, all events) or in each event; a channel stands at exactly one level.
//!
//! Promises: never panics; memory is bounded by the body's length and [`PostLimits`]; whatever is accepted renders to
//! valid JSON. What the parse ignores (unknown members) is checked for syntax only.

mod attributes;
mod check;
mod forms;
mod happened;
mod identify;
mod keep;
mod path;
mod render;
mod shape;
#[cfg(test)]
mod tests;
mod text;

use std::borrow::Cow;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::account::RefusedEvents;
use crate::invalid::Invalid;
use crate::publisher::Publisher;
use crate::record::{Digest16, Entry};

/// A publication is one batch of the log, and a position has 12 bits for the place in its batch.
pub const EVENTS_MAX: usize = 4096;
/// Distinct observations of drift reported for one call; the same few repeat in every call of a drifting publisher.
pub const DRIFT_MAX: usize = 64;

/// What one call may hold. Every number is a bound on memory or on what one record of the log costs its readers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PostLimits {
    /// Events in one call, at most [`EVENTS_MAX`] whatever is configured.
    pub events_max: usize,
    /// Identifiers of one person: each is hashed and matched for every destination.
    pub identifiers_max: usize,
    /// Attributes of one event: far above the catalog's widest type.
    pub attributes_max: usize,
    /// Attributes (and unknown members of attributes) in one call: bounds the parse to some 20 MB.
    pub attributes_total_max: usize,
    /// Channels of the events of one person: each makes a document that repeats the identifiers.
    pub channels_max: usize,
    /// Bytes of a channel, a code, a type or the name of an attribute: they are words, not texts.
    pub word_bytes_max: usize,
    /// Bytes of an identifier's value: repeated in every document and index.
    pub identifier_value_bytes_max: usize,
    /// Bytes of an attribute's value: addresses and descriptions fit, attachments do not.
    pub attribute_value_bytes_max: usize,
    /// Bytes of an `eventId`: a name for one event; a UUID has 36.
    pub event_id_bytes_max: usize,
    /// Bytes kept for the refused events of one call: each repeats its identifiers, so few bytes could become many.
    pub refused_bytes_max: usize,
}

impl Default for PostLimits {
    fn default() -> Self {
        Self {
            events_max: EVENTS_MAX,
            identifiers_max: 64,
            attributes_max: 512,
            attributes_total_max: 1 << 18,
            channels_max: 16,
            word_bytes_max: 256,
            identifier_value_bytes_max: 2048,
            attribute_value_bytes_max: 1 << 16,
            event_id_bytes_max: 256,
            refused_bytes_max: 16 << 20,
        }
    }
}

/// A call that was taken: what to append, and what to answer.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Parsed<'a> {
    /// Documents, and refused events of accounts that keep them; `ordinal` is each one's place here.
    /// `x1_id` and `idempotency` are left to the caller. Empty only when every event repeated another one of the call.
    pub entries: Vec<Entry<'a>>,
    /// Events taken, repeats of an `eventId` within the call included.
    pub accepted: u32,
    /// Events refused and kept.
    pub quarantined: u32,
    /// What a lenient account lets pass but wants to see: distinct, at most [`DRIFT_MAX`].
    pub drift: Vec<Drift<'a>>,
    /// Digests of the `eventId`s in `entries`, distinct, in order.
    pub keys: Vec<Digest16>,
}

/// An attribute that does not agree with its event type's declaration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drift<'a> {
    pub code: Cow<'a, str>,
    pub attribute: Cow<'a, str>,
    pub what: DriftKind<'a>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DriftKind<'a> {
    /// The event type does not declare it.
    Undeclared,
    /// The value is not one of the declared type; `seen` is its JSON type, such as `a string`.
    Type {
        declared: &'a str,
        seen: &'static str,
    },
}

/// Reads the body of a call by `publisher` that arrives at `now`.
///
/// Under [`RefusedEvents::Reject`] any violation refuses the call. Under [`RefusedEvents::Quarantine`] a violation
/// within an event, its channel or its identifiers refuses that event only; one of the envelope refuses the call.
pub fn parse<'a>(
    body: &'a [u8],
    publisher: &'a Publisher,
    now: Timestamp,
    limits: &PostLimits,
) -> Result<Parsed<'a>, Invalid> {
    let text = std::str::from_utf8(body).map_err(|error| not_utf8(body, error.valid_up_to()))?;
    parse_as(
        text,
        publisher,
        now,
        limits,
        publisher.policy.refused_events,
    )
}

fn parse_as<'a>(
    body: &'a str,
    publisher: &'a Publisher,
    now: Timestamp,
    limits: &PostLimits,
    refused_events: RefusedEvents,
) -> Result<Parsed<'a>, Invalid> {
    let post = forms::read(body, limits)?;
    let keep = match refused_events {
        RefusedEvents::Reject => None,
        RefusedEvents::Quarantine => Some(keep::Keeper::new(body, publisher, now, limits)),
    };
    check::Check::new(publisher, now, limits, keep).post(post)
}

fn not_utf8(body: &[u8], at: usize) -> Invalid {
    let before = &body[..at];
    let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
    let column = 1 + before
        .iter()
        .rev()
        .take_while(|byte| **byte != b'\n')
        .count();
    let message =
        format!("the body is not UTF-8 at line {line} column {column}: encode it as UTF-8");
    Invalid::one("", "syntax", message)
}
