//! A partner's life: from a request to an endpoint in production that receives an event, over HTTP and by mail only.

mod scenario;

use serde_json::{Value, json};
use services::Smtp;
use services::smtp::Mail;

use crate::harness::{Answer, TestHub};

/// A hub that writes mails, and the server that takes them.
pub(crate) struct Office {
    pub(crate) hub: TestHub,
    pub(crate) smtp: Smtp,
}

impl Office {
    pub(crate) async fn start() -> Self {
        let smtp = Smtp::start().await.expect("a port");
        let port = smtp.port();
        let hub = TestHub::start_with(move |config| {
            config.mail.server = "127.0.0.1".to_owned();
            config.mail.port = port;
            config.mail.security = server::config::Security::None;
        })
        .await;
        Self { hub, smtp }
    }

    /// A call of `/manage/v1` that must succeed.
    pub(crate) async fn manage(&self, method: &str, path: &str, body: Value) -> Value {
        let answer = self.hub.manage(method, path, body).await;
        assert_eq!(answer.status, 200, "{method} {path}: {}", answer.text());
        answer.json()
    }

    pub(crate) async fn refused(&self, method: &str, path: &str, body: Value) -> Answer {
        let answer = self.hub.manage(method, path, body).await;
        assert!(answer.status >= 400, "{method} {path}: {}", answer.text());
        answer
    }

    /// What came by mail since the last look.
    pub(crate) async fn mails(&self) -> Vec<Mail> {
        self.hub.settle().await;
        self.smtp.take()
    }

    /// A partner that asks; its path.
    pub(crate) async fn request(&self) -> String {
        let partner = self.manage("POST", "/partners", request()).await;
        assert_eq!(partner["stage"], "requested");
        format!("/partners/{}", partner["id"])
    }

    /// Takes a partner in; its pilot account and the key that came by mail.
    pub(crate) async fn nominate(&self, path: &str) -> (Value, String) {
        let partner = self
            .manage("POST", &format!("{path}/nominate"), json!({}))
            .await;
        let (_, key) = series(&self.mails().await);
        (partner["pilotAccountId"].clone(), key)
    }

    pub(crate) async fn checklist(&self, path: &str) -> Value {
        self.manage("GET", &format!("{path}/checklist"), Value::Null)
            .await
    }

    /// The ids of the items in a state.
    pub(crate) async fn items(&self, path: &str, state: &str) -> Vec<String> {
        let list = self.checklist(path).await;
        let items = list["items"].as_array().expect("a list").iter();
        items
            .filter(|item| item["state"] == state)
            .map(|item| item["id"].as_str().expect("an id").to_owned())
            .collect()
    }
}

pub(crate) fn request() -> Value {
    json!({ "company": "Northwind", "contact": "ada@northwind.example", "product": "Mailer",
            "exchanges": "Sends mails and tells who opened them", "forms": ["single"] })
}

/// The two mails of a series: the text of the first, and the key of the second.
pub(crate) fn series(mails: &[Mail]) -> (String, String) {
    assert_eq!(mails.len(), 2, "{mails:?}");
    // One that was tried again may have been overtaken.
    let part = |part: &str| {
        let is_it = |mail: &&Mail| mail.header("subject").is_some_and(|s| s.contains(part));
        mails.iter().find(is_it).expect("both parts")
    };
    let (welcome, second) = (part("(1 of 2)"), part("(2 of 2)"));
    assert_eq!(welcome.to, ["ada@northwind.example"]);
    assert_eq!(second.to, ["ada@northwind.example"]);
    let (welcome, second) = (welcome.text(), second.text());
    let key = second.lines().find(|line| line.starts_with("ra_"));
    let key = key.expect("a key in a line of its own").trim().to_owned();
    assert!(!welcome.contains(&key), "the first names the account");
    assert!(
        !second.contains("Northwind") && !second.contains("http"),
        "the second says nothing but the key: {second}"
    );
    (welcome, key)
}

fn certificate(waive: &[&str]) -> Value {
    json!({ "version": "4.2", "licence": "Exchange partner agreement", "licenceVersion": "1", "waive": waive })
}

#[tokio::test]
async fn nominating_writes_two_mails_and_neither_has_both() {
    let office = Office::start().await;
    let path = office.request().await;
    let partner = office
        .manage("POST", &format!("{path}/nominate"), json!({}))
        .await;
    assert_eq!(partner["stage"], "nominated");
    let (welcome, key) = series(&office.mails().await);
    let base = format!("http://{}", office.hub.server.pilot_address);
    assert!(welcome.contains(&base), "{welcome}");
    assert!(welcome.contains("Northwind (pilot)"), "{welcome}");
    assert_eq!(partner["pilotUrl"], base);

    let providers = office.manage("GET", "/providers", Value::Null).await;
    assert_eq!(providers["items"][0]["name"], "Northwind");
    let pilot = office.hub.pilot();
    assert_eq!(pilot.get("/v1/application", &key).await.status, 200);

    let again = office
        .manage("POST", &format!("{path}/nominate"), json!({}))
        .await;
    assert_eq!(again["pilotAccountId"], partner["pilotAccountId"]);
    assert!(office.mails().await.is_empty(), "nothing is done twice");
}

#[tokio::test]
async fn a_step_that_is_not_possible_says_what_is() {
    let office = Office::start().await;
    let path = office.request().await;
    for (step, body) in [
        ("review", json!({})),
        ("certify", certificate(&[])),
        ("promote", json!({ "digest": "x" })),
    ] {
        let answer = office
            .refused("POST", &format!("{path}/{step}"), body)
            .await;
        assert_eq!(answer.status, 409, "{step}");
        let why = answer.json()["detail"].to_string();
        assert!(
            why.contains("requested") && why.contains("nominate, decline"),
            "{why}"
        );
    }
    let difference = office
        .refused("GET", &format!("{path}/difference"), Value::Null)
        .await;
    assert_eq!(difference.status, 409);
    let missing = office.refused("GET", "/partners/99", Value::Null).await;
    assert_eq!(missing.status, 404);
}

#[tokio::test]
async fn every_mistake_in_a_request_is_told_at_once() {
    let office = Office::start().await;
    let body = json!({ "company": " ", "contact": "ada", "product": "p", "forms": ["triple"], "colour": 1 });
    let answer = office.refused("POST", "/partners", body).await;
    assert_eq!(
        answer.pointers(),
        ["/colour", "/company", "/exchanges", "/forms/0"]
    );
    let body = json!({ "company": "a", "contact": "ada", "product": "p", "exchanges": "e" });
    let answer = office.refused("POST", "/partners", body).await;
    assert_eq!(answer.pointers(), ["/contact"]);
}

#[tokio::test]
async fn who_is_declined_is_told_why_and_its_keys_end() {
    let office = Office::start().await;
    let path = office.request().await;
    let (_, key) = office.nominate(&path).await;
    let body = json!({ "reason": "The demonstration did not happen." });
    let declined = office
        .manage("POST", &format!("{path}/decline"), body)
        .await;
    assert_eq!(declined["stage"], "declined");
    assert_eq!(declined["possible"], json!([]));
    let mails = office.mails().await;
    assert!(mails[0].text().contains("demonstration did not happen"));
    assert_eq!(
        office.hub.pilot().get("/v1/application", &key).await.status,
        403
    );
    let history = office
        .manage("GET", &format!("{path}/history"), Value::Null)
        .await;
    let steps: Vec<(&str, &str)> = history["items"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|step| {
            let text = |name: &str| step[name].as_str().expect("text");
            (text("step"), text("actor"))
        })
        .collect();
    assert_eq!(
        steps,
        [
            ("request", "operator"),
            ("nominate", "operator"),
            ("decline", "operator")
        ]
    );
}

#[tokio::test]
async fn without_a_mail_server_mails_wait_and_say_so() {
    let hub = TestHub::start().await;
    let partner = hub.manage("POST", "/partners", request()).await.json();
    let path = format!("/partners/{}/nominate", partner["id"]);
    assert_eq!(hub.manage("POST", &path, json!({})).await.status, 200);
    hub.settle().await;
    // Longer than anything else is tried.
    hub.pass(std::time::Duration::from_secs(100 * 3600)).await;
    let page = hub::Page {
        after: 0,
        limit: 10,
    };
    let filter = hub::outbox::OutboxFilter::default();
    let waiting = hub.server.hub.outbox(None, filter, page).await;
    let waiting = waiting.expect("it can be read");
    assert_eq!(waiting.len(), 2);
    for row in waiting {
        assert_eq!(row.state, hub::outbox::OutboxState::Waiting);
        let last = row.history.last().expect("it was tried");
        assert!(last.detail.contains("no mail server"), "{last:?}");
        assert!(row.next_attempt_at.is_some());
    }
}

#[tokio::test]
async fn a_mail_server_that_is_down_loses_no_mail() {
    let mut office = Office::start().await;
    office.smtp.stop().await;
    let path = office.request().await;
    let nominated = office
        .manage("POST", &format!("{path}/nominate"), json!({}))
        .await;
    assert_eq!(nominated["stage"], "nominated");
    assert!(office.mails().await.is_empty());
    office.smtp.start_again().await.expect("the port is free");
    office.hub.pass(std::time::Duration::from_secs(3600)).await;
    series(&office.mails().await);
}
