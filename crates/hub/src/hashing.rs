//! A dry run of what leaves for a destination: how values would be hashed there, before anything is sent.
//!
//! Called by `api`. The same rules as a push and a share (`model::hashing::outbound`), so what it says is what happens.

use std::collections::BTreeMap;

use model::hashing::profile::looks_hashed;
use model::hashing::{HashAlgorithm, HashMode, HashingOf, Region, Terms, outbound};
use model::{EndpointId, Invalid, JobId};

use crate::data_file::Line;
use crate::{Error, Hub, Result, Scope};

/// Examples of each kind in an answer.
const EXAMPLES_MAX: usize = 10;
/// Rows of a file that are looked at: enough to see what is wrong with it, and over in a second or two.
const ROWS_MAX: u64 = 200_000;

/// What is tried, at which destination.
#[derive(Debug, Clone)]
pub struct DryRun {
    pub destination: EndpointId,
    /// Identity type of the values.
    pub kind: String,
    /// How the values' owner declares them.
    pub source: HashingOf,
}

/// Where the values are.
#[derive(Debug, Clone)]
pub enum Values {
    Here(Vec<String>),
    /// A column of a file of a job.
    File {
        job: JobId,
        name: String,
        column: String,
    },
}

/// What would leave.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Values that were looked at.
    pub read: u64,
    /// Sent as a hash that was made of them.
    pub hashed: u64,
    /// Sent as they are, and looking like hashes.
    pub passed: u64,
    /// Sent in clear.
    pub clear: u64,
    /// The destination has no use for values of this type.
    pub unused: u64,
    pub blank: u64,
    /// Not sent: how many, and rows that show it, by reason.
    pub refused: BTreeMap<String, (u64, Vec<u64>)>,
    /// Values that look hashed and were not declared so.
    pub looks_hashed: u64,
    /// The file goes on; only its start was looked at.
    pub is_cut: bool,
}

impl Outcome {
    fn look(&mut self, row: u64, value: &str, run: &DryRun, wanted: &HashingOf, terms: &Terms) {
        self.read += 1;
        if value.trim().is_empty() {
            self.blank += 1;
            return;
        }
        let is_hash = looks_hashed(value).is_some();
        self.looks_hashed += u64::from(is_hash && run.source.mode != HashMode::Hashed);
        match outbound(&run.kind, value, &run.source, wanted, terms) {
            Ok(None) => self.unused += 1,
            Ok(Some(sent)) if sent != value => self.hashed += 1,
            Ok(Some(_)) if is_hash => self.passed += 1,
            Ok(Some(_)) => self.clear += 1,
            Err(error) => {
                let mut why = error.to_string();
                if let Some(source) = std::error::Error::source(&error) {
                    why = format!("{why}: {source}");
                }
                self.refuse(why, row);
            }
        }
    }

    fn refuse(&mut self, why: String, row: u64) {
        let (count, rows) = self.refused.entry(why).or_default();
        *count += 1;
        if rows.len() < EXAMPLES_MAX {
            rows.push(row);
        }
    }
}

impl Hub {
    /// What would leave for a destination of these values. Nothing is sent, and nothing is kept.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such endpoint or file; [`Error::Invalid`] if the file has no such column.
    pub async fn hashing_dry_run(
        &self,
        scope: Scope,
        run: &DryRun,
        values: Values,
    ) -> Result<Outcome> {
        let endpoint = self.endpoint(scope, run.destination)?;
        let definition = &endpoint.definition;
        let found = definition
            .identifiers()
            .find(|it| it.kind.eq_ignore_ascii_case(&run.kind));
        let wanted = found.map_or_else(HashingOf::default, |it| HashingOf {
            mode: it.hash_mode,
            algorithm: it.hash_algorithm,
        });
        let policy = self.account(scope)?.policy;
        let region = policy.default_region.as_deref();
        let terms = Terms {
            profile: definition.hash_profile,
            algorithm: definition.hash_algorithm,
            region: region.and_then(|region| Region::parse(region).ok()),
            hashed_values: policy.hashed_values,
        };
        let mut outcome = Outcome::default();
        match values {
            Values::Here(values) => {
                for (row, value) in (1..).zip(&values) {
                    outcome.look(row, value, run, &wanted, &terms);
                }
            }
            Values::File { job, name, column } => {
                let mut table = self.data_file_table(scope, job, &name).await?;
                let columns = table.columns().await?;
                let named = |it: &&String| it.eq_ignore_ascii_case(&column);
                let place = columns
                    .iter()
                    .find(named)
                    .ok_or_else(|| no_column(&column, &columns))?;
                let place = columns
                    .iter()
                    .position(|it| it == place)
                    .unwrap_or_default();
                while let Some(line) = table.next().await? {
                    match line {
                        Line::Row(number, values) => {
                            outcome.look(number, &values[place], run, &wanted, &terms);
                        }
                        Line::Problem(problem) => outcome.refuse(problem.message, problem.row),
                    }
                    outcome.is_cut = outcome.read >= ROWS_MAX;
                    if outcome.is_cut {
                        break;
                    }
                }
            }
        }
        Ok(outcome)
    }
}

fn no_column(column: &str, columns: &[String]) -> Error {
    let message = format!(
        "the file has no column `{column}`: it has {}",
        columns.join(", ")
    );
    Invalid::one("/column", "unknown-value", message).into()
}

/// How somebody declares values, from the words of the wire.
pub fn declared(mode: Option<HashMode>, algorithm: Option<HashAlgorithm>) -> HashingOf {
    HashingOf {
        mode: mode.unwrap_or_default(),
        algorithm,
    }
}
