//! One attempt: what a row says goes out, signed in as its receiver wants it, and how that ended.
//!
//! Promises: each call within the limits of pushes; no credential in what is kept of an answer, even if a stranger
//! repeats it.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use jiff::Timestamp;
use model::retry::{Verdict, verdict};
use model::{Authentication, EndpointStatus, OutboxId, Secret};
use outbound::mail::Mail;
use outbound::oauth::without;
use outbound::{Answer, Call, Failure, signature};
use serde_json::Value;
use store::delivery::Attempt;
use store::outbox::OutboxRow;

use crate::authentication::SignInError;
use crate::outbox::Outgoing;
use crate::{Hub, Result, Scope};

/// Characters of an answer that are kept for people.
const DETAIL_CHARS_MAX: usize = 500;

/// How a mail waits for somebody to configure a server.
pub(super) const NO_SERVER: &str = "mail-no-server";

/// How an attempt ended.
pub(super) enum Ended {
    /// Nobody wants it any more; nothing was sent.
    Unwanted,
    Tried {
        verdict: Verdict,
        attempt: Attempt,
        retry_after: Option<Duration>,
    },
}

/// Whether somebody has to do something for what failed so, although it is tried again.
pub(super) fn needs_people(failure: &str) -> bool {
    failure.starts_with("token-") || matches!(failure, "credentials" | "supplier-key" | NO_SERVER)
}

/// Where a call goes, how it is signed in to, and what it says.
struct Post<'a> {
    url: &'a str,
    authentication: Option<&'a Authentication>,
    signed_with: Vec<signature::Secret>,
    body: &'a Value,
}

impl Hub {
    /// Makes one attempt.
    ///
    /// # Errors
    /// Only faults of ours: nothing was learned of the receiver.
    pub(super) async fn send_row(&self, row: &OutboxRow) -> Result<Ended> {
        let scope = Scope(super::account_of(row.account));
        match self.outbox_open(row)? {
            Outgoing::Notification { endpoint, body } => {
                let mut tx = self.db.read().await?;
                let target = self.notification_target(&mut tx, scope, endpoint).await?;
                drop(tx);
                let Some(target) = target else {
                    return Ok(Ended::Unwanted);
                };
                let entry = self.registry.endpoint(endpoint);
                let secrets = entry.iter().flat_map(|entry| &entry.secrets().webhook);
                let post = Post {
                    url: &target.url,
                    authentication: target.authentication.as_ref(),
                    signed_with: secrets.filter_map(|s| s.expose().parse().ok()).collect(),
                    body: &body,
                };
                self.post(scope, row.id, post).await
            }
            Outgoing::Connect {
                url,
                authentication,
                body,
                endpoint,
            } => {
                // Its provider has answered otherwise, or nobody wants it any more.
                let entry = self.registry.endpoint(endpoint);
                if entry.is_none_or(|one| one.endpoint.status != EndpointStatus::Pending) {
                    return Ok(Ended::Unwanted);
                }
                let post = Post {
                    url: &url,
                    authentication: authentication.as_ref(),
                    signed_with: Vec::new(),
                    body: &body,
                };
                self.post(scope, row.id, post).await
            }
            Outgoing::Mail { to, subject, text } => {
                Ok(self.hand_over(row.id, (&to, &subject, &text)).await)
            }
        }
    }

    /// To the mail server.
    async fn hand_over(&self, id: OutboxId, (to, subject, text): (&str, &str, &str)) -> Ended {
        let at = self.now();
        let id = format!("out_{id}");
        let mail = Mail {
            id: &id,
            to,
            subject,
            text,
            at,
        };
        let sent = self.mail_send(&mail).await;
        let elapsed = millis(at, self.now());
        let (verdict, failure, detail) = match sent {
            Ok(said) => (Verdict::Delivered, None, said),
            Err(failure) if failure.is_retryable() => {
                (Verdict::Retry, Some(failure.code()), failure.to_string())
            }
            Err(failure) => (Verdict::Refused, Some(failure.code()), failure.to_string()),
        };
        Ended::Tried {
            verdict,
            retry_after: None,
            attempt: Attempt {
                at,
                duration_ms: elapsed,
                status: None,
                failure: failure.map(|code| format!("mail-{code}")),
                detail,
            },
        }
    }

    /// `POST`, with a new access token if the one that is kept is refused.
    async fn post(&self, scope: Scope, id: OutboxId, post: Post<'_>) -> Result<Ended> {
        let mut refused: Option<Secret> = None;
        loop {
            let at = self.now();
            let uri = match self.client.check(post.url) {
                Ok(uri) => uri,
                Err(failure) => {
                    return Ok(tried(
                        at,
                        failure.code(),
                        &failure.to_string(),
                        Verdict::Refused,
                    ));
                }
            };
            let mut headers = headers(id, &post, at);
            let mut signed_in = None;
            if let Some(authentication) = post.authentication {
                match self.sign_in(scope, authentication, refused.as_ref()).await {
                    Ok(done) => {
                        done.authorization.apply(&mut headers);
                        signed_in = Some(done);
                    }
                    Err(SignInError::Store(error)) => return Err(error),
                    Err(error) => return Ok(not_signed_in(at, self.now(), error)),
                }
            }
            let call = Call {
                method: Method::POST,
                uri,
                headers,
                body: Bytes::from(post.body.to_string()),
                timeout: self.options.delivery.timeout,
                response_bytes_max: self.options.delivery.response_bytes_max,
            };
            let result = self.client.send(call).await;
            let is_refused = result
                .as_ref()
                .is_ok_and(|a| a.status == StatusCode::UNAUTHORIZED);
            let token = signed_in.as_ref().and_then(|done| done.token.clone());
            if is_refused && token.is_some() && refused.is_none() {
                refused = token;
                continue;
            }
            let stated = post.authentication.map(Authentication::secrets);
            let mut secrets = stated.unwrap_or_default();
            secrets.extend(signed_in.iter().map(|done| done.authorization.credential()));
            // What a connect call hands over.
            secrets.extend(post.body["endpointKey"].as_str());
            return Ok(ended(result, (at, self.now()), &secrets));
        }
    }
}

/// What the receiver sees beside the body and the credentials: an id that stays the same when it is sent again.
fn headers(id: OutboxId, post: &Post<'_>, at: Timestamp) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(6);
    let json = HeaderValue::from_static("application/json");
    headers.insert(header::CONTENT_TYPE, json);
    let (id, timestamp_s) = (format!("out_{id}"), at.as_second());
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert(signature::ID, id);
    }
    headers.insert(signature::TIMESTAMP, HeaderValue::from(timestamp_s));
    if !post.signed_with.is_empty() {
        let body = post.body.to_string();
        let signed = signature::sign(&post.signed_with, &id, timestamp_s, body.as_bytes());
        if let Ok(signed) = HeaderValue::from_str(&signed) {
            headers.insert(signature::SIGNATURE, signed);
        }
    }
    headers
}

fn ended(
    result: std::result::Result<Answer, Failure>,
    (at, now): (Timestamp, Timestamp),
    secrets: &[&str],
) -> Ended {
    match result {
        Ok(answer) => {
            let status = answer.status.as_u16();
            // Taken out before it is cut: half a secret is too much of it.
            let text = without(secrets, answer.excerpt(answer.body.len()));
            Ended::Tried {
                verdict: verdict(status),
                retry_after: answer.retry_after(now),
                attempt: Attempt {
                    at,
                    duration_ms: u64::try_from(answer.elapsed.as_millis()).unwrap_or(u64::MAX),
                    status: Some(status),
                    failure: None,
                    detail: text.chars().take(DETAIL_CHARS_MAX).collect(),
                },
            }
        }
        Err(failure) => {
            let verdict = if failure.is_retryable() {
                Verdict::Retry
            } else {
                Verdict::Refused
            };
            let mut ended = tried(at, failure.code(), &failure.to_string(), verdict);
            if let Ended::Tried { attempt, .. } = &mut ended {
                attempt.duration_ms = millis(at, now);
            }
            ended
        }
    }
}

/// No token, or none that could be used: it waits, whatever the token server said.
fn not_signed_in(at: Timestamp, now: Timestamp, error: SignInError) -> Ended {
    let (code, why, retry_after) = match error {
        SignInError::Token(error) => (error.code(), error.to_string(), error.retry_after()),
        SignInError::Credentials(code, why) => (code, why, None),
        SignInError::Store(error) => ("internal", error.to_string(), None),
    };
    Ended::Tried {
        verdict: Verdict::Retry,
        retry_after,
        attempt: Attempt {
            at,
            duration_ms: millis(at, now),
            status: None,
            failure: Some(code.to_owned()),
            detail: why.chars().take(DETAIL_CHARS_MAX).collect(),
        },
    }
}

fn tried(at: Timestamp, code: &str, why: &str, verdict: Verdict) -> Ended {
    Ended::Tried {
        verdict,
        retry_after: None,
        attempt: Attempt {
            at,
            duration_ms: 0,
            status: None,
            failure: Some(code.to_owned()),
            detail: why.chars().take(DETAIL_CHARS_MAX).collect(),
        },
    }
}

fn millis(at: Timestamp, now: Timestamp) -> u64 {
    let elapsed = Duration::try_from(now.duration_since(at)).unwrap_or_default();
    u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
}
