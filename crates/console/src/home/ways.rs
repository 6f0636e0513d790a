//! The ways that events take through an account: from a publisher, as an event code, to a destination, each with how much
//! flows along it. The first page and the paths of subscriptions draw them.
//!
//! Summed in one pass over the account's subscriptions, without copying any: there may be hundreds of thousands, and
//! every open first page asks every few seconds.

use std::cmp::Reverse;
use std::collections::HashMap;

use hub::registry::Registry;
use hub::traffic::Rates;
use model::{AccountId, EndpointId, Subscription};

/// Subscriptions along which nothing flows just now that are drawn all the same.
const IDLE_MAX: usize = 500;

/// One subscription's share, or that of several that look alike.
#[derive(Debug, Clone, Copy)]
pub(super) struct Way {
    pub from: EndpointId,
    /// Which of the codes, by the alphabet.
    pub code: usize,
    pub to: EndpointId,
    /// Tenths of an event a minute.
    pub tenths: u64,
    /// Not paused.
    pub is_live: bool,
}

/// What subscriptions of one destination to one code share.
struct Shared {
    to: EndpointId,
    /// Tenths of an event a minute, in any namespace.
    any: u64,
    /// Of subscriptions to one namespace each: these events are among those of any namespace, and go out once.
    narrow: u64,
    is_live: bool,
}

impl Shared {
    fn add(&mut self, other: &Self) {
        self.any += other.any;
        self.narrow += other.narrow;
        self.is_live |= other.is_live;
    }
}

/// Those of an account.
#[derive(Debug, Default)]
pub(super) struct Ways {
    /// By the alphabet.
    pub codes: Vec<String>,
    /// Those of one publisher and code stand together.
    pub all: Vec<Way>,
    /// There are more subscriptions, along which nothing flows just now.
    pub is_cut: bool,
}

impl Ways {
    /// Those of the subscriptions that `keep` keeps. It is asked while the registry is held: it must not look there.
    pub(super) fn of(
        registry: &Registry,
        account: AccountId,
        rates: &Rates,
        keep: impl Fn(&Subscription) -> bool,
    ) -> Self {
        let mut idle = 0;
        let mut numbers = HashMap::<String, usize>::new();
        let mut all = Vec::new();
        let mut route = Vec::new();
        registry.each_route(account, |from, name, subscriptions| {
            let kept = subscriptions.iter().filter(|s| !s.deleted && keep(s));
            for one in kept {
                let tenths = rates.tenths_a_minute(one.id);
                idle += usize::from(tenths == 0);
                if tenths > 0 || idle <= IDLE_MAX {
                    let (any, narrow) = match one.namespace {
                        None => (tenths, 0),
                        Some(_) => (0, tenths),
                    };
                    route.push(Shared {
                        to: one.destination,
                        any,
                        narrow,
                        is_live: one.enabled,
                    });
                }
            }
            if route.is_empty() {
                return;
            }
            let code = numbers.get(name).copied().unwrap_or(numbers.len());
            if code == numbers.len() {
                numbers.insert(name.to_owned(), code);
            }
            route.sort_unstable_by_key(|shared| shared.to);
            route.dedup_by(|other, shared| {
                let is_same = other.to == shared.to;
                if is_same {
                    shared.add(other);
                }
                is_same
            });
            all.extend(route.drain(..).map(|shared| Way {
                from,
                code,
                to: shared.to,
                tenths: shared.any.max(shared.narrow),
                is_live: shared.is_live,
            }));
        });
        let mut codes: Vec<(String, usize)> = numbers.into_iter().collect();
        codes.sort_unstable();
        let mut places = vec![0; codes.len()];
        for (place, (_, number)) in codes.iter().enumerate() {
            places[*number] = place;
        }
        for way in &mut all {
            way.code = places[way.code];
        }
        Self {
            codes: codes.into_iter().map(|(name, _)| name).collect(),
            all,
            is_cut: idle > IDLE_MAX,
        }
    }

    /// Those of one publisher and code: what is published once and goes to several.
    pub(super) fn published(&self) -> impl Iterator<Item = &[Way]> {
        self.all
            .chunk_by(|one, other| (one.from, one.code) == (other.from, other.code))
    }

    /// At most `count`, the busiest first.
    pub(super) fn busiest(&self, count: usize) -> Vec<Way> {
        let order = |way: &Way| (Reverse(way.tenths), way.from, way.code, way.to);
        let mut ways = self.all.clone();
        if ways.len() > count {
            ways.select_nth_unstable_by_key(count, order);
            ways.truncate(count);
        }
        ways.sort_unstable_by_key(order);
        ways
    }
}
