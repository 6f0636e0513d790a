//! With the keyboard alone: no mouse, and no element that the tab key does not reach.

use model::Role;
use serde_json::json;

use super::{hub_with, is_wanted, signed_in};
use crate::harness::browser::key::{ENTER, SPACE};
use crate::onboarding::{Acme, basic};

#[tokio::test]
async fn subscribing_needs_no_mouse() {
    if !is_wanted() {
        return;
    }
    let (hub, account) = hub_with("mia@example.com", Role::Member).await;
    hub.publisher(&account, &["cartAdd", "cartRemove"]).await;
    hub.push_destination(&account, "http://127.0.0.1:9/").await;
    let browser = signed_in(&hub, "mia@example.com").await;
    browser
        .goto(&format!("/console/{}/subscriptions/new", account.id))
        .await;
    // The first stop jumps over what every page has.
    browser.tab_to("at.classList.contains('skip')").await;
    browser.keys(&[ENTER]).await;
    browser.tab_to("at.value?.endsWith(' cartAdd')").await;
    let seen = browser
        .script(
            "return getComputedStyle(document.activeElement).outlineStyle",
            json!([]),
        )
        .await;
    assert_ne!(seen, "none", "who walks sees where they are");
    browser.keys(&[SPACE]).await;
    browser.tab_to("at.name === 'destination'").await;
    browser.keys(&[SPACE]).await;
    browser.shows("1 × 1 = 1 subscription").await;
    browser
        .tab_to("at.textContent === 'Subscribe' && at.type === 'submit'")
        .await;
    browser.keys(&[ENTER]).await;
    browser
        .until("location.pathname.endsWith('/subscriptions')")
        .await;
    let there = hub
        .server
        .hub
        .subscriptions(hub::Scope(account.id), hub::Page { after: 0, limit: 9 })
        .await;
    assert_eq!(there.expect("a list").len(), 1);
    // What is lost is asked about first.
    browser
        .tab_to("at.textContent === 'End' && at.closest('tbody')")
        .await;
    browser.keys(&[ENTER]).await;
    browser.accept().await;
    browser.shows("has ended").await;
}

#[tokio::test]
async fn registering_from_an_application_needs_no_mouse() {
    if !is_wanted() {
        return;
    }
    let acme = Acme::start().await;
    acme.onboard(acme.document(basic())).await;
    let (hub, account) = (&acme.provider.hub, &acme.provider.account);
    hub.person("mia@example.com", &[(account.id, Role::Member)])
        .await;
    let browser = signed_in(hub, "mia@example.com").await;
    browser
        .goto(&format!("/console/{}/endpoints", account.id))
        .await;
    browser
        .tab_to("at.textContent === 'Register an endpoint'")
        .await;
    browser.keys(&[ENTER]).await;
    browser.shows("A product of your own").await;
    browser.tab_to("at.matches('a.card')").await;
    browser.keys(&[ENTER]).await;
    browser
        .until("location.search.includes('application=')")
        .await;
    // Who to sign in as, and the number of the tenant.
    for answer in ["mia", "a secret of hers", "4711"] {
        browser.tab_to("at.name?.startsWith('value:')").await;
        browser.keys(&[answer]).await;
    }
    let wrong = browser.axe().await;
    assert!(wrong.is_empty(), "{wrong:?}");
    browser.tab_to("at.textContent === 'Register it'").await;
    browser.keys(&[ENTER]).await;
    browser.shows("This key is shown this once").await;
    browser.tab_to("at.matches('.copyable pre')").await;
    let key = browser
        .script("return document.activeElement.textContent", json!([]))
        .await;
    let key = key.as_str().unwrap_or_default().to_owned();
    let read = hub.http.get("/v1/endpoint", &key).await;
    assert_eq!(read.status, 200, "{}", read.text());
}
