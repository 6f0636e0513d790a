//! What a subscriber gets: the delivered form of a document, shaped for one destination.
//!
//! `provider`, `source`, `channel` and the events come as stored; identifiers are taken by **type**, under the
//! destination's own name for that type, hashed as it demands. Used by push, pack and the preview of a replay.

use model::hashing::{self, HashError, HashingOf};
use model::record::{Document, Event, Identifier};
use model::{AccountId, DocumentId};

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
    document: &Document<'_>,
    target: &Target,
    takes: impl Fn(&Event<'_>) -> bool,
    unhashable: &mut Vec<Unhashable>,
) -> usize {
    out.extend_from_slice(b"{\"version\":\"1\",");
    body(out, document, target, takes, unhashable)
}

/// Appends one element of `eventbatch`; it carries its own id, because a batch may be cut differently when retried.
pub(crate) fn group(
    out: &mut Vec<u8>,
    position: u64,
    document: &Document<'_>,
    target: &Target,
    takes: impl Fn(&Event<'_>) -> bool,
    unhashable: &mut Vec<Unhashable>,
) -> usize {
    out.extend_from_slice(b"{\"id\":");
    string(out, &webhook_id(position, document.account));
    out.push(b',');
    body(out, document, target, takes, unhashable)
}

fn body(
    out: &mut Vec<u8>,
    document: &Document<'_>,
    target: &Target,
    takes: impl Fn(&Event<'_>) -> bool,
    unhashable: &mut Vec<Unhashable>,
) -> usize {
    member(out, "provider", &document.provider);
    member(out, "source", &document.source);
    member(out, "channel", &document.channel);
    out.extend_from_slice(b"\"x1Id\":");
    match document.x1_id {
        Some(bytes) => string(out, &uuid::Uuid::from_bytes(bytes).to_string()),
        None => out.extend_from_slice(b"null"),
    }
    out.extend_from_slice(b",\"identifiers\":[");
    identifiers(out, document, target, unhashable);
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
    document: &Document<'_>,
    target: &Target,
    unhashable: &mut Vec<Unhashable>,
) {
    let mut is_first = true;
    for identifier in &document.identifiers {
        let Some((name, wanted)) = wanted(identifier, target) else {
            continue;
        };
        let has = HashingOf {
            mode: identifier.mode,
            algorithm: identifier.algorithm,
        };
        match hashing::outbound(
            &identifier.kind,
            &identifier.value,
            &has,
            &wanted,
            &target.terms,
        ) {
            Ok(None) => {}
            Ok(Some(value)) => {
                if !is_first {
                    out.push(b',');
                }
                is_first = false;
                out.push(b'{');
                member(out, "name", name);
                member(out, "value", &value);
                out.extend_from_slice(
                    b"\"provider\":null,\"channel\":null,\"source\":null,\"isOriginal\":true}",
                );
            }
            Err(why) => unhashable.push(Unhashable {
                name: identifier.name.to_string(),
                why,
            }),
        }
    }
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
