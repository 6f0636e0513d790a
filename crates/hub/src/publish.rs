//! Publishing: events are checked, made durable, and answered for. Nothing here waits for a subscriber.
//!
//! A call is taken whole or not at all, by one `Log::append`. The append of a call that carries keys runs in a task of
//! its own, and any append goes on once it is queued: a client that hangs up changes nothing.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use model::event_post::{self, DriftKind, Parsed};
use model::record::{Digest16, Entry, Idempotency};
use model::{AccountId, DocumentId, EndpointId, Invalid, Publisher};
use sha2::{Digest, Sha256};
use store::dedupe::IdempotencyKey;

use crate::dedupe::{Known, Reservation};
use crate::{Error, Hub, Result};

/// What a publisher is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    /// Events taken, those that had been published before included.
    pub accepted: u32,
    /// Events kept because they broke a rule.
    pub quarantined: u32,
    /// Names the publication: its first document.
    pub publication: DocumentId,
}

/// A call that is to be taken once.
#[derive(Clone, Copy)]
struct Call {
    key: Digest16,
    /// Of the request body.
    body: Digest16,
}

/// Longest `Idempotency-Key`, in bytes.
pub const IDEMPOTENCY_KEY_BYTES_MAX: usize = 256;

impl Hub {
    /// Publishes the body of `POST /v1/event` for an endpoint. When this answers, the events are durable.
    pub async fn publish(
        self: &Arc<Self>,
        endpoint: EndpointId,
        body: &[u8],
        idempotency_key: Option<&str>,
    ) -> Result<Published> {
        let key = idempotency_key
            .map(|key| idempotency_digest(endpoint, key))
            .transpose()?;
        self.publish_once(endpoint, body, key).await
    }

    /// The same for a call that is known by a digest of our own making, if by any.
    pub(crate) async fn publish_once(
        self: &Arc<Self>,
        endpoint: EndpointId,
        body: &[u8],
        key: Option<Digest16>,
    ) -> Result<Published> {
        let call = key.map(|key| Call {
            key,
            body: body_digest(body),
        });
        let started = std::time::Instant::now();
        let published = self.publish_inner(endpoint, body, call).await;
        match &published {
            Ok(published) => {
                self.metrics.published.inc_by(u64::from(published.accepted));
                self.metrics
                    .quarantined
                    .inc_by(u64::from(published.quarantined));
            }
            Err(_) => {
                self.metrics.rejected.inc();
            }
        }
        self.metrics
            .publish
            .observe(started.elapsed().as_secs_f64());
        published
    }

    async fn publish_inner(
        self: &Arc<Self>,
        endpoint: EndpointId,
        body: &[u8],
        call: Option<Call>,
    ) -> Result<Published> {
        let publisher = self.may_publish(endpoint)?;
        let now = self.now();
        let parsed = match event_post::parse(body, &publisher, now, &self.options.limits) {
            Ok(parsed) => parsed,
            Err(invalid) => return Box::pin(self.refuse(call, &publisher, invalid)).await,
        };
        let events = parsed.accepted + parsed.quarantined;
        self.spend(publisher.account, &publisher.policy, events)
            .await?;
        self.note_drift(&publisher, &parsed, now);
        if call.is_none() && parsed.keys.is_empty() {
            let counts = (parsed.accepted, parsed.quarantined);
            let records = encode(&parsed.entries);
            let appended = self.logs.of(publisher.account).append(records).await?;
            return Ok(answer(counts, appended.first.as_u64(), &publisher));
        }
        // Boxed, as is `refuse`: the future of the common case stays small.
        Box::pin(self.publish_with_keys(&publisher, parsed, call)).await
    }

    /// Refuses a body, unless the call was taken before: the rules may have changed since, its answer has not.
    async fn refuse(
        self: &Arc<Self>,
        call: Option<Call>,
        publisher: &Publisher,
        invalid: Invalid,
    ) -> Result<Published> {
        if let Some(call) = call {
            let (known, _reservation) = self.claim_keys(Some(call.key), &[]).await?;
            if let Some(Known::Call(before)) = known.get(&call.key) {
                return self.answer_again(call, before, publisher);
            }
        }
        Err(invalid.into())
    }

    /// The publisher, if it may publish now.
    fn may_publish(&self, endpoint: EndpointId) -> Result<Arc<Publisher>> {
        let entry = self
            .registry
            .endpoint(endpoint)
            .ok_or_else(|| Error::not_found("endpoint", endpoint))?;
        let say = |why: &str| Err(Error::Forbidden(format!("endpoint {endpoint} {why}")));
        if entry.endpoint.status != model::EndpointStatus::Active {
            return say(&format!(
                "is {}, not ACTIVE: register it with PUT /v1/endpoint first",
                entry.endpoint.status.as_str()
            ));
        }
        if !entry.endpoint.enabled {
            return say("is disabled: enable it with PUT /v1/endpoint/enable");
        }
        if entry.endpoint.definition.event_source().is_none() {
            return say(
                "is not registered as a source of events: enable `endpointTypes.event.source` with PUT /v1/endpoint",
            );
        }
        Ok(Arc::clone(&entry.publisher))
    }

    fn note_drift(&self, publisher: &Publisher, parsed: &Parsed<'_>, now: Timestamp) {
        for drift in &parsed.drift {
            let what = match drift.what {
                DriftKind::Undeclared => "undeclared".to_owned(),
                DriftKind::Type { declared, seen } => {
                    format!("declared {declared}, came as {seen}")
                }
            };
            self.drift.add(
                publisher.account,
                publisher.endpoint,
                (&drift.code, &drift.attribute, &what),
                now,
            );
        }
    }

    async fn publish_with_keys(
        self: &Arc<Self>,
        publisher: &Publisher,
        mut parsed: Parsed<'_>,
        call: Option<Call>,
    ) -> Result<Published> {
        let (known, reservation) = self
            .claim_keys(call.map(|call| call.key), &parsed.keys)
            .await?;
        if let Some(call) = call
            && let Some(Known::Call(before)) = known.get(&call.key)
        {
            return self.answer_again(call, before, publisher);
        }
        let counts = (parsed.accepted, parsed.quarantined);
        let earlier = self.leave_out(&mut parsed.entries, &known);
        let idempotency = call.map(|call| Idempotency {
            key: call.key,
            body: call.body,
            accepted: counts.0,
            quarantined: counts.1,
        });
        match parsed.entries.first_mut() {
            Some(Entry::Document(document)) => document.idempotency = idempotency,
            Some(Entry::Refused(refused)) => refused.idempotency = idempotency,
            None => {
                // Everything in it had been published before.
                let position = earlier.unwrap_or_default();
                if let Some(idempotency) = idempotency {
                    let now_us = self.now().as_microsecond();
                    let call =
                        self.idempotency_key(position, publisher.account, idempotency, now_us);
                    reservation.save_call(call).await?;
                }
                return Ok(answer(counts, position, publisher));
            }
        }
        let position = self
            .append_with_keys(publisher.account, &parsed.entries, reservation)
            .await?;
        Ok(answer(counts, position, publisher))
    }

    /// The answer to a call that is repeated.
    fn answer_again(
        &self,
        call: Call,
        before: &IdempotencyKey,
        publisher: &Publisher,
    ) -> Result<Published> {
        if before.body != call.body {
            let hours = self.options.dedupe.idempotency_window.as_secs_f64() / 3600.0;
            return Err(Error::Conflict(format!(
                "this Idempotency-Key was used with another body in the last {hours} hours: use a new key for a new call"
            )));
        }
        self.metrics.deduplicated.inc_by(u64::from(before.accepted));
        let counts = (before.accepted, before.quarantined);
        Ok(answer(counts, before.position, publisher))
    }

    /// Takes out events that had been published before, and what is empty then; answers where the first of them is.
    fn leave_out(
        &self,
        entries: &mut Vec<Entry<'_>>,
        known: &HashMap<Digest16, Known>,
    ) -> Option<u64> {
        let mut earlier = None;
        entries.retain_mut(|entry| {
            let Entry::Document(document) = entry else {
                return true;
            };
            document.events.retain(|event| {
                let Some(Known::Event { position }) = event.key.and_then(|key| known.get(&key))
                else {
                    return true;
                };
                earlier.get_or_insert(*position);
                self.metrics.deduplicated.inc();
                false
            });
            !document.events.is_empty()
        });
        renumber(entries);
        earlier
    }

    /// Appends in a task of its own, so that the keys are settled even if the caller is gone by then.
    pub(crate) async fn append_with_keys(
        self: &Arc<Self>,
        account: AccountId,
        entries: &[Entry<'_>],
        reservation: Reservation,
    ) -> Result<u64> {
        let mut events: Vec<(Digest16, u64)> = Vec::new();
        for (offset, entry) in (0u64..).zip(entries) {
            if let Entry::Document(document) = entry {
                events.extend(
                    document
                        .events
                        .iter()
                        .filter_map(|event| event.key)
                        .map(|key| (key, offset)),
                );
            }
        }
        let call = entries.first().and_then(Entry::idempotency);
        let records = encode(entries);
        let hub = Arc::clone(self);
        let now_us = self.now().as_microsecond();
        let append = tokio::spawn(async move {
            let first = hub.logs.of(account).append(records).await?.first.as_u64();
            let mut known: Vec<(Digest16, Known)> = Vec::new();
            known.extend(events.into_iter().map(|(key, offset)| {
                (
                    key,
                    Known::Event {
                        position: first + offset,
                    },
                )
            }));
            known.extend(call.map(|idempotency| {
                (
                    idempotency.key,
                    Known::Call(hub.idempotency_key(first, account, idempotency, now_us)),
                )
            }));
            reservation.fulfil(account, known).await;
            Ok(first)
        });
        append.await.map_err(Error::internal)?
    }
}

/// A publication's first record has ordinal 0, also after some were left out.
fn renumber(entries: &mut [Entry<'_>]) {
    for (ordinal, entry) in (0u32..).zip(entries) {
        match entry {
            Entry::Document(document) => document.ordinal = ordinal,
            Entry::Refused(refused) => refused.ordinal = ordinal,
        }
    }
}

fn encode(entries: &[Entry<'_>]) -> Vec<Vec<u8>> {
    entries.iter().map(Entry::encode).collect()
}

fn answer((accepted, quarantined): (u32, u32), position: u64, publisher: &Publisher) -> Published {
    Published {
        accepted,
        quarantined,
        publication: DocumentId::new(position, publisher.account),
    }
}

/// What a call that is repeated must have in common with the first.
pub(crate) fn body_digest(body: &[u8]) -> Digest16 {
    digest(&[b"rialto body", body])
}

pub(crate) fn digest(parts: &[&[u8]]) -> Digest16 {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    let mut sixteen = [0u8; 16];
    sixteen.copy_from_slice(&hasher.finalize()[..16]);
    sixteen
}

fn idempotency_digest(endpoint: EndpointId, key: &str) -> Result<Digest16> {
    if key.is_empty() || key.len() > IDEMPOTENCY_KEY_BYTES_MAX {
        let message = format!(
            "the Idempotency-Key header has {} bytes: send 1 to {IDEMPOTENCY_KEY_BYTES_MAX}",
            key.len()
        );
        return Err(Invalid::one("", "idempotency-key", message).into());
    }
    Ok(digest(&[
        b"rialto idempotency",
        &endpoint.0.to_be_bytes(),
        key.as_bytes(),
    ]))
}
