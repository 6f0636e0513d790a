//! Deployments of an application: what each is called, its event types, and how accounts are taken on by it.

use axum::Router;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use hub::registration::DeploymentChoice;
use maud::{Markup, html};
use model::{AccountId, Application, ApplicationId, Deployment, DeploymentId, EventType, Role};
use serde_json::{Value, json};

use super::edit::not_taken;
use super::{NAME, onboarding};
use crate::ConsoleState;
use crate::cookie::Said;
use crate::document::{self, Editor, Field, Kind};
use crate::form::Form;
use crate::page::{self, Place, done, go, nothing, refused};
use crate::problem;
use crate::time;
use crate::visitor::{In, Member, Partner};

const ALL: &str = "/console/{accountId}/applications/{applicationId}/deployments";

pub(super) fn routes() -> Router<ConsoleState> {
    Router::new()
        .route(&format!("{ALL}/new"), get(new).post(create))
        .route(&format!("{ALL}/{{deploymentId}}"), get(one))
        .route(
            &format!("{ALL}/{{deploymentId}}/edit"),
            get(edit).post(save),
        )
        .route(&format!("{ALL}/{{deploymentId}}/delete"), post(delete))
}

/// The account, the application and the deployment of a path.
pub(super) type Of = Path<(AccountId, ApplicationId, DeploymentId)>;

const FIELDS: &[Field] = &[
    NAME,
    Field {
        pointer: "/description",
        label: "Description",
        help: "What it offers, in a sentence or two.",
        kind: Kind::Text,
    },
];

pub(super) fn name(deployment: &Deployment) -> String {
    match deployment.name() {
        "" => format!("deployment {}", deployment.id),
        name => name.to_owned(),
    }
}

/// A path below a deployment's page.
pub(super) fn path<R>(
    of: &In<R>,
    application: ApplicationId,
    id: &DeploymentId,
    rest: &str,
) -> String {
    of.path(&format!(
        "/applications/{application}/deployments/{id}{rest}"
    ))
}

async fn new(of: In<Member>, Path((_, application)): super::Of) -> Response {
    let editor = Editor::new(FIELDS, json!({ "displayName": "", "description": "" }));
    adding(&of, application, &editor).into_response()
}

fn adding(of: &In<Member>, application: ApplicationId, editor: &Editor) -> page::Page {
    let back = of.path(&format!("/applications/{application}"));
    let content = html! {
        h1 { "Add a deployment" }
        p { "What accounts connect. It gets a number, unless the document says an " code { "id" } "." }
        form.stack method="post" {
            (editor.markup())
            div.actions { button.main type="submit" { "Add it" } a.button href=(back) { "Back" } }
        }
    };
    page::inside(of, Place::Applications, "Add a deployment", &content)
}

async fn create(of: In<Member>, Path((_, application)): super::Of, form: Form) -> Response {
    let value = match Editor::read(FIELDS, &form) {
        Ok(value) => value,
        Err(editor) => return refused(adding(&of, application, &editor)),
    };
    let actor = of.actor();
    let created = of
        .hub()
        .deployment_create(&actor, of.scope(), application, &value);
    match created.await {
        Ok(deployment) => {
            let said = Said::good(
                "It is added. Say which event types it has, and how accounts are taken on.",
            );
            go(
                of.state(),
                &path(&of, application, &deployment.id, ""),
                &said,
            )
        }
        Err(error) => not_taken(&of, FIELDS, value, error, |editor| {
            adding(&of, application, editor)
        }),
    }
}

/// What the page of one is made of.
struct Seen {
    application: Application,
    choice: DeploymentChoice,
    event_types: Vec<EventType>,
}

async fn look(
    of: &In<Partner>,
    application: ApplicationId,
    id: &DeploymentId,
) -> hub::Result<Seen> {
    let (hub, scope) = (of.hub(), of.scope());
    let own = hub.application_own(scope, application).await?;
    let choice = hub.registration_choice(scope, application).await?;
    let mut all = choice.deployments.into_iter();
    let choice = all.find(|one| one.deployment.id == *id);
    Ok(Seen {
        application: own,
        choice: choice.ok_or_else(|| hub::Error::not_found("deployment", id))?,
        event_types: hub.deployment_event_types(scope, (application, id)).await?,
    })
}

async fn one(of: In<Partner>, Path((_, application, id)): Of) -> Response {
    let seen = match look(&of, application, &id).await {
        Ok(seen) => seen,
        Err(error) => return problem::of(of.state(), &error),
    };
    let deployment = &seen.choice.deployment;
    let title = name(deployment);
    let below = |rest: &str| path(&of, application, &id, rest);
    let question = "Delete this deployment with its event types? That cannot be undone.";
    let content = html! {
        p.crumbs { a href=(of.path(&format!("/applications/{application}"))) { (super::name(&seen.application)) } " ›" }
        div.title { h1 { (title) }
            @if of.may(Role::Member) { div.actions {
                a.button href=(below("/edit")) { "Change it" }
                (page::button(&below("/delete"), "Delete", "danger", Some(question)))
            } }
        }
        dl.properties {
            dt { "Id" } dd { code { (id) } }
            @if let Some(text) = deployment.document["description"].as_str() { dt { "Description" } dd { (text) } }
            dt { "Changed" } dd { (time::at(deployment.updated_at)) }
        }
        (event_types(&of, &seen, &below("/event-types")))
        section {
            h2 { "How accounts are taken on" }
            @if seen.choice.kind.is_none() {
                (nothing("Nothing is said about it.", &html! { p { "Whoever connects it is shown the endpoint's key, and hands it over to you by hand." }
                    @if of.may(Role::Member) { a.button href=(below("/onboarding")) { "Write it" } } }))
            } @else {
                (onboarding::preview(&seen.choice.kind, seen.choice.instructions.as_deref(), &seen.choice.prompts))
                @if of.may(Role::Member) { p { a.button href=(below("/onboarding")) { "Change it" } } }
            }
        }
        details { summary { "The whole document" } pre.code tabindex="0" { (document::pretty(&deployment.document)) } }
    };
    page::inside(&of, Place::Applications, &title, &content).into_response()
}

fn event_types(of: &In<Partner>, seen: &Seen, base: &str) -> Markup {
    let add = html! { @if of.may(Role::Member) { a.button href=(base) { "Add an event type" } } };
    html! {
        section {
            h2 { "Event types" }
            @if seen.event_types.is_empty() {
                (nothing("It has none.", &html! { p { "All endpoints that are made from it have the event types that are registered here once." } (add) }))
            } @else {
                div.scroll tabindex="0" role="region" aria-label="Event types" { table {
                    thead { tr { th { "Code" } th { "Name" } th { "Does" } th { "Attributes" } th { span.visually-hidden { "What can be done" } } } }
                    tbody { @for one in &seen.event_types { tr {
                        td { code { (one.code) } }
                        td { (one.name) }
                        td { (one.registration.as_str().to_ascii_lowercase()) }
                        td { @for (at, attribute) in one.attributes.iter().enumerate() { @if at > 0 { ", " } (attribute.name) " (" (attribute.kind) ")" } }
                        td.actions { @if of.may(Role::Member) { a href={ (base) "/remove?code=" (escaped(&one.code)) } { "Remove…" } } }
                    } } }
                } }
                p { (add) }
            }
        }
    }
}

fn escaped(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

async fn edit(of: In<Member>, Path((_, application, id)): Of) -> Response {
    let found = of.hub().application_own(of.scope(), application).await;
    if let Err(error) = found {
        return problem::of(of.state(), &error);
    }
    match of.hub().deployment(of.scope(), (application, &id)).await {
        Ok(deployment) => {
            let editor = Editor::new(FIELDS, deployment.document);
            changing(&of, application, &id, &editor).into_response()
        }
        Err(error) => problem::of(of.state(), &error),
    }
}

fn changing(
    of: &In<Member>,
    application: ApplicationId,
    id: &DeploymentId,
    editor: &Editor,
) -> page::Page {
    let content = html! {
        h1 { "Change deployment " (id) }
        form.stack method="post" action=(path(of, application, id, "/edit")) {
            (editor.markup())
            div.actions { button.main type="submit" { "Save it" } a.button href=(path(of, application, id, "")) { "Back" } }
        }
    };
    page::inside(of, Place::Applications, "Change a deployment", &content)
}

async fn save(of: In<Member>, Path((_, application, id)): Of, form: Form) -> Response {
    let value: Value = match Editor::read(FIELDS, &form) {
        Ok(value) => value,
        Err(editor) => return refused(changing(&of, application, &id, &editor)),
    };
    let (actor, which) = (of.actor(), (application, &id));
    match of
        .hub()
        .deployment_put(&actor, of.scope(), which, &value)
        .await
    {
        Ok(_) => {
            let to = path(&of, application, &id, "");
            go(of.state(), &to, &Said::good("It is saved."))
        }
        Err(error) => not_taken(&of, FIELDS, value, error, |editor| {
            changing(&of, application, &id, editor)
        }),
    }
}

async fn delete(of: In<Member>, Path((_, application, id)): Of) -> Response {
    let result = of
        .hub()
        .deployment_delete(&of.actor(), of.scope(), (application, &id))
        .await;
    let to = match &result {
        Ok(()) => of.path(&format!("/applications/{application}")),
        Err(_) => path(&of, application, &id, ""),
    };
    done(of.state(), &to, result, |()| {
        "The deployment is deleted.".to_owned()
    })
}
