//! `/manage/v1/accounts/{accountId}/shares`: audiences that go from one endpoint to another.

mod body;
mod view;

use axum::Json;
use axum::extract::State;
use hub::share::{Listed, ShareChange};
use model::{ShareId, share::ShareStatus};
use schemars::JsonSchema;
use serde::Serialize;

use self::body::{Between, Changed, Wanted};
use self::view::{ProposalView, ShareView, proposed, view};
use super::Answer;
use super::input::{Body, Id, Within};
use super::page::{List, Params, paged};
use crate::ApiState;
use crate::caller::{AccountMember, AccountViewer, Caller};
use crate::door::{About, Door};

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Made {
    id: i64,
    /// Of the first run; null when it is scheduled.
    job_id: Option<i64>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Begun {
    job_id: i64,
}

const SHARES: &str = "/manage/v1/accounts/{accountId}/shares";
const PROPOSAL: &str = "/manage/v1/accounts/{accountId}/shares/proposal";
const SHARE: &str = "/manage/v1/accounts/{accountId}/shares/{shareId}";
const RUN: &str = "/manage/v1/accounts/{accountId}/shares/{shareId}/run";

pub(super) fn routes(door: &mut Door) {
    let about = About::new("Share an audience: now, at a time, or again and again");
    door.post(SHARES, create, about.body::<Wanted>().answers::<Made>());
    let about = paged(About::new("Shares"))
        .query(
            "view",
            "`scheduled`, `recent` (ran in the last 30 days) or `historical`; all if not given",
        )
        .query("endpointId", "only those from or to this endpoint");
    door.get(SHARES, list, about.answers::<List<ShareView>>());
    let about =
        About::new("Propose a mapping from types and names, with reasons and what is missing");
    door.post(
        PROPOSAL,
        propose,
        about.body::<Between>().answers::<ProposalView>(),
    );
    let about = About::new("A share").answers::<ShareView>();
    door.get(SHARE, get, about);
    let about =
        About::new("Pause, resume or schedule a share otherwise; what runs already goes on");
    door.patch(
        SHARE,
        change,
        about.body::<Changed>().answers::<ShareView>(),
    );
    let about = About::new("End a share; a run that is still going is canceled");
    door.delete(SHARE, delete, about.answers::<bool>());
    let about = About::new("Run a share now, whatever its schedule").answers::<Begun>();
    door.post(RUN, run, about);
}

async fn create(
    caller: Caller<AccountMember>,
    State(state): State<ApiState>,
    Within(scope): Within,
    Body(wanted): Body<Wanted>,
) -> Answer<Made> {
    let (share, job) = state
        .hub
        .share_create(&caller.actor(), scope, wanted.into())
        .await?;
    Ok(Json(Made {
        id: share.id.0,
        job_id: job.map(|job| job.0),
    }))
}

async fn propose(
    _caller: Caller<AccountViewer>,
    State(state): State<ApiState>,
    Within(scope): Within,
    Body(between): Body<Between>,
) -> Answer<ProposalView> {
    let source = (between.source_endpoint_id, &between.segment_id);
    let destination = between.destination_endpoint_id;
    let (share_action, proposal) = state.hub.share_propose(scope, source, destination).await?;
    Ok(Json(proposed(share_action, proposal)))
}

async fn list(
    _caller: Caller<AccountViewer>,
    State(state): State<ApiState>,
    Within(scope): Within,
    mut params: Params,
) -> Answer<List<ShareView>> {
    let listed = params.word("view", "scheduled, recent or historical", Listed::parse);
    let endpoint = params.id("endpointId");
    let paging = params.paging();
    params.finish()?;
    let shares = state
        .hub
        .shares(scope, listed, endpoint, paging.page())
        .await?;
    Ok(Json(paging.list(shares, |share| share.id.0, view)))
}

async fn get(
    _caller: Caller<AccountViewer>,
    State(state): State<ApiState>,
    Within(scope): Within,
    Id(id): Id<ShareId>,
) -> Answer<ShareView> {
    Ok(Json(view(state.hub.share(scope, id).await?)))
}

async fn change(
    caller: Caller<AccountMember>,
    State(state): State<ApiState>,
    Within(scope): Within,
    Id(id): Id<ShareId>,
    Body(changed): Body<Changed>,
) -> Answer<ShareView> {
    let change = ShareChange {
        is_paused: changed
            .status
            .map(|status| status == ShareStatus::Paused.as_str()),
        schedule: changed.schedule,
    };
    let share = state
        .hub
        .share_change(&caller.actor(), scope, id, &change)
        .await?;
    Ok(Json(view(share)))
}

async fn delete(
    caller: Caller<AccountMember>,
    State(state): State<ApiState>,
    Within(scope): Within,
    Id(id): Id<ShareId>,
) -> Answer<bool> {
    state.hub.share_delete(&caller.actor(), scope, id).await?;
    Ok(Json(true))
}

async fn run(
    caller: Caller<AccountMember>,
    State(state): State<ApiState>,
    Within(scope): Within,
    Id(id): Id<ShareId>,
) -> Answer<Begun> {
    let job = state.hub.share_run(&caller.actor(), scope, id).await?;
    Ok(Json(Begun { job_id: job.0 }))
}
