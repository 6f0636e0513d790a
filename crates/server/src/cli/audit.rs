//! `rialto audit …`

use clap::{Args, Subcommand};
use model::AccountId;

use super::view::{Column, View};
use super::{CliError, Paging, Request, Verbs};

const COLUMNS: &[Column] = &[
    ("ID", "/id"),
    ("AT", "/createdAt"),
    ("WHO", "/actor"),
    ("NAME", "/actorName"),
    ("FROM", "/address"),
    ("DID", "/action"),
    ("TO", "/subject"),
    ("ACCOUNT", "/accountId"),
    ("DETAIL", "/detail"),
];

#[derive(Subcommand)]
pub enum Verb {
    /// List who changed what, oldest first; of one account, or of everything.
    List {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        paging: Paging,
    },
    /// Print all of it, a document a line or as CSV.
    Export {
        #[command(flatten)]
        which: Which,
        #[arg(long, default_value = "ndjson", value_parser = ["ndjson", "csv"])]
        format: String,
    },
}

/// Which entries.
#[derive(Args)]
pub struct Which {
    /// Only this account's.
    #[arg(long, value_name = "ID")]
    account: Option<AccountId>,
    /// Only what this one did, such as `user 3` or `operator`.
    #[arg(long, value_name = "WHO")]
    actor: Option<String>,
    /// Only this, such as `key.rotate`, or all of `key`.
    #[arg(long)]
    action: Option<String>,
    /// Only what was done to this, such as `endpoint 12`.
    #[arg(long)]
    subject: Option<String>,
    /// Only what was done at or after this time.
    #[arg(long, value_name = "TIME")]
    from: Option<jiff::Timestamp>,
    /// Only what was done before this time.
    #[arg(long, value_name = "TIME")]
    to: Option<jiff::Timestamp>,
}

impl Which {
    fn asked(self, last: &str, view: View) -> Request {
        let path = match self.account {
            Some(id) => format!("/accounts/{id}/audit{last}"),
            None => format!("/audit{last}"),
        };
        Request::get(path, view)
            .query("actor", self.actor)
            .query("action", self.action)
            .query("subject", self.subject)
            .query("from", self.from)
            .query("to", self.to)
    }
}

impl Verbs for Verb {
    fn request(self) -> Result<Request, CliError> {
        Ok(match self {
            Self::List { which, paging } => which.asked("", View::List(COLUMNS)).paged(paging),
            Self::Export { which, format } => which
                .asked("/export", View::Raw)
                .query("format", Some(format)),
        })
    }
}
