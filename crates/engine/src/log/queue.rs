//! What waits for the committer: appends, bounded in number and bytes, and those whose turn it is to do
//! something else.
//!
//! Handles push, the committer waits until there is something ([`Queue::ready`]) and takes everything it can put into
//! one commit. An append that is in the queue does not need its caller any more.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};

use super::batch::{self, BATCH_BYTES_MAX, BATCH_RECORDS_MAX, Batch};
use super::{Appended, LogError, LogOptions, Position};

/// What a full queue tells its callers: a disk that works empties it in less, and HTTP's
/// `Retry-After` knows no shorter time.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// One append.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) records: Vec<Vec<u8>>,
    /// What the records take in a batch.
    pub(super) bytes: usize,
    pub(super) answer: oneshot::Sender<Result<Appended, LogError>>,
}

impl Call {
    /// An append of some records, and where its answer will be.
    pub(super) fn new(records: Vec<Vec<u8>>) -> Result<(Self, Answered), LogError> {
        let costs = records.iter().map(|record| batch::cost(record));
        let bytes = costs.fold(0, usize::saturating_add);
        if records.len() > BATCH_RECORDS_MAX || bytes > BATCH_BYTES_MAX {
            return Err(LogError::TooLarge {
                records: records.len(),
                bytes,
                bytes_max: BATCH_BYTES_MAX,
            });
        }
        let (answer, answered) = oneshot::channel();
        let call = Self {
            records,
            bytes,
            answer,
        };
        Ok((call, answered))
    }
}

/// The answer of an append to be.
pub(super) type Answered = oneshot::Receiver<Result<Appended, LogError>>;

/// Tells the callers of a durable batch where their records are.
pub(super) fn answer(calls: Vec<Call>, batch: &Batch) {
    let mut index: u16 = 0;
    for call in calls {
        let first = Position::new(batch.seq(), index);
        index += u16::try_from(call.records.len()).expect("a batch has at most 4096 records");
        // A caller that has gone needs no answer.
        let _ = call.answer.send(Ok(Appended {
            first,
            at: batch.appended_at(),
        }));
    }
}

/// Tells callers that nothing of theirs was written.
pub(super) fn refuse(calls: impl IntoIterator<Item = Call>, error: &LogError) {
    for call in calls {
        let _ = call.answer.send(Err(error.clone()));
    }
}

/// What the committer does next.
#[derive(Debug)]
pub(super) struct Work {
    /// For each batch of one commit its appends.
    pub(super) batches: Vec<Vec<Call>>,
    /// Told once these are answered.
    pub(super) turns: Vec<oneshot::Sender<()>>,
}

#[derive(Debug)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    told: Notify,
    bytes_max: usize,
    records_max: usize,
    batch_bytes_max: usize,
}

#[derive(Debug, Default)]
struct Waiting {
    calls: VecDeque<Call>,
    turns: Vec<oneshot::Sender<()>>,
    records: usize,
    bytes: usize,
    closed: bool,
}

impl Queue {
    pub(super) fn new(options: &LogOptions) -> Self {
        Self {
            waiting: Mutex::default(),
            told: Notify::new(),
            bytes_max: options.queue_bytes_max,
            records_max: options.queue_records_max,
            batch_bytes_max: options.batch_bytes_max,
        }
    }

    /// Queues an append. An empty queue takes any.
    pub(super) fn push(&self, call: Call) -> Result<(), LogError> {
        let mut waiting = self.waiting();
        if waiting.closed {
            return Err(LogError::Closed);
        }
        let (records, bytes) = (
            waiting.records + call.records.len(),
            waiting.bytes + call.bytes,
        );
        if !waiting.calls.is_empty() && (records > self.records_max || bytes > self.bytes_max) {
            return Err(LogError::Full {
                retry_after: RETRY_AFTER,
            });
        }
        (waiting.records, waiting.bytes) = (records, bytes);
        waiting.calls.push_back(call);
        drop(waiting);
        self.told.notify_one();
        Ok(())
    }

    /// Answers when what is taken next is worked off.
    pub(super) fn turn(&self) -> Result<oneshot::Receiver<()>, LogError> {
        let (turn, told) = oneshot::channel();
        let mut waiting = self.waiting();
        if waiting.closed {
            return Err(LogError::Closed);
        }
        waiting.turns.push(turn);
        drop(waiting);
        self.told.notify_one();
        Ok(told)
    }

    /// Takes nothing more; what is queued is still worked off.
    pub(super) fn close(&self) {
        self.waiting().closed = true;
        self.told.notify_one();
    }

    /// Refuses all that waits, for when nobody is left to work it off.
    pub(super) fn abandon(&self) {
        let mut waiting = self.waiting();
        waiting.closed = true;
        waiting.calls.clear();
        waiting.turns.clear();
    }

    /// Returns once there is work, or the queue is closed. For one committer.
    pub(super) async fn ready(&self) {
        loop {
            {
                let waiting = self.waiting();
                if waiting.closed || !waiting.is_empty() {
                    return;
                }
            }
            // A push in between is kept for whoever asks next.
            self.told.notified().await;
        }
    }

    /// What is there now, in at most `batches_max` batches.
    pub(super) fn try_take(&self, batches_max: usize) -> Option<Work> {
        self.waiting().take(batches_max, self.batch_bytes_max)
    }

    /// Refuses all appends that wait: nothing of them is written.
    pub(super) fn refuse_waiting(&self, error: &LogError) {
        let mut waiting = self.waiting();
        (waiting.records, waiting.bytes) = (0, 0);
        let calls = std::mem::take(&mut waiting.calls);
        drop(waiting);
        refuse(calls, error);
    }

    /// Whether it is closed, and everything was taken.
    pub(super) fn has_ended(&self) -> bool {
        let waiting = self.waiting();
        waiting.closed && waiting.is_empty()
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn is_empty(&self) -> bool {
        self.calls.is_empty() && self.turns.is_empty()
    }

    fn take(&mut self, batches_max: usize, batch_bytes_max: usize) -> Option<Work> {
        if self.is_empty() {
            return None;
        }
        let mut batches = Vec::new();
        while batches.len() < batches_max && !self.calls.is_empty() {
            batches.push(self.take_batch(batch_bytes_max));
        }
        Some(Work {
            batches,
            turns: std::mem::take(&mut self.turns),
        })
    }

    /// The appends that fit in one batch: at least one, and none of them split.
    fn take_batch(&mut self, bytes_max: usize) -> Vec<Call> {
        let mut batch = Vec::new();
        let (mut records, mut bytes) = (0, 0);
        while let Some(call) = self.calls.pop_front() {
            records += call.records.len();
            bytes += call.bytes;
            if !batch.is_empty() && (records > BATCH_RECORDS_MAX || bytes > bytes_max) {
                self.calls.push_front(call);
                break;
            }
            self.records -= call.records.len();
            self.bytes -= call.bytes;
            batch.push(call);
        }
        batch
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(records: usize, bytes_each: usize) -> Call {
        let records = vec![vec![0; bytes_each - 4]; records];
        Call {
            bytes: records.len() * bytes_each,
            records,
            answer: oneshot::channel().0,
        }
    }

    fn queue() -> Queue {
        let options = LogOptions {
            queue_bytes_max: 1000,
            queue_records_max: 9000,
            batch_bytes_max: 300,
            ..LogOptions::default()
        };
        Queue::new(&options)
    }

    fn sizes(work: &Work) -> Vec<Vec<usize>> {
        work.batches
            .iter()
            .map(|calls| calls.iter().map(|call| call.records.len()).collect())
            .collect()
    }

    #[test]
    fn what_waits_goes_into_as_few_batches_as_the_bounds_allow() {
        let queue = queue();
        for records in [1, 2, 30, 1, 1] {
            queue.push(call(records, 10)).expect("room");
        }
        let work = queue.try_take(4).expect("work");
        // 10 + 20 bytes; then 300 fill a batch alone; then the rest.
        assert_eq!(sizes(&work), [vec![1, 2], vec![30], vec![1, 1]]);
    }

    #[test]
    fn an_append_is_never_split_and_a_commit_has_few_batches() {
        let queue = queue();
        queue
            .push(call(90, 10))
            .expect("an append above the batch's bytes gets a batch of its own");
        for _ in 0..5 {
            queue.push(call(1, 20)).expect("room");
        }
        assert_eq!(
            sizes(&queue.try_take(4).expect("work")),
            [vec![90], vec![1; 5]]
        );
        for _ in 0..5 {
            queue.push(call(1, 200)).expect("room");
        }
        assert_eq!(sizes(&queue.try_take(4).expect("work")), vec![vec![1]; 4]);
        assert_eq!(sizes(&queue.try_take(4).expect("work")), [[1]]);
    }

    #[test]
    fn a_batch_has_at_most_4096_records() {
        let options = LogOptions::default();
        let queue = Queue::new(&options);
        queue.push(call(4000, 5)).expect("room");
        queue.push(call(97, 5)).expect("room");
        assert_eq!(sizes(&queue.try_take(4).expect("work")), [[4000], [97]]);
    }

    #[test]
    fn a_full_queue_refuses_and_an_empty_one_takes_anything() {
        let queue = queue();
        queue.push(call(500, 10)).expect("empty");
        assert!(matches!(
            queue.push(call(1, 10)),
            Err(LogError::Full { .. })
        ));
        let _ = queue.try_take(4);
        queue.push(call(99, 10)).expect("empty again");
        queue.push(call(1, 10)).expect("exactly full");
        assert!(matches!(
            queue.push(call(1, 10)),
            Err(LogError::Full { .. })
        ));
    }

    #[tokio::test]
    async fn a_task_is_told_of_work_and_of_the_end() {
        let queue = queue();
        assert!(queue.try_take(9).is_none());
        let task = async {
            queue.ready().await;
            assert_eq!(sizes(&queue.try_take(1).expect("work")), [[1, 1]]);
            queue.ready().await;
            assert!(queue.try_take(1).is_none() && queue.has_ended());
        };
        let others = async {
            for _ in 0..2 {
                queue.push(call(1, 10)).expect("room");
            }
            tokio::task::yield_now().await;
            queue.close();
        };
        tokio::join!(task, others);
    }

    #[test]
    fn a_closed_queue_takes_nothing_and_is_worked_off() {
        let queue = queue();
        queue.push(call(1, 10)).expect("room");
        queue.close();
        assert!(matches!(queue.push(call(1, 10)), Err(LogError::Closed)));
        assert_eq!(sizes(&queue.try_take(4).expect("what was queued")), [[1]]);
        assert!(queue.try_take(4).is_none());
    }
}
