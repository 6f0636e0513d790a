//! Push destinations: what is published arrives, shaped and signed, once.

use std::time::Duration;

use serde_json::json;

use crate::harness::{Receiver, Reply, TestHub, event};

#[tokio::test]
async fn what_is_published_arrives_at_the_subscriber() {
    let hub = TestHub::start().await;
    let account = hub.account().await;
    let shop = hub.publisher(&account, &["ibmcartPurchase"]).await;
    let receiver = Receiver::start().await;
    let crm = hub.push_destination(&account, &receiver.url()).await;
    hub.subscribe(&account, &shop, "ibmcartPurchase", &crm)
        .await;

    hub.published(&shop, event("ibmcartPurchase", "ada@example.com", 42))
        .await;
    hub.settle().await;

    let requests = receiver.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].path, "/v1/events");
    let body = requests[0].json();
    let x1_id = body["x1Id"].as_str().expect("a person").to_owned();
    assert_eq!(
        body,
        json!({
            "version": "1", "provider": "Acme", "source": "Web shop", "channel": "web", "x1Id": x1_id,
            "identifiers": [{ "name": "email", "value": "ada@example.com", "provider": null, "channel": null,
                              "source": null, "isOriginal": true }],
            "events": [{ "code": "ibmcartPurchase", "timestamp": "2026-03-02T11:59:58.125Z",
                         "namespace": "com.ibm.commerce.ubx", "version": "1",
                         "attributes": [{ "name": "orderTotal", "value": "42", "type": "number" }] }],
        })
    );
}

#[tokio::test]
async fn a_push_that_fails_is_made_again_and_arrives_once() {
    let hub = TestHub::start().await;
    let account = hub.account().await;
    let shop = hub.publisher(&account, &["cartAdd"]).await;
    let receiver = Receiver::start().await;
    let crm = hub.push_destination(&account, &receiver.url()).await;
    hub.subscribe(&account, &shop, "cartAdd", &crm).await;
    receiver.answer(|_| Reply::Status(503));

    hub.published(&shop, event("cartAdd", "ada@example.com", 1))
        .await;
    hub.settle().await;
    assert_eq!(receiver.count(), 1);

    receiver.answer_status(200);
    hub.pass(Duration::from_secs(2)).await;
    let requests = receiver.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(
        requests[0].header("webhook-id"),
        requests[1].header("webhook-id")
    );

    hub.pass(Duration::from_secs(3600)).await;
    assert_eq!(receiver.count(), 2, "delivered is delivered");
}
