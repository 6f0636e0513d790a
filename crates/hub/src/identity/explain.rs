//! What is known of one person, and why: each set of identifiers that was seen, where and when, and which of them made two
//! people one. Also the reports of what the guard rails keep apart, and of what was undone.

use std::collections::HashMap;

use engine::{Position, Tx};
use model::identity::{Source, Told};
use model::record::Entry;
use model::{EndpointId, JobId, X1Id};
use store::identity::{Identifier, Standing, StoredFact};

use super::Person;
use crate::{Error, Hub, Page, Result, Scope};

/// Facts that are shown of one person; what is in more is left out of people anyway.
const FACTS_MAX: usize = 1_000;

/// Whom somebody looks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted<'a> {
    /// By the person's id, or one that it had before it was merged with an older one.
    X1Id(X1Id),
    Told(Told<'a>),
}

/// A person and why it is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained {
    pub person: i64,
    pub x1_id: X1Id,
    /// Oldest first; each has an id of its own by which the person is found too.
    pub identifiers: Vec<Identifier>,
    /// In the order in which they were seen.
    pub facts: Vec<ExplainedFact>,
    /// There are more than are shown.
    pub has_more: bool,
}

/// A set of identifiers that was seen together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExplainedFact {
    pub fact: StoredFact,
    /// The identifiers in it; some may belong to others, or to nobody.
    pub identifiers: Vec<Identifier>,
    /// The people whom it made one, by the ids that they had: the first is the one that stayed. Fewer than two: it joined
    /// nobody who was not joined before.
    pub merged: Vec<X1Id>,
}

impl Hub {
    /// A person of an account and why it is one.
    ///
    /// # Errors
    /// [`Error::NotFound`] if nobody is known by that.
    pub async fn identity_explain(&self, scope: Scope, wanted: &Wanted<'_>) -> Result<Explained> {
        let person = self.identity_find(scope, wanted).await?;
        let mut tx = self.db.read().await?;
        let ids: Vec<i64> = person.identifiers.iter().map(|known| known.id).collect();
        let identifiers = store::identity::by_id(&mut tx, scope, &ids).await?;
        let mut facts = match identifiers.as_slice() {
            [one] => {
                let page = Page {
                    after: 0,
                    limit: i64::try_from(FACTS_MAX).unwrap_or(i64::MAX) + 1,
                };
                store::identity::facts_page(&mut tx, scope, one.id, page).await?
            }
            _ => store::identity::facts_of(&mut tx, scope, &ids).await?,
        };
        let has_more = facts.len() > FACTS_MAX;
        facts.truncate(FACTS_MAX);
        explained(&mut tx, scope, &person, identifiers, (facts, has_more)).await
    }

    /// Which endpoint told each of these, as far as that is still kept: of an event its publisher, of a row the source of its
    /// audience.
    pub async fn identity_told_by(
        &self,
        scope: Scope,
        sources: &[Source],
    ) -> Result<Vec<Option<EndpointId>>> {
        let mut publishers: HashMap<u64, Option<EndpointId>> = HashMap::new();
        let mut producers: HashMap<i64, Option<EndpointId>> = HashMap::new();
        for source in sources {
            match source {
                Source::Event { position } if !publishers.contains_key(position) => {
                    publishers.insert(*position, self.published_by(scope, *position).await?);
                }
                Source::Row { job, .. } if !producers.contains_key(job) => {
                    let mut tx = self.db.read().await?;
                    let job_row = store::job::get(&mut tx, scope, JobId(*job)).await?;
                    producers.insert(*job, job_row.and_then(|job| job.producer));
                }
                _ => {}
            }
        }
        let told = sources.iter().map(|source| match source {
            Source::Event { position } => publishers.get(position).copied().flatten(),
            Source::Row { job, .. } => producers.get(job).copied().flatten(),
            Source::Hash => None,
        });
        Ok(told.collect())
    }

    /// Who published the document at a position of the log; `None` once it is no longer kept.
    async fn published_by(&self, scope: Scope, position: u64) -> Result<Option<EndpointId>> {
        let seq = Position::from_u64(position).seq();
        let log = self.logs.of(scope.0);
        let batches = log.read(seq, 1, usize::MAX).await?;
        let batch = batches.into_iter().find(|batch| batch.seq() == seq);
        let Some(batch) = batch else {
            return Ok(None);
        };
        let mut records = batch.iter();
        let record = records.find(|(at, _)| at.as_u64() == position);
        let document = record.and_then(|(_, bytes)| match Entry::decode(bytes) {
            Ok(Entry::Document(document)) => Some(document),
            _ => None,
        });
        let document = document.filter(|document| document.account == scope.0);
        Ok(document.map(|document| document.endpoint))
    }

    async fn identity_find(&self, scope: Scope, wanted: &Wanted<'_>) -> Result<Person> {
        let nobody = || Error::NotFound("person who is known by that".to_owned());
        let row = match wanted {
            Wanted::Told(told) => {
                let found = self.known(scope.0, &[vec![told.clone()]]).await?.pop();
                if let Some(person) = found.flatten() {
                    return Ok((*person).clone());
                }
                // What stands for nobody is known all the same, for who asks for it by name.
                let mut tx = self.db.read().await?;
                let keys = [told.key(scope.0)];
                store::identity::by_digest(&mut tx, scope, &keys)
                    .await?
                    .pop()
            }
            Wanted::X1Id(id) => {
                let mut tx = self.db.read().await?;
                store::identity::by_x1_id(&mut tx, scope, *id).await?
            }
        };
        let row = row.ok_or_else(nobody)?;
        let mut tx = self.db.read().await?;
        let people = super::lookup::people_of(&mut tx, scope, [&row].into_iter()).await?;
        let person = people.get(&row.person()).ok_or_else(nobody)?;
        Ok((**person).clone())
    }

    /// Identifiers that join nobody: junk, crowded, or of something that is more than one person can be.
    pub async fn identity_guarded(
        &self,
        scope: Scope,
        standing: Standing,
        page: Page,
    ) -> Result<Vec<Identifier>> {
        let mut tx = self.db.read().await?;
        Ok(store::identity::list_standing(&mut tx, scope, standing, page).await?)
    }

    /// Facts that were undone.
    pub async fn identity_undone(&self, scope: Scope, page: Page) -> Result<Vec<ExplainedFact>> {
        let mut tx = self.db.read().await?;
        let facts = store::identity::list_cut(&mut tx, scope, page).await?;
        with_identifiers(&mut tx, scope, facts).await
    }
}

async fn explained(
    tx: &mut Tx,
    scope: Scope,
    person: &Person,
    mut identifiers: Vec<Identifier>,
    (facts, has_more): (Vec<StoredFact>, bool),
) -> Result<Explained> {
    identifiers.sort_unstable_by_key(|one| one.id);
    let mut facts = with_identifiers(tx, scope, facts).await?;
    // The person as it grew: each identifier a person of its own, joined fact by fact.
    let mut people: HashMap<i64, i64> = identifiers
        .iter()
        .filter(|one| one.standing == Standing::Joined)
        .map(|one| (one.id, one.id))
        .collect();
    let ids: HashMap<i64, X1Id> = identifiers.iter().map(|one| (one.id, one.x1_id)).collect();
    for one in facts.iter_mut().filter(|one| !one.fact.is_cut) {
        let members = one.fact.members.iter();
        let mut joined: Vec<i64> = members.filter_map(|id| people.get(id).copied()).collect();
        joined.sort_unstable();
        joined.dedup();
        let Some(oldest) = joined.first().copied() else {
            continue;
        };
        for person in people.values_mut().filter(|person| joined.contains(person)) {
            *person = oldest;
        }
        one.merged = joined
            .iter()
            .filter_map(|id| ids.get(id))
            .copied()
            .collect();
    }
    Ok(Explained {
        person: person.id,
        x1_id: person.x1_id,
        identifiers,
        facts,
        has_more,
    })
}

async fn with_identifiers(
    tx: &mut Tx,
    scope: Scope,
    facts: Vec<StoredFact>,
) -> Result<Vec<ExplainedFact>> {
    let mut ids: Vec<i64> = facts
        .iter()
        .flat_map(|fact| &fact.members)
        .copied()
        .collect();
    ids.sort_unstable();
    ids.dedup();
    let rows = store::identity::by_id(tx, scope, &ids).await?;
    let rows: HashMap<i64, Identifier> = rows.into_iter().map(|row| (row.id, row)).collect();
    let explained = facts.into_iter().map(|fact| ExplainedFact {
        identifiers: fact
            .members
            .iter()
            .filter_map(|id| rows.get(id))
            .cloned()
            .collect(),
        merged: Vec::new(),
        fact,
    });
    Ok(explained.collect())
}
