//! Reading: from memory what is there, and the rest from the stream, some messages at once.

use std::sync::Arc;

use async_nats::jetstream::message::StreamMessage;
use futures_util::future::join_all;
use jiff::Timestamp;

use super::Shared;
use super::link::Trouble;
use super::message;
use crate::log::LogError;
use crate::log::batch::Batch;

/// Messages that are asked for at once. Enough to hide the way to the server and back.
const AT_ONCE_MAX: usize = 16;

/// A batch compresses to about a quarter: only to guess how many to ask for.
const UNPACKED: u64 = 4;

impl Shared {
    pub(super) async fn read(
        &self,
        from_seq: u64,
        batches_max: usize,
        bytes_max: usize,
    ) -> Result<Vec<Arc<Batch>>, LogError> {
        let mut batches: Vec<Arc<Batch>> = Vec::new();
        let (mut next, mut bytes) = (from_seq, 0);
        while batches.len() < batches_max && (batches.is_empty() || bytes < bytes_max) {
            let wanted = self.wanted(
                next,
                batches_max - batches.len(),
                bytes_max - bytes.min(bytes_max),
            );
            let found = match self.fetch(&wanted).await {
                Ok(found) => found,
                // Those before it are well; the next read meets it first.
                Err(_) if !batches.is_empty() => break,
                Err(error) => return Err(error),
            };
            let Some(last) = found.last() else { break };
            next = last.seq() + 1;
            for batch in found {
                if batches.len() < batches_max && (batches.is_empty() || bytes < bytes_max) {
                    let floor = batches
                        .last()
                        .map_or(0, |batch| batch.appended_at().as_microsecond());
                    let batch = Batch::not_before(&batch, floor);
                    bytes += batch.bytes();
                    batches.push(batch);
                }
            }
        }
        Ok(batches)
    }

    /// The numbers of the batches to get next: the first there is at or after `seq`, and as many after it as are likely
    /// to be of use.
    fn wanted(&self, seq: u64, batches: usize, bytes: usize) -> Vec<u64> {
        let view = self.view();
        let first = view.numbering.stream(seq.max(view.first_seq()));
        let average = view.ends().bytes / (view.last + 1 - view.first).max(1) * UNPACKED;
        let likely = (bytes as u64 / average.max(1)).saturating_add(1);
        let likely = usize::try_from(likely).unwrap_or(AT_ONCE_MAX);
        let streams = first..=view.last;
        let wanted = streams.take(batches.min(likely).min(AT_ONCE_MAX));
        wanted.map(|stream| view.numbering.ours(stream)).collect()
    }

    /// Gets these batches, or some of them from the first on; those that were trimmed meanwhile are left out.
    async fn fetch(&self, wanted: &[u64]) -> Result<Vec<Arc<Batch>>, LogError> {
        let mut found = Vec::with_capacity(wanted.len());
        for batch in join_all(wanted.iter().map(|seq| self.batch(*seq))).await {
            match batch {
                Ok(Some(batch)) => found.push(batch),
                Ok(None) => {}
                Err(_) if !found.is_empty() => break,
                Err(error) => return Err(error),
            }
        }
        if found.is_empty() && !wanted.is_empty() {
            // All trimmed: what follows is another read's, with the ends as they are now.
            return Box::pin(self.fetch(&self.wanted(wanted[0], AT_ONCE_MAX, usize::MAX))).await;
        }
        Ok(found)
    }

    /// The batch `seq`; `None` if it was trimmed.
    async fn batch(&self, seq: u64) -> Result<Option<Arc<Batch>>, LogError> {
        let number = {
            let view = self.view();
            if let Some(batch) = view.cached(seq) {
                return Ok(Some(batch));
            }
            view.numbering.stream(seq)
        };
        let stored = match self.stream.message(number).await? {
            Some(stored) => stored,
            None => match self.elsewhere(seq, number).await? {
                Some(stored) => stored,
                None => return Ok(None),
            },
        };
        let batch = Arc::new(message::decode(&stored, seq)?);
        let mut view = self.view();
        // Written at the same time as the one before it, by a process whose clock is behind.
        let before = number.checked_sub(1).and_then(|number| view.time(number));
        let batch = Batch::not_before(&batch, before.unwrap_or(0));
        view.remember(number, batch.appended_at().as_microsecond());
        view.cache(&batch);
        Ok(Some(batch))
    }

    /// What became of a message that is not there any more: trimmed (`None`), rewritten, or lost.
    async fn elsewhere(&self, seq: u64, number: u64) -> Result<Option<StreamMessage>, LogError> {
        let state = self.refresh().await?;
        if self.view().first_seq() > seq {
            return Ok(None);
        }
        if let Some(stored) = self.stream.rewritten(seq).await? {
            return Ok(Some(stored));
        }
        if state.state.last_sequence < number {
            return Err(Trouble::Behind(number).into());
        }
        let what = "the stream has later messages, but not this one";
        Err(LogError::Corrupt { seq, what })
    }

    pub(super) async fn find_time(&self, at: Timestamp) -> Result<u64, LogError> {
        // The first microsecond that is not before `at`.
        let micros = at.as_microsecond() + i64::from(at.subsec_nanosecond() % 1000 > 0);
        let (mut low, mut high) = {
            let view = self.view();
            (view.numbering.stream(view.first_seq()), view.last + 1)
        };
        while low < high {
            let middle = roundest(low, high);
            match self.time_of(middle).await? {
                Some(time) if time >= micros => high = middle,
                // Trimmed is older than everything.
                _ => low = middle + 1,
            }
        }
        let view = self.view();
        Ok(view.numbering.ours(low).max(view.first_seq()))
    }

    /// When the message was appended, in microseconds.
    pub(super) async fn time_of(&self, number: u64) -> Result<Option<i64>, LogError> {
        if let Some(time) = self.view().time(number) {
            return Ok(Some(time));
        }
        let mut stored = self.stream.message(number).await?;
        let seq = self.view().numbering.ours(number);
        if stored.is_none() && seq >= self.view().first_seq() {
            stored = self.stream.rewritten(seq).await?;
        }
        let time = stored.as_ref().map(message::at);
        if let Some(time) = time {
            self.view().remember(number, time);
        }
        Ok(time)
    }
}

/// The number in `low..high` that most powers of two divide. Not quite the middle, but searches over ranges that move
/// along ask for the same numbers, and find them remembered.
fn roundest(low: u64, high: u64) -> u64 {
    let mut number = high - 1;
    while number > 0 && number & (number - 1) >= low {
        number &= number - 1;
    }
    number
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_roundest_number_is_one_of_the_range() {
        for (low, high, expected) in [
            (1, 2, 1),
            (5, 6, 5),
            (1, 3, 2),
            (1, 100, 64),
            (90, 200, 128),
            (7, 9, 8),
            (0, 9, 0),
        ] {
            assert_eq!(roundest(low, high), expected, "{low}..{high}");
        }
        for low in 0..40 {
            for high in low + 1..80 {
                assert!((low..high).contains(&roundest(low, high)), "{low}..{high}");
            }
        }
    }
}
