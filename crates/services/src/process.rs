//! One server process: started, signalled, and gone with its handle or with the process that started it.
//!
//! A test that is killed drops nothing. So beside each server stands a guard, a shell that reads from a pipe which only
//! this process holds: when this process is gone, however it went, the read ends and the guard kills the server and
//! removes its directory. Used by the servers of this crate.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

/// How long a process may take to notice that it is halted.
const HALTED_WITHIN: Duration = Duration::from_secs(10);

/// What the guard runs: `$1` is the server, `$2` its directory. Signals of the terminal reach the guard too; it stays.
const GUARD: &str = r#"trap "" INT TERM HUP; read -r _; kill -9 "$1"; sleep 0.2; rm -rf -- "$2""#;

/// Ports to try from: below those that the kernel gives to outgoing connections, so that a server that was killed finds
/// its port free again.
const PORTS: std::ops::Range<u16> = 10_000..32_000;

/// A running server.
#[derive(Debug)]
pub(crate) struct Process {
    server: Child,
    guard: Child,
}

impl Process {
    /// Runs `command`, whose files are in `directory`.
    pub(crate) fn start(command: &mut Command, directory: &Path) -> io::Result<Self> {
        let mut server = command.stdin(Stdio::null()).spawn()?;
        let guard = Command::new("sh")
            .args(["-c", GUARD, "guard", &server.id().to_string()])
            .arg(directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        match guard {
            Ok(guard) => Ok(Self { server, guard }),
            Err(error) => {
                let _ = server.kill().and_then(|()| server.wait());
                Err(error)
            }
        }
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.server.id()
    }

    /// Whether it has not ended by itself.
    pub(crate) fn is_running(&mut self) -> bool {
        matches!(self.server.try_wait(), Ok(None))
    }

    /// Halts it, and returns once none of its threads runs any more.
    pub(crate) fn halt(&self) -> io::Result<()> {
        self.signal("STOP")?;
        let until = Instant::now() + HALTED_WITHIN;
        while !self.is_halted()? {
            if Instant::now() > until {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "it goes on"));
            }
            std::thread::yield_now();
        }
        Ok(())
    }

    fn is_halted(&self) -> io::Result<bool> {
        for thread in std::fs::read_dir(format!("/proc/{}/task", self.id()))? {
            let stat = std::fs::read_to_string(thread?.path().join("stat"))?;
            // The state stands behind the name, which is in parentheses and may hold anything.
            let state = stat
                .rsplit_once(") ")
                .and_then(|(_, rest)| rest.chars().next());
            if state != Some('T') {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Sends it the signal of this name (`STOP`, `CONT`, `INT`, …).
    pub(crate) fn signal(&self, name: &str) -> io::Result<()> {
        signal(self.id(), name)
    }
}

impl Drop for Process {
    /// Kills it and waits until it is gone.
    fn drop(&mut self) {
        // The guard first: it must not act on an id that may be somebody else's by then.
        let _ = self.guard.kill().and_then(|()| self.guard.wait());
        let _ = self.server.kill().and_then(|()| self.server.wait());
    }
}

/// Sends a signal to any process, by the program `kill`.
pub(crate) fn signal(process: u32, name: &str) -> io::Result<()> {
    let status = Command::new("kill")
        .args(["-s", name, &process.to_string()])
        .stderr(Stdio::null())
        .status()?;
    if status.success() {
        Ok(())
    } else {
        Err(io::Error::other(format!("kill -s {name} {process} failed")))
    }
}

/// A port of 127.0.0.1 that nobody listened on just now. Two processes may be told the same one; start again then.
pub(crate) fn free_port() -> io::Result<u16> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let count = PORTS.end - PORTS.start;
    // Processes that run at the same time begin far from each other.
    let start = std::process::id().wrapping_mul(2_654_435_761) >> 16;
    for _ in 0..count {
        let step = u32::from(NEXT.fetch_add(1, Ordering::Relaxed));
        let offset = (start + step) % u32::from(count);
        let port = PORTS.start + u16::try_from(offset).unwrap_or(0);
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    Err(io::Error::new(io::ErrorKind::AddrInUse, "no port is free"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader};

    /// Tells a run of this test that it is the process to be killed, and where its server's directory is.
    const VICTIM: &str = "RIALTO_TEST_SERVICES_VICTIM";

    fn lasting() -> Command {
        let mut command = Command::new("sleep");
        command.arg("1000");
        command
    }

    #[test]
    fn a_server_does_not_outlive_who_started_it() {
        if let Some(directory) = std::env::var_os(VICTIM) {
            let process = Process::start(&mut lasting(), Path::new(&directory)).expect("starts");
            println!("\nserver {}", process.id());
            let _ = io::stdin().lines().count();
        }
        let directory = tempfile::TempDir::new().expect("a directory").keep();
        let mut victim = Command::new(std::env::current_exe().expect("this test"))
            .args([
                "--exact",
                "process::tests::a_server_does_not_outlive_who_started_it",
                "--nocapture",
            ])
            .env(VICTIM, &directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("starts");
        let mut lines = BufReader::new(victim.stdout.take().expect("piped")).lines();
        let server = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| line.strip_prefix("server ")?.parse().ok());
        let server: u32 = server.expect("it says its id");
        assert!(signal(server, "CONT").is_ok());
        victim.kill().expect("kills");
        victim.wait().expect("is dead");
        // The server holds the pipe's other end: the lines end when it does.
        assert_eq!(lines.count(), 0);
        while directory.exists() {
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_dropped_server_is_gone() {
        let process = Process::start(&mut lasting(), Path::new("/nowhere")).expect("starts");
        let id = process.id();
        assert!(signal(id, "CONT").is_ok());
        drop(process);
        assert!(signal(id, "CONT").is_err());
    }
}
