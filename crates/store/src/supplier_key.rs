//! Client ids and secrets that providers gave to the operator, for documents that name only a supplier key.
//!
//! They belong to providers and not to an account, so no function here has a scope.

use engine::{Row, Tx, Value};
use jiff::Timestamp;
use model::{ProviderId, SupplierKeyId};

use crate::{Page, Result, first, sequence};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SupplierKey {
    pub id: SupplierKeyId,
    pub provider: ProviderId,
    /// What documents name.
    pub name: String,
    /// The token server that the secret may be sent to.
    pub auth_url: String,
    pub client_id: String,
    pub created_at: Timestamp,
}

const COLUMNS: &str = "id, provider_id, supplier_key, auth_url, client_id, created_at";

/// The id of the next one; its secret is sealed for it.
pub async fn take_id(tx: &mut Tx) -> Result<SupplierKeyId> {
    Ok(SupplierKeyId(sequence::take(tx, "supplier_key", 1).await?))
}

pub async fn insert(tx: &mut Tx, key: &SupplierKey, secret: Vec<u8>) -> Result<()> {
    let sql = "INSERT INTO supplier_key (id, provider_id, supplier_key, auth_url, client_id, client_secret, created_at)
               VALUES ($1, $2, $3, $4, $5, $6, $7)";
    let params = [
        Value::from(key.id.0),
        Value::from(key.provider.0),
        Value::from(key.name.as_str()),
        Value::from(key.auth_url.as_str()),
        Value::from(key.client_id.as_str()),
        Value::from(secret),
        Value::from(key.created_at),
    ];
    tx.execute(sql, &params).await?;
    Ok(())
}

pub async fn list(tx: &mut Tx, provider: ProviderId, page: Page) -> Result<Vec<SupplierKey>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM supplier_key WHERE provider_id = $1 AND id > $2 ORDER BY id LIMIT $3"
    );
    let params = [
        Value::from(provider.0),
        Value::from(page.after),
        Value::from(page.limit),
    ];
    tx.rows(&sql, &params).await?.iter().map(read).collect()
}

/// By what documents name, with the sealed secret.
pub async fn by_name(tx: &mut Tx, name: &str) -> Result<Option<(SupplierKey, Vec<u8>)>> {
    let sql = format!("SELECT {COLUMNS}, client_secret FROM supplier_key WHERE supplier_key = $1");
    match first(tx, &sql, &[Value::from(name)]).await? {
        Some(row) => Ok(Some((read(&row)?, row.get("client_secret")?))),
        None => Ok(None),
    }
}

/// Whether there was one.
pub async fn delete(tx: &mut Tx, provider: ProviderId, id: SupplierKeyId) -> Result<bool> {
    let sql = "DELETE FROM supplier_key WHERE provider_id = $1 AND id = $2";
    let params = [Value::from(provider.0), Value::from(id.0)];
    Ok(tx.execute(sql, &params).await? > 0)
}

fn read(row: &Row) -> Result<SupplierKey> {
    Ok(SupplierKey {
        id: SupplierKeyId(row.get("id")?),
        provider: ProviderId(row.get("provider_id")?),
        name: row.get("supplier_key")?,
        auth_url: row.get("auth_url")?,
        client_id: row.get("client_id")?,
        created_at: row.get("created_at")?,
    })
}
