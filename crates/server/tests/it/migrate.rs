//! `rialto migrate`: an installation moves to other engines and back, and nobody who publishes or subscribes notices.

use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::harness::mix::{Mix, mix, write_down};
use crate::harness::traffic::Traffic;
use crate::harness::{Launch, TestHub, rialto, run, said, wait};

/// The key comes with the installation.
const KEY: &str = "RIALTO_SECRET_KEY";

/// The configuration of what `launch` starts, as a file.
fn configuration(launch: &Launch) -> PathBuf {
    let mut text = format!("[server]\ndata = {:?}\n", launch.data);
    for section in ["engines", "processes"] {
        text.push_str(&format!("[{section}]\n"));
        let prefix = format!("RIALTO_{}_", section.to_uppercase());
        for (name, value) in &launch.environment {
            let Some(key) = name.strip_prefix(&prefix) else {
                continue;
            };
            let is_number = value.parse::<u32>().is_ok();
            let value = if is_number {
                value.clone()
            } else {
                format!("{value:?}")
            };
            text.push_str(&format!("{} = {value}\n", key.to_lowercase()));
        }
    }
    let directory = launch.data.parent().expect("it has one");
    std::fs::create_dir_all(directory).expect("a directory");
    let path = directory.join("rialto.toml");
    std::fs::write(&path, text).expect("written");
    path
}

/// Another installation, on the addresses of `old`, that has no key yet.
fn beside(old: &Launch, directory: &Path) -> Launch {
    let mut new = Launch::new(directory);
    new.listen = old.listen;
    new.pilot_listen = old.pilot_listen;
    new.logs.clone_from(&old.logs);
    new.environment.retain(|(name, _)| *name != KEY);
    new.set("RIALTO_DELIVERY_RETRY_FIRST", "100ms");
    new
}

async fn migrate(from: &Launch, to: &Launch, is_live: bool) -> Output {
    let mut command = rialto(Path::new("/"), &["migrate"]);
    command.arg("--from").arg(configuration(from));
    command.arg("--to").arg(configuration(to));
    if is_live {
        command.arg("--live");
    }
    let done = tokio::task::spawn_blocking(move || run(command)).await;
    done.expect("it ran")
}

fn succeeded(output: &Output) {
    assert!(output.status.success(), "{}", said(output));
}

fn refused(output: &Output, expected: &str) {
    let said = said(output);
    assert!(!output.status.success(), "{said}");
    assert!(said.contains(expected), "{expected:?} in {said}");
}

/// Copies while the hub of `old` serves, then stops it, copies the rest, and starts the hub of `new`.
async fn moved(traffic: &mut Traffic, new: Launch) {
    let hub = traffic.launch.start().await;
    wait(Duration::from_millis(300)).await;
    succeeded(&migrate(&traffic.launch, &new, true).await);
    let early = new.spawn().ready().await;
    assert!(early.is_err(), "a target that is not finished was started");
    wait(Duration::from_millis(200)).await;
    let pause = Instant::now();
    let (status, _) = hub.terminate().await;
    assert!(status.success(), "{status}:\n{}", traffic.launch.logged());
    let finished = migrate(&traffic.launch, &new, false).await;
    succeeded(&finished);
    assert!(
        said(&finished).contains("found equal"),
        "{}",
        said(&finished)
    );
    traffic.launch = new;
    let hub = traffic.launch.start().await;
    assert!(
        pause.elapsed() < Duration::from_secs(60),
        "{:?}",
        pause.elapsed()
    );
    wait(Duration::from_millis(500)).await;
    let (status, _) = hub.terminate().await;
    assert!(status.success(), "{status}:\n{}", traffic.launch.logged());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_installation_moves_there_and_back_under_load_and_nothing_is_lost_or_repeated() {
    let directory = Arc::new(tempfile::tempdir().expect("a directory"));
    write_down(directory.path(), &[]);
    let mut traffic = Traffic::of(TestHub::open_today(directory).await, 1).await;
    let root = traffic.directory().to_owned();
    let mut work = traffic.begin();
    // To the engines of this run, from one shard to three; and back to SQLite, still with three.
    let mut there = beside(&traffic.launch, &root.join("there"));
    if mix() == Mix::Embedded {
        there.set("RIALTO_ENGINES_SHARDS", "3");
    }
    moved(&mut traffic, there).await;
    write_down(&root.join("back"), &[]);
    let back = beside(&traffic.launch, &root.join("back"));
    moved(&mut traffic, back).await;

    let _hub = traffic.launch.start().await;
    work.stop_publishing().await;
    traffic.drained().await;
    traffic.repeat_keyed_calls(200).await;
    work.stop().await;
    let sums = traffic.book.check(&[], Duration::ZERO);
    assert_eq!(sums.repeated, 0);
    assert!(sums.acknowledged > 0, "the publishers got through");
    println!("there and back: {sums:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_would_lose_or_mix_something_up_is_refused_with_a_sentence() {
    let root = tempfile::tempdir().expect("a directory");
    let launch = |name: &str| {
        let directory = root.path().join(name);
        write_down(&directory, &[]);
        Launch::new(&directory)
    };
    let (mut old, new, mut other) = (launch("old"), launch("new"), launch("other"));
    refused(&migrate(&old, &new, false).await, "the source is not there");
    old.set("RIALTO_ENGINES_SHARDS", "3");
    let hub = old.start().await;
    let provider = serde_json::json!({ "name": "Acme" });
    let token = Some(crate::harness::TOKEN);
    let created = hub
        .http()
        .json("POST", "/manage/v1/providers", token, Some(provider))
        .await;
    assert_eq!(created.status, 200, "{}", created.text());
    let account = serde_json::json!({ "name": "Shop", "environment": "production" });
    let created = hub
        .http()
        .json("POST", "/manage/v1/accounts", token, Some(account))
        .await;
    assert_eq!(created.status, 200, "{}", created.text());
    refused(
        &migrate(&old, &new, false).await,
        "a process works on the source",
    );
    hub.terminate().await;
    refused(&migrate(&old, &old, false).await, "the same");
    other.set("RIALTO_ENGINES_SHARDS", "2");
    refused(
        &migrate(&old, &other, false).await,
        "the target has 2 shards and the source 3",
    );
    succeeded(&migrate(&old, &new, false).await);
    refused(
        &migrate(&old, &new, false).await,
        "the target has accounts of its own",
    );
}
