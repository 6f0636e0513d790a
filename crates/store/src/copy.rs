//! Copies all that one database remembers into another one, whichever engines they are on: for `rialto migrate`.
//!
//! Row by row and without knowing what they mean, but for what differs between two installations: which settings are
//! each one's own, and where each shard's reader stands. What concerns running processes is not copied. Promises that
//! every table of the schema is either copied or named as not copied (a test looks), and that what was written is read
//! again and compared.

use engine::{Row, Tx, Value};
use sha2::{Digest, Sha256};

use crate::Result;

/// Rows that are read and written in one piece.
const PAGE_ROWS: usize = 500;

/// A table, and the columns that tell its rows apart.
struct Table {
    name: &'static str,
    key: &'static [&'static str],
}

const fn table(name: &'static str, key: &'static [&'static str]) -> Table {
    Table { name, key }
}

/// What is copied: each table after those that it refers to.
const TABLES: &[Table] = &[
    table("sequence", &["name"]),
    table("setting", &["name"]),
    table("provider", &["id"]),
    table("account", &["id"]),
    table("api_key", &["id"]),
    table("endpoint", &["id"]),
    table("event_type", &["id"]),
    table("subscription", &["id"]),
    table("flow_cursor", &["shard"]),
    table("pending_chunk", &["endpoint_id", "chunk"]),
    table("delivery_exception", &["endpoint_id", "position"]),
    table("event_key", &["digest"]),
    table("idempotency_key", &["digest"]),
    table("event_file", &["endpoint_id", "name"]),
    table("quarantine", &["id"]),
    table(
        "schema_drift",
        &["endpoint_id", "code", "attribute", "what"],
    ),
    table("notice", &["id"]),
    table("audit", &["id"]),
    table("application", &["id"]),
    table("deployment", &["application_id", "id"]),
    table("deployment_event_type", &["id"]),
    table("registration", &["endpoint_id"]),
    table(
        "given_event_type",
        &[
            "endpoint_id",
            "code",
            "namespace",
            "version",
            "registration",
        ],
    ),
    table("flow_order", &["id"]),
    table("quota_use", &["account_id", "span_seconds", "span"]),
    table("outbox", &["id"]),
    table("subscription_notification", &["endpoint_id"]),
    table("supplier_key", &["id"]),
    table("oauth_grant", &["account_id", "digest"]),
    table("partner", &["id"]),
    table("partner_step", &["id"]),
    table(
        "partner_application",
        &["partner_id", "pilot_application_id"],
    ),
    table("observation", &["account_id", "what", "outcome"]),
    table("test_drive", &["account_id"]),
    table("test_push", &["id"]),
    table("person", &["id"]),
    table("member", &["account_id", "person_id"]),
    table("ticket", &["hash"]),
    table("session", &["id"]),
    table("access_token", &["id"]),
    table("job", &["id"]),
    table("data_file", &["job_id", "name"]),
    table("suppression", &["id"]),
    table(
        "suppression_form",
        &["account_id", "digest", "suppression_id"],
    ),
    table("suppression_key", &["id"]),
    table("suppression_version", &["account_id"]),
    table("segment", &["number"]),
    table("segment_list", &["endpoint_id", "role"]),
    table("segment_night", &["account_id"]),
    table("share", &["id"]),
    table("identifier", &["id"]),
    table("identity_fact", &["id"]),
    table("identity_fact_member", &["identifier_id", "fact_id"]),
    table("identifier_alias", &["digest", "identifier_id"]),
    table("identifier_form", &["account_id", "kind", "form"]),
    table("identity_filter", &["id"]),
    table("sent_share", &["share_id"]),
    table("sent_row", &["share_id", "digest"]),
];

/// Settings that are an installation's own: the number of its shards, and the mark of a migration.
const OWN: [&str; 2] = ["shards", MARK];

/// The setting that says that a migration into this database has begun and not ended.
pub const MARK: &str = "migration";

/// What became of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    pub table: &'static str,
    pub rows: u64,
    /// What was read back is what was written.
    pub is_equal: bool,
}

/// How many shards there are on both sides.
#[derive(Debug, Clone, Copy)]
pub struct Shards {
    pub from: u32,
    pub to: u32,
}

/// Puts everything that `from` has in the place of everything that `to` had, and reads it back.
pub async fn all(from: &mut Tx, to: &mut Tx, shards: Shards) -> Result<Vec<Copied>> {
    for table in TABLES.iter().rev() {
        clear(to, table).await?;
    }
    let mut copied = Vec::new();
    for table in TABLES {
        let mut written = Sum::default();
        let mut after = None;
        loop {
            let page = page(from, table, after).await?;
            after = page.last().map(|row| key_of(table, row));
            let is_last = page.len() < PAGE_ROWS;
            let columns = page.first().map(|row| row.columns().to_vec());
            let rows: Vec<Vec<Value>> = page
                .into_iter()
                .flat_map(|row| translated(table, row.into_values(), shards))
                .collect();
            for row in &rows {
                written.add(row);
            }
            if let Some(columns) = columns.filter(|_| !rows.is_empty()) {
                to.execute_many(&insert(table, &columns), rows).await?;
            }
            if is_last {
                break;
            }
        }
        copied.push(Copied {
            table: table.name,
            rows: written.rows,
            is_equal: sum(to, table).await? == written,
        });
    }
    Ok(copied)
}

/// Whether an account, or anything that came with one, is there.
pub async fn is_empty(tx: &mut Tx) -> Result<bool> {
    Ok(crate::first(tx, "SELECT id FROM account LIMIT 1", &[])
        .await?
        .is_none())
}

async fn clear(to: &mut Tx, table: &Table) -> Result<()> {
    let name = table.name;
    if name == "setting" {
        let sql = "DELETE FROM setting WHERE name <> $1 AND name <> $2";
        to.execute(sql, &OWN.map(Value::from)).await?;
    } else {
        to.execute(&format!("DELETE FROM {name}"), &[]).await?;
    }
    Ok(())
}

async fn page(tx: &mut Tx, table: &Table, after: Option<Vec<Value>>) -> Result<Vec<Row>> {
    let Table { name, key } = table;
    let keys = key.join(", ");
    let numbers: Vec<String> = (1..=key.len()).map(|number| format!("${number}")).collect();
    let condition = match &after {
        Some(_) => format!("WHERE ({keys}) > ({})", numbers.join(", ")),
        None => String::new(),
    };
    let sql = format!("SELECT * FROM {name} {condition} ORDER BY {keys} LIMIT {PAGE_ROWS}");
    Ok(tx.rows(&sql, &after.unwrap_or_default()).await?)
}

fn key_of(table: &Table, row: &Row) -> Vec<Value> {
    let columns = row.columns().to_vec();
    let mut values: Vec<Option<Value>> = row.clone().into_values().into_iter().map(Some).collect();
    let place = |key: &&str| columns.iter().position(|column| column == key);
    table
        .key
        .iter()
        .filter_map(|key| values.get_mut(place(key)?)?.take())
        .collect()
}

fn insert(table: &Table, columns: &[String]) -> String {
    let numbers: Vec<String> = (1..=columns.len())
        .map(|number| format!("${number}"))
        .collect();
    format!(
        "INSERT INTO {} ({}) VALUES ({})",
        table.name,
        columns.join(", "),
        numbers.join(", ")
    )
}

/// What a row is on the other side.
fn translated(table: &Table, row: Vec<Value>, shards: Shards) -> Vec<Vec<Value>> {
    match (table.name, row.first()) {
        ("setting", Some(Value::Text(name))) if OWN.contains(&name.as_str()) => Vec::new(),
        // Every shard's log has the numbers of the one that there was.
        ("flow_cursor", Some(Value::Int(0))) if shards.from == 1 => (0..shards.to)
            .map(|shard| {
                let mut row = row.clone();
                row[0] = Value::from(shard);
                row
            })
            .collect(),
        _ => vec![row],
    }
}

/// A sum over rows in any order: databases sort text in ways of their own.
#[derive(Debug, Default, PartialEq, Eq)]
struct Sum {
    rows: u64,
    hashes: u128,
}

impl Sum {
    fn add(&mut self, row: &[Value]) {
        let mut hash = Sha256::new();
        for value in row {
            let (kind, bytes): (u8, &[u8]) = match value {
                Value::Null => (0, &[]),
                Value::Int(int) => (1, &int.to_le_bytes()),
                Value::Text(text) => (2, text.as_bytes()),
                Value::Blob(bytes) => (3, bytes),
            };
            hash.update([kind]);
            hash.update(bytes.len().to_le_bytes());
            hash.update(bytes);
        }
        let mut half = [0; 16];
        half.copy_from_slice(&hash.finalize()[..16]);
        self.rows += 1;
        self.hashes = self.hashes.wrapping_add(u128::from_le_bytes(half));
    }
}

async fn sum(tx: &mut Tx, table: &Table) -> Result<Sum> {
    let mut sum = Sum::default();
    let mut after = None;
    loop {
        let page = page(tx, table, after).await?;
        after = page.last().map(|row| key_of(table, row));
        let is_last = page.len() < PAGE_ROWS;
        for row in page {
            let row = row.into_values();
            let is_own =
                matches!(row.first(), Some(Value::Text(name)) if OWN.contains(&name.as_str()));
            if table.name != "setting" || !is_own {
                sum.add(&row);
            }
        }
        if is_last {
            return Ok(sum);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::Db;

    /// Tables that concern running processes, or the schema itself.
    const NOT_COPIED: [&str; 6] = [
        "schema_additive",
        "schema_migration",
        "process",
        "shard_lease",
        "sign_in_try",
        "registry_change",
    ];

    async fn fresh(directory: &tempfile::TempDir, name: &str) -> Db {
        let db = Db::open_sqlite(&directory.path().join(name))
            .await
            .expect("opens");
        crate::migrate(&db).await.expect("migrates");
        db
    }

    #[tokio::test]
    async fn no_table_is_forgotten() {
        let directory = tempfile::tempdir().expect("a directory");
        let db = fresh(&directory, "db").await;
        let sql = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name";
        let rows = db.rows(sql, &[]).await.expect("tables");
        let there: Vec<String> = rows
            .iter()
            .map(|row| row.get("name").expect("text"))
            .collect();
        let mut known: Vec<&str> = TABLES
            .iter()
            .map(|table| table.name)
            .chain(NOT_COPIED)
            .collect();
        known.sort_unstable();
        assert_eq!(there, known, "name a new table in TABLES, or why not");
    }

    #[tokio::test]
    async fn everything_is_copied_but_what_is_each_ones_own() {
        let directory = tempfile::tempdir().expect("a directory");
        let (from, to) = (
            fresh(&directory, "from").await,
            fresh(&directory, "to").await,
        );
        let mut tx = from.begin().await.expect("a transaction");
        for number in 0..1_201_i64 {
            let row = [
                number.into(),
                format!("provider {number}").into(),
                Value::from(1_i64),
            ];
            tx.execute(
                "INSERT INTO provider (id, name, created_at) VALUES ($1, $2, $3)",
                &row,
            )
            .await
            .expect("a row");
        }
        for (name, value) in [("shards", "1"), ("operator_token_sha256", "00")] {
            crate::setting::put(&mut tx, name, value)
                .await
                .expect("a setting");
        }
        tx.execute(
            "INSERT INTO flow_cursor (shard, next_seq) VALUES (0, 17)",
            &[],
        )
        .await
        .expect("a row");
        tx.commit().await.expect("committed");
        let shards = Shards { from: 1, to: 3 };
        // Twice: it can be begun again at any time.
        for _ in 0..2 {
            let mut tx = to.begin().await.expect("a transaction");
            crate::setting::put(&mut tx, "shards", "3")
                .await
                .expect("a setting");
            let mut read = from.read().await.expect("reads");
            let copied = all(&mut read, &mut tx, shards).await.expect("copied");
            assert!(copied.iter().all(|table| table.is_equal), "{copied:?}");
            let rows = |name| {
                copied
                    .iter()
                    .find(|table| table.table == name)
                    .map(|table| table.rows)
            };
            assert_eq!((rows("provider"), rows("setting")), (Some(1_201), Some(1)));
            assert_eq!(rows("flow_cursor"), Some(3));
            tx.commit().await.expect("committed");
        }
        let mut tx = to.read().await.expect("reads");
        let shards = crate::setting::get(&mut tx, "shards").await.expect("reads");
        assert_eq!(shards.as_deref(), Some("3"));
    }
}
