//! Audiences: shares that ran, run and will run; making one in three steps; running, pausing and ending one.

mod when;
mod wizard;

use axum::Router;
use axum::extract::Path;
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use hub::Page;
use hub::share::{Listed, ShareChange};
use maud::{Markup, html};
use model::share::{Share, ShareStatus};
use model::{AccountId, Role, ShareId};

use crate::ConsoleState;
use crate::cookie::Said;
use crate::event::endpoint;
use crate::form;
use crate::page::{self, Place, done, nothing};
use crate::problem;
use crate::time;
use crate::visitor::{In, Member, Viewer};

/// Shares on one page.
const LIMIT: usize = 50;

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
        .route("/console/{accountId}/shares/refresh", post(refresh))
        .route("/console/{accountId}/shares/{shareId}", get(one))
        .route("/console/{accountId}/shares/{shareId}/run", post(run))
        .route("/console/{accountId}/shares/{shareId}/pause", post(pause))
        .route("/console/{accountId}/shares/{shareId}/resume", post(resume))
        .route("/console/{accountId}/shares/{shareId}/end", post(end))
}

type Of = Path<(AccountId, ShareId)>;

async fn list(of: In<Viewer>, uri: Uri) -> Response {
    let query = form::query(&uri);
    let listed = Listed::parse(query.text("which"));
    let page = Page {
        after: query.number("after").unwrap_or(0),
        limit: 51,
    };
    let mut shares = match of.hub().shares(of.scope(), listed, None, page).await {
        Ok(shares) => shares,
        Err(error) => return problem::of(of.state(), &error),
    };
    let next = (shares.len() > LIMIT).then(|| shares[LIMIT - 1].id);
    shares.truncate(LIMIT);
    let tabs = [
        ("All", ""),
        ("Recent", "recent"),
        ("Scheduled", "scheduled"),
        ("Historical", "historical"),
    ];
    let content = html! {
        div.title {
            h1 { "Audiences" }
            @if of.may(Role::Member) {
                div.actions {
                    (page::button(&of.path("/shares/refresh"), "Ask for audiences again", "", None))
                    a.button.main href=(of.path("/shares/new")) { "Share an audience" }
                }
            }
        }
        nav.tabs aria-label="Which" {
            @for (name, word) in tabs {
                a href={ (of.path("/shares")) "?which=" (word) } aria-current=[(query.text("which") == word).then_some("page")] { (name) }
            }
        }
        @if shares.is_empty() {
            (nothing("No audience has been shared.", &html! { p { "A share takes an audience of one endpoint to another, once or again and again, with the names and hashes that the other wants." } }))
        } @else {
            (table(&of, &shares))
            @if let Some(next) = next { p.more { a.button href={ (of.path("/shares")) "?after=" (next) "&which=" (query.text("which")) } { "More" } } }
        }
    };
    page::inside(&of, Place::Audiences, "Audiences", &content).into_response()
}

fn table(of: &In<Viewer>, shares: &[Share]) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Shares" { table {
            thead { tr { th { "Audience" } th { "From" } th { "To" } th { "Does" } th { "State" } th { "Next" } th { "Last run" } } }
            tbody { @for share in shares {
                @let plan = &share.plan;
                tr {
                    td { a href=(of.path(&format!("/shares/{}", share.id))) { (plan.destination_segment.name) } }
                    td { (endpoint(of, plan.source)) }
                    td { (endpoint(of, plan.destination)) }
                    td { (plan.action.as_str()) @if plan.incremental { ", only changes" } }
                    td { (status(share.status)) }
                    td { @if let Some(at) = share.next_at { (time::at(at)) } @else { "–" } }
                    td { @if let Some(job) = share.last_job { a href=(of.path(&format!("/jobs/{job}"))) { @if let Some(at) = share.last_run_at { (time::at(at)) } @else { "job " (job) } } } @else { "–" } }
                }
            } }
        } }
    }
}

fn status(status: ShareStatus) -> Markup {
    let (word, class) = match status {
        ShareStatus::Active => ("active", "active"),
        ShareStatus::Paused => ("paused", "pending"),
        ShareStatus::Ended => ("ended", "disabled"),
    };
    html! { span class={ "status " (class) } { (word) } }
}

async fn one(of: In<Viewer>, Path((_, id)): Of) -> Response {
    let share = match of.hub().share(of.scope(), id).await {
        Ok(share) => share,
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
    };
    page::inside(&of, Place::Audiences, "Audience", &content).into_response()
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

async fn refresh(of: In<Member>) -> Response {
    let result = of
        .hub()
        .segments_refresh(&of.actor(), of.scope(), None)
        .await;
    let to = result.as_ref().map_or_else(
        |_| of.path("/shares"),
        |job| of.path(&format!("/jobs/{job}")),
    );
    done(of.state(), &to, result, |_| {
        "The endpoints are asked for their audiences.".to_owned()
    })
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
