//! A partner from its request to production, by clicks: who asks, who takes in, who builds, who certifies and promotes.

use serde_json::json;

use super::{account, is_wanted, sign_in, signed_in};
use crate::harness::browser::Browser;
use crate::partner::Office;

const ADA: &str = "ada@northwind.example";
const OLGA: &str = "olga@example.com";

/// One goes, the other comes.
async fn change(browser: &Browser, to: &str) {
    browser.goto("/console/accounts").await;
    browser.press("Sign out").await;
    sign_in(browser, to).await;
}

#[tokio::test]
async fn from_a_request_to_production_by_clicks() {
    if !is_wanted() {
        return;
    }
    let office = Office::start().await;
    office.hub.person(ADA, &[]).await;
    office.hub.operator(OLGA).await;
    let browser = signed_in(&office.hub, ADA).await;
    browser.goto("/console/partner").await;
    browser.fill("Company", "Northwind").await;
    browser.fill("Product", "Mailer").await;
    browser
        .fill("What it exchanges", "Sends mails and tells who opened them")
        .await;
    browser.press("single").await;
    browser.press("Ask").await;
    browser.shows("The request is sent").await;

    change(&browser, OLGA).await;
    browser.goto("/console/operator/partners").await;
    browser.press("Mailer").await;
    browser.press("Take it in").await;
    browser.shows("is taken in").await;
    office.mails().await;
    browser.press("Invite ada@northwind.example").await;
    browser.shows("is admin of the pilot account").await;
    let partner = browser.address().await;

    change(&browser, ADA).await;
    browser.goto("/console").await;
    browser.shows("Nothing here reaches production").await;
    let pilot = account(&browser).await;
    browser.goto(&format!("{pilot}/applications/new")).await;
    let product = json!({
        "displayName": "Mailer", "providerName": "Northwind", "description": "Sends mail", "url": "https://in.example.com",
        "endpointTypes": { "event": { "source": { "enabled": true }, "destination": { "enabled": true, "destinationType": "push" } } },
        "marketingDatabasesDefinition": { "marketingDatabases": [{ "name": "contacts", "identifiers": [
            { "name": "email", "type": "email", "isRequired": true },
        ] }] },
    });
    let write = "const text = document.querySelector('textarea[name=document]');
        text.value = arguments[0];
        text.form.requestSubmit();";
    browser.script(write, json!([product.to_string()])).await;
    browser.shows("Nothing is offered yet").await;
    browser.goto(&format!("{pilot}/review")).await;
    browser.shows("Certification of Mailer").await;
    browser.press("Ask for the review").await;
    browser.accept().await;
    browser.shows("An operator looks at it now").await;

    change(&browser, OLGA).await;
    browser.goto(&partner).await;
    let waive = "for (const one of document.querySelectorAll('input[name=waive]')) one.click();";
    browser.script(waive, json!([])).await;
    browser.fill("Version of the product", "4.2").await;
    browser
        .fill("Licence agreement", "Exchange partner agreement")
        .await;
    browser.fill("Its version", "1").await;
    browser.press("Certify it").await;
    browser.shows("is certified").await;
    browser.press("See what goes to production").await;
    browser.shows("An account in production is opened").await;
    browser.press("Bring it to production").await;
    browser.shows("It is in production").await;
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}
