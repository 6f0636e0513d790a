//! `/manage/v1/audit` and `/manage/v1/accounts/{accountId}/audit`: who changed what, in pages and as a file.

mod export;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use hub::{Audit, AuditFilter};
use jiff::Timestamp;
use model::AccountId;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::Answer;
use super::input::Within;
use super::page::{List, Params, paged};
use crate::ApiState;
use crate::caller::{AccountAdmin, Caller, Operator};
use crate::door::{About, Door};
use crate::problem::Problem;

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct AuditView {
    id: i64,
    account_id: Option<i64>,
    /// `operator`, `user 3`, `account 7` (its key), `endpoint 12` (its key), `exchange`.
    actor: String,
    /// A person's e-mail as it was then, and the name of the token that was used.
    actor_name: Option<String>,
    /// `endpoint.register`, `subscription.disable`, …
    action: String,
    /// `endpoint 12`
    subject: String,
    /// What changed, without secrets; `before` and `after` where both are known.
    detail: Value,
    /// The network address that the call came from.
    address: Option<String>,
    /// The call's `x-request-id`.
    request_id: Option<String>,
    #[schemars(with = "String")]
    created_at: Timestamp,
}

impl From<Audit> for AuditView {
    fn from(entry: Audit) -> Self {
        Self {
            id: entry.id,
            account_id: entry.account.map(|id| id.0),
            actor: entry.actor,
            actor_name: entry.actor_name,
            action: entry.action,
            subject: entry.subject,
            detail: serde_json::from_str(&entry.detail).unwrap_or(Value::String(entry.detail)),
            address: entry.address,
            request_id: entry.request,
            created_at: entry.created_at,
        }
    }
}

/// Which entries.
fn filtered(about: About) -> About {
    about
        .query(
            "actor",
            "only what this one did, such as `user 3` or `operator`",
        )
        .query("action", "only this, such as `key.rotate`, or all of `key`")
        .query(
            "subject",
            "only what was done to this, such as `endpoint 12`",
        )
        .query("from", "only what was done at or after this time")
        .query("to", "only what was done before this time")
}

fn filter(params: &mut Params, account: Option<AccountId>) -> AuditFilter {
    const TIME: &str = "an RFC 3339 time, such as 2026-11-21T09:00:00Z";
    let mut time = |name| params.word(name, TIME, |text| text.parse().ok());
    let (from, to) = (time("from"), time("to"));
    AuditFilter {
        account,
        actor: params.text("actor"),
        action: params.text("action"),
        subject: params.text("subject"),
        from,
        to,
    }
}

pub(super) fn routes(door: &mut Door) {
    let list_about = || {
        let about = About::new("The audit trail, oldest first");
        filtered(paged(about)).answers::<List<AuditView>>()
    };
    let export_about = || {
        let about = About::new("The audit trail as one file, oldest first");
        filtered(about)
            .query("format", "`ndjson` (a document a line) or `csv`")
            .media("application/x-ndjson")
    };
    let account = ("account", "only this account's");
    let (name, what) = account;
    door.get("/manage/v1/audit", list_all, list_about().query(name, what));
    door.get(
        "/manage/v1/audit/export",
        export_all,
        export_about().query(name, what),
    );
    door.get("/manage/v1/accounts/{accountId}/audit", list, list_about());
    door.get(
        "/manage/v1/accounts/{accountId}/audit/export",
        export_one,
        export_about(),
    );
}

async fn list_all(
    _caller: Caller<Operator>,
    State(state): State<ApiState>,
    mut params: Params,
) -> Answer<List<AuditView>> {
    let account = params.id("account");
    entries(&state, account, params).await
}

async fn list(
    _caller: Caller<AccountAdmin>,
    State(state): State<ApiState>,
    Within(scope): Within,
    params: Params,
) -> Answer<List<AuditView>> {
    entries(&state, Some(scope.0), params).await
}

async fn entries(
    state: &ApiState,
    account: Option<AccountId>,
    mut params: Params,
) -> Answer<List<AuditView>> {
    let filter = filter(&mut params, account);
    let paging = params.paging();
    params.finish()?;
    let trail = state.hub.audit_trail(&filter, paging.page()).await?;
    Ok(Json(paging.list(trail, |entry| entry.id, AuditView::from)))
}

async fn export_all(
    _caller: Caller<Operator>,
    State(state): State<ApiState>,
    mut params: Params,
) -> Result<Response, Problem> {
    let account = params.id("account");
    export::file(state, account, params)
}

async fn export_one(
    _caller: Caller<AccountAdmin>,
    State(state): State<ApiState>,
    Within(scope): Within,
    params: Params,
) -> Result<Response, Problem> {
    export::file(state, Some(scope.0), params)
}
