//! `/v1/eventtype/attributes/{publisher|subscriber}/{id}`: attributes are replaced as a whole.

use serde_json::{Value, json};

use super::{list, publisher, registered};
use crate::harness::{Answer, TestEndpoint, TestHub};

async fn put(hub: &TestHub, endpoint: &TestEndpoint, path: &str, body: Value) -> Answer {
    let path = format!("/v1/eventtype/attributes/{path}");
    hub.http
        .json("PUT", &path, Some(&endpoint.key), Some(body))
        .await
}

/// The names of the attributes of each event type, in the order of the list.
async fn names(hub: &TestHub, endpoint: &TestEndpoint) -> Vec<Vec<String>> {
    let all = list(hub, endpoint).await;
    let names = |t: &Value| -> Vec<String> {
        let attributes = t["attributes"].as_array().expect("an array").iter();
        attributes
            .map(|a| a["name"].as_str().expect("a name").to_owned())
            .collect()
    };
    all.as_array()
        .expect("an array")
        .iter()
        .map(names)
        .collect()
}

#[tokio::test]
async fn the_published_examples_work() {
    for (side, registration) in [("publisher", "PUBLISH"), ("subscriber", "SUBSCRIBE")] {
        let (hub, _, endpoint) = publisher().await;
        let body =
            json!({ "code": "ibmproductView", "name": "Seen", "registrationType": registration });
        registered(&hub, &endpoint, body).await;
        let (id, key) = (endpoint.id, &endpoint.key);
        // The text says PUT, the example POST; the example's one attribute is bare, the table has a list.
        for method in ["POST", "PUT"] {
            for body in [
                r#"{"code" : "ibmproductView", "name" : "productId","type" : "string"}"#,
                r#"[{"name" : "productId", "type" : "string"}, {"name" : "price", "type" : "number"}]"#,
            ] {
                let answer = hub
                    .http
                    .curl(&format!(
                        r#"curl -v \
                        -X {method} \
                        -H "Authorization: Bearer {key}" \
                        -H "Content-Type: application/json" \
                        -d '{body}' \
                        <base URL>/v1/eventtype/attributes/{side}/{id}"#
                    ))
                    .await;
                assert_eq!(
                    (answer.status, answer.text().as_str()),
                    (200, "true"),
                    "{body}"
                );
                let expected = if body.starts_with('[') {
                    vec!["productId", "price"]
                } else {
                    vec!["productId"]
                };
                assert_eq!(names(&hub, &endpoint).await, [expected]);
            }
        }
    }
}

#[tokio::test]
async fn with_several_event_types_one_is_named() {
    let (hub, _, shop) = publisher().await;
    let mut ids = Vec::new();
    for (code, namespace) in [("visit", "a"), ("visit", "b"), ("leave", "a")] {
        ids.push(
            registered(
                &hub,
                &shop,
                json!({ "code": code, "name": code, "namespace": namespace }),
            )
            .await,
        );
    }
    let own = format!("publisher/{}", shop.id);
    for (path, body) in [
        (own.clone(), json!([{ "name": "x" }])),
        (
            own.clone(),
            json!({ "code": "visit", "attributes": [{ "name": "x" }] }),
        ),
        (format!("{own}?namespace=a"), json!([{ "name": "x" }])),
    ] {
        let answer = put(&hub, &shop, &path, body).await;
        assert_eq!(answer.status, 400, "{path}");
        assert_eq!(answer.pointers(), ["/code"], "{}", answer.text());
    }
    assert_eq!(names(&hub, &shop).await, [vec![""; 0], vec![], vec![]]);

    let cases = [
        // path, body, whose attributes change
        (
            format!("{own}?code=leave"),
            json!([{ "name": "by-code" }]),
            2,
            "by-code",
        ),
        (
            format!("{own}?code=visit&namespace=b"),
            json!([{ "name": "by-both" }]),
            1,
            "by-both",
        ),
        (
            own.clone(),
            json!({ "code": "visit", "namespace": "a", "attributes": [{ "name": "in-body" }] }),
            0,
            "in-body",
        ),
        (
            format!("{own}?code=leave"),
            json!({ "code": "visit", "namespace": "b", "attributes": [{ "name": "body-first" }] }),
            1,
            "body-first",
        ),
        (
            format!("publisher/{}", ids[2]),
            json!([{ "name": "by-id" }]),
            2,
            "by-id",
        ),
    ];
    for (path, body, at, name) in cases {
        let answer = put(&hub, &shop, &path, body).await;
        assert_eq!(
            (answer.status, answer.text().as_str()),
            (200, "true"),
            "{path}"
        );
        assert_eq!(names(&hub, &shop).await[at], [name], "{path}");
    }
}

#[tokio::test]
async fn each_side_has_its_own_path() {
    let (hub, account, shop) = publisher().await;
    registered(
        &hub,
        &shop,
        json!({ "code": "visit", "name": "Visit", "attributes": [{ "name": "kept" }] }),
    )
    .await;
    let answer = put(&hub, &shop, &format!("subscriber/{}", shop.id), json!([])).await;
    assert_eq!(
        answer.status, 400,
        "it publishes this, it does not subscribe"
    );
    let sister = hub.publisher(&account, &["visit"]).await;
    let stranger_account = hub.account().await;
    let stranger = hub.publisher(&stranger_account, &["visit"]).await;
    for id in [
        sister.id.to_string(),
        stranger.id.to_string(),
        "999999".to_owned(),
        "visit".to_owned(),
        "%FF".to_owned(),
    ] {
        let answer = put(&hub, &shop, &format!("publisher/{id}"), json!([])).await;
        assert_eq!(answer.status, 404, "{id}: {}", answer.text());
    }
    assert_eq!(names(&hub, &shop).await, [["kept"]]);
}

#[tokio::test]
async fn a_list_that_breaks_rules_changes_nothing() {
    let (hub, _, shop) = publisher().await;
    registered(
        &hub,
        &shop,
        json!({ "code": "visit", "name": "Visit", "attributes": [{ "name": "kept" }] }),
    )
    .await;
    let own = format!("publisher/{}", shop.id);
    let cases = [
        (
            json!([{ "type": "string" }, {}]),
            vec!["/0/name", "/1/name"],
        ),
        (
            json!({ "attributes": [{ "name": "a" }, { "name": "a" }] }),
            vec!["/attributes/1/name"],
        ),
        (json!({ "attributes": "a" }), vec!["/attributes"]),
        (json!({ "code": "visit" }), vec!["/attributes"]),
        (json!({ "code": "leave", "attributes": [] }), vec!["/code"]),
        (json!("visit"), vec![""]),
    ];
    for (body, pointers) in cases {
        let answer = put(&hub, &shop, &own, body).await;
        assert_eq!(answer.status, 400, "{}", answer.text());
        assert_eq!(answer.pointers(), pointers, "{}", answer.text());
    }
    assert_eq!(names(&hub, &shop).await, [["kept"]]);
}
