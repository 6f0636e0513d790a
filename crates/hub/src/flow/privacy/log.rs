//! The log, for privacy requests: documents and refused events of these people become empty records, which every reader
//! passes over, at their places.

use std::sync::Arc;

use engine::Batch;
use model::privacy::Finder;
use model::record::{Document, Entry};
use model::{AccountId, Subject};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::{EXPORT, Step, Went, Work};
use crate::Hub;

/// Batches read at once.
const BATCHES: usize = 16;
const BYTES: usize = 16 << 20;

impl Hub {
    pub(super) async fn privacy_log(self: &Arc<Self>, work: &mut Work<'_>) -> Step<Went> {
        let account = work.run.job.account;
        let log = self.logs.of(account);
        loop {
            let batches = self.log_part(work).await?;
            let Some(last) = batches.last() else {
                self.forget_batches(account);
                return Ok(Went::Done);
            };
            let mut gone = Vec::new();
            let mut rewritten = Vec::new();
            for batch in &batches {
                let mut theirs = Vec::new();
                for (position, record) in batch.iter() {
                    if is_theirs(&work.finder, account, record) {
                        theirs.push(position);
                    }
                }
                let left = batch.without(|position, _| theirs.contains(&position));
                rewritten.extend(left.map(Arc::new));
                gone.append(&mut theirs);
            }
            if !rewritten.is_empty() {
                log.rewrite(rewritten).await?;
                self.forget_batches(account);
                let gone: Vec<u64> = gone.iter().map(|position| position.as_u64()).collect();
                self.forget_answers(work, &gone).await?;
            }
            work.state.count("log", gone.len() as u64);
            work.state.next = last.seq() + 1;
            if work.is_over(self) {
                return Ok(Went::More);
            }
        }
    }

    /// How many of their records are in the log; `None` while there is more to be read.
    pub(super) async fn log_left(self: &Arc<Self>, work: &mut Work<'_>) -> Step<Option<u64>> {
        let account = work.run.job.account;
        loop {
            let batches = self.log_part(work).await?;
            let Some(last) = batches.last() else {
                return Ok(Some(work.state.done.remove("left").unwrap_or(0)));
            };
            for batch in &batches {
                let left = batch
                    .iter()
                    .filter(|(_, record)| is_theirs(&work.finder, account, record));
                let left = left.count() as u64;
                work.state.count("left", left);
            }
            work.state.next = last.seq() + 1;
            if work.is_over(self) {
                return Ok(None);
            }
        }
    }

    /// Puts everything that the exchange keeps of these people into a file, one JSON document a line.
    pub(super) async fn privacy_collect(self: &Arc<Self>, work: &mut Work<'_>) -> Step<Went> {
        let (scope, job) = (work.run.scope(), work.run.job.id);
        let account = scope.0;
        // In one slice: there is one file, and few lines for any person.
        let mut file = self
            .data_file_create(scope, job, EXPORT, "application/x-ndjson")
            .await?;
        work.state.next = 0;
        let mut lines = 0;
        for person in &work.state.people {
            let line = json!({ "person": { "row": person.row, "x1Id": person.x1_id, "identifiers": person.identifiers } });
            file.append(format!("{line}\n").as_bytes()).await?;
            lines += 1;
        }
        loop {
            let batches = self.log_part(work).await?;
            let Some(last) = batches.last() else { break };
            work.state.next = last.seq() + 1;
            for batch in &batches {
                for (_, record) in batch
                    .iter()
                    .filter(|(_, it)| is_theirs(&work.finder, account, it))
                {
                    let Ok(entry) = Entry::decode(record) else {
                        continue;
                    };
                    file.append(format!("{}\n", shown(&entry)).as_bytes())
                        .await?;
                    lines += 1;
                }
            }
            if self.job_should_stop(work.run) {
                return Err(super::SliceError::Gone);
            }
        }
        for line in self.records_of(work).await? {
            file.append(format!("{line}\n").as_bytes()).await?;
            lines += 1;
        }
        self.data_file_finish(file).await?;
        work.state.count("collect", lines);
        Ok(Went::Done)
    }

    /// The next batches before the end.
    async fn log_part(&self, work: &mut Work<'_>) -> Step<Vec<Arc<Batch>>> {
        let (shard, from) = (self.logs.shard(work.run.job.account), work.state.next);
        let mut batches = self.read_log(shard, from, BATCHES, BYTES).await?;
        batches.retain(|batch| batch.seq() < work.state.end);
        Ok(batches)
    }

    /// What destinations answered at these positions goes, in memory and in the store, also if it is still to come: to
    /// documents that are gone it may repeat them.
    pub(super) async fn forget_answers(&self, work: &mut Work<'_>, positions: &[u64]) -> Step<()> {
        {
            let account = work.run.job.account;
            let mut state = self.flow.state();
            for destination in state.schedule.destinations.values_mut() {
                if destination.account == account {
                    destination.forget_answers(positions);
                }
            }
        }
        self.checkpoint().await?;
        let mut tx = self.job_begin(work.run).await?;
        store::delivery::forget_answers(&mut tx, work.run.scope(), positions).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Batches of the account's log leave this process's memory.
    pub(crate) fn forget_batches(&self, account: AccountId) {
        self.logs.of(account).forget();
        self.flow.cache.forget(self.logs.shard(account));
    }
}

/// Whether a record is about one of these people, or names them.
fn is_theirs(finder: &Finder, account: AccountId, record: &[u8]) -> bool {
    match Entry::decode(record) {
        Ok(Entry::Document(document)) if document.account == account => {
            is_theirs_document(finder, &document)
        }
        Ok(Entry::Refused(refused)) if refused.account == account => {
            finder.is_in(refused.body.as_bytes()) || finder.is_in(refused.violations.as_bytes())
        }
        // Of others, empty, or nothing that can be read.
        _ => false,
    }
}

fn is_theirs_document(finder: &Finder, document: &Document<'_>) -> bool {
    let mut identifiers = document.identifiers.iter();
    let mut events = document.events.iter();
    identifiers.any(|it| finder.is_named(&Subject::from(it)) || finder.is_in(it.value.as_bytes()))
        || events.any(|event| finder.is_in(event.body.as_bytes()))
}

/// A record for its person to read.
fn shown(entry: &Entry<'_>) -> Value {
    match entry {
        Entry::Document(document) => {
            let identifiers: Vec<Value> = document
                .identifiers
                .iter()
                .map(|it| json!({ "name": it.name, "type": it.kind, "value": it.value }))
                .collect();
            let events: Vec<Value> = document
                .events
                .iter()
                .map(|event| {
                    let body: Option<&RawValue> = serde_json::from_str(&event.body).ok();
                    json!(body)
                })
                .collect();
            json!({ "event": {
                "endpointId": document.endpoint, "provider": document.provider, "source": document.source,
                "channel": document.channel, "identifiers": identifiers, "events": events,
            } })
        }
        Entry::Refused(refused) => {
            let body: Option<&RawValue> = serde_json::from_str(&refused.body).ok();
            json!({ "refusedEvent": { "endpointId": refused.endpoint, "body": body } })
        }
    }
}
