//! The binary `rialto`: reads the command line and calls what it names.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, CommandFactory as _, Parser, Subcommand};
use server::config::Config;
use server::{Extras, Server, backup, cli, migrate, telemetry};

/// An open exchange for customer events and audiences.
#[derive(Parser)]
#[command(name = "rialto", version, about, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the exchange.
    Serve(Serve),
    /// See all of it at work: a shop, its subscribers and a day of events, in one process.
    Demo(server::demo::Demo),
    /// Receive pushes in anybody's place: print them, check signatures, fail when told to.
    Listen(server::listen::Listen),
    /// Publish a file of events as fast as the exchange takes it.
    Send(server::send::SendFile),
    /// Look at the configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Copy a data directory, also of a running exchange.
    Backup {
        /// Configuration file.
        #[arg(long, env = "RIALTO_CONFIG")]
        config: Option<PathBuf>,
        /// The data directory; else that of the configuration.
        #[arg(long)]
        data: Option<PathBuf>,
        /// A new directory for the copy.
        to: PathBuf,
    },
    /// Make a data directory of a backup.
    Restore {
        /// The backup.
        from: PathBuf,
        /// Configuration file.
        #[arg(long, env = "RIALTO_CONFIG")]
        config: Option<PathBuf>,
        /// The new data directory; else that of the configuration.
        #[arg(long)]
        data: Option<PathBuf>,
    },
    /// Take an installation to other engines: from those of one configuration to those of another.
    Migrate {
        /// The configuration of the installation that there is.
        #[arg(long)]
        from: PathBuf,
        /// The configuration of the one that is to be.
        #[arg(long)]
        to: PathBuf,
        /// The source goes on serving: copy the bulk, and leave the rest to a run without this.
        #[arg(long)]
        live: bool,
    },
    #[command(flatten)]
    Manage(Box<cli::Command>),
    /// Write completions for a shell to the standard output.
    Completions { shell: clap_complete::Shell },
    /// Write the generated documents.
    #[command(hide = true)]
    GenerateDocs { directory: PathBuf },
}

#[derive(Args)]
struct Serve {
    /// Configuration file; what it does not say is as in rialto.default.toml.
    #[arg(long, env = "RIALTO_CONFIG")]
    config: Option<PathBuf>,
    /// Data directory.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Address of production.
    #[arg(long, value_parser = server::config::address)]
    listen: Option<std::net::SocketAddr>,
    /// Address of pilot.
    #[arg(long, value_parser = server::config::address)]
    pilot_listen: Option<std::net::SocketAddr>,
    /// Let destinations have private addresses, such as loopback.
    #[arg(long)]
    allow_private_destinations: bool,
}

#[derive(Subcommand)]
enum ConfigCommand {
    /// Say whether a configuration file can be used.
    Check { file: PathBuf },
    /// Print the manual, which is also the defaults.
    Default,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error),
    };
    runtime.block_on(run(cli.command))
}

async fn run(command: Command) -> ExitCode {
    match command {
        Command::Serve(args) => serve(args).await,
        Command::Demo(demo) => ended(demo.run().await),
        Command::Send(send) => ended(send.run().await),
        Command::Listen(listen) => ended(listen.run().await),
        Command::Config(ConfigCommand::Check { file }) => match load(Some(&file)) {
            Ok(config) => checked(&config),
            Err(error) => fail(&error),
        },
        Command::Config(ConfigCommand::Default) => {
            print!("{}", server::config::DEFAULT);
            ExitCode::SUCCESS
        }
        Command::Backup { config, data, to } => match embedded(config.as_deref(), data) {
            Ok(data) => done(backup::backup(&data, &to).await, "The backup is complete."),
            Err(code) => code,
        },
        Command::Restore { config, from, data } => match embedded(config.as_deref(), data) {
            Ok(data) => done(
                backup::restore(&from, &data).await,
                "The data directory is complete.",
            ),
            Err(code) => code,
        },
        Command::Migrate { from, to, live } => migrated(&from, &to, live).await,
        Command::Manage(command) => cli::run(*command).await,
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "rialto", &mut std::io::stdout());
            ExitCode::SUCCESS
        }
        Command::GenerateDocs { directory } => done(
            server::docs::generate(&directory, Cli::command()),
            "Written.",
        ),
    }
}

fn load(file: Option<&Path>) -> Result<Config, server::config::ConfigError> {
    Config::load(file, |name| std::env::var(name).ok())
}

/// Says whether a configuration makes sense, and what of it may be a mistake.
fn checked(config: &Config) -> ExitCode {
    match config.check() {
        Ok(warnings) => {
            for warning in warnings {
                println!("Take care: {warning}.");
            }
            println!("The configuration can be used.");
            ExitCode::SUCCESS
        }
        Err(error) => fail(&error),
    }
}

/// The data directory of an installation that has all of it there.
fn embedded(file: Option<&Path>, data: Option<PathBuf>) -> Result<PathBuf, ExitCode> {
    let config = load(file).map_err(|error| fail(&error))?;
    backup::check(&config).map_err(|error| fail(&error))?;
    Ok(data.unwrap_or(config.server.data))
}

async fn migrated(from: &Path, to: &Path, is_live: bool) -> ExitCode {
    let run = async {
        let (from, to) = (migrate::load(from)?, migrate::load(to)?);
        telemetry::init(&to.telemetry);
        migrate::migrate(&from, &to, is_live).await
    };
    match run.await {
        Ok(report) => {
            println!("{}", migrate::told(&report, is_live));
            ExitCode::SUCCESS
        }
        Err(error) => fail(&error),
    }
}

async fn serve(args: Serve) -> ExitCode {
    let mut config = match load(args.config.as_deref()) {
        Ok(config) => config,
        Err(error) => return fail(&error),
    };
    let section = &mut config.server;
    section.data = args.data.unwrap_or_else(|| section.data.clone());
    section.listen = args.listen.unwrap_or(section.listen);
    section.pilot_listen = args.pilot_listen.unwrap_or(section.pilot_listen);
    config.delivery.allow_private_destinations |= args.allow_private_destinations;
    telemetry::init(&config.telemetry);
    let server = match Server::start(&config, Extras::default()).await {
        Ok(server) => server,
        Err(error) => return fail(&error),
    };
    if let Some(token) = &server.new_operator_token {
        println!("operator token (shown this once; keep it): {token}");
    }
    println!("production  http://{}", server.address);
    println!("pilot       http://{}", server.pilot_address);
    server::signal::stop().await;
    tracing::info!("stopping: calls under way are being finished");
    server.stop().await;
    ExitCode::SUCCESS
}

fn ended<E: std::error::Error>(result: Result<ExitCode, E>) -> ExitCode {
    result.unwrap_or_else(|error| fail(&error))
}

fn done<E: std::error::Error>(result: Result<(), E>, sentence: &str) -> ExitCode {
    match result {
        Ok(()) => {
            println!("{sentence}");
            ExitCode::SUCCESS
        }
        Err(error) => fail(&error),
    }
}

/// The error and its causes, one a line.
fn fail(error: &dyn std::error::Error) -> ExitCode {
    eprintln!("rialto: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        eprintln!("  because: {error}");
        cause = error.source();
    }
    ExitCode::FAILURE
}
