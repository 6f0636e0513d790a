//! Order: of one person, first attempts are made in the order of publication; with strict order nothing overtakes.

use std::time::Duration;

use serde_json::json;

use crate::harness::scene::{Scene, Subscriber, person, total};
use crate::harness::{Reply, Request};

const PEOPLE: [&str; 4] = ["ada@x.com", "bob@x.com", "cy@x.com", "dee@x.com"];

/// Order totals rise with every purchase, whoever buys.
async fn purchases(scene: &Scene, totals: std::ops::Range<i64>) {
    for n in totals {
        let who = PEOPLE[usize::try_from(n * 7 % 4).expect("small")];
        scene.buy(who, n).await;
    }
}

/// The first attempts of what was received, in order.
fn firsts(requests: &[Request], who: &str) -> Vec<i64> {
    let mut totals = Vec::new();
    for request in requests.iter().filter(|request| person(request) == who) {
        let total = total(request);
        if !totals.contains(&total) {
            totals.push(total);
        }
    }
    totals
}

fn assert_in_order(subscriber: &Subscriber) {
    let requests = subscriber.receiver.requests();
    for who in PEOPLE {
        let firsts = firsts(&requests, who);
        assert!(firsts.is_sorted(), "{who}: {firsts:?}");
    }
}

/// Answers after a while that differs from call to call.
fn after_a_while(request: &Request) -> Reply {
    let pause = total(request) * 7919 % 13;
    Reply::Drip {
        total: 1,
        chunk: 1,
        pause: Duration::from_millis(pause.unsigned_abs()),
    }
}

#[tokio::test]
async fn first_attempts_about_a_person_are_in_order_although_many_run_at_once() {
    let scene = Scene::start().await;
    let crm = scene.subscriber().await;
    crm.receiver.answer(after_a_while);
    purchases(&scene, 0..120).await;
    scene.settle().await;
    assert_eq!(crm.distinct(), (0..120).collect::<Vec<_>>());
    assert_eq!(crm.receiver.count(), 120);
    assert_in_order(&crm);
}

#[tokio::test]
async fn a_retry_may_be_overtaken_but_first_attempts_stay_in_order() {
    let scene = Scene::start().await;
    let crm = scene.subscriber().await;
    let mut calls = 0;
    crm.receiver.answer(move |_| {
        calls += 1;
        Reply::Status(if calls % 5 == 0 { 500 } else { 200 })
    });
    purchases(&scene, 0..100).await;
    for _ in 0..30 {
        scene.pass(Duration::from_secs(60)).await;
    }
    assert_eq!(crm.distinct(), (0..100).collect::<Vec<_>>());
    assert_in_order(&crm);
}

#[tokio::test]
async fn strict_order_parks_a_failing_person_and_nobody_else() {
    let scene = Scene::start().await;
    let crm = scene.subscriber_with(json!({ "order": "strict" })).await;
    crm.receiver.answer(|request| {
        let fails = person(request) == "ada@x.com";
        Reply::Status(if fails { 500 } else { 200 })
    });
    for n in 0..20 {
        scene.buy("ada@x.com", n).await;
        scene.buy("bob@x.com", n).await;
    }
    scene.settle().await;
    assert_eq!(crm.totals_of("bob@x.com"), (0..20).collect::<Vec<_>>());
    assert_eq!(crm.totals_of("ada@x.com"), [0], "the rest is parked");

    // Neither a retry that fails nor a restart lets anything overtake.
    scene.pass(Duration::from_secs(10)).await;
    let scene = scene.restart().await;
    scene.pass(Duration::from_secs(10)).await;
    let tried = crm.totals_of("ada@x.com");
    assert!(
        tried.len() > 1 && tried.iter().all(|n| *n == 0),
        "{tried:?}"
    );

    crm.receiver.take();
    crm.receiver.answer_status(200);
    scene.pass(Duration::from_secs(3600)).await;
    assert_eq!(crm.totals_of("ada@x.com"), (0..20).collect::<Vec<_>>());
}

#[tokio::test]
async fn with_strict_order_a_dead_letter_lets_the_next_go() {
    let scene = Scene::start().await;
    let crm = scene.subscriber_with(json!({ "order": "strict" })).await;
    crm.receiver.answer(|request| {
        let is_bad = total(request) % 3 == 0;
        Reply::Status(if is_bad { 400 } else { 200 })
    });
    for n in 0..9 {
        scene.buy("ada@x.com", n).await;
    }
    scene.settle().await;
    assert_eq!(crm.totals(), (0..9).collect::<Vec<_>>());
    assert_eq!(scene.dead().await.len(), 3);
}

#[tokio::test]
async fn strict_order_holds_under_concurrency_and_trouble() {
    let scene = Scene::start().await;
    let crm = scene.subscriber_with(json!({ "order": "strict" })).await;
    let mut calls = 0;
    crm.receiver.answer(move |_| {
        calls += 1;
        Reply::Status(if calls % 4 == 0 { 503 } else { 200 })
    });
    purchases(&scene, 0..80).await;
    let mut scene = scene;
    for round in 0..40 {
        scene.pass(Duration::from_secs(30)).await;
        if round == 3 {
            scene = scene.crash().await;
        }
    }
    assert_eq!(crm.distinct(), (0..80).collect::<Vec<_>>());
    for who in PEOPLE {
        let all = crm.totals_of(who);
        assert!(all.is_sorted(), "{who}: {all:?}");
    }
}

#[tokio::test]
async fn a_backlog_is_delivered_in_order_and_one_person_holds_nobody_up() {
    let scene = Scene::start().await;
    let crm = scene.subscriber_with(json!({ "order": "strict" })).await;
    crm.receiver.answer_status(503);
    let bodies: Vec<_> = (0..3000)
        .map(|n| {
            let who = if n % 10 == 9 {
                "bob@x.com"
            } else {
                "ada@x.com"
            };
            json!({ "identifiers": [{ "name": "email", "value": who }], "events": [{
                "code": "buy", "timestamp": "2026-03-02T11:00:00Z",
                "attributes": [{ "name": "orderTotal", "value": n, "type": "number" }] }] })
        })
        .collect();
    let batch = json!({ "channel": "web", "eventbatch": bodies });
    scene.hub.published(&scene.shop, batch).await;
    scene.settle().await;
    let scene = scene.restart().await;
    crm.receiver.take();
    crm.receiver.answer(|request| {
        let fails = person(request) == "ada@x.com";
        Reply::Status(if fails { 503 } else { 200 })
    });
    for _ in 0..60 {
        scene.pass(Duration::from_secs(600)).await;
    }
    let bobs: Vec<i64> = (0..300).map(|n| n * 10 + 9).collect();
    assert_eq!(
        crm.totals_of("bob@x.com"),
        bobs,
        "although 2700 of another person stand before and between"
    );
    crm.receiver.answer_status(200);
    crm.receiver.take();
    for _ in 0..10 {
        scene.pass(Duration::from_secs(3600)).await;
    }
    let adas: Vec<i64> = (0..3000).filter(|n| n % 10 != 9).collect();
    assert_eq!(crm.totals_of("ada@x.com"), adas);
}
