//! Speaks to an exchange over HTTP, as any partner does. The client side of `demo` and `send`.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, Method, Uri};
use outbound::{Answer, Authorization, Call, Client, ClientOptions, Failure, Guard};
use serde_json::Value;

/// For everything of one call together.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Largest answer: an event file and some.
const ANSWER_BYTES_MAX: usize = 64 << 20;
/// Characters of an answer that an error repeats.
const EXCERPT_CHARS: usize = 400;

/// Why a call did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum PartnerError {
    #[error("`{server}` is not the URL of an exchange: expected `http://host:port`")]
    Server { server: String },
    #[error("the key holds characters that a header cannot carry: copy it again")]
    Key(#[source] outbound::AuthorizationError),
    #[error("{method} {path} got no answer")]
    Failed {
        method: Method,
        path: String,
        #[source]
        source: Failure,
    },
    #[error("{method} {path} was refused with {status}: {detail}")]
    Refused {
        method: Method,
        path: String,
        status: u16,
        detail: String,
    },
    #[error("{method} {path} answered what was not expected: {detail}")]
    Odd {
        method: Method,
        path: String,
        detail: String,
    },
}

/// One exchange at one address.
#[derive(Clone)]
pub struct Partner {
    client: Client,
    base: String,
}

impl Partner {
    /// `server` is a base URL, such as `http://127.0.0.1:8080`.
    ///
    /// # Errors
    /// [`PartnerError::Server`].
    pub fn new(server: &str) -> Result<Self, PartnerError> {
        // The operator of this command names the address, so private ones are as good as any.
        let guard = Guard {
            allow_private: true,
            allow: Vec::new(),
        };
        let client = Client::new(ClientOptions {
            guard,
            connect_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(60),
            idle_per_host_max: 256,
            user_agent: concat!("rialto/", env!("CARGO_PKG_VERSION")).to_owned(),
        });
        let base = server.trim_end_matches('/').to_owned();
        match client.check(&base) {
            Ok(_) => Ok(Self { client, base }),
            Err(_) => Err(PartnerError::Server { server: base }),
        }
    }

    /// The base URL, without a slash at its end.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// One call; any status is an answer. A body is JSON unless `more` says otherwise.
    ///
    /// # Errors
    /// [`PartnerError::Key`] and [`PartnerError::Failed`].
    pub async fn call(
        &self,
        method: Method,
        path: &str,
        key: &str,
        more: HeaderMap,
        body: Bytes,
    ) -> Result<Answer, PartnerError> {
        let uri: Uri =
            format!("{}{path}", self.base)
                .parse()
                .map_err(|_| PartnerError::Server {
                    server: self.base.clone(),
                })?;
        let mut headers = more;
        if !body.is_empty() {
            let json = HeaderValue::from_static("application/json");
            headers.entry(CONTENT_TYPE).or_insert(json);
        }
        Authorization::bearer(key)
            .map_err(PartnerError::Key)?
            .apply(&mut headers);
        let call = Call {
            method: method.clone(),
            uri,
            headers,
            body,
            timeout: TIMEOUT,
            response_bytes_max: ANSWER_BYTES_MAX,
        };
        self.client
            .send(call)
            .await
            .map_err(|source| PartnerError::Failed {
                method,
                path: path.to_owned(),
                source,
            })
    }

    /// One call that must succeed; answers its JSON.
    ///
    /// # Errors
    /// [`PartnerError`]; a refusal carries what the exchange said about it.
    pub async fn ask(
        &self,
        method: Method,
        path: &str,
        key: &str,
        body: &str,
    ) -> Result<Value, PartnerError> {
        let body = Bytes::copy_from_slice(body.as_bytes());
        let answer = self
            .call(method.clone(), path, key, HeaderMap::new(), body)
            .await?;
        if !answer.status.is_success() {
            return Err(PartnerError::Refused {
                method,
                path: path.to_owned(),
                status: answer.status.as_u16(),
                detail: detail(&answer),
            });
        }
        if answer.body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&answer.body).map_err(|_| PartnerError::Odd {
            method,
            path: path.to_owned(),
            detail: answer.excerpt(EXCERPT_CHARS),
        })
    }
}

/// What an exchange says about a refusal, in its own words.
pub fn detail(answer: &Answer) -> String {
    let problem: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    match problem["detail"].as_str() {
        Some(detail) => detail.to_owned(),
        None => answer.excerpt(EXCERPT_CHARS),
    }
}
