//! The publisher of the demo: the bundled stream, one call a line, several calls at a time.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use engine::Clock;
use http::{HeaderMap, Method};
use serde_json::Value;

use super::stream;
use super::tally::Tally;
use crate::partner::{self, Partner, PartnerError};

/// Calls under way at once, as a busy shop has.
const LANES: usize = 16;
/// Between two calls of the shop that goes on.
const PACE: Duration = Duration::from_millis(250);
/// When an exchange that is busy does not say how long to wait.
const PAUSE: Duration = Duration::from_millis(200);

/// Counts for the display.
#[derive(Default)]
pub(super) struct Published {
    pub(super) calls: AtomicU64,
    /// As the exchange counted them.
    pub(super) events: AtomicU64,
    /// Microseconds from the first call to the last answer.
    pub(super) micros: AtomicU64,
    pub(super) is_done: AtomicBool,
}

/// A refusal, for people.
pub(super) struct Refusal {
    pub(super) status: u16,
    /// Pointer and sentence.
    pub(super) errors: Vec<(String, String)>,
}

/// Publishes one call that breaks rules, to see what a refusal says.
pub(super) async fn publish_malformed(
    exchange: &Partner,
    key: &str,
) -> Result<Refusal, PartnerError> {
    let body = Bytes::from_static(stream::MALFORMED.trim_ascii_end().as_bytes());
    let answer = exchange
        .call(Method::POST, "/v1/event", key, HeaderMap::new(), body)
        .await?;
    let problem: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let text = |error: &Value, name: &str| error[name].as_str().unwrap_or_default().to_owned();
    let errors = problem["errors"].as_array().into_iter().flatten();
    Ok(Refusal {
        status: answer.status.as_u16(),
        errors: errors
            .map(|error| (text(error, "pointer"), text(error, "message")))
            .collect(),
    })
}

/// Publishes the whole stream.
///
/// # Errors
/// The first call that was refused, or got no answer.
pub(super) async fn publish(
    exchange: &Partner,
    key: &str,
    tallies: &[Arc<Mutex<Tally>>],
    published: &Arc<Published>,
) -> Result<(), PartnerError> {
    let started = Instant::now();
    let calls: Arc<Vec<&'static str>> = Arc::new(stream::calls().collect());
    let next = Arc::new(AtomicUsize::new(0));
    let mut lanes = tokio::task::JoinSet::new();
    for _ in 0..LANES {
        let (exchange, key) = (exchange.clone(), key.to_owned());
        let (calls, next) = (Arc::clone(&calls), Arc::clone(&next));
        let (tallies, published) = (tallies.to_vec(), Arc::clone(published));
        lanes.spawn(async move {
            loop {
                let call = next.fetch_add(1, Ordering::Relaxed);
                let Some(body) = calls.get(call) else {
                    return Ok(());
                };
                for tally in &tallies {
                    let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
                    tally.begin(call, Instant::now());
                }
                let taken =
                    publish_one(&exchange, &key, Bytes::from_static(body.as_bytes())).await?;
                published.calls.fetch_add(1, Ordering::Relaxed);
                published.events.fetch_add(taken, Ordering::Relaxed);
                let micros = started.elapsed().as_micros();
                let micros = u64::try_from(micros).unwrap_or(u64::MAX);
                published.micros.fetch_max(micros, Ordering::Relaxed);
            }
        });
    }
    while let Some(lane) = lanes.join_next().await {
        match lane {
            Ok(done) => done?,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
    published.is_done.store(true, Ordering::Relaxed);
    Ok(())
}

/// Publishes the stream again and again, at the pace of a shop that people visit, for whoever looks on. Never ends: what
/// cannot be published just now is left out.
pub(super) async fn go_on(exchange: &Partner, key: &str) -> ! {
    loop {
        for body in stream::calls().filter_map(stream::again) {
            tokio::time::sleep(PACE).await;
            let _ = publish_one(exchange, key, body.into()).await;
        }
    }
}

/// Answers how many events were taken.
async fn publish_one(exchange: &Partner, key: &str, body: Bytes) -> Result<u64, PartnerError> {
    loop {
        let bytes = body.clone();
        let answer = exchange
            .call(Method::POST, "/v1/event", key, HeaderMap::new(), bytes)
            .await?;
        match answer.status.as_u16() {
            200 => {
                let answer: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
                return Ok(answer["accepted"].as_u64().unwrap_or_default());
            }
            // Nothing of the call was taken: it is made again.
            429 | 503 => {
                let wait = answer.retry_after(Clock::System.now());
                tokio::time::sleep(wait.unwrap_or(PAUSE)).await;
            }
            status => {
                return Err(PartnerError::Refused {
                    method: Method::POST,
                    path: "/v1/event".to_owned(),
                    status,
                    detail: partner::detail(&answer),
                });
            }
        }
    }
}
