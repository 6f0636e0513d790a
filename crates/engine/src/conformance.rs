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
