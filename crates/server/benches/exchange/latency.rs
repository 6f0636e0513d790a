//! Latency: events come at their time, at half of the rate that the whole path sustains, and every one of them is
//! checked off at the receiver. Three latencies: to the publisher's answer, inside the hub, end to end.

use std::rc::Rc;
use std::time::Duration;

use crate::engines::Engines;
use crate::figures::quantile;
use crate::http::request;
use crate::load::{self, Numbers};
use crate::process::{self, Process};
use crate::receiver::Receiver;
use crate::sample::{self, Template};
use crate::world::{Running, World};
use crate::{Result, push};

const CONNECTIONS: usize = 64;
const PATIENCE: Duration = Duration::from_secs(60);
const SHARES: [f64; 3] = [0.5, 0.99, 0.999];

pub(crate) async fn run(engines: &Engines, time: Duration) -> Result<()> {
    let receiver = Receiver::start()?;
    let (world, publisher) = push::world(engines, &receiver, 1).await?;
    let body = sample::individual(sample::CODE);
    let post = request("POST", "/v1/event", &publisher.key, body.as_bytes());
    let templates: Rc<[Template]> = Rc::new([Template::new(post)]);
    let hub = world.serve().await?;
    let numbers = Numbers::default();

    let peak = peak(&receiver, &hub, &templates, time / 4, &numbers).await?;
    let floor = floor(&world, &receiver, time / 4)?;
    let inside_before = Histogram::read(&hub, "rialto_inside_seconds").await?;
    let first = numbers.given();
    let sent = load::open(hub.address, &templates, peak / 2.0, time, &numbers).await?;
    let all = numbers.given();
    let last = process::until("every event", PATIENCE, || {
        (first..all).all(|number| receiver.times(number) > 0)
    });
    last.await?;
    let inside = Histogram::read(&hub, "rialto_inside_seconds").await?;
    let published: Vec<f64> = sent.iter().map(|sent| sent.published_s).collect();
    let received: Vec<f64> = sent
        .iter()
        .filter_map(|sent| receiver.after_s(sent.number, sent.due))
        .collect();

    println!(
        "  {:.0} events/s, half of the {peak:.0} that go all the way",
        sent.len() as f64 / time.as_secs_f64()
    );
    println!("  {:<34} {:>10} {:>10} {:>10}", "ms", "p50", "p99", "p99.9");
    print("one fdatasync + one bare post", floor);
    print("publish", SHARES.map(|share| quantile(&published, share)));
    let inside = SHARES.map(|share| inside.since(&inside_before).quantile(share));
    print("inside the hub (at most)", inside);
    let end_to_end = SHARES.map(|share| quantile(&received, share));
    print("end to end", end_to_end);
    let (missing, repeated) = receiver.check(0..all, 1);
    println!(
        "  end to end p99: {:.1} times the floor's   aim ≤ 5;  of {all} events {missing} missing, {repeated} repeated",
        end_to_end[1] / floor[1]
    );
    Ok(())
}

fn print(what: &str, [p50, p99, p999]: [f64; 3]) {
    println!(
        "  {what:<34} {:>10.2} {:>10.2} {:>10.2}",
        p50 * 1e3,
        p99 * 1e3,
        p999 * 1e3
    );
}

/// Events a second that are published and delivered, when publishers send as fast as they are answered.
async fn peak(
    receiver: &Receiver,
    hub: &Running,
    templates: &Rc<[Template]>,
    time: Duration,
    numbers: &Numbers,
) -> Result<f64> {
    let started = std::time::Instant::now();
    let done = load::closed(hub.address, templates, CONNECTIONS, time, numbers).await?;
    let all = process::until("the peak's events", PATIENCE, || {
        receiver.received() >= done.events
    });
    all.await?;
    Ok(done.events as f64 / started.elapsed().as_secs_f64())
}

fn floor(world: &World, receiver: &Receiver, time: Duration) -> Result<[f64; 3]> {
    let arguments = [
        world.directory.path().join("floor").display().to_string(),
        receiver.address.to_string(),
        time.as_secs_f64().to_string(),
    ];
    let line = Process::role("sync-and-post", &arguments)?.line()?;
    let mut values = line.split(' ').map(str::parse);
    let mut next = || values.next().ok_or("an odd line of the floor");
    Ok([next()??, next()??, next()??])
}

/// A histogram of `/metrics`: upper bounds in seconds and how many were at or below.
struct Histogram(Vec<(f64, f64)>);

impl Histogram {
    async fn read(hub: &Running, name: &str) -> Result<Self> {
        let text = hub.metrics().await?;
        let start = format!("{name}_bucket{{le=\"");
        let mut buckets = Vec::new();
        for line in text.lines().filter_map(|line| line.strip_prefix(&start)) {
            let (bound, count) = line.split_once("\"} ").ok_or("an odd bucket")?;
            let bound = bound.parse().unwrap_or(f64::INFINITY);
            buckets.push((bound, count.trim().parse()?));
        }
        Ok(Self(buckets))
    }

    fn since(&self, before: &Self) -> Self {
        let pairs = self.0.iter().zip(&before.0);
        Self(
            pairs
                .map(|(now, before)| (now.0, now.1 - before.1))
                .collect(),
        )
    }

    /// The bound of the bucket that holds the quantile.
    fn quantile(&self, share: f64) -> f64 {
        let all = self.0.last().map_or(0.0, |last| last.1);
        let found = self.0.iter().find(|bucket| bucket.1 >= share * all);
        found.map_or(0.0, |bucket| bucket.0)
    }
}
