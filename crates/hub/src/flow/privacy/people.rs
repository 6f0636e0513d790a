//! Who is meant by a privacy request: reading its file, finding each row's person with all other identifiers, and what
//! concerns people themselves – restrictions, identities, and the list for other systems.

use std::collections::BTreeSet;
use std::sync::Arc;

use model::csv;
use model::identity::{Form, Told};
use model::privacy::{Ask, Columns, Named};
use model::suppression::Forms;
use model::{Barred, X1Id};
use store::suppression::NewSuppression;

use super::{OUTPUT, PrivacyState, Requested, Step, Went, Work};
use crate::data_file::Line;
use crate::flow::jobs::{JobRun, Slice, SliceError};
use crate::suppression::unbar;
use crate::{Error, Hub};

/// People in one request: what fits in memory and in the job's row.
pub(crate) const PEOPLE_MAX: usize = 10_000;

/// People whose restrictions are changed in one transaction.
const AT_ONCE: usize = 200;

/// Problems of rows that a report lists.
const PROBLEMS_MAX: usize = 100;

impl Hub {
    pub(super) async fn privacy_read(
        self: &Arc<Self>,
        run: &mut JobRun,
        state: &mut PrivacyState,
    ) -> Step<Went> {
        let Some(name) = run.job.upload.clone() else {
            return Ok(Went::Wait(Slice::WaitForData));
        };
        if state.ask.is_none() {
            let said = run.job.metadata.as_deref().unwrap_or_default();
            let ask = Ask::read(&serde_json::from_str(said).unwrap_or_default());
            let ask = ask.map_err(|invalid| {
                let what: Vec<String> =
                    invalid.violations.iter().map(ToString::to_string).collect();
                SliceError::Failed(what.join("; "))
            })?;
            state.ask = Some(ask);
            for step in crate::privacy::steps(Some(ask.operation)) {
                run.step(step, 0, None);
            }
        }
        let table = self.data_file_table(run.scope(), run.job.id, &name);
        let mut table = table.await.map_err(unreadable)?;
        let names = table.columns().await.map_err(unreadable)?;
        let columns = Columns::of(&names, |name| self.type_of(run.job.account, name));
        let mut problems = Vec::new();
        state.people.clear();
        while let Some(line) = table.next().await.map_err(unreadable)? {
            match line {
                Line::Row(number, values) => {
                    run.job.records.read += 1;
                    let values: Vec<&str> = values.iter().map(String::as_str).collect();
                    self.privacy_row(state, number, columns.named(&values), &mut problems)?;
                }
                Line::Problem(problem) => problems.push(problem.to_string()),
            }
        }
        run.job.records.rejected = problems.len() as u64;
        problems.truncate(PROBLEMS_MAX);
        run.tell("problems", problems);
        if state.people.is_empty() {
            let message = "the file has no row with an identifier: its first row names identity types (such as `email`), \
                each row below has values of one person";
            return Err(SliceError::Failed(message.to_owned()));
        }
        Ok(Went::Done)
    }

    fn privacy_row(
        &self,
        state: &mut PrivacyState,
        row: u64,
        identifiers: Vec<Named>,
        problems: &mut Vec<String>,
    ) -> Step<()> {
        if identifiers.is_empty() {
            problems.push(format!("row {row} names nobody: all its values are blank"));
            return Ok(());
        }
        if state.people.len() >= PEOPLE_MAX {
            let message = format!(
                "the file has more than {PEOPLE_MAX} people: send them in several requests"
            );
            return Err(SliceError::Failed(message));
        }
        state.people.push(Requested {
            row,
            x1_id: None,
            asked: identifiers.len(),
            identifiers,
        });
        Ok(())
    }

    /// Everybody who has one of the identifiers, once everything that was published so far is learnt.
    pub(super) async fn privacy_find(
        self: &Arc<Self>,
        run: &mut JobRun,
        state: &mut PrivacyState,
    ) -> Step<Went> {
        let account = run.job.account;
        let end = self.logs.of(account).latest().await?;
        self.route_before(self.logs.shard(account), end).await?;
        self.checkpoint().await?;
        state.end = end;
        let mut matched = 0;
        for person in &mut state.people {
            person.identifiers.truncate(person.asked);
            // One by one: a row may name several people, and all of them are meant.
            let asked = sets(&person.identifiers[..person.asked]);
            let mut others = Vec::new();
            for found in self.known(account, &asked).await?.into_iter().flatten() {
                let X1Id(id) = found.x1_id;
                person.x1_id.get_or_insert_with(|| id.to_string());
                others.extend(found.identifiers.iter().map(|it| Named {
                    kind: it.kind.clone(),
                    value: it.value.clone(),
                    is_hashed: it.form != Form::Clear,
                }));
            }
            matched += u64::from(person.x1_id.is_some());
            for other in others {
                let is_same = |it: &Named| {
                    it.kind.eq_ignore_ascii_case(&other.kind)
                        && it.value.eq_ignore_ascii_case(&other.value)
                };
                if !person.identifiers.iter().any(is_same) {
                    person.identifiers.push(other);
                }
            }
        }
        run.job.records.matched = matched;
        run.job.records.unmatched = state.people.len() as u64 - matched;
        state.count("people", matched);
        Ok(Went::Done)
    }

    /// Restricts these people by all their identifiers, or lifts that.
    pub(super) async fn privacy_restrict(
        self: &Arc<Self>,
        work: &mut Work<'_>,
        is_restricted: bool,
    ) -> Step<Went> {
        let (scope, account) = (work.run.scope(), work.run.job.account);
        let from = usize::try_from(work.state.next).unwrap_or(usize::MAX);
        let people = work.state.people.iter().skip(from).take(AT_ONCE);
        let entries: Vec<NewSuppression> = people
            .flat_map(|person| &person.identifiers)
            .map(|it| self.suppression_of(account, &it.subject()))
            .collect();
        let (mut tx, turn) = self.begin_change().await?;
        let changed = if is_restricted {
            let reference = format!("job {}", work.run.job.id);
            let why = (Barred::Restricted, reference.as_str());
            let now = self.now();
            store::suppression::insert_many(&mut tx, scope, why, entries, now)
                .await?
                .len() as u64
        } else {
            unbar(&mut tx, scope, Barred::Restricted, &entries).await?
        };
        self.commit_change(tx, &turn, account).await?;
        self.follow_suppressions(account).await?;
        work.state
            .count(if is_restricted { "restrict" } else { "lift" }, changed);
        work.state.next += AT_ONCE as u64;
        let is_done = work.state.next >= work.state.people.len() as u64;
        Ok(if is_done { Went::Done } else { Went::More })
    }

    /// Forgets who belongs together, and to whom shares have handed them.
    pub(super) async fn privacy_identities(self: &Arc<Self>, work: &mut Work<'_>) -> Step<Went> {
        let (scope, account) = (work.run.scope(), work.run.job.account);
        let region = self.region_of(account);
        let (mut forgotten, mut sent) = (0, 0);
        for person in &work.state.people {
            let known = self.known(account, &sets(&person.identifiers)).await?;
            let ids: BTreeSet<i64> = known.into_iter().flatten().map(|it| it.id).collect();
            let ids: Vec<i64> = ids.into_iter().collect();
            if !ids.is_empty() {
                let gone = self.forget(account, &ids).await?;
                forgotten += gone.identifiers.len() as u64;
            }
            // As any destination may have them.
            let mut values = BTreeSet::new();
            for named in &person.identifiers {
                let forms = Forms::of(&named.subject(), region);
                values.extend(forms.clear);
                values.extend(forms.hashed);
                values.insert(named.value.clone());
            }
            let values: Vec<&str> = values.iter().map(String::as_str).collect();
            sent += self.sent_forget(scope, &values).await?;
        }
        // Other processes have batches in memory.
        let (mut tx, turn) = self.begin_change().await?;
        store::suppression::raise(&mut tx, scope).await?;
        self.commit_change(tx, &turn, account).await?;
        self.follow_suppressions(account).await?;
        self.forget_batches(account);
        work.state.count("identities", forgotten);
        work.state.count("rows of shares", sent);
        Ok(Went::Done)
    }

    pub(super) async fn identities_left(&self, work: &mut Work<'_>) -> Step<u64> {
        let mut left = 0;
        for person in &work.state.people {
            let asked = sets(&person.identifiers);
            let known = self.known(work.run.job.account, &asked).await?;
            left += known.into_iter().flatten().count() as u64;
        }
        Ok(left)
    }

    /// The other identifiers of the same people, for other systems.
    pub(super) async fn privacy_output(&self, work: &mut Work<'_>) -> Step<()> {
        let (scope, job) = (work.run.scope(), work.run.job.id);
        let mut file = self
            .data_file_create(scope, job, OUTPUT, "text/csv")
            .await?;
        let mut rows = Vec::new();
        csv::write_row(&mut rows, ["row", "x1Id", "type", "value"]);
        for person in &work.state.people {
            for other in &person.identifiers[person.asked..] {
                let (row, x1_id) = (person.row.to_string(), person.x1_id.as_deref());
                let values = [&row, x1_id.unwrap_or_default(), &other.kind, &other.value];
                csv::write_row(&mut rows, values);
            }
            if rows.len() > 1 << 20 {
                file.append(&std::mem::take(&mut rows)).await?;
            }
        }
        file.append(&rows).await?;
        self.data_file_finish(file).await?;
        Ok(())
    }
}

/// A file that is no CSV will never be one.
pub(super) fn unreadable(error: Error) -> SliceError {
    match error {
        Error::Invalid(invalid) => {
            let what: Vec<String> = invalid
                .violations
                .into_iter()
                .map(|it| it.message)
                .collect();
            SliceError::Failed(what.join("; "))
        }
        other => SliceError::Again(other),
    }
}

/// As the identity graph looks them up, one by one: of a type whose letter case matters they are kept as they came.
fn sets(identifiers: &[Named]) -> Vec<Vec<Told<'_>>> {
    let mut sets = Vec::new();
    for it in identifiers {
        for is_case_sensitive in [false, true] {
            sets.push(vec![Told {
                mode: it.subject().mode,
                is_case_sensitive,
                ..Told::clear(&it.kind, &it.value)
            }]);
        }
    }
    sets
}
