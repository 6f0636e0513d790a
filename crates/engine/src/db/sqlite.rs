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

use super::{DbError, Row, SyncAt, Tx, Value};
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

    pub(super) async fn begin(&self, sync: SyncAt) -> Tx {
        let writer = Arc::clone(&self.writer).lock_owned().await;
        Tx::sqlite(Writing(Some(Writer(writer))), sync)
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

/// The writer, while a transaction has it. A call takes it along, off the runtime: whoever drops the call drops it there.
#[derive(Debug)]
pub(super) struct Writing(Option<Writer>);

impl Writing {
    pub(super) async fn execute(
        &mut self,
        begin: Option<SyncAt>,
        sql: &str,
        rows: Vec<Vec<Value>>,
    ) -> Result<u64, DbError> {
        let sql = sql.to_owned();
        self.run(begin, move |writer| execute(writer, &sql, &rows))
            .await
    }

    pub(super) async fn rows(
        &mut self,
        begin: Option<SyncAt>,
        sql: &str,
        params: &[Value],
    ) -> Result<Vec<Row>, DbError> {
        let (sql, params) = (sql.to_owned(), params.to_vec());
        self.run(begin, move |writer| query(writer, &sql, &params))
            .await
    }

    pub(super) async fn script(
        &mut self,
        begin: Option<SyncAt>,
        sql: &'static str,
    ) -> Result<(), DbError> {
        self.run(begin, move |writer| batch(writer, sql, sql)).await
    }

    async fn run<T: Send + 'static>(
        &mut self,
        begin: Option<SyncAt>,
        work: impl FnOnce(&Connection) -> Result<T, DbError> + Send + 'static,
    ) -> Result<T, DbError> {
        let writer = self.0.take();
        let writer =
            writer.expect("a transaction is not called again after a call that was dropped");
        let (writer, result) = blocking(move || {
            // Each transaction says it, so that none depends on how the one before it ended.
            let begun = match begin {
                None => Ok(()),
                Some(SyncAt::Commit) => batch(
                    &writer.0,
                    "BEGIN",
                    "PRAGMA synchronous=FULL; BEGIN IMMEDIATE",
                ),
                Some(SyncAt::NextCommit) => batch(
                    &writer.0,
                    "BEGIN",
                    "PRAGMA synchronous=NORMAL; BEGIN IMMEDIATE",
                ),
            };
            let result = begun.and_then(|()| work(&writer.0));
            (writer, result)
        })
        .await?;
        self.0 = Some(writer);
        result
    }
}

/// Runs several statements; an error calls them `name`.
fn batch(writer: &Connection, name: &str, sql: &str) -> Result<(), DbError> {
    writer
        .execute_batch(sql)
        .map_err(|error| classify(name, error))
}

#[derive(Debug)]
struct Writer(OwnedMutexGuard<Connection>);

impl Drop for Writer {
    fn drop(&mut self) {
        // Only memory is touched: nothing of an open transaction but spilled pages is on disk.
        if !self.0.is_autocommit()
            && let Err(error) = self.0.execute_batch("ROLLBACK")
        {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "a transaction could not be rolled back"
            );
        }
    }
}
