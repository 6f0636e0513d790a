//! What people do with endpoints, events, subscriptions and deliveries, page by page and without a script.

use model::{Environment, Role};
use serde_json::{Value, json};

use super::{Browser, Flow, location};
use crate::harness::{Receiver, TestHub, event};
use crate::onboarding::{Acme, basic};

/// A shop, a CRM that takes what it gets, and somebody who may change things.
struct World {
    flow: Flow,
    browser: Browser,
}

impl World {
    async fn start(codes: &[&str]) -> Self {
        let flow = Flow::start(codes).await;
        let roles = [(flow.account.id, Role::Member)];
        flow.hub.person("mia@example.com", &roles).await;
        let browser = Browser::of(&flow.hub, "mia@example.com").await;
        Self { flow, browser }
    }

    fn path(&self, rest: &str) -> String {
        format!("/console/{}{rest}", self.flow.account.id)
    }

    async fn get(&mut self, rest: &str) -> String {
        let path = self.path(rest);
        self.browser.page(&path).await
    }

    /// Sends a form and answers the page that says what happened.
    async fn post(&mut self, rest: &str, fields: &[(&str, &str)]) -> String {
        let path = self.path(rest);
        let sent = self.browser.post(&path, fields).await;
        let to = location(&sent).to_owned();
        self.browser.get(&to).await.text()
    }
}

#[tokio::test]
async fn an_event_is_found_by_code_person_publisher_and_time() {
    let mut world = World::start(&["cartAdd", "cartRemove"]).await;
    let (hub, shop) = (&world.flow.hub, &world.flow.shop);
    let ada = hub
        .published(shop, event("cartAdd", "ada@example.com", 1))
        .await;
    let bob = hub
        .published(shop, event("cartRemove", "bob@example.com", 2))
        .await;
    hub.clock.advance(std::time::Duration::from_secs(3_600));
    let late = hub
        .published(shop, event("cartAdd", "ada@example.com", 3))
        .await;
    let other = hub.publisher(&world.flow.account, &["cartAdd"]).await;
    let of_other = hub
        .published(&other, event("cartAdd", "eve@example.com", 4))
        .await;
    let all = [&ada, &bob, &late, &of_other];
    for (query, expected) in [
        ("", vec![&ada, &bob, &late, &of_other]),
        ("?code=cartRemove", vec![&bob]),
        ("?identifier=ADA%40example.com", vec![&ada, &late]),
        ("?from=2026-03-02T12%3A30", vec![&late, &of_other]),
        ("?to=2026-03-02T12%3A30", vec![&ada, &bob]),
        ("?code=cartAdd&identifier=nobody%40example.com", vec![]),
    ] {
        let page = world.get(&format!("/events{query}")).await;
        for id in all {
            let is_there = page.contains(&format!("/events/{id}.0"));
            assert_eq!(is_there, expected.contains(&id), "{query}: {page}");
        }
    }
    let query = format!("?publisher={}", other.id);
    let page = world.get(&format!("/events{query}")).await;
    assert!(page.contains(&of_other) && !page.contains(&ada), "{page}");
    let file = world
        .get("/events?identifier=ada%40example.com&format=csv")
        .await;
    assert_eq!(file.lines().count(), 3, "{file}");
    let path = world.path("/events?from=yesterday");
    let wrong = world.browser.get(&path).await;
    let said = world.browser.get(location(&wrong)).await.text();
    assert!(said.contains("`yesterday` is no time"), "{said}");
}

#[tokio::test]
async fn what_a_destination_is_sent_is_shown_without_its_credentials() {
    let mut world = World::start(&["cartAdd"]).await;
    let role = json!({ "enabled": true, "destinationType": "push" });
    let definition = crate::harness::destination_definition(&world.flow.receiver.url(), role);
    let erp = world
        .flow
        .hub
        .endpoint(&world.flow.account, definition)
        .await;
    let (hub, shop) = (&world.flow.hub, &world.flow.shop);
    hub.subscribe(&world.flow.account, shop, "cartAdd", &erp)
        .await;
    let id = hub
        .published(shop, event("cartAdd", "ada@example.com", 42))
        .await;
    hub.settle().await;
    let sent = world.flow.receiver.requests();
    let authorization = sent[0].headers["authorization"]
        .to_str()
        .expect("text")
        .to_owned();
    let secret = authorization.strip_prefix("Bearer ").expect("its key");
    let page = world.get(&format!("/events/{id}.0/to/{}", erp.id)).await;
    assert!(
        page.contains("orderTotal") && page.contains("webhook-id"),
        "{page}"
    );
    assert!(page.contains("Bearer ***"), "{page}");
    assert!(!page.contains(secret), "{page}");
    // To the CRM it does not go.
    let other = world
        .get(&format!("/events/{id}.0/to/{}", world.flow.crm.id))
        .await;
    assert!(
        other.contains("This event is not for this destination"),
        "{other}"
    );
}

#[tokio::test]
async fn dead_letters_are_counted_by_cause_and_the_selected_ones_sent_again() {
    let mut world = World::start(&["cartAdd", "cartRemove"]).await;
    world.flow.subscribe(&["cartAdd", "cartRemove"]).await;
    let (hub, shop) = (&world.flow.hub, &world.flow.shop);
    let mut ids = Vec::new();
    for (status, code) in [(400, "cartAdd"), (400, "cartAdd"), (413, "cartRemove")] {
        world.flow.receiver.answer_status(status);
        let person = format!("person{}@example.com", ids.len());
        ids.push(hub.published(shop, event(code, &person, 5)).await);
        hub.settle().await;
    }
    let causes = world.get("/deliveries/causes").await;
    assert!(
        causes.contains("answered 400") && causes.contains("answered 413"),
        "{causes}"
    );
    let only = world.get("/deliveries?state=dead&cause=413").await;
    assert!(only.contains(&ids[2]) && !only.contains(&ids[0]), "{only}");

    world.flow.receiver.answer_status(200);
    let to = world.flow.crm.id.to_string();
    let preview = world
        .get(&format!(
            "/deliveries/preview?endpointId={to}&codes=cartAdd"
        ))
        .await;
    assert!(
        preview.contains("<strong>2</strong> documents"),
        "{preview}"
    );
    let nobody = world
        .get(&format!(
            "/deliveries/preview?endpointId={to}&to=2026-03-02T11%3A00"
        ))
        .await;
    assert!(nobody.contains("<strong>0</strong> documents"), "{nobody}");
    let wrong = world
        .get(&format!("/deliveries/preview?endpointId={to}&which=all"))
        .await;
    assert!(wrong.contains("say since when"), "{wrong}");
    let event = format!("{}.0", ids[1]);
    let said = world.post("/deliveries/replay", &[("event", &event)]).await;
    assert!(said.contains("1 documents are sent again"), "{said}");
    world.flow.hub.settle().await;
    let dead = world.get("/deliveries?state=dead").await;
    assert!(dead.contains(&ids[0]) && !dead.contains(&ids[1]), "{dead}");
    let none = world.post("/deliveries/replay", &[]).await;
    assert!(none.contains("Choose what is to be sent again"), "{none}");
}

#[tokio::test]
async fn several_subscriptions_are_paused_resumed_and_ended_at_once() {
    let mut world = World::start(&["cartAdd", "cartRemove", "ibmcartPurchase"]).await;
    world
        .flow
        .subscribe(&["cartAdd", "cartRemove", "ibmcartPurchase"])
        .await;
    let account = world.flow.account.id;
    let registry = world.flow.hub.server.hub.registry();
    let mut all = registry.subscriptions_where(|s| s.account == account);
    all.sort_by_key(|s| s.id);
    let ids: Vec<String> = all.iter().map(|s| s.id.to_string()).collect();
    let change = |verb: &'static str, of: &[usize]| {
        let mut fields = vec![("verb".to_owned(), verb.to_owned())];
        fields.extend(
            of.iter()
                .map(|at| ("subscription".to_owned(), ids[*at].clone())),
        );
        fields
    };
    for (verb, of, said, active) in [
        ("disable", vec![0, 1], "2 subscriptions are paused", 1),
        ("enable", vec![0], "1 subscriptions are active", 2),
        ("delete", vec![1, 2], "2 subscriptions have ended", 1),
    ] {
        let fields = change(verb, &of);
        let fields: Vec<(&str, &str)> = fields
            .iter()
            .map(|(n, v)| (n.as_str(), v.as_str()))
            .collect();
        let page = world.post("/subscriptions/change", &fields).await;
        assert!(page.contains(said), "{page}");
        assert_eq!(page.matches("status active").count(), active, "{page}");
    }
    let nothing = world
        .post("/subscriptions/change", &[("verb", "delete")])
        .await;
    assert!(nothing.contains("Select subscriptions first"), "{nothing}");
    let paths = world.get("/subscriptions?view=paths").await;
    assert!(
        paths.contains("Web shop → cartAdd") && !paths.contains("cartRemove"),
        "{paths}"
    );
}

#[tokio::test]
async fn the_dialog_that_subscribes_is_narrowed_by_its_search() {
    let mut world = World::start(&["cartAdd", "cartRemove"]).await;
    let all = world.get("/subscriptions/new").await;
    assert!(
        all.contains("cartAdd") && all.contains("cartRemove"),
        "{all}"
    );
    let some = world.get("/subscriptions/new?q=remove").await;
    assert!(
        some.contains("cartRemove") && !some.contains(" cartAdd\""),
        "{some}"
    );
    let none = world.get("/subscriptions/new?to=nobody").await;
    assert!(none.contains("None fits."), "{none}");
}

#[tokio::test]
async fn what_drifts_is_declared_with_one_click() {
    let mut world = World::start(&["cartAdd"]).await;
    let drifting = |total: Value| {
        let mut body = event("cartAdd", "ada@example.com", 5);
        body["events"][0]["attributes"] = json!([
            { "name": "orderTotal", "value": total, "type": "number" },
            { "name": "colour", "value": "red", "type": "string" },
            { "name": "weight", "value": 3, "type": "number" },
        ]);
        body
    };
    for _ in 0..2 {
        world
            .flow
            .hub
            .published(&world.flow.shop, drifting(json!(5)))
            .await;
    }
    world.flow.hub.settle().await;
    let home = world.get("").await;
    assert!(home.contains("attributes other than declared"), "{home}");
    let page = world.get("/schema-drift").await;
    assert!(
        page.contains("colour") && page.contains("undeclared"),
        "{page}"
    );
    let publisher = world.flow.shop.id.to_string();
    let fields = [("endpointId", publisher.as_str()), ("code", "cartAdd")];
    let said = world.post("/schema-drift/declare", &fields).await;
    assert!(said.contains("cartAdd is declared with"), "{said}");
    assert!(
        said.contains("Everything is published as it was declared"),
        "{said}"
    );
    let scope = hub::Scope(world.flow.account.id);
    let types = world
        .flow
        .hub
        .server
        .hub
        .event_types(scope, world.flow.shop.id)
        .expect("types");
    let kinds: Vec<String> = types[0]
        .attributes
        .iter()
        .map(|a| format!("{} {}", a.name, a.kind))
        .collect();
    assert!(kinds.contains(&"colour string".to_owned()), "{kinds:?}");
    assert!(kinds.contains(&"weight number".to_owned()), "{kinds:?}");
    // What is published from now on drifts no more.
    world
        .flow
        .hub
        .published(&world.flow.shop, drifting(json!(6)))
        .await;
    world.flow.hub.settle().await;
    let page = world.get("/schema-drift").await;
    assert!(
        page.contains("Everything is published as it was declared"),
        "{page}"
    );
    let again = world.post("/schema-drift/declare", &fields).await;
    assert!(again.contains("There is no schema drift"), "{again}");
}

#[tokio::test]
async fn the_library_of_event_types_is_searched_by_any_word_of_it() {
    let mut world = World::start(&["cartAdd", "cartRemove"]).await;
    world.flow.subscribe(&["cartAdd"]).await;
    let body = json!({ "code": "gardenVisit", "name": "Garden visited", "description": "Somebody walked in",
                       "attributes": [{ "name": "roses", "type": "number" }] });
    world
        .flow
        .hub
        .event_type(&world.flow.account, &world.flow.shop, body)
        .await;
    for (query, expected) in [
        ("", [true, true, true]),
        ("?q=GARDEN", [false, false, true]),
        ("?q=roses", [false, false, true]),
        ("?q=crm", [true, false, false]),
        ("?q=web+shop", [true, true, true]),
        ("?q=nothing+of+it", [false, false, false]),
    ] {
        let page = world.get(&format!("/event-types{query}")).await;
        let is_there = ["cartAdd", "cartRemove", "gardenVisit"]
            .map(|code| page.contains(&format!("<code>{code}</code>")));
        assert_eq!(is_there, expected, "{query}: {page}");
    }
}

#[tokio::test]
async fn endpoints_are_filtered_and_sorted_by_their_address() {
    let mut world = World::start(&["cartAdd"]).await;
    world.flow.hub.register(&world.flow.account).await;
    for (query, expected) in [
        ("", vec!["Web shop", "CRM", "endpoint 3"]),
        ("?status=pending", vec!["endpoint 3"]),
        ("?role=receives+events", vec!["CRM"]),
        ("?sort=name", vec!["CRM", "endpoint 3", "Web shop"]),
        ("?sort=-name", vec!["Web shop", "endpoint 3", "CRM"]),
        ("?q=acme&sort=name", vec!["CRM", "Web shop"]),
    ] {
        let file = world
            .get(&format!(
                "/endpoints{query}{}format=csv",
                if query.is_empty() { "?" } else { "&" }
            ))
            .await;
        let names = file
            .lines()
            .skip(1)
            .map(|line| line.split(',').next().unwrap_or_default());
        assert_eq!(names.collect::<Vec<_>>(), expected, "{query}: {file}");
    }
}

#[tokio::test]
async fn a_product_is_registered_from_its_application_with_what_its_provider_asks() {
    let acme = Acme::start().await;
    acme.onboard(acme.document(basic())).await;
    let hub = &acme.provider.hub;
    let account = hub.account().await;
    hub.person("mia@example.com", &[(account.id, Role::Member)])
        .await;
    let mut browser = Browser::of(hub, "mia@example.com").await;
    let new = format!("/console/{}/endpoints/new", account.id);
    let choices = browser.get(&new).await.text();
    let link = format!("{new}?application={}", acme.application);
    assert!(choices.contains(&link), "{choices}");
    let prompts = browser.get(&link).await.text();
    for asked in [
        "Wait a minute.",
        "Number of your tenant",
        "type=\"password\"",
    ] {
        assert!(prompts.contains(asked), "{asked}: {prompts}");
    }
    let names: Vec<String> = prompts
        .split("name=\"value:")
        .skip(1)
        .filter_map(|rest| Some(rest.split('"').next()?.to_owned()))
        .collect();
    assert_eq!(names.len(), 3, "{names:?}");
    let application = acme.application.to_string();
    let mut fields = vec![
        ("application".to_owned(), application),
        ("deployment".to_owned(), "mail".to_owned()),
    ];
    fields.extend(
        names
            .iter()
            .map(|name| (format!("value:{name}"), "17".to_owned())),
    );
    let fields: Vec<(&str, &str)> = fields
        .iter()
        .map(|(n, v)| (n.as_str(), v.as_str()))
        .collect();
    // Something is missing: it is said, and asked for again.
    let refused = browser.post(&new, &fields[..4]).await;
    assert!(
        location(&refused).contains("application="),
        "{}",
        location(&refused)
    );
    let made = browser.post(&new, &fields).await.text();
    assert!(
        made.contains("The endpoint is registered") && made.contains("Bearer "),
        "{made}"
    );
}

#[tokio::test]
async fn a_destination_in_pilot_is_sent_a_test_event() {
    let hub = TestHub::start().await;
    let policy = model::AccountPolicy::default();
    let account = hub.account_in(Environment::Pilot, policy).await;
    let scope = hub::Scope(account.id);
    let actor = hub::Actor::OPERATOR;
    let exchange = &hub.server.hub;
    let (crm, _) = exchange
        .endpoint_register(&actor, scope)
        .await
        .expect("registered");
    let receiver = Receiver::start().await;
    let role = json!({ "enabled": true, "destinationType": "push" });
    let definition = crate::harness::destination_definition(&receiver.url(), role);
    exchange
        .endpoint_define(&actor, scope, crm.id, &definition)
        .await
        .expect("defined");
    hub.person("mia@example.com", &[(account.id, Role::Member)])
        .await;
    let mut browser = Browser::of(&hub, "mia@example.com").await;
    let path = format!("/console/{}/endpoints/{}", account.id, crm.id);
    let page = browser.get(&path).await.text();
    assert!(page.contains("Send a test event"), "{page}");
    let sent = browser
        .post(&format!("{path}/test"), &[("code", "cartAdd")])
        .await;
    hub.settle().await;
    let journey = browser.get(location(&sent)).await.text();
    assert!(journey.contains("status delivered"), "{journey}");
    assert_eq!(receiver.requests().len(), 1);
}
