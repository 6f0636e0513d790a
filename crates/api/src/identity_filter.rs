//! `/v1/identityfilters`: what an endpoint keeps out of the identity graph, and what it does not get from there.

use axum::Json;
use axum::extract::{Path, State};
use hub::IdentityFilter;
use schemars::JsonSchema;
use serde::Serialize;

use crate::ApiState;
use crate::caller::{Caller, EndpointOrAccountKey};
use crate::door::{About, Door};
use crate::problem::Problem;

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct IdentityFilterView {
    endpoint_filter_id: i64,
    endpoint_id: i64,
    identifier_name: String,
    /// What the endpoint publishes under this name is not learned, and finds nobody.
    publish_filter: bool,
    /// Nothing is added under this name to what the endpoint gets.
    subscribe_filter: bool,
}

impl From<IdentityFilter> for IdentityFilterView {
    fn from(filter: IdentityFilter) -> Self {
        Self {
            endpoint_filter_id: filter.id,
            endpoint_id: filter.endpoint.0,
            identifier_name: filter.identifier,
            publish_filter: filter.publish,
            subscribe_filter: filter.subscribe,
        }
    }
}

pub(crate) fn routes(door: &mut Door) {
    let about = About::new("The endpoint's identity filters; with an account key, all of them");
    let about = about.answers::<Vec<IdentityFilterView>>();
    door.get("/v1/identityfilters", list, about);
    let about = About::new("The identity filters for identifiers of this name");
    let about = about.answers::<Vec<IdentityFilterView>>();
    door.get("/v1/identityfilters/{identifierName}", of_name, about);
}

fn found(
    caller: &Caller<EndpointOrAccountKey>,
    state: &ApiState,
    name: Option<&str>,
) -> Json<Vec<IdentityFilterView>> {
    let filters = state
        .hub
        .identity_filters(caller.scope(), caller.endpoint(), name);
    Json(filters.into_iter().map(Into::into).collect())
}

async fn list(
    caller: Caller<EndpointOrAccountKey>,
    State(state): State<ApiState>,
) -> Result<Json<Vec<IdentityFilterView>>, Problem> {
    Ok(found(&caller, &state, None))
}

async fn of_name(
    caller: Caller<EndpointOrAccountKey>,
    State(state): State<ApiState>,
    Path(name): Path<String>,
) -> Result<Json<Vec<IdentityFilterView>>, Problem> {
    Ok(found(&caller, &state, Some(&name)))
}
