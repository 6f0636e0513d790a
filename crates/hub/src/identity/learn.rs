//! Learning: sets that were not known become facts, and the people they join are made one.
//!
//! What is learned of an account in one go is worked out in memory – the rows that the sets touch, and everything that
//! these belong to – and written in one transaction. [`Work`] is that piece of the graph.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use engine::{SyncAt, Tx};
use model::AccountId;
use model::hashing::{HashAlgorithm, HashMode, Region};
use model::identity::partition::{self, Node};
use model::identity::{Fact, Form, Key, Rules, Source, Told};
use store::identity::{Identifier, Moved, Standing, StoredFact};

use super::change::repartition;
use super::lookup::{aliases, group, person_of};
use super::{Person, Set};
use crate::shard::Shard;
use crate::{Hub, Result, Scope};

/// Facts learned in one transaction: other writers wait no longer than some tens of milliseconds.
const FACTS_MAX: usize = 1_000;
/// Identifiers indexed in one piece.
const INDEX_ROWS: i64 = 10_000;

/// People of each of several accounts, one for each fact.
pub(super) type People = Vec<Vec<Option<Arc<Person>>>>;

/// A fact that is not in memory.
struct Unknown<'f> {
    account: AccountId,
    fact: &'f Fact<'f>,
    set: &'f Set,
}

/// What changed of an account, for what is in memory.
struct Learned {
    account: AccountId,
    /// People who are not what they were.
    changed: HashSet<i64>,
    now: Vec<(Key, Option<Arc<Person>>)>,
}

impl Hub {
    /// Learns facts of accounts (in the order of their ids) of one shard. `None`: the shard is another's by now, and
    /// nothing more was learned.
    pub(super) async fn learn_under(
        &self,
        tenure: (Shard, i64),
        facts: &[(AccountId, &[Fact<'_>])],
    ) -> Result<Option<People>> {
        let sets: Vec<Vec<(Option<Set>, &[Told<'_>])>> = facts
            .iter()
            .map(|(account, facts)| {
                let set = |fact: &'_ Fact<'_>| Set::of(*account, &fact.identifiers);
                facts
                    .iter()
                    .map(|fact| (set(fact), fact.identifiers.as_slice()))
                    .collect()
            })
            .collect();
        let mut unknown = Vec::new();
        for ((account, facts), sets) in facts.iter().zip(&sets) {
            for (fact, (set, _)) in facts.iter().zip(sets) {
                if let Some(set) = set
                    && self.identity.get(&set.cached_as).is_none()
                {
                    unknown.push(Unknown {
                        account: *account,
                        fact,
                        set,
                    });
                }
            }
        }
        for portion in unknown.chunks(FACTS_MAX) {
            if !self.learn_portion(tenure, portion).await? {
                return Ok(None);
            }
        }
        let mut people = Vec::with_capacity(facts.len());
        for ((account, _), sets) in facts.iter().zip(&sets) {
            people.push(self.known_sets(*account, sets).await?);
        }
        Ok(Some(people))
    }

    /// `false`: the shard is another's by now.
    async fn learn_portion(&self, tenure: (Shard, i64), unknown: &[Unknown<'_>]) -> Result<bool> {
        for of_account in unknown.chunk_by(|a, b| a.account == b.account) {
            let told = of_account.iter().flat_map(|one| &one.fact.identifiers);
            self.index_hashes(of_account[0].account, told).await?;
        }
        // Until memory has what was committed: else it could be told of two changes in the wrong order.
        let _turn = self.identity.turn(tenure.0).await;
        // It can be learned again: how far the log was routed, or a file was read, is saved later, in the same database.
        let mut tx = self.db.begin_with(SyncAt::NextCommit).await?;
        let (shard, epoch) = tenure;
        if self.is_shared() && !store::lease::hold(&mut tx, shard.0.into(), epoch).await? {
            return Ok(false);
        }
        let mut learned = Vec::new();
        for of_account in unknown.chunk_by(|a, b| a.account == b.account) {
            learned.push(self.learn_account(&mut tx, of_account).await?);
        }
        tx.commit().await?;
        for one in learned {
            self.identity.changed(one.account, one.changed, one.now);
        }
        Ok(true)
    }

    async fn learn_account(&self, tx: &mut Tx, unknown: &[Unknown<'_>]) -> Result<Learned> {
        let account = unknown[0].account;
        let scope = Scope(account);
        store::identity::lock(tx, scope).await?;
        let mut work = Work::new(scope, self.rules_of(account), self.region_of(account));
        work.add_identifiers(tx, unknown, self.now()).await?;
        work.add_facts(tx, unknown).await?;
        work.meet_hashes(tx, self.now()).await?;
        work.load_components(tx).await?;
        let crowded = work.crowded(tx).await?;
        let mut changed = work.place();
        work.save(tx).await?;
        self.metrics.identity_facts.inc_by(work.facts.len() as u64);
        if crowded.is_empty() {
            let now = work.people(unknown);
            return Ok(Learned {
                account,
                changed,
                now,
            });
        }
        // Seldom: what they had joined falls apart again, as the store knows it.
        let again = repartition(tx, scope, &work.rules, &crowded).await?;
        changed.extend(again.people);
        self.report_guard(tx, scope, crowded.len()).await?;
        Ok(Learned {
            account,
            changed,
            now: Vec::new(),
        })
    }

    pub(super) fn rules_of(&self, account: AccountId) -> Rules {
        let account = self.registry.account(account);
        account.map_or_else(Rules::default, |account| {
            account.policy.identity_rules.clone()
        })
    }

    /// People hear of identifiers that join too much, in the transaction that leaves these out.
    async fn report_guard(&self, tx: &mut Tx, scope: Scope, count: usize) -> Result<()> {
        self.metrics.identity_crowded.inc_by(count as u64);
        let message = format!(
            "{count} identifiers were seen with more others of one type than a person may have and join nobody any more: see the identity report"
        );
        let now = self.now();
        store::notice::insert(tx, scope, None, "identity-crowded", &message, now).await?;
        Ok(())
    }

    /// Before the first hash of a type and form is learned or looked for, clear values get theirs: once, however many
    /// there are.
    pub(super) async fn index_hashes<'t, 'v: 't>(
        &self,
        account: AccountId,
        told: impl Iterator<Item = &'t Told<'v>>,
    ) -> Result<()> {
        let forms = told.filter_map(|one| {
            let (form, _) = one.canonical();
            form.is_hash()
                .then(|| (one.kind.to_ascii_lowercase(), form))
        });
        let wanted: BTreeSet<(String, Form)> = forms
            .filter(|wanted| !self.identity.is_indexed(account, wanted))
            .collect();
        if wanted.is_empty() {
            return Ok(());
        }
        let scope = Scope(account);
        let mut tx = self.db.begin().await?;
        store::identity::lock(&mut tx, scope).await?;
        let known = store::identity::is_indexed(&mut tx, scope).await?;
        let new: Vec<(String, Form)> = wanted
            .iter()
            .filter(|form| !known.contains(form))
            .cloned()
            .collect();
        let mut from = Some([0; 16]).filter(|_| !new.is_empty());
        while let Some(key) = from {
            let rows = store::identity::list(&mut tx, scope, key, INDEX_ROWS).await?;
            from = rows
                .last()
                .and_then(|last| store::identity::after(last.digest));
            let region = self.region_of(account);
            let found = rows
                .iter()
                .filter(|row| row.form == Form::Clear)
                .flat_map(|row| {
                    let keys = aliases(account, &row.kind, &row.value, &new, region);
                    keys.into_iter().map(|key| (key, row.id))
                });
            let found: Vec<(Key, i64)> = found.collect();
            store::identity::put_aliases(&mut tx, &found).await?;
        }
        for (kind, form) in &new {
            store::identity::put_indexed(&mut tx, scope, kind, *form).await?;
        }
        tx.commit().await?;
        self.identity.indexed(account, wanted);
        Ok(())
    }
}

/// The piece of an account's graph that is being changed.
struct Work {
    scope: Scope,
    rules: Rules,
    region: Option<Region>,
    rows: BTreeMap<i64, Identifier>,
    by_key: HashMap<Key, i64>,
    /// Identifiers from here on are new.
    first_new: i64,
    facts: Vec<StoredFact>,
    aliases: Vec<(Key, i64)>,
    required: Vec<(i64, Option<HashAlgorithm>)>,
    /// Rows that were there and belong elsewhere now.
    moved: Vec<Moved>,
    /// Overgrown components that become part of others.
    swallowed: BTreeSet<(i64, i64)>,
}

impl Work {
    fn new(scope: Scope, rules: Rules, region: Option<Region>) -> Self {
        Self {
            scope,
            rules,
            region,
            rows: BTreeMap::new(),
            by_key: HashMap::new(),
            first_new: i64::MAX,
            facts: Vec::new(),
            aliases: Vec::new(),
            required: Vec::new(),
            moved: Vec::new(),
            swallowed: BTreeSet::new(),
        }
    }

    fn take_in(&mut self, rows: Vec<Identifier>) {
        for row in rows {
            self.by_key.insert(row.digest, row.id);
            self.rows.entry(row.id).or_insert(row);
        }
    }

    /// The rows of all identifiers, new ones among them.
    async fn add_identifiers(
        &mut self,
        tx: &mut Tx,
        unknown: &[Unknown<'_>],
        now: jiff::Timestamp,
    ) -> Result<()> {
        let keys: BTreeSet<Key> = unknown
            .iter()
            .flat_map(|one| &one.set.keys)
            .copied()
            .collect();
        let keys: Vec<Key> = keys.into_iter().collect();
        let known = store::identity::by_digest(tx, self.scope, &keys).await?;
        self.take_in(known);
        let mut new: Vec<Identifier> = Vec::new();
        let mut seen: HashMap<Key, usize> = HashMap::new();
        for one in unknown {
            for told in &one.fact.identifiers {
                if told.value.trim().is_empty() {
                    continue;
                }
                let key = told.key(self.scope.0);
                if let Some(row) = self.by_key.get(&key).and_then(|id| self.rows.get_mut(id)) {
                    if told.mode == HashMode::Required && row.mode == HashMode::None {
                        (row.mode, row.algorithm) = (told.mode, told.algorithm);
                        self.required.push((row.id, told.algorithm));
                    }
                    continue;
                }
                let at = *seen.entry(key).or_insert_with(|| {
                    new.push(self.new_row(key, told, one.fact, now));
                    new.len() - 1
                });
                if told.mode == HashMode::Required && new[at].mode == HashMode::None {
                    (new[at].mode, new[at].algorithm) = (told.mode, told.algorithm);
                }
            }
        }
        if new.is_empty() {
            return Ok(());
        }
        self.first_new = store::identity::take_ids(tx, new.len()).await?;
        for (id, row) in (self.first_new..).zip(&mut new) {
            (row.id, row.component) = (id, id);
        }
        self.take_in(new);
        Ok(())
    }

    fn new_row(
        &self,
        key: Key,
        told: &Told<'_>,
        fact: &Fact<'_>,
        now: jiff::Timestamp,
    ) -> Identifier {
        let (form, value) = told.canonical();
        let is_junk = self.rules.is_junk(form, &value);
        Identifier {
            id: 0,
            digest: key,
            name: told.name.to_string(),
            kind: told.kind.to_ascii_lowercase(),
            form,
            mode: match (form, told.mode) {
                (Form::Clear, HashMode::Required) => HashMode::Required,
                (Form::Clear, _) => HashMode::None,
                _ => HashMode::Hashed,
            },
            algorithm: told.algorithm,
            value: value.into_owned(),
            x1_id: super::new_x1_id(now),
            component: 0,
            standing: if is_junk {
                Standing::Junk
            } else {
                Standing::Joined
            },
            ties: 0,
            seen_at: fact.at,
            source: fact.source,
        }
    }

    /// Sets of two and more that were not known.
    async fn add_facts(&mut self, tx: &mut Tx, unknown: &[Unknown<'_>]) -> Result<()> {
        let mut new: BTreeMap<Key, &Unknown<'_>> = BTreeMap::new();
        let mut order = Vec::new();
        for one in unknown.iter().filter(|one| one.set.keys.len() > 1) {
            if new.insert(one.set.key, one).is_none() {
                order.push(one);
            }
        }
        let digests: Vec<Key> = new.keys().copied().collect();
        let known = store::identity::facts_by_digest(tx, self.scope, &digests).await?;
        let known: HashSet<Key> = known.into_iter().map(|fact| fact.digest).collect();
        for one in order
            .into_iter()
            .filter(|one| !known.contains(&one.set.key))
        {
            let members = one.set.keys.iter().filter_map(|key| self.by_key.get(key));
            let fact = StoredFact {
                id: 0,
                digest: one.set.key,
                members: members.copied().collect(),
                is_cut: false,
                seen_at: one.fact.at,
                source: one.fact.source,
            };
            self.facts.push(fact);
        }
        Ok(())
    }

    /// New clear identifiers meet the hashes of them, and new hashes what they are of.
    async fn meet_hashes(&mut self, tx: &mut Tx, now: jiff::Timestamp) -> Result<()> {
        if self.first_new == i64::MAX {
            return Ok(());
        }
        let indexed = store::identity::is_indexed(tx, self.scope).await?;
        if indexed.is_empty() {
            return Ok(());
        }
        let mut hashes = Vec::new();
        for row in self.rows.range(self.first_new..).map(|(_, row)| row) {
            if row.form == Form::Clear {
                let keys = aliases(self.scope.0, &row.kind, &row.value, &indexed, self.region);
                self.aliases
                    .extend(keys.into_iter().map(|key| (key, row.id)));
            } else if row.form.is_hash() {
                hashes.push(row.digest);
            }
        }
        let unseen = self.aliases.iter().map(|(key, _)| *key);
        let unseen: Vec<Key> = unseen
            .filter(|key| !self.by_key.contains_key(key))
            .collect();
        let hashed = store::identity::by_digest(tx, self.scope, &unseen).await?;
        self.take_in(hashed);
        let mut pairs: Vec<(i64, i64)> = Vec::new();
        for (key, clear) in &self.aliases {
            pairs.extend(self.by_key.get(key).map(|hashed| (*clear, *hashed)));
        }
        let clear = store::identity::clear_of(tx, &hashes).await?;
        let ids: Vec<i64> = clear.iter().map(|(_, id)| *id).collect();
        let rows = store::identity::by_id(tx, self.scope, &ids).await?;
        self.take_in(rows);
        for (key, clear) in clear {
            pairs.extend(self.by_key.get(&key).map(|hashed| (clear, *hashed)));
        }
        pairs.sort_unstable();
        pairs.dedup();
        self.add_hash_facts(&pairs, now);
        Ok(())
    }

    fn add_hash_facts(&mut self, pairs: &[(i64, i64)], now: jiff::Timestamp) {
        let mut known: HashSet<Key> = self.facts.iter().map(|fact| fact.digest).collect();
        for (clear, hashed) in pairs {
            let (Some(a), Some(b)) = (self.rows.get(clear), self.rows.get(hashed)) else {
                continue;
            };
            let digest = model::identity::set_key(&mut vec![a.digest, b.digest]);
            let Some(digest) = digest.filter(|digest| known.insert(*digest)) else {
                continue;
            };
            self.facts.push(StoredFact {
                id: 0,
                digest,
                members: vec![*clear, *hashed],
                is_cut: false,
                seen_at: now,
                source: Source::Hash,
            });
        }
    }

    /// Everything that the rows at hand belong to, but for what is overgrown.
    async fn load_components(&mut self, tx: &mut Tx) -> Result<()> {
        let joined = self.rows.range(..self.first_new).map(|(_, row)| row);
        let components: HashSet<i64> = joined
            .filter(|row| row.standing == Standing::Joined)
            .map(|row| row.component)
            .collect();
        let components: Vec<i64> = components.into_iter().collect();
        let rows = store::identity::of_components(tx, self.scope, &components).await?;
        self.take_in(rows);
        for fact in &self.facts {
            let others = i64::try_from(fact.members.len()).unwrap_or(i64::MAX) - 1;
            for member in &fact.members {
                if let Some(row) = self.rows.get_mut(member) {
                    row.ties += others;
                }
            }
        }
        Ok(())
    }

    /// The identifiers that the new facts make crowded.
    async fn crowded(&mut self, tx: &mut Tx) -> Result<Vec<i64>> {
        let least = i64::from(self.rules.least_limit());
        let touched: BTreeSet<i64> = self
            .facts
            .iter()
            .flat_map(|fact| &fact.members)
            .copied()
            .collect();
        let suspects: BTreeSet<i64> = touched
            .into_iter()
            .filter(|id| {
                let row = self.rows.get(id);
                row.is_some_and(|row| !row.standing.is_left_out() && row.ties > least)
            })
            .collect();
        if suspects.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<i64> = suspects.iter().copied().collect();
        let stored = store::identity::facts_of(tx, self.scope, &ids).await?;
        let facts: Vec<&StoredFact> = stored.iter().chain(&self.facts).collect();
        let rows = &self.rows;
        super::change::crowded_among(tx, self.scope, &self.rules, &suspects, &facts, rows).await
    }

    /// Where every row belongs now; answers the people who are not what they were.
    fn place(&mut self) -> HashSet<i64> {
        let mut sets: Vec<Vec<i64>> = Vec::new();
        let mut components: HashMap<i64, Vec<i64>> = HashMap::new();
        let mut nodes = Vec::with_capacity(self.rows.len());
        for row in self.rows.values() {
            nodes.push(Node {
                id: row.id,
                kind: &row.kind,
                is_left_out: row.standing.is_left_out(),
                overgrown: (row.standing == Standing::Overgrown).then_some(row.component),
            });
            if row.standing == Standing::Joined {
                components.entry(row.component).or_default().push(row.id);
            }
        }
        sets.extend(components.into_values());
        sets.extend(self.facts.iter().map(|fact| fact.members.clone()));
        let places = partition::partition(&nodes, sets.iter().map(Vec::as_slice), &self.rules);
        let mut changed: HashSet<i64> = self.required.iter().map(|(id, _)| *id).collect();
        for id in changed.clone() {
            changed.extend(self.rows.get(&id).map(Identifier::person));
        }
        for row in self.rows.values_mut() {
            let Some(place) = places.get(&row.id).filter(|_| !row.standing.is_left_out()) else {
                continue;
            };
            let standing = if place.is_overgrown {
                Standing::Overgrown
            } else {
                Standing::Joined
            };
            let is_new = row.id >= self.first_new;
            if (row.component, row.standing) == (place.component, standing) && !is_new {
                continue;
            }
            changed.insert(row.person());
            if row.standing == Standing::Overgrown && row.component != place.component {
                self.swallowed.insert((row.component, place.component));
            }
            (row.component, row.standing) = (place.component, standing);
            changed.insert(row.person());
            if !is_new {
                self.moved.push(Moved {
                    id: row.id,
                    component: row.component,
                    standing,
                });
            }
        }
        changed
    }

    async fn save(&mut self, tx: &mut Tx) -> Result<()> {
        let scope = self.scope;
        let new: Vec<&Identifier> = self
            .rows
            .range(self.first_new..)
            .map(|(_, row)| row)
            .collect();
        store::identity::insert(tx, scope, &new).await?;
        store::identity::insert_facts(tx, scope, &mut self.facts).await?;
        let mut ties: BTreeMap<i64, i64> = BTreeMap::new();
        for fact in &self.facts {
            let others = i64::try_from(fact.members.len()).unwrap_or(i64::MAX) - 1;
            for member in fact.members.iter().filter(|id| **id < self.first_new) {
                *ties.entry(*member).or_default() += others;
            }
        }
        let ties: Vec<(i64, i64)> = ties.into_iter().collect();
        store::identity::add_ties(tx, scope, &ties).await?;
        store::identity::put_places(tx, scope, &self.moved).await?;
        for (from, to) in &self.swallowed {
            store::identity::put_overgrown(tx, scope, *from, *to).await?;
        }
        store::identity::put_aliases(tx, &self.aliases).await?;
        store::identity::put_required(tx, scope, &self.required).await?;
        Ok(())
    }

    /// For each set the person it belongs to now.
    fn people(&self, unknown: &[Unknown<'_>]) -> Vec<(Key, Option<Arc<Person>>)> {
        let people = group(self.rows.values());
        let whose = |one: &Unknown<'_>| {
            let ids = one.set.keys.iter().filter_map(|key| self.by_key.get(key));
            let person = person_of(ids.filter_map(|id| self.rows.get(id)));
            let person = person.and_then(|id| people.get(&id).cloned());
            (one.set.cached_as, person)
        };
        unknown.iter().map(whose).collect()
    }
}
