//! People for those who manage an account: found by any identifier, explained, undone; rules tried and changed; filters.

use serde_json::{Value, json};

use super::{identifiers, seen};
use crate::harness::scene::{BUY, Scene};
use crate::harness::{Request, event, publisher_definition};

impl Scene {
    /// A call below the account.
    async fn ask(&self, method: &str, path: &str, body: Value) -> Value {
        let path = format!("/accounts/{}/{path}", self.account.id);
        let answer = self.hub.manage(method, &path, body).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }

    async fn person(&self, kind: &str, value: &str) -> Value {
        let body = json!({ "type": kind, "value": value });
        self.ask("POST", "identities/lookup", body).await
    }

    async fn sees(&self, identifiers: &[(&str, &str)]) -> String {
        let id = self.hub.published(&self.shop, seen(identifiers)).await;
        self.settle().await;
        id
    }
}

fn values(person: &Value) -> Vec<&str> {
    let list = person["identifiers"].as_array().expect("a list");
    list.iter()
        .map(|one| one["value"].as_str().expect("text"))
        .collect()
}

#[tokio::test]
async fn a_merge_is_explained_undone_and_done_again() {
    let scene = Scene::start().await;
    scene
        .sees(&[("email", "ada@example.com"), ("cookie", "c1")])
        .await;
    scene
        .sees(&[("phone", "+14155550100"), ("cookie", "c2")])
        .await;
    let (ada, other) = (
        scene.person("email", "Ada@Example.com").await,
        scene.person("cookie", "c2").await,
    );
    // A borrowed device makes them one.
    let wrong = scene.sees(&[("cookie", "c1"), ("cookie", "c2")]).await;
    let merged = scene.person("phone", "+14155550100").await;
    assert_eq!(merged["x1Id"], ada["x1Id"], "the older survives");
    assert_eq!(
        values(&merged),
        ["ada@example.com", "c1", "+14155550100", "c2"]
    );
    let fact = &merged["facts"][2];
    assert_eq!(fact["source"], json!({ "kind": "event", "eventId": wrong }));
    assert_eq!(fact["merged"], json!([ada["x1Id"], other["x1Id"]]));
    // The id that was merged still resolves.
    let body = json!({ "x1Id": other["x1Id"] });
    assert_eq!(
        scene.ask("POST", "identities/lookup", body).await["x1Id"],
        ada["x1Id"]
    );

    let path = format!("identities/facts/{}", fact["factId"]);
    let undone = scene.ask("POST", &format!("{path}/undo"), json!({})).await;
    assert_eq!(undone, json!({ "peopleBefore": 1, "peopleAfter": 2 }));
    let again = scene.person("cookie", "c2").await;
    assert_eq!(
        (&again["x1Id"], values(&again)),
        (&other["x1Id"], values(&other))
    );
    // Seen again, it stays undone; and it is listed.
    scene.sees(&[("cookie", "c2"), ("cookie", "c1")]).await;
    assert_eq!(scene.person("cookie", "c2").await["x1Id"], other["x1Id"]);
    let listed = scene.ask("GET", "identities/undone", Value::Null).await;
    assert_eq!(listed["items"][0]["factId"], fact["factId"]);
    scene.ask("POST", &format!("{path}/redo"), json!({})).await;
    assert_eq!(scene.person("cookie", "c2").await["x1Id"], ada["x1Id"]);
    let twice = format!("/accounts/{}/{path}/redo", scene.account.id);
    assert_eq!(
        scene.hub.manage("POST", &twice, json!({})).await.status,
        409
    );
}

#[tokio::test]
async fn what_joins_too_much_is_left_out_and_reported_and_rules_are_tried_before_they_hold() {
    let scene = Scene::start().await;
    scene
        .ask("PUT", "identities/rules", json!({ "limit": 3 }))
        .await;
    for number in 0..5 {
        let email = format!("{number}@example.com");
        scene.sees(&[("cookie", "till"), ("email", &email)]).await;
    }
    let report = scene.ask("GET", "identities/report", Value::Null).await;
    assert_eq!(values(&json!({ "identifiers": report["items"] })), ["till"]);
    assert_eq!(
        values(&scene.person("email", "0@example.com").await),
        ["0@example.com"]
    );
    assert_eq!(scene.notices().await, ["identity-crowded"]);

    // With room for five, they would be one.
    let trial = scene
        .ask("POST", "identities/rules/trial", json!({ "limit": 5 }))
        .await;
    assert_eq!(
        (&trial["peopleBefore"], &trial["peopleAfter"]),
        (&json!(6), &json!(1))
    );
    assert_eq!(
        values(&scene.person("email", "0@example.com").await).len(),
        1,
        "nothing has changed"
    );
    scene
        .ask("PUT", "identities/rules", json!({ "limit": 5 }))
        .await;
    assert_eq!(
        values(&scene.person("email", "0@example.com").await).len(),
        6
    );
    // A value of the account's own that stands for nobody.
    let junk = json!({ "limit": 5, "junk": ["TILL"] });
    scene.ask("PUT", "identities/rules", junk.clone()).await;
    assert_eq!(
        values(&scene.person("email", "4@example.com").await).len(),
        1
    );
    let report = scene
        .ask("GET", "identities/report?standing=junk", Value::Null)
        .await;
    assert_eq!(report["items"][0]["value"], "till");
    let rules = scene.ask("GET", "identities/rules", Value::Null).await;
    assert_eq!(rules, json!({ "limit": 5, "limits": {}, "junk": ["till"] }));
    let path = format!("/accounts/{}/identities/rules", scene.account.id);
    let refused = scene
        .hub
        .manage("PUT", &path, json!({ "limit": 0, "junks": [] }))
        .await;
    assert_eq!(refused.status, 400, "{}", refused.text());
}

#[tokio::test]
async fn letter_case_is_tried_before_it_is_ignored() {
    let scene = Scene::start().await;
    let mut definition = publisher_definition();
    definition["marketingDatabasesDefinition"]["marketingDatabases"][0]["identifiers"] =
        json!([{ "name": "login", "type": "login", "isCaseSensitive": true }]);
    let app = scene.hub.endpoint(&scene.account, definition).await;
    scene
        .hub
        .event_type(
            &scene.account,
            &app,
            json!({ "code": BUY, "name": BUY, "attributes": [] }),
        )
        .await;
    for login in ["Ada", "ada", "ADA", "grace"] {
        scene.hub.published(&app, seen(&[("login", login)])).await;
    }
    scene.settle().await;
    let trial = json!({ "ignoreCase": "login" });
    let trial = scene.ask("POST", "identities/rules/trial", trial).await;
    assert_eq!(trial["moved"], 2, "{trial}");
}

#[tokio::test]
async fn a_filter_keeps_an_identifier_out_of_the_graph_or_from_being_added() {
    let scene = Scene::start().await;
    let crm = scene.subscriber().await;
    let filter = |publish: bool| {
        json!({ "endpointId": scene.shop.id, "identifierName": "phone",
                "publishFilter": publish, "subscribeFilter": false })
    };
    let put = scene.ask("POST", "identityfilters", filter(true)).await;
    scene
        .sees(&[("phone", "+14155550100"), ("email", "ada@example.com")])
        .await;
    scene
        .sees(&[("email", "ada@example.com"), ("cookie", "c1")])
        .await;
    scene.sees(&[("cookie", "c1")]).await;
    let documents: Vec<Value> = crm.receiver.requests().iter().map(Request::json).collect();
    assert_eq!(
        identifiers(&documents[0]),
        ["phone=+14155550100", "email=ada@example.com"]
    );
    assert_eq!(
        identifiers(&documents[2]),
        ["cookie=c1", "(email=ada@example.com)"]
    );

    let http = &scene.hub.http;
    let listed = http
        .json("GET", "/v1/identityfilters", Some(&scene.shop.key), None)
        .await;
    let id = &put["endpointFilterId"];
    assert_eq!(
        listed.json(),
        json!([{ "endpointFilterId": id, "endpointId": scene.shop.id, "identifierName": "phone",
                 "publishFilter": true, "subscribeFilter": false }])
    );
    let of_name = |name: &str| format!("/v1/identityfilters/{name}");
    let found = http
        .json("GET", &of_name("phone"), Some(&scene.account.key), None)
        .await;
    assert_eq!(found.json(), listed.json());
    let others = http
        .json("GET", &of_name("phone"), Some(&crm.endpoint.key), None)
        .await;
    assert_eq!(others.json(), json!([]));
    scene
        .ask("DELETE", &format!("identityfilters/{id}"), Value::Null)
        .await;
    scene
        .sees(&[("phone", "+14155550100"), ("email", "ada@example.com")])
        .await;
    assert_eq!(
        values(&scene.person("phone", "+14155550100").await).len(),
        3
    );
}

#[tokio::test]
async fn a_destination_gets_what_it_takes_under_its_own_names_and_hashed_as_it_asks() {
    let scene = Scene::start().await;
    let mut ads = scene.subscriber().await;
    let mut definition =
        crate::harness::destination_definition(&ads.receiver.url(), json!({ "enabled": true }));
    definition["marketingDatabasesDefinition"] = json!({ "marketingDatabases": [{ "name": "ads", "identifiers": [
        { "name": "hem", "type": "email", "hashMode": "REQUIRED", "hashAlgorithm": "EMAIL_SHA256" },
        { "name": "device", "type": "cookie" },
    ] }] });
    ads.endpoint = scene.hub.endpoint(&scene.account, definition).await;
    scene.subscribe(&ads.endpoint).await;
    scene
        .sees(&[
            ("email", "tstark@ibm.com"),
            ("cookie", "c1"),
            ("phone", "+14155550100"),
        ])
        .await;
    scene.sees(&[("phone", "+14155550100")]).await;
    let body = ads
        .receiver
        .requests()
        .iter()
        .map(Request::json)
        .find(|body| identifiers(body).len() == 2 && identifiers(body)[0].starts_with('('));
    let hash = "a806e1cd202da3d06370a69d09203da12115c39ed53798d34c661876f1244feb";
    let expected = [format!("(hem={hash})"), "(device=c1)".to_owned()];
    assert_eq!(identifiers(&body.expect("the later event")), expected);
}

#[tokio::test]
async fn a_match_is_estimated_without_telling_of_few() {
    let scene = Scene::start().await;
    let mut definition = publisher_definition();
    definition["marketingDatabasesDefinition"]["marketingDatabases"][0]["identifiers"] =
        json!([{ "name": "tel", "type": "phone" }]);
    let sms = scene.hub.endpoint(&scene.account, definition.clone()).await;
    definition["marketingDatabasesDefinition"]["marketingDatabases"][0]["identifiers"] =
        json!([{ "name": "mail", "type": "email" }]);
    let mails = scene.hub.endpoint(&scene.account, definition).await;
    let path = format!(
        "identities/estimate?sourceEndpointId={}&destinationEndpointId={}",
        mails.id, sms.id
    );
    scene
        .sees(&[("email", "ada@example.com"), ("phone", "+14155550100")])
        .await;
    let few = scene.ask("GET", &path, Value::Null).await;
    assert_eq!(few, json!({ "direct": [], "matchPercent": null }));
    for number in 0..200 {
        let (email, phone) = (
            format!("{number}@example.com"),
            format!("+1415555{:04}", 1000 + number),
        );
        match number % 5 {
            0 | 1 => {
                scene
                    .hub
                    .published(&scene.shop, seen(&[("email", &email), ("phone", &phone)]))
                    .await
            }
            _ => {
                scene
                    .hub
                    .published(&scene.shop, seen(&[("email", &email)]))
                    .await
            }
        };
    }
    scene.settle().await;
    let many = scene.ask("GET", &path, Value::Null).await;
    assert_eq!(many["matchPercent"], 40);
}

#[tokio::test]
async fn an_account_that_keeps_no_identities_is_delivered_as_before() {
    let scene = Scene::start().await;
    let body = json!({ "policy": { "identity": "off" } });
    let path = format!("/accounts/{}", scene.account.id);
    assert_eq!(scene.hub.manage("PATCH", &path, body).await.status, 200);
    let crm = scene.subscriber().await;
    scene
        .sees(&[("email", "ada@example.com"), ("cookie", "c1")])
        .await;
    scene
        .hub
        .published(&scene.shop, event(BUY, "ada@example.com", 1))
        .await;
    scene.settle().await;
    let documents: Vec<Value> = crm.receiver.requests().iter().map(Request::json).collect();
    assert_eq!(documents[0]["x1Id"], documents[1]["x1Id"]);
    assert_eq!(identifiers(&documents[1]), ["email=ada@example.com"]);
    let lookup = format!("/accounts/{}/identities/lookup", scene.account.id);
    let body = json!({ "type": "cookie", "value": "c1" });
    assert_eq!(scene.hub.manage("POST", &lookup, body).await.status, 404);
}
