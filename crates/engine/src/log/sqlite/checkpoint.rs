//! Keeps the write-ahead file short without holding up appends.
//!
//! A checkpoint copies the write-ahead file into the database file and syncs that, which takes many
//! times as long as a commit. SQLite by default does it inside a commit; here a thread does it on a
//! connection of its own, while appends go on. As these add to the file all the time, it would
//! never catch up with a busy log; so once the file is long, the writer does the last piece itself
//! (what came in during the thread's checkpoint), and its next commit starts the file anew.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use rusqlite::Connection;

use super::table;

/// Bytes appended between two checkpoints. Smaller means more syncs of the database file; larger
/// a longer recovery after a crash (about 100 MB/s).
const EVERY_BYTES: usize = 4 << 20;

/// Pages of the write-ahead file (32 MiB) from which the writer helps.
const LONG_PAGES: i64 = 4096;

/// The writer's end of the checkpointing thread, which ends when this is dropped.
#[derive(Debug)]
pub(super) struct Checkpointer {
    nudge: SyncSender<()>,
    long: Arc<AtomicBool>,
    bytes: usize,
}

impl Checkpointer {
    pub(super) fn start(path: &Path) -> std::io::Result<Self> {
        let (nudge, nudged) = sync_channel(1);
        let long = Arc::new(AtomicBool::new(false));
        let (path, told) = (path.to_owned(), Arc::clone(&long));
        std::thread::Builder::new()
            .name("log-checkpoint".into())
            .spawn(move || run(&path, &nudged, &told))?;
        Ok(Self {
            nudge,
            long,
            bytes: 0,
        })
    }

    /// Notes that a commit wrote about so many bytes. True if the writer is to checkpoint itself.
    pub(super) fn wrote(&mut self, bytes: usize) -> bool {
        self.bytes += bytes;
        if self.bytes >= EVERY_BYTES {
            self.bytes = 0;
            // If it cannot take the nudge it has one already.
            let _ = self.nudge.try_send(());
        }
        self.long.swap(false, Ordering::Relaxed)
    }
}

fn run(path: &Path, nudged: &Receiver<()>, long: &AtomicBool) {
    let mut connection = None;
    while nudged.recv().is_ok() {
        match checkpoint(path, &mut connection) {
            Ok(pages) => long.store(pages >= LONG_PAGES, Ordering::Relaxed),
            Err(error) => {
                connection = None;
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the log could not be checkpointed yet"
                );
            }
        }
    }
}

/// Returns how many pages the write-ahead file has.
fn checkpoint(path: &Path, connection: &mut Option<Connection>) -> rusqlite::Result<i64> {
    let connection = match connection {
        Some(connection) => connection,
        None => connection.insert(table::open(path)?),
    };
    connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| row.get(1))
}
