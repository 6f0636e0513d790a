//! Rows of the database that hold what people said or destinations answered, for privacy requests: refused events, pushes
//! of the test drive, notices, and what other jobs reported.

use std::sync::Arc;

use serde_json::{Value, json};
use store::delivery::After;
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
        // Those to documents of theirs went with the documents, unless somebody died in between. Others may name them too.
        let answers = self.answers_in(work).await?;
        let mut positions: Vec<u64> = answers.iter().map(|(position, _)| *position).collect();
        positions.dedup();
        if !positions.is_empty() {
            self.forget_answers(work, &positions).await?;
        }
        work.state.count("answers", answers.len() as u64);
        Ok(Went::Done)
    }

    pub(super) async fn records_left(&self, work: &mut Work<'_>) -> Step<u64> {
        let mut left = 0;
        for place in Place::ALL {
            left += self.records_in(work, place).await?.len() as u64;
        }
        left += self.answers_in(work).await?.len() as u64;
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
        for (_, text) in self.answers_in(work).await? {
            lines.push(json!({ "record": { "place": "answers", "text": text } }));
        }
        Ok(lines)
    }

    /// What destinations answered that names these people, with the positions of what it was answered to, in order.
    async fn answers_in(&self, work: &mut Work<'_>) -> Step<Vec<(u64, String)>> {
        let (mut found, mut after) = (Vec::new(), None);
        // What is in memory.
        self.checkpoint().await?;
        loop {
            let mut tx = self.db.read().await?;
            let scope = work.run.scope();
            let rows = store::delivery::list(&mut tx, scope, None, None, (after, PAGE)).await?;
            let Some(last) = rows.last() else {
                return Ok(found);
            };
            after = Some(After {
                position: last.position,
                endpoint: last.endpoint,
            });
            for exception in &rows {
                let answers = exception.history.iter().map(|attempt| &attempt.detail);
                let theirs = answers.filter(|text| work.finder.is_in(text.as_bytes()));
                found.extend(theirs.map(|text| (exception.position, text.clone())));
            }
        }
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
