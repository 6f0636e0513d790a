//! Event types: registered by an endpoint, replaced, listed, and who subscribes to them.

use model::event_type::{NAMESPACE_DEFAULT, VERSION_DEFAULT};
use model::reader::Reader;
use model::{
    AttributeDefinition, EndpointId, EventType, EventTypeId, Invalid, RegistrationType, catalog,
};
use serde_json::Value;

use crate::{Actor, Error, Hub, Result, Scope};

const CODE_CHARS_MAX: usize = 256;
const TEXT_CHARS_MAX: usize = 4_000;
/// Attributes of one event type.
const ATTRIBUTES_MAX: usize = 1_000;
/// Event types of one endpoint, and of one deployment.
pub(crate) const EVENT_TYPES_MAX: usize = 2_000;

/// An event type that an endpoint receives, and from whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    pub event_type: EventType,
    /// The publishing endpoint's name.
    pub publisher: String,
    /// Its provider.
    pub provider: String,
}

/// Which attributes are replaced: those of one event type.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Which {
    pub code: Option<String>,
    pub namespace: Option<String>,
}

impl Hub {
    /// Registers an event type, or updates the registration that there is; answers its id.
    pub async fn event_type_register(
        &self,
        actor: &Actor,
        scope: Scope,
        endpoint: EndpointId,
        body: &Value,
    ) -> Result<EventTypeId> {
        let event_type = parse(endpoint, "", body)?;
        let (mut tx, turn) = self.begin_change().await?;
        let known = store::event_type::list(&mut tx, scope, endpoint).await?;
        let is_known = known.iter().any(|t| t.is_same(&event_type));
        if known.len() >= EVENT_TYPES_MAX && !is_known {
            let message = format!(
                "the endpoint has {} event types; at most {EVENT_TYPES_MAX} are kept",
                known.len()
            );
            return Err(Invalid::one("", "too-many", message).into());
        }
        let id = store::event_type::upsert(&mut tx, scope, &event_type).await?;
        store::registration::forget_given(&mut tx, scope, &event_type).await?;
        let detail = serde_json::json!({ "code": event_type.code, "namespace": event_type.namespace, "registrationType": event_type.registration });
        self.audit(
            &mut tx,
            Some(scope),
            actor,
            ("eventtype.register", format!("event type {id}")),
            detail,
        )
        .await?;
        let all = store::event_type::list(&mut tx, scope, endpoint).await?;
        self.commit_change(tx, &turn, scope.0).await?;
        self.registry.put_event_types(endpoint, all);
        Ok(id)
    }

    /// All event types of an endpoint, in the order of their ids.
    pub fn event_types(&self, scope: Scope, endpoint: EndpointId) -> Result<Vec<EventType>> {
        self.check_endpoint(scope, endpoint)?;
        Ok(self
            .registry
            .endpoint(endpoint)
            .map(|entry| entry.event_types.clone())
            .unwrap_or_default())
    }

    /// Those that the endpoint publishes and somebody subscribes to.
    pub fn event_types_subscribed(
        &self,
        scope: Scope,
        endpoint: EndpointId,
    ) -> Result<Vec<EventType>> {
        let types = self.event_types(scope, endpoint)?;
        let is_taken = |t: &EventType| {
            let subscriptions = self.registry.subscriptions(endpoint, &t.code);
            subscriptions
                .iter()
                .any(|s| s.enabled && !s.deleted && s.takes(&t.code, &t.namespace))
        };
        Ok(types
            .into_iter()
            .filter(|t| t.registration == RegistrationType::Publish && is_taken(t))
            .collect())
    }

    /// What the endpoint receives, described as its publishers registered it, with their names.
    pub fn event_types_received(
        &self,
        scope: Scope,
        endpoint: EndpointId,
    ) -> Result<Vec<Received>> {
        self.check_endpoint(scope, endpoint)?;
        let mine = self
            .registry
            .subscriptions_where(|s| s.destination == endpoint && s.enabled && !s.deleted);
        let mut received = Vec::new();
        for subscription in mine {
            let Some(publisher) = self.registry.endpoint(subscription.publisher) else {
                continue;
            };
            for event_type in publisher.registered(RegistrationType::Publish) {
                if subscription.takes(&event_type.code, &event_type.namespace) {
                    received.push(Received {
                        event_type: event_type.clone(),
                        publisher: publisher.endpoint.definition.name.clone(),
                        provider: publisher.endpoint.definition.provider_name.clone(),
                    });
                }
            }
        }
        received
            .sort_by(|a, b| (a.event_type.id, &a.publisher).cmp(&(b.event_type.id, &b.publisher)));
        received.dedup();
        Ok(received)
    }

    /// Replaces the attributes of one event type. `id` is the endpoint's id or the event type's; `body` is an array,
    /// or an object that names the event type and has the array in `attributes`.
    pub async fn event_type_set_attributes(
        &self,
        actor: &Actor,
        scope: Scope,
        endpoint: EndpointId,
        (registration, id): (RegistrationType, i64),
        (which, body): (Which, &Value),
    ) -> Result<EventTypeId> {
        let mut invalid = Invalid::default();
        let mut which = which;
        let attributes = match body {
            Value::Array(_) => attributes(body, "", &mut invalid),
            _ => {
                let Some(reader) = Reader::new(body, "", &mut invalid) else {
                    return Err(invalid.into());
                };
                which.code = reader
                    .text("code", CODE_CHARS_MAX, &mut invalid)
                    .or(which.code);
                which.namespace = reader
                    .text("namespace", CODE_CHARS_MAX, &mut invalid)
                    .or(which.namespace);
                match reader.get("attributes") {
                    Some(list) => attributes(list, "/attributes", &mut invalid),
                    None => {
                        invalid.add(
                            "/attributes",
                            "required",
                            "send the new attributes as an array, here or as the whole body",
                        );
                        Vec::new()
                    }
                }
            }
        };
        invalid.or(())?;
        let (mut tx, turn) = self.begin_change().await?;
        let types = self.event_types(scope, endpoint)?;
        let mut event_type = pick(types, endpoint, registration, id, &which)?;
        let before = std::mem::replace(&mut event_type.attributes, attributes);
        store::event_type::upsert(&mut tx, scope, &event_type).await?;
        store::registration::forget_given(&mut tx, scope, &event_type).await?;
        let detail = serde_json::json!({ "code": event_type.code, "before": before, "after": event_type.attributes });
        self.audit(
            &mut tx,
            Some(scope),
            actor,
            (
                "eventtype.attributes",
                format!("event type {}", event_type.id),
            ),
            detail,
        )
        .await?;
        let all = store::event_type::list(&mut tx, scope, endpoint).await?;
        self.commit_change(tx, &turn, scope.0).await?;
        self.registry.put_event_types(endpoint, all);
        Ok(event_type.id)
    }

    /// Removes every registration of a code; `false` when there is none.
    pub async fn event_type_delete(
        &self,
        actor: &Actor,
        scope: Scope,
        endpoint: EndpointId,
        code: &str,
    ) -> Result<bool> {
        let (mut tx, turn) = self.begin_change().await?;
        let types = self.event_types(scope, endpoint)?;
        let mut removed = false;
        let mut before = Vec::new();
        for event_type in types.iter().filter(|t| t.code == code) {
            before.push(serde_json::json!({
                "id": event_type.id, "name": event_type.name, "attributes": event_type.attributes,
            }));
            removed |= store::event_type::delete(&mut tx, scope, event_type.id).await?;
            // What its deployment gives is not given again.
            store::registration::put_given(&mut tx, scope, event_type, true).await?;
        }
        if !removed {
            return Ok(false);
        }
        let detail = serde_json::json!({ "code": code, "before": before });
        self.audit(
            &mut tx,
            Some(scope),
            actor,
            ("eventtype.delete", format!("endpoint {endpoint}")),
            detail,
        )
        .await?;
        let left = store::event_type::list(&mut tx, scope, endpoint).await?;
        self.commit_change(tx, &turn, scope.0).await?;
        self.registry.put_event_types(endpoint, left);
        Ok(true)
    }
}

/// The event type that stands at `pointer` of a body.
pub(crate) fn parse(
    endpoint: EndpointId,
    pointer: &str,
    body: &Value,
) -> std::result::Result<EventType, Invalid> {
    let mut invalid = Invalid::default();
    let Some(reader) = Reader::new(body, pointer, &mut invalid) else {
        return Err(invalid);
    };
    let code = reader
        .required_text("code", CODE_CHARS_MAX, &mut invalid)
        .unwrap_or_default();
    let name = reader
        .required_text("name", CODE_CHARS_MAX, &mut invalid)
        .unwrap_or_default();
    let version = reader
        .integer("version", &mut invalid)
        .unwrap_or(VERSION_DEFAULT);
    if version != VERSION_DEFAULT {
        invalid.add(
            reader.pointer("version"),
            "unknown-value",
            format!(
                "version {version} of the catalog does not exist: the only one is {VERSION_DEFAULT}"
            ),
        );
    }
    let namespace = reader
        .text("namespace", CODE_CHARS_MAX, &mut invalid)
        .filter(|n| !n.trim().is_empty());
    let event_type = EventType {
        id: EventTypeId(0),
        endpoint,
        is_custom: catalog::recognized(&code).is_none(),
        code,
        name,
        description: reader.text("description", TEXT_CHARS_MAX, &mut invalid),
        namespace: namespace.unwrap_or_else(|| NAMESPACE_DEFAULT.to_owned()),
        version,
        registration: reader
            .word(
                "registrationType",
                "PUBLISH or SUBSCRIBE",
                RegistrationType::parse,
                &mut invalid,
            )
            .unwrap_or_default(),
        attributes: reader
            .get("attributes")
            .map(|list| attributes(list, &reader.pointer("attributes"), &mut invalid))
            .unwrap_or_default(),
    };
    invalid.or(event_type)
}

fn attributes(list: &Value, pointer: &str, invalid: &mut Invalid) -> Vec<AttributeDefinition> {
    let Some(items) = list.as_array() else {
        invalid.add(
            pointer,
            "type",
            format!(
                "expected an array, found {}",
                model::reader::type_name(list)
            ),
        );
        return Vec::new();
    };
    if items.len() > ATTRIBUTES_MAX {
        invalid.add(
            pointer,
            "too-many",
            format!(
                "{} attributes; at most {ATTRIBUTES_MAX} are taken",
                items.len()
            ),
        );
        return Vec::new();
    }
    let mut seen = std::collections::HashSet::new();
    let mut attributes = Vec::with_capacity(items.len());
    for (i, item) in items.iter().enumerate() {
        let Some(reader) = Reader::new(item, format!("{pointer}/{i}"), invalid) else {
            continue;
        };
        let Some(name) = reader.required_text("name", CODE_CHARS_MAX, invalid) else {
            continue;
        };
        let kind = reader
            .text("type", CODE_CHARS_MAX, invalid)
            .filter(|kind| !kind.trim().is_empty());
        if !seen.insert(name.clone()) {
            invalid.add(
                reader.pointer("name"),
                "duplicate",
                format!("`{name}` is defined twice"),
            );
        }
        attributes.push(AttributeDefinition {
            name,
            kind: kind.unwrap_or_else(|| "string".to_owned()),
        });
    }
    attributes
}

/// The one event type that is meant, or what to do to name it.
fn pick(
    types: Vec<EventType>,
    endpoint: EndpointId,
    registration: RegistrationType,
    id: i64,
    which: &Which,
) -> Result<EventType> {
    let is_endpoint = id == endpoint.0;
    let fits = |t: &EventType| {
        t.registration == registration
            && (is_endpoint || t.id.0 == id)
            && which.code.as_ref().is_none_or(|code| *code == t.code)
            && which
                .namespace
                .as_ref()
                .is_none_or(|namespace| *namespace == t.namespace)
    };
    let role = registration.as_str();
    let mut found: Vec<EventType> = types.into_iter().filter(fits).collect();
    match found.len() {
        0 if !is_endpoint => Err(Error::not_found("endpoint or event type", id)),
        0 => {
            let message = format!("the endpoint has no such event type registered as {role}");
            Err(Invalid::one("/code", "unknown-event-type", message).into())
        }
        1 => Ok(found.swap_remove(0)),
        many => {
            let message = format!(
                "the endpoint has {many} event types registered as {role}: name one by `code` (and `namespace`), or use its id in the path"
            );
            Err(Invalid::one("/code", "ambiguous", message).into())
        }
    }
}
