//! Saves the router's cursor and everything that changed since, in one transaction: what a crash repeats is what was
//! delivered since the last one.

use model::EndpointId;
use store::delivery::Exception;
use store::flow::Chunk;
use store::schema_drift::SchemaDrift;

use super::pending::ChunkChange;
use super::{Found, SHARD, State};
use crate::{Hub, Result, Scope};

/// What one checkpoint saves, taken at one instant.
struct Snapshot {
    next_seq: u64,
    saved_seq: u64,
    chunks: Vec<(EndpointId, Vec<ChunkChange>)>,
    exceptions: Vec<Exception>,
    gone: Vec<(EndpointId, u64)>,
    found: Found,
}

impl Snapshot {
    fn take(state: &mut State) -> Self {
        let mut snapshot = Self {
            next_seq: state.next_seq,
            saved_seq: state.saved_seq,
            chunks: Vec::new(),
            exceptions: Vec::new(),
            gone: Vec::new(),
            found: std::mem::take(&mut state.found),
        };
        for destination in state.schedule.destinations.values_mut() {
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
        }
        snapshot
    }

    fn is_empty(&self) -> bool {
        self.next_seq == self.saved_seq
            && self.chunks.is_empty()
            && self.exceptions.is_empty()
            && self.gone.is_empty()
            && self.found.is_empty()
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
        let since = std::mem::replace(&mut state.found, self.found);
        state.found.append(since);
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
        let snapshot = Snapshot::take(&mut self.flow.state());
        let mut unsaved = Unsaved {
            hub: self,
            taken: Some((snapshot, self.drift.take())),
        };
        if let Some((snapshot, drifts)) = &unsaved.taken {
            if snapshot.is_empty() && drifts.is_empty() {
                return Ok(false);
            }
            self.save(snapshot, drifts).await?;
        }
        if let Some((snapshot, _)) = unsaved.taken.take() {
            self.flow.state().saved_seq = snapshot.next_seq;
            self.dedupe
                .saved(&snapshot.found.event_keys, &snapshot.found.idempotency_keys);
        }
        Ok(true)
    }

    async fn save(&self, snapshot: &Snapshot, drifts: &[SchemaDrift]) -> Result<()> {
        let mut tx = self.db.begin().await?;
        store::flow::put_cursor(&mut tx, SHARD, snapshot.next_seq).await?;
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
        store::dedupe::put_event_keys(&mut tx, &snapshot.found.event_keys).await?;
        store::dedupe::put_idempotency_keys(&mut tx, &snapshot.found.idempotency_keys).await?;
        for refused in &snapshot.found.refused {
            let texts = (refused.body.as_str(), refused.violations.as_str());
            let scope = Scope(refused.account);
            store::quarantine::insert(
                &mut tx,
                scope,
                refused.endpoint,
                refused.position,
                texts,
                refused.at,
            )
            .await?;
        }
        for file in &snapshot.found.files {
            store::event_file::insert(&mut tx, file).await?;
        }
        store::schema_drift::add(&mut tx, drifts).await?;
        Ok(tx.commit().await?)
    }
}
