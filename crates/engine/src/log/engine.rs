//! What an engine of `Log` does, and nothing that is the same in all of them: that is in [`Core`](super::core::Core),
//! which calls it.
//!
//! An engine makes batches durable, reads them, and removes the oldest. It knows neither who waits for what, nor what is
//! in memory, nor how searching by time goes.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::batch::{Batch, Encoded};
use super::{Ends, LogError};

/// Where a log begins and ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct State {
    /// `oldest` may be missing: then it is asked for by [`Engine::time_at`].
    pub(super) ends: Ends,
    /// When the newest batch was appended, in microseconds: later ones are not older. 0 if that is not known.
    pub(super) appended_at: i64,
}

/// Batches that have become durable.
#[derive(Debug)]
pub(super) struct Landed {
    /// With their numbers and times, in order.
    pub(super) batches: Vec<Arc<Batch>>,
    /// Bytes that are stored of them.
    pub(super) bytes: u64,
}

/// An engine, open. Whatever it answers may be behind what other processes do, and never ahead.
pub(super) trait Engine: Send + Sync + 'static {
    /// Batches of one append, at most, and appends at the same time.
    const BATCHES_MAX: usize;
    const AT_ONCE: usize = 1;

    /// Appending waits for a disk and not for an answer: the committer is a thread, which also ends by itself.
    const BLOCKS: bool = false;

    /// How often to ask for what other processes appended, while somebody follows the log. `None`: there are none.
    const ASKED_EVERY: Option<Duration> = None;

    /// How long whoever asks whether the log is well waits at most.
    const HEALTH_MAX: Duration = Duration::from_secs(3);

    /// It makes the faults of tests itself, where they would happen.
    const HAS_FAULTS: bool = false;

    /// Where the log begins and ends at this moment.
    fn state(&self) -> impl Future<Output = Result<State, LogError>> + Send;

    /// The same, sure that nobody appended since: a server that was cut off is not believed.
    fn latest(&self) -> impl Future<Output = Result<State, LogError>> + Send {
        self.state()
    }

    /// The same, or as it was a moment ago: asked every [`Engine::ASKED_EVERY`].
    fn news(&self) -> impl Future<Output = Result<State, LogError>> + Send {
        self.state()
    }

    /// Appends batches, which have a time and no number yet, one after another. An error says that none of them is in
    /// the log, unless the engine promises less. For tests: `lose_answer`, as if the first answer got lost.
    fn append(
        &self,
        batches: Vec<Encoded>,
        lose_answer: bool,
    ) -> impl Future<Output = Result<Landed, LogError>> + Send;

    /// Batches of `seqs` from the first there is, at least one if there is one; about what the bounds say, or less. An
    /// error is that of the first.
    fn read(
        &self,
        seqs: Range<u64>,
        batches_max: usize,
        bytes_max: usize,
    ) -> impl Future<Output = Result<Vec<Arc<Batch>>, LogError>> + Send;

    /// The first batch at or after `seq`, and when it was appended, in microseconds.
    fn time_at(
        &self,
        seq: u64,
    ) -> impl Future<Output = Result<Option<(u64, i64)>, LogError>> + Send;

    /// Removes batches before `before_seq`, from the oldest on, and says how many: 0 if none is left.
    fn trim(&self, before_seq: u64) -> impl Future<Output = Result<u64, LogError>> + Send;

    /// Puts these batches in the places of those that have their numbers, if they are there.
    fn rewrite(
        &self,
        batches: Vec<Arc<Batch>>,
    ) -> impl Future<Output = Result<(), LogError>> + Send;

    /// Whether this batch cannot be rewritten before another comes after it.
    fn is_kept(&self, _seq: u64) -> bool {
        false
    }

    /// One step of blanking free space: takes some of it, or gives it back. True if there is more.
    fn scrub(&self, _take: bool) -> impl Future<Output = Result<bool, LogError>> + Send {
        std::future::ready(Ok(false))
    }

    /// Whether appends are possible.
    fn probe(&self) -> impl Future<Output = Result<(), LogError>> + Send;

    /// Lets the next batch have the number `next_seq`, which is beyond all there are.
    fn skip_to(&self, next_seq: u64) -> impl Future<Output = Result<(), LogError>> + Send;

    /// Tells other processes of a batch.
    fn tell(&self, _seq: u64, _at: Timestamp) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }

    /// What another process told: a number, and a time in microseconds.
    fn told(&self) -> impl Future<Output = (u64, i64)> + Send {
        std::future::pending()
    }

    /// What the operator should know of when acknowledged batches can get lost.
    fn promises(&self) -> Vec<String> {
        Vec::new()
    }

    /// Copies the log to a new file.
    fn snapshot(&self, to: &Path) -> impl Future<Output = Result<(), LogError>> + Send;

    /// Nothing is appended or removed any more: lets go of what only one process may have.
    fn close(&self) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }
}
