//! `PUT /v1/endpoint/enable` and `disable`.

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::{defined, registered};
use crate::harness::{Receiver, TestHub, event};

#[tokio::test]
async fn disabling_and_enabling_answer_304_when_nothing_changes() {
    let (hub, _, endpoint) = defined().await;
    let key = &endpoint.key;
    for (word, status) in [
        ("enable", 304),
        ("disable", 200),
        ("disable", 304),
        ("enable", 200),
        ("enable", 304),
    ] {
        let answer = hub
            .http
            .curl(&format!(
                r#"curl -v \
                -X PUT \
                -H "Authorization: Bearer {key}" \
                -H "Content-Type: application/json" \
                <base URL>/v1/endpoint/{word}"#
            ))
            .await;
        let expected = if status == 200 { "true" } else { "" };
        assert_eq!(
            (answer.status, answer.text().as_str()),
            (status, expected),
            "{word}"
        );
        let read = hub.http.get("/v1/endpoint", key).await.json();
        assert_eq!(read["enabled"], word == "enable");
        assert_eq!(read["status"], "ACTIVE", "a switch is not a status");
    }
}

#[tokio::test]
async fn a_user_may_switch_before_the_provider_has_called() {
    let (hub, _, endpoint) = registered().await;
    let answer = hub
        .http
        .json("PUT", "/v1/endpoint/disable", Some(&endpoint.key), None)
        .await;
    assert_eq!(answer.status, 200);
    assert_eq!(super::status_of(&hub, &endpoint).await, "PENDING");
}

#[tokio::test]
async fn a_disabled_destination_gets_nothing_and_a_disabled_publisher_publishes_nothing() {
    let hub = TestHub::start().await;
    let account = hub.account().await;
    let shop = hub.publisher(&account, &["cartAdd"]).await;
    let receiver = Receiver::start().await;
    let crm = hub.push_destination(&account, &receiver.url()).await;
    hub.subscribe(&account, &shop, "cartAdd", &crm).await;

    let switch = async |key: &str, word: &str| {
        let path = format!("/v1/endpoint/{word}");
        assert_eq!(
            hub.http.json("PUT", &path, Some(key), None).await.status,
            200
        );
    };
    switch(&crm.key, "disable").await;
    hub.published(&shop, event("cartAdd", "ada@example.com", 1))
        .await;
    hub.settle().await;
    assert_eq!(receiver.count(), 0);

    switch(&crm.key, "enable").await;
    hub.published(&shop, event("cartAdd", "ada@example.com", 2))
        .await;
    hub.settle().await;
    let received = receiver.requests();
    assert_eq!(
        received.len(),
        1,
        "what was published while it was off is not its"
    );
    assert_eq!(
        received[0].json()["events"][0]["attributes"][0]["value"],
        "2"
    );

    switch(&shop.key, "disable").await;
    let answer = hub
        .publish(&shop, event("cartAdd", "ada@example.com", 3))
        .await;
    assert_eq!(answer.status, 403, "{}", answer.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_hangs_up_leaves_nothing_half_done() {
    let (hub, _, endpoint) = defined().await;
    for round in 0..100 {
        let word = if round % 2 == 0 { "disable" } else { "enable" };
        let path = format!("/v1/endpoint/{word}");
        let mut stream = TcpStream::connect(hub.server.address)
            .await
            .expect("a connection");
        let head = format!(
            "PUT {path} HTTP/1.1\r\nhost: rialto\r\nauthorization: Bearer {}\r\ncontent-length: 0\r\n\r\n",
            endpoint.key
        );
        stream.write_all(head.as_bytes()).await.expect("sent");
        for _ in 0..round {
            tokio::task::yield_now().await;
        }
        drop(stream);

        // Whether the first call was carried out or never seen: after this one it is so.
        let answer = hub.http.json("PUT", &path, Some(&endpoint.key), None).await;
        assert!([200, 304].contains(&answer.status), "{}", answer.text());
        let read = hub.http.get("/v1/endpoint", &endpoint.key).await.json();
        assert_eq!(read["enabled"], word == "enable", "round {round}");
    }
}
