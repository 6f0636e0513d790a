//! What may not be written where, each with what to write instead and why.
//!
//! Bans by text catch what lints cannot express: a call that is right in one file only, a word inside a string. Where a
//! lint of clippy does the same by type, `clippy.toml` has it. A new line here needs a reason that convinces a
//! newcomer; a new exception is argued for beside it, and one that is no longer needed is a finding.

use super::Finding;
use super::rust::{Rust, line, words};
use super::tree::{File, Tree};

/// Where a ban looks.
#[derive(Clone, Copy, PartialEq)]
enum In {
    /// All Rust code.
    Code,
    /// Code that ships: `crates/*/src` without its tests.
    Product,
    /// Tests.
    Tests,
    /// The insides of strings in code that ships.
    Strings,
}

struct Ban {
    texts: &'static [&'static str],
    within: In,
    /// Paths that may: prefixes from the root.
    except: &'static [&'static str],
    instead: &'static str,
    why: &'static str,
}

const BANS: &[Ban] = &[
    Ban {
        texts: &["reqwest", "ureq", "hyper_util::client", "hyper::client"],
        within: In::Product,
        // The bucket is named by the operator, not by a stranger.
        except: &["crates/outbound/", "crates/engine/src/blobs/s3/http.rs"],
        instead: "the client of `outbound`",
        why: "every call to a stranger passes one address guard, and one pool is half the CPU of a general client",
    },
    Ban {
        texts: &["chrono", "time::OffsetDateTime"],
        within: In::Code,
        except: &[],
        instead: "`jiff::Timestamp`",
        why: "one type for time everywhere",
    },
    Ban {
        texts: &["thread::sleep"],
        within: In::Code,
        except: &[],
        instead: "a channel, a notification or the test clock",
        why: "a sleeping thread is a guess about time, and holds a core's worker",
    },
    Ban {
        texts: &["time::sleep"],
        within: In::Tests,
        // The receiver plays a stranger who answers a byte at a time; no test clock moves a process of its own, nor a hub
        // that runs by itself: both are waited for with the harness's `wait`.
        except: &[
            "crates/server/tests/it/harness/process.rs",
            "crates/server/tests/it/harness/receiver.rs",
        ],
        instead: "`hub.settle().await`, or move the test clock",
        why: "a test that sleeps is slow when it passes and wrong when the machine is busy",
    },
    Ban {
        texts: &["SystemTime::now", "Timestamp::now", "Zoned::now"],
        within: In::Product,
        except: &["crates/engine/src/clock.rs"],
        instead: "the `Clock` that is handed down",
        why: "tests move time; code that asks the machine does not notice",
    },
    Ban {
        texts: &["todo!", "unimplemented!", "#[ignore", "dbg!"],
        within: In::Code,
        except: &[],
        instead: "the thing itself, or a test that asserts what holds today",
        why: "what is not finished is not delivered, and what is ignored is not tested",
    },
    Ban {
        texts: &["#[allow", "#![allow"],
        within: In::Code,
        except: &[],
        instead: "`#[expect(lint, reason = \"…\")]`",
        why: "an exception says why, and says so when it is no longer one",
    },
    Ban {
        texts: &[".unwrap()"],
        within: In::Product,
        except: &[],
        instead: "`?`, or `.expect(\"why it cannot fail\")`",
        why: "a panic without a sentence helps nobody",
    },
    Ban {
        texts: &[
            "SELECT ",
            "INSERT INTO ",
            "UPDATE ",
            "DELETE FROM ",
            "CREATE TABLE ",
        ],
        within: In::Strings,
        except: &["crates/store/", "crates/engine/"],
        instead: "a function of `store`",
        why: "all SQL of the product is in one crate, where tenancy is the first argument",
    },
    Ban {
        texts: &["println!", "eprintln!", "print!", "eprint!"],
        within: In::Product,
        except: &["crates/server/"],
        instead: "`tracing`",
        why: "only the program talks to a terminal; a library that prints breaks `--json`",
    },
    Ban {
        texts: &["env::var", "env::var_os"],
        within: In::Product,
        // `services` is no part of the program: it looks for servers in PATH.
        except: &["crates/server/", "crates/services/"],
        instead: "a value that is handed down from the configuration",
        why: "`rialto config check` can only show what is read in one place",
    },
];

/// Checks every Rust file against every ban.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    BANS.iter().flat_map(|ban| apply(ban, tree)).collect()
}

fn apply(ban: &Ban, tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut used: Vec<&str> = Vec::new();
    for (file, rust) in tree.rust() {
        for (text, at) in places(ban, file, rust) {
            match ban.except.iter().find(|path| file.path.starts_with(**path)) {
                Some(path) => used.push(path),
                None => {
                    let sentence = format!("`{}`: use {}; {}", text.trim(), ban.instead, ban.why);
                    findings.push(Finding::new(&file.path, line(&file.text, at), sentence));
                }
            }
        }
    }
    // A folder is a rule; a file is an exception that has to be needed.
    for path in ban
        .except
        .iter()
        .filter(|path| path.ends_with(".rs") && !used.contains(*path))
    {
        findings.push(Finding::new(
            path,
            0,
            format!(
                "no longer uses `{}`: take it off the ban's exceptions",
                ban.texts.join("`, `")
            ),
        ));
    }
    findings
}

fn places(ban: &Ban, file: &File, rust: &Rust) -> Vec<(&'static str, usize)> {
    let part = match ban.within {
        In::Code => &rust.code,
        In::Tests => &rust.tests,
        In::Product if file.ships() => &rust.product,
        In::Strings if file.ships() => &rust.strings,
        In::Product | In::Strings => return Vec::new(),
    };
    ban.texts
        .iter()
        .flat_map(|text| words(part, text).map(move |at| (*text, at)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sentences(path: &str, text: &str) -> Vec<String> {
        BANS.iter()
            .flat_map(|ban| apply(ban, &Tree::of(&[(path, text)])))
            .filter(|finding| finding.line > 0)
            .map(|finding| finding.sentence)
            .collect()
    }

    #[test]
    fn a_ban_names_what_to_write_instead_and_why() {
        let found = sentences(
            "crates/hub/src/a.rs",
            "fn a() { let x = Timestamp::now(); }",
        );
        assert_eq!(
            found,
            [
                "`Timestamp::now`: use the `Clock` that is handed down; tests move time; code that asks the machine does not notice"
            ]
        );
        assert!(
            sentences(
                "crates/engine/src/clock.rs",
                "fn a() { let x = Timestamp::now(); }"
            )
            .is_empty()
        );
    }

    #[test]
    fn comments_may_name_what_is_banned() {
        assert!(
            sentences(
                "crates/hub/src/a.rs",
                "// never todo!() nor .unwrap()\n/// SELECT \nfn a() {}"
            )
            .is_empty()
        );
    }

    #[test]
    fn tests_may_unwrap_but_not_sleep() {
        let test =
            "#[cfg(test)]\nmod tests { fn a() { b().unwrap(); tokio::time::sleep(c).await; } }";
        assert_eq!(sentences("crates/hub/src/a.rs", test).len(), 1);
        assert_eq!(
            sentences(
                "crates/hub/src/a.rs",
                "fn a() { b().unwrap(); tokio::time::sleep(c).await; }"
            )
            .len(),
            1
        );
    }

    #[test]
    fn sql_lives_in_store() {
        let sql =
            "fn a() { db.rows(\"SELECT id FROM key\"); let update = \"Update of the list\"; }";
        assert_eq!(sentences("crates/hub/src/key.rs", sql).len(), 1);
        assert!(sentences("crates/store/src/key.rs", sql).is_empty());
    }

    #[test]
    fn an_exception_that_is_not_needed_is_a_finding() {
        let findings = check(&Tree::of(&[("crates/engine/src/clock.rs", "//! Clock.\n")]));
        let files = BANS.iter().flat_map(|ban| ban.except);
        let files = files.filter(|path| path.ends_with(".rs"));
        assert_eq!(findings.len(), files.count());
        assert!(
            findings[0].sentence.starts_with("no longer uses"),
            "{}",
            findings[0]
        );
    }
}
