//! Who is served next: round robin with deficits over accounts, then over each account's destinations, under one
//! global budget of calls in flight.
//!
//! A destination that cannot be served now (circuit open, window full, nothing at hand) leaves its account's round
//! and is put back when something changes, so picking costs the same with ten destinations as with ten thousand.
//! Retries may use only part of the budget: slots are kept for first attempts. Who lacks nothing but a retry's slot
//! stands in a queue of its own.

use std::collections::{BTreeSet, HashMap, VecDeque};

use jiff::Timestamp;
use model::circuit::{Circuit, CircuitPolicy};
use model::concurrency::Window;
use model::{AccountId, EndpointId};

use super::destination::{Destination, Job, Kind, Waiting};

/// What a destination may send on one turn before the next one's turn comes.
const QUANTUM_BYTES: i64 = 16 << 10;
/// What a call costs beside its bytes.
const CALL_COST_BYTES: i64 = 512;

/// The numbers that scheduling depends on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Budget {
    pub(crate) in_flight_max: usize,
    pub(crate) retries_max: usize,
    pub(crate) window_max: u32,
    pub(crate) circuit: CircuitPolicy,
}

#[derive(Debug, Default)]
struct Round {
    destinations: VecDeque<EndpointId>,
    deficit: i64,
    is_queued: bool,
}

/// All destinations and whose turn it is. Plain data, kept under one lock by [`super::Flow`].
#[derive(Debug)]
pub(crate) struct Schedule {
    pub(crate) budget: Budget,
    pub(crate) destinations: HashMap<EndpointId, Destination>,
    accounts: VecDeque<AccountId>,
    rounds: HashMap<AccountId, Round>,
    /// When a destination should be looked at again by itself.
    alarms: BTreeSet<(Timestamp, EndpointId)>,
    alarm_of: HashMap<EndpointId, Timestamp>,
    pub(crate) in_flight: usize,
    retries_in_flight: usize,
    /// Destinations that need a loader.
    pub(crate) to_load: VecDeque<EndpointId>,
    /// Destinations whose retries are due while retries have used up their part of the budget; each once.
    starved: VecDeque<EndpointId>,
    /// An alarm was set before all others: whoever sleeps until the first one sleeps too long.
    is_alarm_earlier: bool,
    /// Destinations that were made so far.
    tenures: u64,
}

impl Schedule {
    pub(crate) fn new(budget: Budget) -> Self {
        Self {
            budget,
            destinations: HashMap::new(),
            accounts: VecDeque::new(),
            rounds: HashMap::new(),
            alarms: BTreeSet::new(),
            alarm_of: HashMap::new(),
            in_flight: 0,
            retries_in_flight: 0,
            to_load: VecDeque::new(),
            starved: VecDeque::new(),
            is_alarm_earlier: false,
            tenures: 0,
        }
    }

    /// The destination, made if it was not known.
    pub(crate) fn destination(&mut self, id: EndpointId, account: AccountId) -> &mut Destination {
        let window = self.budget.window_max;
        self.destinations.entry(id).or_insert_with(|| {
            self.tenures += 1;
            let mut new = Destination::new(id, account, Circuit::default(), Window::new(window));
            new.tenure = self.tenures;
            new
        })
    }

    /// The destination that a call is made for; `None` if it was forgotten since, whether or not it is back.
    pub(crate) fn of(&mut self, job: &Job) -> Option<&mut Destination> {
        self.destinations
            .get_mut(&job.destination)
            .filter(|destination| destination.tenure == job.tenure)
    }

    /// Forgets the destinations of these accounts. Calls under way go on, and what they tell is not heard.
    pub(crate) fn forget(&mut self, accounts: impl Fn(AccountId) -> bool) {
        self.destinations
            .retain(|_, destination| !accounts(destination.account));
        self.rounds.retain(|account, _| !accounts(*account));
        self.accounts.retain(|account| !accounts(*account));
        let known = &self.destinations;
        self.to_load.retain(|id| known.contains_key(id));
        self.starved.retain(|id| known.contains_key(id));
        self.alarms.retain(|(_, id)| known.contains_key(id));
        self.alarm_of.retain(|id, _| known.contains_key(id));
    }

    /// The router found a document for a destination, which waits since it was published.
    pub(crate) fn route(
        &mut self,
        id: EndpointId,
        account: AccountId,
        waiting: Waiting,
        (since, now): (Timestamp, Timestamp),
    ) {
        self.destination(id, account).route(waiting, since);
        self.look_at(id, now);
    }

    /// Something about the destination changed: put it where it belongs now.
    pub(crate) fn look_at(&mut self, id: EndpointId, now: Timestamp) {
        let Some(destination) = self.destinations.get_mut(&id) else {
            return;
        };
        if destination.wants_loading() {
            destination.is_loading = true;
            self.to_load.push_back(id);
        }
        if destination.is_queued {
            return;
        }
        if destination.has_work(now) {
            destination.is_queued = true;
            let account = destination.account;
            let round = self.rounds.entry(account).or_default();
            round.destinations.push_back(id);
            if !round.is_queued {
                round.is_queued = true;
                self.accounts.push_back(account);
            }
        } else if let Some(at) = destination.wake_at(now) {
            self.set_alarm(id, at);
        }
    }

    fn set_alarm(&mut self, id: EndpointId, at: Timestamp) {
        if let Some(&set) = self.alarm_of.get(&id) {
            if set <= at {
                return;
            }
            self.alarms.remove(&(set, id));
        }
        self.is_alarm_earlier |= self.alarms.first().is_none_or(|(first, _)| at < *first);
        self.alarms.insert((at, id));
        self.alarm_of.insert(id, at);
    }

    /// Whether an alarm was set before all others since this was last asked.
    pub(crate) fn take_alarm_earlier(&mut self) -> bool {
        std::mem::take(&mut self.is_alarm_earlier)
    }

    /// Wakes what is due; answers when to come again.
    pub(crate) fn ring(&mut self, now: Timestamp) -> Option<Timestamp> {
        while let Some(&(at, id)) = self.alarms.first() {
            if at > now {
                return Some(at);
            }
            self.alarms.remove(&(at, id));
            self.alarm_of.remove(&id);
            self.look_at(id, now);
        }
        None
    }

    /// The next call to make, if the budget has room and anybody may be served.
    pub(crate) fn next(&mut self, now: Timestamp) -> Option<Job> {
        if self.in_flight >= self.budget.in_flight_max {
            return None;
        }
        self.admit_starved(now);
        loop {
            if let Some(job) = self.pick(now) {
                return Some(job);
            }
            if !self.admit_starved(now) {
                return None;
            }
        }
    }

    /// Lets the first who waits for a retry's slot into the round, if there is a slot.
    fn admit_starved(&mut self, now: Timestamp) -> bool {
        if self.retries_in_flight >= self.budget.retries_max {
            return false;
        }
        let Some(id) = self.starved.pop_front() else {
            return false;
        };
        if let Some(destination) = self.destinations.get_mut(&id) {
            destination.is_starved = false;
        }
        self.look_at(id, now);
        true
    }

    fn pick(&mut self, now: Timestamp) -> Option<Job> {
        while let Some(&account) = self.accounts.front() {
            let Some(round) = self.rounds.get_mut(&account) else {
                self.accounts.pop_front();
                continue;
            };
            if round.destinations.is_empty() {
                round.is_queued = false;
                round.deficit = 0;
                self.accounts.pop_front();
                continue;
            }
            if round.deficit <= 0 {
                round.deficit += QUANTUM_BYTES;
                self.accounts.rotate_left(1);
                continue;
            }
            if let Some(job) = self.next_of(account, now) {
                return Some(job);
            }
        }
        None
    }

    /// The next call of one account; `None` only after its round has become empty.
    fn next_of(&mut self, account: AccountId, now: Timestamp) -> Option<Job> {
        let retries_allowed = self.retries_in_flight < self.budget.retries_max;
        loop {
            let round = self.rounds.get_mut(&account)?;
            let id = *round.destinations.front()?;
            let Some(destination) = self.destinations.get_mut(&id) else {
                round.destinations.pop_front();
                continue;
            };
            if destination.deficit <= 0 {
                destination.deficit += QUANTUM_BYTES;
                round.destinations.rotate_left(1);
                continue;
            }
            if let Some(job) = destination.next(now, &self.budget.circuit, retries_allowed) {
                let cost =
                    CALL_COST_BYTES + job.documents.iter().map(|d| i64::from(d.cost)).sum::<i64>();
                destination.deficit -= cost;
                round.deficit -= cost;
                self.in_flight += 1;
                self.retries_in_flight += usize::from(job.kind == Kind::Retry);
                return Some(job);
            }
            round.destinations.pop_front();
            destination.is_queued = false;
            destination.deficit = 0;
            if destination.wants_loading() {
                destination.is_loading = true;
                self.to_load.push_back(id);
            }
            if !retries_allowed && destination.lacks_slot(now) {
                if !destination.is_starved {
                    destination.is_starved = true;
                    self.starved.push_back(id);
                }
            } else if let Some(at) = destination.wake_at(now).filter(|&at| at > now) {
                // If it is due already, what keeps it from being served is under way, and its end looks again.
                self.set_alarm(id, at);
            }
        }
    }

    /// A call has ended, however it did.
    pub(crate) fn finished(&mut self, job: &Job, now: Timestamp) {
        self.in_flight -= 1;
        self.retries_in_flight -= usize::from(job.kind == Kind::Retry);
        if let Some(destination) = self.of(job) {
            destination.in_flight -= 1;
        }
        self.look_at(job.destination, now);
    }

    /// Nothing is under way, at hand or being read.
    pub(crate) fn is_idle(&self) -> bool {
        self.in_flight == 0 && self.accounts.is_empty() && self.to_load.is_empty()
    }
}
