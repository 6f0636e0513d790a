//! Sending again is safe: an `Idempotency-Key` makes a call be taken once, an `eventId` makes an event be published once.

use std::time::Duration;

use engine::Fault;
use model::{AccountPolicy, Strictness};
use serde_json::{Value, json};

use crate::harness::{Answer, Receiver, TestAccount, TestEndpoint, TestHub, event};

const HOUR: Duration = Duration::from_secs(3600);

struct Scene {
    hub: TestHub,
    account: TestAccount,
    shop: TestEndpoint,
    receiver: Receiver,
}

impl Scene {
    async fn start() -> Self {
        let hub = TestHub::start().await;
        let account = hub.account().await;
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

    async fn restart(mut self) -> Self {
        self.hub = self.hub.restart().await;
        self
    }

    async fn crash(mut self) -> Self {
        self.hub = self.hub.crash().await;
        self
    }

    async fn publish(&self, key: &str, body: &Value) -> Answer {
        post(&self.hub, &self.shop, key, body).await
    }

    /// Events that arrived since the last look.
    async fn arrived(&self) -> usize {
        self.hub.settle().await;
        let count = |document: Value| document["events"].as_array().map_or(0, Vec::len);
        self.receiver
            .take()
            .iter()
            .map(|request| count(request.json()))
            .sum()
    }
}

async fn post(hub: &TestHub, endpoint: &TestEndpoint, key: &str, body: &Value) -> Answer {
    let bearer = format!("Bearer {}", endpoint.key);
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
        ("idempotency-key", key),
    ];
    hub.http
        .send("POST", "/v1/event", &headers, body.to_string())
        .await
}

/// Events that name themselves.
fn named(ids: &[&str]) -> Value {
    let events: Vec<Value> = ids
        .iter()
        .map(|id| json!({ "eventId": id, "code": "buy", "timestamp": "2026-03-02T11:00:00Z" }))
        .collect();
    json!({ "channel": "web", "identifiers": [{ "name": "email", "value": "ada@example.com" }], "events": events })
}

#[tokio::test]
async fn the_same_call_is_answered_the_same_and_published_once() {
    let scene = Scene::start().await;
    let body = event("buy", "ada@example.com", 1);
    let first = scene.publish("k-1", &body).await;
    assert_eq!(first.status, 200, "{}", first.text());
    let at_once = scene.publish("k-1", &body).await;
    assert_eq!(at_once.json(), first.json());
    assert_eq!(scene.arrived().await, 1);
    let routed = scene.publish("k-1", &body).await;
    assert_eq!(routed.json(), first.json());

    let another = scene.publish("k-2", &body).await;
    assert_ne!(another.json(), first.json());
    assert_eq!(scene.arrived().await, 1);
}

#[tokio::test]
async fn the_same_key_with_another_body_is_a_conflict() {
    let scene = Scene::start().await;
    let first = scene
        .publish("k-1", &event("buy", "ada@example.com", 1))
        .await;
    assert_eq!(first.status, 200);
    let malformed = json!({ "events": 5 });
    for body in [event("buy", "ada@example.com", 2), malformed] {
        let answer = scene.publish("k-1", &body).await;
        assert_eq!(answer.status, 409, "{}", answer.text());
        assert!(
            answer.json()["message"]
                .as_str()
                .is_some_and(|m| m.contains("another body"))
        );
    }
    assert_eq!(scene.arrived().await, 1);
}

#[tokio::test]
async fn a_key_is_the_publishers_own() {
    let scene = Scene::start().await;
    let other = scene.hub.publisher(&scene.account, &["buy"]).await;
    let first = scene
        .publish("k-1", &event("buy", "ada@example.com", 1))
        .await;
    let second = post(
        &scene.hub,
        &other,
        "k-1",
        &event("buy", "bob@example.com", 2),
    )
    .await;
    assert_eq!((first.status, second.status), (200, 200));
    assert_ne!(first.json(), second.json());
}

#[tokio::test]
async fn a_call_that_was_refused_leaves_its_key_free() {
    let scene = Scene::start().await;
    assert_eq!(
        scene
            .publish("k-1", &event("steal", "ada@example.com", 1))
            .await
            .status,
        400
    );
    scene.hub.faults.next(1, Fault::DiskFull);
    assert_eq!(
        scene
            .publish("k-1", &event("buy", "ada@example.com", 1))
            .await
            .status,
        503
    );
    assert_eq!(
        scene
            .publish("k-1", &event("buy", "ada@example.com", 1))
            .await
            .status,
        200
    );
    assert_eq!(scene.arrived().await, 1);
}

#[tokio::test]
async fn keys_are_one_to_256_readable_bytes() {
    let scene = Scene::start().await;
    let body = event("buy", "ada@example.com", 1);
    assert_eq!(scene.publish(&"k".repeat(256), &body).await.status, 200);
    for key in [String::new(), "k".repeat(257), "ключ".to_owned()] {
        let answer = scene.publish(&key, &body).await;
        assert_eq!(answer.status, 400, "{key}");
        assert_eq!(answer.json()["errors"][0]["code"], "idempotency-key");
    }
}

#[tokio::test]
async fn after_a_day_a_key_is_new() {
    let scene = Scene::start().await;
    let body = event("buy", "ada@example.com", 1);
    let first = scene.publish("k-1", &body).await;
    scene.hub.pass(24 * HOUR - Duration::from_secs(1)).await;
    assert_eq!(scene.publish("k-1", &body).await.json(), first.json());
    assert_eq!(scene.arrived().await, 1);
    scene.hub.pass(Duration::from_secs(1)).await;
    assert_ne!(scene.publish("k-1", &body).await.json(), first.json());
    assert_eq!(scene.arrived().await, 1);
}

#[tokio::test]
async fn keys_outlive_a_restart_and_a_crash() {
    let scene = Scene::start().await;
    let body = event("buy", "ada@example.com", 1);
    let saved = scene.publish("saved", &body).await;
    assert_eq!(scene.arrived().await, 1);
    let unsaved = scene.publish("unsaved", &body).await;

    // The second call was answered but not routed; its key is only in the log.
    let scene = scene.crash().await;
    assert_eq!(scene.publish("saved", &body).await.json(), saved.json());
    assert_eq!(scene.publish("unsaved", &body).await.json(), unsaved.json());
    assert_eq!(
        scene
            .publish("unsaved", &event("buy", "x@example.com", 2))
            .await
            .status,
        409
    );
    assert_eq!(scene.arrived().await, 1, "the unsaved one");

    let scene = scene.restart().await;
    assert_eq!(scene.publish("unsaved", &body).await.json(), unsaved.json());
    assert_eq!(scene.arrived().await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_fifty_calls_at_once_with_one_key_one_is_taken() {
    let scene = Scene::start().await;
    for round in 0..4 {
        let key = format!("k-{round}");
        let body = event("buy", "ada@example.com", round);
        let calls = (0..50).map(|_| scene.publish(&key, &body));
        let answers = futures_util::future::join_all(calls).await;
        assert!(answers.iter().all(|answer| answer.status == 200));
        assert!(
            answers
                .iter()
                .all(|answer| answer.json() == answers[0].json())
        );
    }
    assert_eq!(scene.arrived().await, 4);
}

/// The rules may have become stricter since; a call that was taken is answered as before.
#[tokio::test]
async fn a_repeated_call_is_not_judged_again() {
    let scene = Scene::start().await;
    let mut body = event("buy", "ada@example.com", 1);
    body["events"][0]["attributes"][0]["name"] = json!("undeclared");
    let first = scene.publish("k-1", &body).await;
    assert_eq!(first.status, 200);
    let strict = AccountPolicy {
        strictness: Strictness::Strict,
        ..AccountPolicy::default()
    };
    let (actor, scope) = (hub::Actor::OPERATOR, hub::Scope(scene.account.id));
    scene
        .hub
        .server
        .hub
        .account_set_policy(&actor, scope, strict)
        .await
        .expect("a policy");
    assert_eq!(scene.publish("k-2", &body).await.status, 400);
    assert_eq!(scene.publish("k-1", &body).await.json(), first.json());
}

#[tokio::test]
async fn an_event_that_names_itself_is_published_once() {
    let scene = Scene::start().await;
    // Within a call, across calls, and mixed with new ones: repeats count as accepted.
    for (ids, new) in [
        (&["a", "a", "b"][..], 2),
        (&["a"], 0),
        (&["b", "a"], 0),
        (&["a", "c", "b"], 1),
    ] {
        let answer = scene.hub.publish(&scene.shop, named(ids)).await;
        assert_eq!(answer.json()["accepted"], ids.len(), "{ids:?}");
        assert_eq!(scene.arrived().await, new, "{ids:?}");
    }
    // Also while nothing of it has been routed.
    for _ in 0..2 {
        scene.hub.published(&scene.shop, named(&["d"])).await;
    }
    assert_eq!(scene.arrived().await, 1);
    // A number is as good a name.
    let mut numbered = named(&["7"]);
    scene.hub.published(&scene.shop, numbered.clone()).await;
    numbered["events"][0]["eventId"] = json!(7);
    scene.hub.published(&scene.shop, numbered).await;
    assert_eq!(scene.arrived().await, 1);
}

#[tokio::test]
async fn an_event_id_is_the_publishers_own_and_is_forgotten_after_a_day() {
    let scene = Scene::start().await;
    let other = scene.hub.publisher(&scene.account, &["buy"]).await;
    let receiver = Receiver::start().await;
    let erp = scene
        .hub
        .push_destination(&scene.account, &receiver.url())
        .await;
    scene
        .hub
        .subscribe(&scene.account, &other, "buy", &erp)
        .await;
    scene.hub.published(&scene.shop, named(&["a"])).await;
    scene.hub.published(&other, named(&["a"])).await;
    assert_eq!(scene.arrived().await, 1);
    assert_eq!(receiver.count(), 1);

    scene.hub.pass(24 * HOUR - Duration::from_secs(1)).await;
    scene.hub.published(&scene.shop, named(&["a"])).await;
    assert_eq!(scene.arrived().await, 0);
    scene.hub.pass(Duration::from_secs(1)).await;
    scene.hub.published(&scene.shop, named(&["a"])).await;
    assert_eq!(scene.arrived().await, 1);
}

#[tokio::test]
async fn event_ids_outlive_a_restart_and_a_crash() {
    let scene = Scene::start().await;
    scene.hub.published(&scene.shop, named(&["saved"])).await;
    assert_eq!(scene.arrived().await, 1);
    scene.hub.published(&scene.shop, named(&["unsaved"])).await;
    let scene = scene.crash().await;
    scene
        .hub
        .published(&scene.shop, named(&["saved", "unsaved"]))
        .await;
    assert_eq!(scene.arrived().await, 1, "the unsaved one");
    let scene = scene.restart().await;
    scene
        .hub
        .published(&scene.shop, named(&["unsaved", "saved"]))
        .await;
    assert_eq!(scene.arrived().await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_calls_at_once_that_overlap_publish_each_event_once() {
    let scene = Scene::start().await;
    let ids: Vec<String> = (0..54).map(|n| format!("e-{n}")).collect();
    // Windows of five, forwards and backwards: every order in which keys can be asked for.
    let calls = (0..50).map(|n| {
        let mut window: Vec<&str> = ids[n..n + 5].iter().map(String::as_str).collect();
        if n % 2 == 1 {
            window.reverse();
        }
        scene.hub.published(&scene.shop, named(&window))
    });
    futures_util::future::join_all(calls).await;
    assert_eq!(scene.arrived().await, 54);
}

/// A call of which nothing is new has no record in the log; its answer is kept all the same.
#[tokio::test]
async fn a_key_is_remembered_also_when_every_event_was_known() {
    let scene = Scene::start().await;
    scene.hub.published(&scene.shop, named(&["a"])).await;
    assert_eq!(scene.arrived().await, 1);
    scene.hub.pass(23 * HOUR).await;
    let first = scene.publish("k-1", &named(&["a"])).await;
    assert_eq!(scene.publish("k-1", &named(&["b"])).await.status, 409);
    scene.hub.pass(2 * HOUR).await;
    assert_eq!(
        scene.publish("k-1", &named(&["a"])).await.json(),
        first.json()
    );
    assert_eq!(scene.arrived().await, 0);
}
