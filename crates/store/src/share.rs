//! Shares: what goes where, when, and how the last run went. Called by `hub/share`, `hub/flow/share` and, for the
//! segment that a first run creates, `hub/flow/syndicate`.
//!
//! A share is changed by calls and by the flow; each change raises its `revision` and is written only on the revision that
//! was read.

use engine::{Row, Tx, Value};
use jiff::Timestamp;
use model::share::{DestinationSegment, Share, ShareStatus};
use model::{AccountId, EndpointId, JobId, SegmentId, ShareId};

use crate::{Page, Result, Scope, first, from_json, sequence, to_json, word};

const COLUMNS: &str = "id, account_id, plan, schedule, status, reason, next_at, last_job_id, last_run_at, skipped, revision, created_at, updated_at";

/// The id of what will be inserted: a plan names its share.
pub async fn take_id(tx: &mut Tx) -> Result<ShareId> {
    Ok(ShareId(sequence::take(tx, "share", 1).await?))
}

pub async fn insert(tx: &mut Tx, scope: Scope, share: &Share) -> Result<()> {
    let sql = "INSERT INTO share (id, account_id, source_id, destination_id, plan, schedule, status, reason, next_at, last_job_id, last_run_at,
                   skipped, revision, created_at, updated_at)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 1, $13, $13)";
    let params = [
        Value::from(share.id.0),
        Value::from(scope.0.0),
        Value::from(share.plan.source.0),
        Value::from(share.plan.destination.0),
        Value::from(to_json(&share.plan)),
        Value::from(to_json(&share.schedule)),
        Value::from(share.status.as_str()),
        Value::from(share.reason.as_deref()),
        Value::from(share.next_at),
        Value::from(share.last_job.map(|job| job.0)),
        Value::from(share.last_run_at),
        Value::from(share.skipped),
        Value::from(share.created_at),
    ];
    tx.execute(sql, &params).await?;
    Ok(())
}

/// Writes a share as it is, if it still has the revision that is named in it; `false` if somebody changed it meanwhile.
/// What never changes (the plan but for its segment, the times of creation) is not written.
pub async fn update(tx: &mut Tx, scope: Scope, share: &Share, now: Timestamp) -> Result<bool> {
    let sql = "UPDATE share SET schedule = $4, status = $5, reason = $6, next_at = $7, last_job_id = $8, last_run_at = $9, skipped = $10,
                   updated_at = $11, ended_at = $12, revision = revision + 1
               WHERE account_id = $1 AND id = $2 AND revision = $3";
    let has_ended = share.status == ShareStatus::Ended;
    let params = [
        Value::from(scope.0.0),
        Value::from(share.id.0),
        Value::from(share.revision),
        Value::from(to_json(&share.schedule)),
        Value::from(share.status.as_str()),
        Value::from(share.reason.as_deref()),
        Value::from(share.next_at),
        Value::from(share.last_job.map(|job| job.0)),
        Value::from(share.last_run_at),
        Value::from(share.skipped),
        Value::from(now),
        Value::from(has_ended.then_some(now)),
    ];
    Ok(tx.execute(sql, &params).await? > 0)
}

/// Notes the audience at the destination that a run has created, so that later runs do not create another.
pub async fn set_destination_segment(
    tx: &mut Tx,
    scope: Scope,
    id: ShareId,
    segment: &SegmentId,
) -> Result<()> {
    let Some(share) = get(tx, scope, id).await? else {
        return Ok(());
    };
    let mut plan = share.plan;
    plan.destination_segment = DestinationSegment {
        id: Some(segment.clone()),
        ..plan.destination_segment
    };
    // Nothing else changes a plan.
    let sql = "UPDATE share SET plan = $3 WHERE account_id = $1 AND id = $2";
    let params = [
        Value::from(scope.0.0),
        Value::from(id.0),
        Value::from(to_json(&plan)),
    ];
    tx.execute(sql, &params).await?;
    Ok(())
}

pub async fn get(tx: &mut Tx, scope: Scope, id: ShareId) -> Result<Option<Share>> {
    let sql = format!("SELECT {COLUMNS} FROM share WHERE account_id = $1 AND id = $2");
    first(tx, &sql, &[Value::from(scope.0.0), Value::from(id.0)])
        .await?
        .map(|row| read(&row))
        .transpose()
}

/// Which shares of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ShareView {
    #[default]
    All,
    /// Those that will run by themselves, once they are resumed if they are paused.
    Scheduled,
    /// Those that ran since this time.
    RecentSince(Timestamp),
    /// Those that have ended, and those that neither ran since this time nor will by themselves.
    HistoricalBefore(Timestamp),
}

impl ShareView {
    /// What a row has to satisfy; `$5` is the time.
    fn condition(self) -> (&'static str, Option<Timestamp>) {
        match self {
            Self::All => ("($5 = 0)", None),
            Self::Scheduled => (
                "($5 = 0 AND (next_at IS NOT NULL OR status = 'PAUSED'))",
                None,
            ),
            Self::RecentSince(since) => ("(last_run_at >= $5)", Some(since)),
            Self::HistoricalBefore(before) => (
                "(status = 'ENDED' OR (status = 'ACTIVE' AND next_at IS NULL AND (last_run_at IS NULL OR last_run_at < $5)))",
                Some(before),
            ),
        }
    }
}

/// Shares in the order of their ids; with an endpoint, those from it or to it.
pub async fn list(
    tx: &mut Tx,
    scope: Scope,
    (view, endpoint): (ShareView, Option<EndpointId>),
    page: Page,
) -> Result<Vec<Share>> {
    let (condition, time) = view.condition();
    let sql = format!(
        "SELECT {COLUMNS} FROM share WHERE account_id = $1 AND id > $2 AND ($4 = 0 OR source_id = $4 OR destination_id = $4)
         AND {condition} ORDER BY id LIMIT $3"
    );
    let params = [
        Value::from(scope.0.0),
        Value::from(page.after),
        Value::from(page.limit),
        Value::from(endpoint.map_or(0, |e| e.0)),
        time.map_or(Value::from(0_i64), Value::from),
    ];
    tx.rows(&sql, &params).await?.iter().map(read).collect()
}

/// Shares of all accounts that are due, the one that waits longest first.
pub async fn due(tx: &mut Tx, now: Timestamp, limit: i64) -> Result<Vec<Share>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM share WHERE next_at <= $1 AND status = 'ACTIVE' ORDER BY next_at, id LIMIT $2"
    );
    let params = [Value::from(now), Value::from(limit)];
    tx.rows(&sql, &params).await?.iter().map(read).collect()
}

/// Forgets shares that ended before this time and of which no job is kept; answers how many.
pub async fn expire(tx: &mut Tx, before: Timestamp, limit: i64) -> Result<u64> {
    let sql = "DELETE FROM share WHERE id IN (SELECT id FROM share WHERE ended_at < $1
               AND NOT EXISTS (SELECT 1 FROM job WHERE job.share_id = share.id) LIMIT $2)";
    Ok(tx
        .execute(sql, &[Value::from(before), Value::from(limit)])
        .await?)
}

fn read(row: &Row) -> Result<Share> {
    Ok(Share {
        id: ShareId(row.get("id")?),
        account: AccountId(row.get("account_id")?),
        plan: from_json("share plan", &row.get::<String>("plan")?)?,
        schedule: from_json("share schedule", &row.get::<String>("schedule")?)?,
        status: word(
            "share status",
            &row.get::<String>("status")?,
            ShareStatus::parse,
        )?,
        reason: row.get("reason")?,
        next_at: row.get("next_at")?,
        last_job: row.get::<Option<i64>>("last_job_id")?.map(JobId),
        last_run_at: row.get("last_run_at")?,
        skipped: u32::try_from(row.get::<i64>("skipped")?).unwrap_or(u32::MAX),
        revision: row.get("revision")?,
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
    })
}

#[cfg(test)]
mod tests {
    use engine::Db;
    use model::share::{Plan, Schedule};

    use super::*;

    const SCOPE: Scope = Scope(AccountId(7));

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + second).expect("in range")
    }

    fn plan(id: ShareId) -> Plan {
        let text = serde_json::json!({
            "shareId": id, "sourceEndpointId": 1, "segmentId": 8_000_000_000_000_001_152_i64, "destinationEndpointId": 2,
            "destinationSegment": { "id": null, "name": "Gold", "description": null }, "shareAction": "ADD",
            "identifier": { "source": "email", "destination": "Email" },
        });
        serde_json::from_value(text).expect("a plan")
    }

    async fn put(tx: &mut Tx, change: impl FnOnce(&mut Share)) -> ShareId {
        let id = take_id(tx).await.expect("an id");
        let mut share = Share {
            id,
            account: SCOPE.0,
            plan: plan(id),
            schedule: Schedule::Now,
            status: ShareStatus::Active,
            reason: None,
            next_at: None,
            last_job: None,
            last_run_at: None,
            skipped: 0,
            revision: 1,
            created_at: at(0),
            updated_at: at(0),
        };
        change(&mut share);
        insert(tx, SCOPE, &share).await.expect("a row");
        let read = get(tx, SCOPE, id).await.expect("reads");
        assert_eq!(read, Some(share), "it comes back as it went");
        id
    }

    async fn fresh(directory: &tempfile::TempDir) -> Db {
        let db = Db::open_sqlite(&directory.path().join("db")).await;
        let db = db.expect("opens");
        crate::migrate(&db).await.expect("migrates");
        db
    }

    #[tokio::test]
    async fn of_two_that_change_a_share_one_finds_out() {
        let directory = tempfile::tempdir().expect("a directory");
        let db = fresh(&directory).await;
        let mut tx = db.begin().await.expect("a transaction");
        let id = put(&mut tx, |_| {}).await;
        let share = get(&mut tx, SCOPE, id)
            .await
            .expect("reads")
            .expect("there");
        assert!(update(&mut tx, SCOPE, &share, at(1)).await.expect("writes"));
        assert!(!update(&mut tx, SCOPE, &share, at(1)).await.expect("writes"));
        let segment = SegmentId::Number(i64::MAX);
        set_destination_segment(&mut tx, SCOPE, id, &segment)
            .await
            .expect("writes");
        let share = get(&mut tx, SCOPE, id)
            .await
            .expect("reads")
            .expect("there");
        assert_eq!(share.plan.destination_segment.id, Some(segment));
        assert_eq!((share.revision, share.updated_at), (2, at(1)));
        let other = Scope(AccountId(8));
        assert_eq!(get(&mut tx, other, id).await.expect("reads"), None);
        assert!(!update(&mut tx, other, &share, at(2)).await.expect("writes"));
    }

    #[tokio::test]
    async fn lists_tell_what_will_run_what_ran_and_what_is_over() {
        let directory = tempfile::tempdir().expect("a directory");
        let db = fresh(&directory).await;
        let mut tx = db.begin().await.expect("a transaction");
        let due_now = put(&mut tx, |s| s.next_at = Some(at(5))).await;
        let later = put(&mut tx, |s| s.next_at = Some(at(50))).await;
        let paused = put(&mut tx, |s| s.status = ShareStatus::Paused).await;
        let ran = put(&mut tx, |s| s.last_run_at = Some(at(9))).await;
        let ran_before = put(&mut tx, |s| s.last_run_at = Some(at(1))).await;
        let ended = put(&mut tx, |s| {
            s.status = ShareStatus::Ended;
            s.plan.source = EndpointId(9);
        })
        .await;
        let page = Page {
            after: 0,
            limit: 10,
        };
        let due = due(&mut tx, at(5), 10).await.expect("reads");
        assert_eq!(due.iter().map(|s| s.id).collect::<Vec<_>>(), [due_now]);
        for (view, expected) in [
            (
                ShareView::All,
                vec![due_now, later, paused, ran, ran_before, ended],
            ),
            (ShareView::Scheduled, vec![due_now, later, paused]),
            (ShareView::RecentSince(at(9)), vec![ran]),
            (ShareView::HistoricalBefore(at(9)), vec![ran_before, ended]),
        ] {
            let found = list(&mut tx, SCOPE, (view, None), page)
                .await
                .expect("reads");
            assert_eq!(
                found.iter().map(|s| s.id).collect::<Vec<_>>(),
                expected,
                "{view:?}"
            );
        }
        let theirs = (ShareView::All, Some(EndpointId(9)));
        let found = list(&mut tx, SCOPE, theirs, page).await.expect("reads");
        assert_eq!(found.iter().map(|s| s.id).collect::<Vec<_>>(), [ended]);
        let others = list(&mut tx, Scope(AccountId(8)), (ShareView::All, None), page).await;
        assert_eq!(others.expect("reads"), []);
    }

    #[tokio::test]
    async fn what_ended_is_forgotten_after_its_jobs() {
        let directory = tempfile::tempdir().expect("a directory");
        let db = fresh(&directory).await;
        let mut tx = db.begin().await.expect("a transaction");
        let id = put(&mut tx, |_| {}).await;
        let mut share = get(&mut tx, SCOPE, id)
            .await
            .expect("reads")
            .expect("there");
        assert_eq!(
            expire(&mut tx, at(99), 10).await.expect("deletes"),
            0,
            "it goes on"
        );
        share.status = ShareStatus::Ended;
        assert!(update(&mut tx, SCOPE, &share, at(1)).await.expect("writes"));
        assert_eq!(
            expire(&mut tx, at(1), 10).await.expect("deletes"),
            0,
            "not long enough"
        );
        assert_eq!(expire(&mut tx, at(2), 10).await.expect("deletes"), 1);
    }
}
