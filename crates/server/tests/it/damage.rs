//! A batch of the log whose bytes are damaged: its events are lost, and said to be; everything else goes on.

use std::collections::BTreeSet;
use std::path::Path;

use engine::{Clock, LogOptions};
use serde_json::json;

use crate::harness::{Receiver, TestAccount, TestEndpoint, TestHub, embedded_only, event};

/// Spoils the stored bytes of one batch, as a failing disk does.
async fn damage(directory: &Path, seq: i64) {
    let log = engine::Db::open_sqlite(&directory.join("data/log.db")).await;
    let mut tx = log.expect("the log").begin().await.expect("a transaction");
    let spoil = "UPDATE log_batch SET bytes = x'00ff00ff' WHERE seq = $1";
    let spoiled = tx.execute(spoil, &[seq.into()]).await.expect("a statement");
    assert_eq!(spoiled, 1);
    tx.commit().await.expect("committed");
}

struct Scene {
    hub: TestHub,
    account: TestAccount,
    shop: TestEndpoint,
    warehouse: TestEndpoint,
    receiver: Receiver,
}

impl Scene {
    /// A shop, a push subscriber and a pull subscriber.
    async fn start() -> Self {
        let hub = TestHub::start().await;
        let account = hub.account().await;
        let shop = hub.publisher(&account, &["cartAdd"]).await;
        let receiver = Receiver::start().await;
        let crm = hub.push_destination(&account, &receiver.url()).await;
        let warehouse = hub.pull_destination(&account).await;
        hub.subscribe(&account, &shop, "cartAdd", &crm).await;
        hub.subscribe(&account, &shop, "cartAdd", &warehouse).await;
        Self {
            hub,
            account,
            shop,
            warehouse,
            receiver,
        }
    }

    /// Events 1, 2 and 3, each in a batch of its own with the same number.
    async fn publish(&self) {
        for number in 1..=3 {
            let event = event("cartAdd", "ada@example.com", number);
            self.hub.published(&self.shop, event).await;
        }
    }

    /// Stops the hub, spoils the second batch, and starts it again.
    async fn damaged(self) -> Self {
        let clock = self.hub.clock.clone();
        let directory = self.hub.leave().await;
        damage(directory.path(), 2).await;
        let hub = TestHub::open(directory, clock, |_| {}).await;
        Self { hub, ..self }
    }

    /// What the two subscribers have got, and that the hub is well and says what it met.
    async fn assert_the_others_arrive(&self) {
        self.hub.settle().await;
        let value =
            |document: &serde_json::Value| document["events"][0]["attributes"][0]["value"].clone();
        let requests = self.receiver.requests();
        let documents = requests.iter().map(|request| value(&request.json()));
        // Retries come in any order.
        let pushed: BTreeSet<String> = documents.map(|value| value.to_string()).collect();
        assert_eq!(pushed, ["\"1\"", "\"3\""].map(str::to_owned).into());

        let key = &self.warehouse.key;
        let names = self.hub.http.get("/v1/eventfiles", key).await.json();
        let path = format!("/v1/eventfiles/{}", names[0].as_str().expect("a name"));
        let file = self.hub.http.get(&path, key).await.json();
        let filed: Vec<_> = file
            .as_array()
            .expect("documents")
            .iter()
            .map(value)
            .collect();
        assert_eq!(filed, [json!("1"), json!("3")]);

        assert_eq!(self.hub.http.get("/readyz", "").await.status, 200);
        let metrics = self.hub.http.get("/metrics", "").await.text();
        assert!(
            metrics.contains("rialto_damaged_batches_total 1\n"),
            "{metrics}"
        );
    }

    /// The messages that people of the account find.
    async fn notices(&self) -> Vec<String> {
        let page = hub::Page {
            after: 0,
            limit: 10,
        };
        let notices = self
            .hub
            .server
            .hub
            .notices(hub::Scope(self.account.id), page);
        let notices = notices.await.expect("a list").into_iter();
        notices.map(|notice| notice.message).collect()
    }
}

#[tokio::test]
async fn the_router_passes_over_a_damaged_batch() {
    if !embedded_only("the damage is done to the file of the log") {
        return;
    }
    let scene = Scene::start().await;
    scene.publish().await;
    // Not settled: nothing has been routed yet.
    scene.damaged().await.assert_the_others_arrive().await;
}

#[tokio::test]
async fn what_waits_for_destinations_is_given_up_only_where_it_is_damaged() {
    if !embedded_only("the damage is done to the file of the log") {
        return;
    }
    let scene = Scene::start().await;
    scene.publish().await;
    // Routed, and not sent: that is what a kill in between leaves.
    while scene.hub.server.hub.route().await.expect("routed").batches > 0 {}
    scene.hub.server.hub.checkpoint().await.expect("saved");
    let scene = scene.damaged().await;
    scene.assert_the_others_arrive().await;
    let notices = scene.notices().await;
    assert_eq!(notices.len(), 1, "{notices:?}");
    assert!(
        notices[0].starts_with("1 events that waited"),
        "{notices:?}"
    );
    for standing in scene.hub.server.hub.standings() {
        assert_eq!(
            (standing.waiting, standing.retrying),
            (0, 0),
            "{standing:?}"
        );
    }
}

#[tokio::test]
async fn what_is_being_retried_is_given_up_only_where_it_is_damaged() {
    if !embedded_only("the damage is done to the file of the log") {
        return;
    }
    let scene = Scene::start().await;
    scene.receiver.answer_status(503);
    scene.publish().await;
    scene.hub.settle().await;
    scene.receiver.take();
    scene.receiver.answer_status(200);
    let scene = scene.damaged().await;
    scene.hub.pass(std::time::Duration::from_secs(3)).await;
    scene.assert_the_others_arrive().await;
}

#[tokio::test]
async fn what_is_published_after_a_damaged_batch_is_answered_for_and_its_keys_are_known() {
    if !embedded_only("the damage is done to the file of the log") {
        return;
    }
    let scene = Scene::start().await;
    scene.publish().await;
    let mut event = event("cartAdd", "ada@example.com", 4);
    event["events"][0]["eventId"] = "four".into();
    let first = scene.hub.published(&scene.shop, event.clone()).await;
    // Reads the keys behind the damage from the log, since no checkpoint has them.
    let scene = scene.damaged().await;
    let again = scene.hub.published(&scene.shop, event).await;
    assert_eq!(again, first);
}

/// What a missing write-ahead file leaves: the log ends where it ended some time ago.
#[tokio::test]
async fn what_is_published_after_the_log_has_lost_its_end_is_delivered() {
    if !embedded_only("the damage is done to the file of the log") {
        return;
    }
    let scene = Scene::start().await;
    scene.publish().await;
    scene.hub.settle().await;
    scene.receiver.take();
    let clock = scene.hub.clock.clone();
    let directory = scene.hub.leave().await;
    let log = engine::Db::open_sqlite(&directory.path().join("data/log.db")).await;
    let mut tx = log.expect("the log").begin().await.expect("a transaction");
    let lost = tx.execute("DELETE FROM log_batch WHERE seq > 1", &[]).await;
    assert_eq!(lost.expect("a statement"), 2);
    tx.commit().await.expect("committed");
    let hub = TestHub::open(directory, clock, |_| {}).await;
    hub.published(&scene.shop, event("cartAdd", "ada@example.com", 4))
        .await;
    hub.settle().await;
    let values = scene
        .receiver
        .take()
        .into_iter()
        .map(|request| request.json());
    let values: Vec<_> = values
        .map(|document| document["events"][0]["attributes"][0]["value"].clone())
        .collect();
    assert_eq!(values, [json!("4")]);
    // And by a log that goes on behind it the next start has nothing to mend.
    let clock = hub.clock.clone();
    let hub = TestHub::open(hub.leave().await, clock, |_| {}).await;
    hub.published(&scene.shop, event("cartAdd", "ada@example.com", 5))
        .await;
    hub.settle().await;
    assert_eq!(scene.receiver.count(), 1);
}

#[tokio::test]
async fn a_record_that_nobody_understands_is_left_out() {
    if !embedded_only("the damage is done to the file of the log") {
        return;
    }
    let scene = Scene::start().await;
    let clock = scene.hub.clock.clone();
    let directory = scene.hub.leave().await;
    let path = directory.path().join("data/log.db");
    let log = engine::Log::open_sqlite(&path, LogOptions::default(), Clock::System).await;
    let log = log.expect("the log");
    let nonsense = vec![
        b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f".to_vec(),
        b"\x00".to_vec(),
        // What belongs to another shard was left out by a migration: nothing to complain of.
        Vec::new(),
    ];
    log.append(nonsense).await.expect("durable");
    log.close().await;
    let hub = TestHub::open(directory, clock, |_| {}).await;
    hub.published(&scene.shop, event("cartAdd", "ada@example.com", 1))
        .await;
    hub.settle().await;
    assert_eq!(scene.receiver.count(), 1);
    let metrics = hub.http.get("/metrics", "").await.text();
    assert!(
        metrics.contains("rialto_unreadable_records_total 2\n"),
        "{metrics}"
    );
}
