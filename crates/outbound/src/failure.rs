//! Why a call got no answer. An answer of any status, 500 included, is not a failure.
//!
//! `dial` and `client` make these; the flow branches on [`Failure::is_retryable`], metrics and the console use
//! [`Failure::code`]. Messages are written for the tenant who owns the URL: they name the range of a refused address but not
//! the address, which could map the operator's network; it is in the field for the operator's log.

use std::error::Error;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// What lies under a failure, as the layer below said it.
pub type Cause = Arc<dyn Error + Send + Sync>;

/// Why a call got no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Failure {
    /// The URL cannot be called at all; somebody has to correct it.
    #[error("the URL `{url}` cannot be called: {reason}")]
    Url { url: String, reason: &'static str },
    /// Every address of the host is refused by the guard; this is the first of them.
    #[error(
        "the host has a {range} address, which is not called unless the operator's configuration allows it"
    )]
    Refused {
        address: IpAddr,
        range: &'static str,
    },
    /// The host name has no address.
    #[error("the host name `{host}` could not be resolved")]
    Resolve {
        host: String,
        #[source]
        source: Cause,
    },
    /// No address of the host took the connection.
    #[error("`{host}` could not be connected to")]
    Connect {
        host: String,
        #[source]
        source: Cause,
    },
    /// The connection stands but is not secure: certificate, protocol, or no TLS at the other end.
    #[error("no secure connection to `{host}`")]
    Tls {
        host: String,
        #[source]
        source: Cause,
    },
    /// The time was up.
    #[error("{phase} took longer than {after:?}")]
    Timeout { after: Duration, phase: Phase },
    /// The answer's body is larger than it may be.
    #[error("the answer is larger than {bytes_max} bytes")]
    TooLarge { bytes_max: u64 },
    /// What was to be sent could not be had. The other side is not to blame.
    #[error("the body of the request could not be read to its end")]
    Source {
        #[source]
        source: Cause,
    },
    /// The connection broke, or what came over it is not HTTP.
    #[error("the connection broke before the answer was complete")]
    Broken {
        #[source]
        source: Cause,
    },
}

/// What a call was doing when its time was up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Resolving, connecting, and the TLS handshake: `connect_timeout`.
    Connect,
    /// From the start of the call to the end of the answer's headers. Includes connecting when the call's own time is the
    /// shorter one.
    Headers,
    /// Reading the answer's body.
    Body,
}

impl Failure {
    /// Whether the same call may succeed later without anybody changing anything. A refused address is not retried: the name
    /// would have to move, or the operator to open the range.
    pub fn is_retryable(&self) -> bool {
        !matches!(
            self,
            Failure::Url { .. } | Failure::Refused { .. } | Failure::TooLarge { .. }
        )
    }

    /// One stable word for metrics and the console.
    pub fn code(&self) -> &'static str {
        match self {
            Failure::Url { .. } => "url",
            Failure::Refused { .. } => "refused",
            Failure::Resolve { .. } => "resolve",
            Failure::Connect { .. } => "connect",
            Failure::Tls { .. } => "tls",
            Failure::Timeout { .. } => "timeout",
            Failure::TooLarge { .. } => "too-large",
            Failure::Source { .. } => "source",
            Failure::Broken { .. } => "broken",
        }
    }

    /// Finds the failure that `dial` put into an error which then went through layers that are not ours.
    pub(crate) fn within(error: &(dyn Error + 'static)) -> Option<Failure> {
        chain(error)
            .find_map(|cause| cause.downcast_ref::<Failure>())
            .cloned()
    }
}

impl std::fmt::Display for Phase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Phase::Connect => "connecting",
            Phase::Headers => "the answer",
            Phase::Body => "the answer's body",
        })
    }
}

/// An error and all that lies under it.
pub(crate) fn chain<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |cause: &&'a (dyn Error + 'static)| {
        (*cause).source()
    })
}
