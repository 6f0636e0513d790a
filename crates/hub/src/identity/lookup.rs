//! Looking people up: from memory where the account's shard runs, else from the store.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use engine::Tx;
use model::AccountId;
use model::hashing::{HashMode, Region};
use model::identity::{Form, Key, Told};
use store::identity::{Identifier, Standing};

use super::{Known, Person, Set};
use crate::{Hub, Result, Scope};

impl Hub {
    pub(super) async fn known_sets(
        &self,
        account: AccountId,
        asked: &[(Option<Set>, &[Told<'_>])],
    ) -> Result<Vec<Option<Arc<Person>>>> {
        let is_here = self.flow.holds(self.logs.shard(account));
        let mut people = vec![None; asked.len()];
        let mut missing: Vec<(usize, &Set, &[Told<'_>])> = Vec::new();
        for (at, (set, told)) in asked.iter().enumerate() {
            let Some(set) = set else { continue };
            match is_here.then(|| self.identity.get(&set.cached_as)).flatten() {
                Some(person) => people[at] = person,
                None => missing.push((at, set, told)),
            }
        }
        if missing.is_empty() {
            return Ok(people);
        }
        let version = self.identity.version();
        let scope = Scope(account);
        let asked: Vec<(&Set, &[Told<'_>])> = missing.iter().map(|one| (one.1, one.2)).collect();
        self.index_hashes(account, asked.iter().flat_map(|(_, told)| *told))
            .await?;
        let mut tx = self.db.read().await?;
        let found = find(&mut tx, scope, &asked, self.region_of(account)).await?;
        drop(tx);
        for ((at, ..), (person, _)) in missing.iter().zip(&found) {
            people[*at].clone_from(person);
        }
        if is_here {
            let read = missing.iter().zip(found);
            let learned = read.filter(|(_, (_, is_learned))| *is_learned);
            let learned = learned.map(|((_, set, _), (person, _))| (set.cached_as, person));
            self.identity.put_read(version, account, learned);
        }
        Ok(people)
    }

    /// Serves telephone numbers without a country code.
    pub(crate) fn region_of(&self, account: AccountId) -> Option<Region> {
        let account = self.registry.account(account)?;
        let region = account.policy.default_region.as_deref()?;
        Region::parse(region).ok()
    }
}

/// The people of these sets, as the store has them, and whether there is nothing to be learned from a set any more.
async fn find(
    tx: &mut Tx,
    scope: Scope,
    asked: &[(&Set, &[Told<'_>])],
    region: Option<Region>,
) -> Result<Vec<(Option<Arc<Person>>, bool)>> {
    let keys: BTreeSet<Key> = asked
        .iter()
        .flat_map(|(set, _)| &set.keys)
        .copied()
        .collect();
    let keys: Vec<Key> = keys.into_iter().collect();
    let rows = store::identity::by_digest(tx, scope, &keys).await?;
    let seen: HashMap<Key, HashMode> = rows.iter().map(|row| (row.digest, row.mode)).collect();
    let sets = asked.iter().filter(|(set, _)| set.keys.len() > 1);
    let sets: Vec<Key> = sets.map(|(set, _)| set.key).collect();
    let facts = store::identity::facts_by_digest(tx, scope, &sets).await?;
    let facts: HashSet<Key> = facts.into_iter().map(|fact| fact.digest).collect();
    let mut rows: HashMap<Key, Vec<Identifier>> = rows
        .into_iter()
        .map(|row| (row.digest, vec![row]))
        .collect();
    let unseen: Vec<&Told<'_>> = asked
        .iter()
        .flat_map(|(_, told)| *told)
        .filter(|told| !rows.contains_key(&told.key(scope.0)))
        .collect();
    if !unseen.is_empty() {
        find_by_hash(tx, scope, &unseen, region, &mut rows).await?;
    }
    let people = people_of(tx, scope, rows.values().flatten()).await?;
    let whose = |(set, told): &(&Set, &[Told<'_>])| {
        let rows = set.keys.iter().filter_map(|key| rows.get(key)).flatten();
        let person = person_of(rows).and_then(|id| people.get(&id).cloned());
        let is_seen = match set.keys.as_slice() {
            [one] => seen.contains_key(one),
            _ => facts.contains(&set.key),
        };
        let mut required = told.iter().filter(|one| one.mode == HashMode::Required);
        let is_told = required.all(|one| {
            let mode = seen.get(&one.key(scope.0));
            mode.is_none_or(|mode| *mode != HashMode::None)
        });
        (person, is_seen && is_told)
    };
    Ok(asked.iter().map(whose).collect())
}

/// What was not seen as it was asked for: clear values by the hash of them that was seen, hashes by the clear value.
async fn find_by_hash(
    tx: &mut Tx,
    scope: Scope,
    unseen: &[&Told<'_>],
    region: Option<Region>,
    rows: &mut HashMap<Key, Vec<Identifier>>,
) -> Result<()> {
    let indexed = store::identity::is_indexed(tx, scope).await?;
    let mut hashed: Vec<Key> = Vec::new();
    let mut clear: HashMap<Key, Key> = HashMap::new();
    for told in unseen {
        let key = told.key(scope.0);
        let (form, value) = told.canonical();
        if form.is_hash() {
            hashed.push(key);
        } else if form == Form::Clear {
            let aliases = aliases(scope.0, &told.kind, &value, &indexed, region);
            clear.extend(aliases.into_iter().map(|alias| (alias, key)));
        }
    }
    let aliases: Vec<Key> = clear.keys().copied().collect();
    for row in store::identity::by_digest(tx, scope, &aliases).await? {
        if let Some(key) = clear.get(&row.digest) {
            rows.entry(*key).or_default().push(row);
        }
    }
    let of: HashMap<i64, Key> = store::identity::clear_of(tx, &hashed)
        .await?
        .into_iter()
        .map(|(key, id)| (id, key))
        .collect();
    let ids: Vec<i64> = of.keys().copied().collect();
    for row in store::identity::by_id(tx, scope, &ids).await? {
        if let Some(key) = of.get(&row.id) {
            rows.entry(*key).or_default().push(row);
        }
    }
    Ok(())
}

/// The keys of the hashed identifiers that a clear value of a type (any letter case) would meet.
pub(super) fn aliases(
    account: AccountId,
    kind: &str,
    value: &str,
    indexed: &[(String, Form)],
    region: Option<Region>,
) -> Vec<Key> {
    let forms = indexed
        .iter()
        .filter(|(known, _)| known.eq_ignore_ascii_case(kind));
    let mut keys = Vec::new();
    for (_, form) in forms {
        let hashes = model::identity::hashes(kind, value, *form, region);
        let hashes = hashes.iter();
        keys.extend(hashes.map(|hash| model::identity::key(account, kind, *form, hash)));
    }
    keys
}

/// Whom identifiers of one set belong to: the oldest person, and what is left out of people only if there is no other.
pub(super) fn person_of<'r>(rows: impl Iterator<Item = &'r Identifier>) -> Option<i64> {
    let known = rows.filter(|row| row.standing != Standing::Junk);
    known
        .map(|row| (row.standing != Standing::Joined, row.person()))
        .min()
        .map(|(_, person)| person)
}

/// Everything about the people whom these identifiers belong to, by their ids.
pub(super) async fn people_of<'r>(
    tx: &mut Tx,
    scope: Scope,
    rows: impl Iterator<Item = &'r Identifier>,
) -> Result<HashMap<i64, Arc<Person>>> {
    let mut components = HashSet::new();
    let mut alone = Vec::new();
    for row in rows {
        if row.standing == Standing::Joined {
            components.insert(row.component);
        } else {
            alone.push(row.clone());
        }
    }
    let components: Vec<i64> = components.into_iter().collect();
    let mut all = store::identity::of_components(tx, scope, &components).await?;
    all.append(&mut alone);
    Ok(group(all.iter()))
}

/// People out of identifiers, of which all of each person's are here.
pub(super) fn group<'r>(rows: impl Iterator<Item = &'r Identifier>) -> HashMap<i64, Arc<Person>> {
    let mut groups: HashMap<i64, Vec<&Identifier>> = HashMap::new();
    for row in rows {
        groups.entry(row.person()).or_default().push(row);
    }
    let mut people = HashMap::with_capacity(groups.len());
    for (id, mut rows) in groups {
        rows.sort_unstable_by_key(|row| row.id);
        rows.dedup_by_key(|row| row.id);
        let Some(oldest) = rows.first() else { continue };
        let person = Person {
            id,
            x1_id: oldest.x1_id,
            identifiers: rows.iter().map(|row| Known::of(row)).collect(),
        };
        people.insert(id, Arc::new(person));
    }
    people
}
