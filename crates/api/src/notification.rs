//! `/v1/subscription/notification`: what the endpoint's provider wants to be told of its subscriptions.

use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;

use crate::ApiState;
use crate::body::Payload;
use crate::caller::{Caller, EndpointKey};
use crate::door::{About, Door};
use crate::problem::Problem;

/// Where and how to tell of changes.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase")]
#[expect(dead_code, reason = "read by people")]
struct NotificationBody {
    /// Called with `POST` for each change.
    #[schemars(rename = "notificationURL")]
    notification_url: String,
    /// Echoed in each notification.
    notification_key: Option<String>,
    /// `PUBLISHER_V1_1` (the default), `PUBLISHER_V1_2` or `PUBLISHER_V1_3`: how much is told.
    notification_type: Option<String>,
    authentication: Option<AuthenticationBody>,
}

/// How the URL wants to be signed in to. Which members are required depends on `authType`. `********` keeps a secret that
/// was stated before.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase")]
#[expect(dead_code, reason = "read by people")]
struct AuthenticationBody {
    /// `APIKey`, `Basic`, `OAuth` or `OAuthRefreshTokenOnly`.
    auth_type: String,
    /// `APIKey`: sent as `Authorization: Bearer`.
    #[schemars(rename = "APIKey")]
    api_key: Option<String>,
    /// `Basic`.
    #[schemars(rename = "userID")]
    user_id: Option<String>,
    /// `Basic`.
    password: Option<String>,
    /// `OAuth…`: where access tokens are got.
    #[schemars(rename = "authURL")]
    auth_url: Option<String>,
    /// `OAuth`.
    #[schemars(rename = "clientID")]
    client_id: Option<String>,
    /// `OAuth`.
    client_secret: Option<String>,
    /// `OAuth…`.
    refresh_token: Option<String>,
    /// `OAuthRefreshTokenOnly`: given out by the operator.
    supplier_key: Option<String>,
}

pub(crate) fn routes(door: &mut Door) {
    const PATH: &str = "/v1/subscription/notification";
    let about =
        About::new("Be told of changes of the endpoint's subscriptions; a later call overwrites");
    let about = about.body::<NotificationBody>().answers::<bool>();
    door.put(PATH, define, about);
    let about = About::new("Be told no more; what waits to be told is dropped");
    door.delete(PATH, delete, about.answers::<bool>());
}

async fn define(
    caller: Caller<EndpointKey>,
    State(state): State<ApiState>,
    payload: Payload,
) -> Result<Json<bool>, Problem> {
    let body = payload.json()?;
    let (actor, scope, id) = (caller.actor(), caller.scope(), caller.endpoint());
    let verb = state.hub.notification_define(&actor, scope, id, &body);
    verb.await?;
    Ok(Json(true))
}

async fn delete(
    caller: Caller<EndpointKey>,
    State(state): State<ApiState>,
) -> Result<Json<bool>, Problem> {
    let (actor, scope, id) = (caller.actor(), caller.scope(), caller.endpoint());
    state.hub.notification_delete(&actor, scope, id).await?;
    Ok(Json(true))
}
