//! The written pages hold together: links lead somewhere, pages are linked, and the map names what there is.

use super::Finding;
use super::tree::Tree;

/// Pages from which a reader finds all others.
const INDEXES: &[&str] = &["README.md", "docs/README.md"];

/// Checks all Markdown.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = links(tree);
    findings.extend(names(tree));
    findings.extend(unlinked(tree));
    findings.extend(decisions(tree));
    findings.extend(house(tree));
    findings
}

/// Every relative link leads to a file or folder.
fn links(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.files.iter().filter(|file| file.path.ends_with(".md")) {
        for (target, line) in relative_links(&file.text) {
            let path = resolve(&file.path, target);
            if !has(tree, &path) {
                findings.push(Finding::new(
                    &file.path,
                    line,
                    format!("links to {target}, and there is no {path}"),
                ));
            }
        }
    }
    findings
}

/// Every file that a page names in its text is there: a map with wrong names is worse than none.
fn names(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.files.iter().filter(|file| file.path.ends_with(".md")) {
        for (number, line) in (1..).zip(file.text.lines()) {
            let mut missing: Vec<&str> = line.split('`').skip(1).step_by(2).collect();
            missing.retain(|name| {
                is_source(name) && !has(tree, name) && !has(tree, &format!("crates/{name}"))
            });
            for name in missing {
                findings.push(Finding::new(
                    &file.path,
                    number,
                    format!("names {name}, which is not there"),
                ));
            }
        }
    }
    findings
}

/// Whether a word in a page is the name of a file or folder of ours, written out.
fn is_source(word: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte);
    let ours = ["crates/", "xtask/", "docs/", "deploy/", "examples/"];
    let in_crate = word.contains("/src/") && word.ends_with(".rs");
    word.bytes().all(plain) && (in_crate || ours.iter().any(|folder| word.starts_with(folder)))
}

/// Whether there is a file or folder at `path`.
fn has(tree: &Tree, path: &str) -> bool {
    let folder = format!("{}/", path.trim_end_matches('/'));
    tree.files
        .iter()
        .any(|file| file.path == path || file.path.starts_with(&folder))
}

/// Every page of `docs/` is linked from an index.
fn unlinked(tree: &Tree) -> Vec<Finding> {
    let linked: Vec<String> = INDEXES
        .iter()
        .filter_map(|index| Some((index, tree.text(index)?)))
        .flat_map(|(index, text)| {
            relative_links(text)
                .into_iter()
                .map(|(target, _)| resolve(index, target))
        })
        .collect();
    let pages = tree
        .files
        .iter()
        .filter(|file| file.path.starts_with("docs/") && file.path.ends_with(".md"));
    pages
        .filter(|page| !INDEXES.contains(&page.path.as_str()) && !linked.contains(&page.path))
        .map(|page| {
            Finding::new(
                &page.path,
                0,
                format!("no link from {} leads here", INDEXES.join(" or ")),
            )
        })
        .collect()
}

/// Every decision has a number of its own and a title with that number.
fn decisions(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut numbers: Vec<&str> = Vec::new();
    for file in tree
        .files
        .iter()
        .filter(|file| file.path.starts_with("docs/adr/"))
    {
        let name = file.path.trim_start_matches("docs/adr/");
        let number = name
            .split('-')
            .next()
            .filter(|number| number.len() == 4 && number.bytes().all(|byte| byte.is_ascii_digit()));
        let Some(number) = number else {
            findings.push(Finding::new(
                &file.path,
                0,
                "a decision is named NNNN-what-was-decided.md",
            ));
            continue;
        };
        if numbers.contains(&number) {
            findings.push(Finding::new(
                &file.path,
                0,
                format!("there is another decision {number}: take the next free number"),
            ));
        }
        numbers.push(number);
        if !file.text.starts_with(&format!("# {number}: ")) {
            findings.push(Finding::new(
                &file.path,
                1,
                format!("expected the title `# {number}: what was decided`"),
            ));
        }
    }
    findings
}

/// The map names every crate, and the list of changes has a place for the next one.
fn house(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let architecture = tree.text("ARCHITECTURE.md").unwrap_or_default();
    for (_, name) in tree.manifests() {
        if !architecture.contains(&format!("`{name}`")) {
            findings.push(Finding::new(
                "ARCHITECTURE.md",
                0,
                format!("does not name the crate `{name}`"),
            ));
        }
    }
    if !tree
        .text("CHANGELOG.md")
        .unwrap_or_default()
        .lines()
        .any(|line| line == "## Unreleased")
    {
        findings.push(Finding::new(
            "CHANGELOG.md",
            0,
            "expected a section `## Unreleased`",
        ));
    }
    findings
}

/// The relative targets in `text`, without their anchors, and the lines they are on; code is no text.
fn relative_links(text: &str) -> Vec<(&str, usize)> {
    let mut links = Vec::new();
    let mut fenced = false;
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if fenced {
            continue;
        }
        for (at, _) in line.match_indices("](") {
            let in_code = line[..at].matches('`').count() % 2 == 1;
            let target = line[at + 2..]
                .split([')', ' ', '#'])
                .next()
                .unwrap_or_default();
            if !in_code && !target.is_empty() && !target.contains(':') {
                links.push((target, number));
            }
        }
    }
    links
}

/// The path from the root that `target` means in the file at `from`.
fn resolve(from: &str, target: &str) -> String {
    let mut folders: Vec<&str> = from.split('/').collect();
    folders.pop();
    for step in target.split('/') {
        match step {
            "" | "." => {}
            ".." => drop(folders.pop()),
            step => folders.push(step),
        }
    }
    folders.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_resolve_from_where_they_stand() {
        assert_eq!(
            resolve("docs/adr/0001-a.md", "../delivery.md"),
            "docs/delivery.md"
        );
        assert_eq!(resolve("README.md", "./docs/"), "docs");
        let tree = Tree::of(&[
            (
                "README.md",
                "[a](docs/a.md#part) [b](https://b.example/) [c](#here)\n`[d](no.md)`\n```\n[e](no.md)\n```\n[f](docs)\n",
            ),
            ("docs/a.md", "[up](../README.md) [gone](gone.md)\n"),
        ]);
        assert_eq!(
            links(&tree),
            [Finding::new(
                "docs/a.md",
                1,
                "links to gone.md, and there is no docs/gone.md"
            )]
        );
    }

    #[test]
    fn a_file_that_a_page_names_is_there() {
        let page = "`hub/src/publish.rs`, `crates/*/src/key.rs`, `docs/`\n`hub/src/gone.rs` and `deploy/gone.service`\n";
        let tree = Tree::of(&[("docs/a.md", page), ("crates/hub/src/publish.rs", "")]);
        let lines: Vec<String> = names(&tree).iter().map(ToString::to_string).collect();
        assert_eq!(
            lines,
            [
                "docs/a.md:2: names hub/src/gone.rs, which is not there",
                "docs/a.md:2: names deploy/gone.service, which is not there",
            ]
        );
    }

    #[test]
    fn a_page_that_nobody_links_is_found() {
        let tree = Tree::of(&[
            ("README.md", "[a](docs/a.md)"),
            ("docs/README.md", "[b](b.md)"),
            ("docs/a.md", ""),
            ("docs/b.md", ""),
            ("docs/c.md", ""),
        ]);
        let found: Vec<String> = unlinked(&tree)
            .into_iter()
            .map(|finding| finding.path)
            .collect();
        assert_eq!(found, ["docs/c.md"]);
    }

    #[test]
    fn decisions_are_numbered_and_titled() {
        let tree = Tree::of(&[
            ("docs/adr/0001-cursor.md", "# 0001: A cursor\n"),
            ("docs/adr/0001-log.md", "# 0001: The log\n"),
            ("docs/adr/0002-keys.md", "# Keys\n"),
            ("docs/adr/notes.md", "# Notes\n"),
        ]);
        let found: Vec<String> = decisions(&tree)
            .into_iter()
            .map(|finding| finding.path)
            .collect();
        assert_eq!(
            found,
            [
                "docs/adr/0001-log.md",
                "docs/adr/0002-keys.md",
                "docs/adr/notes.md"
            ]
        );
    }

    #[test]
    fn the_map_names_every_crate_and_changes_have_a_place() {
        let tree = Tree::of(&[
            ("ARCHITECTURE.md", "The `hub`."),
            ("crates/hub/Cargo.toml", ""),
            ("crates/api/Cargo.toml", ""),
        ]);
        let found: Vec<String> = house(&tree)
            .into_iter()
            .map(|finding| finding.sentence)
            .collect();
        assert_eq!(
            found,
            [
                "does not name the crate `api`",
                "expected a section `## Unreleased`"
            ]
        );
    }
}
