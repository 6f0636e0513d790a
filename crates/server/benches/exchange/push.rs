//! Pushing: what waits in the log, to one destination or to ten, against a bare pooled client.

use std::time::Duration;

use crate::Result;
use crate::engines::Engines;
use crate::figures::{self, Pair};
use crate::load::Numbers;
use crate::process::{self, Process};
use crate::receiver::Receiver;
use crate::sample::{self, Template};
use crate::world::{Party, World};

const ROUNDS: u32 = 5;
/// Events published in one call while the log is filled.
const FILL_EVENTS: usize = 1000;
const PATIENCE: Duration = Duration::from_secs(120);
/// Pushes a second that a round is laid out for.
const EXPECTED_PER_S: u64 = 15_000;

/// `destinations` share the same number of pushes: with ten of them a tenth of the events, each pushed ten times.
pub(crate) async fn run(engines: &Engines, time: Duration, destinations: u64) -> Result<()> {
    let receiver = Receiver::start()?;
    let (world, publisher) = world(engines, &receiver, destinations).await?;
    let numbers = Numbers::default();
    let per_round =
        u64::try_from(time.as_millis())? * EXPECTED_PER_S / 1000 / u64::from(2 * ROUNDS);
    let fills = per_round.div_ceil(FILL_EVENTS as u64 * destinations);
    let (mut rate, mut cpu, mut own) = (Pair::default(), Pair::default(), Pair::default());
    let mut connections = 0;
    let mut memory = 0.0;
    for _ in 0..ROUNDS {
        let first = numbers.given();
        let template = Template::new(sample::batch(sample::CODE, FILL_EVENTS).into_bytes());
        let mut buffer = Vec::new();
        let stepped = world.open().await?;
        for _ in 0..fills {
            let body = template.numbered(numbers.take(FILL_EVENTS as u64), &mut buffer);
            stepped.publish(&publisher, body).await?;
        }
        stepped.server.stop().await;
        let pushes = (numbers.given() - first) * destinations;

        receiver.reset();
        let hub = world.serve().await?;
        let ours = measure(&receiver, &hub.process, pushes).await?;
        connections = receiver.connections();
        memory = hub.process.memory_mib()?.1;
        hub.process.stop()?;
        let (missing, repeated) =
            receiver.check(first..numbers.given(), u8::try_from(destinations)?);
        if missing + repeated > 0 {
            return Err(format!("{missing} events are missing, {repeated} came twice").into());
        }

        receiver.reset();
        let arguments = [
            receiver.address.to_string(),
            numbers.take(pushes).to_string(),
            pushes.to_string(),
            connections.to_string(),
        ];
        let floor = Process::role("client", &arguments)?;
        let bare = measure(&receiver, &floor, pushes).await?;
        rate.add(bare.rate, ours.rate);
        cpu.add(bare.cpu_us, ours.cpu_us);
        own.add(bare.own_us, ours.own_us);
    }
    figures::head("client", "hub");
    rate.print_rate("pushes/s", Some("≥ 0.5"));
    cpu.print_cost("sender CPU, µs a push");
    own.print_cost("receiver CPU, µs a push");
    println!(
        "  {} pushes a round on {connections} connections, every event checked off; the hub took {memory:.0} MiB",
        fills * FILL_EVENTS as u64 * destinations
    );
    Ok(())
}

pub(crate) async fn world(
    engines: &Engines,
    receiver: &Receiver,
    destinations: u64,
) -> Result<(World, Party)> {
    let world = World::new(engines)?;
    let stepped = world.open().await?;
    let publisher = stepped.publisher(&[sample::CODE.to_owned()]).await?;
    for place in 0..destinations {
        let url = format!("http://{}/d/{place}", receiver.address);
        let destination = stepped.destination(&url).await?;
        stepped
            .subscribe(&publisher, sample::CODE, &destination)
            .await?;
    }
    stepped.server.stop().await;
    Ok((world, publisher))
}

/// What a sender did, from the first request at the receiver to the last.
pub(crate) struct Pushed {
    pub(crate) rate: f64,
    pub(crate) cpu_us: f64,
    pub(crate) own_us: f64,
}

pub(crate) async fn measure(receiver: &Receiver, sender: &Process, pushes: u64) -> Result<Pushed> {
    process::until("the first push", PATIENCE, || receiver.received() > 0).await?;
    let (cpu_before_s, own_before_s) = (sender.cpu_s()?, process::own_cpu_s()?);
    let before = receiver.received();
    process::until("the last push", PATIENCE, || receiver.received() >= pushes).await?;
    let done = (receiver.received() - before) as f64;
    Ok(Pushed {
        rate: receiver.rate(),
        cpu_us: (sender.cpu_s()? - cpu_before_s) * 1e6 / done,
        own_us: (process::own_cpu_s()? - own_before_s) * 1e6 / done,
    })
}
