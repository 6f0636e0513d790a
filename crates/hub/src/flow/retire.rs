//! Retention: trims the log by age and size, never past what an enabled destination still needs up to the
//! operator's limit, and forgets what refers to what is gone.

use std::collections::HashMap;

use engine::Position;
use model::{AccountId, EndpointId, EndpointStatus};

use crate::shard::Shard;
use crate::{Hub, Result, Scope};

/// Keys and files forgotten in one step at most, so that it never takes long.
pub(super) const STEP: i64 = 10_000;
/// Batches removed between two looks at the size of a log that is too large.
const SLICE_BATCHES: u64 = 256;
/// A destination is told of when its backlog has used up this part of what the operator allows.
const WARN_AT: f64 = 0.5;

/// What one step of retention did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RetireReport {
    pub batches: u64,
    /// Documents that a destination had not got and never will.
    pub expired: u64,
    pub keys: u64,
    pub files: u64,
    pub jobs: u64,
}

/// Documents given up, by destination.
type Expired = HashMap<(AccountId, EndpointId), u64>;

impl Hub {
    /// Trims the logs of the shards that run here, and forgets what is old.
    pub async fn retire(&self) -> Result<RetireReport> {
        let now = self.now();
        let mut report = RetireReport::default();
        let mut expired = Expired::new();
        let mut trimmed = Ok(());
        for shard in self.flow.held() {
            if self.flow.is_live(&self.clock) {
                trimmed = trimmed.and(self.trim_all(shard, &mut report, &mut expired).await);
            }
        }
        report.expired = self.tell_of_expired(expired).await?;
        trimmed?;
        self.drop_deleted().await?;
        self.warn_of_backlogs().await?;
        report.jobs = self.retire_jobs().await?;
        let mut tx = self.db.begin().await?;
        self.forget_quotas(&mut tx).await?;
        self.forget_told(&mut tx).await?;
        self.forget_shares(&mut tx).await?;
        report.keys = store::dedupe::expire(&mut tx, now, STEP).await?;
        let keep = self.options.files.keep;
        let old = store::event_file::older_than(&mut tx, now - keep, STEP).await?;
        for file in &old {
            store::event_file::delete(&mut tx, Scope(file.account), file.endpoint, &file.name)
                .await?;
        }
        tx.commit().await?;
        for file in &old {
            let key = super::pack::blob_key(file.account, file.endpoint, &file.name);
            if let Err(error) = self.blobs.delete(&key).await {
                tracing::warn!(
                    key,
                    error = &error as &dyn std::error::Error,
                    "an old event file could not be removed"
                );
            }
            report.files += 1;
        }
        Ok(report)
    }

    /// Trims one shard's log by age, then by size.
    async fn trim_all(
        &self,
        shard: Shard,
        report: &mut RetireReport,
        expired: &mut Expired,
    ) -> Result<()> {
        let log = self.logs.at(shard);
        log.latest().await?;
        // Also what an earlier trim took, if a crash came before the flow was saved without it.
        self.expire(shard, log.ends().first_seq, expired);
        let before = self.trim_before(shard).await?;
        self.trim(shard, before, report, expired).await?;
        let bytes_max = self.options.retention.log_bytes_max / self.logs.count() as u64;
        // Slice by slice: numbers say nothing about sizes, least of all behind the gap that a restored log has.
        while log.ends().bytes > bytes_max {
            let unrouted = self.flow.saved_seq(shard);
            let before = (log.ends().first_seq + SLICE_BATCHES).min(unrouted);
            if !self.trim(shard, before, report, expired).await? {
                break;
            }
        }
        Ok(())
    }

    /// Removes the batches before this one, and what refers to them; false if there were none.
    async fn trim(
        &self,
        shard: Shard,
        before: u64,
        report: &mut RetireReport,
        expired: &mut Expired,
    ) -> Result<bool> {
        let log = self.logs.at(shard);
        if before <= log.ends().first_seq {
            return Ok(false);
        }
        self.expire(shard, before, expired);
        report.batches += log.trim(before).await?;
        self.forget_before(shard, Position::new(before, 0).as_u64())
            .await?;
        Ok(true)
    }

    /// Drops what waits of the batches before this one.
    fn expire(&self, shard: Shard, before: u64, expired: &mut Expired) {
        let position = Position::new(before, 0).as_u64();
        for destination in self.flow.state().schedule.destinations.values_mut() {
            if self.logs.shard(destination.account) != shard {
                continue;
            }
            let count = destination.expire(position);
            if count > 0 {
                *expired
                    .entry((destination.account, destination.id))
                    .or_default() += count;
            }
        }
    }

    /// Batches before this one may go by age.
    async fn trim_before(&self, shard: Shard) -> Result<u64> {
        let now = self.now();
        let options = &self.options.retention;
        let log = self.logs.at(shard);
        let by_age = log.find_time(now - options.age).await?;
        let by_limit = log.find_time(now - options.backlog_age_max).await?;
        let before = {
            let state = self.flow.state();
            let open = state
                .schedule
                .destinations
                .values()
                .filter(|d| d.is_open && self.logs.shard(d.account) == shard);
            let needed = open
                .filter_map(super::Destination::needs_from)
                .map(|p| Position::from_u64(p).seq())
                .min();
            // What the router has not seen is never trimmed; the limit cuts what is needed, not what is unrouted nor
            // what is kept for its age.
            let needed = needed.unwrap_or(u64::MAX).max(by_limit);
            let saved_seq = state.held.get(&shard).map_or(0, |held| held.saved_seq);
            by_age.min(needed).min(saved_seq)
        };
        Ok(before)
    }

    /// Tells whoever looks after a destination that it has lost events; answers how many in all.
    async fn tell_of_expired(&self, expired: Expired) -> Result<u64> {
        let total = expired.values().sum();
        self.metrics.expired.inc_by(total);
        for ((account, endpoint), count) in expired {
            let message = format!(
                "{count} events that had waited too long for this destination were given up: the log is kept no longer (retention)"
            );
            self.notify_people(Scope(account), Some(endpoint), "backlog-expired", &message)
                .await?;
        }
        Ok(total)
    }

    /// Drops what waits for endpoints that were deleted a grace period ago, and their event files.
    async fn drop_deleted(&self) -> Result<()> {
        let before = self.now() - self.options.retention.deleted_grace;
        for entry in self.registry.endpoints() {
            let endpoint = &entry.endpoint;
            let runs_here = self.flow.holds(self.logs.shard(endpoint.account));
            let is_due =
                endpoint.status == EndpointStatus::Deleted && endpoint.updated_at <= before;
            if !is_due || !runs_here {
                continue;
            }
            self.flow_drop(endpoint.id);
            let scope = Scope(endpoint.account);
            loop {
                let names = self.event_file_names(scope, endpoint.id, STEP).await?;
                if names.is_empty() {
                    break;
                }
                for name in names {
                    self.event_file_delete(scope, endpoint.id, &name).await?;
                }
            }
        }
        Ok(())
    }

    /// Forgets rows that refer to what the log no longer holds.
    async fn forget_before(&self, shard: Shard, before: u64) -> Result<()> {
        let mut tx = self.db.begin().await?;
        store::delivery::trim(&mut tx, self.logs.part(shard), before).await?;
        let ended = self.registry.subscriptions_where(|s| {
            s.deleted
                && self.logs.shard(s.account) == shard
                && s.spans
                    .iter()
                    .all(|span| span.to.is_some_and(|to| to <= before))
        });
        for subscription in &ended {
            store::subscription::forget(&mut tx, Scope(subscription.account), subscription.id)
                .await?;
        }
        tx.commit().await?;
        for subscription in &ended {
            self.registry.forget_subscription(subscription);
        }
        Ok(())
    }

    /// Tells, once, of destinations that are on the way to losing events.
    async fn warn_of_backlogs(&self) -> Result<()> {
        let limit = self.options.retention.backlog_age_max;
        let warn_after = limit.mul_f64(WARN_AT);
        // By the log's times: those of the flow do not outlive a restart.
        let mut recent: HashMap<Shard, u64> = HashMap::new();
        for shard in self.flow.held() {
            let found = self.logs.at(shard).find_time(self.now() - warn_after);
            recent.insert(shard, found.await?);
        }
        let mut behind: Vec<(AccountId, EndpointId)> = Vec::new();
        for destination in self.flow.state().schedule.destinations.values_mut() {
            let is_behind = destination.is_open
                && destination
                    .needs_from()
                    .zip(recent.get(&self.logs.shard(destination.account)))
                    .is_some_and(|(first, recent)| Position::from_u64(first).seq() < *recent);
            if is_behind && !destination.is_warned {
                behind.push((destination.account, destination.id));
            }
            destination.is_warned = is_behind;
        }
        for (account, endpoint) in behind {
            let message = format!(
                "events have waited {} h and more for this destination; after {} h they are given up: repair it or disable it",
                warn_after.as_secs() / 3600,
                limit.as_secs() / 3600
            );
            self.notify_people(Scope(account), Some(endpoint), "backlog-old", &message)
                .await?;
        }
        Ok(())
    }
}
