//! The door under random input: whatever a stranger sends, it is refused with a sentence or taken, and never a fault of ours.

use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;
use tokio::runtime::Runtime;

use crate::door::{purchase, shop};
use crate::harness::{Answer, TestEndpoint, TestHub};

struct Target {
    runtime: Runtime,
    hub: TestHub,
    shop: TestEndpoint,
}

impl Target {
    fn start() -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let (hub, shop) = runtime.block_on(async {
            let hub = TestHub::start().await;
            let shop = shop(&hub).await;
            (hub, shop)
        });
        Self { runtime, hub, shop }
    }

    fn ask(&self, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Answer {
        let answer = self.hub.http.send("POST", path, headers, body);
        self.runtime.block_on(answer)
    }
}

/// Each input is a call over HTTP.
fn run<S: Strategy>(strategy: &S, property: impl Fn(S::Value) -> TestCaseResult) {
    fuzzing::run_slow(150, strategy, property);
}

/// A sentence if and only if it is a refusal, and no fault of ours.
fn told(answer: &Answer) -> TestCaseResult {
    let body = answer.json();
    let text = answer.text();
    prop_assert_eq!(
        body.get("message").is_some(),
        answer.status >= 400,
        "{}",
        text
    );
    prop_assert_eq!(
        body.get("accepted").is_some(),
        answer.status == 200,
        "{}",
        text
    );
    prop_assert!(answer.status < 500, "{}", text);
    Ok(())
}

#[test]
fn fuzz_any_authorization_is_refused() {
    let target = Target::start();
    let header = "([Bb][Ee][Aa][Rr][Ee][Rr])?[ \\x09]{0,2}[\\x09\\x20-\\x7e\\x80-\\xff]{0,80}";
    run(&header, |header| {
        let answer = target.ask("/v1/event", &[("authorization", &header)], vec![]);
        prop_assert!(matches!(answer.status, 401 | 403), "{}", answer.text());
        told(&answer)
    });
}

#[test]
fn fuzz_any_query_is_refused() {
    let target = Target::start();
    let query = prop_oneof![
        "[a-zA-Z0-9%&=+.;/?]{0,60}",
        "(key=|&|%6bey=)[a-z0-9%&=]{0,40}"
    ];
    run(&query, |query| {
        let answer = target.ask(&format!("/v1/customEvent?{query}"), &[], vec![]);
        prop_assert!(matches!(answer.status, 401 | 403), "{}", answer.text());
        told(&answer)
    });
}

#[test]
fn fuzz_any_body_of_any_type_is_answered() {
    let target = Target::start();
    let bearer = format!("Bearer {}", target.shop.key);
    let encoding = prop_oneof![4 => Just("identity"), 1 => Just("gzip"), 1 => Just("zstd")];
    let media = prop_oneof![4 => Just("application/json".to_owned()), 1 => "[a-z/+;= ]{0,30}"];
    let call = (mutated(), media, encoding, "[!-~]{1,40}");
    run(&call, |(body, media, encoding, key)| {
        let headers = [
            ("authorization", bearer.as_str()),
            ("content-type", media.as_str()),
            ("content-encoding", encoding),
            ("idempotency-key", key.as_str()),
        ];
        let answer = target.ask("/v1/event", &headers, body.clone());
        told(&answer)?;
        // The same again is answered the same.
        let again = target.ask("/v1/event", &headers, body);
        prop_assert_eq!(again.text(), answer.text());
        Ok(())
    });
}

/// A good body of which a few bytes were changed.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let body = purchase().into_bytes();
    let byte = prop_oneof![any::<u8>(), Just(b'"'), Just(b'{'), Just(b','), Just(b'\\')];
    proptest::collection::vec((0..body.len(), byte), 0..4).prop_map(move |changes| {
        let mut body = body.clone();
        for (at, byte) in changes {
            body[at] = byte;
        }
        body
    })
}
