//! A user registers from an application: what may be chosen, what is asked, how the provider is called, and how that ends.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Acme, basic};
use crate::cli;
use crate::harness::{Reply, TestAccount, TestEndpoint, event};

/// An account that connects to the provider's product.
struct Customer {
    acme: Acme,
    account: TestAccount,
}

impl Customer {
    async fn start(onboarding: impl FnOnce(&Acme) -> Value) -> Self {
        let acme = Acme::start().await;
        acme.onboard(onboarding(&acme)).await;
        let account = acme.provider.customer().await;
        Self { acme, account }
    }

    fn path(&self, rest: &str) -> String {
        format!("/accounts/{}{rest}", self.account.id)
    }

    async fn manage(&self, method: &str, rest: &str, body: Value) -> crate::harness::Answer {
        self.acme
            .provider
            .hub
            .manage(method, &self.path(rest), body)
            .await
    }

    fn answers(&self) -> Value {
        json!({ "applicationId": self.acme.application, "deploymentId": "mail", "values": { "userID": "ada", "password": "planted-secret", "tenant": "12" } })
    }

    async fn register(&self, body: Value) -> TestEndpoint {
        let answer = self.manage("POST", "/registrations", body).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let answer = answer.json();
        assert_eq!(answer["status"], "PENDING");
        TestEndpoint {
            id: model::EndpointId(answer["endpointId"].as_i64().expect("a number")),
            key: answer["endpointKey"].as_str().expect("a key").to_owned(),
        }
    }

    async fn refused(&self, body: Value) -> Vec<String> {
        let answer = self.manage("POST", "/registrations", body).await;
        assert_eq!(answer.status, 400, "{}", answer.text());
        answer.pointers()
    }

    async fn shown(&self, endpoint: &TestEndpoint) -> Value {
        self.manage("GET", &format!("/endpoints/{}", endpoint.id), Value::Null)
            .await
            .json()
    }
}

#[tokio::test]
async fn the_account_sees_what_it_may_choose_and_what_is_asked() {
    let customer = Customer::start(|acme| acme.document(basic())).await;
    let private = customer
        .acme
        .provider
        .application(crate::application::mailer())
        .await;
    let listed = customer
        .manage("GET", "/applications", Value::Null)
        .await
        .json();
    let expected = json!({
        "id": customer.acme.application, "displayName": "Mailer", "providerName": "Acme", "description": "Sends mail", "visibility": "PUBLIC", "own": false,
        "deployments": [{
            "id": "mail", "name": "Mail", "description": null, "onboardingType": "DIRECTCONNECT", "instructions": "Wait a minute.",
            "prompts": [
                { "name": "userID", "label": "User name", "type": "String", "secret": false },
                { "name": "password", "label": "Password", "type": "String", "secret": true },
                { "name": "tenant", "label": "Number of your tenant", "type": "Integer", "secret": false },
            ],
        }],
    });
    assert_eq!(
        listed,
        json!({ "items": [expected], "next": null }),
        "neither {private}, which is private, nor secrets"
    );
    let one = customer
        .manage(
            "GET",
            &format!("/applications/{}", customer.acme.application),
            Value::Null,
        )
        .await
        .json();
    assert_eq!(one["document"]["icon"]["colour"], "#c00");
    let hidden = customer
        .manage("GET", &format!("/applications/{private}"), Value::Null)
        .await;
    assert_eq!(hidden.status, 404);
}

#[tokio::test]
async fn every_prompt_must_be_answered_and_whole_numbers_are_whole() {
    let customer = Customer::start(|acme| acme.document(basic())).await;
    let id = customer.acme.application;
    let with = |values: Value| json!({ "applicationId": id, "values": values });
    assert_eq!(
        customer.refused(with(json!({}))).await,
        ["/values/password", "/values/tenant", "/values/userID"]
    );
    assert_eq!(
        customer
            .refused(with(
                json!({ "userID": 5.5, "password": ["x"], "tenant": "a dozen", "colour": "red" })
            ))
            .await,
        ["/values/colour", "/values/password", "/values/tenant"]
    );
    assert_eq!(
        customer
            .refused(with(
                json!({ "userID": "ada", "password": "********", "tenant": 1 })
            ))
            .await,
        ["/values/password"],
        "a mask is no password"
    );
    assert_eq!(
        customer
            .refused(json!({ "applicationId": 987_654, "values": {} }))
            .await,
        ["/applicationId"]
    );
    assert_eq!(
        customer
            .refused(json!({ "applicationId": id, "deploymentId": "none" }))
            .await,
        ["/deploymentId"]
    );
    assert_eq!(
        customer
            .refused(json!({ "deploymentId": "mail", "values": {} }))
            .await,
        ["/deploymentId", "/values"]
    );
    assert_eq!(
        customer
            .refused(json!({ "applicationId": "x", "deploymentId": [], "values": 5, "velues": {} }))
            .await,
        ["/applicationId", "/deploymentId", "/values", "/velues"]
    );
    customer
        .acme
        .provider
        .ok("POST", &format!("/{id}/deployment"), json!({ "id": "sms" }))
        .await;
    assert_eq!(
        customer.refused(with(json!({}))).await,
        ["/deploymentId"],
        "now there is a choice"
    );
    let endpoints = customer
        .manage("GET", "/endpoints", Value::Null)
        .await
        .json();
    assert_eq!(endpoints["items"], json!([]), "nothing was made");
}

#[tokio::test]
async fn the_provider_is_called_and_completes_the_registration() {
    let customer = Customer::start(|acme| acme.document(basic())).await;
    let (hub, server) = (&customer.acme.provider.hub, &customer.acme.server);
    let endpoint = customer.register(customer.answers()).await;
    let waiting = customer.shown(&endpoint).await;
    assert_eq!(
        (&waiting["status"], &waiting["madeFrom"]["connect"]["state"]),
        (&json!("PENDING"), &json!("waiting"))
    );
    hub.settle().await;
    let calls = server.take();
    assert_eq!(calls.len(), 1);
    assert_eq!(
        (calls[0].method.as_str(), calls[0].path.as_str()),
        ("POST", "/connect")
    );
    assert_eq!(
        calls[0].header("authorization"),
        "Basic YWRhOnBsYW50ZWQtc2VjcmV0"
    );
    assert_eq!(calls[0].header("content-type"), "application/json");
    assert_eq!(
        calls[0].json(),
        json!({
            "version": "1", "endpointId": endpoint.id, "endpointKey": endpoint.key, "applicationId": customer.acme.application, "deploymentId": "mail",
            "accountId": customer.account.id, "accountName": "Shop", "environment": "production",
            "baseUrl": hub.server.hub.base_url(model::Environment::Production), "extraFields": { "region": "eu", "tenant": 12 },
        })
    );
    let shown = customer.shown(&endpoint).await;
    assert_eq!(
        (&shown["status"], &shown["madeFrom"]["connect"]["state"]),
        (&json!("PENDING"), &json!("sent"))
    );
    assert_eq!(shown["madeFrom"]["applicationName"], "Mailer");
    assert_eq!(shown["madeFrom"]["connect"]["history"][0]["status"], 200);

    assert_eq!(calls[0].json()["baseUrl"], hub.http.url(""));

    // With the key that it was sent, and no more than what is its own.
    let told = calls[0].json();
    let own = TestEndpoint {
        id: endpoint.id,
        key: told["endpointKey"].as_str().expect("a key").to_owned(),
    };
    let answer = customer
        .acme
        .provider
        .define(&own, json!({ "name": "Mailer of the shop" }))
        .await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "true"));
    let read = customer.acme.provider.read(&own).await;
    assert_eq!(
        (&read["status"], &read["name"], &read["deploymentId"]),
        (
            &json!("ACTIVE"),
            &json!("Mailer of the shop"),
            &json!("mail")
        )
    );
    let published = hub
        .publish(&own, event("emailSend", "a@example.com", 1))
        .await;
    assert_eq!(published.status, 200, "{}", published.text());
    let audit = hub
        .manage("GET", "/audit?limit=1000", Value::Null)
        .await
        .text();
    for secret in ["planted-secret", &own.key] {
        assert!(
            !audit.contains(secret) && !shown.to_string().contains(secret),
            "secrets are not shown"
        );
    }
}

#[tokio::test]
async fn a_provider_that_is_down_is_called_again() {
    let customer =
        Customer::start(|acme| acme.document(json!({ "authType": "APIKey", "APIKey": "PROMPT" })))
            .await;
    let (hub, server) = (&customer.acme.provider.hub, &customer.acme.server);
    server.answer(|request| {
        // It repeats what it was sent, as some error pages do.
        let text = String::from_utf8_lossy(&request.body).into_owned();
        Reply::Body(503, text.into())
    });
    let body = json!({ "applicationId": customer.acme.application, "values": { "APIKey": "k-planted", "tenant": 1 } });
    let endpoint = customer.register(body).await;
    hub.settle().await;
    let shown = customer.shown(&endpoint).await;
    let connect = &shown["madeFrom"]["connect"];
    assert_eq!(
        (&connect["state"], &connect["attempts"]),
        (&json!("waiting"), &json!(1))
    );
    assert!(connect["nextAttemptAt"].is_string());
    assert_eq!(connect["history"][0]["status"], 503);
    assert!(
        !shown.to_string().contains(&endpoint.key),
        "the key is not repeated: {connect}"
    );
    server.answer_status(200);
    hub.pass(Duration::from_secs(3_600)).await;
    let calls = server.take();
    assert!(
        calls
            .iter()
            .all(|call| call.header("authorization") == "Bearer k-planted")
    );
    assert_eq!(
        calls[0].header("webhook-id"),
        calls[calls.len() - 1].header("webhook-id"),
        "it can tell that it is the same"
    );
    assert_eq!(
        customer.shown(&endpoint).await["madeFrom"]["connect"]["state"],
        "sent"
    );
}

#[tokio::test]
async fn a_provider_that_refuses_leaves_it_pending_and_says_why() {
    let customer = Customer::start(|acme| acme.document(basic())).await;
    let (hub, server) = (&customer.acme.provider.hub, &customer.acme.server);
    server.answer(|_| Reply::Body(403, "no such tenant".into()));
    let endpoint = customer.register(customer.answers()).await;
    hub.settle().await;
    let shown = customer.shown(&endpoint).await;
    let connect = &shown["madeFrom"]["connect"];
    assert_eq!(
        (
            &shown["status"],
            &connect["state"],
            &connect["nextAttemptAt"]
        ),
        (&json!("PENDING"), &json!("dead"), &Value::Null)
    );
    assert_eq!(
        (
            &connect["history"][0]["status"],
            &connect["history"][0]["detail"]
        ),
        (&json!(403), &json!("no such tenant"))
    );
    // It can still fail, or be completed, by its provider.
    let path = format!("/v1/endpoint/{}/reportfailure", endpoint.id);
    let failed = hub
        .http
        .json(
            "PUT",
            &path,
            Some(&endpoint.key),
            Some(json!({ "reason": "unknown tenant" })),
        )
        .await;
    assert_eq!(failed.text(), "true");
    let shown = customer.shown(&endpoint).await;
    assert_eq!(
        (&shown["status"], &shown["failureReason"]),
        (&json!("FAILED"), &json!("unknown tenant"))
    );
    let answer = customer.acme.provider.define(&endpoint, json!({})).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(customer.shown(&endpoint).await["status"], "ACTIVE");
}

#[tokio::test]
async fn who_only_instructs_is_not_called() {
    let customer = Customer::start(
        |_| json!({ "onboardingType": "INSTRUCTIONSONLY", "instructions": "Write to us." }),
    )
    .await;
    let endpoint = customer
        .register(json!({ "applicationId": customer.acme.application }))
        .await;
    customer.acme.provider.hub.settle().await;
    assert_eq!(customer.acme.server.count(), 0);
    let shown = customer.shown(&endpoint).await;
    assert_eq!(
        (&shown["status"], &shown["madeFrom"]["connect"]),
        (&json!("PENDING"), &Value::Null)
    );
    let refused = customer
        .acme
        .provider
        .call(
            "DELETE",
            &format!("/{}", customer.acme.application),
            Value::Null,
        )
        .await;
    assert_eq!(
        refused.status, 400,
        "it is referred to before it is described"
    );
}

#[tokio::test]
async fn the_provider_is_told_of_subscriptions_with_what_the_user_answered() {
    let customer = Customer::start(|acme| {
        let mut document = acme.document(basic());
        document["includeSubscriptionNotifications"] = "true".into();
        document["subscriptionNotificationUrl"] = format!("{}/told", acme.server.url()).into();
        document["notificationType"] = "PUBLISHER_V1_2".into();
        document
    })
    .await;
    let (hub, server) = (&customer.acme.provider.hub, &customer.acme.server);
    let endpoint = customer.register(customer.answers()).await;
    let answer = customer
        .acme
        .provider
        .define(&endpoint, json!({ "notificationKey": "shop 12" }))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    hub.settle().await;
    server.take();
    let destination = hub.push_destination(&customer.account, &server.url()).await;
    hub.subscribe(&customer.account, &endpoint, "emailSend", &destination)
        .await;
    hub.settle().await;
    let told: Vec<_> = server
        .take()
        .into_iter()
        .filter(|call| call.path == "/told")
        .collect();
    assert_eq!(told.len(), 1);
    assert_eq!(
        told[0].header("authorization"),
        "Basic YWRhOnBsYW50ZWQtc2VjcmV0"
    );
    let body = told[0].json();
    assert_eq!(
        (
            &body["notificationKey"],
            &body["changeType"],
            &body["eventTypeCode"]
        ),
        (&json!("shop 12"), &json!("Add"), &json!("emailSend"))
    );
    assert_eq!(
        (&body["eventName"], &body["destinationName"]),
        (&json!("Mail sent"), &json!("CRM"))
    );
}

#[tokio::test]
async fn it_is_all_said_on_the_command_line_too() {
    let customer = Customer::start(|acme| acme.document(basic())).await;
    let hub = &customer.acme.provider.hub;
    let (account, id) = (customer.account.id, customer.acme.application);
    let done = cli::rialto(hub, &format!("application list --account {account}")).await;
    assert!(
        done.out.contains("Mailer") && done.out.contains("Mail"),
        "{}{}",
        done.out,
        done.err
    );
    let done = cli::rialto(hub, &format!("application show {id} --account {account}")).await;
    assert!(
        done.out.contains("userID, password, tenant"),
        "{}{}",
        done.out,
        done.err
    );
    let words = format!(
        "registration create --account {account} --application {id} --deployment mail --value userID=ada --value tenant=7 --values-file - --json"
    );
    let done = cli::rialto_with(
        hub.http.url(""),
        &words,
        Some(r#"{ "password": "planted-secret" }"#.to_owned()),
    )
    .await;
    assert_eq!(done.code, 0, "{}", done.err);
    let registered: Value = serde_json::from_str(&done.out).expect("JSON");
    hub.settle().await;
    let done = cli::rialto(
        hub,
        &format!(
            "registration show {} --account {account}",
            registered["endpointId"]
        ),
    )
    .await;
    assert!(
        done.out.contains("Mailer") && done.out.contains("sent"),
        "{}{}",
        done.out,
        done.err
    );

    // The provider changes its product: first it looks what that would do, then it does.
    let provider = customer.acme.provider.account.id;
    let endpoint = TestEndpoint {
        id: model::EndpointId(registered["endpointId"].as_i64().expect("a number")),
        key: registered["endpointKey"]
            .as_str()
            .expect("a key")
            .to_owned(),
    };
    assert_eq!(
        customer
            .acme
            .provider
            .define(&endpoint, json!({}))
            .await
            .status,
        200
    );
    let mut document = crate::application::mailer();
    document["displayName"] = "Mailer 2".into();
    let document = document.to_string();
    for dry_run in ["--dry-run", ""] {
        let words = format!("application update {id} --account {provider} --file - {dry_run}");
        let done =
            cli::rialto_with(hub.http.url(""), words.trim_end(), Some(document.clone())).await;
        assert_eq!(done.code, 0, "{}", done.err);
        let expected = if dry_run.is_empty() {
            "Mailer 2"
        } else {
            "/name"
        };
        assert!(done.out.contains(expected), "{}", done.out);
        let name = customer.acme.provider.read(&endpoint).await["name"].clone();
        assert_eq!(
            name,
            if dry_run.is_empty() {
                "Mailer 2"
            } else {
                "Mailer"
            }
        );
    }
    for (verb, code) in [("withdraw", 0), ("publish", 0), ("delete", 1)] {
        let done = cli::rialto(
            hub,
            &format!("application {verb} {id} --account {provider}"),
        )
        .await;
        assert_eq!(done.code, code, "{verb}: {}{}", done.out, done.err);
    }
    let words = format!("application create --account {provider} --file - --json");
    let done = cli::rialto_with(hub.http.url(""), &words, Some(document)).await;
    let created: Value = serde_json::from_str(&done.out).expect("JSON");
    let done = cli::rialto(
        hub,
        &format!("application delete {} --account {provider}", created["id"]),
    )
    .await;
    assert_eq!(
        (done.code, done.out.as_str()),
        (0, "The application is deleted.\n"),
        "{}",
        done.err
    );
}

#[tokio::test]
async fn nobody_is_called_any_more_once_the_provider_has_answered_or_the_user_has_given_up() {
    let customer = Customer::start(|acme| acme.document(basic())).await;
    let (hub, server) = (&customer.acme.provider.hub, &customer.acme.server);
    server.answer_status(503);
    let completed = customer.register(customer.answers()).await;
    let given_up = customer.register(customer.answers()).await;
    hub.settle().await;
    assert_eq!(server.take().len(), 2);
    assert_eq!(
        customer
            .acme
            .provider
            .define(&completed, json!({}))
            .await
            .status,
        200
    );
    let deleted = customer
        .manage(
            "DELETE",
            &format!("/endpoints/{}", given_up.id),
            Value::Null,
        )
        .await;
    assert_eq!(deleted.status, 200);
    hub.pass(Duration::from_secs(3_600)).await;
    assert_eq!(server.count(), 0);
    for endpoint in [completed, given_up] {
        assert_eq!(
            customer.shown(&endpoint).await["madeFrom"]["connect"]["state"],
            "dropped"
        );
    }
}
