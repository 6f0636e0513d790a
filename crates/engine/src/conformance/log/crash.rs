//! A process that appends is killed with -9: what it was told is durable is there, and every append
//! is there whole or not at all.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::{all, record};
use crate::{Clock, Log, LogOptions, Position};

/// Tells a run of this test that it is the process to be killed, and where its log is.
const VICTIM: &str = "RIALTO_TEST_CRASH_LOG";

const APPENDERS: usize = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_process_loses_nothing_acknowledged() {
    if let Ok(place) = std::env::var(VICTIM) {
        append_until_killed(&place).await;
    }
    let dir = TempDir::new().expect("a temporary directory");
    let path = dir.path().join("log.db").display().to_string();
    check_kills(&path, &[1, 10, 100, 500, 1000]).await;
}

#[cfg(feature = "distributed")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nor_does_one_whose_log_is_in_postgresql() {
    let url = services::Postgres::shared().fresh_database();
    check_kills(&url.expect("a database"), &[1, 10, 200]).await;
}

async fn open(place: &str) -> Log {
    #[cfg(feature = "distributed")]
    if place.starts_with("postgres://") {
        let db = crate::Db::open_postgres(place).await.expect("opens");
        let log = Log::open_postgres(&db, 0, LogOptions::default(), Clock::System).await;
        return log.expect("opens");
    }
    let log = Log::open_sqlite(Path::new(place), LogOptions::default(), Clock::System).await;
    log.expect("opens")
}

async fn check_kills(place: &str, kills: &[usize]) {
    let mut acknowledged = HashMap::new();
    for acknowledgements in kills {
        acknowledged.extend(run_and_kill(place, *acknowledgements));
        let log = open(place).await;
        check(&all(&log).await, &acknowledged);
        log.close().await;
    }
}

/// Each append is of 1 to 5 records that all say `appender`, `number`; each acknowledgement a line.
async fn append_until_killed(place: &str) {
    let log = open(place).await;
    let appenders = (0..APPENDERS).map(|appender| {
        let log = log.clone();
        tokio::spawn(async move {
            for number in 0.. {
                let appended = log
                    .append(vec![record(number); 1 + number % 5])
                    .await
                    .expect("appends");
                let line = format!(
                    "\nacknowledged {} {number} {appender}\n",
                    appended.first.as_u64()
                );
                std::io::stdout()
                    .write_all(line.as_bytes())
                    .expect("the parent reads");
            }
        })
    });
    for appender in appenders.collect::<Vec<_>>() {
        appender.await.expect("never ends");
    }
}

/// Returns what was acknowledged before the process died: the number at each first position.
fn run_and_kill(place: &str, acknowledgements: usize) -> HashMap<Position, usize> {
    let this = std::env::current_exe().expect("this test");
    let mut victim = Command::new(this)
        .args([
            "--exact",
            "conformance::log::crash::a_killed_process_loses_nothing_acknowledged",
            "--nocapture",
        ])
        .env(VICTIM, place)
        .stdout(Stdio::piped())
        .spawn()
        .expect("starts");
    let mut lines = BufReader::new(victim.stdout.take().expect("piped")).lines();
    let mut parse = |limit: usize| -> Vec<(Position, usize)> {
        let acknowledged = lines.by_ref().map_while(Result::ok).filter_map(|line| {
            let mut words = line.strip_prefix("acknowledged ")?.split(' ');
            let position = Position::from_u64(words.next()?.parse().ok()?);
            let number = words.next()?.parse().ok()?;
            words.next().map(|_| (position, number))
        });
        acknowledged.take(limit).collect()
    };
    let mut found = parse(acknowledgements);
    victim.kill().expect("kills");
    victim.wait().expect("is dead");
    found.extend(parse(usize::MAX));
    assert!(found.len() >= acknowledgements);
    found.into_iter().collect()
}

fn check(found: &[(Position, Vec<u8>)], acknowledged: &HashMap<Position, usize>) {
    let found: HashMap<Position, &Vec<u8>> = found
        .iter()
        .map(|(position, record)| (*position, record))
        .collect();
    for (first, number) in acknowledged {
        for index in 0..1 + number % 5 {
            let index = first.index() + u16::try_from(index).expect("small");
            let position = Position::new(first.seq(), index);
            assert_eq!(
                found.get(&position),
                Some(&&record(*number)),
                "append {number} at {position:?}"
            );
        }
    }
}
