//! The work that runs by itself: route, push, pack, collect, notify, jobs, retire, and the checkpoint that saves where they stand.
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
mod call;
mod checkpoint;
mod collect;
mod destination;
mod jobs;
mod lanes;
mod marks;
mod notify;
mod order;
mod pack;
pub(crate) mod peer;
mod pending;
mod privacy;
mod push;
mod read;
mod refresh;
mod render;
mod repeat;
mod retire;
mod route;
mod run;
mod schedule;
mod share;
mod standing;
mod syndicate;
mod tenure;

pub(crate) use refresh::Refresh;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::circuit::CircuitPolicy;
use model::endpoint::PushForm;
use model::record::Digest16;
use model::{AccountId, EndpointId};
use store::dedupe::{EventKey, IdempotencyKey};
use store::event_file::EventFile;
use tokio::sync::{Notify, watch};

pub use collect::CollectReport;
pub use jobs::{JobRun, JobsReport, Slice, SliceError};
pub use notify::NotifyReport;
pub use pack::PackReport;
pub(crate) use pack::blob_key;
pub(crate) use privacy::PrivacyState;
pub use render::webhook_id;
pub use retire::RetireReport;
pub use route::RouteReport;
pub use run::Running;
pub(crate) use run::complain;
pub use share::SharesReport;
pub use standing::Standing;

use crate::Hub;
use crate::options::Options;
use crate::shard::Shard;
use crate::shard::lease::Beats;
use cache::BatchCache;
use destination::{Destination, Waiting};
use schedule::{Budget, Schedule};

/// The state of all deliveries, shared by the tasks.
pub struct Flow {
    state: Mutex<State>,
    cache: BatchCache,
    damaged: read::Damaged,
    /// Something was routed or ended.
    changed: Notify,
    /// There are calls to make or alarms to set.
    pump: Notify,
    /// Only one router for each shard at a time; only one checkpoint, packer.
    routing: Vec<tokio::sync::Mutex<()>>,
    saving: tokio::sync::Mutex<()>,
    packing: tokio::sync::Mutex<()>,
    /// The publishers that could not be collected from the last time.
    collecting: tokio::sync::Mutex<HashSet<EndpointId>>,
    /// What of the outbox is being sent.
    notify: notify::Senders,
    /// Which jobs are being worked on.
    jobs: jobs::Workers,
    /// What was seen of others' leases. Only one look at them at a time.
    pub(crate) leasing: tokio::sync::Mutex<Beats>,
    /// Until when, by the clock's watch, what is held may be worked on; `None`: for good.
    live_until: Mutex<Option<Duration>>,
    /// Follows what is held.
    held: watch::Sender<usize>,
    is_stopping: AtomicBool,
}

/// Everything that a checkpoint must see at one instant.
struct State {
    schedule: Schedule,
    /// The shards whose flow runs here.
    held: BTreeMap<Shard, Held>,
}

/// Where the flow of one shard stands.
struct Held {
    /// The tenure under which it is held: what is saved under an older one is refused.
    epoch: i64,
    /// It is about to be given up: nothing new is begun.
    is_leaving: bool,
    /// The next batch to route.
    next_seq: u64,
    saved_seq: u64,
    /// What the router found since the last checkpoint.
    found: Found,
    /// Where keys were met that the store may not have yet; only where others publish too.
    recent: HashMap<Digest16, u64>,
}

impl Held {
    /// What the store has now need not be remembered.
    fn forget(&mut self, saved: &Found) {
        for key in &saved.event_keys {
            self.recent.remove(&key.digest);
        }
        for key in &saved.idempotency_keys {
            self.recent.remove(&key.digest);
        }
    }
}

/// By-products of routing, saved with the cursor.
#[derive(Default)]
struct Found {
    event_keys: Vec<EventKey>,
    idempotency_keys: Vec<IdempotencyKey>,
    refused: Vec<Refused>,
    files: Vec<EventFile>,
    /// Orders of other processes that were carried out.
    orders: Vec<i64>,
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
            && self.orders.is_empty()
    }

    fn append(&mut self, mut later: Self) {
        self.event_keys.append(&mut later.event_keys);
        self.idempotency_keys.append(&mut later.idempotency_keys);
        self.refused.append(&mut later.refused);
        self.files.append(&mut later.files);
        self.orders.append(&mut later.orders);
    }
}

impl Flow {
    /// A flow that holds no shard yet.
    pub(crate) fn new(options: &Options, shards: usize) -> Self {
        let delivery = &options.delivery;
        let schedule = Schedule::new(Budget {
            in_flight_max: delivery.concurrency_max.max(1),
            retries_max: (delivery.concurrency_max / 2).max(1),
            window_max: delivery.concurrency_per_destination_max.max(1),
            circuit: CircuitPolicy {
                failures_to_open: delivery.circuit_failures,
                probe_patience: delivery.timeout + Duration::from_secs(15),
                ..CircuitPolicy::default()
            },
        });
        Self {
            state: Mutex::new(State {
                schedule,
                held: BTreeMap::new(),
            }),
            cache: BatchCache::new(delivery.cache_bytes_max),
            damaged: read::Damaged::default(),
            changed: Notify::new(),
            pump: Notify::new(),
            routing: std::iter::repeat_with(Default::default)
                .take(shards)
                .collect(),
            saving: tokio::sync::Mutex::new(()),
            packing: tokio::sync::Mutex::new(()),
            collecting: tokio::sync::Mutex::default(),
            notify: notify::Senders::default(),
            jobs: jobs::Workers::default(),
            leasing: tokio::sync::Mutex::default(),
            live_until: Mutex::default(),
            held: watch::Sender::new(0),
            is_stopping: AtomicBool::new(false),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Relaxed)
    }
}

impl Hub {
    /// Keeps the router of an account's shard from routing while a span is opened or closed: it finds the spans of
    /// everything from the position of the switch on as they are then. Also keeps such changes one after the other.
    /// (Routers of other processes are kept by the lock of [`Hub::begin_change`].)
    pub(crate) async fn halt_router(&self, account: AccountId) -> tokio::sync::MutexGuard<'_, ()> {
        self.flow.routing(self.logs.shard(account)).lock().await
    }

    /// Batches that the routers of this process have not seen yet.
    pub fn router_lag(&self) -> u64 {
        let state = self.flow.state();
        let lag = state.held.iter().map(|(shard, held)| {
            let ends = self.logs.at(*shard).ends();
            ends.next_seq.saturating_sub(held.next_seq)
        });
        lag.sum()
    }

    /// An endpoint changed: whether and how it may be called.
    pub(crate) fn flow_refresh(&self, id: EndpointId) {
        let Some(entry) = self.registry.endpoint(id) else {
            return;
        };
        let now = self.now();
        let account = entry.endpoint.account;
        let mut state = self.flow.state();
        let Some(held) = state.held.get(&self.logs.shard(account)) else {
            return;
        };
        let is_leaving = held.is_leaving;
        if !state.schedule.destinations.contains_key(&id) && entry.target.is_none() {
            return;
        }
        let destination = state.schedule.destination(id, account);
        destination.is_open = entry.target.is_some() && !is_leaving;
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

    /// Drops everything queued for a destination that is gone for good.
    pub(crate) fn flow_drop(&self, id: EndpointId) {
        if let Some(destination) = self.flow.state().schedule.destinations.get_mut(&id) {
            destination.expire(u64::MAX);
        }
    }
}

/// What the order of deliveries depends on, of a document in the log. Both router and loader use it.
fn waiting(position: u64, person: i64, bytes: usize) -> Waiting {
    Waiting {
        position,
        person,
        cost: u32::try_from(bytes).unwrap_or(u32::MAX),
    }
}
