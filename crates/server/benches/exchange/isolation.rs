//! Isolation: a hundred destinations, of which one hangs and ten fail. What do the other eighty-nine feel, next to the
//! same hub whose hundred destinations are all well?

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::Result;
use crate::engines::Engines;
use crate::figures::{self, Pair, quantile};
use crate::http::{Message, request};
use crate::load::{self, Numbers};
use crate::process;
use crate::receiver::Receiver;
use crate::sample::{self, Template};
use crate::world::{Running, World};

const DESTINATIONS: u64 = 100;
/// The first so many are well in both worlds; only their events are measured.
const HEALTHY: u64 = 89;
const FAILING: u64 = 10;
const ROUNDS: u32 = 4;
/// Far below what the machine can do, so that waiting for each other is what would show.
const EVENTS_PER_S: f64 = 400.0;
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) async fn run(time: Duration) -> Result<()> {
    let receiver = Receiver::start()?;
    let failing = troubled(Some(b"HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n"))?;
    let hanging = troubled(None)?;
    let (well, well_templates) = world(|_| receiver.address).await?;
    let (ill, ill_templates) = world(|place| match place {
        place if place < HEALTHY => receiver.address,
        place if place < HEALTHY + FAILING => failing,
        _ => hanging,
    })
    .await?;
    let (well, ill) = (well.serve().await?, ill.serve().await?);
    let numbers = Numbers::default();
    let round = time / ROUNDS;
    let (mut median, mut p99) = (Pair::default(), Pair::default());
    for turn in 0..=ROUNDS {
        let without = measure(&receiver, &well, &well_templates, round, &numbers).await?;
        let with = measure(&receiver, &ill, &ill_templates, round, &numbers).await?;
        // The first turn warms up, and opens the circuits of the ten.
        if turn > 0 {
            median.add(without.0 * 1e3, with.0 * 1e3);
            p99.add(without.1 * 1e3, with.1 * 1e3);
        }
    }
    figures::head("all well", "eleven ill");
    median.print_growth("end to end p50, ms", None);
    p99.print_growth("end to end p99, ms", Some("≤ 1.1"));
    println!("  of the {HEALTHY} healthy ones' events none is missing");
    Ok(())
}

/// A hundred event types, each with a destination of its own.
async fn world(address_of: impl Fn(u64) -> SocketAddr) -> Result<(World, Rc<[Template]>)> {
    let world = World::new(&Engines::Embedded)?;
    let stepped = world.open().await?;
    let codes: Vec<String> = (0..DESTINATIONS).map(|n| format!("bench{n:02}")).collect();
    let publisher = stepped.publisher(&codes).await?;
    for (place, code) in (0..).zip(&codes) {
        let url = format!("http://{}/{place}", address_of(place));
        let destination = stepped.destination(&url).await?;
        stepped.subscribe(&publisher, code, &destination).await?;
    }
    stepped.server.stop().await;
    let template = |code: &String| {
        let body = sample::individual(code);
        Template::new(request(
            "POST",
            "/v1/event",
            &publisher.key,
            body.as_bytes(),
        ))
    };
    let templates: Vec<Template> = codes.iter().map(template).collect();
    Ok((world, templates.into()))
}

/// Median and 99th percentile, in seconds, from the due time of a healthy destination's event to its arrival.
async fn measure(
    receiver: &Receiver,
    hub: &Running,
    templates: &Rc<[Template]>,
    time: Duration,
    numbers: &Numbers,
) -> Result<(f64, f64)> {
    let mut sent = load::open(hub.address, templates, EVENTS_PER_S, time, numbers).await?;
    sent.retain(|sent| sent.number % DESTINATIONS < HEALTHY);
    let all = process::until("every healthy event", PATIENCE, || {
        sent.iter().all(|sent| receiver.times(sent.number) > 0)
    });
    all.await?;
    let arrived = sent
        .iter()
        .filter_map(|sent| receiver.after_s(sent.number, sent.due));
    let latencies: Vec<f64> = arrived.collect();
    Ok((quantile(&latencies, 0.5), quantile(&latencies, 0.99)))
}

/// A receiver that gives this answer to everything, or never any.
fn troubled(answer: Option<&'static [u8]>) -> Result<SocketAddr> {
    let socket = std::net::TcpListener::bind(("127.0.0.1", 0))?;
    socket.set_nonblocking(true)?;
    let address = socket.local_addr()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    std::thread::spawn(move || {
        runtime.block_on(async {
            // Ends with the process.
            let Ok(socket) = TcpListener::from_std(socket) else {
                return;
            };
            while let Ok((stream, _)) = socket.accept().await {
                tokio::spawn(trouble(stream, answer));
            }
        });
    });
    Ok(address)
}

async fn trouble(mut stream: TcpStream, answer: Option<&'static [u8]>) -> Result<()> {
    let mut buffer = Vec::with_capacity(16 << 10);
    loop {
        buffer.clear();
        while Message::parse(&buffer).is_none_or(|message| buffer.len() < message.end) {
            if stream.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
        }
        match answer {
            Some(answer) => stream.write_all(answer).await?,
            None => std::future::pending().await,
        }
    }
}
