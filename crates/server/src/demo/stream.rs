//! What the demo publishes, from `examples/`, and what each subscriber must get of it.
//!
//! The check is independent of the hub: published and delivered bodies are both read here into [`Told`], an event with
//! all that was said about it, and compared as text. Called by `shop` and `tally`.

use std::collections::{BTreeMap, BTreeSet};

use model::EndpointDefinition;
use model::hashing::{self, HashMode};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

pub(super) const SHOP: &str = include_str!("../../../../examples/shop-endpoint.json");
pub(super) const CRM: &str = include_str!("../../../../examples/crm-endpoint.json");
pub(super) const WAREHOUSE: &str = include_str!("../../../../examples/warehouse-endpoint.json");
pub(super) const EVENT_TYPES: &str = include_str!("../../../../examples/shop-event-types.json");
pub(super) const MALFORMED: &str = include_str!("../../../../examples/malformed-event.json");
const EVENTS: &str = include_str!("../../../../examples/shop-events.jsonl");

/// The bodies of the calls, in the order of the day.
pub(super) fn calls() -> impl Iterator<Item = &'static str> {
    EVENTS.lines().filter(|line| !line.is_empty())
}

/// The channel of what is published again for whoever looks on.
const AGAIN: &str = "demo";

/// A call as it is published again.
pub(super) fn again(call: &str) -> Option<String> {
    let mut body: Value = serde_json::from_str(call).ok()?;
    let groups = body["eventbatch"].as_array_mut().into_iter().flatten();
    for group in groups {
        group["channel"] = AGAIN.into();
    }
    body["channel"] = AGAIN.into();
    Some(body.to_string())
}

/// Whether this was published again, and not by whoever looks on.
pub(super) fn is_again(body: &[u8]) -> bool {
    let told = std::str::from_utf8(body).map(read);
    matches!(told, Ok(Ok(told)) if told.iter().any(|one| one.channel == AGAIN))
}

/// Everybody of whom something is published, by the values of one of the shop's identifiers.
pub(super) fn people(identifier: &str) -> BTreeSet<String> {
    let told = calls().filter_map(|call| read(call).ok()).flatten();
    let known = told.flat_map(|told| told.identifiers);
    known
        .filter(|(name, _)| name == identifier)
        .map(|(_, value)| value)
        .collect()
}

/// Why a body could not be read as events.
pub(super) type Unreadable = serde_json::Error;

/// An event and all that was said about it, however it was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) code: String,
    pub(super) timestamp: String,
    channel: String,
    /// Name and value.
    identifiers: Vec<(String, String)>,
    /// Name and value as text; null is none.
    attributes: Vec<(String, Option<String>)>,
}

#[derive(Deserialize)]
struct Body {
    channel: Option<String>,
    identifiers: Option<Vec<Identifier>>,
    events: Option<Vec<Event>>,
    eventbatch: Option<Vec<Body>>,
}

#[derive(Deserialize, Clone)]
#[serde(rename_all = "camelCase")]
struct Identifier {
    name: String,
    value: String,
    /// False: the exchange knows it of the person; it was not published with this event.
    is_original: Option<bool>,
}

#[derive(Deserialize)]
struct Event {
    code: String,
    timestamp: String,
    channel: Option<String>,
    identifiers: Option<Vec<Identifier>>,
    attributes: Option<Box<RawValue>>,
}

/// Reads any form, published or delivered; an array of bodies too, as in an event file.
pub(super) fn read(text: &str) -> Result<Vec<Told>, Unreadable> {
    let mut told = Vec::new();
    if text.starts_with('[') {
        for body in serde_json::from_str::<Vec<Body>>(text)? {
            add(body, &mut told)?;
        }
    } else {
        add(serde_json::from_str(text)?, &mut told)?;
    }
    Ok(told)
}

fn add(body: Body, told: &mut Vec<Told>) -> Result<(), Unreadable> {
    for mut group in body.eventbatch.unwrap_or_default() {
        group.channel = group.channel.or_else(|| body.channel.clone());
        add(group, told)?;
    }
    for event in body.events.unwrap_or_default() {
        let identifiers = event.identifiers.as_ref().or(body.identifiers.as_ref());
        let identifiers = identifiers.into_iter().flatten();
        let original = identifiers.filter(|one| one.is_original != Some(false));
        told.push(Told {
            code: event.code,
            timestamp: event.timestamp,
            channel: event
                .channel
                .or_else(|| body.channel.clone())
                .unwrap_or_default(),
            identifiers: original
                .map(|one| (one.name.clone(), one.value.clone()))
                .collect(),
            attributes: event
                .attributes
                .as_deref()
                .map_or_else(|| Ok(Vec::new()), attributes)?,
        });
    }
    Ok(())
}

/// `[{"name", "value", "type"}]`, `[{"<name>": <value>}]` or `{"<name>": <value>}`.
fn attributes(raw: &RawValue) -> Result<Vec<(String, Option<String>)>, Unreadable> {
    type Members = BTreeMap<String, Box<RawValue>>;
    let list: Vec<Members> = if raw.get().starts_with('[') {
        serde_json::from_str(raw.get())?
    } else {
        vec![serde_json::from_str(raw.get())?]
    };
    let mut attributes = Vec::new();
    for mut members in list {
        match (members.remove("name"), members.remove("value")) {
            (Some(name), value) => {
                let value = value.as_deref().map_or(Ok(None), text)?;
                attributes.push((text(&name)?.unwrap_or_default(), value));
            }
            _ => {
                for (name, value) in members {
                    attributes.push((name, text(&value)?));
                }
            }
        }
    }
    Ok(attributes)
}

/// A value as subscribers get it: the text of a string, a number or boolean as it was written, or null.
fn text(raw: &RawValue) -> Result<Option<String>, Unreadable> {
    Ok(match raw.get() {
        "null" => None,
        quoted if quoted.starts_with('"') => Some(serde_json::from_str(quoted)?),
        plain => Some(plain.to_owned()),
    })
}

impl Told {
    /// The event as one text: equal if and only if all is equal, whatever the order of identifiers and attributes.
    pub(super) fn fingerprint(&self) -> String {
        let mut identifiers = self.identifiers.clone();
        identifiers.sort();
        let mut attributes = self.attributes.clone();
        attributes.sort();
        let head = (&self.code, &self.timestamp, &self.channel);
        format!("{head:?} {identifiers:?} {attributes:?}")
    }
}

/// What a subscriber makes of the shop's identifiers: of each its own name and, for some, a hash.
pub(super) struct Translation {
    shop: EndpointDefinition,
    subscriber: EndpointDefinition,
}

impl Translation {
    /// From the registrations in `examples/`.
    ///
    /// # Panics
    /// When an example is not a registration, which the examples' own tests would have told.
    pub(super) fn to(subscriber: &str) -> Self {
        let parse = |text: &str| {
            let body: Value = serde_json::from_str(text).expect("the examples are JSON");
            EndpointDefinition::parse(&body).expect("the examples are registrations")
        };
        Self {
            shop: parse(SHOP),
            subscriber: parse(subscriber),
        }
    }

    /// The event as the subscriber must get it.
    pub(super) fn of(&self, told: &Told) -> Told {
        let translate = |(name, value): &(String, String)| {
            let published = self.shop.identifiers().find(|one| one.name == *name)?;
            let wanted = self
                .subscriber
                .identifiers()
                .find(|one| one.kind.eq_ignore_ascii_case(&published.kind))?;
            let value = match (wanted.hash_mode, wanted.hash_algorithm) {
                (HashMode::Required, Some(algorithm)) => {
                    hashing::hash(algorithm, value, None).ok()?
                }
                _ => value.clone(),
            };
            Some((wanted.name.clone(), value))
        };
        Told {
            identifiers: told.identifiers.iter().filter_map(translate).collect(),
            ..told.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_the_same_however_it_is_told() {
        let published = r#"{"provider":"P","eventbatch":[{"channel":"web","identifiers":[{"name":"email","value":"A@example.com"},
            {"name":"cookieId","value":"c"}],"events":[{"code":"x","timestamp":"2026-10-16T00:07:33Z",
            "attributes":[{"b":"two"},{"name":"a","value":1.50,"type":"number"},{"name":"c","value":null}]}]}]}"#;
        let delivered = r#"[{"version":"1","channel":"web","identifiers":[{"name":"email","value":"A@example.com","isOriginal":true},
            {"name":"cookieId","value":"c"},{"name":"customerId","value":"7","isOriginal":false}],
            "events":[{"code":"x","timestamp":"2026-10-16T00:07:33Z","version":"1",
            "attributes":[{"name":"a","value":"1.50"},{"name":"c","value":null},{"name":"b","value":"two"}]}]}]"#;
        let (published, delivered) = (
            read(published).expect("JSON"),
            read(delivered).expect("JSON"),
        );
        assert_eq!(published.len(), 1);
        assert_eq!(published[0].fingerprint(), delivered[0].fingerprint());
        let other = Told {
            channel: "app".to_owned(),
            ..published[0].clone()
        };
        assert_ne!(other.fingerprint(), published[0].fingerprint());
    }

    #[test]
    fn the_crm_gets_its_own_names_and_a_hash() {
        let published = r#"{"channel":"web","identifiers":[{"name":"email","value":"TStark@ibm.com"},{"name":"cookieId","value":"c"}],
            "events":[{"code":"x","timestamp":"t"}]}"#;
        let told = &read(published).expect("JSON")[0];
        assert_eq!(
            Translation::to(CRM).of(told).identifiers,
            [(
                "EMAIL_HASH".to_owned(),
                "a806e1cd202da3d06370a69d09203da12115c39ed53798d34c661876f1244feb".to_owned()
            )]
        );
        assert_eq!(Translation::to(WAREHOUSE).of(told).identifiers.len(), 2);
    }

    #[test]
    fn every_event_of_the_stream_is_its_own() {
        let mut seen = std::collections::HashSet::new();
        for call in calls() {
            for told in read(call).expect("JSON") {
                assert!(seen.insert(told.fingerprint()), "{told:?}");
            }
        }
        assert!(seen.len() > 3_000);
    }
}
