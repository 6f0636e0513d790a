//! `/manage/v1/accounts/{accountId}/registrations`: a user registers an endpoint, from an application or on its own.

use axum::Json;
use axum::extract::State;
use hub::registration::NewRegistration;
use jiff::Timestamp;
use model::{ApplicationId, DeploymentId};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::Answer;
use super::delivery::AttemptView;
use super::input::{Body, Fields, FromBody, Within};
use crate::ApiState;
use crate::caller::{AccountMember, Caller};
use crate::door::{About, Door};

/// Empty: an endpoint that its provider describes.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, rename_all = "camelCase")]
#[expect(dead_code, reason = "read by people")]
struct RegistrationBody {
    /// The application that it is made from.
    application_id: Option<i64>,
    /// One of the application's deployments; may be left out when there is no choice.
    deployment_id: Option<Value>,
    /// An answer to each prompt of the deployment, by its name.
    values: Option<Map<String, Value>>,
}

/// What is registered: from an application, or on its own.
struct Registration(Option<NewRegistration>);

impl FromBody for Registration {
    fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let application = fields.id("applicationId", ApplicationId);
        let deployment = fields.value("deploymentId").and_then(|value| {
            let read = DeploymentId::parse(value);
            read.map_err(|error| fields.refuse("deploymentId", "id", error.to_string()))
                .ok()
        });
        let values = fields.map("values");
        let Some(application) = application else {
            for name in ["deploymentId", "values"] {
                if fields.is_given(name) && !fields.is_given("applicationId") {
                    let message = "belongs to an application: name that too, as `applicationId`";
                    fields.refuse(name, "required", message);
                }
            }
            return Some(Self(None));
        };
        Some(Self(Some(NewRegistration {
            application,
            deployment,
            values: values.unwrap_or_default(),
        })))
    }
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct NewEndpoint {
    endpoint_id: i64,
    /// Shown this once.
    endpoint_key: String,
    status: &'static str,
}

/// What an endpoint was made from.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct MadeFromView {
    application_id: i64,
    application_name: String,
    /// A number or a word.
    #[schemars(with = "Option<Value>")]
    deployment_id: Option<DeploymentId>,
    /// The call to the provider, if one was made.
    connect: Option<ConnectView>,
}

/// The call to a provider's `connectUrl`.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct ConnectView {
    /// Its number among what goes out.
    outbox_id: i64,
    /// `waiting`, `sent`, `dead` or `dropped`.
    state: &'static str,
    attempts: u32,
    #[schemars(with = "Option<String>")]
    next_attempt_at: Option<Timestamp>,
    #[schemars(with = "Option<String>")]
    ended_at: Option<Timestamp>,
    /// The first and the latest attempts.
    history: Vec<AttemptView>,
}

impl From<hub::registration::MadeFromView> for MadeFromView {
    fn from(made: hub::registration::MadeFromView) -> Self {
        let connect = made.connect.map(|row| ConnectView {
            outbox_id: row.id.0,
            state: row.state.as_str(),
            attempts: row.attempts,
            next_attempt_at: row.next_attempt_at,
            ended_at: row.ended_at,
            history: row.history.into_iter().map(AttemptView::from).collect(),
        });
        Self {
            application_id: made.application.0,
            application_name: made.application_name,
            deployment_id: made.deployment,
            connect,
        }
    }
}

pub(super) fn routes(door: &mut Door) {
    let about = About::new("Register an endpoint; its key is shown this once");
    let about = about.body::<RegistrationBody>();
    door.post(
        "/manage/v1/accounts/{accountId}/registrations",
        register,
        about.answers::<NewEndpoint>(),
    );
}

async fn register(
    caller: Caller<AccountMember>,
    State(state): State<ApiState>,
    Within(scope): Within,
    Body(Registration(new)): Body<Registration>,
) -> Answer<NewEndpoint> {
    let actor = caller.actor();
    let (endpoint, key) = match new {
        None => state.hub.endpoint_register(&actor, scope).await?,
        Some(new) => state.hub.registration_create(&actor, scope, &new).await?,
    };
    Ok(Json(NewEndpoint {
        endpoint_id: endpoint.id.0,
        endpoint_key: key.expose().to_owned(),
        status: endpoint.status.as_str(),
    }))
}
