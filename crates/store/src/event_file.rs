//! Event files: what pull destinations fetch. The bytes rest in `Blobs`; this is the list.

use engine::{Row, Tx, Value};
use jiff::Timestamp;
use model::{AccountId, EndpointId};

use crate::{Result, Scope, bigint, first, position};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventFile {
    pub account: AccountId,
    pub endpoint: EndpointId,
    /// Sorts by time.
    pub name: String,
    pub documents: u64,
    pub size_bytes: u64,
    pub created_at: Timestamp,
    pub fetched_at: Option<Timestamp>,
}

const COLUMNS: &str =
    "account_id, endpoint_id, name, documents, size_bytes, created_at, fetched_at";

pub async fn insert(tx: &mut Tx, file: &EventFile) -> Result<()> {
    let sql =
        "INSERT INTO event_file (account_id, endpoint_id, name, documents, size_bytes, created_at)
               VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (endpoint_id, name) DO NOTHING";
    let params = [
        Value::from(file.account.0),
        Value::from(file.endpoint.0),
        Value::from(file.name.as_str()),
        Value::from(bigint(file.documents)),
        Value::from(bigint(file.size_bytes)),
        Value::from(file.created_at),
    ];
    tx.execute(sql, &params).await?;
    Ok(())
}

/// The oldest `limit` files of an endpoint.
pub async fn oldest(
    tx: &mut Tx,
    scope: Scope,
    endpoint: EndpointId,
    limit: i64,
) -> Result<Vec<EventFile>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM event_file WHERE account_id = $1 AND endpoint_id = $2 ORDER BY name LIMIT $3"
    );
    let params = [
        Value::from(scope.0.0),
        Value::from(endpoint.0),
        Value::from(limit),
    ];
    tx.rows(&sql, &params).await?.iter().map(read).collect()
}

pub async fn get(
    tx: &mut Tx,
    scope: Scope,
    endpoint: EndpointId,
    name: &str,
) -> Result<Option<EventFile>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM event_file WHERE account_id = $1 AND endpoint_id = $2 AND name = $3"
    );
    let params = [
        Value::from(scope.0.0),
        Value::from(endpoint.0),
        Value::from(name),
    ];
    first(tx, &sql, &params)
        .await?
        .map(|row| read(&row))
        .transpose()
}

pub async fn mark_fetched(
    tx: &mut Tx,
    scope: Scope,
    endpoint: EndpointId,
    name: &str,
    now: Timestamp,
) -> Result<()> {
    let sql = "UPDATE event_file SET fetched_at = $4 WHERE account_id = $1 AND endpoint_id = $2 AND name = $3 AND fetched_at IS NULL";
    tx.execute(
        sql,
        &[
            Value::from(scope.0.0),
            Value::from(endpoint.0),
            Value::from(name),
            Value::from(now),
        ],
    )
    .await?;
    Ok(())
}

pub async fn delete(tx: &mut Tx, scope: Scope, endpoint: EndpointId, name: &str) -> Result<bool> {
    let sql = "DELETE FROM event_file WHERE account_id = $1 AND endpoint_id = $2 AND name = $3";
    let params = [
        Value::from(scope.0.0),
        Value::from(endpoint.0),
        Value::from(name),
    ];
    Ok(tx.execute(sql, &params).await? > 0)
}

/// A file was written anew.
pub async fn put_sizes(
    tx: &mut Tx,
    scope: Scope,
    (endpoint, name): (EndpointId, &str),
    (documents, size_bytes): (u64, u64),
) -> Result<()> {
    let sql = "UPDATE event_file SET documents = $4, size_bytes = $5 WHERE account_id = $1 AND endpoint_id = $2 AND name = $3";
    let params = [
        Value::from(scope.0.0),
        Value::from(endpoint.0),
        Value::from(name),
        Value::from(bigint(documents)),
        Value::from(bigint(size_bytes)),
    ];
    tx.execute(sql, &params).await?;
    Ok(())
}

/// Files older than `before`, of any account, oldest first: for retention.
pub async fn older_than(tx: &mut Tx, before: Timestamp, limit: i64) -> Result<Vec<EventFile>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM event_file WHERE created_at < $1 ORDER BY created_at LIMIT $2"
    );
    tx.rows(&sql, &[Value::from(before), Value::from(limit)])
        .await?
        .iter()
        .map(read)
        .collect()
}

fn read(row: &Row) -> Result<EventFile> {
    Ok(EventFile {
        account: AccountId(row.get("account_id")?),
        endpoint: EndpointId(row.get("endpoint_id")?),
        name: row.get("name")?,
        documents: position(row.get("documents")?),
        size_bytes: position(row.get("size_bytes")?),
        created_at: row.get("created_at")?,
        fetched_at: row.get("fetched_at")?,
    })
}

/// How many event files there are, and their bytes; of all accounts.
pub async fn total(tx: &mut Tx) -> Result<(u64, u64)> {
    let sql = "SELECT COUNT(*) AS files, CAST(COALESCE(SUM(size_bytes), 0) AS BIGINT) AS bytes FROM event_file";
    let Some(row) = first(tx, sql, &[]).await? else {
        return Ok((0, 0));
    };
    Ok((position(row.get("files")?), position(row.get("bytes")?)))
}
