//! Published events, as people look for them: the latest of an account, and what rests at a position of the log.
//!
//! What became of an event at each destination is in `delivery`. Nothing here is on the publish path.

use std::sync::Arc;

use engine::{Batch, Position};
use jiff::Timestamp;
use model::record::{Document, Entry};
use model::{AccountId, DocumentId, EndpointId, EventRef};

use crate::{Hub, Result, Scope};

/// One event, without its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    pub id: EventRef,
    pub code: String,
    pub publisher: EndpointId,
    pub published_at: Timestamp,
}

/// The events that were published together in one document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Brief {
    /// Empty when the log no longer holds the document.
    pub events: Vec<Listed>,
}

/// Which events are looked for; what is `None` does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventFilter {
    pub code: Option<String>,
    pub publisher: Option<EndpointId>,
    /// The value of an identifier that was published with it, in whichever case.
    pub identifier: Option<String>,
    /// Published at or after.
    pub from: Option<Timestamp>,
    /// Published before.
    pub to: Option<Timestamp>,
}

impl EventFilter {
    fn is_about(&self, document: &Document<'_>) -> bool {
        let at = document.published_at_us;
        let is_known = |value: &str| {
            let mut known = document.identifiers.iter();
            known.any(|one| one.value.to_lowercase() == value.to_lowercase())
        };
        self.publisher.is_none_or(|id| id == document.endpoint)
            && self.from.is_none_or(|from| at >= from.as_microsecond())
            && self.to.is_none_or(|to| at < to.as_microsecond())
            && self.identifier.as_deref().is_none_or(is_known)
    }
}

/// The latest events, and where to go on: `None` when there are no older ones.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Latest {
    pub events: Vec<Listed>,
    pub next: Option<EventRef>,
}

/// What one call looks through at most, so that an account that publishes little costs little: batches, and bytes.
const BATCHES_MAX: u64 = 4_096;
const BYTES_MAX: usize = 64 << 20;
/// Longest time between an event's arrival and its batch, about.
const LATE: std::time::Duration = std::time::Duration::from_secs(60);
/// Batches read at once. Few, because they can be large and all of them are held.
const BATCHES: u64 = 8;

impl Hub {
    /// The latest events of an account, newest first, older than `before`. About `limit`: a document is not divided.
    pub async fn events_latest(
        &self,
        scope: Scope,
        before: Option<EventRef>,
        limit: usize,
    ) -> Result<Latest> {
        self.events_found(scope, &EventFilter::default(), before, limit)
            .await
    }

    /// The same of those that the filter takes. One call looks through [`BATCHES_MAX`] batches of the log or [`BYTES_MAX`]
    /// bytes at most; what it found until then is answered, with where to go on.
    pub async fn events_found(
        &self,
        scope: Scope,
        filter: &EventFilter,
        before: Option<EventRef>,
        limit: usize,
    ) -> Result<Latest> {
        let log = self.logs.of(scope.0);
        log.latest().await?;
        let mut ends = log.ends();
        if let Some(from) = filter.from {
            ends.first_seq = log
                .find_time(from)
                .await?
                .clamp(ends.first_seq, ends.next_seq);
        }
        let last = match filter.to {
            // What is published is appended a little later.
            Some(to) => log.find_time(to + LATE).await?.min(ends.next_seq),
            None => ends.next_seq,
        };
        let end = Position::new(last, 0).as_u64();
        let mut before = before
            .and_then(|id| id.publication.position(scope.0))
            .unwrap_or(end)
            .min(end);
        let mut latest = Latest::default();
        let (mut looked_at, mut bytes) = (0, 0);
        loop {
            // The batch in which `before` lies counts, unless `before` is its start.
            let to = Position::from_u64(before.saturating_sub(1)).seq() + 1;
            let from = to.saturating_sub(BATCHES).max(ends.first_seq);
            if before == 0 || from >= to {
                return Ok(latest);
            }
            let is_enough = looked_at >= BATCHES_MAX || bytes >= BYTES_MAX;
            if is_enough || latest.events.len() >= limit {
                latest.next = Some(EventRef {
                    publication: DocumentId::new(before, scope.0),
                    ordinal: 0,
                });
                return Ok(latest);
            }
            let wanted = usize::try_from(to - from).unwrap_or(usize::MAX);
            let batches = self
                .read_log(self.logs.shard(scope.0), from, wanted, usize::MAX)
                .await?;
            looked_at += to - from;
            bytes += batches.iter().map(|batch| batch.bytes()).sum::<usize>();
            let rest = limit - latest.events.len();
            let wanted = (scope.0, filter);
            before = newest_first(&batches, wanted, (before, rest), &mut latest.events)
                .unwrap_or_else(|| Position::new(from, 0).as_u64());
        }
    }

    /// What was published at each of these positions, in their order.
    pub(crate) async fn briefs(&self, scope: Scope, positions: &[u64]) -> Result<Vec<Brief>> {
        let mut briefs = Vec::with_capacity(positions.len());
        let mut batch: Option<Arc<Batch>> = None;
        for &position in positions {
            let seq = Position::from_u64(position).seq();
            if batch.as_ref().is_none_or(|known| known.seq() != seq) {
                let read = self
                    .read_log(self.logs.shard(scope.0), seq, 1, usize::MAX)
                    .await?;
                batch = read.into_iter().find(|read| read.seq() == seq);
            }
            let mut events = Vec::new();
            let records = batch.iter().flat_map(|batch| batch.iter());
            for (at, bytes) in records.filter(|(at, _)| at.as_u64() == position) {
                let all = EventFilter::default();
                list(at.as_u64(), bytes, (scope.0, &all), &mut events);
            }
            briefs.push(Brief { events });
        }
        Ok(briefs)
    }
}

/// Adds events of documents before a position; answers where it stopped because there were enough.
fn newest_first(
    batches: &[Arc<Batch>],
    wanted: (AccountId, &EventFilter),
    (before, limit): (u64, usize),
    events: &mut Vec<Listed>,
) -> Option<u64> {
    let enough = events.len() + limit;
    for batch in batches.iter().rev() {
        let records: Vec<_> = batch.iter().collect();
        for (position, bytes) in records.into_iter().rev() {
            let position = position.as_u64();
            if position >= before {
                continue;
            }
            list(position, bytes, wanted, events);
            if events.len() >= enough {
                return Some(position);
            }
        }
    }
    None
}

/// The events of one record that are wanted, the last first, if it is a document of the account.
fn list(
    position: u64,
    bytes: &[u8],
    (account, filter): (AccountId, &EventFilter),
    events: &mut Vec<Listed>,
) {
    let Ok(Entry::Document(document)) = Entry::decode(bytes) else {
        return;
    };
    if document.account != account || !filter.is_about(&document) {
        return;
    }
    let publication = publication(position, &document);
    let is_wanted = |code: &str| filter.code.as_deref().is_none_or(|wanted| wanted == code);
    let events_of = document.events.iter().rev();
    for event in events_of.filter(|event| is_wanted(&event.code)) {
        events.push(Listed {
            id: EventRef {
                publication,
                ordinal: event.ordinal,
            },
            code: event.code.to_string(),
            publisher: document.endpoint,
            published_at: Timestamp::from_microsecond(document.published_at_us).unwrap_or_default(),
        });
    }
}

/// A publication is named by its first document; all of it lies in one batch.
fn publication(position: u64, document: &Document<'_>) -> DocumentId {
    let first = position.saturating_sub(u64::from(document.ordinal));
    DocumentId::new(first, document.account)
}
