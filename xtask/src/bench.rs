//! `cargo xtask bench [name…] [--engine embedded|postgres|distributed] [--seconds N]`: the benchmarks of the exchange, each ratio against a floor measured in the same run.
//!
//! It exists so that every figure of `docs/performance.md` has one command behind it.

use crate::setup;
use crate::shell::{self, Failure};

/// Runs all benchmarks, or those that the arguments name.
pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    let mut command = shell::cargo();
    command.args(["bench", "--locked", "-p", "server", "--bench", "exchange"]);
    // Without it the other engines' clients need not be built.
    if arguments.iter().any(|argument| argument == "--engine") {
        setup::run(&[])?;
        command.args(["--features", "distributed"]);
    }
    shell::run(command.arg("--").args(arguments))
}
