//! `/v1/application/{applicationId}/deployment…`, also called `feature`: what an application offers, and the event types
//! that all endpoints made from it have.
//!
//! Called by integrations with an account key. Every path is served under both words.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use hub::application::Run;
use model::{Deployment, EventTypeId};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::ApiState;
use crate::application::{Below, EffectsView, dry_run, run};
use crate::asked::Asked;
use crate::body::Payload;
use crate::caller::{AccountKey, Caller};
use crate::door::{About, Door};
use crate::event_type::{EventTypeBody, EventTypeView};
use crate::problem::Problem;

/// A deployment. Unknown members are kept.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct DeploymentView {
    /// A number, or up to 64 letters, digits, `-`, `_` and `.`; made by the exchange when it is not given.
    id: Option<Value>,
    name: Option<String>,
    /// What business users choose by; else the name.
    display_name: Option<String>,
    description: Option<String>,
}

/// The paths of one word.
struct Paths {
    all: &'static str,
    one: &'static str,
    event_types: &'static str,
    event_type: &'static str,
}

macro_rules! paths {
    ($word:literal) => {
        Paths {
            all: concat!("/v1/application/{applicationId}/", $word),
            one: concat!("/v1/application/{applicationId}/", $word, "/{deploymentId}"),
            event_types: concat!(
                "/v1/application/{applicationId}/",
                $word,
                "/{deploymentId}/eventtype"
            ),
            event_type: concat!(
                "/v1/application/{applicationId}/",
                $word,
                "/{deploymentId}/eventtype/{*code}"
            ),
        }
    };
}

const WORDS: [Paths; 2] = [paths!("deployment"), paths!("feature")];

pub(crate) fn routes(door: &mut Door) {
    for paths in WORDS {
        deployments(door, &paths);
        event_types(door, &paths);
    }
}

fn deployments(door: &mut Door, paths: &Paths) {
    let about = About::new("Add a deployment to an application; answers it with its id");
    let about = about.body::<DeploymentView>();
    door.post(paths.all, create, about.answers::<DeploymentView>());
    let about = About::new("The deployments of an application");
    door.get(paths.all, list, about.answers::<Vec<DeploymentView>>());
    let about = About::new("A deployment");
    door.get(paths.one, get, about.answers::<DeploymentView>());
    let about = About::new("Describe a deployment anew").body::<DeploymentView>();
    door.put(paths.one, put, about.answers::<DeploymentView>());
    let about = About::new("Delete a deployment; 400 while endpoints are made from it");
    door.delete(paths.one, delete, about.answers::<bool>());
}

fn event_types(door: &mut Door, paths: &Paths) {
    let about = About::new(
        "Register an event type (or an array of them) for all endpoints made from the deployment; answers its id (or theirs)",
    );
    let about = dry_run(about.body::<EventTypeBody>());
    door.post(paths.event_types, register, about.answers::<i64>());
    let about = About::new("The event types of a deployment");
    let about = about.answers::<Vec<EventTypeView>>();
    door.get(paths.event_types, registered, about);
    let about = About::new("Remove the event types of a code; false when there are none");
    let about = dry_run(about.answers::<bool>());
    door.delete(paths.event_type, unregister, about);
}

/// The document with its id.
fn answer(deployment: Deployment) -> Value {
    let mut document = deployment.document;
    document["id"] = serde_json::to_value(&deployment.id).unwrap_or_default();
    document
}

async fn create(
    caller: Caller<AccountKey>,
    State(state): State<ApiState>,
    below: Below,
    payload: Payload,
) -> Result<Json<Value>, Problem> {
    let application = below.application()?;
    let body = payload.json()?;
    let (actor, scope) = (caller.actor(), caller.scope());
    let verb = state
        .hub
        .deployment_create(&actor, scope, application, &body);
    Ok(Json(answer(verb.await?)))
}

async fn list(
    caller: Caller<AccountKey>,
    State(state): State<ApiState>,
    below: Below,
) -> Result<Json<Vec<Value>>, Problem> {
    let verb = state.hub.deployments(caller.scope(), below.application()?);
    Ok(Json(verb.await?.into_iter().map(answer).collect()))
}

async fn get(
    caller: Caller<AccountKey>,
    State(state): State<ApiState>,
    below: Below,
) -> Result<Json<Value>, Problem> {
    let (application, id) = (below.application()?, below.deployment()?);
    let verb = state.hub.deployment(caller.scope(), (application, &id));
    Ok(Json(answer(verb.await?)))
}

async fn put(
    caller: Caller<AccountKey>,
    State(state): State<ApiState>,
    below: Below,
    payload: Payload,
) -> Result<Json<Value>, Problem> {
    let (application, id) = (below.application()?, below.deployment()?);
    let body = payload.json()?;
    let (actor, scope) = (caller.actor(), caller.scope());
    let verb = state
        .hub
        .deployment_put(&actor, scope, (application, &id), &body);
    Ok(Json(answer(verb.await?)))
}

async fn delete(
    caller: Caller<AccountKey>,
    State(state): State<ApiState>,
    below: Below,
) -> Result<Json<bool>, Problem> {
    let (application, id) = (below.application()?, below.deployment()?);
    let (actor, scope) = (caller.actor(), caller.scope());
    let verb = state
        .hub
        .deployment_delete(&actor, scope, (application, &id));
    verb.await?;
    Ok(Json(true))
}

async fn register(
    caller: Caller<AccountKey>,
    State(state): State<ApiState>,
    below: Below,
    asked: Asked,
    payload: Payload,
) -> Result<Response, Problem> {
    let (application, id) = (below.application()?, below.deployment()?);
    let run = run(&asked)?;
    let body = payload.json()?;
    let (actor, scope) = (caller.actor(), caller.scope());
    let verb = state
        .hub
        .deployment_register(&actor, scope, (application, &id), &body, run);
    let (ids, effects) = verb.await?;
    let ids: Vec<i64> = ids.into_iter().map(|EventTypeId(id)| id).collect();
    Ok(match (run, ids.as_slice()) {
        (Run::Dry, _) => Json(EffectsView::of(effects)).into_response(),
        (Run::Real, [id]) if !body.is_array() => Json(*id).into_response(),
        (Run::Real, _) => Json(ids).into_response(),
    })
}

async fn registered(
    caller: Caller<AccountKey>,
    State(state): State<ApiState>,
    below: Below,
) -> Result<Json<Vec<EventTypeView>>, Problem> {
    let (application, id) = (below.application()?, below.deployment()?);
    let verb = state
        .hub
        .deployment_event_types(caller.scope(), (application, &id));
    let types = verb.await?.into_iter();
    Ok(Json(types.map(EventTypeView::from).collect()))
}

async fn unregister(
    caller: Caller<AccountKey>,
    State(state): State<ApiState>,
    below: Below,
    asked: Asked,
) -> Result<Response, Problem> {
    let (application, id) = (below.application()?, below.deployment()?);
    let run = run(&asked)?;
    let (actor, scope) = (caller.actor(), caller.scope());
    let code = below.text("code");
    let verb = state
        .hub
        .deployment_unregister(&actor, scope, (application, &id), code, run);
    let (removed, effects) = verb.await?;
    Ok(match run {
        Run::Dry => Json(EffectsView::of(effects)).into_response(),
        Run::Real => Json(removed).into_response(),
    })
}
