//! `cargo xtask crash [--rounds N]`: the crash test at length.
//!
//! The test itself lives with the others in `crates/server/tests/it` and runs a few rounds in every `cargo test`;
//! this runs as many as asked, and shows what each round found.

use crate::options;
use crate::shell::{self, Failure};

/// Runs the integration tests `crash::…` for `--rounds N` rounds (default 20).
pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    let rounds = options::number(arguments, "--rounds", 20)?;
    let mut command = shell::cargo();
    command.args([
        "test",
        "--locked",
        "-p",
        "server",
        "--features",
        "distributed",
        "--test",
        "it",
        "crash::",
        "--",
        "--nocapture",
    ]);
    shell::run(command.env("RIALTO_CRASH_ROUNDS", rounds.to_string()))
}
