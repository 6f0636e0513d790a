//! Personal access tokens: hashes, first characters and scopes, never the tokens.

use engine::{Row, Tx, Value};
use jiff::Timestamp;
use model::access_token::Scopes;
use model::key::KeyHash;
use model::{TokenId, UserId};

use crate::{Result, first, from_json, sequence, to_json};

/// A token's record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessToken {
    pub id: TokenId,
    pub user: UserId,
    pub prefix: String,
    pub name: String,
    pub scopes: Scopes,
    pub created_at: Timestamp,
    /// Not valid from here on.
    pub expires_at: Timestamp,
    /// Coarse.
    pub used_at: Option<Timestamp>,
}

const COLUMNS: &str = "id, person_id, prefix, name, scopes, created_at, expires_at, used_at";

/// Adds a token; its `id` is ignored and made here.
pub async fn insert(tx: &mut Tx, token: &AccessToken, hash: KeyHash) -> Result<TokenId> {
    let id = sequence::take(tx, "access_token", 1).await?;
    let sql = "INSERT INTO access_token (id, person_id, hash, prefix, name, scopes, created_at, expires_at)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    let params = [
        Value::from(id),
        Value::from(token.user.0),
        Value::from(hash.0.as_slice()),
        Value::from(token.prefix.as_str()),
        Value::from(token.name.as_str()),
        Value::from(to_json(&token.scopes)),
        Value::from(token.created_at),
        Value::from(token.expires_at),
    ];
    tx.execute(sql, &params).await?;
    Ok(TokenId(id))
}

pub async fn by_hash(tx: &mut Tx, hash: KeyHash) -> Result<Option<AccessToken>> {
    let sql = format!("SELECT {COLUMNS} FROM access_token WHERE hash = $1");
    let row = first(tx, &sql, &[Value::from(hash.0.as_slice())]).await?;
    row.map(|row| read(&row)).transpose()
}

/// The tokens of one person, oldest first.
pub async fn list(tx: &mut Tx, user: UserId) -> Result<Vec<AccessToken>> {
    let sql = format!("SELECT {COLUMNS} FROM access_token WHERE person_id = $1 ORDER BY id");
    let rows = tx.rows(&sql, &[Value::from(user.0)]).await?;
    rows.iter().map(read).collect()
}

pub async fn used(tx: &mut Tx, id: TokenId, now: Timestamp) -> Result<()> {
    let sql = "UPDATE access_token SET used_at = $2 WHERE id = $1";
    tx.execute(sql, &[Value::from(id.0), Value::from(now)])
        .await?;
    Ok(())
}

pub async fn delete(tx: &mut Tx, user: UserId, id: TokenId) -> Result<bool> {
    let sql = "DELETE FROM access_token WHERE person_id = $1 AND id = $2";
    let params = [Value::from(user.0), Value::from(id.0)];
    Ok(tx.execute(sql, &params).await? > 0)
}

/// Ends all tokens of one person; answers how many.
pub async fn delete_all(tx: &mut Tx, user: UserId) -> Result<u64> {
    let sql = "DELETE FROM access_token WHERE person_id = $1";
    Ok(tx.execute(sql, &[Value::from(user.0)]).await?)
}

fn read(row: &Row) -> Result<AccessToken> {
    Ok(AccessToken {
        id: TokenId(row.get("id")?),
        user: UserId(row.get("person_id")?),
        prefix: row.get("prefix")?,
        name: row.get("name")?,
        scopes: from_json("scopes", &row.get::<String>("scopes")?)?,
        created_at: row.get("created_at")?,
        expires_at: row.get("expires_at")?,
        used_at: row.get("used_at")?,
    })
}
