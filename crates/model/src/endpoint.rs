//! Endpoints: one product connected on behalf of one account, as it registered itself.
//!
//! [`EndpointDefinition::parse`] takes what `PUT /v1/endpoint` sends, with every tolerance that real integrations
//! need, and gives one spelling to the rest of the house. Called by `hub/endpoint`.

mod parse;
mod share;

use serde::{Deserialize, Serialize};

use crate::hashing::HashAlgorithm;
use crate::hashing::profile::HashProfile;
use crate::id::{AccountId, ApplicationId, DeploymentId, EndpointId};
use crate::identifier::IdentifierDefinition;

pub(crate) use parse::{application_id, deployment_id};
pub use share::{ShareAction, ShareActions};

/// Where a registration stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum EndpointStatus {
    /// The user has generated a key; the provider has not called yet.
    Pending,
    Active,
    /// The provider reported that it could not set itself up.
    Failed,
    Deleted,
}

impl EndpointStatus {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Active => "ACTIVE",
            Self::Failed => "FAILED",
            Self::Deleted => "DELETED",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Pending, Self::Active, Self::Failed, Self::Deleted]
            .into_iter()
            .find(|s| s.as_str() == text)
    }
}

/// Who moves the data: they call us or we call them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transfer {
    Push,
    Pull,
}

impl Transfer {
    /// Any letter case.
    pub fn parse(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "push" => Some(Self::Push),
            "pull" => Some(Self::Pull),
            _ => None,
        }
    }
}

/// What a push destination wants in one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PushForm {
    /// One published document.
    #[default]
    Document,
    /// Many, as `eventbatch`.
    Eventbatch,
}

/// What a destination is promised about order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ordering {
    /// First attempts about one person are made in the order of publication.
    #[default]
    First,
    /// An event that must be retried holds back the later ones of the same person.
    Strict,
}

/// One of the four roles an endpoint may have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Role {
    pub enabled: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    pub transfer: Transfer,
    /// Audience sources only, in days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_window: Option<i64>,
    /// Audience destinations only; none: nothing was said, and records may be added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share_actions: Option<ShareActions>,
    /// Event destinations only.
    #[serde(default)]
    pub form: PushForm,
    /// Event destinations only.
    #[serde(default)]
    pub order: Ordering,
}

/// The four roles, event and audience, source and destination.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Roles {
    pub event_source: Option<Role>,
    pub event_destination: Option<Role>,
    pub segment_source: Option<Role>,
    pub segment_destination: Option<Role>,
}

/// An audience attribute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContactAttribute {
    pub name: String,
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(default)]
    pub is_required: bool,
    #[serde(default)]
    pub hash_mode: crate::hashing::HashMode,
    #[serde(default)]
    pub hash_algorithm: Option<HashAlgorithm>,
}

/// A marketing database: a source's name for a set of identifiers and attributes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MarketingDatabase {
    #[serde(default)]
    pub name: Option<String>,
    #[serde(default)]
    pub id: Option<String>,
    #[serde(default)]
    pub identifiers: Vec<IdentifierDefinition>,
    #[serde(default)]
    pub attributes: Vec<ContactAttribute>,
}

/// What a provider stated about its endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EndpointDefinition {
    pub name: String,
    pub description: Option<String>,
    pub provider_name: String,
    pub url: Option<String>,
    pub hash_algorithm: Option<HashAlgorithm>,
    /// Whose rules the values that it receives follow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash_profile: Option<HashProfile>,
    pub roles: Roles,
    pub databases: Vec<MarketingDatabase>,
    pub notification_key: Option<String>,
    pub application_id: Option<ApplicationId>,
    pub deployment_id: Option<DeploymentId>,
}

impl EndpointDefinition {
    /// All identifiers of all marketing databases.
    pub fn identifiers(&self) -> impl Iterator<Item = &IdentifierDefinition> {
        self.databases
            .iter()
            .flat_map(|database| &database.identifiers)
    }

    /// The URL of a role: its own, else the endpoint's.
    pub fn url_of<'a>(&'a self, role: &'a Role) -> Option<&'a str> {
        role.url.as_deref().or(self.url.as_deref())
    }

    /// The role in which events are received, while the provider has it enabled.
    pub fn event_destination(&self) -> Option<&Role> {
        self.roles
            .event_destination
            .as_ref()
            .filter(|role| role.enabled)
    }

    /// The role in which events are published, while the provider has it enabled.
    pub fn event_source(&self) -> Option<&Role> {
        self.roles.event_source.as_ref().filter(|role| role.enabled)
    }
}

/// An endpoint as the exchange knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    pub id: EndpointId,
    pub account: AccountId,
    pub status: EndpointStatus,
    pub enabled: bool,
    /// Why the exchange itself disabled it (HTTP 410), for people.
    pub disabled_reason: Option<String>,
    /// Stretches of the log in which it was enabled, oldest first: what was published in between is not its.
    pub spans: Vec<crate::subscription::Span>,
    /// Empty until the provider's first `PUT /v1/endpoint`.
    pub definition: EndpointDefinition,
    pub created_at: jiff::Timestamp,
    pub updated_at: jiff::Timestamp,
}

impl Endpoint {
    /// Whether events may be delivered to it now.
    pub fn receives(&self) -> bool {
        self.enabled
            && self.status == EndpointStatus::Active
            && self.definition.event_destination().is_some()
    }

    /// Whether an event at `position` may be routed to it.
    pub fn held_at(&self, position: u64) -> bool {
        self.spans.iter().rev().any(|span| span.contains(position))
    }
}
