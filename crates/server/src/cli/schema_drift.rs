//! `rialto schema-drift …`

use clap::Subcommand;
use model::EndpointId;

use super::view::{Column, View};
use super::{CliError, Request, Verbs, Whose};

const COLUMNS: &[Column] = &[
    ("PUBLISHER", "/endpointId"),
    ("EVENT", "/eventCode"),
    ("ATTRIBUTE", "/attribute"),
    ("WHAT", "/what"),
    ("SEEN", "/seen"),
    ("LAST", "/lastSeenAt"),
];

#[derive(Subcommand)]
pub enum Verb {
    /// List what drifted, the latest first.
    List {
        #[command(flatten)]
        whose: Whose,
        /// Only this publisher's.
        #[arg(long, value_name = "ID")]
        endpoint: Option<EndpointId>,
    },
}

impl Verbs for Verb {
    fn request(self) -> Result<Request, CliError> {
        let Self::List { whose, endpoint } = self;
        let path = format!("/accounts/{}/schemadrift", whose.account);
        Ok(Request::get(path, View::List(COLUMNS)).query("endpointId", endpoint))
    }
}
