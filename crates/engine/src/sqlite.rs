//! What `Db` and `Log` share of SQLite: connections set up for durability, a few readers, snapshots.
//!
//! Every connection of the crate is opened here, so the settings on which promises rest (WAL,
//! `synchronous=FULL`, foreign keys) are in one place.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, ErrorCode, OpenFlags};
use tokio::sync::Semaphore;

use crate::blocking::{Stopped, blocking};

/// How long a statement waits for a lock of another connection before it answers "busy".
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Prepared statements kept per connection: more than the product has distinct statements.
const STATEMENTS_MAX: usize = 256;

/// Bytes to which the write-ahead file is cut back once a burst has been checkpointed.
const WAL_BYTES_KEPT: u32 = 64 << 20;

/// Memory for pages of a file's writer, in KiB, taken when it is needed: inserting into large indexes reads pages all over
/// them, and what does not fit is written out in the middle of a transaction.
const WRITER_CACHE_KIB: u32 = 16 << 10;

/// Reader connections of one file. Reads are short and mostly served from the page cache, so a
/// few keep two to eight cores busy; each costs up to 2 MiB of cache.
const READERS: usize = 4;

/// What a connection is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// Reads and writes. A file that is not there is created, with pages of so many bytes.
    Write { page_bytes: u32 },
    /// Reads only; a statement that writes is an error.
    Read,
}

/// Opens a connection with this crate's settings. Blocks.
pub(crate) fn open(path: &Path, usage: Use) -> rusqlite::Result<Connection> {
    let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    if usage != Use::Read {
        flags |= OpenFlags::SQLITE_OPEN_CREATE;
    }
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    let usage = match usage {
        Use::Write { page_bytes } => {
            format!(
                "PRAGMA page_size={page_bytes}; PRAGMA journal_mode=WAL; PRAGMA cache_size=-{WRITER_CACHE_KIB};"
            )
        }
        Use::Read => "PRAGMA query_only=ON;".to_owned(),
    };
    connection.execute_batch(&format!(
        "{usage}
         PRAGMA synchronous=FULL;
         PRAGMA foreign_keys=ON;
         PRAGMA trusted_schema=OFF;
         PRAGMA temp_store=MEMORY;
         PRAGMA journal_size_limit={WAL_BYTES_KEPT};"
    ))?;
    Ok(connection)
}

/// The readers of one file: opened when first needed, at most [`READERS`] at work at a time.
#[derive(Debug)]
pub(crate) struct Readers {
    path: PathBuf,
    permits: Semaphore,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    pub(crate) fn new(path: &Path) -> Arc<Self> {
        Arc::new(Self {
            path: path.to_owned(),
            permits: Semaphore::new(READERS),
            idle: Mutex::default(),
        })
    }

    /// Runs `read` on a reader. A reader whose work panicked is not used again.
    pub(crate) async fn run<T, E>(
        self: &Arc<Self>,
        read: impl FnOnce(&Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<rusqlite::Error> + From<Stopped> + Send + 'static,
    {
        let _permit = self.permits.acquire().await.map_err(|_| Stopped)?;
        let readers = Arc::clone(self);
        blocking(move || {
            let idle = readers.idle().pop();
            let connection = match idle {
                Some(connection) => connection,
                None => open(&readers.path, Use::Read)?,
            };
            let result = read(&connection);
            readers.idle().push(connection);
            result
        })
        .await?
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Copies the database behind `from` to a new file, as it was at one moment, and syncs it.
/// Writers are not held up. Blocks. Refuses a target that exists; leaves nothing behind on failure.
pub(crate) fn snapshot(from: &Connection, to: &Path) -> rusqlite::Result<()> {
    if to.exists() {
        return Err(cannot_open(format!(
            "{} exists already; a snapshot is never written over anything",
            to.display()
        )));
    }
    let mut name = to.file_name().unwrap_or_default().to_owned();
    name.push(".partial");
    let partial = to.with_file_name(name);
    let _ = std::fs::remove_file(&partial);
    let copied = copy(from, &partial).and_then(|()| {
        persist(&partial, to)
            .map_err(|error| cannot_open(format!("cannot keep {}: {error}", to.display())))
    });
    if copied.is_err() {
        let _ = std::fs::remove_file(&partial);
    }
    copied
}

fn copy(from: &Connection, to: &Path) -> rusqlite::Result<()> {
    let mut target = Connection::open(to)?;
    {
        let backup = Backup::new(from, &mut target)?;
        // One step takes all pages under one read lock: consistent, and in WAL mode nobody waits.
        match backup.step(-1)? {
            StepResult::Done => {}
            StepResult::Busy | StepResult::Locked | StepResult::More | _ => {
                return Err(failure(
                    ErrorCode::DatabaseBusy,
                    "the database was busy for too long to be copied",
                ));
            }
        }
    }
    target.close().map_err(|(_, error)| error)
}

fn persist(partial: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::File::open(partial)?.sync_all()?;
    std::fs::rename(partial, to)?;
    sync_directory_of(to)
}

/// Makes the names in the directory that holds `path` durable.
pub(crate) fn sync_directory_of(path: &Path) -> std::io::Result<()> {
    let directory = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    std::fs::File::open(directory)?.sync_all()
}

fn cannot_open(message: String) -> rusqlite::Error {
    failure(ErrorCode::CannotOpen, message)
}

/// An error in SQLite's own terms.
pub(crate) fn failure(code: ErrorCode, message: impl Into<String>) -> rusqlite::Error {
    let extended_code = match code {
        ErrorCode::DatabaseBusy => rusqlite::ffi::SQLITE_BUSY,
        ErrorCode::DiskFull => rusqlite::ffi::SQLITE_FULL,
        ErrorCode::SystemIoFailure => rusqlite::ffi::SQLITE_IOERR,
        ErrorCode::DatabaseCorrupt => rusqlite::ffi::SQLITE_CORRUPT,
        _ => rusqlite::ffi::SQLITE_CANTOPEN,
    };
    rusqlite::Error::SqliteFailure(
        rusqlite::ffi::Error {
            code,
            extended_code,
        },
        Some(message.into()),
    )
}
