//! Dead letters by what they died of: where one mend mends many.

use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use hub::delivery::{DEAD_COUNTED_MAX, DeadCause};
use maud::{Markup, html};
use model::{EndpointId, Role};

use super::{query, words};
use crate::event::{endpoint, named};
use crate::list::{self, Asked, Column, Rows};
use crate::page::{self, Place, nothing};
use crate::problem;
use crate::visitor::{In, Viewer};

pub(super) async fn page(of: In<Viewer>, uri: Uri) -> Response {
    let asked = Asked::of(&uri);
    let to = asked.number::<EndpointId>("endpointId");
    let rows = match of.hub().dead_causes(of.scope(), to).await {
        Ok(rows) => rows,
        Err(error) => return problem::of(of.state(), &error),
    };
    let counted: u64 = rows.iter().map(|cause| cause.count).sum();
    let found = Rows { rows, next: None };
    let columns = columns(&of);
    if asked.is_csv() {
        return list::csv("dead-letters-by-cause", &columns, &found);
    }
    let content = html! {
        h1 { "Dead letters by cause" @if let Some(id) = to { " at " (endpoint(&of, id)) } }
        p { "What is dead is not tried any more. Mend the cause, then send again what died of it." }
        @if counted >= DEAD_COUNTED_MAX.unsigned_abs() {
            p.warning { "There are more than " (DEAD_COUNTED_MAX) ": the first of them are counted here." }
        }
        @if found.rows.is_empty() {
            (nothing("There are no dead letters.", &html! { p { "What a destination does not take is retried for three days, and then kept here." } }))
        } @else {
            (list::table(&asked, "Dead letters by cause", &columns, &found))
        }
    };
    page::inside(&of, Place::Deliveries, "Dead letters by cause", &content).into_response()
}

fn columns<'a>(of: &'a In<Viewer>) -> Vec<Column<'a, DeadCause>> {
    vec![
        list::column(
            "Destination",
            |c: &DeadCause| endpoint(of, c.endpoint),
            |c| named(of, c.endpoint),
        ),
        list::column(
            "Cause",
            |c: &DeadCause| {
                let filter = query(&[
                    ("state", "dead"),
                    ("endpointId", &c.endpoint.to_string()),
                    ("cause", &c.cause),
                ]);
                html! { a href=(of.path(&format!("/deliveries?{filter}"))) { (words(&c.cause)) } }
            },
            |c| words(&c.cause),
        ),
        list::number("Dead letters", |c: &DeadCause| c.count),
        list::instant("Latest", |c: &DeadCause| Some(c.last_at)),
        list::column(
            "In its words",
            |c: &DeadCause| html! { span.said-by-stranger { (example(c)) } },
            example,
        ),
        list::actions(|c: &DeadCause| resend(of, c)),
    ]
}

fn example(cause: &DeadCause) -> String {
    let example = cause.example.as_ref();
    example.map_or_else(String::new, |attempt| attempt.detail.clone())
}

fn resend(of: &In<Viewer>, cause: &DeadCause) -> Markup {
    let id = cause.endpoint;
    html! {
        @if of.may(Role::Member) {
            a.button.quiet href=(of.path(&format!("/deliveries/preview?endpointId={id}"))) { "Send again…" }
        }
    }
}
