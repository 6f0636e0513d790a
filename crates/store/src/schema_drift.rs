//! Attributes that came undeclared or of another type than declared, counted.

use engine::{Tx, Value};
use jiff::Timestamp;
use model::{AccountId, EndpointId};

use crate::{Result, Scope, bigint, position};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaDrift {
    pub account: AccountId,
    pub endpoint: EndpointId,
    pub code: String,
    pub attribute: String,
    /// `undeclared`, or what was declared and what came.
    pub what: String,
    pub seen: u64,
    pub first_seen_at: Timestamp,
    pub last_seen_at: Timestamp,
}

/// Adds to the counts.
pub async fn add(tx: &mut Tx, drifts: &[SchemaDrift]) -> Result<()> {
    let sql = "INSERT INTO schema_drift (account_id, endpoint_id, code, attribute, what, seen, first_seen_at, last_seen_at)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
               ON CONFLICT (endpoint_id, code, attribute, what) DO UPDATE SET
               seen = schema_drift.seen + excluded.seen, last_seen_at = excluded.last_seen_at";
    let rows = drifts.iter().map(|d| {
        vec![
            Value::from(d.account.0),
            Value::from(d.endpoint.0),
            Value::from(d.code.as_str()),
            Value::from(d.attribute.as_str()),
            Value::from(d.what.as_str()),
            Value::from(bigint(d.seen)),
            Value::from(d.first_seen_at),
            Value::from(d.last_seen_at),
        ]
    });
    tx.execute_many(sql, rows.collect()).await?;
    Ok(())
}

/// Forgets what drifted of an event type: it is declared now.
pub async fn delete(tx: &mut Tx, scope: Scope, endpoint: EndpointId, code: &str) -> Result<()> {
    let sql = "DELETE FROM schema_drift WHERE account_id = $1 AND endpoint_id = $2 AND code = $3";
    let params = [
        Value::from(scope.0.0),
        Value::from(endpoint.0),
        Value::from(code),
    ];
    tx.execute(sql, &params).await?;
    Ok(())
}

/// The latest first; at most `limit`.
pub async fn list(
    tx: &mut Tx,
    scope: Scope,
    endpoint: Option<EndpointId>,
    limit: i64,
) -> Result<Vec<SchemaDrift>> {
    let sql = "SELECT account_id, endpoint_id, code, attribute, what, seen, first_seen_at, last_seen_at FROM schema_drift
               WHERE account_id = $1 AND ($2 = 0 OR endpoint_id = $2) ORDER BY last_seen_at DESC, code, attribute LIMIT $3";
    let params = [
        Value::from(scope.0.0),
        Value::from(endpoint.map_or(0, |e| e.0)),
        Value::from(limit),
    ];
    let mut drifts = Vec::new();
    for row in tx.rows(sql, &params).await? {
        drifts.push(SchemaDrift {
            account: AccountId(row.get("account_id")?),
            endpoint: EndpointId(row.get("endpoint_id")?),
            code: row.get("code")?,
            attribute: row.get("attribute")?,
            what: row.get("what")?,
            seen: position(row.get("seen")?),
            first_seen_at: row.get("first_seen_at")?,
            last_seen_at: row.get("last_seen_at")?,
        });
    }
    Ok(drifts)
}
