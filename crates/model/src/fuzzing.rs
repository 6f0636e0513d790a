//! Property tests that can run for as long as one likes. Tests named `fuzz_*` call [`run`].
//!
//! Usually a few hundred cases. With `RIALTO_FUZZ_SECONDS` set, each such test goes on with fresh seeds until its
//! time is up; a failure prints the smallest input that shows it.

use std::time::{Duration, Instant};

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, TestCaseResult, TestRunner};

/// Holds `property` against values of `strategy`; panics with the smallest counterexample.
pub(crate) fn run<S: Strategy>(strategy: &S, property: impl Fn(S::Value) -> TestCaseResult) {
    let end = seconds().map(|seconds| Instant::now() + Duration::from_secs(seconds));
    loop {
        let config = Config {
            failure_persistence: None,
            ..Config::default()
        };
        if let Err(failure) = TestRunner::new(config).run(strategy, &property) {
            panic!("{failure}");
        }
        if end.is_none_or(|end| Instant::now() >= end) {
            return;
        }
    }
}

fn seconds() -> Option<u64> {
    let text = std::env::var("RIALTO_FUZZ_SECONDS").ok()?;
    Some(
        text.parse()
            .expect("RIALTO_FUZZ_SECONDS is a whole number of seconds"),
    )
}
