//! Several processes on the same engines: they share the shards, follow each other's changes, do what the others ask,
//! and cannot do harm when they were taken for dead. Here as hubs in one process, each of which is stepped.

use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::{Blobs, Clock, Db, Log, LogOptions, ManualClock};
use hub::delivery::ReplayFilter;
use hub::shard::Shard;
use hub::subscription::NewSubscription;
use hub::{Actor, Engines, Hub, Options, Scope};
use model::{AccountPolicy, EndpointId, Environment};
use serde_json::json;
use store::vault::Vault;

use crate::harness::{Receiver, Reply, destination_definition, event, noon, publisher_definition};

const BUY: &str = "buy";
const SHARDS: u32 = 4;
const LEASE: Duration = Duration::from_secs(5);
/// How long a reader waits for another process to close a file.
const WAITED_FOR: Duration = Duration::from_secs(3);

/// What the processes share.
struct Shared {
    directory: tempfile::TempDir,
    db: Db,
    logs: Vec<Log>,
    blobs: Blobs,
    clock: ManualClock,
}

impl Shared {
    async fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path();
        let clock = ManualClock::new(noon());
        let db = Db::open_sqlite(&path.join("rialto.db")).await;
        let mut logs = Vec::new();
        for shard in 0..SHARDS {
            let path = path.join(format!("log-{shard}.db"));
            let log =
                Log::open_sqlite(&path, LogOptions::default(), Clock::Manual(clock.clone())).await;
            logs.push(log.expect("a log"));
        }
        Self {
            db: db.expect("a database"),
            logs,
            blobs: Blobs::open_directory(&path.join("blobs"))
                .await
                .expect("blobs"),
            directory,
            clock,
        }
    }

    async fn process(&self) -> Arc<Hub> {
        self.process_as("api,flow").await
    }

    async fn process_as(&self, roles: &str) -> Arc<Hub> {
        let mut options = Options::default();
        options.processes.is_shared = true;
        options.processes.lease = LEASE;
        options.processes.roles = roles.to_owned();
        options.outbound.guard.allow_private = true;
        let engines = Engines {
            db: self.db.clone(),
            logs: self.logs.clone(),
            blobs: self.blobs.clone(),
            clock: Clock::Manual(self.clock.clone()),
            vault: Vault::open_file(&self.directory.path().join("secret.key")).expect("a key"),
        };
        let metrics = hub::metrics::Metrics::new();
        Hub::open(engines, options, metrics).await.expect("a hub")
    }
}

/// A shop that publishes, and a pull subscriber, of one account.
struct Shop {
    scope: Scope,
    shop: EndpointId,
    reader: EndpointId,
}

/// Asked for at `hub`.
async fn shop(hub: &Arc<Hub>) -> Shop {
    let operator = Actor::OPERATOR;
    let _ = hub.provider_create(&operator, "Acme").await;
    let policy = AccountPolicy::default();
    let account = hub.account_create(&operator, "Shop", Environment::Production, &policy);
    let scope = Scope(account.await.expect("an account").0.id);
    let shop = endpoint(hub, scope, &publisher_definition()).await;
    let code = json!({ "code": BUY, "name": BUY, "attributes": [{ "name": "orderTotal", "type": "number" }, { "name": "currency", "type": "string" }] });
    hub.event_type_register(&Actor::endpoint(shop), scope, shop, &code)
        .await
        .expect("an event type");
    let pull = destination_definition("", json!({ "enabled": true, "destinationType": "pull" }));
    let reader = endpoint(hub, scope, &pull).await;
    Shop {
        scope,
        shop,
        reader,
    }
}

async fn endpoint(hub: &Arc<Hub>, scope: Scope, definition: &serde_json::Value) -> EndpointId {
    let (endpoint, _) = hub
        .endpoint_register(&Actor::OPERATOR, scope)
        .await
        .expect("a registration");
    let actor = Actor::endpoint(endpoint.id);
    hub.endpoint_define(&actor, scope, endpoint.id, definition)
        .await
        .expect("a sound definition");
    endpoint.id
}

impl Shop {
    async fn subscribe(&self, hub: &Arc<Hub>) {
        let new = NewSubscription {
            publisher: self.shop,
            code: BUY.to_owned(),
            namespace: None,
            destination: self.reader,
        };
        hub.subscription_create(&Actor::OPERATOR, self.scope, new)
            .await
            .expect("a subscription");
    }

    async fn buy(&self, hub: &Arc<Hub>, order_total: i64) -> model::DocumentId {
        let body = event(BUY, "ada@example.com", order_total).to_string();
        hub.publish(self.shop, body.as_bytes(), None)
            .await
            .expect("durable")
            .publication
    }

    /// The totals in all files that there are for the reader, which `hub` is asked for.
    async fn read(&self, hub: &Arc<Hub>) -> Vec<i64> {
        let files = hub.event_files(self.scope, self.reader, 100).await;
        let mut totals = Vec::new();
        for name in files.expect("a list") {
            let bytes = hub.event_file(self.scope, self.reader, &name).await;
            let documents: Vec<serde_json::Value> =
                serde_json::from_slice(&bytes.expect("a file")).expect("JSON");
            for document in documents {
                let attributes = document["events"][0]["attributes"].as_array();
                let total = attributes
                    .expect("attributes")
                    .iter()
                    .find(|attribute| attribute["name"] == "orderTotal");
                let total = total.and_then(|total| total["value"].as_str());
                totals.push(total.expect("a total").parse().expect("a number"));
            }
            hub.event_file_delete(self.scope, self.reader, &name)
                .await
                .expect("deleted");
        }
        totals
    }

    /// The same where another process closes the file. If that takes longer than `hub` waits for it, the file is there
    /// for the next call.
    async fn read_late(&self, hub: &Arc<Hub>) -> Vec<i64> {
        for _ in 0..20 {
            let begun = Instant::now();
            let totals = self.read(hub).await;
            if !totals.is_empty() || begun.elapsed() < WAITED_FOR {
                return totals;
            }
        }
        Vec::new()
    }
}

/// Both processes look at the leases as often as it takes until each has its share.
async fn share(hubs: &[&Arc<Hub>]) {
    for _ in 0..4 {
        for hub in hubs {
            hub.lease().await.expect("the database answers");
        }
    }
}

async fn held(hub: &Arc<Hub>) -> usize {
    hub.lease().await.expect("the database answers").held
}

#[tokio::test]
async fn shards_are_shared_by_who_is_there() {
    let shared = Shared::new().await;
    let first = shared.process().await;
    assert_eq!(held(&first).await, 4, "alone");
    let second = shared.process().await;
    share(&[&first, &second]).await;
    assert_eq!((held(&first).await, held(&second).await), (2, 2));
    let third = shared.process_as("api").await;
    share(&[&first, &second, &third]).await;
    assert_eq!(held(&third).await, 0, "it has another role");
    assert_eq!((held(&first).await, held(&second).await), (2, 2));
    second.run().stop(Duration::from_secs(1)).await;
    assert_eq!(held(&first).await, 4, "given up in order: taken at once");
}

#[tokio::test]
async fn who_is_not_heard_of_for_the_time_of_a_lease_is_replaced() {
    let shared = Shared::new().await;
    let dead = shared.process().await;
    assert_eq!(held(&dead).await, 4);
    let heir = shared.process().await;
    assert_eq!(held(&heir).await, 0, "seen for the first time");
    shared.clock.advance(LEASE);
    assert_eq!(held(&heir).await, 4);
}

#[tokio::test]
async fn who_wakes_up_after_its_lease_writes_nothing_stale() {
    let shared = Shared::new().await;
    let paused = shared.process().await;
    assert_eq!(held(&paused).await, 4);
    let shop = shop(&paused).await;
    shop.subscribe(&paused).await;
    shop.buy(&paused, 1).await;
    // Routed and not saved: then it sleeps.
    paused.route().await.expect("routed");
    let heir = shared.process().await;
    heir.lease().await.expect("seen");
    shared.clock.advance(LEASE);
    assert_eq!(held(&heir).await, 4);
    assert_eq!(shop.read(&heir).await, [1]);
    shop.buy(&heir, 2).await;
    heir.settle().await.expect("settles");

    // It wakes up, and would say that 1 waits and 2 was never seen.
    let report = paused.route().await.expect("no error");
    assert_eq!(report.batches, 0, "it knows that its time is over");
    paused.checkpoint().await.expect("no error");
    paused.checkpoint().await.expect("no error");
    let again = shared.process().await;
    again.lease().await.expect("seen");
    shared.clock.advance(LEASE);
    heir.run().stop(Duration::from_secs(1)).await;
    assert_eq!(held(&again).await, 4);
    assert_eq!(
        shop.read(&again).await,
        [2],
        "as the heir left it: 1 was read, 2 was not"
    );
    assert_eq!(paused.lease().await.expect("no error").held, 0);
}

#[tokio::test]
async fn a_subscription_made_in_one_process_takes_what_is_published_after_it_in_another() {
    let shared = Shared::new().await;
    let router = shared.process().await;
    assert_eq!(held(&router).await, 4);
    let front = shared.process_as("api").await;
    let shop = shop(&front).await;
    for total in 1..20 {
        let before = total * 2;
        front.follow().await.expect("up to date");
        shop.buy(&front, before).await;
        if total == 10 {
            shop.subscribe(&front).await;
        }
        shop.buy(&front, before + 1).await;
        // Nobody told the router: it looks by itself before it routes.
        router.route().await.expect("routed");
    }
    router.settle().await.expect("settles");
    let totals = shop.read(&router).await;
    assert_eq!(totals, (21..40).collect::<Vec<i64>>());
}

#[tokio::test]
async fn a_key_that_is_revoked_in_one_process_is_refused_in_all() {
    let shared = Shared::new().await;
    let (here, there) = (shared.process().await, shared.process().await);
    let shop = shop(&here).await;
    there.follow().await.expect("up to date");
    let key = here
        .keys(shop.scope, hub::KeysOf::Endpoint(shop.shop))
        .await
        .expect("keys");
    let key = key.first().expect("the endpoint's key").clone();
    assert!(there.registry().key(&key.hash, there.now()).is_some());
    here.key_revoke(&Actor::OPERATOR, shop.scope, key.id)
        .await
        .expect("revoked");
    assert!(here.registry().key(&key.hash, here.now()).is_none());
    there.follow().await.expect("up to date");
    assert!(there.registry().key(&key.hash, there.now()).is_none());
}

#[tokio::test]
async fn changes_in_two_processes_are_checked_against_each_other() {
    let shared = Shared::new().await;
    let (here, there) = (shared.process().await, shared.process().await);
    let shop = shop(&here).await;
    shop.subscribe(&here).await;
    let new = NewSubscription {
        publisher: shop.shop,
        code: BUY.to_owned(),
        namespace: None,
        destination: shop.reader,
    };
    // It has not followed: the lock of the change makes it.
    let twice = there
        .subscription_create(&Actor::OPERATOR, shop.scope, new)
        .await;
    assert!(
        matches!(twice, Err(hub::Error::Conflict(_))),
        "the same subscription: {twice:?}"
    );
}

#[tokio::test]
async fn what_runs_elsewhere_can_be_asked_for_anywhere() {
    let shared = Shared::new().await;
    let front = shared.process_as("api").await;
    let router = shared.process().await;
    assert_eq!(held(&router).await, 4);
    let shop = shop(&front).await;
    shop.subscribe(&front).await;
    let bought = shop.buy(&front, 1).await;

    // A reader never waits for the age of a file, whichever process it asks.
    let working = router.run();
    assert_eq!(shop.read_late(&front).await, [1]);

    let event = model::EventRef {
        publication: bought,
        ordinal: 0,
    };
    let seen = front.event(shop.scope, event).await.expect("an event");
    assert_eq!(
        seen.deliveries[0].state,
        hub::delivery::DeliveryState::Delivered
    );
    let again = ReplayFilter {
        endpoint: Some(shop.reader),
        events: vec![event],
        ..ReplayFilter::default()
    };
    let replayed = front
        .replay(&Actor::OPERATOR, shop.scope, &again, false)
        .await
        .expect("a replay");
    assert_eq!(replayed.documents, 1);
    assert_eq!(shop.read_late(&front).await, [1], "read once more");
    working.stop(Duration::from_secs(1)).await;
}

#[tokio::test]
async fn a_notification_is_sent_by_one_process_and_by_another_one_when_that_dies() {
    let shared = Shared::new().await;
    let dead = shared.process().await;
    assert_eq!(held(&dead).await, 4);
    let heir = shared.process().await;
    let shop = shop(&dead).await;
    let receiver = Receiver::start().await;
    let body = json!({ "notificationURL": receiver.url() });
    let actor = Actor::endpoint(shop.shop);
    dead.notification_define(&actor, shop.scope, shop.shop, &body)
        .await
        .expect("sound");
    shop.subscribe(&heir).await;
    heir.notify().await.expect("looked at");
    assert_eq!(receiver.count(), 0, "the shard is the other's");
    dead.settle().await.expect("settles");
    assert_eq!(receiver.take().len(), 1);
    heir.settle().await.expect("settles");
    assert_eq!(receiver.count(), 0, "once");

    // It dies while it sends.
    receiver.answer(|_| Reply::Hang);
    dead.endpoint_delete(&Actor::OPERATOR, shop.scope, shop.reader)
        .await
        .expect("deleted");
    dead.notify().await.expect("looked at");
    while receiver.count() == 0 {
        tokio::task::yield_now().await;
    }
    let first = receiver.take();
    receiver.answer_status(200);
    held(&heir).await;
    shared.clock.advance(LEASE);
    assert_eq!(held(&heir).await, 4);
    heir.settle().await.expect("settles");
    assert_eq!(receiver.count(), 0, "perhaps the other one is only slow");
    shared.clock.advance(Duration::from_secs(120));
    held(&heir).await;
    heir.settle().await.expect("settles");
    let again = receiver.take();
    assert_eq!(again.len(), 1);
    assert_eq!(again[0].header("webhook-id"), first[0].header("webhook-id"));
    assert_eq!(again[0].body, first[0].body);
}

#[tokio::test]
async fn a_call_that_is_made_at_two_processes_is_published_once() {
    let shared = Shared::new().await;
    let (here, there) = (shared.process().await, shared.process().await);
    assert_eq!(held(&here).await, 4);
    let shop = shop(&here).await;
    shop.subscribe(&here).await;
    there.follow().await.expect("up to date");
    for total in 0..20 {
        let key = format!("call-{total}");
        let body = event(BUY, "ada@example.com", total).to_string();
        let (one, other) = tokio::join!(
            here.publish(shop.shop, body.as_bytes(), Some(&key)),
            there.publish(shop.shop, body.as_bytes(), Some(&key)),
        );
        assert_eq!(one.expect("taken"), other.expect("the same answer"));
    }
    let mut with_id = event(BUY, "ada@example.com", 20);
    with_id["events"][0]["eventId"] = "order-20".into();
    let body = with_id.to_string();
    let (one, other) = tokio::join!(
        here.publish(shop.shop, body.as_bytes(), None),
        there.publish(shop.shop, body.as_bytes(), None),
    );
    assert_eq!(
        one.expect("taken").publication,
        other.expect("success").publication
    );
    here.settle().await.expect("settles");
    assert_eq!(shop.read(&here).await, (0..=20).collect::<Vec<i64>>());
}

/// A process dies after its append and before its claim ends, and the publisher repeats the call elsewhere.
#[tokio::test]
async fn what_got_into_the_log_twice_is_routed_once() {
    let shared = Shared::new().await;
    let router = shared.process().await;
    assert_eq!(held(&router).await, 4);
    let shop = shop(&router).await;
    shop.subscribe(&router).await;
    let body = event(BUY, "ada@example.com", 7).to_string();
    let log = &shared.logs[usize::try_from(shop.scope.0.0).expect("small") % 4];
    for round in 0..2 {
        let key = format!("call-{round}");
        let begin = log.ends().next_seq;
        router
            .publish(shop.shop, body.as_bytes(), Some(&key))
            .await
            .expect("taken");
        // The same records once more, as the second process would append them.
        let batch = log.read(begin, 1, usize::MAX).await.expect("readable");
        let records = batch[0].iter().map(|(_, bytes)| bytes.to_vec()).collect();
        if round == 1 {
            // Also when the first was saved meanwhile.
            router.settle().await.expect("settles");
        }
        log.append(records).await.expect("durable");
    }
    router.settle().await.expect("settles");
    assert_eq!(shop.read(&router).await, [7, 7], "one for each call");
}

#[tokio::test]
async fn an_installation_keeps_its_number_of_shards() {
    let shared = Shared::new().await;
    assert_eq!(
        hub::shard::count(&shared.db, Some(4), 1).await.ok(),
        Some(4)
    );
    assert_eq!(hub::shard::count(&shared.db, None, 16).await.ok(), Some(4));
    let other = hub::shard::count(&shared.db, Some(8), 1).await;
    let message = other.expect_err("refused").to_string();
    assert!(message.contains("has 4 shards"), "{message}");
    assert_eq!(Shard(3).to_string(), "3");
}

#[tokio::test]
async fn an_allowance_holds_for_all_processes_together() {
    let shared = Shared::new().await;
    let (here, there) = (shared.process().await, shared.process().await);
    let shop = shop(&here).await;
    let policy = AccountPolicy {
        max_events_per_second: Some(10),
        max_events_per_day: Some(25),
        ..AccountPolicy::default()
    };
    here.account_set_policy(&Actor::OPERATOR, shop.scope, policy)
        .await
        .expect("a policy");
    there.follow().await.expect("up to date");
    let body = event(BUY, "ada@example.com", 1).to_string();
    let mut taken = Vec::new();
    for _ in 0..4 {
        let mut in_this_second = 0;
        for hub in [&here, &there].into_iter().cycle().take(20) {
            match hub.publish(shop.shop, body.as_bytes(), None).await {
                Ok(_) => in_this_second += 1,
                Err(hub::Error::Busy { retry_after, .. }) => assert!(retry_after > Duration::ZERO),
                Err(other) => panic!("{other}"),
            }
        }
        taken.push(in_this_second);
        shared.clock.advance(Duration::from_secs(1));
    }
    assert_eq!(taken, [10, 10, 5, 0]);
    shared.clock.advance(Duration::from_secs(86_400));
    there
        .publish(shop.shop, body.as_bytes(), None)
        .await
        .expect("another day");
}

/// A rolling upgrade: the new program brings the schema up to date while the old one works, and the old one may be
/// started again before it is replaced.
#[tokio::test]
async fn an_older_program_works_beside_a_newer_one() {
    const NEWER: engine::Migration = engine::Migration {
        name: "9999_of_the_next_release",
        sql: "CREATE TABLE novelty (id BIGINT PRIMARY KEY);
              ALTER TABLE endpoint ADD COLUMN novelty TEXT;
              ALTER TABLE shard_lease ADD COLUMN novelty BIGINT NOT NULL DEFAULT 0",
        is_additive: true,
    };
    let shared = Shared::new().await;
    let old = shared.process().await;
    assert_eq!(held(&old).await, 4);
    let shop = shop(&old).await;
    shop.subscribe(&old).await;
    shop.buy(&old, 1).await;

    let mut migrations = store::MIGRATIONS.to_vec();
    migrations.push(NEWER);
    assert_eq!(shared.db.migrate(&migrations).await.expect("migrates"), 1);
    shop.buy(&old, 2).await;
    old.settle().await.expect("settles");
    let another = endpoint(&old, shop.scope, &publisher_definition()).await;

    drop(old);
    let old_again = shared.process().await;
    assert_eq!(held(&old_again).await, 0, "seen for the first time");
    shared.clock.advance(LEASE);
    assert_eq!(held(&old_again).await, 4);
    assert!(old_again.registry().endpoint(another).is_some());
    shop.buy(&old_again, 3).await;
    assert_eq!(shop.read(&old_again).await, [1, 2, 3]);
}
