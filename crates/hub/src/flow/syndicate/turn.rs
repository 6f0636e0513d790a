//! Matches the source's rows and writes them as the destination's, with reports of those that are not sent.
//!
//! Three things go on side by side: the next piece of the file is read and parsed, the rows before it are looked up and
//! dressed, and what came of those before them is written. Where all three stand is known only between rounds when nothing
//! is under way, so a slice ends by letting them run dry.

use std::sync::Arc;
use std::time::{Duration, Instant};

use model::account::Heed;
use model::audience::{Counts, Known, Line, Mapping, REPORT_HEADER, Rows, Sorted};
use model::csv::{Layout, RowProblem};
use model::hashing::HashingOf;
use model::identity::{Fact, Told};
use model::suppression::{Barred, CONSENT, Subject, withdraws_consent};
use model::{AccountId, IdentifierDefinition};

use super::source::{Batch, Source, blocking};
use super::state::{AUDIENCE, At, Parcel, REJECTED, State, TEXT_CSV, Turn, UNMATCHED};
use super::{Of, Sliced};
use crate::data_file::Writer;
use crate::flow::jobs::{JobRun, SliceError};
use crate::identity::Person;
use crate::{Hub, Result};

/// How long a slice works, about.
pub(super) const SLICE: Duration = Duration::from_secs(1);
/// Rows looked up at once: one transaction of identity.
const LOOKED_UP: usize = 5_000;

/// What is the same for all rows of a run.
pub(super) struct Terms {
    pub(super) mapping: Mapping,
    /// The rows teach who is who.
    pub(super) is_teaching: bool,
}

impl Hub {
    /// Turns rows for a while; `true` when there are no more.
    pub(super) async fn turn_rows(
        self: &Arc<Self>,
        run: &mut JobRun,
        state: &mut State,
        turn: &mut Turn,
    ) -> Sliced<bool> {
        let terms = Arc::new(Terms {
            mapping: self.mapping(run.scope(), &state.plan)?,
            is_teaching: state.plan.upload_identities,
        });
        let mut outputs = Outputs::open(self, Of::new(run), &terms.mapping, turn).await?;
        let mut source = Source::new(self, run, &state.sources, &turn.from);
        let until = Instant::now() + SLICE;
        let (mut batch, mut sorted): (Option<Batch>, Option<Sorted>) = (None, None);
        let of = Of::new(run);
        let mut is_over = false;
        loop {
            let is_time = Instant::now() < until && !self.job_should_stop(run);
            let (next, dressed, written) = tokio::join!(
                async {
                    if is_time && !is_over {
                        source.next().await
                    } else {
                        Ok(None)
                    }
                },
                async {
                    match batch.take() {
                        Some(batch) => self.dress(of, &terms, batch).await.map(Some),
                        None => Ok(None),
                    }
                },
                outputs.take(sorted.take()),
            );
            written?;
            (batch, sorted) = (next?, dressed?);
            is_over |= is_time && batch.is_none();
            if batch.is_none() && sorted.is_none() {
                break;
            }
        }
        turn.from = source.from().clone();
        let counts = outputs.counts;
        let records = &mut run.job.records;
        records.read += counts.read;
        records.matched += counts.matched;
        records.unmatched += counts.unmatched;
        records.rejected += counts.rejected;
        state.emptied += counts.emptied;
        let read = records.read;
        if is_over {
            outputs.finish(self, turn).await?;
            run.step("match", read, Some(read));
        } else {
            outputs.pause(turn).await?;
            run.step("match", read, None);
        }
        Ok(is_over)
    }

    /// What becomes of some rows.
    async fn dress(self: &Arc<Self>, of: Of, terms: &Arc<Terms>, batch: Batch) -> Sliced<Sorted> {
        let places = terms.mapping.places(&batch.layout);
        let places =
            places.map_err(|why| SliceError::Failed(format!("file {}: {why}", batch.file)))?;
        let people = if terms.is_teaching {
            self.teach(of, &terms.mapping.known_by, &batch).await?
        } else if terms.mapping.is_direct {
            Vec::new()
        } else {
            self.look_up(of, &terms.mapping, places.identifier, &batch)
                .await?
        };
        let (hub, terms, account) = (Arc::clone(self), Arc::clone(terms), of.scope.0);
        blocking(move || {
            let mut out = Sorted::default();
            let file = batch.file.to_string();
            let bars = Bars::new(&hub, account, &terms.mapping, &batch.layout);
            let mut problems = batch.problems.iter().peekable();
            for row in 0..batch.rows.len() {
                let number = batch.rows.number(row);
                while let Some(problem) = problems.next_if(|problem| problem.row < number) {
                    unreadable(&file, problem, &mut out);
                }
                let person = people.get(row).and_then(Option::as_deref);
                let known = match (bars.find(&batch.rows, row, person), person) {
                    (Some(why), _) => Known::Barred(why),
                    _ if terms.mapping.is_direct => Known::Itself,
                    (None, None) => Known::Nobody,
                    (None, Some(person)) => {
                        terms.mapping.choose(person.identifiers.iter().map(known))
                    }
                };
                let of = (file.as_str(), &batch.rows, row);
                terms.mapping.row(of, &places, known, &mut out);
            }
            for problem in problems {
                unreadable(&file, problem, &mut out);
            }
            out
        })
        .await
    }

    /// Who the rows are about, by the one identifier that the share names.
    async fn look_up(
        &self,
        of: Of,
        mapping: &Mapping,
        column: usize,
        batch: &Batch,
    ) -> Sliced<Vec<Option<Arc<Person>>>> {
        let mut people = Vec::with_capacity(batch.rows.len());
        let rows: Vec<usize> = (0..batch.rows.len()).collect();
        for some in rows.chunks(LOOKED_UP) {
            let sets: Vec<Vec<Told<'_>>> = some
                .iter()
                .map(|row| vec![Told::of(&mapping.source, batch.rows.field(*row, column))])
                .collect();
            people.append(&mut self.known(of.scope.0, &sets).await?);
        }
        Ok(people)
    }

    /// Teaches who belongs together, and answers who the rows are about.
    pub(super) async fn teach(
        &self,
        of: Of,
        known_by: &[IdentifierDefinition],
        batch: &Batch,
    ) -> Sliced<Vec<Option<Arc<Person>>>> {
        let columns: Vec<_> = known_by
            .iter()
            .filter_map(|known| Some((known, batch.layout.column(&known.name)?)))
            .collect();
        let mut people = Vec::with_capacity(batch.rows.len());
        let rows: Vec<usize> = (0..batch.rows.len()).collect();
        for some in rows.chunks(LOOKED_UP) {
            let facts: Vec<Fact<'_>> = some
                .iter()
                .map(|row| Fact {
                    identifiers: columns
                        .iter()
                        .map(|(known, column)| (known, batch.rows.field(*row, *column)))
                        .filter(|(_, value)| !value.trim().is_empty())
                        .map(|(known, value)| Told::of(known, value))
                        .collect(),
                    source: model::identity::Source::Row {
                        job: of.job.0,
                        row: batch.rows.number(*row),
                    },
                    at: self.now(),
                })
                .collect();
            people.append(&mut self.learn(of.scope.0, &facts).await?);
        }
        Ok(people)
    }
}

fn unreadable(file: &str, problem: &RowProblem, out: &mut Sorted) {
    let line = Line {
        file,
        number: problem.row,
    };
    let column = problem.column.as_deref().unwrap_or_default();
    line.report(&mut out.rejected, column, &problem.message);
    out.counts.read += 1;
    out.counts.rejected += 1;
}

fn known(known: &crate::identity::Known) -> (&str, &str, HashingOf) {
    let form = HashingOf {
        mode: known.mode,
        algorithm: known.algorithm,
    };
    (&known.kind, &known.value, form)
}

/// Who must not be shared: people who are restricted or suppressed, and rows that say so themselves.
struct Bars<'a> {
    hub: &'a Hub,
    account: AccountId,
    /// Columns that tell who somebody is.
    known_by: Vec<(&'a IdentifierDefinition, usize)>,
    /// Columns in which a row may withdraw consent, where the account heeds that.
    consent: Vec<usize>,
}

impl<'a> Bars<'a> {
    fn new(hub: &'a Hub, account: AccountId, mapping: &'a Mapping, layout: &Layout) -> Self {
        let known_by = mapping.known_by.iter();
        let known_by = known_by.filter_map(|known| Some((known, layout.column(&known.name)?)));
        let of = hub.registry.account(account);
        let is_heeded = of.is_some_and(|of| of.policy.contact_consent == Heed::Honour);
        let columns = layout.columns.iter().enumerate();
        let consent = columns.filter(|(_, name)| is_heeded && name.eq_ignore_ascii_case(CONSENT));
        Self {
            hub,
            account,
            known_by: known_by.collect(),
            consent: consent.map(|(column, _)| column).collect(),
        }
    }

    fn find(&self, rows: &Rows, row: usize, person: Option<&Person>) -> Option<&'static str> {
        let told = self.known_by.iter().map(|(known, column)| Subject {
            kind: &known.kind,
            value: rows.field(row, *column),
            mode: known.hash_mode,
            algorithm: known.hash_algorithm,
        });
        let known = person.into_iter().flat_map(|person| &person.identifiers);
        let known = known.map(|known| Subject {
            kind: &known.kind,
            value: &known.value,
            mode: known.mode,
            algorithm: known.algorithm,
        });
        if let Some(why) = self.hub.barred(self.account, told.chain(known)) {
            return Some(why.as_str());
        }
        let mut consent = self.consent.iter();
        consent
            .any(|column| withdraws_consent(CONSENT, rows.field(row, *column)))
            .then_some(Barred::Unconsented.as_str())
    }
}

/// The three files, and what this slice added to them.
struct Outputs {
    files: [Writer; 3],
    parcel: Parcel,
    counts: Counts,
}

impl Outputs {
    async fn open(hub: &Hub, of: Of, mapping: &Mapping, turn: &Turn) -> Sliced<Self> {
        let Of { scope, job } = of;
        let counts = Counts::default();
        if let Some([audience, unmatched, rejected]) = turn.marks {
            let files = [
                hub.data_file_resume(scope, job, AUDIENCE, audience).await?,
                hub.data_file_resume(scope, job, UNMATCHED, unmatched)
                    .await?,
                hub.data_file_resume(scope, job, REJECTED, rejected).await?,
            ];
            let parcel = turn.parcel.clone();
            return Ok(Self {
                files,
                parcel,
                counts,
            });
        }
        let mut files = [
            hub.data_file_create(scope, job, AUDIENCE, TEXT_CSV).await?,
            hub.data_file_create(scope, job, UNMATCHED, TEXT_CSV)
                .await?,
            hub.data_file_create(scope, job, REJECTED, TEXT_CSV).await?,
        ];
        let mut header = Vec::new();
        mapping.header(&mut header);
        files[0].append(&header).await?;
        files[1].append(REPORT_HEADER).await?;
        files[2].append(REPORT_HEADER).await?;
        let mut parcel = turn.parcel.clone();
        AUDIENCE.clone_into(&mut parcel.file);
        parcel.header = files[0].len();
        Ok(Self {
            files,
            parcel,
            counts,
        })
    }

    async fn take(&mut self, sorted: Option<Sorted>) -> Result<()> {
        let Some(sorted) = sorted else {
            return Ok(());
        };
        let [audience, unmatched, rejected] = &mut self.files;
        tokio::try_join!(
            audience.append(&sorted.audience),
            unmatched.append(&sorted.unmatched),
            rejected.append(&sorted.rejected),
        )?;
        self.parcel.grow(sorted.counts.matched, audience.len());
        let (sum, more) = (&mut self.counts, sorted.counts);
        sum.read += more.read;
        sum.matched += more.matched;
        sum.unmatched += more.unmatched;
        sum.rejected += more.rejected;
        sum.emptied += more.emptied;
        Ok(())
    }

    async fn pause(mut self, turn: &mut Turn) -> Result<()> {
        let [audience, unmatched, rejected] = &mut self.files;
        let marks = tokio::try_join!(audience.pause(), unmatched.pause(), rejected.pause())?;
        turn.marks = Some([marks.0, marks.1, marks.2]);
        turn.parcel = self.parcel;
        Ok(())
    }

    async fn finish(mut self, hub: &Hub, turn: &mut Turn) -> Result<()> {
        self.parcel.close(self.files[0].len());
        turn.parcel = self.parcel;
        for file in self.files {
            hub.data_file_finish(file).await?;
        }
        Ok(())
    }
}

impl Turn {
    /// All is turned: what comes next.
    pub(super) fn end(self, state: &mut State) -> At {
        let mut parcel = self.parcel;
        parcel.action = state.plan.action;
        state.parcels = vec![parcel.clone()];
        state.whole = parcel;
        if state.plan.incremental {
            At::Compare(Default::default())
        } else {
            At::Guard
        }
    }
}
