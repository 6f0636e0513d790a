//! The stream of one shard: made, asked for its state, purged. Everything here is a call to JetStream's API; the
//! stream's leader answers.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::stream::{
    Config, DiscardPolicy, Info, PeerInfo, RetentionPolicy, StorageType,
};
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use super::link::{JetStream, Trouble};
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
    /// Whether the last message that was published got no answer.
    pub(super) is_down: Arc<AtomicBool>,
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
            is_down: Arc::default(),
        }
    }

    /// The stream's state, after making it if it is not there. Waits for elections.
    pub(super) async fn open(&self) -> Result<Info, Trouble> {
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

    async fn find_or_make(&self) -> Result<Info, Trouble> {
        match self.state().await {
            Err(trouble) if trouble.is(ErrorCode::STREAM_NOT_FOUND) => {}
            found => return found,
        }
        let options = &self.link.options;
        let clustered = self.link.client.server_info().cluster.is_some();
        let replicas = options.replicas.unwrap_or(if clustered { 3 } else { 1 });
        let (subject, numbering) = (self.subject.clone(), Numbering::default().text());
        let bytes_max = options.stream_bytes_max;
        self.make(&self.name, subject, numbering, replicas, bytes_max)
            .await?;
        self.state().await
    }

    /// Makes a stream as it has to be, if it is not there.
    pub(super) async fn make(
        &self,
        name: &str,
        subject: String,
        description: String,
        replicas: usize,
        bytes_max: Option<u64>,
    ) -> Result<(), Trouble> {
        let bytes_max = bytes_max.and_then(|bytes| i64::try_from(bytes).ok());
        // In files, without a limit of age, or of messages. A rewritten batch is deleted; nobody else deletes.
        let config = Config {
            name: name.to_owned(),
            description: Some(description),
            subjects: vec![subject],
            discard: DiscardPolicy::New,
            num_replicas: replicas,
            max_bytes: bytes_max.unwrap_or(-1),
            duplicate_window: REMEMBERED,
            allow_direct: true,
            ..Config::default()
        };
        match self.link.ask("CREATE", name, &json!(config)).await {
            // Somebody else was faster.
            Err(trouble) if trouble.is(ErrorCode::STREAM_NAME_EXIST) => Ok(()),
            made => made.map(done),
        }
    }

    /// What the stream's leader says of it.
    pub(super) async fn state(&self) -> Result<Info, Trouble> {
        let info: Info = self.link.ask("INFO", &self.name, &json!({})).await?;
        match &info.cluster {
            Some(cluster) if cluster.leader.is_none() => {
                Err(Trouble::Leaderless(self.name.clone()))
            }
            _ => Ok(info),
        }
    }

    /// Removes all messages of the stream `name` before `number`.
    pub(super) async fn purge(&self, name: &str, number: u64) -> Result<(), Trouble> {
        let purge = json!({ "seq": number });
        self.link.ask("PURGE", name, &purge).await.map(done)
    }

    /// Writes another numbering into the description. Nothing else changes, be it a setting that we do not know.
    pub(super) async fn renumber(&self, numbering: &Numbering) -> Result<(), Trouble> {
        let mut info: Value = self.link.ask("INFO", &self.name, &json!({})).await?;
        info["config"]["description"] = numbering.text().into();
        let config = &info["config"];
        self.link.ask("UPDATE", &self.name, config).await.map(done)
    }

    /// Whether there is room for appends.
    pub(super) fn check_room(&self, info: &Info) -> Result<(), Trouble> {
        let bytes = info.state.bytes;
        // What is left may be too little for a batch.
        match u64::try_from(info.config.max_bytes) {
            Ok(most @ 1..) if bytes >= most - most / 64 => {
                Err(self.unfit(&format!("is full: it has {bytes} bytes of at most {most}")))
            }
            _ => Ok(()),
        }
    }

    /// Whether the leader hears of most copies: without them it can append nothing, and may be one no more.
    pub(super) fn check_majority(&self, info: &Info) -> Result<(), Trouble> {
        let others = info.cluster.iter().flat_map(|cluster| &cluster.replicas);
        let heard = |peer: &&PeerInfo| !peer.offline && peer.active < HEARD_WITHIN;
        // The leader is one itself.
        if others.filter(heard).count() < info.config.num_replicas / 2 {
            return Err(Trouble::Unfit(format!(
                "most copies of the stream `{}` are out of reach or behind",
                self.name
            )));
        }
        Ok(())
    }

    /// What the operator should know of how safe appends are.
    pub(super) fn promises(&self, info: &Info, payload_bytes_max: usize) -> Vec<String> {
        let (name, copies) = (&self.name, info.config.num_replicas);
        let mut told = Vec::new();
        if copies == 1 {
            told.push(format!(
                "the stream `{name}` has one copy: with its server's disk its events are lost; three copies on three \
                 servers survive one"
            ));
        }
        if let Some(wanted) = self.link.options.replicas
            && wanted != copies
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
    pub(super) fn numbering(&self, info: &Info) -> Result<Numbering, Trouble> {
        let config = &info.config;
        let Some(numbering) = config.description.as_deref().and_then(Numbering::parse) else {
            return Err(self.unfit("is not a log of Rialto: choose another prefix, or remove it"));
        };
        let is_safe = config.storage == StorageType::File
            && config.retention == RetentionPolicy::Limits
            && config.discard == DiscardPolicy::New
            && config.max_age.is_zero();
        if !is_safe {
            return Err(self.unfit(
                "may drop or lose messages by its settings: a log needs file storage, the retention `limits`, the \
                 discard policy `new`, and no limit of age",
            ));
        }
        Ok(numbering)
    }

    pub(super) fn unfit(&self, what: &str) -> Trouble {
        Trouble::Unfit(format!("the stream `{}` {what}", self.name))
    }
}

/// An answer that says only that it is done.
pub(super) fn done(_: IgnoredAny) {}

/// Whether the copies of a stream always agree: with one server, or with releases that have mended their elections. A
/// leader of 2.9.10 that comes back keeps what it had appended alone.
fn agreeing(link: &JetStream) -> bool {
    let is_alone = link.client.server_info().cluster.is_none();
    is_alone || link.client.is_server_compatible(2, 11, 0)
}
