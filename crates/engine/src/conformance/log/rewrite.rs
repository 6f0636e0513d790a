//! What a `Log` promises about batches that are written anew without some of their records.

use std::sync::Arc;
use std::time::Duration;

use super::{Place, all, append, noise, record};
use crate::{Log, Position};

/// Longer than servers take to make room for what is rewritten, and to write it.
const PATIENCE: Duration = Duration::from_secs(60);

/// Takes records out of the batch `seq`.
async fn take_out(place: &Place, log: &Log, seq: u64, is_gone: impl Fn(&[u8]) -> bool) {
    let batch = log.read(seq, 1, 1).await.expect("reads").remove(0);
    assert_eq!(batch.seq(), seq);
    let left = batch.without(|_, record| is_gone(record));
    let left = Arc::new(left.expect("something is taken out"));
    // Servers may be too busy to answer in time: what that cuts short, the next rewrite makes good.
    let may_be_busy = !matches!(place, Place::Sql(_));
    let rewritten = async {
        while let Err(why) = log.rewrite(vec![Arc::clone(&left)]).await {
            assert!(may_be_busy && why.is_retryable(), "{why}");
        }
    };
    tokio::time::timeout(PATIENCE, rewritten)
        .await
        .expect("rewrites");
}

/// What is in the log, but for empty records.
async fn kept(log: &Log) -> Vec<(Position, Vec<u8>)> {
    let mut all = all(log).await;
    all.retain(|(_, record)| !record.is_empty());
    all
}

pub(super) async fn rewritten_batches_keep_their_places(place: &Place) {
    let log = place.open().await;
    let mut at = Vec::new();
    for n in 0..5 {
        at.push(append(&log, n * 10..n * 10 + 5).await.at);
    }
    let mut expected = all(&log).await;
    // The oldest, one in the middle, the newest; and again what was rewritten before.
    for (seq, taken) in [(1, 0), (3, 22), (5, 44), (1, 4), (1, 2)] {
        take_out(place, &log, seq, |found| found == record(taken)).await;
        expected.retain(|(_, found)| *found != record(taken));
        assert_eq!(kept(&log).await, expected, "{seq}");
    }
    let unchanged = log.read(2, 1, 1).await.expect("reads").remove(0);
    assert!(unchanged.without(|_, found| found == record(99)).is_none());
    // Also whole.
    take_out(place, &log, 3, |_| true).await;
    expected.retain(|(position, _)| position.seq() != 3);
    assert_eq!(kept(&log).await, expected);
    log.forget();
    assert_eq!(kept(&log).await, expected);
    log.scrub().await.expect("scrubs");
    let after = append(&log, [99]).await.first;
    expected.push((after, record(99)));
    log.close().await;

    let log = place.open_cold().await;
    assert_eq!(kept(&log).await, expected);
    assert_eq!(log.ends().first_seq, 1);
    let batches = log.read(0, 5, usize::MAX).await.expect("reads");
    for (batch, at) in batches.iter().zip(at) {
        assert_eq!((batch.len(), batch.appended_at()), (5, at));
        assert_eq!(log.find_time(at).await.expect("finds"), batch.seq());
    }
}

pub(super) async fn a_rewritten_log_is_trimmed_like_any_other(place: &Place) {
    let log = place.open().await;
    for n in 0..6 {
        append(&log, [n, n + 100]).await;
    }
    let bytes = log.ends().bytes;
    let first = log.read(1, 1, 1).await.expect("reads").remove(0);
    for seq in [4, 1, 2] {
        take_out(place, &log, seq, |found| *found >= record(100)[..]).await;
    }
    assert_eq!(log.trim(3).await.expect("trims"), 2);
    assert_eq!(log.ends().first_seq, 3);
    // What was trimmed meanwhile does not come back.
    log.rewrite(vec![first]).await.expect("nothing to do");
    assert_eq!(kept(&log).await[0].0, Position::new(3, 0));
    assert_eq!(log.trim(5).await.expect("trims"), 2);
    assert_eq!(log.latest().await.expect("known"), 7);
    assert_eq!((log.ends().first_seq, kept(&log).await.len()), (5, 4));
    assert_eq!(log.trim(u64::MAX).await.expect("trims"), 2);
    assert!(kept(&log).await.is_empty() && log.ends().bytes <= bytes);
    log.close().await;
    let log = place.open().await;
    assert_eq!((log.ends().first_seq, log.ends().next_seq), (7, 7));
    assert_eq!(append(&log, [7]).await.first, Position::new(7, 0));
}

/// Whether `bytes` are in a file in `dir`, or below.
fn is_in(dir: &std::path::Path, bytes: &[u8]) -> bool {
    let entries = std::fs::read_dir(dir).expect("a directory");
    entries.flatten().any(|entry| {
        let path = entry.path();
        if path.is_dir() {
            return is_in(&path, bytes);
        }
        // A file may go while it is looked for.
        let found = std::fs::read(&path).unwrap_or_default();
        found.windows(bytes.len()).any(|window| window == bytes)
    })
}

pub(super) async fn what_was_taken_out_is_in_no_file(place: &Place) {
    let log = place.open().await;
    // Nothing of it compresses, so it is in the files as it is. Small, of some pages, and of many.
    let secrets: Vec<Vec<u8>> = (0..12)
        .map(|n| {
            noise(
                n + 1000,
                [60, 9_000, 300_000][usize::try_from(n).expect("small") % 3],
            )
        })
        .collect();
    for (n, secret) in secrets.iter().enumerate() {
        let records = vec![record(n), secret.clone(), noise(n as u64, 2_000)];
        log.append(records).await.expect("appends");
    }
    append(&log, [99]).await;
    let before = log.read(0, 99, usize::MAX).await.expect("reads");
    log.trim(4).await.expect("trims");
    for seq in 4..=12 {
        take_out(place, &log, seq, |record| {
            secrets.iter().any(|secret| secret == record)
        })
        .await;
    }
    log.scrub().await.expect("scrubs");
    for batch in &before[3..12] {
        let now = log.read(batch.seq(), 1, 1).await.expect("reads").remove(0);
        assert_eq!(now.record(0), batch.record(0));
        assert_eq!(now.record(1), Some(&[][..]));
        assert_eq!(now.record(2), batch.record(2));
    }
    let dir = match place {
        Place::Sql(dir) => dir.path().to_owned(),
        // Its files are the server's, which may use them again as it likes.
        #[cfg(feature = "distributed")]
        Place::Postgres(_) => return,
        #[cfg(feature = "distributed")]
        Place::JetStream(shard) => match shard.files() {
            Some(dir) => dir,
            None => return,
        },
    };
    let (trimmed, kept) = (&secrets[..3], &secrets[3..]);
    // A server writes a little later what it has acknowledged.
    let kept_is_there = async {
        while !is_in(&dir, &noise(5, 2_000)[100..132]) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, kept_is_there)
        .await
        .expect("what was kept can be found");
    for secret in kept {
        assert!(!is_in(&dir, &secret[20..52]), "{} bytes", secret.len());
    }
    if matches!(place, Place::Sql(_)) {
        for secret in trimmed {
            assert!(
                !is_in(&dir, &secret[20..52]),
                "{} bytes, trimmed",
                secret.len()
            );
        }
    }
}
