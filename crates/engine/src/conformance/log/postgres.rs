//! Logs in PostgreSQL: where the suite runs, and what only a server that several processes share can do.

use crate::{Clock, Db, Log, LogError, LogOptions};

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
        let dir = tempfile::TempDir::new().expect("a temporary directory");
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
