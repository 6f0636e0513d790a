//! Audiences in the console: shared in three steps, given their data by hand, followed to the receipt; scheduled, paused,
//! and the pause taken back.

use model::Role;
use serde_json::{Value, json};

use super::{Browser, location};
use crate::harness::{TestAccount, TestEndpoint, TestHub};

/// A source that is given its data by upload and has one audience, and a destination that fetches.
pub(crate) struct Audiences {
    pub(crate) crm: TestEndpoint,
    pub(crate) mailer: TestEndpoint,
}

const SEGMENT: i64 = 8_000_000_000_000_001_152;

pub(crate) async fn audiences(hub: &TestHub, account: &TestAccount) -> Audiences {
    let side = |role: &str, name: &str, kind: &str, columns: [&str; 3], actions: Value| {
        let [identifier, first, age] = columns;
        let moves = if role == "source" { "push" } else { "pull" };
        json!({
            "name": name, "providerName": "Acme",
            "endpointTypes": { "segment": { role: { "enabled": true, kind: moves, "shareActions": actions } } },
            "marketingDatabasesDefinition": { "marketingDatabases": [{ "name": "db",
                "identifiers": [{ "name": identifier, "type": "email" }],
                "attributes": [{ "name": first, "type": "string" }, { "name": age, "type": "number" }] }] },
        })
    };
    let columns = ["email", "first", "years"];
    let source = side("source", "CRM", "producerType", columns, Value::Null);
    let crm = hub.endpoint(account, source).await;
    let actions = json!({ "add": true, "replace": true, "defaultShareAction": "REPLACE" });
    let columns = ["Email", "First", "Age"];
    let destination = side("destination", "Mailer", "destinationType", columns, actions);
    let mailer = hub.endpoint(account, destination).await;
    let segments = json!([{ "id": SEGMENT, "name": "Gold <members>" }]);
    let path = format!("/v1/endpoint/{}/segments", crm.id);
    let told = hub.http.json("POST", &path, Some(&crm.key), Some(segments));
    let told = told.await;
    assert_eq!(told.status, 200, "{}", told.text());
    Audiences { crm, mailer }
}

impl Audiences {
    /// As the second step sends it.
    fn form(&self) -> Vec<(String, String)> {
        let fields = [
            ("segment", format!("{} {SEGMENT}", self.crm.id)),
            ("destination", self.mailer.id.to_string()),
            ("mapped", "yes".to_owned()),
            ("identifier", "Email".to_owned()),
            ("identifier-source", "email".to_owned()),
            ("column:First", "first".to_owned()),
            ("column:Age", "years".to_owned()),
            ("action", "REPLACE".to_owned()),
            ("name", "Gold <there>".to_owned()),
            ("guard-empty", "yes".to_owned()),
            ("shrink", "50".to_owned()),
            ("window", "all".to_owned()),
            ("when", "now".to_owned()),
            ("cron", "30 6 * * mon-fri".to_owned()),
            ("zone", "Europe/Berlin".to_owned()),
        ];
        fields.map(|(name, value)| (name.to_owned(), value)).into()
    }
}

fn changed<'a>(
    form: &'a [(String, String)],
    changes: &[(&str, &'a str)],
) -> Vec<(&'a str, &'a str)> {
    let value = |name: &str, value: &'a str| {
        let change = changes.iter().find(|(known, _)| *known == name);
        change.map_or(value, |(_, value)| *value)
    };
    form.iter()
        .map(|(n, v)| (n.as_str(), value(n, v)))
        .collect()
}

/// An account with audiences, and a member who shares them.
async fn begin() -> (TestHub, TestAccount, Audiences, Browser) {
    let hub = TestHub::start().await;
    let account = hub.account().await;
    let there = audiences(&hub, &account).await;
    hub.person("mia@example.com", &[(account.id, Role::Member)])
        .await;
    let browser = Browser::of(&hub, "mia@example.com").await;
    (hub, account, there, browser)
}

#[tokio::test]
async fn an_audience_is_shared_in_three_steps_and_followed_to_its_file() {
    let (hub, account, there, mut browser) = begin().await;
    let path = |rest: &str| format!("/console/{}{rest}", account.id);

    let lists = browser.get(&path("/segments?q=gold")).await.text();
    assert!(
        lists.contains("Gold &lt;members&gt;") && lists.contains("can be shared"),
        "{lists}"
    );
    let choice = browser
        .get(&path("/shares/new?find=yes&q=nothing"))
        .await
        .text();
    assert!(choice.contains("No audience has this"), "{choice}");
    let choice = browser.get(&path("/shares/new")).await.text();
    assert!(
        choice.contains("Gold &lt;members&gt;") && choice.contains(&SEGMENT.to_string()),
        "{choice}"
    );
    let query = format!(
        "?segment={}+{SEGMENT}&destination={}",
        there.crm.id, there.mailer.id
    );
    let mapping = browser
        .get(&path(&format!("/shares/new{query}")))
        .await
        .text();
    for expected in [
        "(who it is)",
        "both are of the type <code>email</code>",
        "names are alike",
        "Too few people are known here yet",
        "the rows take the place of what is there",
    ] {
        assert!(mapping.contains(expected), "{expected}: {mapping}");
    }
    assert!(
        !mapping.contains("REMOVE"),
        "the destination does not allow it: {mapping}"
    );

    // What is wrong comes back as it was filled in.
    let form = there.form();
    let wrong = changed(
        &form,
        &[
            ("when", "cron"),
            ("cron", "at noon"),
            ("column:Age", "first"),
        ],
    );
    let refused = browser.post(&path("/shares/new/summary"), &wrong).await;
    assert_eq!(refused.status, 400);
    let text = refused.text();
    assert!(
        text.contains("first would go to") && text.contains("value=\"at noon\""),
        "{text}"
    );
    let wrong = changed(&form, &[("action", "REMOVE"), ("column:First", "")]);
    let text = browser
        .post(&path("/shares/new/summary"), &wrong)
        .await
        .text();
    assert!(
        text.contains("What it is called there"),
        "it is the second step again: {text}"
    );
    assert!(
        text.contains("Gold &lt;there&gt;") && text.contains("chosen by you"),
        "{text}"
    );

    let summary = browser
        .post(&path("/shares/new/summary"), &changed(&form, &[]))
        .await;
    assert_eq!(summary.status, 200, "{}", summary.text());
    let text = summary.text();
    for expected in [
        "Once, now",
        "Gold &lt;there&gt;",
        "when nobody would be left",
        "Share it now",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    let list = browser.get(&path("/shares")).await.text();
    assert!(
        list.contains("No audience has been shared"),
        "a summary shares nothing: {list}"
    );

    let shared = browser
        .post(&path("/shares/new"), &changed(&form, &[]))
        .await;
    hub.settle().await;
    let job = location(&shared).to_owned();
    let page = browser.get(&job).await.text();
    assert!(
        page.contains("waits for data") && page.contains("Give it the data by hand"),
        "{page}"
    );
    let nothing = browser.upload(&format!("{job}/data"), &[], "").await;
    assert!(
        browser
            .get(location(&nothing))
            .await
            .text()
            .contains("choose a file")
    );
    let rows = "email,first,years\nada@example.com,Ada,36\n,Nobody,1\n";
    let taken = browser.upload(&format!("{job}/data"), &[], rows).await;
    assert!(
        browser
            .get(location(&taken))
            .await
            .text()
            .contains("The file is taken")
    );
    hub.settle().await;
    let page = browser.get(&job).await.text();
    assert!(page.contains("ready to be fetched"), "{page}");
    for file in ["audience.csv", "unmatched.csv"] {
        assert!(page.contains(&format!("/files/{file}")), "{file}: {page}");
    }
    let file = browser
        .get(&format!("{job}/files/audience.csv"))
        .await
        .text();
    assert_eq!(file, "Email,Age,First\nada@example.com,36,Ada\n");
    let list = browser.get(&path("/shares")).await.text();
    assert!(
        list.contains("Gold &lt;there&gt;") && list.contains("CRM"),
        "{list}"
    );
}

#[tokio::test]
async fn a_scheduled_share_says_when_and_a_pause_is_taken_back() {
    let (_hub, account, there, mut browser) = begin().await;
    let path = |rest: &str| format!("/console/{}{rest}", account.id);
    let form = there.form();
    let form = changed(&form, &[("when", "cron"), ("window", "days")]);
    let mut form = form;
    form.push(("days", "7"));
    let text = browser
        .post(&path("/shares/new/summary"), &form)
        .await
        .text();
    for expected in [
        "Monday to Friday at 06:30",
        "Europe/Berlin",
        "those of the last 7 days",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    assert_eq!(text.matches("06:30</time>").count(), 3, "{text}");
    let back = browser
        .post(&path("/shares/new/mapping"), &form)
        .await
        .text();
    assert!(
        back.contains("30 6 * * mon-fri") && back.contains("value=\"7\""),
        "{back}"
    );
    let made = browser.post(&path("/shares/new"), &form).await;
    let share = location(&made).to_owned();
    let list = browser.get(&path("/shares?which=scheduled")).await.text();
    assert!(list.contains("Gold &lt;there&gt;"), "{list}");

    browser.post(&format!("{share}/pause"), &[]).await;
    let paused = browser.get(&share).await.text();
    let undo = format!("action=\"{share}/resume\"");
    assert_eq!(
        paused.matches(&undo).count(),
        2,
        "one of them undoes: {paused}"
    );
    assert!(paused.contains(">Undo<"), "{paused}");
    browser.post(&format!("{share}/resume"), &[]).await;
    let resumed = browser.get(&share).await.text();
    assert!(
        resumed.contains("It runs again when it is due."),
        "{resumed}"
    );
    assert!(
        !browser.get(&share).await.text().contains(">Undo<"),
        "it is offered once"
    );
}

#[tokio::test]
async fn a_run_that_would_empty_an_audience_asks_and_says_what_comes_of_each_answer() {
    let (hub, account, there, mut browser) = begin().await;
    let path = |rest: &str| format!("/console/{}{rest}", account.id);
    let form = there.form();
    let shared = browser
        .post(&path("/shares/new"), &changed(&form, &[]))
        .await;
    let job = location(&shared).to_owned();
    browser
        .upload(&format!("{job}/data"), &[], "email,first,years\n")
        .await;
    hub.settle().await;
    let page = browser.get(&job).await.text();
    for expected in [
        "It stopped and asks",
        "replace all the same?",
        "the audience at Mailer becomes these 0 rows",
        "nothing is handed over, and this run is canceled",
    ] {
        assert!(page.contains(expected), "{expected}: {page}");
    }
    let refused = browser.post(&format!("{job}/refuse"), &[]).await;
    let page = browser.get(location(&refused)).await.text();
    assert!(
        page.contains("nothing was handed over") && page.contains("refused by"),
        "{page}"
    );
}
