//! The `Db` seam: rows in transactions, on one of a closed set of engines.
//!
//! Only `store` writes SQL, once for all engines: placeholders are `$1` to `$n`, each used at least
//! once; types are BIGINT, TEXT and BLOB; times are microseconds. The semantics are those that all
//! engines share: one statement that fails ends its transaction, and dropping a [`Tx`] before
//! `commit` (also by cancelling the future that holds it) undoes everything in it.

mod error;
mod migration;
mod placeholder;
#[cfg(feature = "distributed")]
mod postgres;
mod sqlite;
mod tx;
mod value;

use std::path::Path;

pub use error::{ConstraintKind, DbError};
pub use migration::Migration;
#[cfg(feature = "distributed")]
pub(crate) use postgres::Failure;
#[cfg(feature = "distributed")]
pub use postgres::Postgres;
pub use sqlite::Sqlite;
pub use tx::Tx;
pub use value::{FromValue, Row, Value};

/// A database. Clones share it.
#[derive(Clone, Debug)]
pub enum Db {
    /// A file on this machine.
    Sqlite(Sqlite),
    /// A server, which other processes use too.
    #[cfg(feature = "distributed")]
    Postgres(Postgres),
}

/// When what a transaction has committed is on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncAt {
    /// When `commit` answers.
    Commit,
    /// With the next transaction that is there at its commit. Whatever becomes of the process (or of processes that use the
    /// database), it is there; a power failure may take the last of it, but never leaves a later transaction without it.
    /// For what can be made again from what was committed later.
    NextCommit,
}

impl Db {
    /// Opens the SQLite database at `path`, creating the file if it is not there.
    ///
    /// # Errors
    /// [`DbError::Unavailable`] if the file cannot be opened, [`DbError::Corrupt`] if it is not a database.
    pub async fn open_sqlite(path: &Path) -> Result<Self, DbError> {
        Sqlite::open(path).await.map(Self::Sqlite)
    }

    /// Opens the PostgreSQL database at `url` (`postgres://user:password@host/database`; version 15 or later). With
    /// `?sslmode=require` it is spoken to by TLS, with a certificate that this system trusts; else without.
    ///
    /// # Errors
    /// [`DbError::Unavailable`] if it cannot be reached now, or is not fit; [`DbError::Wrong`] if it is no such url, or
    /// this program was built without the feature `distributed`.
    #[cfg_attr(
        not(feature = "distributed"),
        expect(clippy::unused_async, reason = "opening waits for the server")
    )]
    pub async fn open_postgres(url: &str) -> Result<Self, DbError> {
        #[cfg(feature = "distributed")]
        return Postgres::open(url).await.map(Self::Postgres);
        #[cfg(not(feature = "distributed"))]
        {
            let _ = url;
            Err(DbError::wrong(
                "PostgreSQL: built without `distributed`: build with --features distributed",
            ))
        }
    }

    /// Starts a transaction that may write. SQLite has one writer: this waits until it is free. On PostgreSQL it is READ
    /// COMMITTED, runs beside others, and ends when it is idle for 5 seconds.
    ///
    /// # Errors
    /// [`DbError::Unavailable`] while the process shuts down.
    pub async fn begin(&self) -> Result<Tx, DbError> {
        self.begin_with(SyncAt::Commit).await
    }

    /// The same, with a choice of when what is committed is on disk.
    ///
    /// # Errors
    /// As [`Db::begin`].
    pub async fn begin_with(&self, sync: SyncAt) -> Result<Tx, DbError> {
        match self {
            Self::Sqlite(sqlite) => Ok(sqlite.begin(sync).await),
            #[cfg(feature = "distributed")]
            Self::Postgres(postgres) => postgres.begin(sync).await,
        }
    }

    /// Reads rows, beside any writer: sees what was committed before the call. A statement that
    /// writes is [`DbError::Wrong`].
    ///
    /// # Errors
    /// Any [`DbError`] but `Constraint`.
    pub async fn rows(&self, sql: &str, params: &[Value]) -> Result<Vec<Row>, DbError> {
        match self {
            Self::Sqlite(sqlite) => sqlite.rows(sql, params).await,
            #[cfg(feature = "distributed")]
            Self::Postgres(postgres) => postgres.rows(sql, params).await,
        }
    }

    /// A transaction that only reads, beside any writer, so that the same functions serve reading and writing. Each
    /// statement sees what was committed before it; one that writes is [`DbError::Wrong`].
    ///
    /// # Errors
    /// [`DbError::Unavailable`] while the process shuts down.
    #[expect(clippy::unused_async, reason = "an engine may take a connection here")]
    pub async fn read(&self) -> Result<Tx, DbError> {
        Ok(Tx::reader(self.clone()))
    }

    /// Applies the migrations that this database has not had, each in its own transaction, and
    /// returns how many these were.
    ///
    /// # Errors
    /// [`DbError::Migration`] if an applied migration has been changed, removed or reordered, or the
    /// database was written by a newer release. What was applied before the error stays.
    pub async fn migrate(&self, migrations: &[Migration]) -> Result<usize, DbError> {
        migration::migrate(self, migrations).await
    }

    /// After this, rows that were deleted or changed before are in no file of a SQLite database, which is written anew for
    /// this: transactions wait for so long as copying it takes. PostgreSQL is asked to use their space again; until it
    /// does, and in its write-ahead log, the bytes are there.
    ///
    /// # Errors
    /// [`DbError::Unavailable`], also if a reader is in the way for seconds: to be tried again.
    pub async fn scrub(&self) -> Result<(), DbError> {
        match self {
            Self::Sqlite(sqlite) => sqlite.scrub().await,
            #[cfg(feature = "distributed")]
            // Autovacuum does it; `VACUUM FULL` would lock every table.
            Self::Postgres(_) => Ok(()),
        }
    }

    /// What the operator should know of when committed data can get lost, a sentence each. Nothing if it cannot.
    #[must_use]
    pub fn promises(&self) -> Vec<String> {
        match self {
            Self::Sqlite(_) => Vec::new(),
            #[cfg(feature = "distributed")]
            Self::Postgres(postgres) => postgres.promises.to_vec(),
        }
    }

    /// Proves that the database can be read.
    ///
    /// # Errors
    /// What a read met.
    pub async fn health(&self) -> Result<(), DbError> {
        match self {
            Self::Sqlite(sqlite) => sqlite.health().await,
            #[cfg(feature = "distributed")]
            Self::Postgres(postgres) => postgres.health().await,
        }
    }

    /// Bytes that the database takes.
    ///
    /// # Errors
    /// What a read met.
    pub async fn bytes(&self) -> Result<u64, DbError> {
        let sql = match self {
            Self::Sqlite(_) => {
                "SELECT page_count * page_size AS bytes FROM pragma_page_count(), pragma_page_size()"
            }
            #[cfg(feature = "distributed")]
            Self::Postgres(_) => "SELECT pg_database_size(current_database()) AS bytes",
        };
        let rows = self.rows(sql, &[]).await?;
        let bytes: i64 = rows.first().map_or(Ok(0), |row| row.get("bytes"))?;
        Ok(bytes.max(0).unsigned_abs())
    }

    /// Copies the database, as it is at one moment, to the new file `to`, while others go on reading
    /// and writing. Take the snapshot of the `Db` before that of the `Log`: then the log holds
    /// everything that the database speaks of.
    ///
    /// # Errors
    /// [`DbError::Unavailable`] if `to` exists or cannot be written; nothing is left there. [`DbError::Wrong`] for
    /// PostgreSQL, which has programs of its own for this.
    pub async fn snapshot(&self, to: &Path) -> Result<(), DbError> {
        match self {
            Self::Sqlite(sqlite) => sqlite.snapshot(to).await,
            #[cfg(feature = "distributed")]
            Self::Postgres(_) => Err(DbError::wrong(
                "a snapshot of PostgreSQL: back it up with pg_dump or by its archive, or copy it with `rialto migrate`",
            )),
        }
    }
}
