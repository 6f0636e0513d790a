//! Schema drift: attributes that came undeclared or of another type, counted in memory and saved with the checkpoint.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use model::{AccountId, EndpointId};
use store::schema_drift::SchemaDrift;

use crate::{Hub, Result, Scope};

/// Different drifts kept between two checkpoints; a publisher that invents names endlessly cannot fill the memory.
const KEPT_MAX: usize = 10_000;
const LISTED_MAX: i64 = 1_000;

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
}
