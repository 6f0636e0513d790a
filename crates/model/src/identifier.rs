//! An identifier as an endpoint defines it: its own name for a type that the exchange matches by.

use serde::{Deserialize, Serialize};

use crate::hashing::{HashAlgorithm, HashMode};

/// One entry of `marketingDatabases[].identifiers`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IdentifierDefinition {
    /// The endpoint's own name.
    pub name: String,
    /// Identity type, such as `email`; matched in any letter case.
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(default)]
    pub hash_mode: HashMode,
    #[serde(default)]
    pub hash_algorithm: Option<HashAlgorithm>,
    #[serde(default)]
    pub is_required: bool,
    /// Never identifies audience members.
    #[serde(default)]
    pub is_event_only: bool,
    /// `false`: lower-cased before matching.
    #[serde(default)]
    pub is_case_sensitive: bool,
}
