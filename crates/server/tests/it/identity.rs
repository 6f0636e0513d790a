//! Identity: what is seen together is one person, and who is known is told to those who take it.

mod graph;
mod manage;

use serde_json::{Value, json};

use crate::harness::Request;
use crate::harness::scene::{BUY, Scene};

/// An event of somebody with these identifiers.
pub(crate) fn seen(identifiers: &[(&str, &str)]) -> Value {
    let identifiers: Vec<Value> = identifiers
        .iter()
        .map(|(name, value)| json!({ "name": name, "value": value }))
        .collect();
    json!({ "channel": "web", "identifiers": identifiers, "events": [
        { "code": BUY, "timestamp": "2026-03-02T11:59:58.125Z", "attributes": [] }
    ] })
}

/// `name=value` of the identifiers of a pushed document, those that were added in brackets.
fn identifiers(document: &Value) -> Vec<String> {
    let list = document["identifiers"].as_array().expect("a list");
    let shown = list.iter().map(|one| {
        let text = format!(
            "{}={}",
            one["name"].as_str().expect("a name"),
            one["value"].as_str().expect("a value")
        );
        match one["isOriginal"].as_bool() {
            Some(true) => text,
            _ => format!("({text})"),
        }
    });
    shown.collect()
}

#[tokio::test]
async fn late_identifiers_enrich_later_events() {
    let scene = Scene::start().await;
    let crm = scene.subscriber().await;
    let steps: [&[(&str, &str)]; 4] = [
        &[("cookie", "c1")],
        &[("cookie", "c1"), ("email", "Ada@example.com")],
        &[("email", "ada@EXAMPLE.com")],
        &[("email", "grace@example.com")],
    ];
    for step in steps {
        scene.hub.published(&scene.shop, seen(step)).await;
        scene.settle().await;
    }
    let documents: Vec<Value> = crm.receiver.requests().iter().map(Request::json).collect();
    assert_eq!(identifiers(&documents[0]), ["cookie=c1"]);
    assert_eq!(
        identifiers(&documents[1]),
        ["cookie=c1", "email=Ada@example.com"]
    );
    assert_eq!(
        identifiers(&documents[2]),
        ["email=ada@EXAMPLE.com", "(cookie=c1)"]
    );
    assert_eq!(identifiers(&documents[3]), ["email=grace@example.com"]);
    let x1_ids: Vec<&Value> = documents.iter().map(|one| &one["x1Id"]).collect();
    assert!(x1_ids.iter().all(|id| id.is_string()));
    assert_eq!((x1_ids[0], x1_ids[1]), (x1_ids[1], x1_ids[2]));
    assert_ne!(x1_ids[2], x1_ids[3]);
}

#[tokio::test]
async fn an_identifier_that_is_nobodys_on_ten_thousand_events_merges_nobody() {
    let scene = Scene::start().await;
    let crm = scene.subscriber().await;
    for start in (0..10_000).step_by(500) {
        let events: Vec<Value> = (start..start + 500)
            .map(|number| {
                let mut event = seen(&[
                    ("email", "unknown@example.com"),
                    ("cookie", &format!("c{number}")),
                ]);
                event["events"].take()[0].take().as_object_mut().map(|one| {
                    one.insert("identifiers".into(), event["identifiers"].take());
                    one.insert("channel".into(), "web".into());
                    Value::Object(std::mem::take(one))
                })
            })
            .map(|event| event.expect("an event"))
            .collect();
        scene
            .hub
            .published(&scene.shop, json!({ "events": events }))
            .await;
    }
    scene.settle().await;
    let documents: Vec<Value> = crm.receiver.requests().iter().map(Request::json).collect();
    assert_eq!(documents.len(), 10_000);
    let people: std::collections::HashSet<&str> = documents
        .iter()
        .map(|one| one["x1Id"].as_str().expect("a person"))
        .collect();
    assert_eq!(people.len(), 10_000, "everybody is somebody else");
    assert!(
        documents.iter().all(|one| identifiers(one).len() == 2),
        "and nobody gets anybody's"
    );
}
