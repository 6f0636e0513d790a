//! Event types as endpoints registered them.

use engine::{Row, Tx, Value};
use model::{EndpointId, EventType, EventTypeId, RegistrationType};

use crate::{Page, Result, Scope, from_json, sequence, to_json, word};

const COLUMNS: &str = "id, endpoint_id, code, name, description, namespace, version, registration, attributes, is_custom";

/// What an event type is, in the order of the columns of the tables that hold such: `code` to `is_custom`.
pub(crate) fn described(event_type: &EventType) -> [Value; 8] {
    [
        Value::from(event_type.code.as_str()),
        Value::from(event_type.name.as_str()),
        Value::from(event_type.description.clone()),
        Value::from(event_type.namespace.as_str()),
        Value::from(event_type.version),
        Value::from(event_type.registration.as_str()),
        Value::from(to_json(&event_type.attributes)),
        Value::from(event_type.is_custom),
    ]
}

/// Registers, or updates the registration with the same code, namespace, version and type; answers its id.
/// `event_type.id` is ignored.
pub async fn upsert(tx: &mut Tx, scope: Scope, event_type: &EventType) -> Result<EventTypeId> {
    let id = sequence::take(tx, "event_type", 1).await?;
    let sql = "INSERT INTO event_type (id, account_id, endpoint_id, code, name, description, namespace, version, registration, attributes, is_custom)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
               ON CONFLICT (endpoint_id, code, namespace, version, registration) DO UPDATE SET
               name = excluded.name, description = excluded.description, attributes = excluded.attributes
               RETURNING id";
    let mut params = vec![
        Value::from(id),
        Value::from(scope.0.0),
        Value::from(event_type.endpoint.0),
    ];
    params.extend(described(event_type));
    let rows = tx.rows(sql, &params).await?;
    let id = rows.first().map_or(Ok(id), |row| row.get("id"))?;
    Ok(EventTypeId(id))
}

pub async fn list(tx: &mut Tx, scope: Scope, endpoint: EndpointId) -> Result<Vec<EventType>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM event_type WHERE account_id = $1 AND endpoint_id = $2 ORDER BY id"
    );
    tx.rows(&sql, &[Value::from(scope.0.0), Value::from(endpoint.0)])
        .await?
        .iter()
        .map(read)
        .collect()
}

/// Every event type of the installation, or of one account, to fill the registry at start.
pub async fn all(tx: &mut Tx, of: Option<Scope>, page: Page) -> Result<Vec<EventType>> {
    let (page, params) = crate::page_of(of, page);
    tx.rows(&format!("SELECT {COLUMNS} FROM event_type {page}"), &params)
        .await?
        .iter()
        .map(read)
        .collect()
}

pub async fn delete(tx: &mut Tx, scope: Scope, id: EventTypeId) -> Result<bool> {
    let sql = "DELETE FROM event_type WHERE account_id = $1 AND id = $2";
    Ok(tx
        .execute(sql, &[Value::from(scope.0.0), Value::from(id.0)])
        .await?
        > 0)
}

fn read(row: &Row) -> Result<EventType> {
    read_of(EndpointId(row.get("endpoint_id")?), row)
}

/// The event type of a row, whose endpoint is `endpoint`.
pub(crate) fn read_of(endpoint: EndpointId, row: &Row) -> Result<EventType> {
    Ok(EventType {
        id: EventTypeId(row.get("id")?),
        endpoint,
        code: row.get("code")?,
        name: row.get("name")?,
        description: row.get("description")?,
        namespace: row.get("namespace")?,
        version: row.get("version")?,
        registration: registration(row)?,
        attributes: from_json("event type attributes", &row.get::<String>("attributes")?)?,
        is_custom: row.get("is_custom")?,
    })
}

pub(crate) fn registration(row: &Row) -> Result<RegistrationType> {
    let text: String = row.get("registration")?;
    word("registration type", &text, RegistrationType::parse)
}
