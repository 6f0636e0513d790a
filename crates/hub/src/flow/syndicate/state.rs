//! Where the run of a share stands: what a slice leaves for the next one, in the job's row.
//!
//! It begins as the share's plan alone; everything else is added while it runs. A slice that dies leaves the state before
//! it, so every member says where to go on, and nothing says what is only true in memory.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use model::SegmentId;
use model::csv::{Layout, Place};
use model::endpoint::ShareAction;
use model::share::Plan;
use serde::{Deserialize, Serialize};

use super::Sliced;
use crate::data_file::Mark;
use crate::flow::jobs::{Slice, SliceError};
use crate::flow::peer::Export;

/// What the destination gets.
pub(super) const AUDIENCE: &str = "audience.csv";
/// Rows whose people the destination cannot know.
pub(super) const UNMATCHED: &str = "unmatched.csv";
/// Rows that must not or cannot be sent.
pub(super) const REJECTED: &str = "rejected.csv";
/// Of an incremental run: what the destination has to add, and to remove.
pub(super) const ADDITIONS: &str = "additions.csv";
pub(super) const REMOVALS: &str = "removals.csv";

pub(super) const TEXT_CSV: &str = "text/csv; charset=utf-8";

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct State {
    #[serde(flatten)]
    pub(super) plan: Plan,
    #[serde(default)]
    pub(super) at: At,
    /// The files that the source gave, in their order.
    #[serde(default)]
    pub(super) sources: Vec<String>,
    /// Values that could not be sent and were left empty, of rows that are sent.
    #[serde(default)]
    pub(super) emptied: u64,
    /// What is handed over, in this order.
    #[serde(default)]
    pub(super) parcels: Vec<Parcel>,
    /// A person has said that it may go on.
    #[serde(default)]
    pub(super) is_approved: bool,
    /// The whole audience, whatever is handed over of it.
    #[serde(default)]
    pub(super) whole: Parcel,
    /// How often the destination asked for another action.
    #[serde(default)]
    pub(super) turns: u32,
    #[serde(default)]
    pub(super) tries: Tries,
}

/// Calls of an endpoint that did not go well, in a row.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Tries {
    since: Option<Timestamp>,
    count: u32,
}

/// How long an endpoint that does not answer well is asked again.
const PATIENCE: SignedDuration = SignedDuration::from_hours(24);
/// Longest pause between two tries; the first is a second, and each is twice the one before.
const PAUSE_MAX: Duration = Duration::from_secs(300);

impl Tries {
    /// A call went well.
    pub(super) fn well(&mut self) {
        *self = Self::default();
    }

    /// A call did not: when it is made again.
    ///
    /// # Errors
    /// [`SliceError::Failed`] with `why` when that has gone on for too long.
    pub(super) fn again(
        &mut self,
        now: Timestamp,
        why: &str,
        retry_after: Option<Duration>,
    ) -> Sliced<Slice> {
        let since = *self.since.get_or_insert(now);
        if now.duration_since(since) >= PATIENCE {
            let hours = PATIENCE.as_hours();
            return Err(SliceError::Failed(format!("for {hours} hours now: {why}")));
        }
        let doubled = Duration::from_secs(1 << self.count.min(16)).min(PAUSE_MAX);
        self.count += 1;
        let pause = retry_after.unwrap_or_default().max(doubled);
        Ok(Slice::Wait { until: now + pause })
    }
}

/// What is done next.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum At {
    /// The source's rows are fetched, or waited for.
    #[default]
    Begin,
    Fetch(Fetch),
    /// Rows become the destination's.
    Turn(Turn),
    /// What came and went since the last run is found.
    Compare(Compare),
    /// Is there enough to replace what the destination has?
    Guard,
    HandOver(HandOver),
    /// The destination fetches.
    Offer,
    /// What was sent is noted; for the digests that begin with this byte and those after it.
    Settle(u8),
    /// Everything is noted but that it is done.
    Clear,
}

/// Rows of a pull producer.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Fetch {
    /// Batches in all, and those that are here.
    pub(super) batches: u32,
    pub(super) done: u32,
    /// The producer makes the data first: its job.
    pub(super) export: Option<Export>,
    /// How often that was asked after.
    pub(super) polls: u32,
    /// Of the first batch.
    pub(super) first_digest: Option<String>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Turn {
    pub(super) from: From,
    /// Audience, unmatched, rejected.
    pub(super) marks: Option<[Mark; 3]>,
    pub(super) parcel: Parcel,
}

/// Where files are read.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct From {
    /// Which of the files.
    pub(super) file: usize,
    /// `None`: from its start.
    pub(super) at: Option<(Layout, Place)>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Compare {
    pub(super) from: From,
    /// All rows were looked at; those that are gone are collected from this digest on, in hex.
    pub(super) gone: Option<String>,
    pub(super) marks: Option<[Mark; 2]>,
    pub(super) additions: Parcel,
    pub(super) removals: Parcel,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct HandOver {
    /// Audiences of the same name that the destination had before it was asked to make one.
    pub(super) before: Option<Vec<SegmentId>>,
    /// Which of the parcels, and which cut of it.
    pub(super) parcel: usize,
    pub(super) cut: usize,
    /// Rows that were handed over, and what the destination said became of them.
    pub(super) sent: u64,
    pub(super) accepted: Option<u64>,
    pub(super) refused: Option<u64>,
}

/// A file to hand over, and how.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Parcel {
    pub(super) file: String,
    pub(super) action: ShareAction,
    /// Bytes of the header row.
    pub(super) header: u64,
    pub(super) rows: u64,
    /// Ends of its cuts: between two rows, a few MiB apart; and the rows before each.
    pub(super) cuts: Vec<(u64, u64)>,
}

impl Parcel {
    pub(super) fn of(file: &str, action: ShareAction) -> Self {
        Self {
            file: file.to_owned(),
            action,
            ..Self::default()
        }
    }

    /// Notes that so many more rows end at this byte: a cut is made when there is enough since the last one.
    pub(super) fn grow(&mut self, rows: u64, end: u64) {
        self.rows += rows;
        let start = self.cuts.last().map_or(self.header, |(end, _)| *end);
        if end - start >= CUT_BYTES {
            self.cuts.push((end, self.rows));
        }
    }

    /// There is nothing more.
    pub(super) fn close(&mut self, end: u64) {
        let start = self.cuts.last().map_or(self.header, |(end, _)| *end);
        if end > start {
            self.cuts.push((end, self.rows));
        }
    }

    /// First byte, end, and rows of a cut.
    pub(super) fn cut(&self, number: usize) -> Option<(u64, u64, u64)> {
        let (end, rows) = *self.cuts.get(number)?;
        let before = number
            .checked_sub(1)
            .and_then(|before| self.cuts.get(before));
        let (start, rows_before) = before.map_or((self.header, 0), |cut| *cut);
        Some((start, end, rows - rows_before))
    }
}

/// What is added or removed in one call: enough to be quick, little enough to be sent again.
pub(super) const CUT_BYTES: u64 = 8 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_begins_as_its_plan_and_comes_back_as_it_was() {
        let plan = serde_json::json!({
            "shareId": 3, "sourceEndpointId": 1, "segmentId": 8_000_000_000_000_001_152_i64, "destinationEndpointId": 2,
            "destinationSegment": { "id": "gold", "name": "Gold", "description": null }, "shareAction": "REPLACE",
            "identifier": { "source": "email", "destination": "Email" }, "dataWindow": { "days": 7 },
        });
        let mut state: State = serde_json::from_value(plan).expect("a plan is a state");
        assert!(matches!(state.at, At::Begin) && state.sources.is_empty());
        let place = Place {
            offset: 1 << 40,
            row: 9,
        };
        let layout = Layout {
            delimiter: model::csv::Delimiter::Tab,
            columns: vec!["email".to_owned()],
        };
        state.at = At::Turn(Turn {
            from: From {
                file: 1,
                at: Some((layout, place)),
            },
            ..Turn::default()
        });
        let text = serde_json::to_string(&state).expect("JSON");
        let again: State = serde_json::from_str(&text).expect("a state");
        assert_eq!(serde_json::to_string(&again).expect("JSON"), text);
        assert_eq!(again.plan.segment.to_string(), "8000000000000001152");
    }

    #[test]
    fn cuts_are_between_rows_and_cover_them_all() {
        let mut parcel = Parcel::of(AUDIENCE, ShareAction::Add);
        parcel.header = 10;
        let mut end = 10;
        for _ in 0..5 {
            end += CUT_BYTES / 2;
            parcel.grow(100, end);
        }
        parcel.close(end);
        let cuts: Vec<_> = (0..).map_while(|number| parcel.cut(number)).collect();
        let half = CUT_BYTES / 2;
        assert_eq!(
            cuts,
            [
                (10, 10 + 2 * half, 200),
                (10 + 2 * half, 10 + 4 * half, 200),
                (10 + 4 * half, 10 + 5 * half, 100),
            ]
        );
        let mut empty = Parcel::of(AUDIENCE, ShareAction::Add);
        empty.header = 10;
        empty.close(10);
        assert_eq!(empty.cut(0), None);
    }
}
