//! A source and a destination, and what a plan between them may ask for.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::*;
use crate::endpoint::EndpointDefinition;

/// A source with a window of 30 days.
fn source() -> EndpointDefinition {
    let body = json!({
        "name": "CRM", "providerName": "p", "url": "https://crm.example",
        "endpointTypes": { "segment": { "source": { "enabled": true, "sourceType": "pull", "dataWindow": 30 } } },
        "marketingDatabasesDefinition": { "marketingDatabases": [{
            "identifiers": [
                { "name": "email", "type": "email" },
                { "name": "cookie", "type": "cookieId" },
                { "name": "visit", "type": "visitId", "isEventOnly": true },
                { "name": "md5", "type": "email", "hashMode": "HASHED", "hashAlgorithm": "MD5" },
            ],
            "attributes": [{ "name": "first", "type": "string" }, { "name": "born", "type": "date" }],
        }] },
    });
    EndpointDefinition::parse(&body).expect("a source")
}

/// A destination that may be added to and removed from.
fn destination() -> EndpointDefinition {
    let body = json!({
        "name": "Mailer", "providerName": "p", "url": "https://mailer.example",
        "endpointTypes": { "segment": { "destination": { "enabled": true, "shareActions": { "add": true, "remove": true } } } },
        "marketingDatabasesDefinition": { "marketingDatabases": [{
            "identifiers": [{ "name": "Email", "type": "email" }, { "name": "Mobile", "type": "phone" },
                            { "name": "EmailHash", "type": "email", "hashMode": "HASHED", "hashAlgorithm": "EMAIL_SHA256" }],
            "attributes": [{ "name": "First", "type": "string", "isRequired": true }, { "name": "Points", "type": "number" }],
        }] },
    });
    EndpointDefinition::parse(&body).expect("a destination")
}

/// A plan that is right, with other members than those.
#[expect(clippy::needless_pass_by_value, reason = "tests pass literals")]
fn plan(others: Value) -> Plan {
    let mut body = json!({
        "shareId": 1, "sourceEndpointId": 1, "segmentId": 7, "destinationEndpointId": 2,
        "destinationSegment": { "id": null, "name": "Gold", "description": null }, "shareAction": "ADD",
        "identifier": { "source": "email", "destination": "Email" }, "attributes": { "first": "First" },
    });
    for (name, value) in others.as_object().expect("members") {
        body[name] = value.clone();
    }
    serde_json::from_value(body).expect("a plan")
}

#[track_caller]
fn found(others: Value, keeps_identities: bool) -> BTreeMap<String, String> {
    let (source, destination) = (source(), destination());
    let parties = Parties {
        source: &source,
        columns: &[],
        destination: &destination,
        keeps_identities,
    };
    let mut invalid = Invalid::default();
    check(&plan(others), &parties, &mut invalid);
    let found = invalid.violations.into_iter();
    found
        .map(|violation| {
            (
                violation.pointer,
                format!("{}: {}", violation.code, violation.message),
            )
        })
        .collect()
}

/// One violation, there, that says so.
#[track_caller]
fn refused(others: Value, pointer: &str, says: &str) {
    let found = found(others, false);
    assert_eq!(found.keys().collect::<Vec<_>>(), [pointer], "{found:?}");
    assert!(found[pointer].contains(says), "{found:?}");
}

#[test]
fn a_share_that_both_sides_can_keep_is_taken() {
    for (others, keeps_identities) in [
        (json!({}), false),
        (json!({ "shareAction": "REMOVE" }), false),
        (json!({ "incremental": true }), false),
        (json!({ "dataWindow": { "days": 30 } }), false),
        (
            json!({ "dataWindow": { "from": "2026-01-01", "to": "2026-01-30" } }),
            false,
        ),
        (
            json!({ "identifier": { "source": "cookie", "destination": "Mobile" } }),
            true,
        ),
        (
            json!({ "identifier": { "source": "md5", "destination": "EmailHash" } }),
            true,
        ),
        (json!({ "uploadIdentities": true }), true),
        (
            json!({ "attributes": { "first": "First", "email": "EmailHash" } }),
            false,
        ),
    ] {
        assert_eq!(
            found(others.clone(), keeps_identities),
            BTreeMap::new(),
            "{others}"
        );
    }
}

#[test]
fn what_the_destination_does_not_allow_is_refused() {
    refused(
        json!({ "shareAction": "REPLACE" }),
        "/shareAction",
        "it allows ADD, REMOVE",
    );
    refused(
        json!({ "shareAction": "REMOVE", "incremental": true }),
        "/incremental",
        "adds and removes by itself",
    );
}

#[test]
fn a_window_stays_inside_that_of_the_source() {
    refused(
        json!({ "dataWindow": { "days": 31 } }),
        "/dataWindow/days",
        "1 to 30",
    );
    refused(
        json!({ "dataWindow": { "days": 0 } }),
        "/dataWindow/days",
        "1 to 30",
    );
    let long = json!({ "dataWindow": { "from": "2026-01-01", "to": "2026-01-31" } });
    refused(long, "/dataWindow", "31 days");
    let backwards = json!({ "dataWindow": { "from": "2026-01-02", "to": "2026-01-01" } });
    refused(backwards, "/dataWindow/to", "is before");
}

#[test]
fn identifiers_must_meet() {
    let of = |source: &str, destination: &str| json!({ "identifier": { "source": source, "destination": destination } });
    refused(
        of("E-Mail", "Email"),
        "/identifier/source",
        "did you mean `email`?",
    );
    refused(
        of("visit", "Email"),
        "/identifier/source",
        "expected one of email, cookie, md5",
    );
    refused(
        of("first", "Email"),
        "/identifier/source",
        "unknown-identifier",
    );
    refused(
        of("email", "Points"),
        "/identifier/destination",
        "unknown-identifier",
    );
    refused(
        of("cookie", "Email"),
        "/identifier/destination",
        "type-mismatch",
    );
    refused(of("md5", "EmailHash"), "/identifier/destination", "hash: ");
}

#[test]
fn attributes_exist_fit_and_fill_what_is_required() {
    refused(
        json!({ "attributes": {} }),
        "/attributes",
        "requires its attribute `First`",
    );
    let of = |from: &str, to: &str| json!({ "attributes": { "first": "First", from: to } });
    refused(
        of("a/b", "Points"),
        "/attributes/a~1b",
        "is no column of the source",
    );
    refused(
        of("born", "Birthday"),
        "/attributes/born",
        "is no column of the destination",
    );
    refused(of("born", "Points"), "/attributes/born", "type-mismatch");
    refused(
        of("born", "Mobile"),
        "/attributes/born",
        "identifier `Mobile`",
    );
    refused(of("cookie", "Email"), "/attributes/cookie", "");
    refused(of("md5", "EmailHash"), "/attributes/md5", "hash: ");
    refused(
        json!({ "uploadIdentities": true }),
        "/uploadIdentities",
        "keeps no identities",
    );
}

#[test]
fn everything_is_said_at_once() {
    let others = json!({
        "shareAction": "REPLACE", "dataWindow": { "days": 99 }, "uploadIdentities": true,
        "identifier": { "source": "x", "destination": "y" }, "attributes": { "z": "Points" },
    });
    let pointers: Vec<String> = found(others, false).into_keys().collect();
    assert_eq!(
        pointers,
        [
            "/attributes",
            "/attributes/z",
            "/dataWindow/days",
            "/identifier/destination",
            "/identifier/source",
            "/shareAction",
            "/uploadIdentities"
        ]
    );
}
