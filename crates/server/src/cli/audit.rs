//! `rialto audit …`

use clap::Subcommand;
use model::AccountId;

use super::view::{Column, View};
use super::{CliError, Paging, Request, Verbs};

const COLUMNS: &[Column] = &[
    ("ID", "/id"),
    ("TIME", "/createdAt"),
    ("ACCOUNT", "/accountId"),
    ("ACTOR", "/actor"),
    ("ACTION", "/action"),
    ("SUBJECT", "/subject"),
];

#[derive(Subcommand)]
pub enum Verb {
    /// List who changed what, oldest first.
    List {
        /// Only in this account.
        #[arg(long, value_name = "ID")]
        account: Option<AccountId>,
        #[command(flatten)]
        paging: Paging,
    },
}

impl Verbs for Verb {
    fn request(self) -> Result<Request, CliError> {
        let Self::List { account, paging } = self;
        let path = match account {
            Some(account) => format!("/accounts/{account}/audit"),
            None => "/audit".to_owned(),
        };
        Ok(Request::get(path, View::List(COLUMNS)).paged(paging))
    }
}
