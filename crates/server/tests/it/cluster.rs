//! Several processes of the real binary on the same engines, while they and the engines are killed and paused.
//!
//! Only where the engines can be shared (`RIALTO_TEST_ENGINE`). `RIALTO_CLUSTER_SECONDS` says for how long things go
//! wrong, with the engines as well (`cargo xtask cluster --chaos` sets it); without it processes of ours suffer briefly.
//! These are the tests that must wait for real.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::harness::traffic::Traffic;
use crate::harness::{Launch, Process, TestHub, mix, wait};

const PROCESSES: usize = 3;
/// How long a process or a server may be away; a lease in these tests lasts a second.
const AWAY_MAX_MS: u64 = 3_000;
/// For taking over what a dead process held: the ten seconds.
const TAKEN_OVER_WITHIN: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// If nothing is said, in seconds.
const BRIEFLY: u64 = 12;

/// How long it was asked for, in seconds.
fn asked() -> Option<u64> {
    let seconds = std::env::var("RIALTO_CLUSTER_SECONDS").ok();
    seconds.map(|text| text.parse().expect("RIALTO_CLUSTER_SECONDS is a number"))
}

/// The engines of one cluster, which may die.
struct Servers {
    directory: Arc<tempfile::TempDir>,
    postgres: services::Postgres,
    nats: Option<services::nats::NatsCluster>,
}

impl Servers {
    async fn start() -> Self {
        let directory = Arc::new(tempfile::tempdir().expect("a directory"));
        let postgres = services::Postgres::start(&[]).expect("PostgreSQL starts");
        let database = postgres.fresh_database().expect("a database");
        let mut settings = mix::settings(directory.path());
        let mut set = |name: &str, value: String| {
            let known = settings.iter_mut().find(|(known, _)| *known == name);
            known.expect("a setting of this mix").1 = value;
        };
        set("RIALTO_ENGINES_DB", database);
        let mut nats = None;
        if mix::mix() == mix::Mix::Distributed {
            let cluster = services::nats::NatsCluster::start().await;
            let cluster = cluster.expect("NATS starts");
            set("RIALTO_ENGINES_LOG", cluster.urls());
            nats = Some(cluster);
        }
        mix::write_down(directory.path(), &settings);
        Self {
            directory,
            postgres,
            nats,
        }
    }

    /// A hub on these engines, to set up what the traffic needs.
    async fn hub(&self) -> TestHub {
        TestHub::open_today(Arc::clone(&self.directory)).await
    }

    /// Lets one server sleep: a node of NATS if there is one, else the database.
    async fn pause_a_node(&mut self, away: Duration) {
        match &mut self.nats {
            Some(nats) => {
                let node = fastrand::usize(..nats.len());
                nats.pause(node).expect("paused");
                wait(away).await;
                nats.resume(node).expect("resumed");
            }
            None => {
                self.postgres.pause().expect("paused");
                wait(away).await;
                self.postgres.resume().expect("resumed");
            }
        }
    }

    /// The same with `kill -9`.
    async fn kill_a_node(&mut self, away: Duration) {
        match &mut self.nats {
            Some(nats) => {
                let node = fastrand::usize(..nats.len());
                nats.kill(node);
                wait(away).await;
                // With its store, copies of 2.9 come apart: `docs/delivery.md`.
                nats.replace(node).await.expect("started again");
            }
            None => {
                self.postgres.kill().expect("killed");
                wait(away).await;
                self.postgres.restart().expect("started again");
            }
        }
    }

    /// Waits until everything is as it should be.
    async fn well(&mut self) {
        if let Some(nats) = &mut self.nats {
            nats.ready().await.expect("a leader");
        }
    }
}

/// The processes that run, each with what it takes to start it again.
struct Cluster {
    launches: Vec<Launch>,
    running: Vec<Option<Process>>,
}

impl Cluster {
    async fn start(traffic: &Traffic) -> Self {
        let mut launches = vec![traffic.launch.clone()];
        launches.extend(traffic.others.clone());
        let mut running = Vec::new();
        for launch in &mut launches {
            running.push(Some(launch.start().await));
        }
        Self { launches, running }
    }

    fn kill(&mut self, number: usize) {
        if let Some(mut process) = self.running[number].take() {
            process.kill();
        }
    }

    async fn restart(&mut self, number: usize) {
        if self.running[number].is_none() {
            self.running[number] = Some(self.launches[number].start().await);
        }
    }

    fn signal(&self, number: usize, name: &str) {
        if let Some(process) = &self.running[number] {
            process.signal(name);
        }
    }

    /// How many shards each running process says it holds.
    async fn held(&self) -> Vec<u64> {
        let mut held = Vec::new();
        for process in self.running.iter().flatten() {
            let metrics = process.http().get("/metrics", "").await.text();
            held.push(metric(&metrics, "rialto_shards_held "));
        }
        held
    }

    /// Waits until the running processes hold every shard, each about as many; answers how long that took.
    async fn settled(&self) -> Duration {
        let begin = Instant::now();
        loop {
            let held = self.held().await;
            let share = (mix::SHARDS as u64).div_ceil(held.len() as u64);
            let is_whole = held.iter().sum::<u64>() == mix::SHARDS as u64;
            if is_whole && held.iter().all(|held| *held <= share) {
                return begin.elapsed();
            }
            assert!(begin.elapsed() < TAKEN_OVER_WITHIN * 3, "{held:?}");
            wait(LOOK_EVERY).await;
        }
    }
}

fn metric(metrics: &str, name: &str) -> u64 {
    let line = metrics.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|value| value.parse().ok()).unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_process_is_replaced_and_a_new_one_gets_its_share() {
    if mix::mix() == mix::Mix::Embedded {
        return;
    }
    let traffic = Traffic::of(TestHub::start_today().await, 2).await;
    let mut cluster = Cluster::start(&traffic).await;
    cluster.settled().await;
    let mut work = traffic.begin();
    traffic.pushes_what_comes_next(50).await;
    cluster.kill(0);
    let taken_over = cluster.settled().await;
    println!("taken over after {taken_over:?}");
    assert!(taken_over < TAKEN_OVER_WITHIN, "{taken_over:?}");
    traffic.pushes_what_comes_next(50).await;
    cluster.restart(0).await;
    let shared = cluster.settled().await;
    println!("shared after {shared:?}");
    work.stop_publishing().await;
    traffic.drained().await;
    work.stop().await;
    println!("{:?}", traffic.book.check_at_least_once());
}

/// Longer than its lease, in the middle of everything; then it wakes up and believes that it holds what it held.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_slept_through_its_lease_does_no_harm() {
    if mix::mix() == mix::Mix::Embedded {
        return;
    }
    let traffic = Traffic::of(TestHub::start_today().await, 2).await;
    let cluster = Cluster::start(&traffic).await;
    cluster.settled().await;
    let mut work = traffic.begin();
    for round in 0..4 {
        let sleeper = round % 2;
        traffic.pushes_what_comes_next(20).await;
        cluster.signal(sleeper, "STOP");
        // What is published at the other goes on to the end meanwhile.
        wait(Duration::from_millis(2_500)).await;
        cluster.signal(sleeper, "CONT");
    }
    cluster.settled().await;
    work.stop_publishing().await;
    traffic.drained().await;
    work.stop().await;
    let mut lost = 0;
    for process in cluster.running.iter().flatten() {
        let metrics = process.http().get("/metrics", "").await.text();
        lost += metric(&metrics, "rialto_shards_lost_total ");
    }
    assert!(lost > 0, "nobody slept long enough to lose anything");
    println!(
        "{lost} shards lost, {:?}",
        traffic.book.check_at_least_once()
    );
}

/// Everything that happens to a cluster, told as it happens.
async fn tell(begin: Instant, traffic: &Traffic, cluster: &Cluster) {
    println!(
        "{:>4} s: {} events acknowledged, {} on the way, shards held: {:?}",
        begin.elapsed().as_secs(),
        traffic.book.acknowledged(),
        traffic.book.missing().len(),
        cluster.held().await,
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_processes_share_the_work() {
    if mix::mix() == mix::Mix::Embedded {
        return;
    }
    let servers = Servers::start().await;
    let mut traffic = Traffic::of(servers.hub().await, PROCESSES).await;
    // On a busy machine somebody may not be heard of for a second; whose work is taken over then may do it twice.
    for launch in std::iter::once(&mut traffic.launch).chain(&mut traffic.others) {
        launch.set("RIALTO_PROCESSES_LEASE", "10s");
    }
    let cluster = Cluster::start(&traffic).await;
    cluster.settled().await;
    let mut work = traffic.begin();
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(asked().unwrap_or(BRIEFLY / 3)) {
        wait(Duration::from_secs(1)).await;
        traffic.sweep();
        tell(begin, &traffic, &cluster).await;
    }
    work.stop_publishing().await;
    traffic.drained().await;
    traffic.repeat_keyed_calls(100).await;
    work.stop().await;
    // Nobody died: nothing came twice.
    println!("{:?}", traffic.book.check(&[], Duration::ZERO));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_dies_or_sleeps_nothing_is_lost_and_order_is_kept() {
    if mix::mix() == mix::Mix::Embedded {
        return;
    }
    let mut servers = Servers::start().await;
    let traffic = Traffic::of(servers.hub().await, PROCESSES).await;
    let mut cluster = Cluster::start(&traffic).await;
    cluster.settled().await;
    let mut work = traffic.begin();
    let begin = Instant::now();
    let mut told = Instant::now();
    while begin.elapsed() < Duration::from_secs(asked().unwrap_or(BRIEFLY)) {
        let number = fastrand::usize(..PROCESSES);
        let away = Duration::from_millis(fastrand::u64(100..AWAY_MAX_MS));
        // The engines are killed by `outage` and by their own suites as well.
        let kinds = if asked().is_some() { 4 } else { 2 };
        match fastrand::u8(..kinds) {
            0 => {
                cluster.kill(number);
                wait(away).await;
                cluster.restart(number).await;
            }
            1 => {
                cluster.signal(number, "STOP");
                wait(away).await;
                cluster.signal(number, "CONT");
            }
            2 => servers.pause_a_node(away).await,
            _ => servers.kill_a_node(away).await,
        }
        wait(Duration::from_millis(fastrand::u64(0..500))).await;
        traffic.sweep();
        if told.elapsed() > Duration::from_secs(5) {
            told = Instant::now();
            tell(begin, &traffic, &cluster).await;
        }
    }
    servers.well().await;
    let settled = cluster.settled().await;
    println!("every shard is held by one again after {settled:?}");
    work.stop_publishing().await;
    traffic.drained().await;
    traffic.repeat_keyed_calls(100).await;
    traffic.drained().await;
    work.stop().await;
    let sums = traffic.book.check_at_least_once();
    println!("{sums:?}");
    assert!(sums.acknowledged > 0, "the publishers got through");
}
