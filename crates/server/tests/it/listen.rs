//! `rialto listen` in a subscriber's place: what it prints, what it checks, and how it fails.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};

use std::time::Duration;

use serde_json::Value;

use crate::harness::{TestAccount, TestEndpoint, TestHub, event, rialto};

/// A running `rialto listen` on a free port.
struct Listener {
    child: Child,
    url: String,
    errors: BufReader<std::process::ChildStderr>,
}

impl Listener {
    fn start(arguments: &[&str]) -> Self {
        let mut command = rialto(
            &std::env::temp_dir(),
            &["listen", "--listen", "127.0.0.1:0"],
        );
        let command = command.args(arguments).stdin(Stdio::null());
        let child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = child.expect("the binary starts");
        let mut errors = BufReader::new(child.stderr.take().expect("it is piped"));
        let mut line = String::new();
        errors
            .read_line(&mut line)
            .expect("it says where it listens");
        let url = line.trim().strip_prefix("listening on ");
        let url = url.and_then(|rest| rest.split(';').next());
        Self {
            url: url.unwrap_or_else(|| panic!("{line}")).to_owned(),
            child,
            errors,
        }
    }

    /// Told to stop as by Ctrl-C; answers what it printed, and what it said last.
    fn stop(mut self) -> (String, String) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", "INT", &id]).status();
        assert!(sent.expect("`kill` is there").success());
        let (mut printed, mut said) = (String::new(), String::new());
        let mut stdout = self.child.stdout.take().expect("it is piped");
        stdout.read_to_string(&mut printed).expect("text");
        self.errors.read_to_string(&mut said).expect("text");
        assert!(self.child.wait().expect("it ends").success(), "{said}");
        (printed, said)
    }
}

async fn shop(hub: &TestHub) -> (TestAccount, TestEndpoint) {
    let account = hub.account().await;
    let shop = hub.publisher(&account, &["cartAdd"]).await;
    (account, shop)
}

#[tokio::test]
async fn what_arrives_is_a_line_and_its_signature_is_checked() {
    let hub = TestHub::start_today().await;
    let (account, shop) = shop(&hub).await;
    // The secret is known once the endpoint is registered, so its URL comes last.
    let crm = hub.push_destination(&account, "http://127.0.0.1:9").await;
    let secrets = hub
        .server
        .hub
        .webhook_secrets(hub::Scope(account.id), crm.id);
    let secrets = secrets.expect("the endpoint is there");
    let listener = Listener::start(&["--secret", secrets[0].expose()]);
    let stranger = Listener::start(&["--secret", &outbound::signature::generate_secret()]);
    let definition = crate::harness::destination_definition(
        &listener.url,
        serde_json::json!({ "enabled": true, "destinationType": "push" }),
    );
    let answer = hub
        .http
        .json("PUT", "/v1/endpoint", Some(&crm.key), Some(definition))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let other = hub.push_destination(&account, &stranger.url).await;
    for destination in [&crm, &other] {
        hub.subscribe(&account, &shop, "cartAdd", destination).await;
    }

    hub.published(&shop, event("cartAdd", "ada@example.com", 42))
        .await;
    hub.settle().await;

    let (printed, said) = listener.stop();
    assert!(
        printed.contains("  200  [signed]  cartAdd  web  email=ada@example.com  at "),
        "{printed}"
    );
    assert!(printed.ends_with("orderTotal=42\n"), "{printed}");
    assert!(said.starts_with("1 request with 1 event"), "{said}");
    let (printed, said) = stranger.stop();
    assert!(printed.contains("  401  [no signature fits"), "{printed}");
    assert!(
        said.contains("1 with a signature that does not fit"),
        "{said}"
    );
}

#[tokio::test]
async fn it_fails_as_it_is_told_and_knows_what_comes_again() {
    let hub = TestHub::start().await;
    let (account, shop) = shop(&hub).await;
    let listener = Listener::start(&["--fail", "1", "--status", "503", "--json"]);
    let crm = hub.push_destination(&account, &listener.url).await;
    hub.subscribe(&account, &shop, "cartAdd", &crm).await;

    hub.published(&shop, event("cartAdd", "ada@example.com", 42))
        .await;
    hub.settle().await;
    hub.pass(Duration::from_secs(2)).await;

    let (printed, said) = listener.stop();
    let documents: Vec<Value> = printed
        .lines()
        .map(|line| serde_json::from_str(line).expect("a document a line"))
        .collect();
    assert_eq!(documents.len(), 2);
    assert_eq!(documents[1]["events"][0]["code"], "cartAdd");
    assert!(
        said.contains("503  [failed on purpose]\n503  [attempt 2, failed on purpose]"),
        "{said}"
    );
    assert!(said.ends_with("2 requests with 2 events; 1 came again, 2 failed on purpose, 0 with a signature that does not fit\n"), "{said}");
}
