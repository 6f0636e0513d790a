//! What pilot accounts really do, counted: the checklist of a review fills itself from it.
//!
//! Counted in memory, by (account, what, outcome), and added to one row for each about once a second and whenever
//! somebody looks. Only pilot is observed: the router of pilot's address counts calls (`api`), the flow counts pushes of
//! pilot's accounts. A crash forgets the last second; what a partner did then, it does again.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use model::partner::checklist::{self, Item, Observation, Outcome, Roles};
use model::{AccountId, PartnerId, test_drive};

use crate::{Error, Hub, Result, Scope};

/// What was counted and not saved yet. Bounded: there are as many as routes and outcomes for each pilot account.
#[derive(Default)]
pub(crate) struct Observed(Mutex<HashMap<(AccountId, String, Outcome), Observation>>);

impl Observed {
    fn take(&self) -> HashMap<(AccountId, String, Outcome), Observation> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn add(&self, account: AccountId, seen: Observation) {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (account, seen.what.clone(), seen.outcome);
        match counted.get_mut(&key) {
            Some(known) => {
                known.count += seen.count;
                known.first_at = known.first_at.min(seen.first_at);
                known.last_at = known.last_at.max(seen.last_at);
            }
            None => {
                counted.insert(key, seen);
            }
        }
    }
}

impl Hub {
    /// Something of a pilot account ended so.
    pub fn observe(&self, account: AccountId, what: &str, outcome: Outcome) {
        let now = self.now();
        let seen = Observation {
            what: what.to_owned(),
            outcome,
            count: 1,
            first_at: now,
            last_at: now,
        };
        self.observed.add(account, seen);
    }

    /// Adds what was counted to what is stored.
    pub(crate) async fn save_observed(&self) -> Result<()> {
        let counted = self.observed.take();
        if counted.is_empty() {
            return Ok(());
        }
        let saved = async {
            let mut tx = self.db.begin().await?;
            for ((account, ..), seen) in &counted {
                store::observation::add(&mut tx, Scope(*account), seen).await?;
            }
            tx.commit().await?;
            Ok::<_, Error>(())
        };
        let saved = saved.await;
        if saved.is_err() {
            for ((account, ..), seen) in counted {
                self.observed.add(account, seen);
            }
        }
        saved
    }

    /// The checklist of a partner, from what its pilot account did until now.
    pub async fn partner_checklist(&self, id: PartnerId) -> Result<Vec<Item>> {
        let partner = self.partner(id).await?;
        let Some(pilot) = partner.pilot else {
            let why = format!(
                "partner {id} is {}: it has no pilot account yet, nominate it first",
                partner.stage.as_str()
            );
            return Err(Error::Conflict(why));
        };
        self.checklist_of(Scope(pilot), &partner.request.forms)
            .await
    }

    /// The same for the account itself.
    pub async fn checklist(&self, scope: Scope) -> Result<Vec<Item>> {
        let mut tx = self.db.read().await?;
        let partner = store::partner::of_pilot(&mut tx, scope).await?;
        drop(tx);
        let partner = partner.ok_or_else(|| {
            Error::not_found("review: no partner was nominated for account", scope.0)
        })?;
        self.checklist_of(scope, &partner.request.forms).await
    }

    async fn checklist_of(
        &self,
        scope: Scope,
        forms: &[model::partner::Form],
    ) -> Result<Vec<Item>> {
        self.save_observed().await?;
        let mut tx = self.db.read().await?;
        let seen = store::observation::list(&mut tx, scope).await?;
        Ok(checklist::checklist(forms, self.roles(scope), &seen))
    }

    /// What the account's own endpoints are.
    fn roles(&self, scope: Scope) -> Roles {
        let mut roles = Roles::default();
        for entry in self.registry.endpoints() {
            let endpoint = &entry.endpoint;
            let definition = &endpoint.definition;
            if endpoint.account != scope.0 || definition.provider_name == test_drive::PROVIDER {
                continue;
            }
            roles.publishes |= definition.event_source().is_some();
            if let Some(role) = definition.event_destination() {
                match role.transfer {
                    model::endpoint::Transfer::Push => roles.takes_pushes = true,
                    model::endpoint::Transfer::Pull => roles.fetches_files = true,
                }
            }
        }
        roles
    }
}
