//! What happened to an event, and sending again: by ids, by range, only what is dead; and what switches do to both.

use std::time::Duration;

use hub::delivery::ReplayFilter;
use hub::{Actor, Page};
use model::SubscriptionId;
use serde_json::json;

use crate::harness::scene::{Scene, total};
use crate::harness::{Reply, TestEndpoint, noon};

fn of(endpoint: &TestEndpoint) -> ReplayFilter {
    ReplayFilter {
        endpoint: Some(endpoint.id),
        from: Some(noon()),
        ..ReplayFilter::default()
    }
}

#[tokio::test]
async fn an_event_is_pending_retrying_dead_or_delivered() {
    let scene = Scene::start().await;
    let crm = scene.subscriber().await;
    crm.receiver.answer(|request| {
        Reply::Status(match total(request) {
            1 => 500,
            2 => 400,
            _ => 200,
        })
    });
    let bought = scene.buys(0..3).await;
    for event in &bought {
        assert_eq!(scene.state(*event, &crm.endpoint).await, "pending");
    }
    scene.settle().await;
    let states = ["delivered", "retrying", "dead"];
    for (event, expected) in bought.iter().zip(states) {
        assert_eq!(scene.state(*event, &crm.endpoint).await, expected);
    }
    // The same for machines, and after a restart.
    let scene = scene.restart().await;
    for (event, expected) in bought.iter().zip(states) {
        let path = format!("/accounts/{}/events/{event}", scene.account.id);
        let answer = scene.hub.manage("GET", &path, json!(null)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert!(answer.text().contains(expected), "{}", answer.text());
    }
    crm.receiver.answer_status(200);
    scene.pass(Duration::from_secs(5)).await;
    assert_eq!(scene.state(bought[1], &crm.endpoint).await, "delivered");
}

#[tokio::test]
async fn what_was_published_while_a_subscription_was_off_is_not_its() {
    let scene = Scene::start().await;
    let crm = scene.subscriber().await;
    let hub = &scene.hub.server.hub;
    let page = Page {
        after: 0,
        limit: 10,
    };
    let listed = hub.subscriptions(scene.scope(), page).await;
    let id: SubscriptionId = listed.expect("a list")[0].id;
    let enable = async |enabled| {
        hub.subscription_enable(&Actor::OPERATOR, scene.scope(), id, enabled)
            .await
            .expect("switched");
    };
    let on = scene.buys(0..1).await;
    enable(false).await;
    let off = scene.buys(1..2).await;
    enable(true).await;
    let on_again = scene.buys(2..3).await;
    hub.subscription_delete(&Actor::OPERATOR, scene.scope(), id)
        .await
        .expect("deleted");
    let deleted = scene.buys(3..4).await;
    // The router comes only now: what counts is when it was published.
    scene.settle().await;
    assert_eq!(crm.distinct(), [0, 2]);
    for (event, expected) in [
        (on[0], "delivered"),
        (off[0], ""),
        (on_again[0], "delivered"),
        (deleted[0], ""),
    ] {
        assert_eq!(scene.state(event, &crm.endpoint).await, expected);
    }
}

#[tokio::test]
async fn a_disabled_destination_keeps_what_waits_and_gets_nothing_new() {
    let scene = Scene::start().await;
    let crm = scene.subscriber().await;
    crm.receiver.answer_status(500);
    let before = scene.buys(0..3).await;
    scene.settle().await;
    let unrouted = scene.buys(3..5).await;
    scene.enable(&crm.endpoint, false).await;
    let during = scene.buys(5..6).await;
    crm.receiver.take();
    crm.receiver.answer_status(200);
    scene.pass(Duration::from_secs(3600)).await;
    assert_eq!(crm.receiver.count(), 0);
    assert_eq!(scene.state(before[0], &crm.endpoint).await, "retrying");
    assert_eq!(scene.state(unrouted[0], &crm.endpoint).await, "pending");
    assert_eq!(scene.state(during[0], &crm.endpoint).await, "");

    let scene = scene.restart().await;
    scene.enable(&crm.endpoint, true).await;
    scene.pass(Duration::from_secs(60)).await;
    assert_eq!(crm.distinct(), [0, 1, 2, 3, 4]);
    // Who wants the gap after all asks for it, and is told that it was never the destination's.
    assert_eq!(scene.replay(of(&crm.endpoint)).await.documents, 5);
}

#[tokio::test]
async fn a_deleted_destination_gets_nothing_more() {
    let scene = Scene::start().await;
    let crm = scene.subscriber().await;
    crm.receiver.answer_status(500);
    let bought = scene.buys(0..3).await;
    scene.settle().await;
    let hub = &scene.hub.server.hub;
    hub.endpoint_delete(&Actor::OPERATOR, scene.scope(), crm.endpoint.id)
        .await
        .expect("deleted");
    crm.receiver.take();
    crm.receiver.answer_status(200);
    let later = scene.buys(3..4).await;
    scene.pass(Duration::from_secs(3600)).await;
    assert_eq!(crm.receiver.count(), 0);
    assert_eq!(scene.state(later[0], &crm.endpoint).await, "");
    let state = scene.state(bought[0], &crm.endpoint).await;
    assert_ne!(state, "delivered", "nobody may say so");
}

#[tokio::test]
async fn replay_by_event_ids_goes_to_every_destination_or_to_one() {
    let scene = Scene::start().await;
    let crm = scene.subscriber().await;
    let mail = scene.subscriber().await;
    let bought = scene.buys(0..5).await;
    scene.settle().await;
    crm.receiver.take();
    let once = mail.receiver.take();
    let mut filter = ReplayFilter {
        events: vec![bought[1], bought[3]],
        ..ReplayFilter::default()
    };
    assert_eq!(scene.replay(filter.clone()).await.documents, 4);
    scene.settle().await;
    assert_eq!((crm.distinct(), mail.distinct()), (vec![1, 3], vec![1, 3]));
    let again = mail.receiver.take();
    let id = |totals: i64| {
        let of = |requests: &[crate::harness::Request]| {
            let found = requests.iter().find(|r| total(r) == totals);
            found.expect("there").header("webhook-id").to_owned()
        };
        (of(&once), of(&again))
    };
    let (first, second) = id(3);
    assert_eq!(first, second, "receivers can drop repeats");

    filter.endpoint = Some(mail.endpoint.id);
    assert_eq!(scene.replay(filter).await.documents, 2);
    scene.settle().await;
    assert_eq!((crm.totals().len(), mail.totals().len()), (2, 2));
}

#[tokio::test]
async fn replay_by_range_code_and_preview() {
    let scene = Scene::start().await;
    let crm = scene.subscriber().await;
    let mut hours = Vec::new();
    for n in 0..5 {
        hours.push(scene.hub.clock.now());
        scene.buys(n..n + 1).await;
        scene.pass(Duration::from_secs(3600)).await;
    }
    crm.receiver.take();
    let filter = ReplayFilter {
        from: Some(hours[1]),
        to: Some(hours[3]),
        ..of(&crm.endpoint)
    };
    let hub = &scene.hub.server.hub;
    let preview = hub
        .replay(&Actor::OPERATOR, scene.scope(), &filter, true)
        .await
        .expect("a preview");
    assert_eq!((preview.documents, preview.sample.len()), (2, 2));
    scene.settle().await;
    assert_eq!(crm.receiver.count(), 0, "a preview sends nothing");

    assert_eq!(scene.replay(filter).await, preview);
    scene.settle().await;
    assert_eq!(crm.totals(), [1, 2]);

    let other = ReplayFilter {
        codes: vec!["nothing".to_owned()],
        ..of(&crm.endpoint)
    };
    assert_eq!(scene.replay(other).await.documents, 0);
}

#[tokio::test]
async fn a_replay_survives_a_crash_and_is_sent_once() {
    let scene = Scene::start().await;
    let crm = scene.subscriber().await;
    crm.receiver.answer_status(400);
    scene.buys(0..5).await;
    scene.settle().await;
    crm.receiver.take();
    crm.receiver.answer_status(200);
    let only_dead = ReplayFilter {
        only_dead: true,
        ..of(&crm.endpoint)
    };
    assert_eq!(scene.replay(only_dead.clone()).await.documents, 5);
    let scene = scene.crash().await;
    assert_eq!(
        scene.replay(only_dead).await.documents,
        0,
        "none is dead now"
    );
    scene.settle().await;
    assert_eq!(crm.totals().len(), 5);
    let scene = scene.crash().await;
    scene.settle().await;
    assert_eq!(crm.receiver.count(), 5);
}

#[tokio::test]
async fn what_is_being_retried_is_replayed_at_once_and_arrives_once() {
    let scene = Scene::start().await;
    let crm = scene.subscriber().await;
    crm.receiver.answer_status(500);
    let bought = scene.buys(0..3).await;
    for _ in 0..5 {
        scene.pass(Duration::from_secs(600)).await;
    }
    crm.receiver.take();
    crm.receiver.answer_status(200);
    scene.replay(of(&crm.endpoint)).await;
    scene.settle().await;
    assert_eq!(crm.distinct(), [0, 1, 2]);
    scene.pass(Duration::from_secs(24 * 3600)).await;
    assert_eq!(crm.receiver.count(), 3);
    assert_eq!(scene.state(bought[0], &crm.endpoint).await, "delivered");
}

#[tokio::test]
async fn a_replay_while_a_call_is_under_way_does_no_harm() {
    let scene = Scene::start_with(|config| {
        // What is answered has to be, within it, on a machine that is busy.
        config.delivery.timeout = server::config::Duration(Duration::from_secs(2));
    })
    .await;
    let crm = scene.subscriber_with(json!({ "order": "strict" })).await;
    crm.receiver.answer(|_| Reply::Hang);
    scene.buy("ada@x.com", 0).await;
    scene.buy("ada@x.com", 1).await;
    for round in 0..3 {
        let hub = std::sync::Arc::clone(&scene.hub.server.hub);
        let settling = tokio::spawn(async move { hub.settle().await });
        while crm.receiver.count() <= round {
            tokio::task::yield_now().await;
        }
        scene.replay(of(&crm.endpoint)).await;
        settling.await.expect("no panic").expect("settled");
        scene.hub.clock.advance(Duration::from_secs(60));
    }
    crm.receiver.answer_status(200);
    for _ in 0..3 {
        scene.pass(Duration::from_secs(60)).await;
    }
    let totals = crm.totals();
    let first_one = totals.iter().position(|n| *n == 1).expect("it arrived");
    assert!(totals[..first_one].iter().all(|n| *n == 0));
    assert!(totals[first_one..].iter().all(|n| *n == 1), "{totals:?}");
    assert!(scene.retrying().await.is_empty());
}

#[tokio::test]
async fn pull_destinations_get_what_is_replayed_in_a_new_file() {
    let scene = Scene::start().await;
    let warehouse = scene.hub.pull_destination(&scene.account).await;
    scene.subscribe(&warehouse).await;
    scene.buys(0..3).await;
    let names = async || {
        let hub = &scene.hub.server.hub;
        hub.event_files(scene.scope(), warehouse.id, 10)
            .await
            .expect("names")
    };
    let first = names().await;
    scene.replay(of(&warehouse)).await;
    scene.pass(Duration::from_secs(301)).await;
    scene.hub.server.hub.pack().await.expect("packed");
    let both = names().await;
    assert_eq!(both.len(), 2);
    assert_eq!(both[0], first[0], "the first one is as it was");
}
