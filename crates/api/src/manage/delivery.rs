//! `/manage/v1/accounts/{accountId}/deliveries`: what met trouble, and sending it again.

use axum::Json;
use axum::extract::State;
use hub::delivery::{ReplayFilter, ReplayReport};
use hub::event::Brief;
use hub::{After, Attempt, Exception, ExceptionState};
use jiff::Timestamp;
use model::{EndpointId, EventRef};
use schemars::JsonSchema;
use serde::Serialize;

use super::Answer;
use super::input::{Body, Fields, FromBody, Within};
use super::page::{List, Params, paged, wanted};
use crate::ApiState;
use crate::caller::{AccountMember, AccountViewer, Caller};
use crate::door::{About, Door};

/// What is to be sent again: a destination and a range of time, or events.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, rename_all = "camelCase")]
#[expect(dead_code, reason = "read by people")]
struct ReplayBody {
    /// The destination; with `eventIds` it may be absent: every one that the events are for.
    endpoint_id: Option<i64>,
    /// Published at or after. Required without `eventIds` and `onlyDead`.
    from: Option<String>,
    /// Published before.
    to: Option<String>,
    event_ids: Option<Vec<String>>,
    /// Only these event codes.
    codes: Option<Vec<String>>,
    /// Only what is dead.
    only_dead: Option<bool>,
    /// Only say what would be sent.
    dry_run: Option<bool>,
}

struct Replay {
    filter: ReplayFilter,
    dry_run: bool,
}

impl FromBody for Replay {
    fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let ids = "an event id: `<publicationId>` or `<publicationId>.<n>`";
        let code = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let filter = ReplayFilter {
            endpoint: fields.id("endpointId", EndpointId),
            from: fields.time("from"),
            to: fields.time("to"),
            events: fields.texts("eventIds", ids, |text| text.parse::<EventRef>().ok()),
            codes: fields.texts("codes", "an event code", code),
            only_dead: fields.flag("onlyDead").unwrap_or(false),
        };
        let dry_run = fields.flag("dryRun").unwrap_or(false);
        Some(Self { filter, dry_run })
    }
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct ReplayAnswer {
    /// Nothing was sent; the figures say what would be.
    dry_run: bool,
    /// Documents, once for each destination.
    documents: u64,
    destinations: Vec<ReplayDestination>,
    /// The ids of the first few documents.
    sample: Vec<String>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct ReplayDestination {
    endpoint_id: i64,
    documents: u64,
}

/// A delivery in trouble.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct DeliveryView {
    endpoint_id: i64,
    /// The events that go together in one document.
    event_ids: Vec<String>,
    event_codes: Vec<String>,
    /// `retrying` or `dead`.
    state: &'static str,
    #[schemars(with = "Option<String>")]
    published_at: Option<Timestamp>,
    #[schemars(with = "String")]
    first_attempt_at: Timestamp,
    #[schemars(with = "String")]
    last_attempt_at: Timestamp,
    #[serde(flatten)]
    attempts: Attempts,
}

/// What was tried, when there was trouble.
#[derive(Serialize, JsonSchema, Default)]
#[serde(rename_all = "camelCase")]
pub(super) struct Attempts {
    pub(super) attempts: u32,
    #[schemars(with = "Option<String>")]
    pub(super) next_attempt_at: Option<Timestamp>,
    /// The first and the latest attempts.
    pub(super) history: Vec<AttemptView>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct AttemptView {
    #[schemars(with = "String")]
    at: Timestamp,
    duration_ms: u64,
    /// HTTP status, if there was an answer.
    status: Option<u16>,
    /// What went wrong without an answer, such as `timeout`.
    failure: Option<String>,
    /// The start of the answer, or a sentence.
    detail: String,
}

impl Attempts {
    pub(super) fn of(exception: Option<Exception>) -> Self {
        exception.map_or_else(Self::default, |exception| Self {
            attempts: exception.attempts,
            next_attempt_at: exception.next_attempt_at,
            history: exception
                .history
                .into_iter()
                .map(AttemptView::from)
                .collect(),
        })
    }
}

impl From<Attempt> for AttemptView {
    fn from(attempt: Attempt) -> Self {
        Self {
            at: attempt.at,
            duration_ms: attempt.duration_ms,
            status: attempt.status,
            failure: attempt.failure,
            detail: attempt.detail,
        }
    }
}

fn view((exception, brief): (Exception, Brief)) -> DeliveryView {
    DeliveryView {
        endpoint_id: exception.endpoint.0,
        event_ids: brief.events.iter().map(|e| e.id.to_string()).collect(),
        event_codes: brief.events.iter().map(|e| e.code.clone()).collect(),
        state: exception.state.as_str(),
        published_at: brief.events.first().map(|e| e.published_at),
        first_attempt_at: exception.first_attempt_at,
        last_attempt_at: exception.last_attempt_at,
        attempts: Attempts::of(Some(exception)),
    }
}

/// `<position>-<endpointId>`, opaque to clients.
fn place(exception: &Exception) -> String {
    format!("{}-{}", exception.position, exception.endpoint)
}

fn parse_place(text: &str) -> Option<After> {
    let (position, endpoint) = text.split_once('-')?;
    Some(After {
        position: position.parse().ok()?,
        endpoint: endpoint.parse().ok()?,
    })
}

pub(super) fn routes(door: &mut Door) {
    let about = paged(About::new("Deliveries that are being retried or are dead"))
        .query("state", "`retrying` or `dead`; both if not given")
        .query("endpointId", "only to this destination")
        .answers::<List<DeliveryView, String>>();
    door.get("/manage/v1/accounts/{accountId}/deliveries", list, about);
    let about = || {
        About::new("Send again; with `dryRun` only say what that would be")
            .body::<ReplayBody>()
            .answers::<ReplayAnswer>()
    };
    door.post(
        "/manage/v1/accounts/{accountId}/deliveries/replay",
        replay,
        about(),
    );
    door.post("/manage/v1/accounts/{accountId}/replay", replay, about());
}

async fn list(
    _caller: Caller<AccountViewer>,
    State(state): State<ApiState>,
    Within(scope): Within,
    mut params: Params,
) -> Answer<List<DeliveryView, String>> {
    let which = params.word("state", "`retrying` or `dead`", ExceptionState::parse);
    let endpoint = params.id::<EndpointId>("endpointId");
    let after = params.word("after", "the `next` of the page before", parse_place);
    let limit = params.limit();
    params.finish()?;
    let mut rows = state
        .hub
        .exceptions(scope, which, endpoint, (after, wanted(limit)))
        .await?;
    let has_more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| has_more).map(|row| place(&row.0));
    let items = rows.into_iter().map(view).collect();
    Ok(Json(List { items, next }))
}

async fn replay(
    caller: Caller<AccountMember>,
    State(state): State<ApiState>,
    Within(scope): Within,
    Body(Replay { filter, dry_run }): Body<Replay>,
) -> Answer<ReplayAnswer> {
    let report = state
        .hub
        .replay(&caller.actor(), scope, &filter, dry_run)
        .await?;
    let ReplayReport {
        documents,
        destinations,
        sample,
    } = report;
    Ok(Json(ReplayAnswer {
        dry_run,
        documents,
        destinations: destinations
            .into_iter()
            .map(|(endpoint, documents)| ReplayDestination {
                endpoint_id: endpoint.0,
                documents,
            })
            .collect(),
        sample: sample.iter().map(ToString::to_string).collect(),
    }))
}
