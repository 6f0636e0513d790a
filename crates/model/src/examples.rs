//! The files in `examples/` held against the rules of this crate: what we show to newcomers is what we take.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;
use serde_json::Value;

use crate::account::AccountPolicy;
use crate::endpoint::EndpointDefinition;
use crate::event_post::{self, PostLimits};
use crate::event_type::{EventType, NAMESPACE_DEFAULT, RegistrationType};
use crate::hashing::{self, HashAlgorithm, HashMode};
use crate::id::{AccountId, EndpointId, EventTypeId};
use crate::publisher::Publisher;
use crate::record::Entry;
use crate::{catalog, invalid::Invalid};

const SHOP: &str = include_str!("../../../examples/shop-endpoint.json");
const CRM: &str = include_str!("../../../examples/crm-endpoint.json");
const WAREHOUSE: &str = include_str!("../../../examples/warehouse-endpoint.json");
const TYPES: &str = include_str!("../../../examples/shop-event-types.json");
const EVENTS: &str = include_str!("../../../examples/shop-events.jsonl");
const MALFORMED: &str = include_str!("../../../examples/malformed-event.json");

fn endpoint(text: &str) -> EndpointDefinition {
    let body: Value = serde_json::from_str(text).expect("JSON");
    EndpointDefinition::parse(&body).expect("a registration that is taken")
}

fn event_types() -> Vec<EventType> {
    let bodies: Vec<Value> = serde_json::from_str(TYPES).expect("an array");
    let word = |body: &Value, name: &str| body[name].as_str().expect(name).to_owned();
    let read = |body: &Value| EventType {
        id: EventTypeId(1),
        endpoint: EndpointId(1),
        code: word(body, "code"),
        name: word(body, "name"),
        description: Some(word(body, "description")),
        namespace: NAMESPACE_DEFAULT.to_owned(),
        version: body["version"].as_i64().expect("a version"),
        registration: RegistrationType::parse(&word(body, "registrationType")).expect("PUBLISH"),
        attributes: serde_json::from_value(body["attributes"].clone()).expect("attributes"),
        is_custom: catalog::recognized(&word(body, "code")).is_none(),
    };
    bodies.iter().map(read).collect()
}

fn shop() -> Publisher {
    let definition = endpoint(SHOP);
    let mut event_types: HashMap<String, Vec<EventType>> = HashMap::new();
    for event_type in self::event_types() {
        event_types
            .entry(event_type.code.clone())
            .or_default()
            .push(event_type);
    }
    Publisher {
        account: AccountId(1),
        endpoint: EndpointId(1),
        identifiers: definition
            .identifiers()
            .map(|one| (one.name.clone(), one.clone()))
            .collect(),
        provider: definition.provider_name,
        source: definition.name,
        event_types,
        policy: AccountPolicy::default(),
    }
}

fn post<'a>(body: &'a str, shop: &'a Publisher) -> Result<event_post::Parsed<'a>, Invalid> {
    event_post::parse(
        body.as_bytes(),
        shop,
        Timestamp::UNIX_EPOCH,
        &PostLimits::default(),
    )
}

#[test]
fn every_line_of_the_stream_is_taken_and_none_surprises() {
    let shop = shop();
    let mut codes = BTreeSet::new();
    for line in EVENTS.lines() {
        let parsed =
            post(line, &shop).unwrap_or_else(|invalid| panic!("{line}\n{:?}", invalid.violations));
        assert!(
            parsed.accepted > 0 && parsed.quarantined == 0 && parsed.drift.is_empty(),
            "{line}\n{:?}",
            parsed.drift
        );
        for entry in &parsed.entries {
            let Entry::Document(document) = entry else {
                panic!("refused: {line}")
            };
            codes.extend(document.events.iter().map(|event| event.code.to_string()));
        }
    }
    let registered: BTreeSet<String> = shop.event_types.keys().cloned().collect();
    assert_eq!(codes, registered, "all that is registered occurs");
}

#[test]
fn every_address_and_number_of_the_stream_can_be_hashed() {
    let shop = shop();
    for line in EVENTS.lines() {
        for entry in post(line, &shop).expect("a test above").entries {
            let Entry::Document(document) = entry else {
                continue;
            };
            for identifier in document.identifiers {
                let algorithm = match identifier.kind.as_ref() {
                    "email" => HashAlgorithm::EmailSha256,
                    "phone" => HashAlgorithm::PhoneSha256,
                    _ => HashAlgorithm::Sha256,
                };
                let hash = hashing::hash(algorithm, &identifier.value, None);
                assert!(hash.is_ok(), "{identifier:?}: {hash:?}");
            }
        }
    }
}

#[test]
fn the_malformed_event_shows_several_violations_at_once() {
    let shop = shop();
    let invalid = post(MALFORMED, &shop).expect_err("it is malformed");
    let pointers: BTreeSet<&str> = invalid
        .violations
        .iter()
        .map(|violation| violation.pointer.as_str())
        .collect();
    assert!(pointers.len() >= 4, "{:?}", invalid.violations);
    assert!(pointers.contains("/events/0/timestamp"), "{pointers:?}");
}

#[test]
fn recognized_event_types_declare_what_the_catalog_knows() {
    let mut custom = Vec::new();
    for event_type in event_types() {
        let Some(known) = catalog::recognized(&event_type.code) else {
            custom.push(event_type.code);
            continue;
        };
        assert_eq!(event_type.name, known.name);
        for attribute in &event_type.attributes {
            assert!(
                known.attributes.contains(attribute),
                "{}: {attribute:?}",
                event_type.code
            );
        }
    }
    assert_eq!(custom, ["parcelDelivered"]);
}

#[test]
fn the_subscribers_take_what_the_shop_has_under_their_own_names() {
    let kinds = |definition: &EndpointDefinition| -> BTreeSet<String> {
        definition
            .identifiers()
            .map(|identifier| identifier.kind.clone())
            .collect()
    };
    let (shop, crm, warehouse) = (endpoint(SHOP), endpoint(CRM), endpoint(WAREHOUSE));
    assert_eq!(kinds(&warehouse), kinds(&shop));
    assert!(kinds(&crm).is_subset(&kinds(&shop)));
    let email = crm
        .identifiers()
        .find(|identifier| identifier.kind == "email")
        .expect("it takes addresses");
    assert_eq!(
        (email.hash_mode, email.hash_algorithm),
        (HashMode::Required, Some(HashAlgorithm::EmailSha256))
    );
}
