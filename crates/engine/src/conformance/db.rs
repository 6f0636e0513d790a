//! What a `Db` promises to `store`.

#[cfg(feature = "distributed")]
mod postgres;

use std::time::Duration;

use jiff::Timestamp;
use proptest::prelude::*;
use tempfile::TempDir;

use crate::{ConstraintKind, Db, DbError, Migration, SyncAt, Value};

/// Where a database rests, so that it can be closed and opened again.
enum Place {
    Sqlite(TempDir),
    /// The url of a database.
    #[cfg(feature = "distributed")]
    Postgres(String),
}

impl Place {
    fn sqlite() -> Self {
        Self::Sqlite(TempDir::new().expect("a temporary directory"))
    }

    #[cfg(feature = "distributed")]
    fn postgres() -> Self {
        let url = services::Postgres::shared().fresh_database();
        Self::Postgres(url.expect("a database"))
    }

    async fn open(&self) -> Db {
        match self {
            Self::Sqlite(dir) => Db::open_sqlite(&dir.path().join("it.db")).await,
            #[cfg(feature = "distributed")]
            Self::Postgres(url) => Db::open_postgres(url).await,
        }
        .expect("opens")
    }

    /// A database with the tables of these tests.
    async fn ready(&self) -> Db {
        let db = self.open().await;
        assert_eq!(db.migrate(&[TABLES]).await.expect("migrates"), 1);
        db
    }
}

super::suite!(sqlite: super::Place::sqlite() =>
    values_come_back_as_they_went,
    any_value_comes_back_as_it_went,
    placeholders_are_numbered_not_ordered,
    what_is_synced_with_the_next_commit_is_there_like_all_else,
    mistakes_name_what_is_wrong,
    a_transaction_is_seen_when_committed_and_not_before,
    dropping_a_transaction_undoes_it,
    dropping_a_call_in_flight_undoes_its_transaction,
    a_failed_statement_ends_its_transaction,
    constraints_say_which_one_was_broken,
    many_rows_in_one_call,
    returning_answers_rows,
    locks_are_for_those_who_write,
    writers_take_turns_and_readers_do_not_wait,
    what_was_committed_is_there_after_reopening,
    migrations_are_applied_once_in_order,
    a_changed_history_is_refused,
    what_only_adds_is_passed_over_by_older_programs,
    a_failing_migration_leaves_nothing,
    a_snapshot_is_consistent_and_opens,
    damaged_files_are_told_apart,
    health_is_well,
);

#[cfg(feature = "distributed")]
super::suite!(postgresql: super::Place::postgres() =>
    values_come_back_as_they_went,
    any_value_comes_back_as_it_went,
    placeholders_are_numbered_not_ordered,
    what_is_synced_with_the_next_commit_is_there_like_all_else,
    mistakes_name_what_is_wrong,
    a_transaction_is_seen_when_committed_and_not_before,
    dropping_a_transaction_undoes_it,
    dropping_a_call_in_flight_undoes_its_transaction,
    a_failed_statement_ends_its_transaction,
    constraints_say_which_one_was_broken,
    many_rows_in_one_call,
    returning_answers_rows,
    locks_are_for_those_who_write,
    what_was_committed_is_there_after_reopening,
    migrations_are_applied_once_in_order,
    a_changed_history_is_refused,
    what_only_adds_is_passed_over_by_older_programs,
    a_failing_migration_leaves_nothing,
    health_is_well,
);

const TABLES: Migration = Migration {
    name: "0001_tables",
    sql: "CREATE TABLE account (id BIGINT PRIMARY KEY, name TEXT NOT NULL UNIQUE, CHECK (id >= 0));
          CREATE TABLE endpoint (
              id BIGINT PRIMARY KEY, account BIGINT NOT NULL REFERENCES account (id), secret BYTEA, enabled BIGINT
          );",
    is_additive: false,
};

const ADD: &str = "INSERT INTO account (id, name) VALUES ($1, $2)";

fn account(id: i64) -> [Value; 2] {
    [id.into(), format!("account {id}").into()]
}

async fn count(db: &Db) -> i64 {
    db.rows("SELECT count(*) AS n FROM account", &[])
        .await
        .expect("counts")[0]
        .get("n")
        .expect("n")
}

async fn values_come_back_as_they_went(place: &Place) {
    let db = place.open().await;
    let at: Timestamp = "2026-11-21T20:00:00.123456Z".parse().expect("a time");
    let values: [Value; 6] = [
        i64::MIN.into(),
        "Grüße \0 🦀 \u{10ffff}0".into(),
        vec![0_u8, 255].into(),
        true.into(),
        at.into(),
        Value::Null,
    ];
    let sql = "SELECT $1 AS i, $2 AS t, $3 AS b, $4 AS yes, $5 AS at, $6 AS void";
    let row = &db.rows(sql, &values).await.expect("reads")[0];
    assert_eq!(row.get::<i64>("i").expect("i"), i64::MIN);
    assert_eq!(
        row.get::<String>("t").expect("t"),
        "Grüße \0 🦀 \u{10ffff}0"
    );
    assert_eq!(row.get::<Vec<u8>>("b").expect("b"), [0, 255]);
    assert!(row.get::<bool>("yes").expect("yes"));
    assert_eq!(row.get::<Timestamp>("at").expect("at"), at);
    assert_eq!(row.get::<Option<String>>("void").expect("void"), None);
    assert_eq!(row.get::<Option<i64>>("i").expect("i"), Some(i64::MIN));
}

async fn any_value_comes_back_as_it_went(place: &Place) {
    let db = place.open().await;
    let handle = tokio::runtime::Handle::current();
    let any = prop_oneof![
        any::<i64>().prop_map(Value::Int),
        any::<String>().prop_map(Value::Text),
        any::<Vec<u8>>().prop_map(Value::Blob),
    ];
    tokio::task::block_in_place(|| {
        proptest!(ProptestConfig::with_cases(64), |(value in any)| {
            let row = handle.block_on(db.rows("SELECT $1 AS it", std::slice::from_ref(&value))).expect("reads").remove(0);
            let back = match &value {
                Value::Int(_) => Value::Int(row.get("it").expect("int")),
                Value::Text(_) => Value::Text(row.get("it").expect("text")),
                _ => Value::Blob(row.get("it").expect("bytes")),
            };
            prop_assert_eq!(back, value);
        });
    });
}

async fn placeholders_are_numbered_not_ordered(place: &Place) {
    let db = place.open().await;
    let params: Vec<Value> = (1..=11_i64).map(Value::from).collect();
    let sql =
        "SELECT $11 AS a, $2 AS b, $1 AS c, $2 AS d, $3 + $4 + $5 + $6 + $7 + $8 + $9 + $10 AS e";
    let row = &db.rows(sql, &params).await.expect("reads")[0];
    let got: Vec<i64> = ["a", "b", "c", "d", "e"]
        .map(|name| row.get(name).expect("a column"))
        .into();
    assert_eq!(got, [11, 2, 1, 2, 52]);
}

async fn what_is_synced_with_the_next_commit_is_there_like_all_else(place: &Place) {
    let db = place.ready().await;
    for id in 0..20 {
        let sync = if id % 3 == 0 {
            SyncAt::Commit
        } else {
            SyncAt::NextCommit
        };
        let mut tx = db.begin_with(sync).await.expect("begins");
        tx.execute(ADD, &account(id)).await.expect("inserts");
        if id % 5 != 4 {
            tx.commit().await.expect("commits");
        }
    }
    assert_eq!(count(&db).await, 16, "what was not committed is not there");
    drop(db);
    assert_eq!(count(&place.open().await).await, 16);
}

async fn mistakes_name_what_is_wrong(place: &Place) {
    let db = place.ready().await;
    let one: [Value; 1] = [1_i64.into()];
    for (sql, params, says) in [
        ("SELECT $1, $2", &one[..], "1 parameters given and 2 used"),
        ("SELECT 1", &one[..], "1 parameters given and 0 used"),
        ("SELECT $2", &one[..], "`$2` used and 1 parameters given"),
        ("SELECT ?1", &one[..], "placeholder `?1`"),
        ("SELECT $0", &one[..], "placeholder `$0`"),
        ("SELEKT 1", &[][..], "SELEKT 1"),
        ("SELECT name FROM nowhere", &[][..], "nowhere"),
        ("DELETE FROM account", &[][..], "DELETE FROM account"),
        (
            "SELECT 1.5 AS half",
            &[][..],
            "column `half` holds a fraction",
        ),
    ] {
        let error = db.rows(sql, params).await.expect_err(sql);
        assert!(matches!(error, DbError::Wrong { .. }), "{sql}: {error:?}");
        assert!(error.to_string().contains(says), "{sql}: {error}");
        assert!(!error.is_retryable());
    }
    let row = &db
        .rows("SELECT 7 AS seven, NULL AS void", &[])
        .await
        .expect("reads")[0];
    for (error, says) in [
        (
            row.get::<i64>("eight").expect_err("missing"),
            "no column `eight` in the answer, which has: seven, void",
        ),
        (
            row.get::<String>("seven").expect_err("an integer"),
            "column `seven` should hold text and holds an integer",
        ),
        (
            row.get::<bool>("seven").expect_err("an integer"),
            "column `seven` should hold 0 or 1 and holds an integer",
        ),
        (
            row.get::<i64>("void").expect_err("NULL"),
            "column `void` should hold an integer and holds NULL",
        ),
    ] {
        assert!(error.to_string().contains(says), "{error}");
    }
}

async fn a_transaction_is_seen_when_committed_and_not_before(place: &Place) {
    let db = place.ready().await;
    let mut tx = db.begin().await.expect("begins");
    assert_eq!(tx.execute(ADD, &account(1)).await.expect("inserts"), 1);
    assert_eq!(
        tx.rows("SELECT id FROM account", &[])
            .await
            .expect("reads")
            .len(),
        1
    );
    assert_eq!(count(&db).await, 0);
    tx.commit().await.expect("commits");
    assert_eq!(count(&db).await, 1);
}

async fn dropping_a_transaction_undoes_it(place: &Place) {
    let db = place.ready().await;
    let mut tx = db.begin().await.expect("begins");
    tx.execute(ADD, &account(1)).await.expect("inserts");
    drop(tx);
    drop(db.begin().await.expect("begins"));
    assert_eq!(count(&db).await, 0);
    let mut tx = db.begin().await.expect("begins");
    assert_eq!(
        tx.rows("SELECT id FROM account", &[])
            .await
            .expect("reads")
            .len(),
        0
    );
}

async fn dropping_a_call_in_flight_undoes_its_transaction(place: &Place) {
    let db = place.ready().await;
    for round in 0..50_u32 {
        let other = db.clone();
        let work = tokio::spawn(async move {
            let mut tx = other.begin().await.expect("begins");
            for id in 0..20 {
                tx.execute(ADD, &account(id)).await.expect("inserts");
            }
            drop(tx);
        });
        for _ in 0..round {
            tokio::task::yield_now().await;
        }
        work.abort();
        let _ = work.await;
        let mut tx = db.begin().await.expect("begins");
        assert_eq!(
            tx.rows("SELECT id FROM account", &[])
                .await
                .expect("reads")
                .len(),
            0
        );
        tx.execute(ADD, &account(99))
            .await
            .expect("the transaction is a new one");
    }

    // The same transaction cannot go on after one of its calls was given up.
    let mut tx = db.begin().await.expect("begins");
    let rows = (0..20_000).map(|id| account(id).to_vec()).collect();
    let given_up = tokio::time::timeout(Duration::ZERO, tx.execute_many(ADD, rows)).await;
    assert!(given_up.is_err());
    let error = tx.execute(ADD, &account(1)).await.expect_err("given up");
    assert!(
        error
            .to_string()
            .contains("after one of its calls was dropped"),
        "{error}"
    );
    drop(tx);
    drop(db.begin().await.expect("begins"));
    assert_eq!(count(&db).await, 0);
}

async fn a_failed_statement_ends_its_transaction(place: &Place) {
    let db = place.ready().await;
    let mut tx = db.begin().await.expect("begins");
    tx.execute(ADD, &account(1)).await.expect("inserts");
    tx.execute(ADD, &account(1)).await.expect_err("a duplicate");
    let error = tx.execute(ADD, &account(2)).await.expect_err("ended");
    assert!(
        error
            .to_string()
            .contains("after one of its statements failed"),
        "{error}"
    );
    tx.commit().await.expect_err("ended");
    assert_eq!(count(&db).await, 0);
}

async fn constraints_say_which_one_was_broken(place: &Place) {
    let db = place.ready().await;
    let mut tx = db.begin().await.expect("begins");
    tx.execute(ADD, &account(1)).await.expect("inserts");
    tx.commit().await.expect("commits");
    let endpoint = "INSERT INTO endpoint (id, account) VALUES ($1, $2)";
    for (sql, params, expected, named) in [
        (
            ADD,
            [1_i64.into(), "other".into()],
            ConstraintKind::Unique,
            "account.id",
        ),
        (
            ADD,
            [2_i64.into(), "account 1".into()],
            ConstraintKind::Unique,
            "account.name",
        ),
        (
            ADD,
            [2_i64.into(), Value::Null],
            ConstraintKind::NotNull,
            "account.name",
        ),
        (
            ADD,
            [(-2_i64).into(), "x".into()],
            ConstraintKind::Check,
            match place {
                Place::Sqlite(_) => "id >= 0",
                #[cfg(feature = "distributed")]
                Place::Postgres(_) => "account_id_check",
            },
        ),
        (
            endpoint,
            [1_i64.into(), 77_i64.into()],
            ConstraintKind::ForeignKey,
            "",
        ),
    ] {
        let mut tx = db.begin().await.expect("begins");
        match tx.execute(sql, &params).await {
            Err(DbError::Constraint {
                kind, constraint, ..
            }) => assert_eq!((kind, &*constraint), (expected, named)),
            other => panic!("{params:?}: {other:?}"),
        }
    }
}

async fn many_rows_in_one_call(place: &Place) {
    let db = place.ready().await;
    let mut tx = db.begin().await.expect("begins");
    let rows = (0..1000).map(|id| account(id).to_vec()).collect();
    assert_eq!(tx.execute_many(ADD, rows).await.expect("inserts"), 1000);
    assert_eq!(
        tx.execute_many(ADD, Vec::new())
            .await
            .expect("nothing to do"),
        0
    );
    tx.commit().await.expect("commits");
    assert_eq!(count(&db).await, 1000);
}

async fn returning_answers_rows(place: &Place) {
    let db = place.ready().await;
    let sql = "INSERT INTO account (id, name) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET name = $2 RETURNING name";
    let mut tx = db.begin().await.expect("begins");
    for name in ["first", "second"] {
        let rows = tx
            .rows(sql, &[1_i64.into(), name.into()])
            .await
            .expect("upserts");
        assert_eq!(rows[0].get::<String>("name").expect("name"), name);
    }
    tx.commit().await.expect("commits");
    assert_eq!(count(&db).await, 1);
}

async fn locks_are_for_those_who_write(place: &Place) {
    let db = place.ready().await;
    let add = async |id| {
        let mut tx = db.begin().await?;
        tx.lock_exclusive(7).await?;
        let next = tx.rows("SELECT count(*) AS n FROM account", &[]).await?;
        assert_eq!(next[0].get::<i64>("n")?, id);
        tx.execute(ADD, &account(id)).await?;
        tx.commit().await
    };
    for id in 0..2 {
        add(id).await.expect("the lock was free");
    }
    let mut tx = db.begin().await.expect("begins");
    tx.lock_shared(7).await.expect("free");
    tx.lock_shared(8).await.expect("free");
    drop(tx);
    add(2).await.expect("the lock is free again");
    let mut reader = db.read().await.expect("reads");
    let error = reader.lock_shared(7).await.expect_err("a reader");
    assert!(error.to_string().contains("Db::begin"), "{error}");
}

async fn writers_take_turns_and_readers_do_not_wait(place: &Place) {
    let db = place.ready().await;
    let mut held = db.begin().await.expect("begins");
    held.execute(ADD, &account(100)).await.expect("inserts");
    let writers: Vec<_> = (0..16)
        .map(|id| {
            let db = db.clone();
            tokio::spawn(async move {
                let mut tx = db.begin().await.expect("begins");
                tx.execute(ADD, &account(id)).await.expect("inserts");
                tx.commit().await.expect("commits");
            })
        })
        .collect();
    for _ in 0..20 {
        assert_eq!(count(&db).await, 0);
    }
    held.commit().await.expect("commits");
    for writer in writers {
        writer.await.expect("done");
    }
    assert_eq!(count(&db).await, 17);
}

async fn what_was_committed_is_there_after_reopening(place: &Place) {
    let db = place.ready().await;
    let mut tx = db.begin().await.expect("begins");
    tx.execute(ADD, &account(1)).await.expect("inserts");
    tx.commit().await.expect("commits");
    let mut tx = db.begin().await.expect("begins");
    tx.execute(ADD, &account(2)).await.expect("inserts");
    drop((tx, db));
    assert_eq!(count(&place.open().await).await, 1);
}

const MORE: Migration = Migration {
    name: "0002_more",
    sql: "ALTER TABLE account ADD COLUMN note TEXT",
    is_additive: false,
};

async fn migrations_are_applied_once_in_order(place: &Place) {
    let db = place.ready().await;
    assert_eq!(db.migrate(&[TABLES]).await.expect("nothing to do"), 0);
    assert_eq!(db.migrate(&[TABLES, MORE]).await.expect("one more"), 1);
    drop(db);
    assert_eq!(
        place
            .open()
            .await
            .migrate(&[TABLES, MORE])
            .await
            .expect("nothing to do"),
        0
    );
}

async fn a_changed_history_is_refused(place: &Place) {
    let db = place.ready().await;
    db.migrate(&[TABLES, MORE]).await.expect("migrates");
    let edited = Migration {
        sql: "ALTER TABLE account ADD COLUMN notes TEXT",
        ..MORE
    };
    for (list, says) in [
        (&[TABLES, edited][..], "migration `0002_more` was changed"),
        (
            &[TABLES][..],
            "migration `0002_more` was applied to this database and is not known here",
        ),
        (
            &[MORE, TABLES][..],
            "migration `0001_tables` was applied to this database and stands elsewhere",
        ),
    ] {
        let error = db.migrate(list).await.expect_err("refused");
        assert!(error.to_string().contains(says), "{error}");
    }
}

async fn what_only_adds_is_passed_over_by_older_programs(place: &Place) {
    let db = place.ready().await;
    let adds = Migration {
        is_additive: true,
        ..MORE
    };
    assert_eq!(db.migrate(&[TABLES, adds]).await.expect("one more"), 1);
    assert_eq!(db.migrate(&[TABLES]).await.expect("starts"), 0);
    let mut tx = db.begin().await.expect("begins");
    tx.execute(ADD, &account(1)).await.expect("works on");
    tx.commit().await.expect("commits");
    let last = Migration {
        name: "0003_last",
        sql: "ALTER TABLE account DROP COLUMN note",
        is_additive: false,
    };
    db.migrate(&[TABLES, adds, last]).await.expect("one more");
    let error = db.migrate(&[TABLES, adds]).await.expect_err("refused");
    assert!(error.to_string().contains("0003_last"), "{error}");
}

async fn a_failing_migration_leaves_nothing(place: &Place) {
    let db = place.ready().await;
    let broken = Migration {
        name: "0002_broken",
        sql: "CREATE TABLE half (id BIGINT); CREATE TABLE account (id BIGINT)",
        is_additive: false,
    };
    db.migrate(&[TABLES, broken])
        .await
        .expect_err("the table is there");
    db.rows("SELECT id FROM half", &[])
        .await
        .expect_err("undone");
    assert_eq!(db.migrate(&[TABLES, MORE]).await.expect("still usable"), 1);
}

async fn a_snapshot_is_consistent_and_opens(place: &Place) {
    let db = place.ready().await;
    let dir = TempDir::new().expect("a temporary directory");
    let to = dir.path().join("copy.db");
    let writer = {
        let db = db.clone();
        tokio::spawn(async move {
            for id in 0..100 {
                let mut tx = db.begin().await.expect("begins");
                tx.execute_many(
                    ADD,
                    vec![account(2 * id).to_vec(), account(2 * id + 1).to_vec()],
                )
                .await
                .expect("inserts");
                tx.commit().await.expect("commits");
            }
        })
    };
    while count(&db).await < 20 {}
    db.snapshot(&to).await.expect("copies");
    writer.await.expect("was not held up");
    let copied = count(&Db::open_sqlite(&to).await.expect("opens")).await;
    assert!(
        (20..=200).contains(&copied) && copied % 2 == 0,
        "{copied} rows: half a transaction"
    );

    let error = db.snapshot(&to).await.expect_err("there already");
    assert!(matches!(error, DbError::Unavailable { .. }), "{error:?}");
    let nowhere = dir.path().join("nowhere/copy.db");
    assert!(
        db.snapshot(&nowhere)
            .await
            .expect_err("no directory")
            .is_retryable()
    );
}

async fn damaged_files_are_told_apart(place: &Place) {
    match place {
        Place::Sqlite(dir) => {
            let path = dir.path().join("it.db");
            std::fs::write(&path, [7; 8192]).expect("writes");
            let error = Db::open_sqlite(&path).await.expect_err("not a database");
            assert!(matches!(error, DbError::Corrupt { .. }), "{error:?}");
            let error = Db::open_sqlite(&dir.path().join("no/it.db"))
                .await
                .expect_err("no directory");
            assert!(matches!(error, DbError::Unavailable { .. }), "{error:?}");
        }
        #[cfg(feature = "distributed")]
        Place::Postgres(_) => {}
    }
}

async fn health_is_well(place: &Place) {
    place.open().await.health().await.expect("well");
}
