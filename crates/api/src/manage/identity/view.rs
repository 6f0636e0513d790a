//! People, identifiers and facts as `/manage/v1` shows them.

use hub::Identifier;
use hub::identity::{Explained, ExplainedFact, Source};
use jiff::Timestamp;
use model::{AccountId, DocumentId};
use schemars::JsonSchema;
use serde::Serialize;

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct PersonView {
    x1_id: String,
    /// Oldest first.
    identifiers: Vec<IdentifierView>,
    /// Why these are one, in the order in which it was seen.
    facts: Vec<FactView>,
    /// There are more facts than are shown.
    has_more: bool,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct IdentifierView {
    /// Its own; of the oldest, the person's.
    x1_id: String,
    /// As the endpoint that told it first calls it.
    name: String,
    #[serde(rename = "type")]
    kind: String,
    /// As it is matched.
    value: String,
    /// `clear`, `md5`, `sha1`, `sha256` or `opaque`.
    form: &'static str,
    /// `joined`, `junk`, `crowded` or `overgrown`.
    standing: &'static str,
    #[schemars(with = "String")]
    seen_at: Timestamp,
    source: SourceView,
}

/// Where something was seen first.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct SourceView {
    /// `event`, `row` (of an audience) or `hash` (one is the hash of the other).
    kind: &'static str,
    /// The publication.
    #[serde(skip_serializing_if = "Option::is_none")]
    event_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    job_id: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    row: Option<u64>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct FactView {
    fact_id: i64,
    #[schemars(with = "String")]
    seen_at: Timestamp,
    source: SourceView,
    is_undone: bool,
    identifiers: Vec<MemberView>,
    /// The people whom it made one; the first stayed. None: they were one before.
    merged: Vec<String>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct MemberView {
    x1_id: String,
    #[serde(rename = "type")]
    kind: String,
    value: String,
}

impl PersonView {
    pub(super) fn of(explained: Explained, account: AccountId) -> Self {
        let identifiers = explained.identifiers.into_iter();
        let facts = explained.facts.into_iter();
        Self {
            x1_id: explained.x1_id.to_string(),
            identifiers: identifiers
                .map(|one| IdentifierView::of(one, account))
                .collect(),
            facts: facts.map(|one| FactView::of(one, account)).collect(),
            has_more: explained.has_more,
        }
    }
}

impl IdentifierView {
    pub(super) fn of(one: Identifier, account: AccountId) -> Self {
        Self {
            x1_id: one.x1_id.to_string(),
            name: one.name,
            kind: one.kind,
            value: one.value,
            form: one.form.as_str(),
            standing: one.standing.as_str(),
            seen_at: one.seen_at,
            source: SourceView::of(one.source, account),
        }
    }
}

impl SourceView {
    fn of(source: Source, account: AccountId) -> Self {
        let (kind, event_id, job_id, row) = match source {
            Source::Event { position } => {
                let id = DocumentId::new(position, account).to_string();
                ("event", Some(id), None, None)
            }
            Source::Row { job, row } => ("row", None, Some(job), Some(row)),
            Source::Hash => ("hash", None, None, None),
        };
        Self {
            kind,
            event_id,
            job_id,
            row,
        }
    }
}

impl FactView {
    pub(super) fn of(one: ExplainedFact, account: AccountId) -> Self {
        let identifiers = one.identifiers.into_iter().map(|one| MemberView {
            x1_id: one.x1_id.to_string(),
            kind: one.kind,
            value: one.value,
        });
        Self {
            fact_id: one.fact.id,
            seen_at: one.fact.seen_at,
            source: SourceView::of(one.fact.source, account),
            is_undone: one.fact.is_cut,
            identifiers: identifiers.collect(),
            merged: match one.merged.as_slice() {
                [] | [_] => Vec::new(),
                people => people.iter().map(ToString::to_string).collect(),
            },
        }
    }
}
