//! Who runs the flow of which shard, where several processes share the engines.
//!
//! ```text
//!   every fifth of a lease:  raise the beat of what I hold  ─▶  look at everybody's beats
//!                            ─▶  give up what is more than my share  ─▶  take what is nobody's, or whose beat stands still
//! ```
//!
//! There is no leader and no clock that two processes share: a lease whose beat has not moved for as long as a lease
//! lasts, by the watch of the one who looks, is taken. Leases save work; what keeps a process that was paused or cut
//! off from doing harm is the epoch: every checkpoint names the one it was taken under, and is refused when there is a
//! newer one. Between two renewals a process also stops by itself in time ([`crate::flow::Flow::is_live`]).

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use store::lease::{Lease, Process};

use super::Shard;
use crate::{Hub, Result};

/// The role of a process that runs flows, in what it says of itself.
const FLOW: &str = "flow";
/// A process is forgotten when its beat has stood still for so many leases.
const FORGET_AFTER: u32 = 20;

/// What one look at the leases did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LeaseReport {
    pub held: usize,
    pub taken: Vec<Shard>,
    /// Given up so that others have their share.
    pub released: Vec<Shard>,
    /// Others took them.
    pub lost: Vec<Shard>,
}

/// Since when a beat stands still, by our own watch.
#[derive(Debug)]
struct Still {
    seen: (i64, i64),
    since: Duration,
}

/// The beats that were seen so far.
#[derive(Debug, Default)]
pub(crate) struct Beats {
    leases: HashMap<i64, Still>,
    processes: HashMap<String, Still>,
}

impl Beats {
    /// How long this lease's beat has stood still.
    fn lease(&mut self, lease: &Lease, now: Duration) -> Duration {
        let seen = (lease.epoch, lease.beat);
        still(self.leases.entry(lease.shard), seen, now)
    }

    fn process(&mut self, process: &Process, now: Duration) -> Duration {
        still(
            self.processes.entry(process.id.clone()),
            (0, process.beat),
            now,
        )
    }
}

fn still<K>(
    entry: std::collections::hash_map::Entry<'_, K, Still>,
    seen: (i64, i64),
    now: Duration,
) -> Duration {
    let known = entry.or_insert(Still { seen, since: now });
    if known.seen != seen {
        *known = Still { seen, since: now };
    }
    now - known.since
}

/// What to do, from what was seen.
#[derive(Debug, PartialEq, Eq, Default)]
struct Plan {
    take: Vec<i64>,
    release: usize,
}

/// `free` are the shards that may be taken, `held` how many are ours, `runners` how many processes share `shards`.
fn plan(free: &[i64], held: usize, runners: usize, shards: usize) -> Plan {
    let share = shards.div_ceil(runners.max(1));
    let wanted = share.saturating_sub(held);
    Plan {
        take: free.iter().copied().take(wanted).collect(),
        release: held.saturating_sub(share),
    }
}

impl Hub {
    /// Renews, gives up and takes leases. Nothing to do for a process that is alone: it holds every shard for good.
    pub async fn lease(&self) -> Result<LeaseReport> {
        let mut report = LeaseReport::default();
        if !self.is_shared() || !self.runs_flow() {
            report.held = self.flow.held().len();
            return Ok(report);
        }
        let mut beats = self.flow.leasing.lock().await;
        report.lost = self.renew().await?;
        let mut tx = self.db.read().await?;
        let leases = store::lease::list(&mut tx).await?;
        let processes = store::lease::processes(&mut tx).await?;
        drop(tx);
        let now = self.clock.watch();
        let lease_time = self.options.processes.lease;
        let mut runners: HashSet<&str> = HashSet::new();
        let mut gone = Vec::new();
        for process in &processes {
            let age = beats.process(process, now);
            let runs = process.roles.split(',').any(|role| role == FLOW);
            if age < lease_time && runs {
                runners.insert(&process.id);
            } else if age > lease_time * FORGET_AFTER {
                gone.push(process);
            }
        }
        let by_shard: HashMap<i64, &Lease> = leases.iter().map(|l| (l.shard, l)).collect();
        let mut free = Vec::new();
        for (shard, _) in self.logs.each() {
            let number = i64::from(shard.0);
            let is_free = match by_shard.get(&number) {
                None => true,
                Some(lease) => {
                    let is_still = beats.lease(lease, now) >= lease_time;
                    lease.owner.is_empty() || (is_still && !self.flow.holds(shard))
                }
            };
            if is_free {
                free.push(number);
            }
        }
        // Not everybody begins with the same one.
        if !free.is_empty() {
            let start = fastrand::usize(..free.len());
            free.rotate_left(start);
        }
        let held = self.flow.held();
        let plan = plan(&free, held.len(), runners.len(), self.logs.count());
        for shard in held.into_iter().rev().take(plan.release) {
            if self.release(shard).await? {
                report.released.push(shard);
            }
        }
        for number in plan.take {
            let shard = Shard(u32::try_from(number).unwrap_or_default());
            if self.take(shard, by_shard.get(&number).copied()).await? {
                report.taken.push(shard);
            }
        }
        self.forget_processes(&gone).await?;
        report.held = self.flow.held().len();
        Ok(report)
    }

    /// This process has the role of running flows.
    pub(crate) fn runs_flow(&self) -> bool {
        let mut roles = self.options.processes.roles.split(',');
        roles.any(|role| role == FLOW)
    }

    /// Says that this process lives and holds what it holds; answers what it holds no more.
    async fn renew(&self) -> Result<Vec<Shard>> {
        let begun = self.clock.watch();
        let mut lost = Vec::new();
        let mut tx = self.db.begin().await?;
        store::lease::beat(&mut tx, &self.process, &self.options.processes.roles).await?;
        for (shard, epoch) in self.flow.tenures() {
            if !store::lease::hold(&mut tx, shard.0.into(), epoch).await? {
                lost.push(shard);
            }
        }
        tx.commit().await?;
        self.flow
            .renewed(begun, self.options.processes.lease, &self.clock);
        for &shard in &lost {
            self.lose(shard);
        }
        Ok(lost)
    }

    /// Another process took a shard over.
    pub(crate) fn lose(&self, shard: Shard) {
        tracing::warn!(shard = shard.0, "another process took this shard over");
        self.metrics.shards_lost.inc();
        self.flow.drop_shard(&self.logs, shard);
    }

    async fn take(&self, shard: Shard, seen: Option<&Lease>) -> Result<bool> {
        let mut tx = self.db.begin().await?;
        let epoch = store::lease::take(&mut tx, shard.0.into(), &self.process, seen).await?;
        let Some(epoch) = epoch else {
            return Ok(false);
        };
        tx.commit().await?;
        self.logs.at(shard).latest().await?;
        // What its publishers and subscribers are, others may have changed.
        self.follow().await?;
        self.load_shard(shard, epoch).await?;
        tracing::info!(shard = shard.0, epoch, "this process runs the shard");
        Ok(true)
    }

    /// Ends the work on a shard in order: calls under way are answered, where it stands is saved, and then it is given
    /// up. `false`: not yet.
    async fn release(&self, shard: Shard) -> Result<bool> {
        if !self.flow.leave(&self.logs, shard) {
            return Ok(false);
        }
        self.give_up(shard).await?;
        Ok(true)
    }

    /// Saves where a shard stands, and gives it up, with calls under way or not.
    pub(crate) async fn give_up(&self, shard: Shard) -> Result<()> {
        self.checkpoint().await?;
        let Some(epoch) = self.flow.drop_shard(&self.logs, shard) else {
            return Ok(());
        };
        let mut tx = self.db.begin().await?;
        store::lease::release(&mut tx, shard.0.into(), epoch).await?;
        tx.commit().await?;
        tracing::info!(shard = shard.0, "this process gave the shard up");
        Ok(())
    }

    /// Gives up everything: this process ends.
    pub(crate) async fn leave(&self) -> Result<()> {
        if !self.is_shared() {
            return Ok(());
        }
        for shard in self.flow.held() {
            self.give_up(shard).await?;
        }
        let mut tx = self.db.begin().await?;
        store::lease::forget(&mut tx, &self.process, None).await?;
        Ok(tx.commit().await?)
    }

    async fn forget_processes(&self, gone: &[&Process]) -> Result<()> {
        if gone.is_empty() {
            return Ok(());
        }
        let mut tx = self.db.begin().await?;
        for process in gone {
            store::lease::forget(&mut tx, &process.id, Some(process.beat)).await?;
        }
        Ok(tx.commit().await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_shared_evenly() {
        let all: Vec<i64> = (0..16).collect();
        assert_eq!(plan(&all, 0, 1, 16).take.len(), 16, "alone");
        assert_eq!(plan(&all, 0, 3, 16).take.len(), 6);
        assert_eq!(plan(&[], 16, 2, 16).release, 8, "another joined");
        assert_eq!(plan(&[3, 4], 6, 2, 16).take, [3, 4], "another left");
        assert_eq!(plan(&[], 6, 3, 16), Plan::default(), "as it should be");
        assert_eq!(
            plan(&[1], 0, 0, 16).take,
            [1],
            "before anybody has said that he lives"
        );
    }

    #[test]
    fn a_beat_that_moves_is_not_still() {
        let mut beats = Beats::default();
        let begin = Duration::ZERO;
        let mut lease = Lease {
            shard: 1,
            owner: "a".into(),
            epoch: 1,
            beat: 1,
        };
        let second = Duration::from_secs(1);
        assert_eq!(beats.lease(&lease, begin), Duration::ZERO, "seen now");
        assert_eq!(beats.lease(&lease, begin + 4 * second), 4 * second);
        lease.beat = 2;
        assert_eq!(beats.lease(&lease, begin + 5 * second), Duration::ZERO);
        lease.epoch = 2;
        lease.beat = 2;
        assert_eq!(beats.lease(&lease, begin + 7 * second), Duration::ZERO);
    }
}
