//! `POST /manage/v1/accounts/{accountId}/endpoints/{endpointId}/hashing/dry-run`: what would leave for a destination, of
//! values or of a column of a job's file, before anything is sent.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use hub::hashing::{DryRun, Outcome, Values, declared};
use model::hashing::{HashAlgorithm, HashMode, HashingOf};
use model::{EndpointId, JobId};
use schemars::JsonSchema;
use serde::Serialize;

use super::Answer;
use super::input::{Body, Fields, FromBody, Id, Within};
use crate::ApiState;
use crate::caller::{AccountViewer, Caller};
use crate::door::{About, Door};

/// What is tried: values, or a column of a file that a job has.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, rename_all = "camelCase")]
#[expect(dead_code, reason = "read by people")]
struct DryRunBody {
    /// Identity type of the values, such as `email`.
    #[schemars(rename = "type")]
    kind: String,
    /// `NONE` (default), `HASHED` or `REQUIRED`: how the source declares them.
    hash_mode: Option<String>,
    hash_algorithm: Option<String>,
    values: Option<Vec<String>>,
    job_id: Option<i64>,
    file: Option<String>,
    column: Option<String>,
}

struct New {
    kind: String,
    source: HashingOf,
    values: Values,
}

impl FromBody for New {
    fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let kind = fields.required_text("type");
        let mode = fields.word(
            "hashMode",
            "`NONE`, `HASHED` or `REQUIRED`",
            HashMode::parse,
        );
        let algorithm = fields.word(
            "hashAlgorithm",
            "`MD5`, `SHA1`, `SHA256`, `EMAIL_SHA256` or `PHONE_SHA256`",
            HashAlgorithm::parse,
        );
        let values = fields.texts("values", "a text", |text| Some(text.to_owned()));
        let job = fields.id("jobId", JobId);
        let (file, column) = (fields.text("file"), fields.text("column"));
        let values = match (job, file, column) {
            (Some(job), Some(name), Some(column)) if values.is_empty() => {
                Some(Values::File { job, name, column })
            }
            (None, None, None) if !values.is_empty() => Some(Values::Here(values)),
            _ => {
                let message = "expected `values`, or `jobId`, `file` and `column`";
                fields.refuse("values", "required", message);
                None
            }
        };
        Some(Self {
            kind: kind?,
            source: declared(mode, algorithm),
            values: values?,
        })
    }
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct OutcomeView {
    /// Values that were looked at.
    read: u64,
    /// Would leave as a hash that is made of them.
    hashed: u64,
    /// Would leave as they are: they are hashes already.
    passed: u64,
    /// Would leave in clear.
    clear: u64,
    /// The destination has no use for values of this type.
    unused: u64,
    blank: u64,
    /// Look like hashes, and were not declared as such.
    looks_hashed: u64,
    /// Would not leave, by reason.
    refused: BTreeMap<String, RefusedView>,
    /// The file is longer: only its start was looked at.
    is_cut: bool,
}

#[derive(Serialize, JsonSchema)]
struct RefusedView {
    count: u64,
    /// Some of them: rows of the file, of which the header is the first; or places among the values, from 1.
    rows: Vec<u64>,
}

fn view(outcome: Outcome) -> OutcomeView {
    let refused = outcome.refused.into_iter();
    OutcomeView {
        read: outcome.read,
        hashed: outcome.hashed,
        passed: outcome.passed,
        clear: outcome.clear,
        unused: outcome.unused,
        blank: outcome.blank,
        looks_hashed: outcome.looks_hashed,
        refused: refused
            .map(|(why, (count, rows))| (why, RefusedView { count, rows }))
            .collect(),
        is_cut: outcome.is_cut,
    }
}

pub(super) fn routes(door: &mut Door) {
    let about = About::new("What would leave for a destination: hashed, in clear, or not at all");
    door.post(
        "/manage/v1/accounts/{accountId}/endpoints/{endpointId}/hashing/dry-run",
        dry_run,
        about.body::<DryRunBody>().answers::<OutcomeView>(),
    );
}

async fn dry_run(
    _caller: Caller<AccountViewer>,
    State(state): State<ApiState>,
    Within(scope): Within,
    Id(destination): Id<EndpointId>,
    Body(new): Body<New>,
) -> Answer<OutcomeView> {
    let run = DryRun {
        destination,
        kind: new.kind,
        source: new.source,
    };
    let outcome = state.hub.hashing_dry_run(scope, &run, new.values).await?;
    Ok(Json(view(outcome)))
}
