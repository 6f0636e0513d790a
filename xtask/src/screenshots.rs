//! `cargo xtask screenshots`: a picture of every page of the console, in light, dark and narrow, into `docs/screenshots/`.
//!
//! The scene lives with the other browser tests (`crates/server/tests/it/console_browser/pictures.rs`), which draw a few
//! pages of it; this draws all, and makes the files small with Debian's `pngquant`. Look at each before you commit them.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::shell::{self, Failure};
use crate::{options, setup};

const TEST: &str = "console_browser::pictures::every_page_can_be_drawn";
/// All pictures together; more does not belong into a repository.
const BYTES_MAX: u64 = 6 << 20;

/// Draws every page anew; what is no page any more goes.
pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    options::none(arguments)?;
    setup::run(&[])?;
    setup::also("pngquant")?;
    let folder = shell::root().join("docs/screenshots");
    for old in pictures(&folder)? {
        std::fs::remove_file(&old).map_err(|error| cannot("remove", &old, &error))?;
    }
    std::fs::create_dir_all(&folder).map_err(|error| cannot("make", &folder, &error))?;
    let mut command = shell::cargo();
    command.args(["test", "--locked", "-p", "server"]);
    command.args(["--features", "distributed", "--test", "it", TEST]);
    command.args(["--", "--exact"]);
    shell::run(command.env("RIALTO_SCREENSHOTS", &folder))?;
    let drawn = pictures(&folder)?;
    let mut small = Command::new("pngquant");
    small.args(["--force", "--ext", ".png", "--strip", "--speed", "1"]);
    shell::run(small.args(["--quality", "60-95", "64"]).args(&drawn))?;
    let bytes = drawn.iter().filter_map(|path| path.metadata().ok());
    let bytes: u64 = bytes.map(|found| found.len()).sum();
    println!("{} pictures, {} KiB", drawn.len(), bytes >> 10);
    if bytes > BYTES_MAX {
        return Err(Failure::new(format!(
            "the pictures have {bytes} bytes together; {BYTES_MAX} at most"
        )));
    }
    Ok(())
}

fn pictures(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Ok(Vec::new());
    };
    let paths = entries.map(|entry| entry.map(|entry| entry.path()));
    let paths: Result<Vec<PathBuf>, std::io::Error> = paths.collect();
    let mut paths = paths.map_err(|error| cannot("read", folder, &error))?;
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "png"));
    paths.sort();
    Ok(paths)
}

fn cannot(verb: &str, path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(format!("cannot {verb} {}: {error}", path.display()))
}
