//! Who may call `/manage/v1`: the bearer of the operator token, and people by their sessions and tokens.
//!
//! A person's rights are read anew for each call, so what was taken away is gone with the next one, in every process.

use axum::extract::{FromRequestParts as _, RawPathParams};
use axum::http::request::Parts;
use hub::Bearer;
use model::AccountId;
use model::key::KeyHash;

use super::{NO_PERSON, Who, forbidden};
use crate::ApiState;
use crate::door::Level;
use crate::problem::Problem;

pub(super) async fn admit(
    parts: &mut Parts,
    state: &ApiState,
    wanted: Level,
    token: &str,
) -> Result<Who, Problem> {
    if KeyHash::of(token) == state.shared.operator {
        return match wanted {
            Level::Session => Err(forbidden(NO_PERSON)),
            _ => Ok(Who::Operator),
        };
    }
    let Some(bearer) = state.hub.bearer(token).await? else {
        let why = "this is not the operator token, and no session or token that is good (any more)";
        return Err(forbidden(why));
    };
    may(&bearer, parts, state, wanted).await?;
    Ok(Who::User(Box::new(bearer)))
}

/// First what an account's members alone may know: whether it is there.
async fn may(
    bearer: &Bearer,
    parts: &mut Parts,
    state: &ApiState,
    wanted: Level,
) -> Result<(), Problem> {
    if let Some(needed) = wanted.role() {
        // What cannot be an id is refused by the handler, to those who get so far.
        let account = account(parts, state).await.unwrap_or(AccountId(0));
        let Some(role) = bearer.role_in(account) else {
            return Err(hub::Error::not_found("account", account).into());
        };
        if role < needed {
            let why = format!(
                "{} is needed; you are {} of account {account}",
                wanted.needs(),
                role.as_str()
            );
            return Err(forbidden(why));
        }
    }
    match wanted {
        Level::Operator if !bearer.is_operator() => {
            return Err(forbidden("only operators may do this"));
        }
        Level::Session if bearer.session().is_none() => {
            let why = "this needs a session, which begins with signing in; a token may not do it";
            return Err(forbidden(why));
        }
        _ => {}
    }
    let is_write = !parts.method.is_safe();
    if !bearer.allows(is_write) {
        let scope = if is_write { "write" } else { "read" };
        return Err(forbidden(format!("this token has no scope `{scope}`")));
    }
    Ok(())
}

async fn account(parts: &mut Parts, state: &ApiState) -> Option<AccountId> {
    let params = RawPathParams::from_request_parts(parts, state).await.ok()?;
    let (_, text) = params.iter().find(|(name, _)| *name == "accountId")?;
    text.parse().ok()
}
