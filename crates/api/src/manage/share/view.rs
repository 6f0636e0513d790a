//! How shares and proposals are shown.

use std::collections::BTreeMap;

use jiff::Timestamp;
use model::SegmentId;
use model::endpoint::ShareAction;
use model::share::{
    DataWindow, DestinationSegment, Guard, IdentifierPair, Missing, Pair, Plan, Proposal, Schedule,
    Share, ShareStatus,
};
use schemars::JsonSchema;
use serde::Serialize;

use super::body::{GuardSchema, PairSchema, ScheduleSchema, SegmentIdSchema, WindowSchema};

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ShareView {
    id: i64,
    /// `ACTIVE`, `PAUSED` or `ENDED`.
    #[schemars(with = "String")]
    status: ShareStatus,
    /// Why it is not active, or did not run when it was due.
    reason: Option<String>,
    source_endpoint_id: i64,
    #[schemars(with = "SegmentIdSchema")]
    segment_id: SegmentId,
    destination_endpoint_id: i64,
    /// Null until the first run has created it.
    #[schemars(with = "Option<SegmentIdSchema>")]
    destination_segment_id: Option<SegmentId>,
    destination_segment_name: String,
    destination_segment_description: Option<String>,
    #[schemars(with = "String")]
    share_action: ShareAction,
    #[schemars(with = "PairSchema")]
    identifier: IdentifierPair,
    attributes: BTreeMap<String, String>,
    upload_identities: bool,
    #[schemars(with = "Option<WindowSchema>")]
    data_window: Option<DataWindow>,
    #[schemars(with = "GuardSchema")]
    guard: Guard,
    incremental: bool,
    #[schemars(with = "Option<ScheduleSchema>")]
    schedule: Schedule,
    /// Null: it only runs by hand.
    #[schemars(with = "Option<String>")]
    next_run_at: Option<Timestamp>,
    #[schemars(with = "Option<String>")]
    last_run_at: Option<Timestamp>,
    last_job_id: Option<i64>,
    /// Times in a row at which it was due and could not run.
    skipped: u32,
    #[schemars(with = "String")]
    created_at: Timestamp,
    #[schemars(with = "String")]
    updated_at: Timestamp,
}

pub(super) fn view(share: Share) -> ShareView {
    let Plan {
        share: id,
        source,
        segment,
        destination,
        destination_segment:
            DestinationSegment {
                id: destination_segment,
                name,
                description,
            },
        action,
        identifier,
        attributes,
        upload_identities,
        window,
        guard,
        incremental,
    } = share.plan;
    ShareView {
        id: id.0,
        status: share.status,
        reason: share.reason,
        source_endpoint_id: source.0,
        segment_id: segment,
        destination_endpoint_id: destination.0,
        destination_segment_id: destination_segment,
        destination_segment_name: name,
        destination_segment_description: description,
        share_action: action,
        identifier,
        attributes,
        upload_identities,
        data_window: window,
        guard,
        incremental,
        schedule: share.schedule,
        next_run_at: share.next_at,
        last_run_at: share.last_run_at,
        last_job_id: share.last_job.map(|job| job.0),
        skipped: share.skipped,
        created_at: share.created_at,
        updated_at: share.updated_at,
    }
}

#[derive(Serialize, JsonSchema)]
pub(super) struct PairView {
    source: String,
    destination: String,
    reason: String,
}

impl From<Pair> for PairView {
    fn from(pair: Pair) -> Self {
        Self {
            source: pair.source,
            destination: pair.destination,
            reason: pair.reason,
        }
    }
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct MissingView {
    destination: String,
    #[serde(rename = "type")]
    kind: String,
    is_required: bool,
    reason: String,
}

impl From<Missing> for MissingView {
    fn from(missing: Missing) -> Self {
        Self {
            destination: missing.destination,
            kind: missing.kind,
            is_required: missing.is_required,
            reason: missing.reason,
        }
    }
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ProposalView {
    /// The destination's default.
    #[schemars(with = "String")]
    share_action: ShareAction,
    /// Null: nothing of the source says who somebody is at the destination.
    identifier: Option<PairView>,
    attributes: Vec<PairView>,
    missing: Vec<MissingView>,
    /// Columns of the source that nothing takes.
    unused: Vec<String>,
}

pub(super) fn proposed(share_action: ShareAction, proposal: Proposal) -> ProposalView {
    let Proposal {
        identifier,
        attributes,
        missing,
        unused,
        ..
    } = proposal;
    ProposalView {
        share_action,
        identifier: identifier.map(PairView::from),
        attributes: attributes.into_iter().map(PairView::from).collect(),
        missing: missing.into_iter().map(MissingView::from).collect(),
        unused,
    }
}
