//! What a refused caller reads: RFC 9457 problem documents from a closed catalogue, from which `docs/errors.md` is made.
//!
//! Every document also has `message` (clients of the published API tell errors from answers by it) and, where data broke
//! rules, `errors` with a JSON pointer each. To add a kind: add the variant, then the compiler asks for the rest; run
//! `cargo xtask docs`.

use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use model::{Invalid, Violation};
use serde::Serialize;

/// The kinds of problems; each has one status and one name for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    InvalidRequest,
    Unauthorized,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    RequestTimeout,
    Conflict,
    TooLarge,
    UnsupportedMediaType,
    RangeNotSatisfiable,
    TooManyRequests,
    Internal,
    Unavailable,
}

/// One row of the catalogue.
pub struct KindInfo {
    pub name: &'static str,
    pub status: u16,
    pub title: &'static str,
    /// What the caller should do.
    pub advice: &'static str,
}

const ALL: [Kind; 13] = [
    Kind::InvalidRequest,
    Kind::Unauthorized,
    Kind::Forbidden,
    Kind::NotFound,
    Kind::MethodNotAllowed,
    Kind::RequestTimeout,
    Kind::Conflict,
    Kind::TooLarge,
    Kind::UnsupportedMediaType,
    Kind::RangeNotSatisfiable,
    Kind::TooManyRequests,
    Kind::Internal,
    Kind::Unavailable,
];

/// The whole catalogue, for the documents.
pub fn catalogue() -> Vec<KindInfo> {
    ALL.iter().map(|kind| kind.info()).collect()
}

impl Kind {
    fn info(self) -> KindInfo {
        let (name, status, title, advice) = match self {
            Self::InvalidRequest => (
                "invalid-request",
                400,
                "The request breaks rules",
                "Read `errors`: each names the place in the body by its JSON pointer and says what was expected. Repair all of them and send the call again; nothing of it was taken.",
            ),
            Self::Unauthorized => (
                "unauthorized",
                401,
                "No key was sent",
                "Send the header `Authorization: Bearer <key>`.",
            ),
            Self::Forbidden => (
                "forbidden",
                403,
                "The key does not allow this",
                "`detail` says why: the key is unknown, revoked or ended, of the wrong level, of the other environment, or for another endpoint. Use the right key and base URL, or ask the account's administrator for one.",
            ),
            Self::NotFound => (
                "not-found",
                404,
                "There is no such thing",
                "Check the path and the ids in it. Ids of other accounts answer like ids that do not exist.",
            ),
            Self::MethodNotAllowed => (
                "method-not-allowed",
                405,
                "The path does not take this method",
                "The header `Allow` lists the methods that it takes.",
            ),
            Self::RequestTimeout => (
                "request-timeout",
                408,
                "The request took too long",
                "`detail` tells the limit. Send the call again over a faster line, or send less in one call; with an `Idempotency-Key` it is safe to repeat.",
            ),
            Self::Conflict => (
                "conflict",
                409,
                "It contradicts what is there",
                "`detail` says what stands against it. Read the current state before you try again.",
            ),
            Self::TooLarge => (
                "too-large",
                413,
                "The request is too large",
                "`detail` tells the limit. Send less in one call, or ask the operator to raise the limit (`docs/configuration.md`).",
            ),
            Self::UnsupportedMediaType => (
                "unsupported-media-type",
                415,
                "The body is of a type that is not taken here",
                "Send JSON with `Content-Type: application/json`, plain or with `Content-Encoding: gzip` or `zstd`.",
            ),
            Self::RangeNotSatisfiable => (
                "range-not-satisfiable",
                416,
                "The file has no such bytes",
                "The header `Content-Range` of the answer tells how many bytes the file has; `Range: bytes=0-` asks for all of them.",
            ),
            Self::TooManyRequests => (
                "too-many-requests",
                429,
                "More is sent than can be taken",
                "Wait as long as `Retry-After` says, then send the same call again. Nothing of it was taken.",
            ),
            Self::Internal => (
                "internal",
                500,
                "Something went wrong in the exchange",
                "The call can be repeated; with an `Idempotency-Key` it is safe to. The operator finds the cause in the log.",
            ),
            Self::Unavailable => (
                "unavailable",
                503,
                "The exchange cannot store anything just now",
                "Wait as long as `Retry-After` says, then send the same call again. Nothing of it was taken. The operator sees the cause at `/readyz` and in the log.",
            ),
        };
        KindInfo {
            name,
            status,
            title,
            advice,
        }
    }
}

/// A refusal on its way to the caller.
#[derive(Debug)]
pub(crate) struct Problem {
    kind: Kind,
    detail: String,
    errors: Vec<Violation>,
    retry_after: Option<Duration>,
}

#[derive(Serialize)]
struct Document<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "<[Violation]>::is_empty")]
    errors: &'a [Violation],
}

impl Problem {
    pub(crate) fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            detail: detail.into(),
            errors: Vec::new(),
            retry_after: None,
        }
    }

    pub(crate) fn invalid(pointer: &str, code: &str, message: impl Into<String>) -> Self {
        Invalid::one(pointer, code, message).into()
    }

    pub(crate) fn after(mut self, retry_after: Duration) -> Self {
        self.retry_after = Some(retry_after);
        self
    }

    #[cfg(test)]
    pub(crate) fn status(&self) -> u16 {
        self.kind.info().status
    }

    /// For an answer of another's making that has a status and no document.
    pub(crate) fn of_status(status: StatusCode, detail: impl Into<String>) -> Self {
        let known = ALL
            .into_iter()
            .find(|kind| kind.info().status == status.as_u16());
        let kind = known.unwrap_or(if status.is_server_error() {
            Kind::Internal
        } else {
            Kind::InvalidRequest
        });
        Self::new(kind, detail)
    }
}

impl From<Invalid> for Problem {
    fn from(invalid: Invalid) -> Self {
        // Too much of something in the whole body is a matter of size, not of shape.
        let is_size = invalid
            .violations
            .iter()
            .all(|v| v.code == "too-many" && v.pointer.is_empty());
        let kind = if is_size && !invalid.is_empty() {
            Kind::TooLarge
        } else {
            Kind::InvalidRequest
        };
        Self {
            kind,
            detail: invalid.to_string(),
            errors: invalid.violations,
            retry_after: None,
        }
    }
}

impl From<hub::Error> for Problem {
    fn from(error: hub::Error) -> Self {
        match error {
            hub::Error::Invalid(invalid) => invalid.into(),
            error @ hub::Error::NotFound(_) => Self::new(Kind::NotFound, error.to_string()),
            hub::Error::Conflict(why) => Self::new(Kind::Conflict, why),
            hub::Error::Forbidden(why) => Self::new(Kind::Forbidden, why),
            hub::Error::Busy { retry_after, .. } => {
                Self::new(Kind::TooManyRequests, error.to_string()).after(retry_after)
            }
            hub::Error::Unavailable { retry_after, .. } => {
                log(&error);
                Self::new(Kind::Unavailable, error.to_string()).after(retry_after)
            }
            hub::Error::Internal(_) => {
                log(&error);
                Self::new(Kind::Internal, error.to_string())
            }
        }
    }
}

/// A fault is logged here, once, with its causes; the caller reads none of them.
fn log(error: &hub::Error) {
    tracing::error!(
        error = error as &dyn std::error::Error,
        "a call could not be served"
    );
}

impl Problem {
    fn document(&self) -> Document<'_> {
        let info = self.kind.info();
        Document {
            r#type: format!("urn:rialto:problem:{}", info.name),
            title: info.title,
            status: info.status,
            detail: &self.detail,
            message: &self.detail,
            errors: &self.errors,
        }
    }

    /// The status, and the document as a value: for an answer that shows what another one would be.
    pub(crate) fn shown(&self) -> (u16, serde_json::Value) {
        let document = serde_json::to_value(self.document()).unwrap_or_default();
        (self.kind.info().status, document)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let info = self.kind.info();
        let body = serde_json::to_vec(&self.document()).unwrap_or_default();
        let status = StatusCode::from_u16(info.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (
            status,
            [(header::CONTENT_TYPE, "application/problem+json")],
            body,
        )
            .into_response();
        let headers = response.headers_mut();
        if self.kind == Kind::Unauthorized {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(wait) = self.retry_after {
            headers.insert(
                header::RETRY_AFTER,
                HeaderValue::from(wait.as_secs().max(1)),
            );
        }
        response
    }
}
