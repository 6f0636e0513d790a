//! `/v1/eventtype/subscribed…`: what is taken, seen by publishers and by subscribers.

use serde_json::{Value, json};

use super::list;
use crate::harness::{TestEndpoint, TestHub};

/// `Web shop` publishes two codes, `CRM` subscribes to one of them.
async fn subscribed() -> (TestHub, TestEndpoint, TestEndpoint) {
    let hub = TestHub::start().await;
    let account = hub.account().await;
    let shop = hub.publisher(&account, &["cartAdd", "emailOpen"]).await;
    let crm = hub.pull_destination(&account).await;
    hub.subscribe(&account, &shop, "emailOpen", &crm).await;
    (hub, shop, crm)
}

#[tokio::test]
async fn a_publisher_sees_which_codes_are_taken() {
    let (hub, shop, crm) = subscribed().await;
    for (endpoint, expected) in [(&shop, json!(["emailOpen"])), (&crm, json!([]))] {
        let key = &endpoint.key;
        let answer = hub
            .http
            .curl(&format!(
                r#"curl -v \
                -X GET \
                -H "Authorization: Bearer {key}" \
                -H "Content-Type: application/json" \
                \
                <base URL>/v1/eventype/subscribed"#
            ))
            .await;
        assert_eq!((answer.status, answer.json()), (200, expected));
    }
}

#[tokio::test]
async fn a_publisher_sees_what_is_taken_with_its_description() {
    let (hub, shop, _) = subscribed().await;
    let key = &shop.key;
    let answer = hub
        .http
        .curl(&format!(
            r#"curl -v \
            -X GET \
            -H "Authorization: Bearer {key}" \
            -H "Content-Type: application/json" \
            \
            https://<base URL>/v1/eventype/subscribed/producer"#
        ))
        .await;
    let all = list(&hub, &shop).await;
    assert_eq!(
        answer.json(),
        json!([all[1]]),
        "as it is in the list of all"
    );
}

#[tokio::test]
async fn a_subscriber_sees_what_it_receives_and_from_whom() {
    let (hub, shop, crm) = subscribed().await;
    let key = &crm.key;
    let answer = hub
        .http
        .curl(&format!(
            r#"curl -v \
            -X GET \
            -H "Authorization: Bearer {key}" \
            -H "Content-Type: application/json" \
            \
            <base URL>/v1/eventtype/subscribed/consumer?extrafields=provider,publisher"#
        ))
        .await;
    let described = json!({
        "code": "emailOpen", "version": 1, "namespace": "com.ibm.commerce.ubx", "name": "emailOpen", "description": null,
        "attributes": [{ "name": "orderTotal", "type": "number" }, { "name": "currency", "type": "string" }],
        "registrationType": "PUBLISH", "custom": false,
    });
    let with = |fields: Value| {
        let mut view = described.clone();
        for (name, value) in fields.as_object().expect("an object") {
            view[name] = value.clone();
        }
        json!([view])
    };
    assert_eq!(
        answer.json(),
        with(json!({ "publisher": "Web shop", "provider": "Acme" }))
    );

    let cases = [
        ("", json!({})),
        ("?extrafields=", json!({})),
        ("?extrafields=provider", json!({ "provider": "Acme" })),
        (
            "?extrafields=publisher,colour",
            json!({ "publisher": "Web shop" }),
        ),
        (
            "?extraFields=%20Publisher%20,%20PROVIDER",
            json!({ "publisher": "Web shop", "provider": "Acme" }),
        ),
    ];
    for (query, fields) in cases {
        let answer = hub
            .http
            .get(&format!("/v1/eventtype/subscribed/consumer{query}"), key)
            .await;
        assert_eq!(answer.json(), with(fields), "{query}");
    }
    let publisher = hub
        .http
        .get("/v1/eventtype/subscribed/consumer", &shop.key)
        .await;
    assert_eq!(publisher.json(), json!([]), "it receives nothing");
}

#[tokio::test]
async fn the_lists_follow_subscriptions_and_endpoints() {
    let (hub, shop, crm) = subscribed().await;
    let codes = async || {
        hub.http
            .get("/v1/eventtype/subscribed", &shop.key)
            .await
            .json()
    };
    assert_eq!(codes().await, json!(["emailOpen"]));
    let answer = hub
        .http
        .json("DELETE", "/v1/endpoint", Some(&crm.key), None)
        .await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        codes().await,
        json!([]),
        "a deleted endpoint subscribes to nothing"
    );
}
