//! `rialto <noun> <verb>`: the command line over `/manage/v1`.
//!
//! A verb becomes one [`Request`] and a [`View`] of its answer; everything else is the same for all: the call
//! (`remote`), what people read (`table`), what programs read (`--json`, the answer as it came) and what is said when it
//! is refused. Exit codes: 0 done, 1 refused or out of reach, 2 not said properly. Called by `main`.

mod access_token;
mod account;
mod application;
mod audit;
mod delivery;
mod event;
mod identity;
mod job;
mod key;
mod member;
mod notice;
mod notification;
mod outbox;
mod partner;
mod password;
mod provider;
mod quarantine;
mod registration;
mod remote;
mod schema_drift;
mod segment;
mod share;
mod status;
mod subscription;
mod supplier_key;
mod suppression;
mod table;
mod test_drive;
mod user;
mod view;

use std::io::Read as _;
use std::process::ExitCode;

use bytes::Bytes;
use clap::{Args, Subcommand};
use http::Method;
use model::AccountId;
use serde_json::Value;

use remote::Remote;
use view::View;

/// What is done to a running exchange.
#[derive(Subcommand)]
pub enum Command {
    /// Companies whose products connect.
    Provider(Noun<provider::Verb>),
    /// Companies on their way from a request to production.
    Partner(Noun<partner::Verb>),
    /// A publisher and a receiver that are built in, for pilot accounts.
    #[command(name = "testdrive")]
    TestDrive(Noun<test_drive::Verb>),
    /// Customers of the exchange.
    Account(Noun<account::Verb>),
    /// Applications: products that their providers define once.
    Application(Noun<application::Verb>),
    /// Endpoints: products, connected on behalf of an account.
    #[command(visible_alias = "endpoint")]
    Registration(Noun<registration::Verb>),
    /// Keys: who may call.
    Key(Noun<key::Verb>),
    /// Which destination gets which event of which publisher.
    Subscription(Noun<subscription::Verb>),
    /// Which audience of one endpoint goes to another, and when.
    Share(Noun<share::Verb>),
    /// What was published, and what became of it.
    Event(Noun<event::Verb>),
    /// People: who is who, and why; rules and filters.
    Identity(Noun<identity::Verb>),
    /// Deliveries in trouble, and sending again.
    Delivery(Noun<delivery::Verb>),
    /// What endpoints are told of their subscriptions.
    Notification(Noun<notification::Verb>),
    /// What others are told: notifications, connect calls and mails.
    Outbox(Noun<outbox::Verb>),
    /// Client ids and secrets that providers gave to the operator.
    SupplierKey(Noun<supplier_key::Verb>),
    /// People who must not be delivered or shared.
    Suppression(Noun<suppression::Verb>),
    /// What works for an account: shares' runs, refreshes, privacy requests.
    Job(Noun<job::Verb>),
    /// Refused events that are kept.
    Quarantine(Noun<quarantine::Verb>),
    /// Attributes that came otherwise than declared.
    SchemaDrift(Noun<schema_drift::Verb>),
    /// Audiences: what endpoints have to share, and to share to.
    Segment(Noun<segment::Verb>),
    /// What the exchange did by itself and people must know.
    Notice(Noun<notice::Verb>),
    /// Who changed what.
    Audit(Noun<audit::Verb>),
    /// People who use the exchange, and oneself.
    User(Noun<user::Verb>),
    /// Who has which role in an account.
    Member(Noun<member::Verb>),
    /// One's own personal access tokens.
    Token(Noun<access_token::Verb>),
    /// One's own sessions.
    Session(Noun<access_token::SessionVerb>),
    /// The exchange at a glance.
    Status(status::Status),
}

/// A noun with its verbs.
#[derive(Args)]
pub struct Noun<V: Subcommand> {
    #[command(flatten)]
    remote: Remote,
    #[command(subcommand)]
    verb: V,
}

/// Whose things are meant.
#[derive(Args)]
pub struct Whose {
    /// The account's id.
    #[arg(long, env = "RIALTO_ACCOUNT", value_name = "ID")]
    account: AccountId,
}

/// Which page of a list.
#[derive(Args)]
pub struct Paging {
    /// Go on where the page before ended: what it said is next.
    #[arg(long, value_name = "NEXT")]
    after: Option<String>,
    /// Items on the page, 1 to 1000.
    #[arg(long, value_name = "N")]
    limit: Option<u32>,
}

/// One call of `/manage/v1` and how its answer is shown.
struct Request {
    method: Method,
    /// Below `/manage/v1`.
    path: String,
    query: Vec<(&'static str, String)>,
    body: Option<Body>,
    view: View,
    /// Whoever has no token may say it too.
    is_public: bool,
}

/// What a call carries.
enum Body {
    Json(Value),
    /// As the file has it.
    Csv(Bytes),
}

impl Request {
    fn new(method: Method, path: impl Into<String>, view: View) -> Self {
        Self {
            method,
            path: path.into(),
            query: Vec::new(),
            body: None,
            view,
            is_public: false,
        }
    }

    fn public(self) -> Self {
        Self {
            is_public: true,
            ..self
        }
    }

    fn get(path: impl Into<String>, view: View) -> Self {
        Self::new(Method::GET, path, view)
    }

    fn post(path: impl Into<String>, body: Value, view: View) -> Self {
        let request = Self::new(Method::POST, path, view);
        Self {
            body: Some(Body::Json(body)),
            ..request
        }
    }

    fn post_csv(path: impl Into<String>, file: Bytes, view: View) -> Self {
        let request = Self::new(Method::POST, path, view);
        Self {
            body: Some(Body::Csv(file)),
            ..request
        }
    }

    fn put(path: impl Into<String>, body: Value, view: View) -> Self {
        let request = Self::new(Method::PUT, path, view);
        Self {
            body: Some(Body::Json(body)),
            ..request
        }
    }

    fn patch(path: impl Into<String>, body: Value, view: View) -> Self {
        let request = Self::new(Method::PATCH, path, view);
        Self {
            body: Some(Body::Json(body)),
            ..request
        }
    }

    fn delete(path: impl Into<String>, sentence: &'static str) -> Self {
        Self::new(Method::DELETE, path, View::Sentence(sentence))
    }

    fn query(mut self, name: &'static str, value: Option<impl ToString>) -> Self {
        self.query
            .extend(value.map(|value| (name, value.to_string())));
        self
    }

    fn paged(self, paging: Paging) -> Self {
        self.query("after", paging.after)
            .query("limit", paging.limit)
    }
}

/// Verbs of a noun.
trait Verbs {
    /// # Errors
    /// A sentence, when what was said cannot become a request (a file that cannot be read).
    fn request(self) -> Result<Request, CliError>;
}

/// `OLD=NEW`, for what is called otherwise on the other side.
fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((one, other)) if !one.is_empty() && !other.is_empty() => {
            Ok((one.to_owned(), other.to_owned()))
        }
        _ => Err("write the name as it comes, `=`, and what it becomes".to_owned()),
    }
}

/// JSON of a file, or (`-`) of the standard input.
fn read_json(path: String) -> Result<Value, CliError> {
    let bytes = read(&path)?;
    serde_json::from_slice(&bytes).map_err(|source| CliError::NotJson { path, source })
}

/// A file, or (`-`) the standard input.
fn read(path: &str) -> Result<Vec<u8>, CliError> {
    let mut bytes = Vec::new();
    let read = if path == "-" {
        std::io::stdin().read_to_end(&mut bytes).map(drop)
    } else {
        std::fs::read(path).map(|found| bytes = found)
    };
    let path = path.to_owned();
    read.map_err(|source| CliError::File { path, source })?;
    Ok(bytes)
}

/// Why a command was not done.
#[derive(Debug, thiserror::Error)]
enum CliError {
    #[error(
        "there is no token: give the operator token (the server printed it at its first start), or one of yours (`rialto user sign-in`), with --token or in RIALTO_OPERATOR_TOKEN"
    )]
    NoToken,
    #[error("`{0}` cannot be the address of a server: write it as http://host:port")]
    Server(String),
    #[error(
        "nothing answers at {server}: start a server there with `rialto serve`, or name another with --server or RIALTO_SERVER"
    )]
    Unreachable {
        server: String,
        #[source]
        source: outbound::Failure,
    },
    #[error("what answers at {0} is no exchange: check --server or RIALTO_SERVER")]
    NotOurs(String),
    #[error("{status} {why}")]
    Refused {
        status: u16,
        why: String,
        /// Place and sentence of each violation.
        errors: Vec<(String, String)>,
    },
    #[error("`{path}` cannot be read")]
    File {
        path: String,
        #[source]
        source: std::io::Error,
    },
    #[error("`{path}` is not JSON")]
    NotJson {
        path: String,
        #[source]
        source: serde_json::Error,
    },
    #[error("the answer cannot be printed")]
    Print(#[source] std::io::Error),
}

impl CliError {
    /// 2 when another command line would do it, 1 when the exchange would not.
    fn exit_code(&self) -> u8 {
        match self {
            Self::NoToken | Self::Server(_) | Self::File { .. } | Self::NotJson { .. } => 2,
            Self::Unreachable { .. } | Self::NotOurs(_) | Self::Refused { .. } | Self::Print(_) => {
                1
            }
        }
    }
}

/// Does one command and says what came of it.
pub async fn run(command: Command) -> ExitCode {
    let (remote, request) = match command {
        Command::Provider(noun) => split(noun),
        Command::Partner(noun) => split(noun),
        Command::TestDrive(noun) => split(noun),
        Command::Account(noun) => split(noun),
        Command::Application(noun) => split(noun),
        Command::Registration(noun) => split(noun),
        Command::Key(noun) => split(noun),
        Command::Subscription(noun) => split(noun),
        Command::Share(noun) => split(noun),
        Command::Event(noun) => split(noun),
        Command::Identity(noun) => split(noun),
        Command::Delivery(noun) => split(noun),
        Command::Notification(noun) => split(noun),
        Command::Outbox(noun) => split(noun),
        Command::SupplierKey(noun) => split(noun),
        Command::Suppression(noun) => split(noun),
        Command::Job(noun) => split(noun),
        Command::Quarantine(noun) => split(noun),
        Command::SchemaDrift(noun) => split(noun),
        Command::Segment(noun) => split(noun),
        Command::Notice(noun) => split(noun),
        Command::Audit(noun) => split(noun),
        Command::User(noun) => split(noun),
        Command::Member(noun) => split(noun),
        Command::Token(noun) => split(noun),
        Command::Session(noun) => split(noun),
        Command::Status(status) => status.split(),
    };
    match done(&remote, request).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            ExitCode::from(error.exit_code())
        }
    }
}

fn split<V: Subcommand + Verbs>(noun: Noun<V>) -> (Remote, Result<Request, CliError>) {
    (noun.remote, noun.verb.request())
}

async fn done(remote: &Remote, request: Result<Request, CliError>) -> Result<(), CliError> {
    let request = request?;
    let answer = remote.call(&request).await?;
    let text = if remote.is_json() && !matches!(request.view, View::Raw) {
        format!("{answer:#}\n")
    } else {
        request.view.show(&answer)
    };
    view::print(&text).map_err(CliError::Print)
}

/// The error, each violation with its place, and the causes, one a line.
fn complain(error: &CliError) {
    eprintln!("rialto: {error}");
    if let CliError::Refused { errors, .. } = error {
        for (pointer, message) in errors {
            let place = if pointer.is_empty() { "/" } else { pointer };
            eprintln!("  {place}: {message}");
        }
    }
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        eprintln!("  because: {error}");
        cause = error.source();
    }
}
