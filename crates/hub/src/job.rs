//! Jobs: made by other verbs, looked at, canceled, taken up again, answered, given their data and relieved of what they
//! made. What they do is `flow/jobs`' business.
//!
//! Called by `api` (the published API for endpoints, `/manage/v1` for people) and by the verbs that make jobs. A change
//! is written on the revision of the job that was seen, so that neither a slice nor another call is written over.

mod retire;
mod upload;

use engine::Tx;
use jiff::Timestamp;
use model::job::{JobStatus, Signal};
use model::{EndpointId, JobId};
use serde_json::json;
use store::data_file::DataFile;
use store::job::{Job, JobFilter, NewJob};

use crate::data_file::Reader;
use crate::{Actor, Error, Hub, Page, Result, Scope};

pub use upload::Upload;

/// How often a change is tried anew when the job was changed between being read and being written.
const TRIES_MAX: usize = 20;

/// A change of a job: it looks at the job and changes it, or says why it cannot be.
type Change<'a> = &'a (dyn Fn(&mut Job, Timestamp) -> Result<()> + Sync);

impl Hub {
    /// Makes a job in the caller's transaction. Nudge the flow when that is committed ([`Hub::jobs_nudge`]).
    ///
    /// # Errors
    /// [`Error::Conflict`] if the account has too many jobs that have not ended.
    pub(crate) async fn job_insert(&self, tx: &mut Tx, scope: Scope, new: NewJob) -> Result<JobId> {
        let open_max = self.options.jobs.open_max;
        if store::job::count_open(tx, scope).await? >= open_max {
            return Err(Error::Conflict(format!(
                "this account has {open_max} jobs that have not ended ([jobs] open_max): wait for them, or cancel those \
                 that nobody needs"
            )));
        }
        Ok(store::job::insert(tx, scope, &new, self.now()).await?)
    }

    /// Makes a job in a transaction of its own.
    ///
    /// # Errors
    /// As [`Hub::job_insert`].
    pub async fn job_create(&self, actor: &Actor, scope: Scope, new: NewJob) -> Result<JobId> {
        let mut tx = self.db.begin().await?;
        let detail = json!({ "category": new.category.as_str(), "shareId": new.share });
        let id = self.job_insert(&mut tx, scope, new).await?;
        let subject = format!("job {id}");
        self.audit(&mut tx, Some(scope), actor, ("job.create", subject), detail)
            .await?;
        tx.commit().await?;
        self.jobs_nudge();
        Ok(id)
    }

    /// There is a job whose turn it is.
    pub(crate) fn jobs_nudge(&self) {
        self.flow.nudge_jobs();
    }

    /// A job of the account; with an endpoint, only one that this endpoint gives data to or takes data from.
    ///
    /// # Errors
    /// [`Error::NotFound`], also for those of others.
    pub async fn job_get(
        &self,
        scope: Scope,
        endpoint: Option<EndpointId>,
        id: JobId,
    ) -> Result<Job> {
        let mut tx = self.db.read().await?;
        seen(&mut tx, scope, endpoint, id).await
    }

    /// Jobs in the order of their ids.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn job_list(&self, scope: Scope, filter: JobFilter, page: Page) -> Result<Vec<Job>> {
        let mut tx = self.db.read().await?;
        Ok(store::job::list(&mut tx, scope, filter, page).await?)
    }

    /// Jobs of all accounts in the order of their ids; the operator's list.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn jobs_everywhere(&self, filter: JobFilter, page: Page) -> Result<Vec<Job>> {
        let mut tx = self.db.read().await?;
        Ok(store::job::list_everywhere(&mut tx, filter, page).await?)
    }

    /// Ends a job that has not ended. A slice that is under way ends without being saved.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Conflict`] if it has ended.
    pub async fn job_cancel(&self, actor: &Actor, scope: Scope, id: JobId) -> Result<Job> {
        let change = |job: &mut Job, now| {
            if job.status.is_final() {
                return Err(conflict(job, "has ended and cannot be canceled"));
            }
            cancel(job, now);
            Ok(())
        };
        let job = self
            .job_change(actor, scope, (None, id), "job.cancel", &change)
            .await?;
        self.flow.cancel_slice(scope.0, id);
        Ok(job)
    }

    /// Takes up a job that failed or was canceled where it stopped.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Conflict`] if it has not ended, or ended well.
    pub async fn job_retry(&self, actor: &Actor, scope: Scope, id: JobId) -> Result<Job> {
        let change = |job: &mut Job, now| {
            if !matches!(job.status, JobStatus::Failed | JobStatus::Canceled) {
                return Err(conflict(
                    job,
                    "can be retried when it has failed or was canceled",
                ));
            }
            job.error = None;
            job.failures = 0;
            job.finished_at = None;
            go_on(job, Signal::Again, now);
            Ok(())
        };
        self.job_change(actor, scope, (None, id), "job.retry", &change)
            .await
    }

    /// Answers the question of a job that waits for approval: it goes on, or is canceled.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Conflict`] if it asks nothing.
    pub async fn job_approve(
        &self,
        actor: &Actor,
        scope: Scope,
        id: JobId,
        is_approved: bool,
    ) -> Result<Job> {
        let who = actor.to_string();
        let change = |job: &mut Job, now| {
            if job.status != JobStatus::WaitingForApproval {
                return Err(conflict(job, "asks nothing"));
            }
            let question = job.question.take().unwrap_or_default();
            if is_approved {
                go_on(job, Signal::Approved, now);
            } else {
                job.error = Some(format!("refused by {who}: {question}"));
                cancel(job, now);
            }
            Ok(())
        };
        let action = if is_approved {
            "job.approve"
        } else {
            "job.refuse"
        };
        self.job_change(actor, scope, (None, id), action, &change)
            .await
    }

    /// Whoever was to fetch what a job made has done so. Again, it is the same.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Conflict`] if there was nothing to fetch.
    pub async fn job_fetched(
        &self,
        actor: &Actor,
        scope: Scope,
        (endpoint, id): (Option<EndpointId>, JobId),
    ) -> Result<Job> {
        let known = self.job_get(scope, endpoint, id).await?;
        if endpoint.is_some() && known.destination != endpoint {
            return Err(conflict(
                &known,
                "is for its destination to fetch, which is another endpoint",
            ));
        }
        if known.status == JobStatus::Completed && known.details.data_files.is_some()
            || known.signal == Some(Signal::Fetched)
        {
            return Ok(known);
        }
        let change = |job: &mut Job, now| {
            if job.status != JobStatus::ReadyForDownload {
                return Err(conflict(job, "has nothing to be fetched"));
            }
            go_on(job, Signal::Fetched, now);
            Ok(())
        };
        self.job_change(actor, scope, (endpoint, id), "job.fetched", &change)
            .await
    }

    /// A file that a job made for its destination, one of those named in `segmentDataFiles`.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn job_download(
        &self,
        scope: Scope,
        endpoint: Option<EndpointId>,
        (id, path): (JobId, &str),
    ) -> Result<Reader> {
        let job = self.job_get(scope, endpoint, id).await?;
        let is_theirs = endpoint.is_none() || job.destination == endpoint;
        let files = job.details.data_files.unwrap_or_default();
        if !is_theirs || !files.iter().any(|file| file == path) {
            return Err(Error::not_found("data file", path));
        }
        self.data_file_read(scope, id, path).await
    }

    /// Somebody has asked for the end of a file that a job made for its destination.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn job_downloaded(&self, file: &DataFile) -> Result<()> {
        if file.fetched_at.is_some() {
            return Ok(());
        }
        let (scope, now) = (Scope(file.account), self.now());
        let mut tx = self.db.begin().await?;
        store::data_file::mark_fetched(&mut tx, scope, (file.job, &file.name), now).await?;
        Ok(tx.commit().await?)
    }

    /// The files of a job that people may fetch: what it made, reports included. What was uploaded is its uploader's.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such job.
    pub async fn job_files(&self, scope: Scope, id: JobId) -> Result<Vec<DataFile>> {
        self.job_get(scope, None, id).await?;
        let files = self.data_files(scope, id).await?.into_iter();
        Ok(files.filter(is_made).collect())
    }

    /// One of [`Hub::job_files`].
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn job_file(&self, scope: Scope, id: JobId, name: &str) -> Result<Reader> {
        let reader = self.data_file_read(scope, id, name).await?;
        if is_made(&reader.file) {
            Ok(reader)
        } else {
            Err(Error::not_found("data file", name))
        }
    }

    /// Changes a job for somebody, whoever else changes it meanwhile.
    async fn job_change(
        &self,
        actor: &Actor,
        scope: Scope,
        (endpoint, id): (Option<EndpointId>, JobId),
        action: &str,
        change: Change<'_>,
    ) -> Result<Job> {
        for _ in 0..TRIES_MAX {
            let now = self.now();
            let mut tx = self.db.begin().await?;
            let mut job = seen(&mut tx, scope, endpoint, id).await?;
            let before = job.status;
            change(&mut job, now)?;
            if !store::job::update(&mut tx, scope, &job, now).await? {
                continue;
            }
            let detail = json!({ "category": job.category.as_str(), "before": before.as_str(), "after": job.status.as_str() });
            let subject = format!("job {id}");
            self.audit(&mut tx, Some(scope), actor, (action, subject), detail)
                .await?;
            tx.commit().await?;
            job.revision += 1;
            job.updated_at = now;
            self.jobs_nudge();
            return Ok(job);
        }
        Err(Error::Conflict(format!(
            "job {id} is changing too fast: try again"
        )))
    }
}

async fn seen(tx: &mut Tx, scope: Scope, endpoint: Option<EndpointId>, id: JobId) -> Result<Job> {
    let job = store::job::get(tx, scope, id).await?;
    let is_theirs =
        |job: &Job| endpoint.is_none() || [job.producer, job.destination].contains(&endpoint);
    job.filter(is_theirs)
        .ok_or_else(|| Error::not_found("job", id))
}

fn is_made(file: &DataFile) -> bool {
    file.is_complete && !upload::is_upload(&file.name)
}

fn cancel(job: &mut Job, now: Timestamp) {
    job.status = JobStatus::Canceled;
    job.sub_status = None;
    job.question = None;
    job.signal = None;
    job.next_at = None;
    job.finished_at = Some(now);
}

/// It is its turn again.
fn go_on(job: &mut Job, signal: Signal, now: Timestamp) {
    job.status = JobStatus::Scheduled;
    job.sub_status = None;
    job.signal = Some(signal);
    job.next_at = Some(now);
}

fn conflict(job: &Job, what: &str) -> Error {
    Error::Conflict(format!(
        "job {} is {} and {what}",
        job.id,
        job.status.as_str()
    ))
}
