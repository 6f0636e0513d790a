//! The SQL engine of `Log`: one row is one batch, in a SQLite file of its own.
//!
//! ```text
//!   append ──► queue ──► committer (a thread) ──► table ──► answers
//!                            │    all that waits goes into one commit (group commit)
//!                            ├──► tail: the newest batches, in memory ──► read
//!                            └──► checkpointer (a thread): moves the write-ahead file into the table's
//! ```
//!
//! - `committer`: the only writer; what it does when a commit fails.
//! - `table`: all SQL of the log.
//! - `checkpoint`: keeps the write-ahead file short without holding up appends.
//!
//! The file `.lock` beside the table makes sure that there is one committer: sequence numbers
//! are given out in memory.

mod checkpoint;
mod committer;
mod table;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::batch::Batch;
use super::front::{Front, Handle};
use super::tail::Tail;
use super::{Ends, LogError, LogOptions};
use crate::blocking::{Stopped, blocking};
use crate::clock::Clock;
use crate::sqlite::{self, Readers};
use committer::Committer;
use jiff::Timestamp;

/// How long an opening log waits for the process that has it.
const LOCK_WAIT_MAX: Duration = Duration::from_secs(5);
const LOCK_TRIED_EVERY: Duration = Duration::from_millis(10);

/// A log in a SQLite file. Clones share it.
#[derive(Clone, Debug)]
pub struct SqlLog {
    pub(super) handle: Arc<Handle<Shared>>,
}

/// What the log's handles and its committer share.
#[derive(Debug)]
pub(super) struct Shared {
    path: PathBuf,
    options: LogOptions,
    front: Arc<Front>,
    tail: Mutex<Tail>,
    ends: Mutex<Ends>,
    readers: Arc<Readers>,
}

impl Shared {
    fn ends(&self) -> MutexGuard<'_, Ends> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tail(&self) -> MutexGuard<'_, Tail> {
        self.tail.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SqlLog {
    pub(super) async fn open(
        path: &Path,
        options: LogOptions,
        clock: Clock,
    ) -> Result<Self, LogError> {
        let lock = lock(path, LOCK_WAIT_MAX).await?;
        let path = path.to_owned();
        let shared = blocking(move || Committer::start(&path, lock, options, clock)).await??;
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
        if let Some(batches) = shared.tail().read(from_seq, batches_max, bytes_max) {
            return Ok(batches);
        }
        let read =
            move |reader: &_| table::read(reader, from_seq..next_seq, batches_max, bytes_max);
        shared.readers.run(read).await
    }

    pub(super) fn ends(&self) -> Ends {
        *self.handle.ends()
    }

    pub(super) async fn find_time(&self, at: Timestamp) -> Result<u64, LogError> {
        let ends = self.ends();
        let find = move |reader: &_| table::find_time(reader, at, ends.first_seq..ends.next_seq);
        self.handle.readers.run(find).await
    }

    pub(super) async fn health(&self) -> Result<(), LogError> {
        self.handle.front.probe().await
    }

    pub(super) async fn leave_gap(path: &Path, batches: u64) -> Result<(), LogError> {
        let lock = lock(path, LOCK_WAIT_MAX).await?;
        let path = path.to_owned();
        blocking(move || {
            let _lock = lock;
            Ok(table::Table::open(&path)?.leave_gap(batches)?)
        })
        .await?
    }

    pub(super) async fn snapshot(&self, to: &Path) -> Result<(), LogError> {
        let to = to.to_owned();
        self.handle
            .readers
            .run(move |reader| Ok(sqlite::snapshot(reader, &to)?))
            .await
    }
}

/// Takes the log for this process, until the file that is returned is closed.
async fn lock(path: &Path, wait_max: Duration) -> Result<File, LogError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let path = PathBuf::from(name);
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(LogError::unavailable)?;
    let mut waited = Duration::ZERO;
    while let Err(error) = file.try_lock() {
        if waited >= wait_max || !matches!(error, std::fs::TryLockError::WouldBlock) {
            return Err(LogError::unavailable(InUse {
                path,
                source: error.into(),
            }));
        }
        tokio::time::sleep(LOCK_TRIED_EVERY).await;
        waited += LOCK_TRIED_EVERY;
    }
    Ok(file)
}

#[derive(Debug, thiserror::Error)]
#[error("{} cannot be locked: does another process run on this directory?", path.display())]
struct InUse {
    path: PathBuf,
    #[source]
    source: std::io::Error,
}

impl From<rusqlite::Error> for LogError {
    fn from(error: rusqlite::Error) -> Self {
        Self::unavailable(error)
    }
}

impl From<Stopped> for LogError {
    fn from(stopped: Stopped) -> Self {
        Self::unavailable(stopped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::Log;

    #[tokio::test]
    async fn a_log_of_a_newer_release_is_not_opened() {
        let dir = tempfile::TempDir::new().expect("a temporary directory");
        let path = dir.path().join("log.db");
        let open = || Log::open_sqlite(&path, LogOptions::default(), Clock::System);
        let log = open().await.expect("a new log");
        log.append(vec![b"event".to_vec()]).await.expect("durable");
        log.close().await;
        drop(log);
        let connection = table::open(&path).expect("a connection");
        let update = "UPDATE log_batch SET format = format + 1";
        connection.execute(update, []).expect("a statement");
        let Err(LogError::Unavailable(why)) = open().await else {
            panic!("it was opened");
        };
        assert!(why.to_string().contains("start the release"), "{why}");
    }

    #[tokio::test]
    async fn behind_a_gap_numbering_goes_on() {
        let dir = tempfile::TempDir::new().expect("a temporary directory");
        let path = dir.path().join("log.db");
        let open = async || {
            let opened = Log::open_sqlite(&path, LogOptions::default(), Clock::System);
            opened.await.expect("it opens")
        };
        for (before, expected) in [(0, 1), (1 << 32, (1 << 32) + 2)] {
            if before > 0 {
                SqlLog::leave_gap(&path, before).await.expect("a gap");
            }
            let log = open().await;
            let appended = log.append(vec![b"event".to_vec()]).await;
            assert_eq!(appended.expect("durable").first.seq(), expected);
            log.close().await;
        }
        let log = open().await;
        let batches = log.read(1, 9, usize::MAX).await.expect("read");
        let seqs: Vec<u64> = batches.iter().map(|batch| batch.seq()).collect();
        assert_eq!(seqs, [1, (1 << 32) + 2], "readers pass over it");
    }

    #[tokio::test]
    async fn one_process_at_a_time_has_a_log() {
        let dir = tempfile::TempDir::new().expect("a temporary directory");
        let path = dir.path().join("log.db");
        let first = lock(&path, Duration::ZERO).await.expect("free");
        let Err(LogError::Unavailable(why)) = lock(&path, Duration::ZERO).await else {
            panic!("it was locked twice");
        };
        assert!(
            why.to_string().contains("log.db.lock cannot be locked"),
            "{why}"
        );
        drop(first);
        // Not at once: a process that another test has just started holds all files of this one until it is a program.
        lock(&path, LOCK_WAIT_MAX).await.expect("free again");
    }
}
