//! Jobs: what is being worked on, how far each is, what it found; answering, canceling, taking up again, and fetching
//! what it made.

use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::http::{HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use hub::{Job, JobFilter};
use maud::{Markup, html};
use model::job::{JobCategory, JobStatus, StepState};
use model::{AccountId, EndpointId, JobId, Role};

use crate::ConsoleState;
use crate::event::{endpoint, named};
use crate::home::grouped;
use crate::list::{self, Asked, Column};
use crate::live;
use crate::page::{self, Place, done, nothing};
use crate::problem;
use crate::time;
use crate::visitor::{In, Member, Viewer};

pub(crate) fn routes() -> Router<ConsoleState> {
    Router::new()
        .route("/console/{accountId}/jobs", get(list))
        .route("/console/{accountId}/jobs/{jobId}", get(one))
        .route("/console/{accountId}/jobs/{jobId}/progress", get(progress))
        .route("/console/{accountId}/jobs/{jobId}/files/{name}", get(file))
        .route("/console/{accountId}/jobs/{jobId}/cancel", post(cancel))
        .route("/console/{accountId}/jobs/{jobId}/retry", post(retry))
        .route("/console/{accountId}/jobs/{jobId}/approve", post(approve))
        .route("/console/{accountId}/jobs/{jobId}/refuse", post(refuse))
}

type Of = Path<(AccountId, JobId)>;

/// A category, for people.
pub(crate) fn what(category: JobCategory) -> &'static str {
    match category {
        JobCategory::SegmentExport => "Audience shared",
        JobCategory::IdentityImport => "Identities learnt",
        JobCategory::SegmentPopulateDb => "Audience lists asked for",
        JobCategory::Gdpr => "Privacy request",
    }
}

/// A status, for people, and how it is shown.
pub(crate) fn status_words(status: JobStatus) -> (&'static str, &'static str) {
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
    let kinds = JobCategory::ALL.map(|category| (what(category), category.as_str()));
    let kinds: Vec<_> = [("All", "")].into_iter().chain(kinds).collect();
    let content = html! {
        h1 { "Jobs" }
        (asked.tabs("Kind", "category", &kinds))
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
        list::column(
            "Job",
            |job: &Job| html! { a href=(of.path(&format!("/jobs/{}", job.id))) { (what(job.category)) " " (job.id) } },
            |job| format!("{} {}", what(job.category), job.id),
        ),
        list::column(
            "State",
            |job: &Job| status(job.status),
            |job| status_words(job.status).0.to_owned(),
        ),
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
        div.title { h1 { (what(job.category)) " " (job.id) } @if of.may(Role::Member) { (actions(&of, &job)) } }
        div data-live=[(!job.status.is_final()).then_some(path)] { (going(&of, &job).await) }
    };
    page::inside(&of, Place::Jobs, "Job", &content).into_response()
}

/// The part of a job's page that changes by itself.
async fn progress(of: In<Viewer>, Path((_, id)): Of) -> Response {
    match of.hub().job_get(of.scope(), None, id).await {
        Ok(job) if job.status.is_final() => live::last(going(&of, &job).await),
        Ok(job) => live::part(going(&of, &job).await),
        Err(error) => problem::of(of.state(), &error),
    }
}

fn actions(of: &In<Viewer>, job: &Job) -> Markup {
    let path = |verb: &str| of.path(&format!("/jobs/{}/{verb}", job.id));
    html! {
        div.actions {
            @if job.status == JobStatus::WaitingForApproval {
                (page::button(&path("approve"), "Go on", "main", None))
                (page::button(&path("refuse"), "Do not", "", None))
            } @else if !job.status.is_final() {
                (page::button(&path("cancel"), "Cancel", "", Some("Cancel this job? What it has handed over stays there.")))
            }
            @if matches!(job.status, JobStatus::Failed | JobStatus::Canceled) {
                (page::button(&path("retry"), "Go on where it stopped", "main", None))
            }
        }
    }
}

async fn going(of: &In<Viewer>, job: &Job) -> Markup {
    let files = of
        .hub()
        .job_files(of.scope(), job.id)
        .await
        .unwrap_or_default();
    let records = &job.records;
    html! {
        p { (status(job.status)) @if let Some(text) = &job.sub_status { " " (text) } }
        @if let Some(question) = &job.question { p.warning role="alert" { (question) } }
        @if let Some(error) = &job.error { p.said.bad { (error) } }
        @if !job.steps.is_empty() { (steps(job)) }
        dl.figures {
            @for (name, rows, is_bad) in [("Read", records.read, false), ("Matched", records.matched, false), ("Unmatched", records.unmatched, false),
                ("Rejected", records.rejected, records.rejected > 0), ("Sent", records.sent, false)] {
                div.bad[is_bad] { dt { (name) } dd { strong { (grouped(rows)) } span { "rows" } } }
            }
        }
        dl.properties {
            @if let Some(id) = job.producer { dt { "From" } dd { (endpoint(of, id)) } }
            @if let Some(id) = job.destination { dt { "To" } dd { (endpoint(of, id)) } }
            @if let Some(name) = &job.details.destination_segment_name { dt { "As" } dd { (name) } }
            dt { "Made" } dd { (time::at(job.created_at)) }
            @if let Some(at) = job.finished_at { dt { "Ended" } dd { (time::at(at)) } }
        }
        @if !files.is_empty() {
            h2 { "Files" }
            ul { @for file in &files { li {
                a href=(of.path(&format!("/jobs/{}/files/{}", job.id, file.name))) download { (file.name) } " (" (grouped(file.size_bytes)) " bytes)"
            } } }
        }
        @if job.report.as_object().is_some_and(|report| !report.is_empty()) {
            h2 { "Report" }
            pre.code tabindex="0" { (serde_json::to_string_pretty(&job.report).unwrap_or_default()) }
        }
    }
}

fn steps(job: &Job) -> Markup {
    html! {
        ol.steps { @for step in &job.steps {
            @let (class, word) = match step.state {
                StepState::Waiting => ("waiting", "to come"),
                StepState::Running => ("running", "now"),
                StepState::Done => ("done", "done"),
            };
            li class=(class) {
                strong { (step.name) } " " span { (word) }
                @if step.state != StepState::Waiting {
                    small { (grouped(step.done)) @if let Some(total) = step.total { " of " (grouped(total)) } }
                }
            }
        } }
    }
}

async fn file(of: In<Viewer>, Path((_, id, name)): Path<(AccountId, JobId, String)>) -> Response {
    let reader = match of.hub().job_file(of.scope(), id, &name).await {
        Ok(reader) => reader,
        Err(error) => return problem::of(of.state(), &error),
    };
    let disposition = format!("attachment; filename=\"job-{id}-{}\"", reader.file.name);
    let disposition =
        HeaderValue::try_from(disposition).unwrap_or(HeaderValue::from_static("attachment"));
    let bytes = reader.file.size_bytes;
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/csv; charset=utf-8"),
        ),
        (header::CONTENT_DISPOSITION, disposition),
        (header::CONTENT_LENGTH, HeaderValue::from(bytes)),
    ];
    (headers, Body::from_stream(reader.stream(0, bytes))).into_response()
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
