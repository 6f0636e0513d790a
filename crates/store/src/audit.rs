//! The audit trail: who changed what, from where; without secrets.
//!
//! Append-only: there is no function that changes or takes away an entry.

use engine::{Row, Tx, Value};
use jiff::Timestamp;
use model::AccountId;

use crate::{Page, Result, sequence};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audit {
    pub id: i64,
    pub account: Option<AccountId>,
    /// `operator`, `user 3`, `account 7`, `endpoint 12`, `exchange`.
    pub actor: String,
    /// A person's e-mail as it was then, and the name of the token that was used.
    pub actor_name: Option<String>,
    /// `endpoint.register`, `subscription.disable`, …
    pub action: String,
    /// `endpoint 12`
    pub subject: String,
    /// JSON, without secrets.
    pub detail: String,
    /// The network address that the call came from.
    pub address: Option<String>,
    /// The call's `x-request-id`.
    pub request: Option<String>,
    pub created_at: Timestamp,
}

/// Which entries are asked for: those that fit all that is given.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    pub account: Option<AccountId>,
    pub actor: Option<String>,
    /// An action, or what stands before the dot of several.
    pub action: Option<String>,
    pub subject: Option<String>,
    pub from: Option<Timestamp>,
    /// Not among them any more.
    pub to: Option<Timestamp>,
}

/// Adds an entry; `id` is ignored and made here.
pub async fn insert(tx: &mut Tx, entry: &Audit) -> Result<()> {
    let id = sequence::take(tx, "audit", 1).await?;
    let sql = "INSERT INTO audit (id, account_id, actor, actor_name, action, subject, detail, address, request, created_at)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    let params = [
        Value::from(id),
        Value::from(entry.account.map(|a| a.0)),
        Value::from(entry.actor.as_str()),
        Value::from(entry.actor_name.as_deref()),
        Value::from(entry.action.as_str()),
        Value::from(entry.subject.as_str()),
        Value::from(entry.detail.as_str()),
        Value::from(entry.address.as_deref()),
        Value::from(entry.request.as_deref()),
        Value::from(entry.created_at),
    ];
    tx.execute(sql, &params).await?;
    Ok(())
}

/// Entries that fit, oldest first.
pub async fn list(tx: &mut Tx, filter: &AuditFilter, page: Page) -> Result<Vec<Audit>> {
    let mut sql = "SELECT id, account_id, actor, actor_name, action, subject, detail, address, request, created_at
                   FROM audit WHERE id > $1"
        .to_owned();
    let mut params = vec![Value::from(page.after), Value::from(page.limit)];
    let mut also = |condition: &str, value: Option<Value>| {
        if let Some(value) = value {
            params.push(value);
            let number = format!("${}", params.len());
            sql.push_str(" AND ");
            sql.push_str(&condition.replace('?', &number));
        }
    };
    let text = |text: &Option<String>| text.as_deref().map(Value::from);
    also("account_id = ?", filter.account.map(|id| id.0.into()));
    also("actor = ?", text(&filter.actor));
    also(
        "(action = ? OR substr(action, 1, length(?) + 1) = ? || '.')",
        text(&filter.action),
    );
    also("subject = ?", text(&filter.subject));
    also("created_at >= ?", filter.from.map(Value::from));
    also("created_at < ?", filter.to.map(Value::from));
    sql.push_str(" ORDER BY id LIMIT $2");
    tx.rows(&sql, &params).await?.iter().map(read).collect()
}

fn read(row: &Row) -> Result<Audit> {
    Ok(Audit {
        id: row.get("id")?,
        account: row.get::<Option<i64>>("account_id")?.map(AccountId),
        actor: row.get("actor")?,
        actor_name: row.get("actor_name")?,
        action: row.get("action")?,
        subject: row.get("subject")?,
        detail: row.get("detail")?,
        address: row.get("address")?,
        request: row.get("request")?,
        created_at: row.get("created_at")?,
    })
}
