//! `rialto application …`

use clap::Subcommand;
use model::{AccountId, ApplicationId};
use serde_json::json;

use super::view::{Column, Part, View};
use super::{CliError, Paging, Request, Verbs, Whose, read_json};

const COLUMNS: &[Column] = &[
    ("ID", "/id"),
    ("NAME", "/displayName"),
    ("PROVIDER", "/providerName"),
    ("VISIBILITY", "/visibility"),
    ("OWN", "/own"),
    ("DEPLOYMENTS", "/deployments"),
];
const ONE: View = View::OneWith(
    &[
        ("id", "/id"),
        ("name", "/displayName"),
        ("provider", "/providerName"),
        ("description", "/description"),
        ("visibility", "/visibility"),
        ("own", "/own"),
    ],
    Part {
        at: "/deployments",
        columns: &[
            ("DEPLOYMENT", "/id"),
            ("NAME", "/name"),
            ("ONBOARDING", "/onboardingType"),
            ("ASKED FOR", "/prompts"),
            ("INSTRUCTIONS", "/instructions"),
        ],
        none: "It has no deployments.",
    },
);
const EFFECTS: View = View::OneWith(
    &[("only tried", "/dryRun")],
    Part {
        at: "/endpoints",
        columns: &[
            ("ENDPOINT", "/endpointId"),
            ("ACCOUNT", "/accountId"),
            ("CHANGES", "/changes"),
            ("EVENT TYPES", "/eventTypes"),
        ],
        none: "No endpoint would change.",
    },
);

const MADE: &[Column] = &[
    ("ENDPOINT", "/endpointId"),
    ("ACCOUNT", "/accountId"),
    ("DEPLOYMENT", "/deploymentId"),
    ("STATUS", "/status"),
    ("ENABLED", "/enabled"),
    ("SINCE", "/since"),
];

#[derive(Subcommand)]
pub enum Verb {
    /// List the applications that an account may choose: its own and public ones.
    List {
        #[command(flatten)]
        whose: Whose,
        #[command(flatten)]
        paging: Paging,
    },
    /// Show an application, its deployments, and what is asked of who registers.
    Show {
        #[command(flatten)]
        whose: Whose,
        id: ApplicationId,
    },
    /// Define an application.
    Create {
        #[command(flatten)]
        whose: Whose,
        /// The document; `-` reads the standard input.
        #[arg(long, value_name = "PATH")]
        file: String,
    },
    /// Define an application anew; endpoints that are made from it follow.
    Update {
        #[command(flatten)]
        whose: Whose,
        id: ApplicationId,
        /// The document; `-` reads the standard input.
        #[arg(long, value_name = "PATH")]
        file: String,
        /// Only say which endpoints would change, and how.
        #[arg(long)]
        dry_run: bool,
    },
    /// Show an application to all accounts of its environment.
    Publish {
        #[command(flatten)]
        whose: Whose,
        id: ApplicationId,
    },
    /// Show an application to its own account only; what is made from it stays.
    Withdraw {
        #[command(flatten)]
        whose: Whose,
        id: ApplicationId,
    },
    /// List the endpoints of all accounts that are made from an application of one's own.
    Endpoints {
        #[command(flatten)]
        whose: Whose,
        id: ApplicationId,
        #[command(flatten)]
        paging: Paging,
    },
    /// Delete an application that no endpoint is made from.
    Delete {
        #[command(flatten)]
        whose: Whose,
        id: ApplicationId,
    },
}

fn all(account: AccountId) -> String {
    format!("/accounts/{account}/applications")
}

fn one(account: AccountId, id: ApplicationId) -> String {
    format!("{}/{id}", all(account))
}

fn show(account: AccountId, id: ApplicationId, visibility: &str) -> Request {
    Request::patch(one(account, id), json!({ "visibility": visibility }), ONE)
}

impl Verbs for Verb {
    fn request(self) -> Result<Request, CliError> {
        Ok(match self {
            Self::List { whose, paging } => {
                Request::get(all(whose.account), View::List(COLUMNS)).paged(paging)
            }
            Self::Show { whose, id } => Request::get(one(whose.account, id), ONE),
            Self::Create { whose, file } => {
                Request::post(all(whose.account), read_json(file)?, ONE)
            }
            Self::Update {
                whose,
                id,
                file,
                dry_run,
            } => {
                let view = if dry_run { EFFECTS } else { ONE };
                Request::put(one(whose.account, id), read_json(file)?, view)
                    .query("dryRun", dry_run.then_some(true))
            }
            Self::Endpoints { whose, id, paging } => {
                let path = format!("{}/endpoints", one(whose.account, id));
                Request::get(path, View::List(MADE)).paged(paging)
            }
            Self::Publish { whose, id } => show(whose.account, id, "PUBLIC"),
            Self::Withdraw { whose, id } => show(whose.account, id, "PRIVATE"),
            Self::Delete { whose, id } => {
                Request::delete(one(whose.account, id), "The application is deleted.")
            }
        })
    }
}
