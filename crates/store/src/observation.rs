//! How often calls of a pilot account ended in each way: one row for each (account, what, outcome).

use engine::{Tx, Value};
use model::partner::checklist::{Observation, Outcome};

use crate::{Result, Scope, bigint, position, word};

/// Adds what was counted since the last time.
pub async fn add(tx: &mut Tx, scope: Scope, seen: &Observation) -> Result<()> {
    let sql = "INSERT INTO observation (account_id, what, outcome, seen, first_at, last_at) VALUES ($1, $2, $3, $4, $5, $6)
               ON CONFLICT (account_id, what, outcome) DO UPDATE SET
               seen = observation.seen + excluded.seen, last_at = excluded.last_at";
    let params = [
        Value::from(scope.0.0),
        Value::from(seen.what.as_str()),
        Value::from(seen.outcome.as_str()),
        Value::from(bigint(seen.count)),
        Value::from(seen.first_at),
        Value::from(seen.last_at),
    ];
    tx.execute(sql, &params).await?;
    Ok(())
}

/// Everything seen of an account: as many rows as there are calls in the published API, times a few.
pub async fn list(tx: &mut Tx, scope: Scope) -> Result<Vec<Observation>> {
    let sql = "SELECT what, outcome, seen, first_at, last_at FROM observation WHERE account_id = $1 ORDER BY what, outcome";
    let mut all = Vec::new();
    for row in tx.rows(sql, &[Value::from(scope.0.0)]).await? {
        all.push(Observation {
            what: row.get("what")?,
            outcome: word("outcome", &row.get::<String>("outcome")?, Outcome::parse)?,
            count: position(row.get("seen")?),
            first_at: row.get("first_at")?,
            last_at: row.get("last_at")?,
        });
    }
    Ok(all)
}
