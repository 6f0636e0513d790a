//! What a `Log` promises when its disk or its server fails: what was refused is not there, what was acknowledged is, and
//! damage is told.

use super::{Place, append, contents, records};
use crate::{Clock, Fault, Faults, Log, LogError, LogOptions, Position};

async fn faulty(place: &Place) -> (Log, Faults) {
    let faults = Faults::default();
    let options = LogOptions {
        faults: faults.clone(),
        ..LogOptions::default()
    };
    (place.open_with(options, Clock::System).await, faults)
}

/// Everything is refused with the reason, and afterwards goes on where it was.
async fn refuses_and_recovers(place: &Place, fault: Fault, says: &str) {
    let (log, faults) = faulty(place).await;
    append(&log, [0]).await;
    faults.next(2, fault);
    for _ in 0..2 {
        let Err(LogError::Unavailable(why)) = log.append(records([66])).await else {
            panic!("taken")
        };
        assert!(why.to_string().contains(says), "{why}");
    }
    assert_eq!(append(&log, [1]).await.first, Position::new(2, 0));
    faults.until_cleared(fault);
    for _ in 0..3 {
        assert!(
            log.append(records([77]))
                .await
                .expect_err("refused")
                .is_retryable()
        );
    }
    log.trim(1).await.expect_err("refused");
    assert_eq!(contents(&log).await, records([0, 1]));
    faults.clear();
    assert_eq!(append(&log, [2]).await.first, Position::new(3, 0));
    assert_eq!(contents(&log).await, records([0, 1, 2]));
    log.close().await;
    assert_eq!(contents(&place.open().await).await, records([0, 1, 2]));
}

pub(super) async fn a_full_disk_refuses_and_recovers_by_itself(place: &Place) {
    refuses_and_recovers(place, Fault::DiskFull, "disk full").await;
}

pub(super) async fn a_failed_sync_leaves_nothing_behind(place: &Place) {
    refuses_and_recovers(place, Fault::SyncFailed, "sync failed").await;
}

pub(super) async fn a_lost_answer_is_looked_up(place: &Place) {
    let (log, faults) = faulty(place).await;
    faults.next(1, Fault::AnswerLost);
    assert_eq!(append(&log, [0, 1]).await.first, Position::new(1, 0));
    faults.next(1, Fault::AnswerLost);
    append(&log, [2]).await;
    append(&log, [3]).await;
    assert_eq!(contents(&log).await, records(0..4));
    drop(log);
    assert_eq!(contents(&place.open().await).await, records(0..4));
}

pub(super) async fn health_brings_a_broken_log_back(place: &Place) {
    let (log, faults) = faulty(place).await;
    faults.until_cleared(Fault::SyncFailed);
    log.append(records([1])).await.expect_err("refused");
    assert!(matches!(log.health().await, Err(LogError::Unavailable(_))));
    faults.clear();
    log.health().await.expect("repaired");
    assert!(contents(&log).await.is_empty());
}

pub(super) async fn damage_is_told_and_can_be_passed(place: &Place) {
    let log = place.open_cold().await;
    append(&log, [0]).await;
    append(&log, [1]).await;
    match place {
        Place::Sql(dir) => {
            append(&log, [2]).await;
            append(&log, [3]).await;
            log.close().await;
            let file = rusqlite::Connection::open(dir.path().join("log.db")).expect("opens");
            for damage in [
                "UPDATE log_batch SET bytes = zeroblob(50) WHERE seq = 3",
                "UPDATE log_batch SET format = 'x' WHERE seq = 4",
            ] {
                file.execute(damage, []).expect("damages");
            }
        }
        #[cfg(feature = "distributed")]
        Place::JetStream(shard) => {
            shard.publish("1 1 0", &[0; 50]).await;
            shard.publish("x 1 0", b"of another program").await;
            log.close().await;
        }
        #[cfg(feature = "distributed")]
        Place::Postgres(shard) => {
            append(&log, [2]).await;
            append(&log, [3]).await;
            log.close().await;
            shard
                .execute("UPDATE log_batch SET bytes = '\\x00000000' WHERE seq = 3")
                .await;
            shard
                .execute("UPDATE log_batch SET records = 77 WHERE seq = 4")
                .await;
        }
    }
    let log = place.open_cold().await;
    let sound = log.read(1, 9, 9999).await.expect("the batches before it");
    assert_eq!(
        sound.iter().map(|batch| batch.seq()).collect::<Vec<_>>(),
        [1, 2]
    );
    assert!(matches!(
        log.read(3, 9, 9999).await,
        Err(LogError::Corrupt { seq: 3, .. })
    ));
    assert!(matches!(
        log.read(4, 9, 9999).await,
        Err(LogError::Corrupt { seq: 4, .. })
    ));
    let next = append(&log, [4]).await.first.seq();
    assert_eq!(
        log.read(next, 9, 9999)
            .await
            .expect("the batches after it")
            .len(),
        1
    );
}
