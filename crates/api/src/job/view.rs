//! A job on the wire.

use std::collections::BTreeMap;

use hub::Job;
use jiff::Timestamp;
use model::share::RunWindow;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

/// Exactly what clients of the field know, in their order.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct JobView {
    job_category: &'static str,
    job_id: i64,
    scheduled_job_id: Option<i64>,
    status: &'static str,
    job_name: String,
    account_id: i64,
    sub_status: String,
    error_details: Option<String>,
    /// Names for `segmentDataFiles/{path}`.
    segment_data_files: Option<Vec<String>>,
    segment_data_format: Option<String>,
    #[serde(rename = "destinationSegmentID")]
    #[schemars(with = "Option<i64>")]
    destination_segment_id: Value,
    destination_segment_name: Option<String>,
    destination_segment_description: Option<String>,
    #[serde(rename = "destinationEndpointID")]
    destination_endpoint_id: Option<i64>,
    export_category: String,
    #[serde(rename = "producerEndpointID")]
    producer_endpoint_id: Option<i64>,
    /// 64 bits, or a string.
    #[serde(rename = "producerSegmentID")]
    #[schemars(with = "Option<i64>")]
    producer_segment_id: Value,
    attribute_mappings: BTreeMap<String, String>,
    identity_mappings: Option<BTreeMap<String, String>>,
    share_action: Option<&'static str>,
    source_identifiers: Option<Vec<String>>,
    destination_identifier: Option<String>,
}

impl From<&Job> for JobView {
    fn from(job: &Job) -> Self {
        let details = job.details.clone();
        let status = job.status.as_str();
        Self {
            job_category: job.category.as_str(),
            job_id: job.id.0,
            scheduled_job_id: details.scheduled_job.map(|id| id.0),
            status,
            job_name: job.name.clone(),
            account_id: job.account.0,
            sub_status: job.sub_status.clone().unwrap_or(status.to_owned()),
            error_details: job.error.clone(),
            segment_data_files: details.data_files,
            segment_data_format: details.data_format,
            destination_segment_id: serde_json::json!(details.destination_segment),
            destination_segment_name: details.destination_segment_name,
            destination_segment_description: details.destination_segment_description,
            destination_endpoint_id: details.destination.map(|id| id.0),
            export_category: details.export_category,
            producer_endpoint_id: details.producer.map(|id| id.0),
            producer_segment_id: serde_json::json!(details.producer_segment),
            attribute_mappings: details.attribute_mappings,
            identity_mappings: details.identity_mappings,
            share_action: details.action.map(model::endpoint::ShareAction::as_str),
            source_identifiers: details.source_identifiers,
            destination_identifier: details.destination_identifier,
        }
    }
}

/// With how far it is.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DetailView {
    #[serde(flatten)]
    job: JobView,
    /// Which members are asked for, if the share wants less than its source allows.
    #[schemars(with = "Option<BTreeMap<String, String>>")]
    data_window: Option<RunWindow>,
    steps: Vec<StepView>,
    records: RecordsView,
    #[schemars(with = "String")]
    created_at: Timestamp,
    #[schemars(with = "Option<String>")]
    started_at: Option<Timestamp>,
    #[schemars(with = "Option<String>")]
    finished_at: Option<Timestamp>,
}

impl From<Job> for DetailView {
    fn from(job: Job) -> Self {
        Self {
            job: JobView::from(&job),
            data_window: job.details.window,
            created_at: job.created_at,
            started_at: job.started_at,
            finished_at: job.finished_at,
            records: job.records.into(),
            steps: job.steps.into_iter().map(StepView::from).collect(),
        }
    }
}

/// One step of a job.
#[derive(Serialize, JsonSchema)]
pub(crate) struct StepView {
    name: String,
    /// `waiting`, `running` or `done`.
    #[schemars(with = "String")]
    state: model::job::StepState,
    done: u64,
    /// Null while nobody knows.
    total: Option<u64>,
}

impl From<model::job::Step> for StepView {
    fn from(step: model::job::Step) -> Self {
        Self {
            name: step.name,
            state: step.state,
            done: step.done,
            total: step.total,
        }
    }
}

/// How many rows became what.
#[derive(Serialize, JsonSchema)]
pub(crate) struct RecordsView {
    read: u64,
    matched: u64,
    unmatched: u64,
    rejected: u64,
    sent: u64,
}

impl From<model::job::Records> for RecordsView {
    fn from(records: model::job::Records) -> Self {
        let model::job::Records {
            read,
            matched,
            unmatched,
            rejected,
            sent,
        } = records;
        Self {
            read,
            matched,
            unmatched,
            rejected,
            sent,
        }
    }
}
