//! Identifiers on the way out: the destination's own names, by type, hashed as it asks; what cannot be hashed stays.

use serde_json::{Value, json};

use crate::harness::scene::{BUY, Scene};
use crate::harness::{Receiver, destination_definition};

/// What a destination with these identifiers gets of a purchase with these.
async fn sent(scene: &Scene, defined: Value, published: Value) -> Vec<(String, String)> {
    sent_to(scene, json!({}), defined, published).await
}

/// The same with further members of the endpoint.
async fn sent_to(
    scene: &Scene,
    more: Value,
    defined: Value,
    published: Value,
) -> Vec<(String, String)> {
    let receiver = Receiver::start().await;
    let mut definition = destination_definition(&receiver.url(), json!({ "enabled": true }));
    definition["marketingDatabasesDefinition"] =
        json!({ "marketingDatabases": [{ "name": "crm", "identifiers": defined }] });
    for (name, value) in more.as_object().expect("an object") {
        definition[name] = value.clone();
    }
    let crm = scene.hub.endpoint(&scene.account, definition).await;
    scene.subscribe(&crm).await;
    let body = json!({ "channel": "web", "identifiers": published,
        "events": [{ "code": BUY, "timestamp": "2026-03-02T11:59:58Z" }] });
    scene.hub.published(&scene.shop, body).await;
    scene.settle().await;
    let requests = receiver.requests();
    assert_eq!(requests.len(), 1);
    let identifiers = requests[0].json()["identifiers"].clone();
    let identifiers = identifiers.as_array().expect("identifiers").clone();
    let text = |i: &Value, member: &str| i[member].as_str().expect("text").to_owned();
    identifiers
        .iter()
        .map(|i| (text(i, "name"), text(i, "value")))
        .collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

#[tokio::test]
async fn identifiers_come_under_the_destinations_names_and_only_the_types_it_takes() {
    let scene = Scene::start().await;
    let defined = json!([{ "name": "EMAIL_ADDR", "type": "Email" }]);
    let published = json!([
        { "name": "email", "value": "tstark@ibm.com" }, { "name": "cookie", "value": "c-1" }
    ]);
    let sent = sent(&scene, defined, published).await;
    assert_eq!(sent, pairs(&[("EMAIL_ADDR", "tstark@ibm.com")]));
}

#[tokio::test]
async fn required_is_hashed_on_the_way_out() {
    let vector = "a806e1cd202da3d06370a69d09203da12115c39ed53798d34c661876f1244feb";
    for mode in ["REQUIRED", "HASHED"] {
        let scene = Scene::start().await;
        let defined = json!([{ "name": "mail", "type": "email", "hashMode": mode, "hashAlgorithm": "EMAIL_SHA256" }]);
        let published = json!([{ "name": "email", "value": " TStark@IBM.com " }]);
        let sent = sent(&scene, defined, published).await;
        assert_eq!(sent, pairs(&[("mail", vector)]), "{mode}");
    }
}

#[tokio::test]
async fn the_endpoints_algorithm_counts_where_the_identifier_names_none_else_sha256() {
    // Of `abc`, as published with the algorithms.
    let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    let sha1 = "a9993e364706816aba3e25717850c26c9cd0d89d";
    for (more, expected) in [
        (json!({}), sha256),
        (json!({ "hashAlgorithm": "SHA1" }), sha1),
    ] {
        let scene = Scene::start().await;
        let defined = json!([{ "name": "id", "type": "cookie", "hashMode": "REQUIRED" }]);
        let published = json!([{ "name": "cookie", "value": "abc" }]);
        let sent = sent_to(&scene, more, defined, published).await;
        assert_eq!(sent, pairs(&[("id", expected)]));
    }
}

#[tokio::test]
async fn a_phone_that_is_none_is_left_out_and_counted() {
    let scene = Scene::start().await;
    let defined = json!([
        { "name": "tel", "type": "phone", "hashMode": "REQUIRED", "hashAlgorithm": "PHONE_SHA256" },
        { "name": "id", "type": "cookie" },
    ]);
    let published = json!([
        { "name": "phone", "value": "ask me later" }, { "name": "cookie", "value": "c-1" }
    ]);
    let left = sent(&scene, defined.clone(), published).await;
    assert_eq!(left, pairs(&[("id", "c-1")]), "never sent in the clear");
    assert_eq!(scene.hub.server.hub.metrics.unhashable.get(), 1);

    let published = json!([{ "name": "phone", "value": "+1 (650) 253-0000" }]);
    let scene = Scene::start().await;
    let hashed = sent(&scene, defined, published).await;
    assert_eq!(hashed.len(), 1);
    assert_eq!(hashed[0].0, "tel");
    assert!(hashed[0].1.len() == 64 && !hashed[0].1.contains("650253"));
}

/// The address and its digest are Google's own example.
#[tokio::test]
async fn a_profile_dresses_values_as_the_platform_publishes_it() {
    let defined = json!([{ "name": "Email", "type": "email" }, { "name": "id", "type": "cookie" }]);
    let published = json!([
        { "name": "email", "value": "Cloudy.SanFrancisco+shopping@gmail.com" },
        { "name": "cookie", "value": "c-1" },
    ]);
    let digest = "223ebda6f6889b1494551ba902d9d381daf2f642bae055888e96343d53e9f9c4";
    let scene = Scene::start().await;
    let more = json!({ "hashProfile": "google_customer_match" });
    let sent = sent_to(&scene, more, defined, published).await;
    assert_eq!(sent, pairs(&[("Email", digest), ("id", "c-1")]));
}

#[tokio::test]
async fn what_looks_hashed_is_left_out_unless_the_account_lets_it_pass() {
    let digest = "a806e1cd202da3d06370a69d09203da12115c39ed53798d34c661876f1244feb";
    let defined = json!([
        { "name": "mail", "type": "email", "hashMode": "REQUIRED", "hashAlgorithm": "EMAIL_SHA256" },
        { "name": "id", "type": "cookie" },
    ]);
    let published = json!([
        { "name": "email", "value": digest }, { "name": "cookie", "value": "c-1" },
    ]);
    let scene = Scene::start().await;
    let refused = sent(&scene, defined.clone(), published.clone()).await;
    assert_eq!(refused, pairs(&[("id", "c-1")]), "never hashed again");
    assert_eq!(scene.hub.server.hub.metrics.unhashable.get(), 1);

    let scene = Scene::start().await;
    let path = format!("/accounts/{}", scene.account.id);
    let change = json!({ "policy": { "hashedValues": "pass" } });
    let answer = scene.hub.manage("PATCH", &path, change).await;
    assert_eq!(answer.status, 200);
    let passed = sent(&scene, defined, published).await;
    assert_eq!(passed, pairs(&[("mail", digest), ("id", "c-1")]));
}

#[tokio::test]
async fn pull_destinations_are_served_alike() {
    let scene = Scene::start().await;
    let mut definition =
        destination_definition("", json!({ "enabled": true, "destinationType": "pull" }));
    definition["marketingDatabasesDefinition"] = json!({ "marketingDatabases": [{ "name": "w", "identifiers": [
        { "name": "mail", "type": "email", "hashMode": "REQUIRED", "hashAlgorithm": "MD5" } ] }] });
    let warehouse = scene.hub.endpoint(&scene.account, definition).await;
    scene.subscribe(&warehouse).await;
    scene.buy("ada@example.com", 1).await;
    let hub = &scene.hub.server.hub;
    let names = hub.event_files(scene.scope(), warehouse.id, 10).await;
    let file = hub
        .event_file(scene.scope(), warehouse.id, &names.expect("names")[0])
        .await
        .expect("a file");
    let text = String::from_utf8_lossy(&file);
    assert!(!text.contains("ada@example.com") && text.contains("\"mail\""));
}
