//! `/manage/v1/accounts/{accountId}/suppressions`: who must not be delivered or shared. Entries are digests: an answer says
//! when and why somebody was entered, never who it is.

use axum::Json;
use axum::extract::{FromRequest as _, Request, State};
use hub::{Scope, Suppression};
use jiff::Timestamp;
use model::account::Honour;
use model::privacy::Named;
use model::{Barred, Subject};
use schemars::JsonSchema;
use serde::Serialize;

use super::Answer;
use super::input::{Body, Fields, FromBody, Within};
use super::page::{List, Params, paged};
use crate::ApiState;
use crate::body::Payload;
use crate::caller::{AccountMember, AccountViewer, Caller};
use crate::door::{About, Door};
use crate::problem::Problem;

/// Who is meant: values of one type, clear or hashed.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, rename_all = "camelCase")]
#[expect(dead_code, reason = "read by people")]
struct PeopleBody {
    /// Identity type, such as `email`.
    #[schemars(rename = "type")]
    kind: String,
    values: Vec<String>,
    /// Kept with the entries: a ticket, a reason.
    reference: Option<String>,
    /// The values are hashes. What looks like one is seen anyway.
    is_hashed: Option<bool>,
}

struct People {
    named: Vec<Named>,
    reference: String,
}

impl FromBody for People {
    fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let kind = fields.required_text("type");
        let is_hashed = fields.flag("isHashed").unwrap_or(false);
        let reference = fields.text("reference").unwrap_or_default();
        let text = |text: &str| (!text.trim().is_empty()).then(|| text.to_owned());
        let values = fields.texts("values", "a value that is not blank", text);
        if values.is_empty() {
            fields.refuse("values", "required", "expected at least one value");
        }
        let kind = kind?;
        let named = values.into_iter().map(|value| Named {
            kind: kind.clone(),
            value,
            is_hashed,
        });
        Some(Self {
            named: named.collect(),
            reference,
        })
    }
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Added {
    /// New entries.
    added: u64,
    /// Rows of a file that were not taken, and why.
    problems: Vec<String>,
    /// Whether the account's policy lets the list count.
    is_honoured: bool,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Removed {
    removed: u64,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct SuppressionView {
    id: i64,
    /// `suppressed`: on the list; `restricted`: by a privacy request.
    why: &'static str,
    #[serde(rename = "type")]
    kind: String,
    reference: String,
    #[schemars(with = "String")]
    created_at: Timestamp,
}

fn view(entry: Suppression) -> SuppressionView {
    SuppressionView {
        id: entry.id,
        why: entry.why.as_str(),
        kind: entry.kind,
        reference: entry.reference,
        created_at: entry.created_at,
    }
}

const LIST: &str = "/manage/v1/accounts/{accountId}/suppressions";

pub(super) fn routes(door: &mut Door) {
    let about = About::new("Put people on the suppression list, by one type of identifier");
    let about = about.body::<PeopleBody>().answers::<Added>();
    door.post(LIST, add, about);
    let about = About::new(
        "Put people on the suppression list from CSV, whose first row names identity types",
    )
    .query("reference", "kept with the entries")
    .answers::<Added>();
    door.post(
        "/manage/v1/accounts/{accountId}/suppressions/file",
        file,
        about,
    );
    let about = About::new("Take people off the suppression list");
    let about = about.body::<PeopleBody>().answers::<Removed>();
    door.post(
        "/manage/v1/accounts/{accountId}/suppressions/remove",
        remove,
        about,
    );
    let about = About::new("Whether people are suppressed or restricted, and since when");
    let about = about
        .body::<PeopleBody>()
        .answers::<List<SuppressionView>>();
    door.post(
        "/manage/v1/accounts/{accountId}/suppressions/find",
        find,
        about,
    );
    let about = paged(About::new(
        "Entries, oldest first; they do not say who it is",
    ))
    .query("why", "suppressed (default) or restricted")
    .answers::<List<SuppressionView>>();
    door.get(LIST, list, about);
}

fn subjects(named: &[Named]) -> Vec<Subject<'_>> {
    named.iter().map(Named::subject).collect()
}

fn is_honoured(state: &ApiState, scope: Scope) -> Result<bool, Problem> {
    Ok(state.hub.account(scope)?.policy.suppression_list == Honour::Honour)
}

async fn add(
    caller: Caller<AccountMember>,
    State(state): State<ApiState>,
    Within(scope): Within,
    Body(people): Body<People>,
) -> Answer<Added> {
    let (actor, subjects) = (caller.actor(), subjects(&people.named));
    let added = state
        .hub
        .suppression_add(&actor, scope, &people.reference, &subjects)
        .await?;
    Ok(Json(Added {
        added,
        problems: Vec::new(),
        is_honoured: is_honoured(&state, scope)?,
    }))
}

async fn file(
    caller: Caller<AccountMember>,
    State(state): State<ApiState>,
    Within(scope): Within,
    mut params: Params,
    request: Request,
) -> Answer<Added> {
    let reference = params.text("reference").unwrap_or_default();
    params.finish()?;
    let payload = Payload::from_request(request, &state).await?;
    let (added, problems) = state
        .hub
        .suppression_add_file(&caller.actor(), scope, &reference, &payload.bytes)
        .await?;
    Ok(Json(Added {
        added,
        problems,
        is_honoured: is_honoured(&state, scope)?,
    }))
}

async fn remove(
    caller: Caller<AccountMember>,
    State(state): State<ApiState>,
    Within(scope): Within,
    Body(people): Body<People>,
) -> Answer<Removed> {
    let (actor, subjects) = (caller.actor(), subjects(&people.named));
    let removed = state
        .hub
        .suppression_remove(&actor, scope, &subjects)
        .await?;
    Ok(Json(Removed { removed }))
}

async fn find(
    _caller: Caller<AccountViewer>,
    State(state): State<ApiState>,
    Within(scope): Within,
    Body(people): Body<People>,
) -> Answer<List<SuppressionView>> {
    let mut items = Vec::new();
    for named in &people.named {
        let found = state.hub.suppression_find(scope, &named.subject()).await?;
        items.extend(found.into_iter().map(view));
    }
    Ok(Json(List { items, next: None }))
}

async fn list(
    _caller: Caller<AccountViewer>,
    State(state): State<ApiState>,
    Within(scope): Within,
    mut params: Params,
) -> Answer<List<SuppressionView>> {
    let paging = params.paging();
    let parse = |text: &str| Barred::parse(text).filter(|why| *why != Barred::Unconsented);
    let why = params.word("why", "`suppressed` or `restricted`", parse);
    params.finish()?;
    let why = why.unwrap_or(Barred::Suppressed);
    let found = state.hub.suppressions(scope, why, paging.page()).await?;
    Ok(Json(paging.list(found, |entry| entry.id, view)))
}
