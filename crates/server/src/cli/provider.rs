//! `rialto provider …`

use clap::Subcommand;
use serde_json::json;

use super::view::{Column, View};
use super::{CliError, Paging, Request, Verbs};

const COLUMNS: &[Column] = &[("ID", "/id"), ("NAME", "/name")];

#[derive(Subcommand)]
pub enum Verb {
    /// Let a provider in; endpoints name it as `providerName`.
    Create { name: String },
    /// List providers.
    List {
        #[command(flatten)]
        paging: Paging,
    },
}

impl Verbs for Verb {
    fn request(self) -> Result<Request, CliError> {
        Ok(match self {
            Self::Create { name } => {
                let view = View::One(&[("id", "/id"), ("name", "/name")]);
                Request::post("/providers", json!({ "name": name }), view)
            }
            Self::List { paging } => Request::get("/providers", View::List(COLUMNS)).paged(paging),
        })
    }
}
