//! Defining an application and changing it: written as a form and as JSON, looked at with all that would follow, then saved.

use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use hub::application::{Effect, Run};
use maud::{Markup, html};
use model::difference::difference;
use model::{Application, ApplicationId, Invalid};
use serde_json::{Value, json};

use super::{NAME, Of, effects, name};
use crate::cookie::Said;
use crate::difference;
use crate::document::{Editor, Field, Kind};
use crate::form::Form;
use crate::page::{self, Place, go, refused};
use crate::problem;
use crate::visitor::{In, Member};

const FIELDS: &[Field] = &[
    NAME,
    Field {
        pointer: "/providerName",
        label: "Provider",
        help: "The company, as the operator knows it.",
        kind: Kind::Line,
    },
    Field {
        pointer: "/description",
        label: "Description",
        help: "What it does, in a sentence or two.",
        kind: Kind::Text,
    },
    Field {
        pointer: "/url",
        label: "URL",
        help: "Where the exchange calls it, unless an endpoint or a role says otherwise.",
        kind: Kind::Line,
    },
    Field {
        pointer: "/hashAlgorithm",
        label: "Hashes with",
        help: "How identifiers are hashed on their way to it, where they are.",
        kind: Kind::Choice(&[("MD5", "MD5"), ("SHA1", "SHA-1"), ("SHA256", "SHA-256")]),
    },
    Field {
        pointer: "/endpointTypes/event/source/enabled",
        label: "Publishes events",
        help: "",
        kind: Kind::Flag,
    },
    Field {
        pointer: "/endpointTypes/event/destination/enabled",
        label: "Receives events",
        help: "",
        kind: Kind::Flag,
    },
    Field {
        pointer: "/endpointTypes/event/destination/destinationType",
        label: "Receives them by",
        help: "",
        kind: Kind::Choice(&[
            ("push", "calls to its URL (push)"),
            ("pull", "fetching files (pull)"),
        ]),
    },
    Field {
        pointer: "/endpointTypes/segment/source/enabled",
        label: "Provides audiences",
        help: "",
        kind: Kind::Flag,
    },
    Field {
        pointer: "/endpointTypes/segment/destination/enabled",
        label: "Receives audiences",
        help: "",
        kind: Kind::Flag,
    },
];

/// What a new one begins with.
fn beginning(provider: &str) -> Value {
    json!({
        "displayName": "", "providerName": provider, "description": "",
        "endpointTypes": { "event": { "source": { "enabled": true } } },
        "marketingDatabasesDefinition": { "marketingDatabases": [{ "name": "customers", "identifiers": [
            { "name": "email", "type": "email", "isRequired": true },
        ] }] },
    })
}

pub(super) async fn new(of: In<Member>) -> Response {
    let partner = match of.hub().partner_of_pilot(of.scope()).await {
        Ok(partner) => partner,
        Err(error) => return problem::of(of.state(), &error),
    };
    let provider = partner.map(|partner| partner.request.company);
    let editor = Editor::new(FIELDS, beginning(&provider.unwrap_or_default()));
    defining(&of, &editor).into_response()
}

fn defining(of: &In<Member>, editor: &Editor) -> page::Page {
    let content = html! {
        h1 { "Define an application" }
        p { "Only this account sees it, until it is shown to others." }
        form.stack method="post" action=(of.path("/applications/new")) {
            (editor.markup())
            div.actions { button.main type="submit" { "Define it" } a.button href=(of.path("/applications")) { "Back" } }
        }
    };
    page::inside(of, Place::Applications, "Define an application", &content)
}

pub(super) async fn create(of: In<Member>, form: Form) -> Response {
    let value = match Editor::read(FIELDS, &form) {
        Ok(value) => value,
        Err(editor) => return refused(defining(&of, &editor)),
    };
    let actor = of.actor();
    let created = of.hub().application_create(&actor, of.scope(), &value);
    match created.await {
        Ok(application) => {
            let said =
                Said::good("It is defined. Add a deployment, so that accounts can connect it.");
            let to = of.path(&format!("/applications/{}", application.id));
            go(of.state(), &to, &said)
        }
        Err(error) => not_taken(&of, FIELDS, value, error, |editor| defining(&of, editor)),
    }
}

/// Why a verb did not take a document: on the page where it is written, or on one of its own.
pub(super) fn not_taken(
    of: &In<Member>,
    fields: &'static [Field],
    value: Value,
    error: hub::Error,
    page: impl FnOnce(&Editor) -> page::Page,
) -> Response {
    match violations(error) {
        Ok(invalid) => refused(page(&Editor::new(fields, value).wrong(invalid))),
        Err(error) => problem::of(of.state(), &error),
    }
}

/// What is wrong with a document, or why else a verb did not do it.
fn violations(error: hub::Error) -> Result<Invalid, hub::Error> {
    match error {
        hub::Error::Invalid(invalid) => Ok(invalid),
        hub::Error::Conflict(why) => Ok(Invalid::one("", "conflict", why)),
        other => Err(other),
    }
}

pub(super) async fn page(of: In<Member>, Path((_, id)): Of) -> Response {
    match of.hub().application_own(of.scope(), id).await {
        Ok(application) => {
            let editor = Editor::new(FIELDS, application.document.clone());
            changing(&of, &application, &editor).into_response()
        }
        Err(error) => problem::of(of.state(), &error),
    }
}

fn changing(of: &In<Member>, application: &Application, editor: &Editor) -> page::Page {
    let path = of.path(&format!("/applications/{}", application.id));
    let content = html! {
        h1 { "Change " (name(application)) }
        p { "Endpoints that are made from it follow, but for what they say themselves. Nothing is changed before you have seen what." }
        form.stack method="post" action={ (path) "/edit" } {
            (editor.markup())
            div.actions { button.main type="submit" { "See what changes" } a.button href=(path) { "Back" } }
        }
    };
    page::inside(of, Place::Applications, "Change an application", &content)
}

/// What would be changed, and nothing else.
pub(super) async fn preview(of: In<Member>, Path((_, id)): Of, form: Form) -> Response {
    let before = match of.hub().application_own(of.scope(), id).await {
        Ok(application) => application,
        Err(error) => return problem::of(of.state(), &error),
    };
    let value = match Editor::read(FIELDS, &form) {
        Ok(value) => value,
        Err(editor) => return refused(changing(&of, &before, &editor)),
    };
    if form.text("step") == "again" {
        let editor = Editor::new(FIELDS, value);
        return changing(&of, &before, &editor).into_response();
    }
    let actor = of.actor();
    let tried = of
        .hub()
        .application_put(&actor, of.scope(), id, &value, Run::Dry);
    match tried.await {
        Ok((after, effects)) => previewed(&of, &before, &after, &effects).into_response(),
        Err(error) => not_taken(&of, FIELDS, value, error, |editor| {
            changing(&of, &before, editor)
        }),
    }
}

fn previewed(
    of: &In<Member>,
    before: &Application,
    after: &Application,
    effects: &[Effect],
) -> page::Page {
    let differences = difference(&before.document, &after.document);
    let path = of.path(&format!("/applications/{}", before.id));
    let content = html! {
        h1 { "What changes in " (name(before)) }
        @if differences.is_empty() {
            p.calm { "Nothing: this is what it says already." }
            p { a.button href=(path) { "Back" } }
        } @else {
            (difference::table("What differs", &differences, ["Now", "Then"]))
            h2 { "Endpoints that follow" }
            (effects::shown(effects))
            (confirm(&format!("{path}/save"), &format!("{path}/edit"), &after.document))
        }
    };
    page::inside(of, Place::Applications, "What changes", &content)
}

/// Saves a document that was looked at, or goes on with it.
pub(super) fn confirm(save: &str, edit: &str, document: &Value) -> Markup {
    let text = document.to_string();
    html! {
        div.actions.after {
            form.inline method="post" action=(save) { input type="hidden" name="document" value=(text); button.main type="submit" { "Save it" } }
            form.inline method="post" action=(edit) {
                input type="hidden" name="document" value=(text);
                button type="submit" name="step" value="again" { "Go on editing" }
            }
        }
    }
}

pub(super) async fn save(of: In<Member>, Path((_, id)): Of, form: Form) -> Response {
    let Ok(value) = Editor::read(&[], &form) else {
        return problem::invalid(of.state(), "The document is no JSON.");
    };
    let actor = of.actor();
    let saved = of
        .hub()
        .application_put(&actor, of.scope(), id, &value, Run::Real);
    saved_page(&of, id, saved.await, value).await
}

async fn saved_page(
    of: &In<Member>,
    id: ApplicationId,
    saved: hub::Result<(Application, Vec<Effect>)>,
    value: Value,
) -> Response {
    let error = match saved {
        Ok((_, effects)) => {
            let said = match effects.len() {
                0 => "It is saved.".to_owned(),
                count => format!("It is saved, and {count} endpoints follow."),
            };
            let to = of.path(&format!("/applications/{id}"));
            return go(of.state(), &to, &Said::good(said));
        }
        Err(error) => error,
    };
    let before = of.hub().application_own(of.scope(), id).await;
    match (violations(error), before) {
        (Ok(invalid), Ok(before)) => {
            let editor = Editor::new(FIELDS, value).wrong(invalid);
            refused(changing(of, &before, &editor))
        }
        (Err(error), _) | (_, Err(error)) => problem::of(of.state(), &error),
    }
}
