//! Rows in which people may be named in running text: found and forgotten for privacy requests.

use engine::{Tx, Value};

use crate::{Page, Result, Scope};

/// A kind of such rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Refused events.
    Quarantine,
    /// What a test drive's receiver got.
    TestPushes,
    Notices,
    /// What jobs that have ended say of themselves.
    Jobs,
}

impl Place {
    pub const ALL: [Self; 4] = [
        Self::Quarantine,
        Self::TestPushes,
        Self::Notices,
        Self::Jobs,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Quarantine => "quarantine",
            Self::TestPushes => "test pushes",
            Self::Notices => "notices",
            Self::Jobs => "jobs",
        }
    }

    /// Ids and texts of the account's rows after an id.
    const fn select(self) -> &'static str {
        match self {
            Self::Quarantine => {
                "SELECT id, body || ' ' || violations AS text FROM quarantine WHERE account_id = $1 AND id > $2 ORDER BY id LIMIT $3"
            }
            Self::TestPushes => {
                "SELECT id, url || ' ' || headers || ' ' || body || ' ' || answer AS text FROM test_push
                 WHERE account_id = $1 AND id > $2 ORDER BY id LIMIT $3"
            }
            Self::Notices => {
                "SELECT id, message AS text FROM notice WHERE account_id = $1 AND id > $2 ORDER BY id LIMIT $3"
            }
            Self::Jobs => {
                "SELECT id, state || ' ' || report || ' ' || COALESCE(metadata, '') || ' ' || COALESCE(error, '') AS text FROM job
                 WHERE account_id = $1 AND id > $2 AND status IN ('COMPLETED', 'FAILED', 'CANCELED') ORDER BY id LIMIT $3"
            }
        }
    }

    const fn forget(self) -> &'static str {
        match self {
            Self::Quarantine => "DELETE FROM quarantine WHERE account_id = $1 AND id = $2",
            Self::TestPushes => "DELETE FROM test_push WHERE account_id = $1 AND id = $2",
            Self::Notices => "DELETE FROM notice WHERE account_id = $1 AND id = $2",
            Self::Jobs => {
                "UPDATE job SET state = '{}', report = '{}', metadata = NULL, error = NULL, revision = revision + 1
                 WHERE account_id = $1 AND id = $2"
            }
        }
    }
}

/// A page of rows: their ids and texts.
pub async fn texts(
    tx: &mut Tx,
    scope: Scope,
    place: Place,
    page: Page,
) -> Result<Vec<(i64, String)>> {
    let params = [
        Value::from(scope.0.0),
        Value::from(page.after),
        Value::from(page.limit),
    ];
    let rows = tx.rows(place.select(), &params).await?;
    rows.iter()
        .map(|row| Ok((row.get("id")?, row.get("text")?)))
        .collect()
}

pub async fn forget(tx: &mut Tx, scope: Scope, place: Place, ids: &[i64]) -> Result<()> {
    let rows = ids.iter().map(|id| vec![scope.0.0.into(), (*id).into()]);
    tx.execute_many(place.forget(), rows.collect()).await?;
    Ok(())
}
