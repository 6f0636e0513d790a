//! Retention: trims the log by age and size, never past what an enabled destination still needs up to the
//! operator's limit, and forgets what refers to what is gone.

use std::collections::HashMap;
use std::time::Duration;

use engine::Position;
use model::{AccountId, EndpointId, EndpointStatus};

use crate::{Hub, Result, Scope};

/// Keys and files forgotten in one step at most, so that it never takes long.
const STEP: i64 = 10_000;
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
}

impl Hub {
    pub async fn retire(&self) -> Result<RetireReport> {
        let now = self.now();
        let mut report = RetireReport::default();
        let before = self.trim_before().await?;
        if before > self.log.ends().first_seq {
            report.expired = self
                .expire_before(Position::new(before, 0).as_u64())
                .await?;
            report.batches = self.log.trim(before).await?;
            self.forget_before(Position::new(before, 0).as_u64())
                .await?;
        }
        self.drop_deleted().await?;
        self.warn_of_backlogs().await?;
        let mut tx = self.db.begin().await?;
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

    /// Batches before this one may go.
    async fn trim_before(&self) -> Result<u64> {
        let now = self.now();
        let options = &self.options.retention;
        let by_age = self.log.find_time(now - options.age).await?;
        let by_limit = self.log.find_time(now - options.backlog_age_max).await?;
        let mut before = {
            let state = self.flow.state();
            let open = state.schedule.destinations.values().filter(|d| d.is_open);
            let needed = open
                .filter_map(super::Destination::needs_from)
                .map(|p| Position::from_u64(p).seq())
                .min();
            let kept = by_age.min(needed.unwrap_or(u64::MAX));
            // What the router has not seen is never trimmed; the limit cuts what is needed, not what is unrouted.
            kept.max(by_limit).min(state.saved_seq)
        };
        let ends = self.log.ends();
        if ends.bytes > options.log_bytes_max && ends.next_seq > ends.first_seq {
            // In proportion: batches are much alike in size, and the next step corrects what was guessed.
            let over = u128::from(ends.bytes - options.log_bytes_max);
            let batches = u128::from(ends.next_seq - ends.first_seq);
            let cut = u64::try_from(over * batches / u128::from(ends.bytes)).unwrap_or(0) + 1;
            before = before
                .max(ends.first_seq + cut)
                .min(self.flow.state().saved_seq);
        }
        Ok(before)
    }

    async fn expire_before(&self, before: u64) -> Result<u64> {
        let mut expired: HashMap<(AccountId, EndpointId), u64> = HashMap::new();
        for destination in self.flow.state().schedule.destinations.values_mut() {
            let count = destination.expire(before);
            if count > 0 {
                expired.insert((destination.account, destination.id), count);
            }
        }
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
            if endpoint.status != EndpointStatus::Deleted || endpoint.updated_at > before {
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
    async fn forget_before(&self, before: u64) -> Result<()> {
        let mut tx = self.db.begin().await?;
        store::delivery::trim(&mut tx, before).await?;
        let ended = self.registry.subscriptions_where(|s| {
            s.deleted
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
        let now = self.now();
        let limit = self.options.retention.backlog_age_max;
        let mut behind: Vec<(AccountId, EndpointId, Duration)> = Vec::new();
        for destination in self.flow.state().schedule.destinations.values_mut() {
            let Some(age) = destination.waiting_for(now) else {
                destination.is_warned = false;
                continue;
            };
            if destination.is_open
                && !destination.is_warned
                && age.as_secs_f64() > limit.as_secs_f64() * WARN_AT
            {
                destination.is_warned = true;
                behind.push((destination.account, destination.id, age));
            }
        }
        for (account, endpoint, age) in behind {
            let message = format!(
                "events have waited {} h for this destination; after {} h they are given up: repair it or disable it",
                age.as_secs() / 3600,
                limit.as_secs() / 3600
            );
            self.notify_people(Scope(account), Some(endpoint), "backlog-old", &message)
                .await?;
        }
        Ok(())
    }
}
