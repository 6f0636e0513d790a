//! `POST /v1/event` and `POST /v1/customEvent`: publishing.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use hub::publish::Published;
use model::Environment;
use model::partner::Form;
use model::partner::checklist::Outcome;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ApiState;
use crate::body::Payload;
use crate::caller::{Caller, EndpointKey, EventKey, OneEndpoint};
use crate::door::{About, Door};
use crate::problem::Problem;

/// What a publisher is told once its events are durable.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct PublishedAnswer {
    /// Events taken.
    accepted: u32,
    /// Names the publication; its events are `<publicationId>.<n>`.
    publication_id: String,
    /// Events kept because they broke a rule, for accounts that keep them.
    #[serde(default, skip_serializing_if = "is_zero")]
    quarantined: u32,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde asks for a reference"
)]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// The forms that are taken, for the document: one body with `identifiers` and `events`, a simple batch with
/// identifiers in each event, or a compound batch in `eventbatch`.
#[derive(Deserialize, JsonSchema)]
#[expect(dead_code, reason = "read by people")]
struct PublishBody {
    channel: Option<String>,
    identifiers: Option<Vec<Value>>,
    events: Option<Vec<Value>>,
    eventbatch: Option<Vec<Value>>,
    provider: Option<String>,
}

pub(crate) fn routes(door: &mut Door) {
    let about = || {
        About::new("Publish events; they are durable when this answers")
            .body::<PublishBody>()
            .answers::<PublishedAnswer>()
    };
    door.post("/v1/event", publish, about());
    door.post(
        "/v1/customEvent",
        publish_from_browser,
        about().query("key", "the event-only key, for beacons"),
    );
}

async fn publish(
    caller: Caller<EndpointKey>,
    State(state): State<ApiState>,
    headers: HeaderMap,
    payload: Payload,
) -> Result<Json<PublishedAnswer>, Problem> {
    payload.expect_json()?;
    take(&state, &caller, &headers, &payload).await
}

/// Beacons send `text/plain`, because anything else would need a preflight.
async fn publish_from_browser(
    caller: Caller<EventKey>,
    State(state): State<ApiState>,
    headers: HeaderMap,
    payload: Payload,
) -> Result<Json<PublishedAnswer>, Problem> {
    if payload.media != "text/plain" {
        payload.expect_json()?;
    }
    take(&state, &caller, &headers, &payload).await
}

async fn take<L: OneEndpoint>(
    state: &ApiState,
    caller: &Caller<L>,
    headers: &HeaderMap,
    payload: &Payload,
) -> Result<Json<PublishedAnswer>, Problem> {
    let key = match headers.get("idempotency-key") {
        Some(value) => Some(value.to_str().map_err(|_| {
            Problem::invalid(
                "",
                "idempotency-key",
                "the Idempotency-Key header is not readable text",
            )
        })?),
        None => None,
    };
    let Published {
        accepted,
        quarantined,
        publication,
    } = state
        .hub
        .publish(caller.endpoint(), &payload.bytes, key)
        .await?;
    if state.environment == Environment::Pilot {
        let form = format!("publish {}", Form::of(&payload.bytes).as_str());
        state.hub.observe(caller.scope().0, &form, Outcome::Done);
    }
    Ok(Json(PublishedAnswer {
        accepted,
        publication_id: publication.to_string(),
        quarantined,
    }))
}
