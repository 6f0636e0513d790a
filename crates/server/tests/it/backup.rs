//! `rialto backup` of a hub at work, `rialto restore`, and what both refuse.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::json;

use crate::harness::traffic::Traffic;
use crate::harness::{Launch, Receiver, TestHub, embedded_only, event, rialto, run, said, wait};

fn backup(data: &Path, to: &Path) -> Command {
    let mut command = rialto(Path::new("/"), &["backup"]);
    command.arg("--data").arg(data).arg(to);
    command
}

fn restore(from: &Path, data: &Path) -> Command {
    let mut command = rialto(Path::new("/"), &["restore"]);
    command.arg("--data").arg(data).arg(from);
    command
}

fn succeeded(output: &Output) {
    assert!(output.status.success(), "{}", said(output));
}

/// Both commands' refusals are one sentence that names the directory and what is wrong with it.
fn refused(command: Command, expected: &str) {
    let output = run(command);
    assert!(!output.status.success(), "{}", said(&output));
    assert!(said(&output).contains(expected), "{}", said(&output));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hub_that_is_backed_up_at_work_is_restored_with_all_it_had_promised_before() {
    if !embedded_only("a backup is of a data directory; others are backed up by their own means") {
        return;
    }
    let mut traffic = Traffic::set_up().await;
    let to = traffic.directory().join("backup");
    traffic
        .launch
        .set("RIALTO_DELIVERY_CIRCUIT_FAILURES", "1000000");
    let mut work = traffic.begin();
    let mut hub = traffic.launch.start().await;
    wait(Duration::from_millis(300)).await;
    // From here on the push subscriber is down, so the backup has much that waits.
    traffic.is_down.store(true, Ordering::Relaxed);
    wait(Duration::from_millis(300)).await;
    let promised = traffic.book.promised();
    let command = backup(&traffic.launch.data, &to);
    let taken = tokio::task::spawn_blocking(move || run(command)).await;
    succeeded(&taken.expect("it ran"));

    // The hub goes on, delivers what waited and takes more, and then its machine is lost.
    traffic.is_down.store(false, Ordering::Relaxed);
    traffic.pushes_what_comes_next(100).await;
    hub.kill();
    drop(hub);

    traffic.launch.data = traffic.directory().join("restored");
    succeeded(&run(restore(&to, &traffic.launch.data)));
    traffic.book.keep_promised(&promised);
    let _hub = traffic.launch.start().await;
    // The publishers have found it by now and publish more.
    wait(Duration::from_millis(500)).await;
    work.stop_publishing().await;
    traffic.drained().await;
    work.stop().await;
    // No answer was wrong, no file was listed that could not be fetched, and no id was given to two documents.
    assert_eq!(traffic.book.problems(), Vec::<String>::new());
    println!("{} events promised before the backup", promised.len());
}

/// A stopped hub with one event file of one document and one that waits for a push, and its backup.
struct Small {
    directory: std::sync::Arc<tempfile::TempDir>,
    pull_key: String,
    receiver: Receiver,
}

impl Small {
    async fn stopped() -> Self {
        let hub = TestHub::start_today().await;
        let account = hub.account().await;
        let shop = hub.publisher(&account, &["cartAdd"]).await;
        let receiver = Receiver::start().await;
        receiver.answer_status(503);
        let crm = hub.push_destination(&account, &receiver.url()).await;
        let warehouse = hub.pull_destination(&account).await;
        hub.subscribe(&account, &shop, "cartAdd", &crm).await;
        hub.subscribe(&account, &shop, "cartAdd", &warehouse).await;
        for number in [1, 2] {
            hub.published(&shop, event("cartAdd", "ada@example.com", number))
                .await;
            hub.settle().await;
            // An empty list closes the open file; the file stays listed.
            let listed = hub.http.get("/v1/eventfiles", &warehouse.key).await;
            let names = listed.json();
            assert_eq!(names.as_array().map(Vec::len), Some(1));
            if number == 1 {
                let path = format!("/v1/eventfiles/{}", names[0].as_str().expect("a name"));
                let deleted = hub
                    .http
                    .json("DELETE", &path, Some(&warehouse.key), None)
                    .await;
                assert_eq!(deleted.json(), json!(true));
            }
        }
        receiver.answer_status(200);
        receiver.take();
        Self {
            directory: hub.leave().await,
            pull_key: warehouse.key,
            receiver,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn backed_up(&self) -> PathBuf {
        let to = self.path("backup");
        succeeded(&run(backup(&self.path("data"), &to)));
        to
    }

    /// The event file's bytes on the disk.
    fn file(&self) -> PathBuf {
        let mut files = files(&self.path("data/blobs"));
        assert_eq!(files.len(), 1, "{files:?}");
        files.remove(0)
    }
}

/// All files below a directory.
fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}

#[tokio::test]
async fn a_restored_hub_lists_its_files_and_delivers_what_waited() {
    if !embedded_only("a backup is of a data directory; others are backed up by their own means") {
        return;
    }
    let small = Small::stopped().await;
    let from = small.backed_up();
    let mut launch = Launch::new(small.directory.path());
    launch.data = small.path("restored");
    succeeded(&run(restore(&from, &launch.data)));
    launch.set("RIALTO_DELIVERY_RETRY_FIRST", "10ms");
    let hub = launch.start().await;
    let names = hub
        .http()
        .get("/v1/eventfiles", &small.pull_key)
        .await
        .json();
    let path = format!("/v1/eventfiles/{}", names[0].as_str().expect("a name"));
    let file = hub.http().get(&path, &small.pull_key).await;
    assert_eq!(file.json()[0]["events"][0]["attributes"][0]["value"], "2");
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    while small.receiver.count() < 2 {
        assert!(std::time::Instant::now() < deadline, "{}", launch.logged());
        wait(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn files_that_changed_while_the_backup_was_taken_leave_no_trace_in_it() {
    if !embedded_only("a backup is of a data directory; others are backed up by their own means") {
        return;
    }
    let small = Small::stopped().await;
    // As if its reader had deleted it, and another had been packed, after their list was copied.
    let file = small.file();
    std::fs::rename(&file, file.with_file_name("events-later.json")).expect("renamed");
    let from = small.backed_up();
    let mut launch = Launch::new(small.directory.path());
    launch.data = small.path("restored");
    succeeded(&run(restore(&from, &launch.data)));
    let hub = launch.start().await;
    let names = hub.http().get("/v1/eventfiles", &small.pull_key).await;
    assert_eq!(names.json(), json!([]));
    assert_eq!(files(&launch.data.join("blobs")), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn what_is_no_backup_is_not_restored_and_what_is_there_is_not_overwritten() {
    if !embedded_only("a backup is of a data directory; others are backed up by their own means") {
        return;
    }
    let small = Small::stopped().await;
    let (data, target) = (small.path("data"), small.path("restored"));
    let from = small.backed_up();
    refused(backup(&data, &from), "exists and is not empty");
    refused(restore(&from, &data), "exists and is not empty");
    refused(
        backup(&small.path("nothing"), &target),
        "is not a data directory: it has no rialto.db",
    );
    refused(
        restore(&small.path("nothing"), &target),
        "is not a complete backup: it has no backup.json",
    );
    std::fs::remove_file(from.join("backup.json")).expect("removed");
    refused(
        restore(&from, &target),
        "is not a complete backup: it has no backup.json",
    );
}

#[tokio::test]
async fn a_damaged_backup_is_found_out_before_a_hub_starts_on_it() {
    if !embedded_only("a backup is of a data directory; others are backed up by their own means") {
        return;
    }
    let small = Small::stopped().await;
    let (from, target) = (small.backed_up(), small.path("restored"));
    for name in ["rialto.db", "log.db"] {
        let path = from.join(name);
        let sound = std::fs::read(&path).expect("a file");
        // In the middle, at the beginning, and cut off.
        let mut middle = sound.clone();
        let half = middle.len() / 2;
        middle[half..]
            .iter_mut()
            .take(8_192)
            .for_each(|byte| *byte ^= 0x5a);
        let mut beginning = sound.clone();
        beginning[..16].fill(0);
        let cut = sound[..sound.len() / 2].to_vec();
        for damaged in [middle, beginning, cut] {
            std::fs::write(&path, damaged).expect("written");
            refused(
                restore(&from, &target),
                &format!("the backup's {name} is damaged"),
            );
            let left = std::fs::read_dir(&target).expect("a directory").count();
            assert_eq!(left, 0, "half a hub is left");
        }
        std::fs::write(&path, sound).expect("written");
    }
    succeeded(&run(restore(&from, &target)));
}

#[tokio::test]
async fn the_log_of_a_restored_hub_is_trimmed_by_its_size_and_not_by_its_numbers() {
    if !embedded_only("a backup is of a data directory; others are backed up by their own means") {
        return;
    }
    const BATCHES: u64 = 600;
    let hub = TestHub::start().await;
    let account = hub.account().await;
    let shop = hub.publisher(&account, &["cartAdd"]).await;
    for number in 0..BATCHES {
        let mut event = event("cartAdd", "ada@example.com", 1);
        let noise: String = std::iter::repeat_with(fastrand::alphanumeric)
            .take(2_000)
            .collect();
        event["events"][0]["attributes"][0]["value"] = format!("{number} {noise}").into();
        hub.published(&shop, event).await;
    }
    hub.settle().await;
    let clock = hub.clock.clone();
    let directory = hub.leave().await;
    let log = directory.path().join("data/log.db");
    let gap = engine::Log::leave_gap_sqlite(&log, 1 << 32).await;
    gap.expect("nobody has it");

    let smaller = |config: &mut server::config::Config| {
        config.retention.log_bytes_max = server::config::Bytes(900 << 10);
    };
    let hub = TestHub::open(directory, clock, smaller).await;
    hub.published(&shop, event("cartAdd", "ada@example.com", 2))
        .await;
    hub.settle().await;
    let report = hub.server.hub.retire().await.expect("it retires");
    assert!((1..BATCHES).contains(&report.batches), "{report:?}");
}
