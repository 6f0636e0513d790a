//! `POST /v1/jobs/{jobId}/data`: what a job waits for, written piece by piece while it arrives.
//!
//! Taken are CSV as the body; a multipart form with the CSV and with metadata as JSON; and the metadata alone, after which
//! the job waits on. What the body is called counts little: whether it is packed is seen by its first bytes. `gdprRequest`
//! uses [`receive`] too.

use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::{FromRequest as _, Path, Request, State};
use axum::http::{HeaderMap, header};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use hub::data_file::{Layer, Packed};
use hub::job::Upload;
use model::multipart::{Found, Multipart, PartHead};
use schemars::JsonSchema;
use serde_json::{Map, Value};

use super::job_id;
use crate::ApiState;
use crate::body::Payload;
use crate::caller::{Caller, EndpointOrAccountKey};
use crate::problem::{Kind, Problem};

/// Largest metadata.
const METADATA_BYTES_MAX: usize = 1 << 20;
/// Whoever sends nothing for so long is cut off.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// What may be said of the data; other members are kept too.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "read by people")]
#[schemars(rename_all = "camelCase")]
pub(crate) struct Metadata {
    /// The producer. If it is given it must be the job's, like the next two.
    #[schemars(rename = "endpointID")]
    endpoint_id: Option<i64>,
    #[schemars(rename = "segmentID")]
    segment_id: Option<i64>,
    #[schemars(rename = "destinationEndpointID")]
    destination_endpoint_id: Option<i64>,
    destination_segment_name: Option<String>,
    attribute_mappings: Option<Value>,
    identity_mappings: Option<Value>,
}

/// What came.
#[derive(Debug, Default)]
pub(crate) struct Received {
    /// Merged, if it came in several parts.
    pub(crate) metadata: Option<Value>,
    pub(crate) has_data: bool,
}

pub(super) async fn take(
    caller: Caller<EndpointOrAccountKey>,
    State(state): State<ApiState>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Json<bool>, Problem> {
    let hub = &state.hub;
    let (actor, scope) = (caller.actor(), caller.scope());
    let whose = (caller.endpoint(), job_id(&id)?);
    let said = said(request.headers(), header::CONTENT_TYPE);
    if model::multipart::media(&said).ends_with("json") {
        let body = Payload::from_request(request, &state).await?.json()?;
        hub.job_metadata(&actor, scope, whose, &body).await?;
        return Ok(Json(true));
    }
    let _turn = turn(&state)?;
    let mut upload = hub.job_upload_begin(scope, whose, "text/csv").await?;
    match receive(request, &mut upload).await {
        Ok(Received {
            metadata,
            has_data: true,
        }) => {
            hub.job_upload_finish(&actor, upload, metadata.as_ref())
                .await?;
        }
        Ok(Received {
            metadata: Some(metadata),
            has_data: false,
        }) => {
            hub.job_upload_drop(upload).await;
            hub.job_metadata(&actor, scope, whose, &metadata).await?;
        }
        Ok(_) => {
            hub.job_upload_drop(upload).await;
            let message = "the body is empty: send CSV with a header row, or metadata as JSON";
            return Err(Problem::invalid("", "required", message));
        }
        Err(problem) => {
            hub.job_upload_drop(upload).await;
            return Err(problem);
        }
    }
    Ok(Json(true))
}

/// Each upload holds a piece or two in memory, so there is room for so many.
pub(crate) fn turn(state: &ApiState) -> Result<tokio::sync::OwnedSemaphorePermit, Problem> {
    state.shared.take_upload().ok_or_else(|| {
        let message = "too many files are being uploaded at once: send it again in a moment";
        Problem::new(Kind::TooManyRequests, message).after(Duration::from_secs(5))
    })
}

/// A header as it was written; empty when it is not there.
fn said(headers: &HeaderMap, name: header::HeaderName) -> String {
    let value = headers.get(name).and_then(|value| value.to_str().ok());
    value.unwrap_or_default().to_owned()
}

/// Reads a body of CSV or a form into an upload. On an error the upload can only be dropped.
pub(crate) async fn receive(request: Request, upload: &mut Upload) -> Result<Received, Problem> {
    let content_type = said(request.headers(), header::CONTENT_TYPE);
    let encoding = said(request.headers(), header::CONTENT_ENCODING).to_ascii_lowercase();
    let mut transport = Layer::of_encoding(&encoding).map_err(packed)?;
    let media = model::multipart::media(&content_type);
    let mut sink = if media.starts_with("multipart/") {
        let multipart = Multipart::new(&content_type).map_err(|error| not_multipart(&error))?;
        Sink::form(multipart, upload)
    } else if is_data(&media) {
        Sink::file(upload)
    } else {
        let message = format!(
            "`{media}` is not taken here: send `text/csv`, a multipart form, or metadata as `application/json`"
        );
        return Err(Problem::new(Kind::UnsupportedMediaType, message));
    };
    let mut body = request.into_body();
    while let Some(bytes) = next(&mut body).await? {
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let out = transport.take(&mut rest).map_err(packed)?;
            sink.feed(&out).await?;
        }
    }
    loop {
        let out = transport.finish().map_err(packed)?;
        if out.is_empty() {
            return sink.finish().await;
        }
        sink.feed(&out).await?;
    }
}

async fn next(body: &mut Body) -> Result<Option<Bytes>, Problem> {
    let cut_off = |code, message: &str| Problem::invalid("", code, message);
    loop {
        let frame = tokio::time::timeout(SILENCE_MAX, body.frame()).await;
        let frame = frame.map_err(|_| {
            let seconds = SILENCE_MAX.as_secs();
            let message = format!("nothing was sent for {seconds} s: send the data again");
            Problem::new(Kind::RequestTimeout, message)
        })?;
        let Some(frame) = frame else {
            return Ok(None);
        };
        let frame = frame.map_err(|_| {
            cut_off(
                "body",
                "the body ended before it was complete: send it again",
            )
        })?;
        if let Ok(bytes) = frame.into_data() {
            return Ok(Some(bytes));
        }
    }
}

/// Media types that CSV comes under in the field; what it is packed in is seen by itself.
fn is_data(media: &str) -> bool {
    media.is_empty()
        || media.starts_with("text/")
        || matches!(
            media,
            "application/csv"
                | "application/vnd.ms-excel"
                | "application/octet-stream"
                | "application/gzip"
                | "application/x-gzip"
                | "application/zstd"
                // `curl --data-binary` says so by default.
                | "application/x-www-form-urlencoded"
        )
}

fn not_multipart(error: &model::multipart::MultipartError) -> Problem {
    Problem::invalid("", "multipart", error.to_string())
}

fn packed(error: Packed) -> Problem {
    match error {
        Packed::Encoding(_) | Packed::Archive => {
            Problem::new(Kind::UnsupportedMediaType, error.to_string())
        }
        Packed::Damaged(_) => Problem::invalid("", "encoding", error.to_string()),
        Packed::Decoder(error) => hub::Error::internal(error).into(),
    }
}

/// Where the bytes go.
struct Sink<'u> {
    upload: &'u mut Upload,
    form: Option<Multipart>,
    part: Part,
    received: Received,
}

/// What the bytes at hand belong to.
enum Part {
    Data(Layer),
    /// The field's name, and its text so far.
    Metadata(String, Vec<u8>),
    Nothing,
}

impl<'u> Sink<'u> {
    fn file(upload: &'u mut Upload) -> Self {
        Self {
            upload,
            form: None,
            part: Part::Data(Layer::of_content()),
            received: Received::default(),
        }
    }

    fn form(form: Multipart, upload: &'u mut Upload) -> Self {
        Self {
            upload,
            form: Some(form),
            part: Part::Nothing,
            received: Received::default(),
        }
    }

    async fn feed(&mut self, bytes: &[u8]) -> Result<(), Problem> {
        let Some(form) = &mut self.form else {
            return self.add(bytes).await;
        };
        for found in form.feed(bytes).map_err(|error| not_multipart(&error))? {
            match found {
                Found::Part(head) => self.begin(head).await?,
                Found::Data(data) => self.add(&data).await?,
            }
        }
        Ok(())
    }

    /// A part of a form begins: JSON and plain fields are metadata, the rest is the file.
    async fn begin(&mut self, head: PartHead) -> Result<(), Problem> {
        self.end().await?;
        let is_json = head.media.ends_with("json");
        let is_field = head.media.is_empty() && !head.has_file_name;
        if is_json || is_field {
            self.part = Part::Metadata(head.name, Vec::new());
            return Ok(());
        }
        if self.received.has_data {
            let message = "the form has more than one file: send one for one job";
            return Err(Problem::invalid("", "multipart", message));
        }
        self.part = Part::Data(Layer::of_content());
        Ok(())
    }

    async fn add(&mut self, bytes: &[u8]) -> Result<(), Problem> {
        match &mut self.part {
            Part::Nothing => {}
            Part::Metadata(_, text) => {
                text.extend_from_slice(bytes);
                if text.len() > METADATA_BYTES_MAX {
                    let message = format!("metadata is larger than {METADATA_BYTES_MAX} bytes");
                    return Err(Problem::new(Kind::TooLarge, message));
                }
            }
            Part::Data(layer) => {
                self.received.has_data |= !bytes.is_empty();
                let mut rest = bytes;
                while !rest.is_empty() {
                    let out = layer.take(&mut rest).map_err(packed)?;
                    self.upload.append(&out).await?;
                }
            }
        }
        Ok(())
    }

    /// The part at hand has ended.
    async fn end(&mut self) -> Result<(), Problem> {
        match std::mem::replace(&mut self.part, Part::Nothing) {
            Part::Nothing => {}
            Part::Metadata(name, text) => {
                let text = String::from_utf8_lossy(&text);
                let metadata = self
                    .received
                    .metadata
                    .get_or_insert_with(|| Value::Object(Map::new()));
                let Value::Object(members) = metadata else {
                    return Ok(());
                };
                match serde_json::from_str(&text) {
                    Ok(Value::Object(more)) => members.extend(more),
                    Ok(value) => drop(members.insert(name, value)),
                    Err(_) => drop(members.insert(name, text.into())),
                }
            }
            Part::Data(mut layer) => loop {
                let out = layer.finish().map_err(packed)?;
                if out.is_empty() {
                    break;
                }
                self.upload.append(&out).await?;
            },
        }
        Ok(())
    }

    async fn finish(mut self) -> Result<Received, Problem> {
        self.end().await?;
        if let Some(form) = self.form {
            form.finish().map_err(|error| not_multipart(&error))?;
        }
        Ok(self.received)
    }
}
