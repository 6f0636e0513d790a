//! How many people of a source a destination would get, before anything is shared; without telling who.
//!
//! Looked up in a sample of the graph: of the people who are known by an identifier of a type that the source has, the
//! part that is known by one of a type that the destination takes. What is answered is rounded and tells nothing of small
//! numbers; the sample is the same for a whole day, so nobody is found out by asking again.

use std::collections::{BTreeSet, HashSet};

use model::hashing::HashMode;
use model::identity::Form;
use model::{EndpointId, IdentifierDefinition};
use sha2::{Digest, Sha256};
use store::identity::{Identifier, Standing};

use crate::{Error, Hub, Result, Scope};

/// Identifiers looked at.
const SAMPLE: i64 = 5_000;
/// Fewer people than this tell too much of each.
const PEOPLE_MIN: usize = 100;
/// A rate is told in steps of so many percent.
const STEP: usize = 5;

/// What is told before a share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Estimate {
    /// Types that both use: these meet without the graph.
    pub direct: Vec<String>,
    /// Percent of the people known by the source's types whom the destination's types reach, in steps of 5; `None`: too
    /// few people are known for it to be told.
    pub match_percent: Option<usize>,
}

impl Hub {
    /// The part of a source's people that a destination would know, estimated from the types of their identifiers.
    pub async fn identity_estimate(
        &self,
        scope: Scope,
        source: EndpointId,
        destination: EndpointId,
    ) -> Result<Estimate> {
        let of = |id: EndpointId| -> Result<Vec<IdentifierDefinition>> {
            let entry = self.registry.endpoint(id);
            let entry = entry.filter(|entry| entry.endpoint.account == scope.0);
            let entry = entry.ok_or_else(|| Error::not_found("endpoint", id))?;
            // Those never identify members of an audience.
            let usable = entry
                .endpoint
                .definition
                .identifiers()
                .filter(|i| !i.is_event_only);
            Ok(usable.cloned().collect())
        };
        let (from, to) = (of(source)?, of(destination)?);
        let kinds = |list: &[IdentifierDefinition]| -> BTreeSet<String> {
            list.iter().map(|i| i.kind.to_ascii_lowercase()).collect()
        };
        let (from_kinds, to_kinds) = (kinds(&from), kinds(&to));
        let day = self.now().strftime("%Y-%m-%d").to_string();
        let digest = Sha256::new()
            .chain_update(b"rialto estimate")
            .chain_update(scope.0.0.to_be_bytes())
            .chain_update(day.as_bytes())
            .finalize();
        let mut start = [0; 16];
        start.copy_from_slice(&digest[..16]);
        let people = self.sample(scope, start, &from_kinds).await?;
        let known = people.len();
        let reached = people
            .iter()
            .filter(|person| person.iter().any(|row| takes(&to, row)));
        let reached = reached.count();
        Ok(Estimate {
            direct: from_kinds.intersection(&to_kinds).cloned().collect(),
            match_percent: (known >= PEOPLE_MIN)
                .then(|| (reached * 100 / known + STEP / 2) / STEP * STEP),
        })
    }

    /// People who are known by one of these types, from a place of the graph on that has no meaning.
    async fn sample(
        &self,
        scope: Scope,
        start: [u8; 16],
        kinds: &BTreeSet<String>,
    ) -> Result<Vec<Vec<Identifier>>> {
        let mut tx = self.db.read().await?;
        let mut rows = store::identity::list(&mut tx, scope, start, SAMPLE).await?;
        if rows.len() < usize::try_from(SAMPLE).unwrap_or(usize::MAX) {
            rows.append(&mut store::identity::list(&mut tx, scope, [0; 16], SAMPLE).await?);
        }
        let components: HashSet<i64> = rows
            .iter()
            .filter(|row| row.standing == Standing::Joined && kinds.contains(&row.kind))
            .map(|row| row.component)
            .collect();
        let components: Vec<i64> = components.into_iter().collect();
        let mut rows = store::identity::of_components(&mut tx, scope, &components).await?;
        rows.sort_by_key(|row| row.component);
        let people = rows.chunk_by(|a, b| a.component == b.component);
        Ok(people.map(<[Identifier]>::to_vec).collect())
    }
}

/// Whether one of these definitions takes an identifier: its type, and in clear where it does not want hashes.
fn takes(definitions: &[IdentifierDefinition], row: &Identifier) -> bool {
    definitions.iter().any(|definition| {
        definition.kind.eq_ignore_ascii_case(&row.kind)
            && (row.form == Form::Clear || definition.hash_mode != HashMode::None)
    })
}
