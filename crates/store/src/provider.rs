//! Providers, known to the operator; not of any account.

use engine::{Row, Tx, Value};
use jiff::Timestamp;
use model::{Provider, ProviderId};

use crate::{Page, Result, first, sequence};

/// Adds a provider. Fails with a constraint error when the name is taken.
pub async fn insert(tx: &mut Tx, name: &str, now: Timestamp) -> Result<Provider> {
    let id = sequence::take(tx, "provider", 1).await?;
    let sql = "INSERT INTO provider (id, name, created_at) VALUES ($1, $2, $3)";
    tx.execute(sql, &[Value::from(id), Value::from(name), Value::from(now)])
        .await?;
    Ok(Provider {
        id: ProviderId(id),
        name: name.to_owned(),
    })
}

pub async fn get(tx: &mut Tx, id: ProviderId) -> Result<Option<Provider>> {
    let sql = "SELECT id, name FROM provider WHERE id = $1";
    let found = first(tx, sql, &[Value::from(id.0)]).await?;
    found.map(|row| read(&row)).transpose()
}

pub async fn by_name(tx: &mut Tx, name: &str) -> Result<Option<Provider>> {
    first(
        tx,
        "SELECT id, name FROM provider WHERE name = $1",
        &[Value::from(name)],
    )
    .await?
    .map(|row| read(&row))
    .transpose()
}

pub async fn list(tx: &mut Tx, page: Page) -> Result<Vec<Provider>> {
    let sql = "SELECT id, name FROM provider WHERE id > $1 ORDER BY id LIMIT $2";
    tx.rows(sql, &[Value::from(page.after), Value::from(page.limit)])
        .await?
        .iter()
        .map(read)
        .collect()
}

fn read(row: &Row) -> Result<Provider> {
    Ok(Provider {
        id: ProviderId(row.get("id")?),
        name: row.get("name")?,
    })
}
