//! Mail: handed to a real server that takes it, refuses it, asks who comes, or is not there.

use std::time::Duration;

use jiff::Timestamp;
use model::Secret;
use outbound::mail::{Mail, MailFailure, MailOptions, MailSecurity, Mailer};
use services::Smtp;
use services::smtp::Mood;

fn options(server: &Smtp) -> MailOptions {
    MailOptions {
        server: "127.0.0.1".to_owned(),
        port: server.port(),
        security: MailSecurity::None,
        credentials: None,
        from: "Rialto <rialto@example.com>".to_owned(),
        connect_timeout: Duration::from_secs(5),
        timeout: Duration::from_secs(10),
    }
}

fn mail(id: &str) -> Mail<'_> {
    Mail {
        id,
        to: "ada@example.com",
        subject: "Grüße",
        text: "A long line, so long that it has to be folded on its way and put together again: 0123456789 = ü.\n.\nend\n",
        at: Timestamp::UNIX_EPOCH,
    }
}

async fn sent(options: &MailOptions) -> Result<String, MailFailure> {
    let mailer = Mailer::new(options).expect("the options are sound");
    mailer.send(&mail("7")).await
}

#[tokio::test]
async fn a_mail_arrives_as_it_was_written() {
    let server = Smtp::start().await.expect("a port");
    let answer = sent(&options(&server)).await.expect("it is taken");
    assert_eq!(answer, "250 taken");
    let mails = server.take();
    let [taken] = mails.as_slice() else {
        panic!("{mails:?}");
    };
    assert_eq!(taken.from, "rialto@example.com");
    assert_eq!(taken.to, ["ada@example.com"]);
    assert_eq!(taken.text().trim_end(), mail("7").text.trim_end());
    let id = taken.header("message-id");
    assert_eq!(id.as_deref(), Some("<7@example.com>"), "{}", taken.raw);
}

#[tokio::test]
async fn a_server_that_asks_is_told_the_password_and_nobody_else_is() {
    let server = Smtp::start_with_login("rialto", "hush-hush").await;
    let server = server.expect("a port");
    let login = |password: &str| MailOptions {
        credentials: Some(("rialto".to_owned(), Secret::new(password))),
        ..options(&server)
    };
    sent(&login("hush-hush")).await.expect("it is taken");
    assert_eq!(server.take()[0].user.as_deref(), Some("rialto"));

    for wrong in [login("hush-guess"), options(&server)] {
        let failure = sent(&wrong).await.expect_err("that is not the password");
        assert!(
            failure.is_retryable(),
            "the operator can heal it: {failure}"
        );
        assert!(!format!("{failure:?}").contains("hush"), "{failure:?}");
    }
    let secured = MailOptions {
        security: MailSecurity::Starttls,
        ..login("hush-hush")
    };
    let failure = sent(&secured).await.expect_err("it offers no TLS");
    assert!(failure.is_retryable(), "{failure}");
    assert!(server.take().is_empty());
}

#[tokio::test]
async fn what_may_heal_is_told_from_what_is_final() {
    let mut server = Smtp::start().await.expect("a port");
    let quick = MailOptions {
        timeout: Duration::from_millis(300),
        ..options(&server)
    };
    for (mood, code, may_heal) in [
        (Mood::RefusesRecipients(550), "refused", false),
        (Mood::RefusesRecipients(451), "not-now", true),
        (Mood::RefusesMails(554), "refused", false),
        (Mood::RefusesMails(452), "not-now", true),
        (Mood::Silent, "timeout", true),
    ] {
        server.mood(mood);
        let options = if mood == Mood::Silent {
            &quick
        } else {
            &options(&server)
        };
        let failure = sent(options).await.expect_err("it is not taken");
        assert_eq!(
            (failure.code(), failure.is_retryable()),
            (code, may_heal),
            "{mood:?}: {failure}"
        );
    }
    server.mood(Mood::Takes);
    server.stop().await;
    let failure = sent(&options(&server)).await.expect_err("nobody listens");
    assert_eq!((failure.code(), failure.is_retryable()), ("broken", true));
    server.start_again().await.expect("the port is free");
    sent(&options(&server)).await.expect("it is there again");
}
