//! One message of the stream is one batch: what is written into it, how it gets there, and how it is read again.
//!
//! The payload is the batch as every engine stores it; the header `Rialto-Batch` says `format records at`, `at` being
//! microseconds. `Nats-Msg-Id` is different for every batch and the same for every attempt to publish it.
//!
//! An answer can get lost, with its server or its connection. Then nobody knows whether the message was stored. So it is
//! published again under the same id, of which JetStream stores one, until there is a definite answer; any answer to any
//! of the attempts will do. Only when none comes in [`ANSWER_WITHIN`] the outcome stays unknown.

use std::sync::atomic::Ordering;
use std::time::Duration;

use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::message::StreamMessage;
use async_nats::jetstream::publish::PublishAck;
use async_nats::jetstream::stream::RawMessage;
use async_nats::{HeaderMap, HeaderValue, Request, header};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until};

use super::link::Trouble;
use super::stream::Stream;
use crate::log::LogError;
use crate::log::batch::{self, Batch, FRAME};

const BATCH: &str = "Rialto-Batch";

/// Bytes of a message that are not its payload, at most.
pub(super) const ENVELOPE_BYTES_MAX: usize = 1024;

/// How long a definite answer is tried for: when a leader dies, servers of 2.9 take 4 to 9 seconds to elect another.
const ANSWER_WITHIN: Duration = Duration::from_secs(12);

/// The same while nothing is answered at all: whoever comes then is told soon.
const SHORTLY: Duration = Duration::from_secs(2);

/// After so long without an answer a message is published again; JetStream answers in milliseconds.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// The same, when it was said that it is not a good moment.
const SOON: Duration = Duration::from_millis(100);

/// How long a copy near by may take to answer before the leader is asked.
const NEAR_WITHIN: Duration = Duration::from_secs(1);

/// What the header says: format, records, and when it was appended.
fn described(message: &StreamMessage) -> [i64; 3] {
    let header = message.headers.get(BATCH).map_or("", HeaderValue::as_str);
    let mut words = header.split(' ').map(|word| word.parse().ok());
    // A message that somebody else published has a format that nobody knows.
    [-1, -1, 0].map(|otherwise| words.next().flatten().unwrap_or(otherwise))
}

/// When the batch of a message was appended, in microseconds.
pub(super) fn at(message: &StreamMessage) -> i64 {
    described(message)[2]
}

/// The batch of a message.
pub(super) fn decode(message: &StreamMessage, seq: u64) -> Result<Batch, LogError> {
    let [format, records, at] = described(message);
    batch::decode(seq, at, format, records, &message.payload)
}

impl Stream {
    /// Publishes a batch and says which message it is. `lose_answer` is for tests: the first answer gets lost.
    ///
    /// # Errors
    /// [`Trouble::Unanswered`] if there is no definite answer in time: nobody knows then.
    pub(super) async fn publish(
        &self,
        subject: &str,
        batch: &Batch,
        stored: Bytes,
        mut lose_answer: bool,
    ) -> Result<u64, Trouble> {
        let mut headers = HeaderMap::new();
        let at = batch.appended_at().as_microsecond();
        headers.insert(BATCH, format!("{FRAME} {} {at}", batch.len()));
        // Inboxes are random: no other has this name.
        headers.insert(header::NATS_MESSAGE_ID, self.link.client.new_inbox());
        let is_down = self.is_down.load(Ordering::Relaxed);
        let within = if is_down { SHORTLY } else { ANSWER_WITHIN };
        let (mut attempts, mut connections) = (FuturesUnordered::new(), self.link.connections());
        let (mut again, until) = (Instant::now(), Instant::now() + within);
        loop {
            tokio::select! {
                biased;
                Some(answer) = attempts.next() => {
                    let is_definite = match &answer {
                        Ok(PublishAck { sequence, .. }) => *sequence > 0,
                        Err(Trouble::Unclear(_)) => false,
                        Err(trouble) => !trouble.heals(),
                    };
                    if is_definite && !std::mem::take(&mut lose_answer) {
                        self.is_down.store(false, Ordering::Relaxed);
                        return answer.map(|answer| answer.sequence);
                    }
                    again = again.min(Instant::now() + SOON);
                }
                Ok(()) = connections.changed() => again = Instant::now(),
                () = sleep_until(until) => {
                    self.is_down.store(true, Ordering::Relaxed);
                    return Err(Trouble::Unanswered);
                }
                // A message handed over without a connection would only wait in the client, and then go out twice.
                () = sleep_until(again) => if self.link.is_connected() {
                    again = Instant::now() + AGAIN_AFTER;
                    let request = Request::new().headers(headers.clone());
                    let request = request.payload(stored.clone()).timeout(None);
                    attempts.push(self.link.request(subject.to_owned(), request));
                } else {
                    again = Instant::now() + SOON;
                }
            }
        }
    }

    /// The message `number`, from the copy near by if it is to be trusted and has it, or else from the leader. `None` if
    /// the leader has no such message.
    pub(super) async fn message(&self, number: u64) -> Result<Option<StreamMessage>, Trouble> {
        let which = json!({ "seq": number });
        if self.reads_near {
            let near = format!("$JS.API.DIRECT.GET.{}", self.name);
            let request = Request::new().payload(which.to_string().into());
            let request = request.timeout(Some(NEAR_WITHIN));
            let near = self.link.client.send_request(near, request).await;
            // What says only that it has none is no message.
            if let Some(Ok(found)) = near.ok().map(StreamMessage::try_from) {
                return Ok(Some(found));
            }
        }
        self.get(&self.name, &which).await
    }

    /// A message of the stream `name`, as its leader has it. The second stream need not be there.
    pub(super) async fn get(
        &self,
        name: &str,
        which: &Value,
    ) -> Result<Option<StreamMessage>, Trouble> {
        #[derive(Deserialize)]
        struct Found {
            message: RawMessage,
        }
        match self.link.ask("MSG.GET", name, which).await {
            Ok(Found { message }) => message.try_into().map(Some).map_err(Trouble::Unclear),
            Err(trouble) if trouble.is(ErrorCode::NO_MESSAGE_FOUND) => Ok(None),
            Err(trouble) if trouble.is(ErrorCode::STREAM_NOT_FOUND) && name != self.name => {
                Ok(None)
            }
            Err(trouble) => Err(trouble),
        }
    }
}
