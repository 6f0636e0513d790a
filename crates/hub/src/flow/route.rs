//! Reads the log once, for all destinations: learns who each document is about, finds its subscribers and adds its
//! position to their pending sets. Also collects what travels in the log beside documents: publishers' keys and refused events.

use std::sync::Arc;

use engine::{Batch, Clock};
use jiff::Timestamp;
use model::record::{Document, Entry};
use model::{AccountId, EndpointId, Subscription, SubscriptionId};
use store::dedupe::{EventKey, IdempotencyKey};

use super::destination::Waiting;
use super::repeat::Repeats;
use super::{Found, Refused, waiting};
use crate::shard::Shard;
use crate::traffic::Met;
use crate::{Hub, Result};

/// Batches routed in one step: bounds how long other tasks wait and how much is read ahead.
const BATCHES_MAX: usize = 64;
const BYTES_MAX: usize = 16 << 20;

/// What one step of the router did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RouteReport {
    pub batches: usize,
    pub documents: u64,
    /// Positions added to pending sets.
    pub routed: u64,
}

/// Where a router's step began.
#[derive(Clone, Copy)]
struct Start {
    shard: Shard,
    epoch: i64,
    next_seq: u64,
}

/// A record of a batch.
struct Read<'b> {
    position: u64,
    bytes: usize,
    entry: Entry<'b>,
}

impl Hub {
    /// Routes what the logs of the shards that run here hold beyond their cursors, up to a bounded amount; nothing when
    /// there is nothing.
    pub async fn route(&self) -> Result<RouteReport> {
        let mut report = RouteReport::default();
        for shard in self.flow.held() {
            let one = self.route_shard(shard).await?;
            report.batches += one.batches;
            report.documents += one.documents;
            report.routed += one.routed;
        }
        Ok(report)
    }

    /// The same for one shard.
    pub(crate) async fn route_shard(&self, shard: Shard) -> Result<RouteReport> {
        let _one = self.flow.routing(shard).lock().await;
        let mut report = RouteReport::default();
        let Some(start) = self.flow.start(shard, &self.clock) else {
            return Ok(report);
        };
        let ends = self.logs.at(shard).ends();
        if start.next_seq >= ends.next_seq {
            return Ok(report);
        }
        let batches = self
            .read_log(shard, start.next_seq, BATCHES_MAX, BYTES_MAX)
            .await?;
        // After the reading: what is in these batches was published after every change that was answered before.
        self.follow().await?;
        let repeats = self.find_repeats(shard, &batches).await?;
        let read: Vec<Vec<Read<'_>>> = batches
            .iter()
            .map(|batch| self.read_batch(batch, &repeats))
            .collect();
        // Before the routing: who a document is about decides what it must not overtake.
        let Some(mut lanes) = self.learn_read((shard, start.epoch), &read).await? else {
            return Ok(report);
        };
        for (batch, read) in batches.iter().zip(read) {
            self.flow.cache.put(shard, batch);
            if !self.route_batch(start, batch, (read, &mut lanes), &mut report) {
                return Ok(report);
            }
        }
        if batches.is_empty() {
            // Everything up to the end was trimmed away unrouted (an operator's limit): go on behind it.
            if let Some(held) = self.flow.state().held_since(start) {
                held.next_seq = ends.next_seq;
            }
        }
        self.metrics.routed.inc_by(report.routed);
        self.flow.changed.notify_waiters();
        self.flow.pump.notify_one();
        Ok(report)
    }

    /// Routes what lies before the batch `end` of a shard that runs here, and ends however fast more is published.
    pub(crate) async fn route_before(&self, shard: Shard, end: u64) -> Result<()> {
        loop {
            let next = self
                .flow
                .start(shard, &self.clock)
                .map(|start| start.next_seq);
            if next.is_none_or(|next| next >= end) || self.route_shard(shard).await?.batches == 0 {
                return Ok(());
            }
        }
    }

    /// The records of a batch that are to be routed.
    fn read_batch<'b>(&self, batch: &'b Batch, repeats: &Repeats) -> Vec<Read<'b>> {
        let mut read = Vec::new();
        for (position, bytes) in batch.iter() {
            let position = position.as_u64();
            if bytes.is_empty() || repeats.is_left_out(position) {
                continue;
            }
            match Entry::decode(bytes) {
                Ok(entry) => read.push(Read {
                    position,
                    bytes: bytes.len(),
                    entry,
                }),
                Err(error) => {
                    self.metrics.unreadable.inc();
                    tracing::error!(
                        position,
                        error = &error as &dyn std::error::Error,
                        "a log record cannot be read and is left out"
                    );
                }
            }
        }
        read
    }

    /// Learns what the documents say about people; the lanes of the documents, in their order. `None`: the shard was lost.
    async fn learn_read(
        &self,
        tenure: (Shard, i64),
        read: &[Vec<Read<'_>>],
    ) -> Result<Option<std::vec::IntoIter<i64>>> {
        let documents: Vec<(u64, &Document<'_>)> = read
            .iter()
            .flatten()
            .filter_map(|read| match &read.entry {
                Entry::Document(document) => Some((read.position, document)),
                Entry::Refused(_) => None,
            })
            .collect();
        let lanes = self.learn_documents(tenure, &documents).await?;
        Ok(lanes.map(Vec::into_iter))
    }

    /// `false`: the shard was lost since the step began, and nothing of the batch is routed.
    fn route_batch(
        &self,
        start: Start,
        batch: &Arc<Batch>,
        (read, lanes): (Vec<Read<'_>>, &mut impl Iterator<Item = i64>),
        report: &mut RouteReport,
    ) -> bool {
        let mut routed: Vec<(EndpointId, AccountId, Waiting)> = Vec::new();
        let mut found = Found::default();
        let mut matched: Vec<EndpointId> = Vec::new();
        let mut met = Met::default();
        for read in read {
            if let Entry::Document(document) = &read.entry {
                report.documents += 1;
                matched.clear();
                self.match_counted(read.position, document, &mut matched, &mut met);
                let person = lanes.next().unwrap_or_default();
                let at_hand = waiting(read.position, person, read.bytes);
                routed.extend(matched.iter().map(|&id| (id, document.account, at_hand)));
            }
            self.collect_found(read.position, read.entry, &mut found);
        }
        report.batches += 1;
        report.routed += routed.len() as u64;
        let now = self.now();
        let mut state = self.flow.state();
        let Some(held) = state.held_since(start) else {
            return false;
        };
        held.next_seq = batch.seq() + 1;
        held.found.append(found);
        for (id, account, at_hand) in routed {
            state
                .schedule
                .route(id, account, at_hand, (batch.appended_at(), now));
        }
        drop(state);
        self.traffic.enter(&met, now);
        true
    }

    /// The same as [`Hub::match_document`], counting what was met.
    fn match_counted(
        &self,
        position: u64,
        document: &Document<'_>,
        matched: &mut Vec<EndpointId>,
        met: &mut Met,
    ) {
        let account = document.account;
        met.published(account, document.endpoint, document.events.len());
        let mut links: Vec<(SubscriptionId, EndpointId)> = Vec::new();
        self.match_each(position, document, matched, |s| {
            links.push((s.id, s.destination));
        });
        for (link, destination) in links {
            if matched.contains(&destination) {
                met.carried(account, link);
            }
        }
    }

    /// The destinations that subscribe to at least one event of the document, each once.
    pub(crate) fn match_document(
        &self,
        position: u64,
        document: &Document<'_>,
        matched: &mut Vec<EndpointId>,
    ) {
        self.match_each(position, document, matched, |_| {});
    }

    /// Calls `each` for every subscription that takes an event of the document, once for each event.
    fn match_each(
        &self,
        position: u64,
        document: &Document<'_>,
        matched: &mut Vec<EndpointId>,
        mut each: impl FnMut(&Subscription),
    ) {
        for event in &document.events {
            self.registry
                .with_subscriptions(document.endpoint, &event.code, |subscription| {
                    if subscription.takes(&event.code, &event.namespace)
                        && subscription.held_at(position)
                    {
                        each(subscription);
                        if !matched.contains(&subscription.destination) {
                            matched.push(subscription.destination);
                        }
                    }
                });
        }
        matched.retain(|&id| {
            self.registry
                .endpoint(id)
                .is_some_and(|entry| entry.endpoint.held_at(position))
        });
    }

    /// What travels in the log beside documents: keys of publishers, and refused events.
    fn collect_found(&self, position: u64, entry: Entry<'_>, found: &mut Found) {
        let account = entry.account();
        let idempotency = entry.idempotency();
        let published_at_us = match entry {
            Entry::Document(document) => {
                self.collect_keys(position, &document, found);
                document.published_at_us
            }
            Entry::Refused(refused) => {
                found.refused.push(Refused {
                    account,
                    endpoint: refused.endpoint,
                    position,
                    body: refused.body.into_owned(),
                    violations: refused.violations.into_owned(),
                    at: time(refused.published_at_us),
                });
                refused.published_at_us
            }
        };
        if let Some(idempotency) = idempotency {
            let key = self.idempotency_key(position, account, idempotency, published_at_us);
            found.idempotency_keys.push(key);
        }
    }

    fn collect_keys(&self, position: u64, document: &Document<'_>, found: &mut Found) {
        let expires_at = time(document.published_at_us) + self.options.dedupe.event_window;
        for event in &document.events {
            if let Some(digest) = event.key {
                let key = EventKey {
                    digest,
                    account: document.account,
                    position,
                    ordinal: event.ordinal,
                    expires_at,
                };
                found.event_keys.push(key);
            }
        }
    }

    pub(crate) fn idempotency_key(
        &self,
        position: u64,
        account: AccountId,
        idempotency: model::record::Idempotency,
        published_at_us: i64,
    ) -> IdempotencyKey {
        IdempotencyKey {
            digest: idempotency.key,
            body: idempotency.body,
            account,
            position,
            accepted: idempotency.accepted,
            quarantined: idempotency.quarantined,
            expires_at: time(published_at_us) + self.options.dedupe.idempotency_window,
        }
    }
}

impl super::Flow {
    /// Where the router of a shard goes on; `None` if it must not: it is not held, about to be given up, or nobody
    /// knows for sure.
    fn start(&self, shard: Shard, clock: &Clock) -> Option<Start> {
        let state = self.state();
        let held = state.held.get(&shard).filter(|held| !held.is_leaving)?;
        self.is_live(clock).then_some(Start {
            shard,
            epoch: held.epoch,
            next_seq: held.next_seq,
        })
    }
}

impl super::State {
    /// The shard, if it is held without a break since then.
    fn held_since(&mut self, start: Start) -> Option<&mut super::Held> {
        self.held
            .get_mut(&start.shard)
            .filter(|held| held.epoch == start.epoch)
    }
}

fn time(us: i64) -> Timestamp {
    Timestamp::from_microsecond(us).unwrap_or(Timestamp::UNIX_EPOCH)
}
