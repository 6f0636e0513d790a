//! One message of the stream is one batch: what is written into it, and how it is read again.
//!
//! The payload is the batch as every engine stores it; the header `Rialto-Batch` says `format records at`, `at` being
//! microseconds. `Nats-Msg-Id` is different for every batch and the same for every attempt to publish it.

use std::time::Duration;

use async_nats::{HeaderMap, Request, RequestErrorKind};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Value, json};

use super::link::{Refusal, Trouble};
use super::stream::Stream;
use crate::log::LogError;
use crate::log::batch::{self, Batch, FRAME};

const BATCH: &str = "Rialto-Batch";
const ID: &str = "Nats-Msg-Id";
const AFTER: &str = "Nats-Expected-Last-Sequence";

/// Bytes of a message that are not its payload, at most.
pub(super) const ENVELOPE_BYTES_MAX: usize = 1024;

/// How long a copy near by may take to answer before the leader is asked.
const NEAR_WITHIN: Duration = Duration::from_secs(1);

/// The headers of a batch. `after`: refuse it unless this is the stream's last message.
pub(super) fn headers(batch: &Batch, id: &str, after: Option<u64>) -> HeaderMap {
    let mut headers = described(batch);
    headers.insert(ID, id);
    if let Some(after) = after {
        headers.insert(AFTER, after.to_string());
    }
    headers
}

/// Only what describes the batch.
pub(super) fn described(batch: &Batch) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let at = batch.appended_at().as_microsecond();
    headers.insert(BATCH, format!("{FRAME} {} {at}", batch.len()));
    headers
}

/// A message as it was read: the batch, not decoded yet.
pub(super) struct Stored {
    format: i64,
    records: i64,
    /// Microseconds.
    pub(super) at: i64,
    payload: Bytes,
}

impl Stored {
    fn new(header: Option<&str>, payload: Bytes) -> Self {
        let mut words = header.unwrap_or_default().split(' ').map(str::parse);
        // A message that somebody else published has a format that nobody knows.
        let mut word = |otherwise| words.next().and_then(Result::ok).unwrap_or(otherwise);
        Self {
            format: word(-1),
            records: word(-1),
            at: word(0),
            payload,
        }
    }

    pub(super) fn decode(&self, seq: u64) -> Result<Batch, LogError> {
        batch::decode(seq, self.at, self.format, self.records, &self.payload)
    }
}

impl Stream {
    /// The message `number`, from the copy near by if it is to be trusted and has it, or else from the leader. `None` if
    /// the leader has no such message.
    pub(super) async fn message(&self, number: u64) -> Result<Option<Stored>, Trouble> {
        let body = json!({ "seq": number });
        if self.reads_near
            && let Some(stored) = self.message_near(&body).await?
        {
            return Ok(Some(stored));
        }
        let get = format!("STREAM.MSG.GET.{}", self.name);
        match self.link.ask(&get, &body).await {
            Ok(answer) => Ok(Some(unpack(&answer["message"]))),
            Err(trouble) if trouble.is(Refusal::NO_MESSAGE) => Ok(None),
            Err(trouble) => Err(trouble),
        }
    }

    async fn message_near(&self, body: &Value) -> Result<Option<Stored>, Trouble> {
        let request = Request::new()
            .payload(body.to_string().into())
            .timeout(Some(NEAR_WITHIN));
        let subject = format!("$JS.API.DIRECT.GET.{}", self.name);
        match self.link.client.send_request(subject, request).await {
            Ok(message) if message.status.is_none() => {
                let headers = message.headers.as_ref();
                let header = headers.and_then(|headers| headers.get(BATCH));
                let header = header.map(async_nats::HeaderValue::as_str);
                Ok(Some(Stored::new(header, message.payload)))
            }
            Err(error) if error.kind() == RequestErrorKind::Other => Err(error.into()),
            _ => Ok(None),
        }
    }
}

/// A message as the leader's API gives it: text in Base64.
pub(super) fn unpack(message: &Value) -> Stored {
    let bytes = |name: &str| {
        let text = message[name].as_str().unwrap_or_default();
        STANDARD.decode(text).unwrap_or_default()
    };
    let headers = bytes("hdrs");
    let headers = String::from_utf8_lossy(&headers);
    let header = headers
        .lines()
        .find_map(|line| line.strip_prefix(BATCH)?.strip_prefix(':'));
    Stored::new(header.map(str::trim), bytes("data").into())
}
