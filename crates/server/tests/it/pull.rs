//! Pull destinations: the same documents in event files, listed until they are deleted.

use std::time::Duration;

use serde_json::Value;

use crate::harness::scene::{Scene, total_in};
use crate::harness::{TestEndpoint, TestHub, event};

/// A scene with a pull destination that subscribes to everything.
async fn start_with(change: impl FnOnce(&mut server::config::Config)) -> (Scene, TestEndpoint) {
    let scene = Scene::start_with(change).await;
    let warehouse = scene.hub.pull_destination(&scene.account).await;
    scene.subscribe(&warehouse).await;
    (scene, warehouse)
}

async fn start() -> (Scene, TestEndpoint) {
    start_with(|_| {}).await
}

async fn list(scene: &Scene, of: &TestEndpoint) -> Vec<String> {
    let answer = scene
        .hub
        .http
        .get("/v1/eventfiles?numFiles=10", &of.key)
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    serde_json::from_value(answer.json()).expect("names")
}

async fn fetch(scene: &Scene, of: &TestEndpoint, name: &str) -> Vec<Value> {
    let path = format!("/v1/eventfiles/{name}");
    let answer = scene.hub.http.get(&path, &of.key).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.headers["content-type"], "application/octet-stream");
    answer.json().as_array().expect("an array").clone()
}

async fn delete(scene: &Scene, of: &TestEndpoint, name: &str) -> u16 {
    let path = format!("/v1/eventfiles/{name}");
    let http = &scene.hub.http;
    http.json("DELETE", &path, Some(&of.key), None).await.status
}

/// Files that are closed, without asking for more.
async fn closed(scene: &Scene) -> usize {
    let pages = scene.hub.server.hub.pack().await.expect("packed");
    pages.files
}

fn totals(documents: &[Value]) -> Vec<i64> {
    documents.iter().map(total_in).collect()
}

#[tokio::test]
async fn a_list_that_would_be_empty_closes_the_open_file() {
    let (scene, warehouse) = start().await;
    assert!(list(&scene, &warehouse).await.is_empty());
    scene.buys(0..3).await;
    // Nobody has settled anything: the client need not wait for the router either.
    let names = list(&scene, &warehouse).await;
    assert_eq!(names.len(), 1);
    let documents = fetch(&scene, &warehouse, &names[0]).await;
    assert_eq!(totals(&documents), [0, 1, 2]);
    assert_eq!(documents[0]["version"], "1");
    assert_eq!(documents[0]["source"], "Web shop");
    assert_eq!(documents[0]["events"][0]["code"], "buy");
}

#[tokio::test]
async fn a_file_stays_listed_until_it_is_deleted() {
    let (scene, warehouse) = start().await;
    scene.buys(0..1).await;
    let first = list(&scene, &warehouse).await;
    fetch(&scene, &warehouse, &first[0]).await;
    scene.buys(1..2).await;
    assert_eq!(list(&scene, &warehouse).await, first, "it is still there");

    assert_eq!(delete(&scene, &warehouse, &first[0]).await, 200);
    assert_eq!(delete(&scene, &warehouse, &first[0]).await, 404);
    scene.pass(Duration::from_millis(1)).await;
    let second = list(&scene, &warehouse).await;
    assert_eq!(
        totals(&fetch(&scene, &warehouse, &second[0]).await),
        [1],
        "the next one holds what came since"
    );
    assert!(second[0] > first[0], "names sort by time");
}

#[tokio::test]
async fn files_are_closed_by_age() {
    let (scene, _) = start().await;
    scene.buys(0..5).await;
    scene.pass(Duration::from_secs(299)).await;
    assert_eq!(closed(&scene).await, 0);
    scene.pass(Duration::from_secs(1)).await;
    assert_eq!(
        closed(&scene).await,
        1,
        "five minutes after its first event"
    );
}

#[tokio::test]
async fn files_are_closed_by_number_and_size() {
    let (scene, warehouse) = start_with(|config| config.files.documents_max = 4).await;
    scene.buys(0..10).await;
    scene.settle().await;
    assert_eq!(closed(&scene).await, 3);
    let mut all = Vec::new();
    for name in list(&scene, &warehouse).await {
        let documents = fetch(&scene, &warehouse, &name).await;
        assert!(documents.len() <= 4);
        all.extend(totals(&documents));
    }
    assert_eq!(all, (0..10).collect::<Vec<_>>());

    let small = |config: &mut server::config::Config| {
        config.files.size_bytes_max = server::config::Bytes(1_000);
    };
    let (scene, warehouse) = start_with(small).await;
    scene.buys(0..20).await;
    scene.settle().await;
    assert!(closed(&scene).await > 3);
    for name in list(&scene, &warehouse).await {
        assert!(fetch(&scene, &warehouse, &name).await.len() < 6);
    }
}

#[tokio::test]
async fn ten_names_at_most_oldest_first() {
    let (scene, warehouse) = start().await;
    for n in 0..12 {
        scene.buys(n..n + 1).await;
        scene.pass(Duration::from_secs(300)).await;
        assert_eq!(closed(&scene).await, 1);
    }
    let names = list(&scene, &warehouse).await;
    assert_eq!(names.len(), 10);
    assert!(names.is_sorted());
    assert_eq!(totals(&fetch(&scene, &warehouse, &names[0]).await), [0]);
    let http = &scene.hub.http;
    let two = http
        .get("/v1/eventfiles?numFiles=2", &warehouse.key)
        .await
        .json();
    assert_eq!(two, serde_json::json!(names[..2]));
}

#[tokio::test]
async fn nothing_is_lost_or_repeated_by_a_restart_in_between() {
    let (scene, warehouse) = start().await;
    scene.buys(0..3).await;
    scene.settle().await;
    let scene = scene.restart().await;
    scene.buys(3..5).await;
    let names = list(&scene, &warehouse).await;
    let scene = scene.crash().await;
    assert_eq!(list(&scene, &warehouse).await, names);
    let documents = fetch(&scene, &warehouse, &names[0]).await;
    assert_eq!(totals(&documents), [0, 1, 2, 3, 4]);
    assert_eq!(delete(&scene, &warehouse, &names[0]).await, 200);
    let scene = scene.crash().await;
    assert!(list(&scene, &warehouse).await.is_empty());
}

#[tokio::test]
async fn one_destination_does_not_see_the_files_of_another() {
    let (scene, warehouse) = start().await;
    let other = scene.hub.pull_destination(&scene.account).await;
    scene.buys(0..1).await;
    let names = list(&scene, &warehouse).await;
    assert!(list(&scene, &other).await.is_empty());
    let path = format!("/v1/eventfiles/{}", names[0]);
    assert_eq!(scene.hub.http.get(&path, &other.key).await.status, 404);
    assert_eq!(delete(&scene, &other, &names[0]).await, 404);
    assert_eq!(list(&scene, &warehouse).await, names);
}

#[tokio::test]
async fn files_that_nobody_deletes_go_after_two_weeks() {
    let (scene, warehouse) = start().await;
    scene.buys(0..1).await;
    assert_eq!(list(&scene, &warehouse).await.len(), 1);
    scene.pass(Duration::from_secs(14 * 24 * 3600 + 1)).await;
    let report = scene.hub.server.hub.retire().await.expect("retired");
    assert_eq!(report.files, 1);
    assert!(list(&scene, &warehouse).await.is_empty());
}

#[tokio::test]
async fn a_list_call_ends_while_publishing_goes_on() {
    let hub = TestHub::start().await;
    let account = hub.account().await;
    let shop = hub.publisher(&account, &["cartAdd"]).await;
    let warehouse = hub.pull_destination(&account).await;
    hub.subscribe(&account, &shop, "cartAdd", &warehouse).await;
    hub.published(&shop, event("cartAdd", "ada@example.com", 0))
        .await;

    // Enough of them that something is always waiting when a file has been closed.
    let publisher = async |lane: i64| {
        for total in lane.. {
            hub.published(&shop, event("cartAdd", "ada@example.com", total))
                .await;
            hub.server.hub.route().await.expect("routed");
        }
    };
    let publishing = futures_util::future::join_all((0..16).map(publisher));
    let list = hub
        .http
        .json("GET", "/v1/eventfiles", Some(&warehouse.key), None);
    let answer = tokio::select! {
        _ = publishing => unreachable!("it goes on for ever"),
        answer = tokio::time::timeout(Duration::from_secs(50), list) => answer.expect("an answer in time"),
    };
    let names = answer.json();
    assert_eq!(names.as_array().map(Vec::len), Some(1), "{names}");
}
