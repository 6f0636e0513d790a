//! `/manage/v1/tokens`: one's own personal access tokens, for one's programs.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use hub::AccessToken;
use hub::access_token::TOKEN_TIME_MAX;
use jiff::Timestamp;
use model::TokenId;
use model::access_token::Scopes;
use schemars::JsonSchema;
use serde::Serialize;

use super::Answer;
use super::input::{Body, Fields, FromBody, Id};
use super::page::{List, Params};
use crate::ApiState;
use crate::caller::{Caller, Session};
use crate::door::{About, Door};

/// Long enough that nobody makes tokens that never end, short enough that forgotten ones do.
const LIFE_DEFAULT: Duration = Duration::from_secs(90 * 24 * 3_600);

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, rename_all = "camelCase")]
struct NewToken {
    name: String,
    /// `read`, `write`, and `account:<id>` for each account that it is limited to.
    #[schemars(with = "Vec<String>")]
    scopes: Scopes,
    /// 90 days if not given, 366 at most.
    #[schemars(rename = "expiresInSeconds", with = "Option<u64>")]
    life: Duration,
}

impl FromBody for NewToken {
    fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let name = fields.required_text("name");
        let is_scope = |word: &str| Scopes::default().with(word).map(|_| word.to_owned());
        let words = fields.texts("scopes", Scopes::WORDS, is_scope);
        let life = fields.seconds("expiresInSeconds", TOKEN_TIME_MAX);
        Some(Self {
            name: name?,
            scopes: Scopes::try_from(words).ok()?,
            life: life.unwrap_or(LIFE_DEFAULT),
        })
    }
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct TokenView {
    id: i64,
    name: String,
    /// The token's first characters.
    prefix: String,
    scopes: Vec<String>,
    #[schemars(with = "String")]
    created_at: Timestamp,
    #[schemars(with = "String")]
    expires_at: Timestamp,
    /// To the hour.
    #[schemars(with = "Option<String>")]
    used_at: Option<Timestamp>,
    /// Shown when it is made, and never again.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
}

impl From<AccessToken> for TokenView {
    fn from(token: AccessToken) -> Self {
        Self {
            id: token.id.0,
            name: token.name,
            prefix: token.prefix,
            scopes: token.scopes.words(),
            created_at: token.created_at,
            expires_at: token.expires_at,
            used_at: token.used_at,
            token: None,
        }
    }
}

pub(super) fn routes(door: &mut Door) {
    let about = About::new("Make a personal access token; it is shown this once");
    door.post(
        "/manage/v1/tokens",
        create,
        about.body::<NewToken>().answers::<TokenView>(),
    );
    let about = About::new("One's own tokens, by their first characters, oldest first");
    door.get(
        "/manage/v1/tokens",
        list,
        about.answers::<List<TokenView>>(),
    );
    let about = About::new("End one of one's own tokens, at once");
    door.delete(
        "/manage/v1/tokens/{tokenId}",
        revoke,
        about.answers::<bool>(),
    );
}

async fn create(
    caller: Caller<Session>,
    State(state): State<ApiState>,
    Body(new): Body<NewToken>,
) -> Answer<TokenView> {
    let bearer = caller.bearer()?;
    if let Some(hidden) = new
        .scopes
        .accounts
        .iter()
        .find(|id| bearer.role_in(**id).is_none())
    {
        return Err(hub::Error::not_found("account", hidden).into());
    }
    let created = state
        .hub
        .token_create(
            &caller.actor(),
            bearer.user.id,
            &new.name,
            new.scopes,
            new.life,
        )
        .await?;
    let (token, secret) = created;
    Ok(Json(TokenView {
        token: Some(secret.expose().to_owned()),
        ..token.into()
    }))
}

async fn list(
    caller: Caller<Session>,
    State(state): State<ApiState>,
    params: Params,
) -> Answer<List<TokenView>> {
    params.finish()?;
    let tokens = state.hub.tokens(caller.bearer()?.user.id).await?;
    Ok(Json(List {
        items: tokens.into_iter().map(TokenView::from).collect(),
        next: None,
    }))
}

async fn revoke(
    caller: Caller<Session>,
    State(state): State<ApiState>,
    Id(id): Id<TokenId>,
) -> Answer<bool> {
    let user = caller.bearer()?.user.id;
    state.hub.token_revoke(&caller.actor(), user, id).await?;
    Ok(Json(true))
}
