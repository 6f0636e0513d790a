//! `cargo xtask tidy`: the rules of the house that no compiler checks, as code.
//!
//! A rule that nobody runs is a wish; these run in `cargo xtask ci` and, as a test of this crate, in every
//! `cargo xtask test`. Each rule is a function from the tree of files to findings. It promises to list every finding
//! of every rule in one run, each with its place, what is wrong and what to do instead.

mod arrows;
mod bans;
mod dependencies;
mod lengths;
mod pages;
mod rust;
mod text;
pub(crate) mod tree;
mod twins;

use std::fmt;

use crate::options;
use crate::shell::{self, Failure};
use tree::Tree;

/// One breach of one rule.
#[derive(Debug, PartialEq)]
struct Finding {
    path: String,
    /// Counted from 1; 0 is the file as a whole.
    line: usize,
    sentence: String,
}

impl Finding {
    fn new(path: &str, line: usize, sentence: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            line,
            sentence: sentence.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}: {}", self.path, self.line.max(1), self.sentence)
    }
}

type Rule = fn(&Tree) -> Vec<Finding>;

/// All rules that read only the tree, in the order in which they report.
const RULES: &[Rule] = &[
    text::check,
    lengths::check,
    arrows::check,
    bans::check,
    dependencies::check,
    pages::check,
    twins::check,
];

/// Prints every finding and fails when there is one.
pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    options::none(arguments)?;
    let findings = findings()?;
    for finding in &findings {
        println!("{finding}");
    }
    match findings.len() {
        0 => Ok(()),
        count => Err(Failure::new(format!(
            "{count} to mend; the reasons are in STYLE.md and xtask/src/tidy"
        ))),
    }
}

fn findings() -> Result<Vec<Finding>, Failure> {
    let tree = Tree::read(&shell::root())?;
    let mut findings: Vec<Finding> = RULES.iter().flat_map(|rule| rule(&tree)).collect();
    findings.extend(dependencies::duplicates(&dependencies::cargo_tree()?));
    Ok(findings)
}

#[cfg(test)]
mod tests {
    #[test]
    fn this_tree_keeps_the_rules_of_the_house() {
        let findings = super::findings().expect("the tree can be read");
        let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
        assert!(lines.is_empty(), "\n{}\n", lines.join("\n"));
    }
}
