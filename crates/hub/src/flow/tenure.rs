//! Which shards this process runs: loaded when they are taken, dropped when they are given up or lost.
//!
//! A process that is alone loads every shard at its start and keeps them. Where others share the engines,
//! `shard/lease` decides; here is what that means for the flow.

use std::collections::HashMap;
use std::time::Duration;

use engine::Clock;

use super::{Flow, Found, Held, PoisonError};
use crate::shard::{Logs, Shard};
use crate::{Hub, Result};

/// What part of a lease may pass before a process that could not renew stops working by itself: early enough that
/// what it has just begun is sent before another one takes over.
const LIVE_PART: f64 = 0.7;

impl Flow {
    pub(super) fn routing(&self, shard: Shard) -> &tokio::sync::Mutex<()> {
        &self.routing[shard.0 as usize % self.routing.len()]
    }

    /// The shards that are held, in their order.
    pub(crate) fn held(&self) -> Vec<Shard> {
        self.state().held.keys().copied().collect()
    }

    pub(crate) fn holds(&self, shard: Shard) -> bool {
        self.state().held.contains_key(&shard)
    }

    /// A shard is held, and not about to be given up: new work may be begun for it.
    pub(super) fn runs(&self, shard: Shard) -> bool {
        let state = self.state();
        state.held.get(&shard).is_some_and(|held| !held.is_leaving)
    }

    /// Under which epoch a shard is held, if new work may be begun for it.
    pub(super) fn epoch(&self, shard: Shard) -> Option<i64> {
        let state = self.state();
        let held = state.held.get(&shard).filter(|held| !held.is_leaving);
        held.map(|held| held.epoch)
    }

    /// What is held, and under which epoch.
    pub(crate) fn tenures(&self) -> Vec<(Shard, i64)> {
        let state = self.state();
        state
            .held
            .iter()
            .map(|(s, held)| (*s, held.epoch))
            .collect()
    }

    /// The first batch of a shard whose by-products the store does not have.
    pub(crate) fn saved_seq(&self, shard: Shard) -> u64 {
        let state = self.state();
        state.held.get(&shard).map_or(0, |held| held.saved_seq)
    }

    /// All leases were renewed by something that was begun at this time. What stood still since they lapsed, if they
    /// did, goes on: nobody else would tell it.
    pub(crate) fn renewed(&self, begun: Duration, lease: Duration, clock: &Clock) {
        let until = begun + lease.mul_f64(LIVE_PART);
        let before = self
            .live_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .replace(until);
        if before.is_some_and(|before| clock.watch() >= before) {
            self.held.send_modify(|_| ());
            self.pump.notify_one();
        }
    }

    /// Whether what is held may be worked on: the leases were renewed not long ago, or there are none.
    pub(crate) fn is_live(&self, clock: &Clock) -> bool {
        let until = *self
            .live_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        until.is_none_or(|until| clock.watch() < until)
    }

    /// Begins to leave a shard: nothing new is begun for it. Whether nothing is under way any more.
    pub(crate) fn leave(&self, logs: &Logs, shard: Shard) -> bool {
        let mut state = self.state();
        let Some(held) = state.held.get_mut(&shard) else {
            return true;
        };
        held.is_leaving = true;
        let mut is_quiet = true;
        for destination in state.schedule.destinations.values_mut() {
            if logs.shard(destination.account) == shard {
                destination.is_open = false;
                is_quiet &= destination.in_flight == 0;
            }
        }
        is_quiet
            && self
                .notify
                .is_quiet_for(|account| logs.shard(account) == shard)
            && self
                .jobs
                .is_quiet_for(|account| logs.shard(account) == shard)
    }

    /// Forgets a shard; answers the epoch under which it was held.
    pub(crate) fn drop_shard(&self, logs: &Logs, shard: Shard) -> Option<i64> {
        let mut state = self.state();
        let held = state.held.remove(&shard)?;
        state
            .schedule
            .forget(|account| logs.shard(account) == shard);
        let count = state.held.len();
        drop(state);
        self.held.send_replace(count);
        Some(held.epoch)
    }
}

impl Hub {
    /// Takes up a shard where its last checkpoint left it.
    pub(crate) async fn load_shard(&self, shard: Shard, epoch: i64) -> Result<()> {
        let part = self.logs.part(shard);
        let mut tx = self.db.read().await?;
        let chunks = store::flow::chunks(&mut tx, part).await?;
        let retrying = store::delivery::retrying(&mut tx, part).await?;
        let next_seq = store::flow::cursor(&mut tx, shard.0.into()).await?;
        drop(tx);
        self.pass_lost_end(shard, next_seq).await?;
        // Others may have learned since it was held here.
        self.identity
            .forget_where(|account| self.logs.shard(account) == shard);
        {
            let mut state = self.flow.state();
            for (account, chunk) in chunks {
                let destination = state.schedule.destination(chunk.endpoint, account);
                destination
                    .pending
                    .load(chunk.chunk, &chunk.bits)
                    .map_err(crate::Error::internal)?;
            }
            for exception in retrying {
                state
                    .schedule
                    .destination(exception.endpoint, exception.account)
                    .load_exception(exception);
            }
            let held = Held {
                epoch,
                is_leaving: false,
                next_seq,
                saved_seq: next_seq,
                found: Found::default(),
                recent: HashMap::new(),
            };
            state.held.insert(shard, held);
            let count = state.held.len();
            self.flow.held.send_replace(count);
        }
        for entry in self.registry.endpoints() {
            if self.logs.shard(entry.endpoint.account) == shard {
                self.flow_refresh(entry.endpoint.id);
            }
        }
        Ok(())
    }
}
