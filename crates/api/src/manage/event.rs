//! `/manage/v1/accounts/{accountId}/events`: the latest events, and what happened to each.

use axum::Json;
use axum::extract::State;
use hub::delivery::{Delivery, DeliveryState};
use hub::event::Listed;
use jiff::Timestamp;
use model::EventRef;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::Answer;
use super::delivery::{AttemptView, Attempts};
use super::input::{Id, Within};
use super::page::{List, Params, paged};
use crate::ApiState;
use crate::caller::{AccountViewer, Caller};
use crate::door::{About, Door};

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct EventView {
    #[serde(flatten)]
    event: ListedView,
    /// Names the document in which it is delivered: the `webhook-id` of pushes begins with it.
    document_id: String,
    /// As delivered.
    body: Value,
    deliveries: Vec<DeliveryView>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct ListedView {
    event_id: String,
    event_code: String,
    publisher_endpoint_id: i64,
    #[schemars(with = "String")]
    published_at: Timestamp,
}

/// The event at one destination.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct DeliveryView {
    endpoint_id: i64,
    name: String,
    /// `pending`, `retrying`, `dead`, `delivered` or `withheld`.
    state: &'static str,
    /// Why it was withheld: its person is `restricted` or `suppressed`, or `unconsented`, as the event itself says.
    #[serde(skip_serializing_if = "Option::is_none")]
    withheld: Option<&'static str>,
    /// Attempts that failed; 0 also when it went well at once.
    attempts: u32,
    #[schemars(with = "Option<String>")]
    next_attempt_at: Option<Timestamp>,
    /// The first and the latest attempts.
    history: Vec<AttemptView>,
}

fn listed(event: Listed) -> ListedView {
    ListedView {
        event_id: event.id.to_string(),
        event_code: event.code,
        publisher_endpoint_id: event.publisher.0,
        published_at: event.published_at,
    }
}

fn delivery(delivery: Delivery) -> DeliveryView {
    let attempts = Attempts::of(delivery.exception);
    DeliveryView {
        endpoint_id: delivery.endpoint.0,
        name: delivery.endpoint_name,
        state: delivery.state.as_str(),
        withheld: match delivery.state {
            DeliveryState::Withheld(why) => Some(why.as_str()),
            _ => None,
        },
        attempts: attempts.attempts,
        next_attempt_at: attempts.next_attempt_at,
        history: attempts.history,
    }
}

pub(super) fn routes(door: &mut Door) {
    let about = paged(About::new("The latest events, newest first"));
    door.get(
        "/manage/v1/accounts/{accountId}/events",
        list,
        about.answers::<List<ListedView, String>>(),
    );
    let about = About::new("What happened to an event: for each destination its state");
    door.get(
        "/manage/v1/accounts/{accountId}/events/{eventId}",
        get,
        about.answers::<EventView>(),
    );
}

async fn list(
    _caller: Caller<AccountViewer>,
    State(state): State<ApiState>,
    Within(scope): Within,
    mut params: Params,
) -> Answer<List<ListedView, String>> {
    let after = params.word("after", "the `next` of the page before", |text| {
        text.parse::<EventRef>().ok()
    });
    let limit = params.limit();
    params.finish()?;
    let latest = state.hub.events_latest(scope, after, limit).await?;
    Ok(Json(List {
        items: latest.events.into_iter().map(listed).collect(),
        next: latest.next.map(|id| id.to_string()),
    }))
}

async fn get(
    _caller: Caller<AccountViewer>,
    State(state): State<ApiState>,
    Within(scope): Within,
    Id(id): Id<EventRef>,
) -> Answer<EventView> {
    let event = state.hub.event(scope, id).await?;
    Ok(Json(EventView {
        event: ListedView {
            event_id: event.id.to_string(),
            event_code: event.code,
            publisher_endpoint_id: event.publisher.0,
            published_at: event.published_at,
        },
        document_id: event.document.to_string(),
        body: serde_json::from_str(&event.body).unwrap_or(Value::String(event.body)),
        deliveries: event.deliveries.into_iter().map(delivery).collect(),
    }))
}
