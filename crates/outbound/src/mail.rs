//! Mail: hands one message to the operator's mail server by SMTP.
//!
//! Called by the flow for what waits in the outbox. The server is named by the operator, not by a tenant, so the address
//! guard has no say here. One connection a message: mails are few, and a kept connection would have to be watched.
//! Promises: total time is bounded, TLS is never silently left out, a failure says whether the same mail may go later,
//! and neither password nor text of a mail is in any error.

use std::time::Duration;

use jiff::Timestamp;
use lettre::message::header::ContentType;
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::{self, AsyncSmtpTransport};
use lettre::{Address, AsyncTransport as _, Tokio1Executor};
use model::Secret;

/// Characters of a server's answer that are kept for people.
const ANSWER_CHARS_MAX: usize = 300;

/// Answers that concern who hands over, not what: somebody corrects the configuration, and the same mail goes.
const OF_THE_SENDER: [u16; 5] = [530, 534, 535, 538, 421];

/// How the connection is kept secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailSecurity {
    /// In clear: for a server on the same machine.
    None,
    /// Begins in clear and must change to TLS before anything is said.
    Starttls,
    /// TLS from the first byte.
    Tls,
}

impl MailSecurity {
    /// The port that servers take such connections on.
    pub fn port(self) -> u16 {
        match self {
            Self::None => 25,
            Self::Starttls => 587,
            Self::Tls => 465,
        }
    }
}

/// The mail server and how to speak to it.
#[derive(Debug, Clone)]
pub struct MailOptions {
    /// Name or address, without a port.
    pub server: String,
    pub port: u16,
    pub security: MailSecurity,
    /// User and password; `None` where the server asks for none.
    pub credentials: Option<(String, Secret)>,
    /// `Name <address>`, or the address alone.
    pub from: String,
    /// Connecting alone, name lookup and TLS included.
    pub connect_timeout: Duration,
    /// One mail, connecting included.
    pub timeout: Duration,
}

/// One mail, plain text.
#[derive(Debug, Clone, Copy)]
pub struct Mail<'a> {
    /// The same at every attempt: receivers drop what they have already. Letters, digits, `-`.
    pub id: &'a str,
    pub to: &'a str,
    pub subject: &'a str,
    pub text: &'a str,
    pub at: Timestamp,
}

/// Why a mail was not taken.
#[derive(Debug, Clone, thiserror::Error)]
pub enum MailFailure {
    /// Nothing was tried.
    #[error("no mail server is configured: name one in [mail] of the configuration")]
    NoServer,
    /// It cannot be sent as it is: somebody has to correct it.
    #[error("{0}")]
    Unsendable(String),
    /// The server refused it for good.
    #[error("the mail server refused it: {0}")]
    Refused(String),
    /// The server refused it for now, or refused whoever hands over.
    #[error("the mail server does not take it now: {0}")]
    NotNow(String),
    /// The server could not be reached, or the connection broke.
    #[error("the mail server could not be spoken to: {0}")]
    Broken(String),
    #[error("the mail server took longer than {0:?}")]
    Timeout(Duration),
}

impl MailFailure {
    /// Whether the same mail may be taken later without a change of it.
    pub fn is_retryable(&self) -> bool {
        !matches!(self, Self::Unsendable(_) | Self::Refused(_))
    }

    /// One stable word for metrics and the console.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoServer => "no-server",
            Self::Unsendable(_) => "unsendable",
            Self::Refused(_) => "refused",
            Self::NotNow(_) => "not-now",
            Self::Broken(_) => "broken",
            Self::Timeout(_) => "timeout",
        }
    }
}

/// Whether this can be written to; a sentence if not.
///
/// # Errors
/// What is wrong with it.
pub fn check_address(text: &str) -> Result<(), String> {
    let parsed: Result<Address, _> = text.parse();
    parsed
        .map(drop)
        .map_err(|error| format!("`{text}` is not a mail address: {error}"))
}

/// Hands mails to one server.
pub struct Mailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    timeout: Duration,
}

impl Mailer {
    /// Speaks to nobody yet.
    ///
    /// # Errors
    /// [`MailFailure::Unsendable`]: the options cannot be used.
    pub fn new(options: &MailOptions) -> Result<Self, MailFailure> {
        let from: Mailbox = options.from.parse().map_err(|error| {
            MailFailure::Unsendable(format!(
                "`{}` cannot be a sender: {error}; expected `Name <name@example.com>`",
                options.from
            ))
        })?;
        let tls = || {
            TlsParameters::new_rustls(options.server.clone())
                .map_err(|error| MailFailure::Broken(error.to_string()))
        };
        let tls = match options.security {
            MailSecurity::None => Tls::None,
            MailSecurity::Starttls => Tls::Required(tls()?),
            MailSecurity::Tls => Tls::Wrapper(tls()?),
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&options.server)
            .port(options.port)
            .tls(tls)
            .hello_name(ClientId::Domain(from.email.domain().to_owned()))
            .timeout(Some(options.connect_timeout));
        if let Some((user, password)) = &options.credentials {
            let credentials = Credentials::new(user.clone(), password.expose().to_owned());
            builder = builder.credentials(credentials);
        }
        Ok(Self {
            transport: builder.build(),
            from,
            timeout: options.timeout,
        })
    }

    /// Hands one mail over; answers what the server said when it took it.
    ///
    /// # Errors
    /// [`MailFailure`]. After a timeout the server may have taken it all the same.
    pub async fn send(&self, mail: &Mail<'_>) -> Result<String, MailFailure> {
        let message = self.message(mail)?;
        let sending = tokio::time::timeout(self.timeout, self.transport.send(message));
        let answer = sending
            .await
            .map_err(|_| MailFailure::Timeout(self.timeout))?
            .map_err(|error| failure(&error))?;
        let code = answer.code();
        let said: Vec<&str> = answer.message().collect();
        Ok(shortened(&format!("{code} {}", said.join(" "))))
    }

    fn message(&self, mail: &Mail<'_>) -> Result<Message, MailFailure> {
        let unsendable = |why: String| MailFailure::Unsendable(why);
        check_address(mail.to).map_err(unsendable)?;
        let to = mail
            .to
            .parse()
            .map_err(|_| unsendable(format!("`{}` is not a mail address", mail.to)))?;
        Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(mail.subject)
            .date(mail.at.into())
            .message_id(Some(format!("<{}@{}>", mail.id, self.from.email.domain())))
            .header(ContentType::TEXT_PLAIN)
            .body(mail.text.to_owned())
            .map_err(|error| unsendable(format!("the mail cannot be written: {error}")))
    }
}

fn failure(error: &smtp::Error) -> MailFailure {
    let said = shortened(&error.to_string());
    match error.status().map(u16::from) {
        Some(code) if OF_THE_SENDER.contains(&code) => MailFailure::NotNow(said),
        Some(500..) => MailFailure::Refused(said),
        Some(_) => MailFailure::NotNow(said),
        None => MailFailure::Broken(said),
    }
}

fn shortened(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(ANSWER_CHARS_MAX)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> MailOptions {
        MailOptions {
            server: "127.0.0.1".to_owned(),
            port: 1,
            security: MailSecurity::None,
            credentials: None,
            from: "Rialto <rialto@example.com>".to_owned(),
            connect_timeout: Duration::from_secs(5),
            timeout: Duration::from_secs(5),
        }
    }

    #[test]
    fn a_mail_is_plain_text_with_the_same_id_at_every_attempt() {
        let mailer = Mailer::new(&options()).expect("the options are sound");
        let mail = Mail {
            id: "outbox-7",
            to: "ada@example.com",
            subject: "Zugang für Sie\r\nBcc: mallory@example.com",
            text: ".\nÄ line\n",
            at: Timestamp::UNIX_EPOCH,
        };
        let message = mailer.message(&mail).expect("it can be sent").formatted();
        let text = String::from_utf8(message).expect("ASCII");
        assert!(
            text.contains("Message-ID: <outbox-7@example.com>\r\n"),
            "{text}"
        );
        assert!(
            text.contains("Date: Thu, 01 Jan 1970 00:00:00 +0000\r\n"),
            "{text}"
        );
        assert!(
            !text.contains("\r\nBcc:"),
            "no header comes out of a subject: {text}"
        );
        assert!(text.is_ascii(), "{text}");
    }

    #[test]
    fn what_cannot_be_sent_is_found_before_anybody_is_spoken_to() {
        let wrong = MailOptions {
            from: "nobody".to_owned(),
            ..options()
        };
        let error = Mailer::new(&wrong).err().expect("that is no sender");
        assert!(!error.is_retryable() && error.to_string().contains("nobody"));
        for to in [
            "",
            "ada",
            "ada@",
            "a@b\r\nRCPT TO:<c@d>",
            "ada@example.com, bob@example.com",
        ] {
            assert!(check_address(to).is_err(), "{to}");
        }
        assert!(check_address("ada@example.com").is_ok());
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_may_come_back() {
        let mailer = Mailer::new(&options()).expect("the options are sound");
        let mail = Mail {
            id: "1",
            to: "ada@example.com",
            subject: "s",
            text: "t",
            at: Timestamp::UNIX_EPOCH,
        };
        let failure = mailer.send(&mail).await.expect_err("nobody listens there");
        assert!(
            failure.is_retryable() && failure.code() == "broken",
            "{failure}"
        );
    }
}
