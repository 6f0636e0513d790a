//! The client itself: one pool of connections, and one way to send a [`Call`].
//!
//! The push task sends tens of thousands of calls a second through this, so the path of a call on a warm connection parses
//! nothing, logs nothing and copies no body that came in one piece.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::USER_AGENT;
use http::{HeaderValue, Request, Uri};
use http_body_util::{BodyExt, Either, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::{Instant, timeout_at};

use crate::dial::{self, Dial, Lookup};
use crate::stream::Body;
use crate::{Answer, Call, Failure, Guard, Phase, url};

/// What one connection may buffer, headers included: what a stranger can make us hold before a limit of the call applies.
const CONNECTION_BYTES_MAX: usize = 64 * 1024;

/// Stands for a timeout that no clock can hold.
const TIMEOUT_MAX: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// How the client behaves, for all calls alike.
#[derive(Debug, Clone)]
pub struct ClientOptions {
    pub guard: Guard,
    /// For looking up, connecting and the TLS handshake together.
    pub connect_timeout: Duration,
    /// How long an unused connection is kept.
    pub idle_timeout: Duration,
    /// Unused connections kept for each scheme, host and port.
    pub idle_per_host_max: usize,
    /// Sent unless a call names its own. Control characters in it make it fall back to `rialto`.
    pub user_agent: String,
}

/// The HTTP client. Cloning is cheap and shares the connections.
#[derive(Clone)]
pub struct Client {
    pub(crate) pool: legacy::Client<Dial, Body>,
    guard: Guard,
    user_agent: HeaderValue,
}

impl Client {
    /// A client that asks the system for addresses and trusts the system's certificate authorities, which are read now.
    pub fn new(options: ClientOptions) -> Client {
        Client::with_lookup(options, dial::system_lookup())
    }

    /// A client that asks `lookup` for addresses: for tests of what names may do.
    pub fn with_lookup(options: ClientOptions, lookup: Lookup) -> Client {
        let tls = dial::system_tls();
        let dial = Dial::new(options.guard.clone(), lookup, tls, options.connect_timeout);
        Client::with_dial(options, dial)
    }

    fn with_dial(options: ClientOptions, dial: Dial) -> Client {
        let pool = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(options.idle_timeout)
            .pool_max_idle_per_host(options.idle_per_host_max)
            .http1_max_buf_size(CONNECTION_BYTES_MAX)
            .build(dial);
        let user_agent =
            HeaderValue::try_from(options.user_agent).unwrap_or(HeaderValue::from_static("rialto"));
        Client {
            pool,
            guard: options.guard,
            user_agent,
        }
    }

    /// Judges a URL when it is entered: scheme, host, and an address that is spelled out. Asks no DNS, so it promises nothing
    /// about a later call; it is there to tell a mistake to the person who makes it.
    ///
    /// # Errors
    /// [`Failure::Url`] and [`Failure::Refused`].
    pub fn check(&self, url: &str) -> Result<Uri, Failure> {
        url::check(&self.guard, url)
    }

    /// Sends one request and reads its answer, within the call's limits. Redirects are not followed and nothing is retried,
    /// except on a pooled connection that turns out closed before anything was written to it.
    ///
    /// Dropping the future drops the connection.
    ///
    /// # Errors
    /// Every [`Failure`]: there was no complete answer in time. The other side may have acted on the request all the same.
    pub async fn send(&self, call: Call) -> Result<Answer, Failure> {
        let started = Instant::now();
        let after = call.timeout;
        let deadline = deadline(started, after);
        let late = |phase| Failure::Timeout { after, phase };
        let bytes_max = call.response_bytes_max;

        let request = self.request(call)?;
        let answering = timeout_at(deadline, self.pool.request(request))
            .await
            .map_err(|_| late(Phase::Headers))?;
        let (head, body) = answering.map_err(broken)?.into_parts();
        let (body, truncated) = timeout_at(deadline, read(body, bytes_max))
            .await
            .map_err(|_| late(Phase::Body))??;
        Ok(Answer {
            status: head.status,
            headers: head.headers,
            body,
            truncated,
            elapsed: started.elapsed(),
        })
    }

    pub(crate) fn request(&self, call: Call) -> Result<Request<Body>, Failure> {
        url::supported(&call.uri).map_err(|reason| Failure::Url {
            url: url::shown(&call.uri.to_string()),
            reason,
        })?;
        let mut request = Request::new(Either::Left(Full::new(call.body)));
        *request.method_mut() = call.method;
        *request.uri_mut() = call.uri;
        *request.headers_mut() = call.headers;
        request
            .headers_mut()
            .entry(USER_AGENT)
            .or_insert_with(|| self.user_agent.clone());
        Ok(request)
    }
}

/// When the time of a call is up.
pub(crate) fn deadline(started: Instant, after: Duration) -> Instant {
    started.checked_add(after).unwrap_or(started + TIMEOUT_MAX)
}

/// Reads a body up to a limit; the flag says that there was more. A body that is dropped unread takes its connection along,
/// one that was read to its end returns it to the pool.
pub(crate) async fn read(mut body: Incoming, bytes_max: usize) -> Result<(Bytes, bool), Failure> {
    let mut first = Bytes::new();
    let mut all = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(mut data) = frame.map_err(broken)?.into_data() else {
            continue;
        };
        let room = bytes_max - first.len() - all.len();
        let truncated = data.len() > room;
        data.truncate(room);
        if first.is_empty() && all.is_empty() {
            first = data;
        } else {
            all.extend_from_slice(&std::mem::take(&mut first));
            all.extend_from_slice(&data);
        }
        if truncated {
            return Ok((joined(first, all), true));
        }
    }
    Ok((joined(first, all), false))
}

/// One of the two is empty: a body that came in one piece is not copied.
fn joined(first: Bytes, all: BytesMut) -> Bytes {
    if all.is_empty() { first } else { all.freeze() }
}

pub(crate) fn broken(error: impl std::error::Error + Send + Sync + 'static) -> Failure {
    Failure::within(&error).unwrap_or_else(|| Failure::Broken {
        source: std::sync::Arc::new(error),
    })
}

#[cfg(test)]
mod tests;
