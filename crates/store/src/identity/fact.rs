//! Facts: sets of two or more identifiers that were seen together, each kept once.

use engine::{Row, Tx, Value};
use jiff::Timestamp;
use model::identity::{Key, Source};

use super::{half, rows_in, source, source_columns};
use crate::{Page, Result, Scope, StoreError, bigint, sequence};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFact {
    /// Rises in the order of first sight.
    pub id: i64,
    pub digest: Key,
    /// Ids of identifiers.
    pub members: Vec<i64>,
    /// Undone: it joins nothing.
    pub is_cut: bool,
    pub seen_at: Timestamp,
    pub source: Source,
}

const COLUMNS: &str = "id, digest, members, is_cut, seen_at, source, source_id, source_row";

/// Keeps facts; their ids are given here, in their order.
pub async fn insert_facts(tx: &mut Tx, scope: Scope, facts: &mut [StoredFact]) -> Result<()> {
    if facts.is_empty() {
        return Ok(());
    }
    let first = sequence::take(tx, "identity_fact", bigint(facts.len() as u64)).await?;
    let mut rows = Vec::with_capacity(facts.len());
    let mut members = Vec::new();
    for (id, fact) in (first..).zip(facts.iter_mut()) {
        fact.id = id;
        let (source, source_id, source_row) = source_columns(fact.source);
        let bytes: Vec<u8> = fact
            .members
            .iter()
            .flat_map(|id| id.to_be_bytes())
            .collect();
        rows.push(vec![
            Value::from(id),
            Value::from(scope.0.0),
            Value::from(fact.digest.as_slice()),
            Value::from(bytes),
            Value::from(fact.is_cut),
            Value::from(fact.seen_at),
            source,
            source_id,
            source_row,
        ]);
        let pairs = fact.members.iter();
        members.extend(pairs.map(|member| vec![Value::from(*member), Value::from(id)]));
    }
    let sql = "INSERT INTO identity_fact (id, account_id, digest, members, is_cut, seen_at, source, source_id, source_row)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    tx.execute_many(sql, rows).await?;
    let sql = "INSERT INTO identity_fact_member (identifier_id, fact_id) VALUES ($1, $2)";
    tx.execute_many(sql, members).await?;
    Ok(())
}

/// Those of these sets that are known.
pub async fn facts_by_digest(
    tx: &mut Tx,
    scope: Scope,
    digests: &[Key],
) -> Result<Vec<StoredFact>> {
    let select = format!("SELECT {COLUMNS} FROM identity_fact WHERE account_id = $1 AND digest IN");
    let keys = digests.iter().map(|digest| Value::from(digest.as_slice()));
    let rows = rows_in(tx, &select, &[Value::from(scope.0.0)], keys).await?;
    rows.iter().map(read).collect()
}

/// The facts in which any of these identifiers is, by id.
pub async fn facts_of(tx: &mut Tx, scope: Scope, identifiers: &[i64]) -> Result<Vec<StoredFact>> {
    let select = format!(
        "SELECT {COLUMNS} FROM identity_fact_member m JOIN identity_fact f ON f.id = m.fact_id
         WHERE account_id = $1 AND m.identifier_id IN"
    );
    let keys = identifiers.iter().copied().map(Value::from);
    let rows = rows_in(tx, &select, &[Value::from(scope.0.0)], keys).await?;
    let mut facts: Vec<StoredFact> = rows.iter().map(read).collect::<Result<_>>()?;
    facts.sort_unstable_by_key(|fact| fact.id);
    facts.dedup_by_key(|fact| fact.id);
    Ok(facts)
}

/// Facts in which one identifier is, by id: of those that are in very many.
pub async fn facts_page(
    tx: &mut Tx,
    scope: Scope,
    identifier: i64,
    page: Page,
) -> Result<Vec<StoredFact>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM identity_fact_member m JOIN identity_fact f ON f.id = m.fact_id
         WHERE account_id = $1 AND m.identifier_id = $2 AND f.id > $3 ORDER BY f.id LIMIT $4"
    );
    let params = [
        Value::from(scope.0.0),
        Value::from(identifier),
        Value::from(page.after),
        Value::from(page.limit),
    ];
    tx.rows(&sql, &params).await?.iter().map(read).collect()
}

pub async fn fact(tx: &mut Tx, scope: Scope, id: i64) -> Result<Option<StoredFact>> {
    let sql = format!("SELECT {COLUMNS} FROM identity_fact WHERE account_id = $1 AND id = $2");
    let row = crate::first(tx, &sql, &[Value::from(scope.0.0), Value::from(id)]).await?;
    row.as_ref().map(read).transpose()
}

/// The facts that are undone, by id.
pub async fn list_cut(tx: &mut Tx, scope: Scope, page: Page) -> Result<Vec<StoredFact>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM identity_fact WHERE account_id = $1 AND is_cut > 0 AND id > $2 ORDER BY id LIMIT $3"
    );
    let params = [
        Value::from(scope.0.0),
        Value::from(page.after),
        Value::from(page.limit),
    ];
    tx.rows(&sql, &params).await?.iter().map(read).collect()
}

pub async fn put_cut(tx: &mut Tx, scope: Scope, id: i64, is_cut: bool) -> Result<()> {
    let sql = "UPDATE identity_fact SET is_cut = $3 WHERE account_id = $1 AND id = $2";
    let params = [Value::from(scope.0.0), Value::from(id), Value::from(is_cut)];
    tx.execute(sql, &params).await?;
    Ok(())
}

/// Removes facts for good.
pub async fn take_facts(tx: &mut Tx, scope: Scope, facts: &[StoredFact]) -> Result<()> {
    let members = facts.iter().flat_map(|fact| {
        let ids = fact.members.iter();
        ids.map(|member| vec![Value::from(*member), Value::from(fact.id)])
    });
    let sql = "DELETE FROM identity_fact_member WHERE identifier_id = $1 AND fact_id = $2";
    tx.execute_many(sql, members.collect()).await?;
    let sql = "DELETE FROM identity_fact WHERE account_id = $1 AND id = $2";
    let rows = facts
        .iter()
        .map(|fact| vec![Value::from(scope.0.0), Value::from(fact.id)]);
    tx.execute_many(sql, rows.collect()).await?;
    Ok(())
}

fn read(row: &Row) -> Result<StoredFact> {
    let bytes: Vec<u8> = row.get("members")?;
    let (eights, rest) = bytes.as_chunks::<8>();
    if !rest.is_empty() {
        return Err(StoreError::unreadable("fact", "its members are cut off"));
    }
    Ok(StoredFact {
        id: row.get("id")?,
        digest: half("digest", &row.get::<Vec<u8>>("digest")?)?,
        members: eights.iter().copied().map(i64::from_be_bytes).collect(),
        is_cut: row.get("is_cut")?,
        seen_at: row.get("seen_at")?,
        source: source(row)?,
    })
}
