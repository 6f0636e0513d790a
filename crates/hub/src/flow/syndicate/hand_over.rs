//! Hands what was turned to a destination that is called: the audience is made there if it is not there yet, then rows are
//! replaced in one call, or added and removed in several.
//!
//! A call is made again until it is answered, from the first byte: what replaces is taken whole or not at all, and what is
//! added twice is there once. Each call carries an `Idempotency-Key`, so that a destination can tell the same one again.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _};
use model::SegmentId;
use model::endpoint::ShareAction;

use super::state::{At, HandOver, Parcel, State};
use super::{Of, Sliced};
use crate::flow::jobs::{JobRun, Slice, SliceError};
use crate::flow::peer::{Handed, Peer, Rows, Trouble};
use crate::{Hub, Result};

/// How often a destination may ask for another action.
const TURNS_MAX: u32 = 2;
/// While a call is made, how often it is looked whether it should be broken off.
const LOOK_EVERY: Duration = Duration::from_millis(250);

impl Hub {
    /// Makes one call, and says what comes after it.
    pub(super) async fn hand_rows_over(
        self: &Arc<Self>,
        run: &mut JobRun,
        state: &mut State,
        mut hand: HandOver,
    ) -> Sliced<(At, Slice)> {
        let entry = self.party(run.scope(), state.plan.destination, "destination")?;
        let peer = self.peer_consumer(&entry).map_err(SliceError::Failed)?;
        let Some(segment) = state.plan.destination_segment.id.clone() else {
            return self.create_segment(run, state, hand, &peer).await;
        };
        let total = state.parcels.iter().map(|parcel| parcel.rows).sum();
        run.step("hand over", hand.sent, Some(total));
        let Some(parcel) = state.parcels.get(hand.parcel) else {
            self.receipt(run, state, &hand);
            return Ok((At::Settle(0), Slice::More));
        };
        let Some((rows, count)) = next_call(parcel, hand.cut) else {
            hand.parcel += 1;
            hand.cut = 0;
            return Ok((At::HandOver(hand), Slice::More));
        };
        let key = format!(
            "{}-{}-{}-{}",
            run.job.id, state.turns, hand.parcel, hand.cut
        );
        let body = self.body(Of::new(run), parcel, rows).await?;
        let handed = tokio::select! {
            handed = peer.hand_over(parcel.action, &segment, body, &key) => handed,
            () = self.broken_off(run) => return Err(SliceError::Gone),
        };
        match handed {
            Handed::Taken { accepted, refused } => {
                hand.sent += count;
                add(&mut hand.accepted, accepted);
                add(&mut hand.refused, refused);
                state.tries.well();
                hand.cut += 1;
                run.step("hand over", hand.sent, Some(total));
                Ok((At::HandOver(hand), Slice::More))
            }
            Handed::Instead(action) => self.take_turn(state, parcel.action, action),
            Handed::NotSupported => Err(SliceError::Failed(format!(
                "the destination does not support {} (it answered 501): choose another share action",
                parcel.action.as_str()
            ))),
            Handed::Refused { status, excerpt } => Err(SliceError::Failed(format!(
                "the destination refused the rows: it answered {status}: {excerpt}"
            ))),
            Handed::Unreachable(why) => Err(SliceError::Failed(why)),
            Handed::Again { why, retry_after } => {
                let slice = state.tries.again(self.now(), &why, retry_after)?;
                run.tell("lastTrouble", why);
                Ok((At::HandOver(hand), slice))
            }
        }
    }

    /// The destination wants another action: everything is handed over in that way, if it is not the opposite, and after
    /// the guard has looked at it.
    fn take_turn(
        &self,
        state: &mut State,
        asked: ShareAction,
        instead: ShareAction,
    ) -> Sliced<(At, Slice)> {
        let is_opposite = (asked == ShareAction::Remove) != (instead == ShareAction::Remove);
        state.turns += 1;
        if is_opposite || asked == instead || state.turns > TURNS_MAX {
            return Err(SliceError::Failed(format!(
                "the destination answered {} with a wish for {} instead, which would not come to the same: choose the share \
                 action that it takes",
                asked.as_str(),
                instead.as_str()
            )));
        }
        let mut whole = state.whole.clone();
        whole.action = instead;
        state.parcels = vec![whole];
        Ok((At::Guard, Slice::More))
    }

    /// Makes the audience at the destination. First those of its name are noted, so that a call whose answer got lost is
    /// not made twice.
    async fn create_segment(
        &self,
        run: &mut JobRun,
        state: &mut State,
        mut hand: HandOver,
        peer: &Peer,
    ) -> Sliced<(At, Slice)> {
        let made = self.find_or_make(state, &mut hand, peer).await;
        let id = match made {
            Ok(Some(id)) => id,
            Ok(None) => return Ok((At::HandOver(hand), Slice::More)),
            Err(Trouble::Refused(why)) => return Err(SliceError::Failed(why)),
            Err(Trouble::Again { why, retry_after }) => {
                let slice = state.tries.again(self.now(), &why, retry_after)?;
                run.tell("lastTrouble", why);
                return Ok((At::HandOver(hand), slice));
            }
        };
        state.tries.well();
        run.job.details.destination_segment = Some(id.clone());
        let mut tx = self.job_begin(run).await?;
        let share = state.plan.share;
        store::share::set_destination_segment(&mut tx, run.scope(), share, &id).await?;
        run.keep(tx);
        state.plan.destination_segment.id = Some(id);
        Ok((At::HandOver(hand), Slice::More))
    }

    /// `None` when it was noted what is there, and the next slice may ask for one more.
    async fn find_or_make(
        &self,
        state: &State,
        hand: &mut HandOver,
        peer: &Peer,
    ) -> std::result::Result<Option<SegmentId>, Trouble> {
        let wanted = &state.plan.destination_segment;
        let there = peer.segments_named(&wanted.name).await?;
        let Some(before) = &hand.before else {
            hand.before = Some(there);
            return Ok(None);
        };
        if let Some(made) = there.into_iter().find(|id| !before.contains(id)) {
            return Ok(Some(made));
        }
        let description = wanted.description.as_deref();
        peer.create_segment(&wanted.name, description)
            .await
            .map(Some)
    }

    /// The header row, then the rows between two bytes.
    async fn body(&self, of: Of, parcel: &Parcel, (start, end): (u64, u64)) -> Result<Rows> {
        let Of { scope, job } = of;
        let head = self.data_file_read(scope, job, &parcel.file).await?;
        let head = head.stream(0, parcel.header);
        let rows = self.data_file_read(scope, job, &parcel.file).await?;
        let rows = rows.stream(start, end);
        Ok(Rows {
            bytes: parcel.header + (end - start),
            chunks: Box::pin(head.chain(rows).map_err(std::io::Error::other)),
        })
    }

    /// Comes back when the call under way should not be finished: the job was canceled, or goes elsewhere.
    async fn broken_off(&self, run: &mut JobRun) {
        while !self.job_should_stop(run) {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

/// The bytes of a parcel's next call, and its rows; `None` when it is handed over.
fn next_call(parcel: &Parcel, cut: usize) -> Option<((u64, u64), u64)> {
    if parcel.action != ShareAction::Replace {
        let (start, end, rows) = parcel.cut(cut)?;
        return Some(((start, end), rows));
    }
    // In one call, and also when there is nothing: then the audience is empty.
    let end = parcel.cuts.last().map_or(parcel.header, |(end, _)| *end);
    (cut == 0).then_some(((parcel.header, end), parcel.rows))
}

fn add(sum: &mut Option<u64>, more: Option<u64>) {
    if let Some(more) = more {
        *sum = Some(sum.unwrap_or_default() + more);
    }
}
