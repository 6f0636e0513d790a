//! `GET /v1/endpoint`: what was registered, all of it or the parts that are asked for.

use serde_json::{Value, json};

use super::{define, defined, registered};
use crate::harness::publisher_definition;

/// Everything that a registration may say, as a provider writes it.
fn everything() -> Value {
    json!({
        "name": "Mobile Customer Engagement",
        "description": "Mobile app push notifications.",
        "providerName": "Acme",
        "url": "https://api.example.com/event/",
        "hashAlgorithm": "SHA256",
        "endpointTypes": {
            "event": {
                "source": { "enabled": true, "sourceType": "push" },
                "destination": { "enabled": true, "url": "https://in.example.com", "destinationType": "push" },
            },
            "segment": {
                "source": { "enabled": true, "producerType": "pull", "dataWindow": 30 },
                "destination": { "enabled": false, "destinationType": "push" },
            },
        },
        "marketingDatabasesDefinition": { "marketingDatabases": [{
            "name": "contacts", "id": "4711",
            "identifiers": [
                { "name": "personal_email", "type": "email", "hashMode": "HASHED", "hashAlgorithm": "EMAIL_SHA256",
                  "isRequired": true, "isEventOnly": false, "isCaseSensitive": true },
                { "name": "device", "type": "pushId", "hashMode": "NONE",
                  "isRequired": false, "isEventOnly": true, "isCaseSensitive": true },
            ],
            "attributes": [{ "name": "home_address", "type": "String", "isRequired": false, "hashMode": "NONE" }],
        }] },
        "notificationKey": "shop-12",
    })
}

#[tokio::test]
async fn a_provider_reads_back_what_it_registered_and_may_send_it_again() {
    let (hub, _, endpoint) = registered().await;
    assert_eq!(define(&hub, &endpoint, everything()).await.status, 200);
    let read = hub.http.get("/v1/endpoint", &endpoint.key).await.json();
    let mut expected = everything();
    expected["id"] = json!(endpoint.id.0);
    expected["status"] = json!("ACTIVE");
    expected["enabled"] = json!(true);
    assert_eq!(read, expected);

    assert_eq!(define(&hub, &endpoint, read.clone()).await.status, 200);
    assert_eq!(
        hub.http.get("/v1/endpoint", &endpoint.key).await.json(),
        read
    );
}

#[tokio::test]
async fn a_registration_that_nobody_described_yet_is_pending() {
    let (hub, _, endpoint) = registered().await;
    let read = hub.http.get("/v1/endpoint", &endpoint.key).await.json();
    assert_eq!(
        read,
        json!({ "id": endpoint.id.0, "status": "PENDING", "enabled": true, "name": "", "providerName": "", "endpointTypes": {} })
    );
}

#[tokio::test]
async fn parameters_select_parts() {
    let (hub, _, endpoint) = registered().await;
    assert_eq!(define(&hub, &endpoint, everything()).await.status, 200);
    let key = &endpoint.key;
    let answer = hub
        .http
        .curl(&format!(
            r#"curl -v -X GET -H "Authorization: Bearer {key}" "https://<base URL>/v1/endpoint?segment=true&source=true&loadSegments=true&startRecord=1&pageSize=20""#
        ))
        .await;
    let read = answer.json();
    let source = everything()["endpointTypes"]["segment"]["source"].clone();
    assert_eq!(
        read["endpointTypes"],
        json!({ "segment": { "source": source } })
    );
    assert_eq!(read["segments"], json!([]));
    assert_eq!(read["name"], "Mobile Customer Engagement");

    let cases: [(&str, &[&str]); 6] = [
        (
            "",
            &[
                "event.destination",
                "event.source",
                "segment.destination",
                "segment.source",
            ],
        ),
        ("event=true", &["event.destination", "event.source"]),
        ("source=true", &["event.source", "segment.source"]),
        (
            "destination=true",
            &["event.destination", "segment.destination"],
        ),
        ("event=true&destination=true", &["event.destination"]),
        (
            "searchByName=Recent%20opt-ins&searchByDescription=opt-in&whatever=1&event=true&source=true",
            &["event.source"],
        ),
    ];
    for (query, expected) in cases {
        let read = hub
            .http
            .get(&format!("/v1/endpoint?{query}"), key)
            .await
            .json();
        let mut parts = Vec::new();
        for (kind, directions) in read["endpointTypes"].as_object().expect("an object") {
            let names = directions.as_object().expect("an object").keys();
            parts.extend(names.map(|name| format!("{kind}.{name}")));
        }
        assert_eq!(parts, expected, "{query}");
    }
}

#[tokio::test]
async fn event_types_come_along_when_asked_for() {
    let hub = crate::harness::TestHub::start().await;
    let account = hub.account().await;
    let shop = hub.publisher(&account, &["cartAdd"]).await;
    hub.event_type(
        &account,
        &shop,
        json!({ "code": "emailOpen", "name": "Opened", "registrationType": "SUBSCRIBE" }),
    )
    .await;
    let codes = async |query: &str| {
        let read = hub
            .http
            .get(&format!("/v1/endpoint?{query}"), &shop.key)
            .await
            .json();
        let types = read["eventTypes"].as_array().cloned();
        types.map(|types| {
            types
                .into_iter()
                .map(|t| t["code"].clone())
                .collect::<Vec<_>>()
        })
    };
    assert_eq!(codes("event=true").await, None);
    assert_eq!(
        codes("event=true&loadEvents=true").await,
        Some(vec![json!("cartAdd"), json!("emailOpen")])
    );
    assert_eq!(
        codes("event=true&source=true&loadEvents=true").await,
        Some(vec![json!("cartAdd")])
    );
}

#[tokio::test]
async fn bad_parameters_are_refused_all_at_once() {
    let (hub, _, endpoint) = defined().await;
    for query in [
        "pageSize=ten",
        "pageSize=0",
        "startRecord=0",
        "startRecord=-1",
        "event=perhaps",
        "endpointId=mine",
    ] {
        let answer = hub
            .http
            .get(&format!("/v1/endpoint?{query}"), &endpoint.key)
            .await;
        assert_eq!(answer.status, 400, "{query}");
    }
    let answer = hub
        .http
        .get(
            "/v1/endpoint?pageSize=0&startRecord=0&source=2",
            &endpoint.key,
        )
        .await;
    assert_eq!(
        answer.json()["errors"].as_array().map(Vec::len),
        Some(3),
        "{}",
        answer.text()
    );
}

#[tokio::test]
async fn an_account_key_reads_all_endpoints_of_the_account() {
    let (hub, account, shop) = defined().await;
    let mut crm = publisher_definition();
    crm["name"] = json!("CRM");
    let crm = hub.endpoint(&account, crm).await;
    let stranger_account = hub.account().await;
    let stranger = hub
        .endpoint(&stranger_account, publisher_definition())
        .await;

    let all = hub.http.get("/v1/endpoint", &account.key).await.json();
    let ids: Vec<&Value> = all
        .as_array()
        .expect("an array")
        .iter()
        .map(|e| &e["id"])
        .collect();
    assert_eq!(ids, [&json!(shop.id.0), &json!(crm.id.0)]);
    let one = hub.http.get("/v1/endpoint", &crm.key).await.json();
    assert_eq!(all[1], one, "each as its own key reads it");

    let path = |id: i64| format!("/v1/endpoint?endpointId={id}");
    assert_eq!(
        hub.http.get(&path(crm.id.0), &account.key).await.json(),
        json!([one])
    );
    assert_eq!(
        hub.http.get(&path(crm.id.0), &crm.key).await.json(),
        one,
        "its own id is no harm"
    );
    assert_eq!(
        hub.http
            .get(&path(stranger.id.0), &account.key)
            .await
            .status,
        404
    );
    assert_eq!(hub.http.get(&path(crm.id.0), &shop.key).await.status, 403);
    assert_eq!(
        hub.http.get(&path(stranger.id.0), &shop.key).await.status,
        404
    );
}
