//! Rules for the text of any file: its first line, its line ends, and names that do not belong in a repository.

use super::Finding;
use super::tree::Tree;

/// Hosts of package and image registries. Builds may run behind a mirror: a tool's own configuration names it, we do not.
const REGISTRIES: &[&str] = &[
    concat!("crates", ".io"),
    concat!("docker", ".io"),
    concat!("ghcr", ".io"),
    concat!("quay", ".io"),
    concat!("gcr", ".io"),
    concat!("registry.", "npmjs.org"),
    concat!("py", "pi.org"),
    concat!("proxy.", "golang.org"),
];

/// Folders of one machine, which no other has.
const MACHINE_PATHS: &[&str] = &[concat!("/wo", "rk/"), concat!("/ro", "ot/")];

/// Checks every text file.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in &tree.files {
        let mut say =
            |line: usize, sentence: String| findings.push(Finding::new(&file.path, line, sentence));
        if file.path.ends_with(".rs") && !file.text.starts_with("//! ") {
            say(1, "a file opens with `//!`: what it is, why it exists, who calls it, what it promises".to_owned());
        }
        if !file.text.is_empty() && !file.text.ends_with('\n') {
            say(
                file.text.lines().count(),
                "a file ends with a line end".to_owned(),
            );
        }
        for (number, line) in (1..).zip(file.text.split('\n')) {
            if line.ends_with([' ', '\t', '\r']) {
                say(number, "white space at the end of the line".to_owned());
            }
            if let Some(host) = REGISTRIES.iter().find(|host| line.contains(**host)) {
                say(
                    number,
                    format!(
                        "names the registry host {host}: use the tool's plain name for the thing, so that a mirror works"
                    ),
                );
            }
            if let Some(path) = MACHINE_PATHS.iter().find(|path| names_path(line, path)) {
                say(
                    number,
                    format!(
                        "{path} is a folder of one machine: use a path from the root of the repository"
                    ),
                );
            }
        }
    }
    findings
}

/// Whether `path` begins an absolute path in `line`, rather than being a part of a longer one or of a URL.
fn names_path(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        !line[..at].ends_with(|before: char| before.is_alphanumeric() || "._-}/".contains(before))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(path: &str, text: &str) -> Vec<usize> {
        check(&Tree::of(&[(path, text)]))
            .iter()
            .map(|finding| finding.line)
            .collect()
    }

    #[test]
    fn rust_files_open_with_what_they_are() {
        assert_eq!(lines("a.rs", "//! Keys.\nfn a() {}\n"), [0_usize; 0]);
        assert_eq!(lines("a.rs", "use b;\n//! Keys.\n"), [1]);
        assert_eq!(lines("a.md", "Anything\n"), [0_usize; 0]);
    }

    #[test]
    fn line_ends_are_clean() {
        assert_eq!(
            lines("a.md", "good\nbad \nbad\t\nbad\r\nlast"),
            [5, 2, 3, 4]
        );
    }

    #[test]
    fn registries_and_machines_are_not_named() {
        let machine = MACHINE_PATHS[0];
        let text = format!(
            "see {}\ncd {machine}main\nhttps://shop.example{machine}\n$HOME{machine}\n",
            REGISTRIES[0]
        );
        assert_eq!(lines("a.md", &text), [1, 2]);
    }
}
