//! Browsers: any page may call the published API; an event-only key, which anybody can read in it, only publishes.

use crate::door::{post, purchase, shop};
use crate::harness::{Answer, TestHub};

#[tokio::test]
async fn browsers_of_any_origin_may_call_the_published_api_and_nothing_else() {
    let hub = TestHub::start().await;
    let shop = shop(&hub).await;
    let origin = ("origin", "https://shop.example:8443");
    let preflight = [
        origin,
        ("access-control-request-method", "POST"),
        (
            "access-control-request-headers",
            "authorization,content-type",
        ),
    ];
    let answer = hub.http.send("OPTIONS", "/v1/event", &preflight, "").await;
    assert_eq!((answer.status, answer.body.len()), (204, 0));
    let said = |answer: &Answer, name: &str| {
        answer
            .headers
            .get(name)
            .map(|v| v.to_str().expect("text").to_owned())
    };
    assert_eq!(
        said(&answer, "access-control-allow-origin").as_deref(),
        Some(origin.1)
    );
    assert_eq!(
        said(&answer, "access-control-allow-credentials").as_deref(),
        Some("true")
    );
    let methods = said(&answer, "access-control-allow-methods").expect("methods");
    assert!(
        ["GET", "POST", "PUT", "DELETE"]
            .iter()
            .all(|method| methods.contains(method)),
        "{methods}"
    );
    let headers = said(&answer, "access-control-allow-headers").expect("headers");
    assert!(
        headers.contains("Authorization") && headers.contains("Content-Type"),
        "{headers}"
    );
    assert_eq!(said(&answer, "vary").as_deref(), Some("Origin"));

    // The origin is echoed on answers of every kind, so that a page can read why it was refused.
    let taken = post(&hub, &shop, &[origin], purchase().into_bytes()).await;
    let refused = hub.http.send("POST", "/v1/event", &[origin], "").await;
    let unknown = hub.http.send("GET", "/v1/nothing", &[origin], "").await;
    for (answer, status) in [(taken, 200), (refused, 401), (unknown, 404)] {
        assert_eq!(answer.status, status);
        assert_eq!(
            said(&answer, "access-control-allow-origin").as_deref(),
            Some(origin.1)
        );
    }
    let manage = hub
        .http
        .send("OPTIONS", "/manage/v1/accounts", &preflight, "")
        .await;
    assert_ne!(manage.status, 204);
    assert_eq!(said(&manage, "access-control-allow-origin"), None);
}

/// A page in a browser holds a key that can do nothing but publish.
#[tokio::test]
async fn browsers_publish_with_an_event_only_key() {
    let hub = TestHub::start().await;
    let shop = shop(&hub).await;
    let path = format!("/v1/endpoint/{}/eventinfo", shop.id);
    let info = hub.http.get(&path, &shop.key).await;
    assert_eq!(info.status, 200, "{}", info.text());
    let info = info.json();
    let key = info["eventAuthKey"].as_str().expect("a key");
    let bearer = format!("Bearer {key}");
    let json = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
    ];
    // A beacon: no headers of its own but text/plain, and the origin that the browser adds.
    let beacon = [
        ("content-type", "text/plain;charset=UTF-8"),
        ("origin", "https://shop.example"),
    ];
    let with_key = format!("/v1/customEvent?v=1&key={key}");
    for (path, headers, status) in [
        ("/v1/customEvent", &json, 200),
        (&with_key, &beacon, 200),
        ("/v1/event", &json, 403),
        ("/v1/customEvent?key=rv_0", &beacon, 403),
        ("/v1/customEvent?key=", &beacon, 401),
        ("/v1/customEvent", &beacon, 401),
    ] {
        let answer = hub.http.send("POST", path, headers, purchase()).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
        assert_eq!(answer.json().get("accepted").is_some(), status == 200);
        let echoed = answer.headers.get("access-control-allow-origin");
        assert_eq!(echoed.is_some(), headers == &beacon, "{path}");
    }
}
