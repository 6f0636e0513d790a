//! The README's tour, run as it is written.
//!
//! A newcomer's first five minutes must not fail, so this test is the newcomer: it takes the blocks of the tour out of
//! the README and gives them to `bash` in an empty directory. Only the build is left out (cargo has just done it), and the
//! ports are replaced by free ones.

use crate::harness::page;

#[test]
fn the_readmes_tour_runs_as_it_is_written() {
    let readme = include_str!("../../../../README.md");
    let built = ["cargo build", "export PATH"];
    let script = page::script(readme, "<!-- tour -->", &built);
    let directory = tempfile::tempdir().expect("a temporary directory");
    let output = page::run(&script, directory.path(), &[]);
    let expected = [
        // The publisher's answer.
        "\"accepted\":1",
        // What the mailer received, under its own name for the identifier.
        "emailId=antonio@example.com",
        // What the hub says has become of it.
        "Mailer",
        // Everything that is wrong with the bad event.
        "/channel",
        "/events/0/code",
        "/events/0/timestamp",
    ];
    page::shows(&output, &expected);
}
