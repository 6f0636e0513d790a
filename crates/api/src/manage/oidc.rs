//! `/manage/v1/oidc`: single sign-on. A browser is sent to the issuer and comes back with a session.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use hub::oidc::{Callback, FLOW_TIME_MAX};
use model::Environment;

use super::page::Params;
use super::session::{NewSession, agent, opened};
use crate::ApiState;
use crate::caller::{Caller, Public};
use crate::door::{About, Door};
use crate::problem::{Kind, Problem};

/// What a browser keeps between its two visits, sealed by us.
const COOKIE: &str = "rialto_oidc";

pub(super) fn routes(door: &mut Door) {
    let about = About::new("Begin single sign-on: sends the browser to the issuer (302)");
    door.get("/manage/v1/oidc/start", start, about.media("text/plain"));
    let about = About::new("Where the issuer sends the browser back to: a session")
        .query("code", "what the issuer gave")
        .query("state", "what it was given")
        .query("error", "why it gave none");
    door.get(
        "/manage/v1/oidc/callback",
        callback,
        about.answers::<NewSession>(),
    );
}

/// A cookie for the two calls only; it goes with top-level navigation from the issuer, and no script reads it.
fn cookie(state: &ApiState, value: &str, seconds: u64) -> Result<HeaderValue, Problem> {
    let base = state.hub.base_url(Environment::Production);
    let secure = if base.starts_with("https://") {
        "; Secure"
    } else {
        ""
    };
    let text = format!(
        "{COOKIE}={value}; Path=/manage/v1/oidc; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}"
    );
    HeaderValue::try_from(text).map_err(|error| hub::Error::internal(error).into())
}

async fn start(
    _caller: Caller<Public>,
    State(state): State<ApiState>,
) -> Result<Response, Problem> {
    let begun = state.hub.sign_on_start(Callback::Api).await?;
    let location = HeaderValue::try_from(begun.url).map_err(hub::Error::internal)?;
    let headers = [
        (header::LOCATION, location),
        (
            header::SET_COOKIE,
            cookie(&state, &begun.kept, FLOW_TIME_MAX.as_secs())?,
        ),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    Ok((StatusCode::FOUND, headers).into_response())
}

async fn callback(
    caller: Caller<Public>,
    State(state): State<ApiState>,
    headers: HeaderMap,
    mut params: Params,
) -> Result<Response, Problem> {
    let [code, returned, error] = ["code", "state", "error"].map(|name| params.text(name));
    // Issuers add what they like.
    drop(params);
    if let Some(error) = error {
        let word: String = error
            .chars()
            .filter(char::is_ascii_graphic)
            .take(64)
            .collect();
        let why = format!("the issuer did not sign you in: {word}");
        return Err(Problem::new(Kind::Forbidden, why));
    }
    let (code, returned) = (code.unwrap_or_default(), returned.unwrap_or_default());
    let kept = kept(&headers).unwrap_or_default();
    let signed_on = state
        .hub
        .sign_on_finish(
            Callback::Api,
            (caller.origin(), agent(&headers)),
            kept,
            (&returned, &code),
        )
        .await?;
    let headers = [
        (header::SET_COOKIE, cookie(&state, "", 0)?),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    Ok((headers, Json(opened(signed_on))).into_response())
}

fn kept(headers: &HeaderMap) -> Option<&str> {
    let lines = headers.get_all(header::COOKIE).iter();
    let mut pairs = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'));
    pairs.find_map(|pair| pair.trim().strip_prefix(COOKIE)?.strip_prefix('='))
}
