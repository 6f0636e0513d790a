//! Push destinations: what is published arrives, shaped and signed, once.

use std::time::Duration;

use outbound::signature;
use serde_json::json;

use crate::harness::scene::{Scene, Subscriber, total_in};
use crate::harness::{Receiver, Reply, TestHub, embedded_only, event};

#[tokio::test]
async fn what_is_published_arrives_at_the_subscriber() {
    let hub = TestHub::start().await;
    let account = hub.account().await;
    let shop = hub.publisher(&account, &["ibmcartPurchase"]).await;
    let receiver = Receiver::start().await;
    let crm = hub.push_destination(&account, &receiver.url()).await;
    hub.subscribe(&account, &shop, "ibmcartPurchase", &crm)
        .await;

    hub.published(&shop, event("ibmcartPurchase", "ada@example.com", 42))
        .await;
    hub.settle().await;

    let requests = receiver.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].path, "/v1/events");
    let body = requests[0].json();
    let x1_id = body["x1Id"].as_str().expect("a person").to_owned();
    assert_eq!(
        body,
        json!({
            "version": "1", "provider": "Acme", "source": "Web shop", "channel": "web", "x1Id": x1_id,
            "identifiers": [{ "name": "email", "value": "ada@example.com", "provider": null, "channel": null,
                              "source": null, "isOriginal": true }],
            "events": [{ "code": "ibmcartPurchase", "timestamp": "2026-03-02T11:59:58.125Z",
                         "namespace": "com.ibm.commerce.ubx", "version": "1",
                         "attributes": [{ "name": "orderTotal", "value": "42", "type": "number" }] }],
        })
    );
}

#[tokio::test]
async fn a_push_that_fails_is_made_again_and_arrives_once() {
    let hub = TestHub::start().await;
    let account = hub.account().await;
    let shop = hub.publisher(&account, &["cartAdd"]).await;
    let receiver = Receiver::start().await;
    let crm = hub.push_destination(&account, &receiver.url()).await;
    hub.subscribe(&account, &shop, "cartAdd", &crm).await;
    receiver.answer(|_| Reply::Status(503));

    hub.published(&shop, event("cartAdd", "ada@example.com", 1))
        .await;
    hub.settle().await;
    assert_eq!(receiver.count(), 1);

    receiver.answer_status(200);
    hub.pass(Duration::from_secs(2)).await;
    let requests = receiver.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(
        requests[0].header("webhook-id"),
        requests[1].header("webhook-id")
    );

    hub.pass(Duration::from_secs(3600)).await;
    assert_eq!(receiver.count(), 2, "delivered is delivered");
}

/// A subscriber whose answers follow a list, then are 200.
async fn answering(scene: &Scene, statuses: &'static [u16]) -> Subscriber {
    let subscriber = scene.subscriber().await;
    let mut statuses = statuses.iter();
    subscriber
        .receiver
        .answer(move |_| Reply::Status(statuses.next().copied().unwrap_or(200)));
    subscriber
}

#[tokio::test]
async fn what_is_delivered_leaves_no_row() {
    if !embedded_only("counts the rows of a SQLite file") {
        return;
    }
    let scene = Scene::start().await;
    let subscribers = [
        scene.subscriber().await,
        scene.subscriber().await,
        scene.subscriber().await,
    ];
    // People who are new have rows of their own, once.
    scene.buys(0..300).await;
    scene.settle().await;
    let before = scene.rows().await;
    scene.buys(0..300).await;
    scene.settle().await;
    for subscriber in &subscribers {
        assert_eq!(subscriber.distinct(), (0..300).collect::<Vec<_>>());
        assert_eq!(subscriber.receiver.count(), 600);
    }
    let more = scene.rows().await - before;
    assert_eq!(more, 0, "300 events at 3 destinations cost {more} rows");
}

#[tokio::test]
async fn the_url_takes_v1_events_whatever_it_ends_in() {
    let scene = Scene::start().await;
    let receiver = Receiver::start().await;
    let url = format!("{}/base/", receiver.url());
    let crm = scene.hub.push_destination(&scene.account, &url).await;
    scene.subscribe(&crm).await;
    scene.buys(0..1).await;
    scene.settle().await;
    assert_eq!(receiver.requests()[0].path, "/base/v1/events");
    assert_eq!(receiver.requests()[0].method, "POST");
}

#[tokio::test]
async fn a_push_is_signed_with_the_secret_of_the_endpoint() {
    let scene = Scene::start().await;
    let crm = scene.subscriber().await;
    scene.buys(0..1).await;
    scene.settle().await;
    let hub = &scene.hub.server.hub;
    let secrets = hub.webhook_secrets(scene.scope(), crm.endpoint.id);
    let secret = secrets.expect("secrets")[0]
        .expose()
        .parse()
        .expect("a secret");
    let push = &crm.receiver.requests()[0];
    let verified = |body: &[u8]| {
        signature::verify(
            &secret,
            push.header("webhook-id"),
            push.header("webhook-timestamp"),
            body,
            push.header("webhook-signature"),
            hub.now(),
            Duration::from_secs(300),
        )
    };
    assert!(verified(&push.body).is_ok());
    assert!(
        verified(b"{}").is_err(),
        "a signature that fits everything proves nothing"
    );
}

#[tokio::test]
async fn a_push_carries_the_endpoints_key_or_the_credentials_it_stated() {
    let scene = Scene::start().await;
    let crm = scene.subscriber().await;
    scene.buys(0..1).await;
    scene.settle().await;
    let key = format!("Bearer {}", crm.endpoint.key);
    assert_eq!(crm.receiver.requests()[0].header("authorization"), key);

    let path = format!("/v1/endpointattributes/authkey/{}", crm.endpoint.key);
    let body = json!({ "attributes": { "userId": "ada", "password": "lovelace" } });
    let http = &scene.hub.http;
    let answer = http
        .json("PUT", &path, Some(&crm.endpoint.key), Some(body))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    scene.buys(1..2).await;
    scene.settle().await;
    let push = &crm.receiver.requests()[1];
    assert_eq!(push.header("authorization"), "Basic YWRhOmxvdmVsYWNl");
}

#[tokio::test]
async fn passing_trouble_is_retried_and_everything_else_is_dead_at_once() {
    for status in [408, 425, 429, 500, 502, 503, 504, 599] {
        let scene = Scene::start().await;
        let crm = scene.subscriber().await;
        crm.receiver.answer_status(status);
        let bought = scene.buys(0..1).await;
        scene.settle().await;
        let state = scene.state(bought[0], &crm.endpoint).await;
        assert_eq!(state, "retrying", "{status}");
        assert_eq!(scene.retrying().await[0].history[0].status, Some(status));
    }
    for status in [301, 400, 401, 403, 404, 409, 413, 422, 451] {
        let scene = Scene::start().await;
        let crm = scene.subscriber().await;
        crm.receiver.answer_status(status);
        let bought = scene.buys(0..1).await;
        scene.pass(Duration::from_secs(3600)).await;
        assert_eq!(crm.receiver.count(), 1, "{status}");
        let state = scene.state(bought[0], &crm.endpoint).await;
        assert_eq!(state, "dead", "{status}");
        assert_eq!(scene.dead().await[0].history[0].status, Some(status));
    }
}

#[tokio::test]
async fn timeouts_and_broken_connections_are_retried() {
    let scene = Scene::start_with(|config| {
        // What is answered has to be, within it, on a machine that is busy.
        config.delivery.timeout = server::config::Duration(Duration::from_secs(2));
    })
    .await;
    let hangs = scene.subscriber().await;
    hangs.receiver.answer(|_| Reply::Hang);
    let nobody = scene
        .hub
        .push_destination(&scene.account, "http://127.0.0.1:9/")
        .await;
    scene.subscribe(&nobody).await;
    scene.buys(0..1).await;
    scene.settle().await;
    let mut failures: Vec<_> = scene
        .retrying()
        .await
        .into_iter()
        .map(|e| (e.endpoint, e.history[0].failure.clone().unwrap_or_default()))
        .collect();
    failures.sort();
    let failures: Vec<&str> = failures.iter().map(|(_, code)| code.as_str()).collect();
    assert_eq!(failures, ["timeout", "connect"]);

    hangs.receiver.answer_status(200);
    scene.pass(Duration::from_secs(60)).await;
    assert_eq!(hangs.totals(), [0, 0], "first in vain, then well");
}

#[tokio::test]
async fn retry_after_is_honoured_and_pauses_the_destination() {
    let scene = Scene::start().await;
    let crm = scene.subscriber().await;
    crm.receiver
        .answer(|_| Reply::With(429, "retry-after", "120".to_owned()));
    scene.buys(0..1).await;
    scene.settle().await;
    crm.receiver.answer_status(200);
    scene.buys(1..5).await;
    scene.pass(Duration::from_secs(119)).await;
    assert_eq!(crm.receiver.count(), 1, "it asked for two minutes");
    scene.pass(Duration::from_secs(3)).await;
    assert_eq!(crm.distinct(), [0, 1, 2, 3, 4]);
    assert_eq!(crm.receiver.count(), 6);
}

#[tokio::test]
async fn waits_double_for_three_days_then_it_is_a_dead_letter() {
    let scene = Scene::start().await;
    let crm = scene.subscriber().await;
    crm.receiver.answer_status(500);
    let bought = scene.buys(0..1).await;
    scene.settle().await;
    let mut attempts = Vec::new();
    let mut hours = 0;
    while scene.dead().await.is_empty() {
        scene.pass(Duration::from_secs(3600)).await;
        hours += 1;
        attempts.push(crm.receiver.count());
        assert!(hours <= 80, "it never gives up");
    }
    assert!((72..=74).contains(&hours), "gave up after {hours} h");
    let all = crm.receiver.count();
    assert!((60..200).contains(&all), "{all} attempts in three days");
    let dead = &scene.dead().await[0];
    assert_eq!(dead.attempts as usize, all);
    assert_eq!(dead.history.len(), 10, "the first and the latest are kept");
    assert_eq!(scene.state(bought[0], &crm.endpoint).await, "dead");
    scene.pass(Duration::from_secs(100 * 3600)).await;
    assert_eq!(crm.receiver.count(), all, "dead is dead");
}

#[tokio::test]
async fn the_circuit_opens_after_ten_failures_is_probed_and_closes() {
    let scene = Scene::start().await;
    let crm = answering(&scene, &[500; 16]).await;
    scene.buys(0..40).await;
    scene.settle().await;
    let tried = crm.receiver.count();
    // Those that had started before the tenth failed are answered too.
    assert!((10..=13).contains(&tried), "{tried} calls");
    assert!(!scene.hub.server.hub.standings()[0].circuit_closed);
    for _ in 0..20 {
        scene.pass(Duration::from_secs(30)).await;
    }
    assert_eq!(crm.distinct(), (0..40).collect::<Vec<_>>());
    assert!(scene.hub.server.hub.standings()[0].circuit_closed);
    assert!(scene.retrying().await.is_empty() && scene.dead().await.is_empty());
}

#[tokio::test]
async fn gone_disables_the_destination_and_keeps_what_waits() {
    let scene = Scene::start().await;
    let crm = scene.subscriber().await;
    crm.receiver.answer_status(410);
    let bought = scene.buys(0..20).await;
    scene.settle().await;
    let hub = &scene.hub.server.hub;
    let endpoint = hub.endpoint(scene.scope(), crm.endpoint.id).expect("there");
    assert!(!endpoint.enabled);
    let reason = endpoint.disabled_reason.expect("it says why");
    assert!(reason.contains("410"), "{reason}");
    assert_eq!(scene.notices().await, ["destination-gone"], "told once");
    let calls = crm.receiver.count();
    assert!(calls <= 4, "{calls} calls: one window, then no more");

    let missed = scene.buys(20..22).await;
    scene.pass(Duration::from_secs(3600)).await;
    assert_eq!(crm.receiver.count(), calls);
    let scene = scene.restart().await;
    assert!(scene.dead().await.is_empty());

    crm.receiver.answer_status(200);
    scene.enable(&crm.endpoint, true).await;
    scene.pass(Duration::from_secs(60)).await;
    assert_eq!(crm.distinct(), (0..20).collect::<Vec<_>>());
    for event in bought {
        assert_eq!(scene.state(event, &crm.endpoint).await, "delivered");
    }
    let state = scene.state(missed[0], &crm.endpoint).await;
    assert_eq!(state, "", "published while it was disabled: not its");
}

#[tokio::test]
async fn compound_batches_go_to_who_asks_for_them() {
    let scene = Scene::start().await;
    let crm = scene.subscriber_with(json!({ "form": "eventbatch" })).await;
    crm.receiver.answer_status(503);
    scene.buys(0..1).await;
    scene.settle().await;
    scene.buys(1..250).await;
    crm.receiver.take();
    crm.receiver.answer_status(200);
    scene.pass(Duration::from_secs(5)).await;
    let mut totals = Vec::new();
    for push in crm.receiver.requests() {
        let body = push.json();
        assert_eq!(body["version"], "1");
        let groups = body["eventbatch"].as_array().expect("groups");
        assert!(groups.len() <= 100);
        for group in groups {
            assert_eq!(group["channel"], "web");
            assert!(group["id"].is_string() && group["x1Id"].is_string());
            totals.push(total_in(group));
        }
    }
    totals.sort_unstable();
    assert_eq!(totals, (0..250).collect::<Vec<_>>(), "each once");
    assert!(crm.receiver.count() < 20, "many in one call");
}

#[tokio::test]
async fn one_bad_document_does_not_take_its_batch_with_it() {
    let scene = Scene::start().await;
    let crm = scene.subscriber_with(json!({ "form": "eventbatch" })).await;
    crm.receiver.answer(|request| {
        let groups = request.json()["eventbatch"].clone();
        let groups = groups.as_array().expect("groups");
        let is_bad = groups.iter().any(|group| total_in(group) == 7);
        Reply::Status(if is_bad { 400 } else { 200 })
    });
    let bought = scene.buys(0..20).await;
    scene.pass(Duration::from_secs(1)).await;
    for (n, event) in bought.into_iter().enumerate() {
        let expected = if n == 7 { "dead" } else { "delivered" };
        assert_eq!(scene.state(event, &crm.endpoint).await, expected, "{n}");
    }
}

#[tokio::test]
async fn whoever_hangs_up_during_a_checkpoint_takes_no_changes_with_them() {
    let scene = Scene::start().await;
    let crm = scene.subscriber().await;
    crm.receiver.answer_status(503);
    scene.buys(0..20).await;
    scene.hub.server.hub.route().await.expect("routed");
    tokio::select! {
        biased;
        _ = scene.hub.server.hub.checkpoint() => panic!("nobody could hang up in the middle"),
        () = std::future::ready(()) => {}
    }
    scene.hub.server.hub.checkpoint().await.expect("saved");
    let scene = scene.crash().await;
    crm.receiver.answer_status(200);
    scene.settle().await;
    assert_eq!(crm.distinct(), (0..20).collect::<Vec<_>>());
}
