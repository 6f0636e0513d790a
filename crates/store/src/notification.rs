//! What endpoints want to be told (`PUT /v1/subscription/notification`), one document for each, sealed.

use engine::{Tx, Value};
use jiff::Timestamp;
use model::EndpointId;

use crate::{Result, Scope, first};

/// What an endpoint's provider stated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stated {
    /// Nothing, ever.
    Nothing,
    /// That it wants no notifications.
    Stopped,
    /// A sealed document.
    Document(Vec<u8>),
}

pub async fn get(tx: &mut Tx, scope: Scope, endpoint: EndpointId) -> Result<Stated> {
    let sql =
        "SELECT document FROM subscription_notification WHERE account_id = $1 AND endpoint_id = $2";
    let params = [Value::from(scope.0.0), Value::from(endpoint.0)];
    let Some(row) = first(tx, sql, &params).await? else {
        return Ok(Stated::Nothing);
    };
    let document: Option<Vec<u8>> = row.get("document")?;
    Ok(document.map_or(Stated::Stopped, Stated::Document))
}

/// Puts a sealed document in the place of what was there; `None`: no notifications.
pub async fn put(
    tx: &mut Tx,
    scope: Scope,
    endpoint: EndpointId,
    document: Option<Vec<u8>>,
    now: Timestamp,
) -> Result<()> {
    let sql = "INSERT INTO subscription_notification (endpoint_id, account_id, document, updated_at) VALUES ($1, $2, $3, $4)
               ON CONFLICT (endpoint_id) DO UPDATE SET document = excluded.document, updated_at = excluded.updated_at";
    let params = [
        Value::from(endpoint.0),
        Value::from(scope.0.0),
        Value::from(document),
        Value::from(now),
    ];
    tx.execute(sql, &params).await?;
    Ok(())
}

/// Forgets what endpoints stated that were deleted before this time, once they have been told everything.
pub async fn forget_deleted(tx: &mut Tx, before: Timestamp) -> Result<()> {
    let sql = "DELETE FROM subscription_notification WHERE endpoint_id IN
                   (SELECT id FROM endpoint WHERE status = 'DELETED' AND updated_at <= $1)
               AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.endpoint_id = subscription_notification.endpoint_id AND o.state = 'waiting')";
    tx.execute(sql, &[Value::from(before)]).await?;
    Ok(())
}
