//! The partner guide, run as it is written, by a partner who reads its mail.
//!
//! Its blocks are given to `bash` in an empty directory; ports are replaced by free ones, and the key that a person would
//! copy out of a mail is put where the guide has a word for it.

use std::path::Path;
use std::time::Duration;

use services::Smtp;

use crate::harness::{page, wait};
use crate::partner::series;

const PLACEHOLDER: &str = "the-key-of-the-second-mail";
/// Mails until there is a key: longer than anything on the way takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits for the two mails and puts the key of the second where the commands look for it.
async fn read_mail(smtp: &Smtp, key: &Path) {
    let deadline = std::time::Instant::now() + PATIENCE;
    while smtp.mails().len() < 2 {
        assert!(std::time::Instant::now() < deadline, "no mails came");
        wait(Duration::from_millis(50)).await;
    }
    let (_, found) = series(&smtp.mails()[..2]);
    std::fs::write(key, found).expect("written");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_partner_guide_runs_as_it_is_written() {
    let smtp = Smtp::start().await.expect("a port");
    let directory = tempfile::tempdir().expect("a directory");
    let guide = include_str!("../../../../docs/partner-guide.md");
    let script = page::script(guide, "<!-- guide -->", &[]);
    assert!(script.contains(PLACEHOLDER));
    let key = "$(until [ -s key ]; do sleep 0.1; done; cat key)";
    let script = script.replace(PLACEHOLDER, key);

    let place = directory.path().to_owned();
    let mail = [
        ("RIALTO_MAIL_SERVER", "127.0.0.1".to_owned()),
        ("RIALTO_MAIL_PORT", smtp.port().to_string()),
        ("RIALTO_MAIL_SECURITY", "none".to_owned()),
    ];
    let running = tokio::task::spawn_blocking(move || page::run(&script, &place, &mail));
    read_mail(&smtp, &directory.path().join("key")).await;
    let output = running.await.expect("it ends");
    let expected = [
        "certified",
        "promoted",
        "Ready for Rialto",
        // The built-in receiver's push, and the mistake's answer.
        "webhook-signature",
        "channel",
        // Every answer of the checklist was met on the way.
        "\"status\":403",
        "\"status\":400",
        "\"status\":409",
        "\"status\":404",
    ];
    page::shows(&output, &expected);
}
