//! The PostgreSQL engine of `Log`: one row is one batch, in the database of `Db`, for any number of processes.
//!
//! ```text
//!   append ──► queue ──► committer (a task) ──► one statement ──► answers
//!                            │    takes numbers from the shard's row of `log_state`, inserts, commits
//!                            ├──► tail: the newest batches of this process, in memory ──► read
//!   follow (a task for all shards of a process) ──► what the others appended
//! ```
//!
//! The shard's row in `log_state` is locked from the moment in which numbers are taken until the commit: so batches
//! become visible in the order of their numbers, whichever process wrote them, without gaps, and their times never go
//! back, whatever the clocks of the processes show.
//!
//! - `committer`: makes appends durable; finds out what became of a commit whose answer was lost.
//! - `table`: all SQL of this log.
//! - `follow`: one query for all shards of a process.

mod committer;
mod follow;
mod table;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::batch::Batch;
use super::front::{Front, Handle};
use super::tail::Tail;
use super::{Ends, LogError, LogOptions};
use crate::clock::Clock;
use crate::db::{DbError, Postgres};
use committer::Committer;
pub(crate) use follow::Followers;
use jiff::Timestamp;
use table::{State, Table};

/// How long `health` waits: whoever asks wants to know now.
const HEALTH_MAX: Duration = Duration::from_secs(3);

/// A shard's log in a PostgreSQL database. Clones share it.
#[derive(Clone, Debug)]
pub struct PostgresLog {
    pub(super) handle: Arc<Handle<Shared>>,
}

/// What the log's handles and its tasks share.
#[derive(Debug)]
pub(super) struct Shared {
    table: Table,
    options: LogOptions,
    front: Arc<Front>,
    /// Batches that this process appended, or a part of them.
    tail: Mutex<Tail>,
    ends: Mutex<Ends>,
    /// The last commit failed: whether appends are possible is seen by writing.
    is_failing: AtomicBool,
}

impl Shared {
    fn ends(&self) -> MutexGuard<'_, Ends> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tail(&self) -> MutexGuard<'_, Tail> {
        self.tail.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes over a state of the shard. States come from several connections: an older one changes nothing.
    fn learn(&self, state: &State) {
        {
            let mut ends = self.ends();
            let known = (ends.next_seq, ends.first_seq);
            if state.ends.next_seq < known.0 || state.ends.first_seq < known.1 {
                return;
            }
            *ends = state.ends;
        }
        self.tail().trim(state.ends.first_seq);
        self.front.show_end(state.ends.next_seq);
    }

    async fn latest(&self) -> Result<u64, LogError> {
        let state = self.table.state().await?;
        self.learn(&state);
        Ok(state.ends.next_seq)
    }

    async fn trim(&self, before_seq: u64) -> Result<u64, LogError> {
        self.chore_fault()?;
        let (gone, state) = self.table.trim(before_seq).await?;
        self.learn(&state);
        Ok(gone)
    }

    async fn rewrite(&self, batches: Vec<Arc<Batch>>) -> Result<(), LogError> {
        self.chore_fault()?;
        for batch in batches {
            let (batch, stored) = super::batch::encode_frame(batch).await?;
            self.table.rewrite(batch.seq(), stored).await?;
            self.tail().replace(&batch);
        }
        Ok(())
    }

    /// The server blanks nothing, but with this it uses the space of dead rows again.
    async fn scrub(&self) -> Result<bool, LogError> {
        self.chore_fault()?;
        self.forget();
        if let Err(error) = self.table.vacuum().await {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "VACUUM of the log is left to autovacuum");
        }
        Ok(false)
    }

    pub(in crate::log) fn forget(&self) {
        self.tail().trim(u64::MAX);
    }

    async fn probe(&self) -> Result<(), LogError> {
        self.chore_fault()?;
        let write = self.is_failing.load(Ordering::Relaxed);
        match tokio::time::timeout(HEALTH_MAX, self.table.probe(write)).await {
            Ok(answer) => {
                self.is_failing
                    .fetch_and(answer.is_err(), Ordering::Relaxed);
                answer
            }
            Err(elapsed) => Err(LogError::unavailable(elapsed)),
        }
    }

    fn chore_fault(&self) -> Result<(), LogError> {
        match self.options.faults.of_chore() {
            Some(fault) => Err(LogError::injected(fault)),
            None => Ok(()),
        }
    }
}

impl PostgresLog {
    pub(super) async fn open(
        postgres: &Postgres,
        shard: u32,
        options: LogOptions,
        clock: Clock,
    ) -> Result<Self, LogError> {
        let table = Table::new(postgres.clone(), shard);
        let state = table.create().await?;
        let shared = Arc::new(Shared {
            table,
            front: Front::new(&options, clock, state.ends.next_seq),
            tail: Mutex::new(Tail::new(options.tail_bytes_max)),
            options,
            ends: Mutex::new(state.ends),
            is_failing: AtomicBool::new(false),
        });
        Committer::start(&shared)?;
        postgres.followers().add(&shared);
        let handle = Handle::new(&shared.front, &shared);
        Ok(Self { handle })
    }

    pub(super) async fn read(
        &self,
        from_seq: u64,
        batches_max: usize,
        bytes_max: usize,
    ) -> Result<Vec<Arc<Batch>>, LogError> {
        let shared = &self.handle;
        let next_seq = shared.ends().next_seq;
        if from_seq >= next_seq || batches_max == 0 {
            return Ok(Vec::new());
        }
        let kept = shared.tail().read(from_seq, batches_max, bytes_max);
        match kept {
            Some(batches) if !batches.is_empty() => Ok(batches),
            // Older batches, or those of others.
            _ => {
                shared
                    .table
                    .read(from_seq..next_seq, batches_max, bytes_max)
                    .await
            }
        }
    }

    pub(super) fn ends(&self) -> Ends {
        *self.handle.ends()
    }

    pub(super) async fn latest(&self) -> Result<u64, LogError> {
        self.handle.latest().await
    }

    pub(super) async fn find_time(&self, at: Timestamp) -> Result<u64, LogError> {
        let shared = &self.handle;
        let ends = shared.table.state().await?.ends;
        shared
            .table
            .find_time(at, ends.first_seq..ends.next_seq)
            .await
    }

    pub(super) async fn health(&self) -> Result<(), LogError> {
        let probe = self.handle.front.probe();
        match tokio::time::timeout(HEALTH_MAX, probe).await {
            Ok(answer) => answer,
            Err(elapsed) => Err(LogError::unavailable(elapsed)),
        }
    }
}

impl From<DbError> for LogError {
    fn from(error: DbError) -> Self {
        Self::unavailable(error)
    }
}
