//! The program as somebody meets it who has just built it: `rialto demo --once`.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use crate::harness::{Http, wait};

/// Runs the demo in a directory for temporary files of its own; that one must be empty afterwards.
fn demo(arguments: &[&str]) -> Output {
    let temporary = tempfile::tempdir().expect("a directory");
    let output = Command::new(env!("CARGO_BIN_EXE_rialto"))
        .args(["demo", "--once"])
        .args(arguments)
        .env("TMPDIR", temporary.path())
        .env_remove("RIALTO_OPERATOR_TOKEN")
        .output()
        .expect("the program runs");
    let left = std::fs::read_dir(temporary.path())
        .expect("a directory")
        .count();
    assert_eq!(left, 0, "nothing is left behind");
    output
}

/// The cells of the closing table's row of a subscriber: expected, received, retried, duplicates, missing.
fn row(output: &str, subscriber: &str) -> Vec<u64> {
    let line = output
        .lines()
        .filter_map(|line| line.trim().strip_prefix(subscriber))
        .find(|rest| rest.trim_start().starts_with("pu"))
        .unwrap_or_else(|| panic!("no row of {subscriber} with `push` or `pull` in:\n{output}"));
    let cells = line.split_whitespace().skip(1).take(5);
    cells
        .map(|cell| cell.replace(',', "").parse().unwrap_or_default())
        .collect()
}

/// The counts of an audience's report: read, matched, unmatched, rejected, sent.
fn shared(output: &str, audience: &str) -> Vec<u64> {
    let mut rows = output
        .lines()
        .filter_map(|line| line.trim().strip_prefix(audience));
    let row = rows
        .next()
        .unwrap_or_else(|| panic!("no report of {audience} in:\n{output}"));
    let cells = row.split_whitespace().skip(1).take(5);
    cells
        .map(|cell| cell.replace(',', "").parse().expect("a number"))
        .collect()
}

#[test]
fn every_event_reaches_every_subscriber_and_the_exit_code_says_so() {
    let output = demo(&["--patience", "60s"]);
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{errors}");

    let crm = row(&text, "Acquaintance CRM");
    assert_eq!(crm[0], 2_089, "what it subscribes to: {text}");
    assert_eq!(crm[1], crm[0], "all of it arrived");
    assert!(
        crm[2] > 10,
        "some of it only when it was tried again: {text}"
    );
    assert_eq!(crm[4], 0, "nothing is missing");
    let warehouse = row(&text, "Granary Warehouse");
    assert_eq!(
        (warehouse[0], warehouse[1], warehouse[4]),
        (3_905, 3_905, 0)
    );

    assert!(
        text.contains("/events/0/timestamp  not a time"),
        "the malformed event: {text}"
    );
    assert!(text.contains("Every event reached every subscriber."));
    // Of the shop's readers one has no address and one is hashed already; all others change sides, in both directions.
    let readers = shared(&text, "Readers of letters");
    let [read, matched, unmatched, rejected, sent] = readers[..] else {
        panic!("five counts: {text}");
    };
    assert!(matched > 100, "{text}");
    assert_eq!(
        (read, unmatched, rejected, sent),
        (matched + 2, 1, 1, matched),
        "{text}"
    );
    assert!(
        text.contains("hashed already"),
        "the report says why: {text}"
    );
    let regulars = shared(&text, "Regulars");
    assert!(regulars[0] > 10 && regulars[0] == regulars[4], "{text}");
    assert!(
        text.contains("Everybody who was shared is on the other side"),
        "{text}"
    );
    assert!(!text.contains('\x1b'), "no terminal, no colours");
}

#[test]
fn a_subscriber_that_never_takes_anything_is_told_of() {
    // So long nothing may happen before it is over, and on a busy machine nothing happens for seconds.
    let output = demo(&["--fail", "1", "--patience", "8s"]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(
        row(&text, "Acquaintance CRM")[4],
        2_089,
        "all is missing there: {text}"
    );
    assert_eq!(
        row(&text, "Granary Warehouse")[4],
        0,
        "the other one does not suffer"
    );
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        errors.starts_with("rialto: 2089 events did not reach Acquaintance CRM, such as "),
        "{errors}"
    );
}

#[tokio::test]
async fn its_link_opens_the_console_signed_in_with_the_flow_moving() {
    let temporary = tempfile::tempdir().expect("a directory");
    let mut child = Command::new(env!("CARGO_BIN_EXE_rialto"))
        .args(["demo", "--patience", "60s"])
        .env("TMPDIR", temporary.path())
        .env_remove("RIALTO_OPERATOR_TOKEN")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program runs");
    let stdout = child.stdout.take().expect("a pipe");
    let (found, link) = tokio::sync::oneshot::channel();
    // Reads on to the end, so that the program can go on writing.
    let reading = std::thread::spawn(move || {
        let mut found = Some(found);
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if line.contains("/console/enter/")
                && let Some(found) = found.take()
            {
                let _ = found.send(line.trim().to_owned());
            }
        }
    });
    let link = link.await.expect("it prints a link");
    let rest = link.strip_prefix("http://").expect("an address");
    let (address, path) = rest.split_at(rest.find('/').expect("a path"));
    let http = Http::new(address.parse().expect("an address"));
    let entered = http.send("GET", path, &[], "").await;
    assert_eq!(entered.status, 303, "{}", entered.text());
    let cookie = entered.headers["set-cookie"].to_str().expect("text");
    let cookie = cookie.split(';').next().expect("a cookie").to_owned();
    let get = async |path: &str| http.send("GET", path, &[("cookie", &cookie)], "").await;
    let home = get("/console").await;
    let home = home.headers["location"].to_str().expect("text").to_owned();
    let page = get(&home).await.text();
    assert!(
        page.contains("Acquaintance CRM") && page.contains("Granary Warehouse"),
        "{page}"
    );

    let delivered = async || {
        let flow = get(&format!("{home}/flow")).await.text();
        let figure = flow.split("Delivered</dt><dd><strong>").nth(1);
        figure
            .and_then(|rest| rest.split('<').next())
            .map(str::to_owned)
    };
    let before = delivered().await.expect("a figure");
    for look in 0.. {
        if delivered().await.expect("a figure") != before {
            break;
        }
        assert!(look < 300, "nothing flows: {before}");
        wait(Duration::from_millis(100)).await;
    }
    let told = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(told.expect("told").success());
    child.wait().expect("it ends");
    reading.join().expect("read to the end");
    let left = std::fs::read_dir(temporary.path()).expect("a directory");
    assert_eq!(left.count(), 0, "nothing is left behind");
}
