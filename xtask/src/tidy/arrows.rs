//! Which crate may depend on which, and which of them may know the large libraries.
//!
//! ARCHITECTURE.md tells the floors in words; this is the same as data, held against the manifests. A new arrow needs
//! a line in an ADR.

use super::Finding;
use super::dependencies::declared;
use super::tree::Tree;

/// Each of our crates and those below it that it may use.
const FLOORS: &[(&str, &[&str])] = &[
    // `fuzzing` and `services` are for tests only: they stand under dev-dependencies.
    ("model", &["fuzzing"]),
    ("engine", &["fuzzing", "services"]),
    ("store", &["model", "engine"]),
    ("outbound", &["model", "fuzzing"]),
    ("hub", &["model", "engine", "store", "outbound"]),
    ("api", &["model", "hub"]),
    ("console", &["model", "hub"]),
    (
        "server",
        &[
            "model", "engine", "store", "outbound", "hub", "api", "console", "fuzzing", "services",
        ],
    ),
    // Real servers for tests: nothing in the product may use it.
    ("services", &[]),
    // Property tests at length.
    ("fuzzing", &[]),
    ("xtask", &[]),
];

/// Libraries that belong to some floors only, and why.
const LIBRARIES: &[(&str, &[&str], &str)] = &[
    (
        "axum",
        &["api", "console", "server"],
        "only the doors know the web framework",
    ),
    (
        "rusqlite",
        &["engine"],
        "a database is reached through the seam `Db` or `Log`",
    ),
    (
        "hyper",
        &["outbound", "server", "services"],
        "strangers are spoken to by `outbound`; the server accepts connections",
    ),
    (
        "hyper-util",
        &["outbound", "server", "engine", "services"],
        "strangers are spoken to by `outbound`, the operator's store by `engine`; the server accepts connections",
    ),
    (
        "hyper-rustls",
        &["outbound", "engine"],
        "strangers are spoken to by `outbound`, the operator's servers by `engine`",
    ),
    ("clap", &["server"], "only the program has a command line"),
    (
        "toml",
        &["server"],
        "configuration is read in one place and handed down",
    ),
    (
        "tracing-subscriber",
        &["server"],
        "only the program decides where logs go",
    ),
    ("aes-gcm", &["store"], "secrets are encrypted in one place"),
    (
        "rlibphonenumber",
        &["model"],
        "normalisation is a rule of the domain",
    ),
];

/// Checks the manifests of all crates.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (file, name) in tree.manifests() {
        let Some((_, below)) = FLOORS.iter().find(|(floor, _)| *floor == name) else {
            findings.push(Finding::new(
                &file.path,
                0,
                format!("`{name}` has no floor: give it one in xtask/src/tidy/arrows.rs"),
            ));
            continue;
        };
        for (dependency, line) in declared(&file.text, "dependencies") {
            let ours = FLOORS.iter().any(|(floor, _)| *floor == dependency);
            if ours && !below.contains(&dependency.as_str()) {
                let sentence = format!(
                    "`{name}` may not use `{dependency}`: its floor allows [{}]",
                    below.join(", ")
                );
                findings.push(Finding::new(&file.path, line, sentence));
            }
            if let Some((_, floors, why)) = LIBRARIES
                .iter()
                .find(|(library, _, _)| *library == dependency)
                && !floors.contains(&name)
            {
                findings.push(Finding::new(
                    &file.path,
                    line,
                    format!("`{dependency}` is for {} only: {why}", floors.join(" and ")),
                ));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrows_point_down() {
        let tree = Tree::of(&[
            (
                "crates/hub/Cargo.toml",
                "[dependencies]\nstore.workspace = true\naxum.workspace = true\n",
            ),
            (
                "crates/model/Cargo.toml",
                "[dependencies]\nengine.workspace = true\n[dev-dependencies]\naxum.workspace = true\n",
            ),
            ("crates/attic/Cargo.toml", ""),
        ]);
        let lines: Vec<String> = check(&tree).iter().map(ToString::to_string).collect();
        assert_eq!(lines.len(), 4, "{lines:?}");
        assert!(
            lines[0].starts_with(
                "crates/hub/Cargo.toml:3: `axum` is for api and console and server only"
            ),
            "{}",
            lines[0]
        );
        assert!(
            lines[1].contains("`model` may not use `engine`"),
            "{}",
            lines[1]
        );
        assert!(
            lines[2].starts_with("crates/model/Cargo.toml:4:"),
            "tests of a crate keep to its floor too: {}",
            lines[2]
        );
        assert!(lines[3].contains("`attic` has no floor"), "{}", lines[3]);
    }
}
