//! Publishing: single events against a bare handler, batches against a bare file.

use std::rc::Rc;
use std::time::Duration;

use crate::engines::Engines;
use crate::figures::{self, Pair};
use crate::http::request;
use crate::load::{self, Numbers};
use crate::process::Process;
use crate::sample::{self, Template};
use crate::world::{Running, World};
use crate::{Result, process};

const ROUNDS: u32 = 5;
const CONNECTIONS: usize = 64;
/// Publishers of batches: enough that the next commit is full while one is being synced.
const BATCH_CONNECTIONS: usize = 16;
const BATCH_EVENTS: usize = 100;

async fn world(engines: &Engines) -> Result<(World, String)> {
    let world = World::new(engines)?;
    let stepped = world.open().await?;
    let publisher = stepped.publisher(&[sample::CODE.to_owned()]).await?;
    stepped.server.stop().await;
    Ok((world, publisher.key))
}

fn template(key: &str, body: &str) -> Rc<[Template]> {
    Rc::new([Template::new(request(
        "POST",
        "/v1/event",
        key,
        body.as_bytes(),
    ))])
}

/// One individual event a call, 64 connections: of people who come again.
pub(crate) async fn single(engines: &Engines, time: Duration) -> Result<()> {
    one_by_one(engines, time, &sample::individual(sample::CODE)).await
}

/// The same, each of somebody who was never seen before: what learning people costs.
pub(crate) async fn strangers(engines: &Engines, time: Duration) -> Result<()> {
    one_by_one(engines, time, &sample::of_stranger(sample::CODE)).await
}

async fn one_by_one(engines: &Engines, time: Duration, body: &str) -> Result<()> {
    let (world, key) = world(engines).await?;
    let templates = template(&key, body);
    let mut floor = Process::role("handler", &[])?;
    let floor_address = floor.line()?.parse()?;
    let hub = world.serve().await?;
    let numbers = Numbers::default();
    let round = time / (2 * ROUNDS);
    for address in [floor_address, hub.address] {
        load::closed(address, &templates, CONNECTIONS, round, &numbers).await?;
    }
    let (mut rate, mut cpu, mut own) = (Pair::default(), Pair::default(), Pair::default());
    for _ in 0..ROUNDS {
        let before_s = floor.cpu_s()?;
        let bare = load::closed(floor_address, &templates, CONNECTIONS, round, &numbers).await?;
        let bare_cpu_s = floor.cpu_s()? - before_s;
        let before_s = hub.process.cpu_s()?;
        let ours = load::closed(hub.address, &templates, CONNECTIONS, round, &numbers).await?;
        let our_cpu_s = hub.process.cpu_s()? - before_s;
        rate.add(bare.rate(), ours.rate());
        cpu.add(
            bare_cpu_s * 1e6 / bare.events as f64,
            our_cpu_s * 1e6 / ours.events as f64,
        );
        own.add(
            bare.own_cpu_s * 1e6 / bare.events as f64,
            ours.own_cpu_s * 1e6 / ours.events as f64,
        );
    }
    figures::head("bare", "hub");
    rate.print_rate("events/s", Some("≥ 0.6"));
    cpu.print_cost("server CPU, µs an event");
    own.print_cost("generator CPU, µs an event");
    let learned = hub.metric("rialto_identity_facts_total").await?;
    println!("  {learned:.0} facts about people were learned");
    commits(&hub).await
}

/// Batches of 100 events.
pub(crate) async fn batches(engines: &Engines, time: Duration) -> Result<()> {
    let (world, key) = world(engines).await?;
    let file = world.directory.path().join("floor");
    let body = sample::batch(sample::CODE, BATCH_EVENTS);
    let templates = template(&key, &body);
    let hub = world.serve().await?;
    let numbers = Numbers::default();
    let round = time / (2 * ROUNDS);
    load::closed(hub.address, &templates, BATCH_CONNECTIONS, round, &numbers).await?;
    let (mut rate, mut cpu, mut servers) = (Pair::default(), Pair::default(), Pair::default());
    for _ in 0..ROUNDS {
        let before_s = hub.process.cpu_s()?;
        let servers_before_s = engines.cpu_s()?;
        let commits_before = hub.metric("rialto_commit_seconds_count").await?;
        let ours =
            load::closed(hub.address, &templates, BATCH_CONNECTIONS, round, &numbers).await?;
        let our_cpu_s = hub.process.cpu_s()? - before_s;
        let commits = hub.metric("rialto_commit_seconds_count").await? - commits_before;
        let our_servers_cpu_s = engines.cpu_s()? - servers_before_s;
        let group = (ours.calls as f64 / commits).max(1.0);
        let servers_before_s = engines.cpu_s()?;
        let (bare_rate, bare_cpu_s) = engines.append(&file, group * body.len() as f64, round)?;
        let events = group * BATCH_EVENTS as f64;
        servers.add(
            (engines.cpu_s()? - servers_before_s) * 1e6
                / (bare_rate * events * round.as_secs_f64()),
            our_servers_cpu_s * 1e6 / ours.events as f64,
        );
        rate.add(bare_rate * events, ours.rate());
        cpu.add(
            bare_cpu_s * 1e6 / events,
            our_cpu_s * 1e6 / ours.events as f64,
        );
    }
    figures::head(engines.floor(), "hub");
    rate.print_rate("events/s", Some("≥ 0.5"));
    cpu.print_cost("server CPU, µs an event");
    if !engines.is_embedded() {
        servers.print_cost("engines' CPU, µs an event");
    }
    commits(&hub).await
}

/// How the group commit worked.
async fn commits(hub: &Running) -> Result<()> {
    let commits = hub.metric("rialto_commit_seconds_count").await?;
    let seconds = hub.metric("rialto_commit_seconds_sum").await?;
    let events = hub.metric("rialto_published_total").await?;
    let (memory, _) = hub.process.memory_mib()?;
    println!(
        "  commits of {:.0} events, {:.1} ms each; the hub takes {memory:.0} MiB; the generator used {:.1} s",
        events / commits,
        1e3 * seconds / commits,
        process::own_cpu_s()?,
    );
    Ok(())
}
