//! Signing in and out, and choosing a password by an invitation.

use axum::extract::{Path, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};

use crate::ConsoleState;
use crate::cookie::{self, Said};
use crate::form::{self, Form};
use crate::guard;
use crate::page::{self, go};
use crate::problem;
use crate::setup;
use crate::visitor::Visitor;

pub(crate) async fn page(
    State(state): State<ConsoleState>,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
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
    let content = fields(&next, "");
    page::for_anybody(&state, "Sign in", said.as_ref(), &content).into_response()
}

fn fields(next: &str, email: &str) -> Markup {
    html! {
        section.narrow {
            h1 { "Sign in" }
            form.stack method="post" action="/console/sign-in" {
                input type="hidden" name="next" value=(next);
                label { "E-mail" input type="email" name="email" value=(email) required autofocus[email.is_empty()] autocomplete="username"; }
                label { "Password" input type="password" name="password" required autofocus[!email.is_empty()] autocomplete="current-password"; }
                button.main type="submit" { "Sign in" }
            }
        }
    }
}

/// Only to pages of the console: an address that somebody else made up may lead nowhere else.
fn inside(next: &str) -> String {
    let is_inside = next == "/console"
        || next.strip_prefix("/console/").is_some_and(|rest| {
            rest.bytes()
                .all(|byte| byte.is_ascii_graphic() && byte != b'\\')
                && !rest.starts_with('/')
        });
    if is_inside { next } else { "/console" }.to_owned()
}

pub(crate) async fn sign_in(
    State(state): State<ConsoleState>,
    parts: Parts,
    form: Form,
) -> Response {
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
            let content = fields(&next, email);
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

pub(crate) async fn sign_out(visitor: Visitor) -> Response {
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

/// Where the demo's link leads to.
pub(crate) async fn enter(
    State(state): State<ConsoleState>,
    Path(ticket): Path<String>,
    parts: Parts,
) -> Response {
    let origin = guard::origin(&parts, &state);
    let agent = parts
        .headers
        .get(header::USER_AGENT)
        .and_then(|value| value.to_str().ok());
    match state
        .hub
        .ticket_enter(origin.as_ref(), agent, &ticket)
        .await
    {
        Ok((_, session, token)) => {
            let seconds = session.expires_at.duration_since(state.hub.now()).as_secs();
            begun(&state, "/console", &token, seconds)
        }
        Err(error) => problem::of(&state, &error),
    }
}

/// Where an invitation and a mail about a new password lead to.
pub(crate) async fn welcome(
    State(state): State<ConsoleState>,
    Path(ticket): Path<String>,
    headers: HeaderMap,
) -> Response {
    let said = cookie::said(&headers);
    page::for_anybody(
        &state,
        "Choose a password",
        said.as_ref(),
        &password_fields(&ticket),
    )
    .into_response()
}

fn password_fields(ticket: &str) -> Markup {
    html! {
        section.narrow {
            h1 { "Choose a password" }
            p { "At least 15 characters, of any kind. A few words that only you would put together are best." }
            form.stack method="post" action={ "/console/welcome/" (ticket) } {
                label { "Password" input type="password" name="password" required minlength="15" autofocus autocomplete="new-password"; }
                button.main type="submit" { "Choose it" }
            }
        }
    }
}

pub(crate) async fn choose_password(
    State(state): State<ConsoleState>,
    Path(ticket): Path<String>,
    parts: Parts,
    form: Form,
) -> Response {
    let origin = guard::origin(&parts, &state);
    let password = form.secret("password");
    let redeemed = state.hub.ticket_redeem(origin.as_ref(), &ticket, &password);
    match redeemed.await {
        Ok(_) => go(
            &state,
            "/console/sign-in",
            &Said::good("This is your password from now on: sign in with it."),
        ),
        Err(error @ (hub::Error::Invalid(_) | hub::Error::Forbidden(_))) => {
            let said = Said::bad(problem::sentence(&error));
            let page = page::for_anybody(
                &state,
                "Choose a password",
                Some(&said),
                &password_fields(&ticket),
            );
            page.with_status(StatusCode::BAD_REQUEST).into_response()
        }
        Err(error) => problem::of(&state, &error),
    }
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
