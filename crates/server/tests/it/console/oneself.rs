//! Oneself: name, password, sessions, tokens, a forgotten password, and single sign-on in the browser.

use model::Role;
use serde_json::{Value, json};

use super::{Browser, location};
use crate::harness::oidc::Provider;
use crate::harness::people::PASSWORD;
use crate::harness::{Answer, TestHub};

const NEXT: &str = "four new bridges in venice";

async fn vera(hub: &TestHub) -> Browser {
    Browser::of(hub, "vera@example.com").await
}

#[tokio::test]
async fn a_new_password_ends_other_sessions_and_a_session_can_be_ended() {
    let hub = TestHub::start().await;
    let account = hub.account().await;
    hub.person("vera@example.com", &[(account.id, Role::Viewer)])
        .await;
    let (mut here, mut there, mut third) = (vera(&hub).await, vera(&hub).await, vera(&hub).await);

    let renamed = here
        .post("/console/me/name", &[("name", "Vera Lynn")])
        .await;
    assert_eq!(location(&renamed), "/console/me");
    assert!(
        here.get("/console/me")
            .await
            .text()
            .contains("You are Vera Lynn from now on")
    );

    let list = here.get("/console/me/sessions").await.text();
    assert!(list.contains("this one"), "{list}");
    // The first call of the harness made one as well.
    assert_eq!(list.matches("/end\"").count(), 3, "{list}");
    let wrong = [("old", "not her password at all"), ("new", NEXT)];
    here.post("/console/me/password", &wrong).await;
    assert!(
        here.get("/console/me")
            .await
            .text()
            .contains("is not the password so far")
    );
    assert_eq!(there.get("/console/accounts").await.status, 200);
    let right = [("old", PASSWORD), ("new", NEXT)];
    here.post("/console/me/password", &right).await;
    assert!(
        here.get("/console/me")
            .await
            .text()
            .contains("your password from now on")
    );
    for other in [&mut there, &mut third] {
        assert_eq!(other.get("/console/accounts").await.status, 303, "out");
    }
    // Somebody else's session is not there.
    hub.person("eve@example.com", &[(account.id, Role::Viewer)])
        .await;
    let mut eve = Browser::of(&hub, "eve@example.com").await;
    let list = here.get("/console/me/sessions").await.text();
    assert_eq!(list.matches("/end\"").count(), 0, "{list}");
    for id in 1..=5 {
        eve.post(&format!("/console/me/sessions/{id}/end"), &[])
            .await;
    }
    assert_eq!(here.get("/console/accounts").await.status, 200);
}

#[tokio::test]
async fn a_token_is_shown_once_and_may_what_was_ticked_until_it_is_revoked() {
    let hub = TestHub::start().await;
    let account = hub.account().await;
    hub.person("vera@example.com", &[(account.id, Role::Viewer)])
        .await;
    let mut browser = vera(&hub).await;
    let path = "/console/me/tokens";
    let nothing = browser.post(path, &[("name", "ci")]).await;
    assert_eq!(nothing.status, 303);
    assert!(
        browser
            .get(path)
            .await
            .text()
            .contains("say at least `read` or `write`")
    );
    let fields = [("name", "ci"), ("scope", "read"), ("days", "30")];
    let made = browser.post(path, &fields).await;
    assert_eq!(made.headers["cache-control"], "no-store");
    let made = made.text();
    let token = made
        .split("rp_")
        .nth(1)
        .and_then(|rest| rest.split('<').next());
    let token = format!("rp_{}", token.expect("a token"));
    let me = hub.http.manage("GET", "/me", &token, Value::Null).await;
    assert_eq!(me.status, 200, "{}", me.text());
    let list = browser.get(path).await.text();
    assert!(list.contains(">ci<") && !list.contains(&token), "{list}");
    assert_eq!(
        browser.post(&format!("{path}/1/revoke"), &[]).await.status,
        303
    );
    assert_eq!(
        hub.http
            .manage("GET", "/me", &token, Value::Null)
            .await
            .status,
        403
    );
    // A token opens no page.
    let mut program = Browser::new(&hub);
    program.cookies.push(("rialto_session".to_owned(), token));
    assert_eq!(program.get("/console/me").await.status, 303);
}

#[tokio::test]
async fn a_forgotten_password_is_chosen_anew_by_a_link_in_a_mail() {
    let office = crate::partner::Office::start().await;
    let hub = &office.hub;
    let account = hub.account().await;
    hub.person("vera@example.com", &[(account.id, Role::Viewer)])
        .await;
    // Her invitation.
    assert_eq!(office.mails().await.len(), 1);
    let mut browser = Browser::new(hub);
    let form = browser.get("/console/sign-in").await.text();
    assert!(form.contains("/console/forgotten"), "{form}");
    let mut said = Vec::new();
    for email in ["nobody@example.com", "vera@example.com"] {
        browser
            .post("/console/forgotten", &[("email", email)])
            .await;
        said.push(browser.get("/console/sign-in").await.text());
    }
    assert!(said[0].contains("a mail is on its way"), "{}", said[0]);
    assert_eq!(said[0], said[1], "who is here is nobody's business");
    let mails = office.mails().await;
    assert_eq!(mails.len(), 1);
    let text = mails[0].text();
    let link = text
        .split_whitespace()
        .find(|word| word.contains("/console/welcome/"));
    let link = link
        .expect("a link")
        .strip_prefix(&hub.http.url(""))
        .expect("our own address");
    let chosen = browser.post(link, &[("password", NEXT)]).await;
    assert_eq!(location(&chosen), "/console/sign-in");
    let fields = [("email", "vera@example.com"), ("password", NEXT)];
    assert_eq!(browser.post("/console/sign-in", &fields).await.status, 303);
}

#[tokio::test]
async fn a_browser_comes_back_to_where_it_was_last_if_it_still_may() {
    let hub = TestHub::start().await;
    let (one, two) = (hub.account().await, hub.account().await);
    let roles = [(one.id, Role::Viewer), (two.id, Role::Viewer)];
    let person = hub.person("vera@example.com", &roles).await;
    let mut browser = vera(&hub).await;
    let at = async |browser: &mut Browser| location(&browser.get("/console").await).to_owned();
    assert_eq!(at(&mut browser).await, "/console/accounts");
    let page = browser.get(&format!("/console/{}", two.id)).await.text();
    assert!(
        page.contains(&format!("href=\"/console/{}\"", one.id)),
        "the switch: {page}"
    );
    assert!(page.contains("data-environment=\"production\""), "{page}");
    assert_eq!(at(&mut browser).await, format!("/console/{}", two.id));
    let actor = hub::Actor::OPERATOR;
    let removed = hub
        .server
        .hub
        .member_remove(&actor, hub::Scope(two.id), person.id);
    removed.await.expect("removed");
    assert_eq!(
        at(&mut browser).await,
        format!("/console/{}", one.id),
        "the only one left"
    );
}

/// A hub with an issuer.
struct SignOn {
    hub: TestHub,
    provider: Provider,
}

impl SignOn {
    async fn start() -> Self {
        let (hub, provider) = TestHub::with_issuer(|_| {}).await;
        Self { hub, provider }
    }

    /// To the issuer; the path by which the browser comes back.
    async fn visit(&self, browser: &mut Browser, next: &str) -> String {
        let begun = browser.get(&format!("/console/sign-on?next={next}")).await;
        assert_eq!(begun.status, 303, "{}", begun.text());
        let there = location(&begun)
            .strip_prefix(&self.provider.issuer)
            .expect("the issuer");
        let answer = self.provider.http.send("GET", there, &[], "").await;
        let back = location(&answer);
        back.strip_prefix(&self.hub.http.url(""))
            .expect("our own address")
            .to_owned()
    }
}

fn is_refused(answer: &Answer, why: &str) {
    let text = answer.text();
    assert_eq!(answer.status, 403, "{text}");
    assert!(
        text.contains(why) && text.contains("name=\"password\""),
        "{text}"
    );
}

#[tokio::test]
async fn single_sign_on_opens_a_session_of_its_own_and_the_page_that_was_wanted() {
    let world = SignOn::start().await;
    let account = world.hub.account().await;
    world
        .hub
        .person("ada@example.com", &[(account.id, Role::Viewer)])
        .await;
    let mut browser = Browser::new(&world.hub);
    let form = browser.get("/console/sign-in").await.text();
    assert!(form.contains("/console/sign-on?next="), "{form}");
    // Somebody has put a cookie into this browser, to know the session afterwards.
    browser
        .cookies
        .push(("rialto_session".to_owned(), "rs_planted".to_owned()));
    let wanted = format!("/console/{}/events", account.id);
    let back = world.visit(&mut browser, &wanted).await;
    assert!(back.starts_with("/console/sign-on/callback?"), "{back}");
    let came = browser.get(&back).await;
    assert_eq!(location(&came), wanted);
    let session = browser.session().expect("a session");
    assert!(session.starts_with("rs_") && session != "rs_planted");
    assert!(
        !browser
            .cookies
            .iter()
            .any(|(name, _)| name == "rialto_sign_on"),
        "done its work"
    );
    assert_eq!(browser.get(&wanted).await.status, 200);

    // No other site, whoever made the link up.
    let back = world.visit(&mut browser, "https://evil.example.com/").await;
    assert_eq!(location(&browser.get(&back).await), "/console");
}

#[tokio::test]
async fn a_sign_on_that_another_browser_began_opens_nothing() {
    let world = SignOn::start().await;
    world.hub.person("ada@example.com", &[]).await;
    let (mut mallory, mut victim) = (Browser::new(&world.hub), Browser::new(&world.hub));
    // Mallory sends the victim the end of a flow of their own.
    let back = world.visit(&mut mallory, "/console").await;
    is_refused(&victim.get(&back).await, "was not begun in this browser");
    assert!(victim.session().is_none());
    world.visit(&mut victim, "/console").await;
    is_refused(&victim.get(&back).await, "was not begun in this browser");

    // What was begun at the door of programs does not end at that of people.
    let begun = world
        .hub
        .http
        .send("GET", "/manage/v1/oidc/start", &[], "")
        .await;
    let cookie = begun.headers["set-cookie"].to_str().expect("text");
    let kept = cookie.split(['=', ';']).nth(1).expect("a value");
    let there = location(&begun)
        .strip_prefix(&world.provider.issuer)
        .expect("the issuer");
    let answer = world.provider.http.send("GET", there, &[], "").await;
    let (_, query) = location(&answer).split_once('?').expect("a query");
    victim
        .cookies
        .push(("rialto_sign_on".to_owned(), format!("{kept}.%2Fconsole")));
    let crossed = format!("/console/sign-on/callback?{query}");
    is_refused(&victim.get(&crossed).await, "was not begun in this browser");

    let denied = "/console/sign-on/callback?error=access_denied%3Cb%3E&state=x";
    is_refused(&victim.get(denied).await, "access_denied&lt;b&gt;");
    world
        .provider
        .somebody(json!({ "sub": "7", "email": "eve@example.com", "email_verified": true }));
    let back = world.visit(&mut victim, "/console").await;
    is_refused(&victim.get(&back).await, "Nobody has invited you");
}

#[tokio::test]
async fn without_an_issuer_there_is_no_button_and_no_way() {
    let hub = TestHub::start().await;
    hub.operator("olga@example.com").await;
    let mut browser = Browser::new(&hub);
    let form = browser.get("/console/sign-in").await.text();
    assert!(!form.contains("sign-on"), "{form}");
    is_refused(&browser.get("/console/sign-on").await, "not configured");
    is_refused(
        &browser
            .get("/console/sign-on/callback?state=a&code=b")
            .await,
        "not configured",
    );
}
