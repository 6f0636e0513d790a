//! `cargo xtask ci`: all that a change must pass before it is merged, with the time each step took.
//!
//! Developers run it before they push, `.ci/run` on the build machine. It promises to run every step, so that one
//! round shows all that is wrong, and to fail when one of them does.

use std::time::{Duration, Instant};

use crate::shell::{self, Failure};
use crate::{docs, options, test, tidy, vendor};

type Step = (&'static str, fn() -> Result<(), Failure>);

const LINTS: &[Step] = &[
    ("fmt", fmt),
    ("tidy", || tidy::run(&[])),
    ("clippy", clippy),
    ("docs", docs::check),
    ("vendor", vendor::check),
];
const TEST: &[Step] = &[("test", || test::run(&[]))];

/// Runs the steps in order; `--without-test` leaves the tests to the caller.
pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    let tests = if options::flag(arguments, "--without-test")? {
        &[]
    } else {
        TEST
    };
    let mut results: Vec<(&str, Duration, Result<(), Failure>)> = Vec::new();
    for (name, step) in LINTS.iter().chain(tests) {
        println!("== {name}");
        let start = Instant::now();
        let result = step();
        results.push((name, start.elapsed(), result));
    }
    println!();
    for (name, time, result) in &results {
        let word = if result.is_ok() { "ok" } else { "FAILED" };
        println!("{name:<8} {:>7.1} s  {word}", time.as_secs_f64());
    }
    let failed: Vec<String> = results
        .iter()
        .filter_map(|(name, _, result)| result.as_ref().err().map(|why| format!("{name}: {why}")))
        .collect();
    if failed.is_empty() {
        Ok(())
    } else {
        Err(Failure::new(failed.join("; ")))
    }
}

fn fmt() -> Result<(), Failure> {
    shell::run(shell::cargo().args(["fmt", "--all", "--check"]))
}

/// With the engines of the feature `distributed`, and without them, as the README builds.
fn clippy() -> Result<(), Failure> {
    for features in [
        &["--workspace", "--features", "server/distributed"][..],
        &["-p", "server"],
    ] {
        let mut command = shell::cargo();
        command.args(["clippy", "--all-targets", "--locked"]);
        command.args(features);
        shell::run(command.args(["--", "-D", "warnings"]))?;
    }
    Ok(())
}
