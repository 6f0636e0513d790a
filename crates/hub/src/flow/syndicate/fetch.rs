//! Gets the source's rows: what a push producer uploaded, or what a pull producer has at hand or exports when it is asked.
//!
//! A pull producer is asked for so many batches that each is small enough to be fetched again; how many, the last run
//! tells. One that does not know of batches gives everything each time: that is noticed by the second one.

use std::sync::Arc;
use std::time::Duration;

use model::endpoint::Transfer;

use super::Sliced;
use super::state::{At, Fetch, State, TEXT_CSV};
use crate::flow::jobs::{JobRun, Slice, SliceError};
use crate::flow::peer::{Batch, Data, Export, ExportState, Peer, Trouble};
use crate::{Error, Hub};

/// Rows of one batch, about.
const BATCH_ROWS: u64 = 250_000;
/// Between two looks at a producer's export: the first, doubled up to the longest.
const POLL_FIRST: Duration = Duration::from_secs(1);
const POLL_MAX: Duration = Duration::from_secs(60);
/// Looks at one export: more than a day.
const POLLS_MAX: u32 = 1_500;

impl Hub {
    /// Finds out how rows come; [`At::Begin`] while an upload is waited for.
    pub(super) async fn begin_fetch(
        self: &Arc<Self>,
        run: &mut JobRun,
        state: &mut State,
    ) -> Sliced<At> {
        let entry = self.party(run.scope(), state.plan.source, "source")?;
        let role = entry.endpoint.definition.roles.segment_source.as_ref();
        let role = role.filter(|role| role.enabled).ok_or_else(|| {
            SliceError::Failed(format!(
                "endpoint {} gives no audiences any more",
                state.plan.source
            ))
        })?;
        if role.transfer == Transfer::Push {
            let Some(upload) = run.job.upload.clone() else {
                run.step("fetch", 0, Some(1));
                return Ok(At::Begin);
            };
            run.step("fetch", 1, Some(1));
            state.sources = vec![upload];
            return Ok(At::Turn(Default::default()));
        }
        let tx = &mut self.db.read().await?;
        let before = store::sent::share(tx, run.scope(), state.plan.share).await?;
        let rows = before.map_or(0, |before| before.rows_read);
        let batches = u32::try_from(rows.div_ceil(BATCH_ROWS)).unwrap_or(u32::MAX);
        Ok(At::Fetch(Fetch {
            batches: batches.max(1),
            ..Fetch::default()
        }))
    }

    /// Fetches one file, or looks whether there is one.
    pub(super) async fn fetch_rows(
        self: &Arc<Self>,
        run: &mut JobRun,
        state: &mut State,
        mut fetch: Fetch,
    ) -> Sliced<(At, Slice)> {
        let entry = self.party(run.scope(), state.plan.source, "source")?;
        let peer = self.peer_producer(&entry).map_err(SliceError::Failed)?;
        run.step("fetch", fetch.done.into(), Some(fetch.batches.into()));
        let fetched = match fetch.export.clone() {
            Some(export) => self.fetch_export(run, &peer, &mut fetch, &export).await,
            None => self.fetch_batch(run, &peer, state, &mut fetch).await,
        };
        match fetched {
            Ok(slice) => {
                state.tries.well();
                if fetch.done < fetch.batches {
                    return Ok((At::Fetch(fetch), slice));
                }
                run.step("fetch", fetch.done.into(), Some(fetch.done.into()));
                state.sources = (1..=fetch.done).map(name).collect();
                Ok((At::Turn(Default::default()), Slice::More))
            }
            Err(Broken::Slice(error)) => Err(error),
            Err(Broken::Trouble(Trouble::Refused(why))) => Err(SliceError::Failed(why)),
            Err(Broken::Trouble(Trouble::Again { why, retry_after })) => {
                let slice = state.tries.again(self.now(), &why, retry_after)?;
                run.tell("lastTrouble", why);
                Ok((At::Fetch(fetch), slice))
            }
        }
    }

    async fn fetch_batch(
        &self,
        run: &mut JobRun,
        peer: &Peer,
        state: &State,
        fetch: &mut Fetch,
    ) -> Result<Slice, Broken> {
        let segment = &state.plan.segment;
        let batch = Batch {
            number: fetch.done + 1,
            total: fetch.batches,
        };
        let window = run.job.details.window;
        match peer.segment_data(segment, window, batch).await? {
            Some(data) => {
                let digest = self.fetch_file(run, data, &name(batch.number)).await?;
                if batch.number > 1 && fetch.first_digest == digest {
                    let (scope, job) = (run.scope(), run.job.id);
                    self.data_file_delete(scope, job, &name(batch.number))
                        .await?;
                    fetch.batches = fetch.done;
                } else {
                    fetch.done = batch.number;
                }
                if batch.number == 1 {
                    fetch.first_digest = digest;
                }
            }
            None if batch.number == 1 => {
                fetch.export = Some(peer.export_begin(segment, window).await?);
            }
            // Fewer than were asked for.
            None => fetch.batches = fetch.done,
        }
        Ok(Slice::More)
    }

    async fn fetch_export(
        &self,
        run: &mut JobRun,
        peer: &Peer,
        fetch: &mut Fetch,
        export: &Export,
    ) -> Result<Slice, Broken> {
        match peer.export_state(export).await? {
            ExportState::Running => {
                fetch.polls += 1;
                if fetch.polls > POLLS_MAX {
                    let why = "the source's export has not ended for more than a day";
                    return Err(Broken::Slice(SliceError::Failed(why.to_owned())));
                }
                let pause = POLL_FIRST * 2_u32.pow((fetch.polls - 1).min(6));
                let until = self.now() + pause.min(POLL_MAX);
                Ok(Slice::Wait { until })
            }
            ExportState::Failed(why) => {
                let why = format!("the source could not export the audience: {why}");
                Err(Broken::Slice(SliceError::Failed(why)))
            }
            ExportState::Done(files) => {
                fetch.batches = u32::try_from(files.len()).unwrap_or(u32::MAX);
                let next = usize::try_from(fetch.done).unwrap_or(usize::MAX);
                if let Some(file) = files.get(next) {
                    let data = peer.export_data(export, file).await?;
                    self.fetch_file(run, data, &name(fetch.done + 1)).await?;
                    fetch.done += 1;
                }
                Ok(Slice::More)
            }
        }
    }

    /// Writes what comes to a file; answers its digest.
    async fn fetch_file(
        &self,
        run: &mut JobRun,
        mut data: Data,
        name: &str,
    ) -> Result<Option<String>, Broken> {
        let (scope, job) = (run.scope(), run.job.id);
        let mut file = self.data_file_create(scope, job, name, TEXT_CSV).await?;
        while let Some(chunk) = data.next_chunk().await? {
            if self.job_should_stop(run) {
                return Err(Broken::Slice(SliceError::Gone));
            }
            file.append(&chunk).await?;
        }
        Ok(self.data_file_finish(file).await?.digest)
    }
}

/// What keeps a file from being fetched.
enum Broken {
    Trouble(Trouble),
    Slice(SliceError),
}

impl From<Trouble> for Broken {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}

impl From<Error> for Broken {
    fn from(error: Error) -> Self {
        Self::Slice(error.into())
    }
}

fn name(number: u32) -> String {
    format!("source-{number:05}.csv")
}
