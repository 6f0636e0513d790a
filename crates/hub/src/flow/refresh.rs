//! The lists of segments that endpoints are asked for: the slices of SEGMENT_POPULATE_DB jobs, and the job of each night.
//!
//! A slice asks a few endpoints at once, pull producers for what can be shared and push consumers for what can be shared to,
//! and puts what they answer in the place of what was known. An endpoint that does not answer keeps its list; the report
//! says why, and people are told when it begins. A slice that is done twice asks twice. Called by `jobs` and `run`.

use std::sync::Arc;

use futures_util::future::join_all;
use jiff::Timestamp;
use jiff::civil::Time;
use jiff::tz::TimeZone;
use model::EndpointId;
use model::job::{ExportDetails, JobCategory, JobStatus};
use model::segment::{Listing, SegmentRole};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::job::NewJob;

use super::jobs::{JobRun, Slice, SliceError};
use super::peer::{Peer, Trouble};
use crate::registry::EndpointEntry;
use crate::{Error, Hub, Result, Scope};

/// Lists asked for at once.
const LISTS_AT_ONCE: usize = 8;
const STEP: &str = "ask";

/// What such a job has to do, and what it did.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Refresh {
    /// This endpoint only.
    only: Option<EndpointId>,
    /// Which lists to ask for; found by the first slice.
    lists: Option<Vec<(EndpointId, SegmentRole)>>,
    /// How many of them were asked for.
    asked: usize,
    failed: usize,
}

impl Refresh {
    /// The job that asks all endpoints of an account, or one.
    pub(crate) fn job(only: Option<EndpointId>, now: Timestamp) -> Result<NewJob> {
        let refresh = Self {
            only,
            ..Self::default()
        };
        Ok(NewJob {
            category: JobCategory::SegmentPopulateDb,
            status: JobStatus::Scheduled,
            name: None,
            producer: only,
            destination: None,
            share: None,
            details: ExportDetails::default(),
            state: serde_json::to_string(&refresh).map_err(Error::internal)?,
            steps: Vec::new(),
            first_at: now,
        })
    }
}

/// What an endpoint said.
struct Asked {
    endpoint: EndpointId,
    role: SegmentRole,
    answer: std::result::Result<Listing, String>,
}

impl Hub {
    /// One slice of such a job.
    pub(super) async fn refresh_slice(
        self: &Arc<Self>,
        run: &mut JobRun,
    ) -> std::result::Result<Slice, SliceError> {
        let mut refresh: Refresh = run.state()?;
        let lists = match refresh.lists.take() {
            Some(lists) => lists,
            None => self.askable(run.scope(), refresh.only),
        };
        let some = lists.iter().skip(refresh.asked).take(LISTS_AT_ONCE);
        let answers =
            join_all(some.map(|&(endpoint, role)| self.ask(run.scope(), endpoint, role))).await;
        refresh.asked += answers.len();
        refresh.failed += answers.iter().filter(|a| a.answer.is_err()).count();
        let mut tx = self.job_begin(run).await?;
        for asked in &answers {
            self.keep_list(&mut tx, run.scope(), asked).await?;
        }
        run.keep(tx);
        report(run, &answers);
        let (done, total) = (refresh.asked as u64, lists.len() as u64);
        run.step(STEP, done, Some(total));
        let is_done = refresh.asked >= lists.len();
        let has_failed = refresh.failed > 0 && refresh.failed == lists.len();
        refresh.lists = Some(lists);
        run.set_state(&refresh)?;
        if !is_done {
            return Ok(Slice::More);
        }
        run.job.sub_status = None;
        if has_failed {
            run.tell("failed", "no endpoint gave its list");
        }
        Ok(Slice::Done)
    }

    /// The lists that can be asked for.
    fn askable(&self, scope: Scope, only: Option<EndpointId>) -> Vec<(EndpointId, SegmentRole)> {
        let entries = self.registry.endpoints().into_iter();
        let mut lists: Vec<_> = entries
            .filter(|entry| entry.endpoint.account == scope.0)
            .filter(|entry| only.is_none_or(|only| only == entry.endpoint.id))
            .flat_map(|entry| {
                let roles = [SegmentRole::Source, SegmentRole::Destination];
                let askable = roles.map(|role| self.peer_for(&entry, role).is_ok().then_some(role));
                let id = entry.endpoint.id;
                askable.into_iter().flatten().map(move |role| (id, role))
            })
            .collect();
        lists.sort_unstable();
        lists
    }

    fn peer_for(
        &self,
        entry: &EndpointEntry,
        role: SegmentRole,
    ) -> std::result::Result<Peer, String> {
        match role {
            SegmentRole::Source => self.peer_producer(entry),
            SegmentRole::Destination => self.peer_consumer(entry),
        }
    }

    async fn ask(&self, scope: Scope, endpoint: EndpointId, role: SegmentRole) -> Asked {
        let entry = self.registry.endpoint(endpoint);
        let entry = entry.filter(|entry| entry.endpoint.account == scope.0);
        let peer = match &entry {
            Some(entry) => self.peer_for(entry, role),
            None => Err(format!("there is no endpoint {endpoint} any more")),
        };
        let answer = match peer {
            Ok(peer) => peer
                .segments()
                .await
                .map_err(|trouble: Trouble| trouble.to_string()),
            Err(why) => Err(why),
        };
        Asked {
            endpoint,
            role,
            answer,
        }
    }

    async fn keep_list(&self, tx: &mut engine::Tx, scope: Scope, asked: &Asked) -> Result<()> {
        let (list, now) = ((asked.endpoint, asked.role), self.now());
        match &asked.answer {
            Ok(listing) => {
                store::segment::clear(tx, scope, asked.endpoint, Some(asked.role)).await?;
                store::segment::put(tx, scope, list, &listing.segments, now).await?;
                store::segment::put_answer(tx, scope, list, None, now).await?;
            }
            Err(why) => {
                let was_told = store::segment::put_answer(tx, scope, list, Some(why), now).await?;
                if !was_told {
                    let message = format!(
                        "endpoint {} did not give its list of segments; what was known stays, and it is asked again every night: {why}",
                        asked.endpoint
                    );
                    let about = Some(asked.endpoint);
                    store::notice::insert(tx, scope, about, "refresh-failed", &message, now)
                        .await?;
                }
            }
        }
        Ok(())
    }

    /// Begins the refresh of the last night for every account that has endpoints to ask and whose night it was not yet;
    /// answers for how many.
    pub async fn refresh_nightly(&self) -> Result<usize> {
        let Some(at) = self.options.segments.refresh_at else {
            return Ok(0);
        };
        let Some(night) = last_night(at, self.now()) else {
            return Ok(0);
        };
        let mut accounts: Vec<_> = self
            .registry
            .endpoints()
            .iter()
            .map(|e| e.endpoint.account)
            .collect();
        accounts.sort_unstable();
        accounts.dedup();
        let mut begun = 0;
        for account in accounts {
            let scope = Scope(account);
            let is_ours = self.flow.runs(self.logs.shard(account));
            if !is_ours || self.askable(scope, None).is_empty() {
                continue;
            }
            let mut tx = self.db.begin().await?;
            if !store::segment::begin_night(&mut tx, scope, night).await? {
                tx.commit().await?;
                continue;
            }
            let new = Refresh::job(None, self.now())?;
            match self.job_insert(&mut tx, scope, new).await {
                Ok(_) => {
                    tx.commit().await?;
                    self.jobs_nudge();
                    begun += 1;
                }
                // It has too many jobs: as soon as some have ended.
                Err(Error::Conflict(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(begun)
    }
}

/// The last time that it was this time of day in UTC.
fn last_night(at: Time, now: Timestamp) -> Option<Timestamp> {
    let now = now.to_zoned(TimeZone::UTC).datetime();
    let mut night = now.date().to_datetime(at);
    if night > now {
        night = now.date().yesterday().ok()?.to_datetime(at);
    }
    Some(night.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

/// Adds what each endpoint said.
fn report(run: &mut JobRun, answers: &[Asked]) {
    let mut lists = match &mut run.job.report["lists"] {
        Value::Array(lists) => std::mem::take(lists),
        _ => Vec::new(),
    };
    for asked in answers {
        let mut line = json!({ "endpointId": asked.endpoint, "role": asked.role });
        match &asked.answer {
            Ok(listing) => {
                line["segments"] = json!(listing.segments.len());
                line["unreadable"] = json!(listing.unreadable);
                line["told"] = json!(listing.total);
            }
            Err(why) => line["error"] = json!(why),
        }
        lists.push(line);
    }
    run.tell("lists", lists);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_night_is_today_or_yesterday() {
        let at = jiff::civil::time(2, 30, 0, 0);
        for (now, night) in [
            ("2026-03-01T02:29:59Z", "2026-02-28T02:30:00Z"),
            ("2026-03-01T02:30:00Z", "2026-03-01T02:30:00Z"),
            ("2026-03-01T23:59:59Z", "2026-03-01T02:30:00Z"),
        ] {
            let now = now.parse().expect("a time");
            assert_eq!(last_night(at, now), Some(night.parse().expect("a time")));
        }
    }
}
