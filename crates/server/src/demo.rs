//! `rialto demo`: the whole exchange in one process and one minute, for somebody who sees it for the first time.
//!
//! A hub in a fresh directory, a shop that publishes a day of events, a subscriber that gets them pushed and fails now
//! and then on purpose, another that fetches event files; then two audiences, one in each direction: all of them speak
//! HTTP, as strangers would. Promises: nothing is left behind unless `--data` asks for it, and with `--once` the exit code
//! says whether every event reached every subscriber, and every member the other side, checked one by one.
//!
//! Reading order: `registered` (who takes part) → `shop`, `crm`, `warehouse` (what they do) → `stream`, `tally` (what is
//! published, and the check) → `audience`, `lists` (what is shared) → `story` (what is told to the person who looks on).

mod audience;
mod crm;
mod lists;
mod registered;
mod shop;
mod story;
mod stream;
mod tally;
mod warehouse;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use clap::Args;
use outbound::signature::Secret;

use crate::config::{self, Config};
use crate::partner::{Partner, PartnerError};
use crate::terminal::{FRAME, Screen};
use crate::{Extras, Server, StartError, telemetry};
use crm::Crm;
use registered::Registered;
use shop::Published;
use story::Standing;
use stream::Translation;
use tally::Tally;
use warehouse::Fetched;

/// What shells say of a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;
/// Longest wait before a second attempt, so that nobody has to wait for the retries.
const RETRY_FIRST: Duration = Duration::from_millis(200);

/// What the command line says.
#[derive(Debug, Args)]
pub struct Demo {
    /// End after the closing tables; the exit code says whether every event and every member arrived.
    #[arg(long)]
    once: bool,
    /// Keep everything in this directory instead of a temporary one.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Of one, how many pushes the subscriber refuses on purpose.
    #[arg(long, default_value_t = 0.03, value_name = "PART", value_parser = crate::listen::part)]
    fail: f64,
    /// Give up when nothing has been published or has arrived for so long.
    #[arg(long, default_value = "20s", value_name = "TIME", value_parser = crate::listen::time)]
    patience: Duration,
}

/// Why the demo did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    #[error("a directory for the demo could not be made")]
    Directory(#[source] std::io::Error),
    #[error("the defaults cannot be used")]
    Config(#[from] config::ConfigError),
    #[error("the exchange could not be started")]
    Start(#[from] StartError),
    #[error("no port on 127.0.0.1 could be had for the subscriber")]
    Port(#[source] std::io::Error),
    #[error("the exchange refused what the demo needs")]
    Partner(#[from] PartnerError),
    #[error("nobody could be let into the console")]
    Ticket(#[from] hub::Error),
    #[error("the signing secret of the subscriber cannot be read")]
    Secret(#[from] outbound::signature::SignatureError),
    #[error("{0}")]
    NotAll(String),
}

/// Everybody who takes part, while the demo runs.
struct Stage {
    exchange: Partner,
    token: String,
    crm: Crm,
    registered: Registered,
    crm_tally: Arc<Mutex<Tally>>,
    warehouse_tally: Arc<Mutex<Tally>>,
    published: Arc<Published>,
    fetched: Arc<Fetched>,
}

impl Demo {
    /// Runs it. Ctrl-C ends it at any time, in order.
    ///
    /// # Errors
    /// [`DemoError`]: with `--once` also when an event did not reach a subscriber, or a member the other side.
    pub async fn run(self) -> Result<ExitCode, DemoError> {
        let temporary = match &self.data {
            Some(_) => None,
            None => Some(
                tempfile::Builder::new()
                    .prefix("rialto-demo-")
                    .tempdir()
                    .map_err(DemoError::Directory)?,
            ),
        };
        let data = match (&self.data, &temporary) {
            (Some(data), _) => data.clone(),
            (None, Some(directory)) => directory.path().join("data"),
            (None, None) => PathBuf::from("rialto-data"),
        };
        let config = configuration(data)?;
        telemetry::init(&config.telemetry);
        let server = Server::start(&config, Extras::default()).await?;
        let ended = tokio::select! {
            ended = self.play(&config, &server) => ended,
            () = crate::signal::stop_or_hangup() => Ok(match self.once {
                true => ExitCode::from(INTERRUPTED),
                false => ExitCode::SUCCESS,
            }),
        };
        server.stop().await;
        ended
    }

    async fn play(&self, config: &Config, server: &Server) -> Result<ExitCode, DemoError> {
        let mut screen = Screen::stdout();
        let stage = Stage::set(config, server, self.fail).await?;
        story::introduce(&mut screen, &stage, config, self);
        let refusal = shop::publish_malformed(&stage.exchange, &stage.registered.shop.key).await?;
        story::refusal(&mut screen, &refusal);
        let performed = stage.perform(&mut screen, self.patience).await;
        story::closing(&mut screen, &stage.standing());
        performed?;
        stage.verdict()?;
        story::all_arrived(&mut screen);
        let shared = audience::share(&stage, self.patience).await?;
        story::audiences(&mut screen, &shared);
        if let Some(wrong) = shared.iter().find(|shared| !shared.is_right) {
            let what = wrong.what;
            return Err(DemoError::NotAll(format!(
                "the members of {what} are not those that were shared"
            )));
        }
        if self.once {
            return Ok(ExitCode::SUCCESS);
        }
        let ticket = server.hub.demo_ticket().await?;
        story::what_next(&mut screen, &stage, &ticket);
        stage.crm.talk();
        shop::go_on(&stage.exchange, &stage.registered.shop.key).await
    }
}

/// The defaults, for a small exchange on free ports that retries soon. Only logging and the token may be set from outside.
fn configuration(data: PathBuf) -> Result<Config, DemoError> {
    let mut config = Config::load(None, |name| {
        let given = std::env::var(name).ok();
        match name {
            "RIALTO_TELEMETRY_FILTER" => Some(given.unwrap_or_else(|| "off".to_owned())),
            "RIALTO_TELEMETRY_FORMAT" | "RIALTO_OPERATOR_TOKEN" => given,
            _ => None,
        }
    })?;
    config.server.data = data;
    config.server.listen = ([127, 0, 0, 1], 0).into();
    config.server.pilot_listen = ([127, 0, 0, 1], 0).into();
    config.server.shutdown_patience = config::Duration(Duration::from_secs(3));
    config.delivery.allow_private_destinations = true;
    config.delivery.retry_first = config::Duration(RETRY_FIRST);
    // Known to the demo, also in a directory that was used before.
    let random: String = (0..24).map(|_| fastrand::alphanumeric()).collect();
    config
        .operator_token
        .get_or_insert_with(|| model::Secret::new(format!("ro_{random}")));
    Ok(config)
}

impl Stage {
    /// Starts the subscriber and registers everybody.
    async fn set(config: &Config, server: &Server, fail: f64) -> Result<Self, DemoError> {
        let exchange = Partner::new(&format!("http://{}", server.address))?;
        let token = config.operator_token.clone().unwrap_or_default();
        let token = token.expose().to_owned();
        let crm = Crm::start(fail).await.map_err(DemoError::Port)?;
        let registered = registered::register(&exchange, &token, &crm.url()).await?;
        let secret: Secret = registered.crm_secret.parse()?;
        let tally = |codes, body| Arc::new(Mutex::new(Tally::new(codes, &Translation::to(body))));
        let crm_tally = tally(&registered.crm_codes, stream::CRM);
        let warehouse_tally = tally(&registered.codes, stream::WAREHOUSE);
        crm.begin(secret, Arc::clone(&crm_tally));
        Ok(Self {
            exchange,
            token,
            crm,
            registered,
            crm_tally,
            warehouse_tally,
            published: Arc::default(),
            fetched: Arc::default(),
        })
    }

    /// Publishes, pushes, fetches, until all has arrived or nothing arrives any more.
    async fn perform(&self, screen: &mut Screen, patience: Duration) -> Result<(), PartnerError> {
        let tallies = [&self.crm_tally, &self.warehouse_tally].map(Arc::clone);
        let shop = &self.registered.shop;
        let publishing = shop::publish(&self.exchange, &shop.key, &tallies, &self.published);
        let fetching = warehouse::fetch(
            &self.exchange,
            &self.registered.warehouse.key,
            &self.warehouse_tally,
            &self.fetched,
        );
        let watching = self.watch(screen, patience);
        let publishing = async {
            match publishing.await {
                Ok(()) => std::future::pending().await,
                Err(error) => error,
            }
        };
        tokio::select! {
            () = watching => Ok(()),
            error = publishing => Err(error),
            error = fetching => Err(error),
        }
    }

    /// Shows where things stand; ends when all is there, or when nothing has come for too long.
    async fn watch(&self, screen: &mut Screen, patience: Duration) {
        let mut last = (Instant::now(), 0);
        loop {
            let standing = self.standing();
            let so_far = standing.calls + standing.crm.received + standing.warehouse.received;
            if so_far != last.1 {
                last = (Instant::now(), so_far);
            }
            if standing.is_complete() || last.0.elapsed() > patience {
                screen.rest(|s| story::picture(s, &standing), || story::line(&standing));
                return;
            }
            screen.draw(|s| story::picture(s, &standing), || story::line(&standing));
            tokio::time::sleep(FRAME).await;
        }
    }

    fn standing(&self) -> Standing {
        let sum = |tally: &Mutex<Tally>| tally.lock().unwrap_or_else(PoisonError::into_inner).sum();
        Standing {
            calls_all: stream::calls().count() as u64,
            calls: self.published.calls.load(Ordering::Relaxed),
            events: self.published.events.load(Ordering::Relaxed),
            publishing: Duration::from_micros(self.published.micros.load(Ordering::Relaxed)),
            crm_name: self.registered.crm.name.clone(),
            crm: sum(&self.crm_tally),
            seen: self.crm.seen(),
            warehouse_name: self.registered.warehouse.name.clone(),
            warehouse: sum(&self.warehouse_tally),
            files: self.fetched.files.load(Ordering::Relaxed),
        }
    }

    /// # Errors
    /// [`DemoError::NotAll`] with the reason, and the first events that are missing.
    fn verdict(&self) -> Result<(), DemoError> {
        let standing = self.standing();
        let mut wrong = Vec::new();
        for (name, sum, tally) in [
            (&standing.crm_name, &standing.crm, &self.crm_tally),
            (
                &standing.warehouse_name,
                &standing.warehouse,
                &self.warehouse_tally,
            ),
        ] {
            if sum.missing > 0 {
                let tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
                let some = tally.missing(3).join("; ");
                wrong.push(format!(
                    "{} events did not reach {name}, such as {some}",
                    sum.missing
                ));
            }
            if sum.strangers > 0 {
                wrong.push(format!(
                    "{name} got {} events that are not its own",
                    sum.strangers
                ));
            }
        }
        if standing.events != standing.warehouse.expected {
            wrong.push(format!(
                "the exchange says that it took {} events, {} were sent",
                standing.events, standing.warehouse.expected
            ));
        }
        if standing.seen.forged + standing.seen.unreadable > 0 {
            let (forged, unreadable) = (standing.seen.forged, standing.seen.unreadable);
            wrong.push(format!(
                "{forged} pushes had a wrong signature, {unreadable} could not be read"
            ));
        }
        match wrong.is_empty() {
            true => Ok(()),
            false => Err(DemoError::NotAll(wrong.join("\n  "))),
        }
    }
}
