//! Batches of the log that were read lately, bounded in bytes: destinations that keep up find theirs here, and a
//! batch is decompressed once for all destinations.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use engine::{Batch, Log, LogError};

use crate::shard::Shard;

pub(super) struct BatchCache {
    bytes_max: usize,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    batches: HashMap<(Shard, u64), Arc<Batch>>,
    /// Oldest first; the router reads in order, so first in, first out serves as well as anything cleverer.
    order: VecDeque<(Shard, u64)>,
    bytes: usize,
}

impl BatchCache {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self {
            bytes_max,
            inner: Mutex::default(),
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn put(&self, shard: Shard, batch: &Arc<Batch>) {
        let key = (shard, batch.seq());
        let mut inner = self.inner();
        if inner.batches.insert(key, Arc::clone(batch)).is_some() {
            return;
        }
        inner.order.push_back(key);
        inner.bytes += batch.bytes();
        while inner.bytes > self.bytes_max && inner.order.len() > 1 {
            let Some(oldest) = inner.order.pop_front() else {
                break;
            };
            if let Some(gone) = inner.batches.remove(&oldest) {
                inner.bytes -= gone.bytes();
            }
        }
    }

    /// Forgets a shard's batches: some of them were rewritten.
    pub(super) fn forget(&self, shard: Shard) {
        let mut inner = self.inner();
        let Inner {
            batches,
            order,
            bytes,
        } = &mut *inner;
        order.retain(|key| {
            let is_other = key.0 != shard;
            if !is_other && let Some(gone) = batches.remove(key) {
                *bytes -= gone.bytes();
            }
            is_other
        });
    }

    /// The batch, from memory or from the log; `None` when the log no longer holds it.
    pub(super) async fn get(
        &self,
        shard: Shard,
        log: &Log,
        seq: u64,
    ) -> Result<Option<Arc<Batch>>, LogError> {
        if let Some(batch) = self.inner().batches.get(&(shard, seq)) {
            return Ok(Some(Arc::clone(batch)));
        }
        let batch = log
            .read(seq, 1, usize::MAX)
            .await?
            .into_iter()
            .next()
            .filter(|batch| batch.seq() == seq);
        if let Some(batch) = &batch {
            self.put(shard, batch);
        }
        Ok(batch)
    }
}
