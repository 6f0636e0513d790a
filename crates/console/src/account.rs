//! What an account decides for itself: its name, its policy, its keys; how much it uses of what it may; and what the exchange
//! wants its people to know. Limits are for operators to change.

mod key;
mod policy;

use axum::Router;
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use hub::Notice;
use maud::{Markup, html};
use model::Role;

use crate::ConsoleState;
use crate::event::endpoint;
use crate::form::Form;
use crate::home::grouped;
use crate::list::{self, Asked};
use crate::page::{self, Place, done, nothing};
use crate::problem;
use crate::visitor::{Admin, In, Viewer};

pub(crate) fn routes() -> Router<ConsoleState> {
    Router::new()
        .route("/console/{accountId}/settings", get(settings))
        .route("/console/{accountId}/settings/name", post(rename))
        .route("/console/{accountId}/settings/policy", post(policy::save))
        .route("/console/{accountId}/settings/limits", post(policy::limit))
        .route("/console/{accountId}/notices", get(notices))
        .merge(key::routes())
}

/// The pages around the settings: path and name.
const PLACES: [(&str, &str); 4] = [
    ("/settings", "Settings"),
    ("/settings/keys", "Keys"),
    ("/notices", "Notices"),
    ("/outbox", "Outbox"),
];

/// The way between them.
pub(crate) fn tabs<R>(of: &In<R>, here: &str) -> Markup {
    html! {
        nav.tabs aria-label="Settings" {
            @for (path, name) in PLACES.into_iter().filter(|(path, _)| *path != "/settings/keys" || of.may(Role::Admin)) {
                a href=(of.path(path)) aria-current=[(path == here).then_some("page")] { (name) }
            }
        }
    }
}

async fn settings(of: In<Viewer>) -> Response {
    let used = match of.hub().quota_used_today(of.scope()).await {
        Ok(used) => used,
        Err(error) => return problem::of(of.state(), &error),
    };
    let content = html! {
        (tabs(&of, "/settings"))
        div.title { h1 { (of.account.name) } (page::environment(of.account.environment)) span.role { "account " (of.account.id) } }
        (usage(&of, used))
        @if of.may(Role::Admin) {
            section.narrow-left {
                h2 { "Name" }
                form.stack method="post" action=(of.path("/settings/name")) {
                    label { "What people know it by" input type="text" name="name" value=(of.account.name) required maxlength="256" autocomplete="off"; }
                    button type="submit" { "Change it" }
                }
            }
        }
        (policy::shown(&of))
    };
    page::inside(&of, Place::Settings, "Settings", &content).into_response()
}

/// What there is, and how much of the allowance of today is used up.
fn usage(of: &In<Viewer>, used: u64) -> Markup {
    let registry = of.hub().registry();
    let account = of.account.id;
    let endpoints = registry.endpoint_counts();
    let endpoints = endpoints.get(&account).copied().unwrap_or(0);
    let mut subscriptions = 0;
    registry.each_route(account, |_, _, all| {
        subscriptions += all.iter().filter(|s| !s.deleted).count();
    });
    let standings = of.hub().standings_of(of.scope());
    let delivered: u64 = standings.iter().map(|s| s.delivered).sum();
    let policy = &of.account.policy;
    let figure = |name: &str, value: u64, note: &str| {
        html! { div { dt { (name) } dd { strong { (grouped(value)) } span { (note) } } } }
    };
    html! {
        h2 { "What it uses" }
        dl.figures {
            (figure("Endpoints", endpoints, ""))
            (figure("Subscriptions", subscriptions as u64, ""))
            (figure("Delivered", delivered, "since the exchange started"))
        }
        @match policy.max_events_per_day {
            Some(limit) => p { label { (grouped(used)) " of the " (grouped(limit)) " events of today (UTC) are published " progress value=(used.min(limit)) max=(limit.max(1)) { (used) " of " (limit) } } },
            None => p { "It may publish as many events a day as the exchange takes." },
        }
        p { @match policy.max_events_per_second {
            Some(limit) => { "In one second it may publish " (grouped(limit)) " events." }
            None => { "There is no limit for a second." }
        } }
        @if of.visitor.bearer.is_operator() { (policy::limits(of)) }
    }
}

async fn rename(of: In<Admin>, form: Form) -> Response {
    let actor = of.actor();
    let result = of
        .hub()
        .account_rename(&actor, of.scope(), form.text("name"));
    done(of.state(), &of.path("/settings"), result.await, |account| {
        format!("It is called {} from now on.", account.name)
    })
}

/// What the exchange did or saw by itself and people should know.
async fn notices(of: In<Viewer>, uri: Uri) -> Response {
    let asked = Asked::of(&uri);
    let found = list::by_id(
        &asked,
        |notice: &Notice| notice.id,
        |_| true,
        |page| of.hub().notices(of.scope(), page),
    );
    let found = match found.await {
        Ok(found) => found,
        Err(error) => return problem::of(of.state(), &error),
    };
    let columns = [
        list::instant("When", |n: &Notice| Some(n.created_at)),
        list::text("What", |n: &Notice| n.message.clone()).wordy(),
        list::text("Kind", |n: &Notice| n.kind.clone()),
        list::column(
            "Endpoint",
            |n: &Notice| html! { @if let Some(id) = n.endpoint { (endpoint(&of, id)) } @else { "–" } },
            |n| n.endpoint.map_or_else(String::new, |id| id.to_string()),
        ),
    ];
    if asked.is_csv() {
        return list::csv("notices", &columns, &found);
    }
    let content = html! {
        (tabs(&of, "/notices"))
        h1 { "Notices" }
        @if found.rows.is_empty() {
            (nothing("There was nothing that people should know.", &html! { p { "Destinations that are down, tokens that were refused and the like are told here." } }))
        } @else {
            (list::table(&asked, "Notices", &columns, &found))
        }
    };
    page::inside(&of, Place::Settings, "Notices", &content).into_response()
}
