//! On which engines the suite runs: `RIALTO_TEST_ENGINE` is `embedded` (the default), `postgres` or `distributed`.
//!
//! Not on SQLite, every directory of a test has a database, streams and a part of the bucket of its own, on servers that
//! all tests share: a hub that is opened on the same directory again finds what it left. What they are is noted in the
//! directory, as the environment variables that a person would set.

use std::path::Path;

/// The engines of this run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mix {
    Embedded,
    /// PostgreSQL for the database and the log.
    Postgres,
    /// PostgreSQL, JetStream and S3.
    Distributed,
}

/// Shards of a hub that is not on SQLite: more than one, and few, so that starting is quick.
pub(crate) const SHARDS: usize = 3;

/// Where a directory's settings are noted.
const NOTE: &str = "engines.env";

/// The mix of this run.
pub(crate) fn mix() -> Mix {
    let mix = match std::env::var("RIALTO_TEST_ENGINE").as_deref() {
        Err(_) | Ok("" | "embedded") => Mix::Embedded,
        Ok("postgres") => Mix::Postgres,
        Ok("distributed") => Mix::Distributed,
        Ok(other) => panic!("RIALTO_TEST_ENGINE is `{other}`: embedded, postgres or distributed"),
    };
    assert!(
        mix == Mix::Embedded || cfg!(feature = "distributed"),
        "RIALTO_TEST_ENGINE asks for what this build does not have: use --features distributed"
    );
    mix
}

/// Whether a test that is about the files of the embedded engines has anything to do in this run. `_why` is for readers.
#[must_use]
pub(crate) fn embedded_only(_why: &str) -> bool {
    mix() == Mix::Embedded
}

/// The settings of the hub in `directory`, as environment variables: made at the first call, the same at every other.
pub(crate) fn settings(directory: &Path) -> Vec<(&'static str, String)> {
    if mix() == Mix::Embedded {
        return Vec::new();
    }
    let note = directory.join(NOTE);
    let text = std::fs::read_to_string(&note).unwrap_or_else(|_| {
        let settings = fresh(mix());
        write_down(directory, &settings)
    });
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    pairs
        .map(|(name, value)| {
            let name = NAMES.iter().find(|known| **known == name);
            (*name.expect("a name of ours"), value.to_owned())
        })
        .collect()
}

/// Notes what the hub in `directory` rests on.
pub(crate) fn write_down(directory: &Path, settings: &[(&'static str, String)]) -> String {
    let lines = settings
        .iter()
        .map(|(name, value)| format!("{name}={value}\n"));
    let text: String = lines.collect();
    std::fs::create_dir_all(directory).expect("a directory");
    std::fs::write(directory.join(NOTE), &text).expect("written");
    text
}

const NAMES: [&str; 11] = [
    "RIALTO_ENGINES_DB",
    "RIALTO_ENGINES_LOG",
    "RIALTO_ENGINES_BLOBS",
    "RIALTO_ENGINES_SHARDS",
    "RIALTO_ENGINES_S3_ENDPOINT",
    "RIALTO_ENGINES_S3_REGION",
    "RIALTO_ENGINES_S3_ACCESS_KEY",
    "RIALTO_ENGINES_S3_SECRET_KEY",
    "RIALTO_ENGINES_JETSTREAM_PREFIX",
    "RIALTO_PROCESSES_LEASE",
    "RIALTO_SECRET_KEY",
];

#[cfg(not(feature = "distributed"))]
fn fresh(_mix: Mix) -> Vec<(&'static str, String)> {
    Vec::new()
}

/// A database, streams and a part of the bucket that nobody has used.
#[cfg(feature = "distributed")]
fn fresh(mix: Mix) -> Vec<(&'static str, String)> {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let database = services::Postgres::shared().fresh_database();
    let mut settings = vec![
        ("RIALTO_ENGINES_DB", database.expect("a database")),
        ("RIALTO_ENGINES_SHARDS", SHARDS.to_string()),
        // Who is killed is replaced soon.
        ("RIALTO_PROCESSES_LEASE", "1s".to_owned()),
        ("RIALTO_SECRET_KEY", "5a".repeat(32)),
    ];
    if mix == Mix::Distributed {
        let s3 = services::S3::shared();
        settings.extend([
            ("RIALTO_ENGINES_LOG", services::Nats::shared().url()),
            ("RIALTO_ENGINES_JETSTREAM_PREFIX", format!("t{number}")),
            (
                "RIALTO_ENGINES_BLOBS",
                format!("s3://{}/t{number}", services::s3::BUCKET),
            ),
            ("RIALTO_ENGINES_S3_ENDPOINT", s3.url()),
            ("RIALTO_ENGINES_S3_REGION", services::s3::REGION.to_owned()),
            (
                "RIALTO_ENGINES_S3_ACCESS_KEY",
                services::s3::ACCESS_KEY.to_owned(),
            ),
            (
                "RIALTO_ENGINES_S3_SECRET_KEY",
                services::s3::SECRET_KEY.to_owned(),
            ),
        ]);
    }
    settings
}
