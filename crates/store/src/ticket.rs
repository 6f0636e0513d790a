//! Tickets: what an invitation or a reset lets somebody do once. Only hashes are kept.

use engine::{Tx, Value};
use jiff::Timestamp;
use model::UserId;
use model::key::KeyHash;

use crate::{Result, first, word};

/// What a ticket is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TicketKind {
    Invitation,
    Reset,
    /// Signs somebody in without a password.
    SignIn,
}

impl TicketKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Invitation => "invitation",
            Self::Reset => "reset",
            Self::SignIn => "sign-in",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Invitation, Self::Reset, Self::SignIn]
            .into_iter()
            .find(|kind| kind.as_str() == text)
    }
}

/// Gives somebody a ticket, the only valid one from now on.
pub async fn put(
    tx: &mut Tx,
    user: UserId,
    kind: TicketKind,
    hash: KeyHash,
    (now, expires_at): (Timestamp, Timestamp),
) -> Result<()> {
    delete_all(tx, user).await?;
    let sql = "INSERT INTO ticket (hash, person_id, kind, created_at, expires_at) VALUES ($1, $2, $3, $4, $5)";
    let params = [
        Value::from(hash.0.as_slice()),
        Value::from(user.0),
        Value::from(kind.as_str()),
        Value::from(now),
        Value::from(expires_at),
    ];
    tx.execute(sql, &params).await?;
    Ok(())
}

/// Whose ticket it is, if it is still good.
pub async fn get(
    tx: &mut Tx,
    hash: KeyHash,
    now: Timestamp,
) -> Result<Option<(UserId, TicketKind)>> {
    let sql = "SELECT person_id, kind FROM ticket WHERE hash = $1 AND expires_at > $2";
    let params = [Value::from(hash.0.as_slice()), Value::from(now)];
    let Some(row) = first(tx, sql, &params).await? else {
        return Ok(None);
    };
    let kind = word("ticket", &row.get::<String>("kind")?, TicketKind::parse)?;
    Ok(Some((UserId(row.get("person_id")?), kind)))
}

/// Uses a ticket up; `false` when somebody else just did.
pub async fn take(tx: &mut Tx, hash: KeyHash) -> Result<bool> {
    let sql = "DELETE FROM ticket WHERE hash = $1";
    Ok(tx.execute(sql, &[Value::from(hash.0.as_slice())]).await? > 0)
}

pub async fn delete_all(tx: &mut Tx, user: UserId) -> Result<()> {
    let sql = "DELETE FROM ticket WHERE person_id = $1";
    tx.execute(sql, &[Value::from(user.0)]).await?;
    Ok(())
}
