//! The S3 engine of `Blobs`: a key is the key of an object, behind a prefix, in a bucket of any S3-compatible store.
//!
//! `object_store` knows the protocol and signs; `http` is the connection under it. A request that fails in a way that
//! may heal is repeated a few times within seconds; then the caller hears [`BlobError::Unavailable`]. Nothing here looks
//! whether a key is a folder of another: to S3 it is not one.

mod http;

use std::error::Error;
use std::fmt;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::TryStreamExt as _;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::list::{PaginatedListOptions, PaginatedListStore};
use object_store::path::Path;
use object_store::{BackoffConfig, ObjectStoreExt, RetryConfig};

use super::{BlobError, S3Options, key};
use http::Connector;

/// How often a request is repeated.
const RETRIES_MAX: usize = 3;

/// A call may take a second longer for as many bytes of its value.
const BYTES_PER_SECOND_MIN: usize = 1 << 20;

/// What [`S3Blobs::health`] writes. A dot cannot begin a name of a key, so it is in nobody's way.
const PROBE: &str = ".probe";

/// Blobs in a bucket. Clones share its connections.
#[derive(Clone)]
pub struct S3Blobs {
    store: AmazonS3,
    /// Empty, or ends in a slash.
    prefix: String,
    /// For each call.
    timeout: Duration,
}

impl fmt::Debug for S3Blobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, prefix `{}`", self.store, self.prefix)
    }
}

impl S3Blobs {
    pub(super) fn open(options: &S3Options) -> Result<Self, BlobError> {
        let prefix = options.prefix.trim_matches('/');
        if !prefix.is_empty() {
            key::check(prefix)?;
        }
        // The environment first, then what was configured.
        let mut builder = AmazonS3Builder::from_env()
            .with_bucket_name(&options.bucket)
            .with_retry(RetryConfig {
                backoff: BackoffConfig {
                    max_backoff: Duration::from_secs(2),
                    ..BackoffConfig::default()
                },
                max_retries: RETRIES_MAX,
                retry_timeout: options.timeout / 2,
            })
            .with_http_connector(Connector::new(
                options.endpoint.as_deref(),
                options.timeout / 2,
            )?);
        if let Some(endpoint) = &options.endpoint {
            builder = builder.with_endpoint(endpoint);
        }
        if let Some(region) = &options.region {
            builder = builder.with_region(region);
        }
        if let Some(is_path_style) = options.is_path_style {
            builder = builder.with_virtual_hosted_style_request(!is_path_style);
        }
        if let Some((access_key, secret_key)) = &options.credentials {
            builder = builder
                .with_access_key_id(access_key)
                .with_secret_access_key(secret_key);
        }
        Ok(Self {
            store: builder.build()?,
            prefix: if prefix.is_empty() {
                String::new()
            } else {
                format!("{prefix}/")
            },
            timeout: options.timeout,
        })
    }

    pub(super) async fn put(&self, key: &str, bytes: Bytes) -> Result<(), BlobError> {
        key::check(key)?;
        self.write(key, bytes).await
    }

    pub(super) async fn get(&self, key: &str) -> Result<Option<Bytes>, BlobError> {
        key::check(key)?;
        let path = self.path(key);
        let answer = self.within(0, async { found(self.store.get(&path).await) });
        let Some(answer) = answer.await? else {
            return Ok(None);
        };
        let mut bytes = BytesMut::with_capacity(usize::try_from(answer.meta.size).unwrap_or(0));
        let mut pieces = answer.into_stream();
        while let Some(piece) = self
            .within(0, async { Ok(pieces.try_next().await?) })
            .await?
        {
            bytes.extend_from_slice(&piece);
        }
        Ok(Some(bytes.freeze()))
    }

    /// Two calls: S3 does not say whether it removed something.
    pub(super) async fn delete(&self, key: &str) -> Result<bool, BlobError> {
        key::check(key)?;
        let path = self.path(key);
        self.within(0, async {
            if found(self.store.head(&path).await)?.is_none() {
                return Ok(false);
            }
            Ok(found(self.store.delete(&path).await)?.is_some())
        })
        .await
    }

    pub(super) async fn list(&self, prefix: &str) -> Result<Vec<String>, BlobError> {
        key::check_prefix(prefix)?;
        let all = format!("{}{prefix}", self.prefix);
        let mut keys = Vec::new();
        let mut page_token = None;
        loop {
            let options = PaginatedListOptions {
                page_token,
                ..PaginatedListOptions::default()
            };
            let page = async { Ok(self.store.list_paginated(Some(&all), options).await?) };
            let page = self.within(0, page).await?;
            for object in page.result.objects {
                let key = object.location.as_ref().strip_prefix(&self.prefix);
                // What others keep in the bucket, and our own probe, is no blob.
                keys.extend(key.filter(|key| key::check(key).is_ok()).map(str::to_owned));
            }
            page_token = page.page_token;
            if page_token.is_none() {
                break;
            }
        }
        keys.sort_unstable();
        Ok(keys)
    }

    pub(super) async fn health(&self) -> Result<(), BlobError> {
        self.write(PROBE, Bytes::from_static(b"well")).await
    }

    /// On a task of its own: dropping the future must not stop it.
    async fn write(&self, key: &str, bytes: Bytes) -> Result<(), BlobError> {
        let (blobs, path) = (self.clone(), self.path(key));
        let put = async move {
            let put = async {
                blobs.store.put(&path, bytes.clone().into()).await?;
                Ok(())
            };
            blobs.within(bytes.len(), put).await
        };
        tokio::spawn(put)
            .await
            .unwrap_or_else(|stopped| Err(BlobError::Unavailable(stopped.into())))
    }

    fn path(&self, key: &str) -> Path {
        // Keys are made of characters that a path takes as they are.
        Path::from(format!("{}{key}", self.prefix))
    }

    /// Bounds a call that moves up to `bytes`.
    async fn within<T>(
        &self,
        bytes: usize,
        call: impl Future<Output = Result<T, BlobError>>,
    ) -> Result<T, BlobError> {
        tokio::time::timeout(longer(self.timeout, bytes), call)
            .await
            .unwrap_or_else(|late| Err(BlobError::Unavailable(late.into())))
    }
}

fn longer(time: Duration, bytes: usize) -> Duration {
    let seconds = u64::try_from(bytes / BYTES_PER_SECOND_MIN).unwrap_or(u64::MAX);
    time.saturating_add(Duration::from_secs(seconds))
}

/// Nothing under a key is an answer; no bucket is an error.
fn found<T>(result: Result<T, object_store::Error>) -> Result<Option<T>, BlobError> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error @ object_store::Error::NotFound { .. }) if !says(&error, &["NoSuchBucket"]) => {
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

impl From<object_store::Error> for BlobError {
    fn from(error: object_store::Error) -> Self {
        // There is no one word for it: Ceph, MinIO and others, and HTTP's 507.
        let full = ["QuotaExceeded", "StorageFull", "507 Insufficient Storage"];
        if says(&error, &full) {
            Self::Full(error.into())
        } else {
            Self::Unavailable(error.into())
        }
    }
}

/// Whether the error or a cause of it has one of `words`: `object_store` keeps the server's answer as text.
fn says(error: &object_store::Error, words: &[&str]) -> bool {
    let mut next: Option<&dyn Error> = Some(error);
    while let Some(error) = next {
        let text = error.to_string();
        if words.iter().any(|word| text.contains(word)) {
            return true;
        }
        next = error.source();
    }
    false
}
