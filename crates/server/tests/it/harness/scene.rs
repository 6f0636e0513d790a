//! The scene of most delivery tests: a shop that publishes `buy`, and subscribers with receivers of their own.

use std::time::Duration;

use hub::delivery::{ReplayFilter, ReplayReport};
use hub::{Actor, Scope};
use model::EventRef;
use serde_json::{Value, json};
use server::config::Config;
use store::delivery::{Exception, ExceptionState};

use super::mix;
use super::{Receiver, Request, TestAccount, TestEndpoint, TestHub, destination_definition, event};

/// The one event code of the scene.
pub(crate) const BUY: &str = "buy";

pub(crate) struct Scene {
    pub(crate) hub: TestHub,
    pub(crate) account: TestAccount,
    pub(crate) shop: TestEndpoint,
}

/// A push destination that subscribes to everything, and what it receives.
pub(crate) struct Subscriber {
    pub(crate) endpoint: TestEndpoint,
    pub(crate) receiver: Receiver,
}

impl Scene {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub(crate) async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        Self::of(TestHub::start_with(change).await).await
    }

    /// On the machine's clock, with the work running by itself.
    pub(crate) async fn run(change: impl FnOnce(&mut Config)) -> Self {
        Self::of(TestHub::run_with(change).await).await
    }

    /// On a hub that runs.
    pub(crate) async fn of(hub: TestHub) -> Self {
        let account = hub.account().await;
        let shop = hub.publisher(&account, &[BUY]).await;
        Self { hub, account, shop }
    }

    pub(crate) async fn subscriber(&self) -> Subscriber {
        self.subscriber_with(json!({})).await
    }

    /// With further members of `endpointTypes.event.destination`, such as `order`.
    pub(crate) async fn subscriber_with(&self, mut role: Value) -> Subscriber {
        let receiver = Receiver::start().await;
        role["enabled"] = true.into();
        let definition = destination_definition(&receiver.url(), role);
        let endpoint = self.hub.endpoint(&self.account, definition).await;
        self.subscribe(&endpoint).await;
        Subscriber { endpoint, receiver }
    }

    pub(crate) async fn subscribe(&self, endpoint: &TestEndpoint) {
        self.hub
            .subscribe(&self.account, &self.shop, BUY, endpoint)
            .await;
    }

    /// Somebody buys for so much.
    pub(crate) async fn buy(&self, who: &str, order_total: i64) -> EventRef {
        let id = self
            .hub
            .published(&self.shop, event(BUY, who, order_total))
            .await;
        id.parse().expect("an id")
    }

    /// The same again and again, each time by a person of their own.
    pub(crate) async fn buys(&self, order_totals: std::ops::Range<i64>) -> Vec<EventRef> {
        let mut events = Vec::new();
        for order_total in order_totals {
            let who = format!("{order_total}@example.com");
            events.push(self.buy(&who, order_total).await);
        }
        events
    }

    pub(crate) async fn settle(&self) {
        self.hub.settle().await;
    }

    pub(crate) async fn pass(&self, time: Duration) {
        self.hub.pass(time).await;
    }

    pub(crate) async fn restart(self) -> Self {
        let hub = self.hub.restart().await;
        Self { hub, ..self }
    }

    pub(crate) async fn crash(self) -> Self {
        let hub = self.hub.crash().await;
        Self { hub, ..self }
    }

    pub(crate) fn scope(&self) -> Scope {
        Scope(self.account.id)
    }

    /// `pending`, `retrying`, `dead`, `delivered` or `withheld`; empty when the event is not the destination's.
    pub(crate) async fn state(&self, event: EventRef, at: &TestEndpoint) -> &'static str {
        let view = self.hub.server.hub.event(self.scope(), event).await;
        let deliveries = view.expect("the log has it").deliveries;
        let found = deliveries.iter().find(|d| d.endpoint == at.id);
        found.map_or("", |delivery| delivery.state.as_str())
    }

    /// Deliveries in trouble.
    pub(crate) async fn exceptions(&self, state: ExceptionState) -> Vec<Exception> {
        let hub = &self.hub.server.hub;
        let listed = hub
            .exceptions(self.scope(), Some(state), None, (None, 10_000))
            .await;
        let listed = listed.expect("a list");
        listed.into_iter().map(|(exception, _)| exception).collect()
    }

    pub(crate) async fn dead(&self) -> Vec<Exception> {
        self.exceptions(ExceptionState::Dead).await
    }

    pub(crate) async fn retrying(&self) -> Vec<Exception> {
        self.exceptions(ExceptionState::Retrying).await
    }

    pub(crate) async fn enable(&self, endpoint: &TestEndpoint, enabled: bool) {
        let hub = &self.hub.server.hub;
        let switched = hub.endpoint_enable(&Actor::OPERATOR, self.scope(), endpoint.id, enabled);
        assert!(switched.await.expect("switched"), "it was so already");
    }

    pub(crate) async fn replay(&self, filter: ReplayFilter) -> ReplayReport {
        let hub = &self.hub.server.hub;
        let replayed = hub.replay(&Actor::OPERATOR, self.scope(), &filter, false);
        replayed.await.expect("replayed")
    }

    /// What the exchange has told people.
    pub(crate) async fn notices(&self) -> Vec<String> {
        let page = hub::Page {
            after: 0,
            limit: 100,
        };
        let notices = self.hub.server.hub.notices(self.scope(), page).await;
        let notices = notices.expect("notices");
        notices.into_iter().map(|notice| notice.kind).collect()
    }

    /// All rows of all tables but those of the log.
    pub(crate) async fn rows(&self) -> i64 {
        let settings = mix::settings(self.hub.directory());
        let url = settings
            .iter()
            .find(|(name, _)| *name == "RIALTO_ENGINES_DB");
        let (db, tables) = match url {
            None => {
                let path = self.hub.directory().join("data/rialto.db");
                let tables = "SELECT name FROM sqlite_master WHERE type = 'table'";
                (engine::Db::open_sqlite(&path).await, tables)
            }
            Some((_, url)) => {
                let tables = "SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public' AND tablename NOT LIKE 'log%'";
                (engine::Db::open_postgres(url).await, tables)
            }
        };
        let mut tx = db
            .expect("the database")
            .read()
            .await
            .expect("a transaction");
        let mut rows = 0;
        for table in tx.rows(tables, &[]).await.expect("tables") {
            let name: String = table.get("name").expect("a name");
            let count = format!("SELECT COUNT(*) AS n FROM \"{name}\"");
            rows += tx.rows(&count, &[]).await.expect("a count")[0]
                .get::<i64>("n")
                .expect("a number");
        }
        rows
    }
}

impl Subscriber {
    /// The order totals received so far, in order.
    pub(crate) fn totals(&self) -> Vec<i64> {
        totals(&self.receiver.requests())
    }

    /// The order totals received so far about one person, in order.
    pub(crate) fn totals_of(&self, who: &str) -> Vec<i64> {
        let requests = self.receiver.requests();
        let theirs: Vec<Request> = requests
            .into_iter()
            .filter(|request| person(request) == who)
            .collect();
        totals(&theirs)
    }

    /// The same in rising order, each once.
    pub(crate) fn distinct(&self) -> Vec<i64> {
        let mut totals = self.totals();
        totals.sort_unstable();
        totals.dedup();
        totals
    }
}

/// Whom the document of a push is about.
pub(crate) fn person(request: &Request) -> String {
    let body = request.json();
    body["identifiers"][0]["value"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

/// The order total of a push's event.
pub(crate) fn total(request: &Request) -> i64 {
    total_in(&request.json())
}

/// The order total in a document.
pub(crate) fn total_in(document: &Value) -> i64 {
    let value = &document["events"][0]["attributes"][0]["value"];
    value
        .as_str()
        .and_then(|text| text.parse().ok())
        .expect("an order total")
}

fn totals(requests: &[Request]) -> Vec<i64> {
    requests.iter().map(total).collect()
}
