//! Bodies that are too large to hold: answers that are read chunk by chunk, and requests that are sent as their chunks come.
//!
//! The same client, pool and guard as [`Client::send`]. Two limits of time hold at once: the call's `timeout` for
//! everything, and an idle time for each step in which nothing moves, since a large audience may take long but must not
//! stand still. Called by `hub/flow/peer` for audiences.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt};
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body_util::{BodyExt, Either, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::client::{Client, broken, deadline, read};
use crate::{Answer, Call, Cause, Failure, Phase};

/// Longest piece that is given to a connection at once: what goes out slowly is seen to move all the same.
const PIECE_BYTES_MAX: usize = 64 << 10;

/// What a request carries: one piece, or chunks as they come.
pub(crate) type Body = Either<Full<Bytes>, StreamBody<Watched>>;

/// The chunks of a request, in order. An error ends the request, and is told as [`Failure::Source`].
pub type Chunks = BoxStream<'static, Result<Bytes, Cause>>;

/// An answer whose body is still to be read. Dropping it drops the connection.
#[derive(Debug)]
pub struct Download {
    pub status: StatusCode,
    pub headers: HeaderMap,
    body: Incoming,
    started: Instant,
    after: Duration,
    deadline: Instant,
    idle: Duration,
    bytes_max: u64,
    bytes: u64,
}

impl Download {
    /// The next piece of the body; `None` at its end, which the other side has said was the end.
    ///
    /// # Errors
    /// [`Failure::TooLarge`] beyond the limit, [`Failure::Timeout`] when the time is up or nothing came for the idle time,
    /// [`Failure::Broken`] when the connection ends too early.
    pub async fn next_chunk(&mut self) -> Result<Option<Bytes>, Failure> {
        loop {
            let (until, after) = sooner(self.deadline, self.after, self.idle);
            let late = |_| Failure::Timeout {
                after,
                phase: Phase::Body,
            };
            let frame = timeout_at(until, self.body.frame()).await.map_err(late)?;
            let Some(frame) = frame else {
                return Ok(None);
            };
            let Ok(data) = frame.map_err(broken)?.into_data() else {
                continue;
            };
            self.bytes += data.len() as u64;
            if self.bytes > self.bytes_max {
                let bytes_max = self.bytes_max;
                return Err(Failure::TooLarge { bytes_max });
            }
            if !data.is_empty() {
                return Ok(Some(data));
            }
        }
    }

    /// The whole of it as a small answer, cut at `bytes_max`: for answers that say why there is no data.
    ///
    /// # Errors
    /// As [`Download::next_chunk`].
    pub async fn into_answer(self, bytes_max: usize) -> Result<Answer, Failure> {
        let (until, after) = sooner(self.deadline, self.after, self.idle);
        let late = |_| Failure::Timeout {
            after,
            phase: Phase::Body,
        };
        let reading = timeout_at(until, read(self.body, bytes_max));
        let (body, truncated) = reading.await.map_err(late)??;
        Ok(Answer {
            status: self.status,
            headers: self.headers,
            body,
            truncated,
            elapsed: self.started.elapsed(),
        })
    }
}

impl Client {
    /// Sends one request and hands its answer over when its headers are there; the body, of at most `bytes_max` bytes, is
    /// read by [`Download::next_chunk`]. `idle` is the longest wait for the headers and for each piece; the call's
    /// `response_bytes_max` does not apply.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn download(
        &self,
        call: Call,
        idle: Duration,
        bytes_max: u64,
    ) -> Result<Download, Failure> {
        let started = Instant::now();
        let after = call.timeout;
        let deadline = deadline(started, after);
        let request = self.request(call)?;
        let (until, waited) = sooner(deadline, after, idle);
        let late = |_| Failure::Timeout {
            after: waited,
            phase: Phase::Headers,
        };
        let answering = timeout_at(until, self.pool.request(request)).await;
        let (head, body) = answering.map_err(late)?.map_err(broken)?.into_parts();
        Ok(Download {
            status: head.status,
            headers: head.headers,
            body,
            started,
            after,
            deadline,
            idle,
            bytes_max,
            bytes: 0,
        })
    }

    /// Sends a request whose body is `chunks`, and reads the answer within the call's limits; the call's own body does not
    /// count. With a `length` the chunks must have exactly so many bytes; without, the body is sent chunked. `idle` is the
    /// longest time in which neither a chunk goes out nor the answer comes in.
    ///
    /// An answer that comes before all is sent ends the request: what is not sent is not read either.
    ///
    /// # Errors
    /// As [`Client::send`], and [`Failure::Source`] when a chunk could not be had.
    pub async fn upload(
        &self,
        call: Call,
        idle: Duration,
        length: Option<u64>,
        chunks: Chunks,
    ) -> Result<Answer, Failure> {
        let started = Instant::now();
        let after = call.timeout;
        let deadline = deadline(started, after);
        let bytes_max = call.response_bytes_max;
        let watch = Arc::new(Mutex::new(Watch {
            moved: started,
            failed: None,
        }));
        let watched = Watched {
            chunks,
            rest: Bytes::new(),
            watch: Arc::clone(&watch),
        };
        let mut request = self
            .request(call)?
            .map(|_| Either::Right(StreamBody::new(watched)));
        if let Some(length) = length {
            let headers = request.headers_mut();
            headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        let answering = self.pool.request(request);
        tokio::pin!(answering);
        let answered = loop {
            let moved = locked(&watch).moved;
            let until = deadline.min(moved.checked_add(idle).unwrap_or(deadline));
            tokio::select! {
                answered = &mut answering => break answered,
                () = sleep_until(until) => {}
            }
            if until == deadline || locked(&watch).moved == moved {
                let after = if until == deadline { after } else { idle };
                let phase = Phase::Headers;
                return Err(Failure::Timeout { after, phase });
            }
        };
        // Our own trouble is told as that, whatever it did to the connection.
        let answered = answered.map_err(|error| {
            let source = locked(&watch).failed.clone();
            source.map_or_else(|| broken(error), |source| Failure::Source { source })
        });
        let (head, body) = answered?.into_parts();
        let late = |_| Failure::Timeout {
            after,
            phase: Phase::Body,
        };
        let reading = timeout_at(deadline, read(body, bytes_max));
        let (body, truncated) = reading.await.map_err(late)??;
        Ok(Answer {
            status: head.status,
            headers: head.headers,
            body,
            truncated,
            elapsed: started.elapsed(),
        })
    }
}

/// When to give up, and what to call it: the deadline of everything, or the idle time from now.
fn sooner(deadline: Instant, after: Duration, idle: Duration) -> (Instant, Duration) {
    match Instant::now().checked_add(idle) {
        Some(until) if until < deadline => (until, idle),
        _ => (deadline, after),
    }
}

/// What the connection, which reads the chunks, tells the call.
struct Watch {
    /// When a chunk was last asked for or taken.
    moved: Instant,
    failed: Option<Cause>,
}

fn locked(watch: &Mutex<Watch>) -> std::sync::MutexGuard<'_, Watch> {
    watch.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Chunks on their way into a connection.
pub(crate) struct Watched {
    chunks: Chunks,
    /// Of the last chunk, what has not gone into the connection yet.
    rest: Bytes,
    watch: Arc<Mutex<Watch>>,
}

impl Stream for Watched {
    type Item = Result<Frame<Bytes>, Cause>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        while self.rest.is_empty() {
            let Poll::Ready(next) = self.chunks.poll_next_unpin(context) else {
                return Poll::Pending;
            };
            match next {
                Some(Ok(chunk)) => self.rest = chunk,
                Some(Err(cause)) => {
                    locked(&self.watch).failed = Some(Arc::clone(&cause));
                    return Poll::Ready(Some(Err(cause)));
                }
                None => {
                    locked(&self.watch).moved = Instant::now();
                    return Poll::Ready(None);
                }
            }
        }
        locked(&self.watch).moved = Instant::now();
        let length = self.rest.len().min(PIECE_BYTES_MAX);
        let piece = self.rest.split_to(length);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    /// Else a large chunk on a slow line would look as if nothing moved.
    #[tokio::test]
    async fn a_large_chunk_goes_out_in_pieces() {
        let chunks = [0, 200 << 10, 0, 5].map(|bytes| Ok(vec![7; bytes].into()));
        let watched = Watched {
            chunks: stream::iter(chunks).boxed(),
            rest: Bytes::new(),
            watch: Arc::new(Mutex::new(Watch {
                moved: Instant::now(),
                failed: None,
            })),
        };
        let pieces = watched.map(|piece| piece.expect("a piece").into_data().expect("data").len());
        let pieces: Vec<usize> = pieces.collect().await;
        let full = PIECE_BYTES_MAX;
        assert_eq!(pieces, [full, full, full, 8 << 10, 5]);
    }
}
