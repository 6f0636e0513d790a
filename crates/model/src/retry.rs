//! When a delivery is tried again, and when no more: exponential backoff with full jitter, and a last day.
//!
//! Pure: the caller brings the clock and the dice. Called by pushes, notifications and every other call to strangers.
//! Promises: the next attempt is never sooner than [`SPACING_MIN`] from now except when the deadline cuts it short, never
//! after the deadline, and there is always one attempt at the deadline or later before giving up.

use std::time::Duration;

use jiff::Timestamp;

/// Shortest wait between two attempts, whatever the dice say, so that a retry never spins.
pub const SPACING_MIN: Duration = Duration::from_millis(100);

/// Longest `Retry-After` that is honoured in full: beyond a day it is a mistake or a bad joke.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// The schedule of one kind of call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Longest wait after the first attempt.
    pub first: Duration,
    /// The longest wait grows by this factor with every attempt; 1 keeps it as it is.
    pub factor: u32,
    /// The longest wait never grows beyond this.
    pub cap: Duration,
    /// From the first attempt to the deadline. An attempt that fails at the deadline or after it is the last.
    pub give_up_after: Duration,
}

/// What to do after an attempt that may be repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Try again then.
    At(Timestamp),
    /// That was the last attempt: a dead letter.
    GiveUp,
}

/// What an answer's status means for the delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Arrived.
    Delivered,
    /// Not now: try again.
    Retry,
    /// Not ever: a dead letter at once.
    Refused,
    /// The destination says that it is gone: disable it and say so.
    Gone,
}

impl Default for RetryPolicy {
    /// A second, doubling up to an hour, for 72 hours: some 150 attempts.
    fn default() -> Self {
        Self {
            first: Duration::from_secs(1),
            factor: 2,
            cap: Duration::from_secs(60 * 60),
            give_up_after: Duration::from_secs(72 * 60 * 60),
        }
    }
}

impl RetryPolicy {
    /// After attempt number `attempt` (1 is the first) failed `now`: when to try again.
    ///
    /// The wait is drawn by `roll`, evenly from 0 to 1, between [`SPACING_MIN`] and [`Self::ceiling`]. `retry_after` is a
    /// lower bound, up to [`RETRY_AFTER_MAX`]; a part of `first` is added to it, so that all who were told the same do not
    /// come back together. The deadline is stronger than both.
    pub fn next(
        &self,
        attempt: u32,
        first_attempt_at: Timestamp,
        now: Timestamp,
        retry_after: Option<Duration>,
        roll: f64,
    ) -> Next {
        let deadline = later(first_attempt_at, self.give_up_after);
        if now >= deadline {
            return Next::GiveUp;
        }
        let roll = if roll.is_finite() {
            roll.clamp(0.0, 1.0)
        } else {
            0.0
        };
        let drawn = SPACING_MIN + (self.ceiling(attempt) - SPACING_MIN).mul_f64(roll);
        let asked = retry_after.map_or(Duration::ZERO, |asked| {
            asked
                .min(RETRY_AFTER_MAX)
                .saturating_add(self.first.min(self.cap).min(RETRY_AFTER_MAX).mul_f64(roll))
        });
        Next::At(later(now, drawn.max(asked)).min(deadline))
    }

    /// The longest wait after that attempt without `Retry-After`.
    pub fn ceiling(&self, attempt: u32) -> Duration {
        let mut ceiling = self.first.min(self.cap);
        for _ in 1..attempt {
            let grown = ceiling.saturating_mul(self.factor).min(self.cap);
            if grown <= ceiling {
                break;
            }
            ceiling = grown;
        }
        // A century is as good as any longer wait, and far from every overflow.
        ceiling.clamp(SPACING_MIN, Duration::from_secs(100 * 366 * 24 * 60 * 60))
    }
}

/// What `status` means. 2xx arrived; 408, 425, 429 and 5xx pass; 410 says goodbye; all else is refused.
pub const fn verdict(status: u16) -> Verdict {
    match status {
        200..=299 => Verdict::Delivered,
        408 | 425 | 429 | 500..=599 => Verdict::Retry,
        410 => Verdict::Gone,
        _ => Verdict::Refused,
    }
}

/// `wait` after `time`, at most the end of time.
fn later(time: Timestamp, wait: Duration) -> Timestamp {
    time.checked_add(wait).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const HOUR: Duration = Duration::from_secs(3600);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + second).expect("in range")
    }

    fn wait(
        policy: RetryPolicy,
        attempt: u32,
        retry_after: Option<Duration>,
        roll: f64,
    ) -> Duration {
        match policy.next(attempt, at(0), at(0), retry_after, roll) {
            Next::At(next) => next
                .duration_since(at(0))
                .try_into()
                .expect("not into the past"),
            Next::GiveUp => panic!("gave up at once"),
        }
    }

    #[test]
    fn the_longest_wait_doubles_up_to_an_hour() {
        let policy = RetryPolicy::default();
        let seconds: Vec<u64> = (1..=14)
            .map(|attempt| policy.ceiling(attempt).as_secs())
            .collect();
        assert_eq!(
            seconds,
            [
                1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 3600, 3600
            ]
        );
        assert_eq!(policy.ceiling(u32::MAX), HOUR);
        assert_eq!(
            RetryPolicy {
                factor: 1,
                ..policy
            }
            .ceiling(u32::MAX),
            SECOND
        );
        assert_eq!(
            RetryPolicy {
                first: Duration::ZERO,
                ..policy
            }
            .ceiling(u32::MAX),
            SPACING_MIN
        );
    }

    #[test]
    fn the_wait_is_drawn_between_a_blink_and_the_longest() {
        let policy = RetryPolicy::default();
        assert_eq!(wait(policy, 3, None, 0.0), SPACING_MIN);
        assert_eq!(wait(policy, 3, None, 0.5), Duration::from_millis(2050));
        assert!(wait(policy, 3, None, 0.999) > Duration::from_millis(3990));
        for bad_dice in [f64::NAN, f64::INFINITY, -7.0] {
            assert_eq!(wait(policy, 3, None, bad_dice), SPACING_MIN);
        }
    }

    #[test]
    fn retry_after_is_a_lower_bound_with_a_little_spread() {
        let policy = RetryPolicy::default();
        assert_eq!(wait(policy, 1, Some(30 * SECOND), 0.0), 30 * SECOND);
        assert_eq!(
            wait(policy, 1, Some(30 * SECOND), 0.5),
            Duration::from_millis(30_500)
        );
        assert_eq!(
            wait(policy, 14, Some(30 * SECOND), 0.5).as_secs(),
            1800,
            "the own wait is longer"
        );
        assert_eq!(wait(policy, 1, Some(Duration::ZERO), 0.0), SPACING_MIN);
        assert_eq!(wait(policy, 1, Some(Duration::MAX), 0.0), RETRY_AFTER_MAX);
    }

    #[test]
    fn the_attempt_that_fails_at_the_deadline_is_the_last() {
        let policy = RetryPolicy::default();
        let deadline = at(72 * 3600);
        let next = |now| policy.next(80, at(0), now, None, 0.99);
        assert_eq!(
            next(at(72 * 3600 - 5)),
            Next::At(deadline),
            "a final one, at the deadline"
        );
        assert_eq!(next(deadline), Next::GiveUp);
        assert_eq!(
            next(at(73 * 3600)),
            Next::GiveUp,
            "the hub was down over the deadline: it tries once and gives up"
        );
        let told = policy.next(1, at(0), at(71 * 3600), Some(20 * HOUR), 0.0);
        assert_eq!(told, Next::At(deadline), "told to come after the deadline");
        assert_eq!(
            RetryPolicy {
                give_up_after: Duration::ZERO,
                ..policy
            }
            .next(1, at(0), at(0), None, 0.0),
            Next::GiveUp
        );
    }

    #[test]
    fn a_status_decides() {
        use Verdict::{Delivered, Gone, Refused, Retry};
        for (statuses, expect) in [
            (&[200, 201, 202, 204, 226, 299][..], Delivered),
            (&[408, 425, 429, 500, 501, 502, 503, 504, 529, 599], Retry),
            (&[410], Gone),
            (
                &[
                    0, 100, 199, 301, 302, 304, 307, 308, 400, 401, 403, 404, 405, 409, 411, 413,
                    415, 422, 451, 600, 999,
                ],
                Refused,
            ),
        ] {
            for &status in statuses {
                assert_eq!(verdict(status), expect, "{status}");
            }
        }
    }

    fn policies() -> impl Strategy<Value = RetryPolicy> {
        let wait = || prop_oneof![0..100_000_u64, any::<u64>()].prop_map(Duration::from_millis);
        (wait(), any::<u32>(), wait(), wait()).prop_map(|(first, factor, cap, give_up_after)| {
            RetryPolicy {
                first,
                factor,
                cap,
                give_up_after,
            }
        })
    }

    proptest! {
        #[test]
        fn next_is_after_now_and_never_after_the_deadline(
            policy in policies(), attempt in any::<u32>(), passed in 0..1_000_000_i64,
            asked in proptest::option::of(any::<u64>().prop_map(Duration::from_millis)), roll in 0.0..1.0_f64,
        ) {
            let (now, deadline) = (at(passed), later(at(0), policy.give_up_after));
            match policy.next(attempt, at(0), now, asked, roll) {
                Next::GiveUp => prop_assert!(now >= deadline),
                Next::At(next) => {
                    prop_assert!(now < next && next <= deadline);
                    prop_assert!(next == deadline || next >= later(now, SPACING_MIN));
                    let asked = asked.unwrap_or_default().min(RETRY_AFTER_MAX);
                    prop_assert!(next == deadline || next >= later(now, asked));
                }
            }
        }

        #[test]
        fn every_schedule_ends_with_an_attempt_at_the_deadline_or_after_it(roll in 0.0..1.0_f64, slow in 0..100_i64) {
            let policy = RetryPolicy { give_up_after: HOUR, ..RetryPolicy::default() };
            let (mut now, mut attempt) = (at(0), 1);
            while let Next::At(next) = policy.next(attempt, at(0), now, None, roll) {
                now = next + jiff::SignedDuration::from_secs(slow);
                attempt += 1;
                prop_assert!(attempt < 40_000, "it spins");
            }
            prop_assert!(now >= at(3600));
        }
    }
}
