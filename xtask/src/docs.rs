//! `cargo xtask docs [--check]`: the pages of `docs/` that the program writes about itself.
//!
//! The catalogue of errors, the configuration and the reference of the command line are generated from the code that
//! uses them, so they cannot drift from it. The hidden command `rialto generate-docs DIR` writes them; this calls it,
//! either into `docs/` or, with `--check`, beside it and compares.

use std::fs;
use std::path::{Path, PathBuf};

use crate::options;
use crate::shell::{self, Failure};

/// Writes the generated pages, or with `--check` fails naming those that are stale.
pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    if options::flag(arguments, "--check")? {
        check()
    } else {
        generate(&pages())
    }
}

/// Fails naming the pages that are not as they would be written now.
pub(crate) fn check() -> Result<(), Failure> {
    let fresh = std::env::temp_dir().join(format!("rialto-docs-{}", std::process::id()));
    let result = generate(&fresh).and_then(|()| stale(&fresh, &pages()));
    // Left behind on failure to remove: a few kilobytes in the system's temporary folder.
    drop(fs::remove_dir_all(&fresh));
    let stale = result?;
    if stale.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!(
        "docs/ is stale: {}; run `cargo xtask docs` and commit",
        stale.join(", ")
    )))
}

fn pages() -> PathBuf {
    shell::root().join("docs")
}

fn generate(into: &Path) -> Result<(), Failure> {
    fs::create_dir_all(into)
        .map_err(|error| Failure::new(format!("cannot make {}: {error}", into.display())))?;
    shell::run(
        shell::cargo()
            .args([
                "run",
                "--quiet",
                "--locked",
                "-p",
                "server",
                "--",
                "generate-docs",
            ])
            .arg(into),
    )
}

/// The names of the generated files in `fresh` that differ from their namesake in `docs`.
fn stale(fresh: &Path, docs: &Path) -> Result<Vec<String>, Failure> {
    let unreadable =
        |error: std::io::Error| Failure::new(format!("cannot read {}: {error}", fresh.display()));
    let mut stale = Vec::new();
    for entry in fs::read_dir(fresh).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let wanted = fs::read(entry.path()).map_err(unreadable)?;
        if fs::read(docs.join(entry.file_name())).ok() != Some(wanted) {
            stale.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    stale.sort();
    Ok(stale)
}
