//! Incremental shares: after the first run, only what came and went is handed over.

use hub::Actor;
use model::JobId;
use model::endpoint::ShareAction;
use model::job::JobStatus;
use serde_json::json;

use super::world::{PUSH_PUSH, World, hashed, people};
use crate::harness::Reply;

async fn run(world: &World, job: JobId, csv: String) -> Vec<(String, usize)> {
    let before = world.consumer.calls().len();
    world.until(job, JobStatus::WaitingToReceiveData).await;
    world.upload(job, csv).await;
    world.until(job, JobStatus::Completed).await;
    let book = world.consumer.book();
    let calls = book.calls[before..]
        .iter()
        .filter(|call| call.what.ends_with("/data"));
    let calls = calls.map(|call| {
        let method = call.what.split(' ').next().unwrap_or_default().to_owned();
        let rows = String::from_utf8_lossy(&call.body).lines().count() - 1;
        (method, rows)
    });
    calls.collect()
}

fn told(calls: &[(String, usize)]) -> Vec<(&str, usize)> {
    calls
        .iter()
        .map(|(method, rows)| (method.as_str(), *rows))
        .collect()
}

#[tokio::test]
async fn only_what_came_and_went_is_handed_over() {
    let world = World::of(PUSH_PUSH).await;
    let (share, job) = world
        .share(ShareAction::Replace, |new| new.incremental = true)
        .await;
    let calls = run(&world, job, people(0..1_000)).await;
    assert_eq!(told(&calls), [("PUT", 800)]);
    // 100 leave, of whom 80 had an address, and 50 come, of whom 40 have one.
    let job = world.again(share).await;
    let calls = run(&world, job, people(100..1_050)).await;
    assert_eq!(told(&calls), [("POST", 40), ("DELETE", 80)]);
    let rows = world.consumer.audience().rows;
    assert_eq!(rows.len(), 760);
    assert!(!rows.contains_key(&hashed(0)) && rows.contains_key(&hashed(1_048)));
    // Nothing has changed: nothing is said.
    let job = world.again(share).await;
    assert_eq!(told(&run(&world, job, people(100..1_050)).await), []);
    // An attribute has: the row is sent again.
    let job = world.again(share).await;
    let changed = people(100..1_050).replace("\"First, 101\"", "Renamed");
    assert_eq!(told(&run(&world, job, changed).await), [("POST", 1)]);
    let row = world.consumer.audience().rows[&hashed(101)].clone();
    assert!(row.contains("Renamed"), "{row}");
    // Who is erased is forgotten here too; and with the share, everybody.
    let hub = &world.hub.server.hub;
    let (erased, kept) = (hashed(102), hashed(103));
    let forget = async |values: &[&str]| {
        hub.sent_forget(world.scope(), values)
            .await
            .expect("forgotten")
    };
    assert_eq!(forget(&[&erased, "person102@example.com"]).await, 1);
    let ended = hub
        .share_delete(&Actor::OPERATOR, world.scope(), share)
        .await;
    ended.expect("it ends");
    assert_eq!(forget(&[&kept]).await, 0);
}

#[tokio::test]
async fn what_a_broken_run_may_have_left_is_removed_by_the_next() {
    let world = World::of(PUSH_PUSH).await;
    let (share, job) = world
        .share(ShareAction::Replace, |new| new.incremental = true)
        .await;
    run(&world, job, people(0..100)).await;
    // Ten come. The destination takes eight rows and says that it did not.
    let job = world.again(share).await;
    world.until(job, JobStatus::WaitingToReceiveData).await;
    world.upload(job, people(0..110)).await;
    world.consumer.book().lies_once = true;
    world.until(job, JobStatus::Failed).await;
    assert_eq!(world.consumer.audience().rows.len(), 88);
    // Those ten have gone again before the next run.
    let job = world.again(share).await;
    let calls = run(&world, job, people(0..100)).await;
    assert_eq!(told(&calls), [("DELETE", 8)]);
    assert_eq!(world.consumer.audience().rows.len(), 80);
}

#[tokio::test]
async fn a_destination_that_wants_all_of_it_instead_gets_all_of_it() {
    let world = World::of(PUSH_PUSH).await;
    let (share, job) = world
        .share(ShareAction::Replace, |new| new.incremental = true)
        .await;
    run(&world, job, people(0..100)).await;
    let instead = Reply::Body(308, json!({ "shareAction": "REPLACE" }).to_string().into());
    world.consumer.book().answers.insert("POST", instead);
    let job = world.again(share).await;
    let calls = run(&world, job, people(0..150)).await;
    assert_eq!(told(&calls), [("POST", 40), ("PUT", 120)]);
    assert_eq!(world.consumer.audience().rows.len(), 120);
}

#[tokio::test]
async fn a_guard_looks_at_the_whole_audience_and_not_at_the_difference() {
    let world = World::of(PUSH_PUSH).await;
    let (share, job) = world
        .share(ShareAction::Replace, |new| new.incremental = true)
        .await;
    run(&world, job, people(0..1_000)).await;
    let job = world.again(share).await;
    world.until(job, JobStatus::WaitingToReceiveData).await;
    world.upload(job, people(0..100)).await;
    world.until(job, JobStatus::WaitingForApproval).await;
    assert_eq!(
        world.consumer.audience().rows.len(),
        800,
        "nobody was removed"
    );
}
