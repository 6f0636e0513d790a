//! What went wrong, as a page: what it was, and what to do.

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hub::Error;
use maud::html;

use crate::ConsoleState;
use crate::page;

/// A page that says one thing.
pub(crate) fn shown(state: &ConsoleState, status: StatusCode, title: &str, why: &str) -> Response {
    let content = html! {
        section.narrow {
            h1 { (title) }
            p { (why) }
            p { a href="/console" { "To the console" } }
        }
    };
    let page = page::for_anybody(state, title, None, &content);
    page.with_status(status).into_response()
}

/// What a verb refused, as a page.
pub(crate) fn of(state: &ConsoleState, error: &Error) -> Response {
    let (status, title) = match error {
        Error::Invalid(_) => (StatusCode::BAD_REQUEST, "That cannot be"),
        Error::NotFound(_) => (StatusCode::NOT_FOUND, "Not here"),
        Error::Conflict(_) => (StatusCode::CONFLICT, "That contradicts what is there"),
        Error::Forbidden(_) => (StatusCode::FORBIDDEN, "Not allowed"),
        Error::Busy { .. } => (StatusCode::TOO_MANY_REQUESTS, "Too much at once"),
        Error::Unavailable { .. } => (StatusCode::SERVICE_UNAVAILABLE, "Not just now"),
        Error::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong"),
    };
    if let Error::Internal(_) | Error::Unavailable { .. } = error {
        let error = error as &dyn std::error::Error;
        tracing::error!(error, "a page could not be made");
    }
    let mut response = shown(state, status, title, &sentence(error));
    if let Error::Busy { retry_after, .. } | Error::Unavailable { retry_after, .. } = error {
        let seconds = HeaderValue::from(retry_after.as_secs().max(1));
        response.headers_mut().insert(header::RETRY_AFTER, seconds);
    }
    response
}

/// All that is wrong, in sentences for people: where, without the pointers of JSON.
pub(crate) fn sentence(error: &Error) -> String {
    let Error::Invalid(invalid) = error else {
        let text = error.to_string();
        let mut chars = text.chars();
        let first = chars.next().map(|c| c.to_uppercase().collect::<String>());
        return format!("{}{}.", first.unwrap_or_default(), chars.as_str());
    };
    let each = invalid.violations.iter().map(|violation| {
        let place = violation.pointer.rsplit('/').next().unwrap_or_default();
        match place {
            "" => violation.message.clone(),
            _ => format!("{place}: {}", violation.message),
        }
    });
    each.collect::<Vec<_>>().join("; ")
}

pub(crate) fn forbidden(state: &ConsoleState, why: &str) -> Response {
    shown(state, StatusCode::FORBIDDEN, "Not allowed", why)
}

pub(crate) fn invalid(state: &ConsoleState, why: &str) -> Response {
    shown(state, StatusCode::BAD_REQUEST, "That cannot be", why)
}

pub(crate) async fn no_such_page(State(state): State<ConsoleState>) -> Response {
    let why = "There is no page at this address. It may have moved, or be a mistake in a link.";
    shown(&state, StatusCode::NOT_FOUND, "Not here", why)
}
