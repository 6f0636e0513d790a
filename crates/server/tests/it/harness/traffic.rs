//! Traffic through a hub that may die at any moment, and a book of all that publishers were told and subscribers got.
//!
//! A shop publishes in every way there is (single events, batches, with `Idempotency-Key`, with `eventId`; calls that
//! carry a key are repeated until they are answered), a push subscriber lives in the test process, a pull subscriber
//! lists, fetches and deletes files, and a push subscriber that asked for strict order keeps a ledger. All of them speak to
//! whichever process they like, where there are several. Each event has a number of its own, so the [`Book`] can say afterwards what was
//! lost, and what came twice although nobody had killed the hub.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::{
    Answer, Http, Launch, Receiver, Reply, TestEndpoint, TestHub, destination_definition, mix, wait,
};

const CODE: &str = "cartAdd";
/// Between two calls of one publisher: the hub shall be busy, not the test.
const PAUSE: Duration = Duration::from_millis(3);
/// After a call that found no hub, and between two looks of the pull subscriber.
const AWAY: Duration = Duration::from_millis(20);
/// What is waited for must have come nearer by then.
const PATIENCE: Duration = Duration::from_secs(60);
/// The part of pushes that the subscriber refuses, so that retries cross the kills too.
const REFUSED: f64 = 0.03;
/// The part of pushes that it takes its time for, so that calls are under way at any moment.
const SLOW: f64 = 0.1;

/// A hub's directory, its subscribers, and the book.
pub(crate) struct Traffic {
    pub(crate) book: Arc<Book>,
    pub(crate) launch: Launch,
    /// Further processes on the same engines.
    pub(crate) others: Vec<Launch>,
    shop: TestEndpoint,
    warehouse: TestEndpoint,
    receiver: Receiver,
    _ledger: Receiver,
    directory: Arc<tempfile::TempDir>,
    /// While true, the push subscriber refuses everything.
    pub(crate) is_down: Arc<AtomicBool>,
}

/// Publishers and the pull subscriber, at work until stopped.
pub(crate) struct Work {
    publishing: Arc<AtomicBool>,
    fetching: Arc<AtomicBool>,
    publishers: Vec<JoinHandle<()>>,
    fetcher: JoinHandle<()>,
}

/// What publishers were told and subscribers got.
#[derive(Default)]
pub(crate) struct Book {
    pages: Mutex<Pages>,
}

#[derive(Default)]
struct Pages {
    next: u64,
    /// Event → the publication that its publisher was told of.
    acknowledged: BTreeMap<u64, String>,
    /// The events of one call, which is taken whole or not at all.
    calls: Vec<Vec<u64>>,
    /// Keyed calls that were answered: (key, body, answer).
    keyed: Vec<(Option<String>, String, String)>,
    /// Event → its deliveries that were answered with success, in order.
    pushed: HashMap<u64, Vec<Receipt>>,
    /// `webhook-id` → the events that came with it, which are always the same.
    documents: HashMap<String, Vec<u64>>,
    /// Person → the events that the subscriber with strict order took, in the order in which it first did.
    ledger: HashMap<String, Vec<u64>>,
    /// All events that are in it.
    entered: HashSet<u64>,
    /// Event → the names of the files that held it.
    filed: HashMap<u64, BTreeSet<String>>,
    uncertain: u64,
    problems: Vec<String>,
}

struct Receipt {
    at: Instant,
    webhook_id: String,
}

/// What happened in all.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    pub(crate) acknowledged: usize,
    pub(crate) uncertain: u64,
    pub(crate) repeated: usize,
}

impl Traffic {
    /// A shop with a push and a pull subscriber, set up; the hub is not running yet.
    pub(crate) async fn set_up() -> Self {
        Self::of(TestHub::start_today().await, 1).await
    }

    /// The same for so many processes on the same engines, which `hub` rests on.
    pub(crate) async fn of(hub: TestHub, processes: usize) -> Self {
        let account = hub.account().await;
        let shop = hub.publisher(&account, &[CODE]).await;
        let receiver = Receiver::start().await;
        let crm = hub.push_destination(&account, &receiver.url()).await;
        let warehouse = hub.pull_destination(&account).await;
        hub.subscribe(&account, &shop, CODE, &crm).await;
        hub.subscribe(&account, &shop, CODE, &warehouse).await;
        let ledger = Receiver::start().await;
        let strict = json!({ "enabled": true, "destinationType": "push", "order": "strict" });
        let definition = destination_definition(&ledger.url(), strict);
        let accountant = hub.endpoint(&account, definition).await;
        hub.subscribe(&account, &shop, CODE, &accountant).await;
        let directory = hub.leave().await;
        let mut launches = (0..processes).map(|number| {
            let mut launch = Launch::new(directory.path());
            if number > 0 {
                launch.data = directory.path().join(format!("data-{number}"));
                launch.logs = directory.path().join(format!("hub-{number}.log"));
            }
            launch.set("RIALTO_DELIVERY_RETRY_FIRST", "100ms");
            if processes > 1 && mix::mix() == mix::Mix::Postgres {
                let files = directory.path().join("files");
                launch.set(
                    "RIALTO_ENGINES_BLOBS",
                    &format!("file://{}", files.display()),
                );
            }
            launch
        });
        let launch = launches.next().expect("at least one process");
        let others: Vec<Launch> = launches.collect();
        let book = Arc::new(Book::default());
        let entries = Arc::clone(&book);
        ledger.answer(move |request| {
            if fastrand::f64() < REFUSED {
                return Reply::Status(503);
            }
            entries.entered(&request.json());
            Reply::Status(200)
        });
        let receipts = Arc::clone(&book);
        let is_down = Arc::new(AtomicBool::new(false));
        let refuses = Arc::clone(&is_down);
        receiver.answer(move |request| {
            if refuses.load(Ordering::Relaxed) || fastrand::f64() < REFUSED {
                return Reply::Status(500);
            }
            let numbers = numbers(&request.json());
            receipts.pushed(&numbers, request.header("webhook-id"));
            if fastrand::f64() < SLOW {
                return Reply::Drip {
                    total: 2,
                    chunk: 1,
                    pause: AWAY,
                };
            }
            Reply::Status(200)
        });
        Self {
            book,
            launch,
            others,
            shop,
            warehouse,
            receiver,
            _ledger: ledger,
            directory,
            is_down,
        }
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// A client for each process.
    pub(crate) fn hubs(&self) -> Vec<Http> {
        let all = std::iter::once(&self.launch).chain(&self.others);
        all.map(|launch| Http::new(launch.listen)).collect()
    }

    /// Everybody begins.
    pub(crate) fn begin(&self) -> Work {
        let publishing = Arc::new(AtomicBool::new(true));
        let fetching = Arc::new(AtomicBool::new(true));
        let publisher = |kind: Kind| {
            let publisher = Publisher {
                kind,
                hubs: self.hubs(),
                key: self.shop.key.clone(),
                book: Arc::clone(&self.book),
                goes_on: Arc::clone(&publishing),
            };
            tokio::spawn(publisher.run())
        };
        Work {
            publishers: [Kind::Single, Kind::Batch, Kind::Idempotent, Kind::EventIds]
                .map(publisher)
                .into(),
            fetcher: tokio::spawn(fetch(
                self.hubs(),
                self.warehouse.key.clone(),
                Arc::clone(&self.book),
                Arc::clone(&fetching),
            )),
            publishing,
            fetching,
        }
    }

    /// Forgets the requests that the receiver keeps; the book has what matters.
    pub(crate) fn sweep(&self) {
        drop(self.receiver.take());
    }

    /// Sends every keyed call again to the hub that runs now; each must be answered as it was. Where engines are
    /// shared, a process may have died between its append and its answer, and the repeat that was answered is not always
    /// the one that counts: then it is only not published again.
    pub(crate) async fn repeat_keyed_calls(&self, count_max: usize) {
        let http = Http::new(self.launch.listen);
        let keyed = self.book.pages().keyed.clone();
        let step = (keyed.len() / count_max).max(1);
        for (key, body, answer) in keyed.iter().step_by(step) {
            let again = call(&http, &self.shop.key, key.as_deref(), body).await;
            let again = again.expect("the hub is there");
            assert_eq!(again.status, 200, "{}", again.text());
            if mix::mix() == mix::Mix::Embedded {
                assert_eq!(&publication(&again), answer, "the answer of {key:?} {body}");
            }
        }
    }

    /// Waits until so many events that are not published yet are at the push subscriber.
    pub(crate) async fn pushes_what_comes_next(&self, count: usize) {
        let next = self.book.pages().next;
        let deadline = Instant::now() + PATIENCE;
        loop {
            let pushed = |pages: &Pages| pages.pushed.keys().filter(|n| **n >= next).count();
            if pushed(&self.book.pages()) >= count {
                return;
            }
            assert!(Instant::now() < deadline, "{}", self.launch.logged());
            wait(AWAY).await;
        }
    }

    /// Waits until every acknowledged event is at both subscribers and the hub has nothing left to do.
    pub(crate) async fn drained(&self) {
        let hubs = self.hubs();
        let (mut last, mut since) = (usize::MAX, Instant::now());
        loop {
            let missing = self.book.missing();
            let mut waits = Vec::new();
            for http in &hubs {
                waits.extend(waiting(&http.get("/metrics", "").await.text()));
            }
            if missing.is_empty() && waits.is_empty() {
                return;
            }
            if missing.len() < last {
                (last, since) = (missing.len(), Instant::now());
            }
            assert!(
                since.elapsed() < PATIENCE,
                "{} missing: {:?}…; waiting: {waits:?}\n{}",
                missing.len(),
                missing.iter().take(10).collect::<Vec<_>>(),
                self.launch.logged()
            );
            wait(AWAY).await;
        }
    }
}

impl Work {
    /// No new calls; uncertain ones that carry a key are repeated to their end.
    pub(crate) async fn stop_publishing(&mut self) {
        self.publishing.store(false, Ordering::Relaxed);
        for publisher in self.publishers.drain(..) {
            publisher.await.expect("publishers do not panic");
        }
    }

    pub(crate) async fn stop(mut self) {
        self.stop_publishing().await;
        self.fetching.store(false, Ordering::Relaxed);
        self.fetcher.await.expect("the fetcher does not panic");
    }
}

/// The lines of the metrics that say that something is left to do at the push subscriber or in the router.
fn waiting(metrics: &str) -> Vec<String> {
    let gauges = ["rialto_destination_retrying{", "rialto_router_lag_batches "];
    let is_waiting =
        |line: &&str| gauges.iter().any(|gauge| line.starts_with(gauge)) && !line.ends_with(" 0");
    metrics
        .lines()
        .filter(is_waiting)
        .map(str::to_owned)
        .collect()
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    /// Repeated by nobody: uncertain stays uncertain.
    Single,
    Batch,
    /// Repeated until it is answered.
    Idempotent,
    /// Repeated until it is answered, sometimes in other company, and sometimes once more after that.
    EventIds,
}

struct Publisher {
    kind: Kind,
    hubs: Vec<Http>,
    key: String,
    book: Arc<Book>,
    goes_on: Arc<AtomicBool>,
}

impl Publisher {
    async fn run(self) {
        while self.goes_on.load(Ordering::Relaxed) {
            match self.kind {
                Kind::Single => self.once(1).await,
                Kind::Batch => self.once(fastrand::usize(2..30)).await,
                Kind::Idempotent => self.with_idempotency_key().await,
                Kind::EventIds => self.with_event_ids().await,
            }
            wait(PAUSE).await;
        }
    }

    async fn once(&self, count: usize) {
        let numbers = self.book.new_call(count);
        let body = self.body(&numbers, |_| None);
        match call(self.any(), &self.key, None, &body).await {
            Some(answer) => {
                self.book.answered(&numbers, &answer);
            }
            None => self.absent().await,
        }
    }

    async fn with_idempotency_key(&self) {
        let numbers = self.book.new_call(fastrand::usize(1..4));
        let key = format!("call-{}", numbers[0]);
        self.until_answered(&numbers, Some(key), self.body(&numbers, |_| None))
            .await;
    }

    async fn with_event_ids(&self) {
        let numbers = self.book.new_call(fastrand::usize(1..4));
        let id = |number: u64| Some(format!("event-{number}"));
        self.until_answered(&numbers, None, self.body(&numbers, id))
            .await;
        if fastrand::u8(..4) == 0 {
            // The same events once more, with a new one among them.
            let mut company = self.book.new_call(1);
            company.extend(&numbers);
            self.until_answered(&company, None, self.body(&company, id))
                .await;
        }
    }

    async fn until_answered(&self, numbers: &[u64], key: Option<String>, body: String) {
        loop {
            if let Some(answer) = call(self.any(), &self.key, key.as_deref(), &body).await
                && self.book.answered(numbers, &answer)
            {
                self.book
                    .pages()
                    .keyed
                    .push((key, body, publication(&answer)));
                return;
            }
            self.absent().await;
        }
    }

    /// The simple batch form: each event with a person of its own, few enough that persons repeat. A person is known to
    /// one publisher only, so that there is an order in which the person's events were published.
    fn body(&self, numbers: &[u64], event_id: impl Fn(u64) -> Option<String>) -> String {
        let event = |&number: &u64| {
            let who = format!("person{}@{:?}.example.com", number % 20, self.kind);
            let mut event = json!({
                "code": CODE, "timestamp": "2026-03-02T11:59:58.125Z", "channel": "web",
                "identifiers": [{ "name": "email", "value": who }],
                "attributes": [{ "name": "orderTotal", "value": number, "type": "number" }],
            });
            if let Some(id) = event_id(number) {
                event["eventId"] = id.into();
            }
            event
        };
        json!({ "events": numbers.iter().map(event).collect::<Vec<_>>() }).to_string()
    }

    fn any(&self) -> &Http {
        &self.hubs[fastrand::usize(..self.hubs.len())]
    }

    async fn absent(&self) {
        self.book.pages().uncertain += 1;
        wait(AWAY).await;
    }
}

/// `POST /v1/event`; `None` when there was no answer, so that nobody knows whether it was taken.
async fn call(http: &Http, key: &str, idempotency: Option<&str>, body: &str) -> Option<Answer> {
    let bearer = format!("Bearer {key}");
    let mut headers = vec![
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
    ];
    headers.extend(idempotency.map(|key| ("idempotency-key", key)));
    let sent = http.try_send("POST", "/v1/event", &headers, body.to_owned());
    sent.await.ok()
}

fn publication(answer: &Answer) -> String {
    answer.json()["publicationId"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

/// The numbers of the events in a delivered document.
fn numbers(document: &Value) -> Vec<u64> {
    let events = document["events"].as_array().cloned().unwrap_or_default();
    let number = |event: &Value| event["attributes"][0]["value"].as_str()?.parse().ok();
    events.iter().filter_map(number).collect()
}

/// A pull subscriber: lists, fetches, deletes.
async fn fetch(hubs: Vec<Http>, key: String, book: Arc<Book>, goes_on: Arc<AtomicBool>) {
    let bearer = format!("Bearer {key}");
    let ask = async |method: &str, path: &str| {
        let headers = [("authorization", bearer.as_str())];
        let http = &hubs[fastrand::usize(..hubs.len())];
        http.try_send(method, path, &headers, "").await.ok()
    };
    while goes_on.load(Ordering::Relaxed) {
        let listed = ask("GET", "/v1/eventfiles").await;
        let names = listed.map_or_else(Vec::new, |answer| match answer.status {
            200 => serde_json::from_slice(&answer.body).unwrap_or_default(),
            _ => book.problem("a list of files", &answer, Vec::<String>::new()),
        });
        for name in &names {
            let path = format!("/v1/eventfiles/{name}");
            match ask("GET", &path).await {
                Some(answer) if answer.status == 200 => {
                    let documents: Vec<Value> =
                        serde_json::from_slice(&answer.body).unwrap_or_default();
                    book.filed(&documents, name);
                }
                Some(answer) => {
                    book.problem(name, &answer, ());
                    continue;
                }
                // It is listed still.
                None => break,
            }
            match ask("DELETE", &path).await {
                // 404: an earlier call had removed it, whose answer got lost.
                Some(answer) if [200, 404].contains(&answer.status) => {}
                Some(answer) => book.problem(name, &answer, ()),
                None => {}
            }
        }
        if names.is_empty() {
            wait(AWAY).await;
        }
    }
}

impl Book {
    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Numbers for the events of a call that is about to be made.
    fn new_call(&self, count: usize) -> Vec<u64> {
        let mut pages = self.pages();
        let first = pages.next;
        pages.next += count as u64;
        let numbers: Vec<u64> = (first..pages.next).collect();
        pages.calls.push(numbers.clone());
        numbers
    }

    /// A publisher got this answer; whether it means that the events were taken.
    fn answered(&self, numbers: &[u64], answer: &Answer) -> bool {
        match answer.status {
            200 => {
                let publication = publication(answer);
                let mut pages = self.pages();
                for &number in numbers {
                    let known = pages.acknowledged.entry(number);
                    known.or_insert_with(|| publication.clone());
                }
                true
            }
            // Not taken, and said so.
            429 | 503 => false,
            _ => self.problem("a publication", answer, false),
        }
    }

    fn problem<T>(&self, what: &str, answer: &Answer, instead: T) -> T {
        // Engines that others share can be away: who is told so comes again.
        if answer.status != 503 || mix::mix() == mix::Mix::Embedded {
            let problem = format!("{what} was answered {}: {}", answer.status, answer.text());
            self.pages().problems.push(problem);
        }
        instead
    }

    fn pushed(&self, numbers: &[u64], webhook_id: &str) {
        let at = Instant::now();
        let mut pages = self.pages();
        let known = pages
            .documents
            .insert(webhook_id.to_owned(), numbers.to_vec());
        if known.as_ref().is_some_and(|known| known != numbers) {
            let problem = format!("{webhook_id} is the id of {known:?} and of {numbers:?}");
            pages.problems.push(problem);
        }
        for &number in numbers {
            pages.pushed.entry(number).or_default().push(Receipt {
                at,
                webhook_id: webhook_id.to_owned(),
            });
        }
    }

    fn entered(&self, document: &Value) {
        let person = document["identifiers"][0]["value"].to_string();
        let mut pages = self.pages();
        let mut new = numbers(document);
        new.retain(|number| pages.entered.insert(*number));
        pages.ledger.entry(person).or_default().extend(new);
    }

    fn filed(&self, documents: &[Value], name: &str) {
        let mut pages = self.pages();
        for number in documents.iter().flat_map(numbers) {
            pages
                .filed
                .entry(number)
                .or_default()
                .insert(name.to_owned());
        }
    }

    /// Acknowledged events that are not at all subscribers.
    pub(crate) fn missing(&self) -> Vec<u64> {
        let pages = self.pages();
        let is_missing = |number: &&u64| {
            !pages.pushed.contains_key(number)
                || !pages.filed.contains_key(number)
                || !pages.entered.contains(*number)
        };
        pages
            .acknowledged
            .keys()
            .filter(is_missing)
            .copied()
            .collect()
    }

    /// Events that publishers were told to be safe.
    pub(crate) fn promised(&self) -> BTreeSet<u64> {
        self.pages().acknowledged.keys().copied().collect()
    }

    /// Forgets what was promised beside these, for a hub that went back in time; then only these can be missing.
    pub(crate) fn keep_promised(&self, kept: &BTreeSet<u64>) {
        let mut pages = self.pages();
        pages.acknowledged.retain(|number, _| kept.contains(number));
        pages.keyed.clear();
    }

    /// Answers that should not have been given.
    pub(crate) fn problems(&self) -> Vec<String> {
        self.pages().problems.clone()
    }

    /// How many events publishers were told to be safe.
    pub(crate) fn acknowledged(&self) -> usize {
        self.pages().acknowledged.len()
    }

    /// Holds the book against what is promised. A delivery may be repeated only if the hub was killed after it, within
    /// `window`; the few requests that a dying hub has in its sockets arrive after the kill.
    pub(crate) fn check(&self, kills: &[Instant], window: Duration) -> Sums {
        self.check_with(|first, again| {
            let near =
                |kill: &&Instant| again > **kill && first.max(**kill) - first.min(**kill) <= window;
            kills.iter().any(|kill| near(&kill))
        })
    }

    /// The same where a process that was taken for dead may repeat what it had delivered, whenever it wakes up.
    #[cfg(feature = "distributed")]
    pub(crate) fn check_at_least_once(&self) -> Sums {
        self.check_with(|_, _| true)
    }

    fn check_with(&self, may_repeat: impl Fn(Instant, Instant) -> bool) -> Sums {
        let pages = self.pages();
        assert_eq!(pages.problems, Vec::<String>::new());
        let mut wrong = Vec::new();
        let mut repeated = 0;
        for number in pages.acknowledged.keys() {
            if !pages.pushed.contains_key(number) || !pages.filed.contains_key(number) {
                wrong.push(format!("event {number} was acknowledged and is lost"));
            }
        }
        for (number, receipts) in &pages.pushed {
            let ids: BTreeSet<&str> = receipts.iter().map(|r| r.webhook_id.as_str()).collect();
            if ids.len() > 1 {
                wrong.push(format!("event {number} was published as {ids:?}"));
            }
            for pair in receipts.windows(2) {
                repeated += 1;
                if !may_repeat(pair[0].at, pair[1].at) {
                    wrong.push(format!(
                        "event {number} came again {:?} after it was answered, and nobody was killed",
                        pair[1].at - pair[0].at
                    ));
                }
            }
        }
        for (number, names) in &pages.filed {
            if names.len() > 1 {
                wrong.push(format!("event {number} is in {names:?}"));
            }
        }
        for (person, numbers) in &pages.ledger {
            // Who published waited for each answer before the next call; what had no answer has no place.
            let promised = |number: &&u64| pages.acknowledged.contains_key(number);
            let taken: Vec<u64> = numbers.iter().filter(promised).copied().collect();
            if let Some(pair) = taken.windows(2).find(|pair| pair[0] > pair[1]) {
                wrong.push(format!(
                    "{person}: {} was taken before {}",
                    pair[0], pair[1]
                ));
            }
        }
        for call in &pages.calls {
            let pushed = call.iter().filter(|n| pages.pushed.contains_key(n)).count();
            let filed = call.iter().filter(|n| pages.filed.contains_key(n)).count();
            if ![0, call.len()].contains(&pushed) || pushed != filed {
                wrong.push(format!(
                    "of the call {call:?} {pushed} were pushed, {filed} in files"
                ));
            }
        }
        assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
        Sums {
            acknowledged: pages.acknowledged.len(),
            uncertain: pages.uncertain,
            repeated,
        }
    }
}
