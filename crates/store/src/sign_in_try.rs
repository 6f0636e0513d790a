//! How often somebody has tried to sign in, so that nobody can try for ever. All processes count together.

use std::time::Duration;

use engine::{Tx, Value};
use jiff::Timestamp;

use crate::{Result, first};

/// Counts a try under `hash`; answers how many there were since when, this one among them. A window begins with its
/// first try.
pub async fn count(
    tx: &mut Tx,
    hash: [u8; 32],
    now: Timestamp,
    window: Duration,
) -> Result<(i64, Timestamp)> {
    let begun = now.checked_sub(window).unwrap_or(Timestamp::MIN);
    let sql = "INSERT INTO sign_in_try (hash, since, tries) VALUES ($1, $2, 1)
               ON CONFLICT (hash) DO UPDATE SET
                   tries = CASE WHEN sign_in_try.since <= $3 THEN 1 ELSE sign_in_try.tries + 1 END,
                   since = CASE WHEN sign_in_try.since <= $3 THEN excluded.since ELSE sign_in_try.since END
               RETURNING tries, since";
    let params = [
        Value::from(hash.as_slice()),
        Value::from(now),
        Value::from(begun),
    ];
    match first(tx, sql, &params).await? {
        Some(row) => Ok((row.get("tries")?, row.get("since")?)),
        None => Ok((1, now)),
    }
}

/// Forgets the tries under `hash`: it was the right person after all.
pub async fn forget(tx: &mut Tx, hash: [u8; 32]) -> Result<()> {
    let sql = "DELETE FROM sign_in_try WHERE hash = $1";
    tx.execute(sql, &[Value::from(hash.as_slice())]).await?;
    Ok(())
}

/// Sweeps out windows that began before `end`.
pub async fn delete_before(tx: &mut Tx, end: Timestamp) -> Result<()> {
    let sql = "DELETE FROM sign_in_try WHERE since < $1";
    tx.execute(sql, &[Value::from(end)]).await?;
    Ok(())
}
