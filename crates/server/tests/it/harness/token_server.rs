//! A real OAuth token server: gives access tokens for a refresh token, and can be down, slow, revoke and rotate.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::{Receiver, Reply, Request};

/// The client that it knows.
pub(crate) const CLIENT_ID: &str = "rialto client";
pub(crate) const CLIENT_SECRET: &str = "s3cr3t&=+%";

/// What it knows, and how it answers.
pub(crate) struct Book {
    /// The one that counts; another one is `invalid_grant`.
    pub(crate) refresh_token: String,
    /// Access tokens that were given out and count.
    pub(crate) good: Vec<String>,
    /// Every grant makes a new refresh token, and the old one counts no more.
    pub(crate) rotates: bool,
    /// Takes the client's credentials only by HTTP Basic.
    pub(crate) basic_only: bool,
    pub(crate) expires_in: Value,
    /// Instead of all that.
    pub(crate) reply: Option<Reply>,
    given: u32,
}

pub(crate) struct TokenServer {
    pub(crate) receiver: Receiver,
    book: Arc<Mutex<Book>>,
}

impl TokenServer {
    /// Knows the client above and the refresh token `refresh-0`.
    pub(crate) async fn start() -> Self {
        let book = Arc::new(Mutex::new(Book {
            refresh_token: "refresh-0".to_owned(),
            good: Vec::new(),
            rotates: false,
            basic_only: false,
            expires_in: json!(3_600),
            reply: None,
            given: 0,
        }));
        let receiver = Receiver::start().await;
        let kept = Arc::clone(&book);
        receiver.answer(move |request| locked(&kept).answer(request));
        Self { receiver, book }
    }

    pub(crate) fn url(&self) -> String {
        format!("{}/oauth/token", self.receiver.url())
    }

    pub(crate) fn book(&self) -> MutexGuard<'_, Book> {
        locked(&self.book)
    }

    /// `authentication` of a document that is signed in by this server.
    pub(crate) fn authentication(&self) -> Value {
        json!({
            "authType": "OAuth", "authURL": self.url(), "clientID": CLIENT_ID, "clientSecret": CLIENT_SECRET,
            "refreshToken": "refresh-0",
        })
    }

    /// Has `receiver` answer 401 to everybody without a token that counts.
    pub(crate) fn guard(&self, receiver: &Receiver) {
        let book = Arc::clone(&self.book);
        receiver.answer(move |request| {
            let token = request.header("authorization").strip_prefix("Bearer ");
            let is_good = token.is_some_and(|token| locked(&book).good.iter().any(|g| g == token));
            Reply::Status(if is_good { 200 } else { 401 })
        });
    }
}

fn locked(book: &Mutex<Book>) -> MutexGuard<'_, Book> {
    book.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Book {
    fn answer(&mut self, request: &Request) -> Reply {
        if let Some(reply) = &self.reply {
            return reply.clone();
        }
        let form = form(&request.body);
        let field = |name: &str| form.get(name).map_or("", String::as_str);
        let client = match request.header("authorization").strip_prefix("Basic ") {
            Some(basic) => basic_client(basic),
            None => (
                field("client_id").to_owned(),
                field("client_secret").to_owned(),
            ),
        };
        let is_basic = request.headers.contains_key("authorization");
        assert!(
            !is_basic || field("client_id").is_empty(),
            "one method in each request"
        );
        assert_eq!(request.method, "POST");
        assert_eq!(
            request.header("content-type"),
            "application/x-www-form-urlencoded"
        );
        let error = |status, error: &str| {
            Reply::Body(
                status,
                json!({ "error": error, "error_description": "says the token server" })
                    .to_string()
                    .into(),
            )
        };
        if client != (CLIENT_ID.to_owned(), CLIENT_SECRET.to_owned())
            || (self.basic_only && !is_basic)
        {
            return error(401, "invalid_client");
        }
        if field("grant_type") != "refresh_token" {
            return error(400, "unsupported_grant_type");
        }
        if field("refresh_token") != self.refresh_token {
            return error(400, "invalid_grant");
        }
        self.given += 1;
        let token = format!("access-{}", self.given);
        self.good.push(token.clone());
        let mut answer =
            json!({ "access_token": token, "token_type": "bearer", "expires_in": self.expires_in });
        if self.rotates {
            self.refresh_token = format!("refresh-{}", self.given);
            answer["refresh_token"] = self.refresh_token.as_str().into();
        }
        Reply::Body(200, answer.to_string().into())
    }
}

fn basic_client(basic: &str) -> (String, String) {
    let clear = BASE64_STANDARD.decode(basic).expect("base64");
    let clear = String::from_utf8(clear).expect("text");
    let (id, secret) = clear.split_once(':').expect("a colon");
    (decoded(id), decoded(secret))
}

/// The fields of a form.
pub(crate) fn form(body: &[u8]) -> HashMap<String, String> {
    let text = String::from_utf8_lossy(body);
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs
        .map(|(name, value)| (decoded(name), decoded(value)))
        .collect()
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => {
                let digits = [
                    rest.next().expect("two digits"),
                    rest.next().expect("two digits"),
                ];
                let digits = std::str::from_utf8(&digits).expect("digits");
                bytes.push(u8::from_str_radix(digits, 16).expect("digits"));
            }
            b'+' => bytes.push(b' '),
            byte => bytes.push(byte),
        }
    }
    String::from_utf8(bytes).expect("text")
}
