//! Faults on demand: lets tests, here and in `hub`, have a disk that is full or fails.
//!
//! Handed to the log in `LogOptions`; without it nothing is ever injected.

use std::sync::{Arc, Mutex, PoisonError};

/// How a commit fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The disk is full: the batch is not written.
    DiskFull,
    /// The disk did not confirm the write: the batch is not durable.
    SyncFailed,
    /// The batch is durable, but the answer got lost: the log has to look.
    AnswerLost,
}

/// Makes commits of appends fail. Clones are the same handle.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    planned: Arc<Mutex<Option<Planned>>>,
}

#[derive(Clone, Copy, Debug)]
struct Planned {
    fault: Fault,
    /// How many commits are still to fail; `None`: all, and so does every attempt to repair.
    left: Option<u32>,
}

impl Faults {
    /// The next `commits` commits fail; between them the log can repair itself.
    pub fn next(&self, commits: u32, fault: Fault) {
        self.plan((commits > 0).then_some(Planned {
            fault,
            left: Some(commits),
        }));
    }

    /// Everything that writes fails until [`Faults::clear`].
    pub fn until_cleared(&self, fault: Fault) {
        self.plan(Some(Planned { fault, left: None }));
    }

    /// The disk is well again.
    pub fn clear(&self) {
        self.plan(None);
    }

    /// The fault of the commit that is about to happen.
    pub(super) fn of_commit(&self) -> Option<Fault> {
        let mut planned = self.planned.lock().unwrap_or_else(PoisonError::into_inner);
        let now = (*planned)?;
        if let Some(left) = now.left {
            *planned = (left > 1).then_some(Planned {
                left: Some(left - 1),
                ..now
            });
        }
        Some(now.fault)
    }

    /// The fault of a write that is no append.
    pub(super) fn of_chore(&self) -> Option<Fault> {
        let planned = *self.planned.lock().unwrap_or_else(PoisonError::into_inner);
        planned
            .filter(|planned| planned.left.is_none())
            .map(|planned| planned.fault)
    }

    fn plan(&self, planned: Option<Planned>) {
        *self.planned.lock().unwrap_or_else(PoisonError::into_inner) = planned;
    }
}
