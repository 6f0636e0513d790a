//! The `Blobs` seam: whole values under a key, each written once and read as a whole.
//!
//! `hub` keeps event files and audience files here. A key is a path of names, `events/17/0001.json`:
//! letters, digits and `.`, `_`, `-`, `=` between slashes. No key may be a folder of another (`a`
//! beside `a/b`). A value appears whole or not at all, and is durable when `put` answers.

mod directory;
mod key;

use std::error::Error;
use std::path::Path;

use bytes::Bytes;

pub use directory::DirectoryBlobs;

/// A store of blobs. Clones share it.
#[derive(Clone, Debug)]
pub enum Blobs {
    /// Files in a directory on this machine.
    Directory(DirectoryBlobs),
}

/// An error of the blobs.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// The key is not one: a mistake in our own code.
    #[error("`{key}` is no key of a blob: {problem}")]
    BadKey {
        /// The key.
        key: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// No space is left for blobs.
    #[error("the disk of the blobs is full")]
    Full(#[source] Box<dyn Error + Send + Sync>),
    /// The blobs cannot be reached, read or written just now.
    #[error("the blobs are not available")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
}

impl BlobError {
    /// Whether the same call may succeed later without any change.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        !matches!(self, Self::BadKey { .. })
    }
}

impl Blobs {
    /// Opens the blobs in the directory at `path`, creating it if it is not there. One process at a
    /// time: what a process that died had half written is removed.
    ///
    /// # Errors
    /// [`BlobError::Unavailable`] if it cannot be created or written.
    pub async fn open_directory(path: &Path) -> Result<Self, BlobError> {
        DirectoryBlobs::open(path).await.map(Self::Directory)
    }

    /// Keeps `bytes` under `key`, in place of what was there, and answers when they are durable.
    /// Dropping the future does not stop it.
    ///
    /// # Errors
    /// Any [`BlobError`]; what was there before is still there.
    pub async fn put(&self, key: &str, bytes: Bytes) -> Result<(), BlobError> {
        match self {
            Self::Directory(blobs) => blobs.put(key, bytes).await,
        }
    }

    /// What is kept under `key`.
    ///
    /// # Errors
    /// [`BlobError::BadKey`], [`BlobError::Unavailable`].
    pub async fn get(&self, key: &str) -> Result<Option<Bytes>, BlobError> {
        match self {
            Self::Directory(blobs) => blobs.get(key).await,
        }
    }

    /// Removes what is kept under `key`; false if there was nothing.
    ///
    /// # Errors
    /// [`BlobError::BadKey`], [`BlobError::Unavailable`].
    pub async fn delete(&self, key: &str) -> Result<bool, BlobError> {
        match self {
            Self::Directory(blobs) => blobs.delete(key).await,
        }
    }

    /// All keys that begin with `prefix` (also in the middle of a name), sorted by their bytes.
    ///
    /// # Errors
    /// [`BlobError::BadKey`] if no key can begin so, [`BlobError::Unavailable`].
    pub async fn list(&self, prefix: &str) -> Result<Vec<String>, BlobError> {
        match self {
            Self::Directory(blobs) => blobs.list(prefix).await,
        }
    }

    /// Proves that blobs can be written.
    ///
    /// # Errors
    /// [`BlobError::Full`], [`BlobError::Unavailable`] with what is in the way.
    pub async fn health(&self) -> Result<(), BlobError> {
        match self {
            Self::Directory(blobs) => blobs.health().await,
        }
    }
}
