//! Each dependency is wanted, explained and there once.
//!
//! Every line of the workspace's list has one in `docs/dependencies.md` saying why, and the other way round; a
//! crate names in its code what its manifest declares; and no crate is built in two versions but for those that others
//! force on us, listed here with who does.

use super::Finding;
use super::rust::words;
use super::tree::Tree;
use crate::shell::{self, Failure};

const PAGE: &str = "docs/dependencies.md";

/// Crates that are built in several versions, and who brings the second. May only shrink.
const DUPLICATES: &[(&str, &str)] = &[
    ("foldhash", "comes with each hashbrown"),
    ("getrandom", "0.2 by ring, under rustls"),
    (
        "hashbrown",
        "by dashmap under rlibphonenumber, petgraph in its build, and rusqlite",
    ),
    (
        "logos",
        "by protox, which builds the tables of rlibphonenumber",
    ),
    ("logos-codegen", "comes with each logos"),
    ("logos-derive", "comes with each logos"),
    ("syn", "macros move to the new version one by one"),
    ("thiserror", "1 by rlibphonenumber"),
    ("thiserror-impl", "comes with each thiserror"),
];

/// Holds the list of the workspace and the page that explains it against each other.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let (Some(manifest), Some(page)) = (tree.text("Cargo.toml"), tree.text(PAGE)) else {
        return vec![Finding::new(
            PAGE,
            0,
            "expected beside Cargo.toml: a table with a line for each dependency",
        )];
    };
    let listed: Vec<(String, usize)> = declared(manifest, "workspace.dependencies")
        .into_iter()
        .filter(|(name, _)| !path_dependency(manifest, name))
        .collect();
    let explained: Vec<(&str, usize)> = page
        .lines()
        .zip(1..)
        .filter_map(|(line, number)| Some((row(line)?, number)))
        .collect();
    let mut findings = Vec::new();
    for (name, line) in &listed {
        if !explained.iter().any(|(explained, _)| explained == name) {
            findings.push(Finding::new(
                "Cargo.toml",
                *line,
                format!("`{name}` has no line in {PAGE} saying why it is here"),
            ));
        }
        let wanted = |text: &str| {
            declared(text, "dependencies")
                .iter()
                .any(|(wanted, _)| wanted == name)
        };
        if !tree.manifests().any(|(file, _)| wanted(&file.text)) {
            findings.push(Finding::new(
                "Cargo.toml",
                *line,
                format!("no crate wants `{name}`: take it out"),
            ));
        }
    }
    for (name, line) in explained {
        if !listed.iter().any(|(listed, _)| listed == name) {
            findings.push(Finding::new(
                PAGE,
                line,
                format!("explains `{name}`, which Cargo.toml does not list"),
            ));
        }
    }
    findings.extend(unused(tree));
    findings
}

/// Dependencies that a crate declares and its code never names.
fn unused(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (manifest, name) in tree.manifests() {
        let named = |dependency: &str, shipped: bool| {
            // The one library whose name is not that of its package.
            let word = if dependency == "md-5" {
                "md5".to_owned()
            } else {
                dependency.replace('-', "_")
            };
            let code = tree
                .rust()
                .filter(|(file, _)| file.crate_name() == Some(name));
            let mut parts = code.map(|(_, rust)| if shipped { &rust.product } else { &rust.code });
            parts.any(|code| words(code, &word).next().is_some())
        };
        for (dependency, line) in declared(&manifest.text, "dependencies") {
            let shipped = section_of(&manifest.text, line) == "[dependencies]";
            if !named(&dependency, false) {
                let sentence = format!("`{name}` never names `{dependency}`: take it out");
                findings.push(Finding::new(&manifest.path, line, sentence));
            } else if shipped && !named(&dependency, true) {
                let sentence =
                    format!("only tests name `{dependency}`: it belongs to [dev-dependencies]");
                findings.push(Finding::new(&manifest.path, line, sentence));
            }
        }
    }
    findings
}

/// The heading above a line of a manifest.
fn section_of(manifest: &str, line: usize) -> &str {
    let above = manifest.lines().take(line);
    above
        .filter(|line| line.starts_with('['))
        .last()
        .unwrap_or("")
}

/// The names under the headings of a manifest that end in `heading`, with their lines from 1.
pub(super) fn declared(manifest: &str, heading: &str) -> Vec<(String, usize)> {
    let mut names = Vec::new();
    let mut within = false;
    for (number, line) in (1..).zip(manifest.lines()) {
        if let Some(section) = line.strip_prefix('[') {
            let section = section.trim_end().trim_end_matches(']');
            within = section == heading
                || section
                    .strip_suffix(heading)
                    .is_some_and(|rest| rest.ends_with(['-', '.']));
        } else if within && let Some((name, _)) = line.split_once('=') {
            let name = name.split('.').next().unwrap_or(name).trim();
            if !name.starts_with('#') {
                names.push((name.to_owned(), number));
            }
        }
    }
    names
}

fn path_dependency(manifest: &str, name: &str) -> bool {
    manifest.lines().any(|line| {
        line.split_once('=')
            .is_some_and(|(key, value)| key.trim() == name && value.contains("path ="))
    })
}

/// The name in a row of the table: "| `name` | why |".
fn row(line: &str) -> Option<&str> {
    line.strip_prefix("| `")?
        .split_once('`')
        .map(|(name, _)| name)
}

/// What `cargo tree` says of crates that come more than once.
pub(super) fn cargo_tree() -> Result<String, Failure> {
    let arguments = [
        "tree",
        "--workspace",
        "--locked",
        "--duplicates",
        "--depth",
        "0",
        "--prefix",
        "none",
        "--format",
        "{p}",
    ];
    shell::output(shell::cargo().args(arguments))
}

/// Crates in several versions that are not excused, and excuses that are no longer needed.
pub(super) fn duplicates(cargo_tree: &str) -> Vec<Finding> {
    let mut packages: Vec<(&str, &str)> = cargo_tree
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            Some((words.next()?, words.next()?))
        })
        .collect();
    packages.sort_unstable();
    packages.dedup();
    let versions = |name: &str| {
        packages
            .iter()
            .filter(|(package, _)| *package == name)
            .map(|(_, version)| *version)
            .collect::<Vec<_>>()
    };
    let mut names: Vec<&str> = packages.iter().map(|(name, _)| *name).collect();
    names.dedup();
    let mut findings = Vec::new();
    for name in names {
        let versions = versions(name);
        if versions.len() > 1 && !DUPLICATES.iter().any(|(excused, _)| *excused == name) {
            let sentence = format!(
                "`{name}` is built in versions {}: see `cargo tree -d -i {name}`",
                versions.join(", ")
            );
            findings.push(Finding::new("Cargo.lock", 0, sentence));
        }
    }
    for (name, _) in DUPLICATES
        .iter()
        .filter(|(name, _)| versions(name).len() < 2)
    {
        findings.push(Finding::new(
            "xtask/src/tidy/dependencies.rs",
            0,
            format!("`{name}` is there once now: take it off DUPLICATES"),
        ));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = "[workspace]\nmembers = []\n[workspace.dependencies]\nhub = { path = \"crates/hub\" }\njiff = \"0.2\"\nuuid = { version = \"1\" }\n";

    #[test]
    fn each_dependency_is_wanted_and_explained_and_each_explanation_is_of_one() {
        let page = "| crate | why |\n|---|---|\n| `jiff` | time |\n| `moment` | no |\n";
        let hub = (
            "crates/hub/Cargo.toml",
            "[dependencies]\nuuid.workspace = true\n",
        );
        let code = ("crates/hub/src/id.rs", "use uuid::Uuid;\n");
        let tree = Tree::of(&[("Cargo.toml", MANIFEST), (PAGE, page), hub, code]);
        let lines: Vec<String> = check(&tree).iter().map(ToString::to_string).collect();
        assert_eq!(
            lines,
            [
                "Cargo.toml:5: no crate wants `jiff`: take it out",
                "Cargo.toml:6: `uuid` has no line in docs/dependencies.md saying why it is here",
                "docs/dependencies.md:4: explains `moment`, which Cargo.toml does not list",
            ]
        );
    }

    #[test]
    fn a_dependency_is_named_where_it_is_declared() {
        let manifest = "[dependencies]\nhyper-util = \"1\"\njiff = \"1\"\n[dev-dependencies]\nuuid = \"1\"\ninsta = \"1\"\n";
        let code = "use hyper_util::Client;\n#[cfg(test)]\nmod tests { use jiff::Timestamp; use uuid::Uuid; }\n";
        let tree = Tree::of(&[
            ("crates/hub/Cargo.toml", manifest),
            ("crates/hub/src/lib.rs", code),
        ]);
        let lines: Vec<String> = unused(&tree).iter().map(ToString::to_string).collect();
        assert_eq!(
            lines,
            [
                "crates/hub/Cargo.toml:3: only tests name `jiff`: it belongs to [dev-dependencies]",
                "crates/hub/Cargo.toml:6: `hub` never names `insta`: take it out",
            ]
        );
    }

    #[test]
    fn sections_are_found_by_the_end_of_their_heading() {
        let manifest = "[package]\nname = \"a\"\n[dependencies]\nb.workspace = true\n[dev-dependencies]\nc = \"1\"\n[lints]\nworkspace = true\n";
        let names: Vec<String> = declared(manifest, "dependencies")
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        assert_eq!(names, ["b", "c"]);
    }

    #[test]
    fn two_versions_need_an_excuse_and_one_version_twice_does_not() {
        let found = duplicates(
            "axum v0.7.0\naxum v0.8.0\nmemchr v2.8.3\nmemchr v2.8.3 (*)\n\nsyn v2.0.0\nsyn v3.0.0\n",
        );
        let here: Vec<&Finding> = found
            .iter()
            .filter(|finding| finding.path == "Cargo.lock")
            .collect();
        assert_eq!(here.len(), 1);
        assert!(
            here[0]
                .sentence
                .starts_with("`axum` is built in versions v0.7.0, v0.8.0"),
            "{}",
            here[0]
        );
        assert!(
            !found
                .iter()
                .any(|finding| finding.sentence.contains("`syn`"))
        );
    }
}
