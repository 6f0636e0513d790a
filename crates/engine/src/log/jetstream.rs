//! The JetStream engine of `Log`: a stream for each shard, one message for each batch.
//!
//! Any number of processes append to the same stream; JetStream puts their batches into one order. What it promises
//! depends on its settings (replicas, `sync_interval`): `docs/delivery.md` says what, [`Log::promises`] what can be seen
//! of them from here.
//!
//! Two things are weaker here than in an engine of one process:
//! - An append that ends in [`LogError::Unavailable`] may be in the log all the same, or get there a moment later, when
//!   no definite answer came in time.
//! - Times of batches that several processes write at the same moment may go back by as much as their clocks differ. A
//!   read never shows that; a search by time may be off by as much.
//!
//! Processes tell each other of what they append, on a subject of plain NATS that is not stored. That takes about as
//! long as the way there and back. It may get lost with a connection, so the stream's leader is asked as well from time
//! to time.
//!
//! - `link`: the connection.
//! - `stream`: the stream of a shard, and what is asked of it.
//! - `message`: a batch as a message.
//! - `pieces`: which number of ours a message has.
//! - `rewrite`: batches that were rewritten.
//!
//! [`Log::promises`]: super::Log::promises

mod link;
mod message;
mod pieces;
mod rewrite;
mod stream;

use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_nats::Subscriber;
use async_nats::jetstream::message::StreamMessage;
use async_nats::jetstream::stream::Info;
use futures_util::StreamExt;
use futures_util::future::join_all;
use jiff::Timestamp;

use super::batch::{self, Batch, Encoded};
use super::engine::{self, Engine, Landed};
use super::{Ends, LogError, LogOptions};
pub use link::JetStream;
use link::Trouble;
use message::ENVELOPE_BYTES_MAX;
use pieces::{Numbering, PIECES_MAX};
use stream::Stream;

/// The least that messages of a server have to hold.
const PAYLOAD_BYTES_MIN: usize = 64 << 10;

/// Messages that are asked for at once. Enough to hide the way to the server and back.
const READ_AT_ONCE: usize = 16;

/// A batch compresses to about a quarter: only to guess how many to ask for.
const UNPACKED: u64 = 4;

/// A log in a JetStream stream.
#[derive(Debug)]
pub(super) struct JetStreamLog {
    stream: Stream,
    known: Mutex<Known>,
    told: tokio::sync::Mutex<Subscriber>,
    promises: Vec<String>,
}

/// What is known of the stream. It may be behind, never ahead: all that it says is there was acknowledged.
#[derive(Clone, Debug, Default)]
struct Known {
    numbering: Numbering,
    /// The log's oldest message; one more than `last` if there is none.
    first: u64,
    /// The newest that was ever there.
    last: u64,
    bytes: u64,
    /// When the newest message was appended that was there at the start, in microseconds.
    appended_at: i64,
}

impl Known {
    fn ends(&self) -> Ends {
        Ends {
            first_seq: self.numbering.ours(self.first).max(self.numbering.emptied),
            next_seq: self.numbering.ours(self.last + 1),
            bytes: self.bytes,
            oldest: None,
        }
    }

    fn state(&self) -> engine::State {
        engine::State {
            ends: self.ends(),
            appended_at: self.appended_at,
        }
    }

    /// Takes over what the leader says. It is not believed to have fewer messages than were acknowledged.
    fn update(&mut self, info: &Info, numbering: Numbering) {
        self.last = self.last.max(info.state.last_sequence);
        let first = match numbering.kept {
            0 if info.state.messages == 0 => self.last + 1,
            0 => info.state.first_sequence,
            kept => kept,
        };
        self.first = self.first.max(first);
        self.bytes = info.state.bytes;
        self.numbering = numbering;
    }

    /// Messages from the number `seq` of ours on, with their numbers: so many that about `bytes` are in them.
    fn messages(&self, seqs: &Range<u64>, batches: usize, bytes: usize) -> Vec<(u64, u64)> {
        let start = self.numbering.stream(seqs.start.max(self.ends().first_seq));
        let average = self.bytes / (self.last + 1 - self.first).max(1) * UNPACKED;
        let likely = (bytes as u64 / average.max(1)).saturating_add(1);
        let likely = usize::try_from(likely).unwrap_or(READ_AT_ONCE);
        (start..=self.last)
            .map(|number| (number, self.numbering.ours(number)))
            .take_while(|(_, seq)| *seq < seqs.end)
            .take(batches.min(likely).min(READ_AT_ONCE))
            .collect()
    }
}

impl JetStreamLog {
    /// Opens the stream, making it if it is not there. Answers options with batches that fit into its messages.
    pub(super) async fn open(
        link: &JetStream,
        shard: u32,
        mut options: LogOptions,
    ) -> Result<(Self, LogOptions), LogError> {
        let payload = link.client.max_payload();
        if payload < PAYLOAD_BYTES_MIN {
            return Err(Trouble::Unfit(format!(
                "the server takes messages of {payload} bytes; a log needs a `max_payload` of 64 KiB or more"
            )).into());
        }
        // So that also what does not compress fits; compression then adds a 256th, and some bytes.
        let fits = (payload - 4 * ENVELOPE_BYTES_MAX) / 257 * 256;
        options.batch_bytes_max = options.batch_bytes_max.min(fits);
        let stream = Stream::new(link, shard);
        let info = stream.open().await?;
        let told = link.client.subscribe(stream.tail_subject.clone()).await;
        let told = told.map_err(Trouble::from)?;
        let log = Self {
            promises: stream.promises(&info, payload),
            told: told.into(),
            stream,
            known: Mutex::default(),
        };
        log.refresh().await?;
        let last = log.known().last;
        if last > 0 {
            let (_, at) = log.time_of(last).await?;
            log.known().appended_at = at.max(0);
        }
        Ok((log, options))
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the stream's leader for its state, and takes it over.
    async fn refresh(&self) -> Result<Info, LogError> {
        let info = self.stream.state().await?;
        let numbering = self.stream.numbering(&info)?;
        self.known().update(&info, numbering);
        Ok(info)
    }

    /// A message of the stream was acknowledged, and has this number of ours.
    fn learn(&self, number: u64) -> u64 {
        let mut known = self.known();
        known.last = known.last.max(number);
        known.numbering.ours(number)
    }

    /// The batch `seq`, which is or was the message `number`; `None` if it was trimmed.
    async fn stored(&self, number: u64, seq: u64) -> Result<Option<StreamMessage>, LogError> {
        if let Some(stored) = self.stream.message(number).await? {
            return Ok(Some(stored));
        }
        let info = self.refresh().await?;
        if self.known().ends().first_seq > seq {
            return Ok(None);
        }
        if let Some(stored) = self.stream.rewritten(seq).await? {
            return Ok(Some(stored));
        }
        if info.state.last_sequence < number {
            return Err(Trouble::Behind(number).into());
        }
        let what = "the stream has later messages, but not this one";
        Err(LogError::Corrupt { seq, what })
    }

    async fn batch(&self, number: u64, seq: u64) -> Option<Result<Arc<Batch>, LogError>> {
        let stored = self.stored(number, seq).await.transpose()?;
        Some(stored.and_then(|stored| message::decode(&stored, seq).map(Arc::new)))
    }

    /// The message's batch and when it was appended: trimmed, or lost, is older than everything.
    async fn time_of(&self, number: u64) -> Result<(u64, i64), LogError> {
        let seq = self.known().numbering.ours(number);
        match self.stored(number, seq).await {
            Ok(Some(stored)) => Ok((seq, message::at(&stored))),
            Ok(None) | Err(LogError::Corrupt { .. }) => Ok((seq, i64::MIN)),
            Err(error) => Err(error),
        }
    }
}

impl Engine for JetStreamLog {
    const BATCHES_MAX: usize = 1;
    /// Enough to keep the servers busy, and few enough that appends meanwhile gather into larger batches.
    const AT_ONCE: usize = 4;
    /// How long a batch may stay unknown of which nobody told.
    const ASKED_EVERY: Option<Duration> = Some(Duration::from_millis(250));

    async fn state(&self) -> Result<engine::State, LogError> {
        self.refresh().await?;
        Ok(self.known().state())
    }

    async fn latest(&self) -> Result<engine::State, LogError> {
        self.stream.check_majority(&self.refresh().await?)?;
        Ok(self.known().state())
    }

    async fn append(&self, batches: Vec<Encoded>, lose_answer: bool) -> Result<Landed, LogError> {
        let bytes_max = self.stream.link.client.max_payload();
        let mut landed = Landed {
            batches: Vec::with_capacity(batches.len()),
            bytes: 0,
        };
        for Encoded { batch, frame } in batches {
            if frame.len() + ENVELOPE_BYTES_MAX > bytes_max {
                return Err(LogError::TooLarge {
                    records: batch.len(),
                    bytes: frame.len(),
                    bytes_max: bytes_max.saturating_sub(ENVELOPE_BYTES_MAX),
                });
            }
            landed.bytes += frame.len() as u64;
            let (subject, frame) = (&self.stream.subject, frame.into());
            let number = self.stream.publish(subject, &batch, frame, lose_answer);
            let seq = self.learn(number.await?);
            landed.batches.push(Arc::new(batch.numbered(seq)));
        }
        Ok(landed)
    }

    async fn read(
        &self,
        seqs: Range<u64>,
        batches_max: usize,
        bytes_max: usize,
    ) -> Result<Vec<Arc<Batch>>, LogError> {
        loop {
            let wanted = self.known().messages(&seqs, batches_max, bytes_max);
            let found = wanted.iter().map(|(number, seq)| self.batch(*number, *seq));
            let found = batch::sound(join_all(found).await.into_iter().flatten().collect())?;
            // If all were trimmed meanwhile, the log begins later now.
            if wanted.is_empty() || !found.is_empty() {
                return Ok(found);
            }
        }
    }

    async fn time_at(&self, seq: u64) -> Result<Option<(u64, i64)>, LogError> {
        let (number, last) = {
            let known = self.known();
            (known.numbering.stream(seq), known.last)
        };
        if number > last {
            return Ok(None);
        }
        self.time_of(number).await.map(Some)
    }

    async fn trim(&self, before_seq: u64) -> Result<u64, LogError> {
        self.refresh().await?;
        let known = self.known().clone();
        let (mut numbering, ends) = (known.numbering.clone(), known.ends());
        if before_seq <= ends.first_seq || ends.first_seq == ends.next_seq {
            return Ok(0);
        }
        let purge_to = numbering.stream(before_seq).min(known.last);
        // Without a last message that counts as trimmed and was left by an earlier trim.
        let mut gone = purge_to.saturating_sub(numbering.stream(ends.first_seq));
        self.stream.purge(&self.stream.name, purge_to).await?;
        if numbering.kept > 0 {
            self.stream.trim_rewritten(before_seq).await?;
            numbering.kept = purge_to;
        }
        if before_seq >= ends.next_seq {
            numbering.emptied = ends.next_seq;
            gone += 1;
        }
        if numbering != known.numbering {
            self.stream.renumber(&numbering).await?;
        }
        Ok(gone)
    }

    async fn rewrite(&self, batches: Vec<Arc<Batch>>) -> Result<(), LogError> {
        let info = self.refresh().await?;
        self.stream.prepare_rewrite(&info).await?;
        let Known {
            mut numbering,
            first,
            ..
        } = self.known().clone();
        if numbering.kept == 0 {
            numbering.kept = first;
            self.stream.renumber(&numbering).await?;
            self.refresh().await?;
        }
        let first_seq = self.known().ends().first_seq;
        let kept = batches.into_iter().filter(|batch| batch.seq() >= first_seq);
        let kept = kept.map(Arc::unwrap_or_clone).collect();
        for Encoded { batch, frame } in batch::encode(kept).await? {
            let number = numbering.stream(batch.seq());
            self.stream.put_rewritten(&batch, frame).await?;
            self.stream.delete(&self.stream.name, number).await?;
        }
        Ok(())
    }

    /// A stream that has no message might forget where it was.
    fn is_kept(&self, seq: u64) -> bool {
        let known = self.known();
        known.numbering.stream(seq) >= known.last
    }

    async fn probe(&self) -> Result<(), LogError> {
        let info = self.refresh().await?;
        self.stream.check_majority(&info)?;
        Ok(self.stream.check_room(&info)?)
    }

    async fn skip_to(&self, next_seq: u64) -> Result<(), LogError> {
        let Known {
            mut numbering,
            last,
            ..
        } = self.known().clone();
        let info = self.stream.state().await?;
        if info.state.last_sequence != last {
            return Err(Trouble::Behind(last).into());
        }
        numbering.forget(info.state.first_sequence);
        if !numbering.skip(last + 1, next_seq) {
            let what = format!("a log has room for {PIECES_MAX} gaps in its numbers");
            return Err(Trouble::Unfit(what).into());
        }
        Ok(self.stream.renumber(&numbering).await?)
    }

    async fn tell(&self, seq: u64, at: Timestamp) {
        let number = self.known().numbering.stream(seq);
        let text = format!("{number} {}", at.as_microsecond());
        let link = &self.stream.link;
        if link.is_connected() {
            // Whoever misses it asks.
            let subject = self.stream.tail_subject.clone();
            let _ = link.client.publish(subject, text.into()).await;
        }
    }

    async fn told(&self) -> (u64, i64) {
        while let Some(message) = self.told.lock().await.next().await {
            let text = std::str::from_utf8(&message.payload).unwrap_or_default();
            if let Some((number, at)) = text.split_once(' ')
                && let (Ok(number), Ok(at)) = (number.parse(), at.parse())
            {
                return (self.learn(number), at);
            }
        }
        // The connection was closed.
        std::future::pending().await
    }

    fn promises(&self) -> Vec<String> {
        self.promises.clone()
    }

    async fn snapshot(&self, _to: &Path) -> Result<(), LogError> {
        let what = "a log in JetStream is copied with the tools of NATS: `nats stream backup`";
        Err(Trouble::Unfit(what.to_owned()).into())
    }
}
