//! An exchange with something on every page: a bookshop's, with what flows, what fails, audiences, people and partners.
//!
//! The tests that walk all pages use it, and so do the pictures of `cargo xtask screenshots`. Every text that a stranger can
//! set goes through [`Dress`], so that the same scene can be made of hostile texts.

use std::time::Duration;

use hub::identity::Wanted;
use hub::test_drive::TestEvent;
use hub::{Actor, IdentityFilter, Scope};
use model::account::RefusedEvents;
use model::identity::Told;
use model::test_drive::Mistake;
use model::{AccountId, AccountPolicy, Environment, Role};
use serde_json::{Value, json};

use crate::harness::{Receiver, Reply, TestAccount, TestEndpoint, TestHub};

/// What becomes of a text that a stranger sets.
pub(super) type Dress = fn(&str) -> String;

/// Whoever looks: an operator, who may see everything.
pub(super) const ADA: &str = "ada@harbour-books.example";
const MAIL: &str = "8000000000000001152";

pub(super) struct Scene {
    pub(super) hub: TestHub,
    pub(super) account: TestAccount,
    /// Name and path of every page, in the order of the places.
    pub(super) pages: Vec<(String, String)>,
    pub(super) shop: TestEndpoint,
    pub(super) crm: TestEndpoint,
    dress: Dress,
    _receivers: Vec<Receiver>,
}

/// A definition of an endpoint; `types` is what it is.
fn definition(dress: Dress, name: &str, url: &str, types: &Value) -> Value {
    json!({
        "name": dress(name), "description": dress("Run by the shop's own people"), "providerName": "Quayside", "url": url,
        "endpointTypes": types,
        "marketingDatabasesDefinition": { "marketingDatabases": [{ "name": dress("customers"), "identifiers": [
            { "name": "email", "type": "email", "isCaseSensitive": false },
            { "name": "cookie", "type": "cookie" },
            { "name": "phone", "type": "phone" },
        ], "attributes": [
            { "name": "firstName", "type": "string" }, { "name": "points", "type": "number" },
        ] }] },
    })
}

impl Scene {
    pub(super) async fn start(dress: Dress) -> Self {
        let hub =
            TestHub::start_with(|config| config.server.pilot_listen = ([127, 0, 0, 1], 0).into())
                .await;
        hub.operator(ADA).await;
        let verbs = &hub.server.hub;
        verbs
            .provider_create(&Actor::OPERATOR, "Quayside")
            .await
            .expect("a provider");
        verbs
            .provider_create(&Actor::OPERATOR, &dress("Harbour Software"))
            .await
            .expect("a provider");
        let policy = AccountPolicy {
            refused_events: RefusedEvents::Quarantine,
            ..AccountPolicy::default()
        };
        let mut opened = Vec::new();
        for (name, environment) in [
            ("Harbour Books", Environment::Production),
            ("Harbour Books, trying things", Environment::Pilot),
        ] {
            let account = verbs
                .account_create(&Actor::OPERATOR, &dress(name), environment, &policy)
                .await;
            opened.push(account.expect("an account"));
        }
        let (account, key) = opened.swap_remove(0);
        let account = TestAccount {
            id: account.id,
            key: key.expose().to_owned(),
        };
        let receivers = [
            Receiver::start().await,
            Receiver::start().await,
            Receiver::start().await,
            Receiver::start().await,
        ];
        let [lighthouse, pigeon, tide, catalogue] = receivers;
        catalogue.answer_status(410);
        let words = dress("{\"error\": \"unknown contact list 17\"}");
        pigeon.answer(move |_| Reply::Body(400, words.clone().into()));
        let words = dress("try again later");
        tide.answer(move |_| Reply::Body(503, words.clone().into()));
        let push =
            json!({ "event": { "destination": { "enabled": true, "destinationType": "push" } } });
        let source = json!({ "event": { "source": { "enabled": true } } });
        let at = |name, url: &str, types| definition(dress, name, url, types);
        let shop = hub.endpoint(&account, at("Book shop", "", &source)).await;
        let app = hub.endpoint(&account, at("Reading app", "", &source)).await;
        let crm = hub
            .endpoint(&account, at("Lighthouse CRM", &lighthouse.url(), &push))
            .await;
        let post = hub
            .endpoint(&account, at("Pigeon Post", &pigeon.url(), &push))
            .await;
        let analytics = hub
            .endpoint(&account, at("Tide Analytics", &tide.url(), &push))
            .await;
        let pull =
            json!({ "event": { "destination": { "enabled": true, "destinationType": "pull" } } });
        let warehouse = hub
            .endpoint(&account, at("Granary Warehouse", "", &pull))
            .await;
        let gone = hub
            .endpoint(&account, at("Winter catalogue", &catalogue.url(), &push))
            .await;
        let till = hub.endpoint(&account, at("Old till", "", &source)).await;
        let disabled = verbs
            .endpoint_enable(&Actor::OPERATOR, Scope(account.id), till.id, false)
            .await;
        disabled.expect("disabled");
        hub.register(&account).await;

        let mut scene = Self {
            hub,
            account,
            pages: Vec::new(),
            shop,
            crm,
            dress,
            _receivers: vec![lighthouse, pigeon, tide, catalogue],
        };
        for (publisher, code, name, to) in [
            (
                &scene.shop,
                "cartAdd",
                "Put into the cart",
                vec![&scene.crm, &analytics, &warehouse],
            ),
            (
                &scene.shop,
                "cartPurchase",
                "Bought",
                vec![&scene.crm, &post, &analytics, &warehouse],
            ),
            (
                &scene.shop,
                "productView",
                "Looked at a book",
                vec![&warehouse, &gone],
            ),
            (
                &app,
                "bookOpen",
                "Opened a book",
                vec![&warehouse, &scene.crm],
            ),
            (
                &app,
                "bookFinish",
                "Finished a book",
                vec![&warehouse, &post],
            ),
        ] {
            let code = (scene.dress)(code);
            let body = json!({ "code": code, "name": (scene.dress)(name), "description": (scene.dress)("As the shop's pages tell it"),
                "attributes": [{ "name": (scene.dress)("orderTotal"), "type": "number" }, { "name": (scene.dress)("title"), "type": "string" }] });
            scene.hub.event_type(&scene.account, publisher, body).await;
            for destination in to {
                scene
                    .hub
                    .subscribe(&scene.account, publisher, &code, destination)
                    .await;
            }
        }
        let path = format!("/accounts/{}/subscriptions/10", scene.account.id);
        scene
            .manage("PATCH", &path, json!({ "enabled": false }))
            .await;
        let event = scene.flow(&app).await;
        scene.people().await;
        let (job, wizard) = scene.audiences().await;
        let pilot = scene.partners().await;
        scene.exceptions().await;
        scene.hub.settle().await;
        let person = scene.person().await;
        scene.list(
            (&event, job),
            pilot,
            &post,
            &[
                wizard,
                format!("/identities/people/{person}"),
                format!("/privacy/new?operation=remove&x1Id={person}"),
            ],
        );
        scene
    }

    async fn manage(&self, method: &str, path: &str, body: Value) -> Value {
        let answer = self.hub.manage(method, path, body).await;
        assert_eq!(answer.status, 200, "{method} {path}: {}", answer.text());
        answer.json()
    }

    async fn call(&self, method: &str, path: &str, key: &str, body: Value) -> Value {
        let answer = self
            .hub
            .http
            .json(method, path, Some(key), Some(body))
            .await;
        assert!(answer.status < 300, "{method} {path}: {}", answer.text());
        answer.json()
    }

    /// An afternoon's events; the id of the last of them that everybody gets.
    async fn flow(&self, app: &TestEndpoint) -> String {
        let dress = self.dress;
        let titles = [
            "The Salt Road",
            "Low Water",
            "Forty Lanterns",
            "A Map of Rooks",
        ];
        for n in 0..18_usize {
            let (publisher, code) = match n % 6 {
                0 => (&self.shop, "cartAdd"),
                1 | 2 => (&self.shop, "productView"),
                3 => (&self.shop, "cartPurchase"),
                4 => (app, "bookOpen"),
                _ => (app, "bookFinish"),
            };
            self.publish(publisher, code, n % 5, titles[n % 4]).await;
            self.hub.pass(Duration::from_secs(420)).await;
        }
        let event = self
            .publish(&self.shop, "cartPurchase", 1, &dress("Forty Lanterns"))
            .await;
        self.hub.pass(Duration::from_secs(7)).await;
        format!("{event}.0")
    }

    async fn publish(
        &self,
        publisher: &TestEndpoint,
        code: &str,
        reader: usize,
        title: &str,
    ) -> String {
        let dress = self.dress;
        let now = self.hub.server.hub.now().to_string();
        let identifiers = json!([
            { "name": "email", "value": format!("reader{reader}@mail.example") },
            { "name": "cookie", "value": format!("c-{reader}-{}", code.len()) },
        ]);
        let total = 1_990 + 305 * i64::try_from(reader).expect("small");
        let body = json!({ "channel": "web", "identifiers": identifiers, "events": [{ "code": dress(code), "timestamp": now, "attributes": [
            { "name": dress("orderTotal"), "value": total, "type": "number" },
            { "name": dress("title"), "value": dress(title), "type": "string" },
            { "name": dress("coupon"), "value": dress("SPRING"), "type": "string" },
        ] }] });
        self.hub.published(publisher, body).await
    }

    /// Who works here, who asked to be forgotten, and who must not be written to.
    async fn people(&self) {
        let at = [(self.account.id, Role::Member)];
        self.hub.person("mia@harbour-books.example", &at).await;
        let account = format!("/accounts/{}", self.account.id);
        let body = json!({ "email": "sam@harbour-books.example", "role": "viewer" });
        self.manage("POST", &format!("{account}/members"), body)
            .await;
        let body = json!({ "type": "email", "values": ["quiet@mail.example", "left@mail.example"], "reference": (self.dress)("asked by letter") });
        self.manage("POST", &format!("{account}/suppressions"), body)
            .await;
        let bearer = format!("Bearer {}", self.account.key);
        let headers = [
            ("authorization", bearer.as_str()),
            ("content-type", "text/csv"),
        ];
        let path = "/v1/jobs/gdprRequest?operationType=export&generateOutput=true";
        let asked = self
            .hub
            .http
            .send("POST", path, &headers, "email\nreader3@mail.example\n")
            .await;
        assert_eq!(asked.status, 200, "{}", asked.text());
        self.hub.settle().await;
    }

    /// Two shares: one that ran, one every morning. The job of the first, and where another one is made.
    async fn audiences(&self) -> (i64, String) {
        let dress = self.dress;
        let source =
            json!({ "segment": { "source": { "enabled": true, "producerType": "push" } } });
        let register = definition(dress, "Reader register", "", &source);
        let register = self.hub.endpoint(&self.account, register).await;
        let actions = json!({ "add": true, "remove": true, "replace": true, "defaultShareAction": "REPLACE" });
        let takes = json!({ "segment": { "destination": { "enabled": true, "destinationType": "pull", "shareActions": actions } } });
        let letters = definition(dress, "Letters to readers", "", &takes);
        let letters = self.hub.endpoint(&self.account, letters).await;
        let lists = json!([
            { "id": MAIL.parse::<i64>().expect("a number"), "name": dress("Readers of letters"), "description": dress("They said yes at the till") },
            { "id": 17, "name": dress("Members"), "description": dress("With a card") },
        ]);
        self.call(
            "POST",
            &format!("/v1/endpoint/{}/segments", register.id),
            &register.key,
            lists,
        )
        .await;
        let share = |segment: Value, name: &str, schedule: Value| {
            json!({ "sourceEndpointId": register.id.0, "segmentId": segment, "destinationEndpointId": letters.id.0,
                "destinationSegmentName": dress(name), "shareAction": "REPLACE", "identifier": { "source": "email", "destination": "email" },
                "attributes": { "firstName": "firstName", "points": "points" }, "schedule": schedule, "uploadIdentities": false })
        };
        let shares = format!("/accounts/{}/shares", self.account.id);
        let ran = self
            .manage(
                "POST",
                &shares,
                share(
                    json!(MAIL.parse::<i64>().expect("a number")),
                    "Spring letter",
                    Value::Null,
                ),
            )
            .await;
        let daily = json!({ "cron": "30 6 * * mon-fri", "timeZone": "Europe/Berlin" });
        self.manage(
            "POST",
            &shares,
            share(json!(17), "Members, every morning", daily),
        )
        .await;
        self.hub.settle().await;
        let job = ran["jobId"].as_i64().expect("it runs");
        let mut csv = "email,firstName,points\n".to_owned();
        for n in 0..40 {
            csv += &format!(
                "reader{n}@mail.example,\"{}\",{}\n",
                dress("Ines").replace('"', "\"\""),
                n * 11
            );
        }
        csv += "not an address,Jo,1\n,Nobody,2\n";
        let bearer = format!("Bearer {}", register.key);
        let headers = [
            ("authorization", bearer.as_str()),
            ("content-type", "text/csv"),
        ];
        let taken = self
            .hub
            .http
            .send("POST", &format!("/v1/jobs/{job}/data"), &headers, csv)
            .await;
        assert!(taken.status < 300, "{}", taken.text());
        self.hub.settle().await;
        let query = format!("segment={}+{MAIL}&destination={}", register.id, letters.id);
        (job, format!("/shares/new?{query}"))
    }

    /// What is only now and then: an event that was refused and kept, somebody put together wrongly, an identifier that is
    /// not handed on.
    async fn exceptions(&self) {
        let dress = self.dress;
        let (verbs, scope) = (&self.hub.server.hub, Scope(self.account.id));
        let wrong = json!({ "channel": "web", "identifiers": [{ "name": "email", "value": "reader2@mail.example" }],
            "events": [{ "code": dress("cartPurchased"), "timestamp": "yesterday", "attributes": [
                { "name": dress("title"), "value": dress("Low Water"), "type": "string" },
            ] }] });
        let kept = self.hub.publish(&self.shop, wrong).await;
        assert_eq!(kept.json()["quarantined"], 1, "{}", kept.text());
        let filter = IdentityFilter {
            id: 0,
            endpoint: self.crm.id,
            identifier: "cookie".to_owned(),
            publish: false,
            subscribe: true,
        };
        let filtered = verbs.identity_filter_put(&Actor::OPERATOR, scope, filter);
        filtered.await.expect("filtered");
        let wanted = Wanted::Told(Told::clear("email", "reader4@mail.example"));
        let explained = verbs.identity_explain(scope, &wanted).await;
        let fact = explained.expect("somebody who came by").facts[0].fact.id;
        let cut = verbs.identity_cut(&Actor::OPERATOR, scope, fact, true);
        cut.await.expect("undone");
    }

    /// A product of the account's own, and companies that want in. The account of one of them in pilot, in which it has begun
    /// to try things out.
    async fn partners(&self) -> AccountId {
        let dress = self.dress;
        let application = json!({
            "providerName": "Quayside", "displayName": dress("Harbour Mailer"), "description": dress("Writes to readers"), "url": "https://in.example.com",
            "endpointTypes": { "event": { "destination": { "enabled": true, "destinationType": "push" } } },
        });
        let made = self
            .call("POST", "/v1/application", &self.account.key, application)
            .await;
        let path = format!("/v1/application/{}/deployment", made["id"]);
        let deployment = json!({ "id": "mails", "displayName": dress("Letters and reminders"), "description": dress("By mail, in the reader's language") });
        self.call("POST", &path, &self.account.key, deployment)
            .await;
        for (company, product) in [
            ("Foghorn", "Foghorn Alerts"),
            ("Slipway", "Slipway Surveys"),
        ] {
            let body = json!({ "company": dress(company), "contact": "hello@foghorn.example", "product": dress(product),
                "exchanges": dress("Tells who answered a question"), "forms": ["single"] });
            self.manage("POST", "/partners", body).await;
        }
        let first = self.manage("GET", "/partners", Value::Null).await["items"][0]["id"].clone();
        let taken = self
            .manage("POST", &format!("/partners/{first}/nominate"), json!({}))
            .await;
        let pilot = AccountId(taken["pilotAccountId"].as_i64().expect("an account"));
        let (verbs, scope) = (&self.hub.server.hub, Scope(pilot));
        let begun = verbs.test_drive_start(&Actor::OPERATOR, scope).await;
        let receiver = begun.expect("a test drive").receiver;
        for (code, mistake) in [
            ("cartAdd", None),
            ("emailOpen", None),
            ("cartAdd", Some(Mistake::NoChannel)),
        ] {
            let event = TestEvent {
                code: code.to_owned(),
                mistake,
                destination: Some(receiver),
            };
            let said = verbs.test_drive_publish(&Actor::OPERATOR, scope, event);
            said.await.expect("said");
        }
        pilot
    }

    /// One of the readers, by the id that says nothing of them.
    async fn person(&self) -> String {
        let told = Told::clear("email", "reader1@mail.example");
        let verbs = &self.hub.server.hub;
        let wanted = Wanted::Told(told);
        let found = verbs
            .identity_explain(Scope(self.account.id), &wanted)
            .await;
        found.expect("somebody who came by").x1_id.to_string()
    }

    fn list(
        &mut self,
        (event, job): (&str, i64),
        pilot: AccountId,
        post: &TestEndpoint,
        more: &[String],
    ) {
        let account = format!("/console/{}", self.account.id);
        let pilot = format!("/console/{pilot}");
        let endpoint = self.crm.id.to_string();
        let mut pages: Vec<(String, String)> = Vec::new();
        let mut add = |path: String| {
            let name = called(&path);
            let same = pages.iter().filter(|(known, _)| *known == name).count();
            // Another of the same kind.
            let name = if same == 0 {
                name
            } else {
                format!("{name}-{}", pages.len())
            };
            pages.push((name, path));
        };
        add("/console/accounts".to_owned());
        for (rest, _) in crate::console::PAGES {
            // What is for those who try things out.
            let place = match *rest {
                "/review" | "/test-drive" => &pilot,
                _ => &account,
            };
            add(format!("{place}{}", rest.replace("{}", &endpoint)));
        }
        for rest in [
            format!("/endpoints/{}", self.shop.id),
            format!("/endpoints/{}", post.id),
            format!("/events/{event}"),
            format!("/deliveries/preview?endpointId={}", post.id),
            "/deliveries?state=dead".to_owned(),
            "/shares/1".to_owned(),
            format!("/jobs/{job}"),
        ]
        .iter()
        .chain(more)
        {
            add(format!("{account}{rest}"));
        }
        for rest in crate::console::OPERATOR {
            add(format!("/console/operator{rest}"));
        }
        add("/console/nowhere/at/all".to_owned());
        self.pages = pages;
    }
}

/// What a page is called: its place, without numbers and ids, which are others each time.
fn called(path: &str) -> String {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let words = path.split('/').chain(query.split(['&', '=']));
    let is_word =
        |word: &&str| !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c == '-');
    let words: Vec<&str> = words
        .filter(is_word)
        .filter(|word| *word != "console")
        .collect();
    let is_one = path
        .rsplit('/')
        .next()
        .is_some_and(|last| last.contains(|c: char| c.is_ascii_digit()));
    match (words.join("-"), is_one) {
        (name, false) => name,
        (name, true) if name.is_empty() => "home".to_owned(),
        (name, true) => format!("{name}-one"),
    }
}
