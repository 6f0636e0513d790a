//! Real servers for tests, benchmarks and the local cluster: PostgreSQL, NATS with JetStream, S3 over HTTP, and
//! one that takes mail.
//!
//! Each is started on a free port of 127.0.0.1 with a directory of its own, can be stopped, killed, paused and started
//! again on the same port and directory, and is gone when its handle is dropped. Only tests and tools use this crate:
//! nothing of it is in the binary `rialto`.

#[cfg(feature = "floors")]
pub mod floor;
pub mod nats;
pub mod postgres;
mod process;
#[cfg(feature = "s3")]
pub mod s3;
pub mod smtp;

pub use nats::Nats;
pub use postgres::Postgres;
#[cfg(feature = "s3")]
pub use s3::S3;
pub use smtp::Smtp;
