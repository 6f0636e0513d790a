//! The SQLite engine of `Db`: one writer connection, a few readers, all blocking calls off the runtime.
//!
//! A transaction owns the writer: its lock guard travels into each blocking call and back. If the
//! caller's future is dropped in mid-call, the guard comes back to nobody, and its drop rolls back
//! before the next transaction can have the connection. So no dropped future leaves a
//! transaction open or half done.

use std::path::Path;
use std::sync::Arc;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection, ErrorCode, ToSql};
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::{ConstraintKind, DbError, Row, Value};
use crate::blocking::{Stopped, blocking};
use crate::sqlite::{self, Readers, Use};

/// Characters of a statement that an error message shows.
const SQL_SHOWN_MAX: usize = 200;

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
        let writer = blocking(move || sqlite::open(&path, Use::Write)).await??;
        Ok(Self {
            writer: Arc::new(Mutex::new(writer)),
            readers,
        })
    }

    pub(super) async fn begin(&self) -> SqliteTx {
        let writer = Arc::clone(&self.writer).lock_owned().await;
        SqliteTx {
            open: Some(OpenTx {
                writer,
                state: State::Fresh,
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
    Fresh,
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
            State::Fresh => {
                self.writer
                    .execute_batch("BEGIN IMMEDIATE")
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

fn execute(writer: &Connection, sql: &str, rows: &[Vec<Value>]) -> Result<u64, DbError> {
    let mut statement = writer
        .prepare_cached(sql)
        .map_err(|error| classify(sql, error))?;
    let places = places(sql, &statement)?;
    let mut changed = 0;
    for params in rows {
        bind(sql, &mut statement, &places, params)?;
        changed += statement
            .raw_execute()
            .map_err(|error| classify(sql, error))?;
    }
    Ok(changed as u64)
}

fn query(connection: &Connection, sql: &str, params: &[Value]) -> Result<Vec<Row>, DbError> {
    let mut statement = connection
        .prepare_cached(sql)
        .map_err(|error| classify(sql, error))?;
    let columns: Arc<[String]> = statement.column_names().map(str::to_owned).collect();
    let places = places(sql, &statement)?;
    bind(sql, &mut statement, &places, params)?;
    let mut answer = Vec::new();
    let mut rows = statement.raw_query();
    while let Some(row) = rows.next().map_err(|error| classify(sql, error))? {
        let mut values = Vec::with_capacity(columns.len());
        for (index, column) in columns.iter().enumerate() {
            values.push(
                match row.get_ref(index).map_err(|error| classify(sql, error))? {
                    ValueRef::Null => Value::Null,
                    ValueRef::Integer(int) => Value::Int(int),
                    ValueRef::Text(text) => {
                        Value::Text(String::from_utf8(text.to_vec()).map_err(|error| {
                            DbError::Wrong {
                                what: format!("column `{column}` holds text that is not UTF-8"),
                                source: Some(error.into()),
                            }
                        })?)
                    }
                    ValueRef::Blob(bytes) => Value::Blob(bytes.to_vec()),
                    ValueRef::Real(_) => {
                        return Err(DbError::wrong(format!(
                            "column `{column}` holds a fraction; store integers, text or bytes"
                        )));
                    }
                },
            );
        }
        answer.push(Row::new(Arc::clone(&columns), values));
    }
    Ok(answer)
}

/// For each of SQLite's parameters the index of ours. SQLite takes `$2` for a name and numbers names
/// by first appearance, so `$2 … $1` are its parameters 1 and 2.
fn places(sql: &str, statement: &CachedStatement<'_>) -> Result<Vec<usize>, DbError> {
    (1..=statement.parameter_count())
        .map(|index| {
            let name = statement.parameter_name(index).unwrap_or("?");
            let number = name
                .strip_prefix('$')
                .and_then(|number| number.parse::<usize>().ok());
            number
                .and_then(|number| number.checked_sub(1))
                .ok_or_else(|| {
                    DbError::wrong(format!(
                        "placeholder `{name}` instead of `$1`, `$2`, … in: {}",
                        shown(sql)
                    ))
                })
        })
        .collect()
}

fn bind(
    sql: &str,
    statement: &mut CachedStatement<'_>,
    places: &[usize],
    params: &[Value],
) -> Result<(), DbError> {
    if places.len() != params.len() {
        let (wanted, given) = (places.len(), params.len());
        return Err(DbError::wrong(format!(
            "{given} parameters given and {wanted} used in: {}",
            shown(sql)
        )));
    }
    for (index, place) in places.iter().enumerate() {
        let Some(value) = params.get(*place) else {
            let (number, given) = (place + 1, params.len());
            return Err(DbError::wrong(format!(
                "`${number}` used and {given} parameters given in: {}",
                shown(sql)
            )));
        };
        statement
            .raw_bind_parameter(index + 1, value)
            .map_err(|error| classify(sql, error))?;
    }
    Ok(())
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Int(int) => ValueRef::Integer(*int),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

fn shown(sql: &str) -> &str {
    sql.char_indices()
        .nth(SQL_SHOWN_MAX)
        .map_or(sql, |(end, _)| &sql[..end])
}

fn classify(sql: &str, error: rusqlite::Error) -> DbError {
    match DbError::from(error) {
        DbError::Wrong { source, .. } => DbError::Wrong {
            what: shown(sql).to_owned(),
            source,
        },
        error => error,
    }
}

impl From<rusqlite::Error> for DbError {
    fn from(error: rusqlite::Error) -> Self {
        let rusqlite::Error::SqliteFailure(code, message) = &error else {
            return Self::Wrong {
                what: "a value".to_owned(),
                source: Some(error.into()),
            };
        };
        match code.code {
            ErrorCode::ConstraintViolation => {
                let (kind, constraint) =
                    constraint(code.extended_code, message.as_deref().unwrap_or_default());
                Self::Constraint {
                    kind,
                    constraint,
                    source: error.into(),
                }
            }
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Self::Busy {
                source: error.into(),
            },
            ErrorCode::DiskFull => Self::Full {
                source: error.into(),
            },
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => Self::Corrupt {
                source: error.into(),
            },
            ErrorCode::CannotOpen
            | ErrorCode::SystemIoFailure
            | ErrorCode::PermissionDenied
            | ErrorCode::FileLockingProtocolFailed
            | ErrorCode::OutOfMemory => Self::Unavailable {
                source: error.into(),
            },
            _ => Self::Wrong {
                what: "a statement".to_owned(),
                source: Some(error.into()),
            },
        }
    }
}

impl From<Stopped> for DbError {
    fn from(stopped: Stopped) -> Self {
        Self::Unavailable {
            source: stopped.into(),
        }
    }
}

/// The kind of a broken constraint, and its name or columns out of `UNIQUE constraint failed: a.b, a.c`.
fn constraint(extended_code: i32, message: &str) -> (ConstraintKind, String) {
    let kind = match extended_code {
        rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE
        | rusqlite::ffi::SQLITE_CONSTRAINT_PRIMARYKEY
        | rusqlite::ffi::SQLITE_CONSTRAINT_ROWID => ConstraintKind::Unique,
        rusqlite::ffi::SQLITE_CONSTRAINT_FOREIGNKEY => ConstraintKind::ForeignKey,
        rusqlite::ffi::SQLITE_CONSTRAINT_NOTNULL => ConstraintKind::NotNull,
        _ => ConstraintKind::Check,
    };
    let name = message
        .split_once("constraint failed: ")
        .map_or("", |(_, name)| name);
    (kind, name.to_owned())
}
