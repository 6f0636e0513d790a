//! Subscriptions, and the stretches of the log for which they held.

use engine::{Row, Tx, Value};
use jiff::Timestamp;
use model::subscription::Span;
use model::{AccountId, EndpointId, Subscription, SubscriptionId};

use crate::{Page, Result, Scope, bigint, first, from_json, position, sequence};

const COLUMNS: &str =
    "id, account_id, publisher_id, code, namespace, destination_id, enabled, spans, deleted_at";

/// Adds a subscription; `id` is ignored and made here.
pub async fn insert(
    tx: &mut Tx,
    scope: Scope,
    new: &Subscription,
    now: Timestamp,
) -> Result<SubscriptionId> {
    let id = sequence::take(tx, "subscription", 1).await?;
    let sql = "INSERT INTO subscription (id, account_id, publisher_id, code, namespace, destination_id, enabled, spans, created_at)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    let params = [
        Value::from(id),
        Value::from(scope.0.0),
        Value::from(new.publisher.0),
        Value::from(new.code.as_str()),
        Value::from(new.namespace.clone()),
        Value::from(new.destination.0),
        Value::from(new.enabled),
        Value::from(spans_to(&new.spans)),
        Value::from(now),
    ];
    tx.execute(sql, &params).await?;
    Ok(SubscriptionId(id))
}

/// Writes enabled, spans and, when it ended for good, the time of its end.
pub async fn update(
    tx: &mut Tx,
    scope: Scope,
    subscription: &Subscription,
    now: Timestamp,
) -> Result<()> {
    let sql = "UPDATE subscription SET enabled = $3, spans = $4, deleted_at = $5 WHERE account_id = $1 AND id = $2";
    let params = [
        Value::from(scope.0.0),
        Value::from(subscription.id.0),
        Value::from(subscription.enabled),
        Value::from(spans_to(&subscription.spans)),
        Value::from(subscription.deleted.then_some(now)),
    ];
    tx.execute(sql, &params).await?;
    Ok(())
}

pub async fn get(tx: &mut Tx, scope: Scope, id: SubscriptionId) -> Result<Option<Subscription>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM subscription WHERE account_id = $1 AND id = $2 AND deleted_at IS NULL"
    );
    first(tx, &sql, &[Value::from(scope.0.0), Value::from(id.0)])
        .await?
        .map(|row| read(&row))
        .transpose()
}

/// Those that have not ended.
pub async fn list(tx: &mut Tx, scope: Scope, page: Page) -> Result<Vec<Subscription>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM subscription WHERE account_id = $1 AND id > $2 AND deleted_at IS NULL ORDER BY id LIMIT $3"
    );
    let params = [
        Value::from(scope.0.0),
        Value::from(page.after),
        Value::from(page.limit),
    ];
    tx.rows(&sql, &params).await?.iter().map(read).collect()
}

/// Every subscription of the installation, or of one account, ended ones included, to fill the registry at start.
pub async fn all(tx: &mut Tx, of: Option<Scope>, page: Page) -> Result<Vec<Subscription>> {
    let (page, params) = crate::page_of(of, page);
    tx.rows(
        &format!("SELECT {COLUMNS} FROM subscription {page}"),
        &params,
    )
    .await?
    .iter()
    .map(read)
    .collect()
}

/// Forgets an ended subscription that nothing in the log refers to any more.
pub async fn forget(tx: &mut Tx, scope: Scope, id: SubscriptionId) -> Result<()> {
    let sql =
        "DELETE FROM subscription WHERE account_id = $1 AND id = $2 AND deleted_at IS NOT NULL";
    tx.execute(sql, &[Value::from(scope.0.0), Value::from(id.0)])
        .await?;
    Ok(())
}

fn read(row: &Row) -> Result<Subscription> {
    Ok(Subscription {
        id: SubscriptionId(row.get("id")?),
        account: AccountId(row.get("account_id")?),
        publisher: EndpointId(row.get("publisher_id")?),
        code: row.get("code")?,
        namespace: row.get("namespace")?,
        destination: EndpointId(row.get("destination_id")?),
        enabled: row.get("enabled")?,
        deleted: row.get::<Option<i64>>("deleted_at")?.is_some(),
        spans: spans_from(&row.get::<String>("spans")?)?,
    })
}

/// `[[from,to],[from,null]]`
pub(crate) fn spans_to(spans: &[Span]) -> String {
    let pairs: Vec<(i64, Option<i64>)> = spans
        .iter()
        .map(|s| (bigint(s.from), s.to.map(bigint)))
        .collect();
    crate::to_json(&pairs)
}

pub(crate) fn spans_from(text: &str) -> Result<Vec<Span>> {
    let pairs: Vec<(i64, Option<i64>)> = from_json("spans", text)?;
    Ok(pairs
        .into_iter()
        .map(|(from, to)| Span {
            from: position(from),
            to: to.map(position),
        })
        .collect())
}
