//! Jobs go on in slices, fairly, through failures, answers, cancellations and crashes.

use std::sync::Arc;

use engine::{Blobs, Clock, Db, Log, LogOptions, ManualClock};
use model::job::{ExportDetails, Records, StepState};
use model::{AccountPolicy, Environment};
use serde::Deserialize;
use store::job::{JobFilter, NewJob};
use store::vault::Vault;

use super::*;
use crate::metrics::Metrics;
use crate::{Actor, Engines, Options, Page};

pub(super) type Script =
    Arc<dyn Fn(&mut JobRun) -> std::result::Result<Slice, SliceError> + Send + Sync>;

impl Workers {
    pub(super) fn script(&self) -> Option<Script> {
        let script = self.script.lock().unwrap_or_else(PoisonError::into_inner);
        script.clone()
    }
}

/// An exchange whose jobs do what a test says.
struct World {
    hub: Arc<Hub>,
    clock: ManualClock,
    directory: tempfile::TempDir,
}

/// What the jobs of these tests leave for their next slice.
#[derive(Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
struct Count {
    slices: u64,
}

async fn open(directory: &tempfile::TempDir, clock: &ManualClock) -> Arc<Hub> {
    open_with(directory, clock, Options::default()).await
}

async fn open_with(
    directory: &tempfile::TempDir,
    clock: &ManualClock,
    options: Options,
) -> Arc<Hub> {
    let at = |name: &str| directory.path().join(name);
    let clock = Clock::Manual(clock.clone());
    let engines = Engines {
        db: Db::open_sqlite(&at("db")).await.expect("a database"),
        logs: vec![
            Log::open_sqlite(&at("log"), LogOptions::default(), clock.clone())
                .await
                .expect("a log"),
        ],
        blobs: Blobs::open_directory(&at("blobs")).await.expect("blobs"),
        clock,
        vault: Vault::open_file(&at("key")).expect("a key"),
    };
    Hub::open(engines, options, Metrics::new())
        .await
        .expect("a hub")
}

impl World {
    async fn start() -> Self {
        Self::start_with(Options::default()).await
    }

    async fn start_with(options: Options) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let noon = "2026-03-02T12:00:00Z".parse().expect("a time");
        let clock = ManualClock::new(noon);
        Self {
            hub: open_with(&directory, &clock, options).await,
            clock,
            directory,
        }
    }

    /// Another process on the same directory: what was not saved is gone.
    async fn crash(self) -> Self {
        let Self {
            hub,
            clock,
            directory,
        } = self;
        drop(hub);
        Self {
            hub: open(&directory, &clock).await,
            clock,
            directory,
        }
    }

    fn script(
        &self,
        script: impl Fn(&mut JobRun) -> std::result::Result<Slice, SliceError> + Send + Sync + 'static,
    ) {
        *self.hub.flow.jobs.script.lock().expect("not poisoned") = Some(Arc::new(script));
    }

    async fn account(&self, name: &str) -> Scope {
        let policy = AccountPolicy::default();
        let opened = self
            .hub
            .account_create(&Actor::OPERATOR, name, Environment::Production, &policy)
            .await;
        Scope(opened.expect("an account").0.id)
    }

    async fn job(&self, scope: Scope) -> JobId {
        let new = NewJob {
            category: JobCategory::SegmentPopulateDb,
            status: JobStatus::Scheduled,
            name: None,
            producer: None,
            destination: None,
            share: None,
            details: ExportDetails::default(),
            state: r#"{"slices":0}"#.to_owned(),
            steps: Vec::new(),
            first_at: self.hub.now(),
        };
        let made = self.hub.job_create(&Actor::OPERATOR, scope, new).await;
        made.expect("a job")
    }

    async fn settle(&self) {
        self.hub.settle().await.expect("it settles");
    }

    async fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
        self.settle().await;
    }

    async fn get(&self, scope: Scope, id: JobId) -> Job {
        self.hub.job_get(scope, None, id).await.expect("the job")
    }

    async fn status(&self, scope: Scope, id: JobId) -> JobStatus {
        self.get(scope, id).await.status
    }

    async fn notices(&self, scope: Scope) -> Vec<String> {
        let page = Page {
            after: 0,
            limit: 100,
        };
        let notices = self.hub.notices(scope, page).await.expect("notices");
        notices.into_iter().map(|notice| notice.message).collect()
    }
}

/// Counts the slice.
fn counted(run: &mut JobRun) -> std::result::Result<u64, SliceError> {
    let mut count: Count = run.state()?;
    count.slices += 1;
    run.set_state(&count)?;
    Ok(count.slices)
}

fn until(slices: u64) -> impl Fn(&mut JobRun) -> std::result::Result<Slice, SliceError> {
    move |run| {
        let done = counted(run)?;
        run.step("count", done, Some(slices));
        run.job.records.read = done;
        run.tell("counted", done);
        Ok(if done < slices {
            Slice::More
        } else {
            Slice::Done
        })
    }
}

#[tokio::test]
async fn a_job_goes_on_slice_by_slice_until_it_is_done() {
    let world = World::start().await;
    let scope = world.account("Shop").await;
    world.script(until(5));
    let id = world.job(scope).await;
    assert_eq!(world.status(scope, id).await, JobStatus::Scheduled);
    world.settle().await;
    let job = world.get(scope, id).await;
    assert_eq!(job.status, JobStatus::Completed);
    assert_eq!(job.state, r#"{"slices":5}"#);
    assert_eq!(job.report, serde_json::json!({ "counted": 5 }));
    let read = Records {
        read: 5,
        ..Records::default()
    };
    assert_eq!(job.records, read);
    let step = &job.steps[0];
    assert_eq!(
        (step.name.as_str(), step.done, step.state),
        ("count", 5, StepState::Done)
    );
    assert_eq!(job.finished_at, Some(world.hub.now()));
    assert_eq!(job.next_at, None);
}

#[tokio::test]
async fn accounts_take_turns_and_the_jobs_of_one_account_too() {
    let world = World::start().await;
    let (many, one) = (world.account("Many").await, world.account("One").await);
    let order = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&order);
    let clock = world.clock.clone();
    world.script(move |run| {
        // Each slice takes a while, so that what has waited longer shows.
        clock.advance(Duration::from_millis(10));
        seen.lock().expect("not poisoned").push(run.job.account.0);
        until(3)(run)
    });
    let mut jobs = Vec::new();
    for _ in 0..20 {
        jobs.push(world.job(many).await);
    }
    world.job(one).await;
    world.settle().await;
    let order = order.lock().expect("not poisoned").clone();
    assert_eq!(order.len(), 63);
    let last = order.iter().rposition(|account| *account == one.0.0);
    assert!(
        last.expect("it had its turns") < 12,
        "one job of another account waited for twenty of this one: {order:?}"
    );
    for id in jobs {
        assert_eq!(world.status(many, id).await, JobStatus::Completed);
    }
}

#[tokio::test]
async fn of_one_account_one_slice_runs_at_a_time() {
    let world = World::start().await;
    let scope = world.account("Shop").await;
    let running = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let inside = Arc::clone(&running);
    world.script(move |run| {
        use std::sync::atomic::Ordering::SeqCst;
        assert_eq!(inside.fetch_add(1, SeqCst), 0, "two at once");
        std::thread::yield_now();
        inside.fetch_sub(1, SeqCst);
        until(2)(run)
    });
    for _ in 0..10 {
        world.job(scope).await;
    }
    world.settle().await;
    let filter = JobFilter {
        status: Some(JobStatus::Completed),
        ..JobFilter::default()
    };
    let page = Page {
        after: 0,
        limit: 100,
    };
    let done = world.hub.job_list(scope, filter, page).await;
    assert_eq!(done.expect("a list").len(), 10);
}

#[tokio::test]
async fn what_fails_says_why_and_goes_on_from_where_it_stopped() {
    let world = World::start().await;
    let scope = world.account("Shop").await;
    world.script(|run| {
        if counted(run)? < 3 {
            return Ok(Slice::More);
        }
        run.tell("answer", "503");
        Err(SliceError::Failed("the destination is closed".to_owned()))
    });
    let id = world.job(scope).await;
    world.settle().await;
    let job = world.get(scope, id).await;
    assert_eq!(job.status, JobStatus::Failed);
    assert_eq!(job.error.as_deref(), Some("the destination is closed"));
    assert_eq!(
        job.state, r#"{"slices":2}"#,
        "the slice that failed is done again"
    );
    assert_eq!(job.report["answer"], "503");
    assert_eq!(
        world.notices(scope).await,
        [format!(
            "job {id} (SEGMENT_POPULATE_DB) has failed: the destination is closed"
        )]
    );
    world.script(|run| {
        assert_eq!(run.signal(), Some(Signal::Again));
        assert_eq!(counted(run)?, 3);
        Ok(Slice::Done)
    });
    let actor = Actor::OPERATOR;
    world.hub.job_retry(&actor, scope, id).await.expect("again");
    world.settle().await;
    let job = world.get(scope, id).await;
    assert_eq!((job.status, job.error), (JobStatus::Completed, None));
    let again = world.hub.job_retry(&actor, scope, id).await;
    let again = again.expect_err("it has ended well").to_string();
    assert!(
        again.contains("is COMPLETED and can be retried when"),
        "{again}"
    );
}

#[tokio::test]
async fn what_may_heal_is_tried_again_ever_more_rarely_and_nothing_of_it_is_kept() {
    let world = World::start().await;
    let scope = world.account("Shop").await;
    world.script(|run| {
        counted(run)?;
        let source = "the disk is away".into();
        Err(SliceError::Again(Error::Unavailable {
            retry_after: Duration::from_secs(2),
            source,
        }))
    });
    let id = world.job(scope).await;
    for (wait, failures) in [(0, 1), (1, 1), (1, 2), (2, 3), (3, 3), (1, 4), (100, 5)] {
        world.pass(wait).await;
        let job = world.get(scope, id).await;
        assert_eq!(
            (job.failures, job.status),
            (failures, JobStatus::InProgress)
        );
        assert_eq!(job.state, r#"{"slices":0}"#);
    }
    for _ in 0..20 {
        world.pass(300).await;
    }
    let job = world.get(scope, id).await;
    assert_eq!(
        job.next_at,
        Some(world.hub.now() + Duration::from_secs(300))
    );
    world.script(until(1));
    world.pass(300).await;
    let job = world.get(scope, id).await;
    assert_eq!((job.status, job.failures), (JobStatus::Completed, 0));
}

#[tokio::test]
async fn a_slice_that_panics_is_given_up_in_the_end_and_stops_nobody() {
    let world = World::start().await;
    let (sick, well) = (world.account("Sick").await, world.account("Well").await);
    world.script(move |run| {
        assert_ne!(run.scope(), sick, "a mistake");
        until(2)(run)
    });
    let (bad, good) = (world.job(sick).await, world.job(well).await);
    for _ in 0..10 {
        world.pass(300).await;
    }
    assert_eq!(world.status(well, good).await, JobStatus::Completed);
    let job = world.get(sick, bad).await;
    assert_eq!((job.status, job.failures), (JobStatus::Failed, 8));
}

#[tokio::test]
async fn a_job_waits_for_a_time_for_data_and_for_an_answer() {
    let world = World::start().await;
    let scope = world.account("Shop").await;
    let until = world.hub.now() + Duration::from_secs(60);
    world.script(move |run| {
        Ok(match (counted(run)?, run.signal()) {
            (1, None) => Slice::Wait { until },
            (2, None) => Slice::Ask {
                question: "nobody is left: go on?".to_owned(),
            },
            (3, Some(Signal::Approved)) => Slice::WaitForData,
            (4, Some(Signal::Data)) => Slice::Ready,
            (5, Some(Signal::Fetched)) => Slice::Done,
            other => panic!("{other:?}"),
        })
    });
    let id = world.job(scope).await;
    world.settle().await;
    world.pass(59).await;
    assert_eq!(world.status(scope, id).await, JobStatus::InProgress);
    world.pass(1).await;
    let job = world.get(scope, id).await;
    assert_eq!(job.status, JobStatus::WaitingForApproval);
    assert_eq!(job.question.as_deref(), Some("nobody is left: go on?"));
    let told = world.notices(scope).await;
    assert!(
        told[0].ends_with("waits for an answer: nobody is left: go on?"),
        "{told:?}"
    );
    // It waits through a crash, too.
    let script = world.hub.flow.jobs.script();
    let world = world.crash().await;
    *world.hub.flow.jobs.script.lock().expect("not poisoned") = script;
    world.pass(1_000).await;
    assert_eq!(world.status(scope, id).await, JobStatus::WaitingForApproval);
    let (hub, actor) = (&world.hub, Actor::OPERATOR);
    hub.job_approve(&actor, scope, id, true).await.expect("go");
    world.settle().await;
    assert_eq!(
        world.status(scope, id).await,
        JobStatus::WaitingToReceiveData
    );
    let mut upload = hub
        .job_upload_begin(scope, (None, id), "text/csv")
        .await
        .expect("it waits");
    upload.append(b"email\r\n").await.expect("stored");
    hub.job_upload_finish(&actor, upload, None)
        .await
        .expect("whole");
    world.settle().await;
    assert_eq!(world.status(scope, id).await, JobStatus::ReadyForDownload);
    hub.job_fetched(&actor, scope, (None, id))
        .await
        .expect("done");
    world.settle().await;
    assert_eq!(world.status(scope, id).await, JobStatus::Completed);
}

#[tokio::test]
async fn a_job_that_is_refused_ends_and_does_nothing_more() {
    let world = World::start().await;
    let scope = world.account("Shop").await;
    world.script(|run| {
        assert_eq!(counted(run)?, 1, "it was refused");
        let question = "really?".to_owned();
        Ok(Slice::Ask { question })
    });
    let id = world.job(scope).await;
    world.settle().await;
    let actor = Actor::OPERATOR;
    let refused = world.hub.job_approve(&actor, scope, id, false).await;
    assert_eq!(refused.expect("an answer").status, JobStatus::Canceled);
    world.pass(1_000).await;
    let job = world.get(scope, id).await;
    assert_eq!(job.error.as_deref(), Some("refused by operator: really?"));
    for answer in [true, false] {
        let again = world.hub.job_approve(&actor, scope, id, answer).await;
        assert!(matches!(again, Err(Error::Conflict(_))), "it asks nothing");
    }
}

/// What somebody does while a slice is under way is never written over.
#[tokio::test]
async fn a_job_that_is_canceled_in_the_middle_of_a_slice_stays_so() {
    let world = World::start().await;
    let scope = world.account("Shop").await;
    let hub = Arc::downgrade(&world.hub);
    let handle = tokio::runtime::Handle::current();
    world.script(move |run| {
        let hub = hub.upgrade().expect("it runs");
        let id = run.job.id;
        let canceled = std::thread::scope(|threads| {
            let cancel = || handle.block_on(hub.job_cancel(&Actor::OPERATOR, scope, id));
            threads.spawn(cancel).join()
        });
        canceled.expect("no panic").expect("canceled");
        assert!(hub.job_should_stop(run), "it is told");
        counted(run)?;
        Ok(Slice::More)
    });
    let id = world.job(scope).await;
    tokio::task::spawn(async {}).await.expect("runs");
    world.settle().await;
    let job = world.get(scope, id).await;
    assert_eq!(
        (job.status, job.state.as_str()),
        (JobStatus::Canceled, r#"{"slices":0}"#)
    );
}

/// Whatever a slice wrote in the job's transaction is there if its progress is, and only then.
#[tokio::test]
async fn after_a_crash_a_job_goes_on_at_the_slice_that_was_lost() {
    let mut world = World::start().await;
    let scope = world.account("Shop").await;
    world.script(until(1_000_000));
    let id = world.job(scope).await;
    for _ in 0..5 {
        // One slice at a time: it begins, and nothing else is waited for.
        let report = world.hub.jobs().await.expect("begun");
        assert_eq!(report.slices, 1);
        while !world.hub.flow.jobs_are_quiet() {
            tokio::task::yield_now().await;
        }
    }
    let before = world.get(scope, id).await;
    assert_eq!(before.state, r#"{"slices":5}"#);
    // A slice that never ends, and the process dies.
    world.script(|run| {
        counted(run)?;
        Err(SliceError::Gone)
    });
    world.hub.jobs().await.expect("begun");
    while !world.hub.flow.jobs_are_quiet() {
        tokio::task::yield_now().await;
    }
    world = world.crash().await;
    world.script(until(7));
    world.settle().await;
    let job = world.get(scope, id).await;
    assert_eq!(
        (job.status, job.state.as_str()),
        (JobStatus::Completed, r#"{"slices":7}"#)
    );
}

#[tokio::test]
async fn an_account_has_so_many_jobs_and_no_more() {
    let world = World::start().await;
    let scope = world.account("Shop").await;
    let max = world.hub.options.jobs.open_max;
    let mut tx = world.hub.db.begin().await.expect("a transaction");
    let new = NewJob {
        category: JobCategory::Gdpr,
        status: JobStatus::WaitingToReceiveData,
        name: None,
        producer: None,
        destination: None,
        share: None,
        details: ExportDetails::default(),
        state: "{}".to_owned(),
        steps: Vec::new(),
        first_at: world.hub.now(),
    };
    for _ in 0..max {
        let made = world.hub.job_insert(&mut tx, scope, new.clone()).await;
        made.expect("there is room");
    }
    let full = world.hub.job_insert(&mut tx, scope, new).await;
    let full = full.expect_err("there is no room").to_string();
    assert!(full.contains("1000 jobs that have not ended"), "{full}");
}

/// Among several processes: whoever has lost the shard in the middle of a slice saves nothing of it.
#[tokio::test]
async fn a_slice_of_a_shard_that_was_lost_meanwhile_is_not_saved() {
    let mut options = Options::default();
    options.processes.is_shared = true;
    let world = World::start_with(options).await;
    let scope = world.account("Shop").await;
    world.script(until(3));
    let id = world.job(scope).await;
    world.hub.lease().await.expect("it takes the shard");
    world.settle().await;
    assert_eq!(world.status(scope, id).await, JobStatus::Completed);
    let (hub, handle) = (
        Arc::downgrade(&world.hub),
        tokio::runtime::Handle::current(),
    );
    world.script(move |run| {
        let hub = hub.upgrade().expect("it runs");
        let take = async {
            let mut tx = hub.db.begin().await.expect("a transaction");
            let leases = store::lease::list(&mut tx).await.expect("leases");
            let taken = store::lease::take(&mut tx, 0, "another", leases.first()).await;
            assert!(taken.expect("written").is_some(), "it was free to take");
            tx.commit().await.expect("committed");
        };
        let taken = std::thread::scope(|threads| threads.spawn(|| handle.block_on(take)).join());
        taken.expect("no panic");
        counted(run)?;
        Ok(Slice::More)
    });
    let second = world.job(scope).await;
    world.hub.jobs().await.expect("begun");
    while !world.hub.flow.jobs_are_quiet() {
        tokio::task::yield_now().await;
    }
    let job = world.get(scope, second).await;
    assert_eq!(
        (job.status, job.state.as_str()),
        (JobStatus::Scheduled, r#"{"slices":0}"#)
    );
}
