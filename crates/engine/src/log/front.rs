//! What is the same in every engine of `Log`: how calls get to the committer and their answers back, and who follows
//! the log's end.
//!
//! [`Log`](super::Log) calls it for whichever engine it has. A committer takes its work from `queue`, shows the new end in
//! `next_seq`, and holds an [`Ending`], so that nobody waits for one that is gone.

use std::ops::Deref;
use std::sync::Arc;

use tokio::sync::{oneshot, watch};

use super::batch::Batch;
use super::position::Position;
use super::queue::{Call, Chore, Queue};
use super::{Appended, LogError, LogOptions};
use crate::clock::Clock;

/// The side of a log that callers see.
#[derive(Debug)]
pub(super) struct Front {
    pub(super) queue: Queue,
    pub(super) clock: Clock,
    /// Where the log ends, for readers: only grows.
    pub(super) next_seq: watch::Sender<u64>,
    /// Becomes true when the committer has ended.
    ended: watch::Sender<bool>,
}

impl Front {
    pub(super) fn new(options: &LogOptions, clock: Clock, next_seq: u64) -> Arc<Self> {
        Arc::new(Self {
            queue: Queue::new(options),
            clock,
            next_seq: watch::Sender::new(next_seq),
            ended: watch::Sender::new(false),
        })
    }

    /// The log ends here now, or further on if it is known to.
    pub(super) fn show_end(&self, next_seq: u64) {
        self.next_seq.send_if_modified(|known| {
            let is_news = *known < next_seq;
            *known = next_seq.max(*known);
            is_news
        });
    }

    pub(super) async fn append(&self, records: Vec<Vec<u8>>) -> Result<Appended, LogError> {
        if records.is_empty() {
            return Ok(Appended {
                first: Position::new(*self.next_seq.borrow(), 0),
                at: self.clock.now(),
            });
        }
        let (call, answered) = Call::new(records)?;
        self.queue.push(call)?;
        answered.await.unwrap_or(Err(LogError::Closed))
    }

    /// Slice by slice: appends go on in between.
    pub(super) async fn trim(&self, before_seq: u64) -> Result<u64, LogError> {
        let mut gone = 0;
        loop {
            let slice = self
                .chore(|answer| Chore::Trim { before_seq, answer })
                .await?;
            if slice == 0 {
                return Ok(gone);
            }
            gone += slice;
        }
    }

    pub(super) async fn rewrite(&self, batches: Vec<Arc<Batch>>) -> Result<(), LogError> {
        self.chore(|answer| Chore::Rewrite { batches, answer })
            .await
    }

    /// Step by step, as [`Front::trim`]: first everything that is free is taken, then it is given back.
    pub(super) async fn scrub(&self) -> Result<(), LogError> {
        for take in [true, false] {
            while self.chore(|answer| Chore::Scrub { take, answer }).await? {}
        }
        Ok(())
    }

    pub(super) async fn probe(&self) -> Result<(), LogError> {
        self.chore(|answer| Chore::Probe { answer }).await
    }

    pub(super) async fn import(&self, batches: Vec<Arc<Batch>>) -> Result<(), LogError> {
        self.chore(|answer| Chore::Import { batches, answer }).await
    }

    pub(super) async fn skip_to(&self, next_seq: u64) -> Result<(), LogError> {
        self.chore(|answer| Chore::SkipTo { next_seq, answer })
            .await
    }

    async fn chore<T>(
        &self,
        chore: impl FnOnce(oneshot::Sender<Result<T, LogError>>) -> Chore,
    ) -> Result<T, LogError> {
        let (answer, answered) = oneshot::channel();
        self.queue.push_chore(chore(answer))?;
        answered.await.unwrap_or(Err(LogError::Closed))
    }

    /// Takes nothing more; answers when all that was queued is worked off.
    pub(super) async fn close(&self) {
        self.queue.close();
        // The sender lives in `self`, so the only way out is the committer's end.
        let _ = self.ended.subscribe().wait_for(|ended| *ended).await;
    }
}

/// What the clones of a log share. Lets the committer finish when the last of them is gone.
#[derive(Debug)]
pub(super) struct Handle<S> {
    pub(super) front: Arc<Front>,
    pub(super) shared: Arc<S>,
}

impl<S> Handle<S> {
    pub(super) fn new(front: &Arc<Front>, shared: &Arc<S>) -> Arc<Self> {
        Arc::new(Self {
            front: Arc::clone(front),
            shared: Arc::clone(shared),
        })
    }
}

impl<S> Drop for Handle<S> {
    fn drop(&mut self) {
        self.front.queue.close();
    }
}

impl<S> Deref for Handle<S> {
    type Target = S;

    fn deref(&self) -> &S {
        &self.shared
    }
}

/// Held by a committer: however it ends, nobody is left waiting for it.
pub(super) struct Ending(pub(super) Arc<Front>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.queue.abandon();
        self.0.ended.send_replace(true);
    }
}
