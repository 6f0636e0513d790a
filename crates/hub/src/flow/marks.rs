//! Since when a destination has waited: a few marks (position, time of publication) instead of a time for each position.
//!
//! Enough to close event files by age and to tell people and metrics how far behind a destination is. Owned by
//! [`super::destination`].

use std::collections::VecDeque;

use jiff::Timestamp;

/// Marks kept; when there are more, every second one goes.
const MARKS_MAX: usize = 64;
/// Time between two marks, at least, while there are few.
const SPACING_MS: i64 = 250;

/// Marks with rising positions and times; the first one stands for everything that waits before the second.
#[derive(Debug)]
pub(super) struct Marks {
    marks: VecDeque<(u64, Timestamp)>,
    spacing_ms: i64,
}

impl Default for Marks {
    fn default() -> Self {
        Self {
            marks: VecDeque::new(),
            spacing_ms: SPACING_MS,
        }
    }
}

impl Marks {
    /// A position waits since then.
    pub(super) fn add(&mut self, position: u64, since: Timestamp) {
        let is_new = self.marks.back().is_none_or(|&(last, at)| {
            position > last && since.as_millisecond() - at.as_millisecond() >= self.spacing_ms
        });
        if !is_new {
            return;
        }
        self.marks.push_back((position, since));
        if self.marks.len() > MARKS_MAX {
            self.spacing_ms = self.spacing_ms.saturating_mul(2);
            let mut keep = false;
            self.marks.retain(|_| {
                keep = !keep;
                keep
            });
        }
    }

    /// `first` is the first position that still waits.
    pub(super) fn passed(&mut self, first: Option<u64>) {
        let Some(first) = first else {
            *self = Self::default();
            return;
        };
        while self
            .marks
            .get(1)
            .is_some_and(|&(second, _)| second <= first)
        {
            self.marks.pop_front();
        }
    }

    /// When the oldest one that waits was published, about and rather too early; `None` if that was before a restart.
    pub(super) fn since(&self) -> Option<Timestamp> {
        self.marks.front().map(|&(_, at)| at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + second).expect("in range")
    }

    #[test]
    fn a_destination_that_keeps_up_but_is_never_idle_has_not_waited_for_hours() {
        let mut marks = Marks::default();
        for second in 0..10_000u32 {
            marks.add(u64::from(second), at(second.into()));
            marks.passed(Some(u64::from(second.saturating_sub(2))));
        }
        assert_eq!(marks.since(), Some(at(9_997)));
    }

    #[test]
    fn one_that_is_down_has_waited_since_the_first() {
        let mut marks = Marks::default();
        for second in 0..10_000u32 {
            marks.add(u64::from(second), at(second.into()));
            marks.passed(Some(0));
        }
        assert_eq!(marks.since(), Some(at(0)));
        assert!(marks.marks.len() <= MARKS_MAX);
        marks.passed(Some(5_000));
        let waited = marks.since().expect("still behind");
        assert!(waited <= at(5_000) && waited > at(4_000), "{waited}");
        marks.passed(None);
        assert_eq!(marks.since(), None);
    }
}
