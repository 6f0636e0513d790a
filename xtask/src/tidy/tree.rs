//! The files of the repository, read once for all rules.
//!
//! It exists so that rules are pure functions that tests can call with a tree of their own. Binary files, the lock
//! file, build output and what tools keep for themselves are left out.

use std::fs;
use std::path::Path;

use super::rust::Rust;
use crate::shell::Failure;

/// Crates that only tests and tools use.
const HELPERS: &[&str] = &["crates/fuzzing/", "crates/services/"];

/// A text file of the repository.
pub(crate) struct File {
    /// From the root, with `/` on every system.
    pub(crate) path: String,
    pub(crate) text: String,
    /// Its code, strings and tests told apart; only of `.rs` files.
    rust: Option<Rust>,
    /// Whether it holds tests only.
    tests: bool,
}

impl File {
    fn new(path: String, text: String, tests: bool) -> Self {
        let rust = path.ends_with(".rs").then(|| Rust::new(&text, tests));
        Self {
            path,
            text,
            rust,
            tests,
        }
    }

    /// The package it belongs to: the folder under `crates/`, or `xtask`.
    pub(crate) fn crate_name(&self) -> Option<&str> {
        let mut folders = self.path.split('/');
        match folders.next() {
            Some("crates") => folders.next(),
            Some("xtask") => Some("xtask"),
            _ => None,
        }
    }

    /// Whether it is compiled into what users run, tests and benchmarks left out.
    pub(crate) fn ships(&self) -> bool {
        let helps = HELPERS.iter().any(|path| self.path.starts_with(path));
        self.path.starts_with("crates/") && self.path.contains("/src/") && !self.tests && !helps
    }
}

/// Whether a file holds tests only: by its name, or because it, or a module around it, was declared for tests alone.
fn holds_tests(path: &str, declared: &[String]) -> bool {
    path.contains("/tests/")
        || path.ends_with("_tests.rs")
        || path.ends_with("/tests.rs")
        || declared.iter().any(|module| {
            let rest = path.strip_prefix(module.as_str());
            rest.is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
        })
}

/// The modules that `#[cfg(test)] mod name;` in the file at `path` declares, as paths without `.rs`.
fn test_modules(path: &str, text: &str) -> Vec<String> {
    let stem = path.trim_end_matches(".rs");
    let folder = match stem.rsplit_once('/') {
        Some((folder, "lib" | "main" | "mod")) => folder,
        _ => stem,
    };
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let declared = lines.windows(2).filter(|pair| pair[0] == "#[cfg(test)]");
    declared
        .filter_map(|pair| {
            let name = pair[1].rsplit_once("mod ")?.1.strip_suffix(';')?;
            Some(format!("{folder}/{name}"))
        })
        .collect()
}

/// All text files, sorted by path.
pub(crate) struct Tree {
    pub(crate) files: Vec<File>,
}

impl Tree {
    /// Reads everything under `root`.
    pub(crate) fn read(root: &Path) -> Result<Self, Failure> {
        let mut texts = Vec::new();
        enter(root, "", &mut texts)
            .map_err(|error| Failure::new(format!("cannot read {}: {error}", root.display())))?;
        texts.sort();
        Ok(Self::new(texts))
    }

    /// A tree of the given paths and texts, for the tests of the rules.
    #[cfg(test)]
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let owned = |(path, text): &(&str, &str)| ((*path).to_owned(), (*text).to_owned());
        Self::new(files.iter().map(owned).collect())
    }

    fn new(texts: Vec<(String, String)>) -> Self {
        let rust = texts.iter().filter(|(path, _)| path.ends_with(".rs"));
        let declared: Vec<String> = rust
            .flat_map(|(path, text)| test_modules(path, text))
            .collect();
        let file = |(path, text): (String, String)| {
            let tests = holds_tests(&path, &declared);
            File::new(path, text, tests)
        };
        Self {
            files: texts.into_iter().map(file).collect(),
        }
    }

    /// The text of the file at `path`.
    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        self.files
            .iter()
            .find(|file| file.path == path)
            .map(|file| file.text.as_str())
    }

    /// The Rust files, with their code told apart from comments and strings.
    pub(crate) fn rust(&self) -> impl Iterator<Item = (&File, &Rust)> {
        self.files
            .iter()
            .filter_map(|file| file.rust.as_ref().map(|rust| (file, rust)))
    }

    /// The manifests of the packages: name and text.
    pub(crate) fn manifests(&self) -> impl Iterator<Item = (&File, &str)> {
        self.files
            .iter()
            .filter(|file| file.path.ends_with("/Cargo.toml"))
            .filter_map(|file| Some((file, file.crate_name()?)))
    }
}

/// Collects the path and text of every text file in `folder`, whose path from the root is `prefix`.
fn enter(folder: &Path, prefix: &str, texts: &mut Vec<(String, String)>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{prefix}{name}");
        if entry.file_type()?.is_dir() {
            if !skipped(&name) {
                enter(&entry.path(), &format!("{path}/"), texts)?;
            }
        } else if name.ends_with(".png") {
            // Pages show it, and no rule reads it.
            texts.push((path, String::new()));
        } else if entry.file_type()?.is_file()
            && !["Cargo.lock", ".git"].contains(&name.as_str())
            && let Ok(text) = String::from_utf8(fs::read(entry.path())?)
            && !text.contains('\0')
        {
            texts.push((path, text));
        }
    }
    Ok(())
}

/// Folders that are not part of the source: build output, and hidden ones but our two.
fn skipped(folder: &str) -> bool {
    // `vendor` and `uplot`: what others wrote, byte for byte as they did.
    ["target", "vendor", "uplot"].contains(&folder)
        || (folder.starts_with('.') && ![".ci", ".cargo"].contains(&folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_knows_its_crate_and_whether_it_ships() {
        let tree = Tree::of(&[
            ("crates/hub/src/flow/route.rs", ""),
            ("crates/hub/src/flow/route_tests.rs", ""),
            ("crates/server/tests/it/event.rs", ""),
            ("crates/server/benches/exchange.rs", ""),
            ("xtask/src/main.rs", ""),
            ("README.md", ""),
        ]);
        let seen: Vec<_> = tree
            .files
            .iter()
            .map(|file| (file.crate_name(), file.ships()))
            .collect();
        let expected = [
            (Some("hub"), true),
            (Some("hub"), false),
            (Some("server"), false),
            (Some("server"), false),
            (Some("xtask"), false),
            (None, false),
        ];
        assert_eq!(seen, expected);
    }

    #[test]
    fn a_module_declared_for_tests_holds_tests() {
        let tree = Tree::of(&[
            (
                "crates/model/src/lib.rs",
                "#[cfg(test)]\nmod fuzzing;\npub mod event;\n",
            ),
            ("crates/model/src/event.rs", "#[cfg(test)]\nmod cases;\n"),
            ("crates/model/src/event/cases.rs", ""),
            ("crates/model/src/fuzzing.rs", ""),
            ("crates/model/src/fuzzing/json.rs", ""),
            ("crates/fuzzing/src/lib.rs", ""),
        ]);
        let ships: Vec<bool> = tree.files.iter().map(File::ships).collect();
        assert_eq!(ships, [true, true, false, false, false, false]);
    }

    #[test]
    fn build_output_and_hidden_folders_are_left_out() {
        assert!(skipped("target") && skipped(".git"));
        assert!(!skipped(".ci") && !skipped("crates"));
    }
}
