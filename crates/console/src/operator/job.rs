//! Jobs of all accounts, the latest first.

use axum::Router;
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hub::{Job, JobFilter};
use maud::html;
use model::job::{JobCategory, JobStatus};

use crate::ConsoleState;
use crate::job::{kinds, state, title};
use crate::list::{self, Asked, Column};
use crate::page::{self, nothing};
use crate::problem;
use crate::visitor::Operator;

pub(super) fn routes() -> Router<ConsoleState> {
    Router::new().route("/console/operator/jobs", get(jobs))
}

async fn jobs(of: Operator, uri: Uri) -> Response {
    let asked = Asked::of(&uri);
    let filter = || JobFilter {
        category: JobCategory::parse(asked.text("category")),
        status: JobStatus::parse(asked.text("status")),
        is_newest_first: true,
        ..JobFilter::default()
    };
    let found = list::by_id(
        &asked,
        |job: &Job| job.id.0,
        |_| true,
        |page| of.hub().jobs_everywhere(filter(), page),
    );
    let found = match found.await {
        Ok(found) => found,
        Err(error) => return problem::of(of.state(), &error),
    };
    let columns = columns(&of);
    if asked.is_csv() {
        return list::csv("jobs", &columns, &found);
    }
    let states = [
        ("Any state", ""),
        ("Under way", JobStatus::InProgress.as_str()),
        ("Asking", JobStatus::WaitingForApproval.as_str()),
        ("Failed", JobStatus::Failed.as_str()),
        ("Done", JobStatus::Completed.as_str()),
    ];
    let content = html! {
        h1 { "Jobs of all accounts" }
        (kinds(&asked))
        (asked.tabs("State", "status", &states))
        @if found.rows.is_empty() {
            (nothing("There is no such job.", &html! { p { "Work that takes long, such as sharing an audience, is a job." } }))
        } @else {
            (list::table(&asked, "Jobs", &columns, &found))
        }
    };
    page::for_operator(&of, "/jobs", "Jobs", &content).into_response()
}

fn columns<'a>(of: &'a Operator) -> Vec<Column<'a, Job>> {
    let account = move |job: &Job| {
        let account = of.hub().registry().account(job.account);
        account.map_or_else(|| job.account.to_string(), |account| account.name.clone())
    };
    vec![
        list::linked(
            "Job",
            |job: &Job| format!("/console/{}/jobs/{}", job.account, job.id),
            title,
        ),
        list::text("Account", account),
        state(),
        list::text("Trouble", |job: &Job| job.error.clone().unwrap_or_default()),
        list::number("Rows read", |job: &Job| job.records.read),
        list::number("Sent", |job: &Job| job.records.sent),
        list::instant("Begun", |job: &Job| Some(job.created_at)),
        list::instant("Ended", |job: &Job| job.finished_at),
    ]
}
