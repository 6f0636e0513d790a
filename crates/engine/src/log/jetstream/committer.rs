//! The committer: a task that publishes what waits, some batches at once, and answers when they are acknowledged.

use std::sync::Arc;
use std::time::Instant;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use jiff::Timestamp;

use super::Shared;
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
    flying: FuturesUnordered<BoxFuture<'static, Landed>>,
    last_at: i64,
}

/// A batch without its number, which JetStream gives it.
struct Sealed {
    batch: Batch,
    stored: usize,
    calls: Vec<Call>,
    started: Instant,
}

/// A batch, and its number in the stream.
type Landed = (Sealed, Result<u64, Trouble>);

impl Committer {
    pub(super) fn start(shared: &Arc<Shared>) -> Result<(), LogError> {
        let committer = Self {
            shared: Arc::clone(shared),
            encoder: Encoder::new().map_err(LogError::unavailable)?,
            flying: FuturesUnordered::new(),
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
                Some(landed) = self.flying.next() => self.landed(landed).await,
                () = shared.front.queue.ready(), if self.flying.len() < IN_FLIGHT_MAX && !shared.front.queue.has_ended() => {
                    if let Some(work) = shared.front.queue.try_take(1) {
                        self.work(work).await;
                    }
                }
                else => {}
            }
        }
    }

    async fn work(&mut self, work: Work) {
        for calls in work.batches {
            self.append(calls);
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

    fn append(&mut self, calls: Vec<Call>) {
        let fault = self.shared.options.faults.of_commit();
        let sealed = match fault {
            Some(fault @ (Fault::DiskFull | Fault::SyncFailed)) => Err(LogError::injected(fault)),
            Some(Fault::AnswerLost) | None => self.seal(&calls),
        };
        let (batch, stored) = match sealed {
            Ok(sealed) => sealed,
            Err(error) => return queue::refuse(calls, &error),
        };
        let (stream, lose_answer) = (self.shared.stream.clone(), fault.is_some());
        let sealed = Sealed {
            batch,
            stored: stored.len(),
            calls,
            started: Instant::now(),
        };
        let stored = stored.into();
        self.flying.push(Box::pin(async move {
            let published =
                stream.publish(&stream.subject, &sealed.batch, stored, None, lose_answer);
            let published = published.await;
            (sealed, published)
        }));
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

    async fn landed(&mut self, (sealed, result): Landed) {
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
                    let waited = "JetStream does not answer to the appends before this one, which is not in the log";
                    self.shared
                        .front
                        .queue
                        .refuse_waiting(&Trouble::Unfit(waited.to_owned()).into());
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
        while let Some(landed) = self.flying.next().await {
            self.landed(landed).await;
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
            let stream = &self.shared.stream;
            let number = stream
                .publish(&stream.subject, &batch, stored.into(), Some(last), false)
                .await?;
            self.shared
                .landed(number, Batch::clone(&batch), bytes)
                .await;
        }
        Ok(())
    }
}
