//! Choosing a password by a ticket: of an invitation, or of a mail that somebody asked for who has forgotten theirs.

use axum::Router;
use axum::extract::{Path, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use maud::{Markup, html};

use crate::ConsoleState;
use crate::cookie::{self, Said};
use crate::form::Form;
use crate::guard;
use crate::page::{self, go};
use crate::problem;
use crate::sign_in;

pub(crate) fn routes() -> Router<ConsoleState> {
    Router::new()
        .route(
            "/console/welcome/{ticket}",
            get(welcome).post(choose_password),
        )
        .route("/console/enter/{ticket}", get(enter))
        .route("/console/forgotten", get(forgotten).post(ask))
}

/// Where the demo's link leads to.
async fn enter(
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
            sign_in::begun(&state, "/console", &token, seconds)
        }
        Err(error) => problem::of(&state, &error),
    }
}

/// Where an invitation and a mail about a new password lead to.
async fn welcome(
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

async fn choose_password(
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

async fn forgotten(State(state): State<ConsoleState>, headers: HeaderMap) -> Response {
    let said = cookie::said(&headers);
    let content = html! {
        section.narrow {
            h1 { "Another password" }
            @if state.hub.has_mail_server() {
                p { "We mail you a link by which you choose another password. It is good for an hour." }
                form.stack method="post" action="/console/forgotten" {
                    label { "E-mail" input type="email" name="email" required autofocus autocomplete="username"; }
                    button.main type="submit" { "Send it" }
                }
            } @else {
                p { "This exchange cannot send mail. Ask whoever runs it: an operator can invite you anew." }
            }
            p { a href="/console/sign-in" { "Back to signing in" } }
        }
    };
    page::for_anybody(&state, "Another password", said.as_ref(), &content).into_response()
}

/// Says the same whether or not there is such a person.
async fn ask(State(state): State<ConsoleState>, parts: Parts, form: Form) -> Response {
    let origin = guard::origin(&parts, &state);
    let asked = state
        .hub
        .password_reset(origin.as_ref(), form.text("email"));
    match asked.await {
        Ok(()) => {
            let said =
                "If somebody with this address may sign in here, a mail is on its way to them.";
            go(&state, "/console/sign-in", &Said::good(said))
        }
        Err(error @ (hub::Error::Invalid(_) | hub::Error::Busy { .. })) => {
            let said = Said::bad(problem::sentence(&error));
            go(&state, "/console/forgotten", &said)
        }
        Err(error) => problem::of(&state, &error),
    }
}
