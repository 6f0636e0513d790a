//! Keeps what was refused: each event as a call of its own, with its channel and identifiers as they came, so that it
//! can be shown, repaired and published again. The slow path: only bad events come here.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{PostLimits, parse_as};
use crate::account::RefusedEvents;
use crate::invalid::Invalid;
use crate::publisher::Publisher;

/// The compound form as the texts that refused events are cut from.
#[derive(Deserialize)]
struct Groups<'a> {
    #[serde(borrow)]
    channel: Option<&'a RawValue>,
    #[serde(borrow)]
    eventbatch: Option<Vec<Cut<'a>>>,
}

/// The body of another form, or a group.
#[derive(Deserialize)]
struct Cut<'a> {
    #[serde(borrow)]
    channel: Option<&'a RawValue>,
    #[serde(borrow)]
    identifiers: Option<&'a RawValue>,
    #[serde(borrow)]
    events: Option<Vec<&'a RawValue>>,
}

/// A call would make us keep more bytes than the limits say.
pub(super) struct TooMuch;

pub(super) struct Keeper<'a, 'c> {
    body: &'a str,
    publisher: &'a Publisher,
    now: Timestamp,
    limits: &'c PostLimits,
    /// Read at the first refused event.
    top: Option<Cut<'a>>,
    groups: Option<Groups<'a>>,
    bytes: usize,
}

impl<'a, 'c> Keeper<'a, 'c> {
    pub(super) fn new(
        body: &'a str,
        publisher: &'a Publisher,
        now: Timestamp,
        limits: &'c PostLimits,
    ) -> Self {
        Self {
            body,
            publisher,
            now,
            limits,
            top: None,
            groups: None,
            bytes: 0,
        }
    }

    /// A body that holds just this event, and its violations, whose pointers are into that body.
    /// `None` when it cannot be cut out: then the envelope is wrong, and the call is refused anyway.
    pub(super) fn keep(
        &mut self,
        group: Option<usize>,
        index: usize,
    ) -> Result<Option<(String, String)>, TooMuch> {
        let Some(body) = self.cut(group, index) else {
            return Ok(None);
        };
        self.count(body.len())?;
        // The same rules over the kept body: pointers fit it, and it is refused for the same reasons.
        let found = parse_as(
            &body,
            self.publisher,
            self.now,
            self.limits,
            RefusedEvents::Reject,
        );
        let violations = found.err().unwrap_or_else(unexplained).violations;
        let violations = serde_json::to_string(&violations).expect("violations are strings");
        self.count(violations.len())?;
        Ok(Some((body, violations)))
    }

    fn count(&mut self, bytes: usize) -> Result<(), TooMuch> {
        self.bytes += bytes;
        if self.bytes > self.limits.refused_bytes_max {
            Err(TooMuch)
        } else {
            Ok(())
        }
    }

    fn cut(&mut self, group: Option<usize>, index: usize) -> Option<String> {
        let mut body = String::new();
        let Some(group) = group else {
            if self.top.is_none() {
                self.top = serde_json::from_str(self.body).ok();
            }
            single(&mut body, self.top.as_ref()?, index)?;
            return Some(body);
        };
        if self.groups.is_none() {
            self.groups = serde_json::from_str(self.body).ok();
        }
        let groups = self.groups.as_ref()?;
        body.push('{');
        member(&mut body, "channel", groups.channel);
        body.push_str("\"eventbatch\":[");
        single(&mut body, groups.eventbatch.as_ref()?.get(group)?, index)?;
        body.push_str("]}");
        Some(body)
    }
}

fn single(body: &mut String, scope: &Cut<'_>, index: usize) -> Option<()> {
    body.push('{');
    member(body, "channel", scope.channel);
    member(body, "identifiers", scope.identifiers);
    body.push_str("\"events\":[");
    body.push_str(scope.events.as_ref()?.get(index)?.get());
    body.push_str("]}");
    Some(())
}

fn member(body: &mut String, name: &str, value: Option<&RawValue>) {
    if let Some(value) = value {
        body.push('"');
        body.push_str(name);
        body.push_str("\":");
        body.push_str(value.get());
        body.push(',');
    }
}

/// Every rule that refuses one event looks at that event, its channel and its identifiers only, so this is for the
/// day when one does not.
fn unexplained() -> Invalid {
    Invalid::one(
        "",
        "refused",
        "the event was refused together with others of its call: publish it by itself",
    )
}
