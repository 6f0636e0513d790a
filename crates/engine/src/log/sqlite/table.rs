//! All SQL of the log. The writer owns a [`Table`]; readers use the functions on their connections.
//!
//! `log_batch` holds the batches, `log_state` one row that is only written by the rare commits that
//! are no append: the number and time to go on from when all batches have been trimmed. So an
//! append writes the pages of its own row and no others.
//!
//! The primary key is the only index: `INTEGER PRIMARY KEY` is SQLite's word for the table's own
//! order (`BIGINT` would be a second tree to write); times are found by bisection, since they never
//! go backwards.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::{Connection, ErrorCode, OptionalExtension, params};

use crate::log::batch::{self, Batch, SEALED};
use crate::log::{Ends, Fault, LogError};
use crate::sqlite::{self, Use};

/// Bytes of a page. Measured from 4 to 64 KiB: twice the usual size is a fifth faster for large batches
/// and no slower for small ones; beyond that small ones pay.
const PAGE_BYTES: u32 = 8192;

/// The highest number that can be told from damage: half of what a position can hold.
const SEQ_SANE: i64 = 1 << 51;

/// Numbers in a row that are missed by damage at most, where gaps are not noted: a wider hole was left on purpose.
const HOLE_MAX: u64 = 1 << 20;

/// What one step of a scrub writes: appends wait for it.
const SCRUB_PAGES_MAX: i64 = 2048;

/// What one trim transaction removes at most: appends wait for it.
const TRIM_BATCHES_MAX: usize = 256;
const TRIM_BYTES_MAX: u64 = 16 << 20;

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS log_batch (
        seq INTEGER PRIMARY KEY,
        records BIGINT NOT NULL,
        appended_at BIGINT NOT NULL,
        format BIGINT NOT NULL,
        bytes BLOB NOT NULL
    );
    CREATE TABLE IF NOT EXISTS log_state (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        next_seq BIGINT NOT NULL,
        appended_at BIGINT NOT NULL,
        repairs BIGINT NOT NULL
    );
    INSERT INTO log_state (id, next_seq, appended_at, repairs) VALUES (1, 1, 0, 0) ON CONFLICT (id) DO NOTHING;";

/// Where a scrub keeps the free pages that it has blanked.
const BLANK: &str =
    "CREATE TABLE IF NOT EXISTS log_blank (id INTEGER PRIMARY KEY, bytes BLOB NOT NULL)";

/// Opens a connection that may write.
pub(super) fn open(path: &Path) -> rusqlite::Result<Connection> {
    sqlite::open(
        path,
        Use::Write {
            page_bytes: PAGE_BYTES,
        },
    )
}

/// A batch, and the bytes that are stored of it.
#[derive(Debug)]
pub(super) struct Sealed {
    pub(super) batch: Arc<Batch>,
    pub(super) stored: Vec<u8>,
}

/// The writer's connection.
#[derive(Debug)]
pub(super) struct Table {
    connection: Connection,
}

impl Table {
    pub(super) fn open(path: &Path) -> rusqlite::Result<Self> {
        let connection = open(path)?;
        // The checkpointer does it, so that no append has to.
        connection.execute_batch("PRAGMA wal_autocheckpoint=0; PRAGMA secure_delete=FAST")?;
        connection.execute_batch(SCHEMA)?;
        Ok(Self { connection })
    }

    /// Where the log begins and ends, and the time of its last batch in microseconds.
    pub(super) fn ends(&self) -> rusqlite::Result<(Ends, i64)> {
        let one = |sql: &str| {
            self.connection.query_row(sql, [], |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))
            })
        };
        let state = one("SELECT next_seq, appended_at FROM log_state WHERE id = 1")?;
        let state = (state.0.clamp(1, SEQ_SANE), state.1);
        let row = |order| {
            one(&format!(
                "SELECT seq, appended_at FROM log_batch WHERE seq BETWEEN 1 AND {SEQ_SANE} ORDER BY seq {order} LIMIT 1"
            ))
            .optional()
        };
        let (first, last) = (row("ASC")?, row("DESC")?);
        let pages = self
            .pragma("page_count")?
            .saturating_sub(self.pragma("freelist_count")?);
        let bytes = pages.saturating_mul(self.pragma("page_size")?);

        let (next_seq, appended_at) = last.map_or(state, |(seq, at)| (state.0.max(seq + 1), at));
        let ends = Ends {
            first_seq: from_sql(first.map_or(next_seq, |(seq, _)| seq)),
            next_seq: from_sql(next_seq),
            bytes: from_sql(bytes),
            oldest: first.and_then(|(_, at)| Timestamp::from_microsecond(at).ok()),
        };
        Ok((ends, appended_at))
    }

    /// The number of the newest batch.
    pub(super) fn last_seq(&self) -> rusqlite::Result<Option<u64>> {
        end(&self.connection, "DESC")
    }

    /// The newest batch: its format, and what is wrong with it.
    pub(super) fn newest(&self) -> rusqlite::Result<Option<(i64, Result<(), LogError>)>> {
        let newest = "SELECT seq, appended_at, format, records, bytes FROM log_batch ORDER BY seq DESC LIMIT 1";
        let read = |row: &rusqlite::Row<'_>| {
            let format = row.get(2).unwrap_or_default();
            Ok((format, decode(row, 0).map(drop)))
        };
        self.connection.query_row(newest, [], read).optional()
    }

    /// Makes the batches durable, all or none. An error says nothing about which.
    pub(super) fn insert(
        &mut self,
        batches: &[Sealed],
        fault: Option<Fault>,
    ) -> rusqlite::Result<()> {
        self.commit(fault, |connection| {
            let mut insert = connection.prepare_cached(
                "INSERT INTO log_batch (seq, records, appended_at, format, bytes) VALUES ($1, $2, $3, $4, $5)",
            )?;
            for Sealed { batch, stored } in batches {
                let records = to_sql(batch.len() as u64);
                insert.execute(params![
                    to_sql(batch.seq()),
                    records,
                    batch.appended_at().as_microsecond(),
                    SEALED,
                    stored
                ])?;
            }
            Ok(())
        })
    }

    /// Whether exactly these batches are there.
    pub(super) fn holds(&self, batches: &[Sealed]) -> rusqlite::Result<bool> {
        let mut select = self
            .connection
            .prepare_cached("SELECT bytes = $1 FROM log_batch WHERE seq = $2")?;
        for Sealed { batch, stored } in batches {
            if select
                .query_row(params![stored, to_sql(batch.seq())], |row| row.get(0))
                .optional()?
                != Some(true)
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Makes sure that nothing at or after `next_seq` is there, or can come back: what a failed
    /// commit left in the write-ahead file is overwritten by this one, which would otherwise be
    /// found by a recovery after a crash.
    pub(super) fn repair(&mut self, next_seq: u64, fault: Option<Fault>) -> rusqlite::Result<()> {
        self.commit(fault, |connection| {
            connection.execute("DELETE FROM log_batch WHERE seq >= $1", [to_sql(next_seq)])?;
            connection.execute(
                "UPDATE log_state SET repairs = repairs + 1 WHERE id = 1",
                [],
            )?;
            Ok(())
        })
    }

    /// Numbering goes on so many batches behind where it would.
    pub(super) fn leave_gap(&mut self, batches: u64) -> rusqlite::Result<()> {
        let (ends, _) = self.ends()?;
        self.go_on_at(ends.next_seq + batches)
    }

    /// Numbering goes on at `next_seq`.
    pub(super) fn go_on_at(&mut self, next_seq: u64) -> rusqlite::Result<()> {
        let (_, appended_at) = self.ends()?;
        self.commit(None, |connection| {
            connection.execute(
                "UPDATE log_state SET next_seq = $1, appended_at = $2 WHERE id = 1",
                params![to_sql(next_seq), appended_at],
            )?;
            Ok(())
        })
    }

    /// Writes batches over those that have their numbers: `over` makes the bytes from format and bytes that are there.
    /// Of the same length they go to the very same place; what becomes free otherwise is blanked.
    pub(super) fn rewrite(
        &mut self,
        batches: &[Arc<Batch>],
        fault: Option<Fault>,
        mut over: impl FnMut(&Batch, i64, &[u8]) -> rusqlite::Result<Vec<u8>>,
    ) -> rusqlite::Result<()> {
        self.blanking(|table| {
            table.commit(fault, |connection| {
                let mut select = connection
                    .prepare_cached("SELECT format, bytes FROM log_batch WHERE seq = $1")?;
                let mut update =
                    connection.prepare_cached("UPDATE log_batch SET bytes = $1 WHERE seq = $2")?;
                for batch in batches {
                    let seq = to_sql(batch.seq());
                    let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
                    let found: Option<(i64, Vec<u8>)> = select.query_row([seq], read).optional()?;
                    if let Some((format, bytes)) = found {
                        update.execute(params![over(batch, format, &bytes)?, seq])?;
                    }
                }
                Ok(())
            })
        })
    }

    /// One step of a scrub. To take: puts zeros into some free pages, so that none is free in the end. To give back:
    /// frees some of these, and in the end empties the write-ahead file. True if there is more.
    pub(super) fn scrub(&mut self, take: bool, fault: Option<Fault>) -> rusqlite::Result<bool> {
        if take {
            let free: i64 = self.pragma("freelist_count")?;
            let (page, pages) = (self.pragma("page_size")?, free.min(SCRUB_PAGES_MAX));
            // What a page holds of a long value; the row itself takes a page, too.
            let bytes = (pages - 1) * (page - 4);
            if bytes > 0 {
                self.commit(fault, |connection| {
                    connection.execute_batch(BLANK)?;
                    let insert = "INSERT INTO log_blank (bytes) VALUES (zeroblob($1))";
                    connection.execute(insert, [bytes]).map(drop)
                })?;
            }
            return Ok(bytes > 0);
        }
        let mut gone = 0;
        self.blanking(|table| {
            table.commit(fault, |connection| {
                connection.execute_batch(BLANK)?;
                let delete = "DELETE FROM log_blank WHERE id = (SELECT min(id) FROM log_blank)";
                gone = connection.execute(delete, [])?;
                Ok(())
            })
        })?;
        if gone == 0 {
            let busy = "PRAGMA wal_checkpoint(TRUNCATE)";
            if self.connection.query_row(busy, [], |row| row.get(0))? {
                let what = "a reader is in the way of emptying the log's write-ahead file";
                return Err(sqlite::failure(ErrorCode::DatabaseBusy, what));
            }
        }
        Ok(gone > 0)
    }

    /// What is freed meanwhile is overwritten with zeros.
    fn blanking(
        &mut self,
        work: impl FnOnce(&mut Self) -> rusqlite::Result<()>,
    ) -> rusqlite::Result<()> {
        let set = |table: &Self, to| table.connection.pragma_update(None, "secure_delete", to);
        set(self, "ON")?;
        let done = work(self);
        set(self, "FAST")?;
        done
    }

    fn pragma(&self, name: &str) -> rusqlite::Result<i64> {
        self.connection
            .pragma_query_value(None, name, |row| row.get(0))
    }

    /// Removes the oldest batches before `before_seq`, a bounded number, and keeps what numbering
    /// goes on from. Returns how many.
    pub(super) fn trim(
        &mut self,
        before_seq: u64,
        next_seq: u64,
        appended_at: i64,
        fault: Option<Fault>,
    ) -> rusqlite::Result<u64> {
        let Some(last) = self.slice(before_seq)? else {
            return Ok(0);
        };
        let mut removed = 0;
        self.commit(fault, |connection| {
            connection.execute(
                "UPDATE log_state SET next_seq = $1, appended_at = $2 WHERE id = 1",
                params![to_sql(next_seq), appended_at],
            )?;
            // None of them if the way to them is damaged: then there is nothing left that can be removed.
            removed = connection.execute("DELETE FROM log_batch WHERE seq <= $1", [last])?;
            Ok(())
        })?;
        Ok(removed as u64)
    }

    /// The last of the batches that the next trim removes.
    fn slice(&self, before_seq: u64) -> rusqlite::Result<Option<i64>> {
        let mut select = self.connection.prepare_cached(
            "SELECT seq, length(bytes) FROM log_batch WHERE seq < $1 ORDER BY seq",
        )?;
        let mut rows = select.query([to_sql(before_seq)])?;
        let (mut batches, mut bytes, mut last) = (0, 0, None);
        while batches < TRIM_BATCHES_MAX && bytes < TRIM_BYTES_MAX {
            let Some(row) = rows.next()? else { break };
            batches += 1;
            last = Some(row.get(0)?);
            bytes += from_sql(row.get(1)?);
        }
        Ok(last)
    }

    fn commit(
        &mut self,
        fault: Option<Fault>,
        work: impl FnOnce(&Connection) -> rusqlite::Result<()>,
    ) -> rusqlite::Result<()> {
        let transaction = self
            .connection
            .transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        work(&transaction)?;
        match fault {
            None => transaction.commit(),
            Some(Fault::DiskFull) => {
                Err(sqlite::failure(ErrorCode::DiskFull, "disk full (injected)"))
            }
            Some(Fault::SyncFailed) => Err(sqlite::failure(
                ErrorCode::SystemIoFailure,
                "sync failed (injected)",
            )),
            Some(Fault::AnswerLost) => {
                transaction.commit()?;
                Err(sqlite::failure(
                    ErrorCode::SystemIoFailure,
                    "the answer got lost (injected)",
                ))
            }
        }
    }

    /// Moves the write-ahead file into the database as far as readers allow.
    pub(super) fn checkpoint(&self) -> rusqlite::Result<()> {
        self.connection
            .query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
    }
}

/// Reads batches of `seqs`, as `Log::read` does.
pub(super) fn read(
    reader: &Connection,
    seqs: Range<u64>,
    batches_max: usize,
    bytes_max: usize,
) -> Result<Vec<Arc<Batch>>, LogError> {
    let mut select = reader.prepare_cached(
        "SELECT seq, appended_at, format, records, bytes FROM log_batch WHERE seq >= $1 AND seq < $2 ORDER BY seq",
    )?;
    let mut rows = select.query([to_sql(seqs.start), to_sql(seqs.end)])?;
    let mut batches: Vec<Arc<Batch>> = Vec::new();
    let mut bytes = 0;
    while batches.len() < batches_max && (batches.is_empty() || bytes < bytes_max) {
        let expected = batches.last().map_or(seqs.start, |batch| batch.seq() + 1);
        let batch = match rows.next() {
            Ok(None) if !batches.is_empty() || !is_lost(reader, expected, None)? => break,
            Ok(None) => Err(missing(expected)),
            Ok(Some(row)) => decode(row, expected).and_then(|(batch, gap)| {
                if is_lost(reader, expected, Some((batch.seq(), gap)))? {
                    return Err(missing(expected));
                }
                Ok(batch)
            }),
            Err(error) => Err(damaged(error, expected)),
        };
        match batch {
            Ok(batch) => {
                bytes += batch.bytes();
                batches.push(Arc::new(batch));
            }
            // Those before it are well; the next read meets it first.
            Err(_) if !batches.is_empty() => break,
            Err(error) => return Err(error),
        }
    }
    Ok(batches)
}

/// The first or the last number there is.
fn end(reader: &Connection, order: &str) -> rusqlite::Result<Option<u64>> {
    let sql = format!(
        "SELECT seq FROM log_batch WHERE seq BETWEEN 1 AND {SEQ_SANE} ORDER BY seq {order} LIMIT 1"
    );
    let seq = reader.query_row(&sql, [], |row| row.get(0).map(from_sql));
    seq.optional()
}

/// Whether the batch `expected` must be there, and a way to it is damaged. `found` is the next that was found, and how
/// many numbers before it were never given out.
fn is_lost(
    reader: &Connection,
    expected: u64,
    found: Option<(u64, Option<u64>)>,
) -> rusqlite::Result<bool> {
    Ok(match found {
        None => end(reader, "DESC")?.is_some_and(|last| last >= expected),
        Some((found, _)) if found <= expected => found < expected,
        Some((found, gap)) => {
            let width = found - expected;
            let is_left = gap.map_or(width > HOLE_MAX, |gap| width <= gap);
            // Else it was trimmed away.
            !is_left && end(reader, "ASC")? != Some(found)
        }
    })
}

fn missing(seq: u64) -> LogError {
    LogError::Corrupt {
        seq,
        what: "it cannot be found: the database file around it is damaged",
    }
}

/// The batch, and how many numbers before it were never given out, if that was noted.
fn decode(row: &rusqlite::Row<'_>, expected: u64) -> Result<(Batch, Option<u64>), LogError> {
    let found = row
        .get(0)
        .map(from_sql)
        .map_err(|error| damaged(error, expected))?;
    // The number of a damaged batch is not to be trusted, unless a gap lies before it.
    let seq = if found > expected && found - expected <= HOLE_MAX || found < expected {
        expected
    } else {
        found
    };
    let column = |index| {
        row.get::<_, i64>(index)
            .map_err(|error| damaged(error, seq))
    };
    let (appended_at, format, records) = (column(1)?, column(2)?, column(3)?);
    let bytes = row.get_ref(4).map_err(|error| damaged(error, seq))?;
    let bytes = bytes.as_blob().map_err(|_| LogError::Corrupt {
        seq,
        what: "its bytes are of another type",
    })?;
    match batch::decode(found, appended_at, format, records, bytes) {
        Ok(batch) => Ok((batch, batch::gap(format, bytes))),
        Err(LogError::Corrupt { what, .. }) => Err(LogError::Corrupt { seq, what }),
        Err(other) => Err(other),
    }
}

fn damaged(error: rusqlite::Error, seq: u64) -> LogError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => LogError::Corrupt {
            seq,
            what: "the database file around it is damaged",
        },
        Some(_) => LogError::unavailable(error),
        None => LogError::Corrupt {
            seq,
            what: "a column holds another type than it should",
        },
    }
}

/// The first batch at or after `seq`, and when it was appended.
pub(super) fn time_at(reader: &Connection, seq: u64) -> rusqlite::Result<Option<(u64, i64)>> {
    let mut select = reader.prepare_cached(
        "SELECT seq, appended_at FROM log_batch WHERE seq >= $1 ORDER BY seq LIMIT 1",
    )?;
    let found = select.query_row([to_sql(seq)], |row| {
        Ok((from_sql(row.get(0)?), row.get(1)?))
    });
    found.optional()
}

/// SQL has no unsigned integers; nothing here comes near the end of the signed ones.
fn to_sql(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn from_sql(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
