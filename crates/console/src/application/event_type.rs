//! Event types of a deployment: adding one and removing one, each looked at with what the endpoints would become.

use axum::Router;
use axum::extract::Path;
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use hub::application::{Effect, Run};
use maud::html;
use model::{ApplicationId, DeploymentId, EventTypeId};
use serde_json::{Value, json};

use super::deployment::{Of, path};
use super::edit::{confirm, not_taken};
use super::effects;
use crate::ConsoleState;
use crate::cookie::Said;
use crate::document::{Editor, Field, Kind};
use crate::form::{self, Form};
use crate::page::{self, Place, go, refused};
use crate::problem;
use crate::visitor::{In, Member};

const ALL: &str =
    "/console/{accountId}/applications/{applicationId}/deployments/{deploymentId}/event-types";

pub(super) fn routes() -> Router<ConsoleState> {
    Router::new()
        .route(ALL, get(add).post(preview))
        .route(&format!("{ALL}/save"), post(save))
        .route(&format!("{ALL}/remove"), get(ask).post(remove))
}

const FIELDS: &[Field] = &[
    Field {
        pointer: "/code",
        label: "Code",
        help: "As events name it, such as emailOpen.",
        kind: Kind::Line,
    },
    Field {
        pointer: "/name",
        label: "Name",
        help: "For people, such as Mail opened.",
        kind: Kind::Line,
    },
    Field {
        pointer: "/description",
        label: "Description",
        help: "",
        kind: Kind::Text,
    },
    Field {
        pointer: "/registrationType",
        label: "Does",
        help: "",
        kind: Kind::Choice(&[
            ("PUBLISH", "it publishes them"),
            ("SUBSCRIBE", "it takes them"),
        ]),
    },
];

async fn add(of: In<Member>, Path((_, application, id)): Of) -> Response {
    let beginning = json!({ "code": "", "name": "", "description": "", "registrationType": "PUBLISH",
        "attributes": [{ "name": "orderTotal", "type": "number" }] });
    let editor = Editor::new(FIELDS, beginning);
    adding(&of, application, &id, &editor).into_response()
}

fn adding(
    of: &In<Member>,
    application: ApplicationId,
    id: &DeploymentId,
    editor: &Editor,
) -> page::Page {
    let content = html! {
        h1 { "Add an event type" }
        p { "All endpoints that are made from this deployment get it. The text may be a list, to add several at once. Nothing is changed before you have seen what." }
        form.stack method="post" action=(path(of, application, id, "/event-types")) {
            (editor.markup())
            div.actions { button.main type="submit" { "See what changes" } a.button href=(path(of, application, id, "")) { "Back" } }
        }
    };
    page::inside(of, Place::Applications, "Add an event type", &content)
}

async fn register(
    of: &In<Member>,
    which: (ApplicationId, &DeploymentId),
    value: &Value,
    run: Run,
) -> hub::Result<(Vec<EventTypeId>, Vec<Effect>)> {
    let actor = of.actor();
    let verb = of
        .hub()
        .deployment_register(&actor, of.scope(), which, value, run);
    verb.await
}

async fn preview(of: In<Member>, Path((_, application, id)): Of, form: Form) -> Response {
    let value = match Editor::read(FIELDS, &form) {
        Ok(value) => value,
        Err(editor) => return refused(adding(&of, application, &id, &editor)),
    };
    if form.text("step") == "again" {
        let editor = Editor::new(FIELDS, value);
        return adding(&of, application, &id, &editor).into_response();
    }
    match register(&of, (application, &id), &value, Run::Dry).await {
        Ok((_, effects)) => {
            let base = path(&of, application, &id, "/event-types");
            let content = html! {
                h1 { "Endpoints that follow" }
                (effects::shown(&effects))
                (confirm(&format!("{base}/save"), &base, &value))
            };
            page::inside(&of, Place::Applications, "What changes", &content).into_response()
        }
        Err(error) => wrong(&of, (application, &id), value, error),
    }
}

async fn save(of: In<Member>, Path((_, application, id)): Of, form: Form) -> Response {
    let Ok(value) = Editor::read(&[], &form) else {
        return problem::invalid(of.state(), "The document is no JSON.");
    };
    match register(&of, (application, &id), &value, Run::Real).await {
        Ok((ids, effects)) => {
            let said = format!(
                "{} event types are there, and {} endpoints follow.",
                ids.len(),
                effects.len()
            );
            let to = path(&of, application, &id, "");
            go(of.state(), &to, &Said::good(said))
        }
        Err(error) => wrong(&of, (application, &id), value, error),
    }
}

fn wrong(
    of: &In<Member>,
    (application, id): (ApplicationId, &DeploymentId),
    value: Value,
    error: hub::Error,
) -> Response {
    not_taken(of, FIELDS, value, error, |editor| {
        adding(of, application, id, editor)
    })
}

/// What removing a code would do.
async fn ask(of: In<Member>, Path((_, application, id)): Of, uri: Uri) -> Response {
    let query = form::query(&uri);
    let (code, actor, which) = (query.text("code"), of.actor(), (application, &id));
    let tried = of
        .hub()
        .deployment_unregister(&actor, of.scope(), which, code, Run::Dry);
    let effects = match tried.await {
        Ok((true, effects)) => effects,
        Ok((false, _)) => {
            let said = Said::bad("There is no such event type any more.");
            return go(of.state(), &path(&of, application, &id, ""), &said);
        }
        Err(error) => return problem::of(of.state(), &error),
    };
    let content = html! {
        h1 { "Remove " code { (code) } "?" }
        p { "Every registration of it ends at these endpoints:" }
        (effects::shown(&effects))
        div.actions.after {
            form.inline method="post" action=(path(&of, application, &id, "/event-types/remove")) {
                input type="hidden" name="code" value=(code);
                button.danger type="submit" { "Remove it" }
            }
            a.button href=(path(&of, application, &id, "")) { "Keep it" }
        }
    };
    page::inside(&of, Place::Applications, "Remove an event type", &content).into_response()
}

async fn remove(of: In<Member>, Path((_, application, id)): Of, form: Form) -> Response {
    let (code, actor, which) = (form.text("code"), of.actor(), (application, &id));
    let removed = of
        .hub()
        .deployment_unregister(&actor, of.scope(), which, code, Run::Real)
        .await;
    let to = path(&of, application, &id, "");
    page::done(of.state(), &to, removed, |(_, effects)| {
        format!("It is removed, and {} endpoints follow.", effects.len())
    })
}
