//! A data file read as CSV, row by row, whole rows at a time: for privacy requests and dry runs, which need no more.

use bytes::{Buf as _, Bytes};
use model::csv::{self, RowProblem};
use model::{Invalid, JobId};

use super::Reader;
use crate::{Error, Hub, Result, Scope};

/// A file and how far it is read.
pub(crate) struct Table {
    file: Reader,
    csv: csv::Reader,
    /// Bytes of the file that were fetched; some of them wait.
    fetched: u64,
    waiting: Bytes,
}

/// One row.
pub(crate) enum Line {
    /// Its number, counted from the header, which is 1, and its values.
    Row(u64, Vec<String>),
    /// It cannot be used.
    Problem(RowProblem),
}

impl Table {
    /// The names of the columns. To be asked for first.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it is no CSV, [`Error::Unavailable`].
    pub(crate) async fn columns(&mut self) -> Result<Vec<String>> {
        loop {
            let mut input = &self.waiting[..];
            let is_last = self.fetched >= self.file.len();
            let found = self
                .csv
                .header(&mut input, is_last)
                .map_err(|problem| no_csv(&problem))?;
            let found = found.map(|layout| layout.columns.clone());
            let taken = self.waiting.len() - input.len();
            self.waiting.advance(taken);
            match found {
                Some(columns) => return Ok(columns),
                None => self.fetch().await?,
            }
        }
    }

    /// The next row; `None` at the end.
    ///
    /// # Errors
    /// As [`Table::columns`].
    pub(crate) async fn next(&mut self) -> Result<Option<Line>> {
        loop {
            let mut input = &self.waiting[..];
            let is_last = self.fetched >= self.file.len();
            let found = match self
                .csv
                .read(&mut input, is_last)
                .map_err(|problem| no_csv(&problem))?
            {
                csv::Read::Row(row) => {
                    let values = row.values().map(str::to_owned).collect();
                    Some(Line::Row(row.number, values))
                }
                csv::Read::Problem(problem) => Some(Line::Problem(problem)),
                csv::Read::Hungry => None,
                csv::Read::End => return Ok(None),
            };
            let taken = self.waiting.len() - input.len();
            self.waiting.advance(taken);
            match found {
                Some(line) => return Ok(Some(line)),
                None => self.fetch().await?,
            }
        }
    }

    async fn fetch(&mut self) -> Result<()> {
        self.waiting = self.file.read_at(self.fetched).await?;
        self.fetched += self.waiting.len() as u64;
        Ok(())
    }
}

fn no_csv(problem: &RowProblem) -> Error {
    Invalid::one("", "csv", problem.to_string()).into()
}

impl Hub {
    /// Opens a complete file of a job as CSV.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Unavailable`].
    pub(crate) async fn data_file_table(
        &self,
        scope: Scope,
        job: JobId,
        name: &str,
    ) -> Result<Table> {
        Ok(Table {
            file: self.data_file_read(scope, job, name).await?,
            csv: csv::Reader::new(csv::Limits::default()),
            fetched: 0,
            waiting: Bytes::new(),
        })
    }
}
