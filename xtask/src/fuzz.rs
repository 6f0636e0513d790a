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

/// Finds the fuzz tests by name, shares the time between them, and runs them all in one `cargo test`: what the tests
/// of the workspace have built is used as it is.
pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    let minutes = options::number(arguments, "--minutes", 10)?;
    let binaries = fuzz_tests(&Tree::read(&shell::root())?);
    let threads = available_parallelism().map_or(1, |cores| cores.get() as u64);
    let seconds = share(minutes * 60, binaries.values().copied(), threads);
    println!(
        "{} fuzz tests in {} test binaries, {seconds} s each, {threads} at a time",
        binaries.values().sum::<u64>(),
        binaries.len()
    );
    let mut command = shell::cargo();
    // The features that the tests are built with: nothing is built twice.
    command.args([
        "test",
        "--locked",
        "--workspace",
        "--features",
        "server/distributed",
    ]);
    command.args(["--no-fail-fast", "fuzz_"]);
    command.args(["--", &format!("--test-threads={threads}")]);
    shell::run(command.env("RIALTO_FUZZ_SECONDS", seconds.to_string()))
}

/// How many fuzz tests each test binary has: that of a crate's `src`, or that of its `tests`.
fn fuzz_tests(tree: &Tree) -> BTreeMap<(String, bool), u64> {
    let mut found = BTreeMap::new();
    for (file, rust) in tree.rust() {
        let count = rust.tests.matches("fn fuzz_").count() as u64;
        if let (Some(name), true) = (file.crate_name(), count > 0) {
            let beside = file.path.contains("/tests/it/");
            *found.entry((name.to_owned(), beside)).or_default() += count;
        }
    }
    found
}

/// Seconds for each test so that all binaries together take `total`: one binary after the other, and within a binary
/// `threads` tests at a time.
fn share(total: u64, tests: impl Iterator<Item = u64>, threads: u64) -> u64 {
    let rounds: u64 = tests.map(|tests| tests.div_ceil(threads)).sum();
    (total / rounds.max(1)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_counted_by_binary() {
        let test = "#[test]\nfn fuzz_one() {}\n";
        let src = format!("#[cfg(test)]\nmod tests {{\n{test}{test}}}\n");
        let tree = Tree::of(&[
            ("crates/hub/src/a.rs", &src),
            ("crates/hub/src/b.rs", &src),
            ("crates/hub/tests/it/c.rs", test),
            ("crates/hub/src/d.rs", "fn fuzz_y() {}\n"),
        ]);
        let counts: Vec<u64> = fuzz_tests(&tree).into_values().collect();
        assert_eq!(counts, [4, 1]);
    }

    #[test]
    fn the_time_is_shared_between_rounds_of_tests() {
        assert_eq!(share(600, [1, 1].into_iter(), 2), 300);
        assert_eq!(share(600, [4, 1].into_iter(), 2), 200);
        assert_eq!(share(60, std::iter::empty(), 2), 60);
        assert_eq!(share(1, [9].into_iter(), 1), 1);
    }
}
