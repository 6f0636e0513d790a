//! The pull subscriber of the demo: lists its event files, fetches each, and deletes what it has.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Method};

use super::stream;
use super::tally::Tally;
use crate::partner::{Partner, PartnerError};

/// Between two looks when there was nothing.
const PAUSE: Duration = Duration::from_millis(150);

/// Counts for the display.
#[derive(Default)]
pub(super) struct Fetched {
    pub(super) files: AtomicU64,
    pub(super) bytes: AtomicU64,
}

/// Fetches until it is dropped or something is refused.
///
/// # Errors
/// What the exchange refused.
pub(super) async fn fetch(
    exchange: &Partner,
    key: &str,
    tally: &Mutex<Tally>,
    fetched: &Fetched,
) -> PartnerError {
    loop {
        match round(exchange, key, tally, fetched).await {
            Ok(0) => tokio::time::sleep(PAUSE).await,
            Ok(_) => {}
            Err(error) => return error,
        }
    }
}

/// One list call and all files on it; answers how many there were.
async fn round(
    exchange: &Partner,
    key: &str,
    tally: &Mutex<Tally>,
    fetched: &Fetched,
) -> Result<usize, PartnerError> {
    let names = exchange.ask(Method::GET, "/v1/eventfiles", key, "").await?;
    let names: Vec<String> = serde_json::from_value(names).unwrap_or_default();
    for name in &names {
        let path = format!("/v1/eventfiles/{name}");
        let answer = exchange
            .call(Method::GET, &path, key, HeaderMap::new(), Bytes::new())
            .await?;
        let text = std::str::from_utf8(&answer.body).unwrap_or_default();
        let told = stream::read(text).map_err(|error| PartnerError::Odd {
            method: Method::GET,
            path: path.clone(),
            detail: error.to_string(),
        })?;
        fetched.files.fetch_add(1, Ordering::Relaxed);
        fetched
            .bytes
            .fetch_add(answer.body.len() as u64, Ordering::Relaxed);
        let now = Instant::now();
        exchange.ask(Method::DELETE, &path, key, "").await?;
        // Last, because the check may end this task as soon as everything has arrived.
        tally
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .arrive(&told, now);
    }
    Ok(names.len())
}
