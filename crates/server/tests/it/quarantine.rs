//! Quarantine: an account may have the valid events of a call taken and the others kept, to be repaired and published.

use hub::quarantine::Mapping;
use hub::{Actor, Error, Page, Scope};
use model::{AccountPolicy, EndpointId, Environment, RefusedEvents};
use serde_json::{Value, json};
use store::quarantine::{QuarantineState, Quarantined};

use crate::harness::{Receiver, TestAccount, TestEndpoint, TestHub};

const AT: &str = "2026-03-02T11:59:58Z";

struct Scene {
    hub: TestHub,
    account: TestAccount,
    shop: TestEndpoint,
    receiver: Receiver,
}

impl Scene {
    async fn start() -> Self {
        let hub = TestHub::start().await;
        let policy = AccountPolicy {
            refused_events: RefusedEvents::Quarantine,
            ..AccountPolicy::default()
        };
        let account = hub.account_in(Environment::Production, policy).await;
        let shop = hub.publisher(&account, &["buy"]).await;
        let receiver = Receiver::start().await;
        let crm = hub.push_destination(&account, &receiver.url()).await;
        hub.subscribe(&account, &shop, "buy", &crm).await;
        Self {
            hub,
            account,
            shop,
            receiver,
        }
    }

    fn scope(&self) -> Scope {
        Scope(self.account.id)
    }

    async fn list(&self, state: QuarantineState) -> Vec<Quarantined> {
        let page = Page {
            after: 0,
            limit: 100,
        };
        let hub = &self.hub.server.hub;
        hub.quarantine(self.scope(), state, None, page)
            .await
            .expect("a list")
    }

    async fn held(&self) -> Vec<Quarantined> {
        self.list(QuarantineState::Held).await
    }

    /// The order totals that arrived since the last look.
    async fn arrived(&self) -> Vec<String> {
        self.hub.settle().await;
        let mut totals = Vec::new();
        for request in self.receiver.take() {
            for event in request.json()["events"].as_array().expect("events") {
                totals.push(
                    event["attributes"][0]["value"]
                        .as_str()
                        .unwrap_or_default()
                        .to_owned(),
                );
            }
        }
        totals.sort();
        totals
    }

    async fn repair(
        &self,
        event: &Quarantined,
        body: &Value,
    ) -> hub::Result<hub::publish::Published> {
        let hub = &self.hub.server.hub;
        hub.quarantine_repair(&Actor::OPERATOR, self.scope(), event.id, body)
            .await
    }

    async fn repair_all(
        &self,
        endpoint: EndpointId,
        mapping: Mapping,
    ) -> hub::quarantine::Repaired {
        let hub = &self.hub.server.hub;
        let repaired =
            hub.quarantine_repair_all(&Actor::OPERATOR, self.scope(), endpoint, &mapping);
        repaired.await.expect("repaired")
    }
}

fn told(code: &str, total: &str) -> Value {
    json!({ "code": code, "timestamp": AT, "attributes": [{ "name": "orderTotal", "value": total }] })
}

fn about(name: &str, events: &[Value]) -> Value {
    json!({ "channel": "web", "identifiers": [{ "name": name, "value": "ada@example.com" }], "events": events })
}

#[tokio::test]
async fn the_valid_events_of_a_call_are_taken_and_the_others_kept() {
    let scene = Scene::start().await;
    let body = about(
        "email",
        &[told("buy", "1"), told("bye", "2"), json!({ "code": "buy" })],
    );
    let answer = scene.hub.publish(&scene.shop, body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["accepted"], 1);
    assert_eq!(answer.json()["quarantined"], 2);
    assert_eq!(scene.arrived().await, ["1"]);

    let held = scene.held().await;
    assert_eq!(held.len(), 2);
    assert_eq!(held[0].endpoint, scene.shop.id);
    assert_eq!(
        held[0].violations[0].pointer, "/events/0/code",
        "into the body that is kept"
    );
    let kept: Value = serde_json::from_str(&held[0].body).expect("JSON");
    assert_eq!(kept, about("email", &[told("bye", "2")]));
    assert_eq!(held[1].violations[0].pointer, "/events/0/timestamp");
}

#[tokio::test]
async fn a_call_without_a_shape_is_refused_and_nothing_is_kept() {
    let scene = Scene::start().await;
    for body in [
        json!({ "events": "buy" }),
        json!([]),
        json!({ "channel": "web", "events": [] }),
    ] {
        assert_eq!(scene.hub.publish(&scene.shop, body).await.status, 400);
    }
    assert!(scene.held().await.is_empty());
}

#[tokio::test]
async fn an_event_is_repaired_and_published_once() {
    let scene = Scene::start().await;
    scene
        .hub
        .published(&scene.shop, about("email", &[told("bye", "2")]))
        .await;
    let held = scene.held().await;
    let event = &held[0];

    // Still wrong: told, and held as before.
    let Err(Error::Invalid(invalid)) = scene
        .repair(event, &about("email", &[told("by", "2")]))
        .await
    else {
        panic!("it was taken");
    };
    assert_eq!(invalid.violations[0].pointer, "/events/0/code");
    assert_eq!(scene.held().await.len(), 1);

    scene
        .repair(event, &about("email", &[told("buy", "2")]))
        .await
        .expect("published");
    assert_eq!(scene.arrived().await, ["2"]);
    assert!(scene.held().await.is_empty());
    assert_eq!(scene.list(QuarantineState::Published).await.len(), 1);

    let again = scene
        .repair(event, &about("email", &[told("buy", "2")]))
        .await;
    assert!(matches!(again, Err(Error::Conflict(_))), "{again:?}");
    assert!(scene.arrived().await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_people_who_repair_at_once_publish_once() {
    let scene = Scene::start().await;
    scene
        .hub
        .published(&scene.shop, about("email", &[told("bye", "2")]))
        .await;
    let held = scene.held().await;
    let body = about("email", &[told("buy", "2")]);
    let both = (0..8).map(|_| scene.repair(&held[0], &body));
    let repaired = futures_util::future::join_all(both).await;
    assert!(repaired.iter().any(Result::is_ok));
    assert_eq!(scene.arrived().await, ["2"]);
}

/// A publisher cannot stand in the way of a repair by using a key like ours.
#[tokio::test]
async fn repairs_have_keys_of_their_own() {
    let scene = Scene::start().await;
    scene
        .hub
        .published(&scene.shop, about("email", &[told("bye", "2")]))
        .await;
    let held = scene.held().await;
    let bearer = format!("Bearer {}", scene.shop.key);
    let key = format!("quarantine:{}", held[0].id);
    let headers = [
        ("authorization", bearer.as_str()),
        ("idempotency-key", key.as_str()),
    ];
    let body = about("email", &[told("buy", "1")]).to_string();
    assert_eq!(
        scene
            .hub
            .http
            .send("POST", "/v1/event", &headers, body)
            .await
            .status,
        200
    );
    scene
        .repair(&held[0], &about("email", &[told("buy", "2")]))
        .await
        .expect("published");
    assert_eq!(scene.arrived().await, ["1", "2"]);
}

#[tokio::test]
async fn many_are_repaired_by_a_mapping_of_names() {
    let scene = Scene::start().await;
    let compound = json!({ "eventbatch": [{ "channel": "web", "identifiers": [{ "name": "e-mail", "value": "b@example.com" }],
        "events": [{ "code": "purchase", "attributes": { "total": "4" } }] }] });
    let simple = json!({ "events": [{ "code": "purchase", "timestamp": AT, "identifiers": [{ "name": "e-mail", "value": "c@example.com" }],
        "attributes": [{ "name": "total", "value": "5" }] }] });
    let hopeless = about("email", &[told("steal", "6")]);
    for body in [
        about("e-mail", &[told("purchase", "3")]),
        compound,
        simple,
        hopeless,
    ] {
        let answer = scene.hub.publish(&scene.shop, body).await;
        assert_eq!(answer.json()["quarantined"], 1, "{}", answer.text());
    }
    let names = |from: &str, to: &str| [(from.to_owned(), to.to_owned())].into();
    let mapping = Mapping {
        codes: names("purchase", "buy"),
        identifiers: names("e-mail", "email"),
        attributes: names("total", "orderTotal"),
        channel: Some("store".to_owned()),
    };
    let repaired = scene.repair_all(scene.shop.id, mapping.clone()).await;
    assert_eq!(repaired.published.len(), 3, "{repaired:?}");
    let [(id, invalid)] = &repaired.refused[..] else {
        panic!("{repaired:?}");
    };
    assert_eq!(invalid.violations[0].code, "unknown-event-type");
    assert_eq!(scene.arrived().await, ["3", "4", "5"]);
    assert_eq!(
        scene
            .held()
            .await
            .iter()
            .map(|event| event.id)
            .collect::<Vec<_>>(),
        [*id]
    );

    let again = scene.repair_all(scene.shop.id, mapping).await;
    assert!(again.published.is_empty());
    assert!(scene.arrived().await.is_empty());
}

#[tokio::test]
async fn a_mapping_is_for_one_publisher() {
    let scene = Scene::start().await;
    let other = scene.hub.publisher(&scene.account, &["buy"]).await;
    scene
        .hub
        .published(&other, about("email", &[told("purchase", "1")]))
        .await;
    let mapping = Mapping {
        codes: [("purchase".to_owned(), "buy".to_owned())].into(),
        ..Mapping::default()
    };
    assert!(
        scene
            .repair_all(scene.shop.id, mapping)
            .await
            .published
            .is_empty()
    );
    assert_eq!(scene.held().await.len(), 1);
}

#[tokio::test]
async fn what_is_given_up_is_not_published_any_more() {
    let scene = Scene::start().await;
    scene
        .hub
        .published(&scene.shop, about("email", &[told("bye", "2")]))
        .await;
    let held = scene.held().await;
    let hub = &scene.hub.server.hub;
    hub.quarantine_discard(&Actor::OPERATOR, scene.scope(), held[0].id)
        .await
        .expect("discarded");
    assert!(scene.held().await.is_empty());
    assert_eq!(scene.list(QuarantineState::Discarded).await.len(), 1);
    let repaired = scene
        .repair(&held[0], &about("email", &[told("buy", "2")]))
        .await;
    assert!(matches!(repaired, Err(Error::Conflict(_))), "{repaired:?}");
    assert!(scene.arrived().await.is_empty());
}

#[tokio::test]
async fn another_account_sees_and_changes_nothing() {
    let scene = Scene::start().await;
    scene
        .hub
        .published(&scene.shop, about("email", &[told("bye", "2")]))
        .await;
    let held = scene.held().await;
    let stranger = Scope(scene.hub.account().await.id);
    let hub = &scene.hub.server.hub;
    let body = about("email", &[told("buy", "2")]);
    let repaired = hub
        .quarantine_repair(&Actor::OPERATOR, stranger, held[0].id, &body)
        .await;
    assert!(matches!(repaired, Err(Error::NotFound(_))), "{repaired:?}");
    let discarded = hub
        .quarantine_discard(&Actor::OPERATOR, stranger, held[0].id)
        .await;
    assert!(
        matches!(discarded, Err(Error::NotFound(_))),
        "{discarded:?}"
    );
    assert_eq!(scene.held().await.len(), 1);
}

#[tokio::test]
async fn what_is_kept_outlives_a_crash_and_is_kept_once() {
    let mut scene = Scene::start().await;
    let body = about("email", &[told("buy", "1"), told("bye", "2")]);
    scene.hub.published(&scene.shop, body).await;
    scene.hub = scene.hub.crash().await;
    assert_eq!(scene.arrived().await, ["1"]);
    assert_eq!(scene.held().await.len(), 1);
    scene.hub = scene.hub.restart().await;
    assert_eq!(scene.held().await.len(), 1);
}
