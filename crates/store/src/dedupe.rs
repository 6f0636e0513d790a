//! The index of what publishers named themselves: event ids and idempotency keys.
//!
//! The keys travel in the log's records; this index is written with the router's checkpoint and is rebuilt from
//! the log for what the checkpoint had not reached. Digests hold the endpoint, so they need no scope to be found;
//! the account is stored for erasure.

use std::collections::HashSet;

use engine::{Row, Tx, Value};
use jiff::Timestamp;
use model::AccountId;
use model::record::Digest16;

use crate::{Result, StoreError, bigint, first, position};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventKey {
    pub digest: Digest16,
    pub account: AccountId,
    pub position: u64,
    pub ordinal: u32,
    pub expires_at: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdempotencyKey {
    pub digest: Digest16,
    pub body: Digest16,
    pub account: AccountId,
    /// Of the publication's first record.
    pub position: u64,
    pub accepted: u32,
    pub quarantined: u32,
    pub expires_at: Timestamp,
}

pub async fn put_event_keys(tx: &mut Tx, keys: &[EventKey]) -> Result<()> {
    let sql = "INSERT INTO event_key (digest, account_id, position, ordinal, expires_at) VALUES ($1, $2, $3, $4, $5)
               ON CONFLICT (digest) DO UPDATE SET position = excluded.position, ordinal = excluded.ordinal, expires_at = excluded.expires_at";
    let rows = keys.iter().map(|key| {
        vec![
            Value::from(key.digest.as_slice()),
            Value::from(key.account.0),
            Value::from(bigint(key.position)),
            Value::from(i64::from(key.ordinal)),
            Value::from(key.expires_at),
        ]
    });
    tx.execute_many(sql, rows.collect()).await?;
    Ok(())
}

pub async fn put_idempotency_keys(tx: &mut Tx, keys: &[IdempotencyKey]) -> Result<()> {
    let sql = "INSERT INTO idempotency_key (digest, body, account_id, position, accepted, quarantined, expires_at)
               VALUES ($1, $2, $3, $4, $5, $6, $7)
               ON CONFLICT (digest) DO UPDATE SET body = excluded.body, position = excluded.position,
               accepted = excluded.accepted, quarantined = excluded.quarantined, expires_at = excluded.expires_at";
    let rows = keys.iter().map(|key| {
        vec![
            Value::from(key.digest.as_slice()),
            Value::from(key.body.as_slice()),
            Value::from(key.account.0),
            Value::from(bigint(key.position)),
            Value::from(i64::from(key.accepted)),
            Value::from(i64::from(key.quarantined)),
            Value::from(key.expires_at),
        ]
    });
    tx.execute_many(sql, rows.collect()).await?;
    Ok(())
}

/// Digests asked for in one statement.
const KEYS_PER_QUERY: usize = 100;

/// Those of these keys that are known and whose window is still open.
pub async fn events(tx: &mut Tx, digests: &[Digest16], now: Timestamp) -> Result<Vec<EventKey>> {
    let mut known = Vec::new();
    for some in digests.chunks(KEYS_PER_QUERY) {
        let places: Vec<String> = (2..some.len() + 2).map(|i| format!("${i}")).collect();
        let sql = format!(
            "SELECT digest, account_id, position, ordinal, expires_at FROM event_key WHERE expires_at > $1 AND digest IN ({})",
            places.join(", ")
        );
        let mut params = vec![Value::from(now)];
        params.extend(some.iter().map(|digest| Value::from(digest.as_slice())));
        for row in tx.rows(&sql, &params).await? {
            let digest: Vec<u8> = row.get("digest")?;
            known.push(EventKey {
                digest: Digest16::try_from(digest.as_slice())
                    .map_err(|source| StoreError::unreadable("event key", source))?,
                account: AccountId(row.get("account_id")?),
                position: position(row.get("position")?),
                ordinal: count(&row, "ordinal")?,
                expires_at: row.get("expires_at")?,
            });
        }
    }
    Ok(known)
}

pub async fn idempotency(
    tx: &mut Tx,
    digest: Digest16,
    now: Timestamp,
) -> Result<Option<IdempotencyKey>> {
    let sql =
        "SELECT body, account_id, position, accepted, quarantined, expires_at FROM idempotency_key
               WHERE digest = $1 AND expires_at > $2";
    let row = first(tx, sql, &[Value::from(digest.as_slice()), Value::from(now)]).await?;
    row.map(|row| {
        let body: Vec<u8> = row.get("body")?;
        let body = Digest16::try_from(body.as_slice())
            .map_err(|source| StoreError::unreadable("idempotency key", source))?;
        Ok(IdempotencyKey {
            digest,
            body,
            account: AccountId(row.get("account_id")?),
            position: position(row.get("position")?),
            accepted: count(&row, "accepted")?,
            quarantined: count(&row, "quarantined")?,
            expires_at: row.get("expires_at")?,
        })
    })
    .transpose()
}

/// Writes rows for those of these keys that are not known, and so holds them until the transaction ends: another one
/// that writes the same waits for it. Answers the others: they are known.
pub async fn claim_events(
    tx: &mut Tx,
    digests: &[Digest16],
    now: Timestamp,
) -> Result<Vec<Digest16>> {
    let mut claimed: HashSet<Digest16> = HashSet::new();
    for some in digests.chunks(KEYS_PER_QUERY) {
        let rows: Vec<String> = (2..some.len() + 2)
            .map(|i| format!("(${i}, 0, 0, 0, $1)"))
            .collect();
        // The position comes with the answer of the log. Its time is over at once, so that nobody takes it for known.
        let sql = format!(
            "INSERT INTO event_key (digest, account_id, position, ordinal, expires_at) VALUES {}
             ON CONFLICT (digest) DO UPDATE SET expires_at = $1 WHERE event_key.expires_at <= $1 RETURNING digest",
            rows.join(", ")
        );
        let mut params = vec![Value::from(now)];
        params.extend(some.iter().map(|digest| Value::from(digest.as_slice())));
        for row in tx.rows(&sql, &params).await? {
            claimed.insert(read_digest(&row.get::<Vec<u8>>("digest")?)?);
        }
    }
    Ok(digests
        .iter()
        .copied()
        .filter(|digest| !claimed.contains(digest))
        .collect())
}

/// The same for the key of a call; `false` if it is known.
pub async fn claim_call(tx: &mut Tx, digest: Digest16, now: Timestamp) -> Result<bool> {
    let sql = "INSERT INTO idempotency_key (digest, body, account_id, position, accepted, quarantined, expires_at)
               VALUES ($1, $1, 0, 0, 0, 0, $2)
               ON CONFLICT (digest) DO UPDATE SET expires_at = $2 WHERE idempotency_key.expires_at <= $2 RETURNING digest";
    let params = [Value::from(digest.as_slice()), Value::from(now)];
    Ok(!tx.rows(sql, &params).await?.is_empty())
}

fn read_digest(bytes: &[u8]) -> Result<Digest16> {
    Digest16::try_from(bytes).map_err(|source| StoreError::unreadable("key of a publisher", source))
}

/// Forgets keys whose window has closed; at most `limit` of each kind, so that it never takes long.
pub async fn expire(tx: &mut Tx, now: Timestamp, limit: i64) -> Result<u64> {
    let mut gone = 0;
    for table in ["event_key", "idempotency_key"] {
        let sql = format!(
            "DELETE FROM {table} WHERE digest IN (SELECT digest FROM {table} WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)"
        );
        gone += tx
            .execute(&sql, &[Value::from(now), Value::from(limit)])
            .await?;
    }
    Ok(gone)
}

fn count(row: &Row, column: &str) -> Result<u32> {
    Ok(u32::try_from(row.get::<i64>(column)?).unwrap_or(u32::MAX))
}
