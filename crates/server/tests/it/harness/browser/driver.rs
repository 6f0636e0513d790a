//! chromedriver as a child: one for all browsers of this process, ended with the last of them.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, Weak, mpsc};
use std::time::Duration;

/// For chromedriver to begin, and for a browser to close.
const PATIENCE: Duration = Duration::from_secs(30);

/// Ends its whole process group, browsers among it, when its input does: also when this process is killed.
const SCRIPT: &str =
    "\"$0\" --port=0 & cat > /dev/null; trap '' TERM; kill -TERM 0; wait; kill -KILL 0";

/// The one that runs, if one does.
static RUNNING: Mutex<Weak<Driver>> = Mutex::new(Weak::new());

pub(super) struct Driver {
    pub(super) address: SocketAddr,
    child: Child,
}

impl Driver {
    /// The one that runs, or a new one.
    pub(super) fn get() -> Arc<Self> {
        let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(driver) = running.upgrade() {
            return driver;
        }
        let driver = Arc::new(Self::start());
        *running = Arc::downgrade(&driver);
        driver
    }

    fn start() -> Self {
        let child = Command::new("sh")
            .args(["-c", SCRIPT, "chromedriver"])
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let mut child = child.expect("`sh` is there");
        let stdout = child.stdout.take().expect("it is piped");
        let (sender, port) = mpsc::sync_channel(1);
        // Reads to the end, so that the child never blocks on what it prints.
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let port = line.split_once("started successfully on port ");
                if let Some(port) =
                    port.and_then(|(_, port)| port.trim_end_matches('.').parse::<u16>().ok())
                {
                    let _ = sender.send(port);
                }
            }
        });
        let port = port.recv_timeout(PATIENCE);
        let port = port.expect("chromedriver starts; `cargo xtask setup` installs it");
        Self {
            address: ([127, 0, 0, 1], port).into(),
            child,
        }
    }

    /// Closes a browser. Not by the tests' own client, since it is called while dropping.
    pub(super) fn end(&self, session: &str) {
        let Ok(mut stream) = TcpStream::connect_timeout(&self.address, PATIENCE) else {
            return;
        };
        let _ = stream.set_read_timeout(Some(PATIENCE));
        let request = format!(
            "DELETE {session} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n",
            self.address
        );
        let _ = stream.write_all(request.as_bytes());
        let _ = stream.read_to_end(&mut Vec::new());
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}
