//! The directory engine of `Blobs`: a key is the path of a file below the directory.
//!
//! A value is written to a file in `.partial`, synced, renamed to where it belongs, and then the
//! folders on the way are synced, all of them: another `put` may have created one and not
//! synced it yet. A dot cannot begin a name of a key, so `.partial` is in nobody's way.
//!
//! Several processes may share the directory: each names its files in `.partial` by a number that it has drawn, and
//! removes what others left there only when it is old. Ages are told by the file system's clock alone.

use std::fs::{self, File};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;

use super::{BlobError, key};
use crate::blocking::{Stopped, blocking};

const PARTIAL: &str = ".partial";

/// Nobody writes one value for so long: its process has died.
const PARTIAL_AGE_MAX: Duration = Duration::from_secs(3600);

/// Blobs in a directory. Clones share it.
#[derive(Clone, Debug)]
pub struct DirectoryBlobs {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    root: PathBuf,
    /// Drawn: tells this process's files in `.partial` from those of others, also on other machines.
    writer: u64,
    /// Numbers them.
    written: AtomicU64,
}

impl DirectoryBlobs {
    pub(super) async fn open(root: &Path) -> Result<Self, BlobError> {
        let inner = Arc::new(Inner {
            root: root.to_owned(),
            writer: RandomState::new().build_hasher().finish(),
            written: AtomicU64::new(0),
        });
        let blobs = Self { inner };
        blobs.run(Inner::prepare).await?;
        Ok(blobs)
    }

    pub(super) async fn put(&self, key: &str, bytes: Bytes) -> Result<(), BlobError> {
        key::check(key)?;
        let named = key.to_owned();
        let put = self.run(move |inner| match inner.put(&named, &bytes) {
            Err(error) if clashes(&error) => Ok(false),
            put => put.map(|()| true),
        });
        if put.await? {
            return Ok(());
        }
        Err(BlobError::BadKey {
            key: key.to_owned(),
            problem: "another key is a folder of it, or it is one of another",
        })
    }

    pub(super) async fn get(&self, key: &str) -> Result<Option<Bytes>, BlobError> {
        key::check(key)?;
        let key = key.to_owned();
        self.run(move |inner| found(fs::read(inner.root.join(key))))
            .await
            .map(|bytes| bytes.map(Bytes::from))
    }

    pub(super) async fn delete(&self, key: &str) -> Result<bool, BlobError> {
        key::check(key)?;
        let key = key.to_owned();
        self.run(move |inner| {
            let path = inner.root.join(key);
            let gone = found(fs::remove_file(&path))?.is_some();
            if gone {
                sync_folders(&path, &inner.root)?;
            }
            Ok(gone)
        })
        .await
    }

    pub(super) async fn list(&self, prefix: &str) -> Result<Vec<String>, BlobError> {
        let (folder, start) = key::check_prefix(prefix)?;
        let (folder, start) = (folder.to_owned(), start.to_owned());
        self.run(move |inner| {
            let mut keys = Vec::new();
            list(&inner.root.join(&folder), &folder, &start, &mut keys)?;
            keys.sort_unstable();
            Ok(keys)
        })
        .await
    }

    pub(super) async fn scrub(&self) -> Result<(), BlobError> {
        self.run(|inner| inner.remove_partial(Duration::ZERO)).await
    }

    pub(super) async fn health(&self) -> Result<(), BlobError> {
        self.run(|inner| {
            let path = inner.partial();
            let written = fs::write(&path, b"well");
            let removed = fs::remove_file(&path);
            written.and(removed)
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> io::Result<T> + Send + 'static,
    ) -> Result<T, BlobError> {
        let inner = Arc::clone(&self.inner);
        Ok(blocking(move || work(&inner)).await??)
    }
}

impl Inner {
    /// Creates the directory; removes what was half written when other processes died.
    fn prepare(&self) -> io::Result<()> {
        fs::create_dir_all(self.root.join(PARTIAL))?;
        self.remove_partial(PARTIAL_AGE_MAX)?;
        sync(&self.root)?;
        self.root
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty())
            .map_or(Ok(()), sync)
    }

    /// Removes what other processes have half written that is older than this.
    fn remove_partial(&self, age_min: Duration) -> io::Result<()> {
        let partial = self.root.join(PARTIAL);
        let own = format!("{:016x}-", self.writer);
        let probe = self.partial();
        let now = File::create(&probe)?.metadata()?.modified()?;
        found(fs::remove_file(&probe))?;
        for left in fs::read_dir(&partial)? {
            let left = left?;
            if left.file_name().to_string_lossy().starts_with(&own) {
                continue;
            }
            // Another process may have finished it, or removed it, meanwhile.
            let Some(about) = found(left.metadata())? else {
                continue;
            };
            let age = now.duration_since(about.modified()?).unwrap_or_default();
            if age >= age_min {
                found(fs::remove_file(left.path()))?;
            }
        }
        sync(&partial)
    }

    fn put(&self, key: &str, bytes: &[u8]) -> io::Result<()> {
        let path = self.root.join(key);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let partial = self.partial();
        let written = write(&partial, bytes).and_then(|()| fs::rename(&partial, &path));
        if written.is_err() {
            let _ = fs::remove_file(&partial);
        }
        written.and_then(|()| sync_folders(&path, &self.root))
    }

    fn partial(&self) -> PathBuf {
        let number = self.written.fetch_add(1, Ordering::Relaxed);
        let name = format!("{:016x}-{number}", self.writer);
        self.root.join(PARTIAL).join(name)
    }
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Syncs the folders from that of `path` up to `root`.
fn sync_folders(path: &Path, root: &Path) -> io::Result<()> {
    path.ancestors()
        .skip(1)
        .take_while(|folder| folder.starts_with(root))
        .try_for_each(sync)
}

/// A file where a folder should be, or a folder where a file should be.
fn clashes(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::NotADirectory | ErrorKind::IsADirectory | ErrorKind::AlreadyExists
    )
}

fn found<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == ErrorKind::NotFound || clashes(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Adds the keys below `folder` (itself `named` so) whose next name begins with `start`.
fn list(folder: &Path, named: &str, start: &str, keys: &mut Vec<String>) -> io::Result<()> {
    let Some(entries) = found(fs::read_dir(folder))? else {
        return Ok(());
    };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') || !name.starts_with(start) {
            continue;
        }
        let key = if named.is_empty() {
            name
        } else {
            format!("{named}/{name}")
        };
        if entry.file_type()?.is_dir() {
            list(&entry.path(), &key, "", keys)?;
        } else {
            keys.push(key);
        }
    }
    Ok(())
}

impl From<io::Error> for BlobError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Self::Full(error.into()),
            _ => Self::Unavailable(error.into()),
        }
    }
}

impl From<Stopped> for BlobError {
    fn from(stopped: Stopped) -> Self {
        Self::Unavailable(stopped.into())
    }
}
