//! The console where there is much: 10,000 endpoints, or 100,000, with 100,000 subscriptions and what flows between them. The
//! time of each page, from the first byte of the request to the last of the answer, one after another on one connection; and its bytes.
//! Next to them the floor: `/livez` on the same connection.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::Result;
use crate::figures::quantile;
use crate::http::{Connection, once, request};
use crate::load::{self, Numbers};
use crate::receiver::Receiver;
use crate::wide::{self, Width};
use crate::world::TOKEN;

const EMAIL: &str = "ada@example.com";
const PASSWORD: &str = "three old bridges in venice";
/// Enough for a 95th percentile.
const ROUNDS: usize = 200;
/// Publishers before the pages are asked for, so that there is something on them.
const CONNECTIONS: usize = 2;

/// What every page is to take at most.
const AIM_MS: f64 = 50.0;

/// The pages of an account that list, draw or offer what there is.
const PAGES: [&str; 31] = [
    "",
    "/flow",
    "/subscriptions",
    "/subscriptions?view=paths",
    "/subscriptions?to=crm",
    "/subscriptions/new",
    "/endpoints",
    "/endpoints?q=crm",
    "/endpoints/new",
    "/endpoints/1",
    "/event-types",
    "/schema-drift",
    "/events",
    "/deliveries",
    "/deliveries/causes",
    "/quarantine",
    "/segments",
    "/shares",
    "/shares/new",
    "/jobs",
    "/people",
    "/identities",
    "/identities/rules",
    "/privacy",
    "/suppressions",
    "/hashing",
    "/settings",
    "/settings/keys",
    "/notices",
    "/audit",
    "/test-drive",
];

pub(crate) async fn run(time: Duration, width: &Width) -> Result<()> {
    let receiver = Receiver::start()?;
    let (_world, hub, templates) = wide::start(&receiver, width).await?;
    let token = sign_in(hub.address).await?;
    let numbers = Numbers::default();
    load::closed(hub.address, &templates, CONNECTIONS, time / 2, &numbers).await?;
    let mut connection = Connection::open(hub.address).await?;
    let [page, bytes, middle, most] = ["page", "bytes", "p50 ms", "p95 ms"];
    println!("  {page:<28} {bytes:>10} {middle:>10} {most:>10}   aim p95 < {AIM_MS} ms");
    let floor = request("GET", "/livez", TOKEN, b"");
    measure(&mut connection, "(/livez)", &floor).await?;
    let mut slow = Vec::new();
    for rest in PAGES {
        let asked = format!(
            "GET /console/1{rest} HTTP/1.1\r\nhost: bench\r\naccept: text/html\r\ncookie: rialto_session={token}\r\n\r\n"
        );
        let name = if rest.is_empty() { "(the first)" } else { rest };
        if measure(&mut connection, name, asked.as_bytes()).await? >= AIM_MS {
            slow.push(name);
        }
    }
    match slow.as_slice() {
        [] => println!("  all {} pages are within the aim", PAGES.len()),
        slow => println!("  not within the aim: {}", slow.join(", ")),
    }
    Ok(())
}

/// The 95th percentile in milliseconds.
async fn measure(connection: &mut Connection, name: &str, asked: &[u8]) -> Result<f64> {
    let mut took_ms = Vec::with_capacity(ROUNDS);
    let mut bytes = 0;
    for _ in 0..ROUNDS {
        let started = Instant::now();
        let (status, body) = connection.call(asked).await?;
        took_ms.push(started.elapsed().as_secs_f64() * 1e3);
        bytes = body.len();
        if status != 200 {
            return Err(format!("{name}: {status}").into());
        }
    }
    let (middle, most) = (quantile(&took_ms, 0.5), quantile(&took_ms, 0.95));
    println!("  {name:<28} {bytes:>10} {middle:>10.2} {most:>10.2}");
    Ok(most)
}

/// The first person of the hub, by the form of the console; the token of their session.
async fn sign_in(hub: SocketAddr) -> Result<String> {
    let password = PASSWORD.replace(' ', "+");
    let form = format!("token={TOKEN}&name=Ada&email={EMAIL}&password={password}");
    let head = "sec-fetch-site: same-origin\r\ncontent-type: application/x-www-form-urlencoded";
    let (status, _) = once(hub, &post("/console/set-up", head, &form)).await?;
    if status != 303 {
        return Err(format!("the set-up page answered {status}").into());
    }
    let body = json!({ "email": EMAIL, "password": PASSWORD }).to_string();
    let asked = post(
        "/manage/v1/sessions",
        "content-type: application/json",
        &body,
    );
    let (status, answer) = once(hub, &asked).await?;
    let answer: serde_json::Value = serde_json::from_slice(&answer)?;
    let token = answer["token"].as_str().map(str::to_owned);
    token.ok_or_else(|| format!("signing in: {status} {answer}").into())
}

fn post(path: &str, head: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nhost: bench\r\n{head}\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}
