//! Event types on the wire.

use hub::event_type::Received;
use model::{AttributeDefinition, EventType};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What registers an event type.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "read by people")]
pub(crate) struct EventTypeBody {
    /// Case-sensitive; may contain `/`. A code that is not in the catalog makes a custom event type.
    code: String,
    /// Shown to business users.
    name: String,
    description: Option<String>,
    /// Default: the namespace of recognized events.
    namespace: Option<String>,
    /// Version of the catalog; the only one is 1.
    version: Option<i64>,
    /// PUBLISH (default) or SUBSCRIBE.
    registration_type: Option<String>,
    attributes: Option<Vec<AttributeView>>,
}

/// New attributes. The bare array is taken as well, when it is clear which event type is meant.
#[derive(Deserialize, JsonSchema)]
#[expect(dead_code, reason = "read by people")]
pub(super) struct AttributesBody {
    /// Names the event type, when the endpoint has several.
    code: Option<String>,
    namespace: Option<String>,
    attributes: Vec<AttributeView>,
}

/// An attribute that events of a type may carry.
#[derive(Serialize, Deserialize, JsonSchema)]
pub(crate) struct AttributeView {
    name: String,
    /// string (default), number, boolean, date, integer, or an identity type such as email.
    #[serde(rename = "type")]
    kind: String,
}

/// An event type as an endpoint registered it.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EventTypeView {
    /// The number that its registration answered.
    id: i64,
    #[serde(flatten)]
    described: Described,
}

/// An event type that an endpoint receives, as its publisher registered it.
#[derive(Serialize, JsonSchema)]
pub(super) struct ReceivedView {
    #[serde(flatten)]
    described: Described,
    /// The publishing endpoint's name, with `extrafields=publisher`.
    #[serde(skip_serializing_if = "Option::is_none")]
    publisher: Option<String>,
    /// The publisher's provider, with `extrafields=provider`.
    #[serde(skip_serializing_if = "Option::is_none")]
    provider: Option<String>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Described {
    code: String,
    version: i64,
    namespace: String,
    name: String,
    description: Option<String>,
    attributes: Vec<AttributeView>,
    /// PUBLISH or SUBSCRIBE.
    registration_type: &'static str,
    /// Not one of the catalog's codes.
    custom: bool,
}

impl From<EventType> for Described {
    fn from(event_type: EventType) -> Self {
        let attributes = event_type.attributes.into_iter();
        Self {
            code: event_type.code,
            version: event_type.version,
            namespace: event_type.namespace,
            name: event_type.name,
            description: event_type.description,
            attributes: attributes.map(AttributeView::from).collect(),
            registration_type: event_type.registration.as_str(),
            custom: event_type.is_custom,
        }
    }
}

impl From<AttributeDefinition> for AttributeView {
    fn from(attribute: AttributeDefinition) -> Self {
        Self {
            name: attribute.name,
            kind: attribute.kind,
        }
    }
}

impl From<EventType> for EventTypeView {
    fn from(event_type: EventType) -> Self {
        Self {
            id: event_type.id.0,
            described: event_type.into(),
        }
    }
}

impl ReceivedView {
    pub(super) fn of(received: Received, provider: bool, publisher: bool) -> Self {
        Self {
            described: received.event_type.into(),
            publisher: Some(received.publisher).filter(|_| publisher),
            provider: Some(received.provider).filter(|_| provider),
        }
    }
}
