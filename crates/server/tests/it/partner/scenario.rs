//! One partner from its request to production, and the checklist that fills itself on the way.

use serde_json::{Value, json};

use super::{Office, certificate, series};
use crate::application::{mailer, sends_mail};
use crate::harness::{Answer, Http, Receiver, TokenServer, event};

/// What the partner's own programs do in pilot.
struct Partner {
    pilot: Http,
    account_key: String,
    /// Of an endpoint that publishes and takes pushes.
    endpoint: i64,
    key: String,
}

impl Partner {
    async fn call(&self, method: &str, path: &str, body: Value) -> Answer {
        self.call_with(&self.key, method, path, body).await
    }

    async fn call_with(&self, key: &str, method: &str, path: &str, body: Value) -> Answer {
        let body = (!body.is_null()).then_some(body);
        self.pilot.json(method, path, Some(key), body).await
    }

    async fn publish(&self, body: Value, idempotency_key: &str) -> u16 {
        let key = format!("Bearer {}", self.key);
        let headers = [
            ("authorization", key.as_str()),
            ("content-type", "application/json"),
            ("idempotency-key", idempotency_key),
        ];
        let answer = self
            .pilot
            .send("POST", "/v1/event", &headers, body.to_string())
            .await;
        answer.status
    }
}

fn definition(url: &str) -> Value {
    json!({
        "name": "Mailer in pilot", "providerName": "Northwind", "url": url,
        "endpointTypes": { "event": { "source": { "enabled": true }, "destination": { "enabled": true, "destinationType": "push" } } },
        "marketingDatabasesDefinition": { "marketingDatabases": [{ "name": "contacts", "identifiers": [
            { "name": "email", "type": "email", "isCaseSensitive": false },
        ] }] },
    })
}

fn opened(total: i64) -> Value {
    event("emailSend", "ada@example.com", total)
}

/// The product, defined once for all accounts.
fn product(url: &str) -> Value {
    let mut product = mailer();
    product["providerName"] = json!("Northwind");
    product["url"] = json!(url);
    product
}

/// Accounts are taken on by a call to the partner, which is signed in to with tokens of a real token server.
fn onboarding(provider: &Receiver, tokens: &TokenServer) -> Value {
    json!({ "onboardingType": "DIRECTCONNECT", "connectUrl": format!("{}/connect", provider.url()),
            "authentication": tokens.authentication() })
}

/// Everything that a review asks for, done or done wrongly first.
async fn everything(office: &Office, path: &str, partner: &Partner, receiver: &Receiver) {
    // 403: the account's key is not the endpoint's. 400: no name. Then as it should be.
    let right = definition(&receiver.url());
    let with_account_key = partner
        .call_with(&partner.account_key, "PUT", "/v1/endpoint", right.clone())
        .await;
    assert_eq!(with_account_key.status, 403);
    let nameless = partner.call("PUT", "/v1/endpoint", json!({})).await;
    assert_eq!(nameless.status, 400);
    assert!(
        !office
            .items(path, "done")
            .await
            .contains(&"registered".to_owned())
    );
    let registered = partner.call("PUT", "/v1/endpoint", right).await;
    assert_eq!(registered.status, 200, "{}", registered.text());
    let done = office.items(path, "done").await;
    assert_eq!(done, ["registered", "handled-400", "handled-401-403"]);

    let body = sends_mail();
    assert_eq!(
        partner.call("POST", "/v1/eventtype", body).await.status,
        200
    );
    let account = office.manage("GET", path, Value::Null).await["pilotAccountId"].clone();
    let body = json!({ "publisherEndpointId": partner.endpoint, "eventCode": "emailSend",
                       "destinationEndpointId": partner.endpoint });
    office
        .manage("POST", &format!("/accounts/{account}/subscriptions"), body)
        .await;

    // 409: another body under the same key.
    assert_eq!(partner.publish(opened(1), "one").await, 200);
    assert_eq!(partner.publish(opened(2), "one").await, 409);
    // 429: more than the account may.
    let limit = |limit: Value| json!({ "policy": { "maxEventsPerSecond": limit } });
    let of_account = format!("/accounts/{account}");
    office.manage("PATCH", &of_account, limit(json!(1))).await;
    office.hub.pass(std::time::Duration::from_secs(2)).await;
    assert_eq!(partner.publish(opened(3), "three").await, 200);
    assert_eq!(partner.publish(opened(4), "four").await, 429);
    office
        .manage("PATCH", &of_account, limit(Value::Null))
        .await;
    assert_eq!(partner.publish(opened(4), "four").await, 200);

    office.hub.settle().await;
    assert_eq!(receiver.count(), 3, "each event was pushed");

    // 404: nobody's endpoint. Then its own.
    let report = |id: i64| format!("/v1/endpoint/{id}/reportfailure");
    let reason = json!({ "reason": "the login was refused" });
    let nobody = partner.call("PUT", &report(99_999), reason.clone()).await;
    assert_eq!(nobody.status, 404);
    let own = partner.call("PUT", &report(partner.endpoint), reason).await;
    assert_eq!(own.status, 200, "{}", own.text());
}

#[tokio::test]
async fn from_a_request_to_an_event_in_production() {
    let office = Office::start().await;
    let receiver = Receiver::start().await;
    let (provider, tokens) = (Receiver::start().await, TokenServer::start().await);
    tokens.guard(&provider);
    let path = office.request().await;
    let (account, account_key) = office.nominate(&path).await;

    // A user of the pilot account registers an endpoint; the partner's programs do the rest.
    let registered = office
        .manage(
            "POST",
            &format!("/accounts/{account}/registrations"),
            json!({}),
        )
        .await;
    let partner = Partner {
        pilot: office.hub.pilot(),
        account_key,
        endpoint: registered["endpointId"].as_i64().expect("an id"),
        key: registered["endpointKey"]
            .as_str()
            .expect("a key")
            .to_owned(),
    };
    let open = office.items(&path, "open").await;
    assert!(open.contains(&"registered".to_owned()), "{open:?}");
    office
        .manage("POST", &format!("{path}/review"), json!({}))
        .await;
    let early = office
        .refused("POST", &format!("{path}/certify"), certificate(&[]))
        .await;
    assert!(early.text().contains("registered"), "{}", early.text());

    everything(&office, &path, &partner, &receiver).await;
    let checklist = office.checklist(&path).await;
    assert_eq!(checklist["isDone"], true, "{checklist:#}");
    let own = office
        .manage(
            "GET",
            &format!("/accounts/{account}/checklist"),
            Value::Null,
        )
        .await;
    assert_eq!(own, checklist, "the partner sees the same");

    let application = partner
        .call_with(
            &partner.account_key,
            "POST",
            "/v1/application",
            product(&receiver.url()),
        )
        .await;
    assert_eq!(application.status, 200, "{}", application.text());
    let id = application.json()["id"].as_i64().expect("an id");
    for (method, below, body) in [
        (
            "POST",
            "/deployment",
            json!({ "id": "mails", "name": "Mails" }),
        ),
        ("POST", "/deployment/mails/eventtype", sends_mail()),
        (
            "PUT",
            "/deployment/mails/onboarding",
            onboarding(&provider, &tokens),
        ),
        ("PUT", "/PUBLIC", Value::Null),
    ] {
        let path = format!("/v1/application/{id}{below}");
        let answer = partner
            .call_with(&partner.account_key, method, &path, body)
            .await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    }

    let certified = office
        .manage("POST", &format!("{path}/certify"), certificate(&[]))
        .await;
    assert_eq!(certified["stage"], "certified");
    assert_eq!(certified["certificate"]["mark"], "Ready for Rialto");
    assert_eq!(certified["certificate"]["version"], "4.2");
    let mails = office.mails().await;
    assert!(mails[0].text().contains("Ready for Rialto"));

    let key = promoted(&office, &path).await;
    in_production(&office, (&receiver, &provider), &key).await;
    other_secrets(
        &office,
        &path,
        &partner,
        id,
        &onboarding(&provider, &tokens),
    )
    .await;
    later_changes(&office, &path, &partner, id, &key).await;

    let history = office
        .manage("GET", &format!("{path}/history"), Value::Null)
        .await;
    let steps = history["items"].as_array().expect("a list").iter();
    let steps: Vec<&str> = steps.filter_map(|step| step["step"].as_str()).collect();
    assert_eq!(
        steps,
        [
            "request", "nominate", "review", "certify", "promote", "promote", "promote"
        ]
    );
}

/// Promotes what was reviewed and nothing else; the key of production.
async fn promoted(office: &Office, path: &str) -> String {
    let review = office
        .manage("GET", &format!("{path}/difference"), Value::Null)
        .await;
    let added = &review["differences"][0];
    assert_eq!(added["change"], "added");
    assert_eq!(added["after"]["visibility"], "PUBLIC");
    let promote = format!("{path}/promote");
    let other = json!({ "digest": "0123" });
    let answer = office.refused("POST", &promote, other).await;
    assert_eq!(answer.status, 409, "{}", answer.text());
    assert!(office.mails().await.is_empty());

    let body = json!({ "digest": review["digest"] });
    let answer = office.manage("POST", &promote, body.clone()).await;
    assert_eq!(answer["partner"]["stage"], "promoted");
    let (welcome, key) = series(&office.mails().await);
    assert!(
        welcome.contains(&format!("http://{}", office.hub.server.address)),
        "{welcome}"
    );
    let again = office.manage("POST", &promote, body).await;
    assert_eq!(again["differences"], json!([]), "nothing is done twice");
    assert!(office.mails().await.is_empty());
    key
}

/// A customer takes the product and gets an event.
async fn in_production(office: &Office, (receiver, provider): (&Receiver, &Receiver), key: &str) {
    let http = &office.hub.http;
    let applications = http.get("/v1/application", key).await.json();
    let application = applications[0]["id"].clone();
    assert_eq!(applications[0]["displayName"], "Mailer");

    let body = json!({ "name": "Customer", "environment": "production" });
    let customer = office.manage("POST", "/accounts", body).await["id"].clone();
    let register = format!("/accounts/{customer}/registrations");
    let body = json!({ "applicationId": application, "deploymentId": "mails", "values": {} });
    let registered = office.manage("POST", &register, body).await;
    assert_eq!(registered["status"], "PENDING");
    office.hub.settle().await;
    // The partner is called, signed in to with a token, and completes the registration with the key that it is told.
    let connects = provider.requests();
    let connect = connects.last().expect("it is called");
    assert!(
        connect
            .header("authorization")
            .starts_with("Bearer access-")
    );
    let connect = connect.json();
    let endpoint_key = connect["endpointKey"].as_str().expect("a key");
    assert_eq!(registered["endpointKey"], endpoint_key);
    let body = json!({ "name": "Mailer for the customer" });
    let defined = http
        .json("PUT", "/v1/endpoint", Some(endpoint_key), Some(body))
        .await;
    assert_eq!(defined.status, 200, "{}", defined.text());

    let body = json!({ "publisherEndpointId": registered["endpointId"], "eventCode": "emailSend",
                       "destinationEndpointId": registered["endpointId"] });
    office
        .manage("POST", &format!("/accounts/{customer}/subscriptions"), body)
        .await;
    let before = receiver.count();
    let published = http
        .json("POST", "/v1/event", Some(endpoint_key), Some(opened(5)))
        .await;
    assert_eq!(published.status, 200, "{}", published.text());
    office.hub.settle().await;
    let received = receiver.requests();
    assert_eq!(received.len(), before + 1);
    assert_eq!(received[before].json()["provider"], "Northwind");
}

/// A secret that changes in pilot is a difference, though nobody sees what it is.
async fn other_secrets(office: &Office, path: &str, partner: &Partner, id: i64, document: &Value) {
    let mut document = document.clone();
    document["authentication"]["refreshToken"] = json!("PlantedInPilot");
    let onboarding = format!("/v1/application/{id}/deployment/mails/onboarding");
    let put = partner
        .call_with(&partner.account_key, "PUT", &onboarding, document)
        .await;
    assert_eq!(put.status, 200, "{}", put.text());
    let difference = format!("{path}/difference");
    let review = office.manage("GET", &difference, Value::Null).await;
    assert_eq!(
        review["differences"],
        json!([{ "pointer": format!("/applications/{id}/deployments/mails/onboardingSecrets"), "change": "changed",
                 "before": "others than in pilot", "after": "as in pilot" }])
    );
    assert!(!review.to_string().contains("PlantedInPilot"));
    let body = json!({ "digest": review["digest"] });
    office
        .manage("POST", &format!("{path}/promote"), body)
        .await;
    let left = office.manage("GET", &difference, Value::Null).await;
    assert_eq!(left["differences"], json!([]));
}

/// What changes in pilot afterwards is reviewed and promoted in the same way.
async fn later_changes(office: &Office, path: &str, partner: &Partner, id: i64, key: &str) {
    let of_account = |method: &'static str, below: &'static str, body: Value| async move {
        let path = format!("/v1/application/{id}{below}");
        let answer = partner
            .call_with(&partner.account_key, method, &path, body)
            .await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    };
    let current = partner
        .call_with(
            &partner.account_key,
            "GET",
            &format!("/v1/application/{id}"),
            Value::Null,
        )
        .await;
    let mut document = current.json();
    document["description"] = json!("Sends mail and more");
    of_account("PUT", "", document.clone()).await;
    let difference = format!("{path}/difference");
    let review = office.manage("GET", &difference, Value::Null).await;
    let pointer = format!("/applications/{id}/document/description");
    assert_eq!(
        review["differences"],
        json!([{ "pointer": pointer, "change": "changed", "before": "Sends mail", "after": "Sends mail and more" }])
    );

    // Pilot goes on while somebody reads.
    let opens = json!({ "code": "emailOpen", "name": "Mail opened", "attributes": [] });
    of_account("POST", "/deployment/mails/eventtype", opens).await;
    let promote = format!("{path}/promote");
    let stale = json!({ "digest": review["digest"] });
    let refused = office.refused("POST", &promote, stale).await;
    assert!(refused.text().contains("not what was reviewed"));

    let review = office.manage("GET", &difference, Value::Null).await;
    assert_eq!(review["differences"].as_array().map(Vec::len), Some(2));
    let body = json!({ "digest": review["digest"] });
    office.manage("POST", &promote, body).await;
    let left = office.manage("GET", &difference, Value::Null).await;
    assert_eq!(left["differences"], json!([]));
    let applications = office.hub.http.get("/v1/application", key).await.json();
    assert_eq!(applications.as_array().map(Vec::len), Some(1));
    assert_eq!(applications[0]["description"], "Sends mail and more");
}
