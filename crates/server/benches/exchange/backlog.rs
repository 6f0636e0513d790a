//! A backlog: ten million events wait for a destination that is down. What do the others feel, how much memory does it
//! take, and how soon is the hub ready again after a restart?

use std::borrow::Cow;
use std::rc::Rc;
use std::time::{Duration, Instant};

use engine::{Clock, Log, LogOptions};
use model::AccountId;
use model::hashing::HashMode;
use model::record::{Document, Entry, Event, Identifier};

use crate::Result;
use crate::engines::Engines;
use crate::figures::{self, Pair};
use crate::http::request;
use crate::load::{self, Numbers};
use crate::process;
use crate::receiver::Receiver;
use crate::sample::{self, Template};
use crate::world::{Party, Running, World};

const WAITING: u64 = 10_000_000;
/// Records of one append, the most that a batch of the log takes.
const BATCH_RECORDS: u64 = 4096;
const ROUNDS: u32 = 5;
const CONNECTIONS: usize = 64;
const PATIENCE: Duration = Duration::from_secs(300);
/// Nobody listens there.
const DEAD: &str = "http://127.0.0.1:1/dead";

pub(crate) async fn run(time: Duration) -> Result<()> {
    let receiver = Receiver::start()?;
    let (clean_world, clean_template, _) = world(&receiver).await?;
    let (loaded_world, loaded_template, publisher) = world(&receiver).await?;
    let started = Instant::now();
    fill(&loaded_world, &publisher).await?;
    let filled_s = started.elapsed().as_secs_f64();

    let started = Instant::now();
    let hub = loaded_world.serve().await?;
    routed(&hub).await?;
    println!(
        "  {WAITING} events filled in {filled_s:.0} s, routed in {:.0} s; the hub took {:.0} MiB meanwhile",
        started.elapsed().as_secs_f64(),
        hub.process.memory_mib()?.1
    );
    hub.process.stop()?;
    let ended = loaded_world.serve().await?;
    let ready_s = ended.ready_after.as_secs_f64();
    drop(ended);
    let loaded = loaded_world.serve().await?;
    println!(
        "  start to ready with the backlog: {ready_s:.2} s, after kill -9 {:.2} s   aim < 2 s",
        loaded.ready_after.as_secs_f64()
    );

    let clean = clean_world.serve().await?;
    let numbers = Numbers::default();
    let round = time / (2 * ROUNDS);
    let (mut rate, mut cost) = (Pair::default(), Pair::default());
    for turn in 0..=ROUNDS {
        let without = measure(&receiver, &clean, &clean_template, round, &numbers).await?;
        let with = measure(&receiver, &loaded, &loaded_template, round, &numbers).await?;
        // The first turn warms up.
        if turn > 0 {
            rate.add(without.0, with.0);
            cost.add(without.1, with.1);
        }
    }
    let (missing, repeated) = receiver.check(0..numbers.given(), 1);
    figures::head("without", "with");
    rate.print_rate("events/s at the others", Some("≥ 0.91"));
    cost.print_growth("hub CPU, µs an event", Some("≤ 1.1"));
    let waiting = loaded.metrics().await?;
    let waiting = waiting
        .lines()
        .find(|line| line.starts_with("rialto_destination_waiting") && line.len() > 60);
    println!(
        "  memory {:.0} MiB, at most {:.0}   aim < 300;  {missing} missing, {repeated} repeated;  {}",
        loaded.process.memory_mib()?.0,
        loaded.process.memory_mib()?.1,
        waiting.unwrap_or_default(),
    );
    Ok(())
}

/// A publisher, a healthy subscriber to `CODE`, and one that is dead to `CODE` and `BACKLOG`.
async fn world(receiver: &Receiver) -> Result<(World, Rc<[Template]>, Party)> {
    let world = World::new(&Engines::Embedded)?;
    let stepped = world.open().await?;
    let codes = [sample::CODE.to_owned(), "benchBacklog".to_owned()];
    let publisher = stepped.publisher(&codes).await?;
    let healthy = stepped
        .destination(&format!("http://{}", receiver.address))
        .await?;
    let dead = stepped.destination(DEAD).await?;
    stepped
        .subscribe(&publisher, sample::CODE, &healthy)
        .await?;
    stepped.subscribe(&publisher, "benchBacklog", &dead).await?;
    stepped.server.stop().await;
    let body = sample::individual(sample::CODE);
    let post = request("POST", "/v1/event", &publisher.key, body.as_bytes());
    Ok((world, Rc::new([Template::new(post)]), publisher))
}

/// Writes the backlog into the log, as publishing would have, without the hub.
async fn fill(world: &World, publisher: &Party) -> Result<()> {
    let path = world.data().join("log.db");
    let log = Log::open_sqlite(&path, LogOptions::default(), Clock::System).await?;
    let now_us = Clock::System.now().as_microsecond();
    let mut number = 0;
    while number < WAITING {
        let end = (number + BATCH_RECORDS).min(WAITING);
        let records = (number..end).map(|n| record(n, publisher, now_us));
        log.append(records.collect()).await?;
        number = end;
    }
    log.close().await;
    Ok(())
}

fn record(number: u64, publisher: &Party, now_us: i64) -> Vec<u8> {
    let person = u128::from(number) << 64 | u128::from(number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let email = Identifier {
        name: Cow::Borrowed("email"),
        value: Cow::Owned(format!("waits-{number}@example.com")),
        kind: Cow::Borrowed("email"),
        mode: HashMode::default(),
        algorithm: None,
    };
    let event = Event {
        code: Cow::Borrowed("benchBacklog"),
        namespace: Cow::Borrowed("com.ibm.commerce.ubx"),
        ordinal: 0,
        key: None,
        happened_at_us: now_us,
        body: Cow::Borrowed(concat!(
            r#"{"code":"benchBacklog","timestamp":"2026-03-02T11:59:58.125Z","namespace":"com.ibm.commerce.ubx","version":"1","#,
            r#""attributes":[{"name":"orderTotal","value":"129.95","type":"number"},{"name":"currency","value":"EUR","type":"string"}]}"#
        )),
    };
    let document = Document {
        account: AccountId(1),
        endpoint: publisher.id,
        published_at_us: now_us,
        ordinal: 0,
        idempotency: None,
        x1_id: Some(person.to_be_bytes()),
        provider: Cow::Borrowed("Acme"),
        source: Cow::Borrowed("Web shop"),
        channel: Cow::Borrowed("web"),
        identifiers: vec![email],
        events: vec![event],
    };
    Entry::Document(document).encode()
}

/// Waits until the router has seen all of the log.
async fn routed(hub: &Running) -> Result<()> {
    let started = Instant::now();
    while hub.metric("rialto_router_lag_batches").await? > 0.0 {
        if started.elapsed() > PATIENCE {
            return Err("the router did not get through".into());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

/// Events a second until the last delivery, and the hub's CPU an event in microseconds.
async fn measure(
    receiver: &Receiver,
    hub: &Running,
    templates: &Rc<[Template]>,
    time: Duration,
    numbers: &Numbers,
) -> Result<(f64, f64)> {
    receiver.reset();
    let (before_s, started) = (hub.process.cpu_s()?, Instant::now());
    let done = load::closed(hub.address, templates, CONNECTIONS, time, numbers).await?;
    let all = process::until("every delivery", PATIENCE, || {
        receiver.received() >= done.events
    });
    all.await?;
    let cpu_s = hub.process.cpu_s()? - before_s;
    let rate = done.events as f64 / started.elapsed().as_secs_f64();
    Ok((rate, cpu_s * 1e6 / done.events as f64))
}
