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
/// A path and a field or two.
const UNDO_BYTES_MAX: usize = 1_000;
/// Stands before each part of an undo: percent-encoded texts have none of their own.
const UNDO: char = '~';

/// How something ended, for the next page to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) is_good: bool,
    pub(crate) text: String,
    /// What takes it back, where the hub has a verb for that.
    pub(crate) undo: Option<Undo>,
}

/// A form that takes back what was just done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Undo {
    /// Where it is sent: a path of the console.
    pub(crate) action: String,
    pub(crate) fields: Vec<(String, String)>,
}

impl Said {
    pub(crate) fn good(text: impl Into<String>) -> Self {
        Self {
            is_good: true,
            text: text.into(),
            undo: None,
        }
    }

    pub(crate) fn bad(text: impl Into<String>) -> Self {
        Self {
            is_good: false,
            text: text.into(),
            undo: None,
        }
    }

    /// Offers to take it back: a `POST` of these fields to a path of the console.
    pub(crate) fn undo(mut self, action: &str, fields: &[(&str, &str)]) -> Self {
        let fields = fields
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        self.undo = Some(Undo {
            action: action.to_owned(),
            fields: fields.collect(),
        });
        self
    }
}

impl From<String> for Said {
    fn from(text: String) -> Self {
        Self::good(text)
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
    let (kind, rest) = value.split_once('.')?;
    let mut parts = rest.split(UNDO);
    let (text, _) = form_urlencoded::parse(parts.next()?.as_bytes()).next()?;
    Some(Said {
        is_good: kind == "good",
        text: text.into_owned(),
        undo: undo(parts),
    })
}

fn undo<'a>(parts: impl Iterator<Item = &'a str>) -> Option<Undo> {
    let mut pairs = parts.filter_map(|part| form_urlencoded::parse(part.as_bytes()).next());
    let (_, action) = pairs.next()?;
    // A form that leaves the console is none of ours.
    let is_ours = action.starts_with("/console/") && !action.contains("//");
    is_ours.then(|| Undo {
        action: action.into_owned(),
        fields: pairs
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .collect(),
    })
}

pub(crate) fn set_said(state: &ConsoleState, said: &Said) -> HeaderValue {
    set(state, SAID, &written(said), SAID_SECONDS)
}

fn written(said: &Said) -> String {
    let kind = if said.is_good { "good" } else { "bad" };
    let mut text: String = form_urlencoded::byte_serialize(said.text.as_bytes()).collect();
    if text.len() > SAID_BYTES_MAX {
        text.truncate(SAID_BYTES_MAX);
        // Not in the middle of an escape.
        let end = text.rfind('%').filter(|at| text.len() - at < 3);
        text.truncate(end.unwrap_or(text.len()));
    }
    let mut written = format!("{kind}.{text}");
    if let Some(undo) = &said.undo {
        let action = [("", &undo.action)].into_iter();
        let fields = undo.fields.iter().map(|(name, value)| (&**name, value));
        for (name, value) in action.chain(fields) {
            let mut pair = form_urlencoded::Serializer::new(String::new());
            pair.append_pair(name, value);
            written.push(UNDO);
            written.push_str(&pair.finish());
        }
    }
    // Without its undo it is still said.
    if written.len() > SAID_BYTES_MAX + UNDO_BYTES_MAX {
        written.truncate(written.find(UNDO).unwrap_or(written.len()));
    }
    written
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

#[cfg(test)]
mod tests {
    use super::*;

    fn read(written: &str) -> Option<Said> {
        let mut headers = HeaderMap::new();
        let cookie = format!("{SAID}={written}");
        let cookie = HeaderValue::try_from(cookie).expect("a header");
        headers.insert(header::COOKIE, cookie);
        said(&headers)
    }

    #[test]
    fn what_is_said_and_what_takes_it_back_are_read_as_they_were_written() {
        for text in ["It is paused.", "a~b.c=d&e;f\n", "Größe: 5 %"] {
            let plain = Said::bad(text);
            assert_eq!(read(&written(&plain)), Some(plain));
            let fields = [("role", "viewer"), ("a~=&", ";~ ")];
            let undo = Said::good(text).undo("/console/1/shares/2/resume", &fields);
            assert_eq!(read(&written(&undo)), Some(undo));
        }
        let long = Said::good("é".repeat(5_000)).undo("/console/1/x", &[]);
        let kept = read(&written(&long)).expect("it is said");
        assert!(kept.text.starts_with("éé") && kept.undo.is_some());
        let value = "x".repeat(2_000);
        let long = Said::good("x".repeat(5_000)).undo("/console/1/x", &[("x", &value)]);
        let kept = read(&written(&long)).expect("it is said");
        assert_eq!(kept.undo, None);
    }

    #[test]
    fn nothing_is_taken_back_outside_of_the_console() {
        for action in [
            "https://evil.example.com/",
            "//evil.example.com",
            "/console//evil",
        ] {
            let said = read(&written(&Said::good("x").undo(action, &[]))).expect("said");
            assert_eq!(said.undo, None, "{action}");
        }
    }
}
