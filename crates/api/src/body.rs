//! Request bodies: read within limits, decompressed within limits, of a type that is taken.
//!
//! The memory of all bodies together is bounded: a body takes room as it arrives and gives it back when the call ends.

use std::io::Read as _;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::header;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use tokio::sync::OwnedSemaphorePermit;

use crate::problem::{Kind, Problem};
use crate::{ApiState, Shared};

/// Room for bodies is given in units of this many bytes.
pub(crate) const UNIT_BYTES: usize = 64 << 10;

/// Largest body that is read into a tree of values. Trees cost up to a hundred times the bytes; what is registered
/// by hand or by one call of an integration stays far below.
const TREE_BYTES_MAX: usize = 1 << 20;

/// A body that was read whole.
pub(crate) struct Payload {
    pub(crate) bytes: Bytes,
    /// The media type without parameters, in lower case; empty when none was sent.
    pub(crate) media: String,
    _room: Vec<OwnedRoom>,
}

type OwnedRoom = OwnedSemaphorePermit;

impl FromRequest<ApiState> for Payload {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &ApiState) -> Result<Self, Problem> {
        let media = said(&request, header::CONTENT_TYPE)
            .split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .to_owned();
        let encoding = said(&request, header::CONTENT_ENCODING);
        let stated: Option<usize> = said(&request, header::CONTENT_LENGTH).parse().ok();
        let shared = &state.shared;
        let bytes_max = shared.options.body_bytes_max;
        let awaits_leave = request.headers().contains_key(header::EXPECT);
        let mut body = request.into_body();
        if stated.is_some_and(|bytes| bytes > bytes_max) {
            // Who asks first whether to send has not sent yet.
            if !awaits_leave {
                discard(&mut body).await;
            }
            return Err(too_large(bytes_max));
        }
        let (bytes, mut room) = collect(&mut body, state).await?;
        let bytes = match encoding.trim() {
            "" | "identity" => bytes,
            "gzip" | "x-gzip" => {
                let reader = flate2::read::MultiGzDecoder::new(bytes.as_ref());
                inflate(reader, shared, &mut room)?
            }
            "zstd" => inflate(zstd_reader(&bytes)?, shared, &mut room)?,
            other => {
                let message =
                    format!("Content-Encoding `{other}` is not taken: send gzip, zstd or none");
                return Err(Problem::new(Kind::UnsupportedMediaType, message));
            }
        };
        Ok(Self {
            bytes,
            media,
            _room: room,
        })
    }
}

/// A header in lower case; empty when it is not there.
fn said(request: &Request, name: header::HeaderName) -> String {
    request
        .headers()
        .get(name)
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default()
        .to_ascii_lowercase()
}

async fn collect(body: &mut Body, state: &ApiState) -> Result<(Bytes, Vec<OwnedRoom>), Problem> {
    let bytes_max = state.shared.options.body_bytes_max;
    let mut room = vec![take_room(&state.shared)?];
    let mut first: Option<Bytes> = None;
    let mut bytes = BytesMut::new();
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| {
            Problem::invalid(
                "",
                "body",
                "the body ended before it was complete: send the call again",
            )
        })?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        length += data.len();
        if length > bytes_max {
            drop((first, bytes, room));
            discard(body).await;
            return Err(too_large(bytes_max));
        }
        while room.len() * UNIT_BYTES < length {
            room.push(take_room(&state.shared)?);
        }
        // Most bodies come in one piece, which is used as it is.
        match &first {
            None if bytes.is_empty() => first = Some(data),
            None => bytes.extend_from_slice(&data),
            Some(piece) => {
                bytes.extend_from_slice(piece);
                bytes.extend_from_slice(&data);
                first = None;
            }
        }
    }
    Ok((first.unwrap_or_else(|| bytes.freeze()), room))
}

/// Reads on and keeps nothing: most clients send all before they read, and one that is cut off in between sees a broken
/// connection instead of the answer.
async fn discard(body: &mut Body) {
    const BYTES_MAX: usize = 256 << 20;
    const TIME_MAX: Duration = Duration::from_secs(10);
    let reading = async {
        let mut left = BYTES_MAX;
        while let Some(Ok(frame)) = body.frame().await {
            left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
            if left == 0 {
                return;
            }
        }
    };
    // Whoever sends longer than that is cut off.
    let _ = tokio::time::timeout(TIME_MAX, reading).await;
}

fn take_room(shared: &Shared) -> Result<OwnedRoom, Problem> {
    shared.take_room().ok_or_else(|| {
        let message = "too many large requests are being read at once: send it again in a moment";
        Problem::new(Kind::TooManyRequests, message).after(Duration::from_secs(1))
    })
}

fn too_large(bytes_max: usize) -> Problem {
    Problem::new(
        Kind::TooLarge,
        format!("the body is larger than {bytes_max} bytes, the limit here: send less in one call"),
    )
}

fn zstd_reader(bytes: &Bytes) -> Result<impl std::io::Read + '_, Problem> {
    /// Logarithm of the window that a frame may ask us to hold: 8 MiB, the least that decoders must support.
    const WINDOW_LOG_MAX: u32 = 23;
    let decoder = zstd::stream::read::Decoder::new(bytes.as_ref()).and_then(|mut decoder| {
        decoder.window_log_max(WINDOW_LOG_MAX)?;
        Ok(decoder)
    });
    decoder.map_err(|_| not_as_encoded())
}

/// At most the largest body comes out, whatever the ratio; what comes out takes room beside what came in.
fn inflate(
    mut reader: impl std::io::Read,
    shared: &Shared,
    room: &mut Vec<OwnedRoom>,
) -> Result<Bytes, Problem> {
    let bytes_max = shared.options.body_bytes_max;
    let mut out = Vec::new();
    loop {
        room.push(take_room(shared)?);
        let mut unit = reader.by_ref().take(UNIT_BYTES as u64);
        let read = unit.read_to_end(&mut out).map_err(|_| not_as_encoded())?;
        if out.len() > bytes_max {
            return Err(too_large(bytes_max));
        }
        if read < UNIT_BYTES {
            return Ok(out.into());
        }
    }
}

fn not_as_encoded() -> Problem {
    let message = "the body cannot be decompressed as its Content-Encoding says";
    Problem::invalid("", "encoding", message)
}

impl Payload {
    /// Refuses what says that it is something else than JSON. Nothing said is taken for JSON.
    pub(crate) fn expect_json(&self) -> Result<(), Problem> {
        let is_json =
            self.media.is_empty() || self.media.ends_with("/json") || self.media.ends_with("+json");
        // `curl -d` says so by default, and people forget the header.
        let is_forgotten = self.media == "application/x-www-form-urlencoded";
        if is_json || is_forgotten {
            return Ok(());
        }
        let message = format!(
            "`{}` is not taken here: send `application/json`",
            self.media
        );
        Err(Problem::new(Kind::UnsupportedMediaType, message))
    }

    /// The body as JSON of any shape.
    pub(crate) fn json(&self) -> Result<serde_json::Value, Problem> {
        self.expect_json()?;
        if self.bytes.len() > TREE_BYTES_MAX {
            return Err(too_large(TREE_BYTES_MAX));
        }
        serde_json::from_slice(&self.bytes).map_err(|error| not_json(&error))
    }
}

fn not_json(error: &serde_json::Error) -> Problem {
    let code = if error.is_data() { "shape" } else { "syntax" };
    Problem::invalid("", code, error.to_string())
}
