//! Shares that are due: each begins a run, a job, unless its last run is still going.
//!
//! Periodic, like all tasks, and without memory: what is due is in the database. A time that passed while nobody looked
//! (the process was down) is made up for once, however many there were. A share that cannot run now is skipped until its
//! next time, its reason is noted, and people are told of the first time in a row.

use engine::Tx;
use jiff::{SignedDuration, Timestamp};
use model::share::{Schedule, Share, ShareStatus};
use model::{EndpointId, EndpointStatus};

use crate::share::next_of;
use crate::{Error, Hub, Result, Scope};

/// Shares begun in one step; the rest comes with the next, which follows at once.
const DUE_MAX: i64 = 1_000;
/// One that was to run once and could not tries again after this.
const AGAIN_AFTER: SignedDuration = SignedDuration::from_mins(5);

/// What one look at the shares did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SharesReport {
    pub begun: usize,
    pub skipped: usize,
}

impl Hub {
    /// Begins the runs of shares that are due.
    pub async fn shares_due(&self) -> Result<SharesReport> {
        let mut report = SharesReport::default();
        if self.flow.is_stopping() || !self.flow.is_live(&self.clock) {
            return Ok(report);
        }
        let now = self.now();
        let mut tx = self.db.read().await?;
        let due = store::share::due(&mut tx, now, DUE_MAX).await?;
        drop(tx);
        for share in due {
            let shard = self.logs.shard(share.account);
            let Some(epoch) = self.flow.epoch(shard) else {
                continue;
            };
            let mut tx = self.db.begin().await?;
            if self.is_shared() && !store::lease::hold(&mut tx, shard.0.into(), epoch).await? {
                continue;
            }
            match self.share_due(tx, share, now).await? {
                Some(true) => report.begun += 1,
                Some(false) => report.skipped += 1,
                None => {}
            }
        }
        if report.begun > 0 {
            self.jobs_nudge();
        }
        Ok(report)
    }

    /// Whether a run of it was begun; `None`: it has ended, or somebody changed it meanwhile.
    async fn share_due(
        &self,
        mut tx: Tx,
        mut share: Share,
        now: Timestamp,
    ) -> Result<Option<bool>> {
        if let Some(gone) = self.share_gone(&share) {
            let why = format!("endpoint {gone} was deleted");
            share.next_at = None;
            share.status = ShareStatus::Ended;
            share.reason = Some(why.clone());
            let told = ("share-ended", "has ended", why.as_str());
            self.share_save(tx, &share, Some(told)).await?;
            return Ok(None);
        }
        let hindered = match self.share_hindrance(&mut tx, &share).await? {
            Some(why) => Some(why),
            None => match self.share_begin(&mut tx, &mut share).await {
                Ok(_) => None,
                Err(Error::Conflict(why)) => Some(why),
                Err(error) => return Err(error),
            },
        };
        share.next_at = match (&hindered, &share.schedule) {
            (Some(_), Schedule::At { .. }) => Some(now + AGAIN_AFTER),
            _ => next_of(&share, now),
        };
        if let Some(why) = &hindered {
            share.skipped += 1;
            share.reason = Some(format!("it was due at {now} and did not run: {why}"));
        }
        // Of a row of skipped times the first one is told.
        let told = hindered.as_deref().filter(|_| share.skipped == 1);
        let told = told.map(|why| ("share-skipped", "was due and did not run", why));
        let is_saved = self.share_save(tx, &share, told).await?;
        Ok(is_saved.map(|()| hindered.is_none()))
    }

    /// Whether it was saved, together with what people are told of it; `None`: somebody changed it meanwhile.
    async fn share_save(
        &self,
        mut tx: Tx,
        share: &Share,
        told: Option<(&str, &str, &str)>,
    ) -> Result<Option<()>> {
        let (scope, now) = (Scope(share.account), self.now());
        if !store::share::update(&mut tx, scope, share, now).await? {
            return Ok(None);
        }
        if let Some((kind, what, why)) = told {
            let message = format!("share {} {what}: {why}", share.id);
            let destination = Some(share.plan.destination);
            store::notice::insert(&mut tx, scope, destination, kind, &message, now).await?;
        }
        tx.commit().await?;
        Ok(Some(()))
    }

    /// The end of a share that is no more: whoever deleted it did not live to end the share.
    fn share_gone(&self, share: &Share) -> Option<EndpointId> {
        let ends = [share.plan.source, share.plan.destination];
        ends.into_iter().find(|id| {
            let entry = self.registry.endpoint(*id);
            entry.is_none_or(|entry| entry.endpoint.status == EndpointStatus::Deleted)
        })
    }

    /// Forgets shares that ended long ago, after their jobs.
    pub(super) async fn forget_shares(&self, tx: &mut Tx) -> Result<()> {
        let keep = SignedDuration::try_from(self.options.jobs.keep).unwrap_or(SignedDuration::MAX);
        let before = self.now().checked_sub(keep).unwrap_or(Timestamp::MIN);
        store::share::expire(tx, before, DUE_MAX).await?;
        Ok(())
    }
}
