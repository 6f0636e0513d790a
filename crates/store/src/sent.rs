//! What shares have handed over: how much the last time and, of incremental ones, a digest of every row.
//!
//! A row is noted before it is handed over, as one that the destination *may* have, and as one that it has when the run
//! has ended well. So whatever happens in between, nobody is left at the destination whom nothing here knows of. Digests are
//! made under a key of the share; the identifier itself is sealed. Called by `hub/sent`.

use engine::{Tx, Value};
use jiff::Timestamp;
use model::record::Digest16;
use model::{JobId, ShareId};

use crate::{Result, Scope, StoreError, bigint, first, position};

/// A share that has run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentShare {
    pub share: ShareId,
    /// Sealed.
    pub digest_key: Vec<u8>,
    /// The last run that ended well, and how many rows it read and handed over.
    pub job: Option<JobId>,
    pub rows_read: u64,
    pub rows_sent: u64,
}

/// One row of an audience at its destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentRow {
    pub digest: Digest16,
    pub content: i64,
    /// Sealed.
    pub identifier: Vec<u8>,
    pub is_sent: bool,
}

/// What is known of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownRow {
    pub digest: Digest16,
    pub content: i64,
    pub is_sent: bool,
}

/// Digests asked for in one statement.
const DIGESTS_PER_QUERY: usize = 500;

pub async fn share(tx: &mut Tx, scope: Scope, share: ShareId) -> Result<Option<SentShare>> {
    let sql = "SELECT share_id, digest_key, job_id, rows_read, rows_sent FROM sent_share WHERE account_id = $1 AND share_id = $2";
    let row = first(tx, sql, &[Value::from(scope.0.0), Value::from(share.0)]).await?;
    row.map(|row| read(&row)).transpose()
}

/// All of an account.
pub async fn shares(tx: &mut Tx, scope: Scope) -> Result<Vec<SentShare>> {
    let sql = "SELECT share_id, digest_key, job_id, rows_read, rows_sent FROM sent_share WHERE account_id = $1 ORDER BY share_id";
    let rows = tx.rows(sql, &[Value::from(scope.0.0)]).await?;
    rows.iter().map(read).collect()
}

/// Notes a share; one that is known keeps its key.
pub async fn put_share(tx: &mut Tx, scope: Scope, share: &SentShare, now: Timestamp) -> Result<()> {
    let sql = "INSERT INTO sent_share (share_id, account_id, digest_key, job_id, rows_read, rows_sent, updated_at)
               VALUES ($1, $2, $3, $4, $5, $6, $7)
               ON CONFLICT (share_id) DO UPDATE SET job_id = excluded.job_id, rows_read = excluded.rows_read,
               rows_sent = excluded.rows_sent, updated_at = excluded.updated_at";
    let params = [
        Value::from(share.share.0),
        Value::from(scope.0.0),
        Value::from(share.digest_key.as_slice()),
        Value::from(share.job.map(|job| job.0)),
        Value::from(bigint(share.rows_read)),
        Value::from(bigint(share.rows_sent)),
        Value::from(now),
    ];
    tx.execute(sql, &params).await?;
    Ok(())
}

/// What is known of these rows.
pub async fn known(
    tx: &mut Tx,
    scope: Scope,
    share: ShareId,
    digests: &[Digest16],
) -> Result<Vec<KnownRow>> {
    let mut known = Vec::with_capacity(digests.len());
    for some in digests.chunks(DIGESTS_PER_QUERY) {
        let places: Vec<String> = (3..some.len() + 3).map(|i| format!("${i}")).collect();
        let sql = format!(
            "SELECT digest, content, is_sent FROM sent_row WHERE account_id = $1 AND share_id = $2 AND digest IN ({})",
            places.join(", ")
        );
        let mut params = vec![Value::from(scope.0.0), Value::from(share.0)];
        params.extend(some.iter().map(|digest| Value::from(digest.as_slice())));
        for row in tx.rows(&sql, &params).await? {
            known.push(KnownRow {
                digest: digest(&row.get::<Vec<u8>>("digest")?)?,
                content: row.get("content")?,
                is_sent: row.get("is_sent")?,
            });
        }
    }
    Ok(known)
}

/// Notes rows as those of a run, in the place of what was known of them.
pub async fn put(
    tx: &mut Tx,
    scope: Scope,
    (share, job): (ShareId, JobId),
    rows: Vec<SentRow>,
) -> Result<()> {
    let sql = "INSERT INTO sent_row (account_id, share_id, digest, content, identifier, job_id, is_sent) VALUES ($1, $2, $3, $4, $5, $6, $7)
               ON CONFLICT (share_id, digest) DO UPDATE SET content = excluded.content, job_id = excluded.job_id, is_sent = excluded.is_sent";
    let rows = rows.into_iter().map(|row| {
        vec![
            Value::from(scope.0.0),
            Value::from(share.0),
            Value::from(row.digest.as_slice()),
            Value::from(row.content),
            Value::from(row.identifier.as_slice()),
            Value::from(job.0),
            Value::from(row.is_sent),
        ]
    });
    tx.execute_many(sql, rows.collect()).await?;
    Ok(())
}

/// Notes rows that have not changed since as those of a run.
pub async fn keep(
    tx: &mut Tx,
    scope: Scope,
    (share, job): (ShareId, JobId),
    digests: &[Digest16],
) -> Result<()> {
    let sql =
        "UPDATE sent_row SET job_id = $4 WHERE account_id = $1 AND share_id = $2 AND digest = $3";
    let rows = digests.iter().map(|digest| {
        vec![
            Value::from(scope.0.0),
            Value::from(share.0),
            Value::from(digest.as_slice()),
            Value::from(job.0),
        ]
    });
    tx.execute_many(sql, rows.collect()).await?;
    Ok(())
}

/// Digest and sealed identifier of rows that a run did not have, in the order of the digests.
pub async fn gone(
    tx: &mut Tx,
    scope: Scope,
    (share, job): (ShareId, JobId),
    after: Option<Digest16>,
    limit: i64,
) -> Result<Vec<(Digest16, Vec<u8>)>> {
    let sql = "SELECT digest, identifier FROM sent_row WHERE account_id = $1 AND share_id = $2 AND job_id <> $3 AND digest > $4
               ORDER BY digest LIMIT $5";
    let params = [
        Value::from(scope.0.0),
        Value::from(share.0),
        Value::from(job.0),
        Value::from(after.as_ref().map_or(&[][..], |after| &after[..])),
        Value::from(limit),
    ];
    let rows = tx.rows(sql, &params).await?;
    let rows = rows.iter().map(|row| {
        Ok((
            digest(&row.get::<Vec<u8>>("digest")?)?,
            row.get("identifier")?,
        ))
    });
    rows.collect()
}

/// A run has ended well: the destination has its rows, and no others. For the digests that begin with this byte, so that
/// one transaction is bounded.
pub async fn settle(
    tx: &mut Tx,
    scope: Scope,
    (share, job): (ShareId, JobId),
    first_byte: u8,
) -> Result<()> {
    let range = "account_id = $1 AND share_id = $2 AND digest >= $4 AND digest < $5";
    // Longer than any digest that begins so.
    let end = match first_byte.checked_add(1) {
        Some(next) => vec![next],
        None => vec![u8::MAX; 17],
    };
    let params = [
        Value::from(scope.0.0),
        Value::from(share.0),
        Value::from(job.0),
        Value::from(&[first_byte][..]),
        Value::from(end.as_slice()),
    ];
    let sql = format!("DELETE FROM sent_row WHERE {range} AND job_id <> $3");
    tx.execute(&sql, &params).await?;
    let sql =
        format!("UPDATE sent_row SET is_sent = 1 WHERE {range} AND job_id = $3 AND is_sent = 0");
    tx.execute(&sql, &params).await?;
    Ok(())
}

/// Forgets rows; answers how many there were.
pub async fn forget(
    tx: &mut Tx,
    scope: Scope,
    share: ShareId,
    digests: &[Digest16],
) -> Result<u64> {
    let sql = "DELETE FROM sent_row WHERE account_id = $1 AND share_id = $2 AND digest = $3";
    let rows = digests.iter().map(|digest| {
        vec![
            Value::from(scope.0.0),
            Value::from(share.0),
            Value::from(digest.as_slice()),
        ]
    });
    Ok(tx.execute_many(sql, rows.collect()).await?)
}

/// Forgets a share that will not run again; `false` when there was nothing (more) to forget. A part of its rows at a time.
pub async fn drop_share(tx: &mut Tx, scope: Scope, share: ShareId) -> Result<bool> {
    /// Rows in one transaction.
    const ROWS: i64 = 10_000;
    let sql = "DELETE FROM sent_row WHERE account_id = $1 AND share_id = $2 AND digest IN
               (SELECT digest FROM sent_row WHERE share_id = $2 ORDER BY digest LIMIT $3)";
    let params = [
        Value::from(scope.0.0),
        Value::from(share.0),
        Value::from(ROWS),
    ];
    if tx.execute(sql, &params).await? > 0 {
        return Ok(true);
    }
    let sql = "DELETE FROM sent_share WHERE account_id = $1 AND share_id = $2";
    let params = [Value::from(scope.0.0), Value::from(share.0)];
    Ok(tx.execute(sql, &params).await? > 0)
}

fn digest(bytes: &[u8]) -> Result<Digest16> {
    Digest16::try_from(bytes)
        .map_err(|source| StoreError::unreadable("digest of a sent row", source))
}

fn read(row: &engine::Row) -> Result<SentShare> {
    Ok(SentShare {
        share: ShareId(row.get("share_id")?),
        digest_key: row.get("digest_key")?,
        job: row.get::<Option<i64>>("job_id")?.map(JobId),
        rows_read: position(row.get("rows_read")?),
        rows_sent: position(row.get("rows_sent")?),
    })
}
