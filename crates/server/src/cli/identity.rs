//! `rialto identity …`

use clap::{Args, Subcommand};
use model::{EndpointId, FactId, IdentityFilterId};
use serde_json::{Map, Value, json};

use super::view::{Column, Part, View};
use super::{CliError, Paging, Request, Verbs, Whose};

const PERSON: View = View::OneWith(
    &[("x1Id", "/x1Id"), ("identifiers", "/identifiers")],
    Part {
        at: "/facts",
        columns: &[
            ("FACT", "/factId"),
            ("SEEN", "/seenAt"),
            ("FROM", "/source/kind"),
            ("EVENT", "/source/eventId"),
            ("JOB", "/source/jobId"),
            ("ROW", "/source/row"),
            ("UNDONE", "/isUndone"),
            ("MERGED", "/merged"),
        ],
        none: "It was never seen together with anything else.",
    },
);
const IDENTIFIERS: &[Column] = &[
    ("TYPE", "/type"),
    ("VALUE", "/value"),
    ("FORM", "/form"),
    ("STANDING", "/standing"),
    ("SEEN", "/seenAt"),
];
const FACTS: &[Column] = &[
    ("FACT", "/factId"),
    ("SEEN", "/seenAt"),
    ("FROM", "/source/kind"),
    ("IDENTIFIERS", "/identifiers"),
];
const UNDONE: View = View::One(&[
    ("people before", "/peopleBefore"),
    ("people after", "/peopleAfter"),
]);
const RULES: View = View::One(&[
    ("limit", "/limit"),
    ("limits", "/limits"),
    ("junk", "/junk"),
]);
const REPORT: View = View::OneWith(
    &[
        ("people before", "/peopleBefore"),
        ("people after", "/peopleAfter"),
        ("identifiers moved", "/moved"),
    ],
    Part {
        at: "/sample",
        columns: &[
            ("TYPE", "/type"),
            ("VALUE", "/value"),
            ("WAS", "/was"),
            ("IS", "/is"),
        ],
        none: "Nobody changes.",
    },
);
const FILTER: View = View::One(&[
    ("id", "/endpointFilterId"),
    ("endpoint", "/endpointId"),
    ("identifier", "/identifierName"),
    ("filtered when published", "/publishFilter"),
    ("filtered when subscribed", "/subscribeFilter"),
]);

#[derive(Subcommand)]
pub enum Verb {
    /// Show a person by any of its identifiers, and why it is one.
    Show {
        #[command(flatten)]
        whose: Whose,
        #[command(flatten)]
        wanted: Wanted,
    },
    /// List identifiers that join nobody.
    Report {
        #[command(flatten)]
        whose: Whose,
        #[arg(long, value_parser = ["junk", "crowded", "overgrown"])]
        standing: Option<String>,
        #[command(flatten)]
        paging: Paging,
    },
    /// Undo what a fact joined.
    Undo {
        #[command(flatten)]
        whose: Whose,
        fact: FactId,
    },
    /// Let a fact that was undone join again.
    Redo {
        #[command(flatten)]
        whose: Whose,
        fact: FactId,
    },
    /// List facts that were undone.
    Undone {
        #[command(flatten)]
        whose: Whose,
        #[command(flatten)]
        paging: Paging,
    },
    /// Show who is taken for one person, or replace the rules.
    Rules {
        #[command(flatten)]
        whose: Whose,
        #[command(flatten)]
        rules: NewRules,
        /// Only say what the rules would change.
        #[arg(long)]
        dry_run: bool,
        /// With --dry-run, instead of rules: a type whose letter case would no longer matter.
        #[arg(long, value_name = "TYPE", requires = "dry_run")]
        ignore_case: Option<String>,
    },
    /// Estimate how many of a source's people a destination would know.
    Estimate {
        #[command(flatten)]
        whose: Whose,
        #[arg(long, value_name = "ENDPOINT")]
        source: EndpointId,
        #[arg(long, value_name = "ENDPOINT")]
        destination: EndpointId,
    },
    /// Keep an identifier of an endpoint out of the graph, or let nothing be added under its name.
    Filter {
        #[command(flatten)]
        whose: Whose,
        #[arg(long, value_name = "ID")]
        endpoint: EndpointId,
        /// The identifier, as the endpoint registered it.
        name: String,
        /// What it publishes is not learned.
        #[arg(long)]
        publish: bool,
        /// Nothing is added to what it gets.
        #[arg(long)]
        subscribe: bool,
    },
    /// Remove a filter.
    Unfilter {
        #[command(flatten)]
        whose: Whose,
        filter: IdentityFilterId,
    },
}

#[derive(Args)]
pub struct Wanted {
    /// The person's id, or one that it had before it was merged.
    #[arg(long = "x1id", value_name = "UUID", conflicts_with_all = ["kind", "value"])]
    x1_id: Option<String>,
    /// The identity type, such as `email`.
    #[arg(long = "type", value_name = "TYPE", requires = "value")]
    kind: Option<String>,
    #[arg(long, requires = "kind")]
    value: Option<String>,
    /// The value is a hash.
    #[arg(long)]
    hashed: bool,
}

/// Nothing given: the rules are shown.
#[derive(Args)]
pub struct NewRules {
    /// Identifiers of one type that one person may have.
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// The same for one type; may be given many times.
    #[arg(long = "limit-of", value_name = "TYPE=N", value_parser = limit)]
    limits: Vec<(String, u64)>,
    /// A value that stands for nobody; may be given many times.
    #[arg(long, value_name = "VALUE")]
    junk: Vec<String>,
    /// Back to the rules that hold where nothing is said.
    #[arg(long, conflicts_with_all = ["limit", "limits", "junk"])]
    default: bool,
}

fn limit(text: &str) -> Result<(String, u64), String> {
    let parsed = text.split_once('=').and_then(|(kind, number)| {
        let number = number.trim().parse().ok()?;
        (!kind.is_empty()).then(|| (kind.to_owned(), number))
    });
    parsed.ok_or_else(|| "write the type, `=`, and a number, such as cookie=300".to_owned())
}

impl NewRules {
    fn body(self) -> Option<Value> {
        let is_said = self.default
            || self.limit.is_some()
            || !self.limits.is_empty()
            || !self.junk.is_empty();
        let limits = self
            .limits
            .into_iter()
            .map(|(kind, number)| (kind, number.into()));
        let limits = Map::from_iter(limits);
        is_said.then(|| json!({ "limit": self.limit, "limits": limits, "junk": self.junk }))
    }

    /// To look at the rules at `path`, to try others, or to make others hold.
    fn request(self, path: String, dry_run: bool, ignore_case: Option<String>) -> Request {
        let trial = format!("{path}/trial");
        match (ignore_case, self.body()) {
            (Some(kind), _) => Request::post(trial, json!({ "ignoreCase": kind }), REPORT),
            (None, Some(body)) if dry_run => Request::post(trial, body, REPORT),
            (None, Some(body)) => Request::put(path, body, REPORT),
            (None, None) => Request::get(path, RULES),
        }
    }
}

impl Verbs for Verb {
    fn request(self) -> Result<Request, CliError> {
        let below = |whose: &Whose, path: &str| format!("/accounts/{}/{path}", whose.account);
        Ok(match self {
            Self::Show { whose, wanted } => {
                let body = match wanted.x1_id {
                    Some(id) => json!({ "x1Id": id }),
                    None => {
                        json!({ "type": wanted.kind, "value": wanted.value, "isHashed": wanted.hashed })
                    }
                };
                Request::post(below(&whose, "identities/lookup"), body, PERSON)
            }
            Self::Report {
                whose,
                standing,
                paging,
            } => Request::get(below(&whose, "identities/report"), View::List(IDENTIFIERS))
                .query("standing", standing)
                .paged(paging),
            Self::Undo { whose, fact } => {
                let path = below(&whose, &format!("identities/facts/{fact}/undo"));
                Request::post(path, json!({}), UNDONE)
            }
            Self::Redo { whose, fact } => {
                let path = below(&whose, &format!("identities/facts/{fact}/redo"));
                Request::post(path, json!({}), UNDONE)
            }
            Self::Undone { whose, paging } => {
                Request::get(below(&whose, "identities/undone"), View::List(FACTS)).paged(paging)
            }
            Self::Rules {
                whose,
                rules,
                dry_run,
                ignore_case,
            } => rules.request(below(&whose, "identities/rules"), dry_run, ignore_case),
            Self::Estimate {
                whose,
                source,
                destination,
            } => {
                let view = View::One(&[
                    ("same types", "/direct"),
                    ("matched, percent", "/matchPercent"),
                ]);
                Request::get(below(&whose, "identities/estimate"), view)
                    .query("sourceEndpointId", Some(source))
                    .query("destinationEndpointId", Some(destination))
            }
            Self::Filter {
                whose,
                endpoint,
                name,
                publish,
                subscribe,
            } => {
                let body = json!({ "endpointId": endpoint, "identifierName": name,
                    "publishFilter": publish, "subscribeFilter": subscribe });
                Request::post(below(&whose, "identityfilters"), body, FILTER)
            }
            Self::Unfilter { whose, filter } => {
                let path = below(&whose, &format!("identityfilters/{filter}"));
                Request::delete(path, "The filter is removed.")
            }
        })
    }
}
