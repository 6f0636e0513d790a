//! Jobs: work that is done in slices by whoever runs its account's shard.
//!
//! A job's row is changed by its slices and by calls from other processes (uploads, cancellations, answers). Each change
//! raises `revision`, and a slice's result is written only on the revision with which the slice began: what somebody did
//! meanwhile is never written over. Called by `hub/job` and `hub/flow/jobs`.

use engine::{Row, Tx, Value};
use jiff::Timestamp;
use model::job::{ExportDetails, JobCategory, JobStatus, Records, Signal, Step};
use model::{AccountId, EndpointId, JobId, ShareId};

use crate::{Page, Result, Scope, first, from_json, sequence, to_json, word};

/// A job as it is remembered.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    pub id: JobId,
    pub account: AccountId,
    pub category: JobCategory,
    pub status: JobStatus,
    /// More than the status says; for people and for clients that look at it. `None`: the status says it all.
    pub sub_status: Option<String>,
    pub name: String,
    /// The endpoints whose keys may see it: where its data comes from, and where it goes.
    pub producer: Option<EndpointId>,
    pub destination: Option<EndpointId>,
    pub share: Option<ShareId>,
    pub details: ExportDetails,
    /// JSON that is the business of the category's slices alone.
    pub state: String,
    pub steps: Vec<Step>,
    pub records: Records,
    /// Why it failed, or why its last slice is tried again.
    pub error: Option<String>,
    /// What a person is asked, while it waits for approval.
    pub question: Option<String>,
    /// JSON for people: what the job found and what came of it. An object.
    pub report: serde_json::Value,
    /// What somebody did since its last slice.
    pub signal: Option<Signal>,
    /// The data file that was uploaded for it.
    pub upload: Option<String>,
    /// JSON that came with an upload, or alone.
    pub metadata: Option<String>,
    /// Slices in a row that failed and are tried again.
    pub failures: u32,
    pub revision: i64,
    pub created_at: Timestamp,
    pub started_at: Option<Timestamp>,
    pub updated_at: Timestamp,
    pub finished_at: Option<Timestamp>,
    /// When it is its turn; `None`: when somebody did something, or never.
    pub next_at: Option<Timestamp>,
}

/// A job to be.
#[derive(Debug, Clone)]
pub struct NewJob {
    pub category: JobCategory,
    /// [`JobStatus::Scheduled`], or one of those that wait for somebody.
    pub status: JobStatus,
    /// `None`: [`JobCategory::job_name`].
    pub name: Option<String>,
    pub producer: Option<EndpointId>,
    pub destination: Option<EndpointId>,
    pub share: Option<ShareId>,
    pub details: ExportDetails,
    /// JSON that its first slice will read.
    pub state: String,
    /// Steps that are known from the start, in their order.
    pub steps: Vec<Step>,
    /// Not before this time.
    pub first_at: Timestamp,
}

const COLUMNS: &str = "id, account_id, category, status, sub_status, name, producer_id, destination_id, share_id, details, state, steps, records,
    error, question, report, signal, upload, metadata, failures, revision, created_at, started_at, updated_at, finished_at, next_at";

/// Which jobs go on by themselves.
const ACTIVE: &str = "status IN ('SCHEDULED', 'IN_PROGRESS')";

pub async fn insert(tx: &mut Tx, scope: Scope, new: &NewJob, now: Timestamp) -> Result<JobId> {
    let id = sequence::take(tx, "job", 1).await?;
    let sql = "INSERT INTO job (id, account_id, category, status, sub_status, name, producer_id, destination_id, share_id, details, state,
                   steps, records, report, failures, revision, created_at, updated_at, next_at)
               VALUES ($1, $2, $3, $4, NULL, $5, $6, $7, $8, $9, $10, $11, $12, '{}', 0, 1, $13, $13, $14)";
    let is_active = new.status.is_active();
    let name = new.name.as_deref();
    let params = [
        Value::from(id),
        Value::from(scope.0.0),
        Value::from(new.category.as_str()),
        Value::from(new.status.as_str()),
        Value::from(name.unwrap_or(new.category.job_name())),
        Value::from(new.producer.map(|e| e.0)),
        Value::from(new.destination.map(|e| e.0)),
        Value::from(new.share.map(|s| s.0)),
        Value::from(to_json(&new.details)),
        Value::from(new.state.as_str()),
        Value::from(to_json(&new.steps)),
        Value::from(to_json(&Records::default())),
        Value::from(now),
        Value::from(is_active.then_some(new.first_at)),
    ];
    tx.execute(sql, &params).await?;
    Ok(JobId(id))
}

pub async fn get(tx: &mut Tx, scope: Scope, id: JobId) -> Result<Option<Job>> {
    let sql = format!("SELECT {COLUMNS} FROM job WHERE account_id = $1 AND id = $2");
    first(tx, &sql, &[Value::from(scope.0.0), Value::from(id.0)])
        .await?
        .map(|row| read(&row))
        .transpose()
}

/// Which jobs of a list.
#[derive(Debug, Clone, Copy, Default)]
pub struct JobFilter {
    pub category: Option<JobCategory>,
    pub status: Option<JobStatus>,
    /// Where the data comes from or goes to.
    pub endpoint: Option<EndpointId>,
    pub share: Option<ShareId>,
    /// The newest first; then `after` of the page is the id before which the page begins, and 0 stands for none.
    pub is_newest_first: bool,
}

pub async fn list(tx: &mut Tx, scope: Scope, filter: JobFilter, page: Page) -> Result<Vec<Job>> {
    listed(tx, Some(scope), filter, page).await
}

/// Of all accounts; the operator's list.
pub async fn list_everywhere(tx: &mut Tx, filter: JobFilter, page: Page) -> Result<Vec<Job>> {
    listed(tx, None, filter, page).await
}

async fn listed(
    tx: &mut Tx,
    scope: Option<Scope>,
    filter: JobFilter,
    page: Page,
) -> Result<Vec<Job>> {
    // Ids of accounts begin with 1.
    let whose = if scope.is_some() {
        "account_id = $1"
    } else {
        "account_id > $1"
    };
    let (after, order) = if filter.is_newest_first {
        ("($6 = 0 OR id < $6)", "DESC")
    } else {
        ("id > $6", "ASC")
    };
    let sql = format!(
        "SELECT {COLUMNS} FROM job WHERE {whose} AND ($2 = '' OR category = $2) AND ($3 = '' OR status = $3)
         AND ($4 = 0 OR producer_id = $4 OR destination_id = $4) AND ($5 = 0 OR share_id = $5) AND {after}
         ORDER BY id {order} LIMIT $7"
    );
    let params = [
        Value::from(scope.map_or(0, |scope| scope.0.0)),
        Value::from(filter.category.map_or("", JobCategory::as_str)),
        Value::from(filter.status.map_or("", JobStatus::as_str)),
        Value::from(filter.endpoint.map_or(0, |e| e.0)),
        Value::from(filter.share.map_or(0, |s| s.0)),
        Value::from(page.after),
        Value::from(page.limit),
    ];
    tx.rows(&sql, &params).await?.iter().map(read).collect()
}

/// How many jobs of an account have not ended.
pub async fn count_open(tx: &mut Tx, scope: Scope) -> Result<u64> {
    let sql = "SELECT COUNT(*) AS open FROM job WHERE account_id = $1 AND finished_at IS NULL";
    let row = first(tx, sql, &[Value::from(scope.0.0)]).await?;
    let open: i64 = row.map_or(Ok(0), |row| row.get("open"))?;
    Ok(crate::position(open))
}

/// Writes a job as it is, if it still has the revision that is named in it; `false` if somebody changed it meanwhile. What
/// never changes (account, category, endpoints, share, time of creation) is not written.
pub async fn update(tx: &mut Tx, scope: Scope, job: &Job, now: Timestamp) -> Result<bool> {
    let sql = "UPDATE job SET status = $4, sub_status = $5, details = $6, state = $7, steps = $8, records = $9, error = $10, question = $11,
                   report = $12, signal = $13, upload = $14, metadata = $15, failures = $16, started_at = $17, finished_at = $18,
                   next_at = $19, updated_at = $20, revision = revision + 1
               WHERE account_id = $1 AND id = $2 AND revision = $3";
    let params = [
        Value::from(scope.0.0),
        Value::from(job.id.0),
        Value::from(job.revision),
        Value::from(job.status.as_str()),
        Value::from(job.sub_status.as_deref()),
        Value::from(to_json(&job.details)),
        Value::from(job.state.as_str()),
        Value::from(to_json(&job.steps)),
        Value::from(to_json(&job.records)),
        Value::from(job.error.as_deref()),
        Value::from(job.question.as_deref()),
        Value::from(to_json(&job.report)),
        Value::from(job.signal.map(Signal::as_str)),
        Value::from(job.upload.as_deref()),
        Value::from(job.metadata.as_deref()),
        Value::from(job.failures),
        Value::from(job.started_at),
        Value::from(job.finished_at),
        Value::from(job.next_at),
        Value::from(now),
    ];
    Ok(tx.execute(sql, &params).await? > 0)
}

/// Keeps others from changing a job until the transaction ends; `false` if it no longer has this revision.
pub async fn hold(tx: &mut Tx, scope: Scope, id: JobId, revision: i64) -> Result<bool> {
    let sql =
        "UPDATE job SET failures = failures WHERE account_id = $1 AND id = $2 AND revision = $3";
    let params = [
        Value::from(scope.0.0),
        Value::from(id.0),
        Value::from(revision),
    ];
    Ok(tx.execute(sql, &params).await? > 0)
}

/// The accounts that have a job whose turn it is: those that have waited longest come first.
pub async fn due_accounts(tx: &mut Tx, now: Timestamp, limit: i64) -> Result<Vec<AccountId>> {
    let sql = format!(
        "SELECT account_id FROM job WHERE next_at <= $1 AND {ACTIVE} GROUP BY account_id ORDER BY MIN(next_at), account_id LIMIT $2"
    );
    let rows = tx
        .rows(&sql, &[Value::from(now), Value::from(limit)])
        .await?;
    rows.iter()
        .map(|row| Ok(AccountId(row.get("account_id")?)))
        .collect()
}

/// The job of an account whose turn it is: the one that has waited longest.
pub async fn due(tx: &mut Tx, scope: Scope, now: Timestamp) -> Result<Option<Job>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM job WHERE account_id = $1 AND next_at <= $2 AND {ACTIVE} ORDER BY next_at, id LIMIT 1"
    );
    first(tx, &sql, &[Value::from(scope.0.0), Value::from(now)])
        .await?
        .map(|row| read(&row))
        .transpose()
}

/// Jobs of any account that ended before this time, oldest first: for retention.
pub async fn finished_before(tx: &mut Tx, before: Timestamp, limit: i64) -> Result<Vec<Job>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM job WHERE finished_at < $1 ORDER BY finished_at, id LIMIT $2"
    );
    let params = [Value::from(before), Value::from(limit)];
    tx.rows(&sql, &params).await?.iter().map(read).collect()
}

/// Jobs of any account for which nobody has done anything since this time, though they wait for somebody.
pub async fn forgotten_since(tx: &mut Tx, since: Timestamp, limit: i64) -> Result<Vec<Job>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM job WHERE finished_at IS NULL AND updated_at < $1
         AND status IN ('WAITING_TO_RECIEVE_DATA', 'WAITING_FOR_APPROVAL', 'READY_FOR_DOWNLOAD') ORDER BY updated_at, id LIMIT $2"
    );
    let params = [Value::from(since), Value::from(limit)];
    tx.rows(&sql, &params).await?.iter().map(read).collect()
}

/// Forgets a job.
pub async fn delete(tx: &mut Tx, scope: Scope, id: JobId) -> Result<bool> {
    let sql = "DELETE FROM job WHERE account_id = $1 AND id = $2";
    let params = [Value::from(scope.0.0), Value::from(id.0)];
    Ok(tx.execute(sql, &params).await? > 0)
}

fn category(row: &Row) -> Result<JobCategory> {
    let text: String = row.get("category")?;
    word("job category", &text, JobCategory::parse)
}

fn status(row: &Row) -> Result<JobStatus> {
    let text: String = row.get("status")?;
    word("job status", &text, JobStatus::parse)
}

fn read(row: &Row) -> Result<Job> {
    Ok(Job {
        id: JobId(row.get("id")?),
        account: AccountId(row.get("account_id")?),
        category: category(row)?,
        status: status(row)?,
        sub_status: row.get("sub_status")?,
        name: row.get("name")?,
        producer: row.get::<Option<i64>>("producer_id")?.map(EndpointId),
        destination: row.get::<Option<i64>>("destination_id")?.map(EndpointId),
        share: row.get::<Option<i64>>("share_id")?.map(ShareId),
        details: from_json("job details", &row.get::<String>("details")?)?,
        state: row.get("state")?,
        steps: from_json("job steps", &row.get::<String>("steps")?)?,
        records: from_json("job records", &row.get::<String>("records")?)?,
        error: row.get("error")?,
        question: row.get("question")?,
        report: from_json("job report", &row.get::<String>("report")?)?,
        signal: row
            .get::<Option<String>>("signal")?
            .map(|text| word("job signal", &text, Signal::parse))
            .transpose()?,
        upload: row.get("upload")?,
        metadata: row.get("metadata")?,
        failures: u32::try_from(row.get::<i64>("failures")?).unwrap_or(u32::MAX),
        revision: row.get("revision")?,
        created_at: row.get("created_at")?,
        started_at: row.get("started_at")?,
        updated_at: row.get("updated_at")?,
        finished_at: row.get("finished_at")?,
        next_at: row.get("next_at")?,
    })
}
