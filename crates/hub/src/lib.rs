//! What the exchange **does**: one `impl Hub` block for each noun (its verbs), and [`flow`], the work that runs
//! by itself.
//!
//! Called by `api`, `console` and the command line, all through the same verbs. A verb is: rules, one transaction,
//! audit, the registry brought up to date, a nudge. Knows nothing of HTTP servers, pages or arguments.

pub mod account;
pub mod dedupe;
pub mod delivery;
pub mod endpoint;
pub mod error;
pub mod event;
pub mod event_file;
pub mod event_type;
pub mod flow;
pub mod identity;
pub mod key;
pub mod metrics;
pub mod notice;
pub mod options;
pub mod provider;
pub mod publish;
pub mod quarantine;
pub mod registry;
pub mod schema_drift;
pub mod subscription;

use std::sync::Arc;

use engine::{Blobs, Clock, Db, Log};
use model::key::KeyHash;
use store::vault::Vault;

pub use error::{Error, Result};
pub use options::Options;
pub use store::audit::Audit;
pub use store::delivery::{After, Attempt, Exception, ExceptionState};
pub use store::key::Key;
pub use store::notice::Notice;
pub use store::quarantine::{QuarantineState, Quarantined};
pub use store::schema_drift::SchemaDrift;
pub use store::{Page, Scope};

/// Who does something, for the audit trail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// The bearer of the operator token.
    Operator,
    /// The bearer of an endpoint's key.
    Endpoint(model::EndpointId),
    /// The bearer of an account's key.
    Account(model::AccountId),
    /// The exchange itself.
    Exchange,
}

impl std::fmt::Display for Actor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Operator => f.write_str("operator"),
            Self::Endpoint(id) => write!(f, "endpoint {id}"),
            Self::Account(id) => write!(f, "account {id}"),
            Self::Exchange => f.write_str("exchange"),
        }
    }
}

/// The right to change what the registry knows; ends when dropped.
#[must_use]
pub(crate) struct Turn(#[expect(dead_code, reason = "held")] tokio::sync::OwnedMutexGuard<()>);

/// The engines that a hub stands on, opened by whoever starts it.
pub struct Engines {
    pub db: Db,
    pub log: Log,
    pub blobs: Blobs,
    pub clock: Clock,
    pub vault: Vault,
}

/// The exchange. One for each process; verbs are its methods.
pub struct Hub {
    pub(crate) options: Options,
    pub(crate) db: Db,
    pub(crate) log: Log,
    pub(crate) blobs: Blobs,
    pub(crate) clock: Clock,
    pub(crate) vault: Vault,
    pub(crate) client: outbound::Client,
    pub(crate) registry: registry::Registry,
    /// Whose turn it is to change what the registry knows.
    changes: Arc<tokio::sync::Mutex<()>>,
    pub(crate) dedupe: dedupe::Dedupe,
    pub(crate) drift: schema_drift::DriftBook,
    pub(crate) flow: flow::Flow,
    pub metrics: metrics::Metrics,
}

impl Hub {
    /// Migrates the schema, fills the registry and the flow from what is stored, and answers a hub that is ready
    /// for calls. Nothing runs by itself until [`Hub::run`].
    pub async fn open(
        engines: Engines,
        options: Options,
        metrics: metrics::Metrics,
    ) -> Result<Arc<Self>> {
        let Engines {
            db,
            log,
            blobs,
            clock,
            vault,
        } = engines;
        store::migrate(&db).await?;
        let client = outbound::Client::new(options.outbound.clone());
        let registry = registry::Registry::load(&db, &vault).await?;
        let flow = flow::Flow::load(&db, &options).await?;
        let hub = Arc::new(Self {
            metrics,
            dedupe: dedupe::Dedupe::default(),
            drift: schema_drift::DriftBook::default(),
            options,
            db,
            log,
            blobs,
            clock,
            vault,
            client,
            registry,
            changes: Arc::default(),
            flow,
        });
        hub.recover_keys().await?;
        hub.flow_refresh_all();
        Ok(hub)
    }

    /// The hash of the operator token: of the one given, else of the one made at the first start (which is answered
    /// then, and never again).
    pub async fn operator_token(&self, given: Option<&str>) -> Result<(KeyHash, Option<String>)> {
        const NAME: &str = "operator_token_sha256";
        if let Some(token) = given {
            return Ok((KeyHash::of(token), None));
        }
        let mut tx = self.db.begin().await?;
        if let Some(hash) = store::setting::get(&mut tx, NAME)
            .await?
            .and_then(|text| KeyHash::from_hex(&text))
        {
            return Ok((hash, None));
        }
        let token = format!("ro_{}", store::vault::new_key()?);
        let hash = KeyHash::of(&token);
        store::setting::put(&mut tx, NAME, &hash.to_hex()).await?;
        tx.commit().await?;
        Ok((hash, Some(token)))
    }

    /// In whole microseconds, as times are stored: what is answered now is answered the same after a restart.
    pub fn now(&self) -> jiff::Timestamp {
        let now = self.clock.now();
        jiff::Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
    }

    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    pub fn options(&self) -> &Options {
        &self.options
    }

    pub fn registry(&self) -> &registry::Registry {
        &self.registry
    }

    /// The log's next position: what is published from now on lies at or after it.
    pub(crate) fn here(&self) -> u64 {
        engine::Position::new(self.log.ends().next_seq, 0).as_u64()
    }

    /// Begins a change of something that the registry knows. Whoever has the turn keeps it until the registry is up to
    /// date: else two changes could be committed in one order and made known in the other, and the later one would be
    /// forgotten until the next start. The database takes one writer at a time anyway.
    pub(crate) async fn begin_change(&self) -> Result<(engine::Tx, Turn)> {
        let turn = Arc::clone(&self.changes).lock_owned().await;
        Ok((self.db.begin().await?, Turn(turn)))
    }

    /// Adds to the audit trail, in the transaction of the change.
    pub(crate) async fn audit(
        &self,
        tx: &mut engine::Tx,
        scope: Option<Scope>,
        actor: &Actor,
        (action, subject): (&str, String),
        detail: serde_json::Value,
    ) -> Result<()> {
        let entry = Audit {
            id: 0,
            account: scope.map(|s| s.0),
            actor: actor.to_string(),
            action: action.to_owned(),
            subject,
            detail: detail.to_string(),
            created_at: self.now(),
        };
        Ok(store::audit::insert(tx, &entry).await?)
    }

    /// What keeps this process from serving, in sentences; empty when it is ready. Answers within a few seconds, also
    /// when a disk hangs.
    pub async fn missing(&self) -> Vec<String> {
        let (db, log, files) = tokio::join!(
            probe("database", self.db.health()),
            probe("log", self.log.health()),
            probe("files", self.blobs.health()),
        );
        [db, log, files].into_iter().flatten().collect()
    }
}

/// What is wrong with one store, if anything.
async fn probe<E: std::error::Error>(
    what: &str,
    health: impl Future<Output = std::result::Result<(), E>>,
) -> Option<String> {
    /// A store that says nothing for so long is taken for missing.
    const PATIENCE: std::time::Duration = std::time::Duration::from_secs(2);
    match tokio::time::timeout(PATIENCE, health).await {
        Ok(Ok(())) => None,
        Ok(Err(error)) => {
            let cause = error
                .source()
                .map_or_else(String::new, |source| format!(": {source}"));
            Some(format!("{what}: {error}{cause}"))
        }
        Err(_) => Some(format!("{what}: no answer within {} s", PATIENCE.as_secs())),
    }
}
