//! `rialto registration …`, also `rialto endpoint …`

use clap::Subcommand;
use http::Method;
use model::{AccountId, ApplicationId, DeploymentId, EndpointId};
use serde_json::json;

use super::view::{Column, View};
use super::{CliError, Paging, Request, Verbs, Whose, read_json};

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
    ("application", "/madeFrom/applicationName"),
    ("deployment", "/madeFrom/deploymentId"),
    ("call to its provider", "/madeFrom/connect/state"),
    ("made so often", "/madeFrom/connect/attempts"),
    ("made again", "/madeFrom/connect/nextAttemptAt"),
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
        /// The application that it is made from (`rialto application list`).
        #[arg(long, value_name = "ID")]
        application: Option<ApplicationId>,
        /// One of the application's deployments, when it has several.
        #[arg(long, value_name = "ID", requires = "application")]
        deployment: Option<DeploymentId>,
        /// An answer to a prompt; others on this machine may see it, so passwords go into a file.
        #[arg(long = "value", value_name = "NAME=VALUE", value_parser = answer, requires = "application")]
        values: Vec<(String, String)>,
        /// JSON with more answers, by their names; `-` reads the standard input.
        #[arg(long, value_name = "PATH", requires = "application")]
        values_file: Option<String>,
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

fn answer(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write the prompt's name, `=`, and the answer".to_owned()),
    }
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
            Self::Create {
                whose,
                application,
                deployment,
                values,
                values_file,
            } => {
                let path = format!("/accounts/{}/registrations", whose.account);
                let mut body = json!({});
                if let Some(application) = application {
                    let mut answers = match values_file {
                        Some(file) => read_json(file)?,
                        None => json!({}),
                    };
                    if let Some(answers) = answers.as_object_mut() {
                        answers
                            .extend(values.into_iter().map(|(name, value)| (name, value.into())));
                    }
                    body = json!({ "applicationId": application, "deploymentId": deployment, "values": answers });
                }
                Request::post(path, body, CREATED)
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
