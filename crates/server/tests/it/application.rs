//! Applications and their deployments, as a provider's integration meets them, and the endpoints that are made from them.
//!
//! The `curl` commands are the examples of the published API with their quotes and placeholders repaired.

mod document;
mod following;

use model::Environment;
use serde_json::{Value, json};

use crate::harness::{Answer, TestAccount, TestEndpoint, TestHub, event};

/// A product that publishes and receives events and takes audiences.
pub(crate) fn mailer() -> Value {
    json!({
        "providerName": "Acme", "displayName": "Mailer", "description": "Sends mail", "hashAlgorithm": "SHA256",
        "url": "https://in.example.com",
        "endpointTypes": {
            "event": { "source": { "enabled": true, "sourceType": "push" }, "destination": { "enabled": true, "destinationType": "push" } },
            "segment": { "destination": { "enabled": true, "destinationType": "push", "shareActions": { "add": true, "replace": true, "defaultShareAction": "REPLACE" } } },
        },
        "marketingDatabasesDefinition": { "marketingDatabases": [{ "id": 12, "name": "contacts", "identifiers": [
            { "name": "email", "type": "email", "isRequired": true, "isCaseSensitive": false }, { "name": "cookie", "type": "cookie" },
        ] }] },
        "icon": { "colour": "#c00" },
    })
}

pub(crate) fn sends_mail() -> Value {
    json!({ "code": "emailSend", "name": "Mail sent", "attributes": [{ "name": "orderTotal", "type": "number" }] })
}

/// A hub with the account of a provider.
pub(crate) struct Provider {
    pub(crate) hub: TestHub,
    pub(crate) account: TestAccount,
}

impl Provider {
    pub(crate) async fn start() -> Self {
        let hub = TestHub::start().await;
        let account = hub.account().await;
        Self { hub, account }
    }

    pub(crate) async fn call(&self, method: &str, path: &str, body: Value) -> Answer {
        self.call_as(&self.account, method, path, body).await
    }

    pub(crate) async fn call_as(
        &self,
        who: &TestAccount,
        method: &str,
        path: &str,
        body: Value,
    ) -> Answer {
        let body = (!body.is_null()).then_some(body);
        let path = format!("/v1/application{path}");
        self.hub
            .http
            .json(method, &path, Some(&who.key), body)
            .await
    }

    /// A call that must succeed.
    pub(crate) async fn ok(&self, method: &str, path: &str, body: Value) -> Value {
        let answer = self.call(method, path, body).await;
        assert_eq!(answer.status, 200, "{method} {path}: {}", answer.text());
        let json = answer.json();
        assert!(json.get("message").is_none(), "a success has no `message`");
        json
    }

    /// A call that must be refused; the pointers of what is wrong.
    pub(crate) async fn refused(
        &self,
        method: &str,
        path: &str,
        body: Value,
    ) -> (u16, Vec<String>) {
        let answer = self.call(method, path, body).await;
        assert!(answer.status >= 400, "{}", answer.text());
        assert!(
            answer.json()["message"].is_string(),
            "clients tell errors by it"
        );
        (answer.status, answer.pointers())
    }

    /// An application; its id.
    pub(crate) async fn application(&self, document: Value) -> i64 {
        self.ok("POST", "", document).await["id"]
            .as_i64()
            .expect("a number")
    }

    /// Another account of the same environment.
    pub(crate) async fn customer(&self) -> TestAccount {
        self.hub.account().await
    }

    pub(crate) async fn define(&self, endpoint: &TestEndpoint, body: Value) -> Answer {
        self.hub
            .http
            .json("PUT", "/v1/endpoint", Some(&endpoint.key), Some(body))
            .await
    }

    /// An endpoint of `account` that its provider described with this.
    pub(crate) async fn endpoint(&self, account: &TestAccount, body: Value) -> TestEndpoint {
        let endpoint = self.hub.register(account).await;
        let answer = self.define(&endpoint, body).await;
        assert_eq!((answer.status, answer.text().as_str()), (200, "true"));
        endpoint
    }

    pub(crate) async fn read(&self, endpoint: &TestEndpoint) -> Value {
        self.hub
            .http
            .get("/v1/endpoint", &endpoint.key)
            .await
            .json()
    }

    /// The codes that the endpoint has registered.
    pub(crate) async fn codes(&self, endpoint: &TestEndpoint) -> Vec<String> {
        let types = self
            .hub
            .http
            .get("/v1/eventtype", &endpoint.key)
            .await
            .json();
        let types = types.as_array().expect("an array").iter();
        types
            .map(|one| one["code"].as_str().expect("text").to_owned())
            .collect()
    }
}

#[tokio::test]
async fn the_printed_examples_work() {
    let provider = Provider::start().await;
    let (hub, key) = (&provider.hub, &provider.account.key);
    let created = hub
        .http
        .curl(&format!(
            r#"curl -v \
            -X POST \
            -H "Authorization: Bearer {key}" \
            -H "Content-Type: application/json" \
            -d '{{"providerName" : "Acme","description" : "Everything that happens in the shop",
            "displayName" : "Web shop","hashAlgorithm" : "MD5",
            "endpointTypes" : {{ "event" :{{"source" : {{ "enabled" : true,"dataWindow" : 30,
            "sourceType" : "push" }} }} }} }}' \
            https://<base URL>/v1/application"#
        ))
        .await;
    assert_eq!(created.status, 200, "{}", created.text());
    let mut expected = json!({
        "providerName": "Acme", "description": "Everything that happens in the shop", "displayName": "Web shop",
        "hashAlgorithm": "MD5", "endpointTypes": { "event": { "source": { "enabled": true, "dataWindow": 30, "sourceType": "push" } } },
    });
    let id = created.json()["id"].as_i64().expect("a number");
    expected["id"] = id.into();
    assert_eq!(created.json(), expected, "what was sent, and an id");

    let updated = hub
        .http
        .curl(&format!(
            r#"curl -v \
            -X PUT \
            -H "Authorization: Bearer {key}" \
            -H "Content-Type: application/json" \
            -d '{{"id":{id},"providerName" : "Acme",
            "description" : "All of it","displayName" : "Web shop",
            "hashAlgorithm" : "SHA256","endpointTypes" :
            {{ "event" :{{"source" : {{ "enabled" : true,"sourceType" : "push" }} }} }} }}' \
            https://<base URL>/v1/application/{id}"#
        ))
        .await;
    assert_eq!(updated.status, 200, "{}", updated.text());
    assert_eq!(updated.json()["hashAlgorithm"], "SHA256");
    assert_eq!(
        updated.json()["endpointTypes"]["event"]["source"].get("dataWindow"),
        None,
        "replaced, not merged"
    );

    let get = async |method: &str, path: &str| {
        let command = format!(
            r#"curl -v \
            -X {method} \
            -H "Authorization: Bearer {key}" \
            -H "Content-Type: application/json" \
            https://<base URL>/v1/application{path}"#
        );
        let answer = hub.http.curl(&command).await;
        assert_eq!(answer.status, 200, "{method} {path}: {}", answer.text());
        answer.json()
    };
    assert_eq!(get("GET", "").await, json!([updated.json()]));
    assert_eq!(get("GET", &format!("/{id}")).await, updated.json());
    assert_eq!(get("GET", &format!("/{id}/status")).await, "PRIVATE");
    assert_eq!(get("PUT", &format!("/{id}/PUBLIC")).await, "PUBLIC");
    // The placeholder as it is printed, encoded as a client would.
    assert_eq!(get("GET", &format!("/{id}/%7Bstatus%7D")).await, "PUBLIC");
    assert_eq!(get("GET", &format!("/{id}/PUBLIC")).await, "PUBLIC");
    assert_eq!(get("PUT", &format!("/{id}/PRIVATE")).await, "PRIVATE");
    assert_eq!(get("DELETE", &format!("/{id}")).await, true);
    assert_eq!(get("GET", "").await, json!([]));
}

#[tokio::test]
async fn a_private_one_is_its_own_accounts_a_public_one_is_read_by_all_of_the_environment() {
    let provider = Provider::start().await;
    let id = provider.application(mailer()).await;
    provider
        .ok(
            "POST",
            &format!("/{id}/deployment"),
            json!({ "id": "mail", "name": "Mail" }),
        )
        .await;
    provider
        .ok(
            "POST",
            &format!("/{id}/deployment/mail/eventtype"),
            sends_mail(),
        )
        .await;
    let customer = provider.customer().await;
    let (one, status) = (format!("/{id}"), format!("/{id}/status"));
    let reads = [
        one.clone(),
        status,
        format!("{one}/deployment"),
        format!("{one}/deployment/mail"),
        format!("{one}/deployment/mail/eventtype"),
    ];
    let nobodys = |path: &str| path.replacen(&id.to_string(), "987654", 1);
    let refusal = async |method: &str, path: &str, body: Value| {
        let (answer, other) = (
            provider
                .call_as(&customer, method, path, body.clone())
                .await,
            provider
                .call_as(&customer, method, &nobodys(path), body)
                .await,
        );
        assert_eq!(answer.status, 404, "{method} {path}: {}", answer.text());
        assert_eq!(
            answer.text().replace(&id.to_string(), "987654"),
            other.text(),
            "ids can be probed"
        );
    };
    let writes = [
        ("PUT", one.clone(), mailer()),
        ("DELETE", one.clone(), Value::Null),
        ("PUT", format!("{one}/PUBLIC"), Value::Null),
        ("PUT", format!("{one}/SECRET"), Value::Null),
        ("POST", format!("{one}/deployment"), json!({})),
        ("PUT", format!("{one}/deployment/mail"), json!({})),
        ("DELETE", format!("{one}/deployment/mail"), Value::Null),
        (
            "POST",
            format!("{one}/deployment/mail/eventtype"),
            sends_mail(),
        ),
        (
            "DELETE",
            format!("{one}/deployment/mail/eventtype/emailSend"),
            Value::Null,
        ),
    ];
    for path in &reads {
        refusal("GET", path, Value::Null).await;
    }
    for (method, path, body) in &writes {
        refusal(method, path, body.clone()).await;
    }
    provider
        .ok("PUT", &format!("{one}/public"), Value::Null)
        .await;
    for path in &reads {
        let answer = provider.call_as(&customer, "GET", path, Value::Null).await;
        assert_eq!(
            answer.text(),
            provider.call("GET", path, Value::Null).await.text()
        );
        assert_eq!(answer.status, 200);
    }
    for (method, path, body) in &writes {
        refusal(method, path, body.clone()).await;
    }
    let list = provider.call_as(&customer, "GET", "", Value::Null).await;
    assert_eq!(
        list.json(),
        json!([]),
        "the list is of the key's own account"
    );

    let pilot = provider
        .hub
        .account_in(Environment::Pilot, model::AccountPolicy::default())
        .await;
    let there = provider
        .hub
        .pilot()
        .get(&format!("/v1/application/{id}"), &pilot.key)
        .await;
    assert_eq!(there.status, 404, "another environment is another world");
}

#[tokio::test]
async fn it_is_not_deleted_while_endpoints_are_made_from_it() {
    let provider = Provider::start().await;
    let id = provider.application(mailer()).await;
    provider
        .ok("POST", &format!("/{id}/feature"), json!({ "id": 7 }))
        .await;
    let from = json!({ "applicationId": id, "deploymentId": 7 });
    let endpoint = provider.endpoint(&provider.account, from).await;
    for path in [format!("/{id}"), format!("/{id}/deployment/7")] {
        let answer = provider.call("DELETE", &path, Value::Null).await;
        assert_eq!(answer.status, 400, "{}", answer.text());
        assert!(
            answer.text().contains(&endpoint.id.to_string()),
            "it names the endpoint: {}",
            answer.text()
        );
    }
    let deleted = provider
        .hub
        .http
        .json("DELETE", "/v1/endpoint", Some(&endpoint.key), None)
        .await;
    assert_eq!(deleted.status, 200);
    assert_eq!(
        provider
            .ok("DELETE", &format!("/{id}/deployment/7"), Value::Null)
            .await,
        true
    );
    assert_eq!(
        provider.ok("DELETE", &format!("/{id}"), Value::Null).await,
        true
    );
    assert_eq!(
        provider
            .call("GET", &format!("/{id}"), Value::Null)
            .await
            .status,
        404
    );
    assert_eq!(
        provider.read(&endpoint).await["status"],
        403,
        "a deleted endpoint's key only tells its status"
    );
}

#[tokio::test]
async fn deployments_have_ids_that_are_given_or_made_and_two_names() {
    let provider = Provider::start().await;
    let id = provider.application(mailer()).await;
    let (all, feature) = (format!("/{id}/deployment"), format!("/{id}/feature"));
    let made = provider
        .ok(
            "POST",
            &all,
            json!({ "name": "Mail", "id": null, "notes": ["kept"] }),
        )
        .await;
    assert!(made["id"].as_i64().is_some_and(|id| id > 0), "{made}");
    assert_eq!(made["notes"], json!(["kept"]));
    let given = provider
        .ok(
            "POST",
            &feature,
            json!({ "deploymentId": "spring-2026", "displayName": "Spring" }),
        )
        .await;
    assert_eq!(given["id"], "spring-2026");
    let number = provider.ok("POST", &all, json!({ "id": "42" })).await;
    assert_eq!(number["id"], 42, "what reads as a number is one");
    let listed = provider.ok("GET", &feature, Value::Null).await;
    assert_eq!(listed, json!([made, given, number]));

    let changed = json!({ "id": "spring-2026", "displayName": "Summer" });
    assert_eq!(
        provider
            .ok("PUT", &format!("{feature}/spring-2026"), changed.clone())
            .await["displayName"],
        "Summer"
    );
    assert_eq!(
        provider
            .ok("GET", &format!("{all}/spring-2026"), Value::Null)
            .await["displayName"],
        "Summer"
    );
    assert_eq!(
        provider
            .ok("DELETE", &format!("{all}/42"), Value::Null)
            .await,
        true
    );
    assert_eq!(
        provider
            .refused("DELETE", &format!("{all}/42"), Value::Null)
            .await
            .0,
        404
    );

    assert_eq!(
        provider
            .refused("POST", &all, json!({ "id": "spring-2026" }))
            .await
            .0,
        409
    );
    assert_eq!(
        provider
            .refused(
                "PUT",
                &format!("{all}/spring-2026"),
                json!({ "id": "autumn" })
            )
            .await,
        (400, vec!["/id".to_owned()])
    );
    let wrong = json!({ "id": "a b", "name": [], "displayName": {}, "description": true });
    let pointers = ["/description", "/displayName", "/id", "/name"]
        .map(str::to_owned)
        .to_vec();
    assert_eq!(provider.refused("POST", &all, wrong).await, (400, pointers));
    assert_eq!(
        provider
            .refused("GET", &format!("{all}/a%2Fb"), Value::Null)
            .await
            .0,
        404
    );
}

#[tokio::test]
async fn event_types_are_registered_once_and_alike_in_all_features() {
    let provider = Provider::start().await;
    let id = provider.application(mailer()).await;
    for feature in ["a", "b"] {
        provider
            .ok("POST", &format!("/{id}/feature"), json!({ "id": feature }))
            .await;
    }
    let (a, b) = (
        format!("/{id}/feature/a/eventtype"),
        format!("/{id}/deployment/b/eventtype"),
    );
    let registered = provider.ok("POST", &a, sends_mail()).await;
    assert!(registered.is_i64(), "the bare id: {registered}");
    assert_eq!(
        provider.ok("POST", &a, sends_mail()).await,
        registered,
        "the same again is the same"
    );
    let several = json!([sends_mail(), { "code": "app/opened", "name": "Opened" }]);
    let ids = provider.ok("POST", &b, several).await;
    assert_eq!(ids.as_array().map(Vec::len), Some(2));

    let mut other = sends_mail();
    other["attributes"][0]["type"] = "string".into();
    other["name"] = "Sent".into();
    let answer = provider.call("POST", &b, other.clone()).await;
    assert_eq!(answer.status, 409, "{}", answer.text());
    for word in [
        "emailSend",
        "feature a",
        "Mail sent",
        "orderTotal",
        "number",
    ] {
        assert!(answer.text().contains(word), "{word}: {}", answer.text());
    }
    assert_eq!(
        provider
            .ok("DELETE", &format!("{a}/emailSend"), Value::Null)
            .await,
        true
    );
    assert_eq!(
        provider
            .ok("DELETE", &format!("{a}/emailSend"), Value::Null)
            .await,
        false
    );
    provider.ok("POST", &b, other).await;
    assert_eq!(
        provider
            .ok("DELETE", &format!("{b}/app/opened"), Value::Null)
            .await,
        true,
        "codes may contain slashes"
    );
    let left = provider.ok("GET", &b, Value::Null).await;
    assert_eq!(
        (left.as_array().map(Vec::len), &left[0]["name"]),
        (Some(1), &json!("Sent"))
    );

    let wrong = json!([{ "name": "x" }, 5, { "code": "c", "name": "n", "version": 9, "registrationType": "READ", "attributes": [{}] },
        { "code": "d", "name": "n" }, { "code": "d", "name": "n" }]);
    let expected = [
        "/0/code",
        "/1",
        "/2/attributes/0/name",
        "/2/registrationType",
        "/2/version",
        "/4/code",
    ];
    assert_eq!(
        provider.refused("POST", &b, wrong).await,
        (400, expected.map(str::to_owned).to_vec())
    );
}

#[tokio::test]
async fn an_endpoint_takes_what_it_does_not_state_itself() {
    let provider = Provider::start().await;
    let id = provider.application(mailer()).await;
    provider
        .ok("POST", &format!("/{id}/feature"), json!({ "id": 1 }))
        .await;
    provider
        .ok("POST", &format!("/{id}/feature/1/eventtype"), sends_mail())
        .await;
    let endpoint = provider
        .endpoint(
            &provider.account,
            json!({ "applicationId": id, "deploymentId": 1 }),
        )
        .await;
    let read = provider.read(&endpoint).await;
    assert_eq!(read["status"], "ACTIVE");
    for (name, value) in [
        ("name", json!("Mailer")),
        ("url", json!("https://in.example.com")),
        ("applicationId", json!(id)),
        ("deploymentId", json!(1)),
    ] {
        assert_eq!(read[name], value, "{name}");
    }
    assert_eq!(
        read["endpointTypes"]["segment"]["destination"]["shareActions"]["defaultShareAction"],
        "REPLACE"
    );
    assert_eq!(provider.codes(&endpoint).await, ["emailSend"]);
    let published = provider
        .hub
        .publish(&endpoint, event("emailSend", "a@example.com", 5))
        .await;
    assert_eq!(
        published.status,
        200,
        "it publishes what its deployment registered: {}",
        published.text()
    );

    let own = json!({
        "applicationId": id, "name": "Our mailer", "url": "",
        "endpointTypes": { "event": { "destination": { "url": "https://ours.example.com" }, "source": { "enabled": false } } },
    });
    let answer = provider.define(&endpoint, own).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let read = provider.read(&endpoint).await;
    assert_eq!(read["name"], "Our mailer");
    assert_eq!(read["deploymentId"], 1, "it stays made from what it was");
    let event = &read["endpointTypes"]["event"];
    assert_eq!(
        event["destination"],
        json!({ "enabled": true, "destinationType": "push", "url": "https://ours.example.com" })
    );
    assert_eq!(event["source"]["enabled"], false);
    // Neither id is said, and it is made from the application all the same.
    let answer = provider
        .define(&endpoint, json!({ "description": "Ours" }))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(provider.read(&endpoint).await["name"], "Mailer");
}

#[tokio::test]
async fn an_account_uses_its_own_applications_and_public_ones() {
    let provider = Provider::start().await;
    let id = provider.application(mailer()).await;
    provider
        .ok("POST", &format!("/{id}/feature"), json!({ "id": "mail" }))
        .await;
    let customer = provider.customer().await;
    let endpoint = provider.hub.register(&customer).await;
    let from = json!({ "applicationId": id, "deploymentId": "mail" });
    let refused = async |body: &Value| {
        let answer = provider.define(&endpoint, body.clone()).await;
        assert_eq!(answer.status, 400, "{}", answer.text());
        answer.pointers()
    };
    assert_eq!(refused(&from).await, ["/applicationId"], "it is private");
    provider
        .ok("PUT", &format!("/{id}/PUBLIC"), Value::Null)
        .await;
    assert_eq!(
        refused(&json!({ "applicationId": id, "deploymentId": "none" })).await,
        ["/deploymentId"]
    );
    assert_eq!(
        refused(&json!({ "deploymentId": "mail" })).await,
        ["/applicationId"]
    );
    assert_eq!(
        refused(&json!({ "applicationId": "x", "deploymentId": "a b" })).await,
        ["/applicationId", "/deploymentId"]
    );
    assert_eq!(provider.define(&endpoint, from.clone()).await.status, 200);
    provider
        .ok("PUT", &format!("/{id}/PRIVATE"), Value::Null)
        .await;
    assert_eq!(
        provider.define(&endpoint, from.clone()).await.status,
        200,
        "what is made from it stays so"
    );
    let another = provider.hub.register(&customer).await;
    assert_eq!(
        provider.define(&another, from).await.status,
        400,
        "a new one is not"
    );
}

#[tokio::test]
async fn it_all_outlives_a_restart() {
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
    let endpoint = provider
        .endpoint(
            &provider.account,
            json!({ "applicationId": id, "deploymentId": "mail" }),
        )
        .await;
    let before = (
        provider.ok("GET", "", Value::Null).await,
        provider.read(&endpoint).await,
    );
    let Provider { hub, account } = provider;
    let provider = Provider {
        hub: hub.restart().await,
        account,
    };
    assert_eq!(
        (
            provider.ok("GET", "", Value::Null).await,
            provider.read(&endpoint).await
        ),
        before
    );
    assert_eq!(provider.codes(&endpoint).await, ["emailSend"]);
}
