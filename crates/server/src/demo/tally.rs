//! The check of the demo, event by event: what a subscriber must get, what it got, and how long that took.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use super::stream::{self, Told, Translation};

/// One subscriber's events.
pub(super) struct Tally {
    slots: HashMap<String, Slot>,
    /// When each call was begun, by its place in the stream.
    begun: Vec<Option<Instant>>,
    latencies: Vec<Duration>,
    expected: u64,
    received: u64,
    duplicates: u64,
    strangers: u64,
}

struct Slot {
    call: usize,
    /// In words, should it be missing.
    what: String,
    arrived: u32,
}

/// What the closing table says about one subscriber.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sum {
    pub(super) expected: u64,
    /// Distinct events.
    pub(super) received: u64,
    pub(super) duplicates: u64,
    pub(super) missing: u64,
    /// Events that were not published like this, or not for this subscriber.
    pub(super) strangers: u64,
    /// From the start of the publisher's call to the arrival: the median and the 99th of 100.
    pub(super) latency: Option<(Duration, Duration)>,
}

impl Tally {
    /// Of all events of the stream with one of these codes, as `translation` makes them.
    ///
    /// # Panics
    /// When the bundled stream is not JSON, which its tests would have told.
    pub(super) fn new(codes: &BTreeSet<String>, translation: &Translation) -> Self {
        let mut slots = HashMap::new();
        let mut calls = 0;
        for (call, body) in stream::calls().enumerate() {
            calls = call + 1;
            for told in stream::read(body).expect("the bundled stream is JSON") {
                if codes.contains(&told.code) {
                    let what = format!("{} of {} (line {calls})", told.code, told.timestamp);
                    let slot = Slot {
                        call,
                        what,
                        arrived: 0,
                    };
                    slots.insert(translation.of(&told).fingerprint(), slot);
                }
            }
        }
        Self {
            expected: slots.len() as u64,
            slots,
            begun: vec![None; calls],
            latencies: Vec::new(),
            received: 0,
            duplicates: 0,
            strangers: 0,
        }
    }

    /// A call of the stream is being made.
    pub(super) fn begin(&mut self, call: usize, now: Instant) {
        if let Some(begun) = self.begun.get_mut(call) {
            *begun = Some(now);
        }
    }

    /// Events have arrived.
    pub(super) fn arrive(&mut self, told: &[Told], now: Instant) {
        for one in told {
            let Some(slot) = self.slots.get_mut(&one.fingerprint()) else {
                self.strangers += 1;
                continue;
            };
            slot.arrived += 1;
            if slot.arrived > 1 {
                self.duplicates += 1;
                continue;
            }
            self.received += 1;
            if let Some(Some(begun)) = self.begun.get(slot.call) {
                self.latencies.push(now.saturating_duration_since(*begun));
            }
        }
    }

    pub(super) fn sum(&self) -> Sum {
        let mut sorted = self.latencies.clone();
        sorted.sort_unstable();
        let part =
            |percent: usize| sorted.get((sorted.len() * percent / 100).min(sorted.len() - 1));
        let latency = match sorted.len() {
            0 => None,
            _ => part(50).zip(part(99)).map(|(half, most)| (*half, *most)),
        };
        Sum {
            expected: self.expected,
            received: self.received,
            duplicates: self.duplicates,
            missing: self.expected - self.received,
            strangers: self.strangers,
            latency,
        }
    }

    /// Some events that are missing, the earliest first, in words.
    pub(super) fn missing(&self, max: usize) -> Vec<&str> {
        let mut missing: Vec<&Slot> = self
            .slots
            .values()
            .filter(|slot| slot.arrived == 0)
            .collect();
        missing.sort_by_key(|slot| slot.call);
        missing
            .iter()
            .take(max)
            .map(|slot| slot.what.as_str())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_is_checked_off_by_itself() {
        let codes = BTreeSet::from(["emailOptOut".to_owned()]);
        let translation = Translation::to(stream::WAREHOUSE);
        let mut tally = Tally::new(&codes, &translation);
        let all: Vec<Told> = stream::calls()
            .flat_map(|call| stream::read(call).expect("JSON"))
            .filter(|told| told.code == "emailOptOut")
            .map(|told| translation.of(&told))
            .collect();
        let now = Instant::now();
        for call in 0..stream::calls().count() {
            tally.begin(call, now);
        }
        tally.arrive(&all[1..], now + Duration::from_millis(3));
        tally.arrive(&all[1..2], now);
        let half = tally.sum();
        assert_eq!((half.missing, half.duplicates, half.strangers), (1, 1, 0));
        assert_eq!(
            half.latency,
            Some((Duration::from_millis(3), Duration::from_millis(3)))
        );
        assert!(tally.missing(9)[0].starts_with("emailOptOut of 2026-10-16"));

        let mut changed = all[0].clone();
        changed.timestamp.push('0');
        tally.arrive(&[changed], now);
        assert_eq!(tally.sum().strangers, 1, "another time is another event");
        tally.arrive(&all[..1], now);
        assert_eq!(tally.sum().missing, 0);
    }
}
