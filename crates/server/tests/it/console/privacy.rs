//! Privacy in the console: a request of one person and of a file, followed to the report; the suppression list; hashing,
//! tried.

use model::Role;

use super::{Browser, location};
use crate::harness::scene::Scene;
use crate::identity::seen;

const ADA: &str = "ada@planted.example";

async fn scene() -> (Scene, Browser) {
    let scene = Scene::start().await;
    for step in [
        &[("email", ADA), ("cookie", "c-1")][..],
        &[("email", "grace@example.com")],
    ] {
        scene.hub.published(&scene.shop, seen(step)).await;
    }
    scene.settle().await;
    let roles = [(scene.account.id, Role::Admin)];
    scene.hub.person("olga@example.com", &roles).await;
    let browser = Browser::of(&scene.hub, "olga@example.com").await;
    (scene, browser)
}

#[tokio::test]
async fn a_person_is_erased_by_request_and_the_report_says_what_was_found() {
    let (scene, mut olga) = scene().await;
    let path = |rest: &str| format!("/console/{}{rest}", scene.account.id);
    let empty = olga.get(&path("/privacy")).await.text();
    assert!(
        empty.contains("Nobody has asked for anything yet"),
        "{empty}"
    );
    let fields = [
        ("operation", "remove"),
        ("type", "email"),
        ("value", ADA),
        ("type", ""),
        ("value", ""),
    ];
    let unsure = olga.post(&path("/privacy"), &fields).await;
    assert_eq!(unsure.status, 400);
    let text = unsure.text();
    assert!(
        text.contains("tick that you mean it") && text.contains(ADA),
        "{text}"
    );

    let fields = [
        ("operation", "remove"),
        ("sure", "yes"),
        ("type", "email"),
        ("value", ADA),
    ];
    let made = olga.post(&path("/privacy"), &fields).await;
    let job = location(&made).to_owned();
    let page = olga.get(&job).await.text();
    assert!(
        page.contains("The request is under way") && page.contains("data-live"),
        "{page}"
    );
    scene.settle().await;
    let page = olga.get(&job).await.text();
    for expected in [
        "Privacy request",
        "events in the log",
        "nothing was left",
        "cleared away",
    ] {
        assert!(page.contains(expected), "{expected}: {page}");
    }
    assert!(!page.contains("{\n"), "nothing is shown as JSON: {page}");
    let list = olga.get(&path("/privacy")).await.text();
    assert!(
        list.contains("Erase ") && list.contains("11 of 11 done"),
        "{list}"
    );
    let sought = [("type", "email"), ("value", ADA)];
    let gone = olga.post(&path("/identities/look-up"), &sought).await;
    assert!(
        olga.get(location(&gone))
            .await
            .text()
            .contains("Nobody is known by that")
    );
}

#[tokio::test]
async fn what_is_kept_of_the_people_of_a_file_is_exported_and_cleared_away_once_fetched() {
    let (scene, mut olga) = scene().await;
    let path = |rest: &str| format!("/console/{}{rest}", scene.account.id);
    let sought = [("type", "email"), ("value", ADA)];
    let person = olga.post(&path("/identities/look-up"), &sought).await;
    let x1_id = location(&person)
        .rsplit('/')
        .next()
        .expect("an id")
        .to_owned();
    let form = olga
        .get(&path(&format!(
            "/privacy/new?x1Id={x1_id}&operation=export"
        )))
        .await
        .text();
    assert!(
        form.contains(ADA) && form.contains("c-1"),
        "it is filled in: {form}"
    );

    let file = format!("email\n{ADA}\n");
    let made = olga
        .upload(&path("/privacy/file"), &[("operation", "export")], &file)
        .await;
    let job = location(&made).to_owned();
    assert!(job.contains("/jobs/"), "{}", olga.get(&job).await.text());
    scene.settle().await;
    let page = olga.get(&job).await.text();
    assert!(
        page.contains("ready to be fetched") && page.contains("I have fetched it"),
        "{page}"
    );
    let export = olga.get(&format!("{job}/files/export.jsonl")).await.text();
    assert!(
        export.contains(ADA) && export.contains("c-1") && !export.contains("grace"),
        "{export}"
    );
    let fetched = olga.post(&format!("{job}/fetched"), &[]).await;
    scene.settle().await;
    let page = olga.get(location(&fetched)).await.text();
    assert!(page.contains("status active\">done"), "{page}");
    assert_eq!(
        olga.get(&format!("{job}/files/export.jsonl")).await.status,
        404
    );

    let nothing = olga
        .upload(&path("/privacy/file"), &[("operation", "export")], "")
        .await;
    assert!(
        olga.get(location(&nothing))
            .await
            .text()
            .contains("choose a file")
    );
    let list = olga.get(&path("/privacy")).await.text();
    assert!(list.contains("canceled"), "nobody waits for it: {list}");
}

#[tokio::test]
async fn the_suppression_list_is_filled_asked_and_emptied() {
    let (scene, mut olga) = scene().await;
    let path = |rest: &str| format!("/console/{}/suppressions{rest}", scene.account.id);
    let people = [
        ("type", "email"),
        ("values", "Ada@planted.example\r\ngrace@example.com\r\n"),
        ("reference", "ticket <7>"),
    ];
    olga.post(&path(""), &people).await;
    let page = olga.get(&path("")).await.text();
    assert!(
        page.contains("2 of 2 are new on the list") && page.contains("ticket &lt;7&gt;"),
        "{page}"
    );
    assert!(
        !page.contains("grace@example.com"),
        "it does not say who: {page}"
    );
    let file = "email\ngrace@example.com\nalan@example.com\n";
    olga.upload(&path("/file"), &[("reference", "file")], file)
        .await;
    let page = olga.get(&path("")).await.text();
    assert!(page.contains("1 are new on the list"), "{page}");
    let asked = [
        ("type", "email"),
        ("values", "ALAN@example.com\nnobody@example.com"),
    ];
    let found = olga.post(&path("/find"), &asked).await.text();
    assert!(
        found.contains("suppressed") && found.contains("neither listed nor restricted"),
        "{found}"
    );
    olga.post(&path("/remove"), &asked).await;
    let page = olga.get(&path("")).await.text();
    assert!(page.contains("1 of 2 are off the list"), "{page}");
    let csv = olga.get(&path("?format=csv")).await.text();
    assert_eq!(csv.lines().count(), 3, "{csv}");

    olga.post(&path("/policy"), &[("consent", "honour")]).await;
    let page = olga.get(&path("")).await.text();
    assert!(
        page.contains("The list is ignored") && page.contains(">Undo<"),
        "{page}"
    );
    assert!(
        page.contains("name=\"list\" value=\"honour\""),
        "its undo is what was: {page}"
    );
}

#[tokio::test]
async fn values_are_tried_at_a_destination_before_anything_is_sent() {
    let (scene, mut olga) = scene().await;
    let mut definition = crate::harness::publisher_definition();
    definition["name"] = "Ads".into();
    definition["url"] = "https://ads.example.com/".into();
    definition["hashAlgorithm"] = "SHA256".into();
    definition["endpointTypes"] = serde_json::json!({ "event": { "destination": { "enabled": true, "destinationType": "push" } } });
    definition["marketingDatabasesDefinition"]["marketingDatabases"][0]["identifiers"] = serde_json::json!([{ "name": "mail", "type": "email", "hashMode": "HASHED", "hashAlgorithm": "EMAIL_SHA256" }]);
    let ads = scene.hub.endpoint(&scene.account, definition).await;
    let path = format!("/console/{}/hashing", scene.account.id);
    let page = olga.get(&path).await.text();
    assert!(page.contains("Ads ("), "{page}");
    let destination = ads.id.to_string();
    let values = "ada@example.com\r\n<b>no address\r\n973dfe463ec85785f5f95af5ba3906eedb2d931c24e69824a89ea65dba4e813b\r\n";
    let fields = [
        ("destination", destination.as_str()),
        ("type", "email"),
        ("values", values),
    ];
    let told = olga.post(&path, &fields).await.text();
    assert!(
        told.contains("Would be hashed") && told.contains("&lt;b&gt;no address"),
        "{told}"
    );
    assert!(told.contains("Would not leave, because"), "{told}");
}
