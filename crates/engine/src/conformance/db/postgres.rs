//! What only a server can do to a `Db`: several processes at once, conflicts, ends and halts.

use std::process::Command;
use std::time::Duration;

use services::Postgres;
use tempfile::TempDir;

use super::{ADD, TABLES, account, count};
use crate::conformance::SmallDisk;
use crate::{ConstraintKind, Db, DbError, Migration, SyncAt, Tx, Value};

/// Longer than anything here takes on a machine that does not hang.
const PATIENCE: Duration = Duration::from_secs(60);

async fn open(url: &str) -> Db {
    Db::open_postgres(url).await.expect("opens")
}

/// Two processes on a database with the tables of these tests and two accounts.
async fn two() -> (Db, Db) {
    let url = Postgres::shared().fresh_database().expect("a database");
    let db = open(&url).await;
    db.migrate(&[TABLES]).await.expect("migrates");
    for id in 0..2 {
        add(&db, id).await.expect("inserts");
    }
    (db, open(&url).await)
}

async fn add(db: &Db, id: i64) -> Result<(), DbError> {
    let mut tx = db.begin().await?;
    tx.execute(ADD, &account(id)).await?;
    tx.commit().await
}

async fn rename(tx: &mut Tx, id: i64, to: &str) -> Result<u64, DbError> {
    let sql = "UPDATE account SET name = $2 WHERE id = $1";
    tx.execute(sql, &[id.into(), to.into()]).await
}

/// Waits until one session of this database waits for a lock.
async fn until_waiting(db: &Db) {
    let sql = "SELECT count(*) AS n FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let is_so = async {
        while db.rows(sql, &[]).await.expect("reads")[0]
            .get::<i64>("n")
            .expect("n")
            == 0
        {}
    };
    tokio::time::timeout(PATIENCE, is_so)
        .await
        .expect("it waits");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_who_says_so_does_not_wait_for_the_disk() {
    let url = Postgres::shared().fresh_database().expect("a database");
    let name = url.rsplit('/').next().expect("a name");
    let mut tx = open(&url).await.begin().await.expect("begins");
    let sql = format!("ALTER DATABASE \"{name}\" SET synchronous_commit TO on");
    tx.execute(&sql, &[]).await.expect("alters");
    tx.commit().await.expect("commits");
    let db = open(&url).await;
    for (sync, expected) in [
        (SyncAt::NextCommit, "off"),
        (SyncAt::Commit, "on"),
        (SyncAt::NextCommit, "off"),
    ] {
        let mut tx = db.begin_with(sync).await.expect("begins");
        let sql = "SELECT current_setting('synchronous_commit') AS how";
        let rows = tx.rows(sql, &[]).await.expect("reads");
        assert_eq!(rows[0].get::<String>("how").expect("text"), expected);
        tx.commit().await.expect("commits");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_who_insert_the_same_the_second_is_told() {
    let (one, two) = two().await;
    for commits in [true, false] {
        let id = 10 + i64::from(commits);
        let mut first = one.begin().await.expect("begins");
        first.execute(ADD, &account(id)).await.expect("inserts");
        let second = tokio::spawn({
            let two = two.clone();
            async move { add(&two, id).await }
        });
        until_waiting(&one).await;
        if commits {
            first.commit().await.expect("commits");
        } else {
            drop(first);
        }
        match second.await.expect("no panic") {
            Err(DbError::Constraint { kind, .. }) if commits => {
                assert_eq!(kind, ConstraintKind::Unique);
            }
            other => assert!(!commits && other.is_ok(), "{other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_who_wait_for_each_other_one_may_try_again() {
    let (one, two) = two().await;
    let mut first = one.begin().await.expect("begins");
    let mut second = two.begin().await.expect("begins");
    rename(&mut first, 0, "a").await.expect("free");
    rename(&mut second, 1, "b").await.expect("free");
    let first = async {
        rename(&mut first, 1, "c").await?;
        first.commit().await
    };
    let second = async {
        rename(&mut second, 0, "d").await?;
        second.commit().await
    };
    let outcomes = tokio::join!(tokio::time::timeout(PATIENCE, first), second);
    let ((Ok(Err(error)), Ok(())) | (Ok(Ok(())), Err(error))) = outcomes else {
        panic!("one of them goes on");
    };
    assert!(error.is_retryable(), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_for_a_row_too_long_may_try_again() {
    let (one, two) = two().await;
    let mut first = one.begin().await.expect("begins");
    rename(&mut first, 0, "a").await.expect("free");
    let mut second = two.begin().await.expect("begins");
    // The holder is not idle, which would end it.
    let holder = async {
        loop {
            first.rows("SELECT 1 AS one", &[]).await.expect("it lives");
        }
    };
    let error = tokio::select! {
        () = holder => unreachable!(),
        answer = rename(&mut second, 0, "b") => answer.expect_err("held"),
    };
    assert!(matches!(error, DbError::Busy { .. }), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn locks_exclude_others_and_are_shared() {
    let (one, two) = two().await;
    let mut first = one.begin().await.expect("begins");
    first.lock_shared(7).await.expect("free");
    let mut second = two.begin().await.expect("begins");
    second.lock_shared(7).await.expect("shared");
    second.commit().await.expect("commits");
    let third = tokio::spawn(async move {
        let mut third = two.begin().await.expect("begins");
        third.lock_exclusive(8).await.expect("another lock");
        third.lock_exclusive(7).await.expect("given up in the end");
        let rows = third.rows("SELECT id FROM account", &[]).await;
        rows.expect("reads").len()
    });
    until_waiting(&one).await;
    first.execute(ADD, &account(2)).await.expect("inserts");
    first.commit().await.expect("commits");
    assert_eq!(
        third.await.expect("no panic"),
        3,
        "it sees what was committed"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_halts_in_a_transaction_does_not_hold_it_for_ever() {
    let (one, two) = two().await;
    let mut halted = one.begin().await.expect("begins");
    halted.lock_exclusive(7).await.expect("free");
    rename(&mut halted, 0, "a").await.expect("free");
    let takes = async {
        loop {
            let mut next = two.begin().await.expect("begins");
            if next.lock_exclusive(7).await.is_ok() {
                return rename(&mut next, 0, "b").await;
            }
        }
    };
    let taken = tokio::time::timeout(PATIENCE, takes).await;
    taken.expect("within seconds").expect("the row is free");
    let error = rename(&mut halted, 0, "c").await.expect_err("ended");
    assert!(error.is_retryable(), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_that_start_together_migrate_once() {
    let url = Postgres::shared().fresh_database().expect("a database");
    let more = Migration {
        name: "0002_more",
        sql: "ALTER TABLE account ADD COLUMN note TEXT",
        ..TABLES
    };
    let starts: Vec<_> = (0..6)
        .map(|_| {
            let url = url.clone();
            tokio::spawn(async move { open(&url).await.migrate(&[TABLES, more]).await })
        })
        .collect();
    let mut applied = 0;
    for start in starts {
        applied += start.await.expect("no panic").expect("migrates");
    }
    assert_eq!(applied, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_ends_is_found_again() {
    type End = fn(&Postgres) -> std::io::Result<()>;
    let server = Postgres::start(&[]).expect("starts");
    let db = open(&server.fresh_database().expect("a database")).await;
    db.migrate(&[TABLES]).await.expect("migrates");
    for (id, end) in [(0, Postgres::kill as End), (1, Postgres::stop)] {
        add(&db, id).await.expect("inserts");
        let mut open = db.begin().await.expect("begins");
        open.execute(ADD, &account(50)).await.expect("inserts");
        end(&server).expect("ends");
        let mut errors = vec![open.execute(ADD, &account(51)).await.expect_err("cut off")];
        drop(open);
        errors.push(add(&db, 52).await.expect_err("nobody there"));
        errors.push(db.health().await.expect_err("nobody there"));
        for error in errors {
            assert!(matches!(error, DbError::Unavailable { .. }), "{error:?}");
        }
        server.restart().expect("starts again");
        db.health().await.expect("there again");
        assert_eq!(count(&db).await, id + 1, "what was committed");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_halts_is_told_of_and_found_again() {
    let server = Postgres::start(&[]).expect("starts");
    let db = open(&server.fresh_database().expect("a database")).await;
    db.migrate(&[TABLES]).await.expect("migrates");
    server.pause().expect("halts");
    let (health, added) = tokio::join!(db.health(), add(&db, 1));
    for error in [health.expect_err("silent"), added.expect_err("silent")] {
        assert!(matches!(error, DbError::Unavailable { .. }), "{error:?}");
    }
    server.resume().expect("goes on");
    add(&db, 2).await.expect("there again");
    // What was sent while it halted was never committed.
    assert_eq!(count(&db).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_told_and_over_once_there_is_room() {
    let dir = TempDir::new().expect("a temporary directory");
    let Some(disk) = SmallDisk::mount(dir.path(), 16) else {
        return;
    };
    let server = Postgres::start(&[]).expect("starts");
    let db = open(&server.fresh_database_in(dir.path()).expect("a database")).await;
    db.migrate(&[TABLES]).await.expect("migrates");
    add(&db, 1).await.expect("inserts");
    let fill = async |id: i64| {
        let noise = (0..1_u32 << 18).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0]);
        let sql = "INSERT INTO endpoint (id, account, secret) VALUES ($1, 1, $2)";
        let mut tx = db.begin().await?;
        tx.execute(sql, &[id.into(), Value::Blob(noise.collect())])
            .await?;
        tx.commit().await
    };
    let mut next = 0;
    let error = loop {
        match fill(next).await {
            Ok(()) => next += 1,
            Err(error) => break error,
        }
        assert!(next < 1000, "it is never full");
    };
    assert!(
        matches!(error, DbError::Full { .. }) && error.is_retryable(),
        "{error:?}"
    );
    db.health().await.expect("it can be read");
    disk.grow(64);
    fill(next).await.expect("there is room");
    let sql = "SELECT count(*) AS n FROM endpoint";
    let rows = db.rows(sql, &[]).await.expect("reads");
    assert_eq!(rows[0].get::<i64>("n").expect("n"), next + 1);
    server.stop().expect("stops");
}

#[tokio::test]
async fn settings_that_may_lose_data_are_told_of() {
    let told = open(&Postgres::shared().url()).await.promises();
    for says in ["fsync = 'off'", "synchronous_commit = 'off'", "second copy"] {
        let is_told = told.iter().any(|sentence| sentence.contains(says));
        assert!(is_told, "{says}: {told:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_cannot_be_opened_says_why() {
    let url = Postgres::shared().url();
    for (url, says) in [
        (
            "mysql://root@localhost/x".to_owned(),
            "the url of the database",
        ),
        ("postgres://postgres@127.0.0.1:9/x".to_owned(), "refused"),
        (
            format!("{}nowhere", url.trim_end_matches("postgres")),
            "nowhere",
        ),
        (format!("{url}?sslmode=require"), "TLS"),
    ] {
        let error = Db::open_postgres(&url).await.expect_err("not to be opened");
        let mut said = error.to_string();
        let mut source = std::error::Error::source(&error);
        while let Some(error) = source {
            said += &format!(": {error}");
            source = error.source();
        }
        assert!(said.contains(says), "{url}: {said}");
    }
    let dir = TempDir::new().expect("a temporary directory");
    let copied = open(&url).await.snapshot(&dir.path().join("copy")).await;
    assert!(
        copied
            .expect_err("not here")
            .to_string()
            .contains("pg_dump")
    );
}

/// Tells a run of this test that it is the process that connects, and the url.
const CLIENT: &str = "RIALTO_TEST_POSTGRES_TLS";

#[tokio::test]
async fn with_tls_only_a_server_with_a_trusted_certificate_is_spoken_to() {
    if let Ok(url) = std::env::var(CLIENT) {
        let db = open(&url).await;
        let sql = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
        let rows = db.rows(sql, &[]).await.expect("reads");
        assert!(rows[0].get::<bool>("ssl").expect("yes or no"));
        return;
    }
    let dir = TempDir::new().expect("a temporary directory");
    let (key, certificate) = (dir.path().join("key.pem"), dir.path().join("cert.pem"));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-nodes", "-days", "2"])
        .args(["-pkeyopt", "ec_paramgen_curve:P-256", "-subj", "/CN=test"])
        .args(["-addext", "subjectAltName=IP:127.0.0.1"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .output();
    assert!(made.expect("openssl came with PostgreSQL").status.success());
    if let Some((uid, gid)) = Postgres::shared().user() {
        for path in [dir.path(), &key, &certificate] {
            std::os::unix::fs::chown(path, Some(uid), Some(gid)).expect("we are root");
        }
    }
    let server = Postgres::start(&[
        ("ssl", "on"),
        ("ssl_key_file", &key.display().to_string()),
        ("ssl_cert_file", &certificate.display().to_string()),
    ]);
    let server = server.expect("starts");
    for (host, trusted, works) in [
        ("127.0.0.1", &*certificate, true),
        // Not what the certificate is for.
        ("localhost", &*certificate, false),
        ("127.0.0.1", std::path::Path::new("/dev/null"), false),
    ] {
        let url = server.url().replace("127.0.0.1", host) + "?sslmode=require";
        let client = Command::new(std::env::current_exe().expect("this test"))
            .args(["--exact", "conformance::db::postgres::with_tls_only_a_server_with_a_trusted_certificate_is_spoken_to"])
            .env(CLIENT, url)
            .env("SSL_CERT_FILE", trusted)
            .output()
            .expect("runs");
        let said = String::from_utf8_lossy(&client.stdout);
        assert_eq!(client.status.success(), works, "{host} {trusted:?}: {said}");
    }
}
