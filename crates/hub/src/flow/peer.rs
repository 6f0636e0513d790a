//! Calls to endpoints about audiences: the one place that knows how they are asked, and how they answer.
//!
//! A [`Peer`] is an endpoint in one of two roles. A **producer** is asked for its segments and for their rows, at once or
//! by an export job ([`produce`]); a **consumer** is asked for its segments, makes new ones, and takes rows ([`consume`]).
//! Every call carries the endpoint's credentials or its key, goes through the guarded client, and is limited in time and
//! bytes; rows are streamed in both directions. Answers are read tolerantly, since each provider has its own habits: what
//! is taken is said at each call.
//!
//! Nothing is tried again here: [`Trouble::Again`] and [`Handed::Again`] say that the caller should. Called by `refresh`
//! and `syndicate`.

mod consume;
mod produce;

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use jiff::Timestamp;
use model::endpoint::{Role, Transfer};
use model::segment::Listing;
use model::{EndpointStatus, SegmentId};
use outbound::{Answer, Authorization, Call, Client, Failure};

use super::collect::escaped;
use crate::options::SegmentOptions;
use crate::registry::EndpointEntry;
use crate::{Clock, Hub};

pub(crate) use consume::{Handed, Rows};
pub(crate) use produce::{Batch, Data, Export, ExportState};

/// How much is read of an answer that is no data and no list.
const ANSWER_BYTES_MAX: usize = 64 << 10;
/// A list of ten thousand segments with long descriptions.
const LIST_BYTES_MAX: usize = 32 << 20;
/// Characters of an answer that people are shown.
const EXCERPT_CHARS_MAX: usize = 200;

/// Why a call did not do what it was made for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Trouble {
    /// The same call may succeed later.
    #[error("{why}")]
    Again {
        why: String,
        retry_after: Option<Duration>,
    },
    /// It will not, unless somebody changes something: a sentence for the endpoint's owner.
    #[error("{0}")]
    Refused(String),
}

impl Trouble {
    /// A call of this URL had no answer, or its answer broke off.
    fn of_failure(url: &str, failure: &Failure) -> Self {
        let why = format!("{url}: {failure}");
        if failure.is_retryable() {
            Self::Again {
                why,
                retry_after: None,
            }
        } else {
            Self::Refused(why)
        }
    }
}

/// An endpoint that can be called about audiences.
pub(crate) struct Peer {
    client: Client,
    clock: Clock,
    /// Its URL in this role, without a slash at its end; a query of it is kept in `query`.
    base: String,
    query: Option<String>,
    authorization: Option<Authorization>,
    limits: SegmentOptions,
    download_bytes_max: u64,
}

impl Hub {
    /// A pull producer.
    ///
    /// # Errors
    /// A sentence on why it cannot be called: it is none, or not enabled, or has no URL.
    pub(crate) fn peer_producer(&self, entry: &EndpointEntry) -> Result<Peer, String> {
        let role = entry.endpoint.definition.roles.segment_source.as_ref();
        self.peer(entry, role, Transfer::Pull, "pull producer")
    }

    /// A push consumer.
    ///
    /// # Errors
    /// As [`Hub::peer_producer`].
    pub(crate) fn peer_consumer(&self, entry: &EndpointEntry) -> Result<Peer, String> {
        let role = entry.endpoint.definition.roles.segment_destination.as_ref();
        self.peer(entry, role, Transfer::Push, "push consumer")
    }

    fn peer(
        &self,
        entry: &EndpointEntry,
        role: Option<&Role>,
        transfer: Transfer,
        what: &str,
    ) -> Result<Peer, String> {
        let endpoint = &entry.endpoint;
        let id = endpoint.id;
        let role = role.filter(|role| role.enabled && role.transfer == transfer);
        let role = role.ok_or_else(|| format!("endpoint {id} is no {what} of audiences"))?;
        if !endpoint.enabled || endpoint.status != EndpointStatus::Active {
            return Err(format!("endpoint {id} is not enabled and active"));
        }
        let url = endpoint.definition.url_of(role);
        let url =
            url.ok_or_else(|| format!("endpoint {id} has no URL: its provider must state one"))?;
        let (base, query) = match url.split_once('?') {
            Some((base, query)) => (base, Some(query.to_owned())),
            None => (url, None),
        };
        Ok(Peer {
            client: self.client.clone(),
            clock: self.clock.clone(),
            base: base.trim_end_matches('/').to_owned(),
            query,
            authorization: entry.secrets().authorization(),
            limits: self.options.segments.clone(),
            download_bytes_max: self.options.jobs.upload_bytes_max,
        })
    }
}

impl Peer {
    /// `GET /v1/segments`: all segments of the endpoint. Taken: `{"responseStatus":"success","result":{"totalCount":n,
    /// "list":[…]}}`, its inner parts alone, and a bare array.
    pub(crate) async fn segments(&self) -> Result<Listing, Trouble> {
        let call = self.call(Method::GET, "/v1/segments", LIST_BYTES_MAX)?;
        let answer = self.answered(call).await?;
        Listing::parse(&answer.body).map_err(|why| self.refused("/v1/segments", &why))
    }

    /// The ids of those with this name.
    pub(crate) async fn segments_named(&self, name: &str) -> Result<Vec<SegmentId>, Trouble> {
        let segments = self.segments().await?.segments.into_iter();
        let named = segments.filter(|segment| segment.name == name);
        Ok(named.map(|segment| segment.id).collect())
    }

    // ---- how a call is made, and what its answer means

    fn call(&self, method: Method, path: &str, bytes_max: usize) -> Result<Call, Trouble> {
        let mut url = format!("{}{path}", self.base);
        if let Some(query) = &self.query {
            url.push(if path.contains('?') { '&' } else { '?' });
            url.push_str(query);
        }
        let uri: Uri = url
            .parse()
            .map_err(|_| self.refused(path, "this is not a URL that can be called"))?;
        let mut headers = HeaderMap::new();
        if let Some(authorization) = &self.authorization {
            authorization.apply(&mut headers);
        }
        headers.insert(
            ACCEPT,
            HeaderValue::from_static("application/json, */*;q=0.5"),
        );
        Ok(Call {
            method,
            uri,
            headers,
            body: Bytes::new(),
            timeout: self.limits.call_timeout,
            response_bytes_max: bytes_max,
        })
    }

    fn json(mut call: Call, body: &serde_json::Value) -> Call {
        let json = HeaderValue::from_static("application/json; charset=utf-8");
        call.headers.insert(CONTENT_TYPE, json);
        call.body = body.to_string().into();
        call
    }

    async fn send(&self, call: Call) -> Result<Answer, Trouble> {
        let path = call.uri.path().to_owned();
        let answer = self.client.send(call).await;
        let answer = answer.map_err(|failure| self.unanswered(&path, &failure))?;
        Ok(self.without_credentials(answer))
    }

    /// The answer, if it is a success and whole.
    async fn answered(&self, call: Call) -> Result<Answer, Trouble> {
        let path = call.uri.path().to_owned();
        let answer = self.send(call).await?;
        self.successful(answer, &path)
    }

    fn successful(&self, answer: Answer, path: &str) -> Result<Answer, Trouble> {
        if !answer.status.is_success() {
            return Err(self.unsuccessful(path, &answer));
        }
        if answer.truncated {
            return Err(self.refused(path, "the answer is too large"));
        }
        Ok(answer)
    }

    /// There was no answer.
    fn unanswered(&self, path: &str, failure: &Failure) -> Trouble {
        Trouble::of_failure(&format!("{}{path}", self.base), failure)
    }

    /// There was one, and it is no success.
    fn unsuccessful(&self, path: &str, answer: &Answer) -> Trouble {
        let what = format!(
            "answered {}: {}",
            answer.status,
            answer.excerpt(EXCERPT_CHARS_MAX)
        );
        if heals(answer.status) {
            Trouble::Again {
                why: format!("{}{path}: {what}", self.base),
                retry_after: answer.retry_after(self.now()),
            }
        } else {
            self.refused(path, &what)
        }
    }

    fn refused(&self, path: &str, why: &str) -> Trouble {
        Trouble::Refused(format!("{}{path}: {why}", self.base))
    }

    fn without_credentials(&self, mut answer: Answer) -> Answer {
        if !answer.status.is_success()
            && let Some(hidden) = self
                .authorization
                .as_ref()
                .and_then(|known| known.hidden_in(&answer.body))
        {
            answer.body = hidden.into();
        }
        answer
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

/// Statuses after which the same call may succeed; those of pushed events.
fn heals(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 425 | 429)
        || (status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED)
}

fn segment_path(id: &SegmentId) -> String {
    format!("/v1/segments/{}", escaped(&id.to_string()))
}

#[cfg(test)]
mod tests;
