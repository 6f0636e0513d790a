//! Takes an installation from some engines to others: rows, logs, files; positions and keys stay what they are.
//!
//! Called by `rialto migrate`, in two steps that can each be begun again at any time: [`copy_bulk`] takes what only grows
//! (logs and files) and may run while the source serves; [`finish`] takes the rest while nobody works on either side.
//! What has been copied is read back and compared. A target that is not finished is refused by every start
//! ([`check_finished`]).
//!
//! Logs keep their numbers, so a target has as many shards as its source, or the source has one: then every shard's log
//! gets every batch under its own number, and in it only the records of its own accounts; the others are empty.

use std::collections::HashSet;
use std::sync::Arc;

use engine::{Batch, Blobs, Db, Log, LogError};
use model::record::Entry;
use store::copy::{Copied, MARK, Shards};

use crate::{Error, Result};

/// Bytes of records that are read, and imported, in one piece.
const PIECE_BYTES: usize = 4 << 20;
/// The same in batches.
const PIECE_BATCHES: usize = 256;

/// What the mark says while a migration is under way, and when it is over.
const BEGUN: &str = "begun";
const FINISHED: &str = "finished";

/// One side of a migration. Nobody else may work on the target.
pub struct Side {
    pub db: Db,
    /// In the order of their shards.
    pub logs: Vec<Log>,
    pub blobs: Blobs,
}

/// What was copied.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// Rows of each table.
    pub tables: Vec<(&'static str, u64)>,
    /// Batches of the source.
    pub batches: u64,
    /// Batches of the source that are damaged: they are not in the target.
    pub damaged: u64,
    pub files: u64,
}

/// Marks a target as not finished.
///
/// # Errors
/// [`Error::Conflict`] if it is in use already.
pub async fn begin(to: &Db) -> Result<()> {
    store::migrate(to).await?;
    let mut tx = to.begin().await?;
    tx.lock_exclusive(store::change::LOCK).await?;
    let mark = store::setting::get(&mut tx, MARK).await?;
    let is_ours = mark.as_deref() == Some(BEGUN);
    if !is_ours && !store::copy::is_empty(&mut tx).await? {
        return Err(Error::Conflict(
            "the target has accounts of its own: name an empty database".to_owned(),
        ));
    }
    store::setting::put(&mut tx, MARK, BEGUN).await?;
    Ok(tx.commit().await?)
}

/// Refuses an installation into which a migration was begun and not finished.
///
/// # Errors
/// [`Error::Conflict`].
pub async fn check_finished(db: &Db) -> Result<()> {
    let mark = store::setting::get(&mut db.read().await?, MARK).await?;
    if mark.as_deref().is_none_or(|mark| mark == FINISHED) {
        return Ok(());
    }
    Err(Error::Conflict(
        "a migration into this installation was begun and not finished: run `rialto migrate` again, without --live"
            .to_owned(),
    ))
}

/// Who says that he works on the database, and how often he has said it.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn beats(db: &Db) -> Result<Vec<(String, i64)>> {
    let processes = store::lease::processes(&mut db.read().await?).await?;
    let beats = processes
        .into_iter()
        .map(|process| (process.id, process.beat));
    Ok(beats.collect())
}

/// Copies logs and files as far as they go now.
///
/// # Errors
/// [`Error`]; begin again, it goes on where it stopped.
pub async fn copy_bulk(from: &Side, to: &Side) -> Result<Report> {
    copy_what_grows(from, to, false).await
}

async fn copy_what_grows(from: &Side, to: &Side, is_quiet: bool) -> Result<Report> {
    let mut report = Report::default();
    if from.logs.len() == to.logs.len() {
        for (source, target) in from.logs.iter().zip(&to.logs) {
            copy_log(source, std::slice::from_ref(target), &mut report).await?;
        }
    } else if let [source] = &from.logs[..] {
        copy_log(source, &to.logs, &mut report).await?;
    } else {
        return Err(Error::Conflict(format!(
            "the source has {} shards and the target {}: positions hold only from one shard to any number, or to the \
             same number",
            from.logs.len(),
            to.logs.len()
        )));
    }
    copy_files(&from.blobs, &to.blobs, is_quiet, &mut report).await?;
    Ok(report)
}

/// Copies everything that is not in the target yet, and lets it be started. Nobody works on either side.
///
/// # Errors
/// [`Error`]; the target is not finished then.
pub async fn finish(from: &Side, to: &Side) -> Result<Report> {
    let mut report = copy_what_grows(from, to, true).await?;
    let count = |logs: &[Log]| u32::try_from(logs.len()).unwrap_or(u32::MAX);
    let shards = Shards {
        from: count(&from.logs),
        to: count(&to.logs),
    };
    let mut read = from.db.read().await?;
    let mut tx = to.db.begin().await?;
    let copied = store::copy::all(&mut read, &mut tx, shards).await?;
    if let Some(Copied { table, .. }) = copied.iter().find(|copied| !copied.is_equal) {
        return Err(Error::internal(format!(
            "table {table} reads otherwise than it was written"
        )));
    }
    store::setting::put(&mut tx, MARK, FINISHED).await?;
    tx.commit().await?;
    report.tables = copied
        .iter()
        .map(|copied| (copied.table, copied.rows))
        .collect();
    // Files that the source has no more: the rows that named them are gone too.
    let there: HashSet<String> = list(&from.blobs).await?.into_iter().collect();
    for key in list(&to.blobs).await? {
        if !there.contains(&key) {
            to.blobs.delete(&key).await?;
        }
    }
    Ok(report)
}

/// Copies a log into the one log of the target, or into that of each of its shards.
async fn copy_log(from: &Log, to: &[Log], report: &mut Report) -> Result<()> {
    let end_seq = from.latest().await?;
    let mut starts = Vec::new();
    for log in to {
        starts.push(log.latest().await?);
    }
    let mut next_seq = starts.iter().copied().min().unwrap_or(end_seq);
    while next_seq < end_seq {
        let batches = match from.read(next_seq, PIECE_BATCHES, PIECE_BYTES).await {
            Ok(batches) => batches,
            Err(LogError::Corrupt { seq, what }) => {
                tracing::error!(seq, what, "a damaged batch of the log is left out");
                report.damaged += 1;
                next_seq = seq + 1;
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        let until = batches.partition_point(|batch| batch.seq() < end_seq);
        let Some(last) = batches[..until].last() else {
            break;
        };
        next_seq = last.seq() + 1;
        report.batches += until as u64;
        for (shard, (log, start_seq)) in to.iter().zip(&starts).enumerate() {
            let new = batches[..until]
                .iter()
                .filter(|batch| batch.seq() >= *start_seq);
            let new = new.filter_map(|batch| of_shard(batch, shard, to.len()));
            import(log, new.collect()).await?;
        }
    }
    for log in to {
        if log.latest().await? < end_seq {
            log.skip_to(end_seq).await?;
        }
    }
    Ok(())
}

/// What of a batch belongs to one of `shards` shards; nothing at all if none of it does.
fn of_shard(batch: &Arc<Batch>, shard: usize, shards: usize) -> Option<Arc<Batch>> {
    if shards == 1 {
        return Some(Arc::clone(batch));
    }
    let count = i64::try_from(shards).unwrap_or(i64::MAX);
    let is_kept = |record: &[u8]| match Entry::decode(record) {
        Ok(entry) => usize::try_from(entry.account().0.rem_euclid(count)).ok() == Some(shard),
        // Nobody can read it: it is told of once.
        Err(_) => shard == 0,
    };
    batch.emptied(is_kept).map(Arc::new)
}

/// Puts batches into a log, reads them back and compares.
async fn import(log: &Log, batches: Vec<Arc<Batch>>) -> Result<()> {
    let Some(first) = batches.first() else {
        return Ok(());
    };
    let first_seq = first.seq();
    log.import(batches.clone()).await?;
    let mut next_seq = first_seq;
    let mut rest = &batches[..];
    while !rest.is_empty() {
        let read = log.read(next_seq, rest.len(), usize::MAX).await?;
        let is_same = read.len() <= rest.len()
            && read.iter().zip(rest).all(|(read, written)| {
                read.seq() == written.seq() && read.iter().eq(written.iter())
            });
        let Some(last) = read.last().filter(|_| is_same) else {
            return Err(Error::internal(format!(
                "batches from {next_seq} of the log read otherwise than they were written"
            )));
        };
        next_seq = last.seq() + 1;
        rest = &rest[read.len()..];
    }
    Ok(())
}

/// Copies files that the target does not have. An event file is never changed; a job's is while it is written, so that
/// these are compared once nobody does.
async fn copy_files(from: &Blobs, to: &Blobs, is_quiet: bool, report: &mut Report) -> Result<()> {
    let there: HashSet<String> = list(to).await?.into_iter().collect();
    for key in list(from).await? {
        let may_differ = is_quiet && key.starts_with(crate::data_file::FOLDER);
        if there.contains(&key) && !may_differ {
            continue;
        }
        // A reader may delete it meanwhile.
        let Some(bytes) = from.get(&key).await? else {
            continue;
        };
        if may_differ && to.get(&key).await?.as_ref() == Some(&bytes) {
            continue;
        }
        to.put(&key, bytes.clone()).await?;
        if to.get(&key).await? != Some(bytes) {
            return Err(Error::internal(format!(
                "file {key} reads otherwise than it was written"
            )));
        }
        report.files += 1;
    }
    Ok(())
}

async fn list(blobs: &Blobs) -> Result<Vec<String>> {
    let mut keys = blobs.list(crate::event_file::FOLDER).await?;
    keys.append(&mut blobs.list(crate::data_file::FOLDER).await?);
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::{Clock, LogOptions, Position};
    use model::record::Refused;
    use model::{AccountId, EndpointId};

    fn record(account: i64) -> Vec<u8> {
        let refused = Refused {
            account: AccountId(account),
            endpoint: EndpointId(1),
            published_at_us: 0,
            ordinal: 0,
            idempotency: None,
            body: "{}".into(),
            violations: "[]".into(),
        };
        Entry::Refused(refused).encode()
    }

    async fn log(directory: &tempfile::TempDir, name: &str) -> Log {
        let path = directory.path().join(name);
        let log = Log::open_sqlite(&path, LogOptions::default(), Clock::System).await;
        log.expect("a log")
    }

    /// The accounts of a log's records, by position.
    async fn accounts(log: &Log) -> Vec<(Position, i64)> {
        let batches = log.read(0, usize::MAX, usize::MAX).await.expect("batches");
        let records = batches.iter().flat_map(|batch| batch.iter());
        let full = records.filter(|(_, record)| !record.is_empty());
        full.map(|(at, record)| (at, Entry::decode(record).expect("a record").account().0))
            .collect()
    }

    #[tokio::test]
    async fn one_log_becomes_that_of_every_shard_and_every_record_keeps_its_place() {
        let directory = tempfile::tempdir().expect("a directory");
        let from = log(&directory, "from").await;
        let mut to = Vec::new();
        for shard in 0..3 {
            to.push(log(&directory, &format!("to-{shard}")).await);
        }
        let mut report = Report::default();
        // Again and again: each run goes on where the last one stopped.
        for _ in 0..3 {
            for batch in [&[1, 2, 3, 4][..], &[6], &[4, 4]] {
                let records = batch.iter().map(|account| record(*account)).collect();
                from.append(records).await.expect("durable");
            }
            copy_log(&from, &to, &mut report).await.expect("copied");
        }
        assert_eq!((report.batches, report.damaged), (9, 0));
        let all = accounts(&from).await;
        assert_eq!(all.len(), 21);
        for (shard, log) in (0..).zip(&to) {
            let own = all.iter().filter(|(_, account)| account % 3 == shard);
            assert_eq!(
                accounts(log).await,
                own.copied().collect::<Vec<_>>(),
                "{shard}"
            );
            let next_seq = log.latest().await.expect("its end");
            assert_eq!(next_seq, from.latest().await.expect("its end"));
        }
    }
}
