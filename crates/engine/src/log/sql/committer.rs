//! The committer: the thread that makes appends durable, many in one commit.
//!
//! It takes all that waits, writes it in one transaction, and then answers every caller. A commit that
//! fails leaves a question: is it in the log or not? The committer opens the file anew and looks.
//! If the batches are there (and what can be seen has been synced), the callers get their
//! positions. If not, it writes a repair, so that they cannot turn up later, and the callers get the
//! error. While even that is impossible, every append is refused after one attempt to repair;
//! the first that succeeds brings the log back. So nothing acknowledged is lost, and nothing refused
//! appears, and nobody has to restart anything.

use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use super::Shared;
use super::checkpoint::Checkpointer;
use super::table::{Sealed, Table};
use crate::clock::Clock;
use crate::log::batch::{Batch, Encoder};
use crate::log::error::Source;
use crate::log::front::{Ending, Front};
use crate::log::queue::{self, Call, Chore};
use crate::log::tail::Tail;
use crate::log::{Ends, LogError, LogOptions};
use crate::sqlite::Readers;
use jiff::Timestamp;

/// Numbers passed over when it is not known which was the last: more than a log gives out in its life.
const GAP: u64 = 1 << 32;

pub(super) struct Committer {
    shared: Arc<Shared>,
    /// None after a failure that could not be repaired yet.
    table: Option<Table>,
    encoder: Encoder,
    checkpointer: Checkpointer,
    next_seq: u64,
    /// The newest batch; the numbers between it and `next_seq` were passed over.
    last_seq: u64,
    /// Microseconds. Batches never go back in time, whatever the clock does.
    last_at: i64,
    /// Held for as long as anything is written.
    _lock: File,
}

impl Committer {
    /// Opens the log and starts its thread. Blocks.
    pub(super) fn start(
        path: &Path,
        lock: File,
        options: LogOptions,
        clock: Clock,
    ) -> Result<Arc<Shared>, LogError> {
        let mut table = Table::open(path)?;
        let (ends, last_at) = take_up(&mut table, &clock)?;
        let last_seq = table.last_seq()?.unwrap_or(ends.next_seq - 1);
        let shared = Arc::new(Shared {
            path: path.to_owned(),
            front: Front::new(&options, clock, ends.next_seq),
            tail: Mutex::new(Tail::new(options.tail_bytes_max)),
            options,
            ends: Mutex::new(ends),
            readers: Readers::new(path),
        });
        let committer = Self {
            shared: Arc::clone(&shared),
            table: Some(table),
            encoder: Encoder::new().map_err(LogError::unavailable)?,
            checkpointer: Checkpointer::start(path).map_err(LogError::unavailable)?,
            next_seq: ends.next_seq,
            last_seq,
            last_at,
            _lock: lock,
        };
        let thread = std::thread::Builder::new().name("log-commit".into());
        // Dropped last, after the connection and the lock.
        let ending = Ending(Arc::clone(&shared.front));
        let run = move || {
            let _ending = ending;
            committer.run();
        };
        thread.spawn(run).map_err(LogError::unavailable)?;
        Ok(shared)
    }

    fn run(mut self) {
        while let Some(work) = self.shared.front.queue.take() {
            if !work.batches.is_empty() {
                self.append(work.batches);
            }
            // Whoever has gone needs no answer.
            match work.chore {
                Some(Chore::Trim { before_seq, answer }) => {
                    let _ = answer.send(self.trim(before_seq));
                }
                Some(Chore::Rewrite { batches, answer }) => {
                    let _ = answer.send(self.rewrite(&batches));
                }
                Some(Chore::Scrub { take, answer }) => {
                    let _ = answer.send(self.scrub(take));
                }
                Some(Chore::Probe { answer }) => {
                    let _ = answer.send(self.table().map(drop));
                }
                Some(Chore::Import { batches, answer }) => {
                    let _ = answer.send(self.import(&batches));
                }
                Some(Chore::SkipTo { next_seq, answer }) => {
                    let _ = answer.send(self.skip_to(next_seq));
                }
                None => {}
            }
        }
        self.checkpoint();
    }

    fn append(&mut self, groups: Vec<Vec<Call>>) {
        let started = Instant::now();
        match self
            .seal(&groups)
            .and_then(|sealed| self.store(&sealed).map(|()| sealed))
        {
            Ok(sealed) => {
                self.publish(&sealed);
                self.shared.options.tell(groups.iter().flatten(), started);
                for (calls, Sealed { batch, .. }) in groups.into_iter().zip(&sealed) {
                    queue::answer(calls, batch);
                }
            }
            Err(error) => {
                queue::refuse(groups.into_iter().flatten(), &error);
            }
        }
    }

    fn seal(&mut self, groups: &[Vec<Call>]) -> Result<Vec<Sealed>, LogError> {
        let micros = self
            .shared
            .front
            .clock
            .now()
            .as_microsecond()
            .max(self.last_at);
        let at = Timestamp::from_microsecond(micros).map_err(LogError::unavailable)?;
        let (mut sealed, mut last_seq) = (Vec::with_capacity(groups.len()), self.last_seq);
        for (seq, group) in (self.next_seq..).zip(groups) {
            let batch = Batch::new(seq, at, group.iter().flat_map(|call| &call.records));
            sealed.push(self.seal_one(Arc::new(batch), last_seq)?);
            last_seq = seq;
        }
        Ok(sealed)
    }

    fn seal_one(&mut self, batch: Arc<Batch>, last_seq: u64) -> Result<Sealed, LogError> {
        let gap = batch.seq().saturating_sub(last_seq + 1);
        let stored = self.encoder.encode_sealed(&batch, gap);
        let stored = stored.map_err(LogError::unavailable)?;
        Ok(Sealed { batch, stored })
    }

    /// Makes batches durable, or makes sure that they are not in the log.
    fn store(&mut self, sealed: &[Sealed]) -> Result<(), LogError> {
        let fault = self.shared.options.faults.of_commit();
        let Err(error) = self.table()?.insert(sealed, fault) else {
            return Ok(());
        };
        let error: Source = Arc::new(error);
        tracing::error!(
            error = &*error as &dyn std::error::Error,
            "a commit of the log failed"
        );
        if self.settle(sealed).unwrap_or(false) {
            Ok(())
        } else {
            Err(LogError::Unavailable(error))
        }
    }

    /// After a failed commit: opens the file anew and says whether `tried` is in it. If not, makes
    /// sure that it will not be, or leaves the log without a table until that is possible.
    fn settle(&mut self, tried: &[Sealed]) -> rusqlite::Result<bool> {
        self.table = None;
        let mut table = Table::open(&self.shared.path)?;
        let there = !tried.is_empty() && table.holds(tried)?;
        if !there {
            // Also a trim may have been what failed, and may have happened.
            self.show_ends(&table)?;
            table.repair(self.next_seq, self.shared.options.faults.of_chore())?;
            self.show_ends(&table)?;
        }
        self.table = Some(table);
        Ok(there)
    }

    /// The table, repaired if need be.
    fn table(&mut self) -> Result<&mut Table, LogError> {
        if self.table.is_none() {
            self.settle(&[])?;
            tracing::info!("the log can be written again");
        }
        self.table.as_mut().ok_or(LogError::Closed)
    }

    /// Shows durable batches to readers.
    fn publish(&mut self, sealed: &[Sealed]) {
        let mut stored = 0;
        for Sealed {
            batch,
            stored: bytes,
        } in sealed
        {
            stored += bytes.len();
            self.next_seq = batch.seq() + 1;
            self.last_seq = batch.seq();
            self.last_at = batch.appended_at().as_microsecond();
            self.shared.tail().push(Arc::clone(batch));
        }
        {
            let mut ends = self.shared.ends();
            ends.next_seq = self.next_seq;
            ends.bytes += stored as u64;
            ends.oldest = ends
                .oldest
                .or(sealed.first().map(|sealed| sealed.batch.appended_at()));
        }
        self.shared.front.show_end(self.next_seq);
        if self.checkpointer.wrote(stored) {
            self.checkpoint();
        }
    }

    fn checkpoint(&self) {
        if let Some(Err(error)) = self.table.as_ref().map(Table::checkpoint) {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "the log could not be checkpointed yet");
        }
    }

    fn trim(&mut self, before_seq: u64) -> Result<u64, LogError> {
        let (next_seq, last_at) = (self.next_seq, self.last_at);
        let fault = self.shared.options.faults.of_chore();
        let trimmed = self
            .table()?
            .trim(before_seq.min(next_seq), next_seq, last_at, fault);
        let gone = self.settled(trimmed)?;
        if gone > 0
            && let Some(table) = &self.table
        {
            self.show_ends(table)?;
        }
        Ok(gone)
    }

    fn rewrite(&mut self, batches: &[Arc<Batch>]) -> Result<(), LogError> {
        let fault = self.shared.options.faults.of_chore();
        self.table()?;
        let Some(table) = &mut self.table else {
            return Err(LogError::Closed);
        };
        let encoder = &mut self.encoder;
        let over = |batch: &Batch, format, stored: &[u8]| {
            let bytes = encoder.encode_over(batch, format, stored);
            bytes.map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
        };
        let rewritten = table.rewrite(batches, fault, over);
        self.settled(rewritten)?;
        for batch in batches {
            self.shared.tail().replace(batch);
        }
        Ok(())
    }

    fn scrub(&mut self, take: bool) -> Result<bool, LogError> {
        let fault = self.shared.options.faults.of_chore();
        let scrubbed = self.table()?.scrub(take, fault);
        self.settled(scrubbed)
    }

    /// What a chore that writes came to: after one that failed, the file is opened anew.
    fn settled<T>(&mut self, done: rusqlite::Result<T>) -> Result<T, LogError> {
        if done.is_err() {
            drop(self.settle(&[]));
        }
        Ok(done?)
    }

    fn import(&mut self, batches: &[Arc<Batch>]) -> Result<(), LogError> {
        LogError::check_import(batches, self.next_seq)?;
        let mut last_seq = self.last_seq;
        let mut sealed = Vec::with_capacity(batches.len());
        for batch in batches {
            let batch = Batch::not_before(batch, self.last_at);
            self.last_at = batch.appended_at().as_microsecond();
            sealed.push(self.seal_one(batch, last_seq)?);
            last_seq = sealed.last().map_or(last_seq, |sealed| sealed.batch.seq());
        }
        self.store(&sealed)?;
        self.publish(&sealed);
        Ok(())
    }

    fn skip_to(&mut self, next_seq: u64) -> Result<(), LogError> {
        LogError::check_skip(next_seq, self.next_seq)?;
        let table = self.table()?;
        table.go_on_at(next_seq)?;
        self.next_seq = next_seq;
        if let Some(table) = &self.table {
            self.show_ends(table)?;
        }
        self.shared.front.show_end(next_seq);
        Ok(())
    }

    /// Shows what there is now at the old end.
    fn show_ends(&self, table: &Table) -> rusqlite::Result<()> {
        let (mut ends, _) = table.ends()?;
        // What was refused and not yet repaired is not there.
        ends.next_seq = self.next_seq;
        ends.first_seq = ends.first_seq.min(self.next_seq);
        self.shared.tail().trim(ends.first_seq);
        *self.shared.ends() = ends;
        Ok(())
    }
}

/// Where the log goes on, and the time of its last batch in microseconds.
fn take_up(table: &mut Table, clock: &Clock) -> Result<(Ends, i64), LogError> {
    let newest = table.newest()?;
    let (mut ends, mut last_at) = table.ends()?;
    match newest {
        // A newer release was here: its batches are sound, and must not be passed over as if they were damaged.
        Some((found, Err(error))) => {
            LogError::check_format(found)?;
            // Its number and its time may be anything: no number is given out twice, and no batch gets a time to come.
            let error = &error as &dyn std::error::Error;
            tracing::error!(
                error,
                "the newest batch of the log is damaged; numbering goes on behind a gap"
            );
            last_at = last_at.min(clock.now().as_microsecond());
            table.go_on_at(ends.next_seq + GAP)?;
            (ends, _) = table.ends()?;
        }
        Some((_, Ok(()))) | None => {}
    }
    if Timestamp::from_microsecond(last_at).is_err() {
        last_at = clock.now().as_microsecond();
    }
    Ok((ends, last_at))
}
