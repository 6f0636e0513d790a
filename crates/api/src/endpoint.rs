//! `/v1/endpoint…`: the provider describes its endpoint, reads it back, enables, disables and deletes it, says that it
//! could not set itself up, and asks where it stands.
//!
//! Called by integrations with an endpoint key, and, to read, by account keys. Simple writes answer `true`.

mod attributes;
mod selection;
mod view;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use hub::{Page, Scope};
use model::reader::Reader;
use model::{Endpoint, EndpointStatus, Invalid};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ApiState;
use crate::asked::{Asked, InPath};
use crate::body::Payload;
use crate::caller::{AnyEndpointKey, Caller, EndpointKey, EndpointOrAccountKey};
use crate::door::{About, Door};
use crate::event_type::EventTypeView;
use crate::problem::{Kind, Problem};
use crate::segment::SegmentView;
use selection::Selection;
use view::EndpointView;

pub(crate) use view::{Databases, DefinitionView, EndpointTypes};

/// Why the provider could not set itself up.
#[derive(Deserialize, JsonSchema)]
#[expect(dead_code, reason = "read by people")]
struct FailureBody {
    /// At most 512 bytes of UTF-8.
    reason: String,
}

/// The key that web pages use.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct EventInfo {
    endpoint_id: i64,
    /// Publishes events from browsers (`POST /v1/customEvent`) and does nothing else; the same at every call.
    event_auth_key: String,
}

pub(crate) fn routes(door: &mut Door) {
    let about = About::new("Describe the endpoint, or describe it anew; it is ACTIVE from now on");
    let about = about.body::<DefinitionView>().answers::<bool>();
    door.put("/v1/endpoint", define, about);
    let about = About::new(
        "The endpoint of the key; with an account key, an array of the account's endpoints",
    );
    door.get(
        "/v1/endpoint",
        read,
        selection::document(about.answers::<EndpointView>()),
    );
    let about = About::new("Delete the endpoint; its key then only answers for its status");
    door.delete("/v1/endpoint", delete, about.answers::<bool>());
    let about = || {
        About::new("Enable or disable the endpoint; 304 when it is so already").answers::<bool>()
    };
    door.put("/v1/endpoint/enable", enable, about());
    door.put("/v1/endpoint/disable", disable, about());
    let about = About::new("Say that the endpoint could not be set up; it is FAILED from now on");
    let about = about.body::<FailureBody>().answers::<bool>();
    door.put("/v1/endpoint/{id}/reportfailure", report_failure, about);
    let about = || About::new("PENDING, ACTIVE, FAILED or DELETED").answers::<String>();
    door.get("/v1/{id}/status", status, about());
    door.get("/v1/endpoint/{id}/status", status, about());
    let about = About::new("The key for events from browsers, made at the first call");
    door.get(
        "/v1/endpoint/{id}/eventinfo",
        event_info,
        about.answers::<EventInfo>(),
    );
    attributes::routes(door);
}

async fn define(
    caller: Caller<EndpointKey>,
    State(state): State<ApiState>,
    payload: Payload,
) -> Result<Json<bool>, Problem> {
    let body = payload.json()?;
    let (actor, scope, id) = (caller.actor(), caller.scope(), caller.endpoint());
    state.hub.endpoint_define(&actor, scope, id, &body).await?;
    Ok(Json(true))
}

/// One endpoint for an endpoint's key, an array for an account's.
#[derive(Serialize)]
#[serde(untagged)]
enum OneOrMany {
    One(Box<EndpointView>),
    Many(Vec<EndpointView>),
}

async fn read(
    caller: Caller<EndpointOrAccountKey>,
    State(state): State<ApiState>,
    asked: Asked,
) -> Result<Json<OneOrMany>, Problem> {
    let selection = Selection::of(&asked)?;
    let scope = caller.scope();
    let show = async |endpoint: Endpoint| show(&state, scope, endpoint, &selection).await;
    if let Some(own) = caller.endpoint() {
        let asked = selection.endpoint.unwrap_or(own);
        let endpoint = state.hub.endpoint(scope, asked)?;
        if asked != own {
            let message = format!("the key is not the key of endpoint {asked}");
            return Err(Problem::new(Kind::Forbidden, message));
        }
        return Ok(Json(OneOrMany::One(Box::new(show(endpoint).await?))));
    }
    let endpoints = match selection.endpoint {
        Some(id) => vec![state.hub.endpoint(scope, id)?],
        None => all_of(&state, scope).await?,
    };
    let mut views = Vec::with_capacity(endpoints.len());
    for endpoint in endpoints {
        views.push(show(endpoint).await?);
    }
    Ok(Json(OneOrMany::Many(views)))
}

/// The account's endpoints without the deleted ones.
async fn all_of(state: &ApiState, scope: Scope) -> Result<Vec<Endpoint>, Problem> {
    const PAGE: i64 = 1_000;
    let mut endpoints: Vec<Endpoint> = Vec::new();
    let mut after = 0;
    loop {
        let page = Page { after, limit: PAGE };
        let rows = state.hub.endpoints(scope, page).await?;
        let Some(last) = rows.last() else {
            return Ok(endpoints);
        };
        after = last.id.0;
        let rows = rows.into_iter();
        endpoints.extend(rows.filter(|endpoint| endpoint.status != EndpointStatus::Deleted));
    }
}

async fn show(
    state: &ApiState,
    scope: Scope,
    endpoint: Endpoint,
    selection: &Selection,
) -> Result<EndpointView, Problem> {
    let event_types = if selection.loads_events() {
        let types = state.hub.event_types(scope, endpoint.id)?;
        let types = types.into_iter().filter(|t| selection.wants_type(t));
        Some(types.map(EventTypeView::from).collect())
    } else {
        None
    };
    let segments = if selection.loads_segments() {
        let wanted = &selection.segments;
        let filter = wanted.filter(endpoint.id, selection.segment_role());
        let found = state.hub.segments(scope, &filter, wanted.window()).await?;
        Some(found.into_iter().map(SegmentView::from).collect())
    } else {
        None
    };
    Ok(EndpointView::of(endpoint, selection, event_types, segments))
}

async fn delete(
    caller: Caller<EndpointKey>,
    State(state): State<ApiState>,
) -> Result<Json<bool>, Problem> {
    let (actor, scope, id) = (caller.actor(), caller.scope(), caller.endpoint());
    state.hub.endpoint_delete(&actor, scope, id).await?;
    Ok(Json(true))
}

async fn enable(
    caller: Caller<EndpointKey>,
    State(state): State<ApiState>,
) -> Result<Response, Problem> {
    switch(&caller, &state, true).await
}

async fn disable(
    caller: Caller<EndpointKey>,
    State(state): State<ApiState>,
) -> Result<Response, Problem> {
    switch(&caller, &state, false).await
}

async fn switch(
    caller: &Caller<EndpointKey>,
    state: &ApiState,
    enabled: bool,
) -> Result<Response, Problem> {
    let (actor, scope, id) = (caller.actor(), caller.scope(), caller.endpoint());
    let changed = state
        .hub
        .endpoint_enable(&actor, scope, id, enabled)
        .await?;
    Ok(if changed {
        Json(true).into_response()
    } else {
        StatusCode::NOT_MODIFIED.into_response()
    })
}

async fn report_failure(
    caller: Caller<EndpointKey>,
    State(state): State<ApiState>,
    path: InPath,
    payload: Payload,
) -> Result<Json<bool>, Problem> {
    let id = caller.own(&state, path.endpoint()?)?;
    let body = payload.json()?;
    let mut invalid = Invalid::default();
    let reason = Reader::new(&body, "", &mut invalid)
        .and_then(|reader| reader.text("reason", usize::MAX, &mut invalid))
        .unwrap_or_default();
    invalid.or(())?;
    let (actor, scope) = (caller.actor(), caller.scope());
    let verb = state
        .hub
        .endpoint_report_failure(&actor, scope, id, &reason);
    verb.await?;
    Ok(Json(true))
}

async fn status(
    caller: Caller<AnyEndpointKey>,
    State(state): State<ApiState>,
    path: InPath,
) -> Result<Json<&'static str>, Problem> {
    let id = caller.own(&state, path.endpoint()?)?;
    let endpoint = state.hub.endpoint(caller.scope(), id)?;
    Ok(Json(endpoint.status.as_str()))
}

async fn event_info(
    caller: Caller<EndpointKey>,
    State(state): State<ApiState>,
    path: InPath,
) -> Result<Json<EventInfo>, Problem> {
    let id = caller.own(&state, path.endpoint()?)?;
    let (actor, scope) = (caller.actor(), caller.scope());
    let key = state.hub.endpoint_event_key(&actor, scope, id).await?;
    Ok(Json(EventInfo {
        endpoint_id: id.0,
        event_auth_key: key.expose().to_owned(),
    }))
}
