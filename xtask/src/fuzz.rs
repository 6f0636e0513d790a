//! `cargo xtask fuzz [--minutes N]`: every test named `fuzz_…`, for as long as asked.
//!
//! Such a test is an ordinary test: in `cargo test` it tries a few hundred inputs, here it goes on until the number of
//! seconds in `RIALTO_FUZZ_SECONDS` has passed. The profile is that of the tests on purpose: it keeps overflow checks.
//! It promises to take about the minutes given, however many tests there are.

use std::collections::BTreeMap;
use std::thread::available_parallelism;

use crate::options;
use crate::shell::{self, Failure};
use crate::tidy::tree::Tree;

/// Finds the fuzz tests by name, shares the time between them, and runs them crate by crate.
pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    let minutes = options::number(arguments, "--minutes", 10)?;
    let crates = fuzz_tests(&Tree::read(&shell::root())?);
    let threads = available_parallelism().map_or(1, |cores| cores.get() as u64);
    let seconds = share(minutes * 60, crates.values().copied(), threads);
    println!(
        "{} fuzz tests in {} crates, {seconds} s each, {threads} at a time",
        crates.values().sum::<u64>(),
        crates.len()
    );
    for name in crates.keys() {
        let mut command = shell::cargo();
        command.args(["test", "--locked", "-p", name, "fuzz_"]);
        shell::run(command.env("RIALTO_FUZZ_SECONDS", seconds.to_string()))?;
    }
    Ok(())
}

/// How many fuzz tests each crate has.
fn fuzz_tests(tree: &Tree) -> BTreeMap<String, u64> {
    let mut found = BTreeMap::new();
    for (file, rust) in tree.rust() {
        let count = rust.tests.matches("fn fuzz_").count() as u64;
        if let (Some(name), true) = (file.crate_name(), count > 0) {
            *found.entry(name.to_owned()).or_default() += count;
        }
    }
    found
}

/// Seconds for each test so that all crates together take `total`: one crate after the other, and within a crate
/// `threads` tests at a time.
fn share(total: u64, tests: impl Iterator<Item = u64>, threads: u64) -> u64 {
    let rounds: u64 = tests.map(|tests| tests.div_ceil(threads)).sum();
    (total / rounds.max(1)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_shared_between_rounds_of_tests() {
        assert_eq!(share(600, [1, 1].into_iter(), 2), 300);
        assert_eq!(share(600, [4, 1].into_iter(), 2), 200);
        assert_eq!(share(60, std::iter::empty(), 2), 60);
        assert_eq!(share(1, [9].into_iter(), 1), 1);
    }
}
