//! The audit trail: every call that changes something is in it, with who, what, and from where; it is searched and
//! exported, and has no secrets.

use std::collections::BTreeSet;

use model::job::JobStatus;
use serde_json::{Value, json};

use crate::application::{mailer, sends_mail};
use crate::harness::people::PASSWORD;
use crate::harness::{TOKEN, TestHub, destination_definition, event, publisher_definition};
use crate::partner::request;
use crate::share::{crm_definition, mailer_definition};

/// Calls that change something and leave no entry, and why.
const NOT_AUDITED: &[(&str, &str)] = &[
    (
        "POST /v1/event",
        "what is published is in the log of events",
    ),
    ("POST /v1/customEvent", "the same"),
    (
        "POST /manage/v1/accounts/{accountId}/testdrive/publish",
        "the same; and what it subscribes has an entry of its own",
    ),
    (
        "POST /manage/v1/accounts/{accountId}/shares/proposal",
        "it only proposes",
    ),
    (
        "POST /manage/v1/accounts/{accountId}/identities/lookup",
        "nothing is changed",
    ),
    (
        "POST /manage/v1/accounts/{accountId}/identities/rules/trial",
        "nothing is changed",
    ),
    (
        "POST /manage/v1/accounts/{accountId}/suppressions/find",
        "it changes nothing; who is asked for stands in the body, not in logs",
    ),
    (
        "POST /manage/v1/accounts/{accountId}/endpoints/{endpointId}/hashing/dry-run",
        "it changes nothing",
    ),
    (
        "DELETE /v1/eventfiles/{name}",
        "a file that was fetched: its events are in the log",
    ),
];

const PLANTED: &str = "planted-secret-4711";

/// Makes calls that must succeed, and looks for the entry of each.
struct Walk {
    hub: TestHub,
    done: BTreeSet<String>,
    secrets: Vec<String>,
}

impl Walk {
    /// A call of a route, its parameters filled in, by the bearer of a key; what it leaves names this actor.
    async fn call(
        &mut self,
        route: &str,
        ids: &[&dyn std::fmt::Display],
        (key, actor): (&str, &str),
        body: Value,
    ) -> Value {
        let (method, pattern) = route.split_once(' ').expect("a method");
        let mut left = ids.iter();
        let fill = |part: &str| match part.starts_with('{') {
            true => left.next().expect("an id").to_string(),
            false => part.to_owned(),
        };
        let path = pattern.split('/').map(fill).collect::<Vec<_>>().join("/");
        let key = Some(key).filter(|key| !key.is_empty());
        let body = Some(body).filter(|body| !body.is_null());
        let answer = self.hub.http.json(method, &path, key, body).await;
        assert_eq!(answer.status, 200, "{route}: {}", answer.text());
        let name = answer.headers["x-request-id"].to_str().expect("text");
        let entries = self.entries("").await;
        let ours: Vec<&Value> = entries.iter().filter(|e| e["requestId"] == name).collect();
        assert!(!ours.is_empty(), "{route} left no entry");
        for entry in &ours {
            assert_eq!(entry["address"], "127.0.0.1", "{route}: {entry}");
            if !actor.is_empty() {
                assert_eq!(entry["actor"], actor, "{route}: {entry}");
            }
        }
        self.done.insert(route.to_owned());
        answer.json()
    }

    async fn entries(&self, query: &str) -> Vec<Value> {
        let path = format!("/audit?limit=1000{query}");
        let page = self.hub.manage("GET", &path, Value::Null).await.json();
        assert_eq!(page["next"], Value::Null, "one page is enough here");
        page["items"].as_array().expect("entries").clone()
    }

    async fn by_operator(
        &mut self,
        route: &str,
        ids: &[&dyn std::fmt::Display],
        body: Value,
    ) -> Value {
        self.call(route, ids, (TOKEN, "operator"), body).await
    }

    /// A secret that an answer showed.
    fn secret(&mut self, value: &Value) -> String {
        let secret = value.as_str().expect("a secret").to_owned();
        self.secrets.push(secret.clone());
        secret
    }
}

#[tokio::test]
async fn every_call_that_changes_something_leaves_an_entry() {
    let mut walk = Walk {
        hub: TestHub::start().await,
        done: BTreeSet::new(),
        secrets: vec![PLANTED.to_owned(), PASSWORD.to_owned()],
    };
    exchange(&mut walk).await;
    applications(&mut walk).await;
    own_applications(&mut walk).await;
    partners(&mut walk).await;
    people(&mut walk).await;

    let entries = Value::from(walk.entries("").await).to_string();
    for secret in &walk.secrets {
        assert!(
            !entries.contains(secret.as_str()),
            "{secret} is in the trail"
        );
    }
    let spelt = |route: String| {
        route
            .replace("/eventype", "/eventtype")
            .replace("/feature", "/deployment")
            .replace("{*code}", "{code}")
    };
    let done: BTreeSet<String> = walk.done.into_iter().map(spelt).collect();
    let mut missing = BTreeSet::new();
    for route in &walk.hub.server.routes {
        let name = spelt(format!("{} {}", route.method, route.path));
        let is_excused = NOT_AUDITED.iter().any(|(known, _)| *known == name);
        if !route.method.is_safe() && !is_excused && !done.contains(&name) {
            missing.insert(name);
        }
    }
    assert!(
        missing.is_empty(),
        "call these here, and see what they leave: {missing:#?}"
    );
}

/// Accounts, endpoints, keys, event types, subscriptions, and what goes wrong.
async fn exchange(walk: &mut Walk) {
    let body = json!({ "name": "Acme" });
    let provider = walk
        .by_operator("POST /manage/v1/providers", &[], body)
        .await["id"]
        .clone();
    let route = "POST /manage/v1/providers/{providerId}/supplierkeys";
    let body =
        json!({ "authUrl": "http://127.0.0.1:9/token", "clientId": "us", "clientSecret": PLANTED });
    let supplier = walk.by_operator(route, &[&provider], body).await;
    let route = "DELETE /manage/v1/providers/{providerId}/supplierkeys/{supplierKeyId}";
    walk.by_operator(route, &[&provider, &supplier["id"]], Value::Null)
        .await;

    let body = json!({ "name": "Shop", "environment": "production", "policy": { "refusedEvents": "quarantine" } });
    let account = walk
        .by_operator("POST /manage/v1/accounts", &[], body)
        .await;
    let account_key = walk.secret(&account["accountKey"]);
    let account = account["id"].clone();
    let body = json!({ "policy": { "strictness": "strict" } });
    walk.by_operator("PATCH /manage/v1/accounts/{accountId}", &[&account], body)
        .await;
    let mut endpoints = Vec::new();
    let push = json!({ "enabled": true, "destinationType": "push" });
    for definition in [
        publisher_definition(),
        destination_definition("http://127.0.0.1:9/", push),
    ] {
        let route = "POST /manage/v1/accounts/{accountId}/registrations";
        let new = walk.by_operator(route, &[&account], json!({})).await;
        let (id, key) = (new["endpointId"].clone(), walk.secret(&new["endpointKey"]));
        let actor = format!("endpoint {id}");
        walk.call("PUT /v1/endpoint", &[], (&key, &actor), definition)
            .await;
        endpoints.push((id, key, actor));
    }
    let [(shop, shop_key, shop_actor), (crm, crm_key, crm_actor)] =
        <[_; 2]>::try_from(endpoints).expect("two");
    let by_shop = (shop_key.as_str(), shop_actor.as_str());
    let by_crm = (crm_key.as_str(), crm_actor.as_str());
    for code in ["buy", "leave"] {
        let body = json!({ "code": code, "name": code, "attributes": [] });
        walk.call("POST /v1/eventtype", &[], by_shop, body).await;
    }
    let body = json!({ "code": "seen", "name": "Seen", "registrationType": "SUBSCRIBE" });
    walk.call("POST /v1/eventtype", &[], by_crm, body).await;
    let attributes =
        json!({ "code": "buy", "attributes": [{ "name": "orderTotal", "type": "number" }] });
    let seen = json!({ "code": "seen", "attributes": [{ "name": "page", "type": "string" }] });
    for method in ["PUT", "POST"] {
        let route = format!("{method} /v1/eventtype/attributes/publisher/{{id}}");
        walk.call(&route, &[&shop], by_shop, attributes.clone())
            .await;
        let route = format!("{method} /v1/eventtype/attributes/subscriber/{{id}}");
        walk.call(&route, &[&crm], by_crm, seen.clone()).await;
        let route = format!("{method} /v1/endpointattributes/authkey/{{key}}");
        let body = json!({ "attributes": { "password": PLANTED } });
        walk.call(&route, &[&crm_key], by_crm, body).await;
    }
    let info = walk
        .call(
            "GET /v1/endpoint/{id}/eventinfo",
            &[&shop],
            by_shop,
            Value::Null,
        )
        .await;
    walk.secret(&info["eventAuthKey"]);
    let body = json!({ "notificationUrl": "http://127.0.0.1:9/", "notificationType": "PUBLISHER_V1_1",
                       "notificationKey": "k", "authentication": { "authType": "APIKey", "apikey": PLANTED } });
    walk.call("PUT /v1/subscription/notification", &[], by_shop, body)
        .await;

    let body =
        json!({ "publisherEndpointId": shop, "eventCode": "buy", "destinationEndpointId": crm });
    let route = "POST /manage/v1/accounts/{accountId}/subscriptions";
    let subscription = walk.by_operator(route, &[&account], body).await["id"].clone();
    let route = "PATCH /manage/v1/accounts/{accountId}/subscriptions/{subscriptionId}";
    walk.by_operator(
        route,
        &[&account, &subscription],
        json!({ "enabled": false }),
    )
    .await;
    walk.by_operator(
        route,
        &[&account, &subscription],
        json!({ "enabled": true }),
    )
    .await;
    for (path, route) in [
        (
            format!("/accounts/{account}/outbox"),
            "POST /manage/v1/accounts/{accountId}/outbox/{outboxId}/retry",
        ),
        (
            "/outbox".to_owned(),
            "POST /manage/v1/outbox/{outboxId}/retry",
        ),
    ] {
        let rows = walk.hub.manage("GET", &path, Value::Null).await.json();
        let ids: [&dyn std::fmt::Display; 2] = [&account, &rows["items"][0]["id"]];
        let ids = if path == "/outbox" {
            &ids[1..]
        } else {
            &ids[..]
        };
        walk.by_operator(route, ids, Value::Null).await;
    }
    refused_events(walk, &account, (&shop, &shop_key)).await;
    privacy(walk, &account, &account_key).await;

    let body = json!({ "endpointId": crm, "from": "2026-03-01T00:00:00Z" });
    for route in [
        "POST /manage/v1/accounts/{accountId}/replay",
        "POST /manage/v1/accounts/{accountId}/deliveries/replay",
    ] {
        walk.by_operator(route, &[&account], body.clone()).await;
    }
    let route = "DELETE /manage/v1/accounts/{accountId}/subscriptions/{subscriptionId}";
    walk.by_operator(route, &[&account, &subscription], Value::Null)
        .await;
    walk.call(
        "DELETE /v1/subscription/notification",
        &[],
        by_shop,
        Value::Null,
    )
    .await;
    // Codes that read like lists are codes all the same.
    for list in ["subscribed", "subscribed/consumer", "subscribed/producer"] {
        let body = json!({ "code": list, "name": list, "attributes": [] });
        walk.call("POST /v1/eventtype", &[], by_shop, body).await;
        let route = format!("DELETE /v1/eventtype/{list}");
        walk.call(&route, &[], by_shop, Value::Null).await;
    }
    walk.call(
        "DELETE /v1/eventtype/{*code}",
        &[&"leave"],
        by_shop,
        Value::Null,
    )
    .await;
    jobs(walk, &account, (&shop, by_shop), (&crm, by_crm)).await;
    segments(walk, &account, (&shop, by_shop)).await;
    shares(walk, &account).await;
    identities(walk, &account, (&shop, by_shop.0)).await;
    keys_and_ends(walk, &account, (&crm, by_crm), (&shop, by_shop)).await;
}

/// What works for an account is given its data, relieved of what it made, told to stop and to go on.
async fn jobs(
    walk: &mut Walk,
    account: &Value,
    (shop, by_shop): (&Value, (&str, &str)),
    (crm, by_crm): (&Value, (&str, &str)),
) {
    let id = |value: &Value| value.as_i64().expect("an id");
    let scope = hub::Scope(model::AccountId(id(account)));
    let made = async |walk: &Walk, status| {
        let new = hub::NewJob {
            category: model::job::JobCategory::SegmentExport,
            status,
            name: None,
            producer: Some(model::EndpointId(id(shop))),
            destination: Some(model::EndpointId(id(crm))),
            share: None,
            details: model::job::ExportDetails::default(),
            state: "{}".to_owned(),
            steps: Vec::new(),
            first_at: walk.hub.server.hub.now(),
        };
        let hub = &walk.hub.server.hub;
        let made = hub.job_create(&hub::Actor::EXCHANGE, scope, new).await;
        made.expect("a job")
    };
    let job = made(walk, JobStatus::WaitingToReceiveData).await;
    let route = "POST /v1/jobs/{jobId}/data";
    walk.call(route, &[&job], by_shop, json!({ "note": "ours" }))
        .await;
    let job = made(walk, JobStatus::ReadyForDownload).await;
    let route = "PUT /v1/jobs/{jobId}/complete";
    walk.call(route, &[&job], by_crm, Value::Null).await;
    let asking = made(walk, JobStatus::WaitingForApproval).await;
    for (verb, job) in [
        ("cancel", job),
        ("retry", job),
        ("approve", asking),
        ("refuse", made(walk, JobStatus::WaitingForApproval).await),
    ] {
        let route = format!("POST /manage/v1/accounts/{{accountId}}/jobs/{{jobId}}/{verb}");
        walk.by_operator(&route, &[account, &job], Value::Null)
            .await;
    }
}

/// Audiences are announced, taken back, and asked for.
async fn segments(walk: &mut Walk, account: &Value, (shop, by_shop): (&Value, (&str, &str))) {
    let mut definition = publisher_definition();
    definition["endpointTypes"]["segment"] =
        json!({ "source": { "enabled": true, "producerType": "push" } });
    walk.call("PUT /v1/endpoint", &[], by_shop, definition)
        .await;
    let body = json!([{ "id": 1, "name": "one" }, { "id": 2, "name": "two" }]);
    for method in ["POST", "PUT"] {
        let route = format!("{method} /v1/endpoint/{{id}}/segments");
        walk.call(&route, &[shop], by_shop, body.clone()).await;
    }
    let route = "DELETE /v1/endpoint/{id}/segments/{segmentId}";
    walk.call(route, &[shop, &1], by_shop, Value::Null).await;
    let route = "DELETE /v1/endpoint/{id}/segments";
    walk.call(route, &[shop], by_shop, Value::Null).await;
    let route = "POST /manage/v1/accounts/{accountId}/segments/refresh";
    walk.by_operator(route, &[account], json!({})).await;
}

/// An audience is shared, its share changed and ended.
async fn shares(walk: &mut Walk, account: &Value) {
    let mut ids = Vec::new();
    for definition in [crm_definition(), mailer_definition()] {
        let path = format!("/accounts/{account}/registrations");
        let made = walk.hub.manage("POST", &path, json!({})).await.json();
        let key = made["endpointKey"].as_str().expect("a key").to_owned();
        let http = &walk.hub.http;
        let answer = http.json("PUT", "/v1/endpoint", Some(&key), Some(definition));
        assert_eq!(answer.await.status, 200);
        ids.push((made["endpointId"].clone(), key));
    }
    let [(crm, crm_key), (mailer, _)] = &ids[..] else {
        panic!("two endpoints");
    };
    let path = format!("/v1/endpoint/{crm}/segments");
    let body = json!([{ "id": 1, "name": "one" }]);
    let answer = walk.hub.http.json("POST", &path, Some(crm_key), Some(body));
    assert_eq!(answer.await.status, 200);
    let body = json!({ "sourceEndpointId": crm, "segmentId": 1, "destinationEndpointId": mailer,
                       "schedule": { "cron": "@daily" } });
    let route = "POST /manage/v1/accounts/{accountId}/shares";
    let share = walk.by_operator(route, &[account], body).await["id"].clone();
    let one: [&dyn std::fmt::Display; 2] = [account, &share];
    let route = "POST /manage/v1/accounts/{accountId}/shares/{shareId}/run";
    walk.by_operator(route, &one, json!({})).await;
    let route = "PATCH /manage/v1/accounts/{accountId}/shares/{shareId}";
    walk.by_operator(route, &one, json!({ "status": "PAUSED" }))
        .await;
    let route = "DELETE /manage/v1/accounts/{accountId}/shares/{shareId}";
    walk.by_operator(route, &one, Value::Null).await;
}

/// Who is who: rules, filters, and what was joined wrongly.
async fn identities(walk: &mut Walk, account: &Value, (shop, key): (&Value, &str)) {
    let event = json!({ "channel": "web", "identifiers": [{ "name": "email", "value": "ada@example.com" },
        { "name": "cookie", "value": "c1" }], "events": [{ "code": "buy", "timestamp": "2026-03-02T11:59:58Z" }] });
    let answer = walk
        .hub
        .http
        .json("POST", "/v1/event", Some(key), Some(event));
    assert_eq!(answer.await.status, 200);
    walk.hub.settle().await;
    let path = format!("/accounts/{account}/identities/lookup");
    let body = json!({ "type": "cookie", "value": "c1" });
    let person = walk.hub.manage("POST", &path, body).await.json();
    let fact = &person["facts"][0]["factId"];
    for how in ["undo", "redo"] {
        let route = "POST /manage/v1/accounts/{accountId}/identities/facts/{factId}/";
        walk.by_operator(&format!("{route}{how}"), &[account, fact], json!({}))
            .await;
    }
    let route = "PUT /manage/v1/accounts/{accountId}/identities/rules";
    walk.by_operator(route, &[account], json!({ "limit": 50 }))
        .await;
    let route = "POST /manage/v1/accounts/{accountId}/identityfilters";
    let body = json!({ "endpointId": shop, "identifierName": "cookie", "publishFilter": true,
        "subscribeFilter": false });
    let filter = walk.by_operator(route, &[account], body).await;
    let route = "DELETE /manage/v1/accounts/{accountId}/identityfilters/{identityFilterId}";
    let id = &filter["endpointFilterId"];
    walk.by_operator(route, &[account, id], Value::Null).await;
}

/// People are kept off what is delivered, and asked for by a privacy request.
async fn privacy(walk: &mut Walk, account: &Value, account_key: &str) {
    let people = json!({ "type": "email", "values": ["ada@example.com"] });
    let route = "POST /manage/v1/accounts/{accountId}/suppressions";
    walk.by_operator(route, &[account], people.clone()).await;
    let route = "POST /manage/v1/accounts/{accountId}/suppressions/remove";
    walk.by_operator(route, &[account], people).await;
    let route = "POST /manage/v1/accounts/{accountId}/suppressions/file";
    let bearer = format!("Bearer {TOKEN}");
    let headers = [("authorization", &*bearer), ("content-type", "text/csv")];
    let path = format!("/manage/v1/accounts/{account}/suppressions/file");
    let http = &walk.hub.http;
    let answer = http
        .send("POST", &path, &headers, "email\na@example.com\n")
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let entries = walk.entries("").await;
    let added = entries.iter().filter(|e| e["action"] == "suppression.add");
    assert_eq!(added.count(), 2, "{route}");
    walk.done.insert(route.to_owned());
    let route = "POST /v1/jobs/gdprRequest";
    let body = json!({ "operationType": "export" });
    walk.call(route, &[], (account_key, ""), body).await;
}

/// What is refused is kept, repaired, given up.
async fn refused_events(walk: &mut Walk, account: &Value, (shop, key): (&Value, &str)) {
    for n in 0..3 {
        let answer = walk.hub.http.json(
            "POST",
            "/v1/event",
            Some(key),
            Some(event("bye", "ada@example.com", n)),
        );
        assert_eq!(answer.await.json()["quarantined"], 1);
    }
    walk.hub.settle().await;
    let path = format!("/accounts/{account}/quarantine");
    let held = walk.hub.manage("GET", &path, Value::Null).await.json();
    let ids: Vec<Value> = held["items"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|q| q["id"].clone())
        .collect();
    let route = "POST /manage/v1/accounts/{accountId}/quarantine/{quarantineId}/repair";
    walk.by_operator(
        route,
        &[account, &ids[0]],
        event("buy", "ada@example.com", 1),
    )
    .await;
    let route = "DELETE /manage/v1/accounts/{accountId}/quarantine/{quarantineId}";
    walk.by_operator(route, &[account, &ids[1]], Value::Null)
        .await;
    let body = json!({ "endpointId": shop, "mapping": { "codes": { "bye": "buy" } } });
    let route = "POST /manage/v1/accounts/{accountId}/quarantine/repair";
    walk.by_operator(route, &[account], body).await;
}

async fn keys_and_ends(
    walk: &mut Walk,
    account: &Value,
    (crm, by_crm): (&Value, (&str, &str)),
    (shop, by_shop): (&Value, (&str, &str)),
) {
    let route = "POST /manage/v1/accounts/{accountId}/endpoints/{endpointId}/webhooksecret/rotate";
    walk.by_operator(route, &[account, crm], json!({})).await;
    let route = "POST /manage/v1/accounts/{accountId}/keys/rotate";
    let new = walk
        .by_operator(route, &[account], json!({ "level": "account" }))
        .await;
    walk.secret(&new["key"]);
    let route = "DELETE /manage/v1/accounts/{accountId}/keys/{keyId}";
    walk.by_operator(route, &[account, &new["id"]], Value::Null)
        .await;
    let route = "PATCH /manage/v1/accounts/{accountId}/endpoints/{endpointId}";
    walk.by_operator(route, &[account, crm], json!({ "enabled": false }))
        .await;
    walk.call("PUT /v1/endpoint/enable", &[], by_crm, Value::Null)
        .await;
    walk.call("PUT /v1/endpoint/disable", &[], by_crm, Value::Null)
        .await;
    let body = json!({ "reason": "no account of ours" });
    walk.call("PUT /v1/endpoint/{id}/reportfailure", &[crm], by_crm, body)
        .await;
    walk.call("DELETE /v1/endpoint", &[], by_crm, Value::Null)
        .await;
    let route = "DELETE /manage/v1/accounts/{accountId}/endpoints/{endpointId}";
    walk.by_operator(route, &[account, shop], Value::Null).await;
    let _ = by_shop;
}

/// Applications, with the account's key.
async fn applications(walk: &mut Walk) {
    let account = walk.hub.account().await;
    let actor = format!("account {}", account.id);
    let by = (account.key.as_str(), actor.as_str());
    walk.secrets.push(account.key.clone());
    let application = walk.call("POST /v1/application", &[], by, mailer()).await["id"].clone();
    let mut changed = mailer();
    changed["description"] = "Sends more mail".into();
    walk.call(
        "PUT /v1/application/{applicationId}",
        &[&application],
        by,
        changed,
    )
    .await;
    let route = "PUT /v1/application/{applicationId}/{status}";
    walk.call(route, &[&application, &"PUBLIC"], by, Value::Null)
        .await;
    let deployments = "/v1/application/{applicationId}/deployment";
    let route = format!("POST {deployments}");
    let body = json!({ "name": "Mail" });
    let deployment = walk.call(&route, &[&application], by, body).await["id"].clone();
    let deployment = deployment
        .as_str()
        .map_or_else(|| deployment.to_string(), str::to_owned);
    let route = format!("PUT {deployments}/{{deploymentId}}");
    walk.call(
        &route,
        &[&application, &deployment],
        by,
        json!({ "name": "Mails" }),
    )
    .await;
    let route = format!("POST {deployments}/{{deploymentId}}/eventtype");
    walk.call(&route, &[&application, &deployment], by, sends_mail())
        .await;
    let onboarding = format!("{deployments}/{{deploymentId}}/onboarding");
    let body = json!({ "onboardingType": "DIRECTCONNECT", "connectURL": "http://127.0.0.1:9/connect",
                       "authentication": { "authType": "APIKey", "apikey": PLANTED } });
    let ids: [&dyn std::fmt::Display; 2] = [&application, &deployment];
    walk.call(&format!("PUT {onboarding}"), &ids, by, body)
        .await;
    walk.call(&format!("DELETE {onboarding}"), &ids, by, Value::Null)
        .await;
    let route = format!("DELETE {deployments}/{{deploymentId}}/eventtype/{{code}}");
    walk.call(
        &route,
        &[&application, &deployment, &"emailSend"],
        by,
        Value::Null,
    )
    .await;
    let route = format!("DELETE {deployments}/{{deploymentId}}");
    walk.call(&route, &[&application, &deployment], by, Value::Null)
        .await;
    walk.call(
        "DELETE /v1/application/{applicationId}",
        &[&application],
        by,
        Value::Null,
    )
    .await;
}

/// The same by an account's own people.
async fn own_applications(walk: &mut Walk) {
    let account = walk.hub.account().await.id;
    let all = "/manage/v1/accounts/{accountId}/applications";
    let one = format!("{all}/{{applicationId}}");
    let new = walk
        .by_operator(&format!("POST {all}"), &[&account], mailer())
        .await;
    let ids: [&dyn std::fmt::Display; 2] = [&account, &new["id"]];
    walk.by_operator(&format!("PUT {one}"), &ids, mailer())
        .await;
    let body = json!({ "visibility": "PUBLIC" });
    walk.by_operator(&format!("PATCH {one}"), &ids, body).await;
    walk.by_operator(&format!("DELETE {one}"), &ids, Value::Null)
        .await;
}

/// A partner is taken on and promoted, another is declined.
async fn partners(walk: &mut Walk) {
    let by_id = |step: &str| format!("POST /manage/v1/partners/{{partnerId}}/{step}");
    let route = "POST /manage/v1/partners";
    let partner = walk.by_operator(route, &[], request()).await["id"].clone();
    let nominated = walk
        .by_operator(&by_id("nominate"), &[&partner], json!({}))
        .await;
    let pilot = nominated["pilotAccountId"].clone();
    let drive = "/manage/v1/accounts/{accountId}/testdrive";
    walk.by_operator(&format!("POST {drive}"), &[&pilot], Value::Null)
        .await;
    let body = json!({ "answer": "503" });
    walk.by_operator(&format!("PUT {drive}/answer"), &[&pilot], body)
        .await;
    walk.by_operator(&by_id("review"), &[&partner], json!({}))
        .await;
    let path = format!("/partners/{partner}");
    let list = walk
        .hub
        .manage("GET", &format!("{path}/checklist"), Value::Null)
        .await
        .json();
    let items = list["items"].as_array().expect("items").iter();
    let open: Vec<&Value> = items
        .filter(|i| i["state"] != "done")
        .map(|i| &i["id"])
        .collect();
    let body =
        json!({ "version": "1", "licence": "Agreement", "licenceVersion": "1", "waive": open });
    walk.by_operator(&by_id("certify"), &[&partner], body).await;
    let review = walk
        .hub
        .manage("GET", &format!("{path}/difference"), Value::Null)
        .await
        .json();
    let body = json!({ "digest": review["digest"] });
    walk.by_operator(&by_id("promote"), &[&partner], body).await;
    let other = walk.by_operator(route, &[], request()).await["id"].clone();
    let body = json!({ "reason": "Not this year." });
    walk.by_operator(&by_id("decline"), &[&other], body).await;
}

/// Users, members, sessions, tokens and passwords.
async fn people(walk: &mut Walk) {
    let account = walk.hub.account().await.id;
    let body = json!({ "email": "ada@example.com" });
    let ada = walk.by_operator("POST /manage/v1/users", &[], body).await;
    walk.secret(&ada["invitation"]);
    let ada = ada["id"].clone();
    let actor = format!("user {ada}");
    let route = "POST /manage/v1/users/{userId}/invitation";
    let again = walk.by_operator(route, &[&ada], Value::Null).await;
    let ticket = walk.secret(&again["invitation"]);
    let body = json!({ "ticket": ticket, "password": PASSWORD });
    walk.call("POST /manage/v1/passwords", &[], ("", &actor), body)
        .await;
    let mut tokens = Vec::new();
    for _ in 0..3 {
        let body = json!({ "email": "ada@example.com", "password": PASSWORD });
        let session = walk
            .call("POST /manage/v1/sessions", &[], ("", &actor), body)
            .await;
        tokens.push((session["id"].clone(), walk.secret(&session["token"])));
    }
    let [(_, token), (_, second), (third, _)] = <[_; 3]>::try_from(tokens).expect("three");
    let by_ada = (token.as_str(), actor.as_str());
    walk.call(
        "DELETE /manage/v1/sessions/current",
        &[],
        (&second, &actor),
        Value::Null,
    )
    .await;
    walk.call(
        "DELETE /manage/v1/sessions/{sessionId}",
        &[&third],
        by_ada,
        Value::Null,
    )
    .await;
    let body = json!({ "name": "ci", "scopes": ["read"] });
    let made = walk.call("POST /manage/v1/tokens", &[], by_ada, body).await;
    walk.secret(&made["token"]);
    walk.call(
        "DELETE /manage/v1/tokens/{tokenId}",
        &[&made["id"]],
        by_ada,
        Value::Null,
    )
    .await;
    let body = json!({ "oldPassword": PASSWORD, "password": PASSWORD.to_uppercase() });
    walk.call("PUT /manage/v1/passwords", &[], by_ada, body)
        .await;
    let body = json!({ "email": "ada@example.com" });
    walk.call(
        "POST /manage/v1/passwords/reset",
        &[],
        ("", "exchange"),
        body,
    )
    .await;

    let members = "/manage/v1/accounts/{accountId}/members";
    let body = json!({ "email": "ada@example.com", "role": "viewer" });
    walk.by_operator(&format!("POST {members}"), &[&account], body)
        .await;
    let route = format!("PATCH {members}/{{userId}}");
    walk.by_operator(&route, &[&account, &ada], json!({ "role": "admin" }))
        .await;
    let route = format!("DELETE {members}/{{userId}}");
    walk.by_operator(&route, &[&account, &ada], Value::Null)
        .await;
    walk.by_operator(
        "PATCH /manage/v1/users/{userId}",
        &[&ada],
        json!({ "name": "Ada" }),
    )
    .await;
    walk.by_operator(
        "POST /manage/v1/users/{userId}/revoke",
        &[&ada],
        Value::Null,
    )
    .await;
    walk.by_operator("DELETE /manage/v1/users/{userId}", &[&ada], Value::Null)
        .await;
}

#[tokio::test]
async fn an_entry_says_who_what_before_and_after_and_from_where() {
    let hub = TestHub::start_with(|config| {
        config.api.trusted_proxies = vec!["127.0.0.0/8".parse().expect("a network")];
    })
    .await;
    let account = hub.account().await;
    let ada = hub
        .person("ada@example.com", &[(account.id, model::Role::Admin)])
        .await;
    let token = ada.access_token(&["read", "write"]).await;
    let path = format!("/manage/v1/accounts/{}", account.id);
    let bearer = format!("Bearer {token}");
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
        ("x-forwarded-for", "203.0.113.9, 198.51.100.7"),
        ("x-request-id", "of-the-proxy-1"),
    ];
    let answer = hub
        .http
        .send(
            "PATCH",
            &path,
            &headers,
            r#"{"policy":{"strictness":"strict"}}"#,
        )
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.headers["x-request-id"], "of-the-proxy-1");
    let page = ada
        .ok(
            "GET",
            &format!("/accounts/{}/audit?action=account.policy", account.id),
            Value::Null,
        )
        .await;
    let entry = &page["items"][0];
    assert_eq!(entry["actor"], format!("user {}", ada.id));
    assert_eq!(entry["actorName"], "ada@example.com (token ci)");
    assert_eq!(entry["address"], "198.51.100.7");
    assert_eq!(entry["requestId"], "of-the-proxy-1");
    assert_eq!(entry["subject"], format!("account {}", account.id));
    assert_eq!(entry["detail"]["before"]["strictness"], "lenient");
    assert_eq!(entry["detail"]["after"]["strictness"], "strict");
}

#[tokio::test]
async fn the_trail_is_searched_and_exported() {
    let hub = TestHub::start().await;
    let account = hub.account().await;
    hub.clock.advance(std::time::Duration::from_secs(60));
    let other = hub.account().await;
    let shop = hub.publisher(&other, &["buy"]).await;
    let actions = async |query: &str| {
        let page = hub
            .manage("GET", &format!("/audit{query}"), Value::Null)
            .await;
        assert_eq!(page.status, 200, "{}", page.text());
        let items = page.json()["items"].clone();
        let items = items.as_array().expect("entries").iter();
        items
            .map(|e| e["action"].as_str().expect("text").to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        actions(&format!("?account={}", account.id)).await,
        ["account.create"]
    );
    assert_eq!(
        actions("?action=endpoint").await,
        ["endpoint.register", "endpoint.define"]
    );
    assert_eq!(
        actions("?action=endpoint.define").await,
        ["endpoint.define"]
    );
    assert_eq!(actions("?action=end").await, [""; 0]);
    assert_eq!(
        actions(&format!("?actor=endpoint%20{}", shop.id)).await,
        ["endpoint.define", "eventtype.register"]
    );
    assert_eq!(
        actions(&format!("?subject=account%20{}", other.id)).await,
        ["account.create"]
    );
    assert_eq!(
        actions("?to=2026-03-02T12:01:00Z").await,
        ["provider.create", "account.create"]
    );
    assert_eq!(
        actions("?from=2026-03-02T12:01:00Z&limit=1").await,
        ["account.create"]
    );
    let bad = hub
        .manage("GET", "/audit?from=yesterday&who=me", Value::Null)
        .await;
    assert_eq!((bad.status, bad.pointers().len()), (400, 2));

    // More than is read in one piece.
    for n in 0..1_100 {
        let body = json!({ "name": format!("=provider {n}, \"quoted\"") });
        hub.manage("POST", "/providers", body).await;
    }
    let all = hub.manage("GET", "/audit/export", Value::Null).await;
    assert_eq!(all.headers["content-type"], "application/x-ndjson");
    let lines: Vec<Value> = all
        .text()
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert!(lines.len() > 1_100);
    assert!(
        lines
            .windows(2)
            .all(|pair| pair[0]["id"].as_i64() < pair[1]["id"].as_i64()),
        "in order, each once"
    );
    let csv = hub
        .manage(
            "GET",
            "/audit/export?format=csv&action=provider",
            Value::Null,
        )
        .await
        .text();
    assert_eq!(csv.lines().count(), 1_102);
    assert!(csv.starts_with("id,createdAt,accountId,actor,"));
    assert!(
        csv.contains(r#"{""name"":""=provider 7, \""quoted\""""}"#),
        "{}",
        csv.lines().nth(9).expect("a line")
    );
    let own = hub
        .manage(
            "GET",
            &format!("/accounts/{}/audit/export", account.id),
            Value::Null,
        )
        .await;
    assert_eq!(own.text().lines().count(), 1);
}
