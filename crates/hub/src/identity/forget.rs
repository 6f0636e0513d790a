//! Forgetting people, for privacy requests: their identifiers, everything that says that these belong together, and the
//! hashes by which they can be looked for.

use std::collections::BTreeSet;

use model::identity::Told;
use model::{AccountId, Subject};

use super::change::repartition;
use super::lookup::aliases;
use super::{Known, Who};
use crate::{Hub, Result, Scope};

impl Hub {
    /// Forgets these identifiers; answers how many were known. Who was joined to others by nothing else falls apart. Only
    /// where the account's shard runs; again, it does nothing.
    pub(crate) async fn identity_forget(
        &self,
        account: AccountId,
        told: &[Told<'_>],
    ) -> Result<u64> {
        let scope = Scope(account);
        let keys: Vec<_> = told.iter().map(|one| one.key(account)).collect();
        let _turn = self.identity.turn(self.logs.shard(account)).await;
        let mut tx = self.db.begin().await?;
        store::identity::lock(&mut tx, scope).await?;
        let rows = store::identity::by_digest(&mut tx, scope, &keys).await?;
        let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
        if ids.is_empty() {
            return Ok(0);
        }
        let facts = store::identity::facts_of(&mut tx, scope, &ids).await?;
        let others: BTreeSet<i64> = facts
            .iter()
            .flat_map(|fact| fact.members.iter().copied())
            .filter(|id| !ids.contains(id))
            .collect();
        let region = self.region_of(account);
        let indexed = store::identity::is_indexed(&mut tx, scope).await?;
        let hashes: Vec<_> = rows
            .iter()
            .flat_map(|row| {
                let of = aliases(account, &row.kind, &row.value, &indexed, region);
                of.into_iter().map(|key| (key, row.id))
            })
            .collect();
        store::identity::take_facts(&mut tx, scope, &facts).await?;
        store::identity::take_aliases(&mut tx, &hashes).await?;
        store::identity::delete(&mut tx, scope, &ids).await?;
        let seeds: Vec<i64> = others.into_iter().collect();
        repartition(&mut tx, scope, &self.rules_of(account), &seeds).await?;
        tx.commit().await?;
        self.identity.forget_account(account);
        Ok(ids.len() as u64)
    }
}

impl Who {
    /// Everything by which the person is known.
    pub(crate) fn subjects(&self) -> impl Iterator<Item = Subject<'_>> {
        let known = self.person.iter().flat_map(|person| &person.identifiers);
        known.map(Known::subject)
    }
}

impl Known {
    /// As it is compared with lists of people.
    pub fn subject(&self) -> Subject<'_> {
        Subject {
            kind: &self.kind,
            value: &self.value,
            // What must not leave in clear is clear here.
            mode: match self.form {
                model::identity::Form::Clear => model::hashing::HashMode::None,
                _ => model::hashing::HashMode::Hashed,
            },
            algorithm: self.algorithm,
        }
    }
}
