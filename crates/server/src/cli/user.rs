//! `rialto user …`

use std::path::PathBuf;

use clap::Subcommand;
use http::Method;
use model::{AccountId, UserId};
use serde_json::{Map, Value, json};

use super::view::{Column, Part, View};
use super::{CliError, Paging, Request, Verbs, password};

const COLUMNS: &[Column] = &[
    ("ID", "/id"),
    ("EMAIL", "/email"),
    ("NAME", "/name"),
    ("OPERATOR", "/operator"),
    ("STATUS", "/status"),
    ("LAST SIGN-IN", "/lastSignInAt"),
];
const LINES: &[Column] = &[
    ("id", "/id"),
    ("email", "/email"),
    ("name", "/name"),
    ("operator", "/operator"),
    ("status", "/status"),
    ("last sign-in", "/lastSignInAt"),
];
const ROLES: Part = Part {
    at: "/accounts",
    columns: &[("ACCOUNT", "/accountId"), ("ROLE", "/role")],
    none: "No role in any account.",
};
const INVITED: View = View::Once(&[
    ("id", "/id"),
    ("email", "/email"),
    ("ticket", "/invitation"),
]);
const SIGNED_IN: View = View::Once(&[("expires", "/expiresAt"), ("token", "/token")]);
const ME: View = View::OneWith(
    &[
        ("user", "/user/id"),
        ("email", "/user/email"),
        ("operator", "/user/operator"),
        ("by", "/via"),
        ("scopes", "/scopes"),
    ],
    ROLES,
);

#[derive(Subcommand)]
pub enum Verb {
    /// Invite somebody; the ticket is mailed, and printed this once.
    Invite {
        email: String,
        #[arg(long)]
        name: Option<String>,
        /// May do everything everywhere.
        #[arg(long)]
        operator: bool,
        /// An account to belong to from the start.
        #[arg(long, value_name = "ID", requires = "role")]
        account: Option<AccountId>,
        #[arg(long, requires = "account", value_parser = ["admin", "member", "viewer", "partner"])]
        role: Option<String>,
    },
    /// Invite somebody again who has not accepted.
    InviteAgain { id: UserId },
    /// List users.
    List {
        /// Only the one with this address.
        #[arg(long)]
        email: Option<String>,
        #[command(flatten)]
        paging: Paging,
    },
    /// Show a user and their roles.
    Show { id: UserId },
    /// Rename somebody, make an operator of them, or no longer.
    Change {
        id: UserId,
        #[arg(long)]
        name: Option<String>,
        #[arg(long, value_name = "true|false")]
        operator: Option<bool>,
    },
    /// Keep somebody out, at once.
    Disable { id: UserId },
    /// Let somebody in again.
    Enable { id: UserId },
    /// End all sessions and tokens of somebody.
    Revoke { id: UserId },
    /// Remove somebody, with roles, sessions and tokens.
    Remove { id: UserId },
    /// Choose a password with the ticket of an invitation or of a reset; needs no token.
    Accept {
        #[arg(long)]
        ticket: String,
        /// A file with the password; `-` for the standard input.
        #[arg(long, value_name = "FILE", default_value = "-")]
        password_file: PathBuf,
    },
    /// Have a ticket for a new password mailed; needs no token.
    Reset { email: String },
    /// Sign in; the session's token is printed this once. Needs no token.
    SignIn {
        email: String,
        /// A file with the password; `-` for the standard input.
        #[arg(long, value_name = "FILE", default_value = "-")]
        password_file: PathBuf,
    },
    /// End the session whose token is used.
    SignOut,
    /// Say who one is, and what one may do.
    Me,
}

impl Verbs for Verb {
    fn request(self) -> Result<Request, CliError> {
        let change =
            |id: UserId, body| Request::patch(format!("/users/{id}"), body, View::One(LINES));
        Ok(match self {
            Self::Invite {
                email,
                name,
                operator,
                account,
                role,
            } => {
                let body = json!({
                    "email": email, "name": name, "operator": operator, "accountId": account, "role": role,
                });
                Request::post("/users", body, INVITED)
            }
            Self::InviteAgain { id } => {
                Request::post(format!("/users/{id}/invitation"), json!({}), INVITED)
            }
            Self::List { email, paging } => Request::get("/users", View::List(COLUMNS))
                .query("email", email)
                .paged(paging),
            Self::Show { id } => Request::get(format!("/users/{id}"), View::OneWith(LINES, ROLES)),
            Self::Change { id, name, operator } => {
                let mut body = Map::new();
                body.extend(name.map(|name| ("name".to_owned(), Value::from(name))));
                body.extend(operator.map(|is| ("operator".to_owned(), Value::from(is))));
                change(id, body.into())
            }
            Self::Disable { id } => change(id, json!({ "disabled": true })),
            Self::Enable { id } => change(id, json!({ "disabled": false })),
            Self::Revoke { id } => {
                let done = View::Sentence("All sessions and tokens have ended.");
                Request::post(format!("/users/{id}/revoke"), json!({}), done)
            }
            Self::Remove { id } => Request::delete(format!("/users/{id}"), "The user is removed."),
            Self::Accept {
                ticket,
                password_file,
            } => {
                let body = json!({ "ticket": ticket, "password": password::read(&password_file)? });
                Request::post("/passwords", body, View::One(LINES)).public()
            }
            Self::Reset { email } => {
                let done = View::Sentence("If the address is known here, a ticket is on its way.");
                Request::post("/passwords/reset", json!({ "email": email }), done).public()
            }
            Self::SignIn {
                email,
                password_file,
            } => {
                let body = json!({ "email": email, "password": password::read(&password_file)? });
                Request::post("/sessions", body, SIGNED_IN).public()
            }
            Self::SignOut => Request::new(
                Method::DELETE,
                "/sessions/current",
                View::Sentence("Signed out."),
            ),
            Self::Me => Request::get("/me", ME),
        })
    }
}
