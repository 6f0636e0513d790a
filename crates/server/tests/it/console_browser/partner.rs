//! A partner by clicks, from asking to connect a product to having it in production; and single sign-on.

use model::{Role, Secret};
use serde_json::json;

use super::{is_wanted, sign_in};
use crate::harness::browser::Browser;
use crate::harness::oidc::{CLIENT, Provider, SECRET};
use crate::harness::{TestHub, noon};
use crate::partner::Office;

const ADA: &str = "ada@northwind.example";
const OLGA: &str = "olga@example.com";

/// The page has no fault that a machine can find.
async fn is_sound(browser: &Browser) {
    let wrong = browser.axe().await;
    assert!(wrong.is_empty(), "{}: {wrong:#?}", browser.address().await);
}

/// No page asked for what its policy forbids. That a form was refused is no complaint.
async fn is_obeyed(browser: &Browser) {
    let all = browser.complaints().await;
    let others: Vec<&String> = all
        .iter()
        .filter(|line| !line.contains("the server responded with a status of 40"))
        .collect();
    assert!(others.is_empty(), "{others:#?}");
}

/// Another person at the same browser.
async fn instead(browser: &Browser, email: &str) {
    browser.press("Sign out").await;
    browser.shows("You have signed out").await;
    sign_in(browser, email).await;
}

/// Defines the product, with a deployment, an event type and how accounts are taken on.
async fn define(browser: &Browser) {
    browser.press("Applications").await;
    browser.press("Define an application").await;
    is_sound(browser).await;
    browser.press("Define it").await;
    browser.shows("Not taken: ").await;
    is_sound(browser).await;
    browser.fill("Name", "Mailer").await;
    browser.fill("URL", "https://in.example.com").await;
    browser.press("Define it").await;
    browser.shows("It is defined").await;
    browser.press("Add a deployment").await;
    browser.fill("Name", "Mails").await;
    browser.press("Add it").await;
    browser.press("Add an event type").await;
    browser.fill("Code", "emailOpen").await;
    browser.fill("Name", "Mail opened").await;
    browser.press("See what changes").await;
    browser.shows("None: no endpoint would be another").await;
    browser.press("Save it").await;
    browser.shows("emailOpen").await;
    browser.press("Write it").await;
    browser
        .fill("Instructions", "Paste the key into Settings.")
        .await;
    browser.press("See what users will see").await;
    browser
        .shows("Then the user is shown the endpoint's key")
        .await;
    is_sound(browser).await;
    browser.press("Save it").await;
    browser.shows("this is what users see from now on").await;
    is_sound(browser).await;
}

#[tokio::test]
async fn a_partner_goes_from_a_request_to_production_by_clicks() {
    if !is_wanted() {
        return;
    }
    let office = Office::start().await;
    office.hub.person(ADA, &[]).await;
    office.hub.operator(OLGA).await;
    let browser = Browser::start(&office.hub).await;
    sign_in(&browser, ADA).await;
    browser.press("Connect a product of yours").await;
    is_sound(&browser).await;
    browser.fill("Company", "Northwind").await;
    browser.fill("Product", "Mailer").await;
    browser.fill("What it exchanges", "Sends mails").await;
    browser.press("single").await;
    browser.press("Ask").await;
    browser.shows("The request is sent").await;

    instead(&browser, OLGA).await;
    browser.press("Operator").await;
    browser.press("Look at them").await;
    browser.press("Mailer").await;
    is_sound(&browser).await;
    browser.press("Take it in").await;
    browser.shows("Northwind is taken in").await;
    browser.press("Invite ada@northwind.example").await;
    browser.shows("is admin of the pilot account").await;

    instead(&browser, ADA).await;
    browser.shows("Nothing here reaches production").await;
    define(&browser).await;
    browser.press("Test drive").await;
    browser.press("Begin the test drive").await;
    browser.press("Publish").await;
    browser.shows("taken: 1 event").await;
    office.hub.settle().await;
    // It appears by itself.
    browser
        .until("document.querySelector('.trouble .status.active')")
        .await;
    is_sound(&browser).await;
    browser.press("Certification").await;
    is_sound(&browser).await;
    browser.press("Ask for the review").await;
    browser.accept().await;
    browser.shows("An operator looks at it now").await;

    instead(&browser, OLGA).await;
    browser.goto("/console/operator").await;
    browser.press("Look at them").await;
    browser.press("Mailer").await;
    browser.shows("Certify it").await;
    is_sound(&browser).await;
    browser
        .script(
            "for (const one of document.querySelectorAll('[name=waive]')) one.click()",
            json!([]),
        )
        .await;
    browser.fill("Version of the product", "4.2").await;
    browser
        .fill("Licence agreement", "Exchange partner agreement")
        .await;
    browser.fill("Its version", "1").await;
    browser.press("Certify it").await;
    browser.shows("Mailer is certified").await;
    browser.press("See what goes to production").await;
    browser.shows("1 added, 0 changed, 0 removed").await;
    browser.shows("Paste the key into Settings.").await;
    is_sound(&browser).await;
    browser.press("Bring it to production").await;
    browser.shows("It is in production").await;
    is_obeyed(&browser).await;
}

#[tokio::test]
async fn somebody_signs_on_at_the_issuer_and_comes_back_to_where_they_wanted() {
    if !is_wanted() {
        return;
    }
    let clock = engine::ManualClock::new(noon());
    let provider = Provider::start(&clock).await;
    let issuer = provider.issuer.clone();
    let directory = std::sync::Arc::new(tempfile::tempdir().expect("a directory"));
    let hub = TestHub::open(directory, clock, |config| {
        config.oidc.issuer = issuer;
        config.oidc.client_id = CLIENT.to_owned();
        config.oidc.client_secret = Secret::new(SECRET);
    })
    .await;
    let account = hub.account().await;
    hub.person("ada@example.com", &[(account.id, Role::Viewer)])
        .await;
    let browser = Browser::start(&hub).await;
    let wanted = format!("/console/{}/endpoints", account.id);
    browser.goto(&wanted).await;
    is_sound(&browser).await;
    browser.press("Sign in with").await;
    browser.shows("Endpoints").await;
    assert_eq!(browser.address().await, wanted);
    let cookies = browser.script("return document.cookie", json!([])).await;
    assert_eq!(cookies, "", "no script reads the session");

    // Whom nobody has invited stays outside, and reads why.
    browser.press("Sign out").await;
    provider.somebody(json!({ "sub": "7", "email": "eve@example.com", "email_verified": true }));
    browser.press("Sign in with").await;
    browser.shows("Nobody has invited you here").await;
    is_sound(&browser).await;
    is_obeyed(&browser).await;
}
