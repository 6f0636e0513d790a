//! Restricted and suppressed people, as digests. Called by `hub/suppression` and the privacy jobs.

use engine::{Row, Tx, Value};
use jiff::Timestamp;
use model::record::Digest16;
use model::suppression::Stored;
use model::{AccountId, Barred};

use crate::{Page, Result, Scope, first, sequence, word};

/// One entry; by whom it is, nobody can tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suppression {
    pub id: i64,
    pub why: Barred,
    /// Identity type.
    pub kind: String,
    pub reference: String,
    pub created_at: Timestamp,
}

/// What is to be entered.
#[derive(Debug, Clone)]
pub struct NewSuppression {
    pub kind: String,
    pub stored: Vec<Stored>,
}

const COLUMNS: &str = "s.id, s.why, s.kind, s.reference, s.created_at";

/// Enters those that are not entered yet for the same reason; answers them. All of them count as a change.
pub async fn insert_many(
    tx: &mut Tx,
    scope: Scope,
    (why, reference): (Barred, &str),
    entries: Vec<NewSuppression>,
    now: Timestamp,
) -> Result<Vec<NewSuppression>> {
    let mut fresh = Vec::new();
    for entry in entries {
        let Some((digest, _)) = entry.stored.first() else {
            continue;
        };
        if find(tx, scope, Some(why), &[*digest]).await?.is_empty() {
            insert(tx, scope, (why, reference), &entry, now).await?;
            fresh.push(entry);
        }
    }
    raise(tx, scope).await?;
    Ok(fresh)
}

async fn insert(
    tx: &mut Tx,
    scope: Scope,
    (why, reference): (Barred, &str),
    entry: &NewSuppression,
    now: Timestamp,
) -> Result<()> {
    let id = sequence::take(tx, "suppression", 1).await?;
    let sql = "INSERT INTO suppression (id, account_id, why, kind, reference, created_at) VALUES ($1, $2, $3, $4, $5, $6)";
    let params = [
        Value::from(id),
        Value::from(scope.0.0),
        Value::from(why.as_str()),
        Value::from(entry.kind.as_str()),
        Value::from(reference),
        Value::from(now),
    ];
    tx.execute(sql, &params).await?;
    let sql = "INSERT INTO suppression_form (account_id, digest, suppression_id, is_hash) VALUES ($1, $2, $3, $4)";
    let forms = entry.stored.iter().map(|(digest, is_hash)| {
        vec![
            Value::from(scope.0.0),
            Value::from(digest.to_vec()),
            Value::from(id),
            Value::from(i64::from(*is_hash)),
        ]
    });
    tx.execute_many(sql, forms.collect()).await?;
    Ok(())
}

/// The entries, for one reason or any, that have one of these forms.
pub async fn find(
    tx: &mut Tx,
    scope: Scope,
    why: Option<Barred>,
    digests: &[Digest16],
) -> Result<Vec<Suppression>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM suppression_form f JOIN suppression s ON s.id = f.suppression_id
         WHERE f.account_id = $1 AND f.digest = $2 AND ($3 = '' OR s.why = $3) ORDER BY s.id"
    );
    let mut found: Vec<Suppression> = Vec::new();
    for digest in digests {
        let params = [
            Value::from(scope.0.0),
            Value::from(digest.to_vec()),
            Value::from(why.map_or("", Barred::as_str)),
        ];
        for row in tx.rows(&sql, &params).await? {
            let entry = read(&row)?;
            if !found.iter().any(|known| known.id == entry.id) {
                found.push(entry);
            }
        }
    }
    Ok(found)
}

pub async fn delete(tx: &mut Tx, scope: Scope, ids: &[i64]) -> Result<()> {
    let forms = "DELETE FROM suppression_form WHERE account_id = $1 AND suppression_id = $2";
    let entry = "DELETE FROM suppression WHERE account_id = $1 AND id = $2";
    for sql in [forms, entry] {
        let rows = ids.iter().map(|id| vec![scope.0.0.into(), (*id).into()]);
        tx.execute_many(sql, rows.collect()).await?;
    }
    raise(tx, scope).await
}

/// A page of the entries for one reason.
pub async fn list(tx: &mut Tx, scope: Scope, why: Barred, page: Page) -> Result<Vec<Suppression>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM suppression s WHERE s.account_id = $1 AND s.why = $2 AND s.id > $3 ORDER BY s.id LIMIT $4"
    );
    let params = [
        Value::from(scope.0.0),
        Value::from(why.as_str()),
        Value::from(page.after),
        Value::from(page.limit),
    ];
    tx.rows(&sql, &params).await?.iter().map(read).collect()
}

/// How many entries there are for one reason.
pub async fn count(tx: &mut Tx, scope: Scope, why: Barred) -> Result<u64> {
    let sql = "SELECT count(*) AS n FROM suppression WHERE account_id = $1 AND why = $2";
    let params = [Value::from(scope.0.0), Value::from(why.as_str())];
    let row = first(tx, sql, &params).await?;
    row.map_or(Ok(0), |row| Ok(crate::position(row.get("n")?)))
}

/// Accounts that have ever had an entry.
pub async fn accounts(tx: &mut Tx) -> Result<Vec<AccountId>> {
    let sql = "SELECT account_id FROM suppression_version ORDER BY account_id";
    let rows = tx.rows(sql, &[]).await?;
    rows.iter()
        .map(|row| Ok(AccountId(row.get("account_id")?)))
        .collect()
}

pub async fn version(tx: &mut Tx, scope: Scope) -> Result<i64> {
    let sql = "SELECT version FROM suppression_version WHERE account_id = $1";
    let row = first(tx, sql, &[Value::from(scope.0.0)]).await?;
    row.map_or(Ok(0), |row| Ok(row.get("version")?))
}

/// The next forms of entries after this id, whole entries at a time, and the last id: for filling memory.
pub async fn forms(
    tx: &mut Tx,
    scope: Scope,
    page: Page,
) -> Result<(Vec<(Barred, Stored)>, Option<i64>)> {
    let sql = "SELECT s.id, s.why, f.digest, f.is_hash FROM
            (SELECT id, why FROM suppression WHERE account_id = $1 AND id > $2 ORDER BY id LIMIT $3) s
         JOIN suppression_form f ON f.suppression_id = s.id ORDER BY s.id";
    let params = [
        Value::from(scope.0.0),
        Value::from(page.after),
        Value::from(page.limit),
    ];
    let (mut found, mut last) = (Vec::new(), None);
    for row in tx.rows(sql, &params).await? {
        last = Some(row.get("id")?);
        let why = word("reason", &row.get::<String>("why")?, Barred::parse)?;
        let digest: Vec<u8> = row.get("digest")?;
        if let Ok(digest) = Digest16::try_from(digest) {
            found.push((why, (digest, row.get::<i64>("is_hash")? != 0)));
        }
    }
    Ok((found, last))
}

/// The key of all digests, sealed.
pub async fn key(tx: &mut Tx) -> Result<Option<Vec<u8>>> {
    let row = first(tx, "SELECT sealed FROM suppression_key WHERE id = 1", &[]).await?;
    row.map(|row| Ok(row.get("sealed")?)).transpose()
}

pub async fn put_key(tx: &mut Tx, sealed: Vec<u8>) -> Result<()> {
    let sql = "INSERT INTO suppression_key (id, sealed) VALUES (1, $1)";
    tx.execute(sql, &[Value::from(sealed)]).await?;
    Ok(())
}

/// The lists count as changed.
pub async fn raise(tx: &mut Tx, scope: Scope) -> Result<()> {
    let sql = "INSERT INTO suppression_version (account_id, version) VALUES ($1, 1)
        ON CONFLICT (account_id) DO UPDATE SET version = suppression_version.version + 1";
    tx.execute(sql, &[Value::from(scope.0.0)]).await?;
    Ok(())
}

fn read(row: &Row) -> Result<Suppression> {
    Ok(Suppression {
        id: row.get("id")?,
        why: word("reason", &row.get::<String>("why")?, Barred::parse)?,
        kind: row.get("kind")?,
        reference: row.get("reference")?,
        created_at: row.get("created_at")?,
    })
}
