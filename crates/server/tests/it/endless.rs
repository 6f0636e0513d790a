//! Receivers whose answers do not end: 200 MB as fast as the hub takes them, or a byte a second. The hub reads no more of
//! an answer than its limit, its memory and its slots stay bounded, and a healthy receiver is served all the while.
//!
//! The program itself runs here, on the machine's clock: what it holds is asked of the system.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::harness::{Launch, Receiver, TestHub, event, memory_peak_bytes, wait};

/// Destinations of each of the two kinds.
const DESTINATIONS: usize = 25;
/// Each is followed by its deliveries at the healthy destination before the next is published.
const ROUNDS: i64 = 40;
const ANSWER_BYTES: usize = 200_000_000;
/// Calls in flight, set below the default so that these receivers could take them all.
const IN_FLIGHT_MAX: usize = 128;
/// Of a call: what a byte a second is cut off by.
const TIMEOUT: Duration = Duration::from_secs(2);
/// A busy machine takes its time; that of a hub that serves nobody is longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// The hub reads 64 KiB of an answer; what else was written lies in the system's buffers of the connection, which
/// Linux lets grow to 4 MiB (sending) and 6 MiB (receiving) by default. A hub that read on would take all 200 MB.
const WRITTEN_BYTES_MAX: usize = 16 << 20;

/// Idle it has less than 60 MB; each call in flight may hold 64 KiB of an answer and as much of a connection's buffer,
/// which is 16 MiB for all of them; and there are the log's newest batches (16 MiB at most).
const MEMORY_BYTES_MAX: u64 = 100 << 20;

/// How a receiver answers.
#[derive(Clone, Copy)]
enum Kind {
    Flood,
    Drip,
}

/// Calls being answered now, by all receivers together, and the most there were.
#[derive(Default)]
struct InFlight {
    now: AtomicUsize,
    peak: AtomicUsize,
}

#[derive(Default)]
struct Seen {
    in_flight: Arc<InFlight>,
    /// For each answer what of it could be written.
    written: Mutex<Vec<usize>>,
    /// Calls for each destination.
    calls: Mutex<BTreeMap<String, usize>>,
}

/// A server that reads each call and never finishes its answer.
struct Endless {
    url: String,
    seen: Arc<Seen>,
    task: JoinHandle<()>,
}

impl Drop for Endless {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Endless {
    async fn start(kind: Kind, in_flight: &Arc<InFlight>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let seen = Arc::new(Seen {
            in_flight: Arc::clone(in_flight),
            ..Seen::default()
        });
        let shared = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.expect("a connection");
                connections.spawn(converse(stream, kind, Arc::clone(&shared)));
            }
        });
        Self { url, seen, task }
    }

    fn written(&self) -> Vec<usize> {
        let written = self.seen.written.lock();
        written.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn called(&self) -> usize {
        let calls = self.seen.calls.lock();
        calls.unwrap_or_else(PoisonError::into_inner).len()
    }
}

/// Reads one call, and answers it until the hub hangs up.
async fn converse(mut stream: TcpStream, kind: Kind, seen: Arc<Seen>) {
    let Some(path) = read_call(&mut stream).await else {
        return;
    };
    let now = seen.in_flight.now.fetch_add(1, Ordering::Relaxed) + 1;
    seen.in_flight.peak.fetch_max(now, Ordering::Relaxed);
    let nth = {
        let mut calls = seen.calls.lock().unwrap_or_else(PoisonError::into_inner);
        let count = calls.entry(path).or_default();
        *count += 1;
        *count
    };
    // Failures too: of those an excerpt is kept.
    let status = if nth % 3 == 0 { "500 No" } else { "200 OK" };
    let head = format!("HTTP/1.1 {status}\r\ncontent-length: {ANSWER_BYTES}\r\n\r\n");
    let mut written = 0;
    let (chunk, pause) = match kind {
        Kind::Flood => (vec![b'x'; 64 << 10], None),
        Kind::Drip => (vec![b'x'], Some(Duration::from_secs(1))),
    };
    if stream.write_all(head.as_bytes()).await.is_ok() {
        while written < ANSWER_BYTES {
            if let Some(pause) = pause {
                // A hub that hangs up is noticed at once: what it has in flight is counted.
                let mut more = [0];
                if tokio::time::timeout(pause, stream.read(&mut more))
                    .await
                    .is_ok()
                {
                    break;
                }
            }
            match stream.write(&chunk).await {
                Ok(count) if count > 0 => written += count,
                _ => break,
            }
        }
    }
    seen.in_flight.now.fetch_sub(1, Ordering::Relaxed);
    let mut all = seen.written.lock().unwrap_or_else(PoisonError::into_inner);
    all.push(written);
}

/// The path of a call, once all of it is there.
async fn read_call(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
        let Some(head) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
            continue;
        };
        let text = std::str::from_utf8(&bytes[..head]).expect("ASCII");
        let length = text.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            let is_length = name.eq_ignore_ascii_case("content-length");
            is_length.then(|| value.parse::<usize>().expect("a length"))
        });
        if bytes.len() >= head + 4 + length.unwrap_or_default() {
            return Some(text.split(' ').nth(1).expect("a path").to_owned());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_without_end_take_neither_memory_nor_slots() {
    let hub = TestHub::start_today().await;
    let account = hub.account().await;
    let shop = hub.publisher(&account, &["buy"]).await;
    let in_flight = Arc::new(InFlight::default());
    let (flood, drip) = (
        Endless::start(Kind::Flood, &in_flight).await,
        Endless::start(Kind::Drip, &in_flight).await,
    );
    for n in 0..DESTINATIONS {
        for receiver in [&flood, &drip] {
            let url = format!("{}/{n}", receiver.url);
            let endless = hub.push_destination(&account, &url).await;
            hub.subscribe(&account, &shop, "buy", &endless).await;
        }
    }
    let healthy = Receiver::start().await;
    let crm = hub.push_destination(&account, &healthy.url()).await;
    hub.subscribe(&account, &shop, "buy", &crm).await;

    let directory = hub.leave().await;
    let mut launch = Launch::new(directory.path());
    launch.set(
        "RIALTO_DELIVERY_CONCURRENCY_MAX",
        &IN_FLIGHT_MAX.to_string(),
    );
    launch.set(
        "RIALTO_DELIVERY_TIMEOUT",
        &format!("{}s", TIMEOUT.as_secs()),
    );
    launch.set("RIALTO_DELIVERY_RETRY_FIRST", "100ms");
    let hub = launch.start().await;
    let http = hub.http();
    let mut slowest = Duration::ZERO;
    for n in 1..=ROUNDS {
        let body = event("buy", &format!("p{n}@example.com"), n);
        let published = Instant::now();
        let answer = http.json("POST", "/v1/event", Some(&shop.key), Some(body));
        assert_eq!(answer.await.status, 200);
        while healthy.count() < usize::try_from(n).expect("few") {
            assert!(
                published.elapsed() < PATIENCE,
                "event {n} does not arrive:\n{}",
                launch.logged()
            );
            wait(Duration::from_millis(2)).await;
        }
        slowest = slowest.max(published.elapsed());
    }
    // All of the others have been called, and hung up on.
    let begun = Instant::now();
    let cut = DESTINATIONS * usize::try_from(ROUNDS).expect("few") / 2;
    while drip.called() < DESTINATIONS
        || flood.called() < DESTINATIONS
        || flood.written().len() < cut
        || drip.written().len() < DESTINATIONS
    {
        assert!(begun.elapsed() < PATIENCE, "they are not called");
        wait(Duration::from_millis(10)).await;
    }
    let memory = memory_peak_bytes(hub.id());
    let (floods, drips) = (flood.written(), drip.written());
    let most = floods.iter().max().copied().unwrap_or_default();
    let in_flight = in_flight.peak.load(Ordering::Relaxed);
    println!(
        "{} floods, at most {} KiB of one written; {} drips; {in_flight} in flight at most; memory {} MiB; slowest {slowest:?}",
        floods.len(),
        most >> 10,
        drips.len(),
        memory >> 20
    );
    assert!(most < WRITTEN_BYTES_MAX, "{most} bytes were written");
    // A hub that the machine lets wait hangs up later; one that reads on would do so for years.
    let drip_bytes_max = usize::try_from(TIMEOUT.as_secs()).expect("few") + 10;
    assert!(
        drips.iter().all(|written| *written <= drip_bytes_max),
        "{drips:?}"
    );
    // A receiver learns a moment later than the hub that a call has ended, when the next may have begun.
    assert!(in_flight <= 2 * IN_FLIGHT_MAX, "{in_flight}");
    assert!(memory < MEMORY_BYTES_MAX, "{memory} bytes");
    assert!(slowest < Duration::from_secs(10), "{slowest:?}");
}
