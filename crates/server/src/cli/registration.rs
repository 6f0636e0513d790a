//! `rialto registration …`, also `rialto endpoint …`

use clap::Subcommand;
use http::Method;
use model::{AccountId, EndpointId};
use serde_json::json;

use super::view::{Column, View};
use super::{CliError, Paging, Request, Verbs, Whose};

const COLUMNS: &[Column] = &[
    ("ID", "/id"),
    ("NAME", "/name"),
    ("STATUS", "/status"),
    ("ENABLED", "/enabled"),
    ("WAITING", "/standing/waiting"),
    ("RETRYING", "/standing/retrying"),
    ("LAG s", "/standing/lagSeconds"),
    ("CIRCUIT", "/standing/circuit"),
];
const ONE: View = View::One(&[
    ("id", "/id"),
    ("name", "/name"),
    ("status", "/status"),
    ("enabled", "/enabled"),
    ("disabled because", "/disabledReason"),
    ("failed because", "/failureReason"),
    ("provider", "/definition/providerName"),
    ("url", "/definition/url"),
    ("publishes events", "/definition/eventSource/transfer"),
    ("gets events", "/definition/eventDestination/transfer"),
    ("gets them at", "/definition/eventDestination/url"),
    ("waiting", "/standing/waiting"),
    ("retrying", "/standing/retrying"),
    ("in flight", "/standing/inFlight"),
    ("lag in seconds", "/standing/lagSeconds"),
    ("circuit", "/standing/circuit"),
    ("delivered", "/standing/delivered"),
    ("registered", "/createdAt"),
    ("changed", "/updatedAt"),
]);
const CREATED: View = View::Once(&[
    ("endpoint", "/endpointId"),
    ("endpoint key", "/endpointKey"),
    ("status", "/status"),
]);
const SECRETS: View = View::One(&[("newest", "/secrets/0"), ("before", "/secrets/1")]);

#[derive(Subcommand)]
pub enum Verb {
    /// Register an endpoint; its key, for the provider, is printed this once.
    Create {
        #[command(flatten)]
        whose: Whose,
    },
    /// List endpoints, deleted ones included.
    List {
        #[command(flatten)]
        whose: Whose,
        #[command(flatten)]
        paging: Paging,
    },
    /// Show an endpoint and how it stands.
    Show {
        #[command(flatten)]
        whose: Whose,
        id: EndpointId,
    },
    /// Let events go to an endpoint again.
    Enable {
        #[command(flatten)]
        whose: Whose,
        id: EndpointId,
    },
    /// Stop an endpoint: what is published meanwhile is not its.
    Disable {
        #[command(flatten)]
        whose: Whose,
        id: EndpointId,
    },
    /// Delete an endpoint for good; its subscriptions end.
    Delete {
        #[command(flatten)]
        whose: Whose,
        id: EndpointId,
    },
    /// Show the secrets that pushes to an endpoint are signed with.
    Secret {
        #[command(flatten)]
        whose: Whose,
        id: EndpointId,
    },
    /// Make a new signing secret; the one before stays valid until the next rotation.
    RotateSecret {
        #[command(flatten)]
        whose: Whose,
        id: EndpointId,
    },
}

fn path(account: AccountId, id: EndpointId) -> String {
    format!("/accounts/{account}/endpoints/{id}")
}

fn enable(account: AccountId, id: EndpointId, enabled: bool) -> Request {
    Request::patch(path(account, id), json!({ "enabled": enabled }), ONE)
}

impl Verbs for Verb {
    fn request(self) -> Result<Request, CliError> {
        Ok(match self {
            Self::Create { whose } => {
                let path = format!("/accounts/{}/registrations", whose.account);
                Request::post(path, json!({}), CREATED)
            }
            Self::List { whose, paging } => {
                let path = format!("/accounts/{}/endpoints", whose.account);
                Request::get(path, View::List(COLUMNS)).paged(paging)
            }
            Self::Show { whose, id } => Request::get(path(whose.account, id), ONE),
            Self::Enable { whose, id } => enable(whose.account, id, true),
            Self::Disable { whose, id } => enable(whose.account, id, false),
            Self::Delete { whose, id } => {
                Request::delete(path(whose.account, id), "The endpoint is deleted.")
            }
            Self::Secret { whose, id } => {
                let path = format!("{}/webhooksecret", path(whose.account, id));
                Request::get(path, SECRETS)
            }
            Self::RotateSecret { whose, id } => {
                let path = format!("{}/webhooksecret/rotate", path(whose.account, id));
                Request::new(Method::POST, path, SECRETS)
            }
        })
    }
}
