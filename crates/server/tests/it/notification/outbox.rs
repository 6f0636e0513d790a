//! The outbox: nothing in it is lost or sent too often, whoever receives is slow or down, and people see how it goes.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Told, change, changes, put};
use crate::harness::scene::{BUY, Scene};
use crate::harness::{Launch, Receiver, Reply, TOKEN, TestHub, embedded_only, wait};

const HOUR: Duration = Duration::from_secs(3_600);

impl Told {
    /// The whole exchange dies and comes back.
    async fn crash(self) -> Self {
        let Self {
            scene,
            crm,
            receiver,
        } = self;
        Self {
            scene: scene.crash().await,
            crm,
            receiver,
        }
    }

    async fn entry(&self, id: i64) -> Value {
        self.manage("GET", &format!("/outbox/{id}"), Value::Null)
            .await
    }
}

#[tokio::test]
async fn what_was_changed_before_a_crash_is_told_after_it() {
    let told = Told::start().await;
    told.defined(&told.scene.shop, json!({})).await;
    told.subscribe().await;
    assert_eq!(told.receiver.count(), 0);
    let told = told.crash().await;
    assert_eq!(
        changes(&told.told().await),
        [("Add".to_owned(), BUY.to_owned())]
    );
    assert!(told.told().await.is_empty(), "once");
    let told = told.crash().await;
    assert!(
        told.told().await.is_empty(),
        "that it was sent is not forgotten"
    );
}

#[tokio::test]
async fn trouble_is_retried_as_events_are_and_then_given_up() {
    let told = Told::start().await;
    told.defined(&told.scene.shop, json!({})).await;
    for (reply, state) in [
        (Reply::Status(503), "waiting"),
        (Reply::Status(500), "waiting"),
        (Reply::Status(408), "waiting"),
        (Reply::Status(425), "waiting"),
        (Reply::With(429, "retry-after", "60".to_owned()), "waiting"),
        (Reply::Status(400), "dead"),
        (Reply::Status(404), "dead"),
        (Reply::Status(410), "dead"),
        (
            Reply::With(302, "location", "http://127.0.0.1:1/".to_owned()),
            "dead",
        ),
        (Reply::Status(204), "sent"),
    ] {
        let what = format!("{reply:?}");
        told.receiver.answer(move |_| reply.clone());
        let id = told.subscribe().await;
        assert_eq!(told.told().await.len(), 1, "{what}");
        let entry = told.outbox().await.pop().expect("an entry");
        assert_eq!(entry["state"], state, "{what}");
        if what.contains("429") {
            told.scene.pass(Duration::from_secs(59)).await;
            assert!(told.told().await.is_empty(), "as it asked for");
        }
        told.receiver.answer_status(200);
        told.manage("DELETE", &format!("/subscriptions/{id}"), Value::Null)
            .await;
        told.scene.pass(HOUR).await;
        let expected = if state == "waiting" { 2 } else { 1 };
        assert_eq!(told.told().await.len(), expected, "{what}");
    }
    assert_eq!(
        told.scene.notices().await,
        ["outbox-dead"; 4],
        "each time after it had gone well"
    );
}

#[tokio::test]
async fn after_three_days_it_is_dead_kept_and_can_be_sent_again() {
    let told = Told::start().await;
    told.defined(&told.scene.shop, json!({})).await;
    told.receiver.answer_status(503);
    told.subscribe().await;
    told.scene.settle().await;
    for _ in 0..74 {
        told.scene.pass(HOUR).await;
    }
    let entry = told.entry(1).await;
    assert_eq!(
        (&entry["state"], &entry["nextAttemptAt"]),
        (&json!("dead"), &Value::Null)
    );
    assert!(entry["attempts"].as_i64().expect("a number") > 70);
    assert_eq!(
        entry["history"].as_array().expect("attempts").len(),
        10,
        "the first and the latest"
    );
    assert_eq!(entry["body"]["changeType"], "Add");
    assert_eq!(entry["summary"], "Add buy");
    told.receiver.take();

    told.receiver.answer_status(200);
    let answer = told.manage("POST", "/outbox/1/retry", json!({})).await;
    assert_eq!(
        (&answer["state"], &answer["attempts"]),
        (&json!("waiting"), &json!(0))
    );
    assert_eq!(told.told().await.len(), 1);
    assert_eq!(told.entry(1).await["state"], "sent");
    let path = format!("/accounts/{}/outbox/1/retry", told.scene.account.id);
    let again = told.hub().manage("POST", &path, json!({})).await;
    assert_eq!(again.status, 409, "{}", again.text());
}

#[tokio::test]
async fn who_is_slow_delays_nobody_else_and_first_attempts_keep_their_order() {
    let told = Told::start().await;
    told.defined(&told.scene.shop, json!({})).await;
    let slow = Receiver::start().await;
    slow.answer(|_| Reply::Hang);
    let body = json!({ "notificationURL": slow.url() });
    assert_eq!(put(told.hub(), &told.crm, body).await.status, 200);
    // The third one meets trouble and is tried again later.
    let mut count = 0;
    told.receiver.answer(move |_| {
        count += 1;
        Reply::Status(if count == 3 { 503 } else { 200 })
    });
    let id = told.subscribe().await;
    for n in 0..9 {
        let body = json!({ "enabled": n % 2 == 1 });
        told.manage("PATCH", &format!("/subscriptions/{id}"), body)
            .await;
    }
    let hub = &told.hub().server.hub;
    while told.receiver.count() < 10 {
        hub.notify().await.expect("looked at");
        tokio::task::yield_now().await;
    }
    assert_eq!(slow.count(), 1, "one at a time");
    let mut order: Vec<String> = told.receiver.take().iter().map(|r| change(r).0).collect();
    assert_eq!(order.remove(0), "Add");
    assert_eq!(order[..3], ["Disable", "Enable", "Disable"]);
    assert_eq!(order.len(), 9);
    slow.answer_status(200);
}

#[tokio::test]
async fn what_was_sent_is_forgotten_after_a_while() {
    let told = Told::start().await;
    told.defined(&told.scene.shop, json!({})).await;
    let id = told.subscribe().await;
    told.told().await;
    told.receiver.answer_status(400);
    told.manage("DELETE", &format!("/subscriptions/{id}"), Value::Null)
        .await;
    told.told().await;
    let hub = &told.hub().server.hub;
    let states = async || {
        let states: Vec<Value> = told
            .outbox()
            .await
            .iter()
            .map(|e| e["state"].clone())
            .collect();
        states
    };
    told.scene.pass(7 * 24 * HOUR).await;
    hub.retire().await.expect("retired");
    assert_eq!(states().await, ["sent", "dead"]);
    told.scene.pass(HOUR).await;
    hub.retire().await.expect("retired");
    assert_eq!(states().await, ["dead"]);
    told.scene.pass(24 * 24 * HOUR).await;
    hub.retire().await.expect("retired");
    assert!(states().await.is_empty());
}

#[tokio::test]
async fn a_deleted_endpoints_document_is_forgotten_once_it_was_told() {
    let told = Told::start().await;
    told.defined(&told.crm, json!({})).await;
    told.subscribe().await;
    told.told().await;
    told.receiver.answer_status(503);
    let answer = told
        .hub()
        .http
        .json("DELETE", "/v1/endpoint", Some(&told.crm.key), None)
        .await;
    assert_eq!(answer.status, 200);
    told.told().await;
    let hub = &told.hub().server.hub;
    let scope = told.scene.scope();
    told.scene.pass(25 * HOUR).await;
    hub.retire().await.expect("retired");
    assert!(
        hub.notification(scope, told.crm.id)
            .await
            .expect("read")
            .is_some(),
        "it is still needed"
    );
    told.receiver.answer_status(200);
    told.scene.pass(HOUR).await;
    hub.retire().await.expect("retired");
    assert!(
        hub.notification(scope, told.crm.id)
            .await
            .expect("read")
            .is_none()
    );
}

#[tokio::test]
async fn the_outbox_is_listed_for_its_account_and_for_the_operator() {
    let told = Told::start().await;
    told.defined(&told.scene.shop, json!({})).await;
    told.defined(&told.crm, json!({})).await;
    told.receiver.answer_status(400);
    told.subscribe().await;
    told.told().await;
    let other = told.hub().account().await;
    let count = async |path: &str| {
        let answer = told.hub().manage("GET", path, Value::Null).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.json()["items"].as_array().expect("items").len()
    };
    let own = format!("/accounts/{}/outbox", told.scene.account.id);
    for (query, expected) in [
        ("", 2),
        ("?state=dead", 2),
        ("?state=waiting", 0),
        ("?kind=notification", 2),
        ("?kind=mail", 0),
        ("?limit=1", 1),
    ] {
        assert_eq!(count(&format!("{own}{query}")).await, expected, "{query}");
        assert_eq!(count(&format!("/outbox{query}")).await, expected, "{query}");
    }
    assert_eq!(count(&format!("{own}?endpointId={}", told.crm.id)).await, 1);
    assert_eq!(count(&format!("/accounts/{}/outbox", other.id)).await, 0);
    for path in [
        format!("/accounts/{}/outbox/1", other.id),
        "/outbox/99".to_owned(),
    ] {
        assert_eq!(
            told.hub().manage("GET", &path, Value::Null).await.status,
            404,
            "{path}"
        );
        let path = format!("{path}/retry");
        assert_eq!(
            told.hub().manage("POST", &path, json!({})).await.status,
            404,
            "{path}"
        );
    }
    let wrong = told
        .hub()
        .manage("GET", "/outbox?state=lost&sort=up", Value::Null)
        .await;
    assert_eq!(
        (
            wrong.status,
            wrong.json()["errors"].as_array().map(Vec::len)
        ),
        (400, Some(2))
    );
    assert_eq!(
        told.hub()
            .manage("POST", "/outbox/1/retry", json!({}))
            .await
            .status,
        200
    );
}

/// `kill -9` between the call and noting its answer.
#[tokio::test]
async fn a_process_that_is_killed_while_it_sends_sends_it_again_under_the_same_id() {
    if !embedded_only("among several processes its claim has to run out first") {
        return;
    }
    let told = Told::of(Scene::of(TestHub::start_today().await).await).await;
    told.defined(&told.scene.shop, json!({})).await;
    let Told {
        scene,
        crm,
        receiver,
    } = told;
    let body = json!({
        "publisherEndpointId": scene.shop.id, "eventCode": BUY, "destinationEndpointId": crm.id,
    });
    let path = format!("/manage/v1/accounts/{}/subscriptions", scene.account.id);
    receiver.answer(|_| Reply::Hang);
    let directory = scene.hub.leave().await;
    let mut launch = Launch::new(directory.path());
    let mut process = launch.start().await;
    let http = process.http();
    let answer = http.json("POST", &path, Some(TOKEN), Some(body)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    arrived(&receiver).await;
    process.kill();
    let first = receiver.take();
    receiver.answer_status(200);
    let process = launch.start().await;
    arrived(&receiver).await;
    let again = receiver.take();
    assert_eq!(again.len(), 1);
    assert_eq!(again[0].header("webhook-id"), first[0].header("webhook-id"));
    assert_eq!(again[0].body, first[0].body);
    let (status, _) = process.terminate().await;
    assert!(status.success(), "{status}");
    assert_eq!(receiver.count(), 0, "once more and not twice");
}

/// Until something was received from a process of its own.
async fn arrived(receiver: &Receiver) {
    let patience = std::time::Instant::now() + Duration::from_secs(60);
    while receiver.count() == 0 {
        assert!(std::time::Instant::now() < patience, "nothing arrives");
        wait(Duration::from_millis(5)).await;
    }
}
