//! Registering an endpoint, in up to three steps: which application it is made from, or none; what its provider asks; the
//! key, which is shown once, with the call that comes next.

use axum::Router;
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hub::registration::{Choice, DeploymentChoice, NewRegistration};
use hub::{Error, Page};
use maud::{Markup, html};
use model::onboarding::{FieldType, Prompt};
use model::{ApplicationId, DeploymentId};
use serde_json::{Map, Value};

use crate::ConsoleState;
use crate::cookie::Said;
use crate::endpoint::key_page;
use crate::form::Form;
use crate::list::{self, Asked, Rows};
use crate::page::{self, Place};
use crate::problem;
use crate::visitor::{In, Member};

pub(crate) fn routes() -> Router<ConsoleState> {
    Router::new().route(
        "/console/{accountId}/endpoints/new",
        get(new).post(register),
    )
}

async fn new(of: In<Member>, uri: Uri) -> Response {
    let asked = Asked::of(&uri);
    let made = match asked.number::<i64>("application").map(ApplicationId) {
        Some(id) => of
            .hub()
            .registration_choice(of.scope(), id)
            .await
            .map(|choice| prompts(&of, &choice, &asked)),
        None => choices(&of, &asked).await,
    };
    match made {
        Ok(content) => {
            page::inside(&of, Place::Endpoints, "Register an endpoint", &content).into_response()
        }
        Err(error) => problem::of(of.state(), &error),
    }
}

/// The first step.
async fn choices(of: &In<Member>, asked: &Asked) -> hub::Result<Markup> {
    let wanted = asked.text("q").to_lowercase();
    let found: Rows<Choice> = list::by_id(
        asked,
        |choice: &Choice| choice.application.id.0,
        |choice| called(choice).to_lowercase().contains(&wanted),
        |page: Page| of.hub().registration_choices(of.scope(), page),
    )
    .await?;
    Ok(html! {
        h1 { "Register an endpoint" }
        (steps(0))
        p { "An endpoint is one product, connected to this account. Choose the application that it is, or register a product of your own." }
        (asked.search(&[("q", "Name of the product or its provider")]))
        ul.cards {
            @for choice in &found.rows {
                li { a.card href=(of.path(&format!("/endpoints/new?application={}", choice.application.id))) {
                    strong { (choice.application.display_name()) } span.role { (choice.application.provider_name()) }
                } }
            }
            li { div.card {
                strong { "A product of your own" } span.role { "it says with its first call what it is" }
                form method="post" { button.main type="submit" { "Make a key" } }
            } }
        }
        @if found.next.is_some() || !asked.after().is_empty() { (list::ends(asked, &found)) }
    })
}

fn called(choice: &Choice) -> String {
    let application = &choice.application;
    format!(
        "{} {}",
        application.display_name(),
        application.provider_name()
    )
}

/// Where somebody is.
fn steps(now: usize) -> Markup {
    let names = ["Choose", "Answer", "Key"];
    html! {
        ol.steps { @for (at, name) in names.iter().enumerate() {
            li class=(match at.cmp(&now) { std::cmp::Ordering::Less => "done", std::cmp::Ordering::Equal => "running", std::cmp::Ordering::Greater => "waiting" })
                aria-current=[(at == now).then_some("step")] { strong { (name) } }
        } }
    }
}

/// The second step: what the provider asks, for the deployment that is chosen.
fn prompts(of: &In<Member>, choice: &Choice, asked: &Asked) -> Markup {
    let id = choice.application.id;
    let chosen = asked.text("deployment");
    let mut deployments = choice.deployments.iter();
    let deployment = match choice.deployments.as_slice() {
        [only] => Some(only),
        _ => deployments.find(|d| d.deployment.id.as_str() == chosen),
    };
    html! {
        h1 { "Register " (choice.application.display_name()) }
        (steps(1))
        @if choice.deployments.len() > 1 {
            form.stack.narrow-left method="get" {
                input type="hidden" name="application" value=(id);
                label { "Which of its deployments"
                    select name="deployment" required {
                        option value="" { "Choose one" }
                        @for one in &choice.deployments {
                            option value=(one.deployment.id) selected[one.deployment.id.as_str() == chosen] { (deployment_name(one)) }
                        }
                    }
                }
                button type="submit" { "Show what it asks" }
            }
        }
        @if deployment.is_some() || choice.deployments.is_empty() {
            @if let Some(text) = deployment.and_then(|d| d.instructions.as_deref()) { p.warning { (text) } }
            form.stack.narrow-left method="post" {
                input type="hidden" name="application" value=(id);
                @if let Some(one) = deployment {
                    input type="hidden" name="deployment" value=(one.deployment.id);
                    @for prompt in &one.prompts { (field(prompt)) }
                    @if one.prompts.is_empty() { p { "Its provider asks nothing." } }
                }
                div.actions {
                    button.main type="submit" { "Register it" }
                    a.button href=(of.path("/endpoints/new")) { "Choose another" }
                }
            }
        }
    }
}

fn deployment_name(choice: &DeploymentChoice) -> String {
    let name = choice.deployment.document["displayName"].as_str();
    name.map_or_else(|| choice.deployment.id.to_string(), str::to_owned)
}

fn field(prompt: &Prompt) -> Markup {
    let kind = match (prompt.is_secret, prompt.kind) {
        (true, _) => "password",
        (false, FieldType::Integer) => "number",
        (false, FieldType::String) => "text",
    };
    html! { label { (prompt.label) input type=(kind) name={ "value:" (prompt.name) } required autocomplete="off"; } }
}

/// The third step.
async fn register(of: In<Member>, form: Form) -> Response {
    let made = match new_registration(&of, &form).await {
        Ok(None) => of.hub().endpoint_register(&of.actor(), of.scope()).await,
        Ok(Some(new)) => {
            of.hub()
                .registration_create(&of.actor(), of.scope(), &new)
                .await
        }
        Err(error) => Err(error),
    };
    match made {
        Ok((endpoint, key)) => {
            key_page(&of, endpoint.id, key.expose(), "The endpoint is registered")
        }
        Err(error @ (Error::Invalid(_) | Error::Conflict(_))) => {
            let mut again = of.path("/endpoints/new");
            if let Some(id) = form.number::<i64>("application") {
                let deployment: String =
                    form_urlencoded::byte_serialize(form.text("deployment").as_bytes()).collect();
                again = format!("{again}?application={id}&deployment={deployment}");
            }
            page::go(of.state(), &again, &Said::bad(problem::sentence(&error)))
        }
        Err(error) => problem::of(of.state(), &error),
    }
}

/// What the form says, with numbers where the provider asks for one; `None`: a product of one's own.
async fn new_registration(of: &In<Member>, form: &Form) -> hub::Result<Option<NewRegistration>> {
    let Some(application) = form.number::<i64>("application").map(ApplicationId) else {
        return Ok(None);
    };
    let choice = of
        .hub()
        .registration_choice(of.scope(), application)
        .await?;
    let deployment = form.text("deployment").parse::<DeploymentId>().ok();
    let prompts = choice.deployments.iter();
    let mut prompts = prompts.filter(|d| Some(&d.deployment.id) == deployment.as_ref());
    let prompts = prompts.next().map(|d| d.prompts.as_slice());
    let mut values = Map::new();
    for prompt in prompts.unwrap_or_default() {
        let text = form.secret(&format!("value:{}", prompt.name));
        let value = match prompt.kind {
            FieldType::Integer => match text.expose().trim().parse::<i64>() {
                Ok(number) => Value::from(number),
                Err(_) => Value::from(text.expose()),
            },
            FieldType::String => Value::from(text.expose()),
        };
        values.insert(prompt.name.clone(), value);
    }
    Ok(Some(NewRegistration {
        application,
        deployment,
        values,
    }))
}
