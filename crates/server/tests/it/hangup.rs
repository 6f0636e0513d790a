//! Clients that hang up at any moment: each of their events is durable and delivered, or neither.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use engine::{Clock, Log, LogOptions};
use model::record::Entry;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;

use crate::harness::{Raw, Receiver, TestEndpoint, TestHub, embedded_only};

const PUBLISHES: u32 = 10_000;
const CLIENTS: u32 = 50;

/// How a call can be told from others, so that it may be sent again.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Named {
    Not,
    /// By `eventId`.
    Event,
    /// By `Idempotency-Key`.
    Call,
}

fn named(n: u32) -> Named {
    [Named::Not, Named::Event, Named::Call][n as usize % 3]
}

/// The call that publishes event `n`, byte by byte.
fn request(shop: &TestEndpoint, n: u32) -> String {
    let mut event = json!({ "code": "buy", "timestamp": "2026-03-02T11:59:58Z",
                            "attributes": [{ "name": "orderTotal", "value": n }] });
    if named(n) == Named::Event {
        event["eventId"] = json!(format!("e-{n}"));
    }
    let body = json!({ "channel": "web", "identifiers": [{ "name": "email", "value": format!("p{}@example.com", n % 100) }],
                       "events": [event] })
    .to_string();
    let key = if named(n) == Named::Call {
        format!("idempotency-key: c-{n}\r\n")
    } else {
        String::new()
    };
    format!(
        "POST /v1/event HTTP/1.1\r\nhost: rialto\r\nauthorization: Bearer {}\r\n{key}\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        shop.key,
        body.len()
    )
}

/// What became of one call, as its client saw it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Seen {
    /// Not all of it was sent.
    Cut,
    /// All of it was sent, no answer was read.
    Gone,
    Acknowledged,
}

/// Sends event `n`, and hangs up somewhere.
async fn publish_and_hang_up(hub: &TestHub, shop: &TestEndpoint, n: u32) -> Seen {
    let request = request(shop, n);
    let head = request.find("\r\n\r\n").expect("a head") + 4;
    let mut raw = Raw::connect(hub.server.address).await;
    if fastrand::bool() {
        // The connection ends with a reset: the server hears of it at once, whatever it does.
        raw.stream.set_zero_linger().expect("a socket option");
    }
    let cut = match fastrand::u8(0..8) {
        0 => fastrand::usize(..head),
        1 => fastrand::usize(head..request.len()),
        _ => request.len(),
    };
    if !raw.try_send(&request.as_bytes()[..cut]).await {
        return Seen::Cut;
    }
    if cut < request.len() {
        return Seen::Cut;
    }
    match fastrand::u8(0..4) {
        // At once, or with a goodbye.
        0 => {}
        1 => drop(raw.stream.shutdown().await),
        // While waiting.
        2 => {
            let patience = Duration::from_micros(fastrand::u64(..3000));
            let answer = tokio::time::timeout(patience, raw.answer()).await;
            return seen(answer.ok().flatten().map(|answer| answer.status));
        }
        _ => return seen(raw.answer().await.map(|answer| answer.status)),
    }
    Seen::Gone
}

fn seen(status: Option<u16>) -> Seen {
    match status {
        Some(200) => Seen::Acknowledged,
        Some(other) => panic!("{other}"),
        None => Seen::Gone,
    }
}

fn order_total(event: &Value) -> u32 {
    let total = event["attributes"][0]["value"].as_str().expect("a value");
    total.parse().expect("a number")
}

/// How often each event is in the log.
async fn durable(hub: TestHub) -> BTreeMap<u32, usize> {
    let directory = hub.stop().await;
    let path = directory.path().join("data/log.db");
    let log = Log::open_sqlite(&path, LogOptions::default(), Clock::System)
        .await
        .expect("the log");
    let mut counts = BTreeMap::new();
    let mut from = 0;
    loop {
        let batches = log.read(from, 100, 1 << 20).await.expect("batches");
        let Some(last) = batches.last() else {
            return counts;
        };
        from = last.seq() + 1;
        for (_, record) in batches.iter().flat_map(|batch| batch.iter()) {
            let Entry::Document(document) = Entry::decode(record).expect("a record") else {
                panic!("nothing was refused");
            };
            for event in &document.events {
                let body = serde_json::from_str(&event.body).expect("JSON");
                *counts.entry(order_total(&body)).or_default() += 1;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_clients_that_hang_up_leave_nothing_half_done() {
    if !embedded_only("what is durable is read from the file of the log") {
        return;
    }
    let hub = TestHub::start().await;
    let account = hub.account().await;
    let shop = hub.publisher(&account, &["buy"]).await;
    let receiver = Receiver::start().await;
    let crm = hub.push_destination(&account, &receiver.url()).await;
    hub.subscribe(&account, &shop, "buy", &crm).await;

    let clients = (0..CLIENTS).map(|client| {
        let (hub, shop) = (&hub, &shop);
        async move {
            let mut outcomes = Vec::new();
            for n in (client..PUBLISHES).step_by(CLIENTS as usize) {
                outcomes.push((n, publish_and_hang_up(hub, shop, n).await));
            }
            outcomes
        }
    });
    let outcomes = futures_util::future::join_all(clients).await;
    let outcomes: BTreeMap<u32, Seen> = outcomes.into_iter().flatten().collect();
    let with = |seen: Seen| {
        outcomes
            .iter()
            .filter(move |(_, one)| **one == seen)
            .map(|(n, _)| *n)
    };
    for seen in [Seen::Cut, Seen::Gone, Seen::Acknowledged] {
        assert!(
            with(seen).count() > 1000,
            "{seen:?}: {}",
            with(seen).count()
        );
    }

    // Who named its call or event may send it again without a thought.
    let again = with(Seen::Gone)
        .filter(|n| named(*n) != Named::Not)
        .collect::<BTreeSet<u32>>();
    for n in &again {
        let mut raw = Raw::connect(hub.server.address).await;
        raw.send(request(&shop, *n)).await;
        assert_eq!(raw.answer().await.map(|answer| answer.status), Some(200));
    }

    hub.settle().await;
    let mut delivered: BTreeMap<u32, usize> = BTreeMap::new();
    for request in receiver.take() {
        for event in request.json()["events"].as_array().expect("events") {
            *delivered.entry(order_total(event)).or_default() += 1;
        }
    }
    let durable = durable(hub).await;
    assert_eq!(durable, delivered, "durable and delivered, or neither");
    assert!(durable.values().all(|count| *count == 1), "and once");
    for n in with(Seen::Acknowledged).chain(again) {
        assert!(durable.contains_key(&n), "event {n} was acknowledged");
    }
    for n in with(Seen::Cut) {
        assert!(!durable.contains_key(&n), "event {n} never was sent whole");
    }
}
