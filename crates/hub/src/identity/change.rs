//! Working a part of the graph out again from its facts: when a fact is cut, an identifier is left out, or the rules have
//! changed. What comes out depends on facts and rules alone, so what is undone was never there.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use engine::Tx;
use model::identity::Rules;
use model::identity::partition::{self, Node};
use store::identity::{Identifier, Moved, Standing, StoredFact};

use crate::{Result, Scope};

/// What came of working a part of the graph out again.
#[derive(Debug, Default)]
pub(super) struct Repartition {
    /// Who are not what they were.
    pub(super) people: HashSet<i64>,
    /// How many people the identifiers that were looked at belonged to, and belong to now.
    pub(super) before: usize,
    pub(super) after: usize,
    /// Each identifier that belongs elsewhere now, as it was; and where.
    pub(super) moved: Vec<(Identifier, Moved)>,
}

/// Works out where the identifiers `seeds`, and everything that they belong to, belong by what is in the store.
pub(super) async fn repartition(
    tx: &mut Tx,
    scope: Scope,
    rules: &Rules,
    seeds: &[i64],
) -> Result<Repartition> {
    let done = Piece::around(tx, scope, rules, seeds).await?.place(rules);
    let moved: Vec<Moved> = done.moved.iter().map(|(_, moved)| *moved).collect();
    store::identity::put_places(tx, scope, &moved).await?;
    Ok(done)
}

/// A part of the graph that nothing joins to the rest.
#[derive(Default)]
struct Piece {
    rows: BTreeMap<i64, Identifier>,
    /// Which of them are left out, by the rules as they are.
    standings: HashMap<i64, Standing>,
    facts: BTreeMap<i64, StoredFact>,
}

impl Piece {
    /// Everything that `seeds` belong to.
    async fn around(tx: &mut Tx, scope: Scope, rules: &Rules, seeds: &[i64]) -> Result<Self> {
        let mut piece = Self::default();
        let mut next: BTreeSet<i64> = seeds.iter().copied().collect();
        while !next.is_empty() {
            let fresh = load(tx, scope, &next, &piece.rows).await?;
            let ids: Vec<i64> = fresh.iter().map(|row| row.id).collect();
            // What stands for nobody may be in any number of facts, and joins none of them.
            let told = fresh
                .iter()
                .filter(|row| !rules.is_junk(row.form, &row.value));
            let told: Vec<i64> = told.map(|row| row.id).collect();
            let found = store::identity::facts_of(tx, scope, &told).await?;
            let found = found.into_iter().filter(|fact| !fact.is_cut);
            piece.facts.extend(found.map(|fact| (fact.id, fact)));
            piece
                .rows
                .extend(fresh.into_iter().map(|row| (row.id, row)));
            let known = (&piece.rows, &piece.facts);
            judge(tx, scope, rules, &ids, known, &mut piece.standings).await?;
            next = piece.beside(&ids);
        }
        Ok(piece)
    }

    /// Who is one of a component again brings all whom it was seen with: those that are not here yet.
    fn beside(&self, ids: &[i64]) -> BTreeSet<i64> {
        let again = |id: &&i64| {
            let was = self
                .rows
                .get(*id)
                .is_some_and(|row| row.standing.is_left_out());
            was && self
                .standings
                .get(*id)
                .is_some_and(|now| !now.is_left_out())
        };
        let again: HashSet<i64> = ids.iter().filter(again).copied().collect();
        let theirs = self
            .facts
            .values()
            .filter(|fact| fact.members.iter().any(|id| again.contains(id)));
        theirs
            .flat_map(|fact| &fact.members)
            .filter(|id| !self.rows.contains_key(*id))
            .copied()
            .collect()
    }

    fn is_left_out(&self, id: i64) -> bool {
        self.standings
            .get(&id)
            .is_some_and(|standing| standing.is_left_out())
    }

    /// Where everything belongs.
    fn place(&self, rules: &Rules) -> Repartition {
        let nodes: Vec<Node<'_>> = self
            .rows
            .values()
            .map(|row| Node {
                id: row.id,
                kind: &row.kind,
                is_left_out: self.is_left_out(row.id),
                overgrown: None,
            })
            .collect();
        let sets = self.facts.values().map(|fact| fact.members.as_slice());
        let places = partition::partition(&nodes, sets, rules);
        let mut done = Repartition::default();
        let (mut before, mut after) = (HashSet::new(), HashSet::new());
        for row in self.rows.values() {
            let left_out = self.standings.get(&row.id).filter(|s| s.is_left_out());
            let (component, standing) = match (left_out, places.get(&row.id)) {
                (Some(standing), _) => (row.id, *standing),
                (None, Some(place)) if place.is_overgrown => (place.component, Standing::Overgrown),
                (None, place) => (place.map_or(row.id, |p| p.component), Standing::Joined),
            };
            let moved = Moved {
                id: row.id,
                component,
                standing,
            };
            let now = moved.person();
            before.insert(row.person());
            after.insert(now);
            if (row.component, row.standing) != (component, standing) {
                done.people.extend([row.person(), now]);
                done.moved.push((row.clone(), moved));
            }
        }
        (done.before, done.after) = (before.len(), after.len());
        done
    }
}

/// These identifiers and what they belong to, as far as it is not at hand.
async fn load(
    tx: &mut Tx,
    scope: Scope,
    ids: &BTreeSet<i64>,
    known: &BTreeMap<i64, Identifier>,
) -> Result<Vec<Identifier>> {
    let ids: Vec<i64> = ids.iter().copied().collect();
    let mut fresh = store::identity::by_id(tx, scope, &ids).await?;
    let components: BTreeSet<i64> = fresh
        .iter()
        .filter(|row| !row.standing.is_left_out())
        .map(|row| row.component)
        .collect();
    let components: Vec<i64> = components.into_iter().collect();
    fresh.append(&mut store::identity::of_components(tx, scope, &components).await?);
    fresh.sort_unstable_by_key(|row| row.id);
    fresh.dedup_by_key(|row| row.id);
    fresh.retain(|row| !known.contains_key(&row.id));
    Ok(fresh)
}

/// Which of these identifiers are left out, by the rules as they are.
async fn judge(
    tx: &mut Tx,
    scope: Scope,
    rules: &Rules,
    ids: &[i64],
    (rows, facts): (&BTreeMap<i64, Identifier>, &BTreeMap<i64, StoredFact>),
    standings: &mut HashMap<i64, Standing>,
) -> Result<()> {
    let least = i64::from(rules.least_limit());
    let mut suspects = BTreeSet::new();
    for row in ids.iter().filter_map(|id| rows.get(id)) {
        if rules.is_junk(row.form, &row.value) {
            standings.insert(row.id, Standing::Junk);
            continue;
        }
        standings.insert(row.id, Standing::Joined);
        if row.ties > least {
            suspects.insert(row.id);
        }
    }
    let facts: Vec<&StoredFact> = facts.values().collect();
    for id in crowded_among(tx, scope, rules, &suspects, &facts, rows).await? {
        standings.insert(id, Standing::Crowded);
    }
    Ok(())
}

/// Which of the `suspects` are crowded by these facts, among which are all of theirs.
pub(super) async fn crowded_among(
    tx: &mut Tx,
    scope: Scope,
    rules: &Rules,
    suspects: &BTreeSet<i64>,
    facts: &[&StoredFact],
    rows: &BTreeMap<i64, Identifier>,
) -> Result<Vec<i64>> {
    let mut others: BTreeMap<i64, BTreeSet<i64>> = BTreeMap::new();
    for fact in facts.iter().filter(|fact| !fact.is_cut) {
        for id in fact.members.iter().filter(|id| suspects.contains(*id)) {
            let with = fact.members.iter().filter(|other| *other != id);
            others.entry(*id).or_default().extend(with);
        }
    }
    let strangers: BTreeSet<i64> = others
        .values()
        .flatten()
        .filter(|id| !rows.contains_key(*id))
        .copied()
        .collect();
    let strangers: Vec<i64> = strangers.into_iter().collect();
    let strangers = store::identity::by_id(tx, scope, &strangers).await?;
    let strangers: HashMap<i64, Identifier> =
        strangers.into_iter().map(|row| (row.id, row)).collect();
    let mut crowded = Vec::new();
    for (id, with) in &others {
        let with = with
            .iter()
            .filter_map(|id| rows.get(id).or_else(|| strangers.get(id)))
            .filter(|row| !rules.is_junk(row.form, &row.value))
            .map(|row| row.kind.as_str());
        if partition::is_over(with, rules) {
            crowded.push(*id);
        }
    }
    Ok(crowded)
}
