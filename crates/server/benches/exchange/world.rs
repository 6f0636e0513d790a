//! A data directory with accounts, endpoints and subscriptions in it, and the real binary serving it.

use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use hub::{Actor, Scope};
use model::{AccountPolicy, EndpointId, Environment};
use serde_json::{Value, json};
use server::config::Config;
use server::{Extras, Server};

use crate::Result;
use crate::engines::Engines;
use crate::http::{Connection, once, request};
use crate::process::Process;
use crate::sample;

/// The operator token of every hub here.
pub(crate) const TOKEN: &str = "bench";

pub(crate) struct World {
    pub(crate) directory: tempfile::TempDir,
    /// The hub's engines, as environment variables.
    settings: Vec<(&'static str, String)>,
}

/// An endpoint and its key.
#[derive(Clone)]
pub(crate) struct Party {
    pub(crate) id: EndpointId,
    pub(crate) key: String,
}

/// A hub in this process whose work is stepped: for setting up through the verbs, without any load.
pub(crate) struct Stepped {
    pub(crate) server: Server,
    pub(crate) scope: Scope,
}

impl World {
    /// On the disk under `target/`, where the hub's log would be too.
    pub(crate) fn new(engines: &Engines) -> Result<Self> {
        Ok(Self {
            settings: engines.settings()?,
            directory: tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?,
        })
    }

    pub(crate) fn data(&self) -> std::path::PathBuf {
        self.directory.path().join("data")
    }

    /// Opens the directory in this process; one account is there afterwards.
    pub(crate) async fn open(&self) -> Result<Stepped> {
        let mut config = Config::load(None, |name| {
            let setting = self.settings.iter().find(|(known, _)| *known == name);
            setting.map(|(_, value)| value.clone())
        })?;
        config.server.data = self.data();
        config.server.listen = ([127, 0, 0, 1], 0).into();
        config.server.pilot_listen = ([127, 0, 0, 1], 0).into();
        config.delivery.allow_private_destinations = true;
        config.operator_token = Some(model::Secret::new(TOKEN));
        let extras = Extras {
            is_stepped: true,
            ..Extras::default()
        };
        let server = Server::start(&config, extras).await?;
        let hub = &server.hub;
        let page = hub::Page { after: 0, limit: 1 };
        let known = hub.accounts(page).await?;
        let account = match known.first() {
            Some(account) => account.id,
            None => {
                hub.provider_create(&Actor::OPERATOR, "Acme").await?;
                let policy = AccountPolicy::default();
                let created =
                    hub.account_create(&Actor::OPERATOR, "Shop", Environment::Production, &policy);
                created.await?.0.id
            }
        };
        Ok(Stepped {
            scope: Scope(account),
            server,
        })
    }

    /// Runs the binary on the directory; answers when it is ready, and how long that took.
    pub(crate) async fn serve(&self) -> Result<Running> {
        let started = Instant::now();
        let mut command = Command::new(env!("CARGO_BIN_EXE_rialto"));
        command.arg("serve").arg("--data").arg(self.data());
        command.args(["--listen", "127.0.0.1:0", "--pilot-listen", "127.0.0.1:0"]);
        command.arg("--allow-private-destinations");
        command.env("RIALTO_OPERATOR_TOKEN", TOKEN);
        command.env("RIALTO_TELEMETRY_FILTER", "error");
        command.envs(self.settings.iter().map(|(name, value)| (name, value)));
        let mut process = Process::spawn(command)?;
        let address = loop {
            let line = process.line()?;
            if let Some(address) = line.strip_prefix("production  http://") {
                break address.parse::<SocketAddr>()?;
            }
        };
        let ready = request("GET", "/readyz", TOKEN, b"");
        while once(address, &ready).await?.0 != 200 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok(Running {
            process,
            address,
            ready_after: started.elapsed(),
        })
    }
}

impl Stepped {
    /// A registration described with `PUT /v1/endpoint`.
    pub(crate) async fn endpoint(&self, definition: &Value) -> Result<Party> {
        let hub = &self.server.hub;
        let (endpoint, key) = hub.endpoint_register(&Actor::OPERATOR, self.scope).await?;
        let actor = Actor::endpoint(endpoint.id);
        hub.endpoint_define(&actor, self.scope, endpoint.id, definition)
            .await?;
        Ok(Party {
            id: endpoint.id,
            key: key.expose().to_owned(),
        })
    }

    /// A publisher of these event types.
    pub(crate) async fn publisher(&self, codes: &[String]) -> Result<Party> {
        let party = self.endpoint(&publisher_definition()).await?;
        for code in codes {
            let actor = Actor::endpoint(party.id);
            let hub = &self.server.hub;
            hub.event_type_register(&actor, self.scope, party.id, &event_type(code))
                .await?;
        }
        Ok(party)
    }

    /// A push destination at `url`.
    pub(crate) async fn destination(&self, url: &str) -> Result<Party> {
        self.endpoint(&destination_definition(url)).await
    }

    pub(crate) async fn subscribe(&self, from: &Party, code: &str, to: &Party) -> Result<()> {
        let new = hub::subscription::NewSubscription {
            publisher: from.id,
            code: code.to_owned(),
            namespace: None,
            destination: to.id,
        };
        let hub = &self.server.hub;
        hub.subscription_create(&Actor::OPERATOR, self.scope, new)
            .await?;
        Ok(())
    }

    /// Publishes a body at once, without HTTP: for filling the log.
    pub(crate) async fn publish(&self, from: &Party, body: &[u8]) -> Result<()> {
        self.server.hub.publish(from.id, body, None).await?;
        Ok(())
    }
}

pub(crate) fn publisher_definition() -> Value {
    json!({
        "name": "Web shop", "providerName": "Acme",
        "endpointTypes": { "event": { "source": { "enabled": true } } },
        "marketingDatabasesDefinition": { "marketingDatabases": [{ "name": "shop", "identifiers": [
            { "name": "email", "type": "email", "isCaseSensitive": false },
            { "name": "cookie", "type": "cookie" },
        ] }] },
    })
}

pub(crate) fn destination_definition(url: &str) -> Value {
    json!({ "name": "CRM", "providerName": "Acme", "url": url,
            "endpointTypes": { "event": { "destination": { "enabled": true, "destinationType": "push" } } } })
}

pub(crate) fn event_type(code: &str) -> Value {
    let attributes: Vec<Value> = sample::ATTRIBUTE_NAMES
        .iter()
        .map(|(name, kind)| json!({ "name": name, "type": kind }))
        .collect();
    json!({ "code": code, "name": code, "attributes": attributes })
}

/// The binary at work.
pub(crate) struct Running {
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
    /// From the start of the process to its being ready.
    pub(crate) ready_after: Duration,
}

impl Running {
    /// One number of `/metrics`, by the start of its line.
    pub(crate) async fn metric(&self, name: &str) -> Result<f64> {
        let text = self.metrics().await?;
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        let value = line.ok_or_else(|| format!("/metrics has no {name}"))?;
        Ok(value.trim().parse()?)
    }

    pub(crate) async fn metrics(&self) -> Result<String> {
        let mut connection = Connection::open(self.address).await?;
        let (_, body) = connection
            .call(&request("GET", "/metrics", TOKEN, b""))
            .await?;
        Ok(String::from_utf8(body.to_vec())?)
    }
}
