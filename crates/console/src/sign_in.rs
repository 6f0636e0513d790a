//! Signing in with e-mail and password, and out.

use axum::Router;
use axum::extract::State;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use maud::{Markup, html};

use crate::ConsoleState;
use crate::cookie::{self, Said};
use crate::form::{self, Form};
use crate::guard;
use crate::page::{self, go};
use crate::problem;
use crate::setup;
use crate::visitor::Visitor;

pub(crate) fn routes() -> Router<ConsoleState> {
    Router::new()
        .route("/console/sign-in", get(page).post(sign_in))
        .route("/console/sign-out", post(sign_out))
}

async fn page(State(state): State<ConsoleState>, headers: HeaderMap, uri: Uri) -> Response {
    match setup::is_needed(&state).await {
        Ok(true) => {
            return (
                StatusCode::SEE_OTHER,
                [(header::LOCATION, "/console/set-up")],
            )
                .into_response();
        }
        Ok(false) => {}
        Err(error) => return problem::of(&state, &error),
    }
    let next = inside(form::query(&uri).text("next"));
    let said = cookie::said(&headers);
    let content = fields(&state, &next, "");
    page::for_anybody(&state, "Sign in", said.as_ref(), &content).into_response()
}

/// The form, and the other ways in. Also shown when a single sign-on did not end well.
pub(crate) fn fields(state: &ConsoleState, next: &str, email: &str) -> Markup {
    let escaped: String = form_urlencoded::byte_serialize(next.as_bytes()).collect();
    html! {
        section.narrow {
            h1 { "Sign in" }
            form.stack method="post" action="/console/sign-in" {
                input type="hidden" name="next" value=(next);
                label { "E-mail" input type="email" name="email" value=(email) required autofocus[email.is_empty()] autocomplete="username"; }
                label { "Password" input type="password" name="password" required autofocus[!email.is_empty()] autocomplete="current-password"; }
                button.main type="submit" { "Sign in" }
            }
            p { a href="/console/forgotten" { "Forgotten your password?" } }
            @if let Some(host) = state.hub.sign_on_host() {
                p.or { "or" }
                p { a.button.wide href={ "/console/sign-on?next=" (escaped) } { "Sign in with " (host) } }
            }
        }
    }
}

/// Only to pages of the console: an address that somebody else made up may lead nowhere else.
pub(crate) fn inside(next: &str) -> String {
    let is_inside = next == "/console"
        || next.strip_prefix("/console/").is_some_and(|rest| {
            rest.bytes()
                .all(|byte| byte.is_ascii_graphic() && byte != b'\\')
                && !rest.starts_with('/')
        });
    if is_inside { next } else { "/console" }.to_owned()
}

async fn sign_in(State(state): State<ConsoleState>, parts: Parts, form: Form) -> Response {
    let origin = guard::origin(&parts, &state);
    let agent = parts
        .headers
        .get(header::USER_AGENT)
        .and_then(|value| value.to_str().ok());
    let (email, password) = (form.text("email"), form.secret("password"));
    let next = inside(form.text("next"));
    match state
        .hub
        .user_sign_in(origin.as_ref(), agent, email, &password)
        .await
    {
        Ok((_, session, token)) => {
            let seconds = session.expires_at.duration_since(state.hub.now()).as_secs();
            begun(&state, &next, &token, seconds)
        }
        Err(error @ (hub::Error::Forbidden(_) | hub::Error::Busy { .. })) => {
            let said = Said::bad(problem::sentence(&error));
            let content = fields(&state, &next, email);
            let page = page::for_anybody(&state, "Sign in", Some(&said), &content);
            page.with_status(StatusCode::FORBIDDEN).into_response()
        }
        Err(error) => problem::of(&state, &error),
    }
}

/// A new session is a new token, whatever cookie the browser came with.
pub(crate) fn begun(
    state: &ConsoleState,
    next: &str,
    token: &model::Secret,
    seconds: i64,
) -> Response {
    let next = HeaderValue::try_from(next).unwrap_or(HeaderValue::from_static("/console"));
    let headers = [
        (header::LOCATION, next),
        (
            header::SET_COOKIE,
            cookie::set_session(state, token, seconds),
        ),
    ];
    (StatusCode::SEE_OTHER, headers).into_response()
}

async fn sign_out(visitor: Visitor) -> Response {
    let state = &visitor.state;
    if let Some(session) = visitor.bearer.session() {
        let actor = visitor.actor();
        let ended = state
            .hub
            .session_end(&actor, visitor.bearer.user.id, session);
        if let Err(error) = ended.await {
            return problem::of(state, &error);
        }
    }
    let mut response = go(
        state,
        "/console/sign-in",
        &Said::good("You have signed out."),
    );
    response
        .headers_mut()
        .append(header::SET_COOKIE, cookie::end_session(state));
    response
}

#[cfg(test)]
mod tests {
    use super::inside;

    #[test]
    fn after_signing_in_nobody_is_sent_to_another_site() {
        for good in ["/console", "/console/17/endpoints?after=3", "/console/17"] {
            assert_eq!(inside(good), good);
        }
        for bad in [
            "",
            "https://evil.example.com",
            "//evil.example.com",
            "/\\evil.example.com",
            "/console//evil.example.com",
            "/console/\\evil",
            "/consolevil",
            "/console/\r\nset-cookie: a=b",
            "javascript:alert(1)",
        ] {
            assert_eq!(inside(bad), "/console", "{bad}");
        }
    }
}
