//! Logs in PostgreSQL: where the suite runs, and what only a server that several processes share can do.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;
use tempfile::TempDir;
use tokio::sync::watch;

use super::{all, append, contents, record, records};
use crate::conformance::SmallDisk;
use crate::{Clock, Db, Fault, Faults, Log, LogError, LogOptions, ManualClock, Position};

/// A shard in a database of its own.
pub(super) struct Shard {
    url: String,
}

impl Shard {
    pub(super) fn new() -> Self {
        let url = services::Postgres::shared().fresh_database();
        Self {
            url: url.expect("a database"),
        }
    }

    /// As another process does.
    pub(super) async fn open(&self, options: LogOptions, clock: Clock) -> Log {
        let db = Db::open_postgres(&self.url).await.expect("opens");
        let log = Log::open_postgres(&db, 3, options, clock).await;
        log.expect("opens")
    }

    pub(super) async fn execute(&self, sql: &str) {
        let db = Db::open_postgres(&self.url).await.expect("opens");
        let mut tx = db.begin().await.expect("begins");
        tx.execute(sql, &[]).await.expect("a statement");
        tx.commit().await.expect("commits");
    }

    /// A log of a newer release, and a database that is none of PostgreSQL.
    pub(super) async fn cannot_be_opened(&self) {
        let log = self.open(LogOptions::default(), Clock::System).await;
        log.append(vec![b"event".to_vec()]).await.expect("durable");
        log.close().await;
        self.execute("UPDATE log_batch SET format = format + 99")
            .await;
        let db = Db::open_postgres(&self.url).await.expect("opens");
        let dir = TempDir::new().expect("a temporary directory");
        let sqlite = Db::open_sqlite(&dir.path().join("it.db"))
            .await
            .expect("opens");
        for (db, says) in [
            (db, "start the release"),
            (sqlite, "needs the database there"),
        ] {
            let open = Log::open_postgres(&db, 3, LogOptions::default(), Clock::System).await;
            let Err(LogError::Unavailable(why)) = open else {
                panic!("{open:?}");
            };
            assert!(why.to_string().contains(says), "{why}");
        }
    }
}

/// Longer than anything here takes on a machine that does not hang.
const PATIENCE: Duration = Duration::from_secs(60);

/// Appends one record at a time, each with a number of its own, until it is told to stop; answers what became of each.
async fn append_until(
    log: Log,
    appender: usize,
    stop: watch::Receiver<bool>,
) -> Vec<(usize, Result<Position, LogError>)> {
    let mut outcomes = Vec::new();
    while !*stop.borrow() {
        let number = appender * 1_000_000 + outcomes.len();
        let appended = log.append(vec![record(number)]).await;
        outcomes.push((number, appended.map(|appended| appended.first)));
    }
    outcomes
}

/// What `append_until` was told holds: what was acknowledged is there, where it was said to be, and once; each appender's
/// records are in its order; what was refused is not there, unless nobody could know.
async fn check(
    log: &Log,
    outcomes: &[Vec<(usize, Result<Position, LogError>)>],
    unknown_max: usize,
) {
    log.latest().await.expect("the server is there");
    let found = all(log).await;
    assert!(found.windows(2).all(|pair| pair[0].0 < pair[1].0));
    let places: HashMap<Vec<u8>, Position> = found
        .iter()
        .map(|(at, record)| (record.clone(), *at))
        .collect();
    assert_eq!(places.len(), found.len(), "nothing is there twice");
    let mut unknown = 0;
    for outcomes in outcomes {
        let mut last = None;
        for (number, outcome) in outcomes {
            let place = places.get(&record(*number)).copied();
            match outcome {
                Ok(position) => {
                    assert_eq!(place, Some(*position), "{number}");
                    assert!(last < place, "{number} is out of order");
                    last = place;
                }
                Err(_) => unknown += usize::from(place.is_some()),
            }
        }
    }
    assert!(
        unknown <= unknown_max,
        "{unknown} refused appends are there"
    );
}

/// Processes that append to one shard, while something happens to the server.
async fn under_load(
    shard: &Shard,
    unknown_max: usize,
    happens: impl AsyncFnOnce(&[Log]),
) -> (usize, usize) {
    let mut logs = Vec::new();
    for _ in 0..2 {
        logs.push(shard.open(LogOptions::default(), Clock::System).await);
    }
    let (stop, stopped) = watch::channel(false);
    let appenders: Vec<_> = (0..6)
        .map(|appender| {
            tokio::spawn(append_until(
                logs[appender % 2].clone(),
                appender,
                stopped.clone(),
            ))
        })
        .collect();
    happens(&logs).await;
    stop.send_replace(true);
    let mut outcomes = Vec::new();
    for appender in appenders {
        outcomes.push(appender.await.expect("no panic"));
    }
    for log in &logs {
        check(log, &outcomes, unknown_max).await;
    }
    let all = outcomes.iter().flatten();
    let refused = all.clone().filter(|(_, outcome)| outcome.is_err()).count();
    (all.count() - refused, refused)
}

/// Waits until the log has so many more batches, which also shows that it can be followed.
async fn until_more(log: &Log, more: u64) {
    let mut tail = log.tail();
    let from = *tail.borrow_and_update();
    let grown = tail.wait_for(|next| *next >= from + more);
    tokio::time::timeout(PATIENCE, grown)
        .await
        .expect("it grows")
        .expect("open");
}

/// Waits until the log is well: what it met when its server went away may keep it busy for some seconds.
async fn until_well(log: &Log) {
    let well = async { while log.health().await.is_err() {} };
    tokio::time::timeout(PATIENCE, well)
        .await
        .expect("well again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_that_append_to_one_shard_see_the_same() {
    let shard = Shard::new();
    let third = shard.open(LogOptions::default(), Clock::System).await;
    let (appended, refused) = under_load(&shard, 0, async |logs| {
        // Also one that appends nothing itself.
        until_more(&third, 200).await;
        until_more(&logs[1], 50).await;
    })
    .await;
    assert!(appended >= 250 && refused == 0, "{appended} {refused}");
    third.latest().await.expect("known");
    let other = shard.open(LogOptions::default(), Clock::System).await;
    assert!(all(&third).await == all(&other).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_break_leave_no_doubt() {
    let shard = Shard::new();
    let (appended, _) = under_load(&shard, 0, async |logs| {
        let db = Db::open_postgres(&shard.url).await.expect("opens");
        for _ in 0..30 {
            until_more(&logs[0], 3).await;
            // Not one transaction for all: the server ends those that are idle for seconds.
            let mut killer = db.begin().await.expect("begins");
            let kill = "SELECT count(pg_terminate_backend(pid)) AS n FROM pg_stat_activity
                WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE 'WITH state%'";
            killer.rows(kill, &[]).await.expect("kills");
        }
    })
    .await;
    assert!(appended >= 90, "{appended}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_is_found_between_the_batches_of_others() {
    let shard = Shard::new();
    let faults = Faults::default();
    let options = LogOptions {
        faults: faults.clone(),
        ..LogOptions::default()
    };
    let one = shard.open(options, Clock::System).await;
    let two = shard.open(LogOptions::default(), Clock::System).await;
    for round in 0..20 {
        faults.next(1, Fault::AnswerLost);
        // The same bytes: what is looked for is this append, not one like it.
        let (first, second) = tokio::join!(append(&one, [round]), append(&two, [round]));
        assert_ne!(first.first, second.first);
    }
    one.latest().await.expect("known");
    assert_eq!(all(&one).await.len(), 40);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn times_never_go_back_however_clocks_differ() {
    let shard = Shard::new();
    let mut logs = Vec::new();
    for second in [2_000, 1_000, 3_000] {
        let at = Timestamp::from_second(second).expect("in range");
        let clock = Clock::Manual(ManualClock::new(at));
        logs.push(shard.open(LogOptions::default(), clock).await);
    }
    let mut times = Vec::new();
    for turn in [0, 1, 2, 0, 1] {
        times.push(append(&logs[turn], [turn]).await.at.as_second());
    }
    assert_eq!(times, [2_000, 2_000, 3_000, 3_000, 3_000]);
    logs[1].latest().await.expect("known");
    for (at, seq) in [(1_000, 1), (2_000, 1), (2_001, 3), (3_000, 3), (3_001, 6)] {
        let at = Timestamp::from_second(at).expect("in range");
        assert_eq!(logs[1].find_time(at).await.expect("finds"), seq);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_process_trims_is_gone_for_all() {
    let shard = Shard::new();
    let one = shard.open(LogOptions::default(), Clock::System).await;
    let two = shard.open(LogOptions::default(), Clock::System).await;
    for n in 0..10 {
        append(&one, [n]).await;
    }
    let (trims, _) = tokio::join!(two.trim(7), append(&one, [10]));
    assert_eq!(trims.expect("trims"), 6);
    // The trim may have been there before the append.
    for log in [&one, &two] {
        assert_eq!(log.latest().await.expect("known"), 12);
    }
    assert_eq!(one.ends(), two.ends());
    assert_eq!((one.ends().first_seq, all(&one).await.len()), (7, 5));
    assert!(one.ends().bytes > 0);
    two.trim(u64::MAX).await.expect("trims");
    one.latest().await.expect("known");
    assert_eq!((one.ends().bytes, one.ends().oldest), (0, None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_loses_nothing_acknowledged() {
    let server = services::Postgres::start(&[]).expect("starts");
    let shard = Shard {
        url: server.fresh_database().expect("a database"),
    };
    // At each of two kills each of six appenders has one append under way, of which nobody may be able to ask in time.
    let (appended, refused) = under_load(&shard, 2 * 6, async |logs| {
        for _ in 0..2 {
            until_more(&logs[0], 20).await;
            server.kill().expect("kills");
            logs[0].health().await.expect_err("nobody there");
            server.restart().expect("starts again");
            // Nobody is told: they find it.
            until_more(&logs[1], 20).await;
            until_well(&logs[1]).await;
        }
    })
    .await;
    assert!(appended >= 80 && refused > 0, "{appended} {refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_halts_is_told_of_and_found_again() {
    let server = services::Postgres::start(&[]).expect("starts");
    let shard = Shard {
        url: server.fresh_database().expect("a database"),
    };
    let log = shard.open(LogOptions::default(), Clock::System).await;
    append(&log, [0]).await;
    server.pause().expect("halts");
    let (health, refused) = tokio::join!(log.health(), log.append(records([66])));
    for error in [health.expect_err("silent"), refused.expect_err("silent")] {
        assert!(error.is_retryable(), "{error:?}");
    }
    server.resume().expect("goes on");
    append(&log, [1]).await;
    log.health().await.expect("well");
    let mut found = contents(&log).await;
    // The one that nobody could ask for.
    found.retain(|found| *found != record(66));
    assert_eq!(found, records([0, 1]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_of_the_server_refuses_and_recovers_by_itself() {
    let dir = TempDir::new().expect("a temporary directory");
    let Some(disk) = SmallDisk::mount(dir.path(), 16) else {
        return;
    };
    let server = services::Postgres::start(&[]).expect("starts");
    let shard = Shard {
        url: server.fresh_database_in(dir.path()).expect("a database"),
    };
    let log = shard.open(LogOptions::default(), Clock::System).await;
    let noise = |seed: u32| -> Vec<u8> {
        let noise =
            (0..1_u32 << 18).map(|n| (n ^ seed).wrapping_mul(2_654_435_761).to_be_bytes()[0]);
        noise.collect()
    };
    let mut kept = Vec::new();
    let error = loop {
        let number = u32::try_from(kept.len()).expect("small");
        match log.append(vec![noise(number)]).await {
            Ok(_) => kept.push(noise(number)),
            Err(error) => break error,
        }
        assert!(kept.len() < 1000, "it is never full");
    };
    let LogError::Unavailable(why) = &error else {
        panic!("{error:?}");
    };
    assert!(why.to_string().contains("full"), "{why}");
    assert_eq!(
        contents(&log).await,
        kept,
        "it can be read, and what was refused is not there"
    );
    disk.grow(64);
    append(&log, [1]).await;
    kept.push(record(1));
    assert_eq!(contents(&log).await, kept);
    server.stop().expect("stops");
}
