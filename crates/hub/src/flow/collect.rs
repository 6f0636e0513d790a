//! Pull publishers: fetches event files from the publisher's URL and publishes what they hold.
//!
//! The same three calls that pull subscribers make of us: list, get, delete. A file is published under a key made of
//! its name and content, so a crash between publishing and deleting publishes nothing twice.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::{HeaderMap, Method, StatusCode, Uri};
use model::endpoint::Transfer;
use model::{EndpointId, Invalid};
use outbound::Call;
use serde_json::value::RawValue;

use crate::publish::digest;
use crate::registry::EndpointEntry;
use crate::{Error, Hub, Result, Scope};

/// Names asked for at once, as many as the published API allows.
const NAMES_MAX: usize = 10;
/// Lists read from one publisher in one step: the rest comes with the next.
const LISTS_MAX: usize = 100;
/// Publishers collected from at once: one that hangs delays few others.
const PUBLISHERS_AT_ONCE: usize = 16;
const LIST_BYTES_MAX: usize = 64 << 10;
const TIMEOUT: Duration = Duration::from_secs(60);

/// What one step of the collector did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CollectReport {
    pub publishers: usize,
    pub files: u64,
    pub events: u64,
    /// Publishers that could not be collected from; told by a notice when it begins.
    pub failed: usize,
}

impl Hub {
    /// Asks every pull publisher for event files.
    pub async fn collect(self: &Arc<Self>) -> Result<CollectReport> {
        let mut failing = self.flow.collecting.lock().await;
        let publishers = self.registry.endpoints().into_iter().filter_map(|entry| {
            if !self.flow.holds(self.logs.shard(entry.endpoint.account)) {
                return None;
            }
            let url = pull_url(&entry)?;
            Some(async move {
                let mut report = CollectReport::default();
                let ended = self.collect_from(&entry, &url, &mut report).await;
                (entry, report, ended)
            })
        });
        let mut collected = stream::iter(publishers).buffer_unordered(PUBLISHERS_AT_ONCE);
        let mut total = CollectReport::default();
        while let Some((entry, report, ended)) = collected.next().await {
            total.publishers += 1;
            total.files += report.files;
            total.events += report.events;
            let id = entry.endpoint.id;
            match ended {
                Ok(()) => {
                    failing.remove(&id);
                }
                Err(why) => {
                    total.failed += 1;
                    tracing::warn!(
                        endpoint_id = id.0,
                        reason = why,
                        "event files could not be collected; the next round tries again"
                    );
                    if failing.insert(id) {
                        let scope = Scope(entry.endpoint.account);
                        let message = format!(
                            "event files of endpoint {id} could not be collected, and the next round tries again: {why}"
                        );
                        self.notify_people(scope, Some(id), "collect-failed", &message)
                            .await?;
                    }
                }
            }
        }
        Ok(total)
    }

    /// Everything that the publisher lists, until it lists nothing more or something fails.
    async fn collect_from(
        self: &Arc<Self>,
        entry: &EndpointEntry,
        url: &str,
        report: &mut CollectReport,
    ) -> std::result::Result<(), String> {
        let base = url.trim_end_matches('/');
        let list = format!("{base}/v1/eventfiles?numFiles={NAMES_MAX}");
        for _ in 0..LISTS_MAX {
            let names = self
                .call(entry, Method::GET, &list, LIST_BYTES_MAX)
                .await?
                .unwrap_or_else(|| Bytes::from_static(b"[]"));
            let names: Vec<String> = serde_json::from_slice(&names)
                .map_err(|e| format!("the list of files is not a JSON array of names: {e}"))?;
            if names.is_empty() {
                return Ok(());
            }
            for name in &names {
                let path = format!("{base}/v1/eventfiles/{}", escaped(name));
                let bytes_max = self.options.collect.file_bytes_max;
                if let Some(file) = self.call(entry, Method::GET, &path, bytes_max).await? {
                    report.events += self.publish_file(entry.endpoint.id, name, &file).await?;
                }
                self.call(entry, Method::DELETE, &path, LIST_BYTES_MAX)
                    .await?;
                self.metrics.collected.inc();
                report.files += 1;
            }
        }
        Ok(())
    }

    /// Publishes a file: a JSON array of publish bodies, or one. Nobody hears a refusal here, so what is wrong is
    /// kept in quarantine, whatever the account's policy: the file must not stand in the way of the next.
    async fn publish_file(
        self: &Arc<Self>,
        endpoint: EndpointId,
        name: &str,
        file: &Bytes,
    ) -> std::result::Result<u64, String> {
        let id = endpoint.0.to_be_bytes();
        let key = |part: u64| {
            let part = part.to_be_bytes();
            digest(&[b"rialto file", &id, name.as_bytes(), file, &part])
        };
        let text = String::from_utf8_lossy(file);
        let bodies = match bodies(&text) {
            Ok(bodies) => bodies,
            Err(error) => {
                let message = format!("file {name} is not a JSON array of events: {error}");
                let invalid = Invalid::one("", "json", message);
                // As a JSON string, since what is in quarantine is JSON.
                let kept = serde_json::Value::from(&*text).to_string();
                let keep = self.keep_refused(endpoint, (key(0), &kept), &invalid);
                keep.await.map_err(|error| unkept(name, &error))?;
                return Ok(0);
            }
        };
        let mut events = 0;
        for (part, body) in (0..).zip(bodies) {
            let (key, body) = (key(part), body.get());
            match self
                .publish_once(endpoint, body.as_bytes(), Some(key))
                .await
            {
                Ok(published) => events += u64::from(published.accepted),
                Err(Error::Invalid(invalid)) => {
                    let keep = self.keep_refused(endpoint, (key, body), &invalid);
                    keep.await.map_err(|error| unkept(name, &error))?;
                }
                Err(error) => return Err(unkept(name, &error)),
            }
        }
        Ok(events)
    }

    /// The body of a successful answer; `None` for 404.
    async fn call(
        &self,
        entry: &EndpointEntry,
        method: Method,
        url: &str,
        bytes_max: usize,
    ) -> std::result::Result<Option<Bytes>, String> {
        let uri: Uri = url.parse().map_err(|_| format!("{url} is not a URL"))?;
        let mut headers = HeaderMap::new();
        let authorization = entry.secrets().authorization();
        if let Some(authorization) = &authorization {
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
        let mut answer = self
            .client
            .send(call)
            .await
            .map_err(|failure| format!("{url}: {failure}"))?;
        if !answer.status.is_success()
            && let Some(hidden) = authorization.and_then(|a| a.hidden_in(&answer.body))
        {
            // People read the start of it.
            answer.body = hidden.into();
        }
        if answer.truncated {
            return Err(format!(
                "{url}: the answer is larger than {bytes_max} bytes"
            ));
        }
        match answer.status {
            status if status.is_success() => Ok(Some(answer.body)),
            StatusCode::NOT_FOUND => Ok(None),
            status => Err(format!("{url}: answered {status}: {}", answer.excerpt(200))),
        }
    }
}

fn bodies(text: &str) -> serde_json::Result<Vec<&RawValue>> {
    if text.trim_start().starts_with('[') {
        serde_json::from_str(text)
    } else {
        Ok(vec![serde_json::from_str(text)?])
    }
}

fn unkept(name: &str, error: &Error) -> String {
    format!("file {name} could not be published: {error}")
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
pub(super) fn escaped(name: &str) -> String {
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
