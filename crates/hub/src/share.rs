//! Shares: proposed, made, run, paused, scheduled otherwise, ended. What a run does is `flow/syndicate`'s business; that a
//! share is due, `flow/share`'s.
//!
//! Called by `api` (`/manage/v1`). A change is written on the revision of the share that was seen, in one transaction with
//! the job that it makes: a share is never run twice for one call, nor made without its first run.

mod plan;

use engine::Tx;
use jiff::{SignedDuration, Timestamp};
use model::endpoint::ShareAction;
use model::share::{
    DataWindow, Guard, IdentifierPair, Plan, Proposal, Schedule, Share, ShareStatus,
};
use model::{EndpointId, Invalid, JobId, SegmentId, ShareId};
use serde_json::json;
pub use store::share::ShareView;

use crate::{Actor, Error, Hub, Page, Result, Scope};

/// How often a change is tried anew when the share was changed between being read and being written.
const TRIES_MAX: usize = 20;
/// A run is recent for this long.
const RECENT: SignedDuration = SignedDuration::from_hours(30 * 24);

/// What is to be shared. What is not given is taken from the proposal, or from the destination's defaults.
#[derive(Debug, Clone)]
pub struct NewShare {
    pub source: EndpointId,
    pub segment: SegmentId,
    pub destination: EndpointId,
    /// An audience that the destination has already; `None`: the first run creates one.
    pub destination_segment: Option<SegmentId>,
    /// `None`: as at the source.
    pub destination_segment_name: Option<String>,
    pub destination_segment_description: Option<String>,
    pub action: Option<ShareAction>,
    pub identifier: Option<IdentifierPair>,
    pub attributes: Option<std::collections::BTreeMap<String, String>>,
    pub schedule: Schedule,
    pub upload_identities: bool,
    pub window: Option<DataWindow>,
    pub guard: Guard,
    pub incremental: bool,
}

/// How a share is changed; what is `None` stays.
#[derive(Debug, Clone, Default)]
pub struct ShareChange {
    pub is_paused: Option<bool>,
    /// [`Schedule::Now`] means none here: it only runs by hand.
    pub schedule: Option<Schedule>,
}

/// Which shares of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listed {
    Scheduled,
    /// Those that ran in the last 30 days.
    Recent,
    /// Those that are over.
    Historical,
}

impl Listed {
    /// Any letter case.
    pub fn parse(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "scheduled" => Some(Self::Scheduled),
            "recent" => Some(Self::Recent),
            "historical" => Some(Self::Historical),
            _ => None,
        }
    }
}

impl Hub {
    /// Shares: at once, which answers the job of the first run, or as scheduled.
    ///
    /// # Errors
    /// [`Error::Invalid`] with everything that is wrong; [`Error::Conflict`] if the account has too many jobs.
    pub async fn share_create(
        &self,
        actor: &Actor,
        scope: Scope,
        new: NewShare,
    ) -> Result<(Share, Option<JobId>)> {
        let now = self.now();
        let mut tx = self.db.begin().await?;
        let mut plan = self.share_plan(&mut tx, scope, &new).await?;
        let id = store::share::take_id(&mut tx).await?;
        plan.share = id;
        let mut share = Share {
            id,
            account: scope.0,
            plan,
            next_at: new.schedule.next(now),
            schedule: new.schedule,
            status: ShareStatus::Active,
            reason: None,
            last_job: None,
            last_run_at: None,
            skipped: 0,
            revision: 1,
            created_at: now,
            updated_at: now,
        };
        if share.schedule == Schedule::Now {
            self.share_begin(&mut tx, &mut share).await?;
        }
        store::share::insert(&mut tx, scope, &share).await?;
        let detail =
            json!({ "plan": share.plan, "schedule": share.schedule, "jobId": share.last_job });
        let subject = format!("share {id}");
        self.audit(
            &mut tx,
            Some(scope),
            actor,
            ("share.create", subject),
            detail,
        )
        .await?;
        tx.commit().await?;
        self.jobs_nudge();
        let job = share.last_job;
        Ok((share, job))
    }

    /// Proposes how the columns of a segment of one endpoint could go to another, with reasons and what is missing.
    ///
    /// # Errors
    /// [`Error::Invalid`] if these cannot share.
    pub async fn share_propose(
        &self,
        scope: Scope,
        (source, segment): (EndpointId, &SegmentId),
        destination: EndpointId,
    ) -> Result<(ShareAction, Proposal)> {
        let mut tx = self.db.read().await?;
        let mut invalid = Invalid::default();
        let ends = self.share_ends(scope, source, destination, &mut invalid);
        let segment = self
            .source_segment(&mut tx, scope, (source, segment), &mut invalid)
            .await?;
        let (Some(ends), Some(segment)) = (ends, segment) else {
            return Err(invalid.into());
        };
        let keeps_identities = self.keeps_identities(scope)?;
        let proposal = model::share::propose(&ends.parties(&segment, keeps_identities));
        Ok((ends.action(), proposal))
    }

    /// What would be shared, as [`Hub::share_create`] would write it down; nothing is made.
    ///
    /// # Errors
    /// [`Error::Invalid`] with everything that is wrong.
    pub async fn share_try(&self, scope: Scope, new: &NewShare) -> Result<Plan> {
        let mut tx = self.db.read().await?;
        self.share_plan(&mut tx, scope, new).await
    }

    /// Shares in the order of their ids; with an endpoint, those from it or to it.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn shares(
        &self,
        scope: Scope,
        listed: Option<Listed>,
        endpoint: Option<EndpointId>,
        page: Page,
    ) -> Result<Vec<Share>> {
        let since = self.now() - RECENT;
        let view = match listed {
            None => ShareView::All,
            Some(Listed::Scheduled) => ShareView::Scheduled,
            Some(Listed::Recent) => ShareView::RecentSince(since),
            Some(Listed::Historical) => ShareView::HistoricalBefore(since),
        };
        let mut tx = self.db.read().await?;
        Ok(store::share::list(&mut tx, scope, (view, endpoint), page).await?)
    }

    /// # Errors
    /// [`Error::NotFound`].
    pub async fn share(&self, scope: Scope, id: ShareId) -> Result<Share> {
        let mut tx = self.db.read().await?;
        let share = store::share::get(&mut tx, scope, id).await?;
        share.ok_or_else(|| Error::not_found("share", id))
    }

    /// Runs a share now, whatever its schedule.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Conflict`] if it is paused or has ended, its last run is still going, or one of its
    /// endpoints cannot take part.
    pub async fn share_run(&self, actor: &Actor, scope: Scope, id: ShareId) -> Result<JobId> {
        for _ in 0..TRIES_MAX {
            let mut tx = self.db.begin().await?;
            let mut share = active(&mut tx, scope, id).await?;
            if share.status == ShareStatus::Paused {
                return Err(Error::Conflict(format!(
                    "share {id} is paused: resume it before it runs"
                )));
            }
            if let Some(why) = self.share_hindrance(&mut tx, &share).await? {
                return Err(Error::Conflict(format!("share {id} cannot run now: {why}")));
            }
            let job = self.share_begin(&mut tx, &mut share).await?;
            if !store::share::update(&mut tx, scope, &share, self.now()).await? {
                continue;
            }
            let (subject, detail) = (format!("share {id}"), json!({ "jobId": job }));
            self.audit(&mut tx, Some(scope), actor, ("share.run", subject), detail)
                .await?;
            tx.commit().await?;
            self.jobs_nudge();
            return Ok(job);
        }
        Err(too_fast(id))
    }

    /// Pauses, resumes, schedules otherwise. What runs already goes on.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Conflict`] if it has ended; [`Error::Invalid`] for a time that is over.
    pub async fn share_change(
        &self,
        actor: &Actor,
        scope: Scope,
        id: ShareId,
        change: &ShareChange,
    ) -> Result<Share> {
        let now = self.now();
        if let Some(schedule) = &change.schedule {
            let mut invalid = Invalid::default();
            plan::check_schedule(schedule, now, &mut invalid);
            invalid.or(())?;
        }
        let action = match (change.is_paused, &change.schedule) {
            (Some(true), None) => "share.pause",
            (Some(false), None) => "share.resume",
            _ => "share.change",
        };
        self.share_write(actor, scope, (action, id), &|share| {
            if let Some(schedule) = &change.schedule {
                share.schedule = schedule.clone();
            }
            match change.is_paused {
                Some(true) => share.status = ShareStatus::Paused,
                Some(false) => share.status = ShareStatus::Active,
                None => {}
            }
            share.reason = None;
            share.skipped = 0;
            share.next_at = match share.status {
                ShareStatus::Active => next_of(share, now),
                ShareStatus::Paused | ShareStatus::Ended => None,
            };
        })
        .await
    }

    /// Ends a share for good; a run that is still going is canceled.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Conflict`] if it has ended.
    pub async fn share_delete(&self, actor: &Actor, scope: Scope, id: ShareId) -> Result<()> {
        let reason = format!("deleted by {actor}");
        self.share_end(actor, scope, id, &reason).await
    }

    /// Ends all shares of an endpoint that is deleted, and says so.
    pub(crate) async fn shares_end(
        &self,
        actor: &Actor,
        scope: Scope,
        endpoint: EndpointId,
    ) -> Result<()> {
        let mut after = 0;
        loop {
            let page = Page { after, limit: 100 };
            let shares = self.shares(scope, None, Some(endpoint), page).await?;
            let Some(last) = shares.last() else {
                return Ok(());
            };
            after = last.id.0;
            let going = shares.iter().filter(|s| s.status != ShareStatus::Ended);
            for share in going {
                let reason = format!("endpoint {endpoint} was deleted");
                self.share_end(actor, scope, share.id, &reason).await?;
                let message = format!("share {} has ended: {reason}", share.id);
                self.notify_people(scope, Some(endpoint), "share-ended", &message)
                    .await?;
            }
        }
    }

    async fn share_end(
        &self,
        actor: &Actor,
        scope: Scope,
        id: ShareId,
        reason: &str,
    ) -> Result<()> {
        let share = self
            .share_write(actor, scope, ("share.delete", id), &|share| {
                share.status = ShareStatus::Ended;
                share.reason = Some(reason.to_owned());
                share.next_at = None;
            })
            .await?;
        if let Some(job) = share.last_job {
            match self.job_cancel(actor, scope, job).await {
                // It has ended by itself, or is no longer kept.
                Ok(_) | Err(Error::Conflict(_) | Error::NotFound(_)) => {}
                Err(error) => return Err(error),
            }
        }
        self.sent_drop(scope, id).await
    }

    /// Changes a share that has not ended, whoever else changes it meanwhile.
    async fn share_write(
        &self,
        actor: &Actor,
        scope: Scope,
        (action, id): (&str, ShareId),
        change: &(dyn Fn(&mut Share) + Sync),
    ) -> Result<Share> {
        let told = |share: &Share| json!({ "status": share.status.as_str(), "schedule": share.schedule, "nextRunAt": share.next_at });
        for _ in 0..TRIES_MAX {
            let now = self.now();
            let mut tx = self.db.begin().await?;
            let mut share = active(&mut tx, scope, id).await?;
            let before = told(&share);
            change(&mut share);
            if !store::share::update(&mut tx, scope, &share, now).await? {
                continue;
            }
            let detail = json!({ "before": before, "after": told(&share) });
            let subject = format!("share {id}");
            self.audit(&mut tx, Some(scope), actor, (action, subject), detail)
                .await?;
            tx.commit().await?;
            share.revision += 1;
            share.updated_at = now;
            return Ok(share);
        }
        Err(too_fast(id))
    }

    /// Makes the job of a run; who writes the share commits it and nudges.
    ///
    /// # Errors
    /// [`Error::Conflict`] if the account has too many jobs.
    pub(crate) async fn share_begin(&self, tx: &mut Tx, share: &mut Share) -> Result<JobId> {
        let job = self
            .job_insert(tx, Scope(share.account), self.share_job(share)?)
            .await?;
        share.last_job = Some(job);
        share.last_run_at = Some(self.now());
        share.skipped = 0;
        share.reason = None;
        Ok(job)
    }

    /// Why a share cannot run at this moment, though it should.
    pub(crate) async fn share_hindrance(
        &self,
        tx: &mut Tx,
        share: &Share,
    ) -> Result<Option<String>> {
        let scope = Scope(share.account);
        let last = match share.last_job {
            Some(job) => store::job::get(tx, scope, job).await?,
            None => None,
        };
        if let Some(job) = last.filter(|job| !job.status.is_final()) {
            let (id, status) = (job.id, job.status.as_str());
            return Ok(Some(format!("its last run, job {id}, is still {status}")));
        }
        let mut invalid = Invalid::default();
        self.share_ends(
            scope,
            share.plan.source,
            share.plan.destination,
            &mut invalid,
        );
        let why = invalid.violations.into_iter().next();
        Ok(why.map(|violation| violation.message))
    }
}

/// When a share is due next. One that was to run once and has not is due at once when its time is over.
pub(crate) fn next_of(share: &Share, now: Timestamp) -> Option<Timestamp> {
    match &share.schedule {
        Schedule::At { at } if share.last_run_at.is_none() => Some(*at),
        schedule => schedule.next(now),
    }
}

async fn active(tx: &mut Tx, scope: Scope, id: ShareId) -> Result<Share> {
    let share = store::share::get(tx, scope, id).await?;
    let share = share.ok_or_else(|| Error::not_found("share", id))?;
    if share.status != ShareStatus::Ended {
        return Ok(share);
    }
    let why = share.reason.unwrap_or_default();
    Err(Error::Conflict(format!(
        "share {id} has ended ({why}): make a new one"
    )))
}

fn too_fast(id: ShareId) -> Error {
    Error::Conflict(format!("share {id} is changing too fast: try again"))
}
