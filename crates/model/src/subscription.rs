//! A destination's subscription to one event code of one publisher, and since which positions it held.

use crate::id::{AccountId, EndpointId, SubscriptionId};

/// Positions from (inclusive) and to (exclusive) which something held; open while it still does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    pub from: u64,
    pub to: Option<u64>,
}

impl Span {
    pub fn contains(&self, position: u64) -> bool {
        position >= self.from && self.to.is_none_or(|to| position < to)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    pub id: SubscriptionId,
    pub account: AccountId,
    pub publisher: EndpointId,
    pub code: String,
    /// `None`: the code in any namespace.
    pub namespace: Option<String>,
    pub destination: EndpointId,
    pub enabled: bool,
    /// Ended for good; kept until the log no longer holds what it matched.
    pub deleted: bool,
    /// Every stretch in which it was enabled, oldest first.
    pub spans: Vec<Span>,
}

impl Subscription {
    /// Whether an event at `position` belongs to this subscription.
    pub fn held_at(&self, position: u64) -> bool {
        self.spans.iter().rev().any(|span| span.contains(position))
    }

    pub fn takes(&self, code: &str, namespace: &str) -> bool {
        self.code == code
            && self
                .namespace
                .as_deref()
                .is_none_or(|wanted| wanted == namespace)
    }
}
