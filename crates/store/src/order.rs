//! What one process asks of the one that runs a destination's flow: send these again, close the open file.
//!
//! Carried out and removed by whoever holds the shard of the account, in the transaction that saves what came of it; so
//! an order survives any crash, and is carried out by somebody.

use engine::{Tx, Value};
use model::{AccountId, EndpointId};

use crate::{Result, Scope, StoreError, sequence, word};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderKind {
    /// Put positions back into the destination's set.
    Replay,
    /// Close the open event file, however small it is.
    Pack,
}

impl OrderKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Replay => "replay",
            Self::Pack => "pack",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Replay, Self::Pack]
            .into_iter()
            .find(|kind| kind.as_str() == text)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    pub id: i64,
    pub account: AccountId,
    pub endpoint: EndpointId,
    pub kind: OrderKind,
    pub positions: Vec<u64>,
}

/// Keeps an order until it is carried out; answers its id.
pub async fn insert(
    tx: &mut Tx,
    scope: Scope,
    endpoint: EndpointId,
    kind: OrderKind,
    positions: &[u64],
) -> Result<i64> {
    let id = sequence::take(tx, "flow_order", 1).await?;
    let sql = "INSERT INTO flow_order (id, account_id, endpoint_id, kind, positions) VALUES ($1, $2, $3, $4, $5)";
    let bytes: Vec<u8> = positions.iter().flat_map(|p| p.to_be_bytes()).collect();
    let params = [
        Value::from(id),
        Value::from(scope.0.0),
        Value::from(endpoint.0),
        Value::from(kind.as_str()),
        Value::from(bytes),
    ];
    tx.execute(sql, &params).await?;
    Ok(id)
}

/// All orders after this id, for all accounts: a process looks for those of its shards.
pub async fn after(tx: &mut Tx, id: i64, limit: i64) -> Result<Vec<Order>> {
    let sql = "SELECT id, account_id, endpoint_id, kind, positions FROM flow_order WHERE id > $1 ORDER BY id LIMIT $2";
    let mut orders = Vec::new();
    for row in tx.rows(sql, &[Value::from(id), Value::from(limit)]).await? {
        let bytes: Vec<u8> = row.get("positions")?;
        let (eights, rest) = bytes.as_chunks::<8>();
        if !rest.is_empty() {
            return Err(StoreError::unreadable(
                "flow order",
                "its positions are cut off",
            ));
        }
        orders.push(Order {
            id: row.get("id")?,
            account: AccountId(row.get("account_id")?),
            endpoint: EndpointId(row.get("endpoint_id")?),
            kind: word("flow order", &row.get::<String>("kind")?, OrderKind::parse)?,
            positions: eights.iter().copied().map(u64::from_be_bytes).collect(),
        });
    }
    Ok(orders)
}

/// Whether an order is still to be carried out.
pub async fn is_open(tx: &mut Tx, id: i64) -> Result<bool> {
    let sql = "SELECT id FROM flow_order WHERE id = $1";
    Ok(crate::first(tx, sql, &[Value::from(id)]).await?.is_some())
}

/// Removes orders that were carried out.
pub async fn delete_many(tx: &mut Tx, ids: &[i64]) -> Result<()> {
    let rows = ids.iter().map(|id| vec![Value::from(*id)]).collect();
    tx.execute_many("DELETE FROM flow_order WHERE id = $1", rows)
        .await?;
    Ok(())
}
