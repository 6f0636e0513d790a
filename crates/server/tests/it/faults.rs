//! Disks that are full or fail: publishers are told to come back, nothing that was acknowledged is lost, nothing that was
//! refused appears, and nobody has to restart anything.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use engine::Fault;
use serde_json::json;

use crate::door::assert_problem;
use crate::harness::{Answer, Binary, Receiver, TestEndpoint, TestHub, embedded_only, event};

/// What is waited for must have come by then: debug builds on busy machines.
const PATIENCE: Duration = Duration::from_secs(60);

struct Scene {
    hub: TestHub,
    shop: TestEndpoint,
    receiver: Receiver,
}

impl Scene {
    async fn start() -> Self {
        let hub = TestHub::start().await;
        let account = hub.account().await;
        let shop = hub.publisher(&account, &["buy"]).await;
        let receiver = Receiver::start().await;
        let crm = hub.push_destination(&account, &receiver.url()).await;
        hub.subscribe(&account, &shop, "buy", &crm).await;
        Self {
            hub,
            shop,
            receiver,
        }
    }

    async fn publish(&self, total: i64) -> Answer {
        self.hub
            .publish(&self.shop, event("buy", "ada@example.com", total))
            .await
    }

    async fn readyz(&self) -> Answer {
        self.hub.http.json("GET", "/readyz", None, None).await
    }

    /// The order totals that arrived since the last look.
    async fn arrived(&self) -> Vec<i64> {
        self.hub.settle().await;
        arrived(&self.receiver)
    }
}

fn arrived(receiver: &Receiver) -> Vec<i64> {
    let mut totals = Vec::new();
    for request in receiver.take() {
        for event in request.json()["events"].as_array().expect("events") {
            let total = event["attributes"][0]["value"].as_str().expect("a value");
            totals.push(total.parse().expect("a number"));
        }
    }
    totals.sort_unstable();
    totals
}

fn assert_come_back(answer: &Answer) {
    assert_problem(answer, 503, "unavailable");
    let seconds = answer.headers["retry-after"].to_str().expect("text");
    assert!(seconds.parse::<u64>().expect("seconds") >= 1);
}

#[tokio::test]
async fn while_the_disk_is_full_publishers_are_told_to_come_back() {
    for fault in [Fault::DiskFull, Fault::SyncFailed] {
        let scene = Scene::start().await;
        assert_eq!(scene.publish(1).await.status, 200);
        scene.hub.faults.until_cleared(fault);
        for total in 2..5 {
            assert_come_back(&scene.publish(total).await);
        }
        let ready = scene.readyz().await;
        assert_eq!(ready.status, 503);
        assert!(
            ready.json()["missing"][0]
                .as_str()
                .is_some_and(|m| m.starts_with("log: ")),
            "{}",
            ready.text()
        );
        // What is durable is delivered all the same.
        assert_eq!(scene.arrived().await, [1]);

        scene.hub.faults.clear();
        assert_eq!(
            scene.publish(5).await.status,
            200,
            "{fault:?}: nobody restarted anything"
        );
        assert_eq!(scene.readyz().await.status, 200);
        assert_eq!(
            scene.arrived().await,
            [5],
            "{fault:?}: what was refused does not appear"
        );
    }
}

/// Nobody publishes: asking whether it is ready is what brings it back.
#[tokio::test]
async fn a_hub_without_publishers_recovers_too() {
    let scene = Scene::start().await;
    scene.hub.faults.until_cleared(Fault::SyncFailed);
    assert_come_back(&scene.publish(1).await);
    assert_eq!(scene.readyz().await.status, 503);
    scene.hub.faults.clear();
    assert_eq!(scene.readyz().await.status, 200);
    assert!(scene.arrived().await.is_empty());
}

/// A commit that the disk made and did not confirm: the log looks, and the publisher hears the truth.
#[tokio::test]
async fn a_lost_confirmation_is_found_out() {
    let scene = Scene::start().await;
    scene.hub.faults.next(1, Fault::AnswerLost);
    assert_eq!(scene.publish(1).await.status, 200);
    assert_eq!(scene.arrived().await, [1]);
}

/// Faults of every kind between many publishers, then a crash: exactly what was acknowledged has arrived.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn through_any_faults_what_was_acknowledged_arrives_and_nothing_else() {
    let mut scene = Scene::start().await;
    let mut random = fastrand::Rng::with_seed(20_260_302);
    let mut acknowledged = Vec::new();
    let mut refused = 0;
    for round in 0..60 {
        let faults = &scene.hub.faults;
        match random.u8(0..5) {
            0 => faults.next(random.u32(1..4), Fault::DiskFull),
            1 => faults.next(random.u32(1..4), Fault::SyncFailed),
            2 => faults.next(random.u32(1..4), Fault::AnswerLost),
            3 => faults.until_cleared(
                random
                    .choice([Fault::DiskFull, Fault::SyncFailed])
                    .expect("one"),
            ),
            _ => faults.clear(),
        }
        let calls = (0..8).map(|n| {
            let (scene, total) = (&scene, round * 8 + n);
            async move { (total, scene.publish(total).await) }
        });
        for (total, answer) in futures_util::future::join_all(calls).await {
            if answer.status == 200 {
                acknowledged.push(total);
            } else {
                assert_come_back(&answer);
                refused += 1;
            }
        }
    }
    assert!(
        acknowledged.len() > 50 && refused > 50,
        "{} and {refused}",
        acknowledged.len()
    );
    scene.hub.faults.clear();
    // Half of it is routed by the running hub, the rest is found after a crash.
    let mut totals = scene.arrived().await;
    for total in 1000..1010 {
        assert_eq!(scene.publish(total).await.status, 200);
        acknowledged.push(total);
    }
    scene.hub = scene.hub.crash().await;
    totals.extend(scene.arrived().await);
    acknowledged.sort_unstable();
    assert_eq!(totals, acknowledged);
}

/// The program on a disk that is really full: a small file system of its own, or, where that may not be made, files
/// that may not grow.
#[tokio::test]
async fn a_disk_that_is_really_full_is_survived() {
    if !embedded_only("the disk is that of the data directory") {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let disk = SmallDisk::mount(directory.path());
    let receiver = Receiver::start().await;
    let limit = if disk.is_some() { None } else { Some(3 << 10) };
    let server = Binary::start_in(directory.path(), limit);
    let shop = server.shop_and_crm("buy", Some(&receiver.url())).await;
    let http = server.http();
    let publish = async |total: usize| {
        // Random text: the log compresses.
        let note: String = std::iter::repeat_with(fastrand::alphanumeric)
            .take(60_000)
            .collect();
        let body = json!({ "channel": "web", "identifiers": [{ "name": "email", "value": "ada@example.com" }], "events": [
            { "code": "buy", "timestamp": "2026-03-02", "attributes": [
                { "name": "orderTotal", "value": total }, { "name": "note", "value": note }] }] });
        http.json("POST", "/v1/event", Some(&shop.key), Some(body))
            .await
    };
    let mut acknowledged = BTreeSet::new();
    let mut next = 0;
    let mut refused = 0;
    while refused < 5 {
        let answer = publish(next).await;
        if answer.status == 200 {
            acknowledged.insert(next as i64);
        } else {
            assert_come_back(&answer);
            refused += 1;
        }
        next += 1;
        assert!(next < 2000, "the disk does not fill");
    }
    assert!(!acknowledged.is_empty());
    let ready = http.json("GET", "/readyz", None, None).await;
    assert_eq!(ready.status, 503, "{}", ready.text());

    match &disk {
        Some(disk) => disk.grow(),
        None => lift_limit(server.id()),
    }
    let since = Instant::now();
    while publish(next).await.status != 200 {
        next += 1;
        assert!(since.elapsed() < PATIENCE, "it does not recover");
    }
    acknowledged.insert(next as i64);
    let since = Instant::now();
    let mut seen = BTreeSet::new();
    while !acknowledged.is_subset(&seen) {
        seen.extend(arrived(&receiver));
        // A call of its own, which also lets the program work.
        http.json("GET", "/readyz", None, None).await;
        assert!(
            since.elapsed() < PATIENCE,
            "{:?} did not arrive",
            acknowledged.difference(&seen)
        );
    }
    assert_eq!(seen, acknowledged, "what was refused does not appear");
}

/// A file system in memory, a few megabytes large.
struct SmallDisk<'a>(&'a Path);

impl<'a> SmallDisk<'a> {
    fn mount(at: &'a Path) -> Option<Self> {
        let mut mount = Command::new("mount");
        mount
            .args(["-t", "tmpfs", "-o", "size=3m", "tmpfs"])
            .arg(at);
        let is_mounted = mount.output().is_ok_and(|output| output.status.success());
        if !is_mounted {
            println!("no file system can be mounted here: files are limited instead");
        }
        is_mounted.then_some(Self(at))
    }

    fn grow(&self) {
        let mut mount = Command::new("mount");
        mount.args(["-o", "remount,size=64m"]).arg(self.0);
        assert!(mount.status().expect("mount runs").success());
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        // Lazily: the program may still be letting go of its files.
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

fn lift_limit(process: u32) {
    let mut prlimit = Command::new("prlimit");
    prlimit.args(["--pid", &process.to_string(), "--fsize=unlimited"]);
    assert!(prlimit.status().expect("prlimit runs").success());
}
