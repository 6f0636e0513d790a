//! `/manage/v1/accounts/{accountId}/keys`: which keys there are, rotation with an overlap, revocation.
//!
//! A key is shown once, when it is made; afterwards people see its first characters.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use hub::{Key, KeysOf};
use jiff::Timestamp;
use model::key::KeyLevel;
use model::{EndpointId, KeyId};
use schemars::JsonSchema;
use serde::Serialize;

use super::Answer;
use super::input::{Body, Fields, FromBody, Id, Within};
use super::page::{List, Params, paged};
use crate::ApiState;
use crate::caller::{AccountAdmin, Caller};
use crate::door::{About, Door};

/// A day is enough to bring a new key to where the old one is used.
const OVERLAP_DEFAULT: Duration = Duration::from_secs(24 * 3_600);
/// Whoever needs longer does not rotate.
const OVERLAP_MAX: Duration = Duration::from_secs(366 * 24 * 3_600);

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, rename_all = "camelCase")]
struct Rotation {
    /// `account`, `endpoint` or `event`.
    #[schemars(with = "String")]
    level: KeyLevel,
    /// Whose key, for the levels `endpoint` and `event`.
    #[schemars(with = "Option<i64>")]
    endpoint_id: Option<EndpointId>,
    /// How long the keys so far stay valid; a day if not given, 0 ends them at once.
    #[schemars(rename = "overlapSeconds", with = "Option<u64>")]
    overlap: Duration,
}

impl FromBody for Rotation {
    fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let levels = "`account`, `endpoint` or `event`";
        let level = fields.required_word("level", levels, KeyLevel::parse);
        let endpoint_id = fields.id("endpointId", EndpointId);
        let overlap = fields.seconds("overlapSeconds", OVERLAP_MAX);
        Some(Self {
            level: level?,
            endpoint_id,
            overlap: overlap.unwrap_or(OVERLAP_DEFAULT),
        })
    }
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct KeyView {
    id: i64,
    level: &'static str,
    endpoint_id: Option<i64>,
    /// The key's first characters.
    prefix: String,
    #[schemars(with = "String")]
    created_at: Timestamp,
    /// Not valid from here on, because it was rotated.
    #[schemars(with = "Option<String>")]
    expires_at: Option<Timestamp>,
    #[schemars(with = "Option<String>")]
    revoked_at: Option<Timestamp>,
    /// Whether it is valid now.
    valid: bool,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct NewKey {
    id: i64,
    level: &'static str,
    endpoint_id: Option<i64>,
    /// Shown this once.
    key: String,
    /// Until when the keys so far stay valid.
    #[schemars(with = "String")]
    others_expire_at: Timestamp,
}

fn view(key: Key, now: Timestamp) -> KeyView {
    KeyView {
        id: key.id.0,
        level: key.level.as_str(),
        endpoint_id: key.endpoint.map(|id| id.0),
        valid: key.revoked_at.is_none() && key.expires_at.is_none_or(|end| now < end),
        prefix: key.prefix,
        created_at: key.created_at,
        expires_at: key.expires_at,
        revoked_at: key.revoked_at,
    }
}

pub(super) fn routes(door: &mut Door) {
    let about = paged(About::new("Keys, by their first characters"))
        .query("endpointId", "only this endpoint's")
        .answers::<List<KeyView>>();
    door.get("/manage/v1/accounts/{accountId}/keys", list, about);
    let about =
        About::new("Make a new key; those of the same level and owner end after an overlap");
    door.post(
        "/manage/v1/accounts/{accountId}/keys/rotate",
        rotate,
        about.body::<Rotation>().answers::<NewKey>(),
    );
    let about = About::new("Revoke a key, at once").answers::<bool>();
    door.delete(
        "/manage/v1/accounts/{accountId}/keys/{keyId}",
        revoke,
        about,
    );
}

async fn list(
    _caller: Caller<AccountAdmin>,
    State(state): State<ApiState>,
    Within(scope): Within,
    mut params: Params,
) -> Answer<List<KeyView>> {
    let endpoint = params.id::<EndpointId>("endpointId");
    let of = endpoint.map_or(KeysOf::All, KeysOf::Endpoint);
    let paging = params.paging();
    params.finish()?;
    let mut keys = state.hub.keys(scope, of).await?;
    keys.retain(|key| key.id.0 > paging.after);
    let now = state.hub.now();
    Ok(Json(paging.list(keys, |k| k.id.0, |key| view(key, now))))
}

async fn rotate(
    caller: Caller<AccountAdmin>,
    State(state): State<ApiState>,
    Within(scope): Within,
    Body(rotation): Body<Rotation>,
) -> Answer<NewKey> {
    let Rotation {
        level,
        endpoint_id,
        overlap,
    } = rotation;
    let (key, secret) = state
        .hub
        .key_rotate(&caller.actor(), scope, endpoint_id, level, overlap)
        .await?;
    Ok(Json(NewKey {
        id: key.id.0,
        level: key.level.as_str(),
        endpoint_id: key.endpoint.map(|id| id.0),
        key: secret.expose().to_owned(),
        others_expire_at: key.created_at + overlap,
    }))
}

async fn revoke(
    caller: Caller<AccountAdmin>,
    State(state): State<ApiState>,
    Within(scope): Within,
    Id(id): Id<KeyId>,
) -> Answer<bool> {
    state.hub.key_revoke(&caller.actor(), scope, id).await?;
    Ok(Json(true))
}
