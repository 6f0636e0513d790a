//! Accepts connections and serves one router on them, with limits on what slow or silent clients may hold.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use http::Request;
use hyper::body::Incoming;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A request's head must have arrived within this time, else the connection is closed.
const HEAD_TIME_MAX: Duration = Duration::from_secs(15);
/// Largest request head.
const HEAD_BYTES_MAX: usize = 64 << 10;
/// After the system refused a connection (too many open files), before the next try.
const PAUSE: Duration = Duration::from_millis(50);

/// One address being served.
pub struct Listener {
    pub address: SocketAddr,
    stop: oneshot::Sender<Duration>,
    task: JoinHandle<()>,
}

/// Takes the address.
pub async fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::bind(address).await
}

impl Listener {
    /// Serves `router` on `socket` until [`Listener::stop`].
    pub fn serve(socket: TcpListener, router: Router) -> Self {
        Self::serve_with(socket, router, None)
    }

    /// The same with pages for people, under [`console::ROOT`]. The two are apart, and not one router, so that a call is
    /// not looked for among the pages first.
    pub fn serve_with(socket: TcpListener, router: Router, pages: Option<Router>) -> Self {
        let address = socket
            .local_addr()
            .unwrap_or_else(|_| SocketAddr::from(([0, 0, 0, 0], 0)));
        let (stop, stopped) = oneshot::channel();
        Self {
            address,
            stop,
            task: tokio::spawn(run(socket, (router, pages), stopped)),
        }
    }

    /// Takes no more connections, answers what is under way within `patience`.
    pub async fn stop(self, patience: Duration) {
        let _ = self.stop.send(patience);
        let _ = self.task.await;
    }
}

async fn run(
    socket: TcpListener,
    (router, pages): (Router, Option<Router>),
    mut stopped: oneshot::Receiver<Duration>,
) {
    let graceful = GracefulShutdown::new();
    let patience = loop {
        let accepted = tokio::select! {
            accepted = socket.accept() => accepted,
            patience = &mut stopped => break patience.unwrap_or_default(),
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "a connection could not be taken"
                );
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let _ = stream.set_nodelay(true);
        let routed = TowerToHyperService::new(router.clone());
        let pages = pages.clone().map(TowerToHyperService::new);
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(ConnectInfo(peer));
            match &pages {
                Some(pages) if is_page(request.uri().path()) => pages.call(request),
                _ => routed.call(request),
            }
        });
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIME_MAX)
            .max_buf_size(HEAD_BYTES_MAX)
            .serve_connection(TokioIo::new(stream), service);
        let watched = graceful.watch(connection);
        tokio::spawn(async move {
            // What goes wrong with a connection is the client's matter.
            let _ = watched.await;
        });
    };
    drop(socket);
    let _ = tokio::time::timeout(patience, graceful.shutdown()).await;
}

fn is_page(path: &str) -> bool {
    let rest = path.strip_prefix(console::ROOT);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
