//! The `Log` seam: an append-only sequence of committed batches, durable before an append answers.
//!
//! `hub` appends published events and reads them back, in order, to route and deliver them. The log
//! knows only bytes:
//!
//! ```text
//!   seq        1             2          3                      (never reused, also not after a trim)
//!         ┌─────────┐  ┌─────────┐  ┌─────────┐
//!         │ 0 1 2 3 │  │ 0       │  │ 0 1 2   │  ◄── append    a Position is (seq, index in the batch)
//!         └─────────┘  └─────────┘  └─────────┘
//!   ends   first_seq ──────────────────────── next_seq
//! ```
//!
//! What callers may rely on:
//! - The records of one append are in one batch, next to each other: all of them, or none.
//! - When an append answers, its batch survives a crash of the process and of the machine. An append
//!   that was refused is not in the log, now or after a restart.
//! - Appends that wait at the same time share one commit.
//! - Dropping an append's future does not cancel it once it was polled.
//! - Batches are seen by readers once they are durable, in the order of their positions; the time a
//!   batch was appended never goes backwards.

#[cfg(not(feature = "distributed"))]
mod absent;
pub mod batch;
mod core;
mod engine;
mod error;
mod faults;
#[cfg(feature = "distributed")]
mod jetstream;
mod memory;
mod options;
mod position;
#[cfg(feature = "distributed")]
mod postgres;
mod queue;
mod sqlite;

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::watch;

use self::core::Handle;
use crate::clock::Clock;
#[cfg(feature = "distributed")]
use jetstream::JetStreamLog;
#[cfg(feature = "distributed")]
use postgres::PostgresLog;
use sqlite::SqliteLog;

#[cfg(not(feature = "distributed"))]
pub use absent::JetStream;
pub use batch::{BATCH_BYTES_MAX, BATCH_RECORDS_MAX, Batch};
pub use error::LogError;
pub use faults::{Fault, Faults};
#[cfg(feature = "distributed")]
pub use jetstream::JetStream;
pub use options::{CommitStats, JetStreamOptions, LogOptions};
pub use position::Position;
#[cfg(feature = "distributed")]
pub(crate) use postgres::News;

/// A log. Clones share it; when the last is dropped, what was queued is still written.
#[derive(Clone, Debug)]
pub struct Log(Engines);

#[derive(Clone, Debug)]
enum Engines {
    /// A SQLite file of its own: one row is one batch.
    Sqlite(Arc<Handle<SqliteLog>>),
    /// Rows in a PostgreSQL database, to which other processes append too.
    #[cfg(feature = "distributed")]
    Postgres(Arc<Handle<PostgresLog>>),
    /// A JetStream stream: one message is one batch.
    #[cfg(feature = "distributed")]
    JetStream(Arc<Handle<JetStreamLog>>),
}

/// Calls the log, whichever engine it has.
macro_rules! on {
    ($self:ident, $log:ident => $call:expr) => {
        match &$self.0 {
            Engines::Sqlite($log) => $call,
            #[cfg(feature = "distributed")]
            Engines::Postgres($log) => $call,
            #[cfg(feature = "distributed")]
            Engines::JetStream($log) => $call,
        }
    };
}

/// Where an append went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The position of its first record; the others follow in the same batch.
    pub first: Position,
    /// When, by the log's clock.
    pub at: Timestamp,
}

/// Where the log begins and ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    /// The oldest batch there is; `next_seq` if there is none.
    pub first_seq: u64,
    /// The batch that will be written next.
    pub next_seq: u64,
    /// Bytes of disk that the batches take, about.
    pub bytes: u64,
    /// When the oldest batch was appended.
    pub oldest: Option<Timestamp>,
}

impl Log {
    /// Opens the log in the SQLite file at `path` (beside it: `-wal`, `-shm` and `.lock`), creating
    /// it if it is not there. Waits a few seconds for a process that is just letting go of it.
    ///
    /// # Errors
    /// [`LogError::Unavailable`] if the file cannot be opened, or another process has it.
    pub async fn open_sqlite(
        path: &Path,
        options: LogOptions,
        clock: Clock,
    ) -> Result<Self, LogError> {
        let engine = SqliteLog::open(path, options.faults.clone(), clock.clone()).await?;
        let log = Handle::open(engine, options, clock);
        Ok(Self(Engines::Sqlite(log.await?)))
    }

    /// Opens the log of a shard in the PostgreSQL database `db`, creating its tables if they are not there. Any number of
    /// processes may have it open and append to it.
    ///
    /// An append that ends in [`LogError::Unavailable`] is not in the log, with one exception: if the server could not be
    /// asked for 5 seconds after an answer was lost, then the append may be there.
    ///
    /// # Errors
    /// [`LogError::Unavailable`] if it cannot be reached, if a newer release was there, if `db` is no PostgreSQL database,
    /// or if this program was built without the feature `distributed`.
    #[cfg_attr(
        not(feature = "distributed"),
        expect(clippy::unused_async, unused_variables, reason = "compiled out")
    )]
    pub async fn open_postgres(
        db: &crate::Db,
        shard: u32,
        options: LogOptions,
        clock: Clock,
    ) -> Result<Self, LogError> {
        #[cfg(feature = "distributed")]
        if let crate::Db::Postgres(postgres) = db {
            let engine = PostgresLog::open(postgres, shard).await?;
            let log = Handle::open(engine, options, clock);
            return Ok(Self(Engines::Postgres(log.await?)));
        }
        Err(LogError::unavailable(crate::DbError::wrong(
            if cfg!(feature = "distributed") {
                "a log on PostgreSQL needs the database there"
            } else {
                "PostgreSQL: built without `distributed`: build with --features distributed"
            },
        )))
    }

    /// Opens the log of `shard` in the stream `rialto-<prefix>-log-<shard>`, making it if it is not there. Other
    /// processes may have it open too. Waits some seconds for servers that elect a leader.
    ///
    /// An append that ends in [`LogError::Unavailable`] is not in the log, with one exception: if no definite answer came
    /// in 12 seconds, it may be there, or get there a moment later.
    ///
    /// # Errors
    /// [`LogError::Unavailable`] if JetStream does not answer, or the stream of that name is another's or may lose
    /// messages by its settings.
    pub async fn open_jetstream(
        link: &JetStream,
        shard: u32,
        options: LogOptions,
        clock: Clock,
    ) -> Result<Self, LogError> {
        #[cfg(feature = "distributed")]
        {
            let (engine, options) = JetStreamLog::open(link, shard, options).await?;
            let log = Handle::open(engine, options, clock);
            Ok(Self(Engines::JetStream(log.await?)))
        }
        #[cfg(not(feature = "distributed"))]
        match link.never(shard, options, clock) {}
    }

    /// Appends `records` as one piece, and answers when they are durable. Of no records at all,
    /// nothing is written, and the answer is where the next record will be.
    ///
    /// # Errors
    /// [`LogError::Full`], [`LogError::TooLarge`], [`LogError::Closed`], and
    /// [`LogError::Unavailable`] if it could not be made durable: then it is not in the log.
    pub async fn append(&self, records: Vec<Vec<u8>>) -> Result<Appended, LogError> {
        on!(self, log => log.append(records).await)
    }

    /// Reads batches in order, the first being the first there is at or after `from_seq`: at most
    /// `batches_max`, and no more once `bytes_max` is reached (so at least one, if there is one).
    ///
    /// # Errors
    /// [`LogError::Corrupt`] if the first of them cannot be read: go on after its `seq`.
    pub async fn read(
        &self,
        from_seq: u64,
        batches_max: usize,
        bytes_max: usize,
    ) -> Result<Vec<Arc<Batch>>, LogError> {
        on!(self, log => log.read(from_seq, batches_max, bytes_max).await)
    }

    /// Removes all batches before `before_seq`, and returns how many these were. Appends go on
    /// meanwhile; the space is used again by later batches.
    ///
    /// # Errors
    /// [`LogError::Unavailable`]; a part may have been removed.
    pub async fn trim(&self, before_seq: u64) -> Result<u64, LogError> {
        on!(self, log => log.trim(before_seq).await)
    }

    /// Replaces batches by what [`Batch::without`] left of them, at their places: from now on nobody reads what was in
    /// them, but who has it in memory ([`Log::forget`]). Those that were trimmed meanwhile are passed over. Appends go on.
    /// JetStream may append a batch of one empty record, since its newest message cannot be replaced.
    ///
    /// # Errors
    /// [`LogError::Unavailable`]; a part may have been replaced.
    pub async fn rewrite(&self, batches: Vec<Arc<Batch>>) -> Result<(), LogError> {
        on!(self, log => log.rewrite(batches).await)
    }

    /// After this, what rewrites replaced and trims removed is in no file of a SQLite log, and JetStream has overwritten
    /// it; PostgreSQL may use its space again, and until it does the bytes are in its files. What the machines keep
    /// beside the log (archives, backups, copies that are behind) is out of reach. Takes as long as writing the free
    /// space; appends go on in between.
    ///
    /// # Errors
    /// [`LogError::Unavailable`], also if a reader is in the way for seconds: to be tried again.
    pub async fn scrub(&self) -> Result<(), LogError> {
        on!(self, log => log.scrub().await)
    }

    /// Forgets the batches that are in memory: another process may have rewritten them. Does no IO.
    pub fn forget(&self) {
        on!(self, log => log.forget());
    }

    /// `next_seq` as the engine has it at this moment, appends of other processes included. Also brings [`Log::ends`]
    /// and [`Log::tail`] up to date.
    ///
    /// # Errors
    /// [`LogError::Unavailable`].
    pub async fn latest(&self) -> Result<u64, LogError> {
        on!(self, log => log.latest().await)
    }

    /// Where the log begins and ends, as far as this process knows. Does no IO.
    #[must_use]
    pub fn ends(&self) -> Ends {
        on!(self, log => log.ends())
    }

    /// Follows `next_seq`: changes when batches have become readable.
    #[must_use]
    pub fn tail(&self) -> watch::Receiver<u64> {
        on!(self, log => log.tail())
    }

    /// The first batch that was appended at or after `at`; `next_seq` if there is none.
    ///
    /// # Errors
    /// [`LogError::Unavailable`].
    pub async fn find_time(&self, at: Timestamp) -> Result<u64, LogError> {
        on!(self, log => log.find_time(at).await)
    }

    /// What the operator should know of when an acknowledged append can get lost, a sentence each. Nothing if it cannot.
    #[must_use]
    pub fn promises(&self) -> Vec<String> {
        on!(self, log => log.promises())
    }

    /// Proves that the log can take appends. After a failed commit this tries to write, so asking
    /// is also what brings a log back to which nobody appends.
    ///
    /// # Errors
    /// [`LogError::Unavailable`] with what is in the way, [`LogError::Closed`].
    pub async fn health(&self) -> Result<(), LogError> {
        on!(self, log => log.health().await)
    }

    /// Appends batches under their own numbers and times, as a migration does: ascending, and beyond the last that there
    /// is. Numbers between them are never given out. A time before the last one's becomes that. For a log that nobody
    /// else has open; a call is one commit where the engine can, so it should be some megabytes.
    ///
    /// # Errors
    /// [`LogError::Misplaced`], and as [`Log::append`]; then the log goes on at [`Log::ends`].
    pub async fn import(&self, batches: Vec<Arc<Batch>>) -> Result<(), LogError> {
        on!(self, log => log.import(batches).await)
    }

    /// The next batch gets the number `next_seq`, the ones before are never given out. For a log that nobody else has
    /// open.
    ///
    /// # Errors
    /// [`LogError::Misplaced`] if the log is further already, [`LogError::Unavailable`].
    pub async fn skip_to(&self, next_seq: u64) -> Result<(), LogError> {
        on!(self, log => log.skip_to(next_seq).await)
    }

    /// Leaves a gap of `batches` numbers behind the last batch in the SQLite file at `path`, which nobody has open: what
    /// another copy of this log gave out meanwhile is not given out again.
    ///
    /// # Errors
    /// [`LogError::Unavailable`] if it cannot be written, or a process has it.
    pub async fn leave_gap_sqlite(path: &Path, batches: u64) -> Result<(), LogError> {
        SqliteLog::leave_gap(path, batches).await
    }

    /// Copies the log, as it is at one moment, to the new file `to`. Appends go on meanwhile.
    ///
    /// # Errors
    /// [`LogError::Unavailable`] if `to` exists or cannot be written; nothing is left there.
    pub async fn snapshot(&self, to: &Path) -> Result<(), LogError> {
        on!(self, log => log.snapshot(to).await)
    }

    /// Takes no more appends, writes what is queued, and answers once all of it has been answered.
    /// Reading goes on.
    pub async fn close(&self) {
        on!(self, log => log.close().await);
    }
}
