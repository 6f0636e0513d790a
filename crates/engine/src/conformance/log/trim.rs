//! What a `Log` promises about its oldest batches, which are trimmed, and about the time of a batch, by which they are found.

use jiff::Timestamp;

use super::{Place, append, contents, noise, record, records};
use crate::{Clock, LogOptions, ManualClock, Position};

pub(super) async fn trimming_removes_the_oldest_and_never_reuses_a_number(place: &Place) {
    let log = place.open().await;
    for n in 0..600 {
        append(&log, [n]).await;
    }
    assert_eq!(log.trim(4).await.expect("trims"), 3);
    assert_eq!((log.ends().first_seq, log.ends().next_seq), (4, 601));
    assert_eq!(log.read(0, 1, 1).await.expect("reads")[0].seq(), 4);
    assert_eq!(log.trim(4).await.expect("nothing to do"), 0);
    assert_eq!(log.trim(u64::MAX).await.expect("trims all"), 597);
    assert_eq!(
        (log.ends().first_seq, log.ends().next_seq, log.ends().oldest),
        (601, 601, None)
    );
    drop(log);
    let log = place.open().await;
    assert_eq!((log.ends().first_seq, log.ends().next_seq), (601, 601));
    assert_eq!(append(&log, [7]).await.first, Position::new(601, 0));
    assert_eq!(contents(&log).await, records([7]));
}

pub(super) async fn trimmed_space_is_used_again(place: &Place) {
    let log = place.open().await;
    let mut most = 0;
    for round in 0..128_u64 {
        let appended = log
            .append(vec![noise(round, 1 << 20)])
            .await
            .expect("appends");
        most = most.max(log.ends().bytes);
        log.trim(appended.first.seq()).await.expect("trims");
    }
    assert!(most < 4 << 20, "{most} bytes for one batch of 1 MiB");
    match place {
        Place::Sql(dir) => {
            let size = |name| {
                std::fs::metadata(dir.path().join(name))
                    .expect("a file")
                    .len()
            };
            assert!(size("log.db") < 8 << 20, "{} bytes", size("log.db"));
            assert!(
                size("log.db-wal") < 96 << 20,
                "{} bytes",
                size("log.db-wal")
            );
        }
        #[cfg(feature = "distributed")]
        Place::Postgres(_) => {}
        #[cfg(feature = "distributed")]
        Place::JetStream(_) => {}
    }
}

pub(super) async fn reads_go_on_across_trims(place: &Place) {
    let log = place.open_cold().await;
    for n in 0..200 {
        append(&log, [n]).await;
    }
    let trimmer = tokio::spawn({
        let log = log.clone();
        async move {
            for before in 2..=200 {
                assert_eq!(log.trim(before).await.expect("trims"), 1);
            }
        }
    });
    let mut next = 0;
    while next <= 200 {
        let batches = log.read(next, 2, usize::MAX).await.expect("reads");
        for batch in &batches {
            assert!(batch.seq() >= next);
            let number = usize::try_from(batch.seq() - 1).expect("small");
            assert_eq!(batch.record(0), Some(&record(number)[..]));
            next = batch.seq() + 1;
        }
    }
    trimmer.await.expect("trims");
    assert_eq!(contents(&log).await, records([199]));
}

pub(super) async fn batches_are_found_by_time_and_never_go_back_in_it(place: &Place) {
    let manual = ManualClock::new(Timestamp::from_second(1_000).expect("in range"));
    let log = place
        .open_with(LogOptions::default(), Clock::Manual(manual.clone()))
        .await;
    let second = |second| Timestamp::from_second(second).expect("in range");
    for now in [1_000, 1_010, 1_005, 1_005, 1_020] {
        manual.set(second(now));
        append(&log, [1]).await;
    }
    // The third and fourth were appended while the clock had gone back.
    let times: Vec<i64> = log
        .read(0, 9, 9999)
        .await
        .expect("reads")
        .iter()
        .map(|b| b.appended_at().as_second())
        .collect();
    assert_eq!(times, [1_000, 1_010, 1_010, 1_010, 1_020]);
    for (at, seq) in [
        (0, 1),
        (1_000, 1),
        (1_001, 2),
        (1_010, 2),
        (1_011, 5),
        (1_020, 5),
        (1_021, 6),
    ] {
        assert_eq!(log.find_time(second(at)).await.expect("finds"), seq, "{at}");
    }
    log.trim(4).await.expect("trims");
    assert_eq!(log.find_time(second(0)).await.expect("finds"), 4);
    assert_eq!(log.ends().oldest, Some(second(1_010)));

    log.trim(6).await.expect("trims");
    drop(log);
    manual.set(second(0));
    let log = place
        .open_with(LogOptions::default(), Clock::Manual(manual))
        .await;
    assert_eq!(append(&log, [1]).await.at, second(1_020));
}
