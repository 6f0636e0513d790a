//! Width: 10,000 destinations with 100,000 subscriptions against 10 destinations, with the same ten deliveries an
//! event. Whatever looks at all destinations, or at all subscriptions, shows here.

use std::rc::Rc;
use std::time::{Duration, Instant};

use engine::Db;
use hub::Scope;
use model::{EndpointId, EventType, Subscription};

use crate::Result;
use crate::engines::Engines;
use crate::figures::{self, Pair};
use crate::http::request;
use crate::load::{self, Numbers};
use crate::process;
use crate::receiver::Receiver;
use crate::sample::{self, Template};
use crate::world::{Party, Running, World};

const ROUNDS: u32 = 5;
const CONNECTIONS: usize = 64;
/// Deliveries of an event.
const FAN_OUT: usize = 10;
const PATIENCE: Duration = Duration::from_secs(120);

/// How wide a world is: `publishers × codes × FAN_OUT` subscriptions, spread over `destinations`.
pub(crate) struct Width {
    destinations: usize,
    publishers: usize,
    codes: usize,
}

const NARROW: Width = Width {
    destinations: 10,
    publishers: 1,
    codes: 1,
};
pub(crate) const WIDE: Width = Width {
    destinations: 10_000,
    publishers: 100,
    codes: 100,
};
/// As many endpoints as lists are to stay fast with.
pub(crate) const LARGE: Width = Width {
    destinations: 100_000,
    publishers: 100,
    codes: 100,
};

pub(crate) async fn run(time: Duration) -> Result<()> {
    let receiver = Receiver::start()?;
    let (_narrow_world, narrow, narrow_templates) = start(&receiver, &NARROW).await?;
    let (_wide_world, wide, wide_templates) = start(&receiver, &WIDE).await?;
    let numbers = Numbers::default();
    let round = time / (2 * ROUNDS);
    let mut cost = Pair::default();
    let mut rate = Pair::default();
    for turn in 0..=ROUNDS {
        let few = measure(&receiver, &narrow, &narrow_templates, round, &numbers).await?;
        let many = measure(&receiver, &wide, &wide_templates, round, &numbers).await?;
        // The first turn warms up.
        if turn > 0 {
            rate.add(few.0, many.0);
            cost.add(few.1, many.1);
        }
    }
    let (missing, repeated) = receiver.check(0..numbers.given(), u8::try_from(FAN_OUT)?);
    figures::head("10", "10,000");
    rate.print_rate("events/s, published and delivered", None);
    cost.print_growth("hub CPU, µs an event", Some("≤ 1.2"));
    println!(
        "  {} events to {FAN_OUT} destinations each: {missing} missing, {repeated} repeated; memory {:.0} and {:.0} MiB",
        numbers.given(),
        narrow.process.memory_mib()?.0,
        wide.process.memory_mib()?.0,
    );
    Ok(())
}

pub(crate) async fn start(
    receiver: &Receiver,
    width: &Width,
) -> Result<(World, Running, Rc<[Template]>)> {
    let world = World::new(&Engines::Embedded)?;
    let stepped = world.open().await?;
    let scope = stepped.scope;
    let mut publishers = Vec::new();
    for _ in 0..width.publishers {
        publishers.push(
            stepped
                .endpoint(&crate::world::publisher_definition())
                .await?,
        );
    }
    let mut destinations = Vec::new();
    let mut took_s = Vec::new();
    for place in 0..width.destinations {
        let url = format!("http://{}/d/{place}", receiver.address);
        let started = Instant::now();
        destinations.push(stepped.destination(&url).await?.id);
        took_s.push(started.elapsed().as_secs_f64());
    }
    stepped.server.stop().await;
    let started = Instant::now();
    subscribe(&world, scope, &publishers, &destinations, width).await?;
    let subscribed_s = started.elapsed().as_secs_f64();
    let running = world.serve().await?;
    let tenth = took_s.len().div_ceil(10);
    println!(
        "  {} destinations: each registered and described in {:.2} ms (the first tenth), {:.2} ms (the last); \
         {} subscriptions written in {subscribed_s:.1} s; start to ready {:.2} s",
        width.destinations,
        figures::median(&took_s[..tenth]) * 1e3,
        figures::median(&took_s[took_s.len() - tenth..]) * 1e3,
        width.publishers * width.codes * FAN_OUT,
        running.ready_after.as_secs_f64(),
    );
    let mut templates = Vec::new();
    for publisher in &publishers {
        for code in 0..width.codes {
            let body = sample::individual(&name(code));
            let post = request("POST", "/v1/event", &publisher.key, body.as_bytes());
            templates.push(Template::new(post));
        }
    }
    Ok((world, running, templates.into()))
}

fn name(code: usize) -> String {
    format!("bench{code:04}")
}

/// Writes event types and subscriptions in one transaction, as the verbs do one by one.
async fn subscribe(
    world: &World,
    scope: Scope,
    publishers: &[Party],
    destinations: &[EndpointId],
    width: &Width,
) -> Result<()> {
    let db = Db::open_sqlite(&world.data().join("rialto.db")).await?;
    let mut tx = db.begin().await?;
    let now = engine::Clock::System.now();
    let mut pair = 0;
    for publisher in publishers {
        for code in 0..width.codes {
            store::event_type::upsert(&mut tx, scope, &event_type(publisher.id, &name(code))?)
                .await?;
            for copy in 0..FAN_OUT {
                // Ten destinations that lie far apart, different ones for each pair of publisher and code.
                let place = (pair + copy * destinations.len() / FAN_OUT) % destinations.len();
                let subscription = Subscription {
                    id: model::SubscriptionId(0),
                    account: scope.0,
                    publisher: publisher.id,
                    code: name(code),
                    namespace: None,
                    destination: destinations[place],
                    enabled: true,
                    deleted: false,
                    spans: vec![model::subscription::Span { from: 0, to: None }],
                };
                store::subscription::insert(&mut tx, scope, &subscription, now).await?;
            }
            pair += 1;
        }
    }
    tx.commit().await?;
    Ok(())
}

fn event_type(endpoint: EndpointId, code: &str) -> Result<EventType> {
    let attributes = crate::world::event_type(code)["attributes"].take();
    Ok(EventType {
        id: model::EventTypeId(0),
        endpoint,
        code: code.to_owned(),
        name: code.to_owned(),
        description: None,
        namespace: "com.ibm.commerce.ubx".to_owned(),
        version: 1,
        registration: model::RegistrationType::Publish,
        attributes: serde_json::from_value(attributes)?,
        is_custom: true,
    })
}

/// Events a second until the last delivery, and the hub's CPU an event in microseconds.
pub(crate) async fn measure(
    receiver: &Receiver,
    hub: &Running,
    templates: &Rc<[Template]>,
    time: Duration,
    numbers: &Numbers,
) -> Result<(f64, f64)> {
    receiver.reset();
    let (before_s, started) = (hub.process.cpu_s()?, Instant::now());
    let done = load::closed(hub.address, templates, CONNECTIONS, time, numbers).await?;
    let all = done.events * FAN_OUT as u64;
    process::until("every delivery", PATIENCE, || receiver.received() >= all).await?;
    let cpu_s = hub.process.cpu_s()? - before_s;
    let rate = done.events as f64 / started.elapsed().as_secs_f64();
    Ok((rate, cpu_s * 1e6 / done.events as f64))
}
