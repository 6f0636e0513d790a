//! Refused events that are kept to be repaired.

use engine::{Row, Tx, Value};
use jiff::Timestamp;
use model::{AccountId, EndpointId, QuarantineId, Violation};
use serde::{Deserialize, Serialize};

use crate::{Page, Result, Scope, bigint, first, from_json, sequence, word};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum QuarantineState {
    /// Waiting to be repaired.
    Held,
    /// Repaired and published.
    Published,
    /// Given up by a person.
    Discarded,
}

impl QuarantineState {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Published => "published",
            Self::Discarded => "discarded",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Held, Self::Published, Self::Discarded]
            .into_iter()
            .find(|s| s.as_str() == text)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantined {
    pub id: QuarantineId,
    pub account: AccountId,
    /// Who published it.
    pub endpoint: EndpointId,
    pub state: QuarantineState,
    /// A publish body that holds just this event.
    pub body: String,
    pub violations: Vec<Violation>,
    pub created_at: Timestamp,
}

const COLUMNS: &str = "id, account_id, endpoint_id, state, body, violations, created_at";

/// Keeps a refused event from the log; again for the same position does nothing.
pub async fn insert(
    tx: &mut Tx,
    scope: Scope,
    endpoint: EndpointId,
    at: u64,
    (body, violations): (&str, &str),
    now: Timestamp,
) -> Result<()> {
    let id = sequence::take(tx, "quarantine", 1).await?;
    let sql = "INSERT INTO quarantine (id, account_id, endpoint_id, position, state, body, violations, created_at, changed_at)
               VALUES ($1, $2, $3, $4, 'held', $5, $6, $7, $7) ON CONFLICT (account_id, position) DO NOTHING";
    let params = [
        Value::from(id),
        Value::from(scope.0.0),
        Value::from(endpoint.0),
        Value::from(bigint(at)),
        Value::from(body),
        Value::from(violations),
        Value::from(now),
    ];
    tx.execute(sql, &params).await?;
    Ok(())
}

pub async fn get(tx: &mut Tx, scope: Scope, id: QuarantineId) -> Result<Option<Quarantined>> {
    let sql = format!("SELECT {COLUMNS} FROM quarantine WHERE account_id = $1 AND id = $2");
    first(tx, &sql, &[Value::from(scope.0.0), Value::from(id.0)])
        .await?
        .map(|row| read(&row))
        .transpose()
}

pub async fn list(
    tx: &mut Tx,
    scope: Scope,
    state: QuarantineState,
    endpoint: Option<EndpointId>,
    page: Page,
) -> Result<Vec<Quarantined>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM quarantine WHERE account_id = $1 AND state = $2 AND ($3 = 0 OR endpoint_id = $3) AND id > $4
         ORDER BY id LIMIT $5"
    );
    let params = [
        Value::from(scope.0.0),
        Value::from(state.as_str()),
        Value::from(endpoint.map_or(0, |e| e.0)),
        Value::from(page.after),
        Value::from(page.limit),
    ];
    tx.rows(&sql, &params).await?.iter().map(read).collect()
}

/// Moves a held event on; `false` when it is not held (any more).
pub async fn put_state(
    tx: &mut Tx,
    scope: Scope,
    id: QuarantineId,
    state: QuarantineState,
    now: Timestamp,
) -> Result<bool> {
    let sql = "UPDATE quarantine SET state = $3, changed_at = $4 WHERE account_id = $1 AND id = $2 AND state = 'held'";
    let params = [
        Value::from(scope.0.0),
        Value::from(id.0),
        Value::from(state.as_str()),
        Value::from(now),
    ];
    Ok(tx.execute(sql, &params).await? > 0)
}

fn read(row: &Row) -> Result<Quarantined> {
    Ok(Quarantined {
        id: QuarantineId(row.get("id")?),
        account: AccountId(row.get("account_id")?),
        endpoint: EndpointId(row.get("endpoint_id")?),
        state: word(
            "quarantine state",
            &row.get::<String>("state")?,
            QuarantineState::parse,
        )?,
        body: row.get("body")?,
        violations: from_json("violations", &row.get::<String>("violations")?)?,
        created_at: row.get("created_at")?,
    })
}
