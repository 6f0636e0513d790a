//! Data files: what a job was given, and what it made. The bytes rest in `Blobs`, in pieces; this is the list.

use engine::{Row, Tx, Value};
use jiff::Timestamp;
use model::{AccountId, JobId};

use crate::{Result, Scope, bigint, first, position};

/// A file of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataFile {
    pub account: AccountId,
    pub job: JobId,
    /// Unique within the job.
    pub name: String,
    /// Which writing of it: what is written anew under a name takes the place of the old one when it is complete.
    pub version: u32,
    pub content_type: String,
    pub size_bytes: u64,
    /// SHA-256 of all bytes, in hex; `None` until it is complete.
    pub digest: Option<String>,
    /// Nothing will be added.
    pub is_complete: bool,
    /// When somebody first asked for its last byte.
    pub fetched_at: Option<Timestamp>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

const COLUMNS: &str = "account_id, job_id, name, version, content_type, size_bytes, digest, is_complete, fetched_at, created_at, updated_at";

/// Writes a file's row as it is, in the place of one of the same name.
pub async fn put(tx: &mut Tx, scope: Scope, file: &DataFile) -> Result<()> {
    let sql = "INSERT INTO data_file (account_id, job_id, name, version, content_type, size_bytes, digest, is_complete, created_at, updated_at)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
               ON CONFLICT (job_id, name) DO UPDATE SET version = excluded.version, content_type = excluded.content_type, size_bytes = excluded.size_bytes,
               digest = excluded.digest, is_complete = excluded.is_complete, updated_at = excluded.updated_at";
    let params = [
        Value::from(scope.0.0),
        Value::from(file.job.0),
        Value::from(file.name.as_str()),
        Value::from(file.version),
        Value::from(file.content_type.as_str()),
        Value::from(bigint(file.size_bytes)),
        Value::from(file.digest.as_deref()),
        Value::from(file.is_complete),
        Value::from(file.created_at),
        Value::from(file.updated_at),
    ];
    tx.execute(sql, &params).await?;
    Ok(())
}

pub async fn get(tx: &mut Tx, scope: Scope, job: JobId, name: &str) -> Result<Option<DataFile>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM data_file WHERE account_id = $1 AND job_id = $2 AND name = $3"
    );
    let params = [
        Value::from(scope.0.0),
        Value::from(job.0),
        Value::from(name),
    ];
    first(tx, &sql, &params)
        .await?
        .map(|row| read(&row))
        .transpose()
}

/// Notes that somebody asked for the last byte of a file; the first time counts.
pub async fn mark_fetched(
    tx: &mut Tx,
    scope: Scope,
    (job, name): (JobId, &str),
    now: Timestamp,
) -> Result<()> {
    let sql = "UPDATE data_file SET fetched_at = $4 WHERE account_id = $1 AND job_id = $2 AND name = $3 AND fetched_at IS NULL";
    let params = [
        Value::from(scope.0.0),
        Value::from(job.0),
        Value::from(name),
        Value::from(now),
    ];
    tx.execute(sql, &params).await?;
    Ok(())
}

/// The files of a job, by name.
pub async fn list(tx: &mut Tx, scope: Scope, job: JobId) -> Result<Vec<DataFile>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM data_file WHERE account_id = $1 AND job_id = $2 ORDER BY name"
    );
    let params = [Value::from(scope.0.0), Value::from(job.0)];
    tx.rows(&sql, &params).await?.iter().map(read).collect()
}

/// Every file of any account, in pages: for agreeing with the blobs of a copy.
pub async fn all(tx: &mut Tx, (job, name): (JobId, &str), limit: i64) -> Result<Vec<DataFile>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM data_file WHERE job_id > $1 OR (job_id = $1 AND name > $2) ORDER BY job_id, name LIMIT $3"
    );
    let params = [Value::from(job.0), Value::from(name), Value::from(limit)];
    tx.rows(&sql, &params).await?.iter().map(read).collect()
}

/// Uploads of any account that were not finished, and that nothing was added to since this time.
pub async fn left_since(tx: &mut Tx, since: Timestamp, limit: i64) -> Result<Vec<DataFile>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM data_file WHERE is_complete = 0 AND updated_at < $1 AND name LIKE 'upload-%' ORDER BY updated_at LIMIT $2"
    );
    let params = [Value::from(since), Value::from(limit)];
    tx.rows(&sql, &params).await?.iter().map(read).collect()
}

pub async fn delete(tx: &mut Tx, scope: Scope, job: JobId, name: &str) -> Result<bool> {
    let sql = "DELETE FROM data_file WHERE account_id = $1 AND job_id = $2 AND name = $3";
    let params = [
        Value::from(scope.0.0),
        Value::from(job.0),
        Value::from(name),
    ];
    Ok(tx.execute(sql, &params).await? > 0)
}

fn read(row: &Row) -> Result<DataFile> {
    Ok(DataFile {
        account: AccountId(row.get("account_id")?),
        job: JobId(row.get("job_id")?),
        name: row.get("name")?,
        version: u32::try_from(row.get::<i64>("version")?).unwrap_or(u32::MAX),
        content_type: row.get("content_type")?,
        size_bytes: position(row.get("size_bytes")?),
        digest: row.get("digest")?,
        is_complete: row.get("is_complete")?,
        fetched_at: row.get("fetched_at")?,
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
    })
}

/// How many files of jobs there are, and their bytes; of all accounts.
pub async fn total(tx: &mut Tx) -> Result<(u64, u64)> {
    let sql = "SELECT COUNT(*) AS files, CAST(COALESCE(SUM(size_bytes), 0) AS BIGINT) AS bytes FROM data_file";
    let Some(row) = first(tx, sql, &[]).await? else {
        return Ok((0, 0));
    };
    Ok((position(row.get("files")?), position(row.get("bytes")?)))
}
