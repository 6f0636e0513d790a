//! The newest batches, kept in memory: a reader that keeps up does no IO and decompresses nothing.
//!
//! The committer pushes what it made durable, `read` looks here first. Always the newest batches
//! without a gap, up to a number of bytes.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::log::Batch;

#[derive(Debug)]
pub(super) struct Tail {
    batches: VecDeque<Arc<Batch>>,
    bytes: usize,
    bytes_max: usize,
}

impl Tail {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self {
            batches: VecDeque::new(),
            bytes: 0,
            bytes_max,
        }
    }

    /// Keeps the newest batch. Those before a gap go: what is in it was written by another process.
    pub(super) fn push(&mut self, batch: Arc<Batch>) {
        let last = self.batches.back().map(|last| last.seq());
        if last.is_some_and(|last| last + 1 != batch.seq()) {
            self.trim(u64::MAX);
        }
        self.bytes += batch.bytes();
        self.batches.push_back(batch);
        while self.bytes > self.bytes_max {
            self.drop_oldest();
        }
    }

    /// Puts a batch in the place of the one that has its number, if that is here.
    pub(super) fn replace(&mut self, batch: &Arc<Batch>) {
        let found = self
            .batches
            .binary_search_by_key(&batch.seq(), |it| it.seq());
        if let Ok(index) = found {
            self.bytes -= self.batches[index].bytes();
            self.bytes += batch.bytes();
            self.batches[index] = Arc::clone(batch);
        }
    }

    /// Forgets the batches before `first_seq`.
    pub(super) fn trim(&mut self, first_seq: u64) {
        while self
            .batches
            .front()
            .is_some_and(|batch| batch.seq() < first_seq)
        {
            self.drop_oldest();
        }
    }

    /// Reads as `Log::read` does; `None` if older batches are needed.
    pub(super) fn read(
        &self,
        from_seq: u64,
        batches_max: usize,
        bytes_max: usize,
    ) -> Option<Vec<Arc<Batch>>> {
        if self.batches.front()?.seq() > from_seq {
            return None;
        }
        let start = self.batches.partition_point(|batch| batch.seq() < from_seq);
        let mut bytes = 0;
        let batches = self
            .batches
            .range(start..)
            .take(batches_max)
            .take_while(|batch| {
                let more = bytes < bytes_max || bytes == 0;
                bytes += batch.bytes();
                more
            });
        Some(batches.cloned().collect())
    }

    fn drop_oldest(&mut self) {
        if let Some(batch) = self.batches.pop_front() {
            self.bytes -= batch.bytes();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;

    /// Batches 1 to 5 of 112 bytes each (100, the length, the index) pushed into a tail of `bytes_max`.
    fn tail(bytes_max: usize) -> Tail {
        let mut tail = Tail::new(bytes_max);
        for seq in 1..=5 {
            tail.push(Arc::new(Batch::new(
                seq,
                Timestamp::UNIX_EPOCH,
                [vec![0; 100]].iter(),
            )));
        }
        tail
    }

    fn read(tail: &Tail, from: u64, batches_max: usize, bytes_max: usize) -> Option<Vec<u64>> {
        tail.read(from, batches_max, bytes_max)
            .map(|batches| batches.iter().map(|batch| batch.seq()).collect())
    }

    #[test]
    fn it_keeps_the_newest_within_its_bytes() {
        assert_eq!(read(&tail(340), 3, 9, 9999), Some(vec![3, 4, 5]));
        assert_eq!(read(&tail(340), 2, 9, 9999), None);
        assert_eq!(read(&tail(0), 5, 9, 9999), None);
    }

    #[test]
    fn a_read_has_its_bounds() {
        let tail = tail(9999);
        assert_eq!(read(&tail, 2, 2, 9999), Some(vec![2, 3]));
        assert_eq!(read(&tail, 2, 9, 113), Some(vec![2, 3]));
        assert_eq!(read(&tail, 2, 9, 0), Some(vec![2]));
        assert_eq!(read(&tail, 6, 9, 9999), Some(vec![]));
    }

    #[test]
    fn what_is_before_a_gap_is_forgotten() {
        let mut tail = tail(9999);
        let batch = Batch::new(7, Timestamp::UNIX_EPOCH, [vec![0; 100]].iter());
        tail.push(Arc::new(batch));
        assert_eq!(read(&tail, 5, 9, 9999), None);
        assert_eq!(read(&tail, 7, 9, 9999), Some(vec![7]));
    }

    #[test]
    fn what_is_trimmed_is_forgotten() {
        let mut tail = tail(9999);
        tail.trim(4);
        assert_eq!(read(&tail, 3, 9, 9999), None);
        assert_eq!(read(&tail, 4, 9, 9999), Some(vec![4, 5]));
        tail.trim(99);
        assert_eq!((read(&tail, 99, 9, 9999), tail.bytes), (None, 0));
    }
}
