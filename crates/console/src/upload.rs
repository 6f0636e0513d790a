//! Forms that carry a file: their fields are read first, the file then piece by piece, so that memory stays flat.
//!
//! The file is the last field of such a form. Called by pages that take CSV; who may send one is decided before any of it
//! is read, because the handler's first parameter is who asks.

use std::collections::VecDeque;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::header;
use axum::response::Response;
use http_body_util::BodyExt as _;
use hub::data_file::{Layer, Packed};
use hub::{Job, Result};
use model::multipart::{Found, Multipart};
use model::{Invalid, JobId};

use crate::ConsoleState;
use crate::form::Form;
use crate::problem;
use crate::visitor::In;

/// All fields before the file.
const FIELDS_BYTES_MAX: usize = 64 << 10;
/// Whoever sends nothing for so long is cut off.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// A form, read as far as its file begins.
pub(crate) struct FileForm {
    pub(crate) form: Form,
    /// None once the body has ended.
    multipart: Option<Multipart>,
    body: Body,
    found: VecDeque<Found>,
    is_file: bool,
    /// Gzip and zstd are seen by the first bytes.
    layer: Layer,
    /// Of the file, and not unpacked yet.
    packed: Vec<u8>,
}

impl FromRequest<ConsoleState> for FileForm {
    type Rejection = Response;

    async fn from_request(
        request: Request,
        state: &ConsoleState,
    ) -> std::result::Result<Self, Response> {
        let media = request.headers().get(header::CONTENT_TYPE);
        let media = media.and_then(|it| it.to_str().ok()).unwrap_or_default();
        let multipart = Multipart::new(media);
        let multipart = multipart.map_err(|error| problem::invalid(state, &error.to_string()))?;
        let mut read = Self {
            form: Form::of(Vec::new()),
            multipart: Some(multipart),
            body: request.into_body(),
            found: VecDeque::new(),
            is_file: false,
            layer: Layer::of_content(),
            packed: Vec::new(),
        };
        match read.fields().await {
            Ok(fields) => read.form = Form::of(fields),
            Err(error) => return Err(problem::of(state, &error)),
        }
        Ok(read)
    }
}

impl FileForm {
    async fn fields(&mut self) -> Result<Vec<(String, String)>> {
        let (mut fields, mut bytes) = (Vec::<(String, Vec<u8>)>::new(), 0);
        while !self.is_file {
            match self.found.pop_front() {
                Some(Found::Part(head)) if head.has_file_name => self.is_file = true,
                Some(Found::Part(head)) => fields.push((head.name, Vec::new())),
                Some(Found::Data(data)) => {
                    bytes += data.len();
                    if bytes > FIELDS_BYTES_MAX {
                        let why = format!("the fields are longer than {FIELDS_BYTES_MAX} bytes");
                        return Err(Invalid::one("", "too-many", why).into());
                    }
                    if let Some((_, value)) = fields.last_mut() {
                        value.extend(data);
                    }
                }
                None if !self.feed().await? => break,
                None => {}
            }
        }
        let fields = fields.into_iter();
        let text = |value: Vec<u8>| String::from_utf8_lossy(&value).into_owned();
        Ok(fields.map(|(name, value)| (name, text(value))).collect())
    }

    /// The next piece of the file, unpacked; `None` at its end.
    pub(crate) async fn piece(&mut self) -> Result<Option<Vec<u8>>> {
        let broken = |error: Packed| Invalid::one("", "encoding", error.to_string());
        loop {
            let mut rest = &self.packed[..];
            if !rest.is_empty() {
                let out = self.layer.take(&mut rest).map_err(broken)?;
                let taken = self.packed.len() - rest.len();
                self.packed.drain(..taken);
                if !out.is_empty() {
                    return Ok(Some(out));
                }
            } else if let Some(more) = self.sent().await? {
                self.packed = more;
            } else {
                let out = self.layer.finish().map_err(broken)?;
                return Ok(Some(out).filter(|out| !out.is_empty()));
            }
        }
    }

    /// The next piece of the file as it was sent.
    async fn sent(&mut self) -> Result<Option<Vec<u8>>> {
        loop {
            match self.found.pop_front() {
                Some(Found::Data(data)) if self.is_file => return Ok(Some(data)),
                Some(Found::Data(_)) => {}
                Some(Found::Part(_)) => self.is_file = false,
                None if !self.feed().await? => return Ok(None),
                None => {}
            }
        }
    }

    /// The whole file, where it is small.
    pub(crate) async fn whole(&mut self, bytes_max: usize) -> Result<Vec<u8>> {
        let mut whole = Vec::new();
        while let Some(piece) = self.piece().await? {
            if whole.len() + piece.len() > bytes_max {
                let why =
                    format!("the file is longer than the {bytes_max} bytes that are taken here");
                return Err(Invalid::one("", "too-many", why).into());
            }
            whole.extend(piece);
        }
        Ok(whole)
    }

    /// Reads more of the body; `false` at its end.
    async fn feed(&mut self) -> Result<bool> {
        let broken = |why: String| Invalid::one("", "multipart", why);
        let cut_off = || broken("the form ended before it was complete: send it again".to_owned());
        let frame = tokio::time::timeout(SILENCE_MAX, self.body.frame()).await;
        let frame = frame.map_err(|_| cut_off())?;
        let Some(multipart) = &mut self.multipart else {
            return Ok(false);
        };
        let Some(frame) = frame else {
            let ended = self.multipart.take().map_or(Ok(()), Multipart::finish);
            ended.map_err(|error| broken(error.to_string()))?;
            return Ok(false);
        };
        if let Ok(bytes) = frame.map_err(|_| cut_off())?.into_data() {
            let found = multipart.feed(&bytes);
            self.found
                .extend(found.map_err(|error| broken(error.to_string()))?);
        }
        Ok(true)
    }
}

/// Gives a job the file that it waits for.
pub(crate) async fn into_job<R>(of: &In<R>, id: JobId, form: &mut FileForm) -> Result<Job> {
    let (hub, scope) = (of.hub(), of.scope());
    let mut upload = hub.job_upload_begin(scope, (None, id), "text/csv").await?;
    loop {
        let taken = match form.piece().await {
            Ok(None) => break,
            Ok(Some(piece)) => upload.append(&piece).await,
            Err(error) => Err(error),
        };
        if let Err(error) = taken {
            hub.job_upload_drop(upload).await;
            return Err(error);
        }
    }
    if upload.bytes() == 0 {
        hub.job_upload_drop(upload).await;
        let why = "choose a file: CSV whose first row names the columns";
        return Err(Invalid::one("", "required", why).into());
    }
    hub.job_upload_finish(&of.actor(), upload, None).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(body: &'static str) -> FileForm {
        FileForm {
            form: Form::of(Vec::new()),
            multipart: Some(Multipart::new("multipart/form-data; boundary=x").expect("a boundary")),
            body: Body::from(body),
            found: VecDeque::new(),
            is_file: false,
            layer: Layer::of_content(),
            packed: Vec::new(),
        }
    }

    const WHOLE: &str = "--x\r\nContent-Disposition: form-data; name=\"reference\"\r\n\r\nticket 7\r\n\
        --x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.csv\"\r\nContent-Type: text/csv\r\n\r\nemail\nada@example.com\n\r\n\
        --x\r\nContent-Disposition: form-data; name=\"late\"\r\n\r\nnobody reads this\r\n--x--\r\n";

    #[tokio::test]
    async fn the_fields_come_first_and_then_the_file() {
        let mut read = form(WHOLE);
        let fields = read.fields().await.expect("fields");
        assert_eq!(fields, [("reference".to_owned(), "ticket 7".to_owned())]);
        let file = read.whole(100).await.expect("a file");
        assert_eq!(file, b"email\nada@example.com\n");
        let mut read = form(WHOLE);
        read.fields().await.expect("fields");
        let error = read.whole(10).await.expect_err("too long");
        let said = problem::sentence(&error);
        assert!(said.contains("10 bytes"), "{said}");
    }

    #[tokio::test]
    async fn what_is_cut_off_is_no_form() {
        let mut read = form(WHOLE.split("nobody").next().expect("a beginning"));
        read.fields().await.expect("fields");
        read.whole(100).await.expect_err("cut off");
    }
}
