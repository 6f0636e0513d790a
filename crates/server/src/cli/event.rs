//! `rialto event …`

use clap::Subcommand;
use model::EventRef;

use super::view::{Column, Part, View};
use super::{CliError, Paging, Request, Verbs, Whose};

const COLUMNS: &[Column] = &[
    ("EVENT", "/eventId"),
    ("CODE", "/eventCode"),
    ("PUBLISHER", "/publisherEndpointId"),
    ("PUBLISHED", "/publishedAt"),
];
const ONE: View = View::OneWith(
    &[
        ("event", "/eventId"),
        ("code", "/eventCode"),
        ("publisher", "/publisherEndpointId"),
        ("published", "/publishedAt"),
        ("delivered as", "/documentId"),
        ("body", "/body"),
    ],
    Part {
        at: "/deliveries",
        columns: &[
            ("ENDPOINT", "/endpointId"),
            ("NAME", "/name"),
            ("STATE", "/state"),
            ("WITHHELD AS", "/withheld"),
            ("ATTEMPTS", "/attempts"),
            ("NEXT ATTEMPT", "/nextAttemptAt"),
            ("FIRST ANSWER", "/history/0/detail"),
        ],
        none: "No destination gets it.",
    },
);

#[derive(Subcommand)]
pub enum Verb {
    /// List the latest events, newest first.
    List {
        #[command(flatten)]
        whose: Whose,
        #[command(flatten)]
        paging: Paging,
    },
    /// Say what happened to an event at each destination.
    Show {
        #[command(flatten)]
        whose: Whose,
        /// `<publicationId>.<n>`
        id: EventRef,
    },
}

impl Verbs for Verb {
    fn request(self) -> Result<Request, CliError> {
        Ok(match self {
            Self::List { whose, paging } => {
                let path = format!("/accounts/{}/events", whose.account);
                Request::get(path, View::List(COLUMNS)).paged(paging)
            }
            Self::Show { whose, id } => {
                Request::get(format!("/accounts/{}/events/{id}", whose.account), ONE)
            }
        })
    }
}
