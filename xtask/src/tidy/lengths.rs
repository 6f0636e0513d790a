//! Files and functions stay short enough to be read: 600 lines without tests, 70 lines.
//!
//! Tests are left out: there a table of cases reads best whole. The list of exceptions may only shrink: an entry that is
//! no longer needed is a finding too.

use super::Finding;
use super::tree::Tree;

const FILE_LINES_MAX: usize = 600;
const FUNCTION_LINES_MAX: usize = 70;

/// Functions that may be longer: file, name, and why it reads better whole.
const LONG_FUNCTIONS: &[(&str, &str, &str)] = &[
    (
        "crates/api/src/problem.rs",
        "info",
        "the catalogue of errors: a row each, and the compiler asks for every one",
    ),
    (
        "crates/hub/src/metrics.rs",
        "register",
        "a line for each metric, with its help",
    ),
];

/// Checks every Rust file.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut excused: Vec<&(&str, &str, &str)> = Vec::new();
    for (file, rust) in tree.rust() {
        let lines = file.text.lines().count()
            - rust
                .tests
                .lines()
                .filter(|line| !line.trim().is_empty())
                .count();
        if lines > FILE_LINES_MAX {
            let sentence = format!(
                "{lines} lines without tests, {FILE_LINES_MAX} at most: which part has a name of its own?"
            );
            findings.push(Finding::new(&file.path, 0, sentence));
        }
        for (name, line, lines) in rust.functions() {
            if lines <= FUNCTION_LINES_MAX {
                continue;
            }
            match LONG_FUNCTIONS
                .iter()
                .find(|(path, function, _)| *path == file.path && *function == name)
            {
                Some(entry) => excused.push(entry),
                None => {
                    let sentence = format!(
                        "`{name}` has {lines} lines, {FUNCTION_LINES_MAX} at most: keep the decisions, name the steps"
                    );
                    findings.push(Finding::new(&file.path, line, sentence));
                }
            }
        }
    }
    let unused = LONG_FUNCTIONS
        .iter()
        .filter(|entry| !excused.contains(entry));
    findings.extend(unused.map(|(path, name, _)| {
        Finding::new(
            path,
            0,
            format!("`{name}` is short now: take it off LONG_FUNCTIONS"),
        )
    }));
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_of_71_lines_is_too_long_and_one_of_70_is_not() {
        let body = |lines: usize| format!("fn f() {{\n{}}}\n", "    x();\n".repeat(lines - 2));
        let found = |lines: usize| {
            let mut found = check(&Tree::of(&[("a.rs", &body(lines))]));
            found.retain(|finding| finding.path == "a.rs");
            found
        };
        assert!(found(70).is_empty());
        let findings = found(71);
        assert_eq!(findings.len(), 1);
        assert!(
            findings[0].sentence.starts_with("`f` has 71 lines"),
            "{}",
            findings[0]
        );
    }

    #[test]
    fn tests_do_not_count_towards_the_length_of_a_file() {
        let long = |mark: &str| {
            format!(
                "{mark}mod tests {{\n{}}}\n",
                "    const X: u8 = 1;\n".repeat(700)
            )
        };
        let found = |path: &str, text: &str| {
            let findings = check(&Tree::of(&[(path, text)]));
            findings
                .iter()
                .filter(|finding| finding.path == path)
                .count()
        };
        assert_eq!(found("a.rs", &long("#[cfg(test)]\n")), 0);
        assert_eq!(found("a.rs", &long("")), 1);
        assert_eq!(found("crates/server/tests/it/a.rs", &long("")), 0);
    }
}
