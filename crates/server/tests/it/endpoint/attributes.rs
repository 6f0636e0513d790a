//! `/v1/endpointattributes/authkey/{key}`: with which credentials the exchange calls an endpoint.

use serde_json::{Value, json};

use super::defined;
use crate::harness::{Receiver, TestHub, event};

#[tokio::test]
async fn the_published_example_works_with_quotes_and_without() {
    let (hub, _, endpoint) = defined().await;
    let key = &endpoint.key;
    // A shell takes the quotes away; other clients send them, raw or encoded.
    for in_path in [
        format!("\"{key}\""),
        format!("\\\"{key}\\\""),
        format!("%22{key}%22"),
        key.clone(),
    ] {
        for method in ["POST", "PUT"] {
            let answer = hub
                .http
                .curl(&format!(
                    r#"curl -X {method} \
                    -H "Authorization: Bearer {key}" \
                    -H "Content-Type: application/json" \
                    -d '{{"clientId" : "rialto","clientSecret" : "s3cr3t"}}' \
                    <base URL>/v1/endpointattributes/authkey/{in_path}"#
                ))
                .await;
            assert_eq!(
                (answer.status, answer.text().as_str()),
                (200, "true"),
                "{in_path}"
            );
        }
    }
}

#[tokio::test]
async fn credentials_are_used_from_the_next_call_on_and_the_last_ones_count() {
    let hub = TestHub::start().await;
    let account = hub.account().await;
    let shop = hub.publisher(&account, &["cartAdd"]).await;
    let receiver = Receiver::start().await;
    let crm = hub.push_destination(&account, &receiver.url()).await;
    hub.subscribe(&account, &shop, "cartAdd", &crm).await;

    let path = format!("/v1/endpointattributes/authkey/{}", crm.key);
    let cases: [(Option<Value>, String); 3] = [
        // Without credentials, calls to an endpoint carry its own key.
        (None, format!("Bearer {}", crm.key)),
        (
            Some(json!({ "attributes": { "userId": "ada", "password": "lovelace" } })),
            "Basic YWRhOmxvdmVsYWNl".to_owned(),
        ),
        (
            Some(json!({ "accessToken": "tok-1" })),
            "Bearer tok-1".to_owned(),
        ),
    ];
    for (attributes, authorization) in cases {
        if let Some(attributes) = attributes {
            let answer = hub
                .http
                .json("PUT", &path, Some(&crm.key), Some(attributes))
                .await;
            assert_eq!((answer.status, answer.text().as_str()), (200, "true"));
        }
        hub.published(&shop, event("cartAdd", "ada@example.com", 1))
            .await;
        hub.settle().await;
        let received = receiver.take();
        assert_eq!(received.len(), 1);
        assert_eq!(received[0].header("authorization"), authorization);
    }
}

#[tokio::test]
async fn nobody_reads_them_back() {
    let (hub, account, endpoint) = defined().await;
    let path = format!("/v1/endpointattributes/authkey/{}", endpoint.key);
    let body = json!({ "password": "correct horse battery staple" });
    let answer = hub
        .http
        .json("PUT", &path, Some(&endpoint.key), Some(body))
        .await;
    assert_eq!(answer.status, 200);
    for key in [&endpoint.key, &account.key] {
        let read = hub.http.get("/v1/endpoint", key).await.text();
        assert!(!read.contains("correct horse"), "{read}");
    }
    assert_eq!(hub.http.get(&path, &endpoint.key).await.status, 405);
}

#[tokio::test]
async fn the_key_in_the_path_is_the_key_of_the_call() {
    let (hub, account, endpoint) = defined().await;
    let sister = hub.register(&account).await;
    for other in [
        sister.key.as_str(),
        account.key.as_str(),
        "1234-abcd-5678-efgh",
        "%22%22",
    ] {
        let path = format!("/v1/endpointattributes/authkey/{other}");
        let answer = hub
            .http
            .json(
                "PUT",
                &path,
                Some(&endpoint.key),
                Some(json!({ "user": "x" })),
            )
            .await;
        assert_eq!(answer.status, 403, "{other}");
    }
}

#[tokio::test]
async fn values_are_scalars_within_bounds() {
    let (hub, _, endpoint) = defined().await;
    let path = format!("/v1/endpointattributes/authkey/{}", endpoint.key);
    let many: serde_json::Map<String, Value> =
        (0..101).map(|i| (format!("a{i}"), json!(i))).collect();
    let cases = [
        (
            json!({ "attributes": { "port": 8443, "tls": true, "realm": null, "user": "x" } }),
            200,
            vec![],
        ),
        (
            json!({ "user": ["x"], "realm": {} }),
            400,
            vec!["/realm", "/user"],
        ),
        (
            json!({ "attributes": { "user": {} } }),
            400,
            vec!["/attributes/user"],
        ),
        (json!({ "attributes": "x" }), 400, vec!["/attributes"]),
        (json!({ "attributes": {} }), 400, vec!["/attributes"]),
        (json!({}), 400, vec!["/attributes"]),
        (
            json!({ "user": "x".repeat(8_193) }),
            400,
            vec!["/attributes/user"],
        ),
        (Value::Object(many), 400, vec!["/attributes"]),
        (json!("user"), 400, vec![""]),
    ];
    for (body, status, pointers) in cases {
        let answer = hub
            .http
            .json("PUT", &path, Some(&endpoint.key), Some(body))
            .await;
        assert_eq!(answer.status, status, "{}", answer.text());
        if status == 400 {
            assert_eq!(answer.pointers(), pointers);
        }
    }
}
