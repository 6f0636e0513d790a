//! Pull publishers: fetches event files from the publisher's URL and publishes what they hold.
//!
//! The same three calls that pull subscribers make of us: list, get, delete. A file is published under a key made of
//! its name and content, so a crash between publishing and deleting publishes nothing twice.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, Uri};
use model::EndpointId;
use model::endpoint::Transfer;
use outbound::Call;
use sha2::{Digest, Sha256};

use crate::registry::EndpointEntry;
use crate::{Error, Hub, Result};

/// Files taken from one publisher in one step.
const FILES_MAX: usize = 10;
const LIST_BYTES_MAX: usize = 64 << 10;
const TIMEOUT: Duration = Duration::from_secs(60);

/// What one step of the collector did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CollectReport {
    pub publishers: usize,
    pub files: u64,
    pub events: u64,
    /// Publishers that could not be collected from; told by a notice.
    pub failed: usize,
}

impl Hub {
    /// Asks every pull publisher for event files.
    pub async fn collect(self: &Arc<Self>) -> Result<CollectReport> {
        let _one = self.flow.collecting.lock().await;
        let mut report = CollectReport::default();
        for entry in self.registry.endpoints() {
            let Some(url) = pull_url(&entry) else {
                continue;
            };
            report.publishers += 1;
            if let Err(why) = self.collect_from(&entry, &url, &mut report).await {
                report.failed += 1;
                let id = entry.endpoint.id;
                tracing::warn!(
                    endpoint_id = id.0,
                    reason = why,
                    "event files could not be collected; the next round tries again"
                );
            }
        }
        Ok(report)
    }

    async fn collect_from(
        self: &Arc<Self>,
        entry: &EndpointEntry,
        url: &str,
        report: &mut CollectReport,
    ) -> std::result::Result<(), String> {
        let base = url.trim_end_matches('/');
        let list = self
            .call(
                entry,
                Method::GET,
                &format!("{base}/v1/eventfiles?numFiles={FILES_MAX}"),
                LIST_BYTES_MAX,
            )
            .await?;
        let names: Vec<String> = serde_json::from_slice(&list)
            .map_err(|e| format!("the list of files is not a JSON array of names: {e}"))?;
        for name in names.iter().take(FILES_MAX) {
            let path = format!("{base}/v1/eventfiles/{}", escaped(name));
            let file = self
                .call(
                    entry,
                    Method::GET,
                    &path,
                    self.options.collect.file_bytes_max,
                )
                .await?;
            report.events += self.publish_file(entry.endpoint.id, name, &file).await?;
            self.call(entry, Method::DELETE, &path, LIST_BYTES_MAX)
                .await?;
            self.metrics.collected.inc();
            report.files += 1;
        }
        Ok(())
    }

    /// Publishes a file: a JSON array of publish bodies, or one.
    async fn publish_file(
        self: &Arc<Self>,
        endpoint: EndpointId,
        name: &str,
        file: &Bytes,
    ) -> std::result::Result<u64, String> {
        let text = std::str::from_utf8(file).map_err(|_| format!("file {name} is not UTF-8"))?;
        let raw: Vec<&serde_json::value::RawValue> = if text.trim_start().starts_with('[') {
            serde_json::from_str(text)
                .map_err(|e| format!("file {name} is not a JSON array: {e}"))?
        } else {
            vec![serde_json::from_str(text).map_err(|e| format!("file {name} is not JSON: {e}"))?]
        };
        let digest = Sha256::digest(file);
        let mark: String = digest
            .iter()
            .take(8)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let mut events = 0;
        for (i, body) in raw.iter().enumerate() {
            let key = format!("file:{mark}:{i}");
            match self
                .publish(endpoint, body.get().as_bytes(), Some(&key))
                .await
            {
                Ok(published) => events += u64::from(published.accepted),
                Err(Error::Invalid(invalid)) => {
                    // Nobody hears a refusal here, so it is kept whatever the account's policy.
                    self.keep_refused(endpoint, body.get(), &invalid)
                        .await
                        .map_err(|e| e.to_string())?;
                }
                Err(error) => return Err(format!("file {name} could not be published: {error}")),
            }
        }
        Ok(events)
    }

    async fn call(
        &self,
        entry: &EndpointEntry,
        method: Method,
        url: &str,
        bytes_max: usize,
    ) -> std::result::Result<Bytes, String> {
        let uri: Uri = url.parse().map_err(|_| format!("{url} is not a URL"))?;
        let mut headers = HeaderMap::new();
        if let Some(authorization) = entry.secrets().authorization() {
            authorization.apply(&mut headers);
        }
        let call = Call {
            method,
            uri,
            headers,
            body: Bytes::new(),
            timeout: TIMEOUT,
            response_bytes_max: bytes_max,
        };
        let answer = self
            .client
            .send(call)
            .await
            .map_err(|failure| format!("{url}: {failure}"))?;
        if answer.truncated {
            return Err(format!(
                "{url}: the answer is larger than {bytes_max} bytes"
            ));
        }
        match answer.status {
            status if status.is_success() => Ok(answer.body),
            StatusCode::NOT_FOUND => Ok(Bytes::from_static(b"[]")),
            status => Err(format!("{url}: answered {status}: {}", answer.excerpt(200))),
        }
    }
}

/// Where to collect from, if this endpoint is an active pull publisher.
fn pull_url(entry: &EndpointEntry) -> Option<String> {
    let endpoint = &entry.endpoint;
    if !endpoint.enabled || endpoint.status != model::EndpointStatus::Active {
        return None;
    }
    let role = endpoint
        .definition
        .event_source()
        .filter(|role| role.transfer == Transfer::Pull)?;
    endpoint.definition.url_of(role).map(str::to_owned)
}

/// Percent-encodes one path segment.
fn escaped(name: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}
