//! How accounts are taken on: the onboarding document, registering from an application, and a provider – a real HTTP
//! server – that is called and completes the registration.
//!
//! The `curl` commands are the examples of the published API with their quotes and placeholders repaired.

mod registration;

use serde_json::{Value, json};

use crate::application::{Provider, mailer, sends_mail};
use crate::harness::Receiver;

/// A provider with the feature `mail` of a public mailer, and its server.
pub(crate) struct Acme {
    pub(crate) provider: Provider,
    pub(crate) server: Receiver,
    pub(crate) application: i64,
    /// Of the feature, below `/v1/application`.
    pub(crate) path: String,
}

impl Acme {
    pub(crate) async fn start() -> Self {
        let (provider, server) = (Provider::start().await, Receiver::start().await);
        let mut document = mailer();
        document["url"] = server.url().into();
        let application = provider.application(document).await;
        let path = format!("/{application}/deployment/mail");
        provider
            .ok(
                "POST",
                &format!("/{application}/deployment"),
                json!({ "id": "mail", "displayName": "Mail" }),
            )
            .await;
        provider
            .ok("POST", &format!("{path}/eventtype"), sends_mail())
            .await;
        provider
            .ok("PUT", &format!("/{application}/PUBLIC"), Value::Null)
            .await;
        Self {
            provider,
            server,
            application,
            path,
        }
    }

    #[expect(clippy::needless_pass_by_value, reason = "tests pass literals")]
    pub(crate) fn document(&self, authentication: Value) -> Value {
        json!({
            "onboardingType": "DIRECTCONNECT", "instructions": "Wait a minute.", "connectUrl": format!("{}/connect", self.server.url()),
            "authentication": authentication,
            "extraFields": [
                { "name": "region", "value": "eu" },
                { "name": "tenant", "value": "PROMPT", "displayName": "Number of your tenant", "type": "Integer" },
            ],
        })
    }

    /// Says how accounts are taken on.
    pub(crate) async fn onboard(&self, document: Value) -> Value {
        self.provider
            .ok("PUT", &format!("{}/onboarding", self.path), document)
            .await
    }

    async fn refused(&self, document: Value) -> (u16, Vec<String>) {
        self.provider
            .refused("PUT", &format!("{}/onboarding", self.path), document)
            .await
    }
}

pub(crate) fn basic() -> Value {
    json!({ "authType": "Basic", "userID": "PROMPT", "password": "PROMPT" })
}

#[tokio::test]
async fn the_printed_examples_work() {
    let acme = Acme::start().await;
    let (hub, key) = (&acme.provider.hub, &acme.provider.account.key);
    let (id, url) = (acme.application, acme.server.url());
    let put = hub
        .http
        .curl(&format!(
            r#"curl -v \
            -X PUT \
            -H "Authorization: Bearer {key}" \
            -H "Content-Type: application/json" \
            -d '{{"onboardingType":"DIRECTCONNECT","instructions":
            "Sign in with your account","connectUrl":"{url}/connect",
            "includeSubscriptionNotifications":true,
            "subscriptionNotificationUrl":"{url}/notify",
            "notificationType":"PUBLISHER_V1_2",
            "authentication":{{"authType":"Basic","userID":"PROMPT","password":"PROMPT"}},
            "extraFields":[{{"name":"region",
            "value":"PROMPT","displayName" :"Region","type":"String"}}]}}' \
            https://<base URL>/v1/application/{id}/deployment/mail/onboarding"#
        ))
        .await;
    assert_eq!(put.status, 200, "{}", put.text());
    assert_eq!(
        put.json(),
        json!({
            "onboardingType": "DIRECTCONNECT", "instructions": "Sign in with your account", "connectUrl": format!("{url}/connect"),
            "includeSubscriptionNotifications": true, "subscriptionNotificationUrl": format!("{url}/notify"), "notificationType": "PUBLISHER_V1_2",
            "authentication": { "authType": "Basic", "userID": "PROMPT", "password": "PROMPT" },
            "extraFields": [{ "name": "region", "value": "PROMPT", "displayName": "Region", "type": "String" }],
        }),
        "what was sent"
    );
    let delete = hub
        .http
        .curl(&format!(
            r#"curl -v \
            -X DELETE \
            -H "Authorization: Bearer {key}" \
            -H "Content-Type: application/json" \
            https://<base URL>/v1/application/{id}/deployment/mail/onboarding"#
        ))
        .await;
    assert_eq!((delete.status, delete.text().as_str()), (200, "true"));
    for method in ["GET", "DELETE"] {
        let (status, _) = acme
            .provider
            .refused(method, &format!("{}/onboarding", acme.path), Value::Null)
            .await;
        assert_eq!(status, 404, "{method}");
    }
}

#[tokio::test]
async fn secrets_come_back_as_masks_and_masks_keep_them() {
    let acme = Acme::start().await;
    let schemes = [
        (
            json!({ "authType": "APIKey", "apikey": "planted-secret" }),
            vec!["apikey"],
        ),
        (
            json!({ "authType": "Basic", "userId": "ada", "password": "planted-secret" }),
            vec!["password"],
        ),
        (
            json!({ "authType": "OAuth", "authURL": format!("{}/token", acme.server.url()), "clientID": "us", "clientSecret": "planted-secret", "refreshToken": "planted-secret" }),
            vec!["clientSecret", "refreshToken"],
        ),
    ];
    for (authentication, secrets) in schemes {
        let sent = acme.document(authentication);
        let shown = acme.onboard(sent.clone()).await;
        let mut expected = sent.clone();
        for secret in secrets {
            expected["authentication"][secret] = "********".into();
        }
        assert_eq!(shown, expected);
        let path = format!("{}/onboarding", acme.path);
        assert_eq!(acme.provider.ok("GET", &path, Value::Null).await, shown);
        let again = format!("/{}/feature/mail/onboarding", acme.application);
        assert_eq!(
            acme.provider.ok("PUT", &again, shown.clone()).await,
            shown,
            "a mask sent back keeps the secret"
        );
        assert!(!everything_stored(&acme).await.contains("planted-secret"));
        let mut moved = shown;
        moved["connectUrl"] = "http://127.0.0.1:1/connect".into();
        let (status, pointers) = acme.refused(moved).await;
        assert_eq!(status, 400, "a secret does not go to another host");
        assert!(pointers[0].starts_with("/authentication/"), "{pointers:?}");
    }
    // The secret that was kept is the one that is used.
    acme.onboard(
        acme.document(
            json!({ "authType": "Basic", "userID": "ada", "password": "planted-secret" }),
        ),
    )
    .await;
    let shown = acme
        .provider
        .ok("GET", &format!("{}/onboarding", acme.path), Value::Null)
        .await;
    acme.onboard(shown).await;
    let customer = acme.provider.customer().await;
    let body = json!({ "applicationId": acme.application, "values": { "tenant": 1 } });
    let registered = acme
        .provider
        .hub
        .manage(
            "POST",
            &format!("/accounts/{}/registrations", customer.id),
            body,
        )
        .await;
    assert_eq!(registered.status, 200, "{}", registered.text());
    acme.provider.hub.settle().await;
    let called = acme.server.take();
    assert_eq!(called.len(), 1);
    assert_eq!(
        called[0].header("authorization"),
        "Basic YWRhOnBsYW50ZWQtc2VjcmV0"
    );
}

/// What the audit trail and the account's answers say, as text.
pub(crate) async fn everything_stored(acme: &Acme) -> String {
    let audit = acme
        .provider
        .hub
        .manage("GET", "/audit?limit=1000", Value::Null)
        .await;
    let documents = acme.provider.call("GET", "", Value::Null).await;
    format!("{}{}", audit.text(), documents.text())
}

#[tokio::test]
async fn every_violation_is_told_at_once_by_its_place() {
    let acme = Acme::start().await;
    let cases: Vec<(Value, Vec<&str>)> = vec![
        (json!(7), vec![""]),
        (json!({}), vec!["/onboardingType"]),
        (
            json!({ "onboardingType": "LATER", "instructions": {} }),
            vec!["/instructions", "/onboardingType"],
        ),
        (
            json!({ "onboardingType": "DIRECTCONNECT" }),
            vec!["/authentication", "/connectUrl"],
        ),
        (
            json!({ "onboardingType": "DIRECTCONNECT", "connectURL": "ftp://x", "authentication": { "authType": "Kerberos" }, "includeSubscriptionNotifications": "TRUE", "notificationType": 9 }),
            vec![
                "/authentication/authType",
                "/connectURL",
                "/notificationType",
                "/subscriptionNotificationUrl",
            ],
        ),
        (
            json!({ "onboardingType": "DIRECTCONNECT", "connectUrl": "http://a.example", "authentication": { "authType": "OAuthRefreshTokenOnly", "authURL": "x", "supplierKey": "nobody's" } }),
            vec![
                "/authentication/authURL",
                "/authentication/refreshToken",
                "/authentication/supplierKey",
            ],
        ),
        (
            json!({ "onboardingType": "INSTRUCTIONSONLY", "extraFields": [{ "value": 1 }, { "name": "a", "type": "Float" }, { "name": "a", "type": "Integer", "value": "1.5" }] }),
            vec![
                "/extraFields/0/name",
                "/extraFields/1/type",
                "/extraFields/2/name",
                "/extraFields/2/value",
            ],
        ),
    ];
    for (document, pointers) in cases {
        let (status, found) = acme.refused(document.clone()).await;
        assert_eq!(
            (status, found.iter().map(String::as_str).collect::<Vec<_>>()),
            (400, pointers),
            "{document}"
        );
    }
    let stored = acme
        .provider
        .call("GET", &format!("{}/onboarding", acme.path), Value::Null)
        .await;
    assert_eq!(stored.status, 404, "nothing of it was taken");
}

#[tokio::test]
async fn it_is_its_own_accounts_alone() {
    let acme = Acme::start().await;
    acme.onboard(acme.document(basic())).await;
    let customer = acme.provider.customer().await;
    for path in [
        format!("{}/onboarding", acme.path),
        format!("/{}/deployment/none/onboarding", acme.application),
        "/987/deployment/mail/onboarding".to_owned(),
    ] {
        for (method, body) in [
            ("GET", Value::Null),
            ("PUT", acme.document(basic())),
            ("DELETE", Value::Null),
        ] {
            let answer = acme.provider.call_as(&customer, method, &path, body).await;
            assert_eq!(answer.status, 404, "{method} {path}: {}", answer.text());
        }
    }
    // The exchange asks users for it, but tells them neither the URL nor the credentials.
    let choices = acme
        .provider
        .hub
        .manage(
            "GET",
            &format!("/accounts/{}/applications", customer.id),
            Value::Null,
        )
        .await;
    assert!(!choices.text().contains("/connect"), "{}", choices.text());
}
