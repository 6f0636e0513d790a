//! Parts of a page that change by themselves, as server-sent events.
//!
//! A page marks such a part with `data-live` and its address; the handler of that address answers [`part`], or [`last`]
//! once nothing will change any more. Asked for HTML it is the part; asked for `text/event-stream`, the same handler is
//! asked again every [`LOOK`] for as long as somebody listens, with the request as it came. So each look finds out anew
//! whether the session still holds and the role is still there: the stream ends when the handler would refuse. The part is
//! sent when it has changed, under a digest as its id, by which a browser that comes back – after a restart, say – is not
//! sent again what it has.
//!
//! Bounded: [`OF_SESSION_MAX`] streams of one session, [`MAX`] in all; who is refused asks now and then instead (the
//! script does). Nothing is computed when nobody looks. [`Live::end`] ends them all, so that no listener holds up the stop.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header, request};
use axum::middleware::Next;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{Html, IntoResponse, Response};
use maud::Markup;
use model::key::KeyHash;
use sha2::{Digest, Sha256};
use tokio::sync::watch;

use crate::{ConsoleState, cookie};

/// Between two looks.
const LOOK: Duration = Duration::from_secs(2);
/// So often something is sent all the same, or proxies take the connection for dead.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// When a browser whose stream broke off comes back.
const RETRY: Duration = Duration::from_secs(2);
/// Streams of one session: a browser has six connections to a host, and some must be left for pages.
const OF_SESSION_MAX: usize = 4;
/// Streams of one process.
const MAX: usize = 1_000;

/// What a handler made, beside the same as its answer's body.
#[derive(Clone)]
struct Part {
    html: Arc<str>,
    is_last: bool,
}

/// The part as it is now.
pub(crate) fn part(markup: Markup) -> Response {
    answer(markup, false)
}

/// The part as it will stay.
pub(crate) fn last(markup: Markup) -> Response {
    answer(markup, true)
}

fn answer(markup: Markup, is_last: bool) -> Response {
    let html = markup.into_string();
    let part = Part {
        html: html.as_str().into(),
        is_last,
    };
    let mut response = Html(html).into_response();
    response.extensions_mut().insert(part);
    response
}

/// The streams of a process.
pub struct Live {
    open: Mutex<HashMap<KeyHash, usize>>,
    is_ended: watch::Sender<bool>,
}

impl Live {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            open: Mutex::default(),
            is_ended: watch::Sender::new(false),
        })
    }

    /// Ends all streams, and takes no more.
    pub fn end(&self) {
        self.is_ended.send_replace(true);
    }

    fn open(&self) -> MutexGuard<'_, HashMap<KeyHash, usize>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `None` when there are too many.
    fn take(self: &Arc<Self>, session: KeyHash) -> Option<Place> {
        let mut open = self.open();
        let all: usize = open.values().sum();
        let mine = open.get(&session).copied().unwrap_or(0);
        if all >= MAX || mine >= OF_SESSION_MAX || *self.is_ended.borrow() {
            return None;
        }
        open.insert(session, mine + 1);
        Some(Place {
            live: Arc::clone(self),
            session,
        })
    }
}

/// One of the streams that are allowed; given back when dropped.
struct Place {
    live: Arc<Live>,
    session: KeyHash,
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Entry::Occupied(mut mine) = self.live.open().entry(self.session) {
            *mine.get_mut() -= 1;
            if *mine.get() == 0 {
                mine.remove();
            }
        }
    }
}

/// Around every page: a part that is asked for as a stream becomes one.
pub(crate) async fn around(
    State(state): State<ConsoleState>,
    request: Request,
    next: Next,
) -> Response {
    let headers = request.headers();
    let accept = headers.get(header::ACCEPT);
    let is_stream = accept.is_some_and(|accept| accept == "text/event-stream");
    let session = cookie::session(headers).filter(|_| is_stream);
    let Some(session) = session.filter(|_| request.method() == Method::GET) else {
        return next.run(request).await;
    };
    let Some(place) = state.shared.live.take(KeyHash::of(session.expose())) else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let known = headers.get("last-event-id");
    let known = known.and_then(|id| id.to_str().ok()).map(str::to_owned);
    let look = Look {
        parts: request.into_parts().0,
        next,
    };
    let first = match look.again().await {
        Ok(first) => first,
        Err(refusal) => return refusal,
    };
    let stream = Stream {
        look,
        is_ended: place.live.is_ended.subscribe(),
        _place: place,
        known,
        first: Some(first),
        is_over: false,
    };
    let events = futures_util::stream::unfold(stream, Stream::next);
    let mut response = Sse::new(events)
        .keep_alive(KeepAlive::new().interval(HEARTBEAT))
        .into_response();
    // Proxies that collect answers must not collect this one.
    let name = header::HeaderName::from_static("x-accel-buffering");
    response
        .headers_mut()
        .insert(name, HeaderValue::from_static("no"));
    response
}

/// A request that can be answered again and again.
struct Look {
    parts: request::Parts,
    next: Next,
}

impl Look {
    /// # Errors
    /// The answer, when it is no part: a refusal, or a whole page.
    async fn again(&self) -> Result<Part, Response> {
        let request = Request::from_parts(self.parts.clone(), Body::empty());
        let answer = self.next.clone().run(request).await;
        let part = answer.extensions().get::<Part>().cloned();
        part.ok_or(answer)
    }
}

struct Stream {
    look: Look,
    is_ended: watch::Receiver<bool>,
    _place: Place,
    /// The id of what the browser has.
    known: Option<String>,
    first: Option<Part>,
    is_over: bool,
}

impl Stream {
    async fn next(mut self) -> Option<(Result<Event, Infallible>, Self)> {
        if let Some(part) = self.first.take() {
            let event = self.changed(&part).unwrap_or_default().retry(RETRY);
            return Some((Ok(event), self));
        }
        while !self.is_over {
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                _ = self.is_ended.wait_for(|is_ended| *is_ended) => return None,
            }
            let event = match self.look.again().await {
                Ok(part) => self.changed(&part),
                // The stores are not there just now: the next look finds them.
                Err(refusal) if refusal.status().is_server_error() => None,
                Err(_) => {
                    self.is_over = true;
                    Some(Event::default().event("end").data("no longer allowed"))
                }
            };
            if let Some(event) = event {
                return Some((Ok(event), self));
            }
        }
        None
    }

    /// What is to be sent: the part, if the browser does not have it.
    fn changed(&mut self, part: &Part) -> Option<Event> {
        self.is_over = part.is_last;
        let digest = Sha256::digest(part.html.as_bytes());
        let id: String = digest[..8].iter().map(|b| format!("{b:02x}")).collect();
        if self.known.as_ref() == Some(&id) && !part.is_last {
            return None;
        }
        let event = Event::default().id(&id).data(&*part.html);
        self.known = Some(id);
        Some(if part.is_last {
            event.event("last")
        } else {
            event
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_counted_by_session_and_in_all_and_given_back() {
        let live = Live::new();
        let session = |n: u32| KeyHash::of(&format!("rs_{n}"));
        let mut mine: Vec<Place> = (0..OF_SESSION_MAX)
            .filter_map(|_| live.take(session(1)))
            .collect();
        assert_eq!(mine.len(), OF_SESSION_MAX);
        assert!(live.take(session(1)).is_none(), "one too many");
        mine.pop();
        assert!(live.take(session(1)).is_some(), "one was given back");
        let others: Vec<_> = (2..5_000).filter_map(|n| live.take(session(n))).collect();
        assert_eq!(mine.len() + others.len(), MAX);
        drop((mine, others));
        assert!(live.open().is_empty());
        live.end();
        assert!(live.take(session(1)).is_none(), "none after the end");
    }
}
