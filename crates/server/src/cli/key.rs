//! `rialto key …`

use std::time::Duration;

use clap::Subcommand;
use model::{EndpointId, KeyId};
use serde_json::json;

use super::view::{Column, View};
use super::{CliError, Paging, Request, Verbs, Whose};
use crate::config;

const COLUMNS: &[Column] = &[
    ("ID", "/id"),
    ("LEVEL", "/level"),
    ("ENDPOINT", "/endpointId"),
    ("BEGINS WITH", "/prefix"),
    ("VALID", "/valid"),
    ("CREATED", "/createdAt"),
    ("EXPIRES", "/expiresAt"),
    ("REVOKED", "/revokedAt"),
];
const CREATED: View = View::Once(&[
    ("id", "/id"),
    ("level", "/level"),
    ("endpoint", "/endpointId"),
    ("key", "/key"),
    ("others expire", "/othersExpireAt"),
]);

#[derive(Subcommand)]
pub enum Verb {
    /// List keys by their first characters.
    List {
        #[command(flatten)]
        whose: Whose,
        /// Only this endpoint's.
        #[arg(long, value_name = "ID")]
        endpoint: Option<EndpointId>,
        #[command(flatten)]
        paging: Paging,
    },
    /// Make a new key, printed this once; those so far end after the overlap.
    Rotate {
        #[command(flatten)]
        whose: Whose,
        #[arg(long, value_parser = ["account", "endpoint", "event"])]
        level: String,
        /// Whose key, for the levels endpoint and event.
        #[arg(long, value_name = "ID")]
        endpoint: Option<EndpointId>,
        /// How long the keys so far stay valid, such as 0s, 30m, 24h or 7d.
        #[arg(long, default_value = "24h", value_parser = overlap)]
        overlap: Duration,
    },
    /// End a key at once.
    Revoke {
        #[command(flatten)]
        whose: Whose,
        id: KeyId,
    },
}

fn overlap(text: &str) -> Result<Duration, String> {
    config::duration(text).ok_or_else(|| "write 0s, 30m, 24h or 7d".to_owned())
}

impl Verbs for Verb {
    fn request(self) -> Result<Request, CliError> {
        Ok(match self {
            Self::List {
                whose,
                endpoint,
                paging,
            } => {
                let path = format!("/accounts/{}/keys", whose.account);
                let request = Request::get(path, View::List(COLUMNS));
                request.query("endpointId", endpoint).paged(paging)
            }
            Self::Rotate {
                whose,
                level,
                endpoint,
                overlap,
            } => {
                let path = format!("/accounts/{}/keys/rotate", whose.account);
                let seconds = overlap.as_secs();
                let body =
                    json!({ "level": level, "endpointId": endpoint, "overlapSeconds": seconds });
                Request::post(path, body, CREATED)
            }
            Self::Revoke { whose, id } => {
                let path = format!("/accounts/{}/keys/{id}", whose.account);
                Request::delete(path, "The key is revoked.")
            }
        })
    }
}
