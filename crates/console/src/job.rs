//! Jobs: what is being worked on, how far each is, what it found; answering, canceling, taking up again, giving it what it
//! waits for, and fetching what it made.

mod file;
mod progress;
mod report;

use axum::Router;
use axum::extract::Path;
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use hub::{Job, JobFilter};
use maud::{Markup, html};
use model::job::{JobCategory, JobStatus};
use model::{AccountId, EndpointId, JobId};

use crate::ConsoleState;
use crate::event::{endpoint, named};
use crate::list::{self, Asked, Column};
use crate::live;
use crate::page::{self, Place, done, nothing};
use crate::problem;
use crate::visitor::{In, Member, Viewer};

pub(crate) fn routes() -> Router<ConsoleState> {
    Router::new()
        .route("/console/{accountId}/jobs", get(list))
        .route("/console/{accountId}/jobs/{jobId}", get(one))
        .route("/console/{accountId}/jobs/{jobId}/progress", get(progress))
        .route(
            "/console/{accountId}/jobs/{jobId}/files/{name}",
            get(file::fetch),
        )
        .route("/console/{accountId}/jobs/{jobId}/data", post(file::give))
        .route("/console/{accountId}/jobs/{jobId}/fetched", post(fetched))
        .route("/console/{accountId}/jobs/{jobId}/cancel", post(cancel))
        .route("/console/{accountId}/jobs/{jobId}/retry", post(retry))
        .route("/console/{accountId}/jobs/{jobId}/approve", post(approve))
        .route("/console/{accountId}/jobs/{jobId}/refuse", post(refuse))
}

type Of = Path<(AccountId, JobId)>;

/// A category, for people.
fn what(category: JobCategory) -> &'static str {
    match category {
        JobCategory::SegmentExport => "Audience shared",
        JobCategory::IdentityImport => "Identities learnt",
        JobCategory::SegmentPopulateDb => "Audience lists asked for",
        JobCategory::Gdpr => "Privacy request",
    }
}

/// A status, for people, and how it is shown.
fn status_words(status: JobStatus) -> (&'static str, &'static str) {
    match status {
        JobStatus::Scheduled => ("waits for its turn", "pending"),
        JobStatus::InProgress => ("under way", "pending"),
        JobStatus::WaitingToReceiveData => ("waits for data", "pending"),
        JobStatus::WaitingForApproval => ("asks", "retrying"),
        JobStatus::ReadyForDownload => ("ready to be fetched", "active"),
        JobStatus::Completed => ("done", "active"),
        JobStatus::Failed => ("failed", "failed"),
        JobStatus::Canceled => ("canceled", "disabled"),
    }
}

pub(crate) fn status(status: JobStatus) -> Markup {
    let (word, class) = status_words(status);
    html! { span class={ "status " (class) } { (word) } }
}

/// A job, for people.
pub(crate) fn title(job: &Job) -> String {
    format!("{} {}", what(job.category), job.id)
}

/// The column of statuses.
pub(crate) fn state<'a>() -> Column<'a, Job> {
    list::column(
        "State",
        |job: &Job| status(job.status),
        |job| status_words(job.status).0.to_owned(),
    )
}

/// The choice between the categories.
pub(crate) fn kinds(asked: &Asked) -> Markup {
    let kinds = JobCategory::ALL.map(|category| (what(category), category.as_str()));
    let kinds: Vec<_> = [("All", "")].into_iter().chain(kinds).collect();
    asked.tabs("Kind", "category", &kinds)
}

async fn list(of: In<Viewer>, uri: Uri) -> Response {
    let asked = Asked::of(&uri);
    let filter = || JobFilter {
        category: JobCategory::parse(asked.text("category")),
        is_newest_first: true,
        ..JobFilter::default()
    };
    let found = list::by_id(
        &asked,
        |job: &Job| job.id.0,
        |_| true,
        |page| of.hub().job_list(of.scope(), filter(), page),
    );
    let found = match found.await {
        Ok(found) => found,
        Err(error) => return problem::of(of.state(), &error),
    };
    let columns = columns(&of);
    if asked.is_csv() {
        return list::csv("jobs", &columns, &found);
    }
    let content = html! {
        h1 { "Jobs" }
        (kinds(&asked))
        @if found.rows.is_empty() {
            (nothing("Nothing has been done here yet.", &html! { p { "Work that takes long, such as sharing an audience, is a job: it is done in steps, and can be followed here." } }))
        } @else {
            (list::table(&asked, "Jobs", &columns, &found))
        }
    };
    page::inside(&of, Place::Jobs, "Jobs", &content).into_response()
}

fn columns<'a>(of: &'a In<Viewer>) -> Vec<Column<'a, Job>> {
    let linked = |id: Option<EndpointId>| html! { @if let Some(id) = id { (endpoint(of, id)) } };
    let words = |id: Option<EndpointId>| id.map_or_else(String::new, |id| named(of, id));
    vec![
        list::linked(
            "Job",
            |job: &Job| of.path(&format!("/jobs/{}", job.id)),
            title,
        ),
        state(),
        list::column(
            "From",
            move |job: &Job| linked(job.producer),
            move |job| words(job.producer),
        ),
        list::column(
            "To",
            move |job: &Job| linked(job.destination),
            move |job| words(job.destination),
        ),
        list::number("Rows read", |job: &Job| job.records.read),
        list::number("Sent", |job: &Job| job.records.sent),
        list::instant("Begun", |job: &Job| Some(job.created_at)),
        list::in_file("Ended", |job: &Job| {
            job.finished_at
                .map_or_else(String::new, |at| at.to_string())
        }),
    ]
}

async fn one(of: In<Viewer>, Path((_, id)): Of) -> Response {
    let job = match of.hub().job_get(of.scope(), None, id).await {
        Ok(job) => job,
        Err(error) => return problem::of(of.state(), &error),
    };
    let path = of.path(&format!("/jobs/{id}/progress"));
    let content = html! {
        h1 { (title(&job)) }
        div data-live=[(!job.status.is_final()).then_some(path)] { (progress::of(&of, &job).await) }
    };
    page::inside(&of, Place::Jobs, "Job", &content).into_response()
}

/// The part of a job's page that changes by itself.
async fn progress(of: In<Viewer>, Path((_, id)): Of) -> Response {
    match of.hub().job_get(of.scope(), None, id).await {
        Ok(job) if job.status.is_final() => live::last(progress::of(&of, &job).await),
        Ok(job) => live::part(progress::of(&of, &job).await),
        Err(error) => problem::of(of.state(), &error),
    }
}

async fn cancel(of: In<Member>, Path((_, id)): Of) -> Response {
    let result = of.hub().job_cancel(&of.actor(), of.scope(), id).await;
    done(of.state(), &of.path(&format!("/jobs/{id}")), result, |_| {
        "It is canceled.".to_owned()
    })
}

async fn retry(of: In<Member>, Path((_, id)): Of) -> Response {
    let result = of.hub().job_retry(&of.actor(), of.scope(), id).await;
    done(of.state(), &of.path(&format!("/jobs/{id}")), result, |_| {
        "It goes on where it stopped.".to_owned()
    })
}

/// Whoever was to fetch what it made has it: it is cleared away.
async fn fetched(of: In<Member>, Path((_, id)): Of) -> Response {
    let result = of
        .hub()
        .job_fetched(&of.actor(), of.scope(), (None, id))
        .await;
    done(of.state(), &of.path(&format!("/jobs/{id}")), result, |_| {
        "It is noted: what was fetched is cleared away.".to_owned()
    })
}

async fn approve(of: In<Member>, Path((_, id)): Of) -> Response {
    let result = of
        .hub()
        .job_approve(&of.actor(), of.scope(), id, true)
        .await;
    done(of.state(), &of.path(&format!("/jobs/{id}")), result, |_| {
        "It goes on.".to_owned()
    })
}

async fn refuse(of: In<Member>, Path((_, id)): Of) -> Response {
    let result = of
        .hub()
        .job_approve(&of.actor(), of.scope(), id, false)
        .await;
    done(of.state(), &of.path(&format!("/jobs/{id}")), result, |_| {
        "It is canceled; nothing was handed over.".to_owned()
    })
}
