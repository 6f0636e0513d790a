//! Reads the log once, for all destinations: finds the subscribers of each document and adds its position to their
//! pending sets. Also collects what travels in the log beside documents: publishers' keys and refused events.

use std::sync::Arc;

use engine::Batch;
use jiff::Timestamp;
use model::record::{Document, Entry};
use model::{AccountId, EndpointId};
use store::dedupe::{EventKey, IdempotencyKey};

use super::destination::Waiting;
use super::{Found, Refused, waiting};
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

impl Hub {
    /// Routes what the log holds beyond the cursor, up to a bounded amount; nothing when there is nothing.
    pub async fn route(&self) -> Result<RouteReport> {
        let _one = self.flow.routing.lock().await;
        let from = self.flow.state().next_seq;
        let ends = self.log.ends();
        if from >= ends.next_seq {
            return Ok(RouteReport::default());
        }
        let batches = self.read_log(from, BATCHES_MAX, BYTES_MAX).await?;
        let mut report = RouteReport::default();
        for batch in &batches {
            self.flow.cache.put(batch);
            self.route_batch(batch, &mut report);
        }
        if batches.is_empty() {
            // Everything up to the end was trimmed away unrouted (an operator's limit): go on behind it.
            self.flow.state().next_seq = ends.next_seq;
        }
        self.metrics.routed.inc_by(report.routed);
        self.flow.changed.notify_waiters();
        self.flow.pump.notify_one();
        Ok(report)
    }

    /// Routes what lies before the batch `end`, and ends however fast more is published.
    pub(crate) async fn route_before(&self, end: u64) -> Result<()> {
        loop {
            let next = self.flow.state().next_seq;
            if next >= end || self.route().await?.batches == 0 {
                return Ok(());
            }
        }
    }

    fn route_batch(&self, batch: &Arc<Batch>, report: &mut RouteReport) {
        let mut routed: Vec<(EndpointId, AccountId, Waiting)> = Vec::new();
        let mut found = Found::default();
        let mut matched: Vec<EndpointId> = Vec::new();
        for (position, bytes) in batch.iter() {
            let position = position.as_u64();
            match Entry::decode(bytes) {
                Ok(Entry::Document(document)) => {
                    report.documents += 1;
                    matched.clear();
                    self.match_document(position, &document, &mut matched);
                    let at_hand = waiting(position, &document, bytes.len());
                    routed.extend(matched.iter().map(|&id| (id, document.account, at_hand)));
                    self.collect_keys(position, &document, &mut found);
                    if let Some(idempotency) = document.idempotency {
                        found.idempotency_keys.push(self.idempotency_key(
                            position,
                            document.account,
                            idempotency,
                            document.published_at_us,
                        ));
                    }
                }
                Ok(Entry::Refused(refused)) => {
                    if let Some(idempotency) = refused.idempotency {
                        found.idempotency_keys.push(self.idempotency_key(
                            position,
                            refused.account,
                            idempotency,
                            refused.published_at_us,
                        ));
                    }
                    found.refused.push(Refused {
                        account: refused.account,
                        endpoint: refused.endpoint,
                        position,
                        body: refused.body.into_owned(),
                        violations: refused.violations.into_owned(),
                        at: time(refused.published_at_us),
                    });
                }
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
        report.batches += 1;
        report.routed += routed.len() as u64;
        let now = self.now();
        let mut state = self.flow.state();
        for (id, account, at_hand) in routed {
            state
                .schedule
                .route(id, account, at_hand, (batch.appended_at(), now));
        }
        state.next_seq = batch.seq() + 1;
        state.found.append(found);
    }

    /// The destinations that subscribe to at least one event of the document, each once.
    pub(crate) fn match_document(
        &self,
        position: u64,
        document: &Document<'_>,
        matched: &mut Vec<EndpointId>,
    ) {
        for event in &document.events {
            self.registry
                .with_subscriptions(document.endpoint, &event.code, |subscription| {
                    if subscription.takes(&event.code, &event.namespace)
                        && subscription.held_at(position)
                        && !matched.contains(&subscription.destination)
                    {
                        matched.push(subscription.destination);
                    }
                });
        }
        matched.retain(|&id| {
            self.registry
                .endpoint(id)
                .is_some_and(|entry| entry.endpoint.held_at(position))
        });
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

fn time(us: i64) -> Timestamp {
    Timestamp::from_microsecond(us).unwrap_or(Timestamp::UNIX_EPOCH)
}
