//! Applications: the account's own products, each defined once for the endpoints of many accounts. The list, one with what
//! hangs on it, making one, showing it to others, deleting it.
//!
//! Changing what it says: [`edit`]; what it offers: [`deployment`]; how accounts are taken on: [`onboarding`].

mod deployment;
mod edit;
mod effects;
mod event_type;
mod onboarding;

use axum::Router;
use axum::extract::Path;
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use hub::Page;
use hub::application::Made;
use maud::{Markup, html};
use model::{AccountId, Application, ApplicationId, Deployment, Environment, Role, Visibility};

use crate::ConsoleState;
use crate::document::{self, Field, Kind};
use crate::form::Form;
use crate::list::{self, Asked, Column};
use crate::page::{self, Place, done, nothing};
use crate::problem;
use crate::time;
use crate::visitor::{In, Member, Partner};

/// Endpoints made from one that are shown.
const MADE_MAX: usize = 100;

pub(crate) fn routes() -> Router<ConsoleState> {
    Router::new()
        .route("/console/{accountId}/applications", get(list))
        .route(
            "/console/{accountId}/applications/new",
            get(edit::new).post(edit::create),
        )
        .route(
            "/console/{accountId}/applications/{applicationId}",
            get(one),
        )
        .route(
            "/console/{accountId}/applications/{applicationId}/edit",
            get(edit::page).post(edit::preview),
        )
        .route(
            "/console/{accountId}/applications/{applicationId}/save",
            post(edit::save),
        )
        .route(
            "/console/{accountId}/applications/{applicationId}/visibility",
            post(show),
        )
        .route(
            "/console/{accountId}/applications/{applicationId}/delete",
            post(delete),
        )
        .merge(deployment::routes())
        .merge(event_type::routes())
        .merge(onboarding::routes())
}

/// The account and the application of a path.
type Of = Path<(AccountId, ApplicationId)>;

/// The name that an application and a deployment have for people.
const NAME: Field = Field {
    pointer: "/displayName",
    label: "Name",
    help: "What people choose it by.",
    kind: Kind::Line,
};

/// The name of an application, for people.
fn name(application: &Application) -> String {
    match application.display_name() {
        "" => format!("application {}", application.id),
        name => name.to_owned(),
    }
}

async fn list(of: In<Partner>, uri: Uri) -> Response {
    let asked = Asked::of(&uri);
    let wanted = asked.text("q").to_lowercase();
    let found = list::by_id(
        &asked,
        |application: &Application| application.id.0,
        |application| name(application).to_lowercase().contains(&wanted),
        |page| of.hub().applications(of.scope(), page),
    );
    let found = match found.await {
        Ok(found) => found,
        Err(error) => return problem::of(of.state(), &error),
    };
    let columns = columns(&of);
    if asked.is_csv() {
        return list::csv("applications", &columns, &found);
    }
    let new = html! {
        @if of.may(Role::Member) { a.button.main href=(of.path("/applications/new")) { "Define an application" } }
    };
    let is_empty = found.rows.is_empty() && !asked.is_filtered();
    let content = html! {
        div.title { h1 { "Applications" } @if !is_empty { (new) } }
        p { "A product that you define once, and that other accounts connect by choosing it." }
        @if is_empty {
            (nothing("This account has no application of its own.", &html! {
                p { "Define one: its name, what it publishes and takes, and how accounts are taken on. Only this account sees it at first." }
                (new)
            }))
        } @else {
            (asked.search(&[("q", "Name")]))
            @if found.rows.is_empty() { (nothing("No application is called so.", &html! { a href="?" { "Show all" } })) }
            @else { (list::table(&asked, "Applications", &columns, &found)) }
        }
    };
    page::inside(&of, Place::Applications, "Applications", &content).into_response()
}

fn columns<'a>(of: &'a In<Partner>) -> Vec<Column<'a, Application>> {
    vec![
        list::linked(
            "Name",
            |a: &Application| of.path(&format!("/applications/{}", a.id)),
            name,
        ),
        list::text("Provider", |a: &Application| a.provider_name().to_owned()),
        list::column(
            "Seen by",
            |a: &Application| visibility(a.visibility),
            |a| a.visibility.as_str().to_owned(),
        ),
        list::text("Number", |a: &Application| a.id.to_string()),
        list::instant("Changed", |a: &Application| Some(a.updated_at)),
    ]
}

fn visibility(visibility: Visibility) -> Markup {
    let (word, class) = match visibility {
        Visibility::Public => ("all accounts", "active"),
        Visibility::Private => ("this account", "pending"),
    };
    html! { span class={ "status " (class) } { (word) } }
}

/// What the page of one is made of.
struct Seen {
    application: Application,
    deployments: Vec<Deployment>,
    made: Vec<Made>,
}

async fn look(of: &In<Partner>, id: ApplicationId) -> hub::Result<Seen> {
    let (hub, scope) = (of.hub(), of.scope());
    let page = Page {
        after: 0,
        limit: 101,
    };
    Ok(Seen {
        application: hub.application_own(scope, id).await?,
        deployments: hub.deployments(scope, id).await?,
        made: hub.application_endpoints(scope, id, page).await?,
    })
}

async fn one(of: In<Partner>, Path((_, id)): Of) -> Response {
    let seen = match look(&of, id).await {
        Ok(seen) => seen,
        Err(error) => return problem::of(of.state(), &error),
    };
    let application = &seen.application;
    let title = name(application);
    let text = |name: &str| application.document[name].as_str().unwrap_or_default();
    let content = html! {
        div.title { h1 { (title) } (visibility(application.visibility)) @if of.may(Role::Member) { (actions(&of, &seen)) } }
        dl.properties {
            dt { "Number" } dd { (application.id) }
            dt { "Provider" } dd { (application.provider_name()) }
            @for (name, label) in [("description", "Description"), ("url", "URL"), ("hashAlgorithm", "Hashes with")] {
                @if !text(name).is_empty() { dt { (label) } dd { (text(name)) } }
            }
            dt { "Defined" } dd { (time::at(application.created_at)) }
            dt { "Changed" } dd { (time::at(application.updated_at)) }
        }
        (deployments(&of, &seen))
        (made(&seen))
        details { summary { "The whole document" } pre.code tabindex="0" { (document::pretty(&application.document)) } }
    };
    page::inside(&of, Place::Applications, &title, &content).into_response()
}

fn actions(of: &In<Partner>, seen: &Seen) -> Markup {
    let application = &seen.application;
    let path = |verb: &str| of.path(&format!("/applications/{}/{verb}", application.id));
    let (label, word, question) = match application.visibility {
        Visibility::Private => (
            "Show it to all accounts",
            Visibility::Public,
            match of.account.environment {
                Environment::Production => {
                    "Show this application to all accounts of production? They can connect it then."
                }
                Environment::Pilot => "Show this application to all accounts of pilot?",
            },
        ),
        Visibility::Public => (
            "Show it to this account only",
            Visibility::Private,
            "Hide this application from other accounts? Endpoints that were made from it stay.",
        ),
    };
    let question_of_end = "Delete this application with its deployments? That cannot be undone.";
    html! {
        div.actions {
            a.button.main href=(path("edit")) { "Change it" }
            form.inline method="post" action=(path("visibility")) data-ask=(question) {
                input type="hidden" name="visibility" value=(word.as_str());
                button type="submit" { (label) }
            }
            @if seen.made.is_empty() { (page::button(&path("delete"), "Delete", "danger", Some(question_of_end))) }
        }
    }
}

fn deployments(of: &In<Partner>, seen: &Seen) -> Markup {
    let base = of.path(&format!(
        "/applications/{}/deployments",
        seen.application.id
    ));
    let new = html! { @if of.may(Role::Member) { a.button href={ (base) "/new" } { "Add a deployment" } } };
    html! {
        section {
            h2 { "Deployments" }
            @if seen.deployments.is_empty() {
                (nothing("Nothing is offered yet.", &html! { p { "A deployment is what accounts connect: its event types, and how accounts are taken on." } (new) }))
            } @else {
                div.scroll tabindex="0" role="region" aria-label="Deployments" { table {
                    thead { tr { th { "Name" } th { "Id" } th { "Changed" } } }
                    tbody { @for one in &seen.deployments { tr {
                        td { a href={ (base) "/" (one.id) } { (deployment::name(one)) } }
                        td { code { (one.id) } }
                        td { (time::at(one.updated_at)) }
                    } } }
                } }
                p { (new) }
            }
        }
    }
}

/// That endpoints are there and how they stand, and nothing that their accounts said.
fn made(seen: &Seen) -> Markup {
    let more = seen.made.len() > MADE_MAX;
    html! {
        section {
            h2 { "Endpoints that are made from it" }
            @if seen.made.is_empty() { p { "None yet." } } @else {
                div.scroll tabindex="0" role="region" aria-label="Endpoints made from it" { table {
                    thead { tr { th { "Endpoint" } th { "Account" } th { "Deployment" } th { "Status" } th { "Since" } } }
                    tbody { @for one in seen.made.iter().take(MADE_MAX) { tr {
                        td { (one.endpoint) } td { (one.account) }
                        td { @if let Some(id) = &one.deployment { code { (id) } } @else { "–" } }
                        td { span class={ "status " (one.status.as_str().to_ascii_lowercase()) } { (one.status.as_str().to_ascii_lowercase()) @if !one.enabled { ", disabled" } } }
                        td { (time::at(one.since)) }
                    } } }
                } }
                @if more { p { "These are the first " (MADE_MAX) "." } }
            }
        }
    }
}

async fn show(of: In<Member>, Path((_, id)): Of, form: Form) -> Response {
    let Some(visibility) = Visibility::parse(form.text("visibility")) else {
        return problem::invalid(of.state(), "An application is PUBLIC or PRIVATE.");
    };
    let actor = of.actor();
    let verb = of
        .hub()
        .application_set_visibility(&actor, of.scope(), id, visibility);
    let to = of.path(&format!("/applications/{id}"));
    done(of.state(), &to, verb.await, |application| {
        match application.visibility {
            Visibility::Public => "All accounts of this environment see it from now on.",
            Visibility::Private => "Only this account sees it from now on.",
        }
        .to_owned()
    })
}

async fn delete(of: In<Member>, Path((_, id)): Of) -> Response {
    let result = of
        .hub()
        .application_delete(&of.actor(), of.scope(), id)
        .await;
    let to = match &result {
        Ok(()) => of.path("/applications"),
        Err(_) => of.path(&format!("/applications/{id}")),
    };
    done(of.state(), &to, result, |()| {
        "The application is deleted.".to_owned()
    })
}
