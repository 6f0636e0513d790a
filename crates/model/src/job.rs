//! Jobs: work that takes long, is done in steps, and can be looked at, canceled and taken up again.
//!
//! What a job **is**, and how it is spelt on the wire; what a job does is its category's business (`hub/flow`). Spellings
//! are those that clients in the field depend on: `WAITING_TO_RECIEVE_DATA` is how it is written.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::endpoint::ShareAction;
use crate::id::{EndpointId, JobId, SegmentId};
use crate::share::RunWindow;

/// What a job is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum JobCategory {
    /// An audience goes from one endpoint to another.
    #[serde(rename = "SEGMENT_EXPORT")]
    SegmentExport,
    /// Identities are learnt from an audience that goes nowhere.
    #[serde(rename = "IDENTITY_IMPORT")]
    IdentityImport,
    /// Endpoints are asked for their lists of segments.
    #[serde(rename = "SEGMENT_POPULATE_DB")]
    SegmentPopulateDb,
    /// A person is erased, restricted, no longer restricted, or exported.
    #[serde(rename = "gdprRequest")]
    Gdpr,
}

impl JobCategory {
    pub const ALL: [Self; 4] = [
        Self::SegmentExport,
        Self::IdentityImport,
        Self::SegmentPopulateDb,
        Self::Gdpr,
    ];

    /// As the wire spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SegmentExport => "SEGMENT_EXPORT",
            Self::IdentityImport => "IDENTITY_IMPORT",
            Self::SegmentPopulateDb => "SEGMENT_POPULATE_DB",
            Self::Gdpr => "gdprRequest",
        }
    }

    /// Any letter case.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|category| category.as_str().eq_ignore_ascii_case(text))
    }

    /// What a job of this category is called when nobody calls it anything else.
    pub fn job_name(self) -> &'static str {
        match self {
            Self::SegmentExport => "EXPORT_SEGMENT",
            Self::IdentityImport => "IMPORT_IDENTITIES",
            Self::SegmentPopulateDb => "POPULATE_SEGMENTS",
            Self::Gdpr => "GDPR_REQUEST",
        }
    }
}

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum JobStatus {
    /// To be begun, or to be taken up again, as soon as it is its turn.
    #[serde(rename = "SCHEDULED")]
    Scheduled,
    #[serde(rename = "IN_PROGRESS")]
    InProgress,
    /// Somebody has to upload what it works on.
    #[serde(rename = "WAITING_TO_RECIEVE_DATA")]
    WaitingToReceiveData,
    /// It asks a person whether it may go on.
    #[serde(rename = "WAITING_FOR_APPROVAL")]
    WaitingForApproval,
    /// Somebody has to fetch what it made, and say so.
    #[serde(rename = "READY_FOR_DOWNLOAD")]
    ReadyForDownload,
    #[serde(rename = "COMPLETED")]
    Completed,
    #[serde(rename = "FAILED")]
    Failed,
    #[serde(rename = "CANCELED")]
    Canceled,
}

impl JobStatus {
    pub const ALL: [Self; 8] = [
        Self::Scheduled,
        Self::InProgress,
        Self::WaitingToReceiveData,
        Self::WaitingForApproval,
        Self::ReadyForDownload,
        Self::Completed,
        Self::Failed,
        Self::Canceled,
    ];

    /// As the wire spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "SCHEDULED",
            Self::InProgress => "IN_PROGRESS",
            Self::WaitingToReceiveData => "WAITING_TO_RECIEVE_DATA",
            Self::WaitingForApproval => "WAITING_FOR_APPROVAL",
            Self::ReadyForDownload => "READY_FOR_DOWNLOAD",
            Self::Completed => "COMPLETED",
            Self::Failed => "FAILED",
            Self::Canceled => "CANCELED",
        }
    }

    /// Any letter case, and `RECEIVE` as well as `RECIEVE`.
    pub fn parse(text: &str) -> Option<Self> {
        if text.eq_ignore_ascii_case("WAITING_TO_RECEIVE_DATA") {
            return Some(Self::WaitingToReceiveData);
        }
        Self::ALL
            .into_iter()
            .find(|status| status.as_str().eq_ignore_ascii_case(text))
    }

    /// It has ended; only a retry begins it again.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Canceled)
    }

    /// It goes on by itself.
    pub fn is_active(self) -> bool {
        matches!(self, Self::Scheduled | Self::InProgress)
    }

    /// It goes on when somebody did something.
    pub fn is_waiting(self) -> bool {
        !self.is_final() && !self.is_active()
    }
}

/// What somebody did that lets a waiting job go on: told to its next slice, and forgotten when that has ended well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Signal {
    /// Its data was uploaded.
    Data,
    /// What it made was fetched.
    Fetched,
    /// A person answered its question: go on.
    Approved,
    /// It failed or was canceled, and is to go on from where it stopped.
    Again,
}

impl Signal {
    const ALL: [Self; 4] = [Self::Data, Self::Fetched, Self::Approved, Self::Again];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Fetched => "fetched",
            Self::Approved => "approved",
            Self::Again => "again",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|signal| signal.as_str() == text)
    }
}

/// One step of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// `fetch`, `match`, `hand over`, …
    pub name: String,
    pub state: StepState,
    /// In whatever is counted here: rows, bytes, endpoints.
    pub done: u64,
    /// `None` while nobody knows.
    pub total: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StepState {
    #[default]
    Waiting,
    Running,
    Done,
}

/// Notes how far a step is. One that was not announced is added at the end; those before it are done by then.
pub fn advance(steps: &mut Vec<Step>, name: &str, done: u64, total: Option<u64>) {
    let at = steps
        .iter()
        .position(|step| step.name == name)
        .unwrap_or_else(|| {
            steps.push(Step {
                name: name.to_owned(),
                state: StepState::Waiting,
                done: 0,
                total: None,
            });
            steps.len() - 1
        });
    for step in &mut steps[..at] {
        step.state = StepState::Done;
    }
    let is_done = total.is_some_and(|total| done >= total);
    steps[at].state = if is_done {
        StepState::Done
    } else {
        StepState::Running
    };
    steps[at].done = done;
    steps[at].total = total;
}

/// How many rows became what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Records {
    pub read: u64,
    pub matched: u64,
    pub unmatched: u64,
    pub rejected: u64,
    pub sent: u64,
}

/// What the wire tells of a job beside its status: where an audience comes from, where it goes, and what becomes of it on
/// the way. A job of another category says nothing here.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ExportDetails {
    #[serde(rename = "producerEndpointID")]
    pub producer: Option<EndpointId>,
    #[serde(rename = "producerSegmentID")]
    pub producer_segment: Option<SegmentId>,
    #[serde(rename = "destinationEndpointID")]
    pub destination: Option<EndpointId>,
    /// `None` until the destination has given one.
    #[serde(rename = "destinationSegmentID")]
    pub destination_segment: Option<SegmentId>,
    #[serde(rename = "destinationSegmentName")]
    pub destination_segment_name: Option<String>,
    #[serde(rename = "destinationSegmentDescription")]
    pub destination_segment_description: Option<String>,
    /// Nothing is known of its values; empty unless somebody says otherwise.
    #[serde(rename = "exportCategory")]
    pub export_category: String,
    /// Source name to destination name.
    #[serde(rename = "attributeMappings")]
    pub attribute_mappings: BTreeMap<String, String>,
    #[serde(rename = "identityMappings")]
    pub identity_mappings: Option<BTreeMap<String, String>>,
    #[serde(rename = "shareAction")]
    pub action: Option<ShareAction>,
    /// Names at the source, not types.
    #[serde(rename = "sourceIdentifiers")]
    pub source_identifiers: Option<Vec<String>>,
    /// Name at the destination.
    #[serde(rename = "destinationIdentifier")]
    pub destination_identifier: Option<String>,
    /// The job that was scheduled and of which this is a run.
    #[serde(rename = "scheduledJobId")]
    pub scheduled_job: Option<JobId>,
    /// Which members the producer is asked for, if not for all: those that it last had to do with on these days. Ours.
    #[serde(rename = "dataWindow", skip_serializing_if = "Option::is_none")]
    pub window: Option<RunWindow>,
    /// What can be fetched under `segmentDataFiles/…`.
    #[serde(rename = "segmentDataFiles")]
    pub data_files: Option<Vec<String>>,
    /// `CSV` as soon as there are files.
    #[serde(rename = "segmentDataFormat")]
    pub data_format: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_spelt_as_the_wire_spells_them() {
        for status in JobStatus::ALL {
            assert_eq!(JobStatus::parse(status.as_str()), Some(status));
            assert_eq!(
                serde_json::to_value(status).expect("JSON"),
                status.as_str(),
                "one spelling"
            );
        }
        for category in JobCategory::ALL {
            let lower = category.as_str().to_lowercase();
            assert_eq!(JobCategory::parse(&lower), Some(category));
            assert_eq!(
                serde_json::to_value(category).expect("JSON"),
                category.as_str()
            );
        }
        let waiting = JobStatus::WaitingToReceiveData;
        assert_eq!(waiting.as_str(), "WAITING_TO_RECIEVE_DATA");
        assert_eq!(JobStatus::parse("waiting_to_receive_data"), Some(waiting));
        assert_eq!(JobStatus::parse("WAITING"), None);
    }

    #[test]
    fn a_status_goes_on_by_itself_or_waits_or_has_ended() {
        for status in JobStatus::ALL {
            let kinds = [status.is_active(), status.is_waiting(), status.is_final()];
            assert_eq!(kinds.into_iter().filter(|is| *is).count(), 1, "{status:?}");
        }
    }

    #[test]
    fn a_step_that_advances_has_left_those_before_it_behind() {
        let mut steps = Vec::new();
        advance(&mut steps, "fetch", 10, None);
        advance(&mut steps, "match", 5, Some(10));
        advance(&mut steps, "match", 10, Some(10));
        let told: Vec<_> = steps
            .iter()
            .map(|step| (step.name.as_str(), step.state, step.done, step.total))
            .collect();
        assert_eq!(
            told,
            [
                ("fetch", StepState::Done, 10, None),
                ("match", StepState::Done, 10, Some(10)),
            ]
        );
        advance(&mut steps, "hand over", 0, Some(10));
        assert_eq!(steps[2].state, StepState::Running);
    }

    #[test]
    fn details_keep_ids_of_64_bits() {
        let text = r#"{"producerSegmentID":8000000000000001152,"shareAction":"ADD"}"#;
        let details: ExportDetails = serde_json::from_str(text).expect("details");
        assert_eq!(
            details.producer_segment,
            Some(SegmentId::Number(8_000_000_000_000_001_152))
        );
        let written = serde_json::to_string(&details).expect("JSON");
        assert!(
            written.contains(r#""producerSegmentID":8000000000000001152,"#),
            "{written}"
        );
    }
}
