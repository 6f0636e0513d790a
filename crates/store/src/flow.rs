//! Where the flow stands: the router's cursor and each destination's pending set.
//!
//! Written by `hub/flow/checkpoint` only, many at a time in one transaction. A destination that keeps up has no row.

use engine::{Tx, Value};
use model::{AccountId, EndpointId};

use crate::{Part, Result, bigint, first, position};

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

/// The sets of one shard's destinations, each with its account.
pub async fn chunks(tx: &mut Tx, part: Part) -> Result<Vec<(AccountId, Chunk)>> {
    let sql = "SELECT e.account_id AS account_id, c.endpoint_id AS endpoint_id, c.chunk AS chunk, c.bits AS bits
               FROM pending_chunk c JOIN endpoint e ON e.id = c.endpoint_id
               WHERE e.account_id % $1 = $2 ORDER BY c.endpoint_id, c.chunk";
    let params = [Value::from(part.shards), Value::from(part.shard)];
    let mut chunks = Vec::new();
    for row in tx.rows(sql, &params).await? {
        let chunk = Chunk {
            endpoint: EndpointId(row.get("endpoint_id")?),
            chunk: position(row.get("chunk")?),
            bits: row.get("bits")?,
        };
        chunks.push((AccountId(row.get("account_id")?), chunk));
    }
    Ok(chunks)
}

/// One chunk of a destination's set, as it was saved last.
pub async fn chunk(tx: &mut Tx, endpoint: EndpointId, chunk: u64) -> Result<Option<Vec<u8>>> {
    let sql = "SELECT bits FROM pending_chunk WHERE endpoint_id = $1 AND chunk = $2";
    let row = first(
        tx,
        sql,
        &[Value::from(endpoint.0), Value::from(bigint(chunk))],
    )
    .await?;
    row.map(|row| Ok(row.get("bits")?)).transpose()
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

/// Whether nothing was ever routed or registered here: the installation starts for the first time.
pub async fn is_new(tx: &mut Tx) -> Result<bool> {
    let sql = "SELECT shard FROM flow_cursor LIMIT 1";
    let routed = first(tx, sql, &[]).await?.is_some();
    let account = first(tx, "SELECT id FROM account LIMIT 1", &[]).await?;
    Ok(!routed && account.is_none())
}
