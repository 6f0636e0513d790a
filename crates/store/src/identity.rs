//! The identity graph: identifiers, facts, and what is looked for by hash.
//!
//! Written only by who holds [`lock`] for the account (and some engines have one writer anyway). Called by
//! `hub/identity`. Promises nothing about what belongs together: that is `model::identity`'s.

mod alias;
mod fact;

use engine::{Row, Tx, Value};
use jiff::Timestamp;
use model::X1Id;
use model::hashing::{HashAlgorithm, HashMode};
use model::identity::{Form, Key, Source};

pub use alias::{clear_of, is_indexed, put_aliases, put_indexed, take_aliases};
pub use fact::{
    StoredFact, fact, facts_by_digest, facts_of, facts_page, insert_facts, list_cut, put_cut,
    take_facts,
};

use crate::{Page, Result, Scope, StoreError, bigint, position, sequence, word};

/// Keys of one query: statements are kept prepared, so there are few lengths of them.
const KEYS_MAX: usize = 1_024;

/// What an identifier is in the graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// One of its component's.
    Joined,
    /// It stands for nobody.
    Junk,
    /// Seen with more than one person can have.
    Crowded,
    /// Its component is more than one person can be.
    Overgrown,
}

impl Standing {
    fn number(self) -> i64 {
        match self {
            Self::Joined => 0,
            Self::Junk => 1,
            Self::Crowded => 2,
            Self::Overgrown => 3,
        }
    }

    fn of(number: i64) -> Option<Self> {
        [Self::Joined, Self::Junk, Self::Crowded, Self::Overgrown]
            .into_iter()
            .find(|standing| standing.number() == number)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Joined => "joined",
            Self::Junk => "junk",
            Self::Crowded => "crowded",
            Self::Overgrown => "overgrown",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Joined, Self::Junk, Self::Crowded, Self::Overgrown]
            .into_iter()
            .find(|standing| standing.as_str() == text)
    }

    /// Junk or crowded: joins nothing.
    pub fn is_left_out(self) -> bool {
        matches!(self, Self::Junk | Self::Crowded)
    }
}

/// An identifier as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identifier {
    pub id: i64,
    pub digest: Key,
    /// As the endpoint that told it first calls it.
    pub name: String,
    /// In lower case.
    pub kind: String,
    pub form: Form,
    /// `Required` once one endpoint has said so: it does not leave in clear then.
    pub mode: HashMode,
    /// By which it was hashed, or is to be, where it was said.
    pub algorithm: Option<HashAlgorithm>,
    /// As it is matched.
    pub value: String,
    pub x1_id: X1Id,
    pub component: i64,
    pub standing: Standing,
    /// Upper bound of how many others it was seen together with.
    pub ties: i64,
    pub seen_at: Timestamp,
    pub source: Source,
}

impl Identifier {
    /// The person that it belongs to, by the person's oldest identifier.
    pub fn person(&self) -> i64 {
        person(self.id, self.component, self.standing)
    }
}

fn person(id: i64, component: i64, standing: Standing) -> i64 {
    match standing {
        Standing::Joined => component,
        Standing::Junk | Standing::Crowded | Standing::Overgrown => id,
    }
}

const COLUMNS: &str = "id, digest, name, kind, form, mode, algorithm, value, x1_id, component, standing, ties, seen_at, source, source_id, source_row";

/// Keeps all others from writing this account's graph until the transaction ends.
pub async fn lock(tx: &mut Tx, scope: Scope) -> Result<()> {
    /// Apart from other locks by its high bits.
    const LOCKS: i64 = 0x4944 << 46;
    Ok(tx.lock_exclusive(LOCKS | scope.0.0).await?)
}

/// Ids for so many new identifiers; answers the first.
pub async fn take_ids(tx: &mut Tx, count: usize) -> Result<i64> {
    sequence::take(tx, "identifier", bigint(count as u64)).await
}

pub async fn insert(tx: &mut Tx, scope: Scope, identifiers: &[&Identifier]) -> Result<()> {
    let sql = "INSERT INTO identifier (account_id, id, digest, name, kind, form, mode, algorithm, value, x1_id, component, standing, ties, seen_at, source, source_id, source_row)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)";
    let rows = identifiers.iter().map(|one| {
        let (source, source_id, source_row) = source_columns(one.source);
        vec![
            Value::from(scope.0.0),
            Value::from(one.id),
            Value::from(one.digest.as_slice()),
            Value::from(one.name.as_str()),
            Value::from(one.kind.as_str()),
            Value::from(one.form.as_str()),
            Value::from(one.mode.as_str()),
            Value::from(one.algorithm.map(HashAlgorithm::as_str)),
            Value::from(one.value.as_str()),
            Value::from(one.x1_id.as_bytes().as_slice()),
            Value::from(one.component),
            Value::from(one.standing.number()),
            Value::from(one.ties),
            Value::from(one.seen_at),
            source,
            source_id,
            source_row,
        ]
    });
    tx.execute_many(sql, rows.collect()).await?;
    Ok(())
}

/// Those of these that are known.
pub async fn by_digest(tx: &mut Tx, scope: Scope, digests: &[Key]) -> Result<Vec<Identifier>> {
    let keys = digests.iter().map(|digest| Value::from(digest.as_slice()));
    find(tx, scope, "digest", keys).await
}

pub async fn by_id(tx: &mut Tx, scope: Scope, ids: &[i64]) -> Result<Vec<Identifier>> {
    find(tx, scope, "id", ids.iter().copied().map(Value::from)).await
}

pub async fn by_x1_id(tx: &mut Tx, scope: Scope, id: X1Id) -> Result<Option<Identifier>> {
    let keys = [Value::from(id.as_bytes().as_slice())];
    Ok(find(tx, scope, "x1_id", keys.into_iter()).await?.pop())
}

/// Everything in these components, by id.
pub async fn of_components(
    tx: &mut Tx,
    scope: Scope,
    components: &[i64],
) -> Result<Vec<Identifier>> {
    let keys = components.iter().copied().map(Value::from);
    let mut found = find(tx, scope, "component", keys).await?;
    found.sort_unstable_by_key(|one| one.id);
    Ok(found)
}

async fn find(
    tx: &mut Tx,
    scope: Scope,
    column: &str,
    keys: impl Iterator<Item = Value>,
) -> Result<Vec<Identifier>> {
    // With a plus no engine looks an account's rows through for what the other index finds at once: without statistics
    // one of them takes an account for small. The index of digests begins with the account.
    let account = match column {
        "digest" => "account_id",
        _ => "+account_id",
    };
    let select = format!("SELECT {COLUMNS} FROM identifier WHERE {account} = $1 AND {column} IN");
    let rows = rows_in(tx, &select, &[Value::from(scope.0.0)], keys).await?;
    rows.iter().map(identifier).collect()
}

/// The rows of `select … IN (keys)`, with `first` as the parameters before the keys.
async fn rows_in(
    tx: &mut Tx,
    select: &str,
    first: &[Value],
    keys: impl Iterator<Item = Value>,
) -> Result<Vec<Row>> {
    let mut keys: Vec<Value> = keys.collect();
    let mut rows = Vec::new();
    while !keys.is_empty() {
        let rest = keys.split_off(keys.len().min(KEYS_MAX));
        // Lengths are powers of four: the last key is repeated.
        let mut length = 1;
        while length < keys.len() {
            length *= 4;
        }
        keys.resize(length, keys[keys.len() - 1].clone());
        let numbers: Vec<String> = (first.len() + 1..=first.len() + length)
            .map(|number| format!("${number}"))
            .collect();
        let sql = format!("{select} ({})", numbers.join(", "));
        let mut params = first.to_vec();
        params.append(&mut keys);
        rows.append(&mut tx.rows(&sql, &params).await?);
        keys = rest;
    }
    Ok(rows)
}

/// Where an identifier belongs now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moved {
    pub id: i64,
    pub component: i64,
    pub standing: Standing,
}

impl Moved {
    /// The person that it belongs to now.
    pub fn person(&self) -> i64 {
        person(self.id, self.component, self.standing)
    }
}

pub async fn put_places(tx: &mut Tx, scope: Scope, moved: &[Moved]) -> Result<()> {
    let sql =
        "UPDATE identifier SET component = $3, standing = $4 WHERE account_id = $1 AND id = $2";
    let rows = moved.iter().map(|one| {
        vec![
            Value::from(scope.0.0),
            Value::from(one.id),
            Value::from(one.component),
            Value::from(one.standing.number()),
        ]
    });
    tx.execute_many(sql, rows.collect()).await?;
    Ok(())
}

/// One overgrown component becomes part of another, whatever its size.
pub async fn put_overgrown(tx: &mut Tx, scope: Scope, from: i64, to: i64) -> Result<()> {
    let sql = "UPDATE identifier SET component = $3 WHERE +account_id = $1 AND component = $2";
    let params = [Value::from(scope.0.0), Value::from(from), Value::from(to)];
    tx.execute(sql, &params).await?;
    Ok(())
}

/// Adds to the ties of identifiers.
pub async fn add_ties(tx: &mut Tx, scope: Scope, ties: &[(i64, i64)]) -> Result<()> {
    let sql = "UPDATE identifier SET ties = ties + $3 WHERE account_id = $1 AND id = $2";
    let rows = ties.iter().map(|(id, count)| {
        vec![
            Value::from(scope.0.0),
            Value::from(*id),
            Value::from(*count),
        ]
    });
    tx.execute_many(sql, rows.collect()).await?;
    Ok(())
}

/// Identifiers that must not leave in clear from now on, and the algorithm for each.
pub async fn put_required(
    tx: &mut Tx,
    scope: Scope,
    required: &[(i64, Option<HashAlgorithm>)],
) -> Result<()> {
    let sql = "UPDATE identifier SET mode = $3, algorithm = $4 WHERE account_id = $1 AND id = $2";
    let rows = required.iter().map(|(id, algorithm)| {
        vec![
            Value::from(scope.0.0),
            Value::from(*id),
            Value::from(HashMode::Required.as_str()),
            Value::from(algorithm.map(HashAlgorithm::as_str)),
        ]
    });
    tx.execute_many(sql, rows.collect()).await?;
    Ok(())
}

/// Identifiers with this standing, by id.
pub async fn list_standing(
    tx: &mut Tx,
    scope: Scope,
    standing: Standing,
    page: Page,
) -> Result<Vec<Identifier>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM identifier WHERE account_id = $1 AND standing = $2 AND standing > 0 AND id > $3 ORDER BY id LIMIT $4"
    );
    let params = [
        Value::from(scope.0.0),
        Value::from(standing.number()),
        Value::from(page.after),
        Value::from(page.limit),
    ];
    tx.rows(&sql, &params)
        .await?
        .iter()
        .map(identifier)
        .collect()
}

/// Identifiers of an account from a key on, in the order of their keys, which is no order of theirs: all of them for rules
/// that change and for what was not indexed before, some of them for an estimate.
pub async fn list(tx: &mut Tx, scope: Scope, from: Key, limit: i64) -> Result<Vec<Identifier>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM identifier WHERE account_id = $1 AND digest >= $2 ORDER BY digest LIMIT $3"
    );
    let params = [
        Value::from(scope.0.0),
        Value::from(from.as_slice()),
        Value::from(limit),
    ];
    tx.rows(&sql, &params)
        .await?
        .iter()
        .map(identifier)
        .collect()
}

/// Where [`list`] goes on; `None` after the last key that there can be.
pub fn after(key: Key) -> Option<Key> {
    u128::from_be_bytes(key)
        .checked_add(1)
        .map(u128::to_be_bytes)
}

/// Components with more than so many identifiers of one type.
pub async fn large(tx: &mut Tx, scope: Scope, limit: u32) -> Result<Vec<i64>> {
    let sql = "SELECT DISTINCT component FROM (
                   SELECT component, kind FROM identifier WHERE account_id = $1 AND standing = 0
                   GROUP BY component, kind HAVING count(*) > $2
               ) AS of_one_kind";
    let mut found = Vec::new();
    for row in tx
        .rows(sql, &[Value::from(scope.0.0), Value::from(limit)])
        .await?
    {
        found.push(row.get("component")?);
    }
    Ok(found)
}

pub async fn delete(tx: &mut Tx, scope: Scope, ids: &[i64]) -> Result<()> {
    let sql = "DELETE FROM identifier WHERE account_id = $1 AND id = $2";
    let rows = ids
        .iter()
        .map(|id| vec![Value::from(scope.0.0), Value::from(*id)]);
    tx.execute_many(sql, rows.collect()).await?;
    Ok(())
}

fn identifier(row: &Row) -> Result<Identifier> {
    let algorithm: Option<String> = row.get("algorithm")?;
    let x1_id = half("x1Id", &row.get::<Vec<u8>>("x1_id")?)?;
    Ok(Identifier {
        id: row.get("id")?,
        digest: half("digest", &row.get::<Vec<u8>>("digest")?)?,
        name: row.get("name")?,
        kind: row.get("kind")?,
        form: word(
            "form of an identifier",
            &row.get::<String>("form")?,
            Form::parse,
        )?,
        mode: word("hash mode", &row.get::<String>("mode")?, HashMode::parse)?,
        algorithm: match algorithm {
            Some(text) => Some(word("hash algorithm", &text, HashAlgorithm::parse)?),
            None => None,
        },
        value: row.get("value")?,
        x1_id: X1Id::from_bytes(x1_id),
        component: row.get("component")?,
        standing: Standing::of(row.get("standing")?)
            .ok_or_else(|| StoreError::unreadable("identifier", "its standing is unknown"))?,
        ties: row.get("ties")?,
        seen_at: row.get("seen_at")?,
        source: source(row)?,
    })
}

fn half(what: &'static str, bytes: &[u8]) -> Result<Key> {
    Key::try_from(bytes).map_err(|error| StoreError::unreadable(what, error))
}

fn source_columns(source: Source) -> (Value, Value, Value) {
    let (word, id, row) = match source {
        Source::Event { position } => ("event", bigint(position), 0),
        Source::Row { job, row } => ("row", job, bigint(row)),
        Source::Hash => ("hash", 0, 0),
    };
    (Value::from(word), Value::from(id), Value::from(row))
}

fn source(row: &Row) -> Result<Source> {
    let id: i64 = row.get("source_id")?;
    match row.get::<String>("source")?.as_str() {
        "event" => Ok(Source::Event {
            position: position(id),
        }),
        "row" => Ok(Source::Row {
            job: id,
            row: position(row.get("source_row")?),
        }),
        "hash" => Ok(Source::Hash),
        other => Err(StoreError::unreadable(
            "source of a fact",
            format!("`{other}`"),
        )),
    }
}
