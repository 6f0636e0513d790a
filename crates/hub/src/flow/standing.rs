//! How destinations stand: for people, metrics, and questions about one event.

use std::time::Duration;

use model::{AccountId, EndpointId};

use super::Destination;
use super::pending;
use crate::{Hub, Result, Scope};

/// How one destination stands, for people and metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    pub endpoint: EndpointId,
    pub account: AccountId,
    /// Routed and not tried yet, or under way.
    pub waiting: u64,
    pub retrying: u64,
    pub in_flight: u32,
    /// How long the oldest waiting document has waited.
    pub lag: Option<Duration>,
    pub circuit_closed: bool,
    pub delivered: u64,
}

impl Hub {
    /// How every destination stands that the flow knows.
    pub fn standings(&self) -> Vec<Standing> {
        let now = self.now();
        let state = self.flow.state();
        state
            .schedule
            .destinations
            .values()
            .map(|destination| standing(destination, now))
            .collect()
    }

    /// How the destinations of one account stand.
    pub fn standings_of(&self, scope: Scope) -> Vec<Standing> {
        let now = self.now();
        let state = self.flow.state();
        let all = state.schedule.destinations.values();
        let mine = all.filter(|destination| destination.account == scope.0);
        mine.map(|destination| standing(destination, now)).collect()
    }

    /// How one destination stands; `None` when nothing was ever for it.
    pub fn standing(&self, id: EndpointId) -> Option<Standing> {
        let now = self.now();
        let state = self.flow.state();
        let destination = state.schedule.destinations.get(&id)?;
        Some(standing(destination, now))
    }

    /// Where one position stands at a destination.
    pub(crate) async fn place(&self, scope: Scope, id: EndpointId, position: u64) -> Result<Place> {
        let shard = self.logs.shard(scope.0);
        {
            let state = self.flow.state();
            if let Some(held) = state.held.get(&shard) {
                let destination = state.schedule.destinations.get(&id);
                return Ok(Place {
                    is_routed: position < first_of(held.next_seq),
                    is_pending: destination.is_some_and(|d| d.pending.contains(position)),
                    is_retrying: destination.is_some_and(|d| d.retrying.contains_key(&position)),
                });
            }
        }
        // Another process runs the shard: as it saved it last. Whether it is retried, its exception tells.
        let mut tx = self.db.read().await?;
        let next_seq = store::flow::cursor(&mut tx, shard.0.into()).await?;
        let chunk = store::flow::chunk(&mut tx, id, pending::chunk_of(position)).await?;
        let is_pending = chunk
            .map(|bits| pending::is_in(&bits, position))
            .transpose()
            .map_err(crate::Error::internal)?;
        Ok(Place {
            is_routed: position < first_of(next_seq),
            is_pending: is_pending.unwrap_or(false),
            is_retrying: false,
        })
    }
}

/// Where a position stands at a destination; in none of these: delivered, or dead.
pub(crate) struct Place {
    /// The router has seen it.
    pub(crate) is_routed: bool,
    /// It waits or is under way.
    pub(crate) is_pending: bool,
    pub(crate) is_retrying: bool,
}

fn first_of(seq: u64) -> u64 {
    engine::Position::new(seq, 0).as_u64()
}

fn standing(d: &Destination, now: jiff::Timestamp) -> Standing {
    Standing {
        endpoint: d.id,
        account: d.account,
        waiting: d.pending.len(),
        retrying: d.retrying.len() as u64,
        in_flight: d.in_flight,
        lag: d.waiting_for(now),
        circuit_closed: d.circuit.is_closed(),
        delivered: d.delivered,
    }
}
