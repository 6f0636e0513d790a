//! Keys: hashes and prefixes, never the keys.

use engine::{Row, Tx, Value};
use jiff::Timestamp;
use model::key::{KeyHash, KeyLevel};
use model::{AccountId, EndpointId, KeyId};

use crate::{Page, Result, Scope, StoreError, sequence, word};

/// A key's record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    pub id: KeyId,
    pub account: AccountId,
    pub endpoint: Option<EndpointId>,
    pub level: KeyLevel,
    pub hash: KeyHash,
    pub prefix: String,
    pub created_at: Timestamp,
    /// Not valid from here on (rotation with overlap).
    pub expires_at: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
}

const COLUMNS: &str =
    "id, account_id, endpoint_id, level, hash, prefix, created_at, expires_at, revoked_at";

pub async fn insert(
    tx: &mut Tx,
    scope: Scope,
    endpoint: Option<EndpointId>,
    level: KeyLevel,
    (hash, prefix): (KeyHash, &str),
    now: Timestamp,
) -> Result<Key> {
    let id = sequence::take(tx, "api_key", 1).await?;
    let sql = "INSERT INTO api_key (id, account_id, endpoint_id, level, hash, prefix, created_at)
               VALUES ($1, $2, $3, $4, $5, $6, $7)";
    let params = [
        Value::from(id),
        Value::from(scope.0.0),
        Value::from(endpoint.map(|e| e.0)),
        Value::from(level.as_str()),
        Value::from(hash.0.as_slice()),
        Value::from(prefix),
        Value::from(now),
    ];
    tx.execute(sql, &params).await?;
    Ok(Key {
        id: KeyId(id),
        account: scope.0,
        endpoint,
        level,
        hash,
        prefix: prefix.to_owned(),
        created_at: now,
        expires_at: None,
        revoked_at: None,
    })
}

/// Which keys of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeysOf {
    /// All: the account's own and those of its endpoints.
    All,
    /// The account's own.
    Account,
    Endpoint(EndpointId),
}

/// By number.
pub async fn list(tx: &mut Tx, scope: Scope, of: KeysOf) -> Result<Vec<Key>> {
    let mut params = vec![Value::from(scope.0.0)];
    let which = match of {
        KeysOf::All => "",
        KeysOf::Account => "AND endpoint_id IS NULL",
        KeysOf::Endpoint(id) => {
            params.push(Value::from(id.0));
            "AND endpoint_id = $2"
        }
    };
    let sql = format!("SELECT {COLUMNS} FROM api_key WHERE account_id = $1 {which} ORDER BY id");
    tx.rows(&sql, &params).await?.iter().map(read).collect()
}

pub async fn get(tx: &mut Tx, scope: Scope, id: KeyId) -> Result<Option<Key>> {
    let sql = format!("SELECT {COLUMNS} FROM api_key WHERE account_id = $1 AND id = $2");
    let rows = tx.rows(&sql, &[scope.0.0, id.0].map(Value::from)).await?;
    rows.first().map(read).transpose()
}

/// Every key of the installation, or of one account, to fill the registry at start.
pub async fn all(tx: &mut Tx, of: Option<Scope>, page: Page) -> Result<Vec<Key>> {
    let (page, params) = crate::page_of(of, page);
    tx.rows(&format!("SELECT {COLUMNS} FROM api_key {page}"), &params)
        .await?
        .iter()
        .map(read)
        .collect()
}

/// Ends a key at `at` (overlap); an earlier end stays.
pub async fn expire(tx: &mut Tx, scope: Scope, id: KeyId, at: Timestamp) -> Result<bool> {
    let sql = "UPDATE api_key SET expires_at = $3 WHERE account_id = $1 AND id = $2
               AND (expires_at IS NULL OR expires_at > $3)";
    Ok(tx
        .execute(
            sql,
            &[Value::from(scope.0.0), Value::from(id.0), Value::from(at)],
        )
        .await?
        > 0)
}

/// Ends a key at once.
pub async fn revoke(tx: &mut Tx, scope: Scope, id: KeyId, now: Timestamp) -> Result<bool> {
    let sql = "UPDATE api_key SET revoked_at = $3 WHERE account_id = $1 AND id = $2 AND revoked_at IS NULL";
    Ok(tx
        .execute(
            sql,
            &[Value::from(scope.0.0), Value::from(id.0), Value::from(now)],
        )
        .await?
        > 0)
}

fn read(row: &Row) -> Result<Key> {
    let hash: Vec<u8> = row.get("hash")?;
    let hash = <[u8; 32]>::try_from(hash.as_slice())
        .map_err(|source| StoreError::unreadable("key hash", source))?;
    Ok(Key {
        id: KeyId(row.get("id")?),
        account: AccountId(row.get("account_id")?),
        endpoint: row.get::<Option<i64>>("endpoint_id")?.map(EndpointId),
        level: word("key level", &row.get::<String>("level")?, KeyLevel::parse)?,
        hash: KeyHash(hash),
        prefix: row.get("prefix")?,
        created_at: row.get("created_at")?,
        expires_at: row.get("expires_at")?,
        revoked_at: row.get("revoked_at")?,
    })
}
