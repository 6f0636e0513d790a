//! `…/identities/rules`: who is taken for one person, and what other rules would change.

use std::collections::{BTreeMap, BTreeSet};

use axum::Json;
use axum::extract::State;
use hub::identity::RulesReport;
use model::identity::{IDENTIFIERS_OF_ONE_TYPE_MAX, Rules};
use schemars::JsonSchema;
use serde::Serialize;

use super::super::Answer;
use super::super::input::{Body, Fields, FromBody, Within};
use crate::ApiState;
use crate::caller::{AccountAdmin, AccountViewer, Caller};
use crate::door::{About, Door};

/// What is absent is as by default.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, rename_all = "camelCase")]
struct NewRules {
    /// Identifiers of one type that one person may have; 100 by default.
    limit: Option<u64>,
    /// The same for some types, by their names.
    limits: Option<BTreeMap<String, u32>>,
    /// More values that stand for nobody; `name@` is a mailbox of any domain.
    junk: Vec<String>,
}

/// As [`NewRules`], or another question.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, rename_all = "camelCase")]
#[expect(dead_code, reason = "read by people")]
struct TrialBody {
    limit: Option<u64>,
    limits: Option<BTreeMap<String, u32>>,
    junk: Vec<String>,
    /// Instead of rules: a type whose letter case would no longer matter.
    ignore_case: Option<String>,
}

struct Trial {
    rules: NewRules,
    ignore_case: Option<String>,
}

impl NewRules {
    fn rules(self) -> Rules {
        Rules {
            limit: self
                .limit
                .map(|limit| u32::try_from(limit).unwrap_or(u32::MAX)),
            limits: self.limits.unwrap_or_default(),
            junk: BTreeSet::from_iter(self.junk),
        }
    }
}

impl FromBody for NewRules {
    fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let limit = fields.count("limit");
        let mut limits = BTreeMap::new();
        for (kind, value) in fields.map("limits").unwrap_or_default() {
            match value.as_u64().and_then(|number| u32::try_from(number).ok()) {
                Some(number) => {
                    limits.insert(kind, number);
                }
                None => fields.refuse(
                    "limits",
                    "unknown-value",
                    format!("`{kind}` is {value}: expected a whole number from 1"),
                ),
            }
        }
        let junk = fields.texts("junk", "a text", |text| Some(text.to_owned()));
        Some(Self {
            limit,
            limits: Some(limits),
            junk,
        })
    }
}

impl FromBody for Trial {
    fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let ignore_case = fields.text("ignoreCase");
        Some(Self {
            rules: NewRules::read(fields)?,
            ignore_case,
        })
    }
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct RulesView {
    limit: u32,
    limits: BTreeMap<String, u32>,
    junk: BTreeSet<String>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct ReportView {
    /// People among those whom the rules concern.
    people_before: u64,
    people_after: u64,
    /// Identifiers that belong elsewhere, to nobody, or to somebody again.
    moved: u64,
    /// Some of them.
    sample: Vec<MovedView>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct MovedView {
    x1_id: String,
    #[serde(rename = "type")]
    kind: String,
    value: String,
    was: &'static str,
    is: &'static str,
}

fn view(report: RulesReport) -> Json<ReportView> {
    let sample = report.sample.into_iter().map(|one| MovedView {
        x1_id: one.x1_id.to_string(),
        kind: one.kind,
        value: one.value,
        was: one.was.as_str(),
        is: one.is.as_str(),
    });
    Json(ReportView {
        people_before: report.people_before,
        people_after: report.people_after,
        moved: report.moved,
        sample: sample.collect(),
    })
}

pub(super) fn routes(door: &mut Door) {
    const RULES: &str = "/manage/v1/accounts/{accountId}/identities/rules";
    let about = About::new("Who is taken for one person");
    door.get(RULES, get, about.answers::<RulesView>());
    let about = About::new("Replace the rules, and bring the graph up to date with them");
    door.put(RULES, put, about.body::<NewRules>().answers::<ReportView>());
    let about = About::new("What other rules would change; nothing is changed");
    door.post(
        "/manage/v1/accounts/{accountId}/identities/rules/trial",
        trial,
        about.body::<TrialBody>().answers::<ReportView>(),
    );
}

async fn get(
    _caller: Caller<AccountViewer>,
    State(state): State<ApiState>,
    Within(scope): Within,
) -> Answer<RulesView> {
    let rules = state.hub.identity_rules(scope)?;
    Ok(Json(RulesView {
        limit: rules.limit.unwrap_or(IDENTIFIERS_OF_ONE_TYPE_MAX),
        limits: rules.limits,
        junk: rules.junk,
    }))
}

async fn put(
    caller: Caller<AccountAdmin>,
    State(state): State<ApiState>,
    Within(scope): Within,
    Body(rules): Body<NewRules>,
) -> Answer<ReportView> {
    let actor = caller.actor();
    let report = state
        .hub
        .identity_set_rules(&actor, scope, rules.rules())
        .await?;
    Ok(view(report))
}

async fn trial(
    _caller: Caller<AccountAdmin>,
    State(state): State<ApiState>,
    Within(scope): Within,
    Body(trial): Body<Trial>,
) -> Answer<ReportView> {
    let report = match trial.ignore_case {
        Some(kind) => state.hub.identity_try_case(scope, &kind).await?,
        None => {
            state
                .hub
                .identity_try_rules(scope, trial.rules.rules())
                .await?
        }
    };
    Ok(view(report))
}
