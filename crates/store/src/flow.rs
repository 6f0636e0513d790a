//! Where the flow stands: the router's cursor and each destination's pending set.
//!
//! Written by `hub/flow/checkpoint` only, many at a time in one transaction. A destination that keeps up has no row.

use engine::{Tx, Value};
use model::EndpointId;

use crate::{Result, bigint, first, position};

/// The next batch that the router reads; 0 before the first.
pub async fn cursor(tx: &mut Tx, shard: i64) -> Result<u64> {
    let row = first(
        tx,
        "SELECT next_seq FROM flow_cursor WHERE shard = $1",
        &[Value::from(shard)],
    )
    .await?;
    row.map_or(Ok(0), |row| Ok(position(row.get("next_seq")?)))
}

pub async fn put_cursor(tx: &mut Tx, shard: i64, next_seq: u64) -> Result<()> {
    let sql = "INSERT INTO flow_cursor (shard, next_seq) VALUES ($1, $2)
               ON CONFLICT (shard) DO UPDATE SET next_seq = excluded.next_seq";
    tx.execute(sql, &[Value::from(shard), Value::from(bigint(next_seq))])
        .await?;
    Ok(())
}

/// One chunk of a destination's pending set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    pub endpoint: EndpointId,
    pub chunk: u64,
    /// A serialized bitmap.
    pub bits: Vec<u8>,
}

pub async fn chunks(tx: &mut Tx) -> Result<Vec<Chunk>> {
    let sql = "SELECT endpoint_id, chunk, bits FROM pending_chunk ORDER BY endpoint_id, chunk";
    let mut chunks = Vec::new();
    for row in tx.rows(sql, &[]).await? {
        chunks.push(Chunk {
            endpoint: EndpointId(row.get("endpoint_id")?),
            chunk: position(row.get("chunk")?),
            bits: row.get("bits")?,
        });
    }
    Ok(chunks)
}

pub async fn put_chunks(tx: &mut Tx, chunks: Vec<Chunk>) -> Result<()> {
    let sql = "INSERT INTO pending_chunk (endpoint_id, chunk, bits) VALUES ($1, $2, $3)
               ON CONFLICT (endpoint_id, chunk) DO UPDATE SET bits = excluded.bits";
    let rows = chunks
        .into_iter()
        .map(|c| {
            vec![
                Value::from(c.endpoint.0),
                Value::from(bigint(c.chunk)),
                Value::from(c.bits),
            ]
        })
        .collect();
    tx.execute_many(sql, rows).await?;
    Ok(())
}

pub async fn delete_chunks(tx: &mut Tx, chunks: &[(EndpointId, u64)]) -> Result<()> {
    let sql = "DELETE FROM pending_chunk WHERE endpoint_id = $1 AND chunk = $2";
    let rows = chunks
        .iter()
        .map(|(e, c)| vec![Value::from(e.0), Value::from(bigint(*c))])
        .collect();
    tx.execute_many(sql, rows).await?;
    Ok(())
}
