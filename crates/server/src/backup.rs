//! Backup of a hub, live or stopped, and restoring one. Called by `rialto backup` and `rialto restore`.
//!
//! A backup is a directory: the database, copied first; the log, copied second, so that it holds everything that the
//! database speaks of; the event files and the key; and, last of all, `backup.json`, without which it is not complete.
//! What the database does not know yet is routed again after restoring: a repeat, never a loss.
//!
//! A restored hub goes back in time, but the world does not: its log goes on behind a wide gap, so that no new event gets
//! an id (`webhook-id`) that the original gave to another one after the backup.

use std::fs::File;
use std::path::{Path, PathBuf};

use engine::{Blobs, Db, Log};

use crate::config::{BlobsEngine, Config, DbEngine};
use crate::open::{BLOBS, DATABASE, KEY, log_name};

/// Why a backup or restore failed; nothing that could be taken for a whole one is left.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error(
        "the database is PostgreSQL, which has its own means: take a base backup or `pg_dump` of it first, then a copy of the log's streams (`nats stream backup`) if it is on JetStream, of the event files and of the key"
    )]
    Elsewhere,
    #[error(
        "event files are not in the data directory: copy it with the process stopped, and them by the means of their store"
    )]
    FilesElsewhere,
    #[error("{path} exists and is not empty: name a new directory")]
    NotEmpty { path: PathBuf },
    #[error("{path} is not a data directory: it has no {missing}")]
    NotData { path: PathBuf, missing: String },
    #[error("{path} is not a complete backup: it has no {missing}")]
    NotABackup { path: PathBuf, missing: String },
    #[error("{path} could not be copied")]
    Copy {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{path} could not be copied")]
    Db {
        path: PathBuf,
        #[source]
        source: engine::DbError,
    },
    #[error("the backup's {name} is damaged ({what}): restore another backup")]
    Damaged { name: String, what: String },
    #[error("the event files could not be made to agree with the database")]
    Files(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the restored log could not be prepared")]
    Log(#[from] engine::LogError),
}

type Result<T> = std::result::Result<T, BackupError>;

/// Written last: says that the backup is whole, by which version it was made, and when.
const COMPLETE: &str = "backup.json";

/// Batches that no hub commits between a backup and its restoring: a thousand a second for fifty days.
const GAP_BATCHES: u64 = 1 << 32;

/// Whether all that the configuration names is in the data directory, so that it can be copied and restored here.
///
/// # Errors
/// [`BackupError`] says what is elsewhere, and what to do.
pub fn check(config: &Config) -> Result<()> {
    if config.engines.db != DbEngine::Sqlite {
        return Err(BackupError::Elsewhere);
    }
    if config.engines.blobs != BlobsEngine::Directory {
        return Err(BackupError::FilesElsewhere);
    }
    Ok(())
}

/// The log of each shard: the first is always there.
fn logs(data: &Path) -> impl Iterator<Item = String> {
    let more = (1..).map(log_name);
    std::iter::once(log_name(0)).chain(more.take_while(move |name| data.join(name).is_file()))
}

/// The files that are databases: the one that is, and the logs.
fn databases(data: &Path) -> Vec<String> {
    std::iter::once(DATABASE.to_owned())
        .chain(logs(data))
        .collect()
}

/// Copies the data directory of a hub that may be running to the new directory `to`.
///
/// # Errors
/// [`BackupError`]; `to` is then no complete backup.
pub async fn backup(data: &Path, to: &Path) -> Result<()> {
    for name in databases(data) {
        if !data.join(&name).is_file() {
            let path = data.to_owned();
            return Err(BackupError::NotData {
                path,
                missing: name,
            });
        }
    }
    make_empty(to)?;
    // The log is a SQLite file too; it is copied without its writer, which may be at work in another process.
    for name in databases(data) {
        let path = data.join(&name);
        let copied = match Db::open_sqlite(&path).await {
            Ok(db) => db.snapshot(&to.join(&name)).await,
            Err(error) => Err(error),
        };
        copied.map_err(|source| BackupError::Db { path, source })?;
    }
    copy_rest(data, to)?;
    agree(to).await?;
    let about = serde_json::json!({
        "version": env!("CARGO_PKG_VERSION"),
        "takenAt": engine::Clock::System.now(),
    });
    let path = to.join(COMPLETE);
    std::fs::write(&path, format!("{about}\n")).map_err(|source| copy_error(&path, source))?;
    sync(&path)?;
    sync(to)
}

/// Files were deleted by their readers and packed anew between the copies of their list and of themselves.
async fn agree(to: &Path) -> Result<()> {
    let wrap = |error: Box<dyn std::error::Error + Send + Sync>| BackupError::Files(error);
    let db = Db::open_sqlite(&to.join(DATABASE)).await;
    let blobs = Blobs::open_directory(&to.join(BLOBS)).await;
    let (db, blobs) = (
        db.map_err(|e| wrap(e.into()))?,
        blobs.map_err(|e| wrap(e.into()))?,
    );
    let agreed = hub::event_file::reconcile(&db, &blobs).await;
    agreed.map_err(|e| wrap(e.into()))?;
    let agreed = hub::data_file::reconcile(&db, &blobs).await;
    agreed.map_err(|e| wrap(e.into()))?;
    Ok(())
}

/// Makes a data directory `to` of a backup.
///
/// # Errors
/// [`BackupError`]; `to` is then empty, or was not touched.
pub async fn restore(from: &Path, to: &Path) -> Result<()> {
    for missing in [COMPLETE.to_owned()].into_iter().chain(databases(from)) {
        if !from.join(&missing).is_file() {
            let path = from.to_owned();
            return Err(BackupError::NotABackup { path, missing });
        }
    }
    make_empty(to)?;
    let restored = restore_into(from, to).await;
    if restored.is_err() {
        // A half of a hub must not be started.
        let _ = clear(to);
    }
    restored
}

async fn restore_into(from: &Path, to: &Path) -> Result<()> {
    for name in databases(from) {
        copy(&from.join(&name), &to.join(&name))?;
        examine(&to.join(&name), &name).await?;
    }
    copy_rest(from, to)?;
    for name in logs(to) {
        Log::leave_gap_sqlite(&to.join(name), GAP_BATCHES).await?;
    }
    sync(to)
}

/// Reads the whole file and says what is wrong with it.
async fn examine(path: &Path, name: &str) -> Result<()> {
    let damaged = |what: String| {
        let name = name.to_owned();
        Err(BackupError::Damaged { name, what })
    };
    let rows = match Db::open_sqlite(path).await {
        Ok(db) => db.rows("PRAGMA integrity_check(1)", &[]).await,
        Err(error) => Err(error),
    };
    let found = rows.and_then(|rows| {
        let first = rows.first().map(|row| row.get::<String>("integrity_check"));
        first.transpose()
    });
    match found {
        Ok(Some(text)) if text == "ok" => Ok(()),
        Ok(text) => damaged(text.unwrap_or_default()),
        Err(error) => damaged(with_cause(&error)),
    }
}

/// The engine's own words say what is damaged; ours only that it is.
fn with_cause(error: &dyn std::error::Error) -> String {
    error
        .source()
        .map_or_else(|| error.to_string(), ToString::to_string)
}

fn make_empty(to: &Path) -> Result<()> {
    let wrap = |source| copy_error(to, source);
    std::fs::create_dir_all(to).map_err(wrap)?;
    if std::fs::read_dir(to).map_err(wrap)?.next().is_some() {
        return Err(BackupError::NotEmpty {
            path: to.to_owned(),
        });
    }
    Ok(())
}

/// Empties a directory that was empty before; the directory itself may be a mount.
fn clear(to: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(to)? {
        let path = entry?.path();
        if path.is_dir() {
            std::fs::remove_dir_all(path)?;
        } else {
            std::fs::remove_file(path)?;
        }
    }
    Ok(())
}

fn copy_rest(from: &Path, to: &Path) -> Result<()> {
    if from.join(KEY).is_file() {
        copy(&from.join(KEY), &to.join(KEY))?;
    }
    if from.join(BLOBS).is_dir() {
        copy_directory(&from.join(BLOBS), &to.join(BLOBS))?;
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    match std::fs::copy(from, to) {
        Ok(_) => sync(to),
        // A file that was deleted while we were on the way was not needed any more.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(copy_error(from, source)),
    }
}

fn copy_directory(from: &Path, to: &Path) -> Result<()> {
    let wrap = |source| copy_error(from, source);
    std::fs::create_dir_all(to).map_err(wrap)?;
    let entries = match std::fs::read_dir(from) {
        Ok(entries) => entries,
        // Gone with its last file.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(wrap(source)),
    };
    for entry in entries {
        let path = entry.map_err(wrap)?.path();
        let Some(name) = path.file_name() else {
            continue;
        };
        if path.is_dir() {
            copy_directory(&path, &to.join(name))?;
        } else {
            copy(&path, &to.join(name))?;
        }
    }
    sync(to)
}

/// Makes a file's bytes, or a directory's names, durable.
fn sync(path: &Path) -> Result<()> {
    File::open(path)
        .and_then(|file| file.sync_all())
        .map_err(|source| copy_error(path, source))
}

fn copy_error(path: &Path, source: std::io::Error) -> BackupError {
    BackupError::Copy {
        path: path.to_owned(),
        source,
    }
}
