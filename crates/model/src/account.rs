//! Providers (who builds products) and accounts (who uses them), and what an account decides for itself.

use serde::{Deserialize, Serialize};

use crate::hashing::HashedValues;
use crate::id::{AccountId, ProviderId};
use crate::identity::Rules;

/// A company whose products connect to the exchange. Its name is what endpoints state as `providerName`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provider {
    pub id: ProviderId,
    pub name: String,
}

/// The two worlds: a key of one is refused in the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Environment {
    Pilot,
    Production,
}

impl Environment {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pilot => "pilot",
            Self::Production => "production",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Pilot, Self::Production]
            .into_iter()
            .find(|e| e.as_str() == text)
    }
}

/// What happens to attributes that were not declared, and to values not of their declared type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Strictness {
    /// Delivered, and recorded as schema drift.
    #[default]
    Lenient,
    /// Refused.
    Strict,
}

/// What happens to a call in which some events are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RefusedEvents {
    /// The whole call is refused with 400.
    #[default]
    Reject,
    /// The valid events are taken; the others are kept with their violations.
    Quarantine,
}

/// What is done with a list that somebody keeps: whoever fills one means it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Honour {
    #[default]
    Honour,
    Ignore,
}

/// What is done with what publishers say: their words may mean something else here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Heed {
    Honour,
    #[default]
    Ignore,
}

/// Whether an account keeps a graph of who is who.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Identity {
    /// People are learned from events and audiences.
    #[default]
    On,
    /// Nothing is kept: a person is known by the first identifier of each document.
    Off,
}

/// An account's choices; each has a default that suits most. Members that a newer release has added are passed over.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AccountPolicy {
    pub strictness: Strictness,
    pub refused_events: RefusedEvents,
    /// Region (ISO 3166 alpha-2) of phone numbers written without a country code; none: such numbers are reported, not hashed.
    pub default_region: Option<String>,
    /// What is done with values that look hashed where a destination wants a hash of them.
    pub hashed_values: HashedValues,
    /// Whether people on the account's suppression list are left out of what is delivered and shared.
    pub suppression_list: Honour,
    /// Whether events and audience rows are left out that say in `contactConsent` that their person does not consent.
    pub contact_consent: Heed,
    pub identity: Identity,
    /// Who is taken for one person; changed by a verb of its own, which brings the graph up to date with it.
    pub identity_rules: Rules,
    /// Events that may be published in one second, refused ones included; none: as many as the machine takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_events_per_second: Option<u64>,
    /// The same for one day (UTC).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_events_per_day: Option<u64>,
}

/// A customer of the exchange, in one environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    pub id: AccountId,
    pub name: String,
    pub environment: Environment,
    pub policy: AccountPolicy,
}
