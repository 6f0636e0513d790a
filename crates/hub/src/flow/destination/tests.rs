//! Random traffic against a model of what [`super`] promises: whatever is routed, answered, replayed, switched,
//! expired or restarted, and in whatever order, nothing is lost, nothing is sent out of turn, and nothing waits for a
//! wake-up that never comes.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use store::delivery::ExceptionState;

use super::*;
use crate::flow::schedule::{Budget, Schedule};

const DESTINATIONS: [(i64, i64); 3] = [(1, 1), (2, 1), (3, 2)];
const IN_FLIGHT_MAX: usize = 5;
const RETRIES_MAX: usize = 2;

#[derive(Debug, Clone)]
enum Step {
    /// A document about a person, for these destinations (bits).
    Publish(u8, u8),
    /// Milliseconds go by.
    Pass(u32),
    /// Whatever may start, starts.
    Pump,
    /// A loader comes back; `false`: the log could not be read.
    Load(usize, bool),
    /// A call comes back.
    Answer(usize, Ending),
    Replay(usize, usize),
    Order(usize, bool),
    Pull(usize, bool),
    Open(usize, bool),
    /// Everything before a position is trimmed.
    Expire(usize),
    Restart,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Ending {
    Delivered,
    Retry,
    Dead,
    NotMade,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let ending = prop_oneof![
        4 => Just(Ending::Delivered),
        4 => Just(Ending::Retry),
        1 => Just(Ending::Dead),
        1 => Just(Ending::NotMade),
    ];
    let step = prop_oneof![
        12 => (1..8u8, 0..4u8).prop_map(|(mask, person)| Step::Publish(mask, person)),
        6 => (1..3_000u32).prop_map(Step::Pass),
        10 => Just(Step::Pump),
        5 => (0..8usize, prop::bool::weighted(0.9)).prop_map(|(which, well)| Step::Load(which, well)),
        12 => (0..8usize, ending).prop_map(|(which, ending)| Step::Answer(which, ending)),
        2 => (0..3usize, 0..100usize).prop_map(|(d, which)| Step::Replay(d, which)),
        1 => (0..3usize, any::<bool>()).prop_map(|(d, strict)| Step::Order(d, strict)),
        1 => (0..3usize, any::<bool>()).prop_map(|(d, pull)| Step::Pull(d, pull)),
        1 => (0..3usize, any::<bool>()).prop_map(|(d, open)| Step::Open(d, open)),
        1 => (0..100usize).prop_map(Step::Expire),
        1 => Just(Step::Restart),
    ];
    prop::collection::vec(step, 1..250)
}

/// Where a document stands at one destination, as the outside world would say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Waiting,
    Retrying,
    Dead,
    Done,
}

#[derive(Debug, Clone)]
struct Seen {
    place: Place,
    person: i64,
    /// Replayed, or answered with an overlap of attempts: its place in the order is no longer promised.
    is_out_of_turn: bool,
}

struct World {
    now: Timestamp,
    schedule: Schedule,
    persons: BTreeMap<u64, i64>,
    trimmed: u64,
    seen: [BTreeMap<u64, Seen>; 3],
    in_flight: Vec<Job>,
    loads: Vec<(EndpointId, Vec<u64>)>,
    orders: [Ordering; 3],
}

fn index(id: EndpointId) -> usize {
    usize::try_from(id.0).expect("small") - 1
}

impl World {
    fn new() -> Self {
        let now = Timestamp::from_second(1_700_000_000).expect("in range");
        let mut world = Self {
            now,
            schedule: Self::schedule(),
            persons: BTreeMap::new(),
            trimmed: 0,
            seen: Default::default(),
            in_flight: Vec::new(),
            loads: Vec::new(),
            orders: [Ordering::First; 3],
        };
        for (id, account) in DESTINATIONS {
            let d = world
                .schedule
                .destination(EndpointId(id), AccountId(account));
            d.is_open = true;
            d.batch_max = if id == 2 { 3 } else { 1 };
        }
        world
    }

    fn schedule() -> Schedule {
        Schedule::new(Budget {
            in_flight_max: IN_FLIGHT_MAX,
            retries_max: RETRIES_MAX,
            window_max: 4,
            circuit: CircuitPolicy {
                failures_to_open: 4,
                ..CircuitPolicy::default()
            },
        })
    }

    fn at(&mut self, d: usize) -> &mut Destination {
        self.schedule
            .destinations
            .get_mut(&EndpointId(DESTINATIONS[d].0))
            .expect("known")
    }

    fn look(&mut self, d: usize) {
        self.schedule
            .look_at(EndpointId(DESTINATIONS[d].0), self.now);
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Publish(mask, person) => {
                let position = self.persons.last_key_value().map_or(1, |(p, _)| p + 1);
                self.persons.insert(position, person.into());
                for (d, (id, account)) in DESTINATIONS.into_iter().enumerate() {
                    if mask & (1 << d) != 0 {
                        let waiting = self.waiting(position);
                        let (id, account) = (EndpointId(id), AccountId(account));
                        let times = (self.now, self.now);
                        self.schedule.route(id, account, waiting, times);
                        let seen = Seen {
                            place: Place::Waiting,
                            person: person.into(),
                            is_out_of_turn: false,
                        };
                        self.seen[d].insert(position, seen);
                    }
                }
            }
            Step::Pass(ms) => {
                self.now += Duration::from_millis(ms.into());
                self.schedule.ring(self.now);
            }
            Step::Pump => self.pump(),
            Step::Load(which, well) => self.load(which, well),
            Step::Answer(which, ending) => self.answer(which, ending),
            Step::Replay(d, which) => self.replay(d, which),
            Step::Order(d, strict) => {
                self.orders[d] = if strict {
                    Ordering::Strict
                } else {
                    Ordering::First
                };
                let order = self.orders[d];
                self.at(d).set_order(order);
                self.look(d);
            }
            Step::Pull(d, pull) => self.transfer(d, pull),
            Step::Open(d, open) => {
                self.at(d).is_open = open;
                self.look(d);
            }
            Step::Expire(which) => self.expire(which),
            Step::Restart => self.restart(),
        }
    }

    fn waiting(&self, position: u64) -> Waiting {
        Waiting {
            position,
            person: self.persons[&position],
            cost: 700,
        }
    }

    fn pump(&mut self) {
        while let Some(job) = self.schedule.next(self.now) {
            self.check_start(&job);
            self.in_flight.push(job);
        }
        while let Some(id) = self.schedule.to_load.pop_front() {
            let positions = self.at(index(id)).begin_load();
            self.loads.push((id, positions));
        }
    }

    /// What may start, and when.
    fn check_start(&self, job: &Job) {
        let d = index(job.destination);
        for waiting in &job.documents {
            let seen = &self.seen[d][&waiting.position];
            assert!(
                !self.in_flight.iter().any(|other| {
                    other.destination == job.destination
                        && other
                            .documents
                            .iter()
                            .any(|w| w.position == waiting.position)
                }),
                "sent twice at once: {waiting:?} at {d}"
            );
            if job.kind == Kind::Retry {
                assert_eq!(seen.place, Place::Retrying, "{waiting:?} at {d}");
                continue;
            }
            assert_eq!(seen.place, Place::Waiting, "{waiting:?} at {d}");
            if waiting.person == 0 || seen.is_out_of_turn {
                continue;
            }
            for (other, before) in &self.seen[d] {
                let is_same = before.person == waiting.person && *other != waiting.position;
                let is_held = is_same
                    && self.orders[d] == Ordering::Strict
                    && before.place == Place::Retrying;
                assert!(
                    !is_held,
                    "{waiting:?} overtakes {other} being retried at {d}"
                );
                let is_earlier = is_same
                    && *other < waiting.position
                    && before.place == Place::Waiting
                    && !before.is_out_of_turn;
                assert!(!is_earlier, "{waiting:?} before {other} at {d}");
            }
        }
    }

    fn load(&mut self, which: usize, well: bool) {
        if self.loads.is_empty() {
            return;
        }
        let (id, positions) = self.loads.remove(which % self.loads.len());
        let (there, gone): (Vec<u64>, Vec<u64>) =
            positions.iter().partition(|&&p| p >= self.trimmed);
        let read: Vec<Waiting> = there.into_iter().map(|p| self.waiting(p)).collect();
        let destination = self.at(index(id));
        if well {
            destination.loaded(&read);
            for position in gone {
                self.at(index(id)).give_up(&[position]);
                let seen = self.seen[index(id)].get_mut(&position);
                seen.expect("there").place = Place::Done;
            }
        } else {
            destination.not_loaded(&positions);
        }
        self.look(index(id));
    }

    fn answer(&mut self, which: usize, ending: Ending) {
        if self.in_flight.is_empty() {
            return;
        }
        let job = self.in_flight.remove(which % self.in_flight.len());
        let (d, now, policy) = (
            index(job.destination),
            self.now,
            self.schedule.budget.circuit,
        );
        let destination = self.at(d);
        match ending {
            Ending::NotMade => {
                destination.put_back(&job);
                if job.is_probe {
                    destination.probe_lost(now);
                }
            }
            Ending::Retry => {
                destination.circuit.on_failure(&policy, now, 0.5);
            }
            Ending::Delivered | Ending::Dead => {
                destination.circuit.on_success();
            }
        }
        for &waiting in &job.documents {
            let position = waiting.position;
            let is_pull = self.at(d).is_pull();
            let place = match ending {
                Ending::NotMade => continue,
                Ending::Delivered => {
                    self.at(d).delivered(waiting, job.kind);
                    Place::Done
                }
                Ending::Retry => {
                    let exception = exception(&job, waiting, now, Some(now + SECOND));
                    self.at(d).retry(waiting, job.kind, exception);
                    if is_pull {
                        Place::Waiting
                    } else {
                        Place::Retrying
                    }
                }
                Ending::Dead => {
                    let mut exception = exception(&job, waiting, now, None);
                    exception.state = ExceptionState::Dead;
                    self.at(d).dead(waiting, job.kind, exception);
                    Place::Dead
                }
            };
            if let Some(seen) = self.seen[d].get_mut(&position) {
                seen.is_out_of_turn |= place == Place::Waiting;
                seen.place = place;
            }
        }
        self.schedule.finished(&job, now);
    }

    fn is_in_flight(&self, d: usize, position: u64) -> bool {
        self.in_flight.iter().any(|job| {
            index(job.destination) == d && job.documents.iter().any(|w| w.position == position)
        })
    }

    fn replay(&mut self, d: usize, which: usize) {
        let Some(&position) = self.seen[d].keys().nth(which) else {
            return;
        };
        if position < self.trimmed {
            return;
        }
        let now = self.now;
        self.at(d).replay(position, now);
        self.look(d);
        let is_in_flight = self.is_in_flight(d, position);
        let seen = self.seen[d].get_mut(&position).expect("there");
        if !is_in_flight && matches!(seen.place, Place::Dead | Place::Done) {
            seen.place = Place::Waiting;
            seen.is_out_of_turn = true;
        }
    }

    fn transfer(&mut self, d: usize, pull: bool) {
        let was_pull = self.at(d).is_pull();
        let transfer = if pull { Transfer::Pull } else { Transfer::Push };
        self.at(d).set_transfer(transfer);
        self.look(d);
        if pull && !was_pull {
            for position in self.seen[d].keys().copied().collect::<Vec<_>>() {
                let is_in_flight = self.is_in_flight(d, position);
                let seen = self.seen[d].get_mut(&position).expect("there");
                if seen.place == Place::Retrying && !is_in_flight {
                    seen.place = Place::Waiting;
                    seen.is_out_of_turn = true;
                }
            }
        }
    }

    fn expire(&mut self, which: usize) {
        let Some(&before) = self.persons.keys().nth(which) else {
            return;
        };
        self.trimmed = self.trimmed.max(before);
        for d in 0..3 {
            self.at(d).expire(before);
            self.look(d);
            for position in self.seen[d].keys().copied().collect::<Vec<_>>() {
                let is_in_flight = self.is_in_flight(d, position);
                let seen = self.seen[d].get_mut(&position).expect("there");
                let is_waiting = seen.place == Place::Waiting;
                let is_idle = seen.place == Place::Retrying && !is_in_flight;
                if position < before && (is_waiting || is_idle) {
                    seen.place = Place::Done;
                }
            }
        }
    }

    /// Everything but what a checkpoint saves is forgotten.
    fn restart(&mut self) {
        let mut fresh = Self::schedule();
        for (d, (id, account)) in DESTINATIONS.into_iter().enumerate() {
            let order = self.orders[d];
            let old = self.at(d);
            let (is_open, is_pull, batch_max) = (old.is_open, old.is_pull(), old.batch_max);
            let pending: Vec<u64> = old.pending.from(0).collect();
            let retrying: Vec<Exception> = old.retrying.values().cloned().collect();
            let new = fresh.destination(EndpointId(id), AccountId(account));
            for position in pending {
                new.pending.insert(position);
            }
            for exception in retrying {
                new.load_exception(exception);
            }
            new.is_open = is_open;
            new.batch_max = batch_max;
            new.set_transfer(if is_pull {
                Transfer::Pull
            } else {
                Transfer::Push
            });
            new.set_order(order);
            if is_pull {
                for seen in self.seen[d]
                    .values_mut()
                    .filter(|s| s.place == Place::Retrying)
                {
                    seen.place = Place::Waiting;
                    seen.is_out_of_turn = true;
                }
            }
            fresh.look_at(EndpointId(id), self.now);
        }
        self.schedule = fresh;
        self.in_flight.clear();
        self.loads.clear();
    }

    /// The sentences at the top of `destination.rs`, and the budget's.
    fn check(&mut self) {
        for (d, (id, _)) in DESTINATIONS.into_iter().enumerate() {
            let id = EndpointId(id);
            let destination = &self.schedule.destinations[&id];
            for (&position, seen) in &self.seen[d] {
                let is_in_flight = self.is_in_flight(d, position);
                // A document that expired while it was under way is settled when its call ends.
                if is_in_flight && position < self.trimmed {
                    continue;
                }
                let places = (
                    destination.pending.contains(position),
                    destination.retrying.contains_key(&position),
                );
                let expected = (seen.place == Place::Waiting, seen.place == Place::Retrying);
                assert_eq!(places, expected, "{position} at {d}: {seen:?}");
            }
            if !destination.is_pull() {
                for position in destination.pending.from(0) {
                    let is_loading = self
                        .loads
                        .iter()
                        .any(|(of, positions)| *of == id && positions.contains(&position));
                    assert!(
                        destination.claimed.contains(position)
                            || position >= destination.scan
                            || is_loading,
                        "{position} at {d} is forgotten"
                    );
                }
            }
            let mut persons = BTreeSet::new();
            let calls = self.in_flight.iter().filter(|job| job.destination == id);
            for job in calls.clone().filter(|job| job.kind == Kind::First) {
                for waiting in job.documents.iter().filter(|w| w.person != 0) {
                    assert!(persons.insert(waiting.person), "two of {waiting:?} at {d}");
                }
            }
            assert_eq!(calls.count(), destination.in_flight as usize);
            assert!(destination.ready.len() <= READY_MAX);
        }
        let retries = self.in_flight.iter().filter(|job| job.kind == Kind::Retry);
        assert!(self.in_flight.len() <= IN_FLIGHT_MAX);
        assert!(retries.count() <= RETRIES_MAX);
    }

    /// All is well from now on: with the alarms that were set, and nothing else, everything is delivered.
    fn drain(&mut self) {
        for d in 0..3 {
            self.transfer(d, false);
            self.at(d).is_open = true;
            self.look(d);
        }
        for _ in 0..100_000 {
            self.pump();
            if !self.loads.is_empty() {
                self.load(0, true);
            } else if !self.in_flight.is_empty() {
                self.answer(0, Ending::Delivered);
            } else if let Some(at) = self.schedule.ring(self.now) {
                self.now = at;
                self.schedule.ring(at);
            } else {
                break;
            }
            self.check();
        }
        for seen in &self.seen {
            for (position, seen) in seen {
                let is_over = matches!(seen.place, Place::Done | Place::Dead);
                assert!(is_over, "{position} waits for ever: {seen:?}");
            }
        }
    }
}

const SECOND: Duration = Duration::from_secs(1);

fn exception(job: &Job, waiting: Waiting, now: Timestamp, next: Option<Timestamp>) -> Exception {
    Exception {
        account: AccountId(1),
        endpoint: job.destination,
        position: waiting.position,
        person: waiting.person,
        state: ExceptionState::Retrying,
        attempts: 1,
        first_attempt_at: now,
        last_attempt_at: now,
        next_attempt_at: next,
        history: Vec::new(),
    }
}

#[test]
fn what_is_answered_to_what_was_forgotten_meanwhile_is_not_kept() {
    let mut world = World::new();
    let now = world.now;
    let waiting = |position| Waiting {
        position,
        person: 0,
        cost: 1,
    };
    let answered = |job: &Job, waiting, next| Exception {
        history: vec![store::delivery::Attempt {
            at: now,
            duration_ms: 1,
            status: Some(503),
            failure: None,
            detail: "already known: ada@example.com".to_owned(),
        }],
        ..exception(job, waiting, now, next)
    };
    let d = world.at(0);
    let policy = CircuitPolicy::default();
    for position in [1, 2] {
        d.route(waiting(position), now);
    }
    // The first attempts are under way, then a second one.
    let jobs = [(); 2].map(|()| d.next(now, &policy, true).expect("a job"));
    d.forget_answers(&[1, 2]);
    d.retry(
        waiting(1),
        Kind::First,
        answered(&jobs[0], waiting(1), Some(now)),
    );
    d.dead(
        waiting(2),
        Kind::First,
        answered(&jobs[1], waiting(2), None),
    );
    assert!(d.retrying[&1].history.is_empty() && d.fresh_dead[0].history.is_empty());
    let again = d.next(now, &policy, true).expect("a job");
    d.forget_answers(&[1]);
    d.retry(
        waiting(1),
        Kind::Retry,
        answered(&again, waiting(1), Some(now)),
    );
    assert!(d.retrying[&1].history.is_empty());
    // What is answered to a call that begins later is.
    let later = d.next(now, &policy, true).expect("a job");
    d.retry(
        waiting(1),
        Kind::Retry,
        answered(&later, waiting(1), Some(now)),
    );
    assert_eq!(d.retrying[&1].history.len(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, max_shrink_iters: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_lost_or_sent_out_of_turn(steps in steps()) {
        let mut world = World::new();
        for step in &steps {
            world.step(step);
            world.check();
        }
        world.drain();
    }
}
