//! `/manage/v1/accounts/{accountId}/schemadrift`: attributes that came undeclared or of another type.

use axum::Json;
use axum::extract::State;
use hub::SchemaDrift;
use jiff::Timestamp;
use model::EndpointId;
use schemars::JsonSchema;
use serde::Serialize;

use super::Answer;
use super::input::Within;
use super::page::{List, Params};
use crate::ApiState;
use crate::caller::{AccountViewer, Caller};
use crate::door::{About, Door};

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct DriftView {
    endpoint_id: i64,
    event_code: String,
    attribute: String,
    /// `undeclared`, or what was declared and what came.
    what: String,
    /// How often.
    seen: u64,
    #[schemars(with = "String")]
    first_seen_at: Timestamp,
    #[schemars(with = "String")]
    last_seen_at: Timestamp,
}

fn view(drift: SchemaDrift) -> DriftView {
    DriftView {
        endpoint_id: drift.endpoint.0,
        event_code: drift.code,
        attribute: drift.attribute,
        what: drift.what,
        seen: drift.seen,
        first_seen_at: drift.first_seen_at,
        last_seen_at: drift.last_seen_at,
    }
}

pub(super) fn routes(door: &mut Door) {
    let about = About::new("Schema drift, the latest first: 1000 at most, in one page")
        .query("endpointId", "only this publisher's")
        .answers::<List<DriftView>>();
    door.get("/manage/v1/accounts/{accountId}/schemadrift", list, about);
}

async fn list(
    _caller: Caller<AccountViewer>,
    State(state): State<ApiState>,
    Within(scope): Within,
    mut params: Params,
) -> Answer<List<DriftView>> {
    let endpoint = params.id::<EndpointId>("endpointId");
    params.finish()?;
    let drifts = state.hub.schema_drift(scope, endpoint).await?;
    Ok(Json(List {
        items: drifts.into_iter().map(view).collect(),
        next: None,
    }))
}
