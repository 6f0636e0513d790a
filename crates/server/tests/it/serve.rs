//! `rialto serve` as operators meet it: how long a start takes, what it prints, and what it refuses, in which words.

use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use model::{AccountPolicy, Environment};
use serde_json::json;

use crate::harness::mix::{Mix, mix};
use crate::harness::{Http, Launch, TOKEN, TestHub, embedded_only, event, rialto, run, said, wait};

/// `POST /manage/v1/providers` with a token: who may, and who may not.
async fn create_provider(http: &Http, token: &str, name: &str) -> u16 {
    let body = Some(json!({ "name": name }));
    let answer = http.json("POST", "/manage/v1/providers", Some(token), body);
    answer.await.status
}

fn write(directory: &Path, name: &str, text: &str) -> String {
    std::fs::write(directory.join(name), text).expect("written");
    name.to_owned()
}

/// What a `serve` that cannot start says.
fn refused(launch: &Launch) -> String {
    let output = run(launch.command());
    assert!(!output.status.success(), "{}", said(&output));
    said(&output)
}

#[tokio::test]
async fn an_empty_directory_serves_at_once_and_the_operator_is_let_in() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut launch = Launch::new(directory.path());
    let hub = launch.start().await;
    // Well under a second; the bound is for busy build machines.
    println!("ready after {:?}", hub.ready_after);
    assert!(hub.ready_after < Duration::from_secs(25));
    for http in [hub.http(), hub.pilot()] {
        assert_eq!(http.get("/livez", "").await.status, 200);
        let ready = http.get("/readyz", "").await;
        assert_eq!(
            (ready.status, ready.json()),
            (200, json!({ "ready": true, "missing": [] }))
        );
        assert_eq!(create_provider(&http, "not the token", "Acme").await, 403);
    }
    assert_eq!(create_provider(&hub.http(), TOKEN, "Acme").await, 200);
    assert_eq!(
        hub.printed.len(),
        2,
        "a token that is given is not printed: {:?}",
        hub.printed
    );
}

#[tokio::test]
async fn an_operator_token_is_made_at_the_first_start_and_printed_only_then() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut launch = Launch::new(directory.path());
    launch.environment.clear();
    let hub = launch.start().await;
    let printed = hub
        .printed
        .iter()
        .find_map(|line| line.strip_prefix("operator token"));
    let (_, token) = printed
        .and_then(|line| line.split_once(": "))
        .expect("a token");
    let token = token.to_owned();
    assert_eq!(create_provider(&hub.http(), &token, "Acme").await, 200);
    let (status, _) = hub.terminate().await;
    assert!(status.success());

    let hub = launch.start().await;
    assert_eq!(hub.printed.len(), 2, "{:?}", hub.printed);
    assert_eq!(create_provider(&hub.http(), &token, "Bcme").await, 200);
    assert!(
        !launch.logged().contains(&token),
        "the log does not hold it"
    );
}

#[tokio::test]
async fn a_first_start_that_fails_keeps_the_operator_token_for_the_next() {
    let directory = tempfile::tempdir().expect("a directory");
    let taken = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let mut launch = Launch::new(directory.path());
    launch.environment.clear();
    for is_pilot in [false, true] {
        let mut launch = launch.clone();
        let (address, key) = if is_pilot {
            (&mut launch.pilot_listen, "server.pilot_listen")
        } else {
            (&mut launch.listen, "server.listen")
        };
        *address = taken.local_addr().expect("an address");
        let expected = format!("cannot listen on {address} ({key})");
        let said = refused(&launch);
        assert!(said.contains(&expected), "{said}");
    }
    let hub = launch.start().await;
    assert!(
        hub.printed[0].starts_with("operator token"),
        "{:?}",
        hub.printed
    );
}

#[tokio::test]
async fn a_first_start_that_is_killed_leaves_nothing_in_the_way() {
    for _ in 0..8 {
        let directory = tempfile::tempdir().expect("a directory");
        let mut launch = Launch::new(directory.path());
        let starting = launch.spawn();
        wait(Duration::from_millis(fastrand::u64(1..60))).await;
        starting.kill();
        let hub = launch.start().await;
        assert_eq!(create_provider(&hub.http(), TOKEN, "Acme").await, 200);
    }
}

#[tokio::test]
async fn a_directory_has_one_process() {
    if !embedded_only("a directory without a database in it needs no lock") {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let mut launch = Launch::new(directory.path());
    let _hub = launch.start().await;
    launch.listen.set_port(0);
    launch.pilot_listen.set_port(0);
    let said = refused(&launch);
    let expected = format!(
        "another rialto process uses the data directory {}: stop it, or name another directory with --data",
        launch.data.display()
    );
    assert!(said.contains(&expected), "{said}");
}

#[test]
fn a_configuration_with_a_mistake_is_refused_with_its_place() {
    let directory = tempfile::tempdir().expect("a directory");
    let directory = directory.path();
    let wrong = write(directory, "wrong.toml", "[delivery]\ntimeuot = \"3s\"\n");
    for arguments in [
        ["serve", "--config", &wrong].as_slice(),
        &["config", "check", &wrong],
    ] {
        let output = run(rialto(directory, arguments));
        assert!(!output.status.success());
        let said = said(&output);
        assert!(
            said.contains("wrong.toml: there is no `delivery.timeuot`"),
            "{said}"
        );
    }
    let right = write(directory, "right.toml", "[delivery]\ntimeout = \"3s\"\n");
    let output = run(rialto(directory, &["config", "check", &right]));
    assert!(output.status.success(), "{}", said(&output));

    let mut command = rialto(directory, &["config", "check", &right]);
    command.env("RIALTO_DELIVERY_TIMEOUT", "soon");
    let output = run(command);
    assert!(!output.status.success());
    assert!(said(&output).contains("soon"), "{}", said(&output));
}

#[test]
fn what_makes_no_sense_together_is_refused_by_the_check_and_at_start_without_its_passwords() {
    let directory = tempfile::tempdir().expect("a directory");
    let directory = directory.path();
    for (text, expected) in [
        (
            "[engines]\nlog = \"nats://me:hush@127.0.0.1:4222\"\n",
            ["engines.db is SQLite", "built without `distributed`"],
        ),
        (
            "[processes]\nroles = [\"flow\"]\n",
            ["a process on SQLite is alone"; 2],
        ),
        (
            "[engines]\ndb = \"mysql://me:hush@db\"\n",
            ["engines.db is neither"; 2],
        ),
    ] {
        let file = write(directory, "senseless.toml", text);
        for arguments in [
            ["serve", "--config", &file].as_slice(),
            &["config", "check", &file],
        ] {
            let output = run(rialto(directory, arguments));
            assert!(!output.status.success(), "{text}");
            let said = said(&output);
            assert!(expected.iter().any(|word| said.contains(word)), "{said}");
            assert!(!said.contains("hush"), "{said}");
        }
    }
}

#[test]
fn what_is_not_in_a_directory_is_not_backed_up_from_there() {
    let directory = tempfile::tempdir().expect("a directory");
    let directory = directory.path();
    let text = "[engines]\ndb = \"postgres://me:hush@127.0.0.1:1/rialto\"\n";
    let file = write(directory, "postgres.toml", text);
    for arguments in [
        ["backup", "--config", &file, "copy"],
        ["restore", "--config", &file, "copy"],
    ] {
        let output = run(rialto(directory, &arguments));
        assert!(!output.status.success());
        let said = said(&output);
        assert!(said.contains("pg_dump") && !said.contains("hush"), "{said}");
    }
}

#[tokio::test]
async fn a_start_with_another_key_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut launch = Launch::new(directory.path());
    let (old, new) = ("0a".repeat(32), "0b".repeat(32));
    launch.set("RIALTO_SECRET_KEY", &old);
    launch.start().await.terminate().await;
    launch.set("RIALTO_SECRET_KEY", &new);
    let said = refused(&launch);
    assert!(said.contains("sealed under another key"), "{said}");
    launch.set("RIALTO_SECRET_KEY", &format!("{new} {old}"));
    launch.start().await.terminate().await;
}

#[tokio::test]
async fn processes_that_may_share_a_database_make_no_key_of_their_own() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut launch = Launch::new(directory.path());
    launch
        .environment
        .retain(|(name, _)| *name != "RIALTO_SECRET_KEY");
    let key = launch.data.join("secret.key");
    if mix() == Mix::Embedded {
        launch.start().await.terminate().await;
        assert!(key.exists());
    } else {
        let said = refused(&launch);
        assert!(
            said.contains("there is no key to seal secrets with"),
            "{said}"
        );
        assert!(!key.exists());
    }
}

#[test]
fn the_manual_that_is_printed_can_be_used() {
    let directory = tempfile::tempdir().expect("a directory");
    let printed = run(rialto(directory.path(), &["config", "default"]));
    let text = String::from_utf8(printed.stdout).expect("text");
    let file = write(directory.path(), "all.toml", &text);
    let output = run(rialto(directory.path(), &["config", "check", &file]));
    assert!(output.status.success(), "{}", said(&output));
}

#[tokio::test]
async fn a_key_of_one_environment_is_refused_on_the_address_of_the_other() {
    let hub = TestHub::start_today().await;
    let policy = AccountPolicy::default();
    let account = hub.account_in(Environment::Pilot, policy).await;
    let shop = hub.publisher(&account, &["cartAdd"]).await;
    let directory = hub.leave().await;

    let hub = Launch::new(directory.path()).start().await;
    let publish = async |http: Http| {
        let body = Some(event("cartAdd", "ada@example.com", 1));
        http.json("POST", "/v1/event", Some(&shop.key), body).await
    };
    let answer = publish(hub.http()).await;
    assert_eq!(answer.status, 403, "{}", answer.text());
    let answer = publish(hub.pilot()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}
