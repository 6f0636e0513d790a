//! Pull destinations: event files are listed, fetched and deleted.

use std::time::Duration;

use crate::harness::{TestHub, event};

#[tokio::test]
async fn a_list_call_ends_while_publishing_goes_on() {
    let hub = TestHub::start().await;
    let account = hub.account().await;
    let shop = hub.publisher(&account, &["cartAdd"]).await;
    let warehouse = hub.pull_destination(&account).await;
    hub.subscribe(&account, &shop, "cartAdd", &warehouse).await;
    hub.published(&shop, event("cartAdd", "ada@example.com", 0))
        .await;

    // Enough of them that something is always waiting when a file has been closed.
    let publisher = async |lane: i64| {
        for total in lane.. {
            hub.published(&shop, event("cartAdd", "ada@example.com", total))
                .await;
            hub.server.hub.route().await.expect("routed");
        }
    };
    let publishing = futures_util::future::join_all((0..16).map(publisher));
    let list = hub
        .http
        .json("GET", "/v1/eventfiles", Some(&warehouse.key), None);
    let answer = tokio::select! {
        _ = publishing => unreachable!("it goes on for ever"),
        answer = tokio::time::timeout(Duration::from_secs(20), list) => answer.expect("an answer in time"),
    };
    let names = answer.json();
    assert_eq!(names.as_array().map(Vec::len), Some(1), "{names}");
}
