//! Refused events that are kept: listed, repaired singly or by a mapping, published, or given up.

use std::collections::HashMap;
use std::sync::Arc;

use model::record::{Digest16, Entry, Idempotency, Refused};
use model::{EndpointId, Invalid, QuarantineId};
use serde_json::Value;
use store::quarantine::{QuarantineState, Quarantined};

use crate::publish::{Published, body_digest, digest};
use crate::{Actor, Error, Hub, Page, Result, Scope};

/// How to repair many events of one kind: names that the publisher spells otherwise than it registered them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mapping {
    /// Event code as it came → as registered.
    pub codes: HashMap<String, String>,
    /// The same for identifier names.
    pub identifiers: HashMap<String, String>,
    /// The same for attribute names.
    pub attributes: HashMap<String, String>,
    /// Channel for events that name none.
    pub channel: Option<String>,
}

/// What a repair by mapping came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Repaired {
    pub published: Vec<QuarantineId>,
    /// Still refused, with what is wrong now.
    pub refused: Vec<(QuarantineId, Invalid)>,
}

impl Hub {
    pub async fn quarantine(
        &self,
        scope: Scope,
        state: QuarantineState,
        endpoint: Option<EndpointId>,
        page: Page,
    ) -> Result<Vec<Quarantined>> {
        while self.route().await?.batches > 0 {}
        self.checkpoint().await?;
        let mut tx = self.db.read().await?;
        Ok(store::quarantine::list(&mut tx, scope, state, endpoint, page).await?)
    }

    pub async fn quarantined(&self, scope: Scope, id: QuarantineId) -> Result<Quarantined> {
        let mut tx = self.db.read().await?;
        store::quarantine::get(&mut tx, scope, id)
            .await?
            .ok_or_else(|| Error::not_found("quarantined event", id))
    }

    /// Publishes a held event as `body` says now; the event leaves the quarantine when it is durable.
    pub async fn quarantine_repair(
        self: &Arc<Self>,
        actor: &Actor,
        scope: Scope,
        id: QuarantineId,
        body: &Value,
    ) -> Result<Published> {
        let event = self.quarantined(scope, id).await?;
        if event.state != QuarantineState::Held {
            return Err(Error::Conflict(format!(
                "quarantined event {id} is {} already",
                event.state.as_str()
            )));
        }
        let published = self.publish_repaired(&event, body).await?;
        self.quarantine_move(actor, scope, id, QuarantineState::Published)
            .await?;
        Ok(published)
    }

    /// Repairs and publishes every held event of an endpoint that a mapping makes valid.
    pub async fn quarantine_repair_all(
        self: &Arc<Self>,
        actor: &Actor,
        scope: Scope,
        endpoint: EndpointId,
        mapping: &Mapping,
    ) -> Result<Repaired> {
        const PAGE: i64 = 200;
        let mut repaired = Repaired::default();
        let mut after = 0;
        loop {
            let page = Page { after, limit: PAGE };
            let held = self
                .quarantine(scope, QuarantineState::Held, Some(endpoint), page)
                .await?;
            let Some(last) = held.last() else {
                return Ok(repaired);
            };
            after = last.id.0;
            for event in &held {
                let mut body: Value = serde_json::from_str(&event.body).map_err(Error::internal)?;
                mapping.apply(&mut body);
                match self.publish_repaired(event, &body).await {
                    Ok(_) => {
                        self.quarantine_move(actor, scope, event.id, QuarantineState::Published)
                            .await?;
                        repaired.published.push(event.id);
                    }
                    Err(Error::Invalid(invalid)) => repaired.refused.push((event.id, invalid)),
                    Err(error) => return Err(error),
                }
            }
        }
    }

    /// Gives a held event up.
    pub async fn quarantine_discard(
        &self,
        actor: &Actor,
        scope: Scope,
        id: QuarantineId,
    ) -> Result<()> {
        self.quarantined(scope, id).await?;
        self.quarantine_move(actor, scope, id, QuarantineState::Discarded)
            .await
    }

    /// The quarantine's id is the idempotency key, so a repair that is repeated after a crash publishes once.
    async fn publish_repaired(
        self: &Arc<Self>,
        event: &Quarantined,
        body: &Value,
    ) -> Result<Published> {
        let bytes = serde_json::to_vec(body).map_err(Error::internal)?;
        let entry = self
            .registry
            .endpoint(event.endpoint)
            .ok_or_else(|| Error::not_found("endpoint", event.endpoint))?;
        let mut publisher = (*entry.publisher).clone();
        publisher.policy.refused_events = model::RefusedEvents::Reject;
        model::event_post::parse(&bytes, &publisher, self.now(), &self.options.limits)?;
        let key = digest(&[b"rialto quarantine", &event.id.0.to_be_bytes()]);
        self.publish_once(event.endpoint, &bytes, Some(key)).await
    }

    async fn quarantine_move(
        &self,
        actor: &Actor,
        scope: Scope,
        id: QuarantineId,
        state: QuarantineState,
    ) -> Result<()> {
        let mut tx = self.db.begin().await?;
        if !store::quarantine::put_state(&mut tx, scope, id, state, self.now()).await? {
            return Err(Error::Conflict(format!(
                "quarantined event {id} is not held any more"
            )));
        }
        let action = if state == QuarantineState::Published {
            "quarantine.publish"
        } else {
            "quarantine.discard"
        };
        self.audit(
            &mut tx,
            Some(scope),
            actor,
            (action, format!("quarantined event {id}")),
            serde_json::json!({ "before": { "state": "held" }, "after": { "state": state.as_str() } }),
        )
        .await?;
        Ok(tx.commit().await?)
    }

    /// Keeps a refused publish body whose sender hears no answer; once for each `key`.
    pub(crate) async fn keep_refused(
        self: &Arc<Self>,
        endpoint: EndpointId,
        (key, body): (Digest16, &str),
        invalid: &Invalid,
    ) -> Result<()> {
        let entry = self
            .registry
            .endpoint(endpoint)
            .ok_or_else(|| Error::not_found("endpoint", endpoint))?;
        let (known, reservation) = self.claim_keys(Some(key), &[]).await?;
        if !known.is_empty() {
            return Ok(());
        }
        let violations = serde_json::to_string(&invalid.violations).map_err(Error::internal)?;
        let record = Entry::Refused(Refused {
            account: entry.endpoint.account,
            endpoint,
            published_at_us: self.now().as_microsecond(),
            ordinal: 0,
            idempotency: Some(Idempotency {
                key,
                body: body_digest(body.as_bytes()),
                accepted: 0,
                quarantined: 1,
            }),
            body: body.into(),
            violations: violations.into(),
        });
        self.append_with_keys(entry.endpoint.account, &[record], reservation)
            .await?;
        self.metrics.quarantined.inc();
        Ok(())
    }
}

impl Mapping {
    /// Renames in every event of a publish body.
    pub fn apply(&self, body: &mut Value) {
        let has_channel = states_channel(body)
            || groups(body).any(|group| states_channel(group))
            || groups(body).any(|group| events(group).any(|event| states_channel(event)));
        if let (Some(channel), Some(members), false) =
            (&self.channel, body.as_object_mut(), has_channel)
        {
            members.insert("channel".to_owned(), Value::String(channel.clone()));
        }
        for group in groups(body) {
            rename_all(group.get_mut("identifiers"), "name", &self.identifiers);
            for event in events(group) {
                rename(event, "code", &self.codes);
                rename_all(event.get_mut("identifiers"), "name", &self.identifiers);
                rename_attributes(event.get_mut("attributes"), &self.attributes);
            }
        }
    }
}

/// What has identifiers and events: the groups of a compound body, or the body itself.
fn groups(body: &mut Value) -> impl Iterator<Item = &mut Value> {
    let is_compound = body.get("eventbatch").is_some_and(Value::is_array);
    let (single, compound) = if is_compound {
        (None, body["eventbatch"].as_array_mut())
    } else {
        (Some(body), None)
    };
    single.into_iter().chain(compound.into_iter().flatten())
}

fn events(group: &mut Value) -> impl Iterator<Item = &mut Value> {
    let events = group.get_mut("events").and_then(Value::as_array_mut);
    events.into_iter().flatten()
}

fn states_channel(value: &Value) -> bool {
    value.get("channel").is_some_and(|c| !c.is_null())
}

/// Attributes are `{"name": "total", "value": 5}` or `{"total": 5}`, in an array or not.
fn rename_attributes(attributes: Option<&mut Value>, names: &HashMap<String, String>) {
    let Some(attributes) = attributes else {
        return;
    };
    let list = match attributes {
        Value::Array(list) => list.as_mut_slice(),
        one => std::slice::from_mut(one),
    };
    for attribute in list {
        let Some(members) = attribute.as_object_mut() else {
            continue;
        };
        if members.contains_key("name") || members.contains_key("value") {
            rename(attribute, "name", names);
            continue;
        }
        *members = std::mem::take(members)
            .into_iter()
            .map(|(name, value)| (names.get(&name).cloned().unwrap_or(name), value))
            .collect();
    }
}

fn rename_all(list: Option<&mut Value>, member: &str, names: &HashMap<String, String>) {
    for item in list.and_then(Value::as_array_mut).into_iter().flatten() {
        rename(item, member, names);
    }
}

fn rename(item: &mut Value, member: &str, names: &HashMap<String, String>) {
    let Some(value) = item.get_mut(member) else {
        return;
    };
    if let Some(new) = value.as_str().and_then(|old| names.get(old)) {
        *value = Value::String(new.clone());
    }
}
