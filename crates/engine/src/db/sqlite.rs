//! The SQLite engine of `Db`: one writer connection, a few readers, all blocking calls off the runtime.
//!
//! A transaction owns the writer: its lock guard travels into each blocking call and back. If the
//! caller's future is dropped in mid-call, the guard comes back to nobody, and its drop rolls back
//! before the next transaction can have the connection. So no dropped future leaves a
//! transaction open or half done.

mod statement;

use std::path::Path;
use std::sync::Arc;

use rusqlite::Connection;
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::{DbError, Row, SyncAt, Value};
use crate::blocking::blocking;
use crate::sqlite::{self, Readers, Use};
use statement::{classify, execute, query};

/// Bytes of a page: SQLite's default, and that of file systems; rows are small.
const PAGE_BYTES: u32 = 4096;

/// A SQLite database file. Clones share its connections.
#[derive(Clone, Debug)]
pub struct Sqlite {
    writer: Arc<Mutex<Connection>>,
    readers: Arc<Readers>,
}

impl Sqlite {
    pub(super) async fn open(path: &Path) -> Result<Self, DbError> {
        let readers = Readers::new(path);
        let path = path.to_owned();
        let writer = blocking(move || {
            sqlite::open(
                &path,
                Use::Write {
                    page_bytes: PAGE_BYTES,
                },
            )
        })
        .await??;
        Ok(Self {
            writer: Arc::new(Mutex::new(writer)),
            readers,
        })
    }

    pub(super) async fn begin(&self, sync: SyncAt) -> SqliteTx {
        let writer = Arc::clone(&self.writer).lock_owned().await;
        SqliteTx {
            open: Some(OpenTx {
                writer,
                state: State::Fresh(sync),
            }),
        }
    }

    pub(super) async fn rows(&self, sql: &str, params: &[Value]) -> Result<Vec<Row>, DbError> {
        let (sql, params) = (sql.to_owned(), params.to_vec());
        self.readers
            .run(move |reader| query(reader, &sql, &params))
            .await
    }

    pub(super) async fn health(&self) -> Result<(), DbError> {
        self.rows("SELECT count(*) AS tables FROM sqlite_master", &[])
            .await
            .map(drop)
    }

    /// Trees leave copies of rows in the gaps of their pages when they grow and shrink, so only writing all of them anew
    /// leaves nothing.
    pub(super) async fn scrub(&self) -> Result<(), DbError> {
        let writer = Arc::clone(&self.writer).lock_owned().await;
        blocking(move || {
            // What is written meanwhile goes to a file without a name, not to memory.
            let vacuum =
                "PRAGMA temp_store=FILE; VACUUM; PRAGMA temp_store=MEMORY; PRAGMA wal_checkpoint(PASSIVE);";
            writer
                .execute_batch(vacuum)
                .map_err(|error| classify("VACUUM", error))?;
            let truncate = "PRAGMA wal_checkpoint(TRUNCATE)";
            let is_busy: bool = writer
                .query_row(truncate, [], |row| row.get(0))
                .map_err(|error| classify(truncate, error))?;
            if is_busy {
                let what = "a reader is in the way of emptying the write-ahead file";
                return Err(sqlite::failure(rusqlite::ErrorCode::DatabaseBusy, what).into());
            }
            Ok(())
        })
        .await?
    }

    pub(super) async fn snapshot(&self, to: &Path) -> Result<(), DbError> {
        let to = to.to_owned();
        self.readers
            .run(move |reader| Ok(sqlite::snapshot(reader, &to)?))
            .await
    }
}

/// A transaction on the writer. `open` is empty once a call was dropped before it came back.
#[derive(Debug)]
pub(super) struct SqliteTx {
    open: Option<OpenTx>,
}

impl SqliteTx {
    pub(super) async fn execute_many(
        &mut self,
        sql: &str,
        rows: Vec<Vec<Value>>,
    ) -> Result<u64, DbError> {
        let sql = sql.to_owned();
        self.run(move |writer| execute(writer, &sql, &rows)).await
    }

    pub(super) async fn rows(&mut self, sql: &str, params: &[Value]) -> Result<Vec<Row>, DbError> {
        let (sql, params) = (sql.to_owned(), params.to_vec());
        self.run(move |writer| query(writer, &sql, &params)).await
    }

    pub(super) async fn script(&mut self, sql: &'static str) -> Result<(), DbError> {
        self.run(move |writer| {
            writer
                .execute_batch(sql)
                .map_err(|error| classify(sql, error))
        })
        .await
    }

    pub(super) async fn commit(mut self) -> Result<(), DbError> {
        self.run(|writer| {
            writer
                .execute_batch("COMMIT")
                .map_err(|error| classify("COMMIT", error))
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&Connection) -> Result<T, DbError> + Send + 'static,
    ) -> Result<T, DbError> {
        let Some(mut open) = self.open.take() else {
            return Err(DbError::wrong(
                "the transaction goes on after one of its calls was dropped",
            ));
        };
        let (open, result) = blocking(move || {
            let result = open.run(work);
            (open, result)
        })
        .await?;
        self.open = Some(open);
        result
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// BEGIN comes with the first statement: a transaction costs no call of its own to start.
    Fresh(SyncAt),
    Open,
    /// A statement failed. As in PostgreSQL, what follows is refused, so that code tried on SQLite
    /// does not rely on anything else.
    Failed,
}

/// The writer, while a transaction has it.
#[derive(Debug)]
struct OpenTx {
    writer: OwnedMutexGuard<Connection>,
    state: State,
}

impl OpenTx {
    fn run<T>(
        &mut self,
        work: impl FnOnce(&Connection) -> Result<T, DbError>,
    ) -> Result<T, DbError> {
        match self.state {
            State::Open => {}
            State::Failed => {
                return Err(DbError::wrong(
                    "the transaction goes on after one of its statements failed",
                ));
            }
            State::Fresh(sync) => {
                // Each transaction says it, so that none depends on how the one before it ended.
                let begin = match sync {
                    SyncAt::Commit => "PRAGMA synchronous=FULL; BEGIN IMMEDIATE",
                    SyncAt::NextCommit => "PRAGMA synchronous=NORMAL; BEGIN IMMEDIATE",
                };
                self.writer
                    .execute_batch(begin)
                    .map_err(|error| classify("BEGIN", error))?;
                self.state = State::Open;
            }
        }
        let result = work(&self.writer);
        if result.is_err() {
            self.state = State::Failed;
        }
        result
    }
}

impl Drop for OpenTx {
    fn drop(&mut self) {
        // Only memory is touched: nothing of an open transaction but spilled pages is on disk.
        if !self.writer.is_autocommit()
            && let Err(error) = self.writer.execute_batch("ROLLBACK")
        {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "a transaction could not be rolled back"
            );
        }
    }
}
