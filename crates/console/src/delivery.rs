//! Deliveries in trouble: being retried or dead, by destination; each attempt with its answer; sending again, with a
//! preview of how many.

mod cause;
mod replay;

use axum::Router;
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use hub::event::Brief;
use hub::{After, Exception, ExceptionState};
use maud::{Markup, html};
use model::{EndpointId, Role};

use crate::ConsoleState;
use crate::event::{endpoint, named};
use crate::list::{self, Asked, Column};
use crate::page::{self, Place, nothing};
use crate::problem;
use crate::time;
use crate::visitor::{In, Viewer};

pub(crate) use replay::instant;

pub(crate) fn routes() -> Router<ConsoleState> {
    Router::new()
        .route("/console/{accountId}/deliveries", get(list))
        .route("/console/{accountId}/deliveries/causes", get(cause::page))
        .route(
            "/console/{accountId}/deliveries/replay",
            post(replay::replay),
        )
        .route(
            "/console/{accountId}/deliveries/preview",
            get(replay::preview),
        )
}

async fn list(of: In<Viewer>, uri: Uri) -> Response {
    let asked = Asked::of(&uri);
    let state = ExceptionState::parse(asked.text("state"));
    let to = asked.number::<EndpointId>("endpointId");
    let cause = asked.text("cause");
    let key = |(e, _): &Trouble| format!("{}-{}", e.position, e.endpoint);
    let found = list::by_key(
        &asked,
        key,
        |(e, _)| cause.is_empty() || hub::delivery::cause(e) == cause,
        |after, limit| {
            of.hub()
                .exceptions(of.scope(), state, to, (place(&after), limit))
        },
    );
    let found = match found.await {
        Ok(found) => found,
        Err(error) => return problem::of(of.state(), &error),
    };
    if asked.is_csv() {
        return list::csv("deliveries", &columns(&of), &found);
    }
    let content = html! {
        div.title {
            h1 { "Deliveries in trouble" @if let Some(id) = to { " at " (endpoint(&of, id)) } }
            div.actions {
                a.button href=(of.path(&to.map_or_else(|| "/deliveries/causes".to_owned(), |id| format!("/deliveries/causes?endpointId={id}")))) { "Dead letters by cause" }
                @if let Some(id) = to.filter(|_| of.may(Role::Member)) {
                    (page::button(&of.path(&format!("/endpoints/{id}/retry")), "Try again now", "", None))
                    a.button href=(of.path(&format!("/deliveries/preview?endpointId={id}"))) { "Send dead letters again…" }
                }
            }
        }
        (asked.tabs("State", "state", &[("All", ""), ("Retrying", "retrying"), ("Dead", "dead")]))
        @if !cause.is_empty() { p { "Only those whose last attempt came to: " strong { (words(cause)) } ". " a href=(asked.with("cause", "")) { "Show all" } } }
        @if found.rows.is_empty() {
            (nothing("Nothing is in trouble here.", &html! { p { "What a destination does not take is retried for three days, and then kept here." } }))
        } @else {
            (rows(&of, &found.rows))
            (list::ends(&asked, &found))
        }
    };
    page::inside(&of, Place::Deliveries, "Deliveries", &content).into_response()
}

/// Each with its attempts, to be selected for sending again.
fn rows(of: &In<Viewer>, rows: &[Trouble]) -> Markup {
    let (may, now) = (of.may(Role::Member), of.hub().now());
    html! {
        @if may {
            form #selected.actions.selection method="post" action=(of.path("/deliveries/replay")) data-ask="Send the selected events again?" {
                label.choice hidden { input type="checkbox" data-all="selected"; span { "Select all shown" } }
                button type="submit" { "Send the selected again" }
            }
        }
        @for (exception, brief) in rows {
            div.trouble {
                @if let Some(event) = brief.events.first().filter(|_| may) {
                    input type="checkbox" form="selected" name="event" value=(event.id) aria-label={ "Select the event " (event.code) " for " (named(of, exception.endpoint)) };
                }
                details {
                    summary {
                        span class={ "status " (exception.state.as_str()) } { (exception.state.as_str()) }
                        " " @for event in &brief.events { code { (event.code) } " " }
                        " to " (named(of, exception.endpoint))
                        span.why { (last_words(exception)) }
                        (time::ago(exception.last_attempt_at, now))
                    }
                    (attempts(exception))
                    p {
                        "At " (endpoint(of, exception.endpoint)) ". "
                        @for event in &brief.events { a href=(of.path(&format!("/events/{}", event.id))) { "The event and its other destinations" } " " }
                    }
                }
            }
        }
    }
}

/// A cause, for people.
fn words(cause: &str) -> String {
    if cause.chars().all(|c| c.is_ascii_digit()) {
        format!("answered {cause}")
    } else {
        cause.replace('-', " ")
    }
}

/// What stands behind the `?` of an address.
fn query(pairs: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish()
}

/// One that is in trouble, with the events in it.
type Trouble = (Exception, Brief);

fn place(after: &str) -> Option<After> {
    let (position, endpoint) = after.split_once('-')?;
    Some(After {
        position: position.parse().ok()?,
        endpoint: endpoint.parse().ok()?,
    })
}

fn columns<'a>(of: &'a In<Viewer>) -> Vec<Column<'a, Trouble>> {
    let joined = |each: Vec<String>| each.join(" ");
    vec![
        list::in_file("State", |(e, _): &Trouble| e.state.as_str().to_owned()),
        list::in_file("Destination", |(e, _): &Trouble| named(of, e.endpoint)),
        list::in_file("Destination number", |(e, _): &Trouble| {
            e.endpoint.to_string()
        }),
        list::in_file("Events", move |(_, brief): &Trouble| {
            joined(brief.events.iter().map(|e| e.code.clone()).collect())
        }),
        list::in_file("Event ids", move |(_, brief): &Trouble| {
            joined(brief.events.iter().map(|e| e.id.to_string()).collect())
        }),
        list::in_file("Attempts", |(e, _): &Trouble| e.attempts.to_string()),
        list::in_file("First attempt", |(e, _): &Trouble| {
            e.first_attempt_at.to_string()
        }),
        list::in_file("Last attempt", |(e, _): &Trouble| {
            e.last_attempt_at.to_string()
        }),
        list::in_file("Last answer", |(e, _): &Trouble| last_words(e)),
    ]
}

/// The latest answer, in one line.
fn last_words(exception: &Exception) -> String {
    let Some(last) = exception.history.last() else {
        return String::new();
    };
    match (last.status, &last.failure) {
        (Some(status), _) => format!("answered {status}"),
        (None, Some(failure)) => failure.clone(),
        (None, None) => String::new(),
    }
}

/// Every attempt that is kept, with what came of it.
pub(crate) fn attempts(exception: &Exception) -> Markup {
    html! {
        p {
            (exception.attempts) @if exception.attempts == 1 { " attempt" } @else { " attempts" }
            @if let Some(next) = exception.next_attempt_at { "; the next one " (time::at(next)) }
            @else { "; it is not tried any more" }
            "."
        }
        div.scroll tabindex="0" role="region" aria-label="Attempts" { table {
            thead { tr { th { "When" } th { "Took" } th { "Answer" } th { "In its words" } } }
            tbody { @for attempt in &exception.history { tr {
                td { (time::at(attempt.at)) }
                td.number { (attempt.duration_ms) " ms" }
                td { @match (attempt.status, &attempt.failure) {
                    (Some(status), _) => { (status) }
                    (None, Some(failure)) => { (failure) }
                    (None, None) => { "–" }
                } }
                td.said-by-stranger { (attempt.detail) }
            } } }
        } }
    }
}
