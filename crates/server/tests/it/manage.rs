//! `/manage/v1`: every call of the management API, spoken to as an operator's program does.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{
    Answer, Receiver, TOKEN, TestAccount, TestEndpoint, TestHub, destination_definition, event,
    publisher_definition,
};

/// A call that must succeed.
async fn ok(hub: &TestHub, method: &str, path: &str, body: Value) -> Value {
    let answer = hub.manage(method, path, body).await;
    assert_eq!(answer.status, 200, "{method} {path}: {}", answer.text());
    let json = answer.json();
    assert!(json.get("message").is_none(), "a success has no `message`");
    json
}

/// A call that must be refused; status and the pointers of what is wrong.
async fn refused(hub: &TestHub, method: &str, path: &str, body: Value) -> (u16, Vec<String>) {
    let answer = hub.manage(method, path, body).await;
    assert!(answer.status >= 400, "{}", answer.text());
    let json = answer.json();
    assert_eq!(json["message"], json["detail"], "{json}");
    (answer.status, answer.pointers())
}

async fn get(hub: &TestHub, path: &str) -> Value {
    ok(hub, "GET", path, Value::Null).await
}

/// A shop that publishes `cartAdd` to a CRM, in an account.
struct Scene {
    hub: TestHub,
    account: TestAccount,
    shop: TestEndpoint,
    crm: TestEndpoint,
    receiver: Receiver,
    /// Of the account in `/manage/v1`.
    path: String,
}

impl Scene {
    async fn start() -> Self {
        let hub = TestHub::start().await;
        let account = hub.account().await;
        let shop = hub.publisher(&account, &["cartAdd"]).await;
        let receiver = Receiver::start().await;
        let crm = hub.push_destination(&account, &receiver.url()).await;
        hub.subscribe(&account, &shop, "cartAdd", &crm).await;
        let path = format!("/accounts/{}", account.id);
        Self {
            hub,
            account,
            shop,
            crm,
            receiver,
            path,
        }
    }

    async fn get(&self, path: &str) -> Value {
        get(&self.hub, &format!("{}{path}", self.path)).await
    }

    async fn ok(&self, method: &str, path: &str, body: Value) -> Value {
        ok(&self.hub, method, &format!("{}{path}", self.path), body).await
    }

    async fn refused(&self, method: &str, path: &str, body: Value) -> (u16, Vec<String>) {
        refused(&self.hub, method, &format!("{}{path}", self.path), body).await
    }

    async fn publish(&self, email: &str) -> String {
        self.hub
            .published(&self.shop, event("cartAdd", email, 1))
            .await
    }

    /// Two events that the CRM refuses, so that they are dead.
    async fn two_dead(&self) -> [String; 2] {
        self.receiver.answer_status(400);
        let ids = [
            self.publish("ada@example.com").await,
            self.publish("bob@example.com").await,
        ];
        self.hub.settle().await;
        ids
    }
}

/// From nothing to an event that is delivered, with the calls of the operator and of the partners only.
#[tokio::test]
async fn an_operator_brings_a_shop_and_a_mailer_together() {
    let hub = TestHub::start().await;
    let provider = ok(&hub, "POST", "/providers", json!({ "name": "Acme" })).await;
    assert_eq!(provider, json!({ "id": 1, "name": "Acme" }));

    let body = json!({ "name": "Tour", "environment": "production" });
    let account = ok(&hub, "POST", "/accounts", body).await;
    let (id, key) = (account["id"].clone(), account["accountKey"].clone());
    assert!(key.as_str().is_some_and(|key| key.starts_with("ra_")));
    assert_eq!(
        account,
        json!({ "id": id, "name": "Tour", "environment": "production", "accountKey": key })
    );

    let receiver = Receiver::start().await;
    let push = json!({ "enabled": true, "destinationType": "push" });
    let definitions = [
        publisher_definition(),
        destination_definition(&receiver.url(), push),
    ];
    let mut endpoints = Vec::new();
    for definition in definitions {
        let path = format!("/accounts/{id}/registrations");
        let new = ok(&hub, "POST", &path, json!({})).await;
        let (endpoint, key) = (new["endpointId"].clone(), new["endpointKey"].clone());
        assert_eq!(
            new,
            json!({ "endpointId": endpoint, "endpointKey": key, "status": "PENDING" })
        );
        let key = key.as_str().expect("a key").to_owned();
        let defined = hub
            .http
            .json("PUT", "/v1/endpoint", Some(&key), Some(definition));
        assert_eq!(defined.await.text(), "true");
        endpoints.push((endpoint, key));
    }
    let [(shop, shop_key), (mailer, _)] = <[_; 2]>::try_from(endpoints).expect("two");
    let body = json!({ "code": "cartAdd", "name": "Into the cart", "attributes": [] });
    let registered = hub
        .http
        .json("POST", "/v1/eventtype", Some(&shop_key), Some(body))
        .await;
    assert_eq!(registered.status, 200, "{}", registered.text());

    let path = format!("/accounts/{id}/subscriptions");
    let body = json!({ "publisherEndpointId": shop, "eventCode": "cartAdd", "destinationEndpointId": mailer });
    let subscription = ok(&hub, "POST", &path, body).await;
    assert_eq!(
        subscription,
        json!({ "id": 1, "publisherEndpointId": shop, "eventCode": "cartAdd", "namespace": null,
                "destinationEndpointId": mailer, "enabled": true })
    );

    let body = event("cartAdd", "ada@example.com", 1);
    let published = hub
        .http
        .json("POST", "/v1/event", Some(&shop_key), Some(body))
        .await;
    assert_eq!(published.status, 200, "{}", published.text());
    hub.settle().await;
    assert_eq!(receiver.count(), 1);
}

#[tokio::test]
async fn a_subscription_is_shown_paused_and_ended() {
    let scene = Scene::start().await;
    let one = json!({ "id": 1, "publisherEndpointId": scene.shop.id, "eventCode": "cartAdd", "namespace": null,
                      "destinationEndpointId": scene.crm.id, "enabled": true });
    assert_eq!(
        scene.get("/subscriptions").await,
        json!({ "items": [one], "next": null })
    );
    assert_eq!(scene.get("/subscriptions/1").await, one);

    let off = json!({ "enabled": false });
    let changed = scene.ok("PATCH", "/subscriptions/1", off).await;
    assert_eq!(changed["enabled"], false);
    scene.publish("ada@example.com").await;
    scene
        .ok("PATCH", "/subscriptions/1", json!({ "enabled": true }))
        .await;
    scene.publish("bob@example.com").await;
    scene.hub.settle().await;
    assert_eq!(
        scene.receiver.count(),
        1,
        "what was published while it was paused is not the destination's"
    );

    let ended = scene.ok("DELETE", "/subscriptions/1", Value::Null).await;
    assert_eq!(ended, true);
    scene.publish("cy@example.com").await;
    scene.hub.settle().await;
    assert_eq!(scene.receiver.count(), 1);
    let gone = scene.refused("GET", "/subscriptions/1", Value::Null).await;
    assert_eq!(gone.0, 404);
}

#[tokio::test]
async fn a_subscription_is_refused_with_all_that_is_wrong() {
    let scene = Scene::start().await;
    let wrong = json!({ "publisherEndpointId": 99, "eventCode": "", "destinationEndpointId": "x", "nmespace": "n" });
    assert_eq!(
        scene.refused("POST", "/subscriptions", wrong).await,
        (
            400,
            ["/destinationEndpointId", "/eventCode", "/nmespace"]
                .map(str::to_owned)
                .to_vec()
        )
    );
    let wrong = json!({ "publisherEndpointId": scene.crm.id, "eventCode": "cartAdd", "destinationEndpointId": scene.shop.id });
    assert_eq!(
        scene.refused("POST", "/subscriptions", wrong).await,
        (
            400,
            ["/destinationEndpointId", "/eventCode"]
                .map(str::to_owned)
                .to_vec()
        )
    );
    let same = json!({ "publisherEndpointId": scene.shop.id, "eventCode": "cartAdd", "destinationEndpointId": scene.crm.id });
    assert_eq!(scene.refused("POST", "/subscriptions", same).await.0, 409);
}

#[tokio::test]
async fn bodies_and_queries_are_strict_and_say_what_is_known() {
    let hub = TestHub::start().await;
    let body = json!({ "name": "", "environment": "staging", "policy": { "strictnes": "strict", "refusedEvents": 1 } });
    assert_eq!(
        refused(&hub, "POST", "/accounts", body).await,
        (
            400,
            [
                "/environment",
                "/name",
                "/policy/refusedEvents",
                "/policy/strictnes"
            ]
            .map(str::to_owned)
            .to_vec()
        )
    );
    let answer = hub.manage("GET", "/accounts?limt=5", Value::Null).await;
    assert_eq!(answer.status, 400);
    assert_eq!(
        answer.json()["errors"][0]["message"],
        "`limt` is not a parameter of this call: expected `after`, `limit`"
    );
    for query in ["limit=0", "limit=1001", "limit=x", "after=-1"] {
        let path = format!("/accounts?{query}");
        assert_eq!(
            refused(&hub, "GET", &path, Value::Null).await.0,
            400,
            "{query}"
        );
    }
    let headers = [
        ("authorization", "Bearer t"),
        ("content-type", "application/json"),
    ];
    let answer = hub
        .http
        .send("POST", "/manage/v1/providers", &headers, "{\"name\":")
        .await;
    assert_eq!(answer.status, 400, "{}", answer.text());
    let body = json!({ "name": "x".repeat(600) });
    assert_eq!(
        refused(&hub, "POST", "/providers", body).await,
        (400, vec!["/name".to_owned()])
    );
}

#[tokio::test]
async fn only_the_operator_token_opens_the_management_api_on_both_addresses() {
    let hub = TestHub::start().await;
    let account = hub.account().await;
    let path = "/manage/v1/accounts";
    for http in [hub.http.clone(), hub.pilot()] {
        assert_eq!(http.get(path, TOKEN).await.status, 200);
        assert_eq!(http.get(path, "wrong").await.status, 403);
        assert_eq!(http.get(path, &account.key).await.status, 403);
        let nobody = http.json("GET", path, None, None).await;
        assert_eq!(nobody.status, 401);
        assert_eq!(nobody.headers["www-authenticate"], "Bearer");
    }
}

#[tokio::test]
async fn what_is_not_there_and_what_is_anothers_look_the_same() {
    let scene = Scene::start().await;
    let other = scene.hub.account().await;
    let (shop, other) = (scene.shop.id, other.id);
    let paths = [
        "/accounts/99".to_owned(),
        "/accounts/x".to_owned(),
        "/accounts/99/keys".to_owned(),
        "/accounts/99/subscriptions".to_owned(),
        format!("/accounts/{other}/endpoints/{shop}"),
        format!("/accounts/{other}/endpoints/{shop}/webhooksecret"),
        format!("/accounts/{other}/subscriptions/1"),
        format!("/accounts/{other}/quarantine/1"),
        format!("/accounts/{other}/events/00000000-0000-8000-8000-000000000000.0"),
        format!("/accounts/{other}/events/nonsense"),
        "/nothing".to_owned(),
    ];
    for path in paths {
        let answer = refused(&scene.hub, "GET", &path, Value::Null).await;
        assert_eq!(answer.0, 404, "{path}");
    }
    let theirs = scene.publish("ada@example.com").await;
    let path = format!("/accounts/{other}/events/{theirs}");
    assert_eq!(refused(&scene.hub, "GET", &path, Value::Null).await.0, 404);
}

#[tokio::test]
async fn lists_come_in_pages() {
    let hub = TestHub::start().await;
    for name in ["A", "B", "C", "D"] {
        ok(&hub, "POST", "/providers", json!({ "name": name })).await;
    }
    let names = |page: &Value| -> Vec<Value> {
        let items = page["items"].as_array().expect("items");
        items.iter().map(|item| item["name"].clone()).collect()
    };
    let first = get(&hub, "/providers?limit=3").await;
    assert_eq!(
        (names(&first), &first["next"]),
        (vec![json!("A"), json!("B"), json!("C")], &json!(3))
    );
    let last = get(&hub, "/providers?limit=3&after=3").await;
    assert_eq!(
        (names(&last), &last["next"]),
        (vec![json!("D")], &Value::Null)
    );
    let exact = get(&hub, "/providers?limit=4").await;
    assert_eq!((names(&exact).len(), &exact["next"]), (4, &Value::Null));
    let again = refused(&hub, "POST", "/providers", json!({ "name": "A" })).await;
    assert_eq!(again.0, 409);
}

#[tokio::test]
async fn an_account_publishes_no_more_than_it_may() {
    let hub = TestHub::start().await;
    let account = hub.account().await;
    let shop = hub.publisher(&account, &["buy"]).await;
    let path = format!("/accounts/{}", account.id);
    let body = json!({ "policy": { "maxEventsPerSecond": 2, "maxEventsPerDay": 3 } });
    let policy = ok(&hub, "PATCH", &path, body).await["policy"].clone();
    assert_eq!(policy["maxEventsPerSecond"], 2);
    let buy = event("buy", "ada@example.com", 1);
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(hub.publish(&shop, buy.clone()).await.status);
    }
    assert_eq!(statuses, [200, 200, 429]);
    hub.clock.advance(Duration::from_secs(1));
    assert_eq!(hub.publish(&shop, buy.clone()).await.status, 200);
    let answer = hub.publish(&shop, buy.clone()).await;
    assert_eq!(answer.status, 429);
    assert_eq!(answer.headers["retry-after"], "43199", "at midnight, UTC");
    // A call that can never be taken is told so, not to wait.
    let mut large = buy.clone();
    large["events"] = json!([large["events"][0], large["events"][0], large["events"][0]]);
    assert_eq!(hub.publish(&shop, large).await.status, 400);
    let body = json!({ "policy": { "maxEventsPerSecond": null, "maxEventsPerDay": null } });
    ok(&hub, "PATCH", &path, body).await;
    assert_eq!(hub.publish(&shop, buy).await.status, 200);
    let body = json!({ "policy": { "maxEventsPerSecond": 0, "maxEventsPerDay": "many" } });
    assert_eq!(
        refused(&hub, "PATCH", &path, body).await.1,
        ["/policy/maxEventsPerDay", "/policy/maxEventsPerSecond"]
    );
}

#[tokio::test]
async fn a_policy_is_changed_member_by_member() {
    let hub = TestHub::start().await;
    let body = json!({ "name": "P", "environment": "pilot", "policy": { "defaultRegion": "DE" } });
    let id = ok(&hub, "POST", "/accounts", body).await["id"].clone();
    let path = format!("/accounts/{id}");
    let policy = |strictness: &str, region: Value| {
        json!({ "id": id, "name": "P", "environment": "pilot",
                "policy": { "strictness": strictness, "refusedEvents": "reject", "defaultRegion": region, "hashedValues": "refuse", "identity": "on",
                  "suppressionList": "honour", "contactConsent": "ignore",
                            "maxEventsPerSecond": null, "maxEventsPerDay": null } })
    };
    assert_eq!(get(&hub, &path).await, policy("lenient", json!("DE")));
    let body = json!({ "policy": { "strictness": "strict" } });
    assert_eq!(
        ok(&hub, "PATCH", &path, body).await,
        policy("strict", json!("DE"))
    );
    let body = json!({ "policy": { "defaultRegion": null } });
    assert_eq!(
        ok(&hub, "PATCH", &path, body).await,
        policy("strict", Value::Null)
    );
    let body = json!({ "policy": { "defaultRegion": "Atlantis" } });
    assert_eq!(
        refused(&hub, "PATCH", &path, body).await,
        (400, vec!["/policy/defaultRegion".to_owned()])
    );
    assert_eq!(
        refused(&hub, "PATCH", &path, json!({})).await.1,
        ["/policy"]
    );
}

/// The status of a publish with this key.
async fn with_key(scene: &Scene, key: &str) -> u16 {
    let body = event("cartAdd", "ada@example.com", 1);
    let answer: Answer = scene
        .hub
        .http
        .json("POST", "/v1/event", Some(key), Some(body))
        .await;
    answer.status
}

#[tokio::test]
async fn a_rotated_key_and_the_new_one_both_work_until_the_overlap_ends() {
    let scene = Scene::start().await;
    let old = &scene.shop.key;
    let body = json!({ "level": "endpoint", "endpointId": scene.shop.id, "overlapSeconds": 3600 });
    let rotated = scene.ok("POST", "/keys/rotate", body).await;
    let new = rotated["key"].as_str().expect("shown once").to_owned();
    assert_eq!(rotated["othersExpireAt"], "2026-03-02T13:00:00Z");

    assert_eq!(
        (with_key(&scene, old).await, with_key(&scene, &new).await),
        (200, 200)
    );
    scene.hub.pass(Duration::from_secs(3599)).await;
    assert_eq!(
        (with_key(&scene, old).await, with_key(&scene, &new).await),
        (200, 200)
    );
    scene.hub.pass(Duration::from_secs(1)).await;
    assert_eq!(
        (with_key(&scene, old).await, with_key(&scene, &new).await),
        (403, 200)
    );

    let keys = scene
        .get(&format!("/keys?endpointId={}", scene.shop.id))
        .await;
    let text = keys.to_string();
    assert!(
        !text.contains(&new) && !text.contains(old),
        "keys are never shown again"
    );
    let valid: Vec<&Value> = keys["items"]
        .as_array()
        .expect("items")
        .iter()
        .map(|k| &k["valid"])
        .collect();
    assert_eq!(valid, [false, true]);
    assert_eq!(keys["items"][1]["prefix"], new[..8]);
}

#[tokio::test]
async fn a_second_rotation_does_not_lengthen_the_first_ones_overlap() {
    let scene = Scene::start().await;
    let rotate = |seconds: u64| {
        let body = json!({ "level": "account", "overlapSeconds": seconds });
        scene.ok("POST", "/keys/rotate", body)
    };
    rotate(60).await;
    let third = rotate(3600).await;
    scene.hub.pass(Duration::from_secs(60)).await;
    let third = third["key"].as_str().expect("a key");
    for (key, status) in [(scene.account.key.as_str(), 403), (third, 200)] {
        assert_eq!(scene.hub.http.get("/v1/endpoint", key).await.status, status);
    }
}

#[tokio::test]
async fn a_rotated_event_key_is_the_one_that_is_told_from_then_on() {
    let scene = Scene::start().await;
    let path = format!("/v1/endpoint/{}/eventinfo", scene.shop.id);
    let told = async || scene.hub.http.get(&path, &scene.shop.key).await.text();
    let before = told().await;
    let body = json!({ "level": "event", "endpointId": scene.shop.id });
    let rotated = scene.ok("POST", "/keys/rotate", body).await;
    let after = told().await;
    assert_ne!(before, after);
    assert!(
        after.contains(rotated["key"].as_str().expect("a key")),
        "{after}"
    );
}

#[tokio::test]
async fn a_revoked_key_ends_at_once() {
    let scene = Scene::start().await;
    let keys = scene
        .get(&format!("/keys?endpointId={}", scene.shop.id))
        .await;
    let id = &keys["items"][0]["id"];
    assert_eq!(
        scene
            .ok("DELETE", &format!("/keys/{id}"), Value::Null)
            .await,
        true
    );
    assert_eq!(with_key(&scene, &scene.shop.key).await, 403);
    assert_eq!(
        scene.refused("DELETE", "/keys/99", Value::Null).await.0,
        404
    );
}

#[tokio::test]
async fn a_rotation_says_whose_key_it_is() {
    let scene = Scene::start().await;
    for body in [
        json!({ "level": "endpoint" }),
        json!({ "level": "account", "endpointId": scene.shop.id }),
        json!({ "level": "event", "overlapSeconds": 0 }),
    ] {
        let answer = scene.refused("POST", "/keys/rotate", body.clone()).await;
        assert_eq!(answer, (400, vec!["/endpointId".to_owned()]), "{body}");
    }
    let body = json!({ "level": "root", "overlapSeconds": -1 });
    let answer = scene.refused("POST", "/keys/rotate", body).await;
    assert_eq!(answer.1, ["/level", "/overlapSeconds"]);
    let body = json!({ "level": "endpoint", "endpointId": 99 });
    assert_eq!(scene.refused("POST", "/keys/rotate", body).await.0, 404);
}

#[tokio::test]
async fn an_accounts_keys_work_in_its_environment_only() {
    let hub = TestHub::start().await;
    for (environment, production, pilot) in [("production", 200, 403), ("pilot", 403, 200)] {
        let body = json!({ "name": environment, "environment": environment });
        let account = ok(&hub, "POST", "/accounts", body).await;
        let key = account["accountKey"].as_str().expect("a key").to_owned();
        assert_eq!(hub.http.get("/v1/endpoint", &key).await.status, production);
        assert_eq!(hub.pilot().get("/v1/endpoint", &key).await.status, pilot);
    }
}

#[tokio::test]
async fn an_endpoint_shows_what_it_is_and_how_it_stands() {
    let scene = Scene::start().await;
    let path = format!("/endpoints/{}", scene.crm.id);
    scene.receiver.answer_status(503);
    scene.publish("ada@example.com").await;
    scene.hub.settle().await;
    let shown = scene.get(&path).await;
    assert_eq!(shown["name"], "CRM");
    assert_eq!(shown["status"], "ACTIVE");
    assert_eq!(shown["enabled"], true);
    assert_eq!(shown["definition"]["providerName"], "Acme");
    let role = &shown["definition"]["eventDestination"];
    assert_eq!(
        role,
        &json!({ "enabled": true, "url": scene.receiver.url(), "transfer": "push" })
    );
    assert_eq!(shown["standing"]["retrying"], 1);
    assert_eq!(shown["standing"]["circuit"], "closed");

    let list = scene.get("/endpoints").await;
    assert_eq!(list["items"][1], shown);
    let status = get(&scene.hub, "/status").await;
    assert_eq!(
        (&status["ready"], &status["retrying"]),
        (&json!(true), &json!(1))
    );
    assert_eq!(status["behind"][0]["endpointId"], json!(scene.crm.id));
}

#[tokio::test]
async fn an_endpoint_is_disabled_enabled_and_deleted() {
    let scene = Scene::start().await;
    let path = format!("/endpoints/{}", scene.crm.id);
    for _ in 0..2 {
        let off = scene.ok("PATCH", &path, json!({ "enabled": false })).await;
        assert_eq!(off["enabled"], false);
    }
    scene.publish("ada@example.com").await;
    scene.ok("PATCH", &path, json!({ "enabled": true })).await;
    scene.publish("bob@example.com").await;
    scene.hub.settle().await;
    assert_eq!(scene.receiver.count(), 1);
    assert_eq!(
        scene.refused("PATCH", &path, json!({})).await.1,
        ["/enabled"]
    );

    assert_eq!(scene.ok("DELETE", &path, Value::Null).await, true);
    assert_eq!(scene.get(&path).await["status"], "DELETED");
    assert_eq!(scene.get("/subscriptions").await["items"], json!([]));
    let again = scene
        .refused("PATCH", &path, json!({ "enabled": true }))
        .await;
    assert_eq!(again.0, 409);
}

#[tokio::test]
async fn a_signing_secret_is_shown_and_rotated_with_the_one_before() {
    let scene = Scene::start().await;
    let path = format!("/endpoints/{}/webhooksecret", scene.crm.id);
    let before = scene.get(&path).await["secrets"][0].clone();
    assert!(
        before
            .as_str()
            .is_some_and(|secret| secret.starts_with("whsec_"))
    );
    let after = scene
        .ok("POST", &format!("{path}/rotate"), Value::Null)
        .await;
    assert_eq!(after["secrets"][1], before);
    assert_eq!(scene.get(&path).await, after);
    scene.publish("ada@example.com").await;
    scene.hub.settle().await;
    let signatures = scene.receiver.requests()[0]
        .header("webhook-signature")
        .to_owned();
    assert_eq!(
        signatures.split(' ').count(),
        2,
        "signed with both: {signatures}"
    );
}

#[tokio::test]
async fn an_event_tells_what_happened_to_it() {
    let scene = Scene::start().await;
    scene.receiver.answer_status(503);
    let id = scene.publish("ada@example.com").await;
    scene.hub.settle().await;
    let path = format!("/events/{id}.0");
    let shown = scene.get(&path).await;
    assert_eq!(shown["eventId"], format!("{id}.0"));
    assert_eq!(shown["eventCode"], "cartAdd");
    assert_eq!(shown["publisherEndpointId"], json!(scene.shop.id));
    assert_eq!(shown["publishedAt"], "2026-03-02T12:00:00Z");
    assert_eq!(shown["body"]["code"], "cartAdd");
    let delivery = &shown["deliveries"][0];
    assert_eq!(delivery["endpointId"], json!(scene.crm.id));
    assert_eq!(
        (&delivery["name"], &delivery["state"]),
        (&json!("CRM"), &json!("retrying"))
    );
    assert_eq!(
        (&delivery["attempts"], &delivery["history"][0]["status"]),
        (&json!(1), &json!(503))
    );

    scene.receiver.answer_status(200);
    scene.hub.pass(Duration::from_secs(60)).await;
    assert_eq!(
        scene.get(&path).await["deliveries"][0]["state"],
        "delivered"
    );
    assert_eq!(
        scene.get(&format!("/events/{id}")).await["eventId"],
        format!("{id}.0")
    );
}

#[tokio::test]
async fn the_latest_events_come_first_page_by_page() {
    let scene = Scene::start().await;
    let other = scene.hub.account().await;
    let theirs = scene.hub.publisher(&other, &["cartAdd"]).await;
    let mut ids = Vec::new();
    for n in 0..5 {
        ids.push(format!(
            "{}.0",
            scene.publish(&format!("p{n}@example.com")).await
        ));
        scene
            .hub
            .published(&theirs, event("cartAdd", "x@example.com", 1))
            .await;
    }
    ids.reverse();
    let mut listed = Vec::new();
    let mut after = String::new();
    loop {
        let page = scene.get(&format!("/events?limit=2{after}")).await;
        for item in page["items"].as_array().expect("items") {
            listed.push(item["eventId"].as_str().expect("an id").to_owned());
        }
        let Some(next) = page["next"].as_str() else {
            break;
        };
        after = format!("&after={next}");
    }
    assert_eq!(listed, ids);
}

#[tokio::test]
async fn dead_letters_are_listed_previewed_and_replayed() {
    let scene = Scene::start().await;
    let [first, second] = scene.two_dead().await;
    let page = scene.get("/deliveries?state=dead&limit=1").await;
    let item = &page["items"][0];
    assert_eq!(item["eventIds"], json!([format!("{first}.0")]));
    assert_eq!(
        (&item["eventCodes"], &item["state"]),
        (&json!(["cartAdd"]), &json!("dead"))
    );
    assert_eq!(
        (&item["endpointId"], &item["attempts"]),
        (&json!(scene.crm.id), &json!(1))
    );
    assert_eq!(item["history"][0]["status"], 400);
    let next = page["next"].as_str().expect("there is more");
    let page = scene
        .get(&format!("/deliveries?state=dead&after={next}"))
        .await;
    assert_eq!(page["items"][0]["eventIds"], json!([format!("{second}.0")]));
    assert_eq!(page["next"], Value::Null);
    assert_eq!(
        scene.get("/deliveries?state=retrying").await["items"],
        json!([])
    );
    assert_eq!(
        scene
            .get(&format!("/deliveries?endpointId={}", scene.shop.id))
            .await["items"],
        json!([])
    );

    scene.receiver.answer_status(200);
    let before = scene.receiver.count();
    let range = json!({ "endpointId": scene.crm.id, "from": "2026-03-02T11:00:00Z", "to": "2026-03-02T13:00:00Z", "dryRun": true });
    let preview = scene.ok("POST", "/deliveries/replay", range).await;
    assert_eq!(preview["dryRun"], true);
    assert_eq!(
        (&preview["documents"], &preview["destinations"]),
        (
            &json!(2),
            &json!([{ "endpointId": scene.crm.id, "documents": 2 }])
        )
    );
    scene.hub.settle().await;
    assert_eq!(scene.receiver.count(), before, "a preview sends nothing");

    let body = json!({ "eventIds": [format!("{first}.0")] });
    assert_eq!(
        scene.ok("POST", "/deliveries/replay", body).await["documents"],
        1
    );
    scene.hub.settle().await;
    assert_eq!(scene.receiver.count(), before + 1);
    let body = json!({ "endpointId": scene.crm.id, "onlyDead": true });
    assert_eq!(scene.ok("POST", "/replay", body).await["documents"], 1);
    scene.hub.settle().await;
    assert_eq!(scene.receiver.count(), before + 2);
    assert_eq!(scene.get("/deliveries").await["items"], json!([]));
}

#[tokio::test]
async fn two_destinations_in_trouble_with_one_event_are_on_two_pages() {
    let scene = Scene::start().await;
    let second = scene
        .hub
        .push_destination(&scene.account, &scene.receiver.url())
        .await;
    scene
        .hub
        .subscribe(&scene.account, &scene.shop, "cartAdd", &second)
        .await;
    scene.receiver.answer_status(400);
    scene.publish("ada@example.com").await;
    scene.hub.settle().await;
    let first = scene.get("/deliveries?limit=1").await;
    let next = first["next"].as_str().expect("there is more");
    let page = scene
        .get(&format!("/deliveries?limit=1&after={next}"))
        .await;
    assert_eq!(first["items"][0]["endpointId"], json!(scene.crm.id));
    assert_eq!(page["items"][0]["endpointId"], json!(second.id));
    assert_eq!(page["next"], Value::Null);
}

#[tokio::test]
async fn a_replay_is_refused_with_all_that_is_wrong() {
    let scene = Scene::start().await;
    let crm = scene.crm.id;
    for (body, pointers) in [
        (json!({}), vec!["/endpointId", "/from"]),
        (json!({ "endpointId": crm }), vec!["/from"]),
        (
            json!({ "endpointId": crm, "from": "2026-03-02T12:00:00Z", "to": "2026-03-02T12:00:00Z" }),
            vec!["/to"],
        ),
        (
            json!({ "eventIds": ["x", 1], "from": "noon", "since": 1 }),
            vec!["/eventIds/0", "/eventIds/1", "/from", "/since"],
        ),
    ] {
        let answer = scene
            .refused("POST", "/deliveries/replay", body.clone())
            .await;
        assert_eq!(
            (answer.0, answer.1),
            (400, pointers.into_iter().map(str::to_owned).collect()),
            "{body}"
        );
    }
    let body = json!({ "endpointId": 99, "from": "2026-03-02T12:00:00Z" });
    assert_eq!(
        scene.refused("POST", "/deliveries/replay", body).await.0,
        404
    );
}

#[tokio::test]
async fn refused_events_are_kept_repaired_and_given_up() {
    let scene = Scene::start().await;
    let body = json!({ "policy": { "refusedEvents": "quarantine" } });
    scene.ok("PATCH", "", body).await;
    for code in ["cartAd", "cartAd", "nonsense", "worse"] {
        scene
            .hub
            .publish(&scene.shop, event(code, "ada@example.com", 1))
            .await;
    }
    let held = scene.get("/quarantine").await;
    let ids: Vec<Value> = held["items"]
        .as_array()
        .expect("items")
        .iter()
        .map(|q| q["id"].clone())
        .collect();
    assert_eq!(ids.len(), 4, "{held}");
    let one = scene.get(&format!("/quarantine/{}", ids[2])).await;
    assert_eq!(one["state"], "held");
    assert_eq!(one["endpointId"], json!(scene.shop.id));
    assert_eq!(one["errors"][0]["pointer"], "/events/0/code");

    let mut body = one["body"].clone();
    let path = format!("/quarantine/{}/repair", ids[2]);
    let answer = scene.refused("POST", &path, body.clone()).await;
    assert_eq!(
        answer,
        (400, vec!["/events/0/code".to_owned()]),
        "it is as it was"
    );
    body["events"][0]["code"] = json!("cartAdd");
    assert_eq!(scene.ok("POST", &path, body.clone()).await["accepted"], 1);
    assert_eq!(
        scene.refused("POST", &path, body).await.0,
        409,
        "it is published already"
    );

    let mapping =
        json!({ "endpointId": scene.shop.id, "mapping": { "codes": { "cartAd": "cartAdd" } } });
    let repaired = scene.ok("POST", "/quarantine/repair", mapping).await;
    assert_eq!(repaired["published"], json!([ids[0], ids[1]]));
    assert_eq!(repaired["refused"][0]["id"], ids[3]);
    assert_eq!(
        repaired["refused"][0]["errors"][0]["pointer"],
        "/events/0/code"
    );
    scene.hub.settle().await;
    assert_eq!(scene.receiver.count(), 3);

    let path = format!("/quarantine/{}", ids[3]);
    assert_eq!(scene.ok("DELETE", &path, Value::Null).await, true);
    assert_eq!(scene.refused("DELETE", &path, Value::Null).await.0, 409);
    assert_eq!(scene.get("/quarantine").await["items"], json!([]));
    let discarded = scene.get("/quarantine?state=discarded").await;
    assert_eq!(discarded["items"][0]["id"], ids[3]);
    assert_eq!(
        scene
            .refused("POST", "/quarantine/repair", json!({}))
            .await
            .1,
        ["/endpointId", "/mapping"]
    );
}

#[tokio::test]
async fn schema_drift_notices_and_the_audit_trail_are_listed() {
    let scene = Scene::start().await;
    let mut body = event("cartAdd", "ada@example.com", 1);
    body["events"][0]["attributes"] = json!([{ "name": "colour", "value": "red" }]);
    scene.hub.published(&scene.shop, body).await;
    let drift = scene
        .get(&format!("/schemadrift?endpointId={}", scene.shop.id))
        .await;
    assert_eq!(drift["items"][0]["attribute"], "colour");
    assert_eq!(
        (&drift["items"][0]["eventCode"], &drift["items"][0]["seen"]),
        (&json!("cartAdd"), &json!(1))
    );

    scene.receiver.answer_status(410);
    scene.hub.settle().await;
    let notices = scene.get("/notices").await;
    assert_eq!(notices["items"][0]["kind"], "destination-gone");
    assert_eq!(notices["items"][0]["endpointId"], json!(scene.crm.id));
    let endpoint = scene.get(&format!("/endpoints/{}", scene.crm.id)).await;
    assert!(
        endpoint["disabledReason"]
            .as_str()
            .is_some_and(|why| why.contains("410"))
    );

    let trail = scene.get("/audit").await;
    let actions: Vec<&str> = trail["items"]
        .as_array()
        .expect("items")
        .iter()
        .filter_map(|entry| entry["action"].as_str())
        .collect();
    assert_eq!(actions[0], "account.create");
    assert_eq!(actions.last(), Some(&"endpoint.disable"));
    let all = get(&scene.hub, "/audit?limit=1").await;
    assert_eq!(all["items"][0]["action"], "provider.create");
    assert!(
        !trail.to_string().contains(&scene.shop.key),
        "no secrets in the trail"
    );
}

#[tokio::test]
async fn the_page_about_management_names_every_call() {
    const PAGE: &str = include_str!("../../../../docs/management.md");
    let hub = TestHub::start().await;
    let mut calls = 0;
    for route in &hub.server.routes {
        let Some(path) = route.path.strip_prefix("/manage/v1/") else {
            continue;
        };
        calls += 1;
        let short = path.strip_prefix("accounts/{accountId}/").unwrap_or(path);
        let mut rows = PAGE.lines().filter(|line| line.contains(short));
        let method = route.method.as_str();
        assert!(rows.any(|row| row.contains(method)), "{method} {path}");
    }
    assert!(calls > 30, "the routes are there: {calls}");
}
