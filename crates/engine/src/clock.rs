//! The clock: the one place where the product reads the time and waits for it.
//!
//! Everything that depends on time takes a [`Clock`], so a test can live through a day of retries
//! in a millisecond, and never has to sleep. `hub` hands it down; `Log` stamps batches with it.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

/// How long a system sleeper dozes before it looks at the wall clock again: the longest time by
/// which a step of the machine's clock (NTP, a suspended laptop) can make it late.
const DOZE_MAX: Duration = Duration::from_secs(30);

/// Tells the time and waits for it. Clones are the same clock.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The machine's wall clock.
    System,
    /// A clock that stands still until a test moves it.
    Manual(ManualClock),
}

impl Clock {
    /// The time now.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the place that the ban points to"
    )]
    pub fn now(&self) -> Timestamp {
        match self {
            Self::System => Timestamp::now(),
            Self::Manual(manual) => manual.now(),
        }
    }

    /// A watch that no clock's correction moves: the time since some moment before the first call. Only good for
    /// differences within this process.
    #[must_use]
    pub fn watch(&self) -> Duration {
        static START: OnceLock<Instant> = OnceLock::new();
        match self {
            Self::System => START.get_or_init(Instant::now).elapsed(),
            Self::Manual(manual) => {
                let since = manual.now().duration_since(Timestamp::UNIX_EPOCH);
                Duration::try_from(since).unwrap_or_default()
            }
        }
    }

    /// Returns once the clock shows `at` or later; at once if it already does.
    pub async fn sleep_until(&self, at: Timestamp) {
        match self {
            Self::System => loop {
                let left = at.duration_since(self.now());
                let Ok(left) = Duration::try_from(left) else {
                    return;
                };
                if left.is_zero() {
                    return;
                }
                tokio::time::sleep(left.min(DOZE_MAX)).await;
            },
            Self::Manual(manual) => manual.reaches(at).await,
        }
    }

    /// Returns once `duration` has passed on this clock.
    pub async fn sleep(&self, duration: Duration) {
        self.sleep_until(later(self.now(), duration)).await;
    }
}

/// A clock that only moves when it is told to, and wakes whoever waited for the new time.
#[derive(Clone, Debug)]
pub struct ManualClock {
    now: Arc<watch::Sender<Timestamp>>,
}

impl ManualClock {
    /// A clock that shows `start`.
    #[must_use]
    pub fn new(start: Timestamp) -> Self {
        Self {
            now: Arc::new(watch::Sender::new(start)),
        }
    }

    /// The time it shows.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        *self.now.borrow()
    }

    /// Moves it forward; stops at the end of time (the year 9999).
    pub fn advance(&self, by: Duration) {
        self.now.send_modify(|now| *now = later(*now, by));
    }

    /// Sets it, also backwards, as wall clocks do.
    pub fn set(&self, to: Timestamp) {
        self.now.send_replace(to);
    }

    async fn reaches(&self, at: Timestamp) {
        // The sender lives in `self`, so the only way out of `wait_for` is the time having come.
        let _ = self.now.subscribe().wait_for(|now| *now >= at).await;
    }
}

fn later(from: Timestamp, by: Duration) -> Timestamp {
    SignedDuration::try_from(by)
        .ok()
        .and_then(|by| from.checked_add(by).ok())
        .unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    fn manual() -> (ManualClock, Clock) {
        let manual = ManualClock::new(Timestamp::UNIX_EPOCH);
        (manual.clone(), Clock::Manual(manual))
    }

    #[test]
    fn a_manual_clock_stands_still_until_moved() {
        let (manual, clock) = manual();
        assert_eq!(clock.now(), Timestamp::UNIX_EPOCH);
        manual.advance(Duration::from_secs(90));
        assert_eq!(clock.now().as_second(), 90);
        manual.set(Timestamp::UNIX_EPOCH);
        assert_eq!(clock.now().as_second(), 0);
        manual.advance(Duration::MAX);
        assert_eq!(clock.now(), Timestamp::MAX);
    }

    #[test]
    fn sleepers_wake_when_their_time_has_come_and_not_before() {
        let (manual, clock) = manual();
        let mut sleep = pin!(clock.sleep(Duration::from_secs(10)));
        let mut cx = Context::from_waker(Waker::noop());
        assert_eq!(sleep.as_mut().poll(&mut cx), Poll::Pending);
        manual.advance(Duration::from_secs(9));
        assert_eq!(sleep.as_mut().poll(&mut cx), Poll::Pending);
        manual.advance(Duration::from_secs(1));
        assert_eq!(sleep.as_mut().poll(&mut cx), Poll::Ready(()));
    }

    #[tokio::test]
    async fn every_sleeper_of_every_clone_is_woken() {
        let (manual, clock) = manual();
        let sleepers: Vec<_> = (1..=20_u64)
            .map(|n| {
                let clock = clock.clone();
                tokio::spawn(async move { clock.sleep(Duration::from_secs(n)).await })
            })
            .collect();
        tokio::task::yield_now().await;
        manual.set(Timestamp::from_second(100).expect("in range"));
        for sleeper in sleepers {
            sleeper.await.expect("woken");
        }
    }

    #[tokio::test]
    async fn a_time_that_has_passed_is_not_waited_for() {
        Clock::System.sleep_until(Timestamp::UNIX_EPOCH).await;
        Clock::System.sleep(Duration::ZERO).await;
        manual().1.sleep_until(Timestamp::UNIX_EPOCH).await;
    }
}
