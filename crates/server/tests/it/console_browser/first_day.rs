//! From the operator token to a replay, by clicks: what somebody does on their first day.

use serde_json::{Value, json};

use super::{account, is_wanted};
use crate::harness::browser::Browser;
use crate::harness::people::PASSWORD;
use crate::harness::{
    Receiver, TOKEN, TestEndpoint, TestHub, destination_definition, event, publisher_definition,
};

/// Registers an endpoint on its page, and lets the product with this definition make its first call.
async fn register(hub: &TestHub, browser: &Browser, definition: Value) -> TestEndpoint {
    browser.press("Endpoints").await;
    browser.press("Register an endpoint").await;
    browser.press("Make a key").await;
    let key = browser.text(".copyable pre").await;
    let answer = hub
        .http
        .json("PUT", "/v1/endpoint", Some(&key), Some(definition))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    browser.press("To the endpoint").await;
    browser.shows("active").await;
    let address = browser.address().await;
    let id = address.rsplit('/').next().and_then(|id| id.parse().ok());
    TestEndpoint {
        id: model::EndpointId(id.expect("a number")),
        key,
    }
}

#[tokio::test]
async fn from_the_operator_token_to_a_replay_by_clicks() {
    if !is_wanted() {
        return;
    }
    let hub = TestHub::start().await;
    let receiver = Receiver::start().await;
    let browser = Browser::start(&hub).await;

    // The first person of a new exchange.
    browser.goto("/console").await;
    browser.fill("Operator token", TOKEN).await;
    browser.fill("Your name", "Ada Lovelace").await;
    browser.fill("Your e-mail", "ada@example.com").await;
    browser.fill("A password", PASSWORD).await;
    browser.press("Begin").await;
    browser.shows("Ada Lovelace").await;

    // An account, and in it a shop and a CRM.
    hub.manage("POST", "/providers", json!({ "name": "Acme" }))
        .await;
    browser.press("Operator").await;
    browser.press("Accounts").await;
    browser.fill("Name", "Northwind Retail").await;
    browser.press("production").await;
    browser.press("Open it").await;
    browser.press("To the account").await;
    browser.shows("Three steps, and events flow").await;
    let shop = register(&hub, &browser, publisher_definition()).await;
    let event_type = json!({ "code": "cartAdd", "name": "Put into the cart",
        "attributes": [{ "name": "orderTotal", "type": "number" }] });
    let told = hub
        .http
        .json("POST", "/v1/eventtype", Some(&shop.key), Some(event_type))
        .await;
    assert_eq!(told.status, 200, "{}", told.text());
    let push = json!({ "enabled": true, "destinationType": "push" });
    let crm = register(
        &hub,
        &browser,
        destination_definition(&receiver.url(), push),
    )
    .await;

    browser.press("Subscriptions").await;
    browser.press("Subscribe").await;
    browser.press("cartAdd").await;
    browser.press("CRM").await;
    browser.shows("1 × 1 = 1 subscription").await;
    browser.click("form[data-summary] button.main").await;
    // Not the dialog, which says how many there would be.
    browser
        .until("/published from now on (is|are) delivered/.test(document.body.innerText)")
        .await;

    // An event arrives, and its page says so.
    hub.published(&shop, event("cartAdd", "ada@example.com", 42))
        .await;
    hub.settle().await;
    assert_eq!(receiver.count(), 1);
    browser.press("Events").await;
    browser.click("tbody a[href*='/events/']").await;
    browser.shows("Its journey").await;
    browser
        .until("document.querySelector('.journey .status.delivered')")
        .await;

    // The receiver breaks while somebody looks at the first page: it says so by itself.
    browser.press("Home").await;
    browser.shows("Nothing: all is well").await;
    receiver.answer_status(400);
    let publication = hub
        .published(&shop, event("cartAdd", "eve@example.com", 7))
        .await;
    hub.settle().await;
    browser.shows("1 dead letter").await;

    // It is mended, and what it did not take is sent again.
    browser.press("See why").await;
    browser.shows("answered 400").await;
    receiver.answer_status(200);
    receiver.take();
    browser.press("Send dead letters again").await;
    browser.shows("1 document").await;
    browser.press("Send them again").await;
    // Not the question, which says that they would be.
    browser
        .until("/ (is|are) sent again/.test(document.body.innerText)")
        .await;
    hub.settle().await;
    assert_eq!(receiver.count(), 1);
    browser
        .goto(&format!(
            "{}/events/{publication}.0",
            account(&browser).await
        ))
        .await;
    browser
        .until("document.querySelector('.journey .status.delivered')")
        .await;
    assert!(browser.text(".journey").await.contains("CRM"));
    assert_ne!(shop.id, crm.id);
    let complaints = browser.complaints().await;
    assert!(complaints.is_empty(), "{complaints:?}");
}
