//! `/v1/jobs…`: endpoints find the jobs that wait for them, upload what a job waits for, fetch what it made, and say so.
//!
//! An endpoint's key sees the jobs of which it is the producer or the destination, an account's key all of the account. A
//! list has exactly the members that clients of the field know; one job, and a list that is asked for `extraFields`, has
//! steps, counts and times beside them.

pub(crate) mod upload;
pub(crate) mod view;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use hub::{Job, JobFilter, Page};
use model::invalid::{Invalid, shown};
use model::job::{JobCategory, JobStatus};
use model::{EndpointId, JobId};
use serde::Serialize;

use crate::ApiState;
use crate::asked::Asked;
use crate::caller::{Caller, EndpointOrAccountKey};
use crate::door::{About, Door};
use crate::file;
use crate::problem::{Kind, Problem};
use view::{DetailView, JobView};

/// Jobs in one answer at most; `after` asks for those that follow.
const JOBS_MAX: i64 = 1_000;

pub(crate) fn routes(door: &mut Door) {
    let about = About::new("Jobs of a category, oldest first, at most 1000")
        .query("endpointId", "only those of this endpoint")
        .query(
            "status",
            "only those in this status, such as WAITING_TO_RECIEVE_DATA or READY_FOR_DOWNLOAD",
        )
        .query(
            "extraFields",
            "true: with steps, records, times and the window",
        )
        .query(
            "after",
            "only those with a greater jobId, for the following page",
        );
    door.get("/v1/jobs/{category}", list, about.answers::<Vec<JobView>>());
    let about = About::new("A job with its steps, records and times");
    door.get(
        "/v1/jobs/{category}/{jobId}",
        get,
        about.answers::<DetailView>(),
    );
    let about = About::new(
        "The data that a job waits for: CSV, plain or as gzip or zstd, of any size; or multipart with JSON metadata; or the metadata alone",
    );
    door.post(
        "/v1/jobs/{jobId}/data",
        upload::take,
        about.body::<upload::Metadata>().answers::<bool>(),
    );
    let about = About::new("A file that a job made, whole or by ranges").media("text/csv");
    door.get("/v1/jobs/{jobId}/segmentDataFiles/{path}", download, about);
    let about = About::new("Say that everything a job made was fetched; again, it is the same");
    door.put(
        "/v1/jobs/{jobId}/complete",
        complete,
        about.answers::<bool>(),
    );
}

fn category(text: &str) -> Result<JobCategory, Problem> {
    JobCategory::parse(text.trim()).ok_or_else(|| {
        let known = JobCategory::ALL.map(JobCategory::as_str).join(", ");
        let message = format!("there are no jobs {}: expected {known}", shown(text));
        Problem::new(Kind::NotFound, message)
    })
}

/// What cannot be an id is not there.
fn job_id(text: &str) -> Result<JobId, Problem> {
    text.trim().parse().map_err(|_| {
        let message = format!("there is no job {}", shown(text));
        Problem::new(Kind::NotFound, message)
    })
}

/// Whose jobs: those of the key's endpoint, or of the one that an account's key names, or all.
fn whose(
    caller: &Caller<EndpointOrAccountKey>,
    state: &ApiState,
    asked: &Asked,
    invalid: &mut Invalid,
) -> Result<Option<EndpointId>, Problem> {
    let Some(text) = asked.text("endpointId") else {
        return Ok(caller.endpoint());
    };
    let Ok(id) = text.parse::<EndpointId>() else {
        let message = format!("endpointId is {}: expected an id", shown(text));
        invalid.add("", "query", message);
        return Ok(None);
    };
    if caller.endpoint() == Some(id) {
        return Ok(Some(id));
    }
    state.hub.endpoint(caller.scope(), id)?;
    if caller.endpoint().is_some() {
        let why = format!("the key is not the key of endpoint {id}");
        return Err(Problem::new(Kind::Forbidden, why));
    }
    Ok(Some(id))
}

/// A job in a list.
#[derive(Serialize)]
#[serde(untagged)]
enum Shown {
    Plain(Box<JobView>),
    Detail(Box<DetailView>),
}

async fn list(
    caller: Caller<EndpointOrAccountKey>,
    State(state): State<ApiState>,
    Path(text): Path<String>,
    asked: Asked,
) -> Result<Json<Vec<Shown>>, Problem> {
    let category = category(&text)?;
    let mut invalid = Invalid::default();
    let endpoint = whose(&caller, &state, &asked, &mut invalid)?;
    let status = asked.text("status").and_then(|text| {
        let status = JobStatus::parse(text);
        if status.is_none() {
            let known = JobStatus::ALL.map(JobStatus::as_str).join(", ");
            let message = format!("status is {}: expected one of {known}", shown(text));
            invalid.add("", "query", message);
        }
        status
    });
    let is_detailed = asked.flag("extraFields", &mut invalid);
    let after = asked.count("after", &mut invalid).unwrap_or(0);
    invalid.or(())?;
    let filter = JobFilter {
        category: Some(category),
        status,
        endpoint,
        ..JobFilter::default()
    };
    let page = Page {
        after: i64::try_from(after).unwrap_or(i64::MAX),
        limit: JOBS_MAX,
    };
    let jobs = state.hub.job_list(caller.scope(), filter, page).await?;
    let shown = jobs.into_iter().map(|job| {
        if is_detailed {
            Shown::Detail(Box::new(job.into()))
        } else {
            Shown::Plain(Box::new(JobView::from(&job)))
        }
    });
    Ok(Json(shown.collect()))
}

async fn get(
    caller: Caller<EndpointOrAccountKey>,
    State(state): State<ApiState>,
    Path((of, id)): Path<(String, String)>,
) -> Result<Json<DetailView>, Problem> {
    let (of, id) = (category(&of)?, job_id(&id)?);
    let job = found(&caller, &state, id).await?;
    if job.category != of {
        let message = format!("job {id} is not of the category {}", of.as_str());
        return Err(Problem::new(Kind::NotFound, message));
    }
    Ok(Json(job.into()))
}

async fn found(
    caller: &Caller<EndpointOrAccountKey>,
    state: &ApiState,
    id: JobId,
) -> Result<Job, Problem> {
    let (scope, endpoint) = (caller.scope(), caller.endpoint());
    Ok(state.hub.job_get(scope, endpoint, id).await?)
}

async fn download(
    caller: Caller<EndpointOrAccountKey>,
    State(state): State<ApiState>,
    Path((id, path)): Path<(String, String)>,
    asked: HeaderMap,
) -> Result<Response, Problem> {
    let (scope, endpoint) = (caller.scope(), caller.endpoint());
    let reader = state
        .hub
        .job_download(scope, endpoint, (job_id(&id)?, &path))
        .await?;
    let served = reader.file.clone();
    let (response, has_end) = file::serve(reader, &asked);
    if has_end && endpoint.is_some() {
        state.hub.job_downloaded(&served).await?;
    }
    Ok(response)
}

async fn complete(
    caller: Caller<EndpointOrAccountKey>,
    State(state): State<ApiState>,
    Path(id): Path<String>,
) -> Result<Json<bool>, Problem> {
    let whose = (caller.endpoint(), job_id(&id)?);
    state
        .hub
        .job_fetched(&caller.actor(), caller.scope(), whose)
        .await?;
    Ok(Json(true))
}
