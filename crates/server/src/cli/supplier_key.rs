//! `rialto supplier-key …`

use std::path::PathBuf;

use clap::Subcommand;
use model::{ProviderId, SupplierKeyId};
use serde_json::json;

use super::view::{Column, View};
use super::{CliError, Paging, Request, Verbs};

const COLUMNS: &[Column] = &[
    ("ID", "/id"),
    ("SUPPLIER KEY", "/supplierKey"),
    ("TOKEN SERVER", "/authUrl"),
    ("CLIENT ID", "/clientId"),
    ("SINCE", "/createdAt"),
];

#[derive(Subcommand)]
pub enum Verb {
    /// Store a provider's client id and secret; answers the key that documents name as `supplierKey`.
    Create {
        /// The provider's id.
        #[arg(long, value_name = "ID")]
        provider: ProviderId,
        /// The token server that the secret may be sent to.
        #[arg(long, value_name = "URL")]
        auth_url: String,
        #[arg(long, value_name = "TEXT")]
        client_id: String,
        /// A file that holds the client secret and nothing else, so that it stays out of the shell's history.
        #[arg(long, value_name = "FILE")]
        client_secret_file: PathBuf,
    },
    /// List a provider's supplier keys, without the secrets.
    List {
        /// The provider's id.
        #[arg(long, value_name = "ID")]
        provider: ProviderId,
        #[command(flatten)]
        paging: Paging,
    },
    /// Forget a supplier key and its secret.
    Delete {
        /// The provider's id.
        #[arg(long, value_name = "ID")]
        provider: ProviderId,
        id: SupplierKeyId,
    },
}

impl Verbs for Verb {
    fn request(self) -> Result<Request, CliError> {
        let keys = |provider| format!("/providers/{provider}/supplierkeys");
        Ok(match self {
            Self::Create {
                provider,
                auth_url,
                client_id,
                client_secret_file,
            } => {
                let secret = std::fs::read_to_string(&client_secret_file);
                let secret = secret.map_err(|source| CliError::File {
                    path: client_secret_file.display().to_string(),
                    source,
                })?;
                let body = json!({ "authUrl": auth_url, "clientId": client_id, "clientSecret": secret.trim_end_matches(['\r', '\n']) });
                let view = View::One(&[("id", "/id"), ("supplier key", "/supplierKey")]);
                Request::post(keys(provider), body, view)
            }
            Self::List { provider, paging } => {
                Request::get(keys(provider), View::List(COLUMNS)).paged(paging)
            }
            Self::Delete { provider, id } => {
                let path = format!("{}/{id}", keys(provider));
                Request::delete(
                    path,
                    "The supplier key is gone; what names it cannot sign in.",
                )
            }
        })
    }
}
