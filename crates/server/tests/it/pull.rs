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

    let publishing = async {
        for total in 1.. {
            hub.published(&shop, event("cartAdd", "ada@example.com", total))
                .await;
        }
    };
    let list = hub
        .http
        .json("GET", "/v1/eventfiles", Some(&warehouse.key), None);
    let answer = tokio::select! {
        () = publishing => unreachable!("it goes on for ever"),
        answer = tokio::time::timeout(Duration::from_secs(20), list) => answer.expect("an answer in time"),
    };
    let names = answer.json();
    assert_eq!(names.as_array().map(Vec::len), Some(1), "{names}");
}
