//! The hub is killed with `kill -9` at random moments while publishers and subscribers go on.
//!
//! What holds afterwards, whatever the moment: every acknowledged event is at every subscriber; a call was taken whole or
//! not at all; what carries a key was published once, however often it was repeated; a delivery is repeated, with the
//! same `webhook-id`, only if it was answered less than the documented window before a kill; and no event is in two files.
//!
//! `RIALTO_CRASH_ROUNDS` says how often (`cargo xtask crash --rounds N` sets it). These are the tests that must wait for
//! real: a process is killed at a real moment.

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::harness::traffic::Traffic;
use crate::harness::wait;

/// `checkpoint_every`, and a second for the checkpoint itself on a machine that does other things too.
const WINDOW: Duration = Duration::from_millis(200 + 1_000);
/// A checkpoint waits for the disk so often at most: for its commit, and to empty the write-ahead file.
const WAITS: u32 = 3;
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Asks the disk again and again how long a page takes until it is durable; notes the longest time, for which a
/// checkpoint has waited too if it came just then.
async fn watch_disk(file: PathBuf, longest: Arc<Mutex<Duration>>) {
    loop {
        let begun = Instant::now();
        wait(LOOK_EVERY).await;
        let path = file.clone();
        let written = tokio::task::spawn_blocking(move || {
            let mut file = std::fs::File::create(path)?;
            file.write_all(&[0; 4_096])?;
            file.sync_all()
        });
        written.await.expect("no panic").expect("written");
        let took = begun.elapsed().saturating_sub(LOOK_EVERY);
        let mut longest = longest.lock().expect("not poisoned");
        *longest = took.max(*longest);
    }
}

fn rounds() -> u32 {
    let rounds = std::env::var("RIALTO_CRASH_ROUNDS").ok();
    rounds.map_or(5, |text| {
        text.parse().expect("RIALTO_CRASH_ROUNDS is a number")
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn crash_loses_nothing_and_repeats_only_what_was_just_delivered() {
    let mut traffic = Traffic::set_up().await;
    let longest = Arc::new(Mutex::new(Duration::ZERO));
    let page = traffic.directory().join("page");
    let watching = tokio::spawn(watch_disk(page, Arc::clone(&longest)));
    let work = traffic.begin();
    let mut kills: Vec<Instant> = Vec::new();
    for round in 1..=rounds() {
        if round % 5 == 4 {
            // In the middle of starting, which is when it reads what the last life left.
            let starting = traffic.launch.spawn();
            wait(Duration::from_millis(fastrand::u64(0..150))).await;
            kills.push(Instant::now());
            starting.kill();
            continue;
        }
        let mut hub = traffic.launch.start().await;
        let (ready_after, before) = (hub.ready_after, traffic.book.acknowledged());
        // Some lives end before the first checkpoint, some are several windows long.
        let life = Duration::from_millis(fastrand::u64(20..400) * fastrand::u64(1..10));
        wait(life).await;
        kills.push(hub.kill());
        let acknowledged = traffic.book.acknowledged() - before;
        println!(
            "round {round}: ready in {ready_after:?}, {acknowledged} events in {life:?}, killed with {} on the way",
            traffic.book.missing().len()
        );
        traffic.sweep();
    }
    let mut work = work;
    let hub = traffic.launch.start().await;
    work.stop_publishing().await;
    traffic.drained().await;
    traffic.repeat_keyed_calls(200).await;
    traffic.drained().await;
    work.stop().await;
    drop(hub);
    watching.abort();
    let longest = *longest.lock().expect("not poisoned");
    let sums = traffic.book.check(&kills, WINDOW + longest * WAITS);
    println!(
        "{} kills, {longest:?} for the disk at most: {sums:?}",
        kills.len()
    );
    assert!(sums.acknowledged > 0, "the publishers got through");
}
