//! Reads the log past what is damaged.
//!
//! A batch whose stored bytes are damaged (a disk that lies, a hand that slipped) cannot be delivered by waiting: it is
//! passed over, counted and said once, and what waits of it is given up and told of, so that one bad sector never stops
//! the exchange. What cannot be read *just now* is another matter: those errors are handed on, and tried again.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use engine::{Batch, LogError};
use model::AccountId;

use crate::Hub;
use crate::shard::Shard;

/// Numbers left behind a lost end of a log: more batches than were between the last checkpoint and the loss.
const GAP: u64 = 1 << 32;

/// The damaged batches that were met since the start.
#[derive(Default)]
pub(super) struct Damaged(Mutex<BTreeSet<(Shard, u64)>>);

impl Hub {
    /// When a shard is taken up: a log that ends before what was routed has lost its newest batches (its write-ahead
    /// file is gone, or an old copy of it was put in its place). Their numbers are not given out again: what got them would lie
    /// before the cursor and never be routed, and would be taken by receivers for what they had.
    pub(crate) async fn pass_lost_end(&self, shard: Shard, routed: u64) -> crate::Result<()> {
        let log = self.logs.at(shard);
        let next_seq = log.latest().await?;
        if next_seq < routed {
            tracing::error!(
                %shard,
                next_seq,
                routed,
                "the log has lost its newest batches: is log.db-wal missing, or is log.db an older copy? What was not delivered of them is in a backup, or lost"
            );
            log.skip_to(routed + GAP).await?;
        }
        Ok(())
    }

    /// `Log::read`, going on behind damaged batches.
    pub(crate) async fn read_log(
        &self,
        shard: Shard,
        mut from_seq: u64,
        batches_max: usize,
        bytes_max: usize,
    ) -> Result<Vec<Arc<Batch>>, LogError> {
        loop {
            let read = self.logs.at(shard).read(from_seq, batches_max, bytes_max);
            match read.await {
                Err(LogError::Corrupt { seq, what }) => {
                    self.meet_damage(shard, seq, what);
                    from_seq = seq.max(from_seq) + 1;
                }
                read => return read,
            }
        }
    }

    /// One batch of an account's log, from memory or from the log; `None` when that no longer holds it, or only its
    /// ruins.
    pub(crate) async fn batch(
        &self,
        account: AccountId,
        seq: u64,
    ) -> Result<Option<Arc<Batch>>, LogError> {
        let shard = self.logs.shard(account);
        match self.flow.cache.get(shard, self.logs.at(shard), seq).await {
            Err(LogError::Corrupt { seq, what }) => {
                self.meet_damage(shard, seq, what);
                Ok(None)
            }
            read => read,
        }
    }

    fn meet_damage(&self, shard: Shard, seq: u64, what: &'static str) {
        let mut met = self
            .flow
            .damaged
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if met.insert((shard, seq)) {
            self.metrics.damaged.inc();
            tracing::error!(
                shard = shard.0,
                seq,
                what,
                "a batch of the log is damaged and is passed over; its events are in a backup, or lost"
            );
        }
    }
}
