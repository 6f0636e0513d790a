//! Access tokens: fetched once, kept until they expire, renewed when refused; and whatever a token server does, no
//! notification is lost.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Told, put, supplier_key};
use crate::harness::scene::Scene;
use crate::harness::token_server::{CLIENT_ID, CLIENT_SECRET, form};
use crate::harness::{Receiver, Reply, TokenServer, embedded_only};

const HOUR: Duration = Duration::from_secs(3_600);

/// A subscription that is switched on and off, so that the shop is told.
struct Switch {
    told: Told,
    tokens: TokenServer,
    path: String,
    is_on: bool,
}

impl Switch {
    async fn start() -> Self {
        Self::of(Told::start().await, TokenServer::start().await).await
    }

    /// The shop is told at a receiver that takes only the token server's tokens.
    async fn of(told: Told, tokens: TokenServer) -> Self {
        let id = told.subscribe().await;
        let authentication = tokens.authentication();
        told.defined(
            &told.scene.shop,
            json!({ "authentication": authentication }),
        )
        .await;
        tokens.guard(&told.receiver);
        Self {
            path: format!("/subscriptions/{id}"),
            told,
            tokens,
            is_on: true,
        }
    }

    async fn switch(&mut self) {
        self.is_on = !self.is_on;
        self.told
            .manage("PATCH", &self.path, json!({ "enabled": self.is_on }))
            .await;
    }

    /// The credentials of the calls that were received since the last time.
    async fn seen(&self) -> Vec<String> {
        let received = self.told.told().await;
        received
            .iter()
            .map(|r| r.header("authorization").to_owned())
            .collect()
    }

    /// The last entry of the outbox.
    async fn last(&self) -> Value {
        self.told.outbox().await.pop().expect("an entry")
    }

    async fn state(&self) -> (String, Option<String>) {
        let last = self.last().await;
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let attempt = last["history"]
            .as_array()
            .expect("attempts")
            .last()
            .cloned();
        let failure = attempt.and_then(|attempt| text(&attempt["failure"]));
        (text(&last["state"]).expect("a state"), failure)
    }
}

#[tokio::test]
async fn a_token_is_used_until_it_expires_and_renewed_when_it_is_refused() {
    let mut switch = Switch::start().await;
    switch.switch().await;
    switch.switch().await;
    assert_eq!(switch.seen().await, ["Bearer access-1", "Bearer access-1"]);
    let request = &switch.tokens.receiver.requests()[0];
    assert_eq!(request.path, "/oauth/token");
    let fields = form(&request.body);
    let mut fields: Vec<(&str, &str)> = fields
        .iter()
        .map(|(n, v)| (n.as_str(), v.as_str()))
        .collect();
    fields.sort_unstable();
    assert_eq!(
        fields,
        [
            ("client_id", CLIENT_ID),
            ("client_secret", CLIENT_SECRET),
            ("grant_type", "refresh_token"),
            ("refresh_token", "refresh-0")
        ]
    );

    // Not used any more shortly before it expires.
    switch.told.scene.pass(HOUR - Duration::from_secs(60)).await;
    switch.switch().await;
    assert_eq!(switch.seen().await, ["Bearer access-2"]);

    // The server forgot it: asked for again, once, within the same attempt.
    switch.tokens.book().good.clear();
    switch.switch().await;
    assert_eq!(switch.seen().await, ["Bearer access-2", "Bearer access-3"]);
    assert_eq!(switch.last().await["attempts"], 1);

    // A new one is refused, too: that is an answer like any other.
    switch.told.receiver.answer_status(401);
    switch.switch().await;
    assert_eq!(switch.seen().await, ["Bearer access-3", "Bearer access-4"]);
    assert_eq!(switch.state().await.0, "dead");
}

#[tokio::test]
async fn concurrent_users_of_one_token_fetch_it_once() {
    let told = Told::start().await;
    let tokens = TokenServer::start().await;
    tokens.guard(&told.receiver);
    let authentication = json!({ "authentication": tokens.authentication() });
    told.defined(&told.scene.shop, authentication.clone()).await;
    told.defined(&told.crm, authentication).await;
    told.subscribe().await;
    assert_eq!(told.told().await.len(), 2, "both ends, at once");
    assert_eq!(tokens.receiver.count(), 1);
}

#[tokio::test]
async fn whatever_a_token_server_does_no_notification_is_lost() {
    let scene = Scene::start_with(|config| {
        config.delivery.timeout = server::config::Duration(Duration::from_secs(2));
    })
    .await;
    let mut switch = Switch::of(Told::of(scene).await, TokenServer::start().await).await;
    for (reply, failure) in [
        (Reply::Status(503), "token-refused"),
        (
            Reply::With(429, "retry-after", "100".to_owned()),
            "token-refused",
        ),
        (Reply::Hang, "token-silent"),
        (Reply::Body(200, "<html>".into()), "token-unusable"),
        (
            Reply::Body(200, r#"{"token_type":"bearer"}"#.into()),
            "token-unusable",
        ),
    ] {
        let what = format!("{reply:?}");
        // What is kept counts no more.
        switch.told.scene.pass(2 * HOUR).await;
        switch.tokens.book().reply = Some(reply);
        switch.switch().await;
        assert!(switch.seen().await.is_empty(), "{what}");
        assert_eq!(
            switch.state().await,
            ("waiting".to_owned(), Some(failure.to_owned())),
            "{what}"
        );
        switch.tokens.book().reply = None;
        if what.contains("429") {
            switch.told.scene.pass(Duration::from_secs(99)).await;
            assert!(switch.seen().await.is_empty(), "as it asked for");
        }
        switch.told.scene.pass(HOUR).await;
        assert_eq!(switch.seen().await.len(), 1, "{what}");
        assert_eq!(switch.state().await.0, "sent", "{what}");
    }
    assert_eq!(
        switch.told.scene.notices().await.len(),
        5,
        "each time, people are told"
    );
}

#[tokio::test]
async fn a_revoked_token_waits_for_new_credentials_and_the_owner_sees_why() {
    let mut switch = Switch::start().await;
    switch.tokens.book().refresh_token = "refresh-new".to_owned();
    switch.switch().await;
    switch.switch().await;
    assert!(switch.seen().await.is_empty());
    let last = switch.last().await;
    assert_eq!(last["state"], "waiting");
    let detail = last["history"][0]["detail"].as_str().expect("text");
    assert_eq!(
        detail,
        "the token server refused (400 invalid_grant): says the token server"
    );
    assert_eq!(
        switch.told.scene.notices().await,
        ["outbox-waiting"],
        "told once"
    );
    switch.told.scene.pass(24 * HOUR).await;
    assert_eq!(switch.state().await.0, "waiting");

    let mut authentication = switch.tokens.authentication();
    authentication["refreshToken"] = "refresh-new".into();
    switch
        .told
        .defined(
            &switch.told.scene.shop,
            json!({ "authentication": authentication }),
        )
        .await;
    assert_eq!(
        switch.seen().await,
        ["Bearer access-1", "Bearer access-1"],
        "at once"
    );
    assert_eq!(switch.state().await.0, "sent");
}

#[tokio::test]
async fn a_rotated_refresh_token_outlives_a_crash() {
    let mut switch = Switch::start().await;
    switch.tokens.book().rotates = true;
    switch.switch().await;
    assert_eq!(switch.seen().await, ["Bearer access-1"]);
    let Switch {
        told,
        tokens,
        path,
        is_on,
    } = switch;
    let Told {
        scene,
        crm,
        receiver,
    } = told;
    let told = Told {
        scene: scene.crash().await,
        crm,
        receiver,
    };
    let mut switch = Switch {
        told,
        tokens,
        path,
        is_on,
    };
    for n in 2..5 {
        switch.switch().await;
        assert_eq!(switch.seen().await, [format!("Bearer access-{n}")]);
        let form = form(&switch.tokens.receiver.requests()[n - 1].body);
        assert_eq!(form["refresh_token"], format!("refresh-{}", n - 1));
        switch.told.scene.pass(2 * HOUR).await;
    }
    // The same document again: what was rotated meanwhile still counts.
    let authentication = switch.tokens.authentication();
    switch
        .told
        .defined(
            &switch.told.scene.shop,
            json!({ "authentication": authentication }),
        )
        .await;
    switch.switch().await;
    assert_eq!(switch.seen().await, ["Bearer access-5"]);
}

#[tokio::test]
async fn a_token_server_that_wants_basic_gets_basic() {
    let mut switch = Switch::start().await;
    switch.tokens.book().basic_only = true;
    switch.switch().await;
    assert_eq!(switch.seen().await, ["Bearer access-1"]);
    switch.told.scene.pass(2 * HOUR).await;
    switch.switch().await;
    assert_eq!(switch.seen().await, ["Bearer access-2"]);
    let requests = switch.tokens.receiver.requests();
    let is_basic: Vec<bool> = requests
        .iter()
        .map(|r| r.headers.contains_key("authorization"))
        .collect();
    assert_eq!(is_basic, [false, true, true], "first with it from then on");
}

#[tokio::test]
async fn a_supplier_key_that_is_gone_keeps_notifications_waiting() {
    let told = Told::start().await;
    let tokens = TokenServer::start().await;
    let key = supplier_key(told.hub(), &tokens.url()).await;
    let authentication = json!({
        "authType": "OAuthRefreshTokenOnly", "authURL": tokens.url(), "supplierKey": key, "refreshToken": "refresh-0",
    });
    told.defined(
        &told.scene.shop,
        json!({ "authentication": authentication }),
    )
    .await;
    let gone = told
        .hub()
        .manage("DELETE", "/providers/1/supplierkeys/1", Value::Null)
        .await;
    assert_eq!(gone.status, 200);
    told.subscribe().await;
    assert!(told.told().await.is_empty());
    let waiting = told.outbox().await;
    assert_eq!(
        (&waiting[0]["state"], &waiting[0]["history"][0]["failure"]),
        (&json!("waiting"), &json!("supplier-key"))
    );
}

/// Whoever knows a supplier key cannot have its secret sent to a server of their own.
#[tokio::test]
async fn a_supplier_key_is_for_its_token_server_only() {
    let told = Told::start().await;
    let (tokens, evil) = (TokenServer::start().await, Receiver::start().await);
    let key = supplier_key(told.hub(), &tokens.url()).await;
    let body = json!({ "notificationURL": told.receiver.url(), "authentication": {
        "authType": "OAuthRefreshTokenOnly", "authURL": evil.url(), "supplierKey": key, "refreshToken": "r",
    } });
    let answer = put(told.hub(), &told.scene.shop, body).await;
    assert_eq!(
        (answer.status, answer.pointers()),
        (400, vec!["/authentication/supplierKey".to_owned()])
    );
    assert_eq!(evil.count(), 0);
}

/// What strangers repeat of our credentials is not kept, and what is kept is sealed.
#[tokio::test]
async fn no_credential_is_in_the_database_or_an_answer() {
    let told = Told::start().await;
    let tokens = TokenServer::start().await;
    tokens.book().expires_in = json!(0);
    told.receiver.answer(|request| {
        let said = format!("{} and then some", request.header("authorization"));
        Reply::Body(400, said.into())
    });
    let basic = json!({ "authType": "Basic", "userId": "ada", "password": "hunter2-planted" });
    told.defined(&told.crm, json!({ "authentication": basic }))
        .await;
    told.defined(
        &told.scene.shop,
        json!({ "authentication": tokens.authentication() }),
    )
    .await;
    told.subscribe().await;
    assert_eq!(told.told().await.len(), 2);
    let shown = json!(told.outbox().await).to_string();
    assert!(shown.contains("and then some"), "{shown}");
    let planted = [
        "hunter2-planted",
        "YWRhOmh1bnRlcjItcGxhbnRlZA==",
        "access-1",
        "refresh-0",
        CLIENT_SECRET,
    ];
    for secret in planted {
        assert!(!shown.contains(secret), "{secret}: {shown}");
    }
    if !embedded_only("elsewhere the database is no file") {
        return;
    }
    let directory = told.scene.hub.directory().join("data");
    for entry in std::fs::read_dir(directory).expect("a directory").flatten() {
        let Ok(bytes) = std::fs::read(entry.path()) else {
            continue;
        };
        for secret in planted {
            let found = bytes
                .windows(secret.len())
                .any(|window| window == secret.as_bytes());
            assert!(!found, "{secret} in {:?}", entry.path());
        }
    }
}
