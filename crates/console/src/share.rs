//! Audiences: shares that ran, run and will run; making one in three steps; running, pausing and ending one.

mod when;
mod wizard;

use axum::Router;
use axum::extract::Path;
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use hub::share::{Listed, ShareChange};
use hub::{Job, JobFilter, Page};
use maud::{Markup, html};
use model::share::{Share, ShareStatus};
use model::{AccountId, Role, ShareId};

use crate::ConsoleState;
use crate::cookie::Said;
use crate::event::{endpoint, named};
use crate::form::Form;
use crate::home::grouped;
use crate::job;
use crate::list::{self, Asked, Column};
use crate::page::{self, Place, done, go, nothing};
use crate::problem;
use crate::time;
use crate::visitor::{In, Member, Viewer};

pub(crate) fn routes() -> Router<ConsoleState> {
    Router::new()
        .route("/console/{accountId}/shares", get(list))
        .route(
            "/console/{accountId}/shares/new",
            get(wizard::page).post(wizard::create),
        )
        .route(
            "/console/{accountId}/shares/new/mapping",
            post(wizard::back),
        )
        .route(
            "/console/{accountId}/shares/new/summary",
            post(wizard::check),
        )
        .route("/console/{accountId}/shares/when", get(when::preview))
        .route("/console/{accountId}/shares/{shareId}", get(one))
        .route("/console/{accountId}/shares/{shareId}/run", post(run))
        .route("/console/{accountId}/shares/{shareId}/pause", post(pause))
        .route("/console/{accountId}/shares/{shareId}/resume", post(resume))
        .route("/console/{accountId}/shares/{shareId}/end", post(end))
        .route(
            "/console/{accountId}/shares/{shareId}/schedule",
            post(reschedule),
        )
}

/// Runs that the page of a share shows.
const RUNS_SHOWN: i64 = 10;

type Of = Path<(AccountId, ShareId)>;

async fn list(of: In<Viewer>, uri: Uri) -> Response {
    let asked = Asked::of(&uri);
    let found = list::by_id(
        &asked,
        |share: &Share| share.id.0,
        |_| true,
        |page| {
            let listed = Listed::parse(asked.text("which"));
            of.hub().shares(of.scope(), listed, None, page)
        },
    );
    let found = match found.await {
        Ok(found) => found,
        Err(error) => return problem::of(of.state(), &error),
    };
    let columns = columns(&of);
    if asked.is_csv() {
        return list::csv("audiences", &columns, &found);
    }
    let which = [
        ("All", ""),
        ("Recent", "recent"),
        ("Scheduled", "scheduled"),
        ("Historical", "historical"),
    ];
    let content = html! {
        div.title {
            h1 { "Audiences" }
            div.actions {
                a.button href=(of.path("/segments")) { "What the endpoints have" }
                @if of.may(Role::Member) { a.button.main href=(of.path("/shares/new")) { "Share an audience" } }
            }
        }
        (asked.tabs("Which", "which", &which))
        @if found.rows.is_empty() {
            (nothing("No audience has been shared.", &html! { p { "A share takes an audience of one endpoint to another, once or again and again, with the names and hashes that the other wants." } }))
        } @else {
            (list::table(&asked, "Shares", &columns, &found))
        }
    };
    page::inside(&of, Place::Audiences, "Audiences", &content).into_response()
}

fn columns<'a>(of: &'a In<Viewer>) -> Vec<Column<'a, Share>> {
    let does = |share: &Share| {
        let plan = &share.plan;
        format!(
            "{}{}",
            plan.action.as_str(),
            if plan.incremental {
                ", only changes"
            } else {
                ""
            }
        )
    };
    vec![
        list::linked(
            "Audience",
            |share: &Share| of.path(&format!("/shares/{}", share.id)),
            |share| share.plan.destination_segment.name.clone(),
        ),
        list::column(
            "From",
            |share: &Share| endpoint(of, share.plan.source),
            |share| named(of, share.plan.source),
        ),
        list::column(
            "To",
            |share: &Share| endpoint(of, share.plan.destination),
            |share| named(of, share.plan.destination),
        ),
        list::text("Does", does),
        list::column(
            "State",
            |share: &Share| status(share.status),
            |share| status_words(share.status).0.to_owned(),
        ),
        list::instant("Next", |share: &Share| share.next_at),
        list::column(
            "Last run",
            |share: &Share| {
                html! {
                    @if let Some(job) = share.last_job { a href=(of.path(&format!("/jobs/{job}"))) { @if let Some(at) = share.last_run_at { (time::at(at)) } @else { "job " (job) } } } @else { "–" }
                }
            },
            |share| {
                share
                    .last_run_at
                    .map_or_else(String::new, |at| at.to_string())
            },
        ),
    ]
}

fn status_words(status: ShareStatus) -> (&'static str, &'static str) {
    match status {
        ShareStatus::Active => ("active", "active"),
        ShareStatus::Paused => ("paused", "pending"),
        ShareStatus::Ended => ("ended", "disabled"),
    }
}

fn status(status: ShareStatus) -> Markup {
    let (word, class) = status_words(status);
    html! { span class={ "status " (class) } { (word) } }
}

async fn one(of: In<Viewer>, Path((_, id)): Of) -> Response {
    let share = match of.hub().share(of.scope(), id).await {
        Ok(share) => share,
        Err(error) => return problem::of(of.state(), &error),
    };
    let filter = JobFilter {
        share: Some(id),
        is_newest_first: true,
        ..JobFilter::default()
    };
    let latest = Page {
        after: 0,
        limit: RUNS_SHOWN,
    };
    let runs = match of.hub().job_list(of.scope(), filter, latest).await {
        Ok(runs) => runs,
        Err(error) => return problem::of(of.state(), &error),
    };
    let plan = &share.plan;
    let content = html! {
        div.title { h1 { (plan.destination_segment.name) } (status(share.status)) @if of.may(Role::Member) { (actions(&of, &share)) } }
        @if let Some(reason) = &share.reason { p.warning { (reason) } }
        dl.properties {
            dt { "From" } dd { (endpoint(&of, plan.source)) ", audience " code { (plan.segment) } }
            dt { "To" } dd { (endpoint(&of, plan.destination)) @if let Some(segment) = &plan.destination_segment.id { ", audience " code { (segment) } } }
            dt { "Does" } dd { (plan.action.as_str()) @if plan.incremental { "; later runs hand over only who came and who went" } }
            dt { "When" } dd { (when::told(&share.schedule, of.hub().now())) @if !share.schedule.recurs() && let Some(at) = share.next_at { "; next " (time::at(at)) } }
            dt { "Which members" } dd { (wizard::window(plan.window)) }
            dt { "Last run" } dd { @if let Some(job) = share.last_job { a href=(of.path(&format!("/jobs/{job}"))) { "job " (job) } } @else { "none yet" } }
            dt { "Stops and asks" } dd { (wizard::asks(plan.guard)) }
            @if plan.upload_identities { dt { "Identities" } dd { "are learnt: identifiers of one row are one person" } }
        }
        h2 { "Which column becomes which" }
        (wizard::columns(plan))
        @if share.status != ShareStatus::Ended && of.may(Role::Member) { (rescheduling(&of, &share)) }
        h2 { "Latest runs" }
        @if runs.is_empty() { p { "It has not run yet." } } @else { (runs_of(&of, &runs)) }
    };
    page::inside(&of, Place::Audiences, "Audience", &content).into_response()
}

fn runs_of(of: &In<Viewer>, runs: &[Job]) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Latest runs" { table {
            thead { tr { th scope="col" { "Begun" } th scope="col" { "State" } th.number scope="col" { "Read" } th.number scope="col" { "Matched" } th.number scope="col" { "Sent" } } }
            tbody { @for run in runs { tr {
                td { a href=(of.path(&format!("/jobs/{}", run.id))) { (time::at(run.created_at)) } }
                td { (job::status(run.status)) }
                td.number { (grouped(run.records.read)) }
                td.number { (grouped(run.records.matched)) }
                td.number { (grouped(run.records.sent)) }
            } } }
        } }
    }
}

fn rescheduling(of: &In<Viewer>, share: &Share) -> Markup {
    let form = Form::of(when::form_of(&share.schedule));
    html! {
        details.panel {
            summary { "Run it at other times" }
            form.stack method="post" action=(of.path(&format!("/shares/{}/schedule", share.id))) {
                (when::fields(of, &form, ("when somebody asks", "not by itself")))
                div.actions { button.main type="submit" { "Save" } }
            }
        }
    }
}

async fn reschedule(of: In<Member>, Path((_, id)): Of, form: Form) -> Response {
    let to = of.path(&format!("/shares/{id}"));
    let schedule = match when::read(&form) {
        Ok(schedule) => schedule,
        Err(why) => return go(of.state(), &to, &Said::bad(why)),
    };
    let before = match of.hub().share(of.scope(), id).await {
        Ok(share) => when::form_of(&share.schedule),
        Err(error) => return problem::of(of.state(), &error),
    };
    let before: Vec<(&str, &str)> = before.iter().map(|(n, v)| (&**n, &**v)).collect();
    let change = ShareChange {
        is_paused: None,
        schedule: Some(schedule),
    };
    let result = of
        .hub()
        .share_change(&of.actor(), of.scope(), id, &change)
        .await;
    let undo = of.path(&format!("/shares/{id}/schedule"));
    done(of.state(), &to, result, |_| {
        Said::good("It runs at these times from now on.").undo(&undo, &before)
    })
}

fn actions(of: &In<Viewer>, share: &Share) -> Markup {
    let path = |verb: &str| of.path(&format!("/shares/{}/{verb}", share.id));
    html! {
        div.actions {
            @match share.status {
                ShareStatus::Active => {
                    (page::button(&path("run"), "Run it now", "main", None))
                    (page::button(&path("pause"), "Pause", "", None))
                }
                ShareStatus::Paused => (page::button(&path("resume"), "Resume", "main", None)),
                ShareStatus::Ended => {}
            }
            @if share.status != ShareStatus::Ended {
                (page::button(&path("end"), "End", "danger", Some("End this share? It never runs again. What the destination has stays there.")))
            }
        }
    }
}

async fn run(of: In<Member>, Path((_, id)): Of) -> Response {
    let result = of.hub().share_run(&of.actor(), of.scope(), id).await;
    let to = result.as_ref().map_or_else(
        |_| of.path(&format!("/shares/{id}")),
        |job| of.path(&format!("/jobs/{job}")),
    );
    done(of.state(), &to, result, |_| "It runs.".to_owned())
}

async fn change(of: &In<Member>, id: ShareId, is_paused: bool, said: Said) -> Response {
    let change = ShareChange {
        is_paused: Some(is_paused),
        schedule: None,
    };
    let result = of
        .hub()
        .share_change(&of.actor(), of.scope(), id, &change)
        .await;
    done(
        of.state(),
        &of.path(&format!("/shares/{id}")),
        result,
        |_| said,
    )
}

async fn pause(of: In<Member>, Path((_, id)): Of) -> Response {
    let undo = of.path(&format!("/shares/{id}/resume"));
    let said = Said::good("It is paused: it does not run until somebody resumes it.");
    change(&of, id, true, said.undo(&undo, &[])).await
}

async fn resume(of: In<Member>, Path((_, id)): Of) -> Response {
    let undo = of.path(&format!("/shares/{id}/pause"));
    let said = Said::good("It runs again when it is due.");
    change(&of, id, false, said.undo(&undo, &[])).await
}

async fn end(of: In<Member>, Path((_, id)): Of) -> Response {
    let result = of.hub().share_delete(&of.actor(), of.scope(), id).await;
    done(of.state(), &of.path("/shares"), result, |()| {
        "The share has ended.".to_owned()
    })
}
