//! What the tasks that run by themselves did last, in this process.

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hub::task::TaskReport;
use maud::{Markup, html};

use crate::ConsoleState;
use crate::home::grouped;
use crate::live;
use crate::page::{self, nothing};
use crate::time;
use crate::visitor::Operator;

pub(super) fn routes() -> Router<ConsoleState> {
    Router::new()
        .route("/console/operator/tasks", get(tasks))
        .route("/console/operator/tasks/live", get(follow))
}

/// What each is for.
const TASKS: [(&str, &str); 13] = [
    (
        "checkpoint",
        "saves where the flow stands, so that a crash repeats little",
    ),
    (
        "collect",
        "asks publishers that are pulled for their event files",
    ),
    ("follow", "learns what other processes have changed"),
    ("jobs", "works on jobs, a slice at a time"),
    (
        "lease",
        "renews the right to run shards, and takes over those of processes that died",
    ),
    (
        "notify",
        "sends what is in the outbox: mails, notifications, calls to providers",
    ),
    ("obey", "does what other processes ask of this one"),
    (
        "observe",
        "saves what pilot accounts did, for their checklists",
    ),
    (
        "pack",
        "closes event files for destinations that fetch them",
    ),
    ("refresh", "asks endpoints for their audiences, every night"),
    ("retire", "trims the log and forgets what is old"),
    (
        "route",
        "hands every document that was published to its destinations",
    ),
    ("shares", "begins shares that are due"),
];

async fn tasks(of: Operator) -> Response {
    let content = html! {
        h1 { "Tasks" }
        p { "Work that runs by itself, as this process remembers it since its start. Another process has a page of its own." }
        div data-live="/console/operator/tasks/live" { (table(&of)) }
    };
    page::for_operator(&of, "/tasks", "Tasks", &content).into_response()
}

async fn follow(of: Operator) -> Response {
    live::part(table(&of))
}

fn table(of: &Operator) -> Markup {
    let (tasks, now) = (of.hub().tasks(), of.hub().now());
    html! {
        @if tasks.is_empty() {
            (nothing("No task has run here.", &html! { p { "A process whose roles have no " code { "flow" } " serves pages and calls only." } }))
        } @else {
            div.scroll tabindex="0" role="region" aria-label="Tasks" { table {
                thead { tr { th scope="col" { "Task" } th scope="col" { "State" } th scope="col" { "Last run" } th scope="col" { "Did last" } th.number scope="col" { "Runs" } th.number scope="col" { "Failed" } th.number scope="col" { "Took" } } }
                tbody { @for task in &tasks { tr {
                    th scope="row" { (task.name) small { (what(task)) } }
                    td { @match &task.trouble {
                        Some(why) => { span.status.failed { "failing" } p.said-by-stranger { (why) } }
                        None => span.status.active { "well" },
                    } }
                    td { (time::ago(task.last_at, now)) }
                    td { @match &task.did { Some((at, did)) => { (did) ", " (time::ago(*at, now)) } None => "nothing to do yet" } }
                    td.number { (grouped(task.runs)) }
                    td.number { (grouped(task.failures)) }
                    td.number { (time::length(task.took)) }
                } } }
            } }
        }
    }
}

fn what(task: &TaskReport) -> &'static str {
    let known = TASKS.iter().find(|(name, _)| *name == task.name);
    known.map_or("", |(_, what)| what)
}
