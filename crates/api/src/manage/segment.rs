//! `/manage/v1/accounts/{accountId}/segments`: the audiences of all endpoints of an account, and asking for them anew.

use axum::Json;
use axum::extract::State;
use hub::{KnownSegment, SegmentFilter, Window};
use jiff::Timestamp;
use model::EndpointId;
use model::segment::SegmentRole;
use schemars::JsonSchema;
use serde::Serialize;

use super::Answer;
use super::input::{Body, Fields, FromBody, Within};
use super::page::{List, Params, paged};
use crate::ApiState;
use crate::caller::{AccountMember, AccountViewer, Caller};
use crate::door::{About, Door};
use crate::segment::SegmentView;

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct KnownView {
    /// Where a list goes on; of no other meaning.
    number: i64,
    endpoint_id: i64,
    #[serde(flatten)]
    segment: SegmentView,
    /// When the exchange learnt this.
    #[schemars(with = "String")]
    updated_at: Timestamp,
}

fn view(known: KnownSegment) -> KnownView {
    KnownView {
        number: known.number,
        endpoint_id: known.endpoint.0,
        updated_at: known.updated_at,
        segment: known.into(),
    }
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, rename_all = "camelCase")]
#[expect(dead_code, reason = "read by people")]
struct RefreshBody {
    /// Only this endpoint is asked; all are if not given.
    endpoint_id: Option<i64>,
}

struct Refresh(Option<EndpointId>);

impl FromBody for Refresh {
    fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        Some(Self(fields.id("endpointId", EndpointId)))
    }
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct RefreshAnswer {
    job_id: i64,
}

pub(super) fn routes(door: &mut Door) {
    let about = paged(About::new(
        "Audiences of the account's endpoints, as they announced them or answered",
    ))
    .query("endpointId", "only this endpoint's")
    .query(
        "role",
        "`source`: can be shared; `destination`: can be shared to",
    )
    .query(
        "search",
        "only those with this in their name or description",
    )
    .answers::<List<KnownView>>();
    door.get("/manage/v1/accounts/{accountId}/segments", list, about);
    let about = About::new(
        "Ask pull producers and push consumers for their audiences: the job that does it",
    );
    door.post(
        "/manage/v1/accounts/{accountId}/segments/refresh",
        refresh,
        about.body::<RefreshBody>().answers::<RefreshAnswer>(),
    );
}

async fn list(
    _caller: Caller<AccountViewer>,
    State(state): State<ApiState>,
    Within(scope): Within,
    mut params: Params,
) -> Answer<List<KnownView>> {
    let filter = SegmentFilter {
        endpoint: params.id::<EndpointId>("endpointId"),
        role: params.word("role", "`source` or `destination`", SegmentRole::parse),
        anywhere: params.text("search"),
        ..SegmentFilter::default()
    };
    let paging = params.paging();
    params.finish()?;
    let page = paging.page();
    let window = Window {
        after: page.after,
        skip: 0,
        limit: page.limit,
    };
    let segments = state.hub.segments(scope, &filter, window).await?;
    Ok(Json(paging.list(segments, |known| known.number, view)))
}

async fn refresh(
    caller: Caller<AccountMember>,
    State(state): State<ApiState>,
    Within(scope): Within,
    Body(Refresh(only)): Body<Refresh>,
) -> Answer<RefreshAnswer> {
    let actor = caller.actor();
    let job = state.hub.segments_refresh(&actor, scope, only).await?;
    Ok(Json(RefreshAnswer { job_id: job.0 }))
}
