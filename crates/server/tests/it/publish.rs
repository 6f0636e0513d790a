//! Publishing with `POST /v1/event` and `POST /v1/customEvent`: every form that is taken, every rule that is told.
//!
//! Start reading here. A publisher is an endpoint that registered identifiers and event types; what it publishes is
//! durable when the call answers, and arrives at the subscribers in one form, whichever form it was published in.

use model::{AccountPolicy, Environment, Strictness};
use serde_json::{Value, json};

use crate::harness::{Answer, Receiver, TestAccount, TestEndpoint, TestHub, event};

const AT: &str = "2026-03-02T11:59:58Z";

/// A shop that publishes `buy` and `application/look`, and somebody who subscribes to both.
struct Scene {
    hub: TestHub,
    account: TestAccount,
    shop: TestEndpoint,
    receiver: Receiver,
}

impl Scene {
    async fn start() -> Self {
        Self::with(AccountPolicy::default()).await
    }

    async fn with(policy: AccountPolicy) -> Self {
        let hub = TestHub::start().await;
        let account = hub.account_in(Environment::Production, policy).await;
        let codes = ["buy", "application/look"];
        let shop = hub.publisher(&account, &codes).await;
        let receiver = Receiver::start().await;
        let crm = hub.push_destination(&account, &receiver.url()).await;
        for code in codes {
            hub.subscribe(&account, &shop, code, &crm).await;
        }
        Self {
            hub,
            account,
            shop,
            receiver,
        }
    }

    /// What arrives, one line a document: channel, identifiers, then each event with its attributes.
    async fn arrives(&self) -> Vec<String> {
        self.hub.settle().await;
        let mut lines: Vec<String> = self
            .receiver
            .take()
            .iter()
            .map(|r| line(&r.json()))
            .collect();
        lines.sort();
        lines
    }

    async fn post(&self, headers: &[(&str, &str)], body: &str) -> Answer {
        let bearer = format!("Bearer {}", self.shop.key);
        let mut all = vec![("authorization", bearer.as_str())];
        all.extend_from_slice(headers);
        self.hub
            .http
            .send("POST", "/v1/event", &all, body.to_owned())
            .await
    }
}

fn line(document: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or("(null)").to_owned();
    let mut line = text(&document["channel"]);
    let identifiers = document["identifiers"].as_array().expect("identifiers");
    // What was published; what else is known of people is `identity`'s.
    for one in identifiers.iter().filter(|one| one["isOriginal"] == true) {
        line += &format!(" {}={}", text(&one["name"]), text(&one["value"]));
    }
    for event in document["events"].as_array().expect("events") {
        line += &format!(" | {}@{}", text(&event["code"]), text(&event["timestamp"]));
        for one in event["attributes"].as_array().expect("attributes") {
            line += &format!(" {}={}", text(&one["name"]), text(&one["value"]));
        }
    }
    line
}

/// The examples of the published manual, with their quotes and placeholders repaired, and the form in which events are
/// delivered, which can be published again as it is.
#[tokio::test]
async fn every_form_of_the_manual_is_taken() {
    let scene = Scene::start().await;
    let ada = "email=ada@example.com";
    let cases: [(&str, &str, Vec<String>); 6] = [
        (
            "individual",
            r#"{"channel":"web",
               "identifiers":[{"name":"email","value":"ada@example.com"},{"name":"cookie","value":"c-1"}],
               "events":[{"code":"buy","timestamp":"2026-03-02T11:59:58Z",
               "attributes":[{"name":"orderTotal","value":"125.53"},
                             {"name":"currency","value":"EUR","type":"string"}]}]}"#,
            vec![format!("web {ada} cookie=c-1 | buy@{AT} orderTotal=125.53 currency=EUR")],
        ),
        (
            "simple batch",
            r#"{"events":[
               {"code":"buy","timestamp":"2026-03-02T11:59:58Z","channel":"web",
                "attributes":[{"name":"orderTotal","value":"1","type":"number"},{"name":"currency","value":"EUR","type":"string"}],
                "identifiers":[{"name":"email","value":"ada@example.com"},{"name":"cookie","value":"c-1"}]},
               {"code":"application/look","timestamp":"2026-03-02T11:59:58Z","channel":"app",
                "attributes":[{"name":"orderTotal","value":"2","type":"number"}],
                "identifiers":[{"name":"phone","value":"+14155550100"}]}]}"#,
            vec![
                format!("app phone=+14155550100 | application/look@{AT} orderTotal=2"),
                format!("web {ada} cookie=c-1 | buy@{AT} orderTotal=1 currency=EUR"),
            ],
        ),
        (
            "compound batch, channel in the events",
            r#"{"provider":"Acoustic","eventbatch":[
               {"identifiers":[{"name":"email","value":"ada@example.com"}],
                "events":[{"code":"buy","channel":"web","timestamp":"2026-03-02T11:59:58Z",
                           "attributes":[{"orderTotal":"3"},{"currency":"EUR"}]}]},
               {"identifiers":[{"name":"cookie","value":"c-2","channel":"web","provider":"Acoustic"}],
                "events":[{"code":"buy","channel":"app","timestamp":"2026-03-02T11:59:58Z",
                           "attributes":[{"orderTotal":"4"}]}]}]}"#,
            vec![
                format!("app cookie=c-2 | buy@{AT} orderTotal=4"),
                format!("web {ada} | buy@{AT} orderTotal=3 currency=EUR"),
            ],
        ),
        (
            "compound batch, channel at the top, no time: that of arrival",
            r#"{"provider":"Acoustic","channel":"web","eventbatch":[
               {"identifiers":[{"name":"email","value":"ada@example.com"}],"events":[{"code":"buy","attributes":[{"orderTotal":"5"}]}]},
               {"identifiers":[{"name":"cookie","value":"c-2"}],"events":[{"code":"buy"},{"code":"application/look"}]}]}"#,
            vec![
                "web cookie=c-2 | buy@2026-03-02T12:00:00.000Z | application/look@2026-03-02T12:00:00.000Z".to_owned(),
                format!("web {ada} | buy@2026-03-02T12:00:00.000Z orderTotal=5"),
            ],
        ),
        (
            "compound batch, channel in a group",
            r#"{"eventbatch":[{"channel":"store","identifiers":[{"name":"email","value":"ada@example.com"}],
                               "events":[{"code":"buy","timestamp":"2026-03-02T11:59:58Z"}]}]}"#,
            vec![format!("store {ada} | buy@{AT}")],
        ),
        (
            "as delivered, with its nulls",
            r#"{"eventbatch":null,"version":"1","provider":"IBM","source":"EmailMarketing","channel":"Email","x1Id":null,
               "identifiers":[{"name":"email","value":"ada@example.com","provider":null,"channel":null,"source":null,"isOriginal":true}],
               "events":[{"code":"buy","timestamp":"2026-03-02T11:59:58Z","namespace":"com.ibm.commerce.ubx","version":"1",
                          "attributes":[{"name":"orderTotal","value":null,"type":"number"}]}]}"#,
            vec![format!("Email {ada} | buy@{AT} orderTotal=(null)")],
        ),
    ];
    for (name, body, expected) in cases {
        let events = expected
            .iter()
            .map(|line| line.matches('@').count() - line.matches("@example").count());
        let answer = scene
            .post(&[("content-type", "application/json")], body)
            .await;
        assert_eq!(answer.status, 200, "{name}: {}", answer.text());
        assert_eq!(answer.json()["accepted"], events.sum::<usize>(), "{name}");
        assert_eq!(scene.arrives().await, expected, "{name}");
    }
}

#[tokio::test]
async fn the_answer_names_the_publication_and_says_how_many_were_taken() {
    let scene = Scene::start().await;
    let answer = scene
        .hub
        .publish(&scene.shop, event("buy", "ada@example.com", 1))
        .await;
    let body = answer.json();
    let members: Vec<&String> = body.as_object().expect("an object").keys().collect();
    assert_eq!(members, ["accepted", "publicationId"]);
    let id: uuid::Uuid = serde_json::from_value(body["publicationId"].clone()).expect("a UUID");
    assert!(!id.is_nil());
}

/// Clients in the wild spell it in every way; `curl -d` says something else by default.
#[tokio::test]
async fn content_types_are_read_generously() {
    let scene = Scene::start().await;
    let body = event("buy", "ada@example.com", 1).to_string();
    for media in [
        "application/json",
        "application/JSON; charset=utf-8",
        "Application/Json;charset=\"UTF-8\"",
        " text/json",
        "application/vnd.shop+json",
        "application/x-www-form-urlencoded",
        "",
    ] {
        let answer = scene.post(&[("content-type", media)], &body).await;
        assert_eq!(answer.status, 200, "{media}: {}", answer.text());
    }
    assert_eq!(scene.post(&[], &body).await.status, 200, "none at all");
    for media in [
        "text/csv",
        "application/xml",
        "text/plain",
        "multipart/form-data; boundary=x",
    ] {
        let answer = scene.post(&[("content-type", media)], &body).await;
        assert_eq!(answer.status, 415, "{media}");
        assert!(
            answer.json()["message"]
                .as_str()
                .is_some_and(|m| m.contains("application/json"))
        );
    }
}

#[tokio::test]
async fn every_violation_is_told_with_its_place() {
    let scene = Scene::start().await;
    let body = json!({ "identifiers": [{ "name": "shoeSize", "value": "42" }], "events": [
        { "code": "buy", "timestamp": "yesterday", "channel": "web" },
        { "code": "steal", "timestamp": AT, "channel": "web" },
        { "timestamp": AT, "attributes": [{ "name": "orderTotal", "value": { "much": 1 } }] },
        "an event",
    ] });
    let answer = scene.hub.publish(&scene.shop, body).await;
    assert_eq!(answer.status, 400);
    assert_eq!(
        answer.pointers(),
        [
            "/events/0/timestamp",
            "/events/1/code",
            "/events/2/attributes/0/value",
            "/events/2/channel",
            "/events/2/code",
            "/events/3",
            "/identifiers/0/name",
        ]
    );
    assert_eq!(answer.json()["status"], 400);
    assert!(scene.arrives().await.is_empty(), "all or nothing");
}

/// The three mistakes that the manual lists, and what else cannot be understood.
#[tokio::test]
async fn what_stands_at_both_levels_or_at_none_is_refused() {
    let scene = Scene::start().await;
    let person = json!([{ "name": "email", "value": "ada@example.com" }]);
    let told = |more: Value| {
        let mut event = json!({ "code": "buy", "timestamp": AT });
        event
            .as_object_mut()
            .expect("an object")
            .extend(more.as_object().cloned().expect("an object"));
        event
    };
    for (body, pointer) in [
        (
            json!({ "channel": "web", "identifiers": person, "events": [told(json!({ "identifiers": person }))] }),
            "/events/0/identifiers",
        ),
        (
            json!({ "identifiers": person, "events": [told(json!({}))] }),
            "/channel",
        ),
        (
            json!({ "channel": "web", "identifiers": person, "events": [told(json!({ "channel": "app" }))] }),
            "/events/0/channel",
        ),
        (
            json!({ "channel": "web", "events": [told(json!({}))] }),
            "/identifiers",
        ),
        (
            json!({ "channel": "web", "identifiers": person, "events": [] }),
            "/events",
        ),
        (
            json!({ "channel": "web", "identifiers": [{ "name": "email" }], "events": [told(json!({}))] }),
            "/identifiers/0/value",
        ),
        (
            json!({ "channel": "web", "identifiers": person, "events": [{ "code": "buy" }] }),
            "/events/0/timestamp",
        ),
        (
            json!({ "channel": "web", "eventbatch": [{ "channel": "web", "identifiers": person, "events": [told(json!({}))] }] }),
            "/eventbatch/0/channel",
        ),
        (json!({ "eventbatch": [] }), "/eventbatch"),
        (json!([]), ""),
    ] {
        let answer = scene.hub.publish(&scene.shop, body.clone()).await;
        assert_eq!(answer.status, 400, "{body}");
        assert_eq!(answer.pointers(), [pointer], "{body}: {}", answer.text());
    }
    assert!(scene.arrives().await.is_empty());
}

#[tokio::test]
async fn a_lenient_account_delivers_what_drifts_and_lists_it() {
    let scene = Scene::start().await;
    let body = |total: Value| {
        json!({ "channel": "web", "identifiers": [{ "name": "email", "value": "ada@example.com" }],
                "events": [{ "code": "buy", "timestamp": AT, "attributes": [
                    { "name": "orderTotal", "value": total }, { "name": "colour", "value": "red" }] }] })
    };
    scene.hub.published(&scene.shop, body(json!("much"))).await;
    scene.hub.published(&scene.shop, body(json!("much"))).await;
    scene.hub.published(&scene.shop, body(json!("5"))).await;
    let arrived = scene.arrives().await;
    assert_eq!(
        arrived
            .iter()
            .filter(|line| line.ends_with("orderTotal=much colour=red"))
            .count(),
        2
    );

    let drift = scene
        .hub
        .server
        .hub
        .schema_drift(hub::Scope(scene.account.id), Some(scene.shop.id))
        .await;
    let mut listed: Vec<String> = drift
        .expect("a list")
        .iter()
        .map(|drift| {
            format!(
                "{}/{}: {} ×{}",
                drift.code, drift.attribute, drift.what, drift.seen
            )
        })
        .collect();
    listed.sort();
    assert_eq!(
        listed,
        [
            "buy/colour: undeclared ×3",
            "buy/orderTotal: declared number, came as a string ×2"
        ]
    );
}

#[tokio::test]
async fn a_strict_account_refuses_what_was_not_declared() {
    let policy = AccountPolicy {
        strictness: Strictness::Strict,
        ..AccountPolicy::default()
    };
    let scene = Scene::with(policy).await;
    let attributes = json!([{ "name": "orderTotal", "value": "much" }, { "name": "colour", "value": "red" },
                            { "name": "currency", "value": "EUR" }]);
    let body = json!({ "channel": "web", "identifiers": [{ "name": "email", "value": "ada@example.com" }],
                       "events": [{ "code": "buy", "timestamp": AT, "attributes": attributes }] });
    let answer = scene.hub.publish(&scene.shop, body).await;
    assert_eq!(answer.status, 400);
    assert_eq!(
        answer.pointers(),
        [
            "/events/0/attributes/0/value",
            "/events/0/attributes/1/name"
        ]
    );
    assert!(scene.arrives().await.is_empty());
}

#[tokio::test]
async fn only_an_active_enabled_source_of_events_may_publish() {
    let scene = Scene::start().await;
    let (hub, account, shop) = (&scene.hub, &scene.account, &scene.shop);
    let fresh = hub.register(account).await;
    let destination = hub.pull_destination(account).await;
    for (endpoint, why) in [
        (&fresh, "PENDING"),
        (&destination, "not registered as a source"),
    ] {
        let answer = hub
            .publish(endpoint, event("buy", "ada@example.com", 1))
            .await;
        assert_eq!(answer.status, 403, "{}", answer.text());
        assert!(
            answer.json()["message"]
                .as_str()
                .is_some_and(|m| m.contains(why)),
            "{}",
            answer.text()
        );
    }
    let switched = |to: &'static str| async move {
        let path = format!("/v1/endpoint/{to}");
        assert_eq!(
            hub.http
                .json("PUT", &path, Some(&shop.key), None)
                .await
                .status,
            200
        );
        hub.publish(shop, event("buy", "ada@example.com", 1))
            .await
            .status
    };
    assert_eq!(switched("disable").await, 403);
    assert_eq!(switched("enable").await, 200);
}
