//! The test drive: what a built-in publisher says and how a built-in receiver answers, without an address outside.
//!
//! Events are made from the catalog, the same each time. [`Mistake`] is every way in which a document can be wrong that
//! newcomers meet; the exchange's real answer shows what it thinks of it. Called by `hub/test_drive`.

use std::fmt;

use serde_json::{Value, json};

use crate::catalog::CatalogEvent;

/// The provider of the built-in endpoints.
pub const PROVIDER: &str = "Rialto test drive";

/// The host of the built-in receiver. Names in `.invalid` (RFC 2606) never exist, so nobody can be meant by it.
pub const RECEIVER_HOST: &str = "receiver.test-drive.invalid";

/// How the built-in receiver answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReceiverAnswer {
    /// With this status.
    Status(u16),
    /// Not within the time.
    Timeout,
}

impl ReceiverAnswer {
    /// What can be asked for, for messages.
    pub const EXPECTED: &'static str = "a status from 200 to 599, or `timeout`";

    pub fn parse(text: &str) -> Option<Self> {
        if text == "timeout" {
            return Some(Self::Timeout);
        }
        let status = text.parse().ok()?;
        (200..=599)
            .contains(&status)
            .then_some(Self::Status(status))
    }
}

impl fmt::Display for ReceiverAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => status.fmt(f),
            Self::Timeout => f.write_str("timeout"),
        }
    }
}

/// What can be wrong with a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mistake {
    NotJson,
    NoChannel,
    ChannelTwice,
    IdentifiersTwice,
    NoIdentifiers,
    UnknownIdentifier,
    NoCode,
    UnknownCode,
    NoTimestamp,
    BadTimestamp,
}

impl Mistake {
    pub const ALL: [Self; 10] = [
        Self::NotJson,
        Self::NoChannel,
        Self::ChannelTwice,
        Self::IdentifiersTwice,
        Self::NoIdentifiers,
        Self::UnknownIdentifier,
        Self::NoCode,
        Self::UnknownCode,
        Self::NoTimestamp,
        Self::BadTimestamp,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotJson => "not-json",
            Self::NoChannel => "no-channel",
            Self::ChannelTwice => "channel-twice",
            Self::IdentifiersTwice => "identifiers-twice",
            Self::NoIdentifiers => "no-identifiers",
            Self::UnknownIdentifier => "unknown-identifier",
            Self::NoCode => "no-code",
            Self::UnknownCode => "unknown-code",
            Self::NoTimestamp => "no-timestamp",
            Self::BadTimestamp => "bad-timestamp",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|m| m.as_str() == text)
    }
}

/// The registration of the publisher.
pub fn publisher() -> Value {
    json!({
        "name": "Test publisher", "providerName": PROVIDER,
        "description": "Publishes events of the catalog on request.",
        "endpointTypes": { "event": { "source": { "enabled": true } } },
        "marketingDatabasesDefinition": { "marketingDatabases": [{ "name": "test drive", "identifiers": [
            { "name": "email", "type": "email", "isCaseSensitive": false }, { "name": "cookie", "type": "cookie" },
        ] }] },
    })
}

/// The registration of the receiver.
pub fn receiver() -> Value {
    json!({
        "name": "Test receiver", "providerName": PROVIDER,
        "description": "Takes pushes and shows them; answers as told.",
        "url": format!("https://{RECEIVER_HOST}"),
        "endpointTypes": { "event": { "destination": { "enabled": true, "destinationType": "push" } } },
    })
}

/// The registration of an event type of the catalog.
pub fn event_type(event: &CatalogEvent) -> Value {
    let attributes = event
        .attributes
        .iter()
        .map(|attribute| json!({ "name": attribute.name, "type": attribute.kind }));
    json!({ "code": event.code, "name": event.name, "description": event.description,
            "attributes": attributes.collect::<Vec<_>>() })
}

/// A document with one event about a person who does not exist.
pub fn document(event: &CatalogEvent, now: jiff::Timestamp) -> Value {
    let attributes = event.attributes.iter().map(|attribute| {
        json!({ "name": attribute.name, "type": attribute.kind, "value": value(&attribute.kind, &attribute.name, now) })
    });
    json!({
        "channel": "test drive",
        "identifiers": [
            { "name": "email", "value": "test.drive@example.com" }, { "name": "cookie", "value": "test-drive-1" },
        ],
        "events": [{ "code": event.code, "timestamp": now.to_string(), "attributes": attributes.collect::<Vec<_>>() }],
    })
}

fn value(kind: &str, name: &str, now: jiff::Timestamp) -> Value {
    match kind {
        "number" => json!(19.95),
        "integer" => json!(3),
        "boolean" => json!(true),
        "date" => json!(now.to_string()),
        "email" => json!("test.drive@example.com"),
        _ => json!(format!("test {name}")),
    }
}

/// The document with a mistake in it, as it is sent.
pub fn mistaken(mut document: Value, mistake: Mistake) -> String {
    let identifiers = document["identifiers"].clone();
    let body = document.as_object_mut().expect("a document is an object");
    match mistake {
        Mistake::NotJson => {
            let text = document.to_string();
            return text[..text.len() - 1].to_owned();
        }
        Mistake::NoChannel => {
            body.remove("channel");
        }
        Mistake::NoIdentifiers => {
            body.remove("identifiers");
        }
        _ => {}
    }
    let event = &mut document["events"][0];
    match mistake {
        Mistake::ChannelTwice => event["channel"] = json!("test drive"),
        Mistake::IdentifiersTwice => event["identifiers"] = identifiers,
        Mistake::UnknownIdentifier => {
            document["identifiers"][0]["name"] = json!("shoeSize");
        }
        Mistake::NoCode => event["code"] = Value::Null,
        Mistake::UnknownCode => event["code"] = json!("neverRegistered"),
        Mistake::NoTimestamp => event["timestamp"] = Value::Null,
        Mistake::BadTimestamp => event["timestamp"] = json!("yesterday"),
        _ => {}
    }
    document.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog;

    #[test]
    fn every_event_of_the_catalog_makes_a_document() {
        let now = jiff::Timestamp::UNIX_EPOCH;
        for event in catalog::all() {
            let document = document(event, now);
            assert_eq!(document["events"][0]["code"], event.code.as_str());
            let attributes = document["events"][0]["attributes"].as_array();
            assert_eq!(attributes.map(Vec::len), Some(event.attributes.len()));
        }
    }

    #[test]
    fn every_mistake_makes_another_document_than_the_right_one() {
        let event = catalog::recognized("cartAdd").expect("it is in the catalog");
        let right = document(event, jiff::Timestamp::UNIX_EPOCH);
        for mistake in Mistake::ALL {
            assert_ne!(
                mistaken(right.clone(), mistake),
                right.to_string(),
                "{mistake:?}"
            );
            assert_eq!(Mistake::parse(mistake.as_str()), Some(mistake));
        }
    }

    #[test]
    fn answers_are_read_as_they_are_written() {
        for text in ["200", "408", "599", "timeout"] {
            assert_eq!(
                ReceiverAnswer::parse(text)
                    .map(|a| a.to_string())
                    .as_deref(),
                Some(text)
            );
        }
        for text in ["100", "600", "", "soon"] {
            assert_eq!(ReceiverAnswer::parse(text), None);
        }
    }
}
