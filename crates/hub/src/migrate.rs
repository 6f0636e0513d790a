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
    let is_ours = store::setting::get(&mut tx, MARK).await?.is_some();
    if !is_ours && !store::copy::is_empty(&mut tx).await? {
        return Err(Error::Conflict(
            "the target has accounts of its own: name an empty database".to_owned(),
        ));
    }
    store::setting::put(&mut tx, MARK, "begun").await?;
    Ok(tx.commit().await?)
}

/// Refuses an installation into which a migration was begun and not finished.
///
/// # Errors
/// [`Error::Conflict`].
pub async fn check_finished(db: &Db) -> Result<()> {
    let mark = store::setting::get(&mut db.read().await?, MARK).await?;
    if mark.as_deref().is_none_or(|mark| mark == "finished") {
        return Ok(());
    }
    Err(Error::Conflict(
        "a migration into this installation was begun and not finished: run `rialto migrate` again, without --live"
            .to_owned(),
    ))
}

/// Copies logs and files as far as they go now.
///
/// # Errors
/// [`Error`]; begin again, it goes on where it stopped.
pub async fn copy_bulk(from: &Side, to: &Side) -> Result<Report> {
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
    copy_files(&from.blobs, &to.blobs, &mut report).await?;
    Ok(report)
}

/// Copies everything that is not in the target yet, and lets it be started. Nobody works on either side.
///
/// # Errors
/// [`Error`]; the target is not finished then.
pub async fn finish(from: &Side, to: &Side) -> Result<Report> {
    let mut report = copy_bulk(from, to).await?;
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
    store::setting::put(&mut tx, MARK, "finished").await?;
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

/// Copies files that the target does not have: a file is never changed.
async fn copy_files(from: &Blobs, to: &Blobs, report: &mut Report) -> Result<()> {
    let there: HashSet<String> = list(to).await?.into_iter().collect();
    for key in list(from).await? {
        if there.contains(&key) {
            continue;
        }
        // A reader may delete it meanwhile.
        let Some(bytes) = from.get(&key).await? else {
            continue;
        };
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
    Ok(blobs.list(crate::event_file::FOLDER).await?)
}
