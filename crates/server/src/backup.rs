//! Backup of a hub, live or stopped, and restoring one.
//!
//! A backup is a directory: the database first, then the log, then the event files and the key. The log is copied
//! after the database, so it holds everything that the database speaks of; what the database does not know yet is
//! routed again after restoring (a repeat, never a loss).

use std::path::{Path, PathBuf};

use engine::Db;

/// Why a backup or restore failed; the target is then incomplete and must not be used.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error("{path} exists and is not empty: name a new directory")]
    NotEmpty { path: PathBuf },
    #[error("{path} is not a backup: it has no {missing}")]
    NotABackup {
        path: PathBuf,
        missing: &'static str,
    },
    #[error("{path} could not be copied")]
    Copy {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the database or the log could not be copied")]
    Db(#[from] engine::DbError),
}

const DATABASE: &str = "rialto.db";
const LOG: &str = "log.db";
const KEY: &str = "secret.key";
const BLOBS: &str = "blobs";

/// Copies the data directory of a hub that may be running to the new directory `to`.
pub async fn backup(data: &Path, to: &Path) -> Result<(), BackupError> {
    require(data, DATABASE)?;
    require(data, LOG)?;
    make_empty(to)?;
    Db::open_sqlite(&data.join(DATABASE))
        .await?
        .snapshot(&to.join(DATABASE))
        .await?;
    // The log is a SQLite file too; it is copied without its committer, which may be at work in another process.
    Db::open_sqlite(&data.join(LOG))
        .await?
        .snapshot(&to.join(LOG))
        .await?;
    copy_rest(data, to)
}

/// Makes a data directory `to` of a backup.
pub fn restore(from: &Path, to: &Path) -> Result<(), BackupError> {
    require(from, DATABASE)?;
    require(from, LOG)?;
    make_empty(to)?;
    for name in [DATABASE, LOG] {
        copy(&from.join(name), &to.join(name))?;
    }
    copy_rest(from, to)
}

fn require(directory: &Path, name: &'static str) -> Result<(), BackupError> {
    if directory.join(name).is_file() {
        return Ok(());
    }
    Err(BackupError::NotABackup {
        path: directory.to_owned(),
        missing: name,
    })
}

fn make_empty(to: &Path) -> Result<(), BackupError> {
    let wrap = |source| BackupError::Copy {
        path: to.to_owned(),
        source,
    };
    std::fs::create_dir_all(to).map_err(wrap)?;
    if std::fs::read_dir(to).map_err(wrap)?.next().is_some() {
        return Err(BackupError::NotEmpty {
            path: to.to_owned(),
        });
    }
    Ok(())
}

fn copy_rest(from: &Path, to: &Path) -> Result<(), BackupError> {
    if from.join(KEY).is_file() {
        copy(&from.join(KEY), &to.join(KEY))?;
    }
    if from.join(BLOBS).is_dir() {
        copy_directory(&from.join(BLOBS), &to.join(BLOBS))?;
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<(), BackupError> {
    match std::fs::copy(from, to) {
        Ok(_) => Ok(()),
        // A file that was deleted while we were on the way was not needed any more.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(BackupError::Copy {
            path: from.to_owned(),
            source,
        }),
    }
}

fn copy_directory(from: &Path, to: &Path) -> Result<(), BackupError> {
    let wrap = |source| BackupError::Copy {
        path: from.to_owned(),
        source,
    };
    std::fs::create_dir_all(to).map_err(wrap)?;
    for entry in std::fs::read_dir(from).map_err(wrap)? {
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
    Ok(())
}
