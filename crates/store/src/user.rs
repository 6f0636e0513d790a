//! People: who they are and the sealed hash of their password. What they may do in which account is in [`crate::member`].

use engine::{Row, Tx, Value};
use jiff::Timestamp;
use model::{Email, User, UserId, UserStatus};

use crate::{Page, Result, StoreError, first, sequence, word};

pub(crate) const COLUMNS: &str =
    "person.id, person.email, person.name, person.is_operator, person.status,
     person.created_at, person.last_sign_in_at";

/// Somebody new, without a password.
pub async fn insert(
    tx: &mut Tx,
    email: &Email,
    name: &str,
    (is_operator, status): (bool, UserStatus),
    now: Timestamp,
) -> Result<User> {
    let id = sequence::take(tx, "person", 1).await?;
    let sql = "INSERT INTO person (id, email, name, is_operator, status, created_at) VALUES ($1, $2, $3, $4, $5, $6)";
    let params = [
        Value::from(id),
        Value::from(email.as_str()),
        Value::from(name),
        Value::from(is_operator),
        Value::from(status.as_str()),
        Value::from(now),
    ];
    tx.execute(sql, &params).await?;
    Ok(User {
        id: UserId(id),
        email: email.clone(),
        name: name.to_owned(),
        is_operator,
        status,
        created_at: now,
        last_sign_in_at: None,
    })
}

pub async fn get(tx: &mut Tx, id: UserId) -> Result<Option<User>> {
    one(tx, "id = $1", Value::from(id.0)).await
}

pub async fn by_email(tx: &mut Tx, email: &Email) -> Result<Option<User>> {
    one(tx, "email = $1", Value::from(email.as_str())).await
}

/// By issuer and subject of a single sign-on.
pub async fn by_identity(tx: &mut Tx, identity: &str) -> Result<Option<User>> {
    one(tx, "identity = $1", Value::from(identity)).await
}

async fn one(tx: &mut Tx, which: &str, param: Value) -> Result<Option<User>> {
    let sql = format!("SELECT {COLUMNS} FROM person WHERE {which}");
    let row = first(tx, &sql, &[param]).await?;
    row.map(|row| read(&row)).transpose()
}

/// Everybody, or whoever has this address.
pub async fn list(tx: &mut Tx, email: Option<&Email>, page: Page) -> Result<Vec<User>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM person WHERE id > $1 AND ($3 = '' OR email = $3) ORDER BY id LIMIT $2"
    );
    let params = [
        Value::from(page.after),
        Value::from(page.limit),
        Value::from(email.map_or("", Email::as_str)),
    ];
    tx.rows(&sql, &params).await?.iter().map(read).collect()
}

/// Name, rights and status become what they are here.
pub async fn put(tx: &mut Tx, user: &User) -> Result<()> {
    let sql = "UPDATE person SET name = $2, is_operator = $3, status = $4 WHERE id = $1";
    let params = [
        Value::from(user.id.0),
        Value::from(user.name.as_str()),
        Value::from(user.is_operator),
        Value::from(user.status.as_str()),
    ];
    tx.execute(sql, &params).await?;
    Ok(())
}

/// The sealed hash of somebody's password.
pub async fn password(tx: &mut Tx, id: UserId) -> Result<Option<Vec<u8>>> {
    let sql = "SELECT password FROM person WHERE id = $1";
    let row = first(tx, sql, &[Value::from(id.0)]).await?;
    Ok(row.map(|row| row.get("password")).transpose()?.flatten())
}

pub async fn put_password(tx: &mut Tx, id: UserId, sealed: &[u8]) -> Result<()> {
    let sql = "UPDATE person SET password = $2 WHERE id = $1";
    tx.execute(sql, &[Value::from(id.0), Value::from(sealed)])
        .await?;
    Ok(())
}

/// Whether somebody can prove who they are: by a password or by a single sign-on.
pub async fn has_proof(tx: &mut Tx, id: UserId) -> Result<bool> {
    let sql =
        "SELECT id FROM person WHERE id = $1 AND (password IS NOT NULL OR identity IS NOT NULL)";
    Ok(first(tx, sql, &[Value::from(id.0)]).await?.is_some())
}

/// Whom a single sign-on knows this person as, if it does.
pub async fn identity(tx: &mut Tx, id: UserId) -> Result<Option<String>> {
    let sql = "SELECT identity FROM person WHERE id = $1";
    let row = first(tx, sql, &[Value::from(id.0)]).await?;
    Ok(row.map(|row| row.get("identity")).transpose()?.flatten())
}

pub async fn put_identity(tx: &mut Tx, id: UserId, identity: &str) -> Result<()> {
    let sql = "UPDATE person SET identity = $2 WHERE id = $1";
    tx.execute(sql, &[Value::from(id.0), Value::from(identity)])
        .await?;
    Ok(())
}

pub async fn signed_in(tx: &mut Tx, id: UserId, now: Timestamp) -> Result<()> {
    let sql = "UPDATE person SET last_sign_in_at = $2 WHERE id = $1";
    tx.execute(sql, &[Value::from(id.0), Value::from(now)])
        .await?;
    Ok(())
}

/// Takes somebody away, with everything that is theirs. Audit entries stay.
pub async fn delete(tx: &mut Tx, id: UserId) -> Result<()> {
    for sql in [
        "DELETE FROM ticket WHERE person_id = $1",
        "DELETE FROM session WHERE person_id = $1",
        "DELETE FROM access_token WHERE person_id = $1",
        "DELETE FROM member WHERE person_id = $1",
        "DELETE FROM person WHERE id = $1",
    ] {
        tx.execute(sql, &[Value::from(id.0)]).await?;
    }
    Ok(())
}

pub(crate) fn read(row: &Row) -> Result<User> {
    let email: String = row.get("email")?;
    Ok(User {
        id: UserId(row.get("id")?),
        email: email
            .parse()
            .map_err(|source: model::user::BadEmail| StoreError::unreadable("e-mail", source))?,
        name: row.get("name")?,
        is_operator: row.get("is_operator")?,
        status: word(
            "status of a user",
            &row.get::<String>("status")?,
            UserStatus::parse,
        )?,
        created_at: row.get("created_at")?,
        last_sign_in_at: row.get("last_sign_in_at")?,
    })
}
