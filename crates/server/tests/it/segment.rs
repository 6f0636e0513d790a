//! Audiences of endpoints: announced by push producers, asked of pull producers and push consumers, searched, taken back.
//!
//! The `curl` commands are the examples of the published API with their quotes and placeholders repaired.

mod refresh;

use serde_json::{Value, json};

use crate::harness::{Answer, TestAccount, TestEndpoint, TestHub};

/// Above 2^53: a double would make 8000000000000001000 of it.
const LARGE: i64 = 8_000_000_000_000_001_152;

/// What an endpoint with audiences registers: `role` is `source` or `destination`.
fn definition(role: &str, transfer: &str, url: &str) -> Value {
    let kind = if role == "source" {
        "producerType"
    } else {
        "destinationType"
    };
    json!({
        "name": "CRM", "providerName": "Acme", "url": url,
        "endpointTypes": { "segment": { role: { "enabled": true, kind: transfer } } },
    })
}

struct Producer {
    hub: TestHub,
    account: TestAccount,
    endpoint: TestEndpoint,
}

impl Producer {
    async fn start() -> Self {
        let hub = TestHub::start().await;
        let account = hub.account().await;
        let endpoint = hub
            .endpoint(&account, definition("source", "push", ""))
            .await;
        Self {
            hub,
            account,
            endpoint,
        }
    }

    async fn ask(&self, method: &str, below: &str, body: Option<Value>) -> Answer {
        let path = format!("/v1/endpoint/{}/segments{below}", self.endpoint.id);
        let key = Some(self.endpoint.key.as_str());
        self.hub.http.json(method, &path, key, body).await
    }

    /// Announces segments of these names under the ids 1, 2, …
    async fn announce(&self, names: &[&str]) {
        let segments: Vec<_> = (1..)
            .zip(names)
            .map(|(id, name)| json!({ "id": id, "name": name, "description": format!("those of {name}") }))
            .collect();
        let answer = self.ask("POST", "", Some(segments.into())).await;
        assert_eq!((answer.status, answer.text().as_str()), (200, "true"));
    }

    /// The names in a list that is asked for like this.
    async fn names(&self, query: &str) -> Vec<String> {
        let answer = self.ask("GET", query, None).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        names(&answer.json())
    }
}

fn names(list: &Value) -> Vec<String> {
    let list = list.as_array().expect("a list").iter();
    let name = |segment: &Value| segment["name"].as_str().expect("a name").to_owned();
    list.map(name).collect()
}

#[tokio::test]
async fn the_published_examples_work_once_repaired() {
    let producer = Producer::start().await;
    let (id, key) = (producer.endpoint.id, &producer.endpoint.key);
    let curl = async |command: String| {
        let answer = producer.hub.http.curl(&command).await;
        assert_eq!(
            (answer.status, answer.text().as_str()),
            (200, "true"),
            "{command}"
        );
    };
    curl(format!(
        r#"curl -v \
        -X POST \
        -H "Authorization: Bearer {key}" \
        -H "Content-Type: application/json" \
        -d '[
             {{
              "id":"{LARGE}",
              "name":"Recent opt-ins",
              "description": "opted in within a week",
              "type":"Contact Lists",
              "segment_attributes":
               [
                {{ "name": "age", "type": "number" }},
                {{ "name": "city", "type": "string" }},
                {{ "name": "since", "type": "date" }}
               ]
              }},
              {{
               "id":"2",
               "name":"Everybody",
               "description": "all of them",
               "type": "Queries",
               "segment_attributes": [ {{ "name": "age", "type": "number" }} ]
              }}
             ]' \
        <base URL>/v1/endpoint/{id}/segments"#
    ))
    .await;
    assert_eq!(producer.names("").await, ["Recent opt-ins", "Everybody"]);
    curl(format!(
        r#"curl -v \
        -X PUT \
        -H "Authorization: Bearer {key}" \
        -H "Content-Type: application/json" \
        -d '[
             {{
              "id":{LARGE},"name":"Recent opt-ins",
              "description":"opted in within a month",
              "type":"Contact Lists",
              "segment_attributes": [ {{ "name": "age", "type": "number" }} ]
             }},
             {{ "id_string":"gold", "name":"Gold members", "description":"the best" }},
             {{ "id_string":"silver", "name":"Silver members" }}
            ]' \
        <base URL>/v1/endpoint/{id}/segments"#
    ))
    .await;
    let all = producer.names("").await;
    assert_eq!(all, ["Recent opt-ins", "Gold members", "Silver members"]);
    let shown = producer
        .hub
        .http
        .curl(&format!(
            r#"curl -v \
            -X GET \
            -H "Authorization: Bearer {key}" \
            https://<base URL>/v1/endpoint?segment=true&source=true&loadSegments=true&startRecord=1&pageSize=20"#
        ))
        .await;
    assert_eq!(names(&shown.json()["segments"]), all);
    curl(format!(
        r#"curl -v \
          -X DELETE \
          -H "Authorization: Bearer {key}" \
          -H "Content-Type: application/json" \
          <base URL>/v1/endpoint/{id}/segments/{LARGE}"#
    ))
    .await;
    assert_eq!(producer.names("").await, ["Gold members", "Silver members"]);
    curl(format!(
        r#"curl -v \
          -X DELETE \
          -H "Authorization: Bearer {key}" \
          -H "Content-Type: application/json" \
          <base URL>/v1/endpoint/{id}/segments"#
    ))
    .await;
    assert!(producer.names("").await.is_empty());
    let refreshed = producer
        .hub
        .http
        .curl(&format!(
            r#"curl -v \
            -X GET \
            -H "Authorization: Bearer {}" \
            https://<base URL>/v1/endpoint/refreshSegments"#,
            producer.account.key
        ))
        .await;
    assert_eq!(refreshed.status, 200, "{}", refreshed.text());
    assert!(refreshed.json().as_i64().is_some_and(|job| job > 0));
}

#[tokio::test]
async fn ids_of_64_bits_come_back_exact_everywhere() {
    let producer = Producer::start().await;
    let written = LARGE.to_string();
    let body = json!([
        { "id": LARGE, "name": "a number" },
        { "id": i64::MIN, "name": "the least" },
        { "id": i64::MAX, "name": "the largest" },
    ]);
    assert_eq!(producer.ask("POST", "", Some(body)).await.status, 200);
    let one = producer.ask("GET", &format!("/{written}"), None).await;
    assert_eq!(one.json()["id"].as_i64(), Some(LARGE));
    assert_eq!(one.json()["type"], "Contact Lists", "the default");
    let endpoint = format!(
        "/v1/endpoint?endpointId={}&loadSegments=true",
        producer.endpoint.id
    );
    let account = format!("/accounts/{}/segments", producer.account.id);
    for answer in [
        one,
        producer.ask("GET", "", None).await,
        producer
            .hub
            .http
            .get(&endpoint, &producer.account.key)
            .await,
        producer.hub.manage("GET", &account, Value::Null).await,
    ] {
        let text = answer.text();
        assert!(text.contains(&format!("\"id\":{written},")), "{text}");
    }
    for id in [i64::MIN, i64::MAX] {
        let path = format!("/{id}");
        assert_eq!(
            producer.ask("GET", &path, None).await.json()["id"].as_i64(),
            Some(id)
        );
        assert_eq!(producer.ask("DELETE", &path, None).await.text(), "true");
        assert_eq!(producer.ask("DELETE", &path, None).await.status, 404);
    }
    assert_eq!(producer.names("").await, ["a number"]);
}

#[tokio::test]
async fn ids_that_are_texts_may_have_anything_in_them() {
    let producer = Producer::start().await;
    for (id, in_path) in [
        ("gold", "gold"),
        ("a/b c", "a%2Fb%20c"),
        ("☆ 100%", "%E2%98%86%20100%25"),
        ("007", "007"),
    ] {
        let body = json!({ "id_string": id, "name": "x" });
        let answer = producer.ask("POST", "", Some(body)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let path = format!("/{in_path}");
        let answer = producer.ask("GET", &path, None).await;
        assert_eq!(answer.json()["id_string"], id);
        assert_eq!(answer.json()["id"], Value::Null);
        assert_eq!(producer.ask("DELETE", &path, None).await.text(), "true");
    }
    // 42 and "42" cannot be told apart in a path: they are one, and it is as it was said last.
    let (number, text) = (
        json!({ "id": 42, "name": "x" }),
        json!({ "id_string": "42", "name": "y" }),
    );
    for body in [number, text] {
        assert_eq!(producer.ask("POST", "", Some(body)).await.status, 200);
    }
    let all = producer.ask("GET", "", None).await.json();
    assert_eq!(all[0]["id_string"], "42");
    assert_eq!(names(&all), ["y"]);
}

#[tokio::test]
async fn what_is_wrong_says_where_and_changes_nothing() {
    let producer = Producer::start().await;
    producer.announce(&["known"]).await;
    let body = json!([
        { "id": 5, "name": "fine" },
        { "name": "no id" },
        { "id": 6, "id_string": "six", "name": "two ids" },
        { "id": "seven", "name": "a text as id" },
        { "id": 8, "type": "Lists", "segment_attributes": [{ "name": "age" }] },
    ]);
    for method in ["POST", "PUT"] {
        let answer = producer.ask(method, "", Some(body.clone())).await;
        assert_eq!(answer.status, 400, "{}", answer.text());
        let expected = [
            "/1",
            "/2",
            "/3/id",
            "/4/name",
            "/4/segment_attributes/0/type",
            "/4/type",
        ];
        assert_eq!(answer.pointers(), expected);
    }
    for wrong in ["", "{", "[1]", "\"x\"", "true"] {
        let path = format!("/v1/endpoint/{}/segments", producer.endpoint.id);
        let key = format!("Bearer {}", producer.endpoint.key);
        let headers = [
            ("authorization", key.as_str()),
            ("content-type", "application/json"),
        ];
        let answer = producer.hub.http.send("POST", &path, &headers, wrong).await;
        assert_eq!(answer.status, 400, "{wrong}");
    }
    assert_eq!(producer.names("").await, ["known"]);
    for below in ["/0", "/no%2Fthing", "/%00", "/.."] {
        let answer = producer.ask("DELETE", below, None).await;
        assert!(
            matches!(answer.status, 404 | 405),
            "{below}: {}",
            answer.status
        );
    }
    assert_eq!(
        producer
            .ask("GET", "?pageSize=0&startRecord=x", None)
            .await
            .status,
        400
    );
}

#[tokio::test]
async fn only_push_producers_announce() {
    let hub = TestHub::start().await;
    let account = hub.account().await;
    let url = "https://crm.example.com";
    let pending = hub.register(&account).await;
    let pull = hub
        .endpoint(&account, definition("source", "pull", url))
        .await;
    let consumer = hub
        .endpoint(&account, definition("destination", "push", url))
        .await;
    for endpoint in [pending, pull, consumer] {
        let path = format!("/v1/endpoint/{}/segments", endpoint.id);
        let key = Some(endpoint.key.as_str());
        let body = json!([{ "id": 1, "name": "x" }, { "id": 2 }]);
        for method in ["POST", "PUT"] {
            let answer = hub.http.json(method, &path, key, Some(body.clone())).await;
            assert_eq!(answer.pointers(), ["", "/1/name"], "{}", answer.text());
            assert!(answer.text().contains("push producer"), "{}", answer.text());
        }
        let answer = hub.http.json("DELETE", &path, key, None).await;
        assert_eq!(answer.status, 400);
        let answer = hub.http.get(&path, &endpoint.key).await;
        assert_eq!((answer.status, answer.text().as_str()), (200, "[]"));
    }
}

#[tokio::test]
async fn lists_are_searched_and_come_in_parts() {
    let producer = Producer::start().await;
    let all = ["Älteste", "100% sure", "a_b", "Recent opt-ins", "axb"];
    producer.announce(&all).await;
    let some = |names: &[&str]| {
        names
            .iter()
            .map(|&name| name.to_owned())
            .collect::<Vec<_>>()
    };
    for (query, expected) in [
        ("?searchByName=OPT", &["Recent opt-ins"][..]),
        ("?searchByName=%C3%A4lt", &["Älteste"]),
        ("?searchByName=0%25", &["100% sure"]),
        ("?searchByName=a_b", &["a_b"]),
        ("?searchByDescription=THOSE%20OF%20a", &["a_b", "axb"]),
        ("?searchByName=b&searchByDescription=x", &["axb"]),
        ("?searchByName=%27%20OR%201%3D1", &[]),
        ("?pageSize=2", &all[..2]),
        ("?pageSize=2&startRecord=3", &all[2..4]),
        ("?startRecord=5", &all[4..]),
        ("?startRecord=6", &[]),
        ("?searchByName=a&pageSize=1&startRecord=2", &["axb"]),
    ] {
        assert_eq!(producer.names(query).await, some(expected), "{query}");
        let endpoint = format!("/v1/endpoint{query}&loadSegments=true");
        let shown = producer
            .hub
            .http
            .get(&endpoint, &producer.endpoint.key)
            .await;
        assert_eq!(
            names(&shown.json()["segments"]),
            some(expected),
            "{endpoint}"
        );
    }
    // What is described anew stays where it is in the list.
    let body = json!([{ "id": 1, "name": "Oldest", "type": "databases" }]);
    assert_eq!(producer.ask("POST", "", Some(body)).await.status, 200);
    assert_eq!(producer.names("?pageSize=2").await, ["Oldest", "100% sure"]);
}

#[tokio::test]
async fn people_see_the_audiences_of_all_endpoints_of_their_account() {
    let producer = Producer::start().await;
    producer.announce(&["one", "two", "three"]).await;
    let base = format!("/accounts/{}/segments", producer.account.id);
    let list = async |query: &str| {
        let path = format!("{base}{query}");
        let answer = producer.hub.manage("GET", &path, Value::Null).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    };
    let page = list("?limit=2").await;
    assert_eq!(names(&page["items"]), ["one", "two"]);
    let next = list(&format!("?limit=2&after={}", page["next"])).await;
    assert_eq!(names(&next["items"]), ["three"]);
    assert_eq!(next["next"], Value::Null);
    assert_eq!(next["items"][0]["endpointId"], producer.endpoint.id.0);
    assert_eq!(names(&list("?search=THREE").await["items"]), ["three"]);
    assert_eq!(names(&list("?role=source").await["items"]).len(), 3);
    assert!(names(&list("?role=destination").await["items"]).is_empty());

    let stranger = producer.hub.account().await;
    let path = format!("/accounts/{}/segments", stranger.id);
    let theirs = producer.hub.manage("GET", &path, Value::Null).await;
    assert!(names(&theirs.json()["items"]).is_empty());
    let path = format!("{path}?endpointId={}", producer.endpoint.id);
    assert_eq!(
        producer.hub.manage("GET", &path, Value::Null).await.status,
        404
    );
}

#[tokio::test]
async fn a_deleted_endpoint_has_no_audiences() {
    let producer = Producer::start().await;
    producer.announce(&["one"]).await;
    let key = Some(producer.endpoint.key.as_str());
    let deleted = producer
        .hub
        .http
        .json("DELETE", "/v1/endpoint", key, None)
        .await;
    assert_eq!(deleted.status, 200);
    let path = format!("/accounts/{}/segments", producer.account.id);
    let left = producer.hub.manage("GET", &path, Value::Null).await;
    assert!(names(&left.json()["items"]).is_empty());
}
