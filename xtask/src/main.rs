//! `cargo xtask <command>`: all automation of this repository, in Rust and with the standard library alone.
//!
//! It exists so that a developer and the build machine type the same words and get the same answer, and so that a
//! fresh clone needs nothing but Rust and a C compiler. Each command is a file of this folder; this one only finds it.
//! Promises: a command prints every program it starts, and the exit code says whether the whole of it succeeded.

mod bench;
mod ci;
mod cluster;
mod crash;
mod deploy;
mod docs;
mod examples;
mod fuzz;
mod options;
mod screenshots;
mod setup;
mod shell;
mod test;
mod tidy;
mod vendor;

use std::process::ExitCode;

/// One command: its name, the arguments it takes, what it does, and its entry.
struct Command {
    name: &'static str,
    arguments: &'static str,
    about: &'static str,
    run: fn(&[String]) -> Result<(), shell::Failure>,
}

/// Every command, in the order in which a newcomer meets them.
const COMMANDS: &[Command] = &[
    Command {
        name: "setup",
        arguments: "",
        about: "install the few tools the tests call, if they are missing",
        run: setup::run,
    },
    Command {
        name: "test",
        arguments: "[--engine E] [filter] [-p crate] [-- …]",
        about: "setup, then every test; on embedded, postgres and distributed engines, or on one",
        run: test::run,
    },
    Command {
        name: "ci",
        arguments: "[--without-test]",
        about: "all that a merge must pass: fmt, tidy, clippy, docs, test",
        run: ci::run,
    },
    Command {
        name: "tidy",
        arguments: "",
        about: "the rules of the house that no compiler checks",
        run: tidy::run,
    },
    Command {
        name: "docs",
        arguments: "[--check]",
        about: "write the generated pages of docs/, or say which are stale",
        run: docs::run,
    },
    Command {
        name: "deploy",
        arguments: "",
        about: "hold the files of deploy/ against the schemas of those who read them",
        run: deploy::run,
    },
    Command {
        name: "examples",
        arguments: "",
        about: "write the generated files of examples/ anew",
        run: examples::run,
    },
    Command {
        name: "screenshots",
        arguments: "",
        about: "a picture of every page of the console, into docs/screenshots/",
        run: screenshots::run,
    },
    Command {
        name: "vendor",
        arguments: "[--check]",
        about: "bring what comes from npm and lies in this repository, or only check it",
        run: vendor::run,
    },
    Command {
        name: "bench",
        arguments: "[name] [--engine E]",
        about: "the figures of docs/performance.md, against floors of the same run",
        run: bench::run,
    },
    Command {
        name: "fuzz",
        arguments: "[--minutes N]",
        about: "every test named fuzz_… for that long together (default 10)",
        run: fuzz::run,
    },
    Command {
        name: "crash",
        arguments: "[--rounds N]",
        about: "kill -9 the hub at random moments, N times (default 20)",
        run: crash::run,
    },
    Command {
        name: "cluster",
        arguments: "[--chaos] [--seconds N]",
        about: "three processes on PostgreSQL, JetStream and S3, and what flows (default 60 s)",
        run: cluster::run,
    },
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((name, rest)) = arguments.split_first() else {
        help();
        return ExitCode::from(2);
    };
    if ["help", "--help", "-h"].contains(&name.as_str()) {
        help();
        return ExitCode::SUCCESS;
    }
    let Some(command) = COMMANDS.iter().find(|command| command.name == name) else {
        eprintln!("xtask has no command `{name}`; it has these:\n");
        help();
        return ExitCode::from(2);
    };
    match (command.run)(rest) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("xtask {name}: {failure}");
            ExitCode::from(failure.code())
        }
    }
}

fn help() {
    println!("cargo xtask <command>\n");
    for Command {
        name,
        arguments,
        about,
        ..
    } in COMMANDS
    {
        println!("  {:<34} {about}", format!("{name} {arguments}"));
    }
    println!("  {:<34} this list", "help");
}
