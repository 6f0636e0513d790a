//! One destination in the flow: what waits for it, what is under way, what must be tried again, and how it answers.
//!
//! A plain data structure without IO, owned by [`super::schedule`] under one lock. The invariants:
//!
//! - every position routed to it is in exactly one place: `pending` (waiting or under way), `retrying`, or the
//!   dead letters in the store; in none of them means delivered;
//! - of one person at most one document is under way (first-attempt order), and a destination that asks for strict
//!   order keeps a person parked while one of its documents is being retried;
//! - `ready` and `lanes` hold positions only, and a bounded number of them: a destination that is behind reads by
//!   its own set when there is room.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::time::Duration;

use jiff::Timestamp;
use model::circuit::{Circuit, CircuitPolicy, Permission};
use model::concurrency::Window;
use model::endpoint::{Ordering, Transfer};
use model::{AccountId, EndpointId};
use store::delivery::Exception;

use super::pending::PendingSet;

/// Positions kept at hand for one destination; the rest stays in its set.
pub(crate) const READY_MAX: usize = 1_024;
/// Positions parked behind persons, for destinations with strict order; beyond this the destination waits.
const PARKED_MAX: usize = 16_384;

/// A document that waits, with what the order of deliveries depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Waiting {
    pub(crate) position: u64,
    /// Digest of the person; 0 for nobody.
    pub(crate) person: i64,
    /// Size of the record, for fairness.
    pub(crate) cost: u32,
}

/// Why a job is being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    First,
    Retry,
}

/// Documents to be sent in one call.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    pub(crate) destination: EndpointId,
    pub(crate) kind: Kind,
    /// More than one only for destinations that take compound batches.
    pub(crate) documents: Vec<Waiting>,
    pub(crate) is_probe: bool,
}

#[derive(Debug)]
pub(crate) struct Destination {
    pub(crate) id: EndpointId,
    pub(crate) account: AccountId,
    pub(crate) transfer: Transfer,
    pub(crate) order: Ordering,
    /// Documents in one call at most.
    pub(crate) batch_max: usize,
    /// Active, enabled and a destination: may be called.
    pub(crate) is_open: bool,
    pub(crate) pending: PendingSet,
    /// The next position of `pending` that is not at hand yet.
    pub(crate) scan: u64,
    /// A loader is reading for it.
    pub(crate) is_loading: bool,
    ready: VecDeque<Waiting>,
    /// Persons of whom a document is under way or, with strict order, being retried; and what waits behind.
    lanes: HashMap<i64, VecDeque<Waiting>>,
    parked: usize,
    /// Positions at hand, in a lane or under way: not to be read again.
    claimed: HashSet<u64>,
    pub(crate) retrying: HashMap<u64, Exception>,
    due: BTreeSet<(Timestamp, u64)>,
    /// Exceptions that the store does not have yet, or must forget.
    pub(crate) changed: HashSet<u64>,
    pub(crate) fresh_dead: Vec<Exception>,
    pub(crate) gone: HashSet<u64>,
    pub(crate) circuit: Circuit,
    pub(crate) window: Window,
    pub(crate) in_flight: u32,
    pub(crate) deficit: i64,
    /// Stands in its account's round.
    pub(crate) is_queued: bool,
    /// When the oldest waiting document was routed to an empty set; for closing files by age.
    pub(crate) waiting_since: Option<Timestamp>,
    /// People have been told that its backlog is old.
    pub(crate) is_warned: bool,
    /// Bytes routed and waiting, roughly; for closing files by size.
    pub(crate) waiting_bytes: u64,
    pub(crate) delivered: u64,
}

impl Destination {
    pub(crate) fn new(
        id: EndpointId,
        account: AccountId,
        circuit: Circuit,
        window: Window,
    ) -> Self {
        Self {
            id,
            account,
            transfer: Transfer::Push,
            order: Ordering::First,
            batch_max: 1,
            is_open: false,
            pending: PendingSet::default(),
            scan: 0,
            is_loading: false,
            ready: VecDeque::new(),
            lanes: HashMap::new(),
            parked: 0,
            claimed: HashSet::new(),
            retrying: HashMap::new(),
            due: BTreeSet::new(),
            changed: HashSet::new(),
            fresh_dead: Vec::new(),
            gone: HashSet::new(),
            circuit,
            window,
            in_flight: 0,
            deficit: 0,
            is_queued: false,
            waiting_since: None,
            is_warned: false,
            waiting_bytes: 0,
            delivered: 0,
        }
    }

    /// The router found a document for it.
    pub(crate) fn route(&mut self, waiting: Waiting, now: Timestamp) {
        let caught_up = self.scan >= waiting.position || self.pending.is_empty();
        let nothing_between = caught_up || self.pending.from(self.scan).next().is_none();
        if !self.pending.insert(waiting.position) {
            return;
        }
        self.waiting_since.get_or_insert(now);
        self.waiting_bytes += u64::from(waiting.cost);
        let fits =
            self.transfer == Transfer::Push && self.ready.len() < READY_MAX && !self.is_loading;
        if nothing_between && fits {
            self.scan = waiting.position + 1;
            self.take_at_hand(waiting);
        }
    }

    /// What the loader read from the log, in order; `scanned` is where it stopped.
    pub(crate) fn loaded(&mut self, read: &[Waiting], scanned: u64) {
        for &waiting in read {
            if self.pending.contains(waiting.position) && !self.claimed.contains(&waiting.position)
            {
                self.take_at_hand(waiting);
            }
        }
        self.scan = self.scan.max(scanned);
        self.is_loading = false;
    }

    fn take_at_hand(&mut self, waiting: Waiting) {
        self.claimed.insert(waiting.position);
        self.ready.push_back(waiting);
    }

    /// Little is at hand and more waits in the set.
    pub(crate) fn wants_loading(&self) -> bool {
        self.is_open
            && self.transfer == Transfer::Push
            && self.ready.len() < READY_MAX / 2
            && self.parked < PARKED_MAX
            && self
                .pending
                .from(self.scan)
                .any(|position| !self.claimed.contains(&position))
    }

    /// The positions that a loader should read next.
    pub(crate) fn to_load(&self) -> Vec<u64> {
        let room = READY_MAX.saturating_sub(self.ready.len());
        self.pending
            .from(self.scan)
            .filter(|p| !self.claimed.contains(p))
            .take(room)
            .collect()
    }

    /// The next call to make, if it may make one.
    pub(crate) fn next(
        &mut self,
        now: Timestamp,
        policy: &CircuitPolicy,
        retries_allowed: bool,
    ) -> Option<Job> {
        if !self.is_open || self.transfer == Transfer::Pull || !self.window.has_room(self.in_flight)
        {
            return None;
        }
        if self.blocked_until(now).is_some() || (!self.circuit.is_closed() && self.in_flight > 0) {
            return None;
        }
        let job = if retries_allowed {
            self.next_retry(now)
        } else {
            None
        };
        let mut job = job.or_else(|| self.next_first())?;
        job.is_probe = self.circuit.may_attempt(policy, now) == Permission::Probe;
        self.in_flight += 1;
        Some(job)
    }

    /// The circuit lets nothing through before then.
    fn blocked_until(&self, now: Timestamp) -> Option<Timestamp> {
        match self.circuit {
            Circuit::Open { until, .. } | Circuit::HalfOpen { until, .. } if now < until => {
                Some(until)
            }
            _ => None,
        }
    }

    fn next_retry(&mut self, now: Timestamp) -> Option<Job> {
        let &(at, position) = self.due.first().filter(|(at, _)| *at <= now)?;
        self.due.remove(&(at, position));
        let person = self.retrying.get(&position)?.person;
        Some(self.job(
            Kind::Retry,
            vec![Waiting {
                position,
                person,
                cost: 0,
            }],
        ))
    }

    fn next_first(&mut self) -> Option<Job> {
        let mut documents = Vec::new();
        while documents.len() < self.batch_max {
            let Some(waiting) = self.ready.pop_front() else {
                break;
            };
            if waiting.person != 0 {
                if let Some(lane) = self.lanes.get_mut(&waiting.person) {
                    lane.push_back(waiting);
                    self.parked += 1;
                    continue;
                }
                self.lanes.insert(waiting.person, VecDeque::new());
            }
            documents.push(waiting);
        }
        if documents.is_empty() {
            None
        } else {
            Some(self.job(Kind::First, documents))
        }
    }

    fn job(&self, kind: Kind, documents: Vec<Waiting>) -> Job {
        Job {
            destination: self.id,
            kind,
            documents,
            is_probe: false,
        }
    }

    /// Nobody waits behind this person any more: the next document of theirs is at hand again.
    fn release(&mut self, person: i64) {
        if person == 0 {
            return;
        }
        let Some(mut lane) = self.lanes.remove(&person) else {
            return;
        };
        let Some(next) = lane.pop_front() else { return };
        self.parked -= 1;
        // Only the next one goes to the front: it takes the lane again when it starts, and the rest must stay behind it.
        if !lane.is_empty() {
            self.parked -= lane.len();
            for waiting in lane.into_iter().rev() {
                self.ready.push_front(waiting);
            }
        }
        self.ready.push_front(next);
    }

    /// Delivered, by a first attempt or a later one.
    pub(crate) fn delivered(&mut self, waiting: Waiting, kind: Kind) {
        self.delivered += 1;
        self.dropped(waiting, kind);
    }

    /// Nothing to deliver after all: the log no longer holds it.
    pub(crate) fn dropped(&mut self, waiting: Waiting, kind: Kind) {
        self.forget(waiting.position);
        self.finished(waiting, kind);
    }

    /// The person's lane opens, if it was this document that held it: with first-attempt order a retry holds none.
    fn finished(&mut self, waiting: Waiting, kind: Kind) {
        if kind == Kind::First || self.order == Ordering::Strict {
            self.release(waiting.person);
        }
    }

    /// To be tried again: out of the pending set, among the exceptions.
    pub(crate) fn retry(&mut self, waiting: Waiting, kind: Kind, exception: Exception) {
        self.finish_pending(waiting.position);
        if let Some(at) = exception.next_attempt_at {
            self.due.insert((at, waiting.position));
        }
        self.changed.insert(waiting.position);
        self.gone.remove(&waiting.position);
        self.retrying.insert(waiting.position, exception);
        if self.order == Ordering::First && kind == Kind::First {
            self.release(waiting.person);
        }
    }

    /// Given up: a dead letter.
    pub(crate) fn dead(&mut self, waiting: Waiting, kind: Kind, exception: Exception) {
        self.finish_pending(waiting.position);
        self.retrying.remove(&waiting.position);
        self.changed.remove(&waiting.position);
        self.gone.remove(&waiting.position);
        self.fresh_dead.push(exception);
        self.finished(waiting, kind);
    }

    /// The call was not made after all (its documents could not be read): everything as before.
    pub(crate) fn put_back(&mut self, job: &Job) {
        for waiting in job.documents.iter().rev() {
            match job.kind {
                Kind::First => {
                    self.lanes
                        .remove(&waiting.person)
                        .into_iter()
                        .flatten()
                        .rev()
                        .for_each(|behind| {
                            self.parked -= 1;
                            self.ready.push_front(behind);
                        });
                    self.ready.push_front(*waiting);
                }
                Kind::Retry => {
                    if let Some(at) = self
                        .retrying
                        .get(&waiting.position)
                        .and_then(|e| e.next_attempt_at)
                    {
                        self.due.insert((at, waiting.position));
                    }
                }
            }
        }
    }

    /// These cannot be read any more: they wait no longer. Answers how many did.
    pub(crate) fn give_up(&mut self, positions: &[u64]) -> u64 {
        let mut given_up = 0;
        for &position in positions {
            if self.pending.contains(position) && !self.claimed.contains(&position) {
                self.finish_pending(position);
                given_up += 1;
            }
        }
        given_up
    }

    fn finish_pending(&mut self, position: u64) {
        self.claimed.remove(&position);
        self.pending.remove(position);
        if self.pending.is_empty() {
            self.waiting_since = None;
            self.waiting_bytes = 0;
        }
    }

    fn forget(&mut self, position: u64) {
        self.finish_pending(position);
        if self.retrying.remove(&position).is_some() {
            self.changed.remove(&position);
            self.gone.insert(position);
        }
    }

    /// Puts a position back to be sent again from the start; what was known of its attempts is forgotten.
    pub(crate) fn replay(&mut self, position: u64, now: Timestamp) {
        if self.claimed.contains(&position) {
            return;
        }
        if let Some(exception) = self.retrying.remove(&position) {
            if let Some(at) = exception.next_attempt_at {
                self.due.remove(&(at, position));
            }
            self.changed.remove(&position);
            if self.order == Ordering::Strict {
                self.release(exception.person);
            }
        }
        self.fresh_dead
            .retain(|exception| exception.position != position);
        self.gone.insert(position);
        self.pending.insert(position);
        self.waiting_since.get_or_insert(now);
        self.scan = self.scan.min(position);
    }

    /// A stored exception, read at start.
    pub(crate) fn load_exception(&mut self, exception: Exception) {
        let position = exception.position;
        if let Some(at) = exception.next_attempt_at {
            self.due.insert((at, position));
        }
        if self.order == Ordering::Strict && exception.person != 0 {
            self.lanes.entry(exception.person).or_default();
        }
        self.retrying.insert(position, exception);
    }

    /// Strict order was asked for, or is not any more.
    pub(crate) fn set_order(&mut self, order: Ordering) {
        if self.order == order {
            return;
        }
        self.order = order;
        let persons: Vec<i64> = self
            .retrying
            .values()
            .map(|e| e.person)
            .filter(|&p| p != 0)
            .collect();
        for person in persons {
            match order {
                Ordering::Strict => {
                    self.lanes.entry(person).or_default();
                }
                Ordering::First => self.release(person),
            }
        }
    }

    /// Drops everything that lies before `before`, which the log no longer holds; answers how many documents.
    pub(crate) fn expire(&mut self, before: u64) -> u64 {
        let mut expired = self.pending.trim(before);
        self.ready.retain(|waiting| waiting.position >= before);
        self.claimed.retain(|&position| position >= before);
        for lane in self.lanes.values_mut() {
            let old = lane.len();
            lane.retain(|waiting| waiting.position >= before);
            self.parked -= old - lane.len();
        }
        let old: Vec<u64> = self
            .retrying
            .keys()
            .copied()
            .filter(|&position| position < before)
            .collect();
        for position in old {
            self.forget(position);
            expired += 1;
        }
        self.due.retain(|(_, position)| *position >= before);
        expired
    }

    /// The first position that it still needs of the log.
    pub(crate) fn needs_from(&self) -> Option<u64> {
        let retrying = self.retrying.keys().min().copied();
        match (self.pending.first(), retrying) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    /// When it should be looked at again although nothing happens: a retry falls due, or its circuit may be probed.
    pub(crate) fn wake_at(&self, now: Timestamp) -> Option<Timestamp> {
        if !self.is_open || self.transfer == Transfer::Pull {
            return None;
        }
        let retry = self.due.first().map(|(at, _)| *at);
        let waits = retry.is_some() || !self.ready.is_empty();
        match self.blocked_until(now) {
            Some(until) => waits.then_some(until),
            None => retry,
        }
    }

    /// Something to send is at hand now.
    pub(crate) fn has_work(&self, now: Timestamp) -> bool {
        self.is_open
            && self.transfer == Transfer::Push
            && self.blocked_until(now).is_none()
            && (!self.ready.is_empty() || self.due.first().is_some_and(|(at, _)| *at <= now))
    }

    /// Age of the oldest waiting document.
    pub(crate) fn waiting_for(&self, now: Timestamp) -> Option<Duration> {
        self.waiting_since
            .map(|since| Duration::try_from(now.duration_since(since)).unwrap_or_default())
    }
}
