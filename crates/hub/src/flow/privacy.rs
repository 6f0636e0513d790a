//! Erasing, restricting and exporting people: the slices of `gdprRequest` jobs.
//!
//! ```text
//!  read ─▶ find ─┬─▶ others ─▶ log ─▶ event files ─▶ data files ─▶ records ─▶ identities ─▶ verify ─┬─▶ hand over ─▶ clear
//!                ├─▶ others ─▶ restrict ─▶ event files ─▶ data files ───────────────────────────────┤
//!                ├─▶ lift ──────────────────────────────────────────────────────────────────────────┤
//!                └─▶ collect ───────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! Everything that was published before `find` is routed by then, so that who belongs together is known, and what comes
//! later is nobody's request. Each step can be done again from its start: a process that dies costs a slice. The job's row
//! has the identifiers while it works; `clear` takes them out, deletes what was uploaded and made, and has the engines
//! overwrite what was replaced. Called by `jobs`; the places are in the files beside this.
//!
//! - `people`: who is meant.
//! - `log`: documents.
//! - `files`: event files, and data files of other jobs.
//! - `records`: rows of the database that hold what people said.

mod files;
mod log;
mod people;
mod records;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use model::job::Signal;
use model::privacy::{Ask, Finder, Named, Operation};
use serde::{Deserialize, Serialize};
use serde_json::{Map, json};

use super::jobs::{JobRun, Slice, SliceError};
use crate::Hub;

/// How long a slice works on one step before the other jobs have their turn.
const SLICE: Duration = Duration::from_secs(1);

pub(super) const OUTPUT: &str = "output.csv";
pub(super) const EXPORT: &str = "export.jsonl";

type Step<T> = Result<T, SliceError>;

/// What a request's job keeps between its slices.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PrivacyState {
    /// `None`: what was uploaded says it.
    ask: Option<Ask>,
    /// The step that is next, by its number.
    at: usize,
    people: Vec<Requested>,
    /// Where the step goes on.
    next: u64,
    /// The end of the log when the people were looked for.
    end: u64,
    /// Since when jobs that are under way are waited for.
    waiting_since: Option<Timestamp>,
    /// What was done, by place: becomes the report.
    done: BTreeMap<String, u64>,
    /// Times that the verification found something and sent the job back.
    rounds: u32,
}

/// Who is meant by one row.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Requested {
    row: u64,
    x1_id: Option<String>,
    /// Those of the row, then the others of the same person.
    identifiers: Vec<Named>,
    /// How many of them are of the row.
    asked: usize,
}

impl PrivacyState {
    pub(crate) fn new(ask: Option<Ask>) -> Self {
        Self {
            ask,
            at: 0,
            people: Vec::new(),
            next: 0,
            end: 0,
            waiting_since: None,
            done: BTreeMap::new(),
            rounds: 0,
        }
    }

    fn operation(&self) -> Option<Operation> {
        self.ask.map(|ask| ask.operation)
    }

    fn step(&self) -> &'static str {
        let steps = crate::privacy::steps(self.operation());
        steps.get(self.at).copied().unwrap_or("clear")
    }

    fn go_to(&mut self, step: &str) {
        let steps = crate::privacy::steps(self.operation());
        self.at = steps.iter().position(|it| *it == step).unwrap_or(self.at);
        self.next = 0;
    }

    fn count(&mut self, place: &str, more: u64) {
        *self.done.entry(place.to_owned()).or_default() += more;
    }
}

/// How a step went.
enum Went {
    /// There is more of it.
    More,
    /// It waits for something.
    Wait(Slice),
    Done,
}

/// What a step is given.
struct Work<'a> {
    run: &'a mut JobRun,
    state: &'a mut PrivacyState,
    finder: Finder,
    until: Instant,
}

impl Work<'_> {
    fn is_over(&self, hub: &Hub) -> bool {
        Instant::now() >= self.until || hub.job_should_stop(self.run)
    }
}

impl Hub {
    /// One slice of such a job.
    pub(super) async fn privacy_slice(self: &Arc<Self>, run: &mut JobRun) -> Step<Slice> {
        let mut state: PrivacyState = run.state()?;
        let step = state.step();
        let went = self.privacy_step(run, &mut state, step).await?;
        let total = state.done.get(step).copied();
        match went {
            Went::Done if step == "clear" => {
                run.step(step, 1, Some(1));
                return Ok(Slice::Done);
            }
            Went::Done => {
                run.step(step, total.unwrap_or(1), total.or(Some(1)));
                state.at += 1;
                state.next = 0;
            }
            Went::More => run.step(step, total.unwrap_or(0), None),
            Went::Wait(slice) => {
                run.set_state(&state)?;
                return Ok(slice);
            }
        }
        self.privacy_report(run, &state);
        run.set_state(&state)?;
        Ok(Slice::More)
    }

    async fn privacy_step(
        self: &Arc<Self>,
        run: &mut JobRun,
        state: &mut PrivacyState,
        step: &str,
    ) -> Step<Went> {
        match step {
            "read" => return self.privacy_read(run, state).await,
            "find" => return self.privacy_find(run, state).await,
            "clear" => return self.privacy_clear(run, state).await,
            _ => {}
        }
        let identifiers = state.people.iter().flat_map(|it| it.identifiers.clone());
        let account = run.job.account;
        let finder = self.finder(account, identifiers)?;
        let mut work = Work {
            run,
            state,
            finder,
            until: Instant::now() + SLICE,
        };
        match step {
            "others" => self.privacy_others(&mut work).await,
            "log" => self.privacy_log(&mut work).await,
            "event files" => self.privacy_event_files(&mut work).await,
            "data files" => self.privacy_data_files(&mut work).await,
            "records" => self.privacy_records(&mut work).await,
            "identities" => self.privacy_identities(&mut work).await,
            "verify" => self.privacy_verify(&mut work).await,
            "restrict" | "lift" => self.privacy_restrict(&mut work, step == "restrict").await,
            "collect" => self.privacy_collect(&mut work).await,
            _ => self.privacy_hand_over(&mut work).await,
        }
    }

    fn finder(
        &self,
        account: model::AccountId,
        people: impl IntoIterator<Item = Named>,
    ) -> Step<Finder> {
        let key = (self.suppressions.key(), account);
        let region = self.region_of(account);
        Finder::new(key, region, people).map_err(|error| {
            SliceError::Failed(format!(
                "too many identifiers for one request ({error}): send fewer people"
            ))
        })
    }

    /// What was done so far, for people; says nobody's name.
    fn privacy_report(&self, run: &mut JobRun, state: &PrivacyState) {
        let places: Map<_, _> = state
            .done
            .iter()
            .map(|(k, v)| (k.clone(), json!(v)))
            .collect();
        run.tell("operationType", state.operation().map(Operation::as_str));
        run.tell("places", places);
        run.tell("searchedLogBefore", state.end);
    }

    /// Looks again everywhere. What is found sends the job back to the log once more: somebody was faster.
    async fn privacy_verify(self: &Arc<Self>, work: &mut Work<'_>) -> Step<Went> {
        const ROUNDS_MAX: u32 = 3;
        let mut left = BTreeMap::new();
        if let Some(found) = self.log_left(work).await? {
            left.insert("log", found);
        } else {
            return Ok(Went::More);
        }
        left.insert("event files", self.event_files_left(work).await?);
        left.insert("data files", self.data_files_left(work).await?);
        left.insert("records", self.records_left(work).await?);
        left.insert("identities", self.identities_left(work).await?);
        let is_clean = left.values().all(|found| *found == 0);
        work.run
            .tell("verified", json!({ "at": self.now(), "left": left }));
        if is_clean {
            return Ok(Went::Done);
        }
        if work.state.rounds >= ROUNDS_MAX {
            let what = serde_json::to_string(&left).unwrap_or_default();
            let message = format!(
                "after {ROUNDS_MAX} rounds these people were still found: {what}; retry the job"
            );
            return Err(SliceError::Failed(message));
        }
        work.state.rounds += 1;
        work.state.go_to("log");
        work.state.end = self.logs.of(work.run.job.account).latest().await?;
        Ok(Went::More)
    }

    /// What was made waits until somebody has fetched it, or is not there at all.
    async fn privacy_hand_over(self: &Arc<Self>, work: &mut Work<'_>) -> Step<Went> {
        let is_fetched = matches!(work.run.signal(), Some(Signal::Fetched));
        if is_fetched {
            return Ok(Went::Done);
        }
        let file = match work.state.ask {
            Some(ask) if ask.operation == Operation::Export => EXPORT,
            Some(ask) if ask.is_listed => {
                self.privacy_output(work).await?;
                OUTPUT
            }
            _ => return Ok(Went::Done),
        };
        work.run.job.details.data_files = Some(vec![file.to_owned()]);
        work.run.job.details.data_format =
            Some(if file == OUTPUT { "CSV" } else { "JSON" }.to_owned());
        self.privacy_report(work.run, work.state);
        Ok(Went::Wait(Slice::Ready))
    }

    /// Nothing of the people stays: first the files and the identifiers, and, when that is saved, what they left behind
    /// in the engines' own files.
    async fn privacy_clear(
        self: &Arc<Self>,
        run: &mut JobRun,
        state: &mut PrivacyState,
    ) -> Step<Went> {
        if state.next == 0 {
            self.data_files_delete(run.scope(), run.job.id).await?;
            run.job.upload = None;
            run.job.metadata = None;
            state.people.clear();
            state.next = 1;
            return Ok(Went::More);
        }
        self.blobs.scrub().await?;
        self.db.scrub().await?;
        self.logs.of(run.job.account).scrub().await?;
        let now = self.now();
        run.tell("clearedAt", now.to_string());
        Ok(Went::Done)
    }
}
