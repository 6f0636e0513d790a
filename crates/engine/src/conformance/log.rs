//! What a `Log` promises to `hub`.

mod copy;
mod crash;
mod fault;
#[cfg(feature = "distributed")]
mod jetstream;
mod model;
#[cfg(feature = "distributed")]
mod postgres;
mod recovery;
mod rewrite;
mod trim;

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Waker};
use std::time::Duration;

use jiff::Timestamp;
use tempfile::TempDir;

use copy::{
    a_snapshot_is_a_log, an_import_keeps_numbers_and_times, numbering_goes_on_where_it_is_told_to,
};
use fault::{
    a_failed_sync_leaves_nothing_behind, a_full_disk_refuses_and_recovers_by_itself,
    a_lost_answer_is_looked_up, damage_is_told_and_can_be_passed, health_brings_a_broken_log_back,
};
use rewrite::{
    a_rewritten_log_is_trimmed_like_any_other, rewritten_batches_keep_their_places,
    what_was_taken_out_is_in_no_file,
};
use trim::{
    batches_are_found_by_time_and_never_go_back_in_it, reads_go_on_across_trims,
    trimmed_space_is_used_again, trimming_removes_the_oldest_and_never_reuses_a_number,
};

use crate::{Appended, Clock, Log, LogError, LogOptions, Position};

/// Where a log rests, so that it can be closed and opened again.
enum Place {
    Sql(TempDir),
    #[cfg(feature = "distributed")]
    Postgres(postgres::Shard),
    #[cfg(feature = "distributed")]
    JetStream(Box<jetstream::Shard>),
}

impl Place {
    fn sqlite() -> Self {
        Self::Sql(TempDir::new().expect("a temporary directory"))
    }

    async fn open(&self) -> Log {
        self.open_with(LogOptions::default(), Clock::System).await
    }

    /// A log that serves all reads from where it rests.
    async fn open_cold(&self) -> Log {
        self.open_with(
            LogOptions {
                tail_bytes_max: 0,
                ..LogOptions::default()
            },
            Clock::System,
        )
        .await
    }

    async fn open_with(&self, options: LogOptions, clock: Clock) -> Log {
        match self {
            Self::Sql(dir) => Log::open_sqlite(&dir.path().join("log.db"), options, clock)
                .await
                .expect("opens"),
            #[cfg(feature = "distributed")]
            Self::Postgres(shard) => shard.open(options, clock).await,
            #[cfg(feature = "distributed")]
            Self::JetStream(shard) => shard.open(options, clock).await,
        }
    }
}

/// What every engine does.
macro_rules! everywhere {
    ($engine:ident: $place:expr) => {
        super::suite!($engine: $place =>
            a_new_log_is_empty,
            records_come_back_in_order_where_they_were_put,
            an_append_is_one_piece,
            what_was_appended_is_there_after_reopening,
            nothing_appended_takes_nothing,
            an_append_beyond_a_batch_is_refused,
            reads_have_bounds,
            followers_are_told,
            concurrent_appends_share_commits,
            a_dropped_append_is_appended,
            a_full_queue_pushes_back,
            closing_writes_what_is_queued_and_takes_no_more,
            dropping_the_log_writes_what_is_queued,
            trimming_removes_the_oldest_and_never_reuses_a_number,
            trimmed_space_is_used_again,
            reads_go_on_across_trims,
            batches_are_found_by_time_and_never_go_back_in_it,
            a_full_disk_refuses_and_recovers_by_itself,
            a_failed_sync_leaves_nothing_behind,
            a_lost_answer_is_looked_up,
            health_brings_a_broken_log_back,
            damage_is_told_and_can_be_passed,
            an_import_keeps_numbers_and_times,
            numbering_goes_on_where_it_is_told_to,
            rewritten_batches_keep_their_places,
            a_rewritten_log_is_trimmed_like_any_other,
            what_was_taken_out_is_in_no_file,
            a_log_that_cannot_be_opened_says_so,
        );
    };
}

everywhere!(sqlite: super::Place::sqlite());
#[cfg(feature = "distributed")]
everywhere!(postgresql: super::Place::Postgres(super::postgres::Shard::new()));
#[cfg(feature = "distributed")]
everywhere!(jetstream_alone: super::Place::JetStream(Box::new(super::jetstream::Shard::alone().await)));
#[cfg(feature = "distributed")]
everywhere!(jetstream_cluster: super::Place::JetStream(Box::new(super::jetstream::Shard::clustered().await)));

super::suite!(sqlite_only: super::Place::sqlite() =>
    a_snapshot_is_a_log,
);

fn record(number: usize) -> Vec<u8> {
    format!("record {number} of no great length").into_bytes()
}

fn records(numbers: impl IntoIterator<Item = usize>) -> Vec<Vec<u8>> {
    numbers.into_iter().map(record).collect()
}

/// Bytes that do not compress.
fn noise(seed: u64, bytes: usize) -> Vec<u8> {
    let mut state = seed * 2 + 1;
    std::iter::repeat_with(|| {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        state.to_le_bytes()[7]
    })
    .take(bytes)
    .collect()
}

async fn append(log: &Log, numbers: impl IntoIterator<Item = usize>) -> Appended {
    log.append(records(numbers)).await.expect("appends")
}

/// Everything in the log.
async fn all(log: &Log) -> Vec<(Position, Vec<u8>)> {
    let mut found = Vec::new();
    let mut next = 0;
    loop {
        let batches = log.read(next, 3, usize::MAX).await.expect("reads");
        let Some(last) = batches.last() else {
            return found;
        };
        next = last.seq() + 1;
        found.extend(
            batches
                .iter()
                .flat_map(|batch| batch.iter().map(|(at, record)| (at, record.to_vec()))),
        );
    }
}

async fn contents(log: &Log) -> Vec<Vec<u8>> {
    all(log)
        .await
        .into_iter()
        .map(|(_, record)| record)
        .collect()
}

/// Waits until so much is in the log, and checks that it is this.
async fn until_contents(log: &Log, expected: &[Vec<u8>]) {
    let mut tail = log.tail();
    loop {
        let found = contents(log).await;
        if found.len() >= expected.len() {
            return assert_eq!(found, expected);
        }
        tail.changed().await.expect("the log is open");
    }
}

fn poll_once(future: impl Future) {
    let _ = pin!(future)
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()));
}

async fn a_new_log_is_empty(place: &Place) {
    let log = place.open().await;
    let ends = log.ends();
    assert_eq!((ends.first_seq, ends.next_seq, ends.oldest), (1, 1, None));
    assert!(log.read(0, 10, 1000).await.expect("reads").is_empty());
    assert_eq!(log.trim(99).await.expect("nothing to do"), 0);
    assert_eq!(log.find_time(Timestamp::MIN).await.expect("finds"), 1);
    log.health().await.expect("well");
}

async fn records_come_back_in_order_where_they_were_put(place: &Place) {
    for cold in [false, true] {
        let log = if cold {
            place.open_cold().await
        } else {
            place.open().await
        };
        let before = all(&log).await.len();
        let first = append(&log, [1, 2, 3]).await.first;
        let second = append(&log, [4]).await.first;
        assert!(second > first);
        let found = all(&log).await.split_off(before);
        let at = |index| Position::new(first.seq(), first.index() + index);
        assert_eq!(
            found,
            [
                (at(0), record(1)),
                (at(1), record(2)),
                (at(2), record(3)),
                (second, record(4))
            ]
        );
        let batch = log.read(first.seq(), 1, 1).await.expect("reads").remove(0);
        assert_eq!(
            (batch.seq(), batch.len(), batch.record(1)),
            (first.seq(), 3, Some(&record(2)[..]))
        );
        log.close().await;
    }
}

async fn an_append_is_one_piece(place: &Place) {
    let log = place.open().await;
    let appends: Vec<_> = (0..40)
        .map(|n| {
            tokio::spawn({
                let log = log.clone();
                async move { (n, append(&log, n * 100..n * 100 + n + 1).await) }
            })
        })
        .collect();
    for append in appends {
        let (n, appended) = append.await.expect("done");
        let batch = log
            .read(appended.first.seq(), 1, 1)
            .await
            .expect("reads")
            .remove(0);
        assert_eq!(
            (batch.seq(), batch.appended_at()),
            (appended.first.seq(), appended.at)
        );
        for (index, number) in (appended.first.index()..).zip(n * 100..n * 100 + n + 1) {
            assert_eq!(batch.record(index), Some(&record(number)[..]));
        }
    }
}

async fn what_was_appended_is_there_after_reopening(place: &Place) {
    let log = place.open().await;
    let big = vec![b'x'; 3 << 20];
    append(&log, 0..10).await;
    log.append(vec![big.clone(), Vec::new()])
        .await
        .expect("appends");
    let before = (all(&log).await, log.ends());
    drop(log);
    let log = place.open().await;
    assert_eq!(all(&log).await, before.0);
    assert_eq!(
        (log.ends().first_seq, log.ends().next_seq),
        (1, before.1.next_seq)
    );
    assert_eq!(log.ends().oldest, before.1.oldest);
    assert_eq!(append(&log, [1]).await.first.seq(), before.1.next_seq);
}

async fn nothing_appended_takes_nothing(place: &Place) {
    let log = place.open().await;
    assert_eq!(append(&log, []).await.first, Position::new(1, 0));
    assert_eq!(log.ends().next_seq, 1);
}

async fn an_append_beyond_a_batch_is_refused(place: &Place) {
    let log = place.open().await;
    append(&log, 0..4096).await;
    let too_many = log
        .append(records(0..4097))
        .await
        .expect_err("4096 is the most");
    assert!(
        matches!(too_many, LogError::TooLarge { records: 4097, .. }),
        "{too_many}"
    );
    let too_long = log
        .append(vec![vec![0; crate::log::BATCH_BYTES_MAX - 3]])
        .await
        .expect_err("one byte too long");
    assert!(
        too_long
            .to_string()
            .contains("33554433 bytes is more than a batch holds: 4096 records, 33554432 bytes")
    );
    log.append(vec![vec![0; crate::log::BATCH_BYTES_MAX - 4]])
        .await
        .expect("the most there can be");
    assert_eq!(all(&log).await.len(), 4097);
}

async fn reads_have_bounds(place: &Place) {
    for _ in 0..2 {
        let log = place.open_cold().await;
        for n in 0..5 {
            append(&log, [n]).await;
        }
        let first = log.ends().next_seq - 5;
        let bytes = log.read(first, 1, 0).await.expect("reads")[0].bytes();
        for (from, batches_max, bytes_max, expected) in [
            (first, 3, usize::MAX, 3),
            (first + 4, 3, usize::MAX, 1),
            (first + 5, 3, usize::MAX, 0),
            (u64::MAX, 3, usize::MAX, 0),
            (first, 0, usize::MAX, 0),
            (first, 9, 0, 1),
            (first, 9, bytes, 1),
            (first, 9, bytes + 1, 2),
        ] {
            let read = log.read(from, batches_max, bytes_max).await.expect("reads");
            assert_eq!(
                read.len(),
                expected,
                "from {from}, {batches_max} batches, {bytes_max} bytes"
            );
            assert_eq!(read.first().map_or(from, |batch| batch.seq()), from);
        }
        log.close().await;
    }
}

async fn followers_are_told(place: &Place) {
    let log = place.open().await;
    let mut tail = log.tail();
    assert_eq!(*tail.borrow_and_update(), 1);
    append(&log, [1]).await;
    assert!(tail.has_changed().expect("open"));
    assert_eq!(*tail.borrow_and_update(), 2);
    assert_eq!(log.ends().next_seq, 2);
    assert_eq!(log.latest().await.expect("known"), 2);
}

async fn concurrent_appends_share_commits(place: &Place) {
    let commits = Arc::new(AtomicUsize::new(0));
    let told = Arc::new(Mutex::new((0, 0)));
    let on_commit = {
        let (commits, told) = (Arc::clone(&commits), Arc::clone(&told));
        move |stats: crate::CommitStats| {
            commits.fetch_add(1, Ordering::Relaxed);
            let mut told = told.lock().expect("not poisoned");
            *told = (told.0 + stats.records, told.1 + stats.bytes);
            assert!(stats.elapsed > Duration::ZERO);
        }
    };
    let options = LogOptions {
        on_commit: Some(Arc::new(on_commit)),
        ..LogOptions::default()
    };
    let log = place.open_with(options, Clock::System).await;
    let appenders: Vec<_> = (0..64_usize)
        .map(|appender| {
            tokio::spawn({
                let log = log.clone();
                async move {
                    for n in 0..10 {
                        append(&log, [appender * 10 + n]).await;
                    }
                }
            })
        })
        .collect();
    for appender in appenders {
        appender.await.expect("done");
    }
    log.close().await;
    assert!(
        commits.load(Ordering::Relaxed) < 320,
        "{commits:?} commits for 640 appends"
    );
    let bytes: usize = (0..640).map(|n| record(n).len() + 4).sum();
    assert_eq!(*told.lock().expect("not poisoned"), (640, bytes));
    let mut found = contents(&log).await;
    found.sort();
    let mut expected = records(0..640);
    expected.sort();
    assert_eq!(found, expected);
}

async fn a_dropped_append_is_appended(place: &Place) {
    let log = place.open().await;
    for n in 0..100 {
        poll_once(log.append(records([n])));
    }
    append(&log, [100]).await;
    assert_eq!(contents(&log).await, records(0..=100));
}

/// A log whose committer waits, after each commit, until `go` is sent or dropped.
async fn slow(
    place: &Place,
    options: LogOptions,
) -> (Log, mpsc::Receiver<()>, mpsc::SyncSender<()>) {
    let (committed, commits) = mpsc::sync_channel(1000);
    let (go, gone) = mpsc::sync_channel(1000);
    let gone = Mutex::new(gone);
    let on_commit = move |_| {
        let _ = committed.send(());
        let _ = gone.lock().expect("not poisoned").recv();
    };
    let options = LogOptions {
        on_commit: Some(Arc::new(on_commit)),
        ..options
    };
    (place.open_with(options, Clock::System).await, commits, go)
}

async fn a_full_queue_pushes_back(place: &Place) {
    let options = LogOptions {
        queue_records_max: 10,
        ..LogOptions::default()
    };
    let (log, commits, go) = slow(place, options).await;
    poll_once(log.append(records([0])));
    commits.recv().expect("the committer is busy now");
    for n in 1..=10 {
        poll_once(log.append(records([n])));
    }
    let Err(LogError::Full { retry_after }) = log.append(records([11])).await else {
        panic!("taken")
    };
    assert!(retry_after > Duration::ZERO);
    drop(go);
    log.health()
        .await
        .expect("the queue was worked off before it");
    append(&log, [12]).await;
    assert_eq!(contents(&log).await, records((0..=10).chain([12])));
}

async fn closing_writes_what_is_queued_and_takes_no_more(place: &Place) {
    let (log, commits, go) = slow(place, LogOptions::default()).await;
    poll_once(log.append(records([0])));
    commits.recv().expect("the committer is busy now");
    poll_once(log.append(records([1, 2])));
    poll_once(log.close());
    assert!(matches!(
        log.append(records([3])).await,
        Err(LogError::Closed)
    ));
    drop(go);
    log.close().await;
    assert_eq!(contents(&log).await, records(0..=2));
    assert!(matches!(log.health().await, Err(LogError::Closed)));
    assert!(matches!(log.trim(2).await, Err(LogError::Closed)));
    // It has let go of its place.
    assert_eq!(contents(&place.open().await).await, records(0..=2));
}

async fn dropping_the_log_writes_what_is_queued(place: &Place) {
    let log = place.open().await;
    for n in 0..50 {
        poll_once(log.append(records([n])));
    }
    drop(log);
    until_contents(&place.open().await, &records(0..50)).await;
}

async fn a_log_that_cannot_be_opened_says_so(place: &Place) {
    match place {
        Place::Sql(dir) => {
            let path = dir.path().join("log.db");
            std::fs::write(&path, [7; 8192]).expect("writes");
            for path in [path, dir.path().join("nowhere/log.db")] {
                let open = Log::open_sqlite(&path, LogOptions::default(), Clock::System).await;
                assert!(matches!(open, Err(LogError::Unavailable(_))), "{open:?}");
            }
        }
        #[cfg(feature = "distributed")]
        Place::Postgres(shard) => shard.cannot_be_opened().await,
        #[cfg(feature = "distributed")]
        Place::JetStream(shard) => shard.cannot_be_opened().await,
    }
}
