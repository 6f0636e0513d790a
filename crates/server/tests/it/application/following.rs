//! A change of an application or of a deployment's event types reaches the endpoints made from it, and leaves alone what
//! they stated themselves; it can be looked at before it is made.

use serde_json::{Value, json};

use super::{Provider, mailer, sends_mail};
use crate::harness::{Receiver, TestEndpoint, event};

/// A mailer with the feature `mail`, and an endpoint of it in another account.
async fn followed() -> (Provider, i64, TestEndpoint) {
    let provider = Provider::start().await;
    let id = provider.application(mailer()).await;
    provider
        .ok("POST", &format!("/{id}/feature"), json!({ "id": "mail" }))
        .await;
    provider
        .ok(
            "POST",
            &format!("/{id}/feature/mail/eventtype"),
            sends_mail(),
        )
        .await;
    provider
        .ok("PUT", &format!("/{id}/PUBLIC"), Value::Null)
        .await;
    let customer = provider.customer().await;
    let own = json!({ "applicationId": id, "deploymentId": "mail", "description": "Ours", "notificationKey": "7" });
    let endpoint = provider.endpoint(&customer, own).await;
    (provider, id, endpoint)
}

#[tokio::test]
async fn a_change_is_shown_before_it_is_made_and_then_made() {
    let (provider, id, endpoint) = followed().await;
    let before = provider.read(&endpoint).await;
    let mut document = mailer();
    document["displayName"] = "Mailer 2".into();
    document["description"] = "Sends better mail".into();
    document["endpointTypes"]["event"]["source"]["sourceType"] = "pull".into();
    let shown = provider
        .ok("PUT", &format!("/{id}?dryRun=true"), document.clone())
        .await;
    let endpoints = shown["endpoints"].as_array().expect("an array");
    assert_eq!((endpoints.len(), &shown["dryRun"]), (1, &json!(true)));
    assert_eq!(endpoints[0]["endpointId"], endpoint.id.0);
    assert_eq!(
        endpoints[0]["changes"],
        json!([
            { "pointer": "/endpointTypes/event/source/sourceType", "before": "push", "after": "pull" },
            { "pointer": "/name", "before": "Mailer", "after": "Mailer 2" },
        ]),
        "what it stated itself, such as its description, stays"
    );
    assert_eq!(
        provider.read(&endpoint).await,
        before,
        "nothing was changed"
    );
    assert_eq!(
        provider.ok("GET", &format!("/{id}"), Value::Null).await["displayName"],
        "Mailer"
    );

    provider
        .ok("PUT", &format!("/{id}"), document.clone())
        .await;
    let mut expected = before;
    expected["name"] = "Mailer 2".into();
    expected["endpointTypes"]["event"]["source"]["sourceType"] = "pull".into();
    assert_eq!(provider.read(&endpoint).await, expected);
    let shown = provider
        .ok("PUT", &format!("/{id}?dryRun=true"), document)
        .await;
    assert_eq!(
        shown["endpoints"],
        json!([]),
        "made twice it changes nothing"
    );
    assert_eq!(
        provider
            .refused("PUT", &format!("/{id}?dryRun=perhaps"), mailer())
            .await
            .0,
        400
    );
}

#[tokio::test]
async fn events_go_where_the_application_now_says() {
    let (provider, id, endpoint) = followed().await;
    let (old, new) = (Receiver::start().await, Receiver::start().await);
    let point_to = async |receiver: &Receiver| {
        let mut document = mailer();
        document["url"] = receiver.url().into();
        provider.ok("PUT", &format!("/{id}"), document).await;
    };
    point_to(&old).await;
    let account = crate::harness::TestAccount {
        id: provider
            .hub
            .server
            .hub
            .registry()
            .endpoint(endpoint.id)
            .expect("it is there")
            .endpoint
            .account,
        key: String::new(),
    };
    let shop = provider.hub.publisher(&account, &["buy"]).await;
    provider
        .hub
        .subscribe(&account, &shop, "buy", &endpoint)
        .await;
    let buy = async || {
        provider
            .hub
            .published(&shop, event("buy", "a@example.com", 1))
            .await;
        provider.hub.settle().await;
    };
    buy().await;
    assert_eq!((old.count(), new.count()), (1, 0));
    point_to(&new).await;
    buy().await;
    assert_eq!((old.count(), new.count()), (1, 1));
}

#[tokio::test]
async fn a_change_that_would_break_an_endpoint_is_refused_and_names_it() {
    let (provider, id, endpoint) = followed().await;
    let mut document = mailer();
    document.as_object_mut().expect("an object").remove("url");
    for path in [format!("/{id}"), format!("/{id}?dryRun=true")] {
        let answer = provider.call("PUT", &path, document.clone()).await;
        assert_eq!(answer.status, 400, "{}", answer.text());
        assert_eq!(
            answer.pointers(),
            [
                "/endpointTypes/event/destination/url",
                "/endpointTypes/segment/destination/url"
            ]
        );
        assert!(
            answer.text().contains(&format!("endpoint {}", endpoint.id)),
            "{}",
            answer.text()
        );
    }
    assert_eq!(
        provider.ok("GET", &format!("/{id}"), Value::Null).await["url"],
        "https://in.example.com"
    );
    // It has one of its own: now nothing breaks.
    let own = json!({ "url": "https://ours.example.com" });
    assert_eq!(provider.define(&endpoint, own).await.status, 200);
    provider.ok("PUT", &format!("/{id}"), document).await;
    assert_eq!(
        provider.read(&endpoint).await["url"],
        "https://ours.example.com"
    );
}

#[tokio::test]
async fn event_types_of_the_deployment_follow_but_not_those_of_the_endpoint() {
    let (provider, id, endpoint) = followed().await;
    let types = format!("/{id}/feature/mail/eventtype");
    let name_of = async |code: &str| {
        let all = provider
            .hub
            .http
            .get("/v1/eventtype", &endpoint.key)
            .await
            .json();
        let all = all.as_array().expect("an array").clone();
        all.iter()
            .find(|one| one["code"] == code)
            .map(|one| one["name"].clone())
    };
    let opened = json!({ "code": "emailOpen", "name": "Opened" });
    let shown = provider
        .ok("POST", &format!("{types}?dryRun=true"), opened.clone())
        .await;
    let change = &shown["endpoints"][0]["eventTypes"][0];
    assert_eq!(
        (&change["change"], &change["code"]),
        (&json!("added"), &json!("emailOpen"))
    );
    assert_eq!(name_of("emailOpen").await, None);
    provider.ok("POST", &types, opened).await;
    assert_eq!(provider.codes(&endpoint).await, ["emailSend", "emailOpen"]);
    let published = provider
        .hub
        .publish(&endpoint, event("emailOpen", "a@example.com", 1))
        .await;
    assert_eq!(published.status, 200, "{}", published.text());

    // The endpoint takes one over and another off: both stay as it said.
    let ours = json!({ "code": "emailSend", "name": "Ours" });
    let taken = provider
        .hub
        .http
        .json("POST", "/v1/eventtype", Some(&endpoint.key), Some(ours))
        .await;
    assert_eq!(taken.status, 200);
    let off = provider
        .hub
        .http
        .json(
            "DELETE",
            "/v1/eventtype/emailOpen",
            Some(&endpoint.key),
            None,
        )
        .await;
    assert_eq!(off.text(), "true");
    let mut renamed = sends_mail();
    renamed["name"] = "Theirs".into();
    let both = json!([renamed, { "code": "emailOpen", "name": "Opened at last" }, { "code": "emailClick", "name": "Clicked" }]);
    let shown = provider
        .ok("POST", &format!("{types}?dryRun=true"), both.clone())
        .await;
    let changes = shown["endpoints"][0]["eventTypes"].as_array().map(Vec::len);
    assert_eq!(changes, Some(1), "{shown}");
    provider.ok("POST", &types, both).await;
    assert_eq!(name_of("emailSend").await, Some(json!("Ours")));
    assert_eq!(provider.codes(&endpoint).await, ["emailSend", "emailClick"]);

    let shown = provider
        .ok(
            "DELETE",
            &format!("{types}/emailClick?dryRun=true"),
            Value::Null,
        )
        .await;
    assert_eq!(shown["endpoints"][0]["eventTypes"][0]["change"], "removed");
    for code in ["emailClick", "emailSend"] {
        assert_eq!(
            provider
                .ok("DELETE", &format!("{types}/{code}"), Value::Null)
                .await,
            true
        );
    }
    assert_eq!(
        provider.codes(&endpoint).await,
        ["emailSend"],
        "its own is its own"
    );
}
