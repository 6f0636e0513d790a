//! `rialto outbox …`

use clap::{Args, Subcommand};
use model::{AccountId, EndpointId, OutboxId};
use serde_json::json;

use super::view::{Column, Part, View};
use super::{CliError, Paging, Request, Verbs};

const COLUMNS: &[Column] = &[
    ("ID", "/id"),
    ("ACCOUNT", "/accountId"),
    ("ENDPOINT", "/endpointId"),
    ("KIND", "/kind"),
    ("WHAT", "/summary"),
    ("STATE", "/state"),
    ("ATTEMPTS", "/attempts"),
    ("NEXT ATTEMPT", "/nextAttemptAt"),
];
const ONE: &[Column] = &[
    ("id", "/id"),
    ("account", "/accountId"),
    ("endpoint", "/endpointId"),
    ("kind", "/kind"),
    ("what", "/summary"),
    ("state", "/state"),
    ("created", "/createdAt"),
    ("attempts", "/attempts"),
    ("next attempt", "/nextAttemptAt"),
    ("ended", "/endedAt"),
    ("body", "/body"),
];
const DETAIL: View = View::OneWith(
    ONE,
    Part {
        at: "/history",
        columns: &[
            ("ATTEMPT", "/at"),
            ("MS", "/durationMs"),
            ("STATUS", "/status"),
            ("FAILURE", "/failure"),
            ("ANSWER", "/detail"),
        ],
        none: "It has not been tried yet.",
    },
);

/// Whose outbox is meant.
#[derive(Args)]
pub struct Whose {
    /// The account's id; without it the operator sees everything.
    #[arg(long, env = "RIALTO_ACCOUNT", value_name = "ID")]
    account: Option<AccountId>,
}

impl Whose {
    fn path(&self) -> String {
        match self.account {
            Some(account) => format!("/accounts/{account}/outbox"),
            None => "/outbox".to_owned(),
        }
    }
}

#[derive(Subcommand)]
pub enum Verb {
    /// List what others are and were told: notifications, connect calls, mails.
    List {
        #[command(flatten)]
        whose: Whose,
        #[arg(long, value_parser = ["waiting", "sent", "dead", "dropped"])]
        state: Option<String>,
        #[arg(long, value_parser = ["notification", "connect", "mail"])]
        kind: Option<String>,
        /// Only what concerns this endpoint.
        #[arg(long, value_name = "ID")]
        endpoint: Option<EndpointId>,
        #[command(flatten)]
        paging: Paging,
    },
    /// Show one of them with its attempts.
    Show {
        #[command(flatten)]
        whose: Whose,
        id: OutboxId,
    },
    /// Send it now, as if it had never been tried.
    Retry {
        #[command(flatten)]
        whose: Whose,
        id: OutboxId,
    },
}

impl Verbs for Verb {
    fn request(self) -> Result<Request, CliError> {
        Ok(match self {
            Self::List {
                whose,
                state,
                kind,
                endpoint,
                paging,
            } => Request::get(whose.path(), View::List(COLUMNS))
                .query("state", state)
                .query("kind", kind)
                .query("endpointId", endpoint)
                .paged(paging),
            Self::Show { whose, id } => Request::get(format!("{}/{id}", whose.path()), DETAIL),
            Self::Retry { whose, id } => {
                let path = format!("{}/{id}/retry", whose.path());
                Request::post(
                    path,
                    json!({}),
                    View::One(&[("id", "/id"), ("state", "/state")]),
                )
            }
        })
    }
}
