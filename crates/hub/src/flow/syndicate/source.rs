//! The files of a job as batches of rows: a piece of a file at a time, from where the last slice stopped.
//!
//! Parsing is work for a processor and runs beside the tasks that wait. Used by every step that reads rows.

use std::sync::Arc;

use bytes::Bytes;
use model::JobId;
use model::audience::Rows;
use model::csv::{Layout, Limits, Place, Read, Reader, RowProblem};

use super::Sliced;
use super::state::From;
use crate::flow::jobs::{JobRun, SliceError};
use crate::{Error, Hub, Scope, data_file};

/// Reads files one after the other.
pub(super) struct Source {
    hub: Arc<Hub>,
    scope: Scope,
    job: JobId,
    files: Vec<String>,
    from: From,
    open: Option<Open>,
}

struct Open {
    file: data_file::Reader,
    csv: Reader,
    /// The next byte of the file.
    at: u64,
}

/// Rows of one file.
pub(super) struct Batch {
    /// Which of the files, counted from 1.
    pub(super) file: usize,
    pub(super) layout: Layout,
    pub(super) rows: Rows,
    /// Rows that cannot be used.
    pub(super) problems: Vec<RowProblem>,
}

struct Parsed {
    csv: Reader,
    rows: Rows,
    problems: Vec<RowProblem>,
    /// After the last row, if there was one.
    place: Option<Place>,
    fatal: Option<RowProblem>,
}

impl Source {
    pub(super) fn new(hub: &Arc<Hub>, run: &JobRun, files: &[String], from: &From) -> Self {
        Self {
            hub: Arc::clone(hub),
            scope: run.scope(),
            job: run.job.id,
            files: files.to_vec(),
            from: from.clone(),
            open: None,
        }
    }

    /// Where the batch after the last one begins.
    pub(super) fn from(&self) -> &From {
        &self.from
    }

    /// The next rows; `None` when there are no more.
    pub(super) async fn next(&mut self) -> Sliced<Option<Batch>> {
        while let Some(name) = self.files.get(self.from.file) {
            let open = match self.open.take() {
                Some(open) => open,
                None => self.open(name).await?,
            };
            let Open { mut file, csv, at } = open;
            let piece = file.read_at(at).await?;
            let at = at + piece.len() as u64;
            let is_last = at >= file.len();
            let Parsed {
                csv,
                rows,
                problems,
                place,
                fatal,
            } = blocking(move || parse(csv, &piece, is_last)).await?;
            if let Some(problem) = fatal {
                return Err(SliceError::Failed(format!("{name}: {problem}")));
            }
            let number = self.from.file + 1;
            let layout = csv.layout().cloned();
            if is_last {
                self.from = From {
                    file: number,
                    at: None,
                };
            } else {
                if let (Some(layout), Some(place)) = (&layout, place) {
                    self.from.at = Some((layout.clone(), place));
                }
                self.open = Some(Open { file, csv, at });
            }
            if let Some(layout) = layout
                && (!rows.is_empty() || !problems.is_empty())
            {
                return Ok(Some(Batch {
                    file: number,
                    layout,
                    rows,
                    problems,
                }));
            }
        }
        Ok(None)
    }

    async fn open(&self, name: &str) -> Sliced<Open> {
        let file = self
            .hub
            .data_file_read(self.scope, self.job, name)
            .await
            .map_err(|error| match error {
                Error::NotFound(_) => SliceError::Failed(format!(
                    "its file {name} is not there any more: begin it again"
                )),
                other => other.into(),
            })?;
        let (csv, at) = match &self.from.at {
            Some((layout, place)) => (
                Reader::resume(Limits::default(), layout.clone(), *place),
                place.offset,
            ),
            None => (Reader::new(Limits::default()), 0),
        };
        Ok(Open { file, csv, at })
    }
}

fn parse(mut csv: Reader, piece: &Bytes, is_last: bool) -> Parsed {
    let mut rows = Rows::with_capacity(piece.len());
    let mut problems = Vec::new();
    let (mut place, mut fatal) = (None, None);
    let mut input = &piece[..];
    loop {
        match csv.read(&mut input, is_last) {
            Ok(Read::Row(row)) => rows.push(row.number, row.values()),
            Ok(Read::Problem(problem)) => problems.push(problem),
            Ok(Read::Hungry | Read::End) => break,
            Err(problem) => {
                fatal = Some(problem);
                break;
            }
        }
        place = Some(csv.place());
    }
    Parsed {
        csv,
        rows,
        problems,
        place,
        fatal,
    }
}

/// Does what takes a processor's time beside the tasks that wait.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Sliced<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| SliceError::Again(Error::internal(error)))
}
