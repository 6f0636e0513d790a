//! What a process knows of a log without asking: where it begins and ends, and its newest batches, so that a reader that
//! keeps up does no IO and decompresses nothing.
//!
//! [`Core`](super::core::Core) puts in what was appended, read, and heard of other processes. What is said to be there
//! was acknowledged: this may be behind, never ahead.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::engine::{Landed, State};
use super::{Batch, Ends};

/// Times that are remembered for finding batches by time: searches ask for the same ones again and again.
const TIMES_MAX: usize = 4096;

#[derive(Debug)]
pub(super) struct Memory {
    pub(super) ends: Ends,
    /// The newest time there is, in microseconds: no later batch gets an older one.
    pub(super) last_at: i64,
    batches: BTreeMap<u64, Arc<Batch>>,
    bytes: usize,
    bytes_max: usize,
    /// Changes when batches were forgotten: what was read before is not kept then.
    edition: u64,
    /// For a number, the first batch at or after it and its time.
    times: BTreeMap<u64, (u64, i64)>,
}

impl Memory {
    pub(super) fn new(state: &State, bytes_max: usize) -> Self {
        Self {
            ends: state.ends,
            last_at: state.appended_at,
            batches: BTreeMap::new(),
            bytes: 0,
            bytes_max,
            edition: 0,
            times: BTreeMap::new(),
        }
    }

    /// Takes over what the engine says. Answers come from several connections: an older one takes nothing back.
    pub(super) fn learn(&mut self, state: &State) {
        if state.ends.first_seq >= self.ends.first_seq {
            self.ends.first_seq = state.ends.first_seq;
            self.ends.oldest = state.ends.oldest;
        }
        if state.ends.next_seq >= self.ends.next_seq {
            self.ends.next_seq = state.ends.next_seq;
            self.ends.bytes = state.ends.bytes;
        }
        self.last_at = self.last_at.max(state.appended_at);
        while let Some(oldest) = self.batches.first_entry()
            && *oldest.key() < self.ends.first_seq
        {
            self.bytes -= oldest.remove().bytes();
        }
        self.times = self.times.split_off(&self.ends.first_seq);
    }

    /// The batch `seq` is in the log, from this process or another.
    pub(super) fn hear(&mut self, seq: u64, at: i64) {
        self.ends.next_seq = self.ends.next_seq.max(seq + 1);
        self.last_at = self.last_at.max(at);
        if seq == self.ends.first_seq && self.ends.oldest.is_none() {
            self.ends.oldest = Timestamp::from_microsecond(at).ok();
        }
    }

    /// Batches were appended by this process.
    pub(super) fn land(&mut self, landed: &Landed) {
        self.ends.bytes += landed.bytes;
        for batch in &landed.batches {
            self.hear(batch.seq(), batch.appended_at().as_microsecond());
            self.put(Arc::clone(batch));
        }
    }

    /// Which edition of the log is read now.
    pub(super) fn edition(&self) -> u64 {
        self.edition
    }

    /// Keeps what was read of this edition.
    pub(super) fn keep(&mut self, batches: &[Arc<Batch>], edition: u64) {
        if edition == self.edition {
            for batch in batches {
                self.put(Arc::clone(batch));
            }
        }
    }

    /// Batches may have been changed.
    pub(super) fn forget(&mut self) {
        self.edition += 1;
        self.batches.clear();
        self.bytes = 0;
    }

    /// The newest stay.
    fn put(&mut self, batch: Arc<Batch>) {
        self.bytes += batch.bytes();
        if let Some(before) = self.batches.insert(batch.seq(), batch) {
            self.bytes -= before.bytes();
        }
        while self.bytes > self.bytes_max
            && let Some((_, oldest)) = self.batches.pop_first()
        {
            self.bytes -= oldest.bytes();
        }
    }

    /// Batches from exactly `seq` on, as far as they are here without a gap, within the bounds of `Log::read`.
    pub(super) fn read(&self, seq: u64, batches_max: usize, bytes_max: usize) -> Vec<Arc<Batch>> {
        let mut bytes = 0;
        let found = (0..).zip(self.batches.range(seq..));
        let run = found.take_while(|(index, (found, _))| *found - seq == *index);
        run.take(batches_max)
            .take_while(|(_, (_, batch))| {
                let more = bytes < bytes_max || bytes == 0;
                bytes += batch.bytes();
                more
            })
            .map(|(_, (_, batch))| Arc::clone(batch))
            .collect()
    }

    pub(super) fn time_at(&self, seq: u64) -> Option<(u64, i64)> {
        self.times.get(&seq).copied()
    }

    pub(super) fn remember(&mut self, seq: u64, found: (u64, i64)) {
        if self.times.len() >= TIMES_MAX {
            self.times.clear();
        }
        self.times.insert(seq, found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(seq: u64) -> Arc<Batch> {
        Arc::new(Batch::new(
            seq,
            Timestamp::UNIX_EPOCH,
            [vec![0; 100]].iter(),
        ))
    }

    fn state(first_seq: u64, next_seq: u64) -> State {
        State {
            ends: Ends {
                first_seq,
                next_seq,
                bytes: 0,
                oldest: None,
            },
            appended_at: 0,
        }
    }

    /// Batches 1 to 5 of 112 bytes each (100, the length, the index) in a memory of `bytes_max`.
    fn memory(bytes_max: usize) -> Memory {
        let mut memory = Memory::new(&state(1, 1), bytes_max);
        memory.land(&Landed {
            batches: (1..=5).map(batch).collect(),
            bytes: 500,
        });
        memory
    }

    fn read(memory: &Memory, from: u64, batches_max: usize, bytes_max: usize) -> Vec<u64> {
        let batches = memory.read(from, batches_max, bytes_max);
        batches.iter().map(|batch| batch.seq()).collect()
    }

    #[test]
    fn it_keeps_the_newest_within_its_bytes() {
        assert_eq!(read(&memory(340), 3, 9, 9999), [3, 4, 5]);
        assert!(read(&memory(340), 2, 9, 9999).is_empty());
        assert!(read(&memory(0), 5, 9, 9999).is_empty());
        assert_eq!(memory(0).ends.next_seq, 6);
    }

    #[test]
    fn a_read_has_its_bounds() {
        let memory = memory(9999);
        assert_eq!(read(&memory, 2, 2, 9999), [2, 3]);
        assert_eq!(read(&memory, 2, 9, 113), [2, 3]);
        assert_eq!(read(&memory, 2, 9, 0), [2]);
        assert!(read(&memory, 6, 9, 9999).is_empty());
    }

    #[test]
    fn a_read_ends_where_a_batch_is_not_here() {
        let mut memory = memory(9999);
        memory.keep(&[batch(7)], 0);
        assert_eq!(read(&memory, 4, 9, 9999), [4, 5]);
        assert!(read(&memory, 6, 9, 9999).is_empty());
        assert_eq!(read(&memory, 7, 9, 9999), [7]);
    }

    #[test]
    fn what_is_trimmed_or_forgotten_is_not_here() {
        let mut memory = memory(9999);
        memory.learn(&state(4, 6));
        assert!(read(&memory, 3, 9, 9999).is_empty());
        assert_eq!(read(&memory, 4, 9, 9999), [4, 5]);
        memory.forget();
        assert_eq!((read(&memory, 4, 9, 9999), memory.bytes), (Vec::new(), 0));
    }

    #[test]
    fn what_was_read_before_a_change_is_not_kept() {
        let mut memory = memory(9999);
        let edition = memory.edition();
        memory.forget();
        memory.keep(&[batch(3)], edition);
        memory.keep(&[batch(4)], memory.edition());
        assert_eq!(read(&memory, 3, 9, 9999), Vec::<u64>::new());
        assert_eq!(read(&memory, 4, 9, 9999), [4]);
    }

    #[test]
    fn an_older_answer_takes_nothing_back() {
        let mut memory = memory(9999);
        memory.learn(&state(3, 5));
        assert_eq!((memory.ends.first_seq, memory.ends.next_seq), (3, 6));
        memory.learn(&state(1, 9));
        assert_eq!((memory.ends.first_seq, memory.ends.next_seq), (3, 9));
    }
}
