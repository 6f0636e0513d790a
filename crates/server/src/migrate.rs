//! `rialto migrate`: takes an installation from the engines of one configuration to those of another.
//!
//! Two runs: with `--live` the bulk is copied while the source serves; without it, with everybody stopped, the rest, and
//! only then can the target be started. Either may be begun again at any time. What is copied, and how, says
//! [`hub::migrate`]; here both sides are opened, so that nobody else works on them.

use std::path::{Path, PathBuf};

use engine::{Clock, Db};
use hub::migrate::{Report, Side};
use store::vault::Vault;

use crate::config::{BlobsEngine, Config, ConfigError, DbEngine};
use crate::{StartError, lock, open};

/// Why a migration did not go on.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("the source cannot be opened")]
    Source(#[source] StartError),
    #[error("the target cannot be opened")]
    Target(#[source] StartError),
    #[error("the source is not there: {0} does not exist")]
    NoSource(PathBuf),
    #[error("source and target are the same: both keep their {0} in the same place")]
    Same(&'static str),
    #[error("a process works on the {0}: stop all of them, then run this again")]
    InUse(&'static str),
    #[error(
        "the target has {to} shards and the source {from}: leave `shards` out of its configuration"
    )]
    Shards { from: u32, to: u32 },
    #[error(
        "the target has a key of its own, with which it could not read the source's secrets: give it the source's"
    )]
    Key,
    #[error("the key could not be copied to {path}")]
    CopyKey {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the log of the source could not be read while it serves")]
    Snapshot(#[source] engine::DbError),
    #[error("there is no room for a copy of the log")]
    Room(#[source] std::io::Error),
    #[error("the migration stopped; run it again, it goes on where it stopped")]
    Copy(#[from] hub::Error),
}

type Result<T> = std::result::Result<T, MigrateError>;

/// Reads a configuration file as it stands: what the environment says would be said of both sides. Only the key may
/// come from there: both have the same.
///
/// # Errors
/// [`ConfigError`].
pub fn load(file: &Path) -> Result<Config> {
    let key = |name: &str| {
        (name == "RIALTO_SECRET_KEY")
            .then(|| std::env::var(name).ok())
            .flatten()
    };
    Ok(Config::load(Some(file), key)?)
}

/// Copies what is not copied yet. `is_live`: the source may be serving, and the target is not finished by this.
///
/// # Errors
/// [`MigrateError`]; the target is not finished then, and no start takes it.
pub async fn migrate(from: &Config, to: &Config, is_live: bool) -> Result<Report> {
    from.check()?;
    to.check()?;
    check_apart(from, to)?;
    if from.engines.db == DbEngine::Sqlite {
        let path = from.server.data.join(open::DATABASE);
        if !path.is_file() {
            return Err(MigrateError::NoSource(path));
        }
    }
    // Held to the end.
    let _target = locked(to, "target", MigrateError::Target)?;
    let _source = match is_live {
        true => None,
        false => locked(from, "source", MigrateError::Source)?,
    };
    let from_db = open::db(from).await.map_err(MigrateError::Source)?;
    let to_db = open::db(to).await.map_err(MigrateError::Target)?;
    if !is_live {
        check_quiet(&from_db, from, "source").await?;
    }
    hub::migrate::check_finished(&from_db).await?;
    hub::migrate::begin(&to_db).await?;
    let (from_shards, to_shards) = shards(from, to, &from_db, &to_db).await?;
    share_key(from, to, &from_db).await?;
    let copies = tempfile::tempdir_in(parent(&to.server.data)).map_err(MigrateError::Room)?;
    let source = source(from, from_db, from_shards, is_live, copies.path()).await?;
    let target = side(to, to_db, to_shards)
        .await
        .map_err(MigrateError::Target)?;
    let report = match is_live {
        true => hub::migrate::copy_bulk(&source, &target).await,
        false => hub::migrate::finish(&source, &target).await,
    };
    for log in source.logs.iter().chain(&target.logs) {
        log.close().await;
    }
    Ok(report?)
}

/// The directory of a data directory that may not be there yet.
fn parent(data: &Path) -> &Path {
    data.parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

/// What both sides would write to must be two things.
fn check_apart(from: &Config, to: &Config) -> Result<()> {
    let (old, new) = (&from.engines, &to.engines);
    let is_same_data = from.server.data == to.server.data;
    if old.db == new.db && (old.is_shared() || is_same_data) {
        return Err(MigrateError::Same("database"));
    }
    if let (Some(old), Some(new)) = (old.jetstream(), new.jetstream())
        && old.servers == new.servers
        && old.prefix == new.prefix
    {
        return Err(MigrateError::Same("log"));
    }
    if old.blobs == new.blobs
        && old.s3_endpoint == new.s3_endpoint
        && (old.blobs != BlobsEngine::Directory || is_same_data)
    {
        return Err(MigrateError::Same("event files"));
    }
    Ok(())
}

/// The lock of a data directory that has a database in it.
fn locked(
    config: &Config,
    which: &'static str,
    wrap: impl FnOnce(StartError) -> MigrateError,
) -> Result<Option<crate::Lock>> {
    if config.engines.is_shared() {
        return Ok(None);
    }
    match lock(&config.server.data) {
        Ok(lock) => Ok(Some(lock)),
        Err(StartError::InUse(_)) => Err(MigrateError::InUse(which)),
        Err(error) => Err(wrap(error)),
    }
}

/// Processes that share a database say that they live: nobody may have done so for the time of a lease.
async fn check_quiet(db: &Db, config: &Config, which: &'static str) -> Result<()> {
    if !config.engines.is_shared() {
        return Ok(());
    }
    let before = hub::migrate::beats(db).await?;
    if before.is_empty() {
        return Ok(());
    }
    tokio::time::sleep(config.processes.lease.0).await;
    if hub::migrate::beats(db).await? == before {
        Ok(())
    } else {
        Err(MigrateError::InUse(which))
    }
}

/// How many shards both sides have: the target as many as the source, unless the source has one.
async fn shards(from: &Config, to: &Config, from_db: &Db, to_db: &Db) -> Result<(u32, u32)> {
    let old = hub::shard::count(from_db, None, from.engines.shards_default()).await?;
    let default = match old {
        1 => to.engines.shards_default(),
        old => old,
    };
    let new = hub::shard::count(to_db, to.engines.shards_wanted(), default).await?;
    if old != 1 && new != old {
        return Err(MigrateError::Shards { from: old, to: new });
    }
    Ok((old, new))
}

/// The target's key is the source's: copied if the target has none.
async fn share_key(from: &Config, to: &Config, from_db: &Db) -> Result<()> {
    let vault = open::vault(from).map_err(MigrateError::Source)?;
    hub::shard::agree_on_key(from_db, &vault).await?;
    let (old, new) = [from, to]
        .map(|config| config.server.data.join(open::KEY))
        .into();
    if to.secret_key.is_none() && !new.exists() {
        let copy = || {
            std::fs::create_dir_all(&to.server.data)?;
            // With its permissions: nobody but its owner reads it.
            std::fs::copy(&old, &new)?;
            std::fs::File::open(&new)?.sync_all()
        };
        copy().map_err(|source| MigrateError::CopyKey { path: new, source })?;
    }
    let theirs: Vault = open::vault(to).map_err(MigrateError::Target)?;
    if theirs.has(&vault.newest()) {
        Ok(())
    } else {
        Err(MigrateError::Key)
    }
}

async fn side(config: &Config, db: Db, shards: u32) -> std::result::Result<Side, StartError> {
    let options = open::log_options(config);
    Ok(Side {
        logs: open::logs(config, &db, shards, &options, &Clock::System).await?,
        blobs: open::blobs(config).await?,
        db,
    })
}

/// The source. One that serves has its log files for itself: they are read from copies.
async fn source(
    config: &Config,
    db: Db,
    shards: u32,
    is_live: bool,
    copies: &Path,
) -> Result<Side> {
    if !is_live || config.engines.is_shared() {
        return side(config, db, shards).await.map_err(MigrateError::Source);
    }
    for shard in 0..shards {
        let name = open::log_name(shard);
        let log = Db::open_sqlite(&config.server.data.join(&name)).await;
        let log = log.map_err(MigrateError::Snapshot)?;
        log.snapshot(&copies.join(&name))
            .await
            .map_err(MigrateError::Snapshot)?;
    }
    let mut copied = config.clone();
    copied.server.data = copies.to_owned();
    let options = open::log_options(config);
    let logs = open::logs(&copied, &db, shards, &options, &Clock::System).await;
    Ok(Side {
        logs: logs.map_err(MigrateError::Source)?,
        blobs: open::blobs(config).await.map_err(MigrateError::Source)?,
        db,
    })
}

/// What a run did, in sentences.
pub fn told(report: &Report, is_live: bool) -> String {
    let rows: u64 = report.tables.iter().map(|(_, rows)| rows).sum();
    let mut text = format!(
        "Copied, read back and found equal: {} batches of the log, {} files, {rows} rows.",
        report.batches, report.files
    );
    if report.damaged > 0 {
        let damaged = report.damaged;
        text.push_str(&format!(
            "\nLeft out: {damaged} damaged batches of the source's log; its own log tells which."
        ));
    }
    text.push_str(if is_live {
        "\nNow stop the source, and run the same without --live: it copies what came since."
    } else {
        "\nThe target can be started. Do not start the source again: both would deliver."
    });
    text
}
