//! `/manage/v1/accounts/{accountId}/endpoints`: what users do with endpoints, once they are registered (`registration`).

use axum::Json;
use axum::extract::State;
use hub::{Hub, Scope};
use jiff::Timestamp;
use model::endpoint::{Role, Roles};
use model::{Endpoint, EndpointDefinition, EndpointId, EndpointStatus};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::Answer;
use super::input::{Body, Fields, FromBody, Id, Within};
use super::page::{List, Params, paged};
use super::registration::MadeFromView;
use super::status::StandingView;
use crate::ApiState;
use crate::caller::{AccountMember, AccountViewer, Caller};
use crate::door::{About, Door};
use crate::problem::Problem;

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Enable {
    pub(super) enabled: bool,
}

impl FromBody for Enable {
    fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let enabled = fields.required_flag("enabled")?;
        Some(Self { enabled })
    }
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct EndpointView {
    id: i64,
    /// Empty until the provider has described the endpoint.
    name: String,
    /// `PENDING`, `ACTIVE`, `FAILED` or `DELETED`.
    status: &'static str,
    enabled: bool,
    /// Why the exchange disabled it.
    disabled_reason: Option<String>,
    /// Why the provider could not set it up.
    failure_reason: Option<String>,
    definition: DefinitionView,
    /// The application that it was made from, and how the call to its provider went.
    made_from: Option<MadeFromView>,
    standing: StandingView,
    #[schemars(with = "String")]
    created_at: Timestamp,
    #[schemars(with = "String")]
    updated_at: Timestamp,
}

/// What the provider stated, in short.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct DefinitionView {
    description: Option<String>,
    provider_name: String,
    url: Option<String>,
    event_source: Option<RoleView>,
    event_destination: Option<RoleView>,
    segment_source: Option<RoleView>,
    segment_destination: Option<RoleView>,
    identifiers: Vec<IdentifierView>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct RoleView {
    enabled: bool,
    /// The role's own, else the endpoint's.
    url: Option<String>,
    /// `push` or `pull`.
    transfer: Value,
}

#[derive(Serialize, JsonSchema)]
struct IdentifierView {
    name: String,
    r#type: String,
}

#[derive(Serialize, JsonSchema)]
struct Secrets {
    /// What pushes to the endpoint are signed with, newest first: each push carries a signature for every one.
    secrets: Vec<String>,
}

fn definition(definition: EndpointDefinition) -> DefinitionView {
    let role = |role: &Option<Role>| {
        role.as_ref().map(|role| RoleView {
            enabled: role.enabled,
            url: definition.url_of(role).map(str::to_owned),
            transfer: serde_json::to_value(role.transfer).unwrap_or_default(),
        })
    };
    let Roles {
        event_source,
        event_destination,
        segment_source,
        segment_destination,
    } = &definition.roles;
    DefinitionView {
        event_source: role(event_source),
        event_destination: role(event_destination),
        segment_source: role(segment_source),
        segment_destination: role(segment_destination),
        identifiers: definition
            .identifiers()
            .map(|identifier| IdentifierView {
                name: identifier.name.clone(),
                r#type: identifier.kind.clone(),
            })
            .collect(),
        description: definition.description,
        provider_name: definition.provider_name,
        url: definition.url,
    }
}

async fn view(hub: &Hub, endpoint: Endpoint) -> Result<EndpointView, Problem> {
    let failure_reason = match endpoint.status {
        EndpointStatus::Failed => {
            let scope = Scope(endpoint.account);
            hub.endpoint_failure(scope, endpoint.id).await?
        }
        _ => None,
    };
    let scope = Scope(endpoint.account);
    let made_from = hub.endpoint_made_from(scope, endpoint.id).await?;
    Ok(EndpointView {
        id: endpoint.id.0,
        name: endpoint.definition.name.clone(),
        status: endpoint.status.as_str(),
        enabled: endpoint.enabled,
        disabled_reason: endpoint.disabled_reason,
        failure_reason,
        definition: definition(endpoint.definition),
        made_from: made_from.map(MadeFromView::from),
        standing: StandingView::of(hub.standing(endpoint.id)),
        created_at: endpoint.created_at,
        updated_at: endpoint.updated_at,
    })
}

const ENDPOINT: &str = "/manage/v1/accounts/{accountId}/endpoints/{endpointId}";

pub(super) fn routes(door: &mut Door) {
    let about = paged(About::new("Endpoints, deleted ones included"));
    door.get(
        "/manage/v1/accounts/{accountId}/endpoints",
        list,
        about.answers::<List<EndpointView>>(),
    );
    let about = About::new("An endpoint and how it stands");
    door.get(ENDPOINT, get, about.answers::<EndpointView>());
    let about = About::new("Enable or disable an endpoint");
    door.patch(
        ENDPOINT,
        enable,
        about.body::<Enable>().answers::<EndpointView>(),
    );
    let about = About::new("Delete an endpoint for good; its subscriptions end");
    door.delete(ENDPOINT, delete, about.answers::<bool>());
    let about = About::new("The secrets that pushes to the endpoint are signed with");
    door.get(
        "/manage/v1/accounts/{accountId}/endpoints/{endpointId}/webhooksecret",
        secrets,
        about.answers::<Secrets>(),
    );
    let about =
        About::new("Make a new signing secret; the one before stays valid until the next rotation");
    door.post(
        "/manage/v1/accounts/{accountId}/endpoints/{endpointId}/webhooksecret/rotate",
        rotate_secret,
        about.answers::<Secrets>(),
    );
}

async fn list(
    _caller: Caller<AccountViewer>,
    State(state): State<ApiState>,
    Within(scope): Within,
    mut params: Params,
) -> Answer<List<EndpointView>> {
    let paging = params.paging();
    params.finish()?;
    let endpoints = state.hub.endpoints(scope, paging.page()).await?;
    let List { items, next } = paging.list(endpoints, |e| e.id.0, |e| e);
    let mut views = Vec::with_capacity(items.len());
    for endpoint in items {
        views.push(view(&state.hub, endpoint).await?);
    }
    Ok(Json(List { items: views, next }))
}

async fn get(
    _caller: Caller<AccountViewer>,
    State(state): State<ApiState>,
    Within(scope): Within,
    Id(id): Id<EndpointId>,
) -> Answer<EndpointView> {
    let endpoint = state.hub.endpoint(scope, id)?;
    Ok(Json(view(&state.hub, endpoint).await?))
}

/// What is so already is no error: the caller gets what it asked for.
async fn enable(
    caller: Caller<AccountMember>,
    State(state): State<ApiState>,
    Within(scope): Within,
    Id(id): Id<EndpointId>,
    Body(Enable { enabled }): Body<Enable>,
) -> Answer<EndpointView> {
    let actor = caller.actor();
    state
        .hub
        .endpoint_enable(&actor, scope, id, enabled)
        .await?;
    let endpoint = state.hub.endpoint(scope, id)?;
    Ok(Json(view(&state.hub, endpoint).await?))
}

async fn delete(
    caller: Caller<AccountMember>,
    State(state): State<ApiState>,
    Within(scope): Within,
    Id(id): Id<EndpointId>,
) -> Answer<bool> {
    state
        .hub
        .endpoint_delete(&caller.actor(), scope, id)
        .await?;
    Ok(Json(true))
}

async fn secrets(
    _caller: Caller<AccountMember>,
    State(state): State<ApiState>,
    Within(scope): Within,
    Id(id): Id<EndpointId>,
) -> Answer<Secrets> {
    let secrets = state.hub.webhook_secrets(scope, id)?;
    let secrets = secrets.iter().map(|s| s.expose().to_owned()).collect();
    Ok(Json(Secrets { secrets }))
}

async fn rotate_secret(
    caller: Caller<AccountMember>,
    state: State<ApiState>,
    Within(scope): Within,
    Id(id): Id<EndpointId>,
) -> Answer<Secrets> {
    let actor = caller.actor();
    state.hub.webhook_secret_rotate(&actor, scope, id).await?;
    secrets(caller, state, Within(scope), Id(id)).await
}
