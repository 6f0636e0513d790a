//! The SQLite engine of `Log`: one row is one batch, in a file of its own.
//!
//! - `writer`: the only one that writes; what it does when a commit fails.
//! - `table`: all SQL of the log.
//! - `checkpoint`: a thread that keeps the write-ahead file short without holding up appends.
//!
//! The file `.lock` beside the table makes sure that there is one writer: sequence numbers are given out in memory.

mod checkpoint;
mod table;
mod writer;

use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::LogError;
use super::batch::{Batch, Encoded};
use super::engine::{Engine, Landed, State};
use super::faults::Faults;
use crate::blocking::{Stopped, blocking};
use crate::clock::Clock;
use crate::sqlite::{self, Readers};
use writer::Writer;

/// How long an opening log waits for the process that has it.
const LOCK_WAIT_MAX: Duration = Duration::from_secs(5);
const LOCK_TRIED_EVERY: Duration = Duration::from_millis(10);

/// A log in a SQLite file.
#[derive(Debug)]
pub(super) struct SqliteLog {
    /// Empty once the log was closed.
    writer: Arc<Mutex<Option<Writer>>>,
    readers: Arc<Readers>,
}

impl SqliteLog {
    pub(super) async fn open(path: &Path, faults: Faults, clock: Clock) -> Result<Self, LogError> {
        let lock = lock(path, LOCK_WAIT_MAX).await?;
        let readers = Readers::new(path);
        let path = path.to_owned();
        let writer = blocking(move || Writer::open(path, lock, faults, &clock)).await??;
        Ok(Self {
            writer: Arc::new(Mutex::new(Some(writer))),
            readers,
        })
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

    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Writer) -> Result<T, LogError> + Send + 'static,
    ) -> Result<T, LogError> {
        let writer = Arc::clone(&self.writer);
        blocking(move || write(&writer, work)).await?
    }
}

fn write<T>(
    writer: &Mutex<Option<Writer>>,
    work: impl FnOnce(&mut Writer) -> Result<T, LogError>,
) -> Result<T, LogError> {
    let mut writer = writer.lock().unwrap_or_else(PoisonError::into_inner);
    writer.as_mut().map_or(Err(LogError::Closed), work)
}

impl Engine for SqliteLog {
    /// More of them hardly make a commit cheaper, and make the first caller wait longer.
    const BATCHES_MAX: usize = 4;
    /// As long as the disk takes: there is no other to ask.
    const HEALTH_MAX: Duration = Duration::from_secs(60);
    const HAS_FAULTS: bool = true;
    const BLOCKS: bool = true;

    async fn state(&self) -> Result<State, LogError> {
        self.write(Writer::state).await
    }

    async fn append(&self, batches: Vec<Encoded>, _: bool) -> Result<Landed, LogError> {
        write(&self.writer, |writer| writer.append(batches))
    }

    async fn read(
        &self,
        seqs: Range<u64>,
        batches_max: usize,
        bytes_max: usize,
    ) -> Result<Vec<Arc<Batch>>, LogError> {
        let read = move |reader: &_| table::read(reader, seqs, batches_max, bytes_max);
        self.readers.run(read).await
    }

    async fn time_at(&self, seq: u64) -> Result<Option<(u64, i64)>, LogError> {
        let find = move |reader: &_| Ok(table::time_at(reader, seq)?);
        self.readers.run(find).await
    }

    async fn trim(&self, before_seq: u64) -> Result<u64, LogError> {
        self.write(move |writer| writer.trim(before_seq)).await
    }

    async fn rewrite(&self, batches: Vec<Arc<Batch>>) -> Result<(), LogError> {
        self.write(move |writer| writer.rewrite(&batches)).await
    }

    async fn scrub(&self, take: bool) -> Result<bool, LogError> {
        self.write(move |writer| writer.scrub(take)).await
    }

    async fn probe(&self) -> Result<(), LogError> {
        self.write(Writer::probe).await
    }

    async fn skip_to(&self, next_seq: u64) -> Result<(), LogError> {
        self.write(move |writer| writer.skip_to(next_seq)).await
    }

    async fn snapshot(&self, to: &Path) -> Result<(), LogError> {
        let to = to.to_owned();
        self.readers
            .run(move |reader| Ok(sqlite::snapshot(reader, &to)?))
            .await
    }

    async fn close(&self) {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(writer) = writer.take() {
            writer.checkpoint();
        }
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
    use crate::log::{Log, LogOptions};

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
                SqliteLog::leave_gap(&path, before).await.expect("a gap");
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

    #[test]
    fn a_log_that_is_dropped_lets_go_of_its_file_though_nobody_drives_its_runtime() {
        let dir = tempfile::TempDir::new().expect("a temporary directory");
        let path = dir.path().join("log.db");
        let runtimes = [(); 2].map(|()| {
            let mut builder = tokio::runtime::Builder::new_current_thread();
            builder.enable_all().build().expect("a runtime")
        });
        for runtime in &runtimes {
            let log = runtime.block_on(async {
                let opened = Log::open_sqlite(&path, LogOptions::default(), Clock::System);
                let log = opened.await.expect("nobody has it");
                log.append(vec![b"event".to_vec()]).await.expect("durable");
                log
            });
            drop(log);
        }
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
