//! How accounts are taken on by a deployment: written as a form and as JSON, with a preview of what users will see.
//!
//! Secrets are shown masked, and stay as they are while the mask does.

use axum::Router;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use maud::{Markup, html};
use model::authentication::MASK;
use model::onboarding::{FieldType, Onboarding, OnboardingType, Prompt};
use model::{ApplicationId, DeploymentId};
use serde_json::{Value, json};

use super::deployment::{Of, path};
use super::edit::not_taken;
use crate::ConsoleState;
use crate::cookie::Said;
use crate::document::{Editor, Field, Kind};
use crate::form::Form;
use crate::page::{self, Place, done, go, refused};
use crate::problem;
use crate::visitor::{In, Member};

const PATH: &str =
    "/console/{accountId}/applications/{applicationId}/deployments/{deploymentId}/onboarding";

pub(super) fn routes() -> Router<ConsoleState> {
    Router::new()
        .route(PATH, get(edit).post(save))
        .route(&format!("{PATH}/delete"), post(delete))
}

const FIELDS: &[Field] = &[
    Field {
        pointer: "/onboardingType",
        label: "What happens",
        help: "",
        kind: Kind::Choice(&[
            ("INSTRUCTIONSONLY", "the user reads instructions"),
            ("DIRECTCONNECT", "the exchange calls you"),
        ]),
    },
    Field {
        pointer: "/instructions",
        label: "Instructions",
        help: "What a user reads when they choose it.",
        kind: Kind::Text,
    },
    Field {
        pointer: "/connectUrl",
        label: "Connect URL",
        help: "What is called with the endpoint's key and the user's answers.",
        kind: Kind::Line,
    },
    Field {
        pointer: "/includeSubscriptionNotifications",
        label: "Tell of subscriptions",
        help: "",
        kind: Kind::Flag,
    },
    Field {
        pointer: "/subscriptionNotificationUrl",
        label: "Notification URL",
        help: "Where changes of subscriptions are told.",
        kind: Kind::Line,
    },
];

async fn edit(of: In<Member>, Path((_, application, id)): Of) -> Response {
    let found = of.hub().onboarding(of.scope(), (application, &id)).await;
    let stored = match found {
        Ok(document) => Some(document),
        Err(hub::Error::NotFound(_)) => {
            // Not said yet, or no such deployment.
            match of.hub().deployment(of.scope(), (application, &id)).await {
                Ok(_) => None,
                Err(error) => return problem::of(of.state(), &error),
            }
        }
        Err(error) => return problem::of(of.state(), &error),
    };
    let beginning = || json!({ "onboardingType": "INSTRUCTIONSONLY", "instructions": "" });
    let document = stored.clone().unwrap_or_else(beginning);
    let editor = Editor::new(FIELDS, document.clone());
    let preview = stored.is_some().then_some(&document);
    editing(&of, (application, &id), &editor, preview).into_response()
}

/// The editor, and what users would see of a document.
fn editing(
    of: &In<Member>,
    (application, id): (ApplicationId, &DeploymentId),
    editor: &Editor,
    document: Option<&Value>,
) -> page::Page {
    let here = path(of, application, id, "/onboarding");
    let read = document.and_then(|document| Onboarding::parse(document).ok());
    let question = "Say nothing about it any more? Users are not asked then, and nobody is called.";
    let content = html! {
        div.title { h1 { "How accounts are taken on" }
            @if document.is_some() { (page::button(&format!("{here}/delete"), "Take it away", "danger", Some(question))) }
        }
        p { "Where a value is " code { "PROMPT" } ", the user is asked for it. Stored secrets are shown as " code { (MASK) } " and stay while that does." }
        form.stack method="post" action=(here) {
            (editor.markup())
            div.actions {
                button.main type="submit" { "Save it" }
                button type="submit" name="step" value="preview" { "See what users will see" }
                a.button href=(path(of, application, id, "")) { "Back" }
            }
        }
        @if let Some(read) = read {
            h2 #preview { "What users will see" }
            (preview(&Some(read.kind), read.instructions.as_deref(), &read.prompts()))
        }
    };
    page::inside(
        of,
        Place::Applications,
        "How accounts are taken on",
        &content,
    )
}

/// The last step of a registration, as a user sees it. Nothing can be sent from here.
pub(super) fn preview(
    kind: &Option<OnboardingType>,
    instructions: Option<&str>,
    prompts: &[Prompt],
) -> Markup {
    html! {
        div.preview role="group" aria-label="What users will see" {
            @if let Some(text) = instructions { @for line in text.lines().filter(|line| !line.trim().is_empty()) { p { (line) } } }
            @for prompt in prompts {
                label { (prompt.label)
                    input disabled type=(if prompt.is_secret { "password" } else { "text" }) placeholder=(if prompt.kind == FieldType::Integer { "a whole number" } else { "" });
                }
            }
            @match kind {
                Some(OnboardingType::DirectConnect) => p.hint { "Then the exchange calls you with the endpoint's key" @if prompts.is_empty() { "." } @else { " and these answers." } },
                _ => p.hint { "Then the user is shown the endpoint's key, once." },
            }
        }
    }
}

async fn save(of: In<Member>, Path((_, application, id)): Of, form: Form) -> Response {
    let which = (application, &id);
    let value = match Editor::read(FIELDS, &form) {
        Ok(value) => value,
        Err(editor) => return refused(editing(&of, which, &editor, None)),
    };
    if form.text("step") == "preview" {
        let invalid = Onboarding::parse(&value).err().unwrap_or_default();
        let editor = Editor::new(FIELDS, value.clone()).wrong(invalid);
        return editing(&of, which, &editor, Some(&value)).into_response();
    }
    let actor = of.actor();
    let saved = of.hub().onboarding_put(&actor, of.scope(), which, &value);
    match saved.await {
        Ok(_) => {
            let to = path(&of, application, &id, "");
            go(
                of.state(),
                &to,
                &Said::good("It is saved: this is what users see from now on."),
            )
        }
        Err(error) => not_taken(&of, FIELDS, value, error, |editor| {
            editing(&of, which, editor, None)
        }),
    }
}

async fn delete(of: In<Member>, Path((_, application, id)): Of) -> Response {
    let actor = of.actor();
    let result = of
        .hub()
        .onboarding_delete(&actor, of.scope(), (application, &id))
        .await;
    done(of.state(), &path(&of, application, &id, ""), result, |()| {
        "Nothing is said about it any more.".to_owned()
    })
}
