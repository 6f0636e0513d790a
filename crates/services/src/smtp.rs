//! A mail server: takes mail by SMTP (RFC 5321) and keeps it for whoever looks.
//!
//! Written here, over plain sockets, because what tests want of a mail server no mail server does: refuse on request, be
//! silent, and tell every mail it took, word for word. Speaks EHLO, AUTH PLAIN and LOGIN, MAIL, RCPT, DATA, RSET, NOOP,
//! QUIT; without TLS. Gone when its handle is dropped; [`Smtp::stop`] and [`Smtp::start_again`] play an outage.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Longest mail that is taken.
const MAIL_BYTES_MAX: usize = 1 << 20;

/// A mail that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// As the envelope has it.
    pub from: String,
    pub to: Vec<String>,
    /// Headers and body, dots unstuffed, lines ending in `\n`.
    pub raw: String,
    /// Who handed it over, if asked.
    pub user: Option<String>,
}

impl Mail {
    /// The value of a header in one line, as it was written.
    pub fn header(&self, name: &str) -> Option<String> {
        let head = self.raw.split("\n\n").next().unwrap_or_default();
        let unfolded = head.replace("\n ", " ").replace("\n\t", " ");
        unfolded.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found
                .eq_ignore_ascii_case(name)
                .then(|| value.trim().to_owned())
        })
    }

    /// What was written: the body without its transfer encoding (7bit and quoted-printable).
    pub fn text(&self) -> String {
        let body = self.raw.split_once("\n\n").map_or("", |(_, body)| body);
        let encoding = self.header("content-transfer-encoding").unwrap_or_default();
        if encoding.eq_ignore_ascii_case("quoted-printable") {
            unquoted(body)
        } else {
            body.to_owned()
        }
    }
}

/// What the server answers to a part of the dialogue instead of taking it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// Takes every mail.
    Takes,
    /// Refuses each recipient with this code, such as 550 (for good) or 451 (for now).
    RefusesRecipients(u16),
    /// Refuses each mail after its text.
    RefusesMails(u16),
    /// Takes connections and says nothing.
    Silent,
}

#[derive(Debug)]
struct Shared {
    mails: Mutex<Vec<Mail>>,
    mood: Mutex<Mood>,
    /// Who may hand over: user and password.
    login: Option<(String, String)>,
}

/// A running mail server.
#[derive(Debug)]
pub struct Smtp {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: Option<JoinHandle<()>>,
}

impl Smtp {
    /// Takes mail from everybody.
    ///
    /// # Errors
    /// No port can be had.
    pub async fn start() -> io::Result<Self> {
        Self::open(None).await
    }

    /// Takes mail only from who knows the password.
    ///
    /// # Errors
    /// No port can be had.
    pub async fn start_with_login(user: &str, password: &str) -> io::Result<Self> {
        Self::open(Some((user.to_owned(), password.to_owned()))).await
    }

    async fn open(login: Option<(String, String)>) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            mails: Mutex::default(),
            mood: Mutex::new(Mood::Takes),
            login,
        });
        let task = tokio::spawn(serve(listener, Arc::clone(&shared)));
        Ok(Self {
            address,
            shared,
            task: Some(task),
        })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// From now on.
    pub fn mood(&self, mood: Mood) {
        *locked(&self.shared.mood) = mood;
    }

    /// Everything taken so far, in order.
    pub fn mails(&self) -> Vec<Mail> {
        locked(&self.shared.mails).clone()
    }

    /// Takes what has come so far.
    pub fn take(&self) -> Vec<Mail> {
        std::mem::take(&mut *locked(&self.shared.mails))
    }

    /// Nobody listens any more; what was taken is kept.
    pub async fn stop(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
            let _ = task.await;
        }
    }

    /// Listens again, on the same port.
    ///
    /// # Errors
    /// The port was taken meanwhile.
    pub async fn start_again(&mut self) -> io::Result<()> {
        self.stop().await;
        let listener = TcpListener::bind(self.address).await?;
        self.task = Some(tokio::spawn(serve(listener, Arc::clone(&self.shared))));
        Ok(())
    }
}

impl Drop for Smtp {
    fn drop(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        // What goes wrong with a connection is the client's matter. All end with this task.
        connections.spawn(async move { talk(stream, &shared).await });
    }
}

/// One connection.
struct Talk<'s> {
    lines: BufReader<TcpStream>,
    shared: &'s Shared,
    user: Option<String>,
    from: Option<String>,
    to: Vec<String>,
}

async fn talk(stream: TcpStream, shared: &Shared) -> io::Result<()> {
    let mut talk = Talk {
        lines: BufReader::new(stream),
        shared,
        user: None,
        from: None,
        to: Vec::new(),
    };
    if *locked(&shared.mood) == Mood::Silent {
        std::future::pending::<()>().await;
    }
    talk.say("220 mail.test ESMTP").await?;
    while let Some(line) = talk.line().await? {
        let (verb, rest) = line.split_once(' ').unwrap_or((line.as_str(), ""));
        match verb.to_ascii_uppercase().as_str() {
            "EHLO" => {
                talk.say("250-mail.test\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 AUTH PLAIN LOGIN")
                    .await?;
            }
            "HELO" | "NOOP" => talk.say("250 mail.test").await?,
            "AUTH" => talk.auth(rest).await?,
            "MAIL" => talk.mail(rest).await?,
            "RCPT" => talk.rcpt(rest).await?,
            "DATA" => talk.data().await?,
            "RSET" => {
                talk.reset();
                talk.say("250 forgotten").await?;
            }
            "QUIT" => return talk.say("221 bye").await,
            _ => talk.say("502 not known here").await?,
        }
    }
    Ok(())
}

impl Talk<'_> {
    async fn say(&mut self, line: &str) -> io::Result<()> {
        let stream = self.lines.get_mut();
        stream.write_all(format!("{line}\r\n").as_bytes()).await
    }

    async fn line(&mut self) -> io::Result<Option<String>> {
        let mut line = Vec::new();
        if self.lines.read_until(b'\n', &mut line).await? == 0 {
            return Ok(None);
        }
        let text = String::from_utf8_lossy(&line);
        Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned()))
    }

    fn reset(&mut self) {
        self.from = None;
        self.to.clear();
    }

    async fn auth(&mut self, rest: &str) -> io::Result<()> {
        let (method, given) = rest.split_once(' ').unwrap_or((rest, ""));
        let said = match method.to_ascii_uppercase().as_str() {
            "PLAIN" => {
                let given = match given {
                    "" => self.asked("334 ").await?,
                    given => given.to_owned(),
                };
                let clear = decoded(&given);
                let mut parts = clear.split('\0').skip(1).map(str::to_owned);
                parts.next().zip(parts.next())
            }
            "LOGIN" => {
                // `Username:` and `Password:` in base64.
                let user = self.asked("334 VXNlcm5hbWU6").await?;
                let password = self.asked("334 UGFzc3dvcmQ6").await?;
                Some((decoded(&user), decoded(&password)))
            }
            _ => return self.say("504 no such way").await,
        };
        if said.is_some() && said == self.shared.login {
            self.user = said.map(|(user, _)| user);
            self.say("235 welcome").await
        } else {
            self.say("535 that is not the password").await
        }
    }

    async fn asked(&mut self, question: &str) -> io::Result<String> {
        self.say(question).await?;
        Ok(self.line().await?.unwrap_or_default())
    }

    async fn mail(&mut self, rest: &str) -> io::Result<()> {
        if self.shared.login.is_some() && self.user.is_none() {
            return self.say("530 sign in first").await;
        }
        self.reset();
        self.from = address(rest, "FROM:");
        let answer = match self.from {
            Some(_) => "250 go on",
            None => "501 that is no sender",
        };
        self.say(answer).await
    }

    async fn rcpt(&mut self, rest: &str) -> io::Result<()> {
        let mood = *locked(&self.shared.mood);
        if let Mood::RefusesRecipients(code) = mood {
            return self.say(&format!("{code} not here")).await;
        }
        match address(rest, "TO:") {
            Some(to) if self.from.is_some() => {
                self.to.push(to);
                self.say("250 go on").await
            }
            Some(_) => self.say("503 say first who writes").await,
            None => self.say("501 that is no recipient").await,
        }
    }

    async fn data(&mut self) -> io::Result<()> {
        if self.to.is_empty() {
            return self.say("503 say first to whom").await;
        }
        self.say("354 end with a line that is a dot").await?;
        let mut raw = String::new();
        loop {
            let Some(line) = self.line().await? else {
                return Ok(());
            };
            if line == "." {
                break;
            }
            // RFC 5321 §4.5.2: a line that begins with a dot got another one for the way.
            raw.push_str(line.strip_prefix('.').unwrap_or(&line));
            raw.push('\n');
            if raw.len() > MAIL_BYTES_MAX {
                return self.say("552 too long").await;
            }
        }
        let mood = *locked(&self.shared.mood);
        if let Mood::RefusesMails(code) = mood {
            self.reset();
            return self.say(&format!("{code} not wanted")).await;
        }
        let mail = Mail {
            from: self.from.take().unwrap_or_default(),
            to: std::mem::take(&mut self.to),
            raw,
            user: self.user.clone(),
        };
        locked(&self.shared.mails).push(mail);
        self.say("250 taken").await
    }
}

/// What stands in the angle brackets.
fn address(rest: &str, word: &str) -> Option<String> {
    let head = rest.get(..word.len())?;
    let rest = rest[word.len()..].trim_start().strip_prefix('<')?;
    let (address, _) = rest.split_once('>')?;
    (head.eq_ignore_ascii_case(word) && !address.is_empty()).then(|| address.to_owned())
}

/// Base64 (RFC 4648) of text; what is not base64 is passed over.
fn decoded(text: &str) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bytes = Vec::new();
    let (mut bits, mut count) = (0u32, 0);
    let digit = |byte: u8| DIGITS.iter().position(|digit| *digit == byte);
    for value in text.bytes().filter_map(digit) {
        bits = (bits << 6 | u32::try_from(value).unwrap_or_default()) & 0xff_ffff;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(((bits >> count) & 0xff) as u8);
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Quoted-printable (RFC 2045 §6.7) of text.
fn unquoted(text: &str) -> String {
    let text = text.replace("=\n", "");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        let code = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match code {
            Some(code) if byte == b'=' => {
                bytes.push(code);
                rest = &after[2..];
            }
            _ => {
                bytes.push(byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_encoded_for_the_way_is_read_again() {
        assert_eq!(decoded("AGFkYQBodXNoIQ=="), "\0ada\0hush!");
        assert_eq!(
            unquoted("Gr=C3=BC=C3=9Fe =3D\nlong=\n line\n"),
            "Grüße =\nlong line\n"
        );
        assert_eq!(
            address("FROM:<a@b> SIZE=3", "FROM:").as_deref(),
            Some("a@b")
        );
        assert_eq!(address("TO: <>", "TO:"), None);
    }

    #[tokio::test]
    async fn a_mail_is_taken_word_for_word() {
        let server = Smtp::start().await.expect("a port");
        let stream = TcpStream::connect(server.address())
            .await
            .expect("it listens");
        let mut client = BufReader::new(stream);
        let mut answer = String::new();
        for (line, code) in [
            ("", "220"),
            ("MAIL FROM:<a@example.com>\r\n", "250"),
            ("RCPT TO:<b@example.com>\r\n", "250"),
            ("DATA\r\n", "354"),
            ("Subject: =?\r\n folded\r\n\r\n..a dot\r\n.\r\n", "250"),
            ("QUIT\r\n", "221"),
        ] {
            client
                .get_mut()
                .write_all(line.as_bytes())
                .await
                .expect("it reads");
            answer.clear();
            client.read_line(&mut answer).await.expect("it answers");
            assert!(answer.starts_with(code), "{line}: {answer}");
        }
        let mail = server.take().pop().expect("a mail");
        assert_eq!(mail.to, ["b@example.com"]);
        assert_eq!(mail.header("subject").as_deref(), Some("=? folded"));
        assert_eq!(mail.text(), ".a dot\n");
    }
}
