//! `/manage/v1/accounts/{accountId}/outbox`: what others are and were told – notifications, connect calls, mails – with
//! its attempts, and sending it now. `/manage/v1/outbox` is the same for the operator: of all accounts, and what is the
//! operator's own.

use axum::Json;
use axum::extract::State;
use hub::outbox::{OutboxFilter, OutboxState};
use hub::{OutboxKind, OutboxRow, Scope};
use jiff::Timestamp;
use model::{EndpointId, OutboxId};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::Answer;
use super::delivery::AttemptView;
use super::input::{Id, Within};
use super::page::{List, Params, paged};
use crate::ApiState;
use crate::caller::{AccountMember, AccountViewer, Caller, Operator};
use crate::door::{About, Door};

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct OutboxView {
    id: i64,
    /// Null: the operator's own.
    account_id: Option<i64>,
    endpoint_id: Option<i64>,
    /// `notification`, `connect` or `mail`.
    kind: &'static str,
    /// `waiting`, `sent`, `dead` or `dropped`.
    state: &'static str,
    /// What it is, without secrets.
    summary: String,
    /// Since it was put there, or since somebody asked for it to be sent again.
    attempts: u32,
    #[schemars(with = "Option<String>")]
    next_attempt_at: Option<Timestamp>,
    #[schemars(with = "String")]
    created_at: Timestamp,
    #[schemars(with = "Option<String>")]
    ended_at: Option<Timestamp>,
    /// The first and the latest attempts.
    history: Vec<AttemptView>,
}

/// With what was sent.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct OutboxDetail {
    #[serde(flatten)]
    entry: OutboxView,
    /// Of a notification; of others it holds secrets, and is null.
    body: Option<Value>,
}

fn view(row: OutboxRow) -> OutboxView {
    OutboxView {
        id: row.id.0,
        account_id: row.account.map(|id| id.0),
        endpoint_id: row.endpoint.map(|id| id.0),
        kind: row.kind.as_str(),
        state: row.state.as_str(),
        summary: row.summary,
        attempts: row.attempts,
        next_attempt_at: row.next_attempt_at,
        created_at: row.created_at,
        ended_at: row.ended_at,
        history: row.history.into_iter().map(AttemptView::from).collect(),
    }
}

const ALL: &str = "/manage/v1/outbox";
const ONE: &str = "/manage/v1/outbox/{outboxId}";
const ONE_RETRY: &str = "/manage/v1/outbox/{outboxId}/retry";
const OF: &str = "/manage/v1/accounts/{accountId}/outbox";
const OF_ONE: &str = "/manage/v1/accounts/{accountId}/outbox/{outboxId}";
const OF_ONE_RETRY: &str = "/manage/v1/accounts/{accountId}/outbox/{outboxId}/retry";

pub(super) fn routes(door: &mut Door) {
    let about = |summary| {
        paged(About::new(summary))
            .query(
                "state",
                "`waiting`, `sent`, `dead` or `dropped`; all if not given",
            )
            .query(
                "kind",
                "`notification`, `connect` or `mail`; all if not given",
            )
            .query("endpointId", "only what concerns this endpoint")
            .answers::<List<OutboxView>>()
    };
    door.get(OF, list_of, about("What others are and were told"));
    door.get(
        ALL,
        list,
        about("What others are and were told, of all accounts and the operator's own"),
    );
    let about =
        || About::new("What was or will be told, with its attempts").answers::<OutboxDetail>();
    door.get(OF_ONE, get_of, about());
    door.get(ONE, get, about());
    let about = || About::new("Send it now, as if it had never been tried").answers::<OutboxView>();
    door.post(OF_ONE_RETRY, retry_of, about());
    door.post(ONE_RETRY, retry, about());
}

async fn list_of(
    _caller: Caller<AccountViewer>,
    State(state): State<ApiState>,
    Within(scope): Within,
    params: Params,
) -> Answer<List<OutboxView>> {
    page(&state, Some(scope), params).await
}

async fn list(
    _caller: Caller<Operator>,
    State(state): State<ApiState>,
    params: Params,
) -> Answer<List<OutboxView>> {
    page(&state, None, params).await
}

async fn page(
    state: &ApiState,
    scope: Option<Scope>,
    mut params: Params,
) -> Answer<List<OutboxView>> {
    let states = "`waiting`, `sent`, `dead` or `dropped`";
    let kinds = "`notification`, `connect` or `mail`";
    let filter = OutboxFilter {
        state: params.word("state", states, OutboxState::parse),
        kind: params.word("kind", kinds, OutboxKind::parse),
        endpoint: params.id::<EndpointId>("endpointId"),
    };
    let paging = params.paging();
    params.finish()?;
    let rows = state.hub.outbox(scope, filter, paging.page()).await?;
    Ok(Json(paging.list(rows, |row| row.id.0, view)))
}

async fn get_of(
    _caller: Caller<AccountViewer>,
    State(state): State<ApiState>,
    Within(scope): Within,
    Id(id): Id<OutboxId>,
) -> Answer<OutboxDetail> {
    detail(&state, Some(scope), id).await
}

async fn get(
    _caller: Caller<Operator>,
    State(state): State<ApiState>,
    Id(id): Id<OutboxId>,
) -> Answer<OutboxDetail> {
    detail(&state, None, id).await
}

async fn detail(state: &ApiState, scope: Option<Scope>, id: OutboxId) -> Answer<OutboxDetail> {
    let (row, body) = state.hub.outbox_row(scope, id).await?;
    Ok(Json(OutboxDetail {
        entry: view(row),
        body,
    }))
}

async fn retry_of(
    caller: Caller<AccountMember>,
    State(state): State<ApiState>,
    Within(scope): Within,
    Id(id): Id<OutboxId>,
) -> Answer<OutboxView> {
    let actor = caller.actor();
    let row = state.hub.outbox_retry(&actor, Some(scope), id).await?;
    Ok(Json(view(row)))
}

async fn retry(
    caller: Caller<Operator>,
    State(state): State<ApiState>,
    Id(id): Id<OutboxId>,
) -> Answer<OutboxView> {
    let row = state.hub.outbox_retry(&caller.actor(), None, id).await?;
    Ok(Json(view(row)))
}
