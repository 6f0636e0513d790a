//! Sends what waits to push destinations: shapes the documents, makes the call, and takes what is delivered out of
//! the pending set.
//!
//! A worker makes one call after another as long as somebody may be served; there are at most as many as the global
//! budget allows. Nothing here waits for a destination but its own worker.

mod prepare;

use std::sync::Arc;
use std::time::Duration;

use engine::Clock;
use http::{HeaderMap, HeaderValue, Method, header};
use jiff::Timestamp;
use model::circuit::CircuitPolicy;
use model::record::{Document, Entry};
use model::retry::{Next, Verdict, verdict};
use model::{AccountId, EndpointId};
use outbound::{Answer, Call, Failure, signature};
use store::delivery::{Attempt, Exception, ExceptionState};

use super::destination::{Destination, Job, Kind, Waiting};
use crate::test_drive::TestPush;
use crate::traffic::Minute;
use crate::{Hub, Result, Scope};
use prepare::Prepared;

/// Characters of an answer that are kept for people.
const DETAIL_CHARS_MAX: usize = 500;
/// A destination that asks for it (429 or 503 with `Retry-After`) is left alone altogether for at most this long.
const PAUSE_MAX: Duration = Duration::from_secs(300);
/// While the log cannot be read, nobody spins.
const LOG_PAUSE: Duration = Duration::from_millis(500);

/// How one call ended, for each of its documents alike.
struct Outcome {
    verdict: Verdict,
    attempt: Attempt,
    retry_after: Option<Duration>,
    /// The destination could not keep up or be reached: fewer calls at once.
    is_overload: bool,
    /// The destination itself is unwell: counts towards opening its circuit.
    is_unwell: bool,
}

/// What may be done now.
pub(super) struct Work {
    jobs: Vec<Job>,
    loads: Vec<EndpointId>,
    is_alarm_earlier: bool,
}

impl super::Flow {
    /// Takes everything that may be served at `now`.
    fn take_work(&self, state: &mut super::State, clock: &Clock, now: Timestamp) -> Work {
        let mut work = Work {
            jobs: Vec::new(),
            loads: Vec::new(),
            is_alarm_earlier: false,
        };
        if self.is_stopping() || !self.is_live(clock) {
            return work;
        }
        work.jobs
            .extend(std::iter::from_fn(|| state.schedule.next(now)));
        work.loads.extend(state.schedule.to_load.drain(..));
        work.is_alarm_earlier = state.schedule.take_alarm_earlier();
        work
    }
}

/// Why a job cannot be sent now: the log cannot be read, or (`None`) the destination has just been disabled.
struct Hindrance(Option<crate::Error>);

impl Hub {
    /// Starts workers and loaders for what may be served now.
    pub(crate) fn pump(self: &Arc<Self>) {
        let now = self.now();
        let mut state = self.flow.state();
        let work = self.flow.take_work(&mut state, &self.clock, now);
        drop(state);
        self.start(work);
    }

    fn start(self: &Arc<Self>, work: Work) {
        for id in work.loads {
            let hub = Arc::clone(self);
            tokio::spawn(async move { hub.load(id).await });
        }
        for job in work.jobs {
            let hub = Arc::clone(self);
            tokio::spawn(async move { hub.work(job).await });
        }
        if work.is_alarm_earlier {
            self.flow.pump.notify_one();
        }
    }

    /// One worker: sends, takes the next job, until there is none. When there is more to do than one job, it starts
    /// others for the rest, so the number of workers follows the work.
    async fn work(self: Arc<Self>, mut job: Job) {
        loop {
            let now = match self.send(&job).await {
                Ok(outcome) => self.completed(&job, outcome).await,
                Err(hindrance) => self.hindered(&job, hindrance),
            };
            let mut work = {
                let mut state = self.flow.state();
                state.schedule.finished(&job, now);
                self.flow.take_work(&mut state, &self.clock, now)
            };
            self.flow.changed.notify_waiters();
            let next = work.jobs.pop();
            self.start(work);
            match next {
                Some(next) => job = next,
                None => return,
            }
        }
    }

    /// Shapes and sends one job. `Ok(None)`: there was nothing to send, which counts as delivered.
    async fn send(&self, job: &Job) -> std::result::Result<Option<Outcome>, Hindrance> {
        let prepared = self.prepare(job).await?;
        if prepared.is_empty {
            return Ok(None);
        }
        let at = self.now();
        let Some(uri) = prepared.target.uri.clone() else {
            return Ok(Some(no_url(at)));
        };
        let call = Call {
            method: Method::POST,
            uri,
            headers: headers(&prepared, at),
            body: prepared.body.into(),
            timeout: self.options.delivery.timeout,
            response_bytes_max: self.options.delivery.response_bytes_max,
        };
        if job.kind == Kind::First {
            self.metrics.inside(at, prepared.published_at);
        }
        let result = self
            .call_destination(&prepared.target, prepared.is_test, call)
            .await;
        let outcome = outcome(result, at, self.now());
        self.metrics
            .pushed(&outcome.attempt, outcome.verdict == Verdict::Delivered);
        if outcome.verdict == Verdict::Delivered {
            self.metrics.end_to_end(self.now(), prepared.published_at);
        }
        Ok(Some(outcome))
    }

    /// What a destination is sent for a document, as it would be at this moment; `None` when it is not called for it:
    /// disabled, without a URL, or nothing in it is for it. The destination's credentials are not in it.
    pub async fn delivery_shown(
        &self,
        scope: Scope,
        id: EndpointId,
        document: model::DocumentId,
    ) -> Result<Option<TestPush>> {
        let missing = || crate::Error::not_found("document", document);
        let position = document.position(scope.0).ok_or_else(missing)?;
        self.endpoint(scope, id)?;
        let job = Job {
            destination: id,
            tenure: 0,
            kind: Kind::First,
            documents: vec![super::waiting(position, 0, 0)],
            is_probe: false,
        };
        let prepared = match self.prepare(&job).await {
            Ok(prepared) => prepared,
            Err(Hindrance(Some(error))) => return Err(error),
            Err(Hindrance(None)) => return Ok(None),
        };
        let Some(uri) = prepared.target.uri.clone().filter(|_| !prepared.is_empty) else {
            return Ok(None);
        };
        let call = Call {
            method: Method::POST,
            uri,
            headers: headers(&prepared, self.now()),
            body: prepared.body.into(),
            timeout: self.options.delivery.timeout,
            response_bytes_max: 0,
        };
        Ok(Some(self.push_of(&prepared.target, &call)))
    }

    /// Enters how a call ended; answers the time at which it did.
    async fn completed(&self, job: &Job, outcome: Option<Outcome>) -> Timestamp {
        let now = self.now();
        let Some(outcome) = outcome else {
            let mut state = self.flow.state();
            if let Some(destination) = state.schedule.of(job) {
                for &waiting in &job.documents {
                    destination.dropped(waiting, job.kind);
                }
                if job.is_probe {
                    destination.probe_lost(now);
                }
            }
            return now;
        };
        self.enter(job, &outcome, now);
        if outcome.verdict == Verdict::Gone {
            let gone = self.destination_gone(job.destination, &outcome.attempt.detail);
            if let Err(error) = gone.await {
                tracing::error!(
                    endpoint_id = job.destination.0,
                    error = &error as &dyn std::error::Error,
                    "a destination that answered 410 could not be disabled"
                );
            }
            self.flow_refresh(job.destination);
        }
        now
    }

    fn enter(&self, job: &Job, outcome: &Outcome, now: Timestamp) {
        let policy = self.options.delivery.retry;
        let mut state = self.flow.state();
        let circuit = state.schedule.budget.circuit;
        let Some(destination) = state.schedule.of(job) else {
            return;
        };
        outcome.judge(destination, job.kind, &circuit, now);
        let counted = outcome.counted(job, destination.waiting_for(now));
        self.traffic
            .add(destination.account, destination.id, &counted, now);
        for &waiting in &job.documents {
            if outcome.verdict == Verdict::Delivered {
                destination.delivered(waiting, job.kind);
                continue;
            }
            let known = destination.retrying.get(&waiting.position).cloned();
            let mut exception =
                known.unwrap_or_else(|| fresh(destination.account, destination.id, waiting, now));
            exception.record(outcome.attempt.clone());
            let next = match outcome.verdict {
                // One of them may be to blame for all: each by itself.
                Verdict::Refused if job.documents.len() > 1 => Next::At(now),
                Verdict::Refused => Next::GiveUp,
                // What met a 410 waits like all the rest, for somebody to enable the destination again.
                Verdict::Retry | Verdict::Gone | Verdict::Delivered => policy.next(
                    exception.attempts,
                    exception.first_attempt_at,
                    now,
                    outcome.retry_after,
                    fastrand::f64(),
                ),
            };
            match next {
                Next::At(at) => {
                    exception.next_attempt_at = Some(at);
                    destination.retry(waiting, job.kind, exception);
                    self.metrics.retried.inc();
                }
                Next::GiveUp => {
                    exception.state = ExceptionState::Dead;
                    exception.next_attempt_at = None;
                    destination.dead(waiting, job.kind, exception);
                    self.metrics.dead.inc();
                }
            }
        }
    }

    fn hindered(&self, job: &Job, Hindrance(error): Hindrance) -> Timestamp {
        let now = self.now();
        let mut state = self.flow.state();
        let Some(destination) = state.schedule.of(job) else {
            return now;
        };
        destination.put_back(job);
        if job.is_probe {
            destination.probe_lost(now);
        }
        if let Some(error) = error {
            destination.pause(now + LOG_PAUSE);
            tracing::warn!(
                endpoint_id = job.destination.0,
                error = &error as &dyn std::error::Error,
                "an event waits: the log, or who it is about, cannot be read"
            );
        } else {
            // As the registry has it at this moment: it may have been enabled again meanwhile.
            destination.is_open = self
                .registry
                .endpoint(job.destination)
                .is_some_and(|entry| entry.target.is_some());
        }
        now
    }

    /// Reads what a destination that is behind needs next, from its own set.
    async fn load(self: Arc<Self>, id: EndpointId) {
        let begun = match self.flow.state().schedule.destinations.get_mut(&id) {
            Some(d) => (d.begin_load(), d.account, d.tenure),
            None => return,
        };
        let (positions, account, tenure) = begun;
        let read = self.read_waiting(account, &positions).await;
        let now = self.now();
        let mut lost = 0;
        {
            let mut state = self.flow.state();
            let known = state.schedule.destinations.get_mut(&id);
            let Some(destination) = known.filter(|d| d.tenure == tenure) else {
                return;
            };
            match read {
                Ok((read, gone)) => {
                    destination.loaded(&read);
                    lost = destination.give_up(&gone);
                }
                Err(error) => {
                    destination.not_loaded(&positions);
                    destination.pause(now + LOG_PAUSE);
                    tracing::warn!(
                        endpoint_id = id.0,
                        error = &error as &dyn std::error::Error,
                        "events wait: the log cannot be read"
                    );
                }
            }
            state.schedule.look_at(id, now);
        }
        if lost > 0 {
            self.tell_of_lost(account, id, lost).await;
        }
        self.flow.changed.notify_waiters();
        self.flow.pump.notify_one();
    }

    async fn tell_of_lost(&self, account: AccountId, id: EndpointId, count: u64) {
        self.metrics.expired.inc_by(count);
        let message = format!(
            "{count} events that waited for this destination were given up: the log holds them no longer, or damaged"
        );
        let told = self.notify_people(Scope(account), Some(id), "events-lost", &message);
        if let Err(error) = told.await {
            tracing::error!(
                endpoint_id = id.0,
                count,
                error = &error as &dyn std::error::Error,
                "events are lost, and nobody could be told"
            );
        }
    }

    /// What waits at these positions, and the positions of what cannot be read any more.
    async fn read_waiting(
        &self,
        account: AccountId,
        positions: &[u64],
    ) -> Result<(Vec<Waiting>, Vec<u64>)> {
        let mut batches = Vec::with_capacity(positions.len());
        for &position in positions {
            let seq = engine::Position::from_u64(position).seq();
            batches.push(self.batch(account, seq).await?);
        }
        let mut documents = Vec::with_capacity(positions.len());
        let mut gone = Vec::new();
        for (&position, batch) in positions.iter().zip(&batches) {
            let index = engine::Position::from_u64(position).index();
            let record = batch.as_ref().and_then(|batch| batch.record(index));
            match record.map(|bytes| (Entry::decode(bytes), bytes.len())) {
                Some((Ok(Entry::Document(document)), bytes)) => {
                    documents.push((position, document, bytes));
                }
                _ => gone.push(position),
            }
        }
        let about: Vec<&Document<'_>> = documents.iter().map(|(_, one, _)| one).collect();
        let who = self.who(account, &about).await?;
        let read = documents.iter().zip(who);
        let read =
            read.map(|((position, _, bytes), who)| super::waiting(*position, who.lane(), *bytes));
        Ok((read.collect(), gone))
    }
}

impl Outcome {
    /// As it is counted for people.
    fn counted(&self, job: &Job, lag: Option<Duration>) -> Minute {
        let is_delivered = self.verdict == Verdict::Delivered;
        let documents = if is_delivered { job.documents.len() } else { 0 };
        let lag = lag.map_or(0, |lag| lag.as_millis());
        Minute {
            published: 0,
            delivered: u32::try_from(documents).unwrap_or(u32::MAX),
            attempts: 1,
            failures: u32::from(!is_delivered),
            millis: self.attempt.duration_ms,
            lag_millis: u64::try_from(lag).unwrap_or(u64::MAX),
        }
    }

    /// What the answer says about the destination itself.
    fn judge(
        &self,
        destination: &mut Destination,
        kind: Kind,
        policy: &CircuitPolicy,
        now: Timestamp,
    ) {
        // A document that meets 500 again and again tells of itself: it must not close the door to all others.
        let is_of_document = kind == Kind::Retry
            && self.attempt.status == Some(500)
            && destination.circuit.is_closed();
        if is_of_document {
            // Nothing is learned of the destination.
        } else if self.is_unwell {
            destination.circuit.on_failure(policy, now, fastrand::f64());
        } else if destination.circuit.on_success() {
            destination.window.on_recovery(now);
        }
        if self.is_overload {
            destination.window.on_overload(self.attempt.at, now);
        } else if self.verdict == Verdict::Delivered {
            destination.window.on_success(destination.in_flight);
        }
        if let Some(asked) = self.retry_after
            && matches!(self.attempt.status, Some(429 | 503))
        {
            destination.pause(now + asked.min(PAUSE_MAX));
        }
        if self.verdict == Verdict::Gone {
            // At once, so that nothing else goes there until it is disabled for all to see.
            destination.is_open = false;
        }
    }
}

/// A URL that cannot be called: nothing is gained by trying again.
fn no_url(at: Timestamp) -> Outcome {
    Outcome {
        verdict: Verdict::Refused,
        retry_after: None,
        is_overload: false,
        is_unwell: false,
        attempt: Attempt {
            at,
            duration_ms: 0,
            status: None,
            failure: Some("url".to_owned()),
            detail:
                "the endpoint's URL cannot be called: correct it with PUT /v1/endpoint and replay"
                    .to_owned(),
        },
    }
}

fn fresh(account: AccountId, endpoint: EndpointId, waiting: Waiting, now: Timestamp) -> Exception {
    Exception {
        account,
        endpoint,
        position: waiting.position,
        person: waiting.person,
        state: ExceptionState::Retrying,
        attempts: 0,
        first_attempt_at: now,
        last_attempt_at: now,
        next_attempt_at: None,
        history: Vec::new(),
    }
}

fn micros(us: i64) -> Timestamp {
    Timestamp::from_microsecond(us).unwrap_or(Timestamp::UNIX_EPOCH)
}

fn headers(prepared: &Prepared, at: Timestamp) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(6);
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    let timestamp_s = at.as_second();
    if let Ok(id) = HeaderValue::from_str(&prepared.id) {
        headers.insert(signature::ID, id);
    }
    headers.insert(signature::TIMESTAMP, HeaderValue::from(timestamp_s));
    if !prepared.target.webhook.is_empty() {
        let signed = signature::sign(
            &prepared.target.webhook,
            &prepared.id,
            timestamp_s,
            &prepared.body,
        );
        if let Ok(signed) = HeaderValue::from_str(&signed) {
            headers.insert(signature::SIGNATURE, signed);
        }
    }
    if let Some(authorization) = &prepared.target.authorization {
        authorization.apply(&mut headers);
    }
    headers
}

fn outcome(result: std::result::Result<Answer, Failure>, at: Timestamp, now: Timestamp) -> Outcome {
    match result {
        Ok(answer) => {
            let status = answer.status.as_u16();
            let verdict = verdict(status);
            Outcome {
                verdict,
                retry_after: answer.retry_after(now),
                is_overload: matches!(status, 408 | 429 | 503),
                is_unwell: verdict == Verdict::Retry && status != 429,
                attempt: Attempt {
                    at,
                    duration_ms: millis(answer.elapsed),
                    status: Some(status),
                    failure: None,
                    // Only trouble is remembered, so only its text is worth making.
                    detail: if verdict == Verdict::Delivered {
                        String::new()
                    } else {
                        answer.excerpt(DETAIL_CHARS_MAX)
                    },
                },
            }
        }
        Err(failure) => Outcome {
            verdict: if failure.is_retryable() {
                Verdict::Retry
            } else {
                Verdict::Refused
            },
            retry_after: None,
            is_overload: true,
            is_unwell: failure.is_retryable(),
            attempt: Attempt {
                at,
                duration_ms: millis(Duration::try_from(now.duration_since(at)).unwrap_or_default()),
                status: None,
                failure: Some(failure.code().to_owned()),
                detail: failure.to_string(),
            },
        },
    }
}

fn millis(elapsed: Duration) -> u64 {
    u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
}
