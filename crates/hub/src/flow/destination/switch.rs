//! What changes under a destination's feet: the order it asks for, who moves the data, and where the log begins.
//!
//! Whatever is under way at that moment stays so, and is entered by the new rules when it ends.

use jiff::Timestamp;
use model::endpoint::{Ordering, Transfer};

use super::Destination;

impl Destination {
    /// Strict order was asked for, or is not any more.
    pub(crate) fn set_order(&mut self, order: Ordering) {
        if self.order == order {
            return;
        }
        self.order = order;
        let persons: Vec<i64> = self.retrying.values().map(|e| e.person).collect();
        for person in persons {
            match order {
                Ordering::Strict => self.lanes.hold(person),
                Ordering::First => self.release(person),
            }
        }
    }

    /// It is called from now on, or fetches by itself.
    pub(crate) fn set_transfer(&mut self, transfer: Transfer) {
        if self.transfer == transfer {
            return;
        }
        self.transfer = transfer;
        self.scan = 0;
        if transfer == Transfer::Push {
            return;
        }
        self.claimed -= self.lanes.unpark(u64::MAX);
        for waiting in std::mem::take(&mut self.ready) {
            self.claimed.remove(waiting.position);
        }
        for waiting in std::mem::take(&mut self.released) {
            self.claimed.remove(waiting.position);
            self.release(waiting.person);
        }
        for (_, position) in std::mem::take(&mut self.due) {
            let person = self.retrying.get(&position).map_or(0, |e| e.person);
            self.forget_exception(position);
            self.pending.insert(position);
            if self.order == Ordering::Strict {
                self.release(person);
            }
        }
    }

    /// Drops what waits before `before`, which the log no longer holds; answers how many documents.
    pub(crate) fn expire(&mut self, before: u64) -> u64 {
        let mut expired = self.pending.trim(before);
        self.marks.passed(self.pending.first());
        self.lanes.unpark(before);
        self.ready.retain(|waiting| waiting.position >= before);
        self.claimed.remove_range(..before);
        let old: Vec<(Timestamp, u64)> = self
            .due
            .iter()
            .copied()
            .filter(|&(_, position)| position < before)
            .collect();
        for (_, position) in old {
            let person = self.retrying.get(&position).map_or(0, |e| e.person);
            self.forget_exception(position);
            if self.order == Ordering::Strict {
                self.release(person);
            }
            expired += 1;
        }
        for waiting in std::mem::take(&mut self.released) {
            if waiting.position >= before {
                self.released.push_back(waiting);
            } else {
                self.release(waiting.person);
            }
        }
        expired
    }
}
