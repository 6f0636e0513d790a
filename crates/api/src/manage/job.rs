//! `/manage/v1/accounts/{accountId}/jobs`: what works for an account, how far it is and what came of it; to cancel it, to
//! take it up again, to answer what it asks, and to fetch its reports.

use axum::Json;
use axum::extract::{RawPathParams, State};
use axum::http::HeaderMap;
use axum::response::Response;
use hub::{DataFile, Job, JobFilter};
use jiff::Timestamp;
use model::job::{JobCategory, JobStatus};
use model::{EndpointId, JobId, ShareId};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::Answer;
use super::input::{Id, Within};
use super::page::{List, Params, paged};
use crate::ApiState;
use crate::caller::{AccountMember, AccountViewer, Caller};
use crate::door::{About, Door};
use crate::file;
use crate::job::view::{RecordsView, StepView};
use crate::problem::Problem;

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct JobView {
    id: i64,
    /// `SEGMENT_EXPORT`, `IDENTITY_IMPORT`, `SEGMENT_POPULATE_DB` or `gdprRequest`.
    category: &'static str,
    /// `SCHEDULED`, `IN_PROGRESS`, `WAITING_TO_RECIEVE_DATA`, `WAITING_FOR_APPROVAL`, `READY_FOR_DOWNLOAD`, `COMPLETED`,
    /// `FAILED` or `CANCELED`.
    status: &'static str,
    sub_status: Option<String>,
    name: String,
    producer_endpoint_id: Option<i64>,
    destination_endpoint_id: Option<i64>,
    share_id: Option<i64>,
    steps: Vec<StepView>,
    records: RecordsView,
    /// Why it failed, or why it is tried again.
    error: Option<String>,
    /// What it waits to be told: `approve` or `refuse`.
    question: Option<String>,
    #[schemars(with = "String")]
    created_at: Timestamp,
    #[schemars(with = "Option<String>")]
    started_at: Option<Timestamp>,
    #[schemars(with = "Option<String>")]
    finished_at: Option<Timestamp>,
    /// When it goes on by itself.
    #[schemars(with = "Option<String>")]
    next_at: Option<Timestamp>,
}

/// With what it works on and what came of it.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct JobDetail {
    #[serde(flatten)]
    job: JobView,
    /// The audience, where it goes, and what becomes of it on the way.
    details: Value,
    /// What was found and what came of it.
    report: Value,
    /// What can be fetched.
    files: Vec<FileView>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct FileView {
    name: String,
    content_type: String,
    size_bytes: u64,
    sha256: Option<String>,
    #[schemars(with = "String")]
    created_at: Timestamp,
}

impl From<DataFile> for FileView {
    fn from(file: DataFile) -> Self {
        Self {
            name: file.name,
            content_type: file.content_type,
            size_bytes: file.size_bytes,
            sha256: file.digest,
            created_at: file.created_at,
        }
    }
}

fn view(job: Job) -> JobView {
    JobView {
        id: job.id.0,
        category: job.category.as_str(),
        status: job.status.as_str(),
        sub_status: job.sub_status,
        name: job.name,
        producer_endpoint_id: job.producer.map(|id| id.0),
        destination_endpoint_id: job.destination.map(|id| id.0),
        share_id: job.share.map(|id| id.0),
        steps: job.steps.into_iter().map(StepView::from).collect(),
        records: job.records.into(),
        error: job.error,
        question: job.question,
        created_at: job.created_at,
        started_at: job.started_at,
        finished_at: job.finished_at,
        next_at: job.next_at,
    }
}

const JOBS: &str = "/manage/v1/accounts/{accountId}/jobs";
const JOB: &str = "/manage/v1/accounts/{accountId}/jobs/{jobId}";

pub(super) fn routes(door: &mut Door) {
    let about = paged(About::new("Jobs, the newest first"))
        .query("category", "such as `SEGMENT_EXPORT`; all if not given")
        .query("status", "such as `IN_PROGRESS`; all if not given")
        .query("endpointId", "only those that take from it or give to it")
        .query("shareId", "only the runs of this share")
        .answers::<List<JobView>>();
    door.get(JOBS, list, about);
    let about = About::new("A job, what it works on, and what came of it");
    door.get(JOB, get, about.answers::<JobDetail>());
    let about = About::new("A file that a job made: a report, or what it hands over");
    door.get(
        "/manage/v1/accounts/{accountId}/jobs/{jobId}/files/{name}",
        fetch,
        about.media("text/csv"),
    );
    let about = |summary| About::new(summary).answers::<JobView>();
    door.post(
        "/manage/v1/accounts/{accountId}/jobs/{jobId}/cancel",
        cancel,
        about("End a job that has not ended"),
    );
    door.post(
        "/manage/v1/accounts/{accountId}/jobs/{jobId}/retry",
        retry,
        about("Take up a job that failed or was canceled where it stopped"),
    );
    door.post(
        "/manage/v1/accounts/{accountId}/jobs/{jobId}/approve",
        approve,
        about("Let a job go on that asks whether it may"),
    );
    door.post(
        "/manage/v1/accounts/{accountId}/jobs/{jobId}/refuse",
        refuse,
        about("Cancel a job that asks whether it may go on"),
    );
}

async fn list(
    _caller: Caller<AccountViewer>,
    State(state): State<ApiState>,
    Within(scope): Within,
    mut params: Params,
) -> Answer<List<JobView>> {
    let categories = JobCategory::ALL.map(JobCategory::as_str).join(", ");
    let statuses = JobStatus::ALL.map(JobStatus::as_str).join(", ");
    let filter = JobFilter {
        category: params.word("category", &categories, JobCategory::parse),
        status: params.word("status", &statuses, JobStatus::parse),
        endpoint: params.id::<EndpointId>("endpointId"),
        share: params.id::<ShareId>("shareId"),
        is_newest_first: true,
    };
    let paging = params.paging();
    params.finish()?;
    let jobs = state.hub.job_list(scope, filter, paging.page()).await?;
    Ok(Json(paging.list(jobs, |job| job.id.0, view)))
}

async fn get(
    _caller: Caller<AccountViewer>,
    State(state): State<ApiState>,
    Within(scope): Within,
    Id(id): Id<JobId>,
) -> Answer<JobDetail> {
    let job = state.hub.job_get(scope, None, id).await?;
    let files = state.hub.job_files(scope, id).await?;
    let details = serde_json::to_value(&job.details).map_err(hub::Error::internal)?;
    Ok(Json(JobDetail {
        details,
        report: job.report.clone(),
        job: view(job),
        files: files.into_iter().map(FileView::from).collect(),
    }))
}

async fn fetch(
    _caller: Caller<AccountMember>,
    State(state): State<ApiState>,
    Within(scope): Within,
    Id(id): Id<JobId>,
    (params, asked): (RawPathParams, HeaderMap),
) -> Result<Response, Problem> {
    let name = params.iter().find(|(name, _)| *name == "name");
    let name = name.map_or("", |(_, value)| value);
    let reader = state.hub.job_file(scope, id, name).await?;
    Ok(file::serve(reader, &asked).0)
}

async fn cancel(
    caller: Caller<AccountMember>,
    State(state): State<ApiState>,
    Within(scope): Within,
    Id(id): Id<JobId>,
) -> Answer<JobView> {
    let job = state.hub.job_cancel(&caller.actor(), scope, id).await?;
    Ok(Json(view(job)))
}

async fn retry(
    caller: Caller<AccountMember>,
    State(state): State<ApiState>,
    Within(scope): Within,
    Id(id): Id<JobId>,
) -> Answer<JobView> {
    let job = state.hub.job_retry(&caller.actor(), scope, id).await?;
    Ok(Json(view(job)))
}

async fn approve(
    caller: Caller<AccountMember>,
    State(state): State<ApiState>,
    Within(scope): Within,
    Id(id): Id<JobId>,
) -> Answer<JobView> {
    let actor = caller.actor();
    let job = state.hub.job_approve(&actor, scope, id, true).await?;
    Ok(Json(view(job)))
}

async fn refuse(
    caller: Caller<AccountMember>,
    State(state): State<ApiState>,
    Within(scope): Within,
    Id(id): Id<JobId>,
) -> Answer<JobView> {
    let actor = caller.actor();
    let job = state.hub.job_approve(&actor, scope, id, false).await?;
    Ok(Json(view(job)))
}
