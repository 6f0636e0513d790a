//! Promotion: what was certified in pilot goes to production, as a difference that an operator has looked at. What is
//! promoted is what was shown: the digest of it travels with the form.

use axum::Router;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hub::partner::{Partner, Review};
use maud::{Markup, html};
use model::PartnerId;
use model::partner::Step;

use super::partner::path;
use crate::ConsoleState;
use crate::cookie::Said;
use crate::difference;
use crate::form::Form;
use crate::page::{self, go};
use crate::problem;
use crate::visitor::Operator;

pub(super) fn routes() -> Router<ConsoleState> {
    Router::new().route(
        "/console/operator/partners/{partnerId}/promotion",
        get(show).post(promote),
    )
}

async fn show(of: Operator, Path(id): Path<PartnerId>) -> Response {
    let found = async {
        let partner = of.hub().partner(id).await?;
        Ok((partner, of.hub().partner_difference(id).await?))
    };
    match found.await {
        Ok((partner, review)) => {
            let content = content(&partner, &review);
            page::for_operator(&of, "/partners", "Promotion", &content).into_response()
        }
        Err(error) => problem::of(of.state(), &error),
    }
}

fn content(partner: &Partner, review: &Review) -> Markup {
    let back = path(partner.id, "");
    let may = partner.stage.steps().contains(&Step::Promote);
    let count = |word: &str| {
        let all = review.differences.iter();
        all.filter(|one| one.change.as_str() == word).count()
    };
    let is_first = partner.production.is_none();
    html! {
        p.crumbs { a href=(back) { (partner.request.product) } " ›" }
        h1 { "What goes to production" }
        @if review.differences.is_empty() {
            p.calm { @if is_first { "Nothing is defined in pilot. The account in production would be empty." } @else { "Nothing: production is what pilot is." } }
        } @else {
            p { (count("added")) " added, " (count("changed")) " changed, " (count("removed")) " removed, by the numbers of pilot." }
            (difference::table("What differs", &review.differences, ["In production", "In pilot"]))
        }
        @if is_first { p { "An account in production is opened with it, and two mails go to " (partner.request.contact) "." } }
        p.hint { "What was looked at: " code { (review.digest) } }
        div.actions {
            @if may && (is_first || !review.differences.is_empty()) {
                form.inline method="post" {
                    input type="hidden" name="digest" value=(review.digest);
                    button.main type="submit" { "Bring it to production" }
                }
            }
            a.button href=(back) { "Back" }
        }
        @if !may { p.warning { "It is not certified yet: it can be looked at, and not brought to production." } }
    }
}

async fn promote(of: Operator, Path(id): Path<PartnerId>, form: Form) -> Response {
    let (actor, digest) = (of.actor(), form.text("digest"));
    match of.hub().partner_promote(&actor, id, digest).await {
        Ok((_, done)) => {
            let said = format!(
                "It is in production: {} differences were brought there.",
                done.len()
            );
            go(of.state(), &path(id, ""), &Said::good(said))
        }
        // Something changed since, or the step is not possible: what is there now says more.
        Err(error @ hub::Error::Conflict(_)) => {
            let said = Said::bad(problem::sentence(&error));
            go(of.state(), &path(id, "/promotion"), &said)
        }
        Err(error) => problem::of(of.state(), &error),
    }
}
