//! The first page: what flows, how much, and what mends what does not.

use model::Role;

use super::{Browser, Flow, location};
use crate::harness::{Receiver, TestHub, event};

#[tokio::test]
async fn the_picture_says_how_much_flows_each_minute_and_where_it_goes() {
    let flow = Flow::start(&["cartAdd", "cartRemove"]).await;
    flow.subscribe(&["cartAdd", "cartRemove"]).await;
    let (hub, account, shop) = (&flow.hub, &flow.account, &flow.shop);
    for minute in 0..6 {
        hub.published(shop, event("cartAdd", "ada@example.com", minute))
            .await;
    }
    hub.settle().await;
    hub.person("vera@example.com", &[(account.id, Role::Viewer)])
        .await;
    let mut browser = Browser::of(hub, "vera@example.com").await;
    let path = format!("/console/{}/flow", account.id);
    let page = browser.get(&path).await.text();
    assert!(page.contains("Web shop → cartAdd: 6.0 a minute"), "{page}");
    assert!(page.contains("cartRemove: nothing just now"), "{page}");
    assert!(
        page.contains("Published in the last hour: at most 6 a minute"),
        "{page}"
    );
    assert!(
        page.contains("Delivered in the last hour: at most 6 a minute"),
        "{page}"
    );
    let link = format!("/subscriptions?code=cartAdd&amp;to={}", flow.crm.id);
    assert!(page.contains(&link), "a click leads to what it is: {page}");

    // Rates are of the last minutes; an hour later nothing of it is left.
    hub.pass(std::time::Duration::from_secs(10 * 60)).await;
    let page = browser.get(&path).await.text();
    assert!(page.contains("cartAdd: nothing just now"), "{page}");
    assert!(
        page.contains("Published in the last hour: at most 6 a minute"),
        "{page}"
    );
    hub.pass(std::time::Duration::from_secs(60 * 60)).await;
    let page = browser.get(&path).await.text();
    assert!(
        page.contains("Published in the last hour: at most 0 a minute"),
        "{page}"
    );
}

#[tokio::test]
async fn what_is_in_trouble_is_named_with_the_button_that_mends_it() {
    let flow = Flow::start(&["cartAdd"]).await;
    flow.subscribe(&["cartAdd"]).await;
    let (hub, account, shop) = (&flow.hub, &flow.account, &flow.shop);
    hub.person("mia@example.com", &[(account.id, Role::Member)])
        .await;
    hub.person("vera@example.com", &[(account.id, Role::Viewer)])
        .await;
    let mut browser = Browser::of(hub, "mia@example.com").await;
    let path = |rest: &str| format!("/console/{}{rest}", account.id);
    let home = browser.get(&path("")).await.text();
    assert!(home.contains("Nothing: all is well."), "{home}");

    flow.receiver.answer_status(503);
    for minute in 0..20 {
        let person = format!("person{minute}@example.com");
        hub.published(shop, event("cartAdd", &person, minute)).await;
    }
    hub.settle().await;
    let home = browser.get(&path("")).await.text();
    assert!(home.contains("does not take anything"), "{home}");
    assert!(home.contains("in trouble"), "also in the picture: {home}");
    let retry = path(&format!("/endpoints/{}/retry", flow.crm.id));
    assert!(home.contains(&retry), "{home}");
    let mut viewer = Browser::of(hub, "vera@example.com").await;
    let seen = viewer.get(&path("")).await.text();
    assert!(
        seen.contains("does not take anything") && !seen.contains(&retry),
        "who may not, has no button: {seen}"
    );

    flow.receiver.answer_status(200);
    let tried = browser.post(&retry, &[]).await;
    let said = browser.get(location(&tried)).await.text();
    assert!(said.contains("documents are tried again now"), "{said}");
    hub.settle().await;
    let home = browser.get(&path("")).await.text();
    assert!(
        home.contains("Nothing: all is well."),
        "at once, without waiting: {home}"
    );
}

#[tokio::test]
async fn what_draws_the_last_hour_comes_from_here_and_packed_for_whoever_unpacks_it() {
    let hub = TestHub::start().await;
    let account = hub.account().await;
    hub.publisher(&account, &["cartAdd"]).await;
    hub.person("vera@example.com", &[(account.id, Role::Viewer)])
        .await;
    let mut browser = Browser::of(&hub, "vera@example.com").await;
    let home = browser
        .get(&format!("/console/{}", account.id))
        .await
        .text();
    let mut addresses = home.split(['"', ' ']);
    let script =
        addresses.find(|part| part.starts_with("/console/assets/uplot.") && part.ends_with(".js"));
    let script = script.expect("the library").to_owned();
    let plain = browser.get(&script).await;
    assert!(plain.text().contains("uPlot") && plain.headers.get("content-encoding").is_none());
    let accept = [("accept-encoding", "gzip, br")];
    let packed = browser.send("GET", &script, &accept, String::new()).await;
    assert_eq!(packed.headers["content-encoding"], "gzip");
    assert!(
        packed.body.len() < plain.body.len() / 2,
        "{}",
        packed.body.len()
    );
    // A page of another kind does not load it.
    let list = browser
        .get(&format!("/console/{}/endpoints", account.id))
        .await
        .text();
    assert!(!list.contains("uplot"), "{list}");
}

#[tokio::test]
async fn of_many_kinds_of_events_the_busiest_are_drawn_and_the_others_as_one() {
    let codes: Vec<String> = (0..12).map(|number| format!("code{number:02}")).collect();
    let names: Vec<&str> = codes.iter().map(String::as_str).collect();
    let flow = Flow::start(&names).await;
    flow.subscribe(&names).await;
    let Flow {
        hub,
        account,
        shop,
        crm,
        ..
    } = &flow;
    // Once more the same way, for one namespace only: what it takes is taken already, and goes out once.
    let again = hub::subscription::NewSubscription {
        publisher: shop.id,
        code: codes[11].clone(),
        namespace: Some("com.ibm.commerce.ubx".to_owned()),
        destination: crm.id,
    };
    let scope = hub::Scope(account.id);
    let again = hub
        .server
        .hub
        .subscription_create(&hub::Actor::OPERATOR, scope, again);
    again.await.expect("subscribed");
    for (number, code) in codes.iter().enumerate() {
        for _ in 0..=number {
            hub.published(shop, event(code, "ada@example.com", 1)).await;
        }
    }
    hub.settle().await;
    hub.person("vera@example.com", &[(account.id, Role::Viewer)])
        .await;
    let mut browser = Browser::of(hub, "vera@example.com").await;
    let path = format!("/console/{}", account.id);
    let home = browser.page(&path).await;
    assert!(
        home.contains("12 kinds of events on 12 ways"),
        "a way is drawn once: {home}"
    );
    assert!(home.contains("Web shop → code11: 12 a minute"), "{home}");
    // Nine are drawn; of the others, 1 + 2 + 3 events.
    assert!(home.contains("Web shop → code03: 4.0 a minute"), "{home}");
    assert!(home.contains("Web shop → others: 6.0 a minute"), "{home}");
    assert!(!home.contains("Web shop → code02"), "{home}");
    let rows: Vec<&str> = home.split("data-key=\"").skip(1).collect();
    let busiest = format!("{} {} code11\"", shop.id, crm.id);
    let first_row = rows.iter().find(|row| row.contains(" code"));
    assert!(
        first_row.is_some_and(|row| row.starts_with(&busiest)),
        "the busiest first: {home}"
    );

    // The paths of what is searched for are drawn alone.
    let some = format!("{path}/subscriptions?view=paths&code=code0&to=crm");
    let some = browser.page(&some).await;
    assert!(some.contains("10 kinds of events on 10 ways"), "{some}");
    assert!(!some.contains("code11:"), "{some}");
    let none = format!("{path}/subscriptions?view=paths&to=nobody");
    let none = browser.page(&none).await;
    assert!(none.contains("No subscription fits."), "{none}");
}

#[tokio::test]
async fn the_latest_notices_stand_first() {
    let hub = TestHub::start().await;
    let account = hub.account().await;
    let shop = hub.publisher(&account, &["cartAdd"]).await;
    for number in 0..4 {
        let receiver = Receiver::start().await;
        receiver.answer_status(410);
        let gone = hub.push_destination(&account, &receiver.url()).await;
        hub.subscribe(&account, &shop, "cartAdd", &gone).await;
        hub.published(&shop, event("cartAdd", "ada@example.com", number))
            .await;
        hub.settle().await;
    }
    hub.person("vera@example.com", &[(account.id, Role::Viewer)])
        .await;
    let mut browser = Browser::of(&hub, "vera@example.com").await;
    let home = browser.page(&format!("/console/{}", account.id)).await;
    let notices = home.split("data-key=\"notice ").skip(1);
    let shown: Vec<&str> = notices.filter_map(|rest| rest.split('"').next()).collect();
    assert_eq!(shown, ["4", "3", "2"], "{home}");
}
