//! `/manage/v1/audit` and `/manage/v1/accounts/{accountId}/audit`: who changed what.

use axum::Json;
use axum::extract::State;
use hub::{Audit, Scope};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::Answer;
use super::input::Within;
use super::page::{List, Params, paged};
use crate::ApiState;
use crate::caller::{AccountAdmin, Caller, Operator};
use crate::door::{About, Door};

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct AuditView {
    id: i64,
    account_id: Option<i64>,
    /// `operator`, `endpoint 12`, `exchange`.
    actor: String,
    /// `endpoint.register`, `subscription.disable`, …
    action: String,
    /// `endpoint 12`
    subject: String,
    /// What changed, without secrets.
    detail: Value,
    #[schemars(with = "String")]
    created_at: Timestamp,
}

fn view(entry: Audit) -> AuditView {
    AuditView {
        id: entry.id,
        account_id: entry.account.map(|id| id.0),
        actor: entry.actor,
        action: entry.action,
        subject: entry.subject,
        detail: serde_json::from_str(&entry.detail).unwrap_or(Value::String(entry.detail)),
        created_at: entry.created_at,
    }
}

pub(super) fn routes(door: &mut Door) {
    let about = || paged(About::new("The audit trail, oldest first")).answers::<List<AuditView>>();
    door.get("/manage/v1/audit", list_all, about());
    door.get("/manage/v1/accounts/{accountId}/audit", list, about());
}

async fn list_all(
    _caller: Caller<Operator>,
    State(state): State<ApiState>,
    params: Params,
) -> Answer<List<AuditView>> {
    entries(&state, None, params).await
}

async fn list(
    _caller: Caller<AccountAdmin>,
    State(state): State<ApiState>,
    Within(scope): Within,
    params: Params,
) -> Answer<List<AuditView>> {
    entries(&state, Some(scope), params).await
}

async fn entries(
    state: &ApiState,
    scope: Option<Scope>,
    mut params: Params,
) -> Answer<List<AuditView>> {
    let paging = params.paging();
    params.finish()?;
    let trail = state.hub.audit_trail(scope, paging.page()).await?;
    Ok(Json(paging.list(trail, |entry| entry.id, view)))
}
