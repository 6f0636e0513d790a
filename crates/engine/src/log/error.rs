//! What can go wrong in a log, in the kinds that callers act on: wait, refuse, skip, stop.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use super::Fault;
use super::batch::{BATCH_RECORDS_MAX, Batch, FORMAT_MAX};
use super::position::SEQ_MAX;

/// One failed commit refuses many appends, so they share its error.
pub(super) type Source = Arc<dyn Error + Send + Sync>;

/// An error of the log.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LogError {
    /// Appends come faster than the disk takes them. Nothing of this one was queued.
    #[error("the log's queue is full; try again in {} s", retry_after.as_secs())]
    Full {
        /// When it is worth trying again.
        retry_after: Duration,
    },
    /// The disk is full, failed, or cannot be reached. Nothing of this append is in the log.
    #[error("the log cannot be written or read just now")]
    Unavailable(#[source] Source),
    /// One append does not fit in one batch. Nothing of it was queued.
    #[error(
        "an append of {records} records and {bytes} bytes is more than a batch holds: \
         {BATCH_RECORDS_MAX} records, {bytes_max} bytes"
    )]
    TooLarge {
        /// How many records it had.
        records: usize,
        /// Their bytes, with four for each record's length.
        bytes: usize,
        /// The most that there can be.
        bytes_max: usize,
    },
    /// A batch to be imported, or a number to go on at, is not beyond the end of the log. Nothing was done.
    #[error(
        "number {seq} is not beyond the log's last, or not a number of batches: it goes on at {next_seq}"
    )]
    Misplaced {
        /// The number.
        seq: u64,
        /// What it has to be, at least.
        next_seq: u64,
    },
    /// The stored bytes of a batch are damaged. The batches after it may be well.
    #[error("batch {seq} of the log is damaged: {what}")]
    Corrupt {
        /// The batch.
        seq: u64,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The log was closed.
    #[error("the log is closed")]
    Closed,
}

#[derive(Debug, thiserror::Error)]
#[error(
    "the newest batch has format {found}, and this release reads up to {FORMAT_MAX}: start the release that wrote it, or a newer one"
)]
struct Newer {
    found: i64,
}

impl LogError {
    /// Whether the same append may succeed later without any change.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Full { .. } | Self::Unavailable(_))
    }

    /// Whether batches can be put behind a log that goes on at `next_seq`.
    pub(super) fn check_import(batches: &[Arc<Batch>], mut next_seq: u64) -> Result<(), Self> {
        for batch in batches {
            Self::check_skip(batch.seq(), next_seq)?;
            next_seq = batch.seq() + 1;
        }
        Ok(())
    }

    /// Whether a log that goes on at `next_seq` can go on at `seq`.
    pub(super) fn check_skip(seq: u64, next_seq: u64) -> Result<(), Self> {
        if seq < next_seq || seq > SEQ_MAX {
            return Err(Self::Misplaced { seq, next_seq });
        }
        Ok(())
    }

    /// Refuses a log whose newest batch has a format that this release does not know: a newer release was here, and its
    /// batches are sound. They must not be passed over as if they were damaged.
    pub(super) fn check_format(found: i64) -> Result<(), Self> {
        if found > FORMAT_MAX {
            return Err(Self::unavailable(Newer { found }));
        }
        Ok(())
    }

    pub(super) fn injected(fault: Fault) -> Self {
        let what = match fault {
            Fault::DiskFull => "disk full (injected)",
            Fault::SyncFailed => "sync failed (injected)",
            Fault::AnswerLost => "the answer got lost (injected)",
        };
        Self::Unavailable(Box::<dyn Error + Send + Sync>::from(what).into())
    }

    pub(super) fn unavailable(source: impl Error + Send + Sync + 'static) -> Self {
        Self::Unavailable(Arc::new(source))
    }
}
