//! The committer: a task that makes the appends of this process to one shard durable, many in one commit.
//!
//! A commit whose answer is lost leaves a question: is it in the log or not? The committer ends the server's process that
//! has it, waits for the shard's row, and looks for the commit's token: if it is there, the callers get their positions,
//! else it cannot come any more and they get the error. While the server cannot be asked, it tries again for some
//! seconds; then the callers are refused without knowing, and the batch may be in the log: the one case in which a refused
//! append can appear.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::Shared;
use super::table::{Sealed, State};
use crate::blocking::blocking;
use crate::db::Failure;
use crate::log::batch::{Batch, Encoder};
use crate::log::front::Ending;
use crate::log::queue::{self, Call, Chore, Work};
use crate::log::{Fault, LogError};

/// Batches of one commit. More of them hardly make a commit cheaper, and make the first caller wait longer.
const BATCHES_PER_COMMIT_MAX: usize = 4;

/// How long a lost answer is looked for, and how often.
const LOOK_MAX: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(100);

pub(super) struct Committer {
    shared: Arc<Shared>,
    encoder: Encoder,
    /// Names the next commit: random at the start, then counted.
    token: i64,
}

impl Committer {
    pub(super) fn start(shared: &Arc<Shared>) -> Result<(), LogError> {
        let committer = Self {
            shared: Arc::clone(shared),
            encoder: Encoder::new().map_err(LogError::unavailable)?,
            token: RandomState::new()
                .hash_one(shared.table.shard())
                .cast_signed(),
        };
        let ending = Ending(Arc::clone(&shared.front));
        tokio::spawn(async move {
            let _ending = ending;
            // Only a process that shuts down takes the encoder away.
            let _ = committer.run().await;
        });
        Ok(())
    }

    async fn run(mut self) -> Result<(), LogError> {
        let shared = Arc::clone(&self.shared);
        while !shared.front.queue.has_ended() {
            shared.front.queue.ready().await;
            let Some(Work { batches, chore }) = shared.front.queue.try_take(BATCHES_PER_COMMIT_MAX)
            else {
                continue;
            };
            if !batches.is_empty() {
                self = self.append(batches).await?;
            }
            let shared = Arc::clone(&shared);
            // Whoever has gone needs no answer.
            match chore {
                // Appends go on beside these.
                Some(Chore::Trim { before_seq, answer }) => {
                    tokio::spawn(async move { answer.send(shared.trim(before_seq).await) });
                }
                Some(Chore::Rewrite { batches, answer }) => {
                    tokio::spawn(async move { answer.send(shared.rewrite(batches).await) });
                }
                Some(Chore::Scrub { answer, .. }) => {
                    tokio::spawn(async move { answer.send(shared.scrub().await) });
                }
                Some(Chore::Probe { answer }) => {
                    tokio::spawn(async move { answer.send(shared.probe().await) });
                }
                Some(Chore::Import { batches, answer }) => {
                    let _ = answer.send(self.import(&batches).await);
                }
                Some(Chore::SkipTo { next_seq, answer }) => {
                    let _ = answer.send(self.skip_to(next_seq).await);
                }
                None => {}
            }
        }
        Ok(())
    }

    async fn append(mut self, groups: Vec<Vec<Call>>) -> Result<Self, LogError> {
        let started = Instant::now();
        let at = self.shared.front.clock.now();
        let (mut this, groups, sealed) = blocking(move || {
            let sealed: Result<Vec<Sealed>, LogError> = groups
                .iter()
                .map(|group| seal(&mut self.encoder, group, at))
                .collect();
            (self, groups, sealed)
        })
        .await?;
        let stored = match sealed {
            Ok(sealed) => this.store(sealed, at.as_microsecond()).await,
            Err(error) => Err(error),
        };
        let is_failing = &this.shared.is_failing;
        is_failing.store(stored.is_err(), Ordering::Relaxed);
        match stored {
            Ok(batches) => {
                this.shared.options.tell(groups.iter().flatten(), started);
                for (calls, batch) in groups.into_iter().zip(batches) {
                    queue::answer(calls, &batch);
                }
            }
            Err(error) => {
                queue::refuse(groups.into_iter().flatten(), &error);
            }
        }
        Ok(this)
    }

    /// Makes batches durable, or finds out that they are not in the log.
    async fn store(
        &mut self,
        mut sealed: Vec<Sealed>,
        micros: i64,
    ) -> Result<Vec<Arc<Batch>>, LogError> {
        self.token = self.token.wrapping_add(1);
        let from_seq = self.shared.ends().next_seq;
        let fault = self.shared.options.faults.of_commit();
        let table = &self.shared.table;
        let stored = match fault {
            Some(fault @ (Fault::DiskFull | Fault::SyncFailed)) => {
                return Err(LogError::injected(fault));
            }
            Some(Fault::AnswerLost) => {
                let stored = table.append(&mut sealed, micros, self.token).await;
                stored.and_then(|_| Err(Failure::uncertain("the answer got lost (injected)")))
            }
            None => table.append(&mut sealed, micros, self.token).await,
        };
        let state = match stored {
            Ok(state) => state,
            Err(failure) => {
                tracing::error!(
                    error = &failure.error as &dyn std::error::Error,
                    shard = table.shard(),
                    "a commit of the log failed"
                );
                if !failure.is_uncertain {
                    return Err(failure.error.into());
                }
                match self.look(from_seq, &failure).await? {
                    Some(state) => state,
                    None => return Err(failure.error.into()),
                }
            }
        };
        Ok(self.publish(sealed, &state))
    }

    /// Finds out what became of the last commit.
    async fn look(&self, from_seq: u64, failure: &Failure) -> Result<Option<State>, LogError> {
        let started = Instant::now();
        loop {
            let found = self
                .shared
                .table
                .find(self.token, from_seq, failure.backend)
                .await;
            match found {
                Err(_) if started.elapsed() < LOOK_MAX => tokio::time::sleep(LOOK_EVERY).await,
                found => return found,
            }
        }
    }

    /// Shows durable batches to readers. `state` is that right after their commit.
    fn publish(&self, sealed: Vec<Sealed>, state: &State) -> Vec<Arc<Batch>> {
        let first_seq = state.ends.next_seq - sealed.len() as u64;
        let at = Timestamp::from_microsecond(state.appended_at).unwrap_or_default();
        let batches: Vec<Arc<Batch>> = (first_seq..)
            .zip(sealed)
            .map(|(seq, sealed)| Arc::new(sealed.batch.placed(seq, at)))
            .collect();
        for batch in &batches {
            self.shared.tail().push(Arc::clone(batch));
        }
        self.shared.learn(state);
        batches
    }

    async fn import(&mut self, batches: &[Arc<Batch>]) -> Result<(), LogError> {
        let state = self.shared.table.state().await?;
        LogError::check_import(batches, state.ends.next_seq)?;
        let (mut last_at, mut placed, mut stored) = (state.appended_at, Vec::new(), Vec::new());
        for batch in batches {
            let batch = Batch::not_before(batch, last_at);
            last_at = batch.appended_at().as_microsecond();
            stored.push(self.encoder.encode(&batch).map_err(LogError::unavailable)?);
            placed.push(batch);
        }
        if !placed.is_empty() {
            self.token = self.token.wrapping_add(1);
            let state = self
                .shared
                .table
                .import(&placed, stored, self.token)
                .await?;
            self.shared.learn(&state);
        }
        Ok(())
    }

    async fn skip_to(&self, next_seq: u64) -> Result<(), LogError> {
        LogError::check_skip(next_seq, self.shared.latest().await?)?;
        let state = self.shared.table.go_on_at(next_seq).await?;
        self.shared.learn(&state);
        Ok(())
    }
}

fn seal(encoder: &mut Encoder, group: &[Call], at: Timestamp) -> Result<Sealed, LogError> {
    let batch = Batch::new(0, at, group.iter().flat_map(|call| &call.records));
    let stored = encoder.encode(&batch).map_err(LogError::unavailable)?;
    Ok(Sealed { batch, stored })
}
