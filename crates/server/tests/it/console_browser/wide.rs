//! Pages where there is much: 10,000 endpoints with 100,000 subscriptions. What does not depend on the machine's speed is held
//! here – bytes over the wire, size of the page, nothing that jumps; `cargo xtask bench console` measures times.

use engine::{Db, ManualClock};
use hub::Scope;
use model::subscription::Span;
use model::{EndpointId, EventType, Subscription, SubscriptionId};
use serde_json::json;

use super::{is_wanted, signed_in};
use crate::harness::browser::Browser;
use crate::harness::{TestAccount, TestEndpoint, TestHub, event, noon};

const DESTINATIONS: usize = 9_900;
const PUBLISHERS: usize = 100;
const CODES: usize = 100;
/// Destinations of each publisher's each code.
const FAN_OUT: usize = 10;
/// The first page with all that it needs, and every other page by itself.
const BYTES_MAX: u64 = 150_000;
/// Elements of a page: more than that is slow to lay out.
const ELEMENTS_MAX: u64 = 4_000;
const EMAIL: &str = "ada@example.com";

struct Wide {
    hub: TestHub,
    account: TestAccount,
    shop: TestEndpoint,
}

/// Two endpoints made by the verbs, and copies of them written in one transaction, as the verbs would one by one.
async fn wide() -> Wide {
    let hub = TestHub::start().await;
    hub.operator(EMAIL).await;
    let account = hub.account().await;
    let scope = Scope(account.id);
    let shop = hub.publisher(&account, &["code000"]).await;
    let crm = hub.push_destination(&account, "http://127.0.0.1:9/").await;
    let verbs = &hub.server.hub;
    let originals = [shop.id, crm.id].map(|id| verbs.endpoint(scope, id).expect("it is there"));
    let [publisher, destination] = originals;
    let types = verbs.event_types(scope, shop.id).expect("they are there");
    let directory = hub.stop().await;

    let path = directory.path().join("data/rialto.db");
    let db = Db::open_sqlite(&path).await.expect("the database");
    let mut tx = db.begin().await.expect("a transaction");
    let mut made = [vec![shop.id], Vec::new()];
    for (number, is_publisher) in (0..PUBLISHERS + DESTINATIONS)
        .map(|n| (n, n < PUBLISHERS))
        .skip(1)
    {
        let original = if is_publisher {
            &publisher
        } else {
            &destination
        };
        let mut endpoint = store::endpoint::insert(&mut tx, scope, noon())
            .await
            .expect("inserted");
        endpoint.status = original.status;
        endpoint.spans.clone_from(&original.spans);
        endpoint.definition.clone_from(&original.definition);
        endpoint.definition.name = format!("{} {number:05}", original.definition.name);
        store::endpoint::update(&mut tx, scope, &endpoint)
            .await
            .expect("updated");
        made[usize::from(!is_publisher)].push(endpoint.id);
    }
    let [publishers, destinations] = made;
    let mut pair = 0;
    for publisher in &publishers {
        for code in (0..CODES).map(|code| format!("code{code:03}")) {
            let one = EventType {
                endpoint: *publisher,
                name: code.clone(),
                code: code.clone(),
                ..types[0].clone()
            };
            store::event_type::upsert(&mut tx, scope, &one)
                .await
                .expect("an event type");
            for copy in 0..FAN_OUT {
                let place = (pair + copy * destinations.len() / FAN_OUT) % destinations.len();
                let one = subscription(scope, *publisher, &code, destinations[place]);
                store::subscription::insert(&mut tx, scope, &one, noon())
                    .await
                    .expect("a subscription");
            }
            pair += 1;
        }
    }
    tx.commit().await.expect("committed");
    drop(db);
    let hub = TestHub::open(directory, ManualClock::new(noon()), |_| {}).await;
    Wide { hub, account, shop }
}

fn subscription(
    scope: Scope,
    publisher: EndpointId,
    code: &str,
    destination: EndpointId,
) -> Subscription {
    Subscription {
        id: SubscriptionId(0),
        account: scope.0,
        publisher,
        code: code.to_owned(),
        namespace: None,
        destination,
        enabled: true,
        deleted: false,
        spans: vec![Span { from: 0, to: None }],
    }
}

/// Bytes over the wire of the page that is shown, with all that it asked for.
async fn bytes(browser: &Browser) -> u64 {
    let sum = "return performance.getEntriesByType('navigation').concat(performance.getEntriesByType('resource'))
        .reduce((sum, one) => sum + one.transferSize, 0)";
    browser
        .script(sum, json!([]))
        .await
        .as_u64()
        .expect("a number")
}

#[tokio::test]
async fn however_much_there_is_pages_are_small_and_nothing_jumps() {
    if !is_wanted() {
        return;
    }
    let Wide { hub, account, shop } = wide().await;
    let browser = signed_in(&hub, EMAIL).await;
    let home = format!("/console/{}", account.id);
    browser.tools("Network.clearBrowserCache", json!({})).await;
    browser.goto(&home).await;
    let first = bytes(&browser).await;
    assert!(
        first > 5_000 && first < BYTES_MAX,
        "the first page: {first} bytes over the wire"
    );

    let mut large = Vec::new();
    for (rest, _) in crate::console::PAGES {
        let path = format!("{home}{}", rest.replace("{}", &shop.id.to_string()));
        browser.goto(&path).await;
        let bytes = bytes(&browser).await;
        let elements = browser
            .script("return document.querySelectorAll('*').length", json!([]))
            .await;
        if bytes > BYTES_MAX || elements.as_u64() > Some(ELEMENTS_MAX) {
            large.push(format!("{rest}: {bytes} bytes, {elements} elements"));
        }
    }
    assert!(large.is_empty(), "too large:\n{}", large.join("\n"));

    // While somebody looks at the first page, what flows changes it, and nothing moves from its place.
    let watch = "window.shifts = 0; window.shown = 0;
        addEventListener('rialto:shown', () => { window.shown += 1; });
        new PerformanceObserver((list) => { for (const one of list.getEntries()) window.shifts += one.value; }).observe({ type: 'layout-shift', buffered: true });";
    browser
        .tools(
            "Page.addScriptToEvaluateOnNewDocument",
            json!({ "source": watch }),
        )
        .await;
    browser.goto(&home).await;
    for round in 1..=3 {
        for total in 0..5 {
            let body = event("code000", "eve@example.com", total);
            hub.published(&shop, body).await;
        }
        hub.settle().await;
        browser.until(&format!("window.shown >= {round}")).await;
    }
    let shifts = browser.script("return window.shifts", json!([])).await;
    assert!(
        shifts.as_f64().expect("a number") < 0.01,
        "what is shown jumps: {shifts}"
    );
}
