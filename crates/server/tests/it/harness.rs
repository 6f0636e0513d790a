//! Starts the real server in a temporary directory and speaks to it as partners, operators and browsers do.

mod binary;
pub(crate) mod browser;
mod curl;
mod http;
pub(crate) mod mix;
pub(crate) mod oidc;
pub(crate) mod page;
pub(crate) mod people;
mod process;
mod raw;
mod receiver;
pub(crate) mod scene;
pub(crate) mod token_server;
pub(crate) mod traffic;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use engine::{Clock, Faults, ManualClock};
use jiff::Timestamp;
use model::{AccountId, AccountPolicy, EndpointId, Environment};
use serde_json::{Value, json};
use server::config::Config;
use server::{Extras, Server};

pub(crate) use binary::{Binary, memory_peak_bytes};
pub(crate) use http::{Answer, Http};
pub(crate) use mix::embedded_only;
pub(crate) use process::{Launch, Process, rialto, run, said, wait};
pub(crate) use raw::{Raw, call};
pub(crate) use receiver::{Receiver, Reply, Request};
pub(crate) use token_server::TokenServer;

/// The operator token of every test hub.
pub(crate) const TOKEN: &str = "t";

/// A running server and everything a test needs around it.
pub(crate) struct TestHub {
    pub(crate) server: Server,
    pub(crate) clock: ManualClock,
    pub(crate) faults: Faults,
    pub(crate) http: Http,
    /// The data directory; empty the option to keep it over a restart.
    directory: Arc<tempfile::TempDir>,
}

/// An endpoint that a test registered.
#[derive(Clone)]
pub(crate) struct TestEndpoint {
    pub(crate) id: EndpointId,
    pub(crate) key: String,
}

/// An account that a test opened.
#[derive(Clone)]
pub(crate) struct TestAccount {
    pub(crate) id: AccountId,
    pub(crate) key: String,
}

/// Noon of a believable day.
pub(crate) fn noon() -> Timestamp {
    "2026-03-02T12:00:00Z".parse().expect("a timestamp")
}

impl TestHub {
    /// A fresh hub with the defaults, private destinations allowed; work is stepped with [`TestHub::settle`].
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// The same with another configuration.
    pub(crate) async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let directory = Arc::new(tempfile::tempdir().expect("a directory"));
        Self::open(directory, ManualClock::new(noon()), change).await
    }

    /// At the time it really is: for a directory that a real process takes over.
    pub(crate) async fn start_today() -> Self {
        let directory = Arc::new(tempfile::tempdir().expect("a directory"));
        Self::open(directory, ManualClock::new(Clock::System.now()), |_| {}).await
    }

    /// The same on a directory for which engines are noted.
    pub(crate) async fn open_today(directory: Arc<tempfile::TempDir>) -> Self {
        Self::open(directory, ManualClock::new(Clock::System.now()), |_| {}).await
    }

    /// On such a directory, with the work running by itself.
    #[cfg(feature = "distributed")]
    pub(crate) async fn run_on(directory: Arc<tempfile::TempDir>) -> Self {
        Self::open_as(directory, ManualClock::new(noon()), false, |_| {}).await
    }

    /// The same on the machine's clock, with the work running by itself.
    pub(crate) async fn run_with(change: impl FnOnce(&mut Config)) -> Self {
        let directory = Arc::new(tempfile::tempdir().expect("a directory"));
        let clock = ManualClock::new(noon());
        Self::open_as(directory, clock, false, change).await
    }

    /// On a directory that another hub has left, its data in `data`.
    pub(crate) async fn open(
        directory: Arc<tempfile::TempDir>,
        clock: ManualClock,
        change: impl FnOnce(&mut Config),
    ) -> Self {
        Self::open_as(directory, clock, true, change).await
    }

    async fn open_as(
        directory: Arc<tempfile::TempDir>,
        clock: ManualClock,
        is_stepped: bool,
        change: impl FnOnce(&mut Config),
    ) -> Self {
        let settings = mix::settings(directory.path());
        let given = |name: &str| settings.iter().find(|(set, _)| *set == name);
        let config = Config::load(None, |name| given(name).map(|(_, value)| value.clone()));
        let mut config = config.expect("the defaults are sound");
        config.server.data = directory.path().join("data");
        config.server.listen = ([127, 0, 0, 1], 0).into();
        config.server.pilot_listen = ([127, 0, 0, 1], 0).into();
        config.server.shutdown_patience = server::config::Duration(Duration::from_secs(5));
        config.delivery.allow_private_destinations = true;
        config.operator_token = Some(model::Secret::new(TOKEN));
        change(&mut config);
        let faults = Faults::default();
        let extras = Extras {
            clock: if is_stepped {
                Clock::Manual(clock.clone())
            } else {
                Clock::System
            },
            faults: faults.clone(),
            is_stepped,
        };
        let server = Server::start(&config, extras)
            .await
            .expect("the server starts");
        let lease = config.processes.lease.0;
        if config.engines.is_shared() && is_stepped {
            take_over(&server.hub, &clock, lease).await;
        }
        let http = Http::new(server.address);
        Self {
            server,
            clock,
            faults,
            http,
            directory,
        }
    }

    /// Stops the hub in order and starts it again on the same directory at the same time of the clock.
    pub(crate) async fn restart(self) -> Self {
        let Self {
            server,
            clock,
            directory,
            ..
        } = self;
        server.stop().await;
        Self::open(directory, clock, |_| {}).await
    }

    /// Stops in order, and keeps the directory.
    pub(crate) async fn stop(self) -> Arc<tempfile::TempDir> {
        let Self {
            server, directory, ..
        } = self;
        server.stop().await;
        directory
    }

    /// What a kill does: nothing more is saved. Then starts again on the same directory.
    pub(crate) async fn crash(self) -> Self {
        let Self {
            server,
            clock,
            http,
            directory,
            ..
        } = self;
        // The client's idle connections keep the hub alive.
        drop(http);
        drop(server);
        Self::open(directory, clock, |_| {}).await
    }

    /// Stops the hub in order and leaves its directory (`data` in it) to a process of its own.
    pub(crate) async fn leave(self) -> Arc<tempfile::TempDir> {
        self.server.stop().await;
        self.directory
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Speaks to the pilot address.
    pub(crate) fn pilot(&self) -> Http {
        Http::new(self.server.pilot_address)
    }

    /// Works until nothing can be done at this moment of the clock.
    pub(crate) async fn settle(&self) {
        self.server.hub.settle().await.expect("the hub settles");
    }

    /// Moves the clock, then works.
    pub(crate) async fn pass(&self, time: Duration) {
        self.clock.advance(time);
        self.settle().await;
    }

    /// A call of `/manage/v1` as the operator.
    pub(crate) async fn manage(&self, method: &str, path: &str, body: Value) -> Answer {
        let body = if body.is_null() { None } else { Some(body) };
        self.http
            .json(method, &format!("/manage/v1{path}"), Some(TOKEN), body)
            .await
    }

    /// A production account; the provider `Acme` is known from then on.
    pub(crate) async fn account(&self) -> TestAccount {
        self.account_in(Environment::Production, AccountPolicy::default())
            .await
    }

    pub(crate) async fn account_in(
        &self,
        environment: Environment,
        policy: AccountPolicy,
    ) -> TestAccount {
        let hub = &self.server.hub;
        // A second account finds the provider there already.
        let _ = hub.provider_create(&hub::Actor::OPERATOR, "Acme").await;
        let opened = hub
            .account_create(&hub::Actor::OPERATOR, "Shop", environment, &policy)
            .await;
        let (account, key) = opened.expect("an account");
        TestAccount {
            id: account.id,
            key: key.expose().to_owned(),
        }
    }

    /// A user's registration: an endpoint that is PENDING, and its key.
    pub(crate) async fn register(&self, account: &TestAccount) -> TestEndpoint {
        let registered = self
            .server
            .hub
            .endpoint_register(&hub::Actor::OPERATOR, hub::Scope(account.id))
            .await;
        let (endpoint, key) = registered.expect("a registration");
        TestEndpoint {
            id: endpoint.id,
            key: key.expose().to_owned(),
        }
    }

    /// Registered and described with `PUT /v1/endpoint`.
    pub(crate) async fn endpoint(&self, account: &TestAccount, definition: Value) -> TestEndpoint {
        let endpoint = self.register(account).await;
        let scope = hub::Scope(account.id);
        let actor = hub::Actor::endpoint(endpoint.id);
        let defined = self
            .server
            .hub
            .endpoint_define(&actor, scope, endpoint.id, &definition)
            .await;
        defined.expect("the definition is sound");
        endpoint
    }

    /// A publisher named `Web shop` with the identifiers `email` and `cookie`, and these event types.
    pub(crate) async fn publisher(&self, account: &TestAccount, codes: &[&str]) -> TestEndpoint {
        let endpoint = self.endpoint(account, publisher_definition()).await;
        for code in codes {
            self.event_type(account, &endpoint, json!({ "code": code, "name": code, "attributes": [
                { "name": "orderTotal", "type": "number" }, { "name": "currency", "type": "string" },
            ] }))
            .await;
        }
        endpoint
    }

    pub(crate) async fn event_type(
        &self,
        account: &TestAccount,
        endpoint: &TestEndpoint,
        body: Value,
    ) {
        let actor = hub::Actor::endpoint(endpoint.id);
        let scope = hub::Scope(account.id);
        let registered = self
            .server
            .hub
            .event_type_register(&actor, scope, endpoint.id, &body)
            .await;
        registered.expect("the event type is sound");
    }

    /// A push destination at `url`.
    pub(crate) async fn push_destination(&self, account: &TestAccount, url: &str) -> TestEndpoint {
        self.endpoint(
            account,
            destination_definition(url, json!({ "enabled": true, "destinationType": "push" })),
        )
        .await
    }

    /// A pull destination.
    pub(crate) async fn pull_destination(&self, account: &TestAccount) -> TestEndpoint {
        self.endpoint(
            account,
            destination_definition("", json!({ "enabled": true, "destinationType": "pull" })),
        )
        .await
    }

    pub(crate) async fn subscribe(
        &self,
        account: &TestAccount,
        publisher: &TestEndpoint,
        code: &str,
        destination: &TestEndpoint,
    ) {
        let new = hub::subscription::NewSubscription {
            publisher: publisher.id,
            code: code.to_owned(),
            namespace: None,
            destination: destination.id,
        };
        let created = self
            .server
            .hub
            .subscription_create(&hub::Actor::OPERATOR, hub::Scope(account.id), new)
            .await;
        created.expect("a subscription");
    }

    /// `POST /v1/event`
    pub(crate) async fn publish(&self, publisher: &TestEndpoint, body: Value) -> Answer {
        self.http
            .json("POST", "/v1/event", Some(&publisher.key), Some(body))
            .await
    }

    /// The same for a body that must be taken; answers the publication's id.
    pub(crate) async fn published(&self, publisher: &TestEndpoint, body: Value) -> String {
        let answer = self.publish(publisher, body).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["publicationId"]
            .as_str()
            .expect("an id")
            .to_owned()
    }
}

/// On shared engines a hub that was here before may have been killed: its shards are taken over, as they would be when a
/// lease has passed, and the clock stands where it stood.
async fn take_over(hub: &hub::Hub, clock: &ManualClock, lease: Duration) {
    let now = clock.now();
    for _ in 0..3 {
        let report = hub.lease().await.expect("the database answers");
        if report.held == mix::SHARDS {
            break;
        }
        clock.advance(lease);
    }
    clock.set(now);
}

/// A `PUT /v1/endpoint` body of a publisher.
pub(crate) fn publisher_definition() -> Value {
    json!({
        "name": "Web shop", "providerName": "Acme",
        "endpointTypes": { "event": { "source": { "enabled": true } } },
        "marketingDatabasesDefinition": { "marketingDatabases": [{ "name": "shop", "identifiers": [
            { "name": "email", "type": "email", "isCaseSensitive": false },
            { "name": "cookie", "type": "cookie" },
            { "name": "phone", "type": "phone" },
        ] }] },
    })
}

/// A `PUT /v1/endpoint` body of a destination for events without identifiers of its own.
#[expect(clippy::needless_pass_by_value, reason = "tests pass literals")]
pub(crate) fn destination_definition(url: &str, role: Value) -> Value {
    json!({ "name": "CRM", "providerName": "Acme", "url": url, "endpointTypes": { "event": { "destination": role } } })
}

/// An individual event about a person.
pub(crate) fn event(code: &str, email: &str, order_total: i64) -> Value {
    json!({
        "channel": "web",
        "identifiers": [{ "name": "email", "value": email }],
        "events": [{ "code": code, "timestamp": "2026-03-02T11:59:58.125Z",
                     "attributes": [{ "name": "orderTotal", "value": order_total, "type": "number" }] }],
    })
}
