//! What is the same in every log: calls wait and are put into batches, what is in memory is read from there, others are
//! followed, and batches are found by time.
//!
//! ```text
//!   append ──► queue ──► committer ──► engine ──► memory ──► answers
//!   read  ◄── memory ◄── engine
//!   follow (a task, where other processes append too) ──► memory
//! ```
//!
//! [`Log`](super::Log) calls a [`Handle`] of whichever engine it has.

use std::ops::{Deref, Range};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use jiff::Timestamp;
use tokio::sync::watch;

use super::batch::{self, Batch, Encoded};
use super::engine::{Engine, Landed};
use super::memory::Memory;
use super::position::Position;
use super::queue::{self, Call, Queue, Work};
use super::{Appended, Ends, Fault, LogError, LogOptions};
use crate::clock::Clock;

/// Who waits behind an append that failed after so long has waited long enough, too.
const REFUSED_AFTER: Duration = Duration::from_secs(1);

/// Of so many times to ask for news, one is used for a log that nobody follows: for its figures only.
const IDLE: u32 = 40;

/// A log. Its committer and its follower have it, and all clones of a [`Handle`].
#[derive(Debug)]
pub(super) struct Core<E> {
    engine: E,
    options: LogOptions,
    clock: Clock,
    queue: Queue,
    memory: Mutex<Memory>,
    /// Where the log ends, for readers: only grows.
    next_seq: watch::Sender<u64>,
    /// Becomes true when the committer has ended.
    ended: watch::Sender<bool>,
}

impl<E: Engine> Core<E> {
    pub(super) async fn append(&self, records: Vec<Vec<u8>>) -> Result<Appended, LogError> {
        if records.is_empty() {
            return Ok(Appended {
                first: Position::new(*self.next_seq.borrow(), 0),
                at: self.clock.now(),
            });
        }
        let (call, answered) = Call::new(records)?;
        self.queue.push(call)?;
        answered.await.unwrap_or(Err(LogError::Closed))
    }

    pub(super) async fn read(
        &self,
        from_seq: u64,
        batches_max: usize,
        bytes_max: usize,
    ) -> Result<Vec<Arc<Batch>>, LogError> {
        let next_seq = self.ends().next_seq;
        let (mut batches, mut next, mut bytes) = (Vec::new(), from_seq, 0);
        while next < next_seq
            && batches.len() < batches_max
            && (batches.is_empty() || bytes < bytes_max)
        {
            let left = (batches_max - batches.len(), bytes_max.saturating_sub(bytes));
            match self.read_some(next..next_seq, left.0, left.1).await {
                Ok(found) => {
                    let Some(last) = found.last() else { break };
                    next = last.seq() + 1;
                    bytes += found.iter().map(|batch| batch.bytes()).sum::<usize>();
                    batches.extend(found);
                }
                // Those before it are well; the next read meets it first.
                Err(_) if !batches.is_empty() => break,
                Err(error) => return Err(error),
            }
        }
        Ok(bounded(batches, batches_max, bytes_max))
    }

    /// From memory what is there, or else from the engine.
    async fn read_some(
        &self,
        seqs: Range<u64>,
        batches_max: usize,
        bytes_max: usize,
    ) -> Result<Vec<Arc<Batch>>, LogError> {
        let edition = {
            let memory = self.memory();
            let start = seqs.start.max(memory.ends.first_seq);
            let kept = memory.read(start, batches_max, bytes_max);
            if !kept.is_empty() {
                return Ok(kept);
            }
            memory.edition()
        };
        let found = self.engine.read(seqs, batches_max, bytes_max).await?;
        self.memory().keep(&found, edition);
        Ok(found)
    }

    /// Slice by slice: appends go on in between.
    pub(super) async fn trim(&self, before_seq: u64) -> Result<u64, LogError> {
        let mut gone = 0;
        loop {
            self.turn().await?;
            let slice = self.engine.trim(before_seq).await;
            // Also one that failed may have happened.
            let seen = self.refresh().await;
            match slice? {
                0 => return Ok(gone),
                slice => gone += slice,
            }
            seen?;
        }
    }

    pub(super) async fn rewrite(&self, batches: Vec<Arc<Batch>>) -> Result<(), LogError> {
        self.turn().await?;
        if batches.iter().any(|batch| self.engine.is_kept(batch.seq())) {
            self.append(vec![Vec::new()]).await?;
        }
        let rewritten = self.engine.rewrite(batches).await;
        // Also what failed may have been done in part.
        self.memory().forget();
        rewritten
    }

    /// Step by step, as [`Core::trim`]: first everything that is free is taken, then it is given back.
    pub(super) async fn scrub(&self) -> Result<(), LogError> {
        for take in [true, false] {
            loop {
                self.turn().await?;
                if !self.engine.scrub(take).await? {
                    break;
                }
            }
        }
        Ok(())
    }

    pub(super) async fn health(&self) -> Result<(), LogError> {
        let probe = async {
            self.turn().await?;
            self.engine.probe().await
        };
        match tokio::time::timeout(E::HEALTH_MAX, probe).await {
            Ok(answer) => answer,
            Err(elapsed) => Err(LogError::unavailable(elapsed)),
        }
    }

    pub(super) async fn import(&self, batches: Vec<Arc<Batch>>) -> Result<(), LogError> {
        self.turn().await?;
        self.refresh().await?;
        LogError::check_import(&batches, self.ends().next_seq)?;
        for run in batches.chunk_by(|one, next| one.seq() + 1 == next.seq()) {
            if run[0].seq() != self.ends().next_seq {
                self.engine.skip_to(run[0].seq()).await?;
                self.refresh().await?;
            }
            let mut last_at = self.memory().last_at;
            let placed = run.iter().map(|batch| {
                let batch = Batch::not_before(batch, last_at);
                last_at = batch.appended_at().as_microsecond();
                Batch::clone(&batch)
            });
            let placed = batch::encode(placed.collect()).await?;
            self.land(&self.engine.append(placed, false).await?);
        }
        Ok(())
    }

    pub(super) async fn skip_to(&self, next_seq: u64) -> Result<(), LogError> {
        self.turn().await?;
        self.refresh().await?;
        LogError::check_skip(next_seq, self.ends().next_seq)?;
        if next_seq != self.ends().next_seq {
            self.engine.skip_to(next_seq).await?;
        }
        self.refresh().await
    }

    /// The first batch at or after `at`, by bisection: times never go back.
    pub(super) async fn find_time(&self, at: Timestamp) -> Result<u64, LogError> {
        // The first microsecond that is not before `at`.
        let micros = at.as_microsecond() + i64::from(at.subsec_nanosecond() % 1000 > 0);
        let ends = self.ends();
        let (mut low, mut high) = (ends.first_seq, ends.next_seq);
        while low < high {
            let middle = roundest(low, high);
            match self.time_at(middle).await? {
                // In a damaged file what is found may lie before the middle.
                Some((seq, time)) if time < micros => low = seq.saturating_add(1).max(middle + 1),
                _ => high = middle,
            }
        }
        // Trimmed meanwhile is older than everything.
        Ok(low.min(ends.next_seq).max(self.ends().first_seq))
    }

    async fn time_at(&self, seq: u64) -> Result<Option<(u64, i64)>, LogError> {
        let known = self.memory().time_at(seq);
        if known.is_some() {
            return Ok(known);
        }
        let found = self.engine.time_at(seq).await?;
        if let Some(found) = found {
            self.memory().remember(seq, found);
        }
        Ok(found)
    }

    pub(super) async fn latest(&self) -> Result<u64, LogError> {
        if E::ASKED_EVERY.is_some() {
            self.learn(self.engine.latest().await?).await?;
        }
        Ok(self.ends().next_seq)
    }

    pub(super) fn ends(&self) -> Ends {
        self.memory().ends
    }

    pub(super) fn tail(&self) -> watch::Receiver<u64> {
        self.next_seq.subscribe()
    }

    pub(super) fn forget(&self) {
        self.memory().forget();
    }

    pub(super) fn promises(&self) -> Vec<String> {
        self.engine.promises()
    }

    pub(super) async fn snapshot(&self, to: &Path) -> Result<(), LogError> {
        self.engine.snapshot(to).await
    }

    /// Takes nothing more; answers when all that was queued is worked off.
    pub(super) async fn close(&self) {
        self.queue.close();
        // The sender lives in `self`, so the only way out is the committer's end.
        let _ = self.ended.subscribe().wait_for(|ended| *ended).await;
    }

    /// Waits until it is the turn of something else than appends.
    async fn turn(&self) -> Result<(), LogError> {
        self.queue.turn()?.await.map_err(|_| LogError::Closed)?;
        match self.options.faults.of_chore() {
            Some(fault) if !E::HAS_FAULTS => Err(LogError::injected(fault)),
            _ => Ok(()),
        }
    }

    /// Asks the engine where the log begins and ends.
    async fn refresh(&self) -> Result<(), LogError> {
        let state = self.engine.state().await?;
        self.learn(state).await
    }

    async fn learn(&self, mut state: super::engine::State) -> Result<(), LogError> {
        let ends = &mut state.ends;
        if ends.oldest.is_none() && ends.first_seq < ends.next_seq {
            let found = self.time_at(ends.first_seq).await?;
            ends.oldest = found.and_then(|(_, at)| Timestamp::from_microsecond(at).ok());
        }
        self.memory().learn(&state);
        self.show_end();
        Ok(())
    }

    fn land(&self, landed: &Landed) {
        self.memory().land(landed);
        self.show_end();
    }

    /// Shows followers where the log ends now.
    fn show_end(&self) {
        let next_seq = self.ends().next_seq;
        self.next_seq.send_if_modified(|known| {
            let is_news = *known < next_seq;
            *known = next_seq.max(*known);
            is_news
        });
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes batches of calls, one for each group.
    async fn encode(&self, groups: &[Vec<Call>]) -> Result<Vec<Encoded>, LogError> {
        let micros = {
            let mut memory = self.memory();
            memory.last_at = memory.last_at.max(self.clock.now().as_microsecond());
            memory.last_at
        };
        let at = Timestamp::from_microsecond(micros).map_err(LogError::unavailable)?;
        let batches = groups
            .iter()
            .map(|calls| Batch::new(0, at, calls.iter().flat_map(|call| &call.records)));
        batch::encode(batches.collect()).await
    }

    /// Makes the batches of calls durable, and answers these.
    async fn commit(
        &self,
        started: Instant,
        groups: Vec<Vec<Call>>,
        batches: Result<Vec<Encoded>, LogError>,
    ) {
        let landed = match batches {
            Ok(batches) => self.store(batches).await,
            Err(error) => Err(error),
        };
        match landed {
            Ok(landed) => {
                self.land(&landed);
                self.options.tell(groups.iter().flatten(), started);
                for (calls, batch) in groups.into_iter().zip(&landed.batches) {
                    queue::answer(calls, batch);
                }
                for batch in &landed.batches {
                    self.engine.tell(batch.seq(), batch.appended_at()).await;
                }
            }
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "an append to the log failed"
                );
                if started.elapsed() >= REFUSED_AFTER {
                    self.queue.refuse_waiting(&LogError::unavailable(Behind));
                }
                queue::refuse(groups.into_iter().flatten(), &error);
            }
        }
    }

    async fn store(&self, batches: Vec<Encoded>) -> Result<Landed, LogError> {
        let fault = if E::HAS_FAULTS {
            None
        } else {
            self.options.faults.of_commit()
        };
        match fault {
            Some(fault @ (Fault::DiskFull | Fault::SyncFailed)) => Err(LogError::injected(fault)),
            _ => self.engine.append(batches, fault.is_some()).await,
        }
    }
}

/// Cuts off what is beyond the bounds. Batches that several processes wrote at the same moment may have times that go
/// back by what their clocks differ: no reader sees that.
fn bounded(batches: Vec<Arc<Batch>>, batches_max: usize, bytes_max: usize) -> Vec<Arc<Batch>> {
    let (mut bytes, mut floor) = (0, i64::MIN);
    let within = batches.into_iter().take(batches_max).take_while(|batch| {
        let more = bytes < bytes_max || bytes == 0;
        bytes += batch.bytes();
        more
    });
    within
        .map(|batch| {
            let batch = Batch::not_before(&batch, floor);
            floor = batch.appended_at().as_microsecond();
            batch
        })
        .collect()
}

/// The number in `low..high` that most powers of two divide. Not quite the middle, but searches over ranges that move
/// along ask for the same numbers, and find them remembered.
fn roundest(low: u64, high: u64) -> u64 {
    let mut number = high - 1;
    while number > 0 && number & (number - 1) >= low {
        number &= number - 1;
    }
    number
}

#[derive(Debug, thiserror::Error)]
#[error("the appends before this one failed after a long time; this one is not in the log")]
struct Behind;

/// What the clones of a log share. Lets the committer finish when the last of them is gone.
#[derive(Debug)]
pub(super) struct Handle<E>(Arc<Core<E>>);

impl<E: Engine> Handle<E> {
    /// Opens the log on an engine, and starts its tasks.
    pub(super) async fn open(
        engine: E,
        options: LogOptions,
        clock: Clock,
    ) -> Result<Arc<Self>, LogError> {
        let state = engine.state().await?;
        let core = Arc::new(Core {
            engine,
            clock,
            queue: Queue::new(&options),
            memory: Mutex::new(Memory::new(&state, options.tail_bytes_max)),
            next_seq: watch::Sender::new(state.ends.next_seq),
            ended: watch::Sender::new(false),
            options,
        });
        core.learn(state).await?;
        let committer = run(Arc::clone(&core));
        if E::BLOCKS {
            let runtime = tokio::runtime::Builder::new_current_thread().build();
            let runtime = runtime.map_err(LogError::unavailable)?;
            let thread = std::thread::Builder::new().name("log-commit".into());
            let started = thread.spawn(move || runtime.block_on(committer));
            started.map_err(LogError::unavailable)?;
        } else {
            tokio::spawn(committer);
        }
        if let Some(every) = E::ASKED_EVERY {
            tokio::spawn(follow(Arc::downgrade(&core), every));
        }
        Ok(Arc::new(Self(core)))
    }
}

impl<E> Drop for Handle<E> {
    fn drop(&mut self) {
        self.0.queue.close();
    }
}

impl<E> Deref for Handle<E> {
    type Target = Core<E>;

    fn deref(&self) -> &Core<E> {
        &self.0
    }
}

/// Held by a committer: however it ends, nobody is left waiting for it.
struct Ending<E>(Arc<Core<E>>);

impl<E> Drop for Ending<E> {
    fn drop(&mut self) {
        self.0.queue.abandon();
        self.0.ended.send_replace(true);
    }
}

/// The committer: hands what waits to the engine, as much at once as that takes, until the log is closed and all is done.
async fn run<E: Engine>(core: Arc<Core<E>>) {
    let ending = Ending(Arc::clone(&core));
    // In the order in which they were taken: so they begin.
    let mut flying = FuturesUnordered::new();
    while !(flying.is_empty() && core.queue.has_ended()) {
        tokio::select! {
            biased;
            Some(()) = flying.next() => {}
            () = core.queue.ready(), if flying.len() < E::AT_ONCE && !core.queue.has_ended() => {
                let Some(Work { batches, turns }) = core.queue.try_take(E::BATCHES_MAX) else {
                    continue;
                };
                if !batches.is_empty() {
                    let started = Instant::now();
                    let encoded = core.encode(&batches).await;
                    flying.push(core.commit(started, batches, encoded));
                }
                if !turns.is_empty() {
                    while flying.next().await.is_some() {}
                }
                for turn in turns {
                    // Whoever has gone needs no answer.
                    let _ = turn.send(());
                }
            }
            // It was closed between the two looks.
            else => {}
        }
    }
    core.engine.close().await;
    drop(ending);
}

/// Learns what other processes append: they tell, or are asked after, while somebody follows the log.
async fn follow<E: Engine>(core: Weak<Core<E>>, every: Duration) {
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut count: u32 = 0;
    while let Some(core) = core.upgrade() {
        tokio::select! {
            (seq, at) = core.engine.told() => {
                core.memory().hear(seq, at);
                core.show_end();
            }
            _ = ticks.tick() => {
                count = count.wrapping_add(1);
                if core.next_seq.receiver_count() > 0 || count.is_multiple_of(IDLE) {
                    // What is in the way is told to those who read or append.
                    if let Ok(state) = core.engine.news().await {
                        let _ = core.learn(state).await;
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_roundest_number_is_one_of_the_range() {
        for (low, high, expected) in [
            (1, 2, 1),
            (5, 6, 5),
            (1, 3, 2),
            (1, 100, 64),
            (90, 200, 128),
            (7, 9, 8),
            (0, 9, 0),
        ] {
            assert_eq!(roundest(low, high), expected, "{low}..{high}");
        }
        for low in 0..40 {
            for high in low + 1..80 {
                assert!((low..high).contains(&roundest(low, high)), "{low}..{high}");
            }
        }
    }
}
