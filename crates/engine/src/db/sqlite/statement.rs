//! Statements of the SQLite engine: our placeholders and types to SQLite's, its errors to ours.

use std::sync::Arc;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection, ErrorCode, ToSql};

use crate::blocking::Stopped;
use crate::db::error::shown;
use crate::db::{ConstraintKind, DbError, Row, Value, placeholder};

/// Runs a statement once for each row of parameters, and returns how many rows changed in all.
pub(super) fn execute(writer: &Connection, sql: &str, rows: &[Vec<Value>]) -> Result<u64, DbError> {
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

/// Runs a statement and reads its rows.
pub(super) fn query(
    connection: &Connection,
    sql: &str,
    params: &[Value],
) -> Result<Vec<Row>, DbError> {
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

/// For each of SQLite's parameters the index of ours. SQLite takes `$2` for a name and numbers names by first appearance,
/// so `$2 … $1` are its parameters 1 and 2. Read from the text, because SQLite finds each name by looking through all.
fn places(sql: &str, statement: &CachedStatement<'_>) -> Result<Vec<usize>, DbError> {
    let places = placeholder::places(sql)?;
    // SQLite knows more ways to name a parameter, and leaves those NULL that nobody binds.
    if places.len() != statement.parameter_count() {
        let mut names = (1..=statement.parameter_count()).map(|at| statement.parameter_name(at));
        let name = names.find(|name| !name.is_some_and(|name| name.starts_with('$')));
        return Err(placeholder::other(name.flatten().unwrap_or("?"), sql));
    }
    Ok(places)
}

fn bind(
    sql: &str,
    statement: &mut CachedStatement<'_>,
    places: &[usize],
    params: &[Value],
) -> Result<(), DbError> {
    placeholder::check(places, params.len(), sql)?;
    for (index, place) in places.iter().enumerate() {
        statement
            .raw_bind_parameter(index + 1, &params[*place])
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

/// An error of SQLite in our terms; a mistake shows the statement.
pub(super) fn classify(sql: &str, error: rusqlite::Error) -> DbError {
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
