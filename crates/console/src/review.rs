//! Certification: how far a product of a pilot account is on its way to production, the checklist that fills itself with what
//! its endpoints really do, and asking for the review.
//!
//! The pieces are also what an operator sees of a partner.

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hub::partner::Partner as Candidate;
use maud::{Markup, html};
use model::Role;
use model::partner::checklist::{Item, State};
use model::partner::{Certificate, Stage};

use crate::ConsoleState;
use crate::home::grouped;
use crate::live;
use crate::page::{self, Place, done, nothing};
use crate::problem;
use crate::time;
use crate::visitor::{In, Member, Partner};

pub(crate) fn routes() -> Router<ConsoleState> {
    Router::new()
        .route("/console/{accountId}/review", get(page).post(submit))
        .route("/console/{accountId}/review/checklist", get(follow))
}

async fn page(of: In<Partner>) -> Response {
    let found = async {
        let Some(partner) = of.hub().partner_of_pilot(of.scope()).await? else {
            return hub::Result::Ok(None);
        };
        Ok(Some((partner, of.hub().checklist(of.scope()).await?)))
    };
    let (partner, items) = match found.await {
        Ok(Some(found)) => found,
        Ok(None) => return nobody(&of),
        Err(error) => return problem::of(of.state(), &error),
    };
    let open = items
        .iter()
        .filter(|item| item.state == State::Open)
        .count();
    let content = html! {
        div.title { h1 { "Certification of " (partner.request.product) }
            @if partner.stage == Stage::Nominated && of.may(Role::Member) {
                (page::button(&of.path("/review"), "Ask for the review", "main", (open > 0).then_some("Some of the checklist is still open. Ask for the review all the same?")))
            }
        }
        (stages(&partner))
        p { (next(partner.stage)) }
        @if let Some(certificate) = &partner.certificate { (self::certificate(certificate)) }
        h2 { "Checklist" }
        p { "It fills itself with what the endpoints of this account do. Nothing is ticked by hand." }
        div data-live=(of.path("/review/checklist")) { (checklist(&items)) }
    };
    page::inside(&of, Place::Review, "Certification", &content).into_response()
}

fn nobody(of: &In<Partner>) -> Response {
    let content = html! {
        h1 { "Certification" }
        (nothing("No product is on its way to production from this account.", &html! {
            p { "A company asks to connect a product, an operator takes it in, and it gets a pilot account of its own with a checklist." }
            a.button.main href="/console/partner" { "Ask to connect a product" }
        }))
    };
    page::inside(of, Place::Review, "Certification", &content).into_response()
}

/// The checklist alone, for who looks on.
async fn follow(of: In<Partner>) -> Response {
    match of.hub().checklist(of.scope()).await {
        Ok(items) => live::part(checklist(&items)),
        Err(error) => problem::of(of.state(), &error),
    }
}

async fn submit(of: In<Member>) -> Response {
    let asked = async {
        let partner = of.hub().partner_of_pilot(of.scope()).await?;
        let partner = partner.ok_or_else(|| {
            hub::Error::Conflict("no partner was nominated for this account".to_owned())
        })?;
        of.hub().partner_review(&of.actor(), partner.id).await
    };
    done(of.state(), &of.path("/review"), asked.await, |_| {
        "An operator looks at it now. You are written to.".to_owned()
    })
}

/// Where a partner stands, as steps.
pub(crate) fn stages(partner: &Candidate) -> Markup {
    let names = [
        (Stage::Requested, "Requested"),
        (Stage::Nominated, "Taken in"),
        (Stage::InReview, "In review"),
        (Stage::Certified, "Certified"),
        (Stage::Promoted, "In production"),
    ];
    let here = names.iter().position(|(stage, _)| *stage == partner.stage);
    html! {
        @if partner.stage == Stage::Declined { p.warning { "It was declined, and does not go on." } }
        ol.steps aria-label="Where it stands" { @for (at, (_, name)) in names.iter().enumerate() {
            @let is_done = here.is_some_and(|here| at < here || partner.stage == Stage::Promoted);
            @let is_here = !is_done && here == Some(at);
            li.done[is_done].running[is_here] aria-current=[is_here.then_some("step")] {
                strong { (name) } " " span { @if is_done { "done" } @else if is_here { "here" } @else { "to come" } }
            }
        } }
    }
}

fn next(stage: Stage) -> &'static str {
    match stage {
        Stage::Requested => "An operator looks at the request.",
        Stage::Nominated => {
            "Let your product do here what the checklist asks for; the test drive shows how. Then ask for the review."
        }
        Stage::InReview => {
            "An operator looks at your product. What is still open can be done meanwhile."
        }
        Stage::Certified => "It is certified. An operator brings it to production.",
        Stage::Promoted => {
            "It is in production. What you change here goes there when an operator has looked at the difference."
        }
        Stage::Declined => "A new request begins anew.",
    }
}

pub(crate) fn certificate(certificate: &Certificate) -> Markup {
    html! {
        section.certificate aria-label="Certificate" {
            strong { (certificate.mark) }
            p { "Version " (certificate.version) ", certified " (time::at(certificate.date)) }
            p { "Licence: " (certificate.licence) ", version " (certificate.licence_version) }
            @if !certificate.waived.is_empty() { p { "Not asked for: " (certificate.waived.join(", ")) } }
        }
    }
}

pub(crate) fn checklist(items: &[Item]) -> Markup {
    let applies = items
        .iter()
        .filter(|item| item.state != State::NotApplicable);
    let all = applies.clone().count();
    let done = applies.filter(|item| item.state == State::Done).count();
    html! {
        p { label { (done) " of " (all) " done " progress value=(done) max=(all.max(1)) { (done) " of " (all) } } }
        ul.checklist { @for item in items {
            @let (class, word) = match item.state {
                State::Done => ("done", "done"),
                State::Open => ("open", "open"),
                State::NotApplicable => ("none", "does not apply"),
            };
            li class=(class) {
                strong { (item.title) } " " span.status { (word) }
                @if let Some(since) = item.since { small { "first " (time::at(since)) ", " (grouped(item.count)) " times" } }
                @if item.state == State::Open { small { (how(&item.id)) } }
            }
        } }
    }
}

/// How an open item is done.
fn how(id: &str) -> &'static str {
    match id {
        "registered" => "Call PUT /v1/endpoint with the key of an endpoint.",
        "published-single" => "Call POST /v1/event with one person's events.",
        "published-batch" => "Call POST /v1/event with events that each say whom they are about.",
        "published-compound" => "Call POST /v1/event with an eventbatch, grouped by person.",
        "received-pushes" => {
            "Subscribe your endpoint to an event and answer the push with 2xx; the test drive can publish it."
        }
        "fetched-event-files" => "Call GET /v1/eventfiles, fetch a file, and delete it.",
        "reported-failure" => {
            "Call PUT /v1/endpoint/{id}/reportfailure, as when a registration cannot be completed."
        }
        "handled-400" => "Send something wrong once, then the same call right.",
        "handled-401-403" => {
            "Call once with a key that may not do it, such as the account's for an endpoint's call; then with the right one."
        }
        "handled-404" => "Ask once for something that is not there, then for what is.",
        "handled-409" => {
            "Send another body under an Idempotency-Key that was used, then one under a new key."
        }
        "handled-429" => {
            "Publish faster than the account may (an operator sets a limit for it), wait as Retry-After says, and do it again."
        }
        _ => "",
    }
}
