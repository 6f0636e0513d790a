//! What the router leaves out because it was published before, where several processes publish.
//!
//! Publishers' keys are claimed in the database before an append (`dedupe`), so a repeat hardly ever gets into the log.
//! It does when a process dies, or is cut off, between its append and the end of its claim, and the publisher repeats
//! the call. The log has an order, so the router decides: of two with the same key the first one counts. A document is
//! left out when all its events were published before; a publication, when its call was.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use engine::Batch;
use model::record::{Digest16, Entry};

use crate::shard::Shard;
use crate::{Hub, Result};

/// Positions that are not routed.
#[derive(Debug, Default)]
pub(super) struct Repeats(HashSet<u64>);

impl Repeats {
    pub(super) fn is_left_out(&self, position: u64) -> bool {
        self.0.contains(&position)
    }
}

/// A key, where it was met, and the body that a call with it had.
struct Met {
    digest: Digest16,
    position: u64,
    body: Option<Digest16>,
}

impl Hub {
    /// What of these batches of one shard must not be routed.
    pub(super) async fn find_repeats(
        &self,
        shard: Shard,
        batches: &[Arc<Batch>],
    ) -> Result<Repeats> {
        if !self.is_shared() {
            // One process settles its publishers' keys in memory, before it appends.
            return Ok(Repeats::default());
        }
        let Some(begin) = batches.first().map(|batch| batch.appended_at()) else {
            return Ok(Repeats::default());
        };
        let met: Vec<Met> = batches.iter().flat_map(|batch| keys(batch)).collect();
        if met.is_empty() {
            return Ok(Repeats::default());
        }
        let events: Vec<Digest16> = met
            .iter()
            .filter(|met| met.body.is_none())
            .map(|met| met.digest)
            .collect();
        // Memory before the store: keys move from here to there with a checkpoint, which may happen meanwhile. Looked for
        // the other way round, one that moves is in neither.
        let Some(recent) = self.flow.recent(shard, &met) else {
            return Ok(Repeats::default());
        };
        let mut tx = self.db.read().await?;
        let mut first: HashMap<Digest16, u64> = HashMap::new();
        for key in store::dedupe::events(&mut tx, &events, begin).await? {
            first.insert(key.digest, key.position);
        }
        for met in &met {
            let Some(body) = met.body else { continue };
            let known = store::dedupe::idempotency(&mut tx, met.digest, begin).await?;
            // With another body it is another call, which an earlier claim would have refused: it is not lost here.
            if let Some(known) = known.filter(|known| known.body == body) {
                first.insert(met.digest, known.position);
            }
        }
        drop(tx);
        let mut state = self.flow.state();
        let Some(held) = state.held.get_mut(&shard) else {
            return Ok(Repeats::default());
        };
        for met in &met {
            let known = recent.get(&met.digest).copied();
            let again = held.recent.get(&met.digest).copied();
            let stored = first.get(&met.digest).copied();
            // A position in the store may be that of the repeat, whose claim ended first.
            let earliest = [known, again, stored, Some(met.position)]
                .into_iter()
                .flatten()
                .min();
            let earliest = earliest.unwrap_or(met.position);
            held.recent.insert(met.digest, earliest);
            first.insert(met.digest, earliest);
        }
        Ok(left_out(batches, &first))
    }
}

impl super::Flow {
    /// Where those of these keys were met first that no checkpoint has saved yet; `None` if the shard is not held.
    fn recent(&self, shard: Shard, met: &[Met]) -> Option<HashMap<Digest16, u64>> {
        let state = self.state();
        let held = state.held.get(&shard)?;
        let found = met
            .iter()
            .filter_map(|met| Some((met.digest, *held.recent.get(&met.digest)?)));
        Some(found.collect())
    }
}

/// The keys of a batch, in order.
fn keys(batch: &Batch) -> Vec<Met> {
    let mut met = Vec::new();
    for (position, bytes) in batch.iter() {
        let position = position.as_u64();
        let Ok(entry) = Entry::decode(bytes) else {
            continue;
        };
        if let Some(idempotency) = entry.idempotency() {
            met.push(Met {
                digest: idempotency.key,
                position,
                body: Some(idempotency.body),
            });
        }
        if let Entry::Document(document) = entry {
            let keys = document.events.iter().filter_map(|event| event.key);
            met.extend(keys.map(|digest| Met {
                digest,
                position,
                body: None,
            }));
        }
    }
    met
}

fn left_out(batches: &[Arc<Batch>], first: &HashMap<Digest16, u64>) -> Repeats {
    let is_repeat =
        |digest: &Digest16, position| first.get(digest).is_some_and(|&at| at < position);
    let mut repeats = Repeats::default();
    for batch in batches {
        // Whether the publication that is being read is one.
        let mut is_call_repeated = false;
        for (position, bytes) in batch.iter() {
            let position = position.as_u64();
            let Ok(entry) = Entry::decode(bytes) else {
                continue;
            };
            if entry.ordinal() == 0 {
                let call = entry.idempotency();
                is_call_repeated = call.is_some_and(|call| is_repeat(&call.key, position));
            }
            let is_left_out = match &entry {
                Entry::Document(document) => {
                    let mut events = document.events.iter();
                    events.all(|event| event.key.is_some_and(|key| is_repeat(&key, position)))
                }
                Entry::Refused(_) => false,
            };
            if is_call_repeated || is_left_out {
                repeats.0.insert(position);
            }
        }
    }
    repeats
}
