//! By which hashes clear identifiers can be found, and for which types and forms of hashes that is kept.

use engine::{Tx, Value};
use model::identity::{Form, Key};

use super::rows_in;
use crate::{Result, Scope};

/// Notes that identifiers have these hashes; the digest is that of an identifier with the hash as its value, and so the
/// account is in it.
pub async fn put_aliases(tx: &mut Tx, aliases: &[(Key, i64)]) -> Result<()> {
    let sql = "INSERT INTO identifier_alias (digest, identifier_id) VALUES ($1, $2)
               ON CONFLICT (digest, identifier_id) DO NOTHING";
    let rows = aliases
        .iter()
        .map(|(digest, id)| vec![Value::from(digest.as_slice()), Value::from(*id)]);
    tx.execute_many(sql, rows.collect()).await?;
    Ok(())
}

/// The clear identifiers that have one of these hashes.
pub async fn clear_of(tx: &mut Tx, digests: &[Key]) -> Result<Vec<(Key, i64)>> {
    let select = "SELECT digest, identifier_id FROM identifier_alias WHERE digest IN";
    let keys = digests.iter().map(|digest| Value::from(digest.as_slice()));
    let mut found = Vec::new();
    for row in rows_in(tx, select, &[], keys).await? {
        let digest = super::half("digest", &row.get::<Vec<u8>>("digest")?)?;
        found.push((digest, row.get("identifier_id")?));
    }
    Ok(found)
}

/// Forgets the hashes of identifiers.
pub async fn take_aliases(tx: &mut Tx, aliases: &[(Key, i64)]) -> Result<()> {
    let sql = "DELETE FROM identifier_alias WHERE digest = $1 AND identifier_id = $2";
    let rows = aliases
        .iter()
        .map(|(digest, id)| vec![Value::from(digest.as_slice()), Value::from(*id)]);
    tx.execute_many(sql, rows.collect()).await?;
    Ok(())
}

/// The types (in lower case) and forms for which every clear identifier of an account has its aliases.
pub async fn is_indexed(tx: &mut Tx, scope: Scope) -> Result<Vec<(String, Form)>> {
    let sql = "SELECT kind, form FROM identifier_form WHERE account_id = $1";
    let mut indexed = Vec::new();
    for row in tx.rows(sql, &[Value::from(scope.0.0)]).await? {
        let form = crate::word(
            "form of an identifier",
            &row.get::<String>("form")?,
            Form::parse,
        )?;
        indexed.push((row.get("kind")?, form));
    }
    Ok(indexed)
}

pub async fn put_indexed(tx: &mut Tx, scope: Scope, kind: &str, form: Form) -> Result<()> {
    let sql = "INSERT INTO identifier_form (account_id, kind, form) VALUES ($1, $2, $3)
               ON CONFLICT (account_id, kind, form) DO NOTHING";
    let params = [
        Value::from(scope.0.0),
        Value::from(kind),
        Value::from(form.as_str()),
    ];
    tx.execute(sql, &params).await?;
    Ok(())
}
