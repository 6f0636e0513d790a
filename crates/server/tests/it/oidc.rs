//! Single sign-on against a provider that is strict, changes its keys, and can be told to lie.

use std::time::Duration;

use model::Role;
use serde_json::{Value, json};
use server::config::Config;

use crate::harness::oidc::Provider;
use crate::harness::people::PASSWORD;
use crate::harness::{Answer, TestHub, noon};

struct SignOn {
    hub: TestHub,
    provider: Provider,
}

/// What a browser has after the issuer has sent it back.
struct Back {
    /// With code and state.
    path: String,
    cookie: String,
}

impl SignOn {
    async fn start(change: impl FnOnce(&mut Config)) -> Self {
        let begun = TestHub::with_issuer(|config| {
            // Tenants' destinations are another matter than the operator's issuer.
            config.delivery.allow_private_destinations = false;
            change(config);
        });
        let (hub, provider) = begun.await;
        Self { hub, provider }
    }

    async fn begin(&self) -> (String, String) {
        let begun = self
            .hub
            .http
            .send("GET", "/manage/v1/oidc/start", &[], "")
            .await;
        assert_eq!(begun.status, 302, "{}", begun.text());
        let text = |name: &str| begun.headers[name].to_str().expect("text").to_owned();
        let cookie = text("set-cookie");
        assert!(
            cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"),
            "{cookie}"
        );
        let (cookie, _) = cookie.split_once(';').expect("attributes");
        (text("location"), cookie.to_owned())
    }

    /// To the issuer and back.
    async fn visit(&self) -> Back {
        let (location, cookie) = self.begin().await;
        let there = location
            .strip_prefix(&self.provider.issuer)
            .expect("the issuer");
        let answer = self.provider.http.send("GET", there, &[], "").await;
        assert_eq!(answer.status, 302, "{}", answer.text());
        let back = answer.headers["location"].to_str().expect("text");
        let base = self.hub.http.url("");
        let path = back
            .strip_prefix(&base)
            .expect("our own address")
            .to_owned();
        Back { path, cookie }
    }

    async fn finish(&self, back: &Back) -> Answer {
        let cookie = format!("other=1; {}", back.cookie);
        let headers = [("cookie", cookie.as_str())];
        self.hub.http.send("GET", &back.path, &headers, "").await
    }

    async fn sign_on(&self) -> Answer {
        self.finish(&self.visit().await).await
    }

    /// Refused for this reason.
    async fn refused(&self, why: &str) {
        let answer = self.sign_on().await;
        let text = answer.text();
        assert_eq!(answer.status, 403, "{why}: {text}");
        assert!(text.contains(why), "{why}: {text}");
        assert!(!text.contains("hunter2"), "a stranger's words: {text}");
    }
}

#[tokio::test]
async fn somebody_invited_signs_on_and_stays_the_same_person() {
    let world = SignOn::start(|_| {}).await;
    let account = world.hub.account().await;
    world.refused("nobody has invited you").await;
    let body = json!({ "email": "ada@example.com", "accountId": account.id, "role": "member" });
    let invited = world.hub.manage("POST", "/users", body).await.json();

    let opened = world.sign_on().await;
    assert_eq!(opened.status, 200, "{}", opened.text());
    assert_eq!(opened.json()["user"]["id"], invited["id"]);
    assert_eq!(opened.json()["user"]["status"], "active");
    let session = opened.json()["token"].as_str().expect("a token").to_owned();
    let me = world
        .hub
        .http
        .manage("GET", "/me", &session, Value::Null)
        .await;
    assert_eq!(me.json()["accounts"][0]["role"], "member");
    let body = json!({ "ticket": invited["invitation"], "password": PASSWORD });
    let late = world.hub.http.manage("POST", "/passwords", "", body).await;
    assert_eq!(late.status, 403, "the invitation is used up");

    // Known by the subject from now on: the address may change, and is nobody else's.
    world
        .provider
        .somebody(json!({ "sub": "1", "email": "ada@new.example", "email_verified": true }));
    assert_eq!(world.sign_on().await.json()["user"]["id"], invited["id"]);
    world
        .provider
        .somebody(json!({ "sub": "2", "email": "ada@example.com", "email_verified": true }));
    world.refused("knows as somebody else").await;

    world
        .provider
        .somebody(json!({ "sub": "1", "email": "ada@example.com", "email_verified": true }));
    let path = format!("/users/{}", invited["id"]);
    world
        .hub
        .manage("PATCH", &path, json!({ "disabled": true }))
        .await;
    world.refused("is disabled").await;
    let trail = world
        .hub
        .manage(
            "GET",
            &format!("/audit?actor=user%20{}", invited["id"]),
            Value::Null,
        )
        .await;
    let trail = trail.json();
    let actions: Vec<&Value> = trail["items"]
        .as_array()
        .expect("entries")
        .iter()
        .map(|e| &e["action"])
        .collect();
    assert_eq!(actions, ["user.link", "session.open", "session.open"]);
    assert_eq!(trail["items"][1]["detail"]["by"], "oidc");
    assert_eq!(trail["items"][1]["address"], "127.0.0.1");
}

#[tokio::test]
async fn only_whom_the_issuer_vouches_for_comes_in() {
    let world = SignOn::start(|config| {
        config.oidc.domains = vec!["example.com".to_owned()];
        config.oidc.newcomers_account = 1;
        config.oidc.newcomers_role = Role::Viewer;
    })
    .await;
    let account = world.hub.account().await;
    for (somebody, why) in [
        (json!({ "sub": "1" }), "does not vouch"),
        (
            json!({ "sub": "1", "email": "ada@example.com" }),
            "does not vouch",
        ),
        (
            json!({ "sub": "1", "email": "ada@example.com", "email_verified": false }),
            "does not vouch",
        ),
        (
            json!({ "sub": "1", "email": "eve@example.com.evil", "email_verified": true }),
            "may not sign on",
        ),
        (
            json!({ "sub": "1", "email": "ada@example.com\r\nBcc: x@y.z", "email_verified": true }),
            "does not vouch",
        ),
    ] {
        world.provider.somebody(somebody);
        world.refused(why).await;
    }
    world.provider.somebody(
        json!({ "sub": "9", "email": "New@Example.com", "email_verified": true, "name": "N" }),
    );
    let opened = world.sign_on().await.json();
    assert_eq!(
        (&opened["user"]["email"], &opened["user"]["name"]),
        (&"new@example.com".into(), &"N".into())
    );
    assert_eq!(opened["user"]["operator"], false);
    let path = format!("/accounts/{}/members", account.id);
    let members = world.hub.manage("GET", &path, Value::Null).await.json();
    assert_eq!(members["items"][0]["role"], "viewer");
}

#[tokio::test]
async fn a_token_that_lies_is_not_believed() {
    let world = SignOn::start(|_| {}).await;
    world.hub.person("ada@example.com", &[]).await;
    let now = noon().as_second();
    for (lie, why) in [
        (json!({ "aud": "other" }), "another client"),
        (json!({ "iss": "http://other" }), "another issuer"),
        (json!({ "exp": now - 61 }), "expired"),
        (json!({ "iat": now + 61 }), "future"),
        (json!({ "nonce": "other" }), "another sign-in"),
        (json!({ "sub": "" }), "who it is"),
    ] {
        world.provider.lie(lie);
        world.refused(why).await;
    }
    world.provider.lie(json!({}));
    assert_eq!(world.sign_on().await.status, 200, "the truth");
    world.provider.forge();
    world.refused("none of the issuer's keys").await;
}

#[tokio::test]
async fn keys_are_changed_and_looked_up_again() {
    let world = SignOn::start(|_| {}).await;
    world.hub.person("ada@example.com", &[]).await;
    for requests in 1..=4 {
        assert_eq!(world.sign_on().await.status, 200);
        assert_eq!(world.sign_on().await.status, 200);
        assert_eq!(
            world.provider.key_requests(),
            requests,
            "kept while they do"
        );
        world.provider.rotate();
        world.hub.clock.advance(Duration::from_secs(10));
    }
    // Somebody who makes up names of keys does not make us ask for each.
    assert_eq!(world.sign_on().await.status, 200);
    world.provider.rotate();
    world.refused("none of the issuer's keys").await;
    assert_eq!(world.provider.key_requests(), 5, "just now");
    world.hub.clock.advance(Duration::from_secs(10));
    assert_eq!(world.sign_on().await.status, 200);
}

#[tokio::test]
async fn a_sign_on_is_one_browsers_once_and_soon() {
    let world = SignOn::start(|_| {}).await;
    world.hub.person("ada@example.com", &[]).await;
    let [first, second] = [world.visit().await, world.visit().await];
    let stolen = Back {
        path: first.path.clone(),
        cookie: second.cookie.clone(),
    };
    assert_eq!(world.finish(&stolen).await.status, 403, "another browser's");
    let none = Back {
        path: first.path.clone(),
        cookie: "rialto_oidc=".to_owned(),
    };
    assert_eq!(world.finish(&none).await.status, 403);
    assert_eq!(world.finish(&first).await.status, 200);
    let again = world.finish(&first).await;
    assert_eq!(again.status, 403, "a code is used once");
    assert!(
        again.text().contains("invalid_grant") && !again.text().contains("hunter2"),
        "{}",
        again.text()
    );
    world.hub.clock.advance(Duration::from_secs(600));
    assert_eq!(world.finish(&second).await.status, 403, "too late");
    let denied = world.hub.http.send(
        "GET",
        "/manage/v1/oidc/callback?error=access_denied&state=x",
        &[],
        "",
    );
    let denied = denied.await;
    assert_eq!(denied.status, 403);
    assert!(denied.text().contains("access_denied"));
}

#[tokio::test]
async fn without_an_issuer_there_is_no_single_sign_on() {
    let hub = TestHub::start().await;
    for path in ["/oidc/start", "/oidc/callback?code=x&state=y"] {
        assert_eq!(
            hub.http.manage("GET", path, "", Value::Null).await.status,
            404
        );
    }
    let world = SignOn::start(|config| config.oidc.issuer.push('/')).await;
    let begun = world
        .hub
        .http
        .manage("GET", "/oidc/start", "", Value::Null)
        .await;
    assert_eq!(
        begun.status,
        409,
        "another issuer, to the letter: {}",
        begun.text()
    );
}
