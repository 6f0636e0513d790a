//! Secrets stay secret: distinctive values are planted wherever a secret can be given, everything is done with them, also
//! what fails, and then they are looked for in every file of the process, in all that it logs at its most verbose, and in
//! every answer.

mod notifications;
mod onboarding;
mod people;

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use services::Smtp;

use crate::harness::{
    Http, Launch, Receiver, Reply, TOKEN, destination_definition, embedded_only, event,
    publisher_definition, wait,
};
use crate::partner::{request, series};

/// For what another process does: a minute, which busy machines do not use up.
const LOOK_EVERY: Duration = Duration::from_millis(50);
const LOOKS_MAX: u32 = 1_200;

/// The values that nobody may find, and whether answers may have them (what a call shows on purpose).
#[derive(Default)]
struct Secrets {
    hidden: Vec<(&'static str, String)>,
    shown_on_request: Vec<(&'static str, String)>,
}

impl Secrets {
    fn plant(&mut self, what: &'static str, value: &str) -> String {
        self.hidden.push((what, value.to_owned()));
        value.to_owned()
    }

    /// One that the exchange made and showed once.
    fn made(&mut self, what: &'static str, answer: &Value, name: &str) -> String {
        let value = answer[name].as_str().expect("a key").to_owned();
        self.hidden.push((what, value.clone()));
        value
    }
}

/// Does what users do, and remembers every answer.
struct Walk {
    http: Http,
    pilot: Http,
    answers: Vec<String>,
}

impl Walk {
    async fn call(&mut self, method: &str, path: &str, key: &str, body: Value) -> (u16, Value) {
        let (status, answer) = self.show(method, path, key, body).await;
        self.answers.push(format!("{method} {path}: {answer}"));
        (status, answer)
    }

    /// A call that shows a secret once: its answer is not looked at afterwards.
    async fn show(&mut self, method: &str, path: &str, key: &str, body: Value) -> (u16, Value) {
        let http = if path.starts_with("/manage") {
            &self.http
        } else {
            &self.pilot
        };
        let body = (!body.is_null()).then_some(body);
        let key = Some(key).filter(|key| !key.is_empty());
        let answer = http.json(method, path, key, body).await;
        for (name, value) in &answer.headers {
            self.answers.push(format!("{name}: {value:?}"));
        }
        let json = serde_json::from_slice(&answer.body);
        (answer.status, json.unwrap_or_else(|_| json!(answer.text())))
    }

    async fn manage(&mut self, method: &str, path: &str, body: Value) -> Value {
        let path = format!("/manage/v1{path}");
        let (status, answer) = self.call(method, &path, TOKEN, body).await;
        assert_eq!(status, 200, "{method} {path}: {answer}");
        answer
    }

    async fn made(&mut self, path: &str, body: Value) -> Value {
        let path = format!("/manage/v1{path}");
        let (status, answer) = self.show("POST", &path, TOKEN, body).await;
        assert_eq!(status, 200, "{path}: {answer}");
        answer
    }
}

/// What of `secrets` is in these bytes, as it is or in base64.
fn found(bytes: &[u8], secrets: &[(&'static str, String)]) -> Vec<&'static str> {
    use base64::Engine as _;
    let has = |needle: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
    let mut found = Vec::new();
    for (what, value) in secrets {
        // Of three bytes in a row the middle of any alignment.
        let encoded = (0..3).map(|skip| {
            let aligned = value.get(skip..).unwrap_or_default();
            let whole = aligned.len() / 3 * 3;
            base64::prelude::BASE64_STANDARD.encode(&aligned[..whole])
        });
        let is_there =
            has(value.as_bytes()) || encoded.into_iter().any(|text| has(text.as_bytes()));
        if is_there {
            found.push(*what);
        }
    }
    found
}

/// Every file below a directory but the key that seals. One that goes while it is looked for is nowhere.
fn files(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            all.extend(files(&path));
        } else if path.file_name().is_some_and(|name| name != "secret.key") {
            let bytes = match std::fs::read(&path) {
                Err(gone) if gone.kind() == std::io::ErrorKind::NotFound => continue,
                read => read.expect("a file"),
            };
            all.push((path.display().to_string(), bytes));
        }
    }
    all
}

/// An account of pilot with endpoints whose credentials are planted, and pushes that are refused by a receiver which
/// repeats all that it was sent.
async fn endpoints(walk: &mut Walk, secrets: &mut Secrets, receiver: &Receiver) -> Value {
    let providers = json!({ "name": "Acme" });
    walk.manage("POST", "/providers", providers).await;
    let body = json!({ "name": "Shop", "environment": "pilot" });
    let account = walk.made("/accounts", body).await;
    let account_key = secrets.made("account key", &account, "accountKey");
    let of_account = format!("/accounts/{}", account["id"]);
    let mut endpoint = async |definition: Value| {
        let path = format!("{of_account}/registrations");
        let made = walk.made(&path, json!({})).await;
        let key = secrets.made("endpoint key", &made, "endpointKey");
        let (status, answer) = walk.call("PUT", "/v1/endpoint", &key, definition).await;
        assert_eq!(status, 200, "{answer}");
        (made["endpointId"].as_i64().expect("an id"), key)
    };
    let push = json!({ "enabled": true, "destinationType": "push" });
    let (publisher, publisher_key) = endpoint(publisher_definition()).await;
    let (basic, basic_key) = endpoint(destination_definition(&receiver.url(), push.clone())).await;
    let (token, token_key) = endpoint(destination_definition(&receiver.url(), push.clone())).await;
    let (plain, _) = endpoint(destination_definition(&receiver.url(), push)).await;

    let password = secrets.plant("endpoint password", "PlantedEndpointPassword81");
    let api_key = secrets.plant("endpoint API key", "PlantedEndpointApiKey82");
    let refused = secrets.plant("a password in a refused call", "PlantedRefusedPassword83");
    let attributes = |key: &str| format!("/v1/endpointattributes/authkey/{key}");
    let body = json!({ "attributes": { "userId": "ada", "password": password } });
    let path = attributes(&basic_key);
    // Its path has the key, so its name is not remembered.
    let (status, answer) = walk.show("PUT", &path, &basic_key, body).await;
    assert_eq!(status, 200, "{answer}");
    walk.answers.push(answer.to_string());
    let body = json!({ "attributes": { "apiKey": api_key } });
    let (status, _) = walk
        .show("PUT", &attributes(&token_key), &token_key, body)
        .await;
    assert_eq!(status, 200);
    for body in [
        json!({ "attributes": { "password": [refused] } }),
        json!({ "attributes": refused }),
        json!({ "attributes": { "password": refused.repeat(1000) } }),
    ] {
        let (status, answer) = walk
            .show("PUT", &attributes(&basic_key), &basic_key, body)
            .await;
        assert_eq!(status, 400, "{answer}");
        walk.answers.push(answer.to_string());
    }
    // A key that is refused, by its level and at the wrong door.
    for (method, path, key) in [
        ("PUT", "/v1/endpoint", &account_key),
        ("GET", "/manage/v1/accounts", &publisher_key),
    ] {
        let (status, _) = walk.call(method, path, key, json!({})).await;
        assert_eq!(status, 403);
    }
    let (_, info) = walk
        .show(
            "GET",
            &format!("/v1/endpoint/{publisher}/eventinfo"),
            &publisher_key,
            Value::Null,
        )
        .await;
    let text = info.to_string();
    let event_key = text.split('"').find(|word| word.starts_with("rv_"));
    let event_key = event_key.expect("an event key").to_owned();
    secrets
        .shown_on_request
        .push(("event key", event_key.clone()));

    let (status, _) = walk
        .call(
            "POST",
            "/v1/eventtype",
            &publisher_key,
            json!({ "code": "cartAdd", "name": "c" }),
        )
        .await;
    assert_eq!(status, 200);
    for destination in [basic, token, plain] {
        let body = json!({ "publisherEndpointId": publisher, "eventCode": "cartAdd", "destinationEndpointId": destination });
        walk.manage("POST", &format!("{of_account}/subscriptions"), body)
            .await;
        let path = format!("/manage/v1{of_account}/endpoints/{destination}/webhooksecret");
        let (_, answer) = walk.show("GET", &path, TOKEN, Value::Null).await;
        let secret = answer["secrets"][0].as_str().expect("a secret").to_owned();
        secrets.shown_on_request.push(("webhook secret", secret));
    }
    // It repeats what it was sent, with an answer that is kept, and with one that is tried again.
    let mut count = 0;
    receiver.answer(move |request| {
        count += 1;
        let status = if count % 2 == 0 { 400 } else { 500 };
        Reply::Body(status, format!("you sent {:?}", request.headers).into())
    });
    let destinations = destinations(walk, secrets, &of_account).await;
    notifications::walk(walk, secrets, (&account["id"], publisher), &destinations).await;
    for number in 0..4 {
        let (status, _) = walk
            .call(
                "POST",
                "/v1/event",
                &publisher_key,
                event("cartAdd", "ada@example.com", number),
            )
            .await;
        assert_eq!(status, 200);
    }
    let (status, _) = walk
        .call(
            "POST",
            "/v1/customEvent",
            &event_key,
            json!({ "events": 1 }),
        )
        .await;
    assert_eq!(status, 400);
    until(|| receiver.count() >= 6).await;
    for below in [
        "deliveries",
        "events",
        "notices",
        "audit",
        "keys",
        "endpoints",
        "schemadrift",
    ] {
        walk.manage("GET", &format!("{of_account}/{below}"), Value::Null)
            .await;
    }
    test_drive(walk, &of_account, basic).await;
    let body = json!({ "level": "endpoint", "endpointId": basic, "overlapSeconds": 0 });
    let rotated = walk.made(&format!("{of_account}/keys/rotate"), body).await;
    let name = if rotated["endpointKey"].is_string() {
        "endpointKey"
    } else {
        "key"
    };
    secrets.made("rotated key", &rotated, name);
    account["id"].clone()
}

/// More destinations, that fetch; a scheme of notifications each.
async fn destinations(
    walk: &mut Walk,
    secrets: &mut Secrets,
    of_account: &str,
) -> Vec<(i64, String)> {
    let mut made = Vec::new();
    for _ in 0..4 {
        let path = format!("{of_account}/registrations");
        let registered = walk.made(&path, json!({})).await;
        let key = secrets.made("endpoint key", &registered, "endpointKey");
        let pull = json!({ "enabled": true, "destinationType": "pull" });
        let definition = destination_definition("", pull);
        assert_eq!(
            walk.call("PUT", "/v1/endpoint", &key, definition).await.0,
            200
        );
        made.push((registered["endpointId"].as_i64().expect("an id"), key));
    }
    made
}

async fn test_drive(walk: &mut Walk, of_account: &str, destination: i64) {
    let drive = format!("{of_account}/testdrive");
    walk.manage("POST", &drive, json!({})).await;
    let body = json!({ "code": "emailOpen", "destinationEndpointId": destination });
    walk.manage("POST", &format!("{drive}/publish"), body).await;
    for _ in 0..LOOKS_MAX {
        let pushes = walk
            .manage("GET", &format!("{drive}/pushes"), Value::Null)
            .await;
        if pushes["items"]
            .as_array()
            .is_some_and(|items| !items.is_empty())
        {
            return;
        }
        wait(LOOK_EVERY).await;
    }
    panic!("nothing was pushed");
}

/// Looks again and again: another process is at work.
async fn until(is: impl Fn() -> bool) {
    for _ in 0..LOOKS_MAX {
        if is() {
            return;
        }
        wait(LOOK_EVERY).await;
    }
    panic!("it does not come");
}

/// A partner whose keys go by mail: first while the server refuses the password, then while it takes it.
async fn mails(walk: &mut Walk, secrets: &mut Secrets, smtp: &Smtp) {
    let partner = walk.manage("POST", "/partners", request()).await;
    let path = format!("/partners/{}", partner["id"]);
    walk.manage("POST", &format!("{path}/nominate"), json!({}))
        .await;
    until(|| smtp.mails().len() >= 2).await;
    let (_, key) = series(&smtp.take());
    secrets.hidden.push(("key of a mail", key));
    for below in ["", "/history", "/checklist", "/difference"] {
        walk.manage("GET", &format!("{path}{below}"), Value::Null)
            .await;
    }
    let body = json!({ "reason": "it is only a test" });
    walk.manage("POST", &format!("{path}/decline"), body).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn planted_secrets_are_found_nowhere() {
    let mut secrets = Secrets::default();
    let password = secrets.plant("SMTP password", "PlantedSmtpPassword84");
    let smtp = Smtp::start_with_login("rialto", &password).await;
    let smtp = smtp.expect("a port");
    let receiver = Receiver::start().await;
    let directory = tempfile::tempdir().expect("a directory");
    let mut launch = Launch::new(directory.path());
    secrets.plant("operator token", "PlantedOperatorToken85");
    launch.set("RIALTO_TELEMETRY_FILTER", "trace");
    launch.set("RIALTO_MAIL_SERVER", "127.0.0.1");
    launch.set("RIALTO_MAIL_PORT", &smtp.port().to_string());
    launch.set("RIALTO_MAIL_SECURITY", "none");
    launch.set("RIALTO_MAIL_USER", "rialto");
    launch.set("RIALTO_MAIL_PASSWORD", &password);
    let process = launch.start().await;
    let mut walk = Walk {
        http: process.http(),
        pilot: process.pilot(),
        answers: Vec::new(),
    };
    let account = endpoints(&mut walk, &mut secrets, &receiver).await;
    people::walk(&mut walk, &mut secrets, &account, &smtp).await;
    onboarding::onboarding(&mut walk, &mut secrets).await;
    mails(&mut walk, &mut secrets, &smtp).await;
    walk.manage("GET", "/audit?limit=1000", Value::Null).await;
    let (_, metrics) = walk.call("GET", "/metrics", TOKEN, Value::Null).await;
    assert!(metrics.is_string());

    // While it runs: the write-ahead log has what the database has not yet.
    let mut looked_at = files(directory.path());
    let (status, printed) = process.terminate().await;
    assert!(status.success());
    looked_at.extend(files(directory.path()));
    looked_at.push((
        "standard output".to_owned(),
        printed.join("\n").into_bytes(),
    ));
    let logged = launch.logged();
    assert!(logged.contains("TRACE"), "it logs at its most verbose");
    if embedded_only("elsewhere the rows are in a database of another process") {
        let names: Vec<&str> = looked_at.iter().map(|(name, _)| name.as_str()).collect();
        assert!(
            names.iter().any(|name| name.ends_with("rialto.db-wal")),
            "{names:?}"
        );
    }
    let everything = [secrets.hidden.as_slice(), &secrets.shown_on_request].concat();
    for (name, bytes) in &looked_at {
        assert_eq!(found(bytes, &everything), [""; 0], "in {name}");
    }
    for answer in &walk.answers {
        assert_eq!(
            found(answer.as_bytes(), &secrets.hidden),
            [""; 0],
            "{answer}"
        );
    }
    // The search itself finds what is there.
    let sample = [("sample", password)];
    let encoded = b"AHJpYWx0bwBQbGFudGVkU210cFBhc3N3b3JkODQ=";
    assert_eq!(found(encoded, &sample), ["sample"]);
}
