//! Endpoints: registrations, their state, and their sealed secrets.

use engine::{Row, Tx, Value};
use jiff::Timestamp;
use model::{AccountId, Endpoint, EndpointDefinition, EndpointId, EndpointStatus};

use crate::subscription::{spans_from, spans_to};
use crate::{Page, Result, Scope, first, from_json, sequence, to_json, word};

const COLUMNS: &str =
    "id, account_id, status, enabled, disabled_reason, definition, spans, created_at, updated_at";

/// The sealed columns; each holds what `vault` made of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sealed {
    /// Credentials for calling the endpoint, as its provider stated them.
    Attributes,
    /// Signing secrets of pushes, newest first.
    WebhookSecrets,
    /// The event-only key.
    EventKey,
    /// The endpoint key that our calls to the endpoint carry.
    CallKey,
}

impl Sealed {
    fn column(self) -> &'static str {
        match self {
            Self::Attributes => "attributes",
            Self::WebhookSecrets => "webhook_secrets",
            Self::EventKey => "event_key",
            Self::CallKey => "call_key",
        }
    }
}

/// The sealed columns that the registry holds open.
#[derive(Debug, Default)]
pub struct SealedSecrets {
    pub attributes: Option<Vec<u8>>,
    pub webhook_secrets: Option<Vec<u8>>,
    pub call_key: Option<Vec<u8>>,
}

/// The columns of [`SealedSecrets`].
const SECRETS: &str = "attributes, webhook_secrets, call_key";

/// A new registration: PENDING, enabled, not yet described.
pub async fn insert(tx: &mut Tx, scope: Scope, now: Timestamp) -> Result<Endpoint> {
    let id = sequence::take(tx, "endpoint", 1).await?;
    let endpoint = Endpoint {
        id: EndpointId(id),
        account: scope.0,
        status: EndpointStatus::Pending,
        enabled: true,
        disabled_reason: None,
        spans: Vec::new(),
        definition: EndpointDefinition::default(),
        created_at: now,
        updated_at: now,
    };
    let sql = "INSERT INTO endpoint (id, account_id, status, enabled, definition, spans, created_at, updated_at)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    let params = [
        Value::from(id),
        Value::from(scope.0.0),
        Value::from(endpoint.status.as_str()),
        Value::from(endpoint.enabled),
        Value::from(to_json(&endpoint.definition)),
        Value::from(spans_to(&endpoint.spans)),
        Value::from(now),
        Value::from(now),
    ];
    tx.execute(sql, &params).await?;
    Ok(endpoint)
}

/// Writes everything but the sealed columns.
pub async fn update(tx: &mut Tx, scope: Scope, endpoint: &Endpoint) -> Result<()> {
    let sql = "UPDATE endpoint SET status = $3, enabled = $4, disabled_reason = $5, definition = $6, spans = $7, updated_at = $8
               WHERE account_id = $1 AND id = $2";
    let params = [
        Value::from(scope.0.0),
        Value::from(endpoint.id.0),
        Value::from(endpoint.status.as_str()),
        Value::from(endpoint.enabled),
        Value::from(endpoint.disabled_reason.clone()),
        Value::from(to_json(&endpoint.definition)),
        Value::from(spans_to(&endpoint.spans)),
        Value::from(endpoint.updated_at),
    ];
    tx.execute(sql, &params).await?;
    Ok(())
}

/// Keeps why the provider could not set itself up.
pub async fn put_failure(tx: &mut Tx, scope: Scope, id: EndpointId, reason: &str) -> Result<()> {
    let sql = "UPDATE endpoint SET failure_reason = $3 WHERE account_id = $1 AND id = $2";
    tx.execute(
        sql,
        &[
            Value::from(scope.0.0),
            Value::from(id.0),
            Value::from(reason),
        ],
    )
    .await?;
    Ok(())
}

pub async fn failure(tx: &mut Tx, scope: Scope, id: EndpointId) -> Result<Option<String>> {
    let sql = "SELECT failure_reason FROM endpoint WHERE account_id = $1 AND id = $2";
    match first(tx, sql, &[Value::from(scope.0.0), Value::from(id.0)]).await? {
        Some(row) => Ok(row.get("failure_reason")?),
        None => Ok(None),
    }
}

pub async fn get(tx: &mut Tx, scope: Scope, id: EndpointId) -> Result<Option<Endpoint>> {
    let sql = format!("SELECT {COLUMNS} FROM endpoint WHERE account_id = $1 AND id = $2");
    first(tx, &sql, &[Value::from(scope.0.0), Value::from(id.0)])
        .await?
        .map(|row| read(&row))
        .transpose()
}

pub async fn list(tx: &mut Tx, scope: Scope, page: Page) -> Result<Vec<Endpoint>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM endpoint WHERE account_id = $1 AND id > $2 ORDER BY id LIMIT $3"
    );
    let params = [
        Value::from(scope.0.0),
        Value::from(page.after),
        Value::from(page.limit),
    ];
    tx.rows(&sql, &params).await?.iter().map(read).collect()
}

/// Every endpoint of the installation, or of one account, with its secrets, to fill the registry at start.
pub async fn all(
    tx: &mut Tx,
    of: Option<Scope>,
    page: Page,
) -> Result<Vec<(Endpoint, SealedSecrets)>> {
    let (page, params) = crate::page_of(of, page);
    let sql = format!("SELECT {COLUMNS}, {SECRETS} FROM endpoint {page}");
    tx.rows(&sql, &params)
        .await?
        .iter()
        .map(|row| Ok((read(row)?, read_secrets(row)?)))
        .collect()
}

/// What the registry holds open of one endpoint; nothing of one that is not there.
pub async fn secrets(tx: &mut Tx, scope: Scope, id: EndpointId) -> Result<SealedSecrets> {
    let sql = format!("SELECT {SECRETS} FROM endpoint WHERE account_id = $1 AND id = $2");
    let found = first(tx, &sql, &[Value::from(scope.0.0), Value::from(id.0)]).await?;
    found
        .map(|row| read_secrets(&row))
        .transpose()
        .map(Option::unwrap_or_default)
}

pub async fn sealed(
    tx: &mut Tx,
    scope: Scope,
    id: EndpointId,
    which: Sealed,
) -> Result<Option<Vec<u8>>> {
    let sql = format!(
        "SELECT {} AS sealed FROM endpoint WHERE account_id = $1 AND id = $2",
        which.column()
    );
    match first(tx, &sql, &[Value::from(scope.0.0), Value::from(id.0)]).await? {
        Some(row) => Ok(row.get("sealed")?),
        None => Ok(None),
    }
}

pub async fn put_sealed(
    tx: &mut Tx,
    scope: Scope,
    id: EndpointId,
    which: Sealed,
    bytes: Vec<u8>,
) -> Result<()> {
    let sql = format!(
        "UPDATE endpoint SET {} = $3 WHERE account_id = $1 AND id = $2",
        which.column()
    );
    tx.execute(
        &sql,
        &[
            Value::from(scope.0.0),
            Value::from(id.0),
            Value::from(bytes),
        ],
    )
    .await?;
    Ok(())
}

fn read(row: &Row) -> Result<Endpoint> {
    Ok(Endpoint {
        id: EndpointId(row.get("id")?),
        account: AccountId(row.get("account_id")?),
        status: word(
            "endpoint status",
            &row.get::<String>("status")?,
            EndpointStatus::parse,
        )?,
        enabled: row.get("enabled")?,
        disabled_reason: row.get("disabled_reason")?,
        definition: from_json("endpoint definition", &row.get::<String>("definition")?)?,
        spans: spans_from(&row.get::<String>("spans")?)?,
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
    })
}

fn read_secrets(row: &Row) -> Result<SealedSecrets> {
    Ok(SealedSecrets {
        attributes: row.get("attributes")?,
        webhook_secrets: row.get("webhook_secrets")?,
        call_key: row.get("call_key")?,
    })
}
