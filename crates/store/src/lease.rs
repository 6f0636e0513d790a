//! Who runs the flow of which shard, and which processes live.
//!
//! No clock is compared: whoever lives raises its `beat`, and whoever wants to take over has to have seen the same beat
//! for long enough by its own watch. A lease is taken by naming the epoch and beat that were seen, so of two takers one
//! finds that nothing changed. Called by `hub/shard/lease` only.

use engine::{Tx, Value};

use crate::Result;

/// The lease of one shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    pub shard: i64,
    /// A process; empty: nobody.
    pub owner: String,
    /// Rises with every owner.
    pub epoch: i64,
    /// Rises while the owner lives.
    pub beat: i64,
}

/// A process that has said that it lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    pub id: String,
    /// What it does, separated by commas.
    pub roles: String,
    pub beat: i64,
}

/// Every lease that was ever taken, by shard.
pub async fn list(tx: &mut Tx) -> Result<Vec<Lease>> {
    let sql = "SELECT shard, owner, epoch, beat FROM shard_lease ORDER BY shard";
    let mut leases = Vec::new();
    for row in tx.rows(sql, &[]).await? {
        leases.push(Lease {
            shard: row.get("shard")?,
            owner: row.get("owner")?,
            epoch: row.get("epoch")?,
            beat: row.get("beat")?,
        });
    }
    Ok(leases)
}

/// Takes a shard for `owner` as it was `seen` (`None`: it had no row); answers the new epoch, or `None` if it has
/// changed since.
pub async fn take(
    tx: &mut Tx,
    shard: i64,
    owner: &str,
    seen: Option<&Lease>,
) -> Result<Option<i64>> {
    let rows = match seen {
        None => {
            let sql = "INSERT INTO shard_lease (shard, owner, epoch, beat) VALUES ($1, $2, 1, 1)
                       ON CONFLICT (shard) DO NOTHING RETURNING epoch";
            tx.rows(sql, &[Value::from(shard), Value::from(owner)])
                .await?
        }
        Some(seen) => {
            let sql = "UPDATE shard_lease SET owner = $2, epoch = epoch + 1, beat = beat + 1
                       WHERE shard = $1 AND epoch = $3 AND beat = $4 RETURNING epoch";
            let params = [
                Value::from(shard),
                Value::from(owner),
                Value::from(seen.epoch),
                Value::from(seen.beat),
            ];
            tx.rows(sql, &params).await?
        }
    };
    Ok(rows.first().map(|row| row.get("epoch")).transpose()?)
}

/// Holds a shard under `epoch`: raises its beat and keeps others from taking it before this transaction ends. `false`:
/// it is another's by now, and nothing may be written for it.
pub async fn hold(tx: &mut Tx, shard: i64, epoch: i64) -> Result<bool> {
    let sql = "UPDATE shard_lease SET beat = beat + 1 WHERE shard = $1 AND epoch = $2";
    Ok(tx
        .execute(sql, &[Value::from(shard), Value::from(epoch)])
        .await?
        > 0)
}

/// Gives a shard up; nothing if it is another's by now.
pub async fn release(tx: &mut Tx, shard: i64, epoch: i64) -> Result<()> {
    let sql = "UPDATE shard_lease SET owner = '', beat = beat + 1 WHERE shard = $1 AND epoch = $2";
    tx.execute(sql, &[Value::from(shard), Value::from(epoch)])
        .await?;
    Ok(())
}

/// Says that a process lives.
pub async fn beat(tx: &mut Tx, process: &str, roles: &str) -> Result<()> {
    let sql = "INSERT INTO process (id, roles, beat) VALUES ($1, $2, 1)
               ON CONFLICT (id) DO UPDATE SET roles = excluded.roles, beat = process.beat + 1";
    tx.execute(sql, &[Value::from(process), Value::from(roles)])
        .await?;
    Ok(())
}

pub async fn processes(tx: &mut Tx) -> Result<Vec<Process>> {
    let mut processes = Vec::new();
    for row in tx
        .rows("SELECT id, roles, beat FROM process ORDER BY id", &[])
        .await?
    {
        processes.push(Process {
            id: row.get("id")?,
            roles: row.get("roles")?,
            beat: row.get("beat")?,
        });
    }
    Ok(processes)
}

/// Forgets a process that ended, or that died with this beat.
pub async fn forget(tx: &mut Tx, process: &str, beat: Option<i64>) -> Result<()> {
    let sql = "DELETE FROM process WHERE id = $1 AND ($2 < 0 OR beat = $2)";
    let params = [Value::from(process), Value::from(beat.unwrap_or(-1))];
    tx.execute(sql, &params).await?;
    Ok(())
}
