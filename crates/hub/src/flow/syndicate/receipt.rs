//! The end of a run: what was sent is noted, its receipt is in the job's report, and what nobody needs is removed.

use std::sync::Arc;

use jiff::Timestamp;
use model::endpoint::ShareAction;
use serde_json::{Value, json};

use super::Sliced;
use super::state::{ADDITIONS, AUDIENCE, At, HandOver, REJECTED, REMOVALS, State, UNMATCHED};
use crate::Hub;
use crate::flow::jobs::JobRun;

/// Parts of the noted rows in one slice: they are sixteenths of all digests.
const PARTS: u8 = 16;

impl Hub {
    /// The destination has fetched the audience.
    pub(super) fn offered(&self, run: &mut JobRun, state: &State) {
        let rows = run.job.records.matched;
        let hand_over = HandOver {
            sent: rows,
            ..HandOver::default()
        };
        self.receipt(run, state, &hand_over);
        run.step("hand over", rows, Some(rows));
    }

    /// Writes the receipt.
    pub(super) fn receipt(&self, run: &mut JobRun, state: &State, hand_over: &HandOver) {
        let now: Timestamp = self.now();
        let records = &mut run.job.records;
        records.sent = hand_over.sent;
        let (read, matched) = (records.read, records.matched);
        let parcels = state.parcels.iter().map(|parcel| {
            json!({ "file": parcel.file, "shareAction": parcel.action, "rows": parcel.rows })
        });
        let receipt = json!({
            "at": now,
            "handedOver": parcels.collect::<Vec<Value>>(),
            "rowsSent": hand_over.sent,
            "rowsAccepted": hand_over.accepted,
            "rowsRefused": hand_over.refused,
            "matchRate": rate(matched, read),
            "valuesLeftEmpty": state.emptied,
        });
        run.tell("receipt", receipt);
        run.tell("reports", vec![UNMATCHED.to_owned(), REJECTED.to_owned()]);
    }

    /// Notes the digest of what is handed over. Called when the files are complete, before anything is sent.
    pub(super) async fn tell_digests(&self, run: &mut JobRun, state: &State) -> Sliced<()> {
        let files = self.data_files(run.scope(), run.job.id).await?;
        let mut digests = serde_json::Map::new();
        for parcel in &state.parcels {
            if let Some(file) = files.iter().find(|file| file.name == parcel.file) {
                let digest = json!({ "sha256": file.digest, "bytes": file.size_bytes });
                digests.insert(parcel.file.clone(), digest);
            }
        }
        run.tell("digests", digests);
        Ok(())
    }

    /// Notes that the destination has what was sent, a part of the rows at a time.
    pub(super) async fn settle_sent(
        self: &Arc<Self>,
        run: &mut JobRun,
        state: &State,
        first: u8,
    ) -> Sliced<At> {
        let (scope, share, job) = (run.scope(), state.plan.share, run.job.id);
        let last = first.saturating_add(PARTS - 1);
        if state.plan.incremental {
            for byte in first..=last {
                let mut tx = self.job_begin(run).await?;
                store::sent::settle(&mut tx, scope, (share, job), byte).await?;
                tx.commit().await?;
            }
            if let Some(next) = last.checked_add(1) {
                return Ok(At::Settle(next));
            }
        }
        let sent = self.sent(scope, share).await?;
        let records = run.job.records;
        let is_removal = state.plan.action == ShareAction::Remove;
        let mut tx = self.job_begin(run).await?;
        let counts = (job, records.read, records.matched);
        self.sent_note(&mut tx, scope, &sent, counts).await?;
        run.keep(tx);
        let _ = is_removal;
        Ok(At::Clear)
    }

    /// People's data is kept no longer than it is needed: what remains are the reports and, where the destination fetches, the
    /// audience itself.
    pub(super) async fn clear_files(&self, run: &mut JobRun, state: &State) -> Sliced<()> {
        let (scope, job) = (run.scope(), run.job.id);
        let offered = run.job.details.data_files.clone().unwrap_or_default();
        let made = [AUDIENCE, ADDITIONS, REMOVALS].map(str::to_owned);
        for name in state.sources.iter().chain(&made) {
            if !offered.contains(name) {
                self.data_file_delete(scope, job, name).await?;
            }
        }
        Ok(())
    }
}

/// To a hundredth of a percent; none of nothing.
fn rate(part: u64, whole: u64) -> Option<f64> {
    let hundredths = (u128::from(part) * 10_000).checked_div(u128::from(whole))?;
    Some(f64::from(u32::try_from(hundredths).unwrap_or(u32::MAX)) / 100.0)
}
