//! One destination in the flow: what waits for it, what is under way, what must be tried again, and how it answers.
//!
//! A plain data structure without IO, owned by [`super::schedule`] under one lock. The invariants:
//!
//! - every position routed to it is in exactly one place: `pending` (waiting or under way), `retrying`, or the
//!   dead letters in the store; in none of them means delivered;
//! - of one person at most one first attempt is under way, and they start in the order of positions; a destination
//!   that asks for strict order keeps a person parked while one of its documents is being retried;
//! - everything in `pending` is either *claimed* (at hand, parked or under way) or lies at or after `scan`, from
//!   where it is read when there is room: nothing is forgotten, and what is at hand is bounded.
//!
//! `tests` drives it with random traffic against a model of these sentences.

mod switch;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::time::Duration;

use jiff::Timestamp;
use model::circuit::{Circuit, CircuitPolicy, Permission};
use model::concurrency::Window;
use model::endpoint::{Ordering, Transfer};
use model::{AccountId, EndpointId};
use roaring::RoaringTreemap;
use store::delivery::Exception;

use super::lanes::Lanes;
use super::marks::Marks;
use super::pending::PendingSet;

/// Positions kept at hand for one destination; the rest stays in its set. Few in unit tests, so that they get there.
pub(crate) const READY_MAX: usize = if cfg!(test) { 4 } else { 1_024 };
/// Positions parked behind persons: a few megabytes of bits. Beyond this the destination waits.
const PARKED_MAX: u64 = 1 << 20;
/// Bytes of records in one compound push, about.
const BATCH_BYTES_MAX: u32 = 1 << 20;

/// A document that waits, with what the order of deliveries depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Waiting {
    pub(crate) position: u64,
    /// The person, by a number; 0 for nobody.
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
    /// Of the destination at the time.
    pub(crate) tenure: u64,
    pub(crate) kind: Kind,
    /// More than one only for destinations that take compound batches.
    pub(crate) documents: Vec<Waiting>,
    pub(crate) is_probe: bool,
}

#[derive(Debug)]
pub(crate) struct Destination {
    pub(crate) id: EndpointId,
    pub(crate) account: AccountId,
    /// Tells it from the same destination before it was forgotten and taken up again.
    pub(crate) tenure: u64,
    transfer: Transfer,
    order: Ordering,
    /// Documents in one call at most.
    pub(crate) batch_max: usize,
    /// Active, enabled and a destination: may be called.
    pub(crate) is_open: bool,
    pub(crate) pending: PendingSet,
    /// Everything of `pending` before this is claimed.
    scan: u64,
    /// A loader is reading for it.
    pub(crate) is_loading: bool,
    /// At hand, in the order in which it was routed.
    ready: VecDeque<Waiting>,
    /// At hand and holding its person's lane already: goes first.
    released: VecDeque<Waiting>,
    lanes: Lanes,
    /// Positions at hand, parked or under way for the first time: not to be read again.
    claimed: RoaringTreemap,
    pub(crate) retrying: HashMap<u64, Exception>,
    /// When each of `retrying` is tried again; those under way are not in here.
    due: BTreeSet<(Timestamp, u64)>,
    /// Exceptions that the store does not have yet, or must forget.
    pub(crate) changed: HashSet<u64>,
    pub(crate) fresh_dead: Vec<Exception>,
    pub(crate) gone: HashSet<u64>,
    /// At hand, parked or under way; what will be answered to them is not to be kept.
    muted: HashSet<u64>,
    pub(crate) circuit: Circuit,
    pub(crate) window: Window,
    /// It asked to be left alone until then.
    paused_until: Timestamp,
    pub(crate) in_flight: u32,
    pub(crate) deficit: i64,
    /// Stands in its account's round.
    pub(crate) is_queued: bool,
    /// Stands in the queue for a retry's slot.
    pub(crate) is_starved: bool,
    marks: Marks,
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
            tenure: 0,
            transfer: Transfer::Push,
            order: Ordering::First,
            batch_max: 1,
            is_open: false,
            pending: PendingSet::default(),
            scan: 0,
            is_loading: false,
            ready: VecDeque::new(),
            released: VecDeque::new(),
            lanes: Lanes::default(),
            claimed: RoaringTreemap::new(),
            retrying: HashMap::new(),
            due: BTreeSet::new(),
            changed: HashSet::new(),
            fresh_dead: Vec::new(),
            gone: HashSet::new(),
            muted: HashSet::new(),
            circuit,
            window,
            paused_until: Timestamp::MIN,
            in_flight: 0,
            deficit: 0,
            is_queued: false,
            is_starved: false,
            marks: Marks::default(),
            is_warned: false,
            waiting_bytes: 0,
            delivered: 0,
        }
    }

    /// The router found a document for it, which waits since then.
    pub(crate) fn route(&mut self, waiting: Waiting, since: Timestamp) {
        let is_next = self.pending.from(self.scan).next().is_none();
        if !self.pending.insert(waiting.position) {
            return;
        }
        self.marks.add(waiting.position, since);
        self.waiting_bytes += u64::from(waiting.cost);
        let fits =
            self.transfer == Transfer::Push && self.ready.len() < READY_MAX && !self.is_loading;
        if is_next && fits {
            self.scan = waiting.position + 1;
            self.take_at_hand(waiting);
        } else {
            self.scan = self.scan.min(waiting.position);
        }
    }

    fn take_at_hand(&mut self, waiting: Waiting) {
        self.claimed.insert(waiting.position);
        self.ready.push_back(waiting);
    }

    /// Little is at hand and more waits in the set.
    pub(crate) fn wants_loading(&mut self) -> bool {
        let has_room = self.ready.len() < READY_MAX / 2 && self.lanes.parked() < PARKED_MAX;
        if !self.is_open || self.is_loading || self.transfer == Transfer::Pull || !has_room {
            return false;
        }
        let unclaimed = self
            .pending
            .from(self.scan)
            .find(|&position| !self.claimed.contains(position));
        // Not to be looked through again.
        self.scan = unclaimed.unwrap_or(u64::MAX);
        unclaimed.is_some()
    }

    /// The positions that a loader reads next; whatever is set back before them meanwhile is read after them.
    pub(crate) fn begin_load(&mut self) -> Vec<u64> {
        let room = READY_MAX.saturating_sub(self.ready.len());
        let positions: Vec<u64> = self
            .pending
            .from(self.scan)
            .filter(|&position| !self.claimed.contains(position))
            .take(room)
            .collect();
        if let Some(last) = positions.last() {
            self.scan = last + 1;
        }
        positions
    }

    /// What the loader read from the log, in order.
    pub(crate) fn loaded(&mut self, read: &[Waiting]) {
        self.is_loading = false;
        for &waiting in read {
            // If `scan` was set back meanwhile, what lies behind it is read again: order is kept.
            let is_wanted = waiting.position < self.scan
                && self.pending.contains(waiting.position)
                && !self.claimed.contains(waiting.position);
            if is_wanted {
                self.take_at_hand(waiting);
            }
        }
    }

    /// The log could not be read: all of it again.
    pub(crate) fn not_loaded(&mut self, positions: &[u64]) {
        self.is_loading = false;
        if let Some(&first) = positions.first() {
            self.scan = self.scan.min(first);
        }
    }

    /// The next call to make, if it may make one.
    pub(crate) fn next(
        &mut self,
        now: Timestamp,
        policy: &CircuitPolicy,
        retries_allowed: bool,
    ) -> Option<Job> {
        if !self.may_call(now) {
            return None;
        }
        // Probes take turns: documents that fail for ever must not be all that a destination is asked.
        let first = match self.circuit {
            Circuit::Open { opened, .. } | Circuit::HalfOpen { opened, .. } if opened % 2 == 1 => {
                self.next_first()
            }
            _ => None,
        };
        let mut job = first
            .or_else(|| retries_allowed.then(|| self.next_retry(now)).flatten())
            .or_else(|| self.next_first())?;
        job.is_probe = self.circuit.may_attempt(policy, now) == Permission::Probe;
        self.in_flight += 1;
        Some(job)
    }

    /// It may be called now, if there is anything to say.
    fn may_call(&self, now: Timestamp) -> bool {
        self.is_open
            && self.transfer == Transfer::Push
            && self.window.has_room(self.in_flight)
            && self.blocked_until(now).is_none()
            && (self.circuit.is_closed() || self.in_flight == 0)
    }

    /// Nothing goes through before then: its circuit is open, or it asked for a pause.
    fn blocked_until(&self, now: Timestamp) -> Option<Timestamp> {
        let circuit = match self.circuit {
            Circuit::Open { until, .. } | Circuit::HalfOpen { until, .. } => until,
            Circuit::Closed { .. } => Timestamp::MIN,
        };
        Some(circuit.max(self.paused_until)).filter(|&until| now < until)
    }

    /// It asked to be left alone for a while.
    pub(crate) fn pause(&mut self, until: Timestamp) {
        self.paused_until = self.paused_until.max(until);
    }

    /// A probe ended without showing anything: the next one may be made at once.
    pub(crate) fn probe_lost(&mut self, now: Timestamp) {
        if let Circuit::HalfOpen { opened, .. } = self.circuit {
            self.circuit = Circuit::Open { until: now, opened };
        }
    }

    fn next_retry(&mut self, now: Timestamp) -> Option<Job> {
        let &(at, position) = self.due.first().filter(|(at, _)| *at <= now)?;
        self.due.remove(&(at, position));
        let person = self.retrying.get(&position).map_or(0, |e| e.person);
        let waiting = Waiting {
            position,
            person,
            cost: 0,
        };
        Some(self.job(Kind::Retry, vec![waiting]))
    }

    fn next_first(&mut self) -> Option<Job> {
        let mut documents = Vec::new();
        let mut cost = 0u32;
        while documents.len() < self.batch_max && cost < BATCH_BYTES_MAX {
            let waiting = if let Some(waiting) = self.released.pop_front() {
                if self.order == Ordering::Strict && self.lanes.give_way(waiting) {
                    continue;
                }
                waiting
            } else {
                let Some(waiting) = self.ready.pop_front() else {
                    break;
                };
                if !self.lanes.enter(waiting) {
                    continue;
                }
                waiting
            };
            cost = cost.saturating_add(waiting.cost);
            documents.push(waiting);
        }
        (!documents.is_empty()).then(|| self.job(Kind::First, documents))
    }

    fn job(&self, kind: Kind, documents: Vec<Waiting>) -> Job {
        Job {
            tenure: self.tenure,
            destination: self.id,
            kind,
            documents,
            is_probe: false,
        }
    }

    fn release(&mut self, person: i64) {
        self.released.extend(self.lanes.release(person));
    }

    /// Delivered, by a first attempt or a later one.
    pub(crate) fn delivered(&mut self, waiting: Waiting, kind: Kind) {
        self.delivered += 1;
        self.dropped(waiting, kind);
    }

    /// Nothing to deliver (any more).
    pub(crate) fn dropped(&mut self, waiting: Waiting, kind: Kind) {
        self.finish_pending(waiting.position);
        self.forget_exception(waiting.position);
        self.finished(waiting, kind);
    }

    /// The person's lane opens, if it was this document that held it: with first-attempt order a retry holds none.
    fn finished(&mut self, waiting: Waiting, kind: Kind) {
        if kind == Kind::First || self.order == Ordering::Strict {
            self.release(waiting.person);
        }
    }

    /// What was answered to these documents is forgotten, also by calls that are under way; they themselves stay what
    /// they are.
    pub(crate) fn forget_answers(&mut self, positions: &[u64]) {
        for position in positions {
            let retrying = self.retrying.get(position);
            if self.claimed.contains(*position) || retrying.is_some_and(|it| !self.is_due_later(it))
            {
                self.muted.insert(*position);
            }
            if let Some(exception) = self.retrying.get_mut(position) {
                exception.history.clear();
                self.changed.insert(*position);
            }
        }
        for exception in &mut self.fresh_dead {
            if positions.contains(&exception.position) {
                exception.history.clear();
            }
        }
    }

    /// To be tried again: out of the pending set, among the exceptions.
    pub(crate) fn retry(&mut self, waiting: Waiting, kind: Kind, mut exception: Exception) {
        let position = waiting.position;
        self.mute(&mut exception);
        if self.transfer == Transfer::Pull {
            // It fetches by itself now.
            self.claimed.remove(position);
            self.forget_exception(position);
            self.pending.insert(position);
            self.finished(waiting, kind);
            return;
        }
        self.finish_pending(position);
        self.due
            .extend(exception.next_attempt_at.map(|at| (at, position)));
        self.changed.insert(position);
        self.gone.remove(&position);
        self.retrying.insert(position, exception);
        if kind == Kind::First && self.order == Ordering::First {
            self.release(waiting.person);
        }
    }

    /// Given up: a dead letter.
    pub(crate) fn dead(&mut self, waiting: Waiting, kind: Kind, mut exception: Exception) {
        self.mute(&mut exception);
        self.finish_pending(waiting.position);
        self.retrying.remove(&waiting.position);
        self.changed.remove(&waiting.position);
        self.gone.remove(&waiting.position);
        self.fresh_dead.push(exception);
        self.finished(waiting, kind);
    }

    fn mute(&mut self, exception: &mut Exception) {
        if self.muted.remove(&exception.position) {
            exception.history.clear();
        }
    }

    /// The call was not made after all: everything as before.
    pub(crate) fn put_back(&mut self, job: &Job) {
        for &waiting in job.documents.iter().rev() {
            let position = waiting.position;
            match job.kind {
                Kind::First if self.claimed.contains(position) && !self.is_pull() => {
                    self.released.push_front(waiting);
                }
                // It has expired meanwhile, or is fetched from now on.
                Kind::First => {
                    self.claimed.remove(position);
                    self.release(waiting.person);
                }
                Kind::Retry => {
                    let next = self.retrying.get(&position).and_then(|e| e.next_attempt_at);
                    self.due.extend(next.map(|at| (at, position)));
                }
            }
        }
    }

    /// These cannot be read any more: they wait no longer. Answers how many did.
    pub(crate) fn give_up(&mut self, positions: &[u64]) -> u64 {
        let mut given_up = 0;
        for &position in positions {
            if self.pending.contains(position) && !self.claimed.contains(position) {
                self.finish_pending(position);
                given_up += 1;
            }
        }
        given_up
    }

    fn finish_pending(&mut self, position: u64) {
        self.claimed.remove(position);
        self.muted.remove(&position);
        if self.pending.remove(position) {
            self.marks.passed(self.pending.first());
        }
        if self.pending.is_empty() {
            self.waiting_bytes = 0;
        }
    }

    fn forget_exception(&mut self, position: u64) {
        if let Some(exception) = self.retrying.remove(&position) {
            self.due
                .remove(&(exception.next_attempt_at.unwrap_or_default(), position));
            self.changed.remove(&position);
            self.gone.insert(position);
        }
    }

    /// It is tried again later, and not under way just now.
    fn is_due_later(&self, exception: &Exception) -> bool {
        exception
            .next_attempt_at
            .is_some_and(|at| self.due.contains(&(at, exception.position)))
    }

    /// Sends a position again from the start; what was known of its attempts is forgotten. What waits or is under way
    /// is being sent already.
    pub(crate) fn replay(&mut self, position: u64, now: Timestamp) {
        if self.claimed.contains(position) {
            return;
        }
        self.circuit.hurry(now);
        if let Some(mut exception) = self.retrying.remove(&position) {
            if self.is_due_later(&exception) {
                // It stays where it is, or later documents of the person would overtake it.
                self.due
                    .remove(&(exception.next_attempt_at.unwrap_or_default(), position));
                self.due.insert((now, position));
                exception.restart(now);
                self.changed.insert(position);
            }
            self.retrying.insert(position, exception);
            return;
        }
        self.fresh_dead
            .retain(|exception| exception.position != position);
        self.gone.insert(position);
        if self.pending.insert(position) {
            self.marks.add(position, now);
        }
        self.scan = self.scan.min(position);
    }

    /// A stored exception, read at start.
    pub(crate) fn load_exception(&mut self, exception: Exception) {
        let position = exception.position;
        self.due
            .extend(exception.next_attempt_at.map(|at| (at, position)));
        if self.order == Ordering::Strict {
            self.lanes.hold(exception.person);
        }
        self.retrying.insert(position, exception);
    }

    pub(crate) fn is_pull(&self) -> bool {
        self.transfer == Transfer::Pull
    }

    /// The first position that it still needs of the log.
    pub(crate) fn needs_from(&self) -> Option<u64> {
        let retrying = self.retrying.keys().min().copied();
        self.pending.first().into_iter().chain(retrying).min()
    }

    /// When it should be looked at again although nothing happens: a retry falls due, or it may be called again.
    pub(crate) fn wake_at(&self, now: Timestamp) -> Option<Timestamp> {
        if !self.is_open || self.transfer == Transfer::Pull {
            return None;
        }
        let retry = self.due.first().map(|(at, _)| *at);
        match self.blocked_until(now) {
            Some(until) => (retry.is_some() || self.has_first()).then_some(until),
            None => retry,
        }
    }

    fn has_first(&self) -> bool {
        !self.released.is_empty() || !self.ready.is_empty()
    }

    fn has_due(&self, now: Timestamp) -> bool {
        self.due.first().is_some_and(|&(at, _)| at <= now)
    }

    /// Something to send is at hand now.
    pub(crate) fn has_work(&self, now: Timestamp) -> bool {
        self.is_open
            && self.transfer == Transfer::Push
            && self.blocked_until(now).is_none()
            && (self.has_first() || self.has_due(now))
    }

    /// Only a retry's slot is missing.
    pub(crate) fn lacks_slot(&self, now: Timestamp) -> bool {
        self.may_call(now) && self.has_due(now)
    }

    /// Age of the oldest waiting document, if that is known.
    pub(crate) fn waiting_for(&self, now: Timestamp) -> Option<Duration> {
        self.marks
            .since()
            .map(|since| Duration::try_from(now.duration_since(since)).unwrap_or_default())
    }
}
