//! The files of the repository, read once for all rules.
//!
//! It exists so that rules are pure functions that tests can call with a tree of their own. Binary files, the lock
//! file, build output and what tools keep for themselves are left out.

use std::fs;
use std::path::Path;

use super::rust::Rust;
use crate::shell::Failure;

/// A text file of the repository.
pub(crate) struct File {
    /// From the root, with `/` on every system.
    pub(crate) path: String,
    pub(crate) text: String,
    /// Its code, strings and tests told apart; only of `.rs` files.
    rust: Option<Rust>,
}

impl File {
    fn new(path: String, text: String) -> Self {
        let rust = path
            .ends_with(".rs")
            .then(|| Rust::new(&text, test_path(&path)));
        Self { path, text, rust }
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
        self.path.starts_with("crates/") && self.path.contains("/src/") && !test_path(&self.path)
    }
}

/// Whether a file holds tests only, by its name.
fn test_path(path: &str) -> bool {
    path.contains("/tests/") || path.ends_with("_tests.rs") || path.ends_with("/tests.rs")
}

/// All text files, sorted by path.
pub(crate) struct Tree {
    pub(crate) files: Vec<File>,
}

impl Tree {
    /// Reads everything under `root`.
    pub(crate) fn read(root: &Path) -> Result<Self, Failure> {
        let mut tree = Self { files: Vec::new() };
        tree.enter(root, "")
            .map_err(|error| Failure::new(format!("cannot read {}: {error}", root.display())))?;
        tree.files.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(tree)
    }

    /// A tree of the given paths and texts, for the tests of the rules.
    #[cfg(test)]
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        Self {
            files: files
                .iter()
                .map(|(path, text)| File::new((*path).to_owned(), (*text).to_owned()))
                .collect(),
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

    fn enter(&mut self, folder: &Path, prefix: &str) -> std::io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = format!("{prefix}{name}");
            if entry.file_type()?.is_dir() {
                if !skipped(&name) {
                    self.enter(&entry.path(), &format!("{path}/"))?;
                }
            } else if !["Cargo.lock", ".git"].contains(&name.as_str())
                && let Ok(text) = String::from_utf8(fs::read(entry.path())?)
                && !text.contains('\0')
            {
                self.files.push(File::new(path, text));
            }
        }
        Ok(())
    }
}

/// Folders that are not part of the source: build output, and hidden ones but our two.
fn skipped(folder: &str) -> bool {
    folder == "target" || (folder.starts_with('.') && ![".ci", ".cargo"].contains(&folder))
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
    fn build_output_and_hidden_folders_are_left_out() {
        assert!(skipped("target") && skipped(".git"));
        assert!(!skipped(".ci") && !skipped("crates"));
    }
}
