//! The stream of one shard: made, asked for its state, purged. Everything here is a call to JetStream's API; the
//! stream's leader answers.

use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::{Value, json};

use super::link::{JetStream, Refusal, Trouble};
use super::pieces::Numbering;

/// Within this time a message with a known id is not stored again. Retries end long before; a server that restarts
/// learns the ids of this time again.
const REMEMBERED: Duration = Duration::from_secs(120);

/// How long an opening log waits for an election, or for servers that are starting.
const READY_WITHIN: Duration = Duration::from_secs(20);
const TRIED_EVERY: Duration = Duration::from_millis(200);

/// A copy that was not heard of for so long is out of reach.
const HEARD_WITHIN: Duration = Duration::from_secs(5);

/// Room for the largest call that is taken by default (10 MiB), compressed.
const PAYLOAD_BYTES_GOOD: usize = 8 << 20;

/// The stream of a shard, by its names.
#[derive(Clone, Debug)]
pub(super) struct Stream {
    pub(super) link: JetStream,
    pub(super) name: String,
    /// Where batches are published.
    pub(super) subject: String,
    /// Where processes tell each other of them.
    pub(super) tail_subject: String,
    /// The stream of rewritten batches, and the subject under which each has one of its own.
    pub(super) rewritten_name: String,
    pub(super) rewritten_subject: String,
    /// Whether to read from any copy. Where copies may come apart, the leader's is read.
    pub(super) reads_near: bool,
}

/// A stream as its leader has it.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct State {
    pub(super) config: Value,
    pub(super) state: Messages,
    #[serde(default)]
    cluster: Option<Cluster>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct Messages {
    pub(super) messages: u64,
    pub(super) bytes: u64,
    /// The oldest message; one more than `last_seq` if there is none.
    pub(super) first_seq: u64,
    pub(super) last_seq: u64,
}

#[derive(Clone, Debug, Deserialize)]
struct Cluster {
    #[serde(default)]
    leader: String,
    #[serde(default)]
    replicas: Vec<Replica>,
}

#[derive(Clone, Debug, Deserialize)]
struct Replica {
    #[serde(default)]
    offline: bool,
    /// Nanoseconds since the leader heard of it.
    #[serde(default)]
    active: u64,
}

impl Stream {
    pub(super) fn new(link: &JetStream, shard: u32) -> Self {
        let prefix = &link.options.prefix;
        Self {
            link: link.clone(),
            name: format!("rialto-{prefix}-log-{shard}"),
            subject: format!("rialto.{prefix}.log.{shard}"),
            tail_subject: format!("rialto.{prefix}.tail.{shard}"),
            rewritten_name: format!("rialto-{prefix}-rewritten-{shard}"),
            rewritten_subject: format!("rialto.{prefix}.rewritten.{shard}"),
            reads_near: link.options.replicas == Some(1) || agreeing(link),
        }
    }

    /// The stream's state, after making it if it is not there. Waits for elections.
    pub(super) async fn open(&self) -> Result<State, Trouble> {
        let started = Instant::now();
        loop {
            match self.find_or_make().await {
                Err(trouble) if trouble.heals() && started.elapsed() < READY_WITHIN => {
                    tokio::time::sleep(TRIED_EVERY).await;
                }
                done => return done,
            }
        }
    }

    async fn find_or_make(&self) -> Result<State, Trouble> {
        match self.state().await {
            Err(trouble) if trouble.is(Refusal::NO_STREAM) => {}
            found => return found,
        }
        let options = &self.link.options;
        let clustered = self.link.client.server_info().cluster.is_some();
        let replicas = options.replicas.unwrap_or(if clustered { 3 } else { 1 });
        let bytes = options
            .stream_bytes_max
            .and_then(|bytes| i64::try_from(bytes).ok());
        let config = json!({
            "name": self.name,
            "description": Numbering::default().text(),
            "subjects": [self.subject],
            "storage": "file",
            "retention": "limits",
            "discard": "new",
            "num_replicas": replicas,
            "max_bytes": bytes.unwrap_or(-1),
            "max_msgs": -1,
            "max_msg_size": -1,
            "max_consumers": -1,
            "max_age": 0,
            "duplicate_window": u64::try_from(REMEMBERED.as_nanos()).unwrap_or(u64::MAX),
            "allow_direct": true,
            // A rewritten batch is deleted; nobody else deletes.
            "deny_delete": false,
        });
        match self
            .link
            .ask(&format!("STREAM.CREATE.{}", self.name), &config)
            .await
        {
            // Somebody else was faster.
            Err(trouble) if trouble.is(Refusal::STREAM_EXISTS) => {}
            made => drop(made?),
        }
        self.state().await
    }

    /// What the stream's leader says of it.
    pub(super) async fn state(&self) -> Result<State, Trouble> {
        let answer = self
            .link
            .ask(&format!("STREAM.INFO.{}", self.name), &json!({}))
            .await?;
        let state: State = serde_json::from_value(answer)?;
        if state
            .cluster
            .as_ref()
            .is_some_and(|cluster| cluster.leader.is_empty())
        {
            return Err(Trouble::Leaderless(self.name.clone()));
        }
        Ok(state)
    }

    /// Removes all messages of the stream `name` before `number`.
    pub(super) async fn purge(&self, name: &str, number: u64) -> Result<(), Trouble> {
        let purge = format!("STREAM.PURGE.{name}");
        let asked = self.link.ask(&purge, &json!({ "seq": number })).await;
        asked.map(drop)
    }

    /// Writes another numbering into the description.
    pub(super) async fn renumber(
        &self,
        state: &State,
        numbering: &Numbering,
    ) -> Result<(), Trouble> {
        let mut config = state.config.clone();
        config["description"] = numbering.text().into();
        self.link
            .ask(&format!("STREAM.UPDATE.{}", self.name), &config)
            .await
            .map(drop)
    }

    /// Whether there is room for appends.
    pub(super) fn check_room(&self, state: &State) -> Result<(), Trouble> {
        let bytes = state.state.bytes;
        // What is left may be too little for a batch.
        match state.bytes_max().filter(|most| bytes >= most - most / 64) {
            Some(most) => Err(Trouble::Full(self.name.clone(), bytes, most)),
            None => Ok(()),
        }
    }

    /// Whether the leader hears of most copies: without them it can append nothing, and may be one no more.
    pub(super) fn check_majority(&self, state: &State) -> Result<(), Trouble> {
        let others = state.cluster.iter().flat_map(|cluster| &cluster.replicas);
        let heard = |replica: &&Replica| {
            !replica.offline && Duration::from_nanos(replica.active) < HEARD_WITHIN
        };
        // The leader is one itself.
        if others.filter(heard).count() < state.replicas() / 2 {
            return Err(Trouble::NoMajority(self.name.clone()));
        }
        Ok(())
    }

    /// What the operator should know of how safe appends are.
    pub(super) fn promises(&self, state: &State, payload_bytes_max: usize) -> Vec<String> {
        let (name, copies) = (&self.name, state.replicas());
        let mut told = Vec::new();
        if copies == 1 {
            told.push(format!(
                "the stream `{name}` has one copy: with its server's disk its events are lost; three copies on three \
                 servers survive one"
            ));
        }
        if let Some(wanted) = self
            .link
            .options
            .replicas
            .filter(|wanted| *wanted != copies)
        {
            told.push(format!(
                "the stream `{name}` has {copies} copies and not {wanted}: `nats stream edit {name} --replicas {wanted}`"
            ));
        }
        let version = &self.link.client.server_info().version;
        told.push(format!(
            "nats-server {version} does not tell how often it syncs to disk: unless `sync_interval: always` is set \
             (from 2.10 on), it acknowledges before, and when most copies lose power at once, the events of the last \
             two minutes may be lost"
        ));
        if copies > 1 && !agreeing(&self.link) {
            told.push(format!(
                "nats-server {version} lets the copies of a stream come apart when a leader that died comes back with its \
                 store: empty it before, or use 2.11 or newer"
            ));
        }
        if payload_bytes_max < PAYLOAD_BYTES_GOOD {
            told.push(format!(
                "the server takes messages of {payload_bytes_max} bytes: an append that takes more when compressed is \
                 refused; `max_payload: 8MB` takes all"
            ));
        }
        told
    }

    /// What its settings are, and whether a log may rest on them.
    pub(super) fn numbering(&self, state: &State) -> Result<Numbering, Trouble> {
        let config = &state.config;
        let foreign = || Trouble::Foreign(self.name.clone());
        let description = config["description"].as_str().ok_or_else(foreign)?;
        let numbering = Numbering::parse(description).ok_or_else(foreign)?;
        if config["storage"] != "file"
            || config["retention"] != "limits"
            || config["discard"] != "new"
            || config["max_age"].as_u64().unwrap_or(0) != 0
        {
            return Err(Trouble::Careless(self.name.clone()));
        }
        Ok(numbering)
    }
}

/// Whether the copies of a stream always agree: with one server, or with releases that have mended their elections. A
/// leader of 2.9.10 that comes back keeps what it had appended alone.
fn agreeing(link: &JetStream) -> bool {
    let is_alone = link.client.server_info().cluster.is_none();
    is_alone || link.client.is_server_compatible(2, 11, 0)
}

impl State {
    /// Copies that the stream should have.
    pub(super) fn replicas(&self) -> usize {
        let copies = self.config["num_replicas"].as_u64().unwrap_or(1);
        usize::try_from(copies).unwrap_or(1)
    }

    /// Bytes that the stream may have, if there is a limit.
    fn bytes_max(&self) -> Option<u64> {
        self.config["max_bytes"].as_u64().filter(|most| *most > 0)
    }
}
