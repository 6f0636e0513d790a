//! Opens what the configuration names: the key, the database, the log of every shard, and the blobs.
//!
//! Called by [`crate::Server::start`] and by `rialto migrate`. Warns of what an engine does not promise.

use std::error::Error as _;
use std::sync::Arc;

use engine::{Blobs, Clock, CommitStats, Db, JetStream, Log, LogOptions};
use hub::{Engines, Hub};
use store::vault::Vault;

use crate::config::{BlobsEngine, Config, DbEngine};
use crate::{Extras, StartError};

/// The key that seals secrets, in the data directory.
pub const KEY: &str = "secret.key";
/// The database, in the data directory.
pub const DATABASE: &str = "rialto.db";
/// Event files, in the data directory.
pub const BLOBS: &str = "blobs";

/// Opens everything, and the hub on it.
pub(crate) async fn hub(config: &Config, extras: &Extras) -> Result<Arc<Hub>, StartError> {
    for warning in config.check()? {
        tracing::warn!("{warning}");
    }
    let vault = vault(config)?;
    let db = db(config).await?;
    let engines = &config.engines;
    let shards = hub::shard::count(&db, engines.shards_wanted(), engines.shards_default()).await?;
    hub::migrate::check_finished(&db).await?;
    hub::shard::agree_on_key(&db, &vault).await?;
    let metrics = hub::metrics::Metrics::new();
    let commit = metrics.commit.clone();
    let options = LogOptions {
        on_commit: Some(Arc::new(move |stats: CommitStats| {
            commit.observe(stats.elapsed.as_secs_f64());
        })),
        faults: extras.faults.clone(),
        ..log_options(config)
    };
    let logs = logs(config, &db, shards, &options, &extras.clock).await?;
    let blobs = blobs(config).await?;
    let engines = Engines {
        db,
        logs,
        blobs,
        clock: extras.clock.clone(),
        vault,
    };
    Ok(Hub::open(engines, config.hub_options(), metrics).await?)
}

fn failed<E>(what: &'static str) -> impl FnOnce(E) -> StartError
where
    E: std::error::Error + Send + Sync + 'static,
{
    move |source| StartError::Engine {
        what,
        source: Box::new(source),
    }
}

/// The key of the environment, else that of the data directory. Only a process that is alone makes one: those that share
/// a database share its key.
pub(crate) fn vault(config: &Config) -> Result<Vault, StartError> {
    let path = config.server.data.join(KEY);
    match &config.secret_key {
        Some(text) => Vault::from_text(text.expose()),
        None if config.engines.is_shared() && !path.exists() => {
            return Err(StartError::NoKey(path));
        }
        None => Vault::open_file(&path),
    }
    .map_err(failed("secret key"))
}

pub(crate) async fn db(config: &Config) -> Result<Db, StartError> {
    let db = match &config.engines.db {
        DbEngine::Sqlite => Db::open_sqlite(&config.server.data.join(DATABASE)).await,
        DbEngine::Postgres(url) => Db::open_postgres(url.expose()).await,
    };
    let db = db.map_err(failed("database"))?;
    for promise in db.promises() {
        tracing::warn!("{promise}");
    }
    Ok(db)
}

/// Limits as configured.
pub(crate) fn log_options(config: &Config) -> LogOptions {
    let log = &config.log;
    LogOptions {
        batch_bytes_max: log.batch_bytes_max.0,
        queue_bytes_max: log.queue_bytes_max.0,
        queue_records_max: log.queue_records_max,
        tail_bytes_max: log.tail_bytes_max.0,
        ..LogOptions::default()
    }
}

/// The name of a shard's log in the data directory.
pub(crate) fn log_name(shard: u32) -> String {
    match shard {
        0 => "log.db".to_owned(),
        shard => format!("log-{shard}.db"),
    }
}

/// The log of every shard, in their order.
pub(crate) async fn logs(
    config: &Config,
    db: &Db,
    shards: u32,
    options: &LogOptions,
    clock: &Clock,
) -> Result<Vec<Log>, StartError> {
    let link = match config.engines.jetstream() {
        Some(servers) => Some(JetStream::connect(servers).await.map_err(failed("log"))?),
        None => None,
    };
    let mut logs = Vec::new();
    for shard in 0..shards {
        let (options, clock) = (options.clone(), clock.clone());
        let log = match (&link, &config.engines.db) {
            (Some(link), _) => Log::open_jetstream(link, shard, options, clock).await,
            (None, DbEngine::Sqlite) => {
                let path = config.server.data.join(log_name(shard));
                Log::open_sqlite(&path, options, clock).await
            }
            (None, DbEngine::Postgres(_)) => Log::open_postgres(db, shard, options, clock).await,
        };
        logs.push(log.map_err(failed("log"))?);
    }
    // All shards rest alike.
    for promise in logs.first().map(Log::promises).unwrap_or_default() {
        tracing::warn!("{promise}");
    }
    Ok(logs)
}

/// A bucket that cannot be written is told of and does not stop the start: publishing and pushing go on without.
pub(crate) async fn blobs(config: &Config) -> Result<Blobs, StartError> {
    if let Some(options) = config.engines.s3() {
        let blobs = Blobs::open_s3(&options).map_err(failed("file store"))?;
        if let Err(error) = blobs.health().await {
            let why = error.source().map_or_else(String::new, ToString::to_string);
            tracing::warn!(place = ?options, "event files cannot be written now: {error}: {why}");
        }
        return Ok(blobs);
    }
    let path = match &config.engines.blobs {
        BlobsEngine::Shared(path) => path.clone(),
        _ => config.server.data.join(BLOBS),
    };
    Blobs::open_directory(&path)
        .await
        .map_err(failed("file store"))
}
