//! `rialto notice …`

use clap::Subcommand;

use super::view::{Column, View};
use super::{CliError, Paging, Request, Verbs, Whose};

const COLUMNS: &[Column] = &[
    ("ID", "/id"),
    ("TIME", "/createdAt"),
    ("ENDPOINT", "/endpointId"),
    ("KIND", "/kind"),
    ("NOTICE", "/text"),
];

#[derive(Subcommand)]
pub enum Verb {
    /// List notices, oldest first.
    List {
        #[command(flatten)]
        whose: Whose,
        #[command(flatten)]
        paging: Paging,
    },
}

impl Verbs for Verb {
    fn request(self) -> Result<Request, CliError> {
        let Self::List { whose, paging } = self;
        let path = format!("/accounts/{}/notices", whose.account);
        Ok(Request::get(path, View::List(COLUMNS)).paged(paging))
    }
}
