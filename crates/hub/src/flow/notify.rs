//! Sends what is in the outbox: notifications, connect calls and mails.
//!
//! What is due is grouped in **lanes**: the notifications of one endpoint are one, so their first attempts are made in the
//! order of the changes, and an endpoint that is slow holds up only its own. A lane has one sender at a time, which
//! claims one row, sends it and enters how that ended; there are at most [`SENDERS_MAX`], of which retries and single
//! accounts get a part. A claim is a row's own: a process that dies leaves it until its time is up, and of two processes
//! only one has it. Attempts are made on the schedule of events. Called by `run`, and by tests through [`Hub::settle`].

mod send;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::AccountId;
use model::retry::{Next, Verdict};
use store::delivery::Attempt;
use store::outbox::{Claimant, Lane, OutboxRow, OutboxState};
use tokio::sync::Notify;

use crate::{Hub, Result, Scope};
use send::Ended;

/// Lanes that are served at once: a stranger who does not answer takes one up for as long as calls may take.
const SENDERS_MAX: usize = 64;
/// Of these, lanes that have only retries: strangers who are down must not take the room of all others.
const RETRIERS_MAX: usize = SENDERS_MAX / 2;
/// Of these, lanes of one account.
const SENDERS_PER_ACCOUNT_MAX: usize = SENDERS_MAX / 4;
/// Lanes looked at in one step.
const LANES_MAX: i64 = 1_000;
/// Longest a sender may take, in timeouts of one call: a token, the call, and both again when the token is refused, each
/// perhaps asked for twice; and a rest.
const CLAIM_TIMEOUTS: u32 = 8;
/// While there is no mail server, a mail is looked at so often, for as long as it takes.
const NO_SERVER_PAUSE: jiff::SignedDuration = jiff::SignedDuration::from_mins(5);
/// A refresh token that was rotated and not used for so long is forgotten.
const GRANT_DAYS: i64 = 400;

/// What one look at the outbox did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NotifyReport {
    /// Lanes for which a sender was started.
    pub lanes: usize,
    /// Nothing is due, and nothing is being sent.
    pub is_idle: bool,
}

/// Which lanes are being served.
#[derive(Default)]
pub(super) struct Senders {
    busy: Mutex<HashMap<String, Busy>>,
    nudge: Notify,
    /// Of which lanes people have been told that something is wrong.
    told: Mutex<HashSet<String>>,
}

#[derive(Debug, Clone, Copy)]
struct Busy {
    account: AccountId,
    is_retry: bool,
}

impl Senders {
    fn busy(&self) -> MutexGuard<'_, HashMap<String, Busy>> {
        self.busy.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn told(&self) -> MutexGuard<'_, HashSet<String>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a lane a sender, if it has none and there is room.
    fn begin(&self, lane: &Lane) -> bool {
        let mut busy = self.busy();
        let new = Busy {
            account: account_of(lane.account),
            is_retry: !lane.has_first,
        };
        let count = |is: &dyn Fn(&Busy) -> bool| busy.values().filter(|busy| is(busy)).count();
        let has_room = count(&|_| true) < SENDERS_MAX
            && count(&|busy| busy.account == new.account) < SENDERS_PER_ACCOUNT_MAX
            && (!new.is_retry || count(&|busy| busy.is_retry) < RETRIERS_MAX);
        if !has_room || busy.contains_key(&lane.lane) {
            return false;
        }
        busy.insert(lane.lane.clone(), new);
        true
    }

    pub(super) fn is_quiet_for(&self, is: impl Fn(AccountId) -> bool) -> bool {
        !self.busy().values().any(|busy| is(busy.account))
    }
}

/// What is the operator's own goes with the first shard.
fn account_of(account: Option<AccountId>) -> AccountId {
    account.unwrap_or(AccountId(0))
}

/// A lane that is being served; free again when dropped, however the sender ends.
struct Serving {
    hub: Arc<Hub>,
    lane: String,
}

impl Drop for Serving {
    fn drop(&mut self) {
        let flow = &self.hub.flow;
        flow.notify.busy().remove(&self.lane);
        flow.nudge_notify();
        flow.changed.notify_waiters();
    }
}

impl super::Flow {
    pub(crate) fn nudge_notify(&self) {
        self.notify.nudge.notify_one();
    }

    pub(super) async fn notify_nudged(&self) {
        self.notify.nudge.notified().await;
    }

    pub(super) fn notify_is_quiet(&self) -> bool {
        self.notify.busy().is_empty()
    }
}

impl Hub {
    /// Starts a sender for each lane in which something is due, as far as there is room.
    pub async fn notify(self: &Arc<Self>) -> Result<NotifyReport> {
        let mut report = NotifyReport::default();
        if self.flow.is_stopping() || !self.flow.is_live(&self.clock) {
            report.is_idle = self.flow.notify_is_quiet();
            return Ok(report);
        }
        let mut tx = self.db.read().await?;
        let now = self.now();
        let lanes = store::outbox::due_lanes(&mut tx, self.claimant(), now, LANES_MAX).await?;
        drop(tx);
        for lane in lanes {
            let is_ours = self.flow.runs(self.logs.shard(account_of(lane.account)));
            if !is_ours || !self.flow.notify.begin(&lane) {
                continue;
            }
            report.lanes += 1;
            let serving = Serving {
                hub: Arc::clone(self),
                lane: lane.lane,
            };
            tokio::spawn(async move {
                let hub = &serving.hub;
                if let Err(error) = hub.serve(&serving.lane).await {
                    // The claim ends by itself, and then it is tried again.
                    tracing::error!(
                        lane = serving.lane,
                        error = &error as &dyn std::error::Error,
                        "something in the outbox could not be sent, and is tried again"
                    );
                }
            });
        }
        report.is_idle = report.lanes == 0 && self.flow.notify_is_quiet();
        Ok(report)
    }

    fn claimant(&self) -> Claimant<'_> {
        Claimant {
            process: &self.process,
            is_alone: !self.is_shared(),
        }
    }

    /// Sends the next thing in a lane.
    async fn serve(&self, lane: &str) -> Result<()> {
        let now = self.now();
        let until = now + self.options.delivery.timeout * CLAIM_TIMEOUTS;
        let mut tx = self.db.begin().await?;
        let claimed = store::outbox::claim(&mut tx, lane, self.claimant(), (now, until)).await?;
        tx.commit().await?;
        let Some(mut row) = claimed else {
            return Ok(());
        };
        let ended = self.send_row(&row).await?;
        let notice = self.judge(lane, &mut row, ended);
        let notice = notice.filter(|notice| self.is_news(lane, &row, notice));
        self.metrics.told(row.state);
        let mut tx = self.db.begin().await?;
        if !store::outbox::finish(&mut tx, &self.process, &row).await? {
            tracing::warn!(
                outbox_id = row.id.0,
                "another process has sent this, too: it took this one for dead"
            );
            return Ok(());
        }
        if let (Some((kind, message)), Some(account)) = (&notice, row.account) {
            let scope = Scope(account);
            store::notice::insert(&mut tx, scope, row.endpoint, kind, message, self.now()).await?;
        }
        Ok(tx.commit().await?)
    }

    /// Enters how an attempt ended; answers what people should be told of it.
    fn judge(
        &self,
        lane: &str,
        row: &mut OutboxRow,
        ended: Ended,
    ) -> Option<(&'static str, String)> {
        let now = self.now();
        let Ended::Tried {
            verdict,
            attempt,
            retry_after,
        } = ended
        else {
            close(row, OutboxState::Dropped, now);
            return None;
        };
        let needs_people = attempt.failure.as_deref().is_some_and(send::needs_people);
        let waits_for_server = attempt.failure.as_deref() == Some(send::NO_SERVER);
        let why = said(&attempt);
        row.record(attempt);
        let what = format!("{} {} ({})", row.kind.as_str(), row.id, row.summary);
        let next = match verdict {
            Verdict::Delivered => {
                close(row, OutboxState::Sent, now);
                let of_lane = format!("{lane} ");
                self.flow
                    .notify
                    .told()
                    .retain(|told| !told.starts_with(&of_lane));
                return None;
            }
            Verdict::Refused | Verdict::Gone => Next::GiveUp,
            Verdict::Retry if waits_for_server => Next::At(now + NO_SERVER_PAUSE),
            Verdict::Retry => self.options.delivery.retry.next(
                row.attempts,
                row.first_attempt_at.unwrap_or(now),
                now,
                retry_after,
                fastrand::f64(),
            ),
        };
        match next {
            Next::At(at) => {
                row.next_attempt_at = Some(at);
                let message = format!("{what} waits and is tried again: {why}");
                needs_people.then_some(("outbox-waiting", message))
            }
            Next::GiveUp => {
                close(row, OutboxState::Dead, now);
                let message = format!("{what} could not be sent and is kept: {why}");
                Some(("outbox-dead", message))
            }
        }
    }

    /// Whether people have not been told the like of this lane since it last went well. Logs it in any case.
    fn is_news(
        &self,
        lane: &str,
        row: &OutboxRow,
        (kind, message): &(&'static str, String),
    ) -> bool {
        tracing::warn!(
            outbox_id = row.id.0,
            account_id = row.account.map(|id| id.0),
            kind,
            "{message}"
        );
        self.flow.notify.told().insert(format!("{lane} {kind}"))
    }

    /// Forgets what was sent long ago, and what signed in for it.
    pub(super) async fn forget_told(&self, tx: &mut engine::Tx) -> Result<()> {
        let now = self.now();
        let retention = &self.options.retention;
        let (sent, dead) = (now - retention.age, now - retention.backlog_age_max);
        store::outbox::expire(tx, sent, dead, super::retire::STEP).await?;
        store::notification::forget_deleted(tx, now - retention.deleted_grace).await?;
        let unused = now - jiff::SignedDuration::from_hours(24 * GRANT_DAYS);
        Ok(store::oauth::expire(tx, unused).await?)
    }
}

/// It is not tried again.
fn close(row: &mut OutboxRow, state: OutboxState, now: jiff::Timestamp) {
    row.state = state;
    row.next_attempt_at = None;
    row.ended_at = Some(now);
}

/// What came of an attempt, in a sentence.
fn said(attempt: &Attempt) -> String {
    match attempt.status {
        Some(status) => format!("the answer was {status} {}", attempt.detail),
        None => attempt.detail.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(name: usize, account: i64, has_first: bool) -> Lane {
        Lane {
            lane: format!("endpoint {name}"),
            account: Some(AccountId(account)),
            has_first,
        }
    }

    #[test]
    fn a_lane_has_one_sender() {
        let senders = Senders::default();
        assert!(senders.begin(&lane(1, 1, true)));
        assert!(!senders.begin(&lane(1, 1, true)));
        assert!(!senders.is_quiet_for(|account| account == AccountId(1)));
        assert!(senders.is_quiet_for(|account| account == AccountId(2)));
        senders.busy().remove("endpoint 1");
        assert!(senders.begin(&lane(1, 1, false)));
    }

    #[test]
    fn neither_an_account_nor_retries_take_all_the_room() {
        let senders = Senders::default();
        let begun = (0..100)
            .filter(|n| senders.begin(&lane(*n, 1, true)))
            .count();
        assert_eq!(begun, SENDERS_PER_ACCOUNT_MAX);
        let account = |n: usize| i64::try_from(n).expect("small");
        let begun = (100..200).filter(|n| senders.begin(&lane(*n, account(*n), false)));
        assert_eq!(begun.count(), RETRIERS_MAX);
        let begun = (200..300).filter(|n| senders.begin(&lane(*n, account(*n), true)));
        assert_eq!(
            begun.count(),
            SENDERS_MAX - RETRIERS_MAX - SENDERS_PER_ACCOUNT_MAX
        );
    }
}
