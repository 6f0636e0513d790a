//! The PostgreSQL engine of `Db`, which several processes share.
//!
//! A transaction has a connection for itself. Dropping it, also in mid-call, sends ROLLBACK behind whatever was sent
//! before, and only when that was answered does anybody else get the connection. So no dropped future leaves a
//! transaction open or half done. What does not answer in time is cut off: the server then undoes it by itself.
//!
//! - `pool`: connections, how they are made and lent.
//! - `connection`: calls on one of them; prepared statements.
//! - `value`: our types and placeholders to PostgreSQL's.
//! - `error`: its errors to ours.

mod connection;
mod error;
mod pool;
mod value;

use std::sync::Arc;
use std::time::Duration;

use super::{DbError, Row, SyncAt, Value};
use crate::log::News;
use connection::Connection;
use error::unavailable;
use pool::{Lease, Pool};

/// How long `health` waits for an answer.
const HEALTH_MAX: Duration = Duration::from_secs(3);

/// The oldest server that is supported, as `server_version_num`.
const VERSION_MIN: i64 = 150_000;

/// Settings with which acknowledged data can be lost: their values, and what is lost then.
const CARELESS: &[(&str, &[&str], &str)] = &[
    (
        "fsync",
        &["off"],
        "a crash of its machine can destroy the database",
    ),
    (
        "full_page_writes",
        &["off"],
        "a crash of its machine can destroy the database",
    ),
    (
        "synchronous_commit",
        &["off"],
        "a crash can lose the last commits, acknowledged events among them",
    ),
    (
        "synchronous_standby_names",
        &[""],
        "there is no second copy: with the disk of the server, what is in it is lost",
    ),
];

/// A PostgreSQL database. Clones share its connections.
#[derive(Clone, Debug)]
pub struct Postgres {
    writers: Arc<Pool>,
    readers: Arc<Pool>,
    /// For the logs in this database: they do not wait for what verbs do, nor the other way round.
    log: Arc<Pool>,
    news: Arc<News>,
    promises: Arc<[String]>,
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
        let config = pool::config(url)?;
        let mut postgres = Self {
            writers: Pool::new(config.clone(), pool::Use::Write)?,
            readers: Pool::new(config.clone(), pool::Use::Read)?,
            log: Pool::new(config, pool::Use::Log)?,
            news: Arc::default(),
            promises: Arc::default(),
        };
        postgres.promises = postgres.check_settings().await?.into();
        Ok(postgres)
    }

    /// What the operator should know, a sentence each.
    async fn check_settings(&self) -> Result<Vec<String>, DbError> {
        let mut told = Vec::new();
        let settings = self
            .rows("SELECT name, setting FROM pg_settings", &[])
            .await?;
        for setting in settings {
            let (name, value): (String, String) = (setting.get("name")?, setting.get("setting")?);
            if name == "server_version_num" && value.parse::<i64>().is_ok_and(|it| it < VERSION_MIN)
            {
                return Err(unavailable("PostgreSQL is older than version 15"));
            }
            if name == "server_encoding" && value != "UTF8" {
                return Err(unavailable(
                    "the database does not have the encoding UTF8: create one that has",
                ));
            }
            let is_it = |(careless, values, _): &&(&str, &[&str], &str)| {
                *careless == name && values.contains(&&*value)
            };
            if let Some((_, _, lost)) = CARELESS.iter().find(is_it) {
                told.push(format!("PostgreSQL has `{name} = '{value}'`: {lost}"));
            }
        }
        Ok(told)
    }

    pub(super) fn promises(&self) -> &[String] {
        &self.promises
    }

    pub(crate) async fn begin(&self, sync: SyncAt) -> Result<PostgresTx, DbError> {
        let lease = self.writers.lease().await?;
        Ok(PostgresTx::new(lease, sync))
    }

    /// Starts a transaction of a log.
    pub(crate) async fn begin_log(&self) -> Result<PostgresTx, DbError> {
        let lease = self.log.lease().await?;
        Ok(PostgresTx::new(lease, SyncAt::Commit))
    }

    /// Runs one statement of a log, which is a transaction of its own.
    pub(crate) async fn call_log(&self, sql: &str, params: &[Value]) -> Result<Vec<Row>, Failure> {
        let mut lease = self.log.lease().await.map_err(Failure::certain)?;
        let rows = lease.rows(None, sql, params).await;
        lease.give_back_after(&rows);
        rows.map_err(|error| Failure {
            is_uncertain: error::is_uncertain(&error),
            error,
            backend: lease.backend(),
        })
    }

    /// What the logs in this database were found to be.
    pub(crate) fn news(&self) -> &News {
        &self.news
    }

    pub(super) async fn rows(&self, sql: &str, params: &[Value]) -> Result<Vec<Row>, DbError> {
        let mut lease = self.readers.lease().await?;
        let rows = lease.rows(None, sql, params).await;
        lease.give_back_after(&rows);
        rows
    }

    pub(super) async fn health(&self) -> Result<(), DbError> {
        match tokio::time::timeout(HEALTH_MAX, self.rows("SELECT 1 AS one", &[])).await {
            Ok(answer) => answer.map(drop),
            Err(_) => Err(unavailable("PostgreSQL does not answer")),
        }
    }
}

/// A transaction on a connection. `open` is empty once a call was dropped before it came back.
#[derive(Debug)]
pub(crate) struct PostgresTx {
    open: Option<Open>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// This goes with the first statement: a transaction costs no round trip of its own to start.
    Fresh(&'static str),
    Open,
    Failed,
    Closed,
}

/// A connection, while a transaction has it.
#[derive(Debug)]
struct Open {
    /// Empty once it was given back.
    lease: Option<Lease>,
    state: State,
}

impl PostgresTx {
    fn new(lease: Lease, sync: SyncAt) -> Self {
        Self {
            open: Some(Open {
                lease: Some(lease),
                state: State::Fresh(match sync {
                    SyncAt::Commit => "BEGIN",
                    SyncAt::NextCommit => "BEGIN; SET LOCAL synchronous_commit TO OFF",
                }),
            }),
        }
    }

    pub(crate) async fn execute_many(
        &mut self,
        sql: &str,
        rows: &[Vec<Value>],
    ) -> Result<u64, DbError> {
        let (mut open, begin) = self.take()?;
        let result = open.connection()?.execute(begin, sql, rows).await;
        self.put(open, result)
    }

    pub(crate) async fn rows(&mut self, sql: &str, params: &[Value]) -> Result<Vec<Row>, DbError> {
        let (mut open, begin) = self.take()?;
        let result = open.connection()?.rows(begin, sql, params).await;
        self.put(open, result)
    }

    pub(crate) async fn script(&mut self, sql: &str) -> Result<(), DbError> {
        let (mut open, begin) = self.take()?;
        let result = open.connection()?.script(begin, sql).await;
        self.put(open, result)
    }

    pub(crate) async fn lock(&mut self, key: i64, exclusive: bool) -> Result<(), DbError> {
        let sql = if exclusive {
            "SELECT pg_advisory_xact_lock($1)"
        } else {
            "SELECT pg_advisory_xact_lock_shared($1)"
        };
        self.rows(sql, &[key.into()]).await.map(drop)
    }

    pub(crate) async fn commit(mut self) -> Result<(), DbError> {
        let (mut open, begin) = self.take()?;
        if begin.is_none() {
            let result = open.connection()?.run("COMMIT").await;
            if result.is_err() {
                open.state = State::Failed;
                return result;
            }
            open.state = State::Closed;
        }
        Ok(())
    }

    /// The connection for a call, and how that has to begin the transaction, if it has to. Whoever drops the call drops it too.
    fn take(&mut self) -> Result<(Open, Option<&'static str>), DbError> {
        match self.open.take() {
            None => Err(DbError::wrong(
                "the transaction goes on after one of its calls was dropped",
            )),
            Some(open) if open.state == State::Failed => {
                self.open = Some(open);
                Err(DbError::wrong(
                    "the transaction goes on after one of its statements failed",
                ))
            }
            Some(mut open) => {
                let begin = match open.state {
                    State::Fresh(begin) => Some(begin),
                    _ => None,
                };
                open.state = State::Open;
                Ok((open, begin))
            }
        }
    }

    fn put<T>(&mut self, mut open: Open, result: Result<T, DbError>) -> Result<T, DbError> {
        if result.is_err() {
            open.state = State::Failed;
        }
        self.open = Some(open);
        result
    }
}

impl Open {
    fn connection(&mut self) -> Result<&mut Connection, DbError> {
        match &mut self.lease {
            Some(lease) => Ok(&mut *lease),
            None => Err(unavailable("the connection was given back")),
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let Some(mut lease) = self.lease.take() else {
            return;
        };
        if matches!(self.state, State::Fresh(_) | State::Closed) {
            return lease.give_back();
        }
        // Without a runtime the connection is closed, which rolls back too.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                if lease.run("ROLLBACK").await.is_ok() {
                    lease.give_back();
                }
            });
        }
    }
}
