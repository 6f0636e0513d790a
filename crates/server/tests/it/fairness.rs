//! Nobody waits for another: destinations that are down, slow, hanging or hostile cost the others nothing.

use std::time::Duration;

use bytes::Bytes;
use hub::delivery::ReplayFilter;
use server::config::Config;

use crate::harness::scene::{Scene, Subscriber, total};
use crate::harness::{Reply, TestHub, event, wait};

/// A hanging receiver is found out soon; and one that answers at once is not taken for one when the machine is busy.
fn impatient(config: &mut Config) {
    config.delivery.timeout = server::config::Duration(Duration::from_secs(1));
}

#[tokio::test]
async fn one_down_for_a_day_one_ailing_one_hanging_and_the_healthy_one_notices_nothing() {
    let scene = Scene::start_with(impatient).await;
    let healthy = scene.subscriber().await;
    let down = scene.subscriber().await;
    let ailing = scene.subscriber().await;
    let hanging = scene.subscriber().await;
    down.receiver.answer_status(503);
    ailing.receiver.answer(|request| {
        let is_bad = total(request) % 5 == 0;
        Reply::Status(if is_bad { 500 } else { 200 })
    });
    hanging.receiver.answer(|_| Reply::Hang);

    let people = ["ada@x.com", "bob@x.com", "cy@x.com"];
    let mut published = 0;
    for _ in 0..24 {
        for who in people {
            scene.buy(who, published).await;
            published += 1;
        }
        scene.settle().await;
        let count = usize::try_from(published).expect("small");
        assert_eq!(healthy.receiver.count(), count, "never delayed");
        scene.pass(Duration::from_secs(3600)).await;
    }

    for subscriber in [&down, &ailing, &hanging] {
        subscriber.receiver.answer_status(200);
    }
    for _ in 0..4 {
        scene.pass(Duration::from_secs(3600)).await;
    }
    let all: Vec<i64> = (0..published).collect();
    for subscriber in [&healthy, &down, &ailing, &hanging] {
        assert_eq!(subscriber.distinct(), all);
    }
    assert_eq!(healthy.receiver.count(), all.len(), "each once");
    for (n, who) in people.into_iter().enumerate() {
        let theirs: Vec<i64> = all.iter().copied().skip(n).step_by(3).collect();
        assert_eq!(healthy.totals_of(who), theirs, "in order per person");
    }
    assert!(scene.retrying().await.is_empty() && scene.dead().await.is_empty());
}

#[tokio::test]
async fn what_one_answers_with_500_for_three_days_is_listed_and_replayed() {
    let scene = Scene::start().await;
    let healthy = scene.subscriber().await;
    let ailing = scene.subscriber().await;
    ailing.receiver.answer(|request| {
        let is_bad = total(request) % 5 == 0;
        Reply::Status(if is_bad { 500 } else { 200 })
    });
    scene.buys(0..50).await;
    for _ in 0..74 {
        scene.pass(Duration::from_secs(3600)).await;
    }
    assert_eq!(healthy.receiver.count(), 50);
    let dead = scene.dead().await;
    assert_eq!(dead.len(), 10);
    assert!(dead.iter().all(|e| e.endpoint == ailing.endpoint.id));
    let path = format!("/accounts/{}/deliveries?state=dead", scene.account.id);
    let listed = scene
        .hub
        .manage("GET", &path, serde_json::Value::Null)
        .await;
    assert_eq!(listed.status, 200, "{}", listed.text());

    ailing.receiver.answer_status(200);
    let filter = ReplayFilter {
        endpoint: Some(ailing.endpoint.id),
        only_dead: true,
        ..ReplayFilter::default()
    };
    assert_eq!(scene.replay(filter).await.documents, 10);
    scene.settle().await;
    assert_eq!(ailing.distinct(), (0..50).collect::<Vec<_>>());
    assert!(scene.dead().await.is_empty());
    assert_eq!(healthy.receiver.count(), 50, "nobody else is replayed to");
}

#[tokio::test]
async fn documents_that_always_fail_do_not_close_the_door_to_others() {
    let scene = Scene::start().await;
    let crm = scene.subscriber().await;
    crm.receiver.answer(|request| {
        let is_bad = total(request) < 15;
        Reply::Status(if is_bad { 500 } else { 200 })
    });
    scene.buys(0..15).await;
    for _ in 0..10 {
        scene.pass(Duration::from_secs(600)).await;
    }
    scene.buys(15..16).await;
    // Every second probe of the circuit, which stays open for five minutes at most, asks with something new.
    for _ in 0..2 {
        scene.pass(Duration::from_secs(300)).await;
    }
    assert!(crm.distinct().contains(&15), "it waits behind what fails");
    for n in 16..20 {
        scene.pass(Duration::from_secs(3600)).await;
        scene.buys(n..n + 1).await;
        scene.settle().await;
        assert!(crm.distinct().contains(&n), "{n}: the circuit is closed");
    }
}

#[tokio::test]
async fn of_a_hundred_one_hangs_and_ten_fail_and_the_rest_gets_everything_first() {
    let scene = Scene::start_with(|config| {
        impatient(config);
        // Few slots, so that they would be used up by those who hang if nobody took care.
        config.delivery.concurrency_max = 16;
    })
    .await;
    let mut subscribers: Vec<Subscriber> = Vec::new();
    for n in 0..100 {
        let subscriber = scene.subscriber().await;
        match n {
            0 => subscriber.receiver.answer(|_| Reply::Hang),
            1..11 => subscriber.receiver.answer_status(500),
            _ => {}
        }
        subscribers.push(subscriber);
    }
    scene.buys(0..5).await;
    scene.settle().await;
    let healthy = &subscribers[11..];
    for subscriber in healthy {
        assert_eq!(subscriber.distinct(), [0, 1, 2, 3, 4]);
    }
    for _ in 0..10 {
        scene.pass(Duration::from_secs(120)).await;
    }
    scene.buys(5..10).await;
    scene.settle().await;
    for subscriber in healthy {
        assert_eq!(subscriber.distinct(), (0..10).collect::<Vec<_>>());
        assert_eq!(subscriber.receiver.count(), 10);
    }
    // The circuits are open by now: what is dead is probed, not called for every event.
    let hanging = subscribers[0].receiver.count();
    assert!((1..40).contains(&hanging), "{hanging} calls into the void");
}

#[tokio::test]
async fn answers_without_end_are_cut_off() {
    let scene = Scene::start_with(impatient).await;
    let huge = scene.subscriber().await;
    let body = Bytes::from(vec![b'x'; 200 << 20]);
    huge.receiver
        .answer(move |_| Reply::Body(200, body.clone()));
    let drips = scene.subscriber().await;
    drips.receiver.answer(|_| Reply::Drip {
        total: 1 << 20,
        chunk: 1,
        pause: Duration::from_millis(50),
    });
    let healthy = scene.subscriber().await;
    let bought = scene.buys(0..3).await;
    // Returns, because every slot is free again after the time limit at the latest.
    scene.settle().await;
    let standings = scene.hub.server.hub.standings();
    assert!(standings.iter().all(|s| s.in_flight == 0));
    assert_eq!(healthy.distinct(), [0, 1, 2]);
    for event in bought {
        let state = scene.state(event, &huge.endpoint).await;
        assert_eq!(state, "delivered", "the status is what counts");
    }
    // What came of the one that drips is decided by its status too, or by the clock: never by its patience.
    let states = [
        scene.retrying().await.len(),
        usize::try_from(standings.iter().map(|s| s.waiting).sum::<u64>()).expect("small"),
    ];
    assert!(states[0] <= 3 && states[1] == 0, "{states:?}");
}

#[tokio::test]
async fn calls_at_once_follow_how_a_destination_answers() {
    let scene = Scene::start_with(|config| {
        config.delivery.concurrency_per_destination_max = 8;
    })
    .await;
    let crm = scene.subscriber().await;
    crm.receiver.answer(|_| Reply::Drip {
        total: 1,
        chunk: 1,
        // Longer than it takes to make the next call, also on a busy machine: so calls meet.
        pause: Duration::from_millis(50),
    });
    scene.buys(0..200).await;
    scene.settle().await;
    assert_eq!(crm.receiver.count(), 200);
    let most = crm.receiver.most_at_once();
    assert!((5..=8).contains(&most), "{most} at once: it grew, up to 8");
}

#[tokio::test]
async fn retries_leave_slots_to_first_attempts() {
    let scene = Scene::start_with(|config| {
        impatient(config);
        config.delivery.concurrency_max = 4;
        config.delivery.circuit_failures = 1_000;
    })
    .await;
    let mut ailing = Vec::new();
    for _ in 0..6 {
        let subscriber = scene.subscriber().await;
        subscriber.receiver.answer_status(500);
        ailing.push(subscriber);
    }
    scene.buys(0..10).await;
    scene.settle().await;
    // Sixty retries fall due at once, each of which hangs; then somebody new is published to.
    for subscriber in &ailing {
        subscriber.receiver.answer(|_| Reply::Hang);
    }
    let healthy = scene.subscriber().await;
    scene.hub.clock.advance(Duration::from_secs(5));
    scene.buys(10..20).await;
    let hub = std::sync::Arc::clone(&scene.hub.server.hub);
    let settling = tokio::spawn(async move { hub.settle().await });
    while healthy.receiver.count() < 10 {
        assert!(!settling.is_finished(), "it settled without delivering");
        tokio::task::yield_now().await;
    }
    let hangs: usize = ailing.iter().map(|s| s.receiver.count() - 10).sum();
    assert!(hangs < 40, "{hangs}: not only after all the others");
    // Seen enough: what has not begun to hang by now does not.
    for subscriber in &ailing {
        subscriber.receiver.answer_status(200);
    }
    settling.await.expect("no panic").expect("settled");
}

#[tokio::test]
async fn an_account_that_publishes_much_does_not_starve_another() {
    let hub = TestHub::start_with(|config| {
        config.delivery.concurrency_max = 2;
    })
    .await;
    let mut accounts = Vec::new();
    for _ in 0..2 {
        let account = hub.account().await;
        let shop = hub.publisher(&account, &["buy"]).await;
        let receiver = crate::harness::Receiver::start().await;
        let crm = hub.push_destination(&account, &receiver.url()).await;
        hub.subscribe(&account, &shop, "buy", &crm).await;
        accounts.push((shop, receiver));
    }
    for n in 0..400 {
        hub.published(&accounts[0].0, event("buy", &format!("{n}@x.com"), n))
            .await;
    }
    for n in 0..10 {
        hub.published(&accounts[1].0, event("buy", &format!("{n}@x.com"), n))
            .await;
    }
    let others = {
        let received = accounts[0].1.requests();
        received.len()
    };
    assert_eq!(others, 0, "nothing runs before it is told to");
    let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    for (n, (_, receiver)) in accounts.iter().enumerate() {
        let seen = std::sync::Arc::clone(&seen);
        receiver.answer(move |_| {
            seen.lock().expect("not poisoned").push(n);
            Reply::Status(200)
        });
    }
    hub.settle().await;
    let seen = seen.lock().expect("not poisoned");
    let last = seen.iter().rposition(|n| *n == 1).expect("it got some");
    assert!(last < 150, "the small account was done after {last} calls");
}

/// The work that runs by itself, on the machine's clock: nothing here steps it, so a wake-up that is lost is a test
/// that does not end.
#[tokio::test]
async fn everything_arrives_when_the_hub_runs_by_itself() {
    let scene = Scene::run(|config| {
        config.delivery.retry_first = server::config::Duration(Duration::from_millis(120));
        config.delivery.retry_cap = server::config::Duration(Duration::from_millis(120));
        config.delivery.concurrency_max = 4;
    })
    .await;
    let healthy = scene.subscriber().await;
    let ailing = scene.subscriber().await;
    let mut calls = 0;
    ailing.receiver.answer(move |_| {
        calls += 1;
        Reply::Status(if calls % 3 == 0 { 500 } else { 200 })
    });
    let all: Vec<i64> = (0..150).collect();
    for n in &all {
        scene.buy(&format!("{}@x.com", n % 7), *n).await;
    }
    let arrived = async {
        while healthy.distinct() != all || ailing.distinct() != all {
            wait(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), arrived)
        .await
        .expect("everything arrives");
    let quiet = async {
        while scene
            .hub
            .server
            .hub
            .standings()
            .iter()
            .any(|s| s.waiting + s.retrying > 0)
        {
            wait(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), quiet)
        .await
        .expect("nothing is left");
    assert_eq!(healthy.receiver.count(), 150, "each once");
}
