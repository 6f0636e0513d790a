//! What an application may say, and what becomes of an endpoint that is made from one.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::endpoint::Transfer;

fn plain() -> Value {
    json!({
        "displayName": "Mailer", "providerName": "Acme", "description": "Sends mail", "hashAlgorithm": "SHA256",
        "url": "https://in.example.com",
        "endpointTypes": {
            "event": {
                "source": { "enabled": true, "sourceType": "push", "dataWindow": 30 },
                "destination": { "enabled": true, "destinationType": "push" },
            },
            "segment": {
                "destination": { "enabled": true, "shareActions": { "add": true, "replace": true } },
            },
        },
        "marketingDatabasesDefinition": { "marketingDatabases": [{ "name": "contacts", "identifiers": [{ "name": "mail", "type": "email" }] }] },
    })
}

fn defined(stated: &Value) -> Result<EndpointDefinition, Invalid> {
    define(
        &plain(),
        stated,
        (ApplicationId(3), Some(DeploymentId::numbered(4))),
    )
}

fn pointers(invalid: &Invalid) -> Vec<&str> {
    invalid
        .violations
        .iter()
        .map(|v| v.pointer.as_str())
        .collect()
}

#[test]
fn the_document_needs_no_url_and_no_name() {
    let definition = EndpointDefinition::parse_application(&plain()).expect("sound");
    assert_eq!(definition.name, "Mailer");
    let mut without = plain();
    without["url"] = Value::Null;
    let definition =
        EndpointDefinition::parse_application(&without).expect("the endpoints bring theirs");
    assert_eq!(definition.url, None);
    let actions = definition
        .roles
        .segment_destination
        .and_then(|role| role.share_actions);
    assert!(actions.is_some_and(|actions| actions.replace && !actions.remove));
}

#[test]
fn every_wrong_member_of_the_document_is_told_at_once() {
    let body = json!({
        "displayName": " ", "providerName": 7, "description": [], "hashAlgorithm": "ROT13", "url": "example.com",
        "endpointTypes": {
            "event": { "source": { "enabled": "maybe", "sourceType": "carrier pigeon", "dataWindow": -1 }, "destination": {} },
            "segment": { "source": [], "destination": { "enabled": true, "destinationType": 1, "shareActions": { "add": "no", "defaultShareAction": "MERGE" } } },
        },
        "marketingDatabasesDefinition": { "marketingDatabases": [
            { "id": {}, "name": true,
              "identifiers": [{ "name": "", "hashMode": "MAYBE", "isRequired": 1, "isCaseSensitive": "?", "isEventOnly": [], "hashAlgorithm": 5 }],
              "attributes": [{ "type": {}, "isRequired": "x" }] },
            5,
        ] },
    });
    let invalid = EndpointDefinition::parse_application(&body).expect_err("it is wrong");
    let base = "/marketingDatabasesDefinition/marketingDatabases";
    let expected: Vec<String> = [
        "/displayName",
        "/description",
        "/url",
        "/hashAlgorithm",
        "/endpointTypes/event/source/sourceType",
        "/endpointTypes/event/source/enabled",
        "/endpointTypes/event/source/dataWindow",
        "/endpointTypes/event/destination/enabled",
        "/endpointTypes/segment/source",
        "/endpointTypes/segment/destination/destinationType",
        "/endpointTypes/segment/destination/shareActions/defaultShareAction",
        "/endpointTypes/segment/destination/shareActions/add",
    ]
    .iter()
    .map(|pointer| (*pointer).to_owned())
    .chain(
        [
            "/0/identifiers/0/name",
            "/0/identifiers/0/type",
            "/0/identifiers/0/hashMode",
            "/0/identifiers/0/hashAlgorithm",
            "/0/identifiers/0/isRequired",
            "/0/identifiers/0/isEventOnly",
            "/0/identifiers/0/isCaseSensitive",
            "/0/attributes/0/name",
            "/0/attributes/0/type",
            "/0/attributes/0/isRequired",
            "/0/name",
            "/0/id",
            "/1",
        ]
        .iter()
        .map(|pointer| format!("{base}{pointer}")),
    )
    .collect();
    let mut found: Vec<String> = pointers(&invalid).into_iter().map(str::to_owned).collect();
    let mut expected = expected;
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
}

#[test]
fn an_endpoint_takes_what_it_does_not_state() {
    let definition = defined(&json!({})).expect("the application says it all");
    assert_eq!(
        (definition.name.as_str(), definition.provider_name.as_str()),
        ("Mailer", "Acme")
    );
    assert_eq!(definition.url.as_deref(), Some("https://in.example.com"));
    assert_eq!(definition.application_id, Some(ApplicationId(3)));
    assert_eq!(definition.identifiers().count(), 1);
    assert_eq!(
        definition.event_source().and_then(|role| role.data_window),
        Some(30)
    );
}

#[test]
fn what_it_states_wins_member_by_member() {
    let definition = defined(&json!({
        "name": "Our mailer", "url": "https://ours.example.com", "notificationKey": "k",
        "endpointTypes": { "event": {
            "source": { "producerType": "pull" },
            "destination": { "enabled": false },
        } },
        "marketingDatabasesDefinition": { "marketingDatabases": [] },
    }))
    .expect("sound");
    assert_eq!(definition.name, "Our mailer");
    assert_eq!(definition.description.as_deref(), Some("Sends mail"));
    assert_eq!(definition.url.as_deref(), Some("https://ours.example.com"));
    assert_eq!(definition.notification_key.as_deref(), Some("k"));
    let source = definition.event_source().expect("still enabled");
    assert_eq!(
        (source.transfer, source.data_window),
        (Transfer::Pull, Some(30)),
        "the other spelling means the same"
    );
    assert_eq!(definition.event_destination(), None);
    assert_eq!(
        definition.identifiers().count(),
        0,
        "a list is replaced whole"
    );
}

#[test]
fn null_and_blank_state_nothing() {
    let body = json!({ "name": " ", "url": "", "description": null, "endpointTypes": { "event": null }, "applicationId": 3 });
    assert_eq!(stated(&body), json!({ "endpointTypes": { "event": null } }));
    assert_eq!(
        defined(&stated(&body)).expect("sound"),
        defined(&json!({})).expect("sound")
    );
}

#[test]
fn what_is_wrong_together_is_told_by_its_place() {
    let mut document = plain();
    document["url"] = Value::Null;
    let made_from = (ApplicationId(3), None);
    let invalid = define(
        &document,
        &json!({ "endpointTypes": { "event": 5 } }),
        made_from.clone(),
    )
    .expect_err("no object");
    assert!(
        pointers(&invalid).contains(&"/endpointTypes/event"),
        "{invalid}"
    );
    let invalid = define(&document, &json!({}), made_from).expect_err("nowhere to push");
    assert_eq!(
        pointers(&invalid),
        [
            "/endpointTypes/event/destination/url",
            "/endpointTypes/segment/destination/url"
        ]
    );
}

/// Members of the documents, and others, with anything in any place.
fn document() -> impl Strategy<Value = Value> + Clone {
    const NAMES: &[&str] = &[
        "displayName",
        "name",
        "providerName",
        "description",
        "url",
        "hashAlgorithm",
        "endpointTypes",
        "event",
        "segment",
        "source",
        "destination",
        "enabled",
        "sourceType",
        "producerType",
        "destinationType",
        "dataWindow",
        "shareActions",
        "add",
        "replace",
        "defaultShareAction",
        "marketingDatabasesDefinition",
        "marketingDatabases",
        "identifiers",
        "attributes",
        "type",
        "hashMode",
        "notificationKey",
        "applicationId",
        "deploymentId",
        "id",
        "other",
    ];
    const TEXTS: &[&str] = &[
        "push",
        "pull",
        "https://a.example.com",
        "EMAIL_SHA256",
        "REPLACE",
        "email",
        "true",
        "",
    ];
    fuzzing::documents::json(NAMES, TEXTS)
}

/// A sound document with a few members replaced by anything.
fn changed() -> impl Strategy<Value = Value> {
    const PLACES: &[&str] = &[
        "/displayName",
        "/providerName",
        "/url",
        "/endpointTypes",
        "/endpointTypes/event",
        "/endpointTypes/event/source",
        "/endpointTypes/event/source/dataWindow",
        "/endpointTypes/segment/destination/shareActions",
        "/marketingDatabasesDefinition/marketingDatabases",
        "/marketingDatabasesDefinition/marketingDatabases/0/identifiers/0",
    ];
    fuzzing::documents::changed(plain(), PLACES, document())
}

#[test]
fn fuzz_any_document_is_taken_or_refused_with_sentences() {
    fuzzing::run(&prop_oneof![document(), changed()], |body| {
        match EndpointDefinition::parse_application(&body) {
            Ok(definition) => prop_assert!(
                !definition.name.trim().is_empty() && !definition.provider_name.is_empty()
            ),
            Err(invalid) => {
                prop_assert!(!invalid.is_empty());
                for violation in &invalid.violations {
                    prop_assert!(
                        !violation.message.is_empty() && violation.message.len() < 500,
                        "{}",
                        violation
                    );
                    prop_assert!(
                        violation.pointer.is_empty() || violation.pointer.starts_with('/')
                    );
                }
            }
        }
        Ok(())
    });
}

#[test]
fn a_hash_profile_is_taken_from_the_application_unless_the_endpoint_states_one() {
    let application = json!({ "displayName": "Ads", "providerName": "Acme", "hashProfile": "META",
        "endpointTypes": { "event": { "source": { "enabled": true } } } });
    for (stated, expected) in [
        (json!({}), "META"),
        (json!({ "hashProfile": "snap" }), "SNAP"),
    ] {
        let definition = define(&application, &stated, (ApplicationId(3), None));
        let profile = definition.expect("sound").hash_profile.expect("a profile");
        assert_eq!(profile.as_str(), expected);
    }
}

/// Found by the test below.
#[test]
fn what_says_nothing_in_an_object_that_only_the_endpoint_has_is_not_there() {
    let stated = json!({ "endpointTypes": { "event": { "source": { "enabled": true, "producerType": null } } } });
    let whole = overlay(&json!({ "displayName": "Mailer" }), &stated);
    let source = json!({ "enabled": true });
    assert_eq!(whole["endpointTypes"]["event"]["source"], source);
}

#[test]
fn fuzz_an_overlay_is_the_same_from_what_is_remembered() {
    fuzzing::run(
        &(
            prop_oneof![document(), changed()],
            prop_oneof![document(), changed()],
        ),
        |(base, body)| {
            let kept = stated(&body);
            prop_assert_eq!(stated(&kept), kept.clone());
            let whole = overlay(&base, &kept);
            // Put over it once more, it changes nothing.
            let mut again = whole.clone();
            put_over(&mut again, &kept);
            prop_assert_eq!(&again, &whole);
            let made_from = (ApplicationId(3), None);
            let stored = serde_json::from_str(&kept.to_string()).expect("our own text");
            prop_assert_eq!(
                define(&base, &kept, made_from.clone()).is_ok(),
                define(&base, &stored, made_from).is_ok()
            );
            Ok(())
        },
    );
}
