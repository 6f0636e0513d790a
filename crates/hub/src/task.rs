//! What the tasks that run by themselves did last, in this process: for people who ask whether the exchange does its work.
//!
//! Kept in memory, one entry for each task, written by `flow/run` after every run. A task tells in a sentence what it did,
//! and nothing when there was nothing to do.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::flow::{
    CollectReport, JobsReport, NotifyReport, PackReport, RetireReport, RouteReport, SharesReport,
};
use crate::shard::lease::LeaseReport;
use crate::{Hub, Result};

/// What is known of a task since the process started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskReport {
    pub name: &'static str,
    pub runs: u64,
    pub failures: u64,
    pub last_at: Timestamp,
    pub took: Duration,
    /// Why its last run failed; `None`: it ended well.
    pub trouble: Option<String>,
    /// When it last had something to do, and what it did.
    pub did: Option<(Timestamp, String)>,
}

/// One entry for each task.
#[derive(Default)]
pub(crate) struct Tasks(Mutex<BTreeMap<&'static str, TaskReport>>);

impl Hub {
    /// The tasks that have run in this process, by name.
    pub fn tasks(&self) -> Vec<TaskReport> {
        let tasks = self.tasks.0.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.values().cloned().collect()
    }

    /// Runs a task once and remembers what came of it; `None` when it failed, which is logged here.
    pub(crate) async fn note<R: Told>(
        &self,
        name: &'static str,
        task: impl Future<Output = Result<R>>,
    ) -> Option<R> {
        let started = Instant::now();
        let result = task.await;
        let (did, trouble) = match &result {
            Ok(report) => (report.told(), None),
            Err(error) => {
                crate::flow::complain(name, error);
                (None, Some(crate::error::chain(error)))
            }
        };
        let now = self.now();
        let mut tasks = self.tasks.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = tasks.entry(name).or_insert(TaskReport {
            name,
            runs: 0,
            failures: 0,
            last_at: now,
            took: Duration::ZERO,
            trouble: None,
            did: None,
        });
        known.runs += 1;
        known.failures += u64::from(trouble.is_some());
        known.last_at = now;
        known.took = started.elapsed();
        known.trouble = trouble;
        if let Some(did) = did {
            known.did = Some((now, did));
        }
        drop(tasks);
        result.ok()
    }
}

/// A report that says in a sentence what was done; `None` when there was nothing to do.
pub(crate) trait Told {
    fn told(&self) -> Option<String>;
}

/// The counts that are not 0, each with its words.
fn counts(all: &[(u64, &str)]) -> Option<String> {
    let done = all.iter().filter(|(count, _)| *count > 0);
    let words: Vec<String> = done
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    (!words.is_empty()).then(|| words.join(", "))
}

impl Told for () {
    fn told(&self) -> Option<String> {
        None
    }
}

impl Told for RouteReport {
    fn told(&self) -> Option<String> {
        counts(&[
            (self.documents, "documents read"),
            (self.routed, "handed to destinations"),
        ])
    }
}

impl Told for PackReport {
    fn told(&self) -> Option<String> {
        counts(&[
            (self.files as u64, "event files closed"),
            (self.documents, "documents in them"),
        ])
    }
}

impl Told for CollectReport {
    fn told(&self) -> Option<String> {
        counts(&[
            (self.files, "event files collected"),
            (self.events, "events in them"),
            (self.failed as u64, "publishers could not be reached"),
        ])
    }
}

impl Told for NotifyReport {
    fn told(&self) -> Option<String> {
        counts(&[(self.lanes as u64, "senders begun")])
    }
}

impl Told for SharesReport {
    fn told(&self) -> Option<String> {
        counts(&[
            (self.begun as u64, "shares begun"),
            (self.skipped as u64, "passed over"),
        ])
    }
}

impl Told for JobsReport {
    fn told(&self) -> Option<String> {
        counts(&[(self.slices as u64, "slices of jobs begun")])
    }
}

impl Told for RetireReport {
    fn told(&self) -> Option<String> {
        counts(&[
            (self.batches, "batches of the log trimmed"),
            (self.expired, "documents given up"),
            (self.keys, "keys of calls forgotten"),
            (self.files, "event files removed"),
            (self.jobs, "jobs forgotten"),
        ])
    }
}

impl Told for LeaseReport {
    fn told(&self) -> Option<String> {
        counts(&[
            (self.taken.len() as u64, "shards taken"),
            (self.released.len() as u64, "released"),
            (self.lost.len() as u64, "lost to others"),
        ])
    }
}

/// Of a checkpoint: whether there was anything to save.
impl Told for bool {
    fn told(&self) -> Option<String> {
        self.then(|| "saved where the flow stands".to_owned())
    }
}

/// Of orders to other processes, and of lists that are asked for at night.
impl Told for usize {
    fn told(&self) -> Option<String> {
        counts(&[(*self as u64, "begun")])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_says_what_was_done_and_nothing_when_nothing_was() {
        let idle = RetireReport::default();
        assert_eq!(idle.told(), None);
        let busy = RetireReport {
            batches: 3,
            files: 1,
            ..idle
        };
        let told = "3 batches of the log trimmed, 1 event files removed";
        assert_eq!(busy.told().as_deref(), Some(told));
        assert_eq!(false.told(), None);
    }
}
