//! PostgreSQL servers.
//!
//! Each has a fresh cluster in a temporary directory and listens on a free port of 127.0.0.1, without passwords. Where
//! we are root it runs as the user `postgres`, since it refuses to be root. A shell beside it waits for the end of a
//! pipe that only this process holds: however this process ends, also by -9, the shell then ends the server and removes
//! the directory. So a server may also be a static ([`Postgres::shared`]), which Rust never drops.
//!
//! All calls block, for a second or two where a server starts.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs;
use std::io::{self, BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::process::free_port;

/// How long a server may take to start (crash recovery included) or to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// Lines of the server's log that an error shows.
const LINES_SHOWN: usize = 20;

/// Where Debian keeps the programs of each version; elsewhere they are in `PATH`.
const DEBIAN: &str = "/usr/lib/postgresql";

/// Settings that make a server quick and its data worthless after a crash of the machine.
const CARELESS: &[(&str, &str)] = &[
    ("fsync", "off"),
    ("synchronous_commit", "off"),
    ("full_page_writes", "off"),
    ("max_connections", "500"),
];

/// Ends the server in the directory `$1` and removes the directory, once its input ends.
const WATCHDOG: &str = r#"
    read -r _
    pid=$(head -n 1 "$1/data/postmaster.pid" 2>/dev/null)
    ours() { [ -n "$pid" ] && [ "$(readlink "/proc/$pid/cwd")" = "$1/data" ]; }
    if ours "$1"; then
        kill -CONT "$pid"
        kill -QUIT "$pid"
        tries=0
        while ours "$1" && [ "$tries" -lt 100 ]; do
            sleep 0.1
            tries=$((tries + 1))
        done
        ours "$1" && kill -KILL "$pid"
    fi
    rm -rf -- "$1"
"#;

/// A PostgreSQL server.
#[derive(Debug)]
pub struct Postgres {
    programs: PathBuf,
    directory: PathBuf,
    user: Option<(u32, u32)>,
    port: u16,
    options: Vec<(String, String)>,
    running: Mutex<Option<Running>>,
    databases: AtomicU32,
    watchdog: Child,
    /// The end of the pipe for which the watchdog waits.
    held: Option<ChildStdin>,
}

/// The server's first process, and the lines that all its processes write; they end when the last of them has ended.
#[derive(Debug)]
struct Running {
    child: Child,
    lines: Receiver<String>,
}

impl Postgres {
    /// Makes a cluster and starts a server on it with these settings (as in `postgresql.conf`), for example
    /// `("fsync", "off")`.
    ///
    /// # Errors
    /// What is missing or failed, with the last lines of the server's log.
    pub fn start(options: &[(&str, &str)]) -> io::Result<Self> {
        let programs = programs()?;
        let user = server_user()?;
        let directory = TempDir::with_prefix("rialto-postgres-")?;
        let path = directory.path().canonicalize()?;
        let mut watchdog = Command::new("sh")
            .args(["-c", WATCHDOG, "sh"])
            .arg(&path)
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let _ = directory.keep();
        let held = watchdog.stdin.take();
        let server = Self {
            programs,
            directory: path,
            user,
            port: free_port()?,
            options: options
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            running: Mutex::default(),
            databases: AtomicU32::new(0),
            watchdog,
            held,
        };
        if let Some((uid, gid)) = user {
            std::os::unix::fs::chown(&server.directory, Some(uid), Some(gid))?;
        }
        let mut initdb = server.command("initdb");
        initdb.args(["--username=postgres", "--auth=trust", "--encoding=UTF8"]);
        initdb.args(["--locale=C.UTF-8", "--no-sync", "--no-instructions"]);
        succeed(initdb.arg("-D").arg(server.data()))?;
        server.launch()?;
        Ok(server)
    }

    /// One server for everybody in this process, quick and careless of its data. It ends with the process.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Postgres> = OnceLock::new();
        SHARED.get_or_init(|| match Self::start(CARELESS) {
            Ok(server) => server,
            Err(error) => panic!("PostgreSQL does not start: {error}"),
        })
    }

    /// The url of the database `postgres`, which is always there.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_of("postgres")
    }

    /// The url of a new, empty database.
    ///
    /// # Errors
    /// What `createdb` says.
    pub fn fresh_database(&self) -> io::Result<String> {
        let number = self.databases.fetch_add(1, Ordering::Relaxed);
        let name = format!("db{number}");
        succeed(self.client("createdb").arg(&name))?;
        Ok(self.url_of(&name))
    }

    /// The url of a new, empty database whose files are in a directory of the caller's, which becomes the server's: for
    /// disks that are full.
    ///
    /// # Errors
    /// What `psql` or `createdb` says.
    pub fn fresh_database_in(&self, directory: &Path) -> io::Result<String> {
        if let Some((uid, gid)) = self.user {
            std::os::unix::fs::chown(directory, Some(uid), Some(gid))?;
        }
        let number = self.databases.fetch_add(1, Ordering::Relaxed);
        let name = format!("db{number}");
        let place = directory.canonicalize()?;
        let make = format!("CREATE TABLESPACE {name} LOCATION '{}'", place.display());
        let mut psql = self.client("psql");
        succeed(psql.args(["--quiet", "--command", &make, "postgres"]))?;
        succeed(self.client("createdb").args(["--tablespace", &name, &name]))?;
        Ok(self.url_of(&name))
    }

    /// The port on 127.0.0.1, the same for as long as this lives.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The user and group ids as which the server runs, if they are not those of this process: directories that it is to
    /// write have to be theirs.
    #[must_use]
    pub fn user(&self) -> Option<(u32, u32)> {
        self.user
    }

    /// Ends the server as an operator does: sessions are cut off, everything is written. Nothing if it does not run.
    ///
    /// # Errors
    /// If it does not end.
    pub fn stop(&self) -> io::Result<()> {
        self.end("INT")
    }

    /// Kills all processes of the server with -9, as a crash does. Nothing if it does not run.
    ///
    /// # Errors
    /// If one does not end.
    pub fn kill(&self) -> io::Result<()> {
        self.end("KILL")
    }

    /// Starts it again on the same port and directory; stops it first if it runs.
    ///
    /// # Errors
    /// As [`Postgres::start`].
    pub fn restart(&self) -> io::Result<()> {
        self.stop()?;
        self.launch()
    }

    /// Halts all processes of the server where they are: connections stay open and nobody answers.
    ///
    /// # Errors
    /// If it does not run.
    pub fn pause(&self) -> io::Result<()> {
        self.signal("STOP")
    }

    /// Lets a paused server go on.
    ///
    /// # Errors
    /// If it does not run.
    pub fn resume(&self) -> io::Result<()> {
        self.signal("CONT")
    }

    fn url_of(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    fn running(&self) -> MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A program of PostgreSQL, run as the server's user.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        command.current_dir(&self.directory).process_group(0);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        // Settings of the developer's own databases.
        for (name, _) in std::env::vars_os().filter(|(name, _)| is_libpq(name)) {
            command.env_remove(name);
        }
        if let Some((uid, gid)) = self.user {
            command.uid(uid).gid(gid);
        }
        command
    }

    /// A program that connects to the server.
    fn client(&self, program: &str) -> Command {
        let mut command = self.command(program);
        command.args(["--host=127.0.0.1", "--username=postgres", "--no-password"]);
        command.arg(format!("--port={}", self.port));
        command
    }

    fn launch(&self) -> io::Result<()> {
        let mut command = self.command("postgres");
        command.arg("-D").arg(self.data());
        let port = self.port.to_string();
        let own = [
            ("listen_addresses", "127.0.0.1"),
            ("unix_socket_directories", ""),
            ("port", &port),
        ];
        let given = self.options.iter().map(|(name, value)| (&**name, &**value));
        for (name, value) in own.into_iter().chain(given) {
            command.args(["-c", &format!("{name}={value}")]);
        }
        let mut child = command.stderr(Stdio::piped()).spawn()?;
        let stderr = child.stderr.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let (line, lines) = sync_channel(1000);
        std::thread::spawn(move || {
            for written in BufReader::new(stderr).lines().map_while(Result::ok) {
                // What nobody waits for is dropped, so that the server is never held up.
                let _ = line.try_send(written);
            }
        });
        let running = Running { child, lines };
        let ready = running.wait_for("ready to accept connections");
        *self.running() = Some(running);
        ready
    }

    fn end(&self, signal: &str) -> io::Result<()> {
        let Some(mut running) = self.running().take() else {
            return Ok(());
        };
        let processes = running.processes();
        send("CONT", &processes)?;
        match signal {
            "KILL" => send("KILL", &processes)?,
            signal => send(signal, &processes[..1])?,
        }
        let ended = running.ends();
        if ended.is_err() {
            send("KILL", &running.processes())?;
        }
        running.child.wait()?;
        ended
    }

    fn signal(&self, signal: &str) -> io::Result<()> {
        match &*self.running() {
            Some(running) => {
                // The first process alone at first: halted, it starts no others.
                send(signal, &running.processes()[..1])?;
                send(signal, &running.processes())
            }
            None => Err(io::Error::other("the server does not run")),
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let _ = self.end("QUIT");
        drop(self.held.take());
        let _ = self.watchdog.wait();
    }
}

impl Running {
    /// The process ids of the server: its first process, and those that this has started.
    fn processes(&self) -> Vec<u32> {
        let first = self.child.id();
        let mut found = vec![first];
        let all = fs::read_dir("/proc").into_iter().flatten().flatten();
        for process in all {
            let number = process.file_name().to_str().and_then(|id| id.parse().ok());
            let parent = fs::read_to_string(process.path().join("stat"))
                .ok()
                .and_then(|stat| parent(&stat));
            if let (Some(number), true) = (number, parent == Some(first)) {
                found.push(number);
            }
        }
        found
    }

    /// Reads the log up to a line that contains `text`.
    fn wait_for(&self, text: &str) -> io::Result<()> {
        let until = Instant::now() + PATIENCE;
        let mut last: VecDeque<String> = VecDeque::new();
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let what = match self.lines.recv_timeout(left) {
                Ok(line) if line.contains(text) => return Ok(()),
                Ok(line) => {
                    last.truncate(LINES_SHOWN - 1);
                    last.push_front(line);
                    continue;
                }
                Err(RecvTimeoutError::Timeout) => "PostgreSQL takes too long",
                Err(RecvTimeoutError::Disconnected) => "PostgreSQL ended",
            };
            last.make_contiguous().reverse();
            let lines = last.make_contiguous().join("\n");
            return Err(io::Error::other(format!("{what}; its log:\n{lines}")));
        }
    }

    /// Waits until all processes have ended.
    fn ends(&self) -> io::Result<()> {
        let until = Instant::now() + PATIENCE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
                Err(RecvTimeoutError::Timeout) => {
                    return Err(io::Error::other("PostgreSQL does not end"));
                }
            }
        }
    }
}

/// The parent in a line of `/proc/<id>/stat`: the second field behind the program's name, which is in parentheses.
fn parent(stat: &str) -> Option<u32> {
    let (_, behind) = stat.rsplit_once(')')?;
    behind.split_whitespace().nth(1)?.parse().ok()
}

/// Whether a variable of the environment is one of PostgreSQL's clients.
fn is_libpq(name: &OsString) -> bool {
    name.to_str().is_some_and(|name| name.starts_with("PG"))
}

fn send(signal: &str, processes: &[u32]) -> io::Result<()> {
    let mut kill = Command::new("sh");
    // One that has ended meanwhile is no error.
    kill.args(["-c", "kill -s \"$0\" \"$@\" 2>/dev/null || true", signal]);
    kill.args(processes.iter().map(u32::to_string));
    kill.status().map(drop)
}

/// Runs a program to its end; what it complained about is the error.
fn succeed(command: &mut Command) -> io::Result<()> {
    let output = command.output()?;
    if output.status.success() {
        return Ok(());
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!("{command:?}: {complaint}")))
}

/// The folder of PostgreSQL's programs: that of the newest version that Debian has, or one in `PATH`.
fn programs() -> io::Result<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = fs::read_dir(DEBIAN)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let version = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .collect();
    versions.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    versions
        .into_iter()
        .rev()
        .map(|(_, folder)| folder)
        .chain(std::env::split_paths(&path))
        .find(|folder| folder.join("initdb").is_file() && folder.join("postgres").is_file())
        .ok_or_else(|| {
            io::Error::other("PostgreSQL is not installed here: `cargo xtask setup` does it")
        })
}

/// The user and group `postgres` if we are root, whom PostgreSQL refuses.
fn server_user() -> io::Result<Option<(u32, u32)>> {
    if fs::metadata("/proc/self")?.uid() != 0 {
        return Ok(None);
    }
    let users = fs::read_to_string("/etc/passwd")?;
    let ids = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some("postgres")).then_some(())?;
        let uid = fields.nth(1)?.parse().ok()?;
        Some((uid, fields.next()?.parse().ok()?))
    });
    ids.map(Some).ok_or_else(|| {
        io::Error::other("PostgreSQL does not run as root, and there is no user `postgres`")
    })
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpStream};

    use super::*;

    fn answers(server: &Postgres) -> bool {
        TcpStream::connect((Ipv4Addr::LOCALHOST, server.port())).is_ok()
            && server.fresh_database().is_ok()
    }

    #[test]
    fn a_server_starts_ends_crashes_halts_and_is_gone_when_dropped() {
        let server = Postgres::start(CARELESS).expect("it starts");
        assert_ne!(
            server.fresh_database().expect("a database"),
            server.fresh_database().expect("another")
        );
        for end in [Postgres::stop, Postgres::kill] {
            end(&server).expect("it ends");
            assert!(!answers(&server));
            server.restart().expect("it starts again");
            assert!(answers(&server));
        }
        server.pause().expect("it halts");
        let first = server.running().as_ref().expect("it runs").child.id();
        let state = |process: u32| fs::read_to_string(format!("/proc/{process}/stat"));
        assert!(state(first).expect("it is there").contains(") T "));
        server.resume().expect("it goes on");
        assert!(answers(&server));
        server.pause().expect("it halts");
        let directory = server.directory.clone();
        drop(server);
        assert!(state(first).is_err() && !directory.exists());
    }

    #[test]
    fn a_server_ends_with_its_process() {
        const HERE: &str = "RIALTO_TEST_POSTGRES_VICTIM";
        if std::env::var_os(HERE).is_some() {
            println!("\nserver {}", Postgres::shared().directory.display());
            // Killed here, by whom started it.
            let _ = io::stdin().lines().next();
            return;
        }
        for kill in [false, true] {
            let this = std::env::current_exe().expect("this test");
            let mut victim = Command::new(this)
                .args(["--exact", "postgres::tests::a_server_ends_with_its_process"])
                .arg("--nocapture")
                .env(HERE, "1")
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .expect("it starts");
            let mut lines = BufReader::new(victim.stdout.take().expect("piped")).lines();
            let directory = lines
                .by_ref()
                .map_while(Result::ok)
                .find_map(|line| line.strip_prefix("server ").map(PathBuf::from))
                .expect("it says where");
            assert!(directory.exists());
            if kill {
                victim.kill().expect("killed");
            }
            drop(victim.stdin.take());
            victim.wait().expect("ended");
            assert!(is_gone(&directory), "{} is left", directory.display());
        }
    }

    /// Waits until a directory is removed.
    fn is_gone(directory: &Path) -> bool {
        let mut wait = Command::new("sh");
        let script = "for _ in $(seq 300); do [ -e \"$1\" ] || exit 0; sleep 0.1; done; exit 1";
        wait.args(["-c", script, "sh"]).arg(directory);
        wait.status().is_ok_and(|status| status.success())
    }
}
