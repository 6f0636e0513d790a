//! The audit trail: who changed what, append-only, without secrets.

use engine::{Tx, Value};
use jiff::Timestamp;
use model::AccountId;

use crate::{Page, Result, sequence};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audit {
    pub id: i64,
    pub account: Option<AccountId>,
    /// `operator`, `endpoint 12`, `exchange`.
    pub actor: String,
    /// `endpoint.register`, `subscription.disable`, …
    pub action: String,
    /// `endpoint 12`
    pub subject: String,
    /// JSON, without secrets.
    pub detail: String,
    pub created_at: Timestamp,
}

/// Adds an entry; `id` is ignored and made here.
pub async fn insert(tx: &mut Tx, entry: &Audit) -> Result<()> {
    let id = sequence::take(tx, "audit", 1).await?;
    let sql = "INSERT INTO audit (id, account_id, actor, action, subject, detail, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7)";
    let params = [
        Value::from(id),
        Value::from(entry.account.map(|a| a.0)),
        Value::from(entry.actor.as_str()),
        Value::from(entry.action.as_str()),
        Value::from(entry.subject.as_str()),
        Value::from(entry.detail.as_str()),
        Value::from(entry.created_at),
    ];
    tx.execute(sql, &params).await?;
    Ok(())
}

/// Entries of one account, or of all (the operator's view).
pub async fn list(tx: &mut Tx, account: Option<AccountId>, page: Page) -> Result<Vec<Audit>> {
    let sql = "SELECT id, account_id, actor, action, subject, detail, created_at FROM audit
               WHERE ($1 = 0 OR account_id = $1) AND id > $2 ORDER BY id LIMIT $3";
    let params = [
        Value::from(account.map_or(0, |a| a.0)),
        Value::from(page.after),
        Value::from(page.limit),
    ];
    let mut entries = Vec::new();
    for row in tx.rows(sql, &params).await? {
        entries.push(Audit {
            id: row.get("id")?,
            account: row.get::<Option<i64>>("account_id")?.map(AccountId),
            actor: row.get("actor")?,
            action: row.get("action")?,
            subject: row.get("subject")?,
            detail: row.get("detail")?,
            created_at: row.get("created_at")?,
        });
    }
    Ok(entries)
}
