//! Numeric ids, made by the program: small, rising, never used twice.
//!
//! Called inside the transaction that inserts the row, so an id that was taken and not used leaves a gap only
//! after a failure.

use engine::{Tx, Value};

use crate::Result;

/// The next `count` ids of `name`; answers the first. Starts at 1.
pub async fn take(tx: &mut Tx, name: &'static str, count: i64) -> Result<i64> {
    let sql = "INSERT INTO sequence (name, next) VALUES ($1, $2)
               ON CONFLICT (name) DO UPDATE SET next = sequence.next + $3 RETURNING next";
    let rows = tx
        .rows(
            sql,
            &[
                Value::from(name),
                Value::from(count + 1),
                Value::from(count),
            ],
        )
        .await?;
    let next: i64 = match rows.first() {
        Some(row) => row.get("next")?,
        None => {
            return Err(crate::StoreError::unreadable(
                "sequence",
                "no row came back",
            ));
        }
    };
    Ok(next - count)
}
