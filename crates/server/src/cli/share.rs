//! `rialto share …`

use std::collections::BTreeMap;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use jiff::civil::Date;
use model::endpoint::ShareAction;
use model::{AccountId, EndpointId, SegmentId, ShareId};
use serde_json::{Value, json};

use super::view::{Column, Part, View};
use super::{CliError, Paging, Request, Verbs, Whose, pair};

const COLUMNS: &[Column] = &[
    ("ID", "/id"),
    ("STATUS", "/status"),
    ("SOURCE", "/sourceEndpointId"),
    ("SEGMENT", "/segmentId"),
    ("DESTINATION", "/destinationEndpointId"),
    ("AUDIENCE", "/destinationSegmentName"),
    ("ACTION", "/shareAction"),
    ("LAST RUN", "/lastRunAt"),
    ("NEXT RUN", "/nextRunAt"),
];
const ONE: View = View::One(&[
    ("id", "/id"),
    ("status", "/status"),
    ("reason", "/reason"),
    ("source", "/sourceEndpointId"),
    ("segment", "/segmentId"),
    ("destination", "/destinationEndpointId"),
    ("audience", "/destinationSegmentName"),
    ("audience id", "/destinationSegmentId"),
    ("action", "/shareAction"),
    ("incremental", "/incremental"),
    ("identifier", "/identifier"),
    ("attributes", "/attributes"),
    ("window", "/dataWindow"),
    ("guard", "/guard"),
    ("uploads identities", "/uploadIdentities"),
    ("schedule", "/schedule"),
    ("next run", "/nextRunAt"),
    ("last run", "/lastRunAt"),
    ("last job", "/lastJobId"),
    ("skipped", "/skipped"),
]);
const PROPOSAL: View = View::OneWith(
    &[
        ("action", "/shareAction"),
        ("identifier", "/identifier/source"),
        ("becomes", "/identifier/destination"),
        ("because", "/identifier/reason"),
        ("missing", "/missing"),
        ("unused", "/unused"),
    ],
    Part {
        at: "/attributes",
        columns: &[
            ("FROM", "/source"),
            ("TO", "/destination"),
            ("BECAUSE", "/reason"),
        ],
        none: "No attribute fits another by its name or type.",
    },
);

#[derive(Subcommand)]
pub enum Verb {
    /// Share an audience: now, at a time, or again and again.
    Create(Box<Create>),
    /// Propose which columns become which, with reasons and what is missing.
    Propose {
        #[command(flatten)]
        whose: Whose,
        #[command(flatten)]
        ends: Ends,
    },
    /// List shares.
    List {
        #[command(flatten)]
        whose: Whose,
        #[arg(long, value_parser = ["scheduled", "recent", "historical"])]
        view: Option<String>,
        /// Only those from or to this endpoint.
        #[arg(long, value_name = "ID")]
        endpoint: Option<EndpointId>,
        #[command(flatten)]
        paging: Paging,
    },
    /// Show a share.
    Show {
        #[command(flatten)]
        whose: Whose,
        id: ShareId,
    },
    /// Run it now, whatever its schedule.
    Run {
        #[command(flatten)]
        whose: Whose,
        id: ShareId,
    },
    /// Let it run no more until it is resumed; what runs already goes on.
    Pause {
        #[command(flatten)]
        whose: Whose,
        id: ShareId,
    },
    /// Let it run again.
    Resume {
        #[command(flatten)]
        whose: Whose,
        id: ShareId,
    },
    /// Let it run at other times; with none given, only by hand.
    Schedule {
        #[command(flatten)]
        whose: Whose,
        id: ShareId,
        #[command(flatten)]
        times: Times,
    },
    /// End it for good; a run that is still going is canceled.
    Delete {
        #[command(flatten)]
        whose: Whose,
        id: ShareId,
    },
}

/// From where to where.
#[derive(Args)]
pub struct Ends {
    /// The endpoint that has the audience.
    #[arg(long, value_name = "ID")]
    source: EndpointId,
    /// The audience, by the source's id.
    #[arg(long, value_name = "ID", allow_hyphen_values = true)]
    segment: SegmentId,
    /// The endpoint that gets it.
    #[arg(long, value_name = "ID")]
    destination: EndpointId,
}

impl Ends {
    fn body(&self) -> Value {
        json!({
            "sourceEndpointId": self.source, "segmentId": self.segment, "destinationEndpointId": self.destination,
        })
    }
}

/// When it runs.
#[derive(Args)]
pub struct Times {
    /// Once, at this time.
    #[arg(long, value_name = "TIME", conflicts_with = "cron")]
    at: Option<Timestamp>,
    /// Again and again: minute, hour, day of month, month, day of week.
    #[arg(long, value_name = "EXPRESSION")]
    cron: Option<String>,
    /// Whose clock `--cron` means, such as Europe/Berlin.
    #[arg(long, value_name = "ZONE", requires = "cron", default_value = "UTC")]
    time_zone: String,
}

impl Times {
    fn body(&self) -> Value {
        match (&self.at, &self.cron) {
            (Some(at), _) => json!({ "at": at }),
            (None, Some(cron)) => json!({ "cron": cron, "timeZone": self.time_zone }),
            (None, None) => Value::Null,
        }
    }
}

#[derive(Args)]
pub struct Create {
    #[command(flatten)]
    whose: Whose,
    #[command(flatten)]
    ends: Ends,
    /// What the audience is called at the destination; as at the source if not given.
    #[arg(long)]
    name: Option<String>,
    /// An audience that the destination has already.
    #[arg(long, value_name = "ID", allow_hyphen_values = true)]
    into: Option<SegmentId>,
    /// The destination's default if not given.
    #[arg(long, value_parser = action, value_name = "ADD|REMOVE|REPLACE")]
    action: Option<ShareAction>,
    /// By which identifier people are known; proposed if not given.
    #[arg(long, value_name = "SOURCE=DESTINATION", value_parser = pair)]
    identifier: Option<(String, String)>,
    /// A column of the source and what it becomes; may be given many times; proposed if not given.
    #[arg(long = "attribute", value_name = "SOURCE=DESTINATION", value_parser = pair)]
    attributes: Vec<(String, String)>,
    /// No columns but the identifier.
    #[arg(long, conflicts_with = "attributes")]
    no_attributes: bool,
    #[command(flatten)]
    times: Times,
    /// Only members of the last days before each run.
    #[arg(long, value_name = "N", conflicts_with_all = ["from", "to"])]
    days: Option<i64>,
    /// Only members from this day on.
    #[arg(long, value_name = "DATE", requires = "to")]
    from: Option<Date>,
    /// Only members up to this day.
    #[arg(long, value_name = "DATE", requires = "from")]
    to: Option<Date>,
    /// Let the rows teach the exchange who is who.
    #[arg(long)]
    upload_identities: bool,
    /// After the first run, hand over only what came and went.
    #[arg(long)]
    incremental: bool,
    /// Ask before replacing or removing when the source shrank by more than this.
    #[arg(long, value_name = "PERCENT")]
    shrink_percent_max: Option<u8>,
    /// Never ask.
    #[arg(long, conflicts_with = "shrink_percent_max")]
    unguarded: bool,
}

impl Create {
    fn body(self) -> Value {
        let mut body = self.ends.body();
        let attributes: BTreeMap<String, String> = self.attributes.into_iter().collect();
        body["destinationSegmentName"] = json!(self.name);
        body["destinationSegmentId"] = json!(self.into);
        body["shareAction"] = json!(self.action);
        body["identifier"] = self.identifier.map_or(
            Value::Null,
            |(source, destination)| json!({ "source": source, "destination": destination }),
        );
        body["attributes"] = if attributes.is_empty() && !self.no_attributes {
            Value::Null
        } else {
            json!(attributes)
        };
        body["schedule"] = self.times.body();
        body["dataWindow"] = match (self.days, self.from, self.to) {
            (Some(days), ..) => json!({ "days": days }),
            (None, Some(from), Some(to)) => json!({ "from": from, "to": to }),
            _ => Value::Null,
        };
        body["uploadIdentities"] = json!(self.upload_identities);
        body["incremental"] = json!(self.incremental);
        body["guard"] = match self.shrink_percent_max {
            _ if self.unguarded => json!({ "empty": false, "shrinkPercentMax": null }),
            Some(percent) => json!({ "shrinkPercentMax": percent }),
            None => Value::Null,
        };
        body
    }
}

fn action(text: &str) -> Result<ShareAction, String> {
    ShareAction::parse(text).ok_or_else(|| "ADD, REMOVE or REPLACE".to_owned())
}

fn path(account: AccountId, id: ShareId) -> String {
    format!("/accounts/{account}/shares/{id}")
}

fn change(whose: &Whose, id: ShareId, body: Value) -> Request {
    Request::patch(path(whose.account, id), body, ONE)
}

impl Verbs for Verb {
    fn request(self) -> Result<Request, CliError> {
        Ok(match self {
            Self::Create(create) => {
                let path = format!("/accounts/{}/shares", create.whose.account);
                let view = View::One(&[("id", "/id"), ("job", "/jobId")]);
                Request::post(path, create.body(), view)
            }
            Self::Propose { whose, ends } => {
                let path = format!("/accounts/{}/shares/proposal", whose.account);
                Request::post(path, ends.body(), PROPOSAL)
            }
            Self::List {
                whose,
                view,
                endpoint,
                paging,
            } => {
                let path = format!("/accounts/{}/shares", whose.account);
                Request::get(path, View::List(COLUMNS))
                    .query("view", view)
                    .query("endpointId", endpoint)
                    .paged(paging)
            }
            Self::Show { whose, id } => Request::get(path(whose.account, id), ONE),
            Self::Run { whose, id } => {
                let path = format!("{}/run", path(whose.account, id));
                Request::post(path, json!({}), View::One(&[("job", "/jobId")]))
            }
            Self::Pause { whose, id } => change(&whose, id, json!({ "status": "PAUSED" })),
            Self::Resume { whose, id } => change(&whose, id, json!({ "status": "ACTIVE" })),
            Self::Schedule { whose, id, times } => {
                change(&whose, id, json!({ "schedule": times.body() }))
            }
            Self::Delete { whose, id } => {
                Request::delete(path(whose.account, id), "The share has ended.")
            }
        })
    }
}
