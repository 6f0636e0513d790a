//! Registrations from applications: what an endpoint was made from, what it states itself, what was answered for it, and
//! which of its event types it has from its deployment.
//!
//! The scope is the endpoint's account, but where an application asks for its endpoints: these are in many accounts.

use engine::{Row, Tx, Value};
use jiff::Timestamp;
use model::{
    AccountId, ApplicationId, DeploymentId, EndpointId, EventType, OutboxId, RegistrationType,
};

use crate::deployment::deployment_id;
use crate::{Result, Scope, event_type, first, from_json, to_json};

/// An endpoint that is made from an application.
#[derive(Debug, Clone, PartialEq)]
pub struct Registration {
    pub endpoint: EndpointId,
    /// The endpoint's.
    pub account: AccountId,
    pub application: ApplicationId,
    pub deployment: Option<DeploymentId>,
    /// What the endpoint's own call states; `None` until there was one.
    pub stated: Option<serde_json::Value>,
    pub created_at: Timestamp,
}

/// Which event type an endpoint had from its deployment, and whether it has taken it off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    pub code: String,
    pub namespace: String,
    pub version: i64,
    pub registration: RegistrationType,
    pub is_removed: bool,
}

impl Given {
    pub fn is_of(&self, event_type: &EventType) -> bool {
        (self.version, self.registration) == (event_type.version, event_type.registration)
            && self.code == event_type.code
            && self.namespace == event_type.namespace
    }
}

const COLUMNS: &str =
    "r.endpoint_id, r.account_id, r.application_id, r.deployment_id, r.stated, r.created_at";

/// What an endpoint is made from from now on. Answers that were given for another deployment are forgotten.
pub async fn put(tx: &mut Tx, scope: Scope, registration: &Registration) -> Result<()> {
    let sql = "INSERT INTO registration (endpoint_id, account_id, application_id, deployment_id, stated, created_at)
               VALUES ($1, $2, $3, $4, $5, $6)
               ON CONFLICT (endpoint_id) DO UPDATE SET
               answers = CASE WHEN registration.application_id = excluded.application_id
                   AND COALESCE(registration.deployment_id, '') = COALESCE(excluded.deployment_id, '')
                   THEN registration.answers ELSE NULL END,
               application_id = excluded.application_id, deployment_id = excluded.deployment_id, stated = excluded.stated";
    let deployment = registration.deployment.as_ref();
    let params = [
        Value::from(registration.endpoint.0),
        Value::from(scope.0.0),
        Value::from(registration.application.0),
        Value::from(deployment.map(|id| id.as_str().to_owned())),
        Value::from(registration.stated.as_ref().map(to_json)),
        Value::from(registration.created_at),
    ];
    tx.execute(sql, &params).await?;
    Ok(())
}

pub async fn get(tx: &mut Tx, scope: Scope, endpoint: EndpointId) -> Result<Option<Registration>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM registration r WHERE r.account_id = $1 AND r.endpoint_id = $2"
    );
    first(tx, &sql, &[Value::from(scope.0.0), Value::from(endpoint.0)])
        .await?
        .map(|row| read(&row))
        .transpose()
}

/// Keeps what a user answered, sealed, and the call to the provider, if one is made.
pub async fn put_answers(
    tx: &mut Tx,
    scope: Scope,
    endpoint: EndpointId,
    (answers, connect): (Vec<u8>, Option<OutboxId>),
) -> Result<()> {
    let sql = "UPDATE registration SET answers = $3, connect_id = $4 WHERE account_id = $1 AND endpoint_id = $2";
    let params = [
        Value::from(scope.0.0),
        Value::from(endpoint.0),
        Value::from(answers),
        Value::from(connect.map(|id| id.0)),
    ];
    tx.execute(sql, &params).await?;
    Ok(())
}

/// What [`put_answers`] kept.
pub async fn answers(
    tx: &mut Tx,
    scope: Scope,
    endpoint: EndpointId,
) -> Result<(Option<Vec<u8>>, Option<OutboxId>)> {
    let sql =
        "SELECT answers, connect_id FROM registration WHERE account_id = $1 AND endpoint_id = $2";
    let params = [Value::from(scope.0.0), Value::from(endpoint.0)];
    match first(tx, sql, &params).await? {
        None => Ok((None, None)),
        Some(row) => {
            let connect: Option<i64> = row.get("connect_id")?;
            Ok((row.get("answers")?, connect.map(OutboxId)))
        }
    }
}

/// The endpoints of whatever account that are made from an application, deleted ones left out.
pub async fn of_application(
    tx: &mut Tx,
    application: ApplicationId,
    deployment: Option<&DeploymentId>,
) -> Result<Vec<Registration>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM registration r JOIN endpoint e ON e.id = r.endpoint_id
         WHERE r.application_id = $1 AND ($2 = '' OR r.deployment_id = $2) AND e.status <> 'DELETED'
         ORDER BY r.endpoint_id"
    );
    let deployment = deployment.map_or("", DeploymentId::as_str);
    let params = [Value::from(application.0), Value::from(deployment)];
    tx.rows(&sql, &params).await?.iter().map(read).collect()
}

/// What an endpoint has, or had, from its deployment.
pub async fn given(tx: &mut Tx, scope: Scope, endpoint: EndpointId) -> Result<Vec<Given>> {
    let sql = "SELECT code, namespace, version, registration, is_removed FROM given_event_type
               WHERE account_id = $1 AND endpoint_id = $2 ORDER BY code, namespace, version, registration";
    let mut all = Vec::new();
    for row in tx
        .rows(sql, &[Value::from(scope.0.0), Value::from(endpoint.0)])
        .await?
    {
        all.push(Given {
            code: row.get("code")?,
            namespace: row.get("namespace")?,
            version: row.get("version")?,
            registration: event_type::registration(&row)?,
            is_removed: row.get("is_removed")?,
        });
    }
    Ok(all)
}

/// Notes that an endpoint has this event type from its deployment, or (`is_removed`) does not want it.
pub async fn put_given(
    tx: &mut Tx,
    scope: Scope,
    event_type: &EventType,
    is_removed: bool,
) -> Result<()> {
    let sql = "INSERT INTO given_event_type (account_id, endpoint_id, code, namespace, version, registration, is_removed)
               VALUES ($1, $2, $3, $4, $5, $6, $7)
               ON CONFLICT (endpoint_id, code, namespace, version, registration) DO UPDATE SET is_removed = excluded.is_removed";
    let mut params = given_key(scope, event_type).to_vec();
    params.push(is_removed.into());
    tx.execute(sql, &params).await?;
    Ok(())
}

/// The endpoint registers this event type itself, so it is its own from now on.
pub async fn forget_given(tx: &mut Tx, scope: Scope, event_type: &EventType) -> Result<()> {
    let sql = "DELETE FROM given_event_type WHERE account_id = $1 AND endpoint_id = $2
               AND code = $3 AND namespace = $4 AND version = $5 AND registration = $6";
    tx.execute(sql, &given_key(scope, event_type)).await?;
    Ok(())
}

fn given_key(scope: Scope, event_type: &EventType) -> [Value; 6] {
    [
        Value::from(scope.0.0),
        Value::from(event_type.endpoint.0),
        Value::from(event_type.code.as_str()),
        Value::from(event_type.namespace.as_str()),
        Value::from(event_type.version),
        Value::from(event_type.registration.as_str()),
    ]
}

fn read(row: &Row) -> Result<Registration> {
    let deployment = match row.get::<Option<String>>("deployment_id")? {
        Some(_) => Some(deployment_id(row, "deployment_id")?),
        None => None,
    };
    Ok(Registration {
        endpoint: EndpointId(row.get("endpoint_id")?),
        account: AccountId(row.get("account_id")?),
        application: ApplicationId(row.get("application_id")?),
        deployment,
        stated: row
            .get::<Option<String>>("stated")?
            .map(|text| from_json("stated registration", &text))
            .transpose()?,
        created_at: row.get("created_at")?,
    })
}
