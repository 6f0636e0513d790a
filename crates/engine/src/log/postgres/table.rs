//! All SQL of the log on PostgreSQL.
//!
//! `log_batch` holds the batches of all shards, `log_state` a row for each shard: where it begins and ends. Whoever
//! writes to a shard updates that row first, and so waits for whoever did so before. `token` names a commit, so that
//! whoever missed its answer can find it.
//!
//! The primary key is the only index; times are found by bisection, since they never go backwards. Batches are
//! compressed already, so PostgreSQL is told not to try (`EXTERNAL`).

use std::ops::Range;
use std::sync::Arc;

use jiff::Timestamp;

use crate::blocking::blocking;
use crate::db::{DbError, Failure, Postgres, Row, SyncAt, Value};
use crate::log::batch::{self, Batch, FRAME};
use crate::log::{Ends, LogError};

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

/// Where a shard begins and ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct State {
    pub(super) ends: Ends,
    /// When the last batch was appended, in microseconds.
    pub(super) appended_at: i64,
}

/// A batch without its number, and the bytes that are stored of it.
#[derive(Debug)]
pub(super) struct Sealed {
    pub(super) batch: Batch,
    pub(super) stored: Vec<u8>,
}

/// The rows of one shard.
#[derive(Debug)]
pub(super) struct Table {
    postgres: Postgres,
    shard: i64,
}

impl Table {
    pub(super) fn new(postgres: Postgres, shard: u32) -> Self {
        Self {
            postgres,
            shard: shard.into(),
        }
    }

    pub(super) fn shard(&self) -> i64 {
        self.shard
    }

    /// Makes sure that the shard is there, and that this release can read it.
    pub(super) async fn create(&self) -> Result<State, LogError> {
        let mut tx = self.postgres.begin_log().await?;
        tx.lock_exclusive(LOCK).await?;
        let known = "SELECT to_regclass('log_batch') IS NOT NULL AS known";
        if !tx.rows(known, &[]).await?[0].get::<bool>("known")? {
            tx.script(SCHEMA).await?;
        }
        let insert =
            "INSERT INTO log_state (shard, first_seq, first_at, next_seq, appended_at, bytes)
            VALUES ($1, 1, 0, 1, 0, 0) ON CONFLICT (shard) DO NOTHING";
        tx.execute(insert, &[self.shard.into()]).await?;
        tx.commit().await?;
        let newest = "SELECT format FROM log_batch WHERE shard = $1 ORDER BY seq DESC LIMIT 1";
        for row in self.call(newest, &[self.shard.into()]).await? {
            LogError::check_format(row.get("format")?)?;
        }
        self.state().await
    }

    /// The states of all shards in this database.
    pub(super) async fn states(&self) -> Result<Vec<(i64, State)>, LogError> {
        let sql = format!("SELECT {STATE} FROM log_state");
        let rows = self.call(&sql, &[]).await?;
        rows.iter()
            .map(|row| Ok((row.get("shard")?, state(row)?)))
            .collect()
    }

    pub(super) async fn state(&self) -> Result<State, LogError> {
        let sql = format!("SELECT {STATE} FROM log_state WHERE shard = $1");
        one_state(&self.call(&sql, &[self.shard.into()]).await?)
    }

    /// Appends batches in one commit, not before `micros`. Answers the state right after it.
    pub(super) async fn append(
        &self,
        sealed: &mut [Sealed],
        micros: i64,
        token: i64,
    ) -> Result<State, Failure> {
        let count = sealed.len();
        let mut params: Vec<Value> = vec![
            self.shard.into(),
            micros.into(),
            FRAME.into(),
            token.into(),
            to_sql(sealed.iter().map(|sealed| sealed.stored.len() as u64).sum()).into(),
        ];
        let mut values = Vec::with_capacity(count);
        for (index, sealed) in sealed.iter_mut().enumerate() {
            values.push(format!(
                "({index}, ${}, ${})",
                params.len() + 1,
                params.len() + 2
            ));
            params.push(to_sql(sealed.batch.len() as u64).into());
            params.push(std::mem::take(&mut sealed.stored).into());
        }
        let sql = format!(
            "WITH state AS (
                UPDATE log_state SET next_seq = next_seq + {count}, appended_at = GREATEST(appended_at, $2),
                    first_at = CASE WHEN first_seq = next_seq THEN GREATEST(appended_at, $2) ELSE first_at END,
                    bytes = bytes + $5
                WHERE shard = $1 RETURNING {STATE}
            ), batches AS (
                INSERT INTO log_batch (shard, seq, records, appended_at, format, bytes, token)
                SELECT $1, next_seq - {count} + ordinal, records, appended_at, $3, new.bytes, $4
                FROM state, (VALUES {}) AS new (ordinal, records, bytes)
            )
            SELECT {STATE} FROM state",
            values.join(", ")
        );
        let rows = self.postgres.call_log(&sql, &params).await?;
        one_state(&rows).map_err(|error| {
            Failure::certain(DbError::Unavailable {
                source: error.into(),
            })
        })
    }

    /// The first number and the time of the commit `token`, if it is in the log. Whatever was on its way before is over
    /// when this answers: `backend` is ended, and the shard's row was held. What is found is as durable as an append,
    /// since this writes too.
    pub(super) async fn find(
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
        tx.execute(hold, &[self.shard.into()]).await?;
        let sql = "SELECT s.shard, first_seq, first_at, max(seq) + 1 AS next_seq, max(b.appended_at) AS appended_at, s.bytes
             FROM log_state s JOIN log_batch b ON b.shard = s.shard
             WHERE s.shard = $1 AND seq >= $2 AND token = $3 GROUP BY s.shard";
        let params = [self.shard.into(), to_sql(from_seq).into(), token.into()];
        let found = tx.rows(sql, &params).await?;
        tx.commit().await?;
        Ok(found.first().map(state).transpose()?)
    }

    /// Removes the oldest batches before `before_seq`, a bounded number. Answers how many, and the state after it.
    pub(super) async fn trim(&self, before_seq: u64) -> Result<(u64, State), LogError> {
        let mut tx = self.postgres.begin(SyncAt::Commit).await?;
        // A trim that is forgotten in a crash is made again; nobody has to wait for it.
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
        let mut bytes = 0;
        for row in &gone {
            bytes += row.get::<i64>("size")?;
        }
        // A statement of its own: what is committed while it waits is seen by the next.
        let hold = "SELECT next_seq FROM log_state WHERE shard = $1 FOR UPDATE";
        tx.rows(hold, &params[..1]).await?;
        let update = format!(
            "UPDATE log_state SET bytes = bytes - $2,
                first_seq = COALESCE((SELECT min(seq) FROM log_batch WHERE shard = $1), next_seq),
                first_at = COALESCE((SELECT appended_at FROM log_batch WHERE shard = $1 ORDER BY seq LIMIT 1), 0)
             WHERE shard = $1 RETURNING {STATE}"
        );
        let rows = tx.rows(&update, &[self.shard.into(), bytes.into()]).await?;
        tx.commit().await?;
        Ok((gone.len() as u64, one_state(&rows)?))
    }

    /// Gives a batch other bytes, if it is there.
    pub(super) async fn rewrite(&self, seq: u64, stored: Vec<u8>) -> Result<(), LogError> {
        let mut tx = self.postgres.begin_log().await?;
        let (key, size) = ([self.shard.into(), to_sql(seq).into()], stored.len() as u64);
        let find = "SELECT octet_length(bytes) AS size FROM log_batch
             WHERE shard = $1 AND seq = $2 FOR UPDATE";
        let found = tx.rows(find, &key).await?;
        let Some(before) = found.first() else {
            return Ok(());
        };
        let less = before.get::<i64>("size")? - to_sql(size);
        let [shard, seq] = key;
        let update = "UPDATE log_batch SET bytes = $3, format = $4 WHERE shard = $1 AND seq = $2";
        let row = vec![shard.clone(), seq, stored.into(), FRAME.into()];
        tx.execute_many(update, vec![row]).await?;
        let state = "UPDATE log_state SET bytes = bytes - $2 WHERE shard = $1";
        tx.execute(state, &[shard, less.into()]).await?;
        Ok(tx.commit().await?)
    }

    pub(super) async fn vacuum(&self) -> Result<(), LogError> {
        self.call("VACUUM log_batch", &[]).await.map(drop)
    }

    /// Writes batches under their own numbers and times.
    pub(super) async fn import(
        &self,
        batches: &[Arc<Batch>],
        stored: Vec<Vec<u8>>,
        token: i64,
    ) -> Result<State, LogError> {
        let size = stored.iter().map(|stored| stored.len() as u64).sum();
        let rows = batches.iter().zip(stored).map(|(batch, stored)| {
            vec![
                self.shard.into(),
                to_sql(batch.seq()).into(),
                to_sql(batch.len() as u64).into(),
                batch.appended_at().into(),
                FRAME.into(),
                stored.into(),
                token.into(),
            ]
        });
        let mut tx = self.postgres.begin(SyncAt::Commit).await?;
        let insert =
            "INSERT INTO log_batch (shard, seq, records, appended_at, format, bytes, token)
            VALUES ($1, $2, $3, $4, $5, $6, $7)";
        tx.execute_many(insert, rows.collect()).await?;
        let update = format!(
            "UPDATE log_state SET next_seq = $5, appended_at = $4, bytes = bytes + $6,
                first_at = CASE WHEN first_seq = next_seq THEN $3 ELSE first_at END,
                first_seq = CASE WHEN first_seq = next_seq THEN $2 ELSE first_seq END
             WHERE shard = $1 RETURNING {STATE}"
        );
        let (first, last) = (&batches[0], &batches[batches.len() - 1]);
        let params = [
            self.shard.into(),
            to_sql(first.seq()).into(),
            first.appended_at().into(),
            last.appended_at().into(),
            to_sql(last.seq() + 1).into(),
            to_sql(size).into(),
        ];
        let rows = tx.rows(&update, &params).await?;
        tx.commit().await?;
        one_state(&rows)
    }

    /// Numbering goes on at `next_seq`.
    pub(super) async fn go_on_at(&self, next_seq: u64) -> Result<State, LogError> {
        let sql = format!(
            "UPDATE log_state SET first_seq = CASE WHEN first_seq = next_seq THEN $2 ELSE first_seq END, next_seq = $2
             WHERE shard = $1 RETURNING {STATE}"
        );
        let params = [self.shard.into(), to_sql(next_seq).into()];
        one_state(&self.call(&sql, &params).await?)
    }

    /// Finds out whether appends are possible; with `write`, by writing without changing anything.
    pub(super) async fn probe(&self, write: bool) -> Result<(), LogError> {
        let sql = if write {
            "UPDATE log_state SET bytes = bytes WHERE shard = $1 RETURNING FALSE AS standby"
        } else {
            "SELECT pg_is_in_recovery() AS standby FROM log_state WHERE shard = $1"
        };
        match self.call(sql, &[self.shard.into()]).await?.first() {
            Some(row) if !row.get::<bool>("standby")? => Ok(()),
            Some(_) => Err(DbError::wrong("the server is a standby: it takes no appends").into()),
            None => Err(DbError::wrong("the shard's row in `log_state` is gone").into()),
        }
    }

    /// Reads batches of `seqs`, as `Log::read` does.
    pub(super) async fn read(
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
        blocking(move || decode(&rows, bytes_max)).await?
    }

    /// Bisects `seqs` for the first batch appended at or after `at`.
    pub(super) async fn find_time(&self, at: Timestamp, seqs: Range<u64>) -> Result<u64, LogError> {
        // The first microsecond that is not before `at`.
        let micros = at.as_microsecond() + i64::from(at.subsec_nanosecond() % 1000 > 0);
        let sql = "SELECT seq, appended_at FROM log_batch WHERE shard = $1 AND seq >= $2 ORDER BY seq LIMIT 1";
        let (mut low, mut high) = (seqs.start, seqs.end);
        while low < high {
            let middle = low + (high - low) / 2;
            let found = self
                .call(sql, &[self.shard.into(), to_sql(middle).into()])
                .await?;
            match found.first() {
                Some(row) if row.get::<i64>("appended_at")? < micros => {
                    low = from_sql(row.get("seq")?) + 1;
                }
                _ => high = middle,
            }
        }
        Ok(low.min(seqs.end))
    }

    async fn call(&self, sql: &str, params: &[Value]) -> Result<Vec<Row>, LogError> {
        let rows = self.postgres.call_log(sql, params).await;
        rows.map_err(|failure| failure.error.into())
    }
}

fn state(row: &Row) -> Result<State, DbError> {
    let (first_seq, next_seq) = (
        from_sql(row.get("first_seq")?),
        from_sql(row.get("next_seq")?),
    );
    let oldest = Timestamp::from_microsecond(row.get("first_at")?).ok();
    Ok(State {
        ends: Ends {
            first_seq,
            next_seq,
            bytes: from_sql(row.get("bytes")?),
            oldest: oldest.filter(|_| first_seq < next_seq),
        },
        appended_at: row.get("appended_at")?,
    })
}

fn one_state(rows: &[Row]) -> Result<State, LogError> {
    match rows.first() {
        Some(row) => Ok(state(row)?),
        None => Err(DbError::wrong("the shard's row in `log_state` is gone").into()),
    }
}

/// The batches up to `bytes_max`, or to the first that is damaged, which the next read meets first.
fn decode(rows: &[Row], bytes_max: usize) -> Result<Vec<Arc<Batch>>, LogError> {
    let mut batches: Vec<Arc<Batch>> = Vec::with_capacity(rows.len());
    let mut bytes = 0;
    for row in rows {
        if !batches.is_empty() && bytes >= bytes_max {
            break;
        }
        let batch = batch::decode(
            from_sql(row.get("seq")?),
            row.get("appended_at")?,
            row.get("format")?,
            row.get("records")?,
            row.bytes("bytes")?,
        );
        match batch {
            Ok(batch) => {
                bytes += batch.bytes();
                batches.push(Arc::new(batch));
            }
            Err(_) if !batches.is_empty() => break,
            Err(error) => return Err(error),
        }
    }
    Ok(batches)
}

/// SQL has no unsigned integers; nothing here comes near the end of the signed ones.
fn to_sql(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn from_sql(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
