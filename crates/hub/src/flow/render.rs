//! What a subscriber gets: the delivered form of a document, shaped for one destination.
//!
//! `provider`, `source`, `channel` and the events come as stored; identifiers are taken by **type**, under the
//! destination's own name for that type, hashed as it demands. Used by push, pack and the preview of a replay.

use std::borrow::Cow;

use model::hashing::{self, HashError, HashMode, HashingOf};
use model::record::{Document, Event, Identifier};
use model::{AccountId, DocumentId};

use crate::identity::{Known, Who};
use crate::registry::Target;

/// The id of a delivery, the same in every attempt and at every destination, so that receivers can drop repeats.
pub fn webhook_id(position: u64, account: AccountId) -> String {
    DocumentId::new(position, account).to_string()
}

/// An identifier that could not leave as the destination demands, and was left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unhashable {
    pub(crate) name: String,
    pub(crate) why: HashError,
}

/// Appends `{"version":…,"provider":…,…,"events":[…]}` with the events that `takes` lets through; answers how many.
pub(crate) fn document(
    out: &mut Vec<u8>,
    (document, who): (&Document<'_>, &Who),
    target: &Target,
    takes: impl Fn(&Event<'_>) -> bool,
    unhashable: &mut Vec<Unhashable>,
) -> usize {
    out.extend_from_slice(b"{\"version\":\"1\",");
    body(out, (document, who), target, takes, unhashable)
}

/// Appends one element of `eventbatch`; it carries its own id, because a batch may be cut differently when retried.
pub(crate) fn group(
    out: &mut Vec<u8>,
    position: u64,
    (document, who): (&Document<'_>, &Who),
    target: &Target,
    takes: impl Fn(&Event<'_>) -> bool,
    unhashable: &mut Vec<Unhashable>,
) -> usize {
    out.extend_from_slice(b"{\"id\":");
    string(out, &webhook_id(position, document.account));
    out.push(b',');
    body(out, (document, who), target, takes, unhashable)
}

fn body(
    out: &mut Vec<u8>,
    (document, who): (&Document<'_>, &Who),
    target: &Target,
    takes: impl Fn(&Event<'_>) -> bool,
    unhashable: &mut Vec<Unhashable>,
) -> usize {
    member(out, "provider", &document.provider);
    member(out, "source", &document.source);
    member(out, "channel", &document.channel);
    out.extend_from_slice(b"\"x1Id\":");
    match who.x1_id {
        Some(id) => string(out, &id.to_string()),
        None => out.extend_from_slice(b"null"),
    }
    out.extend_from_slice(b",\"identifiers\":[");
    identifiers(out, (document, who), target, unhashable);
    out.extend_from_slice(b"],\"events\":[");
    let mut taken = 0;
    for event in document.events.iter().filter(|event| takes(event)) {
        if taken > 0 {
            out.push(b',');
        }
        out.extend_from_slice(event.body.as_bytes());
        taken += 1;
    }
    out.extend_from_slice(b"]}");
    taken
}

fn identifiers(
    out: &mut Vec<u8>,
    (document, who): (&Document<'_>, &Who),
    target: &Target,
    unhashable: &mut Vec<Unhashable>,
) {
    let others: Vec<&Known> = who.others().collect();
    // What was written, where the same could be written again: a hash of what is known in clear too.
    let mut written: Vec<(&str, Cow<'_, str>)> = Vec::new();
    let mut is_first = true;
    for identifier in &document.identifiers {
        let Some((name, wanted)) = wanted(identifier, target) else {
            continue;
        };
        let has = HashingOf {
            mode: identifier.mode,
            algorithm: identifier.algorithm,
        };
        let (kind, value) = (&identifier.kind, &identifier.value);
        match hashing::outbound(kind, value, &has, &wanted, &target.terms) {
            Ok(None) => {}
            Ok(Some(value)) => {
                one(out, &mut is_first, (name, &value), true);
                if !others.is_empty() {
                    written.push((name, value));
                }
            }
            Err(why) => unhashable.push(Unhashable {
                name: identifier.name.to_string(),
                why,
            }),
        }
    }
    for known in others {
        let Some((name, value)) = added(known, target) else {
            continue;
        };
        if written
            .iter()
            .all(|before| *before != (name, Cow::Borrowed(&*value)))
        {
            one(out, &mut is_first, (name, &value), false);
            written.push((name, value));
        }
    }
}

fn one(out: &mut Vec<u8>, is_first: &mut bool, (name, value): (&str, &str), is_original: bool) {
    if !*is_first {
        out.push(b',');
    }
    *is_first = false;
    out.push(b'{');
    member(out, "name", name);
    member(out, "value", value);
    out.extend_from_slice(b"\"provider\":null,\"channel\":null,\"source\":null,\"isOriginal\":");
    out.extend_from_slice(if is_original { b"true}" } else { b"false}" });
}

/// What a destination gets of what else is known of a person: its name for that type and the value as it wants it. What
/// cannot be given so is not said to be missing: nobody published it here.
fn added<'a>(known: &'a Known, target: &'a Target) -> Option<(&'a str, Cow<'a, str>)> {
    let (name, wanted) = if target.identifiers.is_empty() {
        (known.name.as_str(), HashingOf::default())
    } else {
        let definition = target.identifiers.get(&known.kind)?;
        let wanted = HashingOf {
            mode: definition.hash_mode,
            algorithm: definition.hash_algorithm,
        };
        if target.not_added.contains(&definition.name) {
            return None;
        }
        // Where addresses are expected, a hash of one is none.
        if known.mode == HashMode::Hashed
            && wanted.mode == HashMode::None
            && target.terms.profile.is_none()
        {
            return None;
        }
        (definition.name.as_str(), wanted)
    };
    let has = HashingOf {
        mode: known.mode,
        algorithm: known.algorithm,
    };
    let value = hashing::outbound(&known.kind, &known.value, &has, &wanted, &target.terms);
    Some((name, value.ok()??))
}

/// The destination's name for an identifier and how it wants it; `None` when it does not take that type.
fn wanted<'a>(identifier: &'a Identifier<'_>, target: &'a Target) -> Option<(&'a str, HashingOf)> {
    if target.identifiers.is_empty() {
        return Some((&identifier.name, HashingOf::default()));
    }
    let definition = target
        .identifiers
        .get(&identifier.kind.to_ascii_lowercase())?;
    Some((
        &definition.name,
        HashingOf {
            mode: definition.hash_mode,
            algorithm: definition.hash_algorithm,
        },
    ))
}

fn member(out: &mut Vec<u8>, name: &str, value: &str) {
    string(out, name);
    out.push(b':');
    string(out, value);
    out.push(b',');
}

fn string(out: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(out, text).expect("text is written to memory");
}
