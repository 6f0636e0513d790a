//! `cargo xtask bench [name]`: the benchmarks of the exchange, each ratio against a floor measured in the same run.
//!
//! It exists so that every figure of `docs/performance.md` has one command behind it.

use crate::shell::{self, Failure};

/// Runs all benchmarks, or those that the arguments name.
pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    shell::run(
        shell::cargo()
            .args([
                "bench", "--locked", "-p", "server", "--bench", "exchange", "--",
            ])
            .args(arguments),
    )
}
