//! Privacy requests: a person is erased everywhere, restricted, or exported; suppression lists and consent; and what
//! would be hashed, before anything is.
//!
//! `privacy/crash.rs` kills the exchange while it erases.

mod crash;

use std::path::Path;
use std::time::Duration;

use model::hashing::{HashAlgorithm, hash};
use serde_json::{Value, json};

use crate::harness::scene::Scene;
use crate::harness::{Answer, Reply, embedded_only};
use crate::identity::seen;

/// What is planted, and must be gone. Long enough to be nothing else.
const EMAIL: &str = "Ada.Lovelace@planted.example";
const COOKIE: &str = "cookie-of-ada-4711";
const GRACE: &str = "grace@stays.example";

/// `POST /v1/jobs/gdprRequest` with CSV; answers the job's id.
async fn request(scene: &Scene, operation: &str, output: bool, csv: &str) -> i64 {
    let path = format!("/v1/jobs/gdprRequest?operationType={operation}&generateOutput={output}");
    let answer = post(scene, &path, "text/csv", csv.to_owned()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let job = answer.json();
    assert_eq!(job["jobCategory"], "gdprRequest");
    job["jobId"].as_i64().expect("an id")
}

async fn post(scene: &Scene, path: &str, media: &str, body: String) -> Answer {
    let bearer = format!("Bearer {}", scene.account.key);
    let headers = [("authorization", &*bearer), ("content-type", media)];
    scene.hub.http.send("POST", path, &headers, body).await
}

async fn job(scene: &Scene, id: i64) -> Value {
    let path = format!("/v1/jobs/gdprRequest/{id}");
    let answer = scene.hub.http.get(&path, &scene.account.key).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

async fn manage(scene: &Scene, method: &str, path: &str, body: Value) -> Value {
    let path = format!("/accounts/{}{path}", scene.account.id);
    let answer = scene.hub.manage(method, &path, body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

async fn report(scene: &Scene, id: i64) -> Value {
    manage(scene, "GET", &format!("/jobs/{id}"), Value::Null).await["report"].clone()
}

/// Every spelling of a value that could be somewhere.
fn spellings(value: &str) -> Vec<Vec<u8>> {
    use base64::Engine as _;
    let mut all = vec![value.to_owned(), value.to_lowercase(), value.to_uppercase()];
    for spelling in [value.to_owned(), value.to_lowercase()] {
        for algorithm in [
            HashAlgorithm::Sha256,
            HashAlgorithm::Sha1,
            HashAlgorithm::Md5,
        ] {
            let hex = hash(algorithm, &spelling, None).expect("hashes");
            let bytes: Vec<u8> = (0..hex.len() / 2)
                .map(|at| u8::from_str_radix(&hex[at * 2..at * 2 + 2], 16).expect("hex"))
                .collect();
            all.push(base64::engine::general_purpose::STANDARD.encode(&bytes));
            all.push(hex.to_uppercase());
            all.push(hex);
        }
        all.push(base64::engine::general_purpose::STANDARD.encode(&spelling));
    }
    all.into_iter().map(String::into_bytes).collect()
}

/// The files below `dir` in which one of `needles` stands, compressed batches of the log unpacked.
fn grep(dir: &Path, needles: &[Vec<u8>], found: &mut Vec<String>) {
    for entry in std::fs::read_dir(dir).expect("a directory").flatten() {
        let path = entry.path();
        if path.is_dir() {
            grep(&path, needles, found);
            continue;
        }
        let bytes = std::fs::read(&path).expect("a file");
        let mut texts = vec![bytes.clone()];
        // Whatever is a zstd frame, also in the middle of pages.
        for at in 0..bytes.len().saturating_sub(4) {
            if bytes[at..at + 4] == [0x28, 0xb5, 0x2f, 0xfd] {
                let mut plain = Vec::new();
                let mut decoder =
                    zstd::stream::read::Decoder::new(&bytes[at..]).expect("a decoder");
                let _ = std::io::copy(&mut decoder, &mut plain);
                texts.push(plain);
            }
        }
        for needle in needles {
            let is_in = |text: &Vec<u8>| text.windows(needle.len()).any(|window| window == needle);
            if texts.iter().any(is_in) {
                found.push(format!(
                    "{}: {}",
                    path.display(),
                    String::from_utf8_lossy(needle)
                ));
            }
        }
    }
}

pub(crate) fn everywhere(dir: &Path, values: &[&str]) -> Vec<String> {
    let needles: Vec<Vec<u8>> = values.iter().flat_map(|value| spellings(value)).collect();
    let mut found = Vec::new();
    grep(dir, &needles, &mut found);
    found
}

/// Ada and Grace in all places that there are: delivered, retried, dead, packed, refused.
async fn planted() -> (Scene, crate::harness::scene::Subscriber) {
    planted_in(Scene::start().await).await
}

async fn planted_in(scene: Scene) -> (Scene, crate::harness::scene::Subscriber) {
    let policy = json!({ "policy": { "refusedEvents": "quarantine" } });
    let path = format!("/accounts/{}", scene.account.id);
    assert_eq!(scene.hub.manage("PATCH", &path, policy).await.status, 200);
    let crm = scene.subscriber().await;
    // It repeats what it gets, and refuses it: a dead letter with an excerpt.
    crm.receiver
        .answer(|request| Reply::Body(400, request.body.clone()));
    let slow = scene.subscriber().await;
    slow.receiver
        .answer(|request| Reply::Body(503, request.body.clone()));
    let warehouse = scene.hub.pull_destination(&scene.account).await;
    scene.subscribe(&warehouse).await;
    for step in [
        &[("email", EMAIL), ("cookie", COOKIE)][..],
        &[("cookie", COOKIE)],
        &[("email", EMAIL)],
        &[("email", GRACE)],
    ] {
        scene.hub.published(&scene.shop, seen(step)).await;
    }
    let mut unknown = seen(&[("email", EMAIL)]);
    unknown["events"][0]["code"] = "unheard-of".into();
    scene.hub.published(&scene.shop, unknown).await;
    scene.settle().await;
    // Closes the open file.
    let files = scene
        .hub
        .http
        .get("/v1/eventfiles?numFiles=10", &warehouse.key)
        .await;
    assert_eq!(files.json().as_array().map(Vec::len), Some(1));
    scene.settle().await;
    (scene, crm)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_an_erased_person_no_byte_is_left_in_any_file() {
    let (scene, _crm) = planted().await;
    let directory = scene.hub.directory().to_owned();
    let is_embedded = embedded_only("only there all files are ours");
    if is_embedded {
        scene.hub.server.hub.checkpoint().await.expect("saved");
        let places = everywhere(&directory, &[EMAIL, COOKIE]);
        let is_in = |file: &str| places.iter().any(|place| place.contains(file));
        assert!(
            is_in("rialto.db") && is_in("log.db") && is_in("eventfiles"),
            "{places:?}"
        );
    }
    // Asked by the cookie alone: whoever has it is Ada, with all that is known of her.
    let id = request(&scene, "remove", false, &format!("cookie\n{COOKIE}\n")).await;
    scene.settle().await;
    let done = job(&scene, id).await;
    assert_eq!(done["status"], "COMPLETED", "{done}");
    assert_eq!(
        (&done["records"]["read"], &done["records"]["matched"]),
        (&json!(1), &json!(1))
    );
    let report = report(&scene, id).await;
    let places = &report["places"];
    assert_eq!(
        (
            &places["log"],
            &places["event files"],
            &places["quarantine"]
        ),
        (&json!(4), &json!(3), &json!(1)),
        "{report}"
    );
    assert_eq!(places["identities"], 2, "{report}");
    let left = report["verified"]["left"]
        .as_object()
        .expect("it looked again");
    assert!(left.values().all(|found| found == 0), "{report}");

    if is_embedded {
        assert_eq!(
            everywhere(&directory, &[EMAIL, COOKIE]),
            Vec::<String>::new()
        );
        assert!(
            !everywhere(&directory, &[GRACE]).is_empty(),
            "who was not asked for stays"
        );
    }
    // The hub works on, also after a restart, and Ada can come back as a stranger.
    let scene = scene.restart().await;
    if is_embedded {
        assert_eq!(
            everywhere(&directory, &[EMAIL, COOKIE]),
            Vec::<String>::new()
        );
    }
    let fresh = scene.subscriber().await;
    scene
        .hub
        .published(&scene.shop, seen(&[("cookie", COOKIE)]))
        .await;
    scene.settle().await;
    let delivered = fresh.receiver.requests()[0].json();
    assert_eq!(
        delivered["identifiers"].as_array().map(Vec::len),
        Some(1),
        "{delivered}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_stands_in_no_list_or_was_said_of_somebody_else_is_erased_too() {
    if !embedded_only("only there all files are ours") {
        return;
    }
    let scene = Scene::start().await;
    let crm = scene.subscriber().await;
    let said = format!("it is the same as {EMAIL}");
    crm.receiver
        .answer(move |_| Reply::Body(400, said.clone().into()));
    let body = seen(&[("email", GRACE)]);
    scene.hub.published(&scene.shop, body).await;
    scene.settle().await;
    // As somebody leaves them who dies before an event file is listed, and before it is whole.
    let blobs = scene.hub.directory().join("data/blobs");
    let folder = format!("eventfiles/{}/{}", scene.account.id, crm.endpoint.id);
    let unlisted = blobs.join(folder);
    std::fs::create_dir_all(&unlisted).expect("a folder");
    let text = format!("[{{\"identifiers\":[{{\"name\":\"email\",\"value\":\"{EMAIL}\"}}]}}]");
    let name = "events-20260101T000000000000Z-0000000000001000.json";
    for path in [
        unlisted.join(name),
        blobs.join(".partial/00000000000000aa-1"),
    ] {
        std::fs::write(path, &text).expect("written");
    }
    scene.hub.server.hub.checkpoint().await.expect("saved");
    let places = everywhere(scene.hub.directory(), &[EMAIL]).concat();
    for file in ["rialto.db", name, ".partial"] {
        assert!(places.contains(file), "{file}: {places}");
    }

    let id = request(&scene, "remove", false, &format!("email\n{EMAIL}\n")).await;
    scene.settle().await;
    assert_eq!(job(&scene, id).await["status"], "COMPLETED");
    let report = report(&scene, id).await;
    assert_eq!(report["places"]["answers"], 1, "{report}");
    assert_eq!(report["places"]["unlisted event files"], 1, "{report}");
    let left = everywhere(scene.hub.directory(), &[EMAIL]);
    assert_eq!(left, Vec::<String>::new());
    assert_eq!(scene.dead().await.len(), 1, "the dead letter itself stays");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_erased_person_was_is_delivered_to_nobody() {
    let scene = Scene::start().await;
    let crm = scene.subscriber().await;
    crm.receiver.answer_status(503);
    for who in [EMAIL, GRACE, EMAIL] {
        scene.buy(who, 1).await;
    }
    scene.settle().await;
    request(&scene, "remove", false, &format!("email\n{EMAIL}\n")).await;
    scene.settle().await;
    crm.receiver.take();
    crm.receiver.answer_status(200);
    scene.pass(Duration::from_secs(3_600)).await;
    let bodies: Vec<String> = crm
        .receiver
        .take()
        .iter()
        .map(|it| it.json().to_string())
        .collect();
    assert_eq!(bodies.len(), 1, "{bodies:?}");
    assert!(bodies[0].contains(GRACE));
    assert!(scene.retrying().await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_other_identifiers_are_listed_for_other_systems_and_gone_when_fetched() {
    let (scene, _crm) = planted().await;
    let id = request(
        &scene,
        "remove",
        true,
        &format!("type,value\nemail,{EMAIL}\nemail,nobody@planted.example\n"),
    )
    .await;
    scene.settle().await;
    let waiting = job(&scene, id).await;
    assert_eq!(waiting["status"], "READY_FOR_DOWNLOAD", "{waiting}");
    assert_eq!(waiting["records"]["unmatched"], 1);
    let file = waiting["segmentDataFiles"][0]
        .as_str()
        .expect("a file")
        .to_owned();
    let path = format!("/v1/jobs/{id}/segmentDataFiles/{file}");
    let listed = scene.hub.http.get(&path, &scene.account.key).await.text();
    let mut lines = listed.lines();
    assert_eq!(lines.next(), Some("row,x1Id,type,value"));
    let other = lines.next().expect("the cookie");
    assert!(
        other.starts_with("2,") && other.ends_with(&format!(",cookie,{COOKIE}")),
        "{other}"
    );
    assert_eq!(lines.next(), None);

    let complete = format!("/v1/jobs/{id}/complete");
    let http = &scene.hub.http;
    let told = http
        .json("PUT", &complete, Some(&scene.account.key), None)
        .await;
    assert_eq!(told.status, 200, "{}", told.text());
    scene.settle().await;
    assert_eq!(job(&scene, id).await["status"], "COMPLETED");
    assert_eq!(
        scene.hub.http.get(&path, &scene.account.key).await.status,
        404
    );
    if embedded_only("only there all files are ours") {
        assert_eq!(
            everywhere(scene.hub.directory(), &[EMAIL, COOKIE]),
            Vec::<String>::new()
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restricted_person_is_not_delivered_until_it_is_lifted() {
    let scene = Scene::start().await;
    let crm = scene.subscriber().await;
    let warehouse = scene.hub.pull_destination(&scene.account).await;
    scene.subscribe(&warehouse).await;
    scene
        .hub
        .published(&scene.shop, seen(&[("email", EMAIL), ("cookie", COOKIE)]))
        .await;
    scene.settle().await;
    crm.receiver.take();

    let id = request(
        &scene,
        "addRestriction",
        false,
        &format!("email\n{EMAIL}\n"),
    )
    .await;
    scene.settle().await;
    assert_eq!(job(&scene, id).await["status"], "COMPLETED");
    let entries = manage(&scene, "GET", "/suppressions?why=restricted", Value::Null).await;
    assert_eq!(
        entries["items"].as_array().map(Vec::len),
        Some(2),
        "{entries}"
    );
    // Also by what was not asked for, and by what is learnt later.
    for step in [
        &[("cookie", COOKIE)][..],
        &[("cookie", COOKIE), ("phone", "+442079460018")],
    ] {
        scene.hub.published(&scene.shop, seen(step)).await;
    }
    scene
        .hub
        .published(&scene.shop, seen(&[("phone", "+442079460018")]))
        .await;
    scene
        .hub
        .published(&scene.shop, seen(&[("email", GRACE)]))
        .await;
    scene.settle().await;
    let got = crm.receiver.take();
    assert_eq!(got.len(), 1, "only Grace's");
    assert!(got[0].json().to_string().contains(GRACE));
    let scene = scene.restart().await;
    scene
        .hub
        .published(&scene.shop, seen(&[("email", EMAIL)]))
        .await;
    scene.settle().await;
    assert_eq!(crm.receiver.count(), 0, "a restart forgets nobody");

    request(
        &scene,
        "removeRestriction",
        false,
        &format!("cookie\n{COOKIE}\n"),
    )
    .await;
    scene.settle().await;
    scene
        .hub
        .published(&scene.shop, seen(&[("email", EMAIL)]))
        .await;
    scene.settle().await;
    assert_eq!(crm.receiver.count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_that_is_kept_of_a_person_is_exported() {
    let (scene, _crm) = planted().await;
    let id = request(&scene, "export", false, &format!("email\n{EMAIL}\n")).await;
    scene.settle().await;
    let waiting = job(&scene, id).await;
    assert_eq!(waiting["status"], "READY_FOR_DOWNLOAD", "{waiting}");
    let path = format!("/v1/jobs/{id}/segmentDataFiles/export.jsonl");
    let text = scene.hub.http.get(&path, &scene.account.key).await.text();
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let count = |member: &str| lines.iter().filter(|line| !line[member].is_null()).count();
    assert_eq!((count("person"), count("event")), (1, 3), "{text}");
    assert!(count("refusedEvent") + count("record") >= 1, "{text}");
    assert!(!text.contains(GRACE));
    assert_eq!(
        lines[0]["person"]["identifiers"].as_array().map(Vec::len),
        Some(2)
    );
}

#[tokio::test]
async fn a_suppressed_person_gets_nothing_if_the_account_says_so() {
    let scene = Scene::start().await;
    let crm = scene.subscriber().await;
    let sha = hash(HashAlgorithm::EmailSha256, EMAIL, None).expect("hashes");
    let mut delivered = None;
    for values in [json!([EMAIL]), json!([sha])] {
        let body = json!({ "type": "email", "values": values, "reference": "ticket 7" });
        let added = manage(&scene, "POST", "/suppressions", body.clone()).await;
        assert_eq!(
            (&added["added"], &added["isHonoured"]),
            (&json!(1), &json!(true))
        );
        let again = manage(&scene, "POST", "/suppressions", body.clone()).await;
        assert_eq!(again["added"], 0);
        // What was delivered before stays delivered.
        if let Some(before) = delivered {
            assert_eq!(scene.state(before, &crm.endpoint).await, "delivered");
        }
        let (hers, graces) = (scene.buy(EMAIL, 1).await, scene.buy(GRACE, 2).await);
        scene.settle().await;
        assert_eq!(crm.totals(), [2]);
        assert_eq!(scene.state(graces, &crm.endpoint).await, "delivered");
        let path = format!("/events/{hers}");
        let event = manage(&scene, "GET", &path, Value::Null).await;
        let journey = &event["deliveries"][0];
        assert_eq!(
            (&journey["state"], &journey["withheld"]),
            (&json!("withheld"), &json!("suppressed"))
        );
        crm.receiver.take();
        let mut who = body.clone();
        who.as_object_mut().expect("an object").remove("reference");
        let found = manage(&scene, "POST", "/suppressions/find", who.clone()).await;
        assert_eq!(found["items"][0]["reference"], "ticket 7", "{found}");
        assert!(!found.to_string().to_lowercase().contains("planted"));
        let removed = manage(&scene, "POST", "/suppressions/remove", who).await;
        assert_eq!(removed["removed"], 1);
        delivered = Some(scene.buy(EMAIL, 3).await);
        scene.settle().await;
        assert_eq!(crm.totals(), [3]);
        crm.receiver.take();
        scene.pass(Duration::from_secs(1)).await;
    }
    let bearer = format!("Bearer {}", crate::harness::TOKEN);
    let headers = [("authorization", &*bearer), ("content-type", "text/csv")];
    let path = format!(
        "/manage/v1/accounts/{}/suppressions/file?reference=list",
        scene.account.id
    );
    let csv = format!("email;cookie\n{EMAIL};\n;{COOKIE}\na;b;c\n");
    let answer = scene.hub.http.send("POST", &path, &headers, csv).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["added"], 2, "{}", answer.text());
    assert_eq!(answer.json()["problems"].as_array().map(Vec::len), Some(1));
    let policy = json!({ "policy": { "suppressionList": "ignore" } });
    let path = format!("/accounts/{}", scene.account.id);
    assert_eq!(scene.hub.manage("PATCH", &path, policy).await.status, 200);
    scene.buy(EMAIL, 4).await;
    scene.settle().await;
    assert_eq!(crm.totals(), [4]);
}

#[tokio::test]
async fn withdrawn_consent_is_heeded_if_the_account_says_so() {
    let scene = Scene::start().await;
    let crm = scene.subscriber().await;
    let event = |consent: &str| {
        let mut event = seen(&[("email", GRACE)]);
        event["events"][0]["attributes"] =
            json!([{ "name": "contactConsent", "value": consent, "type": "string" }]);
        event
    };
    for (policy, delivered) in [("ignore", 2), ("honour", 1)] {
        let policy = json!({ "policy": { "contactConsent": policy } });
        let path = format!("/accounts/{}", scene.account.id);
        assert_eq!(scene.hub.manage("PATCH", &path, policy).await.status, 200);
        let mut states = Vec::new();
        for consent in ["granted", "opt-out"] {
            let publication = scene.hub.published(&scene.shop, event(consent)).await;
            scene.settle().await;
            let id = publication.parse().expect("an id");
            states.push(scene.state(id, &crm.endpoint).await);
        }
        assert_eq!(crm.receiver.take().len(), delivered);
        assert_eq!(states[0], "delivered");
        assert_eq!(states[1] == "withheld", delivered == 1, "{states:?}");
    }
}

#[tokio::test]
async fn a_request_that_is_wrong_says_so() {
    let scene = Scene::start().await;
    let path = "/v1/jobs/gdprRequest";
    for (query, media, body, pointers) in [
        (
            "?operationType=destroy",
            "text/csv",
            "email\na@b.example\n",
            vec!["/operationType"],
        ),
        (
            "",
            "text/csv",
            "email\na@b.example\n",
            vec!["/operationType"],
        ),
        (
            "",
            "application/json",
            "{\"generateOutput\":7}",
            vec!["/generateOutput", "/operationType"],
        ),
        ("?operationType=remove", "text/csv", "", vec![""]),
    ] {
        let answer = post(&scene, &format!("{path}{query}"), media, body.to_owned()).await;
        assert_eq!(
            (answer.status, answer.pointers()),
            (400, pointers.iter().map(ToString::to_string).collect()),
            "{}",
            answer.text()
        );
    }
    // Who it is may come later; and a form has it all.
    let answer = post(
        &scene,
        path,
        "application/json",
        "{\"operationType\":\"export\"}".to_owned(),
    )
    .await;
    assert_eq!(
        answer.json()["status"],
        "WAITING_TO_RECIEVE_DATA",
        "{}",
        answer.text()
    );
    let form = "--x\r\ncontent-disposition: form-data; name=\"file\"; filename=\"p.csv\"\r\ncontent-type: text/csv\r\n\r\nemail\nada@planted.example\n\r\n\
        --x\r\ncontent-disposition: form-data; name=\"metadata\"\r\ncontent-type: application/json\r\n\r\n{\"operationType\":\"addRestriction\"}\r\n--x--\r\n";
    let answer = post(
        &scene,
        path,
        "multipart/form-data; boundary=x",
        form.to_owned(),
    )
    .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let id = answer.json()["jobId"].as_i64().expect("an id");
    scene.settle().await;
    assert_eq!(job(&scene, id).await["status"], "COMPLETED");
    let id = request(&scene, "remove", false, "email\n \n").await;
    scene.settle().await;
    let failed = job(&scene, id).await;
    assert_eq!(failed["status"], "FAILED");
    assert!(
        failed["errorDetails"]
            .as_str()
            .expect("a sentence")
            .contains("no row with an identifier")
    );
}

#[tokio::test]
async fn what_would_be_hashed_is_told_before_anything_is_sent() {
    let scene = Scene::start().await;
    let mut definition =
        crate::harness::destination_definition("http://ads.example", json!({ "enabled": true }));
    definition["marketingDatabasesDefinition"] = json!({ "marketingDatabases": [{ "name": "ads", "identifiers": [
        { "name": "Phone", "type": "phone", "hashMode": "REQUIRED", "hashAlgorithm": "PHONE_SHA256" },
    ] }] });
    let ads = scene.hub.endpoint(&scene.account, definition).await;
    let sha = hash(HashAlgorithm::Sha256, "x", None).expect("hashes");
    let body = json!({ "type": "phone", "values": ["+44 20 7946 0018", "12", sha, " "] });
    let path = format!("/endpoints/{}/hashing/dry-run", ads.id);
    let outcome = manage(&scene, "POST", &path, body).await;
    assert_eq!(
        (
            &outcome["read"],
            &outcome["hashed"],
            &outcome["blank"],
            &outcome["looksHashed"]
        ),
        (&json!(4), &json!(1), &json!(1), &json!(1)),
        "{outcome}"
    );
    let refused = outcome["refused"].as_object().expect("reasons");
    let rows: Vec<&Value> = refused
        .values()
        .flat_map(|it| it["rows"].as_array().expect("rows"))
        .collect();
    assert_eq!(rows.len(), 2, "{outcome}");
    assert!(
        !outcome.to_string().contains("7946"),
        "no value is repeated"
    );
}
