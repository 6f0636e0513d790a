//! Lists of the console: page by page, searched, and as files.

use model::Role;

use super::Browser;
use crate::harness::{TestHub, publisher_definition};

/// The address behind a link's words.
fn link<'a>(page: &'a str, words: &str) -> Option<&'a str> {
    let before = page.split(&format!(">{words}</a>")).next()?;
    let tag = before.rsplit("<a ").next()?;
    let address = tag.split("href=\"").nth(1)?.split('"').next()?;
    (before.len() < page.len()).then_some(address)
}

fn plain(address: &str) -> String {
    address.replace("&amp;", "&")
}

#[tokio::test]
async fn a_long_list_comes_page_by_page_and_as_one_file() {
    let hub = TestHub::start().await;
    let account = hub.account().await;
    for _ in 0..60 {
        hub.register(&account).await;
    }
    hub.person("vera@example.com", &[(account.id, Role::Viewer)])
        .await;
    let mut browser = Browser::of(&hub, "vera@example.com").await;

    let mut address = format!("/console/{}/endpoints?q=endpoint", account.id);
    let mut rows = Vec::new();
    while rows.len() < 3 {
        let page = browser.get(&address).await.text();
        rows.push(page.matches("<tr>").count() - 1);
        let Some(next) = link(&page, "More") else {
            break;
        };
        address = plain(next);
        assert!(
            address.contains("q=endpoint"),
            "what was searched for stays: {address}"
        );
    }
    assert_eq!(rows, [50, 10]);
    let last = browser.get(&address).await.text();
    let file = plain(link(&last, "Download as CSV").expect("a file"));
    let file = browser.get(&file).await;
    assert_eq!(file.headers["content-type"], "text/csv; charset=utf-8");
    assert_eq!(
        file.headers["content-disposition"],
        "attachment; filename=\"endpoints.csv\""
    );
    let text = file.text();
    let mut lines = text.trim_start_matches('\u{feff}').lines();
    assert_eq!(
        lines.next(),
        Some("Name,Number,Status,Role,Provider,Waiting,Since")
    );
    assert_eq!(lines.count(), 60, "all rows, not those of the page");

    let one = browser
        .get(&format!(
            "/console/{}/endpoints?q=nobody&format=csv",
            account.id
        ))
        .await;
    assert_eq!(one.text().lines().count(), 1, "only the columns' names");
}

#[tokio::test]
async fn what_a_stranger_calls_a_product_is_no_formula_in_a_file() {
    let hub = TestHub::start().await;
    let account = hub.account().await;
    let mut definition = publisher_definition();
    definition["name"] = "=HYPERLINK(\"https://evil.example.com\",\"a, b\")".into();
    hub.endpoint(&account, definition).await;
    hub.person("vera@example.com", &[(account.id, Role::Viewer)])
        .await;
    let mut browser = Browser::of(&hub, "vera@example.com").await;
    let path = format!("/console/{}/endpoints?format=csv", account.id);
    let text = browser.get(&path).await.text();
    let row = text.lines().nth(1).expect("a row");
    assert!(
        row.starts_with("\"'=HYPERLINK(\"\"https://evil.example.com\"\",\"\"a, b\"\")\","),
        "{row}"
    );
}

#[tokio::test]
async fn every_list_is_also_a_file() {
    let hub = TestHub::start().await;
    let account = hub.account().await;
    hub.operator("olga@example.com").await;
    let mut browser = Browser::of(&hub, "olga@example.com").await;
    let inside = [
        "/endpoints",
        "/subscriptions",
        "/deliveries",
        "/shares",
        "/jobs",
        "/people",
        "/audit",
        "/applications",
        "/quarantine",
        "/notices",
        "/outbox",
    ];
    let inside = inside.map(|rest| format!("/console/{}{rest}", account.id));
    let outside = [
        "/accounts",
        "/partners",
        "/providers",
        "/people",
        "/jobs",
        "/outbox",
        "/audit",
    ];
    let outside = outside.map(|rest| format!("/console/operator{rest}"));
    for path in inside.iter().chain(&outside) {
        let answer = browser.get(&format!("{path}?format=csv")).await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(
            answer.headers["content-type"], "text/csv; charset=utf-8",
            "{path}"
        );
        let text = answer.text();
        let columns = text
            .lines()
            .next()
            .expect("the columns' names")
            .split(',')
            .count();
        assert!(columns > 1, "{path}: {text}");
    }
}
