//! Schema drift: attributes that came undeclared or of another type, counted in memory and saved with the checkpoint.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use model::event_type::{AttributeDefinition, RegistrationType};
use model::{AccountId, EndpointId, EventType};
use serde_json::Value;
use store::schema_drift::SchemaDrift;

use crate::event::EventFilter;
use crate::event_type::Which;
use crate::{Actor, Error, Hub, Result, Scope};

/// Different drifts kept between two checkpoints; a publisher that invents names endlessly cannot fill the memory.
const KEPT_MAX: usize = 10_000;
const LISTED_MAX: i64 = 1_000;
/// Events looked at for the types of attributes that nobody declared.
const EXAMPLES_MAX: usize = 20;

type Key = (EndpointId, String, String, String);

#[derive(Default)]
pub struct DriftBook {
    seen: Mutex<HashMap<Key, SchemaDrift>>,
}

impl DriftBook {
    fn seen(&self) -> MutexGuard<'_, HashMap<Key, SchemaDrift>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts one; `what` says what was declared and what came.
    pub(crate) fn add(
        &self,
        account: AccountId,
        endpoint: EndpointId,
        (code, attribute, what): (&str, &str, &str),
        now: Timestamp,
    ) {
        let mut seen = self.seen();
        let key = (
            endpoint,
            code.to_owned(),
            attribute.to_owned(),
            what.to_owned(),
        );
        if let Some(known) = seen.get_mut(&key) {
            known.seen += 1;
            known.last_seen_at = now;
        } else if seen.len() < KEPT_MAX {
            let drift = SchemaDrift {
                account,
                endpoint,
                code: code.to_owned(),
                attribute: attribute.to_owned(),
                what: what.to_owned(),
                seen: 1,
                first_seen_at: now,
                last_seen_at: now,
            };
            seen.insert(key, drift);
        }
    }

    pub(crate) fn take(&self) -> Vec<SchemaDrift> {
        std::mem::take(&mut *self.seen()).into_values().collect()
    }

    /// Those that could not be saved.
    pub(crate) fn put_back(&self, drifts: Vec<SchemaDrift>) {
        let mut seen = self.seen();
        for mut drift in drifts {
            let key = (
                drift.endpoint,
                drift.code.clone(),
                drift.attribute.clone(),
                drift.what.clone(),
            );
            if let Some(since) = seen.get(&key) {
                drift.seen += since.seen;
                drift.last_seen_at = since.last_seen_at;
            }
            seen.insert(key, drift);
        }
    }
}

impl Hub {
    /// What drifted, the latest first.
    pub async fn schema_drift(
        &self,
        scope: Scope,
        endpoint: Option<EndpointId>,
    ) -> Result<Vec<SchemaDrift>> {
        self.checkpoint().await?;
        let mut tx = self.db.read().await?;
        Ok(store::schema_drift::list(&mut tx, scope, endpoint, LISTED_MAX).await?)
    }

    /// How many ways attributes of each publisher's codes drift, as it was saved last: for who asks again and again.
    pub async fn drifting(&self, scope: Scope) -> Result<BTreeMap<(EndpointId, String), usize>> {
        let mut tx = self.db.read().await?;
        let drifts = store::schema_drift::list(&mut tx, scope, None, LISTED_MAX).await?;
        let mut drifting = BTreeMap::new();
        for drift in drifts {
            *drifting.entry((drift.endpoint, drift.code)).or_default() += 1;
        }
        Ok(drifting)
    }

    /// Declares what an event type is published with: attributes that were not declared, by the type that the latest events
    /// say, and those that come as another type, by that one. What drifted is forgotten; answers the attributes' names.
    pub async fn schema_drift_declare(
        &self,
        actor: &Actor,
        scope: Scope,
        endpoint: EndpointId,
        code: &str,
    ) -> Result<Vec<String>> {
        let mut drifts = self.schema_drift(scope, Some(endpoint)).await?;
        drifts.retain(|drift| drift.code == code);
        let types = self.event_types(scope, endpoint)?;
        let is_it = |t: &&EventType| t.code == code && t.registration == RegistrationType::Publish;
        let event_type = types.iter().find(is_it);
        let event_type = event_type.ok_or_else(|| Error::not_found("event type", code))?;
        let seen = self.types_seen(scope, endpoint, code).await?;
        let mut attributes = event_type.attributes.clone();
        let mut names = BTreeSet::new();
        for drift in &drifts {
            names.insert(drift.attribute.clone());
            // `declared number, came as a string`
            let came = drift.what.rsplit_once("came as ");
            let came = came.and_then(|(_, came)| came.split(' ').next_back());
            let kind = came.or(seen.get(&drift.attribute).map(String::as_str));
            let kind = kind.unwrap_or("string").to_owned();
            match attributes.iter_mut().find(|a| a.name == drift.attribute) {
                Some(known) => known.kind = kind,
                None => attributes.push(AttributeDefinition {
                    name: drift.attribute.clone(),
                    kind,
                }),
            }
        }
        if names.is_empty() {
            return Err(Error::not_found("schema drift of event type", code));
        }
        let which = Which {
            code: Some(code.to_owned()),
            namespace: Some(event_type.namespace.clone()),
        };
        let body = serde_json::to_value(&attributes).map_err(Error::internal)?;
        let id = (RegistrationType::Publish, event_type.id.0);
        self.event_type_set_attributes(actor, scope, endpoint, id, (which, &body))
            .await?;
        let mut tx = self.db.begin().await?;
        store::schema_drift::delete(&mut tx, scope, endpoint, code).await?;
        tx.commit().await?;
        Ok(names.into_iter().collect())
    }

    /// The types that attributes came as in the latest events of a publisher's code.
    async fn types_seen(
        &self,
        scope: Scope,
        publisher: EndpointId,
        code: &str,
    ) -> Result<HashMap<String, String>> {
        let filter = EventFilter {
            code: Some(code.to_owned()),
            publisher: Some(publisher),
            ..EventFilter::default()
        };
        let latest = self
            .events_found(scope, &filter, None, EXAMPLES_MAX)
            .await?;
        let mut types = HashMap::new();
        for event in latest.events.iter().take(EXAMPLES_MAX) {
            let body = self.event(scope, event.id).await?.body;
            let body: Value = serde_json::from_str(&body).unwrap_or_default();
            for attribute in body["attributes"].as_array().into_iter().flatten() {
                let (name, kind) = (&attribute["name"], &attribute["type"]);
                if let (Some(name), Some(kind)) = (name.as_str(), kind.as_str()) {
                    types.entry(name.to_owned()).or_insert(kind.to_owned());
                }
            }
        }
        Ok(types)
    }
}
