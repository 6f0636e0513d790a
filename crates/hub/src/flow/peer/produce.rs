//! What a pull producer is asked for: the rows of a segment, at once, or by an export job when it has none at hand.

use std::fmt::Write as _;

use bytes::{Buf as _, Bytes};
use http::header::ACCEPT;
use http::{HeaderValue, Method, StatusCode};
use model::SegmentId;
use model::invalid::shown;
use model::share::RunWindow;
use outbound::{Call, Download};
use serde_json::{Value, json};

use super::{ANSWER_BYTES_MAX, EXCERPT_CHARS_MAX, Peer, Trouble, escaped, segment_path};
use crate::data_file::{Layer, Packed};

/// Which part of a segment's rows: `number` of `total`, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Batch {
    pub(crate) number: u32,
    pub(crate) total: u32,
}

/// Rows that come in chunks: CSV; what it was packed in is told by its first bytes and is off.
pub(crate) struct Data {
    download: Download,
    layer: Layer,
    /// What came and is still packed.
    packed: Bytes,
    /// What came out so far, and how much may.
    bytes: u64,
    bytes_max: u64,
    url: String,
}

/// A producer's job that exports a segment.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Export(pub(crate) String);

/// How far an export is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ExportState {
    /// To be asked again.
    Running,
    /// What can be fetched, in its order.
    Done(Vec<String>),
    /// It has ended without data, in the producer's words.
    Failed(String),
}

impl Peer {
    /// `GET /v1/segments/{id}/data?totalBatchCount=&currentBatchNumber=`, with `&from=&to=` if the run has a window: the
    /// rows, if the producer has them at hand. `None` for 202, 204, 404, 409 and 501, after which an export is to be begun; if there is no such segment, that says
    /// so.
    pub(crate) async fn segment_data(
        &self,
        id: &SegmentId,
        window: Option<RunWindow>,
        batch: Batch,
    ) -> Result<Option<Data>, Trouble> {
        let mut path = format!(
            "{}/data?totalBatchCount={}&currentBatchNumber={}",
            segment_path(id),
            batch.total,
            batch.number
        );
        if let Some(RunWindow { from, to }) = window {
            let _ = write!(path, "&from={from}&to={to}");
        }
        self.download(&path, true).await
    }

    /// `POST /v1/jobs` with `segmentId` and `jobType`, and `dataWindow` if the run has one: begins an export. Taken: the
    /// bare id of the job, and objects with it as `jobId`, `jobID` or `id`, or with such an object or id as `result`.
    pub(crate) async fn export_begin(
        &self,
        id: &SegmentId,
        window: Option<RunWindow>,
    ) -> Result<Export, Trouble> {
        const PATH: &str = "/v1/jobs";
        let mut body = json!({ "segmentId": id, "jobType": "ExportSegmentData" });
        if let Some(window) = window {
            body["dataWindow"] = json!(window);
        }
        let call = self.call(Method::POST, PATH, ANSWER_BYTES_MAX)?;
        let answer = self.answered(Self::json(call, &body)).await?;
        let body = serde_json::from_slice(&answer.body).unwrap_or_default();
        let job = first_word(&body, &["jobId", "jobID", "id", "result"]);
        job.map(Export).ok_or_else(|| {
            let found = answer.excerpt(EXCERPT_CHARS_MAX);
            self.refused(PATH, &format!("the answer has no job id in it: {found}"))
        })
    }

    /// `GET /v1/jobs/{jobId}`: how far the export is, by its `status`; and, when it is done, the ids of its data as
    /// `jobDataId`, `jobDataIds`, `jobData` or `segmentDataFiles`, bare or in objects. All of it bare or in a `result`.
    pub(crate) async fn export_state(&self, export: &Export) -> Result<ExportState, Trouble> {
        let path = format!("/v1/jobs/{}", escaped(&export.0));
        let call = self.call(Method::GET, &path, ANSWER_BYTES_MAX)?;
        let answer = self.answered(call).await?;
        let body = serde_json::from_slice(&answer.body).unwrap_or_default();
        state_of(&body).map_err(|why| self.refused(&path, &why))
    }

    /// `GET /v1/jobs/{jobId}/data/{jobDataId}`: rows of an export that is done.
    pub(crate) async fn export_data(&self, export: &Export, data: &str) -> Result<Data, Trouble> {
        let path = format!("/v1/jobs/{}/data/{}", escaped(&export.0), escaped(data));
        let found = self.download(&path, false).await?;
        found.ok_or_else(|| self.refused(&path, "there is no such data"))
    }

    async fn download(&self, path: &str, may_be_none: bool) -> Result<Option<Data>, Trouble> {
        let mut call: Call = self.call(Method::GET, path, ANSWER_BYTES_MAX)?;
        call.timeout = self.limits.transfer_timeout;
        let accept = HeaderValue::from_static("text/csv, */*;q=0.5");
        call.headers.insert(ACCEPT, accept);
        let idle = self.limits.idle_timeout;
        let download = self
            .client
            .download(call, idle, self.download_bytes_max)
            .await
            .map_err(|failure| self.unanswered(path, &failure))?;
        let status = download.status.as_u16();
        if may_be_none && matches!(status, 202 | 204 | 404 | 409 | 501) {
            return Ok(None);
        }
        if download.status != StatusCode::OK {
            let answer = download.into_answer(ANSWER_BYTES_MAX).await;
            let answer = answer.map_err(|failure| self.unanswered(path, &failure))?;
            return Err(self.unsuccessful(path, &self.without_credentials(answer)));
        }
        let url = format!("{}{path}", self.base);
        Ok(Some(Data {
            download,
            layer: Layer::of_content(),
            packed: Bytes::new(),
            bytes: 0,
            bytes_max: self.download_bytes_max,
            url,
        }))
    }
}

impl Data {
    /// The next bytes; `None` when all were there.
    ///
    /// # Errors
    /// [`Trouble`]; what came so far is not all.
    pub(crate) async fn next_chunk(&mut self) -> Result<Option<Vec<u8>>, Trouble> {
        loop {
            let out = if self.packed.is_empty() {
                let next = self.download.next_chunk().await;
                match next.map_err(|failure| Trouble::of_failure(&self.url, &failure))? {
                    Some(packed) => {
                        self.packed = packed;
                        continue;
                    }
                    None => self.layer.finish(),
                }
            } else {
                let mut rest = &self.packed[..];
                let out = self.layer.take(&mut rest);
                let taken = self.packed.len() - rest.len();
                self.packed.advance(taken);
                if matches!(&out, Ok(out) if out.is_empty()) {
                    continue;
                }
                out
            };
            let out = out.map_err(|error| self.not_unpacked(&error))?;
            self.bytes += out.len() as u64;
            if self.bytes > self.bytes_max {
                let (url, most) = (&self.url, self.bytes_max);
                let why = format!("{url}: unpacked it is larger than {most} bytes");
                return Err(Trouble::Refused(why));
            }
            return Ok((!out.is_empty()).then_some(out));
        }
    }

    fn not_unpacked(&self, error: &Packed) -> Trouble {
        let why = format!("{}: {error}", self.url);
        match error {
            // It may have been cut off on its way.
            Packed::Damaged(_) | Packed::Decoder(_) => Trouble::Again {
                why,
                retry_after: None,
            },
            Packed::Archive | Packed::Encoding(_) => Trouble::Refused(why),
        }
    }
}

/// How far an export is, by what its producer says.
fn state_of(body: &Value) -> Result<ExportState, String> {
    let job = body.get("result").unwrap_or(body);
    let status = first_word(job, &["status", "jobStatus", "state"]);
    let status = status.ok_or("the answer has no `status` of the job in it")?;
    match status.to_ascii_uppercase().as_str() {
        "COMPLETED" | "COMPLETE" | "DONE" | "FINISHED" | "SUCCESS" | "SUCCEEDED"
        | "READY_FOR_DOWNLOAD" => {
            let data = data_ids(job);
            if data.is_empty() {
                return Err("the job is done and names no data: expected `jobDataId`".to_owned());
            }
            Ok(ExportState::Done(data))
        }
        "FAILED" | "FAILURE" | "ERROR" | "CANCELED" | "CANCELLED" | "ABORTED" => {
            let why = first_word(job, &["errorDetails", "error", "message"]);
            Ok(ExportState::Failed(why.map_or(status, |why| shown(&why))))
        }
        _ => Ok(ExportState::Running),
    }
}

/// A word or number: the value itself, or the first of its members of these names, at whatever depth.
fn first_word(value: &Value, names: &[&str]) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Object(members) => names
            .iter()
            .find_map(|name| first_word(members.get(*name)?, names)),
        _ => None,
    }
}

fn data_ids(job: &Value) -> Vec<String> {
    const NAMES: [&str; 5] = [
        "jobDataId",
        "jobDataIds",
        "jobData",
        "segmentDataFiles",
        "id",
    ];
    let found = NAMES[..4].iter().find_map(|name| job.get(name));
    match found {
        Some(Value::Array(items)) => items
            .iter()
            .filter_map(|item| first_word(item, &NAMES))
            .collect(),
        Some(one) => first_word(one, &NAMES).into_iter().collect(),
        None => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_export_tells_how_far_it_is_in_every_shape() {
        let done = |ids: &[&str]| {
            Ok(ExportState::Done(
                ids.iter().map(|&id| id.to_owned()).collect(),
            ))
        };
        for (body, expected) in [
            (json!({"status": "COMPLETED", "jobDataId": 7}), done(&["7"])),
            (
                json!({"status": "done", "jobDataIds": ["a", 8_000_000_000_000_001_152_i64]}),
                done(&["a", "8000000000000001152"]),
            ),
            (
                json!({"jobStatus": "Complete", "jobData": [{"jobDataId": "a"}, {"id": "b"}]}),
                done(&["a", "b"]),
            ),
            (
                json!({"responseStatus": "success", "result": {"status": "COMPLETED", "segmentDataFiles": ["p.csv"]}}),
                done(&["p.csv"]),
            ),
            (
                json!({"status": "WAITING", "jobDataId": null}),
                Ok(ExportState::Running),
            ),
            (json!("running"), Ok(ExportState::Running)),
            (
                json!({"status": "FAILED", "errorDetails": "no such list"}),
                Ok(ExportState::Failed("`no such list`".to_owned())),
            ),
            (
                json!({"status": "CANCELED"}),
                Ok(ExportState::Failed("CANCELED".to_owned())),
            ),
        ] {
            assert_eq!(state_of(&body), expected, "{body}");
        }
        for body in [json!({"status": "COMPLETED"}), json!({}), json!(null)] {
            assert!(state_of(&body).is_err(), "{body}");
        }
    }
}
