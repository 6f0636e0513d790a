//! `rialto token …` and `rialto session …`: one's own. They need the token of a session (`rialto user sign-in`).

use std::time::Duration;

use clap::Subcommand;
use model::{SessionId, TokenId};
use serde_json::json;

use super::view::{Column, View};
use super::{CliError, Request, Verbs};
use crate::config;

const TOKENS: &[Column] = &[
    ("ID", "/id"),
    ("NAME", "/name"),
    ("BEGINS WITH", "/prefix"),
    ("SCOPES", "/scopes"),
    ("EXPIRES", "/expiresAt"),
    ("USED", "/usedAt"),
];
const CREATED: View = View::Once(&[
    ("id", "/id"),
    ("name", "/name"),
    ("scopes", "/scopes"),
    ("expires", "/expiresAt"),
    ("token", "/token"),
]);
const SESSIONS: &[Column] = &[
    ("ID", "/id"),
    ("THIS ONE", "/current"),
    ("FROM", "/address"),
    ("WITH", "/agent"),
    ("SINCE", "/createdAt"),
    ("EXPIRES", "/expiresAt"),
];

#[derive(Subcommand)]
pub enum Verb {
    /// Make a personal access token, printed this once.
    Create {
        name: String,
        /// `read`, `write`, and `account:<id>` for each account that it is limited to.
        #[arg(long, value_delimiter = ',', default_value = "read")]
        scopes: Vec<String>,
        /// After how long it ends, such as 12h or 90d; 366d at most.
        #[arg(long, default_value = "90d", value_parser = life)]
        expires: Duration,
    },
    /// List one's tokens by their first characters.
    List,
    /// End a token at once.
    Revoke { id: TokenId },
}

/// `rialto session …`
#[derive(Subcommand)]
pub enum SessionVerb {
    /// List one's sessions.
    List,
    /// End a session.
    End { id: SessionId },
}

fn life(text: &str) -> Result<Duration, String> {
    config::duration(text).ok_or_else(|| "write 30m, 12h or 90d".to_owned())
}

impl Verbs for Verb {
    fn request(self) -> Result<Request, CliError> {
        Ok(match self {
            Self::Create {
                name,
                scopes,
                expires,
            } => {
                let body = json!({ "name": name, "scopes": scopes, "expiresInSeconds": expires.as_secs() });
                Request::post("/tokens", body, CREATED)
            }
            Self::List => Request::get("/tokens", View::List(TOKENS)),
            Self::Revoke { id } => {
                Request::delete(format!("/tokens/{id}"), "The token is revoked.")
            }
        })
    }
}

impl Verbs for SessionVerb {
    fn request(self) -> Result<Request, CliError> {
        Ok(match self {
            Self::List => Request::get("/sessions", View::List(SESSIONS)),
            Self::End { id } => {
                Request::delete(format!("/sessions/{id}"), "The session has ended.")
            }
        })
    }
}
