//! Keeps the registry true where other processes change what it knows.
//!
//! Every change is noted with a version, in its own transaction and under one lock of the database
//! (`store::change`). A process looks a few times a second, before each change of its own, and whenever its router has
//! read what it is about to route: so an event that was published after a subscription was answered for is routed by
//! it, in whichever process.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use model::AccountId;

use super::Registry;
use crate::{Hub, Result, Scope};

impl Hub {
    /// Brings the registry up to date with what others have changed. Waits for a change that is being made.
    pub async fn follow(&self) -> Result<()> {
        if !self.is_shared() {
            return Ok(());
        }
        let mut tx = self.db.begin().await?;
        tx.lock_shared(store::change::LOCK).await?;
        let version = store::change::version(&mut tx).await?;
        drop(tx);
        if version > self.known_version.load(Ordering::Acquire) {
            let _turn = self.changes.lock().await;
            self.catch_up().await?;
        }
        Ok(())
    }

    /// The same, for whoever has the turn.
    pub(crate) async fn catch_up(&self) -> Result<()> {
        let known = self.known_version.load(Ordering::Acquire);
        let mut tx = self.db.read().await?;
        let changes = store::change::since(&mut tx, known, &self.process).await?;
        let lists = match &changes.accounts {
            Some(accounts) => accounts.clone(),
            None => store::suppression::accounts(&mut tx).await?,
        };
        for account in lists {
            if self.suppressions.follow(&mut tx, account).await? {
                // People may have been erased there.
                self.forget_batches(account);
            }
        }
        drop(tx);
        match changes.accounts {
            Some(accounts) => {
                for account in accounts {
                    let fresh = Registry::load(&self.db, &self.vault, Some(Scope(account))).await?;
                    self.registry.replace(Some(account), fresh);
                    self.identity.forget_account(account);
                    self.refresh_account(account);
                }
            }
            None => {
                let fresh = Registry::load(&self.db, &self.vault, None).await?;
                self.registry.replace(None, fresh);
                self.identity.forget_where(|_| true);
                self.flow_refresh_all();
            }
        }
        self.known_version.store(changes.version, Ordering::Release);
        Ok(())
    }

    fn refresh_account(&self, account: AccountId) {
        for entry in self.registry.endpoints() {
            if entry.endpoint.account == account {
                self.flow_refresh(entry.endpoint.id);
            }
        }
    }
}

impl Registry {
    /// Puts what was read in the place of what is known: of one account, or of all.
    fn replace(&self, account: Option<AccountId>, fresh: Self) {
        let mut fresh = fresh
            .inner
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        let mut inner = self.write();
        let Some(account) = account else {
            *inner = fresh;
            return;
        };
        inner.keys.retain(|_, key| key.account != account);
        let gone: Vec<_> = inner
            .endpoints
            .values()
            .map(|entry| &entry.endpoint)
            .filter(|endpoint| endpoint.account == account)
            .map(|endpoint| endpoint.id)
            .collect();
        for id in gone {
            inner.endpoints.remove(&id);
            inner.routes.remove(&id);
            inner.identity_filters.remove(&id);
        }
        inner.accounts.extend(fresh.accounts.drain());
        inner.keys.extend(fresh.keys.drain());
        inner.endpoints.extend(fresh.endpoints.drain());
        inner.routes.extend(fresh.routes.drain());
        inner
            .identity_filters
            .extend(fresh.identity_filters.drain());
    }
}
