//! `rialto send`: a file of events, as fast as the exchange takes it, each event once.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use bytes::Bytes;
use serde_json::{Value, json};

use crate::harness::{Receiver, Reply, Request, TestHub, event, rialto, said};

/// Runs a command while the exchange, which lives in this process, goes on serving.
async fn run(mut command: Command, input: &str) -> Output {
    let input = input.to_owned();
    let ended = tokio::task::spawn_blocking(move || {
        let piped = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = piped.spawn().expect("the binary starts");
        let mut stdin = child.stdin.take().expect("it is piped");
        // A command that ends early does not read everything.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        child.wait_with_output().expect("it ends")
    });
    ended.await.expect("no panic")
}

fn send(directory: &Path, server: &str, key: &str, arguments: &[&str]) -> Command {
    let mut command = rialto(directory, &["send", "--server", server, "--key", key]);
    command.args(arguments);
    command
}

fn lines(events: &[Value]) -> String {
    events.iter().map(|event| format!("{event}\n")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_are_published_and_the_refused_ones_told_with_their_place() {
    let hub = TestHub::start().await;
    let account = hub.account().await;
    let shop = hub.publisher(&account, &["cartAdd"]).await;
    let receiver = Receiver::start().await;
    let crm = hub.push_destination(&account, &receiver.url()).await;
    hub.subscribe(&account, &shop, "cartAdd", &crm).await;
    let directory = tempfile::tempdir().expect("a directory");
    let good = |total| event("cartAdd", "ada@example.com", total);
    let mut text = lines(&[good(1), event("cartAdded", "ada@example.com", 2), good(3)]);
    text.push_str("\nnot json\n");
    text.push_str(&lines(&[
        json!({ "eventbatch": [good(6), good(6)] }),
        good(7),
    ]));
    std::fs::write(directory.path().join("events.jsonl"), text).expect("written");

    let command = send(
        directory.path(),
        &hub.http.url(""),
        &shop.key,
        &["events.jsonl", "--batch", "10"],
    );
    let output = run(command, "").await;
    let said = said(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("events.jsonl:2: /events/0/code: this endpoint publishes no `cartAdded`"),
        "{said}"
    );
    assert!(
        said.contains("events.jsonl:5: the body cannot be read as JSON"),
        "{said}"
    );
    assert!(
        said.contains("5 events taken in ") && said.contains("; 2 lines refused"),
        "{said}"
    );
    assert!(
        !directory.path().join("events.jsonl.rialto-send").exists(),
        "it is done"
    );

    hub.settle().await;
    let mut totals: Vec<String> = receiver
        .requests()
        .iter()
        .map(|request| request.json()["events"][0]["attributes"][0]["value"].to_string())
        .collect();
    totals.sort();
    assert_eq!(totals, ["\"1\"", "\"3\"", "\"6\"", "\"6\"", "\"7\""]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_array_on_standard_input_is_as_good() {
    let hub = TestHub::start().await;
    let account = hub.account().await;
    let shop = hub.publisher(&account, &["cartAdd"]).await;
    let all: Vec<Value> = (0..250)
        .map(|total| event("cartAdd", "ada@example.com", total))
        .collect();
    let text = serde_json::to_string_pretty(&all).expect("JSON");
    let command = send(Path::new("/"), &hub.http.url(""), &shop.key, &["-"]);
    let output = run(command, &text).await;
    assert!(output.status.success(), "{}", said(&output));
    assert!(
        said(&output).contains("250 events taken in "),
        "{}",
        said(&output)
    );

    let command = send(Path::new("/"), &hub.http.url(""), "a-wrong-key", &["-"]);
    let output = run(command, &text).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said(&output).contains("POST /v1/event was refused with 403"),
        "{}",
        said(&output)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_later_run_goes_on_and_a_call_that_is_made_again_can_be_told() {
    let exchange = Receiver::start().await;
    let directory = tempfile::tempdir().expect("a directory");
    let all: Vec<Value> = (1..=4)
        .map(|total| event("cartAdd", "ada@example.com", total))
        .collect();
    std::fs::write(directory.path().join("events.jsonl"), lines(&all)).expect("written");
    let arguments = ["events.jsonl", "--batch", "1", "--concurrency", "1"];
    let taken = || Reply::Body(200, Bytes::from_static(b"{\"accepted\":1}"));

    let mut calls = 0;
    exchange.answer(move |_| {
        calls += 1;
        match calls {
            1 => taken(),
            2 => Reply::With(503, "retry-after", "0".to_owned()),
            3 => taken(),
            // The key is revoked meanwhile.
            _ => Reply::Status(403),
        }
    });
    let output = run(send(directory.path(), &exchange.url(), "k", &arguments), "").await;
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said(&output).contains("2 events taken"),
        "{}",
        said(&output)
    );
    let first = exchange.take();
    assert_eq!(first.len(), 4);
    assert_eq!(
        first[1].header("idempotency-key"),
        first[2].header("idempotency-key")
    );
    assert_ne!(
        first[0].header("idempotency-key"),
        first[1].header("idempotency-key")
    );

    exchange.answer(move |_| taken());
    let output = run(send(directory.path(), &exchange.url(), "k", &arguments), "").await;
    assert!(output.status.success(), "{}", said(&output));
    assert!(
        said(&output).contains("going on at line 3"),
        "{}",
        said(&output)
    );
    let second = exchange.take();
    let bodies: Vec<Value> = second.iter().map(Request::json).collect();
    assert_eq!(bodies, all[2..]);
    assert_eq!(
        second[0].header("idempotency-key"),
        first[3].header("idempotency-key")
    );
    assert!(!directory.path().join("events.jsonl.rialto-send").exists());
}
