//! Small facts about this installation, such as the hash of the operator token.

use engine::{Tx, Value};

use crate::{Result, first};

pub async fn get(tx: &mut Tx, name: &str) -> Result<Option<String>> {
    match first(
        tx,
        "SELECT value FROM setting WHERE name = $1",
        &[Value::from(name)],
    )
    .await?
    {
        Some(row) => Ok(Some(row.get("value")?)),
        None => Ok(None),
    }
}

pub async fn put(tx: &mut Tx, name: &str, value: &str) -> Result<()> {
    let sql = "INSERT INTO setting (name, value) VALUES ($1, $2)
               ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    tx.execute(sql, &[Value::from(name), Value::from(value)])
        .await?;
    Ok(())
}
