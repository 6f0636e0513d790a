//! Counts how calls of pilot accounts end: the checklist of a partner's review fills itself from it.
//!
//! A layer of pilot's router only: calls of production do not pass here. A call whose key is nobody's is nobody's.

use axum::extract::{MatchedPath, Request, State};
use axum::http::HeaderMap;
use axum::middleware::Next;
use axum::response::Response;
use model::key::{KEY_BYTES_MAX, KeyHash};
use model::partner::checklist::Outcome;
use model::{AccountId, Environment};

use crate::ApiState;
use crate::caller::bearer;

pub(crate) async fn observed(
    State(state): State<ApiState>,
    path: Option<MatchedPath>,
    request: Request,
    next: Next,
) -> Response {
    let is_published = |path: &MatchedPath| path.as_str().starts_with("/v1/");
    let Some(path) = path.filter(is_published) else {
        return next.run(request).await;
    };
    let Some(account) = account(&state, request.headers()) else {
        return next.run(request).await;
    };
    let what = format!("{} {}", request.method(), path.as_str());
    let response = next.run(request).await;
    let outcome = Outcome::of_status(response.status().as_u16());
    state.hub.observe(account, &what, outcome);
    response
}

/// Whose key was sent, of whatever level.
fn account(state: &ApiState, headers: &HeaderMap) -> Option<AccountId> {
    let key = bearer(headers).ok()??;
    if key.len() > KEY_BYTES_MAX {
        return None;
    }
    let entry = state
        .hub
        .registry()
        .key(&KeyHash::of(&key), state.hub.now())?;
    (entry.environment == Environment::Pilot).then_some(entry.account)
}
