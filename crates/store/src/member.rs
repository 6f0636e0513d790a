//! Members: which role who has in which account.

use engine::{Tx, Value};
use jiff::Timestamp;
use model::{AccountId, Role, User, UserId};

use crate::{Page, Result, Scope, first, user, word};

/// Somebody in an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub user: User,
    pub role: Role,
    pub since: Timestamp,
}

/// Gives somebody a role, instead of the one before.
pub async fn put(
    tx: &mut Tx,
    scope: Scope,
    user: UserId,
    role: Role,
    now: Timestamp,
) -> Result<()> {
    let sql = "INSERT INTO member (account_id, person_id, role, created_at) VALUES ($1, $2, $3, $4)
               ON CONFLICT (account_id, person_id) DO UPDATE SET role = excluded.role";
    let params = [
        Value::from(scope.0.0),
        Value::from(user.0),
        Value::from(role.as_str()),
        Value::from(now),
    ];
    tx.execute(sql, &params).await?;
    Ok(())
}

pub async fn delete(tx: &mut Tx, scope: Scope, user: UserId) -> Result<bool> {
    let sql = "DELETE FROM member WHERE account_id = $1 AND person_id = $2";
    let params = [Value::from(scope.0.0), Value::from(user.0)];
    Ok(tx.execute(sql, &params).await? > 0)
}

pub async fn get(tx: &mut Tx, scope: Scope, user: UserId) -> Result<Option<Member>> {
    let sql = format!(
        "SELECT {}, member.role, member.created_at AS since FROM member JOIN person ON person.id = member.person_id
         WHERE member.account_id = $1 AND person.id = $2",
        user::COLUMNS
    );
    let row = first(tx, &sql, &[Value::from(scope.0.0), Value::from(user.0)]).await?;
    row.map(|row| read(&row)).transpose()
}

pub async fn list(tx: &mut Tx, scope: Scope, page: Page) -> Result<Vec<Member>> {
    let sql = format!(
        "SELECT {}, member.role, member.created_at AS since FROM member JOIN person ON person.id = member.person_id
         WHERE member.account_id = $1 AND person.id > $2 ORDER BY person.id LIMIT $3",
        user::COLUMNS
    );
    let params = [
        Value::from(scope.0.0),
        Value::from(page.after),
        Value::from(page.limit),
    ];
    tx.rows(&sql, &params).await?.iter().map(read).collect()
}

/// The accounts that somebody belongs to, and as what, by account.
pub async fn of(tx: &mut Tx, user: UserId) -> Result<Vec<(AccountId, Role)>> {
    let sql = "SELECT account_id, role FROM member WHERE person_id = $1 ORDER BY account_id";
    let mut roles = Vec::new();
    for row in tx.rows(sql, &[Value::from(user.0)]).await? {
        let role = word("role", &row.get::<String>("role")?, Role::parse)?;
        roles.push((AccountId(row.get("account_id")?), role));
    }
    Ok(roles)
}

fn read(row: &engine::Row) -> Result<Member> {
    Ok(Member {
        user: user::read(row)?,
        role: word("role", &row.get::<String>("role")?, Role::parse)?,
        since: row.get("since")?,
    })
}
