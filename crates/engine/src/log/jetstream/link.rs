//! The connection to NATS, and requests to JetStream, each with a limit of time: what can be answered, and what can go
//! wrong. What the answers say is in the types of NATS's client; streams, numbers and batches are the business of the
//! files beside this one.
//!
//! The client's own calls are not used: they hide which error JetStream had, do not tell an answer that cannot be
//! understood from none, and wait for a connection with the request in their hands.

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::{self, ErrorCode, response::Response};
use async_nats::{
    Client, ConnectOptions, Event, Request, RequestError, RequestErrorKind, SubscribeError,
};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::log::{JetStreamOptions, LogError};

/// How long one answer may take. JetStream answers in milliseconds, or not at all.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// How long a connection may take to be made, and how often it is checked: a server that hangs keeps its connections,
/// so only missing answers tell. Three of them, and another server is tried.
const CONNECT_WITHIN: Duration = Duration::from_secs(2);
const CHECKED_EVERY: Duration = Duration::from_secs(1);

/// The longest pause between two attempts to connect.
const RECONNECT_PAUSE_MAX: Duration = Duration::from_millis(500);

/// A connection to JetStream, for the logs of all shards. Clones share it. It comes back by itself when it is lost.
#[derive(Clone, Debug)]
pub struct JetStream {
    pub(super) client: Client,
    pub(super) options: Arc<JetStreamOptions>,
    /// Changes with every connection that was made.
    connected: watch::Receiver<()>,
}

impl JetStream {
    /// Connects.
    ///
    /// # Errors
    /// [`LogError::Unavailable`] if an address or the prefix is not one, or no server answers, or lets us in.
    pub async fn connect(options: JetStreamOptions) -> Result<Self, LogError> {
        let prefix = &options.prefix;
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if prefix.is_empty() || !prefix.chars().all(fits) {
            let what = "cannot be a part of a stream's name: letters, digits, - and _ can";
            return Err(Trouble::Unfit(format!("`{prefix}` {what}")).into());
        }
        let servers: Vec<&str> = options.servers.split(',').map(str::trim).collect();
        let (connections, connected) = watch::channel(());
        let client = ConnectOptions::new()
            .name("rialto")
            .connection_timeout(CONNECT_WITHIN)
            .ping_interval(CHECKED_EVERY)
            .reconnect_delay_callback(|attempts| {
                Duration::from_millis(10 * attempts as u64).min(RECONNECT_PAUSE_MAX)
            })
            .event_callback(move |event| {
                match event {
                    Event::Connected => connections.send_replace(()),
                    Event::Disconnected => {
                        tracing::warn!("the connection to NATS is lost; trying again");
                    }
                    other => tracing::debug!(%other, "NATS"),
                }
                std::future::ready(())
            })
            .connect(servers)
            .await
            .map_err(LogError::unavailable)?;
        Ok(Self {
            client,
            options: Arc::new(options),
            connected,
        })
    }

    /// Whether there is a connection now.
    pub(super) fn is_connected(&self) -> bool {
        self.client.connection_state() == async_nats::connection::State::Connected
    }

    /// Is told of every connection that is made from now on.
    pub(super) fn connections(&self) -> watch::Receiver<()> {
        let mut connected = self.connected.clone();
        connected.mark_unchanged();
        connected
    }

    /// Calls JetStream's API for a stream, waiting for a connection that is just being made again. A request without one
    /// would be sent later, when nobody waits for its answer any more.
    pub(super) async fn ask<A>(&self, call: &str, stream: &str, body: &Value) -> Result<A, Trouble>
    where
        A: DeserializeOwned,
    {
        let mut connections = self.connections();
        if !self.is_connected() {
            let again = timeout(ANSWER_WITHIN, connections.changed()).await;
            again.map_err(|_| Trouble::Disconnected)?.ok();
        }
        let request = Request::new().payload(body.to_string().into());
        let request = request.timeout(Some(ANSWER_WITHIN));
        let subject = format!("$JS.API.STREAM.{call}.{stream}");
        self.request(subject, request).await
    }

    /// Sends a request, and reads JetStream's answer.
    pub(super) async fn request<A>(&self, subject: String, request: Request) -> Result<A, Trouble>
    where
        A: DeserializeOwned,
    {
        let answer = self.client.send_request(subject, request).await?;
        match serde_json::from_slice(&answer.payload) {
            Ok(Response::Ok(answer)) => Ok(answer),
            Ok(Response::Err { error }) => Err(Trouble::Refused(error)),
            Err(error) => Err(Trouble::Unclear(error.into())),
        }
    }
}

/// What can go wrong between us and JetStream.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    #[error("NATS or its JetStream does not answer")]
    Silent(#[from] RequestError),
    #[error("there is no connection to NATS")]
    Disconnected,
    #[error("the connection to NATS is closed")]
    Closed(#[from] SubscribeError),
    #[error("JetStream refuses")]
    Refused(#[source] jetstream::Error),
    #[error("JetStream answers what cannot be understood")]
    Unclear(#[source] async_nats::Error),
    #[error("no definite answer came: the append may be in the log, or get there later")]
    Unanswered,
    #[error(
        "the stream `{0}` has no leader: most of the servers with a copy are gone, or being elected"
    )]
    Leaderless(String),
    #[error(
        "the stream has no message {0}, which was acknowledged: the server that answers is behind, or has lost data"
    )]
    Behind(u64),
    /// What there is is not what a log needs, or what is asked for cannot be had: a sentence that says so.
    #[error("{0}")]
    Unfit(String),
}

impl Trouble {
    /// Whether JetStream said exactly this.
    pub(super) fn is(&self, code: ErrorCode) -> bool {
        matches!(self, Self::Refused(refusal) if refusal.error_code() == code)
    }

    /// Whether the same request may be answered otherwise in a moment: while servers start, elect a leader or catch up.
    pub(super) fn heals(&self) -> bool {
        // No code at all: a leader that is no more. Incomplete, no peers, not available, not the leader, another last
        // message than the leader thought, offline; of later servers: the id is on its way, too many requests.
        const HEALING: [u64; 9] = [
            0, 10_004, 10_005, 10_008, 10_009, 10_063, 10_118, 10_158, 10_167,
        ];
        match self {
            Self::Refused(refusal) => HEALING.contains(&refusal.error_code().0),
            Self::Silent(error) => error.kind() != RequestErrorKind::MaxPayloadExceeded,
            other => matches!(other, Self::Disconnected | Self::Leaderless(_)),
        }
    }
}

impl From<Trouble> for LogError {
    fn from(trouble: Trouble) -> Self {
        Self::unavailable(trouble)
    }
}
