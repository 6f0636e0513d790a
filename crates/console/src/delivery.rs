//! Deliveries in trouble: being retried or dead, by destination; each attempt with its answer; sending again, with a
//! preview of how many.

use axum::Router;
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use hub::delivery::ReplayFilter;
use hub::event::Brief;
use hub::{After, Exception, ExceptionState};
use maud::{Markup, html};
use model::{EndpointId, Role};

use crate::ConsoleState;
use crate::event::{endpoint, named};
use crate::form::{self, Form};
use crate::list::{self, Asked, Column};
use crate::page::{self, Place, done, nothing};
use crate::problem;
use crate::time;
use crate::visitor::{In, Member, Viewer};

pub(crate) fn routes() -> Router<ConsoleState> {
    Router::new()
        .route("/console/{accountId}/deliveries", get(list))
        .route("/console/{accountId}/deliveries/replay", post(replay))
        .route("/console/{accountId}/deliveries/preview", get(preview))
}

async fn list(of: In<Viewer>, uri: Uri) -> Response {
    let asked = Asked::of(&uri);
    let state = ExceptionState::parse(asked.text("state"));
    let to = asked.number::<EndpointId>("endpointId");
    let key = |(e, _): &Trouble| format!("{}-{}", e.position, e.endpoint);
    let found = list::by_key(
        &asked,
        key,
        |_| true,
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
            @if let Some(id) = to.filter(|_| of.may(Role::Member)) {
                a.button href=(of.path(&format!("/deliveries/preview?endpointId={id}"))) { "Send dead letters again…" }
            }
        }
        (asked.tabs("State", "state", &[("All", ""), ("Retrying", "retrying"), ("Dead", "dead")]))
        @if found.rows.is_empty() {
            (nothing("Nothing is in trouble here.", &html! { p { "What a destination does not take is retried for three days, and then kept here." } }))
        } @else {
            @for (exception, brief) in &found.rows {
                details.trouble {
                    summary {
                        span class={ "status " (exception.state.as_str()) } { (exception.state.as_str()) }
                        " " @for event in &brief.events { code { (event.code) } " " }
                        " to " (endpoint(&of, exception.endpoint))
                        span.why { (last_words(exception)) }
                    }
                    (attempts(exception))
                    @for event in &brief.events { p { a href=(of.path(&format!("/events/{}", event.id))) { "The event and its other destinations" } } }
                }
            }
            (list::ends(&asked, &found))
        }
    };
    page::inside(&of, Place::Deliveries, "Deliveries", &content).into_response()
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

/// All dead letters of one destination.
fn dead_of(id: EndpointId) -> ReplayFilter {
    ReplayFilter {
        endpoint: Some(id),
        only_dead: true,
        ..ReplayFilter::default()
    }
}

async fn preview(of: In<Member>, uri: Uri) -> Response {
    let Some(id) = form::query(&uri).number::<EndpointId>("endpointId") else {
        return problem::invalid(of.state(), "The address names no destination.");
    };
    let report = match of
        .hub()
        .replay(&of.actor(), of.scope(), &dead_of(id), true)
        .await
    {
        Ok(report) => report,
        Err(error) => return problem::of(of.state(), &error),
    };
    let content = html! {
        h1 { "Send dead letters again" }
        p { strong { (report.documents) } " documents would be sent again to " (endpoint(&of, id)) ", in the order in which they were published. Receivers know repeats by their " code { "webhook-id" } "." }
        form.actions method="post" action=(of.path("/deliveries/replay")) {
            input type="hidden" name="endpointId" value=(id);
            @if report.documents > 0 { button.main type="submit" { "Send them again" } }
            a.button href=(of.path(&format!("/deliveries?endpointId={id}&state=dead"))) { "Back" }
        }
    };
    page::inside(&of, Place::Deliveries, "Send again", &content).into_response()
}

async fn replay(of: In<Member>, form: Form) -> Response {
    let Some(id) = form.number::<EndpointId>("endpointId") else {
        return problem::invalid(of.state(), "The form names no destination.");
    };
    let result = of
        .hub()
        .replay(&of.actor(), of.scope(), &dead_of(id), false)
        .await;
    let to = of.path(&format!("/deliveries?endpointId={id}"));
    done(of.state(), &to, result, |report| {
        format!("{} documents are sent again.", report.documents)
    })
}
