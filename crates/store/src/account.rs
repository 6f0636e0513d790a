//! Accounts.

use engine::{Row, Tx, Value};
use jiff::Timestamp;
use model::{Account, AccountId, AccountPolicy, Environment};

use crate::{Page, Result, Scope, first, from_json, sequence, to_json, word};

pub async fn insert(
    tx: &mut Tx,
    name: &str,
    environment: Environment,
    policy: &AccountPolicy,
    now: Timestamp,
) -> Result<Account> {
    let id = sequence::take(tx, "account", 1).await?;
    let sql = "INSERT INTO account (id, name, environment, policy, created_at) VALUES ($1, $2, $3, $4, $5)";
    let params = [
        Value::from(id),
        Value::from(name),
        Value::from(environment.as_str()),
        Value::from(to_json(policy)),
        Value::from(now),
    ];
    tx.execute(sql, &params).await?;
    Ok(Account {
        id: AccountId(id),
        name: name.to_owned(),
        environment,
        policy: policy.clone(),
    })
}

pub async fn get(tx: &mut Tx, scope: Scope) -> Result<Option<Account>> {
    let sql = "SELECT id, name, environment, policy FROM account WHERE id = $1";
    first(tx, sql, &[Value::from(scope.0.0)])
        .await?
        .map(|row| read(&row))
        .transpose()
}

pub async fn put_name(tx: &mut Tx, scope: Scope, name: &str) -> Result<()> {
    let sql = "UPDATE account SET name = $2 WHERE id = $1";
    tx.execute(sql, &[Value::from(scope.0.0), Value::from(name)])
        .await?;
    Ok(())
}

pub async fn put_policy(tx: &mut Tx, scope: Scope, policy: &AccountPolicy) -> Result<()> {
    let sql = "UPDATE account SET policy = $2 WHERE id = $1";
    tx.execute(sql, &[Value::from(scope.0.0), Value::from(to_json(policy))])
        .await?;
    Ok(())
}

/// Every account there is; the operator's list.
pub async fn list(tx: &mut Tx, page: Page) -> Result<Vec<Account>> {
    let sql =
        "SELECT id, name, environment, policy FROM account WHERE id > $1 ORDER BY id LIMIT $2";
    tx.rows(sql, &[Value::from(page.after), Value::from(page.limit)])
        .await?
        .iter()
        .map(read)
        .collect()
}

fn read(row: &Row) -> Result<Account> {
    Ok(Account {
        id: AccountId(row.get("id")?),
        name: row.get("name")?,
        environment: word(
            "environment",
            &row.get::<String>("environment")?,
            Environment::parse,
        )?,
        policy: from_json("account policy", &row.get::<String>("policy")?)?,
    })
}
