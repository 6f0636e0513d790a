//! Documents and their people: what an event's identifiers say, before it is routed and when it is delivered.

use std::borrow::Cow;
use std::sync::Arc;

use model::identity::{Fact, Key, Source, Told};
use model::record::Document;
use model::{AccountId, X1Id};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{Known, Person, Set};
use crate::registry::EndpointEntry;
use crate::shard::Shard;
use crate::{Hub, Result};

/// Whom a document is about.
#[derive(Debug, Clone, Default)]
pub(crate) struct Who {
    pub(crate) x1_id: Option<X1Id>,
    /// All that is known of the person; `None` where no graph is kept.
    pub(crate) person: Option<Arc<Person>>,
    /// Stand for the identifiers that were published.
    pub(crate) published: Vec<Key>,
}

impl Who {
    /// What is known of the person and was not published now.
    pub(crate) fn others(&self) -> impl Iterator<Item = &Known> {
        let known = self.person.iter().flat_map(|person| &person.identifiers);
        known.filter(|one| !self.published.contains(&one.key))
    }

    /// What keeps deliveries about one person in order; 0 for nobody.
    pub(crate) fn lane(&self) -> i64 {
        if let Some(person) = &self.person {
            return person.id;
        }
        self.x1_id.map_or(0, |id| {
            let mut eight = [0; 8];
            eight.copy_from_slice(&id.as_bytes()[8..]);
            // Never 0, which stands for nobody.
            i64::from_be_bytes(eight) | 1
        })
    }
}

impl Hub {
    /// Learns what documents of a shard that runs here say: durable when it answers. For each the person's lane; `None`:
    /// the shard was lost, and nothing was learned.
    pub(crate) async fn learn_documents(
        &self,
        tenure: (Shard, i64),
        documents: &[(u64, &Document<'_>)],
    ) -> Result<Option<Vec<i64>>> {
        let mut lanes = vec![0; documents.len()];
        let mut accounts: Vec<(AccountId, Vec<usize>, Vec<Fact<'_>>)> = Vec::new();
        let entries: Vec<_> = documents
            .iter()
            .map(|(_, document)| self.registry.endpoint(document.endpoint))
            .collect();
        for (at, ((position, document), entry)) in documents.iter().zip(&entries).enumerate() {
            let account = document.account;
            if !self.keeps_identity(account) {
                lanes[at] = stateless(entry.as_deref(), document).lane();
                continue;
            }
            let fact = Fact {
                identifiers: told(entry.as_deref(), document),
                source: Source::Event {
                    position: *position,
                },
                at: jiff::Timestamp::from_microsecond(document.published_at_us)
                    .unwrap_or(jiff::Timestamp::UNIX_EPOCH),
            };
            let place = accounts.iter().position(|(known, ..)| *known == account);
            let place = place.unwrap_or_else(|| {
                accounts.push((account, Vec::new(), Vec::new()));
                accounts.len() - 1
            });
            accounts[place].1.push(at);
            accounts[place].2.push(fact);
        }
        accounts.sort_unstable_by_key(|(account, ..)| *account);
        let facts: Vec<(AccountId, &[Fact<'_>])> = accounts
            .iter()
            .map(|(account, _, facts)| (*account, facts.as_slice()))
            .collect();
        let Some(people) = self.learn_under(tenure, &facts).await? else {
            return Ok(None);
        };
        for ((_, places, _), people) in accounts.iter().zip(people) {
            for (at, person) in places.iter().zip(people) {
                lanes[*at] = person.map_or(0, |person| person.id);
            }
        }
        Ok(Some(lanes))
    }

    /// Whom a document is about, if no query is needed to know.
    pub(crate) fn who_at_hand(&self, document: &Document<'_>) -> Option<Who> {
        let entry = self.registry.endpoint(document.endpoint);
        if !self.keeps_identity(document.account) {
            return Some(stateless(entry.as_deref(), document));
        }
        let set = Set::of(document.account, &told(entry.as_deref(), document))?;
        let person = self.identity.get(&set.cached_as)?;
        Some(Who {
            x1_id: person.as_ref().map(|person| person.x1_id),
            person,
            published: set.keys,
        })
    }

    /// Whom a document is about, for its delivery.
    pub(crate) async fn who_one(&self, document: &Document<'_>) -> Result<Who> {
        let mut who = self.who(document.account, &[document]).await?;
        Ok(who.pop().unwrap_or_default())
    }

    /// Whom documents of one account are about.
    pub(crate) async fn who(
        &self,
        account: AccountId,
        documents: &[&Document<'_>],
    ) -> Result<Vec<Who>> {
        let entries: Vec<_> = documents
            .iter()
            .map(|document| self.registry.endpoint(document.endpoint))
            .collect();
        let told_by = documents.iter().zip(&entries);
        if !self.keeps_identity(account) {
            return Ok(told_by
                .map(|(document, entry)| stateless(entry.as_deref(), document))
                .collect());
        }
        let told: Vec<Vec<Told<'_>>> = told_by
            .map(|(document, entry)| told(entry.as_deref(), document))
            .collect();
        let asked: Vec<(Option<Set>, &[Told<'_>])> = told
            .iter()
            .map(|told| (Set::of(account, told), told.as_slice()))
            .collect();
        let people = self.known_sets(account, &asked).await?;
        let who = people.into_iter().zip(asked).map(|(person, (set, _))| Who {
            x1_id: person.as_ref().map(|person| person.x1_id),
            person,
            published: set.map_or_else(Vec::new, |set| set.keys),
        });
        Ok(who.collect())
    }
}

/// The identifiers of a document, as its publisher declared them.
fn told<'a>(entry: Option<&EndpointEntry>, document: &'a Document<'_>) -> Vec<Told<'a>> {
    let definitions = entry.map(|entry| &entry.publisher.identifiers);
    let one = |identifier: &'a model::record::Identifier<'_>| Told {
        name: Cow::Borrowed(&*identifier.name),
        kind: Cow::Borrowed(&*identifier.kind),
        value: Cow::Borrowed(&*identifier.value),
        mode: identifier.mode,
        algorithm: identifier.algorithm,
        is_case_sensitive: definitions
            .and_then(|known| known.get(&*identifier.name))
            .is_none_or(|definition| definition.is_case_sensitive),
    };
    let unlearned = entry.map_or(&[][..], |entry| entry.unlearned.as_slice());
    let is_told = |identifier: &&model::record::Identifier<'_>| {
        unlearned.is_empty() || !unlearned.iter().any(|name| *name == identifier.name)
    };
    document
        .identifiers
        .iter()
        .filter(is_told)
        .map(one)
        .collect()
}

/// Where no graph is kept: the first identifier that can be somebody's is the person, computed and not stored.
fn stateless(entry: Option<&EndpointEntry>, document: &Document<'_>) -> Who {
    let rules = model::identity::Rules::default();
    let told = told(entry, document);
    let first = told.iter().find_map(|one| {
        let (form, value) = one.canonical();
        let digest = || {
            Sha256::new()
                .chain_update(b"rialto person")
                .chain_update(document.account.0.to_be_bytes())
                .chain_update(one.kind.to_ascii_lowercase().as_bytes())
                .chain_update([0])
                .chain_update(value.as_bytes())
                .finalize()
        };
        (!rules.is_junk(form, &value)).then(digest)
    });
    Who {
        x1_id: first.map(|digest| {
            let mut bytes = [0; 16];
            bytes.copy_from_slice(&digest[..16]);
            X1Id(Uuid::new_v8(bytes))
        }),
        person: None,
        published: Vec::new(),
    }
}
