//! `rialto subscription …`

use clap::Subcommand;
use model::{AccountId, EndpointId, SubscriptionId};
use serde_json::json;

use super::view::{Column, View};
use super::{CliError, Paging, Request, Verbs, Whose};

const COLUMNS: &[Column] = &[
    ("ID", "/id"),
    ("PUBLISHER", "/publisherEndpointId"),
    ("EVENT", "/eventCode"),
    ("NAMESPACE", "/namespace"),
    ("DESTINATION", "/destinationEndpointId"),
    ("ENABLED", "/enabled"),
];
const ONE: View = View::One(&[
    ("id", "/id"),
    ("publisher", "/publisherEndpointId"),
    ("event", "/eventCode"),
    ("namespace", "/namespace"),
    ("destination", "/destinationEndpointId"),
    ("enabled", "/enabled"),
]);

#[derive(Subcommand)]
pub enum Verb {
    /// Subscribe a destination to an event of a publisher, from now on.
    Create {
        #[command(flatten)]
        whose: Whose,
        /// The publishing endpoint.
        #[arg(long, value_name = "ID")]
        publisher: EndpointId,
        /// The event's code.
        #[arg(long, value_name = "CODE")]
        event: String,
        /// The endpoint that gets it.
        #[arg(long, value_name = "ID")]
        destination: EndpointId,
        /// Only the code of this namespace.
        #[arg(long)]
        namespace: Option<String>,
    },
    /// List subscriptions.
    List {
        #[command(flatten)]
        whose: Whose,
        #[command(flatten)]
        paging: Paging,
    },
    /// Show a subscription.
    Show {
        #[command(flatten)]
        whose: Whose,
        id: SubscriptionId,
    },
    /// Let events through again.
    Enable {
        #[command(flatten)]
        whose: Whose,
        id: SubscriptionId,
    },
    /// Stop it: what is published meanwhile is not the destination's.
    Disable {
        #[command(flatten)]
        whose: Whose,
        id: SubscriptionId,
    },
    /// End it; what was published before is still delivered.
    Delete {
        #[command(flatten)]
        whose: Whose,
        id: SubscriptionId,
    },
}

fn path(account: AccountId, id: SubscriptionId) -> String {
    format!("/accounts/{account}/subscriptions/{id}")
}

fn enable(account: AccountId, id: SubscriptionId, enabled: bool) -> Request {
    Request::patch(path(account, id), json!({ "enabled": enabled }), ONE)
}

impl Verbs for Verb {
    fn request(self) -> Result<Request, CliError> {
        Ok(match self {
            Self::Create {
                whose,
                publisher,
                event,
                destination,
                namespace,
            } => {
                let path = format!("/accounts/{}/subscriptions", whose.account);
                let body = json!({
                    "publisherEndpointId": publisher, "eventCode": event,
                    "destinationEndpointId": destination, "namespace": namespace,
                });
                Request::post(path, body, ONE)
            }
            Self::List { whose, paging } => {
                let path = format!("/accounts/{}/subscriptions", whose.account);
                Request::get(path, View::List(COLUMNS)).paged(paging)
            }
            Self::Show { whose, id } => Request::get(path(whose.account, id), ONE),
            Self::Enable { whose, id } => enable(whose.account, id, true),
            Self::Disable { whose, id } => enable(whose.account, id, false),
            Self::Delete { whose, id } => {
                Request::delete(path(whose.account, id), "The subscription is ended.")
            }
        })
    }
}
