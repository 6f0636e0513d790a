//! What every engine of a seam must do, as tests that take the seam's enum and know no engine.
//!
//! A new engine adds a variant to the suite's `Place` and a line to its `suite!`.

mod blobs;
mod db;
mod log;

/// Runs every test of a suite on a fresh place of an engine, or of each of several.
macro_rules! suite {
    ($($(#[$when:meta])* $engine:ident: $place:expr),+ => $tests:tt) => {
        $( $(#[$when])* $crate::conformance::suite!(@one $engine: $place => $tests); )+
    };
    (@one $engine:ident: $place:expr => { $($tests:tt)+ }) => {
        $crate::conformance::suite!($engine: $place => $($tests)+);
    };
    ($engine:ident: $place:expr => $($test:ident),+ $(,)?) => {
        mod $engine {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    super::$test(&$place).await;
                }
            )+
        }
    };
}
use suite;

/// A small file system in memory, for servers whose disk is full.
#[cfg(feature = "distributed")]
struct SmallDisk<'a>(&'a std::path::Path);

#[cfg(feature = "distributed")]
impl<'a> SmallDisk<'a> {
    /// One of so many megabytes; `None`, and a line that says so, where we may not.
    fn mount(at: &'a std::path::Path, megabytes: u32) -> Option<Self> {
        let mut mount = std::process::Command::new("mount");
        let options = format!("size={megabytes}m");
        mount.args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(at);
        let is_mounted = mount.output().is_ok_and(|output| output.status.success());
        if !is_mounted {
            println!("no file system can be mounted here: the disk is not filled");
        }
        is_mounted.then_some(Self(at))
    }

    fn grow(&self, megabytes: u32) {
        let mut mount = std::process::Command::new("mount");
        let options = format!("remount,size={megabytes}m");
        let status = mount.args(["-o", &options]).arg(self.0).status();
        assert!(status.expect("mount runs").success());
    }
}

#[cfg(feature = "distributed")]
impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        // Lazily: the server may still be letting go of its files.
        let mut unmount = std::process::Command::new("umount");
        let _ = unmount.arg("-l").arg(self.0).status();
    }
}

/// Verbs have these in them, and those of verbs are in each other: what is large goes to the heap.
#[tokio::test]
async fn calls_take_little_memory_while_they_wait() {
    let dir = tempfile::TempDir::new().expect("a temporary directory");
    let (db, log) = (dir.path().join("it.db"), dir.path().join("log.db"));
    let db = crate::Db::open_sqlite(&db).await.expect("opens");
    let log = crate::Log::open_sqlite(&log, crate::LogOptions::default(), crate::Clock::System);
    let log = log.await.expect("opens");
    let (mut tx, mut other) = (
        db.read().await.expect("reads"),
        db.read().await.expect("reads"),
    );
    for (call, bytes) in [
        ("Db::begin", size_of_val(&db.begin())),
        ("Db::rows", size_of_val(&db.rows("", &[]))),
        ("Tx::rows", size_of_val(&tx.rows("", &[]))),
        ("Tx::execute", size_of_val(&other.execute("", &[]))),
        ("Log::append", size_of_val(&log.append(Vec::new()))),
        ("Log::read", size_of_val(&log.read(1, 1, 1))),
        ("Log::trim", size_of_val(&log.trim(1))),
    ] {
        assert!(bytes < 5_000, "{call}: {bytes} bytes");
    }
}
