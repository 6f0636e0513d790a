//! The committer: a task that publishes what waits, some batches at once, and answers when they are acknowledged.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;

use super::Shared;
use super::flights::Flights;
use super::link::Trouble;
use super::message::ENVELOPE_BYTES_MAX;
use crate::log::batch::{Batch, Encoder};
use crate::log::front::Ending;
use crate::log::queue::{self, Call, Chore, Work};
use crate::log::{Fault, LogError};

/// Batches on their way at the same time: enough to keep the servers busy, and few enough that appends meanwhile
/// gather into larger batches.
const IN_FLIGHT_MAX: usize = 4;

pub(super) struct Committer {
    shared: Arc<Shared>,
    encoder: Encoder,
    flights: Flights,
    flying: BTreeMap<u64, Sealed>,
    last_at: i64,
}

/// A batch without its number, which JetStream gives it.
struct Sealed {
    batch: Batch,
    stored: usize,
    calls: Vec<Call>,
    started: Instant,
}

impl Committer {
    pub(super) async fn start(shared: &Arc<Shared>) -> Result<(), LogError> {
        let committer = Self {
            shared: Arc::clone(shared),
            encoder: Encoder::new().map_err(LogError::unavailable)?,
            flights: Flights::new(shared.stream.clone()).await?,
            flying: BTreeMap::new(),
            last_at: 0,
        };
        let ending = Ending(Arc::clone(&shared.front));
        tokio::spawn(async move {
            let _ending = ending;
            committer.run().await;
        });
        Ok(())
    }

    async fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        while !(self.flying.is_empty() && shared.front.queue.has_ended()) {
            tokio::select! {
                biased;
                (number, result) = self.flights.next() => self.landed(number, result).await,
                () = shared.front.queue.ready(), if self.flights.len() < IN_FLIGHT_MAX && !shared.front.queue.has_ended() => {
                    if let Some(work) = shared.front.queue.try_take(1) {
                        self.work(work).await;
                    }
                }
            }
        }
    }

    async fn work(&mut self, work: Work) {
        for calls in work.batches {
            self.append(calls).await;
        }
        let shared = Arc::clone(&self.shared);
        match work.chore {
            Some(Chore::Trim { before_seq, answer }) => {
                tokio::spawn(async move { answer.send(shared.trim(before_seq).await) });
            }
            Some(Chore::Rewrite { batches, answer }) => {
                tokio::spawn(async move { answer.send(shared.rewrite(batches).await) });
            }
            Some(Chore::Scrub { answer, .. }) => {
                // What was replaced was overwritten then.
                shared.forget();
                let _ = answer.send(Ok(false));
            }
            Some(Chore::Probe { answer }) => {
                tokio::spawn(async move { answer.send(shared.probe().await) });
            }
            Some(Chore::Import { batches, answer }) => {
                self.land_all().await;
                let _ = answer.send(self.import(&batches).await);
            }
            Some(Chore::SkipTo { next_seq, answer }) => {
                self.land_all().await;
                let _ = answer.send(shared.skip_to(next_seq).await);
            }
            None => {}
        }
    }

    async fn append(&mut self, calls: Vec<Call>) {
        let fault = self.shared.options.faults.of_commit();
        let sealed = match fault {
            Some(Fault::DiskFull) => Err(Trouble::Injected("disk full").into()),
            Some(Fault::SyncFailed) => Err(Trouble::Injected("sync failed").into()),
            Some(Fault::AnswerLost) | None => self.seal(&calls),
        };
        let (batch, stored) = match sealed {
            Ok(sealed) => sealed,
            Err(error) => return queue::refuse(calls, &error),
        };
        let bytes = stored.len();
        let lose_answer = fault.is_some();
        let started = Instant::now();
        let number = self
            .flights
            .start(&batch, stored.into(), None, lose_answer)
            .await;
        let sealed = Sealed {
            batch,
            stored: bytes,
            calls,
            started,
        };
        self.flying.insert(number, sealed);
    }

    fn seal(&mut self, calls: &[Call]) -> Result<(Batch, Vec<u8>), LogError> {
        let now = self.shared.front.clock.now().as_microsecond();
        self.last_at = now.max(self.last_at).max(self.shared.view().last_at);
        let at = Timestamp::from_microsecond(self.last_at).map_err(LogError::unavailable)?;
        let batch = Batch::new(0, at, calls.iter().flat_map(|call| &call.records));
        let stored = self.encode(&batch)?;
        Ok((batch, stored))
    }

    fn encode(&mut self, batch: &Batch) -> Result<Vec<u8>, LogError> {
        let stored = self.encoder.encode(batch).map_err(LogError::unavailable)?;
        let bytes_max = self.shared.stream.link.client.max_payload();
        if stored.len() + ENVELOPE_BYTES_MAX > bytes_max {
            return Err(LogError::TooLarge {
                records: batch.len(),
                bytes: stored.len(),
                bytes_max: bytes_max.saturating_sub(ENVELOPE_BYTES_MAX),
            });
        }
        Ok(stored)
    }

    async fn landed(&mut self, number: u64, result: Result<u64, Trouble>) {
        let Some(sealed) = self.flying.remove(&number) else {
            return;
        };
        let stream = match result {
            Ok(stream) => stream,
            Err(trouble) => {
                tracing::error!(
                    error = &trouble as &dyn std::error::Error,
                    "a batch could not be appended to the log"
                );
                let is_unanswered = matches!(trouble, Trouble::Unanswered);
                let error = trouble.into();
                if is_unanswered {
                    // Those who wait have waited long enough, too.
                    self.shared
                        .front
                        .queue
                        .refuse_waiting(&Trouble::Waited.into());
                }
                return queue::refuse(sealed.calls, &error);
            }
        };
        let batch = self
            .shared
            .landed(stream, sealed.batch, sealed.stored)
            .await;
        self.shared.options.tell(&sealed.calls, sealed.started);
        queue::answer(sealed.calls, &batch);
    }

    async fn land_all(&mut self) {
        while !self.flying.is_empty() {
            let (number, result) = self.flights.next().await;
            self.landed(number, result).await;
        }
    }

    async fn import(&mut self, batches: &[Arc<Batch>]) -> Result<(), LogError> {
        self.shared.refresh().await?;
        LogError::check_import(batches, self.shared.view().next_seq())?;
        for batch in batches {
            self.shared.skip_to(batch.seq()).await?;
            let (last, last_at) = {
                let view = self.shared.view();
                (view.last, view.last_at)
            };
            let batch = Batch::not_before(batch, last_at);
            let stored = self.encode(&batch)?;
            let bytes = stored.len();
            self.flights
                .start(&batch, stored.into(), Some(last), false)
                .await;
            let (_, result) = self.flights.next().await;
            self.shared
                .landed(result?, Batch::clone(&batch), bytes)
                .await;
        }
        Ok(())
    }
}
