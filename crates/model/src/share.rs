//! Shares: an audience of one endpoint goes to another, once or again and again.
//!
//! A [`Share`] is what somebody asked for; each of its runs is a job, which begins with a copy of the [`Plan`], so that
//! changing a share never changes a run that has begun. What a share may ask for is decided by [`check`], what it could
//! ask for is proposed by [`propose`]; both look at the definitions of the two endpoints only. Called by `hub/share`
//! (definitions) and `hub/flow/syndicate` (runs).

mod check;
mod cron;
mod mapping;
mod parties;
mod schedule;

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::endpoint::ShareAction;
use crate::id::{AccountId, EndpointId, JobId, SegmentId, ShareId};

pub use check::check;
pub use cron::{BadCron, Cron};
pub use mapping::{Column, Missing, Pair, Proposal, propose};
pub use parties::Parties;
pub use schedule::{BadZone, Schedule, Zone};

/// What one run does, complete: no other definition is asked for while it runs. Written with the members of the
/// management API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    #[serde(rename = "shareId")]
    pub share: ShareId,
    #[serde(rename = "sourceEndpointId")]
    pub source: EndpointId,
    /// Of the source.
    #[serde(rename = "segmentId")]
    pub segment: SegmentId,
    #[serde(rename = "destinationEndpointId")]
    pub destination: EndpointId,
    pub destination_segment: DestinationSegment,
    /// What is done with the members at the destination. Of an incremental share it is what the first run does: ADD or
    /// REPLACE.
    #[serde(rename = "shareAction")]
    pub action: ShareAction,
    pub identifier: IdentifierPair,
    /// The source's name of a column → the destination's. Identifiers of the destination besides the one by which it knows
    /// its members are among them.
    #[serde(default)]
    pub attributes: BTreeMap<String, String>,
    /// Whether the rows teach the account's identities who is who.
    #[serde(default)]
    pub upload_identities: bool,
    /// Which members the source is asked for; none: all.
    #[serde(rename = "dataWindow", default)]
    pub window: Option<DataWindow>,
    #[serde(default)]
    pub guard: Guard,
    /// Later runs hand over only what came and went since the one before: additions and removals.
    #[serde(default)]
    pub incremental: bool,
}

/// The audience at the destination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DestinationSegment {
    /// None: it is created by the first run, which notes its id in the share.
    pub id: Option<SegmentId>,
    pub name: String,
    pub description: Option<String>,
}

/// By which identifier members are known, by the names that both sides have for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentifierPair {
    pub source: String,
    pub destination: String,
}

/// Which members, by when the source last had to do with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum DataWindow {
    /// The last days before the run, that day included: from 1.
    Days { days: i64 },
    /// Both days included.
    Dates { from: Date, to: Date },
}

/// The window of one run: both days included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunWindow {
    pub from: Date,
    pub to: Date,
}

impl DataWindow {
    /// Of a run that begins on `today`.
    pub fn of_run(self, today: Date) -> RunWindow {
        match self {
            Self::Dates { from, to } => RunWindow { from, to },
            Self::Days { days } => {
                let back = jiff::Span::new().try_days(days.saturating_sub(1).max(0));
                let from = back.and_then(|back| today.checked_sub(back));
                RunWindow {
                    from: from.unwrap_or(Date::MIN),
                    to: today,
                }
            }
        }
    }
}

/// When a run that replaces or removes members stops and asks before it hands anything over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Guard {
    /// When there is no row to hand over.
    pub empty: bool,
    /// When there are fewer rows than the last time by more than this share of them, 0 to 100; none: never.
    pub shrink_percent_max: Option<u8>,
}

impl Default for Guard {
    /// A source that lost half of its members has more often lost a file than its customers.
    fn default() -> Self {
        Self {
            empty: true,
            shrink_percent_max: Some(50),
        }
    }
}

impl Guard {
    /// What to ask before `rows` rows replace or remove what `before` rows did the last time; `None`: nothing.
    pub fn question(self, action: ShareAction, rows: u64, before: Option<u64>) -> Option<String> {
        let verb = match action {
            ShareAction::Add => return None,
            ShareAction::Remove => "remove",
            ShareAction::Replace => "replace",
        };
        if rows == 0 {
            let why = match action {
                ShareAction::Replace => "the audience would be empty at the destination",
                _ => "nobody would be removed",
            };
            return self.empty.then(|| {
                format!(
                    "the source gave no row that can be handed over, so {why}: {verb} all the same?"
                )
            });
        }
        let (before, max) = (before?, u64::from(self.shrink_percent_max?));
        // Without rounding: fewer than the share that must be left.
        let is_small =
            u128::from(rows) * 100 < u128::from(before) * u128::from(100_u64.saturating_sub(max));
        is_small.then(|| {
            format!(
                "{rows} rows are more than {max} % fewer than the {before} of the last run: {verb} all the same?"
            )
        })
    }
}

/// Whether a share runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ShareStatus {
    /// It runs when it is due, and when somebody asks.
    Active,
    /// It does not run, until somebody resumes it.
    Paused,
    /// Deleted, or one of its endpoints is: it never runs again, and is kept for its history.
    Ended,
}

impl ShareStatus {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Paused => "PAUSED",
            Self::Ended => "ENDED",
        }
    }

    /// Any letter case.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Active, Self::Paused, Self::Ended]
            .into_iter()
            .find(|status| status.as_str().eq_ignore_ascii_case(text))
    }
}

/// A share as the exchange knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    pub id: ShareId,
    pub account: AccountId,
    pub plan: Plan,
    pub schedule: Schedule,
    pub status: ShareStatus,
    /// Why it is not active, or did not run when it was due, for people.
    pub reason: Option<String>,
    /// When it is due; none: only by hand.
    pub next_at: Option<Timestamp>,
    /// Its latest run.
    pub last_job: Option<JobId>,
    pub last_run_at: Option<Timestamp>,
    /// Times in a row at which it was due and could not run; `reason` says why the last time.
    pub skipped: u32,
    /// Rises with every change.
    pub revision: i64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_ends_with_the_day_of_the_run() {
        let day = |text: &str| text.parse::<Date>().expect("a date");
        let today = day("2026-03-01");
        let read = |text| serde_json::from_str::<DataWindow>(text).expect("a window");
        let of_run = |window: DataWindow| {
            let RunWindow { from, to } = window.of_run(today);
            (from, to)
        };
        assert_eq!(of_run(read(r#"{"days":1}"#)), (today, today));
        assert_eq!(of_run(read(r#"{"days":7}"#)), (day("2026-02-23"), today));
        let dates = read(r#"{"from":"2025-12-01","to":"2025-12-31"}"#);
        assert_eq!(of_run(dates), (day("2025-12-01"), day("2025-12-31")));
        let all = of_run(DataWindow::Days { days: i64::MAX });
        assert_eq!(all, (Date::MIN, today));
    }

    #[test]
    fn a_guard_asks_before_an_audience_is_emptied() {
        use ShareAction::{Add, Remove, Replace};
        let guard = Guard::default();
        let never = Guard {
            empty: false,
            shrink_percent_max: None,
        };
        for (action, rows, before, asks) in [
            (Replace, 0, None, true),
            (Replace, 0, Some(10), true),
            (Remove, 0, None, true),
            (Add, 0, Some(10), false),
            (Replace, 49, Some(100), true),
            (Replace, 50, Some(100), false),
            (Remove, 49, Some(100), true),
            (Add, 1, Some(100), false),
            (Replace, 1, None, false),
            (Replace, 1, Some(2), false),
            (Replace, u64::MAX, Some(u64::MAX), false),
        ] {
            let question = guard.question(action, rows, before);
            assert_eq!(
                question.is_some(),
                asks,
                "{action:?} {rows} {before:?}: {question:?}"
            );
            assert_eq!(never.question(action, rows, before), None);
        }
        let strict = Guard {
            shrink_percent_max: Some(0),
            ..guard
        };
        assert!(strict.question(Replace, 99, Some(100)).is_some());
        assert!(strict.question(Replace, 100, Some(100)).is_none());
    }

    #[test]
    fn a_plan_is_written_with_the_members_of_the_api() {
        let text = serde_json::json!({
            "shareId": 3, "sourceEndpointId": 1, "segmentId": 8_000_000_000_000_001_152_i64, "destinationEndpointId": 2,
            "destinationSegment": { "id": null, "name": "Gold", "description": null }, "shareAction": "REPLACE",
            "identifier": { "source": "email", "destination": "Email" }, "attributes": { "first": "FIRST_NAME" },
            "uploadIdentities": true, "dataWindow": { "days": 7 },
            "guard": { "empty": true, "shrinkPercentMax": 20 }, "incremental": false,
        });
        let plan: Plan = serde_json::from_value(text.clone()).expect("a plan");
        assert_eq!(plan.segment, SegmentId::Number(8_000_000_000_000_001_152));
        assert_eq!(serde_json::to_value(&plan).expect("JSON"), text);
    }
}
