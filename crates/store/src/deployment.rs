//! Deployments of applications, and the event types that are registered with them.
//!
//! The scope is the account whose application it is.

use engine::{Row, Tx, Value};
use model::{
    AccountId, ApplicationId, Deployment, DeploymentId, EndpointId, EventType, EventTypeId,
};

use crate::{Result, Scope, StoreError, event_type, first, from_json, sequence, to_json};

const COLUMNS: &str = "application_id, id, account_id, document, created_at, updated_at";
const TYPE_COLUMNS: &str =
    "id, code, name, description, namespace, version, registration, attributes, is_custom";

/// A number for a deployment that was given no id.
pub async fn next_number(tx: &mut Tx) -> Result<i64> {
    sequence::take(tx, "deployment", 1).await
}

/// Adds one. Fails with a constraint error when the application has one of this id.
pub async fn insert(tx: &mut Tx, scope: Scope, deployment: &Deployment) -> Result<()> {
    let number = sequence::take(tx, "deployment_number", 1).await?;
    let sql = "INSERT INTO deployment (application_id, id, account_id, number, document, created_at, updated_at)
               VALUES ($1, $2, $3, $4, $5, $6, $7)";
    let params = [
        Value::from(deployment.application.0),
        Value::from(deployment.id.as_str()),
        Value::from(scope.0.0),
        Value::from(number),
        Value::from(to_json(&deployment.document)),
        Value::from(deployment.created_at),
        Value::from(deployment.updated_at),
    ];
    tx.execute(sql, &params).await?;
    Ok(())
}

pub async fn update(tx: &mut Tx, scope: Scope, deployment: &Deployment) -> Result<()> {
    let sql = "UPDATE deployment SET document = $4, updated_at = $5
               WHERE account_id = $1 AND application_id = $2 AND id = $3";
    let mut params = key(scope, deployment.application, &deployment.id).to_vec();
    params.push(to_json(&deployment.document).into());
    params.push(deployment.updated_at.into());
    tx.execute(sql, &params).await?;
    Ok(())
}

pub async fn get(
    tx: &mut Tx,
    scope: Scope,
    application: ApplicationId,
    id: &DeploymentId,
) -> Result<Option<Deployment>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM deployment WHERE account_id = $1 AND application_id = $2 AND id = $3"
    );
    first(tx, &sql, &key(scope, application, id))
        .await?
        .map(|row| read(&row))
        .transpose()
}

/// In the order of their creation.
pub async fn list(
    tx: &mut Tx,
    scope: Scope,
    application: ApplicationId,
) -> Result<Vec<Deployment>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM deployment WHERE account_id = $1 AND application_id = $2 ORDER BY number"
    );
    let params = [Value::from(scope.0.0), Value::from(application.0)];
    tx.rows(&sql, &params).await?.iter().map(read).collect()
}

/// Removes it with its event types; nothing may refer to it any longer.
pub async fn delete(
    tx: &mut Tx,
    scope: Scope,
    application: ApplicationId,
    id: &DeploymentId,
) -> Result<()> {
    for sql in [
        "DELETE FROM deployment_event_type WHERE account_id = $1 AND application_id = $2 AND deployment_id = $3",
        "DELETE FROM deployment WHERE account_id = $1 AND application_id = $2 AND id = $3",
    ] {
        tx.execute(sql, &key(scope, application, id)).await?;
    }
    Ok(())
}

/// How accounts are taken on: the document as it is shown, and the one with its secrets, sealed.
#[derive(Debug, Clone)]
pub struct SealedOnboarding {
    pub shown: serde_json::Value,
    pub sealed: Vec<u8>,
}

/// Puts it in the place of the one before, or takes that away.
pub async fn put_onboarding(
    tx: &mut Tx,
    scope: Scope,
    (application, id): (ApplicationId, &DeploymentId),
    onboarding: Option<SealedOnboarding>,
) -> Result<()> {
    let sql = "UPDATE deployment SET onboarding = $4, onboarding_secrets = $5
               WHERE account_id = $1 AND application_id = $2 AND id = $3";
    let mut params = key(scope, application, id).to_vec();
    params.push(onboarding.as_ref().map(|one| to_json(&one.shown)).into());
    params.push(onboarding.map(|one| one.sealed).into());
    tx.execute(sql, &params).await?;
    Ok(())
}

pub async fn onboarding(
    tx: &mut Tx,
    scope: Scope,
    (application, id): (ApplicationId, &DeploymentId),
) -> Result<Option<SealedOnboarding>> {
    let sql = "SELECT onboarding, onboarding_secrets FROM deployment
               WHERE account_id = $1 AND application_id = $2 AND id = $3";
    let Some(row) = first(tx, sql, &key(scope, application, id)).await? else {
        return Ok(None);
    };
    let shown: Option<String> = row.get("onboarding")?;
    let sealed: Option<Vec<u8>> = row.get("onboarding_secrets")?;
    match shown.zip(sealed) {
        None => Ok(None),
        Some((shown, sealed)) => Ok(Some(SealedOnboarding {
            shown: from_json("onboarding", &shown)?,
            sealed,
        })),
    }
}

/// Registers, or updates the registration with the same code, namespace, version and type; answers its id.
pub async fn put_event_type(
    tx: &mut Tx,
    scope: Scope,
    (application, id): (ApplicationId, &DeploymentId),
    event_type: &EventType,
) -> Result<EventTypeId> {
    let number = sequence::take(tx, "event_type", 1).await?;
    let sql = "INSERT INTO deployment_event_type (account_id, application_id, deployment_id, id, code, name, description, namespace, version, registration, attributes, is_custom)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
               ON CONFLICT (application_id, deployment_id, code, namespace, version, registration) DO UPDATE SET
               name = excluded.name, description = excluded.description, attributes = excluded.attributes
               RETURNING id";
    let mut params = key(scope, application, id).to_vec();
    params.push(number.into());
    params.extend(event_type::described(event_type));
    let rows = tx.rows(sql, &params).await?;
    let number = rows.first().map_or(Ok(number), |row| row.get("id"))?;
    Ok(EventTypeId(number))
}

/// The event types of one deployment; their endpoint is nobody (0).
pub async fn event_types(
    tx: &mut Tx,
    scope: Scope,
    application: ApplicationId,
    id: &DeploymentId,
) -> Result<Vec<EventType>> {
    let sql = format!(
        "SELECT {TYPE_COLUMNS} FROM deployment_event_type
         WHERE account_id = $1 AND application_id = $2 AND deployment_id = $3 ORDER BY id"
    );
    let rows = tx.rows(&sql, &key(scope, application, id)).await?;
    rows.iter().map(read_type).collect()
}

/// The event types of all the application's deployments, with whose they are.
pub async fn all_event_types(
    tx: &mut Tx,
    scope: Scope,
    application: ApplicationId,
) -> Result<Vec<(DeploymentId, EventType)>> {
    let sql = format!(
        "SELECT deployment_id, {TYPE_COLUMNS} FROM deployment_event_type
         WHERE account_id = $1 AND application_id = $2 ORDER BY id"
    );
    let params = [Value::from(scope.0.0), Value::from(application.0)];
    let mut types = Vec::new();
    for row in tx.rows(&sql, &params).await? {
        types.push((deployment_id(&row, "deployment_id")?, read_type(&row)?));
    }
    Ok(types)
}

pub async fn delete_event_type(tx: &mut Tx, scope: Scope, id: EventTypeId) -> Result<()> {
    let sql = "DELETE FROM deployment_event_type WHERE account_id = $1 AND id = $2";
    tx.execute(sql, &[Value::from(scope.0.0), Value::from(id.0)])
        .await?;
    Ok(())
}

fn key(scope: Scope, application: ApplicationId, id: &DeploymentId) -> [Value; 3] {
    [
        Value::from(scope.0.0),
        Value::from(application.0),
        Value::from(id.as_str()),
    ]
}

/// A deployment's id in a column.
pub(crate) fn deployment_id(row: &Row, column: &str) -> Result<DeploymentId> {
    let text: String = row.get(column)?;
    text.parse()
        .map_err(|source| StoreError::unreadable("deployment id", source))
}

fn read(row: &Row) -> Result<Deployment> {
    Ok(Deployment {
        application: ApplicationId(row.get("application_id")?),
        account: AccountId(row.get("account_id")?),
        id: deployment_id(row, "id")?,
        document: from_json("deployment", &row.get::<String>("document")?)?,
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
    })
}

/// Its endpoint is nobody.
fn read_type(row: &Row) -> Result<EventType> {
    event_type::read_of(EndpointId(0), row)
}
