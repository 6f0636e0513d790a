//! `rialto testdrive …`

use clap::Subcommand;
use model::EndpointId;
use serde_json::json;

use super::view::View;
use super::{CliError, Paging, Request, Verbs, Whose};

const ONE: View = View::One(&[
    ("publisher", "/publisherEndpointId"),
    ("receiver", "/receiverEndpointId"),
    ("receiver answers", "/answer"),
]);
const SAID: View = View::One(&[
    ("sent", "/sent"),
    ("status", "/status"),
    ("answer", "/answer"),
]);
const PUSHES: View = View::List(&[
    ("ID", "/id"),
    ("AT", "/sentAt"),
    ("ENDPOINT", "/endpointId"),
    ("STATUS", "/status"),
    ("FAILURE", "/failure"),
    ("TEXT", "/text"),
    ("HEADERS", "/headers"),
    ("BODY", "/body"),
]);

#[derive(Subcommand)]
pub enum Verb {
    /// Make a publisher and a receiver that are built in, in a pilot account.
    Start {
        #[command(flatten)]
        whose: Whose,
    },
    /// Show the endpoints of the test drive, and how its receiver answers.
    Show {
        #[command(flatten)]
        whose: Whose,
    },
    /// Tell the receiver how to answer: a status from 200 to 599, or `timeout`.
    Answer {
        #[command(flatten)]
        whose: Whose,
        answer: String,
    },
    /// Let the publisher publish an event of the catalog, and show what it is answered.
    Publish {
        #[command(flatten)]
        whose: Whose,
        /// Such as `cartAdd`.
        code: String,
        /// What is to be wrong with it, such as `no-channel`.
        #[arg(long)]
        mistake: Option<String>,
        /// Is subscribed to the event first, if it is not.
        #[arg(long, value_name = "ENDPOINT")]
        destination: Option<EndpointId>,
    },
    /// The last pushes, word for word.
    Pushes {
        #[command(flatten)]
        whose: Whose,
        /// Only those to this endpoint.
        #[arg(long)]
        endpoint: Option<EndpointId>,
        #[command(flatten)]
        paging: Paging,
    },
}

impl Verbs for Verb {
    fn request(self) -> Result<Request, CliError> {
        let at = |whose: Whose, what: &str| format!("/accounts/{}/testdrive{what}", whose.account);
        Ok(match self {
            Self::Start { whose } => Request::post(at(whose, ""), json!({}), ONE),
            Self::Show { whose } => Request::get(at(whose, ""), ONE),
            Self::Answer { whose, answer } => {
                Request::put(at(whose, "/answer"), json!({ "answer": answer }), ONE)
            }
            Self::Publish {
                whose,
                code,
                mistake,
                destination,
            } => {
                let body = json!({ "code": code, "mistake": mistake, "destinationEndpointId": destination });
                Request::post(at(whose, "/publish"), body, SAID)
            }
            Self::Pushes {
                whose,
                endpoint,
                paging,
            } => Request::get(at(whose, "/pushes"), PUSHES)
                .query("endpointId", endpoint)
                .paged(paging),
        })
    }
}
