//! `cargo xtask test [filter] [-p crate] [-- …]`: what the README tells a newcomer to run.
//!
//! It is `setup`, then `cargo test` over the workspace with the lock file as it is; all arguments are handed on.
//! `.ci/run` calls it too. It promises the exit code of `cargo test`.

use crate::setup;
use crate::shell::{self, Failure};

/// Sets up what is missing, then runs the tests; `arguments` go to `cargo test` unchanged.
pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    setup::run(&[])?;
    let mut command = shell::cargo();
    command.args(["test", "--locked"]);
    if !arguments
        .iter()
        .any(|word| word == "-p" || word.starts_with("--package"))
    {
        command.arg("--workspace");
    }
    // A snapshot that differs is a failure to look at, never a file written behind one's back.
    command.env("INSTA_UPDATE", "no").env("RUST_BACKTRACE", "1");
    shell::run(command.args(arguments))
}
