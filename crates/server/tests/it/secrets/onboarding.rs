//! The secrets of onboarding: fixed ones in the document, and what users answer, also when it is refused and when the
//! provider repeats it.

use serde_json::{Value, json};

use super::{Secrets, Walk, until};
use crate::harness::{Receiver, Reply, TOKEN};

/// A provider and a user in one account of pilot; the provider's server repeats all that it is sent, and refuses it.
pub(super) async fn onboarding(walk: &mut Walk, secrets: &mut Secrets) {
    let server = Receiver::start().await;
    server.answer(|request| {
        let said = [
            request.header("authorization").as_bytes(),
            b" ",
            &request.body,
        ]
        .concat();
        Reply::Body(400, said.into())
    });
    let body = json!({ "name": "Mailers", "environment": "pilot" });
    let account = walk.made("/accounts", body).await;
    let key = secrets.made("a provider's account key", &account, "accountKey");
    let of_account = format!("/accounts/{}", account["id"]);
    let document = json!({ "providerName": "Acme", "displayName": "Mailer" });
    let (status, application) = walk.call("POST", "/v1/application", &key, document).await;
    assert_eq!(status, 200, "{application}");
    let path = format!("/v1/application/{}/deployment", application["id"]);
    let (status, _) = walk
        .call("POST", &path, &key, json!({ "id": "mail" }))
        .await;
    assert_eq!(status, 200);
    let path = format!("{path}/mail/onboarding");

    let fixed = secrets.plant("onboarding API key", "PlantedOnboardingKey61");
    let refused = secrets.plant(
        "a key in a refused onboarding",
        "PlantedRefusedOnboarding62",
    );
    let password = secrets.plant("an answered password", "PlantedAnsweredPassword63");
    let wrong = secrets.plant(
        "a password in a refused registration",
        "PlantedRefusedAnswer64",
    );
    let direct = |authentication: Value| json!({ "onboardingType": "DIRECTCONNECT", "connectUrl": format!("{}/connect", server.url()), "authentication": authentication });
    let bad = json!({ "authType": "APIKey", "APIKey": format!("{refused}\n") });
    assert_eq!(walk.call("PUT", &path, &key, direct(bad)).await.0, 400);
    let registrations = format!("/manage/v1{of_account}/registrations");
    let register = async |walk: &mut Walk, secrets: &mut Secrets, values: Value| {
        let body = json!({ "applicationId": application["id"], "values": values });
        let (status, made) = walk.show("POST", &registrations, TOKEN, body).await;
        assert_eq!(status, 200, "{made}");
        secrets.made("a key that a provider was sent", &made, "endpointKey");
        made["endpointId"].clone()
    };

    let stated = direct(json!({ "authType": "APIKey", "APIKey": fixed }));
    let (status, shown) = walk.call("PUT", &path, &key, stated).await;
    assert_eq!(status, 200, "{shown}");
    assert_eq!(
        walk.call("PUT", &path, &key, shown).await.0,
        200,
        "a mask keeps it"
    );
    let first = register(walk, secrets, json!({})).await;
    let asked = direct(json!({ "authType": "Basic", "userID": "PROMPT", "password": "PROMPT" }));
    assert_eq!(walk.call("PUT", &path, &key, asked).await.0, 200);
    let body = json!({ "applicationId": application["id"], "values": { "password": wrong } });
    let (status, _) = walk.call("POST", &registrations, TOKEN, body).await;
    assert_eq!(status, 400, "the user name is missing");
    let second = register(
        walk,
        secrets,
        json!({ "userID": "ada", "password": password }),
    )
    .await;
    until(|| server.count() >= 2).await;
    for id in [first, second] {
        walk.manage("GET", &format!("{of_account}/endpoints/{id}"), Value::Null)
            .await;
    }
    for below in ["applications", "outbox", "audit"] {
        walk.manage("GET", &format!("{of_account}/{below}"), Value::Null)
            .await;
    }
    walk.call("GET", &path, &key, Value::Null).await;
    assert_eq!(walk.call("DELETE", &path, &key, Value::Null).await.0, 200);
}
