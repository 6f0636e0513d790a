//! `/manage/v1/accounts/{accountId}/quarantine`: refused events that are kept, repaired singly or by a mapping, or given up.

use axum::Json;
use axum::extract::State;
use hub::quarantine::Mapping;
use hub::{QuarantineState, Quarantined};
use jiff::Timestamp;
use model::{EndpointId, QuarantineId};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::input::{Body, Fields, FromBody, Id, Within};
use super::page::{List, Params, paged};
use super::{Answer, ViolationView};
use crate::ApiState;
use crate::body::Payload;
use crate::caller::{AccountMember, AccountViewer, Caller};
use crate::door::{About, Door};

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct QuarantinedView {
    id: i64,
    /// Who published it.
    endpoint_id: i64,
    /// `held`, `published` or `discarded`.
    state: &'static str,
    /// What is wrong, with pointers into `body`.
    errors: Vec<ViolationView>,
    /// A body of `POST /v1/event` that holds just this event.
    body: Value,
    #[schemars(with = "String")]
    created_at: Timestamp,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct RepairedView {
    accepted: u32,
    publication_id: String,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, rename_all = "camelCase")]
#[expect(dead_code, reason = "read by people")]
struct RepairBody {
    /// Whose events.
    endpoint_id: i64,
    mapping: MappingBody,
}

/// Names as they came, and as they should be.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "read by people")]
struct MappingBody {
    codes: Option<std::collections::HashMap<String, String>>,
    identifiers: Option<std::collections::HashMap<String, String>>,
    attributes: Option<std::collections::HashMap<String, String>>,
    /// For events that name no channel.
    channel: Option<String>,
}

struct Repair {
    endpoint: EndpointId,
    mapping: Mapping,
}

impl FromBody for Repair {
    fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let endpoint = fields.required_id("endpointId", EndpointId);
        let mapping = fields.required_object("mapping", |fields| {
            Some(Mapping {
                codes: fields.renames("codes"),
                identifiers: fields.renames("identifiers"),
                attributes: fields.renames("attributes"),
                channel: fields.text("channel"),
            })
        });
        Some(Self {
            endpoint: endpoint?,
            mapping: mapping?,
        })
    }
}

#[derive(Serialize, JsonSchema)]
struct RepairAnswer {
    /// Published and gone from the quarantine.
    published: Vec<i64>,
    /// Still refused, with what is wrong after the mapping.
    refused: Vec<StillRefused>,
}

#[derive(Serialize, JsonSchema)]
struct StillRefused {
    id: i64,
    errors: Vec<ViolationView>,
}

fn view(event: Quarantined) -> QuarantinedView {
    QuarantinedView {
        id: event.id.0,
        endpoint_id: event.endpoint.0,
        state: event.state.as_str(),
        errors: event
            .violations
            .into_iter()
            .map(ViolationView::from)
            .collect(),
        body: serde_json::from_str(&event.body).unwrap_or(Value::String(event.body)),
        created_at: event.created_at,
    }
}

const QUARANTINE: &str = "/manage/v1/accounts/{accountId}/quarantine";
const QUARANTINED: &str = "/manage/v1/accounts/{accountId}/quarantine/{quarantineId}";

pub(super) fn routes(door: &mut Door) {
    let about = paged(About::new("Refused events that are kept"))
        .query(
            "state",
            "`held`, `published` or `discarded`; `held` if not given",
        )
        .query("endpointId", "only this publisher's")
        .answers::<List<QuarantinedView>>();
    door.get(QUARANTINE, list, about);
    let about = About::new("A refused event and what is wrong with it");
    door.get(QUARANTINED, get, about.answers::<QuarantinedView>());
    let about = About::new("Publish a refused event as the body says now");
    door.post(
        "/manage/v1/accounts/{accountId}/quarantine/{quarantineId}/repair",
        repair,
        about.body::<Value>().answers::<RepairedView>(),
    );
    let about =
        About::new("Rename in all refused events of an endpoint, and publish what is valid then");
    door.post(
        "/manage/v1/accounts/{accountId}/quarantine/repair",
        repair_all,
        about.body::<RepairBody>().answers::<RepairAnswer>(),
    );
    let about = About::new("Give a refused event up").answers::<bool>();
    door.delete(QUARANTINED, discard, about);
}

async fn list(
    _caller: Caller<AccountViewer>,
    State(state): State<ApiState>,
    Within(scope): Within,
    mut params: Params,
) -> Answer<List<QuarantinedView>> {
    let states = "`held`, `published` or `discarded`";
    let which = params.word("state", states, QuarantineState::parse);
    let which = which.unwrap_or(QuarantineState::Held);
    let endpoint = params.id::<EndpointId>("endpointId");
    let paging = params.paging();
    params.finish()?;
    let events = state
        .hub
        .quarantine(scope, which, endpoint, paging.page())
        .await?;
    Ok(Json(paging.list(events, |e| e.id.0, view)))
}

async fn get(
    _caller: Caller<AccountViewer>,
    State(state): State<ApiState>,
    Within(scope): Within,
    Id(id): Id<QuarantineId>,
) -> Answer<QuarantinedView> {
    Ok(Json(view(state.hub.quarantined(scope, id).await?)))
}

async fn repair(
    caller: Caller<AccountMember>,
    State(state): State<ApiState>,
    Within(scope): Within,
    Id(id): Id<QuarantineId>,
    payload: Payload,
) -> Answer<RepairedView> {
    let body = payload.json()?;
    let published = state
        .hub
        .quarantine_repair(&caller.actor(), scope, id, &body)
        .await?;
    Ok(Json(RepairedView {
        accepted: published.accepted,
        publication_id: published.publication.to_string(),
    }))
}

async fn repair_all(
    caller: Caller<AccountMember>,
    State(state): State<ApiState>,
    Within(scope): Within,
    Body(Repair { endpoint, mapping }): Body<Repair>,
) -> Answer<RepairAnswer> {
    state.hub.endpoint(scope, endpoint)?;
    let repaired = state
        .hub
        .quarantine_repair_all(&caller.actor(), scope, endpoint, &mapping)
        .await?;
    let refused = repaired.refused.into_iter().map(|(id, invalid)| {
        let errors = invalid.violations.into_iter().map(ViolationView::from);
        StillRefused {
            id: id.0,
            errors: errors.collect(),
        }
    });
    Ok(Json(RepairAnswer {
        published: repaired.published.iter().map(|id| id.0).collect(),
        refused: refused.collect(),
    }))
}

async fn discard(
    caller: Caller<AccountMember>,
    State(state): State<ApiState>,
    Within(scope): Within,
    Id(id): Id<QuarantineId>,
) -> Answer<bool> {
    let actor = caller.actor();
    state.hub.quarantine_discard(&actor, scope, id).await?;
    Ok(Json(true))
}
