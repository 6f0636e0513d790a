//! A recording subscriber: a real HTTP server whose answers a test switches.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// What was received.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// With the query.
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Request {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("the hub sends JSON")
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }
}

/// How to answer.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    Status(u16),
    /// With a header.
    With(u16, &'static str, String),
    Body(u16, Bytes),
    /// Never answers.
    Hang,
    /// Headers at once, then so many bytes in all, one chunk after each pause.
    Drip {
        total: usize,
        chunk: usize,
        pause: Duration,
    },
}

type Answerer = Box<dyn FnMut(&Request) -> Reply + Send>;

struct Shared {
    requests: Mutex<Vec<Request>>,
    answerer: Mutex<Answerer>,
    at_once: AtOnce,
}

/// Requests that are being answered, and the most there ever were.
#[derive(Default)]
struct AtOnce {
    now: AtomicUsize,
    most: AtomicUsize,
}

/// One request, until the last byte of its answer was made.
struct Open(Arc<Shared>);

impl Open {
    fn new(shared: Arc<Shared>) -> Self {
        let now = shared.at_once.now.fetch_add(1, Ordering::SeqCst) + 1;
        shared.at_once.most.fetch_max(now, Ordering::SeqCst);
        Self(shared)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.at_once.now.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A server on a free port of 127.0.0.1; ends when dropped.
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl Receiver {
    /// Answers 200 to everything, until told otherwise.
    pub(crate) async fn start() -> Self {
        let shared = Arc::new(Shared {
            requests: Mutex::new(Vec::new()),
            answerer: Mutex::new(Box::new(|_| Reply::Status(200))),
            at_once: AtOnce::default(),
        });
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let router = Router::new()
            .fallback(receive)
            .with_state(Arc::clone(&shared));
        let task = tokio::spawn(async move {
            let _ = axum::serve(listener, router).await;
        });
        Self {
            address,
            shared,
            task,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Answers every request from now on as `answerer` says.
    pub(crate) fn answer(&self, answerer: impl FnMut(&Request) -> Reply + Send + 'static) {
        *self
            .shared
            .answerer
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Box::new(answerer);
    }

    pub(crate) fn answer_status(&self, status: u16) {
        self.answer(move |_| Reply::Status(status));
    }

    /// Everything received so far, in order.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.shared
            .requests
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn count(&self) -> usize {
        self.shared
            .requests
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }

    /// The most requests that were being answered at once.
    pub(crate) fn most_at_once(&self) -> usize {
        self.shared.at_once.most.load(Ordering::SeqCst)
    }

    /// Takes what was received so far.
    pub(crate) fn take(&self) -> Vec<Request> {
        std::mem::take(
            &mut *self
                .shared
                .requests
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn receive(State(shared): State<Arc<Shared>>, request: axum::extract::Request) -> Response {
    let open = Open::new(Arc::clone(&shared));
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX)
        .await
        .unwrap_or_default();
    let path = parts
        .uri
        .path_and_query()
        .map_or_else(String::new, ToString::to_string);
    let request = Request {
        method: parts.method.to_string(),
        path,
        headers: parts.headers,
        body,
    };
    let reply = {
        let mut answerer = shared
            .answerer
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        answerer(&request)
    };
    shared
        .requests
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(request);
    let status = |code: u16| StatusCode::from_u16(code).expect("a status");
    let mut response = Response::new(Body::empty());
    match reply {
        Reply::Status(code) => *response.status_mut() = status(code),
        Reply::With(code, name, value) => {
            *response.status_mut() = status(code);
            response
                .headers_mut()
                .insert(name, value.parse().expect("a header value"));
        }
        Reply::Body(code, bytes) => {
            *response.status_mut() = status(code);
            *response.body_mut() = Body::from(bytes);
        }
        Reply::Hang => std::future::pending().await,
        Reply::Drip {
            total,
            chunk,
            pause,
        } => {
            let chunks =
                futures_util::stream::unfold((total, open), move |(left, open)| async move {
                    if left == 0 {
                        return None;
                    }
                    tokio::time::sleep(pause).await;
                    let size = chunk.min(left);
                    let bytes = Bytes::from(vec![b'x'; size]);
                    Some((Ok::<_, std::io::Error>(bytes), (left - size, open)))
                });
            *response.body_mut() = Body::from_stream(chunks);
        }
    }
    response
}
