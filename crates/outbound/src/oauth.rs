//! OAuth 2.0 access tokens by the refresh-token grant (RFC 6749 §6), and where they are kept until they expire.
//!
//! ```text
//!   POST <authURL>   grant_type=refresh_token&refresh_token=…&client_id=…&client_secret=…
//!   200  {"access_token": …, "expires_in": 3600, "refresh_token": <a new one, perhaps>}
//! ```
//!
//! The client's id and secret go into the form, which is what token servers of marketing systems document; one that
//! answers `invalid_client` is asked again with HTTP Basic, and first with that from then on. Never both in one request
//! (§2.3).
//!
//! [`Tokens`] keeps one token for each key; whoever has the [`Turn`] of a key fetches for all who wait for it. What a
//! rotated refresh token must be written to is the caller's: a turn gives the token out only after [`Turn::keep`]. Called
//! by `hub/authentication`. Promises: bounded time and bytes, and no credential in any error.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, Uri};
use jiff::Timestamp;
use model::{AccountId, Secret};
use serde_json::Value;
use tokio::sync::OwnedMutexGuard;

use crate::{Answer, Authorization, Call, Client, Failure};

/// A token's answer is small.
const ANSWER_BYTES_MAX: usize = 64 << 10;
/// Longest access or refresh token that is taken.
const TOKEN_BYTES_MAX: usize = 16 << 10;
/// Characters of an error's description that are kept.
const DESCRIPTION_CHARS_MAX: usize = 300;
/// A token is not used any more so long before it expires: a call takes its time, and clocks differ.
const MARGIN_MAX: Duration = Duration::from_secs(60);
/// How long a token is used whose server does not say.
const LIFETIME_DEFAULT: Duration = Duration::from_secs(600);
/// No server is believed a longer one.
const LIFETIME_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// Tokens kept at most; those that nobody uses at that moment go first.
const TOKENS_MAX: usize = 10_000;

/// What an access token is asked for with.
#[derive(Debug, Clone)]
pub struct Grant {
    pub auth_url: Uri,
    pub client_id: String,
    pub client_secret: Secret,
    pub refresh_token: Secret,
}

/// What a token server gave.
#[derive(Debug, Clone)]
pub struct Granted {
    pub access_token: Secret,
    /// In the place of the one that was sent, which may not count any more.
    pub refresh_token: Option<Secret>,
    pub expires_in: Option<Duration>,
}

/// Why there is no access token. Each may heal: the server comes back, or somebody states new credentials.
#[derive(Debug, Clone, thiserror::Error)]
pub enum OAuthError {
    #[error("the token server did not answer: {0}")]
    Silent(Failure),
    /// `error` is OAuth's word, such as `invalid_grant`, or empty.
    #[error("the token server refused ({status} {error}): {description}")]
    Refused {
        status: u16,
        error: String,
        description: String,
        retry_after: Option<Duration>,
    },
    #[error("the token server's answer cannot be used: {0}")]
    Unusable(&'static str),
}

impl OAuthError {
    /// One stable word for lists and metrics.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Silent(_) => "token-silent",
            Self::Refused { .. } => "token-refused",
            Self::Unusable(_) => "token-unusable",
        }
    }

    /// How long the server asks to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            Self::Silent(_) | Self::Unusable(_) => None,
        }
    }

    fn is_invalid_client(&self) -> bool {
        matches!(self, Self::Refused { status: 400 | 401, error, .. } if error == "invalid_client")
    }
}

/// Where the client's id and secret stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Place {
    #[default]
    Form,
    Basic,
}

/// Access tokens until they expire, for each account and credentials.
#[derive(Default)]
pub struct Tokens {
    slots: Mutex<HashMap<(AccountId, String), Arc<Slot>>>,
}

#[derive(Default)]
struct Slot {
    /// Rises with every fetch that ended.
    fetches: AtomicU64,
    state: Arc<tokio::sync::Mutex<State>>,
}

#[derive(Default)]
struct State {
    token: Option<(Secret, Timestamp)>,
    failure: Option<OAuthError>,
    place: Place,
}

/// The right to use or fetch the token of one key; others wait meanwhile.
pub struct Turn {
    slot: Arc<Slot>,
    state: OwnedMutexGuard<State>,
    /// Somebody fetched while this one waited.
    has_waited: bool,
}

impl Tokens {
    /// Waits for the turn. `digest` stands for the credentials: another refresh token is another key.
    pub async fn turn(&self, account: AccountId, digest: &str) -> Turn {
        let slot = self.slot(account, digest);
        let before = slot.fetches.load(Ordering::Acquire);
        let state = Arc::clone(&slot.state).lock_owned().await;
        let has_waited = slot.fetches.load(Ordering::Acquire) > before;
        Turn {
            slot,
            state,
            has_waited,
        }
    }

    fn slot(&self, account: AccountId, digest: &str) -> Arc<Slot> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.len() >= TOKENS_MAX {
            slots.retain(|_, slot| Arc::strong_count(slot) > 1);
        }
        Arc::clone(slots.entry((account, digest.to_owned())).or_default())
    }
}

impl Turn {
    /// The token that is kept, if it is still good and not the one that was `refused`.
    pub fn token(&self, now: Timestamp, refused: Option<&Secret>) -> Option<Secret> {
        let (token, until) = self.state.token.as_ref()?;
        (now < *until && refused != Some(token)).then(|| token.clone())
    }

    /// What became of a fetch that ended while this one waited for its turn, if it failed: another one would fare alike.
    pub fn failure(&self) -> Option<OAuthError> {
        self.state.failure.clone().filter(|_| self.has_waited)
    }

    /// Asks the token server. The token is not given out yet: first [`Turn::keep`].
    ///
    /// # Errors
    /// Every [`OAuthError`]; those who wait for the turn are told the same.
    pub async fn fetch(
        &mut self,
        client: &Client,
        grant: &Grant,
        timeout: Duration,
        now: Timestamp,
    ) -> Result<Granted, OAuthError> {
        let place = self.state.place;
        let mut fetched = ask(client, grant, place, timeout, now).await;
        if fetched.as_ref().is_err_and(OAuthError::is_invalid_client) {
            let other = match place {
                Place::Form => Place::Basic,
                Place::Basic => Place::Form,
            };
            let again = ask(client, grant, other, timeout, now).await;
            if again.is_ok() {
                self.state.place = other;
                fetched = again;
            }
        }
        self.state.token = None;
        self.state.failure = fetched.as_ref().err().cloned();
        self.slot.fetches.fetch_add(1, Ordering::Release);
        fetched
    }

    /// Keeps a token until shortly before it expires, and gives it out. A rotated refresh token was stored before.
    pub fn keep(&mut self, granted: &Granted, now: Timestamp) -> Secret {
        let lifetime = granted.expires_in.unwrap_or(LIFETIME_DEFAULT);
        let lifetime = lifetime.min(LIFETIME_MAX);
        let good_for = lifetime - MARGIN_MAX.min(lifetime / 4);
        let until = now.checked_add(good_for).unwrap_or(now);
        self.state.token = Some((granted.access_token.clone(), until));
        granted.access_token.clone()
    }
}

async fn ask(
    client: &Client,
    grant: &Grant,
    place: Place,
    timeout: Duration,
    now: Timestamp,
) -> Result<Granted, OAuthError> {
    let mut headers = HeaderMap::with_capacity(3);
    let form = HeaderValue::from_static("application/x-www-form-urlencoded");
    headers.insert(CONTENT_TYPE, form);
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    let (id, secret) = (
        escaped(&grant.client_id),
        escaped(grant.client_secret.expose()),
    );
    let token = escaped(grant.refresh_token.expose());
    let mut body = format!("grant_type=refresh_token&refresh_token={token}");
    match place {
        Place::Form => body.push_str(&format!("&client_id={id}&client_secret={secret}")),
        Place::Basic => {
            let basic = Authorization::basic(&id, &secret);
            let basic = basic
                .map_err(|_| OAuthError::Unusable("the client id and secret fit into no header"))?;
            basic.apply(&mut headers);
        }
    }
    let call = Call {
        method: Method::POST,
        uri: grant.auth_url.clone(),
        headers,
        body: body.into(),
        timeout,
        response_bytes_max: ANSWER_BYTES_MAX,
    };
    let answer = client.send(call).await.map_err(OAuthError::Silent)?;
    if answer.status.is_success() {
        granted(&answer)
    } else {
        Err(refused(&answer, grant, now))
    }
}

fn granted(answer: &Answer) -> Result<Granted, OAuthError> {
    let unusable = |why| Err(OAuthError::Unusable(why));
    let Ok(Value::Object(members)) = serde_json::from_slice::<Value>(&answer.body) else {
        return unusable("it is not a JSON object");
    };
    let text = |name: &str| {
        members
            .get(name)
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty())
    };
    let Some(access_token) = text("access_token") else {
        return unusable("it holds no `access_token`");
    };
    let refresh_token = text("refresh_token");
    let is_long = |token: &str| token.len() > TOKEN_BYTES_MAX;
    if is_long(access_token) || refresh_token.is_some_and(is_long) {
        return unusable("its tokens are too long");
    }
    if Authorization::bearer(access_token).is_err() {
        return unusable("its `access_token` fits into no header");
    }
    if text("token_type").is_some_and(|kind| !kind.eq_ignore_ascii_case("bearer")) {
        return unusable("its `token_type` is not `Bearer`");
    }
    Ok(Granted {
        access_token: Secret::new(access_token),
        refresh_token: refresh_token.map(Secret::new),
        expires_in: members.get("expires_in").and_then(seconds),
    })
}

/// A number, or one as text, as some servers write it.
fn seconds(value: &Value) -> Option<Duration> {
    let number = match value {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => text.trim().parse().ok()?,
        _ => return None,
    };
    Duration::try_from_secs_f64(number.max(0.0)).ok()
}

/// What the server said, without the credentials that it may have repeated.
fn refused(answer: &Answer, grant: &Grant, now: Timestamp) -> OAuthError {
    let document = serde_json::from_slice::<Value>(&answer.body).unwrap_or_default();
    let text = |name: &str| document[name].as_str().unwrap_or_default();
    let error: String = text("error")
        .chars()
        .filter(char::is_ascii_graphic)
        .take(60)
        .collect();
    let secrets = [grant.client_secret.expose(), grant.refresh_token.expose()];
    let description = match text("error_description") {
        "" => without(&secrets, answer.excerpt(usize::from(u16::MAX))),
        said => without(&secrets, said.replace(char::is_control, " ")),
    };
    OAuthError::Refused {
        status: answer.status.as_u16(),
        error: without(&secrets, error),
        description: description.chars().take(DESCRIPTION_CHARS_MAX).collect(),
        retry_after: answer.retry_after(now),
    }
}

/// A stranger's words with `***` in the place of each secret that it repeats, as it is or as it was sent in a form.
pub fn without(secrets: &[&str], text: String) -> String {
    let mut text = text;
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        for form in [(*secret).to_owned(), escaped(secret)] {
            if text.contains(&form) {
                text = text.replace(&form, "***");
            }
        }
    }
    text
}

/// For a form: everything but letters, digits and `-._~` as `%XX`.
pub(crate) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::StatusCode;

    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer {
            status: StatusCode::from_u16(status).expect("a status"),
            headers: HeaderMap::new(),
            body: Bytes::copy_from_slice(body.as_bytes()),
            truncated: false,
            elapsed: Duration::ZERO,
        }
    }

    fn grant() -> Grant {
        Grant {
            auth_url: "https://id.example/token".parse().expect("a URI"),
            client_id: "client".to_owned(),
            client_secret: Secret::new("s3cr3t &"),
            refresh_token: Secret::new("r-1"),
        }
    }

    fn noon() -> Timestamp {
        "2026-03-02T12:00:00Z".parse().expect("a time")
    }

    #[test]
    fn answers_of_real_servers_are_understood() {
        for (body, seconds, rotated) in [
            (
                r#"{"access_token":"a","token_type":"bearer","expires_in":3600}"#,
                Some(3600),
                None,
            ),
            (
                r#"{"access_token":"a","token_type":"Bearer","expires_in":"14399","refresh_token":"r"}"#,
                Some(14_399),
                Some("r"),
            ),
            (r#"{"access_token":"a"}"#, None, None),
            (
                r#"{"access_token":"a","expires_in":-1,"refresh_token":"","scope":[]}"#,
                Some(0),
                None,
            ),
            (
                r#"{"access_token":"a","expires_in":null,"refresh_token":null}"#,
                None,
                None,
            ),
        ] {
            let granted = granted(&answer(200, body)).expect(body);
            assert_eq!(granted.access_token.expose(), "a");
            assert_eq!(
                granted.expires_in,
                seconds.map(Duration::from_secs),
                "{body}"
            );
            assert_eq!(
                granted.refresh_token.as_ref().map(Secret::expose),
                rotated,
                "{body}"
            );
        }
        for body in [
            "",
            "[]",
            "null",
            "<html>",
            r#"{"access_token":7}"#,
            r#"{"access_token":""}"#,
            r#"{"token":"a"}"#,
            r#"{"access_token":"a","token_type":"mac"}"#,
            r#"{"access_token":"a\nb"}"#,
        ] {
            let error = granted(&answer(200, body)).expect_err(body);
            assert_eq!(error.code(), "token-unusable", "{body}");
        }
        let long = format!(
            r#"{{"access_token":"{}"}}"#,
            "x".repeat(TOKEN_BYTES_MAX + 1)
        );
        assert!(granted(&answer(200, &long)).is_err());
    }

    #[test]
    fn a_refusal_says_why_without_the_credentials() {
        let body =
            r#"{"error":"invalid_grant","error_description":"r-1 of s3cr3t & was revoked\n"}"#;
        let error = refused(&answer(400, body), &grant(), noon());
        assert_eq!(
            error.to_string(),
            "the token server refused (400 invalid_grant): *** of *** was revoked "
        );
        assert!(!error.is_invalid_client());
        let error = refused(
            &answer(401, r#"{"error":"invalid_client"}"#),
            &grant(),
            noon(),
        );
        assert!(error.is_invalid_client());
        let error = refused(&answer(503, "down: s3cr3t%20%26"), &grant(), noon());
        assert_eq!(
            error.to_string(),
            "the token server refused (503 ): down: ***"
        );
    }

    #[tokio::test]
    async fn a_token_is_good_until_shortly_before_it_expires() {
        let tokens = Tokens::default();
        let granted = |seconds: Option<u64>| Granted {
            access_token: Secret::new("a"),
            refresh_token: None,
            expires_in: seconds.map(Duration::from_secs),
        };
        for (said, good_for) in [
            (Some(3_600), 3_540),
            (Some(100), 75),
            (Some(0), 0),
            (None, 540),
            (Some(1 << 40), 86_340),
        ] {
            let mut turn = tokens.turn(AccountId(1), &format!("{said:?}")).await;
            assert!(turn.token(noon(), None).is_none());
            turn.keep(&granted(said), noon());
            let at = |second: i64| noon() + jiff::SignedDuration::from_secs(second);
            assert!(
                turn.token(at(good_for - 1), None).is_some() || good_for == 0,
                "{said:?}"
            );
            assert!(turn.token(at(good_for), None).is_none(), "{said:?}");
        }
        let mut turn = tokens.turn(AccountId(2), "x").await;
        let token = turn.keep(&granted(Some(3_600)), noon());
        assert!(turn.token(noon(), Some(&token)).is_none(), "it was refused");
        drop(turn);
        assert!(
            tokens
                .turn(AccountId(3), "x")
                .await
                .token(noon(), None)
                .is_none(),
            "another account's"
        );
        assert!(
            tokens
                .turn(AccountId(2), "x")
                .await
                .token(noon(), None)
                .is_some()
        );
    }

    #[tokio::test]
    async fn those_who_wait_share_what_a_fetch_met() {
        let tokens = Arc::new(Tokens::default());
        let options = crate::ClientOptions {
            guard: crate::Guard::default(),
            connect_timeout: Duration::from_secs(1),
            idle_timeout: Duration::from_secs(1),
            idle_per_host_max: 1,
            user_agent: "test".to_owned(),
        };
        let client = Client::new(options);
        let mut turn = tokens.turn(AccountId(1), "x").await;
        let waiting = Arc::clone(&tokens);
        let mut waiting = Box::pin(async move { waiting.turn(AccountId(1), "x").await.failure() });
        assert!(futures_polled(&mut waiting).await, "it has to wait");
        let grant = Grant {
            // The guard refuses it before anything is sent.
            auth_url: "http://127.0.0.1:9/token".parse().expect("a URI"),
            ..grant()
        };
        let fetched = turn
            .fetch(&client, &grant, Duration::from_secs(1), noon())
            .await;
        assert_eq!(fetched.expect_err("refused").code(), "token-silent");
        drop(turn);
        assert_eq!(
            waiting.await.map(|error| error.code()),
            Some("token-silent")
        );
        assert!(
            tokens.turn(AccountId(1), "x").await.failure().is_none(),
            "a later one tries for itself"
        );
    }

    /// Polls once; whether it is still pending.
    async fn futures_polled<F: Future + Unpin>(future: &mut F) -> bool {
        std::future::poll_fn(|context| {
            std::task::Poll::Ready(std::pin::Pin::new(&mut *future).poll(context).is_pending())
        })
        .await
    }
}
