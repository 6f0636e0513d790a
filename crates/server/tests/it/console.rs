//! The pages by HTTP: coming in, what every answer carries, what is refused, and that texts of strangers are only texts.

mod enter;
mod flowing;
mod identity;
mod lists;
mod live;
mod oneself;
mod operator;
mod partner;
mod privacy;
mod quarantine;
pub(crate) mod share;
mod working;

use axum::http::header;
use model::Role;
use serde_json::json;

use crate::harness::people::PASSWORD;
use crate::harness::{Answer, Http, Receiver, TOKEN, TestAccount, TestEndpoint, TestHub, event};

/// What a browser says of a form that a page of the console has sent.
const OWN: (&str, &str) = ("sec-fetch-site", "same-origin");
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

/// A browser with its cookies.
struct Browser {
    http: Http,
    cookies: Vec<(String, String)>,
}

impl Browser {
    fn new(hub: &TestHub) -> Self {
        Self {
            http: hub.http.clone(),
            cookies: Vec::new(),
        }
    }

    /// Somebody has signed in.
    async fn of(hub: &TestHub, email: &str) -> Self {
        let mut browser = Self::new(hub);
        browser.sign_in(email).await;
        browser
    }

    async fn get(&mut self, path: &str) -> Answer {
        self.send("GET", path, &[], String::new()).await
    }

    /// Sends a form from a page of the console.
    async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        self.send("POST", path, &[OWN, FORM], body).await
    }

    /// Sends a form with a file from a page of the console.
    async fn upload(&mut self, path: &str, fields: &[(&str, &str)], file: &str) -> Answer {
        let mut body = String::new();
        for (name, value) in fields {
            body += &format!(
                "--cut\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
            );
        }
        body += &format!(
            "--cut\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.csv\"\r\nContent-Type: text/csv\r\n\r\n{file}\r\n--cut--\r\n"
        );
        let media = ("content-type", "multipart/form-data; boundary=cut");
        self.send("POST", path, &[OWN, media], body).await
    }

    async fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> Answer {
        let pairs = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"));
        let cookies = pairs.collect::<Vec<_>>().join("; ");
        let mut headers = headers.to_vec();
        if !cookies.is_empty() {
            headers.push(("cookie", &cookies));
        }
        let answer = self.http.send(method, path, &headers, body).await;
        for line in answer.headers.get_all(header::SET_COOKIE) {
            let line = line.to_str().expect("text");
            let (pair, flags) = line.split_once(';').expect("flags");
            for flag in ["Path=/console", "HttpOnly", "SameSite=Lax"] {
                assert!(flags.contains(flag), "{line}");
            }
            let (name, value) = pair.split_once('=').expect("a value");
            self.cookies.retain(|(known, _)| known != name);
            if !flags.contains("Max-Age=0") {
                self.cookies.push((name.to_owned(), value.to_owned()));
            }
        }
        answer
    }

    /// A page that must be there.
    async fn page(&mut self, path: &str) -> String {
        let answer = self.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.text()
    }

    /// Sends a form and reads the page to which it leads.
    async fn submit(&mut self, path: &str, fields: &[(&str, &str)]) -> String {
        let answer = self.post(path, fields).await;
        assert_eq!(answer.status, 303, "{path}: {}", answer.text());
        self.page(location(&answer)).await
    }

    async fn sign_in(&mut self, email: &str) {
        let fields = [("email", email), ("password", PASSWORD)];
        let answer = self.post("/console/sign-in", &fields).await;
        assert_eq!(answer.status, 303, "{}", answer.text());
    }

    fn session(&self) -> Option<&str> {
        let mut cookies = self.cookies.iter();
        cookies.find_map(|(name, value)| (name == "rialto_session").then_some(value.as_str()))
    }
}

/// A web shop that publishes, and a CRM that may subscribe to it.
struct Flow {
    hub: TestHub,
    account: TestAccount,
    receiver: Receiver,
    shop: TestEndpoint,
    crm: TestEndpoint,
}

impl Flow {
    async fn start(codes: &[&str]) -> Self {
        Self::of(TestHub::start().await, codes).await
    }

    async fn of(hub: TestHub, codes: &[&str]) -> Self {
        let account = hub.account().await;
        let receiver = Receiver::start().await;
        let shop = hub.publisher(&account, codes).await;
        let crm = hub.push_destination(&account, &receiver.url()).await;
        Self {
            hub,
            account,
            receiver,
            shop,
            crm,
        }
    }

    async fn subscribe(&self, codes: &[&str]) {
        for code in codes {
            let (shop, crm) = (&self.shop, &self.crm);
            self.hub.subscribe(&self.account, shop, code, crm).await;
        }
    }
}

fn location(answer: &Answer) -> &str {
    answer.headers[header::LOCATION].to_str().expect("text")
}

#[tokio::test]
async fn the_first_person_comes_in_with_the_operator_token_and_nobody_after_them() {
    let hub = TestHub::start().await;
    let mut browser = Browser::new(&hub);
    assert_eq!(
        location(&browser.get("/console").await),
        "/console/sign-in?next=%2Fconsole"
    );
    assert_eq!(
        location(&browser.get("/console/sign-in").await),
        "/console/set-up"
    );
    let fields = |token| {
        [
            ("token", token),
            ("name", "Ada"),
            ("email", "ada@example.com"),
            ("password", PASSWORD),
        ]
    };
    let wrong = browser.post("/console/set-up", &fields("ro_guessed")).await;
    assert_eq!(wrong.status, 400);
    assert!(wrong.text().contains("not the operator token"));
    assert!(
        wrong.text().contains("ada@example.com"),
        "what was typed stays"
    );
    assert!(browser.session().is_none());

    let right = browser.post("/console/set-up", &fields(TOKEN)).await;
    assert_eq!(location(&right), "/console");
    let accounts = browser.get("/console/accounts").await;
    assert_eq!(accounts.status, 200);
    assert!(accounts.text().contains("Ada"));
    // The door is closed behind them.
    let mut other = Browser::new(&hub);
    assert_eq!(other.get("/console/set-up").await.status, 404);
    assert_eq!(
        other.post("/console/set-up", &fields(TOKEN)).await.status,
        404
    );
}

#[tokio::test]
async fn a_session_begins_with_a_new_cookie_and_ends_with_signing_out() {
    let hub = TestHub::start().await;
    let account = hub.account().await;
    hub.person("vera@example.com", &[(account.id, Role::Viewer)])
        .await;
    let mut browser = Browser::new(&hub);
    // Somebody else has put a cookie into this browser, to know the session afterwards.
    let planted = "rs_planted".to_owned();
    browser
        .cookies
        .push(("rialto_session".to_owned(), planted.clone()));
    let wrong = [
        ("email", "vera@example.com"),
        ("password", "not her password"),
    ];
    let refused = browser.post("/console/sign-in", &wrong).await;
    assert_eq!(refused.status, 403);
    browser.sign_in("vera@example.com").await;
    let session = browser.session().expect("a session").to_owned();
    assert_ne!(session, planted);
    // The only account there is.
    assert_eq!(
        location(&browser.get("/console").await),
        format!("/console/{}", account.id)
    );
    let out = browser.post("/console/sign-out", &[]).await;
    assert_eq!(location(&out), "/console/sign-in");
    assert!(browser.session().is_none());
    // The cookie that somebody kept opens nothing.
    browser.cookies.push(("rialto_session".to_owned(), session));
    assert_eq!(browser.get("/console/accounts").await.status, 303);
}

#[tokio::test]
async fn after_signing_in_the_page_that_was_asked_for_comes_and_no_other_site() {
    let hub = TestHub::start().await;
    let account = hub.account().await;
    hub.person("vera@example.com", &[(account.id, Role::Viewer)])
        .await;
    let wanted = format!("/console/{}/deliveries?state=dead", account.id);
    let mut browser = Browser::new(&hub);
    let asked = browser.get(&wanted).await;
    let page = browser.get(location(&asked)).await.text();
    assert!(page.contains("/deliveries?state=dead"), "{page}");
    for (next, expected) in [
        (wanted.as_str(), wanted.as_str()),
        ("https://evil.example.com/", "/console"),
    ] {
        let fields = [
            ("email", "vera@example.com"),
            ("password", PASSWORD),
            ("next", next),
        ];
        let answer = browser.post("/console/sign-in", &fields).await;
        assert_eq!(location(&answer), expected);
    }
}

/// Every page, and the least role that sees it; `{}` is an endpoint.
pub(crate) const PAGES: &[(&str, Role)] = &[
    ("", Role::Viewer),
    ("/flow", Role::Viewer),
    ("/endpoints", Role::Viewer),
    ("/endpoints/{}", Role::Viewer),
    ("/endpoints/{}/now", Role::Viewer),
    ("/endpoints/new", Role::Member),
    ("/endpoints/{}/delete", Role::Member),
    ("/subscriptions", Role::Viewer),
    ("/subscriptions/new", Role::Member),
    ("/events", Role::Viewer),
    ("/deliveries", Role::Viewer),
    ("/deliveries/causes", Role::Viewer),
    ("/deliveries/preview?endpointId={}", Role::Member),
    ("/event-types", Role::Viewer),
    ("/schema-drift", Role::Viewer),
    ("/subscriptions?view=paths", Role::Viewer),
    ("/shares", Role::Viewer),
    ("/shares/new", Role::Member),
    ("/shares/when?when=cron&cron=0+6+*+*+*", Role::Viewer),
    ("/segments", Role::Viewer),
    ("/identities", Role::Viewer),
    ("/identities/kept-apart", Role::Member),
    ("/identities/undone", Role::Member),
    ("/identities/rules", Role::Viewer),
    ("/identities/filters", Role::Viewer),
    ("/privacy", Role::Viewer),
    ("/privacy/rows", Role::Viewer),
    ("/privacy/new", Role::Admin),
    ("/suppressions", Role::Viewer),
    ("/hashing", Role::Viewer),
    ("/jobs", Role::Viewer),
    ("/people", Role::Viewer),
    ("/audit", Role::Admin),
    ("/applications", Role::Partner),
    ("/applications/new", Role::Member),
    ("/applications/1", Role::Partner),
    ("/applications/1/edit", Role::Member),
    ("/applications/1/deployments/new", Role::Member),
    ("/applications/1/deployments/mails", Role::Partner),
    ("/applications/1/deployments/mails/edit", Role::Member),
    (
        "/applications/1/deployments/mails/event-types",
        Role::Member,
    ),
    ("/applications/1/deployments/mails/onboarding", Role::Member),
    ("/review", Role::Partner),
    ("/test-drive", Role::Partner),
    ("/settings", Role::Viewer),
    ("/settings/keys", Role::Admin),
    ("/notices", Role::Viewer),
    ("/outbox", Role::Viewer),
    ("/quarantine", Role::Viewer),
];

/// The operator's pages.
pub(crate) const OPERATOR: [&str; 12] = [
    "",
    "/accounts",
    "/providers",
    "/people",
    "/audit",
    "/partners",
    "/partners/new",
    "/jobs",
    "/outbox",
    "/tasks",
    "/tasks/live",
    "/storage",
];

/// Every form, and the least role that may send it.
const FORMS: &[(&str, Role)] = &[
    ("/endpoints/new", Role::Member),
    ("/endpoints/{}/enable", Role::Member),
    ("/endpoints/{}/disable", Role::Member),
    ("/endpoints/{}/delete", Role::Member),
    ("/endpoints/{}/retry", Role::Member),
    ("/endpoints/{}/test", Role::Member),
    ("/subscriptions/change", Role::Member),
    ("/schema-drift/declare", Role::Member),
    ("/endpoints/{}/key", Role::Admin),
    ("/subscriptions/new", Role::Member),
    ("/subscriptions/1/enable", Role::Member),
    ("/subscriptions/1/disable", Role::Member),
    ("/subscriptions/1/delete", Role::Member),
    ("/deliveries/replay", Role::Member),
    ("/shares/new", Role::Member),
    ("/shares/new/mapping", Role::Member),
    ("/shares/new/summary", Role::Member),
    ("/segments/refresh", Role::Member),
    ("/shares/1/run", Role::Member),
    ("/shares/1/pause", Role::Member),
    ("/shares/1/resume", Role::Member),
    ("/shares/1/end", Role::Member),
    ("/shares/1/schedule", Role::Member),
    ("/identities/look-up", Role::Member),
    ("/identities/switch", Role::Admin),
    ("/identities/facts/1/undo", Role::Member),
    ("/identities/facts/1/redo", Role::Member),
    ("/identities/rules", Role::Admin),
    ("/identities/rules/trial", Role::Admin),
    ("/identities/filters", Role::Member),
    ("/identities/filters/1/delete", Role::Member),
    ("/privacy", Role::Admin),
    ("/privacy/file", Role::Admin),
    ("/suppressions", Role::Member),
    ("/suppressions/remove", Role::Member),
    ("/suppressions/find", Role::Viewer),
    ("/suppressions/file", Role::Member),
    ("/suppressions/policy", Role::Admin),
    ("/hashing", Role::Viewer),
    ("/jobs/1/data", Role::Member),
    ("/jobs/1/fetched", Role::Member),
    ("/jobs/1/cancel", Role::Member),
    ("/jobs/1/retry", Role::Member),
    ("/jobs/1/approve", Role::Member),
    ("/jobs/1/refuse", Role::Member),
    ("/people", Role::Admin),
    ("/people/1/role", Role::Admin),
    ("/people/1/remove", Role::Admin),
    ("/applications/new", Role::Member),
    ("/applications/1/edit", Role::Member),
    ("/applications/1/save", Role::Member),
    ("/applications/1/visibility", Role::Member),
    ("/applications/1/delete", Role::Member),
    ("/applications/1/deployments/new", Role::Member),
    ("/applications/1/deployments/mails/edit", Role::Member),
    ("/applications/1/deployments/mails/delete", Role::Member),
    (
        "/applications/1/deployments/mails/event-types",
        Role::Member,
    ),
    (
        "/applications/1/deployments/mails/event-types/save",
        Role::Member,
    ),
    (
        "/applications/1/deployments/mails/event-types/remove",
        Role::Member,
    ),
    ("/applications/1/deployments/mails/onboarding", Role::Member),
    (
        "/applications/1/deployments/mails/onboarding/delete",
        Role::Member,
    ),
    ("/review", Role::Member),
    ("/test-drive", Role::Partner),
    ("/test-drive/answer", Role::Partner),
    ("/test-drive/publish", Role::Partner),
    ("/settings/name", Role::Admin),
    ("/settings/policy", Role::Admin),
    ("/settings/limits", Role::Admin),
    ("/settings/keys", Role::Admin),
    ("/settings/keys/1/revoke", Role::Admin),
    ("/outbox/1/retry", Role::Member),
    ("/quarantine/repair", Role::Member),
    ("/quarantine/1", Role::Member),
    ("/quarantine/1/discard", Role::Member),
];

/// What no account has.
const ONESELF: [&str; 5] = [
    "/console/accounts",
    "/console/partner",
    "/console/me",
    "/console/me/sessions",
    "/console/me/tokens",
];

/// The application 1 of an account, with the deployment `mails`: pages about them are in [`PAGES`].
async fn product(hub: &TestHub, account: &TestAccount) {
    let (scope, actor) = (hub::Scope(account.id), hub::Actor::OPERATOR);
    let document = crate::application::mailer();
    let hub = &hub.server.hub;
    let made = hub.application_create(&actor, scope, &document).await;
    let id = made.expect("the document is sound").id;
    let mails = json!({ "id": "mails", "displayName": "Mails" });
    let made = hub.deployment_create(&actor, scope, id, &mails).await;
    made.expect("the document is sound");
}

#[tokio::test]
async fn what_somebody_sees_follows_their_role_and_another_account_is_not_there() {
    let hub = TestHub::start().await;
    let account = hub.account().await;
    let other = hub.account().await;
    product(&hub, &account).await;
    let shop = hub.publisher(&account, &["cartAdd"]).await;
    let path = |account: model::AccountId, rest: &str| {
        format!(
            "/console/{account}{}",
            rest.replace("{}", &shop.id.to_string())
        )
    };
    for role in Role::ALL {
        let email = format!("{}@example.com", role.as_str());
        hub.person(&email, &[(account.id, role)]).await;
        let mut browser = Browser::of(&hub, &email).await;
        for &(rest, least) in PAGES {
            let expected = if role >= least { 200 } else { 403 };
            let answer = browser.get(&path(account.id, rest)).await;
            assert_eq!(
                answer.status,
                expected,
                "{role:?} {rest}: {}",
                answer.text()
            );
            assert_eq!(
                browser.get(&path(other.id, rest)).await.status,
                404,
                "{rest}"
            );
        }
        for &(rest, least) in FORMS.iter().filter(|(_, least)| role < *least) {
            let answer = browser.post(&path(account.id, rest), &[]).await;
            assert_eq!(answer.status, 403, "{role:?} below {least:?}: {rest}");
            assert_eq!(browser.post(&path(other.id, rest), &[]).await.status, 404);
        }
    }
    // An admin of an account is no operator.
    let mut admin = Browser::of(&hub, "admin@example.com").await;
    for rest in OPERATOR {
        let path = format!("/console/operator{rest}");
        assert_eq!(admin.get(&path).await.status, 403, "{path}");
        let sent = admin.post(&path, &[]).await;
        assert!([403, 405].contains(&sent.status), "{path}: {}", sent.status);
    }
    // And nobody who is not signed in sees anything.
    let mut nobody = Browser::new(&hub);
    for path in ONESELF {
        let answer = nobody.get(path).await;
        assert!(location(&answer).starts_with("/console/sign-in?next="));
    }
    for &(rest, _) in PAGES {
        let answer = nobody.get(&path(account.id, rest)).await;
        assert!(
            location(&answer).starts_with("/console/sign-in?next="),
            "{rest}"
        );
    }
    for &(rest, _) in FORMS {
        assert_eq!(
            location(&nobody.post(&path(account.id, rest), &[]).await),
            "/console/sign-in"
        );
    }
}

#[tokio::test]
async fn a_form_of_another_site_is_not_taken() {
    let hub = TestHub::start().await;
    let account = hub.account().await;
    let shop = hub.publisher(&account, &["cartAdd"]).await;
    hub.person("ada@example.com", &[(account.id, Role::Admin)])
        .await;
    let mut browser = Browser::of(&hub, "ada@example.com").await;
    let mut forms: Vec<String> = FORMS
        .iter()
        .map(|(rest, _)| rest.replace("{}", &shop.id.to_string()))
        .collect();
    forms = forms
        .iter()
        .map(|rest| format!("/console/{}{rest}", account.id))
        .collect();
    forms.extend(
        [
            "/console/sign-in",
            "/console/sign-out",
            "/console/set-up",
            "/console/forgotten",
            "/console/partner",
            "/console/me/name",
            "/console/me/password",
            "/console/me/sessions/1/end",
            "/console/me/tokens",
            "/console/me/tokens/1/revoke",
        ]
        .map(str::to_owned),
    );
    for path in &forms {
        for foreign in [
            vec![("sec-fetch-site", "cross-site"), FORM],
            vec![("sec-fetch-site", "same-site"), FORM],
            vec![("origin", "https://evil.example.com"), FORM],
            vec![FORM],
        ] {
            let answer = browser.send("POST", path, &foreign, String::new()).await;
            assert_eq!(answer.status, 403, "{path} {foreign:?}");
        }
    }
    let endpoint = hub
        .server
        .hub
        .endpoint(hub::Scope(account.id), shop.id)
        .expect("there");
    assert!(endpoint.enabled, "nothing was done");
    assert!(browser.session().is_some());
}

#[tokio::test]
async fn every_answer_is_for_this_browser_alone_and_loads_nothing_from_elsewhere() {
    let hub = TestHub::start().await;
    let account = hub.account().await;
    product(&hub, &account).await;
    let shop = hub.publisher(&account, &["cartAdd"]).await;
    hub.person("ada@example.com", &[(account.id, Role::Admin)])
        .await;
    let mut browser = Browser::new(&hub);
    let mut pages = vec!["/console/sign-in".to_owned()];
    browser.sign_in("ada@example.com").await;
    pages.extend(ONESELF.map(str::to_owned));
    pages.push("/console/nowhere/at/all".to_owned());
    let inside = PAGES.iter().map(|(rest, _)| {
        format!(
            "/console/{}{}",
            account.id,
            rest.replace("{}", &shop.id.to_string())
        )
    });
    pages.extend(inside);
    for path in pages {
        let answer = browser.get(&path).await;
        let policy = answer.headers["content-security-policy"]
            .to_str()
            .expect("text");
        assert!(
            policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{policy}"
        );
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(answer.headers["x-frame-options"], "DENY", "{path}");
        assert_eq!(answer.headers["x-content-type-options"], "nosniff");
        assert_eq!(answer.headers[header::CACHE_CONTROL], "no-store", "{path}");
        let text = answer.text();
        assert!(
            !text.contains("style=") && !text.contains("<style"),
            "{path}: {text}"
        );
        for script in text.split("<script").skip(1) {
            assert!(
                script.starts_with(" src=\"/console/assets/"),
                "{path}: {script}"
            );
        }
        for attribute in [" onclick", " onload", " onerror", "javascript:"] {
            assert!(!text.contains(attribute), "{path}: {attribute}");
        }
        let assets = text
            .split(['"', ' '])
            .filter(|part| part.starts_with("/console/assets/"));
        for asset in assets.map(str::to_owned).collect::<Vec<_>>() {
            let answer = browser.get(&asset).await;
            assert_eq!(answer.status, 200, "{asset}");
            assert!(
                answer.headers[header::CACHE_CONTROL]
                    .to_str()
                    .expect("text")
                    .contains("immutable")
            );
        }
    }
}

#[tokio::test]
async fn what_strangers_write_is_only_text() {
    const EVIL: &str = "<img src=x onerror=alert(1)>\"'><script>alert(1)</script>";
    let hub = TestHub::start().await;
    let account = hub.account().await;
    let receiver = Receiver::start().await;
    receiver.answer(|_| crate::harness::Reply::Body(400, EVIL.into()));
    let mut definition = crate::harness::publisher_definition();
    definition["name"] = EVIL.into();
    definition["description"] = EVIL.into();
    let shop = hub.endpoint(&account, definition).await;
    let code = format!("code{EVIL}");
    let event_type = json!({ "code": code, "name": EVIL, "description": EVIL });
    hub.event_type(&account, &shop, event_type).await;
    let destination = json!({ "enabled": true, "destinationType": "push" });
    let mut definition = crate::harness::destination_definition(&receiver.url(), destination);
    definition["name"] = EVIL.into();
    let crm = hub.endpoint(&account, definition).await;
    hub.subscribe(&account, &shop, &code, &crm).await;
    let mut body = event(&code, "ada@example.com", 5);
    body["events"][0]["attributes"][0] = json!({ "name": EVIL, "value": EVIL });
    let publication = hub.published(&shop, body).await;
    hub.settle().await;

    hub.person("ada@example.com", &[(account.id, Role::Admin)])
        .await;
    let mut browser = Browser::of(&hub, "ada@example.com").await;
    let mut seen = 0;
    for rest in [
        String::new(),
        "/flow".to_owned(),
        "/endpoints".to_owned(),
        format!("/endpoints?q={}", "%3Cscript%3Ealert(1)%3C/script%3E"),
        format!("/endpoints/{}", shop.id),
        format!("/endpoints/{}", crm.id),
        format!("/endpoints/{}/delete", crm.id),
        "/subscriptions".to_owned(),
        "/subscriptions/new".to_owned(),
        "/events".to_owned(),
        format!("/events/{publication}.0"),
        "/events?id=%3Cscript%3E".to_owned(),
        "/deliveries".to_owned(),
        "/deliveries/causes".to_owned(),
        "/event-types".to_owned(),
        "/schema-drift".to_owned(),
        "/subscriptions?view=paths".to_owned(),
        format!("/endpoints/{}/now", crm.id),
        format!("/events/{publication}.0/to/{}", crm.id),
        format!("/deliveries/preview?endpointId={}", crm.id),
    ] {
        let text = browser
            .get(&format!("/console/{}{rest}", account.id))
            .await
            .text();
        assert!(
            !text.contains("<img src=x") && !text.contains("<script>"),
            "{rest}: {text}"
        );
        seen += usize::from(text.contains("&lt;img src=x onerror=alert(1)&gt;"));
    }
    assert!(seen >= 10, "the texts are shown: on {seen} pages");
    // Nor does what the last action came to carry anything into a page.
    browser.cookies.push((
        "rialto_said".to_owned(),
        "good.%3Cscript%3Ealert(1)".to_owned(),
    ));
    let text = browser
        .get(&format!("/console/{}", account.id))
        .await
        .text();
    assert!(
        text.contains("&lt;script&gt;alert(1)") && !text.contains("<script>"),
        "{text}"
    );
}

#[tokio::test]
async fn an_operator_opens_an_account_and_its_admin_takes_people_in() {
    let hub = TestHub::start().await;
    hub.operator("olga@example.com").await;
    let mut olga = Browser::of(&hub, "olga@example.com").await;
    for rest in OPERATOR {
        let answer = olga.get(&format!("/console/operator{rest}")).await;
        assert_eq!(answer.status, 200, "{rest}: {}", answer.text());
    }
    let fields = [("name", "Northwind"), ("environment", "pilot")];
    let opened = olga.post("/console/operator/accounts", &fields).await;
    assert!(
        opened.text().contains("Northwind is open"),
        "{}",
        opened.text()
    );
    let accounts = olga.get("/console/accounts").await.text();
    let path = accounts
        .split('"')
        .find(|part| part.starts_with("/console/") && part.ends_with(|c: char| c.is_ascii_digit()));
    let people = format!("{}/people", path.expect("a link to the account"));

    let fields = [("email", "anna@example.com"), ("role", "admin")];
    let invited = olga.post(&people, &fields).await.text();
    let link = invited
        .split("/console/welcome/")
        .nth(1)
        .and_then(|rest| rest.split('<').next());
    let link = format!(
        "/console/welcome/{}",
        link.expect("the link of the invitation")
    );
    let mut anna = Browser::new(&hub);
    assert_eq!(anna.get(&link).await.status, 200);
    let weak = anna.post(&link, &[("password", "anna")]).await;
    assert_eq!(weak.status, 400, "{}", weak.text());
    let chosen = anna.post(&link, &[("password", PASSWORD)]).await;
    assert_eq!(location(&chosen), "/console/sign-in");
    anna.sign_in("anna@example.com").await;
    let home = anna.get("/console").await;
    assert!(anna.get(location(&home)).await.text().contains("Northwind"));
    // What was done stands in the trail.
    let trail = olga
        .get("/console/operator/audit?action=member.add")
        .await
        .text();
    assert!(
        trail.contains("member.add") && trail.contains("olga@example.com"),
        "{trail}"
    );
    let again = anna.post(&link, &[("password", PASSWORD)]).await;
    assert_eq!(again.status, 400, "an invitation is good once");
}

#[tokio::test]
async fn from_the_first_key_to_a_replay_without_a_line_of_script() {
    let hub = TestHub::start().await;
    let account = hub.account().await;
    hub.person("ada@example.com", &[(account.id, Role::Admin)])
        .await;
    let mut browser = Browser::of(&hub, "ada@example.com").await;
    let path = |rest: &str| format!("/console/{}{rest}", account.id);

    let made = browser.post(&path("/endpoints/new"), &[]).await;
    let key = made
        .text()
        .split("Bearer ")
        .nth(1)
        .and_then(|rest| rest.split('\'').next())
        .map(str::to_owned);
    let key = key.expect("the key stands in the call").to_owned();
    let registered = hub
        .http
        .json(
            "PUT",
            "/v1/endpoint",
            Some(&key),
            Some(crate::harness::publisher_definition()),
        )
        .await;
    assert_eq!(registered.status, 200, "{}", registered.text());
    let home = browser.get(&path("")).await.text();
    assert!(home.contains("Nothing is subscribed to yet"), "{home}");

    let shop = hub.publisher(&account, &["cartAdd", "cartRemove"]).await;
    let receiver = Receiver::start().await;
    let crm = hub.push_destination(&account, &receiver.url()).await;
    let fields = [
        ("event", format!("{} cartAdd", shop.id)),
        ("event", format!("{} cartRemove", shop.id)),
        ("destination", crm.id.to_string()),
    ];
    let fields: Vec<(&str, &str)> = fields
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let subscribed = browser.post(&path("/subscriptions/new"), &fields).await;
    let list = browser.get(location(&subscribed)).await.text();
    assert!(
        list.contains("2 subscriptions made") && list.contains("cartRemove"),
        "{list}"
    );

    receiver.answer_status(400);
    let publication = hub
        .published(&shop, event("cartAdd", "ada@example.com", 5))
        .await;
    hub.settle().await;
    let home = browser.get(&path("")).await.text();
    assert!(home.contains("1 dead letters"), "{home}");
    let dead = browser.get(&path("/deliveries?state=dead")).await.text();
    assert!(dead.contains("answered 400"), "{dead}");
    let journey = browser
        .get(&path(&format!("/events/{publication}.0")))
        .await
        .text();
    assert!(journey.contains("status dead"), "{journey}");

    receiver.answer_status(200);
    let preview = browser
        .get(&path(&format!("/deliveries/preview?endpointId={}", crm.id)))
        .await
        .text();
    assert!(
        preview.contains("<strong>1</strong> documents"),
        "{preview}"
    );
    let id = crm.id.to_string();
    let sent = browser
        .post(&path("/deliveries/replay"), &[("endpointId", &id)])
        .await;
    let said = browser.get(location(&sent)).await.text();
    assert!(said.contains("1 documents are sent again"), "{said}");
    hub.settle().await;
    let journey = browser
        .get(&path(&format!("/events/{publication}.0")))
        .await
        .text();
    assert!(journey.contains("status delivered"), "{journey}");
}
