//! The exchange that is spoken to: where it is, who speaks, and one call.

use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Uri};
use outbound::{Answer, Call, Client, ClientOptions, Guard};
use serde_json::Value;

use super::view::View;
use super::{Body, CliError, Request};

/// Longer than any verb takes; a large replay looks through the whole log.
const TIMEOUT: Duration = Duration::from_secs(300);
/// A page of a thousand events with their bodies fits.
const ANSWER_BYTES_MAX: usize = 256 << 20;

/// Where the exchange is and how it is spoken to.
#[derive(Args)]
pub(super) struct Remote {
    /// Address of the exchange.
    #[arg(
        long,
        global = true,
        env = "RIALTO_SERVER",
        default_value = "http://127.0.0.1:8080",
        value_name = "URL"
    )]
    server: String,
    /// The operator token, or the token of a session or of one's own.
    #[arg(
        long,
        global = true,
        env = "RIALTO_OPERATOR_TOKEN",
        hide_env_values = true,
        value_name = "TOKEN"
    )]
    token: Option<String>,
    /// Print the answer as JSON, for programs.
    #[arg(long, global = true)]
    json: bool,
}

impl Remote {
    pub(super) fn is_json(&self) -> bool {
        self.json
    }

    /// One call; the answer's JSON.
    pub(super) async fn call(&self, request: &Request) -> Result<Value, CliError> {
        let server = self.server.trim_end_matches('/');
        let unreachable = |source| CliError::Unreachable {
            server: server.to_owned(),
            source,
        };
        let client = client();
        let call = Call {
            method: request.method.clone(),
            uri: self.uri(server, request)?,
            headers: self.headers(request)?,
            body: match &request.body {
                None => Bytes::new(),
                Some(Body::Json(body)) => body.to_string().into(),
                Some(Body::Csv(file)) => file.clone(),
            },
            timeout: TIMEOUT,
            response_bytes_max: ANSWER_BYTES_MAX,
        };
        let answer = client.send(call).await.map_err(unreachable)?;
        if matches!(request.view, View::Raw) && answer.status.is_success() {
            let text = String::from_utf8_lossy(&answer.body);
            return Ok(Value::String(text.into_owned()));
        }
        let body = serde_json::from_slice(&answer.body);
        let body: Value = body.map_err(|_| CliError::NotOurs(server.to_owned()))?;
        if answer.status.is_success() {
            Ok(body)
        } else {
            Err(refused(&answer, &body))
        }
    }

    fn uri(&self, server: &str, request: &Request) -> Result<Uri, CliError> {
        let mut text = format!("{server}/manage/v1{}", request.path);
        for (number, (name, value)) in request.query.iter().enumerate() {
            let separator = if number == 0 { '?' } else { '&' };
            text.push(separator);
            text.push_str(name);
            text.push('=');
            text.push_str(&encoded(value));
        }
        let uri = text.parse::<Uri>().ok();
        uri.filter(|uri| matches!(uri.scheme_str(), Some("http" | "https")))
            .ok_or_else(|| CliError::Server(self.server.clone()))
    }

    fn headers(&self, request: &Request) -> Result<HeaderMap, CliError> {
        let mut headers = HeaderMap::new();
        if !request.is_public {
            let token = self.token.as_deref().filter(|token| !token.is_empty());
            let token = token.ok_or(CliError::NoToken)?;
            let bearer = HeaderValue::from_str(&format!("Bearer {token}"));
            let mut bearer = bearer.map_err(|_| CliError::NoToken)?;
            bearer.set_sensitive(true);
            headers.insert(AUTHORIZATION, bearer);
        }
        let media = match request.body {
            Some(Body::Csv(_)) => "text/csv",
            _ => "application/json",
        };
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(media));
        Ok(headers)
    }
}

/// The operator may call whatever address the operator names.
fn client() -> Client {
    let everywhere = [[0; 4].into(), std::net::IpAddr::from([0u16; 8])];
    let allow = everywhere
        .into_iter()
        .map(|ip| ipnet::IpNet::new_assert(ip, 0));
    Client::new(ClientOptions {
        guard: Guard {
            allow_private: true,
            allow: allow.collect(),
        },
        connect_timeout: Duration::from_secs(5),
        idle_timeout: Duration::from_secs(5),
        idle_per_host_max: 1,
        user_agent: concat!("rialto-cli/", env!("CARGO_PKG_VERSION")).to_owned(),
    })
}

/// What the problem document says.
fn refused(answer: &Answer, body: &Value) -> CliError {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let listed = body["errors"].as_array().into_iter().flatten();
    let errors: Vec<_> = listed
        .map(|error| (text(&error["pointer"]), text(&error["message"])))
        .collect();
    // What is listed need not be summed up.
    let why = if errors.is_empty() {
        format!("{}: {}", text(&body["title"]), text(&body["detail"]))
    } else {
        text(&body["title"])
    };
    CliError::Refused {
        status: answer.status.as_u16(),
        why,
        errors,
    }
}

/// For a query: everything but letters, digits and `-._~` as `%XX`.
fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_carries_any_text() {
        assert_eq!(
            encoded("2026-11-21T09:00:00+01:00"),
            "2026-11-21T09%3A00%3A00%2B01%3A00"
        );
        assert_eq!(encoded("a&b=ü"), "a%26b%3D%C3%BC");
    }
}
