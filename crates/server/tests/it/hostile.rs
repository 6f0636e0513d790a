//! Bodies and heads that are wrong on purpose: each is answered with a sentence, in bounded memory, and harms nobody.

use serde_json::json;

use crate::door::{assert_problem, post, purchase, shop};
use crate::harness::{Answer, Binary, Raw, TestHub, event};

/// A refusal that says something: never a 5xx, never an empty answer.
fn assert_told(what: &str, answer: &Answer) {
    assert!(
        (400..500).contains(&answer.status),
        "{what}: {} {}",
        answer.status,
        answer.text()
    );
    let message = &answer.json()["message"];
    assert!(
        message
            .as_str()
            .is_some_and(|m| !m.is_empty() && m.len() < 4096),
        "{what}: {message}"
    );
}

/// A body of the individual form with `text` in the place of an attribute's value.
fn with_value(text: &[u8]) -> Vec<u8> {
    let body = event("buy", "ada@example.com", 424_242).to_string();
    let at = body.find("424242").expect("the value");
    [&body.as_bytes()[..at], text, &body.as_bytes()[at + 6..]].concat()
}

#[tokio::test]
async fn wrong_json_of_every_kind_is_told() {
    let hub = TestHub::start().await;
    let shop = shop(&hub).await;
    let deep = 200_000;
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("nothing", vec![]),
        ("blanks", b" \n\t ".to_vec()),
        ("a word", b"null".to_vec()),
        ("a number", b"5".to_vec()),
        ("a string", b"\"event\"".to_vec()),
        ("half", purchase().into_bytes()[..100].to_vec()),
        ("two", format!("{0}{0}", purchase()).into_bytes()),
        (
            "a byte order mark",
            [b"\xef\xbb\xbf", purchase().as_bytes()].concat(),
        ),
        (
            "UTF-16",
            purchase()
                .encode_utf16()
                .flat_map(u16::to_le_bytes)
                .collect(),
        ),
        ("not UTF-8", with_value(b"\"\xff\"")),
        ("an overlong slash", with_value(b"\"\xc0\xaf\"")),
        ("half a surrogate", with_value(br#""\ud800""#)),
        ("a control character", with_value(b"\"\x01\"")),
        ("a NUL", with_value(b"\0")),
        ("NaN", with_value(b"NaN")),
        ("hexadecimal", with_value(b"0x1F")),
        ("a leading zero", with_value(b"007")),
        ("a plus sign", with_value(b"+1")),
        ("an open string", with_value(b"\"open")),
        ("a trailing comma", with_value(b"1,")),
        ("a comment", with_value(b"1/* one */")),
        ("single quotes", with_value(b"'1'")),
        ("typographic quotes", with_value("“1”".as_bytes())),
        ("arrays in arrays", "[".repeat(deep).into_bytes()),
        ("objects in objects", "{\"a\":".repeat(deep).into_bytes()),
        (
            "depth where a value stands",
            with_value("[".repeat(deep).as_bytes()),
        ),
        (
            "a member twice",
            purchase()
                .replacen('{', "{\"channel\":\"app\",", 1)
                .into_bytes(),
        ),
        ("an object for a value", with_value(b"{}")),
        ("an array for a value", with_value(b"[1]")),
        (
            "a long value",
            with_value(format!("\"{}\"", "x".repeat(1 << 20)).as_bytes()),
        ),
        ("a long number", with_value("9".repeat(1 << 20).as_bytes())),
    ];
    for (what, body) in cases {
        let answer = post(&hub, &shop, &[], body).await;
        assert_told(what, &answer);
    }
    assert_eq!(
        post(&hub, &shop, &[], purchase().into_bytes()).await.status,
        200
    );
}

/// Unknown members are accepted, however strange; they only have to be JSON.
#[tokio::test]
async fn what_is_ignored_only_has_to_be_json() {
    let hub = TestHub::start().await;
    let shop = shop(&hub).await;
    let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
    for (value, status) in [
        (deep.as_str(), 200),
        (&deep[1..], 400),
        ("1e999999999999", 200),
        ("[1, 2, {\"a\": 1, \"a\": 2}]", 200),
        ("[1, 2", 400),
        ("\"\\x\"", 400),
        ("undefined", 400),
    ] {
        let body = purchase().replacen('{', &format!("{{\"unknown\":{value},"), 1);
        let answer = post(&hub, &shop, &[], body.into_bytes()).await;
        assert_eq!(answer.status, status, "{value:.20}: {}", answer.text());
    }
}

/// Whatever would make one small call cost much.
#[tokio::test]
async fn much_of_anything_is_told() {
    let hub = TestHub::start().await;
    let shop = shop(&hub).await;
    let person = json!({ "name": "email", "value": "ada@example.com" });
    let told = json!({ "code": "buy", "timestamp": "2026-03-02" });
    let attribute = json!({ "name": "note", "value": "x" });
    let base = |events: serde_json::Value, people: serde_json::Value| json!({ "channel": "web", "identifiers": people, "events": events });
    let mut attributed = told.clone();
    attributed["attributes"] = json!(vec![attribute; 600]);
    let mut nested = told.clone();
    nested["attributes"] = json!([{}]);
    let group = json!({ "identifiers": [person], "events": [told] });
    let empty = serde_json::Value::Null;
    for (what, body, status) in [
        (
            "events",
            base(json!(vec![told.clone(); 5000]), json!([person])),
            413,
        ),
        (
            "empty events",
            base(json!(vec![empty.clone(); 1 << 20]), json!([person])),
            413,
        ),
        (
            "identifiers",
            base(json!([told]), json!(vec![person.clone(); 100])),
            400,
        ),
        (
            "attributes",
            base(json!([attributed]), json!([person])),
            400,
        ),
        (
            "groups",
            json!({ "channel": "web", "eventbatch": vec![group; 5000] }),
            413,
        ),
        (
            "empty groups",
            json!({ "eventbatch": vec![json!({}); 1 << 20] }),
            413,
        ),
        (
            "an empty attribute",
            base(json!([nested]), json!([person])),
            400,
        ),
    ] {
        let answer = hub.publish(&shop, body).await;
        assert_told(what, &answer);
        assert_eq!(
            answer.status,
            status,
            "{what}: {}",
            &answer.text()[..200.min(answer.text().len())]
        );
    }
}

/// However much is wrong, the answer stays readable.
#[tokio::test]
async fn a_thousand_mistakes_are_not_a_thousand_sentences_long() {
    let hub = TestHub::start().await;
    let shop = shop(&hub).await;
    let body = json!({ "channel": "web", "identifiers": [{ "name": "email", "value": "a" }],
                       "events": vec![json!({ "code": "x".repeat(200), "timestamp": "y".repeat(200) }); 4000] });
    let answer = hub.publish(&shop, body).await;
    assert_problem(&answer, 400, "invalid-request");
    assert!(answer.body.len() < 1 << 20, "{} bytes", answer.body.len());
    assert!(
        answer.json()["errors"]
            .as_array()
            .is_some_and(|errors| errors.len() >= 100)
    );
}

#[tokio::test]
async fn heads_that_are_no_heads_end_their_connection_only() {
    let hub = TestHub::start().await;
    let shop = shop(&hub).await;
    let key = &shop.key;
    for head in [
        "\r\n\r\n\0\r\n\r\n".to_owned(),
        "GET\r\n\r\n".to_owned(),
        "GET /livez HTTP/9.9\r\n\r\n".to_owned(),
        format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "a".repeat(1_000_000)),
        format!(
            "GET /livez HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n",
            "a".repeat(1_000_000)
        ),
        format!(
            "GET /livez HTTP/1.1\r\nhost: x\r\n{}\r\n",
            "x: y\r\n".repeat(1000)
        ),
        format!(
            "POST /v1/event HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\ncontent-length: -1\r\n\r\n"
        ),
        format!(
            "POST /v1/event HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n"
        ),
        format!(
            "POST /v1/event HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"
        ),
        format!(
            "POST /v1/event HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\n"
        ),
    ] {
        let mut raw = Raw::connect(hub.server.address).await;
        raw.try_send(&head).await;
        if let Some(answer) = raw.answer().await {
            assert!(
                (400..500).contains(&answer.status),
                "{head:.60}: {}",
                answer.status
            );
        }
        assert!(raw.is_closed().await, "{head:.60}");
    }
    assert_eq!(
        post(&hub, &shop, &[], purchase().into_bytes()).await.status,
        200
    );
}

/// Four calls at once of 100 MB each, which say so or not: refused, and the process stays small. With many more of them
/// a busy machine would not be done before the hub, which reads on for some seconds only, cuts them off.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_megabytes_are_refused_in_bounded_memory() {
    const BODY: usize = 100 << 20;
    let server = Binary::start();
    let shop = server.shop("buy").await;
    let (key, address) = (&shop.key, server.address);
    let calls = (0..4).map(|n| async move {
        let length = if n % 2 == 0 {
            format!("content-length: {BODY}")
        } else {
            "transfer-encoding: chunked".to_owned()
        };
        let head = format!(
            "POST /v1/event HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n{length}\r\n\r\n"
        );
        let piece = vec![b' '; 1 << 20];
        let mut raw = Raw::connect(address).await;
        raw.send(head).await;
        for _ in 0..BODY / piece.len() {
            if n % 2 == 0 {
                raw.send(&piece).await;
            } else {
                raw.send(format!("{:x}\r\n", piece.len())).await;
                raw.send(&piece).await;
                raw.send("\r\n").await;
            }
        }
        let answer = raw.answer().await.expect("an answer");
        let problem = assert_problem(&answer, 413, "too-large");
        assert!(
            problem["message"]
                .as_str()
                .is_some_and(|m| m.contains("10485760 bytes"))
        );
    });
    futures_util::future::join_all(calls).await;
    let peak = server.memory_peak_bytes();
    assert!(peak < 300 << 20, "the process took {} MiB", peak >> 20);
    let answer = server
        .http()
        .json(
            "POST",
            "/v1/event",
            Some(key),
            Some(event("buy", "ada@example.com", 1)),
        )
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}
