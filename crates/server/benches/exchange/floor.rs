//! The floors: the least that a program must do for the same outcome. Each is a role of this program in a process of
//! its own; see [`play`].

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use ::http::{Request, header};
use axum::routing::post;
use axum::{Json, Router};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::{Deserialize, Serialize};
use server::listener::{self, Listener};

use crate::Result;
use crate::process::own_cpu_s;
use crate::sample::{self, Template};

type Bare = Client<HttpConnector, Full<Bytes>>;

/// Plays a role until standard input ends, so that the parent can still read what the process used.
pub(crate) fn play(role: &str, arguments: &[String]) -> Result<()> {
    let argument = |at: usize| {
        let text = arguments.get(at).ok_or("a role lacks an argument")?;
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>(text.as_str())
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    match role {
        "role:handler" => runtime.block_on(handler())?,
        "role:append" => append(
            Path::new(argument(0)?),
            argument(1)?.parse()?,
            Duration::from_secs_f64(argument(2)?.parse()?),
        )?,
        "role:audience" => {
            crate::audience::bare(Path::new(argument(0)?), Path::new(argument(1)?))?;
        }
        "role:client" => runtime.block_on(client(
            argument(0)?.parse()?,
            argument(1)?.parse()?,
            argument(2)?.parse()?,
            argument(3)?.parse()?,
        ))?,
        "role:sync-and-post" => runtime.block_on(sync_and_post(
            Path::new(argument(0)?),
            argument(1)?.parse()?,
            Duration::from_secs_f64(argument(2)?.parse()?),
        ))?,
        #[cfg(feature = "distributed")]
        "role:insert" | "role:stream" => runtime.block_on(crate::engines::play(
            role,
            argument(0)?,
            argument(1)?.parse()?,
            Duration::from_secs_f64(argument(2)?.parse()?),
        ))?,
        other => return Err(format!("there is no {other}").into()),
    }
    std::io::stdin().read_line(&mut String::new())?;
    Ok(())
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "parsed like the hub's, and thrown away")]
struct Post {
    channel: String,
    identifiers: Vec<Identifier>,
    events: Vec<Event>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "parsed like the hub's, and thrown away")]
struct Identifier {
    name: String,
    value: String,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "parsed like the hub's, and thrown away")]
struct Event {
    code: String,
    timestamp: String,
    attributes: Vec<Attribute>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "parsed like the hub's, and thrown away")]
struct Attribute {
    name: String,
    value: Scalar,
    r#type: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
#[expect(dead_code, reason = "parsed like the hub's, and thrown away")]
enum Scalar {
    Number(f64),
    Text(String),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    accepted: usize,
    publication_id: &'static str,
}

/// An axum handler behind the hub's own listener: parses the same JSON into owned structs, stores nothing.
async fn handler() -> Result<()> {
    let take = async |Json(post): Json<Post>| {
        Json(Answer {
            accepted: post.events.len(),
            publication_id: "01234567-89ab-cdef-0123-456789abcdef",
        })
    };
    let router = Router::new().route("/v1/event", post(take));
    let socket = listener::bind(([127, 0, 0, 1], 0).into()).await?;
    let listener = Listener::serve(socket, router);
    println!("{}", listener.address);
    tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new())).await??;
    Ok(())
}

/// Writes groups of so many bytes to a file, each followed by `fdatasync`. Prints groups a second and CPU seconds a
/// group.
fn append(path: &Path, group_bytes: usize, time: Duration) -> Result<()> {
    let mut body = sample::individual(sample::CODE).into_bytes();
    body.resize(group_bytes.max(body.len()), b' ');
    let mut file = std::fs::File::create(path)?;
    let before_s = own_cpu_s()?;
    let started = Instant::now();
    let mut groups = 0.0;
    while started.elapsed() < time {
        file.write_all(&body[..group_bytes])?;
        file.sync_data()?;
        groups += 1.0;
    }
    let elapsed_s = started.elapsed().as_secs_f64();
    println!(
        "{} {}",
        groups / elapsed_s,
        (own_cpu_s()? - before_s) / groups
    );
    Ok(())
}

fn bare() -> Bare {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    Client::builder(TokioExecutor::new()).build(connector)
}

async fn send(client: &Bare, to: SocketAddr, body: Bytes) -> Result<()> {
    let request = Request::post(format!("http://{to}/v1/events"))
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(body))?;
    let answer = client.request(request).await?;
    answer.into_body().collect().await?;
    Ok(())
}

/// A bare pooled client: posts `count` bodies, numbered from `first`, with so many calls under way.
async fn client(to: SocketAddr, first: u64, count: u64, concurrency: u64) -> Result<()> {
    let client = bare();
    let next = Arc::new(AtomicU64::new(first));
    let mut tasks = Vec::new();
    for _ in 0..concurrency {
        let (client, next) = (client.clone(), Arc::clone(&next));
        tasks.push(tokio::spawn(async move {
            let template = Template::new(sample::delivered().into_bytes());
            let mut buffer = Vec::new();
            loop {
                let number = next.fetch_add(1, Relaxed);
                if number >= first + count {
                    return Ok::<_, Box<dyn std::error::Error + Send + Sync>>(());
                }
                let body = Bytes::copy_from_slice(template.numbered(number, &mut buffer));
                send(&client, to, body).await?;
            }
        }));
    }
    for task in tasks {
        task.await??;
    }
    println!("done");
    Ok(())
}

/// One `fdatasync` of an event and one bare post of it, one after the other. Prints the p50, p99 and p99.9 of the sum,
/// in seconds.
async fn sync_and_post(path: &Path, to: SocketAddr, time: Duration) -> Result<()> {
    let client = bare();
    let mut file = std::fs::File::create(path)?;
    // A number that nobody counts.
    let template = Template::new(sample::delivered().into_bytes());
    let body = Bytes::copy_from_slice(template.numbered(999_999_999, &mut Vec::new()));
    let mut took_s = Vec::new();
    let started = Instant::now();
    while started.elapsed() < time {
        let one = Instant::now();
        file.write_all(&body)?;
        file.sync_data()?;
        send(&client, to, body.clone()).await?;
        took_s.push(one.elapsed().as_secs_f64());
    }
    let quantile = |share| crate::figures::quantile(&took_s, share);
    println!("{} {} {}", quantile(0.5), quantile(0.99), quantile(0.999));
    Ok(())
}
