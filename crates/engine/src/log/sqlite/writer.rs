//! The writer: makes batches durable, all of an append in one commit.
//!
//! A commit that fails leaves a question: is it in the log or not? The writer opens the file anew and looks.
//! If the batches are there (and what can be seen has been synced), the append was done. If not, it writes a repair, so
//! that they cannot turn up later, and the append is refused. While even that is impossible, every append is refused
//! after one attempt to repair; the first that succeeds brings the log back. So nothing acknowledged is lost, and
//! nothing refused appears, and nobody has to restart anything.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;

use super::checkpoint::Checkpointer;
use super::table::{Sealed, Table};
use crate::clock::Clock;
use crate::log::batch::{self, Batch, Encoded, Encoder};
use crate::log::engine::{Landed, State};
use crate::log::error::Source;
use crate::log::faults::Faults;
use crate::log::{Ends, LogError};

/// Numbers passed over when it is not known which was the last: more than a log gives out in its life.
const GAP: u64 = 1 << 32;

pub(super) struct Writer {
    path: PathBuf,
    faults: Faults,
    /// None after a failure that could not be repaired yet.
    table: Option<Table>,
    encoder: Encoder,
    checkpointer: Checkpointer,
    /// As they were when the table was last seen.
    ends: Ends,
    next_seq: u64,
    /// The newest batch; the numbers between it and `next_seq` were passed over.
    last_seq: u64,
    /// When it was appended, in microseconds.
    last_at: i64,
    /// Held for as long as anything is written.
    _lock: File,
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Writer of {}", self.path.display())
    }
}

impl Writer {
    /// Opens the log, and starts its checkpointer. Blocks, as everything here.
    pub(super) fn open(
        path: PathBuf,
        lock: File,
        faults: Faults,
        clock: &Clock,
    ) -> Result<Self, LogError> {
        let mut table = Table::open(&path)?;
        let (ends, last_at) = take_up(&mut table, clock)?;
        let last_seq = table.last_seq()?.unwrap_or(ends.next_seq - 1);
        Ok(Self {
            faults,
            table: Some(table),
            encoder: Encoder::new().map_err(LogError::unavailable)?,
            checkpointer: Checkpointer::start(&path).map_err(LogError::unavailable)?,
            ends,
            next_seq: ends.next_seq,
            last_seq,
            last_at,
            _lock: lock,
            path,
        })
    }

    pub(super) fn state(&mut self) -> Result<State, LogError> {
        if let Some(table) = &self.table {
            (self.ends, _) = table.ends()?;
        }
        // What was refused and not yet repaired is not there.
        let ends = Ends {
            first_seq: self.ends.first_seq.min(self.next_seq),
            next_seq: self.next_seq,
            ..self.ends
        };
        Ok(State {
            ends,
            appended_at: self.last_at,
        })
    }

    pub(super) fn append(&mut self, batches: Vec<Encoded>) -> Result<Landed, LogError> {
        let sealed = self.seal(batches);
        self.store(&sealed)?;
        let mut bytes = 0;
        for Sealed { batch, stored } in &sealed {
            bytes += stored.len();
            self.next_seq = batch.seq() + 1;
            self.last_seq = batch.seq();
            self.last_at = batch.appended_at().as_microsecond();
        }
        if self.checkpointer.wrote(bytes) {
            self.checkpoint();
        }
        Ok(Landed {
            batches: sealed.into_iter().map(|sealed| sealed.batch).collect(),
            bytes: bytes as u64,
        })
    }

    fn seal(&self, batches: Vec<Encoded>) -> Vec<Sealed> {
        let mut last_seq = self.last_seq;
        let numbered = (self.next_seq..).zip(batches);
        let sealed = numbered.map(|(seq, Encoded { batch, frame })| {
            let batch = Arc::new(batch.numbered(seq));
            let gap = seq.saturating_sub(last_seq + 1);
            last_seq = seq;
            let stored = batch::sealed(&batch, gap, frame);
            Sealed { batch, stored }
        });
        sealed.collect()
    }

    /// Makes batches durable, or makes sure that they are not in the log.
    fn store(&mut self, sealed: &[Sealed]) -> Result<(), LogError> {
        let fault = self.faults.of_commit();
        let Err(error) = self.table()?.insert(sealed, fault) else {
            return Ok(());
        };
        let error: Source = Arc::new(error);
        tracing::warn!(
            error = &*error as &dyn std::error::Error,
            "a commit of the log failed; looking whether it was made"
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
        let mut table = Table::open(&self.path)?;
        let there = !tried.is_empty() && table.holds(tried)?;
        if !there {
            // Also a trim may have been what failed, and may have happened.
            (self.ends, _) = table.ends()?;
            table.repair(self.next_seq, self.faults.of_chore())?;
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

    pub(super) fn probe(&mut self) -> Result<(), LogError> {
        self.table().map(drop)
    }

    pub(super) fn checkpoint(&self) {
        if let Some(Err(error)) = self.table.as_ref().map(Table::checkpoint) {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "the log could not be checkpointed yet");
        }
    }

    pub(super) fn trim(&mut self, before_seq: u64) -> Result<u64, LogError> {
        let (next_seq, last_at) = (self.next_seq, self.last_at);
        let fault = self.faults.of_chore();
        let before_seq = before_seq.min(next_seq);
        let trimmed = self.table()?.trim(before_seq, next_seq, last_at, fault);
        self.settled(trimmed)
    }

    pub(super) fn rewrite(&mut self, batches: &[Arc<Batch>]) -> Result<(), LogError> {
        let fault = self.faults.of_chore();
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
        self.settled(rewritten)
    }

    pub(super) fn scrub(&mut self, take: bool) -> Result<bool, LogError> {
        let fault = self.faults.of_chore();
        let scrubbed = self.table()?.scrub(take, fault);
        self.settled(scrubbed)
    }

    /// What came of a call that writes: after one that failed, the file is opened anew.
    fn settled<T>(&mut self, done: rusqlite::Result<T>) -> Result<T, LogError> {
        if done.is_err() {
            drop(self.settle(&[]));
        }
        Ok(done?)
    }

    pub(super) fn skip_to(&mut self, next_seq: u64) -> Result<(), LogError> {
        self.table()?.go_on_at(next_seq)?;
        self.next_seq = next_seq;
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
