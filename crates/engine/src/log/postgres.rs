//! The PostgreSQL engine of `Log`: one row is one batch, in the database of `Db`, for any number of processes.
//!
//! `log_batch` holds the batches of all shards, `log_state` a row for each shard: where it begins and ends. An append is
//! one statement: it takes numbers from the shard's row and inserts. That row is locked from then until the commit: so
//! batches become visible in the order of their numbers, whichever process wrote them, without gaps, and their times
//! never go back, whatever the clocks of the processes show.
//!
//! The primary key is the only index. Batches are compressed already, so PostgreSQL is told not to try (`EXTERNAL`).
//!
//! An append whose answer is lost leaves a question: is it in the log or not? The server's process that had it is ended,
//! the shard's row is waited for, and the append's token looked for: if it is there, all is well, else it cannot come any
//! more. While the server cannot be asked, it is tried again for some seconds; then the append is refused without knowing,
//! and may be in the log: the one case in which a refused append can appear.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::Mutex;

use super::batch::{self, Batch, Encoded, FRAME};
use super::engine::{Engine, Landed, State};
use super::{Ends, LogError};
use crate::blocking::blocking;
use crate::db::{DbError, Failure, Postgres, Row, Value};

/// Readers learn of a batch of another process about this much later than of their own process's. NOTIFY would tell
/// sooner, but makes all commits of a database wait for each other.
const LOOK_EVERY: Duration = Duration::from_millis(25);

/// How long a lost answer is looked for, and how often.
const FIND_MAX: Duration = Duration::from_secs(5);
const FIND_EVERY: Duration = Duration::from_millis(100);

/// What one trim transaction removes at most.
const TRIM_BATCHES_MAX: i64 = 64;

/// Only one process creates the tables. A number of this crate's own: those of `store` are positive.
const LOCK: i64 = i64::MIN + 1;

const SCHEMA: &str = "
    CREATE TABLE log_batch (
        shard BIGINT NOT NULL,
        seq BIGINT NOT NULL,
        records BIGINT NOT NULL,
        appended_at BIGINT NOT NULL,
        format BIGINT NOT NULL,
        bytes BYTEA NOT NULL,
        token BIGINT NOT NULL,
        PRIMARY KEY (shard, seq)
    );
    ALTER TABLE log_batch ALTER COLUMN bytes SET STORAGE EXTERNAL;
    CREATE TABLE log_state (
        shard BIGINT PRIMARY KEY,
        first_seq BIGINT NOT NULL,
        first_at BIGINT NOT NULL,
        next_seq BIGINT NOT NULL,
        appended_at BIGINT NOT NULL,
        bytes BIGINT NOT NULL
    ) WITH (fillfactor = 10);";

const STATE: &str = "shard, first_seq, first_at, next_seq, appended_at, bytes";

/// The states of all shards, as they were when this process last asked for those that it follows.
pub(crate) type News = Mutex<(Option<Instant>, HashMap<i64, State>)>;

/// A shard's log in a PostgreSQL database.
#[derive(Debug)]
pub(super) struct PostgresLog {
    postgres: Postgres,
    shard: i64,
    /// Names the next append, so that it can be looked for: random at the start, then counted.
    token: AtomicI64,
    /// The log ended here, or later: appends to come are behind it.
    seen: AtomicU64,
    /// The last append failed: whether one is possible is seen by writing.
    is_failing: AtomicBool,
}

impl PostgresLog {
    /// Makes sure that the shard is there, and that this release can read it.
    pub(super) async fn open(postgres: &Postgres, shard: u32) -> Result<Self, LogError> {
        let log = Self {
            postgres: postgres.clone(),
            shard: shard.into(),
            token: AtomicI64::new(RandomState::new().hash_one(shard).cast_signed()),
            seen: AtomicU64::new(0),
            is_failing: AtomicBool::new(false),
        };
        let mut tx = postgres.begin_log().await?;
        tx.lock_exclusive(LOCK).await?;
        let known = "SELECT to_regclass('log_batch') IS NOT NULL AS known";
        if !tx.rows(known, &[]).await?[0].get::<bool>("known")? {
            tx.script(SCHEMA).await?;
        }
        let insert =
            "INSERT INTO log_state (shard, first_seq, first_at, next_seq, appended_at, bytes)
            VALUES ($1, 1, 0, 1, 0, 0) ON CONFLICT (shard) DO NOTHING";
        tx.rows(insert, &[log.shard.into()]).await?;
        tx.commit().await?;
        let newest = "SELECT format FROM log_batch WHERE shard = $1 ORDER BY seq DESC LIMIT 1";
        for row in log.call(newest, &[log.shard.into()]).await? {
            LogError::check_format(row.get("format")?)?;
        }
        Ok(log)
    }

    async fn call(&self, sql: &str, params: &[Value]) -> Result<Vec<Row>, LogError> {
        let rows = self.postgres.call_log(sql, params).await;
        rows.map_err(|failure| failure.error.into())
    }

    /// The state that a statement answered.
    fn one(&self, rows: &[Row]) -> Result<State, DbError> {
        let state = state(rows.first().ok_or_else(gone)?)?;
        self.seen.fetch_max(state.ends.next_seq, Ordering::Relaxed);
        Ok(state)
    }

    /// Appends in one commit. Answers the state right after it.
    async fn insert(
        &self,
        batches: &mut [Encoded],
        bytes: u64,
        token: i64,
    ) -> Result<State, Failure> {
        let count = batches.len();
        let mut params: Vec<Value> = vec![
            self.shard.into(),
            batches.last().map(at).into(),
            batches.first().map(at).into(),
            FRAME.into(),
            token.into(),
            to_sql(bytes).into(),
        ];
        let mut values = Vec::with_capacity(count);
        for (index, encoded) in batches.iter_mut().enumerate() {
            let next = params.len();
            let (records, appended_at, bytes) = (next + 1, next + 2, next + 3);
            values.push(format!("({index}, ${records}, ${appended_at}, ${bytes})"));
            params.push(to_sql(encoded.batch.len() as u64).into());
            params.push(at(encoded).into());
            params.push(std::mem::take(&mut encoded.frame).into());
        }
        // Where the log's newest batch is later than the last of these, all of them are later by as much.
        let sql = format!(
            "WITH state AS (
                UPDATE log_state SET next_seq = next_seq + {count}, appended_at = GREATEST(appended_at, $2),
                    first_at = CASE WHEN first_seq = next_seq THEN $3 + GREATEST(appended_at - $2, 0) ELSE first_at END,
                    bytes = bytes + $6
                WHERE shard = $1 RETURNING {STATE}
            ), batches AS (
                INSERT INTO log_batch (shard, seq, records, appended_at, format, bytes, token)
                SELECT $1, next_seq - {count} + ordinal, records, at + appended_at - $2, $4, new.bytes, $5
                FROM state, (VALUES {}) AS new (ordinal, records, at, bytes)
            )
            SELECT {STATE} FROM state",
            values.join(", ")
        );
        let rows = self.postgres.call_log(&sql, &params).await?;
        self.one(&rows).map_err(Failure::certain)
    }

    /// The state right after the append `token`, if it is in the log. Whatever was on its way before is over when this
    /// answers: `backend` is ended, and the shard's row was held. What is found is as durable as an append, since this
    /// writes too.
    async fn find(
        &self,
        token: i64,
        from_seq: u64,
        backend: Option<i64>,
    ) -> Result<Option<State>, LogError> {
        let mut tx = self.postgres.begin_log().await?;
        if let Some(backend) = backend {
            let end = "SELECT pg_terminate_backend(CAST($1 AS INTEGER), 1000) AS ended";
            tx.rows(end, &[backend.into()]).await?;
        }
        let hold = "UPDATE log_state SET bytes = bytes WHERE shard = $1";
        tx.rows(hold, &[self.shard.into()]).await?;
        let sql = "SELECT s.shard, first_seq, first_at, max(seq) + 1 AS next_seq, max(b.appended_at) AS appended_at, s.bytes
             FROM log_state s JOIN log_batch b ON b.shard = s.shard
             WHERE s.shard = $1 AND seq >= $2 AND token = $3 GROUP BY s.shard";
        let params = [self.shard.into(), to_sql(from_seq).into(), token.into()];
        let found = tx.rows(sql, &params).await?;
        tx.commit().await?;
        Ok(found.first().map(state).transpose()?)
    }

    /// Finds out what became of an append.
    async fn look(&self, token: i64, from_seq: u64, failure: Failure) -> Result<State, LogError> {
        let started = Instant::now();
        loop {
            match self.find(token, from_seq, failure.backend).await {
                Err(_) if started.elapsed() < FIND_MAX => tokio::time::sleep(FIND_EVERY).await,
                found => return found?.ok_or_else(|| failure.error.into()),
            }
        }
    }
}

impl Engine for PostgresLog {
    /// More of them hardly make a commit cheaper, and make the first caller wait longer.
    const BATCHES_MAX: usize = 4;
    const ASKED_EVERY: Option<Duration> = Some(LOOK_EVERY);

    async fn state(&self) -> Result<State, LogError> {
        let sql = format!("SELECT {STATE} FROM log_state WHERE shard = $1");
        Ok(self.one(&self.call(&sql, &[self.shard.into()]).await?)?)
    }

    /// One query for all shards that this process follows.
    async fn news(&self) -> Result<State, LogError> {
        let (asked, states) = &mut *self.postgres.news().lock().await;
        if asked.is_none_or(|asked| asked.elapsed() > LOOK_EVERY / 2) {
            let now = Instant::now();
            let sql = format!("SELECT {STATE} FROM log_state");
            let rows = self.call(&sql, &[]).await?;
            let read = |row: &Row| Ok((row.get("shard")?, state(row)?));
            *states = rows.iter().map(read).collect::<Result<_, DbError>>()?;
            *asked = Some(now);
        }
        match states.get(&self.shard) {
            Some(state) => Ok(*state),
            None => self.state().await,
        }
    }

    async fn append(
        &self,
        mut batches: Vec<Encoded>,
        lose_answer: bool,
    ) -> Result<Landed, LogError> {
        let bytes = batches.iter().map(|it| it.frame.len() as u64).sum();
        let token = self.token.fetch_add(1, Ordering::Relaxed);
        let from_seq = self.seen.load(Ordering::Relaxed);
        let state = match self.insert(&mut batches, bytes, token).await {
            Ok(_) if lose_answer => {
                let failure = Failure::uncertain("the answer got lost (injected)");
                self.look(token, from_seq, failure).await
            }
            Err(failure) if failure.is_uncertain => self.look(token, from_seq, failure).await,
            done => done.map_err(|failure| failure.error.into()),
        };
        self.is_failing.store(state.is_err(), Ordering::Relaxed);
        let state = state?;
        let later = state.appended_at - batches.last().map_or(state.appended_at, at);
        let placed = (state.ends.next_seq - batches.len() as u64..).zip(batches);
        let placed = placed.map(|(seq, encoded)| {
            let at = Timestamp::from_microsecond(at(&encoded) + later).unwrap_or_default();
            Arc::new(encoded.batch.placed(seq, at))
        });
        Ok(Landed {
            batches: placed.collect(),
            bytes,
        })
    }

    async fn read(
        &self,
        seqs: Range<u64>,
        batches_max: usize,
        bytes_max: usize,
    ) -> Result<Vec<Arc<Batch>>, LogError> {
        // Batches take less when they are stored, but for what is around them: what is sent is about what is asked for.
        let sql = "SELECT seq, appended_at, format, records, bytes FROM (
                SELECT seq, appended_at, format, records, bytes,
                    sum(GREATEST(octet_length(bytes) - 64, 0)) OVER (ORDER BY seq ROWS UNBOUNDED PRECEDING EXCLUDE CURRENT ROW)
                        AS before
                FROM log_batch WHERE shard = $1 AND seq >= $2 AND seq < $3 ORDER BY seq LIMIT $4
            ) AS batch WHERE COALESCE(before, 0) < GREATEST($5, 1) ORDER BY seq";
        let params = [
            self.shard.into(),
            to_sql(seqs.start).into(),
            to_sql(seqs.end).into(),
            to_sql(batches_max as u64).into(),
            to_sql(bytes_max as u64).into(),
        ];
        let rows = self.call(sql, &params).await?;
        let decoded = blocking(move || rows.iter().map(decode).collect::<Vec<_>>()).await?;
        batch::sound(decoded)
    }

    async fn time_at(&self, seq: u64) -> Result<Option<(u64, i64)>, LogError> {
        let sql = "SELECT seq, appended_at FROM log_batch WHERE shard = $1 AND seq >= $2 ORDER BY seq LIMIT 1";
        let params = [self.shard.into(), to_sql(seq).into()];
        let found = self.call(sql, &params).await?;
        let read = |row: &Row| Ok((from_sql(row.get("seq")?), row.get("appended_at")?));
        found.first().map(read).transpose()
    }

    async fn trim(&self, before_seq: u64) -> Result<u64, LogError> {
        // A trim that is forgotten in a crash is made again; nobody has to wait for it.
        let mut tx = self.postgres.begin_log().await?;
        let off = "SELECT set_config('synchronous_commit', 'off', true) AS it";
        tx.rows(off, &[]).await?;
        let delete = "DELETE FROM log_batch WHERE shard = $1 AND seq IN
                (SELECT seq FROM log_batch WHERE shard = $1 AND seq < $2 ORDER BY seq LIMIT $3)
            RETURNING octet_length(bytes) AS size";
        let params = [
            self.shard.into(),
            to_sql(before_seq).into(),
            TRIM_BATCHES_MAX.into(),
        ];
        let gone = tx.rows(delete, &params).await?;
        let sizes = gone.iter().map(|row| row.get::<i64>("size"));
        let bytes: i64 = sizes.sum::<Result<_, _>>()?;
        // A statement of its own: what is committed while it waits is seen by the next.
        let hold = "SELECT next_seq FROM log_state WHERE shard = $1 FOR UPDATE";
        tx.rows(hold, &params[..1]).await?;
        let update = "UPDATE log_state SET bytes = bytes - $2,
                first_seq = COALESCE((SELECT min(seq) FROM log_batch WHERE shard = $1), next_seq),
                first_at = COALESCE((SELECT appended_at FROM log_batch WHERE shard = $1 ORDER BY seq LIMIT 1), 0)
             WHERE shard = $1";
        tx.rows(update, &[self.shard.into(), bytes.into()]).await?;
        tx.commit().await?;
        Ok(gone.len() as u64)
    }

    async fn rewrite(&self, batches: Vec<Arc<Batch>>) -> Result<(), LogError> {
        let batches = batches.into_iter().map(Arc::unwrap_or_clone).collect();
        // A commit for each: who appends waits for the row.
        let sql = "WITH old AS (
                SELECT octet_length(bytes) AS size FROM log_batch WHERE shard = $1 AND seq = $2 FOR UPDATE
            ), batch AS (
                UPDATE log_batch SET bytes = $3, format = $4 FROM old WHERE shard = $1 AND seq = $2
            )
            UPDATE log_state SET bytes = bytes - old.size + octet_length($3) FROM old WHERE shard = $1";
        for Encoded { batch, frame } in batch::encode(batches).await? {
            let seq = to_sql(batch.seq());
            let params = [self.shard.into(), seq.into(), frame.into(), FRAME.into()];
            self.call(sql, &params).await?;
        }
        Ok(())
    }

    /// The server blanks nothing, but with this it uses the space of dead rows again.
    async fn scrub(&self, _take: bool) -> Result<bool, LogError> {
        if let Err(error) = self.call("VACUUM log_batch", &[]).await {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "VACUUM of the log is left to autovacuum");
        }
        Ok(false)
    }

    /// After an append that failed, writes without changing anything.
    async fn probe(&self) -> Result<(), LogError> {
        let sql = if self.is_failing.load(Ordering::Relaxed) {
            "UPDATE log_state SET bytes = bytes WHERE shard = $1 RETURNING FALSE AS standby"
        } else {
            "SELECT pg_is_in_recovery() AS standby FROM log_state WHERE shard = $1"
        };
        let rows = self.call(sql, &[self.shard.into()]).await?;
        if rows.first().ok_or_else(gone)?.get("standby")? {
            return Err(DbError::wrong("the server is a standby: it takes no appends").into());
        }
        self.is_failing.store(false, Ordering::Relaxed);
        Ok(())
    }

    async fn skip_to(&self, next_seq: u64) -> Result<(), LogError> {
        let sql = "UPDATE log_state SET first_seq = CASE WHEN first_seq = next_seq THEN $2 ELSE first_seq END,
            next_seq = $2 WHERE shard = $1";
        let params = [self.shard.into(), to_sql(next_seq).into()];
        self.call(sql, &params).await.map(drop)
    }

    async fn snapshot(&self, _to: &Path) -> Result<(), LogError> {
        let what = "a snapshot of a log on PostgreSQL: it is backed up with its database";
        Err(DbError::wrong(what).into())
    }
}

fn gone() -> DbError {
    DbError::wrong("the shard's row in `log_state` is gone")
}

fn state(row: &Row) -> Result<State, DbError> {
    let number = |column| row.get(column).map(from_sql);
    let (first_seq, next_seq) = (number("first_seq")?, number("next_seq")?);
    let oldest = Timestamp::from_microsecond(row.get("first_at")?).ok();
    Ok(State {
        ends: Ends {
            first_seq,
            next_seq,
            bytes: number("bytes")?,
            oldest: oldest.filter(|_| first_seq < next_seq),
        },
        appended_at: row.get("appended_at")?,
    })
}

fn at(encoded: &Encoded) -> i64 {
    encoded.batch.appended_at().as_microsecond()
}

fn decode(row: &Row) -> Result<Arc<Batch>, LogError> {
    let (seq, at) = (from_sql(row.get("seq")?), row.get("appended_at")?);
    let (format, records) = (row.get("format")?, row.get("records")?);
    batch::decode(seq, at, format, records, row.bytes("bytes")?).map(Arc::new)
}

/// SQL has no unsigned integers; nothing here comes near the end of the signed ones.
fn to_sql(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn from_sql(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

impl From<DbError> for LogError {
    fn from(error: DbError) -> Self {
        Self::unavailable(error)
    }
}
