//! Event types: registered by publishers and subscribers, listed, watched for subscribers, changed and removed.
//!
//! The `curl` commands are the examples of the published API with their quotes and placeholders repaired; some of them
//! spell the path `eventype`.

mod attributes;
mod subscribed;

use model::Environment;
use serde_json::{Value, json};

use crate::harness::{Answer, TestAccount, TestEndpoint, TestHub, event};

/// A hub, an account, and a publisher without event types.
async fn publisher() -> (TestHub, TestAccount, TestEndpoint) {
    let hub = TestHub::start().await;
    let account = hub.account().await;
    let shop = hub.publisher(&account, &[]).await;
    (hub, account, shop)
}

async fn register(hub: &TestHub, endpoint: &TestEndpoint, body: Value) -> Answer {
    hub.http
        .json("POST", "/v1/eventtype", Some(&endpoint.key), Some(body))
        .await
}

/// The number that a registration answers, bare.
async fn registered(hub: &TestHub, endpoint: &TestEndpoint, body: Value) -> i64 {
    let answer = register(hub, endpoint, body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.text().parse().expect("a bare number")
}

async fn list(hub: &TestHub, endpoint: &TestEndpoint) -> Value {
    let answer = hub.http.get("/v1/eventtype", &endpoint.key).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

async fn codes(hub: &TestHub, endpoint: &TestEndpoint) -> Vec<String> {
    let all = list(hub, endpoint).await;
    let all = all.as_array().expect("an array").iter();
    all.map(|t| t["code"].as_str().expect("a code").to_owned())
        .collect()
}

#[tokio::test]
async fn a_publisher_registers_what_it_publishes() {
    let (hub, _, shop) = publisher().await;
    let key = &shop.key;
    let answer = hub
        .http
        .curl(&format!(
            r#"curl -v \
            -X POST \
            -H "Authorization: Bearer {key}" \
            -H "Content-Type: application/json" \
            -d '{{"code" : "ibmcartPurchase","name" : "Purchase",
                "description" : "A cart was paid"}}' \
            <base URL>/v1/eventtype"#
        ))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let id: i64 = answer.text().parse().expect("a bare number");

    let answer = hub
        .http
        .curl(&format!(
            r#"curl -v \
            -X GET \
            -H "Authorization: Bearer {key}" \
            -H "Content-Type: application/json" \
            \
            https://<base URL>/v1/eventtype"#
        ))
        .await;
    assert_eq!(
        answer.json(),
        json!([{
            "id": id, "code": "ibmcartPurchase", "version": 1, "namespace": "com.ibm.commerce.ubx", "name": "Purchase",
            "description": "A cart was paid", "attributes": [], "registrationType": "PUBLISH", "custom": false,
        }])
    );
}

#[tokio::test]
async fn registering_again_updates_and_answers_the_same_number() {
    let (hub, _, shop) = publisher().await;
    let first = registered(&hub, &shop, json!({ "code": "cartAdd", "name": "Added" })).await;
    let attributes = json!([{ "name": "orderTotal", "type": "Number" }, { "name": "note" }, { "name": "mail", "type": "email" }]);
    let again = json!({ "code": "cartAdd", "name": "Added to cart", "version": "1", "attributes": attributes });
    assert_eq!(registered(&hub, &shop, again).await, first);
    let all = list(&hub, &shop).await;
    assert_eq!(all.as_array().map(Vec::len), Some(1));
    assert_eq!(all[0]["name"], "Added to cart");
    assert_eq!(
        all[0]["attributes"],
        json!([{ "name": "orderTotal", "type": "Number" }, { "name": "note", "type": "string" }, { "name": "mail", "type": "email" }]),
        "types in any letter case; none means string"
    );

    // Another namespace, direction or letter case is another event type.
    for other in [
        json!({ "code": "cartAdd", "name": "n", "namespace": "com.example" }),
        json!({ "code": "cartAdd", "name": "n", "registrationType": "subscribe" }),
        json!({ "code": "CARTADD", "name": "n" }),
    ] {
        assert_ne!(registered(&hub, &shop, other).await, first);
    }
    assert_eq!(
        codes(&hub, &shop).await,
        ["cartAdd", "cartAdd", "cartAdd", "CARTADD"]
    );
}

#[tokio::test]
async fn a_code_that_the_catalog_does_not_know_is_custom() {
    let (hub, _, shop) = publisher().await;
    for (code, custom) in [
        ("emailOpen", false),
        ("application/installed", false),
        ("loyalty/points earned", true),
        ("EMAILOPEN", true),
    ] {
        registered(&hub, &shop, json!({ "code": code, "name": code, "description": null, "namespace": null, "version": null, "attributes": null })).await;
        let all = list(&hub, &shop).await;
        let last = all
            .as_array()
            .and_then(|all| all.last())
            .expect("one at least");
        assert_eq!(
            (last["code"].as_str(), last["custom"].as_bool()),
            (Some(code), Some(custom))
        );
    }
}

#[tokio::test]
async fn a_registration_that_breaks_rules_says_where() {
    let (hub, _, shop) = publisher().await;
    let attributes = |list: Value| json!({ "code": "a", "name": "b", "attributes": list });
    let cases = [
        (json!({}), vec!["/code", "/name"]),
        (json!({ "code": " ", "name": {} }), vec!["/code", "/name"]),
        (
            json!({ "code": "x".repeat(300), "name": "b" }),
            vec!["/code"],
        ),
        (
            json!({ "code": "a", "name": "b", "version": 2 }),
            vec!["/version"],
        ),
        (
            json!({ "code": "a", "name": "b", "version": "new" }),
            vec!["/version"],
        ),
        (
            json!({ "code": "a", "name": "b", "registrationType": "READ" }),
            vec!["/registrationType"],
        ),
        (attributes(json!({})), vec!["/attributes"]),
        (
            attributes(json!([{ "type": "string" }, "x"])),
            vec!["/attributes/0/name", "/attributes/1"],
        ),
        (
            attributes(json!([{ "name": "a" }, { "name": "a" }])),
            vec!["/attributes/1/name"],
        ),
        (json!([]), vec![""]),
    ];
    for (body, pointers) in cases {
        let answer = register(&hub, &shop, body).await;
        assert_eq!(answer.status, 400, "{}", answer.text());
        assert_eq!(answer.pointers(), pointers, "{}", answer.text());
        assert!(answer.json()["message"].is_string());
    }
    assert_eq!(list(&hub, &shop).await, json!([]));
}

#[tokio::test]
async fn what_is_registered_may_be_published_at_once_and_what_is_removed_no_more() {
    let (hub, _, shop) = publisher().await;
    let sale = || event("cartAdd", "ada@example.com", 1);
    assert_eq!(hub.publish(&shop, sale()).await.status, 400);
    registered(&hub, &shop, json!({ "code": "cartAdd", "name": "Added" })).await;
    assert_eq!(hub.publish(&shop, sale()).await.status, 200);

    let key = &shop.key;
    for expected in ["true", "false"] {
        let answer = hub
            .http
            .curl(&format!(
                r#"curl -v \
                -X DELETE \
                -H "Authorization: Bearer {key}" \
                -H "Content-Type: application/json" \
                \
                https://<base URL>/v1/eventtype/cartAdd"#
            ))
            .await;
        assert_eq!((answer.status, answer.text().as_str()), (200, expected));
    }
    assert_eq!(hub.publish(&shop, sale()).await.status, 400);
}

#[tokio::test]
async fn codes_of_every_kind_can_be_removed() {
    let (hub, _, shop) = publisher().await;
    let cases = [
        // code, path
        ("application/installed", "application/installed"),
        ("application/installed", "application%2Finstalled"),
        ("points earned", "points%20earned"),
        ("größe", "gr%C3%B6%C3%9Fe"),
        ("100%", "100%25"),
        ("a?b#c", "a%3Fb%23c"),
        ("attributes/publisher", "attributes/publisher"),
        // Codes that read like the lists.
        ("subscribed", "subscribed"),
        ("subscribed/producer", "subscribed/producer"),
    ];
    for (code, path) in cases {
        for spelling in ["eventtype", "eventype"] {
            registered(&hub, &shop, json!({ "code": code, "name": code })).await;
            let path = format!("/v1/{spelling}/{path}");
            let answer = hub.http.json("DELETE", &path, Some(&shop.key), None).await;
            assert_eq!(
                (answer.status, answer.text().as_str()),
                (200, "true"),
                "{path}"
            );
            assert_eq!(codes(&hub, &shop).await, [""; 0], "{path}");
        }
    }
}

#[tokio::test]
async fn one_code_in_several_namespaces_goes_as_a_whole() {
    let (hub, _, shop) = publisher().await;
    for namespace in ["com.example", "org.example"] {
        registered(
            &hub,
            &shop,
            json!({ "code": "visit", "name": "Visit", "namespace": namespace }),
        )
        .await;
    }
    registered(&hub, &shop, json!({ "code": "visited", "name": "Visited" })).await;
    let answer = hub
        .http
        .json("DELETE", "/v1/eventtype/visit", Some(&shop.key), None)
        .await;
    assert_eq!(answer.text(), "true");
    assert_eq!(codes(&hub, &shop).await, ["visited"]);
}

#[tokio::test]
async fn each_endpoint_has_its_own() {
    let (hub, account, shop) = publisher().await;
    let sister = hub.publisher(&account, &["cartAdd"]).await;
    registered(&hub, &shop, json!({ "code": "cartAdd", "name": "Added" })).await;
    let answer = hub
        .http
        .json("DELETE", "/v1/eventtype/cartAdd", Some(&shop.key), None)
        .await;
    assert_eq!(answer.text(), "true");
    assert_eq!(codes(&hub, &shop).await, [""; 0]);
    assert_eq!(codes(&hub, &sister).await, ["cartAdd"]);
}

#[tokio::test]
async fn the_misspelled_paths_are_served_alike() {
    let (hub, _, shop) = publisher().await;
    let key = Some(shop.key.as_str());
    let id = shop.id;
    let body = json!({ "code": "cartAdd", "name": "Added" });
    let answer = hub.http.json("POST", "/v1/eventype", key, Some(body)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    for path in [
        "",
        "/subscribed",
        "/subscribed/producer",
        "/subscribed/consumer",
    ] {
        let right = hub
            .http
            .get(&format!("/v1/eventtype{path}"), &shop.key)
            .await;
        let wrong = hub
            .http
            .get(&format!("/v1/eventype{path}"), &shop.key)
            .await;
        assert_eq!(wrong.status, 200, "{path}");
        assert_eq!(wrong.json(), right.json(), "{path}");
    }
    let path = format!("/v1/eventype/attributes/publisher/{id}");
    let answer = hub.http.json("PUT", &path, key, Some(json!([]))).await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "true"));
}

#[tokio::test]
async fn the_key_decides_who_may_call() {
    let (hub, account, shop) = publisher().await;
    let calls = [
        ("POST", "/v1/eventtype"),
        ("GET", "/v1/eventtype"),
        ("GET", "/v1/eventype/subscribed"),
        ("PUT", "/v1/eventtype/attributes/publisher/1"),
        ("DELETE", "/v1/eventtype/cartAdd"),
    ];
    for (method, path) in calls {
        let body = (method != "GET").then(|| json!({}));
        assert_eq!(
            hub.http.json(method, path, None, body.clone()).await.status,
            401,
            "{method} {path}"
        );
        let answer = hub
            .http
            .json(method, path, Some(&account.key), body.clone())
            .await;
        assert_eq!(answer.status, 403, "{method} {path}");
        let answer = hub.pilot().json(method, path, Some(&shop.key), body).await;
        assert_eq!(answer.status, 403, "{method} {path}");
    }
    let pilot = hub
        .account_in(Environment::Pilot, model::AccountPolicy::default())
        .await;
    let endpoint = hub.register(&pilot).await;
    assert_eq!(
        hub.pilot().get("/v1/eventtype", &endpoint.key).await.json(),
        json!([])
    );
}

#[tokio::test]
async fn a_restart_forgets_nothing() {
    let (hub, _, shop) = publisher().await;
    registered(&hub, &shop, json!({ "code": "application/installed", "name": "n", "attributes": [{ "name": "a", "type": "DATE" }] })).await;
    let before = list(&hub, &shop).await;
    let hub = hub.restart().await;
    assert_eq!(list(&hub, &shop).await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_may_be_registered_at_once() {
    let (hub, _, shop) = publisher().await;
    let mut calls = tokio::task::JoinSet::new();
    let mut expected = Vec::new();
    for i in 0..60 {
        let code = format!("code{i:02}");
        let (http, key) = (hub.http.clone(), shop.key.clone());
        expected.push(code.clone());
        calls.spawn(async move {
            // A switch in between: neither change may undo the other.
            let word = if i % 2 == 0 { "disable" } else { "enable" };
            let switch = format!("/v1/endpoint/{word}");
            let body = json!({ "code": code, "name": code });
            let register = http.json("POST", "/v1/eventtype", Some(&key), Some(body));
            let (registered, _) =
                tokio::join!(register, http.json("PUT", &switch, Some(&key), None));
            assert_eq!(registered.status, 200, "{}", registered.text());
        });
    }
    while let Some(call) = calls.join_next().await {
        call.expect("the call is answered");
    }
    let mut now = codes(&hub, &shop).await;
    now.sort();
    assert_eq!(now, expected);
    let enabled = async |hub: &TestHub| hub.http.get("/v1/endpoint", &shop.key).await.json();
    let before = enabled(&hub).await;
    let hub = hub.restart().await;
    assert_eq!(
        enabled(&hub).await,
        before,
        "what was answered is what is stored"
    );
}
