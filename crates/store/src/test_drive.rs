//! Test drives: an account's built-in endpoints, how its receiver answers, and the last pushes.

use engine::{Row, Tx, Value};
use jiff::Timestamp;
use model::test_drive::ReceiverAnswer;
use model::{AccountId, EndpointId};

use crate::{Page, Result, Scope, first, from_json, sequence, to_json, word};

/// Pushes that are kept of one account; older ones make room.
pub const PUSHES_KEPT: i64 = 100;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TestDrive {
    pub publisher: EndpointId,
    pub receiver: EndpointId,
    pub answer: ReceiverAnswer,
}

/// A push as it was sent and answered.
#[derive(Debug, Clone, PartialEq)]
pub struct TestPush {
    pub id: i64,
    pub account: AccountId,
    pub endpoint: EndpointId,
    pub sent_at: Timestamp,
    pub url: String,
    /// Names in lower case and values, without credentials.
    pub headers: Vec<(String, String)>,
    pub body: String,
    /// `status` or `failure`, `text`, `durationMs`.
    pub answer: serde_json::Value,
}

pub async fn get(tx: &mut Tx, scope: Scope) -> Result<Option<TestDrive>> {
    let sql = "SELECT publisher_id, receiver_id, answer FROM test_drive WHERE account_id = $1";
    let Some(row) = first(tx, sql, &[Value::from(scope.0.0)]).await? else {
        return Ok(None);
    };
    Ok(Some(TestDrive {
        publisher: EndpointId(row.get("publisher_id")?),
        receiver: EndpointId(row.get("receiver_id")?),
        answer: word(
            "test answer",
            &row.get::<String>("answer")?,
            ReceiverAnswer::parse,
        )?,
    }))
}

pub async fn put(tx: &mut Tx, scope: Scope, drive: &TestDrive) -> Result<()> {
    let sql = "INSERT INTO test_drive (account_id, publisher_id, receiver_id, answer) VALUES ($1, $2, $3, $4)
               ON CONFLICT (account_id) DO UPDATE SET publisher_id = excluded.publisher_id,
               receiver_id = excluded.receiver_id, answer = excluded.answer";
    let params = [
        Value::from(scope.0.0),
        Value::from(drive.publisher.0),
        Value::from(drive.receiver.0),
        Value::from(drive.answer.to_string()),
    ];
    tx.execute(sql, &params).await?;
    Ok(())
}

/// Keeps a push (its `id` is made here) and forgets those that are too old.
pub async fn add_push(tx: &mut Tx, scope: Scope, push: &TestPush) -> Result<()> {
    let id = sequence::take(tx, "test_push", 1).await?;
    let sql =
        "INSERT INTO test_push (id, account_id, endpoint_id, sent_at, url, headers, body, answer)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    let params = [
        Value::from(id),
        Value::from(scope.0.0),
        Value::from(push.endpoint.0),
        Value::from(push.sent_at),
        Value::from(push.url.as_str()),
        Value::from(to_json(&push.headers)),
        Value::from(push.body.as_str()),
        Value::from(push.answer.to_string()),
    ];
    tx.execute(sql, &params).await?;
    let sql = "DELETE FROM test_push WHERE account_id = $1 AND id <=
               (SELECT MIN(id) FROM (SELECT id FROM test_push WHERE account_id = $1 ORDER BY id DESC LIMIT $2) kept) - 1";
    tx.execute(sql, &[Value::from(scope.0.0), Value::from(PUSHES_KEPT)])
        .await?;
    Ok(())
}

/// The pushes that are kept, oldest first; of one endpoint if given.
pub async fn pushes(
    tx: &mut Tx,
    scope: Scope,
    endpoint: Option<EndpointId>,
    page: Page,
) -> Result<Vec<TestPush>> {
    let sql = "SELECT id, account_id, endpoint_id, sent_at, url, headers, body, answer FROM test_push
               WHERE account_id = $1 AND ($2 = 0 OR endpoint_id = $2) AND id > $3 ORDER BY id LIMIT $4";
    let params = [
        Value::from(scope.0.0),
        Value::from(endpoint.map_or(0, |e| e.0)),
        Value::from(page.after),
        Value::from(page.limit),
    ];
    tx.rows(sql, &params).await?.iter().map(read).collect()
}

fn read(row: &Row) -> Result<TestPush> {
    Ok(TestPush {
        id: row.get("id")?,
        account: AccountId(row.get("account_id")?),
        endpoint: EndpointId(row.get("endpoint_id")?),
        sent_at: row.get("sent_at")?,
        url: row.get("url")?,
        headers: from_json("test push", &row.get::<String>("headers")?)?,
        body: row.get("body")?,
        answer: from_json("test push", &row.get::<String>("answer")?)?,
    })
}
