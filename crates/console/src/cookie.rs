//! The cookies of the console: who is signed in, what the last action came to, in which account this browser was last, and
//! what a single sign-on needs when the browser comes back.
//!
//! All are for the server alone (`HttpOnly`), for the console's paths, and not sent with requests that another site
//! begins, links aside (`SameSite=Lax`): whoever follows a link to a page is still signed in.

use axum::http::{HeaderMap, HeaderValue, header};
use model::{AccountId, Secret};

use crate::ConsoleState;

const SESSION: &str = "rialto_session";
const SAID: &str = "rialto_said";
const LAST: &str = "rialto_last";
/// Until somebody has not been here for a season.
const LAST_SECONDS: u64 = 90 * 24 * 3_600;
const SIGN_ON: &str = "rialto_sign_on";
/// Long enough for one redirect.
const SAID_SECONDS: u64 = 60;
/// A sentence, not a page: browsers take 4 KiB for a cookie with its name.
const SAID_BYTES_MAX: usize = 2_000;

/// How something ended, for the next page to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) is_good: bool,
    pub(crate) text: String,
}

impl Said {
    pub(crate) fn good(text: impl Into<String>) -> Self {
        Self {
            is_good: true,
            text: text.into(),
        }
    }

    pub(crate) fn bad(text: impl Into<String>) -> Self {
        Self {
            is_good: false,
            text: text.into(),
        }
    }
}

pub(crate) fn session(headers: &HeaderMap) -> Option<Secret> {
    value(headers, SESSION).map(Secret::new)
}

pub(crate) fn set_session(state: &ConsoleState, token: &Secret, seconds: i64) -> HeaderValue {
    set(
        state,
        SESSION,
        token.expose(),
        seconds.max(0).unsigned_abs(),
    )
}

pub(crate) fn end_session(state: &ConsoleState) -> HeaderValue {
    set(state, SESSION, "", 0)
}

/// A hint and no right: whoever has no role there is asked to choose.
pub(crate) fn last(headers: &HeaderMap) -> Option<AccountId> {
    value(headers, LAST)?.parse().ok().map(AccountId)
}

pub(crate) fn set_last(state: &ConsoleState, account: AccountId) -> HeaderValue {
    set(state, LAST, &account.to_string(), LAST_SECONDS)
}

/// What a sign-on that was begun needs, sealed, and the page that is wanted after it.
pub(crate) fn sign_on(headers: &HeaderMap) -> Option<(String, String)> {
    let value = value(headers, SIGN_ON)?;
    let (kept, next) = value.split_once('.')?;
    let (next, _) = form_urlencoded::parse(next.as_bytes()).next()?;
    Some((kept.to_owned(), next.into_owned()))
}

pub(crate) fn set_sign_on(state: &ConsoleState, kept: &str, next: &str) -> HeaderValue {
    let next: String = form_urlencoded::byte_serialize(next.as_bytes()).collect();
    let seconds = hub::oidc::FLOW_TIME_MAX.as_secs();
    set(state, SIGN_ON, &format!("{kept}.{next}"), seconds)
}

pub(crate) fn forget_sign_on(state: &ConsoleState) -> HeaderValue {
    set(state, SIGN_ON, "", 0)
}

pub(crate) fn said(headers: &HeaderMap) -> Option<Said> {
    let value = value(headers, SAID)?;
    let (kind, text) = value.split_once('.')?;
    let (text, _) = form_urlencoded::parse(text.as_bytes()).next()?;
    Some(Said {
        is_good: kind == "good",
        text: text.into_owned(),
    })
}

pub(crate) fn set_said(state: &ConsoleState, said: &Said) -> HeaderValue {
    let kind = if said.is_good { "good" } else { "bad" };
    let mut text: String = form_urlencoded::byte_serialize(said.text.as_bytes()).collect();
    if text.len() > SAID_BYTES_MAX {
        text.truncate(SAID_BYTES_MAX);
        // Not in the middle of an escape.
        let end = text.rfind('%').filter(|at| text.len() - at < 3);
        text.truncate(end.unwrap_or(text.len()));
    }
    set(state, SAID, &format!("{kind}.{text}"), SAID_SECONDS)
}

pub(crate) fn forget_said(state: &ConsoleState) -> HeaderValue {
    set(state, SAID, "", 0)
}

fn set(state: &ConsoleState, name: &str, value: &str, seconds: u64) -> HeaderValue {
    let secure = if state.is_secure() { "; Secure" } else { "" };
    let text =
        format!("{name}={value}; Path=/console; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}");
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

fn value(headers: &HeaderMap, name: &str) -> Option<String> {
    let lines = headers.get_all(header::COOKIE).iter();
    let mut pairs = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'));
    let value = pairs.find_map(|pair| pair.trim().strip_prefix(name)?.strip_prefix('='))?;
    (!value.is_empty()).then(|| value.to_owned())
}
