//! Deliveries that met trouble: being retried, or dead. Success leaves no row.

use engine::{Row, Tx, Value};
use jiff::Timestamp;
use model::{AccountId, EndpointId};
use serde::{Deserialize, Serialize};

use crate::{Part, Result, Scope, bigint, from_json, position, to_json, word};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExceptionState {
    Retrying,
    /// Will not be tried again unless replayed.
    Dead,
}

impl ExceptionState {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Retrying => "retrying",
            Self::Dead => "dead",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Retrying, Self::Dead]
            .into_iter()
            .find(|s| s.as_str() == text)
    }
}

/// One attempt and its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    pub at: Timestamp,
    pub duration_ms: u64,
    /// HTTP status, if there was an answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Stable word for what went wrong without an answer, such as `timeout`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// The answer's body or the failure's sentence, cut short, as text.
    pub detail: String,
}

/// How many attempts are kept with an exception: the first and the latest ones.
pub const ATTEMPTS_KEPT: usize = 10;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exception {
    pub account: AccountId,
    pub endpoint: EndpointId,
    pub position: u64,
    /// Digest of the person, for strict order; 0 for nobody.
    pub person: i64,
    pub state: ExceptionState,
    /// All attempts made.
    pub attempts: u32,
    pub first_attempt_at: Timestamp,
    pub last_attempt_at: Timestamp,
    /// None when dead.
    pub next_attempt_at: Option<Timestamp>,
    pub history: Vec<Attempt>,
}

impl Exception {
    /// Adds an attempt, keeping the first and the latest ones.
    pub fn record(&mut self, attempt: Attempt) {
        self.attempts += 1;
        self.last_attempt_at = attempt.at;
        if self.history.len() >= ATTEMPTS_KEPT {
            self.history.remove(1);
        }
        self.history.push(attempt);
    }

    /// Forgets all attempts: to be tried at `now` as for the first time.
    pub fn restart(&mut self, now: Timestamp) {
        self.state = ExceptionState::Retrying;
        self.attempts = 0;
        self.first_attempt_at = now;
        self.last_attempt_at = now;
        self.next_attempt_at = Some(now);
        self.history.clear();
    }
}

const COLUMNS: &str = "account_id, endpoint_id, position, person, state, attempts, first_attempt_at, last_attempt_at, next_attempt_at, history";

pub async fn upsert_many(tx: &mut Tx, exceptions: &[Exception]) -> Result<()> {
    let sql = "INSERT INTO delivery_exception (account_id, endpoint_id, position, person, state, attempts, first_attempt_at, last_attempt_at, next_attempt_at, history)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
               ON CONFLICT (endpoint_id, position) DO UPDATE SET state = excluded.state, attempts = excluded.attempts,
               first_attempt_at = excluded.first_attempt_at, last_attempt_at = excluded.last_attempt_at, next_attempt_at = excluded.next_attempt_at, history = excluded.history";
    let rows = exceptions.iter().map(|e| {
        vec![
            Value::from(e.account.0),
            Value::from(e.endpoint.0),
            Value::from(bigint(e.position)),
            Value::from(e.person),
            Value::from(e.state.as_str()),
            Value::from(i64::from(e.attempts)),
            Value::from(e.first_attempt_at),
            Value::from(e.last_attempt_at),
            Value::from(e.next_attempt_at),
            Value::from(to_json(&e.history)),
        ]
    });
    tx.execute_many(sql, rows.collect()).await?;
    Ok(())
}

pub async fn delete_many(tx: &mut Tx, gone: &[(EndpointId, u64)]) -> Result<()> {
    let sql = "DELETE FROM delivery_exception WHERE endpoint_id = $1 AND position = $2";
    let rows = gone
        .iter()
        .map(|(e, p)| vec![Value::from(e.0), Value::from(bigint(*p))])
        .collect();
    tx.execute_many(sql, rows).await?;
    Ok(())
}

/// Forgets what was answered at these positions, to whichever destination.
pub async fn forget_answers(tx: &mut Tx, scope: Scope, positions: &[u64]) -> Result<()> {
    let sql =
        "UPDATE delivery_exception SET history = '[]' WHERE account_id = $1 AND position = $2";
    let rows = positions
        .iter()
        .map(|position| vec![Value::from(scope.0.0), Value::from(bigint(*position))]);
    tx.execute_many(sql, rows.collect()).await?;
    Ok(())
}

/// Forgets what lies before `before` in one shard's log, which no longer holds it.
pub async fn trim(tx: &mut Tx, part: Part, before: u64) -> Result<u64> {
    let sql = "DELETE FROM delivery_exception WHERE position < $1 AND account_id % $2 = $3";
    let params = [
        Value::from(bigint(before)),
        Value::from(part.shards),
        Value::from(part.shard),
    ];
    Ok(tx.execute(sql, &params).await?)
}

/// Everything being retried in one shard, to fill its flow.
pub async fn retrying(tx: &mut Tx, part: Part) -> Result<Vec<Exception>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM delivery_exception WHERE state = 'retrying' AND account_id % $1 = $2
         ORDER BY endpoint_id, position"
    );
    let params = [Value::from(part.shards), Value::from(part.shard)];
    tx.rows(&sql, &params).await?.iter().map(read).collect()
}

/// Where a list of exceptions goes on: after this event at this destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct After {
    pub position: u64,
    pub endpoint: EndpointId,
}

/// Exceptions by position and destination; of one state and one destination, or of all.
pub async fn list(
    tx: &mut Tx,
    scope: Scope,
    state: Option<ExceptionState>,
    endpoint: Option<EndpointId>,
    (after, limit): (Option<After>, i64),
) -> Result<Vec<Exception>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM delivery_exception WHERE account_id = $1 AND ($2 = '' OR state = $2) AND ($3 = 0 OR endpoint_id = $3)
         AND position >= $4 AND (position > $4 OR endpoint_id > $5) ORDER BY position, endpoint_id LIMIT $6"
    );
    let (position, last) = after.map_or((-1, 0), |a| (bigint(a.position), a.endpoint.0));
    let params = [
        Value::from(scope.0.0),
        Value::from(state.map_or("", ExceptionState::as_str)),
        Value::from(endpoint.map_or(0, |e| e.0)),
        Value::from(position),
        Value::from(last),
        Value::from(limit),
    ];
    tx.rows(&sql, &params).await?.iter().map(read).collect()
}

/// How many of the first `limit` dead letters of an account are of which destination.
pub async fn count_dead(tx: &mut Tx, scope: Scope, limit: i64) -> Result<Vec<(EndpointId, u64)>> {
    let sql = "SELECT endpoint_id, COUNT(*) AS dead FROM
               (SELECT endpoint_id FROM delivery_exception WHERE account_id = $1 AND state = 'dead' LIMIT $2) AS first
               GROUP BY endpoint_id ORDER BY endpoint_id";
    let params = [Value::from(scope.0.0), Value::from(limit)];
    let mut counts = Vec::new();
    for row in tx.rows(sql, &params).await? {
        counts.push((
            EndpointId(row.get("endpoint_id")?),
            position(row.get("dead")?),
        ));
    }
    Ok(counts)
}

/// The exceptions of one event, at whichever destinations.
pub async fn at(tx: &mut Tx, scope: Scope, at: u64) -> Result<Vec<Exception>> {
    let sql =
        format!("SELECT {COLUMNS} FROM delivery_exception WHERE account_id = $1 AND position = $2");
    tx.rows(&sql, &[Value::from(scope.0.0), Value::from(bigint(at))])
        .await?
        .iter()
        .map(read)
        .collect()
}

fn read(row: &Row) -> Result<Exception> {
    Ok(Exception {
        account: AccountId(row.get("account_id")?),
        endpoint: EndpointId(row.get("endpoint_id")?),
        position: position(row.get("position")?),
        person: row.get("person")?,
        state: word(
            "delivery state",
            &row.get::<String>("state")?,
            ExceptionState::parse,
        )?,
        attempts: u32::try_from(row.get::<i64>("attempts")?).unwrap_or(u32::MAX),
        first_attempt_at: row.get("first_attempt_at")?,
        last_attempt_at: row.get("last_attempt_at")?,
        next_attempt_at: row.get("next_attempt_at")?,
        history: from_json("delivery attempts", &row.get::<String>("history")?)?,
    })
}
