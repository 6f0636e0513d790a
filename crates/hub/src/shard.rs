//! Shards: every account belongs to one, and every shard has a log and a flow of its own.
//!
//! How many there are is decided when an installation starts for the first time, and stays. One process alone holds all
//! of them; where several share the engines, [`lease`] says who runs which.

pub(crate) mod lease;

use engine::{Db, Log};
use model::AccountId;
use store::vault::Vault;

use crate::{Error, Result};

/// The number of a shard, counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Shard(pub u32);

impl std::fmt::Display for Shard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Most shards there can be: each costs every process a little.
pub const SHARDS_MAX: u32 = 1_024;

/// The log of every shard.
pub(crate) struct Logs(Vec<Log>);

impl Logs {
    /// The logs in the order of their shards: at least one.
    pub(crate) fn new(logs: Vec<Log>) -> Result<Self> {
        if logs.is_empty() {
            return Err(Error::internal("a hub needs the log of at least one shard"));
        }
        Ok(Self(logs))
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// Where an account's events are.
    pub(crate) fn shard(&self, account: AccountId) -> Shard {
        let count = i64::try_from(self.0.len()).unwrap_or(i64::MAX);
        Shard(u32::try_from(account.0.rem_euclid(count)).unwrap_or_default())
    }

    pub(crate) fn of(&self, account: AccountId) -> &Log {
        self.at(self.shard(account))
    }

    pub(crate) fn at(&self, shard: Shard) -> &Log {
        &self.0[shard.0 as usize % self.0.len()]
    }

    pub(crate) fn each(&self) -> impl Iterator<Item = (Shard, &Log)> {
        (0..).map(Shard).zip(&self.0)
    }

    /// A shard as queries name it.
    pub(crate) fn part(&self, shard: Shard) -> store::Part {
        store::Part {
            shard: shard.0.into(),
            shards: i64::try_from(self.0.len()).unwrap_or(i64::MAX),
        }
    }
}

/// How many shards the installation has: as decided at its first start, which is now if it was never asked. Also
/// migrates the schema.
///
/// # Errors
/// [`Error::Conflict`] if another number is wanted than was decided.
pub async fn count(db: &Db, wanted: Option<u32>, default: u32) -> Result<u32> {
    const NAME: &str = "shards";
    store::migrate(db).await?;
    let mut tx = db.begin().await?;
    tx.lock_exclusive(store::change::LOCK).await?;
    let decided = store::setting::get(&mut tx, NAME)
        .await?
        .and_then(|text| text.parse().ok());
    match (decided, wanted) {
        (Some(decided), Some(wanted)) if decided != wanted => Err(Error::Conflict(format!(
            "this installation has {decided} shards, and the configuration says {wanted}: leave `shards` out, or migrate to a new installation"
        ))),
        (Some(decided), _) => Ok(decided),
        (None, wanted) => {
            // What an earlier release wrote has one.
            let is_new = store::flow::is_new(&mut tx).await?;
            let count = if is_new { wanted.unwrap_or(default) } else { 1 };
            store::setting::put(&mut tx, NAME, &count.to_string()).await?;
            tx.commit().await?;
            Ok(count)
        }
    }
}

/// Makes sure that `vault` opens what this installation has sealed: notes its key at the first start, and looks for that
/// one at every other.
///
/// # Errors
/// [`Error::Conflict`] if another key was noted.
pub async fn agree_on_key(db: &Db, vault: &Vault) -> Result<()> {
    const NAME: &str = "key_id";
    let mut tx = db.begin().await?;
    tx.lock_exclusive(store::change::LOCK).await?;
    match store::setting::get(&mut tx, NAME).await? {
        Some(id) if vault.has(&id) => Ok(()),
        Some(_) => Err(Error::Conflict(
            "the secrets of this database were sealed under another key: give every process that shares it the same \
             RIALTO_SECRET_KEY, or the same secret.key; an old key stays below the new one"
                .to_owned(),
        )),
        None => {
            store::setting::put(&mut tx, NAME, &vault.newest()).await?;
            Ok(tx.commit().await?)
        }
    }
}
