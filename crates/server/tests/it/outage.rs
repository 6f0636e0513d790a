//! One engine is away for a while: what still works goes on, what does not is refused with a sentence and a time, the hub
//! says what is missing, and everything mends itself without a restart.
//!
//! `RIALTO_OUTAGE_SECONDS` says for how long (a minute in `cargo xtask cluster --outage`).

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::harness::scene::{BUY, Scene, Subscriber};
use crate::harness::{Answer, TestHub, event, mix, wait};

/// What is away is found again sooner, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Longer than the lease of the tests, which is a second.
fn away() -> Duration {
    let seconds = std::env::var("RIALTO_OUTAGE_SECONDS").ok();
    Duration::from_secs(seconds.map_or(4, |text| {
        text.parse().expect("RIALTO_OUTAGE_SECONDS is a number")
    }))
}

/// A hub that runs by itself on engines of its own, and a push subscriber.
struct Outage {
    scene: Scene,
    crm: Subscriber,
    postgres: services::Postgres,
    nats: Option<services::Nats>,
    s3: Option<services::S3>,
}

impl Outage {
    async fn start() -> Self {
        let directory = Arc::new(tempfile::tempdir().expect("a directory"));
        let postgres = services::Postgres::start(&[]).expect("PostgreSQL starts");
        let mut settings = mix::settings(directory.path());
        let mut set = |name: &str, value: String| {
            let known = settings.iter_mut().find(|(known, _)| *known == name);
            known.expect("a setting of this mix").1 = value;
        };
        set(
            "RIALTO_ENGINES_DB",
            postgres.fresh_database().expect("a database"),
        );
        let (mut nats, mut s3) = (None, None);
        if mix::mix() == mix::Mix::Distributed {
            let server = services::Nats::start().await.expect("NATS starts");
            set("RIALTO_ENGINES_LOG", server.url());
            nats = Some(server);
            let server = services::S3::start().expect("S3 starts");
            set("RIALTO_ENGINES_S3_ENDPOINT", server.url());
            s3 = Some(server);
        }
        mix::write_down(directory.path(), &settings);
        let scene = Scene::of(TestHub::run_on(directory).await).await;
        let crm = scene.subscriber().await;
        let outage = Self {
            scene,
            crm,
            postgres,
            nats,
            s3,
        };
        outage.publish(1).await;
        outage.arrived(1).await;
        outage
    }

    async fn try_publish(&self, order_total: i64) -> Answer {
        let body = event(BUY, "ada@example.com", order_total);
        self.scene.hub.publish(&self.scene.shop, body).await
    }

    async fn publish(&self, order_total: i64) {
        let answer = self.try_publish(order_total).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }

    /// Waits until so many pushes have come.
    async fn arrived(&self, count: usize) {
        let deadline = Instant::now() + PATIENCE;
        while self.crm.receiver.count() < count {
            assert!(
                Instant::now() < deadline,
                "{} of {count} have arrived",
                self.crm.receiver.count()
            );
            wait(LOOK_EVERY).await;
        }
    }

    /// Waits until `/readyz` answers so; what it says.
    async fn readiness(&self, status: u16) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = self.scene.hub.http.get("/readyz", "").await;
            if answer.status == status {
                return answer.text();
            }
            assert!(Instant::now() < deadline, "{}", answer.text());
            wait(LOOK_EVERY).await;
        }
    }

    /// While something is away: publishes again and again until the time is over; how many were taken.
    async fn publish_meanwhile(&self) -> usize {
        let begin = Instant::now();
        let mut taken = 0;
        while begin.elapsed() < away() {
            let answer = self.try_publish(2).await;
            match answer.status {
                200 => taken += 1,
                503 => {
                    let wait = answer.headers["retry-after"].to_str().expect("text");
                    assert!(wait.parse::<u64>().expect("seconds") > 0);
                }
                other => panic!("{other}: {}", answer.text()),
            }
            wait(LOOK_EVERY).await;
        }
        taken
    }

    /// Everything is back: what was taken arrives, and publishing works.
    async fn recovered(&self, taken: usize) {
        self.readiness(200).await;
        let deadline = Instant::now() + PATIENCE;
        while self.try_publish(3).await.status != 200 {
            assert!(Instant::now() < deadline, "publishing does not recover");
            wait(LOOK_EVERY).await;
        }
        // An answer that got lost on its way may have been taken as well.
        self.arrived(1 + taken + 1).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_database_is_away() {
    if mix::mix() == mix::Mix::Embedded {
        return;
    }
    let outage = Outage::start().await;
    outage.postgres.stop().expect("stopped");
    assert!(outage.readiness(503).await.contains("database"));
    let taken = outage.publish_meanwhile().await;
    if outage.nats.is_some() {
        assert!(taken > 0, "the log is there: publishing goes on");
    } else {
        assert_eq!(taken, 0, "the log is in the database");
    }
    outage.postgres.restart().expect("started");
    outage.recovered(taken).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_is_away() {
    if mix::mix() != mix::Mix::Distributed {
        return;
    }
    let mut outage = Outage::start().await;
    let mut nats = outage.nats.take().expect("this mix has one");
    nats.kill();
    assert!(outage.readiness(503).await.contains("log"));
    assert_eq!(outage.publish_meanwhile().await, 0);
    nats.restart().await.expect("started");
    outage.recovered(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_files_are_away() {
    if mix::mix() != mix::Mix::Distributed {
        return;
    }
    let mut outage = Outage::start().await;
    let hub = &outage.scene.hub;
    let warehouse = hub.pull_destination(&outage.scene.account).await;
    outage.scene.subscribe(&warehouse).await;
    let mut s3 = outage.s3.take().expect("this mix has one");
    s3.stop();
    assert!(outage.readiness(503).await.contains("files"));
    outage.publish(2).await;
    outage.arrived(2).await;
    let hub = &outage.scene.hub;
    let refused = hub.http.get("/v1/eventfiles", &warehouse.key).await;
    assert_eq!(refused.status, 503, "{}", refused.text());
    assert!(refused.headers.contains_key("retry-after"));
    let taken = outage.publish_meanwhile().await;
    assert!(taken > 0, "who is pushed to notices nothing");
    s3.restart().expect("started");
    outage.readiness(200).await;
    let hub = &outage.scene.hub;
    let listed = hub.http.get("/v1/eventfiles", &warehouse.key).await;
    assert_eq!(listed.status, 200, "{}", listed.text());
    let names: Vec<String> = serde_json::from_slice(&listed.body).expect("names");
    let path = format!("/v1/eventfiles/{}", names.first().expect("a file"));
    let file = hub.http.get(&path, &warehouse.key).await.json();
    assert_eq!(file.as_array().expect("documents").len(), 1 + taken);
}
