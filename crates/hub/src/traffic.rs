//! What flowed lately, minute by minute, for people: published, delivered, tried, failed, how late, by endpoint; and how
//! many events each subscription carried.
//!
//! Counted in memory by the process that runs an account's flow, since it began: what happened before, and what another
//! process does, is not in here, and [`Traffic`] says so. Entered once for each batch that is routed and each call that
//! is made, not for each event. Bounded: [`ENDPOINTS_MAX`] endpoints for [`MINUTES`] minutes and [`LINKS_MAX`]
//! subscriptions for a few; who was idle all that time makes room.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use model::{AccountId, EndpointId, SubscriptionId};

use crate::{Hub, Scope};

/// Minutes that are remembered, the one under way among them.
pub const MINUTES: usize = 60;
/// Minutes over which rates are taken, the one under way among them.
const RATE_MINUTES: usize = 6;
/// Endpoints counted: 2.5 KB each.
const ENDPOINTS_MAX: usize = 4_096;
/// Subscriptions counted: 100 bytes each.
const LINKS_MAX: usize = 65_536;

/// One minute of an endpoint, or of a whole account.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Minute {
    /// Events that a publisher's calls brought, as the router met them.
    pub published: u32,
    /// Documents that a destination took.
    pub delivered: u32,
    /// Calls made to a destination.
    pub attempts: u32,
    /// Calls that it did not answer with success.
    pub failures: u32,
    /// How long all calls took together.
    pub millis: u64,
    /// How long the oldest document that waited had waited, at most, whenever a call ended.
    pub lag_millis: u64,
}

impl Minute {
    fn add(&mut self, other: &Self) {
        self.published = self.published.saturating_add(other.published);
        self.delivered = self.delivered.saturating_add(other.delivered);
        self.attempts = self.attempts.saturating_add(other.attempts);
        self.failures = self.failures.saturating_add(other.failures);
        self.millis = self.millis.saturating_add(other.millis);
        self.lag_millis = self.lag_millis.max(other.lag_millis);
    }
}

/// The last hour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Traffic {
    /// When this process began to count.
    pub since: Timestamp,
    /// This process runs the flow of the account. If not, nothing is counted here.
    pub is_here: bool,
    /// There was too much to count: something is missing.
    pub is_partial: bool,
    /// The oldest first; the last one is under way. Each is named by its beginning.
    pub minutes: Vec<(Timestamp, Minute)>,
}

/// What the subscriptions of an account carried lately.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rates {
    /// Events, by subscription.
    pub events: HashMap<SubscriptionId, u64>,
    /// In how long.
    pub within: Duration,
}

impl Rates {
    /// Tenths of an event a minute.
    pub fn tenths_a_minute(&self, id: SubscriptionId) -> u64 {
        let events = self.events.get(&id).copied().unwrap_or(0);
        events * 600 / self.within.as_secs().max(1)
    }
}

/// The latest minutes of something; older ones are overwritten.
#[derive(Debug, Clone)]
struct Ring<T, const N: usize> {
    account: AccountId,
    /// The number of the latest minute.
    last: i64,
    minutes: [T; N],
}

impl<T: Copy + Default, const N: usize> Ring<T, N> {
    fn new(account: AccountId, minute: i64) -> Self {
        Self {
            account,
            last: minute,
            minutes: [T::default(); N],
        }
    }

    fn slot(minute: i64) -> usize {
        let count = i64::try_from(N).unwrap_or(1);
        usize::try_from(minute.rem_euclid(count)).unwrap_or(0)
    }

    /// The minute, to be added to. A clock that goes back adds to the latest.
    fn at(&mut self, minute: i64) -> &mut T {
        let skipped = minute.saturating_sub(self.last).max(0);
        for past in 0..skipped.min(i64::try_from(N).unwrap_or(i64::MAX)) {
            self.minutes[Self::slot(minute - past)] = T::default();
        }
        self.last = self.last.max(minute);
        &mut self.minutes[Self::slot(self.last)]
    }

    fn read(&self, minute: i64) -> T {
        let age = self.last - minute;
        let is_held = age >= 0 && usize::try_from(age).is_ok_and(|age| age < N);
        if is_held {
            self.minutes[Self::slot(minute)]
        } else {
            T::default()
        }
    }

    fn is_idle(&self, minute: i64) -> bool {
        usize::try_from(minute - self.last).is_ok_and(|age| age >= N)
    }
}

#[derive(Default)]
struct Counted {
    endpoints: HashMap<EndpointId, Ring<Minute, MINUTES>>,
    links: HashMap<SubscriptionId, Ring<u32, RATE_MINUTES>>,
    is_partial: bool,
}

/// All of a process.
pub(crate) struct Counts {
    since: Timestamp,
    counted: Mutex<Counted>,
}

/// What the router met in one batch.
#[derive(Default)]
pub(crate) struct Met {
    published: Vec<(AccountId, EndpointId, u32)>,
    carried: Vec<(AccountId, SubscriptionId)>,
}

impl Met {
    pub(crate) fn published(&mut self, account: AccountId, publisher: EndpointId, events: usize) {
        let events = u32::try_from(events).unwrap_or(u32::MAX);
        match self.published.last_mut() {
            Some((_, last, count)) if *last == publisher => *count = count.saturating_add(events),
            _ => self.published.push((account, publisher, events)),
        }
    }

    pub(crate) fn carried(&mut self, account: AccountId, by: SubscriptionId) {
        self.carried.push((account, by));
    }
}

impl Counts {
    pub(crate) fn new(since: Timestamp) -> Self {
        Self {
            since,
            counted: Mutex::default(),
        }
    }

    fn counted(&self) -> MutexGuard<'_, Counted> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn enter(&self, met: &Met, now: Timestamp) {
        let minute = minute(now);
        let mut counted = self.counted();
        let Counted {
            endpoints,
            links,
            is_partial,
        } = &mut *counted;
        for &(account, publisher, events) in &met.published {
            match ring(endpoints, ENDPOINTS_MAX, publisher, account, minute) {
                Some(ring) => {
                    let minute = ring.at(minute);
                    minute.published = minute.published.saturating_add(events);
                }
                None => *is_partial = true,
            }
        }
        for &(account, link) in &met.carried {
            match ring(links, LINKS_MAX, link, account, minute) {
                Some(ring) => {
                    let events = ring.at(minute);
                    *events = events.saturating_add(1);
                }
                None => *is_partial = true,
            }
        }
    }

    /// Adds to the minute of a destination.
    pub(crate) fn add(&self, account: AccountId, to: EndpointId, what: &Minute, now: Timestamp) {
        let minute = minute(now);
        let mut counted = self.counted();
        let counted = &mut *counted;
        match ring(&mut counted.endpoints, ENDPOINTS_MAX, to, account, minute) {
            Some(ring) => ring.at(minute).add(what),
            None => counted.is_partial = true,
        }
    }

    /// Of those that `wanted` names, together.
    fn minutes(
        &self,
        wanted: impl Fn(EndpointId, AccountId) -> bool,
        now: Timestamp,
    ) -> (Vec<(Timestamp, Minute)>, bool) {
        let counted = self.counted();
        let rings = counted.endpoints.iter();
        let rings: Vec<_> = rings
            .filter(|(id, ring)| wanted(**id, ring.account))
            .map(|(_, ring)| ring)
            .collect();
        let last = minute(now);
        let count = i64::try_from(MINUTES).unwrap_or(1);
        let minutes = (last - count + 1..=last).map(|at| {
            let mut sum = Minute::default();
            for ring in &rings {
                sum.add(&ring.read(at));
            }
            (Timestamp::from_second(at * 60).unwrap_or_default(), sum)
        });
        (minutes.collect(), counted.is_partial)
    }
}

fn minute(now: Timestamp) -> i64 {
    now.as_second().div_euclid(60)
}

/// The ring of `id`; `None` when there is no room for one more.
fn ring<I: Eq + Hash, T: Copy + Default, const N: usize>(
    rings: &mut HashMap<I, Ring<T, N>>,
    max: usize,
    id: I,
    account: AccountId,
    minute: i64,
) -> Option<&mut Ring<T, N>> {
    if rings.len() >= max && !rings.contains_key(&id) {
        rings.retain(|_, ring| !ring.is_idle(minute));
        if rings.len() >= max {
            return None;
        }
    }
    Some(
        rings
            .entry(id)
            .or_insert_with(|| Ring::new(account, minute)),
    )
}

impl Hub {
    /// The last hour of an account, or of one of its endpoints.
    pub fn traffic(&self, scope: Scope, of: Option<EndpointId>) -> Traffic {
        let wanted =
            |id: EndpointId, account: AccountId| account == scope.0 && of.is_none_or(|of| of == id);
        let (minutes, is_partial) = self.traffic.minutes(wanted, self.now());
        Traffic {
            since: self.traffic.since,
            is_here: self.flow.holds(self.logs.shard(scope.0)),
            is_partial,
            minutes,
        }
    }

    /// What the subscriptions of an account carried in the last minutes.
    pub fn rates(&self, scope: Scope) -> Rates {
        let now = self.now();
        let last = minute(now);
        let count = i64::try_from(RATE_MINUTES).unwrap_or(1);
        let first = last - count + 1;
        let counted = self.traffic.counted();
        let links = counted.links.iter();
        let carried = links
            .filter(|(_, ring)| ring.account == scope.0)
            .map(|(id, ring)| (*id, (first..=last).map(|at| u64::from(ring.read(at))).sum()))
            .filter(|(_, events)| *events > 0);
        // The router waits for the lock: the map is made without it.
        let carried: Vec<(SubscriptionId, u64)> = carried.collect();
        drop(counted);
        // Of the minutes that were counted: not more than the process is old, and a minute at least.
        let begun = Timestamp::from_second(first * 60)
            .unwrap_or_default()
            .max(self.traffic.since);
        let within = Duration::try_from(now.duration_since(begun)).unwrap_or_default();
        Rates {
            events: carried.into_iter().collect(),
            within: within.max(Duration::from_secs(60)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNT: AccountId = AccountId(1);

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(minute * 60 + 30).expect("in range")
    }

    fn delivered(count: u32) -> Minute {
        Minute {
            delivered: count,
            ..Minute::default()
        }
    }

    #[test]
    fn an_hour_is_remembered_and_no_minute_twice() {
        let counts = Counts::new(at(0));
        let id = EndpointId(7);
        for minute in 0..200 {
            counts.add(ACCOUNT, id, &delivered(1), at(minute));
        }
        let (minutes, is_partial) = counts.minutes(|_, _| true, at(199));
        assert!(!is_partial && minutes.len() == MINUTES);
        assert!(minutes.iter().all(|(_, minute)| minute.delivered == 1));
        // After a pause the minutes before it are gone, those within the hour are not.
        counts.add(ACCOUNT, id, &delivered(5), at(230));
        let (minutes, _) = counts.minutes(|_, _| true, at(230));
        let sum: u32 = minutes.iter().map(|(_, minute)| minute.delivered).sum();
        assert_eq!(sum, 5 + 29, "{minutes:?}");
        counts.add(ACCOUNT, id, &delivered(1), at(1_000));
        let (minutes, _) = counts.minutes(|_, _| true, at(1_000));
        let sum: u32 = minutes.iter().map(|(_, minute)| minute.delivered).sum();
        assert_eq!(sum, 1);
    }

    #[test]
    fn endless_endpoints_do_not_fill_the_memory_and_the_idle_make_room() {
        let counts = Counts::new(at(0));
        let many = i64::try_from(ENDPOINTS_MAX).expect("few") + 10;
        for id in 0..many {
            counts.add(ACCOUNT, EndpointId(id), &delivered(1), at(0));
        }
        assert_eq!(counts.counted().endpoints.len(), ENDPOINTS_MAX);
        let (_, is_partial) = counts.minutes(|_, _| true, at(0));
        assert!(is_partial, "it is told that some are missing");
        counts.add(ACCOUNT, EndpointId(many), &delivered(1), at(61));
        assert_eq!(counts.counted().endpoints.len(), 1);
    }
}
