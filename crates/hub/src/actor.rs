//! Who does something, and where the call came from: what every verb that changes something is given, and what the
//! audit trail keeps of it.
//!
//! Made by whoever calls the hub: `api` from the key or token of a call, the exchange itself for what it does alone,
//! tests without an origin. Verbs only pass it on to [`crate::Hub::audit`], so a verb grows no parameters when more is
//! to be known about its caller.

use std::fmt;
use std::net::IpAddr;

use model::{AccountId, EndpointId, UserId};

/// Somebody, somewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    who: Who,
    origin: Option<Origin>,
}

/// Who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// The bearer of the operator token.
    Operator,
    /// A person.
    User {
        id: UserId,
        /// As it was then: people get other addresses, and are removed.
        email: String,
        /// The personal access token that was used; `None` in a session.
        token: Option<String>,
    },
    /// The bearer of an endpoint's key.
    Endpoint(EndpointId),
    /// The bearer of an account's key.
    Account(AccountId),
    /// The exchange itself.
    Exchange,
}

/// Where a call came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Of the caller, as far as it is known: behind a proxy that is not trusted it is the proxy's.
    pub address: Option<IpAddr>,
    /// What the call is named in logs and in its answer (`x-request-id`).
    pub request: String,
}

impl Actor {
    /// The operator, in no particular call.
    pub const OPERATOR: Self = Self {
        who: Who::Operator,
        origin: None,
    };
    /// The exchange, of its own accord.
    pub const EXCHANGE: Self = Self {
        who: Who::Exchange,
        origin: None,
    };

    pub const fn new(who: Who) -> Self {
        Self { who, origin: None }
    }

    pub const fn endpoint(id: EndpointId) -> Self {
        Self::new(Who::Endpoint(id))
    }

    pub const fn account(id: AccountId) -> Self {
        Self::new(Who::Account(id))
    }

    /// The same, in a call from there.
    #[must_use]
    pub fn from(self, origin: Option<Origin>) -> Self {
        Self { origin, ..self }
    }

    pub fn who(&self) -> &Who {
        &self.who
    }

    pub fn origin(&self) -> Option<&Origin> {
        self.origin.as_ref()
    }

    /// The person, if it is one.
    pub fn user(&self) -> Option<UserId> {
        match self.who {
            Who::User { id, .. } => Some(id),
            _ => None,
        }
    }

    /// How people know it, where that says more than its id: a person's e-mail and the name of their token.
    pub fn name(&self) -> Option<String> {
        match &self.who {
            Who::User { email, token, .. } => Some(match token {
                Some(token) => format!("{email} (token {token})"),
                None => email.clone(),
            }),
            _ => None,
        }
    }
}

impl fmt::Display for Actor {
    /// The stable name that audit entries are found by.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.who {
            Who::Operator => f.write_str("operator"),
            Who::User { id, .. } => write!(f, "user {id}"),
            Who::Endpoint(id) => write!(f, "endpoint {id}"),
            Who::Account(id) => write!(f, "account {id}"),
            Who::Exchange => f.write_str("exchange"),
        }
    }
}
