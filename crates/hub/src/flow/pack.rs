//! Puts what waits for pull destinations into event files: the same documents as a push, as a JSON array.
//!
//! The open file **is** the pending set: nothing is written before the file is closed, by size, by age, or because a
//! client asks and there is no other file. The bytes are durable in `Blobs` before the row that lists them and the
//! changed set are committed together, so a crash leaves at most bytes that nobody lists; a privacy
//! request removes them.

use jiff::Timestamp;
use model::endpoint::Transfer;
use model::record::Entry;
use model::{AccountId, EndpointId};
use store::event_file::EventFile;

use super::destination::{Kind, Waiting};
use super::render;
use crate::event_file::FOLDER;
use crate::registry::Target;
use crate::traffic::Minute;
use crate::{Hub, Result};

/// What one step of the packer did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PackReport {
    pub files: usize,
    pub documents: u64,
}

/// Where an event file rests.
pub(crate) fn blob_key(account: AccountId, endpoint: EndpointId, name: &str) -> String {
    format!("{FOLDER}{account}/{endpoint}/{name}")
}

impl Hub {
    /// Closes the files that are due by size or age.
    pub async fn pack(&self) -> Result<PackReport> {
        let now = self.now();
        let options = &self.options.files;
        let due: Vec<EndpointId> = {
            let state = self.flow.state();
            let is_due = |d: &&super::Destination| {
                d.is_pull()
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
        let mut failed = None;
        for id in due {
            match self.pack_due(id).await {
                Ok(done) => {
                    report.files += done.files;
                    report.documents += done.documents;
                }
                // The trouble of one is not the others'.
                Err(error) => failed = Some(error),
            }
        }
        failed.map_or(Ok(report), Err)
    }

    async fn pack_due(&self, id: EndpointId) -> Result<PackReport> {
        let Some(entry) = self.registry.endpoint(id) else {
            return Ok(PackReport::default());
        };
        let ends = self.logs.of(entry.endpoint.account).ends();
        let here = engine::Position::new(ends.next_seq, 0).as_u64();
        self.pack_one(id, here).await
    }

    /// Closes the open file of one pull destination, however small it is, with what lies before a position of the
    /// log: what comes in meanwhile goes into the next file, so this ends. Several files when much waits.
    pub(crate) async fn pack_one(&self, id: EndpointId, before: u64) -> Result<PackReport> {
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
                    .take_while(|position| *position < before)
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
        let filled = self.fill(target, positions).await?;
        let documents = filled.documents;
        let closed = match documents {
            0 => None,
            _ => Some(
                self.close(target, &filled.packed, filled.bytes, documents)
                    .await?,
            ),
        };
        {
            // In one step, so that a checkpoint sees the file and the changed set together.
            let mut state = self.flow.state();
            let Some(held) = state.held.get_mut(&self.logs.shard(target.account)) else {
                // Whoever runs the shard now packs the same documents; these bytes are in nobody's list.
                return Ok(0);
            };
            held.found.files.extend(closed);
            if let Some(destination) = state.schedule.destinations.get_mut(&target.endpoint) {
                for position in filled.packed {
                    let waiting = Waiting {
                        position,
                        person: 0,
                        cost: 0,
                    };
                    destination.delivered(waiting, Kind::First);
                }
            }
        }
        let counted = Minute {
            delivered: u32::try_from(documents).unwrap_or(u32::MAX),
            ..Minute::default()
        };
        self.traffic
            .add(target.account, target.endpoint, &counted, self.now());
        self.checkpoint().await?;
        self.flow.changed.notify_waiters();
        Ok(documents)
    }

    /// Renders as many of `positions` as one file takes.
    async fn fill(&self, target: &Target, positions: &[u64]) -> Result<Filled> {
        let mut filled = Filled {
            bytes: vec![b'['],
            documents: 0,
            packed: Vec::new(),
        };
        let mut unhashable = Vec::new();
        for &position in positions {
            let at = engine::Position::from_u64(position);
            let batch = self.batch(target.account, at.seq()).await?;
            filled.packed.push(position);
            let Some(record) = batch.as_ref().and_then(|batch| batch.record(at.index())) else {
                self.metrics.expired.inc();
                continue;
            };
            let Ok(Entry::Document(document)) = Entry::decode(record) else {
                continue;
            };
            let who = match self.who_at_hand(&document) {
                Some(who) => who,
                None => self.who_one(&document).await?,
            };
            if self.is_barred(&document, &who) {
                continue;
            }
            let bytes = &mut filled.bytes;
            let before = bytes.len();
            if filled.documents > 0 {
                bytes.push(b',');
            }
            let takes = |event: &model::record::Event<'_>| {
                self.takes(position, &document, event, target.endpoint)
            };
            if render::document(bytes, (&document, &who), target, takes, &mut unhashable) == 0 {
                bytes.truncate(before);
                continue;
            }
            filled.documents += 1;
            if bytes.len() >= self.options.files.size_bytes_max {
                break;
            }
        }
        filled.bytes.push(b']');
        self.report_unhashable(target, &unhashable);
        Ok(filled)
    }

    /// Stores a filled file; it is listed with the next checkpoint.
    async fn close(
        &self,
        target: &Target,
        packed: &[u64],
        bytes: Vec<u8>,
        documents: u64,
    ) -> Result<EventFile> {
        let now = self.now();
        let name = file_name(now, packed.first().copied().unwrap_or_default());
        let size_bytes = bytes.len() as u64;
        let key = blob_key(target.account, target.endpoint, &name);
        self.blobs.put(&key, bytes.into()).await?;
        self.metrics.packed.inc_by(documents);
        Ok(EventFile {
            account: target.account,
            endpoint: target.endpoint,
            name,
            documents,
            size_bytes,
            created_at: now,
            fetched_at: None,
        })
    }
}

/// A file on its way: its bytes, and the positions that are in it or need not be.
struct Filled {
    bytes: Vec<u8>,
    documents: u64,
    packed: Vec<u64>,
}

/// Sorts by time; the position keeps two files of one instant apart.
fn file_name(now: Timestamp, position: u64) -> String {
    let stamp = now.strftime("%Y%m%dT%H%M%S%6fZ");
    format!("events-{stamp}-{position:016x}.json")
}
