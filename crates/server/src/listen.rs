//! `rialto listen`: a receiver in anybody's place. Prints what arrives, checks signatures, and fails when told to.
//!
//! It answers every path and method, since the exchange adds `/v1/events` to whatever was registered. Promises: what it
//! prints is one line an event (or one JSON document a line with `--json`), flushed at once, so that a pipe sees it.

pub(crate) mod shown;

use std::collections::HashMap;
use std::io::Write;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, Uri};
use clap::Args;
use engine::Clock;
use jiff::Timestamp;
use outbound::signature::{self, Secret, SignatureError};

use crate::terminal::{count, counted};

/// How far a signature's time may be from ours.
const TOLERANCE: Duration = Duration::from_secs(300);
/// Largest body: a compound push and some.
const BODY_BYTES_MAX: usize = 64 << 20;
/// Ids remembered to tell repeats; then it starts to forget, all at once.
const IDS_MAX: usize = 100_000;

/// What the command line says.
#[derive(Debug, Args)]
pub struct Listen {
    /// Address to listen on; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:9000", value_name = "ADDRESS", value_parser = crate::config::address)]
    listen: SocketAddr,
    /// Check signatures with this secret of the endpoint; what does not fit is refused with 401.
    #[arg(
        long,
        env = "RIALTO_WEBHOOK_SECRET",
        hide_env_values = true,
        value_name = "whsec_…"
    )]
    secret: Option<Secret>,
    /// Of one, how many requests fail on purpose: 0.2 is one in five.
    #[arg(long, default_value_t = 0.0, value_name = "PART", value_parser = part)]
    fail: f64,
    /// What a request that fails is answered with.
    #[arg(long, default_value = "500", value_name = "CODE")]
    status: StatusCode,
    /// Wait so long before each answer: 250ms, 2s.
    #[arg(long, value_name = "TIME", value_parser = time)]
    delay: Option<Duration>,
    /// Print whole bodies, one JSON document a line, and everything else to standard error.
    #[arg(long)]
    json: bool,
}

/// Reads a part of one, such as `0.2`.
///
/// # Errors
/// In a sentence.
pub fn part(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(part) if (0.0..=1.0).contains(&part) => Ok(part),
        _ => Err("expected a number from 0 to 1, such as 0.2 for one in five".to_owned()),
    }
}

/// Reads a time, such as `250ms`.
///
/// # Errors
/// In a sentence.
pub fn time(text: &str) -> Result<Duration, String> {
    crate::config::duration(text)
        .ok_or_else(|| "expected a time such as 250ms, 2s or 1m".to_owned())
}

/// A header as text; empty when there is none.
pub(crate) fn header<'h>(headers: &'h HeaderMap, name: &HeaderName) -> &'h str {
    let value = headers.get(name).and_then(|value| value.to_str().ok());
    value.unwrap_or_default()
}

/// Whether a push is signed with `secret`.
///
/// # Errors
/// What does not fit.
pub(crate) fn signed(
    secret: &Secret,
    headers: &HeaderMap,
    body: &[u8],
    now: Timestamp,
) -> Result<(), SignatureError> {
    let [id, timestamp, signatures] = [signature::ID, signature::TIMESTAMP, signature::SIGNATURE]
        .map(|name| header(headers, &name).to_owned());
    signature::verify(secret, &id, &timestamp, body, &signatures, now, TOLERANCE)
}

/// Why it could not listen.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    #[error("cannot listen on {address}: is another process using it?")]
    Bind {
        address: SocketAddr,
        #[source]
        source: std::io::Error,
    },
    #[error("the connections could not be served")]
    Serve(#[source] std::io::Error),
}

struct Shared {
    options: Listen,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    requests: u64,
    events: u64,
    failed: u64,
    repeated: u64,
    forged: u64,
    /// Attempts by `webhook-id`.
    attempts: HashMap<String, u32>,
}

impl Listen {
    /// Listens until it is told to stop, then sums up.
    ///
    /// # Errors
    /// [`ListenError`].
    pub async fn run(self) -> Result<ExitCode, ListenError> {
        let bind = |source| ListenError::Bind {
            address: self.listen,
            source,
        };
        let socket = tokio::net::TcpListener::bind(self.listen)
            .await
            .map_err(bind)?;
        let address = socket.local_addr().map_err(bind)?;
        eprintln!("listening on http://{address}; Ctrl-C ends it");
        let shared = Arc::new(Shared {
            options: self,
            seen: Mutex::default(),
        });
        let router = Router::new()
            .fallback(receive)
            .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
            .with_state(Arc::clone(&shared));
        tokio::select! {
            served = axum::serve(socket, router) => served.map_err(ListenError::Serve)?,
            () = crate::signal::stop() => {}
        }
        eprintln!("{}", shared.seen().summary());
        Ok(ExitCode::SUCCESS)
    }
}

impl Shared {
    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What to answer, and the words for it.
    fn judge(&self, headers: &HeaderMap, body: &[u8], now: Timestamp) -> (StatusCode, Vec<String>) {
        let mut notes = Vec::new();
        let attempt = self.seen().note(header(headers, &signature::ID));
        if attempt > 1 {
            notes.push(format!("attempt {attempt}"));
        }
        if let Some(secret) = &self.options.secret {
            if let Err(error) = signed(secret, headers, body, now) {
                self.seen().forged += 1;
                notes.push(error.to_string());
                return (StatusCode::UNAUTHORIZED, notes);
            }
            notes.push("signed".to_owned());
        }
        if fastrand::f64() < self.options.fail {
            self.seen().failed += 1;
            notes.push("failed on purpose".to_owned());
            return (self.options.status, notes);
        }
        (StatusCode::OK, notes)
    }
}

impl Seen {
    /// Which attempt at this delivery it is.
    fn note(&mut self, id: &str) -> u32 {
        self.requests += 1;
        if id.is_empty() {
            return 1;
        }
        if self.attempts.len() >= IDS_MAX {
            self.attempts.clear();
        }
        let attempts = self.attempts.entry(id.to_owned()).or_default();
        *attempts += 1;
        if *attempts > 1 {
            self.repeated += 1;
        }
        *attempts
    }

    fn summary(&self) -> String {
        format!(
            "{} with {}; {} came again, {} failed on purpose, {} with a signature that does not fit",
            counted(self.requests, "request"),
            counted(self.events, "event"),
            count(self.repeated),
            count(self.failed),
            count(self.forged),
        )
    }
}

/// At once, so that a pipe sees it. A pipe that was closed is no reason to stop receiving.
fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

async fn receive(
    State(shared): State<Arc<Shared>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    let now = Clock::System.now();
    let (status, notes) = shared.judge(&headers, &body, now);
    let lines = if method == Method::POST {
        shown::events(&body)
    } else {
        vec![format!("{method} {uri}")]
    };
    shared.seen().events += lines.len() as u64;
    let mut text = String::new();
    let verdict = format!("{}  [{}]", status.as_u16(), notes.join(", ")).replace("  []", "");
    if shared.options.json {
        // A document that was written over several lines would not be one a line.
        match serde_json::from_slice::<serde_json::Value>(&body) {
            Ok(value) => text = format!("{value}\n"),
            Err(_) => eprintln!("{method} {uri}: {} bytes that are not JSON", body.len()),
        }
        if status != StatusCode::OK {
            eprintln!("{verdict}");
        }
    } else {
        for line in lines {
            text.push_str(&format!(
                "{}  {verdict}  {line}\n",
                now.strftime("%H:%M:%S%.3f")
            ));
        }
    }
    print(&text);
    if let Some(delay) = shared.options.delay {
        tokio::time::sleep(delay).await;
    }
    status
}
