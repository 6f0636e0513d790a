//! The test drive of a pilot account: what the built-in publisher says and the built-in receiver gets, through the real
//! door and the real flow.

use std::time::Duration;

use model::test_drive::Mistake;
use model::{AccountPolicy, Environment};
use serde_json::{Value, json};

use crate::harness::{Receiver, TestAccount, TestHub};

struct Drive {
    hub: TestHub,
    account: TestAccount,
    publisher: Value,
    receiver: Value,
}

impl Drive {
    async fn start() -> Self {
        let hub = TestHub::start().await;
        let policy = AccountPolicy::default();
        let account = hub.account_in(Environment::Pilot, policy).await;
        let mut drive = Self {
            hub,
            account,
            publisher: Value::Null,
            receiver: Value::Null,
        };
        let begun = drive.ok("POST", "", json!({})).await;
        drive.publisher = begun["publisherEndpointId"].clone();
        drive.receiver = begun["receiverEndpointId"].clone();
        drive
    }

    async fn ok(&self, method: &str, below: &str, body: Value) -> Value {
        let path = format!("/accounts/{}/testdrive{below}", self.account.id);
        let answer = self.hub.manage(method, &path, body).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.json()
    }

    /// Published to the built-in receiver; the pushes that came of it.
    async fn push(&self) -> Vec<Value> {
        let body = json!({ "code": "cartAdd", "destinationEndpointId": self.receiver });
        let said = self.ok("POST", "/publish", body).await;
        assert_eq!(
            (&said["status"], &said["answer"]["accepted"]),
            (&json!(200), &json!(1))
        );
        self.hub.settle().await;
        let pushes = self.ok("GET", "/pushes", Value::Null).await;
        pushes["items"].as_array().expect("a list").clone()
    }

    async fn answer(&self, answer: &str) {
        let told = self.ok("PUT", "/answer", json!({ "answer": answer })).await;
        assert_eq!(told["answer"], answer);
    }
}

fn header<'p>(push: &'p Value, name: &str) -> &'p str {
    let mut headers = push["headers"].as_array().expect("a list").iter();
    headers
        .find(|header| header["name"] == name)
        .and_then(|header| header["value"].as_str())
        .unwrap_or_default()
}

#[tokio::test]
async fn an_event_is_seen_exactly_as_a_subscriber_gets_it() {
    let drive = Drive::start().await;
    let pushes = drive.push().await;
    let [push] = pushes.as_slice() else {
        panic!("{pushes:?}");
    };
    assert_eq!(push["endpointId"], drive.receiver);
    assert_eq!(push["status"], 200);
    let body: Value = serde_json::from_str(push["body"].as_str().expect("text")).expect("JSON");
    assert_eq!(body["events"][0]["code"], "cartAdd");
    assert_eq!(header(push, "authorization"), "Bearer ***");

    // The signature that is shown is one that verifies.
    let scope = hub::Scope(drive.account.id);
    let id = model::EndpointId(drive.receiver.as_i64().expect("an id"));
    let secrets = drive.hub.server.hub.webhook_secrets(scope, id);
    let secrets = secrets.expect("it has some");
    let secret: outbound::signature::Secret = secrets[0].expose().parse().expect("a secret");
    let signed = outbound::signature::sign(
        &[secret],
        header(push, "webhook-id"),
        header(push, "webhook-timestamp").parse().expect("seconds"),
        push["body"].as_str().expect("text").as_bytes(),
    );
    assert_eq!(header(push, "webhook-signature"), signed);
}

#[tokio::test]
async fn every_answer_does_what_it_does_to_any_subscriber() {
    let drive = Drive::start().await;
    for (answer, is_retried) in [
        ("400", false),
        ("401", false),
        ("408", true),
        ("429", true),
        ("500", true),
        ("timeout", true),
    ] {
        drive.answer(answer).await;
        let before = drive.push().await;
        let last = before.last().expect("it was pushed");
        match answer {
            "timeout" => assert_eq!(last["failure"], "timeout"),
            status => assert_eq!(last["status"].to_string(), status),
        }
        drive.answer("200").await;
        drive.hub.pass(Duration::from_secs(600)).await;
        let after = drive.ok("GET", "/pushes", Value::Null).await;
        let after = after["items"].as_array().expect("a list").len();
        assert_eq!(after > before.len(), is_retried, "{answer}");
    }
}

#[tokio::test]
async fn every_mistake_is_answered_as_any_publisher_would_be() {
    let drive = Drive::start().await;
    for mistake in Mistake::ALL {
        let body = json!({ "code": "emailOpen", "mistake": mistake.as_str() });
        let said = drive.ok("POST", "/publish", body).await;
        assert_eq!(said["status"], 400, "{mistake:?}: {said:#}");
        let message = said["answer"]["message"].as_str();
        assert!(message.is_some_and(|m| !m.is_empty()), "{said:#}");
        assert!(said["answer"]["errors"].is_array(), "{said:#}");
    }
    let right = drive
        .ok("POST", "/publish", json!({ "code": "emailOpen" }))
        .await;
    assert_eq!(right["status"], 200);
    let path = format!("/accounts/{}/testdrive/publish", drive.account.id);
    let unknown = drive
        .hub
        .manage("POST", &path, json!({ "code": "never" }))
        .await;
    assert_eq!(
        (unknown.status, unknown.pointers()),
        (400, vec!["/code".to_owned()])
    );
}

#[tokio::test]
async fn the_partners_own_endpoint_is_tried_in_the_same_way() {
    let drive = Drive::start().await;
    let receiver = Receiver::start().await;
    receiver.answer_status(418);
    let own = drive
        .hub
        .push_destination(&drive.account, &receiver.url())
        .await;
    let body = json!({ "code": "cartAdd", "destinationEndpointId": own.id });
    drive.ok("POST", "/publish", body).await;
    drive.hub.settle().await;
    assert_eq!(receiver.count(), 1);
    let below = format!("/pushes?endpointId={}", own.id);
    let pushes = drive.ok("GET", &below, Value::Null).await;
    let push = &pushes["items"][0];
    assert_eq!(push["status"], 418);
    assert_eq!(push["url"], format!("{}/v1/events", receiver.url()));
    let sent = &receiver.requests()[0];
    assert_eq!(push["body"], String::from_utf8_lossy(&sent.body).as_ref());
    assert_eq!(header(push, "webhook-id"), sent.header("webhook-id"));
    let text = pushes.to_string();
    assert!(!text.contains(&own.key), "its key is not shown");
}

#[tokio::test]
async fn it_begins_once_and_only_in_pilot() {
    let drive = Drive::start().await;
    let again = drive.ok("POST", "", json!({})).await;
    assert_eq!(again["publisherEndpointId"], drive.publisher);
    let production = drive.hub.account().await;
    let path = format!("/accounts/{}/testdrive", production.id);
    let refused = drive.hub.manage("POST", &path, json!({})).await;
    assert_eq!(refused.status, 409, "{}", refused.text());
    let missing = drive.hub.manage("GET", &path, Value::Null).await;
    assert_eq!(missing.status, 404);
}
