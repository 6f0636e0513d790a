//! NATS servers with JetStream, one or a cluster of them.
//!
//! Real processes of the `nats-server` in the path: 2.9 is what is tested. A server is ready
//! when it answers that its JetStream is; a cluster when it has a leader to which every node is known.
//!
//! There is no `sync_interval` here: releases before 2.10 do not know it and sync every two minutes, whatever one sets.
//! A node that is killed loses nothing by that, since the machine goes on; a machine that loses its power would.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::process::{Process, free_port};

/// How long a node may take to be ready: an election takes up to ten seconds, on a machine that has time for it.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// The same for one with an empty store, before it is tried anew.
const FILLED_WITHIN: Duration = Duration::from_secs(20);
const ASKED_EVERY: Duration = Duration::from_millis(20);
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// How often ports are tried that another process took meanwhile.
const STARTS_MAX: usize = 5;

/// How a server differs from a default one.
#[derive(Clone, Debug)]
pub struct NatsOptions {
    /// Bytes of its JetStream store. Default 4 GiB.
    pub store_bytes_max: u64,
    /// Bytes of the largest message. Default 1 MiB, as the server's own.
    pub payload_bytes_max: u64,
}

impl Default for NatsOptions {
    fn default() -> Self {
        Self {
            store_bytes_max: 4 << 30,
            payload_bytes_max: 1 << 20,
        }
    }
}

/// One server.
#[derive(Debug)]
pub struct Nats {
    nodes: NatsCluster,
}

impl Nats {
    /// Starts one and waits until its JetStream is ready.
    ///
    /// # Errors
    /// If it cannot be started, or is not ready in time.
    pub async fn start() -> io::Result<Self> {
        Self::start_with(NatsOptions::default()).await
    }

    /// The same with options.
    ///
    /// # Errors
    /// As [`Nats::start`].
    pub async fn start_with(options: NatsOptions) -> io::Result<Self> {
        let nodes = NatsCluster::start_nodes(1, options).await?;
        Ok(Self { nodes })
    }

    /// One server for everybody in this process. It ends with the process.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Nats> = OnceLock::new();
        let start = || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            runtime.block_on(Self::start())
        };
        SHARED.get_or_init(|| {
            // The caller may be on a runtime, where another cannot be waited for.
            match std::thread::spawn(start).join() {
                Ok(Ok(server)) => server,
                Ok(Err(error)) => panic!("NATS does not start: {error}"),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }

    /// Where clients connect: `nats://127.0.0.1:port`.
    #[must_use]
    pub fn url(&self) -> String {
        self.nodes.urls()
    }

    /// Kills it with -9 and waits until it is gone.
    pub fn kill(&mut self) {
        self.nodes.kill(0);
    }

    /// Starts it again, on the same port and directory, and waits until it is ready.
    ///
    /// # Errors
    /// As [`Nats::start`].
    pub async fn restart(&mut self) -> io::Result<()> {
        self.nodes.restart(0).await
    }

    /// Stops its time (SIGSTOP).
    ///
    /// # Errors
    /// If it does not run.
    pub fn pause(&self) -> io::Result<()> {
        self.nodes.pause(0)
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// If it does not run.
    pub fn resume(&self) -> io::Result<()> {
        self.nodes.resume(0)
    }

    /// Where its streams rest.
    #[must_use]
    pub fn store_directory(&self) -> PathBuf {
        self.nodes.store_directory(0)
    }
}

/// Servers with routes between them, each with a store of its own. Nodes are numbered from 0 and named `n0`, `n1`, …
#[derive(Debug)]
pub struct NatsCluster {
    // Before the directory: they are killed before it is removed.
    nodes: Vec<Node>,
    directory: TempDir,
    options: NatsOptions,
}

#[derive(Debug)]
struct Node {
    process: Option<Process>,
    client_port: u16,
    route_port: u16,
    monitor_port: u16,
}

impl NatsCluster {
    /// Starts three nodes and waits until they know each other and have elected a leader.
    ///
    /// # Errors
    /// If one cannot be started, or they are not ready in time.
    pub async fn start() -> io::Result<Self> {
        Self::start_with(NatsOptions::default()).await
    }

    /// The same with options.
    ///
    /// # Errors
    /// As [`NatsCluster::start`].
    pub async fn start_with(options: NatsOptions) -> io::Result<Self> {
        Self::start_nodes(3, options).await
    }

    async fn start_nodes(count: usize, options: NatsOptions) -> io::Result<Self> {
        for _ in 1..STARTS_MAX {
            match Self::try_start(count, options.clone()).await {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                done => return done,
            }
        }
        Self::try_start(count, options).await
    }

    async fn try_start(count: usize, options: NatsOptions) -> io::Result<Self> {
        let nodes = (0..count).map(|_| {
            Ok(Node {
                process: None,
                client_port: free_port()?,
                route_port: free_port()?,
                monitor_port: free_port()?,
            })
        });
        let mut cluster = Self {
            nodes: nodes.collect::<io::Result<_>>()?,
            directory: TempDir::new()?,
            options,
        };
        for node in 0..count {
            cluster.spawn(node)?;
        }
        cluster.ready().await?;
        Ok(cluster)
    }

    /// How many nodes there are, running or not.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "no cluster is empty")]
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Where clients connect: the addresses of all nodes, separated by commas.
    #[must_use]
    pub fn urls(&self) -> String {
        let urls: Vec<String> = (0..self.len()).map(|node| self.url(node)).collect();
        urls.join(",")
    }

    /// Where clients connect to this node: `nats://127.0.0.1:port`.
    #[must_use]
    pub fn url(&self, node: usize) -> String {
        format!("nats://127.0.0.1:{}", self.nodes[node].client_port)
    }

    /// The number of the node of this name (`n2`: 2), as the servers call it in their answers.
    #[must_use]
    pub fn node(&self, name: &str) -> Option<usize> {
        (0..self.len()).find(|node| server_name(*node) == name)
    }

    /// Kills a node with -9 and waits until it is gone.
    pub fn kill(&mut self, node: usize) {
        self.nodes[node].process = None;
    }

    /// Starts a node again, on the same ports and directory (killing it if it runs), and waits until all that run are
    /// ready.
    ///
    /// # Errors
    /// As [`NatsCluster::start`].
    pub async fn restart(&mut self, node: usize) -> io::Result<()> {
        self.kill(node);
        self.spawn(node)?;
        self.ready().await
    }

    /// Starts a node again with nothing in its store, as after the loss of its disk; the others fill it.
    ///
    /// # Errors
    /// As [`NatsCluster::start`].
    pub async fn replace(&mut self, node: usize) -> io::Result<()> {
        for _ in 1..STARTS_MAX {
            self.kill(node);
            std::fs::remove_dir_all(self.store_directory(node))?;
            self.spawn(node)?;
            // A server of 2.9 may get stuck while it is filled.
            match self.ready_within(FILLED_WITHIN).await {
                Err(error) if error.kind() == io::ErrorKind::TimedOut => {}
                done => return done,
            }
        }
        self.ready().await
    }

    /// Stops a node's time (SIGSTOP): its connections stay, and nothing is answered.
    ///
    /// # Errors
    /// If it does not run.
    pub fn pause(&self, node: usize) -> io::Result<()> {
        self.process(node)?.halt()
    }

    /// Lets a paused node go on.
    ///
    /// # Errors
    /// If it does not run.
    pub fn resume(&self, node: usize) -> io::Result<()> {
        self.process(node)?.signal("CONT")
    }

    /// Waits until every node that runs has caught up, and one of them leads. With a majority gone this fails.
    ///
    /// # Errors
    /// If it takes too long, or a node has ended by itself.
    pub async fn ready(&mut self) -> io::Result<()> {
        self.ready_within(READY_WITHIN).await
    }

    async fn ready_within(&mut self, limit: Duration) -> io::Result<()> {
        let started = Instant::now();
        loop {
            for node in 0..self.len() {
                self.check_alive(node)?;
            }
            if self.is_ready().await {
                return Ok(());
            }
            if started.elapsed() > limit {
                return Err(self.told(io::ErrorKind::TimedOut, "is not ready"));
            }
            tokio::time::sleep(ASKED_EVERY).await;
        }
    }

    fn store_directory(&self, node: usize) -> PathBuf {
        self.directory.path().join(server_name(node))
    }

    fn process(&self, node: usize) -> io::Result<&Process> {
        let gone = || io::Error::new(io::ErrorKind::NotFound, format!("n{node} does not run"));
        self.nodes[node].process.as_ref().ok_or_else(gone)
    }

    fn spawn(&mut self, node: usize) -> io::Result<()> {
        let path = self.directory.path().join(format!("n{node}.conf"));
        std::fs::write(&path, self.configuration(node))?;
        let mut command = Command::new("nats-server");
        command.arg("-c").arg(&path).stdout(Stdio::null());
        command.stderr(Stdio::null());
        self.nodes[node].process = Some(Process::start(&mut command, self.directory.path())?);
        Ok(())
    }

    fn configuration(&self, node: usize) -> String {
        let name = server_name(node);
        let Node {
            client_port,
            route_port,
            monitor_port,
            ..
        } = self.nodes[node];
        let (store, log) = (self.store_directory(node), self.log_file(node));
        let (store_bytes, payload_bytes) =
            (self.options.store_bytes_max, self.options.payload_bytes_max);
        let mut text = format!(
            "server_name: {name}\nlisten: 127.0.0.1:{client_port}\nhttp: 127.0.0.1:{monitor_port}\n\
             log_file: {log:?}\nmax_payload: {payload_bytes}\n\
             jetstream {{ store_dir: {store:?}, max_file_store: {store_bytes}, max_memory_store: 67108864 }}\n"
        );
        if self.len() > 1 {
            let routes: Vec<String> = self
                .nodes
                .iter()
                .map(|node| format!("nats://127.0.0.1:{}", node.route_port))
                .collect();
            let routes = routes.join(", ");
            text += &format!(
                "cluster {{ name: rialto, listen: 127.0.0.1:{route_port}, routes: [{routes}] }}\n"
            );
        }
        text
    }

    fn log_file(&self, node: usize) -> PathBuf {
        self.directory.path().join(format!("n{node}.log"))
    }

    fn check_alive(&mut self, node: usize) -> io::Result<()> {
        let process = self.nodes[node].process.as_mut();
        if process.is_none_or(Process::is_running) {
            return Ok(());
        }
        let in_use = read(&self.log_file(node)).contains("address already in use");
        let kind = if in_use {
            io::ErrorKind::AddrInUse
        } else {
            io::ErrorKind::Other
        };
        Err(self.told(kind, "has ended"))
    }

    /// All that run are healthy, and with a cluster one leads that sees them.
    async fn is_ready(&self) -> bool {
        let running = || self.nodes.iter().filter(|node| node.process.is_some());
        let mut leads = self.len() == 1;
        for node in running() {
            let Ok(health) = get(node.monitor_port, "/healthz").await else {
                return false;
            };
            if health["status"] != "ok" {
                return false;
            }
            if !leads && let Ok(state) = get(node.monitor_port, "/jsz").await {
                let online = state["meta_cluster"]["replicas"].as_array().map(|peers| {
                    let online = |peer: &&Value| peer["current"] == true && peer["offline"] != true;
                    peers.iter().filter(online).count() + 1
                });
                leads = online >= Some(running().count());
            }
        }
        leads
    }

    /// What the servers have logged, for a test that fails.
    #[must_use]
    pub fn logs(&self) -> String {
        let log = |node| format!("n{node}:\n{}", read(&self.log_file(node)));
        (0..self.len()).map(log).collect::<Vec<_>>().join("\n")
    }

    fn told(&self, kind: io::ErrorKind, what: &str) -> io::Error {
        io::Error::new(kind, format!("nats-server {what}\n{}", self.logs()))
    }
}

fn server_name(node: usize) -> String {
    format!("n{node}")
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// What the monitor of a server answers.
async fn get(port: u16, path: &str) -> io::Result<Value> {
    let ask = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        let request = format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        let body = answer.windows(4).position(|window| window == b"\r\n\r\n");
        let body = body.map_or(&[][..], |end| &answer[end + 4..]);
        serde_json::from_slice(body).map_err(io::Error::from)
    };
    tokio::time::timeout(ANSWER_WITHIN, ask).await?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_server_is_killed_and_comes_back_where_it_was() {
        let mut nats = Nats::start().await.expect("starts");
        let (url, store) = (nats.url(), nats.store_directory());
        assert!(store.is_dir(), "{store:?}");
        nats.kill();
        assert!(nats.pause().is_err());
        nats.restart().await.expect("starts again");
        assert_eq!(nats.url(), url);
        drop(nats);
        assert!(!store.exists(), "{store:?}");
    }

    #[tokio::test]
    async fn a_cluster_goes_on_without_one_of_its_nodes() {
        let mut cluster = NatsCluster::start().await.expect("starts");
        assert_eq!(cluster.urls().split(',').count(), 3);
        assert_eq!((cluster.node("n2"), cluster.node("n3")), (Some(2), None));
        cluster.kill(1);
        cluster.ready().await.expect("two are enough");
        cluster.restart(1).await.expect("starts again");
        cluster.pause(0).expect("runs");
        cluster.resume(0).expect("runs");
        cluster.ready().await.expect("all of them");
    }
}
