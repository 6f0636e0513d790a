//! People and audiences in the browser: an audience shared by dragging and by keyboard, a privacy request followed to its
//! report, somebody looked up and what joined them undone.

use model::Role;
use serde_json::json;

use super::{hub_with, is_wanted, signed_in};
use crate::console::share::audiences;
use crate::harness::TestHub;
use crate::harness::browser::Browser;
use crate::harness::browser::key::{DOWN, ENTER, ESCAPE, SPACE};
use crate::harness::scene::Scene;
use crate::identity::seen;

/// What a select of the wizard says.
async fn comes_from(browser: &Browser, column: &str, source: &str) {
    let select = format!("document.querySelector('select[name=\"column:{column}\"]').value");
    browser.until(&format!("{select} === '{source}'")).await;
}

/// A hub with audiences, and a member of their account on this page.
async fn sharing(rest: &str) -> (TestHub, Browser) {
    let (hub, account) = hub_with("mia@example.com", Role::Member).await;
    audiences(&hub, &account).await;
    let browser = signed_in(&hub, "mia@example.com").await;
    browser
        .goto(&format!("/console/{}{rest}", account.id))
        .await;
    (hub, browser)
}

/// Somebody of the scene's account looks a person up.
async fn looked_up(scene: &Scene, email: &str, role: Role, kind: &str, value: &str) -> Browser {
    let roles = [(scene.account.id, role)];
    scene.hub.person(email, &roles).await;
    let browser = signed_in(&scene.hub, email).await;
    browser
        .goto(&format!("/console/{}/identities", scene.account.id))
        .await;
    browser.fill("Type", kind).await;
    browser.fill("Value", value).await;
    browser.press("Look up this identifier").await;
    browser
}

async fn said(browser: &Browser, text: &str) {
    let text = json!(text);
    browser
        .until(&format!(
            "document.querySelector('[data-said]').textContent.includes({text})"
        ))
        .await;
}

#[tokio::test]
async fn an_audience_is_shared_by_dragging() {
    if !is_wanted() {
        return;
    }
    let (hub, browser) = sharing("/shares").await;
    browser.press("Share an audience").await;
    browser.press("Gold <members>").await;
    browser.press("Mailer").await;
    browser.press("Go on").await;
    browser.shows("Drag a column of the source").await;
    // What fits is proposed; nothing has the name of the age, and what was proposed can be dragged elsewhere.
    comes_from(&browser, "First", "first").await;
    comes_from(&browser, "Age", "").await;
    let to_age = "tr[data-column=Age]";
    browser.drag("[data-chip=years]", to_age).await;
    comes_from(&browser, "Age", "years").await;
    said(&browser, "years goes to Age.").await;
    browser.drag("[data-chip=first]", to_age).await;
    comes_from(&browser, "Age", "first").await;
    comes_from(&browser, "First", "").await;
    browser.drag("[data-chip=years]", to_age).await;
    browser
        .drag("[data-chip=first]", "tr[data-column=First]")
        .await;
    comes_from(&browser, "First", "first").await;
    assert_eq!(browser.axe().await, Vec::<String>::new());

    browser.press("again and again").await;
    browser.fill("Minute, hour", "0 9 * * mon").await;
    browser.shows("Monday at 09:00").await;
    browser.press("now").await;
    browser.press("Check it").await;
    browser.shows("Once, now").await;
    browser.press("Change something").await;
    comes_from(&browser, "Age", "years").await;
    browser.press("Check it").await;
    browser.press("Share it now").await;
    browser.shows("It runs: this page follows it.").await;
    hub.settle().await;
    // The page follows it by itself.
    browser.shows("Give it the data by hand").await;
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

#[tokio::test]
async fn an_audience_is_shared_by_keyboard() {
    if !is_wanted() {
        return;
    }
    let (_hub, browser) = sharing("/shares/new").await;
    browser.tab_to("at.name === 'segment'").await;
    browser.keys(&[SPACE]).await;
    browser.tab_to("at.name === 'destination'").await;
    browser.keys(&[SPACE]).await;
    browser.tab_to("at.textContent === 'Go on'").await;
    browser.keys(&[ENTER]).await;
    browser.shows("press Enter on it").await;
    browser.tab_to("at.dataset.chip === 'years'").await;
    browser.keys(&[ENTER]).await;
    said(&browser, "years is picked up").await;
    browser.keys(&[ESCAPE]).await;
    said(&browser, "years is put back").await;
    browser
        .until("document.activeElement.dataset.chip === 'years'")
        .await;
    // Two places take it, First and Age; the identifier does not.
    browser.keys(&[ENTER]).await;
    browser
        .until("document.activeElement.textContent === 'Put here: First'")
        .await;
    browser.keys(&[DOWN]).await;
    browser
        .until("document.activeElement.textContent === 'Put here: Age'")
        .await;
    browser.keys(&[ENTER]).await;
    comes_from(&browser, "Age", "years").await;
    said(&browser, "years goes to Age.").await;
    browser
        .until("document.activeElement.dataset.chip === 'years'")
        .await;
    browser.tab_to("at.textContent === 'Check it'").await;
    browser.keys(&[ENTER]).await;
    browser.shows("Once, now").await;
    browser.tab_to("at.textContent === 'Share it now'").await;
    browser.keys(&[ENTER]).await;
    browser.shows("It runs: this page follows it.").await;
}

#[tokio::test]
async fn a_privacy_request_is_followed_to_its_report() {
    if !is_wanted() {
        return;
    }
    let scene = Scene::start().await;
    let ada = [("email", "ada@planted.example"), ("cookie", "c-1")];
    scene.hub.published(&scene.shop, seen(&ada)).await;
    scene.settle().await;
    let browser = looked_up(
        &scene,
        "olga@example.com",
        Role::Admin,
        "email",
        "ada@planted.example",
    )
    .await;
    browser.shows("Why these are one person").await;
    browser.press("Erase").await;
    browser.shows("New privacy request").await;
    browser.press("Make the request").await;
    browser.shows("tick that you mean it").await;
    browser.press("Erasing cannot be undone").await;
    browser.press("Make the request").await;
    browser.shows("The request is under way").await;
    scene.settle().await;
    // The page follows it by itself.
    browser.shows("nothing was left").await;
    browser.shows("events in the log").await;
    assert_eq!(browser.axe().await, Vec::<String>::new());
    // The form without its tick was answered 400, which browsers write down.
    let complaints = browser.complaints().await;
    let others = complaints.iter().filter(|line| !line.contains("400"));
    assert_eq!(others.count(), 0, "{complaints:?}");
}

#[tokio::test]
async fn what_joined_two_people_is_undone() {
    if !is_wanted() {
        return;
    }
    let scene = Scene::start().await;
    for step in [
        &[("cookie", "c-1")][..],
        &[("email", "ada@example.com")],
        &[("cookie", "c-1"), ("email", "ada@example.com")],
    ] {
        scene.hub.published(&scene.shop, seen(step)).await;
    }
    scene.settle().await;
    let browser = looked_up(&scene, "mia@example.com", Role::Member, "cookie", "c-1").await;
    browser.shows("made 2 people one").await;
    browser.until("!location.href.includes('c-1')").await;
    assert_eq!(browser.axe().await, Vec::<String>::new());
    browser.press("Undo fact").await;
    browser.accept().await;
    browser.shows("what was 1 person is now 2 people").await;
    browser.press("Undo").await;
    browser.shows("what was 2 people is now 1 person").await;
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}
