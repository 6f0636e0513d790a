//! Where the exchange's data is, how much there is of it, and how full that is; for the operator's pages.

use jiff::Timestamp;

use crate::shard::Shard;
use crate::{Hub, Result};

/// What takes room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Storage {
    pub logs: Vec<LogSize>,
    /// All logs together are trimmed to this size, whatever is still needed.
    pub log_bytes_max: u64,
    pub db_bytes: u64,
    pub event_files: Files,
    pub job_files: Files,
}

/// The log of one shard, as this process knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSize {
    pub shard: Shard,
    pub bytes: u64,
    pub batches: u64,
    /// Of its oldest batch.
    pub oldest: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Files {
    pub count: u64,
    pub bytes: u64,
}

impl Hub {
    /// How much there is, from what the engines and our own lists say.
    pub async fn storage(&self) -> Result<Storage> {
        let logs = self.logs.each().map(|(shard, log)| {
            let ends = log.ends();
            LogSize {
                shard,
                bytes: ends.bytes,
                batches: ends.next_seq.saturating_sub(ends.first_seq),
                oldest: ends.oldest,
            }
        });
        let files = |(count, bytes)| Files { count, bytes };
        let mut tx = self.db.read().await?;
        Ok(Storage {
            logs: logs.collect(),
            log_bytes_max: self.options.retention.log_bytes_max,
            event_files: files(store::event_file::total(&mut tx).await?),
            job_files: files(store::data_file::total(&mut tx).await?),
            db_bytes: self.db.bytes().await?,
        })
    }
}
