//! A publisher as the parser of events sees it: what it may say, resolved once when its registration changes.
//!
//! Built by `hub/registry`, read by `event_post` on every call.

use std::collections::HashMap;

use crate::account::AccountPolicy;
use crate::event_type::EventType;
use crate::id::{AccountId, EndpointId};
use crate::identifier::IdentifierDefinition;

/// What one endpoint has registered to publish.
#[derive(Debug, Clone)]
pub struct Publisher {
    pub account: AccountId,
    pub endpoint: EndpointId,
    /// `provider` of what subscribers get.
    pub provider: String,
    /// `source` of what subscribers get: the endpoint's name.
    pub source: String,
    /// By the endpoint's own name, exactly as registered.
    pub identifiers: HashMap<String, IdentifierDefinition>,
    /// PUBLISH registrations by code (codes are case-sensitive); several when namespaces or versions differ.
    pub event_types: HashMap<String, Vec<EventType>>,
    pub policy: AccountPolicy,
}
