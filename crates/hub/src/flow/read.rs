//! Reads the log past what is damaged.
//!
//! A batch whose stored bytes are damaged (a disk that lies, a hand that slipped) cannot be delivered by waiting: it is
//! passed over, counted and said once, and what waits of it is given up and told of, so that one bad sector never stops
//! the exchange. What cannot be read *just now* is another matter: those errors are handed on, and tried again.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use engine::{Batch, LogError};

use crate::Hub;

/// The damaged batches that were met since the start.
#[derive(Default)]
pub(super) struct Damaged(Mutex<BTreeSet<u64>>);

impl Hub {
    /// `Log::read`, going on behind damaged batches.
    pub(crate) async fn read_log(
        &self,
        mut from_seq: u64,
        batches_max: usize,
        bytes_max: usize,
    ) -> Result<Vec<Arc<Batch>>, LogError> {
        loop {
            match self.log.read(from_seq, batches_max, bytes_max).await {
                Err(LogError::Corrupt { seq, what }) => {
                    self.meet_damage(seq, what);
                    from_seq = seq.max(from_seq) + 1;
                }
                read => return read,
            }
        }
    }

    /// One batch, from memory or from the log; `None` when the log no longer holds it, or only its ruins.
    pub(crate) async fn batch(&self, seq: u64) -> Result<Option<Arc<Batch>>, LogError> {
        match self.flow.cache.get(&self.log, seq).await {
            Err(LogError::Corrupt { seq, what }) => {
                self.meet_damage(seq, what);
                Ok(None)
            }
            read => read,
        }
    }

    fn meet_damage(&self, seq: u64, what: &'static str) {
        let mut met = self
            .flow
            .damaged
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if met.insert(seq) {
            self.metrics.damaged.inc();
            tracing::error!(
                seq,
                what,
                "a batch of the log is damaged and is passed over; its events are in a backup, or lost"
            );
        }
    }
}
