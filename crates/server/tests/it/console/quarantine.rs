//! Refused events on their pages: what is wrong by its place, put right, given up.

use model::{AccountPolicy, Environment, RefusedEvents, Role};

use super::{Browser, location};
use crate::harness::{TestHub, event};

#[tokio::test]
async fn a_refused_event_is_put_right_on_its_page_and_many_at_once() {
    let hub = TestHub::start().await;
    let policy = AccountPolicy {
        refused_events: RefusedEvents::Quarantine,
        ..AccountPolicy::default()
    };
    let account = hub.account_in(Environment::Production, policy).await;
    let shop = hub.publisher(&account, &["cartAdd"]).await;
    for total in 1..=4 {
        // A code that the shop did not register.
        hub.published(&shop, event("addToCart", "ada@example.com", total))
            .await;
    }
    hub.person("mia@example.com", &[(account.id, Role::Member)])
        .await;
    let mut mia = Browser::of(&hub, "mia@example.com").await;
    let path = |rest: &str| format!("/console/{}/quarantine{rest}", account.id);
    let list = mia.get(&path("")).await.text();
    assert_eq!(list.matches(">event ").count(), 4, "{list}");
    assert!(list.contains("addToCart"), "{list}");

    let one = list
        .split("href=\"")
        .find(|rest| rest.contains("/quarantine/"));
    let one = one.and_then(|rest| rest.split('"').next());
    let one = one.expect("a link to one").to_owned();
    let shown = mia.get(&one).await.text();
    assert!(
        shown.contains("<strong>Line ") && shown.contains("/events/0"),
        "{shown}"
    );
    let still = event("addToCart", "ada@example.com", 1).to_string();
    let refused = mia.post(&one, &[("document", &still)]).await;
    assert_eq!(refused.status, 400);
    assert!(refused.text().contains("addToCart"), "{}", refused.text());
    let right = event("cartAdd", "ada@example.com", 1).to_string();
    let published = mia.post(&one, &[("document", &right)]).await;
    assert_eq!(location(&published), path(""));
    let said = mia.get(&path("")).await.text();
    assert!(said.contains("The event is published"), "{said}");

    let another = said
        .split("href=\"")
        .find(|rest| rest.contains("/quarantine/"));
    let another = another.and_then(|rest| rest.split('"').next());
    let another = another.expect("a link to one").to_owned();
    mia.post(&format!("{another}/discard"), &[]).await;
    let id = shop.id.to_string();
    let fields = [
        ("endpointId", id.as_str()),
        ("kind", "code"),
        ("from", "addToCart"),
        ("to", "cartAdd"),
    ];
    let repaired = mia.post(&path("/repair"), &fields).await;
    assert_eq!(repaired.status, 303, "{}", repaired.text());
    let said = mia.get(&path("")).await.text();
    assert!(
        said.contains("2 events are published; 0 are still not right"),
        "{said}"
    );
    assert!(said.contains("There is none."), "{said}");
    let given_up = mia.get(&path("?state=discarded")).await.text();
    assert_eq!(given_up.matches(">event ").count(), 1, "{given_up}");
}
