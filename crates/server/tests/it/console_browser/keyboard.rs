//! With the keyboard alone: no mouse, and no element that the tab key does not reach.

use model::Role;
use serde_json::json;

use super::{is_wanted, signed_in};
use crate::harness::TestHub;
use crate::harness::browser::key::{ENTER, SPACE};

#[tokio::test]
async fn subscribing_needs_no_mouse() {
    if !is_wanted() {
        return;
    }
    let hub = TestHub::start().await;
    let account = hub.account().await;
    hub.publisher(&account, &["cartAdd", "cartRemove"]).await;
    hub.push_destination(&account, "http://127.0.0.1:9/").await;
    hub.person("mia@example.com", &[(account.id, Role::Member)])
        .await;
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
