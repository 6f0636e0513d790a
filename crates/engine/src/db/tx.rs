//! A transaction, on any engine: when it begins, what follows a failure, and what it leaves to the engine.
//!
//! An engine runs statements, the first of them behind BEGIN, commits, and rolls back what is dropped, also in mid-call.
//! In which order that may be asked of it is decided here, once, so that code tried on one engine holds on the others.

#[cfg(feature = "distributed")]
use super::postgres::Lease;
use super::sqlite::Writing;
use super::{Db, DbError, Row, SyncAt, Value};

/// A transaction. Nothing in it is seen by others, or survives a crash, before [`Tx::commit`];
/// dropping it undoes it. After a call that failed, or whose future was dropped, it can only be dropped.
#[derive(Debug)]
pub struct Tx {
    engine: Engine,
    state: State,
}

#[derive(Debug)]
enum Engine {
    Sqlite(Writing),
    #[cfg(feature = "distributed")]
    Postgres(Box<Lease>),
    /// Reads without a transaction of the engine.
    Reader(Db),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// BEGIN comes with the first statement: a transaction costs no call of its own to start.
    Fresh(SyncAt),
    Open,
    /// A call has not come back. Who finds this at the next call has dropped it.
    InCall,
    /// What follows is refused on every engine, because PostgreSQL does.
    Failed,
    /// A reader has nothing to begin or to undo.
    Reader,
}

fn read_only() -> DbError {
    DbError::wrong("a statement that writes, in a transaction from `Db::read`: use `Db::begin`")
}

impl Tx {
    pub(super) fn sqlite(writing: Writing, sync: SyncAt) -> Self {
        Self {
            engine: Engine::Sqlite(writing),
            state: State::Fresh(sync),
        }
    }

    #[cfg(feature = "distributed")]
    pub(super) fn postgres(lease: Lease, sync: SyncAt) -> Self {
        Self {
            engine: Engine::Postgres(Box::new(lease)),
            state: State::Fresh(sync),
        }
    }

    pub(super) fn reader(db: Db) -> Self {
        Self {
            engine: Engine::Reader(db),
            state: State::Reader,
        }
    }

    /// Runs one statement and returns the number of rows it changed.
    ///
    /// # Errors
    /// Any [`DbError`].
    pub async fn execute(&mut self, sql: &str, params: &[Value]) -> Result<u64, DbError> {
        self.execute_many(sql, vec![params.to_vec()]).await
    }

    /// Runs one statement once for each row of parameters, and returns the number of rows changed
    /// in all. Much cheaper than as many calls of [`Tx::execute`].
    ///
    /// # Errors
    /// Any [`DbError`]: that of the first row that failed.
    pub async fn execute_many(&mut self, sql: &str, rows: Vec<Vec<Value>>) -> Result<u64, DbError> {
        let begin = self.state.call()?;
        let changed = match &mut self.engine {
            Engine::Sqlite(writing) => writing.execute(begin, sql, rows).await,
            #[cfg(feature = "distributed")]
            Engine::Postgres(lease) => lease.connection(begin).execute(sql, &rows).await,
            Engine::Reader(_) => Err(read_only()),
        };
        self.state.answered(changed)
    }

    /// Reads rows, as this transaction sees them; also the rows of `… RETURNING`.
    ///
    /// # Errors
    /// Any [`DbError`].
    pub async fn rows(&mut self, sql: &str, params: &[Value]) -> Result<Vec<Row>, DbError> {
        let begin = self.state.call()?;
        let rows = match &mut self.engine {
            Engine::Sqlite(writing) => writing.rows(begin, sql, params).await,
            #[cfg(feature = "distributed")]
            Engine::Postgres(lease) => lease.connection(begin).rows(sql, params).await,
            Engine::Reader(db) => db.rows(sql, params).await,
        };
        self.state.answered(rows)
    }

    /// Runs several statements without parameters, separated by semicolons.
    pub(crate) async fn script(&mut self, sql: &'static str) -> Result<(), DbError> {
        let begin = self.state.call()?;
        let done = match &mut self.engine {
            Engine::Sqlite(writing) => writing.script(begin, sql).await,
            #[cfg(feature = "distributed")]
            Engine::Postgres(lease) => lease.connection(begin).script(sql).await,
            Engine::Reader(_) => Err(read_only()),
        };
        self.state.answered(done)
    }

    /// Waits until nobody else holds the lock `key`, and holds it until this transaction ends. What the holders before
    /// committed is seen by the statements after it. Numbers of locks are given out by the callers.
    ///
    /// # Errors
    /// Any [`DbError`] but `Constraint`; retryable if others hold it for too long.
    pub async fn lock_exclusive(&mut self, key: i64) -> Result<(), DbError> {
        self.lock("SELECT pg_advisory_xact_lock($1)", key).await
    }

    /// As [`Tx::lock_exclusive`], beside others who share it.
    ///
    /// # Errors
    /// As [`Tx::lock_exclusive`].
    pub async fn lock_shared(&mut self, key: i64) -> Result<(), DbError> {
        self.lock("SELECT pg_advisory_xact_lock_shared($1)", key)
            .await
    }

    #[cfg_attr(
        not(feature = "distributed"),
        expect(
            clippy::unused_async,
            unused_variables,
            reason = "other engines wait here"
        )
    )]
    async fn lock(&mut self, sql: &str, key: i64) -> Result<(), DbError> {
        match &self.engine {
            // A transaction that may write has the database for itself.
            Engine::Sqlite(_) => Ok(()),
            #[cfg(feature = "distributed")]
            Engine::Postgres(_) => self.rows(sql, &[key.into()]).await.map(drop),
            Engine::Reader(_) => Err(DbError::wrong(
                "a lock, in a transaction from `Db::read`: use `Db::begin`",
            )),
        }
    }

    /// Makes it durable and visible. If the future is dropped before it answers, the transaction
    /// may have been committed or not.
    ///
    /// # Errors
    /// Any [`DbError`]; nothing was committed. One exception: if PostgreSQL, or the way to it, fails in the very moment,
    /// then it is `Unavailable` and the transaction may have been committed.
    pub async fn commit(mut self) -> Result<(), DbError> {
        if self.state.call()?.is_some() {
            return Ok(());
        }
        match &mut self.engine {
            Engine::Sqlite(writing) => writing.script(None, "COMMIT").await,
            #[cfg(feature = "distributed")]
            Engine::Postgres(lease) => lease.connection(None).end("COMMIT").await,
            Engine::Reader(_) => Ok(()),
        }
    }
}

impl State {
    /// A call starts; if the transaction has to begin with it, then so.
    fn call(&mut self) -> Result<Option<SyncAt>, DbError> {
        let begin = match *self {
            Self::Fresh(sync) => Some(sync),
            Self::Open => None,
            Self::Reader => return Ok(None),
            Self::InCall => {
                return Err(DbError::wrong(
                    "the transaction goes on after one of its calls was dropped",
                ));
            }
            Self::Failed => {
                return Err(DbError::wrong(
                    "the transaction goes on after one of its statements failed",
                ));
            }
        };
        *self = Self::InCall;
        Ok(begin)
    }

    fn answered<T>(&mut self, answer: Result<T, DbError>) -> Result<T, DbError> {
        if *self == Self::InCall {
            *self = if answer.is_ok() {
                Self::Open
            } else {
                Self::Failed
            };
        }
        answer
    }
}
