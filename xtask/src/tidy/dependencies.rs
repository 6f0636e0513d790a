//! Each dependency is wanted, explained and there once.
//!
//! Every line of the workspace's list has one in `docs/dependencies.md` saying why, and the other way round; and no
//! crate is built in two versions but for those that others force on us, listed here with who does.

use super::Finding;
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
        let used = tree.manifests().any(|(file, _)| {
            declared(&file.text, "dependencies")
                .iter()
                .any(|(used, _)| used == name)
        });
        if !used {
            findings.push(Finding::new(
                "Cargo.toml",
                *line,
                format!("no crate uses `{name}`: take it out"),
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
    findings
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
    const HUB: (&str, &str) = (
        "crates/hub/Cargo.toml",
        "[dependencies]\njiff.workspace = true\nuuid.workspace = true\n",
    );

    #[test]
    fn each_dependency_is_explained_and_each_explanation_is_of_one() {
        let page = "| crate | why |\n|---|---|\n| `jiff` | time |\n| `moment` | no |\n";
        let lines: Vec<String> = check(&Tree::of(&[("Cargo.toml", MANIFEST), (PAGE, page), HUB]))
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(
            lines[0].starts_with("Cargo.toml:6: `uuid` has no line"),
            "{}",
            lines[0]
        );
        assert!(
            lines[1].starts_with("docs/dependencies.md:4: explains `moment`"),
            "{}",
            lines[1]
        );
    }

    #[test]
    fn a_dependency_that_nobody_uses_is_a_finding() {
        let page = "| `jiff` | time |\n| `uuid` | ids |\n";
        let findings = check(&Tree::of(&[("Cargo.toml", MANIFEST), (PAGE, page)]));
        assert_eq!(findings.len(), 2);
        assert!(check(&Tree::of(&[("Cargo.toml", MANIFEST), (PAGE, page), HUB])).is_empty());
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
