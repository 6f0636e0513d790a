//! What the exchange **does**: one `impl Hub` block for each noun (its verbs), and [`flow`], the work that runs
//! by itself.
//!
//! Called by `api`, `console` and the command line, all through the same verbs. A verb is: rules, one transaction,
//! audit, the registry brought up to date, a nudge. Knows nothing of HTTP servers, pages or arguments.

pub mod access_token;
pub mod account;
pub mod actor;
pub mod application;
pub mod audit;
pub mod authentication;
pub mod data_file;
pub mod dedupe;
pub mod delivery;
pub mod deployment;
pub mod endpoint;
pub mod error;
pub mod event;
pub mod event_file;
pub mod event_type;
pub mod flow;
pub mod hashing;
pub mod identity;
pub mod identity_filter;
pub mod job;
pub mod key;
pub mod mail;
pub mod member;
pub mod metrics;
pub mod migrate;
pub mod notice;
pub mod notification;
pub mod observation;
pub mod oidc;
pub mod onboarding;
pub mod options;
pub mod outbox;
pub mod partner;
pub mod privacy;
pub mod provider;
pub mod publish;
pub mod quarantine;
pub mod quota;
pub mod registration;
pub mod registry;
pub mod schema_drift;
pub mod segment;
pub mod sent;
pub mod session;
pub mod shard;
pub mod share;
pub mod sign_in;
pub mod storage;
pub mod subscription;
pub mod supplier_key;
pub mod suppression;
pub mod task;
pub mod test_drive;
pub mod ticket;
pub mod traffic;
pub mod user;

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};

use engine::{Blobs, Clock, Db, Log};
use model::key::KeyHash;
use store::vault::Vault;

pub use actor::{Actor, Origin, Who};
pub use error::{Error, Result};
pub use options::Options;
pub use session::{Bearer, Via};
pub use store::access_token::AccessToken;
pub use store::audit::{Audit, AuditFilter};
pub use store::data_file::DataFile;
pub use store::delivery::{After, Attempt, Exception, ExceptionState};
pub use store::identity::{Identifier, Standing};
pub use store::identity_filter::IdentityFilter;
pub use store::job::{Job, JobFilter, NewJob};
pub use store::key::{Key, KeysOf};
pub use store::member::Member;
pub use store::notice::Notice;
pub use store::outbox::{OutboxKind, OutboxRow};
pub use store::quarantine::{QuarantineState, Quarantined};
pub use store::schema_drift::SchemaDrift;
pub use store::segment::{KnownSegment, SegmentFilter, Window};
pub use store::session::Session;
pub use store::suppression::Suppression;
pub use store::{Page, Scope};

/// The right to change what the registry knows; ends when dropped, which is after the registry has the change.
#[must_use]
pub(crate) struct Turn {
    _held: tokio::sync::OwnedMutexGuard<()>,
    /// Under which others will learn of the change; `None` where there are no others.
    version: Option<i64>,
}

/// The engines that a hub stands on, opened by whoever starts it.
pub struct Engines {
    pub db: Db,
    /// The log of every shard, in their order: one, where one process is alone.
    pub logs: Vec<Log>,
    pub blobs: Blobs,
    pub clock: Clock,
    pub vault: Vault,
}

/// The exchange. One for each process; verbs are its methods.
pub struct Hub {
    pub(crate) options: Options,
    pub(crate) db: Db,
    pub(crate) logs: shard::Logs,
    /// What this process is called among those that share the engines; new at each start.
    pub(crate) process: String,
    pub(crate) blobs: Blobs,
    pub(crate) clock: Clock,
    pub(crate) vault: Vault,
    pub(crate) client: outbound::Client,
    /// Access tokens for calls that need one.
    pub(crate) tokens: outbound::oauth::Tokens,
    /// `None`: no server is configured.
    pub(crate) mailer: Option<outbound::mail::Mailer>,
    /// Of production and pilot, once they are known.
    public_urls: OnceLock<[String; 2]>,
    pub(crate) registry: registry::Registry,
    /// Who must not be delivered or shared.
    pub(crate) suppressions: suppression::Suppressions,
    /// Whose turn it is to change what the registry knows.
    changes: Arc<tokio::sync::Mutex<()>>,
    /// The last change that the registry has.
    known_version: AtomicI64,
    pub(crate) dedupe: dedupe::Dedupe,
    pub(crate) quotas: quota::Quotas,
    pub(crate) hasher: sign_in::Hasher,
    /// The issuer of the single sign-on, if there is one.
    pub(crate) oidc: Option<outbound::oidc::Oidc>,
    pub(crate) drift: schema_drift::DriftBook,
    /// One promotion, and one beginning of a test drive, at a time.
    pub(crate) partnering: tokio::sync::Mutex<()>,
    /// What pilot accounts did.
    pub(crate) observed: observation::Observed,
    /// What the tasks that run by themselves did last.
    pub(crate) tasks: task::Tasks,
    pub(crate) flow: flow::Flow,
    /// What flowed lately, for people.
    pub(crate) traffic: traffic::Counts,
    /// Who is who, as met lately.
    pub(crate) identity: identity::Cache,
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
            logs,
            blobs,
            clock,
            vault,
        } = engines;
        store::migrate(&db).await?;
        let client = outbound::Client::new(options.outbound.clone());
        let mailer = mail::mailer(options.mail.as_ref())?;
        // The version first: what changes meanwhile is looked at again.
        let version = store::change::version(&mut db.read().await?).await?;
        let registry = registry::Registry::load(&db, &vault, None).await?;
        let suppressions = suppression::Suppressions::load(&db, &vault).await?;
        let logs = shard::Logs::new(logs)?;
        let flow = flow::Flow::new(&options, logs.count());
        let identity = identity::Cache::new(options.identity.cache_bytes_max, logs.count());
        let hub = Arc::new(Self {
            metrics,
            identity,
            dedupe: dedupe::Dedupe::default(),
            quotas: quota::Quotas::default(),
            hasher: sign_in::Hasher::default(),
            oidc: oidc::provider(&options),
            drift: schema_drift::DriftBook::default(),
            partnering: tokio::sync::Mutex::default(),
            observed: observation::Observed::default(),
            tasks: task::Tasks::default(),
            traffic: traffic::Counts::new(clock.now()),
            options,
            db,
            logs,
            process: uuid::Uuid::now_v7().to_string(),
            blobs,
            clock,
            vault,
            client,
            tokens: outbound::oauth::Tokens::default(),
            mailer,
            public_urls: OnceLock::new(),
            registry,
            suppressions,
            changes: Arc::default(),
            known_version: AtomicI64::new(version),
            flow,
        });
        if !hub.is_shared() {
            for (shard, _) in hub.logs.each() {
                hub.load_shard(shard, 0).await?;
                hub.recover_keys(shard).await?;
            }
        }
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

    /// Where partners reach production and pilot; told once, by whoever listens.
    pub fn serve_at(&self, urls: [String; 2]) {
        let _ = self.public_urls.set(urls);
    }

    /// The base URL of an environment, as partners reach it, without a slash at its end.
    pub fn base_url(&self, environment: model::Environment) -> &str {
        let urls = self.public_urls.get();
        urls.map_or("", |[production, pilot]| match environment {
            model::Environment::Production => production,
            model::Environment::Pilot => pilot,
        })
    }

    pub fn options(&self) -> &Options {
        &self.options
    }

    pub fn registry(&self) -> &registry::Registry {
        &self.registry
    }

    /// Others may work on the same engines.
    pub(crate) fn is_shared(&self) -> bool {
        self.options.processes.is_shared
    }

    /// The next position of an account's log: what is published from now on lies at or after it.
    pub(crate) async fn here(&self, account: model::AccountId) -> Result<u64> {
        let next_seq = self.logs.of(account).latest().await?;
        Ok(engine::Position::new(next_seq, 0).as_u64())
    }

    /// Begins a change of something that the registry knows. Whoever has the turn keeps it until the registry is up to
    /// date: else two changes could be committed in one order and made known in the other, and the later one would be
    /// forgotten until the next start. Among processes the database's lock does the same, and whoever gets it first
    /// learns what the others have changed, so that the rules are checked against what is.
    pub(crate) async fn begin_change(&self) -> Result<(engine::Tx, Turn)> {
        let held = Arc::clone(&self.changes).lock_owned().await;
        let mut tx = self.db.begin().await?;
        let mut version = None;
        if self.is_shared() {
            tx.lock_exclusive(store::change::LOCK).await?;
            let last = store::change::version(&mut tx).await?;
            if last > self.known_version.load(Ordering::Acquire) {
                self.catch_up().await?;
            }
            version = Some(last + 1);
        }
        Ok((
            tx,
            Turn {
                _held: held,
                version,
            },
        ))
    }

    /// Makes a change durable, for others to learn of.
    pub(crate) async fn commit_change(
        &self,
        tx: engine::Tx,
        turn: &Turn,
        account: model::AccountId,
    ) -> Result<()> {
        self.commit_changes(tx, turn, [account]).await
    }

    /// The same for a change that several accounts feel.
    pub(crate) async fn commit_changes(
        &self,
        mut tx: engine::Tx,
        turn: &Turn,
        accounts: impl IntoIterator<Item = model::AccountId>,
    ) -> Result<()> {
        if let Some(first) = turn.version {
            for (version, account) in (first..).zip(accounts) {
                store::change::insert(&mut tx, version, account, &self.process).await?;
            }
        }
        Ok(tx.commit().await?)
    }

    /// What keeps this process from serving, in sentences; empty when it is ready. Answers within a few seconds, also
    /// when a disk hangs.
    pub async fn missing(&self) -> Vec<String> {
        let logs = async {
            let all = self.logs.each().map(|(_, log)| log.health());
            futures_util::future::try_join_all(all).await.map(drop)
        };
        let (db, log, files) = tokio::join!(
            probe("database", self.db.health()),
            probe("log", logs),
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
