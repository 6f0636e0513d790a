//! The JetStream engine of `Log`: a stream for each shard, one message for each batch.
//!
//! ```text
//!   append ──► queue ──► committer (a task) ──► publish ──► JetStream ──► answers
//!                            │                    published again under the same id until there is an answer
//!                            ├──► view: what is known of the stream, the newest batches ──► read
//!                            └──► tells the other processes (`watch`)
//! ```
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
//! [`Log::promises`]: super::Log::promises

mod committer;
mod link;
mod message;
mod pieces;
mod reader;
mod rewrite;
mod stream;
mod view;
mod watch;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::batch::Batch;
use super::front::{Front, Handle};
use super::{Ends, LogError, LogOptions};
use crate::clock::Clock;
use async_nats::jetstream::stream::Info;
use committer::Committer;
use jiff::Timestamp;
pub use link::JetStream;
use link::Trouble;
use message::ENVELOPE_BYTES_MAX;
use pieces::PIECES_MAX;
use stream::Stream;
use view::View;

/// The least that messages of a server have to hold.
const PAYLOAD_BYTES_MIN: usize = 64 << 10;

/// A log in a JetStream stream. Clones share it.
#[derive(Clone, Debug)]
pub struct JetStreamLog {
    pub(super) handle: Arc<Handle<Shared>>,
}

/// What the log's handles and its tasks share.
#[derive(Debug)]
pub(super) struct Shared {
    stream: Stream,
    options: LogOptions,
    front: Arc<Front>,
    view: Mutex<View>,
    promises: Vec<String>,
}

impl JetStreamLog {
    pub(super) async fn open(
        link: &JetStream,
        shard: u32,
        mut options: LogOptions,
        clock: Clock,
    ) -> Result<Self, LogError> {
        let payload = link.client.max_payload();
        if payload < PAYLOAD_BYTES_MIN {
            return Err(Trouble::Unfit(format!(
                "the server takes messages of {payload} bytes; a log needs a `max_payload` of 64 KiB or more"
            ))
            .into());
        }
        // So that also what does not compress fits; compression then adds a 256th, and some bytes.
        let fits = (payload - 4 * ENVELOPE_BYTES_MAX) / 257 * 256;
        options.batch_bytes_max = options.batch_bytes_max.min(fits);
        let stream = Stream::new(link, shard);
        let state = stream.open().await?;
        let numbering = stream.numbering(&state)?;
        let view = View::new(numbering, options.tail_bytes_max);
        let shared = Arc::new(Shared {
            front: Front::new(&options, clock, view.next_seq()),
            promises: stream.promises(&state, payload),
            stream,
            options,
            view: Mutex::new(view),
        });
        watch::start(&shared).await?;
        shared.refresh().await?;
        let last = shared.view().last;
        if last > 0
            && let Some(at) = shared.time_of(last).await?
        {
            shared.view().last_at = at;
        }
        Committer::start(&shared)?;
        let handle = Handle::new(&shared.front, &shared);
        Ok(Self { handle })
    }

    pub(super) async fn read(
        &self,
        from_seq: u64,
        batches_max: usize,
        bytes_max: usize,
    ) -> Result<Vec<Arc<Batch>>, LogError> {
        self.handle.read(from_seq, batches_max, bytes_max).await
    }

    pub(super) fn ends(&self) -> Ends {
        self.handle.ends()
    }

    pub(super) async fn latest(&self) -> Result<u64, LogError> {
        let shared = &self.handle;
        let state = shared.refresh().await?;
        shared.stream.check_majority(&state)?;
        Ok(shared.ends().next_seq)
    }

    pub(super) async fn find_time(&self, at: Timestamp) -> Result<u64, LogError> {
        self.handle.find_time(at).await
    }

    pub(super) async fn health(&self) -> Result<(), LogError> {
        self.handle.front.probe().await
    }

    pub(super) fn promises(&self) -> Vec<String> {
        self.handle.promises.clone()
    }

    pub(super) fn snapshot(_to: &Path) -> Result<(), LogError> {
        let how = "a log in JetStream is copied with the tools of NATS: `nats stream backup`";
        Err(Trouble::Unfit(how.to_owned()).into())
    }
}

impl Shared {
    fn view(&self) -> MutexGuard<'_, View> {
        self.view.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ends(&self) -> Ends {
        self.view().ends()
    }

    /// Shows followers where the log ends now.
    fn follow(&self) {
        let next = self.view().next_seq();
        self.front.show_end(next);
    }

    /// Asks the stream's leader for its state, and takes it over.
    async fn refresh(&self) -> Result<Info, LogError> {
        let state = self.stream.state().await?;
        let numbering = self.stream.numbering(&state)?;
        let oldest = {
            let mut view = self.view();
            view.update(&state, numbering);
            view.numbering.stream(view.first_seq())
        };
        if oldest <= state.state.last_sequence {
            self.time_of(oldest).await?;
        }
        self.follow();
        Ok(state)
    }

    /// A batch of ours is the stream's message `stream`.
    async fn landed(&self, stream: u64, batch: Batch, bytes: usize) -> Arc<Batch> {
        let at = batch.appended_at().as_microsecond();
        let batch = {
            let mut view = self.view();
            view.learn(stream, at, bytes);
            let batch = Arc::new(batch.numbered(view.numbering.ours(stream)));
            view.cache(&batch);
            batch
        };
        self.follow();
        watch::tell(&self.stream, stream, at).await;
        batch
    }

    async fn trim(&self, before_seq: u64) -> Result<u64, LogError> {
        self.chore_fault()?;
        self.refresh().await?;
        let (next_seq, first_seq, purge_to) = {
            let view = self.view();
            let purge_to = view.numbering.stream(before_seq).min(view.last);
            (view.next_seq(), view.first_seq(), purge_to)
        };
        if before_seq <= first_seq || first_seq == next_seq {
            return Ok(0);
        }
        let mut numbering = self.view().numbering.clone();
        // Without a last message that counts as trimmed and was left by an earlier trim.
        let mut gone = purge_to.saturating_sub(numbering.stream(first_seq));
        self.stream.purge(&self.stream.name, purge_to).await?;
        if numbering.kept > 0 {
            self.stream.trim_rewritten(before_seq).await?;
            numbering.kept = purge_to;
        }
        if before_seq >= next_seq {
            numbering.emptied = next_seq;
            gone += 1;
        }
        if numbering != self.view().numbering {
            self.stream.renumber(&numbering).await?;
        }
        self.refresh().await?;
        Ok(gone)
    }

    async fn skip_to(&self, next_seq: u64) -> Result<(), LogError> {
        let (known, last, mut numbering) = {
            let view = self.view();
            (view.next_seq(), view.last, view.numbering.clone())
        };
        LogError::check_skip(next_seq, known)?;
        if next_seq == known {
            return Ok(());
        }
        let state = self.stream.state().await?;
        if state.state.last_sequence != last {
            return Err(Trouble::Behind(last).into());
        }
        numbering.forget(state.state.first_sequence);
        if !numbering.skip(last + 1, next_seq) {
            return Err(Trouble::Unfit(format!(
                "a log has room for {PIECES_MAX} gaps in its numbers"
            ))
            .into());
        }
        self.stream.renumber(&numbering).await?;
        self.refresh().await.map(drop)
    }

    async fn probe(&self) -> Result<(), LogError> {
        self.chore_fault()?;
        let state = self.refresh().await?;
        self.stream.check_majority(&state)?;
        Ok(self.stream.check_room(&state)?)
    }

    fn chore_fault(&self) -> Result<(), LogError> {
        match self.options.faults.of_chore() {
            Some(fault) => Err(LogError::injected(fault)),
            None => Ok(()),
        }
    }
}
