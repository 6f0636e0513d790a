//! People's secrets: passwords that are taken, refused and wrong, invitations, sessions and tokens.

use serde_json::{Value, json};
use services::Smtp;

use super::{Secrets, Walk, until};
use crate::harness::TOKEN;

/// A ticket of the last mail.
async fn ticket(secrets: &mut Secrets, smtp: &Smtp) -> String {
    until(|| !smtp.mails().is_empty()).await;
    let text = smtp.take().pop().expect("a mail").text();
    let ticket = text.split_whitespace().find(|word| word.starts_with("ri_"));
    let ticket = ticket.expect("a ticket").to_owned();
    secrets.plant("ticket of a mail", &ticket)
}

async fn password(walk: &mut Walk, ticket: &str, password: &str) -> u16 {
    let body = json!({ "ticket": ticket, "password": password });
    walk.call("POST", "/manage/v1/passwords", "", body).await.0
}

/// Somebody is invited to the account, signs in, makes a token, forgets the password, and leaves.
pub(super) async fn walk(walk: &mut Walk, secrets: &mut Secrets, account: &Value, smtp: &Smtp) {
    const EMAIL: &str = "ada@example.com";
    let chosen = secrets.plant("user's password", "PlantedUserPassword71 of Ada");
    let next = secrets.plant("user's next password", "PlantedNextPassword72 of Ada");
    let wrong = secrets.plant("a wrong password", "PlantedWrongPassword73 of Eve");
    let short = secrets.plant("a password that is refused", "PlShort74");
    let body = json!({ "email": EMAIL, "name": "Ada", "accountId": account, "role": "admin" });
    let (status, invited) = walk.show("POST", "/manage/v1/users", TOKEN, body).await;
    assert_eq!(status, 200, "{invited}");
    let invitation = ticket(secrets, smtp).await;
    assert_eq!(password(walk, &invitation, &short).await, 400);
    assert_eq!(password(walk, "ri_nobodys", &wrong).await, 403);
    assert_eq!(password(walk, &invitation, &chosen).await, 200);

    let sign_in = |password: &str| json!({ "email": EMAIL, "password": password });
    let sessions = "/manage/v1/sessions";
    assert_eq!(
        walk.call("POST", sessions, "", sign_in(&wrong)).await.0,
        403
    );
    let body = json!({ "email": [EMAIL], "password": { "is": wrong } });
    assert_eq!(walk.call("POST", sessions, "", body).await.0, 400);
    let (_, opened) = walk.show("POST", sessions, "", sign_in(&chosen)).await;
    let session = secrets.made("session", &opened, "token");
    let body = json!({ "name": "ci", "scopes": ["read"], "expiresInSeconds": 3600 });
    let (status, made) = walk.show("POST", "/manage/v1/tokens", &session, body).await;
    assert_eq!(status, 200, "{made}");
    let token = secrets.made("personal token", &made, "token");
    for (path, key) in [
        ("/me", &session),
        ("/tokens", &session),
        ("/sessions", &session),
        ("/me", &token),
        ("/users", &token),
    ] {
        walk.call("GET", &format!("/manage/v1{path}"), key, Value::Null)
            .await;
    }
    let path = format!("/manage/v1/accounts/{account}/audit");
    assert_eq!(walk.call("GET", &path, &token, Value::Null).await.0, 200);

    smtp.take();
    let body = json!({ "email": EMAIL });
    walk.call("POST", "/manage/v1/passwords/reset", "", body)
        .await;
    let reset = ticket(secrets, smtp).await;
    assert_eq!(password(walk, &reset, &next).await, 200);
    walk.manage("GET", "/users", Value::Null).await;
    walk.manage("GET", "/outbox", Value::Null).await;
}
