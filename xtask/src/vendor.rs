//! `cargo xtask vendor [--check]`: what comes from npm and lies in this repository, brought anew or only checked.
//!
//! The console runs in browsers, so a few of its parts are not crates: they are copied here as their package has them,
//! with their licence, and nobody who builds or tests needs npm. To take another version, change [`VENDORED`] and run it:
//! it says which digests to write down. It promises that what lies in the repository is what the table says; `--check`
//! (a step of `cargo xtask ci`) promises the same without asking anybody.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::options;
use crate::shell::{self, Failure};

/// A package of npm, in one version, and what of it we keep.
struct Package {
    name: &'static str,
    version: &'static str,
    /// What for, and under which licence.
    why: &'static str,
    /// The folder of this repository in which its files lie.
    place: &'static str,
    files: &'static [File],
}

/// A file of a package; it keeps its name.
struct File {
    /// Its path in the package.
    path: &'static str,
    sha256: &'static str,
}

const VENDORED: &[Package] = &[UPLOT, AXE];

const UPLOT: Package = Package {
    name: "uplot",
    version: "1.6.32",
    why: "the console's charts of figures over time are drawn by it (MIT); in the binary",
    place: "crates/console/assets/uplot",
    files: &[
        File {
            path: "dist/uPlot.iife.min.js",
            sha256: "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f",
        },
        File {
            path: "dist/uPlot.min.css",
            sha256: "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
        },
        File {
            path: "LICENSE",
            sha256: "8f989229699b4fe2f1a0432d0e9edc338a8a911e250e2d1b01ecd770a5f5b1bd",
        },
    ],
};

const AXE: Package = Package {
    name: "axe-core",
    version: "4.14.1",
    why: "the browser tests look for barriers with it (MPL-2.0); for tests only, in no binary",
    place: "crates/server/tests/vendor/axe-core",
    files: &[
        File {
            path: "axe.min.js",
            sha256: "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c",
        },
        File {
            path: "LICENSE",
            sha256: "af175b9d96ee93c21a036152e1b905b0b95304d4ae8c2c921c7609100ba8df7e",
        },
        File {
            path: "LICENSE-3RD-PARTY.txt",
            sha256: "4f8563870d0fca38bbc3e00b6f670cb7fa9f380ba9f26a7f7d1184a6b18b1653",
        },
    ],
};

/// Brings every package; with `--check` only compares what is there.
pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    if options::flag(arguments, "--check")? {
        return check();
    }
    if !shell::installed("npm") {
        return Err(Failure::new(
            "there is no npm here; only this command needs it (Debian's package `npm`)",
        ));
    }
    let folder = std::env::temp_dir().join(format!("rialto-vendor-{}", std::process::id()));
    let brought = VENDORED
        .iter()
        .try_for_each(|package| bring(package, &folder));
    let _ = std::fs::remove_dir_all(&folder);
    brought?;
    check()
}

/// What lies here is what the table says; all that is not is named.
pub(crate) fn check() -> Result<(), Failure> {
    let mut wrong = Vec::new();
    for package in VENDORED {
        for file in package.files {
            let place = shell::root().join(package.place).join(name(file));
            let digest = if place.is_file() {
                digest(&place)?
            } else {
                "missing".to_owned()
            };
            if digest != file.sha256 {
                wrong.push(format!(
                    "{} of {} {}: {digest} where the table says {}",
                    file.path, package.name, package.version, file.sha256
                ));
            }
        }
    }
    if wrong.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!(
        "vendored files differ:\n{}",
        wrong.join("\n")
    )))
}

fn bring(package: &Package, folder: &Path) -> Result<(), Failure> {
    let Package {
        name: called,
        version,
        why,
        ..
    } = package;
    println!("{called} {version}: {why}");
    let folder = folder.join(called.replace('/', "-"));
    let place = shell::root().join(package.place);
    for one in [&folder, &place] {
        std::fs::create_dir_all(one).map_err(|error| cannot("make", one, &error))?;
    }
    // npm holds the archive against the digest that the registry has of it.
    let archive = shell::output(Command::new("npm").current_dir(&folder).args([
        "pack",
        "--silent",
        &format!("{called}@{version}"),
    ]))?;
    let archive = archive.lines().last().unwrap_or_default().trim().to_owned();
    shell::run(
        Command::new("tar")
            .current_dir(&folder)
            .args(["-xzf", &archive]),
    )?;
    for file in package.files {
        let (from, to) = (
            folder.join("package").join(file.path),
            place.join(name(file)),
        );
        let bytes = std::fs::read(&from).map_err(|error| cannot("read", &from, &error))?;
        std::fs::write(&to, bytes).map_err(|error| cannot("write", &to, &error))?;
    }
    Ok(())
}

fn name(file: &File) -> PathBuf {
    Path::new(file.path)
        .file_name()
        .map_or_else(PathBuf::new, PathBuf::from)
}

fn digest(path: &Path) -> Result<String, Failure> {
    let line = shell::output(Command::new("sha256sum").arg(path))?;
    Ok(line
        .split_whitespace()
        .next()
        .unwrap_or_default()
        .to_owned())
}

fn cannot(verb: &str, path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(format!("cannot {verb} {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_vendored_is_what_the_table_says_with_a_licence() {
        check().expect("nothing differs");
        for package in VENDORED {
            let has_licence = package
                .files
                .iter()
                .any(|file| file.path.contains("LICENSE"));
            assert!(has_licence, "{} has its licence beside it", package.name);
        }
    }
}
