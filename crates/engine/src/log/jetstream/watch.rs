//! How a process learns of the batches that others append: they tell, and what was lost of that is asked for.
//!
//! Each process says the stream's number and the time of every batch that was acknowledged to it, on a subject of plain
//! NATS that is not stored. That takes about as long as the way there and back. It may get lost with a connection, so
//! while somebody follows the log, the stream's leader is asked as well from time to time.

use std::sync::{Arc, Weak};
use std::time::Duration;

use async_nats::{Message, Subscriber};
use futures_util::StreamExt;

use super::Shared;
use super::link::Trouble;
use super::stream::Stream;

/// How long a batch may stay unknown whose announcement got lost.
const ASKED_EVERY: Duration = Duration::from_millis(250);

/// The same for a log that nobody follows: for its figures only.
const ASKED_EVERY_IDLE: u32 = 40;

/// Watches until the log is dropped.
pub(super) async fn start(shared: &Arc<Shared>) -> Result<(), Trouble> {
    let stream = &shared.stream;
    let told = stream
        .link
        .client
        .subscribe(stream.tail_subject.clone())
        .await?;
    tokio::spawn(run(Arc::downgrade(shared), told));
    Ok(())
}

/// Tells the other processes of a batch.
pub(super) async fn tell(stream: &Stream, number: u64, at: i64) {
    if stream.link.is_connected() {
        let text = format!("{number} {at}");
        // Whoever misses it asks.
        let _ = stream
            .link
            .client
            .publish(stream.tail_subject.clone(), text.into())
            .await;
    }
}

async fn run(shared: Weak<Shared>, mut told: Subscriber) {
    let mut tick = tokio::time::interval(ASKED_EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut ticks: u32 = 0;
    loop {
        let message = tokio::select! {
            Some(message) = told.next() => Some(message),
            _ = tick.tick() => None,
        };
        let Some(shared) = shared.upgrade() else {
            return;
        };
        match message.as_ref().map(read) {
            Some(Some((number, at))) => {
                shared.view().learn(number, at, 0);
                shared.follow();
            }
            Some(None) => {}
            None => {
                ticks = ticks.wrapping_add(1);
                if shared.front.next_seq.receiver_count() > 0
                    || ticks.is_multiple_of(ASKED_EVERY_IDLE)
                {
                    // What is in the way is told to those who read or append.
                    let _ = shared.refresh().await;
                }
            }
        }
    }
}

fn read(message: &Message) -> Option<(u64, i64)> {
    let text = std::str::from_utf8(&message.payload).ok()?;
    let (number, at) = text.split_once(' ')?;
    Some((number.parse().ok()?, at.parse().ok()?))
}
