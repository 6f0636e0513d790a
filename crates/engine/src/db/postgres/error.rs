//! Errors of PostgreSQL in our terms.

use tokio_postgres::Error;
use tokio_postgres::error::{DbError as Told, Severity, SqlState};

use crate::db::error::shown;
use crate::db::{ConstraintKind, DbError};

/// The server cannot be reached, or does not do what it should.
pub(super) fn unavailable(why: impl Into<String>) -> DbError {
    DbError::Unavailable {
        source: why.into().into(),
    }
}

/// An error of PostgreSQL in our terms; a mistake shows the statement.
pub(super) fn classify(sql: &str, error: Error) -> DbError {
    let Some(told) = error.as_db_error() else {
        return if error.is_closed() || is_io(&error) {
            DbError::Unavailable {
                source: error.into(),
            }
        } else {
            DbError::Wrong {
                what: shown(sql).to_owned(),
                source: Some(error.into()),
            }
        };
    };
    if let Some(kind) = constraint_kind(told.code()) {
        return DbError::Constraint {
            kind,
            constraint: constraint(kind, told),
            source: error.into(),
        };
    }
    let code = told.code().clone();
    let source = error.into();
    match code {
        SqlState::LOCK_NOT_AVAILABLE
        | SqlState::T_R_DEADLOCK_DETECTED
        | SqlState::T_R_SERIALIZATION_FAILURE => DbError::Busy { source },
        SqlState::DISK_FULL => DbError::Full { source },
        SqlState::DATA_CORRUPTED | SqlState::INDEX_CORRUPTED => DbError::Corrupt { source },
        // A cached plan must not change its result: another process has migrated the schema meanwhile.
        SqlState::FEATURE_NOT_SUPPORTED | SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT => {
            DbError::Unavailable { source }
        }
        // Connections, resources, an operator's intervention, the system around the server.
        code if ["08", "53", "57", "58", "28", "3D"].contains(&&code.code()[..2]) => {
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
    let source = match error {
        DbError::Wrong { source, .. } => source.as_ref(),
        DbError::Migration { .. } => None,
        DbError::Constraint { source, .. }
        | DbError::Busy { source }
        | DbError::Full { source }
        | DbError::Unavailable { source }
        | DbError::Corrupt { source } => Some(source),
    };
    let Some(source) = source else {
        return false;
    };
    let told = source.downcast_ref::<Error>().and_then(Error::as_db_error);
    told.and_then(Told::parsed_severity) != Some(Severity::Error)
}

/// Whether an error came from the connection and not from the server or from us.
fn is_io(error: &Error) -> bool {
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        if error.is::<std::io::Error>() {
            return true;
        }
        source = error.source();
    }
    false
}

fn constraint_kind(code: &SqlState) -> Option<ConstraintKind> {
    match *code {
        SqlState::UNIQUE_VIOLATION => Some(ConstraintKind::Unique),
        SqlState::FOREIGN_KEY_VIOLATION => Some(ConstraintKind::ForeignKey),
        SqlState::NOT_NULL_VIOLATION => Some(ConstraintKind::NotNull),
        _ if code.code().starts_with("23") => Some(ConstraintKind::Check),
        _ => None,
    }
}

/// As SQLite has it: `table.column, table.column` for unique and not-null rules, the name for others.
fn constraint(kind: ConstraintKind, told: &Told) -> String {
    let table = told.table().unwrap_or_default();
    match kind {
        ConstraintKind::NotNull => format!("{table}.{}", told.column().unwrap_or_default()),
        // "Key (account, name)=(1, x) already exists.", in the server's language.
        ConstraintKind::Unique => {
            let columns = told.detail().and_then(|detail| {
                let (columns, _) = detail.split_once(")=(")?;
                Some(columns.split_once('(')?.1)
            });
            let columns = columns.unwrap_or_default().split(", ");
            let columns: Vec<String> = columns.map(|column| format!("{table}.{column}")).collect();
            columns.join(", ")
        }
        ConstraintKind::ForeignKey => String::new(),
        ConstraintKind::Check => told.constraint().unwrap_or_default().to_owned(),
    }
}
