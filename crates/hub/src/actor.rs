//! Who does something, and where the call came from: what every verb that changes something is given, and what the
//! audit trail keeps of it.
//!
//! Made by whoever calls the hub: `api` from the key or token of a call, the exchange itself for what it does alone,
//! tests without an origin. Verbs only pass it on to [`crate::Hub::audit`], so a verb grows no parameters when more is
//! to be known about its caller.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
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

impl Origin {
    /// Who called, by the address of the connection and the lines of `X-Forwarded-For`: anybody can write that header, so
    /// only `trusted` proxies are believed. From the right, each tells of the one before: the first that is not ours is the
    /// caller, whatever it says of others. What cannot be read ends the chain at the proxy that passed it on.
    pub fn address(peer: IpAddr, forwarded: &[&str], trusted: &[IpNet]) -> IpAddr {
        let is_ours = |address: &IpAddr| trusted.iter().any(|net| net.contains(address));
        let mut nearest = peer.to_canonical();
        let told = forwarded
            .iter()
            .rev()
            .flat_map(|line| line.rsplit(',').map(str::trim));
        for text in told {
            if !is_ours(&nearest) {
                break;
            }
            match read(text) {
                Some(address) => nearest = address,
                None => break,
            }
        }
        nearest
    }
}

/// Some proxies write the port too.
fn read(text: &str) -> Option<IpAddr> {
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    let address = bare.parse::<IpAddr>().ok();
    address
        .or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
        .map(|address| address.to_canonical())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(peer: &str, lines: &[&str], expected: &str) {
        let trusted = ["10.0.0.0/8", "fd00::/8"].map(|net| net.parse().expect("a network"));
        let address = Origin::address(peer.parse().expect("an address"), lines, &trusted);
        assert_eq!(address.to_string(), expected, "{peer} {lines:?}");
    }

    #[test]
    fn only_our_proxies_are_believed() {
        check("203.0.113.9", &[], "203.0.113.9");
        check("203.0.113.9", &["198.51.100.1"], "203.0.113.9");
        check("10.0.0.1", &[], "10.0.0.1");
        check("10.0.0.1", &["198.51.100.1"], "198.51.100.1");
        check("10.0.0.1", &["1.1.1.1, 198.51.100.1"], "198.51.100.1");
        check(
            "10.0.0.1",
            &["1.1.1.1, 198.51.100.1, 10.0.0.2"],
            "198.51.100.1",
        );
        check(
            "10.0.0.1",
            &["1.1.1.1", "198.51.100.1", "10.0.0.2"],
            "198.51.100.1",
        );
        check("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3");
        check("fd00::1", &["[2001:db8::7]:4711"], "2001:db8::7");
        check("10.0.0.1", &["198.51.100.1:80"], "198.51.100.1");
        check("10.0.0.1", &["::ffff:198.51.100.1"], "198.51.100.1");
        check("10.0.0.1", &["1.1.1.1, unknown"], "10.0.0.1");
        check("10.0.0.1", &["1.1.1.1, unknown, 10.0.0.2"], "10.0.0.2");
    }
}
