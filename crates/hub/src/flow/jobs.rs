//! Runs jobs in slices: a bounded piece of work at a time, of one job of an account at a time.
//!
//! A slice is what a category does between two looks at the row: it reads what it left in the job's state, works for about
//! a second, and answers how to go on ([`Slice`]). Everything it did is saved with the job's progress in one transaction,
//! under the shard's epoch and on the revision with which it began; so a process that dies loses at most one slice, which
//! the next owner does again, and what somebody did to the job meanwhile (canceled it) is never written over. What a slice
//! does outside of the database (blobs, calls) must bear to be done twice.
//!
//! Fair: whoever has had a slice goes to the end of the queue, accounts first, then the jobs of an account; a process works
//! on [`JobOptions::slices_max`](crate::options::JobOptions) accounts at once. Called by `run`, and by tests through
//! [`Hub::settle`].

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use engine::Tx;
use futures_util::FutureExt as _;
use jiff::Timestamp;
use model::job::{JobCategory, JobStatus, Signal, advance};
use model::{AccountId, JobId};
use serde::Serialize;
use serde::de::DeserializeOwned;
use store::job::Job;
use tokio::sync::Notify;

use crate::{Error, Hub, Result, Scope};

/// Accounts looked at in one step.
const ACCOUNTS_MAX: i64 = 1_000;
/// After a slice that could not be saved, before the account's next one.
const PAUSE: Duration = Duration::from_millis(500);
/// A slice that failed is tried again after a second, two, four, … up to this.
const AGAIN_AFTER_MAX: Duration = Duration::from_secs(300);
/// A fault of ours is not tried more often than this in a row.
const FAULTS_MAX: u32 = 8;

/// How a job goes on after a slice that went well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Slice {
    /// There is more to do, as soon as it is its turn again.
    More,
    /// Not before this time.
    Wait { until: Timestamp },
    /// When somebody has uploaded data for it (`job.upload`, [`Signal::Data`]).
    WaitForData,
    /// When somebody has fetched what it made (`job.details.data_files`) and said so ([`Signal::Fetched`]).
    Ready,
    /// When a person has approved ([`Signal::Approved`]). If they do not, it is canceled and there is no next slice.
    Ask { question: String },
    /// It has ended well.
    Done,
}

/// Why a slice did not go well.
#[derive(Debug, thiserror::Error)]
pub enum SliceError {
    /// The job ends: a sentence for its owner. Its report is kept as the slice left it, and its state as it was before the
    /// slice, so that a retry does the slice again.
    #[error("{0}")]
    Failed(String),
    /// It is done again later, and nothing of it is saved.
    #[error(transparent)]
    Again(Error),
    /// The job is another's by now, or was changed meanwhile: nothing is saved.
    #[error("the job was changed meanwhile")]
    Gone,
}

impl<E: Into<Error>> From<E> for SliceError {
    fn from(error: E) -> Self {
        Self::Again(error.into())
    }
}

/// A job while a slice works on it. Whatever the slice writes here is saved if it goes well.
pub struct JobRun {
    /// Change `details`, `records`, `report`, `sub_status`; the rest by the methods here.
    pub job: Job,
    epoch: i64,
    tx: Option<Tx>,
}

impl JobRun {
    pub fn scope(&self) -> Scope {
        Scope(self.job.account)
    }

    /// What somebody did since the last slice that went well.
    pub fn signal(&self) -> Option<Signal> {
        self.job.signal
    }

    /// What the last slice, or whoever made the job, left.
    ///
    /// # Errors
    /// [`SliceError::Failed`] if it cannot be read: it was written by another release.
    pub fn state<T: DeserializeOwned>(&self) -> std::result::Result<T, SliceError> {
        serde_json::from_str(&self.job.state).map_err(|error| {
            let message =
                format!("what this job has done so far cannot be read ({error}): begin it again");
            SliceError::Failed(message)
        })
    }

    /// What the next slice is to find.
    ///
    /// # Errors
    /// [`SliceError::Again`] if it cannot be written as JSON: a mistake in our own code.
    pub fn set_state<T: Serialize>(&mut self, state: &T) -> std::result::Result<(), SliceError> {
        self.job.state = serde_json::to_string(state).map_err(Error::internal)?;
        Ok(())
    }

    /// Notes how far a step is; the steps before it are done by then.
    pub fn step(&mut self, name: &str, done: u64, total: Option<u64>) {
        advance(&mut self.job.steps, name, done, total);
    }

    /// Adds a member to the report.
    pub fn tell(&mut self, member: &str, value: impl Into<serde_json::Value>) {
        if let serde_json::Value::Object(report) = &mut self.job.report {
            report.insert(member.to_owned(), value.into());
        }
    }

    /// Lets what was written in a transaction of [`Hub::job_begin`] be saved together with the job's progress.
    pub fn keep(&mut self, tx: Tx) {
        self.tx = Some(tx);
    }
}

/// Which accounts have a slice under way, and of which job.
#[derive(Default)]
pub(super) struct Workers {
    busy: Mutex<HashMap<AccountId, Busy>>,
    nudge: Notify,
    /// What tests do in the place of the categories' slices.
    #[cfg(test)]
    script: Mutex<Option<tests::Script>>,
}

#[derive(Debug, Default)]
struct Busy {
    job: Option<JobId>,
    is_canceled: bool,
}

impl Workers {
    fn busy(&self) -> MutexGuard<'_, HashMap<AccountId, Busy>> {
        self.busy.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, account: AccountId, max: usize) -> bool {
        let mut busy = self.busy();
        if busy.len() >= max || busy.contains_key(&account) {
            return false;
        }
        busy.insert(account, Busy::default());
        true
    }

    pub(super) fn is_quiet_for(&self, is: impl Fn(AccountId) -> bool) -> bool {
        !self.busy().keys().any(|account| is(*account))
    }
}

/// An account whose slice is under way; free again when dropped, however that ends.
struct Working {
    hub: Arc<Hub>,
    account: AccountId,
}

impl Drop for Working {
    fn drop(&mut self) {
        let flow = &self.hub.flow;
        flow.jobs.busy().remove(&self.account);
        flow.nudge_jobs();
        flow.changed.notify_waiters();
    }
}

impl super::Flow {
    /// There may be a job whose turn it is.
    pub(crate) fn nudge_jobs(&self) {
        self.jobs.nudge.notify_one();
    }

    pub(super) async fn jobs_nudged(&self) {
        self.jobs.nudge.notified().await;
    }

    pub(super) fn jobs_are_quiet(&self) -> bool {
        self.jobs.busy().is_empty()
    }

    /// A slice of this job, if one is under way here, should stop soon.
    pub(crate) fn cancel_slice(&self, account: AccountId, job: JobId) {
        if let Some(busy) = self.jobs.busy().get_mut(&account)
            && busy.job == Some(job)
        {
            busy.is_canceled = true;
        }
    }
}

/// What one look at the jobs did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct JobsReport {
    /// Slices that were begun.
    pub slices: usize,
    /// It is no job's turn, and none is being worked on.
    pub is_idle: bool,
}

impl Hub {
    /// Begins a slice for each account that has a job whose turn it is, as far as there is room.
    pub async fn jobs(self: &Arc<Self>) -> Result<JobsReport> {
        let mut report = JobsReport::default();
        if self.flow.is_stopping() || !self.flow.is_live(&self.clock) {
            report.is_idle = self.flow.jobs_are_quiet();
            return Ok(report);
        }
        let mut tx = self.db.read().await?;
        let accounts = store::job::due_accounts(&mut tx, self.now(), ACCOUNTS_MAX).await?;
        drop(tx);
        let max = self.options.jobs.slices_max.max(1);
        for account in accounts {
            let is_ours = self.flow.runs(self.logs.shard(account));
            if !is_ours || !self.flow.jobs.begin(account, max) {
                continue;
            }
            report.slices += 1;
            let working = Working {
                hub: Arc::clone(self),
                account,
            };
            tokio::spawn(async move {
                if let Err(error) = working.hub.slice(account).await {
                    tracing::error!(
                        account_id = account.0,
                        error = &error as &dyn std::error::Error,
                        "a job could not be worked on, and is tried again"
                    );
                    tokio::time::sleep(PAUSE).await;
                }
            });
        }
        report.is_idle = report.slices == 0 && self.flow.jobs_are_quiet();
        Ok(report)
    }

    /// Does one slice of the job of an account whose turn it is.
    async fn slice(self: &Arc<Self>, account: AccountId) -> Result<()> {
        let Some(epoch) = self.flow.epoch(self.logs.shard(account)) else {
            return Ok(());
        };
        let mut tx = self.db.read().await?;
        let due = store::job::due(&mut tx, Scope(account), self.now()).await?;
        drop(tx);
        let Some(before) = due else {
            return Ok(());
        };
        if let Some(busy) = self.flow.jobs.busy().get_mut(&account) {
            busy.job = Some(before.id);
        }
        let mut run = JobRun {
            job: before.clone(),
            epoch,
            tx: None,
        };
        let started = Instant::now();
        // A mistake in one job's slice must not stop those of others.
        let outcome = AssertUnwindSafe(self.work_on(&mut run))
            .catch_unwind()
            .await;
        let outcome = outcome.unwrap_or_else(|_| {
            let what = format!("a slice of job {} panicked", before.id);
            Err(SliceError::Again(Error::internal(what)))
        });
        self.metrics
            .sliced(before.category, &outcome, started.elapsed());
        self.finish_slice(before, run, outcome).await
    }

    async fn work_on(self: &Arc<Self>, run: &mut JobRun) -> std::result::Result<Slice, SliceError> {
        #[cfg(test)]
        if let Some(script) = self.flow.jobs.script() {
            return script(run);
        }
        match run.job.category {
            JobCategory::SegmentExport | JobCategory::IdentityImport => {
                self.syndicate_slice(run).await
            }
            JobCategory::SegmentPopulateDb => self.refresh_slice(run).await,
            JobCategory::Gdpr => self.privacy_slice(run).await,
        }
    }

    /// A transaction for what a slice writes itself: under the shard's epoch, while nobody changes the job. Give it to
    /// [`JobRun::keep`] right after; it may not stay open for seconds.
    ///
    /// # Errors
    /// [`SliceError::Gone`], [`SliceError::Again`].
    pub async fn job_begin(&self, run: &mut JobRun) -> std::result::Result<Tx, SliceError> {
        let mut tx = self.db.begin().await?;
        let shard = self.logs.shard(run.job.account).0.into();
        if self.is_shared() && !store::lease::hold(&mut tx, shard, run.epoch).await? {
            return Err(SliceError::Gone);
        }
        let (id, revision) = (run.job.id, run.job.revision);
        if store::job::hold(&mut tx, run.scope(), id, revision).await? {
            Ok(tx)
        } else {
            Err(SliceError::Gone)
        }
    }

    /// Whether a slice should end as soon as it can: the process stops, the shard goes elsewhere, the job was canceled.
    pub fn job_should_stop(&self, run: &JobRun) -> bool {
        let busy = self.flow.jobs.busy();
        let is_canceled = busy
            .get(&run.job.account)
            .is_some_and(|busy| busy.is_canceled);
        drop(busy);
        is_canceled
            || self.flow.is_stopping()
            || !self.flow.runs(self.logs.shard(run.job.account))
            || !self.flow.is_live(&self.clock)
    }

    /// Saves how a slice ended.
    async fn finish_slice(
        &self,
        before: Job,
        mut run: JobRun,
        outcome: std::result::Result<Slice, SliceError>,
    ) -> Result<()> {
        let now = self.now();
        match outcome {
            Err(SliceError::Gone) => return Ok(()),
            Ok(slice) => settle_job(&mut run.job, slice, now),
            Err(SliceError::Failed(why)) => {
                let report = std::mem::take(&mut run.job.report);
                run.tx = None;
                run.job = before;
                run.job.report = report;
                fail(&mut run.job, why, now);
            }
            Err(SliceError::Again(error)) => {
                run.tx = None;
                run.job = before;
                again(&mut run.job, &error, now);
            }
        }
        let held = match run.tx.take() {
            Some(tx) => Ok(tx),
            None => self.job_begin(&mut run).await,
        };
        let mut tx = match held {
            Ok(tx) => tx,
            Err(SliceError::Again(error)) => return Err(error),
            Err(_) => return Ok(()),
        };
        let job = &run.job;
        if !store::job::update(&mut tx, run.scope(), job, now).await? {
            return Ok(());
        }
        if let Some((kind, message)) = news(job) {
            let endpoint = job.destination.or(job.producer);
            store::notice::insert(&mut tx, run.scope(), endpoint, kind, &message, now).await?;
        }
        Ok(tx.commit().await?)
    }
}

/// Enters how a slice went that went well.
fn settle_job(job: &mut Job, slice: Slice, now: Timestamp) {
    job.signal = None;
    job.error = None;
    job.failures = 0;
    job.started_at = job.started_at.or(Some(now));
    job.next_at = None;
    match slice {
        Slice::More => {
            job.status = JobStatus::InProgress;
            job.next_at = Some(now);
        }
        Slice::Wait { until } => {
            job.status = JobStatus::InProgress;
            job.next_at = Some(until.max(now));
        }
        Slice::WaitForData => job.status = JobStatus::WaitingToReceiveData,
        Slice::Ready => job.status = JobStatus::ReadyForDownload,
        Slice::Ask { question } => {
            job.status = JobStatus::WaitingForApproval;
            job.question = Some(question);
        }
        Slice::Done => {
            job.status = JobStatus::Completed;
            job.sub_status = None;
            job.finished_at = Some(now);
            for step in &mut job.steps {
                step.state = model::job::StepState::Done;
            }
        }
    }
}

fn fail(job: &mut Job, why: String, now: Timestamp) {
    job.status = JobStatus::Failed;
    job.sub_status = None;
    job.started_at = job.started_at.or(Some(now));
    job.error = Some(why);
    job.next_at = None;
    job.finished_at = Some(now);
}

/// It is tried again later: after what the error asks for, or ever more rarely.
fn again(job: &mut Job, error: &Error, now: Timestamp) {
    tracing::warn!(
        job_id = job.id.0,
        account_id = job.account.0,
        failures = job.failures + 1,
        error = error as &dyn std::error::Error,
        "a slice of a job did not go well and is tried again"
    );
    job.failures += 1;
    if matches!(error, Error::Internal(_)) && job.failures >= FAULTS_MAX {
        fail(job, error.to_string(), now);
        return;
    }
    let asked = match error {
        Error::Busy { retry_after, .. } | Error::Unavailable { retry_after, .. } => *retry_after,
        _ => Duration::ZERO,
    };
    let doubled = Duration::from_secs(1 << (job.failures - 1).min(16));
    job.status = JobStatus::InProgress;
    job.started_at = job.started_at.or(Some(now));
    job.error = Some(error.to_string());
    job.next_at = Some(now + doubled.min(AGAIN_AFTER_MAX).max(asked));
}

/// What people must know of how a slice ended.
fn news(job: &Job) -> Option<(&'static str, String)> {
    let what = format!("job {} ({})", job.id, job.category.as_str());
    match job.status {
        JobStatus::Failed => {
            let why = job.error.as_deref().unwrap_or_default();
            Some(("job-failed", format!("{what} has failed: {why}")))
        }
        JobStatus::WaitingForApproval => {
            let question = job.question.as_deref().unwrap_or_default();
            Some((
                "job-asks",
                format!("{what} waits for an answer: {question}"),
            ))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
