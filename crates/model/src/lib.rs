//! What things **are**: the nouns of the exchange, their rules and the pure functions over them.
//!
//! The lowest floor beside `engine`. It knows no IO, no async, no SQL and no HTTP, so every rule here can be
//! tested with plain values. Called by every floor above; promises that anything parsed is bounded by its
//! input and that nothing here panics on a stranger's bytes.

pub mod access_token;
pub mod account;
pub mod application;
pub mod audience;
pub mod authentication;
pub mod deployment;
pub mod endpoint;
pub mod event_post;
pub mod event_type;
pub mod hashing;
pub mod id;
pub mod identifier;
pub mod identity;
pub mod invalid;
pub mod job;
pub mod key;
pub mod multipart;
pub mod notification;
pub mod onboarding;
pub mod partner;
pub mod password;
pub mod privacy;
pub mod publisher;
pub mod reader;
pub mod record;
pub mod secret;
pub mod segment;
pub mod share;
pub mod subscription;
pub mod suppression;
pub mod user;

pub use account::{Account, AccountPolicy, Environment, Provider, RefusedEvents, Strictness};
pub use application::{Application, Visibility};
pub use authentication::Authentication;
pub use deployment::Deployment;
pub use endpoint::{Endpoint, EndpointDefinition, EndpointStatus};
pub use event_type::{AttributeDefinition, EventType, RegistrationType};
pub use id::{
    AccountId, ApplicationId, DeploymentId, DocumentId, EndpointId, EventRef, EventTypeId, FactId,
    IdentityFilterId, JobId, KeyId, OutboxId, PartnerId, ProviderId, QuarantineId, SegmentId,
    SessionId, ShareId, SubscriptionId, SupplierKeyId, TokenId, UserId, X1Id,
};
pub use identifier::IdentifierDefinition;
pub use invalid::{Invalid, Violation};
pub use onboarding::Onboarding;
pub use publisher::Publisher;
pub use secret::Secret;
pub use segment::Segment;
pub use subscription::Subscription;
pub use suppression::{Barred, Subject};
pub use user::{Email, Role, User, UserStatus};

// Leaves: pure functions over plain values.
pub mod catalog;
pub mod circuit;
pub mod concurrency;
pub mod csv;
pub mod difference;
pub mod phone;
pub mod region;
pub mod retry;
pub mod test_drive;
pub mod timestamp;

#[cfg(test)]
mod examples;
