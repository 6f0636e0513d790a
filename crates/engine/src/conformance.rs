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
