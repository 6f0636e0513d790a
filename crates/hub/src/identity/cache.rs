//! Sets of identifiers met lately, and whom they belong to: so that what is known costs no query.
//!
//! Bounded in bytes: what has not been asked for since half of them were filled anew is forgotten. A person who changes
//! is forgotten with all sets that lead to it. Held by the process that runs the account's shard only; what another
//! process changes (an undo, a removal) is followed with the registry's changes.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::AccountId;
use model::identity::{Form, Key};

use super::Person;
use crate::shard::Shard;

/// What an entry costs beside its texts.
const ENTRY_BYTES: usize = 200;

/// Whom a set belongs to; shared by all sets of a person.
#[derive(Debug)]
struct Entry {
    account: AccountId,
    person: Option<Arc<Person>>,
    is_stale: AtomicBool,
}

#[derive(Default)]
struct Generation {
    sets: HashMap<Key, Arc<Entry>>,
    people: HashMap<i64, Arc<Entry>>,
    bytes: usize,
}

#[derive(Default)]
struct Inner {
    young: Generation,
    old: Generation,
    /// Rises whenever somebody's people change.
    version: u64,
}

pub(crate) struct Cache {
    bytes_max: usize,
    inner: Mutex<Inner>,
    /// The types and forms of hashes whose clear values can be found; they only become more.
    indexed: Mutex<HashSet<(AccountId, String, Form)>>,
    /// Who learns for a shard, one after the other.
    turns: Vec<tokio::sync::Mutex<()>>,
}

impl Cache {
    pub(crate) fn new(bytes_max: usize, shards: usize) -> Self {
        Self {
            bytes_max,
            inner: Mutex::default(),
            indexed: Mutex::default(),
            turns: std::iter::repeat_with(Default::default)
                .take(shards)
                .collect(),
        }
    }

    /// Whose turn it is to change people of a shard.
    pub(super) async fn turn(&self, shard: Shard) -> tokio::sync::MutexGuard<'_, ()> {
        self.turns[shard.0 as usize % self.turns.len()].lock().await
    }

    pub(super) fn is_indexed(&self, account: AccountId, (kind, form): &(String, Form)) -> bool {
        let indexed = self.indexed.lock().unwrap_or_else(PoisonError::into_inner);
        indexed.contains(&(account, kind.clone(), *form))
    }

    pub(super) fn indexed(
        &self,
        account: AccountId,
        forms: impl IntoIterator<Item = (String, Form)>,
    ) {
        let mut indexed = self.indexed.lock().unwrap_or_else(PoisonError::into_inner);
        indexed.extend(forms.into_iter().map(|(kind, form)| (account, kind, form)));
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `Some(None)`: the set is known to belong to nobody.
    pub(super) fn get(&self, key: &Key) -> Option<Option<Arc<Person>>> {
        let mut inner = self.inner();
        if let Some(entry) = inner.young.sets.get(key) {
            return (!entry.is_stale.load(Ordering::Relaxed)).then(|| entry.person.clone());
        }
        let entry = inner.old.sets.remove(key)?;
        if entry.is_stale.load(Ordering::Relaxed) {
            return None;
        }
        let person = entry.person.clone();
        inner.put(*key, entry, self.bytes_max);
        Some(person)
    }

    /// What [`Cache::put_read`] must be told.
    pub(super) fn version(&self) -> u64 {
        self.inner().version
    }

    /// Keeps what was read from the store, unless something changed since `version`.
    pub(super) fn put_read(
        &self,
        version: u64,
        account: AccountId,
        read: impl IntoIterator<Item = (Key, Option<Arc<Person>>)>,
    ) {
        let mut inner = self.inner();
        if inner.version == version {
            inner.put_all(account, read, self.bytes_max);
        }
    }

    /// People changed, or are gone; and what is known now.
    pub(super) fn changed(
        &self,
        account: AccountId,
        people: impl IntoIterator<Item = i64>,
        now: impl IntoIterator<Item = (Key, Option<Arc<Person>>)>,
    ) {
        let mut inner = self.inner();
        inner.version += 1;
        for person in people {
            inner.forget(person);
        }
        inner.put_all(account, now, self.bytes_max);
    }

    /// Forgets what is known of an account: somebody else has changed it.
    pub(crate) fn forget_account(&self, account: AccountId) {
        self.forget_where(|of| of == account);
    }

    /// The same for all accounts of which this is true.
    pub(crate) fn forget_where(&self, is_meant: impl Fn(AccountId) -> bool) {
        let mut inner = self.inner();
        inner.version += 1;
        let Inner { young, old, .. } = &mut *inner;
        for generation in [young, old] {
            generation.sets.retain(|_, entry| !is_meant(entry.account));
            generation
                .people
                .retain(|_, entry| !is_meant(entry.account));
        }
    }
}

impl Inner {
    fn put_all(
        &mut self,
        account: AccountId,
        read: impl IntoIterator<Item = (Key, Option<Arc<Person>>)>,
        bytes_max: usize,
    ) {
        for (key, person) in read {
            let known = person.as_ref().and_then(|person| {
                let people = [&self.young.people, &self.old.people];
                let mut entries = people.into_iter().filter_map(|known| known.get(&person.id));
                entries.next().cloned()
            });
            let entry = known
                .filter(|entry| entry.person == person)
                .unwrap_or_else(|| {
                    Arc::new(Entry {
                        account,
                        person,
                        is_stale: AtomicBool::new(false),
                    })
                });
            self.put(key, entry, bytes_max);
        }
    }

    fn put(&mut self, key: Key, entry: Arc<Entry>, bytes_max: usize) {
        self.young.bytes += ENTRY_BYTES;
        if let Some(person) = &entry.person
            && !self.young.people.contains_key(&person.id)
        {
            let texts = person.identifiers.iter();
            let texts = texts.map(|known| known.name.len() + known.kind.len() + known.value.len());
            self.young.bytes += texts.map(|bytes| bytes + ENTRY_BYTES).sum::<usize>();
            self.young.people.insert(person.id, Arc::clone(&entry));
        }
        self.young.sets.insert(key, entry);
        if self.young.bytes > bytes_max / 2 {
            self.old = std::mem::take(&mut self.young);
        }
    }

    fn forget(&mut self, person: i64) {
        for generation in [&mut self.young, &mut self.old] {
            if let Some(entry) = generation.people.remove(&person) {
                entry.is_stale.store(true, Ordering::Relaxed);
            }
        }
    }
}
