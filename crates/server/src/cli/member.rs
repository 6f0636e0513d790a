//! `rialto member …`

use clap::Subcommand;
use model::UserId;
use serde_json::json;

use super::view::{Column, View};
use super::{CliError, Paging, Request, Verbs, Whose};

const COLUMNS: &[Column] = &[
    ("USER", "/userId"),
    ("EMAIL", "/email"),
    ("NAME", "/name"),
    ("ROLE", "/role"),
    ("STATUS", "/status"),
    ("SINCE", "/since"),
];
const ADDED: View = View::One(&[
    ("user", "/userId"),
    ("email", "/email"),
    ("role", "/role"),
    ("status", "/status"),
    ("ticket", "/invitation"),
]);

#[derive(Subcommand)]
pub enum Verb {
    /// Take somebody into the account; whoever is new is invited by mail.
    Add {
        #[command(flatten)]
        whose: Whose,
        email: String,
        #[arg(long, value_parser = ["admin", "member", "viewer", "partner"])]
        role: String,
        /// Of somebody who is not known yet.
        #[arg(long)]
        name: Option<String>,
    },
    /// List the members of the account.
    List {
        #[command(flatten)]
        whose: Whose,
        #[command(flatten)]
        paging: Paging,
    },
    /// Give a member another role.
    Role {
        #[command(flatten)]
        whose: Whose,
        user: UserId,
        #[arg(value_parser = ["admin", "member", "viewer", "partner"])]
        role: String,
    },
    /// Take somebody out of the account.
    Remove {
        #[command(flatten)]
        whose: Whose,
        user: UserId,
    },
}

impl Verbs for Verb {
    fn request(self) -> Result<Request, CliError> {
        let members = |whose: &Whose| format!("/accounts/{}/members", whose.account);
        Ok(match self {
            Self::Add {
                whose,
                email,
                role,
                name,
            } => {
                let body = json!({ "email": email, "role": role, "name": name });
                Request::post(members(&whose), body, ADDED)
            }
            Self::List { whose, paging } => {
                Request::get(members(&whose), View::List(COLUMNS)).paged(paging)
            }
            Self::Role { whose, user, role } => {
                let path = format!("{}/{user}", members(&whose));
                Request::patch(path, json!({ "role": role }), ADDED)
            }
            Self::Remove { whose, user } => {
                let path = format!("{}/{user}", members(&whose));
                Request::delete(path, "No longer a member.")
            }
        })
    }
}
