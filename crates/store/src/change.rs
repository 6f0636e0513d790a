//! Which accounts were changed, so that every process can bring what it holds in memory up to date.
//!
//! Versions rise without a gap: changes are made one after the other, under [`LOCK`]. Written by `hub` in the
//! transaction of each change; read by every process a few times a second.

use engine::{Tx, Value};
use model::AccountId;

use crate::Result;

/// The lock of the database under which changes are made (exclusive), and their version is asked for by who must not
/// miss one that is being made (shared). Any number that nothing else uses.
pub const LOCK: i64 = 0x5269_616c_746f;

/// Changes kept: a process that is behind by more loads everything.
const KEPT: i64 = 10_000;

/// The version of the last change; 0 before the first.
pub async fn version(tx: &mut Tx) -> Result<i64> {
    let sql = "SELECT version FROM registry_change ORDER BY version DESC LIMIT 1";
    let row = crate::first(tx, sql, &[]).await?;
    row.map_or(Ok(0), |row| Ok(row.get("version")?))
}

/// Notes that `process` made change `version`.
pub async fn insert(tx: &mut Tx, version: i64, account: AccountId, process: &str) -> Result<()> {
    let sql = "INSERT INTO registry_change (version, account_id, process) VALUES ($1, $2, $3)";
    let params = [
        Value::from(version),
        Value::from(account.0),
        Value::from(process),
    ];
    tx.execute(sql, &params).await?;
    let old = "DELETE FROM registry_change WHERE version <= $1";
    tx.execute(old, &[Value::from(version - KEPT)]).await?;
    Ok(())
}

/// What others than `process` changed after `version`.
pub struct Changes {
    /// The last change that this tells of.
    pub version: i64,
    /// `None`: too many to tell; everything may have changed.
    pub accounts: Option<Vec<AccountId>>,
}

pub async fn since(tx: &mut Tx, known: i64, process: &str) -> Result<Changes> {
    let sql = "SELECT version, account_id, process FROM registry_change WHERE version > $1 ORDER BY version";
    let mut last = known;
    let mut is_whole = true;
    let mut accounts = Vec::new();
    for row in tx.rows(sql, &[Value::from(known)]).await? {
        let version = row.get("version")?;
        is_whole &= version == last + 1;
        last = version;
        let account = AccountId(row.get("account_id")?);
        if row.get::<String>("process")? != process && !accounts.contains(&account) {
            accounts.push(account);
        }
    }
    Ok(Changes {
        version: last,
        accounts: is_whole.then_some(accounts),
    })
}
