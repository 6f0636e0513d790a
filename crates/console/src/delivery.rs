//! Deliveries in trouble: being retried or dead, by destination; each attempt with its answer; sending again, with a
//! preview of how many.

use axum::Router;
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use hub::delivery::ReplayFilter;
use hub::{After, Exception, ExceptionState};
use maud::{Markup, html};
use model::{EndpointId, Role};

use crate::ConsoleState;
use crate::event::endpoint;
use crate::form::{self, Form};
use crate::page::{self, Place, done, nothing};
use crate::problem;
use crate::time;
use crate::visitor::{In, Member, Viewer};

/// Deliveries on one page.
const LIMIT: usize = 50;

pub(crate) fn routes() -> Router<ConsoleState> {
    Router::new()
        .route("/console/{accountId}/deliveries", get(list))
        .route("/console/{accountId}/deliveries/replay", post(replay))
        .route("/console/{accountId}/deliveries/preview", get(preview))
}

async fn list(of: In<Viewer>, uri: Uri) -> Response {
    let query = form::query(&uri);
    let state = ExceptionState::parse(query.text("state"));
    let to = query.number::<EndpointId>("endpointId");
    let after = query
        .text("after")
        .split_once('-')
        .and_then(|(position, endpoint)| {
            Some(After {
                position: position.parse().ok()?,
                endpoint: endpoint.parse().ok()?,
            })
        });
    let mut rows = match of
        .hub()
        .exceptions(of.scope(), state, to, (after, 51))
        .await
    {
        Ok(rows) => rows,
        Err(error) => return problem::of(of.state(), &error),
    };
    let has_more = rows.len() > LIMIT;
    rows.truncate(LIMIT);
    let next = rows
        .last()
        .filter(|_| has_more)
        .map(|(e, _)| format!("{}-{}", e.position, e.endpoint));
    let filter = filter(state, to);
    let content = html! {
        div.title {
            h1 { "Deliveries in trouble" @if let Some(id) = to { " at " (endpoint(&of, id)) } }
            @if let Some(id) = to.filter(|_| of.may(Role::Member)) {
                a.button href=(of.path(&format!("/deliveries/preview?endpointId={id}"))) { "Send dead letters again…" }
            }
        }
        nav.tabs aria-label="State" {
            @for (name, word) in [("All", ""), ("Retrying", "retrying"), ("Dead", "dead")] {
                a href=(of.path(&format!("/deliveries?state={word}{}", to.map_or_else(String::new, |id| format!("&endpointId={id}")))))
                    aria-current=[(state.map_or("", ExceptionState::as_str) == word).then_some("page")] { (name) }
            }
        }
        @if rows.is_empty() {
            (nothing("Nothing is in trouble here.", &html! { p { "What a destination does not take is retried for three days, and then kept here." } }))
        } @else {
            @for (exception, brief) in &rows {
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
            @if let Some(next) = next { p.more { a.button href=(of.path(&format!("/deliveries?{filter}&after={next}"))) { "More" } } }
        }
    };
    page::inside(&of, Place::Deliveries, "Deliveries", &content).into_response()
}

fn filter(state: Option<ExceptionState>, to: Option<EndpointId>) -> String {
    let state = state.map_or("", ExceptionState::as_str);
    let to = to.map_or_else(String::new, |id| id.to_string());
    format!("state={state}&endpointId={to}")
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
