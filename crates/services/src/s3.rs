//! An S3 server: HTTP, SigV4, files in a directory.
//!
//! It runs inside this process, on a thread with a runtime of its own, so that it outlives the runtime of a test. Tests
//! of `engine` and `server` take it away ([`S3::stop`]), bring it back on the same port ([`S3::restart`]), make it slow
//! ([`S3::pause`]) or short of space ([`S3::fill`]).

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{OnceLock, mpsc};
use std::thread::JoinHandle;

use hyper::service::service_fn;
use hyper::{Method, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;

use crate::process::free_port;

/// The bucket that every server has.
pub const BUCKET: &str = "rialto";

/// The key that every server takes: there are no other credentials.
pub const ACCESS_KEY: &str = "test-access-key";

/// The secret of [`ACCESS_KEY`].
pub const SECRET_KEY: &str = "test-secret-key";

/// The region that signatures name.
pub const REGION: &str = "us-east-1";

/// What the guard runs: it reads from a pipe that only this process holds, so it goes on when this process is gone,
/// however it went. `$1` is the directory.
const GUARD: &str = r#"trap "" INT TERM HUP; read -r _; rm -rf -- "$1""#;

/// Why an S3 server could not be started.
#[derive(Debug, thiserror::Error)]
#[error("the S3 server cannot start: {what}")]
pub struct S3Error {
    what: String,
}

/// A running server. It ends when this is dropped, and its files with it; at the latest with the process.
#[derive(Debug)]
pub struct S3 {
    address: SocketAddr,
    directory: PathBuf,
    /// Removes the directory.
    guard: Child,
    mode: watch::Sender<Mode>,
    thread: Option<Running>,
}

/// What the server does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Answer,
    /// Takes it, and answers when this is over.
    Wait,
    /// Has no space for what is put.
    Full,
}

#[derive(Debug)]
struct Running {
    stop: watch::Sender<bool>,
    thread: JoinHandle<()>,
}

impl S3 {
    /// Starts a server on a free port of 127.0.0.1, with an empty bucket [`BUCKET`].
    ///
    /// # Errors
    /// [`S3Error`] if there is no port or directory to be had.
    pub fn start() -> Result<Self, S3Error> {
        let directory = tempfile::tempdir().map_err(wrong)?;
        std::fs::create_dir(directory.path().join(BUCKET)).map_err(wrong)?;
        let mode = watch::Sender::new(Mode::Answer);
        let address = (Ipv4Addr::LOCALHOST, free_port().map_err(wrong)?).into();
        let (address, running) = serve(directory.path(), address, mode.subscribe())?;
        let guard = Command::new("sh")
            .args(["-c", GUARD, "guard"])
            .arg(directory.path())
            .stdin(Stdio::piped())
            .spawn()
            .map_err(wrong)?;
        Ok(Self {
            address,
            directory: directory.keep(),
            guard,
            mode,
            thread: Some(running),
        })
    }

    /// One server for everybody in this process. It ends with the process.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<S3> = OnceLock::new();
        SHARED.get_or_init(|| match Self::start() {
            Ok(server) => server,
            Err(error) => panic!("{error}"),
        })
    }

    /// Where it is: `http://127.0.0.1:port`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The directory in which each object of [`BUCKET`] is a file.
    #[must_use]
    pub fn files(&self) -> PathBuf {
        self.directory.join(BUCKET)
    }

    /// Ends it: connections break, new ones are refused. What was put stays.
    pub fn stop(&mut self) {
        if let Some(running) = self.thread.take() {
            running.stop.send_replace(true);
            // A panic of the server's thread is told on standard error; there is nothing to add here.
            let _ = running.thread.join();
        }
    }

    /// Starts it again where it was.
    ///
    /// # Errors
    /// [`S3Error`] if another process has taken the port meanwhile.
    pub fn restart(&mut self) -> Result<(), S3Error> {
        self.stop();
        self.mode.send_replace(Mode::Answer);
        let (_, running) = serve(&self.directory, self.address, self.mode.subscribe())?;
        self.thread = Some(running);
        Ok(())
    }

    /// From now on it takes requests and answers none, until [`S3::resume`].
    pub fn pause(&self) {
        self.mode.send_replace(Mode::Wait);
    }

    /// From now on it has no space for anything, until [`S3::resume`].
    pub fn fill(&self) {
        self.mode.send_replace(Mode::Full);
    }

    /// It is well again; what waited is answered.
    pub fn resume(&self) {
        self.mode.send_replace(Mode::Answer);
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        self.stop();
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}

/// Listens, and serves on a thread of its own until told to stop.
fn serve(
    root: &Path,
    address: SocketAddr,
    mode: watch::Receiver<Mode>,
) -> Result<(SocketAddr, Running), S3Error> {
    let mut builder = S3ServiceBuilder::new(s3s_fs::FileSystem::new(root).map_err(wrong)?);
    builder.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
    let service = Served {
        root: root.to_owned(),
        s3: builder.build(),
        mode,
    };
    let (stop, stopped) = watch::channel(false);
    let (started, start) = mpsc::sync_channel(1);
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let runtime = match runtime {
            Ok(runtime) => runtime,
            Err(error) => return drop(started.send(Err(wrong(error)))),
        };
        runtime.block_on(async {
            let listener = match listen(address) {
                Ok(listener) => listener,
                Err(error) => return drop(started.send(Err(wrong(error)))),
            };
            let _ = started.send(listener.local_addr().map_err(wrong));
            accept(listener, service, stopped).await;
        });
    });
    let address = start.recv().map_err(|_| wrong("its thread ended"))??;
    Ok((address, Running { stop, thread }))
}

/// With the address taken even while connections of an earlier server linger on it.
fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(1024)
}

/// Serves connections until it is told to stop; those under way end with the runtime.
async fn accept(listener: TcpListener, served: Served, mut stopped: watch::Receiver<bool>) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopped.wait_for(|stopped| *stopped) => return,
        };
        let Ok((stream, _)) = accepted else { continue };
        let served = served.clone();
        let answer = service_fn(move |request| {
            let served = served.clone();
            async move { served.answer(request).await }
        });
        tokio::spawn(
            hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .serve_connection(TokioIo::new(stream), answer),
        );
    }
}

/// What answers requests.
#[derive(Clone)]
struct Served {
    root: PathBuf,
    s3: S3Service,
    mode: watch::Receiver<Mode>,
}

impl Served {
    async fn answer(
        mut self,
        request: hyper::Request<hyper::body::Incoming>,
    ) -> Result<s3s::HttpResponse, s3s::HttpError> {
        let now = self.mode.wait_for(|mode| *mode != Mode::Wait).await;
        let is_full = now.is_ok_and(|mode| *mode == Mode::Full);
        if is_full && request.method() == Method::PUT {
            return Ok(refused(
                StatusCode::INSUFFICIENT_STORAGE,
                "XMinioStorageFull",
            ));
        }
        let bucket = request.uri().path().split('/').nth(1).unwrap_or_default();
        if !self.root.join(bucket).is_dir() {
            return Ok(refused(StatusCode::NOT_FOUND, "NoSuchBucket"));
        }
        if [Method::GET, Method::HEAD].contains(request.method()) && self.is_folder(&request) {
            return Ok(refused(StatusCode::NOT_FOUND, "NoSuchKey"));
        }
        self.s3.call(request.map(s3s::Body::from)).await
    }

    /// Whether the key is a folder of this directory, or in a file: S3 has no folders, and s3s-fs trips over them.
    fn is_folder(&self, request: &hyper::Request<hyper::body::Incoming>) -> bool {
        let path = request.uri().path().trim_start_matches('/');
        let asks_for_key = path.split_once('/').is_some_and(|(_, key)| !key.is_empty());
        let metadata = self.root.join(path).metadata();
        asks_for_key
            && metadata.map_or_else(
                |error| error.kind() == std::io::ErrorKind::NotADirectory,
                |about| about.is_dir(),
            )
    }
}

/// An error as S3 writes it.
fn refused(status: StatusCode, code: &str) -> s3s::HttpResponse {
    let body =
        format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code></Error>");
    let mut answer = s3s::HttpResponse::new(s3s::Body::from(body));
    *answer.status_mut() = status;
    answer
}

fn wrong(what: impl std::fmt::Debug) -> S3Error {
    S3Error {
        what: format!("{what:?}"),
    }
}
