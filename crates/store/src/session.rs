//! Sessions of people who signed in: hashes, never the tokens.

use engine::{Row, Tx, Value};
use jiff::Timestamp;
use model::key::KeyHash;
use model::{SessionId, UserId};

use crate::{Result, first, sequence};

/// A sign-in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    pub id: SessionId,
    pub user: UserId,
    /// Where somebody signed in, and with what.
    pub address: Option<String>,
    pub agent: Option<String>,
    pub created_at: Timestamp,
    /// Not valid from here on.
    pub expires_at: Timestamp,
    /// Coarse.
    pub used_at: Timestamp,
}

const COLUMNS: &str = "id, person_id, address, agent, created_at, expires_at, used_at";

/// Adds a session; its `id` is ignored and made here.
pub async fn insert(tx: &mut Tx, session: &Session, hash: KeyHash) -> Result<SessionId> {
    let id = sequence::take(tx, "session", 1).await?;
    let sql =
        "INSERT INTO session (id, person_id, hash, address, agent, created_at, expires_at, used_at)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    let params = [
        Value::from(id),
        Value::from(session.user.0),
        Value::from(hash.0.as_slice()),
        Value::from(session.address.as_deref()),
        Value::from(session.agent.as_deref()),
        Value::from(session.created_at),
        Value::from(session.expires_at),
        Value::from(session.used_at),
    ];
    tx.execute(sql, &params).await?;
    Ok(SessionId(id))
}

pub async fn by_hash(tx: &mut Tx, hash: KeyHash) -> Result<Option<Session>> {
    let sql = format!("SELECT {COLUMNS} FROM session WHERE hash = $1");
    let row = first(tx, &sql, &[Value::from(hash.0.as_slice())]).await?;
    row.map(|row| read(&row)).transpose()
}

/// The sessions of one person, oldest first.
pub async fn list(tx: &mut Tx, user: UserId) -> Result<Vec<Session>> {
    let sql = format!("SELECT {COLUMNS} FROM session WHERE person_id = $1 ORDER BY id");
    let rows = tx.rows(&sql, &[Value::from(user.0)]).await?;
    rows.iter().map(read).collect()
}

pub async fn used(tx: &mut Tx, id: SessionId, now: Timestamp) -> Result<()> {
    let sql = "UPDATE session SET used_at = $2 WHERE id = $1";
    tx.execute(sql, &[Value::from(id.0), Value::from(now)])
        .await?;
    Ok(())
}

pub async fn delete(tx: &mut Tx, user: UserId, id: SessionId) -> Result<bool> {
    let sql = "DELETE FROM session WHERE person_id = $1 AND id = $2";
    let params = [Value::from(user.0), Value::from(id.0)];
    Ok(tx.execute(sql, &params).await? > 0)
}

/// Ends all sessions of one person but this one; answers how many.
pub async fn delete_all(tx: &mut Tx, user: UserId, but: Option<SessionId>) -> Result<u64> {
    let sql = "DELETE FROM session WHERE person_id = $1 AND id <> $2";
    let params = [Value::from(user.0), Value::from(but.map_or(0, |id| id.0))];
    Ok(tx.execute(sql, &params).await?)
}

/// Sweeps out what ended before `now`, everybody's.
pub async fn delete_ended(tx: &mut Tx, now: Timestamp) -> Result<()> {
    let sql = "DELETE FROM session WHERE expires_at <= $1";
    tx.execute(sql, &[Value::from(now)]).await?;
    Ok(())
}

fn read(row: &Row) -> Result<Session> {
    Ok(Session {
        id: SessionId(row.get("id")?),
        user: UserId(row.get("person_id")?),
        address: row.get("address")?,
        agent: row.get("agent")?,
        created_at: row.get("created_at")?,
        expires_at: row.get("expires_at")?,
        used_at: row.get("used_at")?,
    })
}
