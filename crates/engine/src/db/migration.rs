//! Migrations: the schema's history, applied once, in order, and never changed afterwards.
//!
//! `store` owns the list and calls [`migrate`] at every start. The table `schema_migration` keeps
//! what was applied, with a checksum of its text, so an edited old migration is an error at start
//! and not a difference between two installations that nobody finds.

use super::{Db, DbError, Tx, Value};
use crate::clock::Clock;

/// One step of the schema. The list is append-only: position, name and text stay as released.
#[derive(Clone, Copy, Debug)]
pub struct Migration {
    /// What it is called in errors and in the table, for example `0003_endpoint`.
    pub name: &'static str,
    /// Its statements, separated by semicolons, without parameters.
    pub sql: &'static str,
    /// It only adds what programs that do not know it pass over (tables, columns with a default, indexes): these may
    /// run beside it, and be started after it, so that several processes can be replaced one by one.
    pub is_additive: bool,
}

const TABLE: &str = "CREATE TABLE IF NOT EXISTS schema_migration (
    position BIGINT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    checksum BIGINT NOT NULL,
    applied_at BIGINT NOT NULL
)";

/// The migrations that older programs may pass over.
const ADDITIVE: &str = "CREATE TABLE IF NOT EXISTS schema_additive (name TEXT PRIMARY KEY)";

/// Locks of this crate are at the low end of the numbers, those of `store` are positive.
const LOCK: i64 = i64::MIN;

pub(super) async fn migrate(db: &Db, migrations: &[Migration]) -> Result<usize, DbError> {
    let mut done = 0;
    while next(db, migrations).await? {
        done += 1;
    }
    Ok(done)
}

/// Applies the first migration that this database has not had. Several processes may start together: they take turns.
async fn next(db: &Db, migrations: &[Migration]) -> Result<bool, DbError> {
    let mut tx = db.begin().await?;
    tx.lock_exclusive(LOCK).await?;
    tx.execute(TABLE, &[]).await?;
    tx.execute(ADDITIVE, &[]).await?;
    let list = "SELECT m.name AS name, checksum, a.name AS additive
                FROM schema_migration m LEFT JOIN schema_additive a ON a.name = m.name ORDER BY position";
    let applied = tx.rows(list, &[]).await?;
    for (index, row) in applied.iter().enumerate() {
        let known = migrations.get(index);
        let is_additive = row.get::<Option<String>>("additive")?.is_some();
        if known.is_some() || !is_additive {
            check(known, &row.get::<String>("name")?, row.get("checksum")?)?;
        }
    }
    let missing = migrations.get(applied.len());
    if let Some(migration) = missing {
        apply(&mut tx, applied.len(), migration).await?;
    }
    tx.commit().await?;
    Ok(missing.is_some())
}

fn check(known: Option<&Migration>, name: &str, applied_checksum: i64) -> Result<(), DbError> {
    let refuse = |problem| {
        Err(DbError::Migration {
            name: name.to_owned(),
            problem,
        })
    };
    match known {
        None => refuse(
            "was applied to this database and is not known here: start the release that wrote it, or a newer one",
        ),
        Some(known) if known.name != name => refuse(
            "was applied to this database and stands elsewhere in the list: append new migrations at its end",
        ),
        Some(known) if checksum(known.sql) != applied_checksum => refuse(
            "was changed after it was applied to this database: restore its text and write a new migration instead",
        ),
        Some(_) => Ok(()),
    }
}

async fn apply(tx: &mut Tx, index: usize, migration: &Migration) -> Result<(), DbError> {
    let position = i64::try_from(index)
        .map_err(|_| DbError::wrong("more migrations than BIGINT can count"))?;
    tx.script(migration.sql).await?;
    let row: [Value; 4] = [
        position.into(),
        migration.name.into(),
        checksum(migration.sql).into(),
        Clock::System.now().into(),
    ];
    tx.execute("INSERT INTO schema_migration (position, name, checksum, applied_at) VALUES ($1, $2, $3, $4)", &row)
        .await?;
    if migration.is_additive {
        let additive = "INSERT INTO schema_additive (name) VALUES ($1)";
        tx.execute(additive, &[migration.name.into()]).await?;
    }
    tracing::info!(migration = migration.name, "migration applied");
    Ok(())
}

/// FNV-1a: guards against mistakes, not against malice.
fn checksum(text: &str) -> i64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        })
        .cast_signed()
}
