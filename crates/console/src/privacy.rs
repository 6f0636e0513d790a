//! Privacy requests: erasing people, restricting them, lifting that, and exporting what is kept of them; for one person or
//! for a file of many. A request is a job; its page follows it to its report and its file.

mod new;

use axum::Router;
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use hub::{Job, JobFilter};
use maud::{Markup, html};
use model::Role;
use model::job::{JobCategory, StepState};
use model::privacy::Operation;

use crate::ConsoleState;
use crate::job::state;
use crate::list::{self, Asked, Column, Rows};
use crate::live;
use crate::page::{self, Place, nothing};
use crate::problem;
use crate::visitor::{In, Viewer};

pub(crate) fn routes() -> Router<ConsoleState> {
    Router::new()
        .route("/console/{accountId}/privacy", get(list).post(new::one))
        .route("/console/{accountId}/privacy/rows", get(rows))
        .route("/console/{accountId}/privacy/new", get(new::page))
        .route("/console/{accountId}/privacy/file", post(new::many))
}

/// The pages of this place.
pub(crate) fn places<R>(of: &In<R>, here: &str) -> Markup {
    let all = [
        ("/privacy", "Requests"),
        ("/suppressions", "Suppression list"),
        ("/hashing", "Hashing, tried"),
    ];
    html! {
        nav.tabs aria-label="Privacy" {
            @for (path, name) in all { a href=(of.path(path)) aria-current=[(path == here).then_some("page")] { (name) } }
        }
    }
}

/// What is asked for, for people.
fn words(operation: Operation) -> &'static str {
    match operation {
        Operation::Erase => "Erase",
        Operation::Restrict => "Restrict",
        Operation::Lift => "Lift a restriction",
        Operation::Export => "Export",
    }
}

/// What a request asks for: its report says it once it has begun, what it begins with before that.
fn asks(job: &Job) -> &'static str {
    let told = job.report["operationType"].as_str().map(str::to_owned);
    let told = told.or_else(|| {
        let state: serde_json::Value = serde_json::from_str(&job.state).ok()?;
        Some(state["ask"]["operation"].as_str()?.to_owned())
    });
    let operation = told.and_then(|text| Operation::parse(&text));
    operation.map_or("Not said yet", words)
}

async fn found(of: &In<Viewer>, asked: &Asked) -> hub::Result<Rows<Job>> {
    let filter = || JobFilter {
        category: Some(JobCategory::Gdpr),
        is_newest_first: true,
        ..JobFilter::default()
    };
    let page = |page| of.hub().job_list(of.scope(), filter(), page);
    list::by_id(asked, |job: &Job| job.id.0, |_| true, page).await
}

async fn list(of: In<Viewer>, uri: Uri) -> Response {
    let asked = Asked::of(&uri);
    let found = match found(&of, &asked).await {
        Ok(found) => found,
        Err(error) => return problem::of(of.state(), &error),
    };
    if asked.is_csv() {
        return list::csv("privacy-requests", &columns(&of), &found);
    }
    let is_live = found.rows.iter().any(|job| !job.status.is_final());
    let live = of.path(&format!("/privacy/rows?after={}", asked.after()));
    let content = html! {
        div.title {
            h1 { "Privacy requests" }
            @if of.may(Role::Admin) { a.button.main href=(of.path("/privacy/new")) { "New request" } }
        }
        (places(&of, "/privacy"))
        @if found.rows.is_empty() {
            (nothing("Nobody has asked for anything yet.", &html! { p { "People may ask to be erased, to be left out of what is delivered, or to see what is kept of them. A request looks everywhere, and its report says what it found." } }))
        } @else {
            div data-live=[is_live.then_some(live)] { (list::table(&asked, "Privacy requests", &columns(&of), &found)) }
        }
    };
    page::inside(&of, Place::Privacy, "Privacy requests", &content).into_response()
}

/// The part of the list that changes by itself.
async fn rows(of: In<Viewer>, uri: Uri) -> Response {
    let asked = Asked::of(&uri).at(&of.path("/privacy"));
    match found(&of, &asked).await {
        Ok(found) => {
            let table = list::table(&asked, "Privacy requests", &columns(&of), &found);
            match found.rows.iter().all(|job| job.status.is_final()) {
                true => live::last(table),
                false => live::part(table),
            }
        }
        Err(error) => problem::of(of.state(), &error),
    }
}

fn columns<'a>(of: &'a In<Viewer>) -> Vec<Column<'a, Job>> {
    let step = |job: &Job| {
        let mut steps = job.steps.iter();
        let now = steps.find(|step| step.state != StepState::Done);
        let done = job
            .steps
            .iter()
            .filter(|step| step.state == StepState::Done);
        match now {
            Some(now) if !job.status.is_final() => {
                format!("{}, {} of {} done", now.name, done.count(), job.steps.len())
            }
            _ => format!("{} of {} done", done.count(), job.steps.len()),
        }
    };
    vec![
        list::linked(
            "Request",
            |job: &Job| of.path(&format!("/jobs/{}", job.id)),
            |job| format!("{} {}", asks(job), job.id),
        ),
        state(),
        list::text("Steps", step),
        list::number("Rows", |job: &Job| job.records.read),
        list::instant("Made", |job: &Job| Some(job.created_at)),
        list::instant("Ended", |job: &Job| job.finished_at),
    ]
}
