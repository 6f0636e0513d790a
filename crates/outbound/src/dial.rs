//! How a connection to a stranger is made, and the only place where it is.
//!
//! ```text
//! Dial            a literal address is judged here, because the connector skips the resolver for it;
//!  │              scheme, TLS, and `connect_timeout` around all of it
//!  └ Tcp          tells a resolver's failure from a socket's
//!     └ Resolver  a name: looked up, every address judged, only the allowed ones handed on to be dialled
//! ```
//!
//! Nothing between the guard's verdict and the socket asks DNS again, so a name that answers differently the second time
//! (rebinding) gains nothing. `client` gives this to the connection pool; a pooled connection has been judged when it was
//! made. Every error that leaves here is a [`Failure`].

use std::error::Error;
use std::future::Future;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use http::uri::Scheme;
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::crypto::ring;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tower::Service;

use crate::failure::chain;
use crate::{Cause, Failure, Guard, Phase, url};

/// A lookup runs on a blocking thread and cannot be cancelled; so many of them may hang on dead name servers without taking
/// the threads that everything else needs.
const LOOKUPS_MAX: usize = 64;

/// The kernel asks an idle connection for a sign of life this often, so that pooled connections through a forgetful
/// firewall are noticed dead before they are used.
const TCP_KEEPALIVE: Duration = Duration::from_secs(60);

/// Turns a host name into addresses; the port of each is replaced by the URL's. The real one asks the system, tests
/// inject their own.
pub type Lookup = Arc<dyn Fn(String) -> LookupFuture + Send + Sync>;

/// What a [`Lookup`] returns.
pub type LookupFuture = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>>;

type Dialling<T> = Pin<Box<dyn Future<Output = Result<T, Failure>> + Send>>;

/// Makes connections, at most `timeout` long each, only to addresses that the guard allows.
#[derive(Clone)]
pub(crate) struct Dial {
    guard: Arc<Guard>,
    tcp: Tcp,
    /// Without trusted roots, plain HTTP still works and each HTTPS call says why it does not.
    tls: Result<HttpsConnector<Tcp>, Cause>,
    timeout: Duration,
}

impl Dial {
    pub(crate) fn new(
        guard: Guard,
        lookup: Lookup,
        tls: Result<ClientConfig, Cause>,
        timeout: Duration,
    ) -> Dial {
        let guard = Arc::new(guard);
        let mut http = HttpConnector::new_with_resolver(Resolver {
            guard: Arc::clone(&guard),
            lookup,
        });
        http.enforce_http(false);
        http.set_nodelay(true);
        http.set_keepalive(Some(TCP_KEEPALIVE));
        // Divided among the addresses of a host: a dead first one leaves time for the second.
        http.set_connect_timeout(Some(timeout));
        let tcp = Tcp { http, timeout };
        let tls = tls.map(|config| HttpsConnector::from((tcp.clone(), config)));
        Dial {
            guard,
            tcp,
            tls,
            timeout,
        }
    }
}

impl Service<Uri> for Dial {
    type Response = MaybeHttpsStream<TokioIo<TcpStream>>;
    type Error = Failure;
    type Future = Dialling<Self::Response>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let host = host_of(&uri);
        if let Some(address) = url::literal(&host)
            && let Err(range) = self.guard.check(address)
        {
            return Box::pin(async move { Err(Failure::Refused { address, range }) });
        }
        let timeout = self.timeout;
        let dialling: Dialling<Self::Response> = if uri.scheme() == Some(&Scheme::HTTPS) {
            match &mut self.tls {
                Ok(tls) => {
                    let connecting = tls.call(uri);
                    Box::pin(
                        async move { connecting.await.map_err(|error| tls_failure(host, error)) },
                    )
                }
                Err(source) => {
                    let source = Arc::clone(source);
                    Box::pin(async move { Err(Failure::Tls { host, source }) })
                }
            }
        } else {
            let connecting = self.tcp.call(uri);
            Box::pin(async move { connecting.await.map(MaybeHttpsStream::Http) })
        };
        Box::pin(async move {
            let late = Failure::Timeout {
                after: timeout,
                phase: Phase::Connect,
            };
            tokio::time::timeout(timeout, dialling)
                .await
                .unwrap_or(Err(late))
        })
    }
}

/// The roots this machine trusts, and what to do without them.
pub(crate) fn system_tls() -> Result<ClientConfig, Cause> {
    // The provider is named: a second one anywhere in the tree would make rustls panic on having to choose.
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| Arc::new(error) as Cause)?
        .with_native_roots()
        .map_err(|source| Arc::new(NoRoots { source }) as Cause)?;
    Ok(config.with_no_client_auth())
}

#[derive(Debug, thiserror::Error)]
#[error(
    "this machine trusts no certificate authority; install its `ca-certificates` or set `SSL_CERT_FILE`, and restart"
)]
struct NoRoots {
    #[source]
    source: io::Error,
}

/// The system's resolver.
pub(crate) fn system_lookup() -> Lookup {
    let slots = Arc::new(Semaphore::new(LOOKUPS_MAX));
    Arc::new(move |host| {
        let slots = Arc::clone(&slots);
        Box::pin(async move {
            let slot = slots.acquire_owned().await.map_err(io::Error::other)?;
            let lookup = tokio::task::spawn_blocking(move || {
                // Held until the thread is free again, even when nobody waits for the answer any more.
                let _slot = slot;
                (host.as_str(), 0).to_socket_addrs().map(Iterator::collect)
            });
            lookup.await.map_err(io::Error::other)?
        })
    })
}

#[derive(Clone)]
struct Tcp {
    http: HttpConnector<Resolver>,
    timeout: Duration,
}

impl Service<Uri> for Tcp {
    type Response = TokioIo<TcpStream>;
    type Error = Failure;
    type Future = Dialling<Self::Response>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let host = host_of(&uri);
        let timeout = self.timeout;
        let connecting = self.http.call(uri);
        Box::pin(async move {
            connecting
                .await
                .map_err(|error| tcp_failure(host, timeout, error))
        })
    }
}

#[derive(Clone)]
struct Resolver {
    guard: Arc<Guard>,
    lookup: Lookup,
}

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = Failure;
    type Future = Dialling<Self::Response>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let guard = Arc::clone(&self.guard);
        let host = name.as_str().to_owned();
        let looking = (self.lookup)(host.clone());
        Box::pin(async move {
            let found = looking.await.map_err(|error| Failure::Resolve {
                host: host.clone(),
                source: Arc::new(error),
            })?;
            let mut refused = None;
            let mut allowed = Vec::with_capacity(found.len());
            for address in found {
                match guard.check(address.ip()) {
                    Ok(()) => allowed.push(address),
                    Err(range) => {
                        refused = refused.or(Some(Failure::Refused {
                            address: address.ip(),
                            range,
                        }));
                    }
                }
            }
            match refused {
                _ if !allowed.is_empty() => Ok(allowed.into_iter()),
                Some(refused) => Err(refused),
                None => Err(Failure::Resolve {
                    host,
                    source: Arc::new(io::Error::other("the name has no addresses")),
                }),
            }
        })
    }
}

fn host_of(uri: &Uri) -> String {
    uri.host().unwrap_or_default().to_owned()
}

/// The resolver's failure, or what the sockets said; the connector shares the time among them and tells it as an error.
fn tcp_failure(
    host: String,
    after: Duration,
    error: impl Error + Send + Sync + 'static,
) -> Failure {
    let timed_out = |cause: &(dyn Error + 'static)| {
        cause
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.kind() == io::ErrorKind::TimedOut)
    };
    match Failure::within(&error) {
        Some(failure) => failure,
        None if chain(&error).any(timed_out) => Failure::Timeout {
            after,
            phase: Phase::Connect,
        },
        None => Failure::Connect {
            host,
            source: Arc::new(error),
        },
    }
}

/// What is not a failure of `Tcp` happened in the handshake, or the host is no name that a certificate could bear.
fn tls_failure(host: String, error: Box<dyn Error + Send + Sync>) -> Failure {
    match error.downcast::<Failure>() {
        Ok(failure) => *failure,
        Err(error) => Failure::Tls {
            host,
            source: Arc::from(error),
        },
    }
}
