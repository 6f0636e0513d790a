//! The limits of a log, each with its reason, and its hook for metrics. `server` fills them from the configuration.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::faults::Faults;
use super::queue::Call;

/// How a log behaves. `LogOptions::default()` suits one machine.
#[derive(Clone)]
pub struct LogOptions {
    /// Bytes of records (before compression) up to which waiting appends are put into one batch. A
    /// batch is read and decompressed as a whole, so this is also the least that a reader holds in
    /// memory. Default 1 MiB.
    pub batch_bytes_max: usize,
    /// Bytes of records that may wait for a commit. Default 64 MiB: a disk that does a commit a
    /// second still takes batches of the largest size.
    pub queue_bytes_max: usize,
    /// Records that may wait for a commit. Default 65,536: what bounds the memory when they are tiny.
    pub queue_records_max: usize,
    /// Bytes of the newest batches kept in memory, from which readers that keep up are served
    /// without touching the disk. Default 16 MiB; 0 keeps none.
    pub tail_bytes_max: usize,
    /// Called after each commit, before it is answered: has to be quick.
    pub on_commit: Option<Arc<dyn Fn(CommitStats) + Send + Sync>>,
    /// Faults to inject, for tests. Default none.
    pub faults: Faults,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self {
            batch_bytes_max: 1 << 20,
            queue_bytes_max: 64 << 20,
            queue_records_max: 65_536,
            tail_bytes_max: 16 << 20,
            on_commit: None,
            faults: Faults::default(),
        }
    }
}

impl LogOptions {
    /// Tells of a commit that made `calls` durable.
    pub(super) fn tell<'a>(&self, calls: impl IntoIterator<Item = &'a Call>, started: Instant) {
        let Some(on_commit) = &self.on_commit else {
            return;
        };
        let mut stats = CommitStats {
            records: 0,
            bytes: 0,
            elapsed: started.elapsed(),
        };
        for call in calls {
            stats.records += call.records.len();
            stats.bytes += call.bytes;
        }
        on_commit(stats);
    }
}

impl fmt::Debug for LogOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogOptions")
            .field("batch_bytes_max", &self.batch_bytes_max)
            .field("queue_bytes_max", &self.queue_bytes_max)
            .field("queue_records_max", &self.queue_records_max)
            .field("tail_bytes_max", &self.tail_bytes_max)
            .finish_non_exhaustive()
    }
}

/// What one commit did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommitStats {
    /// Records made durable.
    pub records: usize,
    /// Their bytes, before compression.
    pub bytes: usize,
    /// From having taken them out of the queue to their being durable.
    pub elapsed: Duration,
}

/// How to reach JetStream, and how logs are kept there.
#[derive(Clone, PartialEq, Eq)]
pub struct JetStreamOptions {
    /// Addresses, separated by commas: `nats://host:4222`, `tls://…`, with `user:password@` if need be. One is enough
    /// to find the others of a cluster; all of them find it also while that one is down.
    pub servers: String,
    /// Goes into the names of streams and subjects, so that several installations can share a server: letters, digits,
    /// `-` and `_`.
    pub prefix: String,
    /// Copies of each stream, on as many servers. `None`: 3 in a cluster, 1 on a single server. Of a stream that is
    /// there already it is not changed.
    pub replicas: Option<usize>,
    /// Bytes that one shard's stream may take; appends beyond are refused. `None`: what the server has.
    pub stream_bytes_max: Option<u64>,
}

/// Without the addresses: they may carry passwords.
impl fmt::Debug for JetStreamOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JetStreamOptions")
            .field("prefix", &self.prefix)
            .field("replicas", &self.replicas)
            .field("stream_bytes_max", &self.stream_bytes_max)
            .finish_non_exhaustive()
    }
}
