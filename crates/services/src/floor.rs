//! The least that a program must do to make batches durable in PostgreSQL or JetStream: what benchmarks compare with.
//!
//! Called by the benchmarks of `server`, in a process of their own. Nothing here parses, groups, or remembers anything:
//! the same bytes go to the server again and again, so many calls at once.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio_postgres::NoTls;

/// What went wrong, for a person to read.
pub type Failure = Box<dyn Error + Send + Sync>;

/// Inserts `body` as a row of its own table again and again, each in a commit of its own, on so many connections.
/// Returns rows a second.
///
/// # Errors
/// What the server or the connection says.
pub async fn insert(
    url: &str,
    body: &[u8],
    at_once: usize,
    time: Duration,
) -> Result<f64, Failure> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    let table = "DROP TABLE IF EXISTS floor; CREATE TABLE floor (seq BIGINT PRIMARY KEY, body BYTEA NOT NULL);
                 ALTER TABLE floor ALTER COLUMN body SET STORAGE EXTERNAL";
    client.batch_execute(table).await?;
    let next = Arc::new(AtomicU64::new(0));
    let started = Instant::now();
    let mut tasks = Vec::new();
    for _ in 0..at_once {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
        tokio::spawn(connection);
        let (next, body) = (Arc::clone(&next), body.to_vec());
        tasks.push(tokio::spawn(async move {
            let insert = client.prepare("INSERT INTO floor VALUES ($1, $2)").await?;
            while started.elapsed() < time {
                let seq = next.fetch_add(1, Ordering::Relaxed).cast_signed();
                client.execute(&insert, &[&seq, &body]).await?;
            }
            Ok::<_, tokio_postgres::Error>(())
        }));
    }
    for task in tasks {
        task.await??;
    }
    Ok(per_second(&next, started))
}

/// Publishes `body` to a stream of its own again and again, each acknowledged, so many at once. Returns messages a
/// second.
///
/// # Errors
/// What the servers or the connection say.
pub async fn publish(
    urls: &str,
    replicas: usize,
    body: &[u8],
    at_once: usize,
    time: Duration,
) -> Result<f64, Failure> {
    let addresses: Vec<&str> = urls.split(',').collect();
    let client = async_nats::connect(addresses).await?;
    let _ = ask(&client, "$JS.API.STREAM.DELETE.floor", "").await;
    let stream = format!(r#"{{"name":"floor","subjects":["floor"],"num_replicas":{replicas}}}"#);
    ask(&client, "$JS.API.STREAM.CREATE.floor", &stream).await?;
    let next = Arc::new(AtomicU64::new(0));
    let started = Instant::now();
    let mut tasks = Vec::new();
    for _ in 0..at_once {
        let (next, client) = (Arc::clone(&next), client.clone());
        let body = Bytes::copy_from_slice(body);
        tasks.push(tokio::spawn(async move {
            while started.elapsed() < time {
                check(&client.request("floor", body.clone()).await?.payload)?;
                next.fetch_add(1, Ordering::Relaxed);
            }
            Ok::<_, Failure>(())
        }));
    }
    for task in tasks {
        task.await??;
    }
    let rate = per_second(&next, started);
    ask(&client, "$JS.API.STREAM.DELETE.floor", "").await?;
    Ok(rate)
}

async fn ask(
    client: &async_nats::Client,
    subject: &'static str,
    body: &str,
) -> Result<(), Failure> {
    let body = Bytes::copy_from_slice(body.as_bytes());
    check(&client.request(subject, body).await?.payload)
}

/// What JetStream answers is JSON, with a member `error` if it refuses.
fn check(answer: &[u8]) -> Result<(), Failure> {
    let answer: serde_json::Value = serde_json::from_slice(answer)?;
    match answer.get("error") {
        Some(error) => Err(format!("JetStream refuses: {error}").into()),
        None => Ok(()),
    }
}

fn per_second(done: &AtomicU64, started: Instant) -> f64 {
    let done = u32::try_from(done.load(Ordering::Relaxed)).unwrap_or(u32::MAX);
    f64::from(done) / started.elapsed().as_secs_f64()
}
