//! Puts what waits for pull destinations into event files: the same documents as a push, as a JSON array.
//!
//! The open file **is** the pending set: nothing is written before the file is closed, by size, by age, or because a
//! client asks and there is no other file. The bytes are durable in `Blobs` before the row that lists them and the
//! changed set are committed together, so a crash leaves at most an unlisted file, which the next attempt overwrites.

use jiff::Timestamp;
use model::endpoint::Transfer;
use model::record::Entry;
use model::{AccountId, EndpointId};
use store::event_file::EventFile;

use super::destination::{Kind, Waiting};
use super::render;
use crate::registry::Target;
use crate::{Hub, Result};

/// What one step of the packer did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PackReport {
    pub files: usize,
    pub documents: u64,
}

/// Where an event file rests.
pub(crate) fn blob_key(account: AccountId, endpoint: EndpointId, name: &str) -> String {
    format!("eventfiles/{account}/{endpoint}/{name}")
}

impl Hub {
    /// Closes the files that are due by size or age.
    pub async fn pack(&self) -> Result<PackReport> {
        let now = self.now();
        let options = &self.options.files;
        let due: Vec<EndpointId> = {
            let state = self.flow.state();
            let is_due = |d: &&super::Destination| {
                d.transfer == Transfer::Pull
                    && !d.pending.is_empty()
                    && (d.waiting_bytes >= options.size_bytes_max as u64
                        || d.pending.len() >= options.documents_max as u64
                        || d.waiting_for(now).is_none_or(|age| age >= options.age_max))
            };
            state
                .schedule
                .destinations
                .values()
                .filter(is_due)
                .map(|d| d.id)
                .collect()
        };
        let mut report = PackReport::default();
        for id in due {
            let done = self.pack_one(id).await?;
            report.files += done.files;
            report.documents += done.documents;
        }
        Ok(report)
    }

    /// Closes the open file of one pull destination, however small it is. Several files when much waits.
    pub(crate) async fn pack_one(&self, id: EndpointId) -> Result<PackReport> {
        let _one = self.flow.packing.lock().await;
        let target = self
            .registry
            .endpoint(id)
            .and_then(|entry| entry.target.clone());
        let Some(target) = target.filter(|target| target.transfer == Transfer::Pull) else {
            return Ok(PackReport::default());
        };
        let mut report = PackReport::default();
        loop {
            let positions: Vec<u64> = match self.flow.state().schedule.destinations.get(&id) {
                Some(destination) => destination
                    .pending
                    .from(0)
                    .take(self.options.files.documents_max)
                    .collect(),
                None => Vec::new(),
            };
            if positions.is_empty() {
                return Ok(report);
            }
            let documents = self.pack_file(&target, &positions).await?;
            report.files += usize::from(documents > 0);
            report.documents += documents;
        }
    }

    async fn pack_file(&self, target: &Target, positions: &[u64]) -> Result<u64> {
        let mut bytes = vec![b'['];
        let mut documents = 0u64;
        let mut packed = Vec::new();
        let mut unhashable = Vec::new();
        for &position in positions {
            let at = engine::Position::from_u64(position);
            let batch = self.flow.cache.get(&self.log, at.seq()).await?;
            packed.push(position);
            let Some(record) = batch.as_ref().and_then(|batch| batch.record(at.index())) else {
                self.metrics.expired.inc();
                continue;
            };
            let Ok(Entry::Document(document)) = Entry::decode(record) else {
                continue;
            };
            let before = bytes.len();
            if documents > 0 {
                bytes.push(b',');
            }
            let takes = |event: &model::record::Event<'_>| {
                self.takes(position, &document, event, target.endpoint)
            };
            if render::document(&mut bytes, &document, target, takes, &mut unhashable) == 0 {
                bytes.truncate(before);
                continue;
            }
            documents += 1;
            if bytes.len() >= self.options.files.size_bytes_max {
                break;
            }
        }
        bytes.push(b']');
        let now = self.now();
        let mut closed = None;
        if documents > 0 {
            let name = file_name(now, packed.first().copied().unwrap_or_default());
            let size_bytes = bytes.len() as u64;
            self.blobs
                .put(
                    &blob_key(target.account, target.endpoint, &name),
                    bytes.into(),
                )
                .await?;
            let file = EventFile {
                account: target.account,
                endpoint: target.endpoint,
                name,
                documents,
                size_bytes,
                created_at: now,
                fetched_at: None,
            };
            self.metrics.packed.inc_by(documents);
            closed = Some(file);
        }
        {
            // In one step, so that a checkpoint sees the file and the changed set together.
            let mut state = self.flow.state();
            state.found.files.extend(closed);
            if let Some(destination) = state.schedule.destinations.get_mut(&target.endpoint) {
                for position in packed {
                    destination.delivered(
                        Waiting {
                            position,
                            person: 0,
                            cost: 0,
                        },
                        Kind::First,
                    );
                }
            }
        }
        self.checkpoint().await?;
        self.flow.changed.notify_waiters();
        Ok(documents)
    }
}

/// Sorts by time; the position keeps two files of one instant apart.
fn file_name(now: Timestamp, position: u64) -> String {
    let stamp = now.strftime("%Y%m%dT%H%M%S%6fZ");
    format!("events-{stamp}-{position:016x}.json")
}
