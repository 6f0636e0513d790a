//! What an application's document may say, and what is answered to one that breaks rules.

use serde_json::{Value, json};

use super::{Provider, mailer};

#[tokio::test]
async fn what_was_sent_comes_back_with_members_that_nobody_knows() {
    let provider = Provider::start().await;
    let mut sent = mailer();
    sent["message"] = "clients take answers with this member for errors".into();
    sent["future"] = json!([{ "deep": null }, 1.5]);
    let created = provider.ok("POST", "", sent.clone()).await;
    let id = created["id"].as_i64().expect("a number");
    let mut expected = sent;
    expected["id"] = id.into();
    expected
        .as_object_mut()
        .expect("an object")
        .remove("message");
    assert_eq!(created, expected);
    assert_eq!(
        provider.ok("GET", &format!("/{id}"), Value::Null).await,
        expected
    );
    assert_eq!(
        provider
            .ok("PUT", &format!("/{id}"), expected.clone())
            .await,
        expected,
        "what is read may be sent again"
    );
}

#[tokio::test]
async fn every_violation_is_told_at_once_by_its_place() {
    let provider = Provider::start().await;
    let id = provider.application(mailer()).await;
    let cases: Vec<(Value, Vec<&str>)> = vec![
        (json!([]), vec![""]),
        (json!({}), vec!["/displayName", "/providerName"]),
        (
            json!({ "displayName": "M", "providerName": "Nobody & Sons" }),
            vec!["/providerName"],
        ),
        (
            json!({ "displayName": 7, "providerName": [], "description": {}, "hashAlgorithm": "ROT13", "url": "ftp://x" }),
            vec!["/providerName", "/description", "/url", "/hashAlgorithm"],
        ),
        (
            json!({ "displayName": "M", "providerName": "Acme", "endpointTypes": { "event": { "source": { "dataWindow": "soon" }, "destination": 1 } } }),
            vec![
                "/endpointTypes/event/source/enabled",
                "/endpointTypes/event/source/dataWindow",
                "/endpointTypes/event/destination",
            ],
        ),
        (
            json!({ "displayName": "M", "providerName": "Acme", "endpointTypes": { "segment": {
                "source": { "enabled": "perhaps", "producerType": "fetch" },
                "destination": { "enabled": true, "shareActions": { "add": false, "remove": true } },
            } } }),
            vec![
                "/endpointTypes/segment/source/enabled",
                "/endpointTypes/segment/source/producerType",
                "/endpointTypes/segment/destination/shareActions/defaultShareAction",
            ],
        ),
        (
            json!({ "displayName": "M", "providerName": "Acme", "marketingDatabasesDefinition": { "marketingDatabases": [{
                "identifiers": [{ "name": "email" }, { "name": "a", "type": "b", "hashMode": "SOME", "hashAlgorithm": "ROT13" }],
                "attributes": [{ "isRequired": 3 }],
            }] } }),
            vec![
                "/marketingDatabasesDefinition/marketingDatabases/0/identifiers/0/type",
                "/marketingDatabasesDefinition/marketingDatabases/0/identifiers/1/hashMode",
                "/marketingDatabasesDefinition/marketingDatabases/0/identifiers/1/hashAlgorithm",
                "/marketingDatabasesDefinition/marketingDatabases/0/attributes/0/name",
                "/marketingDatabasesDefinition/marketingDatabases/0/attributes/0/isRequired",
            ],
        ),
    ];
    for (body, pointers) in cases {
        for (method, path) in [("POST", String::new()), ("PUT", format!("/{id}"))] {
            let (status, mut found) = provider.refused(method, &path, body.clone()).await;
            let mut expected = pointers.clone();
            expected.sort_unstable();
            found.sort_unstable();
            assert_eq!(
                (status, found.iter().map(String::as_str).collect()),
                (400, expected),
                "{body}"
            );
        }
    }
    let mut moved = mailer();
    moved["id"] = (id + 1).into();
    assert_eq!(
        provider.refused("PUT", &format!("/{id}"), moved).await,
        (400, vec!["/id".to_owned()])
    );
    let mut unchanged = mailer();
    unchanged["id"] = id.into();
    assert_eq!(
        provider.ok("GET", &format!("/{id}"), Value::Null).await,
        unchanged,
        "nothing of it was taken"
    );
}

#[tokio::test]
async fn a_path_that_cannot_name_one_is_not_there() {
    let provider = Provider::start().await;
    let id = provider.application(mailer()).await;
    for path in ["/0", "/x", "/9007199254740992", "/%FF"] {
        assert_eq!(
            provider.refused("GET", path, Value::Null).await.0,
            404,
            "{path}"
        );
    }
    assert_eq!(
        provider
            .refused("GET", &format!("/{id}/visibility"), Value::Null)
            .await
            .0,
        404
    );
    assert_eq!(
        provider
            .refused("PUT", &format!("/{id}/SECRET"), Value::Null)
            .await,
        (400, vec![String::new()])
    );
    assert_eq!(
        provider
            .refused("PATCH", &format!("/{id}"), mailer())
            .await
            .0,
        405
    );
}
