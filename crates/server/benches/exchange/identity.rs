//! The identity graph at its size: learning new people, joining known ones, and looking them up, next to the bare engine
//! doing the same reads and writes with rows that were made before.

use std::time::Instant;

use engine::Db;
use hub::identity::{Fact, Source};
use model::hashing::HashMode;
use model::identity::{Form, Key, Told, set_key};
use model::{AccountId, X1Id};
use store::Scope;
use store::identity::{Identifier, Moved, Standing, StoredFact};

use crate::Result;
use crate::engines::Engines;
use crate::figures::{Pair, head};
use crate::world::World;

/// Facts learned in one call: what a busy router reads at once.
const PORTION: u64 = 1_000;
/// Blocks in which hub and floor take turns.
const BLOCKS: u64 = 10;
/// People looked up, and pairs of people joined, in each block.
const LOOKUPS: u64 = 20_000;
const LOOKUP_PORTION: u64 = 100;
/// Nobody is joined twice.
const IDENTIFIERS_MIN: u64 = 400_000;

pub(crate) async fn run(engines: &Engines, identifiers: u64) -> Result<()> {
    let world = World::new(engines)?;
    let stepped = world.open().await?;
    let (hub, account) = (&stepped.server.hub, stepped.scope.0);
    let floor = Db::open_sqlite(&world.directory.path().join("floor.db")).await?;
    store::migrate(&floor).await?;
    if identifiers < IDENTIFIERS_MIN {
        return Err(format!("--identifiers {identifiers}: at least {IDENTIFIERS_MIN}").into());
    }
    let people = identifiers / 2;
    let block = (people / BLOCKS / PORTION).max(1) * PORTION;
    let mut grown = Pair::default();
    for number in 0..BLOCKS {
        let (from, to) = (number * block, (number + 1) * block);
        let bare = timed(block, grow_floor(&floor, account, from..to)).await?;
        let ours = timed(block, grow(hub, account, from..to)).await?;
        println!(
            "  {:>10} identifiers   {bare:>8.0} {ours:>8.0} facts/s",
            2 * to
        );
        if number >= BLOCKS / 2 {
            grown.add(bare, ours);
        }
    }
    let people = BLOCKS * block;
    let (mut looked_up, mut joined) = (Pair::default(), Pair::default());
    for number in 0..3 {
        let picked = |at: u64| (at * 7_919 + number * 104_729 + 13) % people;
        let bare = timed(LOOKUPS, look_up_floor(&floor, account, picked)).await?;
        let ours = timed(LOOKUPS, look_up(hub, account, picked)).await?;
        looked_up.add(bare, ours);
        let pair = |at: u64| {
            let first = (number * LOOKUPS + at) * 2;
            (first % people, (first + 1) % people)
        };
        let bare = timed(LOOKUPS, join_floor(&floor, account, pair)).await?;
        let ours = timed(LOOKUPS, join(hub, account, pair)).await?;
        joined.add(bare, ours);
    }
    let mut known = Vec::new();
    for _ in 0..3 {
        grow(hub, account, 0..PORTION).await?;
        known.push(
            timed(20 * PORTION, async {
                for _ in 0..20 {
                    grow(hub, account, 0..PORTION).await?;
                }
                Ok(())
            })
            .await?,
        );
    }
    head("bare engine", "identity");
    grown.print_rate("new people, facts/s", None);
    joined.print_rate("known people joined, facts/s", None);
    looked_up.print_rate("lookups, people/s", None);
    let rate = crate::figures::median(&known);
    println!("  what is known already, facts/s: {rate:.0}");
    stepped.server.stop().await;
    Ok(())
}

/// How many of `count` in a second.
async fn timed(count: u64, work: impl Future<Output = Result<()>>) -> Result<f64> {
    let started = Instant::now();
    work.await?;
    Ok(count as f64 / started.elapsed().as_secs_f64())
}

fn email(person: u64) -> String {
    format!("mid-{person:09}@example.com")
}

fn cookie(person: u64) -> String {
    format!("c0ffee00-5eed-4dad-8bad-{person:012}")
}

fn now() -> jiff::Timestamp {
    jiff::Timestamp::UNIX_EPOCH
}

fn fact<'a>(identifiers: Vec<Told<'a>>) -> Fact<'a> {
    Fact {
        identifiers,
        source: Source::Event { position: 1 },
        at: now(),
    }
}

fn owned(kind: &'static str, value: String) -> Told<'static> {
    Told {
        value: value.into(),
        ..Told::clear(kind, "")
    }
}

async fn grow(hub: &hub::Hub, account: AccountId, people: std::ops::Range<u64>) -> Result<()> {
    let people: Vec<u64> = people.collect();
    for portion in people.chunks(usize::try_from(PORTION)?) {
        let facts: Vec<Fact<'_>> = portion
            .iter()
            .map(|&one| {
                fact(vec![
                    owned("email", email(one)),
                    owned("cookie", cookie(one)),
                ])
            })
            .collect();
        hub.learn(account, &facts).await?;
    }
    Ok(())
}

async fn look_up(hub: &hub::Hub, account: AccountId, picked: impl Fn(u64) -> u64) -> Result<()> {
    for portion in 0..LOOKUPS / LOOKUP_PORTION {
        let range = portion * LOOKUP_PORTION..(portion + 1) * LOOKUP_PORTION;
        let sets: Vec<Vec<Told<'_>>> = range
            .map(|at| vec![owned("email", email(picked(at)))])
            .collect();
        let found = hub.known(account, &sets).await?;
        assert!(found.iter().all(Option::is_some), "everybody is known");
    }
    Ok(())
}

async fn join(hub: &hub::Hub, account: AccountId, pair: impl Fn(u64) -> (u64, u64)) -> Result<()> {
    for portion in 0..LOOKUPS / PORTION {
        let range = portion * PORTION..(portion + 1) * PORTION;
        let facts: Vec<Fact<'_>> = range
            .map(|at| {
                let (one, other) = pair(at);
                fact(vec![
                    owned("cookie", cookie(one)),
                    owned("cookie", cookie(other)),
                ])
            })
            .collect();
        hub.learn(account, &facts).await?;
    }
    Ok(())
}

fn row(account: AccountId, kind: &'static str, value: String) -> Identifier {
    let key = model::identity::key(account, kind, Form::Clear, &value);
    Identifier {
        id: 0,
        digest: key,
        name: kind.to_owned(),
        kind: kind.to_owned(),
        form: Form::Clear,
        mode: HashMode::None,
        algorithm: None,
        value,
        x1_id: X1Id(uuid::Uuid::now_v7()),
        component: 0,
        standing: Standing::Joined,
        ties: 1,
        seen_at: now(),
        source: Source::Event { position: 1 },
    }
}

fn keys(rows: &[Identifier]) -> Vec<Key> {
    rows.iter().map(|row| row.digest).collect()
}

fn pairs(rows: &[Identifier]) -> Vec<StoredFact> {
    let facts = rows.chunks(2).map(|pair| StoredFact {
        id: 0,
        digest: set_key(&mut keys(pair)).unwrap_or_default(),
        members: pair.iter().map(|row| row.id).collect(),
        is_cut: false,
        seen_at: now(),
        source: Source::Event { position: 1 },
    });
    facts.collect()
}

async fn grow_floor(db: &Db, account: AccountId, people: std::ops::Range<u64>) -> Result<()> {
    let scope = Scope(account);
    let people: Vec<u64> = people.collect();
    for portion in people.chunks(usize::try_from(PORTION)?) {
        let mut rows: Vec<Identifier> = portion
            .iter()
            .flat_map(|&one| {
                [
                    row(account, "email", email(one)),
                    row(account, "cookie", cookie(one)),
                ]
            })
            .collect();
        let mut tx = db.begin().await?;
        store::identity::by_digest(&mut tx, scope, &keys(&rows)).await?;
        let sets: Vec<Key> = pairs(&rows).iter().map(|fact| fact.digest).collect();
        store::identity::facts_by_digest(&mut tx, scope, &sets).await?;
        let first = store::identity::take_ids(&mut tx, rows.len()).await?;
        for (id, row) in (first..).zip(&mut rows) {
            (row.id, row.component) = (id, id - (id - first) % 2);
        }
        store::identity::insert(&mut tx, scope, &rows.iter().collect::<Vec<_>>()).await?;
        store::identity::insert_facts(&mut tx, scope, &mut pairs(&rows)).await?;
        tx.commit().await?;
    }
    Ok(())
}

async fn look_up_floor(db: &Db, account: AccountId, picked: impl Fn(u64) -> u64) -> Result<()> {
    let scope = Scope(account);
    for portion in 0..LOOKUPS / LOOKUP_PORTION {
        let range = portion * LOOKUP_PORTION..(portion + 1) * LOOKUP_PORTION;
        let wanted: Vec<Key> = range
            .map(|at| Told::clear("email", &email(picked(at))).key(account))
            .collect();
        let mut tx = db.read().await?;
        let found = store::identity::by_digest(&mut tx, scope, &wanted).await?;
        let components: Vec<i64> = found.iter().map(|row| row.component).collect();
        store::identity::of_components(&mut tx, scope, &components).await?;
    }
    Ok(())
}

async fn join_floor(db: &Db, account: AccountId, pair: impl Fn(u64) -> (u64, u64)) -> Result<()> {
    let scope = Scope(account);
    for portion in 0..LOOKUPS / PORTION {
        let range = portion * PORTION..(portion + 1) * PORTION;
        let wanted: Vec<Key> = range
            .flat_map(|at| [pair(at).0, pair(at).1])
            .map(|one| Told::clear("cookie", &cookie(one)).key(account))
            .collect();
        let mut tx = db.begin().await?;
        let mut rows = store::identity::by_digest(&mut tx, scope, &wanted).await?;
        rows.sort_by_key(|row| row.id);
        let sets: Vec<Key> = pairs(&rows).iter().map(|fact| fact.digest).collect();
        store::identity::facts_by_digest(&mut tx, scope, &sets).await?;
        let components: Vec<i64> = rows.iter().map(|row| row.component).collect();
        let all = store::identity::of_components(&mut tx, scope, &components).await?;
        let moved: Vec<Moved> = all
            .chunks(4)
            .flat_map(|four| four.iter().skip(2).map(|row| (row.id, four[0].component)))
            .map(|(id, component)| Moved {
                id,
                component,
                standing: Standing::Joined,
            })
            .collect();
        let mut facts = pairs(&rows);
        facts.retain(|fact| fact.members.len() == 2);
        store::identity::insert_facts(&mut tx, scope, &mut facts).await?;
        let ties: Vec<(i64, i64)> = rows.iter().map(|row| (row.id, 1)).collect();
        store::identity::add_ties(&mut tx, scope, &ties).await?;
        store::identity::put_places(&mut tx, scope, &moved).await?;
        tx.commit().await?;
    }
    Ok(())
}
