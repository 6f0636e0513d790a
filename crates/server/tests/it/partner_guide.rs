//! The partner guide, run as it is written, by a partner who reads its mail.
//!
//! Its blocks are given to `bash` in an empty directory; ports are replaced by free ones, and the key that a person would
//! copy out of a mail is put where the guide has a word for it.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use services::Smtp;

use crate::harness::wait;
use crate::partner::series;

const PLACEHOLDER: &str = "the-key-of-the-second-mail";
/// Mails until there is a key: longer than anything on the way takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// The insides of the blocks after `<!-- guide -->`.
fn commands() -> String {
    let page = include_str!("../../../../docs/partner-guide.md");
    let (_, guide) = page
        .split_once("<!-- guide -->")
        .expect("the guide is marked");
    let mut script = String::new();
    let mut within = false;
    for line in guide.lines() {
        if line.starts_with("```") {
            within = line == "```bash";
        } else if within {
            script.push_str(line);
            script.push('\n');
        }
    }
    script
}

fn run(script: &str, directory: &Path, mail_port: u16) -> Output {
    let rialto = Path::new(env!("CARGO_BIN_EXE_rialto"))
        .parent()
        .expect("it is in a directory");
    let mut path = vec![rialto.to_owned()];
    path.extend(std::env::split_paths(
        &std::env::var_os("PATH").unwrap_or_default(),
    ));
    Command::new("bash")
        .args(["-eu", "-o", "pipefail", "-c", script])
        .current_dir(directory)
        .env(
            "PATH",
            std::env::join_paths(path).expect("it was a path before"),
        )
        .env("RIALTO_MAIL_SERVER", "127.0.0.1")
        .env("RIALTO_MAIL_PORT", mail_port.to_string())
        .env("RIALTO_MAIL_SECURITY", "none")
        .output()
        .expect("bash starts")
}

/// Waits for the two mails and puts the key of the second where the commands look for it.
async fn read_mail(smtp: &Smtp, key: &Path) {
    let deadline = std::time::Instant::now() + PATIENCE;
    while smtp.mails().len() < 2 {
        assert!(std::time::Instant::now() < deadline, "no mails came");
        wait(Duration::from_millis(50)).await;
    }
    let (_, found) = series(&smtp.mails()[..2]);
    std::fs::write(key, found).expect("written");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_partner_guide_runs_as_it_is_written() {
    let smtp = Smtp::start().await.expect("a port");
    let directory = tempfile::tempdir().expect("a directory");
    let mut script = commands();
    for address in ["127.0.0.1:8080", "127.0.0.1:8081", "127.0.0.1:9000"] {
        assert!(script.contains(address), "the guide uses {address}");
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("there is a free port");
        let free = free.local_addr().expect("it is bound").to_string();
        script = script.replace(address, &free);
    }
    assert!(script.contains(PLACEHOLDER));
    let key = "$(until [ -s key ]; do sleep 0.1; done; cat key)";
    script = script.replace(PLACEHOLDER, key);
    // Whatever happens, nothing of it is left running.
    script.insert_str(0, "trap 'kill $(jobs -p) 2> /dev/null || true' EXIT\n");

    let (port, place) = (smtp.port(), directory.path().to_owned());
    let running = tokio::task::spawn_blocking(move || run(&script, &place, port));
    read_mail(&smtp, &directory.path().join("key")).await;
    let output = running.await.expect("it ends");
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{}\n{said}\n{complained}",
        output.status
    );
    for expected in [
        "certified",
        "promoted",
        "Ready for Rialto",
        // The built-in receiver's push, and the mistake's answer.
        "webhook-signature",
        "channel",
        // Every answer of the checklist was met on the way.
        "\"status\":403",
        "\"status\":400",
        "\"status\":409",
        "\"status\":404",
    ] {
        assert!(
            said.contains(expected),
            "the guide shows {expected}:\n{said}\n{complained}"
        );
    }
}
