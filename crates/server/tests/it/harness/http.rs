//! A small HTTP client for tests, on the product's own outbound client.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use outbound::{Call, Client, ClientOptions, Failure, Guard};
use serde_json::Value;

/// Calls one address.
#[derive(Clone)]
pub(crate) struct Http {
    client: Client,
    address: SocketAddr,
}

/// What came back.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {}", self.text()))
    }

    /// The pointers of a refusal's errors, sorted.
    pub(crate) fn pointers(&self) -> Vec<String> {
        let body = self.json();
        let errors = body["errors"].as_array().cloned().unwrap_or_default();
        let mut pointers: Vec<String> = errors
            .iter()
            .map(|e| e["pointer"].as_str().unwrap_or_default().to_owned())
            .collect();
        pointers.sort();
        pointers
    }
}

impl Http {
    pub(crate) fn new(address: SocketAddr) -> Self {
        let client = Client::new(ClientOptions {
            guard: Guard {
                allow_private: true,
                allow: Vec::new(),
            },
            connect_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(30),
            idle_per_host_max: 128,
            user_agent: "rialto-test".to_owned(),
        });
        Self { client, address }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// A call with a JSON body (or none) and a bearer (or none).
    pub(crate) async fn json(
        &self,
        method: &str,
        path: &str,
        key: Option<&str>,
        body: Option<Value>,
    ) -> Answer {
        let mut headers = Vec::new();
        if let Some(key) = key {
            headers.push(("authorization", format!("Bearer {key}")));
        }
        let bytes = match body {
            Some(body) => {
                headers.push(("content-type", "application/json".to_owned()));
                Bytes::from(body.to_string())
            }
            None => Bytes::new(),
        };
        let headers: Vec<(&str, &str)> = headers
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        self.send(method, path, &headers, bytes).await
    }

    pub(crate) async fn get(&self, path: &str, key: &str) -> Answer {
        self.json("GET", path, Some(key), None).await
    }

    /// A call with whatever headers and bytes.
    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        self.try_send(method, path, headers, body)
            .await
            .unwrap_or_else(|failure| panic!("{method} {path}: {failure}"))
    }

    /// The same to a server that may be gone.
    pub(crate) async fn try_send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<Answer, Failure> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name = HeaderName::from_bytes(name.as_bytes()).expect("a header name");
            map.append(name, HeaderValue::from_str(value).expect("a header value"));
        }
        let call = Call {
            method: Method::from_bytes(method.as_bytes()).expect("a method"),
            uri: self.url(path).parse().expect("a URL"),
            headers: map,
            body: body.into(),
            timeout: Duration::from_secs(60),
            response_bytes_max: 64 << 20,
        };
        let answer = self.client.send(call).await?;
        Ok(Answer {
            status: answer.status.as_u16(),
            headers: answer.headers,
            body: answer.body,
        })
    }
}
