//! The graph as the exchange keeps it: whatever the order in which the same facts arrive, the people are the same; what is
//! undone was never there; no identifier crosses accounts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hub::identity::{Fact, Person, Source, Wanted};
use hub::{Actor, Scope};
use model::hashing::HashMode;
use model::identity::{Rules, Told};
use model::{AccountId, AccountPolicy, Environment, X1Id};
use proptest::collection::vec;
use proptest::prelude::*;
use tokio::runtime::Runtime;

use crate::harness::{TestHub, noon};

/// An identifier by type and value.
type Id = (usize, usize);

const KINDS: [&str; 3] = ["email", "cookie", "phone"];
const VALUES: [&str; 5] = [
    "a@x.example",
    "b@x.example",
    "c@x.example",
    "d@x.example",
    "unknown",
];

fn told((kind, value): Id) -> Told<'static> {
    Told::clear(KINDS[kind], VALUES[value])
}

struct World {
    runtime: Runtime,
    hub: TestHub,
}

impl World {
    fn start() -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let hub = runtime.block_on(TestHub::start());
        Self { runtime, hub }
    }

    fn account(&self, limit: u32) -> AccountId {
        let policy = AccountPolicy {
            identity_rules: Rules {
                limit: Some(limit),
                ..Rules::default()
            },
            ..AccountPolicy::default()
        };
        let opened = self.hub.account_in(Environment::Production, policy);
        self.runtime.block_on(opened).id
    }

    /// In portions of so many facts.
    fn learn(&self, account: AccountId, facts: &[Vec<Id>], portion: usize) {
        for sets in facts.chunks(portion) {
            let facts: Vec<Fact<'_>> = sets
                .iter()
                .map(|set| Fact {
                    identifiers: set.iter().copied().map(told).collect(),
                    source: Source::Row { job: 1, row: 1 },
                    at: noon(),
                })
                .collect();
            self.learned(account, &facts);
        }
    }

    fn known(&self, account: AccountId, sets: &[Vec<Told<'_>>]) -> Vec<Option<Arc<Person>>> {
        let known = self.hub.server.hub.known(account, sets);
        self.runtime.block_on(known).expect("an answer")
    }

    fn learned(&self, account: AccountId, facts: &[Fact<'_>]) {
        let learned = self.hub.server.hub.learn(account, facts);
        self.runtime.block_on(learned).expect("learned");
    }

    /// Everybody, and under which id.
    fn people(&self, account: AccountId) -> BTreeMap<BTreeSet<(String, String)>, X1Id> {
        let ids =
            (0..KINDS.len()).flat_map(|kind| (0..VALUES.len()).map(move |value| (kind, value)));
        let sets: Vec<Vec<Told<'_>>> = ids.map(|id| vec![told(id)]).collect();
        let people = self
            .known(account, &sets)
            .into_iter()
            .flatten()
            .map(|person| {
                let members = person.identifiers.iter();
                let members = members.map(|one| (one.kind.clone(), one.value.clone()));
                (members.collect(), person.x1_id)
            });
        people.collect()
    }

    /// The fact with exactly these identifiers.
    fn fact(&self, account: AccountId, set: &[Id]) -> Option<i64> {
        let wanted: BTreeSet<(&str, &str)> = set
            .iter()
            .map(|(kind, value)| (KINDS[*kind], VALUES[*value]))
            .collect();
        let hub = &self.hub.server.hub;
        for id in set {
            let asked = Wanted::Told(told(*id));
            let explained = hub.identity_explain(Scope(account), &asked);
            let explained = self.runtime.block_on(explained).expect("known");
            for one in explained.facts {
                let members = one.identifiers.iter();
                let members: BTreeSet<(&str, &str)> = members
                    .map(|one| (one.kind.as_str(), one.value.as_str()))
                    .collect();
                if members == wanted {
                    return Some(one.fact.id);
                }
            }
        }
        None
    }
}

#[test]
fn fuzz_people_are_the_same_in_whatever_order_facts_arrive_and_undoing_is_the_inverse_of_merging() {
    let world = World::start();
    let id = (0..KINDS.len(), 0..VALUES.len());
    let facts = vec(vec(id, 1..4), 1..12).prop_flat_map(|facts| {
        (
            Just(facts.clone()),
            Just(facts).prop_shuffle(),
            1..6_usize,
            1..4_u32,
            any::<prop::sample::Index>(),
        )
    });
    fuzzing::run_slow(30, &facts, |(facts, shuffled, portion, limit, picked)| {
        let (one, other) = (world.account(limit), world.account(limit));
        world.learn(one, &facts, facts.len());
        world.learn(other, &shuffled, portion);
        let people = world.people(one);
        let elsewhere = world.people(other);
        prop_assert!(
            people.keys().eq(elsewhere.keys()),
            "{:?}\n{:?}",
            people,
            elsewhere
        );
        let ids: BTreeSet<&X1Id> = people.values().chain(elsewhere.values()).collect();
        prop_assert_eq!(ids.len(), 2 * people.len(), "nobody is in two accounts");

        // Without one of the facts, and its identifiers each by itself.
        let cut = picked.get(&facts).clone();
        let Some(fact) = world.fact(one, &cut) else {
            return Ok(());
        };
        let set = |of: &[Id]| of.iter().copied().collect::<BTreeSet<Id>>();
        let mut without: Vec<Vec<Id>> = facts
            .iter()
            .filter(|one| set(one) != set(&cut))
            .cloned()
            .collect();
        without.extend(cut.iter().map(|id| vec![*id]));
        let third = world.account(limit);
        world.learn(third, &without, portion);
        let hub = &world.hub.server.hub;
        let undo = hub.identity_cut(&Actor::OPERATOR, Scope(one), fact, true);
        world.runtime.block_on(undo).expect("undone");
        let (undone, never) = (world.people(one), world.people(third));
        prop_assert!(undone.keys().eq(never.keys()), "{:?}\n{:?}", undone, never);
        // It stays undone when it is seen again, and comes back exactly.
        world.learn(one, std::slice::from_ref(&cut), 1);
        prop_assert_eq!(&world.people(one), &undone);
        let redo = hub.identity_cut(&Actor::OPERATOR, Scope(one), fact, false);
        world.runtime.block_on(redo).expect("redone");
        prop_assert_eq!(&world.people(one), &people);
        Ok(())
    });
}

#[test]
fn who_is_forgotten_was_never_there() {
    let world = World::start();
    let account = world.account(10);
    let stay = vec![vec![(0, 1), (1, 1)], vec![(2, 1)]];
    world.learn(account, &stay, 1);
    let before = world.people(account);
    world.learn(account, &[vec![(0, 0), (1, 0)], vec![(1, 0), (2, 4)]], 2);
    let hub = &world.hub.server.hub;
    let person = world.known(account, &[vec![told((1, 0))]])[0].clone();
    let person = person.expect("a person");
    let forgotten = world.runtime.block_on(hub.forget(account, &[person.id]));
    let forgotten = forgotten.expect("forgotten");
    assert_eq!((forgotten.identifiers.len(), forgotten.facts), (2, 2));
    assert_eq!(world.people(account), before);
    // Who comes back is somebody new.
    world.learn(account, &[vec![(0, 0)]], 1);
    let again = world.known(account, &[vec![told((0, 0))]])[0].clone();
    assert_ne!(again.expect("a person").x1_id, person.x1_id);
}

#[test]
fn clear_values_and_their_hashes_meet_whichever_comes_first() {
    let world = World::start();
    let hash = "a806e1cd202da3d06370a69d09203da12115c39ed53798d34c661876f1244feb";
    let clear = || Told::clear("email", "TStark@ibm.com");
    let hashed = || Told {
        mode: HashMode::Hashed,
        ..Told::clear("email", hash)
    };
    let cookie = |value| Told::clear("cookie", value);
    let fact = |identifiers| Fact {
        identifiers,
        source: Source::Row { job: 1, row: 1 },
        at: noon(),
    };
    for is_clear_first in [true, false] {
        let account = world.account(10);
        let mut facts = vec![
            fact(vec![clear(), cookie("phone-1")]),
            fact(vec![hashed(), cookie("laptop-2")]),
        ];
        if !is_clear_first {
            facts.reverse();
        }
        for one in facts {
            world.learned(account, &[one]);
        }
        let sets = [vec![cookie("phone-1")], vec![cookie("laptop-2")]];
        let known = world.known(account, &sets);
        assert_eq!(known[0], known[1]);
        assert_eq!(known[0].as_ref().expect("a person").identifiers.len(), 4);
    }
    // A hash finds the clear value that was seen, though no hash ever was.
    let account = world.account(10);
    world.learned(account, &[fact(vec![clear(), cookie("only-3")])]);
    let person = world.known(account, &[vec![hashed()]])[0].clone();
    let person = person.expect("a person");
    assert_eq!(person.identifiers[0].value, "tstark@ibm.com");
}

#[test]
fn who_was_looked_up_is_learned_all_the_same() {
    let world = World::start();
    let account = world.account(10);
    world.learn(account, &[vec![(0, 0)], vec![(1, 0)]], 1);
    let together = [vec![told((0, 0)), told((1, 0))], vec![told((2, 0))]];
    let known = world.known(account, &together);
    assert_eq!(known[0].as_ref().expect("the older").identifiers.len(), 1);
    assert_eq!(known[1], None);
    world.learn(account, &[vec![(0, 0), (1, 0)], vec![(2, 0)]], 2);
    let known = world.known(account, &together);
    assert_eq!(known[0].as_ref().expect("both").identifiers.len(), 2);
    assert!(known[1].is_some());
}
