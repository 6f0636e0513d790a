//! Pages where there is much: 10,000 endpoints with 100,000 subscriptions. What does not depend on the machine's speed is held
//! here – bytes over the wire, size of the page, nothing that jumps. How long the browser waits for each page is measured and
//! printed; only a release build holds it, on a machine that does nothing else: `cargo test --release -p server --test it
//! console_browser::wide -- --nocapture`. `cargo xtask bench console` measures the same without a browser.

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

/// Times that each page is asked for.
const LOADS: usize = if cfg!(debug_assertions) { 3 } else { 40 };
/// For each page, in 95 of 100 loads.
const WAITS_MAX_MS: f64 = 50.0;

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

/// For how long the browser waits for the page that is shown until its answer begins, in 95 of 100 loads; milliseconds.
async fn waits(browser: &Browser) -> f64 {
    let load = "const url = location.href;
        performance.clearResourceTimings();
        for (let n = 0; n < arguments[0]; n += 1) await (await fetch(url, { cache: 'no-store' })).arrayBuffer();
        return performance.getEntriesByType('resource').filter((one) => one.name === url)
            .map((one) => one.responseStart - one.requestStart);";
    let load = format!("return (async function () {{ {load} }}).apply(null, arguments)");
    let times = browser.script(&load, json!([LOADS])).await;
    let times = times.as_array().expect("a list").iter();
    let mut times: Vec<f64> = times.filter_map(serde_json::Value::as_f64).collect();
    assert_eq!(times.len(), LOADS);
    times.sort_by(f64::total_cmp);
    times[(LOADS * 95).div_ceil(100) - 1]
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

    let (mut large, mut slow) = (Vec::new(), Vec::new());
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
        let waits = waits(&browser).await;
        println!("{waits:7.1} ms  {bytes:7} bytes  {rest}");
        if waits > WAITS_MAX_MS {
            slow.push(format!("{rest}: {waits} ms"));
        }
    }
    assert!(large.is_empty(), "too large:\n{}", large.join("\n"));
    let is_held = !cfg!(debug_assertions);
    assert!(
        slow.is_empty() || !is_held,
        "too slow:\n{}",
        slow.join("\n")
    );

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
