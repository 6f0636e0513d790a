//! Endpoints, as a provider's integration meets them: register, read back, switch, hand over credentials, fail, delete.
//!
//! The `curl` commands are the examples of the published API with their quotes and placeholders repaired.

mod attributes;
mod description;
mod switching;

use model::Environment;
use serde_json::{Value, json};

use crate::harness::{TestAccount, TestEndpoint, TestHub, publisher_definition};

/// A hub, an account, and an endpoint that a user has just registered.
async fn registered() -> (TestHub, TestAccount, TestEndpoint) {
    let hub = TestHub::start().await;
    let account = hub.account().await;
    let endpoint = hub.register(&account).await;
    (hub, account, endpoint)
}

/// The same, described by its provider as a publisher named `Web shop`.
async fn defined() -> (TestHub, TestAccount, TestEndpoint) {
    let hub = TestHub::start().await;
    let account = hub.account().await;
    let endpoint = hub.endpoint(&account, publisher_definition()).await;
    (hub, account, endpoint)
}

async fn status_of(hub: &TestHub, endpoint: &TestEndpoint) -> Value {
    let path = format!("/v1/{}/status", endpoint.id);
    let answer = hub.http.get(&path, &endpoint.key).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

async fn define(hub: &TestHub, endpoint: &TestEndpoint, body: Value) -> crate::harness::Answer {
    hub.http
        .json("PUT", "/v1/endpoint", Some(&endpoint.key), Some(body))
        .await
}

#[tokio::test]
async fn a_user_registers_it_and_the_provider_describes_it() {
    let (hub, _, endpoint) = registered().await;
    assert_eq!(status_of(&hub, &endpoint).await, "PENDING");
    let key = &endpoint.key;
    for direction in ["source", "destination"] {
        let answer = hub
            .http
            .curl(&format!(
                r#"curl -v \
                -X PUT \
                -H "Authorization: Bearer {key}" \
                -H "Content-Type: application/json" \
                -d '{{"providerName" : "Acme","name" : "Web shop",
                    "description" : "All that happens in the shop", "endpointTypes" : {{ "event" :
                    {{"{direction}" : {{  "enabled" : true,
                    "destinationType" : "push" }}  }} }},
                    "url" : "https://api.example.com/event/"}}' \
                    <base URL>/v1/endpoint"#
            ))
            .await;
        assert_eq!((answer.status, answer.text().as_str()), (200, "true"));
        assert_eq!(status_of(&hub, &endpoint).await, "ACTIVE");
        let read = hub.http.get("/v1/endpoint", key).await.json();
        assert_eq!(read["endpointTypes"]["event"][direction]["enabled"], true);
    }
}

#[tokio::test]
async fn it_may_provide_or_consume_audiences() {
    let (hub, _, endpoint) = registered().await;
    let key = &endpoint.key;
    for (direction, transfer) in [("source", "pull"), ("destination", "push")] {
        let answer = hub
            .http
            .curl(&format!(
                r#"curl -v \
                -X PUT \
                -H "Authorization: Bearer {key}" \
                -H "Content-Type: application/json" \
                -d '{{"providerName" : "Acme","name" : "CRM",
                    "description" : "Everybody we know", "endpointTypes" : {{ "segment" :
                    {{"{direction}" : {{  "enabled" : true,
                    "destinationType" : "{transfer}" }}  }} }},
                    "url" : "https://crm.example.com"}}' \
                <base URL>/v1/endpoint"#
            ))
            .await;
        assert_eq!((answer.status, answer.text().as_str()), (200, "true"));
    }
    let read = hub.http.get("/v1/endpoint", key).await.json();
    assert_eq!(
        read["endpointTypes"],
        json!({ "segment": { "destination": { "enabled": true, "destinationType": "push" } } }),
        "the later call replaces the earlier"
    );
}

#[tokio::test]
async fn whatever_clients_call_json_is_taken() {
    let (hub, _, endpoint) = registered().await;
    let bearer = format!("Bearer {}", endpoint.key);
    let body = publisher_definition().to_string();
    for media in [
        "application/json",
        "application/JSON; charset=utf-8",
        "Application/Json;charset=UTF-8",
    ] {
        let headers = [("authorization", bearer.as_str()), ("content-type", media)];
        let answer = hub
            .http
            .send("PUT", "/v1/endpoint", &headers, body.clone())
            .await;
        assert_eq!(answer.status, 200, "{media}: {}", answer.text());
    }
    let headers = [("authorization", bearer.as_str())];
    let answer = hub
        .http
        .send("PUT", "/v1/endpoint", &headers, body.clone())
        .await;
    assert_eq!(answer.status, 200, "no type said: {}", answer.text());

    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/xml"),
    ];
    let answer = hub.http.send("PUT", "/v1/endpoint", &headers, body).await;
    assert_eq!(answer.status, 415);
}

#[tokio::test]
async fn a_registration_that_breaks_rules_says_where_and_changes_nothing() {
    let (hub, _, endpoint) = defined().await;
    let before = hub.http.get("/v1/endpoint", &endpoint.key).await.json();
    let cases = [
        (json!({}), vec!["/name", "/providerName"]),
        (
            json!({ "name": "CRM", "providerName": "Acme", "url": "crm.example.com", "hashAlgorithm": "ROT13" }),
            vec!["/hashAlgorithm", "/url"],
        ),
        (
            json!({ "name": "CRM", "providerName": "Acme", "endpointTypes": { "event": { "destination": { "enabled": true } } } }),
            vec!["/endpointTypes/event/destination/url"],
        ),
        // Only providers that the operator knows.
        (
            json!({ "name": "CRM", "providerName": "Nobody & Sons" }),
            vec!["/providerName"],
        ),
        (json!(["CRM"]), vec![""]),
    ];
    for (body, pointers) in cases {
        let answer = define(&hub, &endpoint, body).await;
        assert_eq!(answer.status, 400, "{}", answer.text());
        assert_eq!(answer.pointers(), pointers, "{}", answer.text());
        let document = answer.json();
        assert_eq!(document["status"], 400);
        assert!(document["message"].is_string(), "clients tell errors by it");
    }
    let after = hub.http.get("/v1/endpoint", &endpoint.key).await.json();
    assert_eq!(after, before);
}

#[tokio::test]
async fn a_body_that_is_not_json_or_far_too_large_is_refused() {
    let (hub, _, endpoint) = registered().await;
    let bearer = format!("Bearer {}", endpoint.key);
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
    ];
    let deep = "[".repeat(100_000);
    let large = format!("[{}0]", "0,".repeat(600_000));
    for (body, status) in [
        ("", 400),
        ("{\"name\":", 400),
        (deep.as_str(), 400),
        (large.as_str(), 413),
    ] {
        let answer = hub
            .http
            .send("PUT", "/v1/endpoint", &headers, body.to_owned())
            .await;
        assert_eq!(answer.status, status, "{}", answer.text());
        assert!(answer.json()["message"].is_string());
    }
}

#[tokio::test]
async fn a_provider_that_fails_to_set_itself_up_says_so() {
    let (hub, _, endpoint) = registered().await;
    let (id, key) = (endpoint.id, &endpoint.key);
    let answer = hub
        .http
        .curl(&format!(
            r#"curl -v \
            -X PUT \
            -H "Authorization: Bearer {key}" \
            -H "Content-Type: application/json; charset=utf-8" \
            -d '{{"reason" : "the licence has ended"}}' \
            https://<base URL>/v1/endpoint/{id}/reportfailure"#
        ))
        .await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "true"));
    assert_eq!(status_of(&hub, &endpoint).await, "FAILED");

    let answer = define(&hub, &endpoint, publisher_definition()).await;
    assert_eq!(answer.status, 200, "the next attempt may succeed");
    assert_eq!(status_of(&hub, &endpoint).await, "ACTIVE");
}

#[tokio::test]
async fn a_reason_has_at_most_512_bytes() {
    let (hub, _, endpoint) = defined().await;
    let path = format!("/v1/endpoint/{}/reportfailure", endpoint.id);
    let cases = [
        (json!({ "reason": "é".repeat(257) }), 400),
        (json!({ "reason": " " }), 400),
        (json!({ "reason": null }), 400),
        (json!({}), 400),
        (json!({ "reason": ["x"] }), 400),
        // Bytes, not characters: 256 of two bytes each.
        (json!({ "reason": "é".repeat(256) }), 200),
    ];
    for (body, status) in cases {
        assert_eq!(status_of(&hub, &endpoint).await, "ACTIVE");
        let answer = hub
            .http
            .json("PUT", &path, Some(&endpoint.key), Some(body))
            .await;
        assert_eq!(answer.status, status, "{}", answer.text());
        if status == 400 {
            assert_eq!(answer.pointers(), ["/reason"]);
        }
    }
}

#[tokio::test]
async fn a_deleted_endpoint_answers_for_its_status_only() {
    let (hub, account, endpoint) = defined().await;
    let (id, key) = (endpoint.id, &endpoint.key);
    let answer = hub
        .http
        .curl(&format!(
            r#"curl -v \
            -X DELETE \
            -H "Authorization: Bearer {key}" \
            -H "Content-Type: application/json" \
            https://<base URL>/v1/endpoint"#
        ))
        .await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "true"));

    for path in [
        format!("/v1/{id}/status"),
        format!("/v1/endpoint/{id}/status"),
    ] {
        let answer = hub
            .http
            .curl(&format!(
                r#"curl -v -X GET -H "Authorization: Bearer {key}" https://<base URL>{path}"#
            ))
            .await;
        assert_eq!(
            (answer.status, answer.text().as_str()),
            (200, "\"DELETED\"")
        );
    }
    for (method, path) in [
        ("GET", "/v1/endpoint"),
        ("PUT", "/v1/endpoint/enable"),
        ("DELETE", "/v1/endpoint"),
        ("GET", "/v1/eventtype"),
    ] {
        let answer = hub.http.json(method, path, Some(key), None).await;
        assert_eq!(answer.status, 403, "{method} {path}");
    }
    let all = hub.http.get("/v1/endpoint", &account.key).await;
    assert_eq!(all.json(), json!([]), "it has left the account's list");
    let one = hub
        .http
        .get(&format!("/v1/endpoint?endpointId={id}"), &account.key)
        .await;
    assert_eq!(
        one.json()[0]["status"],
        "DELETED",
        "but who asks for it is told"
    );
}

#[tokio::test]
async fn ids_cannot_be_probed() {
    let (hub, account, endpoint) = defined().await;
    let sister = hub.endpoint(&account, publisher_definition()).await;
    let stranger_account = hub.account().await;
    let stranger = hub
        .endpoint(&stranger_account, publisher_definition())
        .await;
    let paths = |id: &str| {
        [
            ("GET", format!("/v1/{id}/status")),
            ("GET", format!("/v1/endpoint/{id}/status")),
            ("GET", format!("/v1/endpoint/{id}/eventinfo")),
            ("PUT", format!("/v1/endpoint/{id}/reportfailure")),
        ]
    };
    let cases = [
        (sister.id.to_string(), 403),
        (stranger.id.to_string(), 404),
        ("999999".to_owned(), 404),
        ("0".to_owned(), 404),
        ("shop".to_owned(), 404),
        ("%FF".to_owned(), 404),
    ];
    for (id, status) in cases {
        for (method, path) in paths(&id) {
            let body = (method == "PUT").then(|| json!({ "reason": "why not" }));
            let answer = hub
                .http
                .json(method, &path, Some(&endpoint.key), body)
                .await;
            assert_eq!(answer.status, status, "{method} {path}: {}", answer.text());
            assert!(answer.json()["message"].is_string());
        }
    }
    assert_eq!(status_of(&hub, &sister).await, "ACTIVE");
}

#[tokio::test]
async fn the_key_decides_who_may_call() {
    let (hub, account, endpoint) = defined().await;
    let answer = hub
        .http
        .json("PUT", "/v1/endpoint", None, Some(publisher_definition()))
        .await;
    assert_eq!(answer.status, 401);
    assert_eq!(answer.headers["www-authenticate"], "Bearer");

    let body = || Some(publisher_definition());
    let answer = hub
        .http
        .json("PUT", "/v1/endpoint", Some("1234-abcd-5678-efgh"), body())
        .await;
    assert_eq!(answer.status, 403, "unknown");
    let answer = hub
        .http
        .json("PUT", "/v1/endpoint", Some(&account.key), body())
        .await;
    assert_eq!(answer.status, 403, "of the account, to write");
    let answer = hub
        .pilot()
        .json("PUT", "/v1/endpoint", Some(&endpoint.key), body())
        .await;
    assert_eq!(answer.status, 403, "of the other environment");

    let pilot = hub
        .account_in(Environment::Pilot, model::AccountPolicy::default())
        .await;
    let endpoint = hub.register(&pilot).await;
    let answer = hub
        .pilot()
        .json("PUT", "/v1/endpoint", Some(&endpoint.key), body())
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[tokio::test]
async fn a_wrong_method_is_told_the_right_ones() {
    let (hub, _, endpoint) = defined().await;
    let answer = hub
        .http
        .json("POST", "/v1/endpoint", Some(&endpoint.key), Some(json!({})))
        .await;
    assert_eq!(answer.status, 405);
    let allow = answer.headers["allow"].to_str().expect("text");
    for method in ["GET", "PUT", "DELETE"] {
        assert!(allow.contains(method), "{allow}");
    }
    assert!(answer.json()["message"].is_string());
}

#[tokio::test]
async fn browsers_publish_with_a_key_that_can_do_nothing_else() {
    let hub = TestHub::start().await;
    let account = hub.account().await;
    let shop = hub.publisher(&account, &["cartAdd"]).await;
    let path = format!("/v1/endpoint/{}/eventinfo", shop.id);
    let info = hub.http.get(&path, &shop.key).await.json();
    assert_eq!(info["endpointId"], shop.id.0);
    let key = info["eventAuthKey"].as_str().expect("a key").to_owned();
    assert_eq!(
        hub.http.get(&path, &shop.key).await.json(),
        info,
        "once is enough, twice is the same"
    );

    let event = crate::harness::event("cartAdd", "ada@example.com", 1);
    let answer = hub
        .http
        .json("POST", "/v1/customEvent", Some(&key), Some(event.clone()))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let answer = hub
        .http
        .json("POST", "/v1/event", Some(&key), Some(event))
        .await;
    assert_eq!(answer.status, 403);
    for (method, path) in [
        ("GET", "/v1/endpoint"),
        ("PUT", "/v1/endpoint/disable"),
        ("GET", path.as_str()),
    ] {
        let answer = hub.http.json(method, path, Some(&key), None).await;
        assert_eq!(answer.status, 403, "{method} {path}");
    }
}

#[tokio::test]
async fn pages_of_other_origins_may_call() {
    let (hub, _, endpoint) = defined().await;
    let preflight = [
        ("origin", "https://shop.example.com"),
        ("access-control-request-method", "PUT"),
        (
            "access-control-request-headers",
            "authorization,content-type",
        ),
    ];
    let answer = hub
        .http
        .send("OPTIONS", "/v1/endpoint", &preflight, "")
        .await;
    assert!((200..300).contains(&answer.status));
    assert_eq!(
        answer.headers["access-control-allow-origin"],
        "https://shop.example.com"
    );
    let bearer = format!("Bearer {}", endpoint.key);
    let headers = [
        ("authorization", bearer.as_str()),
        ("origin", "https://shop.example.com"),
    ];
    let answer = hub.http.send("GET", "/v1/endpoint", &headers, "").await;
    assert_eq!(
        answer.headers["access-control-allow-origin"],
        "https://shop.example.com"
    );
}

#[tokio::test]
async fn a_restart_forgets_nothing() {
    let (hub, _, endpoint) = defined().await;
    let before = hub.http.get("/v1/endpoint", &endpoint.key).await.json();
    let hub = hub.restart().await;
    assert_eq!(
        hub.http.get("/v1/endpoint", &endpoint.key).await.json(),
        before
    );
    assert_eq!(status_of(&hub, &endpoint).await, "ACTIVE");
}
