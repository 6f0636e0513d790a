//! Messages on their way: published, and not answered yet.
//!
//! An answer can get lost, with its server or its connection. Then nobody knows whether the message was stored. So it is
//! published again under the same id, of which JetStream stores one, until there is a definite answer; any answer to any
//! of the attempts will do. Only when none comes in [`ANSWER_WITHIN`] the outcome stays unknown.

use std::collections::BTreeMap;
use std::time::Duration;

use async_nats::{HeaderMap, Message, StatusCode, Subscriber};
use bytes::Bytes;
use futures_util::StreamExt;
use serde::Deserialize;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::link::{Refusal, Trouble};
use super::message;
use super::stream::Stream;
use crate::log::batch::Batch;

/// How long a definite answer is tried for: when a leader dies, servers of 2.9 take 4 to 9 seconds to elect another.
const ANSWER_WITHIN: Duration = Duration::from_secs(12);

/// The same while nothing is answered at all: whoever comes then is told soon.
const ANSWER_WITHIN_WHEN_DOWN: Duration = Duration::from_secs(2);

/// After so long without an answer a message is published again; JetStream answers in milliseconds.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// The same, when it was said that it is not a good moment.
const SOON: Duration = Duration::from_millis(100);

pub(super) struct Flights {
    stream: Stream,
    /// Answers come to subjects under this one.
    inbox: String,
    answers: Subscriber,
    connected: watch::Receiver<u64>,
    /// The start of every id, different for every handle that ever was.
    me: String,
    started: u64,
    /// How long an answer is tried for now.
    within: Duration,
    flying: BTreeMap<u64, Flight>,
}

struct Flight {
    headers: HeaderMap,
    payload: Bytes,
    again: Instant,
    until: Instant,
    /// For tests: the first answer gets lost.
    lose_answer: bool,
}

/// What JetStream answers to a message.
#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    seq: u64,
    error: Option<Refusal>,
}

impl Flights {
    pub(super) async fn new(stream: Stream) -> Result<Self, Trouble> {
        let client = &stream.link.client;
        let inbox = client.new_inbox();
        let answers = client.subscribe(format!("{inbox}.*")).await?;
        let me = inbox.rsplit('.').next().unwrap_or_default().to_owned();
        Ok(Self {
            connected: stream.link.connected.clone(),
            stream,
            inbox,
            answers,
            me,
            started: 0,
            within: ANSWER_WITHIN,
            flying: BTreeMap::new(),
        })
    }

    pub(super) fn len(&self) -> usize {
        self.flying.len()
    }

    /// Publishes a batch; `after` as for [`message::headers`]. The answer comes from [`Flights::next`], with the number
    /// that is returned.
    pub(super) async fn start(
        &mut self,
        batch: &Batch,
        payload: Bytes,
        after: Option<u64>,
        lose_answer: bool,
    ) -> u64 {
        self.started += 1;
        let id = format!("{}-{}", self.me, self.started);
        let now = Instant::now();
        let flight = Flight {
            headers: message::headers(batch, &id, after),
            payload,
            again: now,
            until: now + self.within,
            lose_answer,
        };
        self.flying.insert(self.started, flight);
        self.publish(self.started).await;
        self.started
    }

    /// Waits for the next definite answer: which message, and its number in the stream. For as long as there are any;
    /// nothing is lost if the future is dropped.
    pub(super) async fn next(&mut self) -> (u64, Result<u64, Trouble>) {
        loop {
            let due = |flight: &Flight| flight.again.min(flight.until);
            let Some(due) = self.flying.values().map(due).min() else {
                return std::future::pending().await;
            };
            tokio::select! {
                biased;
                Some(answer) = self.answers.next() => {
                    if let Some(done) = self.answered(&answer) {
                        return done;
                    }
                }
                Ok(()) = self.connected.changed() => {
                    for flight in self.flying.values_mut() {
                        flight.again = Instant::now();
                    }
                }
                () = sleep_until(due) => {
                    if let Some(done) = self.publish_again().await {
                        return done;
                    }
                }
            }
        }
    }

    fn answered(&mut self, message: &Message) -> Option<(u64, Result<u64, Trouble>)> {
        let number = message.subject.rsplit('.').next()?.parse().ok()?;
        // An earlier attempt may have been answered.
        let flight = self.flying.get_mut(&number)?;
        let answer = match message.status {
            // Nobody leads the stream just now.
            Some(StatusCode::NO_RESPONDERS) => None,
            _ => serde_json::from_slice::<Answer>(&message.payload).ok(),
        };
        let result = match answer {
            Some(Answer {
                error: Some(refusal),
                ..
            }) if !refusal.heals() => Err(Trouble::Refused(refusal)),
            Some(Answer { error: None, seq }) if seq > 0 => Ok(seq),
            _ => {
                flight.again = flight.again.min(Instant::now() + SOON);
                return None;
            }
        };
        if std::mem::take(&mut flight.lose_answer) {
            flight.again = Instant::now();
            return None;
        }
        self.flying.remove(&number);
        self.within = ANSWER_WITHIN;
        Some((number, result))
    }

    async fn publish_again(&mut self) -> Option<(u64, Result<u64, Trouble>)> {
        let now = Instant::now();
        let over = self.flying.iter().find(|(_, flight)| flight.until <= now);
        if let Some(number) = over.map(|(number, _)| *number) {
            self.flying.remove(&number);
            self.within = ANSWER_WITHIN_WHEN_DOWN;
            return Some((number, Err(Trouble::Unanswered)));
        }
        let due = |(number, flight): (&u64, &Flight)| (flight.again <= now).then_some(*number);
        for number in self.flying.iter().filter_map(due).collect::<Vec<_>>() {
            self.publish(number).await;
        }
        None
    }

    async fn publish(&mut self, number: u64) {
        let Some(flight) = self.flying.get_mut(&number) else {
            return;
        };
        if !self.stream.link.is_connected() {
            // A message handed over now would only wait in the client, and then go out twice.
            flight.again = Instant::now() + SOON;
            return;
        }
        flight.again = Instant::now() + AGAIN_AFTER;
        let published = self.stream.link.client.publish_with_reply_and_headers(
            self.stream.subject.clone(),
            format!("{}.{number}", self.inbox),
            flight.headers.clone(),
            flight.payload.clone(),
        );
        // Its queue may be full while the connection hangs: the next attempt is soon enough.
        if !matches!(tokio::time::timeout(SOON, published).await, Ok(Ok(()))) {
            flight.again = Instant::now() + SOON;
        }
    }
}
