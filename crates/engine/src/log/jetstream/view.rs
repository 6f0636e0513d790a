//! What this process knows of the stream, and the batches of it that it has in memory.
//!
//! Learned from acknowledgements of its own batches, from what other processes tell, and from the stream's leader. It
//! may be behind, never ahead: all that it says is there was acknowledged.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_nats::jetstream::stream::Info;
use jiff::Timestamp;

use super::pieces::Numbering;
use crate::log::Ends;
use crate::log::batch::Batch;

/// Times of messages that are remembered for finding others by time: a search asks for the same ones again and again.
const TIMES_MAX: usize = 4096;

#[derive(Debug)]
pub(super) struct View {
    pub(super) numbering: Numbering,
    /// The stream's oldest message; one more than `last` if there is none.
    pub(super) first: u64,
    /// The newest that was ever there.
    pub(super) last: u64,
    bytes: u64,
    /// The newest time that is known of, in microseconds: later batches are not older.
    pub(super) last_at: i64,
    /// Times by the stream's numbers.
    times: BTreeMap<u64, i64>,
    cache: BTreeMap<u64, Arc<Batch>>,
    cached_bytes: usize,
    cached_bytes_max: usize,
}

impl View {
    pub(super) fn new(numbering: Numbering, cached_bytes_max: usize) -> Self {
        Self {
            numbering,
            first: 1,
            last: 0,
            bytes: 0,
            last_at: 0,
            times: BTreeMap::new(),
            cache: BTreeMap::new(),
            cached_bytes: 0,
            cached_bytes_max,
        }
    }

    pub(super) fn next_seq(&self) -> u64 {
        self.numbering.ours(self.last + 1)
    }

    pub(super) fn first_seq(&self) -> u64 {
        self.numbering.ours(self.first).max(self.numbering.emptied)
    }

    pub(super) fn ends(&self) -> Ends {
        let first = self.numbering.stream(self.first_seq());
        let oldest = self.times.get(&first).filter(|_| first <= self.last);
        Ends {
            first_seq: self.first_seq(),
            next_seq: self.next_seq(),
            bytes: self.bytes,
            oldest: oldest.and_then(|at| Timestamp::from_microsecond(*at).ok()),
        }
    }

    /// Takes over what the leader says. It is not believed to have fewer messages than were acknowledged.
    pub(super) fn update(&mut self, state: &Info, numbering: Numbering) {
        self.numbering = numbering;
        self.last = self.last.max(state.state.last_sequence);
        let first = match self.numbering.kept {
            0 if state.state.messages == 0 => self.last + 1,
            0 => state.state.first_sequence,
            kept => kept,
        };
        self.first = self.first.max(first);
        self.bytes = state.state.bytes;
        let first_seq = self.first_seq();
        while let Some(oldest) = self
            .cache
            .first_entry()
            .filter(|oldest| *oldest.key() < first_seq)
        {
            self.cached_bytes -= oldest.remove().bytes();
        }
        self.times = self.times.split_off(&self.first);
    }

    /// A message was acknowledged, to us or to another process.
    pub(super) fn learn(&mut self, stream: u64, at: i64, bytes: usize) {
        self.last = self.last.max(stream);
        self.last_at = self.last_at.max(at);
        self.bytes += bytes as u64;
        self.remember(stream, at);
    }

    pub(super) fn time(&self, stream: u64) -> Option<i64> {
        self.times.get(&stream).copied()
    }

    pub(super) fn remember(&mut self, stream: u64, at: i64) {
        if self.times.len() >= TIMES_MAX {
            // All but the oldest message's, of which `ends` tells.
            self.times.retain(|known, _| *known == self.first);
        }
        self.times.insert(stream, at);
    }

    pub(super) fn cached(&self, seq: u64) -> Option<Arc<Batch>> {
        self.cache.get(&seq).map(Arc::clone)
    }

    pub(super) fn forget(&mut self) {
        self.cache.clear();
        self.cached_bytes = 0;
    }

    /// Keeps a batch while there is room; the newest stay.
    pub(super) fn cache(&mut self, batch: &Arc<Batch>) {
        self.cached_bytes += batch.bytes();
        if let Some(before) = self.cache.insert(batch.seq(), Arc::clone(batch)) {
            self.cached_bytes -= before.bytes();
        }
        while self.cached_bytes > self.cached_bytes_max {
            let Some((_, oldest)) = self.cache.pop_first() else {
                break;
            };
            self.cached_bytes -= oldest.bytes();
        }
    }
}
