//! Changing who is taken for one person: what values stand for nobody, and how much one person can have. The graph follows
//! at once; a dry run says what would become of it and changes nothing.

use std::collections::{BTreeSet, HashMap};

use engine::Tx;
use model::identity::{Key, Rules};
use model::{Invalid, Violation, X1Id};
use serde_json::json;
use store::identity::{Identifier, Standing};

use super::change::{Repartition, repartition};
use crate::{Actor, Error, Hub, Page, Result, Scope};

/// Identifiers looked at in one piece.
const ROWS: i64 = 10_000;
/// Identifiers whose surroundings are worked out again in one transaction.
const SEEDS: usize = 1_000;
/// Examples in a report.
const SAMPLE_MAX: usize = 20;
/// Values of an account's own that stand for nobody, and limits of types.
const ENTRIES_MAX: usize = 1_000;

/// What rules change, or would.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RulesReport {
    /// People among those whom the change concerns.
    pub people_before: u64,
    pub people_after: u64,
    /// Identifiers that belong elsewhere, or to nobody, or to somebody again.
    pub moved: u64,
    pub sample: Vec<MovedIdentifier>,
}

/// An identifier that belongs elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MovedIdentifier {
    pub x1_id: X1Id,
    pub kind: String,
    pub value: String,
    pub was: Standing,
    pub is: Standing,
}

impl RulesReport {
    fn add(&mut self, done: &Repartition) {
        self.people_before += done.before as u64;
        self.people_after += done.after as u64;
        self.moved += done.moved.len() as u64;
        for (row, moved) in &done.moved {
            if self.sample.len() < SAMPLE_MAX {
                self.sample.push(MovedIdentifier {
                    x1_id: row.x1_id,
                    kind: row.kind.clone(),
                    value: row.value.clone(),
                    was: row.standing,
                    is: moved.standing,
                });
            }
        }
    }
}

impl Hub {
    /// The rules of an account.
    pub fn identity_rules(&self, scope: Scope) -> Result<Rules> {
        Ok(self.account(scope)?.policy.identity_rules)
    }

    /// Puts other rules in the place of an account's and brings the graph up to date with them. What was interrupted is
    /// made good by calling it again.
    pub async fn identity_set_rules(
        &self,
        actor: &Actor,
        scope: Scope,
        rules: Rules,
    ) -> Result<RulesReport> {
        let rules = checked(rules)?;
        let mut policy = self.account(scope)?.policy;
        let before = std::mem::replace(&mut policy.identity_rules, rules.clone());
        {
            let (mut tx, turn) = self.begin_change().await?;
            store::account::put_policy(&mut tx, scope, &policy).await?;
            let detail = json!({ "before": before, "after": rules });
            let what = ("identity.rules", format!("account {}", scope.0));
            self.audit(&mut tx, Some(scope), actor, what, detail)
                .await?;
            self.commit_change(tx, &turn, scope.0).await?;
            let mut account = self.account(scope)?;
            account.policy = policy;
            self.registry.put_account(account);
        }
        let mut report = RulesReport::default();
        let seeds = self.concerned(scope, &rules).await?;
        for portion in seeds.chunks(SEEDS) {
            let _turn = self.identity.turn(self.logs.shard(scope.0)).await;
            let (mut tx, turn) = self.begin_change().await?;
            store::identity::lock(&mut tx, scope).await?;
            let done = repartition(&mut tx, scope, &rules, portion).await?;
            self.commit_change(tx, &turn, scope.0).await?;
            report.add(&done);
            self.identity.changed(scope.0, done.people, []);
        }
        Ok(report)
    }

    /// What rules would change. Nothing else writes while it looks, on one machine.
    pub async fn identity_try_rules(&self, scope: Scope, rules: Rules) -> Result<RulesReport> {
        let rules = checked(rules)?;
        self.account(scope)?;
        let seeds = self.concerned(scope, &rules).await?;
        let mut report = RulesReport::default();
        let mut tx = self.db.begin().await?;
        for portion in seeds.chunks(SEEDS) {
            report.add(&repartition(&mut tx, scope, &rules, portion).await?);
        }
        // Dropped, the transaction has never been.
        drop(tx);
        Ok(report)
    }

    /// How many people would become one if letter case did not matter for a type, among the values that have capitals.
    pub async fn identity_try_case(&self, scope: Scope, kind: &str) -> Result<RulesReport> {
        let kind = kind.trim().to_lowercase();
        let mut report = RulesReport::default();
        let mut met: HashMap<Key, i64> = HashMap::new();
        let mut tx = self.db.read().await?;
        let mut from = Some([0; 16]);
        while let Some(key) = from {
            let rows = store::identity::list(&mut tx, scope, key, ROWS).await?;
            from = rows
                .last()
                .and_then(|last| store::identity::after(last.digest));
            let of_kind = rows.iter().filter(|row| row.kind == kind);
            for row in of_kind.filter(|row| row.value.chars().any(char::is_uppercase)) {
                meet_lower(&mut tx, scope, row, &mut met, &mut report).await?;
            }
        }
        Ok(report)
    }

    /// Identifiers that are not what these rules make of them, or may not be.
    async fn concerned(&self, scope: Scope, rules: &Rules) -> Result<Vec<i64>> {
        let mut tx = self.db.read().await?;
        let mut seeds: BTreeSet<i64> = BTreeSet::new();
        let least = i64::from(rules.least_limit());
        let mut from = Some([0; 16]);
        while let Some(key) = from {
            let rows = store::identity::list(&mut tx, scope, key, ROWS).await?;
            from = rows
                .last()
                .and_then(|last| store::identity::after(last.digest));
            for row in rows {
                let is_junk = rules.is_junk(row.form, &row.value);
                let is_other = match row.standing {
                    Standing::Junk => !is_junk,
                    Standing::Crowded => true,
                    Standing::Joined | Standing::Overgrown => is_junk || row.ties > least,
                };
                if is_other {
                    seeds.insert(row.id);
                }
            }
        }
        seeds.extend(store::identity::large(&mut tx, scope, rules.least_limit()).await?);
        seeds.extend(overgrown(&mut tx, scope).await?);
        Ok(seeds.into_iter().collect())
    }
}

/// One identifier of each component that is overgrown.
async fn overgrown(tx: &mut Tx, scope: Scope) -> Result<Vec<i64>> {
    let mut found: HashMap<i64, i64> = HashMap::new();
    let mut page = Page {
        after: 0,
        limit: ROWS,
    };
    loop {
        let rows = store::identity::list_standing(tx, scope, Standing::Overgrown, page).await?;
        let Some(last) = rows.last() else {
            return Ok(found.into_values().collect());
        };
        page.after = last.id;
        found.extend(rows.iter().map(|row| (row.component, row.id)));
    }
}

/// Whom an identifier would meet if its capitals were small.
async fn meet_lower(
    tx: &mut Tx,
    scope: Scope,
    row: &Identifier,
    met: &mut HashMap<Key, i64>,
    report: &mut RulesReport,
) -> Result<()> {
    let lower = row.value.to_lowercase();
    let key = model::identity::key(scope.0, &row.kind, row.form, &lower);
    let known = match met.get(&key) {
        Some(person) => Some(*person),
        None => {
            let found = store::identity::by_digest(tx, scope, &[key]).await?;
            found.first().map(Identifier::person)
        }
    };
    match known {
        Some(person) if person != row.person() => {
            met.insert(key, person);
            report.people_before += 2;
            report.people_after += 1;
            report.moved += 1;
            if report.sample.len() < SAMPLE_MAX {
                report.sample.push(MovedIdentifier {
                    x1_id: row.x1_id,
                    kind: row.kind.clone(),
                    value: row.value.clone(),
                    was: row.standing,
                    is: row.standing,
                });
            }
        }
        Some(_) => {}
        None => {
            met.insert(key, row.person());
        }
    }
    Ok(())
}

fn checked(rules: Rules) -> Result<Rules> {
    let rules = rules.in_lower_case();
    let mut invalid = Invalid::default();
    let mut refuse = |pointer: String, code, message: String| {
        invalid.push(Violation::new(pointer, code, message));
    };
    let too_few = "a person has at least 1 identifier: say 1 or more";
    if rules.limit == Some(0) {
        refuse("/limit".to_owned(), "out-of-range", too_few.to_owned());
    }
    for (kind, _) in rules.limits.iter().filter(|(_, limit)| **limit == 0) {
        refuse(
            format!("/limits/{kind}"),
            "out-of-range",
            too_few.to_owned(),
        );
    }
    for (name, count) in [("/limits", rules.limits.len()), ("/junk", rules.junk.len())] {
        if count > ENTRIES_MAX {
            let message = format!("{count} entries; at most {ENTRIES_MAX} are taken");
            refuse(name.to_owned(), "too-many", message);
        }
    }
    if invalid.violations.is_empty() {
        Ok(rules)
    } else {
        Err(Error::Invalid(invalid))
    }
}
