//! What a call may look like, what becomes of it, and what each mistake is answered.

use std::collections::HashMap;

use serde_json::Value;

use super::*;
use crate::account::{AccountPolicy, Strictness};
use crate::event_type::{AttributeDefinition, EventType, NAMESPACE_DEFAULT, RegistrationType};
use crate::hashing::HashMode;
use crate::id::{AccountId, EndpointId, EventTypeId};
use crate::identifier::IdentifierDefinition;
use crate::invalid::Violation;
use crate::record::{Document, Refused};

mod fuzz;
mod rules;
mod taken;

fn now() -> Timestamp {
    "2026-01-02T03:04:05.678901Z".parse().expect("a time")
}

fn event_type(code: &str, namespace: &str, version: i64, attributes: &[(&str, &str)]) -> EventType {
    let declared = |(name, kind): &(&str, &str)| AttributeDefinition {
        name: (*name).into(),
        kind: (*kind).into(),
    };
    EventType {
        id: EventTypeId(1),
        endpoint: EndpointId(7),
        code: code.into(),
        name: code.into(),
        description: None,
        namespace: namespace.into(),
        version,
        registration: RegistrationType::Publish,
        attributes: attributes.iter().map(declared).collect(),
        is_custom: false,
    }
}

fn identifier(name: &str, kind: &str) -> IdentifierDefinition {
    IdentifierDefinition {
        name: name.into(),
        kind: kind.into(),
        hash_mode: HashMode::None,
        hash_algorithm: None,
        is_required: false,
        is_event_only: false,
        is_case_sensitive: false,
    }
}

/// A shop that publishes `buy`, `look` (nothing declared) and `send` (in three versions or namespaces).
fn shop() -> Publisher {
    let declared = [
        ("total", "number"),
        ("count", "Integer"),
        ("gift", "BOOLEAN"),
        ("due", "date"),
        ("note", "string"),
        ("friend", "email"),
    ];
    let mut event_types: HashMap<String, Vec<EventType>> = HashMap::new();
    for kind in [
        event_type("buy", NAMESPACE_DEFAULT, 1, &declared),
        event_type("application/look", NAMESPACE_DEFAULT, 1, &[]),
        event_type("send", "own \"space\"", 1, &[]),
        event_type("send", NAMESPACE_DEFAULT, 2, &[]),
        event_type("send", NAMESPACE_DEFAULT, 1, &[("messageId", "number")]),
    ] {
        event_types.entry(kind.code.clone()).or_default().push(kind);
    }
    Publisher {
        account: AccountId(3),
        endpoint: EndpointId(7),
        provider: "IBM".into(),
        source: "EmailMarketing".into(),
        identifiers: [
            identifier("emailId", "email"),
            identifier("phone", "mobileNumber"),
        ]
        .map(|definition| (definition.name.clone(), definition))
        .into(),
        event_types,
        policy: AccountPolicy::default(),
    }
}

fn with(strictness: Strictness, refused_events: RefusedEvents) -> Publisher {
    let mut publisher = shop();
    publisher.policy = AccountPolicy {
        strictness,
        refused_events,
        ..AccountPolicy::default()
    };
    publisher
}

/// The documents of a call that is taken.
#[track_caller]
fn documents<'a>(parsed: &'a Parsed<'_>) -> Vec<&'a Document<'a>> {
    parsed
        .entries
        .iter()
        .filter_map(|e| {
            if let Entry::Document(d) = e {
                Some(d)
            } else {
                None
            }
        })
        .collect()
}

fn refused<'a>(parsed: &'a Parsed<'_>) -> Vec<&'a Refused<'a>> {
    parsed
        .entries
        .iter()
        .filter_map(|e| {
            if let Entry::Refused(r) = e {
                Some(r)
            } else {
                None
            }
        })
        .collect()
}

/// `channel emailId=a: buy@<timestamp> total=1:number`, a document a line; events are separated by `;`.
fn summary(parsed: &Parsed<'_>) -> String {
    let mut lines = Vec::new();
    for document in documents(parsed) {
        let ids: Vec<String> = document
            .identifiers
            .iter()
            .map(|i| format!("{}={}", i.name, i.value))
            .collect();
        let events: Vec<String> = document
            .events
            .iter()
            .map(|event| event_summary(&event.body))
            .collect();
        lines.push(format!(
            "{} {}: {}",
            document.channel,
            ids.join(" "),
            events.join("; ")
        ));
    }
    lines.join("\n")
}

fn event_summary(body: &str) -> String {
    let body: Value = serde_json::from_str(body).expect("a rendered body is JSON");
    let mut text = format!("{}@{}", text_of(&body["code"]), text_of(&body["timestamp"]));
    for attribute in body["attributes"]
        .as_array()
        .expect("attributes are an array")
    {
        let value = attribute["value"].as_str().unwrap_or("(null)");
        text += &format!(
            " {}={value}:{}",
            text_of(&attribute["name"]),
            text_of(&attribute["type"])
        );
    }
    text
}

fn text_of(value: &Value) -> &str {
    value.as_str().expect("a string")
}

/// `pointer code`, one a line; the pointer to the body itself, which is empty, as `body`.
fn violations_summary(violations: &[Violation]) -> String {
    let place = |v: &Violation| {
        if v.pointer.is_empty() {
            "body".to_owned()
        } else {
            v.pointer.clone()
        }
    };
    let lines: Vec<String> = violations
        .iter()
        .map(|v| format!("{} {}", place(v), v.code))
        .collect();
    lines.join("\n")
}

/// The summary of what a call becomes, or of what is wrong with it.
fn outcome(publisher: &Publisher, body: &str) -> String {
    match parse(body.as_bytes(), publisher, now(), &PostLimits::default()) {
        Ok(parsed) => summary(&parsed),
        Err(invalid) => violations_summary(&invalid.violations),
    }
}

#[track_caller]
fn check(body: &str, expect: &str) {
    check_with(&shop(), body, expect);
}

#[track_caller]
fn check_with(publisher: &Publisher, body: &str, expect: &str) {
    let expect: Vec<&str> = expect.lines().map(str::trim).collect();
    assert_eq!(outcome(publisher, body), expect.join("\n"), "{body}");
}
