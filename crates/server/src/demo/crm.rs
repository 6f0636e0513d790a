//! The push subscriber of the demo: a real HTTP receiver that checks signatures and fails now and then on purpose.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use engine::Clock;
use outbound::signature::{self, Secret};

use super::stream;
use super::tally::Tally;
use crate::listen::{header, shown, signed};

/// Ids remembered to tell repeats; then it starts to forget, all at once.
const IDS_MAX: usize = 100_000;

/// The running receiver.
pub(super) struct Crm {
    pub(super) address: SocketAddr,
    shared: Arc<Shared>,
}

/// What it has seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// Failed on purpose.
    pub(super) refused: u64,
    /// Requests that came again after a failure.
    pub(super) retried: u64,
    /// Deliveries that had been taken before.
    pub(super) repeated: u64,
    /// Requests whose signature does not fit; they are refused.
    pub(super) forged: u64,
    /// Bodies that are not documents.
    pub(super) unreadable: u64,
}

struct Shared {
    /// Set once it is registered: what pushes are signed with, and what is checked off.
    begun: OnceLock<(Secret, Arc<Mutex<Tally>>)>,
    /// Of one, how many requests fail on purpose.
    fail: f64,
    inner: Mutex<Inner>,
    /// Prints what arrives, once the check is over.
    talks: AtomicBool,
}

struct Inner {
    seen: Seen,
    dice: fastrand::Rng,
    refused: HashSet<String>,
    taken: HashSet<String>,
}

impl Crm {
    /// Starts it on a free port of this machine. It refuses everything until it [begins](Crm::begin).
    ///
    /// # Errors
    /// When no port can be had.
    pub(super) async fn start(fail: f64) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            begun: OnceLock::new(),
            fail,
            inner: Mutex::new(Inner {
                seen: Seen::default(),
                // The same dice every time, so that two runs are alike.
                dice: fastrand::Rng::with_seed(1596),
                refused: HashSet::new(),
                taken: HashSet::new(),
            }),
            talks: AtomicBool::new(false),
        });
        let socket = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = socket.local_addr()?;
        let router = Router::new()
            .route("/exchange/v1/events", axum::routing::post(receive))
            .with_state(Arc::clone(&shared));
        tokio::spawn(async move {
            let _ = axum::serve(socket, router).await;
        });
        Ok(Self { address, shared })
    }

    /// What it registers: the exchange adds `/v1/events`.
    pub(super) fn url(&self) -> String {
        format!("http://{}/exchange/", self.address)
    }

    /// From now on it takes what is signed with `secret`, and checks it off. A second call changes nothing.
    pub(super) fn begin(&self, secret: Secret, tally: Arc<Mutex<Tally>>) {
        let _ = self.shared.begun.set((secret, tally));
    }

    pub(super) fn seen(&self) -> Seen {
        self.shared.inner().seen
    }

    /// From now on prints what arrives instead of checking it off.
    pub(super) fn talk(&self) {
        self.shared.talks.store(true, Ordering::Relaxed);
    }
}

impl Shared {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What to check off on, if the push is ours to take.
    fn admit(&self, headers: &HeaderMap, body: &[u8]) -> Option<&Mutex<Tally>> {
        let (secret, tally) = self.begun.get()?;
        let now = Clock::System.now();
        signed(secret, headers, body, now).ok().map(|()| &**tally)
    }
}

async fn receive(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let now = Instant::now();
    let Some(tally) = shared.admit(&headers, &body) else {
        shared.inner().seen.forged += 1;
        return StatusCode::UNAUTHORIZED;
    };
    let id = header(&headers, &signature::ID);
    if let Some(status) = shared.inner().judge(id, shared.fail) {
        return status;
    }
    let talks = shared.talks.load(Ordering::Relaxed);
    match std::str::from_utf8(&body).map(stream::read) {
        _ if talks => {
            for line in shown::events(&body) {
                println!("  pushed to the CRM  {line}");
            }
        }
        Ok(Ok(told)) => tally
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .arrive(&told, now),
        _ => shared.inner().seen.unreadable += 1,
    }
    StatusCode::OK
}

impl Inner {
    /// The status to answer with when the delivery is not to be looked into: refused, or had before.
    fn judge(&mut self, id: &str, fail: f64) -> Option<StatusCode> {
        if self.refused.contains(id) {
            self.seen.retried += 1;
        }
        if self.dice.f64() < fail {
            self.seen.refused += 1;
            self.refused.insert(id.to_owned());
            return Some(if self.dice.bool() {
                StatusCode::SERVICE_UNAVAILABLE
            } else {
                StatusCode::INTERNAL_SERVER_ERROR
            });
        }
        self.refused.remove(id);
        if self.taken.len() >= IDS_MAX {
            self.taken.clear();
        }
        if !self.taken.insert(id.to_owned()) {
            // At least once means that this may happen: the id is there so that a receiver can tell.
            self.seen.repeated += 1;
            return Some(StatusCode::OK);
        }
        None
    }
}
