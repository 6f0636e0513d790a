//! What can go wrong in a database, in the few kinds that callers act on.
//!
//! `store` turns `Constraint` into a sentence for the client; everything retryable becomes a 503;
//! the rest is an operator's or our own mistake. The engine's own error is the `source`.

use std::error::Error;

pub(super) type Source = Box<dyn Error + Send + Sync>;

/// Characters of a statement that an error message shows.
const SQL_SHOWN_MAX: usize = 200;

/// An error of the database.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// The data breaks a rule of the schema.
    #[error("the database refuses the data: {kind} {constraint}")]
    Constraint {
        /// Which sort of rule.
        kind: ConstraintKind,
        /// The constraint's name, or its columns as `table.column, table.column` (SQLite names
        /// columns for unique and not-null rules; empty for foreign keys).
        constraint: String,
        /// What the engine said.
        #[source]
        source: Source,
    },
    /// Another writer held a lock for too long.
    #[error("the database is busy")]
    Busy {
        /// What the engine said.
        #[source]
        source: Source,
    },
    /// No space is left for the database.
    #[error("the disk of the database is full")]
    Full {
        /// What the engine said.
        #[source]
        source: Source,
    },
    /// The database cannot be reached, read or written just now.
    #[error("the database is not available")]
    Unavailable {
        /// What the engine said.
        #[source]
        source: Source,
    },
    /// The stored bytes are damaged: restore a backup.
    #[error("the database is damaged; restore it from a backup")]
    Corrupt {
        /// What the engine said.
        #[source]
        source: Source,
    },
    /// A mistake in our own code: a wrong statement, a missing column, a value of another type.
    #[error("a database call is wrong: {what}")]
    Wrong {
        /// Which statement or column, and what is wrong with it.
        what: String,
        /// What the engine said, if it was asked.
        #[source]
        source: Option<Source>,
    },
    /// The list of migrations does not continue what this database has had.
    #[error("migration `{name}` {problem}")]
    Migration {
        /// The migration's name.
        name: String,
        /// What is wrong and what to do.
        problem: &'static str,
    },
}

/// The sort of a broken constraint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConstraintKind {
    /// A value that must be unique is there already (also a primary key).
    Unique,
    /// A row refers to one that is not there, or one that is referred to was removed.
    ForeignKey,
    /// A value that is required is NULL.
    NotNull,
    /// A CHECK is not met, or a rule that has no kind of its own.
    Check,
}

impl std::fmt::Display for ConstraintKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Unique => "not unique:",
            Self::ForeignKey => "a reference is broken",
            Self::NotNull => "required:",
            Self::Check => "check not met:",
        })
    }
}

impl DbError {
    /// Whether the same call may succeed later without any change.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(
            self,
            Self::Busy { .. } | Self::Full { .. } | Self::Unavailable { .. }
        )
    }

    pub(crate) fn wrong(what: impl Into<String>) -> Self {
        Self::Wrong {
            what: what.into(),
            source: None,
        }
    }
}

/// A statement as an error message shows it.
pub(super) fn shown(sql: &str) -> &str {
    sql.char_indices()
        .nth(SQL_SHOWN_MAX)
        .map_or(sql, |(end, _)| &sql[..end])
}
