//! `cargo xtask setup`: the tools that the tests call, installed when they are missing.
//!
//! It exists because a fresh machine has Rust and a C compiler and nothing else. `cargo xtask test` calls it first.
//! It promises to touch nothing when every tool is there, and to name what is missing when it cannot install it.

use std::process::Command;

use crate::shell::{self, Failure};
use crate::{deploy, options};

/// A program we need, the Debian packages that bring it, and what for.
struct Tool {
    program: &'static str,
    packages: &'static [&'static str],
    why: &'static str,
}

/// All that is needed beyond Rust. A line here is a cost to every newcomer: keep it short.
const TOOLS: &[Tool] = &[
    Tool {
        program: "cc",
        packages: &["gcc", "libc6-dev"],
        why: "SQLite, zstd and the TLS primitives are compiled from C",
    },
    Tool {
        program: "curl",
        packages: &["curl"],
        why: "the tests run the README's tour as it is written",
    },
    Tool {
        program: "postgres",
        packages: &["postgresql"],
        why: "the tests of scale-out start it",
    },
    Tool {
        program: "nats-server",
        packages: &["nats-server"],
        why: "the tests of scale-out start it",
    },
    Tool {
        program: "chromium",
        packages: &["chromium"],
        why: "the tests look at the console with it",
    },
    Tool {
        program: "chromedriver",
        packages: &["chromium-driver"],
        why: "the tests drive the browser through it",
    },
    Tool {
        program: "python3",
        packages: &["python3", "python3-venv"],
        why: "the linters of deploy/ are written in it",
    },
];

/// Installs what is missing: programs with apt-get, the linters of `deploy/` below `target/`.
pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    options::none(arguments)?;
    programs()?;
    deploy::install()
}

fn is_missing(tool: &Tool) -> bool {
    !shell::installed(tool.program) || tool.program == "python3" && !deploy::python_is_whole()
}

/// What only some commands need: installed by them.
const RARE: &[Tool] = &[Tool {
    program: "pngquant",
    packages: &["pngquant"],
    why: "the pictures of the manual are made small with it",
}];

/// Installs one of the rare tools, if it is missing.
pub(crate) fn also(program: &str) -> Result<(), Failure> {
    install(RARE.iter().filter(|tool| tool.program == program))
}

fn programs() -> Result<(), Failure> {
    install(TOOLS.iter())
}

/// As root directly, else by way of sudo.
fn install<'a>(tools: impl Iterator<Item = &'a Tool>) -> Result<(), Failure> {
    let missing: Vec<&Tool> = tools.filter(|tool| is_missing(tool)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    for tool in &missing {
        println!("`{}` is missing: {}", tool.program, tool.why);
    }
    let packages: Vec<&str> = missing
        .iter()
        .flat_map(|tool| tool.packages)
        .copied()
        .collect();
    if !shell::installed("apt-get") {
        let programs: Vec<&str> = missing.iter().map(|tool| tool.program).collect();
        return Err(Failure::new(format!(
            "there is no apt-get here; install {} with what this system has",
            programs.join(", ")
        )));
    }
    shell::run(apt_get(root_user()?).arg("update"))?;
    shell::run(
        apt_get(root_user()?)
            .args(["install", "--yes", "--no-install-recommends"])
            .args(packages),
    )
}

fn root_user() -> Result<bool, Failure> {
    Ok(shell::output(Command::new("id").arg("-u"))?.trim() == "0")
}

fn apt_get(root: bool) -> Command {
    let mut command = Command::new(if root { "apt-get" } else { "sudo" });
    if !root {
        command.arg("apt-get");
    }
    command.arg("--quiet");
    command.env("DEBIAN_FRONTEND", "noninteractive");
    command
}
