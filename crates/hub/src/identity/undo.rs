//! Taking back what was learned: a fact that was wrong is cut, and can be restored; a person is forgotten for good.

use std::collections::{BTreeMap, HashSet};

use engine::Tx;
use model::AccountId;
use model::identity::Form;
use serde_json::json;
use store::identity::{Identifier, Standing};

use super::Known;
use super::change::{Repartition, repartition};
use super::lookup::aliases;
use crate::{Actor, Error, Hub, Result, Scope};

/// What was forgotten.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Forgotten {
    pub identifiers: Vec<Known>,
    pub facts: u64,
}

/// How many people there were before and are after, among those who had to do with a change.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Undone {
    pub people_before: u64,
    pub people_after: u64,
}

impl Undone {
    fn of(done: &Repartition) -> Self {
        Self {
            people_before: done.before as u64,
            people_after: done.after as u64,
        }
    }
}

impl Hub {
    /// Undoes what a fact joined, or with `is_cut` false lets it join again: the people are then those that there would be
    /// if it had never been seen (or never been undone). The same set seen again stays undone.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such fact, [`Error::Conflict`] if it is so already.
    pub async fn identity_cut(
        &self,
        actor: &Actor,
        scope: Scope,
        fact: i64,
        is_cut: bool,
    ) -> Result<Undone> {
        let _turn = self.identity.turn(self.logs.shard(scope.0)).await;
        let (mut tx, turn) = self.begin_change().await?;
        store::identity::lock(&mut tx, scope).await?;
        let found = store::identity::fact(&mut tx, scope, fact).await?;
        let found = found.ok_or_else(|| Error::not_found("fact", fact))?;
        if found.is_cut == is_cut {
            let how = if is_cut { "undone" } else { "in effect" };
            return Err(Error::Conflict(format!("fact {fact} is {how} already")));
        }
        store::identity::put_cut(&mut tx, scope, fact, is_cut).await?;
        let rules = self.rules_of(scope.0);
        let done = repartition(&mut tx, scope, &rules, &found.members).await?;
        let undone = Undone::of(&done);
        let action = if is_cut {
            "identity.undo"
        } else {
            "identity.redo"
        };
        let detail = json!({
            "before": { "people": undone.people_before }, "after": { "people": undone.people_after },
        });
        self.audit(
            &mut tx,
            Some(scope),
            actor,
            (action, format!("fact {fact}")),
            detail,
        )
        .await?;
        self.commit_change(tx, &turn, scope.0).await?;
        self.identity.changed(scope.0, done.people, []);
        Ok(undone)
    }

    /// Forgets people: their identifiers, and every fact in which one of these is. They cannot be told apart from people
    /// who were never seen, and who comes back is somebody new. What is not known is passed over. Durable when it answers.
    pub async fn forget(&self, account: AccountId, people: &[i64]) -> Result<Forgotten> {
        let scope = Scope(account);
        let _turn = self.identity.turn(self.logs.shard(account)).await;
        let (mut tx, turn) = self.begin_change().await?;
        store::identity::lock(&mut tx, scope).await?;
        let (rows, facts) = self.take_out(&mut tx, scope, people).await?;
        self.commit_change(tx, &turn, account).await?;
        // Sets in which somebody of these was may come back, and are to be learned then.
        self.identity.forget_account(account);
        Ok(Forgotten {
            identifiers: rows.iter().map(Known::of).collect(),
            facts,
        })
    }

    /// The rows that are gone, and how many facts went with them.
    async fn take_out(
        &self,
        tx: &mut Tx,
        scope: Scope,
        people: &[i64],
    ) -> Result<(Vec<Identifier>, u64)> {
        let oldest = store::identity::by_id(tx, scope, people).await?;
        let (whole, mut rows): (Vec<_>, Vec<_>) = oldest
            .into_iter()
            .partition(|row| row.standing == Standing::Joined);
        let components: Vec<i64> = whole.iter().map(|row| row.component).collect();
        rows.append(&mut store::identity::of_components(tx, scope, &components).await?);
        rows.retain(|row| people.contains(&row.person()));
        let ids: HashSet<i64> = rows.iter().map(|row| row.id).collect();
        let list: Vec<i64> = ids.iter().copied().collect();
        let facts = store::identity::facts_of(tx, scope, &list).await?;
        let mut ties: BTreeMap<i64, i64> = BTreeMap::new();
        for fact in &facts {
            let others = i64::try_from(fact.members.len()).unwrap_or(i64::MAX) - 1;
            for other in fact.members.iter().filter(|id| !ids.contains(id)) {
                *ties.entry(*other).or_default() -= others;
            }
        }
        let indexed = store::identity::is_indexed(tx, scope).await?;
        let region = self.region_of(scope.0);
        let clear = rows.iter().filter(|row| row.form == Form::Clear);
        let aliases: Vec<_> = clear
            .flat_map(|row| {
                let keys = aliases(scope.0, &row.kind, &row.value, &indexed, region);
                keys.into_iter().map(|key| (key, row.id))
            })
            .collect();
        store::identity::take_aliases(tx, &aliases).await?;
        store::identity::take_facts(tx, scope, &facts).await?;
        store::identity::delete(tx, scope, &list).await?;
        let others: Vec<i64> = ties.keys().copied().collect();
        let ties: Vec<(i64, i64)> = ties.into_iter().collect();
        store::identity::add_ties(tx, scope, &ties).await?;
        // Who was crowded by those who are gone may be somebody again.
        repartition(tx, scope, &self.rules_of(scope.0), &others).await?;
        Ok((rows, facts.len() as u64))
    }
}
