//! Notices: what the exchange did or saw by itself and a person must know.

use engine::{Tx, Value};
use jiff::Timestamp;
use model::EndpointId;

use crate::{Page, Result, Scope, sequence};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    pub id: i64,
    pub endpoint: Option<EndpointId>,
    /// Stable word, such as `destination-gone`.
    pub kind: String,
    pub message: String,
    pub created_at: Timestamp,
}

pub async fn insert(
    tx: &mut Tx,
    scope: Scope,
    endpoint: Option<EndpointId>,
    kind: &str,
    message: &str,
    now: Timestamp,
) -> Result<()> {
    let id = sequence::take(tx, "notice", 1).await?;
    let sql = "INSERT INTO notice (id, account_id, endpoint_id, kind, message, created_at) VALUES ($1, $2, $3, $4, $5, $6)";
    let params = [
        Value::from(id),
        Value::from(scope.0.0),
        Value::from(endpoint.map(|e| e.0)),
        Value::from(kind),
        Value::from(message),
        Value::from(now),
    ];
    tx.execute(sql, &params).await?;
    Ok(())
}

/// By number, from the one after `page.after` on.
pub async fn list(tx: &mut Tx, scope: Scope, page: Page) -> Result<Vec<Notice>> {
    let sql = "SELECT id, endpoint_id, kind, message, created_at FROM notice WHERE account_id = $1 AND id > $2 ORDER BY id LIMIT $3";
    let params = [scope.0.0, page.after, page.limit].map(Value::from);
    read(tx, sql, &params).await
}

/// The latest first; at most `limit`.
pub async fn latest(tx: &mut Tx, scope: Scope, limit: i64) -> Result<Vec<Notice>> {
    let sql = "SELECT id, endpoint_id, kind, message, created_at FROM notice WHERE account_id = $1 ORDER BY id DESC LIMIT $2";
    read(tx, sql, &[scope.0.0, limit].map(Value::from)).await
}

async fn read(tx: &mut Tx, sql: &str, params: &[Value]) -> Result<Vec<Notice>> {
    let mut notices = Vec::new();
    for row in tx.rows(sql, params).await? {
        notices.push(Notice {
            id: row.get("id")?,
            endpoint: row.get::<Option<i64>>("endpoint_id")?.map(EndpointId),
            kind: row.get("kind")?,
            message: row.get("message")?,
            created_at: row.get("created_at")?,
        });
    }
    Ok(notices)
}
