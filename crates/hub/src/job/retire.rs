//! Retention of jobs: what has ended is forgotten with its files, what waits for somebody for too long fails, and uploads
//! that broke off are cleared away.
//!
//! Called by `flow/retire`. Any process may do it, also two at once.

use model::job::JobStatus;
use store::job::Job;

use crate::{Actor, Hub, Result, Scope};

/// Jobs and files looked at in one step.
const STEP: i64 = 200;
/// An upload to which nothing was added for so long has broken off: nobody sends one file for a day.
const UPLOAD_AGE_MAX: jiff::SignedDuration = jiff::SignedDuration::from_hours(24);

impl Hub {
    /// Answers how many jobs were forgotten.
    pub(crate) async fn retire_jobs(&self) -> Result<u64> {
        let now = self.now();
        let mut tx = self.db.read().await?;
        let before = now - self.options.jobs.keep;
        let old = store::job::finished_before(&mut tx, before, STEP).await?;
        let since = now - self.options.jobs.patience;
        let forgotten = store::job::forgotten_since(&mut tx, since, STEP).await?;
        let left = store::data_file::left_since(&mut tx, now - UPLOAD_AGE_MAX, STEP).await?;
        drop(tx);
        for job in &old {
            // The files first: what is forgotten can no longer be found.
            self.data_files_delete(Scope(job.account), job.id).await?;
            let mut tx = self.db.begin().await?;
            store::job::delete(&mut tx, Scope(job.account), job.id).await?;
            tx.commit().await?;
        }
        for job in forgotten {
            self.job_give_up(job).await?;
        }
        for file in left {
            self.data_file_delete(Scope(file.account), file.job, &file.name)
                .await?;
        }
        Ok(old.len() as u64)
    }

    /// Nobody did what a job waits for. Where all its files were fetched and nobody said so, that is taken for said: clients
    /// of the field do not know the call.
    async fn job_give_up(&self, mut job: Job) -> Result<()> {
        let now = self.now();
        if job.status == JobStatus::ReadyForDownload && self.is_fetched(&job).await? {
            let scope = Scope(job.account);
            self.job_fetched(&Actor::EXCHANGE, scope, (None, job.id))
                .await?;
            return Ok(());
        }
        let days = self.options.jobs.patience.as_secs() / 86_400;
        let what = match job.status {
            JobStatus::WaitingToReceiveData => "uploaded data for it",
            JobStatus::WaitingForApproval => "answered its question",
            _ => "fetched what it made and said so",
        };
        let why = format!("nobody has {what} within {days} days");
        job.status = JobStatus::Failed;
        job.sub_status = None;
        job.question = None;
        job.next_at = None;
        job.finished_at = Some(now);
        let scope = Scope(job.account);
        let message = format!(
            "job {} ({}) has failed: {why}",
            job.id,
            job.category.as_str()
        );
        job.error = Some(why);
        let mut tx = self.db.begin().await?;
        if store::job::update(&mut tx, scope, &job, now).await? {
            let endpoint = job.producer.or(job.destination);
            store::notice::insert(&mut tx, scope, endpoint, "job-failed", &message, now).await?;
            tx.commit().await?;
        }
        Ok(())
    }

    async fn is_fetched(&self, job: &Job) -> Result<bool> {
        let files = self.data_files(Scope(job.account), job.id).await?;
        let named = job.details.data_files.as_deref().unwrap_or_default();
        let mut named = named.iter();
        Ok(named.all(|name| {
            let file = files.iter().find(|file| file.name == *name);
            file.is_some_and(|file| file.fetched_at.is_some())
        }))
    }
}
