//! Errors of PostgreSQL in our terms.

use std::error::Error as _;
use std::iter::successors;

use tokio_postgres::Error;
use tokio_postgres::error::{DbError as Told, Severity, SqlState};

use crate::db::error::{Source, shown};
use crate::db::{ConstraintKind, DbError};

/// The server cannot be reached, or does not do what it should.
pub(super) fn unavailable(why: impl Into<Source>) -> DbError {
    DbError::Unavailable { source: why.into() }
}

/// An error of PostgreSQL in our terms; a mistake shows the statement.
pub(super) fn classify(sql: &str, error: Error) -> DbError {
    if let Some((kind, constraint)) = error.as_db_error().and_then(constraint) {
        return DbError::Constraint {
            kind,
            constraint,
            source: error.into(),
        };
    }
    let is_cut_off = error.is_closed() || is_io(&error);
    let code = error.code().cloned();
    let source = error.into();
    match code {
        None if is_cut_off => DbError::Unavailable { source },
        Some(
            SqlState::LOCK_NOT_AVAILABLE
            | SqlState::T_R_DEADLOCK_DETECTED
            | SqlState::T_R_SERIALIZATION_FAILURE,
        ) => DbError::Busy { source },
        Some(SqlState::DISK_FULL) => DbError::Full { source },
        Some(SqlState::DATA_CORRUPTED | SqlState::INDEX_CORRUPTED) => DbError::Corrupt { source },
        // A cached plan must not change its result: another process has migrated the schema meanwhile.
        Some(SqlState::FEATURE_NOT_SUPPORTED | SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT) => {
            DbError::Unavailable { source }
        }
        // Connections, resources, an operator's intervention, the system around the server.
        Some(code) if ["08", "53", "57", "58", "28", "3D"].contains(&&code.code()[..2]) => {
            DbError::Unavailable { source }
        }
        _ => DbError::Wrong {
            what: shown(sql).to_owned(),
            source: Some(source),
        },
    }
}

/// Whether what failed may have been committed all the same: a server that says ERROR has undone it; a connection that
/// broke, also by a FATAL, tells nothing.
pub(super) fn is_uncertain(error: &DbError) -> bool {
    error.source().is_some_and(|source| {
        let told = source.downcast_ref::<Error>().and_then(Error::as_db_error);
        told.and_then(Told::parsed_severity) != Some(Severity::Error)
    })
}

/// Whether an error came from the connection and not from the server or from us.
fn is_io(error: &Error) -> bool {
    let mut causes = successors(error.source(), |&error| error.source());
    causes.any(|error| error.downcast_ref::<std::io::Error>().is_some())
}

/// The rule that was broken, named as SQLite does: `table.column, table.column` for unique and not-null rules, the name
/// for others.
fn constraint(told: &Told) -> Option<(ConstraintKind, String)> {
    let table = told.table().unwrap_or_default();
    Some(match *told.code() {
        SqlState::UNIQUE_VIOLATION => {
            // "Key (account, name)=(1, x) already exists.", in the server's language.
            let columns = told.detail().and_then(|detail| {
                let (columns, _) = detail.split_once(")=(")?;
                Some(columns.split_once('(')?.1)
            });
            let columns = columns.unwrap_or_default();
            let columns = columns.replace(", ", &format!(", {table}."));
            (ConstraintKind::Unique, format!("{table}.{columns}"))
        }
        SqlState::FOREIGN_KEY_VIOLATION => (ConstraintKind::ForeignKey, String::new()),
        SqlState::NOT_NULL_VIOLATION => {
            let column = told.column().unwrap_or_default();
            (ConstraintKind::NotNull, format!("{table}.{column}"))
        }
        ref code if code.code().starts_with("23") => {
            let name = told.constraint().unwrap_or_default();
            (ConstraintKind::Check, name.to_owned())
        }
        _ => return None,
    })
}
