//! `/v1/application/{applicationId}/deployment/{deploymentId}/onboarding`: how accounts are taken on by the provider.
//!
//! Called by integrations with an account key, of the application's own account only. Answers are the document as it was
//! sent, with a mask for each secret; a mask that is sent back keeps the secret.

use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::ApiState;
use crate::application::Below;
use crate::body::Payload;
use crate::caller::{AccountKey, Caller};
use crate::door::{About, Door};
use crate::problem::Problem;

/// How accounts are taken on. Names are taken in any letter case.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct OnboardingView {
    /// INSTRUCTIONSONLY or DIRECTCONNECT.
    onboarding_type: String,
    /// Shown to the user.
    instructions: Option<String>,
    /// DIRECTCONNECT: what the exchange calls when a user registers.
    connect_url: Option<String>,
    /// true, false, or these words as strings.
    include_subscription_notifications: Option<Value>,
    subscription_notification_url: Option<String>,
    /// PUBLISHER_V1_1 (default), PUBLISHER_V1_2 or PUBLISHER_V1_3.
    notification_type: Option<String>,
    /// `authType` (APIKey, Basic, OAuth or OAuthRefreshTokenOnly) and its members; `PROMPT` asks the user.
    authentication: Option<Value>,
    extra_fields: Option<Vec<ExtraFieldView>>,
}

/// Something more that the provider is sent.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct ExtraFieldView {
    name: String,
    /// `PROMPT` asks the user.
    value: Option<Value>,
    /// What the user is asked.
    display_name: Option<String>,
    /// String (default) or Integer.
    r#type: Option<String>,
}

const PATHS: [&str; 2] = [
    "/v1/application/{applicationId}/deployment/{deploymentId}/onboarding",
    "/v1/application/{applicationId}/feature/{deploymentId}/onboarding",
];

pub(crate) fn routes(door: &mut Door) {
    for path in PATHS {
        let about = About::new("Say how accounts are taken on; answers it with masks for secrets");
        let about = about.body::<OnboardingView>();
        door.put(path, put, about.answers::<OnboardingView>());
        let about = About::new("How accounts are taken on, with masks for secrets");
        door.get(path, get, about.answers::<OnboardingView>());
        let about = About::new("Take it away: users are not asked any more, and nobody is called");
        door.delete(path, delete, about.answers::<bool>());
    }
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
        .onboarding_put(&actor, scope, (application, &id), &body);
    Ok(Json(verb.await?))
}

async fn get(
    caller: Caller<AccountKey>,
    State(state): State<ApiState>,
    below: Below,
) -> Result<Json<Value>, Problem> {
    let (application, id) = (below.application()?, below.deployment()?);
    let verb = state.hub.onboarding(caller.scope(), (application, &id));
    Ok(Json(verb.await?))
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
        .onboarding_delete(&actor, scope, (application, &id));
    verb.await?;
    Ok(Json(true))
}
