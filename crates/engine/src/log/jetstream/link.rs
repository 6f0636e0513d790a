//! The connection to NATS, and JetStream's own calls: requests with a JSON body and a JSON answer, each with a limit of
//! time. Streams, numbers and batches are the business of the files beside this one.

use std::sync::Arc;
use std::time::Duration;

use async_nats::{
    Client, ConnectOptions, Event, Request, RequestError, ServerAddr, SubscribeError,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::watch;

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
    pub(super) connected: watch::Receiver<u64>,
}

impl JetStream {
    /// Connects.
    ///
    /// # Errors
    /// [`LogError::Unavailable`] if an address or the prefix is not one, or no server answers, or lets us in.
    pub async fn connect(options: JetStreamOptions) -> Result<Self, LogError> {
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if options.prefix.is_empty() || !options.prefix.chars().all(fits) {
            return Err(LogError::unavailable(Trouble::Prefix(options.prefix)));
        }
        let servers: Vec<ServerAddr> = options
            .servers
            .split(',')
            .map(|address| address.trim().parse())
            .collect::<Result<_, _>>()
            .map_err(LogError::unavailable)?;
        let (connections, connected) = watch::channel(0);
        let client = ConnectOptions::new()
            .name("rialto")
            .connection_timeout(CONNECT_WITHIN)
            .ping_interval(CHECKED_EVERY)
            .reconnect_delay_callback(|attempts| {
                let pause = Duration::from_millis(10) * u32::try_from(attempts).unwrap_or(u32::MAX);
                pause.min(RECONNECT_PAUSE_MAX)
            })
            .event_callback(move |event| {
                tell(&event, &connections);
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

    /// Waits for a connection that is just being made again. A request without one would be sent later, when nobody
    /// waits for its answer any more.
    async fn wait_until_connected(&self) -> Result<(), Trouble> {
        let mut connected = self.connected.clone();
        connected.mark_unchanged();
        if !self.is_connected() {
            let again = tokio::time::timeout(ANSWER_WITHIN, connected.changed()).await;
            return again.map(drop).map_err(|_| Trouble::Disconnected);
        }
        Ok(())
    }

    /// Asks JetStream's API.
    pub(super) async fn ask(&self, what: &str, body: &impl Serialize) -> Result<Value, Trouble> {
        self.wait_until_connected().await?;
        let body = serde_json::to_vec(body)?;
        let request = Request::new()
            .payload(body.into())
            .timeout(Some(ANSWER_WITHIN));
        let answer = self
            .client
            .send_request(format!("$JS.API.{what}"), request)
            .await?;
        let mut answer: Value = serde_json::from_slice(&answer.payload)?;
        match answer.get_mut("error").map(Value::take) {
            Some(error) => Err(Trouble::Refused(serde_json::from_value(error)?)),
            None => Ok(answer),
        }
    }
}

fn tell(event: &Event, connections: &watch::Sender<u64>) {
    match event {
        Event::Connected => connections.send_modify(|count| *count += 1),
        Event::Disconnected => tracing::warn!("the connection to NATS is lost; trying again"),
        other => tracing::debug!(%other, "NATS"),
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
    Refused(#[source] Refusal),
    #[error("JetStream answers what cannot be understood")]
    Unclear(#[from] serde_json::Error),
    #[error("`{0}` cannot be a part of a stream's name: letters, digits, - and _ can")]
    Prefix(String),
    #[error("the stream `{0}` is not a log of Rialto: choose another prefix, or remove it")]
    Foreign(String),
    #[error(
        "the stream `{0}` may drop or lose messages by its settings: a log needs file storage, the retention \
         `limits`, the discard policy `new`, and no limit of age"
    )]
    Careless(String),
    #[error(
        "the server takes messages of {0} bytes; a log needs a `max_payload` of 64 KiB or more"
    )]
    Narrow(usize),
    #[error(
        "the stream `{0}` has no leader: most of the servers with a copy are gone, or being elected"
    )]
    Leaderless(String),
    #[error("the stream `{0}` is full: it has {1} bytes of at most {2}")]
    Full(String, u64, u64),
    #[error("most copies of the stream `{0}` are out of reach or behind")]
    NoMajority(String),
    #[error(
        "the stream has no message {0}, which was acknowledged: the server that answers is behind, or has lost data"
    )]
    Behind(u64),
    #[error("no definite answer came: the append may be in the log, or get there later")]
    Unanswered,
    #[error("JetStream does not answer to the appends before this one, which is not in the log")]
    Waited,
    #[error(
        "the stream `{0}` was made by a release that let nobody delete a message: move the log to another prefix with \
         `rialto migrate`, and batches can be rewritten"
    )]
    Undeletable(String),
    #[error("a log has room for {} gaps in its numbers", super::pieces::PIECES_MAX)]
    Gaps,
    #[error("a log in JetStream is copied with the tools of NATS: `nats stream backup`")]
    NoSnapshot,
    #[error("{0} (injected)")]
    Injected(&'static str),
}

/// What JetStream says when it does not do something.
#[derive(Clone, Debug, Deserialize, thiserror::Error)]
#[error("{description} (JetStream's error {err_code})")]
pub(super) struct Refusal {
    #[serde(default)]
    pub(super) err_code: u64,
    #[serde(default)]
    description: String,
}

impl Refusal {
    pub(super) const NO_MESSAGE: u64 = 10_037;
    pub(super) const NO_STREAM: u64 = 10_059;
    pub(super) const STREAM_EXISTS: u64 = 10_058;

    /// Whether the same request may be answered otherwise in a moment: while servers start, elect a leader or catch up.
    pub(super) fn heals(&self) -> bool {
        // No code at all: a leader that is no more. Incomplete, no peers, not available, not the leader, another last
        // message than the leader thought, offline; of later servers: the id is on its way, too many requests.
        const HEALING: [u64; 9] = [
            0, 10_004, 10_005, 10_008, 10_009, 10_063, 10_118, 10_158, 10_167,
        ];
        HEALING.contains(&self.err_code)
    }
}

impl Trouble {
    /// Whether JetStream said exactly this.
    pub(super) fn is(&self, err_code: u64) -> bool {
        matches!(self, Self::Refused(refusal) if refusal.err_code == err_code)
    }

    /// Whether it is over after an election, or when servers that start have found each other.
    pub(super) fn heals(&self) -> bool {
        match self {
            Self::Refused(refusal) => refusal.heals(),
            other => matches!(
                other,
                Self::Silent(_) | Self::Disconnected | Self::Leaderless(_)
            ),
        }
    }
}

impl From<Trouble> for LogError {
    fn from(trouble: Trouble) -> Self {
        Self::unavailable(trouble)
    }
}
