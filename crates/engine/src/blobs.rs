//! The `Blobs` seam: whole values under a key, each written once and read as a whole.
//!
//! `hub` keeps event files and audience files here. A key is a path of names, `events/17/0001.json`:
//! letters, digits and `.`, `_`, `-`, `=` between slashes. No key may be a folder of another (`a`
//! beside `a/b`): a directory refuses it, S3 does not see it. A value appears whole or not at all, and is durable when `put` answers.

mod directory;
mod key;
#[cfg(feature = "distributed")]
mod s3;

use std::error::Error;
use std::fmt;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;

pub use directory::DirectoryBlobs;
#[cfg(feature = "distributed")]
pub use s3::S3Blobs;

/// A store of blobs. Clones share it.
#[derive(Clone, Debug)]
pub enum Blobs {
    /// Files in a directory, which several processes and machines may share.
    Directory(DirectoryBlobs),
    /// Objects in a bucket of an S3-compatible store.
    #[cfg(feature = "distributed")]
    S3(S3Blobs),
}

/// Where a bucket is, and as whom to speak to it. What is `None` here is taken from the environment, as other programs
/// take it (`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_REGION`, `AWS_ENDPOINT_URL`, web identities, the
/// instance's role).
#[derive(Clone)]
pub struct S3Options {
    /// The bucket. It must exist.
    pub bucket: String,
    /// Put before every key, with a slash between; may be empty. Names as in a key.
    pub prefix: String,
    /// `http://host:port` or `https://host`; without it Amazon's of the region.
    pub endpoint: Option<String>,
    /// What signatures name; `us-east-1` if the environment names none either.
    pub region: Option<String>,
    /// Whether the bucket stands in the path and not in the host's name.
    pub is_path_style: Option<bool>,
    /// Access key and secret key.
    pub credentials: Option<(String, String)>,
    /// How long a call may take, repeated requests included; large values get more.
    pub timeout: Duration,
}

impl fmt::Debug for S3Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bucket, prefix, .. } = self;
        write!(f, "s3://{bucket}/{prefix}")
    }
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
    /// Opens the blobs in the directory at `path`, creating it if it is not there. Processes may share it, also on a
    /// network file system: what one of them has half written is removed by others when it is an hour old.
    ///
    /// # Errors
    /// [`BlobError::Unavailable`] if it cannot be created or written.
    pub async fn open_directory(path: &Path) -> Result<Self, BlobError> {
        DirectoryBlobs::open(path).await.map(Self::Directory)
    }

    /// Opens the blobs in a bucket. It is not asked for anything yet: [`Blobs::health`] says whether it can be used.
    ///
    /// # Errors
    /// [`BlobError::Unavailable`] if the options cannot be meant, or this build has no S3.
    pub fn open_s3(options: &S3Options) -> Result<Self, BlobError> {
        #[cfg(feature = "distributed")]
        return S3Blobs::open(options).map(Self::S3);
        #[cfg(not(feature = "distributed"))]
        Err(BlobError::Unavailable(
            format!(
                "{options:?} needs S3, and this program was {}",
                crate::WITHOUT
            )
            .into(),
        ))
    }

    /// Keeps `bytes` under `key`, in place of what was there, and answers when they are durable.
    /// Dropping the future does not stop it.
    ///
    /// # Errors
    /// Any [`BlobError`]; what was there before is still there.
    pub async fn put(&self, key: &str, bytes: Bytes) -> Result<(), BlobError> {
        match self {
            Self::Directory(blobs) => blobs.put(key, bytes).await,
            #[cfg(feature = "distributed")]
            Self::S3(blobs) => blobs.put(key, bytes).await,
        }
    }

    /// What is kept under `key`.
    ///
    /// # Errors
    /// [`BlobError::BadKey`], [`BlobError::Unavailable`].
    pub async fn get(&self, key: &str) -> Result<Option<Bytes>, BlobError> {
        match self {
            Self::Directory(blobs) => blobs.get(key).await,
            #[cfg(feature = "distributed")]
            Self::S3(blobs) => blobs.get(key).await,
        }
    }

    /// Removes what is kept under `key`; false if there was nothing.
    ///
    /// # Errors
    /// [`BlobError::BadKey`], [`BlobError::Unavailable`].
    pub async fn delete(&self, key: &str) -> Result<bool, BlobError> {
        match self {
            Self::Directory(blobs) => blobs.delete(key).await,
            #[cfg(feature = "distributed")]
            Self::S3(blobs) => blobs.delete(key).await,
        }
    }

    /// All keys that begin with `prefix` (also in the middle of a name), sorted by their bytes.
    ///
    /// # Errors
    /// [`BlobError::BadKey`] if no key can begin so, [`BlobError::Unavailable`].
    pub async fn list(&self, prefix: &str) -> Result<Vec<String>, BlobError> {
        match self {
            Self::Directory(blobs) => blobs.list(prefix).await,
            #[cfg(feature = "distributed")]
            Self::S3(blobs) => blobs.list(prefix).await,
        }
    }

    /// After this, nothing is left of what processes were writing when they died. A [`Blobs::put`] of another process
    /// that is under way in a shared directory may fail for it, and can be made again. A bucket has no halves.
    ///
    /// # Errors
    /// [`BlobError::Unavailable`].
    pub async fn scrub(&self) -> Result<(), BlobError> {
        match self {
            Self::Directory(blobs) => blobs.scrub().await,
            #[cfg(feature = "distributed")]
            Self::S3(_) => Ok(()),
        }
    }

    /// Proves that blobs can be written.
    ///
    /// # Errors
    /// [`BlobError::Full`], [`BlobError::Unavailable`] with what is in the way.
    pub async fn health(&self) -> Result<(), BlobError> {
        match self {
            Self::Directory(blobs) => blobs.health().await,
            #[cfg(feature = "distributed")]
            Self::S3(blobs) => blobs.health().await,
        }
    }
}
