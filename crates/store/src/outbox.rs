//! The outbox: what is to be told to others, and how the telling goes.
//!
//! A row is written in the transaction of the change that it tells of, so neither is without the other. It is claimed
//! before it is sent, by naming what was seen: of two processes one finds that it is another's. Called by `hub/outbox` and
//! `hub/flow/notify`. Payloads come sealed.

use engine::{Row, Tx, Value};
use jiff::Timestamp;
use model::{AccountId, EndpointId, OutboxId};

use crate::delivery::{ATTEMPTS_KEPT, Attempt};
use crate::{Page, Result, Scope, first, from_json, sequence, to_json, word};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OutboxKind {
    /// That a subscription or an endpoint changed.
    Notification,
    /// The call to a provider whose application was registered.
    Connect,
    Mail,
}

impl OutboxKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Notification => "notification",
            Self::Connect => "connect",
            Self::Mail => "mail",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Notification, Self::Connect, Self::Mail]
            .into_iter()
            .find(|kind| kind.as_str() == text)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OutboxState {
    /// To be sent, for the first time or again.
    Waiting,
    Sent,
    /// Will not be tried again unless somebody says so.
    Dead,
    /// Nobody wants it any more.
    Dropped,
}

impl OutboxState {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Sent => "sent",
            Self::Dead => "dead",
            Self::Dropped => "dropped",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Waiting, Self::Sent, Self::Dead, Self::Dropped]
            .into_iter()
            .find(|state| state.as_str() == text)
    }
}

/// One thing to be told, and how that went so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxRow {
    pub id: OutboxId,
    /// `None`: the operator's own.
    pub account: Option<AccountId>,
    pub endpoint: Option<EndpointId>,
    pub kind: OutboxKind,
    pub state: OutboxState,
    pub summary: String,
    /// Sealed.
    pub payload: Vec<u8>,
    /// Since it was put there, or since somebody asked for it to be sent again.
    pub attempts: u32,
    pub first_attempt_at: Option<Timestamp>,
    /// None when it will not be tried again.
    pub next_attempt_at: Option<Timestamp>,
    /// The first and the latest attempts.
    pub history: Vec<Attempt>,
    pub created_at: Timestamp,
    pub ended_at: Option<Timestamp>,
}

impl OutboxRow {
    /// Adds an attempt, keeping the first and the latest ones.
    pub fn record(&mut self, attempt: Attempt) {
        self.attempts += 1;
        self.first_attempt_at = self.first_attempt_at.or(Some(attempt.at));
        if self.history.len() >= ATTEMPTS_KEPT {
            self.history.remove(1);
        }
        self.history.push(attempt);
    }
}

/// What is put into the outbox.
#[derive(Debug)]
pub struct NewRow<'a> {
    pub id: OutboxId,
    pub endpoint: Option<EndpointId>,
    pub kind: OutboxKind,
    pub lane: &'a str,
    pub summary: &'a str,
    /// Sealed.
    pub payload: Vec<u8>,
}

/// Who sends, and what claims of others count.
#[derive(Debug, Clone, Copy)]
pub struct Claimant<'a> {
    pub process: &'a str,
    /// No other process lives: what others claimed is free.
    pub is_alone: bool,
}

/// A lane in which something is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lane {
    pub lane: String,
    pub account: Option<AccountId>,
    /// Something in it was never tried.
    pub has_first: bool,
}

const COLUMNS: &str = "id, account_id, endpoint_id, kind, state, summary, payload, attempts, first_attempt_at, next_attempt_at, history, created_at, ended_at";

/// What may be sent by whom: `$1` is now, `$2` the process, `$3` whether it is alone.
const DUE: &str = "state = 'waiting' AND next_attempt_at <= $1
    AND (claimed_until IS NULL OR claimed_until <= $1 OR ($3 = 1 AND claimed_by <> $2))";

fn due(by: Claimant<'_>, now: Timestamp) -> Vec<Value> {
    vec![now.into(), by.process.into(), by.is_alone.into()]
}

/// The id of what will be put into the outbox; its payload is sealed for it.
pub async fn take_id(tx: &mut Tx) -> Result<OutboxId> {
    Ok(OutboxId(sequence::take(tx, "outbox", 1).await?))
}

pub async fn insert(
    tx: &mut Tx,
    scope: Option<Scope>,
    new: NewRow<'_>,
    now: Timestamp,
) -> Result<()> {
    let sql = "INSERT INTO outbox (id, account_id, endpoint_id, kind, lane, state, summary, payload, attempts, next_attempt_at, history, created_at)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, $9, '[]', $9)";
    let params = [
        Value::from(new.id.0),
        Value::from(scope.map(|s| s.0.0)),
        Value::from(new.endpoint.map(|e| e.0)),
        Value::from(new.kind.as_str()),
        Value::from(new.lane),
        Value::from(OutboxState::Waiting.as_str()),
        Value::from(new.summary),
        Value::from(new.payload),
        Value::from(now),
    ];
    tx.execute(sql, &params).await?;
    Ok(())
}

/// Lanes in which something may be sent now: those that were due first come first.
pub async fn due_lanes(
    tx: &mut Tx,
    by: Claimant<'_>,
    now: Timestamp,
    limit: i64,
) -> Result<Vec<Lane>> {
    let sql = format!(
        "SELECT lane, account_id, MIN(attempts) AS fewest FROM outbox WHERE {DUE}
         GROUP BY lane, account_id ORDER BY MIN(next_attempt_at), lane LIMIT $4"
    );
    let mut params = due(by, now);
    params.push(limit.into());
    let mut lanes = Vec::new();
    for row in tx.rows(&sql, &params).await? {
        lanes.push(Lane {
            lane: row.get("lane")?,
            account: row.get::<Option<i64>>("account_id")?.map(AccountId),
            has_first: row.get::<i64>("fewest")? == 0,
        });
    }
    Ok(lanes)
}

/// Claims what is to be sent next in a lane: what was never tried in the order of ids, then what is due again. `None`:
/// nothing, or another process was faster.
pub async fn claim(
    tx: &mut Tx,
    lane: &str,
    by: Claimant<'_>,
    (now, until): (Timestamp, Timestamp),
) -> Result<Option<OutboxRow>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM outbox WHERE lane = $4 AND {DUE}
         ORDER BY CASE WHEN attempts = 0 THEN 0 ELSE 1 END, CASE WHEN attempts = 0 THEN id ELSE next_attempt_at END, id LIMIT 1"
    );
    let mut params = due(by, now);
    params.push(lane.into());
    let Some(row) = first(tx, &sql, &params).await? else {
        return Ok(None);
    };
    let row = read(&row)?;
    let sql = format!(
        "UPDATE outbox SET claimed_by = $2, claimed_until = $4 WHERE id = $5 AND attempts = $6 AND {DUE}"
    );
    let mut params = due(by, now);
    params.push(until.into());
    params.push(row.id.0.into());
    params.push(i64::from(row.attempts).into());
    let claimed = tx.execute(&sql, &params).await? > 0;
    Ok(claimed.then_some(row))
}

/// Writes how an attempt ended and gives the claim up; `false` if it was no longer this process's.
pub async fn finish(tx: &mut Tx, process: &str, row: &OutboxRow) -> Result<bool> {
    let sql = "UPDATE outbox SET state = $3, attempts = $4, first_attempt_at = $5, next_attempt_at = $6, history = $7, ended_at = $8,
                                 claimed_by = NULL, claimed_until = NULL
               WHERE id = $1 AND claimed_by = $2 AND state = 'waiting'";
    let params = [
        Value::from(row.id.0),
        Value::from(process),
        Value::from(row.state.as_str()),
        Value::from(i64::from(row.attempts)),
        Value::from(row.first_attempt_at),
        Value::from(row.next_attempt_at),
        Value::from(to_json(&row.history)),
        Value::from(row.ended_at),
    ];
    Ok(tx.execute(sql, &params).await? > 0)
}

/// Which rows of a list.
#[derive(Debug, Clone, Copy, Default)]
pub struct OutboxFilter {
    pub state: Option<OutboxState>,
    pub kind: Option<OutboxKind>,
    pub endpoint: Option<EndpointId>,
}

/// Rows of one account, or of all and the operator's own.
pub async fn list(
    tx: &mut Tx,
    scope: Option<Scope>,
    filter: OutboxFilter,
    page: Page,
) -> Result<Vec<OutboxRow>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM outbox WHERE ($1 = 0 OR account_id = $1) AND ($2 = '' OR state = $2) AND ($3 = '' OR kind = $3)
         AND ($4 = 0 OR endpoint_id = $4) AND id > $5 ORDER BY id LIMIT $6"
    );
    let params = [
        Value::from(scope.map_or(0, |s| s.0.0)),
        Value::from(filter.state.map_or("", OutboxState::as_str)),
        Value::from(filter.kind.map_or("", OutboxKind::as_str)),
        Value::from(filter.endpoint.map_or(0, |e| e.0)),
        Value::from(page.after),
        Value::from(page.limit),
    ];
    tx.rows(&sql, &params).await?.iter().map(read).collect()
}

/// A row of an account; without a scope, any.
pub async fn get(tx: &mut Tx, scope: Option<Scope>, id: OutboxId) -> Result<Option<OutboxRow>> {
    let sql = format!("SELECT {COLUMNS} FROM outbox WHERE ($1 = 0 OR account_id = $1) AND id = $2");
    let params = [Value::from(scope.map_or(0, |s| s.0.0)), Value::from(id.0)];
    first(tx, &sql, &params)
        .await?
        .map(|row| read(&row))
        .transpose()
}

/// Makes a row due now as if it had never been tried; what was tried stays in its history. `false`: it has been sent or
/// dropped, or is being sent.
pub async fn restart(
    tx: &mut Tx,
    scope: Option<Scope>,
    id: OutboxId,
    now: Timestamp,
) -> Result<bool> {
    let sql = "UPDATE outbox SET state = 'waiting', attempts = 0, first_attempt_at = NULL, next_attempt_at = $3, ended_at = NULL
               WHERE ($1 = 0 OR account_id = $1) AND id = $2 AND state IN ('waiting', 'dead')
               AND (claimed_until IS NULL OR claimed_until <= $3)";
    let params = [
        Value::from(scope.map_or(0, |s| s.0.0)),
        Value::from(id.0),
        Value::from(now),
    ];
    Ok(tx.execute(sql, &params).await? > 0)
}

/// Makes all notifications of an endpoint that wait for another attempt due now.
pub async fn wake(tx: &mut Tx, scope: Scope, endpoint: EndpointId, now: Timestamp) -> Result<()> {
    let sql = "UPDATE outbox SET next_attempt_at = $3
               WHERE account_id = $1 AND endpoint_id = $2 AND kind = 'notification' AND state = 'waiting' AND next_attempt_at > $3";
    let params = [
        Value::from(scope.0.0),
        Value::from(endpoint.0),
        Value::from(now),
    ];
    tx.execute(sql, &params).await?;
    Ok(())
}

/// Drops the notifications of an endpoint that wait and are not being sent.
pub async fn drop_waiting(
    tx: &mut Tx,
    scope: Scope,
    endpoint: EndpointId,
    now: Timestamp,
) -> Result<()> {
    let sql = "UPDATE outbox SET state = 'dropped', next_attempt_at = NULL, ended_at = $3
               WHERE account_id = $1 AND endpoint_id = $2 AND kind = 'notification' AND state = 'waiting'
               AND (claimed_until IS NULL OR claimed_until <= $3)";
    let params = [
        Value::from(scope.0.0),
        Value::from(endpoint.0),
        Value::from(now),
    ];
    tx.execute(sql, &params).await?;
    Ok(())
}

/// Forgets what was sent or dropped before one time, and what died before another; answers how many rows.
pub async fn expire(
    tx: &mut Tx,
    sent_before: Timestamp,
    dead_before: Timestamp,
    limit: i64,
) -> Result<u64> {
    let sql = "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox
               WHERE (state IN ('sent', 'dropped') AND ended_at < $1) OR (state = 'dead' AND ended_at < $2) LIMIT $3)";
    let params = [
        Value::from(sent_before),
        Value::from(dead_before),
        Value::from(limit),
    ];
    Ok(tx.execute(sql, &params).await?)
}

fn read(row: &Row) -> Result<OutboxRow> {
    Ok(OutboxRow {
        id: OutboxId(row.get("id")?),
        account: row.get::<Option<i64>>("account_id")?.map(AccountId),
        endpoint: row.get::<Option<i64>>("endpoint_id")?.map(EndpointId),
        kind: word(
            "outbox kind",
            &row.get::<String>("kind")?,
            OutboxKind::parse,
        )?,
        state: word(
            "outbox state",
            &row.get::<String>("state")?,
            OutboxState::parse,
        )?,
        summary: row.get("summary")?,
        payload: row.get("payload")?,
        attempts: u32::try_from(row.get::<i64>("attempts")?).unwrap_or(u32::MAX),
        first_attempt_at: row.get("first_attempt_at")?,
        next_attempt_at: row.get("next_attempt_at")?,
        history: from_json("outbox history", &row.get::<String>("history")?)?,
        created_at: row.get("created_at")?,
        ended_at: row.get("ended_at")?,
    })
}

#[cfg(test)]
mod tests {
    use engine::Db;

    use super::*;

    const SCOPE: Scope = Scope(AccountId(7));

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + second).expect("in range")
    }

    fn by(process: &str) -> Claimant<'_> {
        Claimant {
            process,
            is_alone: false,
        }
    }

    async fn fresh(directory: &tempfile::TempDir) -> Db {
        let db = Db::open_sqlite(&directory.path().join("db")).await;
        let db = db.expect("opens");
        crate::migrate(&db).await.expect("migrates");
        db
    }

    async fn put(tx: &mut Tx, lane: &str) -> OutboxId {
        let id = take_id(tx).await.expect("an id");
        let row = NewRow {
            id,
            endpoint: Some(EndpointId(1)),
            kind: OutboxKind::Notification,
            lane,
            summary: "Add buy",
            payload: vec![1],
        };
        insert(tx, Some(SCOPE), row, at(0)).await.expect("a row");
        id
    }

    #[tokio::test]
    async fn a_row_is_claimed_by_one_until_its_time_is_up() {
        let directory = tempfile::tempdir().expect("a directory");
        let db = fresh(&directory).await;
        let mut tx = db.begin().await.expect("a transaction");
        let id = put(&mut tx, "a").await;
        let row = claim(&mut tx, "a", by("one"), (at(1), at(61))).await;
        let mut row = row.expect("reads").expect("it is free");
        assert_eq!((row.id, row.state), (id, OutboxState::Waiting));
        for (process, second, is_free) in
            [("two", 60, false), ("one", 60, false), ("two", 61, true)]
        {
            let lanes = due_lanes(&mut tx, by(process), at(second), 10)
                .await
                .expect("reads");
            assert_eq!(!lanes.is_empty(), is_free, "{process} {second}");
        }
        let alone = |process| Claimant {
            process,
            is_alone: true,
        };
        assert!(
            due_lanes(&mut tx, alone("one"), at(2), 10)
                .await
                .expect("reads")
                .is_empty()
        );
        let after_a_crash = due_lanes(&mut tx, alone("two"), at(2), 10)
            .await
            .expect("reads");
        assert!(after_a_crash[0].has_first, "nobody else lives");

        let taken = claim(&mut tx, "a", by("two"), (at(61), at(121)))
            .await
            .expect("reads");
        assert!(taken.is_some());
        row.state = OutboxState::Sent;
        assert!(
            !finish(&mut tx, "one", &row).await.expect("writes"),
            "it was taken over"
        );
        assert!(finish(&mut tx, "two", &row).await.expect("writes"));
        assert!(!finish(&mut tx, "two", &row).await.expect("writes"), "once");
    }

    #[tokio::test]
    async fn first_attempts_come_in_order_and_before_others() {
        let directory = tempfile::tempdir().expect("a directory");
        let db = fresh(&directory).await;
        let mut tx = db.begin().await.expect("a transaction");
        let ids = [
            put(&mut tx, "a").await,
            put(&mut tx, "b").await,
            put(&mut tx, "a").await,
        ];
        let mut claimed = Vec::new();
        for _ in 0..3 {
            let row = claim(&mut tx, "a", by("one"), (at(1), at(2)))
                .await
                .expect("reads");
            let Some(mut row) = row else { break };
            claimed.push(row.id);
            row.attempts += 1;
            row.next_attempt_at = Some(at(1));
            assert!(finish(&mut tx, "one", &row).await.expect("writes"));
        }
        assert_eq!(claimed, [ids[0], ids[2], ids[0]]);
        assert_eq!(
            claim(&mut tx, "a", by("one"), (at(0), at(2)))
                .await
                .expect("reads"),
            None,
            "not due"
        );
        let lanes = due_lanes(&mut tx, by("one"), at(1), 10)
            .await
            .expect("reads");
        let found: Vec<(&str, bool)> = lanes
            .iter()
            .map(|l| (l.lane.as_str(), l.has_first))
            .collect();
        assert_eq!(found, [("b", true), ("a", false)]);
    }
}
