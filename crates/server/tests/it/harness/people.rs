//! People who use the exchange in tests: invited, signed in, and what was mailed to them.

use hub::user::NewUser;
use hub::{Actor, Page};
use model::{AccountId, Role, Secret, UserId};
use serde_json::{Value, json};
use store::outbox::OutboxFilter;
use store::vault::Vault;

use super::{Answer, Http, TestHub, mix};

/// Good enough for anybody here.
pub(crate) const PASSWORD: &str = "three old bridges in venice";

/// Somebody with a session.
#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) id: UserId,
    pub(crate) email: String,
    /// Of the session.
    pub(crate) token: String,
    http: Http,
}

impl Person {
    /// A call of `/manage/v1` in the session.
    pub(crate) async fn manage(&self, method: &str, path: &str, body: Value) -> Answer {
        self.http.manage(method, path, &self.token, body).await
    }

    /// A call that must succeed.
    pub(crate) async fn ok(&self, method: &str, path: &str, body: Value) -> Value {
        let answer = self.manage(method, path, body).await;
        assert_eq!(answer.status, 200, "{method} {path}: {}", answer.text());
        answer.json()
    }

    /// A personal access token with these scopes, for a day.
    pub(crate) async fn access_token(&self, scopes: &[&str]) -> String {
        let body = json!({ "name": "ci", "scopes": scopes, "expiresInSeconds": 86_400 });
        let made = self.ok("POST", "/tokens", body).await;
        made["token"].as_str().expect("a token").to_owned()
    }
}

impl Http {
    /// A call of `/manage/v1` with a token; none when it is empty.
    pub(crate) async fn manage(
        &self,
        method: &str,
        path: &str,
        token: &str,
        body: Value,
    ) -> Answer {
        let body = Some(body).filter(|body| !body.is_null());
        let token = Some(token).filter(|token| !token.is_empty());
        self.json(method, &format!("/manage/v1{path}"), token, body)
            .await
    }
}

impl TestHub {
    /// Somebody who has accepted and signed in.
    pub(crate) async fn person(&self, email: &str, roles: &[(AccountId, Role)]) -> Person {
        self.person_who(email, roles, false).await
    }

    /// An operator who is a person.
    pub(crate) async fn operator(&self, email: &str) -> Person {
        self.person_who(email, &[], true).await
    }

    async fn person_who(
        &self,
        email: &str,
        roles: &[(AccountId, Role)],
        is_operator: bool,
    ) -> Person {
        let hub = &self.server.hub;
        let new = NewUser {
            email: email.to_owned(),
            name: None,
            is_operator,
            roles: roles.to_vec(),
        };
        let invited = hub.user_invite(&Actor::OPERATOR, &new).await;
        let (user, ticket) = invited.expect("invited");
        let password = Secret::new(PASSWORD);
        let accepted = hub.ticket_redeem(None, ticket.expose(), &password).await;
        accepted.expect("accepted");
        let token = self.signed_in(email, PASSWORD).await;
        Person {
            id: user.id,
            email: email.to_owned(),
            token,
            http: self.http.clone(),
        }
    }

    /// Signs in over HTTP; the session's token.
    pub(crate) async fn signed_in(&self, email: &str, password: &str) -> String {
        let answer = self.sign_in(email, password).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["token"].as_str().expect("a token").to_owned()
    }

    pub(crate) async fn sign_in(&self, email: &str, password: &str) -> Answer {
        let body = json!({ "email": email, "password": password });
        self.http.manage("POST", "/sessions", "", body).await
    }

    /// The texts of the mails that are to go to somebody, oldest first, as the vault has them.
    pub(crate) async fn mails_to(&self, email: &str) -> Vec<String> {
        let page = Page {
            after: 0,
            limit: 1_000,
        };
        let rows = self.server.hub.outbox(None, OutboxFilter::default(), page);
        let settings = mix::settings(self.directory());
        let key = settings
            .iter()
            .find(|(name, _)| *name == "RIALTO_SECRET_KEY");
        let vault = match key {
            Some((_, key)) => Vault::from_text(key),
            None => Vault::open_file(&self.directory().join("data/secret.key")),
        };
        let vault = vault.expect("the key");
        let mut texts = Vec::new();
        for row in rows.await.expect("the outbox") {
            let clear = vault.open(&format!("outbox {}", row.id), &row.payload);
            let mail: Value = serde_json::from_slice(&clear.expect("opened")).expect("JSON");
            if mail["to"] == email {
                texts.push(mail["text"].as_str().expect("a text").to_owned());
            }
        }
        texts
    }

    /// The ticket in the last mail to somebody.
    pub(crate) async fn mailed_ticket(&self, email: &str) -> String {
        let mails = self.mails_to(email).await;
        let last = mails.last().expect("a mail");
        let word = last.split_whitespace().find(|word| word.starts_with("ri_"));
        word.expect("a ticket").to_owned()
    }
}
