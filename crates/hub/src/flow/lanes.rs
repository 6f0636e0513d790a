//! The persons of one destination who are being served, and what waits behind each.
//!
//! A lane is **held** by every document of its person that is under way or about to be, and, where strict order was
//! asked for, by every one that is being retried. What comes meanwhile is **parked** behind it as a bare position (a
//! few bits), so one person with a long backlog costs little and keeps nobody else from being read. Owned by
//! [`super::destination`].

use std::collections::HashMap;

use roaring::RoaringTreemap;

use super::destination::Waiting;

/// What a parked document is taken to cost: its size is not kept.
const PARKED_COST_BYTES: u32 = 1_024;

#[derive(Debug, Default)]
struct Lane {
    holders: u32,
    behind: RoaringTreemap,
}

/// All lanes that somebody holds.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    by_person: HashMap<i64, Lane>,
    parked: u64,
}

impl Lanes {
    /// `true`: nobody holds the person's lane, and this document does now. `false`: it is parked.
    pub(super) fn enter(&mut self, waiting: Waiting) -> bool {
        if waiting.person == 0 {
            return true;
        }
        let lane = self.by_person.entry(waiting.person).or_default();
        if lane.holders == 0 {
            lane.holders = 1;
            return true;
        }
        self.parked += u64::from(lane.behind.insert(waiting.position));
        false
    }

    /// One more document holds the person's lane.
    pub(super) fn hold(&mut self, person: i64) {
        if person != 0 {
            self.by_person.entry(person).or_default().holders += 1;
        }
    }

    /// One document lets go. When it was the last, the next one of the person holds the lane, and is answered.
    pub(super) fn release(&mut self, person: i64) -> Option<Waiting> {
        let lane = self.by_person.get_mut(&person)?;
        lane.holders = lane.holders.saturating_sub(1);
        if lane.holders > 0 {
            return None;
        }
        let Some(position) = lane.behind.min() else {
            self.by_person.remove(&person);
            return None;
        };
        lane.behind.remove(position);
        lane.holders = 1;
        self.parked -= 1;
        Some(Waiting {
            position,
            person,
            cost: PARKED_COST_BYTES,
        })
    }

    /// A document that holds its lane gives way if others hold it too: `true`, and it is parked.
    pub(super) fn give_way(&mut self, waiting: Waiting) -> bool {
        let Some(lane) = self.by_person.get_mut(&waiting.person) else {
            return false;
        };
        if lane.holders < 2 {
            return false;
        }
        lane.holders -= 1;
        self.parked += u64::from(lane.behind.insert(waiting.position));
        true
    }

    pub(super) fn parked(&self) -> u64 {
        self.parked
    }

    /// Takes everything out that is parked before `before`.
    pub(super) fn unpark(&mut self, before: u64) -> RoaringTreemap {
        let mut out = RoaringTreemap::new();
        let has_old = |lane: &&mut Lane| lane.behind.min().is_some_and(|first| first < before);
        for lane in self.by_person.values_mut().filter(has_old) {
            let mut old = lane.behind.clone();
            old.remove_range(before..);
            lane.behind -= &old;
            self.parked -= old.len();
            out |= old;
        }
        out
    }
}
