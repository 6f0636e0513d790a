//! Secrets of notifications, planted in every scheme, with a token server and a receiver that repeat all they are sent.

use serde_json::{Value, json};

use super::{Secrets, Walk, until};
use crate::harness::{Receiver, Reply, TOKEN};

/// Answers first with all that it was sent, then with planted tokens.
async fn token_server(secrets: &mut Secrets) -> Receiver {
    let server = Receiver::start().await;
    let access = secrets.plant("access token", "PlantedAccessToken91");
    let rotated = secrets.plant("rotated refresh token", "PlantedRotatedToken92");
    let mut count = 0;
    server.answer(move |request| {
        count += 1;
        if count <= 2 {
            let body = String::from_utf8_lossy(&request.body);
            let repeated = format!("{body} {:?}", request.headers);
            let error = json!({ "error": "invalid_grant", "error_description": repeated });
            return Reply::Body(400, error.to_string().into());
        }
        let grant = json!({ "access_token": access, "token_type": "bearer", "expires_in": 1, "refresh_token": rotated });
        Reply::Body(200, grant.to_string().into())
    });
    server
}

/// Who wants to be notified with which secrets; each document is planted, read, refused, and sent back with its masks.
async fn documents(walk: &mut Walk, secrets: &mut Secrets, tokens: &Receiver) -> Vec<Value> {
    let url = format!("{}/token", tokens.url());
    let supplier = secrets.plant("supplier's client secret", "PlantedSupplierSecret93");
    let body = json!({ "authUrl": url, "clientId": "ours", "clientSecret": supplier });
    let made = walk.manage("POST", "/providers/1/supplierkeys", body).await;
    let wrong = json!({ "authUrl": 7, "clientId": [], "clientSecret": supplier, "x": 1 });
    let path = "/manage/v1/providers/1/supplierkeys";
    assert_eq!(walk.call("POST", path, TOKEN, wrong).await.0, 400);
    walk.manage("GET", "/providers/1/supplierkeys", Value::Null)
        .await;
    let mut plant = |what, value: &str| secrets.plant(what, value);
    vec![
        json!({ "authType": "APIKey", "APIKey": plant("notification API key", "PlantedNotificationKey94") }),
        json!({ "authType": "Basic", "userId": "ada", "password": plant("notification password", "PlantedNotificationPassword95") }),
        json!({ "authType": "OAuth", "authURL": url, "clientID": "c", "clientSecret": plant("client secret", "PlantedClientSecret96"),
                "refreshToken": plant("refresh token", "PlantedRefreshToken97") }),
        json!({ "authType": "OAuthRefreshTokenOnly", "authURL": url, "supplierKey": made["supplierKey"],
                "refreshToken": plant("supplier's refresh token", "PlantedSupplierToken98") }),
    ]
}

/// Each of the endpoints (id and key) is told of a subscription in a scheme of its own.
pub(super) async fn walk(
    walk: &mut Walk,
    secrets: &mut Secrets,
    (account, publisher): (&Value, i64),
    destinations: &[(i64, String)],
) {
    const PATH: &str = "/v1/subscription/notification";
    let tokens = token_server(secrets).await;
    let told = Receiver::start().await;
    let mut count = 0;
    told.answer(move |request| {
        count += 1;
        let repeated = format!(
            "{:?} {}",
            request.headers,
            String::from_utf8_lossy(&request.body)
        );
        Reply::Body(if count <= 4 { 500 } else { 200 }, repeated.into())
    });
    let documents = documents(walk, secrets, &tokens).await;
    for ((_, key), authentication) in destinations.iter().zip(&documents) {
        let mut body = json!({ "notificationURL": told.url(), "notificationKey": "k", "authentication": authentication });
        assert_eq!(walk.call("PUT", PATH, key, body.clone()).await.0, 200);
        body["notificationURL"] = json!(7);
        assert_eq!(walk.call("PUT", PATH, key, body).await.0, 400);
        walk.call("GET", "/v1/endpoint", key, Value::Null).await;
    }
    for (id, _) in destinations {
        let body = json!({ "publisherEndpointId": publisher, "eventCode": "cartAdd", "destinationEndpointId": id });
        walk.manage("POST", &format!("/accounts/{account}/subscriptions"), body)
            .await;
    }
    until(|| told.count() > 4 && tokens.count() > 2).await;
    let outbox = format!("/accounts/{account}/outbox");
    let list = walk.manage("GET", &outbox, Value::Null).await;
    for row in list["items"].as_array().expect("a list").clone() {
        let one = format!("{outbox}/{}", row["id"]);
        walk.manage("GET", &one, Value::Null).await;
    }
    walk.manage("GET", "/outbox", Value::Null).await;
    for (_, key) in destinations {
        walk.call("DELETE", PATH, key, Value::Null).await;
    }
}
