//! The first page of a new installation: whoever has the operator token becomes the first person. Gone once there is one.

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use hub::user::NewUser;
use hub::{Actor, Page};
use maud::{Markup, html};
use model::key::KeyHash;

use crate::ConsoleState;
use crate::cookie::Said;
use crate::form::Form;
use crate::guard;
use crate::page;
use crate::problem;
use crate::sign_in;

/// There is nobody yet who could sign in.
pub(crate) async fn is_needed(state: &ConsoleState) -> hub::Result<bool> {
    let one = Page { after: 0, limit: 1 };
    Ok(state.hub.users(None, one).await?.is_empty())
}

pub(crate) async fn page(State(state): State<ConsoleState>) -> Response {
    match is_needed(&state).await {
        Ok(true) => page::for_anybody(&state, "Set up", None, &fields("", "")).into_response(),
        Ok(false) => over(&state),
        Err(error) => problem::of(&state, &error),
    }
}

fn over(state: &ConsoleState) -> Response {
    let why = "This exchange is set up already: sign in, or ask an operator for an invitation.";
    problem::shown(state, StatusCode::NOT_FOUND, "Not here any more", why)
}

fn fields(email: &str, name: &str) -> Markup {
    html! {
        section.narrow {
            h1 { "Welcome to Rialto" }
            p { "Nobody can sign in here yet. With the operator token, which the exchange printed at its first start, you become its first operator; you can invite others later." }
            form.stack method="post" action="/console/set-up" {
                label { "Operator token" input type="password" name="token" required autocomplete="off"; }
                label { "Your name" input type="text" name="name" value=(name) required autocomplete="name"; }
                label { "Your e-mail" input type="email" name="email" value=(email) required autocomplete="username"; }
                label { "A password, at least 15 characters" input type="password" name="password" required minlength="15" autocomplete="new-password"; }
                button.main type="submit" { "Begin" }
            }
        }
    }
}

pub(crate) async fn set_up(
    State(state): State<ConsoleState>,
    parts: Parts,
    form: Form,
) -> Response {
    match is_needed(&state).await {
        Ok(true) => {}
        Ok(false) => return over(&state),
        Err(error) => return problem::of(&state, &error),
    }
    if KeyHash::of(form.text("token")) != state.shared.operator {
        let why = "This is not the operator token. It begins with ro_ and was printed at the first start; RIALTO_OPERATOR_TOKEN replaces it.";
        return again(&state, &form, why);
    }
    match begin(&state, &parts, &form).await {
        Ok(response) => response,
        Err(error @ (hub::Error::Invalid(_) | hub::Error::Conflict(_))) => {
            again(&state, &form, &problem::sentence(&error))
        }
        Err(error) => problem::of(&state, &error),
    }
}

fn again(state: &ConsoleState, form: &Form, why: &str) -> Response {
    let content = fields(form.text("email"), form.text("name"));
    let page = page::for_anybody(state, "Set up", Some(&Said::bad(why)), &content);
    page.with_status(StatusCode::BAD_REQUEST).into_response()
}

async fn begin(state: &ConsoleState, parts: &Parts, form: &Form) -> hub::Result<Response> {
    let origin = guard::origin(parts, state);
    let password = form.secret("password");
    let names = [form.text("email"), form.text("name")];
    // Before anybody is made: else a password that is not good enough would leave somebody who cannot sign in.
    model::password::check("/password", &password, &names)?;
    let new = NewUser {
        email: form.text("email").to_owned(),
        name: Some(form.text("name").to_owned()),
        is_operator: true,
        roles: Vec::new(),
    };
    let actor = Actor::OPERATOR.from(origin.clone());
    let (user, ticket) = state.hub.user_invite(&actor, &new).await?;
    state
        .hub
        .ticket_redeem(origin.as_ref(), ticket.expose(), &password)
        .await?;
    let signed_in = state
        .hub
        .user_sign_in(origin.as_ref(), None, user.email.as_str(), &password);
    let (_, session, token) = signed_in.await?;
    let seconds = session.expires_at.duration_since(state.hub.now()).as_secs();
    Ok(sign_in::begun(state, "/console", &token, seconds))
}
