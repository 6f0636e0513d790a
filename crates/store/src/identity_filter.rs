//! What endpoints keep out of the identity graph, and what it does not give to them.

use engine::{Row, Tx, Value};
use model::EndpointId;

use crate::{Page, Result, Scope, page_of, sequence};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityFilter {
    pub id: i64,
    pub endpoint: EndpointId,
    /// As the endpoint calls it.
    pub identifier: String,
    /// What the endpoint publishes under this name does not get into the graph, and finds nobody there.
    pub publish: bool,
    /// Nothing is added under this name to what the endpoint gets.
    pub subscribe: bool,
}

const COLUMNS: &str = "id, endpoint_id, identifier_name, publish_filter, subscribe_filter";

/// Puts a filter in the place of the one that the endpoint had for this name; answers its id.
pub async fn put(tx: &mut Tx, scope: Scope, filter: &IdentityFilter) -> Result<i64> {
    let id = sequence::take(tx, "identity_filter", 1).await?;
    let sql = "INSERT INTO identity_filter (id, account_id, endpoint_id, identifier_name, publish_filter, subscribe_filter)
               VALUES ($1, $2, $3, $4, $5, $6)
               ON CONFLICT (endpoint_id, identifier_name) DO UPDATE
               SET publish_filter = excluded.publish_filter, subscribe_filter = excluded.subscribe_filter
               RETURNING id";
    let params = [
        Value::from(id),
        Value::from(scope.0.0),
        Value::from(filter.endpoint.0),
        Value::from(filter.identifier.as_str()),
        Value::from(filter.publish),
        Value::from(filter.subscribe),
    ];
    match tx.rows(sql, &params).await?.first() {
        Some(row) => Ok(row.get("id")?),
        None => Ok(id),
    }
}

pub async fn get(tx: &mut Tx, scope: Scope, id: i64) -> Result<Option<IdentityFilter>> {
    let sql = format!("SELECT {COLUMNS} FROM identity_filter WHERE account_id = $1 AND id = $2");
    let row = crate::first(tx, &sql, &[Value::from(scope.0.0), Value::from(id)]).await?;
    row.as_ref().map(read).transpose()
}

pub async fn delete(tx: &mut Tx, scope: Scope, id: i64) -> Result<()> {
    let sql = "DELETE FROM identity_filter WHERE account_id = $1 AND id = $2";
    tx.execute(sql, &[Value::from(scope.0.0), Value::from(id)])
        .await?;
    Ok(())
}

/// Filters by id, for filling the registry.
pub async fn all(tx: &mut Tx, of: Option<Scope>, page: Page) -> Result<Vec<IdentityFilter>> {
    let (end, params) = page_of(of, page);
    let sql = format!("SELECT {COLUMNS} FROM identity_filter {end}");
    tx.rows(&sql, &params).await?.iter().map(read).collect()
}

fn read(row: &Row) -> Result<IdentityFilter> {
    Ok(IdentityFilter {
        id: row.get("id")?,
        endpoint: EndpointId(row.get("endpoint_id")?),
        identifier: row.get("identifier_name")?,
        publish: row.get("publish_filter")?,
        subscribe: row.get("subscribe_filter")?,
    })
}
