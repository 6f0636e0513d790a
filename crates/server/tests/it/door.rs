//! The door: what a call may look like, what it is told when it may not, and what it may hold while it is slow.

use std::time::Duration;

use engine::Fault;
use serde_json::Value;
use server::config;

use crate::harness::{Answer, Raw, TestEndpoint, TestHub, call, event};

pub(crate) async fn shop(hub: &TestHub) -> TestEndpoint {
    let account = hub.account().await;
    hub.publisher(&account, &["buy"]).await
}

pub(crate) fn purchase() -> String {
    event("buy", "ada@example.com", 1).to_string()
}

pub(crate) async fn post(
    hub: &TestHub,
    shop: &TestEndpoint,
    headers: &[(&str, &str)],
    body: Vec<u8>,
) -> Answer {
    let bearer = format!("Bearer {}", shop.key);
    let mut all = vec![
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
    ];
    all.extend_from_slice(headers);
    hub.http.send("POST", "/v1/event", &all, body).await
}

/// A problem document, whole: status, type, `message`.
pub(crate) fn assert_problem(answer: &Answer, status: u16, name: &str) -> Value {
    assert_eq!(answer.status, status, "{}", answer.text());
    assert_eq!(answer.headers["content-type"], "application/problem+json");
    let body = answer.json();
    assert_eq!(body["type"], format!("urn:rialto:problem:{name}"));
    assert_eq!(body["status"], status);
    assert!(body["title"].is_string());
    assert_eq!(body["message"], body["detail"]);
    assert!(body["message"].as_str().is_some_and(|m| !m.is_empty()));
    body
}

#[tokio::test]
async fn a_full_queue_says_when_to_come_back() {
    let hub = TestHub::start_with(|config| config.log.queue_records_max = 1).await;
    let shop = shop(&hub).await;
    let two = |email: &str| {
        serde_json::json!({ "channel": "web", "events": [
        { "code": "buy", "timestamp": "2026-03-02", "identifiers": [{ "name": "email", "value": email }] },
        { "code": "buy", "timestamp": "2026-03-02", "identifiers": [{ "name": "email", "value": "b" }] }] })
    };
    let calls = (0..200).map(|n| hub.publish(&shop, two(&n.to_string())));
    let answers = futures_util::future::join_all(calls).await;
    let (busy, taken): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 429);
    assert!(!busy.is_empty(), "nothing was refused");
    for answer in busy {
        assert_problem(answer, 429, "too-many-requests");
        let seconds: u64 = answer.headers["retry-after"]
            .to_str()
            .expect("text")
            .parse()
            .expect("seconds");
        assert!(seconds >= 1);
    }
    assert!(taken.iter().all(|answer| answer.status == 200));
}

#[tokio::test]
async fn unknown_paths_and_methods_are_problems() {
    let hub = TestHub::start().await;
    let shop = shop(&hub).await;
    for path in [
        "/",
        "/v1",
        "/v1/",
        "/v1/events",
        "/v1/event/",
        "/v2/event",
        "/V1/event",
        "/%00",
        "//v1/event",
    ] {
        let answer = hub.http.json("GET", path, Some(&shop.key), None).await;
        assert_problem(&answer, 404, "not-found");
    }
    for (method, path, allow) in [
        ("GET", "/v1/event", "POST"),
        ("PATCH", "/v1/event", "POST"),
        ("BREW", "/v1/event", "POST"),
        ("POST", "/livez", "GET,HEAD"),
        ("POST", "/v1/eventfiles/a", "DELETE,GET,HEAD"),
    ] {
        let answer = hub.http.json(method, path, Some(&shop.key), None).await;
        let problem = assert_problem(&answer, 405, "method-not-allowed");
        assert!(
            problem["message"]
                .as_str()
                .is_some_and(|m| m.contains(method))
        );
        let said = answer.headers["allow"].to_str().expect("text");
        let mut said: Vec<&str> = said.split(',').map(str::trim).collect();
        said.sort_unstable();
        assert_eq!(said.join(","), allow, "{method} {path}");
    }
}

#[tokio::test]
async fn paths_and_queries_that_cannot_be_read_are_problems() {
    let hub = TestHub::start().await;
    let shop = shop(&hub).await;
    for path in [
        "/v1/eventfiles/%ff",
        "/v1/eventfiles?numFiles=1&numFiles=2",
        "/v1/eventfiles?numFiles=%ff",
        "/v1/eventfiles?numFiles=some",
    ] {
        let answer = hub.http.get(path, &shop.key).await;
        assert_problem(&answer, 400, "invalid-request");
    }
}

#[tokio::test]
async fn head_and_options_are_answered() {
    let hub = TestHub::start().await;
    let head = hub.http.json("HEAD", "/livez", None, None).await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    let head = hub.http.json("HEAD", "/v1/nothing", None, None).await;
    assert_eq!((head.status, head.body.len()), (404, 0));
    let options = hub.http.json("OPTIONS", "/v1/event", None, None).await;
    assert_problem(&options, 405, "method-not-allowed");
    assert_eq!(options.headers["allow"], "POST");
}

/// Slow senders: the call ends in time, the connection with it, and the room for the body is given back.
#[tokio::test]
async fn a_body_that_trickles_in_is_cut_off() {
    let hub = TestHub::start_with(|config| {
        // Also of the call at the end, with its commit on a busy disk.
        config.api.request_time_max = config::Duration(Duration::from_secs(3));
        config.api.bodies_bytes_max = config::Bytes(64 << 10);
    })
    .await;
    let shop = shop(&hub).await;
    let whole = call("/v1/event", &shop.key, &purchase());
    let mut slow = Raw::connect(hub.server.address).await;
    slow.send(&whole[..whole.len() - 10]).await;
    let answer = slow.answer().await.expect("an answer");
    let problem = assert_problem(&answer, 408, "request-timeout");
    assert!(
        problem["message"]
            .as_str()
            .is_some_and(|m| m.contains(" 3 s")),
        "{problem}"
    );
    assert!(slow.is_closed().await);
    // There was room for one body only.
    assert_eq!(
        post(&hub, &shop, &[], purchase().into_bytes()).await.status,
        200
    );
}

#[tokio::test]
async fn readyz_says_what_is_missing() {
    let hub = TestHub::start().await;
    let ready = hub.http.json("GET", "/readyz", None, None).await;
    assert_eq!(
        (ready.status, ready.json()),
        (200, serde_json::json!({ "ready": true, "missing": [] }))
    );
    let shop = shop(&hub).await;
    hub.faults.until_cleared(Fault::DiskFull);
    assert_eq!(
        post(&hub, &shop, &[], purchase().into_bytes()).await.status,
        503
    );
    let missing = hub.http.json("GET", "/readyz", None, None).await;
    assert_eq!(missing.status, 503);
    let body = missing.json();
    assert_eq!(body["ready"], false);
    assert!(
        body["missing"][0]
            .as_str()
            .is_some_and(|m| m.starts_with("log: ")),
        "{body}"
    );
    assert!(body["message"].is_string());
    hub.faults.clear();
    assert_eq!(
        hub.http.json("GET", "/readyz", None, None).await.status,
        200
    );
}
