//! What is asked for becomes a plan: both ends and their segments are looked up, gaps are filled from the proposal, and
//! everything is checked at once.

use std::sync::Arc;

use engine::Tx;
use jiff::Timestamp;
use model::account::Identity;
use model::endpoint::{Role, ShareAction, Transfer};
use model::job::{ExportDetails, JobCategory, JobStatus};
use model::segment::{Segment, SegmentRole};
use model::share::{
    DataWindow, DestinationSegment, IdentifierPair, Parties, Plan, Proposal, Schedule, Share,
};
use model::{EndpointId, EndpointStatus, Invalid, JobId, SegmentId, ShareId};
use store::job::NewJob;

use super::NewShare;
use crate::registry::EndpointEntry;
use crate::{Error, Hub, Result, Scope};

/// Longest name of an audience that we create at a destination, in characters.
const NAME_CHARS_MAX: usize = 500;
const DESCRIPTION_CHARS_MAX: usize = 4_000;

/// Two endpoints that can share.
pub(super) struct Ends {
    source: Arc<EndpointEntry>,
    destination: Arc<EndpointEntry>,
}

impl Ends {
    pub(super) fn parties<'a>(
        &'a self,
        segment: &'a Segment,
        keeps_identities: bool,
    ) -> Parties<'a> {
        Parties {
            source: &self.source.endpoint.definition,
            columns: &segment.attributes,
            destination: &self.destination.endpoint.definition,
            keeps_identities,
        }
    }

    /// What the destination does when nobody chooses.
    pub(super) fn action(&self) -> ShareAction {
        let roles = &self.destination.endpoint.definition.roles;
        let actions = roles
            .segment_destination
            .as_ref()
            .and_then(|r| r.share_actions);
        actions.unwrap_or_default().default
    }
}

impl Hub {
    /// The plan of a share to be; its id is not known yet.
    pub(super) async fn share_plan(
        &self,
        tx: &mut Tx,
        scope: Scope,
        new: &NewShare,
    ) -> Result<Plan> {
        let mut invalid = Invalid::default();
        check_schedule(&new.schedule, self.now(), &mut invalid);
        check_texts(new, &mut invalid);
        check_guard(new, &mut invalid);
        let ends = self.share_ends(scope, new.source, new.destination, &mut invalid);
        let source = (new.source, &new.segment);
        let segment = self.source_segment(tx, scope, source, &mut invalid).await?;
        let (Some(ends), Some(segment)) = (ends, segment) else {
            return Err(invalid.into());
        };
        let target = self
            .destination_segment(tx, scope, (new, &ends, &segment), &mut invalid)
            .await?;
        let parties = ends.parties(&segment, self.keeps_identities(scope)?);
        let Some(identifier) = identifier(new, &parties, &mut invalid) else {
            return Err(invalid.into());
        };
        let plan = Plan {
            share: ShareId(0),
            source: new.source,
            segment: new.segment.clone(),
            destination: new.destination,
            destination_segment: target,
            action: new.action.unwrap_or_else(|| ends.action()),
            attributes: match &new.attributes {
                Some(attributes) => attributes.clone(),
                None => proposed(&model::share::propose(&parties), &identifier),
            },
            identifier,
            upload_identities: new.upload_identities,
            window: new.window.or_else(|| widest(&ends.source)),
            guard: new.guard,
            incremental: new.incremental,
        };
        model::share::check(&plan, &parties, &mut invalid);
        Ok(invalid.or(plan)?)
    }

    /// The job of one run.
    pub(super) fn share_job(&self, share: &Share) -> Result<NewJob> {
        let plan = &share.plan;
        let source = self.registry.endpoint(plan.source);
        let is_pushed = source.as_ref().is_some_and(|entry| {
            let role = entry.endpoint.definition.roles.segment_source.as_ref();
            role.is_some_and(|role| role.transfer == Transfer::Push)
        });
        let widest = source.as_deref().and_then(widest);
        let details = ExportDetails {
            producer: Some(plan.source),
            producer_segment: Some(plan.segment.clone()),
            destination: Some(plan.destination),
            destination_segment: plan.destination_segment.id.clone(),
            destination_segment_name: Some(plan.destination_segment.name.clone()),
            destination_segment_description: plan.destination_segment.description.clone(),
            attribute_mappings: plan.attributes.clone(),
            action: Some(plan.action),
            source_identifiers: Some(vec![plan.identifier.source.clone()]),
            destination_identifier: Some(plan.identifier.destination.clone()),
            // All runs of one schedule are told the same number here: that of the share.
            scheduled_job: share.schedule.recurs().then_some(JobId(share.id.0)),
            // A source that is to give all that it allows is asked as the contract has it.
            window: plan
                .window
                .filter(|window| widest != Some(*window))
                .map(|window| {
                    let now = self.now().to_zoned(jiff::tz::TimeZone::UTC);
                    window.of_run(now.date())
                }),
            ..ExportDetails::default()
        };
        Ok(NewJob {
            category: JobCategory::SegmentExport,
            status: if is_pushed {
                JobStatus::WaitingToReceiveData
            } else {
                JobStatus::Scheduled
            },
            name: None,
            producer: Some(plan.source),
            destination: Some(plan.destination),
            share: Some(share.id),
            details,
            state: serde_json::to_string(plan).map_err(Error::internal)?,
            steps: Vec::new(),
            first_at: self.now(),
        })
    }

    /// Both endpoints, if they can share now.
    pub(super) fn share_ends(
        &self,
        scope: Scope,
        source: EndpointId,
        destination: EndpointId,
        invalid: &mut Invalid,
    ) -> Option<Ends> {
        if source == destination {
            let message = format!("endpoint {source} cannot share with itself: choose another one");
            invalid.add("/destinationEndpointId", "same-endpoint", message);
        }
        let found = self.share_side(scope, source, &SOURCE, invalid);
        let other = self.share_side(scope, destination, &DESTINATION, invalid);
        Some(Ends {
            source: found?,
            destination: other?,
        })
    }

    fn share_side(
        &self,
        scope: Scope,
        id: EndpointId,
        side: &Side,
        invalid: &mut Invalid,
    ) -> Option<Arc<EndpointEntry>> {
        let entry = self.registry.endpoint(id);
        let entry = entry.filter(|entry| {
            let endpoint = &entry.endpoint;
            endpoint.account == scope.0 && endpoint.status != EndpointStatus::Deleted
        });
        let Some(entry) = entry else {
            let message = format!("there is no endpoint {id} in this account");
            invalid.add(side.pointer, "unknown-endpoint", message);
            return None;
        };
        let endpoint = &entry.endpoint;
        let role = (side.role)(&entry).filter(|role| role.enabled);
        if endpoint.status != EndpointStatus::Active || !endpoint.enabled {
            let why = match endpoint.status {
                EndpointStatus::Active => "disabled",
                status => status.as_str(),
            };
            let message =
                format!("endpoint {id} is {why}: it takes part when it is ACTIVE and enabled");
            invalid.add(side.pointer, "not-active", message);
        } else if role.is_none() {
            let message = format!(
                "endpoint {id} is not registered as a {} of audiences",
                side.name
            );
            invalid.add(side.pointer, side.code, message);
        } else {
            return Some(entry);
        }
        None
    }

    /// The segment that is shared, of the source's list.
    pub(super) async fn source_segment(
        &self,
        tx: &mut Tx,
        scope: Scope,
        (endpoint, id): (EndpointId, &SegmentId),
        invalid: &mut Invalid,
    ) -> Result<Option<Segment>> {
        let list = (endpoint, SegmentRole::Source);
        let known = store::segment::get(tx, scope, list, id).await?;
        if known.is_none() {
            let message = format!(
                "endpoint {endpoint} has no segment {id}: it announces its segments, or they are refreshed, before one is shared"
            );
            invalid.add("/segmentId", "unknown-segment", message);
        }
        Ok(known.map(|known| known.segment))
    }

    /// The audience at the destination: one that it has, or one that the first run creates.
    async fn destination_segment(
        &self,
        tx: &mut Tx,
        scope: Scope,
        (new, ends, segment): (&NewShare, &Ends, &Segment),
        invalid: &mut Invalid,
    ) -> Result<DestinationSegment> {
        let mut target = DestinationSegment {
            id: new.destination_segment.clone(),
            name: segment.name.clone(),
            description: segment.description.clone(),
        };
        if let Some(id) = &new.destination_segment {
            let list = (new.destination, SegmentRole::Destination);
            let known = store::segment::get(tx, scope, list, id).await?;
            let known = known.map(|known| known.segment);
            let roles = &ends.destination.endpoint.definition.roles;
            let transfer = roles.segment_destination.as_ref().map(|role| role.transfer);
            if known.is_none() && transfer == Some(Transfer::Push) {
                let message = format!(
                    "endpoint {} has no segment {id}: refresh its segments, or send a `destinationSegmentName` for a new one",
                    new.destination
                );
                invalid.add("/destinationSegmentId", "unknown-segment", message);
            }
            // Pull consumers have no list that we could know.
            target.name = known
                .as_ref()
                .map_or_else(|| id.to_string(), |s| s.name.clone());
            target.description = known.and_then(|segment| segment.description);
        }
        if let Some(name) = &new.destination_segment_name {
            name.trim().clone_into(&mut target.name);
        }
        if new.destination_segment_description.is_some() {
            target
                .description
                .clone_from(&new.destination_segment_description);
        }
        Ok(target)
    }

    pub(super) fn keeps_identities(&self, scope: Scope) -> Result<bool> {
        Ok(self.account(scope)?.policy.identity == Identity::On)
    }
}

/// One side of a share, for messages and look-ups.
struct Side {
    name: &'static str,
    pointer: &'static str,
    code: &'static str,
    role: fn(&EndpointEntry) -> Option<&Role>,
}

const SOURCE: Side = Side {
    name: "source",
    pointer: "/sourceEndpointId",
    code: "not-a-source",
    role: |entry| entry.endpoint.definition.roles.segment_source.as_ref(),
};
const DESTINATION: Side = Side {
    name: "destination",
    pointer: "/destinationEndpointId",
    code: "not-a-destination",
    role: |entry| entry.endpoint.definition.roles.segment_destination.as_ref(),
};

/// A time that is over is a mistake, not a wish for something that never happens.
pub(super) fn check_schedule(schedule: &Schedule, now: Timestamp, invalid: &mut Invalid) {
    if let Schedule::At { at } = schedule
        && *at <= now
    {
        let message = format!("{at} is over: send a time to come, or none to share now");
        invalid.add("/schedule/at", "range", message);
    }
}

fn check_texts(new: &NewShare, invalid: &mut Invalid) {
    let name = new.destination_segment_name.as_deref();
    if name.is_some_and(|name| name.trim().is_empty()) {
        let message = "is blank: send a name, or leave it out for that of the source";
        invalid.add("/destinationSegmentName", "required", message);
    }
    let texts = [
        ("/destinationSegmentName", name, NAME_CHARS_MAX),
        (
            "/destinationSegmentDescription",
            new.destination_segment_description.as_deref(),
            DESCRIPTION_CHARS_MAX,
        ),
    ];
    for (pointer, text, max) in texts {
        let length = text.map_or(0, |text| text.chars().count());
        if length > max {
            let message = format!("is {length} characters long; at most {max} are taken");
            invalid.add(pointer, "too-long", message);
        }
    }
}

fn check_guard(new: &NewShare, invalid: &mut Invalid) {
    if let Some(percent) = new
        .guard
        .shrink_percent_max
        .filter(|percent| *percent > 100)
    {
        let message = format!("is {percent}: expected 0 to 100, or null for never");
        invalid.add("/guard/shrinkPercentMax", "range", message);
    }
}

/// Who somebody is: as asked for, or as proposed.
fn identifier(
    new: &NewShare,
    parties: &Parties<'_>,
    invalid: &mut Invalid,
) -> Option<IdentifierPair> {
    if new.identifier.is_some() {
        return new.identifier.clone();
    }
    let proposed = model::share::propose(parties).identifier;
    if proposed.is_none() {
        let message = "no identifier of the source meets one of the destination by its type: give both sides one of the same \
                       type, or say which with {\"source\",\"destination\"}";
        invalid.add("/identifier", "required", message);
    }
    proposed.map(|pair| IdentifierPair {
        source: pair.source,
        destination: pair.destination,
    })
}

fn proposed(
    proposal: &Proposal,
    identifier: &IdentifierPair,
) -> std::collections::BTreeMap<String, String> {
    let pairs = proposal.attributes.iter();
    let pairs = pairs.filter(|pair| pair.destination != identifier.destination);
    pairs
        .map(|pair| (pair.source.clone(), pair.destination.clone()))
        .collect()
}

/// A source that limits the window is asked for all that it allows.
fn widest(source: &EndpointEntry) -> Option<DataWindow> {
    let role = source.endpoint.definition.roles.segment_source.as_ref()?;
    let days = role.data_window.filter(|days| *days > 0)?;
    Some(DataWindow::Days { days })
}
