//! Of an incremental share: finds what the destination has to add and to remove, by what was handed over before.
//!
//! Every row is noted as one that the destination may have before it is handed over, and as one that it has when the run
//! has ended well; so what a broken run may have left there is removed or sent again by the next one.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use model::audience::Rows;
use model::csv::write_row;
use model::endpoint::ShareAction;
use model::record::Digest16;
use store::sent::{KnownRow, SentRow};

use super::source::{Source, blocking};
use super::state::{ADDITIONS, AUDIENCE, Compare, Parcel, REMOVALS, State, TEXT_CSV};
use super::turn::SLICE;
use super::{Of, Sliced};
use crate::data_file::Writer;
use crate::flow::jobs::JobRun;
use crate::sent::Sent;
use crate::{Hub, Result};

/// Rows in one transaction.
const ROWS_AT_ONCE: usize = 5_000;

/// A row of the audience, as it is looked for.
struct Looked {
    row: usize,
    digest: Digest16,
    content: i64,
}

impl Hub {
    /// Compares for a while; `true` when all is compared.
    pub(super) async fn compare_rows(
        self: &Arc<Self>,
        run: &mut JobRun,
        state: &State,
        compare: &mut Compare,
    ) -> Sliced<bool> {
        let sent = Arc::new(self.sent(run.scope(), state.plan.share).await?);
        let names = self.mapping(run.scope(), &state.plan)?;
        let mut header = Vec::new();
        names.header(&mut header);
        let mut lone = Vec::new();
        write_row(&mut lone, [names.identifier.destination.as_str()]);
        let (scope, job) = (run.scope(), run.job.id);
        let (mut additions, mut removals) = match compare.marks {
            Some([additions, removals]) => (
                self.data_file_resume(scope, job, ADDITIONS, additions)
                    .await?,
                self.data_file_resume(scope, job, REMOVALS, removals)
                    .await?,
            ),
            None => (
                begin(
                    self,
                    Of::new(run),
                    ADDITIONS,
                    &header,
                    &mut compare.additions,
                )
                .await?,
                begin(self, Of::new(run), REMOVALS, &lone, &mut compare.removals).await?,
            ),
        };
        let until = Instant::now() + SLICE;
        let is_time = |run: &JobRun| Instant::now() < until && !self.job_should_stop(run);
        if compare.gone.is_none() {
            let mut source = Source::new(self, run, &[AUDIENCE.to_owned()], &compare.from);
            let mut is_over = false;
            while is_time(run) {
                let Some(batch) = source.next().await? else {
                    is_over = true;
                    break;
                };
                let parcel = &mut compare.additions;
                self.compare_batch(run, &sent, batch.rows, (&mut additions, parcel))
                    .await?;
            }
            compare.from = source.from().clone();
            compare.gone = is_over.then(String::new);
        }
        let mut is_over = false;
        while compare.gone.is_some() && !is_over && is_time(run) {
            is_over = self
                .collect_gone(Of::new(run), &sent, compare, &mut removals)
                .await?;
        }
        let done = compare.additions.rows + compare.removals.rows;
        if is_over {
            compare.additions.close(additions.len());
            compare.removals.close(removals.len());
            self.data_file_finish(additions).await?;
            self.data_file_finish(removals).await?;
            run.step("compare", done, Some(done));
        } else {
            compare.marks = Some([additions.pause().await?, removals.pause().await?]);
            run.step("compare", done, None);
        }
        Ok(is_over)
    }

    async fn compare_batch(
        self: &Arc<Self>,
        run: &mut JobRun,
        sent: &Arc<Sent>,
        rows: Rows,
        (additions, parcel): (&mut Writer, &mut Parcel),
    ) -> Sliced<()> {
        let (scope, share, job) = (run.scope(), sent.share.share, run.job.id);
        let rows = Arc::new(rows);
        let mut begin = 0;
        while begin < rows.len() {
            let end = rows.len().min(begin + ROWS_AT_ONCE);
            let (of, by) = (Arc::clone(&rows), Arc::clone(sent));
            let looked = blocking(move || digests(&of, &by, begin..end)).await?;
            let digests: Vec<Digest16> = looked.iter().map(|looked| looked.digest).collect();
            let mut tx = self.db.read().await?;
            let known = store::sent::known(&mut tx, scope, share, &digests).await?;
            drop(tx);
            let known: HashMap<Digest16, KnownRow> = known
                .into_iter()
                .map(|known| (known.digest, known))
                .collect();
            let (kept, added): (Vec<Looked>, Vec<Looked>) =
                looked.into_iter().partition(|looked| {
                    let known = known.get(&looked.digest);
                    known.is_some_and(|known| known.is_sent && known.content == looked.content)
                });
            let (of, hub) = (Arc::clone(&rows), Arc::clone(self));
            let (text, count, new) = blocking(move || hub.additions(share, &of, &added)).await?;
            let kept: Vec<Digest16> = kept.iter().map(|kept| kept.digest).collect();
            let mut tx = self.job_begin(run).await?;
            store::sent::put(&mut tx, scope, (share, job), new?).await?;
            store::sent::keep(&mut tx, scope, (share, job), &kept).await?;
            tx.commit().await?;
            additions.append(&text).await?;
            parcel.grow(count, additions.len());
            begin = end;
        }
        Ok(())
    }

    /// The rows as text, how many there are, and what is noted of them.
    fn additions(
        &self,
        share: model::ShareId,
        rows: &Rows,
        added: &[Looked],
    ) -> (Vec<u8>, u64, Result<Vec<SentRow>>) {
        let mut text = Vec::new();
        for looked in added {
            write_row(&mut text, rows.fields(looked.row));
        }
        let noted = added.iter().map(|looked| {
            Ok(SentRow {
                digest: looked.digest,
                content: looked.content,
                identifier: self.seal_sent(share, rows.field(looked.row, 0))?,
                is_sent: false,
            })
        });
        (text, added.len() as u64, noted.collect())
    }

    /// A page of the rows that are gone; `true` when there are no more.
    async fn collect_gone(
        &self,
        of: Of,
        sent: &Sent,
        compare: &mut Compare,
        removals: &mut Writer,
    ) -> Sliced<bool> {
        let share = sent.share.share;
        let after = compare.gone.as_deref().and_then(digest_of);
        let limit = i64::try_from(ROWS_AT_ONCE).unwrap_or(i64::MAX);
        let mut tx = self.db.read().await?;
        let page = store::sent::gone(&mut tx, of.scope, (share, of.job), after, limit).await?;
        drop(tx);
        let Some((last, _)) = page.last() else {
            return Ok(true);
        };
        compare.gone = Some(hex(last));
        let mut text = Vec::new();
        for (_, sealed) in &page {
            let identifier = self.unseal_sent(share, sealed)?;
            write_row(&mut text, [identifier.as_str()]);
        }
        removals.append(&text).await?;
        compare.removals.grow(page.len() as u64, removals.len());
        Ok(false)
    }
}

async fn begin(
    hub: &Hub,
    of: Of,
    name: &str,
    header: &[u8],
    parcel: &mut Parcel,
) -> Result<Writer> {
    let action = if name == REMOVALS {
        ShareAction::Remove
    } else {
        ShareAction::Add
    };
    let mut file = hub
        .data_file_create(of.scope, of.job, name, TEXT_CSV)
        .await?;
    file.append(header).await?;
    *parcel = Parcel::of(name, action);
    parcel.header = file.len();
    Ok(file)
}

fn digests(rows: &Rows, sent: &Sent, some: std::ops::Range<usize>) -> Vec<Looked> {
    let mut looked: Vec<Looked> = some
        .map(|row| Looked {
            row,
            digest: sent.digest(rows.field(row, 0)),
            content: sent.content(rows.fields(row)),
        })
        .collect();
    // Of a person who is there twice the last row counts: one statement must not change a row twice.
    let mut last = HashMap::with_capacity(looked.len());
    for one in &looked {
        last.insert(one.digest, one.row);
    }
    looked.retain(|one| last.get(&one.digest) == Some(&one.row));
    looked
}

fn hex(digest: &Digest16) -> String {
    format!("{:032x}", u128::from_be_bytes(*digest))
}

fn digest_of(text: &str) -> Option<Digest16> {
    Some(u128::from_str_radix(text, 16).ok()?.to_be_bytes())
}
