//! The receiver: a subscriber's server, written by hand, on a thread of its own. Checks off every event by its number
//! and remembers when it came first.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::Result;
use crate::http::Message;
use crate::sample;

/// Events that can be told apart in one run.
const NUMBERS_MAX: usize = 1 << 23;

pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    base: Instant,
    received: AtomicU64,
    connections: AtomicU64,
    /// Nanoseconds since `base`.
    first_ns: AtomicU64,
    last_ns: AtomicU64,
    times: Vec<AtomicU8>,
    at_ns: Vec<AtomicU64>,
}

impl Receiver {
    pub(crate) fn start() -> Result<Self> {
        let shared = Arc::new(Shared {
            base: Instant::now(),
            received: AtomicU64::new(0),
            connections: AtomicU64::new(0),
            first_ns: AtomicU64::new(0),
            last_ns: AtomicU64::new(0),
            times: (0..NUMBERS_MAX).map(|_| AtomicU8::new(0)).collect(),
            at_ns: (0..NUMBERS_MAX).map(|_| AtomicU64::new(0)).collect(),
        });
        let socket = std::net::TcpListener::bind(("127.0.0.1", 0))?;
        socket.set_nonblocking(true)?;
        let address = socket.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let serving = Arc::clone(&shared);
        std::thread::spawn(move || {
            // Ends with the process.
            let _ = runtime.block_on(accept(socket, serving));
        });
        Ok(Self { address, shared })
    }

    /// Begins a new count; the numbers that were checked off stay so.
    pub(crate) fn reset(&self) {
        let Shared {
            received,
            connections,
            first_ns,
            last_ns,
            ..
        } = &*self.shared;
        for count in [received, connections, first_ns, last_ns] {
            count.store(0, Relaxed);
        }
    }

    /// Requests since the last reset.
    pub(crate) fn received(&self) -> u64 {
        self.shared.received.load(Relaxed)
    }

    /// Connections opened since the last reset.
    pub(crate) fn connections(&self) -> u64 {
        self.shared.connections.load(Relaxed)
    }

    /// Requests a second, from the first to the last.
    pub(crate) fn rate(&self) -> f64 {
        let span = self.shared.last_ns.load(Relaxed) - self.shared.first_ns.load(Relaxed);
        self.received().saturating_sub(1) as f64 * 1e9 / span.max(1) as f64
    }

    /// How often this number came.
    pub(crate) fn times(&self, number: u64) -> u8 {
        let times = usize::try_from(number)
            .ok()
            .and_then(|number| self.shared.times.get(number));
        times.map_or(0, |times| times.load(Relaxed))
    }

    /// Every number of `numbers` must have come `times` times: answers how many came less and how many more often.
    pub(crate) fn check(&self, numbers: std::ops::Range<u64>, times: u8) -> (u64, u64) {
        let (mut missing, mut repeated) = (0, 0);
        for number in numbers {
            match self.times(number).cmp(&times) {
                std::cmp::Ordering::Less => missing += 1,
                std::cmp::Ordering::Equal => {}
                std::cmp::Ordering::Greater => repeated += 1,
            }
        }
        (missing, repeated)
    }

    /// From `since` to the number's first arrival, in seconds.
    pub(crate) fn after_s(&self, number: u64, since: Instant) -> Option<f64> {
        let at_ns = self
            .shared
            .at_ns
            .get(usize::try_from(number).ok()?)?
            .load(Relaxed);
        let since_ns = since.duration_since(self.shared.base).as_nanos() as f64;
        (at_ns > 0).then(|| (at_ns as f64 - since_ns) / 1e9)
    }
}

async fn accept(socket: std::net::TcpListener, shared: Arc<Shared>) -> Result<()> {
    let socket = TcpListener::from_std(socket)?;
    loop {
        let (stream, _) = socket.accept().await?;
        stream.set_nodelay(true)?;
        shared.connections.fetch_add(1, Relaxed);
        tokio::spawn(serve(stream, Arc::clone(&shared)));
    }
}

async fn serve(mut stream: TcpStream, shared: Arc<Shared>) -> Result<()> {
    let mut buffer = Vec::with_capacity(16 << 10);
    loop {
        buffer.clear();
        let message = loop {
            if stream.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
            if let Some(message) = Message::parse(&buffer)
                && buffer.len() >= message.end
            {
                break message;
            }
        };
        let now_ns = u64::try_from(shared.base.elapsed().as_nanos())?;
        for number in sample::numbers(&buffer[message.body..message.end]) {
            let number = usize::try_from(number)?;
            if let (Some(times), Some(at_ns)) = (shared.times.get(number), shared.at_ns.get(number))
            {
                times.fetch_add(1, Relaxed);
                let _ = at_ns.compare_exchange(0, now_ns, Relaxed, Relaxed);
            }
        }
        let _ = shared
            .first_ns
            .compare_exchange(0, now_ns, Relaxed, Relaxed);
        shared.last_ns.store(now_ns, Relaxed);
        shared.received.fetch_add(1, Relaxed);
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
            .await?;
    }
}
