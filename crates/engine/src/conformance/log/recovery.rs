//! Damage of every kind to the files of a log: bits that flip, sectors of zeros, pages in the wrong place, files cut
//! short or gone. Whatever it was, no record is ever answered that was not put there, what is missing is told, what is
//! well can be read, and appends go on or are refused in a sentence.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::TestCaseResult;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::record;
use crate::{Clock, Log, LogError, LogOptions};

/// Nothing that a damaged file of this size causes takes longer, on the slowest machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A gap that is left is wider than anything that is lost.
const GAP_MIN: u64 = 1 << 30;

const PAGE: usize = 8192;
const SECTOR: usize = 512;

/// The files of a log at one moment, as a crash leaves them, and what was acknowledged until then.
struct Image {
    log: Vec<u8>,
    wal: Vec<u8>,
    first_seq: u64,
    next_seq: u64,
    batches: BTreeMap<u64, Vec<Vec<u8>>>,
}

fn cold() -> LogOptions {
    LogOptions {
        tail_bytes_max: 0,
        ..LogOptions::default()
    }
}

async fn open(directory: &Path) -> Result<Log, LogError> {
    Log::open_sqlite(&directory.join("log.db"), cold(), Clock::System).await
}

/// Records of one to many pages, which no compression makes small.
fn noise(seed: usize, bytes: usize) -> Vec<u8> {
    let mut state = seed as u64;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        state.to_be_bytes()[0]
    };
    (0..bytes).map(|_| next()).collect()
}

impl Image {
    /// `settled` batches that are in the log's file, and `fresh` ones that are in the write-ahead file only.
    async fn make(settled: usize, fresh: usize, trimmed: u64) -> Self {
        let dir = TempDir::new().expect("a temporary directory");
        let mut batches = BTreeMap::new();
        let mut log = open(dir.path()).await.expect("a new log");
        for n in 0..settled + fresh {
            let size = [20, 300, 3_000, 30, 20_000, 100][n % 6];
            let records: Vec<_> = (0..1 + n % 4).map(|i| noise(n * 7 + i, size)).collect();
            let appended = log.append(records.clone()).await.expect("durable");
            batches.insert(appended.first.seq(), records);
            if n + 1 == settled {
                log.trim(trimmed).await.expect("trimmed");
                log.close().await;
                drop(log);
                log = open(dir.path()).await.expect("opens");
            }
        }
        let ends = log.ends();
        let read = |name: &str| std::fs::read(dir.path().join(name)).unwrap_or_default();
        let image = Self {
            log: read("log.db"),
            wal: read("log.db-wal"),
            first_seq: ends.first_seq,
            next_seq: ends.next_seq,
            batches: batches.split_off(&ends.first_seq),
        };
        log.close().await;
        image
    }
}

#[derive(Clone, Copy, Debug)]
enum File {
    Log,
    Wal,
}

#[derive(Clone, Debug)]
enum Damage {
    /// One bit.
    Flip(File, Index, u8),
    /// A sector that was never written.
    Zeros(File, Index),
    /// A sector of something else.
    Overwritten(File, Index, u8),
    /// A page where another should be: a write that went astray.
    Astray(Index, Index),
    /// The rest is gone.
    Cut(File, Index),
    Gone(File),
    /// What the index of the write-ahead file says is of another time.
    Shm(Vec<u8>),
}

fn damage() -> impl Strategy<Value = Damage> {
    let file = || prop_oneof![2 => Just(File::Log), 1 => Just(File::Wal)];
    let at = any::<Index>;
    prop_oneof![
        8 => (file(), at(), 0..8_u8).prop_map(|(file, at, bit)| Damage::Flip(file, at, bit)),
        2 => (file(), at()).prop_map(|(file, at)| Damage::Zeros(file, at)),
        2 => (file(), at(), any::<u8>()).prop_map(|(file, at, byte)| Damage::Overwritten(file, at, byte)),
        2 => (at(), at()).prop_map(|(from, to)| Damage::Astray(from, to)),
        2 => (file(), at()).prop_map(|(file, at)| Damage::Cut(file, at)),
        1 => file().prop_map(Damage::Gone),
        1 => vec(any::<u8>(), 0..300).prop_map(Damage::Shm),
    ]
}

/// Writes the image with its damage.
fn write(image: &Image, damage: &[Damage], directory: &Path) {
    let (mut log, mut wal) = (Some(image.log.clone()), Some(image.wal.clone()));
    let mut shm = None;
    for damage in damage {
        let file = match damage {
            Damage::Flip(file, ..)
            | Damage::Zeros(file, ..)
            | Damage::Overwritten(file, ..)
            | Damage::Cut(file, ..)
            | Damage::Gone(file) => *file,
            Damage::Astray(..) | Damage::Shm(_) => File::Log,
        };
        let whole = match file {
            File::Log => &mut log,
            File::Wal => &mut wal,
        };
        let Some(bytes) = whole.as_mut().filter(|bytes| !bytes.is_empty()) else {
            continue;
        };
        let size = bytes.len();
        let sector = |at: &Index| {
            let start = at.index(size) / SECTOR * SECTOR;
            start..size.min(start + SECTOR)
        };
        match damage {
            Damage::Flip(_, at, bit) => bytes[at.index(size)] ^= 1 << bit,
            Damage::Zeros(_, at) => bytes[sector(at)].fill(0),
            Damage::Overwritten(_, at, byte) => bytes[sector(at)].fill(*byte),
            Damage::Astray(from, to) if size >= PAGE => {
                let page = |at: &Index| at.index(size / PAGE) * PAGE;
                let (from, to) = (page(from), page(to));
                bytes.copy_within(from..from + PAGE, to);
            }
            Damage::Cut(_, at) => bytes.truncate(at.index(size)),
            Damage::Gone(_) => *whole = None,
            Damage::Shm(bytes) => shm = Some(bytes.clone()),
            Damage::Astray(..) => {}
        }
    }
    let files = [("log.db", log), ("log.db-wal", wal), ("log.db-shm", shm)];
    for (name, bytes) in files {
        let Some(bytes) = bytes else { continue };
        std::fs::write(directory.join(name), bytes).expect("a file");
    }
}

/// What can be read of a log from `from` on, as whoever reads it goes on behind damage, and the numbers it was told of.
async fn read(
    log: &Log,
    from: u64,
) -> Result<(BTreeMap<u64, Vec<Vec<u8>>>, BTreeSet<u64>), LogError> {
    let (mut found, mut told) = (BTreeMap::new(), BTreeSet::new());
    let mut next = from;
    loop {
        match log.read(next, 7, 1 << 20).await {
            Ok(batches) => {
                let Some(last) = batches.last() else {
                    return Ok((found, told));
                };
                next = last.seq() + 1;
                for batch in batches {
                    let records = batch.iter().map(|(_, record)| record.to_vec()).collect();
                    assert!(
                        found.insert(batch.seq(), records).is_none(),
                        "batch {} twice",
                        batch.seq()
                    );
                }
            }
            Err(LogError::Corrupt { seq, .. }) => {
                told.insert(seq);
                next = seq.max(next) + 1;
            }
            Err(other) => return Err(other),
        }
    }
}

/// An error that says something.
fn sentence(error: &LogError) -> Result<(), TestCaseError> {
    prop_assert!(matches!(error, LogError::Unavailable(_)), "{:?}", error);
    let source = std::error::Error::source(error).map(ToString::to_string);
    prop_assert!(source.is_some_and(|text| text.len() > 5), "{:?}", error);
    Ok(())
}

/// `routed` is what the reader of the log remembers to have seen.
async fn promises(image: &Image, damage: &[Damage], routed: u64) -> TestCaseResult {
    let dir = TempDir::new().expect("a temporary directory");
    write(image, damage, dir.path());
    let log = match open(dir.path()).await {
        Ok(log) => log,
        Err(error) => return sentence(&error),
    };
    // The reader knows of these, and tells.
    let lost = log.ends().next_seq..routed;
    if !lost.is_empty()
        && let Err(error) = log.skip_to(routed).await
    {
        return sentence(&error);
    }
    // What was not routed yet may be lost with the end of the log, which nobody knows of then.
    let known = image.batches.keys().copied();
    let known: Vec<u64> = known
        .filter(|seq| *seq < routed && !lost.contains(seq))
        .collect();
    let before = check(image, &log, &BTreeMap::new(), &known).await?;

    // Appends go on behind all that was known, or are refused.
    let mut added = BTreeMap::new();
    for n in 0..3 {
        let records = vec![record(n); n + 1];
        match log.append(records.clone()).await {
            Ok(appended) => {
                let seq = appended.first.seq();
                prop_assert!(
                    seq >= routed && !before.contains(&seq),
                    "{} was given out",
                    seq
                );
                let read = log.read(seq, 1, 1 << 20).await;
                let read = read.map(|batches| {
                    batches[0]
                        .iter()
                        .map(|(_, r)| r.to_vec())
                        .collect::<Vec<_>>()
                });
                prop_assert!(
                    matches!(&read, Ok(read) if *read == records),
                    "{}: {:?}",
                    seq,
                    read
                );
                added.insert(seq, records);
            }
            Err(error) => sentence(&error)?,
        }
    }
    if let Err(error) = log.health().await {
        sentence(&error)?;
    }
    let _ = log.find_time(jiff::Timestamp::UNIX_EPOCH).await;
    let _ = log.find_time(jiff::Timestamp::MAX).await;
    log.close().await;
    drop(log);

    let log = match open(dir.path()).await {
        Ok(log) => log,
        Err(error) => return sentence(&error),
    };
    check(image, &log, &added, &known).await?;
    if let Err(error) = log.trim(image.first_seq + 3).await {
        sentence(&error)?;
    }
    check(image, &log, &added, &known).await?;
    log.close().await;
    Ok(())
}

/// Returns the numbers that could be read, of which `known` must be or be told of.
async fn check(
    image: &Image,
    log: &Log,
    added: &BTreeMap<u64, Vec<Vec<u8>>>,
    known: &[u64],
) -> Result<BTreeSet<u64>, TestCaseError> {
    let ends = log.ends();
    let (found, told) = match read(log, image.first_seq).await {
        Ok(read) => read,
        Err(error) => {
            sentence(&error)?;
            return Ok(BTreeSet::new());
        }
    };
    for (seq, records) in &found {
        let put = added.get(seq).or_else(|| image.batches.get(seq));
        prop_assert_eq!(Some(records), put, "batch {}", seq);
    }
    // A log whose newest batch is damaged says so at the start, and goes on behind a gap: what was there ends before it.
    let accounted = found.keys().chain(&told).copied();
    let last = accounted
        .filter(|seq| *seq < image.next_seq)
        .max()
        .unwrap_or(0);
    let is_cut = |seq: u64| ends.next_seq > image.next_seq + GAP_MIN && seq > last;
    for seq in known.iter().chain(added.keys()) {
        prop_assert!(
            found.contains_key(seq) || told.contains(seq) || *seq < ends.first_seq || is_cut(*seq),
            "nothing was said of batch {}; {:?}",
            seq,
            ends
        );
    }
    for seq in added.keys().filter(|seq| **seq >= ends.first_seq) {
        prop_assert!(found.contains_key(seq), "batch {} was acknowledged", seq);
    }
    Ok(found.into_keys().collect())
}

fn runtime() -> Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().expect("a runtime")
}

#[test]
fn fuzz_a_damaged_log_answers_nothing_wrong_and_tells_what_is_missing() {
    let runtime = runtime();
    let images = runtime.block_on(async {
        [
            Image::make(60, 0, 0).await,
            Image::make(300, 60, 50).await,
            Image::make(0, 30, 0).await,
        ]
    });
    let cases = (any::<Index>(), vec(damage(), 1..4), any::<Index>());
    fuzzing::run_slow(60, &cases, |(image, damage, routed)| {
        let image = &images[image.index(images.len())];
        let span = usize::try_from(image.next_seq - image.first_seq).expect("few");
        let routed = image.first_seq + routed.index(span + 1) as u64;
        runtime.block_on(async {
            let promises = promises(image, &damage, routed);
            tokio::time::timeout(PATIENCE, promises)
                .await
                .expect("an end")
        })
    });
}

/// Where a batch's bytes lie is of no concern to the others.
#[test]
fn fuzz_a_flipped_bit_in_a_batch_costs_that_batch_alone() {
    let runtime = runtime();
    let image = runtime.block_on(Image::make(60, 0, 0));
    let dir = TempDir::new().expect("a temporary directory");
    std::fs::write(dir.path().join("log.db"), &image.log).expect("a file");
    let file = rusqlite::Connection::open(dir.path().join("log.db")).expect("opens");
    let mut select = file
        .prepare("SELECT seq, bytes FROM log_batch WHERE length(bytes) < 8000")
        .expect("a statement");
    let rows = select
        .query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get(1)?)))
        .expect("rows");
    let rows: Vec<(i64, Vec<u8>)> = rows.map(|row| row.expect("a row")).collect();
    let flip = (any::<Index>(), any::<Index>(), 0..8_u8);
    fuzzing::run_slow(30, &flip, |(row, at, bit)| {
        let (seq, bytes) = &rows[row.index(rows.len())];
        let seq = u64::try_from(*seq).expect("a number");
        let start = image
            .log
            .windows(bytes.len())
            .position(|window| window == bytes);
        let at = start.expect("its bytes") + at.index(bytes.len());
        let mut log = image.log.clone();
        log[at] ^= 1 << bit;
        let dir = TempDir::new().expect("a temporary directory");
        std::fs::write(dir.path().join("log.db"), log).expect("a file");
        runtime.block_on(async {
            let log = open(dir.path()).await.expect("opens");
            let (mut found, told) = read(&log, 1).await.expect("read");
            log.close().await;
            prop_assert!(
                told.is_empty() || told == BTreeSet::from([seq]),
                "{:?}",
                told
            );
            if told.contains(&seq) {
                found.insert(seq, image.batches[&seq].clone());
            }
            prop_assert_eq!(&found, &image.batches);
            Ok(())
        })
    });
}
