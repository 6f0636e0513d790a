//! Retention: the log is kept for its age, and for who still needs it up to a limit that people are told of.

use std::time::Duration;

use hub::flow::RetireReport;

use crate::harness::scene::Scene;

const DAY: Duration = Duration::from_secs(24 * 3600);

async fn retire(scene: &Scene) -> RetireReport {
    scene.settle().await;
    scene.hub.server.hub.retire().await.expect("retired")
}

async fn is_kept(scene: &Scene, event: model::EventRef) -> bool {
    let hub = &scene.hub.server.hub;
    hub.event(scene.scope(), event).await.is_ok()
}

#[tokio::test]
async fn what_everybody_has_goes_after_a_week() {
    let scene = Scene::start().await;
    let crm = scene.subscriber().await;
    let old = scene.buys(0..3).await;
    scene.pass(6 * DAY).await;
    assert_eq!(retire(&scene).await.batches, 0);
    let young = scene.buys(3..4).await;
    scene.pass(DAY + DAY / 2).await;
    let report = retire(&scene).await;
    assert_eq!((report.batches, report.expired), (3, 0));
    assert!(!is_kept(&scene, old[0]).await && is_kept(&scene, young[0]).await);
    assert_eq!(crm.receiver.count(), 4);
}

#[tokio::test]
async fn what_an_enabled_destination_needs_is_kept_up_to_the_limit() {
    let scene = Scene::start().await;
    let crm = scene.subscriber().await;
    let sick = scene.subscriber().await;
    sick.receiver.answer_status(503);
    let bought = scene.buys(0..30).await;
    scene.settle().await;
    assert_eq!(crm.receiver.count(), 30);
    let mut scene = scene;
    for day in 1..=29 {
        // A retry an hour would end in dead letters after three days; what is pending waits.
        scene.hub.clock.advance(DAY);
        retire(&scene).await;
        let pending = scene.state(bought[29], &sick.endpoint).await;
        assert_eq!(pending, "pending", "on day {day}");
        let told = scene.notices().await;
        let expected = usize::from(day > 15);
        let old = told.iter().filter(|kind| *kind == "backlog-old").count();
        assert_eq!(old, expected, "on day {day}: told once, at half the limit");
        if day == 3 {
            scene = scene.restart().await;
        }
    }
    scene.hub.clock.advance(2 * DAY);
    let report = retire(&scene).await;
    assert!(report.expired > 0 && report.batches > 0, "{report:?}");
    assert!(
        scene
            .notices()
            .await
            .contains(&"backlog-expired".to_owned())
    );
    assert!(!is_kept(&scene, bought[29]).await);

    // It is not stuck on what is gone.
    sick.receiver.answer_status(200);
    sick.receiver.take();
    scene.buys(30..33).await;
    scene.pass(Duration::from_secs(600)).await;
    assert_eq!(sick.distinct(), [30, 31, 32]);
}

#[tokio::test]
async fn a_disabled_destination_keeps_nothing_and_is_told() {
    let scene = Scene::start().await;
    let crm = scene.subscriber().await;
    crm.receiver.answer_status(503);
    scene.buys(0..5).await;
    scene.settle().await;
    scene.enable(&crm.endpoint, false).await;
    scene.pass(8 * DAY).await;
    let report = retire(&scene).await;
    assert_eq!((report.batches, report.expired), (5, 5));
    assert_eq!(scene.notices().await, ["backlog-expired"]);
    crm.receiver.take();
    crm.receiver.answer_status(200);
    scene.enable(&crm.endpoint, true).await;
    scene.buys(5..6).await;
    scene.pass(Duration::from_secs(600)).await;
    assert_eq!(crm.distinct(), [5]);
}

#[tokio::test]
async fn a_log_that_is_too_large_is_trimmed_whatever_is_needed() {
    let scene = Scene::start_with(|config| {
        config.retention.log_bytes_max = server::config::Bytes(100_000);
    })
    .await;
    let crm = scene.subscriber().await;
    crm.receiver.answer_status(503);
    let bought = scene.buys(0..300).await;
    for _ in 0..5 {
        retire(&scene).await;
    }
    assert!(!is_kept(&scene, bought[0]).await && is_kept(&scene, bought[299]).await);
    crm.receiver.take();
    crm.receiver.answer_status(200);
    for _ in 0..4 {
        scene.pass(Duration::from_secs(600)).await;
    }
    let arrived = crm.distinct();
    assert!(arrived.len() < 300 && arrived.contains(&299));
    assert!(scene.retrying().await.is_empty());
}

#[tokio::test]
async fn dead_letters_go_with_the_log() {
    let scene = Scene::start().await;
    let crm = scene.subscriber().await;
    crm.receiver.answer_status(400);
    scene.buys(0..3).await;
    scene.settle().await;
    assert_eq!(scene.dead().await.len(), 3);
    scene.pass(8 * DAY).await;
    retire(&scene).await;
    assert!(scene.dead().await.is_empty());
}
