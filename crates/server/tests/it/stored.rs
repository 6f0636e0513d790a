//! Stored formats: data directories of every format ever released are kept in `fixtures/`, and must be read for ever.
//!
//! A fixture holds one event of each fate: delivered, being retried, dead, packed into a file, in the log and not yet
//! routed; and keys that publishers brought. Each file of it is compressed, `about.json` has the keys in clear. When a
//! format changes, write another one before the change is released, and add its name to [`RELEASED`]:
//! `RIALTO_WRITE_FIXTURE=data-0.2 cargo test -p server --test it stored::`. Old ones are never written again. And let a
//! migration come with it, so that an older program refuses the directory instead of leaving out what it cannot read.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use engine::ManualClock;
use model::{AccountId, EndpointId};
use serde_json::{Value, json};

use crate::harness::{
    Answer, Receiver, Reply, TestAccount, TestEndpoint, TestHub, destination_definition,
    embedded_only, event, noon,
};

const RELEASED: &[&str] = &["data-0.1"];
const FIXTURE_BYTES_MAX: u64 = 200_000;

/// What the test must know of a directory that another hub wrote.
struct About {
    account: TestAccount,
    shop: TestEndpoint,
    crm: TestEndpoint,
    warehouse: TestEndpoint,
    /// Of the events 1 to 4.
    publications: Vec<String>,
}

fn endpoint_to_json(endpoint: &TestEndpoint) -> Value {
    json!({ "id": endpoint.id, "key": endpoint.key })
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

fn endpoint_of_json(value: &Value) -> TestEndpoint {
    TestEndpoint {
        id: EndpointId(value["id"].as_i64().expect("an id")),
        key: text(&value["key"]),
    }
}

impl About {
    fn to_json(&self) -> Value {
        json!({
            "account": { "id": self.account.id, "key": self.account.key },
            "shop": endpoint_to_json(&self.shop),
            "crm": endpoint_to_json(&self.crm),
            "warehouse": endpoint_to_json(&self.warehouse),
            "publications": self.publications,
        })
    }

    fn of_json(value: &Value) -> Self {
        let publications = value["publications"].as_array().expect("a list");
        Self {
            account: TestAccount {
                id: AccountId(value["account"]["id"].as_i64().expect("an id")),
                key: text(&value["account"]["key"]),
            },
            shop: endpoint_of_json(&value["shop"]),
            crm: endpoint_of_json(&value["crm"]),
            warehouse: endpoint_of_json(&value["warehouse"]),
            publications: publications.iter().map(text).collect(),
        }
    }
}

/// Publishes event `number`: 1 with an idempotency key, 2 with an event id, 4 with both, 3 with none.
async fn publish(hub: &TestHub, shop: &TestEndpoint, number: i64) -> Answer {
    let mut body = event("cartAdd", "ada@example.com", number);
    if [2, 4].contains(&number) {
        body["events"][0]["eventId"] = format!("event-{number}").into();
    }
    let bearer = format!("Bearer {}", shop.key);
    let key = format!("call-{number}");
    let mut headers = vec![
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
    ];
    if [1, 4].contains(&number) {
        headers.push(("idempotency-key", key.as_str()));
    }
    let answer = hub
        .http
        .send("POST", "/v1/event", &headers, body.to_string());
    let answer = answer.await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer
}

/// The number of the event in a delivered document.
fn number(document: &Value) -> String {
    text(&document["events"][0]["attributes"][0]["value"])
}

/// Makes a data directory at `to` with an event of each fate.
async fn write(to: &Path) -> About {
    let hub = TestHub::start().await;
    let account = hub.account().await;
    let shop = hub.publisher(&account, &["cartAdd"]).await;
    let receiver = Receiver::start().await;
    receiver.answer(|request| match number(&request.json()).as_str() {
        "1" => Reply::Status(200),
        "2" => Reply::Status(503),
        _ => Reply::Status(400),
    });
    let crm = hub.push_destination(&account, &receiver.url()).await;
    let warehouse = hub.pull_destination(&account).await;
    hub.subscribe(&account, &shop, "cartAdd", &crm).await;
    hub.subscribe(&account, &shop, "cartAdd", &warehouse).await;
    let mut publications = Vec::new();
    for number in 1..=3 {
        let answer = publish(&hub, &shop, number).await;
        publications.push(text(&answer.json()["publicationId"]));
        hub.settle().await;
    }
    let listed = hub.http.get("/v1/eventfiles", &warehouse.key).await;
    assert_eq!(listed.json().as_array().map(Vec::len), Some(1));
    let answer = publish(&hub, &shop, 4).await;
    publications.push(text(&answer.json()["publicationId"]));
    let directory = hub.leave().await;
    let copied = server::backup::backup(&directory.path().join("data"), to).await;
    copied.expect("a copy");
    About {
        account,
        shop,
        crm,
        warehouse,
        publications,
    }
}

/// Holds a hub on `data` against what was written there.
async fn assert_reads(directory: Arc<tempfile::TempDir>, about: &About) {
    let clock = ManualClock::new(noon() + Duration::from_secs(3_600));
    let hub = TestHub::open(directory, clock, |_| {}).await;
    let receiver = Receiver::start().await;
    let url = receiver.url();
    let definition =
        destination_definition(&url, json!({ "enabled": true, "destinationType": "push" }));
    let key = Some(about.crm.key.as_str());
    let defined = hub.http.json("PUT", "/v1/endpoint", key, Some(definition));
    assert_eq!(defined.await.json(), json!(true));

    // What was being retried and what was not routed arrives, signed with the stored secret; the rest does not.
    hub.settle().await;
    let requests = receiver.requests();
    let mut pushed: Vec<String> = requests.iter().map(|r| number(&r.json())).collect();
    pushed.sort();
    assert_eq!(pushed, ["2", "4"]);
    for request in &requests {
        assert!(
            about
                .publications
                .contains(&request.header("webhook-id").to_owned())
        );
        assert!(request.header("webhook-signature").starts_with("v1,"));
    }

    // Keys are remembered.
    for (number, publication) in (1..).zip(&about.publications) {
        if number == 3 {
            continue;
        }
        let again = publish(&hub, &about.shop, number).await;
        assert_eq!(
            &again.json()["publicationId"],
            publication,
            "event {number}"
        );
    }
    hub.settle().await;
    assert_eq!(receiver.count(), 2);

    assert_eq!(filed(&hub, &about.warehouse).await, ["1", "2", "3"]);
    assert_eq!(filed(&hub, &about.warehouse).await, ["4"]);

    let account = format!("/accounts/{}", about.account.id);
    let dead = format!("{account}/deliveries?state=dead");
    let dead = hub.manage("GET", &dead, Value::Null).await;
    assert!(
        dead.text().contains(&about.publications[2]),
        "{}",
        dead.text()
    );
    for publication in &about.publications {
        let path = format!("{account}/events/{publication}");
        let found = hub.manage("GET", &path, Value::Null).await;
        assert_eq!(found.status, 200, "{}", found.text());
    }
}

/// Fetches and deletes the oldest file; the numbers of its events.
async fn filed(hub: &TestHub, warehouse: &TestEndpoint) -> Vec<String> {
    let names = hub.http.get("/v1/eventfiles", &warehouse.key).await.json();
    let path = format!("/v1/eventfiles/{}", text(&names[0]));
    let file = hub.http.get(&path, &warehouse.key).await.json();
    let deleted = hub.http.json("DELETE", &path, Some(&warehouse.key), None);
    assert_eq!(deleted.await.json(), json!(true));
    file.as_array()
        .expect("documents")
        .iter()
        .map(number)
        .collect()
}

fn fixture(name: &str) -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/fixtures");
    tests.join(name)
}

/// Makes of a file's name and bytes those of its copy.
type Convert = fn(&str, &[u8]) -> (String, Vec<u8>);

/// Copies a tree, each file changed by `convert`, which also answers its name; answers the bytes written.
fn copy_tree(from: &Path, to: &Path, convert: Convert) -> u64 {
    std::fs::create_dir_all(to).expect("a directory");
    let mut written = 0;
    for entry in std::fs::read_dir(from).expect("a directory") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.expect("a name");
        if path.is_dir() {
            written += copy_tree(&path, &to.join(name), convert);
            continue;
        }
        let (name, bytes) = convert(name, &std::fs::read(&path).expect("a file"));
        written += bytes.len() as u64;
        std::fs::write(to.join(name), bytes).expect("written");
    }
    written
}

fn compress(name: &str, bytes: &[u8]) -> (String, Vec<u8>) {
    let bytes = zstd::encode_all(bytes, 19).expect("compressed");
    (format!("{name}.zst"), bytes)
}

fn decompress(name: &str, bytes: &[u8]) -> (String, Vec<u8>) {
    match name.strip_suffix(".zst") {
        Some(name) => {
            let bytes = zstd::decode_all(bytes).expect("whole");
            (name.to_owned(), bytes)
        }
        None => (name.to_owned(), bytes.to_vec()),
    }
}

#[tokio::test]
async fn directories_of_every_released_format_are_read() {
    if !embedded_only("the fixtures are data directories") {
        return;
    }
    for name in RELEASED {
        let directory = tempfile::tempdir().expect("a directory");
        copy_tree(&fixture(name), &directory.path().join("data"), decompress);
        let about = std::fs::read(directory.path().join("data/about.json")).expect("a file");
        let about = serde_json::from_slice(&about).expect("JSON");
        assert_reads(Arc::new(directory), &About::of_json(&about)).await;
    }
}

#[tokio::test]
async fn a_fixture_of_the_format_of_today_is_small_and_can_be_read() {
    if !embedded_only("the fixtures are data directories") {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    let about = write(&data).await;
    let packed = directory.path().join("packed");
    assert!(copy_tree(&data, &packed, compress) < FIXTURE_BYTES_MAX);
    let about_text = serde_json::to_string_pretty(&about.to_json()).expect("text");
    std::fs::write(packed.join("about.json"), about_text + "\n").expect("written");
    if let Ok(name) = std::env::var("RIALTO_WRITE_FIXTURE") {
        assert!(
            !fixture(&name).exists(),
            "{name} is released: it is never written again"
        );
        copy_tree(&packed, &fixture(&name), |name, bytes| {
            (name.to_owned(), bytes.to_vec())
        });
    }
    assert_reads(Arc::new(directory), &about).await;
}
