//! What registrations may look like, and what each mistake in one is answered.
//!
//! Every case is a patch of [`plain`]: an RFC 7396 merge patch, in which `null` removes a member.

#![expect(
    clippy::needless_pass_by_value,
    reason = "cases read better without ampersands"
)]

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::invalid::VIOLATIONS_MAX;

/// The smallest registration of an event publisher.
fn plain() -> Value {
    json!({
        "name": "Web shop",
        "providerName": "Acme",
        "endpointTypes": { "event": { "source": { "enabled": true } } },
    })
}

fn merge(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    let members = target.as_object_mut().expect("an object");
    for (name, value) in patch {
        if value.is_null() {
            members.remove(&name);
        } else {
            merge(members.entry(name).or_insert(Value::Null), value);
        }
    }
}

fn with(patch: Value) -> Value {
    let mut body = plain();
    merge(&mut body, patch);
    body
}

fn read(body: &Value) -> EndpointDefinition {
    EndpointDefinition::parse(body).unwrap_or_else(|invalid| panic!("{body}: {invalid}"))
}

/// Both bodies mean the same.
fn same(patch: Value, as_if: Value) {
    let (body, as_if) = (with(patch), with(as_if));
    assert_eq!(read(&body), read(&as_if), "{body}");
}

/// A registration with this one identifier.
fn identifier(identifier: Value) -> Value {
    databases(json!([{ "identifiers": [identifier] }]))
}

fn databases(databases: Value) -> Value {
    json!({ "marketingDatabasesDefinition": { "marketingDatabases": databases } })
}

/// One endpoint type, such as `event`, `source`.
fn role(kind: &str, direction: &str, role: Value) -> Value {
    json!({ "endpointTypes": { kind: { direction: role } } })
}

#[test]
fn the_smallest_registration() {
    let definition = read(&plain());
    assert_eq!(definition.name, "Web shop");
    assert_eq!(definition.provider_name, "Acme");
    assert_eq!(definition.description, None);
    assert_eq!(definition.url, None);
    let source = definition.event_source().expect("enabled");
    assert_eq!(source.transfer, Transfer::Push);
    assert_eq!(definition.event_destination(), None);
    assert!(definition.databases.is_empty());
}

#[test]
fn everything_that_may_be_left_out_may_be_null_or_unknown() {
    let mut body = plain();
    for name in [
        "description",
        "url",
        "hashAlgorithm",
        "marketingDatabasesDefinition",
        "notificationKey",
        "applicationId",
        "deploymentId",
    ] {
        body[name] = Value::Null;
    }
    body["endpointTypes"]["segment"] = Value::Null;
    body["endpointTypes"]["event"]["destination"] = Value::Null;
    body["endpointTypes"]["event"]["source"]["url"] = Value::Null;
    body["inventedNextYear"] = json!({ "deep": [1, 2] });
    assert_eq!(read(&body), read(&plain()));
}

#[test]
fn what_real_registrations_send() {
    let cases = [
        // what is sent, what it means
        (json!({ "url": "" }), json!({})),
        (
            json!({ "url": "  https://a.example.com/in/ " }),
            json!({ "url": "https://a.example.com/in/" }),
        ),
        (
            json!({ "url": "HTTPS://a.example.com" }),
            json!({ "url": "HTTPS://a.example.com" }),
        ),
        (json!({ "hashAlgorithm": "NONE" }), json!({})),
        (json!({ "hashAlgorithm": "none" }), json!({})),
        (json!({ "hashAlgorithm": "" }), json!({})),
        (
            json!({ "hashAlgorithm": "sha256" }),
            json!({ "hashAlgorithm": "SHA256" }),
        ),
        (
            json!({ "notificationKey": 12 }),
            json!({ "notificationKey": "12" }),
        ),
        (
            json!({ "applicationId": "12" }),
            json!({ "applicationId": 12 }),
        ),
        (json!({ "applicationId": 0 }), json!({})),
        (databases(json!([])), json!({})),
        (
            databases(json!([{ "id": 4711 }])),
            databases(json!([{ "id": "4711" }])),
        ),
        (
            databases(json!([{ "name": "", "id": "" }])),
            databases(json!([{}])),
        ),
    ];
    for (sent, meant) in cases {
        same(sent, meant);
    }
}

#[test]
fn push_or_pull_under_every_name_in_any_letter_case() {
    let cases = [
        ("event", "source", json!({}), Transfer::Push),
        (
            "event",
            "source",
            json!({ "sourceType": "pull" }),
            Transfer::Pull,
        ),
        (
            "event",
            "source",
            json!({ "producerType": "Pull" }),
            Transfer::Pull,
        ),
        // As the published example has it.
        (
            "event",
            "source",
            json!({ "destinationType": "push" }),
            Transfer::Push,
        ),
        (
            "event",
            "source",
            json!({ "sourceType": "" }),
            Transfer::Push,
        ),
        ("event", "destination", json!({}), Transfer::Push),
        (
            "event",
            "destination",
            json!({ "destinationType": "PULL" }),
            Transfer::Pull,
        ),
        (
            "event",
            "destination",
            json!({ "destinationType": " pull " }),
            Transfer::Pull,
        ),
        ("segment", "source", json!({}), Transfer::Pull),
        (
            "segment",
            "source",
            json!({ "producerType": "push" }),
            Transfer::Push,
        ),
        (
            "segment",
            "source",
            json!({ "sourceType": "push" }),
            Transfer::Push,
        ),
        ("segment", "destination", json!({}), Transfer::Push),
        (
            "segment",
            "destination",
            json!({ "destinationType": "pull" }),
            Transfer::Pull,
        ),
    ];
    for (kind, direction, sent, expected) in cases {
        let mut sent = sent;
        sent["enabled"] = json!(true);
        sent["url"] = json!("https://a.example.com");
        let roles = read(&with(role(kind, direction, sent.clone()))).roles;
        let read = match (kind, direction) {
            ("event", "source") => roles.event_source,
            ("event", "destination") => roles.event_destination,
            ("segment", "source") => roles.segment_source,
            _ => roles.segment_destination,
        };
        let read = read.expect("the role is there");
        assert!(read.enabled);
        assert_eq!(read.transfer, expected, "{kind} {direction} {sent}");
    }
}

#[test]
fn flags_may_be_words() {
    for (sent, expected) in [
        (json!(true), true),
        (json!("true"), true),
        (json!("TRUE"), true),
        (json!(false), false),
        (json!("false"), false),
        (json!(""), false),
    ] {
        let body = with(role("event", "source", json!({ "enabled": sent })));
        let source = read(&body).roles.event_source.expect("a source");
        assert_eq!(source.enabled, expected, "{sent}");
    }
    let body = with(role("event", "source", json!({ "enabled": null })));
    assert!(
        read(&body).event_source().is_none(),
        "endpoint types are enabled explicitly"
    );
}

#[test]
fn one_endpoint_may_be_all_four() {
    let definition = read(&with(json!({
        "url": "https://a.example.com",
        "endpointTypes": {
            "event": { "destination": { "enabled": true, "url": "https://b.example.com", "form": "EVENTBATCH", "order": "Strict" } },
            "segment": { "source": { "enabled": true, "dataWindow": "30" }, "destination": { "enabled": true } },
        },
    })));
    let roles = &definition.roles;
    let destination = roles.event_destination.as_ref().expect("a destination");
    assert_eq!(
        definition.url_of(destination),
        Some("https://b.example.com"),
        "its own URL comes first"
    );
    assert_eq!(
        (destination.form, destination.order),
        (PushForm::Eventbatch, Ordering::Strict)
    );
    assert_eq!(
        roles
            .segment_source
            .as_ref()
            .and_then(|role| role.data_window),
        Some(30)
    );
    let audience = roles.segment_destination.as_ref().expect("a destination");
    assert_eq!(definition.url_of(audience), Some("https://a.example.com"));
    assert!(definition.event_source().is_some());
}

#[test]
fn identifiers_with_and_without_hashing() {
    let cases = [
        // without members about hashing; the type as it was written
        (
            json!({ "name": "a", "type": "Email" }),
            ("Email", HashMode::None, None),
        ),
        (
            json!({ "name": "a", "type": "EMAIL", "hashMode": null, "hashAlgorithm": "NONE" }),
            ("EMAIL", HashMode::None, None),
        ),
        (
            json!({ "name": "a", "type": "email", "hashMode": "", "hashAlgorithm": "" }),
            ("email", HashMode::None, None),
        ),
        // "I hold hashed values: send me hashed ones"
        (
            json!({ "name": "a", "type": "email", "hashMode": "HASHED", "hashAlgorithm": "EMAIL_SHA256" }),
            ("email", HashMode::Hashed, Some(HashAlgorithm::EmailSha256)),
        ),
        (
            json!({ "name": "a", "type": "phone", "hashMode": "required", "hashAlgorithm": "phone_sha256" }),
            (
                "phone",
                HashMode::Required,
                Some(HashAlgorithm::PhoneSha256),
            ),
        ),
        (
            json!({ "name": "a", "type": "cookie", "hashMode": "Required" }),
            ("cookie", HashMode::Required, None),
        ),
    ];
    for (sent, (kind, mode, algorithm)) in cases {
        let definition = read(&with(identifier(sent.clone())));
        let one = definition.identifiers().next().expect("an identifier");
        assert_eq!(
            (one.kind.as_str(), one.hash_mode, one.hash_algorithm),
            (kind, mode, algorithm),
            "{sent}"
        );
        assert!(
            one.is_case_sensitive && !one.is_required && !one.is_event_only,
            "the defaults"
        );
    }
}

#[test]
fn attributes_of_audiences_default_to_strings() {
    let sent = json!([{ "attributes": [{ "name": "city" }, { "name": "visits", "type": "Number", "isRequired": "true" }] }]);
    let definition = read(&with(databases(sent)));
    let attributes = &definition.databases[0].attributes;
    assert_eq!(
        (attributes[0].kind.as_str(), attributes[0].is_required),
        ("string", false)
    );
    assert_eq!(
        (attributes[1].kind.as_str(), attributes[1].is_required),
        ("Number", true)
    );
}

#[test]
fn several_databases_may_define_an_identifier_alike() {
    let email = json!({ "name": "email", "type": "email" });
    let alike =
        json!([{ "name": "a", "identifiers": [email] }, { "name": "b", "identifiers": [email] }]);
    assert_eq!(read(&with(databases(alike))).databases.len(), 2);
}

/// The violations of a body: pointer and code of each.
fn violations(body: &Value) -> Vec<(String, String)> {
    let invalid = EndpointDefinition::parse(body).expect_err("it breaks a rule");
    let violations = invalid.violations.into_iter();
    violations.map(|v| (v.pointer, v.code)).collect()
}

#[test]
fn each_violation_with_its_pointer() {
    const DATABASES: &str = "/marketingDatabasesDefinition/marketingDatabases";
    let long = "x".repeat(5_000);
    let cases = [
        (json!([]), "", "type"),
        (json!("Web shop"), "", "type"),
        (with(json!({ "name": null })), "/name", "required"),
        (with(json!({ "name": " " })), "/name", "required"),
        (with(json!({ "name": {} })), "/name", "type"),
        (with(json!({ "name": long })), "/name", "too-long"),
        (
            with(json!({ "providerName": null })),
            "/providerName",
            "required",
        ),
        (
            with(json!({ "description": long })),
            "/description",
            "too-long",
        ),
        (
            with(json!({ "description": ["x"] })),
            "/description",
            "type",
        ),
        (with(json!({ "url": "api.example.com" })), "/url", "url"),
        (
            with(json!({ "url": "ftp://api.example.com" })),
            "/url",
            "url",
        ),
        (with(json!({ "url": "https://" })), "/url", "url"),
        (with(json!({ "url": "https:///v1" })), "/url", "url"),
        (with(json!({ "url": "https://a b" })), "/url", "url"),
        (with(json!({ "url": true })), "/url", "type"),
        (
            with(json!({ "hashAlgorithm": "ROT13" })),
            "/hashAlgorithm",
            "unknown-value",
        ),
        (
            with(json!({ "notificationKey": {} })),
            "/notificationKey",
            "type",
        ),
        (
            with(json!({ "applicationId": "mine" })),
            "/applicationId",
            "type",
        ),
        (
            with(json!({ "endpointTypes": ["event"] })),
            "/endpointTypes",
            "type",
        ),
        (
            with(json!({ "endpointTypes": { "event": true } })),
            "/endpointTypes/event",
            "type",
        ),
        (
            with(role("event", "source", json!(true))),
            "/endpointTypes/event/source",
            "type",
        ),
        (
            with(role("event", "source", json!({ "enabled": "perhaps" }))),
            "/endpointTypes/event/source/enabled",
            "type",
        ),
        (
            with(role("event", "source", json!({ "sourceType": "poll" }))),
            "/endpointTypes/event/source/sourceType",
            "unknown-value",
        ),
        (
            with(role("segment", "source", json!({ "producerType": "x" }))),
            "/endpointTypes/segment/source/producerType",
            "unknown-value",
        ),
        (
            with(role("segment", "source", json!({ "dataWindow": "week" }))),
            "/endpointTypes/segment/source/dataWindow",
            "type",
        ),
        (
            with(role("event", "destination", json!({ "form": "csv" }))),
            "/endpointTypes/event/destination/form",
            "unknown-value",
        ),
        (
            with(role("event", "destination", json!({ "order": "random" }))),
            "/endpointTypes/event/destination/order",
            "unknown-value",
        ),
        // A push destination with no URL anywhere.
        (
            with(role("event", "destination", json!({ "enabled": true }))),
            "/endpointTypes/event/destination/url",
            "required",
        ),
        (
            with(role(
                "segment",
                "destination",
                json!({ "enabled": true, "url": "" }),
            )),
            "/endpointTypes/segment/destination/url",
            "required",
        ),
        (
            with(json!({ "marketingDatabasesDefinition": [] })),
            "/marketingDatabasesDefinition",
            "type",
        ),
        (with(databases(json!({}))), DATABASES, "type"),
        (
            with(databases(json!(["shop"]))),
            "/marketingDatabasesDefinition/marketingDatabases/0",
            "type",
        ),
        (
            with(identifier(json!({ "type": "email" }))),
            "/marketingDatabasesDefinition/marketingDatabases/0/identifiers/0/name",
            "required",
        ),
        (
            with(identifier(json!({ "name": "a" }))),
            "/marketingDatabasesDefinition/marketingDatabases/0/identifiers/0/type",
            "required",
        ),
        (
            with(identifier(
                json!({ "name": "a", "type": "b", "hashMode": "SALTED" }),
            )),
            "/marketingDatabasesDefinition/marketingDatabases/0/identifiers/0/hashMode",
            "unknown-value",
        ),
        (
            with(databases(json!([{ "attributes": [{ "type": "String" }] }]))),
            "/marketingDatabasesDefinition/marketingDatabases/0/attributes/0/name",
            "required",
        ),
        // Twice in one database; in two databases, but differently.
        (
            with(databases(
                json!([{ "identifiers": [{ "name": "a", "type": "x" }, { "name": "a", "type": "x" }] }]),
            )),
            "/marketingDatabasesDefinition/marketingDatabases/0/identifiers/1/name",
            "duplicate",
        ),
        (
            with(databases(
                json!([{ "identifiers": [{ "name": "a", "type": "x" }] }, { "identifiers": [{ "name": "a", "type": "y" }] }]),
            )),
            "/marketingDatabasesDefinition/marketingDatabases/1/identifiers/0/name",
            "duplicate",
        ),
        (
            with(databases(json!(vec![json!({}); DATABASES_MAX + 1]))),
            DATABASES,
            "too-many",
        ),
    ];
    for (body, pointer, code) in cases {
        let mut shown = body.to_string();
        shown.truncate(300);
        assert_eq!(
            violations(&body),
            [(pointer.to_owned(), code.to_owned())],
            "{shown}"
        );
    }
}

#[test]
fn too_many_identifiers_and_attributes() {
    let many = |count: usize| -> Vec<Value> {
        (0..count)
            .map(|i| json!({ "name": format!("n{i}"), "type": "t" }))
            .collect()
    };
    let body = |member: &str, count: usize| with(databases(json!([{ member: many(count) }])));
    for (member, max) in [
        ("identifiers", IDENTIFIERS_MAX),
        ("attributes", ATTRIBUTES_MAX),
    ] {
        read(&body(member, max));
        let (pointer, code) = violations(&body(member, max + 1)).swap_remove(0);
        assert_eq!(
            (pointer.as_str(), code.as_str()),
            (
                "/marketingDatabasesDefinition/marketingDatabases",
                "too-many"
            )
        );
    }
}

#[test]
fn a_disabled_or_pulled_destination_needs_no_url() {
    read(&with(role(
        "event",
        "destination",
        json!({ "enabled": false }),
    )));
    read(&with(role(
        "event",
        "destination",
        json!({ "enabled": true, "destinationType": "pull" }),
    )));
}

#[test]
fn all_violations_at_once() {
    let body = json!({ "url": "x", "hashAlgorithm": "y", "endpointTypes": { "event": { "source": { "enabled": 1 } } } });
    let mut pointers: Vec<String> = violations(&body)
        .into_iter()
        .map(|(pointer, _)| pointer)
        .collect();
    pointers.sort();
    assert_eq!(
        pointers,
        [
            "/endpointTypes/event/source/enabled",
            "/hashAlgorithm",
            "/name",
            "/providerName",
            "/url"
        ]
    );
}

#[test]
fn the_list_of_violations_is_bounded() {
    let nameless = vec![json!({}); 2 * VIOLATIONS_MAX];
    let body = with(databases(json!([{ "identifiers": nameless }])));
    let invalid = EndpointDefinition::parse(&body).expect_err("it breaks rules");
    assert_eq!(invalid.violations.len(), VIOLATIONS_MAX);
    assert_eq!(invalid.more, 3 * VIOLATIONS_MAX, "the rest is counted");
}

/// JSON of any shape, with the names that registrations have.
fn any_json() -> impl Strategy<Value = Value> {
    const NAMES: &[&str] = &[
        "name",
        "type",
        "url",
        "providerName",
        "endpointTypes",
        "event",
        "segment",
        "source",
        "destination",
        "enabled",
        "marketingDatabasesDefinition",
        "marketingDatabases",
        "identifiers",
        "attributes",
        "hashMode",
        "id",
    ];
    const TEXTS: &[&str] = &["push", "pull", "NONE", "SHA256", "https://a"];
    fuzzing::documents::json(NAMES, TEXTS)
}

proptest! {
    /// Strangers may send anything: it is read or refused, and each violation lies in something that they sent.
    #[test]
    fn anything_is_read_or_refused(patch in any_json()) {
        for body in [patch.clone(), with(patch)] {
            match EndpointDefinition::parse(&body) {
                Ok(definition) => prop_assert!(!definition.name.trim().is_empty()),
                Err(invalid) => {
                    prop_assert!(!invalid.is_empty());
                    for violation in &invalid.violations {
                        prop_assert!(violation.pointer.is_empty() || violation.pointer.starts_with('/'));
                        let parent = violation.pointer.rsplit_once('/').map_or("", |(parent, _)| parent);
                        prop_assert!(body.pointer(parent).is_some(), "{} in {body}", violation.pointer);
                    }
                }
            }
        }
    }
}
