//! Property tests that can run for as long as one likes. Every test named `fuzz_…`, of whatever crate, calls [`run`].
//!
//! Usually such a test tries a few hundred inputs. With `RIALTO_FUZZ_SECONDS` set (`cargo xtask fuzz` does) it goes on
//! with fresh seeds until its time is up; a failure prints the smallest input that shows it. Only tests use this crate.

pub mod documents;

use std::time::{Duration, Instant};

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, TestCaseResult, TestRunner};

/// Inputs of a test that is quick for each.
const CASES: u32 = 256;

/// Holds `property` against values of `strategy`.
///
/// # Panics
/// With the smallest counterexample.
pub fn run<S: Strategy>(strategy: &S, property: impl Fn(S::Value) -> TestCaseResult) {
    run_slow(CASES, strategy, property);
}

/// As [`run`], for properties of which a test has time for `cases` inputs only.
///
/// # Panics
/// With the smallest counterexample.
pub fn run_slow<S: Strategy>(
    cases: u32,
    strategy: &S,
    property: impl Fn(S::Value) -> TestCaseResult,
) {
    let end = Instant::now() + seconds();
    loop {
        let config = Config {
            cases,
            failure_persistence: None,
            ..Config::default()
        };
        if let Err(failure) = TestRunner::new(config).run(strategy, &property) {
            panic!("{failure}");
        }
        if Instant::now() >= end {
            return;
        }
    }
}

/// How long to go on at least: nothing, unless the environment says.
fn seconds() -> Duration {
    let text = std::env::var("RIALTO_FUZZ_SECONDS").ok();
    Duration::from_secs(text.map_or(0, |text| {
        text.parse()
            .expect("RIALTO_FUZZ_SECONDS is a whole number of seconds")
    }))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn fuzz_goes_on_for_as_long_as_it_is_told() {
        let (start, tried) = (Instant::now(), Cell::new(0));
        run_slow(10, &any::<u8>(), |_| {
            tried.set(tried.get() + 1);
            Ok(())
        });
        assert!(start.elapsed() >= seconds() && tried.get() >= 10);
    }

    #[test]
    #[should_panic(expected = "minimal failing input: 7")]
    fn a_failure_shows_the_smallest_input() {
        run(&any::<u8>(), |byte| {
            prop_assert!(byte < 7);
            Ok(())
        });
    }
}
