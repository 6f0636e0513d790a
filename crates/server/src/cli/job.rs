//! `rialto job …`

use clap::Subcommand;
use model::{EndpointId, JobId, ShareId};
use serde_json::json;

use super::view::{Column, Part, View};
use super::{CliError, Paging, Request, Verbs, Whose};

const COLUMNS: &[Column] = &[
    ("ID", "/id"),
    ("CATEGORY", "/category"),
    ("STATUS", "/status"),
    ("SHARE", "/shareId"),
    ("FROM", "/producerEndpointId"),
    ("TO", "/destinationEndpointId"),
    ("READ", "/records/read"),
    ("SENT", "/records/sent"),
    ("CREATED", "/createdAt"),
    ("FINISHED", "/finishedAt"),
];
const STATUS: View = View::One(&[("id", "/id"), ("status", "/status")]);
const DETAIL: View = View::OneWith(
    &[
        ("id", "/id"),
        ("category", "/category"),
        ("status", "/status"),
        ("share", "/shareId"),
        ("from endpoint", "/producerEndpointId"),
        ("to endpoint", "/destinationEndpointId"),
        ("question", "/question"),
        ("error", "/error"),
        ("read", "/records/read"),
        ("matched", "/records/matched"),
        ("unmatched", "/records/unmatched"),
        ("rejected", "/records/rejected"),
        ("sent", "/records/sent"),
        ("created", "/createdAt"),
        ("started", "/startedAt"),
        ("finished", "/finishedAt"),
        ("goes on", "/nextAt"),
        ("steps", "/steps"),
        ("report", "/report"),
    ],
    Part {
        at: "/files",
        columns: &[
            ("FILE", "/name"),
            ("BYTES", "/sizeBytes"),
            ("SHA-256", "/sha256"),
        ],
        none: "It has made no files.",
    },
);

#[derive(Subcommand)]
pub enum Verb {
    /// List jobs, the newest first.
    List {
        #[command(flatten)]
        whose: Whose,
        /// Such as SEGMENT_EXPORT.
        #[arg(long)]
        category: Option<String>,
        /// Such as IN_PROGRESS or WAITING_FOR_APPROVAL.
        #[arg(long)]
        status: Option<String>,
        /// Only those that take from it or give to it.
        #[arg(long, value_name = "ID")]
        endpoint: Option<EndpointId>,
        /// Only the runs of this share.
        #[arg(long, value_name = "ID")]
        share: Option<ShareId>,
        #[command(flatten)]
        paging: Paging,
    },
    /// Show how far a job is, and what came of it.
    Show {
        #[command(flatten)]
        whose: Whose,
        id: JobId,
    },
    /// Print a file that a job made, such as a report.
    File {
        #[command(flatten)]
        whose: Whose,
        id: JobId,
        name: String,
    },
    /// End a job that has not ended.
    Cancel {
        #[command(flatten)]
        whose: Whose,
        id: JobId,
    },
    /// Take up a job that failed or was canceled where it stopped.
    Retry {
        #[command(flatten)]
        whose: Whose,
        id: JobId,
    },
    /// Let a job go on that asks whether it may.
    Approve {
        #[command(flatten)]
        whose: Whose,
        id: JobId,
    },
    /// Cancel a job that asks whether it may go on.
    Refuse {
        #[command(flatten)]
        whose: Whose,
        id: JobId,
    },
}

fn path(whose: &Whose, id: JobId) -> String {
    format!("/accounts/{}/jobs/{id}", whose.account)
}

fn told(whose: &Whose, id: JobId, verb: &str) -> Request {
    Request::post(format!("{}/{verb}", path(whose, id)), json!({}), STATUS)
}

impl Verbs for Verb {
    fn request(self) -> Result<Request, CliError> {
        Ok(match self {
            Self::List {
                whose,
                category,
                status,
                endpoint,
                share,
                paging,
            } => {
                let path = format!("/accounts/{}/jobs", whose.account);
                Request::get(path, View::List(COLUMNS))
                    .query("category", category)
                    .query("status", status)
                    .query("endpointId", endpoint)
                    .query("shareId", share)
                    .paged(paging)
            }
            Self::Show { whose, id } => Request::get(path(&whose, id), DETAIL),
            Self::File { whose, id, name } => {
                let path = format!("{}/files/{name}", path(&whose, id));
                Request::get(path, View::Raw)
            }
            Self::Cancel { whose, id } => told(&whose, id, "cancel"),
            Self::Retry { whose, id } => told(&whose, id, "retry"),
            Self::Approve { whose, id } => told(&whose, id, "approve"),
            Self::Refuse { whose, id } => told(&whose, id, "refuse"),
        })
    }
}
