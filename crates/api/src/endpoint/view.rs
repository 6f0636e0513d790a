//! An endpoint on the wire: the same shape in `PUT /v1/endpoint` and in what `GET` answers, so that what a provider
//! reads can be sent back unchanged.
//!
//! Says things in one spelling (`sourceType` at event sources, `producerType` at audience sources, `destinationType`);
//! the model's parser takes the others.

use model::endpoint::{
    ContactAttribute, MarketingDatabase, Ordering, PushForm, Role, ShareActions, Transfer,
};
use model::hashing::HashAlgorithm;
use model::hashing::profile::HashProfile;
use model::{DeploymentId, Endpoint, EndpointDefinition, IdentifierDefinition};
use schemars::JsonSchema;
use serde::Serialize;

use super::selection::Selection;
use crate::event_type::EventTypeView;
use crate::segment::SegmentView;

/// An endpoint: what it is to the exchange, and what its provider stated about it.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct EndpointView {
    id: i64,
    /// PENDING, ACTIVE, FAILED or DELETED.
    status: &'static str,
    /// Whether it takes part at all; see `PUT /v1/endpoint/enable`.
    enabled: bool,
    /// Why the exchange itself disabled it.
    #[serde(skip_serializing_if = "Option::is_none")]
    disabled_reason: Option<String>,
    #[serde(flatten)]
    definition: DefinitionView,
    /// With `loadEvents=true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    event_types: Option<Vec<EventTypeView>>,
    /// The audiences that it can share and can be shared to, with `loadSegments=true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    segments: Option<Vec<SegmentView>>,
}

/// What a provider states about its endpoint.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DefinitionView {
    /// Shown to business users. Empty until the provider's first call.
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    /// A provider that the operator knows.
    provider_name: String,
    /// Where the exchange calls the endpoint, unless an endpoint type has its own `url`.
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    /// MD5, SHA1, SHA256, EMAIL_SHA256, PHONE_SHA256 or NONE: for values that must be hashed and name no algorithm.
    #[serde(skip_serializing_if = "Option::is_none")]
    hash_algorithm: Option<&'static str>,
    /// PLAIN, META, GOOGLE_CUSTOMER_MATCH, TIKTOK, SNAP, LINKEDIN or X: whose rules values follow that go to the endpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    hash_profile: Option<&'static str>,
    endpoint_types: EndpointTypes,
    #[serde(skip_serializing_if = "Option::is_none")]
    marketing_databases_definition: Option<Databases>,
    /// Comes back with notifications about subscriptions.
    #[serde(skip_serializing_if = "Option::is_none")]
    notification_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    application_id: Option<i64>,
    /// A number or a word.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<serde_json::Value>")]
    deployment_id: Option<DeploymentId>,
}

/// What the endpoint does with events and with audiences.
#[derive(Serialize, JsonSchema)]
pub(crate) struct EndpointTypes {
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<Directions>,
    #[serde(skip_serializing_if = "Option::is_none")]
    segment: Option<Directions>,
}

#[derive(Serialize, JsonSchema)]
struct Directions {
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<RoleView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    destination: Option<RoleView>,
}

/// One endpoint type.
#[derive(Serialize, JsonSchema, Default)]
#[serde(rename_all = "camelCase")]
struct RoleView {
    /// Only enabled endpoint types take part.
    enabled: bool,
    /// Instead of the endpoint's `url`.
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    /// Event sources: push (default) or pull.
    #[serde(skip_serializing_if = "Option::is_none")]
    source_type: Option<&'static str>,
    /// Audience sources: pull (default) or push.
    #[serde(skip_serializing_if = "Option::is_none")]
    producer_type: Option<&'static str>,
    /// Destinations: push (default) or pull.
    #[serde(skip_serializing_if = "Option::is_none")]
    destination_type: Option<&'static str>,
    /// Audience sources: days that an export may reach back.
    #[serde(skip_serializing_if = "Option::is_none")]
    data_window: Option<i64>,
    /// Audience destinations: what may be done to their members.
    #[serde(skip_serializing_if = "Option::is_none")]
    share_actions: Option<ShareActionsView>,
    /// Push destinations of events: document (default), or eventbatch for many documents in one call.
    #[serde(skip_serializing_if = "Option::is_none")]
    form: Option<&'static str>,
    /// Push destinations of events: first (default), or strict: an event that must be retried holds back the later
    /// ones of the same person.
    #[serde(skip_serializing_if = "Option::is_none")]
    order: Option<&'static str>,
}

/// What may be done to the members of an audience.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct ShareActionsView {
    /// Default true.
    add: bool,
    remove: bool,
    replace: bool,
    /// ADD (default), REMOVE or REPLACE; one of those that are allowed.
    default_share_action: &'static str,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Databases {
    marketing_databases: Vec<DatabaseView>,
}

/// A set of identifiers and attributes as the provider's system knows them.
#[derive(Serialize, JsonSchema)]
struct DatabaseView {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// Numbers are taken too, and answered as they were written.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    identifiers: Vec<IdentifierView>,
    attributes: Vec<AttributeView>,
}

/// What tells one person from another.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct IdentifierView {
    /// The endpoint's own name.
    name: String,
    /// What it is to everybody, such as `email`; endpoints meet by it, in any letter case.
    #[serde(rename = "type")]
    kind: String,
    /// NONE, HASHED (the values are hashes already) or REQUIRED (the exchange must hash).
    hash_mode: &'static str,
    /// MD5, SHA1, SHA256, EMAIL_SHA256 or PHONE_SHA256.
    #[serde(skip_serializing_if = "Option::is_none")]
    hash_algorithm: Option<&'static str>,
    is_required: bool,
    /// Never identifies members of audiences.
    is_event_only: bool,
    /// Default true.
    is_case_sensitive: bool,
}

/// What describes the members of an audience.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct AttributeView {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    is_required: bool,
    /// NONE, HASHED or REQUIRED.
    hash_mode: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    hash_algorithm: Option<&'static str>,
}

impl EndpointView {
    pub(super) fn of(
        endpoint: Endpoint,
        selection: &Selection,
        event_types: Option<Vec<EventTypeView>>,
        segments: Option<Vec<SegmentView>>,
    ) -> Self {
        Self {
            id: endpoint.id.0,
            status: endpoint.status.as_str(),
            enabled: endpoint.enabled,
            disabled_reason: endpoint.disabled_reason,
            definition: DefinitionView::of(endpoint.definition, selection),
            event_types,
            segments,
        }
    }
}

impl DefinitionView {
    /// All of it.
    pub(crate) fn whole(definition: EndpointDefinition) -> Self {
        Self::of(definition, &Selection::default())
    }

    fn of(definition: EndpointDefinition, selection: &Selection) -> Self {
        let databases = definition.databases;
        let roles = definition.roles;
        let source = |role: Option<Role>| role.filter(|_| selection.wants_source());
        let destination = |role: Option<Role>| role.filter(|_| selection.wants_destination());
        let event = directions(
            source(roles.event_source).map(event_source),
            destination(roles.event_destination).map(destination_view),
        );
        let segment = directions(
            source(roles.segment_source).map(segment_source),
            destination(roles.segment_destination).map(destination_view),
        );
        Self {
            name: definition.name,
            description: definition.description,
            provider_name: definition.provider_name,
            url: definition.url,
            hash_algorithm: definition.hash_algorithm.map(HashAlgorithm::as_str),
            hash_profile: definition.hash_profile.map(HashProfile::as_str),
            endpoint_types: EndpointTypes {
                event: event.filter(|_| selection.wants_event()),
                segment: segment.filter(|_| selection.wants_segment()),
            },
            marketing_databases_definition: (!databases.is_empty()).then(|| Databases {
                marketing_databases: databases.into_iter().map(DatabaseView::from).collect(),
            }),
            notification_key: definition.notification_key,
            application_id: definition.application_id.map(|id| id.0),
            deployment_id: definition.deployment_id,
        }
    }
}

/// None when there is neither.
fn directions(source: Option<RoleView>, destination: Option<RoleView>) -> Option<Directions> {
    (source.is_some() || destination.is_some()).then_some(Directions {
        source,
        destination,
    })
}

fn event_source(role: Role) -> RoleView {
    RoleView {
        source_type: Some(transfer(role.transfer)),
        ..plain(role)
    }
}

fn segment_source(role: Role) -> RoleView {
    RoleView {
        producer_type: Some(transfer(role.transfer)),
        ..plain(role)
    }
}

fn destination_view(role: Role) -> RoleView {
    RoleView {
        destination_type: Some(transfer(role.transfer)),
        ..plain(role)
    }
}

/// What all four have. Our additions are shown only where a provider asked for them.
fn plain(role: Role) -> RoleView {
    RoleView {
        enabled: role.enabled,
        url: role.url,
        data_window: role.data_window,
        share_actions: role.share_actions.map(ShareActionsView::from),
        form: match role.form {
            PushForm::Document => None,
            PushForm::Eventbatch => Some("eventbatch"),
        },
        order: match role.order {
            Ordering::First => None,
            Ordering::Strict => Some("strict"),
        },
        ..RoleView::default()
    }
}

impl From<ShareActions> for ShareActionsView {
    fn from(actions: ShareActions) -> Self {
        Self {
            add: actions.add,
            remove: actions.remove,
            replace: actions.replace,
            default_share_action: actions.default.as_str(),
        }
    }
}

fn transfer(transfer: Transfer) -> &'static str {
    match transfer {
        Transfer::Push => "push",
        Transfer::Pull => "pull",
    }
}

impl From<MarketingDatabase> for DatabaseView {
    fn from(database: MarketingDatabase) -> Self {
        let identifiers = database.identifiers.into_iter();
        let attributes = database.attributes.into_iter();
        Self {
            name: database.name,
            id: database.id,
            identifiers: identifiers.map(IdentifierView::from).collect(),
            attributes: attributes.map(AttributeView::from).collect(),
        }
    }
}

impl From<IdentifierDefinition> for IdentifierView {
    fn from(identifier: IdentifierDefinition) -> Self {
        Self {
            name: identifier.name,
            kind: identifier.kind,
            hash_mode: identifier.hash_mode.as_str(),
            hash_algorithm: identifier.hash_algorithm.map(HashAlgorithm::as_str),
            is_required: identifier.is_required,
            is_event_only: identifier.is_event_only,
            is_case_sensitive: identifier.is_case_sensitive,
        }
    }
}

impl From<ContactAttribute> for AttributeView {
    fn from(attribute: ContactAttribute) -> Self {
        Self {
            name: attribute.name,
            kind: attribute.kind,
            is_required: attribute.is_required,
            hash_mode: attribute.hash_mode.as_str(),
            hash_algorithm: attribute.hash_algorithm.map(HashAlgorithm::as_str),
        }
    }
}

#[cfg(test)]
mod tests;
