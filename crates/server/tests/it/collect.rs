//! Pull publishers: the hub fetches their event files, publishes what they hold, and deletes them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use hub::Page;
use serde_json::{Value, json};
use store::quarantine::{QuarantineState, Quarantined};

use crate::harness::scene::{BUY, Scene, Subscriber};
use crate::harness::{Receiver, Reply, Request, TestEndpoint, event, publisher_definition};

/// What the fake publisher holds: files by name.
#[derive(Clone, Default)]
struct Files(Arc<Mutex<BTreeMap<String, Bytes>>>);

impl Files {
    fn put(&self, name: &str, content: impl Into<Bytes>) {
        let mut files = self.0.lock().expect("not poisoned");
        files.insert(name.to_owned(), content.into());
    }

    fn put_events(&self, name: &str, totals: std::ops::Range<i64>) {
        let events: Vec<Value> = totals
            .map(|n| event(BUY, &format!("{n}@example.com"), n))
            .collect();
        self.put(name, Value::from(events).to_string());
    }

    fn names(&self) -> Vec<String> {
        let files = self.0.lock().expect("not poisoned");
        files.keys().cloned().collect()
    }

    /// The three calls that a pull subscriber makes of us, the other way round.
    fn answer(&self, request: &Request) -> Reply {
        let mut files = self.0.lock().expect("not poisoned");
        let path = request.path.strip_prefix("/feed/v1/eventfiles");
        let name = path.map(|rest| rest.trim_start_matches('/').replace("%20", " "));
        match (request.method.as_str(), name.as_deref()) {
            ("GET", Some("?numFiles=10")) => {
                let names: Vec<&String> = files.keys().take(10).collect();
                Reply::Body(200, json!(names).to_string().into())
            }
            ("GET", Some(name)) => match files.get(name) {
                Some(content) => Reply::Body(200, content.clone()),
                None => Reply::Status(404),
            },
            ("DELETE", Some(name)) => {
                let is_there = files.remove(name).is_some();
                Reply::Status(if is_there { 200 } else { 404 })
            }
            _ => Reply::Status(405),
        }
    }
}

struct Feed {
    scene: Scene,
    publisher: TestEndpoint,
    server: Receiver,
    files: Files,
    crm: Subscriber,
}

impl Feed {
    async fn start() -> Self {
        let scene = Scene::start().await;
        let server = Receiver::start().await;
        let files = Files::default();
        let answers = files.clone();
        server.answer(move |request| answers.answer(request));
        let mut definition = publisher_definition();
        definition["url"] = format!("{}/feed", server.url()).into();
        definition["endpointTypes"]["event"]["source"]["sourceType"] = "pull".into();
        let publisher = scene.hub.endpoint(&scene.account, definition).await;
        let body = json!({ "code": BUY, "name": BUY, "attributes": [{ "name": "orderTotal", "type": "number" }] });
        scene.hub.event_type(&scene.account, &publisher, body).await;
        let crm = scene.subscriber().await;
        scene
            .hub
            .subscribe(&scene.account, &publisher, BUY, &crm.endpoint)
            .await;
        Self {
            scene,
            publisher,
            server,
            files,
            crm,
        }
    }

    async fn collect(&self) -> hub::flow::CollectReport {
        let hub = &self.scene.hub.server.hub;
        let report = hub.collect().await.expect("collected");
        self.scene.settle().await;
        report
    }

    async fn quarantined(&self) -> Vec<Quarantined> {
        let page = Page {
            after: 0,
            limit: 100,
        };
        let hub = &self.scene.hub.server.hub;
        let held = QuarantineState::Held;
        let list = hub.quarantine(self.scene.scope(), held, Some(self.publisher.id), page);
        list.await.expect("a list")
    }
}

#[tokio::test]
async fn files_are_fetched_published_and_deleted() {
    let feed = Feed::start().await;
    feed.files.put_events("2026-03-02 a.json", 0..5);
    feed.files.put_events("2026-03-02 b.json", 5..7);
    let report = feed.collect().await;
    assert_eq!((report.files, report.events, report.failed), (2, 7, 0));
    assert_eq!(feed.crm.distinct(), (0..7).collect::<Vec<_>>());
    assert!(feed.files.names().is_empty());
    let key = format!("Bearer {}", feed.publisher.key);
    assert_eq!(feed.server.requests()[0].header("authorization"), key);
    assert_eq!(feed.collect().await.files, 0);
}

#[tokio::test]
async fn one_step_empties_a_publisher_with_many_files() {
    let feed = Feed::start().await;
    for n in 0..35 {
        feed.files.put_events(&format!("{n:03}.json"), n..n + 1);
    }
    assert_eq!(feed.collect().await.files, 35);
    assert_eq!(feed.crm.distinct(), (0..35).collect::<Vec<_>>());
}

#[tokio::test]
async fn nothing_is_published_twice_after_a_crash_in_the_middle() {
    let mut feed = Feed::start().await;
    feed.files.put_events("a.json", 0..5);
    feed.files.put("b.json", r#"[{"code":"nonsense"}]"#);
    // Deleting fails: as after a crash between publishing and deleting.
    let answers = feed.files.clone();
    feed.server
        .answer(move |request| match request.method.as_str() {
            "DELETE" => Reply::Status(500),
            _ => answers.answer(request),
        });
    assert_eq!(feed.collect().await.failed, 1);
    assert_eq!(feed.scene.notices().await, ["collect-failed"]);
    assert_eq!(feed.collect().await.failed, 1);
    assert_eq!(feed.scene.notices().await.len(), 1, "told when it begins");
    feed.scene = feed.scene.crash().await;
    let answers = feed.files.clone();
    feed.server.answer(move |request| answers.answer(request));
    feed.collect().await;
    assert!(feed.files.names().is_empty());
    assert_eq!(feed.quarantined().await.len(), 1);
    assert_eq!(feed.crm.distinct(), [0, 1, 2, 3, 4]);
    let mut ids: Vec<String> = feed
        .crm
        .receiver
        .requests()
        .iter()
        .map(|push| push.header("webhook-id").to_owned())
        .collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 5, "five publications, however often collected");
}

#[tokio::test]
async fn the_same_content_under_another_name_is_another_file() {
    let feed = Feed::start().await;
    feed.files.put_events("a.json", 1..2);
    feed.files.put_events("b.json", 1..2);
    assert_eq!(feed.collect().await.events, 2);
    assert_eq!(feed.crm.totals(), [1, 1]);
}

#[tokio::test]
async fn what_is_wrong_is_kept_and_stands_in_nobodys_way() {
    let feed = Feed::start().await;
    feed.files.put("a.json", "this is not JSON");
    feed.files
        .put("b.json", &b"[{\"channel\":\"\xff\xfe\"}]"[..]);
    let good = event(BUY, "ada@example.com", 1);
    feed.files.put(
        "c.json",
        json!([good, { "channel": "web" }, event(BUY, "bob@example.com", 2)]).to_string(),
    );
    feed.files.put_events("d.json", 3..4);
    let report = feed.collect().await;
    assert_eq!((report.files, report.failed), (4, 0));
    assert_eq!(feed.crm.distinct(), [1, 2, 3]);
    let kept = feed.quarantined().await;
    assert_eq!(kept.len(), 3);
    assert!(kept[0].body.contains("this is not JSON"));
    assert!(kept[0].violations[0].message.contains("a.json"));
    for kept in kept {
        let body = serde_json::from_str::<Value>(&kept.body);
        assert!(body.is_ok(), "what is in quarantine is JSON");
    }
}

#[tokio::test]
async fn a_publisher_that_fails_keeps_no_other_waiting() {
    let feed = Feed::start().await;
    feed.server.answer_status(500);
    let scene = &feed.scene;
    let other = Receiver::start().await;
    let files = Files::default();
    files.put_events("a.json", 0..1);
    let answers = files.clone();
    other.answer(move |request| answers.answer(request));
    let mut definition = publisher_definition();
    definition["url"] = format!("{}/feed/", other.url()).into();
    definition["endpointTypes"]["event"]["source"]["sourceType"] = "pull".into();
    let publisher = scene.hub.endpoint(&scene.account, definition).await;
    let body = json!({ "code": BUY, "name": BUY });
    scene.hub.event_type(&scene.account, &publisher, body).await;
    let report = feed.collect().await;
    assert_eq!((report.publishers, report.failed, report.files), (2, 1, 1));
    assert!(files.names().is_empty());
}
