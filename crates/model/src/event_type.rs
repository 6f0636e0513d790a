//! Event types: what an endpoint declares that it publishes or receives.
//!
//! Unique by endpoint, code, namespace, version and registration type. Codes are case-sensitive and may contain `/`.

use serde::{Deserialize, Serialize};

use crate::id::{EndpointId, EventTypeId};

/// Namespace of recognized events on the wire.
pub const NAMESPACE_DEFAULT: &str = "com.ibm.commerce.ubx";
/// The only version of the catalog.
pub const VERSION_DEFAULT: i64 = 1;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum RegistrationType {
    #[default]
    Publish,
    Subscribe,
}

impl RegistrationType {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Publish => "PUBLISH",
            Self::Subscribe => "SUBSCRIBE",
        }
    }

    /// Any letter case.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Publish, Self::Subscribe]
            .into_iter()
            .find(|t| t.as_str().eq_ignore_ascii_case(text))
    }
}

/// One attribute of an event type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttributeDefinition {
    pub name: String,
    /// string, number, boolean, date, integer, or an identity type; kept as it was written.
    #[serde(rename = "type")]
    pub kind: String,
}

/// An event type as one endpoint registered it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventType {
    pub id: EventTypeId,
    pub endpoint: EndpointId,
    pub code: String,
    pub name: String,
    pub description: Option<String>,
    pub namespace: String,
    pub version: i64,
    pub registration: RegistrationType,
    pub attributes: Vec<AttributeDefinition>,
    /// Not one of the catalog's codes.
    pub is_custom: bool,
}

impl EventType {
    /// Whether the other is a registration of the same event type: one updates the other.
    pub fn is_same(&self, other: &Self) -> bool {
        let key = |t: &Self| (t.endpoint, t.version, t.registration);
        key(self) == key(other) && self.code == other.code && self.namespace == other.namespace
    }
}
