//! The PostgreSQL engine of `Db`, which several processes share.
//!
//! A transaction has a connection for itself. Dropping it, also in mid-call, sends ROLLBACK behind whatever was sent
//! before, and only when that was answered does anybody else get the connection. So no dropped future leaves a
//! transaction open or half done. What does not answer in time is cut off: the server then undoes it by itself.
//!
//! - `pool`: connections, how they are made and lent.
//! - `connection`: calls on one of them; prepared statements.
//! - `value`: our types to PostgreSQL's.
//! - `error`: its errors to ours.

mod connection;
mod error;
mod pool;
mod value;

use std::sync::Arc;
use std::time::Duration;

use super::{DbError, Row, SyncAt, Tx, Value};
use crate::log::News;
use error::unavailable;
pub(super) use pool::Lease;
use pool::{Pool, pool};

/// How long `health` waits for an answer.
const HEALTH_MAX: Duration = Duration::from_secs(3);

/// How long the server may take to answer a call, or a connection to be free. Who publishes waits for the log.
const CALL_MAX: Duration = Duration::from_secs(10);
const LOG_CALL_MAX: Duration = Duration::from_secs(5);

/// Connections: enough for what waits for a commit, which costs the server a process and little else.
const WRITERS_MAX: usize = 16;
const LOG_MAX: usize = 8;
const READERS_MAX: usize = 4;

/// The oldest server that is supported, as `server_version_num`.
const VERSION_MIN: i64 = 150_000;

/// A PostgreSQL database. Clones share its connections.
#[derive(Clone, Debug)]
pub struct Postgres {
    writers: Pool,
    readers: Pool,
    /// For the logs in this database: they do not wait for what verbs do, nor the other way round.
    log: Pool,
    news: Arc<News>,
    /// What the operator should know of when committed data can get lost.
    pub(super) promises: Arc<[String]>,
}

/// Why a call failed, and whether it may have been done all the same.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) error: DbError,
    /// The answer was lost.
    pub(crate) is_uncertain: bool,
    /// The server's process that may still be at it.
    pub(crate) backend: Option<i64>,
}

impl Failure {
    pub(crate) fn certain(error: DbError) -> Self {
        Self {
            error,
            is_uncertain: false,
            backend: None,
        }
    }

    pub(crate) fn uncertain(why: &str) -> Self {
        Self {
            is_uncertain: true,
            ..Self::certain(unavailable(why))
        }
    }
}

impl Postgres {
    pub(super) async fn open(url: &str) -> Result<Self, DbError> {
        let mut postgres = Self {
            writers: pool(url, WRITERS_MAX, CALL_MAX, "off")?,
            readers: pool(url, READERS_MAX, CALL_MAX, "on")?,
            log: pool(url, LOG_MAX, LOG_CALL_MAX, "off")?,
            news: Arc::default(),
            promises: Arc::default(),
        };
        postgres.promises = postgres.check_settings().await?.into();
        Ok(postgres)
    }

    /// Refuses a server that is not fit, and tells of settings with which acknowledged data can be lost.
    async fn check_settings(&self) -> Result<Vec<String>, DbError> {
        let mut told = Vec::new();
        let settings = "SELECT name, setting FROM pg_settings";
        for setting in self.rows(settings, &[]).await? {
            let (name, value): (String, String) = (setting.get("name")?, setting.get("setting")?);
            let lost = match (&*name, &*value) {
                ("server_version_num", it) if it.parse().is_ok_and(|it: i64| it < VERSION_MIN) => {
                    return Err(unavailable("PostgreSQL is older than version 15"));
                }
                ("server_encoding", encoding) if encoding != "UTF8" => {
                    return Err(unavailable(
                        "the database does not have the encoding UTF8: create one that has",
                    ));
                }
                ("fsync" | "full_page_writes", "off") => {
                    "a crash of its machine can destroy the database"
                }
                ("synchronous_commit", "off") => {
                    "a crash can lose the last commits, acknowledged events among them"
                }
                ("synchronous_standby_names", "") => {
                    "there is no second copy: with the disk of the server, what is in it is lost"
                }
                _ => continue,
            };
            told.push(format!("PostgreSQL has `{name} = '{value}'`: {lost}"));
        }
        Ok(told)
    }

    pub(crate) async fn begin(&self, sync: SyncAt) -> Result<Tx, DbError> {
        Ok(Tx::postgres(Lease::of(&self.writers).await?, sync))
    }

    /// Starts a transaction of a log.
    pub(crate) async fn begin_log(&self) -> Result<Tx, DbError> {
        Ok(Tx::postgres(Lease::of(&self.log).await?, SyncAt::Commit))
    }

    /// Runs one statement of a log, which is a transaction of its own.
    pub(crate) async fn call_log(&self, sql: &str, params: &[Value]) -> Result<Vec<Row>, Failure> {
        let mut lease = Lease::of(&self.log).await.map_err(Failure::certain)?;
        let connection = lease.connection(None);
        let rows = connection.alone(sql, params).await;
        rows.map_err(|error| Failure {
            is_uncertain: error::is_uncertain(&error),
            error,
            backend: Some(connection.backend),
        })
    }

    /// What the logs in this database were found to be.
    pub(crate) fn news(&self) -> &News {
        &self.news
    }

    pub(super) async fn rows(&self, sql: &str, params: &[Value]) -> Result<Vec<Row>, DbError> {
        let mut lease = Lease::of(&self.readers).await?;
        lease.connection(None).alone(sql, params).await
    }

    pub(super) async fn health(&self) -> Result<(), DbError> {
        match tokio::time::timeout(HEALTH_MAX, self.rows("SELECT 1 AS one", &[])).await {
            Ok(answer) => answer.map(drop),
            Err(_) => Err(unavailable("PostgreSQL does not answer")),
        }
    }
}
