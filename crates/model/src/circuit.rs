//! A circuit breaker for one destination: a dead one is probed now and then, and costs the others nothing.
//!
//! ```text
//!            failures in a row            until has passed: one probe
//!   Closed ─────────────────────▶ Open ─────────────────────────────▶ HalfOpen
//!     ▲                            ▲                                    │  │
//!     │                            └──────────── failure ───────────────┘  │
//!     └───────────────────────────── success ──────────────────────────────┘
//! ```
//!
//! Pure: the caller brings the clock and the dice, and decides what is a failure: what says that the *destination* is
//! unwell (timeouts, broken connections, 5xx), never an answer such as 400, which only speaks of one document.
//! Called by the push task. A probe whose outcome never comes back (its task was dropped) is replaced in time.

use std::time::Duration;

use jiff::Timestamp;

/// When a circuit opens, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CircuitPolicy {
    /// Opens after this many failures in a row; 0 counts as 1.
    pub failures_to_open: u32,
    /// Longest first stay in the open state; doubles with each failed probe.
    pub first: Duration,
    /// The stay never grows beyond this.
    pub cap: Duration,
    /// A probe that has not reported by then is taken for lost. Longer than the time limit of a call.
    pub probe_patience: Duration,
}

/// The circuit of one destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Circuit {
    /// All is well, as far as known.
    Closed {
        /// Failures since the last success.
        failures: u32,
    },
    /// No attempts.
    Open {
        /// The next probe is due then.
        until: Timestamp,
        /// How many times it has opened since it was last closed; from 1.
        opened: u32,
    },
    /// One probe is under way.
    HalfOpen {
        /// The probe is taken for lost then.
        until: Timestamp,
        /// As in `Open`.
        opened: u32,
    },
}

/// May an attempt be made?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permission {
    /// As many as the window allows.
    Yes,
    /// This one, to see whether the destination is back.
    Probe,
    /// Ask again then.
    No(Timestamp),
}

impl Default for CircuitPolicy {
    /// Ten failures; 1 s, doubling up to 5 min; a minute and a half for a probe.
    fn default() -> Self {
        Self {
            failures_to_open: 10,
            first: Duration::from_secs(1),
            cap: Duration::from_secs(5 * 60),
            probe_patience: Duration::from_secs(90),
        }
    }
}

impl Default for Circuit {
    fn default() -> Self {
        Self::Closed { failures: 0 }
    }
}

impl Circuit {
    /// May an attempt be made now? [`Permission::Probe`] is given to one caller, who must report the outcome.
    pub fn may_attempt(&mut self, policy: &CircuitPolicy, now: Timestamp) -> Permission {
        match *self {
            Self::Closed { .. } => Permission::Yes,
            Self::Open { until, .. } | Self::HalfOpen { until, .. } if now < until => {
                Permission::No(until)
            }
            Self::Open { opened, .. } | Self::HalfOpen { opened, .. } => {
                *self = Self::HalfOpen {
                    until: later(now, policy.probe_patience),
                    opened,
                };
                Permission::Probe
            }
        }
    }

    /// The destination answered as it should. `true` if this closed the circuit: it was ill and is back.
    pub fn on_success(&mut self) -> bool {
        let was_closed = self.is_closed();
        // Also when open: an attempt that was under way got through, and that is all a probe could show.
        *self = Self::default();
        !was_closed
    }

    /// The destination failed. `roll`, from 0 to 1, draws the stay from the upper half of its longest, so that the probes
    /// of many circuits do not come together. `true` if this opened a closed circuit.
    pub fn on_failure(&mut self, policy: &CircuitPolicy, now: Timestamp, roll: f64) -> bool {
        match *self {
            Self::Closed { failures } if failures.saturating_add(1) < policy.failures_to_open => {
                *self = Self::Closed {
                    failures: failures + 1,
                };
                false
            }
            Self::Closed { .. } => {
                *self = Self::open(policy, now, 1, roll);
                true
            }
            Self::HalfOpen { opened, .. } => {
                *self = Self::open(policy, now, opened.saturating_add(1), roll);
                false
            }
            // An attempt from before it opened: nothing new.
            Self::Open { .. } => false,
        }
    }

    /// Somebody asks for an attempt: an open circuit is probed at `now`, not when it would have been.
    pub fn hurry(&mut self, now: Timestamp) {
        if let Self::Open { until, .. } = self {
            *until = now.min(*until);
        }
    }

    /// Whether attempts flow freely.
    pub const fn is_closed(&self) -> bool {
        matches!(self, Self::Closed { .. })
    }

    fn open(policy: &CircuitPolicy, now: Timestamp, opened: u32, roll: f64) -> Self {
        let doubled = 2_u32.saturating_pow(opened - 1);
        let longest = policy.first.saturating_mul(doubled).min(policy.cap);
        let roll = if roll.is_finite() {
            roll.clamp(0.0, 1.0)
        } else {
            1.0
        };
        let half = longest / 2;
        Self::Open {
            until: later(now, half + half.mul_f64(roll)),
            opened,
        }
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

    fn at(millisecond: i64) -> Timestamp {
        Timestamp::from_millisecond(1_700_000_000_000 + millisecond).expect("in range")
    }

    fn policy() -> CircuitPolicy {
        CircuitPolicy {
            failures_to_open: 3,
            ..CircuitPolicy::default()
        }
    }

    fn opened() -> Circuit {
        let mut circuit = Circuit::default();
        assert_eq!(
            [(); 3].map(|()| circuit.on_failure(&policy(), at(0), 1.0)),
            [false, false, true]
        );
        circuit
    }

    #[test]
    fn an_open_one_is_probed_at_once_when_somebody_asks() {
        let mut circuit = opened();
        circuit.hurry(at(1));
        assert_eq!(circuit.may_attempt(&policy(), at(1)), Permission::Probe);
        circuit.hurry(at(2));
        let again = circuit.may_attempt(&policy(), at(2));
        assert!(matches!(again, Permission::No(_)), "one probe: {again:?}");
    }

    #[test]
    fn it_opens_after_failures_in_a_row_only() {
        let mut circuit = Circuit::default();
        for _ in 0..100 {
            circuit.on_failure(&policy(), at(0), 0.5);
            circuit.on_failure(&policy(), at(0), 0.5);
            assert!(!circuit.on_success(), "it was never open");
        }
        assert_eq!(circuit.may_attempt(&policy(), at(0)), Permission::Yes);
        assert_eq!(
            opened().may_attempt(&policy(), at(0)),
            Permission::No(at(1000))
        );
        assert_eq!(CircuitPolicy::default().failures_to_open, 10);
    }

    #[test]
    fn one_probe_at_a_time_and_success_closes() {
        let mut circuit = opened();
        assert_eq!(
            circuit.may_attempt(&policy(), at(999)),
            Permission::No(at(1000))
        );
        assert_eq!(circuit.may_attempt(&policy(), at(1000)), Permission::Probe);
        assert_eq!(
            circuit.may_attempt(&policy(), at(1001)),
            Permission::No(at(91_000)),
            "while it is under way"
        );
        assert!(circuit.on_success(), "it is back");
        assert_eq!(circuit, Circuit::default());
    }

    #[test]
    fn each_failed_probe_doubles_the_stay_up_to_five_minutes() {
        let (mut circuit, mut now, mut stays) = (opened(), at(0), Vec::new());
        for _ in 0..11 {
            let Permission::No(until) = circuit.may_attempt(&policy(), now) else {
                panic!("it is open")
            };
            stays.push(until.duration_since(now).as_secs());
            now = until;
            assert_eq!(circuit.may_attempt(&policy(), now), Permission::Probe);
            assert!(
                !circuit.on_failure(&policy(), now, 1.0),
                "it was open before"
            );
        }
        assert_eq!(stays, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
    }

    #[test]
    fn what_was_under_way_when_it_opened_changes_nothing_by_failing_and_closes_by_success() {
        let mut circuit = opened();
        let before = circuit;
        assert!(!circuit.on_failure(&policy(), at(500), 1.0));
        assert_eq!(circuit, before);
        assert!(circuit.on_success());
        assert_eq!(circuit.may_attempt(&policy(), at(501)), Permission::Yes);
    }

    #[test]
    fn a_lost_probe_is_replaced() {
        let mut circuit = opened();
        assert_eq!(circuit.may_attempt(&policy(), at(2000)), Permission::Probe);
        assert_eq!(
            circuit.may_attempt(&policy(), at(91_999)),
            Permission::No(at(92_000))
        );
        assert_eq!(
            circuit.may_attempt(&policy(), at(92_000)),
            Permission::Probe
        );
    }

    proptest! {
        #[test]
        fn it_never_stays_away_longer_than_it_may(
            steps in proptest::collection::vec((0..3_u8, 0..400_000_i64, 0.0..=1.0_f64), 0..200),
        ) {
            let (policy, mut circuit, mut now) = (policy(), Circuit::default(), 0);
            for (step, passed, roll) in steps {
                now += passed;
                match step {
                    0 => { circuit.on_success(); }
                    1 => { circuit.on_failure(&policy, at(now), roll); }
                    _ => {}
                }
                if let Permission::No(until) = circuit.may_attempt(&policy, at(now)) {
                    prop_assert!(at(now) < until && until <= at(now + 300_000));
                    prop_assert!(!circuit.is_closed());
                }
            }
        }
    }
}
