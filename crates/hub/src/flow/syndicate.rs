//! An audience on its way from one endpoint to another: the slices of SEGMENT_EXPORT and IDENTITY_IMPORT jobs.
//!
//! ```text
//! fetch ──▶ source files ──match──▶ audience.csv ──(compare)──▶ additions, removals ──guard──▶ hand over ──▶ receipt
//!                                 └▶ unmatched.csv, rejected.csv
//! ```
//!
//! Rows stream through files of the job, a piece at a time, so memory is flat whatever the size. Each slice does about a
//! second of one step and leaves in the job's state where the next one goes on; one that dies is done again from there:
//! files are cut back to where they were noted, calls are made again. So a destination that replaces gets every row exactly
//! once, in one call that it takes whole or not at all; one that adds gets it at least once. Called by `jobs`.

mod compare;
mod fetch;
mod hand_over;
mod import;
mod receipt;
mod source;
mod state;
mod turn;

use std::sync::Arc;

use model::JobId;
use model::audience::{Asked, Mapping};
use model::endpoint::{ShareAction, ShareActions, Transfer};
use model::job::{JobCategory, Signal};
use model::share::Plan;

use self::state::{AUDIENCE, At, Parcel, State};
use super::jobs::{JobRun, Slice, SliceError};
use crate::registry::{EndpointEntry, terms_of};
use crate::{Error, Hub, Scope};

/// Whose slice: what can be handed around while the slice's own transaction is not.
#[derive(Clone, Copy)]
struct Of {
    scope: Scope,
    job: JobId,
}

impl Of {
    fn new(run: &JobRun) -> Self {
        Self {
            scope: run.scope(),
            job: run.job.id,
        }
    }
}

type Sliced<T> = Result<T, SliceError>;

impl Hub {
    /// One slice of such a job.
    pub(super) async fn syndicate_slice(self: &Arc<Self>, run: &mut JobRun) -> Sliced<Slice> {
        if run.job.category == JobCategory::IdentityImport {
            return self.import_slice(run).await;
        }
        let mut state: State = run.state()?;
        if run.signal() == Some(Signal::Approved) {
            state.is_approved = true;
        }
        let at = std::mem::take(&mut state.at);
        let (at, slice) = self.syndicate_step(run, &mut state, at).await?;
        state.at = at;
        run.set_state(&state)?;
        Ok(slice)
    }

    /// Does a part of one step; answers where the next slice goes on, and how.
    async fn syndicate_step(
        self: &Arc<Self>,
        run: &mut JobRun,
        state: &mut State,
        at: At,
    ) -> Sliced<(At, Slice)> {
        let next = match at {
            At::Begin => self.begin_fetch(run, state).await?,
            At::Fetch(fetch) => return self.fetch_rows(run, state, fetch).await,
            At::Turn(mut turn) => {
                if self.turn_rows(run, state, &mut turn).await? {
                    turn.end(state)
                } else {
                    At::Turn(turn)
                }
            }
            At::Compare(mut compare) => {
                if self.compare_rows(run, state, &mut compare).await? {
                    self.choose_parcels(run.scope(), state, compare.additions, compare.removals)
                        .await?;
                    At::Guard
                } else {
                    At::Compare(compare)
                }
            }
            At::Guard => match self.question(run, state).await? {
                Some(question) => return Ok((At::Guard, Slice::Ask { question })),
                None => {
                    self.tell_digests(run, state).await?;
                    self.begin_hand_over(run, state)?
                }
            },
            At::HandOver(hand_over) => return self.hand_rows_over(run, state, hand_over).await,
            At::Offer => {
                if run.signal() != Some(Signal::Fetched) {
                    return Ok((At::Offer, Slice::Ready));
                }
                self.offered(run, state);
                At::Settle(0)
            }
            At::Settle(first) => self.settle_sent(run, state, first).await?,
            At::Clear => {
                self.clear_files(run, state).await?;
                return Ok((At::Clear, Slice::Done));
            }
        };
        if matches!(next, At::Begin) {
            return Ok((next, Slice::WaitForData));
        }
        Ok((next, Slice::More))
    }

    /// What to ask before the destination's audience is replaced or removed from.
    async fn question(&self, run: &mut JobRun, state: &State) -> Sliced<Option<String>> {
        if state.is_approved {
            return Ok(None);
        }
        let removes = |parcel: &Parcel| parcel.action != ShareAction::Add;
        let Some(parcel) = state.parcels.iter().find(|parcel| removes(parcel)) else {
            return Ok(None);
        };
        // What an incremental run removes is what a run that replaces would leave out.
        let is_difference = parcel.file != AUDIENCE;
        let action = if is_difference {
            ShareAction::Replace
        } else {
            parcel.action
        };
        let tx = &mut self.db.read().await?;
        let before = store::sent::share(tx, run.scope(), state.plan.share).await?;
        let before = before.filter(|before| before.job.is_some());
        let rows = run.job.records.matched;
        Ok(state
            .plan
            .guard
            .question(action, rows, before.map(|before| before.rows_sent)))
    }

    /// What an incremental run hands over.
    async fn choose_parcels(
        &self,
        scope: Scope,
        state: &mut State,
        additions: Parcel,
        removals: Parcel,
    ) -> Sliced<()> {
        let allowed = self.share_actions(scope, &state.plan)?;
        let tx = &mut self.db.read().await?;
        let sent = store::sent::share(tx, scope, state.plan.share).await?;
        let is_first = sent.is_none_or(|sent| sent.job.is_none());
        let is_whole = is_first && state.plan.action == ShareAction::Replace;
        let is_push = self.destination_transfer(scope, &state.plan)? == Transfer::Push;
        if is_push && allowed.add && allowed.remove && !is_whole {
            let parcels = [additions, removals].into_iter();
            state.parcels = parcels.filter(|parcel| parcel.rows > 0).collect();
        }
        Ok(())
    }

    /// The guard has let it through.
    fn begin_hand_over(&self, run: &mut JobRun, state: &State) -> Sliced<At> {
        Ok(match self.destination_transfer(run.scope(), &state.plan)? {
            Transfer::Push => At::HandOver(Default::default()),
            Transfer::Pull => {
                run.job.details.data_files = Some(vec![AUDIENCE.to_owned()]);
                run.job.details.data_format = Some("CSV".to_owned());
                run.step("hand over", 0, Some(run.job.records.matched));
                At::Offer
            }
        })
    }

    /// How rows of the plan are turned, by what both endpoints say now.
    fn mapping(&self, scope: Scope, plan: &Plan) -> Sliced<Mapping> {
        let source = self.party(scope, plan.source, "source")?;
        let destination = self.party(scope, plan.destination, "destination")?;
        let account = self.registry.account(scope.0);
        let account = account.ok_or_else(|| Error::not_found("account", scope.0))?;
        let definition = &destination.endpoint.definition;
        Mapping::new(&Asked {
            source: &source.endpoint.definition,
            destination: definition,
            identifier: (&plan.identifier.source, &plan.identifier.destination),
            attributes: &plan.attributes,
            terms: terms_of(definition, &account.policy),
        })
        .map_err(SliceError::Failed)
    }

    /// One of the two endpoints, while it takes part in shares.
    fn party(&self, scope: Scope, id: model::EndpointId, what: &str) -> Sliced<Arc<EndpointEntry>> {
        let entry = self.registry.endpoint(id);
        let entry = entry.filter(|entry| entry.endpoint.account == scope.0);
        let Some(entry) = entry else {
            return Err(SliceError::Failed(format!(
                "there is no endpoint {id}, the {what}, any more"
            )));
        };
        if entry.endpoint.status != model::EndpointStatus::Active || !entry.endpoint.enabled {
            return Err(SliceError::Failed(format!(
                "endpoint {id}, the {what}, is {}: enable it and retry",
                if entry.endpoint.enabled {
                    entry.endpoint.status.as_str()
                } else {
                    "disabled"
                }
            )));
        }
        Ok(entry)
    }

    fn destination_transfer(&self, scope: Scope, plan: &Plan) -> Sliced<Transfer> {
        let entry = self.party(scope, plan.destination, "destination")?;
        let role = entry.endpoint.definition.roles.segment_destination.as_ref();
        role.filter(|role| role.enabled)
            .map(|role| role.transfer)
            .ok_or_else(|| {
                SliceError::Failed(format!(
                    "endpoint {} takes no audiences any more",
                    plan.destination
                ))
            })
    }

    fn share_actions(&self, scope: Scope, plan: &Plan) -> Sliced<ShareActions> {
        let entry = self.party(scope, plan.destination, "destination")?;
        let role = entry.endpoint.definition.roles.segment_destination.as_ref();
        Ok(role.and_then(|role| role.share_actions).unwrap_or_default())
    }
}
