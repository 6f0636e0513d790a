//! What a push consumer is asked to do: make a segment, and add, replace or remove its rows.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, TryStreamExt as _};
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, Method, StatusCode};
use jiff::Timestamp;
use model::SegmentId;
use model::endpoint::ShareAction;
use outbound::{Answer, Cause};
use serde_json::{Value, json};

use super::{ANSWER_BYTES_MAX, EXCERPT_CHARS_MAX, Peer, Trouble, heals, segment_path};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// CSV on its way to a consumer: the header row, then rows.
pub(crate) struct Rows {
    /// Exactly so many bytes.
    pub(crate) bytes: u64,
    pub(crate) chunks: Pin<Box<dyn Stream<Item = std::io::Result<Bytes>> + Send>>,
}

/// What a consumer made of rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Handed {
    /// It has them. The numbers are rows, where it says so.
    Taken {
        accepted: Option<u64>,
        refused: Option<u64>,
    },
    /// 308: it wants this done in the place of what was asked.
    Instead(ShareAction),
    /// 501: it does not do this at all.
    NotSupported,
    /// It will not take them.
    Refused { status: u16, excerpt: String },
    /// It could not be called, and will not be as long as nobody changes something.
    Unreachable(String),
    /// The same call may succeed later.
    Again {
        why: String,
        retry_after: Option<Duration>,
    },
}

impl Peer {
    /// `POST /v1/segments` with `name`, `description` and an empty `category`: makes a segment and answers its id. Taken:
    /// the bare id, and objects with it as `id`, `id_string` or `segmentId`, or with such an object or id as `result`.
    pub(crate) async fn create_segment(
        &self,
        name: &str,
        description: Option<&str>,
    ) -> Result<SegmentId, Trouble> {
        const PATH: &str = "/v1/segments";
        let body =
            json!({ "name": name, "description": description.unwrap_or_default(), "category": "" });
        let call = self.call(Method::POST, PATH, ANSWER_BYTES_MAX)?;
        let answer = self.answered(Self::json(call, &body)).await?;
        model::segment::parse_made(&answer.body).ok_or_else(|| {
            let found = answer.excerpt(EXCERPT_CHARS_MAX);
            let why = format!("the answer has no id of the new segment in it: {found}");
            self.refused(PATH, &why)
        })
    }

    /// `POST` (add), `PUT` (replace) or `DELETE` (remove) `/v1/segments/{id}/data` with CSV. The same `key` goes with the
    /// same rows, so that a consumer can tell a call that is made again. Answers other than a success may come before all
    /// rows are sent; then the rest is not sent.
    pub(crate) async fn hand_over(
        &self,
        action: ShareAction,
        id: &SegmentId,
        rows: Rows,
        key: &str,
    ) -> Handed {
        let method = match action {
            ShareAction::Add => Method::POST,
            ShareAction::Replace => Method::PUT,
            ShareAction::Remove => Method::DELETE,
        };
        let path = format!("{}/data", segment_path(id));
        let mut call = match self.call(method, &path, ANSWER_BYTES_MAX) {
            Ok(call) => call,
            Err(trouble) => return unanswered(trouble),
        };
        let csv = HeaderValue::from_static("text/csv; charset=utf-8");
        call.headers.insert(CONTENT_TYPE, csv);
        if let Ok(key) = HeaderValue::from_str(key) {
            call.headers.insert(IDEMPOTENCY_KEY, key);
        }
        call.timeout = self.limits.transfer_timeout;
        let idle = self.limits.idle_timeout;
        let cause = |error: std::io::Error| -> Cause { Arc::new(error) };
        let chunks = rows.chunks.map_err(cause).boxed();
        let answered = self
            .client
            .upload(call, idle, Some(rows.bytes), chunks)
            .await;
        match answered {
            Ok(answer) => judge(action, &self.without_credentials(answer), self.now()),
            Err(failure) => unanswered(self.unanswered(&path, &failure)),
        }
    }
}

/// What an answer means.
fn judge(action: ShareAction, answer: &Answer, now: Timestamp) -> Handed {
    let excerpt = || answer.excerpt(EXCERPT_CHARS_MAX);
    let refused = || Handed::Refused {
        status: answer.status.as_u16(),
        excerpt: excerpt(),
    };
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    match answer.status {
        // The published API answers `false` where something was not done.
        status if status.is_success() && body == Value::Bool(false) => refused(),
        status if status.is_success() => Handed::Taken {
            accepted: count(&body, &["accepted", "acceptedCount"]),
            refused: count(&body, &["refused", "rejected", "rejectedCount"]),
        },
        StatusCode::PERMANENT_REDIRECT => {
            let wish = body["shareAction"].as_str().and_then(ShareAction::parse);
            match wish.filter(|wish| *wish != action) {
                Some(wish) => Handed::Instead(wish),
                None => refused(),
            }
        }
        StatusCode::NOT_IMPLEMENTED => Handed::NotSupported,
        status if heals(status) => Handed::Again {
            why: format!("the destination answered {status}: {}", excerpt()),
            retry_after: answer.retry_after(now),
        },
        _ => refused(),
    }
}

fn unanswered(trouble: Trouble) -> Handed {
    match trouble {
        Trouble::Again { why, retry_after } => Handed::Again { why, retry_after },
        Trouble::Refused(why) => Handed::Unreachable(why),
    }
}

/// A number of rows, of the answer or of its `result`.
fn count(body: &Value, names: &[&str]) -> Option<u64> {
    let mut places = [body, &body["result"]].into_iter();
    places.find_map(|place| names.iter().find_map(|name| place[*name].as_u64()))
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use http::header::RETRY_AFTER;

    use super::*;

    fn judged(status: u16, body: &'static str) -> Handed {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, HeaderValue::from_static("7"));
        let answer = Answer {
            status: StatusCode::from_u16(status).expect("a status"),
            headers,
            body: Bytes::from_static(body.as_bytes()),
            truncated: false,
            elapsed: Duration::ZERO,
        };
        judge(ShareAction::Add, &answer, Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn every_answer_to_rows_has_its_meaning() {
        let taken = |accepted, refused| Handed::Taken { accepted, refused };
        let refused = |status, excerpt: &str| Handed::Refused {
            status,
            excerpt: excerpt.to_owned(),
        };
        for (status, body, expected) in [
            (200, "true", taken(None, None)),
            (204, "", taken(None, None)),
            (
                202,
                r#"{"accepted":10,"refused":2}"#,
                taken(Some(10), Some(2)),
            ),
            (
                200,
                r#"{"result":{"acceptedCount":10,"rejected":0}}"#,
                taken(Some(10), Some(0)),
            ),
            (200, "false", refused(200, "false")),
            (
                308,
                r#"{"shareAction":"REPLACE"}"#,
                Handed::Instead(ShareAction::Replace),
            ),
            (
                308,
                r#"{"shareAction":"ADD"}"#,
                refused(308, r#"{"shareAction":"ADD"}"#),
            ),
            (308, "", refused(308, "")),
            (501, "", Handed::NotSupported),
            (400, "no such list", refused(400, "no such list")),
            (302, "", refused(302, "")),
        ] {
            assert_eq!(judged(status, body), expected, "{status} {body}");
        }
        for status in [408, 425, 429, 500, 502, 503] {
            let Handed::Again { why, retry_after } = judged(status, "busy") else {
                panic!("{status} heals");
            };
            assert_eq!(retry_after, Some(Duration::from_secs(7)));
            assert!(why.contains("busy"), "{why}");
        }
    }
}
