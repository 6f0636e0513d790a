//! IDENTITY_IMPORT jobs: an audience that goes nowhere, and teaches who belongs together.

use std::sync::Arc;
use std::time::Instant;

use model::IdentifierDefinition;
use model::audience::{Line, REPORT_HEADER, telling};
use model::csv::{Layout, RowProblem};
use serde::{Deserialize, Serialize};

use super::source::Source;
use super::state::{From, REJECTED, TEXT_CSV};
use super::turn::SLICE;
use super::{Of, Sliced};
use crate::Hub;
use crate::data_file::Mark;
use crate::flow::jobs::{JobRun, Slice, SliceError};

/// Where such a job stands; nothing, when it begins.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Import {
    from: From,
    rejected: Option<Mark>,
    /// All is learnt; the upload may go.
    is_over: bool,
}

impl Hub {
    /// One slice: rows are learnt, and reported if they cannot be read.
    pub(super) async fn import_slice(self: &Arc<Self>, run: &mut JobRun) -> Sliced<Slice> {
        let Some(upload) = run.job.upload.clone() else {
            return Ok(Slice::WaitForData);
        };
        let mut state: Import = run.state()?;
        if state.is_over {
            self.data_file_delete(run.scope(), run.job.id, &upload)
                .await?;
            run.tell("reports", vec![REJECTED.to_owned()]);
            return Ok(Slice::Done);
        }
        let producer = run.job.producer.ok_or_else(|| {
            SliceError::Failed(
                "this job names no endpoint whose identifiers its rows have".to_owned(),
            )
        })?;
        let known_by = telling(
            &self
                .party(run.scope(), producer, "source")?
                .endpoint
                .definition,
        );
        let (scope, job) = (run.scope(), run.job.id);
        let mut rejected = match state.rejected {
            Some(mark) => self.data_file_resume(scope, job, REJECTED, mark).await?,
            None => {
                let mut file = self
                    .data_file_create(scope, job, REJECTED, TEXT_CSV)
                    .await?;
                file.append(REPORT_HEADER).await?;
                file
            }
        };
        let mut source = Source::new(self, run, std::slice::from_ref(&upload), &state.from);
        let until = Instant::now() + SLICE;
        let mut is_over = false;
        while Instant::now() < until && !self.job_should_stop(run) {
            let Some(batch) = source.next().await? else {
                is_over = true;
                break;
            };
            check_columns(&known_by, &batch.layout)?;
            let people = self.teach(Of::new(run), &known_by, &batch).await?;
            let records = &mut run.job.records;
            let matched = people.iter().flatten().count() as u64;
            records.read += (batch.rows.len() + batch.problems.len()) as u64;
            records.matched += matched;
            records.unmatched += batch.rows.len() as u64 - matched;
            records.rejected += batch.problems.len() as u64;
            rejected.append(&reported(&batch.problems)).await?;
        }
        let read = run.job.records.read;
        if is_over {
            self.data_file_finish(rejected).await?;
            state.is_over = true;
        } else {
            state.from = source.from().clone();
            state.rejected = Some(rejected.pause().await?);
        }
        run.step("learn", read, is_over.then_some(read));
        run.set_state(&state)?;
        Ok(Slice::More)
    }
}

fn check_columns(known_by: &[IdentifierDefinition], layout: &Layout) -> Sliced<()> {
    let mut columns = known_by.iter().map(|known| layout.column(&known.name));
    if columns.any(|column| column.is_some()) {
        return Ok(());
    }
    let names: Vec<&str> = known_by.iter().map(|known| known.name.as_str()).collect();
    Err(SliceError::Failed(format!(
        "the file has no column that tells who somebody is; its endpoint's identifiers are {}",
        names.join(", ")
    )))
}

fn reported(problems: &[RowProblem]) -> Vec<u8> {
    let mut text = Vec::new();
    for problem in problems {
        let line = Line {
            file: "1",
            number: problem.row,
        };
        let column = problem.column.as_deref().unwrap_or_default();
        line.report(&mut text, column, &problem.message);
    }
    text
}
