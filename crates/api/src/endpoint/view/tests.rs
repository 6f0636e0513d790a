//! What a provider registers, it reads back; what it reads back, it may send again.

use model::{AccountId, EndpointId, EndpointStatus};
use serde_json::{Value, json};

use super::*;
use crate::asked::Asked;

fn shown(body: &Value, query: &str) -> Value {
    let uri = format!("/v1/endpoint?{query}").parse().expect("a URI");
    let asked = Asked::of(&uri).expect("a query");
    let selection = Selection::of(&asked).expect("sound parameters");
    let endpoint = Endpoint {
        id: EndpointId(7),
        account: AccountId(1),
        status: EndpointStatus::Active,
        enabled: true,
        disabled_reason: None,
        spans: Vec::new(),
        definition: EndpointDefinition::parse(body).expect("a sound registration"),
        created_at: jiff::Timestamp::UNIX_EPOCH,
        updated_at: jiff::Timestamp::UNIX_EPOCH,
    };
    serde_json::to_value(EndpointView::of(endpoint, &selection, None, None)).expect("JSON")
}

fn everything() -> Value {
    json!({
        "name": "Mobile Customer Engagement",
        "description": "Mobile app push notifications.",
        "providerName": "Acme",
        "url": "https://api.example.com/event/",
        "hashAlgorithm": "SHA256",
        "endpointTypes": {
            "event": {
                "source": { "enabled": true, "url": "https://a.example.com", "sourceType": "pull" },
                "destination": {
                    "enabled": true, "url": "https://b.example.com", "destinationType": "push",
                    "form": "eventbatch", "order": "strict",
                },
            },
            "segment": {
                "source": { "enabled": true, "url": "https://c.example.com", "producerType": "pull", "dataWindow": 30 },
                "destination": {
                    "enabled": false, "url": "https://d.example.com", "destinationType": "pull",
                    "shareActions": { "add": true, "remove": false, "replace": true, "defaultShareAction": "REPLACE" },
                },
            },
        },
        "marketingDatabasesDefinition": {
            "marketingDatabases": [{
                "name": "contacts", "id": "4711",
                "identifiers": [{
                    "name": "personal_email", "type": "email", "hashMode": "REQUIRED", "hashAlgorithm": "EMAIL_SHA256",
                    "isRequired": true, "isEventOnly": true, "isCaseSensitive": false,
                }],
                "attributes": [{
                    "name": "home_address", "type": "String", "isRequired": true, "hashMode": "HASHED", "hashAlgorithm": "MD5",
                }],
            }],
        },
        "notificationKey": "shop-12",
        "applicationId": 3,
        "deploymentId": 4,
    })
}

#[test]
fn nothing_that_was_registered_is_lost() {
    let mut expected = everything();
    expected["id"] = json!(7);
    expected["status"] = json!("ACTIVE");
    expected["enabled"] = json!(true);
    assert_eq!(shown(&everything(), ""), expected);
}

#[test]
fn what_is_read_may_be_sent_again() {
    let sparse = json!({
        "name": "n", "providerName": "p", "url": "", "hashAlgorithm": "NONE", "notificationKey": 12,
        "endpointTypes": {
            "event": { "source": { "enabled": true }, "destination": null },
            "segment": { "source": { "enabled": "true", "sourceType": "PUSH" } },
        },
        "marketingDatabasesDefinition": { "marketingDatabases": [{ "id": 5, "identifiers": [{ "name": "i", "type": "EMAIL" }] }] },
    });
    for body in [everything(), sparse] {
        let read = shown(&body, "");
        let again = EndpointDefinition::parse(&read).expect("what is read is sound");
        assert_eq!(again, EndpointDefinition::parse(&body).expect("sound"));
        assert_eq!(shown(&read, ""), read);
    }
}

#[test]
fn parts_are_selected() {
    let parts = |query: &str| -> Vec<String> {
        let view = shown(&everything(), query);
        let mut parts = Vec::new();
        for (kind, directions) in view["endpointTypes"].as_object().expect("an object") {
            for direction in directions.as_object().expect("an object").keys() {
                parts.push(format!("{kind}.{direction}"));
            }
        }
        assert_eq!(
            view["name"], "Mobile Customer Engagement",
            "what it is stays"
        );
        parts
    };
    let cases: [(&str, &[&str]); 5] = [
        ("event=true", &["event.destination", "event.source"]),
        ("segment=true", &["segment.destination", "segment.source"]),
        ("source=true", &["event.source", "segment.source"]),
        ("event=true&destination=true", &["event.destination"]),
        (
            "segment=true&source=true&destination=true",
            &["segment.destination", "segment.source"],
        ),
    ];
    for (query, expected) in cases {
        assert_eq!(parts(query), expected, "{query}");
    }
}
