//! What accounts have used up of their allowances, for all processes together.

use engine::{Tx, Value};

use crate::{Result, Scope, first, position};

/// A stretch of time for which an allowance holds: the `number`th one of `seconds` since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Span {
    pub seconds: i64,
    pub number: i64,
}

/// How much of an allowance is used up.
pub async fn used(tx: &mut Tx, scope: Scope, span: Span) -> Result<u64> {
    let sql =
        "SELECT used FROM quota_use WHERE account_id = $1 AND span_seconds = $2 AND span = $3";
    let params = [
        Value::from(scope.0.0),
        Value::from(span.seconds),
        Value::from(span.number),
    ];
    let row = first(tx, sql, &params).await?;
    let used: i64 = row.map_or(Ok(0), |row| row.get("used"))?;
    Ok(position(used))
}

/// Takes `amount` out of an allowance of `limit`; `false`: not so much is left, and nothing was taken.
pub async fn take(tx: &mut Tx, scope: Scope, span: Span, amount: i64, limit: i64) -> Result<bool> {
    if amount > limit {
        return Ok(false);
    }
    let sql = "INSERT INTO quota_use (account_id, span_seconds, span, used) VALUES ($1, $2, $3, $4)
               ON CONFLICT (account_id, span_seconds, span) DO UPDATE SET used = quota_use.used + $4
               WHERE quota_use.used + $4 <= $5 RETURNING used";
    let params = [
        Value::from(scope.0.0),
        Value::from(span.seconds),
        Value::from(span.number),
        Value::from(amount),
        Value::from(limit),
    ];
    Ok(!tx.rows(sql, &params).await?.is_empty())
}

/// Forgets spans of this length before `span`.
pub async fn forget_before(tx: &mut Tx, span: Span) -> Result<u64> {
    let sql = "DELETE FROM quota_use WHERE span_seconds = $1 AND span < $2";
    let params = [Value::from(span.seconds), Value::from(span.number)];
    Ok(tx.execute(sql, &params).await?)
}
