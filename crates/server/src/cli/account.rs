//! `rialto account …`

use clap::{Args, Subcommand};
use model::AccountId;
use serde_json::{Map, Value, json};

use super::view::{Column, View};
use super::{CliError, Paging, Request, Verbs};

const COLUMNS: &[Column] = &[
    ("ID", "/id"),
    ("NAME", "/name"),
    ("ENVIRONMENT", "/environment"),
    ("STRICTNESS", "/policy/strictness"),
    ("REFUSED EVENTS", "/policy/refusedEvents"),
];
const ONE: View = View::One(&[
    ("id", "/id"),
    ("name", "/name"),
    ("environment", "/environment"),
    ("strictness", "/policy/strictness"),
    ("refused events", "/policy/refusedEvents"),
    ("default region", "/policy/defaultRegion"),
    ("hashed values", "/policy/hashedValues"),
    ("suppression list", "/policy/suppressionList"),
    ("contact consent", "/policy/contactConsent"),
    ("identity", "/policy/identity"),
]);
const CREATED: View = View::Once(&[
    ("id", "/id"),
    ("name", "/name"),
    ("environment", "/environment"),
    ("account key", "/accountKey"),
]);

#[derive(Subcommand)]
pub enum Verb {
    /// Open an account; its first key is printed this once.
    Create {
        name: String,
        #[arg(long, value_parser = ["pilot", "production"])]
        environment: String,
        #[command(flatten)]
        choices: Choices,
    },
    /// List accounts.
    List {
        #[command(flatten)]
        paging: Paging,
    },
    /// Show an account.
    Show { id: AccountId },
    /// Change what an account decides for itself; what is not named stays.
    Policy {
        id: AccountId,
        #[command(flatten)]
        choices: Choices,
    },
}

/// What an account decides for itself.
#[derive(Args)]
pub struct Choices {
    /// Whether undeclared attributes are delivered and recorded, or refused.
    #[arg(long, value_parser = ["lenient", "strict"])]
    strictness: Option<String>,
    /// Whether a refused event refuses its call, or is kept to be repaired.
    #[arg(long, value_parser = ["reject", "quarantine"])]
    refused_events: Option<String>,
    /// Region of phone numbers without a country code, such as DE; `none` for none.
    #[arg(long, value_name = "REGION")]
    default_region: Option<String>,
    /// Whether values that look hashed where a hash is wanted are left out and reported, or passed on.
    #[arg(long, value_parser = ["refuse", "pass"])]
    hashed_values: Option<String>,
    /// Whether people on the suppression list are left out of what is delivered and shared.
    #[arg(long, value_parser = ["honour", "ignore"])]
    suppression_list: Option<String>,
    /// Whether events and audience rows whose `contactConsent` says no are left out.
    #[arg(long, value_parser = ["honour", "ignore"])]
    contact_consent: Option<String>,
    /// Whether people are learned from events and audiences, or nothing is kept of them.
    #[arg(long, value_parser = ["on", "off"])]
    identity: Option<String>,
    /// Events that may be published in one second; `none` for as many as are taken.
    #[arg(long, value_name = "EVENTS", value_parser = limit)]
    max_events_per_second: Option<Value>,
    /// Events that may be published in one day (UTC); `none` for as many as are taken.
    #[arg(long, value_name = "EVENTS", value_parser = limit)]
    max_events_per_day: Option<Value>,
}

/// A number, or `none`.
fn limit(text: &str) -> Result<Value, String> {
    match text {
        "none" => Ok(Value::Null),
        _ => match text.parse::<u64>() {
            Ok(number) => Ok(number.into()),
            Err(_) => Err("a number of events, or `none`".to_owned()),
        },
    }
}

impl Choices {
    fn body(self) -> Value {
        let region = self.default_region.map(|region| match region.as_str() {
            "none" => Value::Null,
            _ => Value::String(region),
        });
        let members = [
            ("strictness", self.strictness.map(Value::String)),
            ("refusedEvents", self.refused_events.map(Value::String)),
            ("defaultRegion", region),
            ("hashedValues", self.hashed_values.map(Value::String)),
            ("suppressionList", self.suppression_list.map(Value::String)),
            ("contactConsent", self.contact_consent.map(Value::String)),
            ("identity", self.identity.map(Value::String)),
            ("maxEventsPerSecond", self.max_events_per_second),
            ("maxEventsPerDay", self.max_events_per_day),
        ];
        let given = members.into_iter().filter_map(|(name, value)| {
            let value = value?;
            Some((name.to_owned(), value))
        });
        Value::Object(Map::from_iter(given))
    }
}

impl Verbs for Verb {
    fn request(self) -> Result<Request, CliError> {
        Ok(match self {
            Self::Create {
                name,
                environment,
                choices,
            } => {
                let body =
                    json!({ "name": name, "environment": environment, "policy": choices.body() });
                Request::post("/accounts", body, CREATED)
            }
            Self::List { paging } => Request::get("/accounts", View::List(COLUMNS)).paged(paging),
            Self::Show { id } => Request::get(format!("/accounts/{id}"), ONE),
            Self::Policy { id, choices } => {
                let body = json!({ "policy": choices.body() });
                Request::patch(format!("/accounts/{id}"), body, ONE)
            }
        })
    }
}
