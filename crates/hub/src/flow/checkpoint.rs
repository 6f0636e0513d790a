//! Saves the router's cursor and everything that changed since, in one transaction: what a crash repeats is what was
//! delivered since the last one.

use std::collections::BTreeSet;

use model::EndpointId;
use store::delivery::Exception;
use store::flow::Chunk;
use store::schema_drift::SchemaDrift;

use super::pending::ChunkChange;
use super::{Found, State};
use crate::shard::{Logs, Shard};
use crate::{Hub, Result, Scope};

/// What one checkpoint saves, taken at one instant.
struct Snapshot {
    shards: Vec<Saved>,
    chunks: Vec<(EndpointId, Vec<ChunkChange>)>,
    exceptions: Vec<Exception>,
    gone: Vec<(EndpointId, u64)>,
}

/// Where one shard stands.
struct Saved {
    shard: Shard,
    epoch: i64,
    next_seq: u64,
    found: Found,
}

impl Snapshot {
    fn take(state: &mut State, logs: &Logs) -> Self {
        let mut snapshot = Self {
            shards: Vec::new(),
            chunks: Vec::new(),
            exceptions: Vec::new(),
            gone: Vec::new(),
        };
        let mut touched: BTreeSet<Shard> = BTreeSet::new();
        for destination in state.schedule.destinations.values_mut() {
            let before = snapshot.len();
            let changes = destination.pending.take_changes();
            if !changes.is_empty() {
                snapshot.chunks.push((destination.id, changes));
            }
            // First what must go, then what is there: a replayed event may have failed again.
            snapshot.gone.extend(
                destination
                    .gone
                    .drain()
                    .map(|position| (destination.id, position)),
            );
            for position in destination.changed.drain() {
                snapshot
                    .exceptions
                    .extend(destination.retrying.get(&position).cloned());
            }
            snapshot.exceptions.append(&mut destination.fresh_dead);
            if snapshot.len() > before {
                touched.insert(logs.shard(destination.account));
            }
        }
        for (&shard, held) in &mut state.held {
            let is_changed = held.next_seq != held.saved_seq || !held.found.is_empty();
            if is_changed || touched.contains(&shard) {
                snapshot.shards.push(Saved {
                    shard,
                    epoch: held.epoch,
                    next_seq: held.next_seq,
                    found: std::mem::take(&mut held.found),
                });
            }
        }
        snapshot
    }

    fn len(&self) -> usize {
        self.chunks.len() + self.exceptions.len() + self.gone.len()
    }

    fn is_empty(&self) -> bool {
        self.shards.is_empty() && self.len() == 0
    }

    /// Not saved: everything is a change still.
    fn put_back(self, state: &mut State) {
        for (id, changes) in self.chunks {
            if let Some(destination) = state.schedule.destinations.get_mut(&id) {
                destination.pending.not_saved(&changes);
            }
        }
        for exception in self.exceptions {
            let Some(destination) = state.schedule.destinations.get_mut(&exception.endpoint) else {
                continue;
            };
            if destination.retrying.contains_key(&exception.position) {
                destination.changed.insert(exception.position);
            } else if exception.state == store::delivery::ExceptionState::Dead
                && !destination.gone.contains(&exception.position)
            {
                destination.fresh_dead.push(exception);
            }
        }
        for (id, position) in self.gone {
            if let Some(destination) = state.schedule.destinations.get_mut(&id) {
                destination.gone.insert(position);
            }
        }
        for saved in self.shards {
            let held = state.held.get_mut(&saved.shard);
            if let Some(held) = held.filter(|held| held.epoch == saved.epoch) {
                let since = std::mem::replace(&mut held.found, saved.found);
                held.found.append(since);
            }
        }
    }
}

/// What is being saved. Dropped unsaved, because the store failed or the caller hung up in the middle, it goes back:
/// forgetting a change would lose events at the next restart.
struct Unsaved<'a> {
    hub: &'a Hub,
    taken: Option<(Snapshot, Vec<SchemaDrift>)>,
}

impl Drop for Unsaved<'_> {
    fn drop(&mut self) {
        if let Some((snapshot, drifts)) = self.taken.take() {
            snapshot.put_back(&mut self.hub.flow.state());
            self.hub.drift.put_back(drifts);
        }
    }
}

impl Hub {
    /// Saves where the flow stands. Answers whether there was anything to save.
    pub async fn checkpoint(&self) -> Result<bool> {
        let _one = self.flow.saving.lock().await;
        let snapshot = Snapshot::take(&mut self.flow.state(), &self.logs);
        let mut unsaved = Unsaved {
            hub: self,
            taken: Some((snapshot, self.drift.take())),
        };
        if let Some((snapshot, drifts)) = &unsaved.taken {
            if snapshot.is_empty() && drifts.is_empty() {
                return Ok(false);
            }
            if let Some(lost) = self.save(snapshot, drifts).await? {
                drop(unsaved);
                self.lose(lost);
                return Ok(true);
            }
        }
        if let Some((snapshot, _)) = unsaved.taken.take() {
            let mut state = self.flow.state();
            for saved in &snapshot.shards {
                let held = state.held.get_mut(&saved.shard);
                if let Some(held) = held.filter(|held| held.epoch == saved.epoch) {
                    held.saved_seq = saved.next_seq;
                    held.forget(&saved.found);
                }
                self.dedupe
                    .saved(&saved.found.event_keys, &saved.found.idempotency_keys);
            }
        }
        Ok(true)
    }

    /// Answers a shard that is another's by now: then nothing was saved, of no shard.
    async fn save(&self, snapshot: &Snapshot, drifts: &[SchemaDrift]) -> Result<Option<Shard>> {
        let mut tx = self.db.begin().await?;
        for saved in &snapshot.shards {
            let shard = saved.shard.0.into();
            if self.is_shared() && !store::lease::hold(&mut tx, shard, saved.epoch).await? {
                return Ok(Some(saved.shard));
            }
            store::flow::put_cursor(&mut tx, shard, saved.next_seq).await?;
        }
        let mut puts = Vec::new();
        let mut deletes = Vec::new();
        for (endpoint, changes) in &snapshot.chunks {
            for change in changes {
                match change {
                    ChunkChange::Put(chunk, bits) => puts.push(Chunk {
                        endpoint: *endpoint,
                        chunk: *chunk,
                        bits: bits.clone(),
                    }),
                    ChunkChange::Delete(chunk) => deletes.push((*endpoint, *chunk)),
                }
            }
        }
        store::flow::put_chunks(&mut tx, puts).await?;
        store::flow::delete_chunks(&mut tx, &deletes).await?;
        store::delivery::delete_many(&mut tx, &snapshot.gone).await?;
        store::delivery::upsert_many(&mut tx, &snapshot.exceptions).await?;
        for saved in &snapshot.shards {
            save_found(&mut tx, &saved.found).await?;
        }
        store::schema_drift::add(&mut tx, drifts).await?;
        tx.commit().await?;
        Ok(None)
    }
}

async fn save_found(tx: &mut engine::Tx, found: &Found) -> Result<()> {
    store::dedupe::put_event_keys(tx, &found.event_keys).await?;
    store::dedupe::put_idempotency_keys(tx, &found.idempotency_keys).await?;
    for refused in &found.refused {
        let texts = (refused.body.as_str(), refused.violations.as_str());
        let scope = Scope(refused.account);
        let (endpoint, position) = (refused.endpoint, refused.position);
        store::quarantine::insert(tx, scope, endpoint, position, texts, refused.at).await?;
    }
    for file in &found.files {
        store::event_file::insert(tx, file).await?;
    }
    store::order::delete_many(tx, &found.orders).await?;
    Ok(())
}
