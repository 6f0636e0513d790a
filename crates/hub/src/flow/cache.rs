//! Batches of the log that were read lately, bounded in bytes: destinations that keep up find theirs here, and a
//! batch is decompressed once for all destinations.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use engine::{Batch, Log, LogError};

pub(super) struct BatchCache {
    bytes_max: usize,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    batches: HashMap<u64, Arc<Batch>>,
    /// Oldest first; the router reads in order, so first in, first out serves as well as anything cleverer.
    order: VecDeque<u64>,
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

    pub(super) fn put(&self, batch: &Arc<Batch>) {
        let mut inner = self.inner();
        if inner
            .batches
            .insert(batch.seq(), Arc::clone(batch))
            .is_some()
        {
            return;
        }
        inner.order.push_back(batch.seq());
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

    /// The batch, from memory or from the log; `None` when the log no longer holds it.
    pub(super) async fn get(&self, log: &Log, seq: u64) -> Result<Option<Arc<Batch>>, LogError> {
        if let Some(batch) = self.inner().batches.get(&seq) {
            return Ok(Some(Arc::clone(batch)));
        }
        let batch = log
            .read(seq, 1, usize::MAX)
            .await?
            .into_iter()
            .next()
            .filter(|batch| batch.seq() == seq);
        if let Some(batch) = &batch {
            self.put(batch);
        }
        Ok(batch)
    }
}
