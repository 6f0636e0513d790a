//! The benchmarks of the exchange: each figure of the design, next to a floor that is measured in the same run.
//!
//! Called by `cargo xtask bench [name…] [--engine E] [--seconds N]` and `cargo bench -p server --bench exchange -- [name…]`. The hub is
//! the real binary in a process of its own; each floor is this program again, in a process of its own (a *role*), so
//! that CPU time can be told apart. Hub and floor take turns in short rounds: what else happens on the machine hits
//! both, and the ratios stay comparable where the absolute numbers are not. The load generator and the receiver run in
//! this process and are the same for both.

#[path = "exchange/audience.rs"]
mod audience;
#[path = "exchange/backlog.rs"]
mod backlog;
#[path = "exchange/console.rs"]
mod console;
#[path = "exchange/engines.rs"]
mod engines;
#[path = "exchange/figures.rs"]
mod figures;
#[path = "exchange/floor.rs"]
mod floor;
#[path = "exchange/http.rs"]
mod http;
#[path = "exchange/identity.rs"]
mod identity;
#[path = "exchange/isolation.rs"]
mod isolation;
#[path = "exchange/latency.rs"]
mod latency;
#[path = "exchange/load.rs"]
mod load;
#[path = "exchange/process.rs"]
mod process;
#[path = "exchange/publish.rs"]
mod publish;
#[path = "exchange/push.rs"]
mod push;
#[path = "exchange/receiver.rs"]
mod receiver;
#[path = "exchange/sample.rs"]
mod sample;
#[path = "exchange/start.rs"]
mod start;
#[path = "exchange/wide.rs"]
mod wide;
#[path = "exchange/world.rs"]
mod world;

use std::process::ExitCode;
use std::time::Duration;

use engines::Engines;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// All benchmarks, in the order in which they run.
const NAMES: [&str; 15] = [
    "publish-single",
    "publish-strangers",
    "publish-batch",
    "push",
    "push-ten",
    "latency",
    "isolation",
    "wide",
    "backlog",
    "start",
    "identity",
    "audience",
    "audience-ten",
    "console",
    "console-large",
];

/// Those that say something about the engines; the others are about what is above them, or about the hub's own files.
const SHARED: [&str; 5] = [
    "publish-single",
    "publish-strangers",
    "publish-batch",
    "push",
    "latency",
];

/// What the command line asks for.
struct Options {
    engine: String,
    names: Vec<String>,
    /// For each benchmark's measured part, rounds of hub and floor together.
    time: Duration,
    /// How many identifiers the identity graph grows to.
    identifiers: u64,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.split_first() {
        Some((role, rest)) if role.starts_with("role:") => floor::play(role, rest),
        _ => options(&arguments).and_then(|options| {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            tokio::task::LocalSet::new().block_on(&runtime, run(&options))
        }),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("exchange: {error}");
            ExitCode::FAILURE
        }
    }
}

fn options(arguments: &[String]) -> Result<Options> {
    let mut options = Options {
        engine: "embedded".to_owned(),
        names: Vec::new(),
        time: Duration::from_secs(10),
        identifiers: 10_000_000,
    };
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            // Cargo says so to every benchmark.
            "--bench" => {}
            "--seconds" => {
                let seconds = rest.next().ok_or("--seconds needs a number")?;
                options.time = Duration::from_secs(seconds.parse()?);
            }
            "--identifiers" => {
                let count = rest.next().ok_or("--identifiers needs a number")?;
                options.identifiers = count.parse()?;
            }
            "--engine" => {
                let engine = rest.next().ok_or("--engine needs a name")?;
                options.engine.clone_from(engine);
            }
            name if NAMES.contains(&name) => options.names.push(name.to_owned()),
            other => {
                let known = NAMES.join(", ");
                return Err(format!("there is no benchmark `{other}`: {known}").into());
            }
        }
    }
    let all: &[&str] = match &*options.engine {
        "embedded" => &NAMES,
        _ => &SHARED,
    };
    if let Some(name) = options.names.iter().find(|name| !all.contains(&&***name)) {
        let known = all.join(", ");
        return Err(format!("`{name}` says nothing of {}: {known}", options.engine).into());
    }
    if options.names.is_empty() {
        options.names = all.iter().map(|name| (*name).to_owned()).collect();
    }
    Ok(options)
}

async fn run(options: &Options) -> Result<()> {
    let engines = Engines::start(&options.engine).await?;
    for name in &options.names {
        println!("\n{name}");
        match name.as_str() {
            "publish-single" => publish::single(&engines, options.time).await?,
            "publish-strangers" => publish::strangers(&engines, options.time).await?,
            "publish-batch" => publish::batches(&engines, options.time).await?,
            "push" => push::run(&engines, options.time, 1).await?,
            "push-ten" => push::run(&engines, options.time, 10).await?,
            "latency" => latency::run(&engines, options.time).await?,
            "isolation" => isolation::run(options.time).await?,
            "wide" => wide::run(options.time).await?,
            "audience" => audience::run(1).await?,
            "audience-ten" => audience::run(10).await?,
            "console" => console::run(options.time, &wide::WIDE).await?,
            "console-large" => console::run(options.time, &wide::LARGE).await?,
            "backlog" => backlog::run(options.time).await?,
            "identity" => identity::run(&engines, options.identifiers).await?,
            _ => start::run().await?,
        }
    }
    Ok(())
}
