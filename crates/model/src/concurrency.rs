//! How many attempts may run at once to one destination: a window that grows while the destination keeps up and halves when
//! it does not (additive increase, multiplicative decrease, as TCP does it).
//!
//! Pure; called by the push task with the outcome of every attempt. Beside [`crate::circuit`], which says *whether* to try at
//! all; after its circuit has closed a destination starts again with one attempt at a time and doubles up to half of what was
//! left of its window.

use jiff::Timestamp;

/// Attempts at once to a destination nobody knows yet.
pub const START: u32 = 4;

/// Most attempts at once, unless the operator says otherwise.
pub const MAX_DEFAULT: u32 = 64;

/// The window of one destination: at least 1, at most `max`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    size: u32,
    max: u32,
    /// Below this the window doubles for each round; from here on it grows by one.
    threshold: u32,
    /// Successes towards the next step of growth.
    successes: u32,
    /// Attempts that started before this have already been answered for.
    halved_at: Timestamp,
}

impl Default for Window {
    fn default() -> Self {
        Self::new(MAX_DEFAULT)
    }
}

impl Window {
    /// A fresh window that never exceeds `max`; 0 counts as 1.
    pub fn new(max: u32) -> Self {
        let max = max.max(1);
        let size = START.min(max);
        Self {
            size,
            max,
            threshold: size,
            successes: 0,
            halved_at: Timestamp::MIN,
        }
    }

    /// How many attempts may be under way at once.
    pub const fn size(&self) -> u32 {
        self.size
    }

    /// May one more start beside those under way?
    pub const fn has_room(&self, in_flight: u32) -> bool {
        in_flight < self.size
    }

    /// An attempt was answered in time; `in_flight` counts it and those beside it.
    ///
    /// Grows by one for each window of successes, in the slow start by one for each success. A window that is not half
    /// used does not grow: nothing was learned about a larger one.
    pub const fn on_success(&mut self, in_flight: u32) {
        if self.size >= self.max || in_flight.saturating_mul(2) < self.size {
            return;
        }
        self.successes += 1;
        if self.size < self.threshold || self.successes >= self.size {
            self.size += 1;
            self.successes = 0;
        }
    }

    /// An attempt that began at `started_at` showed that the destination has too much to do: time-out, 429, 503, or no
    /// connection. Halves, at most once per round trip: what had started before the last halving says nothing new.
    pub fn on_overload(&mut self, started_at: Timestamp, now: Timestamp) {
        if started_at < self.halved_at {
            return;
        }
        self.size = (self.size / 2).max(1);
        self.threshold = self.size;
        self.successes = 0;
        self.halved_at = now;
    }

    /// The circuit closed after an outage: one at a time first, then doubling up to half of what was left, or to [`START`].
    pub const fn on_recovery(&mut self, now: Timestamp) {
        let half = self.size / 2;
        // However small it had become in dying: doubling up to the start is always safe.
        self.threshold = if half > START { half } else { START };
        self.size = 1;
        self.successes = 0;
        self.halved_at = now;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(millisecond: i64) -> Timestamp {
        Timestamp::from_millisecond(1_700_000_000_000 + millisecond).expect("in range")
    }

    /// Successes of a full window until it has that size.
    fn successes_to(window: &mut Window, size: u32) -> u32 {
        let mut successes = 0;
        while window.size() < size {
            window.on_success(window.size());
            successes += 1;
            assert!(successes < 10_000, "it does not grow");
        }
        successes
    }

    #[test]
    fn it_grows_by_one_for_each_window_of_successes() {
        let mut window = Window::default();
        assert_eq!(window.size(), 4);
        assert_eq!(successes_to(&mut window, 5), 4);
        assert_eq!(successes_to(&mut window, 7), 5 + 6);
        assert_eq!(successes_to(&mut window, 64), (7..64).sum::<u32>());
        for _ in 0..1000 {
            window.on_success(64);
        }
        assert_eq!(window.size(), 64, "never beyond its most");
    }

    #[test]
    fn a_window_that_is_not_used_does_not_grow() {
        let mut window = Window::default();
        for _ in 0..1000 {
            window.on_success(1);
        }
        assert_eq!(window.size(), 4);
        assert!(window.has_room(3) && !window.has_room(4));
    }

    #[test]
    fn it_halves_once_for_all_that_was_under_way() {
        let mut window = Window::default();
        successes_to(&mut window, 40);
        for started in 0..20 {
            window.on_overload(at(started), at(100 + started));
        }
        assert_eq!(
            window.size(),
            20,
            "all twenty had started before the first of them failed"
        );
        window.on_overload(at(100), at(200));
        assert_eq!(window.size(), 10, "the next round trip fails too");
        for round in 3..10 {
            window.on_overload(at(round * 100), at(round * 100));
        }
        assert_eq!(window.size(), 1, "never below one");
        assert!(window.has_room(0));
    }

    #[test]
    fn after_an_outage_it_doubles_up_to_half_of_what_it_was() {
        let mut window = Window::default();
        successes_to(&mut window, 40);
        window.on_recovery(at(1000));
        assert_eq!(window.size(), 1);
        window.on_overload(at(900), at(1001));
        assert_eq!(
            (window.size(), window.threshold),
            (1, 20),
            "a failure from before the outage says nothing new"
        );
        assert_eq!(
            successes_to(&mut window, 20),
            19,
            "one for each success: doubling for each round"
        );
        assert_eq!(successes_to(&mut window, 21), 20);
    }

    #[test]
    fn an_operator_may_set_the_most() {
        assert_eq!(Window::new(0).size(), 1);
        assert_eq!(Window::new(2).size(), 2);
        let mut window = Window::new(2);
        window.on_recovery(at(0));
        assert_eq!(successes_to(&mut window, 2), 1);
        window.on_success(2);
        assert_eq!(window.size(), 2);
    }

    proptest! {
        #[test]
        fn it_is_never_below_one_nor_above_its_most(max in 0..100_u32, steps in proptest::collection::vec((0..8_u8, any::<u32>()), 0..500)) {
            let (mut window, mut now) = (Window::new(max), 0);
            for (step, number) in steps {
                now += 1;
                match step {
                    0 => window.on_overload(at(now - i64::from(number % 50)), at(now)),
                    1 => window.on_recovery(at(now)),
                    _ => window.on_success(number),
                }
                prop_assert!((1..=max.max(1)).contains(&window.size()));
            }
        }
    }
}
