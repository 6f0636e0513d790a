//! Who must not be delivered or shared: the account's suppression list, and people whom a privacy request restricted.
//!
//! [`Hub::barred`] is asked for every document and every audience row on its way out; it looks at digests in memory, which
//! follow what other processes change. No list keeps an identifier (`model::suppression`), so it outlives the erasure of
//! the people on it.

mod file;

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use engine::{Db, Tx};
use model::account::{Heed, Honour};
use model::hashing::Region;
use model::record::Document;
use model::suppression::{Barrier, DigestKey, Forms, event_withdraws_consent};
use model::{AccountId, Barred, Invalid, Subject};
use serde_json::json;
use store::suppression::{NewSuppression, Suppression};
use store::vault::Vault;

use crate::identity::Who;
use crate::{Actor, Error, Hub, Page, Result, Scope};

/// What the key of all digests is sealed for.
const KEY: &str = "suppression_key";

/// Entries read at a time while filling the memory.
const LOAD_PAGE: i64 = 10_000;

/// Entries of one account at most: each takes about 200 bytes in every process.
pub const ENTRIES_MAX: u64 = 5_000_000;
/// Longest reference, in bytes.
const REFERENCE_BYTES_MAX: usize = 200;

/// What this process knows of all lists.
pub(crate) struct Suppressions {
    key: DigestKey,
    known: RwLock<HashMap<AccountId, Known>>,
}

#[derive(Default)]
struct Known {
    version: i64,
    barrier: Barrier,
}

impl Suppressions {
    /// All lists, and the key, which is made at the first start.
    pub(crate) async fn load(db: &Db, vault: &Vault) -> Result<Self> {
        let suppressions = Self {
            key: key(db, vault).await?,
            known: RwLock::default(),
        };
        let mut tx = db.read().await?;
        for account in store::suppression::accounts(&mut tx).await? {
            suppressions.follow(&mut tx, account).await?;
        }
        Ok(suppressions)
    }

    pub(crate) fn key(&self) -> DigestKey {
        self.key.clone()
    }

    /// Reads an account's list again, if it is another than the one that is known; answers whether it was.
    pub(crate) async fn follow(&self, tx: &mut Tx, account: AccountId) -> Result<bool> {
        let scope = Scope(account);
        // The version first: what changes meanwhile is read again.
        let version = store::suppression::version(tx, scope).await?;
        let known = self.read(|known| known.get(&account).map_or(0, |known| known.version));
        if version == known {
            return Ok(false);
        }
        let mut barrier = Barrier::default();
        let mut after = 0;
        loop {
            let page = Page {
                after,
                limit: LOAD_PAGE,
            };
            let (forms, last) = store::suppression::forms(tx, scope, page).await?;
            for (why, form) in forms {
                barrier.put(why, &[form]);
            }
            match last {
                Some(last) => after = last,
                None => break,
            }
        }
        self.write(|known| known.insert(account, Known { version, barrier }));
        Ok(true)
    }

    fn read<T>(&self, read: impl FnOnce(&HashMap<AccountId, Known>) -> T) -> T {
        read(&self.known.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write<T>(&self, write: impl FnOnce(&mut HashMap<AccountId, Known>) -> T) -> T {
        write(&mut self.known.write().unwrap_or_else(PoisonError::into_inner))
    }
}

async fn key(db: &Db, vault: &Vault) -> Result<DigestKey> {
    let mut tx = db.begin().await?;
    tx.lock_exclusive(store::change::LOCK).await?;
    let clear = match store::suppression::key(&mut tx).await? {
        Some(sealed) => vault.open(KEY, &sealed)?,
        None => {
            let mut fresh = [0; 32];
            getrandom::fill(&mut fresh).map_err(|error| Error::internal(error.to_string()))?;
            store::suppression::put_key(&mut tx, vault.seal(KEY, &fresh)?).await?;
            fresh.to_vec()
        }
    };
    tx.commit().await?;
    let key = clear
        .try_into()
        .map_err(|_| Error::internal("the key of the suppression lists has another length"))?;
    Ok(DigestKey(key))
}

impl Hub {
    /// Why a person whom these identifiers name must be neither delivered nor shared, if so. Restrictions always count, the
    /// suppression list where the account says so. In memory; costs nothing for accounts that bar nobody.
    pub(crate) fn barred<'a>(
        &self,
        account: AccountId,
        identifiers: impl IntoIterator<Item = Subject<'a>>,
    ) -> Option<Barred> {
        self.suppressions.read(|known| {
            let barrier = &known.get(&account)?.barrier;
            if barrier.is_empty() {
                return None;
            }
            let of = self.registry.account(account)?;
            let is_listed = of.policy.suppression_list == Honour::Honour;
            let region = region(&of.policy);
            let key = (&self.suppressions.key, account);
            let mut found = None;
            for subject in identifiers {
                match barrier.find(key, &subject, (region, is_listed)) {
                    Some(Barred::Restricted) => return Some(Barred::Restricted),
                    why => found = found.or(why),
                }
            }
            found
        })
    }

    /// The same for a document of the log, whose events may also withdraw consent: then none of it is delivered.
    pub(crate) fn barred_document(&self, document: &Document<'_>, who: &Who) -> Option<Barred> {
        let account = document.account;
        let published = document.identifiers.iter().map(Subject::from);
        let identifiers = published.chain(who.subjects());
        self.barred(account, identifiers).or_else(|| {
            let of = self.registry.account(account)?;
            let is_heeded = of.policy.contact_consent == Heed::Honour;
            let mut events = document.events.iter();
            let withdraws = |event: &model::record::Event<'_>| event_withdraws_consent(&event.body);
            (is_heeded && events.any(withdraws)).then_some(Barred::Unconsented)
        })
    }

    /// Why a document was delivered to nobody: who is barred today, and was when it was published. Nothing is noted when a
    /// document is withheld, so whoever has been taken off a list since does not count.
    pub(crate) async fn withheld(&self, document: &Document<'_>) -> Result<Option<Barred>> {
        let who = self.who_one(document).await?;
        let barred = self.barred_document(document, &who);
        let Some(why) = barred.filter(|why| *why != Barred::Unconsented) else {
            // What an event says of itself, it said then.
            return Ok(barred);
        };
        let account = document.account;
        let published = document.identifiers.iter().map(Subject::from);
        let digests: Vec<_> = published
            .chain(who.subjects())
            .flat_map(|subject| self.suppression_of(account, &subject).stored)
            .map(|(digest, _)| digest)
            .collect();
        let mut tx = self.db.read().await?;
        let found = store::suppression::find(&mut tx, Scope(account), Some(why), &digests).await?;
        let published_us = document.published_at_us;
        let was_barred = |entry: &Suppression| entry.created_at.as_microsecond() <= published_us;
        Ok(found.iter().any(was_barred).then_some(why))
    }

    /// The forms under which an identifier is entered or looked for.
    pub(crate) fn suppression_of(
        &self,
        account: AccountId,
        subject: &Subject<'_>,
    ) -> NewSuppression {
        let of = self.registry.account(account);
        let region = of.and_then(|of| region(&of.policy));
        let forms = Forms::of(subject, region);
        NewSuppression {
            kind: subject.kind.to_owned(),
            stored: self.suppressions.key.all(account, subject.kind, &forms),
        }
    }

    /// Puts people on an account's suppression list, in effect when this answers, for deliveries and shares that begin
    /// then; answers how many are new on it. `reference` is kept with them, for whoever asks later why.
    ///
    /// # Errors
    /// [`Error::Invalid`] if an identifier is blank, with its place in `identifiers`, if the reference is longer than 200
    /// bytes, or if the list would be too long.
    pub async fn suppression_add(
        &self,
        actor: &Actor,
        scope: Scope,
        reference: &str,
        identifiers: &[Subject<'_>],
    ) -> Result<u64> {
        if reference.len() > REFERENCE_BYTES_MAX {
            let message = format!("longer than {REFERENCE_BYTES_MAX} bytes");
            return Err(Invalid::one("/reference", "too-long", message).into());
        }
        let entries = self.suppressions_of(scope, identifiers)?;
        let (mut tx, turn) = self.begin_change().await?;
        let there = store::suppression::count(&mut tx, scope, Barred::Suppressed).await?;
        if there + entries.len() as u64 > ENTRIES_MAX {
            let message = format!(
                "the list has {there} entries and may have {ENTRIES_MAX}: remove those that are no longer needed"
            );
            return Err(Invalid::one("", "too-many", message).into());
        }
        let why = (Barred::Suppressed, reference);
        let now = self.now();
        let added = store::suppression::insert_many(&mut tx, scope, why, entries, now).await?;
        let detail = json!({ "after": { "added": added.len(), "reference": reference } });
        self.suppression_audit(&mut tx, scope, actor, "suppression.add", detail)
            .await?;
        self.commit_change(tx, &turn, scope.0).await?;
        self.follow_suppressions(scope.0).await?;
        Ok(added.len() as u64)
    }

    /// Takes people off the list again; answers how many were on it.
    ///
    /// # Errors
    /// [`Error::Invalid`] if an identifier is blank.
    pub async fn suppression_remove(
        &self,
        actor: &Actor,
        scope: Scope,
        identifiers: &[Subject<'_>],
    ) -> Result<u64> {
        let entries = self.suppressions_of(scope, identifiers)?;
        let (mut tx, turn) = self.begin_change().await?;
        let removed = unbar(&mut tx, scope, Barred::Suppressed, &entries).await?;
        let detail = json!({ "after": { "removed": removed } });
        self.suppression_audit(&mut tx, scope, actor, "suppression.remove", detail)
            .await?;
        self.commit_change(tx, &turn, scope.0).await?;
        self.follow_suppressions(scope.0).await?;
        Ok(removed)
    }

    /// The entries under which an identifier is barred: on the list, or restricted.
    pub async fn suppression_find(
        &self,
        scope: Scope,
        subject: &Subject<'_>,
    ) -> Result<Vec<Suppression>> {
        let entry = self.suppression_of(scope.0, subject);
        let digests: Vec<_> = entry.stored.iter().map(|(digest, _)| *digest).collect();
        let mut tx = self.db.read().await?;
        Ok(store::suppression::find(&mut tx, scope, None, &digests).await?)
    }

    /// A page of the list. It says when and why somebody was entered, not who.
    pub async fn suppressions(
        &self,
        scope: Scope,
        why: Barred,
        page: Page,
    ) -> Result<Vec<Suppression>> {
        let mut tx = self.db.read().await?;
        Ok(store::suppression::list(&mut tx, scope, why, page).await?)
    }

    fn suppressions_of(
        &self,
        scope: Scope,
        identifiers: &[Subject<'_>],
    ) -> Result<Vec<NewSuppression>> {
        let mut invalid = Invalid::default();
        let entries: Vec<_> = identifiers
            .iter()
            .map(|subject| self.suppression_of(scope.0, subject))
            .collect();
        for (place, entry) in entries.iter().enumerate() {
            if entry.stored.is_empty() || entry.kind.trim().is_empty() {
                let message = "expected a type and a value that is not blank";
                invalid.add(format!("/identifiers/{place}"), "required", message);
            }
        }
        invalid.or(entries).map_err(Error::from)
    }

    async fn suppression_audit(
        &self,
        tx: &mut Tx,
        scope: Scope,
        actor: &Actor,
        action: &str,
        detail: serde_json::Value,
    ) -> Result<()> {
        let subject = format!("account {}", scope.0);
        self.audit(tx, Some(scope), actor, (action, subject), detail)
            .await
    }

    /// Brings memory up to date with a change that was committed.
    pub(crate) async fn follow_suppressions(&self, account: AccountId) -> Result<()> {
        let mut tx = self.db.read().await?;
        self.suppressions.follow(&mut tx, account).await?;
        Ok(())
    }
}

/// Removes entries for one reason; answers how many these were.
pub(crate) async fn unbar(
    tx: &mut Tx,
    scope: Scope,
    why: Barred,
    entries: &[NewSuppression],
) -> Result<u64> {
    let mut ids = Vec::new();
    for entry in entries {
        let digests: Vec<_> = entry.stored.iter().map(|(digest, _)| *digest).collect();
        let found = store::suppression::find(tx, scope, Some(why), &digests).await?;
        ids.extend(found.iter().map(|entry| entry.id));
    }
    ids.sort_unstable();
    ids.dedup();
    store::suppression::delete(tx, scope, &ids).await?;
    Ok(ids.len() as u64)
}

fn region(policy: &model::AccountPolicy) -> Option<Region> {
    let region = policy.default_region.as_deref()?;
    Region::parse(region).ok()
}
