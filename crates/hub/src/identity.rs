//! Who is who: people as the identifiers that were seen together, learned from events and audiences.
//!
//! [`Hub::learn`] takes facts – sets of identifiers seen together – and answers the people they belong to; [`Hub::known`]
//! looks people up. Both answer from memory what they met lately. The rules are `model::identity`'s, the rows
//! `store::identity`'s. Called by the router (before it routes), by push and pack (what else is known of a person), by
//! audiences, and by requests about a person.
//!
//! Learning happens only where the account's shard runs, under its epoch; every change of an account's graph holds the
//! account's lock in the database, so what another process undoes meanwhile is not written over.

mod barred;
mod cache;
mod change;
mod document;
mod estimate;
mod explain;
mod learn;
mod lookup;
mod rules;
mod undo;

use std::sync::Arc;

use model::hashing::{HashAlgorithm, HashMode};
use model::identity::{Form, Key, Told};
use model::{AccountId, X1Id};
use store::identity::Identifier;

pub use estimate::Estimate;
pub use explain::{Explained, ExplainedFact, Wanted};
pub use model::identity::{Fact, Source};
pub use rules::{MovedIdentifier, RulesReport};
pub use undo::{Forgotten, Undone};

pub(crate) use cache::Cache;
pub(crate) use document::Who;

use crate::{Error, Hub, Result};

/// A person of an account, as known at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The oldest identifier's; people that are merged keep that of the older.
    pub id: i64,
    pub x1_id: X1Id,
    /// All that is known, oldest first.
    pub identifiers: Vec<Known>,
}

/// An identifier of a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    pub id: i64,
    pub key: Key,
    /// As the endpoint that told it first calls it.
    pub name: String,
    /// Identity type in lower case.
    pub kind: String,
    /// As it is matched: without blanks around it and, unless letter case matters, in lower case.
    pub value: String,
    pub form: Form,
    /// `Hashed`: the value is a hash. `Required`: an endpoint that told it does not want it to leave in clear.
    pub mode: HashMode,
    /// By which it was hashed or is to be, where it was said.
    pub algorithm: Option<HashAlgorithm>,
}

impl Known {
    fn of(row: &Identifier) -> Self {
        Self {
            id: row.id,
            key: row.digest,
            name: row.name.clone(),
            kind: row.kind.clone(),
            value: row.value.clone(),
            form: row.form,
            mode: row.mode,
            algorithm: row.algorithm,
        }
    }
}

/// A new person's id: nothing can be learned from it but when it was made, and who was erased does not get it again.
fn new_x1_id(now: jiff::Timestamp) -> X1Id {
    let seconds = u64::try_from(now.as_second()).unwrap_or_default();
    let nanos = u32::try_from(now.subsec_nanosecond()).unwrap_or_default();
    let timestamp = uuid::Timestamp::from_unix(uuid::NoContext, seconds, nanos);
    X1Id(uuid::Uuid::new_v7(timestamp))
}

/// A set of identifiers, ready to be looked up.
#[derive(Debug, Clone)]
struct Set {
    /// Of its identifiers, sorted, each once; blank ones are not among them.
    keys: Vec<Key>,
    /// Stands for the set in the store.
    key: Key,
    /// Stands for it in memory: the same identifiers told as not to leave in clear are another thing there.
    cached_as: Key,
}

impl Set {
    /// `None`: there is no identifier with a value.
    fn of(account: AccountId, told: &[Told<'_>]) -> Option<Self> {
        let given = told.iter().filter(|one| !one.value.trim().is_empty());
        let mut keys: Vec<Key> = given.map(|one| one.key(account)).collect();
        let key = model::identity::set_key(&mut keys)?;
        let mut cached_as = key;
        if told.iter().any(|one| one.mode == HashMode::Required) {
            cached_as[0] ^= 1;
        }
        Some(Self {
            keys,
            key,
            cached_as,
        })
    }
}

impl Hub {
    /// Learns facts of one account: durable when it answers. For each fact the person it belongs to, as known after all of
    /// them; `None` for one whose identifiers stand for nobody (junk, or no value).
    ///
    /// Only where the account's shard runs. What is known already costs no query.
    ///
    /// # Errors
    /// [`Error::Busy`] if the account's shard does not run here (any more); nothing was learned then.
    pub async fn learn(
        &self,
        account: AccountId,
        facts: &[Fact<'_>],
    ) -> Result<Vec<Option<Arc<Person>>>> {
        let shard = self.logs.shard(account);
        let tenure = self.flow.tenures().into_iter().find(|(s, _)| *s == shard);
        let learned = match tenure {
            Some(tenure) => self.learn_under(tenure, &[(account, facts)]).await?,
            None => None,
        };
        let mut learned = learned.ok_or_else(|| Error::Busy {
            what: "the work of this account has moved to another process".to_owned(),
            retry_after: std::time::Duration::from_secs(1),
        })?;
        Ok(learned.pop().unwrap_or_default())
    }

    /// Whom these sets of identifiers belong to, as far as is known; nothing is learned. Any process may ask. Clear values
    /// and hashes of them find one another. Of a set whose identifiers belong to several people, the oldest is answered.
    pub async fn known(
        &self,
        account: AccountId,
        sets: &[Vec<Told<'_>>],
    ) -> Result<Vec<Option<Arc<Person>>>> {
        let asked: Vec<(Option<Set>, &[Told<'_>])> = sets
            .iter()
            .map(|told| (Set::of(account, told), told.as_slice()))
            .collect();
        self.known_sets(account, &asked).await
    }

    /// Whether the account keeps a graph.
    pub(crate) fn keeps_identity(&self, account: AccountId) -> bool {
        self.registry
            .account(account)
            .is_none_or(|account| account.policy.identity == model::account::Identity::On)
    }
}
