//! Every route of the server is tried with every wrong key. The list of routes is the server's own, so a new route is
//! covered the day it is added; one whose path this file cannot fill in fails here.

use std::time::Duration;

use api::{Level, RouteInfo};
use hub::{Actor, KeysOf, Scope};
use model::Environment;
use model::key::KeyLevel;

use crate::harness::{
    Answer, Http, TOKEN, TestAccount, TestEndpoint, TestHub, publisher_definition,
};

/// What a caller brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Brings {
    Nothing,
    /// An `Authorization` header that is none.
    Malformed,
    /// A key that never was one.
    Unknown,
    Live(KeyLevel),
    Revoked(KeyLevel),
    /// Replaced by another, and the overlap is over.
    Ended(KeyLevel),
    /// Of an endpoint that was deleted.
    Deleted,
    /// Of the other environment.
    Foreign(KeyLevel),
    Operator,
}

/// What the contract says: a status, or `None` for whatever the handler answers.
fn expected(level: Level, brings: Brings) -> Option<u16> {
    let admitted: &[KeyLevel] = match level {
        Level::Public => return None,
        Level::EndpointKey | Level::AnyEndpointKey => &[KeyLevel::Endpoint],
        Level::EndpointOrAccountKey => &[KeyLevel::Endpoint, KeyLevel::Account],
        Level::AccountKey => &[KeyLevel::Account],
        Level::EventKey => &[KeyLevel::Endpoint, KeyLevel::Event],
        _ => {
            assert!(
                level.is_manage(),
                "{level:?}: say here which keys are admitted"
            );
            &[]
        }
    };
    match brings {
        Brings::Nothing | Brings::Malformed => Some(401),
        Brings::Live(key) if admitted.contains(&key) => None,
        Brings::Deleted if level == Level::AnyEndpointKey => None,
        // The operator token is no person, so it has no sessions.
        Brings::Operator if level.is_manage() && level != Level::Session => None,
        _ => Some(403),
    }
}

const LEVELS: [KeyLevel; 3] = [KeyLevel::Account, KeyLevel::Endpoint, KeyLevel::Event];

/// An account with an endpoint, and a key of each level.
pub(crate) struct Shop {
    pub(crate) account: TestAccount,
    endpoint: TestEndpoint,
    event_key: String,
}

impl Shop {
    pub(crate) async fn open(hub: &TestHub, environment: Environment) -> Self {
        let account = hub
            .account_in(environment, model::AccountPolicy::default())
            .await;
        let endpoint = hub.publisher(&account, &["buy"]).await;
        let (actor, scope) = (Actor::OPERATOR, Scope(account.id));
        let event_key = hub
            .server
            .hub
            .endpoint_event_key(&actor, scope, endpoint.id)
            .await;
        Self {
            event_key: event_key.expect("a key").expose().to_owned(),
            account,
            endpoint,
        }
    }

    fn key(&self, level: KeyLevel) -> String {
        match level {
            KeyLevel::Account => self.account.key.clone(),
            KeyLevel::Endpoint => self.endpoint.key.clone(),
            KeyLevel::Event => self.event_key.clone(),
        }
    }

    /// Replaces the key of a level by another one.
    async fn rotate(&self, hub: &TestHub, level: KeyLevel, overlap: Duration) {
        let endpoint = (level != KeyLevel::Account).then_some(self.endpoint.id);
        let (actor, scope) = (Actor::OPERATOR, Scope(self.account.id));
        let rotated = hub
            .server
            .hub
            .key_rotate(&actor, scope, endpoint, level, overlap);
        rotated.await.expect("a new key");
    }

    async fn revoke_all(&self, hub: &TestHub) {
        let (actor, scope, hub) = (Actor::OPERATOR, Scope(self.account.id), &hub.server.hub);
        for key in hub.keys(scope, KeysOf::All).await.expect("keys") {
            hub.key_revoke(&actor, scope, key.id)
                .await
                .expect("revoked");
        }
    }

    /// The path of a route with this shop's ids.
    pub(crate) fn path(&self, route: &RouteInfo) -> String {
        let fill = |part: &str| match part
            .strip_prefix('{')
            .and_then(|part| part.strip_suffix('}'))
        {
            None => part.to_owned(),
            Some("accountId") => self.account.id.to_string(),
            Some("id" | "endpointId") => self.endpoint.id.to_string(),
            Some("key") => self.endpoint.key.clone(),
            Some("applicationId" | "deploymentId") => "4711".to_owned(),
            Some("status") => "status".to_owned(),
            Some(
                "keyId" | "subscriptionId" | "quarantineId" | "providerId" | "outboxId"
                | "supplierKeyId" | "partnerId" | "jobId" | "factId" | "identityFilterId",
            ) => "4711".to_owned(),
            Some("userId" | "sessionId" | "tokenId") => "4711".to_owned(),
            Some("segmentId" | "shareId") => "4711".to_owned(),
            Some("name" | "identifierName" | "code" | "eventId" | "role" | "registrationType") => {
                "nothing".to_owned()
            }
            Some("category") => "SEGMENT_EXPORT".to_owned(),
            Some("path") => "segment.csv".to_owned(),
            Some("*code") => "no/thing".to_owned(),
            Some(other) => panic!(
                "{} {}: say here what `{other}` may be",
                route.method, route.path
            ),
        };
        route
            .path
            .split('/')
            .map(fill)
            .collect::<Vec<_>>()
            .join("/")
    }
}

/// Callers that are refused everywhere.
async fn wrong_callers(hub: &TestHub) -> Vec<(Brings, Option<String>)> {
    let mut callers = vec![(Brings::Nothing, None)];
    for malformed in [
        "",
        "Bearer",
        "Bearer  ",
        "Basic dXNlcjpwYXNz",
        "bearer:abc",
        TOKEN,
    ] {
        callers.push((Brings::Malformed, Some(malformed.to_owned())));
    }
    let long = "k".repeat(4096);
    for unknown in [
        "abc",
        "1234-abcd-5678-efgh",
        "re_0000",
        "null",
        "' OR 1=1",
        "t t",
        &long,
    ] {
        callers.push((Brings::Unknown, Some(format!("Bearer {unknown}"))));
    }
    let revoked = Shop::open(hub, Environment::Production).await;
    revoked.revoke_all(hub).await;
    let ended = Shop::open(hub, Environment::Production).await;
    let foreign = Shop::open(hub, Environment::Pilot).await;
    for level in LEVELS {
        ended.rotate(hub, level, Duration::from_secs(60)).await;
        callers.push((
            Brings::Revoked(level),
            Some(format!("Bearer {}", revoked.key(level))),
        ));
        callers.push((
            Brings::Ended(level),
            Some(format!("Bearer {}", ended.key(level))),
        ));
        callers.push((
            Brings::Foreign(level),
            Some(format!("Bearer {}", foreign.key(level))),
        ));
    }
    hub.clock.advance(Duration::from_secs(60));
    let deleted = Shop::open(hub, Environment::Production).await;
    let answer = hub
        .http
        .json("DELETE", "/v1/endpoint", Some(&deleted.endpoint.key), None)
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    callers.push((
        Brings::Deleted,
        Some(format!("Bearer {}", deleted.endpoint.key)),
    ));
    callers
}

async fn call(http: &Http, route: &RouteInfo, path: &str, header: Option<&str>) -> Answer {
    let headers: Vec<(&str, &str)> = header
        .iter()
        .map(|value| ("authorization", *value))
        .collect();
    http.send(route.method.as_str(), path, &headers, "").await
}

fn check(route: &RouteInfo, brings: Brings, answer: &Answer) {
    let what = format!(
        "{} {} ({:?}) with {brings:?}",
        route.method, route.path, route.level
    );
    match expected(route.level, brings) {
        None => assert!(
            !matches!(answer.status, 401 | 403 | 405 | 500),
            "{what}: {} {}",
            answer.status,
            answer.text()
        ),
        Some(status) => {
            assert_eq!(answer.status, status, "{what}: {}", answer.text());
            assert_eq!(
                answer.headers["content-type"], "application/problem+json",
                "{what}"
            );
            assert!(answer.json()["message"].is_string(), "{what}");
            let asks = answer
                .headers
                .get("www-authenticate")
                .map(http::HeaderValue::as_bytes);
            assert_eq!(
                asks,
                (status == 401).then_some(b"Bearer".as_slice()),
                "{what}"
            );
        }
    }
}

#[tokio::test]
async fn every_route_refuses_every_wrong_key_and_lets_the_right_one_in() {
    let hub = TestHub::start().await;
    let wrong = wrong_callers(&hub).await;
    assert!(hub.server.routes.len() > 20, "the server tells its routes");
    for route in &hub.server.routes {
        let shop = Shop::open(&hub, Environment::Production).await;
        let path = shop.path(route);
        for (brings, header) in &wrong {
            check(
                route,
                *brings,
                &call(&hub.http, route, &path, header.as_deref()).await,
            );
        }
        // The right keys last: what they ask for is done. First those that are refused.
        let mut live: Vec<Brings> = LEVELS.map(Brings::Live).to_vec();
        live.push(Brings::Operator);
        live.sort_by_key(|brings| expected(route.level, *brings).is_none());
        for brings in live {
            let key = match brings {
                Brings::Live(level) => shop.key(level),
                _ => TOKEN.to_owned(),
            };
            let header = format!("Bearer {key}");
            if let (Brings::Live(level), false) = (brings, route.level == Level::Public) {
                let answer = call(&hub.pilot(), route, &path, Some(&header)).await;
                check(route, Brings::Foreign(level), &answer);
            }
            check(
                route,
                brings,
                &call(&hub.http, route, &path, Some(&header)).await,
            );
        }
    }
}

/// `?key=` is for beacons, which cannot send headers; anywhere else a key in an address would end up in logs.
#[tokio::test]
async fn a_key_in_the_query_opens_only_what_beacons_need() {
    let hub = TestHub::start().await;
    for route in &hub.server.routes {
        let shop = Shop::open(&hub, Environment::Production).await;
        for key in [
            &shop.endpoint.key,
            &shop.account.key,
            &shop.event_key,
            TOKEN,
        ] {
            let path = format!("{}?key={key}", shop.path(route));
            let answer = call(&hub.http, route, &path, None).await;
            match route.level {
                Level::Public => {}
                Level::EventKey => {
                    let is_let_in = *key == shop.event_key || *key == shop.endpoint.key;
                    assert_eq!(answer.status, if is_let_in { 400 } else { 403 }, "{path}");
                }
                _ => assert_eq!(answer.status, 401, "{path}"),
            }
        }
    }
}

/// A sibling's id is forbidden; a stranger's id answers like one that does not exist.
#[tokio::test]
async fn an_endpoint_key_reaches_no_other_endpoint() {
    let hub = TestHub::start().await;
    let shop = Shop::open(&hub, Environment::Production).await;
    let sibling = hub.endpoint(&shop.account, publisher_definition()).await;
    let stranger = Shop::open(&hub, Environment::Production).await.endpoint;
    let nobody = model::EndpointId(987_654_321);
    let key = format!("Bearer {}", shop.endpoint.key);
    let headers = [("authorization", key.as_str())];
    // Sound in every call that takes a body, so that it is the id that is refused.
    let body = r#"{ "code": "buy", "attributes": [], "reason": "none" }"#;
    let ask = async |route: &RouteInfo, id: model::EndpointId| {
        let path = route.path.replace("{id}", &id.to_string());
        let path = path.replace("{segmentId}", "4711");
        let answer = hub.http.send(route.method.as_str(), &path, &headers, body);
        let answer = answer.await;
        (answer.status, answer.text().replace(&id.to_string(), "ID"))
    };
    let mut tried = 0;
    for route in &hub.server.routes {
        let is_endpoints = matches!(route.level, Level::EndpointKey | Level::AnyEndpointKey);
        if !is_endpoints || !route.path.contains("{id}") {
            continue;
        }
        tried += 1;
        let what = format!("{} {}", route.method, route.path);
        let (status, text) = ask(route, sibling.id).await;
        // Where the id may also be an event type's, a sibling's id is neither.
        let refused = if route.path.contains("/attributes/") {
            404
        } else {
            403
        };
        assert_eq!(status, refused, "{what}: {text}");
        let strange = ask(route, stranger.id).await;
        assert_eq!(strange.0, 404, "{what}: {}", strange.1);
        assert_eq!(
            strange,
            ask(route, nobody).await,
            "{what}: ids can be probed"
        );
    }
    assert!(tried >= 4, "only {tried} routes name an endpoint");

    for (key, id, status) in [
        (&shop.endpoint.key, stranger.id, 404),
        (&shop.account.key, stranger.id, 404),
        (&shop.account.key, sibling.id, 200),
    ] {
        let answer = hub
            .http
            .get(&format!("/v1/endpoint?endpointId={id}"), key)
            .await;
        assert_eq!(answer.status, status, "{}", answer.text());
    }
    let path = format!("/v1/endpointattributes/authkey/{}", sibling.key);
    let body = serde_json::json!({ "attributes": { "a": "b" } });
    let answer = hub
        .http
        .json("PUT", &path, Some(&shop.endpoint.key), Some(body))
        .await;
    assert_eq!(answer.status, 403, "{}", answer.text());
}

#[tokio::test]
async fn a_replaced_key_works_until_its_overlap_is_over() {
    let hub = TestHub::start().await;
    let shop = Shop::open(&hub, Environment::Production).await;
    let status = async |key: &str| hub.http.get("/v1/endpoint", key).await.status;
    let overlap = Duration::from_secs(3600);
    for level in [KeyLevel::Endpoint, KeyLevel::Account] {
        shop.rotate(&hub, level, overlap).await;
        hub.clock.advance(overlap - Duration::from_micros(1));
        assert_eq!(status(&shop.key(level)).await, 200);
        hub.clock.advance(Duration::from_micros(1));
        assert_eq!(status(&shop.key(level)).await, 403);
    }
}
