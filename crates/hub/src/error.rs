//! Why a verb did not do it: few variants, those that callers branch on.

use std::time::Duration;

use model::Invalid;

/// Turned into a problem document by `api`, into a sentence by the command line.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The data breaks rules; every violation is listed.
    #[error("the request is not valid")]
    Invalid(#[from] Invalid),
    /// There is no such thing, or it is another account's.
    #[error("there is no {0}")]
    NotFound(String),
    /// It contradicts what is there.
    #[error("{0}")]
    Conflict(String),
    /// The caller may not do this now.
    #[error("{0}")]
    Forbidden(String),
    /// Too much at once; try again later.
    #[error("{what}: try again in {} s", retry_after.as_secs().max(1))]
    Busy { what: String, retry_after: Duration },
    /// The stores cannot take it now; nothing was changed.
    #[error("the exchange cannot store anything just now; nothing was taken")]
    Unavailable {
        retry_after: Duration,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A fault of ours.
    #[error("something went wrong in the exchange")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

pub type Result<T> = std::result::Result<T, Error>;

/// How long callers are told to wait when a store is not available.
const UNAVAILABLE_RETRY_AFTER: Duration = Duration::from_secs(2);

impl Error {
    pub fn not_found(what: &str, id: impl std::fmt::Display) -> Self {
        Self::NotFound(format!("{what} {id}"))
    }

    pub fn internal(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Internal(source.into())
    }
}

/// An error and what is behind it, in one line: for the pages of operators.
pub(crate) fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

impl From<store::StoreError> for Error {
    fn from(error: store::StoreError) -> Self {
        match error {
            store::StoreError::Db(error) => error.into(),
            other @ store::StoreError::Unreadable { .. } => Self::Internal(Box::new(other)),
        }
    }
}

impl From<engine::DbError> for Error {
    fn from(error: engine::DbError) -> Self {
        if error.is_retryable() {
            Self::Unavailable {
                retry_after: UNAVAILABLE_RETRY_AFTER,
                source: Box::new(error),
            }
        } else {
            Self::Internal(Box::new(error))
        }
    }
}

impl From<engine::LogError> for Error {
    fn from(error: engine::LogError) -> Self {
        match error {
            engine::LogError::Full { retry_after } => Self::Busy {
                what: "more is being published than can be stored".to_owned(),
                retry_after,
            },
            other => Self::Unavailable {
                retry_after: UNAVAILABLE_RETRY_AFTER,
                source: Box::new(other),
            },
        }
    }
}

impl From<store::vault::VaultError> for Error {
    fn from(error: store::vault::VaultError) -> Self {
        Self::Internal(Box::new(error))
    }
}

impl From<engine::BlobError> for Error {
    fn from(error: engine::BlobError) -> Self {
        Self::Unavailable {
            retry_after: UNAVAILABLE_RETRY_AFTER,
            source: Box::new(error),
        }
    }
}
