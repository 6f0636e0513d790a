//! Where bytes rest: the three seams `Db`, `Log` and `Blobs`, and the `Clock`.
//!
//! Everything durable in Rialto goes through one of three closed enums, so that a larger engine
//! (PostgreSQL, JetStream, S3) is a new variant here and nothing anywhere else. This crate knows
//! nothing of events, accounts or endpoints: it moves rows, batches of bytes, and named blobs.
//!
//! - [`Db`]: rows in transactions. The product's SQL lives in `store`, written once for all engines.
//! - [`Log`]: an append-only sequence of committed batches; durable before an append answers.
//! - [`Blobs`]: whole values under a key.
//! - [`Clock`]: the only place that reads the time, so that tests can move it.
//!
//! The same conformance suite runs against every engine of a seam (`conformance`).

pub mod blobs;
mod blocking;
pub mod clock;
pub mod db;
pub mod log;
mod sqlite;

#[cfg(test)]
mod conformance;

pub use blobs::{BlobError, Blobs, S3Options};
pub use clock::{Clock, ManualClock};
pub use db::{ConstraintKind, Db, DbError, FromValue, Migration, Row, SyncAt, Tx, Value};
pub use log::{
    Appended, Batch, CommitStats, Ends, Fault, Faults, JetStream, JetStreamOptions, Log, LogError,
    LogOptions, Position,
};

/// How an error ends that an engine gives when it was compiled out.
#[cfg(not(feature = "distributed"))]
const WITHOUT: &str = "built without `distributed`: build it with --features distributed";
