//! The load generator: closed loop (each connection sends as soon as it has its answer) for peaks, open loop (events
//! come at their time, whatever the answers do) for latencies.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::Result;
use crate::http::Connection;
use crate::process;
use crate::sample::Template;

/// What a closed loop did.
pub(crate) struct Done {
    pub(crate) events: u64,
    pub(crate) calls: u64,
    pub(crate) seconds: f64,
    /// What this process, generator and receiver, used meanwhile.
    pub(crate) own_cpu_s: f64,
}

impl Done {
    /// Events a second.
    pub(crate) fn rate(&self) -> f64 {
        self.events as f64 / self.seconds
    }
}

/// Numbers events, so that each can be checked off.
#[derive(Clone, Default)]
pub(crate) struct Numbers(Rc<Cell<u64>>);

impl Numbers {
    pub(crate) fn take(&self, events: u64) -> u64 {
        self.0.replace(self.0.get() + events)
    }

    /// Given out so far.
    pub(crate) fn given(&self) -> u64 {
        self.0.get()
    }
}

/// Posts on so many connections for so long, each going through the templates in an order of its own.
pub(crate) async fn closed(
    address: SocketAddr,
    templates: &Rc<[Template]>,
    connections: usize,
    time: Duration,
    numbers: &Numbers,
) -> Result<Done> {
    let mut open = Vec::new();
    for _ in 0..connections {
        open.push(Connection::open(address).await?);
    }
    let own_before_s = process::own_cpu_s()?;
    let started = Instant::now();
    let mut tasks = Vec::new();
    for (place, mut connection) in open.into_iter().enumerate() {
        let templates = Rc::clone(templates);
        let numbers = numbers.clone();
        tasks.push(tokio::task::spawn_local(async move {
            let mut calls = 0;
            let mut events = 0;
            let mut request = Vec::new();
            while started.elapsed() < time {
                let next = (place * 7919 + calls) % templates.len();
                let template = &templates[next];
                let first = numbers.take(template.events());
                let (status, body) = connection
                    .call(template.numbered(first, &mut request))
                    .await?;
                if status != 200 {
                    return Err(refused(status, body));
                }
                calls += 1;
                events += template.events();
            }
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>((calls as u64, events))
        }));
    }
    let (mut calls, mut events) = (0, 0);
    for task in tasks {
        let (more_calls, more_events) = task.await??;
        calls += more_calls;
        events += more_events;
    }
    Ok(Done {
        events,
        calls,
        seconds: started.elapsed().as_secs_f64(),
        own_cpu_s: process::own_cpu_s()? - own_before_s,
    })
}

fn refused(status: u16, body: &[u8]) -> Box<dyn std::error::Error + Send + Sync> {
    format!(
        "the server answered {status}: {}",
        String::from_utf8_lossy(body)
    )
    .into()
}

/// One event of an open loop.
#[derive(Clone, Copy)]
pub(crate) struct Sent {
    pub(crate) number: u64,
    /// When it was due, from which its latencies count.
    pub(crate) due: Instant,
    /// From then to the publisher's answer.
    pub(crate) published_s: f64,
}

/// Posts `rate` events a second, in a Poisson stream cut into milliseconds, each on a connection that is free. The
/// number of an event says which template it takes.
pub(crate) async fn open(
    address: SocketAddr,
    template: &Rc<[Template]>,
    rate: f64,
    time: Duration,
    numbers: &Numbers,
) -> Result<Vec<Sent>> {
    const TICK: Duration = Duration::from_millis(1);
    let mut pool = Vec::new();
    for _ in 0..64 {
        pool.push((Connection::open(address).await?, Vec::new()));
    }
    let pool = Rc::new(RefCell::new(pool));
    let mut tasks = Vec::new();
    let started = Instant::now();
    let mut ticks = tokio::time::interval(TICK);
    let mut next_s = gap_s(rate);
    while started.elapsed() < time {
        ticks.tick().await;
        let due = Instant::now();
        while next_s <= due.duration_since(started).as_secs_f64() {
            next_s += gap_s(rate);
            let free = pool.borrow_mut().pop();
            let (mut connection, mut request) = match free {
                Some(free) => free,
                None => (Connection::open(address).await?, Vec::new()),
            };
            let template = Rc::clone(template);
            let number = numbers.take(1);
            let pool = Rc::clone(&pool);
            tasks.push(tokio::task::spawn_local(async move {
                let place = usize::try_from(number).unwrap_or_default() % template.len();
                let request_bytes = template[place].numbered(number, &mut request);
                let (status, body) = connection.call(request_bytes).await?;
                if status != 200 {
                    return Err(refused(status, body));
                }
                let published_s = due.elapsed().as_secs_f64();
                pool.borrow_mut().push((connection, request));
                Ok(Sent {
                    number,
                    due,
                    published_s,
                })
            }));
        }
    }
    let mut sent = Vec::with_capacity(tasks.len());
    for task in tasks {
        sent.push(task.await??);
    }
    Ok(sent)
}

/// The time between two events of a Poisson stream.
fn gap_s(rate: f64) -> f64 {
    -(1.0 - fastrand::f64()).ln() / rate
}
