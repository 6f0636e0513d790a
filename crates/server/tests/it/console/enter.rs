//! The link of the demo, which signs in whoever looks on.

use std::time::Duration;

use super::{Browser, location};
use crate::harness::TestHub;
use crate::harness::people::PASSWORD;

#[tokio::test]
async fn the_demos_link_signs_in_once_and_within_minutes() {
    let hub = TestHub::start().await;
    let account = hub.account().await;
    let ticket = hub.server.hub.demo_ticket().await.expect("a ticket");
    let link = format!("/console/enter/{}", ticket.expose());
    // It is no way to a password.
    let welcome = format!("/console/welcome/{}", ticket.expose());
    let mut thief = Browser::new(&hub);
    let chosen = thief.post(&welcome, &[("password", PASSWORD)]).await;
    assert_eq!(chosen.status, 400, "{}", chosen.text());

    let mut browser = Browser::new(&hub);
    let entered = browser.get(&link).await;
    assert_eq!(location(&entered), "/console", "{}", entered.text());
    let home = browser.get("/console").await;
    assert_eq!(location(&home), format!("/console/{}", account.id));
    assert_eq!(browser.get(location(&home)).await.status, 200);
    let again = thief.get(&link).await;
    assert_eq!(again.status, 403);
    assert!(thief.session().is_none());

    let late = hub.server.hub.demo_ticket().await.expect("another");
    hub.clock.advance(Duration::from_secs(16 * 60));
    let link = format!("/console/enter/{}", late.expose());
    assert_eq!(thief.get(&link).await.status, 403);
    assert_eq!(thief.get("/console/enter/ri_guessed").await.status, 403);
    assert!(thief.session().is_none());
}
