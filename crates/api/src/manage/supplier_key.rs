//! `/manage/v1/providers/{providerId}/supplierkeys`: client ids and secrets that a provider gave to the operator, for
//! documents with the scheme `OAuthRefreshTokenOnly`.

use axum::Json;
use axum::extract::State;
use hub::supplier_key::{NewSupplierKey, SupplierKey};
use jiff::Timestamp;
use model::{ProviderId, Secret, SupplierKeyId};
use schemars::JsonSchema;
use serde::Serialize;

use super::Answer;
use super::input::{Body, Fields, FromBody, Id};
use super::page::{List, Params, paged};
use crate::ApiState;
use crate::caller::{Caller, Operator};
use crate::door::{About, Door};

/// What the provider gave to the operator.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, rename_all = "camelCase")]
#[expect(dead_code, reason = "read by people")]
struct SupplierKeyBody {
    /// The token server that the secret may be sent to; scheme, host and port count.
    auth_url: String,
    client_id: String,
    /// Never shown again.
    client_secret: String,
}

struct New(NewSupplierKey);

impl FromBody for New {
    fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let auth_url = fields.required_text("authUrl");
        let client_id = fields.required_text("clientId");
        let client_secret = fields.required_text("clientSecret");
        Some(Self(NewSupplierKey {
            auth_url: auth_url?,
            client_id: client_id?,
            client_secret: Secret::new(client_secret?),
        }))
    }
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct SupplierKeyView {
    id: i64,
    provider_id: i64,
    /// What documents name as `supplierKey`.
    supplier_key: String,
    auth_url: String,
    client_id: String,
    #[schemars(with = "String")]
    created_at: Timestamp,
}

fn view(key: SupplierKey) -> SupplierKeyView {
    SupplierKeyView {
        id: key.id.0,
        provider_id: key.provider.0,
        supplier_key: key.name,
        auth_url: key.auth_url,
        client_id: key.client_id,
        created_at: key.created_at,
    }
}

const KEYS: &str = "/manage/v1/providers/{providerId}/supplierkeys";
const KEY: &str = "/manage/v1/providers/{providerId}/supplierkeys/{supplierKeyId}";

pub(super) fn routes(door: &mut Door) {
    let about =
        About::new("Store a client id and secret, and give out the key that stands for them");
    let about = about.body::<SupplierKeyBody>().answers::<SupplierKeyView>();
    door.post(KEYS, create, about);
    let about = paged(About::new(
        "A provider's supplier keys, without the secrets",
    ));
    door.get(KEYS, list, about.answers::<List<SupplierKeyView>>());
    let about = About::new("Forget a supplier key and its secret");
    door.delete(KEY, delete, about.answers::<bool>());
}

async fn create(
    caller: Caller<Operator>,
    State(state): State<ApiState>,
    Id(provider): Id<ProviderId>,
    Body(New(new)): Body<New>,
) -> Answer<SupplierKeyView> {
    let actor = caller.actor();
    let key = state.hub.supplier_key_create(&actor, provider, new).await?;
    Ok(Json(view(key)))
}

async fn list(
    _caller: Caller<Operator>,
    State(state): State<ApiState>,
    Id(provider): Id<ProviderId>,
    mut params: Params,
) -> Answer<List<SupplierKeyView>> {
    let paging = params.paging();
    params.finish()?;
    let keys = state.hub.supplier_keys(provider, paging.page()).await?;
    Ok(Json(paging.list(keys, |key| key.id.0, view)))
}

async fn delete(
    caller: Caller<Operator>,
    State(state): State<ApiState>,
    Id(provider): Id<ProviderId>,
    Id(id): Id<SupplierKeyId>,
) -> Answer<bool> {
    let actor = caller.actor();
    state.hub.supplier_key_delete(&actor, provider, id).await?;
    Ok(Json(true))
}
