//! What two engines of a seam both say stays small, so that a third is a matter of days: 1,500 lines of code.
//!
//! Counted is the engine that came second, as far as the first has a counterpart. What only a server needs (connections,
//! settings, copies) is named beside it, so that a new file has to be one or the other. Why, and how it got there:
//! `docs/adr/0037-one-core-for-all-logs.md`.

use super::Finding;
use super::tree::{File, Tree};
use crate::tidy::rust::Rust;

const TWICE_LINES_MAX: usize = 1_500;

/// Where the engines are that came second.
const SECOND: &[&str] = &[
    "crates/engine/src/db/postgres",
    "crates/engine/src/log/postgres",
    "crates/engine/src/log/jetstream",
];

/// What SQLite's engines do as well.
const TWICE: &[&str] = &[
    "crates/engine/src/db/postgres.rs",
    "crates/engine/src/db/postgres/connection.rs",
    "crates/engine/src/db/postgres/error.rs",
    "crates/engine/src/db/postgres/value.rs",
    "crates/engine/src/log/postgres.rs",
    "crates/engine/src/log/jetstream.rs",
    "crates/engine/src/log/jetstream/message.rs",
    "crates/engine/src/log/jetstream/rewrite.rs",
];

/// What has no counterpart there.
const ONCE: &[&str] = &[
    // Connections, TLS, their pool.
    "crates/engine/src/db/postgres/pool.rs",
    // The connection, and what can be answered to a request.
    "crates/engine/src/log/jetstream/link.rs",
    // Which number of ours a message has.
    "crates/engine/src/log/jetstream/pieces.rs",
    // Settings, copies, leaders.
    "crates/engine/src/log/jetstream/stream.rs",
];

/// Checks the second engines.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut twice = 0;
    let second = |file: &File| SECOND.iter().any(|start| file.path.starts_with(start));
    for (file, rust) in tree.rust().filter(|(file, _)| second(file)) {
        if TWICE.contains(&&*file.path) {
            twice += lines(rust);
        } else if !ONCE.contains(&&*file.path) {
            let sentence = "does SQLite's engine do this too? Put the file into TWICE or ONCE";
            findings.push(Finding::new(&file.path, 0, sentence));
        }
    }
    if twice > TWICE_LINES_MAX {
        let sentence = format!(
            "{twice} lines of engines are written twice, {TWICE_LINES_MAX} at most: what is the same in all belongs into \
             the core of logs or into `Tx`"
        );
        findings.push(Finding::new(TWICE[0], 0, sentence));
    }
    findings
}

/// Lines of code outside tests; those of texts of SQL are code.
fn lines(rust: &Rust) -> usize {
    let both = rust.product.lines().zip(rust.strings.lines());
    both.filter(|(code, text)| !code.trim().is_empty() || !text.trim().is_empty())
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_twice_is_counted_and_every_file_is_one_or_the_other() {
        let code = |lines: usize| format!("//! What.\n\n{}", "const X: u8 = 1;\n".repeat(lines));
        let tree = |lines: usize, other: &str| {
            Tree::of(&[
                (TWICE[0], &code(lines)),
                (TWICE[7], "const SQL: &str = \"\n    SELECT 1\n\";\n"),
                (ONCE[0], &code(9_000)),
                (other, &code(9_000)),
            ])
        };
        assert!(check(&tree(1_497, "crates/engine/src/log/sqlite.rs")).is_empty());
        let findings = check(&tree(1_498, "crates/engine/src/log/postgres/more.rs"));
        let sentences: Vec<&str> = findings.iter().map(|it| &*it.sentence).collect();
        assert_eq!(sentences.len(), 2, "{sentences:?}");
        assert!(sentences[0].contains("TWICE or ONCE"));
        assert!(sentences[1].starts_with("1501 lines"));
    }
}
