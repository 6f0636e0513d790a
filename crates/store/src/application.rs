//! Applications, each of one account; public ones are seen by all accounts of its environment.

use engine::{Row, Tx, Value};
use jiff::Timestamp;
use model::{AccountId, Application, ApplicationId, Visibility};

use crate::{Page, Result, Scope, first, from_json, sequence, to_json, word};

const COLUMNS: &str = "a.id, a.account_id, a.visibility, a.document, a.created_at, a.updated_at";

/// Adds one, private; answers it with its id.
pub async fn insert(
    tx: &mut Tx,
    scope: Scope,
    document: serde_json::Value,
    now: Timestamp,
) -> Result<Application> {
    let application = Application {
        id: ApplicationId(sequence::take(tx, "application", 1).await?),
        account: scope.0,
        visibility: Visibility::Private,
        document,
        created_at: now,
        updated_at: now,
    };
    let sql =
        "INSERT INTO application (id, account_id, visibility, document, created_at, updated_at)
               VALUES ($1, $2, $3, $4, $5, $5)";
    let params = [
        Value::from(application.id.0),
        Value::from(scope.0.0),
        Value::from(application.visibility.as_str()),
        Value::from(to_json(&application.document)),
        Value::from(now),
    ];
    tx.execute(sql, &params).await?;
    Ok(application)
}

/// Writes document, visibility and time of change.
pub async fn update(tx: &mut Tx, scope: Scope, application: &Application) -> Result<()> {
    let sql = "UPDATE application SET visibility = $3, document = $4, updated_at = $5
               WHERE account_id = $1 AND id = $2";
    let params = [
        Value::from(scope.0.0),
        Value::from(application.id.0),
        Value::from(application.visibility.as_str()),
        Value::from(to_json(&application.document)),
        Value::from(application.updated_at),
    ];
    tx.execute(sql, &params).await?;
    Ok(())
}

/// One of the account's own.
pub async fn get(tx: &mut Tx, scope: Scope, id: ApplicationId) -> Result<Option<Application>> {
    let sql = format!("SELECT {COLUMNS} FROM application a WHERE a.account_id = $1 AND a.id = $2");
    one(tx, &sql, scope, id).await
}

/// One that the account may choose: its own, or a public one of its environment.
pub async fn seen(tx: &mut Tx, scope: Scope, id: ApplicationId) -> Result<Option<Application>> {
    let sql = format!("SELECT {COLUMNS} {SEEN} AND a.id = $2");
    one(tx, &sql, scope, id).await
}

/// The one that an endpoint of the account was made from, whatever its visibility is now.
pub async fn of_endpoint(
    tx: &mut Tx,
    scope: Scope,
    endpoint: model::EndpointId,
) -> Result<Option<Application>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM application a JOIN registration r ON r.application_id = a.id
         WHERE r.account_id = $1 AND r.endpoint_id = $2"
    );
    first(tx, &sql, &[Value::from(scope.0.0), Value::from(endpoint.0)])
        .await?
        .map(|row| read(&row))
        .transpose()
}

/// The account's own.
pub async fn list(tx: &mut Tx, scope: Scope, page: Page) -> Result<Vec<Application>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM application a WHERE a.account_id = $1 AND a.id > $2 ORDER BY a.id LIMIT $3"
    );
    many(tx, &sql, scope, page).await
}

/// Those that the account may choose.
pub async fn list_seen(tx: &mut Tx, scope: Scope, page: Page) -> Result<Vec<Application>> {
    let sql = format!("SELECT {COLUMNS} {SEEN} AND a.id > $2 ORDER BY a.id LIMIT $3");
    many(tx, &sql, scope, page).await
}

/// What account `$1` sees.
const SEEN: &str = "FROM application a JOIN account owner ON owner.id = a.account_id
     JOIN account mine ON mine.id = $1
     WHERE (a.account_id = mine.id OR (a.visibility = 'PUBLIC' AND owner.environment = mine.environment))";

pub async fn count(tx: &mut Tx, scope: Scope) -> Result<i64> {
    let sql = "SELECT COUNT(*) AS n FROM application WHERE account_id = $1";
    first(tx, sql, &[Value::from(scope.0.0)])
        .await?
        .map_or(Ok(0), |row| Ok(row.get("n")?))
}

/// Removes it with all that hangs on it; nothing may refer to it any longer.
pub async fn delete(tx: &mut Tx, scope: Scope, id: ApplicationId) -> Result<()> {
    for sql in [
        "DELETE FROM deployment_event_type WHERE account_id = $1 AND application_id = $2",
        "DELETE FROM deployment WHERE account_id = $1 AND application_id = $2",
        "DELETE FROM registration WHERE application_id IN (SELECT id FROM application WHERE account_id = $1 AND id = $2)",
        "DELETE FROM application WHERE account_id = $1 AND id = $2",
    ] {
        tx.execute(sql, &[Value::from(scope.0.0), Value::from(id.0)])
            .await?;
    }
    Ok(())
}

async fn one(
    tx: &mut Tx,
    sql: &str,
    scope: Scope,
    id: ApplicationId,
) -> Result<Option<Application>> {
    first(tx, sql, &[Value::from(scope.0.0), Value::from(id.0)])
        .await?
        .map(|row| read(&row))
        .transpose()
}

async fn many(tx: &mut Tx, sql: &str, scope: Scope, page: Page) -> Result<Vec<Application>> {
    let params = [
        Value::from(scope.0.0),
        Value::from(page.after),
        Value::from(page.limit),
    ];
    tx.rows(sql, &params).await?.iter().map(read).collect()
}

fn read(row: &Row) -> Result<Application> {
    Ok(Application {
        id: ApplicationId(row.get("id")?),
        account: AccountId(row.get("account_id")?),
        visibility: word(
            "application visibility",
            &row.get::<String>("visibility")?,
            Visibility::parse,
        )?,
        document: from_json("application", &row.get::<String>("document")?)?,
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
    })
}
