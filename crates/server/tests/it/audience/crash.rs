//! The exchange is killed with `kill -9` in every step of a share. After it has started again the destination has exactly
//! the right audience, and no reader ever found one that was half empty.

use std::sync::Arc;
use std::time::Duration;

use hub::share::NewShare;
use model::endpoint::ShareAction;
use model::{JobId, ShareId};
use serde_json::{Value, json};

use super::party::Party;
use super::world::{Meeting, PUSH_PUSH, SEGMENT, World, people, people_hashed};
use crate::harness::{Launch, Process, Reply, TOKEN, TestAccount, TestEndpoint, TestHub, wait};

/// What is waited for must have come by then: debug builds on busy machines.
const PATIENCE: Duration = Duration::from_secs(180);
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Enough for several slices and for more than one call that adds.
const ROWS: u64 = 160_000;

/// A share whose exchange runs as a process of its own.
struct Crash {
    launch: Launch,
    process: Process,
    account: TestAccount,
    source: TestEndpoint,
    producer: Party,
    consumer: Party,
    job: JobId,
    share: ShareId,
    _directory: Arc<tempfile::TempDir>,
}

impl Crash {
    async fn begin(action: ShareAction, change: impl FnOnce(&mut NewShare)) -> Self {
        Self::begin_with(PUSH_PUSH, (action, change), |_| {}).await
    }

    async fn begin_with(
        meeting: Meeting,
        (action, change): (ShareAction, impl FnOnce(&mut NewShare)),
        prepare: impl FnOnce(&Party),
    ) -> Self {
        let world = World::on(TestHub::start_today().await, meeting).await;
        prepare(&world.producer);
        let (share, job) = world.share(action, change).await;
        let World {
            hub,
            account,
            source,
            producer,
            consumer,
            ..
        } = world;
        let directory = hub.leave().await;
        let mut launch = Launch::new(directory.path());
        let process = launch.start().await;
        Self {
            launch,
            process,
            account,
            source,
            producer,
            consumer,
            job,
            share,
            _directory: directory,
        }
    }

    async fn job(&self) -> Value {
        let path = format!("/v1/jobs/SEGMENT_EXPORT/{}", self.job);
        let answer = self.process.http().get(&path, &self.account.key).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }

    async fn until(&self, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let begun = std::time::Instant::now();
        loop {
            let job = self.job().await;
            if is_so(&job) {
                return job;
            }
            assert_ne!(job["status"], "FAILED", "{job}");
            assert!(
                begun.elapsed() < PATIENCE,
                "{what}: {job}\n{}",
                self.launch.logged()
            );
            wait(LOOK_EVERY).await;
        }
    }

    async fn until_step(&self, name: &str) {
        self.until(name, |job| {
            let steps = job["steps"].as_array().cloned().unwrap_or_default();
            steps
                .iter()
                .any(|step| step["name"] == name && step["done"].as_u64() > Some(0))
        })
        .await;
    }

    async fn until_call(&self, what: &str) {
        let begun = std::time::Instant::now();
        let is_there = || {
            let parties = [&self.producer, &self.consumer];
            parties
                .iter()
                .any(|party| party.calls().iter().any(|call| call.starts_with(what)))
        };
        while !is_there() {
            assert!(
                begun.elapsed() < PATIENCE,
                "{what}: {}",
                self.launch.logged()
            );
            wait(LOOK_EVERY).await;
        }
    }

    async fn upload(&self, csv: String) {
        let path = format!("/v1/jobs/{}/data", self.job);
        let bearer = format!("Bearer {}", self.source.key);
        let headers = [
            ("authorization", bearer.as_str()),
            ("content-type", "text/csv"),
        ];
        let taken = self.process.http().send("POST", &path, &headers, csv).await;
        assert!((200..300).contains(&taken.status), "{}", taken.text());
    }

    async fn kill(&mut self) {
        self.process.kill();
        self.process = self.launch.start().await;
    }

    async fn again(&mut self) {
        let path = format!(
            "/manage/v1/accounts/{}/shares/{}/run",
            self.account.id, self.share
        );
        let http = self.process.http();
        let made = http.json("POST", &path, Some(TOKEN), Some(json!({}))).await;
        assert!((200..300).contains(&made.status), "{}", made.text());
        self.job = JobId(made.json()["jobId"].as_i64().expect("a job"));
    }

    /// It comes to its end, and everything is right.
    async fn ends_with(&self, csv: &str) {
        self.until("the end", |job| job["status"] == "COMPLETED")
            .await;
        let mut expected: Vec<&str> = csv.lines().skip(1).collect();
        expected.sort_unstable();
        let audience = self.consumer.audience();
        let mut rows: Vec<&str> = audience.rows.values().map(String::as_str).collect();
        rows.sort_unstable();
        assert!(
            rows == expected,
            "{} rows, {} expected",
            rows.len(),
            expected.len()
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_while_rows_are_matched_and_while_they_are_replaced() {
    let mut crash = Crash::begin(ShareAction::Replace, |_: &mut NewShare| ()).await;
    // The destination takes all rows; the exchange never hears that. Said before there are rows: the exchange does not
    // wait for what a test does next.
    crash.consumer.book().hangs_at = Some(0);
    crash.upload(people(0..ROWS)).await;
    crash.until_step("match").await;
    crash.kill().await;
    crash.until_call("PUT ").await;
    crash.kill().await;
    let expected = people_hashed(0..ROWS);
    crash.ends_with(&expected).await;
    let audience = crash.consumer.audience();
    assert!(
        audience.body == expected,
        "the file is the same in every life"
    );
    assert!(audience.replaced >= 2, "once in a life that was ended");
    let sizes: Vec<usize> = audience.sizes.into_iter().collect();
    assert_eq!(sizes, [expected.lines().count() - 1], "never half empty");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_while_an_audience_is_made_and_while_rows_are_added() {
    let mut crash = Crash::begin(ShareAction::Add, |_| ()).await;
    crash.consumer.book().hangs_at_making = true;
    crash.upload(people(0..ROWS)).await;
    crash.until_call("POST /v1/segments").await;
    // Of two calls the second is taken and not answered. Said before the next life, which may call at once.
    crash.consumer.book().hangs_at = Some(1);
    crash.kill().await;
    let parts = |crash: &Crash| {
        let calls = crash.consumer.calls();
        calls
            .iter()
            .filter(|call| call.starts_with("POST") && call.ends_with("/data"))
            .count()
    };
    let begun = std::time::Instant::now();
    while parts(&crash) < 2 {
        assert!(begun.elapsed() < PATIENCE, "{}", crash.launch.logged());
        wait(LOOK_EVERY).await;
    }
    crash.kill().await;
    crash.ends_with(&people_hashed(0..ROWS)).await;
    assert_eq!(crash.consumer.book().audiences.len(), 1, "made once");
    assert_eq!(
        parts(&crash),
        3,
        "only what was not answered was sent again"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_while_rows_are_fetched() {
    let meeting = Meeting {
        source: "pull",
        ..PUSH_PUSH
    };
    // It never answers, until it is told to.
    let crash = Crash::begin_with(
        meeting,
        (ShareAction::Replace, |_: &mut NewShare| ()),
        |producer| {
            let mut book = producer.book();
            book.sources.insert(SEGMENT.to_string(), people(0..10_000));
            book.answers.insert("GET", Reply::Hang);
        },
    );
    let mut crash = crash.await;
    crash.until_call("GET /v1/segments/").await;
    // What was asked is never answered; what the next life asks at once is.
    crash.producer.book().answers.clear();
    crash.kill().await;
    crash.ends_with(&people_hashed(0..10_000)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_while_a_run_is_compared_with_the_last_one() {
    let mut crash = Crash::begin(ShareAction::Replace, |new| new.incremental = true).await;
    let puts = |crash: &Crash| {
        let calls = crash.consumer.calls();
        calls.iter().filter(|call| call.starts_with("PUT")).count()
    };
    crash.upload(people(0..40_000)).await;
    crash.until_step("compare").await;
    crash.kill().await;
    crash.ends_with(&people_hashed(0..40_000)).await;
    // Twice, if the kill came between the rows and the answer to them.
    let first_run = puts(&crash);
    crash.again().await;
    // Said before there are rows: the exchange does not wait for what a test does next.
    crash.consumer.book().hangs_at = Some(0);
    crash.upload(people(5_000..45_000)).await;
    crash.until_step("compare").await;
    crash.kill().await;
    crash.until_call("POST /v1/segments/").await;
    crash.kill().await;
    crash.ends_with(&people_hashed(5_000..45_000)).await;
    assert_eq!(
        puts(&crash),
        first_run,
        "only differences after the first run"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_random_moments() {
    let mut crash = Crash::begin(ShareAction::Replace, |_: &mut NewShare| ()).await;
    crash.upload(people(0..ROWS)).await;
    for _ in 0..4 {
        wait(Duration::from_millis(fastrand::u64(100..2_500))).await;
        crash.kill().await;
    }
    let expected = people_hashed(0..ROWS);
    crash.ends_with(&expected).await;
    let audience = crash.consumer.audience();
    assert!(audience.body == expected);
    assert_eq!(audience.sizes.len(), 1, "never half empty");
}
