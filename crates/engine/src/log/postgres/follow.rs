//! Follows what other processes append: one small query for all shards of a process, while anybody listens.
//!
//! NOTIFY would tell sooner, but makes all commits of a database wait for each other.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::time::MissedTickBehavior;

use super::Shared;

/// Between two looks: readers learn of a batch this much later, at most, than of their own process's.
const LOOK_EVERY: Duration = Duration::from_millis(25);

/// The logs of a process that are in one database.
#[derive(Debug, Default)]
pub(crate) struct Followers {
    logs: Mutex<Vec<Weak<Shared>>>,
}

impl Followers {
    /// Follows one more. The first brings the task to life, the last ends it.
    pub(super) fn add(self: &Arc<Self>, log: &Arc<Shared>) {
        let mut logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
        logs.retain(|log| log.strong_count() > 0);
        if logs.is_empty() {
            tokio::spawn(run(Arc::clone(self)));
        }
        logs.push(Arc::downgrade(log));
    }

    /// The logs that are still there; without any, the task ends.
    fn all(&self) -> Vec<Arc<Shared>> {
        let mut logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
        logs.retain(|log| log.strong_count() > 0);
        logs.iter().filter_map(Weak::upgrade).collect()
    }
}

async fn run(followers: Arc<Followers>) {
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let logs = followers.all();
        if logs.is_empty() {
            return;
        }
        let is_followed = |log: &&Arc<Shared>| log.front.next_seq.receiver_count() > 0;
        let Some(log) = logs.iter().find(is_followed) else {
            continue;
        };
        // A server that does not answer is told of by those who need it.
        for (shard, state) in log.table.states().await.unwrap_or_default() {
            for log in logs.iter().filter(|log| log.table.shard() == shard) {
                log.learn(&state);
            }
        }
    }
}
