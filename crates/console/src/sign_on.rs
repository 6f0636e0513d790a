//! Single sign-on in the browser: to the issuer and back, by the verbs of `hub/oidc` with a callback of the console's own.
//!
//! What must be the same when the browser comes back is in a cookie of this browser, sealed and good for minutes; the session
//! that begins is a new one, whatever cookie the browser came with. Both are links, not forms: the policy of our pages lets no
//! form lead to another host.

use axum::Router;
use axum::extract::State;
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hub::oidc::Callback;

use crate::ConsoleState;
use crate::cookie::{self, Said};
use crate::form;
use crate::guard;
use crate::page;
use crate::problem;
use crate::sign_in;

/// Longest word of an issuer that is shown.
const WORD_CHARS_MAX: usize = 64;

pub(crate) fn routes() -> Router<ConsoleState> {
    Router::new()
        .route("/console/sign-on", get(start))
        .route(Callback::Console.path(), get(back))
}

async fn start(State(state): State<ConsoleState>, uri: Uri) -> Response {
    let next = sign_in::inside(form::query(&uri).text("next"));
    let begun = match state.hub.sign_on_start(Callback::Console).await {
        Ok(begun) => begun,
        Err(error) => return refused(&state, &next, &problem::sentence(&error)),
    };
    let Ok(issuer) = HeaderValue::try_from(begun.url) else {
        return refused(&state, &next, "The issuer has no address.");
    };
    let kept = cookie::set_sign_on(&state, &begun.kept, &next);
    let headers = [(header::LOCATION, issuer), (header::SET_COOKIE, kept)];
    (StatusCode::SEE_OTHER, headers).into_response()
}

async fn back(State(state): State<ConsoleState>, parts: Parts) -> Response {
    let query = form::query(&parts.uri);
    let (kept, next) = cookie::sign_on(&parts.headers).unwrap_or_default();
    let next = sign_in::inside(&next);
    let error = query.text("error");
    if !error.is_empty() {
        let word = error.chars().filter(char::is_ascii_graphic);
        let word: String = word.take(WORD_CHARS_MAX).collect();
        return refused(
            &state,
            &next,
            &format!("The issuer did not sign you in: {word}."),
        );
    }
    let origin = guard::origin(&parts, &state);
    let agent = parts.headers.get(header::USER_AGENT);
    let agent = agent.and_then(|value| value.to_str().ok());
    let came = (query.text("state"), query.text("code"));
    let finished =
        state
            .hub
            .sign_on_finish(Callback::Console, (origin.as_ref(), agent), &kept, came);
    match finished.await {
        Ok((_, session, token)) => {
            let seconds = session.expires_at.duration_since(state.hub.now()).as_secs();
            let response = sign_in::begun(&state, &next, &token, seconds);
            forget(&state, response)
        }
        Err(error) => refused(&state, &next, &problem::sentence(&error)),
    }
}

/// Back at the door, with the reason.
fn refused(state: &ConsoleState, next: &str, why: &str) -> Response {
    let said = Said::bad(why);
    let content = sign_in::fields(state, next, "");
    let page = page::for_anybody(state, "Sign in", Some(&said), &content);
    let response = page.with_status(StatusCode::FORBIDDEN).into_response();
    forget(state, response)
}

/// What was kept for one way there and back has done its work.
fn forget(state: &ConsoleState, mut response: Response) -> Response {
    let cookie = cookie::forget_sign_on(state);
    response.headers_mut().append(header::SET_COOKIE, cookie);
    response
}
