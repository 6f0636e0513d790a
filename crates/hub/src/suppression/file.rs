//! People of a CSV file, put on the suppression list: the first row names identity types.

use model::csv;
use model::privacy::{Columns, Named};
use model::{Invalid, Subject};

use super::ENTRIES_MAX;
use crate::{Actor, Hub, Result, Scope};

/// Entries that one transaction takes.
const AT_ONCE: usize = 1_000;
/// Rows that were not taken and are told.
const PROBLEMS_MAX: usize = 100;

impl Hub {
    /// Puts all people of a file on the list; answers how many are new on it, and which rows were not taken and why.
    ///
    /// # Errors
    /// [`crate::Error::Invalid`] if it is no such file. What was entered before an error stays.
    pub async fn suppression_add_file(
        &self,
        actor: &Actor,
        scope: Scope,
        reference: &str,
        bytes: &[u8],
    ) -> Result<(u64, Vec<String>)> {
        let (named, problems) = read(bytes)?;
        let mut added = 0;
        for part in named.chunks(AT_ONCE) {
            let subjects: Vec<Subject<'_>> = part.iter().map(Named::subject).collect();
            added += self
                .suppression_add(actor, scope, reference, &subjects)
                .await?;
        }
        Ok((added, problems))
    }
}

/// All identifiers of a file, and what is wrong with its other rows.
fn read(mut bytes: &[u8]) -> std::result::Result<(Vec<Named>, Vec<String>), Invalid> {
    let mut reader = csv::Reader::new(csv::Limits::default());
    let no_csv = |problem: csv::RowProblem| Invalid::one("", "csv", problem.to_string());
    let names = reader.header(&mut bytes, true).map_err(no_csv)?;
    let names = names
        .map(|layout| layout.columns.clone())
        .unwrap_or_default();
    let columns = Columns::of(&names, |_| None);
    let (mut named, mut problems) = (Vec::new(), Vec::new());
    loop {
        match reader.read(&mut bytes, true) {
            Ok(csv::Read::Row(row)) => {
                let values: Vec<&str> = row.values().collect();
                named.extend(columns.named(&values));
            }
            Ok(csv::Read::Problem(problem)) if problems.len() < PROBLEMS_MAX => {
                problems.push(problem.to_string());
            }
            Ok(csv::Read::Problem(_)) => {}
            Ok(csv::Read::Hungry | csv::Read::End) => break,
            Err(problem) => return Err(no_csv(problem)),
        }
    }
    if named.is_empty() {
        let message =
            "no row has an identifier: the first row names identity types, such as `email`";
        return Err(Invalid::one("", "required", message));
    }
    if named.len() as u64 > ENTRIES_MAX {
        let message = format!("more than {ENTRIES_MAX} identifiers");
        return Err(Invalid::one("", "too-many", message));
    }
    Ok((named, problems))
}
