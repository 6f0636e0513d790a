//! `/manage/v1/accounts/{accountId}/identityfilters`: what endpoints keep out of the identity graph, and do not get from it.

use axum::Json;
use axum::extract::State;
use hub::IdentityFilter;
use model::{EndpointId, IdentityFilterId};
use schemars::JsonSchema;

use super::Answer;
use super::input::{Body, Fields, FromBody, Id, Within};
use super::page::Params;
use crate::ApiState;
use crate::caller::{AccountMember, AccountViewer, Caller};
use crate::door::{About, Door};
use crate::identity_filter::IdentityFilterView;

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, rename_all = "camelCase")]
struct NewFilter {
    #[schemars(with = "i64")]
    endpoint_id: EndpointId,
    /// As the endpoint registered it.
    identifier_name: String,
    /// What the endpoint publishes under this name is not learned, and finds nobody.
    publish_filter: bool,
    /// Nothing is added under this name to what the endpoint gets.
    subscribe_filter: bool,
}

impl FromBody for NewFilter {
    fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let endpoint = fields.required_id("endpointId", EndpointId);
        let name = fields.required_text("identifierName");
        let publish = fields.required_flag("publishFilter");
        let subscribe = fields.required_flag("subscribeFilter");
        Some(Self {
            endpoint_id: endpoint?,
            identifier_name: name?,
            publish_filter: publish?,
            subscribe_filter: subscribe?,
        })
    }
}

pub(super) fn routes(door: &mut Door) {
    const FILTERS: &str = "/manage/v1/accounts/{accountId}/identityfilters";
    let about = About::new("Identity filters")
        .query("endpointId", "only this endpoint's")
        .answers::<Vec<IdentityFilterView>>();
    door.get(FILTERS, list, about);
    let about = About::new("Filter an identifier of an endpoint; replaces the filter that it had");
    let about = about.body::<NewFilter>().answers::<IdentityFilterView>();
    door.post(FILTERS, put, about);
    door.delete(
        "/manage/v1/accounts/{accountId}/identityfilters/{identityFilterId}",
        delete,
        About::new("Remove an identity filter").answers::<bool>(),
    );
}

async fn list(
    _caller: Caller<AccountViewer>,
    State(state): State<ApiState>,
    Within(scope): Within,
    mut params: Params,
) -> Answer<Vec<IdentityFilterView>> {
    let endpoint = params.id::<EndpointId>("endpointId");
    params.finish()?;
    let filters = state.hub.identity_filters(scope, endpoint, None);
    Ok(Json(filters.into_iter().map(Into::into).collect()))
}

async fn put(
    caller: Caller<AccountMember>,
    State(state): State<ApiState>,
    Within(scope): Within,
    Body(new): Body<NewFilter>,
) -> Answer<IdentityFilterView> {
    let filter = IdentityFilter {
        id: 0,
        endpoint: new.endpoint_id,
        identifier: new.identifier_name,
        publish: new.publish_filter,
        subscribe: new.subscribe_filter,
    };
    let actor = caller.actor();
    let put = state.hub.identity_filter_put(&actor, scope, filter).await?;
    Ok(Json(put.into()))
}

async fn delete(
    caller: Caller<AccountMember>,
    State(state): State<ApiState>,
    Within(scope): Within,
    Id(id): Id<IdentityFilterId>,
) -> Answer<bool> {
    let actor = caller.actor();
    state
        .hub
        .identity_filter_delete(&actor, scope, id.0)
        .await?;
    Ok(Json(true))
}
