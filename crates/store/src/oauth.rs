//! Refresh tokens that a token server gave in the place of the one that somebody stated (rotation), sealed.

use engine::{Tx, Value};
use jiff::Timestamp;

use crate::{Result, Scope, first};

/// The sealed refresh token that counts now for the authentication with this digest; `None`: the one that was stated.
pub async fn get(tx: &mut Tx, scope: Scope, digest: &str) -> Result<Option<Vec<u8>>> {
    let sql = "SELECT refresh_token FROM oauth_grant WHERE account_id = $1 AND digest = $2";
    let params = [Value::from(scope.0.0), Value::from(digest)];
    match first(tx, sql, &params).await? {
        Some(row) => Ok(Some(row.get("refresh_token")?)),
        None => Ok(None),
    }
}

pub async fn put(
    tx: &mut Tx,
    scope: Scope,
    digest: &str,
    sealed: Vec<u8>,
    now: Timestamp,
) -> Result<()> {
    let sql = "INSERT INTO oauth_grant (account_id, digest, refresh_token, updated_at) VALUES ($1, $2, $3, $4)
               ON CONFLICT (account_id, digest) DO UPDATE SET refresh_token = excluded.refresh_token, updated_at = excluded.updated_at";
    let params = [
        Value::from(scope.0.0),
        Value::from(digest),
        Value::from(sealed),
        Value::from(now),
    ];
    tx.execute(sql, &params).await?;
    Ok(())
}

/// Forgets those that were rotated last before this time.
pub async fn expire(tx: &mut Tx, before: Timestamp) -> Result<()> {
    let sql = "DELETE FROM oauth_grant WHERE updated_at < $1";
    tx.execute(sql, &[Value::from(before)]).await?;
    Ok(())
}
