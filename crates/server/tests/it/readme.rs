//! The README's tour, run as it is written.
//!
//! A newcomer's first five minutes must not fail, so this test is the newcomer: it takes the blocks of the tour out of
//! the README and gives them to `bash` in an empty directory. Only the build is left out (cargo has just done it), and the
//! ports are replaced by free ones.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};

/// What a newcomer types, in order: the insides of the blocks after `<!-- tour -->`.
fn tour() -> String {
    let readme = include_str!("../../../../README.md");
    let (_, tour) = readme
        .split_once("<!-- tour -->")
        .expect("the README marks its tour");
    let mut script = String::new();
    let mut within = false;
    for line in tour.lines() {
        if line.starts_with("```") {
            within = line == "```bash";
        } else if within && !line.starts_with("cargo build") && !line.starts_with("export PATH") {
            script.push_str(line);
            script.push('\n');
        }
    }
    script
}

/// An address of this machine that nobody listens on.
fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    listener.local_addr().expect("it is bound").to_string()
}

fn run(script: &str) -> Output {
    let rialto = Path::new(env!("CARGO_BIN_EXE_rialto"))
        .parent()
        .expect("it is in a directory");
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut path = vec![rialto.to_owned()];
    path.extend(std::env::split_paths(
        &std::env::var_os("PATH").unwrap_or_default(),
    ));
    Command::new("bash")
        .args(["-eu", "-o", "pipefail", "-c", script])
        .current_dir(directory.path())
        .env(
            "PATH",
            std::env::join_paths(path).expect("it was a path before"),
        )
        .output()
        .expect("bash starts")
}

#[test]
fn the_readmes_tour_runs_as_it_is_written() {
    let mut script = tour();
    for address in ["127.0.0.1:8080", "127.0.0.1:8081", "127.0.0.1:9000"] {
        assert!(script.contains(address), "the tour uses {address}");
        script = script.replace(address, &free_address());
    }
    // Whatever happens, nothing of it is left running.
    script.insert_str(0, "trap 'kill $(jobs -p) 2> /dev/null || true' EXIT\n");
    let output = run(&script);
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{}\n{said}\n{complained}",
        output.status
    );
    for expected in [
        // The publisher's answer.
        "\"accepted\":1",
        // What the mailer received, under its own name for the identifier.
        "emailId=antonio@example.com",
        // What the hub says has become of it.
        "Mailer",
        // Everything that is wrong with the bad event.
        "/channel",
        "/events/0/code",
        "/events/0/timestamp",
    ] {
        assert!(
            said.contains(expected),
            "the tour shows {expected}:\n{said}\n{complained}"
        );
    }
}
