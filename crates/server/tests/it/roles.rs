//! Each role against each route of `/manage/v1`. The list of routes is the server's own, and which role a route needs is a
//! snapshot: a route that is added, or changes its right, has to be looked at.

use std::fmt::Write as _;

use api::{Level, RouteInfo};
use model::{AccountId, Environment, Role};
use serde_json::Value;

use crate::coverage::Shop;
use crate::harness::people::{PASSWORD, Person};
use crate::harness::{Answer, TOKEN, TestHub};

/// What somebody brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    /// Signed in, without a role in the account.
    Stranger,
    Has(Role),
    /// An operator who is signed in.
    Operator,
    OperatorToken,
    /// An admin's token that may only read.
    Reader,
    /// An admin's token for another account.
    Elsewhere,
    /// An operator's token for another account.
    OperatorElsewhere,
    /// An admin's token that may do all that its user may.
    Token,
    /// Of somebody who is disabled.
    Disabled,
}

/// What the contract says: a status, or `None` for whatever the handler answers.
fn expected(who: Who, route: &RouteInfo) -> Option<u16> {
    let is_session = matches!(who, Who::Stranger | Who::Has(_) | Who::Operator);
    let role = match who {
        Who::Disabled => return Some(403),
        Who::Stranger | Who::Elsewhere | Who::OperatorElsewhere => None,
        Who::Has(role) => Some(role),
        Who::Operator | Who::OperatorToken | Who::Reader | Who::Token => Some(Role::Admin),
    };
    if let Some(needed) = route.level.role() {
        match role {
            None => return Some(404),
            Some(role) if role < needed => return Some(403),
            Some(_) => {}
        }
    }
    let is_operator = matches!(who, Who::Operator | Who::OperatorToken);
    match route.level {
        Level::Operator if !is_operator => return Some(403),
        Level::Session if !is_session => return Some(403),
        _ => {}
    }
    let is_write = !route.method.is_safe();
    (who == Who::Reader && is_write).then_some(403)
}

/// Somebody with a way in.
struct Comer {
    who: Who,
    token: String,
    /// Whose session it is, to sign in again.
    email: Option<String>,
}

async fn comers(hub: &TestHub, account: AccountId) -> Vec<Comer> {
    let elsewhere = hub.account().await.id;
    let limited = format!("account:{elsewhere}");
    let mut comers = vec![Comer {
        who: Who::OperatorToken,
        token: TOKEN.to_owned(),
        email: None,
    }];
    let session = |who, person: &Person| Comer {
        who,
        token: person.token.clone(),
        email: Some(person.email.clone()),
    };
    let token = |who, token| Comer {
        who,
        token,
        email: None,
    };
    let stranger = hub
        .person("stranger@example.com", &[(elsewhere, Role::Admin)])
        .await;
    comers.push(session(Who::Stranger, &stranger));
    for role in Role::ALL {
        let email = format!("{}@example.com", role.as_str());
        let person = hub
            .person(&email, &[(account, role), (elsewhere, Role::Admin)])
            .await;
        comers.push(session(Who::Has(role), &person));
        if role == Role::Admin {
            comers.push(token(Who::Reader, person.access_token(&["read"]).await));
            comers.push(token(
                Who::Token,
                person.access_token(&["read", "write"]).await,
            ));
            let scopes = ["read", "write", limited.as_str()];
            comers.push(token(Who::Elsewhere, person.access_token(&scopes).await));
        }
    }
    let operator = hub.operator("operator@example.com").await;
    let scopes = ["read", "write", limited.as_str()];
    comers.push(token(
        Who::OperatorElsewhere,
        operator.access_token(&scopes).await,
    ));
    comers.push(session(Who::Operator, &operator));
    let gone = hub.operator("gone@example.com").await;
    comers.push(token(
        Who::Disabled,
        gone.access_token(&["read", "write"]).await,
    ));
    let path = format!("/users/{}", gone.id);
    let disabled = serde_json::json!({ "disabled": true });
    assert_eq!(hub.manage("PATCH", &path, disabled).await.status, 200);
    comers
}

fn check(who: Who, route: &RouteInfo, account: AccountId, answer: &Answer) {
    let what = format!(
        "{} {} ({:?}) as {who:?}",
        route.method, route.path, route.level
    );
    let hidden = format!("there is no account {account}");
    match expected(who, route) {
        Some(status) => {
            assert_eq!(answer.status, status, "{what}: {}", answer.text());
            if status == 404 {
                assert_eq!(answer.json()["detail"], hidden, "{what}");
            }
        }
        None => {
            let is_refused = matches!(answer.status, 401 | 403 | 405 | 500);
            assert!(!is_refused, "{what}: {} {}", answer.status, answer.text());
            assert!(
                !answer.text().contains(&hidden),
                "{what}: {}",
                answer.text()
            );
        }
    }
}

#[tokio::test]
async fn each_role_may_do_what_it_may_and_nothing_else() {
    let hub = TestHub::start().await;
    let shop = Shop::open(&hub, Environment::Production).await;
    let mut comers = comers(&hub, shop.account.id).await;
    let mut tried = 0;
    for route in hub
        .server
        .routes
        .iter()
        .filter(|route| route.level.is_manage())
    {
        let path = shop.path(route);
        for comer in &mut comers {
            let answer = hub
                .http
                .json(route.method.as_str(), &path, Some(&comer.token), None)
                .await;
            check(comer.who, route, shop.account.id, &answer);
            tried += 1;
            let has_signed_out = route.path.ends_with("/sessions/current") && answer.status == 200;
            if let Some(email) = comer.email.as_ref().filter(|_| has_signed_out) {
                comer.token = hub.signed_in(email, PASSWORD).await;
            }
        }
    }
    assert!(tried > 500, "only {tried} calls were tried");
}

#[tokio::test]
async fn which_right_a_route_needs_is_looked_at() {
    let hub = TestHub::start().await;
    let mut text = String::new();
    for route in &hub.server.routes {
        if route.path.starts_with("/manage/") {
            let _ = writeln!(
                text,
                "{:6} {} – {:?}",
                route.method.as_str(),
                route.path,
                route.level
            );
        }
    }
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!("roles", text);
    });
}

/// What an account's own people see is theirs; lists leave out what others have.
#[tokio::test]
async fn a_list_of_accounts_has_those_that_one_belongs_to() {
    let hub = TestHub::start().await;
    let [one, _, three] = [
        hub.account().await,
        hub.account().await,
        hub.account().await,
    ];
    let ada = hub
        .person(
            "ada@example.com",
            &[(one.id, Role::Viewer), (three.id, Role::Partner)],
        )
        .await;
    let ids = async |person: &Person, query: &str| {
        let page = person
            .ok("GET", &format!("/accounts{query}"), Value::Null)
            .await;
        let items = page["items"].as_array().expect("a list").iter();
        (
            items.filter_map(|a| a["id"].as_i64()).collect::<Vec<_>>(),
            page["next"].clone(),
        )
    };
    assert_eq!(
        ids(&ada, "").await,
        (vec![one.id.0, three.id.0], Value::Null)
    );
    assert_eq!(
        ids(&ada, "?limit=1").await,
        (vec![one.id.0], one.id.0.into())
    );
    assert_eq!(
        ids(&ada, &format!("?limit=1&after={}", one.id)).await,
        (vec![three.id.0], Value::Null)
    );
    let operator = hub.operator("olga@example.com").await;
    assert_eq!(ids(&operator, "").await.0.len(), 3);
    let created = ada
        .manage(
            "POST",
            "/accounts",
            serde_json::json!({ "name": "x", "environment": "pilot" }),
        )
        .await;
    assert_eq!(created.status, 403);
}

/// A provider sees that its product is used, and by nobody what for.
#[tokio::test]
async fn a_partner_sees_the_endpoints_made_from_its_own_applications() {
    let provider = crate::application::Provider::start().await;
    let id = provider.application(crate::application::mailer()).await;
    provider
        .ok("PUT", &format!("/{id}/PUBLIC"), Value::Null)
        .await;
    let customer = provider.customer().await;
    let body = serde_json::json!({ "name": "Customer's mailer", "applicationId": id });
    let endpoint = provider.endpoint(&customer, body).await;
    let hub = &provider.hub;
    let own = provider.account.id;
    let ada = hub.person("ada@example.com", &[(own, Role::Partner)]).await;
    let path = format!("/accounts/{own}/applications/{id}");
    assert_eq!(ada.ok("GET", &path, Value::Null).await["own"], true);
    let made = ada
        .ok("GET", &format!("{path}/endpoints"), Value::Null)
        .await;
    let expected = serde_json::json!({ "items": [{
        "endpointId": endpoint.id, "accountId": customer.id, "deploymentId": null,
        "status": "ACTIVE", "enabled": true, "since": "2026-03-02T12:00:00Z",
    }], "next": null });
    assert_eq!(made, expected);
    for (method, path, status) in [
        ("GET", format!("/accounts/{own}/endpoints"), 403),
        ("GET", format!("/accounts/{own}/events"), 403),
        ("PUT", path.clone(), 403),
        ("GET", format!("/accounts/{}/endpoints", customer.id), 404),
        (
            "GET",
            format!("/accounts/{}/applications/{id}/endpoints", customer.id),
            404,
        ),
    ] {
        let answer = ada.manage(method, &path, Value::Null).await;
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text());
    }
    // A public application is seen by the customer's people, and not who else uses it.
    let bob = hub
        .person("bob@example.com", &[(customer.id, Role::Admin)])
        .await;
    let path = format!("/accounts/{}/applications/{id}", customer.id);
    assert_eq!(bob.ok("GET", &path, Value::Null).await["own"], false);
    let hidden = bob
        .manage("GET", &format!("{path}/endpoints"), Value::Null)
        .await;
    assert_eq!(hidden.status, 404, "{}", hidden.text());
}
