//! Logs in JetStream: where the suite runs, on a server alone and on a cluster of three.

mod faults;

use std::sync::atomic::{AtomicU32, Ordering};

use services::nats::{Nats, NatsCluster, NatsOptions};
use tokio::sync::OnceCell;

use crate::{Clock, JetStream, JetStreamOptions, Log, LogError, LogOptions};

/// A shard that nobody else uses.
pub(super) struct Shard {
    link: JetStream,
    servers: String,
    number: u32,
    files: Option<std::path::PathBuf>,
}

const PREFIX: &str = "test";

impl Shard {
    /// On a server that all tests of this process share.
    pub(super) async fn alone() -> Self {
        static SERVER: OnceCell<Nats> = OnceCell::const_new();
        let options = NatsOptions {
            payload_bytes_max: 8 << 20,
            ..NatsOptions::default()
        };
        let start = || async { Nats::start_with(options).await.expect("starts") };
        let server = SERVER.get_or_init(start).await;
        Self {
            files: Some(server.store_directory()),
            ..Self::on(&server.url()).await
        }
    }

    /// On a cluster that they share: nobody breaks it.
    pub(super) async fn clustered() -> Self {
        static SERVERS: OnceCell<NatsCluster> = OnceCell::const_new();
        let options = NatsOptions {
            payload_bytes_max: 8 << 20,
            ..NatsOptions::default()
        };
        let start = || async { NatsCluster::start_with(options).await.expect("starts") };
        Self::on(&SERVERS.get_or_init(start).await.urls()).await
    }

    async fn on(servers: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        Self {
            link: connect(servers).await,
            servers: servers.to_owned(),
            number: NUMBER.fetch_add(1, Ordering::Relaxed),
            files: None,
        }
    }

    /// Where the one server keeps this shard's messages; `None` if there are several.
    pub(super) fn files(&self) -> Option<std::path::PathBuf> {
        self.files.clone()
    }

    pub(super) async fn open(&self, options: LogOptions, clock: Clock) -> Log {
        let open = Log::open_jetstream(&self.link, self.number, options, clock);
        open.await.expect("opens")
    }

    /// Publishes what is no batch.
    pub(super) async fn publish(&self, header: &str, payload: &'static [u8]) {
        let client = async_nats::connect(self.servers.split(',').next().unwrap_or_default())
            .await
            .expect("connects");
        let mut headers = async_nats::HeaderMap::new();
        headers.insert("Rialto-Batch", header);
        let subject = format!("rialto.{PREFIX}.log.{}", self.number);
        let answer = client
            .request_with_headers(subject, headers, payload.into())
            .await;
        let answer = answer.expect("JetStream answers").payload;
        assert!(answer.starts_with(b"{\"stream\""), "{answer:?}");
    }

    /// Makes the stream before the log does, without `allow_direct`.
    pub(super) async fn make_without_direct_reads(&self) {
        let (name, number) = (format!("rialto-{PREFIX}-log-{}", self.number), self.number);
        let config = serde_json::json!({
            "name": name,
            "description": r#"{"rialto_log":1,"pieces":[[1,0]],"emptied":1}"#,
            "subjects": [format!("rialto.{PREFIX}.log.{number}")],
            "storage": "file",
            "retention": "limits",
            "discard": "new",
            "max_bytes": -1,
            "max_msgs": -1,
            "max_msg_size": -1,
            "max_consumers": -1,
            "num_replicas": 1,
        });
        self.ask(&format!("STREAM.CREATE.{name}"), config.to_string())
            .await;
    }

    async fn ask(&self, what: &str, body: String) {
        let server = self.servers.split(',').next().unwrap_or_default();
        let client = async_nats::connect(server).await.expect("connects");
        let answer = client.request(format!("$JS.API.{what}"), body.into()).await;
        let answer =
            String::from_utf8_lossy(&answer.expect("JetStream answers").payload).into_owned();
        assert!(!answer.contains("\"error\""), "{answer}");
    }

    /// Nobody there, and a stream of that name that is somebody else's.
    pub(super) async fn cannot_be_opened(&self) {
        let dead = JetStream::connect(options("nats://127.0.0.1:9")).await;
        assert!(matches!(dead, Err(LogError::Unavailable(_))), "{dead:?}");
        let unnamed = JetStreamOptions {
            prefix: "a.b".to_owned(),
            ..options(&self.servers)
        };
        let unnamed = JetStream::connect(unnamed).await.expect_err("refused");
        assert!(says(&unnamed).contains("`a.b` cannot be a part of a stream's name"));

        let name = format!("rialto-{PREFIX}-log-{}", self.number);
        let config = format!(
            r#"{{"name":"{name}","subjects":["x.{name}"],"retention":"limits","storage":"file"}}"#
        );
        self.ask(&format!("STREAM.CREATE.{name}"), config).await;
        let open = Log::open_jetstream(
            &self.link,
            self.number,
            LogOptions::default(),
            Clock::System,
        );
        let why = says(&open.await.expect_err("refused"));
        assert!(why.contains("is not a log of Rialto"), "{why}");
    }
}

fn options(servers: &str) -> JetStreamOptions {
    JetStreamOptions {
        servers: servers.to_owned(),
        prefix: PREFIX.to_owned(),
        replicas: None,
        stream_bytes_max: None,
    }
}

async fn connect(servers: &str) -> JetStream {
    JetStream::connect(options(servers))
        .await
        .expect("connects")
}

/// The whole chain of an error.
fn says(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text += &format!(": {source}");
        next = source.source();
    }
    text
}
