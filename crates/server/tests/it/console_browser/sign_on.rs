//! Single sign-on as somebody meets it: from a page that they wanted, by the issuer, and back to it.

use model::Role;
use serde_json::json;

use super::is_wanted;
use crate::harness::TestHub;
use crate::harness::browser::Browser;

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

#[tokio::test]
async fn somebody_signs_on_at_the_issuer_and_comes_back_to_where_they_wanted() {
    if !is_wanted() {
        return;
    }
    let (hub, provider) = TestHub::with_issuer(|_| {}).await;
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
