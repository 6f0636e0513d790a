//! Subscription notifications: who is told of what, how the receiver is signed in to, and what is refused.

mod oauth;
mod outbox;

use serde_json::{Value, json};

use crate::harness::scene::{BUY, Scene};
use crate::harness::{Answer, Receiver, Request, TestEndpoint, TestHub, publisher_definition};

/// A shop that publishes `buy`, a subscriber that is not subscribed yet, and who is told of it.
pub(crate) struct Told {
    pub(crate) scene: Scene,
    pub(crate) crm: TestEndpoint,
    pub(crate) receiver: Receiver,
}

impl Told {
    pub(crate) async fn start() -> Self {
        Self::of(Scene::start().await).await
    }

    pub(crate) async fn of(scene: Scene) -> Self {
        let crm = scene.hub.pull_destination(&scene.account).await;
        Self {
            scene,
            crm,
            receiver: Receiver::start().await,
        }
    }

    pub(crate) fn hub(&self) -> &TestHub {
        &self.scene.hub
    }

    /// `PUT /v1/subscription/notification` of an endpoint, to the receiver.
    pub(crate) async fn define(&self, endpoint: &TestEndpoint, more: Value) -> Answer {
        let url = format!("{}/hook?tenant=7", self.receiver.url());
        let mut body = json!({ "notificationURL": url, "notificationKey": "key 7" });
        for (name, value) in more.as_object().expect("an object") {
            body[name] = value.clone();
        }
        put(self.hub(), endpoint, body).await
    }

    /// The same, which must be taken.
    pub(crate) async fn defined(&self, endpoint: &TestEndpoint, more: Value) {
        let answer = self.define(endpoint, more).await;
        assert_eq!((answer.status, answer.text().as_str()), (200, "true"));
    }

    /// A subscription of the shop's event; its id.
    pub(crate) async fn subscribe(&self) -> i64 {
        let body = json!({
            "publisherEndpointId": self.scene.shop.id, "eventCode": BUY, "destinationEndpointId": self.crm.id,
        });
        let answer = self.manage("POST", "/subscriptions", body).await;
        answer["id"].as_i64().expect("an id")
    }

    /// A call of `/manage/v1/accounts/<id>` that must be taken.
    pub(crate) async fn manage(&self, method: &str, path: &str, body: Value) -> Value {
        let path = format!("/accounts/{}{path}", self.scene.account.id);
        let answer = self.hub().manage(method, &path, body).await;
        assert_eq!(answer.status, 200, "{method} {path}: {}", answer.text());
        answer.json()
    }

    /// What was received since the last time, after everything that is due was sent.
    pub(crate) async fn told(&self) -> Vec<Request> {
        self.scene.settle().await;
        self.receiver.take()
    }

    /// The entries of the account's outbox.
    pub(crate) async fn outbox(&self) -> Vec<Value> {
        let list = self.manage("GET", "/outbox", Value::Null).await;
        list["items"].as_array().expect("items").clone()
    }
}

pub(crate) async fn put(hub: &TestHub, endpoint: &TestEndpoint, body: Value) -> Answer {
    let path = "/v1/subscription/notification";
    hub.http
        .json("PUT", path, Some(&endpoint.key), Some(body))
        .await
}

async fn delete(hub: &TestHub, endpoint: &TestEndpoint) -> Answer {
    let path = "/v1/subscription/notification";
    hub.http
        .json("DELETE", path, Some(&endpoint.key), None)
        .await
}

/// `changeType` and what it is about.
pub(crate) fn change(request: &Request) -> (String, String) {
    let body = request.json();
    let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    let what = if body["endpointName"].is_null() {
        text("eventTypeCode")
    } else {
        text("endpointName")
    };
    (text("changeType"), what)
}

fn changes(requests: &[Request]) -> Vec<(String, String)> {
    requests.iter().map(change).collect()
}

/// The names of all headers but those that every HTTP client sends.
fn header_names(request: &Request) -> Vec<&str> {
    const OF_HTTP: [&str; 4] = ["host", "user-agent", "content-length", "accept"];
    let names = request.headers.keys().map(http::HeaderName::as_str);
    let mut names: Vec<&str> = names.filter(|name| !OF_HTTP.contains(name)).collect();
    names.sort_unstable();
    names
}

#[tokio::test]
async fn each_scheme_signs_in_as_documented() {
    let told = Told::start().await;
    let tokens = crate::harness::TokenServer::start().await;
    tokens.book().basic_only = true;
    let supplier_key = supplier_key(told.hub(), &tokens.url()).await;
    let with_key = json!({
        "authType": "OAuthRefreshTokenOnly", "authURL": tokens.url(), "supplierKey": supplier_key, "refreshToken": "refresh-0",
    });
    for (authentication, header) in [
        (Value::Null, ""),
        (
            json!({ "authType": "APIKey", "APIKey": "1234-abcd" }),
            "Bearer 1234-abcd",
        ),
        // The example of RFC 7617.
        (
            json!({ "authType": "Basic", "userId": "Aladdin", "password": "open sesame" }),
            "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
        ),
        (tokens.authentication(), "Bearer access-1"),
        (with_key, "Bearer access-2"),
    ] {
        told.defined(
            &told.scene.shop,
            json!({ "authentication": authentication }),
        )
        .await;
        let id = told.subscribe().await;
        let received = told.told().await;
        assert_eq!(received.len(), 1, "{authentication}");
        let request = &received[0];
        assert_eq!(
            (request.method.as_str(), request.path.as_str()),
            ("POST", "/hook?tenant=7")
        );
        assert_eq!(request.header("authorization"), header);
        let mut names = vec![
            "content-type",
            "webhook-id",
            "webhook-signature",
            "webhook-timestamp",
        ];
        if !header.is_empty() {
            names.insert(0, "authorization");
        }
        assert_eq!(header_names(request), names);
        assert_eq!(request.header("content-type"), "application/json");
        assert_eq!(
            request.json(),
            json!({
                "notificationKey": "key 7", "changeTime": "2026-03-02T12:00:00Z", "changeType": "Add",
                "eventTypeCode": "buy", "eventName": "buy",
            })
        );
        told.manage("DELETE", &format!("/subscriptions/{id}"), Value::Null)
            .await;
        assert_eq!(
            changes(&told.told().await),
            [("Delete".to_owned(), BUY.to_owned())]
        );
    }
    assert_eq!(
        tokens.book().good.len(),
        2,
        "one for each: kept until it expires"
    );
}

/// Stores the token server's client and answers the key for documents.
pub(crate) async fn supplier_key(hub: &TestHub, auth_url: &str) -> String {
    use crate::harness::token_server::{CLIENT_ID, CLIENT_SECRET};
    let body = json!({ "authUrl": auth_url, "clientId": CLIENT_ID, "clientSecret": CLIENT_SECRET });
    let answer = hub.manage("POST", "/providers/1/supplierkeys", body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(!answer.text().contains(CLIENT_SECRET));
    answer.json()["supplierKey"]
        .as_str()
        .expect("a key")
        .to_owned()
}

#[tokio::test]
async fn both_ends_are_told_of_every_change_as_much_as_they_asked_for() {
    let told = Told::start().await;
    told.defined(
        &told.scene.shop,
        json!({ "notificationType": "PUBLISHER_V1_2" }),
    )
    .await;
    let crm_hook = Receiver::start().await;
    let body = json!({ "notificationUrl": crm_hook.url(), "notificationType": "publisher_v1_3" });
    assert_eq!(put(told.hub(), &told.crm, body).await.status, 200);

    let id = told.subscribe().await;
    let path = format!("/subscriptions/{id}");
    for enabled in [false, false, true] {
        told.manage("PATCH", &path, json!({ "enabled": enabled }))
            .await;
    }
    told.manage("DELETE", &path, Value::Null).await;
    let at_shop = told.told().await;
    let at_crm = crm_hook.take();
    let expected: Vec<(String, String)> = ["Add", "Disable", "Enable", "Delete"]
        .map(|change| (change.to_owned(), BUY.to_owned()))
        .into();
    assert_eq!(
        changes(&at_shop),
        expected,
        "what changes nothing is not told"
    );
    assert_eq!(changes(&at_crm), expected);
    assert_eq!(
        at_shop[0].json(),
        json!({
            "notificationKey": "key 7", "changeTime": "2026-03-02T12:00:00Z", "changeType": "Add",
            "eventTypeCode": "buy", "eventName": "buy", "destinationName": "CRM", "providerName": "Acme",
        })
    );
    assert_eq!(
        at_crm[0].json(),
        json!({
            "notificationKey": null, "changeTime": "2026-03-02T12:00:00Z", "changeType": "Add",
            "eventTypeCode": "buy", "eventName": "buy", "publisherName": "Web shop", "providerName": "Acme",
        })
    );
}

#[tokio::test]
async fn the_third_type_is_told_of_endpoints_that_are_disabled_and_deleted() {
    let told = Told::start().await;
    told.defined(
        &told.scene.shop,
        json!({ "notificationType": "PUBLISHER_V1_3" }),
    )
    .await;
    let crm_hook = Receiver::start().await;
    let body = json!({ "notificationURL": crm_hook.url(), "notificationType": "PUBLISHER_V1_2" });
    assert_eq!(put(told.hub(), &told.crm, body).await.status, 200);
    told.subscribe().await;
    told.told().await;
    crm_hook.take();

    for enabled in ["disable", "enable"] {
        let path = format!("/v1/endpoint/{enabled}");
        let answer = told
            .hub()
            .http
            .json("PUT", &path, Some(&told.crm.key), None)
            .await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    let received = told.told().await;
    assert_eq!(received.len(), 1, "that it was enabled is not told");
    assert_eq!(
        received[0].json(),
        json!({
            "notificationKey": "key 7", "changeTime": "2026-03-02T12:00:00Z", "changeType": "Disable",
            "endpointId": told.crm.id, "endpointName": "CRM", "providerName": "Acme",
        })
    );
    assert!(crm_hook.take().is_empty(), "the second type is not told");

    let answer = told
        .hub()
        .http
        .json("DELETE", "/v1/endpoint", Some(&told.crm.key), None)
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let both = [
        ("Delete".to_owned(), "CRM".to_owned()),
        ("Delete".to_owned(), BUY.to_owned()),
    ];
    assert_eq!(changes(&told.told().await), both);
    assert_eq!(
        changes(&crm_hook.take()),
        both[1..],
        "also one that is deleted hears the end"
    );
}

#[tokio::test]
async fn what_the_exchange_disables_by_itself_is_told() {
    let scene = Scene::start().await;
    let crm = scene.subscriber().await;
    let hook = Receiver::start().await;
    let body = json!({ "notificationURL": hook.url(), "notificationType": "PUBLISHER_V1_3" });
    assert_eq!(put(&scene.hub, &scene.shop, body).await.status, 200);
    crm.receiver.answer_status(410);
    scene.buy("ada@example.com", 1).await;
    scene.settle().await;
    scene.settle().await;
    let received = hook.take();
    assert_eq!(
        changes(&received),
        [("Disable".to_owned(), "CRM".to_owned())]
    );
}

#[tokio::test]
async fn a_later_document_overwrites_and_deleting_it_ends_it() {
    let told = Told::start().await;
    assert_eq!(
        delete(told.hub(), &told.scene.shop).await.status,
        404,
        "there is none"
    );
    told.defined(&told.scene.shop, json!({ "notificationKey": "old" }))
        .await;
    told.defined(&told.scene.shop, json!({ "notificationKey": 7 }))
        .await;
    let id = told.subscribe().await;
    let received = told.told().await;
    assert_eq!(received.len(), 1, "one for each endpoint");
    assert_eq!(received[0].json()["notificationKey"], "7");

    // What waits is dropped with it.
    told.receiver.answer_status(503);
    told.manage(
        "PATCH",
        &format!("/subscriptions/{id}"),
        json!({ "enabled": false }),
    )
    .await;
    told.told().await;
    let answer = delete(told.hub(), &told.scene.shop).await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "true"));
    assert_eq!(
        told.outbox().await.last().expect("an entry")["state"],
        "dropped"
    );
    assert_eq!(delete(told.hub(), &told.scene.shop).await.status, 404);
    told.manage("DELETE", &format!("/subscriptions/{id}"), Value::Null)
        .await;
    told.scene.pass(std::time::Duration::from_secs(3_600)).await;
    assert!(told.told().await.is_empty());
}

/// The key of the registration stands in for one that the document does not state.
#[tokio::test]
async fn the_registrations_key_is_echoed_too() {
    let told = Told::start().await;
    let hub = told.hub();
    let mut definition = publisher_definition();
    definition["notificationKey"] = 4711.into();
    let shop = &told.scene.shop;
    let answer = hub
        .http
        .json("PUT", "/v1/endpoint", Some(&shop.key), Some(definition))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    told.defined(shop, json!({ "notificationKey": null })).await;
    told.subscribe().await;
    assert_eq!(told.told().await[0].json()["notificationKey"], "4711");
}

#[tokio::test]
async fn wrong_input_is_named_member_by_member() {
    let told = Told::start().await;
    let shop = &told.scene.shop;
    let tokens = crate::harness::TokenServer::start().await;
    let known = supplier_key(told.hub(), "http://10.0.0.1/token").await;
    for (body, pointers) in [
        (json!([]), vec![""]),
        (json!({}), vec!["/notificationURL"]),
        (
            json!({ "notificationURL": "ftp://example.com" }),
            vec!["/notificationURL"],
        ),
        (
            json!({ "notificationURL": "http://user:pw@example.com/" }),
            vec!["/notificationURL"],
        ),
        (
            json!({ "notificationUrl": 7, "notificationKey": [], "notificationType": "PUBLISHER_V2", "authentication": { "authType": "Digest" } }),
            vec![
                "/authentication/authType",
                "/notificationKey",
                "/notificationType",
                "/notificationUrl",
            ],
        ),
        (
            json!({ "authentication": {
                "authType": "OAuthRefreshTokenOnly", "authURL": "http://user:pw@example.com/", "supplierKey": "rs_none", "refreshToken": "PROMPT",
            } }),
            vec![
                "/authentication/authURL",
                "/authentication/refreshToken",
                "/authentication/supplierKey",
                "/notificationURL",
            ],
        ),
        (
            json!({ "notificationURL": told.receiver.url(), "authentication": {
                "authType": "OAuthRefreshTokenOnly", "authURL": tokens.url(), "supplierKey": known, "refreshToken": "********",
            } }),
            vec![
                "/authentication/refreshToken",
                "/authentication/supplierKey",
            ],
        ),
        (
            json!({ "notificationURL": told.receiver.url(), "authentication": { "authType": "Basic", "userID": "a", "Password": "********" } }),
            vec!["/authentication/Password"],
        ),
    ] {
        let answer = put(told.hub(), shop, body.clone()).await;
        assert_eq!(answer.status, 400, "{body}: {}", answer.text());
        assert_eq!(answer.pointers(), pointers, "{body}: {}", answer.text());
    }
    let path = format!(
        "/accounts/{}/endpoints/{}/notification",
        told.scene.account.id, shop.id
    );
    let answer = told.hub().manage("GET", &path, Value::Null).await;
    assert_eq!(
        answer.status,
        404,
        "nothing of it was taken: {}",
        answer.text()
    );
}

#[tokio::test]
async fn a_mask_sent_back_keeps_the_secret_for_the_same_host() {
    let told = Told::start().await;
    let shop = &told.scene.shop;
    let basic = json!({ "authType": "Basic", "userId": "Aladdin", "password": "open sesame" });
    told.defined(shop, json!({ "authentication": basic })).await;
    let path = format!("/endpoints/{}/notification", shop.id);
    let shown = told.manage("GET", &path, Value::Null).await;
    assert_eq!(
        shown["authentication"],
        json!({ "authType": "Basic", "userID": "Aladdin", "password": "********" })
    );
    let mut back = shown.clone();
    back["notificationKey"] = "another".into();
    assert_eq!(put(told.hub(), shop, back.clone()).await.status, 200);
    told.subscribe().await;
    let received = told.told().await;
    assert_eq!(
        received[0].header("authorization"),
        "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
    );
    assert_eq!(received[0].json()["notificationKey"], "another");

    back["notificationURL"] = "http://127.0.0.1:1/elsewhere".into();
    let answer = put(told.hub(), shop, back).await;
    assert_eq!(
        (answer.status, answer.pointers()),
        (400, vec!["/authentication/password".to_owned()])
    );
}

#[tokio::test]
async fn supplier_keys_show_no_secret_and_end_when_deleted() {
    let told = Told::start().await;
    let tokens = crate::harness::TokenServer::start().await;
    let key = supplier_key(told.hub(), &tokens.url()).await;
    let hub = told.hub();
    let listed = hub
        .manage("GET", "/providers/1/supplierkeys", Value::Null)
        .await;
    assert!(
        !listed
            .text()
            .contains(crate::harness::token_server::CLIENT_SECRET)
    );
    let item = &listed.json()["items"][0];
    assert_eq!(
        (item["supplierKey"].as_str(), &item["providerId"]),
        (Some(key.as_str()), &json!(1))
    );
    for (method, path, status) in [
        ("GET", "/providers/99/supplierkeys", 404),
        ("DELETE", "/providers/99/supplierkeys/1", 404),
        ("DELETE", "/providers/1/supplierkeys/1", 200),
        ("DELETE", "/providers/1/supplierkeys/1", 404),
    ] {
        let answer = hub.manage(method, path, Value::Null).await;
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text());
    }
    let wrong = json!({ "authUrl": "file:///etc/passwd", "clientId": "a\n", "secret": 1 });
    let answer = hub.manage("POST", "/providers/1/supplierkeys", wrong).await;
    assert_eq!(
        (answer.status, answer.pointers()),
        (400, vec!["/clientSecret".to_owned(), "/secret".to_owned()])
    );
}

/// As they are printed, with their quotes repaired.
#[tokio::test]
async fn the_published_examples_work() {
    let told = Told::start().await;
    let tokens = crate::harness::TokenServer::start().await;
    let supplier_key = supplier_key(told.hub(), &tokens.url()).await;
    let documents = [
        r#"{
   "notificationKey":"<key value>",
   "notificationURL" : "<URL for receiving notifications>"
}"#,
        r#"{
   "authentication":
      { "authType" : "APIKey",
        "APIKey": "<api key>"
      },
    "notificationKey":"key value",
    "notificationURL" : "<URL for receiving notifications>"
}"#,
        r#"{
   "authentication":
      {
        "authType" : "Basic",
        "userId" : "<user id>",
        "password" : "<password>"
      },
   "notificationKey":"<key value>",
   "notificationURL" : "<URL for receiving notifications>"
}"#,
        r#"{
   "authentication":
      {
      "authType" : "OAuth",
      "authURL": "<URL for the OAuth access token>",
      "clientID" : "<Oauth client Id>",
      "clientSecret" : "<Oauth client secret>",
      "refreshToken":  "<refresh token>"
      },
   "notificationKey":"<key value>",
   "notificationURL" : "<URL for receiving notifications>"
}"#,
        r#"{
   "authentication":
      {
      "authType" : "OAuthRefreshTokenOnly",
      "authURL" : "<URL for the OAuth access token>",
      "supplierKey" : "<Acoustic-provided key>",
      "refreshToken" : "<refresh token>"
      },
   "notificationKey" :"<key value>",
   "notificationURL" : "<URL for receiving notifications>"
}"#,
    ];
    let repaired = |text: &str| {
        text.replace("<URL for receiving notifications>", &told.receiver.url())
            .replace("<URL for the OAuth access token>", &tokens.url())
            .replace("<Acoustic-provided key>", &supplier_key)
            .replace("1234-abcd-5678-efgh", &told.scene.shop.key)
    };
    for document in documents {
        let command = format!(
            "curl -v -X PUT -H \"Authorization: Bearer 1234-abcd-5678-efgh\" -H \"Content-Type: application/json\" \
             -d '{document}' <base URL>/v1/subscription/notification"
        );
        let answer = told.hub().http.curl(&repaired(&command)).await;
        assert_eq!(
            (answer.status, answer.text().as_str()),
            (200, "true"),
            "{document}"
        );
    }
    let command = "curl -v \\
  -X DELETE \\
  -H \"Authorization: Bearer 1234-abcd-5678-efgh\" \\
  -H \"Content-Type: application/json\" \\
  -d '' \\
   <base URL>/v1/subscription/notification";
    let answer = told.hub().http.curl(&repaired(command)).await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "true"));
}
