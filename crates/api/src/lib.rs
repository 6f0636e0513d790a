//! How **machines** ask: `/v1` (the published API), `/manage/v1` (what users do, for programs), health, metrics and the
//! OpenAPI document.
//!
//! A handler says who, what and the answer: who asks is its first parameter ([`caller::Caller`]), and [`door::Door`] takes
//! no handler without one. Rules live in `hub`. The legacy spellings of the published API stay on this floor. Called by
//! `server`, which serves one router for each environment.

mod application;
mod asked;
mod body;
mod caller;
mod deployment;
mod door;
mod endpoint;
mod event;
mod event_file;
mod event_type;
mod file;
mod health;
mod identity_filter;
mod job;
mod manage;
mod notification;
mod observe;
mod onboarding;
mod openapi;
mod origin;
mod privacy;
mod problem;
mod segment;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hub::Hub;
use model::Environment;
use model::key::KeyHash;

pub use door::{Level, RouteInfo};
pub use problem::catalogue as problem_catalogue;

/// Files that are uploaded at once: each holds a few pieces of 4 MiB.
const UPLOADS_MAX: usize = 16;

/// What a process needs to answer calls.
#[derive(Clone)]
pub struct ApiState {
    pub(crate) hub: Arc<Hub>,
    pub(crate) environment: Environment,
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    operator: KeyHash,
    pub(crate) options: ApiOptions,
    /// Room for request bodies, in units of [`body::UNIT_BYTES`].
    room: Arc<tokio::sync::Semaphore>,
    uploads: Arc<tokio::sync::Semaphore>,
    pub(crate) openapi: String,
}

impl Shared {
    /// One unit of room for a body, if there is any left.
    fn take_room(&self) -> Option<tokio::sync::OwnedSemaphorePermit> {
        Arc::clone(&self.room).try_acquire_owned().ok()
    }

    /// Room for one file that is uploaded, if there is any left.
    fn take_upload(&self) -> Option<tokio::sync::OwnedSemaphorePermit> {
        Arc::clone(&self.uploads).try_acquire_owned().ok()
    }
}

/// How the door behaves; a limit is told to the caller that hits it.
#[derive(Debug, Clone)]
pub struct ApiOptions {
    /// Largest request body, after decompression.
    pub body_bytes_max: usize,
    /// All request bodies that are being read or checked at once.
    pub bodies_bytes_max: usize,
    /// One request, from its head to its answer.
    pub request_time_max: Duration,
    /// Proxies that are believed when they say whose call they pass on.
    pub trusted_proxies: Vec<ipnet::IpNet>,
}

impl Default for ApiOptions {
    fn default() -> Self {
        Self {
            body_bytes_max: 10 << 20,
            bodies_bytes_max: 256 << 20,
            request_time_max: Duration::from_secs(60),
            trusted_proxies: Vec::new(),
        }
    }
}

/// The two routers, production and pilot, of one hub.
pub struct Api {
    pub production: Router,
    pub pilot: Router,
    /// Every route, for tests and documents.
    pub routes: Vec<RouteInfo>,
}

/// Builds the routers. The token of hash `operator` opens `/manage/v1`.
pub fn api(hub: &Arc<Hub>, operator: KeyHash, options: ApiOptions) -> Api {
    behind(door(), hub, operator, options)
}

/// The same for a process that takes no calls: whether it is well, and its figures.
pub fn health_only(hub: &Arc<Hub>, operator: KeyHash, options: ApiOptions) -> Api {
    let mut door = door::Door::default();
    health::routes(&mut door);
    behind(door, hub, operator, options)
}

fn behind(door: door::Door, hub: &Arc<Hub>, operator: KeyHash, options: ApiOptions) -> Api {
    let request_time_max = options.request_time_max;
    let units = options.bodies_bytes_max / body::UNIT_BYTES;
    let shared = Arc::new(Shared {
        operator,
        options,
        room: Arc::new(tokio::sync::Semaphore::new(units.max(1))),
        uploads: Arc::new(tokio::sync::Semaphore::new(UPLOADS_MAX)),
        openapi: openapi::document(&door.routes).to_string(),
    });
    let state = |environment| ApiState {
        hub: Arc::clone(hub),
        environment,
        shared: Arc::clone(&shared),
    };
    let routes = door.routes.clone();
    let router = door.into_router(request_time_max);
    Api {
        production: router.clone().with_state(state(Environment::Production)),
        pilot: router
            .layer(axum::middleware::from_fn_with_state(
                state(Environment::Pilot),
                observe::observed,
            ))
            .with_state(state(Environment::Pilot)),
        routes,
    }
}

/// The OpenAPI document, without a running hub.
pub fn openapi_document() -> serde_json::Value {
    openapi::document(&door().routes)
}

fn door() -> door::Door {
    let mut door = door::Door::default();
    health::routes(&mut door);
    endpoint::routes(&mut door);
    segment::routes(&mut door);
    event_type::routes(&mut door);
    event::routes(&mut door);
    event_file::routes(&mut door);
    application::routes(&mut door);
    deployment::routes(&mut door);
    notification::routes(&mut door);
    onboarding::routes(&mut door);
    privacy::routes(&mut door);
    job::routes(&mut door);
    identity_filter::routes(&mut door);
    manage::routes(&mut door);
    door
}
