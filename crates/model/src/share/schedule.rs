//! When a share runs: at once, at a time, or again and again by a cron expression in a time zone.
//!
//! As JSON: `null`, `{"at":"2026-12-01T06:00:00Z"}`, `{"cron":"30 6 * * mon-fri","timeZone":"Europe/Berlin"}`; so it stands in
//! calls and in the database.

use std::fmt;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::cron::Cron;
use crate::invalid::shown;

/// When a share runs by itself. It may be run by hand besides.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Schedule {
    /// Once, when it is made.
    #[default]
    Now,
    /// Once, at a time.
    At { at: Timestamp },
    /// Whenever the expression matches the clock on the wall of the zone.
    Cron {
        cron: Cron,
        #[serde(rename = "timeZone")]
        zone: Zone,
    },
}

impl Schedule {
    /// The first time after `after` at which it is due; `None`: never again by itself.
    pub fn next(&self, after: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Now => None,
            Self::At { at } => Some(*at).filter(|at| *at > after),
            Self::Cron { cron, zone } => cron.next(after, &zone.rules),
        }
    }

    pub fn recurs(&self) -> bool {
        matches!(self, Self::Cron { .. })
    }
}

/// A time zone by its name in the IANA database, such as `Europe/Berlin` or `UTC`. The system's copy of that database is
/// asked first, then the one that is built in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Zone {
    name: String,
    rules: TimeZone,
}

/// A name that no time zone has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0} is no time zone: expected a name of the IANA database, such as Europe/Berlin, America/New_York or UTC"
)]
pub struct BadZone(String);

impl Zone {
    /// Any letter case.
    pub fn named(name: &str) -> Result<Self, BadZone> {
        let rules = TimeZone::get(name.trim()).map_err(|_| BadZone(shown(name)))?;
        let name = rules.iana_name().unwrap_or(name).to_owned();
        Ok(Self { name, rules })
    }
}

impl Default for Zone {
    fn default() -> Self {
        Self {
            name: "UTC".to_owned(),
            rules: TimeZone::UTC,
        }
    }
}

impl TryFrom<String> for Zone {
    type Error = BadZone;

    fn try_from(name: String) -> Result<Self, BadZone> {
        Self::named(&name)
    }
}

impl From<Zone> for String {
    fn from(zone: Zone) -> Self {
        zone.name
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    #[test]
    fn a_schedule_is_written_as_it_is_read() {
        for text in [
            json!(null),
            json!({ "at": "2026-12-01T06:00:00Z" }),
            json!({ "cron": "30 6 * * mon-fri", "timeZone": "Europe/Berlin" }),
        ] {
            let schedule: Schedule = serde_json::from_value(text.clone()).expect("a schedule");
            assert_eq!(serde_json::to_value(schedule).expect("JSON"), text);
        }
        for wrong in [
            json!({ "cron": "30 6 * *", "timeZone": "UTC" }),
            json!({ "cron": "30 6 * * *", "timeZone": "Mars/Base" }),
            json!("soon"),
        ] {
            serde_json::from_value::<Schedule>(wrong).expect_err("no schedule");
        }
    }

    #[test]
    fn it_is_due_once_or_again_and_again() {
        let now = at("2026-11-22T05:30:00Z");
        let read = |text: Value| serde_json::from_value::<Schedule>(text).expect("a schedule");
        assert_eq!(Schedule::Now.next(now), None);
        let once = read(json!({ "at": "2026-12-01T06:00:00Z" }));
        assert_eq!(once.next(now), Some(at("2026-12-01T06:00:00Z")));
        assert_eq!(once.next(at("2026-12-01T06:00:00Z")), None);
        let daily = read(json!({ "cron": "30 6 * * *", "timeZone": "europe/berlin" }));
        assert_eq!(daily.next(now), Some(at("2026-11-23T05:30:00Z")));
        assert!(daily.recurs() && !once.recurs());
    }
}
