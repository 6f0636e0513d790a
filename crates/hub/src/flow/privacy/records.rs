//! Rows of the database that hold what people said or destinations answered, for privacy requests: refused events, pushes
//! of the test drive, notices, and what other jobs reported.

use std::sync::Arc;

use serde_json::{Value, json};
use store::privacy::Place;

use super::{Step, Went, Work};
use crate::{Hub, Page};

/// Rows looked at at once.
const PAGE: i64 = 500;

impl Hub {
    pub(super) async fn privacy_records(self: &Arc<Self>, work: &mut Work<'_>) -> Step<Went> {
        for place in Place::ALL {
            let gone = self.records_in(work, place).await?;
            let ids: Vec<i64> = gone.iter().map(|(id, _)| *id).collect();
            let mut tx = self.db.begin().await?;
            store::privacy::forget(&mut tx, work.run.scope(), place, &ids).await?;
            tx.commit().await?;
            work.state.count(place.as_str(), ids.len() as u64);
        }
        Ok(Went::Done)
    }

    pub(super) async fn records_left(&self, work: &mut Work<'_>) -> Step<u64> {
        let mut left = 0;
        for place in Place::ALL {
            left += self.records_in(work, place).await?.len() as u64;
        }
        Ok(left)
    }

    /// The same rows, for their person to read.
    pub(super) async fn records_of(&self, work: &mut Work<'_>) -> Step<Vec<Value>> {
        let mut lines = Vec::new();
        for place in Place::ALL {
            for (_, text) in self.records_in(work, place).await? {
                lines.push(json!({ "record": { "place": place.as_str(), "text": text } }));
            }
        }
        Ok(lines)
    }

    async fn records_in(&self, work: &mut Work<'_>, place: Place) -> Step<Vec<(i64, String)>> {
        let (mut found, mut after) = (Vec::new(), 0);
        let own = (place == Place::Jobs).then_some(work.run.job.id.0);
        loop {
            let mut tx = self.db.read().await?;
            let page = Page { after, limit: PAGE };
            let rows = store::privacy::texts(&mut tx, work.run.scope(), place, page).await?;
            let Some((last, _)) = rows.last() else {
                return Ok(found);
            };
            after = *last;
            let is_theirs =
                |(id, text): &(i64, String)| Some(*id) != own && work.finder.is_in(text.as_bytes());
            found.extend(rows.into_iter().filter(is_theirs));
        }
    }
}
