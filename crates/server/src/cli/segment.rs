//! `rialto segment …`

use clap::Subcommand;
use model::EndpointId;
use serde_json::json;

use super::view::{Column, View};
use super::{CliError, Paging, Request, Verbs, Whose};

const COLUMNS: &[Column] = &[
    ("ENDPOINT", "/endpointId"),
    ("ROLE", "/role"),
    ("ID", "/id"),
    ("TEXT ID", "/id_string"),
    ("NAME", "/name"),
    ("TYPE", "/type"),
    ("KNOWN SINCE", "/updatedAt"),
];

#[derive(Subcommand)]
pub enum Verb {
    /// List the audiences of the account's endpoints.
    List {
        #[command(flatten)]
        whose: Whose,
        /// Only this endpoint's.
        #[arg(long, value_name = "ID")]
        endpoint: Option<EndpointId>,
        /// Those that can be shared (source), or be shared to (destination).
        #[arg(long, value_parser = ["source", "destination"])]
        role: Option<String>,
        /// Only those with this in their name or description.
        #[arg(long, value_name = "TEXT")]
        search: Option<String>,
        #[command(flatten)]
        paging: Paging,
    },
    /// Ask endpoints for their audiences; answers the job that does it.
    Refresh {
        #[command(flatten)]
        whose: Whose,
        /// Only this endpoint.
        #[arg(long, value_name = "ID")]
        endpoint: Option<EndpointId>,
    },
}

impl Verbs for Verb {
    fn request(self) -> Result<Request, CliError> {
        Ok(match self {
            Self::List {
                whose,
                endpoint,
                role,
                search,
                paging,
            } => {
                let path = format!("/accounts/{}/segments", whose.account);
                Request::get(path, View::List(COLUMNS))
                    .query("endpointId", endpoint)
                    .query("role", role)
                    .query("search", search)
                    .paged(paging)
            }
            Self::Refresh { whose, endpoint } => {
                let path = format!("/accounts/{}/segments/refresh", whose.account);
                let body = json!({ "endpointId": endpoint });
                Request::post(path, body, View::One(&[("job", "/jobId")]))
            }
        })
    }
}
