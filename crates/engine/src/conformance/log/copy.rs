//! What a `Log` promises to whoever takes it elsewhere: snapshots, imports, and numbers that go on.

use std::sync::Arc;

use jiff::Timestamp;
use tempfile::TempDir;

use super::{Place, all, append, contents, record, records};
use crate::{Clock, Log, LogError, LogOptions, ManualClock, Position};

pub(super) async fn a_snapshot_is_a_log(place: &Place) {
    let log = place.open().await;
    append(&log, 0..10).await;
    let dir = TempDir::new().expect("a temporary directory");
    let to = dir.path().join("copy.db");
    log.snapshot(&to).await.expect("copies");
    append(&log, 10..20).await;
    let copy = Log::open_sqlite(&to, LogOptions::default(), Clock::System)
        .await
        .expect("opens");
    assert_eq!(contents(&copy).await, records(0..10));
    assert!(matches!(
        log.snapshot(&to).await,
        Err(LogError::Unavailable(_))
    ));
}

pub(super) async fn an_import_keeps_numbers_and_times(place: &Place) {
    let second = |second| Timestamp::from_second(second).expect("in range");
    let source = Place::sqlite();
    let manual = ManualClock::new(second(1_000));
    let from = source
        .open_with(LogOptions::default(), Clock::Manual(manual.clone()))
        .await;
    for (seq, now) in [
        (5_000, 1_000),
        (5_001, 1_010),
        (6_000, 1_020),
        (1 << 40, 1_030),
    ] {
        from.skip_to(seq).await.expect("beyond the end");
        manual.set(second(now));
        append(&from, [1, 2, 3]).await;
    }
    let batches = from.read(0, 9, usize::MAX).await.expect("reads");

    let log = place
        .open_with(LogOptions::default(), Clock::Manual(manual.clone()))
        .await;
    log.import(batches[..2].to_vec()).await.expect("empty");
    for wrong in [0..1, 1..2] {
        let Err(LogError::Misplaced { next_seq, .. }) = log.import(batches[wrong].to_vec()).await
        else {
            panic!("it is there already")
        };
        assert_eq!(next_seq, 5_002);
    }
    let unordered = vec![Arc::clone(&batches[3]), Arc::clone(&batches[2])];
    assert!(matches!(
        log.import(unordered).await,
        Err(LogError::Misplaced { .. })
    ));
    log.import(batches[2..].to_vec())
        .await
        .expect("beyond the end");
    log.import(Vec::new()).await.expect("nothing to do");
    manual.set(second(0));
    let appended = append(&log, [9]).await;
    assert_eq!(
        (appended.first, appended.at),
        (Position::new((1 << 40) + 1, 0), second(1_030))
    );
    log.close().await;

    let log = place.open_cold().await;
    let mut expected = all(&from).await;
    expected.push((appended.first, record(9)));
    assert_eq!(all(&log).await, expected);
    assert_eq!(log.read(0, 4, usize::MAX).await.expect("reads"), batches);
    assert_eq!(log.read(5_002, 1, 1).await.expect("reads")[0].seq(), 6_000);
    assert_eq!(
        (log.ends().first_seq, log.ends().oldest),
        (5_000, Some(second(1_000)))
    );
    // Any number of the gap will do.
    let found = log.find_time(second(1_011)).await.expect("finds");
    assert!((5_002..=6_000).contains(&found), "{found}");
    assert_eq!(log.trim(5_500).await.expect("trims"), 2);
    assert_eq!(log.ends().first_seq, 6_000);
    assert_eq!(all(&log).await, expected.split_off(6));
}

pub(super) async fn numbering_goes_on_where_it_is_told_to(place: &Place) {
    let log = place.open().await;
    log.skip_to(1).await.expect("where it is");
    log.skip_to(70).await.expect("empty");
    assert_eq!(*log.tail().borrow(), 70);
    assert_eq!((log.ends().first_seq, log.ends().next_seq), (70, 70));
    for too_low_or_high in [69, 1 << 52] {
        let Err(LogError::Misplaced { next_seq: 70, .. }) = log.skip_to(too_low_or_high).await
        else {
            panic!("{too_low_or_high} was taken")
        };
    }
    log.close().await;
    let log = place.open().await;
    assert_eq!(append(&log, [1]).await.first, Position::new(70, 0));
    log.skip_to(80).await.expect("beyond the end");
    assert_eq!(append(&log, [2]).await.first, Position::new(80, 0));
    assert_eq!(contents(&log).await, records([1, 2]));
}
