//! `rialto delivery …`

use clap::{Args, Subcommand};
use jiff::Timestamp;
use model::{EndpointId, EventRef};
use serde_json::json;

use super::view::{Column, Part, View};
use super::{CliError, Paging, Request, Verbs, Whose};

const COLUMNS: &[Column] = &[
    ("ENDPOINT", "/endpointId"),
    ("EVENTS", "/eventIds"),
    ("CODES", "/eventCodes"),
    ("STATE", "/state"),
    ("ATTEMPTS", "/attempts"),
    ("LAST ATTEMPT", "/lastAttemptAt"),
    ("NEXT ATTEMPT", "/nextAttemptAt"),
    ("FIRST ANSWER", "/history/0/detail"),
];
const REPLAYED: View = View::OneWith(
    &[("only a preview", "/dryRun"), ("documents", "/documents")],
    Part {
        at: "/destinations",
        columns: &[("ENDPOINT", "/endpointId"), ("DOCUMENTS", "/documents")],
        none: "There is nothing to send again.",
    },
);

#[derive(Subcommand)]
pub enum Verb {
    /// List deliveries that are being retried or are dead.
    List {
        #[command(flatten)]
        whose: Whose,
        #[arg(long, value_parser = ["retrying", "dead"])]
        state: Option<String>,
        /// Only to this destination.
        #[arg(long, value_name = "ID")]
        endpoint: Option<EndpointId>,
        #[command(flatten)]
        paging: Paging,
    },
    /// Send again: what a destination was sent in a range of time, or events.
    Replay(Replay),
}

#[derive(Args)]
pub struct Replay {
    #[command(flatten)]
    whose: Whose,
    /// The destination.
    #[arg(long, value_name = "ID", required_unless_present = "events")]
    endpoint: Option<EndpointId>,
    /// Published at or after, such as 2026-11-21T09:00:00Z.
    #[arg(long, value_name = "TIME")]
    from: Option<Timestamp>,
    /// Published before.
    #[arg(long, value_name = "TIME")]
    to: Option<Timestamp>,
    /// These events; may be given many times.
    #[arg(long = "event", value_name = "ID")]
    events: Vec<EventRef>,
    /// Only this event code; may be given many times.
    #[arg(long = "code")]
    codes: Vec<String>,
    /// Only what is dead.
    #[arg(long)]
    only_dead: bool,
    /// Only say what would be sent.
    #[arg(long)]
    dry_run: bool,
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
                let path = format!("/accounts/{}/deliveries", whose.account);
                Request::get(path, View::List(COLUMNS))
                    .query("state", state)
                    .query("endpointId", endpoint)
                    .paged(paging)
            }
            Self::Replay(replay) => {
                let path = format!("/accounts/{}/deliveries/replay", replay.whose.account);
                let events: Vec<String> = replay.events.iter().map(ToString::to_string).collect();
                let body = json!({
                    "endpointId": replay.endpoint, "from": replay.from, "to": replay.to,
                    "eventIds": events, "codes": replay.codes,
                    "onlyDead": replay.only_dead, "dryRun": replay.dry_run,
                });
                Request::post(path, body, REPLAYED)
            }
        })
    }
}
