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

use crate::harness::TestHub;
use crate::harness::browser::Browser;
use crate::harness::mix::embedded_only;
use crate::harness::people::PASSWORD;

/// Whether browser tests have anything to do in this run.
fn is_wanted() -> bool {
    embedded_only("pages do not depend on engines")
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

/// `/console/17`, of a browser that is somewhere inside it.
async fn account(browser: &Browser) -> String {
    let address = browser.address().await;
    let parts: Vec<&str> = address.split('/').take(3).collect();
    parts.join("/")
}
