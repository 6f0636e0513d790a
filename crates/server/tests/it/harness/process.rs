//! The real binary as a process of its own: started on a data directory, killed, told to stop, started again.
//!
//! For what a server inside the test process cannot show: that nothing is lost when the process is killed, what the
//! command line says, how long a start takes. Children are ended by their own id only.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::{Http, TOKEN};

/// A start or an end that takes longer than this is a failure; generous, since build machines are busy. A hub may take
/// twice its patience of 20 s to end.
const PATIENCE: Duration = Duration::from_secs(60);
/// Lines that wait to be looked at; a hub prints three.
const LINES_MAX: usize = 1_024;
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// Ports that neither the system nor `services` gives to anybody by itself: one that they do might be taken while a hub
/// is dead, or before it begins.
const PORTS: std::ops::Range<u16> = 61_000..65_500;

/// A port that is free now, and that no other test of this process gets.
pub(super) fn free_port() -> u16 {
    const COUNT: u16 = PORTS.end - PORTS.start;
    // Processes that run at the same time begin far from each other.
    static FIRST: LazyLock<u16> = LazyLock::new(|| fastrand::u16(..COUNT));
    static NEXT: AtomicU16 = AtomicU16::new(0);
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed) % COUNT;
        let port = PORTS.start + (*FIRST + step) % COUNT;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no port is free");
}

/// Lets real time pass. Only where a process of its own is at work, which no test clock moves; what is waited *for* is
/// looked at again and again, up to a patience that busy machines do not use up.
pub(crate) async fn wait(time: Duration) {
    tokio::time::sleep(time).await;
}

/// How to start a hub: the directory, the addresses to take, and what else to say.
#[derive(Clone)]
pub(crate) struct Launch {
    pub(crate) data: PathBuf,
    pub(crate) listen: SocketAddr,
    pub(crate) pilot_listen: SocketAddr,
    /// Environment; `RIALTO_…` of the test's own environment is not handed on.
    pub(crate) environment: Vec<(&'static str, String)>,
    /// Where the hub's logs go: beside the data directory, so that a failed test can show them.
    pub(crate) logs: PathBuf,
}

/// A hub that runs as a child.
pub(crate) struct Process {
    child: Child,
    lines: mpsc::Receiver<String>,
    pub(crate) address: SocketAddr,
    pub(crate) pilot_address: SocketAddr,
    /// What it printed until it took calls.
    pub(crate) printed: Vec<String>,
    /// From the start of the process until it said where it listens.
    pub(crate) ready_after: Duration,
}

/// The binary with arguments, in `directory`, free of this process's own settings.
pub(crate) fn rialto(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rialto"));
    command.current_dir(directory).args(arguments);
    for (name, _) in std::env::vars_os() {
        if name
            .to_str()
            .is_some_and(|name| name.starts_with("RIALTO_"))
        {
            command.env_remove(name);
        }
    }
    command
}

/// Runs a command of the binary to its end.
pub(crate) fn run(mut command: Command) -> Output {
    command.output().expect("the binary starts")
}

/// What a finished command said on both outputs.
pub(crate) fn said(output: &Output) -> String {
    let texts = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    texts.concat()
}

impl Launch {
    /// On `<directory>/data` and free ports, which it keeps over all its lives, with the operator token [`TOKEN`].
    pub(crate) fn new(directory: &Path) -> Self {
        Self {
            data: directory.join("data"),
            listen: ([127, 0, 0, 1], free_port()).into(),
            pilot_listen: ([127, 0, 0, 1], free_port()).into(),
            environment: std::iter::once(("RIALTO_OPERATOR_TOKEN", TOKEN.to_owned()))
                .chain(super::mix::settings(directory))
                .collect(),
            logs: directory.join("hub.log"),
        }
    }

    pub(crate) fn set(&mut self, name: &'static str, value: &str) {
        self.environment.push((name, value.to_owned()));
    }

    /// The command as a person would type it.
    pub(crate) fn command(&self) -> Command {
        let directory = self.data.parent().unwrap_or(Path::new("."));
        let mut command = rialto(directory, &["serve", "--allow-private-destinations"]);
        command.arg("--data").arg(&self.data);
        command.args(["--listen", &self.listen.to_string()]);
        command.args(["--pilot-listen", &self.pilot_listen.to_string()]);
        let environment = self.environment.iter();
        command.envs(environment.map(|(name, value)| (*name, value.as_str())));
        command
    }

    /// Starts the hub without waiting for it.
    pub(crate) fn spawn(&self) -> Starting {
        let log = File::options().create(true).append(true).open(&self.logs);
        let child = self
            .command()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log.expect("a file for logs"))
            .spawn();
        let mut child = child.expect("the binary starts");
        let (sender, lines) = mpsc::channel(LINES_MAX);
        let stdout = child.stdout.take().expect("it is piped");
        // Reads to the end, so that the child never blocks on what it prints.
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let _ = sender.blocking_send(line);
            }
        });
        Starting {
            child,
            lines,
            at: Instant::now(),
        }
    }

    /// Starts the hub, waits until it takes calls, and keeps its ports for the next start, also those it chose itself.
    pub(crate) async fn start(&mut self) -> Process {
        match self.spawn().ready().await {
            Ok(process) => {
                self.listen = process.address;
                self.pilot_listen = process.pilot_address;
                process
            }
            Err(status) => panic!(
                "the hub ended ({status}) instead of serving:\n{}",
                self.logged()
            ),
        }
    }

    /// What the hub logged so far, in all its lives.
    pub(crate) fn logged(&self) -> String {
        std::fs::read_to_string(&self.logs).unwrap_or_default()
    }
}

/// A hub that was started and has not said yet where it listens.
pub(crate) struct Starting {
    child: Child,
    lines: mpsc::Receiver<String>,
    at: Instant,
}

impl Starting {
    /// Waits for the two lines that say where it listens; its exit status if it ended instead.
    pub(crate) async fn ready(mut self) -> Result<Process, ExitStatus> {
        let mut printed: Vec<String> = Vec::new();
        let address = |printed: &[String], what: &str| {
            let line = printed.iter().find_map(|line| line.strip_prefix(what))?;
            line.trim().strip_prefix("http://")?.parse().ok()
        };
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let found = (address(&printed, "production"), address(&printed, "pilot"));
            if let (Some(address), Some(pilot_address)) = found {
                return Ok(Process {
                    ready_after: self.at.elapsed(),
                    child: self.child,
                    lines: self.lines,
                    address,
                    pilot_address,
                    printed,
                });
            }
            match tokio::time::timeout_at(deadline, self.lines.recv()).await {
                Ok(Some(line)) => printed.push(line),
                Ok(None) => return Err(self.child.wait().expect("it was started")),
                Err(_) => {
                    let _ = self.child.kill();
                    let _ = self.child.wait();
                    panic!("the hub did not say where it listens; it printed {printed:?}");
                }
            }
        }
    }

    /// `kill -9` while it starts.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("it was started");
        self.child.wait().expect("it was started");
    }
}

impl Process {
    pub(crate) fn http(&self) -> Http {
        Http::new(self.address)
    }

    pub(crate) fn pilot(&self) -> Http {
        Http::new(self.pilot_address)
    }

    /// `kill -9`; answers when it was sent, as soon as the process is gone.
    pub(crate) fn kill(&mut self) -> Instant {
        let at = Instant::now();
        self.child.kill().expect("it was started");
        self.child.wait().expect("it was started");
        at
    }

    /// What a service manager does: SIGTERM, then waiting for the end. Answers what it printed after it was ready.
    pub(crate) async fn terminate(mut self) -> (ExitStatus, Vec<String>) {
        self.signal("TERM");
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("it was started") {
                let mut lines = Vec::new();
                while let Some(line) = self.lines.recv().await {
                    lines.push(line);
                }
                return (status, lines);
            }
            assert!(Instant::now() < deadline, "the hub does not end");
            wait(LOOK_EVERY).await;
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal, by the child's own id.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status();
        assert!(sent.expect("`kill` is there").success(), "{name} to {id}");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
