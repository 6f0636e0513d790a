//! The push subscriber of the demo: a real HTTP receiver that checks signatures and fails now and then on purpose.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use engine::Clock;
use outbound::signature::{self, Secret};

use super::lists::{self, Lists};
use super::stream;
use super::tally::Tally;
use crate::listen::{header, shown, signed};
use crate::terminal::count;

/// Ids remembered to tell repeats; then it starts to forget, all at once.
const IDS_MAX: usize = 100_000;

/// Lines printed in a stretch of [`TALK_FOR`].
const TALK_LINES_MAX: u32 = 20;
const TALK_FOR: Duration = Duration::from_secs(1);

/// The running receiver.
pub(super) struct Crm {
    pub(super) address: SocketAddr,
    /// Its audiences.
    pub(super) lists: Arc<Lists>,
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
    talk: Mutex<Option<Talk>>,
}

/// What was printed lately: a person cannot read more.
struct Talk {
    since: Instant,
    said: u32,
    unsaid: u64,
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
            talk: Mutex::new(None),
        });
        let lists = Arc::<Lists>::default();
        let socket = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = socket.local_addr()?;
        let router = Router::new()
            .route("/exchange/v1/events", axum::routing::post(receive))
            .with_state(Arc::clone(&shared))
            .merge(lists::router(Arc::clone(&lists)));
        tokio::spawn(async move {
            let _ = axum::serve(socket, router).await;
        });
        Ok(Self {
            address,
            lists,
            shared,
        })
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
        let talk = Talk {
            since: Instant::now(),
            said: 0,
            unsaid: 0,
        };
        *self.shared.talk() = Some(talk);
    }
}

impl Shared {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn talk(&self) -> MutexGuard<'_, Option<Talk>> {
        self.talk.lock().unwrap_or_else(PoisonError::into_inner)
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
    if let Some(talk) = shared.talk().as_mut() {
        if !stream::is_again(&body) {
            talk.say(now, &body);
        }
        return StatusCode::OK;
    }
    match std::str::from_utf8(&body).map(stream::read) {
        Ok(Ok(told)) => tally
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .arrive(&told, now),
        _ => shared.inner().seen.unreadable += 1,
    }
    StatusCode::OK
}

impl Talk {
    fn say(&mut self, now: Instant, body: &[u8]) {
        if now.saturating_duration_since(self.since) >= TALK_FOR {
            if self.unsaid > 0 {
                println!("  … and {} more", count(self.unsaid));
            }
            *self = Self {
                since: now,
                said: 0,
                unsaid: 0,
            };
        }
        for line in shown::events(body) {
            if self.said < TALK_LINES_MAX {
                self.said += 1;
                println!("  pushed to the CRM  {line}");
            } else {
                self.unsaid += 1;
            }
        }
    }
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
