//! What happened to an event, and what to do about it: states, exceptions, replay.

use std::collections::{BTreeMap, BTreeSet};

use engine::Position;
use jiff::Timestamp;
use model::record::{Document, Entry};
use model::{Barred, DocumentId, EndpointId, EventRef, Invalid};
use store::delivery::{After, Attempt, Exception, ExceptionState};

use crate::event::Brief;
use crate::{Actor, Error, Hub, Result, Scope};

/// How an event stands at one destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryState {
    /// Routed or about to be, not yet delivered.
    Pending,
    Retrying,
    Dead,
    /// Pushed and answered with success, or put into an event file.
    Delivered,
    /// Not delivered, for whom it is about; as the lists of today tell.
    Withheld(Barred),
}

impl DeliveryState {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Retrying => "retrying",
            Self::Dead => "dead",
            Self::Delivered => "delivered",
            Self::Withheld(_) => "withheld",
        }
    }
}

/// An event at one destination.
#[derive(Debug, Clone)]
pub struct Delivery {
    pub endpoint: EndpointId,
    pub endpoint_name: String,
    pub state: DeliveryState,
    /// Attempts and answers, when there was trouble.
    pub exception: Option<Exception>,
}

/// An event and what became of it.
#[derive(Debug, Clone)]
pub struct EventView {
    pub id: EventRef,
    pub document: DocumentId,
    pub publisher: EndpointId,
    pub published_at: Timestamp,
    pub code: String,
    /// As delivered.
    pub body: String,
    pub deliveries: Vec<Delivery>,
}

/// What to send again.
#[derive(Debug, Clone, Default)]
pub struct ReplayFilter {
    /// One destination; none: every destination (only with `events`).
    pub endpoint: Option<EndpointId>,
    /// Published at or after.
    pub from: Option<Timestamp>,
    /// Published before.
    pub to: Option<Timestamp>,
    pub events: Vec<EventRef>,
    /// Only these codes; empty: all.
    pub codes: Vec<String>,
    /// Only what is dead.
    pub only_dead: bool,
}

/// What a replay sends, or would send.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReplayReport {
    /// Documents, once for each destination.
    pub documents: u64,
    /// By destination.
    pub destinations: Vec<(EndpointId, u64)>,
    /// The first few.
    pub sample: Vec<DocumentId>,
}

/// Dead letters that are counted one by one.
pub const DEAD_COUNTED_MAX: i64 = 10_000;
const SAMPLE_MAX: usize = 10;

/// Dead letters of one destination that died of the same.
#[derive(Debug, Clone)]
pub struct DeadCause {
    pub endpoint: EndpointId,
    /// The status that was answered, or the word for what went wrong without an answer.
    pub cause: String,
    pub count: u64,
    /// The latest attempt.
    pub last_at: Timestamp,
    pub example: Option<Attempt>,
}

/// What the last attempt came to.
pub fn cause(exception: &Exception) -> String {
    match exception.history.last() {
        Some(Attempt {
            status: Some(status),
            ..
        }) => status.to_string(),
        Some(Attempt {
            failure: Some(failure),
            ..
        }) => failure.clone(),
        _ => "unknown".to_owned(),
    }
}

/// Documents put back by one replay: a larger one is asked for in parts.
const REPLAY_MAX: usize = 1_000_000;

impl Hub {
    /// What happened to an event: for each destination its state and attempts.
    pub async fn event(&self, scope: Scope, id: EventRef) -> Result<EventView> {
        let missing = || Error::not_found("event", id);
        let first = id.publication.position(scope.0).ok_or_else(missing)?;
        self.checkpoint().await?;
        let batch = self
            .logs
            .of(scope.0)
            .read(Position::from_u64(first).seq(), 1, usize::MAX)
            .await?
            .into_iter()
            .next();
        let batch = batch
            .filter(|batch| batch.seq() == Position::from_u64(first).seq())
            .ok_or_else(missing)?;
        let mut publisher = None;
        for (position, bytes) in batch
            .iter()
            .filter(|(position, _)| position.as_u64() >= first)
        {
            let Ok(Entry::Document(document)) = Entry::decode(bytes) else {
                continue;
            };
            let expected = *publisher.get_or_insert(document.endpoint);
            if document.account != scope.0
                || document.endpoint != expected
                || (document.ordinal == 0 && position.as_u64() > first)
            {
                break;
            }
            if let Some(event) = document
                .events
                .iter()
                .find(|event| event.ordinal == id.ordinal)
            {
                let deliveries = self
                    .deliveries_of(scope, position.as_u64(), &document)
                    .await?;
                return Ok(EventView {
                    id,
                    document: DocumentId::new(position.as_u64(), scope.0),
                    publisher: document.endpoint,
                    published_at: Timestamp::from_microsecond(document.published_at_us)
                        .unwrap_or_default(),
                    code: event.code.to_string(),
                    body: event.body.to_string(),
                    deliveries: deliveries
                        .into_iter()
                        .filter(|d| self.takes(position.as_u64(), &document, event, d.endpoint))
                        .collect(),
                });
            }
        }
        Err(missing())
    }

    async fn deliveries_of(
        &self,
        scope: Scope,
        position: u64,
        document: &Document<'_>,
    ) -> Result<Vec<Delivery>> {
        let mut matched = Vec::new();
        self.match_document(position, document, &mut matched);
        let mut tx = self.db.read().await?;
        let exceptions = store::delivery::at(&mut tx, scope, position).await?;
        drop(tx);
        let withheld = self.withheld(document).await?;
        let mut deliveries = Vec::new();
        for id in matched {
            let exception = exceptions.iter().find(|e| e.endpoint == id).cloned();
            let place = self.place(scope, id, position).await?;
            let state = match &exception {
                _ if place.is_pending || !place.is_routed => DeliveryState::Pending,
                _ if place.is_retrying => DeliveryState::Retrying,
                Some(e) if e.state == ExceptionState::Dead => DeliveryState::Dead,
                Some(_) => DeliveryState::Retrying,
                None => withheld.map_or(DeliveryState::Delivered, DeliveryState::Withheld),
            };
            let name = self
                .registry
                .endpoint(id)
                .map(|e| e.endpoint.definition.name.clone())
                .unwrap_or_default();
            deliveries.push(Delivery {
                endpoint: id,
                endpoint_name: name,
                state,
                exception,
            });
        }
        Ok(deliveries)
    }

    /// Deliveries in trouble by position and destination, with the events of each; of one state and one destination,
    /// or of all.
    pub async fn exceptions(
        &self,
        scope: Scope,
        state: Option<ExceptionState>,
        endpoint: Option<EndpointId>,
        (after, limit): (Option<After>, i64),
    ) -> Result<Vec<(Exception, Brief)>> {
        self.checkpoint().await?;
        let mut tx = self.db.read().await?;
        let listed = store::delivery::list(&mut tx, scope, state, endpoint, (after, limit)).await?;
        drop(tx);
        let positions: Vec<u64> = listed.iter().map(|e| e.position).collect();
        let briefs = self.briefs(scope, &positions).await?;
        Ok(listed.into_iter().zip(briefs).collect())
    }

    /// How many dead letters each destination has: of all together at most [`DEAD_COUNTED_MAX`] are counted.
    pub async fn dead_letters(&self, scope: Scope) -> Result<Vec<(EndpointId, u64)>> {
        let mut tx = self.db.read().await?;
        Ok(store::delivery::count_dead(&mut tx, scope, DEAD_COUNTED_MAX).await?)
    }

    /// Why the dead letters of an account, or of one destination, are dead: the most frequent cause first. Of all together
    /// [`DEAD_COUNTED_MAX`] are looked at.
    pub async fn dead_causes(
        &self,
        scope: Scope,
        endpoint: Option<EndpointId>,
    ) -> Result<Vec<DeadCause>> {
        self.checkpoint().await?;
        let mut tx = self.db.read().await?;
        let page = (None, DEAD_COUNTED_MAX);
        let dead = Some(ExceptionState::Dead);
        let dead = store::delivery::list(&mut tx, scope, dead, endpoint, page).await?;
        drop(tx);
        let mut causes = BTreeMap::<(EndpointId, String), DeadCause>::new();
        for exception in dead {
            let cause = cause(&exception);
            let known = causes.entry((exception.endpoint, cause.clone()));
            let known = known.or_insert_with(|| DeadCause {
                endpoint: exception.endpoint,
                cause,
                count: 0,
                last_at: exception.last_attempt_at,
                example: exception.history.last().cloned(),
            });
            known.count += 1;
            if exception.last_attempt_at >= known.last_at {
                known.last_at = exception.last_attempt_at;
                known.example = exception.history.last().cloned();
            }
        }
        let mut causes: Vec<DeadCause> = causes.into_values().collect();
        causes.sort_by_key(|cause| std::cmp::Reverse(cause.count));
        Ok(causes)
    }

    /// Tries at once what a destination has not taken yet, and would be tried later; answers how many documents.
    pub async fn retry_now(&self, actor: &Actor, scope: Scope, id: EndpointId) -> Result<u64> {
        self.check_endpoint(scope, id)?;
        self.checkpoint().await?;
        let positions = self
            .positions_in(scope, id, ExceptionState::Retrying)
            .await?;
        let positions: Vec<u64> = positions.into_iter().take(REPLAY_MAX).collect();
        self.flow_replay(scope, id, &positions).await?;
        let report = ReplayReport {
            documents: positions.len() as u64,
            ..ReplayReport::default()
        };
        let filter = ReplayFilter {
            endpoint: Some(id),
            ..ReplayFilter::default()
        };
        self.audit_replay(actor, scope, &filter, &report).await?;
        Ok(report.documents)
    }

    /// Sends again what the filter takes; with `is_preview` only says what that would be.
    pub async fn replay(
        &self,
        actor: &Actor,
        scope: Scope,
        filter: &ReplayFilter,
        is_preview: bool,
    ) -> Result<ReplayReport> {
        check_filter(filter)?;
        if let Some(id) = filter.endpoint {
            self.check_endpoint(scope, id)?;
        }
        while self.route().await?.batches > 0 {}
        self.checkpoint().await?;
        let found = if filter.events.is_empty() {
            self.find_range(scope, filter).await?
        } else {
            self.find_events(scope, filter).await?
        };
        let mut report = ReplayReport::default();
        for (endpoint, positions) in found {
            report.documents += positions.len() as u64;
            report.destinations.push((endpoint, positions.len() as u64));
            let sample = positions.iter().map(|&p| DocumentId::new(p, scope.0));
            report
                .sample
                .extend(sample.take(SAMPLE_MAX.saturating_sub(report.sample.len())));
            if !is_preview {
                self.flow_replay(scope, endpoint, &positions).await?;
            }
        }
        if !is_preview {
            self.audit_replay(actor, scope, filter, &report).await?;
        }
        Ok(report)
    }

    async fn audit_replay(
        &self,
        actor: &Actor,
        scope: Scope,
        filter: &ReplayFilter,
        report: &ReplayReport,
    ) -> Result<()> {
        let detail = serde_json::json!({
            "endpointId": filter.endpoint, "from": filter.from, "to": filter.to,
            "eventIds": filter.events.iter().map(ToString::to_string).collect::<Vec<_>>(), "documents": report.documents,
        });
        let mut tx = self.db.begin().await?;
        self.audit(
            &mut tx,
            Some(scope),
            actor,
            ("delivery.replay", format!("account {}", scope.0)),
            detail,
        )
        .await?;
        Ok(tx.commit().await?)
    }

    async fn find_events(
        &self,
        scope: Scope,
        filter: &ReplayFilter,
    ) -> Result<Vec<(EndpointId, Vec<u64>)>> {
        let mut found = Found::default();
        for &id in &filter.events {
            let event = self.event(scope, id).await?;
            let Some(position) = event.document.position(scope.0) else {
                continue;
            };
            for delivery in event.deliveries {
                let wanted = filter.endpoint.is_none_or(|id| id == delivery.endpoint);
                if wanted && (!filter.only_dead || delivery.state == DeliveryState::Dead) {
                    found.add(delivery.endpoint, position)?;
                }
            }
        }
        Ok(found.into_lists())
    }

    async fn find_range(
        &self,
        scope: Scope,
        filter: &ReplayFilter,
    ) -> Result<Vec<(EndpointId, Vec<u64>)>> {
        let Some(endpoint) = filter.endpoint else {
            return Ok(Vec::new());
        };
        let dead = if filter.only_dead {
            Some(
                self.positions_in(scope, endpoint, ExceptionState::Dead)
                    .await?,
            )
        } else {
            None
        };
        let mut found = Found::default();
        let mut seq = match filter.from {
            Some(from) => self.logs.of(scope.0).find_time(from).await?,
            None => self.logs.of(scope.0).ends().first_seq,
        };
        loop {
            const BATCHES: usize = 64;
            const BYTES: usize = 16 << 20;
            let batches = self
                .read_log(self.logs.shard(scope.0), seq, BATCHES, BYTES)
                .await?;
            let Some(last) = batches.last() else {
                return Ok(found.into_lists());
            };
            seq = last.seq() + 1;
            for batch in &batches {
                for (position, bytes) in batch.iter() {
                    let Ok(Entry::Document(document)) = Entry::decode(bytes) else {
                        continue;
                    };
                    let position = position.as_u64();
                    let is_wanted = document.account == scope.0
                        && in_range(filter, document.published_at_us)
                        && dead.as_ref().is_none_or(|dead| dead.contains(&position))
                        && self
                            .registry
                            .endpoint(endpoint)
                            .is_some_and(|e| e.endpoint.held_at(position))
                        && document.events.iter().any(|event| {
                            (filter.codes.is_empty()
                                || filter.codes.iter().any(|code| *code == event.code))
                                && self.takes(position, &document, event, endpoint)
                        });
                    if is_wanted {
                        found.add(endpoint, position)?;
                    }
                }
            }
        }
    }

    async fn positions_in(
        &self,
        scope: Scope,
        endpoint: EndpointId,
        state: ExceptionState,
    ) -> Result<BTreeSet<u64>> {
        const PAGE: i64 = 10_000;
        let mut positions = BTreeSet::new();
        let mut tx = self.db.read().await?;
        let mut after = None;
        loop {
            let page = (after, PAGE);
            let of = (Some(state), Some(endpoint));
            let found = store::delivery::list(&mut tx, scope, of.0, of.1, page).await?;
            let Some(last) = found.last() else {
                return Ok(positions);
            };
            after = Some(After {
                position: last.position,
                endpoint: last.endpoint,
            });
            positions.extend(found.iter().map(|e| e.position));
        }
    }

    /// A destination answered 410: it is disabled, and people are told.
    pub(crate) async fn destination_gone(&self, id: EndpointId, detail: &str) -> Result<()> {
        let Some(entry) = self.registry.endpoint(id) else {
            return Ok(());
        };
        let scope = Scope(entry.endpoint.account);
        let reason = format!("the destination answered 410 Gone: {detail}");
        if !self.endpoint_disable_because(scope, id, &reason).await? {
            // Another of the calls under way was told first.
            return Ok(());
        }
        let message = format!(
            "endpoint {id} was disabled: it answered 410 Gone. What waits for it is kept; enable it again to go on"
        );
        self.notify_people(scope, Some(id), "destination-gone", &message)
            .await
    }
}

/// Positions by destination, bounded.
#[derive(Default)]
struct Found {
    by_endpoint: BTreeMap<EndpointId, BTreeSet<u64>>,
    count: usize,
}

impl Found {
    fn add(&mut self, endpoint: EndpointId, position: u64) -> Result<()> {
        self.count += usize::from(
            self.by_endpoint
                .entry(endpoint)
                .or_default()
                .insert(position),
        );
        if self.count > REPLAY_MAX {
            let message = format!("more than {REPLAY_MAX} documents: ask for a shorter range");
            return Err(Invalid::one("/from", "too-many", message).into());
        }
        Ok(())
    }

    fn into_lists(self) -> Vec<(EndpointId, Vec<u64>)> {
        self.by_endpoint
            .into_iter()
            .map(|(id, positions)| (id, positions.into_iter().collect()))
            .collect()
    }
}

fn check_filter(filter: &ReplayFilter) -> Result<()> {
    let mut invalid = Invalid::default();
    if filter.events.is_empty() && filter.endpoint.is_none() {
        invalid.add(
            "/endpointId",
            "required",
            "name the destination in `endpointId`, or events in `eventIds`",
        );
    }
    if filter.events.is_empty() && filter.from.is_none() && !filter.only_dead {
        let message = "say since when: an RFC 3339 time, such as 2026-11-21T09:00:00Z";
        invalid.add("/from", "required", message);
    }
    if let (Some(from), Some(to)) = (filter.from, filter.to)
        && from >= to
    {
        invalid.add("/to", "range", "`to` must lie after `from`");
    }
    Ok(invalid.or(())?)
}

fn in_range(filter: &ReplayFilter, published_at_us: i64) -> bool {
    filter
        .from
        .is_none_or(|from| published_at_us >= from.as_microsecond())
        && filter
            .to
            .is_none_or(|to| published_at_us < to.as_microsecond())
}
