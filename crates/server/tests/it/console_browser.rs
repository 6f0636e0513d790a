//! The console as people meet it: in a real browser, against a real hub.
//!
//! Read `first_day.rs` first. What can be shown by HTTP alone is in `console.rs`. Only on embedded engines: what a page shows
//! does not depend on where rows rest.

mod first_day;
mod hostile;
mod keyboard;
mod pages;
mod partner;
mod people;
mod pictures;
mod scene;
mod sign_on;
mod wide;

use model::Role;
use serde_json::json;

use crate::harness::browser::Browser;
use crate::harness::mix::embedded_only;
use crate::harness::people::PASSWORD;
use crate::harness::{TestAccount, TestHub};

/// Whether browser tests have anything to do in this run.
fn is_wanted() -> bool {
    embedded_only("pages do not depend on engines")
}

/// A hub with an account in which somebody has this role.
async fn hub_with(email: &str, role: Role) -> (TestHub, TestAccount) {
    let hub = TestHub::start().await;
    let account = hub.account().await;
    hub.person(email, &[(account.id, role)]).await;
    (hub, account)
}

/// A browser in which somebody has signed in.
pub(crate) async fn signed_in(hub: &TestHub, email: &str) -> Browser {
    let browser = Browser::start(hub).await;
    sign_in(&browser, email).await;
    browser
}

async fn sign_in(browser: &Browser, email: &str) {
    browser.goto("/console/sign-in").await;
    browser.fill("E-mail", email).await;
    browser.fill("Password", PASSWORD).await;
    browser.press("Sign in").await;
    browser
        .until("!location.pathname.endsWith('/sign-in')")
        .await;
}

/// Whether a page is shown: what is asked for by a script is a piece of one.
async fn is_whole(browser: &Browser) -> bool {
    let is_whole = browser.script("return document.doctype !== null", json!([]));
    is_whole.await == json!(true)
}

/// `/console/17`, of a browser that is somewhere inside it.
async fn account(browser: &Browser) -> String {
    let address = browser.address().await;
    let parts: Vec<&str> = address.split('/').take(3).collect();
    parts.join("/")
}
