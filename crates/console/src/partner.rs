//! Asking to connect a product: how somebody who is signed in becomes a partner, and how their requests stand.
//!
//! What follows happens in the pilot account that an operator opens for it: [`crate::review`].

use axum::Router;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hub::partner::Partner;
use maud::{Markup, html};
use model::partner::{Form as Publishing, Request};

use crate::ConsoleState;
use crate::cookie::Said;
use crate::form::Form;
use crate::page::{self, go};
use crate::problem;
use crate::review;
use crate::time;
use crate::visitor::Visitor;

pub(crate) fn routes() -> Router<ConsoleState> {
    Router::new().route("/console/partner", get(page).post(ask))
}

async fn page(visitor: Visitor) -> Response {
    shown(&visitor, None, None).await
}

async fn shown(visitor: &Visitor, sent: Option<&Form>, wrong: Option<&str>) -> Response {
    let hub = &visitor.state.hub;
    let partners = match hub.partners_of(&visitor.bearer.user).await {
        Ok(partners) => partners,
        Err(error) => return problem::of(&visitor.state, &error),
    };
    let content = html! {
        h1 { "Connect a product" }
        @if let Some(wrong) = wrong { p.said.bad role="alert" { (wrong) } }
        @for partner in partners.iter().rev() { (request(visitor, partner)) }
        section.narrow-left {
            h2 { @if partners.is_empty() { "Ask to connect your product" } @else { "Connect another one" } }
            p { "An operator looks at the request. When it is accepted you get a pilot account, where nothing reaches a customer, and two mails to " strong { (visitor.bearer.user.email) } "." }
            form.stack method="post" action="/console/partner" { (fields(sent)) button.main type="submit" { "Ask" } }
        }
    };
    let page = page::outside(visitor, "Connect a product", &content);
    match wrong {
        Some(_) => page.with_status(StatusCode::BAD_REQUEST).into_response(),
        None => page.into_response(),
    }
}

/// What is asked of a company; also of an operator who writes it down for one.
pub(crate) fn fields(sent: Option<&Form>) -> Markup {
    let was = |name| sent.map_or("", |form| form.text(name));
    let is_chosen = |form: Publishing| {
        sent.is_some_and(|sent| sent.all("form").any(|chosen| chosen == form.as_str()))
    };
    let forms = [
        (Publishing::Single, "one person's events in a call"),
        (Publishing::Batch, "events, each with its person"),
        (Publishing::Compound, "groups of events by person"),
    ];
    html! {
        label { "Company" input type="text" name="company" value=(was("company")) required maxlength="256" autocomplete="organization"; small { "becomes the name of the provider" } }
        label { "Product" input type="text" name="product" value=(was("product")) required maxlength="256" autocomplete="off"; }
        label { "What it exchanges" input type="text" name="exchanges" value=(was("exchanges")) required maxlength="256" autocomplete="off"; small { "in a sentence, such as: sends mails, and tells who opened them" } }
        fieldset.choices { legend { "How it publishes" }
            @for (form, meaning) in forms {
                label.choice { input type="checkbox" name="form" value=(form.as_str()) checked[is_chosen(form)]; span { (form.as_str()) small { (meaning) } } }
            }
            small { "None, if it only receives." }
        }
    }
}

/// What a form of [`fields`] says; the contact is the caller's business.
pub(crate) fn read(form: &Form, contact: &str) -> Request {
    let mut forms: Vec<Publishing> = form.all("form").filter_map(Publishing::parse).collect();
    forms.sort();
    forms.dedup();
    Request {
        company: form.text("company").to_owned(),
        contact: contact.to_owned(),
        product: form.text("product").to_owned(),
        exchanges: form.text("exchanges").to_owned(),
        forms,
    }
}

fn request(visitor: &Visitor, partner: &Partner) -> Markup {
    let may_enter = |id: &model::AccountId| visitor.bearer.role_in(*id).is_some();
    let accounts = [
        ("Pilot account", partner.pilot, "/review"),
        ("Account in production", partner.production, "/applications"),
    ];
    html! {
        section.panel {
            h2 { (partner.request.product) " of " (partner.request.company) }
            p { "Asked " (time::at(partner.created_at)) }
            (review::stages(partner))
            @for (name, id, rest) in accounts {
                @if let Some(id) = id.filter(may_enter) { a.button href={ "/console/" (id) (rest) } { (name) } " " }
            }
            @if let Some(certificate) = &partner.certificate { (review::certificate(certificate)) }
        }
    }
}

async fn ask(visitor: Visitor, form: Form) -> Response {
    let state = &visitor.state;
    let user = &visitor.bearer.user;
    let actor = visitor.actor();
    let asked = state.hub.partner_ask(&actor, user, read(&form, ""));
    match asked.await {
        Ok(_) => {
            let said = Said::good("The request is sent: an operator looks at it.");
            go(state, "/console/partner", &said)
        }
        Err(error @ (hub::Error::Invalid(_) | hub::Error::Conflict(_))) => {
            let wrong = problem::sentence(&error);
            shown(&visitor, Some(&form), Some(&wrong)).await
        }
        Err(error) => problem::of(state, &error),
    }
}
