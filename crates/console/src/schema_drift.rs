//! What is published otherwise than it was declared: attributes that nobody declared, and those of another type; since
//! when, how often, and one click that declares them as they come.

use axum::Router;
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use hub::SchemaDrift;
use maud::{Markup, html};
use model::{EndpointId, Role};

use crate::ConsoleState;
use crate::event::{endpoint, named};
use crate::form::Form;
use crate::list::{self, Asked, Column};
use crate::page::{self, Place, done, nothing};
use crate::problem;
use crate::visitor::{In, Member, Viewer};

pub(crate) fn routes() -> Router<ConsoleState> {
    Router::new()
        .route("/console/{accountId}/schema-drift", get(page))
        .route("/console/{accountId}/schema-drift/declare", post(declare))
}

async fn page(of: In<Viewer>, uri: Uri) -> Response {
    let asked = Asked::of(&uri);
    let publisher = asked.number::<EndpointId>("endpointId");
    let code = asked.text("code");
    let mut drifts = match of.hub().schema_drift(of.scope(), publisher).await {
        Ok(drifts) => drifts,
        Err(error) => return problem::of(of.state(), &error),
    };
    drifts.retain(|drift| drift.code.contains(code));
    let found = list::pages(&asked, drifts);
    let columns = columns(&of);
    if asked.is_csv() {
        return list::csv("schema-drift", &columns, &found);
    }
    let content = html! {
        h1 { "Published otherwise than declared" }
        p { "Events with such attributes are delivered all the same, unless the account's policy refuses them. Subscribers know only what is declared." }
        (asked.search(&[("code", "Event code"), ("endpointId", "Number of the publisher")]))
        @if found.rows.is_empty() {
            (nothing("Everything is published as it was declared.", &html! { @if asked.is_filtered() { a href="?" { "Show all" } } }))
        } @else {
            (list::table(&asked, "Attributes that were not declared so, the latest first", &columns, &found))
        }
    };
    page::inside(&of, Place::EventTypes, "Schema drift", &content).into_response()
}

fn columns<'a>(of: &'a In<Viewer>) -> Vec<Column<'a, SchemaDrift>> {
    vec![
        list::column(
            "Publisher",
            |d: &SchemaDrift| endpoint(of, d.endpoint),
            |d| named(of, d.endpoint),
        ),
        list::column(
            "Event",
            |d: &SchemaDrift| {
                let query = [
                    ("code", d.code.clone()),
                    ("publisher", d.endpoint.to_string()),
                ];
                let query = form_urlencoded::Serializer::new(String::new())
                    .extend_pairs(query)
                    .finish();
                html! { a href=(of.path(&format!("/events?{query}"))) title="The latest events of this kind" { code { (d.code) } } }
            },
            |d| d.code.clone(),
        ),
        list::column(
            "Attribute",
            |d: &SchemaDrift| html! { code { (d.attribute) } },
            |d| d.attribute.clone(),
        ),
        list::text("What", |d: &SchemaDrift| d.what.clone()),
        list::number("How often", |d: &SchemaDrift| d.seen),
        list::instant("Since", |d: &SchemaDrift| Some(d.first_seen_at)),
        list::instant("Last", |d: &SchemaDrift| Some(d.last_seen_at)),
        list::actions(|d: &SchemaDrift| action(of, d)),
    ]
}

fn action(of: &In<Viewer>, drift: &SchemaDrift) -> Markup {
    html! {
        @if of.may(Role::Member) {
            form.inline method="post" action=(of.path("/schema-drift/declare")) {
                input type="hidden" name="endpointId" value=(drift.endpoint);
                input type="hidden" name="code" value=(drift.code);
                button.quiet type="submit" { "Declare all of " (drift.code) }
            }
        }
    }
}

async fn declare(of: In<Member>, form: Form) -> Response {
    let Some(publisher) = form.number::<EndpointId>("endpointId") else {
        return problem::invalid(of.state(), "The form names no publisher.");
    };
    let (actor, code) = (of.actor(), form.text("code"));
    let declared = of
        .hub()
        .schema_drift_declare(&actor, of.scope(), publisher, code);
    let to = of.path("/schema-drift");
    done(of.state(), &to, declared.await, |names| {
        format!(
            "{code} is declared with {}, as they come.",
            names.join(", ")
        )
    })
}
