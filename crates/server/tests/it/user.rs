//! People: invited, signed in and out, locked out, removed; and their tokens.

use std::time::Duration;

use model::Role;
use serde_json::{Value, json};

use crate::harness::people::PASSWORD;
use crate::harness::{Answer, TOKEN, TestHub};

const OTHER: &str = "a barge of oranges for the doge";
const QUARTER_HOUR: Duration = Duration::from_secs(15 * 60);

async fn me(hub: &TestHub, token: &str) -> Answer {
    hub.http.manage("GET", "/me", token, Value::Null).await
}

#[tokio::test]
async fn somebody_is_invited_accepts_and_signs_in_and_out() {
    let hub = TestHub::start().await;
    let account = hub.account().await;
    let body = json!({ "email": "Ada@Example.com", "name": "Ada", "accountId": account.id, "role": "member" });
    let invited = hub.manage("POST", "/users", body.clone()).await;
    assert_eq!(invited.status, 200, "{}", invited.text());
    let (id, ticket) = (
        invited.json()["id"].clone(),
        invited.json()["invitation"].clone(),
    );
    assert_eq!(invited.json()["status"], "invited");
    let ticket = ticket.as_str().expect("a ticket").to_owned();
    assert_eq!(
        hub.mailed_ticket("ada@example.com").await,
        ticket,
        "it was mailed"
    );
    assert_eq!(hub.manage("POST", "/users", body).await.status, 409);

    assert_eq!(
        hub.sign_in("ada@example.com", PASSWORD).await.status,
        403,
        "not yet"
    );
    let redeem = async |password: &str| {
        let body = json!({ "ticket": ticket, "password": password });
        hub.http.manage("POST", "/passwords", "", body).await
    };
    let short = redeem("short").await;
    assert_eq!(
        (short.status, short.pointers()),
        (400, vec!["/password".to_owned()])
    );
    let common = redeem("correct horse battery staple").await;
    assert_eq!(common.json()["errors"][0]["code"], "common");
    assert_eq!(redeem(PASSWORD).await.json()["status"], "active");
    assert_eq!(redeem(OTHER).await.status, 403, "once");

    let opened = hub.sign_in(" ADA@example.com", PASSWORD).await;
    assert_eq!(opened.json()["user"]["name"], "Ada");
    assert_eq!(opened.json()["expiresAt"], "2026-03-03T00:00:00Z");
    let token = opened.json()["token"].as_str().expect("a token").to_owned();
    let expected = json!([{ "accountId": account.id, "role": "member" }]);
    let who = me(&hub, &token).await.json();
    assert_eq!(
        (&who["user"]["id"], &who["via"], &who["accounts"]),
        (&id, &"session".into(), &expected)
    );
    let operator = me(&hub, TOKEN).await.json();
    assert_eq!(
        (&operator["user"], &operator["accounts"]),
        (&Value::Null, &Value::Null)
    );

    let out = hub
        .http
        .manage("DELETE", "/sessions/current", &token, Value::Null)
        .await;
    assert_eq!(out.text(), "true");
    assert_eq!(me(&hub, &token).await.status, 403);
}

#[tokio::test]
async fn a_refused_sign_in_does_not_say_why() {
    let hub = TestHub::start().await;
    let ada = hub.person("ada@example.com", &[]).await;
    hub.person("bob@example.com", &[]).await;
    let disabled = json!({ "disabled": true });
    let bob = hub
        .manage("GET", "/users?email=bob@example.com", Value::Null)
        .await;
    let path = format!("/users/{}", bob.json()["items"][0]["id"]);
    assert_eq!(
        hub.manage("PATCH", &path, disabled).await.json()["status"],
        "disabled"
    );
    hub.manage("POST", "/users", json!({ "email": "cleo@example.com" }))
        .await;

    let mut answers = Vec::new();
    for (email, password) in [
        (ada.email.as_str(), OTHER),
        ("nobody@example.com", PASSWORD),
        ("bob@example.com", PASSWORD),
        ("cleo@example.com", PASSWORD),
        ("not an address", PASSWORD),
    ] {
        let answer = hub.sign_in(email, password).await;
        answers.push((answer.status, answer.text()));
    }
    assert_eq!(answers[0].0, 403);
    for answer in &answers {
        assert_eq!(answer, &answers[0]);
    }
}

#[tokio::test]
async fn nobody_can_try_for_ever() {
    let hub = TestHub::start().await;
    hub.person("ada@example.com", &[]).await;
    hub.person("bob@example.com", &[]).await;
    for _ in 0..10 {
        assert_eq!(hub.sign_in("ada@example.com", OTHER).await.status, 403);
    }
    let refused = hub.sign_in("ada@example.com", PASSWORD).await;
    assert_eq!(refused.status, 429, "{}", refused.text());
    assert_eq!(refused.headers["retry-after"], "900");
    // Whoever is not known is throttled too: it says nothing.
    for _ in 0..10 {
        assert_eq!(hub.sign_in("nobody@example.com", OTHER).await.status, 403);
    }
    assert_eq!(hub.sign_in("nobody@example.com", OTHER).await.status, 429);
    hub.signed_in("bob@example.com", PASSWORD).await;
    hub.clock.advance(QUARTER_HOUR);
    hub.signed_in("ada@example.com", PASSWORD).await;
    for _ in 0..10 {
        assert_eq!(
            hub.sign_in("ada@example.com", OTHER).await.status,
            403,
            "forgotten"
        );
    }
}

#[tokio::test]
async fn a_list_of_people_cannot_be_tried_from_one_address() {
    let hub = TestHub::start().await;
    hub.person("ada@example.com", &[]).await;
    // One try was Ada's own.
    for n in 1..60 {
        let answer = hub.sign_in(&format!("{n}@example.com"), "x").await;
        assert_eq!(answer.status, 403, "{n}");
    }
    assert_eq!(hub.sign_in("ada@example.com", PASSWORD).await.status, 429);
}

#[tokio::test]
async fn another_password_ends_all_other_sessions() {
    let hub = TestHub::start().await;
    let ada = hub.person("ada@example.com", &[]).await;
    let elsewhere = hub.signed_in(&ada.email, PASSWORD).await;
    let token = ada.access_token(&["read"]).await;
    let sessions = ada.ok("GET", "/sessions", Value::Null).await;
    let current: Vec<&Value> = sessions["items"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|s| &s["current"])
        .collect();
    assert_eq!(current, [&json!(true), &json!(false)]);
    assert_eq!(sessions["items"][0]["address"], "127.0.0.1");
    assert_eq!(sessions["items"][0]["agent"], "rialto-test");

    let change = |old: &str, new: &str| json!({ "oldPassword": old, "password": new });
    let wrong = ada.manage("PUT", "/passwords", change(OTHER, OTHER)).await;
    assert_eq!(wrong.status, 403);
    let weak = ada
        .manage("PUT", "/passwords", change(PASSWORD, "ada@example.com"))
        .await;
    assert_eq!(
        (weak.status, weak.pointers()),
        (400, vec!["/password".to_owned()])
    );
    assert_eq!(me(&hub, &elsewhere).await.status, 200);
    ada.ok("PUT", "/passwords", change(PASSWORD, OTHER)).await;
    assert_eq!(me(&hub, &elsewhere).await.status, 403);
    assert_eq!(me(&hub, &ada.token).await.status, 200);
    assert_eq!(
        me(&hub, &token).await.status,
        200,
        "tokens are not made of the password"
    );
    assert_eq!(hub.sign_in(&ada.email, PASSWORD).await.status, 403);
    let again = hub.signed_in(&ada.email, OTHER).await;

    let sessions = ada.ok("GET", "/sessions", Value::Null).await;
    let path = format!("/sessions/{}", sessions["items"][1]["id"]);
    ada.ok("DELETE", &path, Value::Null).await;
    assert_eq!(me(&hub, &again).await.status, 403);
    assert_eq!(ada.manage("DELETE", &path, Value::Null).await.status, 404);
    hub.clock.advance(Duration::from_secs(12 * 3_600));
    assert_eq!(
        me(&hub, &ada.token).await.status,
        403,
        "a day's work is over"
    );
}

#[tokio::test]
async fn a_new_password_comes_by_mail_to_whoever_is_known() {
    let hub = TestHub::start().await;
    let ada = hub.person("ada@example.com", &[]).await;
    let reset = async |email: &str| {
        let body = json!({ "email": email });
        let answer = hub.http.manage("POST", "/passwords/reset", "", body).await;
        (answer.status, answer.text())
    };
    let yes = (200, "true".to_owned());
    assert_eq!(reset("nobody@example.com").await, yes);
    assert!(hub.mails_to("nobody@example.com").await.is_empty());
    assert_eq!(reset("ADA@example.com").await, yes);
    let first = hub.mailed_ticket(&ada.email).await;
    assert_eq!(reset(&ada.email).await, yes);
    let ticket = hub.mailed_ticket(&ada.email).await;
    let redeem = async |ticket: &str| {
        let body = json!({ "ticket": ticket, "password": OTHER });
        hub.http.manage("POST", "/passwords", "", body).await.status
    };
    assert_eq!(redeem(&first).await, 403, "the later one replaced it");
    assert_eq!(redeem(&ticket).await, 200);
    assert_eq!(me(&hub, &ada.token).await.status, 403, "its sessions ended");
    hub.signed_in(&ada.email, OTHER).await;

    assert_eq!(reset(&ada.email).await, yes);
    let late = hub.mailed_ticket(&ada.email).await;
    hub.clock.advance(Duration::from_secs(3_600));
    assert_eq!(redeem(&late).await, 403, "an hour is over");
}

#[tokio::test]
async fn whoever_is_disabled_is_out_at_once() {
    let hub = TestHub::start().await;
    let account = hub.account().await;
    let ada = hub
        .person("ada@example.com", &[(account.id, Role::Admin)])
        .await;
    let token = ada.access_token(&["read"]).await;
    let path = format!("/users/{}", ada.id);
    let set = async |disabled: bool| {
        let body = json!({ "disabled": disabled });
        hub.manage("PATCH", &path, body).await.json()["status"].clone()
    };
    assert_eq!(set(true).await, "disabled");
    for token in [&ada.token, &token] {
        assert_eq!(me(&hub, token).await.status, 403);
    }
    assert_eq!(set(false).await, "active");
    assert_eq!(me(&hub, &ada.token).await.status, 403, "sessions are gone");
    assert_eq!(me(&hub, &token).await.status, 200, "tokens waited");

    let revoked = hub
        .manage("POST", &format!("{path}/revoke"), Value::Null)
        .await;
    assert_eq!(revoked.text(), "true");
    assert_eq!(me(&hub, &token).await.status, 403);
    let removed = hub.manage("DELETE", &path, Value::Null).await;
    assert_eq!(removed.text(), "true");
    assert_eq!(hub.manage("GET", &path, Value::Null).await.status, 404);
    assert_eq!(hub.sign_in(&ada.email, PASSWORD).await.status, 403);
    // The address can be invited anew: a new person.
    let body = json!({ "email": ada.email });
    let again = hub.manage("POST", "/users", body).await.json();
    assert_ne!(again["id"], json!(ada.id));
}

#[tokio::test]
async fn a_token_may_do_what_its_scopes_and_its_user_may() {
    let hub = TestHub::start().await;
    let [one, other] = [hub.account().await, hub.account().await];
    let ada = hub
        .person(
            "ada@example.com",
            &[(one.id, Role::Admin), (other.id, Role::Viewer)],
        )
        .await;
    let reader = ada.access_token(&["read"]).await;
    let writer = ada.access_token(&["read", "write"]).await;
    let [here, there] = [&one, &other].map(|account| format!("account:{}", account.id));
    let local = ada.access_token(&["read", "write", &here]).await;
    let register = async |token: &str, account: &crate::harness::TestAccount| {
        let path = format!("/accounts/{}/registrations", account.id);
        let answer = hub.http.manage("POST", &path, token, json!({})).await;
        (answer.status, answer.text())
    };
    let status = async |token: &str, account| register(token, account).await.0;
    assert_eq!(status(&writer, &one).await, 200);
    assert_eq!(status(&local, &one).await, 200);
    let (refused, why) = register(&writer, &other).await;
    assert_eq!(refused, 403);
    assert!(
        why.contains("`member` or more") && why.contains("you are viewer"),
        "{why}"
    );
    let (refused, why) = register(&reader, &one).await;
    assert_eq!(refused, 403);
    assert!(why.contains("no scope `write`"), "{why}");
    assert_eq!(status(&local, &other).await, 404, "out of its sight");
    let listed = hub
        .http
        .manage("GET", "/accounts", &local, Value::Null)
        .await
        .json();
    assert_eq!(listed["items"].as_array().map(Vec::len), Some(1));

    // No token makes others, or outlives its user's rights.
    let body = json!({ "name": "more", "scopes": ["read"] });
    assert_eq!(
        hub.http
            .manage("POST", "/tokens", &writer, body)
            .await
            .status,
        403
    );
    let member = format!("/accounts/{}/members/{}", one.id, ada.id);
    let body = json!({ "role": "viewer" });
    assert_eq!(hub.manage("PATCH", &member, body).await.status, 200);
    assert_eq!(status(&writer, &one).await, 403);
    assert_eq!(
        hub.manage("DELETE", &member, Value::Null).await.text(),
        "true"
    );
    assert_eq!(status(&writer, &one).await, 404);

    for (body, pointer) in [
        (json!({ "name": "x", "scopes": ["admin"] }), "/scopes/0"),
        (json!({ "name": "x", "scopes": [there] }), "/scopes"),
        (
            json!({ "name": "x", "scopes": ["read"], "expiresInSeconds": 40_000_000 }),
            "/expiresInSeconds",
        ),
    ] {
        let answer = ada.manage("POST", "/tokens", body).await;
        assert_eq!(
            (answer.status, answer.pointers()),
            (400, vec![pointer.to_owned()])
        );
    }
    let body = json!({ "name": "x", "scopes": ["read", here] });
    assert_eq!(ada.manage("POST", "/tokens", body).await.status, 404);
}

#[tokio::test]
async fn a_token_is_shown_once_ends_and_can_be_revoked() {
    let hub = TestHub::start().await;
    let ada = hub.person("ada@example.com", &[]).await;
    let token = ada.access_token(&["read"]).await;
    let lasting = ada.access_token(&["read"]).await;
    let list = async || ada.ok("GET", "/tokens", Value::Null).await["items"].clone();
    let listed = list().await;
    assert_eq!(listed[0]["prefix"], token[..8]);
    assert!(!listed.to_string().contains(&token), "never again");
    assert_eq!(listed[0]["usedAt"], Value::Null);
    me(&hub, &token).await;
    let noon = list().await[0]["usedAt"].clone();
    assert_eq!(noon, "2026-03-02T12:00:00Z");
    hub.clock.advance(Duration::from_secs(3_599));
    me(&hub, &token).await;
    assert_eq!(list().await[0]["usedAt"], noon, "coarse");
    hub.clock.advance(Duration::from_secs(1));
    me(&hub, &token).await;
    assert_eq!(list().await[0]["usedAt"], "2026-03-02T13:00:00Z");

    let path = format!("/tokens/{}", listed[0]["id"]);
    ada.ok("DELETE", &path, Value::Null).await;
    assert_eq!(me(&hub, &token).await.status, 403);
    assert_eq!(ada.manage("DELETE", &path, Value::Null).await.status, 404);
    assert_eq!(me(&hub, &lasting).await.status, 200);
    hub.clock.advance(Duration::from_secs(86_400));
    assert_eq!(me(&hub, &lasting).await.status, 403, "its day is over");
}

#[tokio::test]
async fn an_admin_decides_who_belongs_to_the_account() {
    let hub = TestHub::start().await;
    let [account, other] = [hub.account().await, hub.account().await];
    let ada = hub
        .person("ada@example.com", &[(account.id, Role::Admin)])
        .await;
    let eve = hub
        .person("eve@example.com", &[(other.id, Role::Admin)])
        .await;
    let members = format!("/accounts/{}/members", account.id);
    let new = ada
        .ok(
            "POST",
            &members,
            json!({ "email": "bob@example.com", "role": "viewer" }),
        )
        .await;
    assert_eq!(new["status"], "invited");
    assert!(
        new.get("invitation").is_none(),
        "an admin could become the other person"
    );
    assert!(
        hub.mailed_ticket("bob@example.com")
            .await
            .starts_with("ri_")
    );
    let known = ada
        .ok(
            "POST",
            &members,
            json!({ "email": eve.email, "role": "partner" }),
        )
        .await;
    assert_eq!(known["userId"], json!(eve.id));
    let again = json!({ "email": eve.email, "role": "admin" });
    assert_eq!(ada.manage("POST", &members, again).await.status, 409);
    let listed = ada.ok("GET", &members, Value::Null).await;
    let roles: Vec<&Value> = listed["items"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|m| &m["role"])
        .collect();
    assert_eq!(roles, ["admin", "partner", "viewer"]);

    let of_eve = format!("{members}/{}", eve.id);
    let changed = ada.ok("PATCH", &of_eve, json!({ "role": "member" })).await;
    assert_eq!(changed["role"], "member");
    assert_eq!(
        eve.manage("PATCH", &of_eve, json!({ "role": "admin" }))
            .await
            .status,
        403
    );
    assert_eq!(eve.manage("GET", &members, Value::Null).await.status, 200);
    ada.ok("DELETE", &of_eve, Value::Null).await;
    let (theirs, nowhere) = (
        eve.manage("GET", &members, Value::Null).await,
        eve.manage("GET", "/accounts/999/members", Value::Null)
            .await,
    );
    let without = |answer: &Answer, id: &str| (answer.status, answer.text().replace(id, "ID"));
    let theirs = without(&theirs, &account.id.to_string());
    assert_eq!(theirs.0, 404);
    assert_eq!(theirs, without(&nowhere, "999"), "accounts can be probed");

    let operators = hub.manage(
        "POST",
        &members,
        json!({ "email": "cleo@example.com", "role": "admin" }),
    );
    assert!(
        operators.await.json()["invitation"].is_string(),
        "so that it works without mail"
    );
    for body in [
        json!({ "email": "x", "role": "admin" }),
        json!({ "email": "a@b.c", "role": "boss" }),
    ] {
        assert_eq!(ada.manage("POST", &members, body).await.status, 400);
    }
    let quota = json!({ "policy": { "maxEventsPerDay": 10 } });
    let path = format!("/accounts/{}", account.id);
    assert_eq!(
        ada.manage("PATCH", &path, quota.clone()).await.status,
        403,
        "for operators"
    );
    assert_eq!(
        hub.operator("olga@example.com")
            .await
            .manage("PATCH", &path, quota)
            .await
            .status,
        200
    );
}
