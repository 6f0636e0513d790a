//! What is **remembered**: all SQL of the product, one file for each noun.
//!
//! Called by `hub` only. Every function takes the transaction and, first of all, the [`Scope`] (account), so that
//! tenancy cannot be forgotten. Promises: SQL text is the same for every engine and names none, secrets are sealed before
//! they get here ([`vault`]), and nothing here decides a rule.

pub mod access_token;
pub mod account;
pub mod application;
pub mod audit;
pub mod change;
pub mod copy;
pub mod data_file;
pub mod dedupe;
pub mod delivery;
pub mod deployment;
pub mod endpoint;
pub mod event_file;
pub mod event_type;
pub mod flow;
pub mod identity;
pub mod identity_filter;
pub mod job;
pub mod key;
pub mod lease;
pub mod member;
pub mod notice;
pub mod notification;
pub mod oauth;
pub mod observation;
pub mod order;
pub mod outbox;
pub mod partner;
pub mod privacy;
pub mod provider;
pub mod quarantine;
pub mod quota;
pub mod registration;
pub mod schema_drift;
pub mod segment;
pub mod sent;
pub mod sequence;
pub mod session;
pub mod setting;
pub mod share;
pub mod sign_in_try;
pub mod subscription;
pub mod supplier_key;
pub mod suppression;
pub mod test_drive;
pub mod ticket;
pub mod user;
pub mod vault;

use engine::{Db, DbError, Migration, Row, Tx};
use model::AccountId;

/// Whose data a query may touch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scope(pub AccountId);

/// Why something could not be remembered or recalled.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("the database did not take it")]
    Db(#[from] DbError),
    #[error("stored {what} cannot be read: was it changed by hand, or written by a newer version?")]
    Unreadable {
        what: &'static str,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl StoreError {
    pub(crate) fn unreadable(
        what: &'static str,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Unreadable {
            what,
            source: source.into(),
        }
    }
}

pub type Result<T> = std::result::Result<T, StoreError>;

/// The schema's history. Append-only: a released migration is never changed. One that is not additive needs all
/// processes stopped: first add, in one release, and take away in a later one.
pub const MIGRATIONS: &[Migration] = &[
    Migration {
        name: "0001_exchange",
        sql: include_str!("migrations/0001_exchange.sql"),
        is_additive: false,
    },
    Migration {
        name: "0002_processes",
        sql: include_str!("migrations/0002_processes.sql"),
        // The table of refused events is made anew.
        is_additive: false,
    },
    Migration {
        name: "0003_applications",
        sql: include_str!("migrations/0003_applications.sql"),
        is_additive: true,
    },
    Migration {
        name: "0004_outbox",
        sql: include_str!("migrations/0004_outbox.sql"),
        is_additive: true,
    },
    Migration {
        name: "0005_users",
        sql: include_str!("migrations/0005_users.sql"),
        is_additive: true,
    },
    Migration {
        name: "0006_partners",
        sql: include_str!("migrations/0006_partners.sql"),
        is_additive: true,
    },
    Migration {
        name: "0007_jobs",
        sql: include_str!("migrations/0007_jobs.sql"),
        is_additive: true,
    },
    Migration {
        name: "0008_segments",
        sql: include_str!("migrations/0008_segments.sql"),
        is_additive: true,
    },
    Migration {
        name: "0009_shares",
        sql: include_str!("migrations/0009_shares.sql"),
        is_additive: true,
    },
    Migration {
        name: "0010_syndicate",
        sql: include_str!("migrations/0010_syndicate.sql"),
        is_additive: true,
    },
    Migration {
        name: "0011_identity",
        sql: include_str!("migrations/0011_identity.sql"),
        is_additive: true,
    },
    Migration {
        name: "0012_privacy",
        sql: include_str!("migrations/0012_privacy.sql"),
        is_additive: true,
    },
];

/// Brings the schema up to date; answers how many migrations were applied.
pub async fn migrate(db: &Db) -> Result<usize> {
    Ok(db.migrate(MIGRATIONS).await?)
}

/// A page of a list: rows after this id, at most so many.
#[derive(Debug, Clone, Copy)]
pub struct Page {
    pub after: i64,
    pub limit: i64,
}

/// Rows of the whole installation by id, or of one account: the end of a query for filling the registry, and its
/// parameters.
fn page_of(of: Option<Scope>, page: Page) -> (&'static str, Vec<engine::Value>) {
    let mut params = vec![page.after.into(), page.limit.into()];
    match of {
        None => ("WHERE id > $1 ORDER BY id LIMIT $2", params),
        Some(scope) => {
            params.push(scope.0.0.into());
            (
                "WHERE account_id = $3 AND id > $1 ORDER BY id LIMIT $2",
                params,
            )
        }
    }
}

/// Which accounts are meant: those of one shard of so many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    pub shard: i64,
    pub shards: i64,
}

/// The first row of a query that finds at most one.
async fn first(tx: &mut Tx, sql: &str, params: &[engine::Value]) -> Result<Option<Row>> {
    Ok(tx.rows(sql, params).await?.into_iter().next())
}

/// JSON in a TEXT column.
fn to_json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("our own types become JSON")
}

fn from_json<T: serde::de::DeserializeOwned>(what: &'static str, text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|source| StoreError::unreadable(what, source))
}

/// A word of a closed set in a TEXT column.
fn word<T>(what: &'static str, text: &str, parse: impl Fn(&str) -> Option<T>) -> Result<T> {
    parse(text).ok_or_else(|| StoreError::unreadable(what, format!("`{text}`")))
}

/// Log positions are 60 bits, so they fit a BIGINT.
fn position(value: i64) -> u64 {
    u64::try_from(value).unwrap_or_default()
}

fn bigint(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
