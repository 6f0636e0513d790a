//! The work that runs by itself: route, push, pack, collect, retire, and the checkpoint that saves where they stand.
//!
//! ```text
//! log ──route──▶ pending set of each destination ──push──▶ subscriber        (first attempts, then retries)
//!                                                └─pack──▶ event file (blobs)
//!            cursor and changed sets ──checkpoint──▶ one transaction, many deliveries at a time
//! ```
//!
//! A task is an idempotent step that takes no input and answers what it did; [`run`] calls each periodically and on
//! a nudge, tests call [`Hub::settle`]. Nothing here is needed for correctness to happen at a certain time: after a
//! crash the router starts at the saved cursor and finds the rest again.

mod cache;
mod checkpoint;
mod collect;
mod destination;
mod lanes;
mod marks;
mod pack;
mod pending;
mod push;
mod read;
mod render;
mod retire;
mod route;
mod run;
mod schedule;

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use engine::Db;
use model::circuit::CircuitPolicy;
use model::endpoint::PushForm;
use model::{AccountId, EndpointId};
use store::dedupe::{EventKey, IdempotencyKey};
use store::event_file::EventFile;
use tokio::sync::Notify;

pub use collect::CollectReport;
pub use pack::PackReport;
pub(crate) use pack::blob_key;
pub use render::webhook_id;
pub use retire::RetireReport;
pub use route::RouteReport;
pub use run::Running;

use crate::options::Options;
use crate::{Hub, Result};
use cache::BatchCache;
use destination::{Destination, Waiting};
use schedule::{Budget, Schedule};

/// The one shard of accounts of an embedded hub.
const SHARD: i64 = 0;

/// The state of all deliveries, shared by the tasks.
pub struct Flow {
    state: Mutex<State>,
    cache: BatchCache,
    damaged: read::Damaged,
    /// Something was routed or ended.
    changed: Notify,
    /// There are calls to make or alarms to set.
    pump: Notify,
    /// Only one router, checkpoint, packer at a time.
    routing: tokio::sync::Mutex<()>,
    saving: tokio::sync::Mutex<()>,
    packing: tokio::sync::Mutex<()>,
    /// The publishers that could not be collected from the last time.
    collecting: tokio::sync::Mutex<HashSet<EndpointId>>,
    is_stopping: AtomicBool,
}

/// Everything that a checkpoint must see at one instant.
struct State {
    schedule: Schedule,
    /// The next batch to route.
    next_seq: u64,
    saved_seq: u64,
    /// What the router found since the last checkpoint.
    found: Found,
}

/// By-products of routing, saved with the cursor.
#[derive(Default)]
struct Found {
    event_keys: Vec<EventKey>,
    idempotency_keys: Vec<IdempotencyKey>,
    refused: Vec<Refused>,
    files: Vec<EventFile>,
}

/// A refused event that the router met in the log.
#[derive(Clone)]
struct Refused {
    account: AccountId,
    endpoint: EndpointId,
    position: u64,
    body: String,
    violations: String,
    at: jiff::Timestamp,
}

impl Found {
    fn is_empty(&self) -> bool {
        self.event_keys.is_empty()
            && self.idempotency_keys.is_empty()
            && self.refused.is_empty()
            && self.files.is_empty()
    }

    fn append(&mut self, mut later: Self) {
        self.event_keys.append(&mut later.event_keys);
        self.idempotency_keys.append(&mut later.idempotency_keys);
        self.refused.append(&mut later.refused);
        self.files.append(&mut later.files);
    }
}

impl Flow {
    /// The flow as the last checkpoint left it.
    pub(crate) async fn load(db: &Db, options: &Options) -> Result<Self> {
        let delivery = &options.delivery;
        let mut schedule = Schedule::new(Budget {
            in_flight_max: delivery.concurrency_max.max(1),
            retries_max: (delivery.concurrency_max / 2).max(1),
            window_max: delivery.concurrency_per_destination_max.max(1),
            circuit: CircuitPolicy {
                failures_to_open: delivery.circuit_failures,
                probe_patience: delivery.timeout + Duration::from_secs(15),
                ..CircuitPolicy::default()
            },
        });
        let mut tx = db.read().await?;
        for chunk in store::flow::chunks(&mut tx).await? {
            // The account is filled in by `flow_refresh_all`, which knows the endpoints.
            let destination = schedule.destination(chunk.endpoint, AccountId(0));
            destination
                .pending
                .load(chunk.chunk, &chunk.bits)
                .map_err(crate::Error::internal)?;
        }
        for exception in store::delivery::retrying(&mut tx).await? {
            schedule
                .destination(exception.endpoint, exception.account)
                .load_exception(exception);
        }
        let next_seq = store::flow::cursor(&mut tx, SHARD).await?;
        Ok(Self {
            state: Mutex::new(State {
                schedule,
                next_seq,
                saved_seq: next_seq,
                found: Found::default(),
            }),
            cache: BatchCache::new(delivery.cache_bytes_max),
            damaged: read::Damaged::default(),
            changed: Notify::new(),
            pump: Notify::new(),
            routing: tokio::sync::Mutex::new(()),
            saving: tokio::sync::Mutex::new(()),
            packing: tokio::sync::Mutex::new(()),
            collecting: tokio::sync::Mutex::default(),
            is_stopping: AtomicBool::new(false),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Relaxed)
    }
}

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

    /// How one destination stands; `None` when nothing was ever for it.
    pub fn standing(&self, id: EndpointId) -> Option<Standing> {
        let now = self.now();
        let state = self.flow.state();
        let destination = state.schedule.destinations.get(&id)?;
        Some(standing(destination, now))
    }

    /// Keeps the router from routing while a span is opened or closed: it finds the spans of everything from the
    /// position of the switch on as they are then. Also keeps such changes one after the other.
    pub(crate) async fn halt_router(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.flow.routing.lock().await
    }

    /// Everything before this position has been routed.
    pub(crate) fn routed_up_to(&self) -> u64 {
        engine::Position::new(self.flow.state().next_seq, 0).as_u64()
    }

    /// The first batch whose by-products the store does not have.
    pub(crate) fn unsaved_from(&self) -> u64 {
        self.flow.state().saved_seq
    }

    /// Batches that the router has not seen yet.
    pub fn router_lag(&self) -> u64 {
        self.log
            .ends()
            .next_seq
            .saturating_sub(self.flow.state().next_seq)
    }

    /// An endpoint changed: whether and how it may be called.
    pub(crate) fn flow_refresh(&self, id: EndpointId) {
        let Some(entry) = self.registry.endpoint(id) else {
            return;
        };
        let now = self.now();
        let mut state = self.flow.state();
        if !state.schedule.destinations.contains_key(&id) && entry.target.is_none() {
            return;
        }
        let destination = state.schedule.destination(id, entry.endpoint.account);
        destination.account = entry.endpoint.account;
        destination.is_open = entry.target.is_some();
        if let Some(target) = &entry.target {
            destination.set_transfer(target.transfer);
            destination.set_order(target.order);
            destination.batch_max = match target.form {
                PushForm::Document => 1,
                PushForm::Eventbatch => self.options.delivery.eventbatch_documents_max.max(1),
            };
        }
        state.schedule.look_at(id, now);
        drop(state);
        self.flow.pump.notify_one();
    }

    pub(crate) fn flow_refresh_all(&self) {
        for entry in self.registry.endpoints() {
            self.flow_refresh(entry.endpoint.id);
        }
    }

    /// Puts positions back into a destination's set, to be sent again from the start.
    pub(crate) fn flow_replay(&self, id: EndpointId, account: AccountId, positions: &[u64]) {
        let now = self.now();
        let mut state = self.flow.state();
        let destination = state.schedule.destination(id, account);
        for &position in positions {
            destination.replay(position, now);
        }
        state.schedule.look_at(id, now);
        drop(state);
        self.flow.pump.notify_one();
    }

    /// Drops everything queued for a destination that is gone for good.
    pub(crate) fn flow_drop(&self, id: EndpointId) {
        if let Some(destination) = self.flow.state().schedule.destinations.get_mut(&id) {
            destination.expire(u64::MAX);
        }
    }

    /// Where a position stands at one destination: `(waiting or under way, retrying)`.
    pub(crate) fn flow_holds(&self, id: EndpointId, position: u64) -> (bool, bool) {
        let state = self.flow.state();
        state
            .schedule
            .destinations
            .get(&id)
            .map_or((false, false), |destination| {
                (
                    destination.pending.contains(position),
                    destination.retrying.contains_key(&position),
                )
            })
    }
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

/// What the order of deliveries depends on, of a document in the log. Both router and loader use it.
fn waiting(position: u64, document: &model::record::Document<'_>, bytes: usize) -> Waiting {
    let person = document.x1_id.map_or(0, |id| {
        let mut eight = [0u8; 8];
        eight.copy_from_slice(&id[8..]);
        // Never 0, which stands for nobody.
        i64::from_be_bytes(eight) | 1
    });
    Waiting {
        position,
        person,
        cost: u32::try_from(bytes).unwrap_or(u32::MAX),
    }
}
