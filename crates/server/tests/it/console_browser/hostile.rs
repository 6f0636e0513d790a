//! What other sites, and the texts of other people, try on somebody who is signed in: each attack as it is made.

use model::Role;
use serde_json::{Value, json};

use super::scene::{ADA, Scene};
use super::{hub_with, is_wanted, sign_in, signed_in};
use crate::harness::browser::Browser;
use crate::harness::{Receiver, Reply};

/// Runs if it is ever more than text, in whichever place of a page it comes to stand.
const EVIL: &str = "<img src=x onerror=window.pwned=1>\"'><script>window.pwned=1</script><svg onload=window.pwned=1>`${window.pwned=1}`</title></textarea>";

/// A page of another site. Browsers see that it is HTML.
async fn page_elsewhere(html: &str) -> Receiver {
    let site = Receiver::start().await;
    let html = format!("<!doctype html><title>Elsewhere</title><body>{html}");
    site.answer(move |_| Reply::Body(200, html.clone().into()));
    site
}

/// The addresses of that page: of another origin, and of another site.
fn addresses(site: &Receiver) -> [String; 2] {
    let port = site.address.port();
    [
        format!("http://127.0.0.1:{port}/"),
        format!("http://evil.localhost:{port}/"),
    ]
}

/// The session's cookie as the browser keeps it.
async fn session(browser: &Browser) -> Value {
    let all = browser.tools("Network.getCookies", json!({})).await;
    let all = all["cookies"].as_array().cloned().unwrap_or_default();
    let is_it = |cookie: &Value| cookie["name"] == "rialto_session";
    all.into_iter().find(is_it).unwrap_or(Value::Null)
}

#[tokio::test]
async fn a_form_of_another_site_does_nothing_though_the_cookie_is_sent() {
    if !is_wanted() {
        return;
    }
    let (hub, account) = hub_with("ada@example.com", Role::Admin).await;
    let shop = hub.publisher(&account, &["cartAdd"]).await;
    let browser = signed_in(&hub, "ada@example.com").await;
    let target = hub.http.url(&format!(
        "/console/{}/endpoints/{}/disable",
        account.id, shop.id
    ));
    let site = page_elsewhere(&format!(
        "<form method=post action={target}><button>Win a prize</button></form>"
    ))
    .await;
    for address in addresses(&site) {
        browser.goto(&address).await;
        browser.press("Win a prize").await;
        browser
            .shows("This was sent by a page of another site")
            .await;
        let endpoint = hub.server.hub.endpoint(hub::Scope(account.id), shop.id);
        assert!(
            endpoint.expect("there").enabled,
            "nothing was done from {address}"
        );
    }
    // The same by a script: it is sent, refused, and its answer cannot be read.
    let script = "const done = arguments[arguments.length - 1];
        fetch(arguments[0], { method: 'POST', credentials: 'include' }).then(() => done('read'), () => done('not read'))";
    browser.goto(&addresses(&site)[0]).await;
    assert_eq!(
        browser.script_async(script, json!([target])).await,
        "not read"
    );
    let endpoint = hub.server.hub.endpoint(hub::Scope(account.id), shop.id);
    assert!(endpoint.expect("there").enabled);
    // It was not for want of a session.
    browser.goto(&format!("/console/{}", account.id)).await;
    browser.shows("ada@example.com").await;
}

#[tokio::test]
async fn no_page_shows_in_a_frame_or_gives_itself_to_another_site() {
    if !is_wanted() {
        return;
    }
    let (hub, account) = hub_with("ada@example.com", Role::Admin).await;
    let browser = signed_in(&hub, "ada@example.com").await;
    let target = hub.http.url(&format!("/console/{}/people", account.id));
    let site = page_elsewhere(&format!(
        "<iframe src={target} width=800 height=600></iframe>"
    ))
    .await;
    for address in addresses(&site) {
        browser.complaints().await;
        browser.goto(&address).await;
        let shown = browser
            .in_frame(0, "return document.body ? document.body.innerText : ''")
            .await;
        let shown = shown.as_str().unwrap_or_default();
        assert!(
            !shown.contains("ada@example.com") && !shown.contains("What the roles may do"),
            "{shown}"
        );
        let complaints = browser.complaints().await;
        assert!(
            complaints
                .iter()
                .any(|line| line.contains("frame-ancestors") || line.contains("X-Frame-Options")),
            "{complaints:?}"
        );
        let script = "const done = arguments[arguments.length - 1];
            Promise.allSettled([fetch(arguments[0], { credentials: 'include' }), fetch(arguments[0], { credentials: 'include', mode: 'no-cors' })])
                .then((all) => done(all.map((one) => one.status)))";
        let read = browser.script_async(script, json!([target])).await;
        assert_eq!(read[0], "rejected", "{address}");
    }
}

#[tokio::test]
async fn a_session_is_new_with_each_sign_in_and_no_script_sees_it() {
    if !is_wanted() {
        return;
    }
    let (hub, _) = hub_with("ada@example.com", Role::Admin).await;
    let browser = Browser::start(&hub).await;
    // Somebody has put a session into this browser, to know it afterwards.
    browser.goto("/console/sign-in").await;
    let planted = json!({ "name": "rialto_session", "value": "rs_planted", "url": hub.http.url("/console"), "path": "/console" });
    browser.tools("Network.setCookie", planted).await;
    sign_in(&browser, "ada@example.com").await;
    let first = session(&browser).await;
    assert_ne!(first["value"], "rs_planted");
    for (flag, expected) in [
        ("httpOnly", json!(true)),
        ("sameSite", json!("Lax")),
        ("path", json!("/console")),
        ("session", json!(false)),
    ] {
        assert_eq!(first[flag], expected, "{flag}: {first}");
    }
    assert_eq!(
        browser.script("return document.cookie", json!([])).await,
        ""
    );
    browser.press("Sign out").await;
    browser.shows("Sign in").await;
    assert_eq!(session(&browser).await, Value::Null);
    sign_in(&browser, "ada@example.com").await;
    assert_ne!(session(&browser).await["value"], first["value"]);
    browser.press("Sign out").await;
    browser.shows("Sign in").await;
    // What somebody kept of a session that has ended opens nothing.
    let kept = json!({ "name": "rialto_session", "value": first["value"], "url": hub.http.url("/console"), "path": "/console" });
    browser.tools("Network.setCookie", kept).await;
    browser.goto("/console/accounts").await;
    browser
        .until("location.pathname === '/console/sign-in'")
        .await;
}

#[tokio::test]
async fn signing_in_leads_to_no_other_site() {
    if !is_wanted() {
        return;
    }
    let (hub, _) = hub_with("ada@example.com", Role::Admin).await;
    let browser = Browser::start(&hub).await;
    let origin = hub.http.url("");
    for next in [
        "https://evil.localhost/",
        "//evil.localhost/",
        "/\\evil.localhost/",
        "/console/\\evil.localhost",
        "/console//evil.localhost",
        "/console/..//evil.localhost/",
        "/console@evil.localhost/",
        "javascript:window.pwned=1",
        "/console/\r\nLocation: https://evil.localhost/",
    ] {
        let query: String = form_urlencoded::byte_serialize(next.as_bytes()).collect();
        browser
            .goto(&format!("/console/sign-in?next={query}"))
            .await;
        browser.fill("E-mail", "ada@example.com").await;
        browser
            .fill("Password", crate::harness::people::PASSWORD)
            .await;
        browser.press("Sign in").await;
        browser
            .until("!location.pathname.endsWith('/sign-in')")
            .await;
        let at = browser
            .script("return [location.origin, String(window.pwned)]", json!([]))
            .await;
        assert_eq!(at, json!([origin, "undefined"]), "{next:?}");
        browser
            .tools("Network.clearBrowserCookies", json!({}))
            .await;
    }
}

#[tokio::test]
async fn what_strangers_write_runs_on_no_page() {
    if !is_wanted() {
        return;
    }
    let scene = Scene::start(|text| format!("{text}{EVIL}")).await;
    let browser = signed_in(&scene.hub, ADA).await;
    // Before anything of a page runs: who breaks its policy, and who opens a dialogue, is written down.
    let watch = "window.broken = [];
        document.addEventListener('securitypolicyviolation', (event) => window.broken.push(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`));
        window.alert = window.confirm = window.prompt = () => { window.pwned = 1; };";
    browser
        .tools(
            "Page.addScriptToEvaluateOnNewDocument",
            json!({ "source": watch }),
        )
        .await;
    let mut shown = 0;
    let mut wrong = Vec::new();
    let searches = ["/endpoints", "/audit", "/segments", "/shares"].map(|rest| {
        let text: String = form_urlencoded::byte_serialize(EVIL.as_bytes()).collect();
        format!(
            "/console/{}{rest}?q={text}&which={text}&action={text}&state={text}",
            scene.account.id
        )
    });
    for path in scene.pages.iter().map(|(_, path)| path).chain(&searches) {
        browser.goto(path).await;
        let seen = "for (const one of document.querySelectorAll('details')) one.open = true;
            return { pwned: Boolean(window.pwned), broken: window.broken, planted: document.querySelectorAll('img[src=x], svg[onload], script:not([src])').length,
                shown: document.documentElement.textContent.includes('<img src=x onerror') || [...document.querySelectorAll('input')].some((one) => one.value.includes('<img src=x onerror')) }";
        let seen = browser.script(seen, json!([])).await;
        if seen["pwned"] != false || seen["broken"] != json!([]) || seen["planted"] != 0 {
            wrong.push(format!("{path}: {seen}"));
        }
        shown += usize::from(seen["shown"] == true);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(
        shown >= 18,
        "the texts are shown: on {shown} pages of {}",
        scene.pages.len()
    );
    // The same attack does run where nothing is escaped, so looking for it finds it.
    let site = page_elsewhere(EVIL).await;
    browser.goto(&addresses(&site)[0]).await;
    browser.until("window.pwned").await;
}
