//! `cargo xtask test [--engine embedded|postgres|distributed] [filter] [-p crate] [-- …]`: what the README tells a
//! newcomer to run.
//!
//! It is `setup`, then `cargo test` over the workspace with the lock file as it is; all other arguments are handed on.
//! The integration tests run once on each mix of engines, or on the one that is named: embedded, PostgreSQL alone, and
//! PostgreSQL with JetStream and S3. `.ci/run` calls it too. It promises to run every mix, and to fail when one fails. Without
//! arguments the files of `deploy/` are looked at first.

use crate::shell::{self, Failure};
use crate::{deploy, setup};

/// The mixes of engines, as `RIALTO_TEST_ENGINE` names them. The first is what tests that know no mix run on.
const MIXES: [&str; 3] = ["embedded", "postgres", "distributed"];

/// The package with the integration tests.
const PACKAGE: &str = "server";

/// Sets up what is missing, then runs the tests; `arguments` but `--engine` go to `cargo test` unchanged.
pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    let (engine, arguments) = engine(arguments)?;
    setup::run(&[])?;
    let package = package(&arguments);
    let mixes: Vec<&str> = match engine {
        Some(engine) => vec![engine],
        None if package.is_none_or(|name| name == PACKAGE) => MIXES.to_vec(),
        None => vec![MIXES[0]],
    };
    let mut failed = Vec::new();
    if engine.is_none()
        && arguments.is_empty()
        && let Err(failure) = deploy::run(&[])
    {
        failed.push(format!("deploy: {failure}"));
    }
    for mix in mixes {
        println!("== on {mix} engines");
        if let Err(failure) = test(mix, package, &arguments) {
            failed.push(format!("{mix}: {failure}"));
        }
    }
    if failed.is_empty() {
        Ok(())
    } else {
        Err(Failure::new(failed.join("; ")))
    }
}

fn test(mix: &str, package: Option<&str>, arguments: &[String]) -> Result<(), Failure> {
    let mut command = shell::cargo();
    command.args(["test", "--locked"]);
    match package {
        None => {
            command.args(["--workspace", "--features", "server/distributed"]);
        }
        // The others have nothing to choose.
        Some("engine" | "server") => {
            command.args(["--features", "distributed"]);
        }
        Some(_) => {}
    }
    if mix != MIXES[0] {
        command.args(["--test", "it"]);
    }
    // A snapshot that differs is a failure to look at, never a file written behind one's back.
    command.env("INSTA_UPDATE", "no").env("RUST_BACKTRACE", "1");
    shell::run(command.args(arguments).env("RIALTO_TEST_ENGINE", mix))
}

/// Takes `--engine NAME` out of the arguments.
fn engine(arguments: &[String]) -> Result<(Option<&'static str>, Vec<String>), Failure> {
    let Some(at) = arguments.iter().position(|word| word == "--engine") else {
        return Ok((None, arguments.to_vec()));
    };
    let name = arguments.get(at + 1).map_or("", String::as_str);
    let Some(engine) = MIXES.iter().find(|mix| **mix == name) else {
        return Err(Failure::new(format!(
            "`--engine {name}`: expected {}",
            MIXES.join(", ")
        )));
    };
    let rest = arguments[..at].iter().chain(&arguments[at + 2..]);
    Ok((Some(engine), rest.cloned().collect()))
}

/// The package that is named, if one is.
fn package(arguments: &[String]) -> Option<&str> {
    let mut words = arguments.iter().map(String::as_str);
    while let Some(word) = words.next() {
        match word {
            "--" => return None,
            "-p" | "--package" => return words.next(),
            _ => {}
        }
        if let Some(name) = word.strip_prefix("--package=") {
            return Some(name);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn the_engine_is_taken_out_and_the_rest_is_handed_on() {
        let (found, rest) = engine(&words("push --engine postgres -- --nocapture")).expect("known");
        assert_eq!(found, Some("postgres"));
        assert_eq!(rest, words("push -- --nocapture"));
        assert_eq!(engine(&words("push")).expect("none").0, None);
        for wrong in ["--engine", "--engine oracle"] {
            assert!(engine(&words(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_package_is_found_before_what_goes_to_the_tests() {
        assert_eq!(package(&words("a -p hub b")), Some("hub"));
        assert_eq!(package(&words("--package=hub")), Some("hub"));
        assert_eq!(package(&words("a -- -p hub")), None);
    }
}
