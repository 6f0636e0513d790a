//! `/manage/v1/sessions` and `/manage/v1/passwords`: signing in and out, and choosing a password.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use jiff::Timestamp;
use model::{Secret, SessionId, User};
use schemars::JsonSchema;
use serde::Serialize;

use super::Answer;
use super::input::{Body, Fields, FromBody, Id};
use super::page::{List, Params};
use super::user::UserView;
use crate::ApiState;
use crate::caller::{Caller, Public, Session};
use crate::door::{About, Door};

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Credentials {
    email: String,
    #[schemars(with = "String")]
    password: Secret,
}

impl FromBody for Credentials {
    fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let email = fields.required_text("email");
        let password = fields.required_secret("password");
        Some(Self {
            email: email?,
            password: password?,
        })
    }
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, rename_all = "camelCase")]
struct PasswordChange {
    #[schemars(with = "String")]
    old_password: Secret,
    /// At least 15 characters, of any kind.
    #[schemars(with = "String")]
    password: Secret,
}

impl FromBody for PasswordChange {
    fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let old_password = fields.required_secret("oldPassword");
        let password = fields.required_secret("password");
        Some(Self {
            old_password: old_password?,
            password: password?,
        })
    }
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Redemption {
    /// Of an invitation, or of a mail about a new password.
    ticket: String,
    /// At least 15 characters, of any kind.
    #[schemars(with = "String")]
    password: Secret,
}

impl FromBody for Redemption {
    fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let ticket = fields.required_text("ticket");
        let password = fields.required_secret("password");
        Some(Self {
            ticket: ticket?,
            password: password?,
        })
    }
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Reset {
    email: String,
}

impl FromBody for Reset {
    fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let email = fields.required_text("email")?;
        Some(Self { email })
    }
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct NewSession {
    id: i64,
    /// Shown this once: the bearer of `/manage/v1`.
    token: String,
    #[schemars(with = "String")]
    expires_at: Timestamp,
    user: UserView,
}

pub(super) fn opened((user, session, token): (User, hub::Session, Secret)) -> NewSession {
    NewSession {
        id: session.id.0,
        token: token.expose().to_owned(),
        expires_at: session.expires_at,
        user: user.into(),
    }
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct SessionView {
    id: i64,
    /// The one that this call was made with.
    current: bool,
    address: Option<String>,
    agent: Option<String>,
    #[schemars(with = "String")]
    created_at: Timestamp,
    #[schemars(with = "String")]
    expires_at: Timestamp,
    /// To the hour.
    #[schemars(with = "String")]
    used_at: Timestamp,
}

pub(super) fn routes(door: &mut Door) {
    let about = About::new("Sign in; the session's token is shown this once");
    door.post(
        "/manage/v1/sessions",
        sign_in,
        about.body::<Credentials>().answers::<NewSession>(),
    );
    let about = About::new("One's own sessions, oldest first");
    door.get(
        "/manage/v1/sessions",
        list,
        about.answers::<List<SessionView>>(),
    );
    door.delete(
        "/manage/v1/sessions/current",
        sign_out,
        About::new("Sign out").answers::<bool>(),
    );
    let about = About::new("End one of one's own sessions");
    door.delete(
        "/manage/v1/sessions/{sessionId}",
        end,
        about.answers::<bool>(),
    );
    let about = About::new("Choose another password; one's other sessions end");
    door.put(
        "/manage/v1/passwords",
        change_password,
        about.body::<PasswordChange>().answers::<bool>(),
    );
    let about = About::new("Choose a password with the ticket of an invitation or of a reset");
    door.post(
        "/manage/v1/passwords",
        redeem,
        about.body::<Redemption>().answers::<UserView>(),
    );
    let about =
        About::new("Have a ticket for a new password mailed; says nothing about who is known");
    door.post(
        "/manage/v1/passwords/reset",
        reset,
        about.body::<Reset>().answers::<bool>(),
    );
}

/// What somebody signs in with, as it calls itself.
pub(super) fn agent(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::USER_AGENT)?.to_str().ok()
}

async fn sign_in(
    caller: Caller<Public>,
    State(state): State<ApiState>,
    headers: HeaderMap,
    Body(credentials): Body<Credentials>,
) -> Answer<NewSession> {
    let Credentials { email, password } = credentials;
    let signed_in = state
        .hub
        .user_sign_in(caller.origin(), agent(&headers), &email, &password)
        .await?;
    Ok(Json(opened(signed_in)))
}

async fn list(
    caller: Caller<Session>,
    State(state): State<ApiState>,
    params: Params,
) -> Answer<List<SessionView>> {
    params.finish()?;
    let bearer = caller.bearer()?;
    let sessions = state.hub.sessions(bearer.user.id).await?;
    let view = |session: hub::Session| SessionView {
        id: session.id.0,
        current: bearer.session() == Some(session.id),
        address: session.address,
        agent: session.agent,
        created_at: session.created_at,
        expires_at: session.expires_at,
        used_at: session.used_at,
    };
    Ok(Json(List {
        items: sessions.into_iter().map(view).collect(),
        next: None,
    }))
}

async fn sign_out(caller: Caller<Session>, State(state): State<ApiState>) -> Answer<bool> {
    let bearer = caller.bearer()?;
    if let Some(id) = bearer.session() {
        state
            .hub
            .session_end(&caller.actor(), bearer.user.id, id)
            .await?;
    }
    Ok(Json(true))
}

async fn end(
    caller: Caller<Session>,
    State(state): State<ApiState>,
    Id(id): Id<SessionId>,
) -> Answer<bool> {
    let user = caller.bearer()?.user.id;
    state.hub.session_end(&caller.actor(), user, id).await?;
    Ok(Json(true))
}

async fn change_password(
    caller: Caller<Session>,
    State(state): State<ApiState>,
    Body(change): Body<PasswordChange>,
) -> Answer<bool> {
    let (old, new) = (&change.old_password, &change.password);
    state
        .hub
        .password_change(&caller.actor(), caller.bearer()?, old, new)
        .await?;
    Ok(Json(true))
}

async fn redeem(
    caller: Caller<Public>,
    State(state): State<ApiState>,
    Body(Redemption { ticket, password }): Body<Redemption>,
) -> Answer<UserView> {
    let user = state
        .hub
        .ticket_redeem(caller.origin(), &ticket, &password)
        .await?;
    Ok(Json(user.into()))
}

async fn reset(
    caller: Caller<Public>,
    State(state): State<ApiState>,
    Body(Reset { email }): Body<Reset>,
) -> Answer<bool> {
    state.hub.password_reset(caller.origin(), &email).await?;
    Ok(Json(true))
}
