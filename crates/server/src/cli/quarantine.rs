//! `rialto quarantine …`

use std::collections::BTreeMap;

use clap::{Args, Subcommand};
use model::{AccountId, EndpointId, QuarantineId};
use serde_json::json;

use super::view::{Column, Part, View};
use super::{CliError, Paging, Request, Verbs, Whose, pair, read_json};

const COLUMNS: &[Column] = &[
    ("ID", "/id"),
    ("PUBLISHER", "/endpointId"),
    ("STATE", "/state"),
    ("KEPT", "/createdAt"),
    ("AT", "/errors/0/pointer"),
    ("FIRST ERROR", "/errors/0/message"),
];
const ONE: View = View::OneWith(
    &[
        ("id", "/id"),
        ("publisher", "/endpointId"),
        ("state", "/state"),
        ("kept", "/createdAt"),
        ("body", "/body"),
    ],
    Part {
        at: "/errors",
        columns: &[("AT", "/pointer"), ("ERROR", "/message")],
        none: "Nothing is known to be wrong.",
    },
);
const REPAIRED: View = View::OneWith(
    &[("published", "/published")],
    Part {
        at: "/refused",
        columns: &[
            ("STILL REFUSED", "/id"),
            ("AT", "/errors/0/pointer"),
            ("FIRST ERROR", "/errors/0/message"),
        ],
        none: "Nothing is still refused.",
    },
);

#[derive(Subcommand)]
pub enum Verb {
    /// List refused events that are kept.
    List {
        #[command(flatten)]
        whose: Whose,
        #[arg(long, value_parser = ["held", "published", "discarded"])]
        state: Option<String>,
        /// Only this publisher's.
        #[arg(long, value_name = "ID")]
        endpoint: Option<EndpointId>,
        #[command(flatten)]
        paging: Paging,
    },
    /// Show a refused event and what is wrong with it.
    Show {
        #[command(flatten)]
        whose: Whose,
        id: QuarantineId,
    },
    /// Publish a refused event as a file says now.
    Repair {
        #[command(flatten)]
        whose: Whose,
        id: QuarantineId,
        /// The corrected body, as `show --json` has it; `-` reads the standard input.
        file: String,
    },
    /// Rename in all refused events of a publisher, and publish what is valid then.
    Map(Map),
    /// Give a refused event up.
    Discard {
        #[command(flatten)]
        whose: Whose,
        id: QuarantineId,
    },
}

#[derive(Args)]
pub struct Map {
    #[command(flatten)]
    whose: Whose,
    /// The publisher.
    #[arg(long, value_name = "ID")]
    endpoint: EndpointId,
    /// An event code as it came and as it should be; may be given many times.
    #[arg(long = "code", value_name = "OLD=NEW", value_parser = pair)]
    codes: Vec<(String, String)>,
    /// The same for an identifier's name.
    #[arg(long = "identifier", value_name = "OLD=NEW", value_parser = pair)]
    identifiers: Vec<(String, String)>,
    /// The same for an attribute's name.
    #[arg(long = "attribute", value_name = "OLD=NEW", value_parser = pair)]
    attributes: Vec<(String, String)>,
    /// The channel of events that name none.
    #[arg(long)]
    channel: Option<String>,
}

fn path(account: AccountId, id: QuarantineId) -> String {
    format!("/accounts/{account}/quarantine/{id}")
}

impl Verbs for Verb {
    fn request(self) -> Result<Request, CliError> {
        Ok(match self {
            Self::List {
                whose,
                state,
                endpoint,
                paging,
            } => {
                let path = format!("/accounts/{}/quarantine", whose.account);
                Request::get(path, View::List(COLUMNS))
                    .query("state", state)
                    .query("endpointId", endpoint)
                    .paged(paging)
            }
            Self::Show { whose, id } => Request::get(path(whose.account, id), ONE),
            Self::Repair { whose, id, file } => {
                let path = format!("{}/repair", path(whose.account, id));
                let view = View::One(&[("published", "/accepted"), ("as", "/publicationId")]);
                Request::post(path, read_json(file)?, view)
            }
            Self::Map(map) => {
                let names = |pairs: Vec<_>| pairs.into_iter().collect::<BTreeMap<String, String>>();
                let path = format!("/accounts/{}/quarantine/repair", map.whose.account);
                let body = json!({ "endpointId": map.endpoint, "mapping": {
                    "codes": names(map.codes), "identifiers": names(map.identifiers),
                    "attributes": names(map.attributes), "channel": map.channel,
                } });
                Request::post(path, body, REPAIRED)
            }
            Self::Discard { whose, id } => {
                Request::delete(path(whose.account, id), "The event is given up.")
            }
        })
    }
}
