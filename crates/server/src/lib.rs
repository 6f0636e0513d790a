//! How the exchange **starts**: configuration, the process that serves, the command line, the demo.
//!
//! [`Server::start`] opens the engines, the hub and two listeners, one for each environment. Called by `main` and by
//! the tests, which start the same server on port 0 with a clock that they move.

pub mod backup;
pub mod cli;
pub mod config;
pub mod demo;
pub mod docs;
pub mod listen;
pub mod listener;
pub mod migrate;
pub mod open;
pub mod partner;
pub mod send;
pub mod signal;
pub mod telemetry;
pub mod terminal;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use engine::{Clock, Faults};
use hub::Hub;

use config::Config;
use listener::Listener;

/// Why the process could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("the data directory {path} cannot be used")]
    Data {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error(
        "another rialto process uses the data directory {0}: stop it, or name another directory with --data"
    )]
    InUse(PathBuf),
    #[error("the configuration cannot be used")]
    Config(#[from] config::ConfigError),
    #[error(
        "there is no key to seal secrets with: give RIALTO_SECRET_KEY (64 hexadecimal digits, for example of `openssl rand -hex 32`) or the file {0}; processes that share a database share its key"
    )]
    NoKey(PathBuf),
    #[error("the {what} cannot be opened")]
    Engine {
        what: &'static str,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("cannot listen on {address} ({key}): is another process using it?")]
    Listen {
        address: String,
        key: &'static str,
        #[source]
        source: std::io::Error,
    },
    #[error("the exchange could not be opened")]
    Hub(#[from] hub::Error),
}

/// What tests (and the demo) set beside the configuration.
#[derive(Clone)]
pub struct Extras {
    pub clock: Clock,
    pub faults: Faults,
    /// Nothing runs by itself: tests step the world with `Hub::settle`.
    pub is_stepped: bool,
}

impl Default for Extras {
    fn default() -> Self {
        Self {
            clock: Clock::System,
            faults: Faults::default(),
            is_stepped: false,
        }
    }
}

/// A running exchange.
pub struct Server {
    pub hub: Arc<Hub>,
    /// Where production is served.
    pub address: SocketAddr,
    /// Where pilot is served.
    pub pilot_address: SocketAddr,
    /// Shown once, at the first start without `RIALTO_OPERATOR_TOKEN`.
    pub new_operator_token: Option<String>,
    /// Every route of the API.
    pub routes: Vec<api::RouteInfo>,
    listeners: [Listener; 2],
    /// What pages are following.
    live: Option<Arc<console::Live>>,
    running: Option<hub::flow::Running>,
    patience: Duration,
    _lock: Option<Lock>,
}

impl Server {
    /// Starts serving; answers when both addresses take calls.
    ///
    /// # Errors
    /// [`StartError`], in a sentence that says what to do.
    pub async fn start(config: &Config, extras: Extras) -> Result<Self, StartError> {
        // On a database that others use too the directory is only for what belongs to this machine.
        let lock = if config.engines.is_shared() {
            None
        } else {
            Some(lock(&config.server.data)?)
        };
        let hub = open::hub(config, &extras).await?;
        let bind = |address: SocketAddr, key| async move {
            listener::bind(address)
                .await
                .map_err(|source| StartError::Listen {
                    address: address.to_string(),
                    key,
                    source,
                })
        };
        let production = bind(config.server.listen, "server.listen").await?;
        let pilot = bind(config.server.pilot_listen, "server.pilot_listen").await?;
        // After everything that may fail: a token that is made is shown once, so this start must get to show it.
        let (token, new_operator_token) = hub
            .operator_token(config.operator_token.as_ref().map(model::Secret::expose))
            .await?;
        let api = if config.processes.has(config::Role::Api) {
            api::api(&hub, token, config.api_options())
        } else {
            api::health_only(&hub, token, config.api_options())
        };
        let console = config.processes.has(config::Role::Console).then(|| {
            let trusted = config.api_options().trusted_proxies;
            console::console(&hub, token, trusted)
        });
        let (pages, live) = console.map(|c| (c.pages, c.live)).unzip();
        // Who is alone begins at once; who is not takes its share as soon as the others leave it.
        hub.lease().await?;
        let running = (!extras.is_stepped).then(|| hub.run());
        let listening =
            |socket: &tokio::net::TcpListener, given| socket.local_addr().unwrap_or(given);
        hub.serve_at(config.server.public_urls([
            listening(&production, config.server.listen),
            listening(&pilot, config.server.pilot_listen),
        ]));
        let listeners = [
            Listener::serve_with(production, api.production, pages),
            Listener::serve(pilot, api.pilot),
        ];
        Ok(Self {
            hub,
            address: listeners[0].address,
            pilot_address: listeners[1].address,
            new_operator_token,
            routes: api.routes,
            listeners,
            live,
            running,
            patience: config.server.shutdown_patience.0,
            _lock: lock,
        })
    }

    /// Ends in order: no new calls, those under way are answered, nothing is lost or repeated.
    pub async fn stop(self) {
        if let Some(live) = &self.live {
            live.end();
        }
        let [production, pilot] = self.listeners;
        tokio::join!(production.stop(self.patience), pilot.stop(self.patience));
        match self.running {
            Some(running) => running.stop(self.patience).await,
            None => {
                if let Err(error) = self.hub.checkpoint().await {
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "the last checkpoint failed"
                    );
                }
            }
        }
    }
}

/// The data directory is this process's while it lives.
struct Lock(std::fs::File);

impl Drop for Lock {
    /// Closing the file is not enough: a child that is being started shares it for a moment.
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}

/// The directory, made if needed, and taken: two processes on one embedded log would destroy each other's order.
fn lock(data: &Path) -> Result<Lock, StartError> {
    let wrap = |source| StartError::Data {
        path: data.to_owned(),
        source,
    };
    std::fs::create_dir_all(data).map_err(wrap)?;
    let file = std::fs::File::create(data.join("lock")).map_err(wrap)?;
    match file.try_lock() {
        Ok(()) => Ok(Lock(file)),
        Err(std::fs::TryLockError::WouldBlock) => Err(StartError::InUse(data.to_owned())),
        Err(std::fs::TryLockError::Error(source)) => Err(wrap(source)),
    }
}
